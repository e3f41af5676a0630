// Delivers the messages of each sender in the order in which they were sent to this member.
//
// A sender numbers its messages for each member from 1. What comes early is kept, in a copy, until
// the messages before it came, or it has waited too long; what comes late, or again, is delivered at
// once. Deciding is synchronous and delivering need not be: a sender's messages are handed up one
// after another, so that none overtakes one whose listener still works on it.
import { copyBytes } from "../../protocol/bytes/bytes.ts";
import { DecodeError } from "../../protocol/errors.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../../protocol/generation.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { type Member, memberKey } from "../../protocol/tribes/member.ts";
import {
  decodeNumberedMessage,
  encodeNumberedMessage,
} from "../../protocol/tribes/numbered_message.ts";
import { asError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  okToProcess,
  type ReceiveNext,
  type SendNext,
} from "../interceptor.ts";
import { extraHeadLength, KEPT_MESSAGE_OVERHEAD } from "./kept_messages.ts";
import { MessageSequence, type NumberedItem } from "./message_sequence.ts";
import { sendAll } from "./send_all.ts";

const MAX_INTEGER = 0x7fff_ffff;

/** Options of {@linkcode OrderInterceptor}. */
export interface OrderOptions {
  /**
   * Milliseconds that a message waits for those before it. Attribute `expire`.
   * @default {3000}
   */
  readonly expire?: number;
  /**
   * Whether messages that waited that long are delivered; otherwise they are dropped. Attribute
   * `forwardExpired`.
   * @default {true}
   */
  readonly forwardExpired?: boolean;
  /**
   * Number of messages of a sender that wait at which all of them count as expired. Attribute
   * `maxQueue`.
   * @default {2147483647}
   */
  readonly maxQueue?: number;
  /**
   * Bits of the messages that are numbered and put in order; 0 for all. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /**
   * Greatest number of bytes of messages that wait, each counting 256 more than its own, and of longer
   * heads; beyond it those of the sender that adds to them count as expired. Tomcat has no limit.
   * @default {67108864}
   */
  readonly maxQueuedBytes?: number;
  /**
   * Greatest number of senders whose numbers are known; the one that was silent longest starts anew.
   * Tomcat has no limit.
   * @default {10000}
   */
  readonly maxSenders?: number;
  /**
   * The release whose behaviour is wanted after a member disappeared: from 9.0.119, 10.1.56 and
   * 11.0.23 on numbers start anew; before, what comes from the same unique id is not put in order
   * any more.
   */
  readonly generation?: Generation;
}

/**
 * Keeps the order of messages to each member; compatible with Tomcat's interceptor.
 *
 * Like Tomcat's it does not suppress duplicates. Messages that waited too long are also released at a
 * heartbeat, which Tomcat only does when another message comes.
 */
export class OrderInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "Order";
  /** Bits of the messages that are put in order. */
  readonly optionFlag: number;
  readonly #options: Required<Omit<OrderOptions, "generation">>;
  readonly #startsAnew: boolean;
  readonly #sentTo = new Map<string, number>(); // the last number
  readonly #senders = new Map<string, Sender>(); // the longest silent first
  #queuedBytes = 0;
  #queuedMessages = 0;
  #expired = 0;
  #dropped = 0;
  #context: InterceptorContext | undefined;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: OrderOptions = {}) {
    const { generation = DEFAULT_GENERATION } = options;
    this.#startsAnew = isAtLeast(generation, "9.0.119", "10.1.56", "11.0.23");
    this.#options = {
      expire: options.expire ?? 3000,
      forwardExpired: options.forwardExpired ?? true,
      maxQueue: options.maxQueue ?? MAX_INTEGER,
      optionFlag: options.optionFlag ?? 0,
      maxQueuedBytes: options.maxQueuedBytes ?? 67_108_864,
      maxSenders: options.maxSenders ?? 10_000,
    };
    this.optionFlag = this.#options.optionFlag;
    const most = Number.MAX_SAFE_INTEGER;
    checkInteger(this.#options.expire, "expire", 0, most);
    checkInteger(this.#options.maxQueue, "maxQueue", 1, MAX_INTEGER);
    checkInteger(this.#options.maxQueuedBytes, "maxQueuedBytes", 1, most);
    checkInteger(this.#options.maxSenders, "maxSenders", 1, most);
  }

  /**
   * Messages that wait, and their bytes with 256 more for each; in all, messages that waited too long,
   * and those of them that were dropped.
   */
  statistics(): {
    readonly queuedMessages: number;
    readonly queuedBytes: number;
    readonly expired: number;
    readonly dropped: number;
  } {
    return {
      queuedMessages: this.#queuedMessages,
      queuedBytes: this.#queuedBytes,
      expired: this.#expired,
      dropped: this.#dropped,
    };
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#forget(); // what came after the stop
    this.#context = context;
  }

  /** Stops the layer; numbers start anew, and what waits is forgotten. */
  stop(): void {
    this.#context = undefined;
    this.#forget();
  }

  #forget(): void {
    this.#sentTo.clear();
    this.#senders.clear();
    this.#queuedBytes = 0;
    this.#queuedMessages = 0;
  }

  /** Numbers a message for each member, and sends it to all of them at once. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    if (!okToProcess(message.options, this.optionFlag)) {
      return next(destination, message);
    }
    const numbers = destination.map((member) => this.#nextNumber(member));
    return sendAll([...destination.keys()], (i) => {
      const number = numbers[i]!; // there is one a member
      const body = encodeNumberedMessage({ data: message.message, number });
      return next([destination[i]!], { ...message, message: body }); // i is a key
    });
  }

  /**
   * Passes on a message whose turn it is, and those that waited for it; keeps one that is early.
   *
   * @throws {DecodeError} `truncated` for a body without a number; `out-of-range` for the number of
   * one that waits, as in Tomcat.
   */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (!okToProcess(message.options, this.optionFlag)) return next(message);
    const { data, number } = decodeNumberedMessage(message.message);
    const sender = this.#senderOf(message.address);
    const own: Item = {
      number,
      since: this.#now(),
      message: { ...message, message: data },
    };
    if (!sender.sequence.add(own)) {
      throw new DecodeError(
        "out-of-range",
        "number",
        data.length,
        `${number} is queued already`,
      );
    }
    this.#count(own, 1);
    const ready = this.#release(sender);
    if (!ready.includes(own)) own.message = copyOf(own.message); // it stays
    return this.#deliver(sender, ready, own, next);
  }

  /** Delivers what waits from a member that is gone, and forgets its numbers. */
  memberDisappeared(member: Member, next: (member: Member) => void): void {
    const key = memberKey(member);
    this.#sentTo.delete(key);
    const sender = this.#senders.get(key);
    if (sender !== undefined) {
      this.#deliverLater(sender, this.#counted(sender.sequence.takeAll()));
    }
    if (this.#startsAnew) {
      this.#senders.delete(key);
    } else {
      this.#senderOf(member).sequence.expected = MAX_INTEGER;
    }
    next(member);
  }

  /** Releases what has waited too long. */
  heartbeat(): void {
    if (this.#queuedMessages === 0) return;
    for (const sender of this.#senders.values()) {
      if (sender.sequence.length === 0) continue;
      this.#deliverLater(sender, this.#release(sender));
    }
  }

  /** Takes what is to be delivered now, in order. */
  #release(sender: Sender): Item[] {
    const { sequence } = sender;
    const { expire, maxQueue, maxQueuedBytes, forwardExpired } = this.#options;
    const ready = this.#counted(sequence.takeReady());
    const isFull = sequence.length >= maxQueue ||
      sequence.length > 0 && this.#queuedBytes > maxQueuedBytes;
    const deadline = this.#now() - expire;
    const expired = this.#counted(
      sequence.takeExpired(isFull ? Infinity : deadline),
    );
    if (expired.length === 0) return ready;
    this.#expired += expired.length;
    if (!forwardExpired) this.#dropped += expired.length;
    // What expired may have been what younger ones waited for. There may be more than a call takes
    // arguments.
    const following = this.#counted(sequence.takeReady());
    return ready.concat(forwardExpired ? expired : [], following);
  }

  #counted(items: Item[]): Item[] {
    for (const item of items) this.#count(item, -1);
    return items;
  }

  #count({ message }: Item, sign: 1 | -1): void {
    this.#queuedMessages += sign;
    this.#queuedBytes += sign *
      (message.message.length + KEPT_MESSAGE_OVERHEAD +
        extraHeadLength(message));
  }

  /** Hands up messages; what comes of this is what comes of the caller's own one. */
  #deliver(
    sender: Sender,
    items: readonly Item[],
    own: Item | undefined,
    next: ReceiveNext,
  ): void | Promise<void> {
    const { delivering } = sender;
    if (items.length === 0) return;
    let delivered: void | Promise<void>;
    if (delivering !== undefined) {
      delivered = delivering.then(() => this.#handUp(items, own, next));
    } else if (own !== undefined && items.length === 1 && items[0] === own) {
      delivered = next(own.message);
    } else {
      delivered = this.#handUp(items, own, next);
    }
    if (delivered === undefined) return;
    const settled = delivered.catch(() => {}).then(() => {
      if (sender.delivering === settled) sender.delivering = undefined;
    });
    sender.delivering = settled;
    return delivered;
  }

  /** Hands up one after another, at once as long as nobody takes time. */
  async #handUp(
    items: readonly Item[],
    own: Item | undefined,
    next: ReceiveNext,
  ): Promise<void> {
    const failures: unknown[] = [];
    for (const item of items) {
      try {
        const pending = next(item.message);
        if (pending !== undefined) await pending;
      } catch (error) {
        // Others were acknowledged when they came.
        if (item === own) failures.push(error);
        else this.#context?.fault(asError(error));
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Hands up messages that no peer waits for. */
  #deliverLater(sender: Sender, items: readonly Item[]): void {
    const context = this.#context;
    if (context === undefined) return;
    const delivered = this.#deliver(
      sender,
      items,
      undefined,
      context.messageReceived,
    );
    if (delivered !== undefined) context.background(delivered);
  }

  #nextNumber(member: Member): number {
    const key = memberKey(member);
    const number = ((this.#sentTo.get(key) ?? 0) + 1) | 0; // as Java wraps
    this.#sentTo.set(key, number);
    return number;
  }

  #senderOf(member: Member): Sender {
    const key = memberKey(member);
    const known = this.#senders.get(key);
    const sender = known ??
      { sequence: new MessageSequence<Item>(), delivering: undefined };
    this.#senders.delete(key); // to the end
    this.#senders.set(key, sender);
    if (this.#senders.size > this.#options.maxSenders) this.#forgetSilent();
    return sender;
  }

  #forgetSilent(): void {
    for (const [key, sender] of this.#senders) {
      this.#senders.delete(key);
      this.#deliverLater(sender, this.#counted(sender.sequence.takeAll()));
      return;
    }
  }

  #now(): number {
    return this.#context?.transport.clock.now() ?? 0;
  }
}

/** A message that waits; borrowed while its own call runs, then a copy. */
interface Item extends NumberedItem {
  message: ChannelData;
}

interface Sender {
  readonly sequence: MessageSequence<Item>;
  delivering: Promise<void> | undefined; // never rejects
}

function copyOf(message: ChannelData): ChannelData {
  return {
    ...message,
    uniqueId: copyBytes(message.uniqueId),
    message: copyBytes(message.message),
  };
}
