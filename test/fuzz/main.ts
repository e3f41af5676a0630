// Tries the properties of the tests with seed after seed, until it is stopped.
//
// A failure is printed with the seed that repeats it, and does not end the run: exit status 1 then.
import process from "node:process";
import { parseArgs } from "node:util";
import { JAVA_PROPERTIES } from "../support/java_properties.ts";
import { ALL_PROPERTIES, type Property } from "../support/properties.ts";
import { REPLICATION_PROPERTIES } from "../support/replication_properties.ts";

const RUNS_A_ROUND = 1000;
const PROPERTIES = [
  ...ALL_PROPERTIES,
  ...JAVA_PROPERTIES,
  ...REPLICATION_PROPERTIES,
];

const options = readOptions();
// Without --seed the clock's; without --runs there is no end.
const first = integer("seed", options.seed) ?? Date.now() & 0x7fff_ffff;
const runs = integer("runs", options.runs) ?? Infinity;

let stopped = false;
let done = 0;
let failures = 0;
process.once("SIGINT", () => {
  stopped = true;
});

console.log(
  `Fuzzing ${PROPERTIES.length} properties from seed ${first}; ` +
    (runs === Infinity ? "stop with SIGINT" : `${runs} runs of each`),
);
const start = performance.now();
for (let seed = first; done < runs && !stopped; seed = seed + 1 | 0) {
  const numRuns = Math.min(RUNS_A_ROUND, runs - done);
  for (const property of PROPERTIES) {
    if (stopped) break;
    if (!holds(property, seed, numRuns)) failures++;
    // Lets a signal in between two properties.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  if (!stopped) done += numRuns;
}
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(
  `${done} whole runs of each property in ${seconds} s from seed ${first}: ` +
    `${failures} failures`,
);
process.exitCode = failures === 0 ? 0 : 1;

function holds(property: Property, seed: number, numRuns: number): boolean {
  try {
    property.check({ seed, numRuns });
    return true;
  } catch (error) {
    console.log(`Failure with seed ${seed}: ${property.name}`);
    console.log(error);
    return false;
  }
}

function readOptions(): { seed?: string; runs?: string } {
  try {
    return parseArgs({
      options: { seed: { type: "string" }, runs: { type: "string" } },
    }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

function integer(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  console.error(`Cannot use --${name} ${text}: not an integer`);
  process.exit(2);
}
