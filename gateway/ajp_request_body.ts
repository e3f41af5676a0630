import type { AjpServerExchange } from "../protocol/mod.ts";

/**
 * The body of one request, pulled: GET_BODY_CHUNK goes out when the application reads and nothing is
 * there, never before. At most one packet waits here, the first of a content-length, which comes unasked.
 */
export class AjpRequestBody {
  readonly #exchange: AjpServerExchange;
  readonly #write: (bytes: Uint8Array<ArrayBuffer>) => void;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #controller:
    | ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
    | undefined;
  #part: Uint8Array<ArrayBuffer> | undefined;
  #pulled: (() => void) | undefined; // settles the pull that waits
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /**
   * Starts with no bytes.
   *
   * @param write Sends the question for more.
   */
  constructor(
    exchange: AjpServerExchange,
    write: (bytes: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.#exchange = exchange;
    this.#write = write;
  }

  /** The stream, made when it is first asked for. */
  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stream ??= this.#makeStream();
    return this.#stream;
  }

  /** Takes a part; copied, since it is a view of what the socket read. */
  push(data: Uint8Array): void {
    if (this.#ended) return;
    this.#part = data.slice();
    this.#deliver();
  }

  /** Takes the end. */
  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  /** Ends the body with the response: nothing more can be read. */
  abandon(): void {
    if (this.#ended || this.#stream === undefined) this.#ended = true;
    else this.fail(new TypeError("Cannot read the body: the response is over"));
  }

  /** Ends the body with an error, unless it has ended. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = { error };
    this.#deliver();
  }

  #makeStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
        this.#deliver();
      },
      pull: () => this.#pull(),
      cancel: () => {
        this.#ended = true;
        this.#controller = undefined;
        this.#part = undefined;
      },
    }, { highWaterMark: 0 });
  }

  #pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#pulled = resolve;
      this.#deliver();
      if (this.#pulled === undefined || this.#exchange.bodyPacketDue) return;
      this.#write(this.#exchange.getBodyChunk());
    });
  }

  /** Hands on the part where one is asked for, and the end as soon as nothing is before it. */
  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if (this.#part !== undefined && this.#pulled !== undefined) {
      controller.enqueue(this.#part);
      this.#part = undefined;
      this.#settle();
    }
    if (this.#failure !== undefined) controller.error(this.#failure.error);
    else if (!this.#ended || this.#part !== undefined) return;
    else controller.close();
    this.#controller = undefined;
    this.#settle();
  }

  #settle(): void {
    this.#pulled?.();
    this.#pulled = undefined;
  }
}
