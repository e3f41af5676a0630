// Takes messages off connections and datagrams, hands them up one after another, and acknowledges
// them as Tomcat's receiver does:
//
//   use_ack           ACK, then the handler; what the handler throws is only reported
//   use_ack and sync  the handler, then ACK, or FAIL_ACK when it threw
//   otherwise         nothing
//
// Acknowledgements of one read leave in one write: at the end of the read, and before a handler that
// returned a promise is waited for. They are never reordered.
//
// Bounds: connections (a new one takes the place of one that never finished a message, else of one
// that is idle), bytes of unfinished messages over all connections, the length of one message, and
// the time that an unfinished message may stand still. A connection that is idle between two messages
// is left alone, since a Tomcat keeps its connections open for good.
//
// What a peer is not told: a fault closes its connection after the acknowledgements of what came
// before it. Nothing is reported of a connection that was dropped or closed on purpose.
import {
  ACK_COMMAND,
  ackMoment,
  FAIL_ACK_COMMAND,
} from "../protocol/tribes/ack.ts";
import {
  type ChannelData,
  ChannelDataDecoder,
} from "../protocol/tribes/channel_data.ts";
import { FrameParser } from "../protocol/tribes/frame_parser.ts";
import { asError } from "./errors.ts";
import { AckQueue } from "./ack_queue.ts";
import { MAX_PORT } from "./options.ts";
import {
  autoAddress,
  type MessageHandler,
  type ReceiverFault,
  type ReceiverOptions,
  type ResolvedReceiverOptions,
  resolveReceiverOptions,
} from "./receiver_options.ts";
import {
  type Connection,
  type Datagram,
  type DatagramSocket,
  type Listener,
  type SocketAddress,
  type Timer,
  type Transport,
  TransportError,
} from "./types.ts";

export * from "./receiver_options.ts";

const STALL_BYTES = 1024;
const CLOSE_TIMEOUT = 3000;

/** One connection and where its conversation stands. */
interface Peer {
  readonly connection: Connection;
  readonly parser: FrameParser;
  messages: number;
  busy: boolean;
  active: number; // when bytes came last
  buffered: number; // this connection's share of the receiver's total
  message: number; // where in the stream the unfinished message starts
  checkpoint: number; // when it was last seen to move
  checkpointBytes: number; // how much of it was there then
  readonly acks: AckQueue;
  served: Promise<void>;
}

/** Receives messages by TCP and UDP. */
export class Receiver implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #handler: MessageHandler;
  readonly #options: ResolvedReceiverOptions;
  readonly #peers = new Set<Peer>();
  readonly #address: SocketAddress;
  readonly #udpPort: number;
  readonly #listener: Listener;
  readonly #datagrams: DatagramSocket | undefined;
  readonly #tasks: Promise<void>[];
  #buffered = 0;
  #watch: Timer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    transport: Transport,
    handler: MessageHandler,
    options: ResolvedReceiverOptions,
    listener: Listener,
    datagrams: DatagramSocket | undefined,
  ) {
    this.#transport = transport;
    this.#handler = handler;
    this.#options = options;
    this.#listener = listener;
    this.#datagrams = datagrams;
    this.#address = listener.address;
    this.#udpPort = datagrams?.address.port ?? -1;
    this.#tasks = [this.#accept()];
    if (datagrams !== undefined) {
      this.#tasks.push(this.#serveDatagrams(datagrams));
    }
  }

  /**
   * Binds and starts to receive.
   *
   * @param transport Where the sockets come from.
   * @param handler Takes the messages, those of one connection one at a time and in order.
   * @throws {TransportError} When no port could be bound.
   */
  static async start(
    transport: Transport,
    handler: MessageHandler,
    options: ReceiverOptions = {},
  ): Promise<Receiver> {
    const resolved = resolveReceiverOptions(options);
    const hostname = resolved.address === "auto"
      ? autoAddress(transport)
      : resolved.address;
    const listener = await bindFrom(
      resolved.port,
      resolved.autoBind,
      (port) => transport.listen({ hostname, port }),
    );
    try {
      const datagrams = resolved.udpPort < 0 ? undefined : await bindFrom(
        resolved.udpPort,
        resolved.autoBind,
        (port) => transport.bindDatagram({ hostname, port }),
      );
      return new Receiver(transport, handler, resolved, listener, datagrams);
    } catch (error) {
      await listener.close();
      throw error;
    }
  }

  /** The bound address, with the real TCP port. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** The real UDP port; -1 without one. */
  get udpPort(): number {
    return this.#udpPort;
  }

  /** Number of open TCP connections. */
  get connectionCount(): number {
    return this.#peers.size;
  }

  /** Bytes held for unfinished messages. */
  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** Stops listening, lets the message that each connection is at finish, and closes them. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the receiver. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#watch?.cancel();
    await Promise.all([this.#listener.close(), this.#datagrams?.close()]);
    await Promise.all([...this.#peers].map((peer) => this.#closePeer(peer)));
    await this.#waitFor(Promise.all(this.#tasks));
  }

  async #closePeer(peer: Peer): Promise<void> {
    const { connection, served } = peer;
    await this.#waitFor(
      peer.busy ? served : Promise.all([connection.close(), served]),
    );
    connection.abort();
    this.#peers.delete(peer);
    this.#release(peer);
  }

  /** Waits a limited time: a handler may itself wait for the close, and a peer never read. */
  async #waitFor(ended: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#transport.clock.startTimer(CLOSE_TIMEOUT, resolve);
    await Promise.race([ended, promise]);
    timer.cancel();
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        if (this.#closing !== undefined || !this.#makeRoom(connection)) {
          connection.abort();
        } else {
          this.#welcome(connection);
        }
      }
    } catch (thrown) {
      this.#fault("listener", this.#address, thrown);
    }
  }

  #welcome(connection: Connection): void {
    const now = this.#transport.clock.now();
    const peer: Peer = {
      connection,
      parser: new FrameParser({
        maxDataLength: this.#options.maxDataLength,
        reuseJoined: true, // #readMessages waits until a message was handled
      }),
      messages: 0,
      busy: false,
      active: now,
      buffered: 0,
      message: 0,
      checkpoint: now,
      checkpointBytes: 0,
      acks: new AckQueue(connection, this.#transport.clock),
      served: Promise.resolve(),
    };
    this.#peers.add(peer);
    this.#watch ??= this.#startWatch();
    peer.served = this.#serve(peer);
  }

  /** Never rejects. */
  async #serve(peer: Peer): Promise<void> {
    const { acks } = peer;
    try {
      await this.#readMessages(peer, acks);
      if (this.#closing === undefined && this.#peers.has(peer)) {
        peer.parser.end();
      }
    } catch (thrown) {
      this.#connectionFault(peer, thrown);
    }
    this.#release(peer);
    peer.busy = false; // a handler's time was not the peer's fault; from here on it is
    // What came before a fault was accepted, and is acknowledged.
    await acks.flush().catch(() => {});
    await peer.connection.close().catch(() => {});
    this.#peers.delete(peer);
  }

  async #readMessages(peer: Peer, acks: AckQueue): Promise<void> {
    const { parser } = peer;
    const decoder = new ChannelDataDecoder();
    for await (const chunk of peer.connection) {
      peer.active = this.#transport.clock.now();
      parser.feed(chunk);
      peer.busy = true;
      while (parser.advance()) {
        const message = decoder.decode(
          parser.bodyBytes,
          parser.bodyStart,
          parser.bodyEnd,
        );
        const pending = this.#process(peer, message, acks);
        if (pending !== undefined) await pending;
        peer.messages++;
        if (this.#closing !== undefined) return;
      }
      decoder.release();
      peer.busy = false;
      if (acks.length > 0) {
        const wait = acks.send();
        if (wait !== undefined) await wait;
      }
      this.#account(peer);
    }
  }

  /** Handles one message; a promise only where the handler returned one. */
  #process(
    peer: Peer,
    message: ChannelData,
    acks: AckQueue,
  ): Promise<void> | undefined {
    const moment = ackMoment(message.options);
    if (moment === "before") {
      acks.push(true);
      // Alone in its read: its sender waits for just this.
      if (peer.parser.bufferedLength === 0) acks.sendSoon();
    }
    let pending: void | Promise<void>;
    try {
      pending = this.#handler(message);
    } catch (thrown) {
      this.#fault("handler", peer.connection.remoteAddress, thrown);
      if (moment === "after") acks.push(false);
      return undefined;
    }
    if (pending !== undefined) {
      return this.#processLater(peer, pending, moment === "after", acks);
    }
    if (moment === "after") acks.push(true);
    return undefined;
  }

  async #processLater(
    peer: Peer,
    pending: Promise<void>,
    ackAfter: boolean,
    acks: AckQueue,
  ): Promise<void> {
    let done = true;
    acks.sendSoon();
    try {
      await pending;
    } catch (thrown) {
      done = false;
      this.#fault("handler", peer.connection.remoteAddress, thrown);
    }
    if (ackAfter) acks.push(done);
  }

  async #serveDatagrams(socket: DatagramSocket): Promise<void> {
    try {
      for await (const datagram of socket) {
        try {
          await this.#serveDatagram(socket, datagram);
        } catch (thrown) {
          this.#fault("datagram", datagram.from, thrown);
        }
      }
    } catch (thrown) {
      this.#fault("listener", socket.address, thrown);
    }
  }

  async #serveDatagram(
    socket: DatagramSocket,
    datagram: Datagram,
  ): Promise<void> {
    // A datagram stands for itself: a bad one cannot spoil the next, as it does in Tomcat.
    const parser = new FrameParser({
      maxDataLength: this.#options.maxDataLength,
    });
    const decoder = new ChannelDataDecoder();
    parser.feed(datagram.data);
    for (let body = parser.next(); body !== undefined; body = parser.next()) {
      const message = decoder.decode(body);
      const moment = ackMoment(message.options);
      if (moment === "before") {
        await this.#answer(socket, ACK_COMMAND, datagram.from);
      }
      let reply = ACK_COMMAND;
      try {
        await this.#handler(message);
      } catch (thrown) {
        reply = FAIL_ACK_COMMAND;
        this.#fault("handler", datagram.from, thrown);
      }
      if (moment === "after") await this.#answer(socket, reply, datagram.from);
      if (this.#closing !== undefined) return;
    }
    parser.end();
  }

  /** An answer that cannot be sent does not take the message from the handler. */
  async #answer(
    socket: DatagramSocket,
    reply: Uint8Array,
    to: SocketAddress,
  ): Promise<void> {
    try {
      await socket.send(reply, to);
    } catch (thrown) {
      if (this.#closing === undefined) this.#fault("datagram", to, thrown);
    }
  }

  /** Makes room for a connection; false when every other one is at a message. */
  #makeRoom(connection: Connection): boolean {
    const { maxConnections } = this.#options;
    if (this.#peers.size < maxConnections) return true;
    const error = cannotKeep(`${maxConnections} are open`);
    let victim: Peer | undefined;
    for (const peer of this.#peers) {
      if (isEngaged(peer)) continue;
      if (victim === undefined || isBetterVictim(peer, victim)) victim = peer;
    }
    if (victim === undefined) {
      this.#fault("connection", connection.remoteAddress, error);
      return false;
    }
    this.#drop(victim, error);
    return true;
  }

  /** Takes a connection out at once: its loop ends by itself, and may take its time. */
  #drop(peer: Peer, error: TransportError): void {
    this.#connectionFault(peer, error);
    this.#peers.delete(peer);
    this.#release(peer);
    peer.connection.abort();
  }

  /** Keeps the total of unfinished messages, and the mark from which their pace is measured. */
  #account(peer: Peer): void {
    const { bufferedLength, offset } = peer.parser;
    if (
      bufferedLength > 0 && (peer.buffered === 0 || offset !== peer.message)
    ) {
      peer.message = offset;
      peer.checkpoint = this.#transport.clock.now();
      peer.checkpointBytes = bufferedLength;
    }
    const growth = bufferedLength - peer.buffered;
    if (growth > 0 && !this.#peers.has(peer)) return; // dropped meanwhile
    this.#buffered += growth;
    peer.buffered = bufferedLength;
    if (growth > 0) this.#relieve();
  }

  #release(peer: Peer): void {
    this.#buffered -= peer.buffered;
    peer.buffered = 0;
  }

  /** Drops those that hold most, so that many with little outlast one with much. */
  #relieve(): void {
    const { maxBufferedBytes } = this.#options;
    while (this.#buffered > maxBufferedBytes) {
      const error = cannotKeep(
        `unfinished messages hold ${this.#buffered} bytes, more than ${maxBufferedBytes}`,
      );
      const [first, ...others] = this.#peers;
      if (first === undefined) return;
      const largest = (a: Peer, b: Peer) => b.buffered > a.buffered ? b : a;
      this.#drop(others.reduce(largest, first), error);
    }
  }

  #startWatch(): Timer {
    const { clock } = this.#transport;
    const period = Math.max(1, Math.floor(this.#options.stallTimeout / 2));
    return clock.startTimer(period, () => {
      this.#watch = undefined;
      if (this.#closing !== undefined) return;
      const now = clock.now();
      for (const peer of this.#peers) {
        if (this.#hasStalled(peer, now)) {
          const { stallTimeout } = this.#options;
          this.#drop(
            peer,
            cannotKeep(
              `a message or an acknowledgement stood still for ${stallTimeout} ms`,
            ),
          );
        }
      }
      if (this.#peers.size > 0) this.#watch = this.#startWatch();
    });
  }

  #hasStalled(peer: Peer, now: number): boolean {
    const { stallTimeout } = this.#options;
    if (peer.busy) return false; // our handler's time
    const { writingSince } = peer.acks;
    if (writingSince !== undefined) {
      return now - writingSince >= stallTimeout;
    }
    const length = peer.parser.bufferedLength;
    if (length === 0) return false;
    if (length - peer.checkpointBytes >= STALL_BYTES) {
      peer.checkpoint = now;
      peer.checkpointBytes = length;
    }
    return now - peer.checkpoint >= stallTimeout;
  }

  /** A connection that was dropped has had its fault, and one that is closed has none. */
  #connectionFault(peer: Peer, thrown: unknown): void {
    if (this.#closing !== undefined || !this.#peers.has(peer)) return;
    this.#fault("connection", peer.connection.remoteAddress, thrown);
  }

  #fault(
    type: ReceiverFault["type"],
    remoteAddress: SocketAddress,
    thrown: unknown,
  ): void {
    this.#options.onFault({ type, remoteAddress, error: asError(thrown) });
  }
}

/** Tries ports one after another; port 0 needs one try. */
async function bindFrom<T>(
  first: number,
  tries: number,
  bind: (port: number) => Promise<T>,
): Promise<T> {
  const last = Math.min(first + tries - 1, MAX_PORT);
  for (let port = first;; port++) {
    try {
      return await bind(port);
    } catch (error) {
      const taken = error instanceof TransportError &&
        error.code === "address-in-use";
      if (!taken || first === 0 || port >= last) throw error;
    }
  }
}

/** In the middle of a message, of a peer that has finished one before. */
function isEngaged(peer: Peer): boolean {
  return peer.busy || peer.messages > 0 && peer.parser.bufferedLength > 0;
}

/** First who never finished a message, of these first who began none; then who is silent longest. */
function isBetterVictim(peer: Peer, victim: Peer): boolean {
  const fresh = peer.messages === 0;
  if (fresh !== (victim.messages === 0)) return fresh;
  const silent = peer.parser.bufferedLength === 0;
  if (silent !== (victim.parser.bufferedLength === 0)) return silent;
  return peer.active < victim.active;
}

function cannotKeep(state: string): TransportError {
  return new TransportError("closed", `Cannot keep the connection: ${state}`);
}
