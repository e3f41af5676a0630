// The top of a channel: its listeners for messages, and the answer to RPC messages that none of them
// takes.
import {
  encodeRpcMessage,
  type RpcMessage,
} from "../protocol/tribes/rpc_message.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import {
  createMember,
  formatMember,
  type Member,
} from "../protocol/tribes/member.ts";
import { asError } from "../transport/errors.ts";
import type { ChannelListener } from "./group_channel_options.ts";
import { ListenerList } from "./listener_list.ts";
import { isObjectMessage, rpcMessageOf } from "./object_message.ts";
import { readFault } from "./read_fault.ts";

/** What delivering needs of its channel. */
export interface MessageDeliveryInit {
  /** Sends the stream of a Java object to a member, and waits for nothing. */
  readonly answer: (to: Member, object: Uint8Array) => Promise<unknown>;
  /** Reports an error that no caller waits for. */
  readonly fault: (error: Error) => void;
}

/** Hands messages to the listeners of a channel. */
export class MessageDelivery {
  /** Who is told. */
  readonly listeners: ListenerList<ChannelListener> = new ListenerList();
  readonly #init: MessageDeliveryInit;

  /** Makes a delivery without listeners. */
  constructor(init: MessageDeliveryInit) {
    this.#init = init;
  }

  /** Hands a message to those that accept it; a promise only where one of them returned one. */
  deliver(message: ChannelData): void | Promise<void> {
    const listeners = this.listeners.items;
    if (isObjectMessage(message)) this.#answerUnlessTaken(message, listeners);
    for (let i = 0; i < listeners.length; i++) {
      const pending = offer(listeners[i]!, message); // i < length
      if (pending !== undefined) {
        return deliverRest(pending, listeners.slice(i + 1), message);
      }
    }
  }

  /** Answers an RPC message that no RPC channel takes: its sender need not wait. */
  #answerUnlessTaken(
    message: ChannelData,
    listeners: readonly ChannelListener[],
  ): void {
    const { answer, fault } = this.#init;
    let rpc: RpcMessage | undefined;
    try {
      rpc = rpcMessageOf(message);
    } catch (error) {
      return fault(readFault(asError(error), formatMember(message.address)));
    }
    if (rpc === undefined || rpc.type === "no-rpc-channel-reply") return;
    for (const listener of listeners) {
      if (listener.answersRpc === true && listener.accept?.(message) === true) {
        return;
      }
    }
    const { uuid, rpcId } = rpc;
    const reply = encodeRpcMessage({
      type: "no-rpc-channel-reply",
      uuid,
      rpcId,
    });
    // Only where it is: the rest has no bound but the frame's, and the answer may wait in a queue.
    const { host, port, uniqueId } = message.address;
    answer(createMember({ host, port, uniqueId }), reply)
      .catch((error) => fault(asError(error)));
  }
}

function offer(
  listener: ChannelListener,
  message: ChannelData,
): void | Promise<void> {
  if (listener.accept === undefined || listener.accept(message)) {
    return listener.messageReceived(message);
  }
}

async function deliverRest(
  pending: Promise<void>,
  rest: readonly ChannelListener[],
  message: ChannelData,
): Promise<void> {
  await pending;
  for (const listener of rest) await offer(listener, message);
}
