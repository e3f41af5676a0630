// Reads a stream, or what one method wrote, of which each part says what comes next. Unlike JavaObjectInput it
// can look ahead, and it reads a stream only as far as it is understood: whatever stands behind are trailing
// bytes.
import { concatBytes } from "../bytes/bytes.ts";
import { DecodeError, type DecodeErrorCode } from "../errors.ts";
import { JavaObjectInput } from "../java/block_data.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { JavaStreamReader } from "../java/stream_reader.ts";
import {
  type JavaAborted,
  JavaBlockData,
  type JavaContent,
  type JavaDatum,
  type JavaNode,
} from "../java/tree.ts";

/** Blocks that are read as they are; Java's own have 1024 bytes, but for the last. */
const MAX_APART = 16;

/** Reads contents one after the other; resets are skipped. */
export class ContentCursor {
  readonly #name: string;
  readonly #source: Uint8Array | undefined;
  readonly #next: () => JavaContent | undefined;
  readonly #offset: () => number;
  /** What was looked at: a content, the end, or what is wrong with it. */
  #ahead:
    | { content: JavaContent | undefined }
    | { error: unknown }
    | undefined;
  /** Where it begins. */
  #aheadAt = 0;
  #primitives: JavaObjectInput | undefined;

  private constructor(
    name: string,
    source: Uint8Array | undefined,
    next: () => JavaContent | undefined,
    offset: () => number,
  ) {
    this.#name = name;
    this.#source = source;
    this.#next = next;
    this.#offset = offset;
  }

  /**
   * Reads a whole stream.
   *
   * @param name Name of the structure, put before the names of its fields.
   * @throws {DecodeError} `bad-marker` or `truncated` at the header, `too-large`.
   */
  static ofStream(
    bytes: Uint8Array,
    name: string,
    limits?: JavaStreamLimits,
  ): ContentCursor {
    const reader = new JavaStreamReader(bytes, limits);
    return new ContentCursor(
      name,
      bytes,
      () => reader.next(),
      () => reader.offset,
    );
  }

  /**
   * Reads what a method wrote.
   *
   * @param source The stream that it is from, for offsets of errors.
   */
  static ofData(
    data: readonly JavaDatum[],
    name: string,
    source?: Uint8Array,
  ): ContentCursor {
    let index = 0;
    return new ContentCursor(name, source, () => data[index++], () => 0);
  }

  /**
   * Looks at what comes next.
   *
   * @returns `undefined` at the end.
   */
  peek(): JavaContent | undefined {
    this.#look();
    const ahead = this.#ahead;
    if (ahead === undefined || "error" in ahead) throw ahead?.error;
    return ahead.content;
  }

  /**
   * Reads an object.
   *
   * @throws {DecodeError} `malformed` when data or an exception stands there, `truncated` at the end.
   */
  object(field: string): JavaNode {
    const node = this.objectOrAborted(field);
    if (node?.kind !== "aborted") return node;
    throw this.error("malformed", field, "an exception ended its writing");
  }

  /** Reads an object, or the mark of an exception that ended its writing. */
  objectOrAborted(field: string): JavaNode | JavaAborted {
    this.#endPrimitives(field);
    const content = this.peek();
    if (content === undefined) {
      throw this.error("truncated", field, "there are no more objects");
    }
    if (content?.kind === "block-data") {
      throw this.error("malformed", field, "bytes stand before the object");
    }
    this.#ahead = undefined;
    return content as JavaNode | JavaAborted; // resets are skipped
  }

  /** Gives the reader of the bytes in front of the next object. */
  primitives(): JavaObjectInput {
    if (
      this.#primitives !== undefined && this.#primitives.available() > 0
    ) return this.#primitives;
    const blocks: JavaBlockData[] = [];
    for (;;) {
      this.#look();
      const ahead = this.#ahead;
      if (ahead === undefined || "error" in ahead) {
        if (blocks.length === 0) throw ahead?.error;
        break; // it stands behind bytes that may be all that is wanted
      }
      if (ahead.content?.kind !== "block-data") break;
      blocks.push(ahead.content);
      this.#ahead = undefined;
    }
    if (blocks.length === 0 && this.#source !== undefined) {
      const at = this.#aheadAt; // for the offset of the error that will follow
      blocks.push(new JavaBlockData(this.#source.subarray(at, at)));
    }
    // A value that crosses blocks costs a look at all that follow: many small ones are made one.
    const joined = blocks.length <= MAX_APART ? blocks : [
      new JavaBlockData(concatBytes(blocks.map(({ bytes }) => bytes)), true),
    ];
    return this.#primitives = new JavaObjectInput(joined, {
      name: this.#name,
      ...this.#source === undefined ? {} : { source: this.#source },
    });
  }

  /**
   * Ends it.
   *
   * @throws {DecodeError} `trailing-bytes` when anything is left.
   */
  end(): void {
    if (this.#primitives !== undefined) this.#primitives.end();
    this.#look();
    const ahead = this.#ahead;
    if (ahead !== undefined && "content" in ahead) {
      if (ahead.content === undefined) return;
    } else if (!(ahead?.error instanceof DecodeError)) throw ahead?.error;
    throw this.error("trailing-bytes", "end", "more follows");
  }

  /** Offset of what comes next. */
  get offset(): number {
    return this.#ahead === undefined ? this.#offset() : this.#aheadAt;
  }

  /**
   * Makes an error about a field.
   *
   * @param at Offset of its first byte, by default that of what comes next.
   */
  error(
    code: DecodeErrorCode,
    field: string,
    state: string,
    at: number = this.offset,
  ): DecodeError {
    return new DecodeError(code, `${this.#name}.${field}`, at, state);
  }

  #look(): void {
    while (this.#ahead === undefined) {
      this.#aheadAt = this.#offset();
      try {
        const content = this.#next();
        if (content?.kind !== "reset") this.#ahead = { content };
      } catch (error) {
        this.#ahead = { error };
      }
    }
  }

  #endPrimitives(field: string): void {
    if (this.#primitives === undefined) return;
    if (this.#primitives.available() > 0) {
      throw this.#primitives.error(
        "malformed",
        field,
        "bytes stand before the object",
      );
    }
    this.#primitives = undefined;
  }
}
