import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventToJson } from "../../cli/ndjson_output.ts";
import { configuredNode, parseNodeConfig } from "../../cli/node_config.ts";
import type { NodeArguments, NodeOptions } from "../../cli/node_options.ts";
import { describe } from "../../cli/text_output.ts";
import { MemoryNetwork } from "../../transport/mod.ts";
import { CliProcess, type JsonLine } from "../support/cli_process.ts";
import { freeGroup, JavaPeer, needsJava } from "../support/java_peer.ts";
import {
  channel,
  cluster,
  interceptor,
  member,
  membership,
  receiver,
} from "../config/cluster_xml.ts";

const options = { timeout: 60_000 };
const KEY = "000102030405060708090a0b0c0d0e0f";

const DEFAULTS: NodeArguments = {
  config: "server.xml",
  address: "auto",
  port: "4000",
  autoBind: "100",
  udpPort: "-1",
  mcastAddress: "228.0.0.4",
  mcastPort: "45564",
  frequency: "500",
  dropTime: "3000",
  mcast: true,
  member: [],
  interceptor: [],
  sendOptions: "use_ack",
  stats: "0",
};

const CONFIG = cluster(
  channel(
    membership(
      'address="228.1.2.3" port="45000" frequency="200" dropTime="1000" bind="10.0.0.1" ttl="2" domain="east"',
    ) +
      receiver('address="10.0.0.1" port="5000" autoBind="7" udpPort="5001"') +
      interceptor("TcpFailureDetector") +
      interceptor("MessageDispatchInterceptor"),
  ),
  'channelSendOptions="6"',
);

function configure(
  text: string,
  given: Partial<NodeArguments> = {},
): NodeOptions {
  const parsed = parseNodeConfig(
    "server.xml",
    new TextEncoder().encode(text),
    () => undefined,
  );
  const transport = new MemoryNetwork({ seed: 1 }).transport("10.0.0.1");
  return configuredNode(
    parsed,
    { ...DEFAULTS, ...given },
    (name) => name in given,
    transport,
  ).options;
}

function tutorialFile(number: 1 | 2): string {
  return fileURLToPath(
    new URL(`../config/tutorial_${number}.xml`, import.meta.url),
  );
}

test("configuredNode() takes the configuration where no option is given", () => {
  const node = configure(CONFIG);
  assert.deepEqual(node.channel.receiver, {
    address: "10.0.0.1",
    port: 5000,
    autoBind: 7,
    udpPort: 5001,
  });
  assert.equal(node.mcast?.address, "228.1.2.3");
  assert.equal(node.mcast?.port, 45_000);
  assert.equal(node.mcast?.frequency, 200);
  assert.equal(node.mcast?.dropTime, 1000);
  assert.equal(node.mcast?.bind, "10.0.0.1");
  assert.equal(node.mcast?.ttl, 2);
  assert.equal(node.mcast?.optional, true);
  assert.deepEqual(node.channel.domain, new TextEncoder().encode("east"));
  assert.equal(node.sendOptions, 6);
  assert.equal(node.startLevels, 15);
  assert.deepEqual(node.membership, ["mcast"]);
  assert.deepEqual(node.interceptors.map(({ name }) => name), [
    "TcpFailureDetector",
    "MessageDispatch",
  ]);
});

const WINNING: readonly (readonly [
  Partial<NodeArguments>,
  (node: NodeOptions) => unknown,
  unknown,
])[] = [
  [
    { address: "10.0.0.2" },
    (node) => node.channel.receiver?.address,
    "10.0.0.2",
  ],
  [{ address: "auto" }, (node) => node.channel.receiver?.address, "auto"],
  [
    { address: "auto", mcastBind: "10.0.0.3" },
    (node) => node.channel.receiver?.address,
    "10.0.0.3",
  ],
  [
    { mcastBind: "10.0.0.3" },
    (node) => [node.channel.receiver?.address, node.mcast?.bind],
    ["10.0.0.1", "10.0.0.3"],
  ],
  [{ port: "0" }, (node) => node.channel.receiver?.port, 0],
  [{ port: "4000" }, (node) => node.channel.receiver?.port, 4000],
  [{ autoBind: "3" }, (node) => node.channel.receiver?.autoBind, 3],
  [{ udpPort: "-1" }, (node) => node.channel.receiver?.udpPort, -1],
  [{ mcastAddress: "228.9.9.9" }, (node) => node.mcast?.address, "228.9.9.9"],
  [{ mcastPort: "45564" }, (node) => node.mcast?.port, 45_564],
  [{ mcastTtl: "1" }, (node) => node.mcast?.ttl, 1],
  [
    { frequency: "900" },
    (node) => [node.mcast?.frequency, node.mcast?.dropTime],
    [900, 1000],
  ],
  [
    { dropTime: "300" },
    (node) => [node.mcast?.frequency, node.mcast?.dropTime],
    [200, 300],
  ],
  [{ mcast: false }, (node) => [node.mcast, node.membership], [undefined, []]],
  [{ sendOptions: "use_ack" }, (node) => node.sendOptions, 2],
  [
    { domain: "west" },
    (node) => new TextDecoder().decode(node.channel.domain),
    "west",
  ],
  [
    { interceptor: ["MessageDispatch"] },
    (node) => node.interceptors.map(({ name }) => name),
    ["MessageDispatch"],
  ],
  [
    { member: ["10.0.0.9:4000"] },
    (node) => [node.membership, node.interceptors.at(-1)?.name],
    [["mcast", "static"], "StaticMembership"],
  ],
  [
    { member: ["10.0.0.9:4000"], interceptor: ["MessageDispatch"] },
    (node) => node.interceptors.map(({ name }) => name),
    ["MessageDispatch", "StaticMembership"],
  ],
  [{ stats: "2", output: "text" }, (node) => [node.statsSeconds, node.output], [
    2,
    "text",
  ]],
];

for (const [given, field, value] of WINNING) {
  test(`configuredNode() lets ${JSON.stringify(given)} win over the file`, () => {
    assert.deepEqual(field(configure(CONFIG, given)), value);
  });
}

test("configuredNode() has no multicast where the start levels leave it out", () => {
  const node = configure(
    cluster(
      channel(
        interceptor(
          "StaticMembershipInterceptor",
          "",
          member('host="10.0.0.2" port="1"'),
        ),
      ),
      'channelStartOptions="3"',
    ),
  );
  assert.equal(node.mcast, undefined);
  assert.equal(node.startLevels, 3);
  assert.deepEqual(node.membership, ["static"]);
});

test("configuredNode() does not ask for what an option replaces", () => {
  const text = channel(
    receiver('address="a-name"') + membership('dropTime="100"') +
      interceptor("MessageDispatchInterceptor", 'optionFlag="9"'),
  );
  assert.throws(() => configure(text), /--config "server\.xml": .*a-name/);
  const node = configure(text, {
    address: "10.0.0.1",
    dropTime: "4000",
    interceptor: ["TcpFailureDetector"],
  });
  assert.equal(node.channel.receiver?.address, "10.0.0.1");
});

test("configuredNode() checks option flags with optionCheck, those of the file and those given", () => {
  const text = cluster(
    channel(
      interceptor("OrderInterceptor", 'optionFlag="256"') +
        interceptor("GzipInterceptor"),
      'optionCheck="true"',
    ),
  );
  assert.throws(
    () => configure(text),
    /--config "server.xml".*256 of Order with 256 of Gzip.*line 1/,
  );
  const given = ["Order:optionFlag=512", "Gzip"];
  assert.equal(configure(text, { interceptor: given }).interceptors.length, 2);
  assert.throws(
    () => configure(text, { interceptor: ["Gzip:optionFlag=768", ...given] }),
    /768 of Gzip with 512 of Order/,
  );
});

test("configuredNode() names the option that does not fit the file", () => {
  assert.throws(
    () => configure(CONFIG, { frequency: "1000" }),
    /--drop-time "1000": .*exceed frequency 1000/,
  );
});

test("a warning says what and where, to people and to programs", () => {
  const warning = {
    event: "warning",
    code: "no-effect",
    message: "x\u001b",
    element: "Receiver",
    line: 3,
    column: 4,
  } as const;
  assert.equal(
    describe(warning),
    "warning (no-effect) at line 3, column 4: x·",
  );
  assert.deepEqual(eventToJson(warning, 5), { ...warning, time: 5 });
});

test("a detector above encryption is an error at the encryption's place", () => {
  const stack = `${interceptor("TcpFailureDetector")}\n ${
    interceptor("EncryptInterceptor", `encryptionKey="${KEY}"`)
  }`;
  assert.throws(
    () => configure(channel(stack)),
    /server\.xml.*TcpFailureDetector.*line 2, column 2/,
  );
});

test(
  "tribes node --config ends with 2 and one line that says the place",
  options,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tribes-"));
    const file = join(folder, "server.xml");
    try {
      writeFileSync(file, channel('\n <Receiver speed="1"/>'));
      await using node = new CliProcess(["node", `--config=${file}`]);
      assert.equal(await node.exited(), 2);
      assert.match(
        node.errors,
        /^tribes: Cannot use --config ".*server\.xml": .*className \(line 2, column 2\)\n$/,
      );
      assert.equal(node.log.events.length, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
    await using none = new CliProcess(["node", `--config=${file}`]);
    assert.equal(await none.exited(), 2);
    assert.match(none.errors, /^tribes: Cannot use --config ".*": .*ENOENT/);
  },
);

test("tribes node --config tells warnings to people", options, async () => {
  await using node = new CliProcess([
    "node",
    `--config=${tutorialFile(1)}`,
    "--address=127.0.0.1",
    "--port=0",
    "--no-mcast",
    "--output=text",
  ]);
  node.write({ command: "stop" });
  assert.equal(await node.exited(), 0);
  assert.match(
    node.text[0] ?? "",
    /warning \(stale-reads\) at line 2, column 68: channelSendOptions is asynchronous/,
  );
  const ready = node.text.findIndex((line) => line.includes("ready as"));
  const last = node.text.findLastIndex((line) => line.includes("warning ("));
  assert(ready > last && last > 0);
});

interface Joined {
  readonly name: string;
  /** Arguments with `--config`, of a file that may be written into a folder. */
  readonly file: (folder: string) => string;
  /** The same stack for Java; names as its. */
  readonly stack: readonly string[];
  readonly sendOptions: number;
  readonly warnings: readonly string[];
}

const JOINED: readonly Joined[] = [
  {
    name: "the first tutorial",
    file: () => tutorialFile(1),
    stack: ["TcpFailureDetector", "MessageDispatch"],
    sendOptions: 8,
    warnings: [
      "stale-reads 2:68",
      "no-effect 3:5",
      "no-effect 6:133",
      "no-effect 6:156",
      "deprecated 11:20",
      "no-effect 13:5",
      "no-effect 14:5",
      "deprecated 15:22",
      "no-effect 16:5",
    ],
  },
  {
    name: "the second tutorial",
    file: () => tutorialFile(2),
    stack: ["TcpFailureDetector", "MessageDispatch", "Throughput"],
    sendOptions: 6,
    warnings: [
      "no-effect 2:3",
      "no-effect 2:69",
      "no-effect 5:107",
      "no-effect 5:129",
      "deprecated 10:18",
      "no-effect 13:3",
      "no-effect 14:3",
      "listener-without-effect 15:3",
      "no-effect 15:3",
    ],
  },
  {
    name: "a stack that packs, cuts and encrypts",
    file: (folder) => {
      const file = join(folder, "server.xml");
      writeFileSync(
        file,
        cluster(
          "\n" + channel([
            interceptor("MessageDispatchInterceptor"),
            interceptor("GzipInterceptor", 'compressionMinSize="10"'),
            interceptor("FragmentationInterceptor", 'maxSize="30"'),
            interceptor(
              "EncryptInterceptor",
              `encryptionKey="\${tribes.test.key:-${KEY}}"`,
            ),
            interceptor("TcpFailureDetector"),
          ].join("\n")),
          'channelSendOptions="sync,use_ack"',
        ),
      );
      return file;
    },
    stack: [
      "MessageDispatch",
      "Gzip:compressionMinSize=10",
      "Fragmentation:maxSize=30",
      `Encrypt:encryptionKey=${KEY}`,
      "TcpFailureDetector",
    ],
    sendOptions: 6,
    warnings: [],
  },
];

for (const { name, file, stack, sendOptions, warnings } of JOINED) {
  test(
    `tribes node --config of ${name} joins a real Tomcat channel of the same stack`,
    needsJava("10.1.60"),
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "tribes-"));
      try {
        const group = await freeGroup();
        await using java = await JavaPeer.start({
          release: "10.1.60",
          group,
          interceptors: stack,
        });
        await using node = new CliProcess([
          "node",
          `--config=${file(folder)}`,
          "--address=127.0.0.1",
          "--port=0",
          "--mcast-bind=127.0.0.1",
          `--mcast-address=${group.address}`,
          `--mcast-port=${group.port}`,
          "--generation=10.1.60",
        ]);
        const { member } = await node.waitFor("ready") as { member: JsonLine };
        const told = node.log.events.filter(({ event }) => event === "warning");
        assert.deepEqual(
          told.map(({ code, line, column }) => `${code} ${line}:${column}`),
          warnings,
        );
        assert(told.every(({ element, message }) => element && message));
        await java.waitForMember(String(member.uniqueId));
        await node.waitFor("memberAdded");
        // As a text that is large enough to go in pieces where a layer cuts.
        const text = `${name} `.repeat(300);
        node.write({ command: "send", text, tag: 1 });
        const message = await java.waitForEvent(
          "message",
          (event) => event.text === text,
        );
        // Gzip marks what it packed with a bit above these.
        assert.equal(Number(message.options) & 0xff, sendOptions | 1);
        await java.request(
          { command: "send", text: `to ${text}`, options: sendOptions },
          "sent",
        );
        const received = await node.log.waitFor((line) =>
          line.event === "message" && line.text === `to ${text}`
        );
        assert.equal(Number(received.options) & 0xff, sendOptions | 1);
        node.write({ command: "stop" });
        assert.equal(await node.exited(), 0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
}
