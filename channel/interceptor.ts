import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import type { Member } from "../protocol/tribes/member.ts";
import type { Transport } from "../transport/types.ts";

/** Sends a message with what stands below. */
export type SendNext = (
  destination: readonly Member[],
  message: ChannelData,
) => Promise<void>;

/** Hands a message to what stands above. */
export type ReceiveNext = (message: ChannelData) => void | Promise<void>;

/** Hands a change of membership to what stands above. */
export type MemberNext = (member: Member) => void;

/**
 * A layer between the application and the network. Messages are sent from the top of the stack to
 * the bottom and received from the bottom to the top; each layer may change, keep, drop or add
 * messages, and may change what is known of the members.
 *
 * A layer has only the methods it needs, and passes on by calling `next`. A message is never
 * changed: a layer that has another one passes on a copy. A layer belongs to one channel.
 *
 * @example Counts what is sent
 * ```ts
 * import type { ChannelInterceptor } from "@tribes/toolkit/channel";
 *
 * let sent = 0;
 * const counter: ChannelInterceptor = {
 *   name: "Counter",
 *   sendMessage(destination, message, next) {
 *     sent += destination.length;
 *     return next(destination, message);
 *   },
 * };
 * ```
 */
export interface ChannelInterceptor {
  /** Name for errors and configurations: that of Tomcat's class without `Interceptor`. */
  readonly name: string;
  /** Bits of the send options that select this layer; 0 or nothing for all messages. */
  readonly optionFlag?: number;
  /**
   * Looks at the layers around, once, when the channel is made.
   *
   * @param above Names of the layers above, top first.
   * @param below Names of the layers below, nearest first.
   * @returns What is allowed but unwise; told to the channel's error handler at each start.
   * @throws {RangeError} When the layer must not stand there.
   */
  checkStack?(
    above: readonly string[],
    below: readonly string[],
  ): readonly string[];
  /** Starts the layer, after those below it. */
  start?(context: InterceptorContext): void | Promise<void>;
  /** Stops the layer, before those below it. */
  stop?(): void | Promise<void>;
  /**
   * A message is sent. Its bytes are borrowed until the promise that `next` gives settles.
   *
   * @throws {ChannelError} By rejecting: the application sees it.
   */
  sendMessage?(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void>;
  /**
   * A message came. Its bytes are borrowed until this returns and what it returns settles. To
   * throw, or to reject, is to fail its processing.
   */
  messageReceived?(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void>;
  /** A member came. */
  memberAdded?(member: Member, next: MemberNext): void;
  /** A member went; with the shutdown command when it said so itself. */
  memberDisappeared?(member: Member, next: MemberNext): void;
  /** The members as this layer shows them to those above. */
  members?(next: () => readonly Member[]): readonly Member[];
  /** Time passes: something may be due. */
  heartbeat?(): void | Promise<void>;
  /** Tests at once which members are there; what it finds are changes of membership. */
  checkMembers?(): void;
  /** Figures that an operator wants to see, by name. */
  statistics?(): Readonly<Record<string, number>>;
}

/** What a layer can do by itself, from its place in the stack. */
export interface InterceptorContext {
  /** Sockets and clock. */
  readonly transport: Transport;
  /** The local member. */
  localMember(): Member;
  /** The members as the layers below show them. */
  members(): readonly Member[];
  /** The members as the nearest layer below that has this name shows them, if there is one. */
  membersOf(name: string): readonly Member[] | undefined;
  /**
   * Lets the layers below that can do so test at once which members are there.
   *
   * @returns Whether there is such a layer.
   */
  checkMembers(): boolean;
  /** Makes a message of this node's, with a new unique id and the present time. */
  makeMessage(message: Uint8Array, options: number): ChannelData;
  /** Sends a message with the layers below. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void>;
  /** Hands a message to the layers above. */
  messageReceived(message: ChannelData): void | Promise<void>;
  /** Tells the layers above that a member came. */
  memberAdded(member: Member): void;
  /** Tells the layers above that a member went. */
  memberDisappeared(member: Member): void;
  /** Reports an error that no caller waits for. */
  fault(error: Error): void;
  /** Lets a task run by itself; what it rejects with is reported. */
  background(task: Promise<unknown>): void;
}

/**
 * Tells whether a message is meant for a layer with this option flag.
 *
 * @param options The message's send options.
 * @param optionFlag The layer's flag; 0 takes every message.
 */
export function okToProcess(options: number, optionFlag: number): boolean {
  return optionFlag === 0 || (options & optionFlag) === optionFlag;
}

/** A stack is allowed but unwise; told to the channel's error handler when it starts. */
export class StackWarning extends Error {
  /** Makes the warning. */
  constructor(message: string) {
    super(message);
    this.name = "StackWarning";
  }
}
