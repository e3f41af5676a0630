import { checkInteger } from "./options.ts";

/** Options of {@linkcode Sender}. Durations are milliseconds, sizes are bytes. */
export interface SenderOptions {
  /**
   * How long connecting may take, and how long a member may make no progress; retries get no more
   * than what is left of it. Tribes attribute `timeout`.
   * @default {3000}
   */
  readonly timeout?: number;
  /**
   * How often an unfinished message is sent again after its connection failed; the receiver may
   * then see it twice. Tribes attribute `maxRetryAttempts`.
   * @default {1}
   */
  readonly maxRetryAttempts?: number;
  /**
   * Whether a FAIL_ACK fails the send; otherwise it counts as an ACK. Tribes attribute
   * `throwOnFailedAck`.
   * @default {true}
   */
  readonly throwOnFailedAck?: boolean;
  /**
   * Whether a message is sent again after a FAIL_ACK, within `maxRetryAttempts`, as Tomcat does:
   * its listener then processes it twice. Differs from Tomcat by its default.
   * @default {false}
   */
  readonly retryAfterFailedAck?: boolean;
  /**
   * Number of messages after which a connection is replaced; -1 for no limit. Tribes attribute
   * `keepAliveCount`.
   * @default {-1}
   */
  readonly keepAliveCount?: number;
  /**
   * Age at which a connection is replaced, or closed when nothing is sent; -1 for no limit. Tribes
   * attribute `keepAliveTime`.
   * @default {-1}
   */
  readonly keepAliveTime?: number;
  /**
   * Greatest number of acknowledged messages in flight to one member.
   * @default {1024}
   */
  readonly ackWindow?: number;
  /**
   * Greatest number of synchronized messages in flight to one member. More than 1 needs a receiver
   * that processes a connection in order; with a Tomcat's default threads a FAIL_ACK would be
   * taken for another message's.
   * @default {1}
   */
  readonly synchronizedAckWindow?: number;
  /**
   * Greatest number of bytes queued or unacknowledged for one member; a send beyond it is refused
   * with `queue-full`. Frames count whole: the default is four times what the dispatch
   * interceptor lets wait in bodies, so that with `async` that one's limit comes first, unless
   * messages are tiny.
   * @default {268435456}
   */
  readonly maxQueueSize?: number;
}

/** The options of a sender, checked and complete. */
export type ResolvedSenderOptions = Required<SenderOptions>;

/**
 * Checks sender options and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveSenderOptions(
  options: SenderOptions = {},
): ResolvedSenderOptions {
  const resolved: ResolvedSenderOptions = {
    timeout: options.timeout ?? 3000,
    maxRetryAttempts: options.maxRetryAttempts ?? 1,
    throwOnFailedAck: options.throwOnFailedAck ?? true,
    retryAfterFailedAck: options.retryAfterFailedAck ?? false,
    keepAliveCount: options.keepAliveCount ?? -1,
    keepAliveTime: options.keepAliveTime ?? -1,
    ackWindow: options.ackWindow ?? 1024,
    synchronizedAckWindow: options.synchronizedAckWindow ?? 1,
    maxQueueSize: options.maxQueueSize ?? 268_435_456,
  };
  checkInteger(resolved.timeout, "timeout", 1, 0x7fff_ffff);
  checkInteger(resolved.maxRetryAttempts, "maxRetryAttempts", 0, 1000);
  checkInteger(resolved.keepAliveCount, "keepAliveCount", -1, 0x7fff_ffff);
  checkInteger(resolved.keepAliveTime, "keepAliveTime", -1, 0x7fff_ffff);
  checkInteger(resolved.ackWindow, "ackWindow", 1, 1_000_000);
  checkInteger(
    resolved.synchronizedAckWindow,
    "synchronizedAckWindow",
    1,
    1_000_000,
  );
  checkInteger(
    resolved.maxQueueSize,
    "maxQueueSize",
    1,
    Number.MAX_SAFE_INTEGER,
  );
  return resolved;
}
