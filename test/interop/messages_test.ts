/** Messages between real Tomcats and ours: every option and size, lost and kept connections. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { formatMember } from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import {
  identity,
  OurNode,
  sha256,
  shared,
} from "../support/interop_channel.ts";
import { LossyTransport } from "../support/interop_transport.ts";
import {
  freeGroup,
  JavaPeer,
  type MessageEvent,
  needsJava,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const MIB = 1024 * 1024;
const SIZES = [0, 1, 64, 8192, 102_400, 5 * MIB];
/** None, use_ack, with sync, async, async with use_ack. */
const OPTIONS = [0, 2, 6, 8, 10];

const pair = shared(async (keep) => {
  const group = await freeGroup();
  const times = { group, frequency: 250, heartbeatSleeptime: 1000 };
  const transport = new LossyTransport();
  const [java, node] = await Promise.all([
    JavaPeer.start({ release: RELEASE, ...times }).then(keep),
    OurNode.start({ transport, ...times }).then(keep),
  ]);
  await java.waitForMember(node.member.uniqueId);
  await node.waitForMember(java);
  return { group, java, node, transport };
});

/** What Java got of a message. */
function arrived(java: JavaPeer, uniqueId: string): Promise<MessageEvent> {
  return java.waitForEvent("message", (event) => event.uniqueId === uniqueId);
}

for (const options of OPTIONS) {
  test(
    `GroupChannel.send() with options ${options} reaches Java whole at every size`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await pair();
      for (const size of SIZES) {
        const body = randomBytes(size);
        const uniqueId = await node.send([java], body, options);
        const message = await arrived(java, uniqueId);
        assert.equal(message.bytes, size);
        assert.equal(message.sha256, sha256(body));
        assert.equal(message.options, options | 1);
        assert.deepEqual(identity(message.from), identity(node.member));
        const age = Date.now() - Number(message.timestamp);
        assert.ok(age >= 0 && age < TIMEOUT, `${age} ms old`);
      }
    },
  );

  test(
    `Java's messages with options ${options} reach GroupChannel whole at every size`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await pair();
      for (const size of SIZES) {
        const sent = await java.request(
          { command: "send", size, options, to: [node.address] },
          "sent",
        );
        const message = await node.waitForMessage(sent.uniqueId);
        assert.equal(message.bytes, size);
        assert.equal(message.sha256, sent.sha256);
        assert.equal(message.options, options | 1);
        assert.deepEqual(identity(message.from), identity(java.member));
      }
    },
  );
}

test(
  "GroupChannel gets a Java object as its serialized bytes, without the byte flag",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    const sent = await java.request(
      { command: "send", object: "snow", options: 6, to: [node.address] },
      "sent",
    );
    const message = await node.waitForMessage(sent.uniqueId);
    assert.equal(message.options, 6);
    assert.equal(message.hex, "aced0005740004736e6f77");
    assert.equal(message.sha256, sent.sha256);
  },
);

test(
  "GroupChannel.send() sends a message again whose ack was lost, with the same unique id",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, transport } = await pair();
    for (const options of [2, 6]) {
      const body = randomBytes(100);
      const after = java.events.length;
      const { connected } = transport;
      transport.repliesToLose = 1;
      const uniqueId = await node.send([java], body, options);
      // Both are there when the second ack is: the first was acknowledged too.
      assert.equal(transport.repliesToLose, 0);
      assert.ok(transport.connected > connected);
      const isCopy = (event: MessageEvent) => event.uniqueId === uniqueId;
      await java.waitForEvent("message", isCopy, { after });
      const first = java.events.findIndex((event) =>
        event.event === "message" && isCopy(event)
      );
      const second = await java.waitForEvent("message", isCopy, {
        after: first + 1,
      });
      assert.equal(second.sha256, sha256(body));
    }
  },
);

test(
  "GroupChannel.send() tells a connection that is lost again and again as connection-closed",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, transport } = await pair();
    transport.repliesToLose = 2; // maxRetryAttempts is 1
    await assert.rejects(
      node.send([java], new Uint8Array(10), 6),
      (error) => {
        assert.ok(error instanceof ChannelError);
        assert.equal(error.code, "connection-closed");
        assert.equal(error.faultyMembers.length, 1);
        const [faulty] = error.faultyMembers;
        assert.equal(faulty && formatMember(faulty.member), java.address);
        return true;
      },
    );
    assert.equal(transport.repliesToLose, 0);
    await node.send([java], new Uint8Array(10), 6);
  },
);

test(
  "GroupChannel gets Java's message again whose ack was lost, with the same unique id",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, transport } = await pair();
    for (const options of [2, 6]) {
      transport.acksToLose = 1;
      const sent = await java.request(
        {
          command: "send",
          text: `lost ack ${options}`,
          options,
          to: [node.address],
        },
        "sent",
      );
      assert.equal(transport.acksToLose, 0);
      assert.deepEqual(
        node.messages(sent.uniqueId).map((message) => message.sha256),
        [sent.sha256, sent.sha256],
      );
    }
  },
);

test(
  "GroupChannel.send() keeps its connection to Java over many messages and heartbeats",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { group, java } = await pair();
    const transport = new LossyTransport();
    // Without a detector, which connects for its own tests.
    const interceptors = [new MessageDispatchInterceptor()];
    await using node = await OurNode.start({ group, transport, interceptors });
    await node.waitForMember(java);
    for (const options of [0, 2, 6]) {
      for (let i = 0; i < 20; i++) {
        await node.send([java], new Uint8Array(64), options);
      }
      await node.channel.heartbeat();
    }
    const all = await Promise.all(
      Array.from({ length: 100 }, () => node.send([java], randomBytes(64), 2)),
    );
    assert.equal(new Set(all).size, 100);
    assert.equal(transport.connected, 1);
  },
);

test(
  "GroupChannel keeps Java's connection over many messages",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, transport } = await pair();
    const to = [node.address];
    await java.request({ command: "send", size: 64, options: 6, to }, "sent");
    const { accepted } = transport;
    for (const options of [0, 2, 6]) {
      const sent = await java.request(
        { command: "send", size: 64, options, count: 100, to },
        "sent",
      );
      assert.equal(sent.count, 100);
    }
    assert.equal(transport.accepted, accepted);
  },
);

test(
  "GroupChannel takes 10,000 messages from 25 threads of Java at once",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, transport } = await pair();
    const { accepted } = transport;
    const sequence = node.count(10_000);
    try {
      const sent = await java.request(
        {
          command: "sendSequence",
          count: 10_000,
          threads: 25,
          options: 6,
          to: [node.address],
        },
        "sentSequence",
        { timeout: TIMEOUT },
      );
      await sequence.done;
      assert.equal(sent.failed, 0);
      assert.deepEqual([sequence.missing, sequence.duplicates], [0, 0]);
      const connections = transport.accepted - accepted;
      console.log(
        `25 Java threads: ${
          Math.round(sent.perSecond)
        } messages/s with options 6, ${connections} new connections`,
      );
      assert.ok(connections <= 25);
    } finally {
      node.stopCounting();
    }
  },
);

test(
  "GroupChannel.send() reaches two Javas and a node of ours with one call",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    await using second = await JavaPeer.start({ release: RELEASE });
    await using ours = await OurNode.start();
    const body = randomBytes(1000);
    // Neither is in the group: a destination need not be a known member.
    const direct = [second.member, ours.member].map((member) => ({
      ...node.channel.localMember(),
      port: member.port,
      uniqueId: new Uint8Array(16),
    }));
    const sent = await node.channel.send(
      [node.memberOf(java), ...direct],
      body,
      { options: 6 },
    );
    const uniqueId = encodeHex(sent);
    const digests = await Promise.all([
      arrived(java, uniqueId),
      arrived(second, uniqueId),
      ours.waitForMessage(uniqueId),
    ]);
    assert.deepEqual(
      digests.map((message) => message.sha256),
      Array(3).fill(sha256(body)),
    );
  },
);
