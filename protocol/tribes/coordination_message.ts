// What members of a group with NonBlockingCoordinator say to each other to agree on a view.
import { ByteReader } from "../bytes/byte_reader.ts";
import { ByteWriter, checkInt32 } from "../bytes/byte_writer.ts";
import { decodeHex } from "../bytes/hex.ts";
import { EncodeError } from "../errors.ts";
import { COORDINATION_HEADER } from "./control_bodies.ts";
import {
  byteLengthMember,
  type Member,
  readMember,
  writeMember,
} from "./member.ts";
import { UNIQUE_ID_LENGTH } from "./unique_id.ts";

/** Body that a coordinator swallows and no Tomcat sends. */
export const COORDINATION_ALIVE: Uint8Array<ArrayBuffer> = decodeHex(
  "4f87e7f1c505405eb37189a83472c8d2ee660a2281f74773ba489b5848847f6f" +
    "4a4c8c326f674103b333dd00777509e67732b5979a244f25bcac850fea936ac9",
);
/** Number of bytes of a coordination message's type. */
export const COORDINATION_TYPE_LENGTH = 16;

/** Body of one message of an election. */
export interface CoordinationMessage {
  /** The first member of the view, as the last sender saw it. */
  readonly leader: Member;
  /** The member that began the election. */
  readonly source: Member;
  /** The members found so far, in absolute order. */
  readonly view: readonly Member[];
  /** 16 bytes: the id of the election, and of the view that it leads to. */
  readonly id: Uint8Array;
  /**
   * 16 bytes: `COORDINATION_REQUEST` passes a view on, `COORDINATION_CONFIRMATION` installs it.
   * Tomcat takes any other for a request.
   */
  readonly type: Uint8Array;
}

/** Number of bytes of a coordination message. */
export function byteLengthCoordinationMessage(
  message: CoordinationMessage,
): number {
  let length = COORDINATION_HEADER.length + 12 + UNIQUE_ID_LENGTH +
    COORDINATION_TYPE_LENGTH + byteLengthMember(message.leader) +
    byteLengthMember(message.source);
  for (const member of message.view) length += 4 + byteLengthMember(member);
  return length;
}

/**
 * Encodes the body of a coordination message.
 *
 * Source: `org.apache.catalina.tribes.group.interceptors.NonBlockingCoordinator$CoordinationMessage`.
 *
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range`: an id or type that is not 16 bytes, a member without wire
 * form.
 * @example A view of one
 * ```ts
 * import {
 *   COORDINATION_CONFIRMATION,
 *   createMember,
 *   decodeCoordinationMessage,
 *   encodeCoordinationMessage,
 *   encodeHost,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const member = createMember({ host: encodeHost("127.0.0.1"), port: 4000 });
 * const body = encodeCoordinationMessage({
 *   leader: member,
 *   source: member,
 *   view: [member],
 *   id: new Uint8Array(16),
 *   type: COORDINATION_CONFIRMATION,
 * });
 * assert.equal(decodeCoordinationMessage(body).view[0]?.port, 4000);
 * ```
 */
export function encodeCoordinationMessage(
  message: CoordinationMessage,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthCoordinationMessage(message));
  writeCoordinationMessage(new ByteWriter(bytes), message);
  return bytes;
}

/**
 * Decodes the body of a coordination message.
 *
 * Borrowed: `id`, `type` and the fields of all members are views of `bytes`.
 *
 * @param bytes One whole body.
 * @throws {DecodeError} `truncated`, `bad-marker`, `out-of-range`, `trailing-bytes`.
 */
export function decodeCoordinationMessage(
  bytes: Uint8Array,
): CoordinationMessage {
  const reader = new ByteReader(bytes);
  const message = readCoordinationMessage(reader);
  reader.end("coordination");
  return message;
}

/** Writes a coordination message as part of a larger one. */
export function writeCoordinationMessage(
  writer: ByteWriter,
  message: CoordinationMessage,
): void {
  checkLength(message.id, UNIQUE_ID_LENGTH, "coordination.id");
  checkLength(message.type, COORDINATION_TYPE_LENGTH, "coordination.type");
  checkInt32(message.view.length, "coordination.view");
  writer.bytes(COORDINATION_HEADER);
  writeBlock(writer, message.leader);
  writeBlock(writer, message.source);
  writer.i32(message.view.length);
  for (const member of message.view) writeBlock(writer, member);
  writer.bytes(message.id);
  writer.bytes(message.type);
}

/** Reads a coordination message as part of a larger one; borrowed. */
export function readCoordinationMessage(
  reader: ByteReader,
): CoordinationMessage {
  reader.marker(COORDINATION_HEADER, "coordination.header");
  const leader = readBlock(reader, "coordination.leader");
  const source = readBlock(reader, "coordination.source");
  // Members are read one by one: a count that lies runs into the end before it costs memory.
  const count = reader.length("coordination.view");
  const view: Member[] = [];
  for (let i = 0; i < count; i++) {
    view.push(readBlock(reader, "coordination.view"));
  }
  return {
    leader,
    source,
    view,
    id: reader.bytes(UNIQUE_ID_LENGTH, "coordination.id"),
    type: reader.bytes(COORDINATION_TYPE_LENGTH, "coordination.type"),
  };
}

function writeBlock(writer: ByteWriter, member: Member): void {
  writer.i32(byteLengthMember(member));
  writeMember(writer, member);
}

function readBlock(reader: ByteReader, field: string): Member {
  const block = reader.sub(reader.length(field), field);
  const member = readMember(block);
  block.end(field);
  return member;
}

function checkLength(bytes: Uint8Array, length: number, field: string): void {
  if (bytes.length !== length) {
    throw new EncodeError(
      "out-of-range",
      field,
      `${bytes.length} bytes, not ${length}`,
    );
  }
}
