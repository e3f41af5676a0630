// Class descriptors, and where the values of their fields lie.
import { SC_EXTERNALIZABLE, SC_WRITE_METHOD } from "./stream_constants.ts";
import type { JavaDatum, JavaString } from "./tree.ts";

/** The letter of a field's type: a primitive one, `[` for an array or `L` for any other object. */
export type JavaTypeCode =
  | "B"
  | "C"
  | "D"
  | "F"
  | "I"
  | "J"
  | "S"
  | "Z"
  | "["
  | "L";

/** A field as a class descriptor lists it. */
export interface JavaField {
  /** Letter of its type. */
  readonly typeCode: JavaTypeCode;
  /** Its name. */
  readonly name: string;
  /**
   * The signature of its type such as `Ljava/lang/String;`, where it is an object. It is a string object,
   * with a handle: fields of equal types share it.
   */
  readonly type: JavaString | null;
}

/** What a descriptor is made of. */
export interface JavaClassDescParts {
  /** Name of the class as `Class.getName()` gives it, such as `java.util.Map$Entry` or `[I`. */
  readonly name: string;
  /** Its serialVersionUID. */
  readonly serialVersionUID: bigint;
  /** `SC_` bits. */
  readonly flags: number;
  /** Primitive fields first. */
  readonly fields?: readonly JavaField[];
  /** What `annotateClass` wrote: nearly always nothing. */
  readonly annotation?: readonly JavaDatum[];
  /** The nearest serializable super class. */
  readonly superDesc?: JavaClassDescriptor | null;
}

/** A descriptor of either kind. */
export type JavaClassDescriptor = JavaClassDesc | JavaProxyClassDesc;

/** Bytes that a primitive type takes; 0 for objects. */
export const TYPE_SIZES: Readonly<Record<JavaTypeCode, number>> = {
  B: 1,
  C: 2,
  D: 8,
  F: 4,
  I: 4,
  J: 8,
  S: 2,
  Z: 1,
  "[": 0,
  L: 0,
};

/**
 * A class as a stream describes it. Streams write a descriptor once and refer to it: share one among
 * objects of the class, and do not change it once an object uses it.
 */
export class JavaClassDesc {
  /** Tells nodes apart. */
  readonly kind = "class-desc";
  /** Name of the class. */
  readonly name: string;
  /** Its serialVersionUID. */
  readonly serialVersionUID: bigint;
  /** `SC_` bits. */
  flags: number;
  /** Primitive fields first. */
  fields: readonly JavaField[];
  /** What `annotateClass` wrote. */
  annotation: readonly JavaDatum[];
  /** The nearest serializable super class. */
  superDesc: JavaClassDescriptor | null;

  #layout: readonly JavaClassDesc[] | undefined;
  #primitiveLength = -1;
  #objectCount = -1;

  /** Makes a descriptor. */
  constructor(parts: JavaClassDescParts) {
    this.name = parts.name;
    this.serialVersionUID = parts.serialVersionUID;
    this.flags = parts.flags;
    this.fields = parts.fields ?? [];
    this.annotation = parts.annotation ?? [];
    this.superDesc = parts.superDesc ?? null;
  }

  /** Whether a writeObject method wrote the data of this class. */
  get hasWriteMethod(): boolean {
    return (this.flags & SC_WRITE_METHOD) !== 0;
  }

  /** Whether objects write themselves, with nothing from the super classes. */
  get isExternalizable(): boolean {
    return (this.flags & SC_EXTERNALIZABLE) !== 0;
  }

  /** Bytes that the primitive fields of this class take, without those of super classes. */
  get primitiveLength(): number {
    if (this.#primitiveLength < 0) this.#measure();
    return this.#primitiveLength;
  }

  /** Number of fields of this class that hold objects, without those of super classes. */
  get objectCount(): number {
    if (this.#objectCount < 0) this.#measure();
    return this.#objectCount;
  }

  /** The classes whose data an object consists of, super classes first; those without data are left out. */
  get layout(): readonly JavaClassDesc[] {
    return this.#layout ??= this.isExternalizable
      ? [this]
      : [...layoutOf(this.superDesc), ...hasData(this) ? [this] : []];
  }

  #measure(): void {
    let length = 0;
    let count = 0;
    for (const { typeCode } of this.fields) {
      const size = TYPE_SIZES[typeCode];
      if (size === 0) count++;
      length += size;
    }
    this.#primitiveLength = length;
    this.#objectCount = count;
  }
}

/** A class that `java.lang.reflect.Proxy` made. */
export class JavaProxyClassDesc {
  /** Tells nodes apart. */
  readonly kind = "proxy-class-desc";
  /** Names of the interfaces. */
  interfaces: readonly string[];
  /** What `annotateProxyClass` wrote. */
  annotation: readonly JavaDatum[];
  /** The descriptor of `java.lang.reflect.Proxy`. */
  superDesc: JavaClassDescriptor | null;

  /** Makes a descriptor. */
  constructor(
    interfaces: readonly string[],
    superDesc: JavaClassDescriptor | null = null,
    annotation: readonly JavaDatum[] = [],
  ) {
    this.interfaces = interfaces;
    this.superDesc = superDesc;
    this.annotation = annotation;
  }

  /** A proxy has no data but that of its super class. */
  get layout(): readonly JavaClassDesc[] {
    return layoutOf(this.superDesc);
  }
}

/** What a super class adds; an externalizable one adds nothing but fields, of which it has none. */
function layoutOf(desc: JavaClassDescriptor | null): readonly JavaClassDesc[] {
  if (desc === null) return [];
  if (desc.kind === "proxy-class-desc" || !desc.isExternalizable) {
    return desc.layout;
  }
  return [...layoutOf(desc.superDesc), ...hasData(desc) ? [desc] : []];
}

function hasData(desc: JavaClassDesc): boolean {
  return desc.fields.length > 0 || desc.hasWriteMethod;
}
