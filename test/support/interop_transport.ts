/** The runtime's own sockets, with a count of the connections and a way to lose acknowledgements. */

import { NodeTransport } from "../../transport/node.ts";
import {
  type CancelOptions,
  type Clock,
  type Connection,
  type DatagramOptions,
  type DatagramSocket,
  type Listener,
  type SocketAddress,
  type Transport,
  TransportError,
} from "../../transport/types.ts";

/** A {@linkcode NodeTransport} that counts, and that loses a connection where a test says so. */
export class LossyTransport implements Transport {
  readonly #inner = new NodeTransport();
  /** The same clock. */
  readonly clock: Clock = this.#inner.clock;
  /** Connections that were opened from here. */
  connected = 0;
  /** Connections that others opened to here. */
  accepted = 0;
  /** How many of the next replies are lost with their connections after the peer wrote them. */
  repliesToLose = 0;
  /** How many of the next writes on accepted connections (acks) are lost with their connections. */
  acksToLose = 0;

  /** Opens a connection whose replies may be lost. */
  async connect(
    address: SocketAddress,
    options?: CancelOptions,
  ): Promise<Connection> {
    const connection = await this.#inner.connect(address, options);
    this.connected++;
    return new LossyConnection(connection, {
      read: () => this.repliesToLose > 0 && this.repliesToLose-- > 0,
      write: () => false,
    });
  }

  /** Listens for connections whose acks may be lost. */
  async listen(
    address: SocketAddress,
    options?: CancelOptions,
  ): Promise<Listener> {
    const listener = await this.#inner.listen(address, options);
    const accept = (connection: Connection) => {
      this.accepted++;
      return new LossyConnection(connection, {
        read: () => false,
        write: () => this.acksToLose > 0 && this.acksToLose-- > 0,
      });
    };
    return {
      address: listener.address,
      close: () => listener.close(),
      [Symbol.asyncDispose]: () => listener.close(),
      async *[Symbol.asyncIterator]() {
        for await (const connection of listener) yield accept(connection);
      },
    };
  }

  /** Binds a UDP socket, as it is. */
  bindDatagram(options?: DatagramOptions): Promise<DatagramSocket> {
    return this.#inner.bindDatagram(options);
  }

  /** This host's addresses. */
  localAddresses(): readonly string[] {
    return this.#inner.localAddresses();
  }
}

/** Tells at each read and write whether the connection is lost at it. */
interface Losses {
  readonly read: () => boolean;
  readonly write: () => boolean;
}

class LossyConnection implements Connection {
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  readonly #inner: Connection;
  readonly #losses: Losses;

  constructor(inner: Connection, losses: Losses) {
    this.localAddress = inner.localAddress;
    this.remoteAddress = inner.remoteAddress;
    this.#inner = inner;
    this.#losses = losses;
  }

  write(chunk: Uint8Array): Promise<void> {
    if (!this.#losses.write()) return this.#inner.write(chunk);
    this.#inner.abort();
    return Promise.reject(lost());
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  abort(): void {
    this.#inner.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#inner.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for await (const chunk of this.#inner) {
      if (this.#losses.read()) {
        this.#inner.abort();
        throw lost();
      }
      yield chunk;
    }
  }
}

function lost(): TransportError {
  return new TransportError("connection-reset", "The test lost the connection");
}
