// The body of a message under the fragmentation interceptor. A whole one:
//
//   message  byte 0
//
// One part of a larger one:
//
//   part  int index, from 0  int count  byte 1
import { readInt32 } from "../bytes/byte_reader.ts";
import { writeInt32 } from "../bytes/byte_writer.ts";
import { DecodeError, EncodeError } from "../errors.ts";

const PART_TRAILER_LENGTH = 9;

/** What one body holds: a whole message, or one of the parts of a message. */
export type Fragment = WholeMessage | MessagePart;

/** A message that was not cut. */
export interface WholeMessage {
  /** Tells it from a part. */
  readonly type: "whole";
  /** The message's bytes. */
  readonly data: Uint8Array;
}

/** One part of a message that was cut. */
export interface MessagePart {
  /** Tells it from a whole message. */
  readonly type: "part";
  /** The part's bytes. */
  readonly data: Uint8Array;
  /** Its place, from 0. */
  readonly index: number;
  /** Number of parts of the message. */
  readonly count: number;
}

/**
 * Number of bytes of a body.
 *
 * @param fragment What the body holds.
 */
export function byteLengthFragment(fragment: Fragment): number {
  return fragment.data.length +
    (fragment.type === "whole" ? 1 : PART_TRAILER_LENGTH);
}

/**
 * Encodes a body.
 *
 * Source: `org.apache.catalina.tribes.group.interceptors.FragmentationInterceptor`.
 *
 * @param fragment What the body holds.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range` for an index that is not one of the count's.
 */
export function encodeFragment(fragment: Fragment): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthFragment(fragment));
  const { length } = fragment.data;
  bytes.set(fragment.data);
  if (fragment.type === "part") {
    const { index, count } = fragment;
    if (!isPlace(index, count) || (count | 0) !== count) {
      throw new EncodeError(
        "out-of-range",
        "fragment.index",
        `${index} is not one of ${count}`,
      );
    }
    writeInt32(bytes, length, index);
    writeInt32(bytes, length + 4, count);
    bytes[length + 8] = 1;
  }
  return bytes;
}

/**
 * Decodes a body.
 *
 * Borrowed: `data` is a view of `bytes`.
 * Source: `org.apache.catalina.tribes.group.interceptors.FragmentationInterceptor`; any last byte
 * but 0 means a part there.
 *
 * @param bytes One whole body.
 * @throws {DecodeError} `truncated`; `out-of-range` for an index that is not one of the count's,
 * which Tomcat does not look at before it uses it.
 * @example A part
 * ```ts
 * import { decodeFragment, decodeHex } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const part = decodeFragment(decodeHex("0a0b" + "00000001" + "00000002" + "01"));
 * assert(part.type === "part");
 * assert.deepEqual([part.index, part.count, part.data.length], [1, 2, 2]);
 * ```
 */
export function decodeFragment(bytes: Uint8Array): Fragment {
  const end = bytes.length - 1;
  if (end < 0) {
    throw new DecodeError(
      "truncated",
      "fragment.isPart",
      0,
      "need 1 bytes, have 0",
    );
  }
  if (bytes[end] === 0) return { type: "whole", data: bytes.subarray(0, end) };

  const start = bytes.length - PART_TRAILER_LENGTH;
  if (start < 0) {
    throw new DecodeError(
      "truncated",
      "fragment.index",
      0,
      `need ${PART_TRAILER_LENGTH} bytes, have ${bytes.length}`,
    );
  }
  const index = readInt32(bytes, start);
  const count = readInt32(bytes, start + 4);
  if (!isPlace(index, count)) {
    throw new DecodeError(
      "out-of-range",
      "fragment.index",
      start,
      `${index} is not one of ${count}`,
    );
  }
  return { type: "part", data: bytes.subarray(0, start), index, count };
}

function isPlace(index: number, count: number): boolean {
  return Number.isInteger(index) && index >= 0 && index < count;
}
