/**
 * The smallest socket interface that Tribes and AJP need: TCP connections in both directions, UDP
 * with multicast, and a clock. Adapters ({@linkcode NodeTransport}, {@linkcode MemoryNetwork})
 * move bytes and hold lifecycles; every protocol decision is made above this line.
 *
 * Rules that all adapters keep, tested by one behaviour suite:
 *
 * 1. Inbound is pulled. An adapter stops reading its socket while nobody pulls, after a bounded
 *    read-ahead.
 * 2. `write` settles when the bytes have been handed to the operating system (or the simulated
 *    link). Until then the connection owns the chunk and the caller must not touch it; after that
 *    the caller may reuse it.
 * 3. `close` and `abort` are idempotent, and every pending promise settles.
 *
 * @module
 */

/** An address and port, as text that a socket accepts: `127.0.0.1`, `::1`. */
export interface SocketAddress {
  /** Numeric IPv4 or IPv6 address (a host name is allowed only where one connects). */
  readonly hostname: string;
  /** Port, 0 to 65535. */
  readonly port: number;
}

/** A call that can be given up. */
export interface CancelOptions {
  /** Gives up the call, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Codes of {@linkcode TransportError}; callers switch on them, never on the text. */
export type TransportErrorCode =
  | "address-in-use"
  | "address-not-available"
  | "connection-refused"
  | "connection-reset"
  | "connection-closed"
  | "unreachable"
  | "message-too-large"
  | "closed"
  | "unsupported"
  | "failed";

/** A socket failed; the runtime's own error is the `cause`. */
export class TransportError extends Error {
  /** What happened, the same on every runtime. */
  readonly code: TransportErrorCode;

  /**
   * Makes the error.
   *
   * @param code What happened.
   * @param message The action, then the state, for people.
   * @param options `cause`: the runtime's own error.
   */
  constructor(
    code: TransportErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "TransportError";
    this.code = code;
  }
}

/**
 * One TCP connection. Iterating yields chunks as they arrive and ends at the peer's end of stream;
 * it throws a {@linkcode TransportError} when the connection fails, and ends quietly after our own
 * `close` or `abort`. It can be iterated once.
 */
export interface Connection extends AsyncIterable<Uint8Array>, AsyncDisposable {
  /** Our end. */
  readonly localAddress: SocketAddress;
  /** The peer's end. */
  readonly remoteAddress: SocketAddress;
  /**
   * Writes one chunk; calls are sent in order.
   *
   * @param chunk Bytes, owned by the connection until the promise settles.
   * @returns Resolves when the bytes have left for the operating system.
   * @throws {TransportError} When the connection is closed or fails before that.
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Sends the end of our stream after what was written; reading goes on. */
  closeWrite(): Promise<void>;
  /**
   * Flushes what was written, ends the stream and releases the socket without waiting for the
   * peer's end of stream.
   */
  close(): Promise<void>;
  /** Drops the connection at once; pending writes reject, iteration ends. */
  abort(): void;
}

/** A listening TCP socket. Iterating yields accepted connections until it is closed. */
export interface Listener extends AsyncIterable<Connection>, AsyncDisposable {
  /** The bound address, with the real port. */
  readonly address: SocketAddress;
  /** Stops listening. Accepted connections stay open; those nobody took are aborted. */
  close(): Promise<void>;
}

/** One received datagram. */
export interface Datagram {
  /** The payload, owned by the receiver. */
  readonly data: Uint8Array;
  /** The sender. */
  readonly from: SocketAddress;
}

/**
 * A bound UDP socket. Iterating yields datagrams; those that arrive while a bounded number waits
 * are dropped, as a kernel does.
 */
export interface DatagramSocket
  extends AsyncIterable<Datagram>, AsyncDisposable {
  /** The bound address, with the real port. */
  readonly address: SocketAddress;
  /**
   * Sends one datagram.
   *
   * @param data Payload, owned by the socket until the promise settles.
   * @param to Destination, unicast or a multicast group.
   * @throws {TransportError} `message-too-large`, `unreachable`, `closed`, `failed`.
   */
  send(data: Uint8Array, to: SocketAddress): Promise<void>;
  /** Closes the socket; iteration ends. */
  close(): Promise<void>;
}

/** Options of {@linkcode Transport.bindDatagram}. */
export interface DatagramOptions extends CancelOptions {
  /**
   * Address to bind. With `multicast` the adapter binds the group or the wildcard.
   * @default {"0.0.0.0"}
   */
  readonly hostname?: string;
  /**
   * Port to bind; 0 takes any.
   * @default {0}
   */
  readonly port?: number;
  /** Joins a multicast group; several sockets of one host may then share the port. */
  readonly multicast?: MulticastOptions;
}

/** How a socket takes part in a multicast group. */
export interface MulticastOptions {
  /** Group address, such as `228.0.0.4`. */
  readonly group: string;
  /** Address of the interface to join and send on; the system's choice without it. */
  readonly interfaceAddress?: string;
  /** Time to live of what is sent, 0 to 255; the system's default without it. */
  readonly ttl?: number;
  /**
   * Whether this host's own sockets receive what is sent.
   * @default {true}
   */
  readonly loopback?: boolean;
}

/** A running timer of a {@linkcode Clock}. */
export interface Timer {
  /** Stops the timer; does nothing after it fired. */
  cancel(): void;
}

/** Where time comes from: the runtime's, or a simulation's. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. */
  now(): number;
  /** Milliseconds since 1970, for values that go on the wire. */
  wallTime(): number;
  /**
   * Calls back once, not before `delay` milliseconds have passed.
   *
   * @param delay Milliseconds, 0 or more.
   * @param callback Must not throw.
   */
  startTimer(delay: number, callback: () => void): Timer;
}

/** One host's sockets and clock. */
export interface Transport {
  /** The clock that everything on this transport uses. */
  readonly clock: Clock;
  /**
   * Opens a TCP connection.
   *
   * @param address Where to; a host name is resolved.
   * @param options `signal` gives up connecting.
   * @throws {TransportError} `connection-refused`, `unreachable`, `failed`.
   */
  connect(address: SocketAddress, options?: CancelOptions): Promise<Connection>;
  /**
   * Listens for TCP connections.
   *
   * @param address Numeric address to bind and port; port 0 takes any.
   * @throws {TransportError} `address-in-use`, `address-not-available`, `failed`.
   */
  listen(address: SocketAddress, options?: CancelOptions): Promise<Listener>;
  /**
   * Binds a UDP socket.
   *
   * @throws {TransportError} `address-in-use`, `address-not-available`, `unsupported`, `failed`.
   */
  bindDatagram(options?: DatagramOptions): Promise<DatagramSocket>;
  /** Numeric addresses of this host's interfaces, external ones first, loopback last. */
  localAddresses(): readonly string[];
}
