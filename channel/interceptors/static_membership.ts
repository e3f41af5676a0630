// Members that are always there because somebody configured them. Stands below the failure detector,
// which finds out whether they can be reached.
//
// A unique id changes at each start of a node, unless it is configured. A member that is configured
// without one is whoever was last heard from its host and port: sixteen zero bytes until its first
// message, and another member, in place of the one before, after each of its restarts.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  STATIC_MEMBER_START_DATA,
  STATIC_MEMBER_STOP_DATA,
} from "../../protocol/tribes/control_bodies.ts";
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import {
  createMember,
  equalMembers,
  type Member,
  type MemberInit,
  memberKey,
  SHUTDOWN_PAYLOAD,
} from "../../protocol/tribes/member.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
} from "../../protocol/generation.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  MemberNext,
  ReceiveNext,
} from "../interceptor.ts";

/** Options of {@linkcode StaticMembershipInterceptor}. */
export interface StaticMembershipOptions {
  /** The configured members; one without unique id is whoever is at its host and port. */
  readonly members: readonly MemberInit[];
  /**
   * Bits of the start and stop notices. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /** The release whose absolute order sorts the members; the newest without it. */
  readonly generation?: Generation;
}

/** One configured member. */
interface Slot {
  /** Who it is, as far as that is known. */
  member: Member;
  /** Whether its unique id is configured. */
  readonly fixed: boolean;
  /** Who it was before its restart: what it sent then may come late. */
  former: Member | undefined;
}

/** Adds configured members to those that the layers below know. */
export class StaticMembershipInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "StaticMembership";
  /** Bits of the start and stop notices. */
  readonly optionFlag: number;
  readonly #generation: Generation;
  readonly #configured: readonly Member[];
  #slots: readonly Slot[] = []; // without this node itself
  #view: View | undefined; // what members() gave last, until something changes
  #context: InterceptorContext | undefined;

  /**
   * Makes the layer.
   *
   * @param options The members.
   * @throws {EncodeError} For a member that has no wire form.
   */
  constructor(options: StaticMembershipOptions) {
    this.optionFlag = options.optionFlag ?? 0;
    this.#generation = options.generation ?? DEFAULT_GENERATION;
    this.#configured = options.members.map(createMember);
  }

  /** Announces the configured members to the layers above, and this node to them. */
  start(context: InterceptorContext): void {
    const local = context.localMember();
    this.#context = context;
    this.#view = undefined;
    this.#slots = this.#configured
      .filter((member) => !sameAddress(member, local))
      .map((member) => ({
        member,
        fixed: !isUnknown(member),
        former: undefined,
      }));
    for (const { member } of this.#slots) {
      context.memberAdded(member);
      // Who is not there yet says so itself when it starts.
      void this.#notify(member, STATIC_MEMBER_START_DATA, context);
    }
  }

  /** Tells all members that this node leaves. */
  async stop(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    if (context === undefined) return;
    await Promise.all(
      this.#merge(context.members()).map((member) =>
        this.#notify(member, STATIC_MEMBER_STOP_DATA, context)
      ),
    );
  }

  /** The members below and the configured ones, in absolute order. */
  members(next: () => readonly Member[]): readonly Member[] {
    return this.#context === undefined ? next() : this.#merge(next());
  }

  /** Takes notices of other nodes, and learns who a configured member is. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    const context = this.#context;
    if (context === undefined) return next(message);
    const { address, message: body } = message;
    const slot = this.#slotOf(address);
    if (slot !== undefined) {
      this.#replace(slot, address, context);
      context.memberAdded(slot.member);
    }
    const starts = equalBytes(body, STATIC_MEMBER_START_DATA);
    if (!starts && !equalBytes(body, STATIC_MEMBER_STOP_DATA)) {
      return next(message);
    }
    const member = this.#merge(context.members())
      .find((known) => equalMembers(known, address));
    if (member === undefined) return;
    if (!starts) {
      context.memberDisappeared({ ...member, command: SHUTDOWN_PAYLOAD });
    } else if (slot === undefined) {
      context.memberAdded(member);
    }
  }

  /** Passes a member on; it may be one that is configured without its unique id. */
  memberAdded(member: Member, next: MemberNext): void {
    const slot = this.#slotOf(member);
    if (slot !== undefined && this.#context !== undefined) {
      this.#replace(slot, member, this.#context);
    }
    next(member);
  }

  /**
   * The slot of a configured member that turns out to be another one than it was taken for. Called
   * for each message.
   */
  #slotOf(address: Member): Slot | undefined {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!; // i < length
      const { member, former } = slot;
      if (
        !slot.fixed && sameAddress(member, address) &&
        !equalBytes(member.uniqueId, address.uniqueId) &&
        (former === undefined || !equalMembers(former, address)) &&
        !isUnknown(address)
      ) return slot;
    }
    return undefined;
  }

  /** Puts who was heard in the place of who was there. */
  #replace(slot: Slot, heard: Member, context: InterceptorContext): void {
    const gone = slot.member;
    slot.former = gone;
    slot.member = createMember({ ...heard, command: new Uint8Array() });
    this.#view = undefined;
    context.memberDisappeared({ ...gone, command: SHUTDOWN_PAYLOAD });
  }

  #merge(below: readonly Member[]): readonly Member[] {
    if (this.#view?.below !== below) {
      const known = new Set(below.map(memberKey));
      const added = this.#slots
        .map((slot) => slot.member)
        .filter((member) => !known.has(memberKey(member)));
      const members = [...below, ...added].sort((a, b) =>
        compareAbsoluteOrder(a, b, { generation: this.#generation })
      );
      this.#view = { below, members };
    }
    return this.#view.members;
  }

  /** Sends a notice; whether it arrives is not known, as in Tomcat. */
  async #notify(
    member: Member,
    notice: Uint8Array,
    context: InterceptorContext,
  ): Promise<void> {
    const message = context.makeMessage(notice, this.optionFlag);
    await context.sendMessage([member], message).catch(() => {});
  }
}

/** A list from below, and the one that was made of it. */
interface View {
  readonly below: readonly Member[];
  readonly members: readonly Member[];
}

function sameAddress(a: Member, b: Member): boolean {
  return a.port === b.port && equalBytes(a.host, b.host);
}

function isUnknown(member: Member): boolean {
  return member.uniqueId.every((byte) => byte === 0);
}
