import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  OrderInterceptor,
  type OrderOptions,
} from "../../../channel/interceptors/order.ts";
import { decodeHex, encodeHex } from "../../../protocol/bytes/hex.ts";
import { DecodeError } from "../../../protocol/errors.ts";
import { parseGeneration } from "../../../protocol/generation.ts";
import type { ChannelData } from "../../../protocol/tribes/channel_data.ts";
import { createMember } from "../../../protocol/tribes/member.ts";
import {
  byteLengthNumberedMessage,
  decodeNumberedMessage,
  encodeNumberedMessage,
} from "../../../protocol/tribes/numbered_message.ts";
import { ChannelError, sendError } from "../../../transport/errors.ts";
import { Layers } from "../../support/interceptor_layer.ts";
import { interceptorVectors } from "../../support/interceptor_vectors.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { memberAt, messageOf } from "../../support/tribes_peers.ts";

const A = memberAt({ hostname: "10.0.0.2", port: 4001 });
const B = memberAt({ hostname: "10.0.0.3", port: 4002 });

async function start(options: OrderOptions = {}) {
  const layer = new OrderInterceptor(options);
  return { layer, layers: await Layers.start(layer) };
}

/** A message of a sender with a number; its text is the number. */
function numbered(number: number, sender = A, options = 0): ChannelData {
  const data = new TextEncoder().encode(`${number}`);
  return messageOf(encodeNumberedMessage({ data, number }), options, {
    address: sender,
  });
}

for (const vector of interceptorVectors("order")) {
  test(`OrderInterceptor agrees with ${vector.id}`, async () => {
    const { layers } = await start();
    if (vector.sent !== undefined) {
      const members = new Map([[".200}:4001", A], [", 3}:4002", B]]);
      const memberOf = (text: string) =>
        [...members].find(([end]) =>
          text.replace("1, 200", ".200").endsWith(end)
        )![1]; // the vector names no others
      const groups = Map.groupBy(vector.sent, ({ uniqueId }) => uniqueId);
      for (const [i, [id, group]] of [...groups].entries()) {
        await layers.send(
          messageOf(decodeHex(vector.plain![i]!), group[0]!.options, {
            uniqueId: decodeHex(id),
          }),
          group.map(({ to }) => memberOf(to[0]!)),
        );
      }
      assert.deepEqual(
        layers.sent.map(({ to, message }) => ({
          to: to.map(({ port }) => port),
          options: message.options,
          uniqueId: encodeHex(message.uniqueId),
          message: encodeHex(message.message),
        })),
        vector.sent.map((form) => ({
          ...form,
          to: form.to.map((text) => memberOf(text).port),
        })),
      );
    }
    for (const step of vector.steps ?? []) {
      const before = layers.texts.length;
      const message = decodeHex(step.in);
      assert.equal(decodeNumberedMessage(message).number, step.nr);
      await layers.receive(messageOf(message, 0, { address: A }));
      assert.deepEqual(layers.texts.slice(before), step.deliveredNow);
    }
  });
}

test("encodeNumberedMessage() and decodeNumberedMessage() give back what they were given", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 30 }),
      fc.integer(),
      (data, number) => {
        const bytes = encodeNumberedMessage({ data, number });
        assert.equal(bytes.length, byteLengthNumberedMessage({ data, number }));
        assert.deepEqual(decodeNumberedMessage(bytes), { data, number });
      },
    ),
  );
  for (let length = 0; length < 4; length++) {
    assertDecodeError(
      () => decodeNumberedMessage(new Uint8Array(length)),
      "truncated",
      "number",
      0,
    );
  }
  assertEncodeError(
    () => encodeNumberedMessage({ data: new Uint8Array(), number: 2 ** 31 }),
    "out-of-range",
    "number",
  );
});

test("OrderInterceptor puts any order right", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(12).chain((length) =>
        fc.shuffledSubarray(Array.from({ length }, (_, i) => i + 1), {
          minLength: length,
        })
      ),
      fc.boolean(),
      async (order, isSlow) => {
        const { layers, layer } = await start();
        if (isSlow) layers.deliver = () => Promise.resolve();
        // As on several connections: none waits for another.
        await Promise.all(
          order.map((number) => layers.receive(numbered(number))),
        );
        assert.deepEqual(
          layers.texts,
          order.toSorted((a, b) => a - b).map(String),
        );
        assert.equal(layer.statistics().queuedMessages, 0);
        assert.equal(layer.statistics().queuedBytes, 0);
      },
    ),
  );
});

test("OrderInterceptor keeps copies: the receiver overwrites what it handed in", async () => {
  const { layers } = await start();
  const two = numbered(2);
  await layers.receive(two); // Layers overwrites its bytes
  await layers.receive(numbered(1));
  assert.deepEqual(layers.texts, ["1", "2"]);
  assert.deepEqual(layers.delivered[1]!.uniqueId, two.uniqueId);
});

test("OrderInterceptor puts each sender's messages in order by themselves", async () => {
  const { layers } = await start();
  const restarted = { ...A, uniqueId: new Uint8Array(16).fill(1) };
  await layers.receive(numbered(2, A));
  await layers.receive(numbered(1, B));
  await layers.receive(numbered(1, restarted));
  await layers.receive(numbered(1, A));
  assert.deepEqual(layers.delivered.map(({ address }) => address), [
    B,
    restarted,
    A,
    A,
  ]);
});

test("OrderInterceptor delivers at once what is late or comes again", async () => {
  const { layers } = await start();
  for (const number of [1, 2, 1, 2, 0, -5, 3]) {
    await layers.receive(numbered(number));
  }
  assert.deepEqual(layers.texts, ["1", "2", "1", "2", "0", "-5", "3"]);
});

test("OrderInterceptor fails a message with the number of one that waits", async () => {
  const { layers, layer } = await start();
  await layers.receive(numbered(3));
  assert.throws(() => layers.receive(numbered(3)), DecodeError);
  assert.equal(layer.statistics().queuedMessages, 1);
  await layers.receive(numbered(1));
  await layers.receive(numbered(2));
  assert.deepEqual(layers.texts, ["1", "2", "3"]);
});

test("OrderInterceptor fails a body without a number", async () => {
  const { layers } = await start();
  assert.throws(() => layers.receive(messageOf("abc")), DecodeError);
});

test("OrderInterceptor releases with the next message what waited longer than expire", async () => {
  const { layers, layer } = await start({ expire: 1000 });
  await layers.receive(numbered(3));
  layers.now = 500;
  await layers.receive(numbered(5));
  layers.now = 1000;
  await layers.receive(numbered(7));
  assert.deepEqual(layers.texts, []);
  layers.now = 1001;
  await layers.receive(numbered(9));
  assert.deepEqual(layers.texts, ["3"]);
  await layers.receive(numbered(4)); // expected now, and 5 behind it
  assert.deepEqual(layers.texts, ["3", "4", "5"]);
  await layers.receive(numbered(2)); // late
  assert.deepEqual(layers.texts, ["3", "4", "5", "2"]);
  assert.equal(layer.statistics().expired, 1);
  layers.now = 2001; // 7 has waited too long, 9 has not
  await layers.heartbeat();
  assert.deepEqual(layers.texts.slice(4), ["7"]);
});

test("OrderInterceptor delivers a younger message with a lower number right after what expired", async () => {
  const { layers } = await start({ expire: 1000 });
  await layers.receive(numbered(5));
  layers.now = 1001;
  await layers.receive(numbered(3));
  assert.deepEqual(layers.texts, ["5", "3"]);
  await layers.receive(numbered(6));
  assert.deepEqual(layers.texts, ["5", "3", "6"]);
});

test("OrderInterceptor delivers what follows on something expired", async () => {
  const { layers } = await start({ expire: 1000 });
  await layers.receive(numbered(5));
  layers.now = 1001;
  await layers.receive(numbered(6));
  assert.deepEqual(layers.texts, ["5", "6"]);
});

test("OrderInterceptor releases at a heartbeat too", async () => {
  const { layers } = await start();
  await layers.receive(numbered(2));
  layers.now = 3000;
  await layers.heartbeat();
  assert.deepEqual(layers.texts, []);
  layers.now = 3001;
  await layers.heartbeat();
  assert.deepEqual(layers.texts, ["2"]);
  await layers.receive(numbered(3));
  assert.deepEqual(layers.texts, ["2", "3"]);
});

test("OrderInterceptor without forwardExpired drops what waited too long", async () => {
  const { layers, layer } = await start({ forwardExpired: false });
  await layers.receive(numbered(2));
  layers.now = 3001;
  await layers.receive(numbered(4));
  await layers.receive(numbered(3));
  assert.deepEqual(layers.texts, ["3", "4"]);
  assert.deepEqual(layer.statistics(), {
    queuedMessages: 0,
    queuedBytes: 0,
    expired: 1,
    dropped: 1,
  });
});

test("OrderInterceptor releases all of a sender's when maxQueue of them wait", async () => {
  const { layers } = await start({ maxQueue: 3 });
  for (const number of [6, 2, 4]) await layers.receive(numbered(number));
  assert.deepEqual(layers.texts, ["2", "4", "6"]);
  await layers.receive(numbered(7));
  assert.deepEqual(layers.texts, ["2", "4", "6", "7"]);
});

test("OrderInterceptor releases a sender's when bytes are too many", async () => {
  const { layers, layer } = await start({ maxQueuedBytes: 600 });
  await layers.receive(numbered(2, B));
  await layers.receive(numbered(5));
  assert.deepEqual(layers.texts, []);
  await layers.receive(numbered(3));
  assert.deepEqual(layers.texts, ["3", "5"]);
  assert.equal(layer.statistics().queuedMessages, 1);
});

test("OrderInterceptor releases as many as a sender can make wait", async () => {
  const { layers, layer } = await start();
  let delivered = 0;
  layers.deliver = () => void delivered++;
  const count = 130_000; // more than a call takes arguments
  const message = numbered(0);
  const view = new DataView(message.message.buffer, 1);
  for (let number = 2; number < count + 2; number++) {
    view.setInt32(0, number);
    layers.receive(message);
  }
  assert.equal(layer.statistics().queuedMessages, count);
  layers.now = 3001;
  await layers.heartbeat();
  await layers.receive(numbered(1));
  assert.equal(delivered, count + 1);
});

test("OrderInterceptor bounds the senders that it knows, and loses none of their messages", async () => {
  const { layers, layer } = await start({ maxSenders: 10 });
  for (let i = 0; i < 100; i++) {
    const port = 5000 + i;
    await layers.receive(numbered(2, memberAt({ hostname: "10.0.0.9", port })));
    assert(layer.statistics().queuedMessages <= 10);
  }
  assert.equal(layers.delivered.length, 90);
});

for (
  const [release, texts] of [
    ["10.1.56", ["1", "3", "5", "1", "2"]],
    ["10.1.55", ["1", "3", "5", "2", "1"]],
  ] as const
) {
  test(`OrderInterceptor of ${release} delivers what waits when its member goes, and what comes then`, async () => {
    const { layers } = await start({ generation: parseGeneration(release) });
    for (const number of [1, 5, 3]) await layers.receive(numbered(number));
    layers.memberDisappeared(A);
    assert.deepEqual(layers.texts, ["1", "3", "5"]);
    assert.deepEqual(layers.changes, ["memberDisappeared 4001 after 3"]);
    await layers.receive(numbered(2)); // the same member again
    await layers.receive(numbered(1));
    assert.deepEqual(layers.texts, texts);
  });
}

test("OrderInterceptor numbers from 1 again for a member that went", async () => {
  const { layers } = await start();
  await layers.send(messageOf("a"), [A, B]);
  layers.memberDisappeared(A);
  await layers.send(messageOf("b"), [A, B]);
  assert.deepEqual(
    layers.sent.map(({ to, message }) => [
      to[0]!.port,
      decodeNumberedMessage(message.message).number,
    ]),
    [[4001, 1], [4002, 1], [4001, 1], [4002, 2]],
  );
});

test("OrderInterceptor leaves messages without its flag alone, both ways", async () => {
  const { layers } = await start({ optionFlag: 0x300 });
  const [plain] = await layers.send(messageOf("abc", 0x100), [A, B]);
  assert.deepEqual(layers.sent.map(({ to }) => to), [[A, B]]);
  await layers.receive(plain!);
  const [flagged] = await layers.send(messageOf("abc", 0x302), [A]);
  await layers.receive(flagged!);
  assert.deepEqual(layers.texts, ["abc", "abc"]);
  assert.equal(plain!.message.length, 3);
  assert.equal(flagged!.message.length, 7);
});

test("OrderInterceptor sends to all members at once, and joins what failed", async () => {
  const { layers } = await start();
  layers.transmit = (to) =>
    to[0] === A
      ? Promise.reject(sendError(A, "timeout", "it is silent"))
      : Promise.resolve();
  const error = await layers.send(messageOf("x"), [A, B]).catch((e) => e);
  assert(error instanceof ChannelError);
  assert.deepEqual(error.faultyMembers.map(({ member }) => member), [A]);
  assert.equal(layers.sent.length, 2);
  const twice = await layers.send(messageOf("x"), [A, A]).catch((e) => e);
  assert(twice instanceof ChannelError);
  assert.equal(twice.faultyMembers.length, 1);
  assert.equal(twice.message, "Cannot send to 10.0.0.2:4001: it is silent");
});

test("OrderInterceptor hands up one message of a sender at a time, as its listener takes time", async () => {
  const { layers } = await start();
  const open: (() => void)[] = [];
  layers.deliver = () =>
    new Promise<void>((resolve) => void open.push(resolve));
  const done: number[] = [];
  const received = [1, 2, 4, 3].map(async (number) => {
    await layers.receive(numbered(number));
    done.push(number);
  });
  for (let i = 1; i <= 4; i++) {
    await turn();
    assert.equal(layers.delivered.length, i);
    open[i - 1]!(); // it was delivered
  }
  await Promise.all(received);
  assert.deepEqual(layers.texts, ["1", "2", "3", "4"]);
  // 4 was kept at once; 3 is done when 4, which waited for it, is.
  assert.deepEqual(done, [4, 1, 2, 3]);
});

test("OrderInterceptor fails a message with its own listener, and reports the failure of one that waited", async () => {
  const { layers } = await start();
  layers.deliver = ({ message }) => {
    const text = new TextDecoder().decode(message);
    if (text !== "4") throw new Error(`listener of ${text}`);
  };
  assert.throws(() => layers.receive(numbered(1)), /listener of 1/);
  await layers.receive(numbered(4));
  await layers.receive(numbered(3));
  await assert.rejects(async () => {
    await layers.receive(numbered(2));
  }, /listener of 2/);
  assert.deepEqual(layers.texts, ["1", "2", "3", "4"]);
  assert.deepEqual(layers.faults.map(({ message }) => message), [
    "listener of 3",
  ]);
});

test("OrderInterceptor begins anew when it is started again", async () => {
  const { layers, layer } = await start();
  await layers.send(messageOf("x"), [A]);
  await layers.receive(numbered(1));
  await layers.receive(numbered(3));
  await layers.restart(() => layers.receive(numbered(4)));
  assert.equal(layer.statistics().queuedBytes, 0);
  await layers.receive(numbered(2));
  assert.deepEqual(layers.texts, ["1"]);
  const [sent] = await layers.send(messageOf("x"), [A]);
  assert.equal(decodeNumberedMessage(sent!.message).number, 1);
});

test("OrderInterceptor counts the heads of messages that wait: a long domain is not free", async () => {
  const { layers, layer } = await start({ maxQueuedBytes: 100_000 });
  const address = createMember({ ...A, domain: new Uint8Array(60_000) });
  for (let number = 11; number > 1; number--) {
    await layers.receive(numbered(number, address));
    assert(layer.statistics().queuedMessages < 2);
  }
  await layers.receive({
    ...numbered(20),
    uniqueId: new Uint8Array(200_000),
  });
  assert.equal(layer.statistics().queuedMessages, 0);
  assert.equal(layer.statistics().queuedBytes, 0);
});

test("OrderInterceptor refuses options that are out of range", () => {
  for (
    const options of [
      { expire: -1 },
      { maxQueue: 0 },
      { maxQueuedBytes: 0 },
      { maxSenders: 0 },
    ]
  ) {
    assert.throws(() => new OrderInterceptor(options), RangeError);
  }
});

/** Lets everything happen that does not need time. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
