import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter, byteLengthString, checkUint16 } from "./ajp_writer.ts";
import {
  type AjpHeader,
  byteLengthHeaders,
  type HeaderFields,
  readHeaders,
  RESPONSE_HEADERS,
  writeHeaders,
} from "./header.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  checkPacketLength,
  JK_AJP13_SEND_HEADERS,
  MAX_AJP_PACKET_SIZE,
  openPacketOfType,
} from "./packet.ts";

/** Status and headers of a response; they always fit one packet. */
export interface SendHeaders {
  /** Which packet it is. */
  readonly type: "sendHeaders";
  /** Status, such as 200. */
  readonly status: number;
  /** Reason phrase; Tomcat writes the status as text. ISO-8859-1. */
  readonly message: string | null;
  /** Headers in their order; repeated ones repeat. */
  readonly headers: readonly AjpHeader[];
}

/**
 * Number of bytes of the packet, head included.
 *
 * @param packet Status and headers.
 */
export function byteLengthSendHeaders(packet: SendHeaders): number {
  return AJP_HEADER_LENGTH + 5 + byteLengthString(packet.message) +
    byteLengthHeaders(packet.headers);
}

/**
 * Encodes status and headers, with the head of the packet.
 *
 * @param packet Status and headers.
 * @param packetSize Greatest packet, in bytes.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large` for the packet, `out-of-range`, `malformed`.
 */
export function encodeSendHeaders(
  packet: SendHeaders,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  const length = byteLengthSendHeaders(packet);
  const writer = new AjpWriter(checkPacketLength(length, packetSize));
  writeSendHeaders(writer, packet);
  return writer.bytes;
}

/**
 * Writes status and headers, with the head of the packet.
 *
 * @throws {EncodeError} `out-of-range`, `malformed`.
 */
export function writeSendHeaders(writer: AjpWriter, packet: SendHeaders): void {
  checkUint16(packet.status, "sendHeaders.status");
  writer.u16(AJP_FROM_CONTAINER);
  writer.u16(byteLengthSendHeaders(packet) - AJP_HEADER_LENGTH);
  writer.u8(JK_AJP13_SEND_HEADERS);
  writer.u16(packet.status);
  writer.string(packet.message, "sendHeaders.message");
  writer.u16(packet.headers.length);
  writeHeaders(writer, packet.headers, RESPONSE_HEADERS, FIELDS);
}

/**
 * Decodes status and headers.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `out-of-range`, `trailing-bytes`.
 */
export function decodeSendHeaders(bytes: Uint8Array): SendHeaders {
  return readSendHeaders(
    openPacketOfType(bytes, AJP_FROM_CONTAINER, JK_AJP13_SEND_HEADERS),
  );
}

/** Reads what follows the type, to the end of the packet. */
export function readSendHeaders(reader: AjpReader): SendHeaders {
  const status = reader.u16("sendHeaders.status");
  const message = reader.string("sendHeaders.message");
  const headers = readHeaders(reader, RESPONSE_HEADERS, FIELDS, 0xffff);
  reader.end("sendHeaders");
  return { type: "sendHeaders", status, message, headers };
}

const FIELDS: HeaderFields = {
  count: "sendHeaders.headers.count",
  name: "sendHeaders.header.name",
  value: "sendHeaders.header.value",
};
