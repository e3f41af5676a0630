import assert from "node:assert/strict";
import { test } from "node:test";
import { BroadcastQueue } from "../../channel/broadcast_queue.ts";
import {
  type ChannelData,
  concatBytes,
  createMember,
  encodeChannelData,
  encodeFrame,
  encodeHost,
  type Member,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";

const LOCAL = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
const OTHER = createMember({
  host: encodeHost("10.0.0.2"),
  port: 4000,
  domain: new Uint8Array([1, 2, 3]),
});

function frame(text: string, address: Member = OTHER): Uint8Array {
  return encodeFrame(encodeChannelData({
    options: 64,
    timestamp: 1,
    uniqueId: new Uint8Array(16),
    address,
    message: new TextEncoder().encode(text),
  }));
}

function queueWith(
  messageReceived: (message: ChannelData) => void | Promise<void> = () => {},
) {
  const received: string[] = [];
  const addresses: Member[] = [];
  const faults: Error[] = [];
  const state = { isStarted: true };
  const queue = new BroadcastQueue({
    localMember: () => LOCAL,
    isStarted: () => state.isStarted,
    messageReceived: (message) => {
      received.push(new TextDecoder().decode(message.message));
      addresses.push(message.address);
      return messageReceived(message);
    },
    fault: (error) => void faults.push(error),
  });
  return { queue, received, addresses, faults, state };
}

/** Lets everything happen that does not need time. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

test("BroadcastQueue hands up every frame of a datagram in order, and none of this node's", async () => {
  const { queue, received, faults } = queueWith();
  queue.receive(concatBytes([frame("a"), frame("own", LOCAL), frame("b")]));
  queue.receive(frame("c"));
  await turn();
  assert.deepEqual(received, ["a", "b", "c"]);
  assert.deepEqual(faults, []);
});

test("BroadcastQueue gives addresses that may be kept: they are no part of the datagram", async () => {
  const { queue, addresses } = queueWith();
  const datagram = frame("a");
  queue.receive(datagram);
  await turn();
  datagram.fill(0);
  assert.deepEqual(addresses, [OTHER]);
  assert.notEqual(addresses[0]?.domain.buffer, datagram.buffer);
});

test("BroadcastQueue reports a datagram that is no frames, and goes on", async () => {
  const { queue, received, faults } = queueWith();
  const good = frame("a");
  queue.receive(good.subarray(0, good.length - 1));
  queue.receive(new Uint8Array([1, 2, 3]));
  queue.receive(concatBytes([good, new Uint8Array([1])]));
  await turn();
  assert.deepEqual(received, ["a"]);
  assert.equal(faults.length, 3);
  for (const fault of faults) {
    assert(fault instanceof ChannelError && fault.code === "bad-message");
    assert.match(fault.message, /the multicast group sent/);
  }
});

test("BroadcastQueue loses what is too much while listeners work, and nothing after a stop comes up", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { queue, received, faults, state } = queueWith(() => promise);
  for (let i = 0; i < 40; i++) queue.receive(frame("x".repeat(60_000)));
  await turn();
  assert.equal(received.length, 1);
  assert(faults.length > 0);
  for (const fault of faults) {
    assert(fault instanceof ChannelError && fault.code === "queue-full");
  }
  state.isStarted = false;
  resolve();
  await turn();
  assert.equal(received.length, 1);
  state.isStarted = true;
  queue.receive(frame("again"));
  await turn();
  assert.equal(received.at(-1), "again");
});

test("BroadcastQueue reports what a listener throws, and goes on", async () => {
  const { queue, received, faults } = queueWith(({ message }) => {
    if (message.length === 1) throw new Error("listener");
  });
  queue.receive(frame("a"));
  queue.receive(frame("bb"));
  await turn();
  assert.deepEqual(received, ["a", "bb"]);
  assert.deepEqual(faults.map(({ message }) => message), ["listener"]);
});
