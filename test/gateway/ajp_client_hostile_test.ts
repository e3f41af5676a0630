// Containers that break the rules, stop in the middle or never begin: an error of its own kind or a
// close, bounded memory, and never a hang.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ajpResponseHeader,
  concatBytes,
  DecodeError,
  decodeHex,
  encodeEndResponse,
  encodeGetBodyChunk,
  encodeSendBodyChunk,
  encodeSendHeaders,
} from "../../protocol/mod.ts";
import type { AjpError } from "../../gateway/mod.ts";
import type { ContainerPeer } from "../support/ajp_client_container.ts";
import {
  ajpError,
  type AjpSetting,
  type AjpSettingOptions,
  chunks,
  withContainer,
} from "../support/ajp_client_network.ts";

const IDLE = { busy: 0, idle: 0, waiting: 0 };
const END = encodeEndResponse({ type: "endResponse", reuse: true });

function head(...headers: [name: string, value: string][]): Uint8Array {
  return encodeSendHeaders({
    type: "sendHeaders",
    status: 200,
    message: "200",
    headers: headers.map(([name, value]) => ajpResponseHeader(name, value)),
  });
}

function part(length: number): Uint8Array {
  return encodeSendBodyChunk({
    type: "sendBodyChunk",
    data: new Uint8Array(length),
    terminated: true,
  });
}

function want(requested: number): Uint8Array {
  return encodeGetBodyChunk({ type: "getBodyChunk", requested });
}

/** A container that answers every first request with these bytes. */
function answering(
  answer: (peer: ContainerPeer) => void | Promise<void>,
  test: (setting: AjpSetting) => Promise<void>,
  options?: AjpSettingOptions,
): Promise<void> {
  return withContainer(
    async (peer) => {
      if (await peer.request() === undefined) return;
      await answer(peer);
      // The end of it, however it looks to a container that has lost the thread.
      for await (const _ of rest(peer));
    },
    test,
    options,
  );
}

async function* rest(peer: ContainerPeer): AsyncGenerator<void> {
  for (;;) {
    try {
      if (await peer.next() === undefined) return;
    } catch {
      return;
    }
    yield;
  }
}

/** Fetches and reads all of it. */
async function read({ client }: AjpSetting, body?: string): Promise<number> {
  const response = await client.fetch(
    "/",
    body === undefined ? {} : { method: "POST", body },
  );
  return (await response.arrayBuffer()).byteLength;
}

const BROKEN: readonly (readonly [
  name: string,
  bytes: Uint8Array,
  field: string,
])[] = [
  ["bytes that are no packet", decodeHex("485454502f312e31"), "packet.magic"],
  [
    "a packet in the wrong direction",
    decodeHex("12340001 0a".replace(" ", "")),
    "packet.magic",
  ],
  ["a packet that is too long", decodeHex("41421ffd"), "packet.length"],
  ["an empty packet", decodeHex("41420000"), "packet.type"],
  ["a type without meaning", decodeHex("4142000163"), "packet.type"],
  ["a CPONG in place of a response", decodeHex("4142000109"), "packet"],
  ["a body before the headers", part(1), "sendBodyChunk"],
  ["an end before the headers", END, "endResponse"],
  ["headers twice", concatBytes([head(), head()]), "sendHeaders"],
  [
    "more body than its content-length",
    concatBytes([head(["Content-Length", "5"]), part(6)]),
    "sendBodyChunk.data",
  ],
  [
    "more body, a chunk later",
    concatBytes([head(["Content-Length", "5"]), part(5), part(1)]),
    "sendBodyChunk.data",
  ],
  [
    "a content-length that is none",
    head(["Content-Length", "five"]),
    "sendHeaders.headers",
  ],
  [
    "a negative content-length",
    head(["Content-Length", "-5"]),
    "sendHeaders.headers",
  ],
  [
    "two content-lengths",
    head(["Content-Length", "5"], ["content-length", "5"]),
    "sendHeaders.headers",
  ],
  [
    "a content-length and a transfer-encoding",
    head(["Content-Length", "5"], ["Transfer-Encoding", "chunked"]),
    "sendHeaders.headers",
  ],
  [
    "a chunk that is longer than its packet",
    decodeHex("414200040300ff00"),
    "sendBodyChunk.data",
  ],
  [
    "a header that is longer than its packet",
    decodeHex("4142000b0400c80003323030000001"),
    "sendHeaders.header.name",
  ],
  [
    "more headers than there are bytes",
    decodeHex("4142000b0400c8000332303000ffff"),
    "sendHeaders.header.name",
  ],
  ["a question for nothing", want(0), "getBodyChunk.requested"],
  ["a flag that is none", decodeHex("414200020502"), "endResponse.reuse"],
  [
    "bytes after the end of a packet",
    decodeHex("41420003050100"),
    "endResponse",
  ],
];

for (const [name, bytes, field] of BROKEN) {
  test(`AjpClient.fetch() fails with protocol for ${name}`, async () => {
    for (const split of [1, 65_536]) {
      await answering((peer) => peer.write(bytes), async (setting) => {
        await assert.rejects(read(setting), (error) => {
          ajpError("protocol", true)(error);
          const { cause } = error as AjpError;
          assert(cause instanceof DecodeError);
          assert.equal(cause.field, field);
          return true;
        });
        await setting.network.settle();
        assert.equal(setting.container.open, 0);
        assert.deepEqual(setting.client.state, IDLE);
      }, { network: { segmentLength: [split, split] } });
    }
  });
}

test("AjpClient.fetch() fails with protocol for what Fetch's Response cannot be", async () => {
  for (const status of [100, 101, 199, 600, 999]) {
    await answering((peer) => {
      const message = String(status);
      peer.write(
        encodeSendHeaders({
          type: "sendHeaders",
          status,
          message,
          headers: [],
        }),
      );
      peer.write(END);
    }, async (setting) => {
      await assert.rejects(
        read(setting),
        ajpError("protocol", true, new RegExp(`status ${status}`)),
      );
    });
  }
});

test("AjpClient.fetch() fails when a second part is asked for before the first was sent", async () => {
  await answering(
    (peer) => peer.write(concatBytes([want(10), want(10)])),
    async ({ client }) => {
      const body = new ReadableStream<Uint8Array>({});
      await assert.rejects(
        client.fetch("/", { method: "POST", body }),
        ajpError("protocol", true, /due already/),
      );
    },
  );
});

test("AjpClient.fetch() sends the end of a body as often as it is asked for, and not a byte more", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    let bytes = 0;
    const bare = peer.connection;
    peer.write(want(8186));
    for (let asked = 0; asked < 100; asked++) {
      const event = await peer.next();
      assert(event !== undefined);
      if (event.type === "body") bytes += event.data.length;
      if (event.type === "bodyEnd") break;
    }
    assert.equal(bytes, 3);
    peer.write(concatBytes([head(["Content-Length", "0"]), END]));
    await bare.closeWrite();
  }, async (setting) => {
    assert.equal(await read(setting, "abc"), 0);
  });
});

for (
  const [name, answer] of [
    ["nothing at all", []],
    ["a part of a packet", [decodeHex("4142")]],
    ["headers", [head(["Content-Length", "9"])]],
    ["a part of the body", [head(["Content-Length", "9"]), part(5)]],
    ["a part of a body without length", [head(), part(5)]],
    ["half a chunk", [head(), part(5).subarray(0, 7)]],
  ] satisfies [string, Uint8Array[]][]
) {
  test(`AjpClient.fetch() fails with connection-closed when it ends after ${name}`, async () => {
    for (const how of ["close", "abort"] as const) {
      await answering(async (peer) => {
        for (const bytes of answer) peer.write(bytes);
        await peer.connection.closeWrite();
        if (how === "abort") peer.connection.abort();
        else await peer.connection.close();
      }, async (setting) => {
        await assert.rejects(
          read(setting),
          ajpError("connection-closed", true),
        );
        assert.deepEqual(setting.client.state, IDLE);
      });
    }
  });

  test(`AjpClient.fetch() fails with timeout when there is silence after ${name}`, async () => {
    await answering((peer) => {
      for (const bytes of answer) peer.write(bytes);
    }, async (setting) => {
      const { network, client, container } = setting;
      await assert.rejects(read(setting), ajpError("timeout", true, /3000 ms/));
      assert(network.now >= 3000 && network.now < 3010, `${network.now} ms`);
      await network.settle();
      assert.equal(container.open, 0);
      assert.deepEqual(client.state, IDLE);
    }, { client: { replyTimeout: 3000 } });
  });
}

test("AjpClient.fetch() measures replyTimeout between packets, not bytes", async () => {
  const drip = async (peer: ContainerPeer, network: AjpSetting["network"]) => {
    for (const byte of concatBytes([head(), part(50), END])) {
      peer.write(Uint8Array.of(byte));
      await network.advance(1000);
    }
  };
  let network: AjpSetting["network"] | undefined;
  const options = { client: { replyTimeout: 5000 } };
  await withContainer(async (peer) => {
    if (await peer.request() === undefined || network === undefined) return;
    await drip(peer, network);
  }, async (setting) => {
    network = setting.network;
    await assert.rejects(read(setting), ajpError("timeout", true));
    assert(network.now < 5010, `${network.now} ms`);
    await network.advance(70_000); // the drip ends
  }, options);
});

test("AjpClient.fetch() waits for ever between packets with a replyTimeout of -1", async () => {
  let network: AjpSetting["network"] | undefined;
  await withContainer(async (peer) => {
    const request = await peer.request();
    await network?.advance(1e8);
    if (request !== undefined) peer.reply(request, "late");
  }, async (setting) => {
    network = setting.network;
    assert.equal(await read(setting), 4);
  }, { client: { replyTimeout: -1 } });
});

test("AjpClient.fetch() gives packets time, however many there are", async () => {
  let network: AjpSetting["network"] | undefined;
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    const { exchange } = request;
    peer.write(exchange.sendHeaders(200, []));
    for (let i = 0; i < 20; i++) {
      await network?.advance(2900);
      peer.write(
        i % 2 === 0
          ? exchange.flush()
          : exchange.sendBodyChunk(new Uint8Array(9)),
      );
    }
    peer.write(exchange.endResponse());
  }, async (setting) => {
    network = setting.network;
    assert.equal(await read(setting), 90);
  }, { client: { replyTimeout: 3000 } });
});

test("AjpClient.fetch() does not count the time in which the container waits for the body", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request !== undefined) peer.reply(request, await peer.body(request));
  }, async ({ network, client }) => {
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await network.advance(50_000);
        if (network.now < 200_000) controller.enqueue(new Uint8Array(10));
        else controller.close();
      },
    }, { highWaterMark: 0 });
    const response = await client.fetch("/", { method: "POST", body });
    assert.equal((await response.arrayBuffer()).byteLength, 30);
    assert(network.now >= 200_000);
  }, { client: { replyTimeout: 1000 } });
});

test("AjpClient.fetch() counts the time after the body, when the container has it all", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request !== undefined) await peer.body(request);
    while (await peer.next() !== undefined);
  }, async ({ network, client }) => {
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await network.advance(5000);
        controller.close();
      },
    }, { highWaterMark: 0 });
    await assert.rejects(
      client.fetch("/", { method: "POST", body }),
      ajpError("timeout", true),
    );
    assert(network.now > 6000 && network.now < 6010, `${network.now} ms`);
  }, { client: { replyTimeout: 1000 } });
});

test("AjpClient.fetch() fails with timeout when the container takes no bytes", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    let event;
    do {
      peer.write(request.exchange.getBodyChunk());
      event = await peer.next();
    } while (event?.type === "body");
  }, async ({ network, client, container }) => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    }, { highWaterMark: 0 });
    const fetching = client.fetch("/", { method: "POST", body });
    const failing = assert.rejects(fetching, ajpError("timeout", true));
    await network.advance(50);
    network.pause("tomcat");
    await failing;
    network.resume("tomcat");
    await network.settle();
    assert.equal(container.open, 0);
  }, { client: { replyTimeout: 2000 } });
});

test("AjpClient.fetch() holds little of a response in single bytes that nobody reads", async () => {
  let sent = 0;
  await answering(async (peer) => {
    await peer.connection.write(head());
    for (; sent < 1_000_000; sent += 1000) {
      const bytes = concatBytes(Array.from({ length: 1000 }, () => part(1)));
      await peer.connection.write(bytes).catch(() => {});
    }
  }, async ({ network, client, container }) => {
    const response = await client.fetch("/");
    await network.advance(60_000);
    // Nine bytes each on the way, at most two windows of 128 KiB and what we read ahead.
    assert(sent < 80_000, `${sent} parts were taken`);
    await response.body!.cancel();
    await network.settle();
    container.peers[0]!.connection.abort();
  });
});

test("AjpClient.fetch() takes a part of a body without its zero, and any number of flushes", async () => {
  const bare = encodeSendBodyChunk({
    type: "sendBodyChunk",
    data: new TextEncoder().encode("abc"),
    terminated: false,
  });
  const flush = decodeHex("4142000403000000");
  await answering((peer) => {
    peer.write(concatBytes([head(), flush, flush, bare, flush, bare, END]));
  }, async ({ client }) => {
    const response = await client.fetch("/");
    assert.equal(await response.text(), "abcabc");
    assert.equal(client.state.idle, 1);
  });
});

test("AjpClient.fetch() reports a response that ends before the body was sent", async () => {
  await answering((peer) => {
    peer.write(concatBytes([head(["Content-Length", "2"]), part(2), END]));
  }, async (setting) => {
    const { client, network, container } = setting;
    const response = await client.fetch("/", {
      method: "POST",
      body: chunks("abc"),
    });
    assert.equal((await response.arrayBuffer()).byteLength, 2);
    await network.settle();
    assert.equal(client.state.idle, 1);
    assert.equal(container.open, 1);
  });
});

test("AjpClient.fetch() survives a response without body that never ends", async () => {
  await answering((peer) => peer.write(head()), async (setting) => {
    const { client, network, container } = setting;
    const response = await client.fetch("/", { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.equal(client.state.busy, 1);
    await network.advance(1100);
    assert.deepEqual(client.state, IDLE);
    assert.equal(container.open, 0);
  }, { client: { replyTimeout: 1000 } });
});
