// Checks by TCP what the membership below says: a member counts as gone only when its receiver
// cannot be reached, or when it said itself that it leaves; and as there only when it can.
//
// Two maps, by member key:
//   present   what the layers above see; each as it was last heard
//   checking  the checks under way; one is given up when something newer is heard of its member
//
// A heartbeat tests who gave no sign of life since the last one, which is who has the same alive
// time: members that are silent below though their receivers answered (Tomcat's remove suspects),
// and static ones, which have no beacons. It also tests members below that are missing here
// (Tomcat's add suspects).
//
// A restarted node is another member on the same host and port. A test of the old one would reach
// the new one: the old one is gone without a test once the new one is heard.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import {
  type ChannelData,
  encodeChannelData,
} from "../../protocol/tribes/channel_data.ts";
import { TCP_FAILURE_DETECTOR_DATA } from "../../protocol/tribes/control_bodies.ts";
import { encodeFrame } from "../../protocol/tribes/frame.ts";
import { decodeHost } from "../../protocol/tribes/host.ts";
import {
  equalMembers,
  isShutdown,
  type Member,
  memberKey,
} from "../../protocol/tribes/member.ts";
import {
  SEND_OPTIONS_BYTE_MESSAGE,
  SEND_OPTIONS_USE_ACK,
} from "../../protocol/tribes/send_options.ts";
import { ChannelError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import type { Connection } from "../../transport/types.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  type MemberNext,
  okToProcess,
  type ReceiveNext,
  type SendNext,
} from "../interceptor.ts";

/** Options of {@linkcode TcpFailureDetector}. Durations are milliseconds. */
export interface TcpFailureDetectorOptions {
  /**
   * Bits that a test message has besides the byte bit. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /**
   * How long connecting for a test may take. Attribute `connectTimeout`.
   * @default {1000}
   */
  readonly connectTimeout?: number;
  /**
   * Whether a test message is sent on the connection. Attribute `performSendTest`.
   * @default {true}
   */
  readonly performSendTest?: boolean;
  /**
   * Whether the test message's ack is waited for. Attribute `performReadTest`.
   * @default {false}
   */
  readonly performReadTest?: boolean;
  /**
   * How long that ack may take. Attribute `readTestTimeout`.
   * @default {5000}
   */
  readonly readTestTimeout?: number;
  /**
   * Accepted for compatibility: a silent member is tested for as long as it is silent. Tomcat stops
   * after this time, and then keeps a member that dies later. Attribute `removeSuspectsTimeout`,
   * there in seconds.
   * @default {300000}
   */
  readonly removeSuspectsTimeout?: number;
}

/** Checks by TCP whether members are there; wire-compatible with Tomcat's detector. */
export class TcpFailureDetector implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "TcpFailureDetector";
  /** Bits that a test message has besides the byte bit. */
  readonly optionFlag: number;
  readonly #options: Required<TcpFailureDetectorOptions>;
  readonly #present = new Map<string, Member>();
  readonly #checking = new Map<string, AbortController>();
  readonly #onSendFailed = (error: unknown): void => this.#sendFailed(error);
  #view: View | undefined; // what members() gave last, until something changes
  #context: InterceptorContext | undefined;
  #watched: Promise<void> | undefined;

  /**
   * Makes a detector.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: TcpFailureDetectorOptions = {}) {
    this.#options = {
      optionFlag: options.optionFlag ?? 0,
      connectTimeout: options.connectTimeout ?? 1000,
      performSendTest: options.performSendTest ?? true,
      performReadTest: options.performReadTest ?? false,
      readTestTimeout: options.readTestTimeout ?? 5000,
      removeSuspectsTimeout: options.removeSuspectsTimeout ?? 300_000,
    };
    this.optionFlag = this.#options.optionFlag;
    checkInteger(
      this.#options.connectTimeout,
      "connectTimeout",
      1,
      0x7fff_ffff,
    );
    checkInteger(
      this.#options.readTestTimeout,
      "readTestTimeout",
      1,
      0x7fff_ffff,
    );
    checkInteger(
      this.#options.removeSuspectsTimeout,
      "removeSuspectsTimeout",
      0,
      Number.MAX_SAFE_INTEGER,
    );
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
  }

  /** Stops the layer; running checks are given up. */
  stop(): void {
    this.#context = undefined;
    for (const key of [...this.#checking.keys()]) this.#giveUp(key);
    this.#present.clear();
    this.#view = undefined;
    this.#watched = undefined;
  }

  /** Members that are present, and those of them that are silent. */
  statistics(): { readonly present: number; readonly suspects: number } {
    const below = keysOf(this.#context?.members() ?? []);
    const silent = [...this.#present.keys()].filter((key) => !below.has(key));
    return { present: this.#present.size, suspects: silent.length };
  }

  /** The members that are present, in the order from below; silent ones come last. */
  members(next: () => readonly Member[]): readonly Member[] {
    const below = next();
    if (this.#view?.below !== below) {
      const keys = keysOf(below);
      const members = below.filter((member) =>
        this.#present.has(memberKey(member))
      );
      for (const [key, member] of this.#present) {
        if (!keys.has(key)) members.push(member);
      }
      this.#view = { below, members };
    }
    return this.#view.members;
  }

  /** Passes a message on; members that it does not reach are checked. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    const sent = next(destination, message);
    // Messages that leave together share a promise, and need one look at it.
    if (sent !== this.#watched) {
      this.#watched = sent;
      sent.catch(this.#onSendFailed);
    }
    return sent;
  }

  /** Swallows test messages, passes on all others. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (
      message.message.length === TCP_FAILURE_DETECTOR_DATA.length &&
      okToProcess(message.options, this.optionFlag) &&
      equalBytes(message.message, TCP_FAILURE_DETECTOR_DATA)
    ) {
      return;
    }
    return next(message);
  }

  /** Passes a member on once its receiver answers. */
  memberAdded(member: Member, next: MemberNext): void {
    const key = memberKey(member);
    if (this.#present.has(key)) {
      this.#present.set(key, member);
      this.#giveUp(key); // it is heard again: whatever a check finds is old
      return;
    }
    this.#check(member, (alive) => {
      if (!alive) return; // a heartbeat tries again
      this.#present.set(key, member);
      this.#view = undefined;
      next(member);
    });
  }

  /** Passes on that a member is gone when it said so, or when its receiver does not answer. */
  memberDisappeared(member: Member, next: MemberNext): void {
    const key = memberKey(member);
    if (
      isShutdown(member) || !this.#present.has(key) ||
      isReplaced(member, this.#context?.members() ?? [])
    ) {
      this.#giveUp(key);
      this.#disappear(key, member, next);
    } else {
      this.#check(member, (alive) => {
        if (!alive) this.#disappear(key, member, next);
      });
    }
  }

  /** Tests members that gave no sign of life, and members below that are missing here. */
  heartbeat(): void {
    const context = this.#context;
    if (context === undefined) return;
    const below = new Map(
      context.members().map((member) => [memberKey(member), member]),
    );
    for (const [key, member] of below) {
      if (!this.#present.has(key) && !this.#checking.has(key)) {
        this.memberAdded(member, (added) => context.memberAdded(added));
      }
    }
    for (const [key, known] of [...this.#present]) {
      const heard = below.get(key);
      if (heard !== undefined && heard.aliveTime !== known.aliveTime) {
        this.#present.set(key, heard);
      } else if (heard === undefined && isReplaced(known, below.values())) {
        this.#giveUp(key);
        this.#disappear(key, known, (gone) => context.memberDisappeared(gone));
      } else {
        // A static member's alive time never moves: connecting tells enough of it, and a stack
        // without a detector would hand every test message to its application.
        const message = heard === undefined || this.#options.performReadTest;
        this.#checkAgain(key, context, message);
      }
    }
  }

  /** Tests all members that are present, as configured, and those below that are missing here. */
  checkMembers(): void {
    const context = this.#context;
    if (context === undefined) return;
    for (const member of context.members()) {
      const key = memberKey(member);
      if (!this.#present.has(key) && !this.#checking.has(key)) {
        this.memberAdded(member, (added) => context.memberAdded(added));
      }
    }
    for (const key of [...this.#present.keys()]) {
      this.#checkAgain(key, context, true);
    }
  }

  #checkAgain(
    key: string,
    context: InterceptorContext,
    message: boolean,
  ): void {
    const member = this.#present.get(key);
    if (member === undefined || this.#checking.has(key)) return;
    this.#check(member, (alive) => {
      if (alive) return;
      this.#disappear(key, member, (gone) => context.memberDisappeared(gone));
    }, message);
  }

  #sendFailed(error: unknown): void {
    const context = this.#context;
    if (context === undefined || !(error instanceof ChannelError)) return;
    for (const { member, code } of error.faultyMembers) {
      if (code === "failed-ack" || code === "queue-full") continue;
      this.#checkAgain(memberKey(member), context, true);
    }
  }

  #disappear(key: string, member: Member, next: MemberNext): void {
    if (!this.#present.delete(key)) return;
    this.#view = undefined;
    next(member);
  }

  #giveUp(key: string): void {
    this.#checking.get(key)?.abort();
    this.#checking.delete(key);
  }

  /** Checks a member, unless something newer is heard of it meanwhile. */
  #check(
    member: Member,
    then: (alive: boolean) => void,
    message = this.#options.performSendTest,
  ): void {
    const context = this.#context;
    if (context === undefined) return;
    const key = memberKey(member);
    const controller = new AbortController();
    this.#giveUp(key);
    this.#checking.set(key, controller);
    context.background(
      this.#isAlive(member, context, controller, message).then((alive) => {
        if (this.#checking.get(key) !== controller) return;
        this.#checking.delete(key);
        then(alive);
      }),
    );
  }

  /** Connects, and as configured sends a test message and waits for its ack. Never rejects. */
  async #isAlive(
    member: Member,
    context: InterceptorContext,
    controller: AbortController,
    message: boolean,
  ): Promise<boolean> {
    const { transport } = context;
    const { signal } = controller;
    const timer = transport.clock.startTimer(
      this.#options.connectTimeout,
      () => controller.abort(),
    );
    let connection: Connection | undefined;
    try {
      connection = await transport.connect({
        hostname: decodeHost(member.host),
        port: member.port,
      }, { signal });
      timer.cancel();
      return !message || await this.#test(connection, context, signal);
    } catch {
      return false; // why it cannot be reached makes no difference
    } finally {
      timer.cancel();
      await connection?.close().catch(() => {}); // nobody's bytes
    }
  }

  async #test(
    connection: Connection,
    context: InterceptorContext,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { performSendTest, performReadTest, readTestTimeout } = this.#options;
    if (!performSendTest || signal.aborted) return true;
    const options = this.optionFlag | SEND_OPTIONS_BYTE_MESSAGE |
      (performReadTest ? SEND_OPTIONS_USE_ACK : 0);
    const message = context.makeMessage(TCP_FAILURE_DETECTOR_DATA, options);
    await connection.write(encodeFrame(encodeChannelData(message)));
    if (!performReadTest) return true;
    const end = () => connection.abort();
    const timer = context.transport.clock.startTimer(readTestTimeout, end);
    signal.addEventListener("abort", end);
    try {
      for await (const chunk of connection) return chunk.length > 0;
      return false;
    } finally {
      timer.cancel();
    }
  }
}

/** A list from below, and the one that was made of it. */
interface View {
  readonly below: readonly Member[];
  readonly members: readonly Member[];
}

function keysOf(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.map(memberKey));
}

/** Whether another member has this one's host and port. */
function isReplaced(member: Member, others: Iterable<Member>): boolean {
  for (const other of others) {
    if (
      other.port === member.port && equalBytes(other.host, member.host) &&
      !equalMembers(other, member)
    ) return true;
  }
  return false;
}
