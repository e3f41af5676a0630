// Whole groups in virtual time: whatever happened, the views are right soon after it has ended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryNetwork } from "../../transport/memory.ts";
import {
  idOf,
  SimulatedGroup,
  SimulatedNode,
  withGroup,
} from "../support/simulated_group.ts";

const FREQUENCY = 500;
const DROP_TIME = 3000;
const HEARTBEAT = 5000;
// A member that the detector did not reach is asked again at its next heartbeat.
const CONVERGENCE = DROP_TIME + 2 * FREQUENCY + HEARTBEAT;
const HOUR = 3_600_000;

/** Asserts that each node sees all others, by their present ids, and nobody else. */
function assertConverged(nodes: readonly SimulatedNode[], note: string): void {
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node)
      .map(({ channel }) => idOf(channel.localMember())).sort();
    assert.deepEqual(node.ids, others, `${note}: the view of ${node.host}`);
  }
}

/** Asserts that what each node told adds up to what it shows. */
function assertHonest(nodes: readonly SimulatedNode[]): void {
  for (const { changes, view, host } of nodes) {
    const told: string[] = [];
    for (const change of changes) {
      if (change.startsWith("+")) told.push(change.slice(1));
      else {
        const at = told.indexOf(change.slice(1));
        assert.ok(at >= 0, `${host} told twice: ${change}`);
        told.splice(at, 1);
      }
    }
    assert.deepEqual(told.sort(), view, `what ${host} told`);
  }
}

test("a group of 10 converges after its start", () =>
  withGroup(10, async ({ network }, nodes) => {
    await network.advance(FREQUENCY);
    assertConverged(nodes, "start");
    assertHonest(nodes);
    for (const { changes } of nodes) assert.equal(changes.length, 9);
  }));

for (const seed of [1, 2, 3]) {
  test(`views part in a partition and converge after it, with seed ${seed}`, () => {
    const network = new MemoryNetwork({ seed, loss: 0.1, latency: [1, 20] });
    return withGroup(
      6,
      async (_, nodes) => {
        const left = nodes.slice(0, 2);
        const right = nodes.slice(2);
        network.partition([left.map(({ host }) => host)]);
        await network.advance(CONVERGENCE);
        assertConverged(left, "left");
        assertConverged(right, "right");
        await left[0]?.sendAll("left", 6);
        await right[0]?.sendAll("right", 6);
        network.heal();
        await network.advance(CONVERGENCE);
        assertConverged(nodes, "healed");
        assertHonest(nodes);
        await nodes[0]?.sendAll("all", 6);
        for (const { messages } of nodes.slice(1)) {
          assert.equal(messages.at(-1), "all");
        }
        assert.ok(!nodes[5]?.messages.includes("left"));
      },
      {},
      network,
    );
  });
}

for (const seed of [11, 12, 13]) {
  test(`10 channels see each other through an hour of loss, crashes, stops and partitions, with seed ${seed}`, async () => {
    const network = new MemoryNetwork({
      seed,
      latency: [0.2, 20],
      duplication: 0.05,
      reordering: 0.1,
    });
    const group = new SimulatedGroup(network);
    for (let i = 0; i < 10; i++) group.add();
    const { nodes } = group;
    const down = new Map<number, "crashed" | "stopped">();
    const draw = (count: number) => Math.floor(network.random() * count);
    const renew = (i: number) => {
      const { host } = nodes[i]!; // draw() gives an index
      return nodes[i] = new SimulatedNode(network.restart(host), host);
    };

    const disturb = async () => {
      const i = draw(10);
      const node = nodes[i]!; // likewise
      const state = down.get(i);
      switch (draw(5)) {
        case 0:
          if (state !== undefined) return;
          network.crash(node.host);
          down.set(i, "crashed");
          return;
        case 1:
          if (state !== undefined) return;
          await node.channel.stop();
          node.changes.length = 0; // members are told anew after a start
          down.set(i, "stopped");
          return;
        case 2: {
          if (state === undefined) return;
          const again = state === "crashed" ? renew(i) : node;
          down.delete(i);
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

    await network.run(async () => {
      await group.start();
      while (network.now < HOUR) {
        for (let n = draw(6); n >= 0; n--) {
          await disturb();
          await network.advance(network.random() * 8000);
        }
        network.heal();
        network.setConditions({ loss: 0 });
        await network.advance(CONVERGENCE);
        const live = nodes.filter((_, i) => !down.has(i));
        assertConverged(live, `seed ${seed} at ${network.now} ms`);
        assertHonest(live);
        // Tests and broadcasts leave nothing behind.
        for (const { channel } of live) assert.equal(channel.queuedBytes, 0);
      }
      await Promise.all(
        nodes.filter((_, i) => down.get(i) !== "crashed")
          .map(({ channel }) => channel.stop()),
      );
    });
  });
}
