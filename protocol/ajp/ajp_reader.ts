// Reads the fields of one packet: ByteReader for AJP's types. It is a class of its own because nearly
// every field is text, and text is made straight from the packet here, without a view of it.
import { DecodeError, type DecodeErrorCode } from "../errors.ts";

const NULL_STRING = 0xffff;
const LONG = 128;

/** Reads fields in wire order; offsets in errors are those of the stream. */
export class AjpReader {
  readonly #bytes: Uint8Array;
  readonly #base: number;
  readonly #end: number;
  #at: number;

  /**
   * Reads `bytes`.
   *
   * @param base Offset of `bytes[0]` in the stream, for errors.
   * @param start Index of the first byte to read.
   */
  constructor(bytes: Uint8Array, base = 0, start = 0) {
    this.#bytes = bytes;
    this.#base = base;
    this.#at = start;
    this.#end = bytes.length;
  }

  /** Index of the next byte. */
  get position(): number {
    return this.#at;
  }

  /** Number of bytes not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Reads an unsigned byte. */
  u8(field: string): number {
    const at = this.#at;
    if (at >= this.#end) throw this.#truncated(1, field);
    this.#at = at + 1;
    return this.#bytes[at]!; // at < end
  }

  /** Reads an unsigned 16-bit integer. */
  u16(field: string): number {
    const at = this.#at;
    if (at + 2 > this.#end) throw this.#truncated(2, field);
    this.#at = at + 2;
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!; // checked above
  }

  /** The next unsigned 16-bit integer, which stays unread; -1 when there is none. */
  peekU16(): number {
    const at = this.#at;
    if (at + 2 > this.#end) return -1;
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!; // checked above
  }

  /** Reads a byte that is 0 or 1. */
  bool(field: string): boolean {
    const value = this.u8(field);
    if (value > 1) {
      throw this.error(
        "out-of-range",
        field,
        `${value} is neither 0 nor 1`,
        this.#at - 1,
      );
    }
    return value === 1;
  }

  /** Reads text, a character for each byte, that has to be there. */
  text(field: string): string {
    const at = this.#at;
    const value = this.string(field);
    if (value !== null) return value;
    throw this.error("out-of-range", field, "the string is null", at);
  }

  /** Reads text, a character for each byte; `null` for the length 0xFFFF. */
  string(field: string): string | null {
    const start = this.#at + 2;
    const length = this.u16(field);
    if (length === NULL_STRING) return null;
    const end = start + length;
    if (end >= this.#end) {
      this.#at = start - 2;
      throw this.#truncated(length + 3, field);
    }
    if (this.#bytes[end] !== 0) {
      throw this.error(
        "bad-marker",
        field,
        `byte ${this.#bytes[end]} ends the string, not 0`,
        start - 2,
      );
    }
    this.#at = end + 1;
    return latin1(this.#bytes, start, end);
  }

  /** Reads bytes as a view. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#at;
    if (at + length > this.#end) throw this.#truncated(length, field);
    this.#at = at + length;
    return this.#bytes.subarray(at, at + length);
  }

  /** Reads the two bytes in front of each packet. */
  magic(magic: number): void {
    const at = this.#at;
    const available = Math.min(2, this.remaining);
    for (let i = 0; i < available; i++) {
      const found = this.#bytes[at + i]!; // i < available
      if (found !== (magic >> 8 * (1 - i) & 0xff)) {
        throw this.error("bad-marker", "packet.magic", magicText(magic, i));
      }
    }
    this.u16("packet.magic");
  }

  /**
   * Ends the packet.
   *
   * @throws {DecodeError} `trailing-bytes`.
   */
  end(field: string): void {
    if (this.#at === this.#end) return;
    throw this.error(
      "trailing-bytes",
      field,
      `${this.remaining} bytes after the end`,
    );
  }

  /**
   * Makes an error about a field.
   *
   * @param at Index of the field's first byte.
   */
  error(
    code: DecodeErrorCode,
    field: string,
    state: string,
    at: number = this.#at,
  ): DecodeError {
    return new DecodeError(code, field, this.#base + at, state);
  }

  #truncated(length: number, field: string): DecodeError {
    return this.error(
      "truncated",
      field,
      `need ${length} bytes, have ${this.remaining}`,
    );
  }
}

/** Says which byte of a packet's magic differs. */
export function magicText(magic: number, index: number): string {
  return `byte ${index} is not that of ${magic.toString(16)}`;
}

/**
 * Makes text of bytes, ISO-8859-1: `TextDecoder` would make windows-1252 of them. One call for all of a
 * text gives a flat string at once, where a sum of pieces has to be joined when somebody looks into it;
 * a plain array is the quickest list of arguments on V8 and JSC alike, and a view pays for long texts only.
 */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > LONG) {
    return String.fromCharCode.apply(
      null,
      // A Uint8Array has all that is asked of an array here, and a packet few enough for arguments.
      bytes.subarray(start, end) as unknown as number[],
    );
  }
  const units = UNITS[length]!; // length <= LONG
  for (let i = 0; i < length; i++) units[i] = bytes[start + i]!; // i < end - start
  return String.fromCharCode.apply(null, units);
}

/** An array for each length, written whole before it is read: making one would cost more than the text. */
const UNITS: readonly number[][] = Array.from(
  { length: LONG + 1 },
  (_, length) => new Array<number>(length).fill(0),
);
