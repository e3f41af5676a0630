/** Datagrams and broadcasts between real Tomcats and ours. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ChannelError } from "../../transport/errors.ts";
import { OurNode, sha256, shared } from "../support/interop_channel.ts";
import { LossyTransport } from "../support/interop_transport.ts";
import {
  freeGroup,
  JavaPeer,
  type MessageEvent,
  needsJava,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
/** UDP without ack, with it, with a synchronized one. */
const UDP_OPTIONS = [0x20, 0x22, 0x26];
const MULTICAST = 0x40;
const SIZES = [0, 1, 64, 8192, 60_000];

// This Java sends by UDP and multicast only: a Tomcat's pooled sender that sent to a member by TCP fails with a
// NullPointerException by UDP, and one that sent by UDP fails by TCP.
const pair = shared(async (keep) => {
  const group = await freeGroup();
  const options = { group, frequency: 250 };
  const transport = new LossyTransport();
  const [java, node] = await Promise.all([
    JavaPeer.start({ release: RELEASE, udpPort: 0, ...options }).then(keep),
    OurNode.start({ transport, receiver: { udpPort: 0 }, ...options }).then(
      keep,
    ),
  ]);
  await java.waitForMember(node.member.uniqueId);
  await node.waitForMember(java);
  return { java, node, transport };
});

/** What Java got of a message. */
function arrived(java: JavaPeer, uniqueId: string): Promise<MessageEvent> {
  return java.waitForEvent("message", (event) => event.uniqueId === uniqueId);
}

for (const options of UDP_OPTIONS) {
  test(
    `GroupChannel.send() by UDP with options ${options} reaches Java`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node, transport } = await pair();
      const { connected } = transport;
      for (const size of SIZES) {
        const body = randomBytes(size);
        const uniqueId = await node.send([java], body, options);
        const message = await arrived(java, uniqueId);
        assert.equal(message.sha256, sha256(body));
        assert.equal(message.options, options | 1);
      }
      assert.equal(transport.connected, connected);
    },
  );

  test(
    `Java's messages by UDP with options ${options} reach GroupChannel`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, node, transport } = await pair();
      const { accepted } = transport;
      for (const size of SIZES) {
        const sent = await java.request(
          { command: "send", size, options, to: [node.address] },
          "sent",
        );
        const message = await node.waitForMessage(sent.uniqueId);
        assert.equal(message.sha256, sent.sha256);
        assert.equal(message.options, options | 1);
      }
      assert.equal(transport.accepted, accepted);
    },
  );
}

test(
  "GroupChannel.send() by UDP fails with failed-ack where Java's listener throws",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    await java.request({ command: "setListener", mode: "throw" }, "done");
    try {
      await assert.rejects(
        node.send([java], new Uint8Array(8), 0x26),
        (error) => error instanceof ChannelError && error.code === "failed-ack",
      );
    } finally {
      await java.request({ command: "setListener", mode: "ok" }, "done");
    }
  },
);

test(
  "GroupChannel.send() refuses a message that no datagram holds",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    for (const options of [0x20, MULTICAST]) {
      await assert.rejects(
        node.send([java], new Uint8Array(65_600), options),
        (error) =>
          error instanceof ChannelError && error.code === "unsupported",
      );
    }
  },
);

test(
  "GroupChannel.send() by multicast reaches Java, and not the sender itself",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    for (const size of SIZES) {
      const body = randomBytes(size);
      const uniqueId = await node.send([java], body, MULTICAST);
      const message = await arrived(java, uniqueId);
      assert.equal(message.sha256, sha256(body));
      assert.equal(message.options, MULTICAST | 1);
      assert.deepEqual(node.messages(uniqueId), []);
    }
  },
);

test(
  "Java's multicast reaches GroupChannel",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    for (const size of SIZES) {
      const sent = await java.request(
        { command: "send", size, options: MULTICAST },
        "sent",
      );
      const message = await node.waitForMessage(sent.uniqueId);
      assert.equal(message.sha256, sent.sha256);
      assert.equal(message.options, MULTICAST | 1);
    }
  },
);

test(
  "Java's send by UDP fails where GroupChannel's listener throws and the ack is synchronized",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await pair();
    node.onMessage = () => {
      throw new Error("The listener was told to throw");
    };
    try {
      const to = [node.address];
      await java.request(
        { command: "send", text: "unheard", options: 0x22, to },
        "sent",
      );
      const failed = await java.request(
        { command: "send", text: "refused", options: 0x26, to },
        "sendFailed",
      );
      assert.equal(
        failed.cause,
        "org.apache.catalina.tribes.RemoteProcessException",
      );
      assert.equal(
        failed.faultyMembers[0]?.member.uniqueId,
        node.member.uniqueId,
      );
    } finally {
      node.onMessage = undefined;
    }
  },
);
