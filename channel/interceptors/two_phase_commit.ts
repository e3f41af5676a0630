// All members get a message, or none: it is kept by each until a second message, which is only sent
// when all have the first, lets it through.
//
// What is kept is bounded in number, bytes and time. Entries are under the sender and the unique id,
// so that nobody confirms, or replaces, what another has sent.
import { copyBytes } from "../../protocol/bytes/bytes.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  createMember,
  formatMember,
  type Member,
  memberKey,
} from "../../protocol/tribes/member.ts";
import {
  decodeTwoPhaseConfirmation,
  encodeTwoPhaseConfirmation,
  isTwoPhaseConfirmation,
} from "../../protocol/tribes/two_phase_confirmation.ts";
import { ChannelError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  okToProcess,
  type ReceiveNext,
  type SendNext,
} from "../interceptor.ts";
import { DroppedMessages } from "./dropped_messages.ts";
import { extraHeadLength } from "./kept_messages.ts";

/** Options of {@linkcode TwoPhaseCommitInterceptor}. */
export interface TwoPhaseCommitOptions {
  /**
   * Milliseconds after which a message that was not confirmed is forgotten, at the next heartbeat.
   * Attribute `expire`.
   * @default {60000}
   */
  readonly expire?: number;
  /**
   * Accepted for compatibility: what is kept is always a copy. Attribute `deepclone`.
   * @default {true}
   */
  readonly deepclone?: boolean;
  /**
   * Bits of the messages that are sent and received in two phases; 0 for all. Attribute
   * `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /**
   * Greatest number of messages that wait for their confirmation; further ones fail. Tomcat has no
   * limit.
   * @default {10000}
   */
  readonly maxMessages?: number;
  /**
   * Greatest number of bytes of these messages, with what their heads have beyond 256. Tomcat has no
   * limit.
   * @default {67108864}
   */
  readonly maxBytes?: number;
}

interface Entry {
  readonly message: ChannelData;
  readonly since: number;
}

/** Delivers a message when all of its destinations have it; compatible with Tomcat's interceptor. */
export class TwoPhaseCommitInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "TwoPhaseCommit";
  /** Bits of the messages that are sent in two phases. */
  readonly optionFlag: number;
  readonly #expire: number;
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>(); // the oldest first
  #bytes = 0;
  readonly #expired = new DroppedMessages(this.name);
  readonly #unmatched = new DroppedMessages(this.name);
  #refused = 0;
  #context: InterceptorContext | undefined;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: TwoPhaseCommitOptions = {}) {
    const most = Number.MAX_SAFE_INTEGER;
    this.optionFlag = options.optionFlag ?? 0;
    this.#expire = options.expire ?? 60_000;
    this.#maxMessages = options.maxMessages ?? 10_000;
    this.#maxBytes = options.maxBytes ?? 67_108_864;
    checkInteger(this.#expire, "expire", 0, most);
    checkInteger(this.#maxMessages, "maxMessages", 1, most);
    checkInteger(this.#maxBytes, "maxBytes", 1, most);
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
  }

  /** Stops the layer, and forgets what was not confirmed. */
  stop(): void {
    this.#context = undefined;
    this.#entries.clear();
    this.#bytes = 0;
  }

  /**
   * Messages that wait and their bytes; and, in all, messages that expired or found no room, and
   * confirmations without a message.
   */
  statistics(): {
    readonly waitingMessages: number;
    readonly waitingBytes: number;
    readonly expired: number;
    readonly refused: number;
    readonly unmatched: number;
  } {
    return {
      waitingMessages: this.#entries.size,
      waitingBytes: this.#bytes,
      expired: this.#expired.total,
      refused: this.#refused,
      unmatched: this.#unmatched.total,
    };
  }

  /**
   * Sends a message, and when all have it, its confirmation.
   *
   * @throws {ChannelError} By rejecting: `unsupported` while the layer is not started.
   */
  async sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    if (!okToProcess(message.options, this.optionFlag)) {
      return await next(destination, message);
    }
    const context = this.#started("send");
    // The caller may take back what is borrowed while the first message is under way.
    const confirmation: ChannelData = {
      ...context.makeMessage(
        encodeTwoPhaseConfirmation(message.uniqueId),
        message.options,
      ),
      timestamp: message.timestamp,
      address: message.address,
    };
    await next(destination, message);
    await next(destination, confirmation);
  }

  /**
   * Keeps a message, or delivers the one that a confirmation names.
   *
   * @throws {ChannelError} `queue-full` for a message that finds no room; `unsupported` while the layer
   * is not started: a channel that stops still receives, and nobody may deliver alone.
   */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (!okToProcess(message.options, this.optionFlag)) return next(message);
    const context = this.#started("receive");
    if (!isTwoPhaseConfirmation(message.message, message.uniqueId.length)) {
      this.#keep(message, context);
      return;
    }
    const id = decodeTwoPhaseConfirmation(message.message);
    const kept = this.#take(keyOf(message.address, id));
    if (kept !== undefined) return next(kept.message);
    this.#unmatched.add(context, "unmatched", message.address, () => ({
      state: `message ${encodeHex(id)} was confirmed and is not there`,
    }));
  }

  /** Forgets what was not confirmed in time. */
  heartbeat(): void {
    const context = this.#context;
    if (context === undefined) return;
    const now = context.transport.clock.now();
    for (const [key, { message, since }] of this.#entries) {
      if (now - since <= this.#expire) break;
      this.#take(key);
      this.#expired.add(context, "expired", message.address, () => ({
        state: `${
          encodeHex(message.uniqueId)
        } was not confirmed within ${this.#expire} ms`,
      }));
    }
  }

  #started(action: string): InterceptorContext {
    if (this.#context === undefined) {
      throw new ChannelError(
        "unsupported",
        `Cannot ${action} in two phases: the layer is not started`,
      );
    }
    return this.#context;
  }

  #keep(message: ChannelData, context: InterceptorContext): void {
    const key = keyOf(message.address, message.uniqueId);
    this.#take(key); // a retry sends the same message again
    const size = sizeOf(message);
    if (
      this.#entries.size >= this.#maxMessages ||
      this.#bytes + size > this.#maxBytes
    ) {
      this.#refused++;
      throw new ChannelError(
        "queue-full",
        `Cannot keep ${size} bytes of ${
          formatMember(message.address)
        }: ${this.#entries.size} messages of ${this.#bytes} bytes wait for their confirmation`,
      );
    }
    this.#bytes += size;
    this.#entries.set(key, {
      message: {
        ...message,
        uniqueId: copyBytes(message.uniqueId),
        address: createMember(message.address),
        message: copyBytes(message.message),
      },
      since: context.transport.clock.now(),
    });
  }

  #take(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#bytes -= sizeOf(entry.message);
    return entry;
  }
}

function sizeOf(message: ChannelData): number {
  return message.message.length + extraHeadLength(message);
}

function keyOf(sender: Member, uniqueId: Uint8Array): string {
  return `${memberKey(sender)}/${encodeHex(uniqueId)}`;
}
