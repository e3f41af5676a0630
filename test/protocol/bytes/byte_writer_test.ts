import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkInt32,
  checkSafeInteger,
} from "../../../protocol/bytes/byte_writer.ts";
import { ByteWriter, encodeHex } from "../../../protocol/mod.ts";
import { assertEncodeError } from "../../support/outcome.ts";

test("ByteWriter writes big-endian, one field behind the other", () => {
  const bytes = new Uint8Array(34).fill(0xee);
  const writer = new ByteWriter(bytes, 1);
  assert.equal(writer.position, 1);
  writer.u8(0x1ff);
  writer.u16(0xfffe);
  writer.i32(-2);
  writer.i64(-3n);
  writer.safeI64(-4);
  writer.lengthAndBytes(new Uint8Array([1, 2]));
  writer.bytes(new Uint8Array([3]));
  assert.equal(writer.position, 31);
  assert.equal(
    encodeHex(bytes),
    "ee" + "ff" + "fffe" + "fffffffe" + "fffffffffffffffd" +
      "fffffffffffffffc" + "000000020102" + "03" + "eeeeee",
  );
});

test("ByteWriter.i64() writes modulo 2 to the 64", () => {
  const write = (value: bigint) => {
    const bytes = new Uint8Array(8);
    new ByteWriter(bytes).i64(value);
    return encodeHex(bytes);
  };
  assert.equal(write(-(1n << 63n)), "8000000000000000");
  assert.equal(write((1n << 64n) + 5n), "0000000000000005");
  assert.equal(write(0xffff_ffffn), "00000000ffffffff");
});

test("ByteWriter.safeI64() writes both halves exactly", () => {
  const write = (value: number) => {
    const bytes = new Uint8Array(8);
    new ByteWriter(bytes).safeI64(value);
    return encodeHex(bytes);
  };
  assert.equal(write(2 ** 32), "0000000100000000");
  assert.equal(write(2 ** 32 - 1), "00000000ffffffff");
  assert.equal(write(-(2 ** 32)), "ffffffff00000000");
  assert.equal(write(-(2 ** 32) - 1), "fffffffeffffffff");
  assert.equal(write(Number.MAX_SAFE_INTEGER), "001fffffffffffff");
  assert.equal(write(Number.MIN_SAFE_INTEGER), "ffe0000000000001");
});

test("ByteWriter refuses to write beyond its buffer, and writes nothing", () => {
  const writes: [number, (writer: ByteWriter) => void][] = [
    [1, (writer) => writer.u8(1)],
    [2, (writer) => writer.u16(1)],
    [4, (writer) => writer.i32(1)],
    [8, (writer) => writer.i64(1n)],
    [8, (writer) => writer.safeI64(1)],
    [3, (writer) => writer.bytes(new Uint8Array([1, 1, 1]))],
  ];
  for (const [length, write] of writes) {
    write(new ByteWriter(new Uint8Array(length + 2), 2));
    const bytes = new Uint8Array(length + 1);
    const error = assertEncodeError(
      () => write(new ByteWriter(bytes, 2)),
      "too-large",
      "buffer",
    );
    assert.equal(
      error.message,
      `Cannot encode buffer: need ${length} bytes at 2, have ${length - 1}`,
    );
    assert.deepEqual(bytes, new Uint8Array(length + 1));
  }
});

test("checkInt32() takes 32-bit integers only", () => {
  for (const value of [0, 1, -1, 0x7fff_ffff, -0x8000_0000]) {
    checkInt32(value, "port");
  }
  for (const value of [0x8000_0000, -0x8000_0001, 0.5, NaN, Infinity]) {
    assertEncodeError(() => checkInt32(value, "port"), "out-of-range", "port");
  }
});

test("checkSafeInteger() takes integers that a number holds exactly", () => {
  for (const value of [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    checkSafeInteger(value, "time");
  }
  for (const value of [2 ** 53, -(2 ** 53), 1.5, NaN, -Infinity]) {
    assertEncodeError(
      () => checkSafeInteger(value, "time"),
      "out-of-range",
      "time",
    );
  }
});
