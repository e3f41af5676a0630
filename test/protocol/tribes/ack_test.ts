import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Ack,
  ACK_COMMAND,
  ACK_DATA,
  ackMoment,
  decodeAck,
  decodeChannelData,
  decodeFrame,
  decodeHex,
  encodeHex,
  FAIL_ACK_COMMAND,
  FAIL_ACK_DATA,
  FrameParser,
} from "../../../protocol/mod.ts";
import { assertDecodeError } from "../../support/outcome.ts";
import {
  type AckVector,
  loadVector,
  loadVectors,
} from "../../support/vectors.ts";

// What a live receiver does when it cannot parse a request has tests of its own, below.
const FAULTY = ["ack/bad-member", "ack/garbage-then-frame"];
const vectors = loadVectors("ack").filter(({ id }) => !FAULTY.includes(id));

for (const vector of vectors) {
  test(`ackMoment() and decodeAck() agree with ${vector.id}`, () => {
    const messages = bodies(vector.request).map(decodeChannelData);
    assert(messages.length > 0);
    if (vector.options !== undefined) {
      assert.deepEqual(
        messages.map((message) => message.options),
        [vector.options],
      );
    }
    const fails = vector.listener?.startsWith("throws") ?? false;
    const expected = messages.flatMap(({ options }): Ack[] => {
      const moment = ackMoment(options);
      if (moment === "never") return [];
      return [moment === "after" && fails ? "FAIL_ACK" : "ACK"];
    });
    assert.deepEqual(bodies(vector.reply).map(decodeAck), expected);
    const commands = expected.map((ack) =>
      encodeHex(ack === "ACK" ? ACK_COMMAND : FAIL_ACK_COMMAND)
    );
    assert.equal(commands.join(""), vector.reply);
    assertRecorded(vector, expected);
  });
}

test("decodeChannelData() refuses the request of ack/bad-member", () => {
  const { request, reply, connectionClosedByReceiver } = loadVector(
    "ack",
    "bad-member",
  );
  const [body] = bodies(request);
  assert(body !== undefined);
  assertDecodeError(
    () => decodeChannelData(body),
    "bad-marker",
    "member.begin",
    36,
  );
  assert.equal(reply, "");
  assert.equal(connectionClosedByReceiver, true);
});

test("FrameParser refuses the request of ack/garbage-then-frame, where Tomcat hangs", () => {
  const { request, reply, connectionClosedByReceiver } = loadVector(
    "ack",
    "garbage-then-frame",
  );
  assertDecodeError(() => bodies(request), "bad-marker", "frame.start", 0);
  assert.equal(reply, "");
  assert.equal(connectionClosedByReceiver, false);
});

test("decodeAck() knows whole bodies only", () => {
  assert.equal(decodeAck(ACK_DATA), "ACK");
  assert.equal(decodeAck(FAIL_ACK_DATA), "FAIL_ACK");
  for (const hex of ["", "06", "0602", "06020300", "060204", "0b0006", "0b"]) {
    assert.equal(decodeAck(decodeHex(hex)), undefined, hex);
  }
});

test("the complete frames of acknowledgements hold their bodies", () => {
  assert.deepEqual(decodeFrame(ACK_COMMAND), ACK_DATA);
  assert.deepEqual(decodeFrame(FAIL_ACK_COMMAND), FAIL_ACK_DATA);
});

test("ackMoment() looks at use_ack and sync only", () => {
  for (let options = 0; options < 512; options++) {
    const moment = { 0: "never", 2: "before", 4: "never", 6: "after" }[
      options & 6
    ];
    assert.equal(ackMoment(options), moment, String(options));
  }
  assert.equal(ackMoment(-1), "after");
  assert.equal(ackMoment(-3), "never");
});

function bodies(hex: string): Uint8Array[] {
  const parser = new FrameParser();
  parser.feed(decodeHex(hex));
  const found: Uint8Array[] = [];
  for (let body; (body = parser.next()) !== undefined;) found.push(body);
  parser.end();
  return found;
}

function assertRecorded(vector: AckVector, acks: readonly Ack[]): void {
  assert.equal(vector.connectionClosedByReceiver, false);
  if (vector.meaning !== undefined) {
    assert.equal(acks[0] ?? "nothing", vector.meaning);
  }
  if (typeof vector.replyAfterListener === "boolean") {
    const moment = ackMoment(vector.options ?? 0);
    assert.equal(moment === "after", vector.replyAfterListener);
  }
  if (vector.delivered !== undefined) {
    const messages = bodies(vector.request).map(decodeChannelData);
    assert.deepEqual(
      messages.map(({ message }) => new TextDecoder().decode(message)),
      vector.delivered,
    );
  }
}
