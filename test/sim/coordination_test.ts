// Coordinators in virtual time: whatever happened, all members agree soon after it has ended.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupChannelOptions } from "../../channel/group_channel.ts";
import { NonBlockingCoordinator } from "../../channel/interceptors/non_blocking_coordinator.ts";
import { SimpleCoordinator } from "../../channel/interceptors/simple_coordinator.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import { formatMember } from "../../protocol/tribes/member.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import {
  idOf,
  SimulatedGroup,
  type SimulatedNode,
} from "../support/simulated_group.ts";

const DROP_TIME = 3000;
const HEARTBEAT = 5000;
const PATIENCE = 15_000;
// Members are found, an election that lost its request is given up, and a heartbeat begins another.
const CONVERGENCE = DROP_TIME + PATIENCE + 3 * HEARTBEAT;

type Coordinator = NonBlockingCoordinator | SimpleCoordinator;

/** A group whose nodes have coordinators. */
class CoordinatedGroup extends SimulatedGroup {
  readonly coordinators = new Map<SimulatedNode, Coordinator>();
  readonly #make: () => Coordinator;

  constructor(network: MemoryNetwork, make: () => Coordinator) {
    super(network);
    this.#make = make;
  }

  override addOn(
    host: string,
    options: GroupChannelOptions = {},
  ): SimulatedNode {
    const coordinator = this.#make();
    const node = super.addOn(host, {
      interceptors: [coordinator, new TcpFailureDetector()],
      ...options,
    });
    this.coordinators.set(node, coordinator);
    return node;
  }

  /** Starts a crashed host again, with a new node in the place of the old. */
  renew(node: SimulatedNode): SimulatedNode {
    this.network.restart(node.host);
    const fresh = this.addOn(node.host);
    this.nodes.pop();
    this.nodes[this.nodes.indexOf(node)] = fresh;
    this.coordinators.delete(node);
    return fresh;
  }

  /** Asserts that these nodes, and nobody else, are in the view of each of them. */
  assertAgreed(nodes: readonly SimulatedNode[], note: string): void {
    const members = nodes.map(({ channel }) => channel.localMember())
      .sort((a, b) => compareAbsoluteOrder(a, b));
    for (const node of nodes) {
      const coordinator = this.coordinators.get(node);
      assert(coordinator !== undefined);
      assert.deepEqual(
        coordinator.view().map(idOf),
        members.map(idOf),
        `${note}: the view of ${node.host} is ${
          coordinator.view().map(formatMember)
        }, its members ${node.view}`,
      );
      assert.equal(
        coordinator.isCoordinator(),
        node.ids.length === 0 ||
          idOf(node.channel.localMember()) === idOf(members[0]!),
        note,
      );
      assert.equal(idOf(coordinator.coordinator()!), idOf(members[0]!), note);
    }
  }
}

const KINDS: readonly (readonly [string, () => Coordinator])[] = [
  ["NonBlockingCoordinator", () => new NonBlockingCoordinator()],
  ["SimpleCoordinator", () => new SimpleCoordinator()],
];

/** Runs a task, and tells the seed when it fails. */
function simulate(
  network: MemoryNetwork,
  make: () => Coordinator,
  size: number,
  task: (group: CoordinatedGroup) => Promise<void>,
): Promise<void> {
  const group = new CoordinatedGroup(network, make);
  for (let i = 0; i < size; i++) group.add();
  return network.run(async () => {
    try {
      await group.start();
      await task(group);
    } catch (error) {
      throw new Error(`With seed ${network.seed}`, { cause: error });
    }
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

for (const [name, make] of KINDS) {
  for (const size of [3, 10, 50]) {
    test(`${size} nodes with ${name} agree after their start`, () =>
      simulate(
        new MemoryNetwork({ seed: size }),
        make,
        size,
        async (group) => {
          await group.network.advance(HEARTBEAT * 2);
          group.assertAgreed(group.nodes, "start");
        },
      ));
  }

  for (const seed of [1, 2, 3]) {
    test(`nodes with ${name} part in a partition and agree after it, with seed ${seed}`, () =>
      simulate(
        new MemoryNetwork({ seed, loss: 0.1, latency: [1, 20] }),
        make,
        7,
        async (group) => {
          const { network, nodes } = group;
          await network.advance(HEARTBEAT);
          const left = nodes.slice(0, 3);
          const right = nodes.slice(3);
          network.partition([left.map(({ host }) => host)]);
          await network.advance(CONVERGENCE);
          group.assertAgreed(left, "left");
          group.assertAgreed(right, "right");
          network.heal();
          await network.advance(CONVERGENCE);
          group.assertAgreed(nodes, "healed");
        },
      ));
  }

  for (const seed of [11, 12, 13, 14]) {
    test(`8 nodes with ${name} agree after crashes, restarts, stops, loss and partitions, with seed ${seed}`, () =>
      simulate(
        new MemoryNetwork({ seed, latency: [0.2, 20], duplication: 0.05 }),
        make,
        8,
        (group) => disturb(group, 12),
      ));
  }
}

/** Rounds of trouble, each followed by peace. */
async function disturb(group: CoordinatedGroup, rounds: number) {
  const { network, nodes } = group;
  const down = new Map<SimulatedNode, "crashed" | "stopped">();
  const draw = (count: number) => Math.floor(network.random() * count);
  const trouble = async () => {
    const node = nodes[draw(nodes.length)]!; // draw() gives an index
    const state = down.get(node);
    switch (draw(5)) {
      case 0:
        if (state !== undefined) return;
        network.crash(node.host);
        down.set(node, "crashed");
        return;
      case 1:
        if (state !== undefined) return;
        await node.channel.stop();
        down.set(node, "stopped");
        return;
      case 2: {
        if (state === undefined) return;
        down.delete(node);
        const again = state === "crashed" ? group.renew(node) : node;
        await again.channel.start();
        return;
      }
      case 3:
        network.partition([
          nodes.filter(() => network.random() < 0.4).map(({ host }) => host),
        ]);
        return;
      default:
        network.setConditions({ loss: network.random() * 0.3 });
    }
  };
  for (let round = 0; round < rounds; round++) {
    for (let n = draw(6); n >= 0; n--) {
      await trouble();
      await network.advance(network.random() * 8000);
    }
    network.heal();
    network.setConditions({ loss: 0 });
    await network.advance(CONVERGENCE);
    group.assertAgreed(
      nodes.filter((node) => !down.has(node)),
      `round ${round} at ${network.now} ms`,
    );
  }
  for (const [node, state] of down) {
    if (state === "crashed") nodes.splice(nodes.indexOf(node), 1);
  }
}

test("NonBlockingCoordinator gives all members of a view the same id, and the view once", () =>
  simulate(
    new MemoryNetwork({ seed: 5 }),
    () => new NonBlockingCoordinator(),
    5,
    async (group) => {
      await group.network.advance(2 * HEARTBEAT);
      const ids = () =>
        [...group.coordinators.values()].map((coordinator) =>
          encodeHex((coordinator as NonBlockingCoordinator).viewId())
        );
      const [id] = ids();
      assert.deepEqual(new Set(ids()), new Set([id]));
      await group.network.advance(10 * HEARTBEAT);
      assert.deepEqual(new Set(ids()), new Set([id]), "nothing has changed");
    },
  ));
