// Who is here, by what was heard: pure, with time passed in.
//
// Plan. Members stand in a map in the order in which they were last heard, so that a beacon costs
// the same with ten members and with a thousand, and the first of the map is the next to expire.
// The list that callers see is sorted only when one asks for it after a change.
//
// Where Tomcat trusts the order of datagrams we do not: a beacon that was overtaken by a newer one
// is a sign of life and nothing more, and one that was overtaken by the member's own shutdown does
// not bring the member back. Shutdowns of unknown members are not reported.
import { copyBytes, equalBytes } from "../protocol/bytes/bytes.ts";
import { compareAbsoluteOrder } from "../protocol/tribes/absolute_order.ts";
import {
  createMember,
  equalMembers,
  isShutdown,
  type Member,
  memberKey,
} from "../protocol/tribes/member.ts";

/** A change of membership. */
export interface MembershipEvent {
  /** What happened. */
  readonly type: "memberAdded" | "memberDisappeared";
  /** The member; with the shutdown command when it said that it leaves. */
  readonly member: Member;
}

/** Options of {@linkcode MemberTable}. Durations are milliseconds. */
export interface MemberTableOptions {
  /** Silence after which a member disappears. */
  readonly dropTime: number;
  /** Greatest number of members; beacons of further ones are refused. */
  readonly maxMembers: number;
  /** The local member, which is never in the table. */
  readonly localMember: () => Member;
}

interface Entry {
  member: Member;
  heard: number;
}

interface Tombstone {
  readonly aliveTime: number;
  readonly until: number;
}

/**
 * The members that were heard of, and when. Times are monotonic milliseconds.
 *
 * @example A member that falls silent
 * ```ts
 * import { MemberTable } from "@tribes/toolkit/membership";
 * import { createMember, encodeHost } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const local = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
 * const other = createMember({ host: encodeHost("10.0.0.2"), port: 4000 });
 * const table = new MemberTable({ dropTime: 3000, maxMembers: 100, localMember: () => local });
 * table.heartbeat(other, 0);
 * assert.equal(table.nextEvent()?.type, "memberAdded");
 * table.handleTimeout(3001);
 * assert.equal(table.nextEvent()?.type, "memberDisappeared");
 * ```
 */
export class MemberTable {
  readonly #options: MemberTableOptions;
  readonly #entries = new Map<string, Entry>(); // the one heard longest ago first
  // Of members that shut down; the one that ends first first.
  readonly #tombstones = new Map<string, Tombstone>();
  #events: MembershipEvent[] = [];
  #sorted: readonly Member[] | undefined;

  /** Makes an empty table. */
  constructor(options: MemberTableOptions) {
    this.#options = options;
  }

  /** Number of members. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The members, the one that is alive for longest first and equal ones in absolute order; never
   * the local one. The list is not changed later.
   */
  members(): readonly Member[] {
    this.#sorted ??= [...this.#entries.values()]
      .map((entry) => entry.member)
      .sort((a, b) => b.aliveTime - a.aliveTime || compareAbsoluteOrder(a, b));
    return this.#sorted;
  }

  /** The table's form of a member that is equal to this one. */
  member(member: Member): Member | undefined {
    return this.#entries.get(memberKey(member))?.member;
  }

  /** When a member was last heard; `undefined` for one that is not known. */
  lastHeard(member: Member): number | undefined {
    return this.#entries.get(memberKey(member))?.heard;
  }

  /**
   * Takes a beacon.
   *
   * @param member What it says; copied where it is kept.
   * @param now When it came.
   * @returns Whether it was taken; false when the table is full.
   */
  heartbeat(member: Member, now: number): boolean {
    if (equalMembers(member, this.#options.localMember())) return true;
    const key = memberKey(member);
    if (isShutdown(member)) {
      this.#shutDown(key, member, now);
      return true;
    }
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#add(key, member, now);
    entry.heard = now;
    // To the end of the map, which is in the order of hearing.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#isNews(entry.member, member)) {
      const { command, payload } = entry.member;
      entry.member = {
        ...entry.member,
        aliveTime: member.aliveTime,
        command: renew(command, member.command),
        payload: renew(payload, member.payload),
      };
      this.#sorted = undefined;
    }
    return true;
  }

  /**
   * Lets members that were silent for longer than `dropTime` disappear.
   *
   * @param now The time.
   */
  handleTimeout(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (now - entry.heard <= this.#options.dropTime) break;
      this.#remove(key, entry.member);
    }
    for (const [key, tombstone] of this.#tombstones) {
      if (now < tombstone.until) break;
      this.#tombstones.delete(key);
    }
  }

  /** When {@linkcode handleTimeout} has something to do next; ask again after every call. */
  nextTimeout(): number | undefined {
    let due: number | undefined;
    for (const { heard } of this.#entries.values()) {
      due = heard + this.#options.dropTime + 1;
      break;
    }
    for (const { until } of this.#tombstones.values()) {
      return due === undefined ? until : Math.min(due, until);
    }
    return due;
  }

  /** Takes the next event; `undefined` when there is none. */
  nextEvent(): MembershipEvent | undefined {
    return this.#events.shift();
  }

  #add(key: string, member: Member, now: number): boolean {
    const tombstone = this.#tombstones.get(key);
    if (tombstone !== undefined) {
      if (now < tombstone.until && member.aliveTime <= tombstone.aliveTime) {
        return true; // sent before the shutdown that came first
      }
      this.#tombstones.delete(key);
    }
    if (this.#entries.size >= this.#options.maxMembers) return false;
    // A copy: a small view can keep a whole datagram.
    const kept = createMember(member);
    this.#entries.set(key, { member: kept, heard: now });
    this.#sorted = undefined;
    this.#events.push({ type: "memberAdded", member: kept });
    return true;
  }

  #shutDown(key: string, member: Member, now: number): void {
    // Only of members that we know: forged shutdowns must not fill the memory.
    if (!this.#entries.has(key)) return;
    if (this.#tombstones.size >= this.#options.maxMembers) {
      for (const oldest of this.#tombstones.keys()) {
        this.#tombstones.delete(oldest);
        break;
      }
    }
    this.#tombstones.set(key, {
      aliveTime: member.aliveTime,
      until: now + this.#options.dropTime,
    });
    this.#remove(key, createMember(member));
  }

  #remove(key: string, member: Member): void {
    this.#entries.delete(key);
    this.#sorted = undefined;
    this.#events.push({ type: "memberDisappeared", member });
  }

  /**
   * A beacon with another alive time brings news, as in Tomcat; but one that is lower by less than
   * `dropTime` was merely overtaken.
   */
  #isNews(known: Member, heard: Member): boolean {
    const growth = heard.aliveTime - known.aliveTime;
    return growth > 0 || growth < -this.#options.dropTime;
  }
}

/** A copy of bytes that came, or those that are kept when they are the same. */
function renew(kept: Uint8Array, heard: Uint8Array): Uint8Array {
  return equalBytes(kept, heard) ? kept : copyBytes(heard);
}
