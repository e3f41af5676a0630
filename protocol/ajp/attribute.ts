// Attributes of a request: what a front end knows besides the request itself.
import { EncodeError } from "../errors.ts";
import type { AjpReader } from "./ajp_reader.ts";
import { type AjpWriter, byteLengthString, checkUint16 } from "./ajp_writer.ts";

/** Attribute: context path, ignored by containers. */
export const SC_A_CONTEXT = 1;
/** Attribute: servlet path, ignored by containers. */
export const SC_A_SERVLET_PATH = 2;
/** Attribute: user that the front end authenticated. */
export const SC_A_REMOTE_USER = 3;
/** Attribute: how it authenticated the user. */
export const SC_A_AUTH_TYPE = 4;
/** Attribute: query string, without the question mark. */
export const SC_A_QUERY_STRING = 5;
/** Attribute: route of the balancer's member. */
export const SC_A_JVM_ROUTE = 6;
/** Attribute: the client's certificate chain, PEM. */
export const SC_A_SSL_CERT = 7;
/** Attribute: cipher suite of the client's TLS connection. */
export const SC_A_SSL_CIPHER = 8;
/** Attribute: session id of the client's TLS connection. */
export const SC_A_SSL_SESSION = 9;
/** Attribute: any other, by name. */
export const SC_A_REQ_ATTRIBUTE = 10;
/** Attribute: key size of the client's TLS connection, a number. */
export const SC_A_SSL_KEY_SIZE = 11;
/** Attribute: what the front end must know to be let in. */
export const SC_A_SECRET = 12;
/** Attribute: name of a method that has no code. */
export const SC_A_STORED_METHOD = 13;
/** End of the attributes. */
export const SC_A_ARE_DONE = 0xff;

/** One attribute. Its texts have a character for each byte: ISO-8859-1. */
export interface AjpAttribute {
  /** Its code, 0 to 254. */
  readonly code: number;
  /** Its name where the code is {@linkcode SC_A_REQ_ATTRIBUTE}, else `null`. */
  readonly name: string | null;
  /**
   * A number where the code is {@linkcode SC_A_SSL_KEY_SIZE}; `null` for the null string, and for
   * codes without a meaning, 0 and 14 to 254, which carry no value (vector `ajp-attribute/code-14`).
   */
  readonly value: string | number | null;
}

/**
 * Makes an attribute with a text.
 *
 * @param code One of the constants `SC_A_...` whose value is a string.
 * @param value The text.
 */
export function ajpAttribute(code: number, value: string): AjpAttribute {
  return { code, name: null, value };
}

/**
 * Makes a named attribute, which a container drops or refuses unless it knows or allows the name.
 *
 * @param name Such as `AJP_REMOTE_PORT`.
 * @param value The text.
 */
export function ajpRequestAttribute(name: string, value: string): AjpAttribute {
  return { code: SC_A_REQ_ATTRIBUTE, name, value };
}

/** Number of bytes of attributes, without their end. */
export function byteLengthAttributes(
  attributes: readonly AjpAttribute[],
): number {
  let length = 0;
  for (let i = 0; i < attributes.length; i++) {
    const { code, name, value } = attributes[i]!; // i < length
    length++;
    if (code === SC_A_SSL_KEY_SIZE) length += 2;
    else if (hasText(code)) {
      if (code === SC_A_REQ_ATTRIBUTE) length += byteLengthString(name);
      length += byteLengthString(textOf(value));
    }
  }
  return length;
}

/**
 * Writes attributes and their end.
 *
 * @throws {EncodeError} `out-of-range`, `malformed` (a value that is not of its code's type).
 */
export function writeAttributes(
  writer: AjpWriter,
  attributes: readonly AjpAttribute[],
): void {
  for (let i = 0; i < attributes.length; i++) {
    const attribute = attributes[i]!; // i < length
    const { code, name, value } = attribute;
    checkAttribute(attribute);
    writer.u8(code);
    if (code === SC_A_SSL_KEY_SIZE) writer.u16(Number(value));
    else if (hasText(code)) {
      if (code === SC_A_REQ_ATTRIBUTE) writer.string(name, NAME);
      writer.string(textOf(value), VALUE);
    }
  }
  writer.u8(SC_A_ARE_DONE);
}

/**
 * Reads attributes and their end.
 *
 * @throws {DecodeError} `truncated` (also without an end), `out-of-range`, `bad-marker`.
 */
export function readAttributes(reader: AjpReader): AjpAttribute[] {
  const attributes: AjpAttribute[] = [];
  for (;;) {
    const code = reader.u8(CODE);
    if (code === SC_A_ARE_DONE) return attributes;
    let name: string | null = null;
    let value: string | number | null = null;
    if (code === SC_A_SSL_KEY_SIZE) value = reader.u16(VALUE);
    else if (hasText(code)) {
      if (code === SC_A_REQ_ATTRIBUTE) name = reader.text(NAME);
      value = reader.string(VALUE);
    }
    attributes.push({ code, name, value });
  }
}

const CODE = "forwardRequest.attribute.code";
const NAME = "forwardRequest.attribute.name";
const VALUE = "forwardRequest.attribute.value";

/** Tells whether a code has a meaning; then it has text, but for the key size, which callers know. */
function hasText(code: number): boolean {
  return code >= SC_A_CONTEXT && code <= SC_A_STORED_METHOD;
}

/** Numbers are refused by checkAttribute before anything is written. */
function textOf(value: string | number | null): string | null {
  return typeof value === "number" ? null : value;
}

function checkAttribute({ code, name, value }: AjpAttribute): void {
  if (!Number.isInteger(code) || code < 0 || code >= SC_A_ARE_DONE) {
    throw new EncodeError(
      "out-of-range",
      CODE,
      `${code} is not an integer from 0 to 254`,
    );
  }
  if ((name === null) === (code === SC_A_REQ_ATTRIBUTE)) {
    throw new EncodeError(
      "malformed",
      NAME,
      `code ${code} has ${name === null ? "to have a name" : "no name"}`,
    );
  }
  if (code === SC_A_SSL_KEY_SIZE) {
    if (typeof value !== "number") throw wrongValue(code, "a number");
    checkUint16(value, VALUE);
  } else if (hasText(code) ? typeof value === "number" : value !== null) {
    throw wrongValue(code, hasText(code) ? "a text or null" : "null");
  }
}

function wrongValue(code: number, wanted: string): EncodeError {
  return new EncodeError(
    "malformed",
    VALUE,
    `the value of code ${code} is not ${wanted}`,
  );
}
