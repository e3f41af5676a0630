// The values of an object's fields: primitive ones are read from, and made into, the bytes of the stream.
import { readInt32 } from "../bytes/byte_reader.ts";
import { ByteWriter } from "../bytes/byte_writer.ts";
import { EncodeError } from "../errors.ts";
import {
  type JavaClassDesc,
  type JavaClassDescriptor,
  type JavaTypeCode,
  TYPE_SIZES,
} from "./class_desc.ts";
import {
  JavaClassData,
  type JavaDatum,
  type JavaNode,
  JavaObject,
} from "./tree.ts";

/**
 * The value of a field: a number for `B C D F I S`, a bigint for `J`, a boolean for `Z`, a node for others.
 */
export type JavaFieldValue = number | bigint | boolean | JavaNode;

/** Values by field name, or by `declaring.Class.field` where classes of a hierarchy use one name. */
export type JavaFieldValues = Readonly<Record<string, JavaFieldValue>>;

/**
 * Reads a field of an object.
 *
 * @param name Its name; a field of the class hides one of its super classes.
 * @param className The class that declares it, to look nowhere else.
 * @returns `undefined` when there is none.
 * @example
 * ```ts
 * import { javaField, javaInteger } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.equal(javaField(javaInteger(7), "value"), 7);
 * ```
 */
export function javaField(
  object: JavaObject,
  name: string,
  className?: string,
): JavaFieldValue | undefined {
  for (let i = object.data.length - 1; i >= 0; i--) {
    const data = object.data[i]!; // i < length
    if (className !== undefined && data.classDesc.name !== className) continue;
    const value = classField(data, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A field and its value. */
export interface JavaFieldEntry {
  /** The class that declares it. */
  readonly className: string;
  /** Its name. */
  readonly name: string;
  /** Letter of its type. */
  readonly typeCode: JavaTypeCode;
  /** Its value. */
  readonly value: JavaFieldValue;
}

/** Lists the fields of an object, those of super classes first. */
export function javaFields(object: JavaObject): JavaFieldEntry[] {
  const entries: JavaFieldEntry[] = [];
  for (const data of object.data) {
    const { classDesc } = data;
    let at = 0;
    let index = 0;
    if (classDesc.isExternalizable) continue;
    for (const { name, typeCode } of classDesc.fields) {
      const size = TYPE_SIZES[typeCode];
      const value = size === 0
        ? data.objects[index++] ?? null
        : readPrimitive(data.primitives, at, typeCode);
      at += size;
      entries.push({ className: classDesc.name, name, typeCode, value });
    }
  }
  return entries;
}

/**
 * Changes fields of an object in place. Its bytes are replaced, not written to, as they may be borrowed.
 *
 * @throws {EncodeError} `malformed` for a field that the object does not have, or a value that does not fit
 * its type; `out-of-range` for a number that does not.
 */
export function setJavaFields(
  object: JavaObject,
  values: JavaFieldValues,
): void {
  for (const [key, value] of Object.entries(values)) {
    const data = object.data.findLast(({ classDesc }) =>
      classDesc.fields.some(({ name }) =>
        name === key || `${classDesc.name}.${name}` === key
      )
    );
    if (data === undefined) {
      throw new EncodeError("malformed", key, "the object has no such field");
    }
    setClassField(data, key, value);
  }
}

/**
 * Makes an object of a serializable class.
 *
 * @param classDesc Its class.
 * @param values Its fields; those that are missing are 0, false or null.
 * @param custom What writeObject methods wrote behind the fields, by class name.
 * @throws {EncodeError} As {@linkcode setJavaFields}.
 */
export function javaObject(
  classDesc: JavaClassDescriptor,
  values: JavaFieldValues = {},
  custom: Readonly<Record<string, readonly JavaDatum[]>> = {},
): JavaObject {
  const object = new JavaObject(classDesc);
  for (const desc of classDesc.layout) {
    const objects = new Array<JavaNode>(desc.objectCount).fill(null);
    const primitives = new Uint8Array(desc.primitiveLength);
    const own = desc.hasWriteMethod ? [...custom[desc.name] ?? []] : null;
    object.data.push(new JavaClassData(desc, primitives, objects, own));
  }
  setJavaFields(object, values);
  return object;
}

/**
 * Makes an object of an externalizable class.
 *
 * @param classDesc Its class.
 * @param contents What its writeExternal method wrote; see `JavaObjectOutput`.
 */
export function javaExternalizable(
  classDesc: JavaClassDesc,
  contents: readonly JavaDatum[],
): JavaObject {
  const data = new JavaClassData(classDesc, new Uint8Array(0), [], [
    ...contents,
  ]);
  return new JavaObject(classDesc, [data]);
}

/** What the writeObject and writeExternal methods of an object's classes wrote, super classes first. */
export function javaCustomData(
  object: JavaObject,
  className?: string,
): JavaDatum[] {
  return object.data.flatMap(({ classDesc, custom }) =>
    custom === null || className !== undefined && classDesc.name !== className
      ? []
      : custom
  );
}

/** Tells whether a class or one above it has a name. */
export function isJavaClass(
  desc: JavaClassDescriptor | null,
  name: string,
): boolean {
  for (let above = desc; above !== null; above = above.superDesc) {
    if (above.kind === "class-desc" && above.name === name) return true;
  }
  return false;
}

/** Reads a primitive value; the caller has checked the bound. */
export function readPrimitive(
  bytes: Uint8Array,
  at: number,
  typeCode: JavaTypeCode,
): number | bigint | boolean {
  switch (typeCode) {
    case "Z":
      return bytes[at] !== 0;
    case "B":
      return bytes[at]! << 24 >> 24;
    case "C":
      return bytes[at]! << 8 | bytes[at + 1]!;
    case "S":
      return (bytes[at]! << 8 | bytes[at + 1]!) << 16 >> 16;
    case "J":
      return BigInt(readInt32(bytes, at)) << 32n |
        BigInt(readInt32(bytes, at + 4) >>> 0);
    case "F":
      return view(bytes, at).getFloat32(0);
    case "D":
      return view(bytes, at).getFloat64(0);
    default:
      return readInt32(bytes, at);
  }
}

/** Bounds of the integer types. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  B: [-0x80, 0x7f],
  C: [0, 0xffff],
  S: [-0x8000, 0x7fff],
  I: [-0x8000_0000, 0x7fff_ffff],
};

/**
 * Makes the bytes of a primitive value.
 *
 * @throws {EncodeError} `malformed` for another type, `out-of-range` for a number beyond the type.
 */
export function primitiveBytes(
  value: number | bigint | boolean,
  typeCode: JavaTypeCode,
  field: string,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TYPE_SIZES[typeCode]);
  const range = RANGES[typeCode];
  if (typeCode === "Z" && typeof value === "boolean") {
    bytes[0] = Number(value);
  } else if (typeCode === "J" && typeof value === "bigint") {
    if (BigInt.asIntN(64, value) !== value) {
      throw new EncodeError("out-of-range", field, `${value} is not a long`);
    }
    new ByteWriter(bytes).i64(value);
  } else if (typeCode === "F" && typeof value === "number") {
    new DataView(bytes.buffer).setFloat32(0, value);
  } else if (typeCode === "D" && typeof value === "number") {
    new DataView(bytes.buffer).setFloat64(0, value);
  } else if (range !== undefined && typeof value === "number") {
    if (!Number.isInteger(value) || value < range[0] || value > range[1]) {
      throw new EncodeError(
        "out-of-range",
        field,
        `${value} is not of type ${typeCode}`,
      );
    }
    for (let i = bytes.length - 1, rest = value; i >= 0; i--, rest >>= 8) {
      bytes[i] = rest;
    }
  } else {
    throw new EncodeError(
      "malformed",
      field,
      `a ${typeof value} is not of type ${typeCode}`,
    );
  }
  return bytes;
}

function classField(
  { classDesc, primitives, objects }: JavaClassData,
  wanted: string,
): JavaFieldValue | undefined {
  let at = 0;
  let index = 0;
  if (classDesc.isExternalizable) return undefined;
  for (const { name, typeCode } of classDesc.fields) {
    const size = TYPE_SIZES[typeCode];
    if (name === wanted) {
      return size === 0
        ? objects[index] ?? null
        : readPrimitive(primitives, at, typeCode);
    }
    if (size === 0) index++;
    else at += size;
  }
  return undefined;
}

function setClassField(
  data: JavaClassData,
  key: string,
  value: JavaFieldValue,
): void {
  const { classDesc } = data;
  let at = 0;
  let index = 0;
  for (const { name, typeCode } of classDesc.fields) {
    const size = TYPE_SIZES[typeCode];
    if (name === key || `${classDesc.name}.${name}` === key) {
      if (size === 0) {
        data.objects[index] = checkNode(value, key);
        return;
      }
      if (typeof value === "object") {
        throw new EncodeError("malformed", key, `it is of type ${typeCode}`);
      }
      const primitives = data.primitives.slice();
      primitives.set(primitiveBytes(value, typeCode, key), at);
      data.primitives = primitives;
      return;
    }
    if (size === 0) index++;
    else at += size;
  }
}

function checkNode(value: JavaFieldValue, key: string): JavaNode {
  if (typeof value === "object") return value;
  throw new EncodeError("malformed", key, `a ${typeof value} is no object`);
}

function view(bytes: Uint8Array, at: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + at);
}
