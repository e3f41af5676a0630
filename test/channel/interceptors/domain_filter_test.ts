import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DomainFilterInterceptor,
  type DomainFilterOptions,
} from "../../../channel/interceptors/domain_filter.ts";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import { createMember, parseGeneration } from "../../../protocol/mod.ts";
import { ChannelError } from "../../../transport/errors.ts";
import { bytes, SimulatedGroup } from "../../support/simulated_group.ts";

/** Two nodes of domain `red`, one of `blue` and one without; the first red one and blue filter. */
async function withDomains(
  options: Omit<DomainFilterOptions, "domain">,
  task: (
    group: SimulatedGroup,
    filter: DomainFilterInterceptor,
  ) => Promise<void>,
): Promise<void> {
  const group = new SimulatedGroup();
  const filter = new DomainFilterInterceptor({ domain: "red", ...options });
  group.add({ domain: bytes("red"), interceptors: [filter] });
  group.add({ domain: bytes("red"), interceptors: [] });
  group.add({
    domain: bytes("blue"),
    interceptors: [
      new DomainFilterInterceptor({ domain: "{98,108,117,101}" }),
    ],
  });
  group.add({ interceptors: [] });
  await group.network.run(async () => {
    await group.start();
    await group.network.advance(1000);
    await task(group, filter);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

test("DomainFilterInterceptor hides members of other domains, and their going", () =>
  withDomains({}, async ({ network, nodes: [a, b, c, d] }) => {
    assert(a && b && c && d);
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    assert.deepEqual(c.view, []);
    assert.equal(d.view.length, 3);
    await b.channel.stop();
    await c.channel.stop();
    await network.advance(1000);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000", "-10.0.0.2:4000"]);
    assert.deepEqual(a.view, []);
  }));

test("DomainFilterInterceptor gives the same list until a member changes", () => {
  const filter = new DomainFilterInterceptor({ domain: "red" });
  const member = (port: number, domain: string) =>
    createMember({ host: new Uint8Array(4), port, domain: bytes(domain) });
  const below = [member(1, "red"), member(2, "blue"), member(3, "red")];
  const list = filter.members(() => below);
  assert.deepEqual(list.map(({ port }) => port), [1, 3]);
  assert.equal(filter.members(() => below), list);
  assert.notEqual(filter.members(() => [...below]), list);
});

test("DomainFilterInterceptor drops messages of other domains, and reports one of logInterval", () =>
  withDomains({ logInterval: 3 }, async ({ nodes: [a, b, , d] }, filter) => {
    assert(a && b && d);
    const to = [d.memberAt(a.host)];
    for (let i = 0; i < 7; i++) {
      await d.channel.send(to, bytes(`d${i}`), { options: 6 });
    }
    await b.channel.send([b.memberAt(a.host)], bytes("b"), { options: 6 });
    assert.deepEqual(a.messages, ["b"]);
    assert.deepEqual(filter.statistics(), { dropped: 7 });
    assert.deepEqual(a.errors.map(({ message }) => message), [
      "Dropped a message of 10.0.0.4:4000: it is of another domain; 3 were dropped",
      "Dropped a message of 10.0.0.4:4000: it is of another domain; 6 were dropped",
    ]);
    assert(a.errors[0] instanceof ChannelError);
    assert.equal(a.errors[0].code, "unknown-member");
  }));

test("DomainFilterInterceptor reports one of 100 by default", () =>
  withDomains({}, async ({ nodes: [a, , , d] }) => {
    assert(a && d);
    const to = [d.memberAt(a.host)];
    for (let i = 0; i < 100; i++) {
      assert.equal(a.errors.length, 0);
      await d.channel.send(to, bytes("x"), { options: 6 });
    }
    assert.equal(a.errors.length, 1);
  }));

for (
  const [release, filtered] of [["7.0.59", false], ["7.0.60", true]] as const
) {
  test(
    `DomainFilterInterceptor ${
      filtered ? "drops" : "passes"
    } messages of other domains as ${release} does`,
    () =>
      withDomains(
        { generation: parseGeneration(release) },
        async ({ nodes: [a, , , d] }) => {
          assert(a && d);
          assert.deepEqual(a.view, ["10.0.0.2:4000"]);
          await d.channel.send([d.memberAt(a.host)], bytes("x"), {
            options: 6,
          });
          assert.deepEqual(a.messages, filtered ? [] : ["x"]);
        },
      ),
  );
}

test("DomainFilterInterceptor copies its domain", async () => {
  const domain = bytes("red");
  const filter = new DomainFilterInterceptor({ domain });
  domain.fill(0);
  const group = new SimulatedGroup();
  const a = group.add({ interceptors: [filter] });
  group.add({ domain: bytes("red"), interceptors: [] });
  await group.network.run(async () => {
    await group.start();
    await group.network.advance(1000);
    assert.equal(a.view.length, 1);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
});

test("DomainFilterInterceptor refuses a domain or logInterval that is none", () => {
  for (const domain of ["{1,2", "{300}", "\u0100"]) {
    assert.throws(() => new DomainFilterInterceptor({ domain }), RangeError);
  }
  for (const logInterval of [0, -1, 1.5]) {
    assert.throws(
      () => new DomainFilterInterceptor({ domain: "x", logInterval }),
      RangeError,
    );
  }
});

test("makeInterceptor() makes a DomainFilter, and needs its domain", () => {
  const filter = makeInterceptor("DomainFilterInterceptor", {
    domain: "red",
    logInterval: "5",
    optionFlag: "256",
  });
  assert.equal(filter.name, "DomainFilter");
  assert.equal(filter.optionFlag, 256);
  assert.throws(() => makeInterceptor("DomainFilter"), {
    message: "Cannot make interceptor DomainFilter: it needs domain",
  });
});
