// What replicated maps tell each other, as a Java object: alone, or inside an RPC message. Key and value are
// streams of their own, so that they travel on untouched.
import { equalBytes } from "../bytes/bytes.ts";
import { DecodeError } from "../errors.ts";
import { DEFAULT_GENERATION } from "../generation.ts";
import { javaByteArray } from "../java/build.ts";
import { javaObject } from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import {
  type JavaArray,
  JavaEnum,
  type JavaNode,
  type JavaObject,
  JavaString,
} from "../java/tree.ts";
import { javaCollection } from "../java/values/make.ts";
import { javaValue } from "../java/values/view.ts";
import type { Member } from "../tribes/member.ts";
import {
  isJavaMember,
  javaMember,
  javaMemberArray,
  type MemberClass,
  memberClassOf,
  type MemberObjectOptions,
  memberUidOf,
  readJavaMember,
} from "../tribes/member_object.ts";
import { FieldReader, isObjectOf } from "./field_reader.ts";
import {
  knownReplicationClass,
  MAP_MESSAGE_CLASS,
  MAP_STATE_CLASS,
} from "./replication_classes.ts";

/** An entry for a node that is to keep it. */
export const MSG_BACKUP = 1;
/** Asks a node that keeps an entry for its value. */
export const MSG_RETRIEVE_BACKUP = 2;
/** Where an entry is, for nodes that do not keep it. */
export const MSG_PROXY = 3;
/** An entry is gone. */
export const MSG_REMOVE = 4;
/** Asks for all entries without their values. */
export const MSG_STATE = 5;
/** A map starts. */
export const MSG_MAP_START = 6;
/** A map stops. */
export const MSG_MAP_STOP = 7;
/** A map asks who else is there. */
export const MSG_INIT = 8;
/** An entry for all nodes. */
export const MSG_COPY = 9;
/** Asks for all entries with their values. */
export const MSG_STATE_COPY = 10;
/** An entry was used; since 7.0.28. */
export const MSG_ACCESS = 11;
/** An entry has another primary node; since 7.0.62. */
export const MSG_NOTIFY_MAPMEMBER = 12;
/** Asks whether a map is alive; since 7.0.70 and 8.5.1. */
export const MSG_MAP_PING = 13;

const TYPE_NAMES: readonly string[] = [
  "MSG_BACKUP",
  "MSG_RETRIEVE_BACKUP",
  "MSG_PROXY",
  "MSG_REMOVE",
  "MSG_STATE",
  "MSG_START",
  "MSG_STOP",
  "MSG_INIT",
  "MSG_COPY",
  "MSG_STATE_COPY",
  "MSG_ACCESS",
  "MSG_NOTIFY_MAPMEMBER",
  "MSG_PING",
];

/** Tomcat's name of a message's type, for people. */
export function mapMessageTypeName(msgtype: number): string {
  return TYPE_NAMES[msgtype - 1] ?? "UNKNOWN";
}

/** A node that an entry names. */
export interface MapMember extends Member {
  /** The class of its object, where it is not `MemberImpl`. */
  readonly memberClass?: MemberClass;
}

/** One message. */
export interface MapMessage {
  /** `MSG_BACKUP` to `MSG_MAP_PING`; what is unknown is kept. */
  readonly msgtype: number;
  /** Which map: ISO-8859-1 of its name. Borrowed when decoded, as all bytes here. */
  readonly mapId: Uint8Array;
  /** Whether the value travels as `diffvalue`. */
  readonly diff: boolean;
  /** What changed in the value: a stream, of sessions that of a `DeltaRequest`. */
  readonly diffvalue: Uint8Array | null;
  /** The key: a stream with one object. */
  readonly keydata: Uint8Array | null;
  /** The value: a stream with one object. */
  readonly valuedata: Uint8Array | null;
  /** The nodes that keep copies. */
  readonly nodes: readonly MapMember[] | null;
  /** The node that serves the entry. */
  readonly primary: MapMember | null;
  /**
   * The serialVersionUID of MemberImpl that was read: what the sender takes. Not used for writing; pass it as
   * `serialVersionUid`.
   */
  readonly memberUid?: bigint;
}

/** The states of a map. */
export type MapState =
  | "NEW"
  | "STATETRANSFERRED"
  | "INITIALIZED"
  | "DESTROYED";

const STATES: readonly string[] = [
  "NEW",
  "STATETRANSFERRED",
  "INITIALIZED",
  "DESTROYED",
];

/** Makes a message; what is not given is null. */
export function createMapMessage(
  msgtype: number,
  mapId: Uint8Array,
  init: Partial<MapMessage> = {},
): MapMessage {
  return {
    msgtype,
    mapId,
    diff: false,
    diffvalue: null,
    keydata: null,
    valuedata: null,
    nodes: null,
    primary: null,
    ...init,
  };
}

/**
 * Makes the object of a message.
 *
 * @param options The release that is to read it, whose serialVersionUID members get.
 * @throws {EncodeError} As `encodeMember`.
 */
export function javaMapMessage(
  message: MapMessage,
  options: MemberObjectOptions = {},
): JavaObject {
  return makeMessage(message, options, new Map());
}

/** Tells whether a node is a message of a map. */
export function isJavaMapMessage(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, MAP_MESSAGE_CLASS);
}

/**
 * Reads a message from its object; members may be of any release.
 *
 * Borrowed: bytes and members are views of the stream.
 * Source: `org.apache.catalina.tribes.tipis.AbstractReplicatedMap.MapMessage`.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class or with other fields; as `decodeMember`.
 */
export function readJavaMapMessage(
  node: JavaNode,
  source?: Uint8Array,
): MapMessage {
  return readMessage(node, source, { members: new Map(), arrays: new Map() });
}

/**
 * Encodes a message as the body of a channel's message.
 *
 * @param options The release that is to read it, or the serialVersionUID of members that a peer has shown.
 * @throws {EncodeError} As `encodeMember`.
 * @example The entry of a session, for the node that is to keep it
 * ```ts
 * import {
 *   createDeltaSession,
 *   createMapMessage,
 *   createMember,
 *   decodeDeltaSession,
 *   decodeMapMessage,
 *   encodeDeltaSession,
 *   encodeHost,
 *   encodeJavaObject,
 *   encodeMapMessage,
 *   javaString,
 *   MSG_BACKUP,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const member = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
 * const bytes = encodeMapMessage(
 *   createMapMessage(MSG_BACKUP, new TextEncoder().encode("/app-map"), {
 *     keydata: encodeJavaObject(javaString("AB.node1")),
 *     valuedata: encodeDeltaSession(createDeltaSession({ id: "AB.node1" })),
 *     primary: member,
 *     nodes: [],
 *   }),
 * );
 * const { valuedata } = decodeMapMessage(bytes);
 * assert(valuedata !== null);
 * assert.equal(decodeDeltaSession(valuedata).id, "AB.node1");
 * ```
 */
export function encodeMapMessage(
  message: MapMessage,
  options?: MemberObjectOptions,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaMapMessage(message, options));
}

/**
 * Decodes a message of any release.
 *
 * Borrowed: bytes and members are views of `bytes`.
 *
 * @throws {DecodeError} As {@linkcode readJavaMapMessage}, and what a stream's reader throws.
 */
export function decodeMapMessage(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): MapMessage {
  return readJavaMapMessage(decodeJavaObject(bytes, limits), bytes);
}

/**
 * Encodes the entries of a map: the value of a reply to `MSG_STATE` and `MSG_STATE_COPY`.
 *
 * @throws {EncodeError} As `encodeMember`.
 */
export function encodeMapEntries(
  entries: readonly MapMessage[],
  options: MemberObjectOptions = {},
): Uint8Array<ArrayBuffer> {
  const known: Known = new Map();
  const nodes = entries.map((entry) => makeMessage(entry, options, known));
  return encodeJavaObject(javaCollection("java.util.ArrayList", nodes), {
    shareEqualClasses: true,
  });
}

/**
 * Decodes the entries of a map.
 *
 * @param valuedata The value of a reply.
 * @throws {DecodeError} `malformed` when it is not a list of messages; as {@linkcode decodeMapMessage}.
 */
export function decodeMapEntries(
  valuedata: Uint8Array,
  limits?: JavaStreamLimits,
): MapMessage[] {
  const value = javaValue(decodeJavaObject(valuedata, limits));
  if (value.form !== "collection") {
    throw new DecodeError("malformed", "mapEntries", 0, "it is not a list");
  }
  const known: Read = { members: new Map(), arrays: new Map() };
  return value.items.map((item) => readMessage(item, valuedata, known));
}

/** Encodes the state of a map: the value of a reply to `MSG_MAP_PING`. */
export function encodeMapState(state: MapState): Uint8Array<ArrayBuffer> {
  const classDesc = knownReplicationClass(MAP_STATE_CLASS);
  return encodeJavaObject(new JavaEnum(classDesc, new JavaString(state)));
}

/**
 * Decodes the state of a map.
 *
 * @returns A {@linkcode MapState}, or the name of one that is not known.
 * @throws {DecodeError} `malformed` when it is anything else.
 */
export function decodeMapState(
  valuedata: Uint8Array,
  limits?: JavaStreamLimits,
): MapState | (string & Record<never, never>) {
  const node = decodeJavaObject(valuedata, limits);
  if (isJavaMapState(node)) return node.name.value;
  throw new DecodeError("malformed", "mapState", 0, "it is not a state");
}

/** Tells whether a node is the state of a map. */
export function isJavaMapState(node: JavaNode | undefined): node is JavaEnum {
  return node?.kind === "enum" && node.classDesc.kind === "class-desc" &&
    node.classDesc.name === MAP_STATE_CLASS;
}

/** Tells whether a text is the name of a {@linkcode MapState}. */
export function isMapState(name: string): name is MapState {
  return STATES.includes(name);
}

/** Behind the stream's header and an object's and a descriptor's code come two bytes of length. */
const NAME_AT = 8;
const NAME_BYTES = new TextEncoder().encode(MAP_MESSAGE_CLASS);

/**
 * Tells at a glance whether a body may be a message of a map: of others nothing more is read.
 *
 * @param bytes The body of a message that is a Java object.
 */
export function mayBeMapMessage(bytes: Uint8Array): boolean {
  return equalBytes(
    bytes.subarray(NAME_AT, NAME_AT + NAME_BYTES.length),
    NAME_BYTES,
  );
}

/** Nodes of bytes and members, which entries of one list share. */
type Known = Map<
  Uint8Array | Member | readonly Member[],
  NonNullable<JavaNode>
>;

function makeMessage(
  message: MapMessage,
  options: MemberObjectOptions,
  known: Known,
): JavaObject {
  const { generation = DEFAULT_GENERATION } = options;
  return javaObject(knownReplicationClass(MAP_MESSAGE_CLASS, generation), {
    msgtype: message.msgtype,
    diff: message.diff,
    mapId: makeBytes(message.mapId, known),
    diffvalue: makeBytes(message.diffvalue, known),
    keydata: makeBytes(message.keydata, known),
    valuedata: makeBytes(message.valuedata, known),
    primary: makeMember(message.primary, options, known),
    nodes: makeMembers(message.nodes, options, known),
  });
}

function makeBytes(bytes: Uint8Array | null, known: Known): JavaNode {
  if (bytes === null) return null;
  return remember(known, bytes, () => javaByteArray(bytes));
}

function makeMember(
  member: MapMember | null,
  options: MemberObjectOptions,
  known: Known,
): JavaNode {
  if (member === null) return null;
  const { memberClass = options.memberClass ?? "MemberImpl" } = member;
  return remember(
    known,
    member,
    () => javaMember(member, { ...options, memberClass }),
  );
}

function makeMembers(
  members: readonly MapMember[] | null,
  options: MemberObjectOptions,
  known: Known,
): JavaNode {
  if (members === null) return null;
  return remember(known, members, () => {
    const array: JavaArray = javaMemberArray([]);
    for (const member of members) {
      array.elements.push(makeMember(member, options, known));
    }
    return array;
  });
}

function remember(
  known: Known,
  key: Uint8Array | Member | readonly Member[],
  make: () => NonNullable<JavaNode>,
): NonNullable<JavaNode> {
  let node = known.get(key);
  if (node === undefined) {
    node = make();
    known.set(key, node);
  }
  return node;
}

/** Members that were read: what occurs twice is one, so that it is written once again. */
interface Read {
  readonly members: Map<JavaNode, MapMember>;
  readonly arrays: Map<JavaNode, MapMember[]>;
}

function readMessage(
  node: JavaNode,
  source: Uint8Array | undefined,
  known: Read,
): MapMessage {
  const fields = new FieldReader(node, MAP_MESSAGE_CLASS, {
    name: "mapMessage",
    source,
  });
  const mapId = fields.bytes("mapId");
  if (mapId === null) throw fields.error("malformed", "mapId", "it is null");
  const primary = fields.node("primary");
  const nodes = fields.node("nodes");
  if (
    nodes !== null &&
    (nodes.kind !== "array" || nodes.classDesc.name !== MEMBERS)
  ) {
    throw fields.error("malformed", "nodes", "it is not a Member[]");
  }
  const first = primary ?? nodes?.elements[0] ?? null;
  const memberUid = first?.kind === "object" ? memberUidOf(first) : undefined;
  return {
    msgtype: fields.integer("msgtype"),
    mapId,
    diff: fields.boolean("diff"),
    diffvalue: fields.bytes("diffvalue"),
    keydata: fields.bytes("keydata"),
    valuedata: fields.bytes("valuedata"),
    nodes: nodes === null ? null : readMembers(nodes, source, known),
    primary: primary === null ? null : readMember(primary, source, known),
    ...memberUid === undefined ? {} : { memberUid },
  };
}

const MEMBERS = javaMemberArray([]).classDesc.name;

function readMembers(
  array: JavaArray,
  source: Uint8Array | undefined,
  known: Read,
): MapMember[] {
  let members = known.arrays.get(array);
  if (members === undefined) {
    members = array.elements.map((node) => readMember(node, source, known));
    known.arrays.set(array, members);
  }
  return members;
}

function readMember(
  node: JavaNode,
  source: Uint8Array | undefined,
  known: Read,
): MapMember {
  let member = known.members.get(node);
  if (member === undefined) {
    member = readJavaMember(node, source);
    if (isJavaMember(node) && memberClassOf(node) !== "MemberImpl") {
      member = { ...member, memberClass: memberClassOf(node) };
    }
    known.members.set(node, member);
  }
  return member;
}
