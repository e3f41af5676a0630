/** Number of bytes of a member's or message's unique id. */
export const UNIQUE_ID_LENGTH = 16;

/** Fills an array with random bytes, as `crypto.getRandomValues` does. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => void;

/**
 * Makes a unique id from 16 random bytes: a version 4 UUID, in place.
 *
 * Source: `org.apache.catalina.tribes.util.UUIDGenerator`.
 *
 * @param bytes Random bytes; six of their bits are set.
 * @param at Index of the first of the 16 bytes.
 */
export function setUniqueIdVersion(bytes: Uint8Array, at = 0): void {
  bytes[at + 6] = bytes[at + 6]! & 0x0f | 0x40; // the caller has 16 bytes there
  bytes[at + 8] = bytes[at + 8]! & 0x3f | 0x80;
}

/**
 * Makes one unique id.
 *
 * @param random Where the random bytes come from; `crypto.getRandomValues` for a member.
 */
export function makeUniqueId(random: RandomBytes): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(UNIQUE_ID_LENGTH);
  random(bytes);
  setUniqueIdVersion(bytes);
  return bytes;
}
