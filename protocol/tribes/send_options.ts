/** The message is raw bytes, not a Java object. */
export const SEND_OPTIONS_BYTE_MESSAGE = 0x0001;
/** The receiver acknowledges the message, before it processes it. */
export const SEND_OPTIONS_USE_ACK = 0x0002;
/** With `use_ack`: the receiver acknowledges after processing, and tells when it failed. */
export const SEND_OPTIONS_SYNCHRONIZED_ACK = 0x0004;
/** The dispatch interceptor queues the message; the send returns at once. */
export const SEND_OPTIONS_ASYNCHRONOUS = 0x0008;
/** Reserved by Tribes, without effect. */
export const SEND_OPTIONS_SECURE = 0x0010;
/** The message is sent as one datagram to the member's UDP port. */
export const SEND_OPTIONS_UDP = 0x0020;
/** The message is sent to the membership's multicast group, whatever its destination. */
export const SEND_OPTIONS_MULTICAST = 0x0040;
/** Tribes' default: `use_ack`. */
export const SEND_OPTIONS_DEFAULT: number = SEND_OPTIONS_USE_ACK;

/** A send option as configurations name it. */
export type SendOptionName =
  | "byte"
  | "use_ack"
  | "sync"
  | "async"
  | "secure"
  | "udp"
  | "multicast";

// Lowest bit first; the first name of a row is the one that is written.
const NAMES: readonly (readonly [number, readonly string[]])[] = [
  [SEND_OPTIONS_BYTE_MESSAGE, ["byte", "byte_message"]],
  [SEND_OPTIONS_USE_ACK, ["use_ack"]],
  [
    SEND_OPTIONS_SYNCHRONIZED_ACK,
    ["sync", "sync_ack", "synchronized_ack"],
  ],
  [SEND_OPTIONS_ASYNCHRONOUS, ["async", "asynchronous"]],
  [SEND_OPTIONS_SECURE, ["secure"]],
  [SEND_OPTIONS_UDP, ["udp"]],
  [SEND_OPTIONS_MULTICAST, ["multicast"]],
];

/**
 * Reads send options as `channelSendOptions` has them: a number, or names separated by commas.
 * Hexadecimal works too; `0x000B` of older documents is 11 (`byte`, `use_ack` and `async`), not 10.
 *
 * @param text `10`, `async,use_ack`, `sync_ack`; spaces around commas are allowed.
 * @returns A signed 32-bit set of bits.
 * @throws {RangeError} For an unknown name or a number beyond 32 bits.
 * @example
 * ```ts
 * import { formatSendOptions, parseSendOptions } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.equal(parseSendOptions("async, use_ack"), 10);
 * assert.equal(formatSendOptions(10), "async,use_ack");
 * ```
 */
export function parseSendOptions(text: string): number {
  let options = 0;
  for (const item of text.trim().split(/\s*,\s*/)) {
    options |= parseItem(item, text);
  }
  return options;
}

/**
 * Writes send options as names, highest bit first; bits without a name as one hexadecimal number.
 *
 * @returns `async,use_ack`; `0` when no bit is set.
 */
export function formatSendOptions(options: number): string {
  const names: string[] = sendOptionNames(options).reverse();
  let rest = options;
  for (const [bit] of NAMES) rest &= ~bit;
  if (rest !== 0) {
    names.unshift(`0x${(rest >>> 0).toString(16).padStart(4, "0")}`);
  }
  return names.length === 0 ? "0" : names.join(",");
}

/** Lists the names of the bits that are set and have one, lowest bit first. */
export function sendOptionNames(options: number): SendOptionName[] {
  return NAMES.filter(([bit]) => (options & bit) !== 0)
    .map(([, names]) => names[0] as SendOptionName); // the table's first names are that type
}

function parseItem(item: string, text: string): number {
  const named = NAMES.find(([, names]) => names.includes(item));
  if (named !== undefined) return named[0];
  const value = /^(-?\d+|0[xX][0-9a-fA-F]+)$/.test(item) ? Number(item) : NaN;
  if (value >= -0x8000_0000 && value <= 0xffff_ffff) return value | 0;
  throw new RangeError(
    `Cannot read send options ${JSON.stringify(text)}: ${
      JSON.stringify(item)
    } is neither a number nor one of ${
      NAMES.flatMap(([, names]) => names).join(", ")
    }`,
  );
}
