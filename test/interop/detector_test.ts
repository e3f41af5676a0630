/** The failure detectors of Tomcat and ours: whose test reaches whom, and what a failed test means. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import {
  TcpFailureDetector,
  type TcpFailureDetectorOptions,
} from "../../channel/interceptors/tcp_failure_detector.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { TCP_FAILURE_DETECTOR_DATA } from "../../protocol/tribes/control_bodies.ts";
import { ChannelError } from "../../transport/errors.ts";
import { ChildNode } from "../support/interop_child.ts";
import { OurNode, shared } from "../support/interop_channel.ts";
import { EventLog } from "../support/interop_events.ts";
import { LossyTransport } from "../support/interop_transport.ts";
import { freeGroup, JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const TEST_BODY = encodeHex(TCP_FAILURE_DETECTOR_DATA);
/** No member is dropped for silence while a test runs. */
const DROP_TIME = 60_000;

/** Two Javas of one group: `plain` has no detector, and finds what is sent to it among its messages. */
const cluster = shared(async (keep) => {
  const times = {
    group: await freeGroup(),
    frequency: 250,
    dropTime: DROP_TIME,
  };
  const [java, plain] = await Promise.all([
    JavaPeer.start({
      release: RELEASE,
      heartbeatSleeptime: 1000,
      interceptors: [
        "MessageDispatch",
        "TcpFailureDetector:performReadTest=true",
      ],
      ...times,
    }).then(keep),
    JavaPeer.start({
      release: RELEASE,
      interceptors: ["MessageDispatch"],
      ...times,
    }).then(keep),
  ]);
  return { java, plain, times };
});

/** What comes up from the network below the detector: options and body in hex, a message. */
function probe(log: EventLog<string>): ChannelInterceptor {
  return {
    name: "Probe",
    messageReceived(message, next) {
      log.push(`${message.options} ${encodeHex(message.message)}`);
      return next(message);
    },
  };
}

/** Our default stack, with a probe below it. */
function stackOver(
  log: EventLog<string>,
  options: TcpFailureDetectorOptions = {},
): ChannelInterceptor[] {
  return [
    new MessageDispatchInterceptor(),
    new TcpFailureDetector(options),
    probe(log),
  ];
}

/** Messages with a test's body that an application got. */
function testsAmong(
  events: readonly { readonly event: string; readonly hex?: string }[],
) {
  return events.filter((event) => event.hex === TEST_BODY);
}

/** Sends both ways with synchronized acks. */
async function talk(node: OurNode, java: JavaPeer): Promise<void> {
  const uniqueId = await node.send([java], new Uint8Array(64), 6);
  await java.waitForEvent("message", (event) => event.uniqueId === uniqueId);
  const sent = await java.request(
    { command: "send", size: 64, options: 6, to: [node.address] },
    "sent",
  );
  await node.waitForMessage(sent.uniqueId);
}

for (const performReadTest of [false, true]) {
  test(
    `TcpFailureDetector swallows Java's test and Java ours (performReadTest ${performReadTest})`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { java, times } = await cluster();
      const below = new EventLog<string>("the layer below the detector");
      const transport = new LossyTransport();
      await using node = await OurNode.start({
        ...times,
        transport,
        interceptors: stackOver(below, { performReadTest }),
      });
      await java.waitForMember(node.member.uniqueId);
      await node.waitForMember(java);
      // Java's asks for an ack, and has got it: it took us for alive.
      await below.waitFor((text) => text === `3 ${TEST_BODY}`);
      assert.ok(transport.connected >= 2); // its own tests of both
      await talk(node, java);
      assert.deepEqual(testsAmong(node.log.events), []);
      assert.deepEqual(testsAmong(java.events), []);
    },
  );
}

for (const performReadTest of [false, true]) {
  test(
    `TcpFailureDetector works with a Java without one, which gets the test as a message (performReadTest ${performReadTest})`,
    needsJava(RELEASE, TIMEOUT),
    async () => {
      const { plain, times } = await cluster();
      await using node = await OurNode.start({
        ...times,
        interceptors: stackOver(new EventLog("nobody"), { performReadTest }),
      });
      await plain.waitForMember(node.member.uniqueId);
      await node.waitForMember(plain);
      const message = await plain.waitForEvent(
        "message",
        (event) =>
          event.hex === TEST_BODY &&
          event.from.uniqueId === node.member.uniqueId,
      );
      assert.equal(message.options, performReadTest ? 3 : 1);
      await talk(node, plain);
    },
  );
}

test(
  "GroupChannel without a detector gets Java's test as a message, and Java takes it for alive",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, times } = await cluster();
    await using node = await OurNode.start({
      ...times,
      interceptors: [new MessageDispatchInterceptor()],
    });
    await java.waitForMember(node.member.uniqueId);
    await node.waitForMember(java);
    const message = await node.log.waitFor((event) =>
      event.event === "message" && event.hex === TEST_BODY
    );
    assert.equal(message.event === "message" && message.options, 3);
    await talk(node, java);
  },
);

test(
  "TcpFailureDetector reports a killed Java after a failed send, long before dropTime",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { times } = await cluster();
    await using node = await OurNode.start(times);
    await using victim = await JavaPeer.start({ release: RELEASE, ...times });
    await node.waitForMember(victim);
    await node.send([victim], new Uint8Array(64), 6);
    victim.kill("SIGKILL");
    await victim.exited();
    const begin = Date.now();
    await assert.rejects(
      node.send([victim], new Uint8Array(64), 6),
      (error) =>
        error instanceof ChannelError && error.code === "connection-refused",
    );
    const gone = await node.waitForMembership("memberDisappeared", victim);
    console.log(
      `killed Java gone at ours ${gone.time - begin} ms after a failed send`,
    );
  },
);

test(
  "Java's detector reports a killed node of ours after a failed send, long before dropTime",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java, times } = await cluster();
    await using victim = await ChildNode.start(times);
    await java.waitForMember(victim.member.uniqueId);
    const to = [victim.address];
    await java.request({ command: "send", size: 64, options: 6, to }, "sent");
    await victim[Symbol.asyncDispose]();
    const failed = await java.request(
      { command: "send", size: 64, options: 6, to },
      "sendFailed",
    );
    const gone = await java.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === victim.member.uniqueId,
    );
    console.log(
      `killed node of ours gone at Java ${
        gone.time - failed.time
      } ms after the failure of a send`,
    );
  },
);
