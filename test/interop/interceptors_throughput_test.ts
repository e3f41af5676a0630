/** The figures of Java's ThroughputInterceptor and of ours, for the same messages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ThroughputInterceptor,
  type ThroughputReport,
} from "../../channel/interceptors/throughput.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import { createMember } from "../../protocol/tribes/member.ts";
import { OurNode } from "../support/interop_channel.ts";
import { JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const SIZE = 1_000_000;
const COUNT = 5;

test(
  "ThroughputInterceptor counts as Java does, on both sides",
  needsJava(RELEASE, 60_000),
  async () => {
    const reports: ThroughputReport[] = [];
    const interceptor = new ThroughputInterceptor({
      interval: COUNT,
      onReport: (report) => void reports.push(report),
    });
    await using java = await JavaPeer.start({
      release: RELEASE,
      interceptors: [`Throughput:interval=${COUNT}`],
    });
    await using node = await OurNode.start({ interceptors: [interceptor] });
    const to = [createMember({
      host: encodeHost("127.0.0.1"),
      port: java.member.port,
    })];
    for (let i = 0; i < COUNT; i++) {
      await node.channel.send(to, new Uint8Array(SIZE), { options: 6 });
    }
    const received = await javaReport(java, "Rx Msg");
    assert.equal(reports.length, 1);
    const [sent] = reports;
    assert.equal(sent?.msgTxCnt, COUNT);
    assert.equal(received.get("Received"), `${sent.mbTx.toFixed(2)} MiB`);

    await java.request({
      command: "send",
      size: SIZE,
      options: 6,
      count: COUNT,
      to: [node.address],
      direct: true,
    }, "sent");
    assert.equal(reports.length, 2);
    const own = await javaReport(java, "Tx Msg");
    const { msgRxCnt, mbRx } = interceptor.statistics();
    assert.equal(msgRxCnt, COUNT);
    assert.equal(own.get("Sent"), `${mbRx.toFixed(2)} MiB (application)`);
  },
);

/** Waits for Java's report whose count of one direction is that of the test. */
async function javaReport(
  java: JavaPeer,
  direction: "Rx Msg" | "Tx Msg",
): Promise<Map<string, string>> {
  // The log has a pipe of its own, and may come later than what was asked for afterwards.
  for (let asked = 0; asked < 1000; asked++) {
    const report = javaReports(java).findLast((report) =>
      report.get(direction) === `${COUNT} messages`
    );
    if (report !== undefined) return report;
    await java.request({ command: "members" }, "members");
  }
  throw new Error(`No report of ${direction} in ${java.stderr}`);
}

/** The reports in Java's log, by their labels. */
function javaReports(java: JavaPeer): Map<string, string>[] {
  return java.stderr.split("ThroughputInterceptor Report[").slice(1)
    .map((text) => {
      const lines = text.slice(0, text.indexOf("]")).split("\n");
      return new Map(
        lines.flatMap((line) => {
          const match = /^\s*([^:]+):\s*(.*)$/.exec(line);
          return match === null ? [] : [[match[1]!, match[2]!] as const]; // two groups
        }),
      );
    });
}
