// A group channel: the stack of interceptors, and under it receiver, sender and membership.
//
// Starting and stopping never overlap: a stop waits for the start that runs.
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import type { Member } from "../protocol/tribes/member.ts";
import {
  SEND_OPTIONS_ASYNCHRONOUS,
  SEND_OPTIONS_BYTE_MESSAGE,
  SEND_OPTIONS_DEFAULT,
} from "../protocol/tribes/send_options.ts";
import type { RandomBytes } from "../protocol/tribes/unique_id.ts";
import { LocalMember } from "../membership/local_member.ts";
import { McastMembership } from "../membership/mcast_membership.ts";
import type {
  MembershipContext,
  MembershipService,
  MessageChannel,
} from "../membership/types.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import { Receiver, resolveReceiverOptions } from "../transport/receiver.ts";
import { resolveSenderOptions } from "../transport/sender.ts";
import type { Clock, Timer, Transport } from "../transport/types.ts";
import { BroadcastQueue } from "./broadcast_queue.ts";
import { ChannelSender } from "./channel_sender.ts";
import {
  CHANNEL_DEFAULT,
  type ChannelListener,
  type GroupChannelOptions,
  MBR_RX_SEQ,
  MBR_TX_SEQ,
  type MembershipListener,
  type SendOptions,
  SND_RX_SEQ,
  SND_TX_SEQ,
} from "./group_channel_options.ts";
import {
  checkOptionFlags,
  InterceptorStack,
  type MemberChange,
} from "./interceptor_stack.ts";
import { MessageDispatchInterceptor } from "./interceptors/message_dispatch.ts";
import { TcpFailureDetector } from "./interceptors/tcp_failure_detector.ts";
import { describeLocalMember } from "./local_description.ts";
import { ListenerList } from "./listener_list.ts";
import { MessageDelivery } from "./message_delivery.ts";
import { encodeObjectMessage, type ObjectMessage } from "./object_message.ts";
import { readFault } from "./read_fault.ts";
import { UniqueIdSource } from "./unique_id_source.ts";

export * from "./group_channel_options.ts";

const NO_MEMBERS: readonly Member[] = [];

/**
 * A member of a Tribes group: finds the others, sends them messages and receives theirs.
 *
 * @example Two channels on a simulated network
 * ```ts
 * import { GroupChannel } from "@tribes/toolkit/channel";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const network = new MemoryNetwork({ seed: 1 });
 * const a = new GroupChannel(network.transport("10.0.0.1"));
 * const b = new GroupChannel(network.transport("10.0.0.2"));
 * const heard: string[] = [];
 * b.addChannelListener({
 *   messageReceived: (message) => void heard.push(new TextDecoder().decode(message.message)),
 * });
 * const started = Promise.all([a.start(), b.start()]);
 * await network.advance(3000);
 * await started;
 * const sent = a.send(a.members(), new TextEncoder().encode("hello"));
 * await network.advance(100);
 * await sent;
 * assert.deepEqual(heard, ["hello"]);
 * const stopped = Promise.all([a.stop(), b.stop()]);
 * await network.advance(5000);
 * await stopped;
 * ```
 */
export class GroupChannel implements MessageChannel, AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: GroupChannelOptions;
  readonly #heartbeatSleeptime: number;
  readonly #stack: InterceptorStack;
  readonly #membership: MembershipService | undefined;
  readonly #random: RandomBytes;
  readonly #ids: UniqueIdSource;
  readonly #delivery: MessageDelivery;
  readonly #broadcasts: BroadcastQueue;
  readonly #membershipListeners = new ListenerList<MembershipListener>();
  #local: LocalMember | undefined;
  #startTime = 0;
  #receiver: Receiver | undefined;
  #sender: ChannelSender | undefined;
  #heartbeatTimer: Timer | undefined;
  #beating: Promise<void> | undefined;
  #levels = 0;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * Makes a channel that is not started.
   *
   * @param transport Sockets and clock: a `NodeTransport`, or a host of a simulated network.
   * @param options Addresses, limits, membership and interceptors.
   * @throws {RangeError} For an option that is out of its range, or what `optionCheck` finds.
   */
  constructor(transport: Transport, options: GroupChannelOptions = {}) {
    this.#transport = transport;
    this.#options = options;
    this.#heartbeatSleeptime = options.heartbeatSleeptime ?? 5000;
    checkInteger(
      this.#heartbeatSleeptime,
      "heartbeatSleeptime",
      1,
      0x7fff_ffff,
    );
    resolveSenderOptions(options.sender);
    resolveReceiverOptions(options.receiver);
    const interceptors = options.interceptors ??
      [new MessageDispatchInterceptor(), new TcpFailureDetector()];
    if (options.optionCheck === true) checkOptionFlags(interceptors);
    this.#membership = membershipOf(transport, options.membership);
    this.#random = options.random ??
      ((bytes) => void crypto.getRandomValues(bytes));
    this.#ids = new UniqueIdSource(this.#random);
    const fault = (error: Error) => this.#fault(error);
    this.#delivery = new MessageDelivery({
      answer: (to, object) =>
        this.sendObject([to], object, { options: SEND_OPTIONS_ASYNCHRONOUS }),
      fault,
    });
    this.#stack = new InterceptorStack(interceptors, {
      transport,
      transmit: (to, message) => this.#transmit(to, message),
      deliver: (message) => this.#delivery.deliver(message),
      memberChanged: (type, member) => this.#memberChanged(type, member),
      members: () => this.#membership?.members() ?? NO_MEMBERS,
      localMember: () => this.localMember(),
      makeMessage: (message, options) => ({
        options,
        timestamp: transport.clock.wallTime(),
        uniqueId: this.#ids.next(),
        address: this.localMember(),
        message,
      }),
      fault,
    });
    this.#broadcasts = new BroadcastQueue({
      localMember: () => this.localMember(),
      isStarted: () => this.#levels !== 0,
      messageReceived: this.#stack.messageReceived,
      fault,
    });
  }

  /** The clock of its transport. */
  get clock(): Clock {
    return this.#transport.clock;
  }

  /** How members are found: `mcast`, or another service's name; `undefined` without one. */
  get membershipName(): string | undefined {
    return this.#membership?.name;
  }

  /** Whether a start level is on. */
  get isStarted(): boolean {
    return this.#levels !== 0;
  }

  /** Bytes that wait to be sent or acknowledged. */
  get queuedBytes(): number {
    return this.#sender?.queuedBytes ?? 0;
  }

  /**
   * The local member as others see it.
   *
   * @throws {ChannelError} `unsupported` before the first start.
   */
  localMember(): Member {
    return this.#started().member;
  }

  /** The other members, as the top of the stack shows them. */
  members(): readonly Member[] {
    return this.#stack.members();
  }

  /** Adds a listener for messages; each that accepts a message gets it, in order of adding. */
  addChannelListener(listener: ChannelListener): void {
    this.#delivery.listeners.add(listener);
  }

  /** Removes a listener for messages. */
  removeChannelListener(listener: ChannelListener): void {
    this.#delivery.listeners.remove(listener);
  }

  /** Adds a listener for members that come and go. */
  addMembershipListener(listener: MembershipListener): void {
    this.#membershipListeners.add(listener);
  }

  /** Removes a listener for members that come and go. */
  removeMembershipListener(listener: MembershipListener): void {
    this.#membershipListeners.remove(listener);
  }

  /**
   * Starts the channel, and waits until members had time to be heard (two frequencies).
   *
   * @param levels What to start: a set of the level bits; all of it by default.
   * @throws {TransportError} When the receiver cannot be bound.
   * @throws {ChannelError} `multicast` when the group cannot be joined; `unsupported` when it is
   * started already.
   * @throws {RangeError} For `levels` that are no set of the level bits, or none of them.
   */
  async start(levels: number = CHANNEL_DEFAULT): Promise<void> {
    checkInteger(levels, "levels", 1, CHANNEL_DEFAULT);
    if (this.#levels !== 0) {
      throw new ChannelError("unsupported", "Cannot start: already started");
    }
    this.#levels = levels;
    this.#stopping = undefined;
    this.#starting = this.#start(levels);
    await this.#starting;
  }

  /**
   * Leaves the group, sends what is queued, and closes all sockets; a running start ends first.
   * Listeners are not told that members go; those that are there are told anew after a start.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopStarted();
    return this.#stopping;
  }

  /** Stops the channel. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Sends raw bytes to members.
   *
   * A retry after a lost connection may deliver the message twice, as Tomcat's does; both have the
   * same unique id.
   *
   * @param destination The members; {@linkcode members} for all.
   * @param message The bytes, borrowed until the promise settles.
   * @returns The message's unique id, when the message was written; with `use_ack`, when every
   * member acknowledged it; with `use_ack` and `sync`, when every member processed it; with `async`
   * at once.
   * @throws {ChannelError} `no-members`, or why members were not reached.
   * @throws {EncodeError} When the message has no wire form.
   */
  send(
    destination: readonly Member[],
    message: Uint8Array,
    options: SendOptions = {},
  ): Promise<Uint8Array> {
    const bits = options.options ?? SEND_OPTIONS_DEFAULT;
    return this.#send(
      destination,
      message,
      bits | SEND_OPTIONS_BYTE_MESSAGE,
      options.uniqueId,
    );
  }

  /**
   * Sends a Java object to members.
   *
   * @param destination The members; {@linkcode members} for all.
   * @param object The object: a node, a plain value, or the bytes of its whole stream, borrowed until
   * the promise settles.
   * @returns As {@linkcode send}.
   * @throws {ChannelError} As {@linkcode send}.
   * @throws {EncodeError} When the object has no wire form.
   */
  async sendObject(
    destination: readonly Member[],
    object: ObjectMessage,
    options: SendOptions = {},
  ): Promise<Uint8Array> {
    const bits = options.options ?? SEND_OPTIONS_DEFAULT;
    return await this.#send(
      destination,
      encodeObjectMessage(object),
      bits & ~SEND_OPTIONS_BYTE_MESSAGE,
      options.uniqueId,
    );
  }

  #send(
    destination: readonly Member[],
    message: Uint8Array,
    options: number,
    givenId: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    if (destination.length === 0) {
      return Promise.reject(
        new ChannelError("no-members", "Cannot send: no destination is given"),
      );
    }
    const local = this.#local;
    if (local === undefined || (this.#levels & SND_TX_SEQ) === 0) {
      return Promise.reject(
        new ChannelError("unsupported", "Cannot send: sending is not started"),
      );
    }
    const uniqueId = givenId?.slice() ?? this.#ids.next();
    try {
      const sent = this.#stack.sendMessage(destination, {
        options,
        timestamp: this.#transport.clock.wallTime(),
        uniqueId,
        address: local.member,
        message,
      });
      return sent.then(() => uniqueId);
    } catch (error) { // of a layer that throws instead of rejecting
      return Promise.reject(error);
    }
  }

  /**
   * Publishes other bytes to the group, at once.
   *
   * @param payload The bytes; copied.
   * @throws {EncodeError} `too-large`.
   */
  async setPayload(payload: Uint8Array): Promise<void> {
    this.#started().setPayload(payload);
    await this.#membership?.announce();
  }

  /**
   * Changes the domain, at once. Other nodes that know this member keep the old one, as Tomcat does.
   *
   * @param domain The bytes; copied.
   * @throws {EncodeError} `too-large`.
   */
  async setDomain(domain: Uint8Array): Promise<void> {
    this.#started().setDomain(domain);
    await this.#membership?.announce();
  }

  /** Lets the interceptors and the sender do what is due; a timer does this by default. */
  async heartbeat(): Promise<void> {
    await this.#stack.heartbeat();
    this.#sender?.heartbeat();
    if (this.#levels === 0) return;
    try {
      this.#membership?.heartbeat?.();
    } catch (error) {
      this.#fault(asError(error));
    }
  }

  /** Tells the channel's error handler of an error that no caller waits for. */
  reportError(error: Error): void {
    this.#fault(error);
  }

  async #start(levels: number): Promise<void> {
    try {
      await this.#startLevels(levels);
    } catch (error) {
      await this.#stop().catch(() => {}); // the first error is the one to tell
      throw error;
    }
    if (this.#options.heartbeat !== false) this.#startHeartbeat();
  }

  async #startLevels(levels: number): Promise<void> {
    const { clock } = this.#transport;
    if ((levels & SND_RX_SEQ) !== 0) {
      this.#receiver = await Receiver.start(
        this.#transport,
        this.#stack.messageReceived,
        {
          ...this.#options.receiver,
          onFault: (fault) => {
            this.#options.receiver?.onFault?.(fault);
            this.#fault(readFault(fault.error, fault.remoteAddress.hostname));
          },
        },
      );
    }
    this.#startTime = clock.now();
    const described = describeLocalMember(
      this.#options,
      this.#receiver,
      this.#transport,
      this.#random,
    );
    this.#local = new LocalMember(described, this.#startTime);
    if ((levels & SND_TX_SEQ) !== 0) {
      this.#sender = new ChannelSender(
        this.#transport,
        this.#options.sender,
        this.#membership,
      );
    }
    await this.#stack.start();
    const receive = (levels & MBR_RX_SEQ) !== 0;
    const send = (levels & MBR_TX_SEQ) !== 0;
    if (receive || send) {
      await this.#membership?.start(this.#membershipContext(), {
        receive,
        send,
      });
    }
  }

  async #stopStarted(): Promise<void> {
    await this.#starting?.catch(() => {}); // told to who started
    if (this.#levels !== 0) await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#heartbeatTimer?.cancel();
    await this.#beating;
    const errors: unknown[] = [];
    const attempt = async (step: () => unknown) => {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    };
    await attempt(() => this.#stack.stop());
    await attempt(() => this.#membership?.stop());
    // First: nothing is to be acknowledged for layers that no longer take it.
    await attempt(() => this.#receiver?.close());
    await attempt(() => this.#sender?.close());
    this.#sender = undefined;
    this.#receiver = undefined;
    this.#levels = 0;
    if (errors.length > 0) throw asError(errors[0]);
  }

  #transmit(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void> {
    const sender = this.#sender;
    if (sender === undefined) {
      return Promise.reject(
        new ChannelError("unsupported", "Cannot send: sending is not started"),
      );
    }
    return sender.sendMessage(destination, message);
  }

  #membershipContext(): MembershipContext {
    const started = () => this.#started();
    return {
      get local() { // replaced with its unique id
        return started();
      },
      channel: this,
      changeUniqueId: (uniqueId) => {
        const member = { ...started().member, uniqueId };
        this.#local = new LocalMember(member, this.#startTime);
      },
      memberAdded: (member) => this.#stack.memberChanged("memberAdded", member),
      memberDisappeared: (member) =>
        this.#stack.memberChanged("memberDisappeared", member),
      broadcastReceived: (datagram) => this.#broadcasts.receive(datagram),
      fault: (error) => this.#fault(error),
    };
  }

  /** Tells the application of a member, when all layers have. */
  #memberChanged(type: MemberChange, member: Member): void {
    if (type === "memberDisappeared") this.#sender?.memberDisappeared(member);
    for (const listener of this.#membershipListeners.items) {
      try {
        listener[type]?.(member);
      } catch (error) {
        this.#fault(asError(error));
      }
    }
  }

  #fault(error: Error): void {
    this.#options.onError?.(error);
  }

  #startHeartbeat(): void {
    const { clock } = this.#transport;
    this.#heartbeatTimer = clock.startTimer(this.#heartbeatSleeptime, () => {
      this.#beating = this.heartbeat().then(() => {
        if (this.#levels !== 0 && this.#stopping === undefined) {
          this.#startHeartbeat();
        }
      });
    });
  }

  #started(): LocalMember {
    if (this.#local === undefined) {
      throw new ChannelError(
        "unsupported",
        "Cannot tell the local member: the channel was not started",
      );
    }
    return this.#local;
  }
}

function membershipOf(
  transport: Transport,
  option: GroupChannelOptions["membership"],
): MembershipService | undefined {
  if (option === null) return undefined;
  if (option !== undefined && "members" in option) return option;
  return new McastMembership(transport, option);
}
