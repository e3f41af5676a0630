// What an interceptor drops: counted, and told now and then, so that whoever sends rubbish cannot
// fill a log with it.
import { formatMember, type Member } from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import type { InterceptorContext } from "../interceptor.ts";

/** Least time between two reports of one reason, milliseconds. */
const REPORT_INTERVAL = 10_000;

/** Messages were dropped by an interceptor; no caller waits for them. Its code is `bad-message`. */
export class DroppedMessageError extends ChannelError {
  /** The interceptor's name. */
  readonly interceptor: string;
  /** Why; a short word of that interceptor's. */
  readonly reason: string;
  /** Who sent the last of them, as the message says. */
  readonly from: Member;
  /** How many were dropped for this reason since the last report, the one described included. */
  readonly count: number;

  /**
   * Makes the error.
   *
   * @param interceptor The interceptor's name.
   * @param reason Why.
   * @param from Who sent the last of them.
   * @param count How many there were since the last report.
   * @param state What was wrong with the last of them.
   * @param options `cause`.
   */
  constructor(
    interceptor: string,
    reason: string,
    from: Member,
    count: number,
    state: string,
    options: ErrorOptions = {},
  ) {
    const others = count > 1 ? ` (${count} such since the last report)` : "";
    super(
      "bad-message",
      `${interceptor} dropped a message of ${
        formatMember(from)
      }: ${state}${others}`,
      options,
    );
    this.name = "DroppedMessageError";
    this.interceptor = interceptor;
    this.reason = reason;
    this.from = from;
    this.count = count;
  }
}

/** What there is to say of a message that was dropped. */
export interface DropDescription {
  /** What was wrong. */
  readonly state: string;
  /** The error that showed it. */
  readonly cause?: unknown;
}

/** Counts what is dropped, and reports the first of a reason and then at most one in ten seconds. */
export class DroppedMessages {
  readonly #interceptor: string;
  readonly #unreported = new Map<string, { count: number; next: number }>();
  #total = 0;

  /**
   * Makes a count of nothing.
   *
   * @param interceptor The interceptor's name.
   */
  constructor(interceptor: string) {
    this.#interceptor = interceptor;
  }

  /** How many were dropped. */
  get total(): number {
    return this.#total;
  }

  /**
   * Counts one.
   *
   * @param context Where to report; nothing is reported without it.
   * @param reason Why: one of a few words, which the caller knows beforehand.
   * @param from Who sent it.
   * @param describe Called only for a report, as it may cost more than the message.
   */
  add(
    context: InterceptorContext | undefined,
    reason: string,
    from: Member,
    describe: () => DropDescription,
  ): void {
    this.#total++;
    const now = context?.transport.clock.now() ?? 0;
    const known = this.#unreported.get(reason) ?? { count: 0, next: now };
    this.#unreported.set(reason, known);
    known.count++;
    if (context === undefined || now < known.next) return;
    const { state, cause } = describe();
    context.fault(
      new DroppedMessageError(
        this.#interceptor,
        reason,
        from,
        known.count,
        state,
        cause === undefined ? {} : { cause },
      ),
    );
    known.count = 0;
    known.next = now + REPORT_INTERVAL;
  }
}
