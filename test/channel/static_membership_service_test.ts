import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupChannel } from "../../channel/group_channel.ts";
import { RpcChannel } from "../../channel/rpc_channel.ts";
import { StaticMembershipService } from "../../channel/static_membership_service.ts";
import type { StaticMembershipServiceOptions } from "../../channel/static_membership_service_options.ts";
import {
  createMember,
  encodeHost,
  encodeMemberMessage,
  isShutdown,
  javaField,
  javaMemberMessage,
  type JavaObject,
  javaString,
  type Member,
  type MemberInit,
  memberUidOf,
  MSG_PING,
  MSG_START,
  MSG_STOP,
  parseGeneration,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { bytes, idOf, SimulatedNode } from "../support/simulated_group.ts";

const NAME = "test";
const ID = bytes("test-StaticMembership");

function place(i: number): MemberInit {
  return {
    host: encodeHost(`10.0.0.${i}`),
    port: 4000,
    uniqueId: new Uint8Array(16).fill(i),
  };
}

const PLACES = [1, 2, 3].map(place);

/** A node whose members are those of all places. */
class StaticNode extends SimulatedNode {
  readonly service: StaticMembershipService;

  constructor(
    network: MemoryNetwork,
    host: string,
    options: Partial<StaticMembershipServiceOptions> = {},
  ) {
    const transport = network.transport(host);
    const service = new StaticMembershipService(transport, {
      members: PLACES,
      channelName: NAME,
      ...options,
    });
    super(transport, host, { membership: service });
    this.service = service;
  }
}

async function withNodes(
  task: (
    network: MemoryNetwork,
    nodes: [StaticNode, StaticNode, StaticNode],
  ) => Promise<void>,
  options: Partial<StaticMembershipServiceOptions> = {},
  network: MemoryNetwork = new MemoryNetwork(),
): Promise<void> {
  const [a, b, c] = [1, 2, 3].map((i) =>
    new StaticNode(network, `10.0.0.${i}`, options)
  );
  await network.run(async () => {
    await Promise.all([a!, b!, c!].map(({ channel }) => channel.start()));
    await network.advance(6000);
    await task(network, [a!, b!, c!]); // there are three
    await Promise.all([a!, b!, c!].map(({ channel }) => channel.stop()));
  });
  for (const { probe } of [a!, b!, c!]) {
    assert.deepEqual(probe.open, { timers: 0, sockets: 0 });
  }
}

test("StaticMembershipService finds the configured members, and has the configured unique id", () =>
  withNodes(async (_, [a, b, c]) => {
    for (const [i, node] of [a, b, c].entries()) {
      assert.equal(idOf(node.channel.localMember()), `0${i + 1}`.repeat(16));
      assert.equal(node.view.length, 2);
      assert.equal(node.changes.length, 2);
    }
    assert.equal(a.channel.membershipName, "static");
    await a.sendAll("hello", 6);
    assert(b.messages.includes("hello") && c.messages.includes("hello"));
    await assert.rejects(a.sendAll("x", 0x40), { code: "unsupported" });
  }));

test("StaticMembershipService tells of a member when it starts, not at the next heartbeat", async () => {
  const network = new MemoryNetwork();
  const [a, b] = [1, 2].map((i) => new StaticNode(network, `10.0.0.${i}`));
  await network.run(async () => {
    await a!.channel.start();
    assert.deepEqual(a!.view, []);
    await b!.channel.start();
    await network.advance(10); // the failure detectors look for themselves
    assert.deepEqual(a!.view, ["10.0.0.2:4000"]);
    assert.deepEqual(b!.view, ["10.0.0.1:4000"]);
    await Promise.all([a!.channel.stop(), b!.channel.stop()]);
  });
});

test("StaticMembershipService refuses to start where no member is configured", async () => {
  const network = new MemoryNetwork();
  const node = new StaticNode(network, "10.0.0.9");
  await network.run(async () => {
    await assert.rejects(
      node.channel.start(),
      (error) =>
        error instanceof ChannelError &&
        /10\.0\.0\.9:4000 is not among/.test(error.message),
    );
  });
  const told = new StaticNode(network, "10.0.0.9", { localMember: place(9) });
  await network.run(async () => {
    await told.channel.start();
    assert.equal(idOf(told.channel.localMember()), "09".repeat(16));
    await told.channel.stop();
  });
});

test("StaticMembershipService hears at once that a member stops, and that it starts again", () =>
  withNodes(async (network, [a, b]) => {
    let left: Member | undefined;
    a.channel.addMembershipListener({
      memberDisappeared: (member) => void (left = member),
    });
    await b.channel.stop();
    await network.advance(10);
    assert(left !== undefined && isShutdown(left));
    assert.deepEqual(a.view, ["10.0.0.3:4000"]);
    await b.channel.start();
    await network.advance(10);
    assert.deepEqual(a.view, ["10.0.0.2:4000", "10.0.0.3:4000"]);
    assert.equal(a.memberAt("10.0.0.2").command.length, 0);
  }));

test("StaticMembershipService loses a member that is silent for longer than expirationTime", () =>
  withNodes(async (network, [a]) => {
    network.crash("10.0.0.2");
    await network.advance(3000);
    assert.equal(a.view.length, 2);
    await network.advance(15_000);
    assert.deepEqual(a.view, ["10.0.0.3:4000"]);
    assert(a.changes.includes("-10.0.0.2:4000"));
  }));

test("StaticMembershipService finds its members again after a partition", () =>
  withNodes(async (network, nodes) => {
    network.partition([["10.0.0.1"], ["10.0.0.2", "10.0.0.3"]]);
    await network.advance(30_000);
    assert.deepEqual(nodes.map(({ view }) => view.length), [0, 1, 1]);
    network.heal();
    await network.advance(20_000);
    assert.deepEqual(nodes.map(({ view }) => view.length), [2, 2, 2]);
  }));

test("StaticMembershipService asks by its own timer with useThread", () =>
  withNodes(async (network, [a]) => {
    network.crash("10.0.0.2");
    await network.advance(4000);
    assert.deepEqual(a.view, ["10.0.0.3:4000"]); // before the channel's next heartbeats
  }, {
    useThread: true,
    pingInterval: 200,
    expirationTime: 800,
    rpcTimeout: 300,
    connectTimeout: 100,
  }));

test("StaticMembershipService stops while it waits for answers", () =>
  withNodes(async (network, [a]) => {
    network.partition([["10.0.0.1"], ["10.0.0.2", "10.0.0.3"]]);
    await network.advance(5200); // a heartbeat's connections stall
    const begin = network.now;
    const stopped = a.channel.stop();
    network.heal();
    await stopped;
    assert(network.now - begin < 4000, `${network.now - begin}`);
  }));

for (const release of ["9.0.70", "10.1.39", "11.0.21"]) {
  test(`StaticMembershipService answers a node of ${release} with what it can read`, async () => {
    const network = new MemoryNetwork();
    const node = new StaticNode(network, "10.0.0.1");
    const channel = new GroupChannel(network.transport("10.0.0.2"), {
      membership: null,
      ...place(2),
    });
    const generation = parseGeneration(release);
    const asked: (bigint | undefined)[] = [];
    const uidOf = (message: JavaObject) =>
      memberUidOf(javaField(message, "member") as JavaObject);
    const own = () =>
      javaMemberMessage({
        msgtype: MSG_START,
        member: channel.localMember(),
        membershipId: ID,
      }, { generation, memberClass: "StaticMember" });
    const rpc = new RpcChannel(channel, ID, {
      callback: {
        replyRequest: (message) => {
          asked.push(uidOf(message as JavaObject));
          return own();
        },
      },
    });
    await network.run(async () => {
      await channel.start(3);
      await node.channel.start();
      const to = createMember({ ...place(1) });
      const [reply] = await rpc.send([to], own());
      const uid = memberUidOf(javaField(own(), "member") as JavaObject);
      assert.equal(uidOf(reply!.message as JavaObject), uid);
      assert.deepEqual(node.view, ["10.0.0.2:4000"]);
      await network.advance(6000);
      assert(asked.length > 1);
      assert.equal(asked.at(-1), uid);
      await Promise.all([node.channel.stop(), channel.stop()]);
    });
  });
}

test("StaticMembershipService ignores other groups, and reports what it cannot read", () =>
  withNodes(async (network, [a, b]) => {
    const to = [a.memberAt("10.0.0.2")];
    const member = createMember({ host: encodeHost("10.0.0.8"), port: 1 });
    const membershipId = bytes("other-StaticMembership");
    for (const msgtype of [MSG_START, MSG_STOP, MSG_PING, 7]) {
      const other = encodeMemberMessage({ msgtype, member, membershipId });
      await a.channel.sendObject(to, other, { options: 6 });
    }
    assert.equal(b.service.members().length, 2);
    assert.deepEqual(b.errors, []);
    const good = encodeMemberMessage({
      msgtype: MSG_STOP,
      member,
      membershipId: ID,
    });
    const bad = good.slice();
    bad.fill(0xff, 300, 340);
    await a.channel.sendObject(to, bad, { options: 6 });
    assert.deepEqual(b.errors.map((error) => (error as ChannelError).code), [
      "bad-message",
    ]);
    const rpc = new RpcChannel(a.channel, ID);
    assert.deepEqual(await rpc.send(to, javaString("x"), { timeout: 100 }), []);
    assert.equal(b.errors.length, 2);
    assert.deepEqual(
      (await rpc.send(to, null, { timeout: 100 })).map(({ message }) =>
        message
      ),
      [null],
    );
    rpc.stop();
    await network.advance(10);
    assert.equal(b.service.members().length, 2);
  }));

test("StaticMembershipService has no more members than allowed", () =>
  withNodes(async (_, [a, b]) => {
    const to = [a.memberAt("10.0.0.2")];
    for (let port = 1; port <= 9; port++) {
      const member = createMember({ host: encodeHost("10.0.0.8"), port });
      const start = encodeMemberMessage({
        msgtype: MSG_START,
        member,
        membershipId: ID,
      });
      await a.channel.sendObject(to, start, { options: 6 });
    }
    assert.equal(b.service.members().length, 5);
    assert.equal(b.errors.length, 1);
  }, { maxMembers: 5 }));

test("StaticMembershipService takes no member that is longer than a beacon", () =>
  withNodes(async (_, [a, b]) => {
    const to = [a.memberAt("10.0.0.2")];
    const member = createMember({
      host: encodeHost("10.0.0.8"),
      port: 1,
      payload: new Uint8Array(70_000),
    });
    const start = encodeMemberMessage({
      msgtype: MSG_START,
      member,
      membershipId: ID,
    });
    await a.channel.sendObject(to, start, { options: 6 });
    assert.equal(b.service.members().length, 2);
    assert.match(String(b.errors[0]), /10\.0\.0\.1:4000 sent.*70\d{3} bytes/);
  }));

test("StaticMembershipService refuses options that are out of range", () => {
  const transport = new MemoryNetwork().transport("a");
  for (
    const name of [
      "expirationTime",
      "connectTimeout",
      "rpcTimeout",
      "pingInterval",
      "maxMembers",
    ]
  ) {
    for (const value of [0, -1, 1.5, NaN]) {
      assert.throws(
        () =>
          new StaticMembershipService(transport, {
            members: [],
            channelName: "x",
            [name]: value,
          }),
        RangeError,
      );
    }
  }
  assert.throws(
    () =>
      new StaticMembershipService(transport, {
        members: [],
        channelName: "\u20ac",
      }),
    RangeError,
  );
});
