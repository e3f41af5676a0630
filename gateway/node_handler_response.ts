// Makes a Response of what is written to a node:http ServerResponse.
import { Buffer } from "node:buffer";
import {
  type IncomingMessage,
  type OutgoingHttpHeaders,
  ServerResponse,
} from "node:http";
import { define, defineGetters } from "./node_handler_property.ts";

/** A part of a response that waits to be pulled. */
interface Part {
  readonly bytes: Uint8Array;
  /** Called when it is taken. */
  readonly taken: (() => void) | undefined;
}

/** Bytes of a response that may wait before `write` says no. */
const HIGH_WATER_MARK = 65_536;

/** A response on its way from a ServerResponse to a Response. */
export class NodeExchange {
  readonly response: ServerResponse;
  /** The response, when it begins. */
  readonly begun: Promise<Response>;
  readonly #message: IncomingMessage;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #parts: Part[] = [];
  #queued = 0; // bytes
  #headersSet = false; // no header can be changed any more
  #streaming = false;
  #bodiless = false; // whatever is written is dropped
  #ended = false;
  #finished = false;
  #closed = false;
  #needDrain = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #pulled: (() => void) | undefined; // settles the pull that waits

  constructor(message: IncomingMessage, signal: AbortSignal) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.begun = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#message = message;
    this.response = new ServerResponse(message);
    this.#replaceMethods();
    const destroy = () => this.destroy(signal.reason);
    signal.addEventListener("abort", destroy, { once: true });
    message.socket.once("close", () => this.destroy());
  }

  /** Cuts the response off; what is over is left alone. */
  destroy(reason?: unknown): void {
    if (this.#closed) return;
    const error = reason ?? new Error("The response was destroyed");
    if (!this.#finished) {
      this.#reject(error);
      this.#controller?.error(error);
      if (!this.#message.destroyed) this.#message.destroy(asError(error));
    }
    this.#close();
  }

  #replaceMethods(): void {
    const { response } = this;
    const { socket } = this.#message;
    define(response, {
      req: this.#message,
      socket,
      connection: socket,
      writeHead: (...args: [number, ...unknown[]]) => this.#writeHead(...args),
      // What middleware calls that waits for the headers: on-headers, compression.
      _implicitHeader: () => response.writeHead(response.statusCode),
      flushHeaders: () => this.#start(),
      write: (...args: unknown[]) => this.#write(...args),
      end: (...args: unknown[]) => this.#end(...args),
      destroy: (error?: Error) => {
        this.destroy(error);
        return response;
      },
      cork: () => {},
      uncork: () => {},
      writeContinue: callLast,
      writeProcessing: callLast,
      writeEarlyHints: (_hints: unknown, done?: unknown) => callLast(done),
    });
    defineGetters(response, {
      headersSent: () => this.#headersSet,
      // What node:http looks at before it changes a header.
      _header: () => this.#headersSet ? "sent" : null,
      finished: () => this.#ended,
      writableEnded: () => this.#ended,
      writableFinished: () => this.#finished,
      writableLength: () => this.#queued,
      writableHighWaterMark: () => HIGH_WATER_MARK,
      writableNeedDrain: () => this.#needDrain,
      destroyed: () => this.#closed && !this.#finished,
      closed: () => this.#closed,
    });
  }

  #writeHead(status: number, ...rest: unknown[]): ServerResponse {
    if (this.#headersSet) throw headersSentError();
    const { response } = this;
    response.statusCode = status;
    const headers = rest.at(-1);
    if (Array.isArray(headers)) {
      for (let i = 0; i + 1 < headers.length; i += 2) {
        response.removeHeader(headers[i]);
      }
      for (let i = 0; i + 1 < headers.length; i += 2) {
        response.appendHeader(headers[i], headers[i + 1]);
      }
    } else if (typeof headers === "object" && headers !== null) {
      for (
        const [name, value] of Object.entries(headers as OutgoingHttpHeaders)
      ) {
        if (value !== undefined) response.setHeader(name, value);
      }
    }
    this.#headersSet = true;
    return response;
  }

  /** Begins the response, with a body that is written from now on. */
  #start(): void {
    if (this.#streaming || this.#closed) return;
    this.#streaming = true;
    this.#begin(() =>
      new ReadableStream({
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => this.destroy(reason),
      }, { highWaterMark: 0 })
    );
  }

  #begin(body: () => BodyInit | null): void {
    const { response } = this;
    // By way of the object: middleware puts its own in the place of `writeHead`.
    if (!this.#headersSet) response.writeHead(response.statusCode);
    const { statusCode: status } = response;
    this.#bodiless = this.#message.method === "HEAD" || status === 204 ||
      status === 205 || status === 304;
    try {
      const headers = new Headers();
      for (const [name, value] of Object.entries(response.getHeaders())) {
        for (const one of [value ?? []].flat()) headers.append(name, `${one}`);
      }
      const init = { status, headers };
      this.#resolve(new Response(this.#bodiless ? null : body(), init));
    } catch (error) {
      this.destroy(error);
    }
  }

  #write(...args: unknown[]): boolean {
    const taken = callbackOf(args);
    const fault = this.#ended
      ? "write after end"
      : this.#closed
      ? "the response is over"
      : undefined;
    if (fault !== undefined) {
      const error = new Error(`Cannot write to the response: ${fault}`);
      queueMicrotask(() => taken?.(error));
      return false;
    }
    const bytes = bytesOf(args);
    this.#start();
    this.#add(bytes, taken);
    this.#needDrain ||= this.#queued >= HIGH_WATER_MARK;
    return !this.#needDrain;
  }

  #end(...args: unknown[]): ServerResponse {
    const { response } = this;
    const done = callbackOf(args);
    if (done !== undefined) {
      if (this.#finished) queueMicrotask(done);
      else response.once("finish", done);
    }
    if (this.#ended || this.#closed) return response;
    const hasPart = args[0] !== undefined && args[0] !== null &&
      typeof args[0] !== "function";
    const bytes = hasPart ? bytesOf(args) : undefined;
    this.#ended = true;
    if (!this.#streaming) {
      // A body that is there as a whole needs no stream.
      this.#begin(() => bytes as BodyInit | undefined ?? null);
      this.#finish();
    } else {
      if (bytes !== undefined) this.#add(bytes, undefined);
      if (this.#bodiless) this.#finish();
      else this.#deliver();
    }
    return response;
  }

  #add(bytes: Uint8Array, taken: (() => void) | undefined): void {
    if (this.#bodiless || bytes.length === 0) {
      if (taken !== undefined) queueMicrotask(taken);
      return;
    }
    this.#parts.push({ bytes, taken });
    this.#queued += bytes.length;
    this.#deliver();
  }

  #pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#pulled = resolve;
      this.#deliver();
    });
  }

  /** Hands on a part where one is asked for, and the end when nothing is before it. */
  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined || this.#closed) return;
    if (this.#pulled !== undefined) {
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.#queued -= part.bytes.length;
        controller.enqueue(part.bytes);
        this.#pulled();
        this.#pulled = undefined;
        if (part.taken !== undefined) queueMicrotask(part.taken);
      }
    }
    if (this.#parts.length > 0) return;
    if (this.#ended) {
      this.#controller = undefined;
      controller.close();
      this.#pulled?.();
      this.#finish();
    } else if (this.#needDrain) {
      this.#needDrain = false;
      queueMicrotask(() => this.response.emit("drain"));
    }
  }

  #finish(): void {
    if (this.#finished || this.#closed) return;
    this.#finished = true;
    queueMicrotask(() => {
      if (!this.#closed) this.response.emit("finish");
      this.#close();
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.length = 0;
    this.response.emit("close");
    this.#message.socket.destroy();
  }
}

/** The bytes of a part, which may be text in an encoding. */
function bytesOf([part, encoding]: readonly unknown[]): Uint8Array {
  if (part instanceof Uint8Array) return part;
  if (typeof part !== "string") {
    throw new TypeError(
      "Cannot write to the response: not a string or Uint8Array",
    );
  }
  const name = typeof encoding === "string" ? encoding : "utf8";
  return Buffer.from(part, name as BufferEncoding);
}

function callbackOf(
  args: readonly unknown[],
): ((error?: Error) => void) | undefined {
  const last = args.at(-1);
  return typeof last === "function" ? last as () => void : undefined;
}

function callLast(...args: readonly unknown[]): void {
  callbackOf(args)?.();
}

function headersSentError(): Error {
  const error = new Error("Cannot set headers: they have been sent");
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
