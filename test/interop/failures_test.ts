/** Listeners that fail, Java's and ours: exactly the synchronized sends they failed are told so. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import type { SenderOptions } from "../../transport/sender.ts";
import {
  numbered,
  numberOf,
  OurNode,
  shared,
} from "../support/interop_channel.ts";
import {
  freeGroup,
  JavaPeer,
  type MessageEvent,
  needsJava,
  type PeerEvent,
  type SetListenerCommand,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const REMOTE_PROCESS = "org.apache.catalina.tribes.RemoteProcessException";

/** `java` has the default threads, `ordered` handles the messages of a connection one after another. */
const cluster = shared(async (keep) => {
  const group = await freeGroup();
  const options = { group, frequency: 250 };
  const [java, ordered, node] = await Promise.all([
    JavaPeer.start({ release: RELEASE, ...options }).then(keep),
    JavaPeer.start({ release: RELEASE, maxThreads: 1, ...options }).then(keep),
    OurNode.start(options).then(keep),
  ]);
  await java.waitForMember(node.member.uniqueId);
  await Promise.all([node.waitForMember(java), node.waitForMember(ordered)]);
  return { java, ordered, node };
});

/** Runs a task while Java's listener fails. */
async function whileListener(
  java: JavaPeer,
  listener: Omit<SetListenerCommand, "command">,
  task: () => Promise<void>,
): Promise<void> {
  await java.request({ command: "setListener", ...listener }, "done");
  try {
    await task();
  } finally {
    await java.request({ command: "setListener", mode: "ok" }, "done");
  }
}

/** Java's messages since a place in its log, or of these unique ids, in order of arrival. */
async function arrivedAt(
  java: JavaPeer,
  wanted: { readonly after: number } | { readonly of: ReadonlySet<string> },
): Promise<MessageEvent[]> {
  // Java told of a message before it acknowledged it; the answer comes behind that.
  await java.request({ command: "members" }, "members");
  const events = "after" in wanted
    ? java.events.slice(wanted.after)
    : java.events;
  return events.filter((event): event is MessageEvent =>
    event.event === "message" &&
    ("after" in wanted || wanted.of.has(event.uniqueId ?? ""))
  );
}

/** Tells whether an error is that of these members having failed to process. */
function failedAckOf(error: unknown, peers: readonly JavaPeer[]): boolean {
  assert.ok(error instanceof ChannelError);
  assert.equal(error.code, "failed-ack");
  assert.deepEqual(
    error.faultyMembers.map(({ member, code }) => [
      encodeHex(member.uniqueId),
      code,
    ]).sort(),
    peers.map((peer) => [peer.member.uniqueId, "failed-ack"]).sort(),
  );
  return true;
}

for (const mode of ["throw", "runtime"] as const) {
  test(
    `GroupChannel.send() fails with failed-ack where Java's listener throws (${mode}) and options are 6`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await cluster();
      await whileListener(java, { mode }, async () => {
        const uniqueId = encodeHex(randomBytes(16));
        await assert.rejects(
          node.send([java], randomBytes(64), 6, uniqueId),
          (error) => failedAckOf(error, [java]),
        );
        const events = await arrivedAt(java, { of: new Set([uniqueId]) });
        assert.deepEqual(events.map((event) => event.threw), [true]);
      });
      await node.send([java], randomBytes(64), 6);
    },
  );

  test(
    `GroupChannel.send() succeeds where Java's listener throws (${mode}) and options are 0, 2 or 4`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await cluster();
      await whileListener(java, { mode }, async () => {
        for (const options of [0, 2, 4]) {
          const uniqueId = await node.send([java], randomBytes(64), options);
          const message = await java.waitForEvent(
            "message",
            (event) => event.uniqueId === uniqueId,
          );
          assert.equal(message.threw, true);
        }
      });
    },
  );
}

test(
  "GroupChannel.send() succeeds where no listener of Java's accepts the message",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await whileListener(java, { mode: "ok", accept: false }, async () => {
      const uniqueId = await node.send([java], randomBytes(64), 6);
      await java.waitForEvent(
        "dropped",
        (event) => event.uniqueId === uniqueId,
      );
    });
  },
);

test(
  "GroupChannel.send() to two Javas names the one whose listener throws; the other has the message",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, ordered, node } = await cluster();
    await whileListener(java, { mode: "throw" }, async () => {
      const uniqueId = encodeHex(randomBytes(16));
      await assert.rejects(
        node.send([java, ordered], randomBytes(64), 6, uniqueId),
        (error) => failedAckOf(error, [java]),
      );
      const message = await ordered.waitForEvent(
        "message",
        (event) => event.uniqueId === uniqueId,
      );
      assert.equal(message.threw, undefined);
    });
  },
);

test(
  "GroupChannel reports a failed-ack to its error handler where options are 14",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await whileListener(java, { mode: "throw" }, async () => {
      const after = node.log.length;
      await node.send([java], randomBytes(64), 14);
      const fault = await node.log.waitFor(
        (event) => event.event === "fault",
        { after },
      );
      failedAckOf(fault.error, [java]);
    });
  },
);

/** Sends 192 messages, 64 at a time; gives the unique ids of those that failed, and of all. */
async function sendInFlight(
  node: OurNode,
  to: JavaPeer,
  optionsOf: (number: number) => number,
): Promise<{ failed: Set<string>; all: Set<string> }> {
  const failed = new Set<string>();
  const all = new Set<string>();
  let next = 0;
  const lane = async () => {
    while (next < 192) {
      const number = next++;
      const uniqueId = encodeHex(randomBytes(16));
      all.add(uniqueId);
      try {
        await node.send([to], numbered(number), optionsOf(number), uniqueId);
      } catch (error) {
        failedAckOf(error, [to]);
        failed.add(uniqueId);
      }
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  return { failed, all };
}

test(
  "GroupChannel.send() fails for exactly every third message that Java's listener refused, 64 in flight",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await whileListener(java, { mode: "throw", every: 3 }, async () => {
      const { failed, all } = await sendInFlight(node, java, () => 6);
      const events = await arrivedAt(java, { of: all });
      const threw = events.filter((event) => event.threw);
      assert.equal(events.length, 192);
      assert.equal(failed.size, 64);
      assert.deepEqual(new Set(threw.map((event) => event.uniqueId)), failed);
    });
  },
);

test(
  "GroupChannel.send() fails for exactly the synchronized ones of mixed messages that Java's listener refused",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    // Options 2, 6 and 0 in turn: a listener that throws on every second message throws on each kind.
    const options = [2, 6, 0];
    await whileListener(java, { mode: "runtime", every: 2 }, async () => {
      const { failed, all } = await sendInFlight(
        node,
        java,
        (number) => options[number % 3] ?? 0,
      );
      // Those without synchronized ack come when they come.
      const isOne = (event: PeerEvent) =>
        event.event === "message" && all.has(event.uniqueId ?? "");
      await java.waitFor(() => java.events.filter(isOne).length === all.size);
      const events = await arrivedAt(java, { of: all });
      const threw = events.filter((event) => event.threw);
      const synchronized = threw.filter((event) => event.options === 7);
      assert.equal(threw.length, 96);
      assert.ok(synchronized.length > 0);
      assert.deepEqual(
        new Set(synchronized.map((event) => event.uniqueId)),
        failed,
      );
    });
  },
);

// One of Java's threads may still be at the first message, and acknowledge it, after another has failed the second:
// about once in a thousand pairs.
test(
  "GroupChannel.send() does not take Java's failure of a synchronized message for one of the message before it",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await whileListener(java, { mode: "runtime" }, async () => {
      for (let pair = 0; pair < 2000; pair++) {
        const first = node.send([java], numbered(pair), 2);
        // The two leave in writes of their own.
        await new Promise((resolve) => setImmediate(resolve));
        const second = node.send([java], numbered(pair), 6);
        await Promise.all([
          first,
          assert.rejects(second, (error) => failedAckOf(error, [java])),
        ]);
      }
    });
  },
);

/** A node with other sender options; it takes the member from one that found it. */
async function senderWith(
  sender: SenderOptions,
): Promise<OurNode & { to(member: Member): Promise<Uint8Array> }> {
  const node = await OurNode.start({ sender });
  return Object.assign(node, {
    to: (member: Member) =>
      node.channel.send([member], randomBytes(64), { options: 6 }),
  });
}

test(
  "GroupChannel with a synchronizedAckWindow of 64 fails exactly the refused messages of an ordered Java",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { ordered, node } = await cluster();
    await using pipelined = await senderWith({ synchronizedAckWindow: 64 });
    const member = node.memberOf(ordered);
    await whileListener(ordered, { mode: "throw", every: 3 }, async () => {
      const after = ordered.events.length;
      const results = await Promise.allSettled(
        Array.from(
          { length: 192 },
          (_, number) =>
            pipelined.channel.send([member], numbered(number), { options: 6 }),
        ),
      );
      const failed = results.flatMap((result, number) =>
        result.status === "rejected" && failedAckOf(result.reason, [ordered])
          ? [number]
          : []
      );
      const events = await arrivedAt(ordered, { after });
      const threw = events.filter((event) => event.threw).map((event) =>
        Number.parseInt(event.hex.slice(0, 8), 16)
      );
      assert.equal(events.length, 192);
      assert.equal(failed.length, 64);
      assert.deepEqual(threw, failed);
    });
  },
);

test(
  "GroupChannel without throwOnFailedAck takes Java's failure as an ack",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await using other = await senderWith({ throwOnFailedAck: false });
    await whileListener(java, { mode: "throw" }, async () => {
      await other.to(node.memberOf(java));
    });
  },
);

test(
  "GroupChannel with retryAfterFailedAck gives Java the message twice, as Tomcat does",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await using other = await senderWith({ retryAfterFailedAck: true });
    await whileListener(java, { mode: "throw" }, async () => {
      const after = java.events.length;
      await assert.rejects(
        other.to(node.memberOf(java)),
        (error) => failedAckOf(error, [java]),
      );
      const events = await arrivedAt(java, { after });
      assert.equal(events.length, 2);
      assert.equal(events[0]?.uniqueId, events[1]?.uniqueId);
    });
    await whileListener(java, { mode: "throw", every: 2 }, async () => {
      await other.to(node.memberOf(java)); // taken
      await other.to(node.memberOf(java)); // refused once
    });
  },
);

for (
  const [how, fail] of [
    ["throws", () => {
      throw new Error("The listener was told to fail");
    }],
    ["rejects later", async () => {
      await Promise.resolve();
      throw new Error("The listener was told to fail");
    }],
  ] as const
) {
  test(
    `Java's send with options 6 fails where GroupChannel's listener ${how}, after a second try`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await cluster();
      node.onMessage = fail;
      try {
        const after = node.log.length;
        const failed = await java.request({
          command: "send",
          text: `refused ${how}`,
          options: 6,
          to: [node.address],
        }, "sendFailed");
        assert.equal(failed.cause, REMOTE_PROCESS);
        assert.deepEqual(
          failed.faultyMembers.map(({ member, cause }) => [
            member.uniqueId,
            cause,
          ]),
          [[node.member.uniqueId, REMOTE_PROCESS]],
        );
        const events = node.log.events.slice(after);
        const messages = events.filter((event) => event.event === "message");
        assert.equal(messages.length, 2);
        assert.equal(messages[0]?.uniqueId, messages[1]?.uniqueId);
        assert.equal(
          events.filter((event) => event.event === "fault").length,
          2,
        );
      } finally {
        node.onMessage = undefined;
      }
    },
  );

  test(
    `Java's send with options 0, 2 or 4 succeeds where GroupChannel's listener ${how}`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await cluster();
      node.onMessage = fail;
      try {
        for (const options of [0, 2, 4]) {
          const sent = await java.request(
            { command: "send", size: 64, options, to: [node.address] },
            "sent",
          );
          await node.waitForMessage(sent.uniqueId);
        }
      } finally {
        node.onMessage = undefined;
      }
    },
  );
}

test(
  "Java's asynchronous send with options 14 hears of GroupChannel's failure",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    node.onMessage = () => {
      throw new Error("The listener was told to fail");
    };
    try {
      const sent = await java.request(
        { command: "send", size: 64, options: 14, to: [node.address] },
        "sent",
      );
      const failed = await java.waitForEvent(
        "sendFailed",
        (event) => event.uniqueId === sent.uniqueId,
      );
      assert.equal(failed.cause, REMOTE_PROCESS);
    } finally {
      node.onMessage = undefined;
    }
  },
);

test(
  "Java's 25 threads have exactly every third send fail that GroupChannel's listener refuses",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    const calls = new Map<number, number>();
    node.onMessage = async ({ message }) => {
      const number = numberOf(message);
      calls.set(number, (calls.get(number) ?? 0) + 1);
      await Promise.resolve();
      if (number % 3 === 0) throw new Error("The listener refuses it");
    };
    try {
      const sent = await java.request({
        command: "sendSequence",
        count: 600,
        threads: 25,
        options: 6,
        to: [node.address],
      }, "sentSequence");
      assert.equal(sent.failed, 200);
      assert.equal(sent.cause, REMOTE_PROCESS);
      // Each refused one was tried twice, each other one once.
      const wrong = Array.from({ length: 600 }, (_, number) => number)
        .filter((number) => calls.get(number) !== (number % 3 === 0 ? 2 : 1));
      assert.deepEqual(wrong, []);
    } finally {
      node.onMessage = undefined;
    }
  },
);
