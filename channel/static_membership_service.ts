// Membership of configured addresses that ask each other whether they are there, compatible with
// Tomcat's StaticMembershipService.
//
// It talks by RPC over its own channel. Tomcat's releases refuse each other's member objects for their
// serialVersionUID; each peer is answered, and asked, with the one that it has shown itself.
import { equalBytes } from "../protocol/bytes/bytes.ts";
import { DecodeError } from "../protocol/errors.ts";
import { javaField } from "../protocol/java/fields.ts";
import type { JavaNode, JavaObject } from "../protocol/java/tree.ts";
import { compareAbsoluteOrder } from "../protocol/tribes/absolute_order.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import { decodeHost } from "../protocol/tribes/host.ts";
import {
  byteLengthMember,
  createMember,
  equalMembers,
  formatMember,
  MAX_MEMBER_LENGTH,
  type Member,
  memberKey,
  parseByteString,
  SHUTDOWN_PAYLOAD,
} from "../protocol/tribes/member.ts";
import {
  encodeMemberMessage,
  isJavaMemberMessage,
  javaMemberMessage,
  mayBeMemberMessage,
  MSG_PING,
  MSG_START,
  MSG_STOP,
  readJavaMemberMessage,
} from "../protocol/tribes/member_message.ts";
import {
  isJavaMember,
  type MemberObjectOptions,
  memberUidOf,
} from "../protocol/tribes/member_object.ts";
import { SEND_OPTIONS_ASYNCHRONOUS } from "../protocol/tribes/send_options.ts";
import type {
  MembershipContext,
  MembershipLevels,
  MembershipService,
  MessageListener,
} from "../membership/types.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import type { Clock, Timer, Transport } from "../transport/types.ts";
import { decodeObjectMessage, isObjectMessage } from "./object_message.ts";
import {
  type ResolvedStaticMembershipServiceOptions,
  resolveStaticMembershipServiceOptions,
  type StaticMembershipServiceOptions,
} from "./static_membership_service_options.ts";
import { ALL_REPLY, RpcChannel, type RpcResponse } from "./rpc_channel.ts";

/** Milliseconds that a stop waits for answers. */
const LAST_QUESTION = 200;

/** Finds which of the configured members are there by asking them. */
export class StaticMembershipService implements MembershipService {
  /** How members are found. */
  readonly name = "static";
  readonly #transport: Transport;
  readonly #options: ResolvedStaticMembershipServiceOptions;
  readonly #members: readonly Member[];
  readonly #localMember: Member | undefined;
  readonly #membershipId: Uint8Array;
  /** The serialVersionUIDs that peers have shown, by address; they outlive a stop. */
  readonly #uids = new Map<string, bigint>();
  #run: Run | undefined;

  /**
   * Makes a service that is not started.
   *
   * @param transport Where the connections come from that find out who can be asked.
   * @throws {RangeError} For an option that is out of its range.
   * @throws {EncodeError} For a member that has no wire form, or a name that ISO-8859-1 has not.
   */
  constructor(
    transport: Transport,
    options: StaticMembershipServiceOptions,
  ) {
    this.#transport = transport;
    this.#options = resolveStaticMembershipServiceOptions(options);
    this.#members = options.members.map(createMember);
    this.#localMember = options.localMember &&
      createMember(options.localMember);
    this.#membershipId = parseByteString(
      `${options.channelName}-StaticMembership`,
      "channelName",
    );
  }

  /**
   * Announces this node to the configured members that can be reached, and waits for their answers.
   *
   * @throws {ChannelError} `unsupported` when this node is not among the configured members.
   */
  async start(
    context: MembershipContext,
    levels: MembershipLevels,
  ): Promise<void> {
    const { member: own } = context.local;
    const local = this.#localMember ??
      this.#members.find((member) => sameAddress(member, own));
    if (local === undefined) {
      throw new ChannelError(
        "unsupported",
        `Cannot start static membership: ${
          formatMember(own)
        } is not among the configured members`,
      );
    }
    context.changeUniqueId(local.uniqueId);
    this.#run = new Run({
      context,
      transport: this.#transport,
      options: this.#options,
      members: this.#members.filter((member) => !sameAddress(member, own)),
      membershipId: this.#membershipId,
      uids: this.#uids,
      levels,
    });
    await this.#run.ask(MSG_START);
  }

  /** Tells the members that this node leaves. */
  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.stop();
  }

  /** The members that answered lately, the one that is alive for longest first. */
  members(): readonly Member[] {
    return this.#run?.members() ?? [];
  }

  /** Asks the members at once, which tells them what this node says of itself. */
  async announce(): Promise<void> {
    await this.#run?.ask(MSG_PING);
  }

  /** Refuses: there is no group address. Tomcat drops such a message without a word. */
  broadcast(_frame: Uint8Array): Promise<void> {
    return Promise.reject(
      new ChannelError(
        "unsupported",
        "Cannot broadcast: static membership has no group address",
      ),
    );
  }

  /** Asks the members, unless `useThread` does. */
  heartbeat(): void {
    if (!this.#options.useThread) void this.#run?.ask(MSG_PING);
  }
}

/** What a run is made of. */
interface RunParts {
  readonly context: MembershipContext;
  readonly transport: Transport;
  readonly options: ResolvedStaticMembershipServiceOptions;
  readonly members: readonly Member[];
  readonly membershipId: Uint8Array;
  readonly uids: Map<string, bigint>;
  readonly levels: MembershipLevels;
}

/** One run of the service, from start to stop. */
class Run {
  readonly #parts: RunParts;
  readonly #clock: Clock;
  readonly #rpc: RpcChannel;
  readonly #listener: MessageListener;
  readonly #known = new Map<string, { member: Member; heard: number }>();
  readonly #stopping = new AbortController();
  #view: readonly Member[] | undefined;
  #asking: Promise<void> | undefined;
  #timer: Timer | undefined;
  #full = false;

  constructor(parts: RunParts) {
    const { context, options, membershipId } = parts;
    const { channel } = context;
    this.#parts = parts;
    this.#clock = channel.clock;
    this.#rpc = new RpcChannel(channel, membershipId, {
      callback: {
        replyRequest: (message, sender) => this.#answer(message, sender),
        leftOver: (message, sender) => this.#replied(message, sender),
      },
    });
    this.#listener = {
      accept: (message) =>
        isObjectMessage(message) && mayBeMemberMessage(message.message),
      messageReceived: (message) => this.#lastWord(message),
    };
    channel.addChannelListener(this.#listener);
    if (options.useThread) this.#askLater();
  }

  members(): readonly Member[] {
    const { generation } = this.#parts.options;
    this.#view ??= [...this.#known.values()]
      .map(({ member }) => member)
      .sort((a, b) =>
        b.aliveTime - a.aliveTime || compareAbsoluteOrder(a, b, { generation })
      );
    return this.#view;
  }

  async stop(): Promise<void> {
    const { context: { channel, local }, levels } = this.#parts;
    this.#timer?.cancel();
    this.#stopping.abort();
    // A question that is on its way could overtake the last word, and bring this node back.
    const enough = this.#clock.startTimer(
      LAST_QUESTION,
      () => this.#rpc.stop(),
    );
    await this.#asking;
    enough.cancel();
    this.#rpc.stop();
    channel.removeChannelListener(this.#listener);
    if (!levels.send) return;
    const member = local.shutdown(this.#clock.now());
    await this.#eachUid(this.members(), async (to, options) => {
      const last = encodeMemberMessage({
        msgtype: MSG_STOP,
        member,
        membershipId: this.#parts.membershipId,
      }, options);
      await channel.sendObject(to, last, {
        options: SEND_OPTIONS_ASYNCHRONOUS,
      });
    });
  }

  /** Asks the members, or waits for those who are being asked. Never rejects. */
  ask(msgtype: number): Promise<void> {
    if (!this.#parts.levels.send || this.#stopping.signal.aborted) {
      return Promise.resolve();
    }
    this.#asking ??= this.#ask(msgtype).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  #askLater(): void {
    const { pingInterval } = this.#parts.options;
    this.#timer = this.#clock.startTimer(pingInterval, () => {
      void this.ask(MSG_PING).then(() => {
        if (!this.#stopping.signal.aborted) this.#askLater();
      });
    });
  }

  async #ask(msgtype: number): Promise<void> {
    const reachable = await this.#reachable();
    if (this.#stopping.signal.aborted) return;
    const failed = await this.#eachUid(reachable, async (to, options) => {
      const replies = await this.#question(msgtype, to, options);
      for (const { message, source } of replies) this.#replied(message, source);
    });
    // As in Tomcat, a failed send is enough news for once.
    if (!failed && !this.#stopping.signal.aborted) this.#expire();
  }

  #question(
    msgtype: number,
    to: readonly Member[],
    options: MemberObjectOptions,
  ): Promise<readonly RpcResponse[]> {
    const { membershipId, options: { rpcTimeout } } = this.#parts;
    const message = { msgtype, member: this.#local(), membershipId };
    return this.#rpc.send(to, javaMemberMessage(message, options), {
      reply: ALL_REPLY,
      options: SEND_OPTIONS_ASYNCHRONOUS,
      timeout: rpcTimeout,
    });
  }

  /**
   * Does something for members of each release apart, at once.
   *
   * @returns Whether it failed for some; those have then disappeared.
   */
  async #eachUid(
    members: readonly Member[],
    task: (
      to: readonly Member[],
      options: MemberObjectOptions,
    ) => Promise<void>,
  ): Promise<boolean> {
    const groups = Map.groupBy(
      members,
      (member) => this.#parts.uids.get(addressKey(member)),
    );
    const outcomes = await Promise.all(
      Array.from(groups, async ([uid, to]) => {
        try {
          await task(to, this.#objectOptions(uid));
          return true;
        } catch (error) {
          this.#failed(asError(error));
          return false;
        }
      }),
    );
    return outcomes.includes(false);
  }

  #failed(error: Error): void {
    this.#parts.context.fault(error);
    if (!(error instanceof ChannelError)) return;
    for (const { member } of error.faultyMembers) this.#remove(member);
  }

  #objectOptions(uid: bigint | undefined): MemberObjectOptions {
    const { generation } = this.#parts.options;
    return uid === undefined
      ? { memberClass: "StaticMember", generation }
      : { memberClass: "StaticMember", serialVersionUid: uid };
  }

  /** The configured members that a connection can be opened to. */
  async #reachable(): Promise<readonly Member[]> {
    const { members } = this.#parts;
    const tests = await Promise.all(
      members.map((member) => this.#canConnect(member)),
    );
    return members.filter((_, i) => tests[i]);
  }

  async #canConnect({ host, port }: Member): Promise<boolean> {
    const { transport, options: { connectTimeout } } = this.#parts;
    const late = new AbortController();
    const timer = this.#clock.startTimer(connectTimeout, () => late.abort());
    try {
      const signal = AbortSignal.any([late.signal, this.#stopping.signal]);
      const hostname = decodeHost(host);
      const connection = await transport.connect({ hostname, port }, {
        signal,
      });
      await connection.close();
      return true;
    } catch {
      return false; // whoever is there says so itself
    } finally {
      timer.cancel();
    }
  }

  /** Answers a request with this node's own member. */
  #answer(node: JavaNode, sender: Member): JavaNode {
    const { msgtype } = this.#taken(node, sender);
    if (msgtype !== MSG_START && msgtype !== MSG_PING) return null;
    return javaMemberMessage({
      msgtype,
      member: this.#local(),
      membershipId: this.#parts.membershipId,
    }, this.#objectOptions(this.#parts.uids.get(addressKey(sender))));
  }

  /** Takes a plain message: nobody answers the last word of a member. */
  #lastWord(message: ChannelData): void {
    try {
      const node = decodeObjectMessage({
        ...message,
        message: message.message.slice(),
      });
      this.#taken(node, message.address);
    } catch (error) {
      this.#report(asError(error), message.address);
    }
  }

  /** Takes a reply; a wrong one says nothing of the others. */
  #replied(node: JavaNode, source: Member): void {
    try {
      this.#taken(node, source);
    } catch (error) {
      this.#report(asError(error), source);
    }
  }

  /** Takes what a member says of itself, in a request, a reply or a plain message. */
  #taken(node: JavaNode, sender: Member): { readonly msgtype: number } {
    if (node === null) return { msgtype: 0 };
    const message = readJavaMemberMessage(node);
    const { msgtype, member, membershipId } = message;
    if (!equalBytes(membershipId, this.#parts.membershipId)) {
      return { msgtype: 0 };
    }
    const length = byteLengthMember(member);
    if (length > MAX_MEMBER_LENGTH) { // others are kept
      throw new DecodeError(
        "too-large",
        "member",
        0,
        `${length} bytes > ${MAX_MEMBER_LENGTH}`,
      );
    }
    this.#learnUid(node, sender);
    if (msgtype === MSG_STOP) {
      this.#remove({ ...member, command: SHUTDOWN_PAYLOAD });
    } else if (msgtype === MSG_START || msgtype === MSG_PING) {
      this.#alive(member);
    }
    return { msgtype };
  }

  #learnUid(node: JavaNode, sender: Member): void {
    if (!isJavaMemberMessage(node)) return;
    const object = javaField(node, "member") as JavaObject; // it was read
    const uid = isJavaMember(object) ? memberUidOf(object) : undefined;
    const { maxMembers } = this.#parts.options;
    const { uids } = this.#parts;
    const key = addressKey(sender);
    if (uid === undefined) return;
    if (uids.has(key) || uids.size < 2 * maxMembers) uids.set(key, uid);
  }

  #alive(member: Member): void {
    if (equalMembers(member, this.#parts.context.local.member)) return;
    const key = memberKey(member);
    const entry = this.#known.get(key);
    const kept = createMember({ ...member, command: new Uint8Array() });
    const heard = this.#clock.now();
    if (entry === undefined && this.#isFull(member)) return;
    this.#known.set(key, { member: kept, heard });
    this.#view = undefined;
    if (entry === undefined) this.#parts.context.memberAdded(kept);
  }

  #isFull(member: Member): boolean {
    const { context, options: { maxMembers } } = this.#parts;
    const wasFull = this.#full;
    this.#full = this.#known.size >= maxMembers;
    if (this.#full && !wasFull) {
      const state = `there are ${maxMembers} members`;
      context.fault(
        new ChannelError(
          "unsupported",
          `Cannot add ${formatMember(member)}: ${state}`,
        ),
      );
    }
    return this.#full;
  }

  #expire(): void {
    const { expirationTime } = this.#parts.options;
    const now = this.#clock.now();
    for (const { member, heard } of [...this.#known.values()]) {
      if (now - heard > expirationTime) this.#remove(member);
    }
  }

  #remove(member: Member): void {
    if (!this.#known.delete(memberKey(member))) return;
    this.#view = undefined;
    this.#parts.context.memberDisappeared(createMember(member));
  }

  #report(error: Error, from: Member): void {
    const { context } = this.#parts;
    if (!(error instanceof DecodeError)) return context.fault(error);
    const text = `Cannot read what ${
      formatMember(from)
    } sent: ${error.message}`;
    context.fault(new ChannelError("bad-message", text, { cause: error }));
  }

  #local(): Member {
    return this.#parts.context.local.refresh(this.#clock.now());
  }
}

function addressKey({ host, port }: Member): string {
  return `${host.join(".")}:${port}`;
}

function sameAddress(a: Member, b: Member): boolean {
  return a.port === b.port && equalBytes(a.host, b.host);
}
