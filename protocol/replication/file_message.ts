// How FarmWarDeployer sends an application to the nodes of a cluster, a piece at a time, and removes it.
import { equalBytes } from "../bytes/bytes.ts";
import { DEFAULT_GENERATION, type Generation } from "../generation.ts";
import { javaByteArray } from "../java/build.ts";
import { type JavaFieldValues, javaObject } from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import {
  isJavaMember,
  javaMember,
  type MemberClass,
  memberClassOf,
  type MemberObjectOptions,
  memberUidOf,
  readJavaMember,
} from "../tribes/member_object.ts";
import type { Member } from "../tribes/member.ts";
import { FieldReader, isObjectOf, serialVersionUidOf } from "./field_reader.ts";
import { longValue, stringValue } from "./field_values.ts";
import {
  CLUSTER_MESSAGE_BASE_CLASS,
  FILE_MESSAGE_CLASS,
  hasNewMessages,
  knownReplicationClass,
  UNDEPLOY_MESSAGE_CLASS,
} from "./replication_classes.ts";

/** Bytes of a file in each piece. */
export const FILE_MESSAGE_DATA_LENGTH = 10240;

/** A piece of a file. */
export interface FileMessage {
  /** Number of the piece, from 1. */
  readonly messageNumber: number;
  /** Number of pieces. */
  readonly totalNrOfMsgs: number;
  /** Name of the file, such as `app.war`. It comes from the peer: never a path to use as it is. */
  readonly fileName: string | null;
  /** Name of the context. */
  readonly contextName: string | null;
  /** The array; Tomcat's has always 10240 bytes. Borrowed when decoded. */
  readonly data: Uint8Array | null;
  /** How many bytes of it count. It may lie: see {@linkcode fileMessageBytes}. */
  readonly dataLength: number;
  /** Milliseconds since the epoch; Tomcat writes 0. */
  readonly timestamp: number;
  /** Length of the file; up to 7.0 only. */
  readonly totalLength?: number;
  /** The serialVersionUID that was read: 1 up to 8.0, else 2. Not used for writing. */
  readonly serialVersionUid?: bigint;
}

/** An application is to be removed. */
export interface UndeployMessage {
  /** Who says so. */
  readonly address: Member | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** `Undeploy:`, the context's name, `:` and the time. */
  readonly uniqueId: string | null;
  /** Name of the context. */
  readonly contextName: string | null;
  /** Whether to remove it; up to 7.0 only. */
  readonly undeploy?: boolean;
  /** The class of the member's object, where it is not `MemberImpl`. */
  readonly memberClass?: MemberClass;
  /** The serialVersionUID of MemberImpl that was read. Not used for writing. */
  readonly memberUid?: bigint;
  /** The serialVersionUID that was read: 1 up to 8.0, else 2. Not used for writing. */
  readonly serialVersionUid?: bigint;
}

/**
 * The bytes of a piece that count.
 *
 * @returns A view of `data`, which is at most all of it.
 */
export function fileMessageBytes(message: FileMessage): Uint8Array {
  const { data, dataLength } = message;
  return data === null ? NO_BYTES : data.subarray(0, Math.max(0, dataLength));
}

const NO_BYTES = new Uint8Array(0);

/** Makes the object of a piece as a release writes it. */
export function javaFileMessage(
  message: FileMessage,
  generation: Generation = DEFAULT_GENERATION,
): JavaObject {
  const { data } = message;
  const values: JavaFieldValues = {
    messageNumber: message.messageNumber,
    totalNrOfMsgs: longValue(message.totalNrOfMsgs, "file.totalNrOfMsgs"),
    fileName: stringValue(message.fileName),
    contextName: stringValue(message.contextName),
    data: data === null ? null : javaByteArray(data),
    dataLength: message.dataLength,
    timestamp: longValue(message.timestamp, "file.timestamp"),
  };
  const old: JavaFieldValues = hasNewMessages(generation) ? {} : {
    totalLength: longValue(message.totalLength ?? 0, "file.totalLength"),
  };
  return javaObject(knownReplicationClass(FILE_MESSAGE_CLASS, generation), {
    ...values,
    ...old,
  });
}

/**
 * Reads a piece from its object, of any release.
 *
 * Borrowed: `data` is a view of the stream.
 * Source: `org.apache.catalina.ha.deploy.FileMessage`.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields, `out-of-range`.
 */
export function readJavaFileMessage(
  node: JavaNode,
  source?: Uint8Array,
): FileMessage {
  const from = { name: "fileMessage", source };
  const fields = new FieldReader(node, FILE_MESSAGE_CLASS, from);
  const base = new FieldReader(node, CLUSTER_MESSAGE_BASE_CLASS, from);
  const serialVersionUid = serialVersionUidOf(node);
  const totalLength = fields.long("totalLength");
  return {
    messageNumber: fields.integer("messageNumber"),
    totalNrOfMsgs: fields.long("totalNrOfMsgs"),
    fileName: fields.text("fileName"),
    contextName: fields.text("contextName"),
    data: fields.bytes("data"),
    dataLength: fields.integer("dataLength"),
    timestamp: base.long("timestamp"),
    ...serialVersionUid === OLD_UID ? { totalLength } : {},
    ...serialVersionUid === undefined ? {} : { serialVersionUid },
  };
}

const OLD_UID = 1n; // up to 8.0

/**
 * Encodes a piece as the body of a channel's message.
 *
 * @param generation The release that is to read it; the newest by default.
 * @throws {EncodeError} `out-of-range` for numbers beyond their types.
 * @example
 * ```ts
 * import { decodeFileMessage, encodeFileMessage, fileMessageBytes } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const bytes = encodeFileMessage({
 *   messageNumber: 1,
 *   totalNrOfMsgs: 1,
 *   fileName: "app.war",
 *   contextName: "/app",
 *   data: new Uint8Array(10240),
 *   dataLength: 7,
 *   timestamp: 0,
 * });
 * assert.equal(fileMessageBytes(decodeFileMessage(bytes)).length, 7);
 * ```
 */
export function encodeFileMessage(
  message: FileMessage,
  generation?: Generation,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaFileMessage(message, generation));
}

/**
 * Decodes a piece of any release.
 *
 * Borrowed: `data` is a view of `bytes`.
 *
 * @throws {DecodeError} As {@linkcode readJavaFileMessage}, and what a stream's reader throws.
 */
export function decodeFileMessage(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): FileMessage {
  return readJavaFileMessage(decodeJavaObject(bytes, limits), bytes);
}

/**
 * Makes the object of a message that removes an application.
 *
 * @param options The release that is to read it, whose serialVersionUIDs are written.
 * @throws {EncodeError} As `encodeMember`.
 */
export function javaUndeployMessage(
  message: UndeployMessage,
  options: MemberObjectOptions = {},
): JavaObject {
  const { generation = DEFAULT_GENERATION } = options;
  const { address } = message;
  const memberClass = message.memberClass ?? options.memberClass ??
    "MemberImpl";
  const old = hasNewMessages(generation)
    ? {}
    : { undeploy: message.undeploy ?? false };
  return javaObject(knownReplicationClass(UNDEPLOY_MESSAGE_CLASS, generation), {
    timestamp: longValue(message.timestamp, "undeploy.timestamp"),
    address: address === null
      ? null
      : javaMember(address, { ...options, memberClass }),
    contextName: stringValue(message.contextName),
    uniqueId: stringValue(message.uniqueId),
    ...old,
  });
}

/**
 * Reads a message that removes an application from its object, of any release.
 *
 * Borrowed: the member's bytes are views of the stream.
 * Source: `org.apache.catalina.ha.deploy.UndeployMessage`.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields; as `decodeMember`.
 */
export function readJavaUndeployMessage(
  node: JavaNode,
  source?: Uint8Array,
): UndeployMessage {
  const fields = new FieldReader(node, UNDEPLOY_MESSAGE_CLASS, {
    name: "undeployMessage",
    source,
  });
  const address = fields.node("address");
  const isMember = isJavaMember(address);
  const memberClass = isMember ? memberClassOf(address) : "MemberImpl";
  const memberUid = isMember ? memberUidOf(address) : undefined;
  const serialVersionUid = serialVersionUidOf(node);
  const undeploy = fields.boolean("undeploy");
  return {
    address: address === null ? null : readJavaMember(address, source),
    timestamp: fields.long("timestamp"),
    uniqueId: fields.text("uniqueId"),
    contextName: fields.text("contextName"),
    ...serialVersionUid === OLD_UID ? { undeploy } : {},
    ...memberClass === "MemberImpl" ? {} : { memberClass },
    ...memberUid === undefined ? {} : { memberUid },
    ...serialVersionUid === undefined ? {} : { serialVersionUid },
  };
}

/**
 * Encodes a message that removes an application.
 *
 * @param options The release that is to read it, or the serialVersionUID of members that a peer has shown.
 * @throws {EncodeError} As `encodeMember`.
 */
export function encodeUndeployMessage(
  message: UndeployMessage,
  options?: MemberObjectOptions,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaUndeployMessage(message, options));
}

/**
 * Decodes a message that removes an application, of any release.
 *
 * Borrowed: the member's bytes are views of `bytes`.
 *
 * @throws {DecodeError} As {@linkcode readJavaUndeployMessage}, and what a stream's reader throws.
 */
export function decodeUndeployMessage(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): UndeployMessage {
  return readJavaUndeployMessage(decodeJavaObject(bytes, limits), bytes);
}

/** Tells whether a node is a piece of a file. */
export function isJavaFileMessage(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, FILE_MESSAGE_CLASS);
}

/** Tells whether a node removes an application. */
export function isJavaUndeployMessage(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, UNDEPLOY_MESSAGE_CLASS);
}

/** Behind the stream's header and an object's and a descriptor's code come two bytes of length. */
const NAME_AT = 8;
const NAMES = [FILE_MESSAGE_CLASS, UNDEPLOY_MESSAGE_CLASS].map((name) =>
  new TextEncoder().encode(name)
);

/**
 * Tells at a glance whether a body may be of farm deployment: of others nothing more is read.
 *
 * @param bytes The body of a message that is a Java object.
 */
export function mayBeDeployMessage(bytes: Uint8Array): boolean {
  return NAMES.some((name) =>
    equalBytes(bytes.subarray(NAME_AT, NAME_AT + name.length), name)
  );
}
