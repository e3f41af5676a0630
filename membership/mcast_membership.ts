// Membership by multicast beacons, compatible with Tomcat's McastService.
//
// What differs from it, on purpose: beacons go out at once instead of after a wait; a recovery keeps
// the start time; what is malformed is reported and skipped, and only the socket's own errors lead
// to a recovery, so that nobody's datagrams can close it.
import { decodeHost } from "../protocol/tribes/host.ts";
import {
  decodeBeacon,
  encodeMember,
  isBeacon,
  type Member,
} from "../protocol/tribes/member.ts";
import { MAX_DATAGRAM_LENGTH } from "../transport/datagram_sender.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import type {
  Datagram,
  DatagramSocket,
  Timer,
  Transport,
} from "../transport/types.ts";
import { MemberTable } from "./member_table.ts";
import type {
  MembershipContext,
  MembershipLevels,
  MembershipService,
} from "./types.ts";

/** Options of {@linkcode McastMembership}: the attributes of McastService. */
export interface McastMembershipOptions {
  /**
   * Group address. Everything that uses the same group and port belongs to the group.
   * @default {"228.0.0.4"}
   */
  readonly address?: string;
  /**
   * Group port.
   * @default {45564}
   */
  readonly port?: number;
  /**
   * Milliseconds between two beacons.
   * @default {500}
   */
  readonly frequency?: number;
  /**
   * Silence after which a member disappears, in milliseconds; must exceed `frequency`. Lower finds
   * failures sooner and drops slow members more often.
   * @default {3000}
   */
  readonly dropTime?: number;
  /** Address of the interface to use; the system's choice without it. Attribute `bind`. */
  readonly bind?: string | undefined;
  /** Time to live of beacons; the system's default without it, or below 0. */
  readonly ttl?: number | undefined;
  /**
   * Accepted for compatibility: expiry has a timer of its own here and does not wait for a read.
   */
  readonly soTimeout?: number;
  /**
   * Whether the socket is opened again after it failed.
   * @default {true}
   */
  readonly recoveryEnabled?: boolean;
  /**
   * Number of send errors in a row after which the socket is opened again.
   * @default {10}
   */
  readonly recoveryCounter?: number;
  /**
   * Least number of milliseconds between two tries to open the socket.
   * @default {5000}
   */
  readonly recoverySleepTime?: number;
  /**
   * Whether other members on this host are not to hear this one.
   * @default {false}
   */
  readonly localLoopbackDisabled?: boolean;
  /**
   * Whether the channel starts although multicast cannot be used; the fault is reported, and with
   * `recoveryEnabled` opening is tried again.
   * @default {false}
   */
  readonly optional?: boolean;
  /**
   * Greatest number of members, against forged beacons. Tomcat has no limit.
   * @default {4096}
   */
  readonly maxMembers?: number;
}

/** The options of multicast membership, checked and complete. */
export type ResolvedMcastMembershipOptions = Required<McastMembershipOptions>;

/**
 * Checks membership options and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range, or a `dropTime` that does not exceed
 * `frequency`.
 */
export function resolveMcastMembershipOptions(
  options: McastMembershipOptions = {},
): ResolvedMcastMembershipOptions {
  const frequency = options.frequency ?? 500;
  const resolved: ResolvedMcastMembershipOptions = {
    address: options.address ?? "228.0.0.4",
    port: options.port ?? 45_564,
    frequency,
    dropTime: options.dropTime ?? 3000,
    bind: options.bind,
    ttl: options.ttl,
    soTimeout: options.soTimeout ?? frequency,
    recoveryEnabled: options.recoveryEnabled ?? true,
    recoveryCounter: options.recoveryCounter ?? 10,
    recoverySleepTime: options.recoverySleepTime ?? 5000,
    localLoopbackDisabled: options.localLoopbackDisabled ?? false,
    optional: options.optional ?? false,
    maxMembers: options.maxMembers ?? 4096,
  };
  checkInteger(resolved.port, "port", 1, 65_535);
  checkInteger(resolved.frequency, "frequency", 1, 0x7fff_ffff);
  checkInteger(resolved.dropTime, "dropTime", 1, 0x7fff_ffff);
  if (resolved.dropTime <= resolved.frequency) {
    throw new RangeError(
      `Cannot use dropTime ${resolved.dropTime}: it must exceed frequency ${resolved.frequency}`,
    );
  }
  if (resolved.ttl !== undefined) checkInteger(resolved.ttl, "ttl", -1, 255);
  checkInteger(resolved.recoveryCounter, "recoveryCounter", 1, 0x7fff_ffff);
  checkInteger(resolved.recoverySleepTime, "recoverySleepTime", 1, 0x7fff_ffff);
  checkInteger(resolved.maxMembers, "maxMembers", 1, 1_000_000);
  return resolved;
}

/**
 * Finds members by the beacons that each sends to a multicast group.
 *
 * A beacon from anybody in the group is believed, as in Tomcat: keep the group on a network of its
 * own.
 */
export class McastMembership implements MembershipService {
  /** How members are found. */
  readonly name = "mcast";
  readonly #transport: Transport;
  readonly #options: ResolvedMcastMembershipOptions;
  #context: MembershipContext | undefined;
  #table: MemberTable | undefined;
  #socket: DatagramSocket | undefined;
  #receiving: Promise<void> | undefined;
  #levels: MembershipLevels = { receive: false, send: false };
  #beaconTimer: Timer | undefined;
  #expiryTimer: Timer | undefined;
  #recoveryTimer: Timer | undefined;
  #openedAt = 0; // when the socket was last tried to open
  #sendErrors = 0;
  #recovering: Promise<void> | undefined;
  #endWait: (() => void) | undefined; // ends the wait of #start
  #full = false;
  #stopped = true;
  #stopping: Promise<void> | undefined;

  /**
   * Makes a service that is not started.
   *
   * @param transport Where the socket comes from.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(transport: Transport, options: McastMembershipOptions = {}) {
    this.#transport = transport;
    this.#options = resolveMcastMembershipOptions(options);
  }

  /**
   * Joins the group, announces the local member at once, and waits two frequencies for members.
   *
   * @throws {ChannelError} `multicast` when the group cannot be joined, unless it is `optional`.
   */
  async start(
    context: MembershipContext,
    levels: MembershipLevels,
  ): Promise<void> {
    this.#context = context;
    this.#levels = levels;
    this.#stopped = false;
    this.#stopping = undefined;
    this.#full = false;
    this.#table = new MemberTable({
      dropTime: this.#options.dropTime,
      maxMembers: this.#options.maxMembers,
      localMember: () => context.local.member,
    });
    try {
      await this.#open();
    } catch (error) {
      if (!this.#options.optional) {
        this.#stopped = true;
        throw error;
      }
      context.fault(asError(error));
      this.#recoverLater();
      return;
    }
    if (levels.send) await this.#beat();
    await this.#wait(2 * this.#options.frequency);
  }

  /** Sends the shutdown beacon and leaves the group. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#endWait?.();
    this.#beaconTimer?.cancel();
    this.#expiryTimer?.cancel();
    this.#recoveryTimer?.cancel();
    this.#beaconTimer = undefined;
    this.#expiryTimer = undefined;
    this.#recoveryTimer = undefined;
    await this.#recovering;
    if (this.#levels.send && this.#context !== undefined) {
      const leaving = this.#context.local.shutdown(this.#now());
      await this.#send(leaving);
    }
    await this.#closeSocket();
    this.#table = undefined;
  }

  /** The members that were heard, the one that is alive for longest first. */
  members(): readonly Member[] {
    return this.#table?.members() ?? [];
  }

  /**
   * When a member's last beacon came, in milliseconds on the transport's clock.
   *
   * @returns `undefined` for a member that is not known.
   */
  lastHeard(member: Member): number | undefined {
    return this.#table?.lastHeard(member);
  }

  /** Sends a beacon at once. */
  async announce(): Promise<void> {
    if (this.#stopped || !this.#levels.send || this.#context === undefined) {
      return;
    }
    await this.#send(this.#context.local.refresh(this.#now()));
  }

  /**
   * Sends a frame to the group.
   *
   * @throws {ChannelError} `multicast` when it cannot be sent, or is not started; `unsupported`
   * when it does not fit a datagram.
   */
  async broadcast(frame: Uint8Array): Promise<void> {
    const { address, port } = this.#options;
    if (frame.length > MAX_DATAGRAM_LENGTH) {
      throw new ChannelError(
        "unsupported",
        `Cannot broadcast ${frame.length} bytes: a datagram holds ${MAX_DATAGRAM_LENGTH}`,
      );
    }
    if (this.#socket === undefined || !this.#levels.send) {
      throw new ChannelError(
        "multicast",
        "Cannot broadcast: multicast membership is not sending",
      );
    }
    try {
      await this.#socket.send(frame, { hostname: address, port });
    } catch (error) {
      throw this.#multicastError("broadcast to", error);
    }
  }

  async #open(): Promise<void> {
    const { address, port, bind, ttl, localLoopbackDisabled } = this.#options;
    this.#openedAt = this.#now();
    let socket: DatagramSocket;
    try {
      socket = await this.#transport.bindDatagram({
        port,
        multicast: {
          group: address,
          loopback: !localLoopbackDisabled,
          ...(bind === undefined ? {} : { interfaceAddress: bind }),
          ...(ttl === undefined || ttl < 0 ? {} : { ttl }),
        },
      });
    } catch (error) {
      throw this.#multicastError("join", error);
    }
    if (this.#stopped) return await socket.close(); // meanwhile
    this.#socket = socket;
    this.#sendErrors = 0;
    this.#receiving = this.#receive(socket);
  }

  async #closeSocket(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.close();
    await this.#receiving;
    this.#receiving = undefined;
  }

  /** Reads until the socket is closed. Never rejects. */
  async #receive(socket: DatagramSocket): Promise<void> {
    try {
      for await (const datagram of socket) {
        if (this.#levels.receive && !this.#stopped) this.#received(datagram);
      }
    } catch (error) {
      this.#context?.fault(this.#multicastError("receive from", error));
      this.#recoverLater();
    }
  }

  #received({ data, from }: Datagram): void {
    const context = this.#context!; // set before the socket was opened
    const table = this.#table!; // likewise
    if (!isBeacon(data)) {
      context.broadcastReceived(data);
      return;
    }
    let member: Member;
    try {
      member = decodeBeacon(data);
    } catch (error) {
      context.fault(
        new ChannelError(
          "bad-message",
          `Cannot read a beacon of ${from.hostname}: ${asError(error).message}`,
          { cause: error },
        ),
      );
      return;
    }
    const taken = table.heartbeat(member, this.#now());
    if (!taken && !this.#full) {
      context.fault(
        new ChannelError(
          "multicast",
          `Cannot add ${
            decodeHost(member.host)
          }:${member.port}: the group has more than ${this.#options.maxMembers} members`,
        ),
      );
    }
    this.#full = !taken;
    this.#report(table, context);
  }

  /** Hands out what happened in the table, and sets the timer for what happens next. */
  #report(table: MemberTable, context: MembershipContext): void {
    for (
      let event = table.nextEvent();
      event !== undefined;
      event = table.nextEvent()
    ) {
      if (event.type === "memberAdded") context.memberAdded(event.member);
      else context.memberDisappeared(event.member);
    }
    if (this.#stopped || this.#expiryTimer !== undefined) return;
    const due = table.nextTimeout();
    if (due === undefined) return;
    // The timer is left alone when beacons put the time off: it then finds nothing, and is set anew.
    const delay = Math.max(1, due - this.#now());
    this.#expiryTimer = this.#transport.clock.startTimer(delay, () => {
      this.#expiryTimer = undefined;
      table.handleTimeout(this.#now());
      this.#report(table, context);
    });
  }

  /** Sends a beacon and sets the timer of the next one. Never rejects. */
  async #beat(): Promise<void> {
    if (this.#stopped) return;
    const { frequency } = this.#options;
    this.#beaconTimer = this.#transport.clock.startTimer(
      frequency,
      () => void this.#beat(),
    );
    await this.announce();
  }

  /** Sends a beacon. Never rejects. */
  async #send(member: Member): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    const { address, port, recoveryCounter } = this.#options;
    try {
      await socket.send(encodeMember(member), { hostname: address, port });
      this.#sendErrors = 0;
    } catch (error) {
      if (this.#socket !== socket) return; // closed meanwhile
      if (this.#sendErrors++ === 0) {
        this.#context?.fault(this.#multicastError("send to", error));
      }
      if (this.#sendErrors >= recoveryCounter) this.#recoverLater();
    }
  }

  /** Opens the socket again: at once, unless it was tried only just before. */
  #recoverLater(): void {
    const { recoveryEnabled, recoverySleepTime } = this.#options;
    if (!recoveryEnabled || this.#stopped) return;
    if (this.#recoveryTimer !== undefined) return;
    const due = this.#openedAt + recoverySleepTime;
    const delay = Math.max(0, due - this.#now());
    this.#recoveryTimer = this.#transport.clock.startTimer(delay, () => {
      this.#recoveryTimer = undefined;
      this.#recovering = this.#recover();
    });
  }

  /** Opens the socket again. Never rejects. */
  async #recover(): Promise<void> {
    try {
      await this.#closeSocket();
      if (this.#stopped) return;
      await this.#open();
    } catch {
      this.#recoverLater(); // the fault that led here was reported
      return;
    }
    if (this.#levels.send && this.#beaconTimer === undefined) {
      await this.#beat();
    } else {
      await this.announce();
    }
  }

  #multicastError(action: string, thrown: unknown): ChannelError {
    const { address, port, bind } = this.#options;
    const cause = asError(thrown);
    const where = bind === undefined ? "" : ` on ${bind}`;
    return new ChannelError(
      "multicast",
      `Cannot ${action} multicast group ${address}:${port}${where}: ${cause.message}`,
      { cause },
    );
  }

  #now(): number {
    return this.#transport.clock.now();
  }

  /** Waits, or until the service stops. */
  async #wait(delay: number): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#transport.clock.startTimer(delay, resolve);
    this.#endWait = resolve;
    await promise;
    timer.cancel();
  }
}
