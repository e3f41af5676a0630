// Cuts large messages into parts, and puts parts together again.
//
// Parts are kept under sender and unique id, which all parts of a message share: interleaved messages
// do not meet, and nobody completes, or spoils, what another has sent. What is kept is bounded in
// bytes, with something for each part, in number and in age; when it is too much, the oldest message
// goes.
import { concatBytes, copyBytes } from "../../protocol/bytes/bytes.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { DecodeError } from "../../protocol/errors.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  decodeFragment,
  encodeFragment,
  type MessagePart,
} from "../../protocol/tribes/fragment.ts";
import { DEFAULT_MAX_DATA_LENGTH } from "../../protocol/tribes/frame.ts";
import { type Member, memberKey } from "../../protocol/tribes/member.ts";
import { ChannelError, joinSendErrors } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  okToProcess,
  type ReceiveNext,
  type SendNext,
} from "../interceptor.ts";
import { DroppedMessages } from "./dropped_messages.ts";
import { extraHeadLength, KEPT_MESSAGE_OVERHEAD } from "./kept_messages.ts";

/** Options of {@linkcode FragmentationInterceptor}. Sizes are bytes. */
export interface FragmentationOptions {
  /**
   * Longer messages are cut into parts of this size. Attribute `maxSize`.
   * @default {102400}
   */
  readonly maxSize?: number;
  /**
   * Milliseconds after the first part at which a message without all of its parts is forgotten, at
   * the next heartbeat. Attribute `expire`.
   * @default {60000}
   */
  readonly expire?: number;
  /**
   * Only messages with these bits are cut; 0 for all. Every message gets the trailing byte. Attribute
   * `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /**
   * Greatest message that is put together; the part that goes beyond fails. Tomcat has no limit.
   * @default {67108864} The receiver's greatest message.
   */
  readonly maxMessageSize?: number;
  /**
   * Greatest number of bytes of parts that are kept, each counting 256 more than its own, and of
   * longer heads; the oldest message goes. Tomcat has no limit.
   * @default {268435456}
   */
  readonly maxHeldBytes?: number;
  /**
   * Greatest number of messages of which parts are kept; the oldest goes. Tomcat has no limit.
   * @default {10000}
   */
  readonly maxHeldMessages?: number;
}

interface Collection {
  readonly count: number;
  readonly since: number;
  readonly address: Member;
  readonly parts: Map<number, Uint8Array>;
  readonly headSize: number;
  size: number;
}

/** Sends large messages in parts; compatible with Tomcat's interceptor. */
export class FragmentationInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "Fragmentation";
  /** Bits of the messages that are cut. */
  readonly optionFlag: number;
  readonly #options: Required<FragmentationOptions>;
  readonly #collections = new Map<string, Collection>(); // the oldest first
  readonly #dropped = new DroppedMessages("Fragmentation");
  #heldBytes = 0;
  #cut = 0;
  #assembled = 0;
  #context: InterceptorContext | undefined;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: FragmentationOptions = {}) {
    this.#options = {
      maxSize: options.maxSize ?? 102_400,
      expire: options.expire ?? 60_000,
      optionFlag: options.optionFlag ?? 0,
      maxMessageSize: options.maxMessageSize ?? DEFAULT_MAX_DATA_LENGTH,
      maxHeldBytes: options.maxHeldBytes ?? 268_435_456,
      maxHeldMessages: options.maxHeldMessages ?? 10_000,
    };
    this.optionFlag = this.#options.optionFlag;
    const most = Number.MAX_SAFE_INTEGER;
    checkInteger(this.#options.maxSize, "maxSize", 1, 0x7fff_ffff);
    checkInteger(this.#options.expire, "expire", 0, most);
    checkInteger(
      this.#options.maxMessageSize,
      "maxMessageSize",
      1,
      0x7fff_ffff,
    );
    checkInteger(this.#options.maxHeldBytes, "maxHeldBytes", 1, most);
    checkInteger(this.#options.maxHeldMessages, "maxHeldMessages", 1, most);
  }

  /**
   * Messages of which parts are kept, and the bytes of these; in all, messages that were cut and put
   * together, and those of which parts came in vain.
   */
  statistics(): {
    readonly heldMessages: number;
    readonly heldBytes: number;
    readonly cut: number;
    readonly assembled: number;
    readonly dropped: number;
  } {
    return {
      heldMessages: this.#collections.size,
      heldBytes: this.#heldBytes,
      cut: this.#cut,
      assembled: this.#assembled,
      dropped: this.#dropped.total,
    };
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#forgetAll(); // what came after the stop
    this.#context = context;
  }

  /** Stops the layer, and forgets the parts that it keeps. */
  stop(): void {
    this.#context = undefined;
    this.#forgetAll();
  }

  #forgetAll(): void {
    this.#collections.clear();
    this.#heldBytes = 0;
  }

  /**
   * Sends a message whole or in parts. A member that fails gets no more parts; the others get the
   * message. What is sent meanwhile may arrive before it, unless Order stands above.
   */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    const data = message.message;
    const { maxSize } = this.#options;
    if (
      data.length <= maxSize || !okToProcess(message.options, this.optionFlag)
    ) {
      const whole = encodeFragment({ type: "whole", data });
      return next(destination, { ...message, message: whole });
    }
    this.#cut++;
    return this.#sendParts(destination, message, next);
  }

  /**
   * Passes on whole messages at once, and others with their last part.
   *
   * @throws {DecodeError} `truncated`, `out-of-range`, `too-large`: the part's processing fails, as
   * Tomcat's does.
   */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    const fragment = decodeFragment(message.message);
    if (fragment.type === "whole") {
      return next({ ...message, message: fragment.data });
    }
    const assembled = this.#add(message, fragment);
    if (assembled === undefined) return;
    this.#assembled++;
    return next({ ...message, message: assembled });
  }

  /** Forgets messages whose first part came too long ago. */
  heartbeat(): void {
    const { expire } = this.#options;
    const now = this.#now();
    for (const [key, collection] of this.#collections) {
      const age = now - collection.since;
      if (age <= expire) break; // the others are younger
      this.#drop(key, "expired", `came ${age} ms ago`);
    }
  }

  /**
   * One part after another, as Tomcat does: its receiver takes what comes at once in several threads,
   * and may then lose the last parts of a message to each other.
   */
  async #sendParts(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    const { maxSize } = this.#options;
    const count = Math.ceil(message.message.length / maxSize);
    const errors: ChannelError[] = [];
    let reachable = destination;
    for (let index = 0; index < count && reachable.length > 0; index++) {
      const start = index * maxSize;
      const data = message.message.subarray(start, start + maxSize);
      const part = encodeFragment({ type: "part", data, index, count });
      try {
        await next(reachable, { ...message, message: part });
      } catch (error) {
        const left = withoutFaulty(reachable, error);
        if (left === undefined) throw error;
        errors.push(error as ChannelError); // it has faulty members
        reachable = left;
      }
    }
    if (errors.length > 0) throw joinSendErrors(errors);
  }

  /** Adds a part, and gives the message when it was the last one missing. */
  #add(
    message: ChannelData,
    { index, count, data }: MessagePart,
  ): Uint8Array<ArrayBuffer> | undefined {
    const { maxMessageSize } = this.#options;
    const key = keyOf(message);
    const known = this.#collections.get(key);
    if (known !== undefined && known.count !== count) {
      throw partError(
        "out-of-range",
        message,
        `${count} is not ${known.count}`,
      );
    }
    if (known?.parts.has(index)) return undefined; // a retry
    const size = (known?.size ?? 0) + data.length;
    // The first part tells of how many there are at least.
    if (size > maxMessageSize || count > maxMessageSize) {
      if (known !== undefined) {
        this.#drop(key, "too-large", `is of more than ${maxMessageSize} bytes`);
      }
      throw partError(
        "too-large",
        message,
        `${count} parts, of which some have ${size} bytes, go beyond ${maxMessageSize}`,
      );
    }
    const collection = known ?? this.#open(key, message, count);
    collection.parts.set(index, copyBytes(data));
    collection.size = size;
    this.#heldBytes += data.length + KEPT_MESSAGE_OVERHEAD;
    if (collection.parts.size === count) {
      this.#forget(key, collection);
      return join(collection);
    }
    this.#makeRoom();
    return undefined;
  }

  #open(key: string, message: ChannelData, count: number): Collection {
    const collection: Collection = {
      count,
      since: this.#now(),
      address: message.address,
      parts: new Map(),
      headSize: extraHeadLength(message),
      size: 0,
    };
    this.#collections.set(key, collection);
    this.#heldBytes += collection.headSize;
    return collection;
  }

  #makeRoom(): void {
    const { maxHeldBytes, maxHeldMessages } = this.#options;
    for (const key of this.#collections.keys()) {
      if (
        this.#heldBytes <= maxHeldBytes &&
        this.#collections.size <= maxHeldMessages
      ) return;
      this.#drop(key, "no-room", "is the oldest, and there is no room");
    }
  }

  #drop(key: string, reason: string, state: string): void {
    const collection = this.#collections.get(key)!; // the caller has it from there
    this.#forget(key, collection);
    const { address, parts, count } = collection;
    this.#dropped.add(this.#context, reason, address, () => ({
      state: `of its ${count} parts ${parts.size} came, and the first ${state}`,
    }));
  }

  #forget(key: string, collection: Collection): void {
    this.#collections.delete(key);
    this.#heldBytes -= collection.size + collection.headSize +
      collection.parts.size * KEPT_MESSAGE_OVERHEAD;
  }

  #now(): number {
    return this.#context?.transport.clock.now() ?? 0;
  }
}

function keyOf({ address, uniqueId }: ChannelData): string {
  return `${memberKey(address)} ${encodeHex(uniqueId)}`;
}

function join({ count, parts }: Collection): Uint8Array<ArrayBuffer> {
  // All numbers below count are there: as many as count, and none beyond it.
  return concatBytes(Array.from({ length: count }, (_, i) => parts.get(i)!));
}

/** Those of the members that an error does not name; `undefined` when it names none of them. */
function withoutFaulty(
  members: readonly Member[],
  error: unknown,
): readonly Member[] | undefined {
  if (!(error instanceof ChannelError)) return undefined;
  const faulty = new Set(
    error.faultyMembers.map(({ member }) => memberKey(member)),
  );
  const left = members.filter((member) => !faulty.has(memberKey(member)));
  return left.length < members.length ? left : undefined;
}

function partError(
  code: "out-of-range" | "too-large",
  { message }: ChannelData,
  state: string,
): DecodeError {
  return new DecodeError(code, "fragment.count", message.length - 5, state);
}
