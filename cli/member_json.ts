import {
  createMember,
  encodeHex,
  type Member,
  type MemberInit,
} from "../protocol/mod.ts";
import type { JsonFields, JsonObject } from "./json.ts";

/** Writes a member as JSON: bytes in hexadecimal, the alive time as a string. */
export function memberToJson(member: Member): JsonObject {
  return {
    host: encodeHex(member.host),
    port: member.port,
    securePort: member.securePort,
    udpPort: member.udpPort,
    aliveTime: String(member.aliveTime),
    uniqueId: encodeHex(member.uniqueId),
    domain: encodeHex(member.domain),
    command: encodeHex(member.command),
    payload: encodeHex(member.payload),
  };
}

/**
 * Reads a member from JSON; all but `host` and `port` have defaults.
 *
 * @throws {EncodeError} `malformed`, `out-of-range`.
 */
export function memberFromJson(fields: JsonFields): Member {
  const init: MemberInit = {
    host: fields.bytes("host"),
    port: fields.integer("port"),
    securePort: fields.integer("securePort", -1),
    udpPort: fields.integer("udpPort", -1),
    aliveTime: fields.integer("aliveTime", 0),
    uniqueId: fields.bytes("uniqueId", "00".repeat(16)),
    domain: fields.bytes("domain", ""),
    command: fields.bytes("command", ""),
    payload: fields.bytes("payload", ""),
  };
  return createMember(init);
}
