// A front end that follows the protocol, and a server for it on a simulated network.
import assert from "node:assert/strict";
import {
  AjpClientConnection,
  type AjpClientConnectionOptions,
  type AjpClientExchange,
  type AjpHeader,
  concatBytes,
  encodeForwardRequest,
  type ForwardRequest,
} from "../../protocol/mod.ts";
import {
  type AjpHandler,
  AjpServer,
  type AjpServerFault,
  type AjpServerOptions,
} from "../../gateway/ajp_server.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import type {
  Connection,
  SocketAddress,
  Transport,
} from "../../transport/types.ts";
import { ajpRequest } from "./ajp_values.ts";
import { RawPeer } from "./tribes_peers.ts";

/** The server's host. */
export const SERVER = "10.0.0.1";
/** The front end's host. */
export const CLIENT = "10.0.0.2";

/** Virtual time that a task may take, in milliseconds. */
const PATIENCE = 2 * 86_400_000;

/** A whole response. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly AjpHeader[];
  readonly body: Uint8Array;
  /** The body as text. */
  readonly text: string;
  /** Whether the connection may be used again. */
  readonly reuse: boolean;
  /** Bytes of the content-length that did not come. */
  readonly missing: number;
  /** What came, in order: `headers`, `body 5`, `flush`, `wanted`, `end`. */
  readonly events: readonly string[];
  /** Number of reads in which it came. */
  readonly reads: number;
}

/** How a body is sent. */
export interface SendOptions {
  /** The body; chunked unless the headers have a content-length. */
  readonly body?: Uint8Array;
  /** Greatest part that is sent at once. */
  readonly part?: number;
}

/** One connection of a front end. */
export class FrontEndPeer {
  readonly connection: Connection;
  readonly machine: AjpClientConnection;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #reads = 0;

  /** Takes over one connection. */
  constructor(
    connection: Connection,
    options: AjpClientConnectionOptions = {},
  ) {
    this.connection = connection;
    this.machine = new AjpClientConnection(options);
    this.#chunks = connection[Symbol.asyncIterator]();
  }

  /** Opens a connection. */
  static async connect(
    transport: Transport,
    address: SocketAddress,
    options?: AjpClientConnectionOptions,
  ): Promise<FrontEndPeer> {
    return new FrontEndPeer(await transport.connect(address), options);
  }

  /** Sends a request and waits for the whole response. */
  async send(
    fields: Partial<Omit<ForwardRequest, "type">> = {},
    options: SendOptions = {},
  ): Promise<Reply> {
    const { bytes, exchange } = this.machine.sendRequest(ajpRequest(fields));
    await this.connection.write(bytes);
    return await this.#reply(exchange, options);
  }

  /** Asks whether the server is alive, and waits for the answer. */
  async ping(): Promise<void> {
    await this.connection.write(this.machine.cping());
    for (;;) {
      const event = this.machine.next();
      if (event?.type === "cpong") return;
      await this.#read();
    }
  }

  /** Waits until the server closes the connection; nothing may come before that. */
  async closed(): Promise<void> {
    assert.equal((await this.#chunks.next()).done, true);
    await this.connection.close();
  }

  async #reply(
    exchange: AjpClientExchange,
    { body = new Uint8Array(), part = Infinity }: SendOptions,
  ): Promise<Reply> {
    let status = 0;
    let headers: readonly AjpHeader[] = [];
    const parts: Uint8Array[] = [];
    const events: string[] = [];
    const reads = this.#reads;
    let sent = 0;
    for (;;) {
      const event = this.machine.next();
      if (event === undefined) {
        await this.#read();
        continue;
      }
      switch (event.type) {
        case "bodyWanted": {
          events.push("wanted");
          const length = Math.min(event.maxLength, part, body.length - sent);
          const data = body.subarray(sent, sent + length);
          sent += length;
          await this.connection.write(
            length > 0 ? exchange.sendBody(data) : exchange.endBody(),
          );
          continue;
        }
        case "headers":
          ({ status, headers } = event);
          events.push("headers");
          continue;
        case "body":
          parts.push(event.data);
          events.push(`body ${event.data.length}`);
          continue;
        case "end": {
          events.push("end");
          const { reuse, missing } = event;
          const body = concatBytes(parts);
          const text = new TextDecoder().decode(body);
          return {
            status,
            headers,
            body,
            text,
            reuse,
            missing,
            events,
            reads: this.#reads - reads,
          };
        }
        default:
          events.push(event.type);
      }
    }
  }

  async #read(): Promise<void> {
    const { done, value } = await this.#chunks.next();
    if (done) {
      this.machine.end();
      throw new Error("Cannot read: the server closed the connection");
    }
    this.#reads++;
    this.machine.feed(value);
  }
}

/** A server on a simulated network, and what it was told. */
export interface AjpScene {
  readonly network: MemoryNetwork;
  readonly server: AjpServer;
  readonly client: Transport;
  readonly faults: AjpServerFault[];
  /** Opens a connection that follows the protocol. */
  connect(options?: AjpClientConnectionOptions): Promise<FrontEndPeer>;
  /** Opens a connection that does whatever a test wants. */
  connectRaw(): Promise<RawPeer>;
}

/** Runs with a server, without a secret unless the options have one. */
export async function withAjpServer(
  options: Partial<AjpServerOptions>,
  handler: AjpHandler,
  task: (scene: AjpScene) => Promise<void>,
): Promise<void> {
  const network = new MemoryNetwork({ latency: [1, 1] });
  const client = network.transport(CLIENT);
  await network.run(async () => {
    const faults: AjpServerFault[] = [];
    const server = await AjpServer.start(
      network.transport(SERVER),
      {
        secret: null,
        address: SERVER,
        port: 0,
        onError: (fault) => void faults.push(fault),
        ...options,
      },
      handler,
    );
    const { address } = server;
    // A server has timers without end: a task that waits for nothing would wait for ever.
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = client.clock.startTimer(
      PATIENCE,
      () => reject(new Error(`Nothing happens in ${PATIENCE} ms`)),
    );
    const done = task({
      network,
      server,
      client,
      faults,
      connect: (options) => FrontEndPeer.connect(client, address, options),
      connectRaw: () => RawPeer.connect(client, address),
    });
    await Promise.race([done, promise]);
    timer.cancel();
    await server.close();
    assert.equal(server.connectionCount, 0);
  });
}

/** Value of a header, by its name in any case; values of several are joined by `|`. */
export function headerOf(
  { headers }: Pick<Reply, "headers">,
  name: string,
): string | undefined {
  const found = headers.filter((header) =>
    header.name.toLowerCase() === name.toLowerCase()
  );
  return found.length === 0
    ? undefined
    : found.map((header) => header.value).join("|");
}

/** The packet of a request. */
export function requestBytes(
  fields: Partial<Omit<ForwardRequest, "type">> = {},
): Uint8Array<ArrayBuffer> {
  return encodeForwardRequest(ajpRequest(fields));
}

/** Bytes that tell whether one is lost, repeated or out of its place. */
export function patternOf(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8) * 7 + seed;
  return bytes;
}

/** What is thrown to a stream's reader, or `undefined` when it ends. */
export async function readFault(
  stream: ReadableStream<Uint8Array> | null,
): Promise<unknown> {
  try {
    await new Response(stream).arrayBuffer();
    return undefined;
  } catch (error) {
    return error;
  }
}
