import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeObjectMessage,
  encodeObjectMessage,
  isObjectMessage,
} from "../../channel/object_message.ts";
import {
  ALL_REPLY,
  FIRST_REPLY,
  MAJORITY_REPLY,
  NO_REPLY,
  type RpcCallback,
  RpcChannel,
  type RpcChannelOptions,
  type RpcResponse,
} from "../../channel/rpc_channel.ts";
import {
  type ChannelData,
  createMember,
  DecodeError,
  decodeHex,
  decodeRpcMessage,
  encodeHost,
  encodeRpcMessage,
  javaField,
  type JavaNode,
  javaString,
  javaToPlain,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import {
  bytes,
  type SimulatedNode,
  withGroup,
} from "../support/simulated_group.ts";

const ID = bytes("test");

function textOf(node: JavaNode): string {
  return node?.kind === "string" ? node.value : String(node);
}

function texts(responses: readonly RpcResponse[]): string[] {
  return responses.map(({ message }) => textOf(message));
}

/** An RPC channel on a node that answers `HOST: MESSAGE` after a time. */
function rpcOn(
  node: SimulatedNode,
  network: MemoryNetwork,
  delay = 0,
  options: RpcChannelOptions & { late?: string[] } = {},
): RpcChannel {
  const callback: RpcCallback = {
    replyRequest: async (message) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      network.transport(node.host).clock.startTimer(delay, resolve);
      await promise;
      return `${node.host}: ${textOf(message)}`;
    },
    leftOver: (message) => void options.late?.push(textOf(message)),
  };
  return new RpcChannel(node.channel, ID, { callback, ...options });
}

/** Runs with four nodes; the others answer after 10, 20 and 30 ms. */
function withCalls(
  task: (
    network: MemoryNetwork,
    caller: RpcChannel,
    nodes: SimulatedNode[],
    late: string[],
  ) => Promise<void>,
): Promise<void> {
  return withGroup(4, async ({ network }, nodes) => {
    const late: string[] = [];
    const [a, ...others] = nodes;
    const caller = rpcOn(a!, network, 0, { late });
    others.forEach((node, i) => rpcOn(node, network, 10 * (i + 1)));
    await task(network, caller, nodes, late);
    assert.equal(caller.pendingCalls, 0);
  });
}

for (
  const [reply, expected, late] of [
    [FIRST_REPLY, 1, 2],
    [MAJORITY_REPLY, 2, 1],
    [ALL_REPLY, 3, 0],
    [NO_REPLY, 0, 3],
  ] as const
) {
  test(`RpcChannel with reply ${reply} gives ${expected} of three replies, and ${late} late ones`, () =>
    withCalls(async (network, caller, [a], left) => {
      const replies = await caller.send(a!.channel.members(), "x", { reply });
      const all = ["10.0.0.2: x", "10.0.0.3: x", "10.0.0.4: x"];
      assert.deepEqual(texts(replies), all.slice(0, expected));
      await network.advance(100);
      assert.deepEqual(left, all.slice(expected));
    }));
}

test("RpcChannel gives what came when its time is over", () =>
  withCalls(async (network, caller, [a], late) => {
    const begin = network.now;
    const replies = await caller.send(a!.channel.members(), "x", {
      timeout: 25,
    });
    assert.deepEqual(texts(replies), ["10.0.0.2: x", "10.0.0.3: x"]);
    assert(network.now - begin < 30);
    await network.advance(100);
    assert.deepEqual(late, ["10.0.0.4: x"]);
  }));

test("RpcChannel waits out its time for a member that is gone during the call", () =>
  withCalls(async (network, caller, [a, b]) => {
    const begin = network.now;
    const called = caller.send(a!.channel.members(), "x", { timeout: 1000 });
    await network.advance(5);
    const stopped = b!.channel.stop();
    assert.deepEqual(texts(await called), ["10.0.0.3: x", "10.0.0.4: x"]);
    assert(network.now - begin >= 1000);
    await stopped;
  }));

test("RpcChannel rejects when the request does not reach a member", () =>
  withCalls(async (_, caller, [a]) => {
    const nobody = createMember({ host: encodeHost("10.0.0.2"), port: 9 });
    await assert.rejects(
      caller.send([...a!.channel.members(), nobody], "x"),
      (error) =>
        error instanceof ChannelError && error.faultyMembers.length === 1,
    );
  }));

test("RpcChannel asks nobody at once", () =>
  withCalls(async (_, caller) =>
    assert.deepEqual(await caller.send([], "x"), [])
  ));

test("RpcChannel takes 0x0004 off requests and replies", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const seen: number[] = [];
    for (const { channel } of [a!, b!]) {
      channel.addChannelListener({
        accept: (message) => {
          if (isObjectMessage(message)) seen.push(message.options);
          return false;
        },
        messageReceived: () => {},
      });
    }
    const caller = rpcOn(a!, network);
    rpcOn(b!, network, 0, { replyMessageOptions: 7 });
    await caller.send(a!.channel.members(), "x", { options: 7 });
    await caller.send(a!.channel.members(), "x");
    assert.deepEqual(seen, [2, 2, 2, 2]);
  }));

test("RpcChannels of other names, and nodes without one, are not waited for", () =>
  withGroup(3, async ({ network }, [a, b, c]) => {
    const one = rpcOn(a!, network);
    const other = new RpcChannel(a!.channel, bytes("other"));
    rpcOn(b!, network);
    const answers = new RpcChannel(c!.channel, bytes("other"), {
      callback: { replyRequest: () => "other" },
    });
    const begin = network.now;
    assert.deepEqual(texts(await one.send(a!.channel.members(), "x")), [
      "10.0.0.2: x",
    ]);
    assert.deepEqual(texts(await other.send(a!.channel.members(), "x")), [
      "other",
    ]);
    answers.stop();
    assert.deepEqual(await other.send(a!.channel.members(), "x"), []);
    assert.deepEqual(
      await other.send(a!.channel.members(), "x", { reply: FIRST_REPLY }),
      [],
    );
    assert(network.now - begin < 100);
  }));

test("RpcChannel ends its calls when it stops, and calls no more", () =>
  withCalls(async (network, caller, [a]) => {
    const called = caller.send(a!.channel.members(), "x");
    await network.advance(15);
    const stopped = network.now;
    caller.stop();
    assert.deepEqual(texts(await called), ["10.0.0.2: x"]);
    assert(network.now - stopped < 1);
    await assert.rejects(caller.send(a!.channel.members(), "x"), {
      code: "unsupported",
    });
  }));

test("RpcChannel refuses calls beyond its limit", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const caller = rpcOn(a!, network, 0, { maxPendingCalls: 2 });
    rpcOn(b!, network, 50);
    const to = a!.channel.members();
    const calls = [caller.send(to, "1"), caller.send(to, "2")];
    await assert.rejects(caller.send(to, "3"), { code: "queue-full" });
    assert.deepEqual((await Promise.all(calls)).map(texts), [["10.0.0.2: 1"], [
      "10.0.0.2: 2",
    ]]);
    assert.deepEqual(texts(await caller.send(to, "3")), ["10.0.0.2: 3"]);
  }));

test("RpcChannel holds up what comes in beyond its limit of requests", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const caller = rpcOn(a!, network);
    let most = 0;
    let now = 0;
    new RpcChannel(b!.channel, ID, {
      maxPendingRequests: 3,
      callback: {
        replyRequest: async () => {
          most = Math.max(most, ++now);
          await new Promise<void>((done) =>
            void network.transport(b!.host).clock.startTimer(20, done)
          );
          now--;
          return null;
        },
      },
    });
    const to = a!.channel.members();
    await Promise.all(Array.from({ length: 20 }, () => caller.send(to, "x")));
    assert.equal(most, 4); // the one that is waited for is in hand
  }));

test("RpcChannel answers only so many bytes of requests at once; more of them hold up what comes in", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const caller = rpcOn(a!, network);
    let most = 0;
    let now = 0;
    new RpcChannel(b!.channel, ID, {
      maxPendingRequestBytes: 3000,
      callback: {
        replyRequest: async () => {
          most = Math.max(most, ++now);
          await new Promise<void>((done) =>
            void network.transport(b!.host).clock.startTimer(20, done)
          );
          now--;
          return null;
        },
      },
    });
    const to = a!.channel.members();
    const long = "x".repeat(1000);
    await Promise.all(Array.from({ length: 20 }, () => caller.send(to, long)));
    assert.equal(most, 3); // the one that is waited for is in hand
    most = 0;
    await Promise.all(Array.from({ length: 5 }, () => caller.send(to, "x")));
    assert.equal(most, 5); // nothing is left of the others
  }));

test("RpcChannel callbacks can call back to who asks", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const first = rpcOn(a!, network);
    const second: RpcChannel = new RpcChannel(b!.channel, ID, {
      callback: {
        replyRequest: async (message, sender) => {
          const [reply] = await second.send([sender], textOf(message));
          return `${textOf(reply!.message)}!`;
        },
      },
    });
    const begin = network.now;
    assert.deepEqual(texts(await first.send(a!.channel.members(), "x")), [
      "10.0.0.1: x!",
    ]);
    assert.equal(second.pendingCalls, 0);
    assert(network.now - begin < 100);
  }));

test("RpcChannel reports what its callback throws, and answers nothing", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const late = () => {
      throw new Error("late");
    };
    const caller = new RpcChannel(a!.channel, ID, {
      callback: { leftOver: late },
    });
    let fails = true;
    new RpcChannel(b!.channel, ID, {
      callback: {
        replyRequest: () => {
          if (fails) throw new Error("no");
          return null;
        },
      },
    });
    const to = a!.channel.members();
    assert.deepEqual(await caller.send(to, "x", { timeout: 50 }), []);
    assert.deepEqual(b!.errors.map(({ message }) => message), ["no"]);
    fails = false;
    assert.deepEqual(
      (await caller.send(to, "x")).map(({ message }) => message),
      [null],
    );
    await caller.send(to, "x", { reply: NO_REPLY });
    await network.advance(10);
    assert.deepEqual(a!.errors.map(({ message }) => message), ["late"]);
  }));

test("RpcChannel counts a member's reply once", () =>
  withGroup(3, async ({ network }, [a, b, c]) => {
    const late: string[] = [];
    const caller = rpcOn(a!, network, 0, { late });
    rpcOn(c!, network, 200);
    b!.channel.addChannelListener({
      answersRpc: true,
      accept: isObjectMessage,
      async messageReceived({ message, address }) {
        const { uuid, rpcId } = decodeRpcMessage(message.slice());
        const reply = encodeRpcMessage({
          type: "call",
          reply: true,
          uuid,
          rpcId,
          message: javaString("y"),
        });
        const to = [createMember(address)];
        for (let i = 0; i < 2; i++) await b!.channel.sendObject(to, reply);
      },
    });
    const to = a!.channel.members();
    const replies = await caller.send(to, "x", { timeout: 50 });
    assert.deepEqual(texts(replies), ["y"]);
    assert.deepEqual(late, ["y"]);
  }));

test("RpcChannel calls through loss, partitions and delay end in time and never mix", () =>
  withGroup(
    5,
    async ({ network }, nodes) => {
      const rpcs = nodes.map((node) => rpcOn(node, network, 3));
      const calls: Promise<void>[] = [];
      for (let i = 0; i < 200; i++) {
        await network.advance(network.random() * 20);
        if (i === 60) {
          network.partition([["10.0.0.1", "10.0.0.2"], [
            "10.0.0.3",
            "10.0.0.4",
            "10.0.0.5",
          ]]);
        }
        if (i === 90) network.heal();
        const at = Math.floor(network.random() * 5);
        const begin = network.now;
        const to = nodes[at]!.channel.members();
        calls.push(
          rpcs[at]!.send(to, `${i}`, { timeout: 500 }).then((replies) => {
            const heard = texts(replies);
            assert.equal(new Set(heard).size, heard.length);
            assert(heard.every((text) => text.endsWith(`: ${i}`)), `${heard}`);
          }, (error) => assert(error instanceof ChannelError, `${error}`)).then(
            () => assert(network.now - begin < 60_000),
          ),
        );
      }
      await Promise.all(calls);
      for (const rpc of rpcs) assert.equal(rpc.pendingCalls, 0);
    },
    {},
    new MemoryNetwork({ seed: 7, latency: [0.2, 40], segmentLength: [1, 200] }),
  ));

test("GroupChannel reports a wrong RPC message and goes on", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    rpcOn(b!, network);
    const good = encodeRpcMessage({
      type: "call",
      reply: false,
      uuid: new Uint8Array(16),
      rpcId: ID,
      message: null,
    });
    const bad = [
      good.slice(0, -3),
      (() => {
        const lying = good.slice();
        new DataView(lying.buffer).setInt32(
          lying.length - 3 - 4 - ID.length - 16,
          0x7fffffff,
        );
        return lying;
      })(),
    ];
    for (const body of bad) {
      await a!.channel.sendObject(a!.channel.members(), body, { options: 6 });
    }
    await a!.channel.sendObject(a!.channel.members(), decodeHex("aced0005"), {
      options: 6,
    });
    assert.deepEqual(b!.errors.map((error) => (error as ChannelError).code), [
      "bad-message",
      "bad-message",
    ]);
    assert(b!.errors[0]!.cause instanceof DecodeError);
    assert.equal(b!.messages.length, 3); // who takes any bytes got them
  }));

test("GroupChannel answers no answer", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    const none = encodeRpcMessage({
      type: "no-rpc-channel-reply",
      uuid: new Uint8Array(16),
      rpcId: ID,
    });
    await a!.channel.sendObject(a!.channel.members(), none);
    await network.advance(100);
    assert.equal(b!.messages.length, 1);
    assert.equal(a!.messages.length, 0);
    const reply = encodeRpcMessage({
      type: "call",
      reply: true,
      uuid: new Uint8Array(16),
      rpcId: ID,
      message: null,
    });
    await a!.channel.sendObject(a!.channel.members(), reply);
    await network.advance(100);
    assert.equal(a!.messages.length, 1); // Tomcat's do this too
  }));

test("GroupChannel.sendObject() clears the byte flag, send() sets it; decodeObjectMessage() minds it", () =>
  withGroup(2, async (_, [a, b]) => {
    const seen: ChannelData[] = [];
    b!.channel.addChannelListener({
      messageReceived: (message) =>
        void seen.push({ ...message, message: message.message.slice() }),
    });
    const to = a!.channel.members();
    await a!.channel.sendObject(to, "text", { options: 7 });
    await a!.channel.send(to, bytes("text"), { options: 6 });
    assert.deepEqual(seen.map(({ options }) => options), [6, 7]);
    assert.deepEqual(seen.map(isObjectMessage), [true, false]);
    assert.deepEqual(decodeObjectMessage(seen[0]!), javaString("text"));
    assert.equal(decodeObjectMessage(seen[0]!), decodeObjectMessage(seen[0]!)); // read once
    assert.throws(() => decodeObjectMessage(seen[1]!), {
      name: "DecodeError",
      code: "malformed",
    });
    await assert.rejects(a!.channel.sendObject([], "x"), {
      code: "no-members",
    });
  }));

test("encodeObjectMessage() makes Java's classes of plain values", () => {
  for (
    const [value, name, field] of [
      [7, "java.lang.Integer", 7],
      [-2147483648, "java.lang.Integer", -2147483648],
      [2147483648, "java.lang.Long", 2147483648n],
      [0.5, "java.lang.Double", 0.5],
      [-0, "java.lang.Double", -0],
      [2 ** 60, "java.lang.Double", 2 ** 60],
      [5n, "java.lang.Long", 5n],
      [true, "java.lang.Boolean", true],
    ] as const
  ) {
    const node = decodeObjectMessage(
      { options: 0, message: encodeObjectMessage(value) } as ChannelData,
    );
    assert(node?.kind === "object" && node.classDesc.kind === "class-desc");
    assert.equal(node.classDesc.name, name);
    assert(Object.is(javaField(node, "value"), field));
  }
  const stream = decodeHex("aced000570");
  assert.equal(encodeObjectMessage(stream), stream);
  assert.deepEqual(encodeObjectMessage(null), stream);
  const list = decodeObjectMessage(
    {
      options: 0,
      message: encodeObjectMessage(["a", { b: 1 }]),
    } as ChannelData,
  );
  assert.deepEqual(javaToPlain(list), ["a", new Map([["b", 1]])]);
});
