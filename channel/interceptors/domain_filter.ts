// Two groups in one multicast group: a node sees the members of its own domain only.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../../protocol/generation.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  formatMember,
  type Member,
  parseByteString,
} from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import { checkInteger } from "../../transport/options.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  MemberNext,
  ReceiveNext,
} from "../interceptor.ts";

/** Options of {@linkcode DomainFilterInterceptor}. */
export interface DomainFilterOptions {
  /**
   * The domain whose members and messages pass: bytes, text, or a list such as `{1,2,3}`. The
   * domain that this node announces is the channel's option. Attribute `domain`.
   */
  readonly domain: string | Uint8Array;
  /**
   * Each how many dropped messages one is reported. Attribute `logInterval`.
   * @default {100}
   */
  readonly logInterval?: number;
  /**
   * Kept for `optionCheck` of the channel; all messages are filtered. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /** The release to act like: up to 7.0.59 messages are not filtered. The newest without it. */
  readonly generation?: Generation;
}

/**
 * Hides members of other domains, and drops what they send.
 *
 * @example
 * ```ts
 * import { DomainFilterInterceptor, GroupChannel } from "@tribes/toolkit/channel";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 *
 * const domain = "staging";
 * const channel = new GroupChannel(new MemoryNetwork().transport("10.0.0.1"), {
 *   domain: new TextEncoder().encode(domain),
 *   interceptors: [new DomainFilterInterceptor({ domain })],
 * });
 * ```
 */
export class DomainFilterInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "DomainFilter";
  /** For `optionCheck` alone. */
  readonly optionFlag: number;
  readonly #domain: Uint8Array;
  readonly #logInterval: number;
  readonly #filtersMessages: boolean;
  #context: InterceptorContext | undefined;
  #view: View | undefined; // what members() gave last, until something changes
  #dropped = 0;

  /**
   * Makes a filter.
   *
   * @throws {EncodeError} For a domain that cannot be read.
   * @throws {RangeError} For a `logInterval` that is no positive integer.
   */
  constructor(options: DomainFilterOptions) {
    this.#domain = typeof options.domain === "string"
      ? parseByteString(options.domain, "domain")
      : options.domain.slice();
    this.#logInterval = options.logInterval ?? 100;
    checkInteger(this.#logInterval, "logInterval", 1, 0x7fff_ffff);
    this.optionFlag = options.optionFlag ?? 0;
    const { generation = DEFAULT_GENERATION } = options;
    this.#filtersMessages = isAtLeast(generation, "7.0.60");
  }

  /** Starts the layer. */
  start(context: InterceptorContext): void {
    this.#context = context;
    this.#dropped = 0;
  }

  /** Stops the layer. */
  stop(): void {
    this.#context = undefined;
    this.#view = undefined;
  }

  /** Messages that were dropped since the start. */
  statistics(): { readonly dropped: number } {
    return { dropped: this.#dropped };
  }

  /** The members of the domain. */
  members(next: () => readonly Member[]): readonly Member[] {
    const below = next();
    if (this.#view?.below !== below) {
      const members = below.filter((member) => this.#isMine(member));
      this.#view = { below, members };
    }
    return this.#view.members;
  }

  /** Passes on what members of the domain send. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    if (!this.#filtersMessages || this.#isMine(message.address)) {
      return next(message);
    }
    this.#dropped++;
    if (this.#dropped % this.#logInterval !== 0) return;
    this.#context?.fault(
      new ChannelError(
        "unknown-member",
        `Dropped a message of ${
          formatMember(message.address)
        }: it is of another domain; ${this.#dropped} were dropped`,
      ),
    );
  }

  /** Passes on members of the domain. */
  memberAdded(member: Member, next: MemberNext): void {
    if (this.#isMine(member)) next(member);
  }

  /** Passes on members of the domain. */
  memberDisappeared(member: Member, next: MemberNext): void {
    if (this.#isMine(member)) next(member);
  }

  #isMine(member: Member): boolean {
    return equalBytes(member.domain, this.#domain);
  }
}

/** A list from below, and the one that was made of it. */
interface View {
  readonly below: readonly Member[];
  readonly members: readonly Member[];
}
