import { asError } from "../transport/errors.ts";
import {
  type Connection,
  type Listener,
  type SocketAddress,
  type Timer,
  type Transport,
  TransportError,
} from "../transport/types.ts";
import { FrontEnd, type FrontEndHost } from "./ajp_server_front_end.ts";
import {
  type AjpHandler,
  type AjpServerOptions,
  resolveAjpServerOptions,
  type ResolvedAjpServerOptions,
} from "./ajp_server_options.ts";

export type { AjpHandlerInfo } from "./ajp_request_info.ts";
export * from "./ajp_server_options.ts";

/**
 * An AJP13 server: puts a Fetch handler behind Apache httpd, or whatever else speaks AJP.
 *
 * What a handler gets: a genuine `Request`. Its body is pulled, so that a front end is asked for more
 * only when the application reads; a body of one packet is there as a whole. Its `signal` is aborted when the
 * front end goes away. CONNECT, TRACE and TRACK, which Fetch has no requests for, are answered with
 * status 501; the body of a GET or HEAD is `info.body`.
 *
 * What it may give: any `Response`. A body that is there at once leaves in one write, with its content-length;
 * a stream is pulled as fast as the front end takes it.
 *
 * @example Answers one request on a simulated network
 * ```ts
 * import { AjpServer } from "@tribes/toolkit/gateway";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const network = new MemoryNetwork();
 * const transport = network.transport("a");
 * await network.run(async () => {
 *   await using server = await AjpServer.start(
 *     transport,
 *     { port: 8009, secret: null },
 *     (request, info) => new Response(`${request.url} for ${info.remoteAddr}`),
 *   );
 *   assert.equal(server.address.port, 8009);
 * });
 * ```
 */
export class AjpServer implements AsyncDisposable {
  /** The bound address, with the real port. */
  readonly address: SocketAddress;
  readonly #transport: Transport;
  readonly #options: ResolvedAjpServerOptions;
  readonly #host: FrontEndHost;
  readonly #listener: Listener;
  readonly #frontEnds = new Set<FrontEnd>();
  readonly #accepting: Promise<void>;
  #watch: Timer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    transport: Transport,
    options: ResolvedAjpServerOptions,
    handler: AjpHandler,
    listener: Listener,
  ) {
    this.#transport = transport;
    this.#options = options;
    this.#listener = listener;
    this.address = listener.address;
    this.#host = { clock: transport.clock, options, handler, requests: 0 };
    this.#accepting = this.#accept();
  }

  /**
   * Binds and starts to serve.
   *
   * @param transport Where the sockets come from.
   * @param options `secret` has to be given.
   * @param handler Answers the requests; those of several connections at the same time.
   * @throws {TypeError} Without a secret.
   * @throws {RangeError} For an option that is out of its range.
   * @throws {TransportError} When the port cannot be bound.
   */
  static async start(
    transport: Transport,
    options: AjpServerOptions,
    handler: AjpHandler,
  ): Promise<AjpServer> {
    const resolved = resolveAjpServerOptions(options);
    const { address: hostname, port } = resolved;
    const listener = await transport.listen({ hostname, port });
    return new AjpServer(transport, resolved, handler, listener);
  }

  /** Number of open connections. */
  get connectionCount(): number {
    return this.#frontEnds.size;
  }

  /**
   * Stops listening, closes idle connections, lets requests in flight finish, and drops what is left
   * after `closeTimeout`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the server. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#listener.close();
    await this.#accepting;
    const served = [...this.#frontEnds].map((frontEnd) => frontEnd.served);
    for (const frontEnd of this.#frontEnds) frontEnd.close();
    const ended = Promise.all(served);
    const { promise, resolve } = Promise.withResolvers<void>();
    const { closeTimeout } = this.#options;
    const timer = this.#transport.clock.startTimer(closeTimeout, resolve);
    await Promise.race([ended, promise]);
    timer.cancel();
    for (const frontEnd of this.#frontEnds) frontEnd.drop();
    await ended;
    this.#watch?.cancel();
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        if (this.#closing !== undefined || !this.#makeRoom(connection)) {
          connection.abort();
        } else this.#welcome(connection);
      }
    } catch (thrown) {
      this.#options.onError({
        type: "listener",
        remoteAddress: this.address,
        error: asError(thrown),
      });
    }
  }

  #welcome(connection: Connection): void {
    const frontEnd = new FrontEnd(connection, this.#host);
    this.#frontEnds.add(frontEnd);
    frontEnd.served.then(() => this.#frontEnds.delete(frontEnd));
    this.#watch ??= this.#startWatch();
  }

  /** Makes room for a connection: by the one that is idle and was used least lately. */
  #makeRoom(connection: Connection): boolean {
    const { maxConnections } = this.#options;
    if (this.#frontEnds.size < maxConnections) return true;
    let victim: FrontEnd | undefined;
    for (const frontEnd of this.#frontEnds) {
      if (!frontEnd.idle) continue;
      if (victim === undefined || frontEnd.lastUsed < victim.lastUsed) {
        victim = frontEnd;
      }
    }
    this.#options.onError({
      type: "connection",
      remoteAddress: (victim?.connection ?? connection).remoteAddress,
      error: new TransportError(
        "closed",
        `Cannot keep the connection: ${maxConnections} are open`,
      ),
    });
    if (victim === undefined) return false;
    this.#frontEnds.delete(victim);
    victim.close();
    return true;
  }

  /** A timeout runs out up to half as late again: who waits is looked at four times in it. */
  #startWatch(): Timer | undefined {
    const { connectionTimeout, keepAliveTimeout, stallTimeout } = this.#options;
    const timeouts = [connectionTimeout, keepAliveTimeout, stallTimeout]
      .filter((timeout) => timeout !== -1);
    if (timeouts.length === 0) return undefined;
    const { clock } = this.#transport;
    const period = Math.max(1, Math.floor(Math.min(...timeouts) / 4));
    return clock.startTimer(period, () => {
      this.#watch = undefined;
      const now = clock.now();
      for (const frontEnd of this.#frontEnds) frontEnd.check(now);
      if (this.#frontEnds.size > 0) this.#watch = this.#startWatch();
    });
  }
}
