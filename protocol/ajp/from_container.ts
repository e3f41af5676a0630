// Every packet that a container may send to a front end.
import type { AjpReader } from "./ajp_reader.ts";
import { type Cpong, encodeCpong } from "./control_packet.ts";
import {
  byteLengthEndResponse,
  encodeEndResponse,
  type EndResponse,
  readEndResponse,
} from "./end_response.ts";
import {
  byteLengthGetBodyChunk,
  encodeGetBodyChunk,
  type GetBodyChunk,
  readGetBodyChunk,
} from "./get_body_chunk.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  JK_AJP13_CPONG_REPLY,
  JK_AJP13_END_RESPONSE,
  JK_AJP13_GET_BODY_CHUNK,
  JK_AJP13_SEND_BODY_CHUNK,
  JK_AJP13_SEND_HEADERS,
  MAX_AJP_PACKET_SIZE,
  openPacket,
} from "./packet.ts";
import {
  byteLengthSendBodyChunk,
  encodeSendBodyChunk,
  readSendBodyChunk,
  type SendBodyChunk,
} from "./send_body_chunk.ts";
import {
  byteLengthSendHeaders,
  encodeSendHeaders,
  readSendHeaders,
  type SendHeaders,
} from "./send_headers.ts";

/** A packet from a container to a front end. */
export type AjpFromContainer =
  | SendHeaders
  | SendBodyChunk
  | GetBodyChunk
  | EndResponse
  | Cpong;

/**
 * Number of bytes of a packet, head included.
 *
 * @param packet The packet.
 */
export function byteLengthAjpFromContainer(packet: AjpFromContainer): number {
  switch (packet.type) {
    case "sendHeaders":
      return byteLengthSendHeaders(packet);
    case "sendBodyChunk":
      return byteLengthSendBodyChunk(packet);
    case "getBodyChunk":
      return byteLengthGetBodyChunk();
    case "endResponse":
      return byteLengthEndResponse();
    case "cpong":
      return AJP_HEADER_LENGTH + 1;
  }
}

/**
 * Encodes a packet, head included.
 *
 * @param packet The packet.
 * @param packetSize Greatest packet, in bytes.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large`, `out-of-range`, `malformed`.
 */
export function encodeAjpFromContainer(
  packet: AjpFromContainer,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  switch (packet.type) {
    case "sendHeaders":
      return encodeSendHeaders(packet, packetSize);
    case "sendBodyChunk":
      return encodeSendBodyChunk(packet, packetSize);
    case "getBodyChunk":
      return encodeGetBodyChunk(packet);
    case "endResponse":
      return encodeEndResponse(packet);
    case "cpong":
      return encodeCpong();
  }
}

/**
 * Decodes a packet.
 *
 * Borrowed: the data of a body chunk is a view of `bytes`.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `out-of-range`, `trailing-bytes`;
 * `unsupported` for a type without meaning.
 */
export function decodeAjpFromContainer(bytes: Uint8Array): AjpFromContainer {
  return readResponsePacket(openPacket(bytes, AJP_FROM_CONTAINER));
}

/** Reads a whole payload. */
export function readResponsePacket(reader: AjpReader): AjpFromContainer {
  const type = reader.u8("packet.type");
  switch (type) {
    case JK_AJP13_SEND_HEADERS:
      return readSendHeaders(reader);
    case JK_AJP13_SEND_BODY_CHUNK:
      return readSendBodyChunk(reader);
    case JK_AJP13_GET_BODY_CHUNK:
      return readGetBodyChunk(reader);
    case JK_AJP13_END_RESPONSE:
      return readEndResponse(reader);
    case JK_AJP13_CPONG_REPLY:
      reader.end("cpong");
      return { type: "cpong" };
    default:
      throw reader.error(
        "unsupported",
        "packet.type",
        `type ${type} means nothing`,
        AJP_HEADER_LENGTH,
      );
  }
}
