import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalMember } from "../../membership/local_member.ts";
import {
  McastMembership,
  type McastMembershipOptions,
  resolveMcastMembershipOptions,
} from "../../membership/mcast_membership.ts";
import {
  concatBytes,
  createMember,
  decodeBeacon,
  encodeFrame,
  encodeHost,
  encodeMember,
  formatMember,
  isShutdown,
  type Member,
} from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { ProbeTransport } from "../support/probe_transport.ts";

const GROUP = { hostname: "228.0.0.4", port: 45_564 };
const ALL = { receive: true, send: true };
const FREQUENCY = 500;
const DROP_TIME = 3000;
const LATENCY = 1;

/** A service, its local member and what it told. */
class Node {
  readonly network: MemoryNetwork;
  readonly host: string;
  readonly probe: ProbeTransport;
  readonly local: LocalMember;
  readonly service: McastMembership;
  /** `+10.0.0.1 at 12`, `-10.0.0.1 at 13`, `-10.0.0.1 itself at 13`. */
  readonly events: string[] = [];
  readonly errors: Error[] = [];
  readonly broadcasts: Uint8Array[] = [];

  constructor(
    network: MemoryNetwork,
    host: string,
    options?: McastMembershipOptions,
  ) {
    this.network = network;
    this.host = host;
    this.probe = new ProbeTransport(network.transport(host));
    this.service = new McastMembership(this.probe, options);
    const uniqueId = new Uint8Array(16).map(() => network.random() * 256);
    this.local = new LocalMember(
      { host: encodeHost(host), port: 4000, uniqueId },
      network.now,
    );
  }

  start(levels = ALL): Promise<void> {
    const tell = (change: string, { host }: Member) =>
      this.events.push(`${change}${host.join(".")}`);
    return this.service.start({
      local: this.local,
      get channel() {
        return assert.fail("McastMembership sends no messages");
      },
      changeUniqueId: () => assert.fail("its unique id is its own"),
      memberAdded: (member) => void tell("+", member),
      memberDisappeared: (member) =>
        void tell(isShutdown(member) ? "left " : "-", member),
      broadcastReceived: (datagram) => void this.broadcasts.push(datagram),
      fault: (error) => void this.errors.push(error),
    }, levels);
  }

  get view(): string[] {
    return this.service.members().map(({ host }) => host.join(".")).sort();
  }

  get messages(): string[] {
    return this.errors.map(({ message }) => message);
  }

  takeEvents(): string[] {
    return this.events.splice(0);
  }
}

async function withNodes(
  count: number,
  task: (network: MemoryNetwork, nodes: [Node, Node]) => Promise<void>,
  options: McastMembershipOptions = {},
  network: MemoryNetwork = new MemoryNetwork({
    seed: 1,
    latency: [LATENCY, LATENCY],
  }),
): Promise<void> {
  const nodes = Array.from(
    { length: count },
    (_, i) => new Node(network, `10.0.0.${i + 1}`, options),
  );
  await network.run(async () => {
    await Promise.all(nodes.map((node) => node.start()));
    await task(network, nodes as [Node, Node]); // the tests ask for two at least, or use one
    await Promise.all(nodes.map(({ service }) => service.stop()));
  });
  for (const { probe } of nodes) {
    assert.deepEqual(probe.open, { timers: 0, sockets: 0 });
  }
}

test("McastMembership finds another member, and is found, within its start", () =>
  withNodes(2, (network, [a, b]) => {
    assert.equal(network.now, 2 * FREQUENCY);
    assert.deepEqual(a.takeEvents(), ["+10.0.0.2"]);
    assert.deepEqual(b.takeEvents(), ["+10.0.0.1"]);
    assert.equal(formatMember(a.service.members()[0]!), "10.0.0.2:4000");
    assert.deepEqual(a.errors, []);
    return Promise.resolve();
  }));

test("McastMembership finds 19 other members, each once", () =>
  withNodes(20, async (network, nodes) => {
    await network.advance(10_000);
    for (const node of nodes) {
      assert.equal(node.view.length, 19);
      assert.equal(node.events.length, 19);
      assert.ok(!node.view.includes(node.host));
    }
  }));

test("McastMembership sends a beacon at once and then one each frequency", () =>
  withNodes(1, async (network, [a]) => {
    await network.advance(9000);
    assert.deepEqual(
      a.probe.sent.map((bytes) => decodeBeacon(bytes).aliveTime),
      Array.from({ length: 21 }, (_, i) => i * FREQUENCY),
    );
  }));

test("McastMembership tells payload and domain of a member", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1");
  const b = new Node(network, "10.0.0.2");
  a.local.setPayload(Uint8Array.of(7));
  a.local.setDomain(Uint8Array.of(8));
  await network.run(async () => {
    await Promise.all([a.start(), b.start()]);
    const [member] = b.service.members();
    assert.deepEqual(member?.payload, Uint8Array.of(7));
    assert.deepEqual(member?.domain, Uint8Array.of(8));
    await Promise.all([a.service.stop(), b.service.stop()]);
  });
});

test("McastMembership.announce() tells another payload at once", () =>
  withNodes(2, async (network, [a, b]) => {
    await network.advance(10);
    a.local.setPayload(Uint8Array.of(9));
    await a.service.announce();
    await network.advance(LATENCY);
    assert.deepEqual(b.service.members()[0]?.payload, Uint8Array.of(9));
    assert.equal(b.service.lastHeard(a.local.member), network.now);
  }));

test("McastMembership.stop() is seen at once", () =>
  withNodes(2, async (network, [a, b]) => {
    b.takeEvents();
    await a.service.stop();
    await network.advance(LATENCY);
    assert.deepEqual(b.takeEvents(), ["left 10.0.0.1"]);
    assert.deepEqual(b.view, []);
    await network.advance(2 * DROP_TIME);
    assert.deepEqual(b.takeEvents(), []);
  }));

test("McastMembership sees a crash dropTime after the last beacon, and no sooner", () =>
  withNodes(2, async (network, [a, b]) => {
    b.takeEvents();
    network.crash(a.host);
    await network.advance(LATENCY);
    const heard = b.service.lastHeard(a.local.member);
    assert(heard !== undefined);
    await network.advance(heard + DROP_TIME - network.now);
    assert.deepEqual(b.takeEvents(), []);
    await network.advance(1);
    assert.deepEqual(b.takeEvents(), ["-10.0.0.1"]);
    assert.deepEqual(b.view, []);
  }));

test("McastMembership keeps members with 30 % of the beacons lost, and others twice or out of order", () => {
  const network = new MemoryNetwork({
    seed: 5,
    loss: 0.3,
    duplication: 0.3,
    reordering: 0.3,
    latency: [1, 400],
  });
  return withNodes(
    5,
    async (_, nodes) => {
      await network.advance(60_000);
      for (const node of nodes) {
        assert.equal(node.view.length, 4, `seed ${network.seed}`);
        const changes = node.events.length;
        assert.ok(changes < 12, `${changes} changes with seed ${network.seed}`);
      }
    },
    {},
    network,
  );
});

test("McastMembership does not take a member back by a beacon that its shutdown overtook", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const network = new MemoryNetwork({
      seed,
      reordering: 0.5,
      latency: [1, 100],
    });
    await withNodes(
      2,
      async (network, [a, b]) => {
        await a.service.announce();
        await a.service.stop();
        await network.advance(1000);
        assert.deepEqual(b.view, [], `seed ${seed}`);
      },
      {},
      network,
    );
  }
});

test("McastMembership reports what is no beacon and goes on", () =>
  withNodes(2, async (network, [a, b]) => {
    const stranger = await network.transport("10.0.0.9").bindDatagram();
    const beacon = encodeMember(a.local.member);
    const damaged = beacon.slice();
    damaged[beacon.length - 1] = 0xff;
    const lying = beacon.slice();
    new DataView(lying.buffer).setInt32(10, 0x7fff_ffff);
    const { length } = a.probe.binds;
    for (const bytes of [damaged, lying, beacon.slice(0, 40)]) {
      for (let i = 0; i < 30; i++) await stranger.send(bytes, GROUP);
    }
    await network.advance(5000);
    assert.equal(b.errors.length, 90);
    assert.match(
      b.messages[0]!, // there are 90
      /^Cannot read a beacon of 10\.0\.0\.\d+: Cannot decode member\.end at byte \d+/,
    );
    assert.deepEqual(b.view, ["10.0.0.1"]);
    assert.equal(a.probe.binds.length, length, "garbage closed the socket");
    await stranger.close();
  }));

test("McastMembership hands on everything that does not begin as a beacon", () =>
  withNodes(2, async (network, [a, b]) => {
    const stranger = await network.transport("10.0.0.9").bindDatagram();
    const bodies = [
      encodeFrame(Uint8Array.of(1)),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(),
      new Uint8Array(60_000),
    ];
    for (const body of bodies) await stranger.send(body, GROUP);
    await network.advance(10);
    assert.deepEqual(b.broadcasts, bodies);
    assert.deepEqual(a.errors, []);
    await stranger.close();
  }));

test("McastMembership accepts bytes behind a beacon, and a beacon that another host sent", () =>
  withNodes(2, async (network, [, b]) => {
    b.takeEvents();
    const stranger = await network.transport("10.0.0.9").bindDatagram();
    const forged = createMember({ host: encodeHost("10.9.9.9"), port: 1 });
    await stranger.send(
      concatBytes([encodeMember(forged), Uint8Array.of(1, 2)]),
      GROUP,
    );
    await network.advance(LATENCY);
    assert.deepEqual(b.takeEvents(), ["+10.9.9.9"]);
    assert.deepEqual(b.errors, []);
    await stranger.close();
  }));

test("McastMembership holds maxMembers against forged beacons, and reports once that it is full", () =>
  withNodes(2, async (network, [, b]) => {
    const stranger = await network.transport("10.0.0.9").bindDatagram();
    for (let port = 1; port <= 100; port++) {
      const forged = createMember({ host: encodeHost("10.9.9.9"), port });
      await stranger.send(encodeMember(forged), GROUP);
    }
    await network.advance(10);
    assert.equal(b.service.members().length, 10);
    assert.ok(b.view.includes("10.0.0.1"));
    assert.deepEqual(b.messages, [
      "Cannot add 10.9.9.9:10: the group has more than 10 members",
    ]);
    await stranger.close();
  }, { maxMembers: 10 }));

test("McastMembership.start() fails where the group cannot be joined, and leaves nothing open", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1", { bind: "10.0.0.1" });
  a.probe.failBinds = true;
  await network.run(async () => {
    await assert.rejects(a.start(), {
      name: "ChannelError",
      code: "multicast",
      message:
        "Cannot join multicast group 228.0.0.4:45564 on 10.0.0.1: Cannot bind: told so",
    });
    assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    await a.service.stop();
    a.probe.failBinds = false;
    await a.start();
    await a.service.stop();
  });
  assert.equal(a.probe.binds.length, 2);
});

test("McastMembership that is optional starts without multicast, and joins once it can", async () => {
  const network = new MemoryNetwork();
  const options = { optional: true, recoverySleepTime: 5000 };
  const a = new Node(network, "10.0.0.1", options);
  const b = new Node(network, "10.0.0.2");
  a.probe.failBinds = true;
  await network.run(async () => {
    await a.start();
    await b.start();
    assert.equal(a.messages.length, 1);
    await network.advance(4500);
    assert.equal(a.probe.binds.length, 2);
    a.probe.failBinds = false;
    await network.advance(5200);
    assert.deepEqual([a.view, b.view], [["10.0.0.2"], ["10.0.0.1"]]);
    await network.advance(DROP_TIME + FREQUENCY);
    assert.deepEqual(b.view, ["10.0.0.1"], "it was announced only once");
    assert.equal(a.messages.length, 1);
    await Promise.all([a.service.stop(), b.service.stop()]);
  });
  assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
});

test("McastMembership that is optional stays without multicast when recoveryEnabled is false", async () => {
  const network = new MemoryNetwork();
  const options = { optional: true, recoveryEnabled: false };
  const a = new Node(network, "10.0.0.1", options);
  a.probe.failBinds = true;
  await network.run(async () => {
    await a.start();
    assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    await network.advance(60_000);
    assert.equal(a.probe.binds.length, 1);
    await assert.rejects(a.service.broadcast(new Uint8Array(1)), {
      code: "multicast",
    });
    await a.service.stop();
  });
});

test("McastMembership opens its socket again after recoveryCounter send errors, and keeps its start time", () =>
  withNodes(2, async (network, [a, b]) => {
    await network.advance(5000);
    a.probe.failSends = true;
    await network.advance(2 * FREQUENCY);
    assert.equal(a.probe.binds.length, 1);
    assert.equal(a.probe.sockets.size, 1);
    await network.advance(FREQUENCY);
    assert.equal(a.probe.binds.length, 2, "after three errors");
    assert.equal(a.probe.sockets.size, 1);
    a.probe.failSends = false;
    await network.advance(FREQUENCY + LATENCY);
    assert.deepEqual(b.view, ["10.0.0.1"]);
    assert.equal(b.service.members()[0]?.aliveTime, network.now - LATENCY);
    assert.deepEqual(
      new Set(a.messages),
      new Set([
        "Cannot send to multicast group 228.0.0.4:45564: Cannot send: told so",
      ]),
    );
  }, { recoveryCounter: 3, recoverySleepTime: 100 }));

test("McastMembership counts send errors in a row only", () =>
  withNodes(1, async (network, [a]) => {
    for (let i = 0; i < 10; i++) {
      a.probe.failSends = true;
      await network.advance(2 * FREQUENCY);
      a.probe.failSends = false;
      await network.advance(FREQUENCY);
    }
    assert.equal(a.probe.binds.length, 1);
    assert.equal(a.errors.length, 10);
  }, { recoveryCounter: 3, recoverySleepTime: 100 }));

test("McastMembership opens its socket again when receiving fails, at once", () =>
  withNodes(2, async (network, [a, b]) => {
    await network.advance(10_100);
    const { length } = a.probe.sent;
    a.probe.failReceiving();
    await network.settle();
    await network.advance(1);
    assert.equal(a.probe.binds.length, 2);
    assert.equal(a.probe.sent.length, length + 1, "it did not announce itself");
    assert.equal(a.probe.sockets.size, 1);
    assert.deepEqual(a.messages, [
      "Cannot receive from multicast group 228.0.0.4:45564: Cannot receive: told so",
    ]);
    a.takeEvents();
    b.takeEvents();
    await network.advance(2 * DROP_TIME);
    assert.deepEqual([a.takeEvents(), b.takeEvents()], [[], []]);
  }));

test("McastMembership tries its socket once each recoverySleepTime and no more", () =>
  withNodes(1, async (network, [a]) => {
    await network.advance(10_000);
    a.probe.failBinds = true;
    a.probe.failReceiving();
    await network.advance(100);
    assert.equal(a.probe.binds.length, 2);
    await network.advance(10_000);
    assert.equal(a.probe.binds.length, 4);
    a.probe.failBinds = false;
    await network.advance(5000);
    assert.equal(a.probe.binds.length, 5);
    // A socket that fails as soon as it is open is no reason to spin.
    for (let i = 0; i < 10; i++) {
      a.probe.failReceiving();
      await network.advance(500);
    }
    assert.equal(a.probe.binds.length, 6);
    a.errors.splice(0);
  }, { recoverySleepTime: 5000 }));

test("McastMembership leaves its socket alone when recoveryEnabled is false", () =>
  withNodes(1, async (network, [a]) => {
    a.probe.failReceiving();
    a.probe.failSends = true;
    await network.advance(60_000);
    assert.equal(a.probe.binds.length, 1);
    assert.equal(a.errors.length, 2);
  }, { recoveryEnabled: false, recoveryCounter: 1, recoverySleepTime: 1 }));

test("McastMembership.stop() ends a recovery that is due", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1", { recoverySleepTime: 1000 });
  await network.run(async () => {
    await a.start();
    a.probe.failBinds = true;
    a.probe.failReceiving();
    await network.advance(10);
    await a.service.stop();
    assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    await network.advance(60_000);
    assert.ok(a.probe.binds.length <= 2);
  });
});

test("McastMembership with localLoopbackDisabled is not heard on its own host", async () => {
  for (const localLoopbackDisabled of [false, true]) {
    const network = new MemoryNetwork();
    const a = new Node(network, "10.0.0.1", { localLoopbackDisabled });
    const neighbour = new Node(network, "10.0.0.1");
    const far = new Node(network, "10.0.0.2");
    neighbour.local.setPayload(Uint8Array.of(1)); // same host and port, another id
    await network.run(async () => {
      const nodes = [a, neighbour, far];
      await Promise.all(nodes.map((node) => node.start()));
      assert.equal(neighbour.view.length, localLoopbackDisabled ? 1 : 2);
      assert.equal(far.view.length, 2);
      assert.equal(a.view.length, 2);
      await Promise.all(nodes.map(({ service }) => service.stop()));
    });
    assert.equal(a.probe.binds[0]?.multicast?.loopback, !localLoopbackDisabled);
  }
});

test("McastMembership passes address, port, bind and ttl on", async () => {
  const cases: [McastMembershipOptions, unknown][] = [
    [{}, {
      port: 45_564,
      multicast: { group: "228.0.0.4", loopback: true },
    }],
    [{ address: "228.0.0.9", port: 7, bind: "127.0.0.1", ttl: 0 }, {
      port: 7,
      multicast: {
        group: "228.0.0.9",
        loopback: true,
        interfaceAddress: "127.0.0.1",
        ttl: 0,
      },
    }],
    [{ ttl: -1 }, {
      port: 45_564,
      multicast: { group: "228.0.0.4", loopback: true },
    }],
  ];
  for (const [options, expected] of cases) {
    await withNodes(1, (_, [a]) => {
      assert.deepEqual(a.probe.binds, [expected]);
      return Promise.resolve();
    }, options);
  }
});

test("McastMembership keeps groups on other addresses and ports apart", async () => {
  const network = new MemoryNetwork();
  const nodes = [
    new Node(network, "10.0.0.1"),
    new Node(network, "10.0.0.2", { port: 45_565 }),
    new Node(network, "10.0.0.3", { address: "228.0.0.5" }),
    new Node(network, "10.0.0.4"),
  ];
  await network.run(async () => {
    await Promise.all(nodes.map((node) => node.start()));
    assert.deepEqual(nodes.map((node) => node.view), [
      ["10.0.0.4"],
      [],
      [],
      ["10.0.0.1"],
    ]);
    await Promise.all(nodes.map(({ service }) => service.stop()));
  });
});

test("McastMembership.broadcast() reaches every member, and refuses what fits no datagram", () =>
  withNodes(3, async (network, nodes) => {
    const [a] = nodes;
    const greatest = new Uint8Array(65_507).fill(5);
    await a.service.broadcast(greatest);
    await network.advance(LATENCY);
    for (const node of nodes) assert.deepEqual(node.broadcasts, [greatest]);
    await assert.rejects(a.service.broadcast(new Uint8Array(65_508)), {
      code: "unsupported",
      message: "Cannot broadcast 65508 bytes: a datagram holds 65507",
    });
    a.probe.failSends = true;
    await assert.rejects(a.service.broadcast(new Uint8Array(1)), {
      code: "multicast",
      message:
        "Cannot broadcast to multicast group 228.0.0.4:45564: Cannot send: told so",
    });
  }));

test("McastMembership without send listens and is not seen", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1");
  const b = new Node(network, "10.0.0.2");
  await network.run(async () => {
    await Promise.all([a.start({ receive: true, send: false }), b.start()]);
    assert.deepEqual([a.view, b.view], [["10.0.0.2"], []]);
    await a.service.announce();
    await assert.rejects(a.service.broadcast(new Uint8Array(1)), {
      code: "multicast",
    });
    await Promise.all([a.service.stop(), b.service.stop()]);
  });
  assert.deepEqual(a.probe.sent, []);
});

test("McastMembership without receive is seen and hears nothing", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1");
  const b = new Node(network, "10.0.0.2");
  await network.run(async () => {
    await Promise.all([a.start({ receive: false, send: true }), b.start()]);
    await b.service.broadcast(Uint8Array.of(1));
    await network.advance(10);
    assert.deepEqual([a.view, b.view], [[], ["10.0.0.1"]]);
    assert.deepEqual([a.broadcasts.length, b.broadcasts.length], [0, 1]);
    await Promise.all([a.service.stop(), b.service.stop()]);
  });
});

test("McastMembership.stop() is idempotent, and all calls wait for its end", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1");
  await a.service.stop();
  await network.run(async () => {
    await a.start();
    const [first, second] = [a.service.stop(), a.service.stop()];
    await second;
    assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    await first;
    await a.service.stop();
  });
  const leaving = a.probe.sent.filter((bytes) =>
    isShutdown(decodeBeacon(bytes))
  );
  assert.equal(leaving.length, 1);
});

test("McastMembership.stop() during a start ends the start, and leaves nothing open", async () => {
  const network = new MemoryNetwork();
  const a = new Node(network, "10.0.0.1");
  await network.run(async () => {
    for (const wait of [undefined, 0, 100]) {
      const starting = a.start();
      if (wait !== undefined) await network.advance(wait);
      const before = network.now;
      await a.service.stop();
      await starting;
      await network.settle();
      assert.ok(network.now - before < 100, "the start went on");
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    }
    await network.advance(10_000);
  });
});

test("McastMembership.stop() waits for a socket that is being opened, and closes it", async () => {
  for (const opening of ["start", "recovery"]) {
    const network = new MemoryNetwork();
    const a = new Node(network, "10.0.0.1", { recoverySleepTime: 1 });
    await network.run(async () => {
      const gate = Promise.withResolvers<void>();
      if (opening === "recovery") {
        await a.start();
        a.probe.gate = gate.promise;
        a.probe.failReceiving();
        await network.advance(10);
        assert.equal(a.probe.binds.length, 2);
      } else {
        a.probe.gate = gate.promise;
      }
      const starting = opening === "start" ? a.start() : undefined;
      const stopping = a.service.stop();
      await network.advance(10);
      gate.resolve();
      await stopping;
      await starting;
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 }, opening);
      await network.advance(10_000);
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 }, opening);
    });
  }
});

test("McastMembership starts again after a stop, and then drops and recovers as before", () =>
  withNodes(2, async (network, [a, b]) => {
    await a.service.stop();
    assert.deepEqual(a.service.members(), []);
    await network.advance(10);
    a.takeEvents();
    await a.start();
    assert.deepEqual(a.takeEvents(), ["+10.0.0.2"]);
    assert.deepEqual(b.view, ["10.0.0.1"]);
    network.crash(b.host);
    await network.advance(DROP_TIME + FREQUENCY);
    assert.deepEqual(a.takeEvents(), ["-10.0.0.2"]);
    await network.advance(10_000);
    const { length } = a.probe.binds;
    a.probe.failReceiving();
    await network.advance(10);
    assert.equal(a.probe.binds.length, length + 1);
    network.restart(b.host);
  }));

test("resolveMcastMembershipOptions() has Tomcat's defaults", () => {
  assert.deepEqual(resolveMcastMembershipOptions(), {
    address: "228.0.0.4",
    port: 45_564,
    frequency: 500,
    dropTime: 3000,
    bind: undefined,
    ttl: undefined,
    soTimeout: 500,
    recoveryEnabled: true,
    recoveryCounter: 10,
    recoverySleepTime: 5000,
    localLoopbackDisabled: false,
    optional: false,
    maxMembers: 4096,
  });
});

test("resolveMcastMembershipOptions() refuses what is out of range", () => {
  const bad: McastMembershipOptions[] = [
    { port: 0 },
    { port: 65_536 },
    { frequency: 0 },
    { frequency: 1.5 },
    { dropTime: 500 },
    { frequency: 3000 },
    { ttl: -2 },
    { ttl: 256 },
    { recoveryCounter: 0 },
    { recoverySleepTime: 0 },
    { maxMembers: 0 },
  ];
  for (const options of bad) {
    assert.throws(
      () => new McastMembership(new MemoryNetwork().transport("a"), options),
      RangeError,
      JSON.stringify(options),
    );
  }
  assert.throws(() => resolveMcastMembershipOptions({ dropTime: 400 }), {
    message: "Cannot use dropTime 400: it must exceed frequency 500",
  });
});
