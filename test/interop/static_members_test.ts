/** Members that are configured instead of found, on both sides: no multicast anywhere. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import { StaticMembershipInterceptor } from "../../channel/interceptors/static_membership.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import { SHUTDOWN_PAYLOAD } from "../../protocol/tribes/member.ts";
import { OurNode } from "../support/interop_channel.ts";
import { freePort, JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const LEFT = encodeHex(SHUTDOWN_PAYLOAD);

/** Where a node will be. */
interface Place {
  readonly port: number;
  readonly uniqueId: string;
}

async function freePlace(): Promise<Place> {
  return { port: await freePort(), uniqueId: encodeHex(randomBytes(16)) };
}

function startJava(here: Place, there: Place): Promise<JavaPeer> {
  return JavaPeer.start({
    release: RELEASE,
    port: here.port,
    autoBind: 1,
    uniqueId: here.uniqueId,
    heartbeatSleeptime: 500,
    interceptors: ["MessageDispatch", "TcpFailureDetector", "StaticMembership"],
    members: [`127.0.0.1:${there.port}:${there.uniqueId}`],
  });
}

function startOurs(
  here: Place,
  there: { readonly port: number; readonly uniqueId?: string },
): Promise<OurNode> {
  const member = {
    host: encodeHost("127.0.0.1"),
    port: there.port,
    ...(there.uniqueId === undefined
      ? {}
      : { uniqueId: decodeHex(there.uniqueId) }),
  };
  return OurNode.start({
    receiver: { port: here.port, autoBind: 1 },
    uniqueId: decodeHex(here.uniqueId),
    heartbeatSleeptime: 500,
    interceptors: [
      new MessageDispatchInterceptor(),
      new TcpFailureDetector(),
      new StaticMembershipInterceptor({ members: [member] }),
    ],
  });
}

/** Both know each other, and messages with synchronized acks go both ways. */
async function meet(node: OurNode, java: JavaPeer): Promise<void> {
  await Promise.all([
    node.waitForMember(java),
    java.waitForMember(node.member.uniqueId),
  ]);
  const uniqueId = await node.send([java], randomBytes(64), 6);
  await java.waitForEvent("message", (event) => event.uniqueId === uniqueId);
  const sent = await java.request(
    { command: "send", size: 64, options: 6 },
    "sent",
  );
  const message = await node.waitForMessage(sent.uniqueId);
  assert.equal(message.from.uniqueId, java.member.uniqueId);
  // Notices and tests are nobody's messages.
  const ids = node.log.events.filter((event) => event.event === "message");
  assert.deepEqual(ids, [message]);
}

test(
  "StaticMembershipInterceptor meets a Java that was there first, and tells it when it leaves",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const [ours, theirs] = await Promise.all([freePlace(), freePlace()]);
    await using java = await startJava(theirs, ours);
    await using node = await startOurs(ours, theirs);
    await meet(node, java);
    await node.channel.stop();
    const gone = await java.waitForEvent("memberDisappeared");
    assert.equal(gone.member.uniqueId, ours.uniqueId);
    assert.equal(gone.member.command, LEFT);
  },
);

test(
  "StaticMembershipInterceptor meets a Java that comes later, and is told when it leaves",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const [ours, theirs] = await Promise.all([freePlace(), freePlace()]);
    await using node = await startOurs(ours, theirs);
    assert.deepEqual(node.members(), []);
    await using java = await startJava(theirs, ours);
    await meet(node, java);
    java.send({ command: "stop" });
    const gone = await node.waitForMembership("memberDisappeared", java);
    assert.equal(gone.member.command, LEFT);
    await java.exited();
  },
);

test(
  "StaticMembershipInterceptor learns from Java's first message who a member without unique id is",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const [ours, theirs] = await Promise.all([freePlace(), freePlace()]);
    await using java = await startJava(theirs, ours);
    await using node = await startOurs(ours, { port: theirs.port });
    await meet(node, java);
    assert.deepEqual(
      node.members().map((member) => member.uniqueId),
      [theirs.uniqueId],
    );
  },
);

test(
  "StaticMembershipInterceptor with the detector finds a Java again that was killed and started anew",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const [ours, theirs] = await Promise.all([freePlace(), freePlace()]);
    await using node = await startOurs(ours, theirs);
    await using first = await startJava(theirs, ours);
    await meet(node, first);
    first.kill("SIGKILL");
    await first.exited();
    // Nobody is silent here: a failed send, or a heartbeat, finds it out.
    await node.waitForMembership("memberDisappeared", first);
    const after = node.log.length;
    await using second = await startJava(theirs, ours);
    await node.waitForMember(second, { after });
    await node.send([second], randomBytes(64), 6);
  },
);
