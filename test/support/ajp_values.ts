// Plain AJP13 values for examples.
import {
  AJP_TO_CONTAINER,
  AjpClientConnection,
  type AjpHeader,
  type AjpMagic,
  ajpRequestHeader,
  AjpServerConnection,
  type AjpServerConnectionOptions,
  type AjpServerEvent,
  encodeForwardRequest,
  type ForwardRequest,
} from "../../protocol/mod.ts";

/** A request for `/`, with what is given in the place of its own fields. */
export function ajpRequest(
  fields: Partial<Omit<ForwardRequest, "type">> = {},
): ForwardRequest {
  return {
    type: "forwardRequest",
    methodCode: 2,
    protocol: "HTTP/1.1",
    uri: "/",
    remoteAddr: "192.0.2.1",
    remoteHost: null,
    serverName: "www.example",
    serverPort: 80,
    isSsl: false,
    headers: [],
    attributes: [],
    ...fields,
  };
}

/** Headers from names and values, coded where they have a code. */
export function headersOf(...pairs: readonly [string, string][]): AjpHeader[] {
  return pairs.map(([name, value]) => ajpRequestHeader(name, value));
}

/** A packet with a head that fits its payload. */
export function packetOf(
  payload: readonly number[],
  magic: AjpMagic = AJP_TO_CONTAINER,
): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  return Uint8Array.of(magic >> 8, magic, length >> 8, length, ...payload);
}

/** A body packet. */
export function bodyOf(...data: readonly number[]): Uint8Array<ArrayBuffer> {
  return packetOf([data.length >> 8, data.length, ...data]);
}

/** A connection that was fed a request, and its first event. */
export function serverWith(
  request: ForwardRequest,
  options: AjpServerConnectionOptions = {},
): {
  connection: AjpServerConnection;
  event: Extract<AjpServerEvent, { exchange: unknown }>;
} {
  const connection = new AjpServerConnection(options);
  connection.feed(encodeForwardRequest(request));
  const event = connection.next();
  if (event === undefined || !("exchange" in event)) {
    throw new Error(`Cannot use event ${event?.type}: no exchange`);
  }
  return { connection, event };
}

/** A connection on which a request was begun. */
export function clientWith(
  request: ForwardRequest,
): ReturnType<AjpClientConnection["sendRequest"]> & {
  connection: AjpClientConnection;
} {
  const connection = new AjpClientConnection();
  return { connection, ...connection.sendRequest(request) };
}
