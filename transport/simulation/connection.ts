// One end of a simulated TCP connection: the host's kernel and the adapter on top of it.
//
// Plan. Outbound: writes queue, are cut into segments as far as the window allows, and go into the pipe.
// Inbound: what arrives waits in the kernel (`#unread`) until the adapter reads it into the pull queue;
// reading gives the peer its window back.
//
// Invariants:
// - Window, segments on the way and unread bytes of one direction add up to `WINDOW` until an end is
//   dropped.
// - Writes are sent in order, and one settles when its last byte is in the pipe; it is not kept after that.
// - A dropped end holds no bytes, is no longer among its host's connections, and answers bytes with a
//   reset. A reset is never answered.
// - Each pending write rejects when the end is dropped.
import { PullQueue } from "../pull_queue.ts";
import {
  type Connection,
  type SocketAddress,
  TransportError,
} from "../types.ts";
import { formatAddress } from "./addresses.ts";
import type { Host } from "./host.ts";
import type { Pipe } from "./pipe.ts";

/** Bytes on the way or unread by the far host's adapter, in one direction of a connection. */
const WINDOW = 128 * 1024;
/** Bytes that the far adapter reads ahead of its reader. */
const READ_AHEAD = 128 * 1024;

interface PendingWrite {
  /** Undefined is the end of the stream. */
  readonly chunk: Uint8Array | undefined;
  sent: number;
  resolve(): void;
  reject(error: TransportError): void;
}

/** One end of a connection. */
export class MemoryConnection implements Connection {
  /** The own end. */
  readonly localAddress: SocketAddress;
  /** The peer's end. */
  readonly remoteAddress: SocketAddress;
  readonly #host: Host;
  readonly #out: Pipe;
  readonly #inbound: PullQueue<Uint8Array>;
  #peer: MemoryConnection | undefined;
  /** Bytes that may still be sent before the peer reads. */
  #window = WINDOW;
  #writes: PendingWrite[] = [];
  /** Arrived but not read by this adapter; undefined is the end of the peer's stream. */
  #unread: (Uint8Array | undefined)[] = [];
  #full = false;
  #dropped = false;
  #discarding = false;
  #failure: TransportError | undefined;
  #ending: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes an end that is not tied to its peer yet.
   *
   * @param out The direction in which this end sends.
   */
  constructor(
    host: Host,
    local: SocketAddress,
    remote: SocketAddress,
    out: Pipe,
  ) {
    this.#host = host;
    this.localAddress = local;
    this.remoteAddress = remote;
    this.#out = out;
    this.#inbound = new PullQueue({
      highWaterMark: READ_AHEAD,
      onFull: () => {
        this.#full = true;
      },
      onReady: () => {
        this.#full = false;
        this.#read();
      },
    });
  }

  /** Name of the host at the other end. */
  get peerHost(): string {
    return this.#out.to;
  }

  /** Ties the two ends together; the connection is established. */
  join(peer: MemoryConnection): void {
    this.#peer = peer;
    this.#host.connections.add(this);
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#ending !== undefined) {
      return Promise.reject(this.#closedError("Cannot write to"));
    }
    return this.#enqueue(chunk);
  }

  closeWrite(): Promise<void> {
    this.#ending ??= this.#enqueue(undefined);
    return this.#ending;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  abort(): void {
    if (this.#dropped) return;
    this.#inbound.clear();
    this.#drop();
    this.refuse();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#inbound.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Something reaches this end; an end that is gone answers with a reset. */
  arrive(happen: () => void): void {
    if (!this.#host.alive) this.refuse();
    else this.#host.deliver(happen);
  }

  /** Sends a reset. */
  refuse(): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.#out.send(() => {
      // A reset is not answered.
      if (peer.#host.alive) peer.arrive(() => peer.lose());
    });
  }

  /** The connection is reset by the far end or by the network. */
  lose(): void {
    if (this.#dropped) return;
    const state = "connection reset";
    this.#failure = this.#error("connection-reset", "Cannot write to", state);
    this.#inbound.fail(
      this.#error("connection-reset", "Cannot read from", state),
    );
    this.#drop();
  }

  /** The own host crashed. */
  crash(error: TransportError): void {
    this.#failure = error;
    this.#inbound.fail(error);
    this.#drop();
  }

  async #close(): Promise<void> {
    this.#inbound.clear();
    this.#discarding = true;
    this.#read();
    // A failed flush has rejected its write; releasing the socket goes on.
    await this.closeWrite().catch(() => {});
    this.#drop();
  }

  #drop(): void {
    this.#dropped = true;
    this.#unread = [];
    this.#host.connections.delete(this);
    const writes = this.#writes;
    this.#writes = [];
    for (const write of writes) {
      write.reject(this.#closedError("Cannot write to"));
    }
  }

  #enqueue(chunk: Uint8Array | undefined): Promise<void> {
    if (this.#dropped) {
      return Promise.reject(this.#closedError("Cannot write to"));
    }
    return new Promise((resolve, reject) => {
      this.#writes.push({ chunk, sent: 0, resolve, reject });
      this.#send();
    });
  }

  /** Sends what the window allows. */
  #send(): void {
    for (let write; (write = this.#writes[0]) !== undefined;) {
      const { chunk } = write;
      if (chunk === undefined) {
        this.#out.send(() => this.#toPeer((peer) => peer.#receive(undefined)));
      } else {
        this.#sendChunk(chunk, write);
        if (write.sent < chunk.length) return;
      }
      this.#writes.shift();
      write.resolve();
    }
  }

  #sendChunk(chunk: Uint8Array, write: PendingWrite): void {
    const { simulation } = this.#host;
    const range = simulation.conditions.segmentLength;
    while (write.sent < chunk.length && this.#window > 0) {
      const cut = Math.max(1, Math.floor(simulation.draw(range)));
      const length = Math.min(cut, this.#window, chunk.length - write.sent);
      // The copy: the caller may reuse the chunk once this has settled.
      const bytes = chunk.slice(write.sent, write.sent + length);
      write.sent += length;
      this.#window -= length;
      this.#out.send(() => this.#toPeer((peer) => peer.#receive(bytes)));
    }
  }

  #toPeer(happen: (peer: MemoryConnection) => void): void {
    const peer = this.#peer;
    peer?.arrive(() => happen(peer));
  }

  #receive(bytes: Uint8Array | undefined): void {
    // Bytes for a socket that was released; its kernel tells the sender.
    if (this.#dropped && bytes !== undefined) return this.refuse();
    this.#unread.push(bytes);
    this.#read();
  }

  /** Moves what arrived to the reader until the read-ahead is full. */
  #read(): void {
    const peer = this.#peer;
    while (this.#unread.length > 0 && (!this.#full || this.#discarding)) {
      const bytes = this.#unread.shift();
      if (bytes === undefined) this.#inbound.end();
      else {
        this.#inbound.push(bytes, bytes.length);
        peer?.acknowledge(bytes.length);
      }
    }
  }

  /** The peer has read; its acknowledgement takes no time. */
  acknowledge(length: number): void {
    this.#window += length;
    this.#send();
  }

  #closedError(action: string): TransportError {
    return this.#failure ?? this.#error("closed", action, "closed");
  }

  #error(
    code: "closed" | "connection-reset",
    action: string,
    state: string,
  ): TransportError {
    const address = formatAddress(this.remoteAddress);
    return new TransportError(code, `${action} ${address}: ${state}`);
  }
}
