import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  InterceptorContext,
  ReceiveNext,
} from "../../../channel/interceptor.ts";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import {
  TwoPhaseCommitInterceptor,
  type TwoPhaseCommitOptions,
} from "../../../channel/interceptors/two_phase_commit.ts";
import {
  type ChannelData,
  createMember,
  decodeHex,
  encodeHex,
  encodeHost,
  encodeTwoPhaseConfirmation,
  makeUniqueId,
  type Member,
} from "../../../protocol/mod.ts";
import { bytes, text, withGroup } from "../../support/simulated_group.ts";
import { twoPhaseVectors } from "../../support/coordination_vectors.ts";

const SENDER = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
const OTHER = createMember({ host: encodeHost("10.0.0.2"), port: 4000 });

/** A layer by itself, and what it did. */
function makeLayer(options?: TwoPhaseCommitOptions) {
  const layer = new TwoPhaseCommitInterceptor(options);
  const faults: string[] = [];
  const delivered: string[] = [];
  const sent: ChannelData[] = [];
  const time = { now: 0 };
  let made = 0;
  layer.start({
    transport: { clock: { now: () => time.now } },
    fault: (error: Error) => void faults.push(error.message),
    makeMessage: (message: Uint8Array, options: number) => ({
      options,
      timestamp: 99,
      uniqueId: makeUniqueId((id) => void id.fill(++made)),
      address: OTHER,
      message,
    }),
  } as unknown as InterceptorContext); // the layer uses nothing else of it
  const next: ReceiveNext = ({ message }) => void delivered.push(text(message));
  const receive = (
    message: Uint8Array,
    { id = 1, address = SENDER, options = 0 }: {
      id?: number;
      address?: Member;
      options?: number;
    } = {},
  ) => {
    const uniqueId = new Uint8Array(16).fill(id);
    const data = { options, timestamp: 1, uniqueId, address, message };
    return layer.messageReceived(data, next);
  };
  const confirm = (id = 1, address: Member = SENDER, options = 0) =>
    receive(encodeTwoPhaseConfirmation(new Uint8Array(16).fill(id)), {
      id: 200,
      address,
      options,
    });
  return { layer, faults, delivered, sent, time, receive, confirm };
}

for (const { id, plain, uniqueId, sent } of twoPhaseVectors()) {
  test(`TwoPhaseCommitInterceptor sends as ${id}`, async () => {
    const { layer } = makeLayer();
    const out: ChannelData[] = [];
    const message = {
      options: sent[0]?.options ?? NaN,
      timestamp: 12345,
      uniqueId: decodeHex(uniqueId),
      address: SENDER,
      message: decodeHex(plain),
    };
    await layer.sendMessage([OTHER], message, (to, data) => {
      assert.deepEqual(to, [OTHER]);
      out.push(data);
      return Promise.resolve();
    });
    assert.deepEqual(
      out.map(({ options, message }) => [options, encodeHex(message)]),
      sent.map(({ options, message }) => [options, message]),
    );
    assert.equal(out[0], message);
    assert.notDeepEqual(out[1]?.uniqueId, message.uniqueId);
    assert.equal(out[1]?.uniqueId.length, 16);
    assert.equal(out[1]?.timestamp, 12345);
    assert.equal(out[1]?.address, SENDER);
  });
}

test("TwoPhaseCommitInterceptor confirms nothing when the first message fails", async () => {
  const { layer } = makeLayer();
  let sends = 0;
  const error = new Error("refused");
  const message = {
    options: 0,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address: SENDER,
    message: bytes("x"),
  };
  await assert.rejects(
    layer.sendMessage([OTHER], message, () => {
      sends++;
      return Promise.reject(error);
    }),
    error,
  );
  assert.equal(sends, 1);
});

test("TwoPhaseCommitInterceptor confirms by the id that the message had when it was sent", async () => {
  const { layer } = makeLayer();
  const message = {
    options: 0,
    timestamp: 1,
    uniqueId: new Uint8Array(16).fill(5),
    address: SENDER,
    message: bytes("x"),
  };
  const bodies: string[] = [];
  await layer.sendMessage([OTHER], message, (_, data) => {
    bodies.push(encodeHex(data.message));
    message.uniqueId.fill(0); // the caller's own, after the first send
    return Promise.resolve();
  });
  assert.ok(bodies[1]?.includes("05".repeat(16)));
});

test("TwoPhaseCommitInterceptor delivers a copy, once and when it is confirmed", () => {
  const { layer, delivered, faults, receive, confirm } = makeLayer();
  const body = bytes("one");
  receive(body);
  body.fill(0);
  assert.deepEqual(delivered, []);
  assert.equal(layer.statistics().waitingMessages, 1);
  assert.equal(layer.statistics().waitingBytes, 3);
  confirm();
  assert.deepEqual(delivered, ["one"]);
  assert.equal(layer.statistics().waitingMessages, 0);
  assert.equal(layer.statistics().waitingBytes, 0);
  assert.deepEqual(faults, []);
  confirm();
  assert.deepEqual(delivered, ["one"]);
  assert.equal(layer.statistics().unmatched, 1);
  assert.match(
    faults[0] ?? "",
    /dropped a message of 10\.0\.0\.1:4000: message 0101.* is not there/,
  );
});

test("TwoPhaseCommitInterceptor keeps a message that came twice once", () => {
  const { layer, delivered, receive, confirm } = makeLayer();
  receive(bytes("one"));
  receive(bytes("one"));
  assert.deepEqual(
    [layer.statistics().waitingMessages, layer.statistics().waitingBytes],
    [1, 3],
  );
  receive(bytes("two"), { id: 2 });
  confirm(2);
  confirm(1);
  assert.deepEqual(delivered, ["two", "one"]);
});

test("TwoPhaseCommitInterceptor lets nobody confirm or replace what another sent", () => {
  const { delivered, receive, confirm, layer } = makeLayer();
  receive(bytes("good"));
  receive(bytes("evil"), { address: OTHER });
  confirm(1, SENDER);
  assert.deepEqual(delivered, ["good"]);
  confirm(1, SENDER);
  assert.deepEqual(delivered, ["good"]);
  assert.equal(layer.statistics().waitingMessages, 1);
});

test("TwoPhaseCommitInterceptor forgets at a heartbeat what expired, and only that", () => {
  const { layer, delivered, faults, time, receive, confirm } = makeLayer();
  receive(bytes("old"), { id: 1 });
  time.now = 1;
  receive(bytes("young"), { id: 2 });
  time.now = 60_000;
  layer.heartbeat();
  assert.equal(layer.statistics().waitingMessages, 2);
  time.now = 60_001;
  layer.heartbeat();
  const { waitingMessages, waitingBytes, expired } = layer.statistics();
  assert.deepEqual([waitingMessages, waitingBytes, expired], [1, 5, 1]);
  assert.equal(faults.length, 1);
  assert.match(faults[0] ?? "", /not confirmed within 60000 ms$/);
  confirm(1);
  confirm(2);
  assert.deepEqual(delivered, ["young"]);
});

test("TwoPhaseCommitInterceptor renews the age of a message that came again", () => {
  const { layer, time, receive } = makeLayer({ expire: 10 });
  receive(bytes("a"), { id: 1 });
  receive(bytes("b"), { id: 2 });
  time.now = 8;
  receive(bytes("a"), { id: 1 });
  time.now = 12;
  layer.heartbeat();
  assert.equal(layer.statistics().waitingMessages, 1);
});

test("TwoPhaseCommitInterceptor fails messages that find no room", () => {
  const { layer, receive, confirm, delivered } = makeLayer({
    maxMessages: 2,
    maxBytes: 10,
  });
  receive(bytes("12345"), { id: 1 });
  assert.throws(() => receive(bytes("123456"), { id: 2 }), {
    name: "ChannelError",
    code: "queue-full",
  });
  receive(bytes("12345"), { id: 2 });
  assert.throws(() => receive(new Uint8Array(), { id: 3 }), {
    code: "queue-full",
  });
  receive(bytes("abcde"), { id: 2 }); // in the place of the one before
  assert.equal(layer.statistics().refused, 2);
  confirm(1);
  receive(bytes("x"), { id: 3 });
  assert.deepEqual(delivered, ["12345"]);
});

test("TwoPhaseCommitInterceptor with an optionFlag leaves other messages alone", async () => {
  const { layer, delivered, receive, confirm } = makeLayer({
    optionFlag: 0x300,
  });
  receive(bytes("plain"), { options: 0x100 });
  assert.deepEqual(delivered, ["plain"]);
  receive(bytes("two"), { options: 0x301 });
  assert.deepEqual(delivered, ["plain"]);
  confirm(1, SENDER, 0x301);
  assert.deepEqual(delivered, ["plain", "two"]);
  let sends = 0;
  const message = {
    options: 0x100,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address: SENDER,
    message: bytes("x"),
  };
  const next = () => Promise.resolve(void sends++);
  await layer.sendMessage([OTHER], message, next);
  assert.equal(sends, 1);
  await layer.sendMessage([OTHER], { ...message, options: 0x700 }, next);
  assert.equal(sends, 3);
});

test("TwoPhaseCommitInterceptor gives the promise of what takes the message", async () => {
  const { layer } = makeLayer();
  const data = {
    options: 6,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address: SENDER,
    message: bytes("x"),
  };
  const error = new Error("listener");
  layer.messageReceived(data, () => Promise.reject(error));
  const message = encodeTwoPhaseConfirmation(data.uniqueId);
  await assert.rejects(
    async () =>
      await layer.messageReceived(
        { ...data, message },
        () => Promise.reject(error),
      ),
    error,
  );
});

test("TwoPhaseCommitInterceptor delivers to all members, or to none when one is not reached", () =>
  withGroup(
    3,
    async ({ network }, [a, b, c]) => {
      assert(a && b && c);
      for (let i = 0; i < 20; i++) await a.sendAll(`${i}`, i % 2 === 0 ? 2 : 6);
      await network.settle();
      const expected = Array.from({ length: 20 }, (_, i) => `${i}`);
      assert.deepEqual(b.messages, expected);
      assert.deepEqual(c.messages, expected);
      const members = a.channel.members();
      network.crash(c.host);
      await assert.rejects(a.channel.send(members, bytes("none")));
      await network.advance(1000);
      assert.deepEqual(b.messages, expected);
      assert.equal(b.errors.length, 0);
      network.restart(c.host);
      await a.channel.send([a.memberAt(b.host)], bytes("one"), { options: 6 });
      assert.equal(b.messages.at(-1), "one");
      await network.advance(70_000);
      assert.equal(b.errors.length, 1);
      assert.match(b.errors[0]?.message ?? "", /not confirmed/);
    },
    () => ({ interceptors: [new TwoPhaseCommitInterceptor()] }),
  ));

test("TwoPhaseCommitInterceptor forgets everything when it stops", () => {
  const { layer, receive } = makeLayer();
  receive(bytes("x"));
  layer.stop();
  const { waitingMessages, waitingBytes } = layer.statistics();
  assert.deepEqual([waitingMessages, waitingBytes], [0, 0]);
});

test("TwoPhaseCommitInterceptor that has stopped neither delivers nor sends", async () => {
  const { layer, receive, confirm, delivered } = makeLayer({
    optionFlag: 0x10,
  });
  receive(bytes("before"), { options: 0x10 });
  layer.stop();
  const unsupported = { name: "ChannelError", code: "unsupported" };
  assert.throws(() => confirm(1, SENDER, 0x10), unsupported);
  assert.throws(
    () => receive(bytes("unconfirmed"), { id: 2, options: 0x10 }),
    unsupported,
  );
  assert.deepEqual(delivered, []);
  const message = {
    options: 0x10,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address: OTHER,
    message: bytes("alone"),
  };
  const next = () => assert.fail("it was sent in one phase");
  await assert.rejects(layer.sendMessage([SENDER], message, next), unsupported);
  receive(bytes("of no phases"));
  assert.deepEqual(delivered, ["of no phases"]);
});

test("makeInterceptor() makes a TwoPhaseCommit with its attributes, and refuses wrong ones", () => {
  const layer = makeInterceptor("TwoPhaseCommitInterceptor", {
    expire: "1000",
    deepclone: "false",
    optionFlag: "512",
  });
  assert.equal(layer.name, "TwoPhaseCommit");
  assert.equal(layer.optionFlag, 512);
  assert.throws(
    () => makeInterceptor("TwoPhaseCommit", { expire: "-1" }),
    RangeError,
  );
  assert.throws(
    () => new TwoPhaseCommitInterceptor({ maxMessages: 0 }),
    RangeError,
  );
  assert.throws(
    () => new TwoPhaseCommitInterceptor({ maxBytes: 0 }),
    RangeError,
  );
});

test("TwoPhaseCommitInterceptor counts the heads of messages: a long domain is not free", () => {
  const { layer, receive, delivered, confirm } = makeLayer({
    maxBytes: 100_000,
  });
  const address = createMember({ ...SENDER, domain: new Uint8Array(60_000) });
  receive(bytes("a"), { id: 1, address });
  assert.throws(
    () => receive(bytes("b"), { id: 2, address }),
    /Cannot keep 59838 bytes/,
  );
  confirm(1, address);
  assert.deepEqual(delivered, ["a"]);
  assert.equal(layer.statistics().waitingBytes, 0);
});
