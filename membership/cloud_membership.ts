// Membership by what a platform knows: the addresses behind a service's name, or the pods of a
// namespace. Compatible with Tomcat's CloudMembershipService.
//
// Nothing is announced: every heartbeat fetches who is there, refreshes those, and lets the others
// expire. A fetch that fails changes nothing, so that an outage of the platform empties no group.
import { equalBytes } from "../protocol/bytes/bytes.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import { createMember, type Member } from "../protocol/tribes/member.ts";
import { UNIQUE_ID_LENGTH } from "../protocol/tribes/unique_id.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import type { Clock, Timer } from "../transport/types.ts";
import { cloudUniqueId } from "./cloud_identity.ts";
import { MemberTable } from "./member_table.ts";
import type {
  MembershipContext,
  MembershipLevels,
  MembershipService,
  MessageListener,
} from "./types.ts";

/** One node as a platform knows it. All nodes have the same receiver port. */
export interface CloudMember {
  /** Address bytes. */
  readonly host: Uint8Array;
  /** 16 bytes. */
  readonly uniqueId: Uint8Array;
  /** Milliseconds, by the platform; -1 where it does not tell. */
  readonly aliveTime: number;
}

/** What a fetch may take. */
export interface CloudFetchOptions {
  /** Gives up the fetch. */
  readonly signal: AbortSignal;
  /** Milliseconds to connect. */
  readonly connectTimeout: number;
  /** Milliseconds for the answer. */
  readonly readTimeout: number;
  /** The wall time of the start, in milliseconds since 1970. */
  readonly startTime: number;
}

/** Asks a platform who is there. */
export interface MembershipProvider {
  /** The name that Tomcat's configuration has for it, such as `dns`. */
  readonly name: string;
  /**
   * Whether whoever sends a message is a member, although the platform does not name it (yet).
   * @default {false}
   */
  readonly takesSenders?: boolean;
  /**
   * Fetches all nodes that are there, this one too.
   *
   * @throws {ChannelError} When that fails; nothing secret is in its text.
   */
  fetchMembers(options: CloudFetchOptions): Promise<readonly CloudMember[]>;
}

/** Options of {@linkcode CloudMembership}: the attributes of CloudMembershipService. */
export interface CloudMembershipOptions {
  /**
   * Milliseconds to connect to the platform.
   * @default {1000}
   */
  readonly connectTimeout?: number;
  /**
   * Milliseconds for the platform's whole answer; Tomcat bounds each read of it.
   * @default {1000}
   */
  readonly readTimeout?: number;
  /**
   * How long a member stays after it was last among those fetched, in milliseconds.
   * @default {5000}
   */
  readonly expirationTime?: number;
  /**
   * Greatest number of members. Tomcat has no limit.
   * @default {4096}
   */
  readonly maxMembers?: number;
}

/** The options of cloud membership, checked and complete. */
export type ResolvedCloudMembershipOptions = Required<CloudMembershipOptions>;

/**
 * Checks options of cloud membership and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range.
 */
export function resolveCloudMembershipOptions(
  options: CloudMembershipOptions = {},
): ResolvedCloudMembershipOptions {
  const resolved: ResolvedCloudMembershipOptions = {
    connectTimeout: options.connectTimeout ?? 1000,
    readTimeout: options.readTimeout ?? 1000,
    expirationTime: options.expirationTime ?? 5000,
    maxMembers: options.maxMembers ?? 4096,
  };
  checkInteger(resolved.connectTimeout, "connectTimeout", 1, 0x3fff_ffff);
  checkInteger(resolved.readTimeout, "readTimeout", 1, 0x3fff_ffff);
  checkInteger(resolved.expirationTime, "expirationTime", 1, 0x7fff_ffff);
  checkInteger(resolved.maxMembers, "maxMembers", 1, 1_000_000);
  return resolved;
}

/**
 * Finds members by asking a platform at each heartbeat of the channel.
 *
 * The local member's unique id is the platform's: 16 zero bytes until this node is among those that
 * it names, as in Tomcat. Members have this node's receiver port.
 *
 * @example Members that a list of one's own names
 * ```ts
 * import { GroupChannel } from "@tribes/toolkit/channel";
 * import { CloudMembership, cloudUniqueId } from "@tribes/toolkit/membership";
 * import { encodeHost, formatMember } from "@tribes/toolkit/protocol";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const membership = new CloudMembership({
 *   name: "list",
 *   fetchMembers: () => Promise.resolve(["10.0.0.1", "10.0.0.2"].map((address) => ({
 *     host: encodeHost(address),
 *     uniqueId: cloudUniqueId(address),
 *     aliveTime: -1,
 *   }))),
 * });
 * const network = new MemoryNetwork();
 * const channel = new GroupChannel(network.transport("10.0.0.1"), {
 *   membership,
 *   interceptors: [],
 * });
 * await network.run(() => channel.start());
 * assert.deepEqual(channel.members().map(formatMember), ["10.0.0.2:4000"]);
 * await network.run(() => channel.stop());
 * ```
 */
export class CloudMembership implements MembershipService {
  /** How members are found. */
  readonly name = "cloud";
  readonly #provider: MembershipProvider;
  readonly #options: ResolvedCloudMembershipOptions;
  #run: Run | undefined;

  /**
   * Makes a service that is not started.
   *
   * @param provider Whom it asks.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(
    provider: MembershipProvider,
    options: CloudMembershipOptions = {},
  ) {
    this.#provider = provider;
    this.#options = resolveCloudMembershipOptions(options);
  }

  /** The name of the platform that is asked. */
  get providerName(): string {
    return this.#provider.name;
  }

  /** Fetches the members for the first time; a failure is reported, and tried again. */
  async start(
    context: MembershipContext,
    levels: MembershipLevels,
  ): Promise<void> {
    if (!levels.receive) return;
    context.changeUniqueId(new Uint8Array(UNIQUE_ID_LENGTH));
    this.#run = new Run(context, this.#provider, this.#options);
    await this.#run.fetch();
  }

  /** Gives up what is being fetched. Nobody is told that this node leaves. */
  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.stop();
  }

  /** The members that were fetched, and those that sent messages where the provider takes them. */
  members(): readonly Member[] {
    return this.#run?.table.members() ?? [];
  }

  /** Does nothing: the platform has no place for domain and payload. */
  announce(): Promise<void> {
    return Promise.resolve();
  }

  /** Refuses: there is no group address. Tomcat drops such a message without a word. */
  broadcast(_frame: Uint8Array): Promise<void> {
    return Promise.reject(
      new ChannelError(
        "unsupported",
        "Cannot broadcast: cloud membership has no group address",
      ),
    );
  }

  /** Fetches the members, unless a fetch runs. */
  heartbeat(): void {
    void this.#run?.fetch();
  }
}

/** One run of the service, from start to stop. */
class Run {
  readonly table: MemberTable;
  readonly #context: MembershipContext;
  readonly #provider: MembershipProvider;
  readonly #options: ResolvedCloudMembershipOptions;
  readonly #clock: Clock;
  readonly #startTime: number;
  readonly #listener: MessageListener;
  readonly #stopped = new AbortController();
  #fetching: Promise<void> | undefined;
  #lastFault = "";
  #faulty = false; // something failed in the fetch that runs
  #identified = false;

  constructor(
    context: MembershipContext,
    provider: MembershipProvider,
    options: ResolvedCloudMembershipOptions,
  ) {
    this.#context = context;
    this.#provider = provider;
    this.#options = options;
    this.#clock = context.channel.clock;
    this.#startTime = this.#clock.wallTime();
    this.table = new MemberTable({
      dropTime: options.expirationTime,
      maxMembers: options.maxMembers,
      localMember: () => context.local.member,
    });
    this.#listener = {
      accept: (message) => {
        this.#senderHeard(message);
        return false;
      },
      messageReceived: () => {},
    };
    if (provider.takesSenders === true) {
      context.channel.addChannelListener(this.#listener);
    }
  }

  async stop(): Promise<void> {
    this.#context.channel.removeChannelListener(this.#listener);
    this.#stopped.abort(new ChannelError("unsupported", "Stopped"));
    await this.#fetching;
  }

  /** Fetches once, or waits for the fetch that runs. Never rejects. */
  fetch(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    this.#faulty = false;
    try {
      const fetched = await this.#limited();
      if (this.#stopped.signal.aborted) return;
      this.#identify(fetched);
      const others = this.#others(fetched);
      const now = this.#clock.now();
      for (const member of others) this.#heartbeat(member, now);
      this.table.handleTimeout(now);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#failed(asError(error));
    }
    if (!this.#faulty) this.#lastFault = "";
    this.#report();
  }

  /** Fetches within the time that is allowed for it, whatever the provider does. */
  async #limited(): Promise<readonly CloudMember[]> {
    const { connectTimeout, readTimeout } = this.#options;
    const limit = connectTimeout + readTimeout;
    const late = new AbortController();
    const { promise: over, reject } = Promise.withResolvers<never>();
    const timer: Timer = this.#clock.startTimer(limit, () => {
      late.abort(
        new ChannelError(
          "timeout",
          `Cannot fetch members from ${this.#provider.name}: no answer within ${limit} ms`,
        ),
      );
    });
    const signal = AbortSignal.any([late.signal, this.#stopped.signal]);
    signal.addEventListener("abort", () => reject(signal.reason));
    try {
      return await Promise.race([
        this.#provider.fetchMembers({
          signal,
          connectTimeout,
          readTimeout,
          startTime: this.#startTime,
        }),
        over,
      ]);
    } finally {
      timer.cancel();
    }
  }

  /** Takes the platform's unique id of this node, once. */
  #identify(fetched: readonly CloudMember[]): void {
    const { host } = this.#context.local.member;
    const own = fetched.find((member) => equalBytes(member.host, host));
    if (own === undefined || this.#identified) return;
    this.#context.changeUniqueId(own.uniqueId);
    this.#identified = true;
  }

  #others(fetched: readonly CloudMember[]): Member[] {
    const { host, port } = this.#context.local.member;
    return fetched
      .filter((member) => !equalBytes(member.host, host))
      .map((member) => createMember({ ...member, port }));
  }

  #heartbeat(member: Member, now: number): void {
    if (this.table.heartbeat(member, now)) return;
    this.#failed(
      new ChannelError(
        "unsupported",
        `Cannot add members: there are more than ${this.#options.maxMembers}`,
      ),
    );
  }

  /** Adds whoever sent a message and has an address that no member has. */
  #senderHeard({ address: { host, port } }: ChannelData): void {
    const members = this.table.members();
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!; // i < length
      if (member.port === port && equalBytes(member.host, host)) return;
    }
    const local = this.#context.local.member;
    if (local.port === port && equalBytes(local.host, host)) return;
    // Tomcat writes the bytes of IPv6 addresses with dots here, and only here.
    const uniqueId = cloudUniqueId(host.join("."));
    this.#heartbeat(
      createMember({ host, port, uniqueId, aliveTime: -1 }),
      this.#clock.now(),
    );
    this.#report();
  }

  /** Tells of a failure, once while it stays the same. */
  #failed(error: Error): void {
    this.#faulty = true;
    if (error.message === this.#lastFault) return;
    this.#lastFault = error.message;
    this.#context.fault(error);
  }

  #report(): void {
    for (let event; (event = this.table.nextEvent()) !== undefined;) {
      this.#context[event.type](event.member);
    }
  }
}
