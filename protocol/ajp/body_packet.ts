// A part of a request's body. It has no type: that a packet is one is known from the conversation.
import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter } from "./ajp_writer.ts";
import {
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  checkPacketLength,
  MAX_AJP_PACKET_SIZE,
  openPacket,
  writePacketHead,
} from "./packet.ts";

/** A part of a request's body, or its end. */
export interface BodyPacket {
  /** Which packet it is. */
  readonly type: "body";
  /** Bytes of the body; empty at its end. */
  readonly data: Uint8Array;
  /**
   * Whether the packet has no payload at all: `12 34 00 00`, by which mod_jk ends a body. The other
   * end, of mod_proxy_ajp, has a count of 0: `12 34 00 02 00 00`.
   */
  readonly bare: boolean;
}

/**
 * Number of bytes of a body packet, head included.
 *
 * @param packet The packet.
 */
export function byteLengthBodyPacket({ data, bare }: BodyPacket): number {
  return AJP_HEADER_LENGTH + (bare ? 0 : 2 + data.length);
}

/**
 * Encodes a body packet, head included.
 *
 * @param packet The packet; the data of a bare one is not written.
 * @param packetSize Greatest packet, in bytes.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large`.
 */
export function encodeBodyPacket(
  packet: BodyPacket,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  const length = byteLengthBodyPacket(packet);
  const writer = new AjpWriter(checkPacketLength(length, packetSize));
  writePacketHead(writer, AJP_TO_CONTAINER);
  if (packet.bare) return writer.bytes;
  writer.u16(packet.data.length);
  writer.data(packet.data);
  return writer.bytes;
}

/**
 * Decodes a body packet.
 *
 * Borrowed: `data` is a view of `bytes`.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `trailing-bytes`.
 */
export function decodeBodyPacket(bytes: Uint8Array): BodyPacket {
  return readBodyPacket(openPacket(bytes, AJP_TO_CONTAINER));
}

/** Reads a whole payload. */
export function readBodyPacket(reader: AjpReader): BodyPacket {
  if (reader.remaining === 0) {
    return { type: "body", data: NOTHING, bare: true };
  }
  const length = reader.u16("body.length");
  const data = reader.bytes(length, "body.data");
  reader.end("body");
  return { type: "body", data, bare: false };
}

const NOTHING = new Uint8Array();
