// From what Fetch's callers give to a request as AJP has it.
import {
  type AjpHeader,
  ajpMethodCode,
  ajpRequestAttribute,
  ajpRequestHeader,
  type ForwardRequest,
  SC_M_JK_STORED,
} from "../protocol/mod.ts";
import type { SocketAddress } from "../transport/mod.ts";
import {
  blobBody,
  bytesBody,
  type OutgoingBody,
  streamBody,
} from "./ajp_client_body.ts";
import { type AjpForwarding, makeAttributes } from "./ajp_client_forwarding.ts";
import {
  ajpAuthority,
  formatAuthority,
  type ResolvedAjpClientOptions,
} from "./ajp_client_options.ts";

/**
 * Options of one request: Fetch's `method`, `headers`, `body` and `signal`, and what only AJP has.
 * Fetch's other options mean nothing here: no redirect is followed, nothing is cached.
 */
export interface AjpRequestInit extends RequestInit {
  /** What the container is told of the client that the request came from. */
  readonly ajp?: AjpForwarding;
  /**
   * `safe`: the request may be sent a second time, on another connection, when the first one ended
   * without a response, though the container may have processed it; its body must not be a stream.
   * `never`: it is only sent again when nothing of it had been sent.
   * @default {"never"}
   */
  readonly retry?: "never" | "safe";
}

/** A request that is ready for a connection. */
export interface PreparedRequest {
  /** `GET /path` for errors; without the query, which may hold secrets. */
  readonly name: string;
  /** Its method. */
  readonly method: string;
  /** Its body, if it has one. */
  readonly body: OutgoingBody | null;
  /** Gives it up. */
  readonly signal: AbortSignal | null;
  /** Whether it may be sent a second time. */
  readonly retry: boolean;
  /** The request, on a connection whose own end this is. */
  readonly forward: (own: SocketAddress) => ForwardRequest;
}

/** Encodes a form, which is the one kind of body that takes time to. */
export async function formBody(form: FormData): Promise<OutgoingBody> {
  const response = new Response(form);
  const type = response.headers.get("content-type"); // has the boundary
  return blobBody(await response.blob(), type);
}

/**
 * Prepares a request.
 *
 * @param form Its body if that is a form.
 * @throws {TypeError} For a URL, header or body that cannot be meant.
 */
export function prepareRequest(
  input: string | URL | Request,
  init: AjpRequestInit,
  options: ResolvedAjpClientOptions,
  form: OutgoingBody | undefined,
): PreparedRequest {
  const request = input instanceof Request ? input : undefined;
  const url = readUrl(request?.url ?? String(input), options);
  const method = normalizeMethod(init.method ?? request?.method ?? "GET");
  const signal = init.signal === undefined
    ? request?.signal ?? null
    : init.signal;
  const retry = readRetry(init.retry);
  const given = readHeaders(init.headers ?? request?.headers);
  const length = givenLength(given);
  const body = init.body === undefined
    ? requestBody(request, length)
    : readBody(form ?? init.body, length);
  const headers = completeHeaders(given, method, body, url.host);
  const { ajp = {} } = init;
  const code = ajpMethodCode(method);
  const stored = code === SC_M_JK_STORED ? method : undefined;
  const attributes = makeAttributes(ajp, url.query, stored, options.secret);
  const forward = (own: SocketAddress): ForwardRequest => ({
    type: "forwardRequest",
    methodCode: code,
    protocol: "HTTP/1.1",
    uri: url.path,
    remoteAddr: ajp.remoteAddr ?? own.hostname,
    remoteHost: ajp.remoteHost ?? null,
    serverName: ajp.serverName ?? url.serverName,
    serverPort: ajp.serverPort ?? url.serverPort,
    isSsl: ajp.isSsl ?? url.isSsl,
    headers,
    attributes: ajp.remoteAddr === undefined && ajp.remotePort === undefined
      ? [...attributes, ajpRequestAttribute("AJP_REMOTE_PORT", `${own.port}`)]
      : attributes,
  });
  return {
    name: `${method} ${url.path}`,
    method,
    body,
    signal,
    retry,
    forward,
  };
}

interface RequestUrl {
  readonly path: string;
  readonly query: string | null;
  readonly host: string;
  readonly serverName: string;
  readonly serverPort: number;
  readonly isSsl: boolean;
}

function readUrl(
  text: string,
  { origin, address, name }: ResolvedAjpClientOptions,
): RequestUrl {
  // A path is one even where it begins with two slashes.
  const url = new URL(
    text.startsWith("/") ? origin.origin + text : text,
    origin,
  );
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      `Cannot fetch ${url.protocol}//${url.host}: the URL has a user name or password`,
    );
  }
  const path = url.pathname === "" ? "/" : url.pathname;
  const query = url.search === "" ? null : url.search.slice(1);
  if (url.protocol === "ajp:") {
    const { hostname, port } = ajpAuthority(url);
    if (hostname !== address.hostname || port !== address.port) {
      throw new TypeError(
        `Cannot fetch ${url.protocol}//${url.host}: the client is connected to ${name}`,
      );
    }
    const host = formatAuthority(address);
    return {
      path,
      query,
      host,
      serverName: url.hostname,
      serverPort: port,
      isSsl: false,
    };
  }
  const isSsl = url.protocol === "https:";
  if (!isSsl && url.protocol !== "http:") {
    throw new TypeError(
      `Cannot fetch ${url.protocol} URLs: none of ajp:, http:, https:`,
    );
  }
  const serverPort = url.port === "" ? isSsl ? 443 : 80 : Number(url.port);
  const { host, hostname: serverName } = url;
  return { path, query, host, serverName, serverPort, isSsl };
}

const NORMALIZED = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

/** As Fetch does it: these in any case, all others as they are. */
function normalizeMethod(method: string): string {
  const upper = method.toUpperCase();
  return NORMALIZED.includes(upper) ? upper : method;
}

function readRetry(retry: string = "never"): boolean {
  if (retry === "safe" || retry === "never") return retry === "safe";
  throw new TypeError(
    `Cannot use retry ${JSON.stringify(retry)}: neither "never" nor "safe"`,
  );
}

type Pair = readonly [name: string, value: string];

/** Pairs keep their number and order; `Headers` has joined those of one name already. */
function readHeaders(given: HeadersInit | undefined): Pair[] {
  if (given === undefined) return [];
  const headers = new Headers(given); // checks names and values
  if (!Array.isArray(given)) return [...headers];
  const pairs = given.map(([name = "", value = ""]): Pair => [
    name.toLowerCase(),
    value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, ""),
  ]);
  // One header, as HTTP/2 demands when it is handed on (RFC 9113, 8.2.3).
  const cookies = pairs.filter(([name]) => name === "cookie");
  if (cookies.length < 2) return pairs;
  return [
    ...pairs.filter(([name]) => name !== "cookie"),
    ["cookie", cookies.map(([, value]) => value).join("; ")],
  ];
}

/** The content-length that the caller gave. */
function givenLength(headers: readonly Pair[]): number | undefined {
  const lengths = headers.filter(([name]) => name === "content-length");
  const value = lengths[0]?.[1];
  if (value === undefined) return undefined;
  const encoded = headers.some(([name]) => name === "transfer-encoding");
  if (lengths.length === 1 && /^[0-9]{1,15}$/.test(value) && !encoded) {
    return Number(value);
  }
  throw new TypeError(
    `Cannot use content-length ${JSON.stringify(value)}: ${
      encoded ? "given with transfer-encoding" : "not one number"
    }`,
  );
}

function requestBody(
  request: Request | undefined,
  length: number | undefined,
): OutgoingBody | null {
  if (request === undefined) return checkLength(null, length);
  if (request.bodyUsed) {
    throw new TypeError("Cannot send the body of the request: it was read");
  }
  return request.body === null
    ? checkLength(null, length)
    : streamBody(request.body, length);
}

function readBody(
  body: BodyInit | OutgoingBody | null,
  length: number | undefined,
): OutgoingBody | null {
  if (body === null || isOutgoing(body)) return checkLength(body, length);
  if (body instanceof ReadableStream) return streamBody(body, length);
  if (body instanceof Blob) {
    return checkLength(blobBody(body, body.type || null), length);
  }
  if (body instanceof ArrayBuffer) {
    return checkLength(bytesBody(new Uint8Array(body.slice(0)), null), length);
  }
  if (ArrayBuffer.isView(body)) {
    const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
    return checkLength(bytesBody(bytes.slice(), null), length);
  }
  const type = body instanceof URLSearchParams
    ? "application/x-www-form-urlencoded;charset=UTF-8"
    : "text/plain;charset=UTF-8";
  const bytes = new TextEncoder().encode(String(body));
  return checkLength(bytesBody(bytes, type), length);
}

function isOutgoing(body: BodyInit | OutgoingBody): body is OutgoingBody {
  return typeof body === "object" && "replayable" in body;
}

function checkLength(
  body: OutgoingBody | null,
  length: number | undefined,
): OutgoingBody | null {
  const actual = body?.length ?? 0;
  if (length === undefined || length === actual) return body;
  throw new TypeError(
    `Cannot use content-length "${length}": the body has ${actual} bytes`,
  );
}

const WITH_BODY = ["POST", "PUT", "PATCH"];

/** Adds host, type and length where the caller gave none; one of length and encoding, never both. */
function completeHeaders(
  given: readonly Pair[],
  method: string,
  body: OutgoingBody | null,
  host: string,
): AjpHeader[] {
  const has = (wanted: string) => given.some(([name]) => name === wanted);
  const headers = has("host") ? [] : [ajpRequestHeader("host", host)];
  for (const [name, value] of given) {
    headers.push(ajpRequestHeader(name, value));
  }
  const contentType = body?.contentType ?? null;
  if (contentType !== null && !has("content-type")) {
    headers.push(ajpRequestHeader("content-type", contentType));
  }
  if (has("content-length") || has("transfer-encoding")) return headers;
  if (body === null) {
    if (WITH_BODY.includes(method)) {
      headers.push(ajpRequestHeader("content-length", "0"));
    }
  } else if (body.length === undefined) {
    // The only trace of a length that nobody knows, as web servers leave it.
    headers.push(ajpRequestHeader("transfer-encoding", "chunked"));
  } else headers.push(ajpRequestHeader("content-length", String(body.length)));
  return headers;
}
