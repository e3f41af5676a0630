// Finds out sooner than a heartbeat that a member is gone: by letting the failure detector below test
// all of them, or, without one, by a message whose failed send says so.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { TCP_PING_DATA } from "../../protocol/tribes/control_bodies.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { asError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import type { Timer } from "../../transport/types.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  okToProcess,
  type ReceiveNext,
} from "../interceptor.ts";

/** Options of {@linkcode TcpPingInterceptor}. Durations are milliseconds. */
export interface TcpPingOptions {
  /**
   * Time between two pings with `useThread`. Attribute `interval`.
   * @default {1000}
   */
  readonly interval?: number;
  /**
   * Whether pings have a timer of their own; otherwise each heartbeat of the channel brings one.
   * Attribute `useThread`.
   * @default {false}
   */
  readonly useThread?: boolean;
  /**
   * Whether pings go to the members that the StaticMembership layer below shows, and not to those
   * that this layer sees. Without effect over a failure detector. Attribute `staticOnly`.
   * @default {false}
   */
  readonly staticOnly?: boolean;
  /**
   * Send options of a ping, and the bits that a ping that is swallowed has. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
}

/** Asks at each interval who is there; wire-compatible with Tomcat's interceptor. */
export class TcpPingInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "TcpPing";
  /** Send options of a ping. */
  readonly optionFlag: number;
  readonly #interval: number;
  readonly #useThread: boolean;
  readonly #staticOnly: boolean;
  #context: InterceptorContext | undefined;
  #timer: Timer | undefined;
  #sending = false;
  #pingsSent = 0;
  #pingsReceived = 0;
  #checks = 0;
  #failures = 0;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an `interval` that is no positive integer.
   */
  constructor(options: TcpPingOptions = {}) {
    this.#interval = options.interval ?? 1000;
    checkInteger(this.#interval, "interval", 1, 0x7fff_ffff);
    this.#useThread = options.useThread ?? false;
    this.#staticOnly = options.staticOnly ?? false;
    this.optionFlag = options.optionFlag ?? 0;
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
    if (this.#useThread) this.#startTimer(context);
  }

  /** Stops the layer. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#context = undefined;
  }

  /** Pings sent (one for all members), received and failed, and checks by the detector below. */
  statistics(): {
    readonly pingsSent: number;
    readonly pingsReceived: number;
    readonly checks: number;
    readonly failures: number;
  } {
    return {
      pingsSent: this.#pingsSent,
      pingsReceived: this.#pingsReceived,
      checks: this.#checks,
      failures: this.#failures,
    };
  }

  /** Swallows pings, passes on all other messages. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (
      message.message.length === TCP_PING_DATA.length &&
      okToProcess(message.options, this.optionFlag) &&
      equalBytes(message.message, TCP_PING_DATA)
    ) {
      this.#pingsReceived++;
      return;
    }
    return next(message);
  }

  /** Pings, unless a timer of its own does. */
  heartbeat(): void {
    if (!this.#useThread) this.#ping();
  }

  #startTimer(context: InterceptorContext): void {
    this.#timer = context.transport.clock.startTimer(this.#interval, () => {
      this.#startTimer(context);
      this.#ping();
    });
  }

  #ping(): void {
    const context = this.#context;
    if (context === undefined) return;
    if (context.checkMembers()) {
      this.#checks++;
      return;
    }
    const members = this.#staticOnly
      ? context.membersOf("StaticMembership") ?? context.members()
      : context.members();
    // Whoever does not take one ping needs no second in the queue.
    if (members.length === 0 || this.#sending) return;
    this.#sending = true;
    context.background(this.#send(members, context));
  }

  async #send(
    members: readonly Member[],
    context: InterceptorContext,
  ): Promise<void> {
    try {
      const message = context.makeMessage(TCP_PING_DATA, this.optionFlag);
      await context.sendMessage(members, message);
      this.#pingsSent++;
    } catch (error) {
      this.#failures++;
      // The layers below know what to do with it; who stopped meanwhile wants to know nothing.
      if (this.#context === context) context.fault(asError(error));
    } finally {
      this.#sending = false;
    }
  }
}
