// Sends messages as single datagrams to members' UDP ports (send option 0x0020). Messages to one
// member leave one after another: an acknowledged one waits for its ack, which is told by the
// address it comes from and nothing else. So the late ack of a message that was sent twice, or given
// up, counts for the one that waits when it comes: UDP promises no more.
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
  readonly #sockets = new Map<string, Promise<DatagramSocket>>();
  readonly #queues = new Map<string, Queue>();
  // By address, since one message to each is under way.
  readonly #waiting = new Map<string, (ok: boolean | undefined) => void>();
  readonly #tasks: Promise<void>[] = [];
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
    const sockets = await Promise.allSettled(this.#sockets.values());
    for (const settle of this.#waiting.values()) settle(undefined);
    await Promise.all(
      sockets.map((result) =>
        result.status === "fulfilled" ? result.value.close() : undefined
      ),
    );
    await Promise.all([...this.#queues.values()].map((queue) => queue.last));
    await Promise.all(this.#tasks);
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
      const socket = await this.#socketFor(to);
      if (acked) await this.#sendAcked(member, socket, to, frame);
      else await socket.send(frame, to);
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
    socket: DatagramSocket,
    to: SocketAddress,
    frame: Uint8Array,
  ): Promise<void> {
    const { timeout, maxRetryAttempts, throwOnFailedAck } = this.#options;
    const share = Math.ceil(timeout / (maxRetryAttempts + 1));
    for (let attempt = 0; attempt <= maxRetryAttempts; attempt++) {
      const ok = await this.#exchange(socket, to, frame, share);
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
  }

  /** Sends once and waits; `undefined` when no ack came. */
  async #exchange(
    socket: DatagramSocket,
    to: SocketAddress,
    frame: Uint8Array,
    timeout: number,
  ): Promise<boolean | undefined> {
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    const timer = this.#transport.clock.startTimer(
      timeout,
      () => resolve(undefined),
    );
    this.#waiting.set(keyOf(to), resolve);
    try {
      await socket.send(frame, to);
      return await promise;
    } finally {
      timer.cancel();
      this.#waiting.delete(keyOf(to));
    }
  }

  async #socketFor(to: SocketAddress): Promise<DatagramSocket> {
    const hostname = to.hostname.includes(":") ? "::" : "0.0.0.0";
    let socket = this.#sockets.get(hostname);
    if (socket === undefined) {
      socket = this.#bind(hostname);
      this.#sockets.set(hostname, socket);
    }
    return await socket;
  }

  /** A socket that could not be bound, or has failed, is bound anew for the next message. */
  async #bind(hostname: string): Promise<DatagramSocket> {
    try {
      const socket = await this.#transport.bindDatagram({ hostname });
      this.#tasks.push(this.#readReplies(hostname, socket));
      return socket;
    } catch (error) {
      this.#sockets.delete(hostname);
      throw error;
    }
  }

  async #readReplies(hostname: string, socket: DatagramSocket): Promise<void> {
    try {
      for await (const { data, from } of socket) {
        const ack = replyOf(data);
        if (ack !== undefined) this.#waiting.get(keyOf(from))?.(ack === "ACK");
      }
    } catch {
      // Messages that wait for acks find out by their timeouts.
      this.#sockets.delete(hostname);
      await socket.close().catch(() => {});
    }
  }
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
