// The server on real sockets.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type AjpHandler, serveAjp } from "../../gateway/node.ts";
import { ajpAttribute, SC_A_SECRET } from "../../protocol/mod.ts";
import { type Connection, NodeTransport } from "../../transport/node.ts";
import {
  FrontEndPeer,
  patternOf,
  requestBytes,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
const AUTHORIZED = { attributes: [ajpAttribute(SC_A_SECRET, SECRET)] };
const MEBIBYTE = 1024 * 1024;

/** Runs with a server on any port of the loopback address. */
async function withServer(
  handler: AjpHandler,
  task: (open: () => Promise<Connection>) => Promise<void>,
): Promise<void> {
  const faults: unknown[] = [];
  await using server = await serveAjp({
    port: 0,
    secret: SECRET,
    onError: ({ type, error }) => {
      if (type !== "connection" && type !== "request") faults.push(error);
    },
  }, handler);
  assert.equal(server.address.hostname, "127.0.0.1");
  const transport = new NodeTransport();
  await task(() => transport.connect(server.address));
  assert.deepEqual(faults, []);
}

test("serveAjp() serves on real sockets, from many connections at a time", () =>
  withServer(
    async (request) => new Response(await request.arrayBuffer()),
    (open) =>
      Promise.all(Array.from({ length: 50 }, async (_, i) => {
        const peer = new FrontEndPeer(await open());
        for (const length of [0, 1, 8186, 8187, 100_000]) {
          const body = patternOf(length, i);
          const headers = headersOf(["content-length", String(length)]);
          const fields = { ...AUTHORIZED, methodCode: 4, headers };
          const reply = await peer.send(fields, { body });
          assert.deepEqual(reply.body, body);
        }
        await peer.connection.close();
      })).then(() => {}),
  ));

test("serveAjp() streams 64 MiB up and down, never more than a little of it in memory", () => {
  const part = patternOf(65_536);
  const parts = 64 * MEBIBYTE / part.length;
  let ahead = 0; // parts that the stream gave and that the front end has not read
  let most = 0;
  const handler: AjpHandler = async (request) => {
    if (request.method === "GET") {
      let i = 0;
      return new Response(
        new ReadableStream({
          pull(controller) {
            most = Math.max(most, ++ahead);
            if (i++ === parts) controller.close();
            else controller.enqueue(part);
          },
        }, { highWaterMark: 0 }),
      );
    }
    const hash = createHash("sha256");
    let length = 0;
    for await (const bytes of request.body!) { // a POST has one
      hash.update(bytes);
      length += bytes.length;
    }
    return new Response(`${length} ${hash.digest("hex")}`);
  };
  return withServer(handler, async (open) => {
    const peer = new FrontEndPeer(await open());
    const body = new Uint8Array(16 * MEBIBYTE);
    for (let i = 0; i < body.length; i += part.length) body.set(part, i);
    const headers = headersOf(["content-length", String(body.length)]);
    const fields = { ...AUTHORIZED, methodCode: 4, headers };
    const digest = createHash("sha256").update(body).digest("hex");
    for (let i = 0; i < 4; i++) {
      const reply = await peer.send(fields, { body });
      assert.equal(reply.text, `${body.length} ${digest}`);
    }
    const connection = await open();
    const request = requestBytes(AUTHORIZED);
    await connection.write(request);
    let length = 0;
    for await (const chunk of connection) {
      length += chunk.length;
      ahead -= chunk.length / part.length;
      if (length > parts * part.length && chunk.at(-1) === 1) break;
    }
    // Buffers of both sockets, of both read-aheads, and nothing besides.
    assert(most < parts / 4, `${most} of ${parts} parts were ahead`);
    connection.abort();
  });
});

test("serveAjp() aborts the signal when the front end goes away", async () => {
  const aborted = Promise.withResolvers<unknown>();
  const started = Promise.withResolvers<void>();
  await withServer((request) => {
    request.signal.addEventListener(
      "abort",
      () => aborted.resolve(request.signal.reason),
    );
    started.resolve();
    return new Promise(() => {});
  }, async (open) => {
    const connection = await open();
    await connection.write(requestBytes(AUTHORIZED));
    await started.promise;
    connection.abort();
    assert.equal((await aborted.promise as Error).name, "AbortError");
  });
});

test("serveAjp() sends its last reply whole to a front end that sends on", () =>
  withServer(() => assert.fail("called"), async (open) => {
    for (let i = 0; i < 20; i++) {
      const peer = new FrontEndPeer(await open());
      const headers = headersOf(["content-length", "1000000"]);
      const reply = peer.send({ headers }); // without the secret
      for (let n = 0; n < 10; n++) {
        void peer.connection.write(new Uint8Array(8192)).catch(() => {});
      }
      assert.equal((await reply).status, 403);
      assert.equal((await reply).reuse, false);
      await peer.connection.close();
    }
  }));

test("serveAjp() rejects without a secret", () =>
  assert.rejects(
    Promise.resolve().then(() =>
      serveAjp({} as { secret: null }, () => new Response())
    ),
    TypeError,
  ));
