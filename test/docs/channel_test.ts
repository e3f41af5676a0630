// docs/channel.md and its Chinese form: what is printed there is what is so. Examples in TypeScript are
// run as doc tests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupChannel } from "../../channel/group_channel.ts";
import {
  type ChannelInterceptor,
  StackWarning,
} from "../../channel/interceptor.ts";
import {
  INTERCEPTOR_NAMES,
  makeInterceptor,
} from "../../channel/interceptor_registry.ts";
import { encryptionDefaults } from "../../channel/interceptors/encrypt_options.ts";
import {
  ALL_REPLY,
  FIRST_REPLY,
  MAJORITY_REPLY,
  NO_REPLY,
} from "../../channel/rpc_channel.ts";
import { parseNodeOptions } from "../../cli/node_options.ts";
import { channelOptionsOf } from "../../config/channel.ts";
import { parseClusterConfig } from "../../config/mod.ts";
import { DnsMembershipProvider } from "../../membership/dns_membership_provider.ts";
import { kubernetesAccess } from "../../membership/kubernetes_membership_provider.ts";
import { parseGeneration } from "../../protocol/generation.ts";
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import { createMember } from "../../protocol/tribes/member.ts";
import { memberSerialVersionUid } from "../../protocol/tribes/member_object.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { Documentation, shellWords } from "../support/documentation.ts";
import { NODE_DEFAULTS, saidOf } from "./config_said.ts";
import { interceptorRow, NEEDED, rulesOf } from "./interceptor_table.ts";
import {
  codesIn,
  filesIn,
  readText,
  tablesBelow,
  tablesOf,
} from "./markdown.ts";

const PATH = "docs/channel.md";
const CHINESE = "docs/channel.zh.md";
const page = Documentation.read(PATH);
const TRIBES = "org.apache.catalina.tribes";

function rowsBelow(heading: string, index = 0): (readonly string[])[] {
  const [, ...rows] = tablesBelow(PATH, heading)[index] ?? [];
  assert.ok(rows.length > 0, heading);
  return rows;
}

/** The releases that a cell names. */
function releasesIn(cell: string) {
  const found = cell.match(/\d+\.\d+\.\d+/g) ?? [];
  assert.ok(found.length > 0, cell);
  return found.map(parseGeneration);
}

test("the table of interceptors has all of them, with flags, attributes and defaults", () => {
  const rows = rowsBelow("The interceptors")
    .map(([name, , flag, attributes]) => [name, flag, attributes]);
  assert.deepEqual(rows, INTERCEPTOR_NAMES.map((name) => interceptorRow(name)));
});

test("interceptors take the attributes of the table, and no others", () => {
  for (const name of INTERCEPTOR_NAMES) {
    for (const [attribute, { default: value, noEffect }] of rulesOf(name)) {
      if (value === undefined || noEffect !== undefined) continue;
      if (attribute === "optionFlag") continue; // its default is the layer's own
      makeInterceptor(name, { ...NEEDED[name], [attribute]: String(value) });
    }
    assert.throws(
      () => makeInterceptor(name, { ...NEEDED[name], colour: "1" }),
      /colour/,
    );
  }
});

test("limits have the defaults of the table", () => {
  const folders = ["channel", "channel/interceptors", "membership"];
  const sources = folders.flatMap((folder) => filesIn(folder, ".ts"))
    .map(readText);
  const rows = rowsBelow("The interceptors", 1);
  for (const [option = "", type = "", value = ""] of rows) {
    const [name = ""] = codesIn(option);
    const start = `export interface ${codesIn(type)[0]} {`;
    const source = sources.find((text) => text.includes(start));
    const body = source?.slice(source.indexOf(start)) ?? "";
    const end = body.indexOf(`readonly ${name}?: number;`);
    assert.ok(end > 0 && end < body.indexOf("\n}"), `${type} ${name}`);
    const comment = body.slice(body.lastIndexOf("/**", end), end);
    assert.match(comment, new RegExp(`@default \\{${value}\\}`), name);
  }
});

test("a stack in the wrong order is refused, or warned of, as the table says", async () => {
  for (
    const [upper = "", lower = "", otherwise = ""] of rowsBelow(
      "The order of a stack",
    )
  ) {
    const [below = ""] = codesIn(lower);
    for (const above of codesIn(upper)) {
      const right = await look([above, below]);
      const wrong = await look([below, above]);
      assert.equal(right, "fine", `${above} ${below}`);
      assert.equal(wrong, /refused/.test(otherwise) ? "refused" : "warning");
    }
  }
});

test("the forms of encryption are those of the releases", () => {
  for (
    const [releases = "", algorithm, time] of rowsBelow(
      "Which release speaks which form",
    )
  ) {
    for (const generation of releasesIn(releases)) {
      assert.deepEqual(
        encryptionDefaults(generation),
        { algorithm, format: time === "nothing" ? "plain" : "timestamp" },
        releases,
      );
    }
  }
});

test("older and newer forms begin where the table says", () => {
  const rows = new Map(
    rowsBelow("Which release speaks which form", 1)
      .map(([what = "", , , since = ""]) => [what, since]),
  );
  const members = ["192.0.0.1", "10.0.0.1"]
    .map((host) => createMember({ host: encodeHost(host), port: 4000 }));
  const [high, low] = members;
  assert.ok(high !== undefined && low !== undefined);
  const isNew: Readonly<Record<string, (text: string) => boolean>> = {
    "`Gzip`": (text) =>
      makeInterceptor("Gzip", {}, { generation: parseGeneration(text) })
        .optionFlag === 256,
    "absolute order": (text) =>
      compareAbsoluteOrder(high, low, { generation: parseGeneration(text) }) >
        0,
  };
  for (const [what, check] of Object.entries(isNew)) {
    for (const release of rows.get(what)?.split(", ") ?? [""]) {
      assert.ok(check(release), `${what} ${release}`);
      assert.ok(!check(before(release)), `${what} before ${release}`);
    }
  }
  const sources: Readonly<Record<string, string>> = {
    "`Order`": "order",
    "`DomainFilter`": "domain_filter",
  };
  for (const [what, file] of Object.entries(sources)) {
    const source = readText(`channel/interceptors/${file}.ts`);
    const [, since = ""] = /isAtLeast\(generation, ([^)]+)\)/.exec(source) ??
      [];
    assert.equal(since.replaceAll('"', ""), rows.get(what));
  }
});

test("member objects are those of the releases", () => {
  for (
    const [releases = "", uid] of rowsBelow(
      "Which release speaks which form",
      2,
    )
  ) {
    for (const generation of releasesIn(releases)) {
      assert.equal(String(memberSerialVersionUid(generation)), uid, releases);
    }
  }
});

test("the kinds of replies have their values", () => {
  assert.deepEqual(
    rowsBelow("Remote calls").map(([name = "", value]) => [
      codesIn(name)[0],
      Number(value),
    ]),
    Object.entries({ FIRST_REPLY, MAJORITY_REPLY, ALL_REPLY, NO_REPLY }),
  );
});

test("the variables of cloud membership are those that are read", () => {
  const read = new Set<string>();
  const values: Record<string, string> = {
    KUBERNETES_SERVICE_HOST: "10.0.0.1",
    KUBERNETES_SERVICE_PORT: "443",
    KUBERNETES_CLIENT_CERTIFICATE_FILE: "client.crt",
    KUBERNETES_CLIENT_KEY_FILE: "client.key",
  };
  const recording = (withCertificate: boolean) =>
    new Proxy({}, {
      get: (_, name) => {
        read.add(String(name));
        return !withCertificate && String(name).includes("CERTIFICATE")
          ? undefined
          : values[String(name)];
      },
    });
  for (const withCertificate of [true, false]) {
    kubernetesAccess(recording(withCertificate));
    new DnsMembershipProvider({ environment: recording(withCertificate) });
  }
  const rows = rowsBelow("By Kubernetes");
  const printed = rows.flatMap(([name = "", first = ""]) => [
    ...codesIn(first),
    ...codesIn(name),
  ]);
  assert.deepEqual(printed.toSorted(), [...read].sort());
  // A variable that is tried first wins.
  for (const [name = "", first = ""] of rows) {
    const [later = ""] = codesIn(name);
    const [earlier] = codesIn(first);
    if (earlier === undefined) continue;
    const isFile = later.includes("FILE");
    const needed = later === "SA_TOKEN_FILE"
      ? {
        KUBERNETES_SERVICE_HOST: "10.0.0.1",
        KUBERNETES_SERVICE_PORT: "443",
      }
      : values;
    const access = kubernetesAccess({
      ...needed,
      [later]: isFile || later.endsWith("PROTOCOL") ? "http" : "8",
      [earlier]: isFile || later.endsWith("PROTOCOL") ? "https" : "9",
    });
    assert.ok(!/\b8\b|"http"/.test(JSON.stringify(access)), later);
  }
});

test("the manifest for Kubernetes asks for what the provider needs", () => {
  const manifest = page.take("By Kubernetes", "yaml");
  const names = [...manifest.matchAll(/- name: ([A-Z_]+)$/gm)].map(([, n]) =>
    n
  );
  assert.deepEqual(names, ["KUBERNETES_NAMESPACE", "KUBERNETES_LABELS"]);
  const [, labels] = /KUBERNETES_LABELS\n +value: (\S+)/.exec(manifest) ?? [];
  const { url } = kubernetesAccess({
    KUBERNETES_NAMESPACE: "shop",
    KUBERNETES_LABELS: labels,
    KUBERNETES_SERVICE_HOST: "10.0.0.1",
    KUBERNETES_SERVICE_PORT: "443",
  });
  assert.equal(
    url,
    "https://10.0.0.1:443/api/v1/namespaces/shop/pods?labelSelector=app%3Dshop",
  );
  assert.match(manifest, /resources: \["pods"\]\n +verbs: \["get", "list"\]/);
  const label = labels?.replace("=", ": ") ?? "";
  assert.equal(manifest.split(`\n        ${label}\n`).length, 2); // of the pods
  assert.match(page.take("By DNS", "yaml"), /clusterIP: None/);
});

test("blocks of XML are read without a word", () => {
  let blocks = 0;
  for (const { language, text, line } of page.fences) {
    if (language !== "xml") continue;
    const { config, places, warnings } = parseClusterConfig(text);
    assert.deepEqual(warnings, [], `${PATH}:${line}`);
    const transport = new MemoryNetwork().transport("10.0.0.5");
    const { options } = channelOptionsOf(config, { transport, places });
    new GroupChannel(transport, options);
    blocks++;
  }
  assert.equal(blocks, 3);
});

test("commands have options that exist", () => {
  for (const heading of ["The stack", "Static members"]) {
    const [, , , task, node, ...words] = shellWords(
      page.take(heading, "sh").trim(),
    );
    assert.deepEqual([task, node], ["task", "node"]);
    const values = (name: string) =>
      words.flatMap((word, i) => word === name ? [words[i + 1] ?? ""] : []);
    const { interceptors, channel } = parseNodeOptions({
      ...NODE_DEFAULTS,
      interceptor: values("--interceptor"),
      member: values("--member"),
      address: values("--address")[0] ?? "auto",
      mcast: !words.includes("--no-mcast"),
    });
    assert.equal(interceptors.length, heading === "The stack" ? 4 : 3);
    assert.ok(channel.receiver !== undefined);
  }
});

test("the interceptor of one's own is the one of the examples", () => {
  const text = page.take("An interceptor of one's own", "ts");
  assert.equal(text, readText("examples/own_interceptor.ts"));
});

test("the Chinese page has the same blocks and the same tables", () => {
  const other = Documentation.read(CHINESE);
  const blocks = ({ fences }: Documentation) =>
    fences.map(({ language, text }) => `${language}\n${text}`);
  assert.deepEqual(blocks(other), blocks(page));
  assert.equal(other.headings.length, page.headings.length);
  const same = (path: string) =>
    tablesOf(path).slice(1).map((table) =>
      table.slice(1).map((row) => row.flatMap(codesIn).join())
    );
  assert.deepEqual(same(CHINESE), same(PATH));
  const rows = tablesOf(CHINESE)[1]?.slice(1)
    .map(([name, , flag, attributes]) => [name, flag, attributes]);
  assert.deepEqual(
    rows,
    INTERCEPTOR_NAMES.map((name) => interceptorRow(name, "必填")),
  );
});

test("every block of a shell or of YAML is looked at", () => {
  const left = page.unused().filter((block) => !/ (xml|ts)$/.test(block));
  assert.deepEqual(left, []);
});

/** What becomes of a channel with these layers, the top one first. */
async function look(
  names: readonly string[],
): Promise<"refused" | "warning" | "fine"> {
  // Of static members a file's reader warns; the channel itself cannot know what is meant.
  if (names.includes("StaticMembership")) {
    const stack = ["TcpFailureDetector", ...names];
    const own = names.includes("TcpFailureDetector") ? names : stack;
    const said = saidOf(
      `<Channel className="${TRIBES}.group.GroupChannel">${
        own.map((name) =>
          `<Interceptor className="${TRIBES}.group.interceptors.${name}${
            name === "TcpFailureDetector" ? "" : "Interceptor"
          }"/>`
        ).join("")
      }</Channel>`,
    );
    return said.some((line) => line.includes("(interceptor-order)"))
      ? "warning"
      : "fine";
  }
  const warnings: Error[] = [];
  const transport = new MemoryNetwork().transport("10.0.0.1");
  let channel: GroupChannel;
  try {
    const interceptors: ChannelInterceptor[] = names.map((name) =>
      makeInterceptor(name, NEEDED[name])
    );
    channel = new GroupChannel(transport, {
      interceptors,
      membership: null,
      onError: (error) => void warnings.push(error),
    });
  } catch (error) {
    assert.ok(error instanceof RangeError);
    return "refused";
  }
  await channel.start();
  await channel.stop();
  return warnings.some((error) => error instanceof StackWarning)
    ? "warning"
    : "fine";
}

/** The release before one. */
function before(release: string): string {
  const { major, minor, patch } = parseGeneration(release);
  if (patch > 0) return `${major}.${minor}.${patch - 1}`;
  assert.equal(release, "9.0.0");
  return "8.5";
}
