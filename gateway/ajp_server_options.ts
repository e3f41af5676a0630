import {
  DEFAULT_AJP_PACKET_SIZE,
  DEFAULT_MAX_HEADER_COUNT,
  MAX_AJP_PACKET_SIZE,
} from "../protocol/mod.ts";
import { checkInteger, checkPort } from "../transport/options.ts";
import type { SocketAddress } from "../transport/types.ts";
import type { AjpHandlerInfo } from "./ajp_request_info.ts";

/**
 * Answers one request. What it throws, or rejects with, is answered with status 500 and reported;
 * the client learns nothing of it.
 */
export type AjpHandler = (
  request: Request,
  info: AjpHandlerInfo,
) => Response | Promise<Response>;

/** Something went wrong, with one front end nearly always; the server goes on. */
export interface AjpServerFault {
  /**
   * `connection`: it broke the protocol or stood still, and is closed. `request`: it was refused.
   * `handler`: it threw, or gave what is no response. `response`: it could not be sent as it was
   * given. `listener`: the server's socket failed, and takes nothing more.
   */
  readonly type: "connection" | "request" | "handler" | "response" | "listener";
  /** The front end; of a `listener` its own address. */
  readonly remoteAddress: SocketAddress;
  /** What happened: a `DecodeError`, a `TransportError`, or what the handler threw. */
  readonly error: Error;
}

/** Options of {@linkcode AjpServer}. Durations are milliseconds, sizes are bytes. */
export interface AjpServerOptions {
  /**
   * What a front end has to know: 32 to 63 random characters of ASCII (mod_proxy_ajp takes fewer than 64), the same in its own
   * configuration. `null` lets everybody in who can connect. Tomcat attribute `secret`.
   */
  readonly secret: string | null;
  /**
   * Numeric address to bind. Whoever reaches it may say that he is anybody, from anywhere: AJP is not
   * for networks that others use, with a secret either. Tomcat attribute `address`.
   * @default {"127.0.0.1"}
   */
  readonly address?: string;
  /**
   * Port to bind; 0 takes any free one. Tomcat attribute `port`.
   * @default {8009}
   */
  readonly port?: number;
  /**
   * Greatest packet in both directions, 8192 to 65536; the front end has to be configured alike.
   * Tomcat attribute `packetSize`.
   * @default {8192}
   */
  readonly packetSize?: number;
  /**
   * Greatest number of connections. A further one takes the place of one that is idle, else it is
   * closed; Tomcat lets it wait. Tomcat attribute `maxConnections`.
   * @default {8192}
   */
  readonly maxConnections?: number;
  /**
   * Most headers of a request; more are answered with status 500. Tomcat attribute `maxHeaderCount`.
   * @default {100}
   */
  readonly maxHeaderCount?: number;
  /**
   * How long a new connection may say nothing; -1 for ever, which is what Tomcat does. Tomcat
   * attribute `connectionTimeout`.
   * @default {60000}
   */
  readonly connectionTimeout?: number;
  /**
   * How long a connection may be idle between two requests; -1 for ever, since front ends keep their
   * connections. Tomcat attribute `keepAliveTimeout`, which falls back to `connectionTimeout` there.
   * @default {-1}
   */
  readonly keepAliveTimeout?: number;
  /**
   * How long a front end may leave a packet unfinished, a part of a body that was asked for unsent, or
   * a reply unread, before its connection is dropped; -1 for ever, which is what Tomcat does. Longer than the
   * front end waits for its own clients, 60 s in httpd.
   * @default {120000}
   */
  readonly stallTimeout?: number;
  /**
   * How long {@linkcode AjpServer.close} waits for requests in flight.
   * @default {30000}
   */
  readonly closeTimeout?: number;
  /**
   * Names of request attributes to accept besides those that Tomcat knows. A name has to match as a
   * whole; a request with any other is refused with status 403. Tomcat attribute
   * `allowedRequestAttributesPattern`.
   * @default {null}
   */
  readonly allowedRequestAttributesPattern?: RegExp | null;
  /**
   * Whether users are our own business. With false the front end's `remoteUser` and `authType` are
   * marked as trusted. Tomcat attribute `tomcatAuthentication`.
   * @default {true}
   */
  readonly tomcatAuthentication?: boolean;
  /**
   * Whether the front end is asked to pass on what it has whenever the body of a response pauses.
   * Tomcat attribute `ajpFlush`.
   * @default {true}
   */
  readonly ajpFlush?: boolean;
  /**
   * Is told what goes wrong; must not throw. By default faults of the handler, of responses and of the
   * listener go to the console, and what front ends do wrong goes nowhere.
   */
  readonly onError?: (fault: AjpServerFault) => void;
}

/** The options of a server, checked and complete. */
export type ResolvedAjpServerOptions = Required<AjpServerOptions>;

/**
 * Checks server options and fills in the defaults.
 *
 * @throws {TypeError} Without a secret.
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveAjpServerOptions(
  options: AjpServerOptions,
): ResolvedAjpServerOptions {
  const pattern = options.allowedRequestAttributesPattern ?? null;
  const resolved: ResolvedAjpServerOptions = {
    secret: checkSecret(options.secret),
    address: options.address ?? "127.0.0.1",
    port: options.port ?? 8009,
    packetSize: options.packetSize ?? DEFAULT_AJP_PACKET_SIZE,
    maxConnections: options.maxConnections ?? 8192,
    maxHeaderCount: options.maxHeaderCount ?? DEFAULT_MAX_HEADER_COUNT,
    connectionTimeout: options.connectionTimeout ?? 60_000,
    keepAliveTimeout: options.keepAliveTimeout ?? -1,
    stallTimeout: options.stallTimeout ?? 120_000,
    closeTimeout: options.closeTimeout ?? 30_000,
    allowedRequestAttributesPattern: pattern && wholePattern(pattern),
    tomcatAuthentication: options.tomcatAuthentication ?? true,
    ajpFlush: options.ajpFlush ?? true,
    onError: options.onError ?? reportOwnFaults,
  };
  checkPort(resolved.port, "port");
  checkInteger(
    resolved.packetSize,
    "packetSize",
    DEFAULT_AJP_PACKET_SIZE,
    MAX_AJP_PACKET_SIZE,
  );
  checkInteger(resolved.maxConnections, "maxConnections", 1, 1_000_000);
  checkInteger(resolved.maxHeaderCount, "maxHeaderCount", 0, 0xffff);
  checkTimeout(resolved.connectionTimeout, "connectionTimeout");
  checkTimeout(resolved.keepAliveTimeout, "keepAliveTimeout");
  checkTimeout(resolved.stallTimeout, "stallTimeout");
  checkInteger(resolved.closeTimeout, "closeTimeout", 0, 0x7fff_ffff);
  return resolved;
}

// The value itself stays out of the text: it goes to logs.
function checkSecret(secret: string | null | undefined): string | null {
  if (secret === null) return null;
  if (secret === undefined || secret === "") {
    throw new TypeError(
      "Cannot start without secret: give 32 or more random characters, or null to let everybody in",
    );
  }
  if (typeof secret !== "string" || !/^[\x21-\x7e]+$/.test(secret)) {
    throw new TypeError("Cannot use secret: not printable ASCII");
  }
  return secret;
}

/** A timeout, or -1 for none. */
function checkTimeout(value: number, name: string): void {
  if (value !== -1) checkInteger(value, name, 1, 0x7fff_ffff);
}

/** The same pattern for a whole name; what `lastIndex` and line ends would change is left out. */
function wholePattern({ source, flags }: RegExp): RegExp {
  return new RegExp(`^(?:${source})$`, flags.replace(/[gmy]/g, ""));
}

function reportOwnFaults({ type, error }: AjpServerFault): void {
  if (type === "connection" || type === "request") return;
  console.error(`AJP server, ${type}:`, error);
}
