// Fields of JSON that may be null, or that are no numbers.
import { EncodeError, encodeHex } from "../protocol/mod.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  type JsonValue,
} from "./json.ts";

/** What the form of a message does not say cannot be made up. */
export function untold(field: string): never {
  throw new EncodeError("unsupported", field, "the value does not tell it");
}

/** Bytes in hexadecimal. */
export function hexOrNull(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : encodeHex(bytes);
}

/** Reads bytes; a field that is missing is null. */
export function bytesOrNull(
  value: JsonObject,
  name: string,
): Uint8Array | null {
  return (value[name] ?? null) === null
    ? null
    : new JsonFields(value).bytes(name);
}

/**
 * Reads a text.
 *
 * @param path Put before the name in errors.
 * @throws {EncodeError} `malformed`.
 */
export function textOf(value: JsonObject, name: string, path: string): string {
  const text = value[name];
  if (typeof text === "string") return text;
  throw new EncodeError(
    "malformed",
    `${path}${name}`,
    text === undefined ? "the field is missing" : "it is not a text",
  );
}

/** Reads a text that may be null. */
export function textOrNull(
  value: JsonObject,
  name: string,
  byDefault?: null,
): string | null {
  const text = value[name] === undefined ? byDefault : value[name];
  return text === null ? null : textOf(value, name, "");
}

/** Reads a boolean. */
export function booleanOf(
  value: JsonObject,
  name: string,
  byDefault?: boolean,
): boolean {
  const flag = value[name] ?? byDefault;
  if (typeof flag === "boolean") return flag;
  throw new EncodeError(
    "malformed",
    name,
    flag === undefined ? "the field is missing" : "it is not a boolean",
  );
}

/**
 * Reads an array.
 *
 * @param path Put before the name in errors.
 */
export function arrayOf(
  value: JsonObject,
  name: string,
  path: string,
): readonly JsonValue[] {
  const items = value[name];
  if (Array.isArray(items)) return items as readonly JsonValue[];
  throw new EncodeError(
    "malformed",
    `${path}${name}`,
    items === undefined ? "the field is missing" : "it is not an array",
  );
}

/**
 * Reads an array of objects.
 *
 * @param path Put before the name in errors.
 */
export function objectsOf(
  value: JsonObject,
  name: string,
  path: string,
): readonly JsonObject[] {
  return arrayOf(value, name, path).map((item, i) => {
    if (isJsonObject(item)) return item;
    throw new EncodeError(
      "malformed",
      `${path}${name}[${i}]`,
      "it is not an object",
    );
  });
}

/** The text of bytes in ISO-8859-1. */
export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
