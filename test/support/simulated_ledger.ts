// What channels were given to send, and what came of it. Every delivery is judged when it happens, and
// what did not happen at the end.
//
// A frame names no destination: what is sent to a member that has restarted on the same port reaches
// its successor. So a message belongs to the address that it was sent to, not to a life of it.
import { equalBytes } from "../../protocol/bytes/bytes.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { formatMember, type Member } from "../../protocol/tribes/member.ts";
import {
  SEND_OPTIONS_ASYNCHRONOUS,
  SEND_OPTIONS_UDP,
  SEND_OPTIONS_USE_ACK,
} from "../../protocol/tribes/send_options.ts";
import type { FaultLog } from "./simulated_faults.ts";

/** Deliveries of one message to one life at most: the first one and a retry. */
const MAX_DELIVERIES = 2;

/** One life of a channel, as far as the ledger knows it. */
export interface LedgerLife {
  readonly host: string;
  /** `10.0.0.1:4000`. */
  readonly address: string;
  /** The unique id, hexadecimal. */
  readonly id: string;
  /** When it crashed or began to stop. */
  readonly endedAt: number | undefined;
  /**
   * When it crashed or had stopped; until then it acknowledges what its layers do not take any more.
   */
  readonly goneAt: number | undefined;
}

/** A message that a channel was given. */
export interface SentMessage {
  /** The message's unique id, hexadecimal. */
  readonly id: string;
  readonly sender: LedgerLife;
  readonly bytes: Uint8Array;
  readonly options: number;
  readonly at: number;
  /** To whom; with its place among what this sender sent to that member. */
  readonly to: readonly {
    readonly id: string;
    readonly address: string;
    readonly number: number;
  }[];
  readonly deliveries: { readonly life: LedgerLife; readonly at: number }[];
  outcome: "pending" | "resolved" | "rejected";
  /** Addresses that the error named. */
  faulty: readonly string[];
}

/** Looks at what happens to messages, besides the ledger. */
export interface Watch {
  /** A message reached the application. */
  delivered?(life: LedgerLife, sent: SentMessage): void;
  /** A member went, as the application sees it. */
  disappeared?(life: LedgerLife, id: string): void;
  /** Whether a message that was acknowledged may be missing at an address. */
  excuses?(sent: SentMessage, address: string): boolean;
  /** The run is over, and all is quiet. */
  finish?(): void;
}

/** Which messages were sent, which came, and what must not be. */
export class MessageLedger {
  /** What is wrong, in words. */
  readonly violations: string[] = [];
  readonly watches: Watch[] = [];
  readonly sent: Map<string, SentMessage> = new Map();
  readonly #faults: FaultLog;
  readonly #now: () => number;
  readonly #numbers = new Map<string, number>();
  readonly #lives: readonly LedgerLife[];
  #deliveries = 0;
  #duplicates = 0;

  /** Makes a ledger; `lives` grows as channels are started. */
  constructor(
    lives: readonly LedgerLife[],
    faults: FaultLog,
    now: () => number,
  ) {
    this.#lives = lives;
    this.#faults = faults;
    this.#now = now;
  }

  /** Figures by which a test sees that something happened. */
  get totals(): {
    readonly sent: number;
    readonly deliveries: number;
    readonly duplicates: number;
    readonly rejected: number;
  } {
    const rejected = [...this.sent.values()]
      .filter(({ outcome }) => outcome === "rejected").length;
    return {
      sent: this.sent.size,
      deliveries: this.#deliveries,
      duplicates: this.#duplicates,
      rejected,
    };
  }

  /** Notes what must not be. */
  violate(text: string): void {
    this.violations.push(`${this.#now().toFixed(3)} ms: ${text}`);
  }

  /** A message is about to be sent; its bytes are copied. */
  open(
    sender: LedgerLife,
    uniqueId: Uint8Array,
    bytes: Uint8Array,
    to: readonly Member[],
    options: number,
  ): SentMessage {
    const message: SentMessage = {
      id: encodeHex(uniqueId),
      sender,
      bytes: bytes.slice(),
      options,
      at: this.#now(),
      to: to.map((member) => {
        const id = encodeHex(member.uniqueId);
        const pair = `${sender.id} ${id}`;
        const number = (this.#numbers.get(pair) ?? 0) + 1;
        this.#numbers.set(pair, number);
        return { id, address: formatMember(member), number };
      }),
      deliveries: [],
      outcome: "pending",
      faulty: [],
    };
    this.sent.set(message.id, message);
    return message;
  }

  /** A message reached an application. */
  delivered(life: LedgerLife, message: ChannelData): void {
    this.#deliveries++;
    const id = encodeHex(message.uniqueId);
    const sent = this.sent.get(id);
    const what = `message ${id.slice(0, 8)} at ${life.address}`;
    if (sent === undefined) return this.violate(`${what} was never sent`);
    if (encodeHex(message.address.uniqueId) !== sent.sender.id) {
      this.violate(`${what} has another sender than ${sent.sender.address}`);
    }
    if (!equalBytes(message.message, sent.bytes)) {
      this.violate(`${what} has other bytes than were sent`);
    }
    if (!sent.to.some(({ address }) => address === life.address)) {
      this.violate(`${what} was not sent there`);
    }
    const before = sent.deliveries.filter((each) => each.life === life).length;
    if (before > 0) this.#duplicate(life, sent, before, what);
    for (const watch of this.watches) watch.delivered?.(life, sent);
    sent.deliveries.push({ life, at: this.#now() });
  }

  /** A member went, as a channel's application sees it. */
  disappeared(life: LedgerLife, id: string): void {
    for (const watch of this.watches) watch.disappeared?.(life, id);
  }

  /** Judges what did not happen; all that could has. */
  finish(): void {
    for (const sent of this.sent.values()) {
      const { options, outcome } = sent;
      // In the background a send has no outcome.
      const promised = outcome === "resolved" &&
        (options & SEND_OPTIONS_USE_ACK) !== 0 &&
        (options & SEND_OPTIONS_ASYNCHRONOUS) === 0;
      if (!promised) continue;
      for (const { address } of sent.to) this.#checkDelivered(sent, address);
    }
    for (const watch of this.watches) watch.finish?.();
  }

  #duplicate(
    life: LedgerLife,
    sent: SentMessage,
    before: number,
    what: string,
  ): void {
    this.#duplicates++;
    const isDatagram = (sent.options & SEND_OPTIONS_UDP) !== 0;
    // The network may double each datagram; and until a member that crashed is missed, what is sent to
    // it and to its successor comes to that one.
    const times = sent.to.filter(({ address }) => address === life.address)
      .length * (isDatagram ? 2 : 1);
    if (before >= times * MAX_DELIVERIES) {
      this.violate(`${what} was delivered ${before + 1} times`);
    }
    if (before < times || isDatagram) return;
    if (!this.#faults.since(sent.at, sent.sender.host, life.host)) {
      this.violate(`${what} was delivered twice, and nothing made a retry`);
    }
  }

  #checkDelivered(sent: SentMessage, address: string): void {
    const delivered = sent.deliveries.some(({ life }) =>
      life.address === address
    );
    if (delivered) return;
    const gone = this.#lives.some((life) =>
      life.address === address && life.endedAt !== undefined &&
      (life.goneAt ?? Infinity) >= sent.at
    );
    if (gone || this.watches.some((w) => w.excuses?.(sent, address))) return;
    this.violate(
      `message ${sent.id.slice(0, 8)} of ${sent.sender.address}, sent at ${
        sent.at.toFixed(3)
      }, was acknowledged and not delivered at ${address}`,
    );
  }
}
