import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHex, encodeHex } from "../../../protocol/mod.ts";
import { assertDecodeError } from "../../support/outcome.ts";

test("encodeHex() writes every byte as two lower-case digits", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const text = encodeHex(bytes);
  assert.equal(text.length, 512);
  assert.equal(text.slice(0, 34), "000102030405060708090a0b0c0d0e0f10");
  assert.equal(text.slice(-6), "fdfeff");
  assert.deepEqual(decodeHex(text), bytes);
});

test("encodeHex() writes only the bytes of a view", () => {
  assert.equal(encodeHex(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), "0203");
});

test("decodeHex() reads both cases and nothing", () => {
  assert.deepEqual(decodeHex("aBfF09"), new Uint8Array([0xab, 0xff, 9]));
  assert.deepEqual(decodeHex(""), new Uint8Array());
});

test("decodeHex() refuses a character that is no digit, at its byte", () => {
  for (const digit of ["g", "G", " ", "-", "/", ":", "@", "`", "é"]) {
    assertDecodeError(
      () => decodeHex(`00112${digit}44`, "member.host"),
      "malformed",
      "member.host",
      2,
    );
  }
  assertDecodeError(() => decodeHex("0x01"), "malformed", "hex", 0);
  assertDecodeError(() => decodeHex("x001"), "malformed", "hex", 0);
});

test("decodeHex() refuses half a byte", () => {
  const error = assertDecodeError(
    () => decodeHex("00112"),
    "malformed",
    "hex",
    2,
  );
  assert.equal(
    error.message,
    "Cannot decode hex at byte 2: 5 digits are not whole bytes",
  );
});
