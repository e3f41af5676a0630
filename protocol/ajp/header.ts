// Headers of requests and responses: a name, as text or as a code of two bytes, and a value.
import { EncodeError } from "../errors.ts";
import type { AjpReader } from "./ajp_reader.ts";
import { type AjpWriter, byteLengthString } from "./ajp_writer.ts";

const CODE_BASE = 0xa000;

// In the order of their codes, from 0xA001 on.
const REQUEST_NAMES: readonly string[] = [
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "authorization",
  "connection",
  "content-type",
  "content-length",
  "cookie",
  "cookie2",
  "host",
  "pragma",
  "referer",
  "user-agent",
];
const RESPONSE_NAMES: readonly string[] = [
  "Content-Type",
  "Content-Language",
  "Content-Length",
  "Date",
  "Last-Modified",
  "Location",
  "Set-Cookie",
  "Set-Cookie2",
  "Servlet-Engine",
  "Status",
  "WWW-Authenticate",
];

/** One header. Its texts have a character for each byte: ISO-8859-1. */
export interface AjpHeader {
  /** Code of the name, 0xA001 and up; 0 when the name is written as text. */
  readonly code: number;
  /** The name; where there is a code, the one that the code stands for. */
  readonly name: string;
  /** The value; `null` for the null string, which is not the empty one. */
  readonly value: string | null;
}

/** The names that have a code, on one side. */
export interface HeaderNames {
  /** In the order of their codes. */
  readonly names: readonly string[];
  /** Codes by name in lower case. */
  readonly codes: ReadonlyMap<string, number>;
}

/** Names that have a code in requests. */
export const REQUEST_HEADERS: HeaderNames = headerNames(REQUEST_NAMES);
/** Names that have a code in responses; other codes than in requests. */
export const RESPONSE_HEADERS: HeaderNames = headerNames(RESPONSE_NAMES);

/**
 * Makes a header of a request, by code where its name has one, as mod_proxy_ajp does.
 *
 * @param name The name, in any case; without a code it is kept as it is.
 * @param value The value.
 */
export function ajpRequestHeader(name: string, value: string): AjpHeader {
  return header(REQUEST_HEADERS, name, value);
}

/**
 * Makes a header of a response, by code where its name has one. Tomcat asks for the exact case
 * there; a name in lower case, as Fetch's headers have it, is the same header.
 *
 * @param name The name, in any case; without a code it is kept as it is.
 * @param value The value.
 */
export function ajpResponseHeader(name: string, value: string): AjpHeader {
  return header(RESPONSE_HEADERS, name, value);
}

/** Number of bytes of headers, without their count. */
export function byteLengthHeaders(headers: readonly AjpHeader[]): number {
  let length = 0;
  for (let i = 0; i < headers.length; i++) {
    const { code, name, value } = headers[i]!; // i < length
    length += (code === 0 ? name.length + 3 : 2) + byteLengthString(value);
  }
  return length;
}

/**
 * Writes headers, without their count.
 *
 * @param known The names that have a code.
 * @throws {EncodeError} `out-of-range`, `malformed` (a code that is not that of the name).
 */
export function writeHeaders(
  writer: AjpWriter,
  headers: readonly AjpHeader[],
  known: HeaderNames,
  fields: HeaderFields,
): void {
  for (let i = 0; i < headers.length; i++) {
    const { code, name, value } = headers[i]!; // i < length
    if (code === 0) {
      checkNameLength(name, fields);
      writer.string(name, fields.name);
    } else {
      checkCode(code, name, known, fields);
      writer.u16(code);
    }
    writer.string(value, fields.value);
  }
}

/** Names of the fields of headers in errors. */
export interface HeaderFields {
  /** The number of headers. */
  readonly count: string;
  /** The name of one. */
  readonly name: string;
  /** The value of one. */
  readonly value: string;
}

/**
 * Reads headers and their count.
 *
 * @param maxHeaderCount Greatest count to accept.
 * @throws {DecodeError} `too-large`, `truncated`, `out-of-range`, `bad-marker`.
 */
export function readHeaders(
  reader: AjpReader,
  { names }: HeaderNames,
  fields: HeaderFields,
  maxHeaderCount: number,
): AjpHeader[] {
  const count = reader.u16(fields.count);
  if (count > maxHeaderCount) {
    throw reader.error(
      "too-large",
      fields.count,
      `${count} > ${maxHeaderCount}`,
      reader.position - 2,
    );
  }
  const headers: AjpHeader[] = [];
  for (let i = 0; i < count; i++) {
    const start = reader.peekU16();
    let code = 0;
    let name: string | undefined;
    if (start >>> 8 === CODE_BASE >>> 8) {
      code = start;
      name = names[code - CODE_BASE - 1];
      if (name === undefined) {
        throw reader.error(
          "out-of-range",
          fields.name,
          `code ${code.toString(16)} means nothing`,
        );
      }
      reader.u16(fields.name);
    } else {
      if (start > CODE_BASE) {
        throw reader.error("out-of-range", fields.name, `length ${start}`);
      }
      name = reader.text(fields.name);
    }
    headers.push({ code, name, value: reader.string(fields.value) });
  }
  return headers;
}

function header(
  { names, codes }: HeaderNames,
  name: string,
  value: string,
): AjpHeader {
  const code = codes.get(name) ?? codes.get(name.toLowerCase()) ?? 0;
  return code === 0
    ? { code, name, value }
    : { code, name: names[code - CODE_BASE - 1]!, value }; // codes are those of names
}

function checkNameLength(name: string, fields: HeaderFields): void {
  if (name.length < CODE_BASE) return;
  throw new EncodeError(
    "out-of-range",
    fields.name,
    `${name.length} bytes would be read as a code`,
  );
}

function checkCode(
  code: number,
  name: string,
  { names }: HeaderNames,
  fields: HeaderFields,
): void {
  const known = names[code - CODE_BASE - 1];
  if (known === undefined) {
    throw new EncodeError("out-of-range", fields.name, `code ${code}`);
  }
  if (known === name || known.toLowerCase() === name.toLowerCase()) return;
  throw new EncodeError(
    "malformed",
    fields.name,
    `code ${code.toString(16)} is ${known}, not ${JSON.stringify(name)}`,
  );
}

function headerNames(names: readonly string[]): HeaderNames {
  const codes = new Map<string, number>();
  names.forEach((name, i) => codes.set(name.toLowerCase(), CODE_BASE + i + 1));
  return { names, codes };
}
