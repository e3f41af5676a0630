import assert from "node:assert/strict";
import { test } from "node:test";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import {
  SimpleCoordinator,
  type SimpleCoordinatorOptions,
} from "../../../channel/interceptors/simple_coordinator.ts";
import {
  formatMember,
  type Member,
  parseGeneration,
} from "../../../protocol/mod.ts";
import { SimulatedGroup } from "../../support/simulated_group.ts";

const STABLE = 2500;

/** A node with a coordinator, and others without. */
async function withCoordinator(
  hosts: readonly string[],
  options: SimpleCoordinatorOptions,
  task: (
    group: SimulatedGroup,
    coordinator: SimpleCoordinator,
    views: string[][],
  ) => Promise<void>,
): Promise<void> {
  const views: string[][] = [];
  const coordinator = new SimpleCoordinator({
    ...options,
    onElection: (view) => void views.push(view.map(formatMember)),
  });
  const group = new SimulatedGroup();
  for (const [i, host] of hosts.entries()) {
    group.addOn(host, { interceptors: i === 0 ? [coordinator] : [] });
  }
  await group.network.run(async () => {
    await group.start();
    await task(group, coordinator, views);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

const at = (coordinator: { coordinator(): Member | undefined }) => {
  const member = coordinator.coordinator();
  return member === undefined ? undefined : formatMember(member);
};

test("SimpleCoordinator installs a view when nothing has changed for 2500 ms", () =>
  withCoordinator(
    ["10.0.0.2", "10.0.0.3", "10.0.0.1"],
    {},
    async ({ network, nodes }, coordinator, views) => {
      const [, , first] = nodes;
      assert(first);
      const changed = network.now; // the start waits for members
      assert.equal(at(coordinator), undefined);
      assert.equal(coordinator.isCoordinator(), false);
      await network.advance(STABLE);
      assert.ok(network.now - changed <= STABLE);
      const all = ["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"];
      assert.deepEqual(views, [all]);
      assert.deepEqual(coordinator.view().map(formatMember), all);
      assert.equal(at(coordinator), all[0]);
      assert.equal(coordinator.isCoordinator(), false);
      assert.deepEqual(coordinator.statistics(), {
        viewMembers: 3,
        elections: 1,
      });

      await first.channel.stop();
      await network.advance(STABLE - 100);
      assert.equal(at(coordinator), all[0], "too early");
      await network.advance(1100);
      assert.equal(at(coordinator), all[1]);
      assert.equal(coordinator.isCoordinator(), true);
      await network.advance(60_000);
      assert.equal(views.length, 2);
    },
  ));

test("SimpleCoordinator waits again after each change", () =>
  withCoordinator(
    ["10.0.0.2"],
    {},
    async (group, coordinator, views) => {
      const { network } = group;
      await network.advance(STABLE);
      assert.deepEqual(views, [["10.0.0.2:4000"]]);
      for (let i = 3; i < 8; i++) { // one start a second
        await group.addOn(`10.0.0.${i}`, { interceptors: [] }).channel.start();
        assert.equal(views.length, 1);
      }
      await network.advance(STABLE);
      assert.equal(views.length, 2);
      assert.equal(coordinator.view().length, 6);
    },
  ));

for (
  const [release, first] of [
    ["9.0.70", "10.0.0.200:4000"],
    ["10.1.60", "10.0.0.100:4000"],
  ] as const
) {
  test(`SimpleCoordinator orders members as ${release} does`, () =>
    withCoordinator(
      ["10.0.0.100", "10.0.0.200"],
      { generation: parseGeneration(release) },
      async ({ network }, coordinator) => {
        await network.advance(STABLE);
        assert.equal(at(coordinator), first);
      },
    ));
}

test("SimpleCoordinator has no view and no timer after its stop", () =>
  withCoordinator(
    ["10.0.0.1", "10.0.0.2"],
    { stableTime: 100 },
    async ({ network, nodes: [a] }, coordinator, views) => {
      assert(a);
      await network.advance(100);
      assert.equal(views.length, 1);
      await a.channel.stop();
      assert.deepEqual(coordinator.view(), []);
      assert.equal(coordinator.isCoordinator(), false);
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
      await a.channel.start();
      await network.advance(100);
      assert.equal(coordinator.view().length, 2);
      assert.ok(views.length > 1);
    },
  ));

test("makeInterceptor() makes a SimpleCoordinator", () => {
  const coordinator = makeInterceptor("SimpleCoordinator", { optionFlag: "4" });
  assert(coordinator instanceof SimpleCoordinator);
  assert.equal(coordinator.name, "SimpleCoordinator");
  assert.equal(coordinator.optionFlag, 4);
  assert.throws(() => new SimpleCoordinator({ stableTime: 0 }), RangeError);
});
