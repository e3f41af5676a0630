// A body as a gzip stream (RFC 1952): what java.util.zip reads and writes.
//
// Reading accepts what GZIPInputStream does: several members in a row, and bytes behind the last one
// that are no member. Unlike it, the result has a limit.
import { crc32, gzipSync, inflateRawSync } from "node:zlib";
import { concatBytes } from "../../protocol/bytes/bytes.ts";
import { DecodeError, type DecodeErrorCode } from "../../protocol/errors.ts";

const MAGIC = 0x1f8b;
const DEFLATE = 8;
const HEADER_CRC = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const HEADER_LENGTH = 10;
const OPERATING_SYSTEM_AT = 9;
const UNKNOWN_SYSTEM = 255;
const TRAILER_LENGTH = 8;
/** A call for each member costs far more than its 20 bytes. */
const MAX_MEMBERS = 1000;

/**
 * Compresses a body.
 *
 * @returns One member, with the header that Java writes.
 */
export function gzipBody(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const compressed = concatBytes([gzipSync(body)]);
  compressed[OPERATING_SYSTEM_AT] = UNKNOWN_SYSTEM;
  return compressed;
}

/** Tells whether bytes begin as a gzip stream does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 3 && bytes[0] === MAGIC >> 8 &&
    bytes[1] === (MAGIC & 0xff) && bytes[2] === DEFLATE;
}

/**
 * Decompresses a body.
 *
 * @param bytes One or more members; bytes behind the last that are no member are ignored.
 * @param limit Greatest number of bytes to give.
 * @param options Whether bytes behind the last member are refused.
 * @throws {DecodeError} `truncated`, `bad-marker`, `malformed`; `too-large` beyond the limit;
 * `trailing-bytes`.
 */
export function gunzipBody(
  bytes: Uint8Array,
  limit: number,
  { refuseTrailing = false }: { readonly refuseTrailing?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let left = limit;
  let at = 0;
  for (;;) {
    const dataAt = parts.length === 0
      ? headerEnd(bytes, 0)
      : nextHeaderEnd(bytes, at);
    if (dataAt === undefined) {
      if (refuseTrailing && at < bytes.length) {
        throw fault(
          "trailing-bytes",
          at,
          `${bytes.length - at} bytes are left`,
        );
      }
      return concatBytes(parts);
    }
    if (parts.length === MAX_MEMBERS) {
      throw fault("too-large", at, `more than ${MAX_MEMBERS} members`);
    }
    const { plain, end } = inflate(bytes, dataAt, left, limit);
    checkTrailer(bytes, end, plain);
    parts.push(plain);
    left -= plain.length;
    at = end + TRAILER_LENGTH;
  }
}

/** Where the data of a further member begins, if there is one. */
function nextHeaderEnd(bytes: Uint8Array, start: number): number | undefined {
  try {
    return headerEnd(bytes, start);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Where the data of a member begins. */
function headerEnd(bytes: Uint8Array, start: number): number {
  const has = (end: number) => {
    if (end <= bytes.length) return;
    throw fault("truncated", start, `the header ends at ${bytes.length}`);
  };
  for (const [i, expected] of [MAGIC >> 8, MAGIC & 0xff].entries()) {
    has(start + i + 1);
    if (bytes[start + i] !== expected) {
      throw fault("bad-marker", start, "it does not begin with 1f8b");
    }
  }
  has(start + HEADER_LENGTH);
  const method = bytes[start + 2];
  if (method !== DEFLATE) {
    throw fault("malformed", start + 2, `method ${method} is not deflate`);
  }
  const flags = bytes[start + 3]!; // has() looked
  let at = start + HEADER_LENGTH;
  if ((flags & EXTRA) !== 0) {
    has(at + 2);
    at += 2 + (bytes[at]! | bytes[at + 1]! << 8); // has() looked
    has(at);
  }
  for (const flag of [NAME, COMMENT]) {
    if ((flags & flag) === 0) continue;
    const zero = bytes.indexOf(0, at);
    has(zero < 0 ? Infinity : zero + 1);
    at = zero + 1;
  }
  if ((flags & HEADER_CRC) !== 0) {
    has(at + 2);
    const expected = bytes[at]! | bytes[at + 1]! << 8; // has() looked
    if ((crc32(bytes.subarray(start, at)) & 0xffff) !== expected) {
      throw fault("malformed", at, "the header's checksum is another");
    }
    at += 2;
  }
  return at;
}

function inflate(
  bytes: Uint8Array,
  start: number,
  left: number,
  limit: number,
): { readonly plain: Uint8Array; readonly end: number } {
  const data = bytes.subarray(start);
  let inflated: Inflated;
  try {
    inflated = inflateRawSync(data, {
      info: true,
      maxOutputLength: Math.max(1, left), // 0 is not allowed
    }) as unknown as Inflated; // what `info` gives
  } catch (error) {
    throw inflateFault(error, start, limit);
  }
  const { buffer, engine } = inflated;
  if (buffer.length > left) throw tooLarge(start, limit);
  return { plain: buffer, end: start + engine.bytesWritten };
}

/** What `inflateRawSync` gives with `info`. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** Its `bytesWritten` are those of the input that belong to the stream. */
  readonly engine: { readonly bytesWritten: number };
}

function inflateFault(
  error: unknown,
  start: number,
  limit: number,
): DecodeError {
  const code = (error as { readonly code?: unknown }).code;
  if (code === "ERR_BUFFER_TOO_LARGE") return tooLarge(start, limit);
  const state = error instanceof Error ? error.message : String(error);
  return code === "Z_BUF_ERROR"
    ? fault("truncated", start, state)
    : fault("malformed", start, state);
}

function checkTrailer(bytes: Uint8Array, at: number, plain: Uint8Array): void {
  if (at + TRAILER_LENGTH > bytes.length) {
    throw fault("truncated", at, "the checksum is missing");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  if (view.getUint32(0, true) !== crc32(plain)) {
    throw fault("malformed", at, "the checksum is another");
  }
  if (view.getUint32(4, true) !== plain.length) {
    throw fault("malformed", at + 4, "the length is another");
  }
}

function tooLarge(at: number, limit: number): DecodeError {
  return fault("too-large", at, `more than ${limit} bytes come out of it`);
}

function fault(code: DecodeErrorCode, at: number, state: string): DecodeError {
  return new DecodeError(code, "gzip", at, state);
}
