/** One group of every Tomcat release of the table and ours: all see each other, talk, and tell failures. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { ChannelError } from "../../transport/errors.ts";
import {
  hexOf,
  identity,
  OurNode,
  sha256,
  shared,
} from "../support/interop_channel.ts";
import {
  freeGroup,
  JAVA_RELEASES,
  JavaPeer,
  needsJava,
  type PeerMember,
} from "../support/java_peer.ts";

const RELEASES = Object.keys(JAVA_RELEASES);
const TIMEOUT = 120_000;
const REMOTE_PROCESS = "org.apache.catalina.tribes.RemoteProcessException";

const cluster = shared(async (keep) => {
  const group = await freeGroup();
  const begin = Date.now();
  const [node, ...javas] = await Promise.all([
    OurNode.start({
      group,
      domain: decodeHex(hexOf("ours")),
      payload: decodeHex("0102"),
    }).then(keep),
    ...RELEASES.map((release) =>
      JavaPeer.start({
        release,
        group,
        domain: hexOf("java"),
        payload: hexOf(release),
      }).then(keep)
    ),
  ]);
  const all = [node, ...javas];
  const others = (id: string) =>
    all.filter(({ member }) => member.uniqueId !== id);
  await Promise.all([
    ...javas.flatMap((java) =>
      others(java.member.uniqueId).map(({ member }) =>
        java.waitForMember(member.uniqueId)
      )
    ),
    ...javas.map((java) => node.waitForMember(java)),
  ]);
  console.log(
    `${all.length} nodes were up and knew each other after ${
      Date.now() - begin
    } ms`,
  );
  return { node, javas };
});

/** Members without what changes by itself, in an order that does not depend on who asks. */
function identities(members: readonly PeerMember[]) {
  return members.map(identity).sort((a, b) => a.uniqueId < b.uniqueId ? -1 : 1);
}

test(
  "GroupChannel and every release of Tomcat see each other with the same fields",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { node, javas } = await cluster();
    const everybody = [node, ...javas].map(({ member }) => member);
    const without = (id: string) =>
      identities(everybody.filter(({ uniqueId }) => uniqueId !== id));
    assert.deepEqual(identities(node.members()), without(node.member.uniqueId));
    for (const java of javas) {
      const { members } = await java.request({ command: "members" }, "members");
      assert.deepEqual(identities(members), without(java.member.uniqueId));
    }
  },
);

test(
  "GroupChannel.members() has the order of Tomcat: by the alive times that both heard, longest first",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { node } = await cluster();
    const times = node.members().map((member) => Number(member.aliveTime));
    assert.deepEqual(times, times.toSorted((a, b) => b - a));
  },
);

for (const options of [0, 2, 6, 10]) {
  test(
    `GroupChannel.send() with options ${options} reaches every release by one call`,
    needsJava(RELEASES, TIMEOUT),
    async () => {
      const { node, javas } = await cluster();
      for (const size of [0, 64, 102_400]) {
        const body = randomBytes(size);
        const uniqueId = await node.send(javas, body, options);
        const messages = await Promise.all(
          javas.map((java) =>
            java.waitForEvent("message", (event) => event.uniqueId === uniqueId)
          ),
        );
        assert.deepEqual(
          messages.map((message) => [message.options, message.sha256]),
          javas.map(() => [options | 1, sha256(body)]),
        );
      }
    },
  );
}

for (const release of RELEASES) {
  test(
    `GroupChannel and Tomcat ${release} exchange messages and failures`,
    needsJava(RELEASES, TIMEOUT),
    async () => {
      const { node, javas } = await cluster();
      const java = javas.find((each) => each.release === release) ??
        assert.fail(`${release} is not in the group`);

      for (const options of [0, 2, 6, 10]) {
        const sent = await java.request(
          { command: "send", size: 102_400, options, to: [node.address] },
          "sent",
        );
        const message = await node.waitForMessage(sent.uniqueId);
        assert.deepEqual(
          [message.options, message.sha256, message.from.uniqueId],
          [options | 1, sent.sha256, java.member.uniqueId],
        );
      }

      await java.request({ command: "setListener", mode: "throw" }, "done");
      const uniqueId = encodeHex(randomBytes(16));
      await assert.rejects(
        node.send(javas, randomBytes(64), 6, uniqueId),
        (error) => {
          assert.ok(error instanceof ChannelError);
          assert.deepEqual(
            error.faultyMembers.map(({ member, code }) => [
              encodeHex(member.uniqueId),
              code,
            ]),
            [[java.member.uniqueId, "failed-ack"]],
          );
          return true;
        },
      );
      await node.send([java], randomBytes(64), 2);
      await java.request({ command: "setListener", mode: "ok" }, "done");

      node.onMessage = () => {
        throw new Error("The listener was told to fail");
      };
      try {
        const failed = await java.request(
          { command: "send", size: 64, options: 6, to: [node.address] },
          "sendFailed",
        );
        assert.equal(failed.cause, REMOTE_PROCESS);
        await java.request(
          { command: "send", size: 64, options: 2, to: [node.address] },
          "sent",
        );
      } finally {
        node.onMessage = undefined;
      }
    },
  );
}

test(
  "GroupChannel gets a multicast of every release, and every release ours",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { node, javas } = await cluster();
    const uniqueId = await node.send(javas, randomBytes(8192), 0x40);
    for (const java of javas) {
      await java.waitForEvent(
        "message",
        (event) => event.uniqueId === uniqueId,
      );
      const sent = await java.request(
        { command: "send", size: 8192, options: 0x40 },
        "sent",
      );
      const message = await node.waitForMessage(sent.uniqueId);
      assert.equal(message.sha256, sent.sha256);
    }
  },
);

test(
  "GroupChannel and every release take each other's test messages for themselves",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { node, javas } = await cluster();
    const tests = [node.log.events, ...javas.map((java) => java.events)]
      .flatMap((events) =>
        events.filter((event) =>
          event.event === "message" &&
          event.hex.startsWith("4fa77348798243c99f6f8980a15b0714")
        )
      );
    assert.deepEqual(tests, []);
  },
);
