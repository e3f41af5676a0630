// Times the AJP cases that need no socket.
import { Bench } from "tinybench";
import { ajpBenchCases } from "./ajp_corpus.ts";
import type { Effort } from "./codec.ts";
import type { Result } from "./report.ts";

/** Runs the cases that are wanted. */
export function runAjpCodec(effort: Effort): Result[] {
  const results: Result[] = [];
  for (const one of ajpBenchCases().filter((each) => effort.wants(each.name))) {
    effort.tell(one.name);
    one.check();
    const { name, bytes, operations } = one;
    const ours: number[] = [];
    for (let round = -1; round < effort.rounds; round++) { // round -1 warms up
      const bench = new Bench({
        time: effort.time,
        warmup: false,
        throws: true,
      });
      bench.add(name, () => void one.run());
      const result = bench.runSync()[0]?.result;
      if (result === undefined || !("latency" in result)) {
        throw new Error(`${name} was not measured`);
      }
      if (round >= 0) ours.push(result.latency.p50 * 1e6 / operations);
    }
    results.push({ name, unit: "ns", ours, bytes });
  }
  return results;
}
