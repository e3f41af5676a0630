// Makes nodes of Java's simplest classes.
import { javaObject } from "./fields.ts";
import { standardJavaClass } from "./standard_classes.ts";
import {
  JavaArray,
  type JavaNode,
  type JavaObject,
  JavaPrimitiveArray,
  JavaString,
} from "./tree.ts";

/** Makes a `java.lang.String`: one of its own, as two calls make two objects. */
export function javaString(value: string): JavaString {
  return new JavaString(value);
}

/** Makes a `java.lang.Boolean`. Java's own are shared: write the same node wherever it stands. */
export function javaBoolean(value: boolean): JavaObject {
  return javaObject(standardJavaClass("java.lang.Boolean"), { value });
}

/**
 * Makes a `java.lang.Integer`.
 *
 * @throws {EncodeError} `out-of-range`.
 */
export function javaInteger(value: number): JavaObject {
  return javaObject(standardJavaClass("java.lang.Integer"), { value });
}

/**
 * Makes a `java.lang.Long`.
 *
 * @throws {EncodeError} `out-of-range`.
 */
export function javaLong(value: bigint): JavaObject {
  return javaObject(standardJavaClass("java.lang.Long"), { value });
}

/** Makes a `java.lang.Double`. */
export function javaDouble(value: number): JavaObject {
  return javaObject(standardJavaClass("java.lang.Double"), { value });
}

/** Makes a `byte[]`; the bytes are kept, not copied. */
export function javaByteArray(bytes: Uint8Array): JavaPrimitiveArray {
  return new JavaPrimitiveArray(standardJavaClass("[B"), bytes);
}

/** Makes a `String[]`. */
export function javaStringArray(
  values: readonly (string | null)[],
): JavaArray {
  return new JavaArray(
    standardJavaClass("[Ljava.lang.String;"),
    values.map((value) => value === null ? null : new JavaString(value)),
  );
}

/** The text of a string node; `undefined` for anything else. */
export function javaStringValue(
  node: JavaNode | undefined,
): string | undefined {
  return node?.kind === "string" ? node.value : undefined;
}
