// Where coordination messages of others arrive. They come from anybody: each is decoded from a copy,
// checked, and handled after the one before, in a queue with an end. A connection does not wait for
// that, since to handle one may be to test members.
import { copyBytes, equalBytes } from "../../protocol/bytes/bytes.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { DecodeError } from "../../protocol/errors.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import {
  COORDINATION_CONFIRMATION,
  COORDINATION_REQUEST,
} from "../../protocol/tribes/control_bodies.ts";
import {
  type CoordinationMessage,
  decodeCoordinationMessage,
} from "../../protocol/tribes/coordination_message.ts";
import { equalMembers, type Member } from "../../protocol/tribes/member.ts";
import { asError } from "../../transport/errors.ts";
import type { InterceptorContext } from "../interceptor.ts";
import { sameAddress } from "./coordinator_members.ts";
import { DroppedMessages } from "./dropped_messages.ts";

const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 16_777_216;

/** Messages that were checked and wait to be handled. */
export class CoordinationInbox {
  readonly #maxMembers: number;
  readonly #handle: (
    message: CoordinationMessage,
    context: InterceptorContext,
  ) => Promise<void>;
  #handling: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingBytes = 0;
  readonly #refused = new DroppedMessages("NonBlockingCoordinator");

  /**
   * Makes an empty inbox.
   *
   * @param maxMembers Greatest number of members of a view.
   * @param handle Handles a message; they come one at a time.
   */
  constructor(
    maxMembers: number,
    handle: (
      message: CoordinationMessage,
      context: InterceptorContext,
    ) => Promise<void>,
  ) {
    this.#maxMembers = maxMembers;
    this.#handle = handle;
  }

  /** Messages that were refused. */
  get refused(): number {
    return this.#refused.total;
  }

  /** Takes a message, or reports why not. */
  receive(received: ChannelData, context: InterceptorContext): void {
    const size = received.message.length;
    if (
      this.#waiting >= MAX_WAITING ||
      this.#waitingBytes + size > MAX_WAITING_BYTES
    ) return this.#refuse(received, "too many wait", context);
    let message: CoordinationMessage;
    try {
      message = decodeCoordinationMessage(copyBytes(received.message));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return this.#refuse(received, error.message, context);
    }
    const fault = this.#faultOf(message, received.address, context);
    if (fault !== undefined) return this.#refuse(received, fault, context);
    this.#waiting++;
    this.#waitingBytes += size;
    this.#handling = this.#handling
      .then(() => this.#handle(message, context))
      .catch((error) => context.fault(asError(error)))
      .then(() => {
        this.#waiting--;
        this.#waitingBytes -= size;
      });
  }

  /** What is wrong with a message that can be read. */
  #faultOf(
    message: CoordinationMessage,
    sender: Member,
    context: InterceptorContext,
  ): string | undefined {
    const { view, type, source, leader } = message;
    const confirms = equalBytes(type, COORDINATION_CONFIRMATION);
    if (!confirms && !equalBytes(type, COORDINATION_REQUEST)) {
      return `its type is ${encodeHex(type)}`;
    }
    if (view.length > this.#maxMembers) {
      return `its view has ${view.length} members > ${this.#maxMembers}`;
    }
    const has = (wanted: Member) =>
      view.some((member) => sameAddress(member, wanted));
    if (!has(sender)) return "its sender is not in its view";
    if (!has(context.localMember())) return "this node is not in its view";
    if (
      confirms &&
      !(equalMembers(source, leader) && sameAddress(source, sender))
    ) return "it confirms the view of another member than its sender";
    return undefined;
  }

  #refuse(
    message: ChannelData,
    state: string,
    context: InterceptorContext,
  ): void {
    this.#refused.add(context, "refused", message.address, () => ({ state }));
  }
}
