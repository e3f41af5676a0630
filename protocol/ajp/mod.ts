/**
 * AJP13: what a web server such as Apache httpd and a container such as Tomcat say to each other.
 * Every packet of both directions, a parser for streams of them, and both sides of the conversation
 * as state machines without IO: {@linkcode AjpServerConnection}, {@linkcode AjpClientConnection}.
 *
 * @example A CPING
 * ```ts
 * import { decodeAjpToContainer, decodeHex } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const packet = decodeAjpToContainer(decodeHex("123400010a"), "request");
 * assert.deepEqual(packet, { type: "cping" });
 * ```
 *
 * @module
 */
export {
  type AjpAttribute,
  ajpAttribute,
  ajpRequestAttribute,
  SC_A_ARE_DONE,
  SC_A_AUTH_TYPE,
  SC_A_CONTEXT,
  SC_A_JVM_ROUTE,
  SC_A_QUERY_STRING,
  SC_A_REMOTE_USER,
  SC_A_REQ_ATTRIBUTE,
  SC_A_SECRET,
  SC_A_SERVLET_PATH,
  SC_A_SSL_CERT,
  SC_A_SSL_CIPHER,
  SC_A_SSL_KEY_SIZE,
  SC_A_SSL_SESSION,
  SC_A_STORED_METHOD,
} from "./attribute.ts";
export { type AjpBodyLength, ajpBodyLength } from "./body_length.ts";
export {
  type BodyPacket,
  byteLengthBodyPacket,
  decodeBodyPacket,
  encodeBodyPacket,
} from "./body_packet.ts";
export * from "./client_connection.ts";
export type { AjpClientExchange } from "./client_exchange.ts";
export * from "./control_packet.ts";
export {
  byteLengthEndResponse,
  decodeEndResponse,
  encodeEndResponse,
  type EndResponse,
} from "./end_response.ts";
export {
  byteLengthForwardRequest,
  decodeForwardRequest,
  type DecodeForwardRequestOptions,
  DEFAULT_MAX_HEADER_COUNT,
  encodeForwardRequest,
  type ForwardRequest,
  forwardRequestMethod,
} from "./forward_request.ts";
export {
  type AjpFromContainer,
  byteLengthAjpFromContainer,
  decodeAjpFromContainer,
  encodeAjpFromContainer,
} from "./from_container.ts";
export {
  byteLengthGetBodyChunk,
  decodeGetBodyChunk,
  encodeGetBodyChunk,
  type GetBodyChunk,
} from "./get_body_chunk.ts";
export {
  type AjpHeader,
  ajpRequestHeader,
  ajpResponseHeader,
} from "./header.ts";
export * from "./method.ts";
export {
  AJP_FROM_CONTAINER,
  AJP_HEADER_LENGTH,
  AJP_TO_CONTAINER,
  type AjpMagic,
  DEFAULT_AJP_PACKET_SIZE,
  JK_AJP13_CPING_REQUEST,
  JK_AJP13_CPONG_REPLY,
  JK_AJP13_END_RESPONSE,
  JK_AJP13_FORWARD_REQUEST,
  JK_AJP13_GET_BODY_CHUNK,
  JK_AJP13_PING_REQUEST,
  JK_AJP13_SEND_BODY_CHUNK,
  JK_AJP13_SEND_HEADERS,
  JK_AJP13_SHUTDOWN,
  MAX_AJP_PACKET_SIZE,
  maxBodyPacketData,
  maxSendBodyChunkData,
} from "./packet.ts";
export * from "./packet_parser.ts";
export * from "./request_info.ts";
export * from "./secret.ts";
export {
  byteLengthSendBodyChunk,
  decodeSendBodyChunk,
  encodeSendBodyChunk,
  type SendBodyChunk,
} from "./send_body_chunk.ts";
export {
  byteLengthSendHeaders,
  decodeSendHeaders,
  encodeSendHeaders,
  type SendHeaders,
} from "./send_headers.ts";
export * from "./server_connection.ts";
export type { AjpServerExchange } from "./server_exchange.ts";
export {
  type AjpToContainer,
  byteLengthAjpToContainer,
  decodeAjpToContainer,
  encodeAjpToContainer,
} from "./to_container.ts";
