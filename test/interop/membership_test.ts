/** Members of a multicast group, real Tomcats and ours: who is there, what they say of themselves, how they go. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { SHUTDOWN_PAYLOAD } from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import { ChildNode } from "../support/interop_child.ts";
import {
  hexOf,
  identity,
  OurNode,
  peerMember,
  shared,
} from "../support/interop_channel.ts";
import { EventLog } from "../support/interop_events.ts";
import {
  freeGroup,
  JavaPeer,
  needsJava,
  type PeerMember,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
// Tomcat's defaults are 500 and 3000; the same at half the time.
const FREQUENCY = 250;
const DROP_TIME = 1500;
/** What a busy machine may add to a time that is measured over two processes. */
const SLACK = 2500;
const LEFT = encodeHex(SHUTDOWN_PAYLOAD);

const DOMAIN = hexOf("test-domain");
const PAYLOAD = encodeHex(Uint8Array.from({ length: 256 }, (_, i) => i));

/** `plainJava` and `plainNode` have no failure detector. */
const cluster = shared(async (keep) => {
  const group = await freeGroup();
  const times = { group, frequency: FREQUENCY, dropTime: DROP_TIME };
  const interceptors = [new MessageDispatchInterceptor()];
  const [java, plainJava, plainNode] = await Promise.all([
    JavaPeer.start({
      release: RELEASE,
      ...times,
      heartbeatSleeptime: 1000,
      udpPort: 0,
      domain: DOMAIN,
      payload: PAYLOAD,
    }).then(keep),
    JavaPeer.start({
      release: RELEASE,
      ...times,
      interceptors: ["MessageDispatch"],
    }).then(keep),
    OurNode.start({ ...times, interceptors }).then(keep),
  ]);
  const begin = Date.now();
  const node = keep(
    await OurNode.start({
      ...times,
      heartbeatSleeptime: 1000,
      receiver: { udpPort: 0 },
      securePort: 4443,
      domain: decodeHex(hexOf("our-domain")),
      payload: decodeHex(PAYLOAD),
    }),
  );
  const [seen, saw] = await Promise.all([
    java.waitForEvent(
      "memberAdded",
      (event) => event.member.uniqueId === node.member.uniqueId,
    ),
    node.waitForMembership("memberAdded", java),
  ]);
  console.log(
    `discovery after our start: Java saw us after ${
      seen.time - begin
    } ms, we saw Java after ${saw.time - begin} ms`,
  );
  return { times, java, plainJava, node, plainNode, seen, saw };
});

test(
  "GroupChannel and Java find each other with all that they say of themselves",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node, seen, saw } = await cluster();
    assert.deepEqual(identity(saw.member), identity(java.member));
    assert.deepEqual(identity(seen.member), identity(node.member));
    assert.equal(saw.member.domain, DOMAIN);
    assert.equal(saw.member.payload, PAYLOAD);
    assert.equal(seen.member.domain, hexOf("our-domain"));
    assert.equal(seen.member.payload, PAYLOAD);
    assert.equal(seen.member.securePort, 4443);
    assert.ok(saw.member.udpPort > 0 && seen.member.udpPort > 0);
    assert.ok(
      node.members().some((member) => member.uniqueId === java.member.uniqueId),
    );
  },
);

// A beacon and a broadcast of one node leave by one socket and keep their order: when the broadcast has
// come, the beacon before it has been heard.

test(
  "GroupChannel sees a payload that Java changes, and messages carry it",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    for (const payload of ["c0ffee", "", PAYLOAD]) {
      await java.request({ command: "setPayload", hex: payload }, "done");
      const sent = await java.request(
        { command: "send", text: "new payload", options: 0x40 },
        "sent",
      );
      const message = await node.waitForMessage(sent.uniqueId);
      assert.equal(message.from.payload, payload);
      assert.equal(peerMember(node.memberOf(java)).payload, payload);
    }
  },
);

test(
  "GroupChannel.setPayload() is seen by Java, and messages carry it",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    for (const payload of ["c0ffee", "", PAYLOAD]) {
      await node.channel.setPayload(decodeHex(payload));
      const uniqueId = await node.send([java], new Uint8Array(1), 0x40);
      const message = await java.waitForEvent(
        "message",
        (event) => event.uniqueId === uniqueId,
      );
      assert.equal(message.from.payload, payload);
      const { members } = await java.request({ command: "members" }, "members");
      const known = members.find((member) =>
        member.uniqueId === node.member.uniqueId
      );
      assert.equal(known?.payload, payload);
    }
  },
);

test(
  "GroupChannel keeps the domain of a known Java that changes it; messages carry the new one",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    await java.request(
      { command: "setDomain", hex: hexOf("changed") },
      "done",
    );
    const sent = await java.request(
      { command: "send", text: "new domain", options: 0x40 },
      "sent",
    );
    const message = await node.waitForMessage(sent.uniqueId);
    assert.equal(message.from.domain, hexOf("changed"));
    assert.equal(peerMember(node.memberOf(java)).domain, DOMAIN);
    await java.request({ command: "setDomain", hex: DOMAIN }, "done");
  },
);

test(
  "GroupChannel.setDomain() is carried by messages; Java keeps the domain of a known member",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, node } = await cluster();
    const before = node.member.domain;
    await node.channel.setDomain(decodeHex(hexOf("changed")));
    const uniqueId = await node.send([java], new Uint8Array(1), 0x40);
    const message = await java.waitForEvent(
      "message",
      (event) => event.uniqueId === uniqueId,
    );
    assert.equal(message.from.domain, hexOf("changed"));
    const { members } = await java.request({ command: "members" }, "members");
    const known = members.find((member) =>
      member.uniqueId === node.member.uniqueId
    );
    assert.equal(known?.domain, before);
    await node.channel.setDomain(decodeHex(before));
  },
);

/** How long after a kill the nodes of ours and Java's said that the victim was gone, without it having said so. */
async function timesToMiss(
  victim: { readonly member: PeerMember; kill(signal: "SIGKILL"): void },
): Promise<Record<string, number>> {
  const { java, plainJava, node, plainNode } = await cluster();
  const { uniqueId } = victim.member;
  const ours = { node, plainNode };
  const javas = { java, plainJava };
  await Promise.all([
    ...Object.values(ours).map((each) => each.waitForMember(victim)),
    ...Object.values(javas).map((each) => each.waitForMember(uniqueId)),
  ]);
  const killed = Date.now();
  victim.kill("SIGKILL");
  const times: Record<string, number> = {};
  for (const [name, each] of Object.entries(ours)) {
    const gone = await each.waitForMembership("memberDisappeared", victim);
    assert.notEqual(gone.member.command, LEFT);
    assert.throws(() => each.memberOf(victim));
    times[name] = gone.time - killed;
  }
  for (const [name, each] of Object.entries(javas)) {
    const gone = await each.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === uniqueId,
    );
    assert.equal(gone.member.command, "");
    times[name] = gone.time - killed;
  }
  return times;
}

test(
  "GroupChannel and Java report a killed Java within dropTime and the check",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times } = await cluster();
    await using victim = await JavaPeer.start({ release: RELEASE, ...times });
    const missed = await timesToMiss(victim);
    console.log("killed Java gone after ms", JSON.stringify(missed));
    for (const elapsed of Object.values(missed)) {
      assert.ok(elapsed <= DROP_TIME + SLACK, `${elapsed} ms`);
    }
  },
);

test(
  "GroupChannel and Java report a killed node of ours within dropTime and the check",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times } = await cluster();
    await using victim = await ChildNode.start(times);
    const missed = await timesToMiss(victim);
    console.log("killed node of ours gone after ms", JSON.stringify(missed));
    for (const elapsed of Object.values(missed)) {
      assert.ok(elapsed <= DROP_TIME + SLACK, `${elapsed} ms`);
    }
  },
);

test(
  "GroupChannel reports a stopped Java at once",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times, node } = await cluster();
    await using leaver = await JavaPeer.start({ release: RELEASE, ...times });
    await node.waitForMember(leaver);
    const asked = Date.now();
    leaver.send({ command: "stop" });
    const gone = await node.waitForMembership("memberDisappeared", leaver);
    console.log(`stopped Java gone at ours after ${gone.time - asked} ms`);
    assert.equal(gone.member.command, LEFT);
    await leaver.exited();
  },
);

test(
  "Java reports a stopped node of ours at once",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times, java } = await cluster();
    await using leaver = await OurNode.start(times);
    const { member } = leaver;
    await java.waitForMember(member.uniqueId);
    const asked = Date.now();
    await leaver.channel.stop();
    const gone = await java.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === member.uniqueId,
    );
    console.log(
      `stopped node of ours gone at Java after ${gone.time - asked} ms`,
    );
    assert.equal(gone.member.command, LEFT);
  },
);

test(
  "Java reports a process of ours that was told to stop at once",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times, java } = await cluster();
    await using leaver = await ChildNode.start(times);
    await java.waitForMember(leaver.member.uniqueId);
    await leaver.stop();
    const gone = await java.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === leaver.member.uniqueId,
    );
    assert.equal(gone.member.command, LEFT);
  },
);

test(
  "GroupChannel.send() to a frozen Java times out alone: others have their messages, and it stays a member",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times, java } = await cluster();
    const below = new EventLog<string>("the layer below the detector");
    const probe: ChannelInterceptor = {
      name: "Probe",
      memberAdded(member, next) {
        below.push(`added ${encodeHex(member.uniqueId)}`);
        next(member);
      },
      memberDisappeared(member, next) {
        below.push(`silent ${encodeHex(member.uniqueId)}`);
        next(member);
      },
    };
    await using node = await OurNode.start({
      ...times,
      interceptors: [
        new MessageDispatchInterceptor(),
        new TcpFailureDetector(),
        probe,
      ],
    });
    await using frozen = await JavaPeer.start({ release: RELEASE, ...times });
    const id = frozen.member.uniqueId;
    await node.waitForMember(frozen);
    await node.waitForMember(java);
    frozen.kill("SIGSTOP");

    const begin = Date.now();
    const toBoth = node.send([java, frozen], new Uint8Array(10), 6);
    const failed = assert.rejects(toBoth, (error) => {
      assert.ok(error instanceof ChannelError);
      assert.equal(error.code, "timeout");
      assert.deepEqual(
        error.faultyMembers.map(({ member, code }) => [
          encodeHex(member.uniqueId),
          code,
        ]),
        [[id, "timeout"]],
      );
      return true;
    });
    for (let i = 0; i < 50; i++) {
      await node.send([java], new Uint8Array(64), 6);
    }
    const elapsed = Date.now() - begin;
    console.log(`50 acked sends beside a frozen member took ${elapsed} ms`);
    assert.ok(elapsed < 3000, `${elapsed} ms`);
    await failed;
    await below.waitFor((text) => text === `silent ${id}`);
    const after = below.length;
    frozen.kill("SIGCONT");
    await below.waitFor((text) => text === `added ${id}`, { after });
    await node.send([frozen], new Uint8Array(10), 6);
    const gone = node.log.events.some((event) =>
      event.event === "memberDisappeared" && event.member.uniqueId === id
    );
    assert.equal(gone, false);
  },
);

test(
  "Java sends to others beside a frozen node of ours, which stays a member",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times, java, node } = await cluster();
    await using frozen = await ChildNode.start(times);
    await java.waitForMember(frozen.member.uniqueId);
    frozen.kill("SIGSTOP");
    // One thread of Java's program sends after another: the one to both waits for the silent member.
    const failing = java.request(
      {
        command: "send",
        text: "both",
        options: 6,
        to: [node.address, frozen.address],
      },
      "sendFailed",
    );
    const failed = await failing;
    assert.deepEqual(
      failed.faultyMembers.map(({ member }) => member.uniqueId),
      [frozen.member.uniqueId],
    );
    const begin = Date.now();
    const sent = await java.request(
      { command: "send", size: 64, count: 50, options: 6, to: [node.address] },
      "sent",
    );
    assert.ok(Date.now() - begin < 3000);
    await node.waitForMessage(sent.uniqueId);
    frozen.kill("SIGCONT");
    await java.request(
      { command: "send", text: "awake", options: 6, to: [frozen.address] },
      "sent",
    );
    const gone = java.events.some((event) =>
      event.event === "memberDisappeared" &&
      event.member.uniqueId === frozen.member.uniqueId
    );
    assert.equal(gone, false);
  },
);
