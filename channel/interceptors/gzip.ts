// Compresses bodies. From 9.0 on a bit of the send options says which are compressed; 7.0 and 8.5
// compress all and say nothing.
//
// Compression is synchronous: in a pool of threads a small message would overtake a large one that
// was sent before it on the same connection, and the way there costs more than most messages do.
import { DecodeError } from "../../protocol/errors.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../../protocol/generation.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { DEFAULT_MAX_DATA_LENGTH } from "../../protocol/tribes/frame.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { checkInteger } from "../../transport/options.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  ReceiveNext,
  SendNext,
} from "../interceptor.ts";
import { DroppedMessages } from "./dropped_messages.ts";
import { gunzipBody, gzipBody, isGzip } from "./gzip_body.ts";

/** The bit of the send options that says that a message is compressed. */
export const OPTION_COMPRESSION_ENABLE = 0x0100;

/** Options of {@linkcode GzipInterceptor}. Sizes are bytes. */
export interface GzipOptions {
  /**
   * Only longer messages are compressed. Without effect in the generations 7.0 and 8.5. Attribute
   * `compressionMinSize`.
   * @default {0}
   */
  readonly compressionMinSize?: number;
  /**
   * The bits that say that a message is compressed; without effect in the generations 7.0 and 8.5.
   * Attribute `optionFlag`.
   * @default {256}
   */
  readonly optionFlag?: number;
  /**
   * Greatest message that comes out of a compressed one; a greater one is dropped. Tomcat has no
   * limit.
   * @default {67108864} The receiver's greatest message.
   */
  readonly maxUncompressed?: number;
  /** The release whose form is written. */
  readonly generation?: Generation;
}

/** Compresses messages with gzip; compatible with Tomcat's interceptor. */
export class GzipInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "Gzip";
  /** The bits that say that a message is compressed; 0 in the generations that have none. */
  readonly optionFlag: number;
  readonly #compressionMinSize: number;
  readonly #maxUncompressed: number;
  readonly #hasFlag: boolean;
  readonly #dropped = new DroppedMessages("Gzip");
  #context: InterceptorContext | undefined;
  #countCompressedTX = 0;
  #countUncompressedTX = 0;
  #countCompressedRX = 0;
  #countUncompressedRX = 0;
  #sizeTX = 0;
  #compressedSizeTX = 0;
  #sizeRX = 0;
  #compressedSizeRX = 0;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: GzipOptions = {}) {
    const { generation = DEFAULT_GENERATION } = options;
    this.#hasFlag = isAtLeast(generation, "9.0.0");
    this.optionFlag = this.#hasFlag
      ? options.optionFlag ?? OPTION_COMPRESSION_ENABLE
      : 0;
    this.#compressionMinSize = options.compressionMinSize ?? 0;
    this.#maxUncompressed = options.maxUncompressed ?? DEFAULT_MAX_DATA_LENGTH;
    checkInteger(
      this.#compressionMinSize,
      "compressionMinSize",
      0,
      0x7fff_ffff,
    );
    checkInteger(this.#maxUncompressed, "maxUncompressed", 1, 0x7fff_ffff);
    if (this.#hasFlag) {
      checkInteger(this.optionFlag, "optionFlag", 1, 0x7fff_ffff);
    }
  }

  /**
   * Messages that were compressed and that were not, sent (`TX`) and received (`RX`); their bytes in
   * all, and those of the compressed forms. Names as Tomcat's.
   */
  statistics(): {
    readonly countCompressedTX: number;
    readonly countUncompressedTX: number;
    readonly countCompressedRX: number;
    readonly countUncompressedRX: number;
    readonly sizeTX: number;
    readonly compressedSizeTX: number;
    readonly sizeRX: number;
    readonly compressedSizeRX: number;
    readonly dropped: number;
  } {
    return {
      countCompressedTX: this.#countCompressedTX,
      countUncompressedTX: this.#countUncompressedTX,
      countCompressedRX: this.#countCompressedRX,
      countUncompressedRX: this.#countUncompressedRX,
      sizeTX: this.#sizeTX,
      compressedSizeTX: this.#compressedSizeTX,
      sizeRX: this.#sizeRX,
      compressedSizeRX: this.#compressedSizeRX,
      dropped: this.#dropped.total,
    };
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
  }

  /** Compresses a message that is long enough. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    const { length } = message.message;
    this.#sizeTX += length;
    if (this.#hasFlag && length <= this.#compressionMinSize) {
      this.#countUncompressedTX++;
      return next(destination, message);
    }
    const body = gzipBody(message.message);
    this.#countCompressedTX++;
    this.#compressedSizeTX += body.length;
    return next(destination, {
      ...message,
      options: message.options | this.optionFlag,
      message: body,
    });
  }

  /**
   * Decompresses what is compressed: what has the bits; in the generations without them what is gzip,
   * so that messages of newer releases that were too short for it come through. What cannot be
   * decompressed is dropped.
   */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (!this.#isCompressed(message)) {
      this.#countUncompressedRX++;
      this.#sizeRX += message.message.length;
      return next(message);
    }
    let body: Uint8Array;
    try {
      body = gunzipBody(message.message, this.#maxUncompressed);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const describe = () => ({ state: error.message, cause: error });
      this.#dropped.add(this.#context, error.code, message.address, describe);
      return;
    }
    this.#countCompressedRX++;
    this.#compressedSizeRX += message.message.length;
    this.#sizeRX += body.length;
    return next({ ...message, message: body });
  }

  #isCompressed({ options, message }: ChannelData): boolean {
    // One bit of several is enough, as in Tomcat.
    return this.#hasFlag
      ? (options & this.optionFlag) !== 0
      : isGzip(message) || (options & OPTION_COMPRESSION_ENABLE) !== 0;
  }
}
