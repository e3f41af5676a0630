// Members carry address bytes, sockets take text.
import { EncodeError } from "../errors.ts";

/**
 * Turns a numeric address into the bytes of a member block.
 *
 * @param address IPv4 (`127.0.0.1`) or IPv6 (`::1`, brackets allowed) as text.
 * @returns 4 or 16 bytes.
 * @throws {EncodeError} `malformed` for anything else, such as a host name.
 * @example
 * ```ts
 * import { encodeHost } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([...encodeHost("10.0.0.3")], [10, 0, 0, 3]);
 * ```
 */
export function encodeHost(address: string): Uint8Array<ArrayBuffer> {
  const text = address.replace(/^\[(.*)\]$/, "$1");
  const host = text.includes(":") ? ipv6(text) : ipv4(text);
  if (host === undefined) {
    throw new EncodeError(
      "malformed",
      "host",
      `${JSON.stringify(address)} is not a numeric address`,
    );
  }
  return host;
}

/**
 * Turns a member's host bytes into the text that a socket takes.
 *
 * @param host The bytes.
 * @returns `127.0.0.1`, `::1`; bytes of another length as Tomcat shows them, `{1, 2}`.
 */
export function decodeHost(host: Uint8Array): string {
  if (host.length === 4) return host.join(".");
  if (host.length !== 16) return `{${host.join(", ")}}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => (host[i * 2]! << 8 | host[i * 2 + 1]!).toString(16), // 16 bytes
  );
  return canonicalIpv6(groups.join(":"))!; // eight groups are an address
}

function ipv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part < 256) ? new Uint8Array(parts) : undefined;
}

function ipv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const canonical = canonicalIpv6(text);
  if (canonical === undefined) return undefined;
  const [head = "", tail] = canonical.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const front = groups(head);
  const back = groups(tail ?? "");
  const zeros = Array<string>(8 - front.length - back.length).fill("0");
  const bytes = new Uint8Array(16);
  [...front, ...zeros, ...back].forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    bytes[i * 2] = value >> 8;
    bytes[i * 2 + 1] = value;
  });
  return bytes;
}

/** The URL standard's parser knows every form of an IPv6 address and writes one. */
function canonicalIpv6(text: string): string | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const url = `http://[${text}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
}
