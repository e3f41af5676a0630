// What a front end gets of a response that is none, or that fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/ajp_server.ts";
import { headerOf, withAjpServer } from "../support/ajp_server_front_end.ts";
import { bytesOf, replyOf, streamOf } from "./ajp_server_reply.ts";
import { headersOf } from "../support/ajp_values.ts";

/** Gives each part in a turn of its own, and then the end or an error. */
function pausingStream(
  parts: readonly unknown[],
  error?: Error,
): ReadableStream<Uint8Array> {
  let i = 0;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      if (i < parts.length) controller.enqueue(parts[i++] as Uint8Array);
      else if (error !== undefined) controller.error(error);
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

// Faults before the headers are sent

const FAULTS: readonly (readonly [string, AjpHandler, RegExp])[] = [
  [
    "throws",
    () => {
      throw new Error("secret text");
    },
    /^handler: secret text$/,
  ],
  [
    "rejects",
    () => Promise.reject(new Error("secret text")),
    /^handler: secret text$/,
  ],
  ["throws no error", () => Promise.reject("odd"), /^handler: odd$/],
  ["gives nothing", () => undefined as unknown as Response, /no Response/],
  [
    "gives an object",
    () => ({ status: 200 }) as unknown as Response,
    /no Response/,
  ],
  ["gives an error response", () => Response.error(), /Cannot send status 0/],
  [
    "gives a response that was read",
    async () => {
      const response = new Response("secret text");
      await response.text();
      return response;
    },
    /its body has been read/,
  ],
  [
    "gives a body that somebody reads",
    () => {
      const response = new Response(pausingStream([]));
      response.body?.getReader();
      return response;
    },
    /^response: /,
  ],
  [
    "gives a stream that fails at once",
    () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.error(new Error("secret text")),
        }),
      ),
    /^response: secret text$/,
  ],
  [
    "gives a stream of texts",
    () => new Response(streamOf("secret text")),
    /^response: /,
  ],
  [
    "gives a body longer than its content-length",
    () => new Response("secret text", { headers: { "content-length": "3" } }),
    /^response: Cannot send the body: 11 bytes, and the content-length is 3$/,
  ],
  [
    "gives a body shorter than its content-length",
    () => new Response("secret text", { headers: { "content-length": "30" } }),
    /11 bytes, and the content-length is 30$/,
  ],
  [
    "gives a content-length that is no number",
    () => new Response("secret text", { headers: { "content-length": "x" } }),
    /^response: /,
  ],
];

for (const [claim, handler, fault] of FAULTS) {
  test(`AjpServer answers 500 and tells nothing when the handler ${claim}`, async () => {
    const { reply, faults } = await replyOf(handler);
    assert.equal(reply.status, 500);
    assert.equal(reply.reuse, true);
    assert.match(reply.text, /^<!doctype html>.*Internal Server Error/);
    assert.doesNotMatch(reply.text, /secret|Error:|\.ts/);
    assert.equal(
      headerOf(reply, "content-length"),
      String(reply.body.length),
    );
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? "", fault);
  });
}

test("AjpServer answers 500 to HEAD without a body when the handler throws", async () => {
  const { reply } = await replyOf(() => Promise.reject(new Error("x")), "HEAD");
  assert.equal(reply.status, 500);
  assert.deepEqual(reply.events, ["headers", "end"]);
});

// Faults after it

const LATE_FAULTS: readonly (readonly [string, () => Response, RegExp])[] = [
  [
    "a stream that fails",
    () => new Response(pausingStream([bytesOf("part")], new Error("late"))),
    /^response: late$/,
  ],
  [
    "a part that is not bytes",
    () => new Response(pausingStream([bytesOf("part"), "text"])),
    /^response: /,
  ],
  [
    "more than the content-length",
    () =>
      new Response(pausingStream([bytesOf("part"), bytesOf("s")]), {
        headers: { "content-length": "4" },
      }),
    /^response: .*0 are left of the content-length/,
  ],
  [
    "less than the content-length",
    () =>
      new Response(pausingStream([bytesOf("part")]), {
        headers: { "content-length": "6" },
      }),
    /^response: .*2 bytes of the content-length are missing/,
  ],
];

for (const [claim, make, fault] of LATE_FAULTS) {
  test(`AjpServer ends the response and the connection after ${claim}`, async () => {
    const { reply, faults } = await replyOf(make);
    assert.equal(reply.status, 200);
    assert.equal(reply.text, "part");
    assert.equal(reply.reuse, false);
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? "", fault);
  });
}

test("AjpServer cancels a stream of which too much came", async () => {
  let cancelled = false;
  await replyOf(() => {
    const parts = pausingStream([bytesOf("part"), bytesOf("more")]);
    const reader = parts.getReader();
    const body = new ReadableStream({
      async pull(controller) {
        const { value } = await reader.read();
        controller.enqueue(value);
      },
      cancel: () => {
        cancelled = true;
      },
    });
    return new Response(body, { headers: { "content-length": "5" } });
  });
  assert.equal(cancelled, true);
});

test("AjpServer sends a page of the connection's own for what it refuses", () =>
  withAjpServer(
    { secret: "s3cret" },
    () => assert.fail("called"),
    async (scene) => {
      const peer = await scene.connect();
      const reply = await peer.send({ headers: headersOf(["host", "a"]) });
      assert.equal(reply.status, 403);
      assert.equal(headerOf(reply, "content-type"), "text/html;charset=utf-8");
      assert.match(reply.text, /HTTP Status 403 - Forbidden/);
    },
  ));
