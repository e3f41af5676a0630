// One interceptor, or a stack of some, between two ends that a test looks at; time stands still until
// it is moved.
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { InterceptorStack } from "../../channel/interceptor_stack.ts";
import { copyBytes } from "../../protocol/bytes/bytes.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import type { Clock, Transport } from "../../transport/types.ts";
import { memberAt, messageOf } from "./tribes_peers.ts";

/** A message that a layer sent, and to whom. */
export interface Sent {
  readonly to: readonly Member[];
  readonly message: ChannelData;
}

/** Where the clocks of layers begin, in milliseconds since 1970: the time of {@linkcode messageOf}. */
export const LAYER_TIME = 1_700_000_000_000;

/** Layers that are started, and all that goes in and out. */
export class Layers {
  /** What reached the network; copies. */
  readonly sent: Sent[] = [];
  /** What reached the application; copies. */
  readonly delivered: ChannelData[] = [];
  /** What was told to the error handler. */
  readonly faults: Error[] = [];
  /** Members that the application was told of, and what was delivered before. */
  readonly changes: string[] = [];
  /** Milliseconds since the start. */
  now = 0;
  /** Milliseconds by which the wall clock is wrong. */
  clockError = 0;
  /** What the network does with a message. */
  transmit: (to: readonly Member[], message: ChannelData) => Promise<void> =
    () => Promise.resolve();
  /** What the application does with a message. */
  deliver: (message: ChannelData) => void | Promise<void> = () => {};
  readonly #stack: InterceptorStack;

  private constructor(interceptors: readonly ChannelInterceptor[]) {
    const clock: Clock = {
      now: () => this.now,
      wallTime: () => LAYER_TIME + this.now + this.clockError,
      startTimer: () => ({ cancel: () => {} }),
    };
    const local = memberAt({ hostname: "10.9.9.9", port: 4000 });
    this.#stack = new InterceptorStack(interceptors, {
      transport: { clock } as Transport, // layers here use nothing else of it
      transmit: (to, message) => {
        this.sent.push({ to, message: copyOf(message) });
        return this.transmit(to, message);
      },
      deliver: (message) => {
        this.delivered.push(copyOf(message));
        return this.deliver(message);
      },
      memberChanged: (type, member) =>
        void this.changes.push(
          `${type} ${member.port} after ${this.delivered.length}`,
        ),
      members: () => [],
      localMember: () => local,
      makeMessage: (message, options) => messageOf(message, options),
      fault: (error) => void this.faults.push(error),
    });
  }

  /** Starts layers, top first. */
  static async start(
    ...interceptors: readonly ChannelInterceptor[]
  ): Promise<Layers> {
    const layers = new Layers(interceptors);
    await layers.#stack.start();
    return layers;
  }

  /** Texts of what reached the application. */
  get texts(): string[] {
    return this.delivered.map(({ message }) =>
      new TextDecoder().decode(message)
    );
  }

  /** Sends a message from the top. */
  async send(
    message: ChannelData,
    to: readonly Member[] = [memberAt({ hostname: "10.0.0.2", port: 4000 })],
  ): Promise<ChannelData[]> {
    const before = this.sent.length;
    await this.#stack.sendMessage(to, message);
    return this.sent.slice(before).map(({ message }) => message);
  }

  /**
   * Hands a message up from the bottom, in a buffer that is overwritten once it was processed, as the
   * receiver's is.
   */
  receive(message: ChannelData): void | Promise<void> {
    const borrowed = copyOf(message);
    const overwrite = () => {
      borrowed.message.fill(0xee);
      borrowed.uniqueId.fill(0xee);
    };
    let pending: void | Promise<void>;
    try {
      pending = this.#stack.messageReceived(borrowed);
    } catch (error) {
      overwrite();
      throw error;
    }
    if (pending !== undefined) return pending.finally(overwrite);
    overwrite();
  }

  /** Tells the layers that a member went. */
  memberDisappeared(member: Member): void {
    this.#stack.memberChanged("memberDisappeared", member);
  }

  /** Lets the layers do what is due. */
  heartbeat(): Promise<void> {
    return this.#stack.heartbeat();
  }

  /** Stops and starts the layers; the network may hand something in between. */
  async restart(between?: () => void | Promise<void>): Promise<void> {
    await this.#stack.stop();
    await between?.();
    await this.#stack.start();
  }

  /** Stops the layers. */
  stop(): Promise<void> {
    return this.#stack.stop();
  }
}

function copyOf(message: ChannelData): ChannelData {
  return {
    ...message,
    message: copyBytes(message.message),
    uniqueId: copyBytes(message.uniqueId),
  };
}
