// One life of a simulated host: its sockets and ports, and whether its process runs.
//
// Invariants:
// - A host that crashed stays dead and has no sockets; a restart makes a new one of the same name.
// - Everything that happens in the host's process goes through `deliver`, which keeps the order while
//   the process is paused. The kernel's part, such as the answer to a connect, does not.
// - No two sockets of one kind share an address and port, multicast sockets apart; `transport.ts` checks
//   that before it adds one.
import { TransportError } from "../types.ts";
import { accepts, isLoopback, isWildcard } from "./addresses.ts";
import type { Opening } from "./connect.ts";
import type { MemoryConnection } from "./connection.ts";
import type { MemoryDatagramSocket } from "./datagram_socket.ts";
import type { MemoryListener } from "./listener.ts";
import type { Simulation } from "./simulation.ts";
import { MemoryTransport } from "./transport.ts";

const FIRST_EPHEMERAL_PORT = 32_768;
const LAST_EPHEMERAL_PORT = 60_999;

/** One life of a host: a restart makes a new one. */
export class Host {
  /** The network it is on. */
  readonly simulation: Simulation;
  /** Its name, the same in all its lives. */
  readonly name: string;
  /** Its external address. */
  readonly address: string;
  /** What its code opens sockets with. */
  readonly transport: MemoryTransport;
  /** Listeners that are open. */
  readonly listeners: Set<MemoryListener> = new Set();
  /** Connections that are established. */
  readonly connections: Set<MemoryConnection> = new Set();
  /** Datagram sockets that are open. */
  readonly datagramSockets: Set<MemoryDatagramSocket> = new Set();
  /** Connects that have no answer yet. */
  readonly openings: Set<Opening> = new Set();
  /** False once it crashed, and for good. */
  alive = true;
  /** Whether its process is suspended. */
  paused = false;
  /** Milliseconds by which its wall clock is ahead. */
  clockSkew = 0;
  #delayed: (() => void)[] = [];
  #lastPort = FIRST_EPHEMERAL_PORT - 1;

  /** Begins a life without sockets. */
  constructor(simulation: Simulation, name: string, address: string) {
    this.simulation = simulation;
    this.name = name;
    this.address = address;
    this.transport = new MemoryTransport(this);
  }

  /** Lets something happen in the host's process, later if that is paused. */
  deliver(happen: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#delayed.push(happen);
    else happen();
  }

  /** Lets a paused process go on: what waited happens now, in order. */
  resume(): void {
    this.paused = false;
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const happen of delayed) this.deliver(happen);
  }

  /** Ends this life; all that its code waits for rejects. */
  crash(): void {
    this.alive = false;
    this.#delayed = [];
    const error = this.crashed("Cannot go on");
    for (const opening of this.openings) opening.finish(undefined, error);
    for (const listener of this.listeners) listener.crash(error);
    for (const connection of this.connections) connection.crash(error);
    for (const socket of this.datagramSockets) socket.crash(error);
    this.listeners.clear();
    this.connections.clear();
    this.datagramSockets.clear();
  }

  /** The error of a call on a host that crashed. */
  crashed(action: string): TransportError {
    return new TransportError("closed", `${action}: host ${this.name} crashed`);
  }

  /** Whether a socket may be bound to an address here. */
  owns(hostname: string): boolean {
    return hostname === this.address || isWildcard(hostname) ||
      isLoopback(hostname);
  }

  /** The listener that takes connects to an address. */
  findListener(hostname: string, port: number): MemoryListener | undefined {
    return [...this.listeners].find(({ address }) =>
      address.port === port && accepts(address.hostname, hostname)
    );
  }

  /** The next port that no socket is bound to. */
  ephemeralPort(): number {
    const taken = new Set(
      [...this.listeners, ...this.datagramSockets]
        .map((socket) => socket.address.port),
    );
    do {
      this.#lastPort = this.#lastPort === LAST_EPHEMERAL_PORT
        ? FIRST_EPHEMERAL_PORT
        : this.#lastPort + 1;
    } while (taken.has(this.#lastPort));
    return this.#lastPort;
  }
}
