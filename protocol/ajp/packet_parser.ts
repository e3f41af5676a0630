// Finds packets in a stream that was cut anywhere.
//
// Plan. Chunks are kept as they came. The usual packet lies whole in the first one and is given out
// as a view; one that crosses chunks is copied together, in an array that is allocated when its
// length is known and checked. The wrong first byte of a packet is told at once.
//
// Invariant. `#partial` holds the head or the packet that is being put together; the bytes in it
// stand in front of those in `#chunks`.
import { DecodeError } from "../errors.ts";
import { magicText } from "./ajp_reader.ts";
import {
  AJP_HEADER_LENGTH,
  type AjpMagic,
  checkPacketSize,
  DEFAULT_AJP_PACKET_SIZE,
} from "./packet.ts";

/** Options of {@linkcode AjpPacketParser}. */
export interface AjpPacketParserOptions {
  /** Which way the packets go. */
  readonly magic: AjpMagic;
  /**
   * Greatest packet that is accepted, in bytes with its head, 8192 to 65536; a longer announcement
   * ends the stream before anything is allocated for it. Tomcat attribute `packetSize`.
   * @default {8192}
   */
  readonly packetSize?: number;
}

/**
 * Extracts packets from a TCP stream: bytes in, packets out, however the stream was cut.
 *
 * `feed` only stores; {@linkcode AjpPacketParser.next} parses, and a caller that stops pulling it
 * stops the work. After an error the parser is dead and throws that error again.
 *
 * @example Two reads, one packet
 * ```ts
 * import { AJP_TO_CONTAINER, AjpPacketParser, encodeCping } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const packet = encodeCping();
 * const parser = new AjpPacketParser({ magic: AJP_TO_CONTAINER });
 * parser.feed(packet.slice(0, 3));
 * assert.equal(parser.next(), undefined);
 * parser.feed(packet.slice(3));
 * assert.deepEqual(parser.next(), packet);
 * parser.end();
 * ```
 */
export class AjpPacketParser {
  readonly #magic: AjpMagic;
  readonly #packetSize: number;
  readonly #chunks: Uint8Array[] = [];
  #position = 0; // in the first chunk
  #buffered = 0; // bytes in #chunks from #position on
  #partial: Uint8Array | undefined;
  #filled = 0; // bytes in #partial
  #consumed = 0; // bytes given out
  #error: DecodeError | undefined;

  /**
   * Starts at the beginning of a stream.
   *
   * @throws {RangeError} When `packetSize` is not an integer from 8192 to 65536.
   */
  constructor(options: AjpPacketParserOptions) {
    this.#magic = options.magic;
    this.#packetSize = checkPacketSize(
      options.packetSize ?? DEFAULT_AJP_PACKET_SIZE,
    );
  }

  /** Bytes that were fed and not given out yet. */
  get bufferedLength(): number {
    return this.#filled + this.#buffered;
  }

  /** Offset in the stream of the first byte not given out yet: the start of the next packet. */
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
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /**
   * Gives the next whole packet, head included, or `undefined` when more bytes are needed.
   *
   * Borrowed: the packet is a view of a chunk where it lay whole in it.
   *
   * @throws {DecodeError} `bad-marker`, `too-large`.
   */
  next(): Uint8Array | undefined {
    if (this.#error !== undefined) throw this.#error;
    if (this.#partial === undefined) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const at = this.#position;
      if (chunk.length - at >= AJP_HEADER_LENGTH) {
        const length = this.#checkedLength(chunk, at);
        if (chunk.length - at >= length) {
          this.#advance(length);
          this.#consumed += length;
          return chunk.subarray(at, at + length);
        }
      }
    }
    return this.#join();
  }

  /**
   * Ends the stream.
   *
   * @throws {DecodeError} `truncated` when it ends inside a packet; the earlier error after one.
   */
  end(): void {
    if (this.#error !== undefined) throw this.#error;
    if (this.bufferedLength === 0) return;
    throw this.#fail(
      "truncated",
      "packet",
      0,
      `the stream ends after ${this.bufferedLength} bytes of a packet`,
    );
  }

  #join(): Uint8Array | undefined {
    this.#partial ??= new Uint8Array(AJP_HEADER_LENGTH);
    if (this.#partial.length === AJP_HEADER_LENGTH) {
      const whole = this.#fill(this.#partial);
      this.#checkMagic(this.#partial, 0, this.#filled);
      if (!whole) return undefined;
      const length = this.#checkedLength(this.#partial, 0);
      if (length > AJP_HEADER_LENGTH) {
        const packet = new Uint8Array(length);
        packet.set(this.#partial);
        this.#partial = packet;
      }
    }
    const packet = this.#partial;
    if (!this.#fill(packet)) return undefined;
    this.#partial = undefined;
    this.#filled = 0;
    this.#consumed += packet.length;
    return packet;
  }

  /** Copies what there is; true when the array is full. */
  #fill(packet: Uint8Array): boolean {
    for (;;) {
      const missing = packet.length - this.#filled;
      const chunk = this.#chunks[0];
      if (missing === 0 || chunk === undefined) return missing === 0;
      const part = chunk.subarray(this.#position, this.#position + missing);
      packet.set(part, this.#filled);
      this.#filled += part.length;
      this.#advance(part.length);
    }
  }

  /** Drops bytes at the front; they are in the first chunk. */
  #advance(length: number): void {
    this.#buffered -= length;
    this.#position += length;
    if (this.#position === this.#chunks[0]!.length) { // there is one
      this.#chunks.shift();
      this.#position = 0;
    }
  }

  /** Whole length of the packet whose head is there. */
  #checkedLength(bytes: Uint8Array, at: number): number {
    if ((bytes[at]! << 8 | bytes[at + 1]!) !== this.#magic) {
      this.#checkMagic(bytes, at, 2);
    }
    const length = bytes[at + 2]! << 8 | bytes[at + 3]!; // the head is there
    if (length > this.#packetSize - AJP_HEADER_LENGTH) {
      throw this.#fail(
        "too-large",
        "packet.length",
        2,
        `${length} > ${this.#packetSize - AJP_HEADER_LENGTH}`,
      );
    }
    return length + AJP_HEADER_LENGTH;
  }

  #checkMagic(bytes: Uint8Array, at: number, available: number): void {
    for (let i = 0; i < 2 && i < available; i++) {
      if (bytes[at + i] !== (this.#magic >> 8 * (1 - i) & 0xff)) {
        throw this.#fail(
          "bad-marker",
          "packet.magic",
          0,
          magicText(this.#magic, i),
        );
      }
    }
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
}
