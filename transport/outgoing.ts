import { ackMoment } from "../protocol/tribes/ack.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";

/** A promise that one acknowledged message has, or messages that leave together share. */
export class Completion {
  readonly promise: Promise<void>;
  #resolve!: () => void; // set by the executor, which runs at once
  #reject!: (error: Error) => void;
  #pending = 0;
  #error: Error | undefined;

  constructor() {
    // Two thirds of what Promise.withResolvers costs.
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  add(): void {
    this.#pending++;
  }

  done(): void {
    if (--this.#pending === 0) this.#settle();
  }

  /** Of several messages one may fail while another is sent again: its bytes are borrowed until then. */
  fail(error: Error): void {
    this.#error ??= error;
    if (--this.#pending === 0) this.#settle();
  }

  #settle(): void {
    if (this.#error === undefined) this.#resolve();
    else this.#reject(this.#error);
  }
}

/** One message to one member. */
export class Outgoing {
  readonly data: ChannelData;
  readonly size: number;
  readonly completion: Completion;
  readonly acked: boolean;
  readonly synchronized: boolean;
  readonly queuedAt: number;
  readonly order: number;
  attempts = 0;
  writtenAt = -1; // when it was written first; only of acknowledged ones

  constructor(
    data: ChannelData,
    size: number,
    completion: Completion,
    queuedAt: number,
    order: number,
  ) {
    const moment = ackMoment(data.options);
    this.data = data;
    this.size = size;
    this.completion = completion;
    this.acked = moment !== "never";
    this.synchronized = moment === "after";
    this.queuedAt = queuedAt;
    this.order = order;
    completion.add();
  }
}
