import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACK_COMMAND,
  concatBytes,
  encodeHex,
  MAX_DATA_LENGTH,
} from "../../protocol/mod.ts";
import { type Connection, MemoryNetwork } from "../../transport/memory.ts";
import { NodeTransport } from "../../transport/node.ts";
import {
  autoAddress,
  type MessageHandler,
  Receiver,
  type ReceiverFault,
  type ReceiverOptions,
  resolveReceiverOptions,
} from "../../transport/receiver.ts";
import {
  type DatagramSocket,
  type Transport,
  TransportError,
} from "../../transport/types.ts";
import {
  ACK,
  FAIL_ACK,
  frameOf,
  RawPeer,
  textOf,
} from "../support/tribes_peers.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";
const DAY = 86_400_000;

/** A receiver on a simulated network, and what it was told. */
interface Scene {
  readonly network: MemoryNetwork;
  readonly receiver: Receiver;
  readonly server: Transport;
  readonly client: Transport;
  readonly delivered: string[];
  readonly faults: ReceiverFault[];
  connect(): Promise<RawPeer>;
}

/** Runs with a receiver; its handler notes the text and then does what `handle` says. */
function withReceiver(
  options: ReceiverOptions,
  task: (scene: Scene) => Promise<void>,
  handle: (text: string) => void | Promise<void> = () => {},
): Promise<void> {
  const network = new MemoryNetwork({ latency: [1, 1] });
  const server = network.transport(SERVER);
  const client = network.transport(CLIENT);
  return network.run(async () => {
    const delivered: string[] = [];
    const faults: ReceiverFault[] = [];
    const receiver = await Receiver.start(server, (message) => {
      delivered.push(textOf(message));
      return handle(textOf(message));
    }, {
      port: 0,
      onFault: (fault) => void faults.push(fault),
      ...options,
    });
    const connect = () => RawPeer.connect(client, receiver.address);
    await task({
      network,
      receiver,
      server,
      client,
      delivered,
      faults,
      connect,
    });
    await receiver.close();
    assert.equal(receiver.connectionCount, 0);
    assert.equal(receiver.bufferedBytes, 0);
  });
}

// Options and binding

test("resolveReceiverOptions() has Tomcat's defaults and our limits", () => {
  const { onFault: _, ...options } = resolveReceiverOptions();
  assert.deepEqual(options, {
    address: "auto",
    port: 4000,
    autoBind: 100,
    udpPort: -1,
    maxDataLength: 67_108_864,
    maxConnections: 512,
    maxBufferedBytes: 268_435_456,
    stallTimeout: 15_000,
  });
  assert.equal(resolveReceiverOptions({ autoBind: 0 }).autoBind, 1);
  assert.equal(resolveReceiverOptions({ autoBind: -7 }).autoBind, 1);
});

const BAD_OPTIONS: readonly (readonly [keyof ReceiverOptions, number])[] = [
  ["port", -1],
  ["port", 65_536],
  ["port", 1.5],
  ["port", NaN],
  ["udpPort", -2],
  ["udpPort", 65_536],
  ["autoBind", NaN],
  ["autoBind", 1.5],
  ["maxDataLength", -1],
  ["maxDataLength", MAX_DATA_LENGTH + 1],
  ["maxDataLength", NaN],
  ["maxConnections", 0],
  ["maxConnections", NaN],
  ["maxBufferedBytes", 0],
  ["maxBufferedBytes", 0.5],
  ["stallTimeout", 0],
  ["stallTimeout", Infinity],
];

for (const [name, value] of BAD_OPTIONS) {
  test(`Receiver.start() rejects ${name} ${value}`, async () => {
    const transport = new MemoryNetwork().transport(SERVER);
    await assert.rejects(
      Receiver.start(transport, () => {}, { [name]: value }),
      (error: Error) =>
        error instanceof RangeError && error.message.includes(name) &&
        error.message.includes(String(value)),
    );
    const listener = await transport.listen({ hostname: SERVER, port: 4000 });
    await listener.close(); // nothing was bound
  });
}

test("Receiver.start() walks to the next free port, by TCP and by UDP", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  await network.run(async () => {
    const options = { port: 4000, udpPort: 4000, autoBind: 4 };
    const start = () => Receiver.start(transport, () => {}, options);
    await using first = await start();
    await using second = await start();
    await using third = await start();
    const ports = [first, second, third].map((one) =>
      `${one.address.port} ${one.udpPort}`
    );
    assert.deepEqual(ports, ["4000 4000", "4001 4001", "4002 4002"]);
  });
});

test("Receiver.start() gives up after autoBind ports", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  await network.run(async () => {
    for (const port of [4000, 4001]) {
      await transport.listen({ hostname: SERVER, port });
    }
    const start = (autoBind: number) =>
      Receiver.start(transport, () => {}, { port: 4000, autoBind });
    for (const autoBind of [2, 1, 0]) {
      await assert.rejects(start(autoBind), { code: "address-in-use" });
    }
    await using receiver = await start(3);
    assert.equal(receiver.address.port, 4002);
  });
});

test("Receiver.start() does not go beyond port 65535", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  await network.run(async () => {
    await transport.listen({ hostname: SERVER, port: 65_535 });
    await assert.rejects(
      Receiver.start(transport, () => {}, { port: 65_535 }),
      { code: "address-in-use" },
    );
  });
});

test("Receiver.start() tries port 0 once", async () => {
  const inner = new MemoryNetwork().transport(SERVER);
  let tries = 0;
  const exhausted: Transport = {
    clock: inner.clock,
    connect: (...args) => inner.connect(...args),
    bindDatagram: (...args) => inner.bindDatagram(...args),
    localAddresses: () => inner.localAddresses(),
    listen: () => {
      tries++;
      return Promise.reject(new TransportError("address-in-use", "No port"));
    },
  };
  await assert.rejects(
    Receiver.start(exhausted, () => {}, { port: 0 }),
    { code: "address-in-use" },
  );
  assert.equal(tries, 1);
});

test("Receiver.start() frees the TCP port when the UDP port is taken", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  await network.run(async () => {
    await transport.bindDatagram({ hostname: SERVER, port: 5000 });
    const options = { port: 4000, udpPort: 5000, autoBind: 1 };
    await assert.rejects(
      Receiver.start(transport, () => {}, options),
      { code: "address-in-use" },
    );
    await transport.listen({ hostname: SERVER, port: 4000 });
  });
});

test("Receiver.start() rejects an address of another host at once", async () => {
  const network = new MemoryNetwork();
  await network.run(() =>
    assert.rejects(
      Receiver.start(network.transport(SERVER), () => {}, { address: CLIENT }),
      { code: "address-not-available" },
    )
  );
});

test("autoAddress() takes the first external IPv4 address, else loopback", () => {
  const transport = (...addresses: string[]): Transport => ({
    ...new MemoryNetwork().transport(SERVER),
    localAddresses: () => addresses,
  });
  const chosen = (...addresses: string[]) =>
    autoAddress(transport(...addresses));
  assert.equal(chosen("10.1.1.1", "10.1.1.2", "127.0.0.1"), "10.1.1.1");
  assert.equal(chosen("fe80::1", "10.1.1.2", "127.0.0.1"), "10.1.1.2");
  assert.equal(chosen("2001:db8::1", "127.0.0.1", "::1"), "127.0.0.1");
  assert.equal(chosen(), "127.0.0.1");
});

test("Receiver publishes the real address and ports", () =>
  withReceiver({ port: 0, udpPort: 0 }, (scene) => {
    const { receiver } = scene;
    assert.equal(receiver.address.hostname, SERVER);
    assert(receiver.address.port > 0);
    assert(receiver.udpPort > 0);
    return Promise.resolve();
  }));

// Order and acknowledgements

test("Receiver handles the messages of one connection one at a time and in order", async () => {
  let running = 0;
  const scenes: number[] = [];
  await withReceiver({}, async (scene) => {
    const { network, connect, delivered } = scene;
    network.setConditions({ segmentLength: [1, 200] });
    const peer = await connect();
    const texts = Array.from({ length: 200 }, (_, i) => `message ${i}`);
    for (let i = 0; i < texts.length; i += 20) {
      await peer.write(
        concatBytes(
          texts.slice(i, i + 20).map((text, j) => frameOf(text, j % 2 ? 6 : 2)),
        ),
      );
    }
    await peer.receives(ACK.repeat(200));
    assert.deepEqual(delivered, texts);
    assert.deepEqual(new Set(scenes), new Set([1]));
  }, async (text) => {
    scenes.push(++running);
    // Some take time, so that a later one would overtake.
    for (let i = text.length % 3; i > 0; i--) await Promise.resolve();
    if (text.endsWith("7")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    running--;
  });
});

test("Receiver handles other connections while a handler of one waits", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ connect, delivered }) => {
    const slow = await connect();
    const quick = await connect();
    await slow.write(frameOf("slow", 6));
    await quick.probe();
    assert.deepEqual(delivered, ["slow", "probe"]);
    assert.equal(slow.received, "");
    gate.resolve();
    await slow.receives(ACK);
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver answers FAIL_ACK where the handler throws or rejects, to options 6 only", () =>
  withReceiver({}, async ({ connect, delivered, faults }) => {
    const peer = await connect();
    const texts = ["ok", "throw", "reject", "odd"];
    const options = [6, 2, 0, 4];
    await peer.write(concatBytes(
      options.flatMap((bits) => texts.map((text) => frameOf(text, bits))),
    ));
    await peer.receives(
      ACK + FAIL_ACK + FAIL_ACK + FAIL_ACK + ACK.repeat(4),
    );
    await peer.probe();
    assert.equal(delivered.length, 17);
    assert.deepEqual(
      faults.map(({ type, error }) => `${type}: ${error.message}`),
      options.flatMap(() => [
        "handler: thrown",
        "handler: rejected",
        "handler: odd",
      ]),
    );
    assert.deepEqual(
      faults[0]?.remoteAddress,
      peer.connection.localAddress,
    );
  }, (text) => {
    if (text === "throw") throw new Error("thrown");
    if (text === "reject") return Promise.reject(new Error("rejected"));
    if (text === "odd") return Promise.reject("odd");
  }));

test("Receiver acknowledges option 2 before a slow handler, whatever is being written", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ connect, network, delivered }) => {
    const peer = await connect();
    // The first handler returns at once, but returns a promise: its ack is on its way while the
    // second begins.
    await peer.write(concatBytes([frameOf("quick", 2), frameOf("slow", 2)]));
    await network.advance(1000);
    assert.deepEqual(delivered, ["quick", "slow"]);
    assert.equal(peer.received, ACK + ACK);
    gate.resolve();
    await peer.probe();
  }, (text) => text === "slow" ? gate.promise : Promise.resolve());
});

test("Receiver acknowledges option 2 before a slow handler, with others behind it in the read", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ connect, network, delivered }) => {
    const peer = await connect();
    await peer.write(concatBytes([frameOf("slow", 2), frameOf("next", 2)]));
    await network.advance(1000);
    assert.deepEqual(delivered, ["slow"]);
    assert.equal(peer.received, ACK);
    gate.resolve();
    await peer.receives(ACK + ACK);
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver writes the ack of option 2 before it calls the handler", async () => {
  const network = new MemoryNetwork();
  const writes: (() => void)[] = [];
  const writesBefore: number[] = [];
  await network.run(async () => {
    await using receiver = await Receiver.start(
      withDeafPeers(network.transport(SERVER), writes),
      () => void writesBefore.push(writes.length),
      { port: 0 },
    );
    const client = network.transport(CLIENT);
    for (const options of [2, 6]) {
      const peer = await RawPeer.connect(client, receiver.address);
      await peer.write(frameOf("x", options));
      await network.settle();
    }
    assert.deepEqual(writesBefore, [1, 1]); // the second one's comes after
    assert.equal(writes.length, 2);
  });
});

test("Receiver acknowledges option 2 before a slow handler on real sockets", async () => {
  const gate = Promise.withResolvers<void>();
  const transport = new NodeTransport();
  await using receiver = await Receiver.start(
    transport,
    (message) => textOf(message) === "slow" ? gate.promise : Promise.resolve(),
    { address: "127.0.0.1", port: 0 },
  );
  const peer = await RawPeer.connect(transport, receiver.address);
  await peer.write(concatBytes([frameOf("quick", 2), frameOf("slow", 2)]));
  await peer.receives(ACK + ACK);
  gate.resolve();
  await peer.probe();
});

test("Receiver writes the acks of one read together and in order", () =>
  withReceiver({}, async ({ client, receiver }) => {
    const chunks: string[] = [];
    const connection = await client.connect(receiver.address);
    const reading = (async () => {
      for await (const chunk of connection) chunks.push(encodeHex(chunk));
    })();
    const frames = Array.from(
      { length: 300 },
      (_, i) => frameOf(i % 3 === 2 ? "throw" : "x", 6),
    );
    await connection.write(concatBytes(frames));
    await connection.closeWrite();
    await reading;
    assert.equal(chunks.join(""), (ACK + ACK + FAIL_ACK).repeat(100));
    assert.equal(chunks.length, 1);
  }, (text) => {
    if (text === "throw") throw new Error("thrown");
  }));

test("Receiver writes runs of acks that are longer than its prepared ones", () =>
  withReceiver({}, async ({ connect, network }) => {
    network.setConditions({ segmentLength: [131_072, 131_072] });
    const peer = await connect();
    await peer.write(concatBytes(Array(900).fill(frameOf("", 2))));
    await peer.receives(ACK.repeat(900));
  }));

test("Receiver delivers an empty message and one of 5 MiB", () =>
  withReceiver({}, async ({ connect, delivered }) => {
    const peer = await connect();
    const large = new Uint8Array(5 * 1024 * 1024).fill(0x61);
    await peer.write(frameOf("", 6));
    await peer.write(frameOf(large, 6));
    await peer.receives(ACK + ACK);
    assert.equal(delivered[0], "");
    assert.equal(delivered[1]?.length, large.length);
    assert(/^a+$/.test(delivered[1] ?? ""));
  }));

// The end of a connection

test("Receiver answers what came before the peer's end of stream, and ends its own", () =>
  withReceiver({}, async ({ connect, receiver, faults }) => {
    const peer = await connect();
    void peer.write(concatBytes([frameOf("a", 2), frameOf("b", 6)]));
    await peer.connection.closeWrite();
    assert.equal(await peer.ended, true);
    assert.equal(peer.received, ACK + ACK);
    assert.deepEqual(faults, []);
    assert.equal(receiver.connectionCount, 0);
  }));

test("Receiver reports a stream that ends inside a message", () =>
  withReceiver({}, async ({ connect, faults, delivered }) => {
    const peer = await connect();
    void peer.write(concatBytes([
      frameOf("whole", 2),
      frameOf("cut", 2).subarray(0, 40),
    ]));
    await peer.connection.closeWrite();
    await peer.ended;
    assert.equal(peer.received, ACK);
    assert.deepEqual(delivered, ["whole"]);
    assert.deepEqual(faults.map(({ type, error }) => [type, error.name]), [
      ["connection", "DecodeError"],
    ]);
  }));

test("Receiver reports a reset once and goes on", () =>
  withReceiver({}, async ({ connect, network, faults, receiver }) => {
    const peer = await connect();
    await peer.probe();
    peer.connection.abort();
    await network.settle();
    assert.deepEqual(faults.map(({ type, error }) => [type, error.name]), [
      ["connection", "TransportError"],
    ]);
    assert.equal(receiver.connectionCount, 0);
    await (await connect()).probe();
  }));

test("Receiver closes the connection of a host that crashed inside a message", () =>
  withReceiver({}, async ({ connect, network, faults, receiver }) => {
    const peer = await connect();
    await peer.write(frameOf("cut", 2).subarray(0, 40));
    await network.settle();
    assert.equal(receiver.bufferedBytes, 40);
    network.crash(CLIENT);
    await network.advance(14_000);
    assert.equal(receiver.connectionCount, 1);
    await network.advance(10_000);
    assert.equal(receiver.connectionCount, 0);
    assert.equal(receiver.bufferedBytes, 0);
    assert.deepEqual(faults.map(({ type }) => type), ["connection"]);
    await network.advance(DAY); // nothing is left to look after
  }));

test("Receiver keeps the connection of a host that crashed between messages until it needs room", () =>
  withReceiver(
    { maxConnections: 2 },
    async ({ connect, network, receiver }) => {
      await (await connect()).probe();
      network.crash(CLIENT);
      await network.advance(DAY);
      assert.equal(receiver.connectionCount, 1);
      const client = network.restart(CLIENT);
      const second = await RawPeer.connect(client, receiver.address);
      await second.probe();
      const third = await RawPeer.connect(client, receiver.address);
      await third.probe();
      await second.probe();
      assert.equal(receiver.connectionCount, 2);
    },
  ));

test("Receiver reports that its own host's sockets failed", () =>
  withReceiver({ udpPort: 0 }, async ({ connect, network, faults }) => {
    const peer = await connect();
    await peer.probe();
    network.crash(SERVER);
    await network.settle();
    assert.deepEqual(
      faults.map(({ type }) => type).toSorted(),
      ["connection", "listener", "listener"],
    );
    assert.deepEqual(
      faults.find(({ type }) => type === "listener")?.remoteAddress.hostname,
      SERVER,
    );
  }));

// Limits

test("Receiver leaves a connection that is idle between messages alone for a day", () =>
  withReceiver({}, async ({ connect, network, receiver }) => {
    const silent = await connect();
    const used = await connect();
    await used.probe();
    await network.advance(DAY);
    assert.equal(receiver.connectionCount, 2);
    await silent.probe();
    await used.probe();
  }));

test("Receiver closes a connection whose message comes with one byte a second", () =>
  withReceiver({}, async ({ connect, network, receiver, faults }) => {
    const peer = await connect();
    await peer.probe();
    const frame = frameOf("trickle", 2);
    const start = network.now;
    for (let i = 0; peer.open && i < frame.length; i++) {
      peer.write(frame.subarray(i, i + 1)).catch(() => {}); // it is closed amid this
      await network.advance(1000);
    }
    assert.equal(await peer.ended, false);
    const elapsed = network.now - start;
    assert(elapsed >= 15_000 && elapsed <= 24_000, `after ${elapsed} ms`);
    assert.equal(receiver.connectionCount, 0);
    assert.equal(faults.length, 1);
    assert(faults[0]?.error instanceof TransportError);
    assert.equal(faults[0].error.code, "closed");
  }));

test("Receiver takes a large message that comes slowly but steadily", () =>
  withReceiver({}, async ({ connect, network, delivered }) => {
    const peer = await connect();
    const frame = frameOf(new Uint8Array(100_000).fill(0x61), 2);
    for (let at = 0; at < frame.length; at += 1100) {
      await peer.write(frame.subarray(at, at + 1100));
      await network.advance(7000);
    }
    await peer.receives(ACK);
    assert.equal(delivered[0]?.length, 100_000);
  }));

test("Receiver does not take a stream of messages that is never between two for a stalled one", () =>
  withReceiver({}, async ({ connect, network, delivered, faults }) => {
    const peer = await connect();
    const frame = frameOf("x".repeat(200), 0);
    const half = frame.length >> 1;
    await peer.write(frame.subarray(0, half));
    for (let i = 0; i < 100; i++) {
      await network.advance(1000);
      await peer.write(
        concatBytes([frame.subarray(half), frame.subarray(0, half)]),
      );
    }
    await network.settle();
    assert.deepEqual(faults, []);
    assert.equal(peer.open, true);
    assert.equal(delivered.length, 100);
  }));

test("Receiver does not count the time of its own handler as the peer's", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ connect, network, faults }) => {
    const peer = await connect();
    const next = frameOf("next", 2);
    await peer.write(concatBytes([frameOf("slow", 2), next.subarray(0, 40)]));
    await network.advance(60_000);
    gate.resolve();
    await network.advance(10_000);
    await peer.write(next.subarray(40));
    await peer.receives(ACK + ACK);
    assert.deepEqual(faults, []);
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver closes a connection whose peer never reads its acks", () =>
  withReceiver({}, async ({ client, network, receiver, faults }) => {
    const connection = await client.connect(receiver.address);
    void flood(connection);
    await network.advance(14_000);
    assert.equal(receiver.connectionCount, 1);
    await network.advance(10_000);
    assert.equal(receiver.connectionCount, 0);
    assert.deepEqual(faults.map(({ type }) => type), ["connection"]);
    assert.match(faults[0]?.error.message ?? "", /stood still for 15000 ms/);
  }));

test("Receiver closes a connection that ends in garbage while its acks are not read", async () => {
  const network = new MemoryNetwork();
  const faults: string[] = [];
  await network.run(async () => {
    await using receiver = await Receiver.start(
      withDeafPeers(network.transport(SERVER)),
      () => {},
      { port: 0, onFault: ({ error }) => faults.push(error.name) },
    );
    const client = network.transport(CLIENT);
    const peer = await RawPeer.connect(client, receiver.address);
    await peer.write(frameOf("x", 2));
    await network.settle();
    await peer.write(new Uint8Array(20).fill(7));
    await network.advance(14_000);
    assert.deepEqual(faults, ["DecodeError"]);
    assert.equal(receiver.connectionCount, 1);
    await network.advance(10_000);
    assert.equal(receiver.connectionCount, 0);
    assert.equal(await peer.ended, false);
  });
});

test("Receiver acknowledges option 2 before a slow handler also while an ack is being written", async () => {
  const network = new MemoryNetwork();
  const writes: (() => void)[] = [];
  const never = Promise.withResolvers<void>();
  await network.run(async () => {
    await using receiver = await Receiver.start(
      withDeafPeers(network.transport(SERVER), writes),
      (message) => textOf(message) === "slow" ? never.promise : undefined,
      { port: 0 },
    );
    const client = network.transport(CLIENT);
    const peer = await RawPeer.connect(client, receiver.address);
    await peer.write(frameOf("quick", 2));
    await network.settle();
    await peer.write(frameOf("slow", 2));
    await network.settle();
    assert.equal(writes.length, 1);
    writes[0]!(); // the first ack has left, and the handler is not done
    await network.settle();
    assert.equal(writes.length, 2);
    never.resolve();
  });
});

test("Receiver refuses a message above maxDataLength before it has come", () =>
  withReceiver({ maxDataLength: 1000 }, async (scene) => {
    const { connect, delivered, faults, receiver } = scene;
    const overhead = frameOf("").length - 18;
    const fits = await connect();
    await fits.write(frameOf("x".repeat(1000 - overhead), 2));
    await fits.receives(ACK);
    const peer = await connect();
    const frame = frameOf("y".repeat(1001 - overhead), 2);
    await peer.write(frame.subarray(0, 11));
    await peer.ended;
    assert.equal(delivered.length, 1);
    assert.deepEqual(faults.map(({ error }) => error.name), ["DecodeError"]);
    assert.equal(receiver.connectionCount, 1);
    await fits.probe();
  }));

test("Receiver drops silent connections before a member's, however many come", () =>
  withReceiver({ maxConnections: 50 }, async (scene) => {
    const { connect, network, receiver, faults } = scene;
    const member = await connect();
    await member.probe();
    const silent: RawPeer[] = [];
    for (let i = 0; i < 1000; i++) {
      silent.push(await connect());
      assert(receiver.connectionCount <= 50);
    }
    await network.settle();
    await member.probe();
    assert.equal(receiver.connectionCount, 50);
    // The oldest went first.
    assert.deepEqual(
      silent.map(({ open }) => open),
      silent.map((_, i) => i >= 951),
    );
    assert.equal(faults.length, 951);
    const other = await connect();
    await other.probe();
    await member.probe();
  }));

test("Receiver drops connections that never finished a message before a member's", () =>
  withReceiver({ maxConnections: 10 }, async (scene) => {
    const { connect, network, receiver } = scene;
    const member = await connect();
    await member.probe();
    for (let i = 0; i < 100; i++) {
      await (await connect()).write(frameOf("x").subarray(0, 30));
      await network.settle();
    }
    assert.equal(receiver.connectionCount, 10);
    await member.probe();
    const other = await connect();
    await other.probe();
    await member.probe();
  }));

test("Receiver makes room: unused first, then unfinished, then the longest idle, never a busy one", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({ maxConnections: 5 }, async (scene) => {
    const { connect, network, faults } = scene;
    const peers = new Map<string, RawPeer>();
    const add = async (name: string) => {
      const peer = await connect();
      peers.set(name, peer);
      return peer;
    };
    const busy = await add("busy");
    await busy.write(frameOf("slow", 6));
    const middle = await add("middle");
    await middle.probe();
    await middle.write(frameOf("half", 2).subarray(0, 40));
    await (await add("idle")).probe();
    await (await add("unfinished")).write(frameOf("x", 2).subarray(0, 20));
    await add("unused");
    await network.settle();
    const gone: string[] = [];
    for (let i = 0; i < 3; i++) {
      await (await connect()).probe();
      await network.settle();
      for (const [name, peer] of peers) {
        if (peer.open) continue;
        gone.push(name);
        peers.delete(name);
      }
    }
    assert.deepEqual(gone, ["unused", "unfinished", "idle"]);
    assert.deepEqual(faults.map(({ error }) => error.message), [
      "Cannot keep the connection: 5 are open",
      "Cannot keep the connection: 5 are open",
      "Cannot keep the connection: 5 are open",
    ]);
    gate.resolve();
    await busy.receives(ACK);
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver refuses a connection while every other one is at a message", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({ maxConnections: 2 }, async (scene) => {
    const { connect, network, faults } = scene;
    const busy = await connect();
    await busy.write(frameOf("slow", 6));
    const middle = await connect();
    await middle.probe();
    const message = frameOf("message", 2);
    await middle.write(message.subarray(0, 40));
    await network.settle();
    const refused = await connect();
    assert.equal(await refused.ended, false);
    assert.deepEqual(faults.map(({ remoteAddress }) => remoteAddress), [
      refused.connection.localAddress,
    ]);
    gate.resolve();
    await busy.receives(ACK);
    await middle.write(message.subarray(40));
    await middle.receives(ACK + ACK);
    await (await connect()).probe();
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver closes who holds most when unfinished messages exceed maxBufferedBytes", () =>
  withReceiver({ maxBufferedBytes: 100_000 }, async (scene) => {
    const { connect, network, receiver, faults, delivered } = scene;
    const member = await connect();
    const message = frameOf("m".repeat(30_000), 2);
    await member.write(message.subarray(0, 1000));
    const hog = await connect();
    await hog.write(frameOf(new Uint8Array(200_000), 2).subarray(0, 95_000));
    await network.settle();
    assert.equal(receiver.bufferedBytes, 96_000);
    await member.write(message.subarray(1000, 10_000));
    await network.settle();
    assert.equal(hog.open, false);
    assert.equal(receiver.bufferedBytes, 10_000);
    await member.write(message.subarray(10_000));
    await member.receives(ACK);
    assert.equal(delivered[0]?.length, 30_000);
    assert.equal(receiver.bufferedBytes, 0);
    assert.equal(faults.length, 1);
    assert.deepEqual(faults[0]?.remoteAddress, hog.connection.localAddress);
  }));

test("Receiver counts nothing of a connection that it dropped while its handler ran", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({ maxBufferedBytes: 100_000 }, async (scene) => {
    const { connect, network, receiver } = scene;
    const hog = await connect();
    const first = frameOf("slow".padEnd(95_000), 2);
    await hog.write(first.subarray(0, 95_000));
    await network.settle();
    const next = frameOf(new Uint8Array(70_000)).subarray(0, 60_000);
    await hog.write(concatBytes([first.subarray(95_000), next]));
    await network.settle();
    const member = await connect();
    const message = frameOf("m".repeat(60_000), 2);
    await member.write(message.subarray(0, 50_000));
    await network.settle();
    assert.equal(hog.open, false);
    gate.resolve();
    await network.settle();
    assert.equal(receiver.bufferedBytes, 50_000);
    await member.write(message.subarray(50_000));
    await member.receives(ACK);
  }, (text) => text.startsWith("slow") ? gate.promise : undefined);
});

test("Receiver holds little of a flood while a handler is slow", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ client, network, receiver, delivered }) => {
    const connection = await client.connect(receiver.address);
    let written = 0;
    const flood = (async () => {
      for (;;) {
        await connection.write(frameOf(new Uint8Array(10_000)));
        written += 10_000;
      }
    })();
    flood.catch(() => {});
    await network.advance(10_000);
    assert.equal(delivered.length, 1);
    assert(written < 1_000_000, `${written} bytes were taken`);
    assert(receiver.bufferedBytes < 100_000);
    connection.abort();
    gate.resolve();
  }, () => gate.promise);
});

// UDP

async function bindClient(
  client: Transport,
): Promise<{ socket: DatagramSocket; replies: string[] }> {
  const socket = await client.bindDatagram();
  const replies: string[] = [];
  void (async () => {
    for await (const { data } of socket) replies.push(encodeHex(data));
  })();
  return { socket, replies };
}

test("Receiver answers datagrams to where they came from, by their options", () =>
  withReceiver({ udpPort: 0 }, async (scene) => {
    const { client, network, receiver, delivered, faults } = scene;
    const { socket, replies } = await bindClient(client);
    const other = await bindClient(client);
    const to = { hostname: SERVER, port: receiver.udpPort };
    for (
      const [text, options] of [
        ["none", 0],
        ["before", 2],
        ["after", 6],
        ["throw", 6],
        ["throw", 2],
      ] as const
    ) await socket.send(frameOf(text, options), to);
    await network.settle();
    assert.deepEqual(delivered, ["none", "before", "after", "throw", "throw"]);
    assert.deepEqual(replies, [ACK, ACK, FAIL_ACK, ACK]);
    assert.deepEqual(other.replies, []);
    assert.deepEqual(faults.map(({ type }) => type), ["handler", "handler"]);
    assert.equal(faults[0]?.remoteAddress.port, socket.address.port);
  }, (text) => {
    if (text === "throw") throw new Error("thrown");
  }));

test("Receiver acknowledges a datagram with option 2 before a slow handler", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({ udpPort: 0 }, async (scene) => {
    const { client, network, receiver } = scene;
    const { socket, replies } = await bindClient(client);
    const to = { hostname: SERVER, port: receiver.udpPort };
    await socket.send(frameOf("before", 2), to);
    await network.settle();
    assert.deepEqual(replies, [ACK]);
    await socket.send(frameOf("after", 6), to);
    await network.settle();
    assert.deepEqual(replies, [ACK]);
    gate.resolve();
    await network.settle();
    assert.deepEqual(replies, [ACK, ACK]);
  }, () => gate.promise);
});

test("Receiver survives bad datagrams: each is dropped by itself", () =>
  withReceiver({ udpPort: 0, maxDataLength: 500 }, async (scene) => {
    const { client, network, receiver, delivered, faults } = scene;
    const { socket, replies } = await bindClient(client);
    const to = { hostname: SERVER, port: receiver.udpPort };
    const good = frameOf("good", 2);
    const bad = [
      new Uint8Array(20).fill(9),
      good.subarray(0, 50),
      concatBytes([good, good.subarray(0, 5)]),
      frameOf("x".repeat(600), 2),
      concatBytes([good.subarray(0, 40), new Uint8Array(good.length)]),
    ];
    for (const datagram of [...bad, new Uint8Array(), good]) {
      await socket.send(datagram, to);
    }
    await network.settle();
    assert.deepEqual(delivered, ["good", "good"]); // that of the third, and the last
    assert.deepEqual(replies, [ACK, ACK]);
    assert.deepEqual(
      faults.map(({ type, error }) => `${type} ${error.name}`),
      bad.map(() => "datagram DecodeError"),
    );
  }));

test("Receiver delivers a datagram whose ack cannot be sent", async () => {
  const network = new MemoryNetwork();
  const inner = network.transport(SERVER);
  const failing: Transport = {
    clock: inner.clock,
    connect: (...args) => inner.connect(...args),
    listen: (...args) => inner.listen(...args),
    localAddresses: () => inner.localAddresses(),
    bindDatagram: async (options) => {
      const socket = await inner.bindDatagram(options);
      socket.send = () =>
        Promise.reject(new TransportError("unreachable", "Cannot send"));
      return socket;
    },
  };
  await network.run(async () => {
    const delivered: string[] = [];
    const faults: string[] = [];
    await using receiver = await Receiver.start(
      failing,
      (message) => void delivered.push(textOf(message)),
      { port: 0, udpPort: 0, onFault: ({ type }) => faults.push(type) },
    );
    const { socket } = await bindClient(network.transport(CLIENT));
    const to = { hostname: SERVER, port: receiver.udpPort };
    await socket.send(frameOf("a", 2), to);
    await socket.send(frameOf("b", 6), to);
    await network.settle();
    assert.deepEqual(delivered, ["a", "b"]);
    assert.deepEqual(faults, ["datagram", "datagram"]);
  });
});

// Closing

test("Receiver.close() lets the handler finish and acknowledges its message", async () => {
  const gate = Promise.withResolvers<void>();
  await withReceiver({}, async ({ connect, network, receiver, delivered }) => {
    const peer = await connect();
    const idle = await connect();
    await idle.probe();
    await peer.write(concatBytes([frameOf("slow", 6), frameOf("next", 6)]));
    await network.settle();
    let closed = false;
    const closing = receiver.close().then(() => {
      closed = true;
    });
    assert.equal(receiver.close(), receiver.close());
    await network.settle();
    assert.equal(closed, false);
    assert.equal(await idle.ended, true);
    await assert.rejects(connect(), { code: "connection-refused" });
    gate.resolve();
    await closing;
    assert.equal(await peer.ended, true);
    assert.equal(peer.received, ACK); // the second was not begun: its sender tries elsewhere
    assert.deepEqual(delivered, ["probe", "slow"]);
  }, (text) => text === "slow" ? gate.promise : undefined);
});

test("Receiver.close() waits 3 s at most for a handler", () =>
  withReceiver({ udpPort: 0 }, async (scene) => {
    const { connect, network, receiver, client, faults } = scene;
    const peer = await connect();
    await peer.write(frameOf("never", 6));
    const { socket } = await bindClient(client);
    await socket.send(frameOf("never", 6), {
      hostname: SERVER,
      port: receiver.udpPort,
    });
    await network.settle();
    const start = network.now;
    await receiver.close();
    assert(network.now - start >= 3000);
    assert(network.now - start <= 6000);
    await peer.ended;
    assert.deepEqual(faults, []);
  }, () => new Promise(() => {})));

for (const kind of ["TCP", "UDP"] as const) {
  test(`Receiver.close() may be called by a handler of a message by ${kind}`, async () => {
    const network = new MemoryNetwork();
    const client = network.transport(CLIENT);
    await network.run(async () => {
      const closed = Promise.withResolvers<void>();
      const receiver: Receiver = await Receiver.start(
        network.transport(SERVER),
        async () => {
          await receiver.close();
          closed.resolve();
        },
        { port: 0, udpPort: 0 },
      );
      if (kind === "TCP") {
        const peer = await RawPeer.connect(client, receiver.address);
        await peer.write(frameOf("close", 6));
      } else {
        const { socket } = await bindClient(client);
        await socket.send(frameOf("close", 6), {
          hostname: SERVER,
          port: receiver.udpPort,
        });
      }
      await closed.promise;
      await receiver.close();
      assert(network.now < 6100);
    });
  });
}

test("Receiver.close() does not wait for a peer that never reads its acks", () =>
  withReceiver({}, async ({ client, network, receiver, faults }) => {
    const connection = await client.connect(receiver.address);
    void flood(connection);
    await network.advance(1000);
    const start = network.now;
    await receiver.close();
    assert(network.now - start <= 3001, `${network.now - start} ms`);
    assert.deepEqual(faults, []);
  }));

test("Receiver.close() before anything came, and of connections nobody took", () =>
  withReceiver({ udpPort: 0 }, async ({ client, receiver }) => {
    const connecting = client.connect(receiver.address);
    const closing = receiver.close();
    const connection = await connecting.catch(() => undefined);
    await closing;
    connection?.abort();
    await receiver[Symbol.asyncDispose]();
  }));

// Real sockets

test("Receiver serves connections and datagrams of real sockets", async () => {
  const transport = new NodeTransport();
  const delivered: string[] = [];
  const handler: MessageHandler = (message) => {
    delivered.push(textOf(message));
    if (textOf(message) === "throw") throw new Error("thrown");
  };
  await using receiver = await Receiver.start(transport, handler, {
    address: "127.0.0.1",
    port: 0,
    udpPort: 0,
  });
  const peer = await RawPeer.connect(transport, receiver.address);
  const large = new Uint8Array(3_000_000).fill(0x62);
  await peer.write(
    concatBytes([frameOf("throw", 6), frameOf(large, 6), frameOf("a", 2)]),
  );
  await peer.receives(FAIL_ACK + ACK + ACK);
  assert.deepEqual(delivered.map((text) => text.length), [5, 3_000_000, 1]);

  await using socket = await transport.bindDatagram({ hostname: "127.0.0.1" });
  const to = { hostname: "127.0.0.1", port: receiver.udpPort };
  await socket.send(new Uint8Array(30), to);
  await socket.send(frameOf("udp", 2), to);
  for await (const { data, from } of socket) {
    assert.deepEqual(data, new Uint8Array(ACK_COMMAND));
    assert.deepEqual(from, to);
    break;
  }
});

/**
 * Sends more messages than the link and the peer's read-ahead hold acks, and reads nothing; then
 * other bytes. Ends with the connection.
 */
async function flood(
  connection: Connection,
  end: Uint8Array = new Uint8Array(),
): Promise<void> {
  const burst = concatBytes(Array<Uint8Array>(500).fill(frameOf("", 2)));
  try {
    for (let i = 0; i < 40; i++) await connection.write(burst.slice());
    await connection.write(end);
  } catch {
    // The receiver has closed the connection.
  }
}

/** A transport on which no write of an accepted connection is done until a test says so. */
function withDeafPeers(
  transport: Transport,
  writes: (() => void)[] = [],
): Transport {
  return {
    clock: transport.clock,
    localAddresses: () => transport.localAddresses(),
    connect: (...args) => transport.connect(...args),
    bindDatagram: (...args) => transport.bindDatagram(...args),
    listen: async (...args) => {
      const listener = await transport.listen(...args);
      const accepted = listener[Symbol.asyncIterator].bind(listener);
      listener[Symbol.asyncIterator] = async function* () {
        for await (const connection of { [Symbol.asyncIterator]: accepted }) {
          const abort = connection.abort.bind(connection);
          const { promise, reject } = Promise.withResolvers<never>();
          promise.catch(() => {}); // without a write nobody waits for it
          connection.abort = () => {
            reject(new TransportError("closed", "Cannot write: closed"));
            abort();
          };
          connection.write = () => {
            const written = Promise.withResolvers<void>();
            writes.push(written.resolve);
            return Promise.race([written.promise, promise]);
          };
          yield connection;
        }
      };
      return listener;
    },
  };
}
