// Packets that are nothing but their type.
import { AjpWriter } from "./ajp_writer.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  type AjpMagic,
  JK_AJP13_CPING_REQUEST,
  JK_AJP13_CPONG_REPLY,
  JK_AJP13_PING_REQUEST,
  JK_AJP13_SHUTDOWN,
  writePacketHead,
} from "./packet.ts";

/** A front end's packet without fields: is the container alive, shut down, the obsolete ping. */
export interface ControlRequest {
  /** Which packet it is. */
  readonly type: "cping" | "shutdown" | "ping";
}

/** The container's answer to a CPING. */
export interface Cpong {
  /** Which packet it is. */
  readonly type: "cpong";
}

/**
 * Encodes a CPING: `12 34 00 01 0a`.
 *
 * @returns A fresh array.
 */
export function encodeCping(): Uint8Array<ArrayBuffer> {
  return encodeType(AJP_TO_CONTAINER, JK_AJP13_CPING_REQUEST);
}

/**
 * Encodes a CPONG: `41 42 00 01 09`.
 *
 * @returns A fresh array.
 */
export function encodeCpong(): Uint8Array<ArrayBuffer> {
  return encodeType(AJP_FROM_CONTAINER, JK_AJP13_CPONG_REPLY);
}

/**
 * Encodes a SHUTDOWN: `12 34 00 01 07`.
 *
 * @returns A fresh array.
 */
export function encodeShutdown(): Uint8Array<ArrayBuffer> {
  return encodeType(AJP_TO_CONTAINER, JK_AJP13_SHUTDOWN);
}

/**
 * Encodes the obsolete PING: `12 34 00 01 08`.
 *
 * @returns A fresh array.
 */
export function encodePing(): Uint8Array<ArrayBuffer> {
  return encodeType(AJP_TO_CONTAINER, JK_AJP13_PING_REQUEST);
}

function encodeType(magic: AjpMagic, type: number): Uint8Array<ArrayBuffer> {
  const writer = new AjpWriter(AJP_HEADER_LENGTH + 1);
  writePacketHead(writer, magic);
  writer.u8(type);
  return writer.bytes;
}
