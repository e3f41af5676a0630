// The descriptors of Java's own classes, as Java 17 writes them. They are data: one here says nothing about
// what a stream may hold.
import {
  JavaClassDesc,
  type JavaField,
  type JavaTypeCode,
} from "./class_desc.ts";
import { EncodeError } from "../errors.ts";
import { JavaString } from "./tree.ts";
import {
  JAVA_ARRAYS,
  JAVA_CLASSES,
  type JavaClassRow,
} from "./standard_class_table.ts";

const TYPES = new Map<string, JavaString>();
const CLASSES = new Map<string, JavaClassDesc>();
for (const row of [...JAVA_CLASSES, ...JAVA_ARRAYS]) {
  CLASSES.set(row[0], describe(row));
}

/**
 * The descriptor of one of Java's own classes; there is one for each, so that streams refer to it.
 *
 * @returns `undefined` for a class that is not known here.
 */
export function knownJavaClass(name: string): JavaClassDesc | undefined {
  return CLASSES.get(name);
}

/**
 * The descriptor of one of Java's own classes.
 *
 * @throws {EncodeError} `unsupported` for a class that is not known here.
 */
export function standardJavaClass(name: string): JavaClassDesc {
  const desc = CLASSES.get(name);
  if (desc !== undefined) return desc;
  throw new EncodeError("unsupported", "java.class", `${name} is not known`);
}

/** What {@linkcode javaClassDesc} takes. */
export interface JavaClassDescOptions {
  /** Name of the class. */
  readonly name: string;
  /** Its serialVersionUID. */
  readonly serialVersionUID: bigint;
  /** `SC_` bits. @default {2} serializable, without a writeObject method */
  readonly flags?: number;
  /**
   * Its fields in Java's order: primitive ones, then the others, each group by name. Letter of the type,
   * name and, for objects, signature: `["I count", "L name Ljava/lang/String;"]`.
   */
  readonly fields?: readonly string[];
  /** The nearest serializable super class. */
  readonly superDesc?: JavaClassDesc | null;
}

/**
 * Makes the descriptor of a class. Make one for each class and keep it: a stream refers to a descriptor that
 * it has written before.
 *
 * @throws {EncodeError} `malformed` for a field that is not of that form.
 * @example
 * ```ts
 * import { encodeJavaObject, javaClassDesc, javaObject, javaString } from "@tribes/toolkit/protocol";
 *
 * const PERSON = javaClassDesc({
 *   name: "example.Person",
 *   serialVersionUID: 42n,
 *   fields: ["I age", "L name Ljava/lang/String;"],
 * });
 * encodeJavaObject(javaObject(PERSON, { age: 33, name: javaString("ann") }));
 * ```
 */
export function javaClassDesc(options: JavaClassDescOptions): JavaClassDesc {
  const { name, serialVersionUID, flags = 2, fields = [] } = options;
  return new JavaClassDesc({
    name,
    serialVersionUID,
    flags,
    fields: fields.map(parseField),
    superDesc: options.superDesc ?? null,
  });
}

function describe(
  [name, serialVersionUID, flags, fields = "", superName]: JavaClassRow,
): JavaClassDesc {
  return javaClassDesc({
    name,
    serialVersionUID,
    flags,
    fields: fields === "" ? [] : fields.split(", "),
    superDesc: superName === undefined ? null : standardJavaClass(superName),
  });
}

function parseField(text: string): JavaField {
  const match = /^([BCDFIJSZ]) ([^ ]+)$|^([[L]) ([^ ]+) ([^ ]+)$/.exec(text);
  if (match === null) {
    throw new EncodeError("malformed", "java.class.fields", `${text} is none`);
  }
  const [, primitive, primitiveName, code, name, signature] = match;
  if (primitive !== undefined && primitiveName !== undefined) {
    const typeCode = primitive as JavaTypeCode; // one of the letters
    return { typeCode, name: primitiveName, type: null };
  }
  const typeCode = code as JavaTypeCode; // one of the letters
  return { typeCode, name: name ?? "", type: typeString(signature ?? "") };
}

/** Fields of equal types share the string, as Java interns it. */
function typeString(signature: string): JavaString {
  let type = TYPES.get(signature);
  if (type === undefined) {
    type = new JavaString(signature);
    TYPES.set(signature, type);
  }
  return type;
}
