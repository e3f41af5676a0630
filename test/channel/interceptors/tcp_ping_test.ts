import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../../channel/interceptor.ts";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import { DomainFilterInterceptor } from "../../../channel/interceptors/domain_filter.ts";
import { StaticMembershipInterceptor } from "../../../channel/interceptors/static_membership.ts";
import { TcpFailureDetector } from "../../../channel/interceptors/tcp_failure_detector.ts";
import {
  TcpPingInterceptor,
  type TcpPingOptions,
} from "../../../channel/interceptors/tcp_ping.ts";
import {
  type ChannelData,
  decodeHex,
  encodeHex,
  encodeHost,
  TCP_PING_DATA,
} from "../../../protocol/mod.ts";
import {
  bytes,
  SimulatedGroup,
  withGroup,
} from "../../support/simulated_group.ts";
import { loadVector } from "../../support/vectors.ts";

const HEARTBEAT = 5000;

/** One node that pings over other layers, and two that listen; the time is that of a heartbeat. */
async function withPing(
  options: TcpPingOptions,
  below: readonly ChannelInterceptor[],
  task: (
    group: SimulatedGroup,
    ping: TcpPingInterceptor,
    heard: ChannelData[],
  ) => Promise<void>,
): Promise<void> {
  const ping = new TcpPingInterceptor(options);
  const group = new SimulatedGroup();
  group.add({ interceptors: [ping, ...below] });
  const heard: ChannelData[] = [];
  for (let i = 0; i < 2; i++) {
    group.add({ interceptors: [] }).channel.addChannelListener({
      messageReceived: (message) => void heard.push({ ...message }),
    });
  }
  await group.network.run(async () => {
    await group.start();
    await task(group, ping, heard);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

test("TcpPingInterceptor swallows the body of the vector, and no other", () =>
  withGroup(
    2,
    async (_, [a, b]) => {
      assert(a && b);
      const body = decodeHex(loadVector("control-bodies", "tcp-ping").hex);
      const send = (message: Uint8Array) =>
        a.channel.send(a.channel.members(), message, { options: 6 });
      const sizes: number[] = [];
      b.channel.addChannelListener({
        messageReceived: ({ message }) => void sizes.push(message.length),
      });
      await send(body);
      assert.deepEqual(sizes, []);
      await send(body.subarray(0, 63));
      await send(new Uint8Array(64));
      await send(Uint8Array.of(...body, 0));
      assert.deepEqual(sizes, [63, 64, 65]);
    },
    () => ({ interceptors: [new TcpPingInterceptor()] }),
  ));

test("TcpPingInterceptor with an optionFlag swallows only pings that have it", () =>
  withGroup(
    2,
    async (_, [a, b]) => {
      assert(a && b);
      const received: number[] = [];
      b.channel.addChannelListener({
        messageReceived: ({ options }) => void received.push(options),
      });
      for (const options of [6, 6 | 0x100, 6 | 0x300]) {
        await a.channel.send(a.channel.members(), TCP_PING_DATA, { options });
      }
      assert.deepEqual(received, [7, 7 | 0x100]);
    },
    () => ({
      interceptors: [new TcpPingInterceptor({ optionFlag: 0x300 })],
      heartbeat: false,
    }),
  ));

for (const optionFlag of [0, 0x102]) {
  test(`TcpPingInterceptor pings all members with options ${optionFlag} at each heartbeat`, () =>
    withPing({ optionFlag }, [], async ({ network }, ping, heard) => {
      await network.advance(HEARTBEAT + 100);
      assert.deepEqual(
        heard.map(({ options, message }) => [options, encodeHex(message)]),
        new Array(2).fill([
          optionFlag,
          loadVector("control-bodies", "tcp-ping").hex,
        ]),
      );
      await network.advance(HEARTBEAT);
      assert.equal(heard.length, 4);
      assert.deepEqual(ping.statistics(), {
        pingsSent: 2,
        pingsReceived: 0,
        checks: 0,
        failures: 0,
      });
    }));
}

test("TcpPingInterceptor with useThread pings at each interval, until it stops", () =>
  withPing(
    { useThread: true, interval: 300 },
    [],
    async ({ network, nodes: [a] }, ping, heard) => {
      assert(a);
      await network.advance(HEARTBEAT + 50); // between two pings
      heard.length = 0;
      await network.advance(3000);
      assert.equal(heard.length, 20);
      await a.channel.stop();
      await network.advance(3000);
      assert.equal(heard.length, 20);
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
      assert.equal(ping.statistics().failures, 0);
    },
  ));

test("TcpPingInterceptor with useThread has an interval of 1000", () =>
  withPing({ useThread: true }, [], async ({ network }, ping) => {
    await network.advance(50); // between two pings
    const before = ping.statistics().pingsSent;
    await network.advance(10_000);
    assert.equal(ping.statistics().pingsSent - before, 10);
  }));

test("TcpPingInterceptor over a detector lets that check its members, and sends nothing itself", () =>
  withPing(
    { useThread: true, interval: 500 },
    [new DomainFilterInterceptor({ domain: "" }), new TcpFailureDetector()],
    async ({ network, nodes }, ping, heard) => {
      const [a, , c] = nodes;
      assert(a && c);
      await network.advance(1000);
      heard.length = 0;
      const connects = a.probe.connects.length;
      await network.advance(5000); // ten intervals
      assert.ok(a.probe.connects.length - connects >= 20);
      for (const { message } of heard) {
        assert.notDeepEqual(message, TCP_PING_DATA);
      }
      assert.equal(ping.statistics().pingsSent, 0);
      assert.ok(ping.statistics().checks >= 10);
      // It finds out before dropTime and heartbeat do.
      network.crash(c.host);
      await network.advance(1600);
      assert.deepEqual(a.view, ["10.0.0.2:4000"]);
      assert.ok(a.changes.includes("-10.0.0.3:4000"));
      nodes.pop(); // a crashed node cannot stop
    },
  ));

test("TcpPingInterceptor reports a failed ping, and waits with the next one until then", () =>
  withPing(
    { useThread: true, interval: 200, optionFlag: 2 },
    [],
    async ({ network, nodes: [a, b, c] }, ping) => {
      assert(a && b && c);
      await network.advance(1000);
      const before = ping.statistics().pingsSent;
      network.partition([[a.host]]);
      await network.advance(2500); // the sender waits 3000
      assert.ok(ping.statistics().pingsSent - before <= 1);
      assert.equal(ping.statistics().failures, 0);
      await network.advance(8000);
      const { failures } = ping.statistics(); // 50 intervals have gone
      assert.ok(failures >= 1 && failures <= 4, `${failures} failures`);
      assert.equal(a.errors.length, ping.statistics().failures);
      network.heal();
      await network.advance(3000);
    },
  ));

for (const staticOnly of [false, true]) {
  test(
    `TcpPingInterceptor with staticOnly ${staticOnly} pings ${
      staticOnly ? "all that the static layer shows" : "what it sees itself"
    }`,
    async () => {
      const group = new SimulatedGroup();
      const { network } = group;
      const heard: string[] = [];
      // The filter hides both: they have no domain.
      group.add({
        domain: bytes("x"),
        interceptors: [
          new TcpPingInterceptor({ staticOnly }),
          new DomainFilterInterceptor({ domain: "x" }),
          new StaticMembershipInterceptor({
            members: [{ host: encodeHost("10.0.0.2"), port: 4000 }],
          }),
        ],
      });
      for (let i = 0; i < 2; i++) {
        const node = group.add({ interceptors: [] });
        node.channel.addChannelListener({
          messageReceived: ({ message }) => {
            if (message.length === 64) heard.push(node.host);
          },
        });
      }
      await network.run(async () => {
        await group.start();
        heard.length = 0;
        await network.advance(HEARTBEAT + 100);
        assert.deepEqual(
          heard.sort(),
          staticOnly ? ["10.0.0.2", "10.0.0.3"] : [],
        );
        await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
      });
    },
  );
}

test("makeInterceptor() makes a TcpPing with its attributes, and refuses an interval that is none", () => {
  const ping = makeInterceptor("TcpPingInterceptor", {
    interval: "500",
    useThread: "true",
    staticOnly: "true",
    optionFlag: "1024",
  });
  assert.equal(ping.name, "TcpPing");
  assert.equal(ping.optionFlag, 1024);
  assert.throws(
    () => makeInterceptor("TcpPing", { interval: "0" }),
    RangeError,
  );
});
