import type { Member } from "../protocol/tribes/member.ts";
import type { LocalMember } from "./local_member.ts";

/** What a membership service tells its channel. */
export interface MembershipContext {
  /** The member that the service announces. */
  readonly local: LocalMember;
  /** A member is here. */
  memberAdded(member: Member): void;
  /** A member is gone; with the shutdown command when it said so itself. */
  memberDisappeared(member: Member): void;
  /** A broadcast came: bytes that should be frames. */
  broadcastReceived(datagram: Uint8Array): void;
  /** Something went wrong; the service goes on. */
  fault(error: Error): void;
}

/** Which halves of a membership service run. */
export interface MembershipLevels {
  /** Whether members are listened for. */
  readonly receive: boolean;
  /** Whether the local member is announced. */
  readonly send: boolean;
}

/** Finds the other members of a group. */
export interface MembershipService {
  /** How members are found, as events name it: `mcast`. */
  readonly name: string;
  /**
   * Starts, and waits until members had time to be heard.
   *
   * @throws {ChannelError} When it cannot start.
   */
  start(context: MembershipContext, levels: MembershipLevels): Promise<void>;
  /** Announces that the local member leaves, and stops. */
  stop(): Promise<void>;
  /**
   * The members that are known, the one that is alive for longest first; another list whenever
   * something changed.
   */
  members(): readonly Member[];
  /** Announces the local member at once, after a change of its domain or payload. */
  announce(): Promise<void>;
  /**
   * Sends a frame to all members at once (send option 0x0040).
   *
   * @throws {ChannelError} `unsupported`, `multicast`.
   */
  broadcast(frame: Uint8Array): Promise<void>;
}
