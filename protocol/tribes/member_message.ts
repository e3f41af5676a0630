// What StaticMembershipService says to its like, as a Java object: by RPC, but for the last word.
import { javaByteArray } from "../java/build.ts";
import { javaField, javaObject } from "../java/fields.ts";
import { javaClassDesc } from "../java/standard_classes.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { DecodeError } from "../errors.ts";
import type { Member } from "./member.ts";
import {
  javaMember,
  type MemberObjectOptions,
  readJavaMember,
} from "./member_object.ts";

/** A node has started. */
export const MSG_START = 1;
/** A node leaves; its member has the shutdown command. */
export const MSG_STOP = 2;
/** A node is there. */
export const MSG_PING = 3;

/** One message of the service. */
export interface MemberMessage {
  /** `MSG_START`, `MSG_STOP`, `MSG_PING`; what is unknown is kept. */
  readonly msgtype: number;
  /** Who speaks. */
  readonly member: Member;
  /** Which group it is about: ISO-8859-1 of `NAME-StaticMembership`. */
  readonly membershipId: Uint8Array;
}

const NAME =
  "org.apache.catalina.tribes.membership.StaticMembershipProvider$MemberMessage";
const CLASS = javaClassDesc({
  name: NAME,
  serialVersionUID: 1n,
  fields: [
    "I msgtype",
    "L member Lorg/apache/catalina/tribes/Member;",
    "[ membershipId [B",
  ],
});

/** Behind the stream's header and an object's and a descriptor's code come two bytes of length. */
const NAME_AT = 8;
const NAME_BYTES = new TextEncoder().encode(NAME);

/**
 * Tells at a glance whether a body is a message: of others nothing more is read.
 *
 * @param bytes The body of a message that is a Java object.
 */
export function mayBeMemberMessage(bytes: Uint8Array): boolean {
  return equalBytes(
    bytes.subarray(NAME_AT, NAME_AT + NAME_BYTES.length),
    NAME_BYTES,
  );
}

/** Makes the object of a message. */
export function javaMemberMessage(
  { msgtype, member, membershipId }: MemberMessage,
  options?: MemberObjectOptions,
): JavaObject {
  return javaObject(CLASS, {
    msgtype,
    member: javaMember(member, options),
    membershipId: javaByteArray(membershipId),
  });
}

/** Tells whether a node is an object of this class. */
export function isJavaMemberMessage(
  node: JavaNode | undefined,
): node is JavaObject {
  return node?.kind === "object" && node.classDesc.kind === "class-desc" &&
    node.classDesc.name === NAME;
}

/**
 * Reads a message from its object; the member's serialVersionUID may be any release's.
 *
 * Borrowed: the member and the identifier are views of the stream.
 * Source: `org.apache.catalina.tribes.membership.StaticMembershipProvider.MemberMessage`.
 *
 * @param node The object.
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields; as
 * `decodeMember`.
 */
export function readJavaMemberMessage(
  node: JavaNode,
  source?: Uint8Array,
): MemberMessage {
  if (!isJavaMemberMessage(node)) {
    throw malformed("memberMessage", "it is not a MemberMessage");
  }
  const msgtype = javaField(node, "msgtype");
  const member = javaField(node, "member");
  const membershipId = javaField(node, "membershipId");
  if (typeof msgtype !== "number") {
    throw malformed("memberMessage.msgtype", "it is not an integer");
  }
  if (!isNode(member)) {
    throw malformed("memberMessage.member", "it is not an object");
  }
  if (
    !isNode(membershipId) || membershipId?.kind !== "primitive-array" ||
    membershipId.classDesc.name !== "[B"
  ) {
    throw malformed("memberMessage.membershipId", "it is not a byte[]");
  }
  return {
    msgtype,
    member: readJavaMember(member, source),
    membershipId: membershipId.bytes,
  };
}

/**
 * Encodes a message as a stream of its own.
 *
 * @throws {EncodeError} As `encodeMember`.
 */
export function encodeMemberMessage(
  message: MemberMessage,
  options?: MemberObjectOptions,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaMemberMessage(message, options));
}

/**
 * Decodes a message from a stream of its own.
 *
 * @throws {DecodeError} As {@linkcode readJavaMemberMessage}, and what a stream's reader throws.
 */
export function decodeMemberMessage(bytes: Uint8Array): MemberMessage {
  return readJavaMemberMessage(decodeJavaObject(bytes), bytes);
}

function isNode(value: unknown): value is JavaNode {
  return value === null || typeof value === "object";
}

function malformed(field: string, state: string): DecodeError {
  return new DecodeError("malformed", field, 0, state);
}
