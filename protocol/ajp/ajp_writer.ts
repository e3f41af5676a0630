import { EncodeError } from "../errors.ts";

/** Writes the fields of one packet into a buffer of its exact length. */
export class AjpWriter {
  /** The packet. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  /**
   * Allocates the packet.
   *
   * @param length Its length, head included.
   */
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  /** Writes the low eight bits. */
  u8(value: number): void {
    this.bytes[this.#at++] = value;
  }

  /** Writes the low sixteen bits. */
  u16(value: number): void {
    this.bytes[this.#at++] = value >>> 8;
    this.bytes[this.#at++] = value;
  }

  /** Writes bytes as they are. */
  data(data: Uint8Array): void {
    this.bytes.set(data, this.#at);
    this.#at += data.length;
  }

  /**
   * Writes text, a byte for each character, or the null string.
   *
   * @throws {EncodeError} `out-of-range` for a character that ISO-8859-1 does not have.
   */
  string(text: string | null, field: string): void {
    if (text === null) {
      this.u16(0xffff);
      return;
    }
    const { length } = text;
    this.u16(length);
    const at = this.#at;
    const bytes = this.bytes;
    let units = 0;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      units |= unit;
      bytes[at + i] = unit;
    }
    if (units > 0xff) {
      throw new EncodeError(
        "out-of-range",
        field,
        "a character is not in ISO-8859-1",
      );
    }
    this.#at = at + length + 1; // the buffer is new: its zero ends the string
  }
}

/** Number of bytes of a string with its length and the zero behind it. */
export function byteLengthString(text: string | null): number {
  return text === null ? 2 : text.length + 3;
}

/**
 * Checks that a value fits an unsigned 16-bit field.
 *
 * @throws {EncodeError} `out-of-range`.
 */
export function checkUint16(value: number, field: string): void {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff) return;
  throw new EncodeError(
    "out-of-range",
    field,
    `${value} is not an integer from 0 to 65535`,
  );
}
