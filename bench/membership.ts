// What a beacon costs a node of a group of 10, 100 and 1,000: from its datagram to the table of members
// and the timer of the next to expire. The goal is that it does not depend on the size of the group.
import assert from "node:assert/strict";
import { LocalMember } from "../membership/local_member.ts";
import { McastMembership } from "../membership/mcast_membership.ts";
import type { MessageChannel } from "../membership/types.ts";
import { encodeMember } from "../protocol/tribes/member.ts";
import { writeSafeInt64 } from "../protocol/bytes/byte_writer.ts";
import type {
  Datagram,
  DatagramSocket,
  Transport,
} from "../transport/types.ts";
import type { Effort } from "./codec.ts";
import { sampleMember, seededRandom } from "./corpus.ts";
import type { Result } from "./report.ts";

const SIZES = [10, 100, 1000] as const;
const FREQUENCY = 500;
/** Beacons of one batch: each member of the largest group beats ten times. */
const BATCH = 10_000;
const ALIVE_TIME_OFFSET = 14;
/**
 * What looked at each member would cost a thousand of them a hundred times as much as ten. Caches hold
 * ten and not a thousand, which must cost less than twice.
 */
const GOAL = 2;

/** Nanoseconds a beacon; the larger groups against the smallest, all in the same rounds. */
export async function runMembership(effort: Effort): Promise<Result[]> {
  const nameOf = (size: number) => `membership/beacon/${size}`;
  if (!SIZES.some((size) => effort.wants(nameOf(size)))) return [];
  effort.tell(nameOf(SIZES[0]).replace(/\d+$/, "*"));
  const groups = await Promise.all(SIZES.map((size) => Group.open(size)));
  const figures: number[][] = SIZES.map(() => []);
  // Round -1 warms up.
  for (let round = -1; round < effort.rounds; round++) {
    const medians = await timeRound(groups, effort.time * groups.length);
    if (round < 0) continue;
    for (const [i, median] of medians.entries()) figures[i]!.push(median); // as many as groups
  }
  for (const group of groups) await group.close();
  const smallest = figures[0]!; // likewise
  return SIZES.map((size, i) => {
    const result = { name: nameOf(size), unit: "ns", ours: figures[i]! }; // likewise
    return i === 0 ? result : {
      ...result,
      against: `a group of ${SIZES[0]}`,
      theirs: smallest,
      goal: GOAL,
      limit: true,
    };
  });
}

/** A batch of each group in turn, for so many milliseconds; the median nanoseconds of a beacon of each. */
async function timeRound(
  groups: readonly Group[],
  milliseconds: number,
): Promise<number[]> {
  const batches: number[][] = groups.map(() => []);
  const end = performance.now() + milliseconds;
  do {
    for (const [i, group] of groups.entries()) {
      batches[i]!.push(await group.time()); // as many as groups
    }
  } while (performance.now() < end);
  return batches.map((figures) =>
    figures.toSorted((a, b) => a - b)[figures.length >> 1]! // not empty
  );
}

/** A node that hears a group, on a transport that has nothing but its beacons. */
class Group {
  readonly #beacons: readonly Uint8Array<ArrayBuffer>[];
  readonly #socket = new BeaconSocket();
  readonly #service: McastMembership;
  #now = 0;
  #next = 0;
  #added = 0;
  #gone = 0;

  private constructor(size: number) {
    const random = seededRandom(size);
    this.#beacons = Array.from(
      { length: size },
      (_, index) => encodeMember(sampleMember(index, random)),
    );
    const transport = {
      clock: {
        now: () => this.#now,
        wallTime: () => this.#now,
        // Only the wait of the start is waited for.
        startTimer: (delay: number, callback: () => void) => {
          if (delay === 2 * FREQUENCY) queueMicrotask(callback);
          return { cancel: () => {} };
        },
      },
      bindDatagram: () => Promise.resolve(this.#socket),
    };
    this.#service = new McastMembership(
      transport as unknown as Transport, // the service uses nothing else of it
      { frequency: FREQUENCY },
    );
  }

  /** Starts a node, and lets it hear all members once. */
  static async open(size: number): Promise<Group> {
    const group = new Group(size);
    await group.#service.start({
      local: new LocalMember(sampleMember(0xffff, seededRandom(0)), 0),
      channel: {} as MessageChannel, // for services that send messages
      changeUniqueId: () => {},
      memberAdded: () => void group.#added++,
      memberDisappeared: () => void group.#gone++,
      broadcastReceived: () => assert.fail("a beacon is no broadcast"),
      fault: (error) => {
        throw error;
      },
    }, { receive: true, send: false });
    await group.#hear(size);
    assert.equal(group.#service.members().length, size);
    assert.equal(group.#added, size);
    return group;
  }

  /** Nanoseconds of one beacon, over one batch. */
  async time(): Promise<number> {
    const began = performance.now();
    await this.#hear(BATCH);
    const elapsed = performance.now() - began;
    assert.deepEqual([this.#added, this.#gone], [this.#beacons.length, 0]);
    return elapsed * 1e6 / BATCH;
  }

  close(): Promise<void> {
    return this.#service.stop();
  }

  #hear(count: number): Promise<void> {
    return this.#socket.deliver(count, () => {
      if (this.#next === this.#beacons.length) {
        this.#next = 0;
        this.#now += FREQUENCY;
      }
      const data = this.#beacons[this.#next++]!; // below the length
      writeSafeInt64(data, ALIVE_TIME_OFFSET, 60_000 + this.#now);
      return data;
    });
  }
}

/** A socket that hands out beacons as fast as they are read. */
class BeaconSocket implements DatagramSocket {
  readonly address = { hostname: "228.0.0.4", port: 45_564 };
  readonly #from = { hostname: "10.0.0.1", port: 45_564 };
  #left = 0;
  #make: (() => Uint8Array<ArrayBuffer>) | undefined;
  #done: (() => void) | undefined;
  #waiting: ((result: IteratorResult<Datagram>) => void) | undefined;

  /** Resolves when so many beacons were read and the reader asks for more. */
  deliver(count: number, make: () => Uint8Array<ArrayBuffer>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#left = count;
    this.#make = make;
    this.#done = resolve;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(this.#take());
    return promise;
  }

  send(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#waiting?.({ done: true, value: undefined });
    return Promise.resolve();
  }

  [Symbol.asyncIterator](): AsyncIterator<Datagram> {
    return { next: () => this.#read() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(): Promise<IteratorResult<Datagram>> {
    if (this.#left > 0) return Promise.resolve(this.#take());
    this.#done?.();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #take(): IteratorResult<Datagram> {
    this.#left--;
    return {
      done: false,
      value: { data: this.#make!(), from: this.#from }, // set before the first is taken
    };
  }
}
