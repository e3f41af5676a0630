// docs/server-xml.md and its Chinese form: what is printed there is what is so. `update.ts` puts in what changed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { NodeArguments } from "../../cli/node_options.ts";
import { LISTENER_RULES, VALVE_RULES } from "../../config/cluster_rules.ts";
import {
  type ConfigErrorCode,
  type ConfigWarningCode,
  MAX_XML_DEPTH,
  MAX_XML_ELEMENTS,
  MAX_XML_LENGTH,
} from "../../config/mod.ts";
import { CliProcess } from "../support/cli_process.ts";
import { Documentation, shellWords } from "../support/documentation.ts";
import {
  attributeTable,
  CHINESE,
  ELEMENTS,
  oldClassTable,
} from "./attribute_tables.ts";
import { configured, saidOf } from "./config_said.ts";
import { codesIn, readText, tablesBelow, tablesOf } from "./markdown.ts";

const PATH = "docs/server-xml.md";
const page = Documentation.read(PATH);
const START = page.take("Start it", "xml");

/** Every code; a new one is missed by the compiler. */
const WARNINGS: Readonly<Record<ConfigWarningCode, true>> = {
  "no-effect": true,
  "deprecated": true,
  "unknown-class": true,
  "unresolved-property": true,
  "several-elements": true,
  "not-boolean": true,
  "not-decimal": true,
  "unknown-option": true,
  "stale-reads": true,
  "listener-without-effect": true,
  "listener-missing": true,
  "deployer-level": true,
  "deployer-folders": true,
  "interceptor-order": true,
  "static-with-multicast": true,
  "threads": true,
  "drop-time": true,
  "cloud-environment": true,
};
const ERRORS: Readonly<Record<ConfigErrorCode, true>> = {
  "bad-xml": true,
  "too-large": true,
  "no-cluster": true,
  "unknown-element": true,
  "unknown-attribute": true,
  "unknown-class": true,
  "missing-attribute": true,
  "missing-element": true,
  "bad-value": true,
  "unsupported": true,
};

/** Options of the command, a value for each, and where that value is then to be found. */
const OPTIONS: Readonly<
  Record<string, readonly [Partial<NodeArguments>, string]>
> = {
  "--address": [{ address: "10.9.9.9" }, "channel.receiver.address"],
  "--port": [{ port: "4123" }, "channel.receiver.port"],
  "--auto-bind": [{ autoBind: "7" }, "channel.receiver.autoBind"],
  "--udp-port": [{ udpPort: "4321" }, "channel.receiver.udpPort"],
  "--mcast-address": [{ mcastAddress: "228.9.9.9" }, "mcast.address"],
  "--mcast-port": [{ mcastPort: "45999" }, "mcast.port"],
  "--mcast-bind": [{ mcastBind: "10.8.8.8" }, "channel.receiver.address"],
  "--mcast-ttl": [{ mcastTtl: "3" }, "mcast.ttl"],
  "--frequency": [{ frequency: "123" }, "mcast.frequency"],
  "--drop-time": [{ dropTime: "9999" }, "mcast.dropTime"],
  "--no-mcast": [{ mcast: false }, "mcast"],
  "--domain": [{ domain: "west" }, "channel.domain"],
  "--unique-id": [{ uniqueId: "0f".repeat(16) }, "channel.uniqueId"],
  "--send-options": [{ sendOptions: "11" }, "sendOptions"],
  "--interceptor": [{ interceptor: ["Gzip"] }, "interceptors"],
};

test("what is said of each block of XML is printed below it", () => {
  let blocks = 0;
  for (const [i, { language, text, line }] of page.fences.entries()) {
    if (language !== "xml") continue;
    const printed = page.fences.slice(i + 1)
      .find((fence) => fence.language === "text")?.text;
    assert.deepEqual(saidOf(text), printed?.trimEnd().split("\n"), `${line}`);
    blocks++;
  }
  assert.ok(blocks > 15);
});

for (const [heading, rules] of ELEMENTS) {
  test(`the table of ${heading} has what its rules have`, () => {
    assert.deepEqual(tablesBelow(PATH, heading), [attributeTable(rules)]);
  });
}

test("no table stands below the attributes that is of no element", () => {
  const headings = page.headings.slice(
    page.headings.indexOf("Every attribute") + 1,
  );
  assert.deepEqual(headings, ELEMENTS.map(([heading]) => heading));
});

test("the table of old classes has what is said of them", () => {
  const [table] = tablesBelow(PATH, "Names of former times");
  assert.deepEqual(table, oldClassTable(table?.[0] ?? []));
});

test("the tables of codes have all codes", () => {
  const [warnings, errors] = tablesBelow(PATH, "What is said");
  const codes = (table = warnings) =>
    table?.slice(1).map(([code = ""]) => code.replaceAll("`", ""));
  assert.deepEqual(codes(), Object.keys(WARNINGS));
  assert.deepEqual(codes(errors), Object.keys(ERRORS));
  const large = errors?.find(([code]) => code === "`too-large`")?.[1];
  const mebi = MAX_XML_LENGTH / 1024 / 1024;
  const elements = MAX_XML_ELEMENTS.toLocaleString("en");
  assert.equal(
    large,
    `More than ${mebi} Mi characters, ${elements} elements, or ${MAX_XML_DEPTH} levels`,
  );
});

test("the table of classes has all valves and listeners", () => {
  const [table = []] = tablesBelow(PATH, "What is read");
  const classes = (element: string) =>
    table.find(([first]) => first === element)?.[1]?.split(", ");
  const short = (rules: object) =>
    Object.keys(rules).map((name) => name.replace(/^.*\./, ""));
  assert.deepEqual(classes("`<Valve>`"), short(VALVE_RULES));
  assert.deepEqual(classes("`<ClusterListener>`"), short(LISTENER_RULES));
});

test("each option of the table wins over the file", () => {
  const [table = []] = tablesBelow(PATH, "Options beside it");
  const named = table.slice(1).map(([option = ""]) => codesIn(option)[0]);
  assert.deepEqual(named, Object.keys(OPTIONS));
  for (const [, instead = ""] of table.slice(1)) {
    // `port` of `<Receiver>`
    for (
      const [, attribute = "", element] of instead.matchAll(
        /`(\w+)(?:="\w+")?` of `<(\w+)>`/g,
      )
    ) {
      const knows = ELEMENTS.some(([heading, { attributes }]) =>
        heading.startsWith(`${element}: `) && attribute in attributes
      );
      assert.ok(knows, instead);
    }
  }
  for (const [option, [given, path]] of Object.entries(OPTIONS)) {
    const look = (node: unknown) =>
      path.split(".").reduce(
        (value, name) => (value as Record<string, unknown>)?.[name],
        node,
      );
    const before = look(configured(START).options);
    const now = look(configured(START, given).options);
    assert.notDeepEqual(now, before, option);
  }
});

test("the printed command starts a node that says what is printed", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tribes-docs-"));
  const file = join(folder, "server.xml");
  writeFileSync(file, START);
  const [, , , task, node, ...args] = shellWords(
    page.take("Options beside it", "sh").trim(),
  );
  assert.deepEqual([task, node], ["task", "node"]);
  const quiet = ["--no-mcast", "--address", "127.0.0.1"]; // no group of others
  const own = args.map((word) => word === "server.xml" ? file : word);
  await using running = new CliProcess(["node", ...own, ...quiet]);
  await running.waitFor("ready");
  const { events } = running.log;
  const warnings = events.filter(({ event }) => event === "warning");
  const printed = JSON.parse(page.take("Start it", "ndjson"));
  assert.deepEqual({ ...warnings[0], time: printed.time }, printed);
  assert.equal(warnings.length, saidOf(START).length);
  running.kill("SIGTERM");
  assert.equal(await running.exited(), 0, running.errors);
  rmSync(folder, { recursive: true });
});

test("the program is the one of the examples", () => {
  const program = readText("examples/server_xml.ts");
  assert.ok(page.fences.some(({ text }) => text === program));
});

test("the program joins the cluster of a file, and leaves it", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tribes-docs-"));
  const file = join(folder, "server.xml");
  writeFileSync(
    file,
    START.replace('address="auto" port="4000"', 'address="127.0.0.1" port="0"')
      .replace("channelSendOptions", 'channelStartOptions="3" $&'),
  );
  const program = new URL("../../examples/server_xml.ts", import.meta.url);
  const flags = "deno" in process.versions ? ["run", "-A"] : [];
  const child = spawn(
    process.execPath,
    [...flags, fileURLToPath(program), file],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const { pid } = child;
  assert.ok(pid !== undefined);
  let said = "";
  let complained = "";
  child.stderr.on("data", (chunk) => complained += chunk);
  const closed = once(child, "close");
  child.stdout.on("data", (chunk) => {
    if (said === "") process.kill(pid, "SIGINT"); // child.kill() of Deno hides the exit status
    said += chunk;
  });
  assert.deepEqual(await closed, [0, null], complained);
  assert.match(said, /^here 127\.0\.0\.1:\d+$/m);
  assert.match(complained, /^10: maxThreads of <Receiver> has no effect/m);
  rmSync(folder, { recursive: true });
});

test("the Chinese page has the same blocks and the same tables", () => {
  const other = Documentation.read("docs/server-xml.zh.md");
  const blocks = ({ fences }: Documentation) =>
    fences.map(({ language, text }) => `${language}\n${text}`);
  assert.deepEqual(blocks(other), blocks(page));
  for (const [heading, rules] of ELEMENTS) {
    assert.deepEqual(
      tablesBelow(other.path, heading),
      [attributeTable(rules, CHINESE)],
    );
  }
  const first = (path: string) =>
    tablesOf(path).map((table) =>
      table.slice(1).map(([cell = ""]) => codesIn(cell))
    );
  assert.deepEqual(first(other.path), first(PATH));
});

test("every block of a shell or of a log is looked at", () => {
  page.take("Start it", "sh");
  const looked = ["xml", "text", "ts"]; // by the first test, and by the doc tests
  const left = page.unused().filter((block) =>
    !looked.some((language) => block.endsWith(` ${language}`))
  );
  assert.deepEqual(left, []);
});
