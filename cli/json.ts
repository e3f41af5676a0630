import { decodeHex, EncodeError } from "../protocol/mod.ts";

/** What JSON can hold. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Tells whether a value is an object, and neither an array nor null. */
export function isJsonObject(
  value: JsonValue | undefined,
): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads the fields of an object that is to be encoded. Each read names its field, so that an error
 * says which one is missing or wrong. A field without a default must be there.
 */
export class JsonFields {
  readonly #object: JsonObject;
  readonly #path: string;

  /**
   * Reads `object`.
   *
   * @param path Put before the names of fields in errors, such as `member.`.
   */
  constructor(object: JsonObject, path = "") {
    this.#object = object;
    this.#path = path;
  }

  /** The same fields with another path in errors. */
  within(path: string): JsonFields {
    return new JsonFields(this.#object, path);
  }

  /** Reads bytes, hexadecimal. */
  bytes(name: string, byDefault?: string): Uint8Array<ArrayBuffer> {
    return this.#bytes(name, this.#get(name, byDefault));
  }

  /** Reads an integer, a number or a string of digits; the encoder checks its range. */
  integer(name: string, byDefault?: number): number {
    const value = this.#get(name, byDefault);
    if (typeof value === "number") return value;
    if (typeof value === "string" && /^-?\d+$/.test(value)) {
      return Number(value);
    }
    throw this.#error(name, value, "an integer");
  }

  /**
   * Reads an object.
   *
   * @param path Put before the names of its fields in errors.
   */
  object(name: string, path = `${this.#path}${name}.`): JsonFields {
    const value = this.#get(name);
    if (isJsonObject(value)) return new JsonFields(value, path);
    throw this.#error(name, value, "an object");
  }

  /** Reads an array of byte strings, each hexadecimal. */
  byteArrays(name: string): Uint8Array<ArrayBuffer>[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.#error(name, value, "an array");
    return value.map((item, i) => this.#bytes(`${name}[${i}]`, item));
  }

  #bytes(name: string, value: JsonValue): Uint8Array<ArrayBuffer> {
    if (typeof value !== "string" || !/^([0-9a-fA-F]{2})*$/.test(value)) {
      throw this.#error(name, value, "whole bytes in hexadecimal");
    }
    return decodeHex(value);
  }

  #get(name: string, byDefault?: JsonValue): JsonValue {
    const value = Object.hasOwn(this.#object, name)
      ? this.#object[name]
      : byDefault;
    if (value !== undefined) return value;
    throw new EncodeError(
      "malformed",
      `${this.#path}${name}`,
      "the field is missing",
    );
  }

  #error(name: string, value: JsonValue, wanted: string): EncodeError {
    return new EncodeError(
      "malformed",
      `${this.#path}${name}`,
      `${abbreviate(JSON.stringify(value))} is not ${wanted}`,
    );
  }
}

/** Shortens a text for a message: values may be megabytes long. */
export function abbreviate(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}
