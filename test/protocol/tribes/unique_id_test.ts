import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeHex,
  makeUniqueId,
  setUniqueIdVersion,
  UNIQUE_ID_LENGTH,
} from "../../../protocol/mod.ts";

test("makeUniqueId() makes a version 4 UUID of the random bytes", () => {
  assert.equal(UNIQUE_ID_LENGTH, 16);
  assert.equal(
    encodeHex(makeUniqueId((bytes) => bytes.fill(0xff))),
    "ffffffffffff4fffbfffffffffffffff",
  );
  assert.equal(
    encodeHex(makeUniqueId((bytes) => bytes.fill(0))),
    "00000000000040008000000000000000",
  );
});

test("makeUniqueId() keeps every other bit", () => {
  const id = makeUniqueId((bytes) =>
    bytes.forEach((_, i) => bytes[i] = i * 17)
  );
  assert.equal(encodeHex(id), "00112233445546778899aabbccddeeff");
});

test("makeUniqueId() gives a fresh array and asks for all 16 bytes", () => {
  const asked: Uint8Array[] = [];
  const id = makeUniqueId((bytes) => void asked.push(bytes));
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.length, 16);
  assert.notEqual(makeUniqueId(() => {}), id);
});

test("setUniqueIdVersion() sets six bits in place, at an index too", () => {
  const bytes = new Uint8Array(20).fill(0xaa);
  setUniqueIdVersion(bytes, 3);
  const expected = new Uint8Array(20).fill(0xaa);
  expected[9] = 0x4a;
  expected[11] = 0xaa & 0x3f | 0x80;
  assert.deepEqual(bytes, expected);

  const zeros = new Uint8Array(16);
  setUniqueIdVersion(zeros);
  assert.equal(encodeHex(zeros), "00000000000040008000000000000000");
});
