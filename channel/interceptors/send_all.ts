import { memberKey } from "../../protocol/tribes/member.ts";
import {
  asError,
  ChannelError,
  type FaultyMember,
  joinSendErrors,
} from "../../transport/errors.ts";

/**
 * Sends what has become of one message: all of it, in order, without waiting in between.
 *
 * @param items What is to be sent.
 * @param send Sends one of them.
 * @throws {ChannelError} By rejecting, when all are settled: one error with each faulty member once.
 */
export async function sendAll<T>(
  items: readonly T[],
  send: (item: T) => Promise<void>,
): Promise<void> {
  // An asynchronous function begins at once, and makes a rejection of what is thrown.
  const results = await Promise.allSettled(
    items.map(async (item) => await send(item)),
  );
  const errors: Error[] = [];
  const seen = new Set<string>();
  for (const result of results) {
    if (result.status === "fulfilled") continue;
    const error = withoutSeen(asError(result.reason), seen);
    if (error !== undefined) errors.push(error);
  }
  if (errors.length > 0) throw joinSendErrors(errors);
}

/** Leaves out faulty members that an error before has named; nothing is left of an error with these only. */
function withoutSeen(error: Error, seen: Set<string>): Error | undefined {
  if (!(error instanceof ChannelError) || error.faultyMembers.length === 0) {
    return error;
  }
  const isNew = ({ member }: FaultyMember) => !seen.has(memberKey(member));
  const faultyMembers = error.faultyMembers.filter(isNew);
  for (const { member } of faultyMembers) seen.add(memberKey(member));
  if (faultyMembers.length === error.faultyMembers.length) return error;
  return faultyMembers.length === 0
    ? undefined
    : new ChannelError(error.code, error.message, {
      cause: error,
      faultyMembers,
    });
}
