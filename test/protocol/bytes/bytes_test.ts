import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, copyBytes, equalBytes } from "../../../protocol/mod.ts";
import { BYTES_PROPERTIES, testProperties } from "../../support/properties.ts";

testProperties(BYTES_PROPERTIES);

test("concatBytes() joins into a fresh array", () => {
  const one = new Uint8Array([1]);
  const joined = concatBytes([one, new Uint8Array(), new Uint8Array([2, 3])]);
  assert.deepEqual(joined, new Uint8Array([1, 2, 3]));
  assert.equal(joined.buffer.byteLength, 3);
  const alone = concatBytes([one]);
  alone[0] = 9;
  assert.equal(one[0], 1);
  assert.deepEqual(concatBytes([]), new Uint8Array());
});

test("equalBytes() compares content, of any length and alignment", () => {
  // Above 1,000 bytes the library compares whole words.
  for (const length of [0, 1, 3, 4, 16, 999, 1000, 1001, 2048]) {
    const a = Uint8Array.from({ length }, (_, i) => i & 0xff);
    const shifted = new Uint8Array(length + 1);
    shifted.set(a, 1);
    assert.equal(equalBytes(a, a.slice()), true);
    assert.equal(equalBytes(a, shifted.subarray(1)), true);
    assert.equal(equalBytes(a, shifted), false);
    for (const at of [0, length >> 1, length - 1]) {
      if (at < 0 || at >= length) continue;
      const other = a.slice();
      other[at] = other[at]! ^ 0x80; // at < length
      assert.equal(equalBytes(a, other), false, `${length}: ${at}`);
    }
  }
});

test("copyBytes() copies a view alone", () => {
  const source = new Uint8Array([1, 2, 3, 4]);
  const copy = copyBytes(source.subarray(1, 3));
  assert.equal(copy.buffer.byteLength, 2);
  source.fill(0);
  assert.deepEqual(copy, new Uint8Array([2, 3]));
});
