// The layers between application and network, linked once: sending runs top to bottom, receiving and
// changes of membership bottom to top.
//
// `#sendFrom[i]` sends with layer i and those below; `#receiveAbove[i]` hands to the layers above i.
// The last of the first and the first of the second are the two ends, so that each has one more
// entry than there are layers.
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import type { Member } from "../protocol/tribes/member.ts";
import { asError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import type { Transport } from "../transport/types.ts";
import {
  type ChannelInterceptor,
  type InterceptorContext,
  type ReceiveNext,
  type SendNext,
  StackWarning,
} from "./interceptor.ts";

/** A change of membership, by the name of the method that takes it. */
export type MemberChange = "memberAdded" | "memberDisappeared";

/** What stands below the last layer and above the first, and what layers may ask. */
export interface StackEnds {
  /** Sockets and clock. */
  readonly transport: Transport;
  /** Sends a message to the network. */
  readonly transmit: SendNext;
  /** Hands a message to the application. */
  readonly deliver: ReceiveNext;
  /** Tells the application of a member. */
  readonly memberChanged: (type: MemberChange, member: Member) => void;
  /** The members that the network knows. */
  readonly members: () => readonly Member[];
  /** The local member. */
  readonly localMember: () => Member;
  /** Makes a message of this node's. */
  readonly makeMessage: (message: Uint8Array, options: number) => ChannelData;
  /** Reports an error that no caller waits for. */
  readonly fault: (error: Error) => void;
}

/** Layers, linked with each other and with both ends. */
export class InterceptorStack {
  /** Sends a message from the top. */
  readonly sendMessage: SendNext;
  /** Hands a message up from the bottom. */
  readonly messageReceived: ReceiveNext;
  readonly #interceptors: readonly ChannelInterceptor[];
  readonly #ends: StackEnds;
  readonly #sendFrom: readonly SendNext[];
  readonly #receiveAbove: readonly ReceiveNext[];
  readonly #warnings: readonly string[];
  #held: (() => void)[] | undefined; // changes of membership while the layers start

  /**
   * Links layers.
   *
   * @param interceptors The layers, top first.
   * @param ends What stands around them.
   * @throws {RangeError} When a layer must not stand where it does.
   */
  constructor(interceptors: readonly ChannelInterceptor[], ends: StackEnds) {
    this.#interceptors = interceptors;
    this.#ends = ends;
    this.#warnings = checkStack(interceptors);
    this.#sendFrom = this.#linkSending();
    this.#receiveAbove = this.#linkReceiving();
    this.sendMessage = this.#sendFrom[0]!; // there is one more than layers
    this.messageReceived = this.#receiveAbove[interceptors.length]!; // likewise
  }

  /** The members as the top shows them. */
  members(): readonly Member[] {
    return this.#membersFrom(0);
  }

  /** Tells the layers of a member, from the bottom. */
  memberChanged(type: MemberChange, member: Member): void {
    this.#memberChanged(type, this.#interceptors.length, member);
  }

  /** Starts the layers, the lowest first; what they tell of members waits until all have started. */
  async start(): Promise<void> {
    for (const text of this.#warnings) this.#ends.fault(new StackWarning(text));
    const held: (() => void)[] = [];
    this.#held = held;
    try {
      for (let i = this.#interceptors.length - 1; i >= 0; i--) {
        await this.#interceptors[i]!.start?.(this.#contextOf(i)); // i is an index
      }
    } finally {
      this.#held = undefined;
    }
    for (const tell of held) tell();
  }

  /**
   * Stops the layers, the highest first, all of them.
   *
   * @throws {Error} What the first of them threw.
   */
  async stop(): Promise<void> {
    const errors: unknown[] = [];
    for (const interceptor of this.#interceptors) {
      try {
        await interceptor.stop?.();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw asError(errors[0]);
  }

  /** Lets each layer do what is due; what one throws is reported. */
  async heartbeat(): Promise<void> {
    for (const interceptor of this.#interceptors) {
      try {
        await interceptor.heartbeat?.();
      } catch (error) {
        this.#ends.fault(asError(error));
      }
    }
  }

  #linkSending(): SendNext[] {
    const chain: SendNext[] = [this.#ends.transmit];
    for (const interceptor of this.#interceptors.toReversed()) {
      const next = chain[0]!; // never empty
      chain.unshift(
        interceptor.sendMessage === undefined
          ? next
          : (to, message) => interceptor.sendMessage!(to, message, next),
      );
    }
    return chain;
  }

  #linkReceiving(): ReceiveNext[] {
    const chain: ReceiveNext[] = [this.#ends.deliver];
    for (const interceptor of this.#interceptors) {
      const next = chain[chain.length - 1]!; // never empty
      chain.push(
        interceptor.messageReceived === undefined
          ? next
          : (message) => interceptor.messageReceived!(message, next),
      );
    }
    return chain;
  }

  #contextOf(index: number): InterceptorContext {
    const { transport, localMember, makeMessage, fault } = this.#ends;
    return {
      transport,
      localMember,
      makeMessage,
      members: () => this.#membersFrom(index + 1),
      membersOf: (name) => this.#membersOf(index, name),
      checkMembers: () => this.#checkBelow(index),
      sendMessage: this.#sendFrom[index + 1]!, // there is one more than layers
      messageReceived: this.#receiveAbove[index]!, // likewise
      memberAdded: (member) =>
        this.#memberChanged("memberAdded", index, member),
      memberDisappeared: (member) =>
        this.#memberChanged("memberDisappeared", index, member),
      fault,
      background: (task) => void this.#background(task),
    };
  }

  /** Tells the layers above `index`, bottom up, then the application. */
  #memberChanged(type: MemberChange, index: number, member: Member): void {
    if (this.#held !== undefined) {
      this.#held.push(() => this.#memberChanged(type, index, member));
      return;
    }
    for (let i = index - 1; i >= 0; i--) {
      const interceptor = this.#interceptors[i]!; // i is an index
      if (interceptor[type] === undefined) continue;
      try {
        interceptor[type](
          member,
          (next) => this.#memberChanged(type, i, next),
        );
      } catch (error) {
        this.#ends.fault(asError(error));
      }
      return;
    }
    this.#ends.memberChanged(type, member);
  }

  #membersFrom(index: number): readonly Member[] {
    for (let i = index; i < this.#interceptors.length; i++) {
      const interceptor = this.#interceptors[i]!; // i is an index
      if (interceptor.members !== undefined) {
        return interceptor.members(() => this.#membersFrom(i + 1));
      }
    }
    return this.#ends.members();
  }

  #membersOf(index: number, name: string): readonly Member[] | undefined {
    const at = this.#interceptors.findIndex((interceptor, i) =>
      i > index && interceptor.name === name
    );
    return at < 0 ? undefined : this.#membersFrom(at);
  }

  #checkBelow(index: number): boolean {
    const able = this.#interceptors.slice(index + 1)
      .filter((interceptor) => interceptor.checkMembers !== undefined);
    for (const interceptor of able) interceptor.checkMembers?.();
    return able.length > 0;
  }

  async #background(task: Promise<unknown>): Promise<void> {
    try {
      await task;
    } catch (error) {
      this.#ends.fault(asError(error));
    }
  }
}

/**
 * Lets each layer look at those around it.
 *
 * @param interceptors The layers, top first.
 * @returns What they warn of.
 * @throws {RangeError} When a layer must not stand where it does, or its option flag is no set of bits.
 */
export function checkStack(
  interceptors: readonly ChannelInterceptor[],
): string[] {
  for (const { name, optionFlag = 0 } of interceptors) {
    checkInteger(
      optionFlag,
      `optionFlag of ${name}`,
      -0x8000_0000,
      0x7fff_ffff,
    );
  }
  const names = interceptors.map(({ name }) => name);
  return interceptors.flatMap((interceptor, i) =>
    interceptor.checkStack?.(names.slice(0, i), names.slice(i + 1)) ?? []
  );
}

/**
 * Checks that no layer's option flag contains another's.
 *
 * @throws {RangeError} With both layers.
 */
export function checkOptionFlags(
  interceptors: readonly ChannelInterceptor[],
): void {
  for (const [i, a] of interceptors.entries()) {
    const flag = a.optionFlag ?? 0;
    for (const b of interceptors.slice(i + 1)) {
      const other = b.optionFlag ?? 0;
      const common = flag & other;
      if (common !== 0 && (common === flag || common === other)) {
        throw new RangeError(
          `Cannot use optionFlag ${flag} of ${a.name} with ${other} of ${b.name}: one contains the other`,
        );
      }
    }
  }
}
