/**
 * Runs the benches on the runtime that runs this: `deno task bench`, `bun bench/main.ts`.
 *
 * ```
 * --only TEXT     cases whose names contain it; repeatable
 * --rounds N      rounds of everything (5)
 * --quick         one short round, to see that all of it works
 * --json FILE     where the figures go (build/bench/RUNTIME.json)
 * --release NAME  the Java release (10.1.60); `none` leaves Java out
 * --sender-flags, --receiver-flags   flags of the runtime of our nodes,
 *                   of the AJP server too (receiver), such as --cpu-prof
 * ```
 *
 * Only ratios of one run mean anything.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { skipReason } from "../test/support/java_peer.ts";
import { runAjpCodec } from "./ajp_codec.ts";
import { ajpSinkValue } from "./ajp_corpus.ts";
import { runAjpHttpd, runAjpMemory, runAjpRates } from "./ajp_traffic.ts";
import { type Effort, runCodec } from "./codec.ts";
import { sinkValue } from "./corpus.ts";
import { runInterceptors } from "./interceptors.ts";
import { runMembership } from "./membership.ts";
import { JavaNode } from "./nodes.ts";
import { runtimeName } from "./peer.ts";
import { formatResults, isMet, type Result, resultToJson } from "./report.ts";
import { runMemory, runRoundTrips, runTransfers } from "./traffic.ts";

async function main(): Promise<void> {
  const options = readOptions();
  const runtime = runtimeName();
  const effort: Effort = {
    rounds: options.rounds,
    time: options.quick ? 60 : 250,
    wants: (name) =>
      options.only.length === 0 ||
      options.only.some((text) => name.includes(text)),
    tell: (text) => console.error(`  ${text}`),
  };
  const { release } = options;
  console.log(
    `${runtime}, ${process.platform} ${process.arch}, ${availableParallelism()} cores` +
      ` (${cpus()[0]?.model ?? "unknown"}), ${
        release === undefined ? "no Java" : `Tomcat ${release}`
      }, ${effort.rounds} rounds`,
  );
  const began = performance.now();
  const traffic = { ...options, share: options.quick ? 0.1 : 1 };
  const results: Result[] = [
    ...await runCodecs(effort, release),
    ...await runMembership(effort),
    ...await runInterceptors(effort),
    ...await runTransfers(effort, traffic),
    ...await runRoundTrips(effort),
    ...await runMemory(effort, traffic),
    ...runAjpCodec(effort),
    ...await runAjpRates(effort, traffic),
    ...await runAjpHttpd(effort, traffic),
    ...await runAjpMemory(effort, traffic),
  ];
  const seconds = (performance.now() - began) / 1000;
  console.log(formatResults(results));
  console.log(summary(results, release !== undefined));
  const file = options.json ?? defaultFile(runtime);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `${
      JSON.stringify(
        {
          runtime,
          versions: process.versions,
          cpu: cpus()[0]?.model,
          cores: availableParallelism(),
          java: release ?? null,
          rounds: effort.rounds,
          seconds,
          sink: sinkValue() + ajpSinkValue(),
          results: results.map(resultToJson),
        },
        undefined,
        2,
      )
    }\n`,
  );
  console.log(`${seconds.toFixed(0)} s; figures in ${file}`);
}

async function runCodecs(
  effort: Effort,
  release: string | undefined,
): Promise<Result[]> {
  const compares = ["encode/pure", "encode/writer", "decode/frames"]
    .some((name) => effort.wants(name)) || effort.wants("encode/writer/64");
  const java = release === undefined || !compares
    ? undefined
    : await JavaNode.start(release);
  try {
    return await runCodec(effort, java);
  } finally {
    await java?.stop();
  }
}

function summary(results: readonly Result[], withJava: boolean): string {
  const judged = results.filter((result) => isMet(result) !== undefined);
  const met = judged.filter((result) => isMet(result) === true);
  return withJava
    ? `${met.length} of ${judged.length} goals met`
    : `No Java peer: our own figures only, ${met.length} of ${judged.length} other goals met`;
}

function readOptions(): {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly json: string | undefined;
  readonly release: string | undefined;
  readonly senderFlags: readonly string[];
  readonly receiverFlags: readonly string[];
} {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      release: { type: "string", default: "10.1.60" },
      "sender-flags": { type: "string", default: "" },
      "receiver-flags": { type: "string", default: "" },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new RangeError(`Cannot use --rounds ${values.rounds}`);
  }
  const flags = (text: string) => text.split(" ").filter((flag) => flag !== "");
  const withJava = values.release !== "none" &&
    skipReason(values.release) === undefined;
  return {
    only: values.only,
    rounds,
    quick: values.quick,
    json: values.json,
    release: withJava ? values.release : undefined,
    senderFlags: flags(values["sender-flags"]),
    receiverFlags: flags(values["receiver-flags"]),
  };
}

function defaultFile(runtime: string): string {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const name = runtime.toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-");
  return join(root, "build", "bench", `${name}.json`);
}

if (import.meta.main) await main(); // below the classes that it uses
