import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  type CloudFetchOptions,
  type CloudMember,
  CloudMembership,
  type CloudMembershipOptions,
  type MembershipProvider,
  resolveCloudMembershipOptions,
} from "../../membership/cloud_membership.ts";
import { cloudUniqueId, javaAddress } from "../../membership/cloud_identity.ts";
import { encodeHex, encodeHost } from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import {
  idOf,
  SimulatedGroup,
  type SimulatedNode,
} from "../support/simulated_group.ts";

/** A platform whose answer a test says. */
class Platform implements MembershipProvider {
  readonly name = "platform";
  readonly takesSenders: boolean;
  readonly fetches: CloudFetchOptions[] = [];
  answer: () => readonly string[] | Promise<readonly CloudMember[]> = () => [];

  constructor(takesSenders = false) {
    this.takesSenders = takesSenders;
  }

  async fetchMembers(
    options: CloudFetchOptions,
  ): Promise<readonly CloudMember[]> {
    this.fetches.push(options);
    const answer = await this.answer();
    return answer.map((item) =>
      typeof item === "string" ? cloudMember(item) : item
    );
  }
}

function cloudMember(address: string, id = address): CloudMember {
  const host = encodeHost(address);
  return { host, uniqueId: cloudUniqueId(id), aliveTime: -1 };
}

/** Runs a task with nodes that ask one platform. */
async function withNodes(
  count: number,
  task: (
    network: MemoryNetwork,
    nodes: SimulatedNode[],
    platform: Platform,
  ) => Promise<void>,
  options: CloudMembershipOptions = {},
  platform: Platform = new Platform(),
): Promise<void> {
  const network = new MemoryNetwork();
  const group = new SimulatedGroup(network);
  for (let i = 0; i < count; i++) {
    group.add({
      membership: new CloudMembership(platform, options),
      interceptors: [],
    });
  }
  platform.answer = () => group.nodes.map(({ host }) => host);
  await network.run(async () => {
    await group.start();
    await task(network, group.nodes, platform);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
  for (const { probe } of group.nodes) {
    assert.deepEqual(probe.open, { timers: 0, sockets: 0 });
  }
}

test("CloudMembership finds the others, and itself, within its start", () =>
  withNodes(3, async (_, [a, b, c]) => {
    assert.deepEqual(a!.view, ["10.0.0.2:4000", "10.0.0.3:4000"]);
    assert.deepEqual(c!.changes, ["+10.0.0.1:4000", "+10.0.0.2:4000"]);
    const own = b!.channel.localMember();
    assert.equal(idOf(own), createHash("md5").update("10.0.0.2").digest("hex"));
    assert.equal(idOf(a!.memberAt("10.0.0.2")), idOf(own));
    assert.equal(a!.memberAt("10.0.0.2").aliveTime, -1);
    assert.equal(a!.channel.membershipName, "cloud");
    await a!.sendAll("hello", 6);
    assert.deepEqual([b!.messages, c!.messages], [["hello"], ["hello"]]);
  }));

test("CloudMembership is 16 zero bytes until the platform knows it", () =>
  withNodes(1, async (network, [a], platform) => {
    const { channel } = a!;
    await channel.stop();
    platform.answer = () => [];
    await channel.start();
    assert.equal(idOf(channel.localMember()), "00".repeat(16));
    platform.answer = () => ["10.0.0.1"];
    await network.advance(6000);
    assert.equal(
      idOf(channel.localMember()),
      encodeHex(cloudUniqueId("10.0.0.1")),
    );
    // Once it is known it stays, as in Tomcat.
    platform.answer = () =>
      Promise.resolve([cloudMember("10.0.0.1", "another uid")]);
    await network.advance(6000);
    assert.equal(
      idOf(channel.localMember()),
      encodeHex(cloudUniqueId("10.0.0.1")),
    );
  }));

test("CloudMembership asks at each heartbeat; who is not named any more expires", () =>
  withNodes(2, async (network, [a], platform) => {
    const before = platform.fetches.length;
    platform.answer = () => ["10.0.0.1", "10.0.0.9"];
    await network.advance(5000);
    assert.equal(platform.fetches.length, before + 2); // one for each node
    assert.deepEqual(a!.view, ["10.0.0.2:4000", "10.0.0.9:4000"]);
    await network.advance(5000);
    assert.deepEqual(a!.view, ["10.0.0.9:4000"]);
    assert.deepEqual(a!.changes, [
      "+10.0.0.2:4000",
      "+10.0.0.9:4000",
      "-10.0.0.2:4000",
    ]);
  }));

test("CloudMembership tells a pod with another uid at an address from the one before", () =>
  withNodes(1, async (network, [a], platform) => {
    platform.answer = () => Promise.resolve([cloudMember("10.0.0.7", "one")]);
    await network.advance(5000);
    platform.answer = () => Promise.resolve([cloudMember("10.0.0.7", "two")]);
    await network.advance(10_000);
    assert.deepEqual(a!.changes, [
      "+10.0.0.7:4000",
      "+10.0.0.7:4000",
      "-10.0.0.7:4000",
    ]);
    assert.deepEqual(a!.ids, [encodeHex(cloudUniqueId("two"))]);
  }));

for (
  const [what, answer] of [
    [
      "fails",
      () => Promise.reject(new ChannelError("bad-message", "Cannot read")),
    ],
    ["never answers", () => new Promise<never>(() => {})],
    ["throws what is no error", () => {
      throw "nothing";
    }],
    [
      "gives a member that has no wire form",
      () =>
        Promise.resolve([{
          ...cloudMember("10.0.0.3"),
          uniqueId: new Uint8Array(3),
        }]),
    ],
  ] as const
) {
  test(`CloudMembership keeps its members while the platform ${what}, and says so once`, () =>
    withNodes(2, async (network, [a], platform) => {
      platform.answer = answer;
      await network.advance(60_000);
      assert.deepEqual(a!.view, ["10.0.0.2:4000"]);
      assert.equal(a!.errors.length, 1);
      platform.answer = () => ["10.0.0.1", "10.0.0.2"];
      await network.advance(10_000);
      platform.answer = answer;
      await network.advance(60_000);
      assert.equal(a!.errors.length, 2);
      assert.deepEqual(a!.changes, ["+10.0.0.2:4000"]);
    }));
}

test("CloudMembership gives a fetch connectTimeout and readTimeout, and aborts it then", () =>
  withNodes(1, async (network, [a], platform) => {
    platform.answer = () => new Promise<never>(() => {});
    const begin = network.now;
    await network.advance(5000);
    const { signal, connectTimeout, readTimeout } = platform.fetches.at(-1)!;
    assert.deepEqual([connectTimeout, readTimeout], [300, 400]);
    assert(!signal.aborted);
    await network.advance(699);
    assert(!signal.aborted, `${network.now - begin}`);
    await network.advance(1);
    assert(signal.aborted);
    await network.advance(1);
    assert(a!.errors[0] instanceof ChannelError);
    assert.equal(a!.errors[0].code, "timeout");
    assert.match(a!.errors[0].message, /no answer within 700 ms/);
  }, { connectTimeout: 300, readTimeout: 400 }));

test("CloudMembership gives up its fetch when it stops", () =>
  withNodes(1, async (network, [a], platform) => {
    platform.answer = () => new Promise<never>(() => {});
    await network.advance(5000);
    const { signal } = platform.fetches.at(-1)!;
    const begin = network.now;
    await a!.channel.stop();
    assert(signal.aborted);
    assert(network.now - begin < 1);
    assert.deepEqual(a!.errors, []);
  }));

test("CloudMembership takes a sender that the platform does not name, where the provider says so", async () => {
  for (const takesSenders of [true, false]) {
    const platform = new Platform(takesSenders);
    await withNodes(
      2,
      async (network, [a, b]) => {
        await network.advance(12_000);
        platform.answer = () => ["10.0.0.1"];
        await network.advance(12_000);
        assert.deepEqual(a!.view, []);
        await b!.sendAll("hello", 6);
        assert.deepEqual(a!.view, takesSenders ? ["10.0.0.2:4000"] : []);
        assert.deepEqual(
          a!.ids,
          takesSenders ? [idOf(b!.channel.localMember())] : [],
        );
        assert.deepEqual(a!.messages, ["hello"]);
        await b!.sendAll("again", 6); // known by then
        assert.equal(a!.changes.length, takesSenders ? 3 : 2);
      },
      {},
      new Proxy(platform, {}),
    );
  }
});

test("CloudMembership has no more members than allowed", () =>
  withNodes(1, async (network, [a], platform) => {
    platform.answer = () => Array.from({ length: 50 }, (_, i) => `10.0.1.${i}`);
    await network.advance(20_000);
    assert.equal(a!.view.length, 7);
    assert.equal(a!.errors.length, 1, "said once, not at each fetch");
    assert.match(a!.errors[0]!.message, /there are more than 7/);
  }, { maxMembers: 7 }));

test("CloudMembership has no group address to broadcast to", () =>
  withNodes(2, async (_, [a]) => {
    await assert.rejects(a!.sendAll("x", 0x40), { code: "unsupported" });
  }));

test("resolveCloudMembershipOptions() has Tomcat's defaults, and refuses what is out of range", () => {
  assert.deepEqual(resolveCloudMembershipOptions(), {
    connectTimeout: 1000,
    readTimeout: 1000,
    expirationTime: 5000,
    maxMembers: 4096,
  });
  for (
    const name of [
      "connectTimeout",
      "readTimeout",
      "expirationTime",
      "maxMembers",
    ]
  ) {
    for (const value of [0, -1, 1.5, NaN, 2 ** 32]) {
      assert.throws(
        () => resolveCloudMembershipOptions({ [name]: value }),
        RangeError,
      );
    }
  }
});

test("javaAddress() leaves no group of an IPv6 address out", () => {
  assert.equal(javaAddress(encodeHost("fe80::1")), "fe80:0:0:0:0:0:0:1");
  assert.equal(javaAddress(encodeHost("10.0.0.1")), "10.0.0.1");
});

test("cloudUniqueId() takes what ASCII has not for question marks", () => {
  assert.deepEqual(cloudUniqueId("pod-\u00fc"), cloudUniqueId("pod-?"));
});
