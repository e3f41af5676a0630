// Sends a Response.
//
// Plan. What the body gives at once is gathered. When that is all of it, the response goes out in one
// write, with its content-length; that is the way of every body made of text or bytes. Otherwise the
// headers go with what there is, and each further part when it comes.
//
// - The next part is read only when the last one has left for the operating system, but for one part
//   that is read ahead: so that we know whether it is the last.
// - When the stream pauses and everything is written, the front end is told to pass on what it has.
// - Before the headers are sent a fault becomes a constant page. After them nothing can be taken back:
//   the response ends with the order to close the connection, as in Tomcat.
import {
  type AjpHeader,
  ajpResponseHeader,
  type AjpServerExchange,
  concatBytes,
} from "../protocol/mod.ts";
import { BodyReader } from "./ajp_response_body.ts";
import { errorPage } from "./ajp_response_page.ts";

/** What a response needs to know of its connection. */
export interface ResponseLink {
  /** Whether a pause in the body is followed by a flush. */
  readonly ajpFlush: boolean;
  /** Whether the connection may be used again after the response. */
  readonly reuse: boolean;
  /** Whether the front end is gone: nothing is sent any more. */
  readonly lost: boolean;
  /** Writes bytes; the promise may be left alone. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** Bytes that are gathered or written at a time. */
const PIECE = 65_536;
/** Parts of a response that are together not longer leave in one write. */
const JOINED = 32_768;

/** Sends the response to one request. */
export class AjpResponseWriter {
  readonly #exchange: AjpServerExchange;
  readonly #link: ResponseLink;
  #reader: BodyReader | undefined;

  /** Starts with nothing sent. */
  constructor(exchange: AjpServerExchange, link: ResponseLink) {
    this.#exchange = exchange;
    this.#link = link;
  }

  /**
   * Sends a response to its end. When the front end is gone its body is cancelled.
   *
   * @throws {Error} What was wrong with the response, after it was ended as well as it can be.
   */
  async send(response: Response): Promise<void> {
    try {
      await this.#send(response);
    } catch (error) {
      this.#reader?.cancel(error);
      if (!this.#link.lost) this.#giveUp();
      throw error;
    }
  }

  /** Sends a constant page, and the order to close the connection unless it may be used again. */
  sendPage(status: number, reuse: boolean): void {
    const exchange = this.#exchange;
    const { headers, body } = errorPage(status);
    const content = exchange.hasBody ? body : EMPTY;
    this.#link.write(exchange.respond(status, headers, content, reuse));
  }

  /** Stops reading the body. */
  cancel(reason: unknown): void {
    this.#reader?.cancel(reason);
  }

  async #send(response: Response): Promise<void> {
    if (!(response instanceof Object && response.headers instanceof Headers)) {
      throw new TypeError("Cannot send what the handler gave: no Response");
    }
    const { status, body } = response;
    if (status < 200 || status > 599) {
      throw new RangeError(`Cannot send status ${status}: not 200 to 599`);
    }
    if (response.bodyUsed) {
      throw new TypeError("Cannot send the response: its body has been read");
    }
    const headers = new ResponseHeaders(response.headers);
    if (!this.#exchange.hasBody || !mayHaveBody(status)) {
      body?.cancel().catch(() => {}); // nobody would read it
      this.#respond(status, headers.list, EMPTY);
      return;
    }
    if (body === null) return this.#sendWhole(status, headers, EMPTY);
    const reader = new BodyReader(body);
    this.#reader = reader;
    const first = await reader.gather(PIECE);
    if (this.#link.lost) return;
    if (reader.ended) return this.#sendWhole(status, headers, first);
    await this.#sendStream(status, headers, first, reader);
  }

  #respond(status: number, headers: readonly AjpHeader[], body: Uint8Array) {
    const { reuse } = this.#link;
    this.#link.write(this.#exchange.respond(status, headers, body, reuse));
  }

  /** Sends a body that is there as a whole; a promise only where it is worth waiting for. */
  #sendWhole(
    status: number,
    headers: ResponseHeaders,
    body: Uint8Array,
  ): Promise<void> | undefined {
    headers.setLength(body.length);
    if (body.length > JOINED) {
      const head = this.#exchange.sendHeaders(status, headers.list);
      return this.#sendPart(head, body, true);
    }
    this.#respond(status, headers.list, body);
    return undefined;
  }

  async #sendStream(
    status: number,
    headers: ResponseHeaders,
    first: Uint8Array,
    reader: BodyReader,
  ): Promise<void> {
    let head = this.#exchange.sendHeaders(status, headers.list);
    let left = headers.length ?? 0;
    for (let part = first;; part = await reader.gather(PIECE)) {
      await this.#sendPart(head, part, reader.ended);
      left -= part.length;
      if (reader.ended) break;
      head = EMPTY;
      if (!reader.ready && this.#link.ajpFlush) {
        await this.#link.write(this.#exchange.flush());
      }
      await reader.wait();
    }
    if (left > 0) {
      throw new RangeError(
        `Cannot send the body: ${left} bytes of the content-length are missing`,
      );
    }
  }

  /** Sends headers, if they are still to be sent, and a part of the body. */
  async #sendPart(
    head: Uint8Array<ArrayBuffer>,
    part: Uint8Array,
    last: boolean,
  ): Promise<void> {
    for (let from = 0; from === 0 || from < part.length; from += PIECE) {
      const chunks = this.#exchange.sendBodyChunk(
        part.subarray(from, from + PIECE),
      );
      const end = last && from + PIECE >= part.length
        ? this.#exchange.endResponse(this.#link.reuse)
        : EMPTY;
      await this.#write(from === 0 ? head : EMPTY, chunks, end);
    }
  }

  /** Small packets that go out together cost one write. */
  #write(...packets: Uint8Array<ArrayBuffer>[]): Promise<void> {
    let length = 0;
    for (const packet of packets) length += packet.length;
    if (length <= JOINED) return this.#link.write(concatBytes(packets));
    let written = Promise.resolve();
    for (const packet of packets) {
      if (packet.length > 0) written = this.#link.write(packet);
    }
    return written;
  }

  #giveUp(): void {
    const exchange = this.#exchange;
    if (exchange.ended) return;
    if (exchange.headersSent) this.#link.write(exchange.endResponse(false));
    else this.sendPage(500, this.#link.reuse);
  }
}

/** Headers as AJP has them. */
class ResponseHeaders {
  readonly list: AjpHeader[] = [];
  /** The content-length that the application gave. */
  length: number | undefined;

  constructor(headers: Headers) {
    headers.forEach((value, name) => {
      if (HOP_BY_HOP.has(name)) return;
      if (name === "content-length") this.length = Number(value);
      this.list.push(ajpResponseHeader(name, value));
    });
  }

  /** Says how long the body is, unless the application did. */
  setLength(length: number): void {
    if (this.length === undefined) {
      this.list.push(ajpResponseHeader("content-length", String(length)));
    } else if (this.length !== length) {
      throw new RangeError(
        `Cannot send the body: ${length} bytes, and the content-length is ${this.length}`,
      );
    }
  }
}

const EMPTY = new Uint8Array();
// What concerns the front end's connection with its client, and is the front end's to say.
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}
