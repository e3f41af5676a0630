// Members that a coordinator knows from elections alone, because the layers below have not heard of
// them yet. They are tested before they are taken up, and again at each heartbeat.
import type { Generation } from "../../protocol/generation.ts";
import {
  byteLengthMember,
  createMember,
  MAX_MEMBER_LENGTH,
  type Member,
  memberKey,
} from "../../protocol/tribes/member.ts";
import type { InterceptorContext } from "../interceptor.ts";
import {
  areReachable,
  sameAddress,
  sortedMembers,
} from "./coordinator_members.ts";

/** What these members need of their coordinator. */
export interface FoundMembersOptions {
  /** Milliseconds that connecting to a member may take. */
  readonly connectTimeout: number;
  /** Greatest number of members that are known. */
  readonly maxMembers: number;
  /** The release whose absolute order is used. */
  readonly generation: Generation;
  /** All members that the coordinator knows, these and the local one among them. */
  readonly known: (context: InterceptorContext) => readonly Member[];
  /** Is told that these members are others now. */
  readonly changed: () => void;
  /** Whether a context is that of the present start. */
  readonly isStarted: (context: InterceptorContext) => boolean;
}

/** Members that only elections told of. */
export class FoundMembers {
  readonly #options: FoundMembersOptions;
  readonly #members = new Map<string, Member>();

  /** Makes a set without members. */
  constructor(options: FoundMembersOptions) {
    this.#options = options;
  }

  /** Number of members. */
  get size(): number {
    return this.#members.size;
  }

  /** The members. */
  values(): Iterable<Member> {
    return this.#members.values();
  }

  /** Forgets a member. */
  delete(member: Member): void {
    this.#members.delete(memberKey(member));
  }

  /** Forgets all members. */
  clear(): void {
    this.#members.clear();
  }

  /**
   * The layers below know a member from now on; whoever else had its address is gone.
   *
   * @returns Whether the layers above know it already.
   */
  memberAdded(member: Member, context: InterceptorContext): boolean {
    const known = this.#members.delete(memberKey(member));
    for (const [key, other] of [...this.#members]) {
      if (sameAddress(other, member)) this.#lose(key, other, context);
    }
    return known;
  }

  /** Takes up the members of a view that are not known and can be reached. */
  async learn(
    view: readonly Member[],
    context: InterceptorContext,
  ): Promise<void> {
    const { known, connectTimeout, generation, maxMembers } = this.#options;
    const all = known(context);
    const keys = new Set(all.map(memberKey));
    const unknown = sortedMembers(view, generation).filter((member) =>
      !keys.has(memberKey(member)) &&
      byteLengthMember(member) <= MAX_MEMBER_LENGTH &&
      // Whoever restarted has its old address, and answers there for who it was.
      !all.some((other) => sameAddress(other, member))
    );
    const reached = await areReachable(
      unknown,
      context.transport,
      connectTimeout,
    );
    for (const [i, member] of unknown.entries()) {
      if (!reached[i] || !this.#options.isStarted(context)) continue;
      const now = known(context);
      if (now.length >= maxMembers) return;
      if (now.some((other) => sameAddress(other, member))) continue; // came meanwhile
      this.#members.set(memberKey(member), createMember(member));
      this.#options.changed();
      context.memberAdded(member);
    }
  }

  /**
   * Tests the members.
   *
   * @returns Whether one is gone.
   */
  async check(context: InterceptorContext): Promise<boolean> {
    const { connectTimeout, isStarted } = this.#options;
    const tested = [...this.#members];
    const reached = await areReachable(
      tested.map(([, member]) => member),
      context.transport,
      connectTimeout,
    );
    let isOneGone = false;
    for (const [i, [key, member]] of tested.entries()) {
      if (reached[i] || !isStarted(context)) continue;
      if (this.#members.get(key) !== member) continue; // another since
      this.#lose(key, member, context);
      isOneGone = true;
    }
    return isOneGone;
  }

  #lose(key: string, member: Member, context: InterceptorContext): void {
    this.#members.delete(key);
    this.#options.changed();
    context.memberDisappeared(member);
  }
}
