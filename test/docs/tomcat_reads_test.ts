// The blocks of XML of the pages, read by a real Tomcat: those that are right without a word, and those that are
// wrong as the pages say that it does.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Documentation } from "../support/documentation.ts";
import { ELEMENTS } from "./attribute_tables.ts";
import { elementXml } from "./element_xml.ts";
import { javaRelease, missingJava, skipMissing } from "../support/java_peer.ts";

const RELEASE = "10.1.60"; // whole, with the jar of clusters
const HA_JAR = `/usr/share/java/tomcat10-catalina-ha-${RELEASE}.jar`;
const missing = skipMissing(
  missingJava(RELEASE, "TomcatPeer") ?? missingJava(RELEASE) ??
    (existsSync(HA_JAR) ? undefined : `${HA_JAR} is not there`),
);
const options = { skip: missing !== undefined, timeout: 60_000 };

const serverXml = Documentation.read("docs/server-xml.md");
const channelPage = Documentation.read("docs/channel.md");
const ATTRIBUTES = "attributes of";
/** Attributes of older or newer releases than this one. */
const OTHER_RELEASES = ["secure", "persistAuthenticationNotes"];
const CLUSTER = "org.apache.catalina.ha.tcp.SimpleTcpCluster";

/** What Tomcat said and read, by page and heading, in its order. */
const outcomes = new Map<string, ReadonlyMap<string, readonly string[]>>();

before(async () => {
  if (missing !== undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "tribes-read-"));
  const names: string[] = [];
  const files: string[] = [];
  for (const { path, fences } of [serverXml, channelPage]) {
    for (const { language, text, heading } of fences) {
      if (language !== "xml") continue;
      const file = join(folder, `${files.length}.xml`);
      writeFileSync(file, clusterOf(text));
      names.push(`${path} ${heading}`);
      files.push(file);
    }
  }
  for (const [heading, rules] of ELEMENTS) {
    const file = join(folder, `${files.length}.xml`);
    writeFileSync(file, elementXml(heading, rules));
    names.push(`${ATTRIBUTES} ${heading}`);
    files.push(file);
  }
  const found = await Promise.all([
    javaRelease(RELEASE, "TomcatPeer"),
    javaRelease(RELEASE),
  ]);
  const source = new URL("./java/ReadCluster.java", import.meta.url);
  const { stdout } = await promisify(execFile)(found[0].java, [
    "-cp",
    [...found.map(({ classPath }) => classPath), HA_JAR].join(":"),
    fileURLToPath(source),
    ...files,
  ]);
  for (const part of stdout.split(/^file=/m).slice(1)) {
    const [file = "", ...lines] = part.trimEnd().split("\n");
    const name = names[parseInt(file)]!; // one of ours
    const values = Map.groupBy(lines, (line) => line.split("=")[0] ?? "");
    const plain = Array.from(
      values,
      ([key, all]) =>
        [key, all.map((line) => line.slice(key.length + 1))] as const,
    );
    if (!outcomes.has(name)) outcomes.set(name, new Map(plain));
  }
  rmSync(folder, { recursive: true });
});

after(() => outcomes.clear());

/** What Tomcat has for a key, of the first block below a heading. */
function read(page: Documentation, heading: string, key: string) {
  const outcome = outcomes.get(`${page.path} ${heading}`);
  assert.ok(outcome !== undefined, heading);
  return outcome.get(key) ?? [];
}

test("Tomcat reads without a word what stands there as right", options, () => {
  const right = [
    [serverXml, "Start it"],
    [channelPage, "Static members"],
    [channelPage, "Cloud membership"],
  ] as const;
  for (const [page, heading] of right) {
    assert.deepEqual(read(page, heading, "logged"), [], heading);
    assert.deepEqual(read(page, heading, "failed"), [], heading);
    assert.deepEqual(read(page, heading, "channelSendOptions"), ["6"]);
  }
  assert.deepEqual(read(serverXml, "Start it", "maxThreads"), ["6"]);
  assert.deepEqual(read(serverXml, "Start it", "interceptor"), [
    "TcpFailureDetector",
    "MessageDispatchInterceptor",
  ]);
});

test("Tomcat keeps its default for what it cannot read", options, () => {
  for (
    const heading of ["A hexadecimal number", "A name that only manuals have"]
  ) {
    assert.deepEqual(read(serverXml, heading, "channelSendOptions"), ["8"]);
  }
});

test("Tomcat only logs an attribute that does not exist", options, () => {
  const [line = ""] = read(serverXml, "One letter wrong", "logged");
  assert.match(line, /maxThread/);
  assert.deepEqual(read(serverXml, "One letter wrong", "maxThreads"), ["15"]);
});

test(
  "Tomcat takes what is no boolean for false, without a word",
  options,
  () => {
    const heading = "A boolean that is none";
    assert.deepEqual(read(serverXml, heading, "throwOnFailedAck"), ["false"]);
    assert.deepEqual(read(serverXml, heading, "logged"), []);
  },
);

for (const [heading, { attributes }] of ELEMENTS) {
  test(`Tomcat knows the attributes of ${heading}`, options, () => {
    const outcome = outcomes.get(`${ATTRIBUTES} ${heading}`);
    assert.deepEqual(outcome?.get("failed") ?? [], []);
    const unknown = (outcome?.get("logged") ?? [])
      .flatMap((line) =>
        /failed to set property \[(\w+)\]/.exec(line)?.[1] ?? []
      );
    assert.deepEqual(
      unknown,
      OTHER_RELEASES.filter((name) => name in attributes),
    );
  });
}

/** The first cluster of a block, as a document of its own; around a channel one is put. */
function clusterOf(xml: string): string {
  const found = /<Cluster\b[^>]*?(\/>|>[^]*?<\/Cluster>)/.exec(xml);
  return found?.[0] ??
    `<Cluster className="${CLUSTER}">${xml}</Cluster>`;
}
