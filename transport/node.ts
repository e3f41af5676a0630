/**
 * The socket adapter for Deno, Bun and Node: `node:net`, `node:dgram` and `node:os`, which all
 * three have. It moves bytes, names errors alike and holds lifecycles; it knows no protocol.
 *
 * @module
 */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import type { EventEmitter } from "node:events";
import { connect, createServer, isIPv6, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { PullQueue } from "./pull_queue.ts";
import {
  type CancelOptions,
  type Clock,
  type Connection,
  type Datagram,
  type DatagramOptions,
  type DatagramSocket,
  type Listener,
  type MulticastOptions,
  type SocketAddress,
  type Timer,
  type Transport,
  TransportError,
  type TransportErrorCode,
} from "./types.ts";

export * from "./types.ts";

/** Unread bytes of a connection from which its socket is paused. */
const READ_AHEAD = 256 * 1024;
/** Accepted connections that may wait to be taken; further ones are aborted. */
const MAX_WAITING_CONNECTIONS = 1024;
/** Bytes of datagrams that may wait, each counted with its overhead; further ones are dropped. */
const MAX_WAITING_DATAGRAM_BYTES = 1024 * 1024;
const DATAGRAM_OVERHEAD = 256;
/** Longer delays make `setTimeout` fire at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** The runtime's own sockets, interfaces and clock. */
export class NodeTransport implements Transport {
  /** `performance.now`, `Date.now` and `setTimeout`. */
  readonly clock: Clock = new SystemClock();

  /**
   * Opens a TCP connection with `TCP_NODELAY` and `SO_KEEPALIVE`.
   *
   * @param address Where to; a host name is resolved, one that is unknown is `unreachable`.
   * @param options `signal` gives up connecting.
   * @returns The connection.
   * @throws {TransportError} `connection-refused`, `unreachable`, `failed`.
   */
  async connect(
    address: SocketAddress,
    options: CancelOptions = {},
  ): Promise<Connection> {
    options.signal?.throwIfAborted();
    const { hostname: host, port } = address;
    const socket = connect({ host, port, allowHalfOpen: true });
    await opened(socket, "connect", {
      action: `Cannot connect to ${formatAddress(address)}`,
      signal: options.signal,
      giveUp: () => socket.destroy(),
    });
    return new NodeConnection(socket, address);
  }

  /**
   * Listens for TCP connections.
   *
   * @param address Numeric address to bind and port; port 0 takes any.
   * @param options `signal` gives up.
   * @returns The listener.
   * @throws {TransportError} `address-in-use`, `address-not-available`, `failed`.
   */
  async listen(
    address: SocketAddress,
    options: CancelOptions = {},
  ): Promise<Listener> {
    options.signal?.throwIfAborted();
    const waiting = new PullQueue<Connection>({ highWaterMark: Infinity });
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const remote = addressOf(socket.remoteAddress, socket.remotePort);
      if (remote === undefined) return void socket.destroy(); // gone while it was accepted
      const connection = new NodeConnection(socket, remote);
      if (
        waiting.size >= MAX_WAITING_CONNECTIONS || !waiting.push(connection, 1)
      ) connection.abort();
    });
    const opening = opened(server, "listening", {
      action: `Cannot listen on ${formatAddress(address)}`,
      signal: options.signal,
      giveUp: () => server.close(),
    });
    server.listen({ host: address.hostname, port: address.port });
    await opening;
    // An accept may fail, for want of descriptors for one; the server goes on listening.
    server.on("error", () => {});
    return new NodeListener(server, waiting);
  }

  /**
   * Binds a UDP socket.
   *
   * With `multicast` it binds the group, so that datagrams of other groups on the same port stay
   * away, or the wildcard where the system refuses to bind a group; `hostname` is not used. A
   * `ttl` of 0 is `unsupported` on runtimes that refuse it (Deno and Bun).
   *
   * @param options Address, port and multicast group.
   * @returns The socket.
   * @throws {TransportError} `address-in-use`, `address-not-available`, `unsupported`, `failed`.
   */
  async bindDatagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    const { hostname = "0.0.0.0", port = 0, multicast, signal } = options;
    if (multicast === undefined) {
      return new NodeDatagramSocket(
        await bindUdp({ hostname, port }, false, signal),
      );
    }
    const socket = await bindGroup(multicast.group, port, signal);
    try {
      joinGroup(socket, multicast);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new NodeDatagramSocket(socket);
  }

  /**
   * Numeric addresses of this host's interfaces.
   *
   * @returns External IPv4 addresses first, then external IPv6, loopback last.
   */
  localAddresses(): readonly string[] {
    const rank = (info: { internal: boolean; address: string }) =>
      (info.internal ? 2 : 0) + (isIPv6(info.address) ? 1 : 0);
    return Object.values(networkInterfaces())
      .flatMap((infos) => infos ?? [])
      .sort((a, b) => rank(a) - rank(b))
      .map((info) => info.address);
  }
}

class NodeConnection implements Connection {
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  readonly #socket: Socket;
  readonly #inbound: PullQueue<Uint8Array>;
  readonly #released: Promise<void>;
  #dropped = false;
  #ending: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, remote: SocketAddress) {
    this.#socket = socket;
    this.localAddress = addressOf(socket.localAddress, socket.localPort) ??
      { hostname: "0.0.0.0", port: 0 };
    this.remoteAddress = addressOf(socket.remoteAddress, socket.remotePort) ??
      remote;
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    const inbound = new PullQueue<Uint8Array>({
      highWaterMark: READ_AHEAD,
      onFull: () => socket.pause(),
      onReady: () => socket.resume(),
    });
    this.#inbound = inbound;
    socket.on("data", (chunk) => inbound.push(plainBytes(chunk), chunk.length));
    socket.on("end", () => inbound.end());
    socket.on("error", (error) =>
      inbound.fail(
        transportError(
          `Cannot read from ${formatAddress(this.remoteAddress)}`,
          error,
        ),
      ));
    this.#released = new Promise((resolve) =>
      socket.once("close", () => {
        inbound.end();
        resolve();
      })
    );
  }

  write(chunk: Uint8Array): Promise<void> {
    // The stream would answer a write after its end with an error event and drop the connection.
    if (this.#ending !== undefined || this.#dropped) {
      return Promise.reject(this.#closedError("Cannot write to"));
    }
    return new Promise((resolve, reject) => {
      this.#socket.write(chunk, (error) => {
        if (error) reject(this.#outboundError("Cannot write to", error));
        else resolve();
      });
    });
  }

  closeWrite(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  abort(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#inbound.clear();
    // A reset, so that the peer does not take what it got for all there was.
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#inbound.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error | null) => {
        if (error || !this.#socket.writableFinished) {
          reject(this.#outboundError("Cannot end the stream to", error));
        } else resolve();
      };
      if (this.#socket.destroyed) return settle();
      this.#socket.once("close", () => settle());
      this.#socket.end(settle);
    });
  }

  async #close(): Promise<void> {
    this.#inbound.clear();
    // Unread bytes would turn the end of the stream into a reset: throw them away meanwhile.
    this.#socket.resume();
    // A failed flush has rejected its write; releasing the socket goes on.
    await this.closeWrite().catch(() => {});
    this.#dropped = true;
    this.#socket.destroy();
    await this.#released;
  }

  #closedError(action: string, cause?: unknown): TransportError {
    const text = `${action} ${formatAddress(this.remoteAddress)}: closed`;
    return new TransportError("closed", text, { cause });
  }

  /** Runtimes disagree on the code of a write that its connection did not outlive. */
  #outboundError(action: string, cause: unknown): TransportError {
    if (this.#dropped) return this.#closedError(action, cause);
    const text = `${action} ${formatAddress(this.remoteAddress)}`;
    const error = transportError(text, cause);
    if (error.code !== "failed") return error;
    const lost = `${text}: connection lost`;
    return new TransportError("connection-reset", lost, { cause });
  }
}

class NodeListener implements Listener {
  readonly address: SocketAddress;
  readonly #server: ReturnType<typeof createServer>;
  readonly #waiting: PullQueue<Connection>;
  #closing: Promise<void> | undefined;

  constructor(
    server: ReturnType<typeof createServer>,
    waiting: PullQueue<Connection>,
  ) {
    const bound = server.address();
    if (bound === null || typeof bound === "string") {
      throw new TransportError("failed", "Cannot listen: no bound address");
    }
    this.address = { hostname: bound.address, port: bound.port };
    this.#server = server;
    this.#waiting = waiting;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncIterator](): AsyncIterator<Connection> {
    return this.#waiting.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(): Promise<void> {
    this.#server.close(); // frees the port at once; its event would wait for live connections
    for (const connection of this.#waiting.clear()) connection.abort();
    return Promise.resolve();
  }
}

class NodeDatagramSocket implements DatagramSocket {
  readonly address: SocketAddress;
  readonly #socket: UdpSocket;
  readonly #waiting: PullQueue<Datagram>;
  readonly #maxLength: number;
  readonly #sends = new Set<(error: TransportError) => void>();
  #closing: Promise<void> | undefined;

  constructor(socket: UdpSocket) {
    const bound = socket.address();
    this.address = { hostname: bound.address, port: bound.port };
    this.#maxLength = isIPv6(bound.address) ? 65_527 : 65_507;
    this.#socket = socket;
    const waiting = new PullQueue<Datagram>({ highWaterMark: Infinity });
    this.#waiting = waiting;
    socket.on("message", (message, from) => {
      if (waiting.size > MAX_WAITING_DATAGRAM_BYTES) return;
      // Deno cuts datagrams from 64 KiB buffers, which a view would keep alive.
      const data = new Uint8Array(message);
      waiting.push(
        { data, from: { hostname: from.address, port: from.port } },
        data.length + DATAGRAM_OVERHEAD,
      );
    });
    // One failed receive (an ICMP answer on Windows) does not end the socket.
    socket.on("error", () => {});
  }

  send(data: Uint8Array, to: SocketAddress): Promise<void> {
    const action = `Cannot send to ${formatAddress(to)}`;
    if (this.#closing !== undefined) {
      return Promise.reject(new TransportError("closed", `${action}: closed`));
    }
    if (data.length > this.#maxLength) {
      return Promise.reject(
        new TransportError(
          "message-too-large",
          `${action}: ${data.length} bytes exceed ${this.#maxLength}`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#sends.add(reject);
      this.#socket.send(data, to.port, to.hostname, (error) => {
        this.#sends.delete(reject);
        if (error) reject(transportError(action, error));
        else resolve();
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncIterator](): AsyncIterator<Datagram> {
    return this.#waiting.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(): Promise<void> {
    this.#waiting.clear();
    return new Promise((resolve) =>
      this.#socket.close(() => {
        // The runtime forgets the callback of a send that had not left yet.
        for (const reject of this.#sends) {
          reject(new TransportError("closed", "Cannot send: closed"));
        }
        this.#sends.clear();
        resolve();
      })
    );
  }
}

class SystemClock implements Clock {
  now(): number {
    return performance.now();
  }

  wallTime(): number {
    return Date.now();
  }

  startTimer(delay: number, callback: () => void): Timer {
    const deadline = performance.now() + delay;
    let timeout: ReturnType<typeof setTimeout>;
    const wait = (left: number) => {
      timeout = setTimeout(check, Math.min(Math.ceil(left), MAX_TIMEOUT));
    };
    // Runtimes fire up to a millisecond early.
    const check = () => {
      const left = deadline - performance.now();
      if (left > 0) wait(left);
      else callback();
    };
    wait(delay);
    return { cancel: () => clearTimeout(timeout) };
  }
}

interface OpeningOptions {
  /** The beginning of an error's text. */
  readonly action: string;
  readonly signal: AbortSignal | undefined;
  readonly giveUp: () => void;
}

/** Waits for an event, an error or the signal, whichever is first. */
function opened(
  target: EventEmitter,
  event: string,
  { action, signal, giveUp }: OpeningOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      target.off(event, ready);
      target.off("error", failed);
      signal?.removeEventListener("abort", aborted);
    };
    const ready = () => {
      settle();
      resolve();
    };
    const failed = (error: Error) => {
      settle();
      reject(transportError(action, error));
    };
    const aborted = () => {
      settle();
      target.once("error", () => {}); // giving up may be an error event too
      giveUp();
      reject(signal?.reason);
    };
    target.once(event, ready);
    target.once("error", failed);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

async function bindUdp(
  { hostname, port }: SocketAddress,
  reuseAddr: boolean,
  signal: AbortSignal | undefined,
): Promise<UdpSocket> {
  signal?.throwIfAborted();
  const type = isIPv6(hostname) ? "udp6" : "udp4";
  const socket = createSocket({ type, reuseAddr });
  const opening = opened(socket, "listening", {
    action: `Cannot bind ${formatAddress({ hostname, port })}`,
    signal,
    giveUp: () => socket.close(),
  });
  socket.bind({ address: hostname, port, exclusive: true });
  try {
    await opening;
  } catch (error) {
    if (!signal?.aborted) socket.close();
    throw error;
  }
  return socket;
}

async function bindGroup(
  group: string,
  port: number,
  signal: AbortSignal | undefined,
): Promise<UdpSocket> {
  try {
    return await bindUdp({ hostname: group, port }, true, signal);
  } catch (error) {
    const refused = error instanceof TransportError &&
      error.code !== "address-in-use";
    if (!refused) throw error;
    const hostname = isIPv6(group) ? "::" : "0.0.0.0";
    return await bindUdp({ hostname, port }, true, signal);
  }
}

function joinGroup(socket: UdpSocket, options: MulticastOptions): void {
  const { group, interfaceAddress, ttl, loopback = true } = options;
  try {
    if (interfaceAddress === undefined) socket.addMembership(group);
    else {
      const name = interfaceName(interfaceAddress);
      socket.addMembership(group, name);
      socket.setMulticastInterface(name);
    }
    socket.setMulticastLoopback(loopback);
  } catch (error) {
    throw transportError(
      `Cannot join ${group} on ${interfaceAddress ?? "any interface"}`,
      error,
    );
  }
  try {
    if (ttl !== undefined) socket.setMulticastTTL(ttl);
  } catch (cause) {
    throw new TransportError(
      "unsupported",
      `Cannot send multicast with a time to live of ${ttl}: the runtime refuses it`,
      { cause },
    );
  }
}

/** IPv4 multicast names an interface by its address, IPv6 by its zone. */
function interfaceName(address: string): string {
  if (!isIPv6(address) || address.includes("%")) return address;
  const found = Object.entries(networkInterfaces())
    .find(([, infos]) => infos?.some((info) => info.address === address));
  return found === undefined ? address : `::%${found[0]}`;
}

/** Plain, since `slice` of the runtime's `Buffer` makes a view where a `Uint8Array` copies. */
function plainBytes(chunk: Uint8Array): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

function addressOf(
  hostname: string | undefined,
  port: number | undefined,
): SocketAddress | undefined {
  if (hostname === undefined || port === undefined) return undefined;
  // A peer on IPv4 of a listener on both families.
  return { hostname: hostname.replace(/^::ffff:(?=\d+\.)/i, ""), port };
}

function formatAddress({ hostname, port }: SocketAddress): string {
  return isIPv6(hostname) ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

const REASONS: Readonly<Record<string, readonly [TransportErrorCode, string]>> =
  {
    EADDRINUSE: ["address-in-use", "address in use"],
    EADDRNOTAVAIL: ["address-not-available", "address not available"],
    EINVAL: ["address-not-available", "address not available"], // Deno's for a listener
    ENODEV: ["address-not-available", "no such interface"],
    ECONNREFUSED: ["connection-refused", "connection refused"],
    ECONNRESET: ["connection-reset", "connection reset"],
    ECONNABORTED: ["connection-reset", "connection reset"],
    EPIPE: ["connection-reset", "connection reset"],
    EHOSTUNREACH: ["unreachable", "host unreachable"],
    EHOSTDOWN: ["unreachable", "host down"],
    ENETUNREACH: ["unreachable", "network unreachable"],
    ENETDOWN: ["unreachable", "network down"],
    ETIMEDOUT: ["unreachable", "no answer"],
    ENOTFOUND: ["unreachable", "host name not found"],
    EAI_AGAIN: ["unreachable", "host name not found"],
    EMSGSIZE: ["message-too-large", "message too large"],
  };

function transportError(action: string, cause: unknown): TransportError {
  const { code = "", message = String(cause) } =
    (cause instanceof Error ? cause : {}) as { code?: string } & Partial<Error>;
  const [kind, reason] = REASONS[code] ?? ["failed", code || message];
  return new TransportError(kind, `${action}: ${reason}`, { cause });
}
