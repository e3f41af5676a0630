// Bad input of every kind against a live receiver, and against a sender: a typed error or an orderly
// close, bounded memory, and other members unaffected.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  concatBytes,
  DecodeError,
  encodeChannelData,
  encodeFrame,
  START_DATA,
} from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { NodeTransport } from "../../transport/node.ts";
import {
  Receiver,
  type ReceiverFault,
  type ReceiverOptions,
} from "../../transport/receiver.ts";
import { Sender } from "../../transport/sender.ts";
import { type Transport, TransportError } from "../../transport/types.ts";
import { byteStrings, damaged, lyingLengths } from "../support/arbitraries.ts";
import {
  ACK,
  codeOf,
  FakeReceiver,
  frameOf,
  memberAt,
  messageOf,
  RawPeer,
  textOf,
  watch,
} from "../support/tribes_peers.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";
const GOOD = frameOf("good", 2);

interface Scene {
  readonly transport: Transport;
  readonly receiver: Receiver;
  readonly delivered: string[];
  readonly faults: ReceiverFault[];
  /** A member that must not notice anything. */
  readonly bystander: RawPeer;
  connect(): Promise<RawPeer>;
}

interface Subject {
  readonly name: string;
  run(
    options: ReceiverOptions,
    task: (scene: Scene) => Promise<void>,
  ): Promise<void>;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "MemoryNetwork",
    run: (options, task) => {
      const network = new MemoryNetwork({ latency: [1, 1] });
      const server = network.transport(SERVER);
      const client = network.transport(CLIENT);
      return network.run(() => scene(server, client, SERVER, options, task));
    },
  },
  {
    name: "NodeTransport",
    run: (options, task) => {
      const transport = new NodeTransport();
      return scene(transport, transport, "127.0.0.1", options, task);
    },
  },
];

async function scene(
  server: Transport,
  client: Transport,
  address: string,
  options: ReceiverOptions,
  task: (scene: Scene) => Promise<void>,
): Promise<void> {
  const delivered: string[] = [];
  const faults: ReceiverFault[] = [];
  await using receiver = await Receiver.start(
    server,
    (message) => void delivered.push(textOf(message)),
    {
      address,
      port: 0,
      onFault: (fault) => void faults.push(fault),
      ...options,
    },
  );
  const connect = () => RawPeer.connect(client, receiver.address);
  const bystander = await connect();
  await bystander.probe("before");
  await task({
    transport: client,
    receiver,
    delivered,
    faults,
    bystander,
    connect,
  });
  await bystander.probe("after");
  assert.equal(delivered[0], "before");
  assert.equal(delivered.at(-1), "after");
  assert.equal(receiver.bufferedBytes, 0);
}

function withLength(length: number, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(11);
  bytes.set(START_DATA);
  new DataView(bytes.buffer).setInt32(7, length);
  return concatBytes([bytes, rest]);
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setInt32(at, value);
  return copy;
}

const BODY = encodeChannelData(messageOf("good", 2));

// Input, the code of the error, and its field.
const BAD_INPUT: readonly (readonly [string, Uint8Array, string, string])[] = [
  [
    "bytes that are no frame",
    new Uint8Array(64).fill(0x41),
    "bad-marker",
    "frame.start",
  ],
  ["a single wrong byte", Uint8Array.of(0x47), "bad-marker", "frame.start"],
  [
    "an HTTP request",
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    "bad-marker",
    "frame.start",
  ],
  [
    "a TLS greeting",
    Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3),
    "bad-marker",
    "frame.start",
  ],
  [
    "a wrong end marker",
    concatBytes([GOOD.subarray(0, -1), Uint8Array.of(0)]),
    "bad-marker",
    "frame.end",
  ],
  [
    "a second start marker",
    concatBytes([START_DATA, GOOD]),
    "too-large",
    "frame.body.length",
  ],
  [
    "the length -1",
    withLength(-1, new Uint8Array(40)),
    "out-of-range",
    "frame.body.length",
  ],
  [
    "the length -18",
    withLength(-18, new Uint8Array(40)),
    "out-of-range",
    "frame.body.length",
  ],
  [
    "the least length",
    withLength(-0x8000_0000, GOOD),
    "out-of-range",
    "frame.body.length",
  ],
  [
    "the greatest length",
    withLength(0x7fff_ffff, GOOD),
    "too-large",
    "frame.body.length",
  ],
  [
    "a length above the limit",
    withLength(67_108_865, GOOD),
    "too-large",
    "frame.body.length",
  ],
  [
    "a length that is too small",
    changed(GOOD, 7, GOOD.length - 19),
    "bad-marker",
    "frame.end",
  ],
  ["an empty body", encodeFrame(new Uint8Array()), "truncated", "options"],
  ["an ack", encodeFrame(Uint8Array.of(6, 2, 3)), "truncated", "options"],
  [
    "a negative length of the unique id",
    encodeFrame(changed(BODY, 12, -1)),
    "out-of-range",
    "uniqueId.length",
  ],
  [
    "a lying length of the unique id",
    encodeFrame(changed(BODY, 12, 0x7fff_ffff)),
    "truncated",
    "uniqueId",
  ],
  [
    "a lying length of the address",
    encodeFrame(changed(BODY, 32, 0x7fff_ffff)),
    "truncated",
    "address",
  ],
  [
    "a lying length of the message",
    encodeFrame(changed(BODY, BODY.length - 8, 5)),
    "truncated",
    "message",
  ],
  [
    "bytes behind the message",
    encodeFrame(concatBytes([BODY, Uint8Array.of(0)])),
    "trailing-bytes",
    "channelData",
  ],
];

for (const { name, run } of SUBJECTS) {
  for (const [claim, bytes, code, field] of BAD_INPUT) {
    test(`${name}: Receiver closes a connection for ${claim}`, () =>
      run({}, async ({ connect, faults, delivered, receiver }) => {
        const peer = await connect();
        await peer.write(concatBytes([GOOD, bytes, GOOD]));
        await peer.ended;
        assert.equal(peer.received, ACK); // of the good one before it
        assert.deepEqual(delivered, ["before", "good"]);
        assert.equal(faults.length, 1);
        const { type, error } = faults[0]!; // there is one
        assert.equal(type, "connection");
        assert(error instanceof DecodeError);
        assert.deepEqual([error.code, error.field], [code, field]);
        assert.equal(receiver.connectionCount, 1);
      }));
  }

  test(`${name}: Receiver reports a message that its peer cut off`, () =>
    run({}, async ({ connect, faults, delivered }) => {
      for (const length of [1, 6, 7, 10, 11, 40, GOOD.length - 1]) {
        const peer = await connect();
        void peer.write(GOOD.subarray(0, length));
        await peer.connection.closeWrite();
        await peer.ended;
        assert.equal(peer.received, "");
        const { error } = faults.at(-1)!; // each peer leaves one
        assert(error instanceof DecodeError);
        assert.equal(error.code, "truncated");
      }
      assert.equal(faults.length, 7);
      assert.deepEqual(delivered, ["before"]);
    }));

  test(`${name}: Receiver allocates nothing for an announced length`, () =>
    run({ maxConnections: 300 }, async ({ connect, receiver, bystander }) => {
      const peers: RawPeer[] = [];
      for (let i = 0; i < 200; i++) {
        const peer = await connect();
        await peer.write(withLength(67_108_864, new Uint8Array(100)));
        peers.push(peer);
      }
      // What was written before this has been read when it is answered, or is so soon after.
      while (receiver.bufferedBytes < 200 * 111) await bystander.probe();
      assert.equal(receiver.bufferedBytes, 200 * 111);
      for (const peer of peers) peer.connection.abort();
      while (receiver.connectionCount > 1) await bystander.probe();
    }));

  test(`${name}: Receiver serves a member while a thousand connections send nothing`, () =>
    run({ maxConnections: 64 }, async ({ connect, receiver, bystander }) => {
      const peers: RawPeer[] = [];
      for (let i = 0; i < 1000; i++) {
        peers.push(await connect());
        if (i % 50 === 0) await bystander.probe();
      }
      await bystander.probe();
      assert(receiver.connectionCount <= 64);
      const newcomer = await connect();
      await newcomer.probe();
      for (const peer of peers) peer.connection.abort();
      newcomer.connection.abort();
      while (receiver.connectionCount > 1) await bystander.probe();
    }));
}

test("Receiver survives any damage to its stream, and serves the next connection", async () => {
  const stream = fc.array(
    fc.record({ body: byteStrings(40), options: fc.constantFrom(0, 2, 6) }),
    { minLength: 1, maxLength: 4 },
  ).map((messages) =>
    concatBytes(messages.map(({ body, options }) => frameOf(body, options)))
  );
  const hostile = fc.oneof(
    damaged(stream),
    fc.tuple(lyingLengths(), byteStrings(60)).map(([length, rest]) =>
      withLength(length, rest)
    ),
    byteStrings(100, 1),
  );
  await fc.assert(
    fc.asyncProperty(hostile, fc.integer(), async (bytes, seed) => {
      const network = new MemoryNetwork({ seed, segmentLength: [1, 40] });
      await network.run(async () => {
        const faults: ReceiverFault[] = [];
        const receiver = await Receiver.start(
          network.transport(SERVER),
          () => {},
          { port: 0, onFault: (fault) => void faults.push(fault) },
        );
        const client = network.transport(CLIENT);
        const peer = await RawPeer.connect(client, receiver.address);
        peer.write(bytes).catch(() => {}); // it may be closed amid this
        peer.connection.closeWrite().catch(() => {});
        await peer.ended;
        assert(new Set(["", ACK]).has(peer.received.slice(0, 42)));
        assert(faults.length <= 1);
        for (const { error } of faults) {
          assert(error instanceof DecodeError, String(error));
        }
        assert.equal(receiver.bufferedBytes, 0);
        await (await RawPeer.connect(client, receiver.address)).probe();
        await receiver.close();
      });
    }),
    { numRuns: 200 },
  );
});

test("Receiver closes peers that send a byte a second, and holds up nobody", async () => {
  const network = new MemoryNetwork();
  await network.run(async () => {
    const faults: ReceiverFault[] = [];
    await using receiver = await Receiver.start(
      network.transport(SERVER),
      () => {},
      { port: 0, onFault: (fault) => void faults.push(fault) },
    );
    const client = network.transport(CLIENT);
    const peers: RawPeer[] = [];
    for (let i = 0; i < 100; i++) {
      peers.push(await RawPeer.connect(client, receiver.address));
    }
    const member = await RawPeer.connect(client, receiver.address);
    for (let second = 0; second < 30; second++) {
      for (const peer of peers) {
        peer.write(GOOD.subarray(second, second + 1)).catch(() => {}); // closed amid this
      }
      await network.advance(1000);
      await member.probe();
    }
    assert(peers.every(({ open }) => !open));
    assert.equal(receiver.connectionCount, 1);
    assert.equal(receiver.bufferedBytes, 0);
    assert.equal(faults.length, 100);
    for (const { error } of faults) assert(error instanceof TransportError);
  });
});

// The sender's side: what comes back from a member is as untrusted.

const BAD_REPLIES: readonly (readonly [string, Uint8Array])[] = [
  ["garbage", new Uint8Array(50).fill(0x41)],
  ["a negative length", withLength(-1, new Uint8Array(20))],
  ["a length above its limit", withLength(65_537, new Uint8Array(20))],
  ["the greatest length", withLength(0x7fff_ffff, new Uint8Array(20))],
  ["a wrong end marker", changed(encodeFrame(Uint8Array.of(6, 2, 3)), 17, 0)],
];

for (const [claim, bytes] of BAD_REPLIES) {
  test(`Sender fails a member that answers ${claim}, and reaches the others`, async () => {
    const network = new MemoryNetwork();
    const client = network.transport(CLIENT);
    await network.run(async () => {
      const good = await FakeReceiver.listen(
        network.transport("10.0.0.3"),
        "10.0.0.3",
      );
      const bad = await FakeReceiver.listen(
        network.transport(SERVER),
        SERVER,
        (_, connection) => connection.write(bytes),
      );
      const sender = new Sender(client);
      const destination = [good.member, bad.member];
      const outcome = watch(
        client,
        sender.sendMessage(destination, messageOf("x", 6)),
      );
      await sender.sendMessage([good.member], messageOf("y", 6));
      await network.advance(1000);
      assert.equal(codeOf(outcome.error), "connection-closed");
      const [faulty, ...others] =
        (outcome.error as { faultyMembers: { cause: Error }[] }).faultyMembers; // codeOf has checked
      assert(faulty?.cause instanceof DecodeError);
      assert.deepEqual(others, []);
      assert.equal(sender.queuedBytes, 0);
      await sender.close();
      await good.close();
      await bad.close();
    });
  });
}

test("Sender is not kept waiting by a member that answers with other frames for ever", async () => {
  const network = new MemoryNetwork();
  const client = network.transport(CLIENT);
  await network.run(async () => {
    const chatter = await FakeReceiver.listen(
      network.transport(SERVER),
      SERVER,
      (_, connection) => {
        const { clock } = network.transport(SERVER);
        const talk = () => {
          if (!connection.open) return;
          connection.write(frameOf("not an ack"));
          clock.startTimer(100, talk);
        };
        talk();
      },
    );
    const sender = new Sender(client);
    const outcome = watch(
      client,
      sender.sendMessage([chatter.member], messageOf("x", 2)),
    );
    await network.advance(3100);
    assert.equal(codeOf(outcome.error), "timeout");
    await sender.close();
    await chatter.close();
  });
});

test("Sender holds no more than maxQueueSize for a member that never reads", async () => {
  const network = new MemoryNetwork();
  const client = network.transport(CLIENT);
  await network.run(async () => {
    const server = network.transport(SERVER);
    const listener = await server.listen({ hostname: SERVER, port: 4000 });
    const member = memberAt(listener.address);
    const sender = new Sender(client, { maxQueueSize: 1_000_000 });
    const outcomes = [];
    for (let i = 0; i < 1000; i++) {
      const message = messageOf(new Uint8Array(10_000));
      outcomes.push(watch(client, sender.sendMessage([member], message)));
      assert(sender.queuedBytes <= 1_000_000);
      await network.advance(1);
    }
    await network.advance(4000);
    const full = outcomes.filter(({ error }) =>
      error !== undefined && codeOf(error) === "queue-full"
    );
    assert(full.length > 500, `${full.length}`);
    assert(outcomes.every(({ count }) => count === 1));
    assert.equal(sender.queuedBytes, 0);
    await sender.close();
    await listener.close();
  });
});
