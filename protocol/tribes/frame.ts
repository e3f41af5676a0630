// The frame around every Tribes message, ack and broadcast (XByteBuffer package):
//
//   "FLT2002"  int n  n bytes of body  "TLF2003"
//
// There is no escaping: a body may contain the markers.
import { ByteReader } from "../bytes/byte_reader.ts";
import { writeInt32 } from "../bytes/byte_writer.ts";
import { EncodeError } from "../errors.ts";

/** Start marker, ASCII `FLT2002`. */
export const START_DATA: Uint8Array<ArrayBuffer> = ascii("FLT2002");
/** End marker, ASCII `TLF2003`. */
export const END_DATA: Uint8Array<ArrayBuffer> = ascii("TLF2003");
/** Bytes that a frame has in front of its body: start marker and length. */
export const FRAME_HEADER_LENGTH = 11;
/** Bytes that a frame has besides its body. */
export const FRAME_OVERHEAD = 18;
/** Greatest body that is read unless an option says otherwise: 64 MiB. */
export const DEFAULT_MAX_DATA_LENGTH = 67_108_864;
/** Greatest body that the format can hold: the whole frame has a signed 32-bit length in Java. */
export const MAX_DATA_LENGTH: number = 0x7fff_ffff - FRAME_OVERHEAD;

/**
 * Number of bytes of the frame around a body.
 *
 * @param body The body.
 */
export function byteLengthFrame(body: Uint8Array): number {
  return FRAME_OVERHEAD + body.length;
}

/**
 * Puts a body into a frame.
 *
 * Source: `org.apache.catalina.tribes.io.XByteBuffer#createDataPackage`.
 *
 * @param body Message, ack or any other body.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large`.
 * @example The frame of an acknowledgement
 * ```ts
 * import { encodeFrame, encodeHex } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const frame = encodeFrame(new Uint8Array([6, 2, 3]));
 * assert.equal(encodeHex(frame), "464c543230303200000003060203544c4632303033");
 * ```
 */
export function encodeFrame(body: Uint8Array): Uint8Array<ArrayBuffer> {
  if (body.length > MAX_DATA_LENGTH) {
    throw new EncodeError(
      "too-large",
      "frame.body",
      `${body.length} > ${MAX_DATA_LENGTH}`,
    );
  }
  const frame = new Uint8Array(byteLengthFrame(body));
  writeFrameHeader(frame, 0, body.length);
  frame.set(body, FRAME_HEADER_LENGTH);
  frame.set(END_DATA, FRAME_HEADER_LENGTH + body.length);
  return frame;
}

/**
 * Takes the body out of one whole frame.
 *
 * Borrowed: the body is a view of `bytes`.
 *
 * @param bytes One frame, markers included.
 * @param maxDataLength Greatest body to accept, in bytes.
 * @throws {DecodeError} `bad-marker`, `truncated`, `out-of-range`, `too-large`, `trailing-bytes`.
 */
export function decodeFrame(
  bytes: Uint8Array,
  maxDataLength: number = DEFAULT_MAX_DATA_LENGTH,
): Uint8Array {
  const reader = new ByteReader(bytes);
  reader.marker(START_DATA, "frame.start");
  const length = reader.length("frame.body", maxDataLength);
  const body = reader.bytes(length, "frame.body");
  reader.marker(END_DATA, "frame.end");
  reader.end("frame");
  return body;
}

/** Writes start marker and length into a buffer that has room for them: the hot path. */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  bodyLength: number,
): void {
  bytes[at] = 0x46;
  bytes[at + 1] = 0x4c;
  bytes[at + 2] = 0x54;
  bytes[at + 3] = 0x32;
  bytes[at + 4] = 0x30;
  bytes[at + 5] = 0x30;
  bytes[at + 6] = 0x32;
  writeInt32(bytes, at + 7, bodyLength);
}

/** Writes the end marker into a buffer that has room for it: the hot path. */
export function writeFrameEnd(bytes: Uint8Array, at: number): void {
  bytes[at] = 0x54;
  bytes[at + 1] = 0x4c;
  bytes[at + 2] = 0x46;
  bytes[at + 3] = 0x32;
  bytes[at + 4] = 0x30;
  bytes[at + 5] = 0x30;
  bytes[at + 6] = 0x33;
}

/** Tells whether a start marker stands at an index that has seven bytes behind it. */
export function isFrameStart(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x46 && bytes[at + 1] === 0x4c &&
    bytes[at + 2] === 0x54 && bytes[at + 3] === 0x32 &&
    bytes[at + 4] === 0x30 && bytes[at + 5] === 0x30 && bytes[at + 6] === 0x32;
}

/** Tells whether an end marker stands at an index that has seven bytes behind it. */
export function isFrameEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x54 && bytes[at + 1] === 0x4c &&
    bytes[at + 2] === 0x46 && bytes[at + 3] === 0x32 &&
    bytes[at + 4] === 0x30 && bytes[at + 5] === 0x30 && bytes[at + 6] === 0x33;
}

function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
