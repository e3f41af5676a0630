import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter } from "./ajp_writer.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  checkPacketLength,
  JK_AJP13_SEND_BODY_CHUNK,
  MAX_AJP_PACKET_SIZE,
  openPacketOfType,
  writePacketHead,
} from "./packet.ts";

/** A part of a response's body, or a flush. */
export interface SendBodyChunk {
  /** Which packet it is. */
  readonly type: "sendBodyChunk";
  /** Bytes of the body; none asks the front end to flush. */
  readonly data: Uint8Array;
  /** Whether a zero stands behind the data, as Tomcat writes it; other containers may not. */
  readonly terminated: boolean;
}

/**
 * Number of bytes of the packet, head included.
 *
 * @param packet The chunk.
 */
export function byteLengthSendBodyChunk(packet: SendBodyChunk): number {
  return AJP_HEADER_LENGTH + 3 + packet.data.length +
    (packet.terminated ? 1 : 0);
}

/**
 * Encodes a part of a body, with the head of the packet.
 *
 * @param packet The chunk.
 * @param packetSize Greatest packet, in bytes.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large`.
 */
export function encodeSendBodyChunk(
  packet: SendBodyChunk,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  const length = byteLengthSendBodyChunk(packet);
  const writer = new AjpWriter(checkPacketLength(length, packetSize));
  writePacketHead(writer, AJP_FROM_CONTAINER);
  writer.u8(JK_AJP13_SEND_BODY_CHUNK);
  writer.u16(packet.data.length);
  writer.data(packet.data);
  return writer.bytes; // the buffer is new: its zero ends a terminated chunk
}

/**
 * Decodes a part of a body.
 *
 * Borrowed: `data` is a view of `bytes`.
 *
 * @param bytes One whole packet, head included.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `trailing-bytes`.
 */
export function decodeSendBodyChunk(bytes: Uint8Array): SendBodyChunk {
  return readSendBodyChunk(
    openPacketOfType(bytes, AJP_FROM_CONTAINER, JK_AJP13_SEND_BODY_CHUNK),
  );
}

/** Reads what follows the type, to the end of the packet. */
export function readSendBodyChunk(reader: AjpReader): SendBodyChunk {
  const length = reader.u16("sendBodyChunk.length");
  const data = reader.bytes(length, "sendBodyChunk.data");
  if (reader.remaining === 0) {
    return { type: "sendBodyChunk", data, terminated: false };
  }
  const end = reader.u8("sendBodyChunk.end");
  if (end !== 0) {
    throw reader.error(
      "bad-marker",
      "sendBodyChunk.end",
      `byte ${end} ends the chunk, not 0`,
      reader.position - 1,
    );
  }
  reader.end("sendBodyChunk");
  return { type: "sendBodyChunk", data, terminated: true };
}
