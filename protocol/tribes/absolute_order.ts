import type { Member } from "./member.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../generation.ts";

/** Options of {@linkcode compareAbsoluteOrder}. */
export interface AbsoluteOrderOptions {
  /**
   * The release whose order is wanted: bytes count as unsigned from 9.0.119, 10.1.56 and 11.0.23
   * on, and as signed before. A group that mixes both disagrees about its order.
   */
  readonly generation?: Generation;
}

/**
 * Compares members by Tribes' absolute order: the shorter host first, then host, port and unique
 * id, byte by byte.
 *
 * Source: `org.apache.catalina.tribes.group.AbsoluteOrder`.
 *
 * @returns Negative, zero or positive, for `Array.prototype.sort`.
 */
export function compareAbsoluteOrder(
  a: Member,
  b: Member,
  options: AbsoluteOrderOptions = {},
): number {
  const { generation = DEFAULT_GENERATION } = options;
  const signed = !isAtLeast(generation, "9.0.119", "10.1.56", "11.0.23");
  return a.host.length - b.host.length ||
    compareBytes(a.host, b.host, signed) ||
    Math.sign(a.port - b.port) ||
    compareBytes(a.uniqueId, b.uniqueId, signed);
}

function compareBytes(
  a: Uint8Array,
  b: Uint8Array,
  signed: boolean,
): number {
  const flip = signed ? 0x80 : 0; // orders unsigned bytes as if they were signed
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i]! ^ flip) - (b[i]! ^ flip); // i is within both
    if (difference !== 0) return Math.sign(difference);
  }
  return a.length - b.length;
}
