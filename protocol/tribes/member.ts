import { ByteReader } from "../bytes/byte_reader.ts";
import {
  ByteWriter,
  checkInt32,
  checkSafeInteger,
} from "../bytes/byte_writer.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { encodeHex } from "../bytes/hex.ts";
import { DecodeError, EncodeError } from "../errors.ts";
import { decodeHost } from "./host.ts";
import { UNIQUE_ID_LENGTH } from "./unique_id.ts";

/** Begin marker of a member block: `TRIBES-B` and version 1.0. */
export const TRIBES_MBR_BEGIN: Uint8Array<ArrayBuffer> = marker("TRIBES-B");
/** End marker of a member block: `TRIBES-E` and version 1.0. */
export const TRIBES_MBR_END: Uint8Array<ArrayBuffer> = marker("TRIBES-E");
/** Command of a member that is leaving, ASCII `BABY-ALEX`. */
export const SHUTDOWN_PAYLOAD: Uint8Array<ArrayBuffer> = new TextEncoder()
  .encode("BABY-ALEX");
/** Greatest number of host bytes: the length is a signed byte. */
export const MAX_HOST_LENGTH = 127;
/** Greatest member block that a payload may lead to: one datagram. */
export const MAX_MEMBER_LENGTH = 65_535;

const FIXED_LENGTH = 73;
const OUTER_LENGTH = 24;

/** One node of a Tribes group, as its member block describes it. */
export interface Member {
  /** Address bytes: 4 for IPv4, 16 for IPv6. */
  readonly host: Uint8Array;
  /** TCP port of its receiver. */
  readonly port: number;
  /** Secure port; -1 without one. */
  readonly securePort: number;
  /** UDP port of its receiver; -1 without one. */
  readonly udpPort: number;
  /** Milliseconds since the member started, when the block was written. */
  readonly aliveTime: number;
  /** 16 bytes that are new at each start of a node. */
  readonly uniqueId: Uint8Array;
  /** Domain, ISO-8859-1 by convention; empty without one. */
  readonly domain: Uint8Array;
  /** Command; {@linkcode SHUTDOWN_PAYLOAD} when the member is leaving, else empty. */
  readonly command: Uint8Array;
  /** Bytes that the application publishes. */
  readonly payload: Uint8Array;
}

/**
 * Number of bytes of a member block.
 *
 * @param member The member.
 */
export function byteLengthMember(member: Member): number {
  return FIXED_LENGTH + member.host.length + member.command.length +
    member.domain.length + member.payload.length;
}

/**
 * Encodes a member block, markers included: a beacon, or the address inside a message.
 *
 * Source: `org.apache.catalina.tribes.membership.MemberImpl#getData`.
 *
 * @param member The member; ports may be any 32-bit integer.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range`: a host above 127 bytes, a unique id that is not 16 bytes, a
 * port or time that does not fit.
 * @example A minimal member
 * ```ts
 * import { createMember, decodeMember, encodeHost, encodeMember } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const member = createMember({ host: encodeHost("127.0.0.1"), port: 4000 });
 * const block = encodeMember(member);
 * assert.equal(block.length, 77);
 * assert.equal(decodeMember(block).port, 4000);
 * ```
 */
export function encodeMember(member: Member): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthMember(member));
  writeMember(new ByteWriter(bytes), member);
  return bytes;
}

/**
 * Decodes one member block, markers included.
 *
 * Borrowed: `host`, `uniqueId`, `command`, `domain` and `payload` are views of `bytes`.
 * Source: `org.apache.catalina.tribes.membership.MemberImpl#getMember`.
 *
 * @param bytes One whole block.
 * @throws {DecodeError} `truncated`, `bad-marker`, `out-of-range`, `trailing-bytes`.
 */
export function decodeMember(bytes: Uint8Array): Member {
  const reader = new ByteReader(bytes);
  const member = readMember(reader);
  reader.end("member");
  return member;
}

/**
 * Decodes a beacon: a member block at the start of a datagram. Bytes behind it are ignored, as
 * Tomcat ignores them (vector `member-reject/trailing`).
 *
 * Borrowed, as {@linkcode decodeMember}.
 *
 * @param datagram The whole datagram.
 * @throws {DecodeError} `truncated`, `bad-marker`, `out-of-range`, `trailing-bytes`.
 */
export function decodeBeacon(datagram: Uint8Array): Member {
  return readMember(new ByteReader(datagram));
}

/** Writes a member block as part of a larger message. */
export function writeMember(writer: ByteWriter, member: Member): void {
  checkMember(member);
  writer.bytes(TRIBES_MBR_BEGIN);
  writer.i32(byteLengthMember(member) - OUTER_LENGTH);
  writer.safeI64(member.aliveTime);
  writer.i32(member.port);
  writer.i32(member.securePort);
  writer.i32(member.udpPort);
  writer.u8(member.host.length);
  writer.bytes(member.host);
  writer.lengthAndBytes(member.command);
  writer.lengthAndBytes(member.domain);
  writer.bytes(member.uniqueId);
  writer.lengthAndBytes(member.payload);
  writer.bytes(TRIBES_MBR_END);
}

/** Reads a member block as part of a larger message; borrowed, as {@linkcode decodeMember}. */
export function readMember(reader: ByteReader): Member {
  reader.marker(TRIBES_MBR_BEGIN, "member.begin");
  const body = reader.sub(reader.length("member.body"), "member.body");
  const aliveTime = body.safeI64("member.aliveTime");
  const port = body.i32("member.port");
  const securePort = body.i32("member.securePort");
  const udpPort = body.i32("member.udpPort");
  const hostLengthAt = body.offset;
  const hostLength = body.i8("member.host.length");
  if (hostLength < 0) {
    throw new DecodeError(
      "out-of-range",
      "member.host.length",
      hostLengthAt,
      `${hostLength & 0xff} > ${MAX_HOST_LENGTH}`,
    );
  }
  const host = body.bytes(hostLength, "member.host");
  const command = body.bytes(body.length("member.command"), "member.command");
  const domain = body.bytes(body.length("member.domain"), "member.domain");
  const uniqueId = body.bytes(UNIQUE_ID_LENGTH, "member.uniqueId");
  const payload = body.bytes(body.length("member.payload"), "member.payload");
  body.end("member.body");
  reader.marker(TRIBES_MBR_END, "member.end");
  return {
    host,
    port,
    securePort,
    udpPort,
    aliveTime,
    uniqueId,
    domain,
    command,
    payload,
  };
}

/** Tells whether a datagram is a beacon; anything else in a group is a broadcast frame. */
export function isBeacon(datagram: Uint8Array): boolean {
  return datagram.length >= TRIBES_MBR_BEGIN.length &&
    equalBytes(
      datagram.subarray(0, TRIBES_MBR_BEGIN.length),
      TRIBES_MBR_BEGIN,
    );
}

/** What {@linkcode createMember} needs; the rest has Tribes' defaults. */
export type MemberInit = Pick<Member, "host" | "port"> & Partial<Member>;

/**
 * Makes a member from what is known of it; its arrays are copied.
 *
 * @param init `host` and `port`; without the rest no secure and UDP port, alive time 0, an all-zero
 * unique id, and nothing in domain, command and payload.
 */
export function createMember(init: MemberInit): Member {
  const member: Member = {
    host: init.host.slice(),
    port: init.port,
    securePort: init.securePort ?? -1,
    udpPort: init.udpPort ?? -1,
    aliveTime: init.aliveTime ?? 0,
    uniqueId: init.uniqueId?.slice() ?? new Uint8Array(UNIQUE_ID_LENGTH),
    domain: init.domain?.slice() ?? new Uint8Array(),
    command: init.command?.slice() ?? new Uint8Array(),
    payload: init.payload?.slice() ?? new Uint8Array(),
  };
  checkMember(member);
  return member;
}

/**
 * Tells whether two blocks describe the same node: host, TCP port and unique id. A restarted node
 * has a new unique id and so is another member.
 */
export function equalMembers(a: Member, b: Member): boolean {
  return a === b || a.port === b.port && equalBytes(a.host, b.host) &&
      equalBytes(a.uniqueId, b.uniqueId);
}

/** A text that is equal for equal members, to look them up by. */
export function memberKey(member: Member): string {
  return `${encodeHex(member.host)}:${member.port}/${
    encodeHex(member.uniqueId)
  }`;
}

/** Tells whether a member says that it is leaving. */
export function isShutdown(member: Member): boolean {
  return equalBytes(member.command, SHUTDOWN_PAYLOAD);
}

/**
 * The member's address for people.
 *
 * @returns `127.0.0.1:4000`, `[::1]:4000`.
 */
export function formatMember(member: Member): string {
  const host = decodeHost(member.host);
  return host.includes(":")
    ? `[${host}]:${member.port}`
    : `${host}:${member.port}`;
}

/**
 * The name by which Tomcat's logs call a member that it knows from the wire.
 *
 * @returns `tcp://{127, 0, 0, 1}:4000`.
 */
export function tomcatMemberName(member: Member): string {
  return `tcp://{${member.host.join(", ")}}:${member.port}`;
}

/**
 * Reads a domain or unique id as Tomcat's configuration writes them: text as ISO-8859-1, or signed
 * decimal bytes in braces without spaces.
 *
 * @param text `catalina`, or `{1,2,-3}`.
 * @param field The attribute's name, for the error.
 * @throws {EncodeError} `malformed` for a list that Tomcat refuses; `out-of-range` for a character
 * that ISO-8859-1 does not have (Tomcat would write a question mark).
 */
export function parseByteString(
  text: string,
  field: string,
): Uint8Array<ArrayBuffer> {
  if (text.startsWith("{")) return parseByteList(text, field);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0xff) {
      throw new EncodeError(
        "out-of-range",
        field,
        `character ${i} of ${JSON.stringify(text)} is not in ISO-8859-1`,
      );
    }
    bytes[i] = unit;
  }
  return bytes;
}

function parseByteList(text: string, field: string): Uint8Array<ArrayBuffer> {
  const inner = /^\{(.*)\}$/s.exec(text)?.[1];
  const items = inner === "" ? [] : inner?.split(",") ?? ["{"];
  return Uint8Array.from(items, (item) => {
    const value = Number(item);
    if (!/^[+-]?\d+$/.test(item) || value < -128 || value > 127) {
      throw new EncodeError(
        "malformed",
        field,
        `${
          JSON.stringify(text)
        } is not a list of signed bytes such as {1,2,-3}`,
      );
    }
    return value;
  });
}

function checkMember(member: Member): void {
  if (member.host.length > MAX_HOST_LENGTH) {
    throw new EncodeError(
      "out-of-range",
      "member.host",
      `${member.host.length} bytes > ${MAX_HOST_LENGTH}`,
    );
  }
  if (member.uniqueId.length !== UNIQUE_ID_LENGTH) {
    throw new EncodeError(
      "out-of-range",
      "member.uniqueId",
      `${member.uniqueId.length} bytes, not ${UNIQUE_ID_LENGTH}`,
    );
  }
  checkInt32(member.port, "member.port");
  checkInt32(member.securePort, "member.securePort");
  checkInt32(member.udpPort, "member.udpPort");
  checkSafeInteger(member.aliveTime, "member.aliveTime");
}

function marker(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\u0001\u0000`);
}
