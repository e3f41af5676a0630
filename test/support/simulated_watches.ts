// What single layers promise, judged from outside: each watch has taps to put around its layer.
import type { EncryptInterceptor } from "../../channel/interceptors/encrypt.ts";
import type { FragmentationInterceptor } from "../../channel/interceptors/fragmentation.ts";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import {
  decodeTwoPhaseConfirmation,
  isTwoPhaseConfirmation,
} from "../../protocol/tribes/two_phase_confirmation.ts";
import type { Cluster, Life } from "./simulated_cluster.ts";
import { tap } from "./simulated_layers.ts";
import type { LedgerLife, SentMessage, Watch } from "./simulated_ledger.ts";

/**
 * Order: what one member sends to another is delivered in that order. A message may come after a later
 * one when
 *
 * - it was delivered before (a retry);
 * - a later one had waited for it for `expire`;
 * - one of both saw the other disappear: then its numbers start anew, and the other's do not;
 * - what was sent to a life before on the same port came with numbers of its own.
 */
export class OrderWatch implements Watch {
  readonly #cluster: Cluster;
  readonly #expire: number;
  readonly #arrivals = new Map<string, number>();
  readonly #pairs = new Map<string, Pair>();
  /** Deliveries that had to be in order, and were judged. */
  judged = 0;
  /** Deliveries after a later message that one of the rules allows. */
  excused = 0;

  /** Watches a group whose layers have this `expire`. */
  constructor(cluster: Cluster, expire: number) {
    this.#cluster = cluster;
    this.#expire = expire;
  }

  /** A tap to stand below the layer. */
  below(life: Life): ChannelInterceptor {
    return tap("BelowOrder", {
      arriving: ({ uniqueId }) => {
        const id = encodeHex(uniqueId);
        const key = `${life.id} ${id}`;
        const sent = this.#cluster.ledger.sent.get(id);
        if (sent?.to.every((member) => member.id !== life.id)) {
          this.#pairOf(sent.sender.id, life.id).reset = true;
        }
        if (!this.#arrivals.has(key)) {
          this.#arrivals.set(key, this.#cluster.network.now);
        }
      },
    });
  }

  delivered(life: LedgerLife, sent: SentMessage): void {
    const own = sent.to.find(({ id }) => id === life.id);
    if (own === undefined) return; // it was for a life before
    if (sent.deliveries.some((each) => each.life === life)) return;
    const { now } = this.#cluster.network;
    const pair = this.#pairOf(sent.sender.id, life.id);
    const arrived = this.#arrivals.get(`${life.id} ${sent.id}`) ?? now;
    if (now - arrived >= this.#expire) {
      pair.released = Math.max(pair.released, own.number);
    }
    if (own.number > pair.highest) {
      pair.highest = own.number;
      if (!pair.reset) this.judged++;
      return;
    }
    if (pair.reset || own.number < pair.released) {
      this.excused++;
      return;
    }
    this.#cluster.ledger.violate(
      `message ${own.number} of ${sent.sender.address} came after ${pair.highest} at ${life.address}`,
    );
  }

  /**
   * Once numbers began anew at one end, a message may have the number of another that waits: an error,
   * in Tomcat too, and the message is lost.
   */
  excuses({ sender }: SentMessage, address: string): boolean {
    return this.#cluster.lives.some((life) =>
      life.address === address && this.#pairOf(sender.id, life.id).reset
    );
  }

  disappeared(life: LedgerLife, id: string): void {
    this.#pairOf(life.id, id).reset = true;
    this.#pairOf(id, life.id).reset = true;
  }

  #pairOf(from: string, to: string): Pair {
    const key = `${from} ${to}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { highest: 0, released: 0, reset: false };
      this.#pairs.set(key, pair);
    }
    return pair;
  }
}

interface Pair {
  highest: number;
  released: number;
  reset: boolean;
}

/**
 * TwoPhaseCommit, with acknowledged messages. What Tomcat's protocol promises:
 *
 * - nobody delivers a message before every destination has taken it, and its sender knows that;
 * - when the sender does not get that far, the send fails and nobody ever delivers it;
 * - when the send resolves, every destination delivers it; when the confirmation fails, those that the
 *   error does not name do.
 *
 * It does not promise all or none when a member is lost between the two phases.
 */
export class TwoPhaseWatch implements Watch {
  readonly #cluster: Cluster;
  readonly #taken = new Set<string>(); // message and address
  readonly #prepared = new Set<string>(); // messages that all have acknowledged
  /** Messages of which nothing was delivered, since the first phase failed. */
  none = 0;
  /** Messages that failed in the second phase. */
  partial = 0;

  /** Watches a group. */
  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** A tap to stand below the layer. */
  below(life: Life): ChannelInterceptor {
    return tap("BelowTwoPhaseCommit", {
      sent: (_, { uniqueId }) => {
        this.#prepared.add(encodeHex(uniqueId));
      },
      sending: (_, { message, uniqueId }) => {
        if (!isTwoPhaseConfirmation(message, uniqueId.length)) return;
        const id = encodeHex(decodeTwoPhaseConfirmation(message));
        if (this.#prepared.has(id)) return;
        this.#cluster.ledger.violate(
          `${life.address} confirms ${id.slice(0, 8)} before all have it`,
        );
      },
      arriving: ({ uniqueId }) => {
        this.#taken.add(`${encodeHex(uniqueId)} ${life.address}`);
      },
    });
  }

  delivered(life: LedgerLife, sent: SentMessage): void {
    const lacking = sent.to.filter(({ address }) =>
      !this.#taken.has(`${sent.id} ${address}`)
    );
    if (lacking.length === 0 && this.#prepared.has(sent.id)) return;
    this.#cluster.ledger.violate(
      `${life.address} delivers ${sent.id.slice(0, 8)} while ${
        lacking.map(({ address }) => address)
      } lack it`,
    );
  }

  finish(): void {
    for (const sent of this.#cluster.ledger.sent.values()) {
      if (sent.outcome !== "rejected") continue;
      if (this.#prepared.has(sent.id)) this.#checkPartial(sent);
      else {
        this.none++;
        if (sent.deliveries.length > 0) {
          this.#cluster.ledger.violate(
            `${
              sent.id.slice(0, 8)
            } failed in its first phase and was delivered`,
          );
        }
      }
    }
  }

  #checkPartial(sent: SentMessage): void {
    this.partial++;
    for (const { address } of sent.to) {
      const delivered = sent.deliveries.some(({ life }) =>
        life.address === address
      );
      const ended = this.#cluster.lives.some((life) =>
        life.endedAt !== undefined && (life.goneAt ?? Infinity) >= sent.at &&
        (life.address === address || life === sent.sender)
      );
      if (delivered || ended || sent.faulty.includes(address)) continue;
      this.#cluster.ledger.violate(
        `${sent.id.slice(0, 8)} was confirmed to ${address} and not delivered`,
      );
    }
  }
}

/** Fragmentation: what it holds is bounded at every moment, and nothing is left once it has expired. */
export class FragmentationWatch implements Watch {
  readonly #cluster: Cluster;
  readonly #bytes: number;
  readonly #messages: number;
  readonly #layers = new Map<Life, FragmentationInterceptor>();
  /** The greatest number of bytes that one layer held. */
  peak = 0;

  /** Watches a group whose layers hold at most so many bytes and messages. */
  constructor(cluster: Cluster, bytes: number, messages: number) {
    this.#cluster = cluster;
    this.#bytes = bytes;
    this.#messages = messages;
  }

  /** A tap to stand below the layer. */
  below(life: Life, layer: FragmentationInterceptor): ChannelInterceptor {
    this.#layers.set(life, layer);
    return tap("BelowFragmentation", {
      taken: () => {
        const { heldBytes, heldMessages } = layer.statistics();
        this.peak = Math.max(this.peak, heldBytes);
        if (heldBytes > this.#bytes || heldMessages > this.#messages) {
          this.#cluster.ledger.violate(
            `Fragmentation at ${life.address} holds ${heldBytes} bytes of ${heldMessages} messages`,
          );
        }
      },
    });
  }

  /** A message may be missing where some were dropped. */
  excuses(_: SentMessage, address: string): boolean {
    return [...this.#layers].some(([life, layer]) =>
      life.address === address && layer.statistics().dropped > 0
    );
  }

  finish(): void {
    for (const [life, layer] of this.#layers) {
      const { heldBytes, heldMessages } = layer.statistics();
      if (life.endedAt !== undefined || heldBytes + heldMessages === 0) {
        continue;
      }
      this.#cluster.ledger.violate(
        `Fragmentation at ${life.address} keeps ${heldBytes} bytes of ${heldMessages} messages for ever`,
      );
    }
  }
}

/**
 * Encrypt: a message is passed up exactly when its time lies within the window, by the clock of the
 * member that it reached, and it was not seen there before.
 */
export class EncryptWatch implements Watch {
  readonly #cluster: Cluster;
  readonly #window: number;
  readonly #late = new Set<string>(); // message and address
  /** Messages passed up, and dropped for their age or as replays. */
  passed = 0;
  late = 0;
  replayed = 0;

  /** Watches a group whose layers have this `replayWindowTime`. */
  constructor(cluster: Cluster, window: number) {
    this.#cluster = cluster;
    this.#window = window;
  }

  /** A layer with a tap above and one below, in this order. */
  around(
    life: Life,
    layer: EncryptInterceptor | ChannelInterceptor,
  ): ChannelInterceptor[] {
    const clock = this.#cluster.network.transport(life.host).clock;
    const oldest = clock.wallTime() - this.#window;
    const seen = new Set<string>();
    let count = 0;
    let before = 0;
    const above = tap("AboveEncrypt", {
      arriving: () => {
        count++;
      },
    });
    const below = tap("BelowEncrypt", {
      arriving: () => {
        before = count;
      },
      taken: ({ timestamp, message, uniqueId }) => {
        if (life.endedAt !== undefined) return; // a stopped layer drops all
        const age = clock.wallTime() - timestamp;
        const iv = encodeHex(message.subarray(0, 12));
        const isLate = Math.abs(age) > this.#window || timestamp <= oldest;
        const isNew = !isLate && !seen.has(iv);
        if (isNew) {
          seen.add(iv);
          this.passed++;
        } else if (isLate) {
          this.late++;
          this.#late.add(`${encodeHex(uniqueId)} ${life.address}`);
        } else this.replayed++;
        if (count - before === (isNew ? 1 : 0)) return;
        this.#cluster.ledger.violate(
          `Encrypt at ${life.address} ${
            isNew ? "drops" : "passes"
          } a message that is ${age} ms old`,
        );
      },
    });
    return [above, layer, below];
  }

  excuses(sent: SentMessage, address: string): boolean {
    return this.#late.has(`${sent.id} ${address}`);
  }
}
