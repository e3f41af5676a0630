/** Encrypted messages between real Tomcats of every generation and ours. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { DroppedMessageError } from "../../channel/interceptors/dropped_messages.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { ChannelError } from "../../transport/errors.ts";
import { OurNode, sha256, shared } from "../support/interop_channel.ts";
import {
  exchange,
  KEY,
  memberOf,
  ourInterceptors,
  sendToJava,
  sendToUs,
  startJava,
  startOurs,
} from "../support/interceptor_peers.ts";
import { needsJava } from "../support/java_peer.ts";

/** One release of each generation: GCM; CBC with a timestamp; CBC without. */
const RELEASES = ["10.1.60", "10.1.56", "9.0.70"];
const TIMEOUT = 60_000;
const STACK = [`Encrypt:encryptionKey=${KEY}`];

const peers = shared(async (keep) => {
  const pairs = await Promise.all(RELEASES.map(async (release) => {
    const [java, node] = await Promise.all([
      startJava(release, STACK).then(keep),
      startOurs(release, STACK).then(keep),
    ]);
    return [release, { java, node }] as const;
  }));
  return new Map(pairs);
});

async function pairOf(release: string) {
  const pair = (await peers()).get(release);
  assert(pair !== undefined, release);
  return pair;
}

for (const release of RELEASES) {
  test(
    `EncryptInterceptor of ${release} and Tomcat ${release} decrypt each other`,
    needsJava(RELEASES, TIMEOUT),
    async () => {
      await exchange(await pairOf(release), [0, 1, 8, 16, 8192], [2, 6]);
    },
  );
}

/** What our receiver is to say of a peer. */
const NAMES: Readonly<Record<string, RegExp>> = {
  "10.1.60": /seems to be of 9\.0\.121, 10\.1\.58, 11\.0\.25 or newer/,
  "10.1.56": /seems to be of 9\.0\.119, 9\.0\.120, 10\.1\.56/,
  "9.0.70": /seems to be of 8\.5\.38 to 9\.0\.118, 10\.1\.55/,
};

for (const ours of RELEASES) {
  for (const theirs of RELEASES.filter((release) => release !== ours)) {
    test(
      `EncryptInterceptor of ${ours} passes up nothing of Tomcat ${theirs}, and names its releases`,
      needsJava(RELEASES, TIMEOUT),
      async () => {
        const { java } = await pairOf(theirs);
        await using node = await startOurs(ours, STACK);
        const pair = { java, node };
        const sent = await sendToUs(pair, 100, 6); // acknowledged all the same
        const dropped = node.log.events.flatMap((event) =>
          event.event === "fault" && event.error instanceof DroppedMessageError
            ? [event.error]
            : []
        );
        assert.equal(dropped.length, 1);
        assert.match(dropped[0]!.message, NAMES[theirs]!); // there is one
        assert.deepEqual(node.messages(sent.uniqueId), []);
      },
    );
  }
}

test(
  "EncryptInterceptor of the newest generation and Tomcat 10.1.56 decrypt each other by the algorithm of that one",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { java } = await pairOf("10.1.56");
    const stack = [`${STACK[0]},encryptionAlgorithm=AES/CBC/PKCS5Padding`];
    await using node = await startOurs("10.1.60", stack);
    await exchange({ java, node }, [0, 1, 100], [6]);
  },
);

test(
  "Tomcat passes up nothing whole of what EncryptInterceptor of another generation sent",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    for (const theirs of RELEASES) {
      const { java } = await pairOf(theirs);
      for (const ours of RELEASES) {
        if (ours === theirs) continue;
        await using node = await startOurs(ours, STACK);
        const body = new TextEncoder().encode(`secret of ${ours} to ${theirs}`);
        await sendToJava({ java, node }, body, 6);
        const whole = java.events.filter((event) =>
          event.event === "message" && event.sha256 === sha256(body)
        );
        assert.deepEqual(whole, []);
      }
    }
  },
);

test(
  "Tomcat and EncryptInterceptor fail the same bodies that are too short",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    for (
      const [release, least] of [["10.1.60", 28], ["10.1.56", 16]] as const
    ) {
      const { java, node } = await pairOf(release);
      await using plain = await OurNode.start({ interceptors: [] });
      const ours = node.channel.localMember();
      for (const member of [memberOf(java), ours]) {
        for (
          const [length, fails] of [[least - 1, true], [least, false]] as const
        ) {
          const sending = plain.channel.send([member], new Uint8Array(length), {
            options: 6,
          });
          if (!fails) {
            await sending;
            continue;
          }
          await assert.rejects(sending, (error) => {
            assert(error instanceof ChannelError);
            assert.equal(error.code, "failed-ack");
            return true;
          });
        }
      }
    }
  },
);

test(
  "Tomcat and EncryptInterceptor refuse a replay, and acknowledge it",
  needsJava(RELEASES, TIMEOUT),
  async () => {
    const { java, node } = await pairOf("10.1.60");
    // Below the layer: what it sends goes out twice.
    const twice: ChannelInterceptor = {
      name: "Twice",
      async sendMessage(destination, message, next) {
        await next(destination, message);
        await next(destination, message);
      },
    };
    await using sender = await OurNode.start({
      interceptors: [...ourInterceptors("10.1.60", STACK), twice],
    });
    const before = node.log.length;
    const sent = await sender.channel.send(
      [memberOf(java), node.channel.localMember()],
      new Uint8Array(10),
      { options: 6 },
    );
    const uniqueId = encodeHex(sent);
    const there = java.events.filter((event) =>
      event.event === "message" && event.uniqueId === uniqueId
    );
    assert.equal(there.length, 1);
    assert.equal(node.messages(uniqueId).length, 1);
    const faults = node.log.events.slice(before).flatMap((event) =>
      event.event === "fault" ? [event.error] : []
    );
    assert.equal(faults.length, 1);
    assert.match(faults[0]!.message, /was received before/);
  },
);
