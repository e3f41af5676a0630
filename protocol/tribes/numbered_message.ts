// The body of a message under the order interceptor: message, then int number.
import { readInt32 } from "../bytes/byte_reader.ts";
import { checkInt32, writeInt32 } from "../bytes/byte_writer.ts";
import { DecodeError } from "../errors.ts";

const NUMBER_LENGTH = 4;

/** A message with its number among those of its sender to one member. */
export interface NumberedMessage {
  /** The message's bytes. */
  readonly data: Uint8Array;
  /** Its number, from 1; a signed 32-bit integer. */
  readonly number: number;
}

/**
 * Number of bytes of a body.
 *
 * @param message What the body holds.
 */
export function byteLengthNumberedMessage(message: NumberedMessage): number {
  return message.data.length + NUMBER_LENGTH;
}

/**
 * Encodes a body.
 *
 * Source: `org.apache.catalina.tribes.group.interceptors.OrderInterceptor`.
 *
 * @param message What the body holds.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range` for a number beyond 32 bits.
 */
export function encodeNumberedMessage(
  message: NumberedMessage,
): Uint8Array<ArrayBuffer> {
  checkInt32(message.number, "number");
  const bytes = new Uint8Array(byteLengthNumberedMessage(message));
  bytes.set(message.data);
  writeInt32(bytes, message.data.length, message.number);
  return bytes;
}

/**
 * Decodes a body.
 *
 * Borrowed: `data` is a view of `bytes`.
 * Source: `org.apache.catalina.tribes.group.interceptors.OrderInterceptor`.
 *
 * @param bytes One whole body.
 * @throws {DecodeError} `truncated`.
 * @example The first message to a member
 * ```ts
 * import { decodeHex, decodeNumberedMessage } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const { data, number } = decodeNumberedMessage(decodeHex("6869" + "00000001"));
 * assert.deepEqual([new TextDecoder().decode(data), number], ["hi", 1]);
 * ```
 */
export function decodeNumberedMessage(bytes: Uint8Array): NumberedMessage {
  const at = bytes.length - NUMBER_LENGTH;
  if (at < 0) {
    throw new DecodeError(
      "truncated",
      "number",
      0,
      `need ${NUMBER_LENGTH} bytes, have ${bytes.length}`,
    );
  }
  return { data: bytes.subarray(0, at), number: readInt32(bytes, at) };
}
