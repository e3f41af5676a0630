import assert from "node:assert/strict";
import { test } from "node:test";
import {
  TcpFailureDetector,
  type TcpFailureDetectorOptions,
} from "../../../channel/interceptors/tcp_failure_detector.ts";
import {
  decodeChannelData,
  decodeFrame,
  decodeHex,
  encodeHex,
  encodeMember,
  TCP_FAILURE_DETECTOR_DATA,
} from "../../../protocol/mod.ts";
import { MemoryNetwork } from "../../../transport/memory.ts";
import {
  idOf,
  SimulatedGroup,
  SimulatedNode,
  withGroup,
} from "../../support/simulated_group.ts";
import { loadVector } from "../../support/vectors.ts";

const DROP_TIME = 3000;
const FREQUENCY = 500;
const HEARTBEAT = 5000;
const CONNECT_TIMEOUT = 1000;

test("TcpFailureDetector swallows the body of the vector, and no other", () =>
  withGroup(2, async (_, [a, b]) => {
    assert(a && b);
    const vector = loadVector("control-bodies", "tcp-failure-detector");
    const body = decodeHex(vector.hex);
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
    assert.deepEqual(sizes, [63, 64]);
  }));

test("TcpFailureDetector with an optionFlag swallows only messages that have it", () =>
  withGroup(
    2,
    async (_, [a, b]) => {
      assert(a && b);
      const received: number[] = [];
      b.channel.addChannelListener({
        messageReceived: ({ options }) => void received.push(options),
      });
      for (const options of [6, 6 | 0x100, 6 | 0x200, 6 | 0x300]) {
        await a.channel.send(a.channel.members(), TCP_FAILURE_DETECTOR_DATA, {
          options,
        });
      }
      assert.deepEqual(received, [7, 7 | 0x100, 7 | 0x200]);
    },
    () => ({ interceptors: [new TcpFailureDetector({ optionFlag: 0x300 })] }),
  ));

for (
  const [options, expected] of [
    [{}, 1],
    [{ optionFlag: 0x100 }, 0x101],
    [{ performReadTest: true }, 3],
  ] as [TcpFailureDetectorOptions, number][]
) {
  test(`TcpFailureDetector writes one frame with options ${expected} for a test`, async () => {
    const group = new SimulatedGroup();
    const a = group.add({ interceptors: [new TcpFailureDetector(options)] });
    const b = group.add({ interceptors: [new TcpFailureDetector(options)] });
    await group.network.run(async () => {
      await group.start();
      await group.network.advance(100);
      assert.equal(a.probe.connects.length, 1);
      const written = a.probe.written.filter(({ to }) => to.port === 4000);
      assert.equal(written.length, 1);
      const frame = written[0]!.bytes; // there is one
      const message = decodeChannelData(decodeFrame(frame));
      assert.equal(message.options, expected);
      assert.deepEqual(message.address, {
        ...a.channel.localMember(),
        aliveTime: message.address.aliveTime, // of the beacon before
      });
      assert.equal(
        encodeHex(message.message),
        loadVector("control-bodies", "tcp-failure-detector").hex,
      );
      assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
      // Nothing is left of the test.
      assert.equal(a.probe.sockets.size, 2);
      assert.equal(b.probe.sockets.size, 2);
      assert.equal(b.messages.length, 0);
      await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
    });
  });
}

test("TcpFailureDetector without performSendTest writes nothing", () =>
  withGroup(
    2,
    (_, [a]) => {
      assert(a);
      assert.equal(a.probe.connects.length, 1);
      assert.deepEqual(a.probe.written, []);
      assert.equal(a.view.length, 1);
      return Promise.resolve();
    },
    () => ({
      interceptors: [new TcpFailureDetector({ performSendTest: false })],
    }),
  ));

test("TcpFailureDetector with performReadTest takes any byte for life, and silence for death", async () => {
  const answers = ["acks", "answers", "answers late", "is silent", "hangs up"];
  for (const answer of answers) {
    const network = new MemoryNetwork();
    const group = new SimulatedGroup(network);
    const detector = new TcpFailureDetector({
      performReadTest: true,
      readTestTimeout: 2000,
    });
    const a = group.add({ interceptors: [detector] });
    await network.run(async () => {
      const b = group.add({ interceptors: [] });
      // Announces itself, while somebody else listens.
      if (answer !== "acks") await b.channel.start(12);
      else await b.channel.start();
      const host = network.transport(b.host);
      const listener = answer === "acks"
        ? undefined
        : await host.listen({ hostname: b.host, port: 4000 });
      const serving = (async () => {
        for await (const connection of listener ?? []) {
          if (answer === "answers late") {
            // Later than connecting may take.
            await new Promise<void>((resolve) =>
              host.clock.startTimer(CONNECT_TIMEOUT + 500, resolve)
            );
          }
          if (answer.startsWith("answers")) {
            await connection.write(Uint8Array.of(0));
          }
          if (answer === "hangs up") await connection.close();
        }
      })();
      await a.channel.start();
      await network.advance(2500);
      const alive = answer === "acks" || answer.startsWith("answers");
      assert.equal(a.view.length, alive ? 1 : 0, answer);
      await a.channel.stop();
      assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 }, answer);
      await b.channel.stop();
      await listener?.close();
      await serving;
    });
  }
});

test("TcpFailureDetector keeps a member whose beacons alone are lost, and tests it at each heartbeat", () => {
  const detectors = [new TcpFailureDetector(), new TcpFailureDetector()];
  const group = new SimulatedGroup();
  const [a, b] = detectors.map((detector) =>
    group.add({ interceptors: [detector] })
  );
  assert(a && b);
  return group.network.run(async () => {
    await group.start();
    await group.network.advance(100);
    b.probe.failSends = true; // datagrams; its connections work
    const before = idOf(a.memberAt(b.host));
    await group.network.advance(400_000);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.ids, [before]);
    assert.deepEqual(detectors[0]?.statistics(), { present: 1, suspects: 1 });
    const tests = a.probe.connects.length;
    assert.ok(tests > 75 && tests < 85, `${tests} tests in 80 heartbeats`);
    await a.sendAll("still here", 6);
    assert.deepEqual(b.messages, ["still here"]);

    // Its receiver fails too: now it is gone.
    group.network.crash(b.host);
    await group.network.advance(HEARTBEAT + CONNECT_TIMEOUT);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000", "-10.0.0.2:4000"]);
    assert.deepEqual(a.view, []);
    assert.deepEqual(detectors[0]?.statistics(), { present: 0, suspects: 0 });
    await a.channel.stop();
  });
});

test("TcpFailureDetector says nothing when a silent member is heard again", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    b.probe.failSends = true;
    await network.advance(20_000);
    b.probe.failSends = false;
    await network.advance(20_000);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.ok(a.channel.members()[0]!.aliveTime > 40_000); // it sees one
    const tests = a.probe.connects.length;
    await network.advance(60_000);
    assert.equal(a.probe.connects.length, tests, "it tests who has beacons");
  }));

test("TcpFailureDetector shows a member while it checks whether it is gone", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    network.crash(b.host);
    await network.advance(DROP_TIME + FREQUENCY - 200);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    await network.advance(CONNECT_TIMEOUT + 200);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000", "-10.0.0.2:4000"]);
    assert.deepEqual(a.view, []);
    network.restart(b.host);
  }));

test("TcpFailureDetector passes a shutdown on without a test", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const tests = a.probe.connects.length;
    await b.channel.stop();
    await network.advance(10);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000", "-10.0.0.2:4000"]);
    assert.equal(a.probe.connects.length, tests);
  }));

test("TcpFailureDetector adds a member only once its receiver answers, at a heartbeat", async () => {
  const group = new SimulatedGroup();
  const a = group.add();
  const b = group.add({ receiver: { port: 4000, autoBind: 1 } });
  await group.network.run(async () => {
    await a.channel.start();
    await b.channel.start(12); // announced, but not listening
    await group.network.advance(20_000);
    assert.deepEqual(a.changes, []);
    assert.deepEqual(a.view, []);
    const host = group.network.transport(b.host);
    await using _listener = await host.listen({
      hostname: b.host,
      port: 4000,
    });
    await group.network.advance(HEARTBEAT);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
});

test("TcpFailureDetector drops a member to which a send fails, and adds it at a heartbeat when it is back", () =>
  withGroup(3, async ({ network }, [a, b, c]) => {
    assert(a && b && c);
    await network.advance(1000);
    // Beacons come, but TCP does not: its process stands still for others' connects only.
    const hidden = c.channel.localMember();
    await c.channel.stop();
    const beacons = await network.transport(c.host).bindDatagram();
    const announce = async (time: number) => {
      const block = encodeMember({ ...hidden, aliveTime: time });
      await beacons.send(block, { hostname: "228.0.0.4", port: 45_564 });
    };
    const host = network.transport(c.host);
    const listener = await host.listen({ hostname: c.host, port: 4000 });
    await announce(100_000);
    await network.advance(100);
    assert.deepEqual(a.view, ["10.0.0.2:4000", "10.0.0.3:4000"]);
    await listener.close();
    a.changes.length = 0;
    await assert.rejects(a.sendAll("x", 2), { code: "connection-refused" });
    await network.advance(10);
    assert.deepEqual(a.changes, ["-10.0.0.3:4000"]);
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    const again = await host.listen({ hostname: c.host, port: 4000 });
    for (let i = 1; i <= 11; i++) {
      await announce(100_000 + i * 500);
      await network.advance(500);
    }
    assert.deepEqual(a.changes, ["-10.0.0.3:4000", "+10.0.0.3:4000"]);
    await again.close();
    await beacons.close();
  }));

test("TcpFailureDetector ignores what a check finds after something newer was heard", async () => {
  const network = new MemoryNetwork({ latency: [300, 300] });
  await withGroup(
    2,
    async (_, [a, b]) => {
      assert(a && b);
      // A test takes 600 ms: while one is under way the member leaves for good.
      await network.advance(1000);
      const tests = a.probe.connects.length;
      b.probe.failSends = true;
      for (let i = 0; i < 300 && a.probe.connects.length === tests; i++) {
        await network.advance(20);
      }
      assert.equal(a.probe.connects.length, tests + 1, "no check is under way");
      b.probe.failSends = false;
      await b.channel.stop();
      await network.advance(HEARTBEAT * 2);
      assert.deepEqual(a.changes, ["+10.0.0.2:4000", "-10.0.0.2:4000"]);
      assert.deepEqual(a.view, []);
    },
    {},
    network,
  );
});

test("TcpFailureDetector keeps a member that is heard again while it is checked, whatever the check finds", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const gate = Promise.withResolvers<void>();
    const tests = a.probe.connects.length;
    a.probe.gate = gate.promise;
    b.probe.failSends = true;
    for (let i = 0; i < 300 && a.probe.connects.length === tests; i++) {
      await network.advance(20);
    }
    assert.equal(a.probe.connects.length, tests + 1, "no check is under way");
    b.probe.failSends = false;
    await network.advance(600);
    a.probe.failConnects = true;
    gate.resolve();
    await network.advance(100);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    a.probe.failConnects = false;
  }));

test("TcpFailureDetector does not test a member that failed to process a message", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    b.channel.addChannelListener({
      messageReceived: () => {
        throw new Error("listener");
      },
    });
    await assert.rejects(a.sendAll("first", 6), { code: "failed-ack" });
    const tests = a.probe.connects.length;
    await assert.rejects(a.sendAll("second", 6), { code: "failed-ack" });
    await network.advance(100);
    assert.equal(a.probe.connects.length, tests);
    assert.equal(tests, 2, "one test when it came, one connection to send");
  }));

test("TcpFailureDetector needs no heartbeat to tell a silent member from its successor", () => {
  const network = new MemoryNetwork();
  return withGroup(
    2,
    async (group, [a, b]) => {
      assert(a && b);
      network.crash(b.host);
      await network.advance(500);
      const again = new SimulatedNode(network.restart(b.host), b.host);
      group.nodes[1] = again;
      await again.channel.start();
      await network.advance(DROP_TIME);
      assert.deepEqual(a.ids, [idOf(again.channel.localMember())]);
    },
    { heartbeat: false },
    network,
  );
});

test("TcpFailureDetector takes a crashed node's successor on its port for what it is", async () => {
  for (const restart of [500, 2000, 2900, 3300, 6000, 20_000]) {
    const network = new MemoryNetwork({ seed: restart });
    await withGroup(
      2,
      async (group, [a, b]) => {
        assert(a && b);
        const old = idOf(a.memberAt(b.host));
        network.crash(b.host);
        await network.advance(restart);
        const again = new SimulatedNode(network.restart(b.host), b.host);
        group.nodes[1] = again;
        await again.channel.start();
        await network.advance(DROP_TIME + 2 * FREQUENCY + HEARTBEAT);
        const id = idOf(again.channel.localMember());
        assert.deepEqual(a.ids, [id], `after ${restart} ms`);
        assert.notEqual(old, id);
        assert.deepEqual([...a.changes].sort(), [
          "+10.0.0.2:4000",
          "+10.0.0.2:4000",
          "-10.0.0.2:4000",
        ], `after ${restart} ms`);
        await a.sendAll("once", 6);
        assert.deepEqual(again.messages, ["once"]);
      },
      {},
      network,
    );
  }
});

test("TcpFailureDetector.stop() gives running checks up", async () => {
  const network = new MemoryNetwork();
  const group = new SimulatedGroup(network);
  const [a, b] = [group.add(), group.add()];
  await network.run(async () => {
    await group.start();
    await network.advance(100);
    network.crash(b.host);
    await network.advance(DROP_TIME + 100);
    assert.equal(a.probe.connects.length, 2, "no check is under way");
    await a.channel.stop();
    assert.deepEqual(a.probe.open, { timers: 0, sockets: 0 });
    await network.advance(10_000);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(a.errors, []);
  });
});

test("TcpFailureDetector.members() keeps the order from below, and its list until a change", () =>
  withGroup(4, async ({ network }, [a]) => {
    assert(a);
    const members = a.channel.members();
    assert.equal(a.channel.members(), members);
    await network.advance(1000);
    assert.notEqual(a.channel.members(), members);
    const times = a.channel.members().map(({ aliveTime }) => aliveTime);
    assert.deepEqual(times, [...times].sort((x, y) => y - x));
  }));

test("TcpFailureDetector refuses times that are none", () => {
  for (
    const options of [
      { connectTimeout: 0 },
      { readTestTimeout: -1 },
      { removeSuspectsTimeout: -1 },
    ]
  ) {
    assert.throws(() => new TcpFailureDetector(options), RangeError);
  }
});
