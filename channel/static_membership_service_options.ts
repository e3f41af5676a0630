import { DEFAULT_GENERATION, type Generation } from "../protocol/generation.ts";
import type { MemberInit } from "../protocol/tribes/member.ts";
import { checkInteger } from "../transport/options.ts";

/** Options of `StaticMembershipService`: the attributes of Tomcat's. Durations are milliseconds. */
export interface StaticMembershipServiceOptions {
  /**
   * The configured members, with the unique id that each uses itself; this node may be among them.
   */
  readonly members: readonly MemberInit[];
  /**
   * The local member; without it, the one of `members` that has this node's address and port. What
   * counts of it is its unique id. Element `LocalMember`.
   */
  readonly localMember?: MemberInit;
  /**
   * Name of the channel, the same on all nodes; that of a Tomcat cluster is `NAME-Channel`.
   */
  readonly channelName: string;
  /**
   * Silence after which a member disappears. Attribute `expirationTime`.
   * @default {5000}
   */
  readonly expirationTime?: number;
  /**
   * Time for the connection that finds out whether a member is to be asked. Attribute
   * `connectTimeout`.
   * @default {500}
   */
  readonly connectTimeout?: number;
  /**
   * Time to wait for answers. Attribute `rpcTimeout`.
   * @default {3000}
   */
  readonly rpcTimeout?: number;
  /**
   * Whether members are asked by a timer of the service instead of the channel's heartbeat. Attribute
   * `useThread`.
   * @default {false}
   */
  readonly useThread?: boolean;
  /**
   * Time between two questions with `useThread`. Attribute `pingInterval`.
   * @default {1000}
   */
  readonly pingInterval?: number;
  /**
   * Release of the members that have not shown theirs yet: 9.0, 10.1.39 and 10.1.40 cannot read each
   * other's members. The newest without it.
   */
  readonly generation?: Generation;
  /**
   * Greatest number of members. Tomcat has no limit.
   * @default {4096}
   */
  readonly maxMembers?: number;
}

/** The options of a static membership service, checked and complete; who is local is apart. */
export type ResolvedStaticMembershipServiceOptions = Required<
  Omit<StaticMembershipServiceOptions, "localMember">
>;

/**
 * Checks the options of a static membership service and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveStaticMembershipServiceOptions(
  options: StaticMembershipServiceOptions,
): ResolvedStaticMembershipServiceOptions {
  const resolved: ResolvedStaticMembershipServiceOptions = {
    members: options.members,
    channelName: options.channelName,
    expirationTime: options.expirationTime ?? 5000,
    connectTimeout: options.connectTimeout ?? 500,
    rpcTimeout: options.rpcTimeout ?? 3000,
    useThread: options.useThread ?? false,
    pingInterval: options.pingInterval ?? 1000,
    generation: options.generation ?? DEFAULT_GENERATION,
    maxMembers: options.maxMembers ?? 4096,
  };
  const durations = [
    "expirationTime",
    "connectTimeout",
    "rpcTimeout",
    "pingInterval",
  ] as const;
  for (const name of durations) {
    checkInteger(resolved[name], name, 1, 0x7fff_ffff);
  }
  checkInteger(resolved.maxMembers, "maxMembers", 1, 1_000_000);
  return resolved;
}
