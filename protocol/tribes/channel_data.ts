// The body of every message frame:
//
//   int options  long timestamp  int u, unique id  int a, member block  int m, message
//
// The pure functions come first. Below them stand the two hot-path forms: they give the same bytes
// and values, keep the last address, and are what sender and receiver use.
import { ByteReader, readInt32 } from "../bytes/byte_reader.ts";
import {
  ByteWriter,
  checkInt32,
  checkSafeInteger,
  writeInt32,
  writeSafeInt64,
} from "../bytes/byte_writer.ts";
import { copyBytes } from "../bytes/bytes.ts";
import { EncodeError } from "../errors.ts";
import {
  FRAME_HEADER_LENGTH,
  MAX_DATA_LENGTH,
  writeFrameEnd,
  writeFrameHeader,
} from "./frame.ts";
import {
  byteLengthMember,
  decodeMember,
  encodeMember,
  type Member,
  readMember,
  writeMember,
} from "./member.ts";
import { UNIQUE_ID_LENGTH } from "./unique_id.ts";

const FIXED_LENGTH = 24;
const UNIQUE_ID_AT = 16;
const NOTHING = new DataView(new ArrayBuffer(0));

/** One message as it travels between members. */
export interface ChannelData {
  /** Send options, a signed 32-bit set of bits; interceptors add their own. */
  readonly options: number;
  /** When it was sent, milliseconds since 1970 by the sender's clock. */
  readonly timestamp: number;
  /** Id of the message, 16 bytes in practice; a retry and all fragments share it. */
  readonly uniqueId: Uint8Array;
  /** The sender. */
  readonly address: Member;
  /** The message's bytes: raw with option bit 1, else a Java object stream. */
  readonly message: Uint8Array;
}

/**
 * Number of bytes of a message's frame body.
 *
 * @param data The message.
 */
export function byteLengthChannelData(data: ChannelData): number {
  return FIXED_LENGTH + data.uniqueId.length + byteLengthMember(data.address) +
    data.message.length;
}

/**
 * Encodes a frame body.
 *
 * Source: `org.apache.catalina.tribes.io.ChannelData#getDataPackage`.
 *
 * @param data The message.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `out-of-range`, `too-large`.
 * @example There and back
 * ```ts
 * import {
 *   createMember,
 *   decodeChannelData,
 *   encodeChannelData,
 *   encodeHost,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const body = encodeChannelData({
 *   options: 3,
 *   timestamp: 1_700_000_000_000,
 *   uniqueId: new Uint8Array(16),
 *   address: createMember({ host: encodeHost("127.0.0.1"), port: 4000 }),
 *   message: new TextEncoder().encode("hello"),
 * });
 * assert.equal(new TextDecoder().decode(decodeChannelData(body).message), "hello");
 * ```
 */
export function encodeChannelData(data: ChannelData): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLengthChannelData(data));
  writeChannelData(new ByteWriter(bytes), data);
  return bytes;
}

/**
 * Decodes a frame body.
 *
 * Borrowed: `uniqueId`, `message` and the fields of `address` are views of `bytes`.
 * Source: `org.apache.catalina.tribes.io.ChannelData#getDataFromPackage`.
 *
 * @param bytes One whole body, without the frame.
 * @throws {DecodeError} `truncated`, `bad-marker`, `out-of-range`, `trailing-bytes`.
 */
export function decodeChannelData(bytes: Uint8Array): ChannelData {
  const reader = new ByteReader(bytes);
  const data = readChannelData(reader);
  reader.end("channelData");
  return data;
}

/** Writes a frame body as part of a larger message. */
export function writeChannelData(writer: ByteWriter, data: ChannelData): void {
  checkChannelData(data);
  writer.i32(data.options);
  writer.safeI64(data.timestamp);
  writer.lengthAndBytes(data.uniqueId);
  writer.i32(byteLengthMember(data.address));
  writeMember(writer, data.address);
  writer.lengthAndBytes(data.message);
}

/** Reads a frame body as part of a larger message; borrowed, as {@linkcode decodeChannelData}. */
export function readChannelData(reader: ByteReader): ChannelData {
  const options = reader.i32("options");
  const timestamp = reader.safeI64("timestamp");
  const uniqueId = reader.bytes(reader.length("uniqueId"), "uniqueId");
  const addressReader = reader.sub(reader.length("address"), "address");
  const address = readMember(addressReader);
  addressReader.end("address");
  const message = reader.bytes(reader.length("message"), "message");
  return { options, timestamp, uniqueId, address, message };
}

/**
 * Writes whole frames into a buffer that the caller reuses: the sender's hot path. The address of
 * messages is nearly always the same object, so that its block is encoded once and copied as part
 * of a template with everything that does not change.
 */
export class ChannelDataFrameWriter {
  #address: Member | undefined;
  #template: Uint8Array<ArrayBuffer> = new Uint8Array();

  /**
   * Number of bytes of a message's frame.
   *
   * @throws {EncodeError} When the message has no wire form.
   */
  byteLength(data: ChannelData): number {
    return this.headLength(data) + data.message.length + 7;
  }

  /**
   * Number of bytes in front of the message's own bytes.
   *
   * @throws {EncodeError} When the message has no wire form.
   */
  headLength(data: ChannelData): number {
    if (data.address !== this.#address) this.#prepare(data.address);
    checkChannelData(data);
    const length = this.#template.length + data.uniqueId.length -
      UNIQUE_ID_LENGTH;
    if (length + data.message.length - FRAME_HEADER_LENGTH > MAX_DATA_LENGTH) {
      throw new EncodeError(
        "too-large",
        "message",
        `${data.message.length} bytes do not fit a frame`,
      );
    }
    return length;
  }

  /**
   * Writes everything in front of the message's own bytes.
   *
   * @param bytes A buffer with {@linkcode headLength} bytes of room; whoever asked for that has
   * checked the message too.
   * @param at Where to write.
   * @returns The index behind it.
   */
  writeHead(
    bytes: Uint8Array<ArrayBuffer>,
    at: number,
    data: ChannelData,
  ): number {
    if (data.address !== this.#address) this.#prepare(data.address);
    const { uniqueId, message } = data;
    const template = this.#template;
    const extra = uniqueId.length - UNIQUE_ID_LENGTH;
    const end = at + template.length + extra;
    const body = at + FRAME_HEADER_LENGTH;
    if (extra === 0) {
      bytes.set(template, at);
    } else {
      this.#writeOddHead(bytes, at, uniqueId.length);
    }
    writeInt32(bytes, at + 7, end - body + message.length);
    writeInt32(bytes, body, data.options);
    writeSafeInt64(bytes, body + 4, data.timestamp);
    for (let i = 0; i < uniqueId.length; i++) {
      bytes[body + UNIQUE_ID_AT + i] = uniqueId[i]!; // i < length
    }
    writeInt32(bytes, end - 4, message.length);
    return end;
  }

  /**
   * Writes one whole frame.
   *
   * @param bytes A buffer with {@linkcode byteLength} bytes of room; whoever asked for that has
   * checked the message too.
   * @param at Where to write.
   * @returns The index behind it.
   */
  write(bytes: Uint8Array<ArrayBuffer>, at: number, data: ChannelData): number {
    const { message } = data;
    const start = this.writeHead(bytes, at, data);
    bytes.set(message, start);
    const end = start + message.length;
    writeFrameEnd(bytes, end);
    return end + 7;
  }

  #prepare(address: Member): void {
    const block = encodeMember(address);
    const template = new Uint8Array(
      FRAME_HEADER_LENGTH + FIXED_LENGTH + UNIQUE_ID_LENGTH + block.length,
    );
    writeFrameHeader(template, 0, 0);
    const body = FRAME_HEADER_LENGTH;
    writeInt32(template, body + 12, UNIQUE_ID_LENGTH);
    writeInt32(template, body + UNIQUE_ID_AT + UNIQUE_ID_LENGTH, block.length);
    template.set(block, body + UNIQUE_ID_AT + UNIQUE_ID_LENGTH + 4);
    this.#template = template;
    this.#address = address;
  }

  /** A unique id of another length than 16 shifts what follows it. */
  #writeOddHead(bytes: Uint8Array, at: number, uniqueIdLength: number): void {
    const split = FRAME_HEADER_LENGTH + UNIQUE_ID_AT;
    bytes.set(this.#template.subarray(0, split), at);
    writeInt32(bytes, at + split - 4, uniqueIdLength);
    bytes.set(
      this.#template.subarray(split + UNIQUE_ID_LENGTH),
      at + split + uniqueIdLength,
    );
  }
}

/**
 * Decodes the bodies of one connection: the receiver's hot path. The address is nearly always the
 * same bytes as in the last message, and is then the same, already decoded object.
 *
 * Borrowed: `uniqueId` and `message` are views of the input. `address` is not: it may be kept.
 */
export class ChannelDataDecoder {
  #block: Uint8Array = new Uint8Array();
  #words: Int32Array = new Int32Array(); // the block's, as far as they are whole
  #address: Member | undefined;
  // The input, and what was made of it: many messages lie in one, while making a view, and in Bun
  // even asking an array for its buffer, costs a tenth of a message (bench decode/frames/64).
  #input: Uint8Array | undefined;
  #buffer: ArrayBufferLike = NOTHING.buffer;
  #offset = 0;
  #view: DataView = NOTHING;

  /**
   * Decodes one body; errors as {@linkcode decodeChannelData}.
   *
   * @param bytes Where the body lies.
   * @param start Index of its first byte.
   * @param end Index behind its last byte.
   * @throws {DecodeError} `truncated`, `bad-marker`, `out-of-range`, `trailing-bytes`.
   */
  decode(
    bytes: Uint8Array,
    start = 0,
    end: number = bytes.length,
  ): ChannelData {
    const address = this.#address;
    if (address !== undefined && end - start >= FIXED_LENGTH) {
      const uniqueIdLength = readInt32(bytes, start + 12);
      const addressAt = start + 20 + uniqueIdLength;
      const messageAt = addressAt + this.#block.length + 4;
      if (
        uniqueIdLength >= 0 && messageAt <= end &&
        readInt32(bytes, messageAt - 4) === end - messageAt &&
        readInt32(bytes, addressAt - 4) === this.#block.length &&
        this.#isSameBlock(bytes, addressAt)
      ) {
        const timestamp = readInt32(bytes, start + 4) * 0x1_0000_0000 +
          (readInt32(bytes, start + 8) >>> 0);
        if (Number.isSafeInteger(timestamp)) {
          // The constructor costs half of what subarray does (bench decode/frames/64).
          return {
            options: readInt32(bytes, start),
            timestamp,
            uniqueId: new Uint8Array(
              this.#buffer,
              this.#offset + start + UNIQUE_ID_AT,
              uniqueIdLength,
            ),
            address,
            message: new Uint8Array(
              this.#buffer,
              this.#offset + messageAt,
              end - messageAt,
            ),
          };
        }
      }
    }
    return this.#decodeAddress(bytes.subarray(start, end));
  }

  /** Lets go of the last input, which it otherwise keeps alive until the next. */
  release(): void {
    this.#input = undefined;
    this.#buffer = NOTHING.buffer;
    this.#view = NOTHING;
  }

  /**
   * Compares the address block four bytes at a time, which costs less than half of what single bytes
   * do (bench decode/frames/64).
   */
  #isSameBlock(bytes: Uint8Array, at: number): boolean {
    const block = this.#block;
    const words = this.#words;
    if (bytes !== this.#input) {
      this.#input = bytes;
      this.#buffer = bytes.buffer;
      this.#offset = bytes.byteOffset;
      this.#view = new DataView(bytes.buffer);
    }
    const view = this.#view;
    const offset = this.#offset + at;
    for (let i = 0; i < words.length; i++) {
      if (view.getInt32(offset + i * 4, true) !== words[i]) return false;
    }
    for (let i = words.length * 4; i < block.length; i++) {
      if (bytes[at + i] !== block[i]) return false;
    }
    return true;
  }

  #decodeAddress(bytes: Uint8Array): ChannelData {
    const data = decodeChannelData(bytes);
    // The offsets are those that have just been decoded.
    const addressAt = 20 + data.uniqueId.length;
    const length = readInt32(bytes, addressAt - 4);
    const block = copyBytes(bytes.subarray(addressAt, addressAt + length));
    const view = new DataView(block.buffer);
    this.#block = block;
    this.#words = Int32Array.from(
      { length: length >> 2 },
      (_, i) => view.getInt32(i * 4, true),
    );
    this.#address = decodeMember(block);
    return { ...data, address: this.#address };
  }
}

function checkChannelData(data: ChannelData): void {
  checkInt32(data.options, "options");
  checkSafeInteger(data.timestamp, "timestamp");
}
