/** Two-phase commits between Java's interceptor and ours, and its unit on the wire as a raw peer sees it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TwoPhaseCommitInterceptor } from "../../channel/interceptors/two_phase_commit.ts";
import { decodeHex } from "../../protocol/bytes/hex.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import { createMember } from "../../protocol/tribes/member.ts";
import { OurNode, sha256, shared } from "../support/interop_channel.ts";
import { JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const FLAG = 0x200;

const peers = shared(async (keep) => {
  const interceptor = new TwoPhaseCommitInterceptor({ optionFlag: FLAG });
  const [java, node] = await Promise.all([
    JavaPeer.start({
      release: RELEASE,
      interceptors: [`TwoPhaseCommit:optionFlag=${FLAG}`],
    }).then(keep),
    OurNode.start({ interceptors: [interceptor] }).then(keep),
  ]);
  return { java, node, interceptor };
});

for (const options of [2, 6, FLAG | 2, FLAG | 6]) {
  test(
    `TwoPhaseCommitInterceptor exchanges messages with Java, with options ${options}`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node, interceptor } = await peers();
      const to = [createMember({
        host: encodeHost("127.0.0.1"),
        port: java.member.port,
        uniqueId: decodeHex(java.member.uniqueId),
      })];
      for (const size of [0, 48, 100_000]) {
        // Acknowledged before it is processed, a message may be overtaken by its confirmation in Java.
        if (options !== (FLAG | 2)) {
          const body = new Uint8Array(size).fill(options);
          const id = await node.channel.send(to, body, { options });
          const hex = [...id].map((byte) => byte.toString(16).padStart(2, "0"))
            .join("");
          const message = await java.waitForEvent(
            "message",
            ({ uniqueId }) => uniqueId === hex,
          );
          assert.equal(message.sha256, sha256(body));
          assert.equal(message.options, options | 1);
        }

        const sent = await java.request({
          command: "send",
          size,
          options,
          to: [node.address],
          direct: true,
        }, "sent");
        const came = await node.waitForMessage(sent.uniqueId);
        assert.equal(came.sha256, sent.sha256);
        assert.equal(came.options, options | 1);
      }
      assert.equal(interceptor.statistics().waitingMessages, 0);
      assert.equal(interceptor.statistics().unmatched, 0);
    },
  );
}

test(
  "TwoPhaseCommitInterceptor and Java keep what is not confirmed",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, interceptor } = await peers();
    // One that has the flag and no second phase: a node without the interceptor sends it.
    await using plain = await OurNode.start({ interceptors: [] });
    const options = FLAG | 6;
    const to = (address: string) => [createMember({
      host: encodeHost("127.0.0.1"),
      port: Number(address.split(":")[1]),
    })];
    const before = java.events.length;
    await plain.channel.send(to(java.address), new Uint8Array(10), { options });
    await plain.channel.send(to(node.address), new Uint8Array(10), { options });
    // What comes after it is delivered alone.
    await plain.channel.send(to(java.address), new Uint8Array(3), {
      options: 6,
    });
    await plain.channel.send(to(node.address), new Uint8Array(3), {
      options: 6,
    });
    const first = await java.waitForEvent("message", () => true, {
      after: before,
    });
    assert.equal(first.bytes, 3);
    assert.equal(interceptor.statistics().waitingMessages, 1);
    assert.equal(
      node.log.events.filter((event) =>
        event.event === "message" && event.bytes === 10
      ).length,
      0,
    );
  },
);
