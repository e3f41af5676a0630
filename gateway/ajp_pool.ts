// The connections of one client to its container.
//
// Plan. A request first gets a place, of which there are `maxConnections`, in the order of asking;
// with it, the idle connection that was used last, or a new one where none is idle. So there are
// never more connections than places, and those that are not needed grow old at the other end of the
// stack, where the idle timer finds them.
//
// A connection that dies or talks while it is idle leaves the stack at once. One that was idle for
// long is asked by a CPING before it is given out; when it does not answer in time the others that
// are idle are not asked either, or a container that hangs would be waited for once for each.
import {
  type Timer,
  type Transport,
  TransportError,
} from "../transport/mod.ts";
import { AjpError, type AjpErrorCode } from "./ajp_client_error.ts";
import { AjpLink } from "./ajp_client_link.ts";
import type { ResolvedAjpClientOptions } from "./ajp_client_options.ts";

/** A connection that was given out. */
export interface Lease {
  /** The connection. */
  readonly link: AjpLink;
  /** Whether it had been used before. */
  readonly reused: boolean;
}

/** How many connections are in which state. */
export interface AjpPoolState {
  /** Connections with a request on them, and those that are being opened. */
  readonly busy: number;
  /** Connections that can be used. */
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** The connections of one client. */
export class AjpPool {
  readonly #transport: Transport;
  readonly #options: ResolvedAjpClientOptions;
  #places = 0; // that are taken
  readonly #waiters = new Set<Waiter>();
  readonly #busy = new Set<AjpLink>();
  readonly #connecting = new Set<AbortController>();
  #idle: AjpLink[] = []; // the one that was used last at the end
  readonly #closings = new Set<Promise<void>>();
  #idleTimer: Timer | undefined;
  #closed: Promise<void> | undefined;
  #empty: (() => void) | undefined; // closing waits for it

  /** Makes a pool without connections. */
  constructor(transport: Transport, options: ResolvedAjpClientOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** How many connections are in which state. */
  get state(): AjpPoolState {
    return {
      busy: this.#places,
      idle: this.#idle.length,
      waiting: this.#waiters.size,
    };
  }

  /**
   * Gives out a connection, which has to be released.
   *
   * @param check Whether it is asked by a CPING as the options say.
   * @throws {AjpError} `busy`, `connection-refused`, `timeout`, `closed`, and what a CPING throws.
   */
  async acquire(signal: AbortSignal | null, check: boolean): Promise<Lease> {
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closedError();
    if (this.#places < this.#options.maxConnections) this.#places++;
    else await this.#wait(signal);
    try {
      return await this.#take(signal, check);
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /**
   * Takes a connection back.
   *
   * @param reuse Whether it can be used again.
   */
  release(link: AjpLink, reuse: boolean): void {
    this.#busy.delete(link);
    if (reuse && link.isOpen && this.#closed === undefined) {
      this.#idle.push(link);
      link.rest(() => this.#remove(link));
      this.#watchIdle();
    } else this.#close(link);
    this.#leave();
  }

  /** Lets requests finish, those that wait too, and closes all connections. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#idleTimer?.cancel();
    this.#closeIdle();
    if (this.#places > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#empty = resolve;
      const { clock } = this.#transport;
      const timer = clock.startTimer(this.#options.closeTimeout, resolve);
      await promise;
      timer.cancel();
    }
    const error = this.#closedError();
    for (const { reject } of this.#waiters) reject(error);
    for (const controller of this.#connecting) controller.abort(error);
    for (const link of this.#busy) link.abort(this.#brokenOff(link));
    await Promise.all(this.#closings);
  }

  async #take(signal: AbortSignal | null, check: boolean): Promise<Lease> {
    const { pingAfter, pingOnConnect, pingTimeout } = this.#options;
    const now = this.#transport.clock.now();
    for (let link; (link = this.#idle.pop()) !== undefined;) {
      link.wake();
      this.#busy.add(link);
      if (!check || pingAfter < 0 || now - link.usedAt < pingAfter) {
        return { link, reused: true };
      }
      try {
        await link.ping(pingTimeout, signal);
        return { link, reused: true };
      } catch (error) {
        this.#busy.delete(link);
        this.#close(link);
        signal?.throwIfAborted();
        if (!(error instanceof AjpError)) throw error;
        if (error.code === "timeout") this.#closeIdle();
      }
    }
    const link = await this.#connect(signal);
    this.#busy.add(link);
    if (!check || !pingOnConnect) return { link, reused: false };
    try {
      await link.ping(pingTimeout, signal);
      return { link, reused: false };
    } catch (error) {
      this.#busy.delete(link);
      this.#close(link);
      throw error;
    }
  }

  async #connect(signal: AbortSignal | null): Promise<AjpLink> {
    const { address, name, packetSize, connectTimeout } = this.#options;
    const { clock } = this.#transport;
    const controller = new AbortController();
    const aborted = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    const timer = connectTimeout < 0
      ? undefined
      : clock.startTimer(connectTimeout, () =>
        controller.abort(
          this.#error("timeout", `no connection within ${connectTimeout} ms`),
        ));
    this.#connecting.add(controller);
    try {
      const connection = await this.#transport.connect(address, {
        signal: controller.signal,
      });
      return new AjpLink(connection, { clock, name, packetSize });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const { message } = error; // names the address
      throw new AjpError("connection-refused", message, { cause: error });
    } finally {
      this.#connecting.delete(controller);
      timer?.cancel();
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Waits for a place. */
  async #wait(signal: AbortSignal | null): Promise<void> {
    const { maxConnections, maxQueueLength, queueTimeout } = this.#options;
    if (this.#waiters.size >= maxQueueLength) {
      throw this.#error(
        "busy",
        `${maxConnections} requests are under way, ${maxQueueLength} wait`,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = {
      resolve,
      reject: (reason) => {
        this.#waiters.delete(waiter);
        reject(reason);
      },
    };
    this.#waiters.add(waiter);
    const aborted = () => waiter.reject(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    const timer = queueTimeout < 0
      ? undefined
      : this.#transport.clock.startTimer(queueTimeout, () =>
        waiter.reject(
          this.#error("busy", `no connection was free for ${queueTimeout} ms`),
        ));
    try {
      await promise;
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Gives a place to whoever waits longest, or back. */
  #leave(): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.resolve();
      return;
    }
    this.#places--;
    if (this.#places === 0) this.#empty?.();
  }

  #remove(link: AjpLink): void {
    this.#idle = this.#idle.filter((other) => other !== link);
    this.#close(link);
  }

  #closeIdle(): void {
    const links = this.#idle;
    this.#idle = [];
    for (const link of links) {
      link.wake();
      this.#close(link);
    }
  }

  #watchIdle(): void {
    const { idleTimeout } = this.#options;
    if (idleTimeout < 0) return;
    this.#idleTimer ??= this.#transport.clock.startTimer(
      idleTimeout,
      () => this.#closeOld(),
    );
  }

  #closeOld(): void {
    const { idleTimeout } = this.#options;
    const { clock } = this.#transport;
    const now = clock.now();
    this.#idleTimer = undefined;
    let oldest = this.#idle[0];
    while (oldest !== undefined && now >= oldest.usedAt + idleTimeout) {
      oldest.wake();
      this.#remove(oldest);
      oldest = this.#idle[0];
    }
    if (oldest === undefined) return;
    this.#idleTimer = clock.startTimer(
      Math.max(1, oldest.usedAt + idleTimeout - now), // 1: see Deadline
      () => this.#closeOld(),
    );
  }

  #close(link: AjpLink): void {
    const closing: Promise<void> = link.close().then(() => {
      this.#closings.delete(closing);
    });
    this.#closings.add(closing);
  }

  #closedError(): AjpError {
    return this.#error("closed", "the client is closed");
  }

  #brokenOff(link: AjpLink): AjpError {
    const text = `Cannot finish the request to ${this.#options.name}`;
    return new AjpError("closed", `${text}: the client is closed`, {
      requestSent: link.requestSent,
    });
  }

  #error(code: AjpErrorCode, state: string): AjpError {
    const { name } = this.#options;
    return new AjpError(code, `Cannot connect to ${name}: ${state}`);
  }
}
