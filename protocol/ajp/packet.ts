// The packet around everything that AJP13 says:
//
//   to the container    12 34  uint16 n  n bytes of payload
//   from the container  41 42  uint16 n  n bytes of payload
//
// The first byte of a payload is its type; a packet with a part of a request's body has none.
import { EncodeError } from "../errors.ts";
import { AjpReader } from "./ajp_reader.ts";
import type { AjpWriter } from "./ajp_writer.ts";

/** First two bytes of a packet to the container. */
export const AJP_TO_CONTAINER = 0x1234;
/** First two bytes of a packet from the container, ASCII `AB`. */
export const AJP_FROM_CONTAINER = 0x4142;
/** Bytes in front of a payload. */
export const AJP_HEADER_LENGTH = 4;
/** Packet size unless both sides are configured otherwise, in bytes with the head. */
export const DEFAULT_AJP_PACKET_SIZE = 8192;
/** Greatest packet size that both sides can be configured to. */
export const MAX_AJP_PACKET_SIZE = 65_536;

/** Type of a request. */
export const JK_AJP13_FORWARD_REQUEST = 2;
/** Type of a part of a response's body. */
export const JK_AJP13_SEND_BODY_CHUNK = 3;
/** Type of status and headers of a response. */
export const JK_AJP13_SEND_HEADERS = 4;
/** Type of the end of a response. */
export const JK_AJP13_END_RESPONSE = 5;
/** Type of the container's question for more of a request's body. */
export const JK_AJP13_GET_BODY_CHUNK = 6;
/** Type of a front end's order to shut down, which no container obeys. */
export const JK_AJP13_SHUTDOWN = 7;
/** Type of an obsolete ping, which closes the connection. */
export const JK_AJP13_PING_REQUEST = 8;
/** Type of the answer to a CPING. */
export const JK_AJP13_CPONG_REPLY = 9;
/** Type of the question whether the container is alive. */
export const JK_AJP13_CPING_REQUEST = 10;

/** Which way a packet goes: by its first two bytes. */
export type AjpMagic = typeof AJP_TO_CONTAINER | typeof AJP_FROM_CONTAINER;

/**
 * Greatest number of bytes of a request's body in one packet: 8186 by default.
 *
 * @param packetSize The packet size, in bytes.
 */
export function maxBodyPacketData(packetSize: number): number {
  return packetSize - AJP_HEADER_LENGTH - 2;
}

/**
 * Greatest number of bytes of a response's body in one SEND_BODY_CHUNK: 8184 by default.
 *
 * @param packetSize The packet size, in bytes.
 */
export function maxSendBodyChunkData(packetSize: number): number {
  return packetSize - AJP_HEADER_LENGTH - 4;
}

/**
 * Checks a packet size that somebody configured.
 *
 * @throws {RangeError} When it is not an integer from 8192 to 65536.
 */
export function checkPacketSize(packetSize: number): number {
  if (
    Number.isInteger(packetSize) && packetSize >= DEFAULT_AJP_PACKET_SIZE &&
    packetSize <= MAX_AJP_PACKET_SIZE
  ) return packetSize;
  throw new RangeError(
    `Cannot use packetSize ${packetSize}: not an integer from ` +
      `${DEFAULT_AJP_PACKET_SIZE} to ${MAX_AJP_PACKET_SIZE}`,
  );
}

/**
 * Opens one whole packet: a reader of its payload.
 *
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `trailing-bytes`.
 */
export function openPacket(bytes: Uint8Array, magic: AjpMagic): AjpReader {
  const reader = new AjpReader(bytes);
  reader.magic(magic);
  const length = reader.u16("packet.length");
  if (length > MAX_AJP_PACKET_SIZE - AJP_HEADER_LENGTH) {
    throw reader.error(
      "too-large",
      "packet.length",
      `${length} > ${MAX_AJP_PACKET_SIZE - AJP_HEADER_LENGTH}`,
      2,
    );
  }
  if (length > reader.remaining) {
    throw reader.error(
      "truncated",
      "packet.payload",
      `need ${length} bytes, have ${reader.remaining}`,
    );
  }
  if (length < reader.remaining) {
    throw reader.error(
      "trailing-bytes",
      "packet",
      `${reader.remaining - length} bytes after the end`,
      AJP_HEADER_LENGTH + length,
    );
  }
  return reader;
}

/** Opens one whole packet that has to be of one type; the type is read. */
export function openPacketOfType(
  bytes: Uint8Array,
  magic: AjpMagic,
  type: number,
): AjpReader {
  const reader = openPacket(bytes, magic);
  const found = reader.u8("packet.type");
  if (found === type) return reader;
  throw reader.error(
    "bad-marker",
    "packet.type",
    `${found} is not ${type}`,
    AJP_HEADER_LENGTH,
  );
}

/** Writes the head of a packet whose whole length is that of the writer's buffer. */
export function writePacketHead(writer: AjpWriter, magic: AjpMagic): void {
  writer.u16(magic);
  writer.u16(writer.bytes.length - AJP_HEADER_LENGTH);
}

/**
 * Checks the whole length of a packet before anything is allocated for it.
 *
 * @throws {EncodeError} `too-large`.
 */
export function checkPacketLength(length: number, packetSize: number): number {
  if (length <= packetSize) return length;
  throw new EncodeError("too-large", "packet", `${length} > ${packetSize}`);
}
