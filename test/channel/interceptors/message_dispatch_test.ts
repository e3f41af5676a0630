import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  InterceptorContext,
  SendNext,
} from "../../../channel/interceptor.ts";
import {
  MessageDispatchInterceptor,
  type MessageDispatchOptions,
} from "../../../channel/interceptors/message_dispatch.ts";
import {
  type ChannelData,
  createMember,
  encodeHost,
} from "../../../protocol/mod.ts";
import { bytes, text, withGroup } from "../../support/simulated_group.ts";

const MEMBER = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });

/** A dispatcher over a sender that takes its time. */
function makeDispatch(options?: MessageDispatchOptions) {
  const dispatch = new MessageDispatchInterceptor(options);
  const faults: Error[] = [];
  const sends: (PromiseWithResolvers<void> & { message: ChannelData })[] = [];
  // The dispatcher uses nothing else of its context.
  dispatch.start({
    fault: (error: Error) => void faults.push(error),
  } as InterceptorContext);
  const next: SendNext = (_, message) => {
    const send = { ...Promise.withResolvers<void>(), message };
    sends.push(send);
    return send.promise;
  };
  const send = (message: Uint8Array, bits = 8) =>
    dispatch.sendMessage([MEMBER], {
      options: bits,
      timestamp: 1,
      uniqueId: new Uint8Array(16),
      address: MEMBER,
      message,
    }, next);
  return { dispatch, faults, sends, send };
}

test("MessageDispatchInterceptor returns at once, and keeps copies", async () => {
  const { dispatch, sends, send } = makeDispatch();
  const message = bytes("hello");
  await send(message);
  message.fill(0);
  assert.equal(text(sends[0]!.message.message), "hello"); // it was sent
  assert.equal(sends[0]?.message.options, 8);
  assert.equal(dispatch.queuedBytes, 5);
  assert.deepEqual(dispatch.statistics(), {
    queuedMessages: 1,
    queuedBytes: 5,
  });
  sends[0]?.resolve();
  await turn();
  assert.deepEqual(dispatch.statistics(), {
    queuedMessages: 0,
    queuedBytes: 0,
  });
});

test("MessageDispatchInterceptor passes on what is not asynchronous, as it is", async () => {
  const { dispatch, sends, send } = makeDispatch();
  const message = bytes("hello");
  let done = false;
  const sending = send(message, 6).then(() => done = true);
  await turn();
  assert.equal(done, false);
  assert.equal(sends[0]?.message.message, message);
  assert.equal(dispatch.queuedBytes, 0);
  sends[0]?.resolve();
  await sending;
});

test("MessageDispatchInterceptor reports what fails, and forgets its bytes", async () => {
  const { dispatch, faults, sends, send } = makeDispatch();
  await send(bytes("one"));
  await send(bytes("two"));
  const error = new Error("refused");
  sends[0]?.reject(error);
  await turn();
  assert.deepEqual(faults, [error]);
  assert.equal(dispatch.queuedBytes, 3);
  sends[1]?.resolve();
  await turn();
  assert.equal(dispatch.queuedBytes, 0);
});

test("MessageDispatchInterceptor reports a layer below that throws, and forgets its bytes", async () => {
  const { dispatch, faults } = makeDispatch();
  const error = new Error("thrown");
  const message: ChannelData = {
    options: 8,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address: MEMBER,
    message: bytes("x"),
  };
  await dispatch.sendMessage([MEMBER], message, () => {
    throw error;
  });
  assert.deepEqual(faults, [error]);
  assert.equal(dispatch.queuedBytes, 0);
});

test("MessageDispatchInterceptor with alwaysSend waits with what is beyond maxQueueSize", async () => {
  const { dispatch, sends, send } = makeDispatch({ maxQueueSize: 10 });
  await send(new Uint8Array(10));
  let done = false;
  const waiting = send(new Uint8Array(1)).then(() => done = true);
  await turn();
  assert.equal(done, false);
  assert.equal(dispatch.queuedBytes, 10);
  sends[1]?.resolve();
  await waiting;
  sends[0]?.resolve();
  await turn();
  await send(new Uint8Array(10)); // there is room again
  assert.equal(dispatch.queuedBytes, 10);
});

test("MessageDispatchInterceptor without alwaysSend refuses what is beyond maxQueueSize", async () => {
  const { dispatch, faults, sends, send } = makeDispatch({
    maxQueueSize: 10,
    alwaysSend: false,
  });
  await send(new Uint8Array(4));
  await send(new Uint8Array(6));
  await assert.rejects(send(new Uint8Array(1)), {
    name: "ChannelError",
    code: "queue-full",
    message: "Cannot queue 1 bytes: 10 of 10 are queued",
  });
  assert.equal(sends.length, 2);
  assert.deepEqual(faults, []);
  sends[0]?.resolve();
  await turn();
  await send(new Uint8Array(4));
  assert.equal(dispatch.queuedBytes, 10);
});

test("MessageDispatchInterceptor refuses a maxQueueSize that is no size", () => {
  for (const maxQueueSize of [0, -1, 0.5, NaN]) {
    assert.throws(
      () => new MessageDispatchInterceptor({ maxQueueSize }),
      RangeError,
    );
  }
});

test("MessageDispatchInterceptor keeps the order to one member, whatever the sizes", () => {
  const dispatchers: MessageDispatchInterceptor[] = [];
  return withGroup(
    2,
    async ({ network }, [a, b]) => {
      const [dispatch] = dispatchers;
      assert(a && b && dispatch);
      const sends = [];
      for (let i = 0; i < 200; i++) {
        const size = Math.floor(network.random() * 100);
        sends.push(a.sendAll(`${i} `.padEnd(size), i % 3 === 0 ? 8 : 10));
      }
      await Promise.all(sends);
      await network.advance(1000);
      assert.deepEqual(
        b.messages.map((message) => Number(message)),
        Array.from({ length: 200 }, (_, i) => i),
      );
      assert.equal(dispatch.queuedBytes, 0);
      assert.deepEqual(a.errors, []);
    },
    () => {
      dispatchers.push(new MessageDispatchInterceptor({ maxQueueSize: 5000 }));
      return { interceptors: dispatchers.slice(-1) };
    },
  );
});

/** Lets promise reactions run. */
async function turn(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
