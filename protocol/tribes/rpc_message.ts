// Requests and replies of remote procedure calls, as Java objects.
import { JavaObjectInput, JavaObjectOutput } from "../java/block_data.ts";
import { javaCustomData, javaExternalizable } from "../java/fields.ts";
import { javaClassDesc } from "../java/standard_classes.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { DecodeError } from "../errors.ts";

/** A request or a reply. */
export interface RpcCallMessage {
  /** Tells it from the answer of a node that has no such channel. */
  readonly type: "call";
  /** Whether it is a reply. */
  readonly reply: boolean;
  /** Which call it belongs to, 16 bytes. */
  readonly uuid: Uint8Array;
  /** Which RPC channel it is for. */
  readonly rpcId: Uint8Array;
  /** What is asked or answered. */
  readonly message: JavaNode;
}

/** The answer of a node on which no RPC channel took the message. */
export interface NoRpcChannelReply {
  /** Tells it from a call. */
  readonly type: "no-rpc-channel-reply";
  /** Which call it belongs to. */
  readonly uuid: Uint8Array;
  /** Which RPC channel was asked. */
  readonly rpcId: Uint8Array;
}

/** What RPC channels exchange. */
export type RpcMessage = RpcCallMessage | NoRpcChannelReply;

const NAME = "org.apache.catalina.tribes.group.RpcMessage";
const NO_CHANNEL_NAME = `${NAME}$NoRpcChannelReply`;
const EXTERNALIZABLE = 0x0c; // in blocks
const CALL = javaClassDesc({
  name: NAME,
  serialVersionUID: 8154458786660410633n,
  flags: EXTERNALIZABLE,
});
const NO_CHANNEL = javaClassDesc({
  name: NO_CHANNEL_NAME,
  serialVersionUID: 8911374288427899814n,
  flags: EXTERNALIZABLE,
  superDesc: CALL,
});
/** Behind the stream's header and an object's and a descriptor's code come two bytes of length. */
const NAME_AT = 8;
const NAME_BYTES = new TextEncoder().encode(NAME);

/** Makes the object of a message. */
export function javaRpcMessage(rpc: RpcMessage): JavaObject {
  const output = new JavaObjectOutput();
  if (rpc.type === "call") output.writeBoolean(rpc.reply);
  output.writeLengthAndBytes(rpc.uuid);
  output.writeLengthAndBytes(rpc.rpcId);
  if (rpc.type === "call") output.writeObject(rpc.message);
  return javaExternalizable(
    rpc.type === "call" ? CALL : NO_CHANNEL,
    output.contents(),
  );
}

/**
 * Reads a message from its object.
 *
 * Borrowed: identifiers are views of the stream, where one block holds them.
 * Source: `org.apache.catalina.tribes.group.RpcMessage`.
 *
 * @param node The object.
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class; `truncated`, `out-of-range`,
 * `trailing-bytes`.
 */
export function readJavaRpcMessage(
  node: JavaNode,
  source?: Uint8Array,
): RpcMessage {
  const name = className(node);
  if (
    node?.kind !== "object" || (name !== NAME && name !== NO_CHANNEL_NAME)
  ) {
    throw new DecodeError(
      "malformed",
      "rpcMessage",
      0,
      `${name ?? "it"} is not an RpcMessage`,
    );
  }
  const input = new JavaObjectInput(javaCustomData(node), {
    name: "rpcMessage",
    ...source === undefined ? {} : { source },
  });
  const reply = name === NO_CHANNEL_NAME || input.readBoolean("reply");
  const uuid = input.readLengthAndBytes("uuid");
  const rpcId = input.readLengthAndBytes("rpcId");
  if (name === NO_CHANNEL_NAME) {
    input.end();
    return { type: "no-rpc-channel-reply", uuid, rpcId };
  }
  const message = input.readObject("message");
  input.end();
  return { type: "call", reply, uuid, rpcId, message };
}

/**
 * Encodes a message as the body of a channel's message.
 *
 * @returns A stream of one object, in a fresh, exact array.
 * @throws {EncodeError} When the message inside has no wire form.
 * @example
 * ```ts
 * import { decodeRpcMessage, encodeRpcMessage, javaString } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const bytes = encodeRpcMessage({
 *   type: "call",
 *   reply: false,
 *   uuid: new Uint8Array(16),
 *   rpcId: new TextEncoder().encode("my-rpc"),
 *   message: javaString("hello"),
 * });
 * const rpc = decodeRpcMessage(bytes);
 * assert(rpc.type === "call");
 * assert.deepEqual(rpc.message, javaString("hello"));
 * ```
 */
export function encodeRpcMessage(rpc: RpcMessage): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaRpcMessage(rpc), { shareEqualClasses: true });
}

/**
 * Decodes a message.
 *
 * Borrowed, as {@linkcode readJavaRpcMessage}; so is what the message inside holds.
 *
 * @param bytes The whole body.
 * @throws {DecodeError} As {@linkcode readJavaRpcMessage}, and what a stream's reader throws.
 */
export function decodeRpcMessage(bytes: Uint8Array): RpcMessage {
  return readJavaRpcMessage(decodeJavaObject(bytes), bytes);
}

/**
 * Tells at a glance whether a body may be an RPC message: of most others nothing more is read.
 *
 * @param bytes The body of a message that is a Java object.
 */
export function mayBeRpcMessage(bytes: Uint8Array): boolean {
  return equalBytes(
    bytes.subarray(NAME_AT, NAME_AT + NAME_BYTES.length),
    NAME_BYTES,
  );
}

function className(node: JavaNode): string | undefined {
  if (node?.kind !== "object") return undefined;
  return node.classDesc.kind === "class-desc" ? node.classDesc.name : undefined;
}
