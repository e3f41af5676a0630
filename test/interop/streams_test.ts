/** 200,000 messages on one channel, both ways: none lost, none twice, and the order that each side keeps. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { numbered, OurNode, shared } from "../support/interop_channel.ts";
import { LossyTransport } from "../support/interop_transport.ts";
import {
  freeGroup,
  JavaPeer,
  needsJava,
  type SequenceEvent,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 120_000;
const COUNT = 200_000;
const SIZE = 64;
/** Messages that are sent before the oldest of them is waited for. */
const BATCH = 1000;

/** `java` has the default threads, `ordered` handles the messages of a connection one after another. */
const cluster = shared(async (keep) => {
  const options = { group: await freeGroup(), frequency: 250 };
  const transport = new LossyTransport();
  const [java, ordered, node] = await Promise.all([
    JavaPeer.start({ release: RELEASE, ...options }).then(keep),
    JavaPeer.start({ release: RELEASE, maxThreads: 1, ...options }).then(keep),
    OurNode.start({ transport, ...options }).then(keep),
  ]);
  await Promise.all([
    java.waitForMember(node.member.uniqueId),
    ordered.waitForMember(node.member.uniqueId),
    node.waitForMember(java),
    node.waitForMember(ordered),
  ]);
  return { java, ordered, node, transport };
});

/** Sends the numbers 0 to COUNT - 1 in order; gives Java's account of them. */
async function stream(
  node: OurNode,
  java: JavaPeer,
  options: number,
): Promise<SequenceEvent> {
  await java.request({ command: "expect", count: COUNT }, "done");
  const after = java.events.length;
  const to = [node.memberOf(java)];
  const begin = performance.now();
  let sending: Promise<unknown> = Promise.resolve();
  for (let start = 0; start < COUNT; start += BATCH) {
    const batch = Array.from(
      { length: BATCH },
      (_, i) => node.channel.send(to, numbered(start + i, SIZE), { options }),
    );
    await sending;
    sending = Promise.all(batch);
  }
  await sending;
  const sent = performance.now() - begin;
  const counted = await java.waitForEvent("expected", () => true, {
    after,
    timeout: TIMEOUT,
  });
  const rate = (milliseconds: number) =>
    Math.round(COUNT / milliseconds * 1000);
  console.log(
    `to Java, options ${options}: sent ${rate(sent)}/s, received ${
      rate(counted.milliseconds)
    }/s, ${counted.inversions} inversions`,
  );
  await java.request({ command: "print" }, "done");
  return counted;
}

function assertWhole(counted: SequenceEvent): void {
  const { count, bytes, duplicates, missing } = counted;
  assert.deepEqual({ count, bytes, duplicates, missing }, {
    count: COUNT,
    bytes: COUNT * SIZE,
    duplicates: 0,
    missing: 0,
  });
}

for (const options of [0, 2]) {
  test(
    `GroupChannel.send() streams 200,000 messages with options ${options} in order to a Java with one thread`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { ordered, node } = await cluster();
      const counted = await stream(node, ordered, options);
      assertWhole(counted);
      assert.equal(counted.inversions, 0);
    },
  );

  // A Tomcat's threads overtake each other, also on one connection: its order is told, not asserted.
  test(
    `GroupChannel.send() streams 200,000 messages with options ${options} to a Java with its threads without loss`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node } = await cluster();
      assertWhole(await stream(node, java, options));
    },
  );
}

for (const [options, count] of [[0, COUNT], [2, 20_000]] as const) {
  test(
    `GroupChannel gets ${count} messages with options ${options} of one Java thread in order`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node, transport } = await cluster();
      const { accepted } = transport;
      const sequence = node.count(count);
      try {
        const sent = await java.request(
          {
            command: "sendSequence",
            count,
            size: SIZE,
            options,
            to: [node.address],
          },
          "sentSequence",
          { timeout: TIMEOUT },
        );
        await sequence.done;
        console.log(
          `from Java, options ${options}: sent ${
            Math.round(sent.perSecond)
          }/s, received ${sequence.perSecond}/s`,
        );
        assert.equal(sent.failed, 0);
        assert.deepEqual(
          [sequence.missing, sequence.duplicates, sequence.inversions],
          [0, 0, 0],
        );
        assert.ok(transport.accepted - accepted <= 1);
      } finally {
        node.stopCounting();
      }
    },
  );
}

test(
  "GroupChannel streams both ways at once without loss",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { ordered, node } = await cluster();
    const sequence = node.count(COUNT);
    try {
      const sending = ordered.request(
        {
          command: "sendSequence",
          count: COUNT,
          size: SIZE,
          options: 0,
          to: [node.address],
        },
        "sentSequence",
        { timeout: TIMEOUT },
      );
      const [counted, sent] = await Promise.all([
        stream(node, ordered, 2),
        sending,
        sequence.done,
      ]);
      console.log(`from Java meanwhile: ${sequence.perSecond}/s`);
      assertWhole(counted);
      assert.equal(counted.inversions, 0);
      assert.equal(sent.failed, 0);
      assert.deepEqual(
        [sequence.missing, sequence.duplicates, sequence.inversions],
        [0, 0, 0],
      );
    } finally {
      node.stopCounting();
    }
  },
);
