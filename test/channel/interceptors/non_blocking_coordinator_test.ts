import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../../channel/interceptor.ts";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import { NonBlockingCoordinator } from "../../../channel/interceptors/non_blocking_coordinator.ts";
import type { NonBlockingCoordinatorOptions } from "../../../channel/interceptors/non_blocking_coordinator_options.ts";
import {
  type ChannelData,
  concatBytes,
  COORDINATION_ALIVE,
  COORDINATION_CONFIRMATION,
  COORDINATION_HEADER,
  COORDINATION_REQUEST,
  type CoordinationMessage,
  createMember,
  decodeChannelData,
  decodeCoordinationMessage,
  encodeChannelData,
  encodeCoordinationMessage,
  encodeFrame,
  encodeHex,
  encodeHost,
  equalBytes,
  equalMembers,
  formatMember,
  FrameParser,
  parseGeneration,
} from "../../../protocol/mod.ts";
import { MemoryNetwork } from "../../../transport/memory.ts";
import {
  bytes,
  idOf,
  SimulatedGroup,
  type SimulatedNode,
} from "../../support/simulated_group.ts";
import {
  acknowledge,
  FakeReceiver,
  messageOf,
  RawPeer,
} from "../../support/tribes_peers.ts";

const HEARTBEAT = 5000;
const PATIENCE = 15_000;

/** Nodes of a group, each with its coordinator. */
class Electorate extends SimulatedGroup {
  readonly coordinators: NonBlockingCoordinator[] = [];
  readonly views: string[][] = [];

  join(
    host: string,
    options: NonBlockingCoordinatorOptions = {},
    below: readonly ChannelInterceptor[] = [],
  ): SimulatedNode {
    const i = this.coordinators.length;
    this.views.push([]);
    const coordinator = new NonBlockingCoordinator({
      ...options,
      onElection: (view) =>
        void this.views[i]?.push(view.map(formatMember).join()),
    });
    this.coordinators.push(coordinator);
    return this.addOn(host, { interceptors: [coordinator, ...below] });
  }
}

async function withElectorate(
  hosts: readonly string[],
  task: (group: Electorate) => Promise<void>,
  options: NonBlockingCoordinatorOptions = {},
): Promise<void> {
  const group = new Electorate(new MemoryNetwork());
  for (const host of hosts) group.join(host, options);
  await group.network.run(async () => {
    await group.start();
    await group.network.advance(500);
    await task(group);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

/** The coordination messages that a node sent. */
function sentBy(node: SimulatedNode): CoordinationMessage[] {
  const parsers = new Map<string, FrameParser>();
  const messages: CoordinationMessage[] = [];
  for (const { to, bytes } of node.probe.written) {
    const address = `${to.hostname}:${to.port}`;
    const parser = parsers.get(address) ?? new FrameParser();
    parsers.set(address, parser);
    parser.feed(bytes.slice());
    for (let body; (body = parser.next()) !== undefined;) {
      if (body.length < 28) continue; // an acknowledgement
      const { options, message } = decodeChannelData(body);
      if (!startsWith(message, COORDINATION_HEADER)) continue;
      assert.equal(options, 2);
      messages.push(decodeCoordinationMessage(message.slice()));
    }
  }
  return messages;
}

function frameOf(
  body: Uint8Array,
  options: number,
  init: Partial<ChannelData> = {},
): Uint8Array {
  return encodeFrame(encodeChannelData(messageOf(body, options, init)));
}

function startsWith(body: Uint8Array, prefix: Uint8Array): boolean {
  return equalBytes(body.subarray(0, prefix.length), prefix);
}

const TRIO = ["10.0.0.2", "10.0.0.3", "10.0.0.1"];

test("NonBlockingCoordinator names the first member in absolute order, everywhere", () =>
  withElectorate(TRIO, async ({ network, coordinators, views, nodes }) => {
    await network.advance(HEARTBEAT);
    for (const [i, coordinator] of coordinators.entries()) {
      assert.equal(formatMember(coordinator.coordinator()!), "10.0.0.1:4000");
      assert.equal(coordinator.isCoordinator(), i === 2);
      assert.equal(coordinator.view().length, 3);
      assert.equal(coordinator.viewId().length, 16);
      assert.deepEqual(coordinator.viewId(), coordinators[0]?.viewId());
      assert.equal(
        views[i]?.[0],
        formatMember(nodes[i]!.channel.localMember()),
      );
      assert.equal(
        views[i]?.at(-1),
        "10.0.0.1:4000,10.0.0.2:4000,10.0.0.3:4000",
      );
      assert.deepEqual(nodes[i]?.errors, []);
    }
    // Above it, members are in absolute order too.
    assert.deepEqual(
      nodes[0]?.channel.members().map(formatMember),
      ["10.0.0.1:4000", "10.0.0.3:4000"],
    );
    assert.equal(nodes[0].channel.members(), nodes[0].channel.members());
  }));

test("NonBlockingCoordinator sends a request round, and a confirmation to all", () =>
  withElectorate(TRIO, async ({ network, coordinators, nodes }) => {
    await network.advance(HEARTBEAT);
    const [, , first] = nodes;
    assert(first);
    const id = encodeHex(coordinators[0]!.viewId());
    const last = nodes.flatMap((node) =>
      sentBy(node).filter((message) => encodeHex(message.id) === id)
    );
    for (const { source, leader } of last) {
      assert.equal(idOf(source), idOf(first.channel.localMember()));
      assert.equal(idOf(leader), idOf(first.channel.localMember()));
    }
    const types = last.map(({ type }) =>
      equalBytes(type, COORDINATION_CONFIRMATION)
    );
    assert.equal(types.filter((confirms) => confirms).length, 2);
    assert.ok(types.filter((confirms) => !confirms).length >= 2);
  }));

test("NonBlockingCoordinator elects anew when members go, and when the leader does", () =>
  withElectorate(TRIO, async ({ network, coordinators, nodes: [a, b, c] }) => {
    assert(a && b && c);
    await network.advance(HEARTBEAT);
    await b.channel.stop();
    await network.advance(500);
    assert.equal(coordinators[0]?.view().length, 2);
    assert.deepEqual(coordinators[0]?.viewId(), coordinators[2]?.viewId());
    await c.channel.stop();
    await network.advance(500);
    assert.equal(coordinators[0]?.isCoordinator(), true);
    assert.equal(coordinators[0]?.view().length, 1);
    assert.equal(coordinators[2]?.coordinator(), undefined);
    assert.deepEqual(coordinators[2]?.view(), []);
    assert.deepEqual(coordinators[2]?.viewId(), new Uint8Array());
  }));

for (
  const [release, first] of [
    ["9.0.70", "10.0.0.200:4000"],
    ["10.1.60", "10.0.0.100:4000"],
  ] as const
) {
  test(`NonBlockingCoordinator orders members as ${release} does`, () =>
    withElectorate(
      ["10.0.0.100", "10.0.0.200"],
      async ({ network, coordinators }) => {
        await network.advance(HEARTBEAT);
        for (const coordinator of coordinators) {
          assert.equal(formatMember(coordinator.coordinator()!), first);
        }
      },
      { generation: parseGeneration(release) },
    ));
}

test("NonBlockingCoordinator passes on everything but its own messages", () =>
  withElectorate(["10.0.0.1", "10.0.0.2"], async ({ nodes: [a, b] }) => {
    assert(a && b);
    const heard: number[] = [];
    b.channel.addChannelListener({
      messageReceived: ({ message }) => void heard.push(message.length),
    });
    const send = (body: Uint8Array) =>
      a.channel.send([a.memberAt(b.host)], body, { options: 6 });
    await send(COORDINATION_ALIVE);
    await send(concatBytes([COORDINATION_ALIVE, bytes("more")]));
    await send(COORDINATION_HEADER);
    assert.deepEqual(heard, []);
    assert.equal(b.errors.length, 1); // the header is no whole message
    await send(COORDINATION_HEADER.subarray(0, 15));
    await send(COORDINATION_ALIVE.subarray(0, 63));
    await send(new Uint8Array());
    assert.deepEqual(heard, [15, 63, 0]);
  }));

/** Somebody who speaks to a node alone: a member of nothing. */
async function withStranger(
  task: (
    group: Electorate,
    send: (message: Partial<CoordinationMessage>) => Promise<void>,
    stranger: FakeReceiver,
  ) => Promise<void>,
): Promise<void> {
  await withElectorate(["10.0.0.5", "10.0.0.6"], async (group) => {
    const { network, nodes: [a] } = group;
    assert(a);
    await network.advance(HEARTBEAT);
    const host = network.transport("10.0.0.9");
    const stranger = await FakeReceiver.listen(host, "10.0.0.9");
    const peer = await RawPeer.connect(host, { hostname: a.host, port: 4000 });
    const view = [a.channel.localMember(), stranger.member];
    await task(group, async (message) => {
      const body = encodeCoordinationMessage({
        leader: stranger.member,
        source: stranger.member,
        view,
        id: new Uint8Array(16).fill(9),
        type: COORDINATION_REQUEST,
        ...message,
      });
      await peer.write(frameOf(body, 0, { address: stranger.member }));
      await network.settle();
    }, stranger);
    peer.connection.abort();
    await stranger.close();
  });
}

test("NonBlockingCoordinator takes up a member that a message tells of and that answers", () =>
  withStranger(
    async ({ network, nodes: [a], coordinators: [one] }, send, stranger) => {
      assert(a && one);
      await send({});
      assert.ok(a.changes.includes(`+${formatMember(stranger.member)}`));
      assert.equal(a.view.length, 2);
      assert.equal(one.statistics().foundMembers, 1);
      await network.advance(500);
      // The first member has begun an election with it.
      assert.ok(
        stranger.messages.some(({ message }) =>
          startsWith(message, COORDINATION_HEADER)
        ),
      );
      await stranger.close();
      await network.advance(2 * HEARTBEAT);
      assert.equal(a.view.length, 1);
      assert.ok(a.changes.includes(`-${formatMember(stranger.member)}`));
      assert.equal(one.statistics().foundMembers, 0);
      assert.equal(one.view().length, 2);
    },
  ));

test("NonBlockingCoordinator forgets a member that only elections told of when another has its address", () =>
  withStranger(async (group, send, stranger) => {
    const { network, nodes: [a], coordinators: [one] } = group;
    assert(a && one);
    await send({});
    assert.equal(one.statistics().foundMembers, 1);
    const was = idOf(stranger.member);
    assert.ok(a.ids.includes(was));
    await stranger.close();
    const { port } = stranger.member;
    const node = group.addOn("10.0.0.9", {
      receiver: { port },
      interceptors: [],
    });
    await node.channel.start();
    await network.advance(100);
    assert.equal(one.statistics().foundMembers, 0);
    assert.ok(!a.ids.includes(was));
    assert.ok(a.ids.includes(idOf(node.channel.localMember())));
    const name = formatMember(stranger.member);
    assert.deepEqual(
      a.changes.filter((change) => change.endsWith(name)).sort(),
      [`+${name}`, `+${name}`, `-${name}`],
    );
  }));

test("NonBlockingCoordinator leaves out members that do not answer, and those of an address that is known", () =>
  withStranger(
    async ({ network, nodes: [a, b], coordinators: [one] }, send, stranger) => {
      assert(a && b && one);
      const nobody = createMember({
        host: encodeHost("10.0.0.77"),
        port: 4000,
      });
      const odd = createMember({ host: new Uint8Array(3), port: -5 });
      const former = createMember({
        ...b.channel.localMember(),
        uniqueId: new Uint8Array(16).fill(8),
      });
      const view = [
        a.channel.localMember(),
        stranger.member,
        nobody,
        odd,
        former,
        former,
      ];
      await send({ view });
      await network.advance(3000);
      assert.deepEqual(a.view, [
        formatMember(b.channel.localMember()),
        formatMember(stranger.member),
      ]);
      assert.equal(one.statistics().foundMembers, 1);
    },
  ));

test("NonBlockingCoordinator refuses messages that no member would send, and goes on", () =>
  withStranger(
    async ({ network, nodes: [a, b], coordinators }, send, stranger) => {
      assert(a && b);
      const local = a.channel.localMember();
      const before = coordinators[0]!.viewId();
      const many = Array.from(
        { length: 1001 },
        (_, i) => createMember({ host: encodeHost("10.1.1.1"), port: i }),
      );
      const confirms = { type: COORDINATION_CONFIRMATION };
      const cases:
        readonly (readonly [Partial<CoordinationMessage>, RegExp])[] = [
          [{ type: new Uint8Array(16) }, /its type is 0000/],
          [{ view: [...many, local] }, /its view has 1002 members > 1000/],
          [{ view: [] }, /its sender is not in its view/],
          [{ view: [stranger.member] }, /this node is not in its view/],
          [{ ...confirms, source: local }, /confirms the view of another/],
          [{ ...confirms, leader: local }, /confirms the view of another/],
          [
            { ...confirms, leader: local, source: local },
            /confirms the view of/,
          ],
        ];
      for (const [message, text] of cases) {
        await network.advance(10_000); // reports come no faster
        a.errors.length = 0;
        await send(message);
        assert.equal(a.errors.length, 1, `${text}`);
        assert.match(a.errors[0]?.message ?? "", text);
      }
      assert.equal(coordinators[0]?.statistics().refused, cases.length);
      assert.equal(a.view.length, 1);
      assert.deepEqual(coordinators[0]?.viewId(), before);
      await network.advance(HEARTBEAT);
      assert.deepEqual(coordinators[0]?.viewId(), before);
    },
  ));

test("NonBlockingCoordinator reports what it cannot decode", () =>
  withStranger(async ({ network, nodes: [a], coordinators }, _, stranger) => {
    assert(a);
    const good = encodeCoordinationMessage({
      leader: stranger.member,
      source: stranger.member,
      view: [stranger.member, a.channel.localMember()],
      id: new Uint8Array(16),
      type: COORDINATION_REQUEST,
    });
    const host = network.transport("10.0.0.9");
    const peer = await RawPeer.connect(host, { hostname: a.host, port: 4000 });
    a.errors.length = 0;
    for (let length = 16; length < good.length; length++) {
      await peer.write(frameOf(good.slice(0, length), 0));
      await network.settle();
      assert.equal(
        coordinators[0]?.statistics().refused,
        length - 15,
        `${length} bytes`,
      );
    }
    assert.equal(a.errors.length, 1);
    assert.match(a.errors[0]?.message ?? "", /Cannot decode/);
    assert.ok(peer.open);
    peer.connection.abort();
    await network.settle();
  }));

test("NonBlockingCoordinator ends a request that goes round for ever", () =>
  withStranger(async ({ network, nodes: [a, b] }, send, stranger) => {
    assert(a && b);
    // A leader that is before all, and a source that never comes: both answer on one receiver.
    const ghost = createMember({
      ...stranger.member,
      uniqueId: new Uint8Array(16).fill(1),
    });
    for (let i = 0; i < 300; i++) {
      await send({ source: ghost, leader: ghost });
    }
    await network.advance(1000);
    const id = "09".repeat(16);
    const passed = [a, b].flatMap(sentBy)
      .filter((message) => encodeHex(message.id) === id);
    assert.ok(passed.length > 0 && passed.length <= 2 * 64, `${passed.length}`);
  }));

test("NonBlockingCoordinator drops what is beyond its queue", () =>
  withStranger(
    async ({ network, nodes: [a], coordinators: [one] }, _, stranger) => {
      assert(a && one);
      const host = network.transport("10.0.0.9");
      const peer = await RawPeer.connect(host, {
        hostname: a.host,
        port: 4000,
      });
      const dead = createMember({ host: encodeHost("10.0.0.88"), port: 1 });
      const frame = frameOf(
        encodeCoordinationMessage({
          leader: stranger.member,
          source: stranger.member,
          view: [stranger.member, dead, a.channel.localMember()],
          id: new Uint8Array(16),
          type: COORDINATION_REQUEST,
        }),
        0,
        { address: stranger.member },
      );
      network.transport("10.0.0.88"); // no route: each test takes its whole time
      network.crash("10.0.0.88");
      await peer.write(concatBytes(new Array(400).fill(frame)));
      await network.settle();
      assert.ok(one.statistics().refused >= 100, `${one.statistics().refused}`);
      // Messages of the application do not wait for it.
      await peer.probe("hello");
      assert.ok(a.messages.includes("hello"));
      peer.connection.abort();
      await network.settle();
    },
  ));

test("NonBlockingCoordinator gives its view to a member that asks for it", () =>
  withStranger(
    async ({ network, nodes: [a], coordinators: [one] }, send, stranger) => {
      assert(a && one);
      await send({}); // is taken up; it never passes anything on, so that no election ends
      const local = a.channel.localMember();
      await network.advance(500);
      const requests = stranger.messages.filter(({ message }) =>
        startsWith(message, COORDINATION_HEADER)
      ).map(({ message }) => decodeCoordinationMessage(message));
      const own = requests.find(({ source }) => equalMembers(source, local));
      assert(own !== undefined);
      await send(own); // passed on as it came
      await network.advance(100);
      assert.equal(one.view().length, 3);
      const count = stranger.messages.length;
      await send({ leader: local, id: new Uint8Array(16).fill(3) });
      await network.advance(100);
      const answers = stranger.messages.slice(count).map(({ message }) =>
        decodeCoordinationMessage(message)
      );
      assert.equal(answers.length, 1);
      assert.deepEqual(answers[0]?.type, COORDINATION_CONFIRMATION);
      assert.deepEqual(answers[0]?.id, one.viewId());
    },
  ));

test("NonBlockingCoordinator begins anew when its request does not come back", () =>
  withStranger(async ({ network, nodes: [a, b] }, send, stranger) => {
    assert(a && b);
    await send({});
    await network.advance(PATIENCE + 2 * HEARTBEAT);
    const ids = new Set(sentBy(a).map(({ id }) => encodeHex(id)));
    const local = a.channel.localMember();
    const asked = stranger.messages
      .map(({ message }) => decodeCoordinationMessage(message))
      .filter(({ source }) => equalMembers(source, local));
    assert.ok(new Set(asked.map(({ id }) => encodeHex(id))).size >= 2);
    assert.ok(ids.size >= 3);
  }));

/** What becomes of a confirmation on its way down. */
type Fate = "passes" | "fails" | "vanishes" | "doubles";

/** Three nodes that agree; the confirmations of the first have a fate. */
async function withFate(
  task: (
    group: Electorate,
    first: { fate: Fate },
  ) => Promise<void>,
): Promise<void> {
  const group = new Electorate(new MemoryNetwork());
  const { network } = group;
  const first = { fate: "passes" as Fate };
  const layer: ChannelInterceptor = {
    name: "Fate",
    async sendMessage(to, message, next) {
      const confirms = startsWith(message.message, COORDINATION_HEADER) &&
        equalBytes(message.message.subarray(-16), COORDINATION_CONFIRMATION);
      if (confirms && first.fate === "fails") throw new Error("lost");
      if (confirms && first.fate === "vanishes") return;
      if (confirms && first.fate === "doubles") await next(to, message);
      await next(to, message);
    },
  };
  group.join("10.0.0.1", {}, [layer]);
  group.join("10.0.0.2");
  group.join("10.0.0.3");
  await network.run(async () => {
    await group.start();
    await network.advance(HEARTBEAT);
    for (const one of group.coordinators) assert.equal(one.view().length, 3);
    await task(group, first);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

test("NonBlockingCoordinator repeats a confirmation that failed at its heartbeat", () =>
  withFate(async ({ network, nodes, coordinators: [one, two] }, first) => {
    assert(one && two);
    first.fate = "fails";
    await nodes[2]?.channel.stop();
    await network.advance(2 * HEARTBEAT);
    assert.equal(one.view().length, 2);
    assert.equal(two.view().length, 3);
    first.fate = "passes";
    await network.advance(HEARTBEAT + 100);
    assert.equal(two.view().length, 2);
    assert.deepEqual(two.viewId(), one.viewId());
  }));

test("NonBlockingCoordinator asks for a view that does not come", () =>
  withFate(async ({ network, nodes, coordinators: [one, two] }, first) => {
    assert(one && two);
    first.fate = "vanishes";
    await nodes[2]?.channel.stop();
    await network.advance(2 * HEARTBEAT);
    assert.equal(one.view().length, 2);
    assert.equal(two.view().length, 3);
    first.fate = "passes";
    await network.advance(PATIENCE);
    assert.equal(two.view().length, 2);
    assert.deepEqual(two.viewId(), one.viewId());
  }));

test("NonBlockingCoordinator installs a view that is confirmed twice once", () =>
  withFate(async ({ network, nodes, views }, first) => {
    first.fate = "doubles";
    const count = views[1]?.length ?? NaN;
    await nodes[2]?.channel.stop();
    await network.advance(3 * HEARTBEAT);
    assert.equal(views[1]?.length, count + 1);
  }));

test("NonBlockingCoordinator keeps its coordinator when a worse one confirms late", () =>
  withFate(async ({ network, nodes: [, b, c], coordinators: [one, two] }) => {
    assert(b && c && one && two);
    const before = two.viewId();
    const member = c.channel.localMember();
    const host = network.transport(c.host);
    const peer = await RawPeer.connect(host, { hostname: b.host, port: 4000 });
    const body = encodeCoordinationMessage({
      leader: member,
      source: member,
      view: [b.channel.localMember(), member],
      id: new Uint8Array(16),
      type: COORDINATION_CONFIRMATION,
    });
    await peer.write(frameOf(body, 0, { address: member }));
    await network.advance(1000);
    assert.deepEqual(two.viewId(), before);
    peer.connection.abort();
    await network.settle();
  }));

test("NonBlockingCoordinator gives up an election that never comes back the same", () =>
  withStranger(async ({ network, nodes: [a] }, send, stranger) => {
    assert(a);
    const local = a.channel.localMember();
    const rounds = new Map<string, number>();
    stranger.behaviour = (received, connection) => {
      acknowledge(received, connection);
      const message = decodeCoordinationMessage(received.message);
      const id = encodeHex(message.id);
      rounds.set(id, (rounds.get(id) ?? 0) + 1);
      // What it sends back lacks a member, each time.
      void send({ ...message, view: [local, stranger.member] });
    };
    await send({});
    await network.advance(3 * HEARTBEAT);
    assert.ok(Math.max(...rounds.values()) > 10);
    assert.ok(Math.max(...rounds.values()) <= 66);
    assert.ok(rounds.size > 1);
    stranger.behaviour = acknowledge;
  }));

test("NonBlockingCoordinator leaves nothing behind when it stops", () =>
  withElectorate(
    ["10.0.0.1", "10.0.0.2"],
    async ({ network, nodes: [a], coordinators: [one] }) => {
      assert(a && one);
      await a.channel.stop();
      await network.advance(1000);
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
      assert.equal(one.isCoordinator(), false);
      assert.deepEqual(one.statistics(), {
        viewMembers: 0,
        elections: one.statistics().elections,
        foundMembers: 0,
        refused: 0,
      });
      await a.channel.start();
      await network.advance(HEARTBEAT);
      assert.equal(one.view().length, 2);
    },
  ));

test("makeInterceptor() makes a NonBlockingCoordinator; options out of range are refused", () => {
  const made = makeInterceptor("NonBlockingCoordinator", { optionFlag: "4" });
  assert(made instanceof NonBlockingCoordinator);
  assert.equal(made.name, "NonBlockingCoordinator");
  assert.equal(made.optionFlag, 4);
  for (
    const name of ["waitForCoordMsgTimeout", "connectTimeout", "maxMembers"]
  ) {
    assert.throws(
      () => new NonBlockingCoordinator({ [name]: 0 }),
      RangeError,
      name,
    );
  }
});
