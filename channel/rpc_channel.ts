// Remote procedure calls over a channel, compatible with Tomcat's RpcChannel.
//
// A call is a message with an identifier of its own; whoever has an RPC channel of the same name
// answers with a message that carries it, and a node that has none says so. Requests are answered
// beside the channel's own course: a callback that itself calls would otherwise wait for answers that
// stand behind its request.
import { equalBytes } from "../protocol/bytes/bytes.ts";
import { encodeHex } from "../protocol/bytes/hex.ts";
import type { JavaNode } from "../protocol/java/tree.ts";
import { DecodeError } from "../protocol/errors.ts";
import {
  byteLengthChannelData,
  type ChannelData,
} from "../protocol/tribes/channel_data.ts";
import {
  createMember,
  type Member,
  memberKey,
} from "../protocol/tribes/member.ts";
import {
  decodeRpcMessage,
  encodeRpcMessage,
  type RpcCallMessage,
} from "../protocol/tribes/rpc_message.ts";
import {
  SEND_OPTIONS_DEFAULT,
  SEND_OPTIONS_SYNCHRONIZED_ACK,
} from "../protocol/tribes/send_options.ts";
import {
  makeUniqueId,
  type RandomBytes,
} from "../protocol/tribes/unique_id.ts";
import type { MessageChannel, MessageListener } from "../membership/types.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import type { Timer } from "../transport/types.ts";
import {
  type ObjectMessage,
  objectNode,
  rpcMessageOf,
} from "./object_message.ts";

/** Wait for one reply. */
export const FIRST_REPLY = 1;
/** Wait for replies of at least half of the members. */
export const MAJORITY_REPLY = 2;
/** Wait for the replies of all members. */
export const ALL_REPLY = 3;
/** Wait for nothing. */
export const NO_REPLY = 4;

/** How many replies a call waits for. */
export type ReplyType =
  | typeof FIRST_REPLY
  | typeof MAJORITY_REPLY
  | typeof ALL_REPLY
  | typeof NO_REPLY;

/** One member's reply. */
export interface RpcResponse {
  /** Who replied. */
  readonly source: Member;
  /** The reply. */
  readonly message: JavaNode;
}

/** Takes what an RPC channel is asked, and what comes too late. */
export interface RpcCallback {
  /**
   * Answers a request; without it every answer is null.
   *
   * @param message What is asked.
   * @param sender Who asks.
   * @throws {Error} Then nothing is answered, and the error is reported.
   */
  replyRequest?(
    message: JavaNode,
    sender: Member,
  ): ObjectMessage | Promise<ObjectMessage>;
  /** Takes a reply to a call that waits no longer. */
  leftOver?(message: JavaNode, sender: Member): void;
}

/** Options of {@linkcode RpcChannel}. */
export interface RpcChannelOptions {
  /** What is done with requests and late replies. */
  readonly callback?: RpcCallback;
  /**
   * Send options of replies; 0x0004 is left out of them.
   * @default {0}
   */
  readonly replyMessageOptions?: number;
  /**
   * Greatest number of calls that wait. Tomcat has no limit.
   * @default {10000}
   */
  readonly maxPendingCalls?: number;
  /**
   * Greatest number of requests that are answered at once; more of them hold up what comes in.
   * @default {1000}
   */
  readonly maxPendingRequests?: number;
  /**
   * Greatest number of bytes of these requests; more hold up what comes in.
   * @default {67108864}
   */
  readonly maxPendingRequestBytes?: number;
  /**
   * Where random bytes come from.
   * @default {crypto.getRandomValues}
   */
  readonly random?: RandomBytes;
}

/** Options of one {@linkcode RpcChannel.send}. */
export interface RpcSendOptions {
  /**
   * How many replies to wait for.
   * @default {3}
   */
  readonly reply?: ReplyType;
  /**
   * Send options of the request; 0x0004 is left out of them, as nobody is to wait for processing.
   * @default {2}
   */
  readonly options?: number;
  /**
   * Milliseconds to wait for replies.
   * @default {3000}
   */
  readonly timeout?: number;
}

/**
 * Asks members, and answers them. Several can stand on one channel, each with a name of its own.
 *
 * @example Asks another node
 * ```ts
 * import { FIRST_REPLY, GroupChannel, RpcChannel } from "@tribes/toolkit/channel";
 * import { javaString } from "@tribes/toolkit/protocol";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const network = new MemoryNetwork();
 * const a = new GroupChannel(network.transport("10.0.0.1"));
 * const b = new GroupChannel(network.transport("10.0.0.2"));
 * const name = new TextEncoder().encode("greeter");
 * const asking = new RpcChannel(a, name);
 * const answering = new RpcChannel(b, name, {
 *   callback: { replyRequest: (asked) => asked?.kind === "string" ? `hello ${asked.value}` : null },
 * });
 * await network.run(async () => {
 *   await Promise.all([a.start(), b.start()]);
 *   const replies = await asking.send(a.members(), "ann", { reply: FIRST_REPLY });
 *   assert.deepEqual(replies.map(({ message }) => message), [javaString("hello ann")]);
 *   asking.stop();
 *   answering.stop();
 *   await Promise.all([a.stop(), b.stop()]);
 * });
 * ```
 */
export class RpcChannel implements MessageListener {
  /** Tells the channel that an RPC message which this listener accepts is answered. */
  readonly answersRpc = true;
  readonly #channel: MessageChannel;
  readonly #rpcId: Uint8Array;
  readonly #callback: RpcCallback;
  readonly #replyMessageOptions: number;
  readonly #maxPendingCalls: number;
  readonly #maxPendingRequests: number;
  readonly #maxPendingRequestBytes: number;
  readonly #random: RandomBytes;
  readonly #calls = new Map<string, Call>();
  #answering = 0;
  #answeringBytes = 0;
  #stopped = false;

  /**
   * Makes an RPC channel, which takes messages until it is stopped.
   *
   * @param channel The channel; it may be started later.
   * @param rpcId Name by which the channels of all nodes find each other; copied.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(
    channel: MessageChannel,
    rpcId: Uint8Array,
    options: RpcChannelOptions = {},
  ) {
    this.#channel = channel;
    this.#rpcId = rpcId.slice();
    this.#callback = options.callback ?? {};
    this.#replyMessageOptions = withoutSync(options.replyMessageOptions ?? 0);
    this.#maxPendingCalls = options.maxPendingCalls ?? 10_000;
    this.#maxPendingRequests = options.maxPendingRequests ?? 1000;
    this.#maxPendingRequestBytes = options.maxPendingRequestBytes ?? 67_108_864;
    this.#random = options.random ??
      ((bytes) => void crypto.getRandomValues(bytes));
    checkInteger(this.#maxPendingCalls, "maxPendingCalls", 1, 0x7fff_ffff);
    checkInteger(
      this.#maxPendingRequests,
      "maxPendingRequests",
      1,
      0x7fff_ffff,
    );
    checkInteger(
      this.#maxPendingRequestBytes,
      "maxPendingRequestBytes",
      1,
      Number.MAX_SAFE_INTEGER,
    );
    channel.addChannelListener(this);
  }

  /** Number of calls that wait for replies. */
  get pendingCalls(): number {
    return this.#calls.size;
  }

  /**
   * Asks members.
   *
   * @param destination The members; with none there are no replies.
   * @param message What is asked.
   * @returns The replies that came in time, in their order; nobody else is told of those that did
   * not come.
   * @throws {ChannelError} When the request did not reach all members; `queue-full` when too many
   * calls wait; `unsupported` when the RPC channel is stopped.
   */
  async send(
    destination: readonly Member[],
    message: ObjectMessage,
    options: RpcSendOptions = {},
  ): Promise<readonly RpcResponse[]> {
    const { reply = ALL_REPLY, timeout = 3000 } = options;
    checkInteger(reply, "reply", FIRST_REPLY, NO_REPLY);
    checkInteger(timeout, "timeout", 0, 0x7fff_ffff);
    if (destination.length === 0) return [];
    if (this.#stopped) {
      throw new ChannelError(
        "unsupported",
        "Cannot call: the RPC channel is stopped",
      );
    }
    const uuid = makeUniqueId(this.#random);
    const request = encodeRpcMessage({
      type: "call",
      reply: false,
      uuid,
      rpcId: this.#rpcId,
      message: objectNode(message),
    });
    const sendOptions = {
      options: withoutSync(options.options ?? SEND_OPTIONS_DEFAULT),
    };
    if (reply === NO_REPLY) {
      await this.#channel.sendObject(destination, request, sendOptions);
      return [];
    }
    if (this.#calls.size >= this.#maxPendingCalls) {
      throw new ChannelError(
        "queue-full",
        `Cannot call: ${this.#calls.size} calls wait for replies`,
      );
    }
    const key = encodeHex(uuid);
    const call = new Call(destination.length, reply);
    this.#calls.set(key, call); // replies may come before the send ends
    let timer: Timer | undefined;
    try {
      await this.#channel.sendObject(destination, request, sendOptions);
      // As in Tomcat, the time begins when the request is on its way.
      timer = this.#channel.clock.startTimer(timeout, () => call.end());
      return await call.ended;
    } finally {
      timer?.cancel();
      this.#calls.delete(key);
    }
  }

  /** Takes messages no longer; calls that wait end with the replies that they have. */
  stop(): void {
    this.#stopped = true;
    this.#channel.removeChannelListener(this);
    for (const call of this.#calls.values()) call.end();
  }

  /** Whether a message is for this RPC channel: a request or a reply of its name. */
  accept(message: ChannelData): boolean {
    try {
      const rpc = rpcMessageOf(message);
      return rpc !== undefined && equalBytes(rpc.rpcId, this.#rpcId);
    } catch (error) {
      if (error instanceof DecodeError) return false; // the channel reports it
      throw error;
    }
  }

  /** Takes a request or a reply. */
  messageReceived(message: ChannelData): void | Promise<void> {
    // What is handed on outlives this call, and the message's bytes do not.
    const rpc = decodeRpcMessage(message.message.slice());
    const source = createMember(message.address);
    if (rpc.type === "no-rpc-channel-reply") {
      this.#calls.get(encodeHex(rpc.uuid))?.noChannel(source);
    } else if (rpc.reply) {
      const call = this.#calls.get(encodeHex(rpc.uuid));
      if (call?.add(source, rpc.message) !== true) {
        this.#leftOver(rpc.message, source);
      }
    } else {
      const answered = this.#answer(
        rpc,
        source,
        byteLengthChannelData(message),
      );
      if (
        this.#answering > this.#maxPendingRequests ||
        this.#answeringBytes > this.#maxPendingRequestBytes
      ) return answered;
    }
  }

  #leftOver(message: JavaNode, source: Member): void {
    try {
      this.#callback.leftOver?.(message, source);
    } catch (error) {
      this.#channel.reportError(asError(error));
    }
  }

  /** Answers a request. Never rejects. */
  async #answer(
    request: RpcCallMessage,
    source: Member,
    size: number,
  ): Promise<void> {
    this.#answering++;
    this.#answeringBytes += size;
    try {
      const { message: asked } = request;
      const answer = await this.#callback.replyRequest?.(asked, source);
      const message = objectNode(answer ?? null);
      const reply = encodeRpcMessage({ ...request, reply: true, message });
      await this.#channel.sendObject([source], reply, {
        options: this.#replyMessageOptions,
      });
    } catch (error) {
      this.#channel.reportError(asError(error));
    } finally {
      this.#answering--;
      this.#answeringBytes -= size;
    }
  }
}

/** One call, and the replies to it. */
class Call {
  readonly ended: Promise<readonly RpcResponse[]>;
  readonly #responses: RpcResponse[] = [];
  readonly #reply: ReplyType;
  readonly #resolve: (responses: readonly RpcResponse[]) => void;
  readonly #answered = new Set<string>();
  #expected: number;
  #over = false;

  constructor(expected: number, reply: ReplyType) {
    this.#expected = expected;
    this.#reply = reply;
    const { promise, resolve } = Promise.withResolvers<
      readonly RpcResponse[]
    >();
    this.ended = promise;
    this.#resolve = resolve;
  }

  /** Takes a reply, unless the call is over or has one of this member. */
  add(source: Member, message: JavaNode): boolean {
    if (!this.#takes(source)) return false;
    this.#responses.push({ source, message });
    this.#endIfComplete();
    return true;
  }

  /** Expects nothing of a member that has no such channel. */
  noChannel(source: Member): void {
    if (!this.#takes(source)) return;
    this.#expected--;
    this.#endIfComplete();
  }

  end(): void {
    this.#over = true;
    this.#resolve(this.#responses);
  }

  /** Whether it is the member's first answer: a retried message comes twice. */
  #takes(source: Member): boolean {
    const key = memberKey(source);
    if (this.#over || this.#answered.has(key)) return false;
    this.#answered.add(key);
    return true;
  }

  #endIfComplete(): void {
    const count = this.#responses.length;
    const wanted = this.#reply === FIRST_REPLY
      ? 1
      : this.#reply === MAJORITY_REPLY
      ? this.#expected / 2
      : this.#expected;
    if (this.#expected <= 0 || count > 0 && count >= wanted) this.end();
  }
}

function withoutSync(options: number): number {
  return options & ~SEND_OPTIONS_SYNCHRONIZED_ACK;
}
