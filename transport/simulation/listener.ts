// A simulated listening socket: a bounded queue of established connections.
//
// Invariant: a connection that nobody takes is aborted, so that its peer learns of it: those that wait
// when the listener closes, and those that come after.
import { PullQueue } from "../pull_queue.ts";
import type {
  Connection,
  Listener,
  SocketAddress,
  TransportError,
} from "../types.ts";
import type { MemoryConnection } from "./connection.ts";
import type { Host } from "./host.ts";

const MAX_WAITING_CONNECTIONS = 1024;

/** A listening socket. */
export class MemoryListener implements Listener {
  /** The bound address, with the real port. */
  readonly address: SocketAddress;
  readonly #host: Host;
  readonly #waiting = new PullQueue<MemoryConnection>({
    highWaterMark: Infinity,
  });

  /** Makes a listener, which its maker adds to the host's. */
  constructor(host: Host, address: SocketAddress) {
    this.#host = host;
    this.address = address;
  }

  /** Whether so many connections wait that another is refused. */
  get full(): boolean {
    return this.#waiting.size >= MAX_WAITING_CONNECTIONS;
  }

  /** Takes an established connection. */
  accept(connection: MemoryConnection): void {
    if (!this.#waiting.push(connection, 1)) connection.abort();
  }

  close(): Promise<void> {
    this.#host.listeners.delete(this);
    for (const connection of this.#waiting.clear()) connection.abort();
    return Promise.resolve();
  }

  /** The own host crashed. */
  crash(error: TransportError): void {
    this.#waiting.fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Connection> {
    return this.#waiting.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
