// One connection of a front end, from its first byte to its last.
//
// Plan. One loop reads for as long as the connection lives, also while a handler is at work: so a front
// end that goes away is noticed, and bytes that nobody asked for are found before they are taken for a
// request. It is no danger to memory: a front end sends a request or the body packet that is due, and
// anything else ends the input.
//
// A request whose body fits one packet waits for that packet, which front ends send along: the handler
// then gets a body that is there as a whole.
//
// The end. After a reply that the front end must not follow with another request the output is ended,
// and what comes in is thrown away until the front end has closed its side, or for a while: a socket
// that is closed with bytes unread would take the reply from it.
//
// Time. Nothing here looks at a clock while requests come and go. {@linkcode FrontEnd.check} is called
// now and then, and compares what is waited for with what was waited for the last time.
import {
  ajpSecretMatches,
  AjpServerConnection,
  type AjpServerEvent,
  type AjpServerExchange,
  DecodeError,
  type ForwardRequest,
  isKnownAjpRequestAttribute,
  maxBodyPacketData,
  SC_A_REQ_ATTRIBUTE,
} from "../protocol/mod.ts";
import { asError } from "../transport/errors.ts";
import {
  type Clock,
  type Connection,
  type Timer,
  TransportError,
} from "../transport/types.ts";
import { isForbiddenMethod, refusesBody, requestUrl } from "./ajp_request.ts";
import { AjpResponseWriter } from "./ajp_response.ts";
import { AjpCall, type CallLink } from "./ajp_server_call.ts";
import type {
  AjpHandler,
  AjpServerFault,
  ResolvedAjpServerOptions,
} from "./ajp_server_options.ts";

/** What the connections of one server share. */
export interface FrontEndHost {
  readonly clock: Clock;
  readonly options: ResolvedAjpServerOptions;
  readonly handler: AjpHandler;
  /** Counts requests, to tell which connection was used last. */
  requests: number;
}

/** How long a front end that was told to close is waited for. */
const LINGER = 2000;

/** What is waited for, of the front end. */
type Wait = "greeting" | "request" | "packet" | "write" | "nothing";

/** A call whose handler waits for the one packet of the body. */
interface HeldCall {
  readonly call: AjpCall;
  readonly url: string;
  readonly bodyLength: number;
}

/** One connection. */
export class FrontEnd implements CallLink {
  readonly connection: Connection;
  /** Settles when the connection is closed and released; never rejects. */
  readonly served: Promise<void>;
  /** The server's count of requests at the last one of this connection; 0 before the first. */
  lastUsed = 0;
  readonly #host: FrontEndHost;
  readonly #machine: AjpServerConnection;
  #call: AjpCall | undefined;
  #held: HeldCall | undefined;
  #deaf = false; // no more input is taken
  #lost = false;
  #closing = false; // after the response
  #writes = 0;
  #written: Promise<void> = Promise.resolve(); // the last write
  #partial = false; // the last read gave no whole packet
  #moves = 0;
  #lingering: Timer | undefined;
  #seen: { wait: Wait; moves: number; since: number };

  /** Serves a connection until it ends. */
  constructor(connection: Connection, host: FrontEndHost) {
    this.connection = connection;
    this.#host = host;
    const { packetSize, maxHeaderCount } = host.options;
    this.#machine = new AjpServerConnection({ packetSize, maxHeaderCount });
    this.#seen = { wait: "greeting", moves: 0, since: host.clock.now() };
    this.served = this.#serve();
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#machine.state === "idle" && !this.#partial &&
      !this.#machine.bodyPacketDue && this.#writes === 0;
  }

  get ajpFlush(): boolean {
    return this.#host.options.ajpFlush;
  }

  get trusted(): boolean {
    return !this.#host.options.tomcatAuthentication;
  }

  get reuse(): boolean {
    return !this.#closing;
  }

  get lost(): boolean {
    return this.#lost;
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#writes++;
    const written = this.connection.write(bytes);
    this.#written = written;
    written.then(() => {
      this.#writes--;
      this.#moves++;
    }, () => this.drop());
    return written;
  }

  fault(type: AjpServerFault["type"], thrown: unknown): void {
    this.#host.options.onError({
      type,
      remoteAddress: this.connection.remoteAddress,
      error: asError(thrown),
    });
  }

  finished(): void {
    this.#call = undefined;
    if (this.#machine.state === "closed") this.#endOutput();
  }

  /** Closes the connection after the request in flight, at once without one. */
  close(): void {
    this.#closing = true;
    if (this.#call !== undefined || this.#deaf) return;
    if (this.#writes === 0) this.#shut();
    else this.#written.then(() => this.#shut(), () => {});
  }

  /** Drops the connection and gives up the request in flight. */
  drop(): void {
    this.#deaf = true;
    this.connection.abort();
  }

  /**
   * Closes the connection if the front end stood still for too long.
   *
   * @param now The clock's time.
   */
  check(now: number): void {
    const seen = this.#seen;
    const wait = this.#waitsFor();
    if (wait !== seen.wait || this.#moves !== seen.moves) {
      this.#seen = { wait, moves: this.#moves, since: now };
      return;
    }
    const timeout = this.#timeout(wait);
    if (timeout === -1 || now - seen.since < timeout) return;
    if (wait === "packet" || wait === "write") {
      const what = wait === "packet" ? "a packet" : "a reply";
      this.fault(
        "connection",
        new TransportError(
          "closed",
          `Cannot keep the connection: ${what} stood still for ${timeout} ms`,
        ),
      );
      this.drop();
    } else this.#shut();
  }

  #waitsFor(): Wait {
    if (this.#writes > 0) return "write";
    if (this.#deaf) return "nothing"; // it has a timer of its own
    if (this.#machine.bodyPacketDue || this.#partial) return "packet";
    if (this.#call !== undefined) return "nothing";
    return this.#moves === 0 ? "greeting" : "request";
  }

  #timeout(wait: Wait): number {
    const { options } = this.#host;
    switch (wait) {
      case "greeting":
        return options.connectionTimeout;
      case "request":
        return options.keepAliveTimeout;
      case "nothing":
        return -1;
      default:
        return options.stallTimeout;
    }
  }

  /** Never rejects. */
  async #serve(): Promise<void> {
    try {
      for await (const chunk of this.connection) {
        if (this.#deaf) continue;
        this.#machine.feed(chunk);
        this.#partial = !this.#machine.bodyPacketDue;
        const pending = this.#advance();
        if (pending !== undefined) await pending;
      }
      if (!this.#deaf) this.#machine.end();
    } catch (thrown) {
      if (thrown instanceof DecodeError) this.#call?.fail(thrown);
      if (!this.#deaf) this.fault("connection", thrown);
    }
    this.#deaf = true;
    this.#lost = true;
    this.#call?.lose(
      new DOMException("The connection to the front end is lost", "AbortError"),
    );
    await this.#release();
  }

  /** Takes what is there; a promise when something has to be waited for in between. */
  #advance(): Promise<void> | undefined {
    try {
      for (;;) {
        const event = this.#machine.next();
        if (event === undefined) return undefined;
        this.#moves++;
        this.#partial = false;
        const pending = this.#take(event);
        if (pending !== undefined) return pending.then(() => this.#advance());
      }
    } catch (error) {
      this.#refuseInput(error);
      return undefined;
    }
  }

  #take(event: AjpServerEvent): void | Promise<void> {
    switch (event.type) {
      case "request":
        if (this.#writes === 0) return this.#accept(event);
        // The last reply has not left: a front end that does not read gets no further ones.
        return this.#written.then(() => this.#accept(event));
      case "body":
        return this.#takeBody(event.data);
      case "bodyEnd":
        return this.#endBody(event.missing);
      case "rejected":
        this.#refuse(event.exchange, event.status, event.error);
        return undefined;
      case "cping":
        return this.write(this.#machine.cpong());
      default:
        this.#deaf = true;
        this.#shut();
        return undefined;
    }
  }

  #accept(event: AjpServerEvent & { type: "request" }): void {
    const { request, method, bodyLength, exchange } = event;
    const { options, handler } = this.#host;
    this.lastUsed = ++this.#host.requests;
    const call = new AjpCall(request, method, exchange, this);
    this.#call = call;
    const { secret } = options;
    if (secret !== null && !ajpSecretMatches(request, secret)) {
      return call.refuse(403, refusal("its secret is wrong or missing"));
    }
    const name = this.#refusedAttribute(request);
    if (name !== undefined) {
      const text = JSON.stringify(name);
      return call.refuse(403, refusal(`attribute ${text} is not allowed`));
    }
    if (isForbiddenMethod(method)) {
      const error = refusal(`${method} has no handler`);
      return call.refuse(501, error, this.reuse);
    }
    const url = requestUrl(request);
    if (url === undefined) {
      return call.refuse(400, refusal("its host or URI is malformed"));
    }
    if (bodyLength === 0) return call.begin(handler, url, null);
    const most = maxBodyPacketData(options.packetSize);
    if (
      bodyLength === undefined || bodyLength > most || refusesBody(method)
    ) return call.begin(handler, url, undefined);
    this.#held = { call, url, bodyLength };
    return undefined;
  }

  #takeBody(data: Uint8Array): void {
    const held = this.#held;
    if (held === undefined) return this.#call?.push(data);
    this.#held = undefined;
    const { call, url, bodyLength } = held;
    const whole = data.length === bodyLength;
    call.begin(this.#host.handler, url, whole ? data : undefined);
    if (!whole) call.push(data);
  }

  #endBody(missing: number): void {
    const held = this.#held;
    this.#held = undefined;
    held?.call.begin(this.#host.handler, held.url, undefined);
    if (missing === 0) return this.#call?.end();
    const state = `${missing} bytes of the content-length did not come`;
    this.#call?.fail(new DecodeError("truncated", "body", 0, state));
  }

  /** Name of an attribute that is not to be accepted. */
  #refusedAttribute({ attributes }: ForwardRequest): string | undefined {
    const pattern = this.#host.options.allowedRequestAttributesPattern;
    for (let i = 0; i < attributes.length; i++) {
      const { code, name } = attributes[i]!; // i < length
      if (code !== SC_A_REQ_ATTRIBUTE || name === null) continue;
      if (isKnownAjpRequestAttribute(name) || pattern?.test(name)) continue;
      return name;
    }
    return undefined;
  }

  #refuse(
    exchange: AjpServerExchange,
    status: number,
    error: DecodeError,
  ): void {
    this.fault("request", error);
    new AjpResponseWriter(exchange, this).sendPage(status, false);
    this.finished();
  }

  /** Bytes that break the protocol end the input; a request that is being served is served. */
  #refuseInput(error: unknown): void {
    if (!(error instanceof DecodeError)) throw error;
    this.#deaf = true;
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      return held.call.refuse(400, error);
    }
    this.fault("connection", error);
    if (this.#call === undefined) this.#shut();
    else this.#call.fail(error);
  }

  async #endOutput(): Promise<void> {
    this.#deaf = true;
    try {
      await this.connection.closeWrite();
    } catch {
      return this.drop();
    }
    if (this.#lost) return;
    this.#lingering = this.#host.clock.startTimer(LINGER, () => this.#shut());
  }

  /** Closes the connection; what was written still leaves. */
  #shut(): void {
    this.#deaf = true;
    this.connection.close().catch(() => {}); // whoever waits for its end waits for `served`
  }

  async #release(): Promise<void> {
    const { clock } = this.#host;
    this.#lingering?.cancel();
    const timer = clock.startTimer(LINGER, () => this.connection.abort());
    await this.connection.close().catch(() => {});
    timer.cancel();
  }
}

function refusal(state: string): Error {
  return new Error(`Cannot serve the request: ${state}`);
}
