// What changed in a session since the last message about it: the data of EVT_SESSION_DELTA, and what maps send
// in place of a whole value. Values are Java objects, which keep their identity within one delta.
import { DEFAULT_GENERATION, type Generation } from "../generation.ts";
import { javaBoolean, javaInteger } from "../java/build.ts";
import { JavaObjectOutput } from "../java/block_data.ts";
import type { JavaStreamLimits } from "../java/limits.ts";
import { encodeJavaStream } from "../java/stream_writer.ts";
import { type JavaNode, JavaString } from "../java/tree.ts";
import { ContentCursor } from "./content_cursor.ts";
import { principalFor } from "./principal.ts";

/** An attribute. */
export const TYPE_ATTRIBUTE = 0;
/** The user. */
export const TYPE_PRINCIPAL = 1;
/** Whether the client has yet to join the session. */
export const TYPE_ISNEW = 2;
/** Seconds without use after which the session expires. */
export const TYPE_MAXINTERVAL = 3;
/** How the user was authenticated. */
export const TYPE_AUTHTYPE = 4;
/** A listener; since 7.0.62 and 8.5. */
export const TYPE_LISTENER = 5;
/** A note; since 8.5.83, 9.0.66 and 10.0.24. */
export const TYPE_NOTE = 6;

/** The value is set. */
export const ACTION_SET = 0;
/** The value is removed. */
export const ACTION_REMOVE = 1;

/** Name of actions of the type {@linkcode TYPE_PRINCIPAL}. */
export const NAME_PRINCIPAL = "__SET__PRINCIPAL__";
/** Name of actions of the type {@linkcode TYPE_ISNEW}. */
export const NAME_ISNEW = "__SET__ISNEW__";
/** Name of actions of the type {@linkcode TYPE_MAXINTERVAL}. */
export const NAME_MAXINTERVAL = "__SET__MAXINTERVAL__";
/** Name of actions of the type {@linkcode TYPE_AUTHTYPE}. */
export const NAME_AUTHTYPE = "__SET__AUTHTYPE__";
/** Name of actions of the type {@linkcode TYPE_LISTENER}. */
export const NAME_LISTENER = "__SET__LISTENER__";

/** One change. */
export interface DeltaAction {
  /** One of the `TYPE_` numbers; what is unknown is kept. */
  readonly type: number;
  /** `ACTION_SET` or `ACTION_REMOVE`; what is unknown is kept. */
  readonly action: number;
  /** Name of the attribute or the note; other types have a fixed one. */
  readonly name: string;
  /** Whether a value is written. */
  readonly hasValue: boolean;
  /** The value; null where none is written. */
  readonly value: JavaNode;
}

/** The changes of one session. */
export interface DeltaRequest {
  /** Which session. */
  readonly sessionId: string;
  /** Whether changes of one name are all kept; the receiver takes it over. */
  readonly recordAllActions: boolean;
  /** The changes, oldest first. */
  readonly actions: readonly DeltaAction[];
}

/** Sets an attribute; null removes it. */
export function setAttributeAction(name: string, value: JavaNode): DeltaAction {
  return changeOf(TYPE_ATTRIBUTE, name, value);
}

/** Removes an attribute. */
export function removeAttributeAction(name: string): DeltaAction {
  return changeOf(TYPE_ATTRIBUTE, name, null);
}

/** Sets the user, an object of `javaPrincipal()`; null removes it. */
export function principalAction(value: JavaNode): DeltaAction {
  return changeOf(TYPE_PRINCIPAL, NAME_PRINCIPAL, value);
}

/** Sets whether the client has yet to join. */
export function isNewAction(isNew: boolean): DeltaAction {
  return changeOf(TYPE_ISNEW, NAME_ISNEW, javaBoolean(isNew));
}

/** Sets the seconds without use after which the session expires. */
export function maxInactiveIntervalAction(seconds: number): DeltaAction {
  return changeOf(TYPE_MAXINTERVAL, NAME_MAXINTERVAL, javaInteger(seconds));
}

/** Sets how the user was authenticated; null removes it. */
export function authTypeAction(authType: string | null): DeltaAction {
  const value = authType === null ? null : new JavaString(authType);
  return changeOf(TYPE_AUTHTYPE, NAME_AUTHTYPE, value);
}

/** Sets a note; null removes it. */
export function noteAction(name: string, value: JavaNode): DeltaAction {
  return changeOf(TYPE_NOTE, name, value);
}

/**
 * Adds or removes a listener.
 *
 * @param action `ACTION_SET` or `ACTION_REMOVE`; the listener is written either way.
 */
export function listenerAction(
  listener: JavaNode,
  action: number = ACTION_SET,
): DeltaAction {
  return {
    ...changeOf(TYPE_LISTENER, NAME_LISTENER, listener),
    action,
  };
}

/**
 * Encodes a delta.
 *
 * Values are written as they are, but for a user's, which gets the class of the release. An object that
 * occurs twice is written once.
 *
 * @param generation The release that is to read it; the newest by default.
 * @returns A stream, in a fresh, exact array.
 * @throws {EncodeError} When a name is too long or a value has no wire form.
 * @example Two attributes that share a list, which stay one list
 * ```ts
 * import {
 *   decodeDeltaRequest,
 *   encodeDeltaRequest,
 *   javaFromPlain,
 *   setAttributeAction,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const list = javaFromPlain(["s"]);
 * const bytes = encodeDeltaRequest({
 *   sessionId: "AB.node1",
 *   recordAllActions: false,
 *   actions: [setAttributeAction("x", list), setAttributeAction("y", list)],
 * });
 * const [x, y] = decodeDeltaRequest(bytes).actions;
 * assert.equal(x?.value, y?.value);
 * ```
 */
export function encodeDeltaRequest(
  delta: DeltaRequest,
  generation: Generation = DEFAULT_GENERATION,
): Uint8Array<ArrayBuffer> {
  const output = new JavaObjectOutput();
  output.writeUTF(delta.sessionId);
  output.writeBoolean(delta.recordAllActions);
  output.writeInt(delta.actions.length);
  for (const { type, action, name, hasValue, value } of delta.actions) {
    output.writeInt(type);
    output.writeInt(action);
    output.writeUTF(name);
    output.writeBoolean(hasValue);
    if (!hasValue) continue;
    output.writeObject(
      type === TYPE_PRINCIPAL ? principalFor(value, generation) : value,
    );
  }
  return encodeJavaStream(output.contents(), { shareEqualClasses: true });
}

/**
 * Decodes a delta of any release.
 *
 * Borrowed: values refer to `bytes`.
 * Source: `org.apache.catalina.ha.session.DeltaRequest#readExternal`.
 *
 * @throws {DecodeError} `truncated`, `malformed`, `out-of-range` for a negative count, `trailing-bytes`, and
 * what a stream's reader throws.
 */
export function decodeDeltaRequest(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): DeltaRequest {
  const cursor = ContentCursor.ofStream(bytes, "deltaRequest", limits);
  let input = cursor.primitives();
  const sessionId = input.readUTF("sessionId");
  const recordAllActions = input.readBoolean("recordAllActions");
  const count = input.readInt("count");
  if (count < 0) throw input.error("out-of-range", "count", `${count} < 0`);
  const actions: DeltaAction[] = [];
  // Each takes bytes of the stream, which ends a count that lies.
  while (actions.length < count) {
    const type = input.readInt("type");
    const action = input.readInt("action");
    const name = input.readUTF("name");
    const hasValue = input.readBoolean("hasValue");
    const value = hasValue ? cursor.object("value") : null;
    actions.push({ type, action, name, hasValue, value });
    if (hasValue && actions.length < count) input = cursor.primitives();
  }
  cursor.end();
  return { sessionId, recordAllActions, actions };
}

function changeOf(type: number, name: string, value: JavaNode): DeltaAction {
  const hasValue = value !== null;
  const action = hasValue ? ACTION_SET : ACTION_REMOVE;
  return { type, action, name, hasValue, value };
}
