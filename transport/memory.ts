/**
 * A simulated network: many hosts in one process, virtual time, and faults drawn from a seed.
 *
 * Every arrival and timer is an event in one queue ordered by time, then by creation. The driver
 * runs all events of one instant, then gives the process a macrotask turn, in which every
 * promise reaction runs, and only then goes to the next instant. So a run depends on the seed and
 * on the code under test alone, as long as that code waits for nothing but promises, this
 * network's sockets and this network's clocks.
 *
 * - TCP: each direction of a connection keeps order, loses nothing, and holds segments back while
 *   its far end cannot be reached. A window gives backpressure.
 * - UDP: datagrams are lost, duplicated, delayed and reordered as the conditions say.
 * - What a host sends to itself takes no time and meets no fault.
 *
 * Not simulated: bandwidth, routing, fragmentation, names with several addresses.
 *
 * @module
 */

// The public face alone: simulation/simulation.ts has the plan of the rest.
import { resolveConditions } from "./simulation/conditions.ts";
import { Simulation } from "./simulation/simulation.ts";
import type { Transport } from "./types.ts";

export * from "./types.ts";

/** What the links between hosts do. Probabilities are 0 to 1, durations milliseconds. */
export interface NetworkConditions {
  /**
   * Range of the delay of one packet from host to host.
   * @default {[0.2, 1]}
   */
  readonly latency: readonly [minimum: number, maximum: number];
  /**
   * Probability that a datagram vanishes.
   * @default {0}
   */
  readonly loss: number;
  /**
   * Probability that a datagram arrives twice.
   * @default {0}
   */
  readonly duplication: number;
  /**
   * Probability that a datagram is held back, so that later ones overtake it. Without it the
   * datagrams from one host to another keep their order.
   * @default {0}
   */
  readonly reordering: number;
  /**
   * Range of the length in bytes at which a TCP stream is cut. Small values try parsers.
   * @default {[65536, 65536]}
   */
  readonly segmentLength: readonly [minimum: number, maximum: number];
}

/** Options of {@linkcode MemoryNetwork}. */
export interface MemoryNetworkOptions extends Partial<NetworkConditions> {
  /**
   * Start of the pseudo-random sequence; a failing test prints it.
   * @default {1}
   */
  readonly seed?: number;
  /**
   * Time after which a connect without an answer is `unreachable`, in milliseconds.
   * @default {127000}
   */
  readonly connectTimeout?: number;
  /**
   * Wall time at the virtual time 0, in milliseconds since 1970.
   * @default {1700000000000}
   */
  readonly epoch?: number;
}

/**
 * Hosts that reach each other through simulated links, in virtual time.
 *
 * @example Two hosts exchange a datagram
 * ```ts
 * import assert from "node:assert/strict";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 *
 * const network = new MemoryNetwork({ seed: 7, latency: [5, 5] });
 * await network.run(async () => {
 *   await using a = await network.transport("a").bindDatagram();
 *   await using b = await network.transport("b").bindDatagram({ port: 4000 });
 *   await a.send(Uint8Array.of(1, 2, 3), { hostname: "b", port: 4000 });
 *   for await (const datagram of b) {
 *     assert.deepEqual(datagram.data, Uint8Array.of(1, 2, 3));
 *     break;
 *   }
 * });
 * assert.equal(network.now, 5);
 * ```
 */
export class MemoryNetwork {
  /** Where the pseudo-random sequence started. */
  readonly seed: number;
  readonly #simulation: Simulation;

  /**
   * Makes a network without hosts.
   *
   * @param options Seed, conditions and times.
   * @throws {RangeError} When a condition is out of its range.
   */
  constructor(options: MemoryNetworkOptions = {}) {
    this.seed = options.seed ?? 1;
    this.#simulation = new Simulation(this.seed, options);
  }

  /** Virtual milliseconds since the network was made. */
  get now(): number {
    return this.#simulation.time.now;
  }

  /**
   * Draws from the network's sequence, for choices that a test wants to repeat with the seed.
   *
   * @returns 0 up to but not 1.
   */
  random(): number {
    return this.#simulation.random();
  }

  /**
   * A host's sockets and clock; the host is made when it is first named.
   *
   * @param hostname Name that others connect to. One that is a numeric address is also the host's
   * address; others get an address in 10.0.0.0/8.
   * @returns The transport, the same one until the host restarts.
   */
  transport(hostname: string): Transport {
    return this.#simulation.host(hostname).transport;
  }

  /**
   * Changes what the links do from now on.
   *
   * @param conditions The conditions that change.
   * @throws {RangeError} When one is out of its range.
   */
  setConditions(conditions: Partial<NetworkConditions>): void {
    this.#simulation.conditions = resolveConditions({
      ...this.#simulation.conditions,
      ...conditions,
    });
  }

  /**
   * Sets a host's wall clock off.
   *
   * @param hostname The host.
   * @param milliseconds Added to the host's `wallTime`; its monotonic time stays right.
   */
  setClockSkew(hostname: string, milliseconds: number): void {
    this.#simulation.host(hostname).clockSkew = milliseconds;
  }

  /**
   * Cuts the network into groups until {@linkcode MemoryNetwork.heal}. Between groups connections
   * stall, connects get no answer and datagrams vanish.
   *
   * @param groups Names of hosts; those in none are together in one more group.
   */
  partition(groups: readonly (readonly string[])[]): void {
    this.#simulation.partition(groups);
  }

  /** Ends the partition; what stalled goes on, in order. */
  heal(): void {
    this.#simulation.partition([]);
  }

  /**
   * Resets all connections between two hosts, at both ends at once, as a firewall may.
   *
   * @param first One host.
   * @param second The other host.
   */
  resetConnections(first: string, second: string): void {
    this.#simulation.resetConnections(first, second);
  }

  /**
   * Stops a host without a word to its peers: what is sent to it stalls or vanishes, its timers
   * never fire, and its own pending calls reject with `closed`.
   *
   * @param hostname The host.
   */
  crash(hostname: string): void {
    this.#simulation.crash(hostname);
  }

  /**
   * Starts a crashed host again. Peers whose old connections reach it get a reset.
   *
   * @param hostname The host.
   * @returns The host's new transport; the one from before the crash stays closed.
   */
  restart(hostname: string): Transport {
    return this.#simulation.restart(hostname).transport;
  }

  /**
   * Suspends a host's process: its kernel still answers connects, but nothing reaches its code
   * and its timers do not fire until {@linkcode MemoryNetwork.resume}.
   *
   * @param hostname The host.
   */
  pause(hostname: string): void {
    this.#simulation.host(hostname).paused = true;
  }

  /**
   * Lets a paused host go on; everything that waited happens before this returns, in order.
   *
   * @param hostname The host.
   */
  resume(hostname: string): void {
    this.#simulation.host(hostname).resume();
  }

  /**
   * Lets virtual time pass.
   *
   * @param milliseconds How much.
   * @returns Resolves when all events up to then have happened.
   */
  advance(milliseconds: number): Promise<void> {
    return this.#simulation.time.advance(milliseconds);
  }

  /**
   * Lets everything that is on its way arrive, and the answers to it. Timers fire only where they
   * are due by then. What stalls at a partition, or at a crashed or paused host, is not waited for.
   *
   * @returns Resolves when nothing is on its way.
   */
  settle(): Promise<void> {
    return this.#simulation.time.settle();
  }

  /**
   * Runs a task and lets virtual time pass until the task has settled.
   *
   * @param task What to run; it may itself call {@linkcode MemoryNetwork.advance}.
   * @returns What the task returns.
   * @throws {Error} When the task waits and nothing is left that could happen; else what it throws.
   */
  async run<T>(task: () => Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    const result = task();
    result.then(settle, settle);
    await this.#simulation.time.reach(() => settled);
    return await result;
  }
}
