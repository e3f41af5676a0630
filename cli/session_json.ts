// Deltas, sessions and the objects in them as JSON.
import {
  createDeltaSession,
  createPrincipal,
  type DeltaAction,
  type DeltaRequest,
  type DeltaSession,
  EncodeError,
  type Generation,
  isJavaPrincipal,
  isJavaSingleSignOnListener,
  type JavaNode,
  javaPrincipal,
  javaSingleSignOnListener,
  JavaString,
  readJavaPrincipal,
  readJavaSingleSignOnListener,
  SharedBoxes,
  SSO_LISTENER_CLASS,
} from "../protocol/mod.ts";
import { javaFromJson, javaToJson } from "./java_value_json.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import {
  arrayOf,
  booleanOf,
  objectsOf,
  textOf,
  textOrNull,
} from "./json_fields.ts";

/** Writes a delta as JSON. */
export function deltaToJson(delta: DeltaRequest): JsonObject {
  const { sessionId, recordAllActions, actions } = delta;
  return {
    sessionId,
    recordAllActions,
    actions: actions.map(({ type, action, name, hasValue, value }) => ({
      type,
      action,
      name,
      hasValue,
      value: nodeToJson(value),
    })),
  };
}

/** Reads a delta from JSON, its values for a release. */
export function deltaFromJson(
  value: JsonObject,
  generation: Generation,
): DeltaRequest {
  const boxes = new SharedBoxes();
  return {
    sessionId: textOf(value, "sessionId", ""),
    recordAllActions: booleanOf(value, "recordAllActions", false),
    actions: objectsOf(value, "actions", "").map((form, i): DeltaAction => {
      const path = `actions[${i}].`;
      const fields = new JsonFields(form, path);
      const type = fields.integer("type");
      const node = nodeFromJson(
        form.value ?? null,
        `${path}value`,
        generation,
        boxes,
      );
      return {
        type,
        action: fields.integer("action"),
        name: textOf(form, "name", path),
        hasValue: booleanOf(form, "hasValue", node !== null),
        value: node,
      };
    }),
  };
}

/** Writes a session as JSON. */
export function sessionToJson(session: DeltaSession): JsonObject {
  const { authenticationNotes: notes, lostAttributes = [] } = session;
  return {
    id: session.id,
    creationTime: String(session.creationTime),
    lastAccessedTime: String(session.lastAccessedTime),
    maxInactiveInterval: session.maxInactiveInterval,
    isNew: session.isNew,
    isValid: session.isValid,
    thisAccessedTime: String(session.thisAccessedTime),
    version: String(session.version),
    principal: session.principal === null
      ? null
      : nodeToJson(session.principal),
    authNotesWritten: notes !== null,
    sessionIdNote: noteToJson(notes?.sessionId ?? null),
    savedRequest: noteToJson(notes?.savedRequest ?? null),
    attributes: session.attributes.map(({ name, value }) => ({
      name,
      value: nodeToJson(value),
    })),
    listeners: session.listeners.length,
    listenerObjects: session.listeners.map(nodeToJson),
    lostAttributes,
    ...session.serialVersionUid === undefined
      ? {}
      : { serialVersionUID: String(session.serialVersionUid) },
  };
}

/**
 * Reads a session from JSON.
 *
 * @param path Put before the names of fields in errors.
 * @param boxes The boxes of the stream.
 */
export function sessionFromJson(
  value: JsonObject,
  path: string,
  generation: Generation,
  boxes: SharedBoxes,
): DeltaSession {
  const fields = new JsonFields(value, path);
  const node = (form: JsonValue | undefined, field: string) =>
    nodeFromJson(form ?? null, `${path}${field}`, generation, boxes);
  const note = (field: string) => {
    const form = value[field] ?? null;
    return typeof form === "string" ? new JavaString(form) : node(form, field);
  };
  const listeners = value.listenerObjects === undefined
    ? []
    : arrayOf(value, "listenerObjects", path).map((form) =>
      node(form, "listenerObjects")
    );
  if (listeners.length !== fields.integer("listeners", listeners.length)) {
    throw new EncodeError(
      "unsupported",
      `${path}listeners`,
      "their number does not say what they are",
    );
  }
  const written = booleanOf(
    value,
    "authNotesWritten",
    (value.sessionIdNote ?? value.savedRequest ?? null) !== null,
  );
  return createDeltaSession({
    id: textOf(value, "id", path),
    creationTime: fields.integer("creationTime"),
    lastAccessedTime: fields.integer("lastAccessedTime"),
    maxInactiveInterval: fields.integer("maxInactiveInterval"),
    isNew: booleanOf(value, "isNew"),
    isValid: booleanOf(value, "isValid", true),
    thisAccessedTime: fields.integer("thisAccessedTime"),
    version: fields.integer("version", 0),
    principal: node(value.principal, "principal"),
    authenticationNotes: written
      ? {
        sessionId: note("sessionIdNote"),
        savedRequest: note("savedRequest"),
      }
      : null,
    attributes: objectsOf(value, "attributes", path).map((form, i) => {
      const at = `attributes[${i}].`;
      return {
        name: textOf(form, "name", `${path}${at}`),
        value: node(form.value, `${at}value`),
      };
    }),
    listeners,
  });
}

/** A text as itself, anything else in the form that says its type. */
export function noteToJson(node: JavaNode): JsonValue {
  if (node === null) return null;
  return node.kind === "string" ? node.value : nodeToJson(node);
}

/** An object in the form that says its type; users and listeners have forms of their own. */
export function nodeToJson(node: JavaNode): JsonObject {
  if (isJavaPrincipal(node)) {
    const { name, roles } = readJavaPrincipal(node);
    return { type: "principal", name, roles };
  }
  if (isJavaSingleSignOnListener(node)) {
    return {
      type: SSO_LISTENER_CLASS,
      ssoId: readJavaSingleSignOnListener(node),
    };
  }
  return javaToJson(node);
}

/**
 * Reads an object from JSON.
 *
 * @param boxes The boxes of the stream.
 * @throws {EncodeError} `unsupported` for classes that are not known.
 */
export function nodeFromJson(
  form: JsonValue,
  field: string,
  generation: Generation,
  boxes: SharedBoxes,
): JavaNode {
  if (isJsonObject(form)) {
    if (form.type === "principal") return principalFromJson(form, generation);
    if (form.type === SSO_LISTENER_CLASS && form.ssoId !== undefined) {
      return javaSingleSignOnListener(textOrNull(form, "ssoId"));
    }
  }
  return boxes.share(javaFromJson(form, field));
}

function principalFromJson(
  form: JsonObject,
  generation: Generation,
): JavaNode {
  const roles = arrayOf(form, "roles", "principal.").map((role) => {
    if (typeof role === "string") return role;
    throw new EncodeError("malformed", "principal.roles", "one is not a text");
  });
  const password = textOrNull(form, "password", null);
  const name = textOf(form, "name", "principal.");
  return javaPrincipal(createPrincipal(name, roles, { password }), generation);
}
