// What DeltaManager sends: one event of one session, or of all of them, as a Java object.
import { equalBytes } from "../bytes/bytes.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../generation.ts";
import { javaByteArray } from "../java/build.ts";
import { javaObject } from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { FieldReader, serialVersionUidOf } from "./field_reader.ts";
import { longValue, stringValue } from "./field_values.ts";
import {
  knownReplicationClass,
  SESSION_MESSAGE_CLASS,
} from "./replication_classes.ts";

/** A session was created. */
export const EVT_SESSION_CREATED = 1;
/** A session expired or was invalidated. */
export const EVT_SESSION_EXPIRED = 2;
/** A session was used. */
export const EVT_SESSION_ACCESSED = 3;
/** A node asks for all sessions of a context. */
export const EVT_GET_ALL_SESSIONS = 4;
/** Sessions that were asked for; the data is a session block. */
export const EVT_ALL_SESSION_DATA = 12;
/** What changed in a session; the data is a delta. */
export const EVT_SESSION_DELTA = 13;
/** All sessions that were asked for have been sent. */
export const EVT_ALL_SESSION_TRANSFERCOMPLETE = 14;
/** A session has a new id, which is the data. */
export const EVT_CHANGE_SESSION_ID = 15;
/** The node that was asked has no such context. */
export const EVT_ALL_SESSION_NOCONTEXTMANAGER = 16;

const EVENT_NAMES: ReadonlyMap<number, string> = new Map([
  [EVT_SESSION_CREATED, "SESSION-MODIFIED"],
  [EVT_SESSION_EXPIRED, "SESSION-EXPIRED"],
  [EVT_SESSION_ACCESSED, "SESSION-ACCESSED"],
  [EVT_GET_ALL_SESSIONS, "SESSION-GET-ALL"],
  [EVT_ALL_SESSION_DATA, "ALL-SESSION-DATA"],
  [EVT_SESSION_DELTA, "SESSION-DELTA"],
  [EVT_ALL_SESSION_TRANSFERCOMPLETE, "SESSION-STATE-TRANSFERRED"],
  [EVT_CHANGE_SESSION_ID, "SESSION-ID-CHANGED"],
  [EVT_ALL_SESSION_NOCONTEXTMANAGER, "NO-CONTEXT-MANAGER"],
]);

/** Tomcat's name of an event, for people. */
export function sessionEventName(eventType: number): string {
  return EVENT_NAMES.get(eventType) ?? "UNKNOWN-EVENT-TYPE";
}

/** One message. */
export interface SessionMessage {
  /** One of the `EVT_` numbers; what is unknown is kept. */
  readonly eventType: number;
  /** Name of the manager, such as `localhost#/app`; null means all. */
  readonly contextName: string | null;
  /** Which session; for messages about all of them a word. */
  readonly sessionId: string | null;
  /** Tells messages apart, in logs. */
  readonly uniqueId: string | null;
  /** What the event carries. Borrowed when decoded. */
  readonly session: Uint8Array | null;
  /** Milliseconds since the epoch; 0 when it was never set. */
  readonly timestamp: number;
  /** Whether it was set. */
  readonly timestampSet: boolean;
  /** The serialVersionUID that was read: 1 up to 8.0, else 2. Not used for writing. */
  readonly serialVersionUid?: bigint;
}

/** What {@linkcode createSessionMessage} takes. Times are milliseconds since the epoch. */
export interface SessionMessageInit {
  /** Name of the manager. */
  readonly contextName: string;
  /** Which session, for events of one. */
  readonly sessionId?: string;
  /** What the event carries. */
  readonly session?: Uint8Array;
  /** When the message is made. */
  readonly now: number;
  /** The message's time, where it is not `now`: creation of the session, or begin of a transfer. */
  readonly timestamp?: number;
  /** The release that is to read it; the newest by default. */
  readonly generation?: Generation;
}

/**
 * Makes the message of an event with the ids that Tomcat gives it.
 *
 * @param eventType One of the `EVT_` numbers.
 * @throws {RangeError} When an event of one session has no `sessionId`.
 * @example
 * ```ts
 * import { createSessionMessage, EVT_GET_ALL_SESSIONS } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const message = createSessionMessage(EVT_GET_ALL_SESSIONS, {
 *   contextName: "/app",
 *   now: 1_700_000_000_000,
 * });
 * assert.equal(message.uniqueId, "GET-ALL-/app");
 * ```
 */
export function createSessionMessage(
  eventType: number,
  init: SessionMessageInit,
): SessionMessage {
  const { contextName, now, timestamp = now, session = null } = init;
  const word = wordOf(eventType, init.generation ?? DEFAULT_GENERATION);
  const sessionId = init.sessionId ?? word;
  if (sessionId === undefined) {
    throw new RangeError(
      `Cannot make event ${eventType} without sessionId: it is about one session`,
    );
  }
  const timestampSet = eventType !== EVT_ALL_SESSION_NOCONTEXTMANAGER;
  return {
    eventType,
    contextName,
    sessionId,
    uniqueId: eventType === EVT_ALL_SESSION_TRANSFERCOMPLETE
      ? `${sessionId}${contextName}`
      : word !== undefined
      ? `${sessionId}-${contextName}`
      : eventType === EVT_SESSION_EXPIRED
      ? `${sessionId}-EXPIRED-MSG`
      : `${sessionId}-${now}`,
    session,
    timestamp: timestampSet ? timestamp : 0,
    timestampSet,
  };
}

/** Makes the object of a message as a release writes it. */
export function javaSessionMessage(
  message: SessionMessage,
  generation?: Generation,
): JavaObject {
  return javaObject(knownReplicationClass(SESSION_MESSAGE_CLASS, generation), {
    mEvtType: message.eventType,
    serializationTimestamp: longValue(
      message.timestamp,
      "sessionMessage.timestamp",
    ),
    timestampSet: message.timestampSet,
    mContextName: stringValue(message.contextName),
    mSession: message.session === null ? null : javaByteArray(message.session),
    mSessionID: stringValue(message.sessionId),
    [`${SESSION_MESSAGE_CLASS}.uniqueId`]: stringValue(message.uniqueId),
  });
}

/**
 * Reads a message from its object, of any release.
 *
 * Borrowed: `session` is a view of the stream.
 * Source: `org.apache.catalina.ha.session.SessionMessageImpl`.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields, `out-of-range` for a
 * time beyond the safe integers.
 */
export function readJavaSessionMessage(
  node: JavaNode,
  source?: Uint8Array,
): SessionMessage {
  const fields = new FieldReader(node, SESSION_MESSAGE_CLASS, {
    name: "sessionMessage",
    source,
  });
  const serialVersionUid = serialVersionUidOf(node);
  return {
    eventType: fields.integer("mEvtType"),
    contextName: fields.text("mContextName"),
    sessionId: fields.text("mSessionID"),
    uniqueId: fields.text("uniqueId"),
    session: fields.bytes("mSession"),
    timestamp: fields.long("serializationTimestamp"),
    timestampSet: fields.boolean("timestampSet"),
    ...serialVersionUid === undefined ? {} : { serialVersionUid },
  };
}

/**
 * Encodes a message as the body of a channel's message.
 *
 * @param generation The release that is to read it; the newest by default. 7.0 reads only its own form, and
 * 8.5 and later ones only theirs.
 * @throws {EncodeError} `out-of-range` for numbers beyond their types.
 * @example One session, from its creation to a change of its attributes
 * ```ts
 * import {
 *   createSessionMessage,
 *   decodeDeltaRequest,
 *   decodeSessionMessage,
 *   encodeDeltaRequest,
 *   encodeSessionMessage,
 *   EVT_SESSION_DELTA,
 *   javaString,
 *   setAttributeAction,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const sessionId = "0123456789ABCDEF.node1";
 * const delta = encodeDeltaRequest({
 *   sessionId,
 *   recordAllActions: false,
 *   actions: [setAttributeAction("user", javaString("alice"))],
 * });
 * const bytes = encodeSessionMessage(
 *   createSessionMessage(EVT_SESSION_DELTA, {
 *     contextName: "/app",
 *     sessionId,
 *     session: delta,
 *     now: 1_700_000_000_000,
 *   }),
 * );
 *
 * const message = decodeSessionMessage(bytes);
 * assert(message.session !== null);
 * const [action] = decodeDeltaRequest(message.session).actions;
 * assert.equal(action?.name, "user");
 * ```
 */
export function encodeSessionMessage(
  message: SessionMessage,
  generation?: Generation,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaSessionMessage(message, generation));
}

/**
 * Decodes a message of any release.
 *
 * Borrowed: `session` is a view of `bytes`.
 *
 * @throws {DecodeError} As {@linkcode readJavaSessionMessage}, and what a stream's reader throws.
 */
export function decodeSessionMessage(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): SessionMessage {
  return readJavaSessionMessage(decodeJavaObject(bytes, limits), bytes);
}

/** Behind the stream's header and an object's and a descriptor's code come two bytes of length. */
const NAME_AT = 8;
const NAME_BYTES = new TextEncoder().encode(SESSION_MESSAGE_CLASS);

/**
 * Tells at a glance whether a body may be a session message: of others nothing more is read.
 *
 * @param bytes The body of a message that is a Java object.
 */
export function mayBeSessionMessage(bytes: Uint8Array): boolean {
  return equalBytes(
    bytes.subarray(NAME_AT, NAME_AT + NAME_BYTES.length),
    NAME_BYTES,
  );
}

/** What stands for a session's id in messages about all sessions. */
function wordOf(eventType: number, generation: Generation): string | undefined {
  switch (eventType) {
    case EVT_GET_ALL_SESSIONS:
      return "GET-ALL";
    case EVT_ALL_SESSION_DATA:
      return "SESSION-STATE";
    case EVT_ALL_SESSION_TRANSFERCOMPLETE:
      return isAtLeast(generation, "7.0.91", "8.5.33", "9.0.11")
        ? "SESSION-STATE-TRANSFERRED"
        : "SESSION-STATE-TRANSFERED"; // as it was spelled
    case EVT_ALL_SESSION_NOCONTEXTMANAGER:
      return "NO-CONTEXT-MANAGER";
  }
}
