import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byteLengthFrame,
  decodeAck,
  decodeFrame,
  decodeHex,
  DEFAULT_MAX_DATA_LENGTH,
  encodeFrame,
  encodeHex,
  END_DATA,
  FRAME_OVERHEAD,
  MAX_DATA_LENGTH,
  START_DATA,
} from "../../../protocol/mod.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { FRAME_PROPERTIES, testProperties } from "../../support/properties.ts";
import { loadVectors } from "../../support/vectors.ts";

testProperties(FRAME_PROPERTIES);

for (const { id, hex, decoded } of loadVectors("frame")) {
  test(`decodeFrame() and encodeFrame() agree with ${id}`, () => {
    const body = decodeFrame(decodeHex(hex));
    assert.equal(encodeHex(body), decoded.body);
    assert.equal(decodeAck(body), decoded.meaning);
    assert.equal(encodeHex(encodeFrame(decodeHex(decoded.body))), hex);
    assert.equal(byteLengthFrame(body) * 2, hex.length);
  });
}

test("the markers and limits are those of the format", () => {
  assert.equal(new TextDecoder().decode(START_DATA), "FLT2002");
  assert.equal(new TextDecoder().decode(END_DATA), "TLF2003");
  assert.equal(FRAME_OVERHEAD, 18);
  assert.equal(DEFAULT_MAX_DATA_LENGTH, 64 * 1024 * 1024);
  assert.equal(MAX_DATA_LENGTH, 2_147_483_629);
});

test("encodeFrame() refuses a body that no Java array could hold with its frame", () => {
  // Only the length is looked at, so that a test need not allocate 2 GiB.
  const body = { length: MAX_DATA_LENGTH + 1 } as Uint8Array;
  assertEncodeError(() => encodeFrame(body), "too-large", "frame.body");
});

test("decodeFrame() gives a view", () => {
  const frame = encodeFrame(new Uint8Array([1, 2, 3]));
  assert.equal(decodeFrame(frame).buffer, frame.buffer);
});

test("decodeFrame() refuses a wrong start marker", () => {
  const frame = encodeFrame(new Uint8Array([1]));
  for (let at = 0; at < 7; at++) {
    const bad = frame.slice();
    bad[at] = 0;
    assertDecodeError(() => decodeFrame(bad), "bad-marker", "frame.start", 0);
  }
});

test("decodeFrame() refuses a wrong end marker, at the marker", () => {
  const frame = encodeFrame(new Uint8Array([1]));
  for (let at = 12; at < 19; at++) {
    const bad = frame.slice();
    bad[at] = 0;
    assertDecodeError(() => decodeFrame(bad), "bad-marker", "frame.end", 12);
  }
});

test("decodeFrame() refuses bytes behind the frame", () => {
  const frame = decodeHex("464c543230303200000000544c463230303300");
  assertDecodeError(() => decodeFrame(frame), "trailing-bytes", "frame", 18);
});

test("decodeFrame() checks the length before it looks for the body", () => {
  const header = (length: string) => decodeHex(`464c5432303032${length}`);
  const field = "frame.body.length";
  assertDecodeError(
    () => decodeFrame(header("ffffffff")),
    "out-of-range",
    field,
    7,
  );
  assertDecodeError(
    () => decodeFrame(header("04000001")),
    "too-large",
    field,
    7,
  );
  assertDecodeError(
    () => decodeFrame(header("04000000")),
    "truncated",
    "frame.body",
    11,
  );
});

test("decodeFrame() takes another limit", () => {
  const frame = encodeFrame(new Uint8Array(10));
  assert.equal(decodeFrame(frame, 10).length, 10);
  assertDecodeError(
    () => decodeFrame(frame, 9),
    "too-large",
    "frame.body.length",
    7,
  );
});
