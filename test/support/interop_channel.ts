/**
 * Our side of the interop tests: a GroupChannel on real sockets whose members, messages and faults are
 * events to wait for, and what tests of two kinds of peers share.
 *
 * ```ts ignore
 * const group = await freeGroup();
 * await using java = await JavaPeer.start({ release: "10.1.60", group });
 * await using node = await OurNode.start({ group });
 * await node.waitForMember(java);
 * const uniqueId = await node.send([java], bytes, 6);
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import { after } from "node:test";
import { GroupChannel, type GroupChannelOptions } from "../../channel/mod.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { NodeTransport } from "../../transport/node.ts";
import type { Transport } from "../../transport/types.ts";
import { EventLog, type EventWaitOptions } from "./interop_events.ts";
import type { MulticastGroup, PeerMember } from "./java_peer.ts";

/** A member came or went, as the application was told. */
export interface OurMembershipEvent {
  readonly event: "memberAdded" | "memberDisappeared";
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly member: PeerMember;
}

/** A message, as the application got it. */
export interface OurMessageEvent {
  readonly event: "message";
  readonly time: number;
  readonly from: PeerMember;
  readonly uniqueId: string;
  readonly options: number;
  readonly bytes: number;
  readonly sha256: string;
  /** The first 256 bytes. */
  readonly hex: string;
}

/** An error that no caller waited for. */
export interface OurFaultEvent {
  readonly event: "fault";
  readonly time: number;
  readonly error: Error;
}

/** What happens at a node of ours. */
export type OurEvent = OurMembershipEvent | OurMessageEvent | OurFaultEvent;

/** Options of {@linkcode OurNode.start}. */
export interface OurNodeOptions
  extends Omit<GroupChannelOptions, "membership"> {
  /** Multicast group; without it the node finds nobody by itself. */
  readonly group?: MulticastGroup;
  readonly frequency?: number;
  readonly dropTime?: number;
  /** Sockets. @default {NodeTransport} */
  readonly transport?: Transport;
}

/** Anything that has a unique id: a peer, or a member as events tell it. */
export type Known = { readonly member: PeerMember } | PeerMember;

/** A GroupChannel on 127.0.0.1 and the log of what happens at it. */
export class OurNode implements AsyncDisposable {
  /** The channel itself. */
  readonly channel: GroupChannel;
  /** What happened. */
  readonly log: EventLog<OurEvent>;
  /** What the application does with a message after it was logged; it may throw. */
  onMessage: ((message: ChannelData) => void | Promise<void>) | undefined;
  #sequence: Sequence | undefined;

  private constructor(channel: GroupChannel, log: EventLog<OurEvent>) {
    this.channel = channel;
    this.log = log;
    channel.addMembershipListener({
      memberAdded: (member) => this.#memberEvent("memberAdded", member),
      memberDisappeared: (member) =>
        this.#memberEvent("memberDisappeared", member),
    });
    channel.addChannelListener({
      messageReceived: (message) => {
        if (this.#sequence === undefined) this.log.push(messageEvent(message));
        else this.#sequence.add(message.message);
        return this.onMessage?.(message);
      },
    });
  }

  /** Starts a node; with a group that waits for two frequencies. */
  static async start(options: OurNodeOptions = {}): Promise<OurNode> {
    const { group, frequency = 500, dropTime = 3000, transport, ...rest } =
      options;
    const log = new EventLog<OurEvent>("our node");
    const channel = new GroupChannel(transport ?? new NodeTransport(), {
      ...rest,
      receiver: { address: "127.0.0.1", port: 0, ...rest.receiver },
      membership: group === undefined
        ? null
        : { ...group, bind: "127.0.0.1", frequency, dropTime },
      onError: (error) => log.push({ event: "fault", time: Date.now(), error }),
    });
    const node = new OurNode(channel, log);
    await channel.start(group === undefined ? 3 : 15);
    return node;
  }

  /** The node's own member, in the form that Java's events have. */
  get member(): PeerMember {
    return peerMember(this.channel.localMember());
  }

  /** `HOST:PORT` of the receiver, as Java's commands take it. */
  get address(): string {
    return `127.0.0.1:${this.channel.localMember().port}`;
  }

  /** The other members as the channel tells them, in the form that Java's events have. */
  members(): PeerMember[] {
    return this.channel.members().map(peerMember);
  }

  /** The member that a peer is, as the channel knows it. */
  memberOf(known: Known): Member {
    const id = uniqueIdOf(known);
    const found = this.channel.members().find((member) =>
      encodeHex(member.uniqueId) === id
    );
    if (found === undefined) throw new Error(`No member ${id}`);
    return found;
  }

  /** Waits until the channel has told of a member; gives it as it was then. */
  async waitForMember(
    known: Known,
    options?: EventWaitOptions,
  ): Promise<PeerMember> {
    return (await this.waitForMembership("memberAdded", known, options)).member;
  }

  /** Waits until the channel has told that a member came or went. */
  waitForMembership(
    name: OurMembershipEvent["event"],
    known: Known,
    options?: EventWaitOptions,
  ): Promise<OurMembershipEvent> {
    const id = uniqueIdOf(known);
    return this.log.waitFor(
      (event): event is OurMembershipEvent =>
        event.event === name && event.member.uniqueId === id,
      options,
    );
  }

  /** Waits for the message with this unique id. */
  waitForMessage(
    uniqueId: string,
    options?: EventWaitOptions,
  ): Promise<OurMessageEvent> {
    return this.log.waitFor(
      (event): event is OurMessageEvent =>
        event.event === "message" && event.uniqueId === uniqueId,
      options,
    );
  }

  /** The messages with this unique id so far. */
  messages(uniqueId: string): OurMessageEvent[] {
    return this.log.events.filter((event): event is OurMessageEvent =>
      event.event === "message" && event.uniqueId === uniqueId
    );
  }

  /** Sends bytes to peers that the channel knows; gives the unique id as hex. */
  async send(
    to: readonly Known[],
    bytes: Uint8Array,
    options: number,
    uniqueId?: string,
  ): Promise<string> {
    const sent = await this.channel.send(
      to.map((known) => this.memberOf(known)),
      bytes,
      {
        options,
        ...(uniqueId === undefined ? {} : { uniqueId: decodeHex(uniqueId) }),
      },
    );
    return encodeHex(sent);
  }

  /**
   * From now on counts messages by the number that they begin with, instead of logging them.
   *
   * @param expected Number of messages that `done` waits for.
   */
  count(expected: number): Sequence {
    this.#sequence = new Sequence(expected);
    return this.#sequence;
  }

  /** Logs messages again. */
  stopCounting(): void {
    this.#sequence = undefined;
  }

  /** Leaves the group. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel.stop();
  }

  #memberEvent(event: OurMembershipEvent["event"], member: Member): void {
    this.log.push({ event, time: Date.now(), member: peerMember(member) });
  }
}

/** Messages that begin with their number, an int from 0, counted as they come. */
export class Sequence {
  /** Resolves when the expected number came. */
  readonly done: Promise<void>;
  /** Messages that came. */
  count = 0;
  /** Messages with a smaller number than the one before. */
  inversions = 0;
  /** Messages that came before. */
  duplicates = 0;
  /** Milliseconds from the first message to the last expected one. */
  milliseconds = 0;
  readonly #seen: Uint8Array;
  readonly #resolve: () => void;
  #distinct = 0;
  #last = -1;
  #begin = 0;

  /** Makes a count of messages 0 to `expected` - 1. */
  constructor(expected: number) {
    this.#seen = new Uint8Array(expected);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
  }

  /** Numbers that have not come. */
  get missing(): number {
    return this.#seen.length - this.#distinct;
  }

  /** Messages a second. */
  get perSecond(): number {
    return Math.round(this.#seen.length / this.milliseconds * 1000);
  }

  /** Counts one message. */
  add(body: Uint8Array): void {
    const number = numberOf(body);
    if (this.count++ === 0) this.#begin = performance.now();
    if (number < this.#last) this.inversions++;
    this.#last = number;
    if (this.#seen[number] === 1) this.duplicates++;
    else if (number < this.#seen.length) {
      this.#seen[number] = 1;
      this.#distinct++;
    }
    if (this.count < this.#seen.length) return;
    this.milliseconds = performance.now() - this.#begin;
    this.#resolve();
  }
}

/** The number that a message of a sequence begins with. */
export function numberOf(body: Uint8Array): number {
  return new DataView(body.buffer, body.byteOffset).getInt32(0);
}

/** A message of a sequence. */
export function numbered(number: number, size = 64): Uint8Array {
  const body = new Uint8Array(size);
  new DataView(body.buffer).setInt32(0, number);
  return body;
}

/** The SHA-256 of bytes, as Java's events have it. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes as hex, as Java's commands and events have them. */
export function hexOf(text: string): string {
  return encodeHex(new TextEncoder().encode(text));
}

/**
 * What the tests of a file share: made when the first of them asks for it, under that test's time (a hook's is
 * 5 s on Bun), and disposed after the last.
 *
 * @param make Starts it; gives `keep` everything that must be disposed, also if a later step fails.
 */
export function shared<Shared>(
  make: (
    keep: <Kept extends AsyncDisposable>(kept: Kept) => Kept,
  ) => Promise<Shared>,
): () => Promise<Shared> {
  const kept: AsyncDisposable[] = [];
  let making: Promise<Shared> | undefined;
  after(async () => {
    await making?.catch(() => {}); // a test has told it
    await Promise.all(
      kept.toReversed().map((each) => each[Symbol.asyncDispose]()),
    );
  });
  return () => {
    making ??= make((each) => {
      kept.push(each);
      return each;
    });
    return making;
  };
}

/** A member in the form that Java's events have. */
export function peerMember(member: Member): PeerMember {
  return {
    host: encodeHex(member.host),
    port: member.port,
    securePort: member.securePort,
    udpPort: member.udpPort,
    aliveTime: String(member.aliveTime),
    uniqueId: encodeHex(member.uniqueId),
    domain: encodeHex(member.domain),
    command: encodeHex(member.command),
    payload: encodeHex(member.payload),
  };
}

/** What a member says of itself that does not change by itself: all but the alive time. */
export function identity(member: PeerMember): Omit<PeerMember, "aliveTime"> {
  const { aliveTime: _, ...rest } = member;
  return rest;
}

function uniqueIdOf(known: Known): string {
  return "member" in known ? known.member.uniqueId : known.uniqueId;
}

function messageEvent(message: ChannelData): OurMessageEvent {
  return {
    event: "message",
    time: Date.now(),
    from: peerMember(message.address),
    uniqueId: encodeHex(message.uniqueId),
    options: message.options,
    bytes: message.message.length,
    sha256: sha256(message.message),
    hex: encodeHex(message.message.subarray(0, 256)),
  };
}
