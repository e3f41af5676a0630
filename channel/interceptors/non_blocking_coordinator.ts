// A coordinator by token passing, in groups that Tomcat's nodes may belong to.
//
// Plan. The first member in absolute order begins an election: it sends a request with the members
// that it knows to the next one of them. Each merges the request with the members that it knows
// itself, and passes it on. Back at its source, a request that nobody changed is a view, which the
// source confirms to all; a changed one goes round again.
//
// Tomcat's own election hangs for ever when a request is lost, or when a confirmation does not reach
// somebody. So here, within the same messages: an election ends after `waitForCoordMsgTimeout`; a
// failed confirmation is repeated at heartbeats; and who waits for a view in vain asks the first
// member, which answers with its view, or begins an election. Tomcat drops such a request.
//
// A request is passed on so many times and no more: its source may be gone, or a lie.
import { copyBytes, equalBytes } from "../../protocol/bytes/bytes.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  COORDINATION_CONFIRMATION,
  COORDINATION_HEADER,
  COORDINATION_REQUEST,
} from "../../protocol/tribes/control_bodies.ts";
import {
  COORDINATION_ALIVE,
  type CoordinationMessage,
  encodeCoordinationMessage,
} from "../../protocol/tribes/coordination_message.ts";
import {
  createMember,
  equalMembers,
  type Member,
  memberKey,
} from "../../protocol/tribes/member.ts";
import { SEND_OPTIONS_DEFAULT } from "../../protocol/tribes/send_options.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  MemberNext,
  ReceiveNext,
} from "../interceptor.ts";
import { CoordinationInbox } from "./coordination_inbox.ts";
import { FoundMembers } from "./coordinator_found_members.ts";
import {
  membersBehind,
  sameMembers,
  sortedMembers,
} from "./coordinator_members.ts";
import {
  type NonBlockingCoordinatorOptions,
  resolveNonBlockingCoordinatorOptions,
} from "./non_blocking_coordinator_options.ts";

const MAX_TOKENS = 64; // elections of others that are remembered
const MAX_PASSES = 64; // times that one of them is passed on
const MAX_ROUNDS = 64; // of an election of this node's

/** An election that this node has begun. */
interface Election {
  readonly id: string;
  readonly view: readonly Member[];
  readonly since: number;
  rounds: number;
}

/** Agrees with the other members on a view of the group; its first member is the coordinator. */
export class NonBlockingCoordinator implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "NonBlockingCoordinator";
  /** For `optionCheck` alone. */
  readonly optionFlag: number;
  readonly #options: ReturnType<typeof resolveNonBlockingCoordinatorOptions>;
  readonly #inbox: CoordinationInbox;
  readonly #found: FoundMembers;
  readonly #passes = new Map<string, number>(); // by election; the oldest first
  #unconfirmed: readonly Member[] = []; // whom the confirmation of the view did not reach
  #list: MemberList | undefined;
  #view: readonly Member[] = [];
  #viewId: Uint8Array = new Uint8Array();
  #election: Election | undefined;
  #waitsSince: number | undefined; // since when the view is wrong, and another has to begin
  #context: InterceptorContext | undefined;
  #elections = 0;

  /**
   * Makes a coordinator.
   *
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(options: NonBlockingCoordinatorOptions = {}) {
    this.#options = resolveNonBlockingCoordinatorOptions(options);
    this.optionFlag = this.#options.optionFlag;
    const { maxMembers } = this.#options;
    this.#inbox = new CoordinationInbox(
      maxMembers,
      (message, context) => this.#handle(message, context),
    );
    this.#found = new FoundMembers({
      ...this.#options,
      known: (context) => this.#all(context),
      changed: () => {
        this.#list = undefined;
      },
      isStarted: (context) => this.#context === context,
    });
  }

  /** Starts the layer, with a view of the local member alone. */
  start(context: InterceptorContext): void {
    this.#context = context;
    this.#install([context.localMember()], newId(context));
  }

  /** Stops the layer; there is no view any more. */
  stop(): void {
    this.#context = undefined;
    this.#election = undefined;
    this.#waitsSince = undefined;
    this.#unconfirmed = [];
    this.#view = [];
    this.#found.clear();
    this.#passes.clear();
    this.#list = undefined;
  }

  /** The members of the present view in absolute order, the local one among them. */
  view(): readonly Member[] {
    return this.#view;
  }

  /** 16 bytes that are the same at all members that have this view; empty while stopped. */
  viewId(): Uint8Array {
    return this.#view.length === 0 ? new Uint8Array() : this.#viewId.slice();
  }

  /** The first member of the present view; `undefined` while stopped. */
  coordinator(): Member | undefined {
    return this.#view[0];
  }

  /** Whether this node is the coordinator. */
  isCoordinator(): boolean {
    const coordinator = this.coordinator();
    return coordinator !== undefined && this.#context !== undefined &&
      equalMembers(coordinator, this.#context.localMember());
  }

  /**
   * Members of the view, views that were installed, members that only elections told of, and
   * messages that were refused.
   */
  statistics(): {
    readonly viewMembers: number;
    readonly elections: number;
    readonly foundMembers: number;
    readonly refused: number;
  } {
    return {
      viewMembers: this.#view.length,
      elections: this.#elections,
      foundMembers: this.#found.size,
      refused: this.#inbox.refused,
    };
  }

  /** The members below and those that elections told of, in absolute order. */
  members(next: () => readonly Member[]): readonly Member[] {
    return this.#context === undefined ? next() : this.#listOf(next()).others;
  }

  /** Takes messages of elections, passes on all others. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    const { message: body } = message;
    const context = this.#context;
    if (startsWith(body, COORDINATION_HEADER)) {
      if (context !== undefined) this.#inbox.receive(message, context);
    } else if (!startsWith(body, COORDINATION_ALIVE)) {
      return next(message);
    }
  }

  /** Passes a member on, and lets an election begin. */
  memberAdded(member: Member, next: MemberNext): void {
    this.#list = undefined;
    const known = this.#context !== undefined &&
      this.#found.memberAdded(member, this.#context);
    if (!known) next(member);
    this.#elect();
  }

  /** Passes on that a member is gone, and lets an election begin. */
  memberDisappeared(member: Member, next: MemberNext): void {
    this.#list = undefined;
    this.#found.delete(member);
    next(member);
    // A request of ours that was with it will not come back.
    if (this.#election?.view.some((other) => equalMembers(other, member))) {
      this.#election = undefined;
    }
    this.#elect();
  }

  /** Looks after what went wrong since the last one. */
  async heartbeat(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    const now = context.transport.clock.now();
    const { waitForCoordMsgTimeout: patience } = this.#options;
    const { since = now } = this.#election ?? {};
    if (now - since >= patience) this.#election = undefined;
    this.#elect();
    if (this.#waitsSince !== undefined && now - this.#waitsSince >= patience) {
      this.#waitsSince = now;
      context.background(this.#ask(context));
    } else if (this.#isRight(context) && this.#unconfirmed.length > 0) {
      const missed = this.#unconfirmed;
      this.#unconfirmed = [];
      context.background(this.#confirm(missed, context));
    }
    if (!await this.#found.check(context)) return;
    this.#election = undefined; // its request may have been with who is gone
    this.#elect();
  }

  // ---- The view ----

  #listOf(below: readonly Member[]): MemberList {
    const local = this.#context?.localMember();
    const id = local?.uniqueId;
    if (this.#list?.below !== below || this.#list.localId !== id) {
      const { generation } = this.#options;
      const others = sortedMembers(
        [...below, ...this.#found.values()],
        generation,
      );
      const all = local === undefined
        ? others
        : sortedMembers([local, ...others], generation);
      this.#list = { below, localId: id, others, all };
    }
    return this.#list;
  }

  /** All members that this node knows, itself among them. */
  #all(context: InterceptorContext): readonly Member[] {
    return this.#listOf(context.members()).all;
  }

  /** Whether the view has the members that this node knows. */
  #isRight(context: InterceptorContext): boolean {
    return sameMembers(this.#view, this.#all(context));
  }

  #isFirst(context: InterceptorContext): boolean {
    return equalMembers(this.#all(context)[0]!, context.localMember()); // it is among them
  }

  #install(view: readonly Member[], id: Uint8Array): void {
    this.#view = view;
    this.#viewId = copyBytes(id);
    this.#unconfirmed = [];
    this.#elections++;
    if (this.#election?.id === encodeHex(id)) this.#election = undefined;
    this.#options.onElection?.(view);
  }

  // ---- Elections of this node's ----

  /** Begins an election where that is needed and this node's task. */
  #elect(): void {
    const context = this.#context;
    if (context === undefined) return;
    if (this.#isRight(context)) {
      this.#waitsSince = undefined;
      this.#election = undefined;
      return;
    }
    if (!this.#isFirst(context)) {
      this.#election = undefined;
      this.#waitsSince ??= context.transport.clock.now();
      return;
    }
    this.#waitsSince = undefined;
    if (this.#election !== undefined) return;
    const view = this.#all(context);
    const local = context.localMember();
    const id = newId(context);
    if (view.length === 1) return this.#install(view, id);
    this.#election = {
      id: encodeHex(id),
      view,
      since: context.transport.clock.now(),
      rounds: 0,
    };
    const type = COORDINATION_REQUEST;
    const message = { leader: local, source: local, view, id, type };
    context.background(this.#pass(message, context));
  }

  /** Asks the first member for its view. */
  async #ask(context: InterceptorContext): Promise<void> {
    const view = this.#all(context);
    const leader = view[0]!; // the local member at least
    const source = context.localMember();
    if (equalMembers(leader, source)) return;
    const type = COORDINATION_REQUEST;
    const id = newId(context);
    await this.#send([leader], { leader, source, view, id, type }, context)
      .catch(() => {}); // it is asked again
  }

  /** Sends the view to members; those that it does not reach get it at a heartbeat. */
  async #confirm(
    members: readonly Member[],
    context: InterceptorContext,
  ): Promise<void> {
    const local = context.localMember();
    const id = this.#viewId;
    const message: CoordinationMessage = {
      leader: local,
      source: local,
      view: this.#view,
      id,
      type: COORDINATION_CONFIRMATION,
    };
    const missed = await Promise.all(
      members.map((member) =>
        this.#send([member], message, context).then(() => [], () => [member])
      ),
    );
    if (this.#context !== context || this.#viewId !== id) return; // there is a newer one
    const present = new Set(context.members().map(memberKey));
    this.#unconfirmed = [...this.#unconfirmed, ...missed.flat()]
      .filter((member) => present.has(memberKey(member)));
  }

  /** Passes a request on to the next member of its view that takes it. */
  async #pass(
    message: CoordinationMessage,
    context: InterceptorContext,
  ): Promise<void> {
    for (const member of membersBehind(context.localMember(), message.view)) {
      if (this.#context !== context) return;
      try {
        return await this.#send([member], message, context);
      } catch {
        // The failure detector looks after it.
      }
    }
    if (this.#election?.id === encodeHex(message.id)) {
      this.#election = undefined; // a heartbeat tries again
    }
  }

  #send(
    destination: readonly Member[],
    message: CoordinationMessage,
    context: InterceptorContext,
  ): Promise<void> {
    const body = encodeCoordinationMessage(message);
    return context.sendMessage(
      destination,
      context.makeMessage(body, SEND_OPTIONS_DEFAULT),
    );
  }

  // ---- What others send ----

  async #handle(
    message: CoordinationMessage,
    context: InterceptorContext,
  ): Promise<void> {
    if (this.#context !== context) return;
    await this.#found.learn(message.view, context);
    if (this.#context !== context) return;
    const local = context.localMember();
    if (equalBytes(message.type, COORDINATION_CONFIRMATION)) {
      this.#confirmed(message, context);
    } else if (equalMembers(message.source, local)) {
      await this.#returned(message, context);
    } else if (equalMembers(message.leader, local)) {
      this.#answer(message.source, context);
    } else {
      await this.#passOther(message, context);
      this.#elect();
    }
  }

  /** The first member has confirmed a view. */
  #confirmed(message: CoordinationMessage, context: InterceptorContext): void {
    if (equalBytes(message.id, this.#viewId)) return;
    const { generation } = this.#options;
    const coordinator = this.#view[0]!; // there is a view while started
    const known = this.#all(context);
    if (
      !equalMembers(coordinator, context.localMember()) &&
      known.some((member) => equalMembers(member, coordinator)) &&
      compareAbsoluteOrder(coordinator, message.leader, { generation }) < 0
    ) return; // it was under way while a better one came
    const local = context.localMember();
    const view = message.view.map(createMember); // not views of the whole message
    this.#install(sortedMembers([local, ...view], generation), message.id);
    this.#waitsSince = undefined;
    this.#elect();
  }

  /** A request of this node's has come round. */
  async #returned(
    message: CoordinationMessage,
    context: InterceptorContext,
  ): Promise<void> {
    const election = this.#election;
    const view = this.#all(context);
    if (election?.id !== encodeHex(message.id)) {
      return this.#elect(); // that one was given up
    }
    if (!this.#isFirst(context)) {
      this.#election = undefined;
      await this.#pass({ ...message, leader: view[0]!, view }, context); // not empty
      return this.#elect();
    }
    const sorted = sortedMembers(message.view, this.#options.generation);
    if (sameMembers(sorted, view)) {
      this.#install(view, message.id);
      const local = context.localMember();
      const others = view.filter((member) => !equalMembers(member, local));
      await this.#confirm(others, context);
      this.#elect();
    } else if (election.rounds >= MAX_ROUNDS) {
      this.#election = undefined; // a heartbeat tries again
    } else {
      this.#election = { ...election, view, rounds: election.rounds + 1 };
      await this.#pass({ ...message, view }, context);
    }
  }

  /** Somebody takes this node for the first member and wants a view. */
  #answer(source: Member, context: InterceptorContext): void {
    if (this.#isFirst(context) && this.#isRight(context)) {
      const member = this.#all(context).find((known) =>
        equalMembers(known, source)
      );
      if (member === undefined) return;
      context.background(this.#confirm([member], context));
    } else {
      this.#elect();
    }
  }

  async #passOther(
    message: CoordinationMessage,
    context: InterceptorContext,
  ): Promise<void> {
    const id = encodeHex(message.id);
    const passes = (this.#passes.get(id) ?? 0) + 1;
    if (passes > MAX_PASSES) return;
    this.#passes.delete(id); // to the end of the map
    this.#passes.set(id, passes);
    if (this.#passes.size > MAX_TOKENS) {
      for (const oldest of this.#passes.keys()) {
        this.#passes.delete(oldest);
        break;
      }
    }
    const view = this.#all(context);
    await this.#pass({ ...message, leader: view[0]!, view }, context); // not empty
  }
}

/** A list from below, and those that were made of it. */
interface MemberList {
  readonly below: readonly Member[];
  readonly localId: Uint8Array | undefined;
  /** Without the local member. */
  readonly others: readonly Member[];
  /** With it. */
  readonly all: readonly Member[];
}

function startsWith(body: Uint8Array, prefix: Uint8Array): boolean {
  return body.length >= prefix.length && body[0] === prefix[0] &&
    equalBytes(body.subarray(0, prefix.length), prefix);
}

function newId(context: InterceptorContext): Uint8Array {
  return context.makeMessage(new Uint8Array(), 0).uniqueId;
}
