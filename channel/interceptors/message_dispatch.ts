import { copyBytes } from "../../protocol/bytes/bytes.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { SEND_OPTIONS_ASYNCHRONOUS } from "../../protocol/tribes/send_options.ts";
import { asError, ChannelError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  SendNext,
} from "../interceptor.ts";

/** Options of {@linkcode MessageDispatchInterceptor}. Sizes are bytes. */
export interface MessageDispatchOptions {
  /**
   * Greatest number of bytes of messages that wait. Attribute `maxQueueSize`.
   * @default {67108864}
   */
  readonly maxQueueSize?: number;
  /**
   * What happens beyond it: with `true` the send waits as a synchronous one does, otherwise it
   * fails with `queue-full`. Attribute `alwaysSend`.
   * @default {true}
   */
  readonly alwaysSend?: boolean;
}

/**
 * Sends messages with the `async` bit in the background: the send returns at once, and what goes
 * wrong is reported to the channel's error handler.
 *
 * Messages to one member keep their order, which Tomcat's dispatcher with its several threads does
 * not promise.
 */
export class MessageDispatchInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "MessageDispatch";
  /** The `async` bit, as in Tomcat; it cannot be changed. */
  readonly optionFlag: number = SEND_OPTIONS_ASYNCHRONOUS;
  readonly #maxQueueSize: number;
  readonly #alwaysSend: boolean;
  #context: InterceptorContext | undefined;
  #queuedMessages = 0;
  #queuedBytes = 0;

  /**
   * Makes a dispatcher.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: MessageDispatchOptions = {}) {
    this.#maxQueueSize = options.maxQueueSize ?? 67_108_864;
    this.#alwaysSend = options.alwaysSend ?? true;
    checkInteger(
      this.#maxQueueSize,
      "maxQueueSize",
      1,
      Number.MAX_SAFE_INTEGER,
    );
  }

  /** Bytes of messages that wait. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What waits: messages and their bytes. */
  statistics(): {
    readonly queuedMessages: number;
    readonly queuedBytes: number;
  } {
    return {
      queuedMessages: this.#queuedMessages,
      queuedBytes: this.#queuedBytes,
    };
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
  }

  /** Sends a message, in the background when it has the `async` bit. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    if ((message.options & SEND_OPTIONS_ASYNCHRONOUS) === 0) {
      return next(destination, message);
    }
    const size = message.message.length;
    if (this.#queuedBytes + size > this.#maxQueueSize) {
      if (this.#alwaysSend) return next(destination, message);
      return Promise.reject(
        new ChannelError(
          "queue-full",
          `Cannot queue ${size} bytes: ${this.#queuedBytes} of ${this.#maxQueueSize} are queued`,
        ),
      );
    }
    this.#queuedMessages++;
    this.#queuedBytes += size;
    // The caller may reuse its bytes as soon as this returns.
    const copy = { ...message, message: copyBytes(message.message) };
    void this.#dispatch(destination, copy, next);
    return Promise.resolve();
  }

  async #dispatch(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    try {
      await next(destination, message);
    } catch (error) {
      this.#context?.fault(asError(error));
    } finally {
      this.#queuedMessages--;
      this.#queuedBytes -= message.message.length;
    }
  }
}
