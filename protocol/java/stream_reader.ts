// Reads a Java object stream into the tree of tree.ts.
//
// Nothing is created by name: every object is data. The reader calls itself for what is nested, down to
// a limit. What Java's own reader refuses is refused here (an enumeration with fields, objects in front of
// primitive fields, a descriptor as its own super class), as is the little that could not be written
// again: a boolean that is neither 0 nor 1 is kept, a string that is not canonical is not.
import { readInt32 } from "../bytes/byte_reader.ts";
import { DecodeError, type DecodeErrorCode } from "../errors.ts";
import {
  JavaClassDesc,
  type JavaClassDescriptor,
  type JavaField,
  JavaProxyClassDesc,
  type JavaTypeCode,
  TYPE_SIZES,
} from "./class_desc.ts";
import {
  type JavaStreamLimits,
  MAX_HIERARCHY_DEPTH,
  resolveJavaStreamLimits,
} from "./limits.ts";
import { decodeModifiedUtf8 } from "./modified_utf8.ts";
import {
  BASE_WIRE_HANDLE,
  SC_BLOCK_DATA,
  SC_ENUM,
  SC_EXTERNALIZABLE,
  SC_SERIALIZABLE,
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
import {
  JavaAborted,
  JavaArray,
  JavaBlockData,
  JavaClass,
  JavaClassData,
  type JavaContent,
  type JavaDatum,
  JavaEnum,
  type JavaNode,
  JavaObject,
  JavaPrimitiveArray,
  JavaReset,
  JavaString,
} from "./tree.ts";

/**
 * Decodes a whole stream: the header, and the objects and blocks behind it.
 *
 * Borrowed: blocks, primitive fields and primitive arrays are views of `bytes`.
 * Source: `java.io.ObjectInputStream`.
 *
 * @throws {DecodeError} `truncated`, `bad-marker`, `malformed`, `out-of-range`, `too-large` (a limit),
 * `unsupported` (externalizable data of protocol version 1, whose end only its class knows).
 * @example The objects of a stream, and what is between them
 * ```ts
 * import { decodeHex, decodeJavaStream } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const [text, block] = decodeJavaStream(
 *   decodeHex("aced0005" + "74000568656c6c6f" + "7702cafe"),
 * );
 * assert(text?.kind === "string" && text.value === "hello");
 * assert(block?.kind === "block-data" && block.bytes.length === 2);
 * ```
 */
export function decodeJavaStream(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): JavaContent[] {
  const reader = new JavaStreamReader(bytes, limits);
  const contents: JavaContent[] = [];
  for (let content; (content = reader.next()) !== undefined;) {
    contents.push(content);
  }
  return contents;
}

/**
 * Decodes a stream that one `writeObject` call made.
 *
 * Borrowed: blocks, primitive fields and primitive arrays are views of `bytes`.
 *
 * @throws {DecodeError} As {@linkcode decodeJavaStream}; `trailing-bytes` when more follows, `malformed`
 * when it is no object.
 */
export function decodeJavaObject(
  bytes: Uint8Array,
  limits?: JavaStreamLimits,
): JavaNode {
  const reader = new JavaStreamReader(bytes, limits);
  const node = reader.readObject();
  reader.end();
  return node;
}

/** Thrown where an exception ended the writing of an object; {@linkcode JavaStreamReader.next} catches it. */
const ABORTED = Symbol("aborted");

/** Reads a stream one content after the other. */
export class JavaStreamReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #limits: Required<JavaStreamLimits>;
  #handles: (NonNullable<JavaNode>)[] = [];
  /** Handles given before resets; they count towards the limit. */
  #oldHandles = 0;
  /** Descriptors whose end has not been read; nothing may be of their class. */
  readonly #open = new Set<JavaClassDescriptor>();
  #depth = 0;
  #inException = false;
  #at = 0;

  /**
   * Reads the header.
   *
   * @param bytes The whole stream; it is not copied and must not change while its tree is used.
   * @throws {DecodeError} `bad-marker` or `truncated` at the header, `too-large` above `maxBytes`.
   */
  constructor(bytes: Uint8Array, limits?: JavaStreamLimits) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#limits = resolveJavaStreamLimits(limits);
    if (bytes.length > this.#limits.maxBytes) {
      throw this.#tooLarge("java", bytes.length, this.#limits.maxBytes, 0);
    }
    this.#header("java.magic", STREAM_MAGIC);
    this.#header("java.version", STREAM_VERSION);
  }

  /** Offset of the next byte. */
  get offset(): number {
    return this.#at;
  }

  /**
   * Reads what comes next.
   *
   * @returns `undefined` at the end of the stream.
   * @throws {DecodeError} Then nothing more can be read.
   */
  next(): JavaContent | undefined {
    if (this.#at === this.#end) return undefined;
    const start = this.#at;
    const handles = this.#handles.length;
    try {
      if (this.#bytes[start] === TC_RESET) {
        this.#at++;
        this.#forget();
        return new JavaReset();
      }
      return this.#datum("java.content");
    } catch (error) {
      if (error === ABORTED) return this.#aborted(start, handles);
      throw this.#withoutOverflow(error);
    }
  }

  /**
   * Reads an object, behind any resets.
   *
   * @throws {DecodeError} `truncated` at the end of the stream, `malformed` when data comes next instead.
   */
  readObject(): JavaNode {
    for (;;) {
      const start = this.#at;
      const content = this.next();
      if (content === undefined) throw this.#truncated(1, "java.object");
      if (content !== null) {
        if (content.kind === "reset") continue;
        if (content.kind === "block-data" || content.kind === "aborted") {
          throw this.#error(
            "malformed",
            "java.object",
            content.kind === "aborted"
              ? "an exception ended its writing"
              : "bytes stand where an object is expected",
            start,
          );
        }
      }
      return content;
    }
  }

  /**
   * Ends the stream.
   *
   * @throws {DecodeError} `trailing-bytes` when more follows.
   */
  end(): void {
    if (this.#at === this.#end) return;
    throw this.#error(
      "trailing-bytes",
      "java",
      `${this.#end - this.#at} bytes after the end`,
    );
  }

  #header(field: string, marker: number): void {
    const at = this.#at;
    for (let i = 0; i < 2 && at + i < this.#end; i++) {
      const wanted = marker >> 8 * (1 - i) & 0xff;
      if (this.#bytes[at + i] !== wanted) {
        throw this.#error(
          "bad-marker",
          field,
          `it is not ${marker.toString(16).padStart(4, "0")}`,
        );
      }
    }
    this.#take(2, field);
  }

  /** A caller may have used up the stack that `maxDepth` relies on: that is an error like the limit's. */
  #withoutOverflow(error: unknown): unknown {
    return error instanceof RangeError
      ? this.#error("too-large", "java.depth", "the stack has no room for it")
      : error;
  }

  /** What an exception left: nothing before it can be referred to behind it. */
  #aborted(start: number, handles: number): JavaAborted {
    const written = this.#bytes.subarray(start, this.#at - 1);
    this.#forget();
    this.#depth = 0;
    this.#open.clear();
    this.#inException = true;
    const exception = this.#exception();
    this.#inException = false;
    this.#forget();
    return new JavaAborted(written, handles, exception);
  }

  #exception(): JavaNode {
    try {
      return this.#node("java.exception");
    } catch (error) {
      throw this.#withoutOverflow(error);
    }
  }

  #forget(): void {
    this.#oldHandles += this.#handles.length;
    this.#handles = [];
  }

  /** Reads an object or a block. */
  #datum(field: string): JavaDatum {
    const code = this.#peek(field);
    return code === TC_BLOCKDATA || code === TC_BLOCKDATALONG
      ? this.#block(code)
      : this.#node(field);
  }

  /** Reads contents up to the end mark. It does what #datum does: each call in between costs stack. */
  #data(field: string): JavaDatum[] {
    const data: JavaDatum[] = [];
    for (;;) {
      const code = this.#peek(field);
      if (code === TC_ENDBLOCKDATA) break;
      data.push(
        code === TC_BLOCKDATA || code === TC_BLOCKDATALONG
          ? this.#block(code)
          : this.#node(field),
      );
    }
    this.#at++;
    return data;
  }

  #block(code: number): JavaBlockData {
    this.#at++;
    const long = code === TC_BLOCKDATALONG;
    const length = long
      ? this.#length("java.block.length")
      : this.#u8("java.block.length");
    return new JavaBlockData(this.#view(length, "java.block"), long);
  }

  #node(field: string): JavaNode {
    const start = this.#at;
    const code = this.#u8(field);
    if (code === TC_NULL) return null;
    if (code === TC_REFERENCE) return this.#reference();
    if (code === TC_STRING) return this.#shortString();
    if (code === TC_LONGSTRING) return this.#longString();
    if (code === TC_EXCEPTION && !this.#inException) throw ABORTED;
    this.#enter(start);
    const node = code === TC_OBJECT
      ? this.#object()
      : code === TC_ARRAY
      ? this.#array()
      : code === TC_ENUM
      ? this.#enum()
      : code === TC_CLASS
      ? this.#class()
      : code === TC_CLASSDESC
      ? this.#classDesc()
      : code === TC_PROXYCLASSDESC
      ? this.#proxyClassDesc()
      : this.#refuse(code, field, start);
    this.#depth--;
    return node;
  }

  #refuse(code: number, field: string, start: number): never {
    throw this.#badCode(field, code, start);
  }

  #object(): JavaObject {
    const at = this.#at;
    const desc = this.#usedDesc("java.object.classDesc");
    const object = new JavaObject(desc);
    this.#assign(object, at);
    if (desc.kind === "class-desc") {
      const { flags, name } = desc;
      if (
        (flags & SC_ENUM) !== 0 || name.charCodeAt(0) === 0x5b ||
        NOT_OBJECTS.has(name)
      ) {
        throw this.#error(
          "malformed",
          "java.object.classDesc",
          `${name} has no ordinary objects`,
          at,
        );
      }
      if ((flags & SC_EXTERNALIZABLE) !== 0) {
        if ((flags & SC_BLOCK_DATA) === 0) {
          throw this.#error(
            "unsupported",
            "java.object",
            `${name} is written with protocol version 1, whose end only the class knows`,
            at,
          );
        }
        const custom = this.#data("java.external");
        object.data.push(new JavaClassData(desc, NO_BYTES, [], custom));
        return object;
      }
    }
    for (const part of desc.layout) {
      const length = part.primitiveLength;
      const primitives = length === 0
        ? NO_BYTES
        : this.#view(length, "java.fields");
      const objects: JavaNode[] = [];
      for (let i = part.objectCount; i > 0; i--) {
        objects.push(this.#node("java.field"));
      }
      const custom = part.hasWriteMethod ? this.#data("java.data") : null;
      object.data.push(new JavaClassData(part, primitives, objects, custom));
    }
    return object;
  }

  #array(): JavaArray | JavaPrimitiveArray {
    const start = this.#at;
    const desc = this.#usedDesc("java.array.classDesc");
    if (desc.kind !== "class-desc" || desc.name.charCodeAt(0) !== 0x5b) {
      throw this.#error(
        "malformed",
        "java.array.classDesc",
        "it is not the class of an array",
        start,
      );
    }
    const code = desc.name[1];
    const size = code === undefined ? undefined : TYPE_SIZES[
      code as JavaTypeCode // any other letter gives undefined
    ];
    if (size === undefined || size > 0 && desc.name.length > 2) {
      throw this.#error(
        "malformed",
        "java.array.classDesc",
        `${desc.name} is not the class of an array`,
        start,
      );
    }
    return size > 0
      ? this.#primitiveArray(desc, size)
      : this.#objectArray(desc);
  }

  #primitiveArray(desc: JavaClassDesc, size: number): JavaPrimitiveArray {
    const index = this.#reserve();
    const length = this.#arrayLength();
    const bytes = this.#view(length * size, "java.array");
    const array = new JavaPrimitiveArray(desc, bytes);
    this.#handles[index] = array;
    return array;
  }

  #objectArray(desc: JavaClassDesc): JavaArray {
    const array = new JavaArray(desc);
    this.#assign(array, this.#at);
    const at = this.#at;
    const length = this.#arrayLength();
    if (length > this.#end - this.#at) { // an element takes a byte at least
      this.#at = at;
      throw this.#truncated(length + 4, "java.array");
    }
    for (let i = 0; i < length; i++) {
      array.elements.push(this.#node("java.element"));
    }
    return array;
  }

  #arrayLength(): number {
    return this.#length("java.array", this.#limits.maxArrayLength);
  }

  #enum(): JavaEnum {
    const start = this.#at;
    const desc = this.#usedDesc("java.enum.classDesc");
    if (desc.kind !== "class-desc" || (desc.flags & SC_ENUM) === 0) {
      throw this.#error(
        "malformed",
        "java.enum.classDesc",
        "it is not the class of an enumeration",
        start,
      );
    }
    const constant = new JavaEnum(desc, NO_STRING);
    this.#assign(constant, this.#at);
    const at = this.#at;
    const code = this.#u8("java.enum.name"); // Java never refers to a string here
    if (code === TC_STRING) constant.name = this.#shortString();
    else if (code === TC_LONGSTRING) constant.name = this.#longString();
    else throw this.#badCode("java.enum.name", code, at);
    return constant;
  }

  #class(): JavaClass {
    const start = this.#at;
    const node = new JavaClass(this.#usedDesc("java.class.classDesc"));
    this.#assign(node, start);
    return node;
  }

  /** Reads a descriptor that has to be there. */
  #usedDesc(field: string): JavaClassDescriptor {
    const start = this.#at;
    const desc = this.#descriptor(field);
    if (desc !== null) return desc;
    throw this.#error("malformed", field, "it is null", start);
  }

  #descriptor(field: string): JavaClassDescriptor | null {
    const start = this.#at;
    const code = this.#u8(field);
    if (code === TC_NULL) return null;
    if (code === TC_REFERENCE) {
      const node = this.#reference();
      if (node.kind !== "class-desc" && node.kind !== "proxy-class-desc") {
        throw this.#error(
          "malformed",
          field,
          "the handle is not one of a class descriptor",
          start,
        );
      }
      if (this.#open.size > 0 && this.#open.has(node)) {
        throw this.#error(
          "malformed",
          field,
          "the handle is one of a class descriptor that has no end yet",
          start,
        );
      }
      return node;
    }
    if (code !== TC_CLASSDESC && code !== TC_PROXYCLASSDESC) {
      throw this.#badCode(field, code, start);
    }
    this.#enter(start);
    const desc = code === TC_CLASSDESC
      ? this.#classDesc()
      : this.#proxyClassDesc();
    this.#depth--;
    return desc;
  }

  #classDesc(): JavaClassDesc {
    const start = this.#at;
    const name = this.#utf("java.classDesc.name");
    const serialVersionUID = this.#i64("java.classDesc.serialVersionUID");
    const desc = new JavaClassDesc({ name, serialVersionUID, flags: 0 });
    this.#assign(desc, start);
    this.#open.add(desc);
    desc.flags = this.#flags();
    desc.fields = this.#fields();
    if (
      (desc.flags & SC_ENUM) !== 0 &&
      (serialVersionUID !== 0n || desc.fields.length > 0)
    ) {
      throw this.#error(
        "malformed",
        "java.classDesc",
        `the enumeration ${name} has a serialVersionUID or fields`,
        start,
      );
    }
    desc.annotation = this.#data("java.classDesc.annotation");
    desc.superDesc = this.#superDesc();
    this.#open.delete(desc);
    return desc;
  }

  #proxyClassDesc(): JavaProxyClassDesc {
    const start = this.#at;
    const desc = new JavaProxyClassDesc([]);
    this.#assign(desc, start);
    this.#open.add(desc);
    const field = "java.proxyClassDesc.interfaces";
    const count = this.#length(field, 0xffff);
    if (count * 2 > this.#end - this.#at) {
      this.#at = start;
      throw this.#truncated(count * 2 + 4, field);
    }
    const interfaces: string[] = [];
    for (let i = 0; i < count; i++) interfaces.push(this.#utf(field));
    desc.interfaces = interfaces;
    desc.annotation = this.#data("java.proxyClassDesc.annotation");
    desc.superDesc = this.#superDesc();
    this.#open.delete(desc);
    return desc;
  }

  #flags(): number {
    const at = this.#at;
    const flags = this.#u8("java.classDesc.flags");
    if ((flags & SC_SERIALIZABLE) !== 0 && (flags & SC_EXTERNALIZABLE) !== 0) {
      throw this.#error(
        "malformed",
        "java.classDesc.flags",
        `${flags} is both serializable and externalizable`,
        at,
      );
    }
    return flags;
  }

  #fields(): JavaField[] {
    const fields: JavaField[] = [];
    let objects = false;
    for (let i = this.#u16("java.classDesc.fields"); i > 0; i--) {
      const at = this.#at;
      const code = String.fromCharCode(
        this.#u8("java.classDesc.field.typeCode"),
      );
      if (!Object.hasOwn(TYPE_SIZES, code)) {
        throw this.#error(
          "malformed",
          "java.classDesc.field.typeCode",
          `${JSON.stringify(code)} is not a type`,
          at,
        );
      }
      const typeCode = code as JavaTypeCode; // checked above
      const name = this.#utf("java.classDesc.field.name");
      const primitive = TYPE_SIZES[typeCode] > 0;
      if (primitive && objects) {
        throw this.#error(
          "malformed",
          "java.classDesc.field",
          `the primitive field ${JSON.stringify(name)} is behind objects`,
          at,
        );
      }
      objects = !primitive;
      fields.push({ typeCode, name, type: primitive ? null : this.#type() });
    }
    return fields;
  }

  #type(): JavaString {
    const at = this.#at;
    const code = this.#u8("java.classDesc.field.type");
    if (code === TC_STRING) return this.#shortString();
    if (code === TC_LONGSTRING) return this.#longString();
    if (code === TC_REFERENCE) {
      const node = this.#reference();
      if (node.kind === "string") return node;
    }
    throw this.#error(
      "malformed",
      "java.classDesc.field.type",
      "it is not a string",
      at,
    );
  }

  #superDesc(): JavaClassDescriptor | null {
    const start = this.#at;
    const desc = this.#descriptor("java.classDesc.super");
    let depth = 1; // the class itself
    for (let above = desc; above !== null; above = above.superDesc) depth++;
    if (depth <= MAX_HIERARCHY_DEPTH) return desc;
    throw this.#tooLarge(
      "java.classDesc.super",
      depth,
      MAX_HIERARCHY_DEPTH,
      start,
    );
  }

  #reference(): NonNullable<JavaNode> {
    const start = this.#at;
    const handle = this.#i32("java.handle");
    const node = this.#handles[handle - BASE_WIRE_HANDLE];
    if (node !== undefined) return node;
    throw this.#error(
      "malformed",
      "java.handle",
      `${(handle >>> 0).toString(16)} has not been given`,
      start,
    );
  }

  #shortString(): JavaString {
    const start = this.#at;
    const string = new JavaString(this.#utf("java.string"));
    this.#assign(string, start);
    return string;
  }

  #longString(): JavaString {
    const start = this.#at;
    const field = "java.string";
    const high = this.#i32("java.string.length");
    const low = this.#i32("java.string.length") >>> 0;
    const length = high * 0x1_0000_0000 + low;
    const string = new JavaString(this.#text(length, field, start), true);
    this.#assign(string, start);
    return string;
  }

  #utf(field: string): string {
    const start = this.#at;
    return this.#text(this.#u16(field), field, start);
  }

  #text(length: number, field: string, start: number): string {
    if (length < 0) {
      throw this.#error("out-of-range", field, `length ${length} < 0`, start);
    }
    if (length > this.#limits.maxStringLength) {
      throw this.#tooLarge(field, length, this.#limits.maxStringLength, start);
    }
    const at = this.#take(length, field);
    return decodeModifiedUtf8(this.#bytes, field, at, this.#at);
  }

  #assign(node: NonNullable<JavaNode>, at: number): void {
    const { length } = this.#handles;
    if (this.#oldHandles + length >= this.#limits.maxHandles) {
      throw this.#tooLarge(
        "java.handles",
        this.#oldHandles + length + 1,
        this.#limits.maxHandles,
        at,
      );
    }
    this.#handles.push(node);
  }

  /** Gives a handle to what cannot be made yet and refers to nothing that could need it. */
  #reserve(): number {
    this.#assign(NO_STRING, this.#at);
    return this.#handles.length - 1;
  }

  #enter(start: number): void {
    if (++this.#depth <= this.#limits.maxDepth) return;
    throw this.#tooLarge(
      "java.depth",
      this.#depth,
      this.#limits.maxDepth,
      start,
    );
  }

  #peek(field: string): number {
    if (this.#at >= this.#end) throw this.#truncated(1, field);
    return this.#bytes[this.#at]!; // checked above
  }

  #u8(field: string): number {
    return this.#bytes[this.#take(1, field)]!; // #take checked the bound
  }

  #u16(field: string): number {
    const at = this.#take(2, field);
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!; // #take checked the bound
  }

  #i32(field: string): number {
    return readInt32(this.#bytes, this.#take(4, field));
  }

  #i64(field: string): bigint {
    const at = this.#take(8, field);
    return BigInt(readInt32(this.#bytes, at)) << 32n |
      BigInt(readInt32(this.#bytes, at + 4) >>> 0);
  }

  #length(field: string, limit = 0x7fff_ffff): number {
    const start = this.#at;
    const value = this.#i32(field);
    if (value < 0) {
      throw this.#error("out-of-range", field, `length ${value} < 0`, start);
    }
    if (value > limit) throw this.#tooLarge(field, value, limit, start);
    return value;
  }

  #view(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  #take(length: number, field: string): number {
    const at = this.#at;
    if (length > this.#end - at) throw this.#truncated(length, field);
    this.#at = at + length;
    return at;
  }

  #truncated(length: number, field: string): DecodeError {
    return this.#error(
      "truncated",
      field,
      `need ${length} bytes, have ${this.#end - this.#at}`,
    );
  }

  #tooLarge(
    field: string,
    value: number,
    limit: number,
    at: number,
  ): DecodeError {
    return this.#error("too-large", field, `${value} > ${limit}`, at);
  }

  #badCode(field: string, code: number, at: number): DecodeError {
    const hex = code.toString(16).padStart(2, "0");
    return this.#error("malformed", field, `code ${hex} cannot stand here`, at);
  }

  #error(
    code: DecodeErrorCode,
    field: string,
    state: string,
    at: number = this.#at,
  ): DecodeError {
    return new DecodeError(code, field, at, state);
  }
}

/** Classes whose objects have codes of their own. */
const NOT_OBJECTS: ReadonlySet<string> = new Set([
  "java.lang.String",
  "java.lang.Class",
  "java.io.ObjectStreamClass",
]);

const NO_BYTES = new Uint8Array(0);
const NO_STRING = new JavaString("");
