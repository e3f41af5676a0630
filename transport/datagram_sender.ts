// Sends messages as single datagrams to members' UDP ports (send option 0x0020). Messages to one
// member leave one after another. An ack does not say of what: an acknowledged message has a socket of
// its own until it is settled, so that the late ack of another one finds nobody. The others share one.
import { ackMoment, decodeAck } from "../protocol/tribes/ack.ts";
import {
  type ChannelData,
  encodeChannelData,
} from "../protocol/tribes/channel_data.ts";
import { decodeFrame, encodeFrame } from "../protocol/tribes/frame.ts";
import { decodeHost } from "../protocol/tribes/host.ts";
import type { Member } from "../protocol/tribes/member.ts";
import { asError, ChannelError, joinSendErrors, sendError } from "./errors.ts";
import type { ResolvedSenderOptions } from "./sender_options.ts";
import {
  type Clock,
  type DatagramSocket,
  type SocketAddress,
  type Transport,
  TransportError,
} from "./types.ts";

/** Greatest frame that one datagram carries over IPv4. */
export const MAX_DATAGRAM_LENGTH = 65_507;

/** What is sent to one address, in order. */
interface Queue {
  /** Settles when the last message has; never rejects. */
  last: Promise<void>;
  /** Bytes that wait or are not acknowledged. */
  bytes: number;
}

/** One message on its way to one member. */
interface Outgoing {
  readonly member: Member;
  readonly to: SocketAddress;
  readonly frame: Uint8Array;
  readonly acked: boolean;
  readonly queuedAt: number;
}

/** Sends messages to members' UDP ports. */
export class DatagramSender implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: ResolvedSenderOptions;
  readonly #shared = new Map<string, Promise<DatagramSocket>>();
  readonly #queues = new Map<string, Queue>();
  readonly #waiting = new Set<AckSocket>();
  #closing: Promise<void> | undefined;

  /**
   * Makes a sender; its sockets are bound when they are needed.
   *
   * @param transport Where the sockets come from.
   * @param options `timeout`, `maxRetryAttempts`, `throwOnFailedAck` and `maxQueueSize` are heeded.
   */
  constructor(transport: Transport, options: ResolvedSenderOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** Bytes that are queued or not acknowledged, over all members. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const queue of this.#queues.values()) bytes += queue.bytes;
    return bytes;
  }

  /**
   * Sends one message to members, at the same time.
   *
   * @param destination The members.
   * @param message The message. Its bytes are not kept: they are copied at once.
   * @returns Resolves when it was sent, or acknowledged if it asks for that.
   * @throws {ChannelError} `unsupported` for a member without UDP port and for a message that does
   * not fit a datagram, `timeout`, `failed-ack`, `queue-full`, `connection-closed`.
   * @throws {EncodeError} When the message has no wire form.
   */
  async sendMessage(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void> {
    const frame = encodeFrame(encodeChannelData(message));
    const acked = ackMoment(message.options) !== "never";
    const queuedAt = this.#transport.clock.now();
    const results = await Promise.allSettled(
      destination.map((member) => {
        const to = { hostname: decodeHost(member.host), port: member.udpPort };
        return this.#enqueue({ member, to, frame, acked, queuedAt });
      }),
    );
    const failed = results.filter((result) => result.status === "rejected");
    if (failed.length > 0) {
      throw joinSendErrors(failed.map((result) => result.reason));
    }
  }

  /** Closes the sockets; sends that wait fail with `connection-closed`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the sender. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const waiting of this.#waiting) waiting.giveUp();
    const sockets = await Promise.allSettled(this.#shared.values());
    await Promise.all(
      sockets.map((result) =>
        result.status === "fulfilled" ? result.value.close() : undefined
      ),
    );
    await Promise.all([...this.#queues.values()].map((queue) => queue.last));
  }

  async #enqueue(outgoing: Outgoing): Promise<void> {
    const { member, to, frame } = outgoing;
    this.#checkOpen(member);
    if (to.port <= 0) {
      throw sendError(member, "unsupported", "the member has no UDP port");
    }
    if (frame.length > MAX_DATAGRAM_LENGTH) {
      throw sendError(
        member,
        "unsupported",
        `${frame.length} bytes do not fit a datagram of ${MAX_DATAGRAM_LENGTH}`,
      );
    }
    const key = keyOf(to);
    const queue = this.#queues.get(key) ??
      { last: Promise.resolve(), bytes: 0 };
    this.#checkRoom(queue, outgoing);
    this.#queues.set(key, queue);
    queue.bytes += frame.length;
    const sent = queue.last.then(() => this.#send(outgoing)).finally(() => {
      queue.bytes -= frame.length;
      if (queue.bytes === 0) this.#queues.delete(key);
    });
    queue.last = sent.catch(() => {});
    await sent;
  }

  #checkOpen(member: Member): void {
    if (this.#closing !== undefined) {
      throw sendError(member, "connection-closed", "the sender is closed");
    }
  }

  #checkRoom({ bytes }: Queue, { member, frame }: Outgoing): void {
    const { maxQueueSize } = this.#options;
    if (bytes === 0 || bytes + frame.length <= maxQueueSize) return;
    throw sendError(
      member,
      "queue-full",
      `${bytes} bytes are queued, ${frame.length} more exceed ${maxQueueSize}`,
    );
  }

  async #send(outgoing: Outgoing): Promise<void> {
    const { member, to, frame, acked, queuedAt } = outgoing;
    this.#checkOpen(member);
    // Behind a member's timeouts a message does not wait for one more.
    const { timeout } = this.#options;
    if (this.#transport.clock.now() - queuedAt >= timeout) {
      throw sendError(member, "timeout", `no ack within ${timeout} ms`);
    }
    try {
      if (acked) await this.#sendAcked(member, to, frame);
      else await (await this.#sharedSocket(to)).send(frame, to);
    } catch (thrown) {
      if (thrown instanceof ChannelError) throw thrown;
      const error = asError(thrown);
      const code =
        error instanceof TransportError && error.code === "message-too-large"
          ? "unsupported"
          : "connection-closed";
      throw sendError(member, code, error.message, error);
    }
  }

  /** A datagram may be lost: it is sent again as often as a message on a lost connection. */
  async #sendAcked(
    member: Member,
    to: SocketAddress,
    frame: Uint8Array,
  ): Promise<void> {
    const { timeout, maxRetryAttempts, throwOnFailedAck } = this.#options;
    const share = Math.ceil(timeout / (maxRetryAttempts + 1));
    const { clock } = this.#transport;
    const socket = new AckSocket(await this.#bind(to), to, clock);
    this.#waiting.add(socket);
    try {
      for (let attempt = 0; attempt <= maxRetryAttempts; attempt++) {
        this.#checkOpen(member);
        const ok = await socket.exchange(frame, share);
        if (ok || ok === false && !throwOnFailedAck) return;
        this.#checkOpen(member);
        if (ok === undefined) continue;
        throw sendError(
          member,
          "failed-ack",
          "the member failed to process the message (FAIL_ACK)",
        );
      }
      throw sendError(member, "timeout", `no ack within ${timeout} ms`);
    } finally {
      this.#waiting.delete(socket);
      await socket.close();
    }
  }

  /** The socket of messages that nobody acknowledges; one that could not be bound is bound anew. */
  async #sharedSocket(to: SocketAddress): Promise<DatagramSocket> {
    const family = anyAddress(to);
    let socket = this.#shared.get(family);
    if (socket === undefined) {
      socket = this.#bind(to).then((bound) => {
        this.#discard(family, bound);
        return bound;
      });
      this.#shared.set(family, socket);
      socket.catch(() => this.#shared.delete(family));
    }
    return await socket;
  }

  /** Reads what is nobody's, and notices that the socket has failed: then the next message has a new one. */
  async #discard(family: string, socket: DatagramSocket): Promise<void> {
    try {
      for await (const _ of socket);
    } catch {
      this.#shared.delete(family);
      await socket.close().catch(() => {});
    }
  }

  #bind(to: SocketAddress): Promise<DatagramSocket> {
    return this.#transport.bindDatagram({ hostname: anyAddress(to) });
  }
}

/** The socket of one message that is acknowledged. */
class AckSocket {
  readonly #socket: DatagramSocket;
  readonly #to: SocketAddress;
  readonly #clock: Clock;
  readonly #reading: Promise<void>;
  #settle: ((ok: boolean | undefined) => void) | undefined;

  constructor(socket: DatagramSocket, to: SocketAddress, clock: Clock) {
    this.#socket = socket;
    this.#to = to;
    this.#clock = clock;
    this.#reading = this.#read();
  }

  /** Sends once and waits; `undefined` when no ack came. */
  async exchange(
    frame: Uint8Array,
    timeout: number,
  ): Promise<boolean | undefined> {
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    const timer = this.#clock.startTimer(timeout, () => resolve(undefined));
    this.#settle = resolve;
    try {
      await this.#socket.send(frame, this.#to);
      return await promise;
    } finally {
      timer.cancel();
    }
  }

  /** Ends what waits, without an ack. */
  giveUp(): void {
    this.#settle?.(undefined);
  }

  async close(): Promise<void> {
    await this.#socket.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      for await (const { data, from } of this.#socket) {
        if (keyOf(from) !== keyOf(this.#to)) continue; // anybody may send to it
        const ack = replyOf(data);
        if (ack !== undefined) this.#settle?.(ack === "ACK");
      }
    } catch {
      // What waits for an ack finds out by its timeout.
    }
  }
}

function anyAddress({ hostname }: SocketAddress): string {
  return hostname.includes(":") ? "::" : "0.0.0.0";
}

/** What a datagram says; anything but an ack is nobody's. */
function replyOf(data: Uint8Array): ReturnType<typeof decodeAck> {
  try {
    return decodeAck(decodeFrame(data));
  } catch {
    return undefined;
  }
}

function keyOf(address: SocketAddress): string {
  return `${address.hostname} ${address.port}`;
}
