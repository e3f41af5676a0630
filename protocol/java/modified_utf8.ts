// Java's modified UTF-8: each UTF-16 unit by itself, surrogates too, and NUL as two bytes. Every string
// has exactly one encoding; the others (overlong ones, a plain zero byte, four-byte forms) are refused,
// because they could not be written again.
import { DecodeError } from "../errors.ts";

// Up to this length, a call with all characters is faster than a TextDecoder.
const SHORT = 96;
// A call takes only so many arguments.
const CHUNK = 4096;

/** An array for each short length, written whole before it is read: making one costs more than the text. */
const UNITS: readonly number[][] = Array.from(
  { length: SHORT + 1 },
  (_, length) => new Array<number>(length).fill(0),
);

const ascii = new TextDecoder("latin1");

/** Number of bytes that a string takes. */
export function byteLengthModifiedUtf8(text: string): number {
  const units = text.length;
  let length = units;
  for (let i = 0; i < units; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x800) length += 2;
    else if (unit >= 0x80 || unit === 0) length++;
  }
  return length;
}

/**
 * Writes a string into `bytes`, which has room for it.
 *
 * @returns The index behind the last byte.
 */
export function writeModifiedUtf8(
  bytes: Uint8Array,
  start: number,
  text: string,
): number {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80 && unit !== 0) {
      bytes[at++] = unit;
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | unit >> 6;
      bytes[at++] = 0x80 | unit & 0x3f;
    } else {
      bytes[at++] = 0xe0 | unit >> 12;
      bytes[at++] = 0x80 | unit >> 6 & 0x3f;
      bytes[at++] = 0x80 | unit & 0x3f;
    }
  }
  return at;
}

/**
 * Encodes a string, without a length in front.
 *
 * @example NUL takes two bytes, an emoji six
 * ```ts
 * import { encodeHex, encodeModifiedUtf8 } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.equal(encodeHex(encodeModifiedUtf8("a\0😀")), "61c080eda0bdedb880");
 * ```
 */
export function encodeModifiedUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthModifiedUtf8(text));
  writeModifiedUtf8(bytes, 0, text);
  return bytes;
}

/**
 * Decodes a string.
 *
 * @param bytes Holds the string.
 * @param field Its name, for the error.
 * @param start Index of its first byte.
 * @param end Index behind its last byte.
 * @param base Offset of `bytes[0]` in the outermost message, for the error.
 * @throws {DecodeError} `malformed` for anything but the one encoding that each string has.
 */
export function decodeModifiedUtf8(
  bytes: Uint8Array,
  field: string,
  start = 0,
  end: number = bytes.length,
  base = 0,
): string {
  const length = end - start;
  const units = UNITS[length];
  if (units !== undefined) {
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!; // i < end - start
      if (byte >= 0x80 || byte === 0) {
        return decodeUnits(bytes, field, start, end, base);
      }
      units[i] = byte;
    }
    return String.fromCharCode.apply(null, units);
  }
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!; // i < end
    if (byte >= 0x80 || byte === 0) {
      return decodeUnits(bytes, field, start, end, base);
    }
  }
  return ascii.decode(bytes.subarray(start, end));
}

function decodeUnits(
  bytes: Uint8Array,
  field: string,
  start: number,
  end: number,
  base: number,
): string {
  const units = new Uint16Array(end - start);
  let count = 0;
  let at = start;
  while (at < end) {
    const first = bytes[at]!; // at < end
    if (first < 0x80 && first !== 0) {
      units[count++] = first;
      at++;
      continue;
    }
    const length = first >= 0xc0 && first < 0xe0
      ? 2
      : first >= 0xe0 && first < 0xf0
      ? 3
      : 0;
    const unit = length === 0 || at + length > end
      ? -1
      : length === 2
      ? twoBytes(first, bytes[at + 1]!) // at + length <= end
      : threeBytes(first, bytes[at + 1]!, bytes[at + 2]!); // likewise
    if (unit < 0) {
      throw new DecodeError(
        "malformed",
        field,
        base + start,
        `byte ${at - start} of the string is not modified UTF-8`,
      );
    }
    units[count++] = unit;
    at += length;
  }
  let text = "";
  for (let i = 0; i < count; i += CHUNK) {
    text += String.fromCharCode(
      ...units.subarray(i, Math.min(i + CHUNK, count)),
    );
  }
  return text;
}

/** A character of two bytes; negative if it is none, or would fit in one. */
function twoBytes(first: number, second: number): number {
  if ((second & 0xc0) !== 0x80) return -1;
  const unit = (first & 0x1f) << 6 | second & 0x3f;
  return unit >= 0x80 || unit === 0 ? unit : -1;
}

/** A character of three bytes; negative if it is none, or would fit in two. */
function threeBytes(first: number, second: number, third: number): number {
  if ((second & 0xc0) !== 0x80 || (third & 0xc0) !== 0x80) return -1;
  const unit = (first & 0x0f) << 12 | (second & 0x3f) << 6 | third & 0x3f;
  return unit >= 0x800 ? unit : -1;
}
