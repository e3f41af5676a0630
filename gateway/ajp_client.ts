// The public face: what a call does with the pool, and when it is done again.
import { EncodeError } from "../protocol/mod.ts";
import type { CancelOptions, Transport } from "../transport/mod.ts";
import { AjpError } from "./ajp_client_error.ts";
import { AjpExchange } from "./ajp_client_exchange.ts";
import {
  type AjpClientOptions,
  resolveAjpClientOptions,
  type ResolvedAjpClientOptions,
} from "./ajp_client_options.ts";
import {
  type AjpRequestInit,
  formBody,
  type PreparedRequest,
  prepareRequest,
} from "./ajp_client_request.ts";
import { AjpPool, type AjpPoolState, type Lease } from "./ajp_pool.ts";

export * from "./ajp_client_error.ts";
export type { AjpClientOptions } from "./ajp_client_options.ts";
export type { AjpForwarding } from "./ajp_client_forwarding.ts";
export type { AjpRequestInit } from "./ajp_client_request.ts";
export type { AjpPoolState } from "./ajp_pool.ts";

/**
 * Talks AJP13 to a container such as Tomcat, as a web server in front of it does: Fetch's requests
 * in, Fetch's responses out, bodies streamed both ways, connections kept and used again.
 *
 * A response's body has to be read to its end or cancelled, or it keeps its connection. What the
 * container answers is given as it is: redirects are not followed, nothing is decompressed.
 *
 * @example A request to a server of our own, on a simulated network
 * ```ts
 * import { AjpClient, AjpServer } from "@tribes/toolkit/gateway";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const network = new MemoryNetwork();
 * await network.run(async () => {
 *   await using _server = await AjpServer.start(
 *     network.transport("tomcat"),
 *     { address: "0.0.0.0", secret: null },
 *     (request) => new Response(`You asked for ${request.url}`),
 *   );
 *   await using client = new AjpClient(
 *     network.transport("front"),
 *     "ajp://tomcat:8009",
 *     { origin: "https://www.example" },
 *   );
 *   const response = await client.fetch("/path");
 *   assert.equal(await response.text(), "You asked for https://www.example/path");
 * });
 * ```
 */
export class AjpClient implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: ResolvedAjpClientOptions;
  readonly #pool: AjpPool;

  /**
   * Makes a client; connections are opened when they are needed.
   *
   * @param transport Where the connections come from.
   * @param url The container: `ajp://HOST:PORT`; the port is 8009 without one.
   * @throws {TypeError} For an address that is none, or a secret without a wire form.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(
    transport: Transport,
    url: string | URL,
    options: AjpClientOptions = {},
  ) {
    this.#transport = transport;
    this.#options = resolveAjpClientOptions(url, options);
    this.#pool = new AjpPool(transport, this.#options);
  }

  /** How many connections are in which state. */
  get state(): AjpPoolState {
    return this.#pool.state;
  }

  /**
   * Sends a request.
   *
   * A body of bytes, text, `Blob`, `FormData` or `URLSearchParams` is sent with its content-length; a
   * stream without one, unless the header is given. Of headers, pairs keep their number and order,
   * but that several cookies become one header. Unlike Fetch's, a GET may have a body. A stream is
   * not touched before there is a connection to send it on.
   *
   * @param input A path, or an `http:` or `https:` URL whose host becomes the `host` header, or a URL
   * of the client's own address, or a request with any of those.
   * @param init Method, headers, body, signal, and what only AJP has; they win over the request's.
   * @returns The response, once status and headers are there.
   * @throws {AjpError} `connection-refused`, `timeout`, `busy`, `connection-closed`, `protocol`,
   * `too-large`, `request-body`, `closed`. A body that fails later throws them to its reader, and
   * `truncated`.
   * @throws {EncodeError} For a method or an attribute that has no wire form.
   * @throws {TypeError} For a URL, header or body that cannot be meant.
   */
  async fetch(
    input: string | URL | Request,
    init: AjpRequestInit = {},
  ): Promise<Response> {
    const form = init.body instanceof FormData
      ? await formBody(init.body)
      : undefined;
    const request = prepareRequest(input, init, this.#options, form);
    for (let again = request.retry;;) {
      const lease = await this.#pool.acquire(request.signal, true);
      try {
        return await this.#exchange(request, lease);
      } catch (error) {
        if (isStale(error, lease)) continue;
        if (!again || !canRepeat(error, request)) throw error;
        again = false;
      }
    }
  }

  /**
   * Asks whether the container is alive, by a CPING. It needs no secret.
   *
   * @param options `signal` gives it up.
   * @returns How long the answer took, in milliseconds, connecting not counted.
   * @throws {AjpError} `connection-refused`, `timeout`, `busy`, `connection-closed`, `protocol`,
   * `closed`.
   */
  async ping(options: CancelOptions = {}): Promise<number> {
    const signal = options.signal ?? null;
    for (;;) {
      const lease = await this.#pool.acquire(signal, false);
      const { link } = lease;
      try {
        const time = await link.ping(this.#options.pingTimeout, signal);
        this.#pool.release(link, true);
        return time;
      } catch (error) {
        this.#pool.release(link, false);
        if (!isStale(error, lease)) throw error;
      }
    }
  }

  /**
   * Lets requests finish, those that wait for a connection too, for `closeTimeout` at most, and
   * closes all connections. Further requests fail with `closed`.
   */
  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Closes the client. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #exchange(
    request: PreparedRequest,
    { link }: Lease,
  ): Promise<Response> {
    const exchange = new AjpExchange(link, request, {
      clock: this.#transport.clock,
      replyTimeout: this.#options.replyTimeout,
      done: (reuse) => this.#pool.release(link, reuse),
    });
    try {
      return await exchange.start();
    } catch (error) {
      if (!(error instanceof EncodeError) || error.code !== "too-large") {
        throw error;
      }
      const { packetSize } = this.#options;
      throw new AjpError(
        "too-large",
        `Cannot fetch ${request.name}: its headers do not fit a packet of ${packetSize} bytes`,
        { cause: error },
      );
    }
  }
}

/** The connection had died while it was idle, and nothing was sent on it. */
function isStale(error: unknown, { reused }: Lease): boolean {
  return reused && error instanceof AjpError && !error.requestSent &&
    (error.code === "connection-closed" || error.code === "protocol");
}

/** The container did not answer, and everything can be sent again. */
function canRepeat(error: unknown, { body }: PreparedRequest): boolean {
  return error instanceof AjpError && error.code === "connection-closed" &&
    (body === null || body.replayable);
}
