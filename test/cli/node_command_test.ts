import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { CliProcess, type JsonLine } from "../support/cli_process.ts";
import { freeGroup } from "../support/java_peer.ts";

const options = { timeout: 60_000 };

async function nodeArguments(): Promise<string[]> {
  const group = await freeGroup();
  return [
    "node",
    "--port=0",
    "--mcast-bind=127.0.0.1",
    `--mcast-address=${group.address}`,
    `--mcast-port=${group.port}`,
    "--frequency=100",
    "--drop-time=2000",
  ];
}

test(
  "tribes node finds another one, exchanges messages with it, and leaves on stop",
  options,
  async () => {
    const args = await nodeArguments();
    await using a = new CliProcess([...args, "--domain=shop"]);
    await using b = new CliProcess(args);
    await Promise.all([a.waitFor("ready"), b.waitFor("ready")]);
    const [added] = await Promise.all([
      b.waitFor("memberAdded"),
      a.waitFor("memberAdded"),
    ]);
    assert.equal((added!.member as JsonLine).domain, "73686f70");
    a.write("hello");
    assert.equal((await b.waitFor("message")).text, "hello");
    b.end(); // does not stop it
    a.write({
      command: "send",
      size: 100_000,
      options: "sync,use_ack",
      tag: 1,
    });
    await a.log.waitFor(({ event, tag }) => event === "sent" && tag === 1);
    a.write({ command: "fly", tag: 2 });
    assert.equal((await a.waitFor("error")).code, "bad-command");
    a.write({ command: "stop" });
    assert.equal(await a.exited(), 0);
    assert.equal(a.log.events.at(-1)?.event, "stopped");
    const gone = await b.waitFor("memberDisappeared");
    assert.equal((gone.member as JsonLine).command, "424142592d414c4558");
  },
);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`tribes node leaves on ${signal}`, options, async () => {
    await using node = new CliProcess(await nodeArguments());
    await node.waitFor("ready");
    node.kill(signal);
    await node.waitFor("stopped");
    assert.equal(await node.exited(), 0);
  });
}

test("tribes node --output text writes lines for people", options, async () => {
  await using node = new CliProcess([
    ...await nodeArguments(),
    "--output=text",
  ]);
  node.write({ command: "stop" });
  assert.equal(await node.exited(), 0);
  assert.match(node.text[0] ?? "", /ready as 127\.0\.0\.1:\d+/);
  assert.match(node.text.at(-1) ?? "", /stopped$/);
});

test(
  "tribes node ends with 2 and one line for a wrong option",
  options,
  async () => {
    await using node = new CliProcess(["node", "--frequency=0"]);
    assert.equal(await node.exited(), 2);
    assert.match(node.errors, /^tribes: .*--frequency "0".*\n$/m);
  },
);

test("tribes node ends with 1 when its port is taken", options, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens
  try {
    await using node = new CliProcess([
      "node",
      "--no-mcast",
      "--address=127.0.0.1",
      `--port=${port}`,
      "--auto-bind=1",
    ]);
    assert.equal(await node.exited(), 1);
    assert.match(node.errors, new RegExp(`127\\.0\\.0\\.1:${port}`));
    assert.equal(node.log.length, 0);
  } finally {
    server.close();
  }
});

test(
  "tribes node joins static members that know each other by host and port alone",
  options,
  async () => {
    await using a = new CliProcess([
      "node",
      "--no-mcast",
      "--address=127.0.0.1",
      "--port=0",
    ]);
    const { member } = await a.waitFor("ready") as { member: JsonLine };
    await using b = new CliProcess([
      "node",
      "--no-mcast",
      "--address=127.0.0.1",
      "--port=0",
      `--member=127.0.0.1:${member.port}`,
    ]);
    await b.waitFor("memberAdded");
    b.write({ command: "send", text: "to the configured one", options: 6 });
    assert.equal((await a.waitFor("message")).text, "to the configured one");
    assert.deepEqual((await b.waitFor("ready")).membership, ["static"]);
  },
);
