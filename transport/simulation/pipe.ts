// One direction of a simulated TCP connection, between the kernels of two hosts.
//
// Plan: each segment has an arrival of its own in the virtual time, and an arrival takes the oldest
// segment, whichever it was made for. So the delays may cross while the segments keep their order.
//
// Invariant: each segment that waits has either an arrival on its way or one that is counted as stalled;
// `Simulation.stalled` has every pipe with a stalled one, until it is released or its sender crashes.
import type { Simulation } from "./simulation.ts";

/** One direction of a connection: keeps order, loses nothing, stalls while it cannot arrive. */
export class Pipe {
  /** Name of the host that sends. */
  readonly from: string;
  /** Name of the host that receives. */
  readonly to: string;
  readonly #simulation: Simulation;
  #segments: (() => void)[] = [];
  #stalled = 0;

  /** Lays a pipe between two hosts; the same host twice for a connection to itself. */
  constructor(simulation: Simulation, from: string, to: string) {
    this.#simulation = simulation;
    this.from = from;
    this.to = to;
  }

  /**
   * Sends a segment.
   *
   * @param arrive What it does where it arrives.
   */
  send(arrive: () => void): void {
    this.#segments.push(arrive);
    this.#schedule();
  }

  /** Sends again what could not arrive. */
  release(): void {
    const count = this.#stalled;
    this.#stalled = 0;
    for (let i = 0; i < count; i++) this.#schedule();
  }

  #schedule(): void {
    const simulation = this.#simulation;
    simulation.time.transmit(
      simulation.time.now + simulation.latency(this.from, this.to),
      () => this.#arrive(),
    );
  }

  /** Whichever arrival this is, the oldest segment is next. */
  #arrive(): void {
    if (this.#simulation.reaches(this.from, this.to)) {
      this.#segments.shift()?.();
    } else {
      this.#stalled++;
      this.#simulation.stalled.add(this);
    }
  }
}
