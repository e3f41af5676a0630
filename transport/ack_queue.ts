import { ACK_COMMAND, FAIL_ACK_COMMAND } from "../protocol/tribes/ack.ts";
import type { Clock, Connection } from "./types.ts";

const ACK_RUN = 512;
// Many acknowledgements in one array, so that a run of them is one write of a part of it.
const ACKS = repeat(ACK_COMMAND, ACK_RUN);

/** Collects the acknowledgements of one connection, and writes runs of them together. */
export class AckQueue {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #written = (): void => this.#settled(true);
  // Whoever waits for the write sees its error; reading the connection shows it too.
  readonly #lost = (): void => this.#settled(false);
  #acks = 0;
  #failed: number[] = []; // positions of FAIL_ACKs among the collected
  #writing: Promise<void> | undefined;
  #writingSince: number | undefined;
  #soon = false; // what is collected leaves as soon as the write before it is done

  /** Makes a queue with nothing in it. */
  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Since when the peer has not read what is being written. */
  get writingSince(): number | undefined {
    return this.#writingSince;
  }

  /** Number of acknowledgements that are collected. */
  get length(): number {
    return this.#acks;
  }

  /** Adds an ACK, or a FAIL_ACK for a message that was not done. */
  push(done: boolean): void {
    if (!done) this.#failed.push(this.#acks);
    this.#acks++;
  }

  /** Sends what is collected; when the write before it is not done, only once it is. */
  send(): Promise<void> | undefined {
    if (this.#writing !== undefined) return this.#sendAfter(this.#writing);
    this.#start();
    return undefined;
  }

  /** Sends what is collected, without waiting for it. */
  sendSoon(): void {
    if (this.#acks === 0) return;
    if (this.#writing === undefined) this.#start();
    else this.#soon = true;
  }

  /** Sends what is collected and waits until it is written. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#acks > 0) {
      if (this.#writing === undefined) this.#start();
      await this.#writing;
    }
  }

  async #sendAfter(writing: Promise<void>): Promise<void> {
    await writing;
    if (this.#writing === undefined && this.#acks > 0) this.#start();
  }

  #start(): void {
    this.#soon = false;
    this.#writingSince = this.#clock.now();
    this.#writing = this.#connection.write(this.#take());
    this.#writing.then(this.#written, this.#lost);
  }

  #settled(written: boolean): void {
    this.#writingSince = undefined;
    this.#writing = undefined;
    if (written && this.#soon && this.#acks > 0) this.#start();
  }

  #take(): Uint8Array {
    const { length } = ACK_COMMAND;
    const count = this.#acks;
    this.#acks = 0;
    if (this.#failed.length === 0 && count <= ACK_RUN) {
      return ACKS.subarray(0, count * length);
    }
    const bytes = repeat(ACK_COMMAND, count);
    for (const at of this.#failed) bytes.set(FAIL_ACK_COMMAND, at * length);
    this.#failed = [];
    return bytes;
  }
}

function repeat(bytes: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}
