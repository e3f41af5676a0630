// What a front end gets of a response.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/ajp_server.ts";
import {
  concatBytes,
  encodeEndResponse,
  encodeSendBodyChunk,
  encodeSendHeaders,
} from "../../protocol/mod.ts";
import {
  headerOf,
  patternOf,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { bytesOf, replyOf, streamOf } from "./ajp_server_reply.ts";

// Status and headers

test("AjpServer writes a small response as Tomcat does, in one write", () =>
  withAjpServer({}, () => {
    const headers = { "X-One": "1", "content-type": "text/plain" };
    return new Response(bytesOf("hello"), { status: 201, headers });
  }, async ({ connectRaw, client, server }) => {
    const expected = concatBytes([
      encodeSendHeaders({
        type: "sendHeaders",
        status: 201,
        message: "201",
        headers: [
          { code: 0xa001, name: "Content-Type", value: "text/plain" },
          { code: 0, name: "x-one", value: "1" },
          { code: 0xa003, name: "Content-Length", value: "5" },
        ],
      }),
      encodeSendBodyChunk({
        type: "sendBodyChunk",
        data: bytesOf("hello"),
        terminated: true,
      }),
      encodeEndResponse({ type: "endResponse", reuse: true }),
    ]);
    const peer = await connectRaw();
    await peer.write(requestBytes());
    await peer.receives(
      Array.from(
        expected,
        (byte) => byte.toString(16).padStart(2, "0"),
      ).join(""),
    );
    const connection = await client.connect(server.address);
    await connection.write(requestBytes());
    for await (const chunk of connection) {
      assert.deepEqual(chunk, expected);
      break;
    }
    connection.abort();
  }));

for (const status of [200, 201, 299, 301, 404, 500, 503, 599]) {
  test(`AjpServer sends status ${status} with its body`, async () => {
    const { reply, faults } = await replyOf(() =>
      new Response("text", { status })
    );
    assert.equal(reply.status, status);
    assert.equal(reply.text, "text");
    assert.equal(headerOf(reply, "content-length"), "4");
    assert.deepEqual(faults, []);
  });
}

for (const status of [204, 205, 304]) {
  test(`AjpServer sends status ${status} without a body`, async () => {
    const { reply, faults } = await replyOf(() => {
      const headers = { etag: '"a"' };
      return new Response(null, { status, headers });
    });
    assert.deepEqual(reply.events, ["headers", "end"]);
    assert.equal(reply.status, status);
    assert.equal(headerOf(reply, "etag"), '"a"');
    assert.equal(headerOf(reply, "content-length"), undefined);
    assert.deepEqual(faults, []);
  });
}

test("AjpServer sends a response without a body with the length 0", async () => {
  for (const body of [null, "", new Uint8Array(), streamOf()]) {
    const { reply } = await replyOf(() => new Response(clone(body)));
    assert.equal(headerOf(reply, "content-length"), "0");
    assert.deepEqual(reply.events, ["headers", "end"]);
  }
});

/** A stream can be sent once only. */
function clone(body: BodyInit | null): BodyInit | null {
  return body instanceof ReadableStream ? streamOf() : body;
}

test("AjpServer sends no body to HEAD, and cancels the one that there is", async () => {
  let cancelled = 0;
  const { reply, faults } = await replyOf(() => {
    const body = new ReadableStream({ cancel: () => void cancelled++ });
    return new Response(body, { headers: { "content-length": "1000" } });
  }, "HEAD");
  assert.deepEqual(reply.events, ["headers", "end"]);
  assert.equal(headerOf(reply, "content-length"), "1000");
  assert.equal(cancelled, 2); // replyOf sends two
  assert.deepEqual(faults, []);
});

test("AjpServer sends several Set-Cookie headers, and non-ASCII values", async () => {
  const { reply } = await replyOf(() => {
    const headers = new Headers({ "x-name": "f\xfcr\x85" });
    headers.append("set-cookie", "a=1; Path=/");
    headers.append("set-cookie", "b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT");
    return new Response(null, { headers });
  });
  assert.equal(
    headerOf(reply, "set-cookie"),
    "a=1; Path=/|b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
  );
  assert.equal(headerOf(reply, "x-name"), "f\xfcr\x85");
});

test("AjpServer keeps headers of a connection to itself", async () => {
  const names = ["connection", "keep-alive", "transfer-encoding", "upgrade"];
  const { reply, faults } = await replyOf(() =>
    new Response("x", {
      headers: Object.fromEntries(names.map((name) => [name, "chunked"])),
    })
  );
  for (const name of names) assert.equal(headerOf(reply, name), undefined);
  assert.equal(reply.text, "x");
  assert.deepEqual(faults, []);
});

for (const [claim, size] of [["fits", 8000], ["does not fit", 8200]] as const) {
  test(`AjpServer answers headers that ${claim} a packet`, async () => {
    const { reply, faults } = await replyOf(() =>
      new Response("body", { headers: { "x-large": "a".repeat(size) } })
    );
    const fits = size === 8000;
    assert.equal(reply.status, fits ? 200 : 500);
    assert.equal(reply.reuse, true);
    if (fits) return assert.equal(reply.text, "body");
    assert.match(reply.text, /HTTP Status 500 - Internal Server Error/);
    assert.match(
      faults[0] ?? "",
      /^response: Cannot encode packet: \d+ > 8192/,
    );
  });
}

// Bodies

const BODIES: readonly (readonly [string, () => BodyInit, string])[] = [
  ["text", () => "f\xfcr", "f\xfcr"],
  ["bytes", () => bytesOf("bytes"), "bytes"],
  ["a blob", () => new Blob(["a", "b"]), "ab"],
  ["parameters", () => new URLSearchParams({ a: "b c" }), "a=b+c"],
  ["a stream that is there", () => streamOf(bytesOf("a"), bytesOf("b")), "ab"],
];

for (const [claim, body, text] of BODIES) {
  test(`AjpServer sends ${claim} in one write, with its length`, async () => {
    const { reply, faults } = await replyOf(() => new Response(body()));
    assert.equal(reply.text, text);
    assert.equal(
      headerOf(reply, "content-length"),
      String(bytesOf(text).length),
    );
    assert.equal(reply.reads, 1);
    assert.deepEqual(faults, []);
  });
}

for (
  const length of [1, 8184, 8185, 16_368, 32_768, 32_769, 65_537, 1_000_000]
) {
  test(`AjpServer sends ${length} bytes in packets that are as long as they may be`, async () => {
    const body = patternOf(length);
    const { reply } = await replyOf(() => new Response(body));
    assert.deepEqual(reply.body, body);
    assert.equal(headerOf(reply, "content-length"), String(length));
    const parts = reply.events.filter((event) => event.startsWith("body"));
    assert(parts.length <= Math.ceil(length / 8184) + length / 65_536);
  });
}

test("AjpServer sends the parts of a stream as they come, and flushes in pauses", () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const handler: AjpHandler = () =>
    new Response(
      new ReadableStream({
        start: (c) => {
          controller = c;
        },
      }),
    );
  return withAjpServer({}, handler, async ({ connect, network }) => {
    const peer = await connect();
    const reply = peer.send();
    for (const part of ["one", "two", "three"]) {
      await network.advance(1000);
      controller?.enqueue(bytesOf(part));
    }
    await network.advance(1000);
    controller?.enqueue(bytesOf("fo"));
    controller?.enqueue(bytesOf("ur"));
    controller?.close();
    assert.deepEqual((await reply).events, [
      "headers",
      "flush",
      "body 3",
      "flush",
      "body 3",
      "flush",
      "body 5",
      "flush",
      "body 4",
      "end",
    ]);
    assert.equal(headerOf(await reply, "content-length"), undefined);
  });
});

test("AjpServer does not flush with ajpFlush false", () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const handler: AjpHandler = () =>
    new Response(
      new ReadableStream({
        start: (c) => {
          controller = c;
        },
      }),
    );
  const options = { ajpFlush: false };
  return withAjpServer(options, handler, async ({ connect, network }) => {
    const peer = await connect();
    const reply = peer.send();
    await network.advance(1000);
    controller?.enqueue(bytesOf("one"));
    await network.advance(1000);
    controller?.close();
    assert.deepEqual((await reply).events, ["headers", "body 3", "end"]);
  });
});

test("AjpServer pulls a stream no faster than the front end reads", () => {
  let pulled = 0;
  let cancelled: unknown;
  const handler: AjpHandler = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(65_536));
        },
        cancel: (reason) => {
          cancelled = reason;
        },
      }, { highWaterMark: 0 }),
    );
  return withAjpServer({}, handler, async ({ client, server, network }) => {
    const connection = await client.connect(server.address);
    await connection.write(requestBytes()); // and reads nothing
    await network.advance(10_000);
    const before = pulled;
    assert(before < 40, `${before} parts of 64 KiB are on the way`);
    await network.advance(10_000);
    assert.equal(pulled, before);
    let length = 0;
    for await (const chunk of connection) {
      length += chunk.length;
      if (length > 10_000_000) break;
    }
    assert(pulled > 150);
    connection.abort();
    await network.settle();
    assert.equal((cancelled as Error).name, "AbortError");
  });
});

test("AjpServer sends a content-length that the application gave, with a stream", async () => {
  const { reply, faults } = await replyOf(() => {
    const body = pausingStream([bytesOf("four")]);
    return new Response(body, { headers: { "content-length": "4" } });
  });
  assert.equal(headerOf(reply, "content-length"), "4");
  assert.equal(reply.text, "four");
  assert.equal(reply.reuse, true);
  assert.deepEqual(faults, []);
});

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
