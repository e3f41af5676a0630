// Single sign-on: the entries of the cache that is a replicated map, the listener that each session has, and
// the messages up to 7.0.61.
import { DEFAULT_GENERATION, type Generation } from "../generation.ts";
import { JavaObjectOutput } from "../java/block_data.ts";
import { javaCustomData, javaObject } from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { javaMap } from "../java/values/make.ts";
import { javaValue } from "../java/values/view.ts";
import {
  javaMember,
  type MemberObjectOptions,
  readJavaMember,
} from "../tribes/member_object.ts";
import type { Member } from "../tribes/member.ts";
import { ContentCursor } from "./content_cursor.ts";
import { FieldReader, isObjectOf } from "./field_reader.ts";
import { longValue, stringValue } from "./field_values.ts";
import { principalFor } from "./principal.ts";
import {
  knownReplicationClass,
  SSO_ENTRY_CLASS,
  SSO_LISTENER_CLASS,
  SSO_MESSAGE_CLASS,
  SSO_SESSION_KEY_CLASS,
} from "./replication_classes.ts";

/** Which session takes part. */
export interface SingleSignOnSessionKey {
  /** Name of the context. */
  readonly contextName: string | null;
  /** Name of the host. */
  readonly hostName: string | null;
  /** Id of the session. */
  readonly sessionId: string | null;
}

/** A user who has signed on. */
export interface SingleSignOnEntry {
  /** How the user was authenticated. */
  readonly authType: string | null;
  /** Whether name and password are known, to authenticate again. */
  readonly canReauthenticate: boolean;
  /** The password, where it is known. */
  readonly password: string | null;
  /** Name of the user. */
  readonly username: string | null;
  /** The sessions that take part. */
  readonly sessionKeys: readonly SingleSignOnSessionKey[];
  /** The user, an object of `javaPrincipal()`. */
  readonly principal: JavaNode;
}

/** A session joins. */
export const SSO_ADD_SESSION = 1;
/** A session leaves. */
export const SSO_DEREGISTER_SESSION = 2;
/** A user has signed off. */
export const SSO_LOGOUT_SESSION = 3;
/** A user has signed on. */
export const SSO_REGISTER_SESSION = 4;
/** What is known of a user has changed. */
export const SSO_UPDATE_SESSION = 5;
/** A session is gone. */
export const SSO_REMOVE_SESSION = 6;

/** A message up to 7.0.61. */
export interface SingleSignOnMessage {
  /** One of the `SSO_` numbers; what is unknown is kept. */
  readonly action: number;
  /** Which entry. */
  readonly ssoId: string | null;
  /** Name of the context. */
  readonly ctxname: string | null;
  /** Id of the session. */
  readonly sessionId: string | null;
  /** How the user was authenticated. */
  readonly authType: string | null;
  /** The password. */
  readonly password: string | null;
  /** Name of the user. */
  readonly username: string | null;
  /** The user, an object of `javaPrincipal()`. */
  readonly principal: JavaNode;
  /** Who says so. */
  readonly address: Member | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Tells messages apart. */
  readonly uniqueId: string | null;
}

/** Makes the listener that sessions of an entry have. */
export function javaSingleSignOnListener(ssoId: string | null): JavaObject {
  return javaObject(knownReplicationClass(SSO_LISTENER_CLASS), {
    ssoId: stringValue(ssoId),
  });
}

/** Tells whether a node is the listener that sessions of an entry have. */
export function isJavaSingleSignOnListener(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, SSO_LISTENER_CLASS);
}

/**
 * Reads the id of the entry from the listener of a session.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class.
 */
export function readJavaSingleSignOnListener(
  node: JavaNode,
  source?: Uint8Array,
): string | null {
  const from = { name: "singleSignOnListener", source };
  new FieldReader(node, SSO_LISTENER_CLASS, from);
  return new FieldReader(node, LISTENER_BASE, from).text("ssoId");
}

const LISTENER_BASE = "org.apache.catalina.authenticator.SingleSignOnListener";

/**
 * Encodes an entry of the cache.
 *
 * @param generation The release that is to read it; the newest by default.
 * @throws {EncodeError} When the user has no wire form.
 * @example
 * ```ts
 * import {
 *   createPrincipal,
 *   decodeSingleSignOnEntry,
 *   encodeSingleSignOnEntry,
 *   javaPrincipal,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const bytes = encodeSingleSignOnEntry({
 *   authType: "FORM",
 *   canReauthenticate: false,
 *   password: null,
 *   username: "alice",
 *   sessionKeys: [{ contextName: "/app", hostName: "localhost", sessionId: "AB.node1" }],
 *   principal: javaPrincipal(createPrincipal("alice", ["user"])),
 * });
 * assert.equal(decodeSingleSignOnEntry(bytes).sessionKeys[0]?.sessionId, "AB.node1");
 * ```
 */
export function encodeSingleSignOnEntry(
  entry: SingleSignOnEntry,
  generation?: Generation,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaSingleSignOnEntry(entry, generation), {
    shareEqualClasses: true,
  });
}

/**
 * Decodes an entry of any release.
 *
 * @throws {DecodeError} As {@linkcode readJavaSingleSignOnEntry}, and what a stream's reader throws.
 */
export function decodeSingleSignOnEntry(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): SingleSignOnEntry {
  return readJavaSingleSignOnEntry(decodeJavaObject(bytes, limits), bytes);
}

/** Makes the object of an entry as a release writes it. */
export function javaSingleSignOnEntry(
  entry: SingleSignOnEntry,
  generation: Generation = DEFAULT_GENERATION,
): JavaObject {
  const keys = entry.sessionKeys.map(javaSingleSignOnSessionKey);
  const output = new JavaObjectOutput();
  output.writeBoolean(entry.principal !== null);
  if (entry.principal !== null) {
    output.writeObject(principalFor(entry.principal, generation));
  }
  return javaObject(knownReplicationClass(SSO_ENTRY_CLASS, generation), {
    authType: stringValue(entry.authType),
    canReauthenticate: entry.canReauthenticate,
    password: stringValue(entry.password),
    username: stringValue(entry.username),
    sessionKeys: javaMap(
      "java.util.concurrent.ConcurrentHashMap",
      keys.map((key) => [key, key]), // each is its own value
    ),
  }, { [SSO_ENTRY_CLASS]: output.contents() });
}

/** Tells whether a node is an entry. */
export function isJavaSingleSignOnEntry(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, SSO_ENTRY_CLASS);
}

/**
 * Reads an entry from its object, of any release.
 *
 * Source: `org.apache.catalina.authenticator.SingleSignOnEntry#readObject`.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields, `truncated`,
 * `trailing-bytes`.
 */
export function readJavaSingleSignOnEntry(
  node: JavaNode,
  source?: Uint8Array,
): SingleSignOnEntry {
  const name = "singleSignOnEntry";
  const fields = new FieldReader(node, SSO_ENTRY_CLASS, { name, source });
  const data = isJavaSingleSignOnEntry(node)
    ? javaCustomData(node, SSO_ENTRY_CLASS)
    : [];
  const cursor = ContentCursor.ofData(data, name, source);
  const hasPrincipal = cursor.primitives().readBoolean("hasPrincipal");
  const principal = hasPrincipal ? cursor.object("principal") : null;
  cursor.end();
  const keys = fields.node("sessionKeys");
  const map = javaValue(keys);
  if (keys !== null && map.form !== "map") {
    throw fields.error("malformed", "sessionKeys", "it is not a map");
  }
  return {
    authType: fields.text("authType"),
    canReauthenticate: fields.boolean("canReauthenticate"),
    password: fields.text("password"),
    username: fields.text("username"),
    sessionKeys: map.form === "map"
      ? map.entries.map(([key]) => readJavaSingleSignOnSessionKey(key, source))
      : [],
    principal,
  };
}

/** Makes the object of a session that takes part. */
export function javaSingleSignOnSessionKey(
  key: SingleSignOnSessionKey,
): JavaObject {
  return javaObject(knownReplicationClass(SSO_SESSION_KEY_CLASS), {
    contextName: stringValue(key.contextName),
    hostName: stringValue(key.hostName),
    sessionId: stringValue(key.sessionId),
  });
}

/** Tells whether a node is a session that takes part. */
export function isJavaSingleSignOnSessionKey(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, SSO_SESSION_KEY_CLASS);
}

/**
 * Reads a session that takes part.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields.
 */
export function readJavaSingleSignOnSessionKey(
  node: JavaNode,
  source?: Uint8Array,
): SingleSignOnSessionKey {
  const fields = new FieldReader(node, SSO_SESSION_KEY_CLASS, {
    name: "singleSignOnSessionKey",
    source,
  });
  return {
    contextName: fields.text("contextName"),
    hostName: fields.text("hostName"),
    sessionId: fields.text("sessionId"),
  };
}

/**
 * Makes the object of a message up to 7.0.61.
 *
 * @throws {EncodeError} As `encodeMember`.
 */
export function javaSingleSignOnMessage(
  message: SingleSignOnMessage,
  options: MemberObjectOptions = {},
): JavaObject {
  const { address, principal } = message;
  return javaObject(knownReplicationClass(SSO_MESSAGE_CLASS), {
    action: message.action,
    timestamp: longValue(message.timestamp, "singleSignOn.timestamp"),
    ssoId: stringValue(message.ssoId),
    ctxname: stringValue(message.ctxname),
    sessionId: stringValue(message.sessionId),
    authType: stringValue(message.authType),
    password: stringValue(message.password),
    username: stringValue(message.username),
    uniqueId: stringValue(message.uniqueId),
    principal: principalFor(principal, { major: 7, minor: 0, patch: 61 }),
    address: address === null ? null : javaMember(address, options),
  });
}

/** Tells whether a node is a message up to 7.0.61. */
export function isJavaSingleSignOnMessage(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, SSO_MESSAGE_CLASS);
}

/**
 * Reads a message up to 7.0.61 from its object.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields; as `decodeMember`.
 */
export function readJavaSingleSignOnMessage(
  node: JavaNode,
  source?: Uint8Array,
): SingleSignOnMessage {
  const fields = new FieldReader(node, SSO_MESSAGE_CLASS, {
    name: "singleSignOnMessage",
    source,
  });
  const address = fields.node("address");
  return {
    action: fields.integer("action"),
    ssoId: fields.text("ssoId"),
    ctxname: fields.text("ctxname"),
    sessionId: fields.text("sessionId"),
    authType: fields.text("authType"),
    password: fields.text("password"),
    username: fields.text("username"),
    principal: fields.node("principal"),
    address: address === null ? null : readJavaMember(address, source),
    timestamp: fields.long("timestamp"),
    uniqueId: fields.text("uniqueId"),
  };
}
