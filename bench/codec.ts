// The codec's cases, each next to what Java does for the same bytes.
import { Bench } from "tinybench";
import { type BenchCase, benchCases } from "./corpus.ts";
import type { JavaNode } from "./nodes.ts";
import type { Result } from "./report.ts";

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  /** Milliseconds of one case in one round. */
  readonly time: number;
  /** Whether a case or measurement of this name is wanted. */
  wants(name: string): boolean;
  /** Tells what is being done. */
  tell(text: string): void;
}

// Goals of performance.md: encoding by size, decoding at any.
const ENCODE_GOALS: Readonly<Record<number, number>> = {
  64: 0.6,
  1024: 1.0,
  10240: 3.0,
  102400: 3.0,
};
const DECODE_GOAL = 4;

/** Runs the cases that are wanted; with Java its figures come from the same rounds. */
export async function runCodec(
  effort: Effort,
  java: JavaNode | undefined,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const one of benchCases().filter((each) => effort.wants(each.name))) {
    effort.tell(one.name);
    await one.check();
    results.push(await runCase(one, effort, java));
  }
  return results;
}

async function runCase(
  one: BenchCase,
  effort: Effort,
  java: JavaNode | undefined,
): Promise<Result> {
  const compare = comparisonOf(one.name);
  const ours: number[] = [];
  const theirs: number[] = [];
  timeCase(one, effort.time); // warms up: also with what Java leaves in the caches
  for (let round = 0; round < effort.rounds; round++) {
    ours.push(timeCase(one, effort.time));
    if (compare === undefined || java === undefined) continue;
    const { nsPerOp } = await java.peer.request({
      command: compare.command,
      size: compare.size,
      seconds: effort.time / 1000,
    }, compare.command);
    theirs.push(nsPerOp);
  }
  const { name, bytes } = one;
  const result: Result = { name, unit: "ns", ours, bytes };
  if (compare === undefined) return result;
  const { against, goal } = compare;
  return java === undefined
    ? { ...result, goal }
    : { ...result, goal, against, theirs };
}

/** Median nanoseconds of one operation. */
function timeCase(one: BenchCase, time: number): number {
  const bench = new Bench({
    time,
    iterations: 5,
    warmupTime: time / 4,
    warmupIterations: 2,
    throws: true,
  });
  bench.add(one.name, () => void one.run());
  const [task] = bench.runSync();
  const result = task?.result;
  if (result === undefined || !("latency" in result)) {
    throw new Error(`${one.name} was not measured`);
  }
  return result.latency.p50 * 1e6 / one.operations;
}

function comparisonOf(name: string):
  | {
    readonly command: "benchEncode" | "benchDecode";
    readonly size: number;
    readonly against: string;
    readonly goal?: number | undefined;
  }
  | undefined {
  const [what, how, rest] = name.split("/");
  const size = Number(rest);
  if (what === "encode" && (how === "writer" || how === "pure")) {
    return {
      command: "benchEncode",
      size,
      against: "Java createDataPackage",
      // The goal is the sender's form; the pure one allocates twice for each message.
      goal: how === "writer" ? ENCODE_GOALS[size] : undefined,
    };
  }
  if (what === "decode" && how === "frames") {
    return {
      command: "benchDecode",
      size,
      against: "Java ObjectReader",
      goal: DECODE_GOAL,
    };
  }
  return undefined;
}
