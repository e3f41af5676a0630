// The fields of an object of a known class. Like Java, a field that the stream lacks has its default, and one
// that we do not know is passed over.
import { DecodeError } from "../errors.ts";
import { javaField } from "../java/fields.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";

/** Where an object was decoded from, for errors. */
export interface FieldSource {
  /** Name of the structure, put before the names of its fields. */
  readonly name: string;
  /** The stream; without it offsets are 0. */
  readonly source?: Uint8Array | undefined;
}

/** Tells whether a node is an object of exactly that class. */
export function isObjectOf(
  node: JavaNode | undefined,
  className: string,
): node is JavaObject {
  return node?.kind === "object" && node.classDesc.kind === "class-desc" &&
    node.classDesc.name === className;
}

/** Name of a node's class, for messages. */
export function classNameOf(node: JavaNode): string {
  if (node === null) return "null";
  if (node.kind !== "object") return `a node of kind ${node.kind}`;
  const { classDesc } = node;
  return classDesc.kind === "class-desc" ? classDesc.name : "a proxy";
}

/** The serialVersionUID of a node's own class. */
export function serialVersionUidOf(node: JavaNode): bigint | undefined {
  return node?.kind === "object" && node.classDesc.kind === "class-desc"
    ? node.classDesc.serialVersionUID
    : undefined;
}

/** Reads the fields that one class declares. */
export class FieldReader {
  readonly #object: JavaObject;
  readonly #className: string;
  readonly #from: FieldSource;

  /**
   * Reads an object.
   *
   * @param className The class that declares the fields.
   * @throws {DecodeError} `malformed` when the node is not an object of that class or one below.
   */
  constructor(
    node: JavaNode | undefined,
    className: string,
    from: FieldSource,
  ) {
    if (
      node?.kind !== "object" || node.classDesc.kind !== "class-desc" ||
      !hasClass(node, className)
    ) {
      throw new DecodeError(
        "malformed",
        from.name,
        0,
        `${classNameOf(node ?? null)} is not a ${className}`,
      );
    }
    this.#object = node;
    this.#className = className;
    this.#from = from;
  }

  /** Reads an `int`, a `short` or a `byte`. */
  integer(field: string): number {
    const value = this.#get(field) ?? 0;
    if (typeof value === "number") return value;
    throw this.error("malformed", field, "it is not an integer");
  }

  /**
   * Reads a `long`.
   *
   * @throws {DecodeError} `out-of-range` when a number does not hold it.
   */
  long(field: string): number {
    const value = this.#get(field) ?? 0n;
    if (typeof value !== "bigint") {
      throw this.error("malformed", field, "it is not a long");
    }
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw this.error("out-of-range", field, `${value} is not a safe integer`);
  }

  /** Reads a `boolean`. */
  boolean(field: string): boolean {
    const value = this.#get(field) ?? false;
    if (typeof value === "boolean") return value;
    throw this.error("malformed", field, "it is not a boolean");
  }

  /** Reads a `String`. */
  text(field: string): string | null {
    const node = this.node(field);
    if (node === null) return null;
    if (node.kind === "string") return node.value;
    throw this.error("malformed", field, "it is not a String");
  }

  /** Reads a `byte[]`. Borrowed. */
  bytes(field: string): Uint8Array | null {
    const node = this.node(field);
    if (node === null) return null;
    if (node.kind === "primitive-array" && node.classDesc.name === "[B") {
      return node.bytes;
    }
    throw this.error("malformed", field, "it is not a byte[]");
  }

  /** Reads an object of any class. */
  node(field: string): JavaNode {
    const value = this.#get(field) ?? null;
    if (typeof value === "object") return value;
    throw this.error("malformed", field, "it is not an object");
  }

  /** Makes an error about a field; its offset is that of the fields of the class. */
  error(
    code: "malformed" | "out-of-range",
    field: string,
    state: string,
  ): DecodeError {
    const { name, source } = this.#from;
    const part = this.#object.data.find(({ classDesc }) =>
      classDesc.name === this.#className
    );
    const at = part?.primitives;
    const offset = at !== undefined && at.length > 0 &&
        source?.buffer === at.buffer
      ? at.byteOffset - source.byteOffset
      : 0;
    return new DecodeError(code, `${name}.${field}`, offset, state);
  }

  #get(field: string) {
    return javaField(this.#object, field, this.#className);
  }
}

function hasClass(node: JavaObject, className: string): boolean {
  for (
    let desc: JavaObject["classDesc"] | null = node.classDesc;
    desc !== null;
    desc = desc.superDesc
  ) {
    if (desc.kind === "class-desc" && desc.name === className) return true;
  }
  return false;
}
