// Makes a node:http IncomingMessage of a request.
import { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { requestTarget } from "./ajp_request.ts";
import type { AjpHandlerInfo } from "./ajp_server.ts";
import { define } from "./node_handler_property.ts";

/** Makes the message of a request. */
export function makeMessage(
  request: Request,
  info: AjpHandlerInfo,
): IncomingMessage {
  const socket = new ClientSocket(info);
  const message = new IncomingMessage(socket as never); // it needs no more of a socket
  const [, major = "1", minor = "1"] = /(\d)\.(\d)$/.exec(info.protocol) ?? [];
  message.on("error", () => {}); // nobody has to listen
  let { uri: url } = info;
  const headers = headersOf(info);
  if (url.startsWith("/") || url === "*") url = requestTarget(url, info.query);
  else {
    // An absolute URI counts more than the Host header.
    const { host, pathname, search } = new URL(request.url);
    headers.host = host;
    url = pathname + search;
  }
  define(message, {
    socket,
    connection: socket,
    method: info.method,
    url,
    httpVersion: `${major}.${minor}`,
    httpVersionMajor: Number(major),
    httpVersionMinor: Number(minor),
    rawHeaders: info.rawHeaders.flat(),
    headers,
    headersDistinct: distinctHeadersOf(info),
    rawTrailers: [],
    trailers: {},
    trailersDistinct: {},
    complete: false,
    _read: reader(message, request.body ?? info.body),
  });
  return message;
}

// Of these the first counts, as in node:http.
const SINGLE: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "content-length",
  "content-type",
  "etag",
  "expires",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "retry-after",
  "server",
  "user-agent",
]);

function headersOf(info: AjpHandlerInfo): IncomingMessage["headers"] {
  const headers: IncomingMessage["headers"] = {};
  for (const [name, values] of Object.entries(distinctHeadersOf(info))) {
    if (name === "set-cookie") headers[name] = values;
    else if (name === "__proto__") continue; // it would be no header
    else if (SINGLE.has(name)) headers[name] = values[0];
    else headers[name] = values.join(name === "cookie" ? "; " : ", ");
  }
  return headers;
}

function distinctHeadersOf(info: AjpHandlerInfo): Record<string, string[]> {
  const headers: Record<string, string[]> = Object.create(null);
  for (const [name, value] of info.rawHeaders) {
    (headers[name.toLowerCase()] ??= []).push(value);
  }
  return headers;
}

/** Reads a body into a message, no faster than the message is read. */
function reader(
  message: IncomingMessage,
  body: ReadableStream<Uint8Array> | null,
): () => void {
  const reader = body?.getReader();
  let reading = false;
  return async () => {
    if (reading) return;
    reading = true;
    try {
      for (let more = true; more;) {
        const { value } = await reader?.read() ?? {};
        if (value === undefined) {
          message.complete = true;
          message.push(null);
          return; // and nothing is read any more
        }
        more = message.push(value);
      }
    } catch (error) {
      message.destroy(error as Error); // an AjpServer's bodies fail with nothing else
    }
    reading = false;
  };
}

/** Who the client is, as the socket of a message says it. Nothing is read from it or written to it. */
class ClientSocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remoteFamily: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number;
  readonly encrypted: boolean;

  constructor(info: AjpHandlerInfo) {
    super({ read() {}, write: (_part, _encoding, done) => done() });
    this.on("error", () => {}); // the response ends with it
    this.remoteAddress = info.remoteAddr ?? undefined;
    this.remoteFamily = this.remoteAddress &&
      (this.remoteAddress.includes(":") ? "IPv6" : "IPv4");
    this.remotePort = info.remotePort ?? undefined;
    this.localAddress = info.localAddr ?? undefined;
    this.localPort = info.serverPort;
    this.encrypted = info.isSsl;
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
