// The user of a session. Tomcat writes a stand-in for its GenericPrincipal, whose fields changed with releases;
// as Java goes by their names, each release reads all of them but those of 7.0.
import { DecodeError, EncodeError } from "../errors.ts";
import { javaStringArray } from "../java/build.ts";
import { type JavaFieldValues, javaObject } from "../java/fields.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";
import { DEFAULT_GENERATION, type Generation } from "../generation.ts";
import { FieldReader, isObjectOf } from "./field_reader.ts";
import { stringValue } from "./field_values.ts";
import {
  hasNewMessages,
  knownReplicationClass,
  OLD_PRINCIPAL_CLASS,
  PRINCIPAL_CLASS,
} from "./replication_classes.ts";

/** A user and what the user may do. */
export interface SessionPrincipal {
  /** Name of the user. */
  readonly name: string | null;
  /** The password; only releases below 10.0 write it. */
  readonly password: string | null;
  /** Names of roles; Tomcat sorts them. */
  readonly roles: readonly (string | null)[];
  /** What a login module knows of the user, where it can be written. */
  readonly userPrincipal: JavaNode;
  /** A `java.util.Map` of attributes; since 9.0.59 and 10.0.17. */
  readonly attributes: JavaNode;
}

/** Makes a principal. */
export function createPrincipal(
  name: string,
  roles: readonly string[],
  init: Partial<SessionPrincipal> = {},
): SessionPrincipal {
  return {
    name,
    roles: [...roles],
    password: null,
    userPrincipal: null,
    attributes: null,
    ...init,
  };
}

/** Tells whether a node stands for a user, in the form of any release. */
export function isJavaPrincipal(
  node: JavaNode | undefined,
): node is JavaObject {
  return isObjectOf(node, PRINCIPAL_CLASS) ||
    isObjectOf(node, OLD_PRINCIPAL_CLASS);
}

/**
 * Makes the object that stands for a user.
 *
 * @param principal The user; what the release has no field for is left out.
 */
export function javaPrincipal(
  principal: SessionPrincipal,
  generation: Generation = DEFAULT_GENERATION,
): JavaObject {
  const classDesc = knownReplicationClass(PRINCIPAL_CLASS, generation);
  const { name, password, roles, userPrincipal, attributes } = principal;
  const values: JavaFieldValues = {
    name: stringValue(name),
    password: stringValue(password),
    roles: javaStringArray(roles),
    principal: userPrincipal,
    userPrincipal,
    attributes,
  };
  const has = new Set(classDesc.fields.map(({ name }) => name));
  return javaObject(
    classDesc,
    Object.fromEntries(
      Object.entries(values).filter(([field]) => has.has(field)),
    ),
  );
}

/**
 * Reads a user from the object that stands for it.
 *
 * @param source The stream that the object was decoded from, for offsets of errors.
 * @throws {DecodeError} `malformed` for an object of another class.
 */
export function readJavaPrincipal(
  node: JavaNode,
  source?: Uint8Array,
): SessionPrincipal {
  const old = isObjectOf(node, OLD_PRINCIPAL_CLASS);
  const fields = new FieldReader(
    node,
    old ? OLD_PRINCIPAL_CLASS : PRINCIPAL_CLASS,
    { name: "principal", source },
  );
  const roles = fields.node("roles");
  if (roles !== null && roles.kind !== "array") {
    throw fields.error("malformed", "roles", "it is not a String[]");
  }
  return {
    name: fields.text("name"),
    password: fields.text("password"),
    roles: (roles?.elements ?? []).map((role) => {
      if (role === null) return null;
      if (role.kind === "string") return role.value;
      throw fields.error("malformed", "roles", "it is not a String[]");
    }),
    userPrincipal: fields.node(old ? "userPrincipal" : "principal"),
    attributes: fields.node("attributes"),
  };
}

/**
 * Gives the form that a release reads: 7.0 and later ones have classes of their own. Any other object is
 * returned as it is.
 *
 * @throws {EncodeError} `malformed` for an object that stands for a user and has other fields.
 */
export function principalFor(
  node: JavaNode,
  generation: Generation,
): JavaNode {
  const wanted = hasNewMessages(generation)
    ? PRINCIPAL_CLASS
    : OLD_PRINCIPAL_CLASS;
  if (!isJavaPrincipal(node) || isObjectOf(node, wanted)) return node;
  return javaPrincipal(ownPrincipal(node), generation);
}

/** Reads a user that we are to write. */
export function ownPrincipal(node: JavaNode): SessionPrincipal {
  try {
    return readJavaPrincipal(node);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new EncodeError("malformed", error.field, "it has other fields");
  }
}
