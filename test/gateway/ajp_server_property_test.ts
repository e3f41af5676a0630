// What holds for all requests, bodies, splits and bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AjpHandler } from "../../gateway/ajp_server.ts";
import {
  ajpAttribute,
  ajpMethodCode,
  encodeAjpToContainer,
  SC_A_QUERY_STRING,
  SC_A_STORED_METHOD,
} from "../../protocol/mod.ts";
import { toContainerPackets } from "../support/ajp_arbitraries.ts";
import {
  headerOf,
  patternOf,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 40_000 }).map((length) => patternOf(length)),
  fc.constantFrom(8184, 8185, 8186, 8187, 16_368, 16_372).map((length) =>
    patternOf(length)
  ),
);

const exchanges = fc.record({
  method: fc.constantFrom("POST", "PUT", "PATCH", "REPORT", "X-METHOD"),
  path: fc.array(fc.constantFrom("a", "/", "%20", ";", "~", "%C3%A4", "+")).map(
    (parts) => `/x${parts.join("")}`,
  ),
  query: fc.option(fc.constantFrom("", "a=b", "a=%20&b", "?")),
  value: fc.string({ maxLength: 30 }).map((text) =>
    text.replace(/[^ -~]/g, "\xe4").trim()
  ),
  body: bytes,
  announced: fc.boolean(),
  part: fc.constantFrom(Infinity, 1, 100, 8186).filter((part) => part !== 1),
  // How the application reads and answers.
  reads: fc.constantFrom("all", "stream", "none", "one"),
  responseParts: fc.array(bytes, { maxLength: 4 }),
  paused: fc.boolean(),
  status: fc.constantFrom(200, 204, 404),
});

type Exchange = (typeof exchanges) extends fc.Arbitrary<infer T> ? T : never;

async function readAs(
  request: Request,
  reads: string,
): Promise<Uint8Array | undefined> {
  if (reads === "all") return new Uint8Array(await request.arrayBuffer());
  if (reads === "none" || request.body === null) return undefined;
  if (reads === "one") {
    await request.body.getReader().read();
    return undefined;
  }
  const parts: Uint8Array[] = [];
  for await (const part of request.body) parts.push(part);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

function responseBody({ responseParts, paused }: Exchange): BodyInit {
  let i = 0;
  return new ReadableStream({
    async pull(controller) {
      if (paused) await new Promise((resolve) => setImmediate(resolve));
      const part = responseParts[i++];
      if (part === undefined) controller.close();
      else controller.enqueue(part);
    },
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test("AjpServer hands over and sends back whatever is exchanged, however the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(exchanges, { minLength: 1, maxLength: 4 }),
      fc.constantFrom([1, 40], [100, 5000], [65_536, 65_536]),
      fc.constantFrom("bare", "counted"),
      async (plan, segmentLength, bodyEnd) => {
        const queue = [...plan];
        const faults: unknown[] = [];
        const handler: AjpHandler = async (request) => {
          const exchange = queue.shift()!; // there is one for each request
          try {
            assert.equal(request.method, exchange.method);
            const url = new URL(request.url);
            assert.equal(url.pathname, exchange.path);
            assert.equal(url.search.slice(1), exchange.query ?? "");
            assert.equal(request.headers.get("x-value"), exchange.value);
            const body = await readAs(request, exchange.reads);
            if (body !== undefined) assert.deepEqual(body, exchange.body);
          } catch (error) {
            faults.push(error);
          }
          const { status } = exchange;
          return new Response(status === 204 ? null : responseBody(exchange), {
            status,
            headers: { "x-value": exchange.value },
          });
        };
        await withAjpServer({}, handler, async (scene) => {
          scene.network.setConditions({
            segmentLength: segmentLength as [number, number],
          });
          const peer = await scene.connect({
            bodyEnd: bodyEnd as "bare" | "counted",
          });
          for (const exchange of plan) {
            const { method, query, body, part } = exchange;
            const length = String(body.length);
            const reply = await peer.send({
              methodCode: ajpMethodCode(method),
              uri: exchange.path,
              headers: headersOf(
                ["x-value", exchange.value],
                exchange.announced
                  ? ["content-length", length]
                  : ["transfer-encoding", "chunked"],
              ),
              attributes: [
                ...(query === null
                  ? []
                  : [ajpAttribute(SC_A_QUERY_STRING, query)]),
                ajpAttribute(SC_A_STORED_METHOD, method),
              ],
            }, { body, part });
            assert.equal(reply.status, exchange.status);
            assert.equal(reply.reuse, true);
            assert.equal(headerOf(reply, "x-value"), exchange.value);
            const sent = exchange.status === 204 ? [] : exchange.responseParts;
            assert.deepEqual(reply.body, joined(sent));
          }
          assert.deepEqual(faults, []);
          assert.deepEqual(scene.faults, []);
        });
      },
    ),
    { numRuns: 150 },
  );
});

/** Bytes that a front end might send: packets, whole, cut, changed and joined. */
const hostileBytes = fc.array(
  fc.oneof(
    toContainerPackets().map((packet) => encodeAjpToContainer(packet)),
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(fc.constant(requestBytes()), fc.nat(), fc.nat(255)).map(
      ([request, at, value]) => {
        const changed = request.slice();
        changed[at % changed.length] = value;
        return changed;
      },
    ),
    fc.tuple(fc.constant(requestBytes()), fc.nat()).map(([request, at]) =>
      request.slice(0, at % request.length)
    ),
  ),
  { minLength: 1, maxLength: 6 },
);

test("AjpServer survives whatever bytes a front end sends, and answers each request once", async () => {
  await fc.assert(
    fc.asyncProperty(hostileBytes, fc.boolean(), async (pieces, ends) => {
      let calls = 0;
      const handler: AjpHandler = async (request, info) => {
        calls++;
        await new Response(request.body ?? info.body).arrayBuffer();
        return new Response("served");
      };
      const options = { stallTimeout: 1000, connectionTimeout: 1000 };
      await withAjpServer(options, handler, async (scene) => {
        const peer = await scene.connectRaw();
        for (const piece of pieces) {
          if (!peer.open) break;
          await peer.write(piece).catch(() => {}); // it may be closed meanwhile
          await scene.network.settle();
        }
        if (ends) await peer.connection.closeWrite().catch(() => {});
        await scene.network.advance(10_000);
        const heads = peer.received.match(
          /4142[0-9a-f]{4}04(?=[0-9a-f]{4}0003)/g,
        );
        const ends_ = peer.received.match(/41420002050[01]/g);
        assert((ends_?.length ?? 0) <= pieces.length + 1);
        assert.equal(heads?.length ?? 0, ends_?.length ?? 0);
        assert(calls <= pieces.length + 1);
        // Whatever that one did, another one is served.
        const other = await scene.connect();
        assert.equal((await other.send()).text, "served");
        await other.connection.close();
        peer.connection.abort();
        await scene.network.settle();
        assert.equal(scene.server.connectionCount, 0);
        for (const { type } of scene.faults) assert.notEqual(type, "response");
      });
    }),
    { numRuns: 300 },
  );
});
