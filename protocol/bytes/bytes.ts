// The one importer of @std/bytes. The package reaches us through npm without types, so that these
// functions give it theirs.
import { concat, equals } from "@std/bytes";

const concatTyped: (
  parts: readonly Uint8Array[],
) => Uint8Array<ArrayBuffer> = concat;
const equalsTyped: (a: Uint8Array, b: Uint8Array) => boolean = equals;

/**
 * Joins byte arrays into a fresh one.
 *
 * @param parts The arrays, in order.
 */
export function concatBytes(
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return concatTyped(parts);
}

/** Tells whether two byte arrays have the same content. Not for secrets: it stops at a difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return equalsTyped(a, b);
}

/**
 * Copies bytes out of a buffer that must not be kept alive, or that its owner may reuse.
 *
 * @returns A fresh, exact array.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
