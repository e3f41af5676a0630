// Writes the tree of tree.ts as a Java object stream. A node that was written before becomes a reference,
// so that a tree which was read gives the bytes that it was read from.
import { writeInt32 } from "../bytes/byte_writer.ts";
import { EncodeError } from "../errors.ts";
import {
  type JavaClassDesc,
  type JavaClassDescriptor,
  type JavaField,
  type JavaProxyClassDesc,
  type JavaTypeCode,
  TYPE_SIZES,
} from "./class_desc.ts";
import { DEFAULT_MAX_JAVA_DEPTH } from "./limits.ts";
import { byteLengthModifiedUtf8, writeModifiedUtf8 } from "./modified_utf8.ts";
import {
  BASE_WIRE_HANDLE,
  STREAM_MAGIC,
  STREAM_VERSION,
  TC_ARRAY,
  TC_BLOCKDATA,
  TC_BLOCKDATALONG,
  TC_CLASS,
  TC_CLASSDESC,
  TC_ENDBLOCKDATA,
  TC_ENUM,
  TC_EXCEPTION,
  TC_LONGSTRING,
  TC_NULL,
  TC_OBJECT,
  TC_PROXYCLASSDESC,
  TC_REFERENCE,
  TC_RESET,
  TC_STRING,
} from "./stream_constants.ts";
import type {
  JavaAborted,
  JavaArray,
  JavaBlockData,
  JavaClassData,
  JavaContent,
  JavaDatum,
  JavaEnum,
  JavaNode,
  JavaObject,
  JavaPrimitiveArray,
  JavaString,
} from "./tree.ts";

/** How a stream is written. */
export interface JavaStreamWriterOptions {
  /**
   * Writes class descriptors and field types that are equal but not the same node only once, as Java does.
   * Set it where one stream is made of parts of others. Without it every node is written as it is, which
   * readers accept too.
   * @default {false}
   */
  readonly shareEqualClasses?: boolean;
  /**
   * Depth to which nodes nest.
   * @default {1000}
   */
  readonly maxDepth?: number;
}

/**
 * Encodes a whole stream with its header.
 *
 * @throws {EncodeError} `malformed` when data does not fit its class, `too-large` when nodes nest too deep.
 * @example Writes a string twice: the same one becomes a reference
 * ```ts
 * import { encodeHex, encodeJavaStream, JavaString } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const text = new JavaString("a");
 * const bytes = encodeJavaStream([text, text, new JavaString("a")]);
 * assert.equal(encodeHex(bytes), "aced000574000161" + "71007e0000" + "74000161");
 * ```
 */
export function encodeJavaStream(
  contents: readonly JavaContent[],
  options?: JavaStreamWriterOptions,
): Uint8Array<ArrayBuffer> {
  const writer = new JavaStreamWriter(options);
  for (const content of contents) writer.write(content);
  return writer.finish();
}

/**
 * Encodes one object as a stream of its own.
 *
 * @throws {EncodeError} As {@linkcode encodeJavaStream}.
 */
export function encodeJavaObject(
  node: JavaNode,
  options?: JavaStreamWriterOptions,
): Uint8Array<ArrayBuffer> {
  const writer = new JavaStreamWriter(options);
  writer.write(node);
  return writer.finish();
}

/** Writes a stream one content after the other. */
export class JavaStreamWriter {
  // The length is known only at the end: handles decide what is written, so that measuring is writing.
  #bytes = new Uint8Array(1024);
  #at = 0;
  readonly #shareEqual: boolean;
  readonly #maxDepth: number;
  readonly #handles = new Map<NonNullable<JavaNode>, number>();
  #nextHandle = 0;
  #depth = 0;
  /** Descriptors by class name and field types by signature, where equal ones are shared. */
  readonly #classes = new Map<string, JavaClassDesc[]>();
  readonly #types = new Map<string, JavaString>();

  /** Writes the header. */
  constructor(options: JavaStreamWriterOptions = {}) {
    this.#shareEqual = options.shareEqualClasses ?? false;
    this.#maxDepth = options.maxDepth ?? DEFAULT_MAX_JAVA_DEPTH;
    this.#u16(STREAM_MAGIC);
    this.#u16(STREAM_VERSION);
  }

  /**
   * Writes what stands at the top of a stream.
   *
   * @throws {EncodeError} Then nothing more can be written.
   */
  write(content: JavaContent): void {
    try {
      if (content !== null && content.kind === "reset") {
        this.#u8(TC_RESET);
        this.#forget();
      } else if (content !== null && content.kind === "aborted") {
        this.#aborted(content);
      } else {
        this.#datum(content);
      }
    } catch (error) {
      if (error instanceof EncodeError || !(error instanceof RangeError)) {
        throw error;
      }
      // A caller may have used up the stack that the limit of depth relies on.
      throw new EncodeError("too-large", "java.depth", "the stack has no room");
    }
  }

  /** Gives what was written, as a copy. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  #aborted({ written, handles, exception }: JavaAborted): void {
    if (handles !== this.#nextHandle) {
      throw new EncodeError(
        "unsupported",
        "java.aborted",
        `it was read behind ${handles} handles, not ${this.#nextHandle}`,
      );
    }
    this.#raw(written);
    this.#u8(TC_EXCEPTION);
    this.#forget();
    this.#node(exception);
    this.#forget();
  }

  #forget(): void {
    this.#handles.clear();
    this.#classes.clear();
    this.#types.clear();
    this.#nextHandle = 0;
  }

  #datum(datum: JavaDatum): void {
    if (datum !== null && datum.kind === "block-data") this.#block(datum);
    else this.#node(datum);
  }

  /** Writes contents and their end. It does what #datum does: each call in between costs stack. */
  #data(data: readonly JavaDatum[]): void {
    for (let i = 0; i < data.length; i++) {
      const datum = data[i]!; // i < length; null passes too
      if (datum !== null && datum.kind === "block-data") this.#block(datum);
      else this.#node(datum);
    }
    this.#u8(TC_ENDBLOCKDATA);
  }

  #block({ bytes, long }: JavaBlockData): void {
    if (long) {
      this.#u8(TC_BLOCKDATALONG);
      this.#i32(bytes.length);
    } else {
      if (bytes.length > 0xff) {
        throw new EncodeError(
          "too-large",
          "java.block",
          `${bytes.length} > 255, the length of a short block`,
        );
      }
      this.#u8(TC_BLOCKDATA);
      this.#u8(bytes.length);
    }
    this.#raw(bytes);
  }

  #node(node: JavaNode): void {
    if (node === null) {
      this.#u8(TC_NULL);
      return;
    }
    const handle = this.#handles.get(node);
    if (handle !== undefined) {
      this.#reference(handle);
      return;
    }
    if (node.kind === "string") {
      this.#string(node);
      return;
    }
    this.#enter();
    switch (node.kind) {
      case "object":
        this.#object(node);
        break;
      case "array":
        this.#array(node);
        break;
      case "primitive-array":
        this.#primitiveArray(node);
        break;
      case "enum":
        this.#enum(node);
        break;
      case "class":
        this.#u8(TC_CLASS);
        this.#descriptor(node.classDesc);
        this.#assign(node);
        break;
      case "class-desc":
        this.#classDesc(node);
        break;
      case "proxy-class-desc":
        this.#proxyClassDesc(node);
    }
    this.#depth--;
  }

  #object(node: JavaObject): void {
    this.#u8(TC_OBJECT);
    this.#descriptor(node.classDesc);
    this.#assign(node);
    const { layout } = node.classDesc;
    if (layout.length !== node.data.length) {
      throw misfit(`${node.data.length} parts, not ${layout.length}`, node);
    }
    for (let i = 0; i < layout.length; i++) {
      const data = node.data[i]!; // i < length
      checkClassData(data, layout[i]!, node); // likewise
      const { primitives, objects, custom } = data;
      this.#raw(primitives);
      for (let k = 0; k < objects.length; k++) this.#node(objects[k]!); // null passes too
      if (custom !== null) this.#data(custom);
    }
  }

  #array(node: JavaArray): void {
    checkArrayClass(node.classDesc, 0);
    this.#u8(TC_ARRAY);
    this.#descriptor(node.classDesc);
    this.#assign(node);
    this.#i32(node.elements.length);
    for (const element of node.elements) this.#node(element);
  }

  #primitiveArray(node: JavaPrimitiveArray): void {
    const { bytes, classDesc } = node;
    const size = TYPE_SIZES[classDesc.name[1] as JavaTypeCode]; // checked next
    checkArrayClass(classDesc, size > 0 ? size : NaN);
    if (bytes.length % size !== 0) {
      throw new EncodeError(
        "malformed",
        "java.array",
        `${bytes.length} bytes are no whole elements of ${classDesc.name}`,
      );
    }
    this.#u8(TC_ARRAY);
    this.#descriptor(classDesc);
    this.#assign(node);
    this.#i32(bytes.length / size);
    this.#raw(bytes);
  }

  #enum(node: JavaEnum): void {
    this.#u8(TC_ENUM);
    this.#descriptor(node.classDesc);
    this.#assign(node);
    this.#string(node.name); // never a reference: Java refuses one here
  }

  #descriptor(desc: JavaClassDescriptor | null): void {
    if (desc === null) {
      this.#u8(TC_NULL);
      return;
    }
    const handle = this.#handles.get(desc) ?? this.#equalClass(desc);
    if (handle !== undefined) {
      this.#reference(handle);
      return;
    }
    this.#enter();
    if (desc.kind === "class-desc") this.#classDesc(desc);
    else this.#proxyClassDesc(desc);
    this.#depth--;
  }

  #classDesc(desc: JavaClassDesc): void {
    this.#u8(TC_CLASSDESC);
    this.#utf(desc.name, "java.classDesc.name");
    this.#i64(desc.serialVersionUID);
    this.#assign(desc);
    this.#u8(desc.flags);
    this.#u16(desc.fields.length);
    for (const field of desc.fields) this.#field(field);
    this.#data(desc.annotation);
    this.#descriptor(desc.superDesc);
    if (!this.#shareEqual) return;
    const named = this.#classes.get(desc.name);
    if (named === undefined) this.#classes.set(desc.name, [desc]);
    else named.push(desc);
  }

  #field({ typeCode, name, type }: JavaField): void {
    this.#u8(typeCode.charCodeAt(0));
    this.#utf(name, "java.classDesc.field.name");
    if (type === null) {
      if (TYPE_SIZES[typeCode] > 0) return;
      throw new EncodeError(
        "malformed",
        "java.classDesc.field.type",
        `the field ${name} has none`,
      );
    }
    const known = this.#shareEqual ? this.#types.get(type.value) : undefined;
    this.#node(known ?? type);
    if (this.#shareEqual && known === undefined) {
      this.#types.set(type.value, type);
    }
  }

  #proxyClassDesc(desc: JavaProxyClassDesc): void {
    this.#u8(TC_PROXYCLASSDESC);
    this.#assign(desc);
    this.#i32(desc.interfaces.length);
    for (const name of desc.interfaces) {
      this.#utf(name, "java.proxyClassDesc.interfaces");
    }
    this.#data(desc.annotation);
    this.#descriptor(desc.superDesc);
  }

  #equalClass(desc: JavaClassDescriptor): number | undefined {
    if (!this.#shareEqual || desc.kind !== "class-desc") return undefined;
    const written = this.#classes.get(desc.name)?.find((other) =>
      equalClassDescs(other, desc)
    );
    return written && this.#handles.get(written);
  }

  #string(node: JavaString): void {
    const length = byteLengthModifiedUtf8(node.value);
    if (node.long || length > 0xffff) {
      this.#u8(TC_LONGSTRING);
      this.#i32(0); // a JavaScript string is far below 4 GiB
      this.#i32(length);
    } else {
      this.#u8(TC_STRING);
      this.#u16(length);
    }
    this.#assign(node);
    this.#text(node.value, length);
  }

  #utf(text: string, field: string): void {
    const length = byteLengthModifiedUtf8(text);
    if (length > 0xffff) {
      throw new EncodeError("too-large", field, `${length} bytes > 65535`);
    }
    this.#u16(length);
    this.#text(text, length);
  }

  #text(text: string, length: number): void {
    this.#reserve(length);
    this.#at = writeModifiedUtf8(this.#bytes, this.#at, text);
  }

  #assign(node: NonNullable<JavaNode>): void {
    this.#handles.set(node, this.#nextHandle++);
  }

  #reference(handle: number): void {
    this.#u8(TC_REFERENCE);
    this.#i32(BASE_WIRE_HANDLE + handle);
  }

  #enter(): void {
    if (++this.#depth <= this.#maxDepth) return;
    throw new EncodeError(
      "too-large",
      "java.depth",
      `${this.#depth} > ${this.#maxDepth}`,
    );
  }

  #u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  #u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#at++] = value >>> 8;
    this.#bytes[this.#at++] = value;
  }

  #i32(value: number): void {
    this.#reserve(4);
    writeInt32(this.#bytes, this.#at, value);
    this.#at += 4;
  }

  #i64(value: bigint): void {
    this.#i32(Number(BigInt.asIntN(32, value >> 32n)));
    this.#i32(Number(BigInt.asIntN(32, value)));
  }

  #raw(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = new Uint8Array(
      Math.max(this.#bytes.length * 2, this.#at + length),
    );
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Compares descriptors without annotations; one with an annotation equals no other. */
export function equalClassDescs(
  a: JavaClassDescriptor | null,
  b: JavaClassDescriptor | null,
): boolean {
  if (a === b) return true;
  if (a?.kind !== "class-desc" || b?.kind !== "class-desc") return false;
  return a.name === b.name && a.serialVersionUID === b.serialVersionUID &&
    a.flags === b.flags && a.annotation.length === 0 &&
    b.annotation.length === 0 && a.fields.length === b.fields.length &&
    a.fields.every((field, i) => equalFields(field, b.fields[i]!)) && // lengths are equal
    equalClassDescs(a.superDesc, b.superDesc);
}

function equalFields(a: JavaField, b: JavaField): boolean {
  return a.typeCode === b.typeCode && a.name === b.name &&
    a.type?.value === b.type?.value;
}

function checkClassData(
  { classDesc, primitives, objects, custom }: JavaClassData,
  desc: JavaClassDesc,
  node: JavaObject,
): void {
  // Externalizable objects have no fields, whatever their descriptor lists.
  const external = desc.isExternalizable && desc === node.classDesc;
  if (
    classDesc !== desc ||
    (external || desc.hasWriteMethod) !== (custom !== null) ||
    primitives.length !== (external ? 0 : desc.primitiveLength) ||
    objects.length !== (external ? 0 : desc.objectCount)
  ) {
    throw misfit(`data that is not of ${desc.name}`, node);
  }
}

function checkArrayClass({ name }: JavaClassDesc, size: number): void {
  const wanted = name[0] === "["
    ? TYPE_SIZES[name[1] as JavaTypeCode] // undefined for any other letter
    : undefined;
  if (wanted === size && (size === 0 || name.length === 2)) return;
  throw new EncodeError(
    "malformed",
    "java.array.classDesc",
    `${name} is not the class of such an array`,
  );
}

function misfit(state: string, { classDesc }: JavaObject): EncodeError {
  const name = classDesc.kind === "class-desc" ? classDesc.name : "a proxy";
  return new EncodeError("malformed", "java.object", `${name} has ${state}`);
}
