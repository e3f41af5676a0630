// The second message of TwoPhaseCommitInterceptor, which names the first one.
import { ByteReader } from "../bytes/byte_reader.ts";
import { ByteWriter } from "../bytes/byte_writer.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { decodeHex } from "../bytes/hex.ts";

/** First 16 bytes of a confirmation. */
export const TWO_PHASE_START: Uint8Array<ArrayBuffer> = decodeHex(
  "7101c602dec44bb29bf420e3206fd804",
);
/** Last 16 bytes of a confirmation. */
export const TWO_PHASE_END: Uint8Array<ArrayBuffer> = decodeHex(
  "36f35a6e2fe14be8afe32434c64d9238",
);

const MARKERS_LENGTH = TWO_PHASE_START.length + TWO_PHASE_END.length;

/** Number of bytes of a confirmation. */
export function byteLengthTwoPhaseConfirmation(uniqueId: Uint8Array): number {
  return MARKERS_LENGTH + uniqueId.length;
}

/**
 * Encodes a confirmation.
 *
 * Source: `org.apache.catalina.tribes.group.interceptors.TwoPhaseCommitInterceptor`.
 *
 * @param uniqueId Id of the message that is confirmed.
 * @returns A fresh, exact array.
 */
export function encodeTwoPhaseConfirmation(
  uniqueId: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthTwoPhaseConfirmation(uniqueId));
  const writer = new ByteWriter(bytes);
  writer.bytes(TWO_PHASE_START);
  writer.bytes(uniqueId);
  writer.bytes(TWO_PHASE_END);
  return bytes;
}

/**
 * Decodes a confirmation.
 *
 * @param bytes The whole body.
 * @returns Id of the message that is confirmed; borrowed: a view of `bytes`.
 * @throws {DecodeError} `truncated`, `bad-marker`.
 */
export function decodeTwoPhaseConfirmation(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes);
  reader.marker(TWO_PHASE_START, "confirmation.start");
  const length = Math.max(0, reader.remaining - TWO_PHASE_END.length);
  const uniqueId = reader.bytes(length, "confirmation.uniqueId");
  reader.marker(TWO_PHASE_END, "confirmation.end");
  return uniqueId;
}

/**
 * Tells whether a body is a confirmation. Tomcat knows one by its length, which is that of the
 * markers and of an id as long as the confirmation's own, and by the markers.
 *
 * @param bytes The body.
 * @param idLength Length of the unique id of the message that has this body.
 */
export function isTwoPhaseConfirmation(
  bytes: Uint8Array,
  idLength: number,
): boolean {
  return bytes.length === MARKERS_LENGTH + idLength &&
    equalBytes(bytes.subarray(0, TWO_PHASE_START.length), TWO_PHASE_START) &&
    equalBytes(bytes.subarray(-TWO_PHASE_END.length), TWO_PHASE_END);
}
