// Counts what passes. Reports come after each `interval` messages of one direction; Tomcat also
// reports its first send, and none while sends overlap.
import {
  byteLengthChannelData,
  type ChannelData,
} from "../../protocol/tribes/channel_data.ts";
import { FRAME_OVERHEAD } from "../../protocol/tribes/frame.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { checkInteger } from "../../transport/options.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  ReceiveNext,
  SendNext,
} from "../interceptor.ts";

const MEBIBYTE = 1024 * 1024;

/**
 * What a {@linkcode ThroughputInterceptor} has counted since its start. Sizes are those of whole
 * frames, in MiB.
 */
export interface ThroughputReport {
  /** Messages sent, each once for all its destinations. */
  readonly msgTxCnt: number;
  /** Messages received. */
  readonly msgRxCnt: number;
  /** Sends that failed; they count nowhere else. */
  readonly msgTxErr: number;
  /** What was sent, counted once for each destination. */
  readonly mbTx: number;
  /** What was sent, counted once for all destinations. */
  readonly mbAppTx: number;
  /** What was received. */
  readonly mbRx: number;
  /** Seconds in which at least one send was under way. */
  readonly timeTx: number;
  /** `mbTx` a second of `timeTx`. */
  readonly mbTxPerSecond: number;
  /** `mbAppTx` a second of `timeTx`. */
  readonly mbAppTxPerSecond: number;
  /** `mbRx` a second since the first message came. */
  readonly mbRxPerSecond: number;
}

/** Options of {@linkcode ThroughputInterceptor}. */
export interface ThroughputOptions {
  /**
   * Messages of one direction after which a report is made. Attribute `interval`.
   * @default {10000}
   */
  readonly interval?: number;
  /**
   * Kept for `optionCheck` of the channel; all messages count. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /** Takes the reports; must not throw. */
  readonly onReport?: (report: ThroughputReport) => void;
}

/**
 * Measures how much is sent and received.
 *
 * @example Prints a line each 1000 messages
 * ```ts
 * import { formatThroughput, ThroughputInterceptor } from "@tribes/toolkit/channel";
 *
 * const layer = new ThroughputInterceptor({
 *   interval: 1000,
 *   onReport: (report) => console.log(formatThroughput(report)),
 * });
 * ```
 */
export class ThroughputInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "Throughput";
  /** For `optionCheck` alone. */
  readonly optionFlag: number;
  readonly #interval: number;
  readonly #onReport: ((report: ThroughputReport) => void) | undefined;
  #context: InterceptorContext | undefined;
  #msgTxCnt = 0;
  #msgRxCnt = 0;
  #msgTxErr = 0;
  #bytesTx = 0;
  #bytesAppTx = 0;
  #bytesRx = 0;
  #timeTx = 0; // milliseconds, without the running stretch
  #sending = 0;
  #txStart = 0;
  #rxStart: number | undefined;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an `interval` that is no positive integer.
   */
  constructor(options: ThroughputOptions = {}) {
    this.#interval = options.interval ?? 10_000;
    checkInteger(this.#interval, "interval", 1, 0x7fff_ffff);
    this.optionFlag = options.optionFlag ?? 0;
    this.#onReport = options.onReport;
  }

  /** Starts the layer, with all counts at zero. */
  start(context: InterceptorContext): void {
    this.#context = context;
    this.#msgTxCnt = this.#msgRxCnt = this.#msgTxErr = 0;
    this.#bytesTx =
      this.#bytesAppTx =
      this.#bytesRx =
      this.#timeTx =
        0;
    this.#rxStart = undefined;
    this.#txStart = this.#now(); // of sends that outlived a stop
  }

  /** Everything that is counted. */
  statistics(): ThroughputReport & Readonly<Record<string, number>> {
    return { ...this.#report() };
  }

  /** Counts a message that is sent. */
  async sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    const size = sizeOf(message);
    if (this.#sending++ === 0) this.#txStart = this.#now();
    try {
      await next(destination, message);
    } catch (error) {
      this.#msgTxErr++;
      this.#sent();
      throw error;
    }
    this.#sent();
    this.#bytesTx += size * destination.length;
    this.#bytesAppTx += size;
    if (++this.#msgTxCnt % this.#interval === 0) this.#tell();
  }

  /** Counts a message that came. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    this.#rxStart ??= this.#now();
    this.#bytesRx += sizeOf(message);
    if (++this.#msgRxCnt % this.#interval === 0) this.#tell();
    return next(message);
  }

  /** One send less is under way. */
  #sent(): void {
    if (--this.#sending === 0) this.#timeTx += this.#now() - this.#txStart;
  }

  #tell(): void {
    if (this.#onReport !== undefined) this.#onReport(this.#report());
  }

  #report(): ThroughputReport {
    const now = this.#now();
    const running = this.#sending > 0 ? now - this.#txStart : 0;
    const timeTx = (this.#timeTx + running) / 1000;
    const timeRx = (now - (this.#rxStart ?? now)) / 1000;
    const mbTx = this.#bytesTx / MEBIBYTE;
    const mbAppTx = this.#bytesAppTx / MEBIBYTE;
    const mbRx = this.#bytesRx / MEBIBYTE;
    return {
      msgTxCnt: this.#msgTxCnt,
      msgRxCnt: this.#msgRxCnt,
      msgTxErr: this.#msgTxErr,
      mbTx,
      mbAppTx,
      mbRx,
      timeTx,
      mbTxPerSecond: perSecond(mbTx, timeTx),
      mbAppTxPerSecond: perSecond(mbAppTx, timeTx),
      mbRxPerSecond: perSecond(mbRx, timeRx),
    };
  }

  #now(): number {
    return this.#context?.transport.clock.now() ?? 0;
  }
}

/**
 * A report as a line for people.
 *
 * @returns `sent 3 messages, 0.01 MiB (0.02 MiB to all) in 1.5 s, 1 failed; received ...`.
 */
export function formatThroughput(report: ThroughputReport): string {
  const mb = (value: number) => value.toFixed(2);
  return `sent ${report.msgTxCnt} messages, ${mb(report.mbAppTx)} MiB (${
    mb(report.mbTx)
  } MiB to all) in ${report.timeTx.toFixed(1)} s, ${
    mb(report.mbAppTxPerSecond)
  } MiB/s, ${report.msgTxErr} failed; received ${report.msgRxCnt} messages, ${
    mb(report.mbRx)
  } MiB, ${mb(report.mbRxPerSecond)} MiB/s`;
}

function sizeOf(message: ChannelData): number {
  return byteLengthChannelData(message) + FRAME_OVERHEAD;
}

function perSecond(amount: number, seconds: number): number {
  return seconds > 0 ? amount / seconds : 0;
}
