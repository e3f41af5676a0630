/**
 * A container that does what a test says: the far end of our client's connections. It speaks by
 * `AjpServerConnection` where it behaves, and by bare bytes where it does not.
 */

import {
  ajpResponseHeader,
  AjpServerConnection,
  type AjpServerConnectionOptions,
  type AjpServerEvent,
  concatBytes,
} from "../../protocol/mod.ts";
import type {
  Connection,
  Listener,
  SocketAddress,
  Transport,
} from "../../transport/mod.ts";

/** A request as the container got it. */
export type ContainerRequest = Extract<AjpServerEvent, { type: "request" }>;

/** What a container does with one connection. */
export type ContainerScript = (
  peer: ContainerPeer,
  index: number,
) => Promise<void>;

/** One connection, seen from the container. */
export class ContainerPeer {
  /** The connection. */
  readonly connection: Connection;
  /** Answer CPINGs that come between requests. */
  answersPings = true;
  /** CPINGs so far. */
  pings = 0;
  /** Requests so far. */
  requests = 0;
  /** Whether the front end has ended it. */
  ended = false;
  readonly #machine: AjpServerConnection;
  readonly #inbound: AsyncIterator<Uint8Array>;

  /** Takes over an accepted connection. */
  constructor(connection: Connection, options: AjpServerConnectionOptions) {
    this.connection = connection;
    this.#machine = new AjpServerConnection(options);
    this.#inbound = connection[Symbol.asyncIterator]();
  }

  /** The next event; `undefined` when the connection has ended. */
  async next(): Promise<AjpServerEvent | undefined> {
    for (;;) {
      const event = this.#machine.next();
      if (event?.type === "cping" && this.answersPings) {
        this.pings++;
        this.write(this.#machine.cpong());
        continue;
      }
      if (event !== undefined) return event;
      const chunk = await this.#inbound.next().catch(() => undefined);
      if (chunk === undefined || chunk.done === true) {
        this.ended = true;
        return undefined;
      }
      this.#machine.feed(chunk.value);
    }
  }

  /** The next request, without the rest of the one before; `undefined` at the end. */
  async request(): Promise<ContainerRequest | undefined> {
    for (let event; (event = await this.next()) !== undefined;) {
      if (event.type === "request") {
        this.requests++;
        return event;
      }
    }
    return undefined;
  }

  /** The body of a request, asked for part by part; what there is of it when the connection ends. */
  async body({ exchange }: ContainerRequest): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    while (!exchange.bodyEnded) {
      if (!exchange.bodyPacketDue) this.write(exchange.getBodyChunk());
      const event = await this.next();
      if (event?.type !== "body") break; // its end, or the connection's
      parts.push(event.data.slice());
    }
    return concatBytes(parts);
  }

  /** Writes bytes, any bytes. */
  write(bytes: Uint8Array): void {
    this.connection.write(bytes).catch(() => {}); // the front end has gone
  }

  /** Sends a whole response. */
  reply(
    { exchange }: ContainerRequest,
    body: Uint8Array | string = "",
    { status = 200, headers = [], reuse = true }: ReplyOptions = {},
  ): void {
    const bytes = typeof body === "string"
      ? new TextEncoder().encode(body)
      : body;
    const fields = [...headers, ["Content-Length", `${bytes.length}`] as const]
      .map(([name, value]) => ajpResponseHeader(name, value));
    this.write(concatBytes([
      exchange.sendHeaders(status, fields),
      exchange.hasBody ? exchange.sendBodyChunk(bytes) : new Uint8Array(),
      exchange.endResponse(reuse),
    ]));
  }
}

/** Options of {@linkcode ContainerPeer.reply}. */
export interface ReplyOptions {
  /** Status. @default {200} */
  readonly status?: number;
  /** Headers besides content-length. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** The flag of END_RESPONSE. @default {true} */
  readonly reuse?: boolean;
}

/** A listening container. */
export class FakeContainer implements AsyncDisposable {
  /** Its connections, in the order in which they came. */
  readonly peers: ContainerPeer[] = [];
  readonly #listener: Listener;
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #failure: { readonly error: unknown } | undefined;

  private constructor(
    listener: Listener,
    script: ContainerScript,
    options: AjpServerConnectionOptions,
  ) {
    this.#listener = listener;
    this.#accepting = this.#accept(script, options);
  }

  /** Listens; runs the script for each connection. */
  static async start(
    transport: Transport,
    script: ContainerScript,
    options: AjpServerConnectionOptions & { address?: SocketAddress } = {},
  ): Promise<FakeContainer> {
    const { address = { hostname: "0.0.0.0", port: 8009 } } = options;
    const listener = await transport.listen(address);
    return new FakeContainer(listener, script, options);
  }

  /** Where it listens. */
  get address(): SocketAddress {
    return this.#listener.address;
  }

  /** Connections that the front end has not ended. */
  get open(): number {
    return this.peers.filter(({ ended }) => !ended).length;
  }

  /** Requests so far. */
  get requests(): number {
    return this.peers.reduce((sum, { requests }) => sum + requests, 0);
  }

  /** CPINGs so far. */
  get pings(): number {
    return this.peers.reduce((sum, { pings }) => sum + pings, 0);
  }

  /** Stops listening, and throws what a script threw. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
    await this.#accepting;
    for (const { connection } of this.peers) connection.abort();
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #accept(
    script: ContainerScript,
    options: AjpServerConnectionOptions,
  ): Promise<void> {
    for await (const connection of this.#listener) {
      const peer = new ContainerPeer(connection, options);
      const index = this.peers.push(peer) - 1;
      const run = script(peer, index).catch((error) => {
        this.#failure ??= { error };
        connection.abort();
      }).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }
}

/** Answers each request with the same bytes as its body. */
export async function echo(peer: ContainerPeer): Promise<void> {
  for (let request; (request = await peer.request()) !== undefined;) {
    peer.reply(request, await peer.body(request));
  }
}

/** Serves no request before it is let go on. */
export function gated(): { script: ContainerScript; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    open: resolve,
    script: async (peer) => {
      for (let request; (request = await peer.request()) !== undefined;) {
        await promise;
        peer.reply(request, "served");
      }
    },
  };
}
