/** What went wrong with a request or a ping; callers switch on it and never read the text. */
export type AjpErrorCode =
  /** The container could not be reached. */
  | "connection-refused"
  /** Connecting, a CPING or the reply took too long. */
  | "timeout"
  /** Every connection is in use and the queue is full, or waiting in it took too long. */
  | "busy"
  /** The connection ended before the response did. */
  | "connection-closed"
  /** The container broke the protocol; `cause` is the `DecodeError`. */
  | "protocol"
  /** The request's line and headers do not fit a packet; `cause` is the `EncodeError`. */
  | "too-large"
  /** The response ended before its content-length. */
  | "truncated"
  /** The request's body failed, or has not the length that was announced. */
  | "request-body"
  /** The client was closed. */
  | "closed";

/** Options of an {@linkcode AjpError}. */
export interface AjpErrorOptions extends ErrorOptions {
  /**
   * Whether the container may have seen the request.
   * @default {false}
   */
  readonly requestSent?: boolean;
}

/** A request to a container, or a ping, failed. */
export class AjpError extends Error {
  /** What happened. */
  readonly code: AjpErrorCode;
  /** Whether the container may have seen the request; if not, it can safely be sent again. */
  readonly requestSent: boolean;

  /**
   * Makes the error.
   *
   * @param code What happened.
   * @param message The action, then the state, for people.
   * @param options `requestSent`, `cause`.
   */
  constructor(
    code: AjpErrorCode,
    message: string,
    options: AjpErrorOptions = {},
  ) {
    super(message, options);
    this.name = "AjpError";
    this.code = code;
    this.requestSent = options.requestSent ?? false;
  }
}
