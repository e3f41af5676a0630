// What holds for all values. Tests run each group beside the examples of its codec; the fuzzer runs
// all of them with seed after seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  byteLengthChannelData,
  byteLengthFrame,
  byteLengthMember,
  ByteReader,
  ByteWriter,
  type ChannelData,
  ChannelDataDecoder,
  ChannelDataFrameWriter,
  compareAbsoluteOrder,
  concatBytes,
  decodeBeacon,
  decodeChannelData,
  decodeFrame,
  decodeHex,
  decodeHost,
  decodeMember,
  encodeChannelData,
  encodeFrame,
  encodeHex,
  encodeHost,
  encodeMember,
  equalBytes,
  equalMembers,
  formatSendOptions,
  type Generation,
  isBeacon,
  type Member,
  memberKey,
  parseGeneration,
  parseSendOptions,
  UNIQUE_ID_LENGTH,
} from "../../protocol/mod.ts";
import { AJP_PROPERTIES } from "./ajp_properties.ts";
import {
  byteStrings,
  channelData,
  conversations,
  cutStreams,
  damaged,
  frameBodies,
  int32s,
  members,
} from "./arbitraries.ts";
import { assertSafe, assertSameOutcome, outcome } from "./outcome.ts";
import { parseCut, referenceFrames } from "./reference_frames.ts";

/** A claim about all values of a kind. */
export interface Property {
  /** The claim; it begins with the symbol that it is about. */
  readonly name: string;
  /**
   * Tries it.
   *
   * @throws {Error} With the seed and the smallest value found for which it does not hold.
   */
  readonly check: (parameters: PropertyParameters) => void;
}

/** How often and from which seed a property is tried. */
export interface PropertyParameters {
  /** Number of values. */
  readonly numRuns: number;
  /** Seed of the values; a random one by default. */
  readonly seed?: number;
}

/** Makes a test of each property. */
export function testProperties(properties: readonly Property[]): void {
  for (const { name, check } of properties) {
    test(name, () => check({ numRuns: 1000 }));
  }
}

const i64s = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });

/** Properties of protocol/bytes. */
export const BYTES_PROPERTIES: readonly Property[] = [
  property(
    "decodeHex() reads what encodeHex() wrote",
    byteStrings(),
    (bytes) => {
      assert.deepEqual(decodeHex(encodeHex(bytes)), bytes);
      assert.deepEqual(decodeHex(encodeHex(bytes).toUpperCase()), bytes);
    },
  ),
  property(
    "ByteWriter writes and ByteReader reads what a DataView does",
    fc.tuple(
      fc.nat(0xff),
      fc.nat(0xffff),
      int32s(),
      i64s,
      fc.maxSafeInteger(),
      byteStrings(),
    ),
    ([u8, u16, i32, i64, safe, bytes]) => {
      const expected = new Uint8Array(27 + bytes.length);
      const view = new DataView(expected.buffer);
      view.setUint8(0, u8);
      view.setUint16(1, u16);
      view.setInt32(3, i32);
      view.setBigInt64(7, i64);
      view.setBigInt64(15, BigInt(safe));
      view.setInt32(23, bytes.length);
      expected.set(bytes, 27);

      const written = new Uint8Array(expected.length);
      const writer = new ByteWriter(written);
      writer.u8(u8);
      writer.u16(u16);
      writer.i32(i32);
      writer.i64(i64);
      writer.safeI64(safe);
      writer.lengthAndBytes(bytes);
      assert.deepEqual(written, expected);
      assert.equal(writer.position, expected.length);

      const reader = new ByteReader(expected);
      assert.equal(reader.u8("u8"), u8);
      assert.equal(reader.u16("u16"), u16);
      assert.equal(reader.i32("i32"), i32);
      assert.equal(reader.i64("i64"), i64);
      assert.equal(reader.safeI64("safe"), safe);
      assert.deepEqual(
        reader.bytes(reader.length("bytes"), "bytes"),
        bytes,
      );
      reader.end("all");
      assert.equal(new ByteReader(expected).i8("i8"), view.getInt8(0));
      assert.equal(new ByteReader(expected, 0, 3).u32("u32"), i32 >>> 0);
    },
  ),
  property(
    "safeI64() refuses what a number cannot hold",
    fc.oneof(i64s, i64s.map((value) => value >> 9n)),
    (value) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, value);
      const reader = new ByteReader(bytes);
      if (Number.isSafeInteger(Number(value))) {
        assert.equal(reader.safeI64("time"), Number(value));
      } else {
        assert.throws(() => reader.safeI64("time"), {
          code: "out-of-range",
          message:
            `Cannot decode time at byte 0: ${value} is not a safe integer`,
        });
      }
    },
  ),
];

/** Properties of encodeFrame and decodeFrame. */
export const FRAME_PROPERTIES: readonly Property[] = [
  property(
    "decodeFrame() reads what encodeFrame() wrote",
    frameBodies(),
    (body) => {
      const frame = encodeFrame(body);
      assert.equal(frame.length, byteLengthFrame(body));
      assert.deepEqual(decodeFrame(frame), body);
    },
  ),
  property(
    "decodeFrame() survives hostile bytes",
    damaged(frameBodies().map(encodeFrame)),
    (bytes) => assertSafe(bytes, decodeFrame, encodeFrame),
  ),
  property(
    "decodeFrame() refuses every beginning of a frame as truncated",
    byteStrings(20).map(encodeFrame),
    (frame) => assertTruncations(frame, decodeFrame),
  ),
];

/** Properties of FrameParser. */
export const FRAME_PARSER_PROPERTIES: readonly Property[] = [
  property(
    "FrameParser gives the same bodies and error however a stream is cut",
    cutStreams(),
    ({ bytes, feeds }) => {
      const before = feeds.map((group) => group.map((chunk) => chunk.slice()));
      const { text: _, ...actual } = parseCut(feeds, 2000);
      assert.deepEqual(actual, referenceFrames(bytes, 2000));
      assert.deepEqual(feeds, before, "a chunk was changed");
    },
  ),
  property(
    "FrameParser gives one text of an error however a stream is cut",
    cutStreams(),
    ({ bytes, feeds }) => {
      const { text } = parseCut(feeds, 2000);
      assert.equal(text, parseCut([[bytes]], 2000).text);
      const singles = Array.from(bytes, (byte) => [Uint8Array.of(byte)]);
      assert.equal(text, parseCut(singles, 2000).text);
    },
  ),
];

/** Properties of member blocks. */
export const MEMBER_PROPERTIES: readonly Property[] = [
  property(
    "decodeMember() reads what encodeMember() wrote",
    members(),
    (member) => {
      const block = encodeMember(member);
      assert.equal(block.length, byteLengthMember(member));
      assert.deepEqual(decodeMember(block), member);
      assert.deepEqual(decodeBeacon(block), member);
      assert(isBeacon(block));
    },
  ),
  property(
    "decodeMember() survives hostile bytes",
    damaged(members().map(encodeMember)),
    (bytes) => assertSafe(bytes, decodeMember, encodeMember),
  ),
  property(
    "decodeBeacon() survives hostile bytes and ignores those behind the block",
    damaged(
      fc.tuple(members().map(encodeMember), byteStrings()).map(concatBytes),
    ),
    (bytes) => assertSafe(bytes, decodeBeacon, encodeMember, true),
  ),
  property(
    "decodeMember() refuses every beginning of a block as truncated",
    members().map(encodeMember),
    (block) => assertTruncations(block, decodeMember),
  ),
  property(
    "memberKey() is equal for equal members and no others",
    fc.tuple(
      members(),
      members(),
      fc.subarray(["host", "port", "uniqueId", "domain", "payload"] as const),
    ),
    ([a, other, keys]) => {
      const b: Member = { ...a };
      for (const key of keys) Object.assign(b, { [key]: other[key] });
      const equal = equalBytes(a.host, b.host) && a.port === b.port &&
        equalBytes(a.uniqueId, b.uniqueId);
      assert.equal(equalMembers(a, b), equal);
      assert.equal(memberKey(a) === memberKey(b), equal);
    },
  ),
];

/** Properties of messages and of the two hot-path forms. */
export const CHANNEL_DATA_PROPERTIES: readonly Property[] = [
  property(
    "decodeChannelData() reads what encodeChannelData() wrote",
    channelData(),
    (data) => {
      const body = encodeChannelData(data);
      assert.equal(body.length, byteLengthChannelData(data));
      assert.deepEqual(decodeChannelData(body), data);
    },
  ),
  property(
    "decodeChannelData() survives hostile bytes",
    damaged(channelData().map(encodeChannelData)),
    (bytes) => assertSafe(bytes, decodeChannelData, encodeChannelData),
  ),
  property(
    "decodeChannelData() refuses every beginning of a body as truncated",
    channelData().map(encodeChannelData),
    (body) => assertTruncations(body, decodeChannelData),
  ),
  property(
    "ChannelDataDecoder gives the values and errors of decodeChannelData()",
    conversations().chain((messages) => {
      const body = fc.constantFrom(...messages.map(encodeChannelData));
      return fc.array(fc.oneof(body, damaged(body)), { maxLength: 12 });
    }),
    (bodies) => {
      const decoder = new ChannelDataDecoder();
      for (const body of bodies) {
        const input = body.slice();
        const actual = outcome(() => decoder.decode(input));
        assertSameOutcome(actual, outcome(() => decodeChannelData(body)));
        if (actual.type === "error") continue;
        const { address } = actual.value;
        input.fill(0xff); // the address may be kept: it is no view of this
        assert.deepEqual(address, decodeChannelData(body).address);
      }
    },
  ),
  property(
    "ChannelDataFrameWriter writes what encodeFrame(encodeChannelData()) gives",
    fc.tuple(conversations(), fc.nat(9)),
    ([messages, gap]) => {
      const writer = new ChannelDataFrameWriter();
      for (const data of messages) assertWrites(writer, data, gap);
    },
  ),
];

/** Properties of send options. */
export const SEND_OPTIONS_PROPERTIES: readonly Property[] = [
  property(
    "parseSendOptions() reads what formatSendOptions() wrote",
    fc.oneof(int32s(), fc.nat(0x1ff)),
    (options) => {
      assert.equal(parseSendOptions(formatSendOptions(options)), options);
      assert.equal(parseSendOptions(String(options)), options);
      const hex = `0x${(options >>> 0).toString(16)}`;
      assert.equal(parseSendOptions(hex), options);
    },
  ),
];

/** Properties of host bytes. */
export const HOST_PROPERTIES: readonly Property[] = [
  property(
    "encodeHost() reads what decodeHost() wrote",
    fc.oneof(byteStrings(4, 4), byteStrings(16, 16), zeroRuns()),
    (host) => {
      assert.deepEqual(encodeHost(decodeHost(host)), host);
      assert.deepEqual(encodeHost(`[${decodeHost(host)}]`), host);
    },
  ),
];

/** Properties of the order of members. */
export const ABSOLUTE_ORDER_PROPERTIES: readonly Property[] = [
  property(
    "compareAbsoluteOrder() is an order in every generation",
    fc.tuple(
      fc.array(closeMembers(), { minLength: 3, maxLength: 3 }),
      fc.constantFrom("8.5", "9.0.70", "10.1", "12.0").map(parseGeneration),
    ),
    ([[a, b, c], generation]) => {
      assertOrder([a!, b!, c!], generation); // the array has three
    },
  ),
];

/** Every property, for the fuzzer. */
export const ALL_PROPERTIES: readonly Property[] = [
  ...BYTES_PROPERTIES,
  ...FRAME_PROPERTIES,
  ...FRAME_PARSER_PROPERTIES,
  ...MEMBER_PROPERTIES,
  ...CHANNEL_DATA_PROPERTIES,
  ...SEND_OPTIONS_PROPERTIES,
  ...HOST_PROPERTIES,
  ...ABSOLUTE_ORDER_PROPERTIES,
  ...AJP_PROPERTIES,
];

function property<T>(
  name: string,
  values: fc.Arbitrary<T>,
  holds: (value: T) => void,
): Property {
  return {
    name,
    check: (parameters) => fc.assert(fc.property(values, holds), parameters),
  };
}

function assertTruncations(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => unknown,
): void {
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => decode(bytes.slice(0, length)),
      { name: "DecodeError", code: "truncated" },
      `${length} of ${bytes.length} bytes`,
    );
  }
}

function assertWrites(
  writer: ChannelDataFrameWriter,
  data: ChannelData,
  gap: number,
): void {
  const expected = encodeFrame(encodeChannelData(data));
  assert.equal(writer.byteLength(data), expected.length);
  const head = writer.headLength(data);
  assert.equal(head, expected.length - data.message.length - 7);

  const buffer = new Uint8Array(gap + expected.length + 3).fill(0xaa);
  assert.equal(writer.write(buffer, gap, data), gap + expected.length);
  const surrounded = new Uint8Array(buffer.length).fill(0xaa);
  surrounded.set(expected, gap);
  assert.deepEqual(buffer, surrounded);

  buffer.fill(0xaa);
  assert.equal(writer.writeHead(buffer, gap, data), gap + head);
  surrounded.fill(0xaa, gap + head);
  assert.deepEqual(buffer, surrounded);
}

/** Addresses with runs of zeros, which text abbreviates. */
function zeroRuns(): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const byte = fc.oneof(fc.constant(0), fc.nat(255));
  return fc.array(byte, { minLength: 16, maxLength: 16 })
    .map((values) => Uint8Array.from(values));
}

/** Members that often differ in one place only, on either side of the sign bit. */
function closeMembers(): fc.Arbitrary<Member> {
  const byte = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const array = (length: number) =>
    fc.array(byte, { minLength: length, maxLength: length })
      .map((values) => Uint8Array.from(values));
  const uniqueIds = array(2).map((end) => {
    const id = new Uint8Array(UNIQUE_ID_LENGTH);
    id.set(end, UNIQUE_ID_LENGTH - 2);
    return id;
  });
  return fc.tuple(
    members(),
    fc.oneof(array(1), array(2)),
    fc.constantFrom(-0x8000_0000, 0, 4000, 0x7fff_ffff),
    uniqueIds,
  ).map(([member, host, port, uniqueId]) => ({
    ...member,
    host,
    port,
    uniqueId,
  }));
}

function assertOrder(
  [a, b, c]: readonly [Member, Member, Member],
  generation: Generation,
): void {
  const compare = (x: Member, y: Member) =>
    Math.sign(compareAbsoluteOrder(x, y, { generation }));
  assert.equal(compare(a, b), 0 - compare(b, a));
  assert.equal(compare(a, b) === 0, equalMembers(a, b));
  assert.equal(compare(a, a), 0);
  if (compare(a, b) <= 0 && compare(b, c) <= 0) assert(compare(a, c) <= 0);
}
