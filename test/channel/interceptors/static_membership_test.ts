import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupChannelOptions } from "../../../channel/group_channel.ts";
import {
  StaticMembershipInterceptor,
  type StaticMembershipOptions,
} from "../../../channel/interceptors/static_membership.ts";
import { TcpFailureDetector } from "../../../channel/interceptors/tcp_failure_detector.ts";
import {
  decodeChannelData,
  decodeFrame,
  encodeHex,
  encodeHost,
  formatMember,
  type Member,
  type MemberInit,
} from "../../../protocol/mod.ts";
import { MemoryNetwork } from "../../../transport/memory.ts";
import {
  idOf,
  SimulatedGroup,
  SimulatedNode,
} from "../../support/simulated_group.ts";
import { loadVector } from "../../support/vectors.ts";

const HEARTBEAT = 5000;
const CONNECT_TIMEOUT = 1000;
const UNKNOWN = "00".repeat(16);

/** A member as `--member HOST:PORT` configures it. */
function at(host: string, more: Partial<Member> = {}): MemberInit {
  return { host: encodeHost(host), port: 4000, ...more };
}

const EVERYBODY = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((host) => at(host));

/** A stack without multicast, as the command line makes it. */
function options(
  members: readonly MemberInit[] = EVERYBODY,
  more: GroupChannelOptions & Partial<StaticMembershipOptions> = {},
): GroupChannelOptions {
  return {
    membership: null,
    interceptors: [
      new TcpFailureDetector(),
      new StaticMembershipInterceptor({ members, ...more }),
    ],
    ...more,
  };
}

/** Nodes that nothing but their configuration brings together. */
async function withPair(
  task: (
    network: MemoryNetwork,
    a: SimulatedNode,
    b: SimulatedNode,
  ) => Promise<void>,
  make: () => GroupChannelOptions = () => options(EVERYBODY.slice(0, 2)),
): Promise<void> {
  const group = new SimulatedGroup();
  const [a, b] = [group.add(make()), group.add(make())];
  await group.network.run(async () => {
    await task(group.network, a, b);
    await a.channel.stop();
    await b.channel.stop();
    assert.equal(a.probe.open.sockets, 0);
    await group.network.advance(3000); // the watch of a sender whose member left runs out
    assert.equal(a.probe.open.timers, 0);
  });
}

/** Ends a node as SIGKILL does, and makes its successor on the same port. */
function kill(network: MemoryNetwork, node: SimulatedNode): void {
  network.crash(node.host);
}

function successor(
  network: MemoryNetwork,
  node: SimulatedNode,
): SimulatedNode {
  return new SimulatedNode(
    network.restart(node.host),
    node.host,
    options(EVERYBODY.slice(0, 2)),
  );
}

function assertSees(node: SimulatedNode, other: SimulatedNode): void {
  assert.deepEqual(node.ids, [idOf(other.channel.localMember())]);
}

test("StaticMembershipInterceptor brings two nodes together, each by its real id", () =>
  withPair(async (network, a, b) => {
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(100);
    assertSees(a, b);
    assertSees(b, a);
    await a.sendAll("from a", 6);
    await b.sendAll("from b", 6);
    assert.deepEqual([a.messages, b.messages], [["from b"], ["from a"]]);
    await network.advance(10 * HEARTBEAT);
    assertSees(a, b);
    // Not more than one change of what it is taken for.
    assert.ok(a.changes.length <= 3, a.changes.join());
    assert.equal(a.changes.at(-1), "+10.0.0.2:4000");
  }));

test("StaticMembershipInterceptor finds a peer that starts later, at once", () =>
  withPair(async (network, a, b) => {
    await a.channel.start();
    await network.advance(12_345);
    assert.deepEqual(a.changes, []);
    assert.deepEqual(a.view, []);
    await b.channel.start();
    await network.advance(20);
    assertSees(a, b);
    assertSees(b, a);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
  }));

test("StaticMembershipInterceptor tells its stop, and the peer sees it at once", () =>
  withPair(async (network, a, b) => {
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(100);
    const { length } = a.changes;
    await b.channel.stop();
    await network.advance(10);
    assert.deepEqual(a.changes.slice(length), ["-10.0.0.2:4000"]);
    assert.deepEqual(a.view, []);
    await network.advance(10 * HEARTBEAT);
    assert.deepEqual(a.view, []);
    await b.channel.start();
    await network.advance(20);
    assertSees(a, b);
    assertSees(b, a);
    await a.sendAll("again", 6);
    assert.deepEqual(b.messages, ["again"]);
  }));

test("StaticMembershipInterceptor and the detector see a SIGKILL at the next heartbeat", () =>
  withPair(async (network, a, b) => {
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(100);
    kill(network, b);
    await network.advance(HEARTBEAT + CONNECT_TIMEOUT);
    assert.equal(a.changes.at(-1), "-10.0.0.2:4000");
    assert.deepEqual(a.view, []);
    network.restart(b.host);
  }));

for (const wait of [0, 50, 1000, 4900, 6500, 60_000]) {
  for (const side of ["the first", "the second"]) {
    test(`StaticMembershipInterceptor knows ${side} side again, as another member, ${wait} ms after its SIGKILL`, async () => {
      const network = new MemoryNetwork({ seed: wait + 1 });
      const group = new SimulatedGroup(network);
      const two = EVERYBODY.slice(0, 2);
      const [a, b] = [group.add(options(two)), group.add(options(two))];
      const [stays, dies] = side === "the first" ? [b, a] : [a, b];
      await network.run(async () => {
        await a.channel.start();
        await network.advance(1234);
        await b.channel.start();
        await network.advance(7000);
        const before = idOf(dies.channel.localMember());
        kill(network, dies);
        await network.advance(wait);
        const again = successor(network, dies);
        await again.channel.start();
        await network.advance(HEARTBEAT + CONNECT_TIMEOUT);
        assertSees(stays, again);
        assertSees(again, stays);
        assert.notDeepEqual(stays.ids, [before]);
        await stays.sendAll("one", 6);
        await again.sendAll("two", 6);
        assert.deepEqual(again.messages, ["one"], "once");
        assert.deepEqual(stays.messages, ["two"]);
        await network.advance(10 * HEARTBEAT);
        assertSees(stays, again);
        await stays.channel.stop();
        await again.channel.stop();
      });
    });
  }
}

test("StaticMembershipInterceptor finds the peer after a partition, whoever started in it", () =>
  withPair(async (network, a, b) => {
    network.partition([[a.host]]);
    await a.channel.start();
    await b.channel.start();
    await network.advance(20_000);
    assert.deepEqual([a.view, b.view], [[], []]);
    network.heal();
    await network.advance(HEARTBEAT + CONNECT_TIMEOUT);
    assertSees(a, b);
    assertSees(b, a);
  }));

test("StaticMembershipInterceptor ignores what a member's predecessor sent before", () =>
  withPair(async (network, a, b) => {
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(100);
    const predecessor = b.channel.localMember();
    let address = predecessor;
    await b.channel.stop();
    await b.channel.start();
    await network.advance(100);
    assertSees(a, b);
    const { length } = a.changes;
    // As if it had waited in a socket.
    const stranger = new SimulatedNode(
      network.transport("10.0.0.9"),
      "10.0.0.9",
      {
        membership: null,
        interceptors: [{
          name: "Late",
          sendMessage: (to, message, next) => next(to, { ...message, address }),
        }],
      },
    );
    await stranger.channel.start();
    for (const uniqueId of [predecessor.uniqueId, new Uint8Array(16)]) {
      address = { ...predecessor, uniqueId };
      await stranger.channel.send(
        [a.channel.localMember()],
        new Uint8Array(1),
        { options: 6 },
      );
    }
    await network.advance(100);
    assertSees(a, b);
    assert.equal(a.changes.length, length);
    await stranger.channel.stop();
  }));

test("StaticMembershipInterceptor with configured ids takes nobody else at that address", async () => {
  const ids = [1, 2].map((byte) => new Uint8Array(16).fill(byte));
  const members = ids.map((uniqueId, i) => at(`10.0.0.${i + 1}`, { uniqueId }));
  for (const own of [ids[1], new Uint8Array(16).fill(3)]) {
    assert(own);
    const group = new SimulatedGroup();
    const a = group.add(options(members, { uniqueId: ids[0]! })); // there are two
    const b = group.add(options(members, { uniqueId: own }));
    await group.network.run(async () => {
      await a.channel.start();
      assert.deepEqual(a.view, []);
      await b.channel.start();
      await group.network.advance(3 * HEARTBEAT);
      await b.sendAll("x", 6);
      // As Tomcat: who is configured with an id must use it.
      assert.deepEqual(a.ids, ["02".repeat(16)]);
      assert.deepEqual(b.ids, ["01".repeat(16)]);
      assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
      await a.channel.stop();
      await b.channel.stop();
    });
  }
});

test("StaticMembershipInterceptor writes its notices as the vectors", () =>
  withPair(async (network, a, b) => {
    await b.channel.start();
    await a.channel.start();
    await network.advance(100);
    await a.channel.stop();
    const notices = a.probe.written.map(({ bytes }) =>
      decodeChannelData(decodeFrame(bytes))
    ).filter(({ message }) => message.length < 64);
    assert.deepEqual(
      notices.map(({ options, message }) => [options, encodeHex(message)]),
      ["static-member-start", "static-member-stop"].map((name) => [
        0x80,
        loadVector("control-bodies", name).hex,
      ]),
    );
    assert.deepEqual(b.messages, [], "a notice reached the application");
  }, () => options(EVERYBODY.slice(0, 2), { optionFlag: 0x80 })));

test("StaticMembershipInterceptor ignores notices of strangers", async () => {
  const group = new SimulatedGroup();
  const a = group.add(options([]));
  const b = group.add(options(EVERYBODY));
  await group.network.run(async () => {
    await a.channel.start();
    await b.channel.start();
    await group.network.advance(100);
    await b.channel.stop();
    await group.network.advance(100);
    assert.deepEqual(a.changes, []);
    assert.deepEqual(a.messages, []);
    await a.channel.stop();
  });
});

test("StaticMembershipInterceptor lists its members in absolute order, without itself", async () => {
  const group = new SimulatedGroup();
  const members = [
    at("10.0.0.3"),
    at("10.0.0.2"),
    at("10.0.0.1"),
    at("9.0.0.1"),
  ];
  const a = group.add({
    membership: null,
    interceptors: [new StaticMembershipInterceptor({ members })],
  });
  await group.network.run(async () => {
    assert.deepEqual(a.channel.members(), []);
    await a.channel.start();
    const list = a.channel.members();
    assert.deepEqual(list.map(formatMember), [
      "9.0.0.1:4000",
      "10.0.0.2:4000",
      "10.0.0.3:4000",
    ]);
    assert.equal(a.channel.members(), list, "it is made anew at each call");
    assert.deepEqual(new Set(a.ids), new Set([UNKNOWN]));
    assert.equal(a.changes.length, 3);
    await a.channel.stop();
  });
});

test("StaticMembershipInterceptor orders bytes as its generation does", async () => {
  for (const patch of [70, Infinity]) {
    const group = new SimulatedGroup();
    const a = group.add({
      membership: null,
      interceptors: [
        new StaticMembershipInterceptor({
          members: [at("10.0.0.2"), at("192.0.0.1")],
          generation: { major: 9, minor: 0, patch },
        }),
      ],
    });
    await group.network.run(async () => {
      await a.channel.start();
      const order = a.channel.members().map(formatMember);
      const unsigned = ["10.0.0.2:4000", "192.0.0.1:4000"];
      assert.deepEqual(order, patch === 70 ? unsigned.reverse() : unsigned);
      await a.channel.stop();
    });
  }
});

test("StaticMembershipInterceptor and multicast that find the same node show it once", async () => {
  const group = new SimulatedGroup();
  for (let i = 0; i < 2; i++) {
    group.add({
      interceptors: [
        new TcpFailureDetector(),
        new StaticMembershipInterceptor({ members: EVERYBODY.slice(0, 2) }),
      ],
    });
  }
  const [a, b] = group.nodes;
  assert(a && b);
  await group.network.run(async () => {
    await a.channel.start();
    await group.network.advance(700);
    await b.channel.start();
    await group.network.advance(2000);
    assertSees(a, b);
    assertSees(b, a);
    await group.network.advance(10 * HEARTBEAT);
    assertSees(a, b);
    await b.channel.stop();
    await group.network.advance(100);
    assert.deepEqual(a.view, []);
    await group.network.advance(10 * HEARTBEAT);
    assert.deepEqual(a.view, []);
    await a.channel.stop();
  });
});

test("StaticMembershipInterceptor.stop() does not wait for a member that is gone without a word", () =>
  withPair(async (network, a, b) => {
    network.transport("10.0.0.3");
    network.crash("10.0.0.3");
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(20_000);
    assertSees(a, b);
    const before = network.now;
    await a.channel.stop();
    assert.ok(network.now - before < 5000, `${network.now - before} ms`);
    await network.advance(10);
    assert.deepEqual(b.view, []);
  }, options));

test("StaticMembershipInterceptor without a detector shows its members always, and tells what it hears", () =>
  withPair(async (network, a, b) => {
    await a.channel.start();
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.ids, [UNKNOWN]);
    a.changes.length = 0;
    await b.channel.start();
    await network.advance(20);
    assert.deepEqual(a.changes, ["-10.0.0.2:4000", "+10.0.0.2:4000"]);
    assertSees(a, b);
    a.changes.length = 0;
    await b.channel.stop();
    await network.advance(20);
    assert.deepEqual(a.changes, ["-10.0.0.2:4000"]);
    assertSees(a, b);
  }, () => ({
    membership: null,
    interceptors: [
      new StaticMembershipInterceptor({ members: EVERYBODY.slice(0, 2) }),
    ],
  })));

test("StaticMembershipInterceptor learns from multicast who a configured member is", async () => {
  const group = new SimulatedGroup();
  const a = group.add({
    interceptors: [
      new StaticMembershipInterceptor({ members: EVERYBODY.slice(0, 2) }),
    ],
  });
  const b = group.add({ interceptors: [] }); // it sends nothing
  await group.network.run(async () => {
    await a.channel.start();
    assert.deepEqual(a.ids, [UNKNOWN]);
    await b.channel.start();
    await group.network.advance(100);
    assertSees(a, b);
    const changes = ["+", "-", "+"].map((change) => `${change}10.0.0.2:4000`);
    assert.deepEqual(a.changes, changes);
    await a.channel.stop();
    await b.channel.stop();
  });
});

test("StaticMembershipInterceptor.start() forgets whom the last run learned", () =>
  withPair(async (network, a, b) => {
    await Promise.all([a.channel.start(), b.channel.start()]);
    await network.advance(100);
    await a.channel.stop();
    await b.channel.stop();
    await a.channel.start();
    assert.deepEqual(a.view, []);
    await b.channel.start();
    await network.advance(100);
    assertSees(a, b);
    assertSees(b, a);
  }));

test("StaticMembershipInterceptor under a detector: heartbeats connect to members and write nothing", () =>
  withPair(async (network, a, b) => {
    await b.channel.start();
    await a.channel.start();
    await network.advance(100);
    const connects = a.probe.connects.length;
    const written = a.probe.written.length;
    await network.advance(20_000);
    assert(a.probe.connects.length > connects, "nothing was tested");
    // A Tomcat without a detector would hand a test message to its application.
    assert.equal(a.probe.written.length, written);
    assert.equal(a.channel.members().length, 1);
    await Promise.all([a.channel.stop(), b.channel.stop()]);
  }));
