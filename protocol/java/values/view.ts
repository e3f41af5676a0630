// Says what a node means.
import { DecodeError } from "../../errors.ts";
import { JavaObjectInput } from "../block_data.ts";
import { type JavaTypeCode, TYPE_SIZES } from "../class_desc.ts";
import {
  isJavaClass,
  javaCustomData,
  javaField,
  javaFields,
  readPrimitive,
} from "../fields.ts";
import type { JavaNode, JavaObject, JavaPrimitiveArray } from "../tree.ts";
import { javaContainer } from "./collections.ts";
import type { JavaValue } from "./java_value.ts";
import { javaText } from "./texts.ts";
import { javaTimeValue } from "./time.ts";

/**
 * Says what a node means, one level deep: what is inside stays nodes. An object of a class that is not known
 * here, or with other data than its class has, is given by its fields.
 *
 * @example The items of a list
 * ```ts
 * import { decodeHex, decodeJavaObject, javaValue } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const list = javaValue(decodeJavaObject(decodeHex(
 *   "aced0005737200136a6176612e7574696c2e41727261794c697374" +
 *     "7881d21d99c7619d03000149000473697a65787000000001770400000001" +
 *     "7400016178",
 * )));
 * assert(list.form === "collection" && list.type === "java.util.ArrayList");
 * assert.deepEqual(list.items.map(javaValue), [
 *   { form: "string", type: "java.lang.String", value: "a" },
 * ]);
 * ```
 */
export function javaValue(node: JavaNode): JavaValue {
  if (node === null) return { form: "null" };
  switch (node.kind) {
    case "string":
      return { form: "string", type: "java.lang.String", value: node.value };
    case "object":
      return objectValue(node);
    case "array":
      return {
        form: "array",
        type: arrayType(node.classDesc.name),
        items: node.elements,
      };
    case "primitive-array":
      return primitives(node);
    case "enum":
      return {
        form: "enum",
        class: className(node.classDesc),
        name: node.name.value,
      };
    case "class":
      return { form: "class", name: className(node.classDesc) };
    case "class-desc":
    case "proxy-class-desc":
      return {
        form: "object",
        type: "java.io.ObjectStreamClass",
        fields: [],
        data: null,
      };
  }
}

function objectValue(object: JavaObject): JavaValue {
  const { classDesc } = object;
  if (classDesc.kind === "proxy-class-desc") {
    const handler = javaField(object, "h", "java.lang.reflect.Proxy");
    return {
      form: "proxy",
      interfaces: classDesc.interfaces,
      handler: typeof handler === "object" ? handler : null,
    };
  }
  try {
    const known = knownValue(object, classDesc.name);
    if (known !== undefined) return known;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error; // data of another form
  }
  const hasData = object.data.some(({ custom }) => custom !== null);
  return {
    form: "object",
    type: classDesc.name,
    fields: javaFields(object),
    data: hasData ? javaCustomData(object) : null,
  };
}

function knownValue(object: JavaObject, type: string): JavaValue | undefined {
  switch (type) {
    case "java.lang.Boolean":
    case "java.lang.Byte":
    case "java.lang.Short":
    case "java.lang.Integer":
    case "java.lang.Long":
    case "java.lang.Float":
    case "java.lang.Double":
    case "java.lang.Character":
      return boxValue(object, type);
    case "java.time.Ser": {
      const time = javaTimeValue(object);
      return time && { form: "text", ...time };
    }
  }
  const text = javaText(object, type);
  if (text !== undefined) return { form: "text", type, text };
  const { classDesc } = object;
  if (isJavaClass(classDesc, "java.util.Date")) return dateValue(object, type);
  if (isJavaClass(classDesc, "java.lang.Throwable")) {
    const message = javaField(object, "detailMessage", "java.lang.Throwable");
    const cause = javaField(object, "cause", "java.lang.Throwable");
    const text = typeof message === "object" && message?.kind === "string"
      ? message.value
      : null;
    // A throwable without a cause is its own.
    const hasCause = typeof cause === "object" && cause !== object;
    return { form: "throwable", type, text, cause: hasCause ? cause : null };
  }
  return javaContainer(object);
}

function boxValue(
  object: JavaObject,
  type:
    | "java.lang.Boolean"
    | "java.lang.Byte"
    | "java.lang.Short"
    | "java.lang.Integer"
    | "java.lang.Long"
    | "java.lang.Float"
    | "java.lang.Double"
    | "java.lang.Character",
): JavaValue | undefined {
  const value = javaField(object, "value", type);
  if (type === "java.lang.Boolean") {
    return typeof value === "boolean"
      ? { form: "boolean", type, value }
      : undefined;
  }
  if (type === "java.lang.Long") {
    return typeof value === "bigint"
      ? { form: "long", type, value }
      : undefined;
  }
  if (typeof value !== "number") return undefined;
  return type === "java.lang.Character"
    ? { form: "character", type, value }
    : { form: "number", type, value };
}

function dateValue(object: JavaObject, type: string): JavaValue {
  const custom = javaCustomData(object, "java.util.Date");
  const millis = new JavaObjectInput(custom).readLong("millis");
  const nanos = javaField(object, "nanos", "java.sql.Timestamp");
  if (typeof nanos !== "number") {
    return { form: "date", type, millis, nanos: null };
  }
  const fraction = BigInt(Math.trunc(nanos / 1_000_000));
  return { form: "date", type, millis: millis + fraction, nanos };
}

function primitives({ classDesc, bytes }: JavaPrimitiveArray): JavaValue {
  if (classDesc.name === "[B") return { form: "bytes", type: "byte[]", bytes };
  const code = classDesc.name[1] as JavaTypeCode; // as of any primitive array
  const items: (number | bigint | boolean)[] = [];
  for (let at = 0; at < bytes.length; at += TYPE_SIZES[code]) {
    items.push(readPrimitive(bytes, at, code));
  }
  return { form: "primitives", type: arrayType(classDesc.name), items };
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  B: "byte",
  C: "char",
  D: "double",
  F: "float",
  I: "int",
  J: "long",
  S: "short",
  Z: "boolean",
};

/** The class of the elements and `[]`: `[I` is `int[]`, `[Ljava.util.Date;` is `java.util.Date[]`. */
function arrayType(name: string): string {
  const element = name.slice(1);
  if (element.startsWith("L")) return `${element.slice(1, -1)}[]`;
  return `${PRIMITIVES[element] ?? element}[]`;
}

/** The name of an array's class: `int[]` is `[I`. */
export function arrayClassName(type: string): string {
  const element = type.slice(0, -2);
  const code = Object.keys(PRIMITIVES).find((key) =>
    PRIMITIVES[key] === element
  );
  if (code !== undefined) return `[${code}`;
  return element.startsWith("[") ? `[${element}` : `[L${element};`;
}

function className(
  desc: { readonly name: string } | { readonly interfaces: readonly string[] },
): string {
  return "name" in desc ? desc.name : desc.interfaces.join(", ");
}
