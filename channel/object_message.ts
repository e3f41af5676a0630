// Messages whose body is a Java object: read when somebody asks, and once for all who do.
import { decodeJavaObject } from "../protocol/java/stream_reader.ts";
import { encodeJavaObject } from "../protocol/java/stream_writer.ts";
import {
  javaFromPlain,
  type PlainJavaValue,
} from "../protocol/java/values/plain.ts";
import type { JavaNode } from "../protocol/java/tree.ts";
import { DecodeError } from "../protocol/errors.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import {
  mayBeRpcMessage,
  readJavaRpcMessage,
  type RpcMessage,
} from "../protocol/tribes/rpc_message.ts";
import { SEND_OPTIONS_BYTE_MESSAGE } from "../protocol/tribes/send_options.ts";

/**
 * What can be sent as a Java object: a node of a stream, a plain value, which becomes what
 * `javaFromPlain` makes of it (a String, an Integer, an ArrayList, ...), or the bytes of a whole stream.
 * A `byte[]` is sent by its node, `javaByteArray`.
 */
export type ObjectMessage = PlainJavaValue;

const decoded = new WeakMap<ChannelData, JavaNode>();

/**
 * Tells whether a message's body is a Java object; raw bytes otherwise.
 */
export function isObjectMessage(message: ChannelData): boolean {
  return (message.options & SEND_OPTIONS_BYTE_MESSAGE) === 0;
}

/**
 * Decodes the object that a message holds; what was decoded is kept with the message.
 *
 * Borrowed: the object's bytes are those of the message.
 *
 * @throws {DecodeError} `malformed` for a message of raw bytes, and what a stream's reader throws.
 * @example A listener for Java's strings
 * ```ts
 * import { type ChannelListener, decodeObjectMessage, isObjectMessage } from "@tribes/toolkit/channel";
 *
 * const texts: string[] = [];
 * const listener: ChannelListener = {
 *   accept: isObjectMessage,
 *   messageReceived(message) {
 *     const object = decodeObjectMessage(message);
 *     if (object?.kind === "string") texts.push(object.value);
 *   },
 * };
 * ```
 */
export function decodeObjectMessage(message: ChannelData): JavaNode {
  let object = decoded.get(message);
  if (object === undefined) {
    if (!isObjectMessage(message)) {
      throw new DecodeError(
        "malformed",
        "message",
        0,
        "it is raw bytes and no object",
      );
    }
    object = decodeJavaObject(message.message);
    decoded.set(message, object);
  }
  return object;
}

/**
 * Encodes an object as the body of a message.
 *
 * @returns A stream of one object; bytes are given back as they are.
 * @throws {EncodeError} When it has no wire form.
 */
export function encodeObjectMessage(object: ObjectMessage): Uint8Array {
  return object instanceof Uint8Array
    ? object
    : encodeJavaObject(objectNode(object));
}

/**
 * The node of what can be sent.
 *
 * @throws {DecodeError} When bytes are no stream of one object.
 */
export function objectNode(object: ObjectMessage): JavaNode {
  return object instanceof Uint8Array
    ? decodeJavaObject(object)
    : javaFromPlain(object);
}

/**
 * The RPC message that a message holds.
 *
 * @returns `undefined` for any other message.
 * @throws {DecodeError} When it is one, and wrong.
 */
export function rpcMessageOf(message: ChannelData): RpcMessage | undefined {
  if (!isObjectMessage(message) || !mayBeRpcMessage(message.message)) {
    return undefined;
  }
  return readJavaRpcMessage(decodeObjectMessage(message), message.message);
}
