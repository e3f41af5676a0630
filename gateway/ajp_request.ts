// Makes a Request of what a front end forwarded.
//
// What the runtimes do differently, or to requests that never were on a network, is undone here:
// Fetch writes some methods in upper case, Bun takes those that it does not know for GET, cookies of
// several headers are joined by a comma in Deno, and a URL drops tabs and turns `\` into `/`.
import {
  type AjpHeader,
  type ForwardRequest,
  SC_A_QUERY_STRING,
} from "../protocol/mod.ts";

/** Methods that Fetch refuses. Proxies answer them; no application is asked. */
export function isForbiddenMethod(method: string): boolean {
  return /^(?:CONNECT|TRACE|TRACK)$/i.test(method);
}

/** Methods whose body Fetch refuses. */
export function refusesBody(method: string): boolean {
  return method === "GET" || method === "HEAD" ||
    /^(?:GET|HEAD)$/i.test(method);
}

/**
 * Where a request goes, as its client wrote it: the host of an absolute URI, else of the Host header,
 * else the front end's own name and port; the scheme by TLS.
 *
 * @returns An absolute URL; `undefined` when the request names no host that can be one.
 */
export function requestUrl(request: ForwardRequest): string | undefined {
  const { uri, isSsl } = request;
  let host = hostHeader(request.headers);
  let path = uri;
  if (!uri.startsWith("/")) {
    const absolute = ABSOLUTE_URI.exec(uri);
    if (absolute !== null) [, host, path = "/"] = absolute;
    else if (uri === "*") path = "/*";
    else return undefined;
  }
  if (host === "") host = frontEndHost(request);
  if (host === undefined || !isHost(host)) return undefined;
  const target = requestTarget(path, lastQuery(request));
  return `${isSsl ? "https" : "http"}://${host}${target}`;
}

/** Path and query as they were sent; bytes that have no place in them are escaped. */
export function requestTarget(path: string, query: string | null): string {
  const target = escaped(path, PATH);
  return query === null ? target : `${target}?${escaped(query, QUERY)}`;
}

/** The parts of a request that its constructor cannot take. */
export interface RequestIdentity {
  /** Method, as it was sent. */
  readonly method: string;
  /** Aborted when the front end goes away. */
  readonly signal: AbortSignal;
}

/**
 * A genuine `Request` whose method is what the client sent, on every runtime, and whose signal is made
 * when it is first asked for. `clone` keeps both, `new Request(request)` does not.
 */
export class AjpRequest extends Request {
  readonly #identity: RequestIdentity;

  /**
   * Makes the request.
   *
   * @throws {TypeError} When the URL is none.
   */
  constructor(
    input: string | Request,
    init: RequestInit | undefined,
    identity: RequestIdentity,
  ) {
    super(input, init);
    this.#identity = identity;
  }

  override get method(): string {
    return this.#identity.method;
  }

  override get signal(): AbortSignal {
    return this.#identity.signal;
  }

  override clone(): AjpRequest {
    return new AjpRequest(super.clone(), undefined, this.#identity);
  }
}

/**
 * Makes a request.
 *
 * @param body Bytes, a stream of them, or none.
 * @throws {TypeError} When the URL is none.
 */
export function makeRequest(
  url: string,
  headers: readonly AjpHeader[],
  identity: RequestIdentity,
  body: Uint8Array | ReadableStream<Uint8Array> | null,
): Request {
  const init = requestInit(identity.method, body);
  const request = new AjpRequest(url, init, identity);
  appendHeaders(request.headers, headers);
  return request;
}

const ABSOLUTE_URI = /^https?:\/\/([^/?#]+)(\/.*)?$/is;
// What a URL's parser would take for something else, or write in UTF-8.
const PATH = /[^!-~]|[\\#?]/g;
const QUERY = /[^!-~]|#/g;
// A name, or an address in IPv4 or brackets, and perhaps a port.
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::(\d{0,5}))?$/i;

/** Value of the Host header; empty without one, `undefined` with several. */
function hostHeader(headers: readonly AjpHeader[]): string | undefined {
  let host: string | undefined;
  for (let i = 0; i < headers.length; i++) {
    const { name, value } = headers[i]!; // i < length
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (host !== undefined) return undefined;
    host = value?.trim() ?? "";
  }
  return host ?? "";
}

function frontEndHost({ serverName, serverPort }: ForwardRequest): string {
  const name = serverName || "localhost";
  const bare = name.includes(":") && !name.startsWith("[");
  return `${bare ? `[${name}]` : name}:${serverPort}`;
}

function isHost(host: string): boolean {
  const match = HOST.exec(host);
  return match !== null && Number(match[1] ?? 0) <= 0xffff;
}

/** The last query string counts, as in Tomcat. */
function lastQuery({ attributes }: ForwardRequest): string | null {
  for (let i = attributes.length - 1; i >= 0; i--) {
    const { code, value } = attributes[i]!; // i is an index
    if (code === SC_A_QUERY_STRING) {
      return typeof value === "string" ? value : null;
    }
  }
  return null;
}

/** Escapes bytes; nearly always there are none to escape. */
function escaped(text: string, bytes: RegExp): string {
  if (text.search(bytes) < 0) return text;
  return text.replace(
    bytes,
    (byte) =>
      `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

function requestInit(
  method: string,
  body: Uint8Array | ReadableStream<Uint8Array> | null,
): RequestInit | undefined {
  if (method === "GET") return undefined;
  const accepted = acceptedMethod(method);
  if (body === null) return { method: accepted };
  // Fetch asks for `duplex` beside a stream, which TypeScript's RequestInit has not.
  const init: RequestInit & { duplex: "half" } = {
    method: accepted,
    body: body as BodyInit, // a view of the socket's bytes, which are not shared; Fetch copies them
    duplex: "half",
  };
  return init;
}

/** A method that the runtime does not take for another one: Bun makes GET of some. */
function acceptedMethod(method: string): string {
  if (method === "POST" || method === "HEAD" || method === "PUT") return method;
  const { method: taken } = new Request("http://localhost/", { method });
  return taken.toUpperCase() === method.toUpperCase() ? method : "POST";
}

/** Repeated headers are joined by a comma, cookies by a semicolon. */
function appendHeaders(target: Headers, headers: readonly AjpHeader[]): void {
  let cookies: string | undefined;
  for (let i = 0; i < headers.length; i++) {
    const { name, value } = headers[i]!; // i < length
    if (name.length === 6 && name.toLowerCase() === "cookie") {
      cookies = cookies === undefined ? value ?? "" : `${cookies}; ${value}`;
    } else target.append(name, value ?? "");
  }
  if (cookies !== undefined) target.append("cookie", cookies);
}
