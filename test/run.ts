// Runs the tests on each runtime and ends with one line that sums them up:
//
//   deno run -A test/run.ts [deno] [bun] [node]     (all of them without arguments)
//
// Deno runs the tests and the examples in the documentation, Bun the same tests, Node (a release
// that runs TypeScript, from npm) a smoke test. A runtime that leaves no report counts as a failure.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Run {
  readonly command: readonly string[];
  /** The JUnit report that the command writes; without one its exit status counts as one test. */
  readonly report?: string;
}

const BUILD = "build/test";
const DOCUMENTED = [
  "README.md",
  "README.zh.md",
  "mod.ts",
  "protocol",
  "transport",
  "membership",
  "channel",
  "gateway",
  "config",
  "docs",
];

const RUNS: Readonly<Record<string, readonly Run[]>> = {
  deno: [{
    command: [
      process.execPath,
      "test",
      "--allow-all",
      "--doc",
      `--junit-path=${BUILD}/documentation.xml`,
      ...DOCUMENTED,
    ],
    report: `${BUILD}/documentation.xml`,
  }, {
    command: [
      process.execPath,
      "test",
      "--allow-all",
      `--junit-path=${BUILD}/deno.xml`,
      "test",
    ],
    report: `${BUILD}/deno.xml`,
  }],
  bun: [{
    command: [
      "node_modules/.bin/bun",
      "test",
      "--timeout=60000", // a property of a thousand runs may take more than Bun's 5 s
      "--reporter=junit",
      `--reporter-outfile=${BUILD}/bun.xml`,
      "test",
    ],
    report: `${BUILD}/bun.xml`,
  }],
  node: [{
    command: [
      "npx",
      "--yes",
      "node@24.21.0",
      "--import",
      "./test/smoke/std_bytes.mjs",
      "test/smoke/main.ts",
    ],
  }],
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !(name in RUNS));
if (unknown !== undefined) {
  console.error(
    `Cannot run tests on ${unknown}: not one of ${
      Object.keys(RUNS).join(", ")
    }`,
  );
  process.exit(2);
}
mkdirSync(BUILD, { recursive: true });
const totals: Totals[] = [];
for (const name of names.length === 0 ? Object.keys(RUNS) : names) {
  for (const run of RUNS[name]!) totals.push(await runTests(name, run)); // checked above
}
const sum = totals.reduce((a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
}));
const skipped = sum.skipped === 0 ? "" : `, ${sum.skipped} skipped`;
console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
process.exit(sum.failed === 0 ? 0 : 1);

async function runTests(name: string, run: Run): Promise<Totals> {
  if (run.report !== undefined) rmSync(run.report, { force: true });
  console.log(`\n--- ${name}`);
  const status = await execute(run.command);
  const total = run.report === undefined
    ? { passed: status === 0 ? 1 : 0, failed: 0, skipped: 0 }
    : readReport(run.report);
  const failed = status !== 0 && total.failed === 0 ? 1 : total.failed;
  console.log(`--- ${name}: ${total.passed} passed, ${failed} failed`);
  return { ...total, failed };
}

function execute(command: readonly string[]): Promise<number> {
  const [file = "", ...args] = command;
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
  child.on("error", (error) => {
    console.error(error.message);
    resolve(1);
  });
  child.on("close", (code) => resolve(code ?? 1));
  return promise;
}

function readReport(path: string): Totals {
  let xml: string;
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const cases = xml.match(/<testcase\b/g)?.length ?? 0;
  const failed = xml.match(/<(failure|error)\b/g)?.length ?? 0;
  const skipped = xml.match(/<skipped\b/g)?.length ?? 0;
  return { passed: cases - failed - skipped, failed, skipped };
}
