// The node behind `tribes node`: a channel, the commands it is given, the events it makes.
import {
  type ChannelData,
  decodeHost,
  equalBytes,
  formatMember,
  type Member,
  SEND_OPTIONS_BYTE_MESSAGE,
  STATIC_MEMBER_START_DATA,
  STATIC_MEMBER_STOP_DATA,
  TCP_FAILURE_DETECTOR_DATA,
  TCP_PING_DATA,
} from "../protocol/mod.ts";
import {
  asError,
  ChannelError,
  type Transport,
  TransportError,
} from "../transport/mod.ts";
import type { MembershipService } from "../membership/mod.ts";
import { GroupChannel, StackWarning } from "../channel/mod.ts";
import { CommandError, type NodeCommand } from "./node_commands.ts";
import type {
  NodeErrorCode,
  NodeEvent,
  NodeOutput,
  NodeTotals,
} from "./node_events.ts";
import type { NodeOptions } from "./node_options.ts";

/** How many messages of one command are under way at once, and how many of their bytes. */
const WINDOW_MESSAGES = 1024;
const WINDOW_BYTES = 8_388_608;

/** A cluster member that is run by commands and tells events. */
export class ReferenceNode {
  readonly #transport: Transport;
  readonly #options: NodeOptions;
  readonly #output: NodeOutput;
  readonly #channel: GroupChannel;
  readonly #totals: NodeTotals = {
    sent: 0,
    received: 0,
    bytesSent: 0,
    bytesReceived: 0,
    errors: 0,
  };
  #outstanding = 0;

  /**
   * Makes a node that is not started.
   *
   * @param transport Sockets and clock.
   * @param options What it is to do.
   * @param membership How members are found, besides those that are configured.
   * @param output Where its events go.
   */
  constructor(
    transport: Transport,
    options: NodeOptions,
    membership: MembershipService | undefined,
    output: NodeOutput,
  ) {
    this.#transport = transport;
    this.#options = options;
    this.#output = output;
    this.#channel = new GroupChannel(transport, {
      ...options.channel,
      membership: membership ?? null,
      interceptors: options.interceptors,
      onError: (error) => this.#failed(error),
    });
    this.#channel.addChannelListener({
      messageReceived: (message) => this.#received(message),
    });
    this.#channel.addMembershipListener({
      memberAdded: (member) => this.#show({ event: "memberAdded", member }),
      memberDisappeared: (member) =>
        this.#show({ event: "memberDisappeared", member }),
    });
  }

  /** The channel. */
  get channel(): GroupChannel {
    return this.#channel;
  }

  /** What was sent and received since the start. */
  get totals(): Readonly<NodeTotals> {
    return this.#totals;
  }

  /** Joins the group. */
  async start(): Promise<void> {
    await this.#channel.start(this.#options.startLevels);
    this.#show({
      event: "ready",
      member: this.#channel.localMember(),
      membership: this.#options.membership,
    });
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    await this.#channel.stop();
    this.#show({ event: "stopped" });
  }

  /**
   * Runs one command; what goes wrong with it is an event.
   *
   * @returns When it is done.
   */
  async run(command: Exclude<NodeCommand, { command: "stop" }>): Promise<void> {
    const { tag } = command;
    if (command.command === "members") {
      const members = this.#channel.members();
      this.#show({ event: "members", members, tag });
      return;
    }
    try {
      await this.#send(command);
    } catch (error) {
      this.#failed(asError(error), tag);
    }
  }

  /** Tells what an operator should know of the configuration. */
  warn(warning: Omit<Extract<NodeEvent, { event: "warning" }>, "event">): void {
    this.#show({ event: "warning", ...warning });
  }

  /** Tells that a line was no command. */
  refuse(error: CommandError): void {
    this.#failed(error, error.tag);
  }

  /** Tells the totals. */
  showStats(): void {
    this.#show({
      event: "stats",
      totals: { ...this.#totals },
      queued: this.#outstanding,
      interceptors: Object.fromEntries(
        this.#options.interceptors.map((interceptor) => [
          interceptor.name,
          interceptor.statistics?.() ?? {},
        ]),
      ),
    });
  }

  async #send(
    command: Extract<NodeCommand, { command: "send" }>,
  ): Promise<void> {
    const { body, count, tag } = command;
    const destination = this.#destination(command.to);
    const options = command.options ?? this.#options.sendOptions;
    const started = this.#transport.clock.now();
    const window = new SendWindow(count, body.length);
    let last: Promise<Uint8Array> | undefined;
    for (let i = 0; i < count && window.error === undefined; i++) {
      last = this.#channel.send(destination, body, { options });
      this.#outstanding++;
      window.add(last, () => this.#outstanding--);
      if (window.isFull) await window.room();
    }
    await window.empty();
    if (window.error !== undefined) throw window.error;
    const uniqueId = await last!; // count is at least 1
    this.#totals.sent += count;
    this.#totals.bytesSent += count * body.length;
    this.#show({
      event: "sent",
      uniqueId,
      options: options | SEND_OPTIONS_BYTE_MESSAGE,
      destinations: destination.length,
      body,
      count,
      milliseconds: this.#transport.clock.now() - started,
      tag,
    });
  }

  #destination(to: readonly string[] | undefined): readonly Member[] {
    const members = this.#channel.members();
    if (to === undefined) return members;
    return to.map((address) => {
      const found = members.find((member) =>
        formatMember(member) === address ||
        `${decodeHost(member.host)}:${member.port}` === address
      );
      if (found !== undefined) return found;
      throw new ChannelError(
        "unknown-member",
        `Cannot send to ${JSON.stringify(address)}: no such member; there are ${
          members.map(formatMember).join(", ") || "none"
        }`,
      );
    });
  }

  #received(message: ChannelData): void | Promise<void> {
    this.#totals.received++;
    this.#totals.bytesReceived += message.message.length;
    if (!this.#options.showMessages && isInternal(message)) return;
    return this.#output.show(
      { event: "message", message },
      this.#transport.clock.wallTime(),
    );
  }

  #failed(error: Error, tag?: unknown): void {
    if (error instanceof StackWarning) {
      this.#show({ event: "warning", code: "stack", message: error.message });
      return;
    }
    this.#totals.errors++;
    this.#show({
      event: "error",
      code: codeOf(error),
      message: adviceOf(error),
      faultyMembers: error instanceof ChannelError
        ? error.faultyMembers.map((faulty) => faulty.member)
        : [],
      tag,
    });
  }

  #show(event: NodeEvent): void {
    // Who waits for the reader is the message listener; these events are few.
    void this.#output.show(event, this.#transport.clock.wallTime());
  }
}

/** Counts what is under way of one command, and keeps its first error. */
class SendWindow {
  readonly #limit: number;
  #pending = 0;
  #change: PromiseWithResolvers<void> | undefined;
  error: Error | undefined;

  constructor(count: number, bodyLength: number) {
    const byBytes = Math.floor(WINDOW_BYTES / Math.max(1, bodyLength));
    this.#limit = Math.max(1, Math.min(count, WINDOW_MESSAGES, byBytes));
  }

  get isFull(): boolean {
    return this.#pending >= this.#limit;
  }

  add(sent: Promise<unknown>, settled: () => void): void {
    this.#pending++;
    sent.then(
      () => this.#settle(settled),
      (error) => {
        this.error ??= asError(error);
        this.#settle(settled);
      },
    );
  }

  /** Resolves when there is room for many more: one by one they would leave one by one. */
  async room(): Promise<void> {
    while (this.#pending > this.#limit / 2 && this.#pending > 0) {
      await this.#changed();
    }
  }

  async empty(): Promise<void> {
    while (this.#pending > 0) await this.#changed();
  }

  #changed(): Promise<void> {
    this.#change ??= Promise.withResolvers<void>();
    return this.#change.promise;
  }

  #settle(settled: () => void): void {
    this.#pending--;
    settled();
    this.#change?.resolve();
    this.#change = undefined;
  }
}

/** What layers of other stacks say to each other, and reaches us where ours lacks the layer. */
const CONTROL_BODIES = [
  STATIC_MEMBER_START_DATA,
  STATIC_MEMBER_STOP_DATA,
  TCP_FAILURE_DETECTOR_DATA,
  TCP_PING_DATA,
];

const REPLICATION_CLASSES = [
  "org.apache.catalina.ha.session.",
  "org.apache.catalina.tribes.tipis.",
  "org.apache.catalina.tribes.group.RpcMessage",
];

/** Tells whether a message is meant for Tomcat's own parts and not for an application. */
function isInternal({ options, message }: ChannelData): boolean {
  if (CONTROL_BODIES.some((body) => equalBytes(body, message))) return true;
  if ((options & SEND_OPTIONS_BYTE_MESSAGE) !== 0 || message.length < 8) {
    return false;
  }
  // A Java object: stream header, object, class description, length of the class's name, name.
  const length = message[6]! << 8 | message[7]!; // length checked above
  const name = new TextDecoder().decode(message.subarray(8, 8 + length));
  return REPLICATION_CLASSES.some((prefix) => name.startsWith(prefix));
}

function codeOf(error: Error): NodeErrorCode {
  if (error instanceof ChannelError) return error.code;
  if (error instanceof CommandError) return "bad-command";
  if (error instanceof RangeError) return "bad-command"; // a message without wire form
  return error instanceof TransportError ? "connection-closed" : "bad-message";
}

/** The error's text, with what an operator can do about it. */
function adviceOf(error: Error): string {
  if (!(error instanceof ChannelError) || error.code !== "multicast") {
    return error.message;
  }
  return `${error.message}; use --mcast-bind to name another interface, or --no-mcast with --member for each other node`;
}
