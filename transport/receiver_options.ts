import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import {
  DEFAULT_MAX_DATA_LENGTH,
  MAX_DATA_LENGTH,
} from "../protocol/tribes/frame.ts";
import { checkInteger, checkPort, MAX_PORT } from "./options.ts";
import type { SocketAddress, Transport } from "./types.ts";

/**
 * Takes one message. What it throws, or rejects with, is a failed processing: the sender is told
 * when it asked for a synchronized acknowledgement. The message's bytes are borrowed: they may be
 * kept only as a copy.
 */
export type MessageHandler = (message: ChannelData) => void | Promise<void>;

/** Something went wrong, with one peer nearly always; the receiver goes on. */
export interface ReceiverFault {
  /**
   * `connection`: the connection was closed. `datagram`: it was dropped, or not answered. `handler`:
   * it threw. `listener`: a socket of the receiver failed, and takes nothing more.
   */
  readonly type: "connection" | "datagram" | "handler" | "listener";
  /** The peer; of a `listener` its own address. */
  readonly remoteAddress: SocketAddress;
  /** What happened: a `DecodeError`, a `TransportError`, or what the handler threw. */
  readonly error: Error;
}

/** Options of {@linkcode Receiver}. Durations are milliseconds, sizes are bytes. */
export interface ReceiverOptions {
  /**
   * Numeric address to bind and to publish; `auto` takes the first external IPv4 address, else
   * loopback. Tribes attribute `address`.
   * @default {"auto"}
   */
  readonly address?: string;
  /**
   * TCP port to try first; 0 takes any free one. Tribes attribute `port`.
   * @default {4000}
   */
  readonly port?: number;
  /**
   * How many ports are tried, one after another; values below 1 count as 1. Tribes attribute
   * `autoBind`.
   * @default {100}
   */
  readonly autoBind?: number;
  /**
   * UDP port; 0 takes any free one, -1 none. Tribes attribute `udpPort`.
   * @default {-1}
   */
  readonly udpPort?: number;
  /**
   * Greatest message that is read. Tomcat has no limit.
   * @default {67108864}
   */
  readonly maxDataLength?: number;
  /**
   * Greatest number of TCP connections. Tomcat has no limit.
   * @default {512}
   */
  readonly maxConnections?: number;
  /**
   * Greatest number of bytes held for unfinished messages, over all connections; beyond it the
   * connection that holds most is closed.
   * @default {268435456}
   */
  readonly maxBufferedBytes?: number;
  /**
   * How long an unfinished message may take for each kilobyte, and a peer not read its
   * acknowledgements, before the connection is closed. Tomcat waits for ever.
   * @default {15000}
   */
  readonly stallTimeout?: number;
  /** Is told what goes wrong with peers; must not throw. */
  readonly onFault?: (fault: ReceiverFault) => void;
}

/** The options of a receiver, checked and complete. */
export type ResolvedReceiverOptions = Required<ReceiverOptions>;

/**
 * Checks receiver options and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveReceiverOptions(
  options: ReceiverOptions = {},
): ResolvedReceiverOptions {
  const resolved: ResolvedReceiverOptions = {
    address: options.address ?? "auto",
    port: options.port ?? 4000,
    autoBind: Math.max(1, options.autoBind ?? 100),
    udpPort: options.udpPort ?? -1,
    maxDataLength: options.maxDataLength ?? DEFAULT_MAX_DATA_LENGTH,
    maxConnections: options.maxConnections ?? 512,
    maxBufferedBytes: options.maxBufferedBytes ?? 268_435_456,
    stallTimeout: options.stallTimeout ?? 15_000,
    onFault: options.onFault ?? (() => {}),
  };
  checkPort(resolved.port, "port");
  if (resolved.udpPort !== -1) checkPort(resolved.udpPort, "udpPort");
  checkInteger(resolved.autoBind, "autoBind", 1, MAX_PORT);
  checkInteger(resolved.maxDataLength, "maxDataLength", 0, MAX_DATA_LENGTH);
  checkInteger(resolved.maxConnections, "maxConnections", 1, 1_000_000);
  checkInteger(resolved.stallTimeout, "stallTimeout", 1, 0x7fff_ffff);
  checkInteger(
    resolved.maxBufferedBytes,
    "maxBufferedBytes",
    1,
    Number.MAX_SAFE_INTEGER,
  );
  return resolved;
}

/** Chooses the address that `auto` stands for. */
export function autoAddress(transport: Transport): string {
  const v4 = transport.localAddresses().find((text) => !text.includes(":"));
  return v4 ?? "127.0.0.1";
}
