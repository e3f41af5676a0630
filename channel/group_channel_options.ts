import type { Member } from "../protocol/tribes/member.ts";
import type { RandomBytes } from "../protocol/tribes/unique_id.ts";
import type { McastMembershipOptions } from "../membership/mcast_membership.ts";
import type {
  MembershipService,
  MessageListener,
} from "../membership/types.ts";
import type { ReceiverOptions } from "../transport/receiver.ts";
import type { SenderOptions } from "../transport/sender.ts";
import type { ChannelInterceptor } from "./interceptor.ts";

/** Start level: messages are received. */
export const SND_RX_SEQ = 1;
/** Start level: messages are sent. */
export const SND_TX_SEQ = 2;
/** Start level: members are listened for. */
export const MBR_RX_SEQ = 4;
/** Start level: the local member is announced. */
export const MBR_TX_SEQ = 8;
/** All start levels. */
export const CHANNEL_DEFAULT = 15;

/** Takes the messages of a channel. */
export type ChannelListener = MessageListener;

/** Is told who comes and goes; what it throws is reported. */
export interface MembershipListener {
  /** A member came. */
  memberAdded?(member: Member): void;
  /** A member went; with the shutdown command when it said so itself. */
  memberDisappeared?(member: Member): void;
}

/** Options of {@linkcode GroupChannel}. Durations are milliseconds. */
export interface GroupChannelOptions {
  /** Receiver: address, port, limits. */
  readonly receiver?: ReceiverOptions;
  /** Sender: timeout, retries, limits. */
  readonly sender?: SenderOptions;
  /** How members are found: options of multicast, another service, or `null` for none. */
  readonly membership?: McastMembershipOptions | MembershipService | null;
  /**
   * The stack, top first. Tomcat's default stack when absent: MessageDispatch over
   * TcpFailureDetector.
   */
  readonly interceptors?: readonly ChannelInterceptor[];
  /**
   * Whether a timer calls {@linkcode GroupChannel.heartbeat}. Attribute `heartbeat`.
   * @default {true}
   */
  readonly heartbeat?: boolean;
  /**
   * Time between two heartbeats. Attribute `heartbeatSleeptime`.
   * @default {5000}
   */
  readonly heartbeatSleeptime?: number;
  /**
   * Whether a channel is refused when the option flag of one interceptor contains that of another.
   * Attribute `optionCheck`; Tomcat checks at the start.
   * @default {false}
   */
  readonly optionCheck?: boolean;
  /** Unique id of the local member, 16 bytes; random at each start without it. */
  readonly uniqueId?: Uint8Array;
  /** Domain of the local member. */
  readonly domain?: Uint8Array;
  /** Payload of the local member. */
  readonly payload?: Uint8Array;
  /** Secure port to advertise; nothing listens there. */
  readonly securePort?: number;
  /**
   * Where random bytes come from.
   * @default {crypto.getRandomValues}
   */
  readonly random?: RandomBytes;
  /** Is told of errors that no caller waits for; must not throw. */
  readonly onError?: (error: Error) => void;
}

/** Options of one {@linkcode GroupChannel.send}. */
export interface SendOptions {
  /**
   * Send options, a set of bits; the byte flag is set by the channel.
   * @default {2}
   */
  readonly options?: number;
  /** Id of the message, any bytes; copied. A new one without it. */
  readonly uniqueId?: Uint8Array;
}
