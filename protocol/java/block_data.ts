// What Java's ObjectInput and ObjectOutput are to writeObject and writeExternal methods: primitive values
// out of blocks, and objects between them.
import { readInt32 } from "../bytes/byte_reader.ts";
import { DecodeError, type DecodeErrorCode, EncodeError } from "../errors.ts";
import type { JavaTypeCode } from "./class_desc.ts";
import { primitiveBytes, readPrimitive } from "./fields.ts";
import { decodeModifiedUtf8, encodeModifiedUtf8 } from "./modified_utf8.ts";
import { MAX_BLOCK_SIZE } from "./stream_constants.ts";
import {
  JavaBlockData,
  type JavaContent,
  type JavaDatum,
  type JavaNode,
} from "./tree.ts";

/** Where the contents come from, for errors. */
export interface JavaObjectInputOptions {
  /** Name of the structure, such as `rpcMessage`: errors are about `NAME.FIELD`. */
  readonly name?: string;
  /**
   * The bytes from which the contents were decoded: offsets of errors are then those of the stream. Without
   * them they count the bytes of the blocks.
   */
  readonly source?: Uint8Array;
}

/**
 * Reads primitive values and objects in the order in which they were written. Values may cross the ends of
 * blocks. Resets are skipped.
 *
 * @example
 * ```ts
 * import { JavaObjectInput, JavaObjectOutput, javaString } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const output = new JavaObjectOutput();
 * output.writeBoolean(true);
 * output.writeUTF("name");
 * output.writeObject(javaString("value"));
 *
 * const input = new JavaObjectInput(output.contents());
 * assert.equal(input.readBoolean("flag"), true);
 * assert.equal(input.readUTF("name"), "name");
 * assert.deepEqual(input.readObject("value"), javaString("value"));
 * input.end();
 * ```
 */
export class JavaObjectInput {
  readonly #contents: readonly JavaContent[];
  readonly #prefix: string;
  readonly #source: Uint8Array | undefined;
  #index = 0;
  /** The bytes of the current block, and the next one of them. */
  #block: Uint8Array = NO_BYTES;
  #at = 0;
  /** Bytes of the blocks before. */
  #before = 0;

  /** Reads contents: a whole stream, or what one method wrote. */
  constructor(
    contents: readonly JavaContent[],
    options: JavaObjectInputOptions = {},
  ) {
    this.#contents = contents;
    this.#prefix = options.name === undefined ? "" : `${options.name}.`;
    this.#source = options.source;
  }

  /** Reads a byte that is 0 or, for Java, anything else. */
  readBoolean(field: string): boolean {
    return this.readUnsignedByte(field) !== 0;
  }

  /** Reads a signed byte. */
  readByte(field: string): number {
    return this.readUnsignedByte(field) << 24 >> 24;
  }

  /** Reads an unsigned byte. */
  readUnsignedByte(field: string): number {
    if (this.#at < this.#block.length) return this.#block[this.#at++]!; // checked
    return this.readBytes(1, field)[0]!; // it has one
  }

  /** Reads a signed 16-bit integer. */
  readShort(field: string): number {
    return this.readUnsignedShort(field) << 16 >> 16;
  }

  /** Reads an unsigned 16-bit integer; a `char` is one, too. */
  readUnsignedShort(field: string): number {
    const bytes = this.readBytes(2, field);
    return bytes[0]! << 8 | bytes[1]!; // it has two
  }

  /** Reads a signed 32-bit integer. */
  readInt(field: string): number {
    return readInt32(this.readBytes(4, field), 0);
  }

  /** Reads a signed 64-bit integer. */
  readLong(field: string): bigint {
    return readPrimitive(this.readBytes(8, field), 0, "J") as bigint; // of type J
  }

  /** Reads a float. */
  readFloat(field: string): number {
    return readPrimitive(this.readBytes(4, field), 0, "F") as number; // of type F
  }

  /** Reads a double. */
  readDouble(field: string): number {
    return readPrimitive(this.readBytes(8, field), 0, "D") as number; // of type D
  }

  /**
   * Reads what `writeUTF` wrote.
   *
   * @throws {DecodeError} `malformed` when it is not modified UTF-8.
   */
  readUTF(field: string): string {
    const offset = this.#offset();
    const length = this.readUnsignedShort(field);
    const bytes = this.readBytes(length, field);
    return decodeModifiedUtf8(
      bytes,
      this.#prefix + field,
      0,
      length,
      offset,
    );
  }

  /**
   * Reads bytes. Borrowed where they are in one block.
   *
   * @throws {DecodeError} `truncated` when the blocks end, or an object comes, before.
   */
  readBytes(length: number, field: string): Uint8Array {
    if (length === 0) return NO_BYTES;
    this.#nextBlock();
    const at = this.#at;
    if (length <= this.#block.length - at) {
      this.#at = at + length;
      return this.#block.subarray(at, this.#at);
    }
    return this.#joinBytes(length, field);
  }

  /**
   * Reads a 32-bit length and as many bytes.
   *
   * @throws {DecodeError} `out-of-range` for a negative length, `truncated`.
   */
  readLengthAndBytes(field: string): Uint8Array {
    const length = this.readInt(`${field}.length`);
    if (length >= 0) return this.readBytes(length, field);
    throw this.error("out-of-range", `${field}.length`, `${length} < 0`);
  }

  /**
   * Number of bytes in front of the next object or the end.
   *
   * @param enough The count ends there: a value that crosses blocks need not look at all of them.
   */
  available(enough: number = Infinity): number {
    let length = this.#block.length - this.#at;
    for (
      let i = this.#index;
      i < this.#contents.length && length < enough;
      i++
    ) {
      const content = this.#contents[i]!; // i < length; null ends it too
      if (content === null || content.kind !== "block-data") break;
      length += content.bytes.length;
    }
    return length;
  }

  /**
   * Reads an object.
   *
   * @throws {DecodeError} `malformed` when bytes come first, or an exception ended the writing; `truncated`
   * when nothing comes.
   */
  readObject(field: string): JavaNode {
    this.#nextBlock();
    if (this.#at < this.#block.length) {
      throw this.error("malformed", field, "bytes stand before the object");
    }
    while (isReset(this.#contents[this.#index])) this.#index++;
    const content = this.#contents[this.#index];
    if (content === undefined) {
      throw this.error("truncated", field, "there are no more objects");
    }
    this.#index++;
    if (content === null) return null;
    switch (content.kind) {
      case "aborted":
        throw this.error("malformed", field, "an exception ended its writing");
      case "block-data":
      case "reset":
        throw this.error("malformed", field, "bytes stand before the object");
      default:
        return content;
    }
  }

  /**
   * Ends the contents.
   *
   * @throws {DecodeError} `trailing-bytes` when something is left.
   */
  end(): void {
    this.#nextBlock();
    while (isReset(this.#contents[this.#index])) this.#index++;
    if (
      this.#at === this.#block.length && this.#index === this.#contents.length
    ) return;
    throw this.error("trailing-bytes", "end", "more follows");
  }

  /** Makes an error about a field at the next byte. */
  error(code: DecodeErrorCode, field: string, state: string): DecodeError {
    return new DecodeError(code, this.#prefix + field, this.#offset(), state);
  }

  /** Goes on to the next block that has bytes, unless something else comes first. */
  #nextBlock(): void {
    while (this.#at === this.#block.length) {
      const content = this.#contents[this.#index];
      if (content?.kind !== "block-data") return;
      this.#before += this.#block.length;
      this.#block = content.bytes;
      this.#at = 0;
      this.#index++;
    }
  }

  #joinBytes(length: number, field: string): Uint8Array {
    const available = this.available(length);
    if (length > available) {
      throw this.error(
        "truncated",
        field,
        `need ${length} bytes, have ${available}`,
      );
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      this.#nextBlock();
      const part = this.#block.subarray(this.#at, this.#at + length - done);
      bytes.set(part, done);
      this.#at += part.length;
      done += part.length;
    }
    return bytes;
  }

  #offset(): number {
    const { buffer, byteOffset } = this.#block;
    if (this.#source === undefined || buffer !== this.#source.buffer) {
      return this.#before + this.#at;
    }
    return byteOffset - this.#source.byteOffset + this.#at;
  }
}

/** Gathers primitive values and objects into contents, in blocks like those of Java's writer. */
export class JavaObjectOutput {
  readonly #contents: JavaDatum[] = [];
  #block = new Uint8Array(MAX_BLOCK_SIZE);
  #length = 0;

  /** Writes a byte that is 0 or 1. */
  writeBoolean(value: boolean): void {
    this.#write(value, "Z");
  }

  /** Writes the low eight bits. */
  writeByte(value: number): void {
    this.#write(value << 24 >> 24, "B");
  }

  /** Writes the low sixteen bits. */
  writeShort(value: number): void {
    this.#write(value << 16 >> 16, "S");
  }

  /**
   * Writes a 32-bit integer.
   *
   * @throws {EncodeError} `out-of-range`.
   */
  writeInt(value: number): void {
    this.#write(value, "I");
  }

  /**
   * Writes a 64-bit integer.
   *
   * @throws {EncodeError} `out-of-range`.
   */
  writeLong(value: bigint): void {
    this.#write(value, "J");
  }

  /** Writes a float. */
  writeFloat(value: number): void {
    this.#write(value, "F");
  }

  /** Writes a double. */
  writeDouble(value: number): void {
    this.#write(value, "D");
  }

  /**
   * Writes a length of 16 bits and a string.
   *
   * @throws {EncodeError} `too-large` above 65535 encoded bytes.
   */
  writeUTF(text: string): void {
    const bytes = encodeModifiedUtf8(text);
    if (bytes.length > 0xffff) {
      throw new EncodeError("too-large", "utf", `${bytes.length} > 65535`);
    }
    this.writeShort(bytes.length);
    this.writeBytes(bytes);
  }

  /** Writes bytes; they are copied. */
  writeBytes(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      if (this.#length === MAX_BLOCK_SIZE) this.#flush();
      const part = bytes.subarray(done, done + MAX_BLOCK_SIZE - this.#length);
      this.#block.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
    }
  }

  /** Writes a 32-bit length and the bytes. */
  writeLengthAndBytes(bytes: Uint8Array): void {
    this.writeInt(bytes.length);
    this.writeBytes(bytes);
  }

  /** Writes an object. */
  writeObject(node: JavaNode): void {
    this.#flush();
    this.#contents.push(node);
  }

  /** Everything that was written. */
  contents(): JavaDatum[] {
    this.#flush();
    return this.#contents.slice();
  }

  #write(value: number | bigint | boolean, typeCode: JavaTypeCode): void {
    this.writeBytes(primitiveBytes(value, typeCode, "block"));
  }

  #flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#block.slice(0, this.#length);
    this.#contents.push(new JavaBlockData(bytes));
    this.#length = 0;
  }
}

function isReset(content: JavaContent | undefined): boolean {
  return content?.kind === "reset";
}

const NO_BYTES = new Uint8Array(0);
