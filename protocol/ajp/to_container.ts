// Every packet that a front end may send to a container.
import type { AjpReader } from "./ajp_reader.ts";
import {
  type BodyPacket,
  byteLengthBodyPacket,
  encodeBodyPacket,
  readBodyPacket,
} from "./body_packet.ts";
import {
  type ControlRequest,
  encodeCping,
  encodePing,
  encodeShutdown,
} from "./control_packet.ts";
import {
  byteLengthForwardRequest,
  encodeForwardRequest,
  type ForwardRequest,
  readForwardRequest,
} from "./forward_request.ts";
import {
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  JK_AJP13_CPING_REQUEST,
  JK_AJP13_FORWARD_REQUEST,
  JK_AJP13_PING_REQUEST,
  JK_AJP13_SHUTDOWN,
  MAX_AJP_PACKET_SIZE,
  openPacket,
} from "./packet.ts";

/** A packet from a front end to a container. */
export type AjpToContainer = ForwardRequest | BodyPacket | ControlRequest;

/**
 * Number of bytes of a packet, head included.
 *
 * @param packet The packet.
 */
export function byteLengthAjpToContainer(packet: AjpToContainer): number {
  switch (packet.type) {
    case "forwardRequest":
      return byteLengthForwardRequest(packet);
    case "body":
      return byteLengthBodyPacket(packet);
    default:
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
export function encodeAjpToContainer(
  packet: AjpToContainer,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  switch (packet.type) {
    case "forwardRequest":
      return encodeForwardRequest(packet, packetSize);
    case "body":
      return encodeBodyPacket(packet, packetSize);
    case "cping":
      return encodeCping();
    case "shutdown":
      return encodeShutdown();
    case "ping":
      return encodePing();
  }
}

/**
 * Decodes a packet. A part of a body has no type, so that the caller has to know what comes.
 *
 * Borrowed: the data of a body packet is a view of `bytes`.
 *
 * @param bytes One whole packet, head included.
 * @param expect What the conversation is at: a body packet, or any other.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `out-of-range`, `trailing-bytes`;
 * `unsupported` for a type without meaning.
 */
export function decodeAjpToContainer(
  bytes: Uint8Array,
  expect: "request" | "body",
): AjpToContainer {
  const reader = openPacket(bytes, AJP_TO_CONTAINER);
  return expect === "body" ? readBodyPacket(reader) : readRequestPacket(reader);
}

/** Reads the payload of any packet but a body packet. */
export function readRequestPacket(
  reader: AjpReader,
  maxHeaderCount?: number,
): ForwardRequest | ControlRequest {
  const type = reader.u8("packet.type");
  if (type === JK_AJP13_FORWARD_REQUEST) {
    return readForwardRequest(reader, maxHeaderCount);
  }
  const name = CONTROL.get(type);
  if (name === undefined) {
    throw reader.error(
      "unsupported",
      "packet.type",
      `type ${type} means nothing`,
      AJP_HEADER_LENGTH,
    );
  }
  reader.end(name);
  return { type: name };
}

const CONTROL: ReadonlyMap<number, ControlRequest["type"]> = new Map([
  [JK_AJP13_CPING_REQUEST, "cping"],
  [JK_AJP13_SHUTDOWN, "shutdown"],
  [JK_AJP13_PING_REQUEST, "ping"],
]);
