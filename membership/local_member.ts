import { EncodeError } from "../protocol/errors.ts";
import {
  byteLengthMember,
  createMember,
  type Member,
  type MemberInit,
  SHUTDOWN_PAYLOAD,
} from "../protocol/tribes/member.ts";

/**
 * Greatest member block: it must fit a datagram, also with the shutdown command. Tomcat's limit of
 * 65535 lets a payload through whose beacons can then not be sent.
 */
const MAX_BEACON_LENGTH = 65_507 - SHUTDOWN_PAYLOAD.length;

/**
 * The member that this node is. Its block is the same object until it changes, so that it is
 * encoded once; the alive time is that of the last beacon, as in Tomcat.
 */
export class LocalMember {
  readonly #startTime: number;
  #member: Member;

  /**
   * Makes the member.
   *
   * @param init What it says of itself.
   * @param startTime When it started, on the clock that {@linkcode refresh} is given.
   * @throws {EncodeError} When it has no wire form; `too-large` when it would not fit a datagram.
   */
  constructor(init: MemberInit, startTime: number) {
    this.#startTime = startTime;
    this.#member = createMember(init);
    checkLength(this.#member);
  }

  /** The member as it was last refreshed. */
  get member(): Member {
    return this.#member;
  }

  /**
   * Brings the alive time up to date.
   *
   * @param now The time, on the clock of `startTime`.
   * @returns The member with the new alive time.
   */
  refresh(now: number): Member {
    const aliveTime = Math.max(0, Math.floor(now - this.#startTime));
    if (aliveTime !== this.#member.aliveTime) {
      this.#member = { ...this.#member, aliveTime };
    }
    return this.#member;
  }

  /**
   * Publishes other bytes from the next beacon on.
   *
   * @param payload The bytes; copied.
   * @throws {EncodeError} `too-large` when the member block would not fit a datagram.
   */
  setPayload(payload: Uint8Array): void {
    this.#change({ payload: payload.slice() });
  }

  /**
   * Changes the domain from the next beacon on.
   *
   * @param domain The bytes; copied.
   * @throws {EncodeError} `too-large` when the member block would not fit a datagram.
   */
  setDomain(domain: Uint8Array): void {
    this.#change({ domain: domain.slice() });
  }

  /**
   * The member as it says that it leaves.
   *
   * @param now The time, on the clock of `startTime`.
   */
  shutdown(now: number): Member {
    return { ...this.refresh(now), command: SHUTDOWN_PAYLOAD };
  }

  #change(change: Partial<Member>): void {
    const member = { ...this.#member, ...change };
    checkLength(member);
    this.#member = member;
  }
}

function checkLength(member: Member): void {
  const length = byteLengthMember(member);
  if (length > MAX_BEACON_LENGTH) {
    throw new EncodeError(
      "too-large",
      "member",
      `${length} bytes > ${MAX_BEACON_LENGTH}`,
    );
  }
}
