// The container's side of a connection, without any IO.
//
// Plan. Packets are taken from the stream one a call. Which kind the next one has to be follows from
// the conversation alone, never from its bytes: a body packet if one is due, a request or a CPING
// between requests, nothing while a response is under way. A body packet that nobody reads any more
// is swallowed, so that it is never taken for a request.
//
// What the front end sent before it could know that a response had ended is no request either (it
// waits for END_RESPONSE): `fence` is the offset in the stream from which on requests may start.
import { DecodeError } from "../errors.ts";
import { AjpReader } from "./ajp_reader.ts";
import { ajpBodyLength } from "./body_length.ts";
import { readBodyPacket } from "./body_packet.ts";
import { encodeCpong } from "./control_packet.ts";
import {
  DEFAULT_MAX_HEADER_COUNT,
  type ForwardRequest,
  forwardRequestMethod,
} from "./forward_request.ts";
import { headerFault, isToken } from "./header_rules.ts";
import {
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  checkPacketSize,
  DEFAULT_AJP_PACKET_SIZE,
  JK_AJP13_FORWARD_REQUEST,
} from "./packet.ts";
import { AjpPacketParser } from "./packet_parser.ts";
import {
  type AjpServerExchange,
  ServerExchange,
  type ServerLink,
} from "./server_exchange.ts";
import { readRequestPacket } from "./to_container.ts";

/** Options of {@linkcode AjpServerConnection}. */
export interface AjpServerConnectionOptions {
  /**
   * Greatest packet in both directions, in bytes with its head, 8192 to 65536; the front end has to
   * be configured alike. Tomcat attribute `packetSize`.
   * @default {8192}
   */
  readonly packetSize?: number;
  /**
   * Most headers of a request; more are answered with status 500. Tomcat attribute `maxHeaderCount`.
   * @default {100}
   */
  readonly maxHeaderCount?: number;
}

/** What a front end did. */
export type AjpServerEvent =
  | {
    /** A request. */
    readonly type: "request";
    /** As it was sent. */
    readonly request: ForwardRequest;
    /** Its method, a token. */
    readonly method: string;
    /** Length of its body; `undefined` when it ends where the front end says so. */
    readonly bodyLength: number | undefined;
    /** The reply to it. */
    readonly exchange: AjpServerExchange;
  }
  | {
    /** A request that cannot be served. It has to be answered; the connection ends with the reply. */
    readonly type: "rejected";
    /** The status to answer with. */
    readonly status: 400 | 500;
    /** What is wrong. */
    readonly error: DecodeError;
    /** The reply to it. */
    readonly exchange: AjpServerExchange;
  }
  | {
    /** A part of the request's body. */
    readonly type: "body";
    /** Its bytes, never none. Borrowed. */
    readonly data: Uint8Array;
  }
  | {
    /** The end of the request's body, once for each request whose response is not over before. */
    readonly type: "bodyEnd";
    /** Bytes of the content-length that did not come. */
    readonly missing: number;
  }
  | {
    /** A question whether we are alive; {@linkcode AjpServerConnection.cpong} is the answer. */
    readonly type: "cping";
  }
  | {
    /** An order that is answered by closing the connection. */
    readonly type: "shutdown" | "ping";
  };

/**
 * The container's side of a connection: bytes in, events out, and replies as bytes to write.
 *
 * `feed` only stores; {@linkcode AjpServerConnection.next} takes one packet at a time, so that a
 * caller that stops pulling it stops the work. After an error it throws that error again; a response
 * under way may still be finished, and the connection is closed after it.
 *
 * @example Answers a request
 * ```ts
 * import { AjpServerConnection, ajpResponseHeader, encodeForwardRequest, encodeHex } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const connection = new AjpServerConnection();
 * connection.feed(encodeForwardRequest({
 *   type: "forwardRequest",
 *   methodCode: 2,
 *   protocol: "HTTP/1.1",
 *   uri: "/",
 *   remoteAddr: "192.0.2.1",
 *   remoteHost: null,
 *   serverName: "www.example",
 *   serverPort: 80,
 *   isSsl: false,
 *   headers: [],
 *   attributes: [],
 * }));
 * const event = connection.next();
 * assert(event?.type === "request");
 * const { exchange } = event;
 * exchange.sendHeaders(200, [ajpResponseHeader("content-length", "2")]);
 * exchange.sendBodyChunk(new TextEncoder().encode("ok"));
 * assert.equal(encodeHex(exchange.endResponse()), "414200020501");
 * ```
 */
export class AjpServerConnection {
  readonly #link: ServerLink;
  readonly #maxHeaderCount: number;
  #bodyEndFor: AjpServerExchange | undefined; // whose bodyEnd is the next event
  #unanswered = 0; // CPINGs
  #error: DecodeError | undefined;

  /**
   * Starts with a fresh connection.
   *
   * @throws {RangeError} For an option out of its range.
   */
  constructor(options: AjpServerConnectionOptions = {}) {
    const {
      packetSize = DEFAULT_AJP_PACKET_SIZE,
      maxHeaderCount = DEFAULT_MAX_HEADER_COUNT,
    } = options;
    if (
      !Number.isInteger(maxHeaderCount) || maxHeaderCount < 0 ||
      maxHeaderCount > 0xffff
    ) {
      throw new RangeError(
        `Cannot use maxHeaderCount ${maxHeaderCount}: not an integer from 0 to 65535`,
      );
    }
    this.#maxHeaderCount = maxHeaderCount;
    this.#link = {
      packetSize: checkPacketSize(packetSize),
      parser: new AjpPacketParser({ magic: AJP_TO_CONTAINER, packetSize }),
      fed: 0,
      fence: 0,
      current: undefined,
      bodyDue: false,
      bodyLeft: -1,
      bodyEnded: true,
      bodyClosed: true,
      closing: false,
    };
  }

  /** `idle` between requests, `request` until the response is over, `closed` when it is to be closed. */
  get state(): "idle" | "request" | "closed" {
    if (this.#link.current !== undefined) return "request";
    return this.#link.closing ? "closed" : "idle";
  }

  /** Whether a body packet is still to come; after a response it is swallowed. */
  get bodyPacketDue(): boolean {
    return this.#link.bodyDue;
  }

  /**
   * Stores bytes; never throws and never parses.
   *
   * @param chunk The next bytes of the stream. The connection owns them from now on.
   */
  feed(chunk: Uint8Array): void {
    const link = this.#link;
    if (link.closing) return;
    link.fed += chunk.length;
    link.parser.feed(chunk);
  }

  /**
   * Gives the next event, or `undefined` when more bytes are needed, and for ever once the
   * connection is to be closed.
   *
   * @throws {DecodeError} When the front end breaks the protocol: `bad-marker`, `too-large` (a packet
   * or more body than announced), `truncated`, `trailing-bytes`, `unsupported` (a type without
   * meaning), `malformed` (a packet out of order).
   */
  next(): AjpServerEvent | undefined {
    if (this.#error !== undefined) throw this.#error;
    const link = this.#link;
    if (this.#bodyEndFor !== undefined) {
      const due = this.#bodyEndFor === link.current;
      this.#bodyEndFor = undefined;
      if (due) return { type: "bodyEnd", missing: 0 };
    }
    while (!link.closing) {
      const { offset } = link.parser;
      let packet: Uint8Array | undefined;
      try {
        packet = link.parser.next();
      } catch (error) {
        return this.#framingFault(error);
      }
      if (packet === undefined) return undefined;
      const reader = new AjpReader(packet, offset, AJP_HEADER_LENGTH);
      const event = link.bodyDue
        ? this.#body(reader, offset)
        : this.#request(packet, reader, offset);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /**
   * Ends the input.
   *
   * @throws {DecodeError} `truncated` inside a packet, or when a response under way lacks a body
   * packet that is due; the earlier error after one.
   */
  end(): void {
    if (this.#error !== undefined) throw this.#error;
    const link = this.#link;
    if (link.closing) return;
    link.parser.end();
    if (link.bodyDue && link.current !== undefined) {
      throw new DecodeError(
        "truncated",
        "body",
        link.parser.offset,
        "the stream ends before a body packet that is due",
      );
    }
  }

  /**
   * Answers a CPING.
   *
   * @returns The bytes to write.
   * @throws {TypeError} Without a CPING.
   */
  cpong(): Uint8Array<ArrayBuffer> {
    if (this.#unanswered === 0) {
      throw new TypeError("Cannot send a CPONG: no CPING is unanswered");
    }
    this.#unanswered--;
    return encodeCpong();
  }

  #body(reader: AjpReader, offset: number): AjpServerEvent | undefined {
    const link = this.#link;
    let data: Uint8Array;
    try {
      data = readBodyPacket(reader).data;
    } catch (error) {
      throw this.#fail(error);
    }
    link.bodyDue = false;
    if (data.length === 0) {
      const known = link.bodyEnded;
      link.bodyEnded = true;
      link.bodyClosed = true;
      if (known || link.current === undefined) return undefined;
      return { type: "bodyEnd", missing: Math.max(0, link.bodyLeft) };
    }
    if (link.bodyLeft >= 0) {
      if (data.length > link.bodyLeft) {
        throw this.#fail(
          new DecodeError(
            "too-large",
            "body.data",
            offset + AJP_HEADER_LENGTH + 2,
            `${data.length} bytes, and ${link.bodyLeft} are left of the content-length`,
          ),
        );
      }
      link.bodyLeft -= data.length;
      if (link.bodyLeft === 0) {
        link.bodyEnded = true;
        this.#bodyEndFor = link.current;
      }
    }
    return link.current === undefined ? undefined : { type: "body", data };
  }

  #request(
    packet: Uint8Array,
    reader: AjpReader,
    offset: number,
  ): AjpServerEvent {
    const link = this.#link;
    if (link.current !== undefined || offset < link.fence) {
      throw this.#fail(
        new DecodeError(
          "malformed",
          "packet",
          offset,
          "it came before the response had ended",
        ),
      );
    }
    let value: ReturnType<typeof readRequestPacket>;
    try {
      value = readRequestPacket(reader, this.#maxHeaderCount);
    } catch (error) {
      const type = packet[AJP_HEADER_LENGTH];
      const isRequest = type === undefined || type === JK_AJP13_FORWARD_REQUEST;
      if (isRequest && error instanceof DecodeError) {
        return this.#reject(500, error);
      }
      throw this.#fail(error);
    }
    switch (value.type) {
      case "forwardRequest":
        return this.#accept(value, offset);
      case "cping":
        this.#unanswered++;
        return { type: "cping" };
      default:
        link.closing = true;
        return { type: value.type };
    }
  }

  #accept(request: ForwardRequest, offset: number): AjpServerEvent {
    const fault = headerFault(request.headers);
    if (fault !== undefined) {
      const field = `forwardRequest.header.${fault.part}`;
      return this.#reject(400, malformed(field, offset, fault.state));
    }
    const method = forwardRequestMethod(request);
    if (method === undefined || !isToken(method)) {
      const state = method === undefined
        ? "it is stored nowhere"
        : `${JSON.stringify(method)} is not a token`;
      return this.#reject(
        400,
        malformed("forwardRequest.method", offset, state),
      );
    }
    const length = ajpBodyLength(request.headers);
    if (length.type === "invalid") {
      const state = `${length.field}: ${length.state}`;
      return this.#reject(
        400,
        malformed("forwardRequest.headers", offset, state),
      );
    }
    const bodyLength = length.type === "length" ? length.length : undefined;
    const link = this.#link;
    const exchange = new ServerExchange(link, method);
    link.bodyLeft = bodyLength ?? -1;
    link.bodyDue = bodyLength !== undefined && bodyLength > 0;
    link.bodyEnded = bodyLength === 0;
    link.bodyClosed = bodyLength === 0;
    if (bodyLength === 0) this.#bodyEndFor = exchange;
    return { type: "request", request, method, bodyLength, exchange };
  }

  #reject(status: 400 | 500, error: DecodeError): AjpServerEvent {
    const link = this.#link;
    const exchange = new ServerExchange(link, "GET");
    link.bodyEnded = true;
    link.bodyClosed = true;
    link.closing = true;
    return { type: "rejected", status, error, exchange };
  }

  /** An over-long packet in the place of a request is answered; all else ends the connection. */
  #framingFault(error: unknown): AjpServerEvent {
    const link = this.#link;
    if (
      error instanceof DecodeError && error.code === "too-large" &&
      link.current === undefined && !link.bodyDue
    ) return this.#reject(500, error);
    throw this.#fail(error);
  }

  #fail(error: unknown): unknown {
    this.#link.closing = true;
    if (error instanceof DecodeError) this.#error = error;
    return error;
  }
}

function malformed(field: string, offset: number, state: string): DecodeError {
  return new DecodeError("malformed", field, offset, state);
}
