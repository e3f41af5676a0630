// The bottom of a channel: which way a message leaves is told by its send options.
import {
  type ChannelData,
  encodeChannelData,
} from "../protocol/tribes/channel_data.ts";
import { encodeFrame } from "../protocol/tribes/frame.ts";
import type { Member } from "../protocol/tribes/member.ts";
import {
  SEND_OPTIONS_MULTICAST,
  SEND_OPTIONS_UDP,
} from "../protocol/tribes/send_options.ts";
import type { MembershipService } from "../membership/types.ts";
import { DatagramSender } from "../transport/datagram_sender.ts";
import { ChannelError } from "../transport/errors.ts";
import {
  resolveSenderOptions,
  Sender,
  type SenderOptions,
} from "../transport/sender.ts";
import type { Transport } from "../transport/types.ts";

/** Sends the messages of a channel: by TCP, UDP, or to the multicast group. */
export class ChannelSender {
  readonly #connections: Sender;
  readonly #datagrams: DatagramSender;
  readonly #membership: MembershipService | undefined;

  /**
   * Makes a sender; nothing is opened before the first message.
   *
   * @param transport Sockets and clock.
   * @param options Timeout, retries, limits.
   * @param membership Has the sockets of the multicast group, if anybody has.
   */
  constructor(
    transport: Transport,
    options: SenderOptions | undefined,
    membership: MembershipService | undefined,
  ) {
    this.#connections = new Sender(transport, options);
    this.#datagrams = new DatagramSender(
      transport,
      resolveSenderOptions(options),
    );
    this.#membership = membership;
  }

  /** Bytes that wait to be sent or acknowledged. */
  get queuedBytes(): number {
    return this.#connections.queuedBytes;
  }

  /** Sends a message. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
  ): Promise<void> {
    const { options } = message;
    if ((options & (SEND_OPTIONS_UDP | SEND_OPTIONS_MULTICAST)) === 0) {
      return this.#connections.sendMessage(destination, message);
    }
    return (options & SEND_OPTIONS_MULTICAST) !== 0
      ? this.#broadcast(message)
      : this.#datagrams.sendMessage(destination, message);
  }

  /** Closes connections that are idle for too long. */
  heartbeat(): void {
    this.#connections.heartbeat();
  }

  /** Closes the connection to a member that is gone. */
  memberDisappeared(member: Member): void {
    this.#connections.memberDisappeared(member);
  }

  /** Sends what is queued, and closes everything. */
  async close(): Promise<void> {
    try {
      await this.#connections.close();
    } finally {
      await this.#datagrams.close();
    }
  }

  async #broadcast(message: ChannelData): Promise<void> {
    if (this.#membership === undefined) {
      throw new ChannelError(
        "unsupported",
        "Cannot broadcast: the channel has no multicast membership",
      );
    }
    await this.#membership.broadcast(encodeFrame(encodeChannelData(message)));
  }
}
