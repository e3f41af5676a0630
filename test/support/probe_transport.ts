// A transport that counts what is open and what was asked for, and fails on demand.
import {
  type CancelOptions,
  type Clock,
  type Connection,
  type Datagram,
  type DatagramOptions,
  type DatagramSocket,
  type Listener,
  type SocketAddress,
  type Timer,
  type Transport,
  TransportError,
} from "../../transport/types.ts";

/** Passes everything on to another transport, and watches. */
export class ProbeTransport implements Transport {
  readonly clock: Clock;
  /** Options of each bind that was tried. */
  readonly binds: DatagramOptions[] = [];
  /** Each datagram that was sent, or was to be sent. */
  readonly sent: Uint8Array[] = [];
  /** Each chunk that was written to a connection, with its destination. */
  readonly written: {
    readonly to: SocketAddress;
    readonly bytes: Uint8Array;
  }[] = [];
  /** Addresses of connects that were tried. */
  readonly connects: SocketAddress[] = [];
  /** Whether binding a datagram socket fails. */
  failBinds = false;
  /** Whether connecting fails. */
  failConnects = false;
  /** Holds connects and binds back until it settles. */
  gate: Promise<void> | undefined;
  /** Whether sending a datagram fails. */
  failSends = false;
  /** Timers that run. */
  readonly timers: Set<Timer> = new Set();
  /** Sockets that are open. */
  readonly sockets: Set<object> = new Set();
  readonly #inner: Transport;
  readonly #datagrams: Set<ProbeDatagramSocket> = new Set();

  constructor(inner: Transport) {
    this.#inner = inner;
    this.clock = {
      now: () => inner.clock.now(),
      wallTime: () => inner.clock.wallTime(),
      startTimer: (delay, callback) => this.#startTimer(delay, callback),
    };
  }

  /** What is open: `{ timers: 0, sockets: 0 }` when nothing is left over. */
  get open(): { readonly timers: number; readonly sockets: number } {
    return { timers: this.timers.size, sockets: this.sockets.size };
  }

  /** Lets reading every datagram socket fail, once. */
  failReceiving(): void {
    for (const socket of this.#datagrams) socket.fail();
  }

  async connect(
    address: SocketAddress,
    options?: CancelOptions,
  ): Promise<Connection> {
    this.connects.push(address);
    await this.gate;
    if (this.failConnects) {
      throw new TransportError("unreachable", "Cannot connect: told so");
    }
    return this.#keep(
      new ProbeConnection(await this.#inner.connect(address, options), this),
    );
  }

  async listen(
    address: SocketAddress,
    options?: CancelOptions,
  ): Promise<Listener> {
    return this.#keep(
      new ProbeListener(await this.#inner.listen(address, options), this),
    );
  }

  async bindDatagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    this.binds.push(options);
    await this.gate;
    if (this.failBinds) {
      throw new TransportError("failed", "Cannot bind: told so");
    }
    const socket = this.#keep(
      new ProbeDatagramSocket(await this.#inner.bindDatagram(options), this),
    );
    this.#datagrams.add(socket);
    return socket;
  }

  localAddresses(): readonly string[] {
    return this.#inner.localAddresses();
  }

  #keep<Socket extends object>(socket: Socket): Socket {
    this.sockets.add(socket);
    return socket;
  }

  #startTimer(delay: number, callback: () => void): Timer {
    const running = this.#inner.clock.startTimer(delay, () => {
      this.timers.delete(timer);
      callback();
    });
    const timer: Timer = {
      cancel: () => {
        this.timers.delete(timer);
        running.cancel();
      },
    };
    this.timers.add(timer);
    return timer;
  }
}

class ProbeConnection implements Connection {
  readonly #inner: Connection;
  readonly #probe: ProbeTransport;

  constructor(inner: Connection, probe: ProbeTransport) {
    this.#inner = inner;
    this.#probe = probe;
  }

  get localAddress(): SocketAddress {
    return this.#inner.localAddress;
  }

  get remoteAddress(): SocketAddress {
    return this.#inner.remoteAddress;
  }

  write(chunk: Uint8Array): Promise<void> {
    this.#probe.written.push({ to: this.remoteAddress, bytes: chunk.slice() });
    return this.#inner.write(chunk);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): Promise<void> {
    this.#probe.sockets.delete(this);
    return this.#inner.close();
  }

  abort(): void {
    this.#probe.sockets.delete(this);
    this.#inner.abort();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#inner[Symbol.asyncIterator]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class ProbeListener implements Listener {
  readonly #inner: Listener;
  readonly #probe: ProbeTransport;

  constructor(inner: Listener, probe: ProbeTransport) {
    this.#inner = inner;
    this.#probe = probe;
  }

  get address(): SocketAddress {
    return this.#inner.address;
  }

  close(): Promise<void> {
    this.#probe.sockets.delete(this);
    return this.#inner.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Connection> {
    for await (const accepted of this.#inner) {
      const connection = new ProbeConnection(accepted, this.#probe);
      this.#probe.sockets.add(connection);
      yield connection;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class ProbeDatagramSocket implements DatagramSocket {
  readonly #inner: DatagramSocket;
  readonly #probe: ProbeTransport;
  #fail: ((error: Error) => void) | undefined;

  constructor(inner: DatagramSocket, probe: ProbeTransport) {
    this.#inner = inner;
    this.#probe = probe;
  }

  get address(): SocketAddress {
    return this.#inner.address;
  }

  fail(): void {
    this.#fail?.(new TransportError("failed", "Cannot receive: told so"));
  }

  async send(data: Uint8Array, to: SocketAddress): Promise<void> {
    this.#probe.sent.push(data.slice());
    if (this.#probe.failSends) {
      throw new TransportError("failed", "Cannot send: told so");
    }
    await this.#inner.send(data, to);
  }

  close(): Promise<void> {
    this.#probe.sockets.delete(this);
    return this.#inner.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Datagram> {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // it may come when nobody reads
    this.#fail = reject;
    const iterator = this.#inner[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([iterator.next(), promise]);
      if (next.done) return;
      yield next.value;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
