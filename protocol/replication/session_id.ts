// A session's new id: the data of EVT_CHANGE_SESSION_ID, and the message that 7.0 had for it besides.
import { JavaObjectOutput } from "../java/block_data.ts";
import { javaObject } from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject, encodeJavaStream } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { ContentCursor } from "./content_cursor.ts";
import { FieldReader } from "./field_reader.ts";
import { longValue, stringValue } from "./field_values.ts";
import {
  CLUSTER_MESSAGE_BASE_CLASS,
  knownReplicationClass,
  SESSION_ID_MESSAGE_CLASS,
} from "./replication_classes.ts";

/**
 * Encodes a session's new id.
 *
 * @returns A stream with one text and no object.
 * @throws {EncodeError} `too-large` above 65535 encoded bytes.
 * @example
 * ```ts
 * import { decodeNewSessionId, encodeNewSessionId } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.equal(decodeNewSessionId(encodeNewSessionId("AB.node2")), "AB.node2");
 * ```
 */
export function encodeNewSessionId(
  newSessionId: string,
): Uint8Array<ArrayBuffer> {
  const output = new JavaObjectOutput();
  output.writeUTF(newSessionId);
  return encodeJavaStream(output.contents());
}

/**
 * Decodes a session's new id.
 *
 * @throws {DecodeError} `truncated`, `malformed`, `trailing-bytes`, and what a stream's reader throws.
 */
export function decodeNewSessionId(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): string {
  const cursor = ContentCursor.ofStream(bytes, "sessionId", limits);
  const newSessionId = cursor.primitives().readUTF("newSessionId");
  cursor.end();
  return newSessionId;
}

/** The message of JvmRouteSessionIDBinderListener, up to 7.0. */
export interface SessionIdMessage {
  /** Counts messages. */
  readonly messageNumber: number;
  /** The id before; the class spells it so. */
  readonly orignalSessionID: string | null;
  /** The id now. */
  readonly backupSessionID: string | null;
  /** Name of the host. */
  readonly host: string | null;
  /** Name of the context. */
  readonly contextName: string | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Tells messages apart. */
  readonly uniqueId: string | null;
}

/**
 * Encodes a message of 7.0.
 *
 * @throws {EncodeError} `out-of-range` for numbers beyond their types.
 */
export function encodeSessionIdMessage(
  message: SessionIdMessage,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaSessionIdMessage(message));
}

/**
 * Decodes a message of 7.0.
 *
 * @throws {DecodeError} As {@linkcode readJavaSessionIdMessage}, and what a stream's reader throws.
 */
export function decodeSessionIdMessage(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): SessionIdMessage {
  return readJavaSessionIdMessage(decodeJavaObject(bytes, limits), bytes);
}

/** Makes the object of a message of 7.0. */
export function javaSessionIdMessage(message: SessionIdMessage): JavaObject {
  const { messageNumber, timestamp, ...texts } = message;
  return javaObject(knownReplicationClass(SESSION_ID_MESSAGE_CLASS), {
    messageNumber,
    timestamp: longValue(timestamp, "sessionIdMessage.timestamp"),
    orignalSessionID: stringValue(texts.orignalSessionID),
    backupSessionID: stringValue(texts.backupSessionID),
    host: stringValue(texts.host),
    contextName: stringValue(texts.contextName),
    uniqueId: stringValue(texts.uniqueId),
  });
}

/**
 * Reads a message of 7.0 from its object.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed`, `out-of-range`.
 */
export function readJavaSessionIdMessage(
  node: JavaNode,
  source?: Uint8Array,
): SessionIdMessage {
  const from = { name: "sessionIdMessage", source };
  const fields = new FieldReader(node, SESSION_ID_MESSAGE_CLASS, from);
  const base = new FieldReader(node, CLUSTER_MESSAGE_BASE_CLASS, from);
  return {
    messageNumber: fields.integer("messageNumber"),
    orignalSessionID: fields.text("orignalSessionID"),
    backupSessionID: fields.text("backupSessionID"),
    host: fields.text("host"),
    contextName: fields.text("contextName"),
    timestamp: base.long("timestamp"),
    uniqueId: base.text("uniqueId"),
  };
}
