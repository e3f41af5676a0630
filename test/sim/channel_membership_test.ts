// Who sees whom, in groups of 3 to 200 under seeded trouble: soon after it has ended every member sees
// every other by its present unique id, and nobody else.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupChannelOptions } from "../../channel/group_channel.ts";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import {
  assertHolds,
  type Cluster,
  runCluster,
  seeds,
} from "../support/simulated_cluster.ts";
import { disturb, type FaultKind } from "../support/simulated_disturbance.ts";

const FREQUENCY = 500;
const DROP_TIME = 3000;
const HEARTBEAT = 5000;
const CONNECT_TIMEOUT = 1000;
/** What multicast membership promises by itself. */
const CONVERGENCE = DROP_TIME + 2 * FREQUENCY;

const ALL: readonly FaultKind[] = [
  "datagrams",
  "cut",
  "partition",
  "crash",
  "stop",
  "pause",
  "skew",
];

interface Plan {
  readonly size: number;
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  readonly rounds: number;
  readonly faults: number;
  /** Time after which the views must be right. */
  readonly bound: number;
  readonly partitionLasts?: number;
  readonly channel?: GroupChannelOptions;
  readonly stack?: () => readonly ChannelInterceptor[];
  readonly latency?: readonly [number, number];
}

async function judgeViews(plan: Plan): Promise<Cluster> {
  const { seed, size, channel, stack, bound, latency = [0.2, 20] } = plan;
  const cluster = await runCluster({
    seed,
    size,
    conditions: { latency },
    ...(channel === undefined ? {} : { channel }),
    ...(stack === undefined ? {} : { stack: () => stack }),
  }, async (cluster) => {
    for (let round = 0; round < plan.rounds; round++) {
      await disturb(cluster, {
        kinds: plan.kinds,
        faults: plan.faults,
        pause: 4000,
        partitionLasts: plan.partitionLasts ?? 0,
        skew: 60_000,
      });
      cluster.heal();
      await cluster.advance(bound);
      cluster.checkViews(`round ${round}`);
    }
  });
  return cluster;
}

const multicastAlone = () => [new MessageDispatchInterceptor()];

for (
  const [size, rounds, faults] of [[3, 12, 6], [10, 8, 8], [50, 1, 10]] as const
) {
  for (const seed of seeds(...(size === 50 ? [1] : [1, 2]))) {
    test(`${size} members without a detector see each other dropTime and two frequencies after all has healed, with seed ${seed}`, async () => {
      const cluster = await judgeViews({
        size,
        seed,
        rounds,
        faults,
        kinds: ALL,
        bound: CONVERGENCE,
        stack: multicastAlone,
      });
      assertHolds(cluster);
      // One round may be without.
      assert(cluster.lives.length > size || rounds === 1, "none has restarted");
    });

    test(`${size} members with TcpFailureDetector see each other one heartbeat later at most, with seed ${seed}`, async () => {
      const cluster = await judgeViews({
        size,
        seed,
        rounds,
        faults,
        kinds: ALL,
        // What a test did not reach is tested again at the next heartbeat.
        bound: CONVERGENCE + HEARTBEAT,
      });
      assertHolds(cluster);
      // One round may be without.
      assert(cluster.lives.length > size || rounds === 1, "none has restarted");
    });
  }
}

for (const seed of seeds(1, 2, 3, 4)) {
  test(`10 members with TcpFailureDetector see each other dropTime and two frequencies after partitions that outlast dropTime, with seed ${seed}`, async () => {
    assertHolds(
      await judgeViews({
        size: 10,
        seed,
        rounds: 8,
        faults: 3,
        kinds: ["partition", "cut", "skew"],
        partitionLasts: DROP_TIME + CONNECT_TIMEOUT + FREQUENCY,
        bound: CONVERGENCE,
      }),
    );
  });
}

for (const seed of seeds(1)) {
  test(`200 members find each other, and again after a partition and a crash, with seed ${seed}`, async () => {
    const frequency = 1000;
    const cluster = await runCluster({
      seed,
      size: 200,
      // Few moments, and no 40,000 tests by TCP, make a large group affordable.
      conditions: { latency: [1, 1] },
      channel: { membership: { frequency } },
      stack: () => multicastAlone,
    }, async (cluster) => {
      cluster.checkViews("start");
      const some = cluster.hosts.slice(0, 80);
      cluster.part(some);
      cluster.crash(cluster.live[100]!); // there are 200
      await cluster.advance(DROP_TIME + frequency);
      const life = cluster.live[0]!; // likewise
      assert.equal(life.channel.members().length, some.length - 1);
      cluster.heal();
      cluster.begin(cluster.down[0]!); // it crashed
      await cluster.advance(DROP_TIME + 2 * frequency);
      cluster.checkViews("healed");
    });
    assertHolds(cluster);
  });
}

test("a detector that never lets a member go is found", async () => {
  class Blind extends TcpFailureDetector {
    override memberDisappeared(): void {}
    override heartbeat(): void {}
  }
  const { ledger } = await judgeViews({
    size: 4,
    seed: 1,
    rounds: 2,
    faults: 6,
    kinds: ["crash", "stop"],
    bound: CONVERGENCE + HEARTBEAT,
    stack: () => [new MessageDispatchInterceptor(), new Blind()],
  });
  assert.match(ledger.violations.join("\n"), /sees [1-9]\d* that are gone/);
});

test("a layer that hides a member is found", async () => {
  const { ledger } = await judgeViews({
    size: 4,
    seed: 1,
    rounds: 1,
    faults: 1,
    kinds: ["cut"],
    bound: CONVERGENCE,
    stack: () => [{
      name: "Hiding",
      members: (next) => next().slice(1),
    }],
  });
  assert.match(ledger.violations.join("\n"), /lacks 10\.0\.0\.\d+/);
});
