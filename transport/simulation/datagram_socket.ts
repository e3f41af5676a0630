// A simulated UDP socket, unicast or in a multicast group.
//
// Plan: a sender copies the payload, and the simulation decides what becomes of the datagram. A unicast one
// looks its socket up when it arrives; one to a group is carried to each socket that is in it when it leaves.
//
// Invariants:
// - Sending never waits and never fails for what happens on the way: nobody there, loss, a partition.
// - Each datagram that is received is a copy of its own, and what waits is bounded.
// - Loopback and the external interface are apart: a group on one does not hear the other.
import { PullQueue } from "../pull_queue.ts";
import {
  type Datagram,
  type DatagramSocket,
  type MulticastOptions,
  type SocketAddress,
  TransportError,
} from "../types.ts";
import {
  accepts,
  checkPort,
  formatAddress,
  isLoopback,
  isMulticast,
  isWildcard,
} from "./addresses.ts";
import type { Host } from "./host.ts";

const MAX_WAITING_DATAGRAM_BYTES = 1024 * 1024;
const DATAGRAM_OVERHEAD = 256;
const MAX_DATAGRAM_LENGTH = 65_507;

/** A UDP socket. */
export class MemoryDatagramSocket implements DatagramSocket {
  /** The bound address, with the real port; of a multicast socket, the group. */
  readonly address: SocketAddress;
  readonly #host: Host;
  readonly #multicast: MulticastOptions | undefined;
  readonly #waiting = new PullQueue<Datagram>({ highWaterMark: Infinity });
  #closed = false;

  /** Makes a socket, which its maker adds to the host's. */
  constructor(
    host: Host,
    address: SocketAddress,
    multicast: MulticastOptions | undefined,
  ) {
    this.#host = host;
    this.address = address;
    this.#multicast = multicast;
  }

  /** Whether other multicast sockets may have the same port. */
  get shared(): boolean {
    return this.#multicast !== undefined;
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async send(data: Uint8Array, to: SocketAddress): Promise<void> {
    const action = `Cannot send to ${formatAddress(to)}`;
    if (this.#closed) throw new TransportError("closed", `${action}: closed`);
    if (data.length > MAX_DATAGRAM_LENGTH) {
      throw new TransportError(
        "message-too-large",
        `${action}: ${data.length} bytes exceed ${MAX_DATAGRAM_LENGTH}`,
      );
    }
    checkPort(to.port, action);
    const { simulation } = this.#host;
    const bytes = data.slice();
    if (isMulticast(to.hostname)) {
      return simulation.sendMulticast(this, bytes, to);
    }
    const host = simulation.resolve(this.#host, to.hostname);
    const hostname = isLoopback(to.hostname) ? to.hostname : host?.address;
    if (host === undefined || hostname === undefined) return; // nobody answers
    simulation.carryDatagram(this.#host, host, () => {
      // Looked up on arrival: the receiver may have been bound, or the host restarted, meanwhile.
      const receiver = [...simulation.host(host.name).datagramSockets].find(
        ({ address }) =>
          address.port === to.port && accepts(address.hostname, hostname),
      );
      receiver?.receive(bytes, this.#source(isLoopback(hostname)));
    });
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async close(): Promise<void> {
    this.#closed = true;
    this.#host.datagramSockets.delete(this);
    this.#waiting.clear();
  }

  /** The own host crashed. */
  crash(error: TransportError): void {
    this.#closed = true;
    this.#waiting.fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Datagram> {
    return this.#waiting.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether this socket gets what the other sends to a group. */
  receivesGroup(from: MemoryDatagramSocket, to: SocketAddress): boolean {
    if (
      this.#multicast?.group !== to.hostname || this.address.port !== to.port ||
      this.#onLoopback !== from.#onLoopback
    ) return false;
    if (this.#host !== from.#host) {
      return !this.#onLoopback && from.#multicast?.ttl !== 0;
    }
    // As a kernel does: the loopback interface brings back what it is given.
    return this.#onLoopback || (from.#multicast?.loopback ?? true);
  }

  /** Brings a datagram of a group to this socket. */
  carry(from: MemoryDatagramSocket, data: Uint8Array): void {
    const source = from.#source(from.#onLoopback);
    this.#host.simulation.carryDatagram(
      from.#host,
      this.#host,
      () => this.receive(data, source),
    );
  }

  /** Takes a datagram that arrived, or drops it when too much waits. */
  receive(data: Uint8Array, from: SocketAddress): void {
    if (this.#waiting.size > MAX_WAITING_DATAGRAM_BYTES) return;
    // The receiver owns its copy: a duplicate must not share it.
    this.#waiting.push(
      { data: data.slice(), from },
      data.length + DATAGRAM_OVERHEAD,
    );
  }

  get #onLoopback(): boolean {
    return isLoopback(this.#multicast?.interfaceAddress ?? "");
  }

  #source(loopback: boolean): SocketAddress {
    const { hostname, port } = this.address;
    if (!isWildcard(hostname) && !isMulticast(hostname)) return this.address;
    return { hostname: loopback ? "127.0.0.1" : this.#host.address, port };
  }
}
