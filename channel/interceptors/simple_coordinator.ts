// A coordinator without messages: everybody who sees the same members names the same one.
import { compareAbsoluteOrder } from "../../protocol/tribes/absolute_order.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
} from "../../protocol/generation.ts";
import { equalMembers, type Member } from "../../protocol/tribes/member.ts";
import { checkInteger } from "../../transport/options.ts";
import type { Timer } from "../../transport/types.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  MemberNext,
} from "../interceptor.ts";

/** Options of {@linkcode SimpleCoordinator}. */
export interface SimpleCoordinatorOptions {
  /**
   * Milliseconds without a change of membership after which a view is installed. Tomcat's time is
   * fixed: ten checks of 250 ms.
   * @default {2500}
   */
  readonly stableTime?: number;
  /**
   * Kept for `optionCheck` of the channel. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /** The release whose absolute order is used; all nodes must agree about it. The newest without it. */
  readonly generation?: Generation;
  /** Is told of each view that is installed, the coordinator first; must not throw. */
  readonly onElection?: (view: readonly Member[]) => void;
}

/**
 * Names the first member in absolute order as coordinator, once the membership is stable. Other than
 * in Tomcat neither the start nor changes of membership wait for that.
 */
export class SimpleCoordinator implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "SimpleCoordinator";
  /** For `optionCheck` alone. */
  readonly optionFlag: number;
  readonly #stableTime: number;
  readonly #generation: Generation;
  readonly #onElection: ((view: readonly Member[]) => void) | undefined;
  #context: InterceptorContext | undefined;
  #timer: Timer | undefined;
  #view: readonly Member[] = [];
  #elections = 0;

  /**
   * Makes a coordinator.
   *
   * @throws {RangeError} For a `stableTime` that is no positive integer.
   */
  constructor(options: SimpleCoordinatorOptions = {}) {
    this.#stableTime = options.stableTime ?? 2500;
    checkInteger(this.#stableTime, "stableTime", 1, 0x7fff_ffff);
    this.optionFlag = options.optionFlag ?? 0;
    this.#generation = options.generation ?? DEFAULT_GENERATION;
    this.#onElection = options.onElection;
  }

  /** Starts the layer; the first view comes when the membership is stable. */
  start(context: InterceptorContext): void {
    this.#context = context;
    this.#changed();
  }

  /** Stops the layer; there is no view any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#context = undefined;
    this.#view = [];
  }

  /** The members of the present view in absolute order, the local one among them; empty before. */
  view(): readonly Member[] {
    return this.#view;
  }

  /** The first member of the present view. */
  coordinator(): Member | undefined {
    return this.#view[0];
  }

  /** Whether this node is the coordinator. */
  isCoordinator(): boolean {
    const coordinator = this.coordinator();
    return coordinator !== undefined && this.#context !== undefined &&
      equalMembers(coordinator, this.#context.localMember());
  }

  /** Members of the view, and views that were installed. */
  statistics(): { readonly viewMembers: number; readonly elections: number } {
    return { viewMembers: this.#view.length, elections: this.#elections };
  }

  /** Passes a member on; the view waits. */
  memberAdded(member: Member, next: MemberNext): void {
    this.#changed();
    next(member);
  }

  /** Passes on that a member is gone; the view waits. */
  memberDisappeared(member: Member, next: MemberNext): void {
    this.#changed();
    next(member);
  }

  #changed(): void {
    const context = this.#context;
    this.#timer?.cancel();
    this.#timer = context?.transport.clock.startTimer(this.#stableTime, () => {
      this.#timer = undefined;
      if (context === this.#context && context !== undefined) {
        this.#install(context);
      }
    });
  }

  #install(context: InterceptorContext): void {
    this.#view = [context.localMember(), ...context.members()].sort((a, b) =>
      compareAbsoluteOrder(a, b, { generation: this.#generation })
    );
    this.#elections++;
    this.#onElection?.(this.#view);
  }
}
