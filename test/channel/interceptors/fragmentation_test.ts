import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DroppedMessageError } from "../../../channel/interceptors/dropped_messages.ts";
import {
  FragmentationInterceptor,
  type FragmentationOptions,
} from "../../../channel/interceptors/fragmentation.ts";
import { concatBytes } from "../../../protocol/bytes/bytes.ts";
import { decodeHex, encodeHex } from "../../../protocol/bytes/hex.ts";
import type { ChannelData } from "../../../protocol/tribes/channel_data.ts";
import { createMember } from "../../../protocol/tribes/member.ts";
import {
  byteLengthFragment,
  decodeFragment,
  encodeFragment,
} from "../../../protocol/tribes/fragment.ts";
import { ChannelError, sendError } from "../../../transport/errors.ts";
import { Layers } from "../../support/interceptor_layer.ts";
import { interceptorVectors } from "../../support/interceptor_vectors.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { memberAt, messageOf } from "../../support/tribes_peers.ts";

const A = memberAt({ hostname: "10.0.0.2", port: 4000 });
const B = memberAt({ hostname: "10.0.0.3", port: 4000 });

async function start(options: FragmentationOptions = {}) {
  const layer = new FragmentationInterceptor(options);
  return { layer, layers: await Layers.start(layer) };
}

/** One part of a message. */
function part(
  message: ChannelData,
  data: string,
  index: number,
  count: number,
): ChannelData {
  const bytes = new TextEncoder().encode(data);
  const fragment = encodeFragment({ type: "part", data: bytes, index, count });
  return { ...message, message: fragment };
}

function reasonsOf(layers: Layers): string[] {
  return layers.faults.map((fault) => {
    assert(fault instanceof DroppedMessageError, `${fault}`);
    return fault.reason;
  });
}

for (const vector of interceptorVectors("fragmentation")) {
  test(`FragmentationInterceptor agrees with ${vector.id}`, async () => {
    const { layers } = await start({ maxSize: vector.maxSize });
    const [first] = vector.sent;
    const message = messageOf(decodeHex(vector.plain), first!.options, {
      uniqueId: decodeHex(first!.uniqueId),
    });
    const sent = await layers.send(message);
    assert.deepEqual(
      sent.map((each) => ({
        options: each.options,
        uniqueId: encodeHex(each.uniqueId),
        message: encodeHex(each.message),
      })),
      vector.sent.map(({ to: _, ...rest }) => rest),
    );
    for (const each of sent) {
      assert.deepEqual(layers.delivered, []);
      await layers.receive(each);
    }
    assert.deepEqual(layers.delivered, [message]);
  });
}

test("encodeFragment() and decodeFragment() give back what they were given", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 30 }),
      fc.option(fc.tuple(fc.nat(0x7fff_fffe), fc.nat(0x7fff_fffe))),
      (data, place) => {
        const fragment = place === null ? { type: "whole" as const, data } : {
          type: "part" as const,
          data,
          index: Math.min(...place),
          count: Math.max(...place) + 1,
        };
        const bytes = encodeFragment(fragment);
        assert.equal(bytes.length, byteLengthFragment(fragment));
        assert.deepEqual(decodeFragment(bytes), fragment);
      },
    ),
  );
});

test("decodeFragment() takes any last byte but 0 for a part, as Tomcat does", () => {
  const bytes = decodeHex("0a0000000000000001ff");
  const { type, data } = decodeFragment(bytes);
  assert.deepEqual([type, encodeHex(data)], ["part", "0a"]);
});

test("decodeFragment() refuses bodies without room for their trailer, and places that do not exist", () => {
  const refuses = (
    hex: string,
    code: "truncated" | "out-of-range",
    field: string,
    at: number,
  ) => assertDecodeError(() => decodeFragment(decodeHex(hex)), code, field, at);
  refuses("", "truncated", "fragment.isPart", 0);
  refuses("01", "truncated", "fragment.index", 0);
  refuses("0000000000000101", "truncated", "fragment.index", 0);
  refuses("aa000000010000000101", "out-of-range", "fragment.index", 1);
  refuses("000000000000000001", "out-of-range", "fragment.index", 0);
  refuses("ffffffff0000000201", "out-of-range", "fragment.index", 0);
  refuses("00000000ffffffff01", "out-of-range", "fragment.index", 0);
  refuses("7fffffff7fffffff01", "out-of-range", "fragment.index", 0);
});

test("encodeFragment() refuses a place that does not exist", () => {
  const data = new Uint8Array();
  for (const [index, count] of [[1, 1], [-1, 2], [0.5, 2], [0, 2 ** 31]]) {
    assertEncodeError(
      () =>
        encodeFragment({ type: "part", data, index: index!, count: count! }),
      "out-of-range",
      "fragment.index",
    );
  }
});

test("FragmentationInterceptor gives back any body, its parts in any order and twice", async () => {
  const { layers, layer } = await start({ maxSize: 7 });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 100 }),
      fc.integer(),
      fc.array(fc.nat()),
      async (body, options, order) => {
        const message = messageOf(body, options);
        const parts = await layers.send(message);
        const before = layers.delivered.length;
        for (const i of order) {
          // The last missing one would complete it, and one that comes again begins anew.
          const early = parts[i % parts.length]!;
          if (parts.length > 1 && early !== parts[0]) {
            await layers.receive(early);
          }
        }
        for (const each of parts.toReversed()) {
          if (layers.delivered.length === before) await layers.receive(each);
        }
        assert.deepEqual(layers.delivered.slice(before), [message]);
      },
    ),
  );
  assert.equal(layer.statistics().heldMessages, 0);
  assert.equal(layer.statistics().heldBytes, 0);
});

test("FragmentationInterceptor keeps interleaved messages apart, of one sender and of several with one id", async () => {
  const { layers } = await start();
  const one = messageOf("", 0, { address: A });
  const two = messageOf("", 0, { address: A });
  const same = { ...one, address: B };
  const parts = [one, two, same].map((message, i) =>
    ["a", "b", "c"].map((letter, index) =>
      part(message, `${letter}${i}`, index, 3)
    )
  );
  for (const index of [2, 0, 1]) {
    for (const each of parts) await layers.receive(each[index]!);
  }
  assert.deepEqual(layers.texts, ["a0b0c0", "a1b1c1", "a2b2c2"]);
});

test("FragmentationInterceptor ignores a part that it has", async () => {
  const { layers, layer } = await start();
  const message = messageOf("");
  await layers.receive(part(message, "ab", 0, 2));
  const { heldBytes } = layer.statistics();
  await layers.receive(part(message, "xyz", 0, 2));
  assert.equal(layer.statistics().heldBytes, heldBytes);
  await layers.receive(part(message, "cd", 1, 2));
  assert.deepEqual(layers.texts, ["abcd"]);
});

test("FragmentationInterceptor cuts only messages with its flag, and gives all the trailing byte", async () => {
  const { layers } = await start({ maxSize: 2, optionFlag: 0x300 });
  for (const options of [0, 0x100, 0x200]) {
    const sent = await layers.send(messageOf("abcdef", options));
    assert.deepEqual(sent.map(({ message }) => encodeHex(message)), [
      "61626364656600",
    ]);
    await layers.receive(sent[0]!);
  }
  const sent = await layers.send(messageOf("abcdef", 0x302));
  assert.equal(sent.length, 3);
  for (const each of sent) await layers.receive(each);
  assert.deepEqual(layers.texts, Array(4).fill("abcdef"));
});

test("FragmentationInterceptor fails a part that is hostile, and keeps the message", async () => {
  const { layers, layer } = await start();
  const message = messageOf("");
  await layers.receive(part(message, "ab", 0, 2));
  const hostile = [
    "",
    "01",
    "aa000000020000000201",
    "aaffffffff0000000201",
    "aa000000010000000301", // another count
    "aa00000001ffffffff01",
  ];
  for (const hex of hostile) {
    assert.throws(
      () => layers.receive({ ...message, message: decodeHex(hex) }),
      { name: "DecodeError" },
      hex,
    );
  }
  assert.equal(layer.statistics().heldMessages, 1);
  await layers.receive(part(message, "cd", 1, 2));
  assert.deepEqual(layers.texts, ["abcd"]);
});

test("FragmentationInterceptor forgets at a heartbeat what is older than expire", async () => {
  const { layers, layer } = await start({ expire: 1000 });
  const message = messageOf("");
  await layers.receive(part(message, "ab", 0, 3));
  layers.now = 900;
  await layers.receive(part(message, "cd", 1, 3)); // does not make it younger
  layers.now = 950;
  await layers.receive(part(messageOf(""), "other", 0, 3));
  layers.now = 1000;
  await layers.heartbeat();
  assert.equal(layer.statistics().heldMessages, 2);
  layers.now = 1001;
  await layers.heartbeat();
  assert.equal(layer.statistics().heldMessages, 1);
  assert.deepEqual(reasonsOf(layers), ["expired"]);
  assert.match(layers.faults[0]!.message, /of its 3 parts 2 came/);
  await layers.receive(part(message, "ef", 2, 3));
  assert.deepEqual(layers.texts, []);
});

test("FragmentationInterceptor refuses a message beyond maxMessageSize, and keeps nothing of it", async () => {
  const { layers, layer } = await start({ maxMessageSize: 10 });
  const message = messageOf("");
  await layers.receive(part(message, "12345", 0, 3));
  await layers.receive(part(message, "12345", 1, 3));
  assert.throws(() => layers.receive(part(message, "1", 2, 3)), /beyond 10/);
  assert.equal(layer.statistics().heldBytes, 0);
  assert.deepEqual(reasonsOf(layers), ["too-large"]);
  assert.throws(
    () => layers.receive(part(messageOf(""), "", 0, 0x7fff_ffff)),
    /beyond 10/,
  );
  assert.equal(layer.statistics().heldMessages, 0);
});

test("FragmentationInterceptor lets the oldest go when bytes or messages are too many", async () => {
  for (
    const options of [{ maxHeldMessages: 100 }, { maxHeldBytes: 100 * 257 }]
  ) {
    const { layers, layer } = await start(options);
    const messages = Array.from({ length: 1000 }, () => messageOf(""));
    for (const message of messages) {
      await layers.receive(part(message, "a", 0, 2));
      assert(layer.statistics().heldMessages <= 100);
      assert(layer.statistics().heldBytes <= 100 * 257);
    }
    assert.equal(layer.statistics().heldMessages, 100);
    assert.equal(layer.statistics().dropped, 900);
    assert.deepEqual(reasonsOf(layers), ["no-room"]); // a flood is told once
    await layers.receive(part(messages[899]!, "b", 1, 2)); // begins anew
    await layers.receive(part(messages[999]!, "b", 1, 2));
    assert.deepEqual(layers.texts, ["ab"]);
  }
});

test("FragmentationInterceptor bounds empty parts of one message too", async () => {
  const { layers, layer } = await start({ maxHeldBytes: 10_000 });
  const message = messageOf("");
  for (let i = 0; i < 1000; i++) {
    await layers.receive(part(message, "", i, 60_000_000));
    assert(layer.statistics().heldBytes <= 10_000);
  }
});

test("FragmentationInterceptor counts the heads of messages: a long domain or id is not free", async () => {
  const { layers, layer } = await start({ maxHeldBytes: 100_000 });
  const address = createMember({ ...A, domain: new Uint8Array(60_000) });
  for (let i = 0; i < 10; i++) {
    await layers.receive(part(messageOf("", 0, { address }), "a", 0, 2));
    assert.equal(layer.statistics().heldMessages, 1);
    assert(layer.statistics().heldBytes > 60_000);
  }
  const uniqueId = new Uint8Array(200_000);
  await layers.receive(part(messageOf("", 0, { uniqueId }), "a", 0, 2));
  assert.equal(layer.statistics().heldMessages, 0);
  assert.equal(layer.statistics().heldBytes, 0);
});

test("FragmentationInterceptor forgets everything when it stops", async () => {
  const { layers, layer } = await start();
  await layers.receive(part(messageOf(""), "a", 0, 2));
  await layers.restart(() => layers.receive(part(messageOf(""), "b", 0, 2)));
  assert.deepEqual(layer.statistics(), {
    heldMessages: 0,
    heldBytes: 0,
    cut: 0,
    assembled: 0,
    dropped: 0,
  });
});

test("FragmentationInterceptor sends one part after another", async () => {
  const { layers } = await start({ maxSize: 1 });
  const open: (() => void)[] = [];
  layers.transmit = () => new Promise((resolve) => void open.push(resolve));
  const sending = layers.send(messageOf("abc"), [A]);
  for (let i = 1; i <= 3; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(layers.sent.length, i);
    open[i - 1]!(); // it was sent
  }
  await sending;
});

test("FragmentationInterceptor sends no more parts to a member that failed, and the others all", async () => {
  const { layers } = await start({ maxSize: 1 });
  let failing = 2;
  layers.transmit = (to) =>
    --failing === 0
      ? Promise.reject(sendError(to[0]!, "timeout", "it is silent"))
      : Promise.resolve();
  const error = await layers.send(messageOf("abc"), [A, B]).catch((error) =>
    error
  );
  assert(error instanceof ChannelError);
  assert.deepEqual(error.faultyMembers.map(({ member }) => member), [A]);
  assert.deepEqual(layers.sent.map(({ to }) => to), [[A, B], [A, B], [B]]);

  layers.sent.length = 0;
  layers.transmit = (to) =>
    Promise.reject(sendError(to[0]!, "failed-ack", "it failed"));
  const both = await layers.send(messageOf("abc"), [A, B]).catch((e) => e);
  assert(both instanceof ChannelError);
  assert.deepEqual(both.faultyMembers.map(({ member }) => member), [A, B]);
  assert.equal(layers.sent.length, 2);

  for (
    const failure of [new TypeError("x"), new ChannelError("unsupported", "x")]
  ) {
    layers.sent.length = 0;
    layers.transmit = () => Promise.reject(failure);
    await assert.rejects(layers.send(messageOf("abc"), [A, B]), failure);
    assert.equal(layers.sent.length, 1);
  }
});

test("FragmentationInterceptor refuses options that are out of range", () => {
  for (
    const options of [
      { maxSize: 0 },
      { expire: -1 },
      { maxMessageSize: 0 },
      { maxHeldBytes: 0 },
      { maxHeldMessages: 0 },
    ]
  ) {
    assert.throws(() => new FragmentationInterceptor(options), RangeError);
  }
});

test("FragmentationInterceptor with its defaults sends 102400 bytes whole, and one more in two parts", async () => {
  const { layers } = await start();
  const [whole] = await layers.send(messageOf(new Uint8Array(102_400)));
  assert.equal(whole!.message.length, 102_401);
  const parts = await layers.send(messageOf(new Uint8Array(102_401)));
  assert.deepEqual(parts.map(({ message }) => message.length), [102_409, 10]);
  assert.equal(concatBytes(parts.map((p) => p.message)).length, 102_419);
});
