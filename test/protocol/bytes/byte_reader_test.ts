import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, DecodeError, decodeHex } from "../../../protocol/mod.ts";
import { assertDecodeError } from "../../support/outcome.ts";

test("ByteReader reads big-endian and signed where the name says so", () => {
  const reader = new ByteReader(
    decodeHex("ff" + "80" + "fffe" + "80000001" + "ffffffff"),
  );
  assert.equal(reader.u8("a"), 255);
  assert.equal(reader.i8("b"), -128);
  assert.equal(reader.u16("c"), 0xfffe);
  assert.equal(reader.i32("d"), -0x7fff_ffff);
  assert.equal(reader.u32("e"), 0xffff_ffff);
  reader.end("all");
});

test("ByteReader.i64() reads all 64 bits", () => {
  const read = (hex: string) => new ByteReader(decodeHex(hex)).i64("id");
  assert.equal(read("8000000000000000"), -(1n << 63n));
  assert.equal(read("7fffffffffffffff"), (1n << 63n) - 1n);
  assert.equal(read("ffffffffffffffff"), -1n);
  assert.equal(read("00000000ffffffff"), 0xffff_ffffn);
});

test("ByteReader.safeI64() reads the safe integers and no others", () => {
  const read = (hex: string) => new ByteReader(decodeHex(hex)).safeI64("t");
  assert.equal(read("001fffffffffffff"), Number.MAX_SAFE_INTEGER);
  assert.equal(read("ffe0000000000001"), Number.MIN_SAFE_INTEGER);
  assert.equal(read("ffffffffffffffff"), -1);
  for (const hex of ["0020000000000000", "ffe0000000000000"]) {
    assertDecodeError(() => read(hex), "out-of-range", "t", 0);
  }
});

test("ByteReader counts offset and remaining from its place in the message", () => {
  const reader = new ByteReader(new Uint8Array(10), 100, 2, 9);
  assert.equal(reader.offset, 102);
  assert.equal(reader.remaining, 7);
  reader.u16("a");
  assert.equal(reader.offset, 104);
  assert.equal(reader.remaining, 5);
  assert.deepEqual(reader.bytes(5, "b"), new Uint8Array(5));
  assert.equal(reader.remaining, 0);
});

test("ByteReader refuses to read beyond its end, and stays where it was", () => {
  const reads: [number, (reader: ByteReader) => unknown][] = [
    [1, (reader) => reader.u8("f")],
    [1, (reader) => reader.i8("f")],
    [2, (reader) => reader.u16("f")],
    [4, (reader) => reader.i32("f")],
    [4, (reader) => reader.u32("f")],
    [8, (reader) => reader.i64("f")],
    [8, (reader) => reader.safeI64("f")],
    [5, (reader) => reader.bytes(5, "f")],
    [6, (reader) => reader.sub(6, "f")],
    [3, (reader) => reader.marker(new Uint8Array(3), "f")],
  ];
  for (const [length, read] of reads) {
    // Bytes follow in the array, but they are not the reader's.
    const reader = new ByteReader(new Uint8Array(20), 50, 1, length);
    const error = assertDecodeError(() => read(reader), "truncated", "f", 51);
    assert.equal(
      error.message,
      `Cannot decode f at byte 51: need ${length} bytes, have ${length - 1}`,
    );
    assert.equal(reader.remaining, length - 1);
    read(new ByteReader(new Uint8Array(20), 50, 1, length + 1));
  }
});

test("ByteReader.bytes() gives a view", () => {
  const input = new Uint8Array([1, 2, 3, 4]);
  const reader = new ByteReader(input);
  reader.u8("a");
  const view = reader.bytes(2, "b");
  assert.equal(view.buffer, input.buffer);
  assert.deepEqual(view, new Uint8Array([2, 3]));
});

test("ByteReader.length() refuses negative lengths and those above its limit", () => {
  const length = (hex: string, limit?: number) => {
    const reader = new ByteReader(decodeHex(`ff${hex}`), 0, 1);
    return reader.length("member.domain", limit);
  };
  assert.equal(length("00000000"), 0);
  assert.equal(length("7fffffff"), 0x7fff_ffff);
  assert.equal(length("00000009", 9), 9);
  const field = "member.domain.length";
  assertDecodeError(() => length("ffffffff"), "out-of-range", field, 1);
  assertDecodeError(() => length("0000000a", 9), "too-large", field, 1);
  assertDecodeError(() => length("000000"), "truncated", field, 1);
  assert.match(
    assertDecodeError(() => length("0000000a", 9), "too-large", field, 1)
      .message,
    /: 10 > 9$/,
  );
});

test("ByteReader.marker() tells a wrong marker from a short one", () => {
  const marker = new Uint8Array([0x0a, 0x0b, 0x0c]);
  const read = (hex: string) => {
    const reader = new ByteReader(decodeHex(`00${hex}`), 0, 1);
    reader.marker(marker, "begin");
    return reader.remaining;
  };
  assert.equal(read("0a0b0c0d"), 1);
  assertDecodeError(() => read("0a0b"), "truncated", "begin", 1);
  assertDecodeError(() => read(""), "truncated", "begin", 1);
  assertDecodeError(() => read("0b0b0c"), "bad-marker", "begin", 1);
  assertDecodeError(() => read("0a0b0d"), "bad-marker", "begin", 1);
  const short = assertDecodeError(
    () => read("0a0c"),
    "bad-marker",
    "begin",
    1,
  );
  assert.equal(
    short.message,
    "Cannot decode begin at byte 1: byte 1 of the marker is 0c, not 0b",
  );
});

test("ByteReader.sub() cannot leave its bytes and keeps the outer offsets", () => {
  const reader = new ByteReader(decodeHex("00010203040506"), 10);
  reader.u8("a");
  const sub = reader.sub(3, "inner");
  assert.equal(reader.offset, 14);
  assert.equal(sub.offset, 11);
  assert.equal(sub.remaining, 3);
  assertDecodeError(() => sub.i32("x"), "truncated", "x", 11);
  assert.equal(sub.u16("x"), 0x0102);
  assertDecodeError(() => sub.end("inner"), "trailing-bytes", "inner", 13);
  assert.equal(sub.u8("y"), 3);
  sub.end("inner");
});

test("ByteReader.end() refuses bytes that are left", () => {
  const reader = new ByteReader(new Uint8Array(5));
  reader.u16("a");
  const error = assertDecodeError(
    () => reader.end("member"),
    "trailing-bytes",
    "member",
    2,
  );
  assert.match(error.message, /: 3 bytes after the end$/);
});

test("ByteReader.error() points to the next byte, or where it is told", () => {
  const reader = new ByteReader(new Uint8Array(5), 100);
  reader.u16("a");
  const next = reader.error("malformed", "f", "state");
  assert(next instanceof DecodeError);
  assert.equal(next.offset, 102);
  assert.equal(reader.error("malformed", "f", "state", 1).offset, 101);
});
