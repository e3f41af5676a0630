// The front end's side of a connection, without any IO.
//
// The container is not believed either: a packet out of order, a body longer than announced or bytes
// that no request asked for end the connection with an error, before a byte of them is given out.
import { DecodeError, EncodeError } from "../errors.ts";
import { AjpReader } from "./ajp_reader.ts";
import { ajpBodyLength } from "./body_length.ts";
import { type AjpClientExchange, ClientExchange } from "./client_exchange.ts";
import { encodeCping } from "./control_packet.ts";
import type { EndResponse } from "./end_response.ts";
import {
  encodeForwardRequest,
  type ForwardRequest,
  forwardRequestMethod,
} from "./forward_request.ts";
import { readResponsePacket } from "./from_container.ts";
import type { GetBodyChunk } from "./get_body_chunk.ts";
import type { AjpHeader } from "./header.ts";
import { headerFault, isToken } from "./header_rules.ts";
import {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  checkPacketSize,
  DEFAULT_AJP_PACKET_SIZE,
  maxBodyPacketData,
} from "./packet.ts";
import { AjpPacketParser } from "./packet_parser.ts";
import { responseBodyLimit, responseHasBody } from "./response_length.ts";
import type { SendBodyChunk } from "./send_body_chunk.ts";
import type { SendHeaders } from "./send_headers.ts";

/** Options of {@linkcode AjpClientConnection}. */
export interface AjpClientConnectionOptions {
  /**
   * Greatest packet in both directions, in bytes with its head, 8192 to 65536; the container has to
   * be configured alike. mod_jk property `max_packet_size`.
   * @default {8192}
   */
  readonly packetSize?: number;
  /**
   * How a body is ended: `bare` is `12 34 00 00`, as mod_jk does it, `counted` is
   * `12 34 00 02 00 00`, as mod_proxy_ajp does. Tomcat takes both.
   * @default {"bare"}
   */
  readonly bodyEnd?: "bare" | "counted";
}

/** What a container did. */
export type AjpClientEvent =
  | {
    /** It waits for a part of the body: answer with the exchange's `sendBody` or `endBody`. */
    readonly type: "bodyWanted";
    /** Most bytes that it takes; 0 when nothing is left of the content-length. */
    readonly maxLength: number;
  }
  | {
    /** Status and headers. */
    readonly type: "headers";
    /** Status. */
    readonly status: number;
    /** Reason phrase; Tomcat writes the status as text. */
    readonly message: string | null;
    /** Headers in their order. */
    readonly headers: readonly AjpHeader[];
  }
  | {
    /** A part of the response's body. */
    readonly type: "body";
    /** Its bytes, never none. Borrowed. */
    readonly data: Uint8Array;
  }
  | {
    /** What there is of the body is to be passed on at once. */
    readonly type: "flush";
  }
  | {
    /** The end of the response. */
    readonly type: "end";
    /** Whether the connection can be used again; it has to be closed otherwise. */
    readonly reuse: boolean;
    /** Bytes of the content-length that did not come. */
    readonly missing: number;
  }
  | {
    /** The answer to a CPING. */
    readonly type: "cpong";
  };

/** A request that was begun. */
export interface AjpSentRequest {
  /** The bytes to write. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is left to send of it. */
  readonly exchange: AjpClientExchange;
}

/**
 * The front end's side of a connection: requests as bytes to write, bytes in, events out.
 *
 * `feed` only stores; {@linkcode AjpClientConnection.next} takes one packet at a time, so that a
 * caller that stops pulling it stops the work. After an error it is dead and throws it again.
 *
 * @example Asks whether a container is alive
 * ```ts
 * import { AjpClientConnection, encodeCpong } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const connection = new AjpClientConnection();
 * const bytes = connection.cping(); // to be written
 * assert.equal(bytes.length, 5);
 * connection.feed(encodeCpong()); // what came back
 * assert.equal(connection.next()?.type, "cpong");
 * ```
 */
export class AjpClientConnection {
  readonly #parser: AjpPacketParser;
  readonly #packetSize: number;
  readonly #bareEnd: boolean;
  #state: "idle" | "ping" | "request" | "closed" = "idle";
  #exchange: ClientExchange | undefined;
  #firstWanted = false; // the first part of a content-length is sent unasked
  #method = "";
  #hasHeaders = false;
  #hasBody = true;
  #left = -1; // bytes that the response's body may still have; -1 for any number
  #error: DecodeError | undefined;

  /**
   * Starts with a fresh connection.
   *
   * @throws {RangeError} For an option out of its range.
   */
  constructor(options: AjpClientConnectionOptions = {}) {
    const { packetSize = DEFAULT_AJP_PACKET_SIZE, bodyEnd = "bare" } = options;
    this.#packetSize = checkPacketSize(packetSize);
    this.#bareEnd = bodyEnd === "bare";
    this.#parser = new AjpPacketParser({
      magic: AJP_FROM_CONTAINER,
      packetSize,
    });
  }

  /** `idle` between requests, `ping` and `request` until the answer has come, `closed` after it. */
  get state(): "idle" | "ping" | "request" | "closed" {
    return this.#state;
  }

  /**
   * Begins a request. What is left of it is sent when `bodyWanted` asks for it; with a
   * content-length above 0 that is the next event.
   *
   * @param request The request.
   * @throws {EncodeError} `too-large` for the packet, `out-of-range`, `malformed` (a name that is not
   * a token, a line break in a value, a length that can be read in two ways). Nothing is begun then.
   * @throws {DecodeError} When the container sent bytes that nobody asked for.
   * @throws {TypeError} When the connection is not idle.
   */
  sendRequest(request: ForwardRequest): AjpSentRequest {
    this.#checkIdle("send a request");
    const method = checkedMethod(request);
    const length = checkedLength(request);
    const bytes = encodeForwardRequest(request, this.#packetSize);
    const exchange = new ClientExchange(this.#bareEnd, length);
    this.#state = "request";
    this.#exchange = exchange;
    this.#method = method;
    this.#hasHeaders = false;
    this.#firstWanted = length > 0;
    if (this.#firstWanted) exchange.want(maxBodyPacketData(this.#packetSize));
    return { bytes, exchange };
  }

  /**
   * Asks whether the container is alive.
   *
   * @returns The bytes to write.
   * @throws {DecodeError} When the container sent bytes that nobody asked for.
   * @throws {TypeError} When the connection is not idle.
   */
  cping(): Uint8Array<ArrayBuffer> {
    this.#checkIdle("send a CPING");
    this.#state = "ping";
    return encodeCping();
  }

  /**
   * Stores bytes; never throws and never parses.
   *
   * @param chunk The next bytes of the stream. The connection owns them from now on.
   */
  feed(chunk: Uint8Array): void {
    if (this.#state !== "closed") this.#parser.feed(chunk);
  }

  /**
   * Gives the next event, or `undefined` when more bytes are needed, and for ever once the
   * connection is closed.
   *
   * @throws {DecodeError} When the container breaks the protocol: `bad-marker`, `too-large` (a packet
   * or more body than announced), `truncated`, `trailing-bytes`, `out-of-range`, `unsupported` (a
   * type without meaning), `malformed` (a packet out of order, headers that no response may have).
   */
  next(): AjpClientEvent | undefined {
    if (this.#error !== undefined) throw this.#error;
    if (this.#state === "closed") return undefined;
    const wanted = this.#exchange?.wanted;
    if (this.#firstWanted) {
      this.#firstWanted = false;
      // It may have been sent already: the caller knows the rule too.
      if (wanted !== undefined) {
        return { type: "bodyWanted", maxLength: wanted };
      }
    }
    const { offset } = this.#parser;
    try {
      const packet = this.#parser.next();
      if (packet === undefined) return undefined;
      const reader = new AjpReader(packet, offset, AJP_HEADER_LENGTH);
      return this.#event(readResponsePacket(reader), offset);
    } catch (error) {
      if (error instanceof DecodeError) this.#die(error);
      throw error;
    }
  }

  /**
   * Ends the input.
   *
   * @throws {DecodeError} `truncated` inside a packet or before an answer has ended; the earlier
   * error after one.
   */
  end(): void {
    if (this.#error !== undefined) throw this.#error;
    if (this.#state === "closed") return;
    this.#parser.end();
    if (this.#state === "idle") return;
    throw this.#die(
      new DecodeError(
        "truncated",
        this.#state === "ping" ? "cpong" : "response",
        this.#parser.offset,
        "the stream ends before the answer has",
      ),
    );
  }

  #event(
    packet: ReturnType<typeof readResponsePacket>,
    offset: number,
  ): AjpClientEvent {
    const expected = packet.type === "cpong" ? "ping" : "request";
    const exchange = this.#exchange;
    if (this.#state !== expected) {
      throw malformed("packet", offset, `${packet.type} was not asked for`);
    }
    if (packet.type === "cpong") {
      this.#state = "idle";
      return packet;
    }
    if (exchange === undefined) throw new Error("no exchange"); // there is one in a request
    switch (packet.type) {
      case "sendHeaders":
        return this.#headers(packet, offset);
      case "sendBodyChunk":
        return this.#body(packet, offset);
      case "getBodyChunk":
        return this.#bodyWanted(packet, exchange, offset);
      case "endResponse":
        return this.#endOfResponse(packet, exchange, offset);
    }
  }

  #headers(packet: SendHeaders, offset: number): AjpClientEvent {
    const { status, message, headers } = packet;
    if (this.#hasHeaders) {
      throw malformed(
        "sendHeaders",
        offset,
        "the response has headers already",
      );
    }
    if (status < 100 || status > 999) {
      throw new DecodeError(
        "out-of-range",
        "sendHeaders.status",
        offset + AJP_HEADER_LENGTH + 1,
        `${status} is not from 100 to 999`,
      );
    }
    const fault = headerFault(headers);
    if (fault !== undefined) {
      throw malformed(`sendHeaders.header.${fault.part}`, offset, fault.state);
    }
    const length = ajpBodyLength(headers);
    if (length.type === "invalid") {
      const state = `${length.field}: ${length.state}`;
      throw malformed("sendHeaders.headers", offset, state);
    }
    this.#hasHeaders = true;
    this.#hasBody = responseHasBody(this.#method, status);
    this.#left = responseBodyLimit(this.#hasBody, length);
    return { type: "headers", status, message, headers };
  }

  #body({ data }: SendBodyChunk, offset: number): AjpClientEvent {
    this.#checkHeaders("sendBodyChunk", offset);
    if (data.length === 0) return { type: "flush" };
    if (this.#left >= 0) {
      if (data.length > this.#left) {
        throw new DecodeError(
          "too-large",
          "sendBodyChunk.data",
          offset + AJP_HEADER_LENGTH + 3,
          this.#hasBody
            ? `${data.length} bytes, and ${this.#left} are left of the content-length`
            : "the response has no body",
        );
      }
      this.#left -= data.length;
    }
    return { type: "body", data };
  }

  #bodyWanted(
    { requested }: GetBodyChunk,
    exchange: ClientExchange,
    offset: number,
  ): AjpClientEvent {
    if (requested === 0) {
      throw new DecodeError(
        "out-of-range",
        "getBodyChunk.requested",
        offset + AJP_HEADER_LENGTH + 1,
        "it asks for nothing",
      );
    }
    if (exchange.wanted !== undefined) {
      throw malformed("getBodyChunk", offset, "a body packet is due already");
    }
    const most = Math.min(requested, maxBodyPacketData(this.#packetSize));
    return { type: "bodyWanted", maxLength: exchange.want(most) };
  }

  #endOfResponse(
    packet: EndResponse,
    exchange: ClientExchange,
    offset: number,
  ): AjpClientEvent {
    this.#checkHeaders("endResponse", offset);
    const missing = Math.max(0, this.#left);
    // A body packet that is due would have to be sent before the next request: close instead.
    const reuse = packet.reuse && missing === 0 &&
      exchange.wanted === undefined;
    exchange.finish();
    this.#exchange = undefined;
    this.#state = reuse ? "idle" : "closed";
    return { type: "end", reuse, missing };
  }

  #checkHeaders(field: string, offset: number): void {
    if (this.#hasHeaders) return;
    throw malformed(field, offset, "it came before the headers");
  }

  #checkIdle(what: string): void {
    if (this.#error !== undefined) throw this.#error;
    if (this.#state !== "idle") {
      throw new TypeError(`Cannot ${what}: the connection is ${this.#state}`);
    }
    if (this.#parser.bufferedLength === 0) return;
    throw this.#die(
      malformed(
        "packet",
        this.#parser.offset,
        `${this.#parser.bufferedLength} bytes were not asked for`,
      ),
    );
  }

  #die(error: DecodeError): DecodeError {
    this.#error = error;
    this.#state = "closed";
    this.#exchange?.finish();
    this.#exchange = undefined;
    return error;
  }
}

function checkedMethod(request: ForwardRequest): string {
  const method = forwardRequestMethod(request);
  if (method !== undefined && isToken(method)) return method;
  throw new EncodeError(
    "malformed",
    "forwardRequest.method",
    method === undefined
      ? "it is stored nowhere"
      : `${JSON.stringify(method)} is not a token`,
  );
}

/** The content-length; -1 without one. */
function checkedLength({ headers }: ForwardRequest): number {
  const fault = headerFault(headers);
  if (fault !== undefined) {
    throw new EncodeError(
      "malformed",
      `forwardRequest.header.${fault.part}`,
      fault.state,
    );
  }
  const length = ajpBodyLength(headers);
  if (length.type === "invalid") {
    const state = `${length.field}: ${length.state}`;
    throw new EncodeError("malformed", "forwardRequest.headers", state);
  }
  return length.type === "length" ? length.length : -1;
}

function malformed(field: string, offset: number, state: string): DecodeError {
  return new DecodeError("malformed", field, offset, state);
}
