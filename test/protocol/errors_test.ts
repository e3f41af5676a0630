import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError, EncodeError } from "../../protocol/mod.ts";

test("DecodeError says what failed, where and how", () => {
  const cause = new Error("inner");
  const error = new DecodeError(
    "truncated",
    "member.host",
    35,
    "need 16 bytes, have 4",
    { cause },
  );
  assert(error instanceof Error);
  assert(!(error instanceof RangeError));
  assert.equal(error.name, "DecodeError");
  assert.equal(
    error.message,
    "Cannot decode member.host at byte 35: need 16 bytes, have 4",
  );
  assert.equal(error.code, "truncated");
  assert.equal(error.field, "member.host");
  assert.equal(error.offset, 35);
  assert.equal(error.cause, cause);
});

test("DecodeError has no cause unless it stands for another error", () => {
  const error = new DecodeError("malformed", "hex", 0, "state");
  assert.equal("cause" in error, false);
});

test("EncodeError is a RangeError that names the field", () => {
  const error = new EncodeError("out-of-range", "member.port", "too high");
  assert(error instanceof RangeError);
  assert.equal(error.name, "EncodeError");
  assert.equal(error.message, "Cannot encode member.port: too high");
  assert.equal(error.code, "out-of-range");
  assert.equal(error.field, "member.port");
});
