/** Remote calls and Java objects between this channel and Tomcat's, to addresses that are no members of a group. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeObjectMessage,
  isObjectMessage,
} from "../../channel/object_message.ts";
import {
  ALL_REPLY,
  FIRST_REPLY,
  MAJORITY_REPLY,
  NO_REPLY,
  RpcChannel,
  type RpcResponse,
} from "../../channel/rpc_channel.ts";
import {
  byteMessageBytes,
  createMember,
  decodeHex,
  encodeHex,
  encodeHost,
  javaByteMessage,
  javaField,
  type JavaNode,
  javaString,
  type Member,
} from "../../protocol/mod.ts";
import { hexOf, OurNode, shared } from "../support/interop_channel.ts";
import { EventLog } from "../support/interop_events.ts";
import { JavaPeer, needsJava, type PeerMember } from "../support/java_peer.ts";

const RELEASES = ["9.0.70", "11.0.21"] as const;
const NEEDS = needsJava(RELEASES);

/** What our callback did. */
interface Heard {
  readonly message: JavaNode;
  readonly from: Member;
}

const peers = shared(async (keep) => {
  const [old, young, ours] = await Promise.all([
    ...RELEASES.map((release) => JavaPeer.start({ release, heartbeat: false })),
    OurNode.start({ heartbeat: false }),
  ] as [Promise<JavaPeer>, Promise<JavaPeer>, Promise<OurNode>]);
  for (const each of [old, young, ours]) keep(each);
  const requests: Heard[] = [];
  const late = new EventLog<Heard>("leftOver");
  const rpc = new RpcChannel(ours.channel, name("echo"), {
    callback: {
      replyRequest: (message, from) => {
        requests.push({ message, from });
        return message;
      },
      leftOver: (message, from) => late.push({ message, from }),
    },
  });
  for (const java of [old, young]) {
    await java.request({ command: "rpcChannel", id: "echo" }, "done");
  }
  return { old, young, ours, rpc, requests, late };
});

function name(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A member made from an address, as nobody has told of it. */
function memberOf({ member }: JavaPeer): Member {
  return createMember({
    host: encodeHost("127.0.0.1"),
    port: member.port,
    uniqueId: decodeHex(member.uniqueId),
  });
}

/** Our node as Java's commands take it. */
function directTo(ours: OurNode): { to: string[]; direct: true } {
  return { to: [`${ours.address}:${ours.member.uniqueId}`], direct: true };
}

/** Who replied. */
function sources(responses: readonly RpcResponse[]): string[] {
  return responses.map(({ source }) => encodeHex(source.uniqueId)).sort();
}

function ids(...peers: { readonly member: PeerMember }[]): string[] {
  return peers.map(({ member }) => member.uniqueId).sort();
}

const OBJECTS: readonly (readonly [what: string, object: JavaNode])[] = [
  ["a string", javaString("gr\u00fc\u00dfe \ud83d\ude00")],
  ["bytes", javaByteMessage(Uint8Array.of(0, 1, 254, 255))],
  ["many bytes", javaByteMessage(new Uint8Array(100_000).fill(7))],
  ["null", null],
];

for (const [what, object] of OBJECTS) {
  test(`RpcChannel gets ${what} back from Java`, NEEDS, async () => {
    const { old, young, rpc } = await peers();
    const responses = await rpc.send([memberOf(old), memberOf(young)], object);
    assert.deepEqual(sources(responses), ids(old, young));
    for (const { message } of responses) {
      if (object?.kind === "string") assert.deepEqual(message, object);
      else if (object === null) assert.equal(message, null);
      else {
        assert.deepEqual(byteMessageBytes(message), byteMessageBytes(object));
      }
    }
  });
}

for (const release of [0, 1] as const) {
  test(
    `RpcChannel answers Java ${RELEASES[release]}: text, bytes, lists, null`,
    NEEDS,
    async () => {
      const { old, young, ours } = await peers();
      const java = [old, young][release]!; // two
      for (const object of ["text", 7, ["a", 1, null], { key: [true] }, null]) {
        const { replies } = await java.request({
          command: "rpc",
          id: "echo",
          object,
          ...directTo(ours),
        }, "replies");
        assert.deepEqual(replies.map(({ value }) => value), [object]);
        assert.equal(replies[0]!.from.uniqueId, ours.member.uniqueId);
      }
      const { replies } = await java.request({
        command: "rpc",
        id: "echo",
        hex: "00ff",
        ...directTo(ours),
      }, "replies");
      assert.deepEqual(replies.map(({ hex }) => hex), ["00ff"]);
    },
  );
}

test(
  "RpcChannel waits for the replies that it is told to wait for",
  NEEDS,
  async () => {
    const { old, young, rpc, late } = await peers();
    const both = [memberOf(old), memberOf(young)];
    await young.request({
      command: "rpcChannel",
      id: "echo",
      milliseconds: 400,
    }, "done");
    const before = late.length;
    for (const reply of [FIRST_REPLY, MAJORITY_REPLY] as const) {
      const responses = await rpc.send(both, `reply ${reply}`, { reply });
      assert.deepEqual(sources(responses), ids(old));
    }
    const short = await rpc.send(both, "short", {
      reply: ALL_REPLY,
      timeout: 100,
    });
    assert.deepEqual(sources(short), ids(old));
    assert.deepEqual(await rpc.send(both, "none", { reply: NO_REPLY }), []);
    const all = await rpc.send(both, "all", { reply: ALL_REPLY });
    assert.deepEqual(sources(all), ids(old, young));
    await young.request({ command: "rpcChannel", id: "echo" }, "done");
    // Answered after their calls: two of the slow one for the first two, one for the third, and both for none.
    while (late.length < before + 5) {
      await new Promise((next) => setTimeout(next, 5));
    }
    const texts = late.events.slice(before).map(({ message }) =>
      message?.kind === "string" ? message.value : ""
    );
    assert.deepEqual(texts.sort(), [
      "none",
      "none",
      "reply 1",
      "reply 2",
      "short",
    ]);
    assert.equal(rpc.pendingCalls, 0);
  },
);

test(
  "Java waits for the replies that it is told to wait for",
  NEEDS,
  async () => {
    const { old, young, ours } = await peers();
    const to = [
      ...directTo(ours).to,
      `${young.address}:${young.member.uniqueId}`,
    ];
    for (const [reply, least] of [[1, 1], [2, 1], [3, 2], [4, 0]] as const) {
      const { replies } = await old.request({
        command: "rpc",
        id: "echo",
        object: "x",
        reply,
        to,
        direct: true,
      }, "replies");
      assert(
        replies.length >= least && replies.length <= (reply === 4 ? 0 : 2),
      );
    }
  },
);

test(
  "Without an RPC channel of that name both sides say so at once",
  NEEDS,
  async () => {
    const { old, young, ours } = await peers();
    await old.request({ command: "rpcChannel", id: "unheard" }, "done");
    const asked = await old.request({
      command: "rpc",
      id: "unheard",
      object: "x",
      timeout: 10_000,
      ...directTo(ours),
    }, "replies");
    assert.deepEqual(asked.replies, []);
    assert(asked.milliseconds < 5000, `${asked.milliseconds} ms`);

    const rpc = new RpcChannel(ours.channel, name("unheard"));
    const begin = performance.now();
    const responses = await rpc.send([memberOf(old), memberOf(young)], "x", {
      timeout: 10_000,
    });
    rpc.stop();
    assert.deepEqual(sources(responses), ids(old)); // the other has none
    assert(performance.now() - begin < 5000);
  },
);

test(
  "RpcChannels of several names stand on one channel, with any send options",
  NEEDS,
  async () => {
    const { old, ours } = await peers();
    const more = ["one", "two"].map((id) =>
      new RpcChannel(ours.channel, name(id))
    );
    for (const [i, id] of ["one", "two"].entries()) {
      await old.request({ command: "rpcChannel", id, replyOptions: 6 }, "done");
      for (const options of [0, 2, 6, 8, 10]) {
        const [response] = await more[i]!.send([memberOf(old)], id, {
          options,
        });
        assert.deepEqual(response?.message, javaString(id));
      }
      const options = old.events.flatMap((event) =>
        event.event === "rpcRequest" && event.id === id ? [event.value] : []
      );
      assert.equal(options.length, 5);
    }
    for (const rpc of more) rpc.stop();
  },
);

test(
  "A callback of Java's that throws leaves its caller without a reply",
  NEEDS,
  async () => {
    const { old, young, rpc } = await peers();
    await young.request(
      { command: "rpcChannel", id: "echo", mode: "throw" },
      "done",
    );
    const responses = await rpc.send([memberOf(old), memberOf(young)], "x", {
      timeout: 300,
    });
    assert.deepEqual(sources(responses), ids(old));
    await young.request({ command: "rpcChannel", id: "echo" }, "done");
  },
);

test("GroupChannel.sendObject() gives Java objects", NEEDS, async () => {
  const { old, young, ours } = await peers();
  const values = ["text", 7, 2 ** 31, 1.5, true, 5n];
  for (const value of values) {
    const id = encodeHex(
      await ours.channel.sendObject([memberOf(old), memberOf(young)], value, {
        options: 7,
      }),
    );
    for (const java of [old, young]) {
      const event = await java.waitForEvent(
        "message",
        ({ uniqueId }) => uniqueId === id,
      );
      assert.equal(String(event.value), String(value));
      assert.equal(event.options, 6); // not of raw bytes
    }
  }
});

test(
  "GroupChannel gives Java's objects to whoever decodes them",
  NEEDS,
  async () => {
    const { old, ours } = await peers();
    const seen: JavaNode[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    ours.onMessage = (message) => {
      assert(isObjectMessage(message));
      seen.push(decodeObjectMessage(message));
      if (seen.length === 2) resolve();
    };
    await old.request({
      command: "send",
      object: "hello",
      options: 6,
      ...directTo(ours),
    }, "sent");
    await old.request({
      command: "send",
      object: 4711,
      options: 6,
      ...directTo(ours),
    }, "sent");
    await promise;
    ours.onMessage = undefined;
    assert.deepEqual(seen[0], javaString("hello"));
    assert(seen[1]?.kind === "object");
    assert.equal(javaField(seen[1], "value"), 4711);
  },
);

test(
  "Messages go to addresses that are no members, both ways",
  NEEDS,
  async () => {
    const { young, ours } = await peers();
    const id = encodeHex(
      await ours.channel.send([memberOf(young)], name("to Java"), {
        options: 6,
      }),
    );
    const heard = await young.waitForEvent(
      "message",
      ({ uniqueId }) => uniqueId === id,
    );
    assert.equal(heard.text, "to Java");
    // Without its unique id too: an address is enough.
    const bare = createMember({
      host: encodeHost("127.0.0.1"),
      port: young.member.port,
    });
    const second = encodeHex(
      await ours.channel.send([bare], name("again"), { options: 6 }),
    );
    await young.waitForEvent("message", ({ uniqueId }) => uniqueId === second);
    const sent = await young.request({
      command: "send",
      text: "to us",
      options: 6,
      to: [ours.address],
      direct: true,
    }, "sent");
    const event = await ours.waitForMessage(sent.uniqueId);
    assert.equal(event.hex, hexOf("to us"));
  },
);
