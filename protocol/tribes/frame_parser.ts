// Finds frames in a stream that was cut anywhere.
//
// Plan. Chunks are kept as they came, in a list; the usual frame lies whole in the first one and is
// given out as a view. A frame that crosses chunks is joined once, when its last byte has arrived:
// memory is held for bytes that came, never for a length that a peer merely announced. Chunks of a
// few bytes are gathered in blocks, since the object around a chunk is larger than they are.
//
// Invariants. `#length` counts the bytes in `#chunks` from `#position` of the first one on.
// `#bodyLength` is -1 until the header of the frame at the front has been read and checked.
//
// Stricter than Tomcat on purpose: where its buffer drops garbage or hangs on it, silently, the
// first wrong byte ends this stream with an error that says where it is.
import { differenceText, readInt32 } from "../bytes/byte_reader.ts";
import { DecodeError } from "../errors.ts";
import {
  DEFAULT_MAX_DATA_LENGTH,
  END_DATA,
  FRAME_HEADER_LENGTH,
  FRAME_OVERHEAD,
  isFrameEnd,
  isFrameStart,
  MAX_DATA_LENGTH,
  START_DATA,
} from "./frame.ts";

const GATHER_BELOW = 1024;
const GATHER_BLOCK = 8192;
const NOTHING = new Uint8Array();
const REUSE_LIMIT = 262_144; // what a connection may keep for joining

/** Options of {@linkcode FrameParser}. */
export interface FrameParserOptions {
  /**
   * Greatest body that is accepted, in bytes; a longer announcement ends the stream before anything
   * is allocated for it. Tomcat has no such limit.
   * @default {67108864}
   */
  readonly maxDataLength?: number;
  /**
   * Whether a body that lay over several chunks is joined in an array that the next such body
   * overwrites: a fresh one of 100 KiB costs more than all else (bench decode/frames/102400). For
   * callers that are done with a body before they ask for the next.
   * @default {false}
   */
  readonly reuseJoined?: boolean;
}

/**
 * Extracts frame bodies from a TCP stream: bytes in, bodies out, however the stream was cut.
 *
 * `feed` only stores; {@linkcode FrameParser.next} parses, and a caller that stops pulling it stops
 * the work. After an error the parser is dead and throws that error again.
 *
 * @example Two reads, one frame
 * ```ts
 * import { encodeFrame, FrameParser } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const frame = encodeFrame(new TextEncoder().encode("hello"));
 * const parser = new FrameParser();
 * parser.feed(frame.slice(0, 9));
 * assert.equal(parser.next(), undefined);
 * parser.feed(frame.slice(9));
 * assert.equal(new TextDecoder().decode(parser.next()), "hello");
 * parser.end();
 * ```
 */
export class FrameParser {
  /** Where the body lies that {@linkcode FrameParser.advance} went to. */
  bodyBytes: Uint8Array = NOTHING;
  /** Index of its first byte. */
  bodyStart = 0;
  /** Index behind its last byte. */
  bodyEnd = 0;
  readonly #maxDataLength: number;
  readonly #reuse: boolean;
  #joined: Uint8Array = NOTHING;
  #chunks: Uint8Array[] = [];
  #position = 0;
  #length = 0;
  #bodyLength = -1;
  #consumed = 0;
  #block: Uint8Array | undefined; // where the last chunk is gathered, if it is
  #error: DecodeError | undefined;

  /**
   * Starts at the beginning of a stream.
   *
   * @throws {RangeError} When `maxDataLength` is not an integer from 0 to 2147483629.
   */
  constructor(options: FrameParserOptions = {}) {
    const { maxDataLength = DEFAULT_MAX_DATA_LENGTH, reuseJoined = false } =
      options;
    if (
      !Number.isInteger(maxDataLength) || maxDataLength < 0 ||
      maxDataLength > MAX_DATA_LENGTH
    ) {
      throw new RangeError(
        `Cannot use maxDataLength ${maxDataLength}: not an integer from 0 to ${MAX_DATA_LENGTH}`,
      );
    }
    this.#maxDataLength = maxDataLength;
    this.#reuse = reuseJoined;
  }

  /** Bytes that were fed and not given out yet. */
  get bufferedLength(): number {
    return this.#length;
  }

  /** Offset in the stream of the first byte not given out yet: the start of the next frame. */
  get offset(): number {
    return this.#consumed;
  }

  /**
   * Stores bytes; never throws and never parses.
   *
   * @param chunk The next bytes of the stream. The parser owns them from now on.
   */
  feed(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#error !== undefined) return;
    if (this.#length === 0) {
      this.#chunks = [chunk];
      this.#position = 0;
      this.#block = undefined;
    } else if (chunk.length < GATHER_BELOW) {
      this.#gather(chunk);
    } else {
      this.#chunks.push(chunk);
      this.#block = undefined;
    }
    this.#length += chunk.length;
  }

  /**
   * Gives the next body, or `undefined` when more bytes are needed.
   *
   * Borrowed: the body is a view of a chunk where the frame lay whole in it.
   *
   * @throws {DecodeError} `bad-marker`, `out-of-range` (a negative length), `too-large`.
   */
  next(): Uint8Array | undefined {
    return this.advance()
      ? this.bodyBytes.subarray(this.bodyStart, this.bodyEnd)
      : undefined;
  }

  /**
   * Goes to the next body without making a view of it: the receiver's hot path, where the view would
   * be a third of the cost (bench decode/frames/64). The body then is `bodyStart` to
   * `bodyEnd` of `bodyBytes`.
   *
   * @returns False when more bytes are needed.
   * @throws {DecodeError} As {@linkcode FrameParser.next}.
   */
  advance(): boolean {
    if (this.#error !== undefined) throw this.#error;
    const chunk = this.#chunks[0];
    if (chunk === undefined) {
      this.bodyBytes = NOTHING; // else it would keep the last chunk alive
      return false;
    }
    const at = this.#position;
    // The fast path: a whole frame with nothing wrong in the first chunk.
    if (chunk.length - at >= FRAME_OVERHEAD && isFrameStart(chunk, at)) {
      const bodyLength = readInt32(chunk, at + 7);
      const end = at + FRAME_HEADER_LENGTH + bodyLength;
      if (
        bodyLength >= 0 && bodyLength <= this.#maxDataLength &&
        chunk.length - end >= END_DATA.length && isFrameEnd(chunk, end)
      ) {
        this.#discard(FRAME_OVERHEAD + bodyLength);
        this.bodyBytes = chunk;
        this.bodyStart = at + FRAME_HEADER_LENGTH;
        this.bodyEnd = end;
        return true;
      }
    }
    return this.#advanceJoined();
  }

  /**
   * Ends the stream.
   *
   * @throws {DecodeError} `truncated` when it ends inside a frame; the earlier error after one.
   */
  end(): void {
    if (this.#error !== undefined) throw this.#error;
    if (this.#length > 0) {
      throw this.#fail(
        "truncated",
        "frame",
        0,
        `the stream ends after ${this.#length} bytes of a frame`,
      );
    }
  }

  #advanceJoined(): boolean {
    if (this.#bodyLength < 0) {
      if (!this.#checkMarker(START_DATA, 0, "frame.start")) return false;
      if (this.#length < FRAME_HEADER_LENGTH) return false;
      this.#bodyLength = this.#checkedLength();
    }
    const bodyLength = this.#bodyLength;
    const end = FRAME_HEADER_LENGTH + bodyLength;
    // A wrong end marker is told as soon as one of its bytes is there.
    if (this.#length > end && !this.#checkMarker(END_DATA, end, "frame.end")) {
      return false;
    }
    if (this.#length < FRAME_OVERHEAD + bodyLength) return false;
    this.bodyBytes = this.#join(bodyLength);
    this.bodyStart = 0;
    this.bodyEnd = bodyLength;
    this.#discard(FRAME_OVERHEAD + bodyLength);
    return true;
  }

  #checkedLength(): number {
    const length = readInt32(this.#copy(7, 4), 0);
    if (length < 0) {
      throw this.#fail("out-of-range", "frame.body.length", 7, `${length} < 0`);
    }
    if (length > this.#maxDataLength) {
      throw this.#fail(
        "too-large",
        "frame.body.length",
        7,
        `${length} > ${this.#maxDataLength}`,
      );
    }
    return length;
  }

  /** Compares what is there of a marker; true when it is there whole. */
  #checkMarker(marker: Uint8Array, from: number, field: string): boolean {
    const available = Math.min(marker.length, this.#length - from);
    const found = this.#copy(from, available);
    for (let i = 0; i < available; i++) {
      if (found[i] !== marker[i]) {
        const at = this.#consumed + from + i;
        throw this.#fail(
          "bad-marker",
          field,
          from,
          `${differenceText(marker, i, found[i]!)} (byte ${at} of the stream)`, // i < available
        );
      }
    }
    return available === marker.length;
  }

  #fail(
    code: DecodeError["code"],
    field: string,
    from: number,
    state: string,
  ): DecodeError {
    this.#error = new DecodeError(code, field, this.#consumed + from, state);
    return this.#error;
  }

  /** Joins a body that lies over chunks, in an array of its own or in the one that is reused. */
  #join(length: number): Uint8Array {
    if (!this.#reuse || length > REUSE_LIMIT) {
      return this.#copy(FRAME_HEADER_LENGTH, length);
    }
    if (length > this.#joined.length) {
      const room = Math.max(length, 2 * this.#joined.length);
      this.#joined = new Uint8Array(Math.min(room, REUSE_LIMIT));
    }
    return this.#copy(FRAME_HEADER_LENGTH, length, this.#joined);
  }

  /** Copies bytes that start `from` bytes behind the front; they are there. */
  #copy(
    from: number,
    length: number,
    copy: Uint8Array = new Uint8Array(length),
  ): Uint8Array {
    let skip = this.#position + from;
    let filled = 0;
    for (const chunk of this.#chunks) {
      if (filled === length) break;
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + length - filled);
      copy.set(part, filled);
      filled += part.length;
      skip = 0;
    }
    return copy;
  }

  /** Drops bytes at the front; they are there. */
  #discard(length: number): void {
    this.#bodyLength = -1;
    this.#consumed += length;
    this.#length -= length;
    this.#position += length;
    if (this.#length === 0) {
      this.#chunks.length = 0;
      this.#position = 0;
      this.#block = undefined;
      return;
    }
    let whole = 0;
    while (this.#position >= this.#chunks[whole]!.length) { // #length > 0: bytes remain behind
      this.#position -= this.#chunks[whole]!.length;
      whole++;
    }
    if (whole > 0) this.#chunks.splice(0, whole);
  }

  #gather(chunk: Uint8Array): void {
    const last = this.#chunks.length - 1;
    const used = this.#block === undefined ? 0 : this.#chunks[last]!.length; // the block's view
    if (this.#block !== undefined && used + chunk.length <= GATHER_BLOCK) {
      this.#block.set(chunk, used);
      this.#chunks[last] = this.#block.subarray(0, used + chunk.length);
      return;
    }
    this.#block = new Uint8Array(GATHER_BLOCK);
    this.#block.set(chunk);
    this.#chunks.push(this.#block.subarray(0, chunk.length));
  }
}
