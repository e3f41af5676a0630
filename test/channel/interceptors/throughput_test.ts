import assert from "node:assert/strict";
import { test } from "node:test";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import {
  formatThroughput,
  ThroughputInterceptor,
  type ThroughputReport,
} from "../../../channel/interceptors/throughput.ts";
import { MemoryNetwork } from "../../../transport/memory.ts";
import { SimulatedGroup, withGroup } from "../../support/simulated_group.ts";

const MEBIBYTE = 1024 * 1024;

/** Three nodes, of which the first two measure. */
async function withMeasured(
  task: (
    group: SimulatedGroup,
    layers: readonly ThroughputInterceptor[],
    reports: ThroughputReport[],
  ) => Promise<void>,
): Promise<void> {
  const reports: ThroughputReport[] = [];
  const group = new SimulatedGroup(new MemoryNetwork({ latency: [5, 5] }));
  const layers = [0, 1].map(() =>
    new ThroughputInterceptor({
      interval: 3,
      onReport: (report) => void reports.push(report),
    })
  );
  for (const layer of layers) group.add({ interceptors: [layer] });
  group.add({ interceptors: [] });
  await group.network.run(async () => {
    await group.start();
    await group.network.advance(1000);
    await task(group, layers, reports);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

test("ThroughputInterceptor counts whole frames, once for all and once for each destination", () =>
  withMeasured(async ({ network, nodes: [a] }, [sender, receiver]) => {
    assert(a && sender && receiver);
    const begin = network.now;
    let came: number | undefined;
    const size = 1_000_000;
    let written = 0;
    for (let i = 0; i < 2; i++) {
      await a.channel.send(a.channel.members(), new Uint8Array(size), {
        options: 6,
      });
      came ??= network.now - 5; // the ack was under way
    }
    for (const { to, bytes } of a.probe.written) {
      if (to.hostname === "10.0.0.2") written += bytes.length;
    }
    assert.ok(written > 2 * size);
    const sent = sender.statistics();
    assert.equal(sent.msgTxCnt, 2);
    assert.equal(sent.msgRxCnt, 0);
    assert.equal(sent.msgTxErr, 0);
    assert.equal(sent.mbAppTx, written / MEBIBYTE);
    assert.equal(sent.mbTx, 2 * written / MEBIBYTE);
    assertNear(sent.timeTx, (network.now - begin) / 1000);
    assert.ok(sent.timeTx > 0.02);
    assert.equal(sent.mbTxPerSecond, sent.mbTx / sent.timeTx);
    assert.equal(sent.mbAppTxPerSecond, sent.mbAppTx / sent.timeTx);
    const received = receiver.statistics();
    assert.equal(received.msgTxCnt, 0);
    assert.equal(received.msgRxCnt, 2);
    assert.equal(received.mbRx, written / MEBIBYTE);
    assertNear(
      received.mbRx / received.mbRxPerSecond,
      (network.now - (came ?? NaN)) / 1000,
    );
  }));

test("ThroughputInterceptor reports each interval of messages, sent and received", () =>
  withMeasured(async ({ nodes: [a] }, _, reports) => {
    assert(a);
    for (let i = 0; i < 7; i++) await a.sendAll(`${i}`, 6);
    const counts = reports.map((
      { msgTxCnt, msgRxCnt },
    ) => [msgTxCnt, msgRxCnt]);
    assert.deepEqual(counts, [[0, 3], [3, 0], [0, 6], [6, 0]]);
  }));

test("ThroughputInterceptor counts the time of sends that overlap once", () =>
  withMeasured(async ({ network, nodes: [a] }, [layer]) => {
    assert(a && layer);
    await a.sendAll("warm", 6); // the connection is there
    const before = layer.statistics().timeTx;
    const begin = network.now;
    const first = a.sendAll("0", 6);
    await network.advance(3);
    await Promise.all([1, 2, 3, 4].map((i) => a.sendAll(`${i}`, 6)));
    await first;
    const overlapping = layer.statistics().timeTx - before;
    assertNear(overlapping, (network.now - begin) / 1000);
    assert.ok(overlapping > 0.009);
    await network.advance(1000); // nothing is sent
    assert.equal(layer.statistics().timeTx, before + overlapping);
    const sending = a.sendAll("one", 6);
    await network.advance(4);
    const running = layer.statistics().timeTx - before - overlapping;
    assertNear(running, 0.004);
    await sending;
  }));

test("ThroughputInterceptor counts sends that fail as failed alone, and their time", () =>
  withMeasured(async ({ network, nodes: [a, b, c] }, [layer]) => {
    assert(a && b && c && layer);
    const members = a.channel.members();
    network.crash(c.host);
    await assert.rejects(
      a.channel.send(members, new Uint8Array(10), { options: 6 }),
    );
    const { msgTxCnt, msgTxErr, mbTx, timeTx } = layer.statistics();
    assert.deepEqual({ msgTxCnt, msgTxErr, mbTx }, {
      msgTxCnt: 0,
      msgTxErr: 1,
      mbTx: 0,
    });
    assert.ok(timeTx >= 3, `${timeTx} s`);
    await network.advance(5000); // nothing is sent
    assertNear(layer.statistics().timeTx, timeTx);
    await a.channel.send([a.memberAt(b.host)], new Uint8Array(10));
    assert.equal(layer.statistics().msgTxCnt, 1);
  }));

test("ThroughputInterceptor begins at zero after each start", () => {
  const layers: ThroughputInterceptor[] = [];
  return withGroup(
    2,
    async (_, [a]) => {
      assert(a);
      await a.sendAll("x", 6);
      assert.equal(layers[0]?.statistics().msgTxCnt, 1);
      await a.channel.stop();
      await a.channel.start();
      assert.deepEqual(
        Object.values(layers[0].statistics()),
        new Array(10).fill(0),
      );
    },
    () => {
      layers.push(new ThroughputInterceptor());
      return { interceptors: layers.slice(-1) };
    },
  );
});

test("formatThroughput() writes a line", () => {
  assert.equal(
    formatThroughput({
      msgTxCnt: 10,
      msgRxCnt: 20,
      msgTxErr: 1,
      mbTx: 4,
      mbAppTx: 2,
      mbRx: 3,
      timeTx: 2,
      mbTxPerSecond: 2,
      mbAppTxPerSecond: 1,
      mbRxPerSecond: 0.5,
    }),
    "sent 10 messages, 2.00 MiB (4.00 MiB to all) in 2.0 s, 1.00 MiB/s, 1 failed; received 20 messages, 3.00 MiB, 0.50 MiB/s",
  );
});

test("makeInterceptor() makes a Throughput, and refuses an interval that is none", () => {
  const layer = makeInterceptor("ThroughputInterceptor", { interval: "5" });
  assert.equal(layer.name, "Throughput");
  assert.equal(layer.optionFlag, 0);
  for (const interval of ["0", "-1"]) {
    assert.throws(
      () => makeInterceptor("Throughput", { interval }),
      RangeError,
    );
  }
});

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`);
}
