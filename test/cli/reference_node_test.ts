import assert from "node:assert/strict";
import { test } from "node:test";
import { eventToJson, NdjsonOutput } from "../../cli/ndjson_output.ts";
import { parseCommand } from "../../cli/node_commands.ts";
import type { NodeOptions } from "../../cli/node_options.ts";
import { ReferenceNode } from "../../cli/reference_node.ts";
import {
  type ChannelInterceptor,
  MessageDispatchInterceptor,
  TcpFailureDetector,
} from "../../channel/mod.ts";
import { McastMembership } from "../../membership/mod.ts";
import { MemoryNetwork, type Transport } from "../../transport/mod.ts";

type Json = Record<string, unknown>;

function makeNode(
  transport: Transport,
  events: Json[],
  change: Partial<NodeOptions> = {},
): ReferenceNode {
  const options: NodeOptions = {
    channel: {},
    interceptors: [
      new MessageDispatchInterceptor(),
      new TcpFailureDetector(),
    ],
    membership: ["mcast"],
    sendOptions: 2,
    output: "ndjson",
    statsSeconds: 0,
    showIds: false,
    showMessages: false,
    ...change,
  };
  return new ReferenceNode(
    transport,
    options,
    new McastMembership(transport, { optional: true }),
    {
      show: (event, time) =>
        void events.push(JSON.parse(JSON.stringify(eventToJson(event, time)))),
      flush: () => Promise.resolve(),
    },
  );
}

async function run(node: ReferenceNode, command: Json): Promise<void> {
  const parsed = parseCommand(JSON.stringify(command));
  assert(parsed !== undefined && parsed.command !== "stop");
  await node.run(parsed);
}

/** Two nodes that know each other; the task runs in virtual time. */
async function withTwo(
  task: (
    a: { node: ReferenceNode; events: Json[] },
    b: { node: ReferenceNode; events: Json[] },
    network: MemoryNetwork,
  ) => Promise<void>,
): Promise<void> {
  const network = new MemoryNetwork({ seed: 1 });
  const [first, second]: [Json[], Json[]] = [[], []];
  const a = {
    node: makeNode(network.transport("10.0.0.1"), first),
    events: first,
  };
  const b = {
    node: makeNode(network.transport("10.0.0.2"), second),
    events: second,
  };
  await network.run(async () => {
    await Promise.all([a.node.start(), b.node.start()]);
    await task(a, b, network);
    await Promise.all([a.node.stop(), b.node.stop()]);
  });
}

test("ReferenceNode tells ready, members, and stopped last", () =>
  withTwo(async ({ node, events }, b) => {
    const ready = events.find(({ event }) => event === "ready") as Json;
    assert.deepEqual(ready.membership, ["mcast"]);
    assert.equal((ready.member as Json).host, "0a000001");
    assert.equal(
      typeof ready.time,
      "number",
    );
    const added = events.find(({ event }) => event === "memberAdded") as Json;
    assert.equal((added.member as Json).host, "0a000002");
    await run(node, { command: "members", tag: 7 });
    const members = events.at(-1) as Json;
    assert.equal(members.tag, 7);
    assert.equal((members.members as Json[]).length, 1);
    await b.node.stop();
    assert.equal(b.events.at(-1)?.event, "stopped");
  }));

test("ReferenceNode sends and receives as the contract has it", () =>
  withTwo(async (a, b) => {
    await run(a.node, {
      command: "send",
      text: "grüß dich",
      options: 6,
      tag: "t",
    });
    const sent = a.events.at(-1) as Json;
    const message = b.events.at(-1) as Json;
    assert.equal(sent.event, "sent");
    assert.equal(sent.options, 7);
    assert.equal(sent.destinations, 1);
    assert.equal(sent.count, 1);
    assert.equal(sent.tag, "t");
    assert.equal(message.event, "message");
    assert.equal(message.text, "grüß dich");
    assert.equal(message.options, 7);
    assert.equal(message.bytes, 11);
    assert.equal(message.uniqueId, sent.uniqueId);
    assert.equal(message.sha256, sent.sha256);
    assert.equal(typeof message.timestamp, "string");
    assert.equal((message.from as Json).host, "0a000001");
  }));

test("ReferenceNode gives no text for bytes that are none, and 256 bytes of hex", () =>
  withTwo(async (a, b) => {
    await run(a.node, { command: "send", size: 1000 });
    const message = b.events.at(-1) as Json;
    assert.equal(message.text, undefined);
    assert.equal((message.hex as string).length, 512);
  }));

test("ReferenceNode sends many messages of one command, in order", () =>
  withTwo(async (a, b) => {
    await run(a.node, { command: "send", text: "x", count: 5000, options: 2 });
    assert.equal(a.events.at(-1)?.count, 5000);
    const messages = b.events.filter(({ event }) => event === "message");
    assert.equal(messages.length, 5000);
    assert.equal(messages.at(-1)?.uniqueId, a.events.at(-1)?.uniqueId);
  }));

test("ReferenceNode answers a send to nobody with unknown-member or no-members", async () => {
  await withTwo(async (a) => {
    await run(a.node, {
      command: "send",
      text: "x",
      to: ["10.9.9.9:1"],
      tag: 1,
    });
    const error = a.events.at(-1) as Json;
    assert.equal(error.code, "unknown-member");
    assert.equal(error.tag, 1);
    assert.deepEqual(error.faultyMembers, []);
  });
  const network = new MemoryNetwork({ seed: 2 });
  const events: Json[] = [];
  const node = makeNode(network.transport("10.0.0.9"), events);
  await network.run(async () => {
    await node.start();
    await run(node, { command: "send", text: "x" });
    await node.stop();
  });
  assert(events.some(({ code }) => code === "no-members"));
});

test("ReferenceNode names the faulty members of a send that fails, and tells nothing else of it", () =>
  withTwo(async (a, _b, network) => {
    network.pause("10.0.0.2");
    await run(a.node, { command: "send", text: "x", tag: "lost" });
    const error = a.events.find(({ tag }) => tag === "lost") as Json;
    assert.equal(error.event, "error");
    assert.equal(error.code, "timeout");
    const [faulty] = error.faultyMembers as Json[];
    assert.equal(faulty?.host, "0a000002");
    assert(!a.events.some(({ event }) => event === "sent"));
    network.resume("10.0.0.2");
  }));

test("ReferenceNode shows a Java object in place of text", async () => {
  await withTwo(async (a, b, network) => {
    const body = { cart: [1, "two", null] };
    const sent = a.node.channel.sendObject(a.node.channel.members(), body);
    await network.advance(100);
    await sent;
    const message = b.events.at(-1) as Json;
    assert.equal(message.event, "message");
    assert.deepEqual(message.java, { cart: [1, "two", null] });
    assert.equal("text" in message, false);
    assert.equal((message.options as number) & 1, 0);
  });
});

test("ReferenceNode shows a message that is neither bytes nor an object without either", async () => {
  await withTwo(async (a, b, network) => {
    const cut = Uint8Array.of(0xac, 0xed, 0, 5, 0x73);
    const sent = a.node.channel.sendObject(a.node.channel.members(), cut);
    await network.advance(100);
    await sent;
    const message = b.events.at(-1) as Json;
    assert.equal(message.hex, "aced000573");
    assert.equal("text" in message || "java" in message, false);
  });
});

test("ReferenceNode tells what a layer warns of as a warning, not as an error", async () => {
  const network = new MemoryNetwork({ seed: 1 });
  const events: Json[] = [];
  const wary: ChannelInterceptor = {
    name: "Wary",
    checkStack: () => ["it is alone"],
  };
  const node = makeNode(network.transport("10.0.0.1"), events, {
    interceptors: [wary],
  });
  const started = node.start();
  await network.advance(3000);
  await started;
  const { event, code, message } = events[0]!; // the node is ready after it
  assert.equal(event, "warning");
  assert.equal(code, "stack");
  assert.match(String(message), /it is alone/);
  assert.equal(node.totals.errors, 0);
  const stopped = node.stop();
  await network.advance(3000);
  await stopped;
});

test("ReferenceNode becomes ready without multicast, after an error that says what to do", async () => {
  const network = new MemoryNetwork({ seed: 3 });
  const whole = network.transport("10.0.0.1");
  const transport: Transport = {
    clock: whole.clock,
    connect: (address, options) => whole.connect(address, options),
    listen: (address, options) => whole.listen(address, options),
    localAddresses: () => whole.localAddresses(),
    bindDatagram: () => Promise.reject(new Error("no such device")),
  };
  const events: Json[] = [];
  const node = makeNode(transport, events);
  await network.run(async () => {
    await node.start();
    await node.stop();
  });
  assert.deepEqual(events.map(({ event }) => event), [
    "error",
    "ready",
    "stopped",
  ]);
  assert.equal(events[0]?.code, "multicast");
  assert.match(String(events[0]?.message), /no such device.*--member/);
});

test("ReferenceNode counts what it sends and receives", () =>
  withTwo(async (a, b) => {
    await run(a.node, { command: "send", size: 10, count: 3 });
    b.node.showStats();
    a.node.showStats();
    assert.equal(b.events.at(-1)?.received, 3);
    assert.equal(b.events.at(-1)?.bytesReceived, 30);
    assert.equal(a.events.at(-1)?.sent, 3);
    assert.equal(a.events.at(-1)?.queued, 0);
    assert.deepEqual(
      (a.events.at(-1)?.interceptors as Json).TcpFailureDetector,
      { present: 1, suspects: 0 },
    );
  }));

test("ReferenceNode hides messages of session replication unless they are asked for", async () => {
  // A Java stream that begins with an object of this class.
  const name = new TextEncoder().encode(
    "org.apache.catalina.ha.session.SessionMessageImpl",
  );
  const head = [0xac, 0xed, 0, 5, 0x73, 0x72, 0, name.length];
  const body = Uint8Array.of(...head, ...name);
  // The channel sets the byte flag; a layer below takes it away, as Java sends objects.
  const objects: ChannelInterceptor = {
    name: "Objects",
    sendMessage: (destination, message, next) =>
      next(destination, { ...message, options: message.options & ~1 }),
  };
  for (const showMessages of [false, true]) {
    const network = new MemoryNetwork({ seed: 4 });
    const events: Json[] = [];
    const a = makeNode(network.transport("10.0.0.1"), [], {
      interceptors: [objects],
    });
    const b = makeNode(network.transport("10.0.0.2"), events, { showMessages });
    await network.run(async () => {
      await Promise.all([a.start(), b.start()]);
      await a.channel.send(a.channel.members(), body, { options: 2 });
      await Promise.all([a.stop(), b.stop()]);
    });
    assert.equal(b.totals.received, 1);
    const messages = events.filter(({ event }) => event === "message");
    assert.equal(messages.length, showMessages ? 1 : 0);
  }
});

test("NdjsonOutput makes its caller wait only while the reader is a mebibyte behind", async () => {
  const written: string[] = [];
  const gate = Promise.withResolvers<void>();
  const output = new NdjsonOutput(async (text) => {
    await gate.promise;
    written.push(text);
  }, () => assert.fail("closed"));
  const event = {
    event: "error",
    code: "timeout",
    message: "x".repeat(100_000),
    faultyMembers: [],
  } as const;
  const waits = Array.from({ length: 20 }, () => output.show(event, 0));
  assert.equal(waits[0], undefined);
  assert(waits[19] instanceof Promise);
  gate.resolve();
  await output.flush();
  assert.equal(written.join("").split("\n").length, 21);
  assert.equal(output.show({ event: "stopped" }, 1), undefined);
  await output.flush();
  assert.equal(written.at(-1), '{"event":"stopped","time":1}\n');
});

test("NdjsonOutput tells that nobody reads any more", async () => {
  const errors: Error[] = [];
  const output = new NdjsonOutput(
    () => Promise.reject(new Error("EPIPE")),
    (error) => errors.push(error),
  );
  output.show({ event: "stopped" }, 0);
  await output.flush();
  assert.equal(errors[0]?.message, "EPIPE");
});
