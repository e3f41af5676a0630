import type { Member } from "../protocol/tribes/member.ts";
import { formatMember } from "../protocol/tribes/member.ts";
import { TransportError } from "./types.ts";

/** Why a send or a start failed; callers switch on it and never read the text. */
export type ChannelErrorCode =
  | "timeout"
  | "failed-ack"
  | "connection-refused"
  | "connection-closed"
  | "unknown-member"
  | "no-members"
  | "queue-full"
  | "bad-message"
  | "multicast"
  | "unsupported";

/** A member that a send did not reach, and why. */
export interface FaultyMember {
  /** The member. */
  readonly member: Member;
  /** What happened with it. */
  readonly code: ChannelErrorCode;
  /** The error behind it. */
  readonly cause: Error;
}

/** Options of a {@linkcode ChannelError}. */
export interface ChannelErrorOptions extends ErrorOptions {
  /** The members that a send did not reach. */
  readonly faultyMembers?: readonly FaultyMember[];
}

/**
 * A send or a start failed. Where a message went to several members, those that are not among
 * `faultyMembers` have it.
 */
export class ChannelError extends Error {
  /** What happened; with several faulty members, to the first of them. */
  readonly code: ChannelErrorCode;
  /** The members that a send did not reach; empty when the error is about none. */
  readonly faultyMembers: readonly FaultyMember[];

  /**
   * Makes the error.
   *
   * @param code What happened.
   * @param message The action, then the state, for people.
   * @param options `faultyMembers`, `cause`.
   */
  constructor(
    code: ChannelErrorCode,
    message: string,
    options: ChannelErrorOptions = {},
  ) {
    super(message, options);
    this.name = "ChannelError";
    this.code = code;
    this.faultyMembers = options.faultyMembers ?? [];
  }
}

/** Makes the error of a send to one member. */
export function sendError(
  member: Member,
  code: ChannelErrorCode,
  state: string,
  cause?: Error,
): ChannelError {
  const message = `Cannot send to ${formatMember(member)}: ${state}`;
  const faulty = cause ?? new Error(message);
  return new ChannelError(code, message, {
    cause: faulty,
    faultyMembers: [{ member, code, cause: faulty }],
  });
}

/** Joins the errors of one message's sends to several members; one that is no `ChannelError` wins. */
export function joinSendErrors(errors: readonly unknown[]): Error {
  const known = errors.filter((error) => error instanceof ChannelError);
  const other = errors.find((error) => !(error instanceof ChannelError));
  if (other !== undefined) return asError(other);
  const [first] = known;
  if (first === undefined) {
    return new ChannelError(
      "no-members",
      "Cannot send: no destination is given",
    );
  }
  if (known.length === 1) return first;
  return new ChannelError(
    first.code,
    known.map((error) => error.message).join("; "),
    {
      cause: first,
      faultyMembers: known.flatMap((error) => error.faultyMembers),
    },
  );
}

/** The error of sends to members after the sender was closed. */
export function closedError(destination: readonly Member[]): Error {
  return joinSendErrors(
    destination.map((member) =>
      sendError(member, "connection-closed", "the sender is closed")
    ),
  );
}

/** The code that stands for a failed connect or a lost connection. */
export function connectionErrorCode(
  error: unknown,
): "connection-refused" | "connection-closed" {
  const refused = error instanceof TransportError &&
    (error.code === "connection-refused" || error.code === "unreachable" ||
      error.code === "address-not-available");
  return refused ? "connection-refused" : "connection-closed";
}

/** A thrown value as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
