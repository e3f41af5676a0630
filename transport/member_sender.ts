// Sends messages to one member over TCP: one connection and one ordered queue.
//
// What waits in a queue leaves together: frames are encoded into one reused buffer when the
// connection is ready for them, not when they are queued. Acknowledged messages are pipelined, and
// their acks matched in order, with one restriction. A Java receiver may process two reads of a
// connection in parallel, so that the ack of a later read can overtake that of an earlier one. As
// long as all acks are equal this does not matter; a FAIL_ACK is only for synchronized messages.
// Therefore a synchronized message is always the last one in flight (`synchronizedAckWindow` 1):
// a FAIL_ACK is its own, and it is done when as many acks came as were in flight. A larger window
// is right towards receivers that work in order: this toolkit's, and Tomcat's with maxThreads="1".
//
// Completion. Without use_ack a message is done when its bytes were handed to the system; messages
// that leave together share one promise. With use_ack it is done with its ack.
//
// Failure. A lost connection is opened again and everything unfinished is sent again, in the order of
// sending, as often as `maxRetryAttempts` says: a receiver may so see a message twice, with the same
// unique id. A member that makes no progress for `timeout` loses its connection, and every message
// that has waited that long fails. Progress is an ack where one is owed, and else that the system
// takes bytes: a member that only swallows what it is sent makes none. No member's trouble touches
// another member's queue.
import { ackMoment, decodeAck } from "../protocol/tribes/ack.ts";
import {
  type ChannelData,
  ChannelDataFrameWriter,
} from "../protocol/tribes/channel_data.ts";
import { FrameParser } from "../protocol/tribes/frame_parser.ts";
import { END_DATA } from "../protocol/tribes/frame.ts";
import { decodeHost } from "../protocol/tribes/host.ts";
import type { Member } from "../protocol/tribes/member.ts";
import {
  asError,
  type ChannelError,
  closedError,
  connectionErrorCode,
  sendError,
} from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { Completion, Outgoing } from "./outgoing.ts";
import type { ResolvedSenderOptions } from "./sender_options.ts";
import type { Connection, Timer, Transport } from "./types.ts";

const BUFFER_LENGTH = 65_536;
const COPY_BELOW = 32_768; // a larger message is written from where it lies
const SLICE_LENGTH = 262_144; // what progress is measured in
const GATHER_TURNS = 256;
const MAX_REPLY_LENGTH = 65_536;

/** The queue and the connection of one member. */
export class MemberSender {
  readonly #transport: Transport;
  readonly #options: ResolvedSenderOptions;
  readonly #member: Member;
  readonly #writer = new ChannelDataFrameWriter();
  #queue = new Fifo<Outgoing>();
  #inFlight = new Fifo<Outgoing>();
  #writing: Outgoing[] = []; // taken from the queue for the current write
  #synchronized = 0; // synchronized messages in flight
  #batch: Completion | undefined; // of the unacknowledged messages queued next
  #batchAt = 0;
  #sent = 0; // messages ever queued
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #queuedBytes = 0;
  #link: Link | undefined;
  #retired: Link | undefined; // ended, but not read to its end by the peer
  #running = false;
  #gathering = false;
  #gatheredAt = -1; // when the first acknowledged message of the gathering was sent
  #wake: (() => void) | undefined; // ends the wait for acks
  #lastAck = 0;
  #suspect = false; // stalled, and no sign of life since
  #writeStarted = -1; // of the write, or of the part of a large message, that is not done
  #leaving = false;
  #watch: Timer | undefined;
  #connecting: AbortController | undefined;
  #idle: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(
    transport: Transport,
    options: ResolvedSenderOptions,
    member: Member,
  ) {
    this.#transport = transport;
    this.#options = options;
    this.#member = member;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Nothing is unfinished. */
  get isQuiet(): boolean {
    return !this.#running && this.#inFlight.length === 0;
  }

  /** Nothing is unfinished and no connection is open. */
  get isIdle(): boolean {
    return this.isQuiet && this.#link === undefined;
  }

  send(data: ChannelData): Promise<void> {
    if (this.#closed) {
      return Promise.reject(closedError([this.#member]));
    }
    let size: number;
    try {
      size = this.#writer.byteLength(data);
    } catch (error) {
      return Promise.reject(error);
    }
    const queued = this.#queuedBytes + size;
    if (queued > this.#options.maxQueueSize && this.#queuedBytes > 0) {
      return Promise.reject(
        sendError(
          this.#member,
          "queue-full",
          `${this.#queuedBytes} bytes are queued, ${size} more exceed ${this.#options.maxQueueSize}`,
        ),
      );
    }
    this.#queuedBytes = queued;
    const completion = this.#completion(data.options);
    this.#queue.push(
      new Outgoing(data, size, completion, this.#batchAt, this.#sent++),
    );
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
    return completion.promise;
  }

  /** Closes an idle connection that is beyond its limits. */
  closeIfExpired(): void {
    if (this.isQuiet && this.#link !== undefined && this.#isExpired()) {
      this.#disconnect();
    }
  }

  /** Closes the connection once nothing is unfinished. */
  leave(): void {
    this.#leaving = true;
    this.#settleIdle();
  }

  async close(): Promise<void> {
    if (!this.isQuiet) {
      this.#idle = Promise.withResolvers<void>();
      const timer = this.#transport.clock.startTimer(
        this.#options.timeout,
        this.#idle.resolve,
      );
      await this.#idle.promise;
      timer.cancel();
    }
    const stuck = !this.isQuiet;
    const link = this.#link;
    this.#closed = true;
    this.#watch?.cancel();
    this.#connecting?.abort(new Error("The sender is closed"));
    this.#link = undefined;
    this.#failAll(closedError([this.#member]));
    this.#wake?.();
    this.#retired?.connection.abort();
    // What could not be written in time would keep a close waiting.
    if (stuck) link?.connection.abort();
    else await link?.connection.close().catch(() => {});
  }

  /** Messages without ack that are queued in one turn share a completion; others have their own. */
  #completion(options: number): Completion {
    if (ackMoment(options) !== "never") {
      // What is gathered shares its time: the clock costs more than the rest of queueing.
      if (!this.#gathering || this.#gatheredAt < 0) {
        this.#gatheredAt = this.#transport.clock.now();
      }
      this.#batchAt = this.#gatheredAt;
      return new Completion();
    }
    if (this.#batch === undefined) {
      this.#batch = new Completion();
      this.#batchAt = this.#transport.clock.now();
    }
    return this.#batch;
  }

  /** Empties the queue; runs while there is something in it. Never rejects. */
  async #run(): Promise<void> {
    await this.#gather();
    while (this.#queue.length > 0 && !this.#closed) {
      const link = this.#link ?? await this.#connect();
      if (link === undefined) continue;
      const expired = this.#isExpired();
      if (expired && this.#inFlight.length === 0) await this.#retire(link);
      else if (expired || !this.#mayWrite(link)) await this.#waitForAcks();
      else await this.#write(link);
    }
    this.#running = false;
    this.#settleIdle();
  }

  /**
   * Waits until nothing more is sent in this turn, so that all of it leaves together. Who sends a
   * message for each that was acknowledged does so one microtask after another; if the first did not
   * wait for the others it would leave alone (bench ours-java/64/acked-64).
   */
  async #gather(): Promise<void> {
    this.#gathering = true;
    for (let turn = 0, seen = 0; turn < GATHER_TURNS; turn++) {
      if (this.#queue.length === seen) break;
      seen = this.#queue.length;
      await undefined; // this continuation was queued before that of who sends the next message
      await undefined;
    }
    this.#gathering = false;
    this.#gatheredAt = -1;
  }

  /** Opens the connection; without success the queue has been told. Never rejects. */
  async #connect(): Promise<Link | undefined> {
    const { clock } = this.#transport;
    const { timeout } = this.#options;
    const late = new Error(`no connection within ${timeout} ms`);
    const controller = new AbortController();
    const timer = clock.startTimer(
      Math.max(1, this.#connectDeadline() - clock.now()),
      () => controller.abort(late),
    );
    this.#connecting = controller;
    try {
      const connection = await this.#transport.connect({
        hostname: decodeHost(this.#member.host),
        port: this.#member.port,
      }, { signal: controller.signal });
      if (this.#closed) {
        connection.abort();
        return undefined;
      }
      const link = new Link(connection, clock.now());
      this.#link = link;
      link.replies = this.#readReplies(link);
      return link;
    } catch (error) {
      if (error === late) this.#stalled(late.message);
      else this.#connectionFailed(asError(error));
      return undefined;
    } finally {
      timer.cancel();
      this.#connecting = undefined;
    }
  }

  /** A message that was sent before, or whose member has stalled, has used some of its time. */
  #connectDeadline(): number {
    const { timeout } = this.#options;
    const next = this.#queue.peek()!; // #run checked the length
    if (next.writtenAt >= 0) return next.writtenAt + timeout;
    if (this.#suspect) return next.queuedAt + timeout;
    return this.#transport.clock.now() + timeout;
  }

  #mayWrite(link: Link): boolean {
    const next = this.#queue.peek();
    if (this.#synchronized >= this.#options.synchronizedAckWindow) return false;
    return this.#link === link && next !== undefined &&
      (!next.acked || this.#inFlight.length < this.#options.ackWindow);
  }

  async #waitForAcks(): Promise<void> {
    if (this.#inFlight.length === 0) return; // the connection was lost meanwhile
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  /** Writes what may be written; a failure has been told to the messages. Never rejects. */
  async #write(link: Link): Promise<void> {
    this.#batch = undefined;
    const first = this.#queue.peek()!; // #run checked the length
    this.#writeStarted = this.#transport.clock.now();
    try {
      const writing = first.size > COPY_BELOW
        ? this.#writeLarge(link, first)
        : link.connection.write(
          this.#fill(this.#buffer ??= new Uint8Array(BUFFER_LENGTH), link),
        );
      this.#startWatch();
      await writing;
    } catch (error) {
      // Who else noticed it has dropped the link, and told the messages.
      if (this.#link === link) this.#connectionFailed(asError(error));
      return;
    }
    if (this.#link !== link) return;
    this.#writeStarted = -1;
    if (this.#inFlight.length === 0) this.#suspect = false;
    this.#written();
  }

  /** Takes from the queue what fits the buffer and the windows. */
  #fill(buffer: Uint8Array<ArrayBuffer>, link: Link): Uint8Array {
    let at = 0;
    for (
      let next = this.#queue.peek();
      next !== undefined && next.size <= BUFFER_LENGTH - at &&
      next.size <= COPY_BELOW && this.#mayWrite(link) &&
      (at === 0 || !this.#isExpired());
      next = this.#queue.peek()
    ) {
      at = this.#writer.write(buffer, at, next.data);
      this.#take(link);
    }
    return at === BUFFER_LENGTH ? buffer : buffer.subarray(0, at);
  }

  async #writeLarge(link: Link, next: Outgoing): Promise<void> {
    const { connection } = link;
    const { message } = next.data;
    const head = new Uint8Array(this.#writer.headLength(next.data));
    this.#writer.writeHead(head, 0, next.data);
    this.#take(link);
    const parts = [connection.write(head)];
    for (let at = 0; at < message.length; at += SLICE_LENGTH) {
      parts.push(connection.write(message.subarray(at, at + SLICE_LENGTH)));
      if (at > 0) {
        await Promise.all(parts.splice(0));
        this.#writeStarted = this.#transport.clock.now();
        if (next.acked) next.writtenAt = this.#writeStarted; // its ack is not owed yet
      }
    }
    parts.push(connection.write(END_DATA));
    await Promise.all(parts);
  }

  /** Moves the first message of the queue to what is being written. */
  #take(link: Link): void {
    const next = this.#queue.shift()!; // the caller peeked
    link.messages++;
    link.endsAcked = next.acked;
    if (next.acked) {
      if (next.writtenAt < 0) next.writtenAt = this.#writeStarted;
      if (next.synchronized) this.#synchronized++;
      this.#inFlight.push(next);
    } else {
      this.#writing.push(next);
    }
  }

  #written(): void {
    const written = this.#writing;
    for (let i = 0; i < written.length; i++) this.#finish(written[i]!); // i < length
    written.length = 0;
  }

  #finish(outgoing: Outgoing, error?: Error): void {
    this.#queuedBytes -= outgoing.size;
    if (error === undefined) outgoing.completion.done();
    else outgoing.completion.fail(error);
  }

  /** Takes acks until the connection ends. Never rejects. */
  async #readReplies(link: Link): Promise<void> {
    const { connection } = link;
    const parser = new FrameParser({ maxDataLength: MAX_REPLY_LENGTH });
    let fault = new Error("The peer closed the connection");
    try {
      for await (const chunk of connection) {
        parser.feed(chunk);
        const now = this.#transport.clock.now(); // once: it costs as much as an ack
        for (
          let body = parser.next();
          body !== undefined;
          body = parser.next()
        ) {
          const ack = decodeAck(body);
          if (ack !== undefined && this.#link === link) {
            this.#acknowledged(ack === "ACK", now);
          }
        }
        this.#wake?.();
        this.#settleIdle();
      }
    } catch (error) {
      fault = asError(error);
    }
    if (this.#link !== link) return;
    if (this.#running || this.#inFlight.length > 0) {
      this.#connectionFailed(fault);
    } else {
      this.#disconnect();
    }
  }

  #acknowledged(ok: boolean, now: number): void {
    this.#lastAck = now;
    this.#suspect = false;
    const { throwOnFailedAck } = this.#options;
    // Only a synchronized message can fail, and it is the last one in flight (see above).
    const failed = ok ? undefined : this.#inFlight.last();
    const alone = this.#options.synchronizedAckWindow === 1;
    const outgoing = failed?.synchronized && alone
      ? this.#inFlight.pop()
      : this.#inFlight.shift();
    if (outgoing === undefined) return;
    if (outgoing.synchronized) this.#synchronized--;
    if (ok || !throwOnFailedAck) {
      this.#finish(outgoing);
    } else if (
      this.#options.retryAfterFailedAck && this.#mayRetry(outgoing)
    ) {
      this.#requeue([outgoing]);
    } else {
      this.#finish(
        outgoing,
        sendError(
          this.#member,
          "failed-ack",
          "the member failed to process the message (FAIL_ACK)",
        ),
      );
    }
  }

  /** The connection is lost or could not be made: retries what may be retried, fails the rest. */
  #connectionFailed(fault: Error): void {
    // A connection that went before its first message was none. Without one the whole queue has
    // failed, else a member that closes each connection at once would be tried for ever.
    const wasConnected = (this.#link?.messages ?? 0) > 0;
    this.#dropLink();
    const unfinished = this.#takeUnfinished();
    if (!wasConnected) unfinished.push(...this.#queue.drain());
    const retry: Outgoing[] = [];
    for (const outgoing of unfinished) {
      if (this.#mayRetry(outgoing)) retry.push(outgoing);
      else this.#finish(outgoing, this.#faultOf(fault));
    }
    this.#requeue(retry);
    this.#wake?.();
    this.#settleIdle();
  }

  #mayRetry(outgoing: Outgoing): boolean {
    return !this.#closed &&
      outgoing.attempts++ < this.#options.maxRetryAttempts;
  }

  #faultOf(fault: Error): ChannelError {
    return sendError(
      this.#member,
      connectionErrorCode(fault),
      fault.message,
      fault,
    );
  }

  /** Puts messages back in front of the queue. */
  #requeue(first: Outgoing[]): void {
    if (first.length === 0) return;
    const rest = this.#queue.drain();
    for (const outgoing of first) this.#queue.push(outgoing);
    for (const outgoing of rest) this.#queue.push(outgoing);
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  /** Takes what was written or being written and is not done, in the order of sending. */
  #takeUnfinished(): Outgoing[] {
    const unfinished = [...this.#inFlight.drain(), ...this.#writing]
      .sort((a, b) => a.order - b.order);
    this.#writing.length = 0;
    this.#synchronized = 0;
    this.#writeStarted = -1;
    this.#batch = undefined; // part of it may fail now: nothing may join it
    return unfinished;
  }

  #failAll(error: Error): void {
    for (
      const outgoing of [...this.#takeUnfinished(), ...this.#queue.drain()]
    ) {
      this.#finish(outgoing, error);
    }
  }

  #dropLink(): void {
    const link = this.#link;
    this.#link = undefined;
    this.#buffer = undefined; // the dropped connection may still own it
    link?.connection.abort();
  }

  /**
   * Ends a connection that is to be replaced, and waits until its peer has read all of it: what
   * follows on the next one must not overtake. Never rejects.
   */
  async #retire(link: Link): Promise<void> {
    if (link.endsAcked) return this.#disconnect(); // its acks have told it
    const { connection } = link;
    const late = Promise.withResolvers<void>();
    const timer = this.#transport.clock.startTimer(
      this.#options.timeout,
      late.resolve,
    );
    this.#link = undefined;
    this.#retired = link;
    connection.closeWrite().catch(() => {}); // then its replies end, too
    await Promise.race([link.replies, late.promise]);
    timer.cancel();
    this.#retired = undefined;
    connection.abort();
  }

  /** Closes a connection that nothing waits for. */
  #disconnect(): void {
    const link = this.#link;
    this.#link = undefined;
    this.#buffer = undefined;
    this.#leaving = false;
    this.#watch?.cancel(); // nothing is owed
    this.#watch = undefined;
    link?.connection.close().catch(() => {}); // nothing was lost with it
  }

  #isExpired(): boolean {
    const { keepAliveCount, keepAliveTime } = this.#options;
    const link = this.#link;
    if (link === undefined || link.messages === 0) return false;
    return keepAliveCount >= 0 && link.messages > keepAliveCount ||
      keepAliveTime >= 0 &&
        this.#transport.clock.now() - link.openedAt >= keepAliveTime;
  }

  /** When the member counts as stalled; `undefined` while nothing is owed. */
  #deadline(): number | undefined {
    const { timeout } = this.#options;
    const head = this.#inFlight.peek();
    const started = this.#writeStarted < 0 ? Infinity : this.#writeStarted;
    const since = head === undefined
      ? started
      : Math.min(started, this.#owedSince(head));
    return since === Infinity ? undefined : since + timeout;
  }

  /** A member that has stalled gets no new `timeout` for a message that has waited already. */
  #owedSince(head: Outgoing): number {
    const since = this.#suspect ? head.queuedAt : head.writtenAt;
    return Math.max(since, this.#lastAck);
  }

  /** Deadlines only move on: a timer that runs fires early enough, and finds out when it fires. */
  #startWatch(): void {
    if (this.#watch !== undefined) return;
    const { clock } = this.#transport;
    const deadline = this.#deadline();
    if (deadline === undefined || this.#closed) return;
    const delay = Math.max(1, deadline - clock.now());
    this.#watch = clock.startTimer(delay, () => {
      this.#watch = undefined;
      const due = this.#deadline();
      if (due !== undefined && due <= clock.now()) {
        this.#stalled(`no answer within ${this.#options.timeout} ms`);
      }
      this.#startWatch();
    });
  }

  /** No progress for `timeout`: fails what has waited that long, retries what may be retried. */
  #stalled(state: string): void {
    const { timeout } = this.#options;
    const now = this.#transport.clock.now();
    const error = sendError(this.#member, "timeout", state);
    this.#suspect = true;
    this.#dropLink();
    const waiting = [...this.#takeUnfinished(), ...this.#queue.drain()];
    const retry: Outgoing[] = [];
    for (const outgoing of waiting) {
      const fresh = now - outgoing.queuedAt < timeout;
      const again = outgoing.writtenAt < 0 || this.#mayRetry(outgoing);
      if (fresh && again) retry.push(outgoing);
      else this.#finish(outgoing, error);
    }
    this.#requeue(retry);
    this.#wake?.();
    this.#settleIdle();
  }

  /** The watch is left to run out: arming it anew for each message costs more. */
  #settleIdle(): void {
    if (!this.isQuiet) return;
    this.#idle?.resolve();
    if (this.#leaving) this.#disconnect();
  }
}

/** One open connection. */
class Link {
  readonly connection: Connection;
  readonly openedAt: number;
  messages = 0;
  /** Whether the last message is one whose ack tells that everything was read. */
  endsAcked = true;
  /** Settles when the peer has ended its stream, or the connection is lost. */
  replies: Promise<void> = Promise.resolve();

  constructor(connection: Connection, openedAt: number) {
    this.connection = connection;
    this.openedAt = openedAt;
  }
}
