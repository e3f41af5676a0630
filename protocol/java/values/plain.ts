// Plain JavaScript values to Java's and back.
import { EncodeError } from "../../errors.ts";
import { JavaClassDesc, JavaProxyClassDesc } from "../class_desc.ts";
import {
  javaBoolean,
  javaByteArray,
  javaDouble,
  javaInteger,
  javaLong,
} from "../build.ts";
import { DEFAULT_MAX_JAVA_DEPTH } from "../limits.ts";
import {
  JavaArray,
  JavaClass,
  JavaEnum,
  type JavaNode,
  JavaObject,
  JavaPrimitiveArray,
  JavaString,
} from "../tree.ts";
import { setJavaItems } from "./collections.ts";
import type { JavaEntry } from "./java_value.ts";
import { javaCollection, javaDate, javaMap } from "./make.ts";
import { javaBigInteger } from "./numbers.ts";
import { javaValue } from "./view.ts";

/** What {@linkcode javaFromPlain} takes; a node stands for itself. */
export type PlainJavaValue =
  | null
  | undefined
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | readonly PlainJavaValue[]
  | ReadonlyMap<PlainJavaValue, PlainJavaValue>
  | ReadonlySet<PlainJavaValue>
  | { readonly [name: string]: PlainJavaValue }
  | NonNullable<JavaNode>;

/**
 * Makes a Java object of a plain value: `String`; `Integer` for an integer of 32 bits, `Long` for another safe
 * integer, `Double` for other numbers; `Long` (`BigInteger` beyond 64 bits) for a bigint; `Boolean`;
 * `ArrayList` for an array; `LinkedHashMap` for a Map or an object; `LinkedHashSet` for a Set; `java.util.Date`;
 * `byte[]`; null. What occurs twice is one object in Java too.
 *
 * @throws {EncodeError} `unsupported` for a function or a symbol, `too-large` when values nest too deep.
 * @example
 * ```ts
 * import { encodeJavaObject, javaFromPlain, javaToPlain, decodeJavaObject } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const bytes = encodeJavaObject(javaFromPlain({ user: "ann", visits: 3 }));
 * assert.deepEqual(
 *   javaToPlain(decodeJavaObject(bytes)),
 *   new Map<unknown, unknown>([["user", "ann"], ["visits", 3]]),
 * );
 * ```
 */
export function javaFromPlain(value: PlainJavaValue): JavaNode {
  return new FromPlain().node(value, 0);
}

/**
 * Gives the plain value of a Java object: strings, numbers, booleans, bigints for `Long` and `BigInteger`, Dates,
 * Uint8Array for `byte[]`, arrays for lists and other arrays, Sets, Maps, the text of what has one, the name of
 * an enumeration's constant. Any other object stays the node that it is. An object that occurs twice is one
 * value.
 *
 * @throws {RangeError} When objects nest too deep.
 */
export function javaToPlain(node: JavaNode): unknown {
  return toPlain(node, new Map(), 0);
}

class FromPlain {
  readonly #made = new Map<object, JavaNode>();
  readonly #booleans = new Map<boolean, JavaObject>();

  node(value: PlainJavaValue, depth: number): JavaNode {
    switch (typeof value) {
      case "undefined":
        return null;
      case "string":
        return new JavaString(value);
      case "boolean":
        return this.#boolean(value);
      case "number":
        return numberNode(value);
      case "bigint":
        return BigInt.asIntN(64, value) === value
          ? javaLong(value)
          : javaBigInteger(value);
      case "object":
        return value === null ? null : this.#object(value, depth);
      default:
        throw new EncodeError(
          "unsupported",
          "value",
          `it is a ${typeof value}`,
        );
    }
  }

  #boolean(value: boolean): JavaObject {
    let node = this.#booleans.get(value);
    if (node === undefined) {
      node = javaBoolean(value);
      this.#booleans.set(value, node);
    }
    return node;
  }

  #object(value: object, depth: number): JavaNode {
    if (isJavaNode(value)) return value;
    const made = this.#made.get(value);
    if (made !== undefined) return made;
    if (depth >= DEFAULT_MAX_JAVA_DEPTH) {
      throw new EncodeError("too-large", "value", "it nests too deep");
    }
    if (value instanceof Uint8Array) {
      return this.#keep(value, javaByteArray(value));
    }
    if (value instanceof Date) {
      const millis = value.getTime();
      if (Number.isNaN(millis)) {
        throw new EncodeError("out-of-range", "value", "the date is invalid");
      }
      return this.#keep(value, javaDate(BigInt(millis)));
    }
    // The object is kept before its items are made: they may lead back to it.
    if (Array.isArray(value) || value instanceof Set) {
      const type = value instanceof Set
        ? "java.util.LinkedHashSet"
        : "java.util.ArrayList";
      const list = this.#keep(value, javaCollection(type, []));
      const items = Array.from(
        value as Iterable<PlainJavaValue>,
        (item) => this.node(item, depth + 1),
      );
      setJavaItems(list, items);
      return list;
    }
    const pairs = value instanceof Map ? value : Object.entries(value);
    const map = this.#keep(value, javaMap("java.util.LinkedHashMap", []));
    const entries: JavaEntry[] = [];
    for (
      const [key, item] of pairs as Iterable<[PlainJavaValue, PlainJavaValue]>
    ) {
      entries.push([this.node(key, depth + 1), this.node(item, depth + 1)]);
    }
    setJavaItems(map, entries);
    return map;
  }

  #keep<Node extends NonNullable<JavaNode>>(value: object, node: Node): Node {
    this.#made.set(value, node);
    return node;
  }
}

function numberNode(value: number): JavaObject {
  if ((value | 0) === value && !Object.is(value, -0)) return javaInteger(value);
  return Number.isSafeInteger(value) && value !== 0
    ? javaLong(BigInt(value))
    : javaDouble(value);
}

function isJavaNode(value: object): value is NonNullable<JavaNode> {
  return value instanceof JavaObject || value instanceof JavaString ||
    value instanceof JavaArray || value instanceof JavaPrimitiveArray ||
    value instanceof JavaEnum || value instanceof JavaClass ||
    value instanceof JavaClassDesc || value instanceof JavaProxyClassDesc;
}

function toPlain(
  node: JavaNode,
  made: Map<JavaNode, unknown>,
  depth: number,
): unknown {
  if (made.has(node)) return made.get(node);
  if (depth > DEFAULT_MAX_JAVA_DEPTH) {
    throw new RangeError(`Cannot convert the object: it nests too deep`);
  }
  const value = javaValue(node);
  switch (value.form) {
    case "null":
      return null;
    case "string":
    case "boolean":
    case "number":
    case "long":
      return value.value;
    case "character":
      return String.fromCharCode(value.value);
    case "date":
      return new Date(Number(value.millis));
    case "bytes":
      return value.bytes;
    case "primitives":
      return value.items;
    case "text":
      return value.type === "java.math.BigInteger"
        ? BigInt(value.text)
        : value.text;
    case "enum":
    case "class":
      return value.name;
    case "array":
    case "collection": {
      if (/Set[\dN]*$/.test(value.type)) {
        const set = new Set<unknown>();
        made.set(node, set);
        for (const item of value.items) set.add(toPlain(item, made, depth + 1));
        return set;
      }
      const list: unknown[] = [];
      made.set(node, list);
      for (const item of value.items) list.push(toPlain(item, made, depth + 1));
      return list;
    }
    case "map": {
      const map = new Map<unknown, unknown>();
      made.set(node, map);
      for (const [key, item] of value.entries) {
        map.set(toPlain(key, made, depth + 1), toPlain(item, made, depth + 1));
      }
      return map;
    }
    default:
      return node;
  }
}
