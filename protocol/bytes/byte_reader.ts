import { DecodeError, type DecodeErrorCode } from "../errors.ts";

/**
 * Reads big-endian fields of one message in wire order. Each read names its field, so that an error
 * says what was being read and where. Offsets are those of the outermost message.
 *
 * Borrowed: {@linkcode ByteReader.bytes} and {@linkcode ByteReader.sub} give views of the input.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #base: number;
  #position: number;

  /**
   * Reads from the start of `bytes`.
   *
   * @param bytes The message; it is not copied and must not change while it is read.
   * @param base Offset of `bytes[0]` in the outermost message or stream, for error offsets.
   * @param start Index in `bytes` of the first byte to read.
   * @param end Index in `bytes` after the last byte to read.
   */
  constructor(
    bytes: Uint8Array,
    base = 0,
    start = 0,
    end: number = bytes.length,
  ) {
    this.#bytes = bytes;
    this.#base = base;
    this.#position = start;
    this.#end = end;
  }

  /** Offset of the next byte in the outermost message. */
  get offset(): number {
    return this.#base + this.#position;
  }

  /** Number of bytes not read yet. */
  get remaining(): number {
    return this.#end - this.#position;
  }

  /** Reads an unsigned byte. */
  u8(field: string): number {
    return this.#bytes[this.#take(1, field)]!; // #take checked the bound
  }

  /** Reads a signed byte. */
  i8(field: string): number {
    return this.u8(field) << 24 >> 24;
  }

  /** Reads an unsigned 16-bit integer. */
  u16(field: string): number {
    const at = this.#take(2, field);
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!; // #take checked the bound
  }

  /** Reads a signed 32-bit integer. */
  i32(field: string): number {
    return readInt32(this.#bytes, this.#take(4, field));
  }

  /** Reads an unsigned 32-bit integer. */
  u32(field: string): number {
    return this.i32(field) >>> 0;
  }

  /** Reads a signed 64-bit integer, whole. */
  i64(field: string): bigint {
    const at = this.#take(8, field);
    return BigInt(readInt32(this.#bytes, at)) << 32n |
      BigInt(readInt32(this.#bytes, at + 4) >>> 0);
  }

  /**
   * Reads a signed 64-bit time or count as a number.
   *
   * @throws {DecodeError} `out-of-range` beyond the safe integers.
   */
  safeI64(field: string): number {
    const at = this.#take(8, field);
    const value = readInt32(this.#bytes, at) * 0x1_0000_0000 +
      (readInt32(this.#bytes, at + 4) >>> 0);
    if (!Number.isSafeInteger(value)) {
      this.#position = at;
      throw this.error(
        "out-of-range",
        field,
        `${this.i64(field)} is not a safe integer`,
        at,
      );
    }
    return value;
  }

  /**
   * Reads a 32-bit length that is followed by that many bytes.
   *
   * @param field Name of what the length measures; the error says `FIELD.length`.
   * @param limit Greatest length to accept.
   * @throws {DecodeError} `out-of-range` for a negative length, `too-large` beyond the limit.
   */
  length(field: string, limit = 0x7fff_ffff): number {
    const at = this.#position;
    const value = this.i32(`${field}.length`);
    if (value < 0) {
      throw this.error("out-of-range", `${field}.length`, `${value} < 0`, at);
    }
    if (value > limit) {
      throw this.error(
        "too-large",
        `${field}.length`,
        `${value} > ${limit}`,
        at,
      );
    }
    return value;
  }

  /** Reads bytes as a view of the input. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /**
   * Reads fixed bytes.
   *
   * @throws {DecodeError} `bad-marker` at the first difference, also in what is there of a short
   * marker; `truncated` when the input ends inside a marker that is right so far.
   */
  marker(marker: Uint8Array, field: string): void {
    const at = this.#position;
    const available = Math.min(marker.length, this.#end - at);
    for (let i = 0; i < available; i++) {
      if (this.#bytes[at + i] !== marker[i]) {
        throw this.error(
          "bad-marker",
          field,
          differenceText(marker, i, this.#bytes[at + i]!), // i < available
          at,
        );
      }
    }
    this.#take(marker.length, field);
  }

  /**
   * Reads a nested structure: a reader that cannot leave its `length` bytes.
   *
   * @throws {DecodeError} `truncated` when fewer bytes are left.
   */
  sub(length: number, field: string): ByteReader {
    const at = this.#take(length, field);
    return new ByteReader(this.#bytes, this.#base, at, at + length);
  }

  /**
   * Ends the message.
   *
   * @param field Name of the message, for the error.
   * @throws {DecodeError} `trailing-bytes` when bytes are left.
   */
  end(field: string): void {
    if (this.#position !== this.#end) {
      throw this.error(
        "trailing-bytes",
        field,
        `${this.remaining} bytes after the end`,
      );
    }
  }

  /**
   * Makes an error about a field.
   *
   * @param at Index of the field's first byte; by default the next byte to read.
   */
  error(
    code: DecodeErrorCode,
    field: string,
    state: string,
    at: number = this.#position,
  ): DecodeError {
    return new DecodeError(code, field, this.#base + at, state);
  }

  #take(length: number, field: string): number {
    const at = this.#position;
    if (length > this.#end - at) {
      throw this.error(
        "truncated",
        field,
        `need ${length} bytes, have ${this.#end - at}`,
      );
    }
    this.#position = at + length;
    return at;
  }
}

/** Reads a big-endian signed 32-bit integer; the caller has checked the bound. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
    bytes[at + 3]!;
}

/** Says which byte of a marker differs, for error texts. */
export function differenceText(
  marker: Uint8Array,
  index: number,
  found: number,
): string {
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  // The index is one at which the marker was compared.
  return `byte ${index} of the marker is ${hex(found)}, not ${
    hex(marker[index]!)
  }`;
}
