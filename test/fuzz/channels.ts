// Runs the simulated groups of the tests with seed after seed, until it is stopped.
//
// A failure is printed with the seed that repeats it, and does not end the run: exit status 1 then.
import process from "node:process";
import { parseArgs } from "node:util";
import { assertHolds, type Cluster } from "../support/simulated_cluster.ts";
import {
  ALL_FAULTS,
  runDefaultStack,
  runEncrypt,
  runFragmentation,
  runOrder,
  runTwoPhaseCommit,
  runWholeStack,
} from "../support/simulated_stacks.ts";

const RUNS: Readonly<Record<string, (seed: number) => Promise<Cluster>>> = {
  defaultStack: (seed) => runDefaultStack(seed),
  order: async (seed) => (await runOrder(seed, ALL_FAULTS)).cluster,
  orderOfCuts: async (seed) =>
    (await runOrder(seed, ["cut", "datagrams"])).cluster,
  twoPhaseCommit: async (seed) => (await runTwoPhaseCommit(seed)).cluster,
  fragmentation: async (seed) => (await runFragmentation(seed)).cluster,
  encrypt: async (seed) => (await runEncrypt(seed)).cluster,
  wholeStack: async (seed) => (await runWholeStack(seed)).cluster,
};

const { values } = parseArgs({
  options: { seed: { type: "string" }, runs: { type: "string" } },
});
// Without --seed the clock's; without --runs there is no end.
const first = integer("seed", values.seed) ?? Date.now() & 0x7fff_ffff;
const runs = integer("runs", values.runs) ?? Infinity;

let stopped = false;
let failures = 0;
let done = 0;
process.once("SIGINT", () => {
  stopped = true;
});
console.log(`Simulating ${Object.keys(RUNS).length} groups from seed ${first}`);
for (let seed = first; done < runs && !stopped; seed = seed + 1 | 0) {
  for (const [name, run] of Object.entries(RUNS)) {
    if (stopped) break;
    try {
      assertHolds(await run(seed));
    } catch (error) {
      failures++;
      console.log(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  if (!stopped) done++;
}
console.log(`${done} seeds from ${first}: ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;

function integer(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  console.error(`Cannot use --${name} ${text}: not an integer`);
  process.exit(2);
}
