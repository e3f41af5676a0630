// One rule for the length of a body, on both sides of a connection and for both directions. Two
// parties that read one message differently are how requests are smuggled.
import type { AjpHeader } from "./header.ts";

/** What headers say about the length of a body. */
export type AjpBodyLength =
  | {
    /** A content-length. */
    readonly type: "length";
    /** Its number of bytes. */
    readonly length: number;
  }
  | {
    /** No content-length: the body ends where its sender says so. */
    readonly type: "unknown";
  }
  | {
    /** Headers that may be read in two ways: the message has to be refused. */
    readonly type: "invalid";
    /** The header that is wrong. */
    readonly field: "content-length" | "transfer-encoding";
    /** What is wrong with it. */
    readonly state: string;
  };

/**
 * Says how long the body is that headers announce.
 *
 * A content-length is digits, there is one at most, and none beside a transfer-encoding. A front
 * end decodes chunks; it leaves `transfer-encoding: chunked` as the only trace of them.
 *
 * @param headers Headers of a request or a response.
 * @example Two lengths
 * ```ts
 * import { ajpBodyLength, ajpRequestHeader } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const length = ajpRequestHeader("Content-Length", "5");
 * assert.deepEqual(ajpBodyLength([length]), { type: "length", length: 5 });
 * assert.equal(ajpBodyLength([length, length]).type, "invalid");
 * assert.deepEqual(ajpBodyLength([]), { type: "unknown" });
 * ```
 */
export function ajpBodyLength(headers: readonly AjpHeader[]): AjpBodyLength {
  let value: string | null | undefined;
  let encoded = false;
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i]!; // i < length
    if (isNamed(header.name, "content-length")) {
      if (value !== undefined) return invalid("content-length", "given twice");
      value = header.value;
    } else if (isNamed(header.name, "transfer-encoding")) encoded = true;
  }
  if (value === undefined) return UNKNOWN;
  if (encoded) return invalid("transfer-encoding", "beside a content-length");
  const length = value === null || !/^[0-9]{1,16}$/.test(value)
    ? NaN
    : Number(value);
  return Number.isSafeInteger(length)
    ? { type: "length", length }
    : invalid("content-length", "not a number of bytes");
}

/** Compares a header's name with one in lower case. */
export function isNamed(name: string, lowerCase: string): boolean {
  return name.length === lowerCase.length &&
    (name === lowerCase || name.toLowerCase() === lowerCase);
}

const UNKNOWN: AjpBodyLength = { type: "unknown" };

function invalid(
  field: "content-length" | "transfer-encoding",
  state: string,
): AjpBodyLength {
  return { type: "invalid", field, state };
}
