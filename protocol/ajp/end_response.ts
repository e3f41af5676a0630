import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter } from "./ajp_writer.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  JK_AJP13_END_RESPONSE,
  openPacketOfType,
  writePacketHead,
} from "./packet.ts";

/** The end of a response. */
export interface EndResponse {
  /** Which packet it is. */
  readonly type: "endResponse";
  /** Whether the connection may carry another request; the front end closes it otherwise. */
  readonly reuse: boolean;
}

/** Number of bytes of the packet, head included. */
export function byteLengthEndResponse(): number {
  return AJP_HEADER_LENGTH + 2;
}

/**
 * Encodes the end of a response, with the head of the packet.
 *
 * @param packet The end.
 * @returns A fresh, exact array.
 */
export function encodeEndResponse(
  packet: EndResponse,
): Uint8Array<ArrayBuffer> {
  const writer = new AjpWriter(byteLengthEndResponse());
  writePacketHead(writer, AJP_FROM_CONTAINER);
  writer.u8(JK_AJP13_END_RESPONSE);
  writer.u8(packet.reuse ? 1 : 0);
  return writer.bytes;
}

/**
 * Decodes the end of a response.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `out-of-range`, `trailing-bytes`.
 */
export function decodeEndResponse(bytes: Uint8Array): EndResponse {
  return readEndResponse(
    openPacketOfType(bytes, AJP_FROM_CONTAINER, JK_AJP13_END_RESPONSE),
  );
}

/** Reads what follows the type, to the end of the packet. */
export function readEndResponse(reader: AjpReader): EndResponse {
  const reuse = reader.bool("endResponse.reuse");
  reader.end("endResponse");
  return { type: "endResponse", reuse };
}
