// One request on the container's side, and the reply to it.
//
// It is an object of its own so that a reply cannot land in another's: when the response is over,
// every method of it throws.
import { EncodeError } from "../errors.ts";
import { AjpWriter } from "./ajp_writer.ts";
import { ajpBodyLength } from "./body_length.ts";
import { byteLengthEndResponse, encodeEndResponse } from "./end_response.ts";
import { encodeGetBodyChunk } from "./get_body_chunk.ts";
import type { AjpHeader } from "./header.ts";
import { headerFault, withoutControls } from "./header_rules.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  checkPacketLength,
  JK_AJP13_SEND_BODY_CHUNK,
  maxBodyPacketData,
  maxSendBodyChunkData,
} from "./packet.ts";
import type { AjpPacketParser } from "./packet_parser.ts";
import { responseBodyLimit, responseHasBody } from "./response_length.ts";
import {
  byteLengthSendHeaders,
  encodeSendHeaders,
  type SendHeaders,
  writeSendHeaders,
} from "./send_headers.ts";

/**
 * The reply to one request. Its methods give the bytes to write, in the order of the calls, and
 * throw a `TypeError` where the conversation does not allow them: always when the response is over.
 */
export interface AjpServerExchange {
  /** Whether status and headers have been given. */
  readonly headersSent: boolean;
  /** Whether the response may have a body; false for HEAD and, from the headers on, 204, 205, 304. */
  readonly hasBody: boolean;
  /** Whether the request's body has ended, as far as packets were pulled. */
  readonly bodyEnded: boolean;
  /** Whether a body packet is to come: unasked for the first of a content-length, else asked for. */
  readonly bodyPacketDue: boolean;
  /** Whether the response is over. */
  readonly ended: boolean;
  /** Whether the connection can be used again, as far as is known. */
  readonly reuse: boolean;

  /**
   * Writes status and headers, once.
   *
   * Control characters in values become spaces, as in Tomcat. After an `EncodeError` nothing is
   * written, and other headers may be tried.
   *
   * @param status Status, 100 to 999.
   * @param headers Headers in their order.
   * @param message Reason phrase; the status as text by default, as Tomcat writes it.
   * @throws {EncodeError} `too-large` for the packet, `out-of-range`, `malformed`.
   */
  sendHeaders(
    status: number,
    headers: readonly AjpHeader[],
    message?: string,
  ): Uint8Array<ArrayBuffer>;

  /**
   * Writes a whole response as one array, for one write: the same bytes as headers, body and end one
   * after another. After an `EncodeError` nothing is written.
   *
   * @param status Status, 100 to 999.
   * @param headers Headers in their order.
   * @param body All of the body; none where there is no body.
   * @param reuse Whether the connection may be used again, as in `endResponse`.
   * @throws {EncodeError} As `sendHeaders`; `too-large` for a body beyond the content-length, or where
   * there is no body.
   */
  respond(
    status: number,
    headers: readonly AjpHeader[],
    body: Uint8Array,
    reuse?: boolean,
  ): Uint8Array<ArrayBuffer>;

  /**
   * Writes a part of the body, in as many packets as it takes.
   *
   * @param data Bytes of the body; none writes nothing.
   * @throws {EncodeError} `too-large` beyond the content-length, or where there is no body.
   */
  sendBodyChunk(data: Uint8Array): Uint8Array<ArrayBuffer>;

  /** Asks the front end to pass on what it has of the body. */
  flush(): Uint8Array<ArrayBuffer>;

  /**
   * Asks for the next part of the request's body.
   *
   * Not before the first part of a content-length, which comes by itself. Once all of a
   * content-length has come it is allowed once more, as Tomcat does, and not needed.
   */
  getBodyChunk(): Uint8Array<ArrayBuffer>;

  /**
   * Ends the response. A body packet that is due is swallowed when it comes.
   *
   * @param reuse Whether the connection may be used again. Written as false all the same after an
   * error of the front end, or when the body is shorter than the content-length.
   */
  endResponse(reuse?: boolean): Uint8Array<ArrayBuffer>;
}

/** What a connection and its exchanges share. */
export interface ServerLink {
  /** Greatest packet. */
  readonly packetSize: number;
  /** What came and was not pulled. */
  readonly parser: AjpPacketParser;
  /** Bytes fed. */
  fed: number;
  /** Offset in the stream before which no request may start: the front end could not know it may. */
  fence: number;
  /** The request under way. */
  current: AjpServerExchange | undefined;
  /** Whether a body packet is to come. */
  bodyDue: boolean;
  /** Bytes of a content-length still to come; -1 without one. */
  bodyLeft: number;
  /** Whether the body's end is known: by count, or by an empty packet. */
  bodyEnded: boolean;
  /** Whether the front end said that the body has ended, or there is none. */
  bodyClosed: boolean;
  /** Whether no more input is wanted: the connection is to be closed. */
  closing: boolean;
}

/** The reply to one request. */
export class ServerExchange implements AjpServerExchange {
  readonly #link: ServerLink;
  readonly #method: string;
  #hasBody: boolean;
  #headersSent = false;
  #left = -1; // bytes that the response's body may still have; -1 for any number

  /** Starts the exchange that is under way from now on. */
  constructor(link: ServerLink, method: string) {
    this.#link = link;
    this.#method = method;
    this.#hasBody = method !== "HEAD";
    link.current = this;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  get hasBody(): boolean {
    return this.#hasBody;
  }

  get bodyEnded(): boolean {
    return this.ended || this.#link.bodyEnded;
  }

  get bodyPacketDue(): boolean {
    return !this.ended && this.#link.bodyDue;
  }

  get ended(): boolean {
    return this.#link.current !== this;
  }

  get reuse(): boolean {
    return !this.#link.closing;
  }

  sendHeaders(
    status: number,
    headers: readonly AjpHeader[],
    message: string = String(status),
  ): Uint8Array<ArrayBuffer> {
    const { packet, limit } = this.#head(status, headers, message);
    const bytes = encodeSendHeaders(packet, this.#link.packetSize);
    this.#commit(status, limit);
    return bytes;
  }

  respond(
    status: number,
    headers: readonly AjpHeader[],
    body: Uint8Array,
    reuse = true,
  ): Uint8Array<ArrayBuffer> {
    const { packet, limit } = this.#head(status, headers, String(status));
    const { packetSize } = this.#link;
    const most = maxSendBodyChunkData(packetSize);
    const length = checkPacketLength(byteLengthSendHeaders(packet), packetSize);
    checkBodyLength(body, limit, responseHasBody(this.#method, status));
    const end = length + byteLengthChunks(body, most);
    const writer = new AjpWriter(end + byteLengthEndResponse());
    writeSendHeaders(writer, packet);
    this.#commit(status, limit);
    if (this.#left >= 0) this.#left -= body.length;
    writeChunks(writer.bytes, length, body, most);
    writer.bytes.set(this.endResponse(reuse), end);
    return writer.bytes;
  }

  sendBodyChunk(data: Uint8Array): Uint8Array<ArrayBuffer> {
    this.#checkCommitted("send a body");
    checkBodyLength(data, this.#left, this.#hasBody);
    if (this.#left >= 0) this.#left -= data.length;
    const most = maxSendBodyChunkData(this.#link.packetSize);
    const bytes = new Uint8Array(byteLengthChunks(data, most));
    writeChunks(bytes, 0, data, most);
    return bytes;
  }

  flush(): Uint8Array<ArrayBuffer> {
    this.#checkCommitted("flush");
    const bytes = new Uint8Array(CHUNK_OVERHEAD);
    writeChunkHead(bytes, 0, 0);
    return bytes;
  }

  getBodyChunk(): Uint8Array<ArrayBuffer> {
    this.#checkCurrent("ask for a body");
    const link = this.#link;
    if (link.closing || link.bodyClosed || link.bodyDue) {
      const why = link.bodyDue && !link.closing
        ? "a body packet is due"
        : "none is to come";
      throw new TypeError(`Cannot ask for a body: ${why}`);
    }
    link.bodyDue = true;
    return encodeGetBodyChunk({
      type: "getBodyChunk",
      requested: maxBodyPacketData(link.packetSize),
    });
  }

  endResponse(reuse = true): Uint8Array<ArrayBuffer> {
    this.#checkCommitted("end the response");
    const link = this.#link;
    // What came unasked for was sent before the front end could know that it may.
    const unasked = !link.bodyDue && link.parser.bufferedLength > 0;
    if (!reuse || unasked || this.#left > 0) {
      link.closing = true;
    }
    link.fence = link.fed;
    link.current = undefined;
    return encodeEndResponse({ type: "endResponse", reuse: !link.closing });
  }

  /** Status and headers, checked, and how much body they allow. */
  #head(
    status: number,
    headers: readonly AjpHeader[],
    message: string,
  ): { readonly packet: SendHeaders; readonly limit: number } {
    this.#checkCurrent("send headers");
    if (this.#headersSent) {
      throw new TypeError("Cannot send headers: they have been sent");
    }
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      throw new EncodeError(
        "out-of-range",
        "sendHeaders.status",
        `${status} is not an integer from 100 to 999`,
      );
    }
    const cleaned = cleanHeaders(headers);
    const length = ajpBodyLength(cleaned);
    if (length.type === "invalid") {
      const state = `${length.field}: ${length.state}`;
      throw new EncodeError("malformed", "sendHeaders.headers", state);
    }
    const hasBody = responseHasBody(this.#method, status);
    return {
      packet: {
        type: "sendHeaders",
        status,
        message: withoutControls(message),
        headers: cleaned,
      },
      limit: responseBodyLimit(hasBody, length),
    };
  }

  #commit(status: number, limit: number): void {
    this.#headersSent = true;
    this.#hasBody = responseHasBody(this.#method, status);
    this.#left = limit;
  }

  #checkCurrent(what: string): void {
    if (this.ended) throw new TypeError(`Cannot ${what}: the response is over`);
  }

  #checkCommitted(what: string): void {
    this.#checkCurrent(what);
    if (!this.#headersSent) {
      throw new TypeError(`Cannot ${what}: the headers have not been sent`);
    }
  }
}

/** Bytes of a SEND_BODY_CHUNK besides its data: head, type, length, and the zero behind the data. */
const CHUNK_OVERHEAD = AJP_HEADER_LENGTH + 4;

/** Number of bytes of a body in packets. */
function byteLengthChunks(data: Uint8Array, most: number): number {
  return data.length + Math.ceil(data.length / most) * CHUNK_OVERHEAD;
}

/** Writes a body in packets into an array of zeros. */
function writeChunks(
  bytes: Uint8Array,
  at: number,
  data: Uint8Array,
  most: number,
): void {
  if (data.length > 0 && data.length <= most) { // the usual one needs no view
    writeChunkHead(bytes, at, data.length);
    bytes.set(data, at + CHUNK_OVERHEAD - 1);
    return;
  }
  for (let from = 0; from < data.length; from += most) {
    const part = data.subarray(from, from + most);
    writeChunkHead(bytes, at, part.length);
    bytes.set(part, at + CHUNK_OVERHEAD - 1);
    at += part.length + CHUNK_OVERHEAD;
  }
}

/**
 * Checks a part of a body against what may still come.
 *
 * @param left Bytes; -1 for any number.
 */
function checkBodyLength(
  data: Uint8Array,
  left: number,
  hasBody: boolean,
): void {
  if (left < 0 || data.length <= left) return;
  throw new EncodeError(
    "too-large",
    "sendBodyChunk.data",
    hasBody
      ? `${data.length} bytes, and ${left} are left of the content-length`
      : "the response has no body",
  );
}

function writeChunkHead(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = AJP_FROM_CONTAINER >>> 8;
  bytes[at + 1] = AJP_FROM_CONTAINER & 0xff;
  bytes[at + 2] = length + 4 >>> 8;
  bytes[at + 3] = length + 4;
  bytes[at + 4] = JK_AJP13_SEND_BODY_CHUNK;
  bytes[at + 5] = length >>> 8;
  bytes[at + 6] = length;
}

function cleanHeaders(headers: readonly AjpHeader[]): readonly AjpHeader[] {
  const cleaned: AjpHeader[] = [];
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i]!; // i < length
    const value = header.value === null ? null : withoutControls(header.value);
    cleaned.push(value === header.value ? header : { ...header, value });
  }
  const fault = headerFault(cleaned);
  if (fault === undefined) return cleaned;
  throw new EncodeError(
    "malformed",
    `sendHeaders.header.${fault.part}`,
    fault.state,
  );
}
