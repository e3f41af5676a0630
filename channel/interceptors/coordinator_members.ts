// The member lists of a coordinator: sets of equal members, in absolute order.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import type { Generation } from "../../protocol/generation.ts";
import { decodeHost } from "../../protocol/tribes/host.ts";
import {
  equalMembers,
  type Member,
  memberKey,
} from "../../protocol/tribes/member.ts";
import type { Connection, Transport } from "../../transport/types.ts";

const TESTS_AT_ONCE = 64;

/** Members in absolute order, each once; of equal ones the first that was given. */
export function sortedMembers(
  members: Iterable<Member>,
  generation: Generation,
): readonly Member[] {
  const unique = new Map<string, Member>();
  for (const member of members) {
    const key = memberKey(member);
    if (!unique.has(key)) unique.set(key, member);
  }
  return [...unique.values()].sort((a, b) =>
    compareAbsoluteOrder(a, b, { generation })
  );
}

/** Tells whether two sorted lists have equal members. */
export function sameMembers(
  a: readonly Member[],
  b: readonly Member[],
): boolean {
  return a.length === b.length &&
    a.every((member, i) => equalMembers(member, b[i]!)); // as long as a
}

/** Tells whether two members have the same host and port. */
export function sameAddress(a: Member, b: Member): boolean {
  return a.port === b.port && equalBytes(a.host, b.host);
}

/** The members of a view behind one of them, in the order in which a token goes round. */
export function membersBehind(
  local: Member,
  view: readonly Member[],
): readonly Member[] {
  const at = view.findIndex((member) => equalMembers(member, local));
  return [...view.slice(at + 1), ...view.slice(0, Math.max(at, 0))];
}

/** Tells whether a member's receiver takes a connection within some milliseconds. Never rejects. */
async function isReachable(
  member: Member,
  transport: Transport,
  timeout: number,
): Promise<boolean> {
  const controller = new AbortController();
  const timer = transport.clock.startTimer(timeout, () => controller.abort());
  let connection: Connection | undefined;
  try {
    connection = await transport.connect({
      hostname: decodeHost(member.host),
      port: member.port,
    }, { signal: controller.signal });
    return true;
  } catch {
    return false; // why it cannot be reached makes no difference
  } finally {
    timer.cancel();
    await connection?.close().catch(() => {}); // nothing was written
  }
}

/**
 * Tests members, some at once: who names a thousand that are not there must not take all sockets.
 *
 * @returns For each of them whether its receiver takes a connection. Never rejects.
 */
export async function areReachable(
  members: readonly Member[],
  transport: Transport,
  timeout: number,
): Promise<readonly boolean[]> {
  const reached: boolean[] = [];
  for (let at = 0; at < members.length; at += TESTS_AT_ONCE) {
    const some = members.slice(at, at + TESTS_AT_ONCE);
    reached.push(
      ...await Promise.all(
        some.map((member) => isReachable(member, transport, timeout)),
      ),
    );
  }
  return reached;
}
