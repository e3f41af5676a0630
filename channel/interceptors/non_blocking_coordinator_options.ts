import {
  DEFAULT_GENERATION,
  type Generation,
} from "../../protocol/generation.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { checkInteger } from "../../transport/options.ts";

/** Options of a `NonBlockingCoordinator`. Durations are milliseconds. */
export interface NonBlockingCoordinatorOptions {
  /**
   * Kept for `optionCheck` of the channel. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /**
   * How long an election, or the wait for one, may last before a heartbeat begins anew. Fixed in
   * Tomcat, where it is the wait alone.
   * @default {15000}
   */
  readonly waitForCoordMsgTimeout?: number;
  /**
   * How long connecting to a member may take that only an election tells of. Tomcat waits 15000.
   * @default {1000}
   */
  readonly connectTimeout?: number;
  /**
   * Greatest number of members of a view; messages with more are refused. Tomcat has no limit.
   * @default {1000}
   */
  readonly maxMembers?: number;
  /** The release whose absolute order is used; all nodes must agree about it. The newest without it. */
  readonly generation?: Generation;
  /** Is told of each view that is installed, the coordinator first; must not throw. */
  readonly onElection?: (view: readonly Member[]) => void;
}

/**
 * Checks options and fills in defaults.
 *
 * @throws {RangeError} For an option that is out of its range.
 */
export function resolveNonBlockingCoordinatorOptions(
  options: NonBlockingCoordinatorOptions,
): Required<Omit<NonBlockingCoordinatorOptions, "onElection">> & {
  readonly onElection: NonBlockingCoordinatorOptions["onElection"];
} {
  const resolved = {
    optionFlag: options.optionFlag ?? 0,
    waitForCoordMsgTimeout: options.waitForCoordMsgTimeout ?? 15_000,
    connectTimeout: options.connectTimeout ?? 1000,
    maxMembers: options.maxMembers ?? 1000,
    generation: options.generation ?? DEFAULT_GENERATION,
    onElection: options.onElection,
  };
  const { waitForCoordMsgTimeout, connectTimeout, maxMembers } = resolved;
  checkInteger(
    waitForCoordMsgTimeout,
    "waitForCoordMsgTimeout",
    1,
    0x7fff_ffff,
  );
  checkInteger(connectTimeout, "connectTimeout", 1, 0x7fff_ffff);
  checkInteger(maxMembers, "maxMembers", 1, 0x7fff_ffff);
  return resolved;
}
