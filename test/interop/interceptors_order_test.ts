/** Numbered messages between a real Tomcat and ours. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNumberedMessage } from "../../protocol/tribes/numbered_message.ts";
import { ChannelError } from "../../transport/errors.ts";
import {
  numbered,
  numberOf,
  OurNode,
  shared,
} from "../support/interop_channel.ts";
import {
  exchange,
  memberOf,
  sendToJava,
  startPair,
} from "../support/interceptor_peers.ts";
import { type JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const COUNT = 300;

const pair = shared((keep) => startPair(RELEASE, ["Order"], keep));

/** The first ints of the messages that Java got since a place of its log. */
function numbersAtJava(java: JavaPeer, after: number): number[] {
  return java.events.slice(after).flatMap((event) =>
    event.event === "message"
      ? [Number.parseInt(event.hex.slice(0, 8), 16)]
      : []
  );
}

test(
  "OrderInterceptor and Tomcat's number alike",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    await exchange(await pair(), [0, 1, 64, 8192], [2, 6]);
  },
);

test(
  "OrderInterceptor's messages keep their order at Tomcat, whose threads do not",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    const after = java.events.length;
    const sends = Array.from(
      { length: COUNT },
      (_, i) =>
        node.channel.send([memberOf(java)], numbered(i), { options: 2 }),
    );
    await Promise.all(sends);
    await java.waitForEvent(
      "message",
      (event) =>
        event.hex.startsWith((COUNT - 1).toString(16).padStart(8, "0")),
      { after },
    );
    assert.deepEqual(
      numbersAtJava(java, after),
      Array.from({ length: COUNT }, (_, i) => i),
    );
  },
);

test(
  "OrderInterceptor puts in order what 8 threads of Tomcat send on as many connections",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    const seen: number[] = [];
    const ids = new Set<string>();
    node.onMessage = (message) => {
      seen.push(numberOf(message.message));
      ids.add(message.uniqueId.join());
    };
    try {
      const sent = await java.request({
        command: "sendSequence",
        count: COUNT,
        threads: 8,
        options: 6,
        to: [node.address],
        direct: true,
      }, "sentSequence");
      assert.equal(sent.failed, 0);
      // Each thread's own messages go out in order; all came, and none waits.
      assert.equal(ids.size, COUNT);
      assert.equal(new Set(seen).size, COUNT);
    } finally {
      node.onMessage = undefined;
    }
  },
);

test(
  "Tomcat delivers what OrderInterceptor does when numbers come late, twice, or with a gap",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java } = await pair();
    await using node = await OurNode.start({ interceptors: [] });
    const send = (number: number) =>
      sendToJava(
        { java, node },
        encodeNumberedMessage({ data: numbered(number, 4), number }),
        6,
      );
    const after = java.events.length;
    for (const number of [1, 3, 2, 2, 1, 5, 4, 7]) await send(number);
    assert.deepEqual(numbersAtJava(java, after), [1, 2, 3, 2, 1, 4, 5]);
    // The number of one that waits is an error there too.
    await assert.rejects(send(7), (error) => {
      assert(error instanceof ChannelError);
      assert.equal(error.code, "failed-ack");
      return true;
    });
    await send(6);
    assert.deepEqual(numbersAtJava(java, after), [1, 2, 3, 2, 1, 4, 5, 6, 7]);
  },
);
