// One connection to a container and the state machine on it: bytes in both directions, CPING, and
// the watch while it is idle. It knows no queue and no response.
//
// Plan. One read waits at a time. While the connection is idle it is the watch: whatever it brings,
// the end or bytes that nobody asked for, the connection is lost and leaves the pool before anybody
// takes it. The next request finds that same read waiting.
//
// Everything that breaks a connection off goes through `abort`: the pending read and write settle,
// and whoever waits for an event gets the reason.
import {
  AjpClientConnection,
  type AjpClientEvent,
  type AjpSentRequest,
  DecodeError,
  type ForwardRequest,
} from "../protocol/mod.ts";
import type { Clock, Connection, SocketAddress } from "../transport/mod.ts";
import { AjpError } from "./ajp_client_error.ts";

/** Options of {@linkcode AjpLink}. */
export interface AjpLinkOptions {
  /** The clock of its connection. */
  readonly clock: Clock;
  /** The container for people. */
  readonly name: string;
  /** Greatest packet, in bytes. */
  readonly packetSize: number;
}

/** One connection to a container. */
export class AjpLink {
  /** When it was used last. */
  usedAt: number;
  readonly #connection: Connection;
  readonly #inbound: AsyncIterator<Uint8Array>;
  readonly #machine: AjpClientConnection;
  readonly #clock: Clock;
  readonly #name: string;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #writeError: unknown;
  #requestSent = false;
  #watcher: (() => void) | undefined;

  /** Takes over a connection. */
  constructor(
    connection: Connection,
    { clock, name, packetSize }: AjpLinkOptions,
  ) {
    this.#connection = connection;
    this.#inbound = connection[Symbol.asyncIterator]();
    this.#machine = new AjpClientConnection({ packetSize });
    this.#clock = clock;
    this.#name = name;
    this.usedAt = clock.now();
  }

  /** Our end of it. */
  get localAddress(): SocketAddress {
    return this.#connection.localAddress;
  }

  /** Whether anything can be sent on it. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Whether the container may have seen a request on it that is not over. */
  get requestSent(): boolean {
    return this.#requestSent;
  }

  /**
   * Begins a request; nothing is written yet.
   *
   * @throws {EncodeError} When the request has no wire form; the link is as good as before.
   * @throws {AjpError} When the link is lost; nothing was sent.
   */
  begin(request: ForwardRequest): AjpSentRequest {
    this.#check();
    return this.#guard(() => this.#machine.sendRequest(request));
  }

  /** Writes bytes of a request. A failure shows where its answer is awaited. */
  write(bytes: Uint8Array): void {
    this.#requestSent = true;
    this.#write(bytes);
  }

  /**
   * The next event, or `undefined` when more has to be received.
   *
   * @throws {AjpError} `protocol`, `connection-closed`; or what it was aborted with.
   */
  next(): AjpClientEvent | undefined {
    this.#check();
    return this.#guard(() => this.#machine.next());
  }

  /** Resolves, never rejects, when something came or the link is lost. */
  receive(): Promise<void> {
    this.#reading ??= this.#inbound.next().then(
      ({ done, value }) => {
        this.#reading = undefined;
        if (done === true) this.#lost(undefined);
        else {
          this.#machine.feed(value);
          this.#watcher?.();
        }
      },
      (error) => {
        this.#reading = undefined;
        this.#lost(error);
      },
    );
    return this.#reading;
  }

  /**
   * Asks whether the container is alive.
   *
   * @param timeout Milliseconds.
   * @returns How long the answer took, in milliseconds.
   * @throws {AjpError} `timeout`, `protocol`, `connection-closed`; the link is lost then.
   */
  async ping(timeout: number, signal: AbortSignal | null): Promise<number> {
    signal?.throwIfAborted();
    this.#check();
    const start = this.#clock.now();
    const bytes = this.#guard(() => this.#machine.cping());
    const timer = this.#clock.startTimer(timeout, () => {
      const state = `no CPONG within ${timeout} ms`;
      this.abort(
        new AjpError("timeout", `Cannot ping ${this.#name}: ${state}`),
      );
    });
    const aborted = () => this.abort(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    try {
      this.#write(bytes);
      while (this.next() === undefined) await this.receive();
      return this.#clock.now() - start;
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** The request on it is over: from now on `lost` is told when it cannot be used any more. */
  rest(lost: () => void): void {
    this.#requestSent = false;
    this.usedAt = this.#clock.now();
    this.#watcher = () => {
      this.#watcher = undefined;
      lost();
    };
    void this.receive();
  }

  /** Ends the rest. */
  wake(): void {
    this.#watcher = undefined;
  }

  /**
   * Breaks it off.
   *
   * @param error What is thrown to whoever waits for an event.
   */
  abort(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#connection.abort();
  }

  /** Ends it after what was written; never rejects. */
  async close(): Promise<void> {
    const error = new AjpError("closed", `Cannot use ${this.#name}: closed`);
    this.#failure ??= { error };
    await this.#connection.close().catch(() => {});
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #write(bytes: Uint8Array): void {
    // The answer may be there although the write failed: the reader tells.
    this.#connection.write(bytes).catch((error) => this.#writeError ??= error);
  }

  #lost(error: unknown): void {
    if (this.#failure === undefined) {
      const cause = error ?? this.#writeError ?? this.#missing();
      this.#failure = {
        error: new AjpError(
          "connection-closed",
          `Cannot read from ${this.#name}: the connection ended`,
          { cause, requestSent: this.#requestSent },
        ),
      };
    }
    this.#watcher?.();
  }

  /** What the state machine misses at the end of the stream. */
  #missing(): unknown {
    try {
      this.#machine.end();
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #guard<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const failure = new AjpError(
        "protocol",
        `Cannot read from ${this.#name}: ${error.message}`,
        { cause: error, requestSent: this.#requestSent },
      );
      this.abort(failure);
      throw failure;
    }
  }
}
