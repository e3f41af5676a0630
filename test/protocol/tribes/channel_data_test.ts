import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ackMoment,
  byteLengthChannelData,
  ByteReader,
  ByteWriter,
  type ChannelData,
  ChannelDataDecoder,
  ChannelDataFrameWriter,
  createMember,
  decodeChannelData,
  decodeFrame,
  decodeHex,
  encodeChannelData,
  encodeFrame,
  encodeHex,
  encodeHost,
  encodeMember,
  MAX_DATA_LENGTH,
  readChannelData,
  sendOptionNames,
  writeChannelData,
} from "../../../protocol/mod.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import {
  CHANNEL_DATA_PROPERTIES,
  testProperties,
} from "../../support/properties.ts";
import { channelDataFromForm, loadVectors } from "../../support/vectors.ts";

testProperties(CHANNEL_DATA_PROPERTIES);

for (const { id, hex, decoded } of loadVectors("channel-data")) {
  test(`all forms of the codec agree with ${id}`, () => {
    const data = channelDataFromForm(decoded);
    const body = decodeFrame(decodeHex(hex));
    assert.deepEqual(decodeChannelData(body), data);
    const decoder = new ChannelDataDecoder();
    assert.deepEqual(decoder.decode(body), data);
    assert.deepEqual(decoder.decode(body), data, "with a known address");

    assert.equal(encodeHex(encodeFrame(encodeChannelData(data))), hex);
    assert.equal(byteLengthChannelData(data), body.length);
    const writer = new ChannelDataFrameWriter();
    const frame = new Uint8Array(writer.byteLength(data));
    assert.equal(writer.write(frame, 0, data), frame.length);
    assert.equal(encodeHex(frame), hex);
    writer.write(frame.fill(0), 0, data);
    assert.equal(encodeHex(frame), hex, "with a known address");
  });

  if (decoded.flags === undefined) continue;
  test(`send option names and ack moment agree with ${id}`, () => {
    const { options } = decodeChannelData(decodeFrame(decodeHex(hex)));
    assert.deepEqual(sendOptionNames(options), decoded.flags);
    const moment = ackMoment(options);
    assert.equal(moment === "before", decoded.receiverAcksBeforeProcessing);
    assert.equal(moment === "after", decoded.receiverAcksAfterProcessing);
  });
}

test("decodeChannelData() gives views", () => {
  const body = encodeChannelData(message());
  const data = decodeChannelData(body);
  assert.equal(data.uniqueId.buffer, body.buffer);
  assert.equal(data.message.buffer, body.buffer);
  assert.equal(data.address.host.buffer, body.buffer);
});

// Places in the body of message(): lengths at 12, 32 and 113.
const LENGTHS: readonly (readonly [field: string, at: number])[] = [
  ["uniqueId", 12],
  ["address", 32],
  ["message", 113],
];

test("decodeChannelData() refuses lengths that lie", () => {
  for (const [field, at] of LENGTHS) {
    const lie = (length: number) => {
      const body = encodeChannelData(message());
      new DataView(body.buffer).setInt32(at, length);
      return body;
    };
    assertDecodeError(
      () => decodeChannelData(lie(-1)),
      "out-of-range",
      `${field}.length`,
      at,
    );
    assertDecodeError(
      () => decodeChannelData(lie(0x7fff_ffff)),
      "truncated",
      field,
      at + 4,
    );
  }
});

test("decodeChannelData() keeps a member block inside its length", () => {
  const lie = (length: number) => {
    const body = encodeChannelData(message());
    new DataView(body.buffer).setInt32(32, length);
    return body;
  };
  assertDecodeError(
    () => decodeChannelData(lie(76)),
    "truncated",
    "member.end",
    36 + 67,
  );
  assertDecodeError(
    () => decodeChannelData(lie(78)),
    "trailing-bytes",
    "address",
    36 + 77,
  );
  // Tomcat can write a message without an address, and cannot read it either.
  assertDecodeError(
    () => decodeChannelData(lie(0)),
    "truncated",
    "member.begin",
    36,
  );
});

test("decodeChannelData() refuses bytes behind the message", () => {
  const body = encodeChannelData(message());
  const longer = new Uint8Array(body.length + 1);
  longer.set(body);
  assertDecodeError(
    () => decodeChannelData(longer),
    "trailing-bytes",
    "channelData",
    body.length,
  );
});

test("decodeChannelData() refuses a timestamp that a number cannot hold", () => {
  const body = encodeChannelData(message());
  body[4] = 0x7f;
  const decoder = new ChannelDataDecoder();
  decoder.decode(encodeChannelData(message()));
  for (const decode of [decodeChannelData, decoder.decode.bind(decoder)]) {
    assertDecodeError(() => decode(body), "out-of-range", "timestamp", 4);
  }
});

test("readChannelData() reads a message inside another, with the outer offsets", () => {
  const data = message();
  const bytes = new Uint8Array(3 + byteLengthChannelData(data));
  writeChannelData(new ByteWriter(bytes, 3), data);
  const reader = new ByteReader(bytes, 0, 3);
  assert.deepEqual(readChannelData(reader), data);
  reader.end("outer");
  bytes[3 + 36] = 0;
  assertDecodeError(
    () => readChannelData(new ByteReader(bytes, 0, 3)),
    "bad-marker",
    "member.begin",
    39,
  );
});

test("every encoder of messages refuses what has no wire form", () => {
  const good = message();
  const refused: [ChannelData, string][] = [
    [{ ...good, options: 2 ** 31 }, "options"],
    [{ ...good, options: 0.5 }, "options"],
    [{ ...good, timestamp: 2 ** 53 }, "timestamp"],
    [{ ...good, timestamp: NaN }, "timestamp"],
    [
      { ...good, address: { ...good.address, port: 2 ** 31 } },
      "member.port",
    ],
  ];
  for (const [data, field] of refused) {
    assertEncodeError(() => encodeChannelData(data), "out-of-range", field);
    const writer = new ChannelDataFrameWriter();
    writer.byteLength(good);
    // Twice: a refused address must not be taken for the last one.
    for (let i = 0; i < 2; i++) {
      assertEncodeError(() => writer.byteLength(data), "out-of-range", field);
      assertEncodeError(() => writer.headLength(data), "out-of-range", field);
    }
    const frame = new Uint8Array(writer.byteLength(good));
    writer.write(frame, 0, good);
    assert.deepEqual(frame, encodeFrame(encodeChannelData(good)));
  }
});

test("ChannelDataFrameWriter refuses a message that does not fit a frame", () => {
  const writer = new ChannelDataFrameWriter();
  const around = byteLengthChannelData(message()) - message().message.length;
  // Only the length is looked at, so that a test need not allocate 2 GiB.
  const sized = (length: number): ChannelData => ({
    ...message(),
    message: { length } as Uint8Array,
  });
  const most = MAX_DATA_LENGTH - around;
  assert.equal(writer.byteLength(sized(most)), 0x7fff_ffff);
  assertEncodeError(
    () => writer.headLength(sized(most + 1)),
    "too-large",
    "message",
  );
});

test("ChannelDataDecoder gives the same object for the same sender", () => {
  const decoder = new ChannelDataDecoder();
  const first = decoder.decode(encodeChannelData(message()));
  const second = decoder.decode(
    encodeChannelData({ ...message(), uniqueId: new Uint8Array(3) }),
  );
  assert.equal(second.address, first.address);
  const other = createMember({ host: encodeHost("10.0.0.9"), port: 1 });
  const third = decoder.decode(
    encodeChannelData({ ...message(), address: other }),
  );
  assert.deepEqual(third.address, other);
  assert.deepEqual(first.address, message().address);
});

test("ChannelDataDecoder notices a sender that differs in any byte", () => {
  const body = encodeChannelData(message());
  const block = encodeMember(message().address).length;
  for (let at = 36; at < 36 + block; at++) {
    const decoder = new ChannelDataDecoder();
    const known = decoder.decode(body).address;
    const changed = body.slice();
    changed[at] = changed[at]! ^ 1; // at is in the block
    let address;
    try {
      ({ address } = decoder.decode(changed));
    } catch {
      continue; // the property compares the errors
    }
    assert.notEqual(address, known, `byte ${at}`);
  }
});

test("ChannelDataDecoder reads a body that is a view, and gives views of it", () => {
  const body = encodeChannelData(message());
  const padded = new Uint8Array(body.length + 9).fill(0xee);
  padded.set(body, 5);
  const view = padded.subarray(5, 5 + body.length);
  const decoder = new ChannelDataDecoder();
  for (let i = 0; i < 2; i++) {
    const data = decoder.decode(view);
    assert.deepEqual(data, message());
    assert.equal(data.uniqueId.buffer, padded.buffer);
    assert.equal(data.message.buffer, padded.buffer);
    assert.notEqual(data.address.host.buffer, padded.buffer);
  }
});

test("ChannelDataDecoder keeps no view of a whole body", () => {
  const decoder = new ChannelDataDecoder();
  const { address } = decoder.decode(encodeChannelData(message()));
  assert.equal(address.host.buffer.byteLength, 77);
});

function message(): ChannelData {
  return {
    options: 3,
    timestamp: 1_700_000_000_000,
    uniqueId: Uint8Array.from({ length: 16 }, (_, i) => i),
    address: createMember({ host: encodeHost("127.0.0.1"), port: 4000 }),
    message: new TextEncoder().encode("hello"),
  };
}
