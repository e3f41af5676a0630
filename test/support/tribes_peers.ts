// Members, messages, and peers that do on a raw connection whatever a test wants.
import assert from "node:assert/strict";
import {
  ACK_COMMAND,
  ackMoment,
  type ChannelData,
  createMember,
  decodeChannelData,
  encodeChannelData,
  encodeFrame,
  encodeHex,
  encodeHost,
  FAIL_ACK_COMMAND,
  FrameParser,
  type Member,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import type {
  Connection,
  Listener,
  SocketAddress,
  Transport,
} from "../../transport/types.ts";

/** Acknowledgements as bytes, hexadecimal. */
export const ACK: string = encodeHex(ACK_COMMAND);
/** A negative acknowledgement as bytes, hexadecimal. */
export const FAIL_ACK: string = encodeHex(FAIL_ACK_COMMAND);

const LOCAL = memberAt({ hostname: "10.9.9.9", port: 4000 });
let lastId = 0;

/** The member whose receiver has an address. */
export function memberAt(
  { hostname, port }: SocketAddress,
  init: Partial<Member> = {},
): Member {
  return createMember({ host: encodeHost(hostname), port, ...init });
}

/** A message with a unique id of its own. */
export function messageOf(
  body: string | Uint8Array,
  options = 0,
  init: Partial<ChannelData> = {},
): ChannelData {
  const uniqueId = new Uint8Array(16);
  new DataView(uniqueId.buffer).setUint32(12, ++lastId);
  return {
    options,
    timestamp: 1_700_000_000_000,
    uniqueId,
    address: LOCAL,
    message: typeof body === "string" ? new TextEncoder().encode(body) : body,
    ...init,
  };
}

/** The frame of a message. */
export function frameOf(
  body: string | Uint8Array,
  options = 0,
): Uint8Array<ArrayBuffer> {
  return encodeFrame(encodeChannelData(messageOf(body, options)));
}

/** A message's bytes as text. */
export function textOf(message: ChannelData): string {
  return new TextDecoder().decode(message.message);
}

/** One end of a connection to a receiver, which keeps what comes back. */
export class RawPeer {
  readonly connection: Connection;
  /** Settles when the connection has ended: true at an orderly end, false at a reset. */
  readonly ended: Promise<boolean>;
  #received: Uint8Array = new Uint8Array();
  #notify: (() => void) | undefined;
  #open = true;

  /** Takes over one connection. */
  constructor(connection: Connection) {
    this.connection = connection;
    this.ended = this.#read();
  }

  /** Opens a connection. */
  static async connect(
    transport: Transport,
    address: SocketAddress,
  ): Promise<RawPeer> {
    return new RawPeer(await transport.connect(address));
  }

  /** What has come back, hexadecimal. */
  get received(): string {
    return encodeHex(this.#received);
  }

  /** Whether the connection has not ended. */
  get open(): boolean {
    return this.#open;
  }

  /** Writes bytes in one write. */
  write(bytes: Uint8Array): Promise<void> {
    return this.connection.write(bytes.slice());
  }

  /** Sends an acknowledged message, waits for the ack, and so knows that the receiver serves it. */
  async probe(body = "probe"): Promise<void> {
    const expected = this.received + ACK;
    await this.write(frameOf(body, 2));
    await this.receives(expected);
  }

  /** Waits until as many bytes have come back as expected, and requires them to be these. */
  async receives(expected: string): Promise<void> {
    while (this.#open && this.received.length < expected.length) {
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
    }
    assert.equal(this.received, expected);
  }

  async #read(): Promise<boolean> {
    try {
      for await (const chunk of this.connection) {
        const all = new Uint8Array(this.#received.length + chunk.length);
        all.set(this.#received);
        all.set(chunk, this.#received.length);
        this.#received = all;
        this.#notify?.();
      }
      return true;
    } catch {
      return false;
    } finally {
      this.#open = false;
      this.#notify?.();
    }
  }
}

/** What a {@linkcode FakeReceiver} does with a message. */
export type Behaviour = (
  message: ChannelData,
  connection: FakeConnection,
) => void | Promise<void>;

/** Takes messages and acknowledges them, or does not, as a test says. */
export class FakeReceiver {
  /** Where it listens. */
  readonly member: Member;
  /** The connections in the order of coming. */
  readonly connections: FakeConnection[] = [];
  /** What it does with each message. */
  behaviour: Behaviour;
  /** What it does with each connection before it reads it. */
  welcome: (connection: FakeConnection) => void | Promise<void> = () => {};
  readonly #listener: Listener;

  private constructor(listener: Listener, behaviour: Behaviour) {
    this.#listener = listener;
    this.behaviour = behaviour;
    this.member = memberAt(listener.address);
  }

  /** Listens on any port of a host. */
  static async listen(
    transport: Transport,
    hostname: string,
    behaviour: Behaviour = acknowledge,
  ): Promise<FakeReceiver> {
    const listener = await transport.listen({ hostname, port: 0 });
    const receiver = new FakeReceiver(listener, behaviour);
    void receiver.#accept();
    return receiver;
  }

  /** All messages, first those of the first connection. */
  get messages(): ChannelData[] {
    return this.connections.flatMap((connection) => connection.messages);
  }

  /** Their texts. */
  get texts(): string[] {
    return this.messages.map(textOf);
  }

  /** The last connection. */
  get last(): FakeConnection {
    const last = this.connections.at(-1);
    assert(last !== undefined, "no connection has come");
    return last;
  }

  /** Stops listening and drops all connections. */
  async close(): Promise<void> {
    await this.#listener.close();
    for (const { connection } of this.connections) connection.abort();
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        const fake = new FakeConnection(connection);
        this.connections.push(fake);
        void this.#serve(fake);
      }
    } catch {
      // Its host has crashed.
    }
  }

  async #serve(fake: FakeConnection): Promise<void> {
    await this.welcome(fake);
    const parser = new FrameParser();
    try {
      for await (const chunk of fake.connection) {
        fake.chunks.push(chunk.length);
        parser.feed(chunk);
        for (let body; (body = parser.next()) !== undefined;) {
          const message = decodeChannelData(body.slice());
          fake.messages.push(message);
          await this.behaviour(message, fake);
        }
      }
    } catch {
      // The sender has dropped it, or the behaviour has.
    }
    fake.open = false;
  }
}

/** One connection of a {@linkcode FakeReceiver}. */
export class FakeConnection {
  /** The connection. */
  readonly connection: Connection;
  /** Lengths of the reads. */
  readonly chunks: number[] = [];
  /** What came on it. */
  readonly messages: ChannelData[] = [];
  /** Whether it has not ended. */
  open = true;

  /** Takes over one connection. */
  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Acknowledges. */
  ack(count = 1): void {
    for (let i = 0; i < count; i++) this.write(ACK_COMMAND);
  }

  /** Says that processing failed. */
  failAck(): void {
    this.write(FAIL_ACK_COMMAND);
  }

  /** Writes anything. */
  write(bytes: Uint8Array): void {
    this.connection.write(bytes.slice()).catch(() => {}); // the sender may have gone
  }
}

/** Acknowledges what asks for it. */
export function acknowledge(
  message: ChannelData,
  connection: FakeConnection,
): void {
  if (ackMoment(message.options) !== "never") connection.ack();
}

/** Reads and never answers. */
export function ignore(): void {}

/** How a send ended, and when by the transport's clock. */
export interface SendOutcome {
  /** Whether it has settled, and how. */
  state: "pending" | "done" | "failed";
  /** The error. */
  error: unknown;
  /** The time. */
  at: number;
  /** How often it settled. */
  count: number;
}

/** Notes how a send ends. */
export function watch(
  transport: Transport,
  sent: Promise<void>,
): SendOutcome {
  const outcome: SendOutcome = {
    state: "pending",
    error: undefined,
    at: NaN,
    count: 0,
  };
  const settle = (state: "done" | "failed", error?: unknown) => {
    outcome.state = state;
    outcome.error = error;
    outcome.at = transport.clock.now();
    outcome.count++;
  };
  sent.then(() => settle("done"), (error) => settle("failed", error));
  return outcome;
}

/** The code of a send's error; requires a ChannelError that names its faulty members. */
export function codeOf(error: unknown): string {
  assert(error instanceof ChannelError, `not a ChannelError: ${error}`);
  assert(error.faultyMembers.length > 0, "no faulty member is named");
  for (const { cause } of error.faultyMembers) assert(cause instanceof Error);
  return error.code;
}

/** Requires a rejection with a ChannelError of a code, and gives the error. */
export async function failsWith(
  sent: Promise<unknown>,
  code: string,
): Promise<ChannelError> {
  const error = await sent.then(() => undefined, (error: unknown) => error);
  assert(error !== undefined, "the send did not fail");
  assert.equal(codeOf(error), code);
  return error as ChannelError; // codeOf has checked
}
