// One request on one connection, from its first byte to the end of its response.
//
// Plan. `#take` takes events from the link until there is something to hand on. It is driven by one
// loop at a time: until the headers are there by `start`, then by the pulls of the response's stream,
// or, where the response has no body, by `#drain`. Nobody reads while the stream is full, so a slow
// reader slows the container down. The request's body goes its own way: each time the container asks
// for a part of it, `#answer` sends one as soon as there is one, whatever the response does meanwhile.
//
// Invariants. `#finish` is called once; it hands the link back, as good for the next request or to be
// thrown away, and nothing is read or written after it. The link is good only when the state machine
// saw the end of the response and nothing of the request's body is owed. The reply's deadline runs
// exactly while we wait for the container and the container does not wait for the request's body.
import {
  type AjpClientEvent,
  type AjpClientExchange,
  concatBytes,
} from "../protocol/mod.ts";
import type { Clock } from "../transport/mod.ts";
import type { BodySource } from "./ajp_client_body.ts";
import { Deadline } from "./ajp_client_deadline.ts";
import { AjpError, type AjpErrorCode } from "./ajp_client_error.ts";
import type { AjpLink } from "./ajp_client_link.ts";
import type { PreparedRequest } from "./ajp_client_request.ts";
import { hasBody, makeResponse } from "./ajp_client_response.ts";

/** Bytes of a response that are handed on at once. */
const GATHER = 65_536;
/** Bytes of a response that may wait for its reader, each chunk counted with its overhead. */
const READ_AHEAD = 65_536;
const CHUNK_OVERHEAD = 256;

type Head = Extract<AjpClientEvent, { type: "headers" }>;
type End = Extract<AjpClientEvent, { type: "end" }>;

/** Options of {@linkcode AjpExchange}. */
export interface AjpExchangeOptions {
  /** The clock of the link. */
  readonly clock: Clock;
  /** How long the container may be silent. */
  readonly replyTimeout: number;
  /** The request is over; called once, with whether the link can be used again. */
  readonly done: (reuse: boolean) => void;
}

/** One request on one connection. */
export class AjpExchange {
  readonly #link: AjpLink;
  readonly #request: PreparedRequest;
  readonly #done: (reuse: boolean) => void;
  readonly #deadline: Deadline;
  readonly #aborted: () => void;
  #source: BodySource | undefined;
  #sending: AjpClientExchange | undefined;
  #asking = false; // the container waits for the body, and so do we
  #waiting = false; // for the container
  #head: Head | undefined;
  #end: End | undefined;
  #parts: Uint8Array[] = [];
  #length = 0; // of the parts
  #controller:
    | ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
    | undefined;
  #over = false;

  /** Prepares the exchange; the link is its own until `done`. */
  constructor(
    link: AjpLink,
    request: PreparedRequest,
    { clock, replyTimeout, done }: AjpExchangeOptions,
  ) {
    this.#link = link;
    this.#request = request;
    this.#done = done;
    this.#aborted = () => this.#fail(request.signal?.reason);
    this.#deadline = new Deadline(
      clock,
      replyTimeout,
      () =>
        this.#fail(
          this.#error("timeout", `no reply within ${replyTimeout} ms`),
        ),
    );
  }

  /**
   * Sends the request.
   *
   * @returns The response, with its body to come.
   * @throws {EncodeError} When the request has no wire form.
   * @throws {AjpError} When there is no response.
   */
  async start(): Promise<Response> {
    try {
      this.#send();
      this.#take();
      while (this.#head === undefined) {
        await this.#wait();
        this.#take();
      }
      return this.#respond(this.#head);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #send(): void {
    const { body, signal, forward } = this.#request;
    signal?.throwIfAborted();
    const { bytes, exchange } = this.#link.begin(
      forward(this.#link.localAddress),
    );
    this.#sending = exchange;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    this.#source = body?.open();
    // The first part is sent unasked, together with the request if it is at hand.
    const { wanted } = exchange;
    const part = wanted === undefined ? undefined : this.#part(wanted);
    this.#link.write(
      part ? concatBytes([bytes, exchange.sendBody(part)]) : bytes,
    );
  }

  /**
   * Takes events.
   *
   * @returns `wait` when more has to be received, `full` when parts should be handed on, `end`.
   */
  #take(): "wait" | "full" | "end" {
    for (;;) {
      const event = this.#link.next();
      if (event === undefined) return "wait";
      this.#deadline.clear();
      switch (event.type) {
        case "headers":
          this.#head = event;
          break;
        case "body":
          this.#parts.push(event.data);
          this.#length += event.data.length;
          if (this.#length >= GATHER) return "full";
          break;
        case "bodyWanted":
          this.#answer(event.maxLength);
          break;
        case "end":
          this.#end = event;
          this.#finish(event.reuse, undefined);
          return "end";
      }
    }
  }

  async #wait(): Promise<void> {
    this.#waiting = true;
    this.#watch();
    await this.#link.receive();
    this.#waiting = false;
  }

  /** Lets the deadline run if it is the container's turn. */
  #watch(): void {
    if (this.#waiting && !this.#asking && !this.#over) this.#deadline.start();
    else this.#deadline.clear();
  }

  /** Sends a part of the request's body, or its end, as soon as it is there. */
  #answer(most: number): void {
    const sending = this.#sending;
    if (this.#over || sending === undefined) return;
    let part: Uint8Array | null | undefined;
    try {
      part = this.#part(most);
    } catch (error) {
      return this.#fail(error);
    }
    this.#asking = part === undefined;
    this.#watch();
    if (part === undefined) {
      void this.#source?.ready().then(() => this.#answer(most));
    } else {
      this.#link.write(
        part === null ? sending.endBody() : sending.sendBody(part),
      );
    }
  }

  #part(most: number): Uint8Array | null | undefined {
    // 0: all of the content-length was sent, and the container asks for its end.
    if (this.#source === undefined || most === 0) return null;
    try {
      return this.#source.take(most);
    } catch (cause) {
      throw this.#error("request-body", "its body failed", cause);
    }
  }

  #respond(head: Head): Response {
    const { method } = this.#request;
    if (!hasBody(method, head.status)) {
      const response = makeResponse(head, null);
      if (!this.#over) void this.#drain();
      return response;
    }
    if (this.#end?.missing === 0) return makeResponse(head, this.#gather());
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
        this.#handOn(controller);
      },
      pull: (controller) => this.#pull(controller),
      cancel: (reason) => this.#cancel(reason),
    }, {
      highWaterMark: READ_AHEAD,
      size: (chunk) => chunk.length + CHUNK_OVERHEAD,
    });
    return makeResponse(head, stream);
  }

  /** Waits for a part of the response, or its end, and hands it on. */
  async #pull(
    controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    try {
      while (this.#length === 0 && this.#end === undefined) {
        if (this.#take() !== "wait" || this.#length > 0) continue;
        await this.#wait();
        if (this.#over) return; // the link is another request's now
      }
      this.#handOn(controller);
    } catch (error) {
      this.#fail(error);
    }
  }

  #handOn(
    controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  ): void {
    if (this.#length > 0) controller.enqueue(this.#gather());
    if (this.#end === undefined) return;
    const { missing } = this.#end;
    if (missing === 0) return controller.close();
    controller.error(
      this.#error("truncated", `the response ends ${missing} bytes early`),
    );
  }

  /** What came, as one array of its own: a view would keep all that was read with it. */
  #gather(): Uint8Array<ArrayBuffer> {
    const bytes = concatBytes(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }

  /** Waits for the end of a response without a body. */
  async #drain(): Promise<void> {
    try {
      while (!this.#over) {
        if (this.#take() === "wait") await this.#wait();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The reader left. Only an end that is there already saves the connection. */
  #cancel(reason: unknown): void {
    if (this.#over) return;
    try {
      while (this.#take() === "full") this.#gather();
    } catch {
      // The link is lost, and nobody is left to tell.
    }
    this.#fail(reason ?? this.#error("closed", "the response was cancelled"));
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    // Before its request was begun the link is untouched, unless it was lost before that.
    if (this.#sending !== undefined) this.#link.abort(error);
    this.#finish(this.#link.isOpen, error);
    this.#controller?.error(error);
  }

  #finish(reuse: boolean, error: unknown): void {
    this.#over = true;
    this.#deadline.cancel();
    this.#request.signal?.removeEventListener("abort", this.#aborted);
    this.#source?.cancel(error);
    this.#done(reuse);
  }

  #error(code: AjpErrorCode, state: string, cause?: unknown): AjpError {
    return new AjpError(code, `Cannot fetch ${this.#request.name}: ${state}`, {
      requestSent: this.#link.requestSent,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
