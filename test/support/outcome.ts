// What a call gave: compared where two ways of doing the same must agree on errors too.
import assert from "node:assert/strict";
import {
  DecodeError,
  type DecodeErrorCode,
  EncodeError,
  type EncodeErrorCode,
} from "../../protocol/mod.ts";

/** A value, or the error that was thrown. */
export type Outcome<T> =
  | { readonly type: "value"; readonly value: T }
  | { readonly type: "error"; readonly error: unknown };

/** Calls and keeps what came of it. */
export function outcome<T>(call: () => T): Outcome<T> {
  try {
    return { type: "value", value: call() };
  } catch (error) {
    return { type: "error", error };
  }
}

/** Asserts that two calls gave equal values or equal errors, texts included. */
export function assertSameOutcome<T>(
  actual: Outcome<T>,
  expected: Outcome<T>,
): void {
  assert.deepEqual(describe(actual), describe(expected));
}

/** Asserts that a call throws a DecodeError, and where. */
export function assertDecodeError(
  call: () => unknown,
  code: DecodeErrorCode,
  field: string,
  offset: number,
): DecodeError {
  const error = thrown(call);
  assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
  assert.deepEqual(
    { code: error.code, field: error.field, offset: error.offset },
    { code, field, offset },
  );
  return error;
}

/** Asserts that a call throws an EncodeError, and about which field. */
export function assertEncodeError(
  call: () => unknown,
  code: EncodeErrorCode,
  field: string,
): EncodeError {
  const error = thrown(call);
  assert(error instanceof EncodeError, `not an EncodeError: ${error}`);
  assert.deepEqual(
    { code: error.code, field: error.field },
    { code, field },
  );
  return error;
}

/**
 * Asserts what hostile bytes may do: cause a DecodeError that points into them, or give a value
 * that is encoded to the same bytes.
 *
 * @param prefix Whether bytes behind the value are accepted.
 */
export function assertSafe<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  prefix = false,
): void {
  const before = bytes.slice();
  const result = outcome(() => decode(bytes));
  assert.deepEqual(bytes, before, "the input was changed");
  if (result.type === "error") {
    const { error } = result;
    assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
    assert(
      error.offset >= 0 && error.offset <= bytes.length,
      `offset ${error.offset} is not in the input`,
    );
    return;
  }
  const again = encode(result.value);
  assert.deepEqual(again, prefix ? before.slice(0, again.length) : before);
}

function thrown(call: () => unknown): unknown {
  const result = outcome(call);
  assert(result.type === "error", "nothing was thrown");
  return result.error;
}

function describe<T>(result: Outcome<T>): unknown {
  if (result.type === "value") return result;
  const { error } = result;
  assert(
    error instanceof DecodeError || error instanceof EncodeError,
    `neither a DecodeError nor an EncodeError: ${error}`,
  );
  return { ...error, message: error.message };
}
