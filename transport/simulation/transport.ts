// What the code on a simulated host sees: the transport that opens its sockets, and its clock.
//
// Invariants:
// - A call that cannot be done rejects as the real adapter's does, and leaves nothing behind.
// - A connect settles once: by the answer, the time limit, the caller's signal or the host's crash.
//   Whichever comes first takes the others back; a connection that comes too late is aborted.
// - Timers fire in the host's process: not after a crash, and late after a pause.
import {
  type CancelOptions,
  type Clock,
  type Connection,
  type DatagramOptions,
  type DatagramSocket,
  type Listener,
  type SocketAddress,
  type Timer,
  type Transport,
  TransportError,
} from "../types.ts";
import {
  checkPort,
  conflict,
  formatAddress,
  isMulticast,
} from "./addresses.ts";
import { open, type Opening } from "./connect.ts";
import { MemoryDatagramSocket } from "./datagram_socket.ts";
import type { Host } from "./host.ts";
import { MemoryListener } from "./listener.ts";

/** A host's sockets and clock. */
export class MemoryTransport implements Transport {
  /** The virtual time, as this host sees it. */
  readonly clock: Clock;
  readonly #host: Host;

  /** Opens sockets of this host. */
  constructor(host: Host) {
    this.#host = host;
    this.clock = new MemoryClock(host);
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async connect(
    address: SocketAddress,
    { signal }: CancelOptions = {},
  ): Promise<Connection> {
    signal?.throwIfAborted();
    const host = this.#host;
    const { connectTimeout, time } = host.simulation;
    const action = `Cannot connect to ${formatAddress(address)}`;
    if (!host.alive) throw host.crashed(action);
    checkPort(address.port, action);
    return new Promise((resolve, reject) => {
      const opening: Opening = {
        action,
        waiting: true,
        finish(connection, error) {
          if (!opening.waiting) return connection?.abort();
          opening.waiting = false;
          time.cancel(timeout);
          signal?.removeEventListener("abort", aborted);
          host.openings.delete(opening);
          if (connection !== undefined) resolve(connection);
          else reject(error);
        },
      };
      const timeout = time.at(
        time.now + connectTimeout,
        () =>
          opening.finish(
            undefined,
            new TransportError("unreachable", `${action}: no answer`),
          ),
      );
      const aborted = () => opening.finish(undefined, signal?.reason);
      signal?.addEventListener("abort", aborted, { once: true });
      host.openings.add(opening);
      open(host, address, opening);
    });
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async listen(
    { hostname, port }: SocketAddress,
    { signal }: CancelOptions = {},
  ): Promise<Listener> {
    signal?.throwIfAborted();
    const host = this.#host;
    const action = `Cannot listen on ${formatAddress({ hostname, port })}`;
    checkBinding(host, { hostname, port }, action);
    const overlaps = [...host.listeners].some(({ address }) =>
      address.port === port && conflict(address.hostname, hostname)
    );
    if (overlaps) {
      throw new TransportError("address-in-use", `${action}: address in use`);
    }
    const listener = new MemoryListener(host, {
      hostname,
      port: port || host.ephemeralPort(),
    });
    host.listeners.add(listener);
    return listener;
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async bindDatagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    const { multicast, port = 0, signal } = options;
    signal?.throwIfAborted();
    const host = this.#host;
    const hostname = multicast?.group ?? options.hostname ?? "0.0.0.0";
    const action = `Cannot bind ${formatAddress({ hostname, port })}`;
    if (multicast !== undefined && !isMulticast(multicast.group)) {
      throw new TransportError(
        "address-not-available",
        `${action}: not a multicast group`,
      );
    }
    const local = multicast === undefined
      ? hostname
      : multicast.interfaceAddress ?? host.address;
    checkBinding(host, { hostname: local, port }, action);
    const overlaps = [...host.datagramSockets].some(({ address, shared }) =>
      address.port === port && conflict(address.hostname, hostname) &&
      !(shared && multicast !== undefined)
    );
    if (overlaps) {
      throw new TransportError("address-in-use", `${action}: address in use`);
    }
    const address = { hostname, port: port || host.ephemeralPort() };
    const socket = new MemoryDatagramSocket(host, address, multicast);
    host.datagramSockets.add(socket);
    return socket;
  }

  localAddresses(): readonly string[] {
    return [this.#host.address, "127.0.0.1", "::1"];
  }
}

class MemoryClock implements Clock {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  now(): number {
    return this.#host.simulation.time.now;
  }

  wallTime(): number {
    const { simulation, clockSkew } = this.#host;
    return Math.floor(simulation.epoch + simulation.time.now + clockSkew);
  }

  startTimer(delay: number, callback: () => void): Timer {
    const host = this.#host;
    const { time } = host.simulation;
    let cancelled = false;
    const event = time.at(
      time.now + Math.max(0, delay),
      () =>
        host.deliver(() => {
          if (!cancelled) callback(); // a paused host's timer may wait after its time
        }),
    );
    return {
      cancel: () => {
        cancelled = true;
        time.cancel(event);
      },
    };
  }
}

function checkBinding(
  host: Host,
  { hostname, port }: SocketAddress,
  action: string,
): void {
  if (!host.alive) throw host.crashed(action);
  checkPort(port, action);
  if (!host.owns(hostname)) {
    throw new TransportError(
      "address-not-available",
      `${action}: address not available`,
    );
  }
}
