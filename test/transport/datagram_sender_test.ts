import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACK_COMMAND,
  ackMoment,
  type ChannelData,
  decodeChannelData,
  decodeFrame,
  encodeFrame,
  FAIL_ACK_COMMAND,
  type Member,
} from "../../protocol/mod.ts";
import {
  DatagramSender,
  MAX_DATAGRAM_LENGTH,
} from "../../transport/datagram_sender.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { NodeTransport } from "../../transport/node.ts";
import { Receiver } from "../../transport/receiver.ts";
import {
  resolveSenderOptions,
  type SenderOptions,
} from "../../transport/sender.ts";
import {
  type DatagramSocket,
  type SocketAddress,
  type Transport,
  TransportError,
} from "../../transport/types.ts";
import {
  codeOf,
  failsWith,
  frameOf,
  memberAt,
  messageOf,
  type SendOutcome,
  textOf,
  watch,
} from "../support/tribes_peers.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";
const OVERHEAD = frameOf("").length;

/** What a fake receiver does with a message; `answer` sends a datagram back. */
type Behaviour = (
  message: ChannelData,
  answer: (bytes: Uint8Array) => void,
) => void;

interface Scene {
  readonly network: MemoryNetwork;
  readonly client: Transport;
  readonly sender: DatagramSender;
  readonly member: Member;
  readonly messages: ChannelData[];
  readonly texts: () => string[];
  readonly sources: SocketAddress[];
  behaviour: Behaviour;
  watch(text: string, options?: number, member?: Member): SendOutcome;
}

function withSender(
  options: SenderOptions,
  behaviour: Behaviour,
  task: (scene: Scene) => Promise<void>,
): Promise<void> {
  const network = new MemoryNetwork({ latency: [1, 1] });
  const client = network.transport(CLIENT);
  return network.run(async () => {
    const socket = await network.transport(SERVER).bindDatagram({
      hostname: SERVER,
    });
    const sender = new DatagramSender(client, resolveSenderOptions(options));
    const member = udpMember(socket.address);
    const messages: ChannelData[] = [];
    const scene: Scene = {
      network,
      client,
      sender,
      member,
      messages,
      sources: [],
      behaviour,
      texts: () => messages.map(textOf),
      watch: (text, options = 0, to = member) =>
        watch(client, sender.sendMessage([to], messageOf(text, options))),
    };
    const serving = serve(socket, scene);
    await task(scene);
    await sender.close();
    assert.equal(sender.queuedBytes, 0);
    await socket.close();
    await serving;
  });
}

async function serve(socket: DatagramSocket, scene: Scene): Promise<void> {
  for await (const { data, from } of socket) {
    const message = decodeChannelData(decodeFrame(data));
    scene.messages.push(message);
    scene.sources.push(from);
    scene.behaviour(message, (bytes) => void socket.send(bytes, from));
  }
}

function udpMember({ hostname, port }: SocketAddress): Member {
  return memberAt({ hostname, port: 4000 }, { udpPort: port });
}

const acknowledge: Behaviour = (message, answer) => {
  if (ackMoment(message.options) !== "never") answer(ACK_COMMAND);
};
const ignore: Behaviour = () => {};

test("DatagramSender.sendMessage() is done with the ack, or when sent without one", () =>
  withSender({}, ignore, async (scene) => {
    const { network } = scene;
    const plain = scene.watch("plain");
    const acked = scene.watch("acked", 2);
    const synchronized = scene.watch("synchronized", 6);
    await network.settle();
    assert.equal(plain.state, "done");
    assert.equal(acked.state, "pending");
    assert.deepEqual(scene.texts(), ["plain", "acked"]);
    scene.behaviour = acknowledge;
    await network.advance(3000); // sent again, and answered
    assert.equal(acked.state, "done");
    assert.equal(synchronized.state, "done");
    assert.deepEqual(scene.texts(), [
      "plain",
      "acked",
      "acked",
      "synchronized",
    ]);
    assert.deepEqual(scene.messages[1], scene.messages[2]);
  }));

test("DatagramSender sends to one member one after another and in order", () =>
  withSender({}, acknowledge, async (scene) => {
    const texts = Array.from({ length: 50 }, (_, i) => `message ${i}`);
    const outcomes = texts.map((text, i) =>
      scene.watch(text, [0, 2, 6][i % 3])
    );
    await scene.network.settle();
    assert.deepEqual(scene.texts(), texts);
    assert(outcomes.every(({ state }) => state === "done"));
  }));

test("DatagramSender survives lost datagrams and lost acks", async () => {
  await withSender(
    { maxRetryAttempts: 9, timeout: 10_000 },
    acknowledge,
    async (scene) => {
      scene.network.setConditions({ loss: 0.3 });
      const outcomes: SendOutcome[] = [];
      for (let i = 0; i < 10; i++) {
        outcomes.push(scene.watch(`${i}`, 2));
        await scene.network.advance(10_000);
      }
      assert(outcomes.every(({ state }) => state === "done"));
      assert.deepEqual(
        [...new Set(scene.texts())],
        outcomes.map((_, i) => `${i}`),
      );
      assert(scene.messages.length > 10, "nothing was lost");
    },
  );
});

test("DatagramSender takes no ack of one message for the next one's", () =>
  withSender({}, ignore, async (scene) => {
    const { network } = scene;
    let answerFirst: ((bytes: Uint8Array) => void) | undefined;
    scene.behaviour = (_, answer) => answerFirst ??= answer;
    const first = scene.watch("first", 2);
    const second = scene.watch("second", 2);
    await network.settle();
    answerFirst!(ACK_COMMAND); // the first message has come
    await network.settle();
    assert.equal(first.state, "done");
    assert.deepEqual(scene.texts(), ["first", "second"]);
    answerFirst!(ACK_COMMAND); // doubled on its way
    await network.settle();
    assert.equal(second.state, "pending");
    await network.advance(3000);
    assert.equal(codeOf(second.error), "timeout");
  }));

test("DatagramSender fails with timeout after its retries, in timeout altogether", () =>
  withSender({ timeout: 3000, maxRetryAttempts: 2 }, ignore, async (scene) => {
    const outcome = scene.watch("x", 2);
    await scene.network.advance(2999);
    assert.equal(outcome.state, "pending");
    assert.equal(scene.messages.length, 3);
    await scene.network.advance(2);
    assert.equal(codeOf(outcome.error), "timeout");
    assert.equal(outcome.at, 3000);
    assert.equal(scene.messages.length, 3);
    assert.equal(scene.sender.queuedBytes, 0);
  }));

test("DatagramSender fails what waits behind a silent member within about one timeout", () =>
  withSender({}, ignore, async (scene) => {
    const { network, sender } = scene;
    const first = Array.from({ length: 20 }, () => scene.watch("x", 2));
    await network.advance(2000);
    const later = scene.watch("later", 0);
    const last = scene.watch("last", 2);
    await network.advance(1100);
    for (const outcome of first) assert.equal(codeOf(outcome.error), "timeout");
    assert.equal(later.state, "done");
    await network.advance(3000);
    assert.equal(codeOf(last.error), "timeout");
    assert.equal(sender.queuedBytes, 0);
  }));

test("DatagramSender holds up no other member while one is silent", () =>
  withSender({}, ignore, async (scene) => {
    const { network, client, sender, member } = scene;
    await using receiver = await Receiver.start(
      network.transport("10.0.0.3"),
      () => {},
      { port: 0, udpPort: 0 },
    );
    const good = udpMember({ hostname: "10.0.0.3", port: receiver.udpPort });
    const none = memberAt({ hostname: "10.0.0.3", port: 4000 });
    const outcome = watch(
      client,
      sender.sendMessage([none, good, member], messageOf("x", 2)),
    );
    const other = scene.watch("y", 6, good);
    await network.settle();
    assert.equal(other.state, "done");
    assert.equal(outcome.state, "pending");
    await network.advance(3000);
    const { error } = outcome;
    assert(error instanceof ChannelError);
    assert.deepEqual(
      error.faultyMembers.map(({ member, code }) => [member, code]),
      [[none, "unsupported"], [member, "timeout"]],
    );
  }));

test("DatagramSender reports a FAIL_ACK, or takes it for an ACK without throwOnFailedAck", async () => {
  const fail: Behaviour = (_, answer) => answer(FAIL_ACK_COMMAND);
  await withSender({}, fail, async (scene) => {
    const outcome = scene.watch("x", 6);
    await scene.network.settle();
    assert.equal(codeOf(outcome.error), "failed-ack");
    assert.equal(scene.messages.length, 1);
  });
  await withSender({ throwOnFailedAck: false }, fail, async (scene) => {
    const outcome = scene.watch("x", 6);
    await scene.network.settle();
    assert.equal(outcome.state, "done");
  });
});

test("DatagramSender takes no other datagram for an ack, and none from elsewhere", () =>
  withSender({}, (_, answer) => {
    answer(new Uint8Array());
    answer(new Uint8Array(21).fill(7));
    answer(ACK_COMMAND.subarray(0, 20));
    answer(new Uint8Array([...ACK_COMMAND, 0]));
    answer(encodeFrame(Uint8Array.of(6, 2, 4)));
  }, async (scene) => {
    const { network } = scene;
    const outcome = scene.watch("x", 2);
    await network.settle();
    await using stranger = await network.transport("10.0.0.4").bindDatagram();
    await stranger.send(ACK_COMMAND, {
      hostname: CLIENT,
      port: scene.sources[0]!.port, // one message has come
    });
    await network.settle();
    assert.equal(outcome.state, "pending");
    scene.behaviour = acknowledge;
    await network.advance(1600);
    assert.equal(outcome.state, "done");
  }));

test("DatagramSender.sendMessage() rejects a member without UDP port", () =>
  withSender({}, acknowledge, async ({ sender }) => {
    for (const udpPort of [-1, 0]) {
      const member = memberAt({ hostname: SERVER, port: 4000 }, { udpPort });
      const error = await failsWith(
        sender.sendMessage([member], messageOf("x")),
        "unsupported",
      );
      assert.match(error.message, /has no UDP port$/);
    }
  }));

test("DatagramSender.sendMessage() rejects what does not fit a datagram", () =>
  withSender({}, acknowledge, async (scene) => {
    const { sender, member, network } = scene;
    const most = MAX_DATAGRAM_LENGTH - OVERHEAD;
    await failsWith(
      sender.sendMessage([member], messageOf(new Uint8Array(most + 1), 2)),
      "unsupported",
    );
    await sender.sendMessage([member], messageOf(new Uint8Array(most), 2));
    await network.settle();
    assert.deepEqual(
      scene.messages.map(({ message }) => message.length),
      [most],
    );
  }));

test("DatagramSender.sendMessage() rejects a message without wire form", () =>
  withSender({}, acknowledge, async ({ sender, member }) => {
    await assert.rejects(sender.sendMessage([member], messageOf("x", 0.5)), {
      name: "EncodeError",
    });
    assert.equal(sender.queuedBytes, 0);
  }));

test("DatagramSender refuses what exceeds maxQueueSize", () =>
  withSender({ maxQueueSize: 2 * OVERHEAD }, ignore, async (scene) => {
    const outcomes = [1, 2, 3].map(() => scene.watch("", 2));
    await scene.network.settle();
    assert.equal(codeOf(outcomes[2]?.error), "queue-full");
    assert.equal(scene.sender.queuedBytes, 2 * OVERHEAD);
    scene.behaviour = acknowledge;
    await scene.network.advance(3000);
    assert.deepEqual(outcomes.map(({ state }) => state), [
      "done",
      "done",
      "failed",
    ]);
    assert.equal(scene.sender.queuedBytes, 0);
  }));

test("DatagramSender keeps no view of the message", () =>
  withSender({}, ignore, async (scene) => {
    const { sender, member, network, client } = scene;
    const body = new TextEncoder().encode("before");
    scene.watch("first", 2);
    const outcome = watch(
      client,
      sender.sendMessage([member], messageOf(body, 2)),
    );
    await network.settle();
    body.fill(0);
    scene.behaviour = acknowledge;
    await network.advance(3000);
    assert.equal(outcome.state, "done");
    assert.deepEqual(scene.texts(), ["first", "first", "before"]);
  }));

test("DatagramSender.close() fails at once what waits, and all later sends", () =>
  withSender({}, ignore, async (scene) => {
    const { sender, network, client } = scene;
    const outcomes = [1, 2, 3].map(() => scene.watch("x", 2));
    await network.advance(100);
    const closing = sender.close();
    assert.equal(sender.close(), closing);
    await closing;
    assert.equal(network.now, 100);
    await network.settle();
    for (const { error } of outcomes) {
      assert.equal(codeOf(error), "connection-closed");
    }
    assert.equal(sender.queuedBytes, 0);
    const late = scene.watch("late");
    await network.advance(10_000);
    assert.equal(codeOf(late.error), "connection-closed");
    assert.deepEqual(scene.texts(), ["x"]);
    await sender[Symbol.asyncDispose]();
    await client.bindDatagram({ port: scene.sources[0]!.port }); // it was freed
  }));

test("DatagramSender.close() amid the first bind leaves no socket behind", () =>
  withSender({}, ignore, async (scene) => {
    const outcome = scene.watch("x", 2);
    await scene.sender.close();
    await scene.network.advance(10_000);
    assert.equal(codeOf(outcome.error), "connection-closed");
    assert.deepEqual(scene.texts(), []);
  }));

test("DatagramSender binds anew after a bind that failed", async () => {
  const network = new MemoryNetwork();
  const inner = network.transport(CLIENT);
  let failures = 1;
  const transport: Transport = {
    clock: inner.clock,
    connect: (...args) => inner.connect(...args),
    listen: (...args) => inner.listen(...args),
    localAddresses: () => inner.localAddresses(),
    bindDatagram: (options) =>
      failures-- > 0
        ? Promise.reject(new TransportError("failed", "No descriptors"))
        : inner.bindDatagram(options),
  };
  await network.run(async () => {
    await using receiver = await Receiver.start(
      network.transport(SERVER),
      () => {},
      { port: 0, udpPort: 0 },
    );
    await using sender = new DatagramSender(transport, resolveSenderOptions());
    const member = udpMember({ hostname: SERVER, port: receiver.udpPort });
    const error = await failsWith(
      sender.sendMessage([member], messageOf("a", 2)),
      "connection-closed",
    );
    assert(error.cause instanceof TransportError);
    await sender.sendMessage([member], messageOf("b", 2));
  });
});

test("DatagramSender fails quietly when its own host's sockets do", () =>
  withSender({}, ignore, async (scene) => {
    const { network } = scene;
    const outcome = scene.watch("x", 2);
    await network.settle();
    network.crash(CLIENT);
    await network.settle();
    // Time has stopped on this host; closing still settles everything.
    await scene.sender.close();
    await network.settle();
    assert.equal(codeOf(outcome.error), "connection-closed");
  }));

test("DatagramSender and Receiver exchange datagrams over real sockets, by IPv4 and IPv6", async () => {
  const transport = new NodeTransport();
  const delivered: string[] = [];
  await using sender = new DatagramSender(transport, resolveSenderOptions());
  const addresses = transport.localAddresses();
  for (const address of ["127.0.0.1", "::1"]) {
    if (!addresses.includes(address)) continue;
    await using receiver = await Receiver.start(transport, (message) => {
      delivered.push(textOf(message));
      if (textOf(message) === "bad") throw new Error("bad");
    }, { address, port: 0, udpPort: 0 });
    const member = udpMember({ hostname: address, port: receiver.udpPort });
    const send = (text: string, options: number) =>
      sender.sendMessage([member], messageOf(text, options));
    await send("a", 2);
    await Promise.all([send("b", 6), failsWith(send("bad", 6), "failed-ack")]);
    await send("c", 2);
    assert.deepEqual(delivered.splice(0), ["a", "b", "bad", "c"]);
  }
});
