// What a live Tomcat answered, byte for byte, from our receiver. Where it differs on purpose:
//
// - Garbage: Tomcat keeps the connection and hangs on it silently; ours closes it.
// - A message that cannot be parsed: both close the connection. Tomcat loses the good frames that
//   came in the same read before it; ours delivers and acknowledges them first.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, decodeHex } from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { NodeTransport } from "../../transport/node.ts";
import { type MessageHandler, Receiver } from "../../transport/receiver.ts";
import type { Transport } from "../../transport/types.ts";
import { ACK, frameOf, RawPeer, textOf } from "../support/tribes_peers.ts";
import { type AckVector, loadVector, loadVectors } from "../support/vectors.ts";

interface Subject {
  readonly name: string;
  run(
    task: (transport: Transport, hostname: string) => Promise<void>,
  ): Promise<void>;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "MemoryNetwork",
    run: (task) => {
      const network = new MemoryNetwork();
      return network.run(() => task(network.transport("10.0.0.1"), "10.0.0.1"));
    },
  },
  {
    name: "NodeTransport",
    run: (task) => task(new NodeTransport(), "127.0.0.1"),
  },
];

const UNPARSABLE = ["ack/bad-member", "ack/garbage-then-frame"];

for (const { name, run } of SUBJECTS) {
  for (const vector of loadVectors("ack")) {
    if (UNPARSABLE.includes(vector.id)) continue;
    test(`${name}: Receiver answers ${vector.id} as Tomcat does`, () =>
      run((transport, hostname) => replay(vector, transport, hostname)));
  }

  for (const id of UNPARSABLE) {
    test(`${name}: Receiver delivers nothing of ${id} and closes the connection`, () =>
      run(async (transport, hostname) => {
        const vector = loadVector("ack", id.replace("ack/", ""));
        const { delivered, faults, receiver } = await start(
          transport,
          hostname,
        );
        await using _ = receiver;
        const peer = await RawPeer.connect(transport, receiver.address);
        await peer.write(decodeHex(vector.request));
        await peer.ended;
        assert.equal(peer.received, vector.reply);
        assert.deepEqual(delivered, vector.delivered);
        assert.deepEqual(faults, ["connection DecodeError"]);
      }));
  }

  test(`${name}: Receiver delivers and acknowledges what stood before ack/bad-member in a read`, () =>
    run(async (transport, hostname) => {
      const bad = loadVector("ack", "bad-member");
      const { delivered, faults, receiver } = await start(transport, hostname);
      await using _ = receiver;
      const peer = await RawPeer.connect(transport, receiver.address);
      await peer.write(concatBytes([
        frameOf("first", 2),
        frameOf("second", 6),
        frameOf("third"),
        decodeHex(bad.request),
        frameOf("lost", 2),
      ]));
      assert.equal(await peer.ended, true);
      assert.equal(peer.received, ACK + ACK);
      assert.deepEqual(delivered, ["first", "second", "third"]);
      assert.deepEqual(faults, ["connection DecodeError"]);
    }));
}

/** Writes a vector's request; a probe behind it shows that nothing else comes back. */
async function replay(
  vector: AckVector,
  transport: Transport,
  hostname: string,
): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const { listener = "ok" } = vector;
  const { delivered, receiver } = await start(transport, hostname, (text) => {
    if (text === "probe" || listener === "ok") return;
    if (listener.startsWith("throws")) throw new Error(listener);
    assert.equal(listener, "takes 400 ms");
    entered.resolve();
    return gate.promise;
  });
  await using _ = receiver;
  const peer = await RawPeer.connect(transport, receiver.address);
  await peer.write(decodeHex(vector.request));
  if (listener.startsWith("takes")) {
    await entered.promise;
    if (vector.replyAfterListener === false) {
      await peer.receives(vector.reply);
    } else {
      // What was to come back by now has come back when this has.
      const other = await RawPeer.connect(transport, receiver.address);
      await other.probe();
      assert.equal(peer.received, "");
    }
    gate.resolve();
  }
  await peer.receives(vector.reply);
  assert.equal(vector.connectionClosedByReceiver, false);
  await peer.probe();
  assert.equal(peer.received, vector.reply + ACK);
  assert.deepEqual(
    delivered.filter((text) => text !== "probe"),
    vector.delivered ?? ["m"],
  );
}

async function start(
  transport: Transport,
  hostname: string,
  handle: (text: string) => void | Promise<void> = () => {},
): Promise<{ delivered: string[]; faults: string[]; receiver: Receiver }> {
  const delivered: string[] = [];
  const faults: string[] = [];
  const handler: MessageHandler = (message) => {
    delivered.push(textOf(message));
    return handle(textOf(message));
  };
  const receiver = await Receiver.start(transport, handler, {
    address: hostname,
    port: 0,
    onFault: ({ type, error }) => faults.push(`${type} ${error.name}`),
  });
  return { delivered, faults, receiver };
}
