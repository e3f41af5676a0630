// The rules of the layout: which folder may import which, and where a runtime may be named.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scanSource } from "./support/source_scan.ts";

/** Sources by path from the root, `/` between folders. */
type Sources = ReadonlyMap<string, string>;

// Each folder and those that it may import besides itself.
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  transport: ["protocol"],
  membership: ["protocol", "transport"],
  channel: ["protocol", "transport", "membership"],
  session: ["protocol", "transport", "membership", "channel"],
  gateway: ["protocol", "transport"],
  config: ["protocol", "transport", "membership", "channel", "session"],
  cli: [
    "protocol",
    "transport",
    "membership",
    "channel",
    "session",
    "gateway",
    "config",
  ],
};
const LIBRARY = Object.keys(LAYERS).filter((folder) => folder !== "cli");
// What is run and never imported by the library.
const PROGRAMS = ["cli", "test", "bench", "examples"];

const NOT_IN_PROTOCOL: readonly RegExp[] = [
  /\basync\b/,
  /\bawait\b/,
  /\bPromise\b/,
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bconsole\b/,
  /\bBuffer\b/,
  /\bperformance\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bprocess\./,
  /\bcrypto\./,
];

test("the sources keep the rules of the layout", () => {
  const sources = readSources();
  // A walk that finds nothing would find no fault either.
  const protocol = [...sources.keys()].filter((path) =>
    path.startsWith("protocol/")
  );
  assert(protocol.length > 15, `only ${protocol.length} files in protocol/`);
  assert.deepEqual(violations(sources), []);
});

const BROKEN: readonly (readonly [
  path: string,
  source: string,
  violation: string,
])[] = [
  [
    "protocol/a.ts",
    'import { x } from "../transport/types.ts";',
    "protocol/a.ts:1 imports transport/types.ts",
  ],
  [
    "protocol/a.ts",
    '/* x */\nimport type { x } from "../channel/x.ts";',
    "protocol/a.ts:2 imports channel/x.ts",
  ],
  [
    "transport/a.ts",
    'export * from "../membership/mod.ts";',
    "transport/a.ts:1 imports membership/mod.ts",
  ],
  [
    "membership/a.ts",
    'export type {\n  X,\n} from "../channel/x.ts";',
    "membership/a.ts:3 imports channel/x.ts",
  ],
  [
    "channel/interceptors/a.ts",
    'const x = await import("../../session/x.ts");',
    "channel/interceptors/a.ts:1 imports session/x.ts",
  ],
  [
    "channel/a.ts",
    'type X = import("../gateway/x.ts").X;',
    "channel/a.ts:1 imports gateway/x.ts",
  ],
  [
    "gateway/a.ts",
    'import "../membership/mod.ts";',
    "gateway/a.ts:1 imports membership/mod.ts",
  ],
  [
    "session/a.ts",
    "import * as x from '../config/x.ts';",
    "session/a.ts:1 imports config/x.ts",
  ],
  [
    "config/a.ts",
    'import x, { type y } from "../cli/x.ts";',
    "config/a.ts:1 imports cli/x.ts",
  ],
  [
    "transport/a.ts",
    'import { x } from "../test/support/x.ts";',
    "transport/a.ts:1 imports test/support/x.ts",
  ],
  [
    "transport/a.ts",
    'import { x } from "../mod.ts";',
    "transport/a.ts:1 imports mod.ts",
  ],
  [
    "session/a.ts",
    'import { x } from "../misplaced.ts";',
    "session/a.ts:1 imports misplaced.ts",
  ],
  [
    "channel/a.ts",
    "const x = await import(name);",
    "channel/a.ts:1 imports what it computes",
  ],
  [
    "channel/a.ts",
    'import { x } from "@tribes/toolkit/protocol";',
    "channel/a.ts:1 imports @tribes/toolkit/protocol by its public name",
  ],
  [
    "protocol/a.ts",
    'import { x } from "node:zlib";',
    "protocol/a.ts:1 imports the package node:zlib",
  ],
  [
    "protocol/tribes/a.ts",
    'import { x } from "@std/bytes";',
    "protocol/tribes/a.ts:1 imports the package @std/bytes",
  ],
  [
    "transport/a.ts",
    'import { x } from "@std/bytes";',
    "transport/a.ts:1 imports @std/bytes",
  ],
  [
    "transport/a.ts",
    'import { isIP } from "node:net";',
    "transport/a.ts:1 imports node:net",
  ],
  [
    "channel/node.ts",
    'import { createSocket } from "node:dgram";',
    "channel/node.ts:1 imports node:dgram",
  ],
  [
    "channel/mod.ts",
    'export * from "./node.ts";',
    "channel/mod.ts:1 imports channel/node.ts",
  ],
  [
    "mod.ts",
    'export { x } from "./transport/node.ts";',
    "mod.ts:1 imports transport/node.ts",
  ],
  [
    "channel/a.ts",
    'import { SaxesParser } from "saxes";',
    "channel/a.ts:1 imports saxes",
  ],
  [
    "config/a.ts",
    'import { x } from "../gateway/x.ts";',
    "config/a.ts:1 imports gateway/x.ts",
  ],
  ["mod.ts", 'export * from "./cli/x.ts";', "mod.ts:1 imports cli/x.ts"],
  [
    "mod.ts",
    'import { x } from "node:net";',
    "mod.ts:1 imports node:net",
  ],
  [
    "membership/a.ts",
    "const x = `a ${Deno.pid} b`;",
    "membership/a.ts:1 uses Deno",
  ],
  ["session/a.ts", "\n\nBun.sleep(1);", "session/a.ts:3 uses Bun"],
  [
    "gateway/a.ts",
    "const { Deno } = globalThis;",
    "gateway/a.ts:1 uses Deno",
  ],
  [
    "protocol/a.ts",
    "const quote = /[/\"]/; const now = Date.now(); // '",
    "protocol/a.ts:1 uses Date.now",
  ],
  [
    "protocol/java/a.ts",
    "return /'/.test(x) ? Math.random() : 0;",
    "protocol/java/a.ts:1 uses Math.random",
  ],
  ["protocol/a.ts", "console.log(1);", "protocol/a.ts:1 uses console"],
  [
    "protocol/a.ts",
    "const x = 4 / 2; const y = Buffer.alloc(1 / x);",
    "protocol/a.ts:1 uses Buffer",
  ],
  ["protocol/a.ts", "async function x() {}", "protocol/a.ts:1 uses async"],
];

for (const [path, source, violation] of BROKEN) {
  test(`violations() finds that ${violation}`, () => {
    assert.deepEqual(violations(new Map([[path, source]])), [violation]);
  });
}

const KEPT: readonly (readonly [path: string, source: string])[] = [
  ["protocol/bytes/bytes.ts", 'import { concat } from "@std/bytes";'],
  ["protocol/a.ts", 'import { x } from "./bytes/mod.ts";'],
  ["protocol/a.ts", "const buffer = new ArrayBuffer(1); // Buffer, Deno"],
  ["protocol/a.ts", 'const x = "async"; const y = `Date.now ${x} console`;'],
  ["protocol/a.ts", "const asyncOption = 8; const slash = /Buffer/g;"],
  ["protocol/a.ts", "/** import { x } from '../cli/x.ts' */\nconst x = 1;"],
  ["protocol/a.ts", "const x = `a${`b${'}'}`}console`;"],
  ["channel/node.ts", 'import { x } from "../transport/node.ts";'],
  ["transport/node.ts", 'import { isIP } from "node:net"; Deno.pid;'],
  ["cli/a.ts", 'import "../channel/node.ts"; import "node:net"; Bun.x;'],
  ["cli/a.ts", "const module = await import(name);"],
  ["test/a_test.ts", 'import { x } from "../transport/node.ts";'],
  ["examples/a.ts", 'import { x } from "@tribes/toolkit/channel/node";'],
  ["mod.ts", 'export * from "./protocol/mod.ts";'],
  ["gateway/a.ts", 'import { gzipSync } from "node:zlib";'],
  ["config/xml.ts", 'import { SaxesParser } from "saxes";'],
  ["config/a.ts", 'import { x } from "../channel/x.ts";'],
];

for (const [path, source] of KEPT) {
  test(`violations() finds nothing in ${path}: ${JSON.stringify(source)}`, () => {
    assert.deepEqual(violations(new Map([[path, source]])), []);
  });
}

/** Lists what breaks the rules, as `PATH:LINE WHAT`. */
function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, source] of sources) {
    const { code, imports } = scanSource(source);
    for (const { specifier, line } of imports) {
      const fault = importFault(path, specifier);
      if (fault !== undefined) found.push(`${path}:${line} imports ${fault}`);
    }
    for (const pattern of forbiddenNames(path)) {
      const match = pattern.exec(code);
      if (match === null) continue;
      const line = code.slice(0, match.index).split("\n").length;
      found.push(`${path}:${line} uses ${match[0]}`);
    }
  }
  return found;
}

function importFault(
  path: string,
  specifier: string | undefined,
): string | undefined {
  const folder = folderOf(path);
  if (PROGRAMS.includes(folder) && folder !== "cli") return undefined;
  if (specifier === undefined) {
    return folder === "cli" ? undefined : "what it computes";
  }
  if (!specifier.startsWith(".")) return packageFault(path, specifier);

  const target = posix.join(posix.dirname(path), specifier);
  const mayBindNode = folder === "cli" || isNodeFile(path);
  if (isNodeFile(target) && !mayBindNode) return target;
  const allowed = path === "mod.ts"
    ? LIBRARY
    : [folder, ...LAYERS[folder] ?? []];
  return allowed.includes(folderOf(target)) ? undefined : target;
}

function packageFault(path: string, specifier: string): string | undefined {
  const folder = folderOf(path);
  if (specifier.startsWith("@tribes/toolkit")) {
    return `${specifier} by its public name`;
  }
  if (specifier === "@std/bytes" && path.startsWith("protocol/bytes/")) {
    return undefined;
  }
  if (folder === "protocol") return `the package ${specifier}`;
  if (specifier === "@std/bytes") return specifier;
  if (specifier === "saxes" && path !== "config/xml.ts") return specifier;
  const sockets = ["node:net", "node:dgram"].includes(specifier);
  const maySockets = folder === "cli" || path === "transport/node.ts";
  return sockets && !maySockets ? specifier : undefined;
}

function forbiddenNames(path: string): readonly RegExp[] {
  const folder = folderOf(path);
  if (PROGRAMS.includes(folder) || path === "transport/node.ts") return [];
  const runtimes = [/\bDeno\b/, /\bBun\b/];
  return folder === "protocol" ? [...runtimes, ...NOT_IN_PROTOCOL] : runtimes;
}

/** The first folder of a path; empty for a file of the root. */
function folderOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function isNodeFile(path: string): boolean {
  return posix.basename(path) === "node.ts";
}

/** Reads every source of the repository; hidden and generated folders apart. */
function readSources(): Sources {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const sources = new Map<string, string>();
  const walk = (folder: string) => {
    for (const entry of readdirSync(root + folder, { withFileTypes: true })) {
      const { name } = entry;
      if (name.startsWith(".") || ["node_modules", "build"].includes(name)) {
        continue;
      }
      const path = folder + name;
      if (entry.isDirectory()) walk(`${path}/`);
      else if (name.endsWith(".ts")) {
        sources.set(path, readFileSync(root + path, "utf8"));
      }
    }
  };
  walk("");
  return sources;
}
