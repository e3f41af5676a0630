import {
  DEFAULT_AJP_PACKET_SIZE,
  MAX_AJP_PACKET_SIZE,
} from "../protocol/mod.ts";
import type { SocketAddress } from "../transport/mod.ts";
import { checkInteger } from "../transport/options.ts";

/** Options of {@linkcode AjpClient}. Durations are milliseconds, sizes are bytes. */
export interface AjpClientOptions {
  /**
   * What the connector asks for; Tomcat attribute `secret`. Without one none is sent, which a Tomcat
   * with its defaults does not accept. ISO-8859-1.
   */
  readonly secret?: string | null;
  /**
   * Scheme, name and port that requests by a path alone are for, such as `https://www.example`: what
   * the application sees as its own address. The container's address without it.
   */
  readonly origin?: string;
  /**
   * Greatest packet, 8192 to 65536; the connector's `packetSize` has to be the same. A request's
   * headers have to fit one packet, and a response's too.
   * @default {8192}
   */
  readonly packetSize?: number;
  /**
   * Most connections at the same time, and so most requests that are under way; others wait. mod_jk
   * property `connection_pool_size`, which is the number of httpd's threads.
   * @default {100}
   */
  readonly maxConnections?: number;
  /**
   * Most requests that wait for a connection; further ones fail with `busy`.
   * @default {10000}
   */
  readonly maxQueueLength?: number;
  /**
   * How long a request waits for a connection, after which it fails with `busy`; -1 for no limit.
   * mod_jk property `connection_acquire_timeout`.
   * @default {30000}
   */
  readonly queueTimeout?: number;
  /**
   * Time after which an unused connection is closed; -1 for never. mod_jk property
   * `connection_pool_timeout`, in seconds there, whose default is never.
   * @default {60000}
   */
  readonly idleTimeout?: number;
  /**
   * How long connecting may take; -1 for as long as the system tries. mod_jk property
   * `socket_connect_timeout`.
   * @default {5000}
   */
  readonly connectTimeout?: number;
  /**
   * A connection that was not used for this long is asked by a CPING before it is used again; 0 asks
   * before every reuse (mod_jk's `ping_mode=P`), -1 never, as mod_jk by default. A shorter
   * time finds more connections that have died without a sign, at the price of a round trip. With 0
   * nothing that a container sends too much is ever taken for the answer to the next request.
   * @default {1000}
   */
  readonly pingAfter?: number;
  /**
   * Whether a new connection is asked by a CPING, which tells a container that hangs from one that
   * accepts connections only. mod_jk's `ping_mode=C`.
   * @default {false}
   */
  readonly pingOnConnect?: boolean;
  /**
   * How long the answer to a CPING may take. mod_jk property `ping_timeout`.
   * @default {10000}
   */
  readonly pingTimeout?: number;
  /**
   * How long the container may be silent while an answer is due: until the headers, and between any
   * two packets after that; -1 for no limit. The time in which it waits for the request's body, or we
   * for the response's reader, does not count. mod_jk property `reply_timeout`, whose default is no
   * limit; httpd's `ProxyTimeout` has this one.
   * @default {60000}
   */
  readonly replyTimeout?: number;
  /**
   * How long `close` lets requests finish before it breaks them off.
   * @default {10000}
   */
  readonly closeTimeout?: number;
}

/** The options of a client, checked and complete. */
export interface ResolvedAjpClientOptions
  extends Required<Omit<AjpClientOptions, "secret" | "origin">> {
  /** What the connector asks for; null sends none. */
  readonly secret: string | null;
  /** Scheme and authority of requests by a path. */
  readonly origin: URL;
  /** Where to connect. */
  readonly address: SocketAddress;
  /** The container for people: `tomcat:8009`. */
  readonly name: string;
}

const DEFAULT_PORT = 8009;
const MAX_TIME = 0x7fff_ffff;

/**
 * Checks a client's address and options and fills in the defaults.
 *
 * @param url Such as `ajp://tomcat:8009`.
 * @throws {TypeError} For an address that is none, or a secret without a wire form.
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveAjpClientOptions(
  url: string | URL,
  options: AjpClientOptions = {},
): ResolvedAjpClientOptions {
  const address = parseAjpAddress(url);
  const name = formatAuthority(address);
  const resolved: ResolvedAjpClientOptions = {
    address,
    name,
    secret: checkSecret(options.secret ?? null),
    origin: parseOrigin(options.origin ?? `http://${name}`),
    packetSize: options.packetSize ?? DEFAULT_AJP_PACKET_SIZE,
    maxConnections: options.maxConnections ?? 100,
    maxQueueLength: options.maxQueueLength ?? 10_000,
    queueTimeout: options.queueTimeout ?? 30_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    connectTimeout: options.connectTimeout ?? 5000,
    pingAfter: options.pingAfter ?? 1000,
    pingOnConnect: options.pingOnConnect ?? false,
    pingTimeout: options.pingTimeout ?? 10_000,
    replyTimeout: options.replyTimeout ?? 60_000,
    closeTimeout: options.closeTimeout ?? 10_000,
  };
  checkInteger(
    resolved.packetSize,
    "packetSize",
    DEFAULT_AJP_PACKET_SIZE,
    MAX_AJP_PACKET_SIZE,
  );
  checkInteger(resolved.maxConnections, "maxConnections", 1, 1_000_000);
  checkInteger(resolved.maxQueueLength, "maxQueueLength", 0, 1_000_000_000);
  checkInteger(resolved.queueTimeout, "queueTimeout", -1, MAX_TIME);
  checkInteger(resolved.idleTimeout, "idleTimeout", -1, MAX_TIME);
  checkInteger(resolved.connectTimeout, "connectTimeout", -1, MAX_TIME);
  checkInteger(resolved.pingAfter, "pingAfter", -1, MAX_TIME);
  checkInteger(resolved.pingTimeout, "pingTimeout", 1, MAX_TIME);
  checkInteger(resolved.replyTimeout, "replyTimeout", -1, MAX_TIME);
  checkInteger(resolved.closeTimeout, "closeTimeout", 0, MAX_TIME);
  return resolved;
}

/**
 * Reads a container's address.
 *
 * @param url `ajp://HOST:PORT`, IPv6 as `ajp://[::1]:8009`; the port is 8009 without one.
 * @throws {TypeError} For anything else.
 */
export function parseAjpAddress(url: string | URL): SocketAddress {
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined;
  const bare = parsed?.protocol === "ajp:" && parsed.hostname !== "" &&
    parsed.username === "" && parsed.password === "" &&
    (parsed.pathname === "" || parsed.pathname === "/") &&
    parsed.search === "" && parsed.hash === "" && parsed.port !== "0";
  if (parsed === undefined || !bare) {
    throw new TypeError(
      `Cannot use address ${JSON.stringify(String(url))}: not ajp://HOST:PORT`,
    );
  }
  return ajpAuthority(parsed);
}

/** Host and port of an `ajp:` URL. */
export function ajpAuthority(url: URL): SocketAddress {
  return {
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
  };
}

/** Host and port as text. */
export function formatAuthority({ hostname, port }: SocketAddress): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

function parseOrigin(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const http = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === undefined || !http || url.href !== `${url.origin}/`) {
    throw new TypeError(
      `Cannot use origin ${
        JSON.stringify(text)
      }: not http://HOST or https://HOST`,
    );
  }
  return url;
}

function checkSecret(secret: string | null): string | null {
  if (secret === null) return null;
  // The value itself is never shown.
  if (secret === "") throw new TypeError("Cannot use secret: it is empty");
  for (let i = 0; i < secret.length; i++) {
    if (secret.charCodeAt(i) <= 0xff) continue;
    throw new TypeError(
      `Cannot use secret: character ${i} is not in ISO-8859-1`,
    );
  }
  return secret;
}
