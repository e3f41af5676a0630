// Sends messages to members over TCP, to each by a queue and a connection of its own: see
// member_sender.ts for how a queue works.
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import { type Member, memberKey } from "../protocol/tribes/member.ts";
import { closedError, joinSendErrors } from "./errors.ts";
import { MemberSender } from "./member_sender.ts";
import {
  type ResolvedSenderOptions,
  resolveSenderOptions,
  type SenderOptions,
} from "./sender_options.ts";
import type { Transport } from "./types.ts";

export * from "./sender_options.ts";

/** Sends messages to members by TCP. */
export class Sender implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: ResolvedSenderOptions;
  readonly #members = new Map<string, MemberSender>();
  // A member's queue by the member object itself: membership gives the same one for a while.
  #known = new WeakMap<Member, MemberSender>();
  #closing: Promise<void> | undefined;

  /**
   * Makes a sender; connections are opened when they are needed.
   *
   * @param transport Where the connections come from.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(transport: Transport, options: SenderOptions = {}) {
    this.#transport = transport;
    this.#options = resolveSenderOptions(options);
  }

  /** Bytes that are queued or not acknowledged, over all members. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const member of this.#members.values()) bytes += member.queuedBytes;
    return bytes;
  }

  /**
   * Sends one message to members, at the same time.
   *
   * @param destination The members; at least one.
   * @param message The message. Its bytes are borrowed until the promise settles.
   * @returns Resolves as its options say: when it was written, acknowledged, or processed.
   * @throws {ChannelError} `timeout`, `failed-ack`, `connection-refused`, `connection-closed`,
   * `queue-full`, with the members that it did not reach.
   * @throws {EncodeError} When the message has no wire form.
   */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void> {
    if (this.#closing !== undefined) {
      return Promise.reject(closedError(destination));
    }
    const [only] = destination;
    if (only !== undefined && destination.length === 1) {
      return this.#memberSender(only).send(message);
    }
    return this.#sendToMany(destination, message);
  }

  /** Closes connections that are beyond `keepAliveTime` or `keepAliveCount` and idle. */
  heartbeat(): void {
    for (const [key, member] of this.#members) {
      member.closeIfExpired();
      if (member.isIdle) this.#members.delete(key);
    }
    // Idle queues were forgotten; their members are looked up again.
    this.#known = new WeakMap();
  }

  /**
   * Closes the connection to a member that has left, at once or when its unfinished messages are
   * done or have failed.
   *
   * @param member The member, equal to the one that was sent to.
   */
  memberDisappeared(member: Member): void {
    const key = memberKey(member);
    const sender = this.#members.get(key);
    if (sender === undefined) return;
    sender.leave();
    if (!sender.isIdle) return; // a heartbeat forgets it
    this.#members.delete(key);
    this.#known = new WeakMap();
  }

  /** Waits, at most for `timeout`, until everything queued is done, then closes all connections. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(
      [...this.#members.values()].map((member) => member.close()),
    ).then(() => {});
    return this.#closing;
  }

  /** Closes the sender. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sendToMany(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void> {
    const results = await Promise.allSettled(
      destination.map((member) => this.#memberSender(member).send(message)),
    );
    const failed = results.filter((result) => result.status === "rejected");
    if (failed.length > 0) {
      throw joinSendErrors(failed.map((result) => result.reason));
    }
  }

  #memberSender(member: Member): MemberSender {
    const known = this.#known.get(member);
    if (known !== undefined) return known;
    const key = memberKey(member);
    let sender = this.#members.get(key);
    if (sender === undefined) {
      sender = new MemberSender(this.#transport, this.#options, member);
      this.#members.set(key, sender);
    }
    this.#known.set(member, sender);
    return sender;
  }
}
