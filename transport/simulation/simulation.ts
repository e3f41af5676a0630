// The whole of a simulated network: its hosts, partitions, and what the links do to datagrams.
//
// Plan. A call goes down this list, and every file imports only from below itself (types apart):
//
//   simulation.ts       hosts by name, partitions, crashes, faults of datagrams
//   host.ts             one life of a host: its sockets, ports and address
//   transport.ts        what the host's code sees: opens sockets, holds the clock
//   connect.ts          the handshake of a connection
//   listener.ts connection.ts datagram_socket.ts    the sockets
//   pipe.ts             one direction of a connection between two hosts
//   virtual_time.ts events.ts                       when things happen
//   conditions.ts addresses.ts random.ts            pure functions
//
// Invariants:
// - Whatever goes from host to host is an event of the virtual time, and every choice is drawn from the
//   one generator. So a run depends on the seed and the code under test.
// - A name stands for one life of a host at a time, and the address stays over restarts.
// - What a host sends to itself takes no time and meets no fault.
//
// Not simulated: bandwidth, routing, fragmentation, names with several addresses.
import type { MemoryNetworkOptions, NetworkConditions } from "../memory.ts";
import type { SocketAddress } from "../types.ts";
import { isLoopback, isNumeric } from "./addresses.ts";
import { resolveConditions } from "./conditions.ts";
import type { MemoryDatagramSocket } from "./datagram_socket.ts";
import { Host } from "./host.ts";
import type { Pipe } from "./pipe.ts";
import { mulberry32 } from "./random.ts";
import { VirtualTime } from "./virtual_time.ts";

/** The hosts, and what lies between them. */
export class Simulation {
  /** Virtual time, and what is to happen. */
  readonly time: VirtualTime;
  /** What the links do now. */
  conditions: NetworkConditions;
  /** Draws the next number, 0 up to but not 1. */
  readonly random: () => number;
  /** Wall time at the virtual time 0, in milliseconds since 1970. */
  readonly epoch: number;
  /** Milliseconds after which a connect without an answer fails. */
  readonly connectTimeout: number;
  /** Pipes that hold segments which could not arrive. */
  readonly stalled: Set<Pipe> = new Set();
  readonly #hosts = new Map<string, Host>();
  readonly #lastDatagrams = new Map<string, number>();
  #groups = new Map<string, number>();

  /**
   * Makes a network without hosts at the virtual time 0.
   *
   * @throws {RangeError} When a condition is out of its range.
   */
  constructor(seed: number, options: MemoryNetworkOptions) {
    this.time = new VirtualTime(seed);
    this.random = mulberry32(seed);
    this.conditions = resolveConditions(options);
    this.epoch = options.epoch ?? 1_700_000_000_000;
    this.connectTimeout = options.connectTimeout ?? 127_000;
  }

  /** A host by name, made when it is first named. */
  host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new Host(this, name, this.#freeAddress(name));
      this.#hosts.set(name, host);
    }
    return host;
  }

  /** The host behind a name or address, as seen from another. */
  resolve(from: Host, hostname: string): Host | undefined {
    if (isLoopback(hostname)) return from;
    const named = this.#hosts.get(hostname);
    if (named !== undefined) return named;
    return [...this.#hosts.values()].find((host) => host.address === hostname);
  }

  /** Whether a packet from one host gets to the other now. */
  reaches(from: string, to: string): boolean {
    return this.host(to).alive &&
      (from === to || this.#groups.get(from) === this.#groups.get(to));
  }

  /** Cuts the network into groups, and into one more of the hosts in none; no groups heal it. */
  partition(groups: readonly (readonly string[])[]): void {
    this.#groups = new Map(
      groups.flatMap((group, i) => group.map((name) => [name, i])),
    );
    this.#releaseStalled();
  }

  /** Ends a life of a host without a word to its peers. */
  crash(name: string): void {
    this.host(name).crash();
    // Nobody is left to send these again.
    for (const pipe of this.stalled) {
      if (pipe.from === name) this.stalled.delete(pipe);
    }
  }

  /** Begins the next life of a host, under its old address. */
  restart(name: string): Host {
    const old = this.host(name);
    if (old.alive) this.crash(name);
    const host = new Host(this, name, old.address);
    host.clockSkew = old.clockSkew;
    this.#hosts.set(name, host);
    this.#releaseStalled();
    return host;
  }

  /** Resets all connections between two hosts, at both ends at once. */
  resetConnections(first: string, second: string): void {
    for (const [from, to] of [[first, second], [second, first]] as const) {
      for (const connection of [...this.host(from).connections]) {
        if (connection.peerHost === to) connection.lose();
      }
    }
  }

  /** Draws how long a packet from host to host takes. */
  latency(from: string, to: string): number {
    return from === to ? 0 : this.draw(this.conditions.latency);
  }

  /** Draws a number from a range. */
  draw([minimum, maximum]: readonly [number, number]): number {
    return minimum + (maximum - minimum) * this.random();
  }

  /** Carries one datagram between hosts, with the faults of the network. */
  carryDatagram(from: Host, to: Host, arrive: () => void): void {
    if (from === to) {
      return this.time.transmit(this.time.now, () => to.deliver(arrive));
    }
    const { loss, duplication, reordering, latency } = this.conditions;
    if (!this.reaches(from.name, to.name) || this.random() < loss) return;
    const link = `${from.name} ${to.name}`;
    for (
      let copies = this.random() < duplication ? 2 : 1;
      copies > 0;
      copies--
    ) {
      let time = this.time.now + this.draw(latency);
      if (this.random() < reordering) {
        time += latency[1] * (1 + 2 * this.random());
      } else {
        time = Math.max(time, this.#lastDatagrams.get(link) ?? 0);
        this.#lastDatagrams.set(link, time);
      }
      this.time.transmit(time, () => {
        if (this.reaches(from.name, to.name)) to.deliver(arrive);
      });
    }
  }

  /** Brings a datagram to every socket that is in the group. */
  sendMulticast(
    from: MemoryDatagramSocket,
    data: Uint8Array,
    to: SocketAddress,
  ): void {
    for (const host of this.#hosts.values()) {
      for (const socket of host.datagramSockets) {
        if (socket.receivesGroup(from, to)) socket.carry(from, data);
      }
    }
  }

  #releaseStalled(): void {
    const pipes = [...this.stalled];
    this.stalled.clear();
    for (const pipe of pipes) pipe.release();
  }

  #freeAddress(name: string): string {
    if (isNumeric(name)) return name;
    const taken = new Set(
      [...this.#hosts.values()].map((host) => host.address),
    );
    let n = this.#hosts.size + 1;
    const address = () => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    while (taken.has(address())) n++;
    return address();
  }
}
