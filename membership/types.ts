import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import type { Member } from "../protocol/tribes/member.ts";
import type { Clock } from "../transport/types.ts";
import type { LocalMember } from "./local_member.ts";

/** Takes the messages of a channel. */
export interface MessageListener {
  /**
   * Whether it answers the RPC messages that it accepts. To one that no such listener accepts the
   * channel itself answers that it has no RPC channel.
   */
  readonly answersRpc?: boolean;
  /** Whether this listener wants a message; every one without it. */
  accept?(message: ChannelData): boolean;
  /**
   * Takes one message; those of one connection come one at a time and in order. Its bytes are
   * borrowed: they may be kept after return, or after the promise settled, only as a copy.
   *
   * To throw, or to reject, is to fail: the sender sees it if it asked for a synchronized ack.
   */
  messageReceived(message: ChannelData): void | Promise<void>;
}

/** How a message is sent. */
export interface MessageOptions {
  /** Send options, a set of bits. */
  readonly options?: number;
}

/** A channel as those see it who talk over it: remote calls, and services that find members. */
export interface MessageChannel {
  /** The clock of its transport. */
  readonly clock: Clock;
  /** The local member. */
  localMember(): Member;
  /** Adds a listener for messages. */
  addChannelListener(listener: MessageListener): void;
  /** Removes a listener for messages. */
  removeChannelListener(listener: MessageListener): void;
  /**
   * Sends a Java object to members.
   *
   * @param object Its stream, borrowed until the promise settles.
   * @returns The message's unique id.
   */
  sendObject(
    destination: readonly Member[],
    object: Uint8Array,
    options?: MessageOptions,
  ): Promise<Uint8Array>;
  /** Reports an error that no caller waits for. */
  reportError(error: Error): void;
}

/** What a membership service tells its channel, and may ask of it. */
export interface MembershipContext {
  /** The member that the service announces. */
  readonly local: LocalMember;
  /** The channel, for a service that finds members by messages. */
  readonly channel: MessageChannel;
  /**
   * Gives the local member another unique id: of a node whose surroundings know it by one.
   *
   * @param uniqueId 16 bytes; copied.
   */
  changeUniqueId(uniqueId: Uint8Array): void;
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
  /** How members are found, as events name it: `mcast`, `static`, `cloud`. */
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
  /**
   * The channel's heartbeat: something may be due. What takes time goes on after the return, and
   * ends with {@linkcode stop}.
   */
  heartbeat?(): void;
}
