/** What is wrong with a peer's bytes; callers switch on it and never read the text. */
export type DecodeErrorCode =
  | "truncated"
  | "trailing-bytes"
  | "bad-marker"
  | "too-large"
  | "out-of-range"
  | "malformed"
  | "unsupported";

/** What is wrong with a value that has no wire form. */
export type EncodeErrorCode =
  | "too-large"
  | "out-of-range"
  | "malformed"
  | "unsupported";

/**
 * A peer's bytes break the protocol. Untrusted input causes this error and no other.
 *
 * @example Tells a short beacon from a wrong one
 * ```ts
 * import { DecodeError, decodeMember } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * try {
 *   decodeMember(new Uint8Array([0x54]));
 * } catch (error) {
 *   assert(error instanceof DecodeError);
 *   assert.equal(error.code, "truncated");
 *   assert.equal(error.field, "member.begin");
 *   assert.equal(error.offset, 0);
 * }
 * ```
 */
export class DecodeError extends Error {
  /** What is wrong. */
  readonly code: DecodeErrorCode;
  /** The field that failed, as a dotted path such as `member.host`. */
  readonly field: string;
  /** Offset of the first byte of that field in the outermost message or stream. */
  readonly offset: number;

  /**
   * Makes the error; its text is `Cannot decode FIELD at byte OFFSET: STATE`.
   *
   * @param code What is wrong.
   * @param field The field that failed.
   * @param offset Offset of the field's first byte.
   * @param state What was found, and what was needed.
   * @param options `cause`, when the error stands for another one.
   */
  constructor(
    code: DecodeErrorCode,
    field: string,
    offset: number,
    state: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot decode ${field} at byte ${offset}: ${state}`, options);
    this.name = "DecodeError";
    this.code = code;
    this.field = field;
    this.offset = offset;
  }
}

/** One of our own values cannot be written: the caller's mistake, found before a byte is sent. */
export class EncodeError extends RangeError {
  /** What is wrong. */
  readonly code: EncodeErrorCode;
  /** The field that has no wire form, as a dotted path such as `member.uniqueId`. */
  readonly field: string;

  /**
   * Makes the error; its text is `Cannot encode FIELD: STATE`.
   *
   * @param code What is wrong.
   * @param field The field that failed.
   * @param state What was found, and what was needed.
   */
  constructor(code: EncodeErrorCode, field: string, state: string) {
    super(`Cannot encode ${field}: ${state}`);
    this.name = "EncodeError";
    this.code = code;
    this.field = field;
  }
}
