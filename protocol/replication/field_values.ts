// What fields of our own objects are made of.
import { EncodeError } from "../errors.ts";
import { JavaString } from "../java/tree.ts";

/**
 * A `long` of a number.
 *
 * @throws {EncodeError} `out-of-range` for what is no safe integer.
 */
export function longValue(value: number, field: string): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new EncodeError(
    "out-of-range",
    field,
    `${value} is not a safe integer`,
  );
}

/** A `String`, or null. */
export function stringValue(value: string | null): JavaString | null {
  return value === null ? null : new JavaString(value);
}
