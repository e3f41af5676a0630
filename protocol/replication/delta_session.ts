// The state of a session as DeltaSession writes it: in a row of others (session_block.ts), or as an object of
// its own, the value that the backup manager's map has.
//
// Releases differ: 7.0 writes the user inline, listeners came with 7.0.62, and notes of the authenticator
// with 10.1 (always) and late releases of the lines before (on demand). All forms can be told apart, but for a
// last session without a number of listeners, which is also how a stream looks that was cut there.
import { EncodeError } from "../errors.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../generation.ts";
import { type JavaObjectInput, JavaObjectOutput } from "../java/block_data.ts";
import {
  isJavaClass,
  javaCustomData,
  javaExternalizable,
  javaField,
  type JavaFieldValue,
} from "../java/fields.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { decodeJavaObject } from "../java/stream_reader.ts";
import { encodeJavaObject } from "../java/stream_writer.ts";
import { type JavaNode, type JavaObject, JavaString } from "../java/tree.ts";
import { ContentCursor } from "./content_cursor.ts";
import { isObjectOf, serialVersionUidOf } from "./field_reader.ts";
import { longValue } from "./field_values.ts";
import {
  createPrincipal,
  isJavaPrincipal,
  javaPrincipal,
  ownPrincipal,
  principalFor,
} from "./principal.ts";
import {
  DELTA_SESSION_CLASS,
  deltaSessionSerialVersionUid,
  hasNewMessages,
  knownReplicationClass,
} from "./replication_classes.ts";
import { SharedBoxes } from "./shared_boxes.ts";

/** An attribute of a session. */
export interface SessionAttribute {
  /** Its name. */
  readonly name: string;
  /** Its value. */
  readonly value: JavaNode;
}

/** What an authenticator keeps with a session. */
export interface AuthenticationNotes {
  /** The session's id when the user was authenticated, a string. */
  readonly sessionId: JavaNode;
  /** The request that waits for the user's login, a `SavedRequest`. */
  readonly savedRequest: JavaNode;
}

/** A session. Times are milliseconds since the epoch. */
export interface DeltaSession {
  /** Its id. */
  readonly id: string;
  /** When it was created. */
  readonly creationTime: number;
  /** When the request before the last one came. */
  readonly lastAccessedTime: number;
  /** Seconds without use after which it expires. */
  readonly maxInactiveInterval: number;
  /** Whether the client has yet to join. */
  readonly isNew: boolean;
  /** Whether it has not expired. */
  readonly isValid: boolean;
  /** When the last request came. */
  readonly thisAccessedTime: number;
  /** Always 0. */
  readonly version: number;
  /** The user, an object of `javaPrincipal()`; see `readJavaPrincipal()`. */
  readonly principal: JavaNode;
  /**
   * Notes of the authenticator; null where none were written. Releases since 10.1 write them always, those since
   * 8.5.83, 9.0.66 and 10.0.24 when they are not null here, and older ones never.
   */
  readonly authenticationNotes: AuthenticationNotes | null;
  /** Its attributes. */
  readonly attributes: readonly SessionAttribute[];
  /** Its listeners; not written below 7.0.62. */
  readonly listeners: readonly JavaNode[];
  /** Names of attributes that are lost because an exception ended their writing. Not written. */
  readonly lostAttributes?: readonly string[];
  /** The serialVersionUID of a session that was read as an object. Not used for writing. */
  readonly serialVersionUid?: bigint;
}

/** What a reader knows of the writer. */
export interface DeltaSessionReadOptions extends JavaStreamLimits {
  /**
   * The release that wrote it. It matters only below 7.0.62, to take a last session without listeners for what
   * it is.
   */
  readonly generation?: Generation;
}

/** What stands in place of a value that could not be written, below 7.0.65. */
const NOT_SERIALIZED = "___NOT_SERIALIZABLE_EXCEPTION___";

/** What a session is made of: `id` has no default. */
export function createDeltaSession(
  init: Partial<DeltaSession> & Pick<DeltaSession, "id">,
): DeltaSession {
  return {
    creationTime: 0,
    lastAccessedTime: 0,
    maxInactiveInterval: 1800,
    isNew: false,
    isValid: true,
    thisAccessedTime: 0,
    version: 0,
    principal: null,
    authenticationNotes: null,
    attributes: [],
    listeners: [],
    ...init,
  };
}

/**
 * Encodes a session as an object: the value of the backup manager's map.
 *
 * @param generation The release that is to read it; the newest by default. Java refuses any of another row of
 * `deltaSessionSerialVersionUid()`.
 * @throws {EncodeError} When a value has no wire form.
 * @example
 * ```ts
 * import {
 *   createDeltaSession,
 *   decodeDeltaSession,
 *   encodeDeltaSession,
 *   javaInteger,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const session = createDeltaSession({
 *   id: "AB.node1",
 *   attributes: [{ name: "count", value: javaInteger(3) }],
 * });
 * const { attributes } = decodeDeltaSession(encodeDeltaSession(session));
 * assert.deepEqual(attributes, session.attributes);
 * ```
 */
export function encodeDeltaSession(
  session: DeltaSession,
  generation?: Generation,
): Uint8Array<ArrayBuffer> {
  return encodeJavaObject(javaDeltaSession(session, generation), {
    shareEqualClasses: true,
  });
}

/**
 * Decodes a session that is an object, of any release.
 *
 * Borrowed: values refer to `bytes`.
 *
 * @throws {DecodeError} As {@linkcode readJavaDeltaSession}, and what a stream's reader throws.
 */
export function decodeDeltaSession(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): DeltaSession {
  return readJavaDeltaSession(decodeJavaObject(bytes, limits), bytes);
}

/** Makes the object of a session as a release writes it. */
export function javaDeltaSession(
  session: DeltaSession,
  generation: Generation = DEFAULT_GENERATION,
): JavaObject {
  const output = new JavaObjectOutput();
  const boxes = new SharedBoxes();
  boxes.adopt(valuesOf(session, generation));
  writeDeltaSession(output, session, generation, boxes);
  const classDesc = knownReplicationClass(DELTA_SESSION_CLASS, generation);
  return javaExternalizable(classDesc, output.contents());
}

/** Tells whether a node is a session. */
export function isJavaDeltaSession(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, DELTA_SESSION_CLASS);
}

/**
 * Reads a session from its object, of any release.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed`, `truncated`, `out-of-range`, `trailing-bytes`.
 */
export function readJavaDeltaSession(
  node: JavaNode,
  source?: Uint8Array,
): DeltaSession {
  const data = isJavaDeltaSession(node) ? javaCustomData(node) : [];
  const cursor = ContentCursor.ofData(data, "session", source);
  if (!isJavaDeltaSession(node)) {
    throw cursor.error("malformed", "class", "it is not a DeltaSession");
  }
  const serialVersionUid = serialVersionUidOf(node);
  const known = KNOWN_UIDS.has(serialVersionUid ?? 0n);
  const session = readDeltaSession(cursor, !known);
  cursor.end();
  return serialVersionUid === undefined
    ? session
    : { ...session, serialVersionUid };
}

/** serialVersionUIDs of releases that write listeners. */
const KNOWN_UIDS: ReadonlySet<bigint> = new Set(
  ["8.5.0", "8.5.42", "8.5.54", "8.5.83"].map((release) => {
    const [major = 0, minor = 0, patch = 0] = release.split(".").map(Number);
    return deltaSessionSerialVersionUid({ major, minor, patch });
  }),
);

/** Objects of a session that a release writes. */
export function valuesOf(
  session: DeltaSession,
  generation: Generation,
): JavaNode[] {
  const { authenticationNotes: notes } = session;
  return [
    session.principal,
    ...notes !== null && writesNotes(generation, true)
      ? [notes.sessionId, notes.savedRequest]
      : [],
    ...session.attributes.map(({ value }) => value),
    ...writesListeners(generation) ? session.listeners : [],
  ];
}

/**
 * Writes a session.
 *
 * @param boxes The boxes of the stream.
 * @throws {EncodeError} `out-of-range` for numbers beyond their types.
 */
export function writeDeltaSession(
  output: JavaObjectOutput,
  session: DeltaSession,
  generation: Generation,
  boxes: SharedBoxes,
): void {
  const long = (field: keyof DeltaSession, value: number) => {
    const number = Number(longValue(value, `session.${field}`));
    output.writeObject(boxes.long(number));
  };
  const integer = (value: number) => output.writeObject(boxes.integer(value));
  long("creationTime", session.creationTime);
  long("lastAccessedTime", session.lastAccessedTime);
  integer(session.maxInactiveInterval);
  output.writeObject(boxes.boolean(session.isNew));
  output.writeObject(boxes.boolean(session.isValid));
  long("thisAccessedTime", session.thisAccessedTime);
  long("version", session.version);
  output.writeBoolean(session.principal !== null);
  if (session.principal !== null) {
    writePrincipal(output, session.principal, generation);
  }
  output.writeObject(new JavaString(session.id));
  const { authenticationNotes: notes } = session;
  if (writesNotes(generation, notes !== null)) {
    output.writeObject(notes?.sessionId ?? null);
    output.writeObject(notes?.savedRequest ?? null);
  }
  integer(session.attributes.length);
  for (const { name, value } of session.attributes) {
    output.writeObject(boxes.name(name));
    output.writeObject(value);
  }
  if (!writesListeners(generation)) return;
  integer(session.listeners.length);
  for (const listener of session.listeners) output.writeObject(listener);
}

/**
 * Reads a session.
 *
 * @param mayEnd Whether it may end without a number of listeners.
 */
export function readDeltaSession(
  cursor: ContentCursor,
  mayEnd: boolean,
): DeltaSession {
  const creationTime = readLong(cursor, "creationTime");
  const lastAccessedTime = readLong(cursor, "lastAccessedTime");
  const maxInactiveInterval = readInteger(cursor, "maxInactiveInterval");
  const isNew = readBoolean(cursor, "isNew");
  const isValid = readBoolean(cursor, "isValid");
  const thisAccessedTime = readLong(cursor, "thisAccessedTime");
  const version = readLong(cursor, "version");
  const hasPrincipal = cursor.primitives().readBoolean("hasPrincipal");
  const principal = hasPrincipal ? readPrincipal(cursor) : null;
  const id = readString(cursor, "id");
  const authenticationNotes = readNotes(cursor);
  const attributes: SessionAttribute[] = [];
  const lostAttributes: string[] = [];
  for (let i = readCount(cursor, "attributes"); i > 0; i--) {
    const name = readString(cursor, "attribute.name");
    const value = cursor.objectOrAborted("attribute.value");
    if (value?.kind === "aborted") {
      lostAttributes.push(name);
      const next = cursor.peek();
      const isMark = next?.kind === "string" && next.value === NOT_SERIALIZED;
      if (isMark) cursor.object("attribute.value");
    } else attributes.push({ name, value });
  }
  const listeners: JavaNode[] = [];
  const ends = cursor.peek() === undefined
    ? mayEnd
    : isBox(cursor.peek(), "java.lang.Long"); // the next session
  const count = ends ? 0 : readCount(cursor, "listeners");
  while (listeners.length < count) listeners.push(cursor.object("listener"));
  return {
    id,
    creationTime,
    lastAccessedTime,
    maxInactiveInterval,
    isNew,
    isValid,
    thisAccessedTime,
    version,
    principal,
    authenticationNotes,
    attributes,
    listeners,
    ...lostAttributes.length === 0 ? {} : { lostAttributes },
  };
}

/** Reads the number of what follows; each takes bytes of the stream, which ends one that lies. */
export function readCount(cursor: ContentCursor, field: string): number {
  const name = `${field}.count`;
  const { offset } = cursor;
  const count = readInteger(cursor, name);
  if (count >= 0) return count;
  throw cursor.error("out-of-range", name, `${count} < 0`, offset);
}

/** Whether a release writes a number of listeners. */
export function writesListeners(generation: Generation): boolean {
  return isAtLeast(generation, "7.0.62");
}

function writesNotes(generation: Generation, some: boolean): boolean {
  return isAtLeast(generation, "10.1.0") ||
    some && isAtLeast(generation, "8.5.83", "9.0.66", "10.0.24");
}

/** In front of the number of attributes stand two notes, or none. */
function readNotes(cursor: ContentCursor): AuthenticationNotes | null {
  if (isBox(cursor.peek(), "java.lang.Integer")) return null;
  const sessionId = cursor.object("authenticationNotes.sessionId");
  const savedRequest = cursor.object("authenticationNotes.savedRequest");
  return { sessionId, savedRequest };
}

function writePrincipal(
  output: JavaObjectOutput,
  node: JavaNode,
  generation: Generation,
): void {
  if (hasNewMessages(generation)) {
    output.writeObject(principalFor(node, generation));
    return;
  }
  if (!isJavaPrincipal(node)) {
    throw new EncodeError(
      "unsupported",
      "session.principal",
      "7.0 has no form for it",
    );
  }
  const { name, password, roles, userPrincipal } = ownPrincipal(node);
  output.writeUTF(name ?? "");
  output.writeBoolean(password !== null);
  if (password !== null) output.writeUTF(password);
  output.writeInt(roles.length);
  for (const role of roles) output.writeUTF(role ?? "");
  output.writeBoolean(userPrincipal !== null);
  if (userPrincipal !== null) output.writeObject(userPrincipal);
}

/** A user is an object, or its parts in 7.0. */
function readPrincipal(cursor: ContentCursor): JavaNode {
  let input: JavaObjectInput = cursor.primitives();
  if (input.available() === 0) {
    const principal = cursor.object("principal");
    if (principal !== null) return principal;
    throw cursor.error("malformed", "principal", "it is null");
  }
  const name = input.readUTF("principal.name");
  const hasPassword = input.readBoolean("principal.hasPassword");
  const password = hasPassword ? input.readUTF("principal.password") : null;
  const roles: string[] = [];
  const count = input.readInt("principal.roles.count");
  if (count < 0) {
    throw input.error("out-of-range", "principal.roles.count", `${count} < 0`);
  }
  while (roles.length < count) roles.push(input.readUTF("principal.role"));
  input = cursor.primitives();
  const userPrincipal = input.readBoolean("principal.hasUserPrincipal")
    ? cursor.object("principal.userPrincipal")
    : null;
  return javaPrincipal(
    createPrincipal(name, roles, { password, userPrincipal }),
    SEVEN,
  );
}

const SEVEN: Generation = { major: 7, minor: 0, patch: Infinity };

function readString(cursor: ContentCursor, field: string): string {
  const { offset } = cursor;
  const node = cursor.object(field);
  if (node?.kind === "string") return node.value;
  throw cursor.error("malformed", field, "it is not a String", offset);
}

function readLong(cursor: ContentCursor, field: string): number {
  const { offset } = cursor;
  const value = readBox(cursor, field, "java.lang.Long", "bigint");
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  const state = `${value} is not a safe integer`;
  throw cursor.error("out-of-range", field, state, offset);
}

function readInteger(cursor: ContentCursor, field: string): number {
  return Number(readBox(cursor, field, "java.lang.Integer", "number"));
}

function readBoolean(cursor: ContentCursor, field: string): boolean {
  return readBox(cursor, field, "java.lang.Boolean", "boolean") === true;
}

/** Reads a box whose value has a type of JavaScript's. */
function readBox(
  cursor: ContentCursor,
  field: string,
  className: string,
  type: "bigint" | "number" | "boolean",
): JavaFieldValue {
  const { offset } = cursor;
  const node = cursor.object(field);
  const value = node?.kind === "object" && isBox(node, className)
    ? javaField(node, "value")
    : undefined;
  if (value !== undefined && typeof value === type) return value;
  throw cursor.error("malformed", field, `it is not a ${className}`, offset);
}

function isBox(
  content: ReturnType<ContentCursor["peek"]>,
  className: string,
): boolean {
  return content?.kind === "object" &&
    isJavaClass(content.classDesc, className);
}
