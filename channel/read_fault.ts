import { DecodeError } from "../protocol/errors.ts";
import { ChannelError } from "../transport/errors.ts";

/**
 * What to report when reading what a peer sent failed: bytes that break the protocol are the peer's
 * fault, and it is named; anything else stays as it is.
 */
export function readFault(error: Error, from: string): Error {
  if (!(error instanceof DecodeError)) return error;
  return new ChannelError(
    "bad-message",
    `Cannot read what ${from} sent: ${error.message}`,
    { cause: error },
  );
}
