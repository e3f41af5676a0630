import { EncodeError } from "../errors.ts";
import type { AjpReader } from "./ajp_reader.ts";
import { AjpWriter, byteLengthString, checkUint16 } from "./ajp_writer.ts";
import {
  type AjpAttribute,
  byteLengthAttributes,
  readAttributes,
  SC_A_STORED_METHOD,
  writeAttributes,
} from "./attribute.ts";
import {
  type AjpHeader,
  byteLengthHeaders,
  type HeaderFields,
  readHeaders,
  REQUEST_HEADERS,
  writeHeaders,
} from "./header.ts";
import { ajpMethodName, SC_M_JK_STORED } from "./method.ts";
import {
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  checkPacketLength,
  JK_AJP13_FORWARD_REQUEST,
  MAX_AJP_PACKET_SIZE,
  openPacketOfType,
  writePacketHead,
} from "./packet.ts";

/** Most headers that a container accepts by default; Tomcat attribute `maxHeaderCount`. */
export const DEFAULT_MAX_HEADER_COUNT = 100;

/**
 * A request, as a front end hands it to a container. Texts have a character for each byte:
 * ISO-8859-1, whatever charset the client meant.
 */
export interface ForwardRequest {
  /** Which packet it is. */
  readonly type: "forwardRequest";
  /** Code of the method, 1 to 27, or 255 where its name is an attribute. */
  readonly methodCode: number;
  /** Such as `HTTP/1.1`. */
  readonly protocol: string;
  /** Path, encoded and without query; an absolute URI occurs. */
  readonly uri: string;
  /** The client's address. */
  readonly remoteAddr: string | null;
  /** The client's name, usually `null`. */
  readonly remoteHost: string | null;
  /** The front end's name. */
  readonly serverName: string | null;
  /** The front end's port. */
  readonly serverPort: number;
  /** Whether the client came over TLS. */
  readonly isSsl: boolean;
  /** Headers in their order. */
  readonly headers: readonly AjpHeader[];
  /** Attributes in their order. */
  readonly attributes: readonly AjpAttribute[];
}

/** Options of {@linkcode decodeForwardRequest}. */
export interface DecodeForwardRequestOptions {
  /**
   * Most headers to accept.
   * @default {65535}
   */
  readonly maxHeaderCount?: number;
}

/**
 * Number of bytes of a request's packet, head included.
 *
 * @param request The request.
 */
export function byteLengthForwardRequest(request: ForwardRequest): number {
  return AJP_HEADER_LENGTH + 8 + request.protocol.length +
    request.uri.length + byteLengthString(request.remoteAddr) +
    byteLengthString(request.remoteHost) +
    byteLengthString(request.serverName) + 5 +
    byteLengthHeaders(request.headers) +
    byteLengthAttributes(request.attributes) + 1;
}

/**
 * Encodes a request, with the head of its packet.
 *
 * @param request The request.
 * @param packetSize Greatest packet, in bytes.
 * @returns A fresh, exact array.
 * @throws {EncodeError} `too-large` for the packet, `out-of-range` (a character that ISO-8859-1 does
 * not have, a method or header code without meaning), `malformed`.
 * @example A request for a page
 * ```ts
 * import {
 *   ajpMethodCode,
 *   ajpRequestHeader,
 *   decodeForwardRequest,
 *   encodeForwardRequest,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const packet = encodeForwardRequest({
 *   type: "forwardRequest",
 *   methodCode: ajpMethodCode("GET"),
 *   protocol: "HTTP/1.1",
 *   uri: "/index.html",
 *   remoteAddr: "192.0.2.1",
 *   remoteHost: null,
 *   serverName: "www.example",
 *   serverPort: 80,
 *   isSsl: false,
 *   headers: [ajpRequestHeader("Host", "www.example")],
 *   attributes: [],
 * });
 * assert.equal(decodeForwardRequest(packet).headers[0]?.code, 0xa00b);
 * ```
 */
export function encodeForwardRequest(
  request: ForwardRequest,
  packetSize: number = MAX_AJP_PACKET_SIZE,
): Uint8Array<ArrayBuffer> {
  checkRequest(request);
  const length = byteLengthForwardRequest(request);
  const writer = new AjpWriter(checkPacketLength(length, packetSize));
  writePacketHead(writer, AJP_TO_CONTAINER);
  writer.u8(JK_AJP13_FORWARD_REQUEST);
  writer.u8(request.methodCode);
  writer.string(request.protocol, "forwardRequest.protocol");
  writer.string(request.uri, "forwardRequest.uri");
  writer.string(request.remoteAddr, "forwardRequest.remoteAddr");
  writer.string(request.remoteHost, "forwardRequest.remoteHost");
  writer.string(request.serverName, "forwardRequest.serverName");
  writer.u16(request.serverPort);
  writer.u8(request.isSsl ? 1 : 0);
  writer.u16(request.headers.length);
  writeHeaders(writer, request.headers, REQUEST_HEADERS, FIELDS);
  writeAttributes(writer, request.attributes);
  return writer.bytes;
}

/**
 * Decodes the packet of a request.
 *
 * Source: `org.apache.coyote.ajp.AjpProcessor#prepareRequest`; stricter, since every byte must have
 * a place: nothing behind the attributes, a zero behind each string, 0 or 1 for `isSsl`.
 *
 * @param packet One whole packet, head included.
 * @param options Limits.
 * @throws {DecodeError} `bad-marker`, `truncated`, `too-large`, `out-of-range`, `trailing-bytes`.
 */
export function decodeForwardRequest(
  packet: Uint8Array,
  options: DecodeForwardRequestOptions = {},
): ForwardRequest {
  return readForwardRequest(
    openPacketOfType(packet, AJP_TO_CONTAINER, JK_AJP13_FORWARD_REQUEST),
    options.maxHeaderCount,
  );
}

/**
 * Name of a request's method: by its code, or the last stored one.
 *
 * @param request The request.
 * @returns The name, in the case in which it was sent; `undefined` when the request has none.
 */
export function forwardRequestMethod(
  request: ForwardRequest,
): string | undefined {
  const { methodCode, attributes } = request;
  if (methodCode !== SC_M_JK_STORED) return ajpMethodName(methodCode);
  for (let i = attributes.length - 1; i >= 0; i--) {
    const { code, value } = attributes[i]!; // i is an index
    if (code === SC_A_STORED_METHOD && typeof value === "string") return value;
  }
  return undefined;
}

/** Reads what follows the type, to the end of the packet. */
export function readForwardRequest(
  reader: AjpReader,
  maxHeaderCount = 0xffff,
): ForwardRequest {
  const methodCode = reader.u8("forwardRequest.method");
  if (methodCode !== SC_M_JK_STORED && !ajpMethodName(methodCode)) {
    throw reader.error(
      "out-of-range",
      "forwardRequest.method",
      `code ${methodCode} means nothing`,
      reader.position - 1,
    );
  }
  const protocol = reader.text("forwardRequest.protocol");
  const uri = reader.text("forwardRequest.uri");
  const remoteAddr = reader.string("forwardRequest.remoteAddr");
  const remoteHost = reader.string("forwardRequest.remoteHost");
  const serverName = reader.string("forwardRequest.serverName");
  const serverPort = reader.u16("forwardRequest.serverPort");
  const isSsl = reader.bool("forwardRequest.isSsl");
  const headers = readHeaders(reader, REQUEST_HEADERS, FIELDS, maxHeaderCount);
  const attributes = readAttributes(reader);
  reader.end("forwardRequest");
  return {
    type: "forwardRequest",
    methodCode,
    protocol,
    uri,
    remoteAddr,
    remoteHost,
    serverName,
    serverPort,
    isSsl,
    headers,
    attributes,
  };
}

const FIELDS: HeaderFields = {
  count: "forwardRequest.headers.count",
  name: "forwardRequest.header.name",
  value: "forwardRequest.header.value",
};

function checkRequest({ methodCode, serverPort }: ForwardRequest): void {
  if (methodCode !== SC_M_JK_STORED && !ajpMethodName(methodCode)) {
    throw new EncodeError(
      "out-of-range",
      "forwardRequest.method",
      `code ${methodCode} means nothing`,
    );
  }
  checkUint16(serverPort, "forwardRequest.serverPort");
}
