import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACK_COMMAND,
  concatBytes,
  encodeChannelData,
  encodeFrame,
  FAIL_ACK_COMMAND,
  type Member,
} from "../../protocol/mod.ts";
import {
  ChannelError,
  connectionErrorCode,
  joinSendErrors,
  sendError,
} from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { NodeTransport } from "../../transport/node.ts";
import { Receiver } from "../../transport/receiver.ts";
import {
  resolveSenderOptions,
  Sender,
  type SenderOptions,
} from "../../transport/sender.ts";
import { type Transport, TransportError } from "../../transport/types.ts";
import {
  acknowledge,
  type Behaviour,
  codeOf,
  failsWith,
  FakeReceiver,
  ignore,
  memberAt,
  messageOf,
  type SendOutcome,
  textOf,
  watch,
} from "../support/tribes_peers.ts";

const SERVER = "10.0.0.1";
const OTHER = "10.0.0.3";
const CLIENT = "10.0.0.2";
const FRAME = encodeFrame(encodeChannelData(messageOf(""))).length;

/** A sender and a fake receiver, one millisecond apart. */
interface Scene {
  readonly network: MemoryNetwork;
  readonly client: Transport;
  readonly sender: Sender;
  readonly receiver: FakeReceiver;
  readonly member: Member;
  /** Sends one text to the receiver. */
  send(text: string, options?: number): Promise<void>;
  /** Sends one text to the receiver, and notes how that ends. */
  watch(text: string, options?: number): SendOutcome;
}

/** Runs with a sender; whatever happens in a test, no bytes stay queued and nothing stays open. */
function withSender(
  options: SenderOptions,
  behaviour: Behaviour,
  task: (scene: Scene) => Promise<void>,
): Promise<void> {
  const network = new MemoryNetwork({ latency: [1, 1] });
  const client = network.transport(CLIENT);
  return network.run(async () => {
    const receiver = await FakeReceiver.listen(
      network.transport(SERVER),
      SERVER,
      behaviour,
    );
    const sender = new Sender(client, options);
    const send = (text: string, bits = 0) =>
      sender.sendMessage([receiver.member], messageOf(text, bits));
    await task({
      network,
      client,
      sender,
      receiver,
      member: receiver.member,
      send,
      watch: (text, bits) => watch(client, send(text, bits)),
    });
    await sender.close();
    assert.equal(sender.queuedBytes, 0);
    await network.settle();
    for (const connection of receiver.connections) {
      assert.equal(connection.open, false, "a connection stayed open");
    }
    await receiver.close();
  });
}

/** Texts with numbers. */
function texts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `message ${i}`);
}

function states(outcomes: readonly SendOutcome[]): string[] {
  return outcomes.map(({ state, error }) =>
    state === "failed" ? codeOf(error) : state
  );
}

// Options

test("resolveSenderOptions() has Tomcat's defaults and our limits", () => {
  assert.deepEqual(resolveSenderOptions(), {
    timeout: 3000,
    maxRetryAttempts: 1,
    throwOnFailedAck: true,
    retryAfterFailedAck: false,
    keepAliveCount: -1,
    keepAliveTime: -1,
    ackWindow: 1024,
    synchronizedAckWindow: 1,
    maxQueueSize: 268_435_456,
  });
});

const BAD_OPTIONS: readonly (readonly [keyof SenderOptions, number])[] = [
  ["timeout", 0],
  ["timeout", NaN],
  ["timeout", 2 ** 31],
  ["maxRetryAttempts", -1],
  ["maxRetryAttempts", 0.5],
  ["keepAliveCount", -2],
  ["keepAliveTime", NaN],
  ["ackWindow", 0],
  ["synchronizedAckWindow", 0],
  ["maxQueueSize", 0],
  ["maxQueueSize", Infinity],
];

for (const [name, value] of BAD_OPTIONS) {
  test(`Sender rejects ${name} ${value}`, () => {
    assert.throws(
      () =>
        new Sender(new MemoryNetwork().transport(CLIENT), { [name]: value }),
      {
        name: "RangeError",
        message: new RegExp(`Cannot use ${name} ${value}: not an integer`),
      },
    );
  });
}

// Order and coalescing

test("Sender sends what is queued in one turn in few writes and in order", () =>
  withSender({}, acknowledge, async ({ send, receiver }) => {
    const all = texts(400);
    await Promise.all(all.map((text) => send(text)));
    await send("last", 2);
    assert.deepEqual(receiver.texts, [...all, "last"]);
    const { chunks } = receiver.last;
    // 400 frames of some 130 bytes fit one buffer.
    assert.equal(chunks.length, 2);
    assert(chunks[0]! > 400 * FRAME);
  }));

test("Sender fills buffers of 64 KiB while it waits", () =>
  withSender({}, acknowledge, async ({ send, receiver }) => {
    const all = texts(300).map((text) => text.padEnd(1000));
    await Promise.all(all.map((text) => send(text)));
    await send("last", 2);
    assert.deepEqual(receiver.texts, [...all, "last"]);
    assert(receiver.last.chunks.length <= 12, `${receiver.last.chunks}`);
  }));

test("Sender keeps the order of messages of every size and option", () =>
  withSender({}, acknowledge, async ({ send, receiver, network }) => {
    network.setConditions({ segmentLength: [1, 60_000] });
    const all = texts(300).map((text, i) =>
      text.padEnd([0, 100, 31_000, 33_000, 70_000][i % 5]!) // 5 of them
    );
    await Promise.all(all.map((text, i) => send(text, [0, 2, 0, 6, 2][i % 5])));
    await send("last", 2);
    assert.deepEqual(receiver.texts, [...all, "last"]);
    assert.equal(receiver.connections.length, 1);
  }));

test("Sender frames fit the buffer to the byte", () =>
  withSender({}, acknowledge, async ({ send, receiver }) => {
    const half = (extra: number) => "x".repeat(32_768 - FRAME + extra);
    const all = [
      half(0),
      half(0), // both together fill it
      half(1), // too large for it
      half(-1),
      half(0),
      "",
      "x".repeat(65_536 - FRAME),
      "x".repeat(65_536 - FRAME + 1),
      "x".repeat(262_144),
      "x".repeat(262_145),
    ];
    await Promise.all(all.map((text) => send(text, 2)));
    assert.deepEqual(
      receiver.texts.map((text) => text.length),
      all.map((text) => text.length),
    );
  }));

test("Sender sends 5 MiB, nothing, and unique ids of any length", () =>
  withSender({}, acknowledge, async ({ sender, member, receiver }) => {
    const large = new Uint8Array(5 * 1024 * 1024);
    for (let i = 0; i < large.length; i += 997) large[i] = i;
    const messages = [
      messageOf(large, 2),
      messageOf("", 2),
      ...[0, 1, 15, 17, 100].flatMap((length) => [
        messageOf("odd", 2, { uniqueId: new Uint8Array(length).fill(length) }),
        messageOf("plain", 2),
      ]),
      messageOf(large, 6),
    ];
    await Promise.all(
      messages.map((message) => sender.sendMessage([member], message)),
    );
    assert.equal(receiver.messages.length, messages.length);
    receiver.messages.forEach((received, i) => {
      assert.deepEqual(received, messages[i]);
    });
  }));

test("Sender sends to several members at the same time, each in order", () =>
  withSender({}, acknowledge, async ({ sender, network, member, receiver }) => {
    const other = await FakeReceiver.listen(network.transport(OTHER), OTHER);
    const all = texts(50);
    await Promise.all(
      all.map((text, i) =>
        sender.sendMessage(
          i % 2 ? [member, other.member] : [other.member, member],
          messageOf(text, i % 3 ? 2 : 6),
        )
      ),
    );
    assert.deepEqual(receiver.texts, all);
    assert.deepEqual(other.texts, all);
    await other.close();
  }));

test("Sender uses one connection for equal members that are different objects", () =>
  withSender({}, acknowledge, async ({ sender, receiver, member }) => {
    await sender.sendMessage([member], messageOf("a", 2));
    await sender.sendMessage([{ ...member, aliveTime: 7 }], messageOf("b", 2));
    assert.equal(receiver.connections.length, 1);
  }));

test("Sender.sendMessage() without ack is done when it was written", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcome = watch("x");
    assert.equal(outcome.state, "pending");
    await network.advance(2);
    assert.equal(outcome.state, "done");
    assert.deepEqual(receiver.texts, []);
  }));

// Acks

test("Sender pipelines acknowledged messages and matches their acks in order", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcomes = texts(5).map((text) => watch(text, 2));
    await network.settle();
    assert.equal(receiver.messages.length, 5); // all without a single ack
    const expected = outcomes.map(() => "pending");
    for (let i = 0; i < 5; i++) {
      receiver.last.ack();
      await network.settle();
      expected[i] = "done";
      assert.deepEqual(states(outcomes), expected);
    }
  }));

test("Sender keeps at most ackWindow messages in flight", () =>
  withSender({ ackWindow: 4 }, ignore, async (scene) => {
    const { watch, network, receiver } = scene;
    const outcomes = texts(10).map((text) => watch(text, 2));
    const plain = watch("plain");
    await network.settle();
    assert.equal(receiver.messages.length, 4);
    receiver.last.ack(2);
    await network.settle();
    assert.equal(receiver.messages.length, 6);
    receiver.last.ack(4);
    await network.settle();
    assert.equal(receiver.messages.length, 11); // the plain one behind the last
    receiver.last.ack(4);
    await network.settle();
    assert.deepEqual(states([...outcomes, plain]), Array(11).fill("done"));
  }));

test("Sender lets nothing pass a synchronized message", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcomes = [
      watch("a", 2),
      watch("b", 6),
      watch("c", 2),
      watch("d", 0),
      watch("e", 6),
      watch("f", 6),
    ];
    await network.settle();
    assert.deepEqual(receiver.texts, ["a", "b"]);
    receiver.last.ack();
    await network.settle();
    assert.deepEqual(receiver.texts, ["a", "b"]);
    assert.equal(outcomes[0]?.state, "done");
    receiver.last.ack();
    await network.settle();
    assert.deepEqual(receiver.texts, ["a", "b", "c", "d", "e"]);
    receiver.last.ack(2);
    await network.settle();
    assert.deepEqual(receiver.texts, ["a", "b", "c", "d", "e", "f"]);
    assert.equal(outcomes[5]?.state, "pending");
    receiver.last.ack();
    await network.settle();
    assert.deepEqual(states(outcomes), Array(6).fill("done"));
  }));

test("Sender keeps synchronizedAckWindow synchronized messages in flight", () =>
  withSender({ synchronizedAckWindow: 3 }, ignore, async (scene) => {
    const { watch, network, receiver } = scene;
    const outcomes = texts(7).map((text) => watch(text, 6));
    await network.settle();
    assert.equal(receiver.messages.length, 3);
    receiver.last.failAck();
    receiver.last.ack();
    await network.settle();
    assert.equal(receiver.messages.length, 5);
    receiver.last.ack();
    receiver.last.failAck();
    receiver.last.ack(2);
    receiver.last.failAck();
    await network.settle();
    // A receiver that works in order: an ack is that of the oldest.
    receiver.last.ack();
    receiver.last.failAck();
    await network.settle();
    assert.equal(receiver.messages.length, 7);
    assert.deepEqual(states(outcomes), [
      "failed-ack",
      "done",
      "done",
      "failed-ack",
      "done",
      "done",
      "failed-ack",
    ]);
  }));

/** Fails every third message, and answers as one or as several of Java's threads. */
function failEveryThird(overtaking: boolean): Behaviour {
  const held: (() => void)[] = [];
  return (message, connection) => {
    const answer = message.options !== 6
      ? () => connection.ack()
      : Number(textOf(message)) % 3 === 0
      ? () => connection.failAck()
      : () => connection.ack();
    if (!overtaking) return answer();
    // The ack of a later read comes before those of earlier ones.
    held.unshift(answer);
    if (message.options === 6) {
      for (const answer of held.splice(0)) answer();
    }
  };
}

for (const window of [1, 16]) {
  test(`Sender with synchronizedAckWindow ${window} fails exactly every third of 64 that fail`, () =>
    withSender(
      { synchronizedAckWindow: window },
      failEveryThird(false),
      async ({ watch, network, receiver }) => {
        const outcomes = Array.from(
          { length: 64 },
          (_, i) => watch(String(i), 6),
        );
        await network.advance(1000);
        assert.deepEqual(
          states(outcomes),
          outcomes.map((_, i) => i % 3 === 0 ? "failed-ack" : "done"),
        );
        assert.equal(receiver.messages.length, 64);
        assert.equal(receiver.connections.length, 1);
      },
    ));
}

test("Sender gives a FAIL_ACK to the synchronized message also when it overtakes other acks", () =>
  withSender({}, failEveryThird(true), async (scene) => {
    const { watch, network, receiver } = scene;
    // Up to three with option 2 stand before each synchronized one.
    const options = Array.from({ length: 64 }, (_, i) => i % 4 === 3 ? 6 : 2);
    const outcomes = options.map((bits, i) => watch(String(i), bits));
    await network.advance(1000);
    assert.deepEqual(
      states(outcomes),
      options.map((bits, i) =>
        bits === 6 && i % 3 === 0 ? "failed-ack" : "done"
      ),
    );
    assert.equal(receiver.messages.length, 64);
  }));

test("Sender takes acks that were cut anywhere and come many at a time", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcomes = texts(40).map((text) => watch(text, 2));
    await network.settle();
    network.setConditions({ segmentLength: [1, 3] });
    receiver.last.write(concatBytes(Array<Uint8Array>(40).fill(ACK_COMMAND)));
    await network.settle();
    assert.deepEqual(states(outcomes), Array(40).fill("done"));
  }));

test("Sender skips frames that are no acks, and acks that nobody waits for", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const first = watch("a", 2);
    await network.settle();
    receiver.last.write(concatBytes([
      encodeFrame(new Uint8Array()),
      encodeFrame(Uint8Array.of(6, 2, 4)),
      encodeFrame(new Uint8Array(1000)),
      ACK_COMMAND,
      ACK_COMMAND,
      FAIL_ACK_COMMAND,
    ]));
    await network.settle();
    assert.equal(first.state, "done");
    const second = watch("b", 2);
    await network.settle();
    assert.equal(second.state, "pending");
    receiver.last.ack();
    await network.settle();
    assert.equal(second.state, "done");
  }));

test("Sender names the member and the cause of a FAIL_ACK", () =>
  withSender({}, (_, connection) => connection.failAck(), async (scene) => {
    const { send, member, sender } = scene;
    const error = await failsWith(send("x", 6), "failed-ack");
    assert.deepEqual(error.faultyMembers.map(({ member }) => member), [member]);
    assert.match(
      error.message,
      /^Cannot send to 10\.0\.0\.1:\d+: the member failed/,
    );
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender takes a FAIL_ACK for an ACK without throwOnFailedAck", () =>
  withSender(
    { throwOnFailedAck: false },
    (_, connection) => connection.failAck(),
    async ({ send, receiver }) => {
      await Promise.all([send("a", 6), send("b", 2), send("c", 6)]);
      assert.deepEqual(receiver.texts, ["a", "b", "c"]);
    },
  ));

test("Sender sends again after a FAIL_ACK with retryAfterFailedAck, maxRetryAttempts times", () =>
  withSender(
    { retryAfterFailedAck: true, maxRetryAttempts: 2 },
    ignore,
    async ({ send, receiver }) => {
      receiver.behaviour = (message, connection) => {
        const text = textOf(message);
        const times = receiver.texts.filter((one) => one === text).length;
        const fails = text === "bad" || text === "twice" && times < 2;
        if (fails) connection.failAck();
        else connection.ack();
      };
      const good = send("twice", 6);
      const bad = failsWith(send("bad", 6), "failed-ack");
      await Promise.all([good, bad, send("good", 6)]);
      assert.deepEqual(receiver.texts, [
        "twice",
        "twice",
        "bad",
        "bad",
        "bad",
        "good",
      ]);
      const ids = receiver.messages.map(({ uniqueId }) => uniqueId.join());
      assert.equal(new Set(ids).size, 3);
    },
  ));

// Timeouts

test("Sender fails a send when its member has not answered for exactly timeout", () =>
  withSender({ timeout: 2000 }, ignore, async (scene) => {
    const { watch, network, receiver, sender } = scene;
    const outcome = watch("x", 2);
    await network.advance(2001);
    assert.equal(outcome.state, "pending");
    await network.advance(2);
    assert.equal(codeOf(outcome.error), "timeout");
    assert.equal(outcome.at, 2002); // written after a round trip of 2 ms
    assert.deepEqual(receiver.texts, ["x"]);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender fails each message to a silent member within its own timeout", () =>
  withSender({}, ignore, async ({ watch, network, sender }) => {
    const outcomes: { at: number; outcome: SendOutcome }[] = [];
    // Its kernel takes every byte: that alone is no sign of life.
    for (let i = 0; i < 20; i++) {
      outcomes.push({ at: network.now, outcome: watch(`${i}`, 2) });
      await network.advance(500);
    }
    await network.advance(10_000);
    for (const { at, outcome } of outcomes) {
      assert.equal(codeOf(outcome.error), "timeout");
      const waited = outcome.at - at;
      assert(waited <= 3010, `${waited} ms after ${at} ms`);
    }
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender fails what is queued behind a synchronized message within about one timeout", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const first = texts(50).map((text) => watch(text, 6));
    await network.advance(2900);
    const later = texts(50).map((text) => watch(text, 6));
    await network.advance(200);
    assert.deepEqual(states(first), Array(50).fill("timeout"));
    assert.deepEqual(states(later), Array(50).fill("pending"));
    await network.advance(2900);
    assert.deepEqual(states(later), Array(50).fill("timeout"));
    for (const { at } of later) assert(at <= 5910, `at ${at}`);
    assert.equal(receiver.connections.length, 2);
  }));

test("Sender with maxRetryAttempts 0 sends nothing again to a silent member", () =>
  withSender({ maxRetryAttempts: 0 }, ignore, async (scene) => {
    const { watch, network, receiver } = scene;
    const outcomes = [watch("a", 2)];
    await network.advance(1000);
    outcomes.push(watch("b", 2));
    await network.advance(6000);
    assert.deepEqual(states(outcomes), ["timeout", "timeout"]);
    assert.deepEqual(receiver.texts, ["a", "b"]);
  }));

test("Sender does not fail a message with those of its kind that failed before it was sent", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const failing = [watch("a", 6)];
    await network.settle();
    failing.push(watch("b", 0)); // waits for the ack of a
    await network.advance(2950);
    const fresh = watch("c", 6);
    await network.advance(3003 - network.now); // all but the fresh one have failed, and it is sent again
    assert.deepEqual(states(failing), ["timeout", "timeout"]);
    receiver.behaviour = acknowledge;
    const late = watch("d", 0);
    await network.advance(100);
    assert.equal(fresh.state, "done");
    assert.equal(late.state, "done");
    assert.deepEqual(receiver.texts, ["a", "c", "d"]);
  }));

test("Sender gives a member that acks slowly its time, and no more to one that stops", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcomes = texts(6).map((text) => watch(text, 2));
    for (let i = 0; i < 4; i++) {
      await network.advance(2500);
      receiver.last.ack();
    }
    await network.advance(2900);
    assert.deepEqual(states(outcomes).slice(3), ["done", "pending", "pending"]);
    await network.advance(200);
    assert.deepEqual(states(outcomes).slice(4), ["timeout", "timeout"]);
  }));

test("Sender gives up connecting after timeout", () =>
  withSender({}, ignore, async ({ network, client, sender }) => {
    network.transport(OTHER);
    network.crash(OTHER);
    const member = memberAt({ hostname: OTHER, port: 4000 });
    const send = (text: string) =>
      watch(client, sender.sendMessage([member], messageOf(text, 2)));
    const first = send("a");
    await network.advance(2000);
    const second = send("b");
    await network.advance(999);
    assert.equal(first.state, "pending");
    await network.advance(2);
    assert.equal(codeOf(first.error), "timeout");
    assert.equal(first.at, 3000);
    assert.equal(second.state, "pending");
    await network.advance(2000);
    assert.equal(codeOf(second.error), "timeout");
    assert.equal(second.at, 5000);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender gives a retry what is left of the timeout", () =>
  withSender({ timeout: 2000 }, ignore, async ({ watch, network, sender }) => {
    const outcome = watch("x", 2);
    await network.advance(1500);
    network.resetConnections(SERVER, CLIENT);
    network.crash(SERVER); // connecting again has no answer
    await network.advance(400);
    assert.equal(outcome.state, "pending");
    await network.advance(200);
    assert.equal(codeOf(outcome.error), "timeout");
    assert.equal(outcome.at, 2002);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender gives a member that answers again its whole time", () =>
  withSender({ keepAliveCount: 0 }, ignore, async (scene) => {
    const { watch, network, receiver } = scene;
    const lost = watch("lost", 6);
    await network.advance(3100);
    assert.equal(codeOf(lost.error), "timeout");
    network.setConditions({ latency: [50, 50] });
    const outcomes = [watch("a", 6), watch("b", 6)];
    await network.advance(2900);
    receiver.last.ack();
    await network.advance(60);
    assert.equal(outcomes[0]?.state, "done");
    receiver.behaviour = acknowledge; // b gets a connection of its own, in 100 ms
    await network.advance(1000);
    assert.equal(outcomes[1]?.state, "done");
  }));

test("Sender gives a member that reads again its whole time", () =>
  withSender({}, ignore, async ({ client, network, sender }) => {
    const listener = await network.transport(OTHER).listen({
      hostname: OTHER,
      port: 4000,
    });
    const member = memberAt(listener.address);
    const send = (length: number, options: number) =>
      watch(
        client,
        sender.sendMessage(
          [member],
          messageOf(new Uint8Array(length), options),
        ),
      );
    const lost = send(1_000_000, 0);
    await network.advance(3100);
    assert.equal(codeOf(lost.error), "timeout");
    const start = network.now;
    const large = send(3_000_000, 0);
    const small = send(0, 2);
    let connections = 0;
    const reading = (async () => {
      for await (const connection of listener) {
        if (++connections === 1) continue; // that of the lost one
        let received = 0;
        for await (const chunk of connection) {
          received += chunk.length;
          if (received < 3_000_000) await network.advance(100);
          if (received >= 3_000_000 + 2 * FRAME) break;
        }
        await network.advance(2000);
        await connection.write(ACK_COMMAND.slice());
        break;
      }
    })();
    await network.advance(20_000);
    await reading;
    assert.equal(large.state, "done");
    assert(large.at - start > 3500, `${large.at - start} ms`);
    assert.equal(small.state, "done");
    assert.equal(connections, 2);
    await listener.close();
  }));

test("Sender fails a member that never reads, once its kernel is full", () =>
  withSender({}, ignore, async ({ client, network, sender }) => {
    const listener = await network.transport(OTHER).listen({
      hostname: OTHER,
      port: 4000,
    });
    const member = memberAt(listener.address);
    const outcomes = texts(100).map((text) =>
      watch(client, sender.sendMessage([member], messageOf(text.padEnd(9000))))
    );
    await network.advance(2900);
    assert.equal(outcomes.at(-1)?.state, "pending");
    assert(sender.queuedBytes > 0);
    await network.advance(200);
    assert.equal(codeOf(outcomes.at(-1)?.error), "timeout");
    assert.equal(sender.queuedBytes, 0);
    await listener.close();
  }));

test("Sender gives a large message time as long as its bytes leave", () =>
  withSender({}, ignore, async ({ client, network, sender }) => {
    // A receiver that reads 256 KiB a second.
    const listener = await network.transport(OTHER).listen({
      hostname: OTHER,
      port: 4000,
    });
    const member = memberAt(listener.address);
    const large = new Uint8Array(3 * 1024 * 1024);
    const outcome = watch(
      client,
      sender.sendMessage([member], messageOf(large, 2)),
    );
    let received = 0;
    for await (const connection of listener) {
      let budget = 0;
      for await (const chunk of connection) {
        received += chunk.length;
        budget += chunk.length;
        if (budget >= 262_144) {
          budget -= 262_144;
          await network.advance(1000);
        }
        if (received >= large.length + FRAME) break;
      }
      assert(network.now > 9000, "it came too fast to show anything");
      assert.equal(outcome.state, "pending");
      await connection.write(ACK_COMMAND.slice());
      break;
    }
    await network.settle();
    assert.equal(outcome.state, "done");
    await listener.close();
  }));

test("Sender names exactly the members that a message did not reach, and why", () =>
  withSender({}, acknowledge, async (scene) => {
    const { sender, member, network, client, receiver } = scene;
    const silent = await FakeReceiver.listen(
      network.transport(OTHER),
      OTHER,
      ignore,
    );
    const failing = await FakeReceiver.listen(
      network.transport("10.0.0.4"),
      "10.0.0.4",
      (_, connection) => connection.failAck(),
    );
    const refusing = memberAt({ hostname: SERVER, port: 9 });
    const outcome = watch(
      client,
      sender.sendMessage(
        [silent.member, member, refusing, failing.member],
        messageOf("x", 6),
      ),
    );
    await network.settle();
    assert.deepEqual(receiver.texts, ["x"]);
    await sender.sendMessage([member], messageOf("y", 6)); // is not held up
    assert(network.now < 100);
    await network.advance(3100);
    const { error } = outcome;
    assert(error instanceof ChannelError);
    assert.deepEqual(
      error.faultyMembers.map(({ member, code }) => [member, code]),
      [
        [silent.member, "timeout"],
        [refusing, "connection-refused"],
        [failing.member, "failed-ack"],
      ],
    );
    assert.equal(error.code, "timeout");
    assert(error.faultyMembers[1]?.cause instanceof TransportError);
    assert.equal(sender.queuedBytes, 0);
    await silent.close();
    await failing.close();
  }));

// Lost connections

test("Sender tries a refused connection once more and then fails", () =>
  withSender({}, acknowledge, async ({ network, sender, client }) => {
    let connects = 0;
    const counting = new Sender({
      clock: client.clock,
      connect: (...args) => {
        connects++;
        return client.connect(...args);
      },
      listen: (address) => client.listen(address),
      bindDatagram: (options) => client.bindDatagram(options),
      localAddresses: () => client.localAddresses(),
    });
    const member = memberAt({ hostname: SERVER, port: 9 });
    const outcomes = [0, 2, 6].map((options) =>
      watch(client, counting.sendMessage([member], messageOf("x", options)))
    );
    await network.settle();
    assert.deepEqual(states(outcomes), Array(3).fill("connection-refused"));
    assert.equal(connects, 2);
    assert.equal(counting.queuedBytes, 0);
    await counting.close();
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender fails a host that nobody has", () =>
  withSender({}, acknowledge, async ({ sender }) => {
    const member = memberAt({ hostname: "10.7.7.7", port: 4000 });
    await failsWith(
      sender.sendMessage([member], messageOf("x")),
      "connection-refused",
    );
  }));

test("Sender fails a member whose address no socket takes", () =>
  withSender({}, acknowledge, async ({ sender }) => {
    const odd: Member = {
      ...memberAt({ hostname: SERVER, port: 4000 }),
      host: Uint8Array.of(1, 2),
    };
    await failsWith(
      sender.sendMessage([odd], messageOf("x")),
      "connection-refused",
    );
    const port = memberAt({ hostname: SERVER, port: -1 });
    await failsWith(
      sender.sendMessage([port], messageOf("x", 2)),
      "connection-closed",
    );
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender sends what was in flight again, once, with the same bytes", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    const outcomes = ["a", "b"].map((text) => watch(text, 2));
    await network.settle();
    receiver.last.ack(); // that of a; it arrives, then the connection goes
    await network.settle();
    receiver.last.connection.abort();
    await network.settle();
    assert.equal(receiver.connections.length, 2);
    assert.deepEqual(receiver.texts, ["a", "b", "b"]);
    assert.deepEqual(receiver.messages[1], receiver.messages[2]);
    receiver.last.ack();
    await network.settle();
    assert.deepEqual(states(outcomes), ["done", "done"]);
  }));

test("Sender fails what was in flight when the connection is lost again", () =>
  withSender({}, (_, { connection }) => connection.abort(), async (scene) => {
    const { watch, network, receiver, sender } = scene;
    const outcome = watch("x", 2);
    await network.settle();
    assert.deepEqual(states([outcome]), ["connection-closed"]);
    assert.equal(receiver.messages.length, 2);
    assert.equal(receiver.connections.length, 2);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender with maxRetryAttempts 0 fails at once, and 3 tries four times", async () => {
  for (const maxRetryAttempts of [0, 3]) {
    await withSender(
      { maxRetryAttempts },
      (_, { connection }) => connection.abort(),
      async ({ send, receiver }) => {
        await failsWith(send("x", 6), "connection-closed");
        assert.equal(receiver.messages.length, maxRetryAttempts + 1);
      },
    );
  }
});

test("Sender sends again in the order of sending, whatever asked for acks", () =>
  withSender({}, ignore, async ({ watch, network, receiver }) => {
    receiver.welcome = ({ connection }) => {
      // The first connection is lost while its first write waits.
      if (receiver.connections.length > 1) return;
      return new Promise((resolve) => {
        receiver.welcome = () => resolve();
        network.transport(SERVER).clock.startTimer(100, () => {
          connection.abort();
          resolve();
        });
      });
    };
    receiver.behaviour = acknowledge;
    const all = texts(40).map((text) => text.padEnd(20_000));
    const outcomes = all.map((text, i) => watch(text, i % 2 ? 2 : 0));
    await network.advance(1000);
    assert.deepEqual(states(outcomes), Array(40).fill("done"));
    assert.equal(receiver.connections.length, 2);
    const numbers = receiver.texts.map((text) => Number(text.split(" ")[1]));
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    assert.equal(numbers.at(-1), 39);
    // Both kinds were in what was lost; unacknowledged ones that had left are not sent again.
    const first = numbers.slice(0, 12);
    assert.equal(new Set(first.map((number) => number % 2)).size, 2);
    assert(!first.includes(0));
  }));

test("Sender retries on a new connection after garbage in the replies, then fails", () =>
  withSender({}, (_, connection) => {
    connection.write(new Uint8Array(30).fill(1));
  }, async ({ send, receiver, sender }) => {
    const error = await failsWith(send("x", 2), "connection-closed");
    assert.equal(error.faultyMembers[0]?.cause.name, "DecodeError");
    assert.equal(receiver.connections.length, 2);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender closes a connection on which garbage comes while nothing is sent", () =>
  withSender({}, acknowledge, async ({ send, receiver, network }) => {
    await send("a", 2);
    receiver.last.write(new Uint8Array(30).fill(1));
    await network.settle();
    assert.equal(receiver.last.open, false);
    await send("b", 2);
    assert.equal(receiver.connections.length, 2);
  }));

test("Sender opens a new connection when the peer has closed the idle one", () =>
  withSender({ maxRetryAttempts: 0 }, acknowledge, async (scene) => {
    const { send, receiver, network } = scene;
    for (const end of ["close", "abort", "closeWrite"] as const) {
      await send("a", 2);
      await receiver.last.connection[end]();
      await network.settle();
    }
    await send("b", 2);
    assert.deepEqual(receiver.texts, ["a", "a", "a", "b"]);
    assert.equal(receiver.connections.length, 4);
  }));

test("Sender gives up a member that closes every connection before its first message", () =>
  withSender({}, acknowledge, async ({ watch, receiver, network, sender }) => {
    // The answer to the connect and the reset arrive at one instant.
    receiver.welcome = ({ connection }) => connection.abort();
    const outcome = watch("x", 2);
    await network.advance(1000);
    assert.equal(codeOf(outcome.error), "connection-closed");
    assert(receiver.connections.length <= 3);
    assert.equal(sender.queuedBytes, 0);
  }));

test("Sender delivers to a host that restarts", () =>
  withSender({}, acknowledge, async ({ send, network, sender }) => {
    await send("a", 2);
    network.crash(SERVER);
    const restarted = network.restart(SERVER);
    const again = await FakeReceiver.listen(restarted, SERVER);
    const outcome = sender.sendMessage([again.member], messageOf("b", 2));
    await outcome;
    assert.deepEqual(again.texts, ["b"]);
    await again.close();
  }));

// Limits of the queue

test("Sender refuses what exceeds maxQueueSize, and nothing else", () =>
  withSender({ maxQueueSize: 3 * FRAME }, ignore, async (scene) => {
    const { watch, network, receiver, sender } = scene;
    const outcomes = texts(5).map(() => watch("", 2));
    await network.settle();
    assert.deepEqual(states(outcomes), [
      "pending",
      "pending",
      "pending",
      "queue-full",
      "queue-full",
    ]);
    assert.equal(sender.queuedBytes, 3 * FRAME);
    receiver.last.ack();
    await network.settle();
    assert.equal(sender.queuedBytes, 2 * FRAME);
    const next = watch("", 2);
    const over = watch("", 2);
    await network.settle();
    assert.equal(codeOf(over.error), "queue-full");
    receiver.last.ack(3);
    await network.settle();
    assert.equal(next.state, "done");
    assert.equal(sender.queuedBytes, 0);
    // A message that is too large by itself is let through alone.
    const large = watch("x".repeat(10 * FRAME), 2);
    await network.settle();
    receiver.last.ack();
    await network.settle();
    assert.equal(large.state, "done");
  }));

test("Sender.queuedBytes counts a member's bytes until they are done or have failed", () =>
  withSender({}, ignore, async ({ watch, network, receiver, sender }) => {
    const end = async (finish: () => void, code: string) => {
      const outcomes = [0, 2, 6, 6].map((options) => watch("", options));
      assert.equal(sender.queuedBytes, 4 * FRAME);
      await network.settle();
      assert.equal(sender.queuedBytes, 3 * FRAME); // the first needed no ack
      finish();
      await network.advance(7000);
      assert.deepEqual(states(outcomes), ["done", code, code, code]);
      assert.equal(sender.queuedBytes, 0);
    };
    await end(() => {
      receiver.behaviour = acknowledge;
      receiver.last.ack(2);
    }, "done");
    receiver.behaviour = ignore;
    await end(() => {}, "timeout");
    await end(() => void receiver.close(), "connection-refused");
  }));

test("Sender.sendMessage() rejects only the message that has no wire form", () =>
  withSender({}, acknowledge, async (scene) => {
    const { send, sender, member, receiver, client, network } = scene;
    const bad = [
      messageOf("x", 0.5),
      messageOf("x", 2, { timestamp: NaN }),
      messageOf("x", 2, {
        address: { ...member, uniqueId: new Uint8Array(3) },
      }),
    ];
    const sends = [
      send("a", 2),
      ...bad.map((message) => sender.sendMessage([member], message)),
      send("b", 2),
      sender.sendMessage([member, memberAt({ hostname: SERVER, port: 9 })], {
        ...bad[0]!, // there are three
      }),
    ];
    const outcomes = sends.map((sent) => watch(client, sent));
    await network.settle();
    assert.deepEqual(
      outcomes.map(({ state, error }) =>
        state === "failed" ? (error as Error).name : state
      ),
      [
        "done",
        "EncodeError",
        "EncodeError",
        "EncodeError",
        "done",
        "EncodeError",
      ],
    );
    assert.deepEqual(receiver.texts, ["a", "b"]);
    assert.equal(sender.queuedBytes, 0);
  }));

// Keeping connections

test("Sender replaces a connection after keepAliveCount messages, as Tomcat counts", () =>
  withSender({ keepAliveCount: 2 }, acknowledge, async (scene) => {
    const { send, receiver, network } = scene;
    for (const text of texts(7)) await send(text, 2);
    await network.settle();
    assert.deepEqual(
      receiver.connections.map(({ messages }) => messages.length),
      [3, 3, 1],
    );
  }));

for (const options of [0, 2, 6]) {
  test(`Sender replaces connections amid a burst with option ${options}`, () =>
    withSender({ keepAliveCount: 9 }, acknowledge, async (scene) => {
      const { send, receiver, network } = scene;
      const all = texts(45);
      await Promise.all(all.map((text) => send(text, options)));
      await network.settle();
      assert.deepEqual(receiver.texts, all);
      assert.deepEqual(
        receiver.connections.map(({ messages }) => messages.length),
        [10, 10, 10, 10, 5],
      );
    }));
}

test("Sender waits until a connection that it replaces is read: nothing on the next one overtakes", () => {
  const seen: string[] = [];
  const note: Behaviour = (message) => void seen.push(textOf(message));
  return withSender({ keepAliveCount: 0 }, note, async (scene) => {
    const { network, send, receiver } = scene;
    // A message may so take longer than a handshake and the next message together.
    network.setConditions({ latency: [1, 200] });
    for (const text of texts(100)) await send(text, 0);
    await network.advance(10_000);
    assert.deepEqual(seen, texts(100));
    assert.equal(receiver.connections.length, 100);
  });
});

test("Sender.heartbeat() closes a connection beyond keepAliveTime, unless it is in use", () =>
  withSender({ keepAliveTime: 1000 }, ignore, async (scene) => {
    const { watch, receiver, network, sender } = scene;
    const outcome = watch("a", 2);
    await network.advance(1500);
    sender.heartbeat();
    await network.settle();
    assert.equal(receiver.last.open, true);
    receiver.last.ack();
    await network.settle();
    assert.equal(outcome.state, "done");
    sender.heartbeat();
    await network.settle();
    assert.equal(receiver.last.open, false);
    sender.heartbeat(); // forgets the member
    receiver.behaviour = acknowledge;
    await (watch("b", 2), network.settle());
    assert.equal(receiver.connections.length, 2);
    sender.heartbeat();
    await network.settle();
    assert.equal(receiver.last.open, true);
    await network.advance(1500);
    const next = watch("c", 2);
    await network.settle();
    assert.equal(next.state, "done");
    assert.equal(receiver.connections.length, 3); // replaced by the send
  }));

test("Sender.heartbeat() leaves connections without limits open", () =>
  withSender({}, acknowledge, async ({ send, receiver, network, sender }) => {
    await send("a", 2);
    for (let i = 0; i < 100; i++) {
      await network.advance(100_000);
      sender.heartbeat();
    }
    await send("b", 2);
    assert.equal(receiver.connections.length, 1);
    assert.equal(receiver.last.open, true);
  }));

test("Sender.memberDisappeared() closes an idle connection at once", () =>
  withSender({}, acknowledge, async (scene) => {
    const { send, receiver, network, sender, member } = scene;
    sender.memberDisappeared(member); // nothing is known of it
    await send("a", 2);
    sender.memberDisappeared({ ...member });
    await network.settle();
    assert.equal(receiver.last.open, false);
    await send("b", 2);
    assert.equal(receiver.connections.length, 2);
  }));

test("Sender.memberDisappeared() leaves a connection to its messages, then closes it", () =>
  withSender({}, ignore, async (scene) => {
    const { watch, receiver, network, sender, member } = scene;
    const outcomes = [watch("a", 2), watch("b", 6)];
    sender.memberDisappeared(member);
    await network.settle();
    sender.memberDisappeared(member);
    assert.equal(sender.queuedBytes, 2 * FRAME + 2);
    receiver.last.ack();
    await network.settle();
    assert.equal(receiver.last.open, true);
    receiver.last.ack();
    await network.settle();
    assert.deepEqual(states(outcomes), ["done", "done"]);
    assert.equal(receiver.last.open, false);
    sender.heartbeat();
    receiver.behaviour = acknowledge;
    const later = watch("c", 2);
    await network.settle();
    assert.equal(later.state, "done");
    assert.equal(receiver.last.open, true); // it is back
  }));

// Closing

test("Sender.close() waits for what is queued", () =>
  withSender({}, (message, connection) => {
    if (message.options === 2) {
      // Takes its time.
      void Promise.resolve().then(() => connection.ack());
    } else acknowledge(message, connection);
  }, async ({ sender, watch, receiver, network }) => {
    const outcomes = texts(100).map((text, i) => watch(text, [0, 2, 6][i % 3]));
    const closing = sender.close();
    assert.equal(sender.close(), closing);
    await closing;
    assert.deepEqual(states(outcomes), Array(100).fill("done"));
    await network.settle();
    assert.equal(receiver.messages.length, 100);
    assert.equal(receiver.last.open, false);
  }));

test("Sender.close() ends after timeout at the latest and fails what is left", () =>
  withSender({ timeout: 500 }, ignore, async (scene) => {
    const { sender, network, client, member } = scene;
    const never = await network.transport(OTHER).listen({
      hostname: OTHER,
      port: 4000,
    });
    const send = (to: Member, text: string, options: number) =>
      watch(client, sender.sendMessage([to], messageOf(text, options)));
    const outcomes = texts(2).map((text) => send(member, text, 6));
    const unread = texts(100).map((text) =>
      send(memberAt(never.address), text.padEnd(9000), 0)
    );
    await network.advance(100);
    const start = network.now;
    await sender.close();
    assert(network.now - start <= 501, `${network.now - start} ms`);
    await network.settle();
    assert.deepEqual(states(outcomes), Array(2).fill("timeout"));
    assert.notEqual(unread.at(-1)?.state, "pending");
    assert.equal(sender.queuedBytes, 0);
    await never.close();
  }));

test("Sender.close() does not wait for a member that reads slowly", () =>
  withSender({ timeout: 500 }, ignore, async (scene) => {
    const { sender, network, client } = scene;
    const listener = await network.transport(OTHER).listen({
      hostname: OTHER,
      port: 4000,
    });
    const outcome = watch(
      client,
      sender.sendMessage(
        [memberAt(listener.address)],
        messageOf(new Uint8Array(5_000_000), 2),
      ),
    );
    let reading = true;
    const slow = (async () => {
      for await (const connection of listener) {
        for await (const _ of connection) {
          await network.advance(50);
          if (!reading) break;
        }
        break;
      }
    })();
    await network.advance(1000);
    assert.equal(outcome.state, "pending");
    const start = network.now;
    await sender.close();
    assert(network.now - start <= 501, `${network.now - start} ms`);
    await network.settle();
    assert.equal(codeOf(outcome.error), "connection-closed");
    reading = false;
    await slow.catch(() => {}); // its connection was reset
    await listener.close();
  }));

test("Sender.close() gives up connecting", () =>
  withSender({ timeout: 500 }, ignore, async ({ sender, network, client }) => {
    network.transport(OTHER);
    network.crash(OTHER);
    const member = memberAt({ hostname: OTHER, port: 4000 });
    await network.advance(1);
    const outcome = watch(
      client,
      sender.sendMessage([member], messageOf("x", 2)),
    );
    await network.advance(400);
    await sender.close();
    await network.settle();
    assert.equal(outcome.count, 1);
    assert.equal(outcome.state, "failed");
    assert(network.now <= 902);
  }));

test("Sender.sendMessage() rejects after close(), to known and to new members", () =>
  withSender({}, acknowledge, async ({ sender, send, member, network }) => {
    const other = await FakeReceiver.listen(network.transport(OTHER), OTHER);
    await send("a", 2);
    const closing = sender.close();
    for (
      const destination of [[member], [other.member], [member, other.member]]
    ) {
      const error = await failsWith(
        sender.sendMessage(destination, messageOf("late", 2)),
        "connection-closed",
      );
      assert.deepEqual(
        error.faultyMembers.map(({ member }) => member),
        destination,
      );
    }
    await closing;
    await failsWith(send("later"), "connection-closed");
    assert.deepEqual(other.connections, []);
    await sender[Symbol.asyncDispose]();
    await other.close();
  }));

// Errors

test("joinSendErrors() keeps a single error and names all members of several", () => {
  const members = [1, 2].map((port) => memberAt({ hostname: SERVER, port }));
  const errors = members.map((member) => sendError(member, "timeout", "late"));
  assert.equal(joinSendErrors([errors[0]]), errors[0]);
  const joined = joinSendErrors(errors);
  assert(joined instanceof ChannelError);
  assert.deepEqual(joined.faultyMembers.map(({ member }) => member), members);
  assert.equal(
    joined.message,
    "Cannot send to 10.0.0.1:1: late; Cannot send to 10.0.0.1:2: late",
  );
  const other = new TypeError("other");
  assert.equal(joinSendErrors([errors[0], other]), other);
  assert.equal((joinSendErrors([]) as ChannelError).code, "no-members");
});

test("connectionErrorCode() tells who cannot be reached from who was lost", () => {
  const code = (kind: TransportError["code"]) =>
    connectionErrorCode(new TransportError(kind, "x"));
  assert.equal(code("connection-refused"), "connection-refused");
  assert.equal(code("unreachable"), "connection-refused");
  assert.equal(code("address-not-available"), "connection-refused");
  assert.equal(code("connection-reset"), "connection-closed");
  assert.equal(code("closed"), "connection-closed");
  assert.equal(connectionErrorCode(new Error("x")), "connection-closed");
});

// Real sockets

test("Sender and Receiver exchange messages over real sockets", async () => {
  const transport = new NodeTransport();
  const delivered: string[] = [];
  await using receiver = await Receiver.start(transport, (message) => {
    delivered.push(textOf(message));
    if (textOf(message).startsWith("bad")) throw new Error("bad");
  }, { address: "127.0.0.1", port: 0 });
  await using sender = new Sender(transport);
  const member = memberAt(receiver.address);
  const all = texts(2000).map((text, i) =>
    i % 500 === 7 ? `bad ${text}` : text.padEnd(i % 100 === 9 ? 80_000 : 0)
  );
  const results = await Promise.allSettled(
    all.map((text, i) =>
      sender.sendMessage(
        [member],
        messageOf(text, text.startsWith("bad") ? 6 : [0, 2][i % 2]),
      )
    ),
  );
  const failed = all.filter((_, i) => results[i]?.status === "rejected");
  assert.deepEqual(failed, all.filter((text) => text.startsWith("bad")));
  await sender.sendMessage([member], messageOf("last", 6));
  assert.deepEqual(delivered, [...all, "last"]);
  assert.equal(sender.queuedBytes, 0);
});

test("Sender reports refused and lost real connections", async () => {
  const transport = new NodeTransport();
  await using sender = new Sender(transport);
  const gone = await transport.listen({ hostname: "127.0.0.1", port: 0 });
  await gone.close();
  await failsWith(
    sender.sendMessage([memberAt(gone.address)], messageOf("x", 2)),
    "connection-refused",
  );
  const receiver = await FakeReceiver.listen(
    transport,
    "127.0.0.1",
    (_, { connection }) => connection.abort(),
  );
  await failsWith(
    sender.sendMessage([receiver.member], messageOf("x", 2)),
    "connection-closed",
  );
  assert.equal(receiver.messages.length, 2);
  receiver.behaviour = acknowledge;
  await sender.sendMessage([receiver.member], messageOf("y", 2));
  assert.equal(sender.queuedBytes, 0);
  await receiver.close();
});
