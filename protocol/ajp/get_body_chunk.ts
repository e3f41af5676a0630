import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter, checkUint16 } from "./ajp_writer.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  JK_AJP13_GET_BODY_CHUNK,
  openPacketOfType,
  writePacketHead,
} from "./packet.ts";

/** The container's question for more of the request's body. */
export interface GetBodyChunk {
  /** Which packet it is. */
  readonly type: "getBodyChunk";
  /** Greatest number of bytes that it wants; Tomcat asks for a packet full, 8186. */
  readonly requested: number;
}

/** Number of bytes of the packet, head included. */
export function byteLengthGetBodyChunk(): number {
  return AJP_HEADER_LENGTH + 3;
}

/**
 * Encodes the question, with the head of the packet.
 *
 * @param packet The question.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range`.
 */
export function encodeGetBodyChunk(
  packet: GetBodyChunk,
): Uint8Array<ArrayBuffer> {
  checkUint16(packet.requested, "getBodyChunk.requested");
  const writer = new AjpWriter(byteLengthGetBodyChunk());
  writePacketHead(writer, AJP_FROM_CONTAINER);
  writer.u8(JK_AJP13_GET_BODY_CHUNK);
  writer.u16(packet.requested);
  return writer.bytes;
}

/**
 * Decodes the question.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `trailing-bytes`.
 */
export function decodeGetBodyChunk(bytes: Uint8Array): GetBodyChunk {
  return readGetBodyChunk(
    openPacketOfType(bytes, AJP_FROM_CONTAINER, JK_AJP13_GET_BODY_CHUNK),
  );
}

/** Reads what follows the type, to the end of the packet. */
export function readGetBodyChunk(reader: AjpReader): GetBodyChunk {
  const requested = reader.u16("getBodyChunk.requested");
  reader.end("getBodyChunk");
  return { type: "getBodyChunk", requested };
}
