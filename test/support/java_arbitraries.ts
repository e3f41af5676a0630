// Java object streams for the property tests, and those of the golden vectors.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  JavaArray,
  JavaBlockData,
  JavaClass,
  JavaClassData,
  JavaClassDesc,
  type JavaContent,
  type JavaDatum,
  JavaEnum,
  type JavaField,
  type JavaNode,
  JavaObject,
  JavaPrimitiveArray,
  JavaProxyClassDesc,
  JavaReset,
  JavaString,
  type JavaTypeCode,
  type PlainJavaValue,
} from "../../protocol/mod.ts";
import { byteStrings } from "./arbitraries.ts";
import type { Vector } from "./vectors.ts";

/** A Java stream. */
export interface JavaVector extends Vector {
  /** The stream; absent where only its head is given. */
  readonly hex?: string;
  /** What one object is, of `java-serialization`. */
  readonly value?: Readonly<Record<string, unknown>>;
  /** What a stream holds, of `java-stream`. */
  readonly content?: readonly unknown[];
}

/**
 * Loads the vectors of Java streams.
 *
 * @throws {Error} When the file is missing or empty.
 */
export function javaVectors(
  category: "java-serialization" | "java-stream",
): readonly JavaVector[] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  // The files are our own, and their form is that declared above.
  const file = JSON.parse(readFileSync(url, "utf8")) as {
    vectors: JavaVector[];
  };
  if (file.vectors.length === 0) throw new Error(`No vectors in ${category}`);
  return file.vectors;
}

/** Strings of any UTF-16 units: NUL, lone surrogates, long ones. */
export function javaTexts(): fc.Arbitrary<string> {
  const units = fc.array(
    fc.oneof(
      fc.integer({ min: 0x20, max: 0x7e }),
      fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xdfff, 0xffff),
      fc.nat(0xffff),
    ),
    { maxLength: 80 },
  ).map((codes) => String.fromCharCode(...codes));
  return fc.oneof(
    { weight: 5, arbitrary: fc.string({ unit: "grapheme-ascii" }) },
    { weight: 4, arbitrary: units },
    { weight: 1, arbitrary: fc.constantFrom("a".repeat(49), "é".repeat(50)) },
  );
}

// Trees are made of a list of numbers: each decision takes the next one. Shrinking the list shrinks the tree.
const MAX_DEPTH = 6;

/** Streams of every shape that has a wire form, with shared nodes and cycles. */
export function javaStreams(): fc.Arbitrary<JavaContent[]> {
  return fc.tuple(
    fc.array(fc.nat(0xffff), { maxLength: 160 }),
    fc.array(javaTexts(), { minLength: 1, maxLength: 6 }),
    fc.array(byteStrings(20), { minLength: 1, maxLength: 4 }),
  ).map(([choices, texts, bytes]) =>
    new TreeMaker(choices, texts, bytes).contents()
  );
}

/** Plain values that Java has, and that come back as they were. */
export function plainJavaValues(): fc.Arbitrary<PlainJavaValue> {
  const leaves = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) =>
      !Number.isInteger(value)
    ),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    javaTexts(),
    byteStrings(),
    fc.date({ noInvalidDate: true }),
  );
  return fc.letrec<{ value: PlainJavaValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      { weight: 3, arbitrary: leaves },
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(javaTexts(), tie("value")), { maxLength: 4 }).map(
        (entries) => new Map(entries),
      ),
    ),
  })).value;
}

class TreeMaker {
  readonly #choices: readonly number[];
  readonly #texts: readonly string[];
  readonly #bytes: readonly Uint8Array[];
  #next = 0;
  #nodes: NonNullable<JavaNode>[] = [];
  #descs: JavaClassDesc[] = [];
  #types: JavaString[] = [];

  constructor(
    choices: readonly number[],
    texts: readonly string[],
    bytes: readonly Uint8Array[],
  ) {
    this.#choices = choices;
    this.#texts = texts;
    this.#bytes = bytes;
  }

  contents(): JavaContent[] {
    const contents: JavaContent[] = [];
    while (this.#next < this.#choices.length) {
      if (this.#pick(8) === 0) {
        contents.push(new JavaReset());
        // Nodes from before would be written anew, and read as others.
        this.#nodes = [];
        this.#descs = [];
        this.#types = [];
      }
      contents.push(this.#datum(0));
    }
    return contents;
  }

  #pick(count: number): number {
    return (this.#choices[this.#next++] ?? 0) % count;
  }

  #datum(depth: number): JavaDatum {
    return this.#pick(3) === 0 ? this.#block() : this.#node(depth);
  }

  #data(depth: number): JavaDatum[] {
    return Array.from({ length: this.#pick(4) }, () => this.#datum(depth));
  }

  #block(): JavaBlockData {
    return new JavaBlockData(this.#someBytes(), this.#pick(3) === 0);
  }

  #someBytes(): Uint8Array {
    return this.#bytes[this.#pick(this.#bytes.length)]!; // there is one
  }

  #text(): string {
    return this.#texts[this.#pick(this.#texts.length)]!; // there is one
  }

  #node(depth: number): JavaNode {
    const kind = this.#pick(depth > MAX_DEPTH ? 4 : 11);
    switch (kind) {
      case 0:
        return null;
      case 1:
        return this.#nodes[this.#pick(this.#nodes.length + 1)] ?? null;
      case 2:
        return this.#keep(new JavaString(this.#text(), this.#pick(4) === 0));
      case 3:
        return this.#primitives();
      case 4: {
        const array = new JavaArray(this.#arrayDesc("[Ljava.lang.Object;"));
        this.#keep(array);
        for (let i = this.#pick(4); i > 0; i--) {
          array.elements.push(this.#node(depth + 1));
        }
        return array;
      }
      case 5: {
        const desc = this.#make(0x12, 0, depth);
        const name = new JavaString(this.#text());
        const constant = new JavaEnum(desc, name);
        this.#nodes.push(constant, name);
        return constant;
      }
      case 6:
        return this.#keep(new JavaClass(this.#desc(depth + 1)));
      case 7:
        return this.#proxy(depth + 1);
      case 8: {
        const desc = this.#make(0x0c, 0, depth);
        const object = this.#keep(new JavaObject(desc));
        const data = this.#data(depth + 1);
        object.data.push(new JavaClassData(desc, NO_BYTES, [], data));
        return object;
      }
      default:
        return this.#object(depth);
    }
  }

  #object(depth: number): JavaObject {
    const desc = this.#desc(depth + 1);
    const object = this.#keep(new JavaObject(desc));
    this.#fill(object, depth);
    return object;
  }

  #fill(object: JavaObject, depth: number): void {
    for (const part of object.classDesc.layout) {
      const primitives = Uint8Array.from(
        { length: part.primitiveLength },
        () => this.#pick(256),
      );
      const objects = Array.from(
        { length: part.objectCount },
        () => this.#node(depth + 1),
      );
      const custom = part.hasWriteMethod ? this.#data(depth + 1) : null;
      object.data.push(new JavaClassData(part, primitives, objects, custom));
    }
  }

  #proxy(depth: number): JavaObject {
    const desc = new JavaProxyClassDesc([this.#text()], this.#desc(depth));
    const object = this.#keep(new JavaObject(desc));
    this.#fill(object, depth);
    return object;
  }

  #primitives(): JavaPrimitiveArray {
    const bytes = this.#someBytes();
    const whole = bytes.subarray(0, bytes.length - bytes.length % 8);
    const code = "BCDFIJSZ"[this.#pick(8)];
    return this.#keep(
      new JavaPrimitiveArray(this.#arrayDesc(`[${code}`), whole),
    );
  }

  #arrayDesc(name: string): JavaClassDesc {
    return new JavaClassDesc({ name, serialVersionUID: 1n, flags: 2 });
  }

  /** A serializable class, known or new. */
  #desc(depth: number): JavaClassDesc {
    const known = this.#descs[this.#pick(this.#descs.length + 2)];
    return known ?? this.#make(2 | this.#pick(2), this.#pick(4), depth);
  }

  #make(flags: number, fieldCount: number, depth: number): JavaClassDesc {
    const isPlain = (flags & 0x1c) === 0;
    const parts = Array.from({ length: fieldCount }, () => this.#field());
    const desc = new JavaClassDesc({
      name: `c${this.#text()}`,
      serialVersionUID: isPlain ? BigInt(this.#pick(0x10000)) << 48n >> 1n : 0n,
      flags,
      fields: [
        ...parts.filter(({ type }) => type === null),
        ...parts.filter(({ type }) => type !== null),
      ],
      annotation: this.#pick(6) === 0 && depth < MAX_DEPTH
        ? this.#data(depth + 1)
        : [],
      superDesc: isPlain && depth < MAX_DEPTH && this.#pick(2) === 0
        ? this.#desc(depth + 1)
        : null,
    });
    if (isPlain) this.#descs.push(desc);
    return desc;
  }

  #field(): JavaField {
    const typeCode = "BCDFIJSZL["[this.#pick(10)] as JavaTypeCode; // one of them
    const isObject = typeCode === "L" || typeCode === "[";
    const known = this.#types[this.#pick(this.#types.length + 1)];
    const type = isObject ? known ?? new JavaString("Lx;") : null;
    if (type !== null && known === undefined) this.#types.push(type);
    return { typeCode, name: this.#text(), type };
  }

  #keep<Node extends NonNullable<JavaNode>>(node: Node): Node {
    this.#nodes.push(node);
    return node;
  }
}

const NO_BYTES = new Uint8Array(0);
