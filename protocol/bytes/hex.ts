import { DecodeError } from "../errors.ts";

const PAIRS: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);

/**
 * Writes bytes as lower-case hexadecimal.
 *
 * @example
 * ```ts
 * import { encodeHex } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.equal(encodeHex(new Uint8Array([6, 2, 3])), "060203");
 * ```
 */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += PAIRS[byte];
  return text;
}

/**
 * Reads hexadecimal of either case, without separators.
 *
 * @param text The digits.
 * @param field Name of the text, for the error.
 * @throws {DecodeError} `malformed` at the first character that is not a digit, or when a digit of
 * the last pair is missing.
 */
export function decodeHex(
  text: string,
  field = "hex",
): Uint8Array<ArrayBuffer> {
  const bad = text.search(/[^0-9a-fA-F]/);
  if (bad >= 0) {
    throw new DecodeError(
      "malformed",
      field,
      bad >> 1,
      `character ${bad} is not a hexadecimal digit`,
    );
  }
  if (text.length % 2 !== 0) {
    throw new DecodeError(
      "malformed",
      field,
      text.length >> 1,
      `${text.length} digits are not whole bytes`,
    );
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  }
  return bytes;
}
