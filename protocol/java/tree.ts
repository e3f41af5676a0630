// A Java object stream as a tree that loses nothing. What a stream refers to by a handle is here the same
// node again, so that cycles occur. Primitive values stay the bytes that they are in the stream, which
// keeps every bit of them and costs nothing until one is asked for (fields.ts).
import type {
  JavaClassDesc,
  JavaClassDescriptor,
  JavaProxyClassDesc,
} from "./class_desc.ts";

/** What a field, an element or a `writeObject` call holds. */
export type JavaNode =
  | null
  | JavaString
  | JavaObject
  | JavaArray
  | JavaPrimitiveArray
  | JavaEnum
  | JavaClass
  | JavaClassDesc
  | JavaProxyClassDesc;

/** What a writeObject or writeExternal method wrote: bytes and objects in any order. */
export type JavaDatum = JavaNode | JavaBlockData;

/** What stands at the top of a stream. */
export type JavaContent = JavaDatum | JavaReset | JavaAborted;

/** A string. */
export class JavaString {
  /** Tells nodes apart. */
  readonly kind = "string";
  /** Its UTF-16 units; lone surrogates and NUL are kept. */
  readonly value: string;
  /** Whether a string of at most 65535 encoded bytes is written in the form for longer ones. */
  readonly long: boolean;

  /** Makes a string; two equal ones are two objects, as in Java. */
  constructor(value: string, long = false) {
    this.value = value;
    this.long = long;
  }
}

/** What one class of an object's hierarchy wrote. */
export class JavaClassData {
  /** The class. */
  readonly classDesc: JavaClassDesc;
  /** Values of its primitive fields, as in the stream. Borrowed. */
  primitives: Uint8Array;
  /** Values of its other fields. */
  objects: JavaNode[];
  /** What its writeObject or writeExternal method wrote behind the fields; `null` without such a method. */
  custom: JavaDatum[] | null;

  /** Makes data of a class. */
  constructor(
    classDesc: JavaClassDesc,
    primitives: Uint8Array,
    objects: JavaNode[],
    custom: JavaDatum[] | null,
  ) {
    this.classDesc = classDesc;
    this.primitives = primitives;
    this.objects = objects;
    this.custom = custom;
  }
}

/** An object of any class but strings, arrays, enumerations and classes. */
export class JavaObject {
  /** Tells nodes apart. */
  readonly kind = "object";
  /** Its class. */
  readonly classDesc: JavaClassDescriptor;
  /** Its data, one entry for each class of `classDesc.layout`. */
  readonly data: JavaClassData[];

  /** Makes an object. */
  constructor(classDesc: JavaClassDescriptor, data: JavaClassData[] = []) {
    this.classDesc = classDesc;
    this.data = data;
  }
}

/** An array of objects. */
export class JavaArray {
  /** Tells nodes apart. */
  readonly kind = "array";
  /** Its class, such as `[Ljava.lang.String;`. */
  readonly classDesc: JavaClassDesc;
  /** Its elements. */
  readonly elements: JavaNode[];

  /** Makes an array. */
  constructor(classDesc: JavaClassDesc, elements: JavaNode[] = []) {
    this.classDesc = classDesc;
    this.elements = elements;
  }
}

/** An array of primitive values. */
export class JavaPrimitiveArray {
  /** Tells nodes apart. */
  readonly kind = "primitive-array";
  /** Its class, such as `[B`. */
  readonly classDesc: JavaClassDesc;
  /** Its elements, as in the stream: big-endian, without the length. Borrowed. */
  readonly bytes: Uint8Array;

  /** Makes an array. */
  constructor(classDesc: JavaClassDesc, bytes: Uint8Array) {
    this.classDesc = classDesc;
    this.bytes = bytes;
  }
}

/** A constant of an enumeration. */
export class JavaEnum {
  /** Tells nodes apart. */
  readonly kind = "enum";
  /** The enumeration. */
  readonly classDesc: JavaClassDescriptor;
  /** The constant's name. */
  name: JavaString;

  /** Makes a constant. */
  constructor(classDesc: JavaClassDescriptor, name: JavaString) {
    this.classDesc = classDesc;
    this.name = name;
  }
}

/** A `java.lang.Class`. */
export class JavaClass {
  /** Tells nodes apart. */
  readonly kind = "class";
  /** The class. */
  readonly classDesc: JavaClassDescriptor;

  /** Makes a class object. */
  constructor(classDesc: JavaClassDescriptor) {
    this.classDesc = classDesc;
  }
}

/** Primitive data between objects. Java's readers see consecutive blocks as one. */
export class JavaBlockData {
  /** Tells contents apart. */
  readonly kind = "block-data";
  /** The bytes. Borrowed. */
  readonly bytes: Uint8Array;
  /** Whether the length is written with 32 bits, as it is above 255 bytes. */
  readonly long: boolean;

  /** Makes a block. */
  constructor(bytes: Uint8Array, long: boolean = bytes.length > 0xff) {
    this.bytes = bytes;
    this.long = long;
  }
}

/** The writer forgot what it had written: what follows is written anew. */
export class JavaReset {
  /** Tells contents apart. */
  readonly kind = "reset";
}

/** An object whose writing an exception ended. What was written of it cannot be read. */
export class JavaAborted {
  /** Tells contents apart. */
  readonly kind = "aborted";
  /** What was written of the object. Borrowed. */
  readonly written: Uint8Array;
  /** Number of handles in use before it: `written` means something only behind as many. */
  readonly handles: number;
  /** The exception. */
  readonly exception: JavaNode;

  /** Makes the mark. */
  constructor(written: Uint8Array, handles: number, exception: JavaNode) {
    this.written = written;
    this.handles = handles;
    this.exception = exception;
  }
}
