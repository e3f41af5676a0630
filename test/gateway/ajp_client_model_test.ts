// What holds for all requests: what is sent arrives, and no response is another request's, whatever
// was given up, cut short or answered early before it on the same connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ajpResponseHeader, collectAjpAttributes } from "../../protocol/mod.ts";
import type { AjpClient } from "../../gateway/mod.ts";
import type {
  ContainerPeer,
  ContainerRequest,
  ContainerScript,
} from "../support/ajp_client_container.ts";
import {
  type AjpSetting,
  chunks,
  withContainer,
} from "../support/ajp_client_network.ts";

const MAX_CONNECTIONS = 3;
const options = { timeout: 60_000 };

/** What the container does with a request; the path says it. */
const MODES = [
  "reply",
  "early", // without reading the body
  "flushed", // packet by packet, with flushes
  "last", // END_RESPONSE without reuse
  "short", // shorter than its content-length
  "cut", // the connection ends in the body
  "silent",
] as const;
// The response, and once more: what comes late can only be told from an answer by a CPING.
type Mode = typeof MODES[number] | "twice";

interface Step {
  readonly mode: Mode;
  /** Bytes of the response. */
  readonly size: number;
  readonly upload: {
    readonly kind: "none" | "bytes" | "stream" | "known" | "stuck";
    readonly size: number;
  };
  /** What is done with the response. */
  readonly use: "read" | "cancel" | "part" | "abort";
  /** When it is aborted, in milliseconds. */
  readonly abortAfter: number;
  /** When the next step begins. */
  readonly pause: number;
}

function steps(modes: readonly Mode[]): fc.Arbitrary<Step[]> {
  const size = fc.oneof(
    fc.nat(20),
    fc.constantFrom(8184, 8185, 8186, 8187, 16_372),
    fc.nat(200_000),
  );
  return fc.array(
    fc.record({
      mode: fc.oneof(
        { weight: 4, arbitrary: fc.constant<Mode>("reply") },
        { weight: 6, arbitrary: fc.constantFrom(...modes) },
      ),
      size,
      upload: fc.record({
        kind: fc.constantFrom("none", "bytes", "stream", "known", "stuck"),
        size,
      }),
      use: fc.constantFrom("read", "read", "cancel", "part", "abort"),
      abortAfter: fc.nat(40),
      pause: fc.constantFrom(0, 0, 1, 30, 3000),
    }).map((step): Step =>
      // Nobody but the caller can end the wait for a body that never comes.
      step.upload.kind === "stuck" && step.mode !== "early"
        ? { ...step, use: "abort" }
        : step
    ),
    { minLength: 1, maxLength: 16 },
  );
}

/** The bytes of one request or response, which no other has. */
function bytesOf(id: number, size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (id * 37 + i * 7) & 255);
}

async function serve(
  peer: ContainerPeer,
  request: ContainerRequest,
): Promise<void> {
  const [, id = "", mode = "", size = "", upload = ""] = request.request.uri
    .split("/");
  const { exchange } = request;
  if (mode === "silent") return;
  if (mode !== "early") {
    const got = await peer.body(request);
    if (peer.ended) return;
    assert.deepEqual(
      got,
      bytesOf(-Number(id), Number(upload)),
      `body of ${id}`,
    );
  }
  const body = bytesOf(Number(id), Number(size));
  const fields = [
    ajpResponseHeader("X-Id", id),
    ajpResponseHeader(
      "Content-Length",
      String(body.length + (mode === "short" ? 1 : 0)),
    ),
  ];
  const packets = [exchange.sendHeaders(200, fields)];
  for (let i = 0; i < body.length; i += 20_000) {
    packets.push(exchange.sendBodyChunk(body.subarray(i, i + 20_000)));
    if (mode === "flushed") packets.push(exchange.flush());
  }
  packets.push(exchange.endResponse(mode !== "last"));
  if (mode === "cut") {
    peer.write(packets[0]!);
    await peer.connection.close();
    return;
  }
  for (const packet of packets) peer.write(packet);
  if (mode === "twice") { for (const packet of packets) peer.write(packet); }
}

const script: ContainerScript = async (peer) => {
  try {
    for (let request; (request = await peer.request()) !== undefined;) {
      await serve(peer, request);
    }
  } finally {
    peer.connection.abort();
  }
};

/** Does one step; throws only for what must never be. */
async function perform(
  { network, client }: AjpSetting,
  id: number,
  step: Step,
): Promise<void> {
  const { mode, size, upload, use } = step;
  const controller = new AbortController();
  const aborting = use === "abort"
    ? network.advance(step.abortAfter).then(() => controller.abort())
    : undefined;
  const uploaded = upload.kind === "none" ? 0 : upload.size;
  let response: Response;
  try {
    response = await client.fetch(`/${id}/${mode}/${size}/${uploaded}`, {
      method: "POST",
      signal: controller.signal,
      ...uploadOf(id, step),
    });
  } catch (error) {
    const mayFail = use === "abort" || mode === "silent" || mode === "cut";
    if (!mayFail) throw error;
    await aborting;
    return;
  }
  assert.equal(response.headers.get("x-id"), String(id));
  try {
    await consume(response, id, step);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    const mayFail = use === "abort" || mode === "short" || mode === "cut";
    if (!mayFail) throw error;
  }
  await aborting;
}

function uploadOf(id: number, { upload }: Step): RequestInit {
  const { kind, size } = upload;
  if (kind === "none") return {};
  const bytes = bytesOf(-id, size);
  const parts = [bytes.subarray(0, size / 3), bytes.subarray(size / 3)];
  switch (kind) {
    case "bytes":
      return { body: bytes };
    case "stream":
      return { body: chunks(...parts) };
    case "known":
      return {
        body: chunks(...parts),
        headers: { "content-length": String(size) },
      };
    case "stuck":
      return { body: new ReadableStream<Uint8Array>({}) };
  }
}

async function consume(
  response: Response,
  id: number,
  { use, size, mode }: Step,
): Promise<void> {
  const expected = bytesOf(id, size);
  if (use === "cancel") return await response.body?.cancel();
  if (use === "part") {
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    if (value !== undefined) {
      assert.deepEqual(
        new Uint8Array(value),
        expected.subarray(0, value.length),
      );
    }
    return await reader.cancel();
  }
  const body = new Uint8Array(await response.arrayBuffer());
  assert(mode !== "short", "a short body looks whole");
  assert.deepEqual(body, expected);
}

async function checkModel(
  all: readonly Step[],
  seed: number,
  segmentLength: [number, number],
  pingAfter: number,
): Promise<void> {
  await withContainer(script, async (setting) => {
    const { network, client } = setting;
    const running: Promise<void>[] = [];
    for (const [i, step] of all.entries()) {
      // Waited for below; until then the first failure must not end the process.
      const run = perform(setting, i + 1, step);
      run.catch(() => {});
      running.push(run);
      if (step.pause > 0) await network.advance(step.pause);
      assertLimits(client);
    }
    await Promise.all(running);
    await network.advance(3000); // silent containers are given up
    assert.equal(client.state.busy, 0, "a place is lost");
    assert.equal(client.state.waiting, 0);
    const last = await client.fetch("/999/reply/10/0", { method: "POST" });
    assert.deepEqual(
      new Uint8Array(await last.arrayBuffer()),
      bytesOf(999, 10),
    );
  }, {
    network: { seed, segmentLength },
    client: {
      maxConnections: MAX_CONNECTIONS,
      replyTimeout: 2000,
      queueTimeout: -1,
      pingTimeout: 1000,
      pingAfter,
    },
  });
}

function assertLimits({ state }: AjpClient): void {
  assert(state.busy + state.idle <= MAX_CONNECTIONS, JSON.stringify(state));
}

const segmentLengths = fc.constantFrom<[number, number]>(
  [65_536, 65_536],
  [1, 3000],
  [500, 500],
);

test(
  "AjpClient never gives one request's response to another",
  options,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        steps(MODES),
        fc.nat(),
        segmentLengths,
        fc.constantFrom(-1, 0, 1000),
        checkModel,
      ),
      { numRuns: 100 },
    );
  },
);

test(
  "AjpClient with pingAfter 0 never takes a response that nobody asked for",
  options,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        steps([...MODES, "twice", "twice"]),
        fc.nat(),
        segmentLengths,
        (all, seed, segmentLength) => checkModel(all, seed, segmentLength, 0),
      ),
      { numRuns: 100 },
    );
  },
);

const token = fc.string({
  unit: fc.constantFrom(..."abcXYZ09-_.!~"),
  minLength: 1,
  maxLength: 12,
});
const value = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).filter((unit) => unit !== 0x7f)
    .map((unit) => String.fromCharCode(unit)),
  maxLength: 30,
});

test(
  "AjpClient.fetch() sends any request as it was given, and gets any body back",
  options,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          method: token,
          path: fc.webPath(),
          query: fc.webQueryParameters(),
          headers: fc.array(fc.tuple(token.map((name) => `x-${name}`), value), {
            maxLength: 20,
          }),
          user: value,
          attributes: fc.dictionary(token, value, { maxKeys: 5 }),
          parts: fc.array(fc.uint8Array({ maxLength: 20_000 }), {
            maxLength: 5,
          }),
          known: fc.boolean(),
          cut: fc.integer({ min: 1, max: 20_000 }),
          seed: fc.nat(),
        }),
        async (
          {
            method,
            path,
            query,
            headers,
            user,
            attributes,
            parts,
            known,
            cut,
            seed,
          },
        ) => {
          let got: ContainerRequest | undefined;
          await withContainer(async (peer) => {
            got = await peer.request();
            if (got === undefined) return;
            peer.reply(got, await peer.body(got));
            await peer.request();
          }, async ({ client }) => {
            const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
            const length = ["content-length", String(whole.length)] as [
              string,
              string,
            ];
            const response = await client.fetch(`/${path}?${query}`, {
              method,
              headers: known ? [...headers, length] : headers,
              body: chunks(...parts),
              ajp: { remoteUser: user, attributes },
            });
            assert.deepEqual(
              new Uint8Array(await response.arrayBuffer()),
              whole,
            );
            assert.equal(client.state.idle, 1);
          }, { network: { seed, segmentLength: [1, cut] } });
          assert(got !== undefined);
          const url = new URL(`http://x/${path}?${query}`);
          assert.equal(got.method, method);
          assert.equal(got.request.uri, url.pathname);
          const info = collectAjpAttributes(got.request);
          assert.equal(info.query ?? "", url.search.slice(1));
          assert.equal(info.remoteUser, user);
          assert.deepEqual(Object.fromEntries(info.requestAttributes), {
            ...attributes,
          });
          assert.deepEqual(
            got.request.headers.filter(({ name }) => name.startsWith("x-"))
              .map(({ name, value }) => [name, value]),
            headers.map(([name, value]) => [name.toLowerCase(), value]),
          );
        },
      ),
      { numRuns: 100 },
    );
  },
);
