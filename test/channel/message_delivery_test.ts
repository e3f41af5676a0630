import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageDelivery } from "../../channel/message_delivery.ts";
import {
  createMember,
  encodeHost,
  encodeRpcMessage,
  equalMembers,
  type Member,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";

const SENDER = createMember({
  host: encodeHost("10.0.0.1"),
  port: 4000,
  uniqueId: new Uint8Array(16).fill(7),
  domain: new Uint8Array(60_000),
  payload: new Uint8Array(60_000),
});

function deliveryWith(answer: () => Promise<void> = () => Promise.resolve()) {
  const answered: Member[] = [];
  const faults: Error[] = [];
  const delivery = new MessageDelivery({
    answer: (to) => {
      answered.push(to);
      return answer();
    },
    fault: (error) => void faults.push(error),
  });
  const receive = (message: Uint8Array) =>
    delivery.deliver({
      options: 0,
      timestamp: 1,
      uniqueId: new Uint8Array(16),
      address: SENDER,
      message,
    });
  return { delivery, answered, faults, receive };
}

const CALL = encodeRpcMessage({
  type: "call",
  reply: false,
  uuid: new Uint8Array(16),
  rpcId: new Uint8Array(4),
  message: null,
});

test("MessageDelivery keeps nothing of a sender but its place while an answer is under way", () => {
  const { answered, receive } = deliveryWith();
  receive(CALL);
  const [to] = answered;
  assert(to !== undefined && equalMembers(to, SENDER));
  assert.deepEqual([to.domain.length, to.payload.length], [0, 0]);
});

test("MessageDelivery reports an answer that fails, and a call that cannot be read", async () => {
  const error = new Error("refused");
  const { answered, faults, receive } = deliveryWith(() =>
    Promise.reject(error)
  );
  receive(CALL);
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(faults, [error]);
  receive(CALL.subarray(0, CALL.length - 1));
  assert(faults[1] instanceof ChannelError);
  assert.equal(faults[1].code, "bad-message");
  assert.match(faults[1].message, /10\.0\.0\.1:4000 sent/);
  assert.equal(answered.length, 1);
});

test("MessageDelivery tells each listener once, those that there were when the message came", () => {
  const { delivery, receive } = deliveryWith();
  const told: string[] = [];
  const second = { messageReceived: () => void told.push("second") };
  const first = {
    messageReceived: () => {
      told.push("first");
      delivery.listeners.remove(second);
    },
  };
  for (const listener of [first, second, first]) {
    delivery.listeners.add(listener);
  }
  receive(new Uint8Array([0xac, 0xed]));
  receive(new Uint8Array([0xac, 0xed]));
  assert.deepEqual(told, ["first", "second", "first"]);
});
