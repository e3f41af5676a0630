import type { Clock, Timer } from "../transport/mod.ts";

/**
 * A time limit that is set and cleared for every packet: one timer runs on and is looked at when it
 * fires, since starting one each time costs more than reading the clock.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #passed: () => void;
  #at: number | undefined;
  #timer: Timer | undefined;

  /**
   * Makes a limit that does not run.
   *
   * @param limit Milliseconds; -1 never passes.
   * @param passed Called when it passes, once for each start.
   */
  constructor(clock: Clock, limit: number, passed: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#passed = passed;
  }

  /** Lets it run; one that runs is not prolonged. */
  start(): void {
    if (this.#limit < 0 || this.#at !== undefined) return;
    this.#at = this.#clock.now() + this.#limit;
    this.#timer ??= this.#clock.startTimer(this.#limit, () => this.#look());
  }

  /** Stops it for now. */
  clear(): void {
    this.#at = undefined;
  }

  /** Stops it for good. */
  cancel(): void {
    this.#at = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#at === undefined) return;
    const left = this.#at - this.#clock.now();
    if (left > 0) {
      // A rest lost in rounding must not make it look again at the same instant.
      const wait = Math.max(1, left);
      this.#timer = this.#clock.startTimer(wait, () => this.#look());
    } else {
      this.#at = undefined;
      this.#passed();
    }
  }
}
