// Members as Java objects: the member block inside an externalizable class. Java computes the
// serialVersionUID of the class, so that releases differ in it and refuse each other's; ours are read
// whatever their value is.
import { JavaObjectInput, JavaObjectOutput } from "../java/block_data.ts";
import type { JavaClassDesc } from "../java/class_desc.ts";
import { javaCustomData, javaExternalizable } from "../java/fields.ts";
import { javaClassDesc } from "../java/standard_classes.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import { JavaArray, type JavaNode, type JavaObject } from "../java/tree.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import { DecodeError } from "../errors.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../generation.ts";
import { encodeMember, type Member, readMember } from "./member.ts";

const PACKAGE = "org.apache.catalina.tribes.membership";
const MEMBER_IMPL = `${PACKAGE}.MemberImpl`;
const STATIC_MEMBER = `${PACKAGE}.StaticMember`;
const EXTERNALIZABLE = 0x0c; // in blocks

/** The class of a member object. */
export type MemberClass = "MemberImpl" | "StaticMember";

/** How a member object is written. */
export interface MemberObjectOptions {
  /** The release that is to read it; the newest without it. */
  readonly generation?: Generation;
  /**
   * The class: a static member is one that a configuration names.
   * @default {"MemberImpl"}
   */
  readonly memberClass?: MemberClass;
  /** The serialVersionUID of MemberImpl itself, where a peer has shown its own. */
  readonly serialVersionUid?: bigint;
}

/** The first release of each row, newest first, and the UID that its MemberImpl has. */
const UIDS: readonly (readonly [since: readonly string[], uid: bigint])[] = [
  [["10.1.40", "11.0.6", "12.0.0"], -8901659902996040089n],
  [["10.0.0"], 6004750745337223678n],
  [["8.5.1", "9.0.0"], 3323947316117794076n],
  [["8.5.0"], -3881480645479112067n],
  [["7.0.69"], -5400603719024120549n],
  [["7.0.31"], 9101965184867046152n],
];
const OLDEST_UID = -3747696661765742913n; // 7.0.0 to 7.0.30

/**
 * The serialVersionUID of MemberImpl in a release.
 *
 * @param generation The release.
 */
export function memberSerialVersionUid(generation: Generation): bigint {
  const row = UIDS.find(([since]) => isAtLeast(generation, ...since));
  return row?.[1] ?? OLDEST_UID;
}

/**
 * Makes the object of a member.
 *
 * @param member The member, whose block is written as it is.
 * @throws {EncodeError} As `encodeMember`.
 */
export function javaMember(
  member: Member,
  options: MemberObjectOptions = {},
): JavaObject {
  const { generation = DEFAULT_GENERATION, memberClass = "MemberImpl" } =
    options;
  const output = new JavaObjectOutput();
  output.writeLengthAndBytes(encodeMember(member));
  const uid = options.serialVersionUid ?? memberSerialVersionUid(generation);
  const classes = classesOf(uid);
  return javaExternalizable(classes[memberClass], output.contents());
}

/**
 * Reads a member from its object; the serialVersionUID may be any release's.
 *
 * Borrowed, as `decodeMember`.
 *
 * @param node The object.
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class; as `decodeMember`. Bytes behind
 * the block are ignored, as Tomcat does.
 */
export function readJavaMember(node: JavaNode, source?: Uint8Array): Member {
  if (!isJavaMember(node)) {
    throw new DecodeError("malformed", "member", 0, "it is not a Member");
  }
  const input = new JavaObjectInput(javaCustomData(node), {
    name: "member",
    ...source === undefined ? {} : { source },
  });
  const block = input.readLengthAndBytes("block");
  input.end();
  const base = block.buffer === source?.buffer
    ? block.byteOffset - source.byteOffset
    : 0;
  return readMember(new ByteReader(block, base));
}

/** Tells whether a node is an object of a class of members. */
export function isJavaMember(node: JavaNode | undefined): node is JavaObject {
  return node?.kind === "object" && node.classDesc.kind === "class-desc" &&
    (node.classDesc.name === MEMBER_IMPL ||
      node.classDesc.name === STATIC_MEMBER);
}

/** Which of the two classes a member's object has. */
export function memberClassOf(node: JavaObject): MemberClass {
  const { classDesc } = node;
  return classDesc.kind === "class-desc" && classDesc.name === STATIC_MEMBER
    ? "StaticMember"
    : "MemberImpl";
}

/**
 * The serialVersionUID that MemberImpl has where a member's object was written: what its node reads.
 */
export function memberUidOf(node: JavaObject): bigint | undefined {
  const { classDesc } = node;
  if (classDesc.kind !== "class-desc") return undefined;
  if (classDesc.name === MEMBER_IMPL) return classDesc.serialVersionUID;
  const above = classDesc.superDesc;
  return above?.kind === "class-desc" ? above.serialVersionUID : undefined;
}

/**
 * Encodes a member as a stream of its own.
 *
 * @throws {EncodeError} As `encodeMember`.
 * @example
 * ```ts
 * import {
 *   createMember,
 *   decodeMemberObject,
 *   encodeHost,
 *   encodeMemberObject,
 *   parseGeneration,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const member = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
 * const bytes = encodeMemberObject(member, { generation: parseGeneration("9.0") });
 * assert.deepEqual(decodeMemberObject(bytes).port, 4000);
 * ```
 */
export function encodeMemberObject(
  member: Member,
  options?: MemberObjectOptions,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaMember(member, options));
}

/**
 * Decodes a member from a stream of its own.
 *
 * @throws {DecodeError} As {@linkcode readJavaMember}, and what a stream's reader throws.
 */
export function decodeMemberObject(bytes: Uint8Array): Member {
  return readJavaMember(decodeJavaObject(bytes), bytes);
}

/** Makes a `Member[]`, as map messages have one. */
export function javaMemberArray(
  members: readonly Member[],
  options?: MemberObjectOptions,
): JavaArray {
  return new JavaArray(
    MEMBER_ARRAY,
    members.map((member) => javaMember(member, options)),
  );
}

/**
 * Reads a `Member[]`.
 *
 * @throws {DecodeError} `malformed` for anything else; as {@linkcode readJavaMember}.
 */
export function readJavaMemberArray(
  node: JavaNode,
  source?: Uint8Array,
): Member[] {
  if (node?.kind === "array" && node.classDesc.name === MEMBER_ARRAY.name) {
    return node.elements.map((element) => readJavaMember(element, source));
  }
  throw new DecodeError("malformed", "members", 0, "it is not a Member[]");
}

const MEMBER_ARRAY = javaClassDesc({
  name: "[Lorg.apache.catalina.tribes.Member;",
  serialVersionUID: 0x5ec4606b842d393cn,
});

const CLASSES = new Map<bigint, Record<MemberClass, JavaClassDesc>>();
/** Peers may show any value: only so many are kept. */
const MAX_CLASSES = 64;

/** The descriptors of a row: one of each, so that a stream refers to what it has. */
function classesOf(uid: bigint): Record<MemberClass, JavaClassDesc> {
  let classes = CLASSES.get(uid);
  if (classes === undefined) {
    const MemberImpl = javaClassDesc({
      name: MEMBER_IMPL,
      serialVersionUID: uid,
      flags: EXTERNALIZABLE,
    });
    const StaticMember = javaClassDesc({
      name: STATIC_MEMBER,
      serialVersionUID: -6690656311635953503n,
      flags: EXTERNALIZABLE,
      superDesc: MemberImpl,
    });
    classes = { MemberImpl, StaticMember };
    if (CLASSES.size < MAX_CLASSES) CLASSES.set(uid, classes);
  }
  return classes;
}
