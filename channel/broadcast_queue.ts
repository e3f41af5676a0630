// Frames that come by multicast, beside the beacons of membership.
import {
  type ChannelData,
  ChannelDataDecoder,
} from "../protocol/tribes/channel_data.ts";
import { FrameParser } from "../protocol/tribes/frame_parser.ts";
import { equalMembers, type Member } from "../protocol/tribes/member.ts";
import { MAX_DATAGRAM_LENGTH } from "../transport/datagram_sender.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import type { ReceiveNext } from "./interceptor.ts";
import { readFault } from "./read_fault.ts";

// Broadcasts that wait for listeners: some of the greatest, or many small ones.
const MAX_WAITING_BYTES = 16 * MAX_DATAGRAM_LENGTH;

/** What broadcasts need of their channel. */
export interface BroadcastQueueInit {
  /** The local member, whose own broadcasts come back. */
  readonly localMember: () => Member;
  /** Whether a start level of the channel is on. */
  readonly isStarted: () => boolean;
  /** Hands a message to the bottom of the stack. */
  readonly messageReceived: ReceiveNext;
  /** Reports an error that no caller waits for. */
  readonly fault: (error: Error) => void;
}

/** Hands broadcasts up one after another; like a socket's, those beyond the queue are lost. */
export class BroadcastQueue {
  readonly #init: BroadcastQueueInit;
  readonly #decoder = new ChannelDataDecoder(); // its addresses may be kept
  #last: Promise<void> = Promise.resolve();
  #waitingBytes = 0;

  /** Makes an empty queue. */
  constructor(init: BroadcastQueueInit) {
    this.#init = init;
  }

  /** Takes a datagram; reports one that is no frames. */
  receive(datagram: Uint8Array): void {
    const { localMember, fault } = this.#init;
    try {
      const parser = new FrameParser();
      parser.feed(datagram);
      for (let body = parser.next(); body; body = parser.next()) {
        const message = this.#decoder.decode(body);
        if (equalMembers(message.address, localMember())) continue;
        this.#add(message, datagram.length);
      }
      parser.end();
    } catch (error) {
      fault(readFault(asError(error), "the multicast group"));
    }
    this.#decoder.release();
  }

  #add(message: ChannelData, size: number): void {
    const { isStarted, messageReceived, fault } = this.#init;
    if (this.#waitingBytes + size > MAX_WAITING_BYTES) {
      fault(
        new ChannelError(
          "queue-full",
          `Cannot keep a broadcast of ${size} bytes: ${this.#waitingBytes} wait for listeners`,
        ),
      );
      return;
    }
    this.#waitingBytes += size;
    // A listener's failure is nobody's: broadcasts are never acknowledged.
    this.#last = this.#last
      .then(() => {
        if (!isStarted()) return; // stopped meanwhile
        return messageReceived(message);
      })
      .catch((error) => fault(asError(error)))
      .then(() => {
        this.#waitingBytes -= size;
      });
  }
}
