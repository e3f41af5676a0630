/**
 * Every cell of the table in docs/interop.md, run: each feature of the channel with each release of Tomcat, both ways.
 * Four Javas a release do for all of them; tests of single features go deeper with one release.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ThroughputInterceptor } from "../../channel/interceptors/throughput.ts";
import { NonBlockingCoordinator } from "../../channel/interceptors/non_blocking_coordinator.ts";
import { SimpleCoordinator } from "../../channel/interceptors/simple_coordinator.ts";
import { TwoPhaseCommitInterceptor } from "../../channel/interceptors/two_phase_commit.ts";
import { DroppedMessageError } from "../../channel/interceptors/dropped_messages.ts";
import { decodeObjectMessage } from "../../channel/object_message.ts";
import { ALL_REPLY, NO_REPLY } from "../../channel/rpc_channel.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { javaString } from "../../protocol/mod.ts";
import {
  TCP_FAILURE_DETECTOR_DATA,
  TCP_PING_DATA,
} from "../../protocol/tribes/control_bodies.ts";
import { type Member, SHUTDOWN_PAYLOAD } from "../../protocol/tribes/member.ts";
import { tablesBelow } from "../docs/markdown.ts";
import { identity, OurNode } from "../support/interop_channel.ts";
import {
  exchange,
  KEY,
  type Pair,
  sendToJava,
  sendToUs,
} from "../support/interceptor_peers.ts";
import {
  type CoordinatorEvent,
  JAVA_RELEASES,
  type JavaPeer,
  needsJava,
  type PeerMember,
} from "../support/java_peer.ts";
import {
  asking,
  CHOSEN,
  ELECTIONS,
  electors,
  FOUR,
  multicast,
  PART,
  PATIENT,
  stacked,
} from "../support/release_groups.ts";
import { destinationOf, layerOf, makeStack } from "../support/release_peers.ts";
import {
  type Feature,
  FEATURES,
  settingsOf,
  TABLE_RELEASES,
  type TableRelease,
  tableRows,
} from "../support/release_table.ts";

const TIMEOUT = 120_000;
const LEFT = encodeHex(SHUTDOWN_PAYLOAD);

/** A pair of a group. */
function pairIn(
  { node, javas }: { readonly node: OurNode; readonly javas: JavaPeer[] },
  release: TableRelease,
): Pair {
  const java = javas.find((java) => java.release === release);
  assert(java !== undefined, release);
  return { java, node };
}

/** Sends messages both ways whose options or size choose one layer, and sees what it makes of them. */
async function choose(
  release: TableRelease,
  options: readonly number[],
  sizes: readonly number[],
  lengths: (size: number) => readonly number[],
): Promise<void> {
  const group = await asking();
  const pair = pairIn(group, release);
  for (const size of sizes) {
    const after = group.probe.log.length;
    await exchange(pair, [size], options);
    const expected = options.flatMap(() => lengths(size));
    for (const way of ["sent", "received"] as const) {
      assert.deepEqual(
        group.probe.lengths(way, after),
        expected,
        `${way} of ${size} bytes`,
      );
    }
  }
}

type Check = (release: TableRelease) => Promise<void>;

/** How each row is run. */
const CHECKS: Readonly<Record<Feature, Check>> = {
  async "Messages with the options 0, 2 and 6"(release) {
    const { javas, node } = await multicast();
    await exchange(
      pairIn({ node, javas }, release),
      [0, 1, 8192, 100_000],
      [0, 2, 6],
    );
  },

  async "Java objects"(release) {
    const { java, node } = pairIn(await asking(), release);
    const there = encodeHex(
      await node.channel.sendObject([destinationOf(java)], "gr\u00fc\u00dfe", {
        options: 6,
      }),
    );
    const event = await java.waitForEvent(
      "message",
      ({ uniqueId }) => uniqueId === there,
    );
    assert.deepEqual([event.value, event.options], ["gr\u00fc\u00dfe", 6]);
    const objects: unknown[] = [];
    node.onMessage = (message) =>
      void objects.push(decodeObjectMessage(message));
    try {
      const to = [node.address];
      await java.request(
        { command: "send", object: "back", options: 6, to, direct: true },
        "sent",
      );
    } finally {
      node.onMessage = undefined;
    }
    assert.deepEqual(objects, [javaString("back")]);
  },

  async "RpcChannel, all four reply options"(release) {
    const { rpc, ...group } = await asking();
    const { java, node } = pairIn(group, release);
    await java.request({ command: "rpcChannel", id: "echo" }, "done");
    for (const reply of [1, 2, 3, 4] as const) {
      const wanted = reply === NO_REPLY ? [] : [`reply ${reply}`];
      const responses = await rpc.send(
        [destinationOf(java)],
        `reply ${reply}`,
        { reply },
      );
      assert.deepEqual(
        responses.map(({ message }) => message),
        wanted.map(javaString),
      );
      const { replies } = await java.request({
        command: "rpc",
        id: "echo",
        object: `reply ${reply}`,
        reply,
        to: [`${node.address}:${node.member.uniqueId}`],
        direct: true,
      }, "replies");
      assert.deepEqual(replies.map(({ value }) => value), wanted);
    }
    // All of the group, asked at once.
    await Promise.all(
      group.javas.map((java) =>
        java.request({ command: "rpcChannel", id: "echo" }, "done")
      ),
    );
    const all = await rpc.send(group.javas.map(destinationOf), "all", {
      reply: ALL_REPLY,
    });
    assert.equal(all.length, group.javas.length);
  },

  async "McastService"(release) {
    const { javas, node } = await multicast();
    const { java } = pairIn({ node, javas }, release);
    const { members } = await java.request({ command: "members" }, "members");
    const known = members.find(({ uniqueId }) =>
      uniqueId === node.member.uniqueId
    );
    assert(known !== undefined);
    assert.deepEqual(identity(known), identity(node.member));
    const heard = node.members().find(({ uniqueId }) =>
      uniqueId === java.member.uniqueId
    );
    assert(heard !== undefined);
    assert.deepEqual(identity(heard), identity(java.member));
  },

  async "StaticMembershipService"(release) {
    const { own, visitor, visited, ours, javas, node } = await asking();
    const { java } = pairIn({ node, javas }, release);
    const member = await ours.waitForMember(java.member.uniqueId);
    await java.waitForMember(own.uniqueId);
    const sent = encodeHex(
      await ours.channel.send([member], randomBytes(8), { options: 6 }),
    );
    await java.waitForEvent("message", ({ uniqueId }) => uniqueId === sent);
    await visited();
    const gone = await java.waitForEvent(
      "memberDisappeared",
      ({ member }) => member.uniqueId === visitor.uniqueId,
    );
    assert.equal(gone.member.command, LEFT);
  },

  async "StaticMembershipInterceptor"(release) {
    const { java, node, startAgain } = await electors(release, "take");
    await meet(java, node);
    const before = java.events.length;
    await node.channel.stop();
    const { member } = await java.waitForEvent(
      "memberDisappeared",
      () => true,
      { ...PATIENT, after: before },
    );
    assert.deepEqual([member.uniqueId, member.command], [
      node.member.uniqueId,
      LEFT,
    ]);
    const again = await startAgain();
    await meet(java, again, before);
    java.send({ command: "stop" });
    const gone = await again.waitForMembership(
      "memberDisappeared",
      java,
      PATIENT,
    );
    assert.equal(gone.member.command, LEFT);
    await java.exited();
  },

  async "TcpFailureDetector"(release) {
    const { java, node, fake, bodies } = await stacked(release, "take");
    await meet(java, node);
    const test = encodeHex(TCP_FAILURE_DETECTOR_DATA);
    await bodies.waitFor((body) => body === test);
    // Its end is silent, as a crash is.
    await fake.close();
    const { member } = await java.waitForEvent("memberDisappeared");
    assert.deepEqual([member.port, member.command], [fake.member.port, ""]);
    java.kill("SIGKILL");
    const gone = await node.waitForMembership("memberDisappeared", java);
    assert.equal(gone.member.command, "");
    for (const event of [...node.log.events, ...java.events]) {
      if (event.event !== "message" && event.event !== "dropped") continue;
      assert(!event.hex.startsWith(test));
    }
  },

  async "TcpPingInterceptor"(release) {
    const { ours, asked, ...group } = await asking();
    const { java } = pairIn(group, release);
    const member = await ours.waitForMember(java.member.uniqueId);
    const ping = encodeHex(TCP_PING_DATA);
    const isPing = (event: "sent" | "received", from: string) =>
      asked.log.waitFor((each) =>
        each.event === event && each.from === from &&
        encodeHex(each.body.subarray(0, TCP_PING_DATA.length)) === ping
      );
    await isPing("received", java.member.uniqueId);
    await isPing("sent", group.own.uniqueId);
    const sent = encodeHex(
      await ours.channel.send([member], randomBytes(8), { options: 6 }),
    );
    await java.waitForEvent("message", ({ uniqueId }) => uniqueId === sent);
    assert(!ours.messages.includes(ping));
    for (const event of java.events) {
      if (event.event !== "message" && event.event !== "dropped") continue;
      assert(!event.hex.startsWith(ping));
    }
  },

  async "MessageDispatchInterceptor"(release) {
    const { javas, node } = await multicast();
    await exchange(
      pairIn({ node, javas }, release),
      [0, 1, 8192, 100_000],
      [8, 10],
    );
  },

  async "GzipInterceptor"(release) {
    const group = await asking();
    await choose(release, [2, 6], [0, 4999], (size) => [size + 1]);
    const after = group.probe.log.length;
    await exchange(
      pairIn(group, release),
      [10_001, 1_000_001], // Zeros from us, numbers from Java
      [2, 6],
      () => 0x100,
    );
    for (const event of group.probe.log.events.slice(after)) {
      assert.equal(encodeHex(event.body.subarray(0, 2)), "1f8b");
      assert(event.body.length < 10_000);
    }
  },

  async "FragmentationInterceptor"(release) {
    await choose(
      release,
      [2, 6].map((options) => options | CHOSEN.fragmentation),
      [0, PART - 1, PART, PART + 1, 5 * PART - 1],
      partLengths,
    );
  },

  async "OrderInterceptor"(release) {
    await choose(release, [2, 6].map((options) => options | CHOSEN.order), [
      0,
      1,
      4990,
    ], (size) => [size + 4 + 1]);
  },

  async "EncryptInterceptor"(release) {
    const { java, node } = await electors(release, "share");
    await exchange({ java, node }, [0, 1, 8, 16, 8192], [2, 6]);
    const settings = settingsOf("EncryptInterceptor", release);
    if (settings.generation === undefined) return;
    // The setting is needed.
    await using other = await OurNode.start({
      interceptors: makeStack([`Encrypt:encryptionKey=${KEY}`]),
    });
    await sendToUs({ java, node: other }, 100, 6);
    assert(
      other.log.events.some((event) =>
        event.event === "fault" && event.error instanceof DroppedMessageError
      ),
    );
    assert(other.log.events.every(({ event }) => event !== "message"));
  },

  async [FOUR](release) {
    const { java, node } = await stacked(release, "share");
    await exchange(
      { java, node },
      [0, 1, 5000, 100_000, 100_001],
      [2, 6],
      () => 0x100, // with its number no message is empty
    );
  },

  async "DomainFilterInterceptor"(release) {
    const { stranger, javas, node } = await multicast();
    const pair = pairIn({ node, javas }, release);
    const { java } = pair;
    const body = randomBytes(5);
    const refused = await sendToJava({ java, node: stranger }, body, 6);
    const sent = await sendToUs({ java, node: stranger }, 5, 6);
    await exchange(pair, [5], [6]);
    assert(
      java.events.every((event) =>
        event.event !== "message" || event.uniqueId !== refused
      ),
    );
    assert.deepEqual(stranger.messages(sent.uniqueId), []);
    const { members } = await java.request({ command: "members" }, "members");
    for (const known of [members, node.members()]) {
      assert(
        known.every(({ uniqueId }) => uniqueId !== stranger.member.uniqueId),
      );
      assert.equal(known.length, TABLE_RELEASES.length);
    }
    assert.deepEqual(stranger.members(), []);
  },

  async "ThroughputInterceptor"(release) {
    const { layers, ...group } = await asking();
    const layer = layerOf(layers, "Throughput");
    assert(layer instanceof ThroughputInterceptor);
    const before = layer.statistics();
    await exchange(pairIn(group, release), [0, 4096], [2, 6]);
    const after = layer.statistics();
    assert.equal(after.msgTxCnt - before.msgTxCnt, 4);
    assert.equal(after.msgRxCnt - before.msgRxCnt, 4);
  },

  async "TwoPhaseCommitInterceptor, options 6"(release) {
    await choose(
      release,
      [CHOSEN.twoPhaseCommit | 6], // with less a confirmation may overtake its message in Java
      [0, 48, 4096],
      (size) => [size + 1, 48 + 1],
    );
    const layer = layerOf((await asking()).layers, "TwoPhaseCommit");
    assert(layer instanceof TwoPhaseCommitInterceptor);
    const { waitingMessages, unmatched } = layer.statistics();
    assert.deepEqual([waitingMessages, unmatched], [0, 0]);
  },

  async [ELECTIONS](release) {
    const { java, node, layers } = await electors(release, "share");
    const layer = layerOf(layers, "NonBlockingCoordinator");
    assert(layer instanceof NonBlockingCoordinator);
    const unsigned = ["10.1.56", "10.1.60"].includes(release);
    await agree(
      java,
      () => layer.view(),
      unsigned ? [node.member, java.member] : [java.member, node.member],
    );
    assert.equal(layer.isCoordinator(), unsigned);
  },

  async "SimpleCoordinator, all on one host"(release) {
    const { node, layers, javas } = await multicast();
    const { java } = pairIn({ node, javas }, release);
    const layer = layerOf(layers, "SimpleCoordinator");
    assert(layer instanceof SimpleCoordinator);
    const all = [node, ...javas].map(({ member }) => member)
      .sort((a, b) => a.port - b.port);
    await agree(java, () => layer.view(), all);
  },
};

for (const feature of FEATURES) {
  for (const release of TABLE_RELEASES) {
    test(
      `${feature} and Tomcat ${release} work together`,
      needsJava(TABLE_RELEASES, TIMEOUT),
      () => CHECKS[feature](release),
    );
  }
}

test("docs/interop.md has the cells that these tests run", () => {
  const [table] = tablesBelow("docs/interop.md", "What runs with what");
  assert.deepEqual(table, tableRows());
  assert.deepEqual(Object.keys(CHECKS).sort(), [...FEATURES].sort());
  assert.deepEqual(
    [...TABLE_RELEASES].sort(),
    Object.keys(JAVA_RELEASES).sort(),
  );
});

/** What fragmentation makes of a message: the whole and a byte, or parts with their number, their count and a byte. */
function partLengths(size: number): number[] {
  if (size <= PART) return [size + 1];
  return Array.from(
    { length: Math.ceil(size / PART) },
    (_, i) => Math.min(PART, size - i * PART) + 4 + 4 + 1,
  );
}

/** Both know each other, and the last word of either is not that the other is gone. */
async function meet(java: JavaPeer, node: OurNode, after = 0): Promise<void> {
  await java.waitForEvent(
    "memberAdded",
    ({ member }) => member.uniqueId === node.member.uniqueId,
    { ...PATIENT, after },
  );
  await node.waitForMember(java, PATIENT);
}

/** Waits until Java and we have the members in this order, of which the first is the coordinator. */
async function agree(
  java: JavaPeer,
  view: () => readonly Member[],
  members: readonly PeerMember[],
): Promise<void> {
  const wanted = members.map(({ uniqueId }) => uniqueId);
  const is = ({ view }: CoordinatorEvent) =>
    view.map(({ uniqueId }) => uniqueId).join() === wanted.join();
  const after = java.events.length;
  const now = await java.request({ command: "coordinator" }, "coordinator");
  const then = is(now)
    ? now
    : await java.waitForEvent("coordinator", is, { ...PATIENT, after });
  assert.equal(then.coordinator?.uniqueId, wanted[0]);
  const ours = () => view().map(({ uniqueId }) => encodeHex(uniqueId));
  for (let round = 0; round < 300; round++) {
    if (ours().join() === wanted.join()) break;
    await new Promise((next) => setTimeout(next, 50));
  }
  assert.deepEqual(ours(), wanted);
}
