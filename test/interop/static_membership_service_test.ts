/**
 * Configured members that ask each other, with releases that cannot read each other's members but all read, and are
 * read by, this node: 9.0.70 on one side, 10.1.60 and 11.0.21 on the other.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { GroupChannel } from "../../channel/group_channel.ts";
import { StaticMembershipService } from "../../channel/static_membership_service.ts";
import {
  decodeHex,
  encodeHex,
  encodeHost,
  isShutdown,
  type Member,
} from "../../protocol/mod.ts";
import { NodeTransport } from "../../transport/node.ts";
import { shared } from "../support/interop_channel.ts";
import { EventLog } from "../support/interop_events.ts";
import { freePort, JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASES = ["9.0.70", "10.1.60", "11.0.21"] as const;
const NEEDS = needsJava(RELEASES);
const NAME = "Catalina-Channel";

interface Place {
  readonly port: number;
  readonly uniqueId: string;
}

interface Change {
  readonly event: "memberAdded" | "memberDisappeared";
  readonly member: Member;
}

/** Our channel and what it told. */
class StaticNode implements AsyncDisposable {
  readonly channel: GroupChannel;
  readonly log = new EventLog<Change>("our node");
  readonly errors: Error[] = [];

  constructor(own: Place, places: readonly Place[]) {
    const transport = new NodeTransport();
    this.channel = new GroupChannel(transport, {
      receiver: { address: "127.0.0.1", port: own.port, autoBind: 1 },
      heartbeatSleeptime: 300,
      membership: new StaticMembershipService(transport, {
        channelName: NAME,
        expirationTime: 1500,
        rpcTimeout: 500,
        members: places.map(({ port, uniqueId }) => ({
          host: encodeHost("127.0.0.1"),
          port,
          uniqueId: decodeHex(uniqueId),
        })),
      }),
      onError: (error) => void this.errors.push(error),
    });
    for (const event of ["memberAdded", "memberDisappeared"] as const) {
      this.channel.addMembershipListener({
        [event]: (member: Member) => this.log.push({ event, member }),
      });
    }
  }

  waitFor(
    event: Change["event"],
    { uniqueId }: Place,
    after = 0,
  ): Promise<Change> {
    return this.log.waitFor(
      (change): change is Change =>
        change.event === event &&
        encodeHex(change.member.uniqueId) === uniqueId,
      { after },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel.stop();
  }
}

function startJava(
  release: string,
  own: Place,
  places: readonly Place[],
  heartbeat = true,
): Promise<JavaPeer> {
  return JavaPeer.start({
    release,
    port: own.port,
    autoBind: 1,
    service: "static",
    members: places.map(({ port, uniqueId }) =>
      `127.0.0.1:${port}:${uniqueId}`
    ),
    heartbeat,
    heartbeatSleeptime: 300,
    attributes: {
      "channel.name": NAME,
      "membership.expirationTime": 1500,
      "membership.rpcTimeout": 500,
    },
  });
}

const group = shared(async (keep) => {
  const places = await Promise.all(
    Array.from({ length: 4 }, async () => ({
      port: await freePort(),
      uniqueId: encodeHex(randomBytes(16)),
    })),
  ) as [Place, Place, Place, Place];
  const ours = keep(new StaticNode(places[0], places));
  await ours.channel.start();
  const java = await Promise.all(
    RELEASES.map((release, i) =>
      startJava(release, places[i + 1]!, places).then(keep)
    ), // one more than releases
  ) as [JavaPeer, JavaPeer, JavaPeer];
  return { places, ours, java, keep };
});

test(
  "StaticMembershipService and Tomcat's find each other, whatever the release",
  NEEDS,
  async () => {
    const { places, ours, java } = await group();
    assert.equal(
      encodeHex(ours.channel.localMember().uniqueId),
      places[0].uniqueId,
    );
    for (const [i, peer] of java.entries()) {
      await ours.waitFor("memberAdded", places[i + 1]!); // one more than peers
      await peer.waitForMember(places[0].uniqueId);
    }
    await java[1].waitForMember(places[3].uniqueId); // they can read each other
    const known = ours.channel.members().map(({ uniqueId }) =>
      encodeHex(uniqueId)
    );
    assert.deepEqual(
      known.sort(),
      places.slice(1).map(({ uniqueId }) => uniqueId).sort(),
    );
    const sent = await ours.channel.send(
      ours.channel.members(),
      Uint8Array.of(65),
      { options: 6 },
    );
    for (const peer of java) {
      await peer.waitForEvent(
        "message",
        ({ uniqueId }) => uniqueId === encodeHex(sent),
      );
    }
  },
);

test(
  "StaticMembershipService keeps members that go on, and loses one that is killed",
  NEEDS,
  async () => {
    const { places, ours, java } = await group();
    const after = ours.log.events.length;
    java[2].kill("SIGKILL");
    await java[2].exited();
    const { member } = await ours.waitFor(
      "memberDisappeared",
      places[3],
      after,
    );
    assert(!isShutdown(member));
    await java[1].waitForEvent(
      "memberDisappeared",
      ({ member }) => member.uniqueId === places[3].uniqueId,
    );
    assert.equal(ours.log.events.length, after + 1); // for longer than the expiration time
  },
);

test(
  "StaticMembershipService finds a member that starts again with its unique id",
  NEEDS,
  async () => {
    const { places, ours, java, keep } = await group();
    const after = ours.log.events.length;
    java[2] = keep(await startJava(RELEASES[2], places[3], places, false));
    await ours.waitFor("memberAdded", places[3], after);
    await java[2].waitForMember(places[0].uniqueId);
  },
);

test("StaticMembershipService hears that a Tomcat stops", NEEDS, async () => {
  const { places, ours, java } = await group();
  const after = ours.log.events.length;
  await java[1].stop();
  const { member } = await ours.waitFor("memberDisappeared", places[2], after);
  assert(isShutdown(member));
});

test(
  "Tomcat hears that StaticMembershipService stops, and starts again",
  NEEDS,
  async () => {
    const { places, ours, java } = await group();
    const left = [java[0], java[2]];
    const before = left.map(({ events }) => events.length);
    const log = ours.log.events.length;
    await ours.channel.stop();
    const gone = await Promise.all(left.map((peer, i) =>
      peer.waitForEvent(
        "memberDisappeared",
        ({ member }) => member.uniqueId === places[0].uniqueId,
        { after: before[i]! }, // as many as peers
      )
    ));
    for (const { member } of gone) {
      assert.equal(
        member.command,
        encodeHex(new TextEncoder().encode("BABY-ALEX")),
      );
    }
    await ours.channel.start();
    // Of those that ask by themselves this is not certain: a Tomcat that waits for replies of others, which cannot read
    // its question, takes the last reply of a member that has left for news, finds nobody there, and from then on
    // holds it for gone, with the shutdown command, whatever it says.
    await java[2].waitForMember(places[0].uniqueId, {
      after: java[2].events.indexOf(gone[1]!) + 1, // there are two
    });
    await ours.waitFor("memberAdded", places[1], log);
    await ours.waitFor("memberAdded", places[3], log);
    const sent = await ours.channel.send(
      ours.channel.members(),
      Uint8Array.of(66),
      { options: 6 },
    );
    for (const peer of left) {
      await peer.waitForEvent(
        "message",
        ({ uniqueId }) => uniqueId === encodeHex(sent),
      );
    }
  },
);
