// Collections and maps: where their items are in what their classes write. Reading follows the class, which
// may be a super class of the object's; changing keeps everything but the items and their number.
import { readInt32 } from "../../bytes/byte_reader.ts";
import { writeInt32 } from "../../bytes/byte_writer.ts";
import { JavaObjectInput } from "../block_data.ts";
import type { JavaClassDescriptor } from "../class_desc.ts";
import {
  isJavaClass,
  javaCustomData,
  javaField,
  setJavaFields,
} from "../fields.ts";
import {
  JavaArray,
  JavaBlockData,
  type JavaClassData,
  type JavaDatum,
  type JavaNode,
  type JavaObject,
} from "../tree.ts";
import type { JavaEntry } from "./java_value.ts";

/** How the writeObject method of a collection lays out its items. */
interface Layout {
  /** Objects in front of the first block, such as a comparator. */
  readonly objects: number;
  /** Bytes in front of the number of items. */
  readonly prefix: number;
  /** Objects that one item takes: two in a map. */
  readonly each: 1 | 2;
}

const LAYOUTS: Readonly<Record<string, Layout>> = {
  "java.util.ArrayList": { objects: 0, prefix: 0, each: 1 },
  "java.util.LinkedList": { objects: 0, prefix: 0, each: 1 },
  "java.util.ArrayDeque": { objects: 0, prefix: 0, each: 1 },
  "java.util.concurrent.CopyOnWriteArrayList": {
    objects: 0,
    prefix: 0,
    each: 1,
  },
  "java.util.HashSet": { objects: 0, prefix: 8, each: 1 },
  "java.util.TreeSet": { objects: 1, prefix: 0, each: 1 },
  "java.util.HashMap": { objects: 0, prefix: 4, each: 2 },
  "java.util.Hashtable": { objects: 0, prefix: 4, each: 2 },
  "java.util.TreeMap": { objects: 0, prefix: 0, each: 2 },
  "java.util.EnumMap": { objects: 0, prefix: 0, each: 2 },
  "java.util.IdentityHashMap": { objects: 0, prefix: 0, each: 2 },
};

/** Fields that hold another collection or map. */
const WRAPPERS: Readonly<Record<string, string>> = {
  "java.util.Collections$UnmodifiableCollection": "c",
  "java.util.Collections$SynchronizedCollection": "c",
  "java.util.Collections$UnmodifiableMap": "m",
  "java.util.Collections$SynchronizedMap": "m",
  "java.util.Arrays$ArrayList": "a",
  "java.util.concurrent.CopyOnWriteArraySet": "al",
  "java.util.EnumSet$SerializationProxy": "elements",
};

/** Wrappers in wrappers; a stream may make one its own content. */
const MAX_WRAPPERS = 8;

/** What a collection or a map holds. */
export type JavaContainer =
  | {
    readonly form: "collection";
    readonly type: string;
    readonly items: readonly JavaNode[];
  }
  | {
    readonly form: "map";
    readonly type: string;
    readonly entries: readonly JavaEntry[];
  };

/**
 * Reads a collection or a map of a class that is known here.
 *
 * @returns `undefined` for any other object.
 * @throws {DecodeError} When its data is not that of the class.
 */
export function javaContainer(object: JavaObject): JavaContainer | undefined {
  return readContainer(object, MAX_WRAPPERS);
}

/**
 * Replaces the items of a collection, or the entries of a map, in place: identity and everything else stay.
 *
 * @returns Whether it could be done: not for wrappers, whose content is to be changed instead, nor for
 * collections of a fixed size.
 */
export function setJavaItems(
  object: JavaObject,
  items: readonly JavaNode[] | readonly JavaEntry[],
): boolean {
  const name = knownClass(object.classDesc, LAYOUTS);
  const layout = name === undefined ? undefined : LAYOUTS[name];
  const part = object.data.find(({ classDesc }) => classDesc.name === name);
  if (layout === undefined || !part?.custom) return false;
  const flat = items.flat() as JavaNode[]; // nodes are no arrays
  const { head, block } = readHead(part.custom, layout);
  const bytes = block.slice();
  writeInt32(bytes, layout.prefix, items.length);
  if (name === "java.util.HashMap") growTable(part, bytes, items.length);
  part.custom = [...head, new JavaBlockData(bytes), ...flat];
  if (name === "java.util.ArrayList") {
    setJavaFields(object, { "java.util.ArrayList.size": items.length });
  }
  return true;
}

/** A table that is too small grows as Java's does; the reader takes its size as a hint. */
function growTable(
  part: JavaClassData,
  block: Uint8Array,
  count: number,
): void {
  let buckets = Math.max(readInt32(block, 0), 1);
  const known = part.primitives.length === 8; // load factor and threshold
  if (count === 0 || buckets > 1 << 28 || !known) return;
  while (buckets * 0.75 < count) buckets *= 2;
  writeInt32(block, 0, buckets);
  const primitives = part.primitives.slice();
  writeInt32(primitives, 4, Math.trunc(buckets * 0.75));
  part.primitives = primitives;
}

function readContainer(
  object: JavaObject,
  depth: number,
): JavaContainer | undefined {
  const { classDesc } = object;
  if (classDesc.kind !== "class-desc") return undefined;
  const type = classDesc.name;
  const name = knownClass(classDesc, LAYOUTS);
  const layout = name === undefined ? undefined : LAYOUTS[name];
  if (name !== undefined && layout !== undefined) {
    const custom = javaCustomData(object, name);
    return container(type, readItems(custom, layout), layout.each === 2);
  }
  const wrapper = knownClass(classDesc, WRAPPERS);
  if (wrapper !== undefined) return readWrapper(object, wrapper, depth);
  switch (type) {
    case "java.util.Collections$EmptyList":
    case "java.util.Collections$EmptySet":
      return { form: "collection", type, items: [] };
    case "java.util.Collections$EmptyMap":
      return { form: "map", type, entries: [] };
    case "java.util.Collections$SingletonList":
    case "java.util.Collections$SingletonSet":
      return {
        form: "collection",
        type,
        items: [nodeField(object, "element")],
      };
    case "java.util.Collections$SingletonMap": {
      const entry = [nodeField(object, "k"), nodeField(object, "v")] as const;
      return { form: "map", type, entries: [entry] };
    }
    case "java.util.CollSer":
      return readCollSer(object);
  }
  if (isJavaClass(classDesc, "java.util.Vector")) {
    return readVector(object, type);
  }
  if (
    isJavaClass(classDesc, "java.util.concurrent.ConcurrentHashMap") ||
    isJavaClass(classDesc, "java.util.concurrent.ConcurrentSkipListMap")
  ) return readConcurrentMap(object, type);
  return undefined;
}

/** The nearest class with a name of the table. */
function knownClass(
  desc: JavaClassDescriptor,
  table: Readonly<Record<string, unknown>>,
): string | undefined {
  for (
    let above: JavaClassDescriptor | null = desc;
    above !== null;
    above = above.superDesc
  ) {
    if (above.kind === "class-desc" && Object.hasOwn(table, above.name)) {
      return above.name;
    }
  }
  return undefined;
}

function container(
  type: string,
  items: readonly JavaNode[],
  isMap: boolean,
): JavaContainer | undefined {
  if (!isMap) return { form: "collection", type, items };
  if (items.length % 2 !== 0) return undefined;
  const entries: JavaEntry[] = [];
  for (let i = 0; i < items.length; i += 2) {
    entries.push([items[i]!, items[i + 1]!]); // the length is even
  }
  return { form: "map", type, entries };
}

/** What stands in front of the items, and how many there are. */
function readHead(custom: readonly JavaDatum[], { objects, prefix }: Layout): {
  head: readonly JavaDatum[];
  block: Uint8Array;
  count: number;
} {
  const input = new JavaObjectInput(custom);
  for (let i = 0; i < objects; i++) input.readObject("comparator");
  const block = input.readBytes(prefix + 4, "size");
  const count = readInt32(block, prefix);
  return { head: custom.slice(0, objects), block, count };
}

function readItems(
  custom: readonly JavaDatum[],
  layout: Layout,
): JavaNode[] {
  const { count } = readHead(custom, layout);
  const input = new JavaObjectInput(custom);
  for (let i = 0; i < layout.objects; i++) input.readObject("comparator");
  input.readBytes(layout.prefix + 4, "size");
  const items = readObjects(input, count * layout.each, custom.length);
  input.end();
  return items;
}

function readObjects(
  input: JavaObjectInput,
  count: number,
  available: number,
): JavaNode[] {
  if (count < 0 || count > available) {
    throw input.error("malformed", "size", `${count} of ${available} objects`);
  }
  const items: JavaNode[] = [];
  for (let i = 0; i < count; i++) items.push(input.readObject("item"));
  return items;
}

function readWrapper(
  object: JavaObject,
  className: string,
  depth: number,
): JavaContainer | undefined {
  const inner = javaField(object, WRAPPERS[className]!, className); // a key of the table
  if (depth === 0 || typeof inner !== "object") return undefined;
  const type = wrapperType(object, inner);
  if (inner instanceof JavaArray) {
    return { form: "collection", type, items: inner.elements };
  }
  if (inner?.kind !== "object") return undefined;
  const content = readContainer(inner, depth - 1);
  return content && { ...content, type };
}

/** Lists over a list with fast access are of another class once they are read. */
function wrapperType({ classDesc }: JavaObject, inner: JavaNode): string {
  const type = classDesc.kind === "class-desc" ? classDesc.name : "";
  if (type === "java.util.EnumSet$SerializationProxy") {
    const length = inner instanceof JavaArray ? inner.elements.length : 0;
    // The number of constants decides, which a stream does not tell: nearly all have up to 64.
    return length > 64 ? "java.util.JumboEnumSet" : "java.util.RegularEnumSet";
  }
  if (inner?.kind !== "object" || !RANDOM_ACCESS.some(isOf)) return type;
  return type.replace(
    /\$(Unmodifiable|Synchronized)List$/,
    "$$$1RandomAccessList",
  );

  function isOf(name: string): boolean {
    return inner?.kind === "object" && isJavaClass(inner.classDesc, name);
  }
}

const RANDOM_ACCESS = [
  "java.util.ArrayList",
  "java.util.Vector",
  "java.util.Arrays$ArrayList",
  "java.util.concurrent.CopyOnWriteArrayList",
  "java.util.Collections$SingletonList",
  "java.util.Collections$EmptyList",
  "java.util.CollSer",
];

/** What `List.of`, `Set.of`, `Map.of` and `Stream.toList` give; the class depends on the size, too. */
function readCollSer(object: JavaObject): JavaContainer | undefined {
  const tag = javaField(object, "tag");
  const custom = javaCustomData(object);
  const items = readItems(custom, { objects: 0, prefix: 0, each: 1 });
  const small = items.length === 1 || items.length === 2;
  const name = "java.util.ImmutableCollections$";
  switch (typeof tag === "number" ? tag & 0xff : 0) {
    case 1:
      return container(`${name}${small ? "List12" : "ListN"}`, items, false);
    case 2:
      return container(`${name}${small ? "Set12" : "SetN"}`, items, false);
    case 3:
      return container(
        `${name}${items.length === 2 ? "Map1" : "MapN"}`,
        items,
        true,
      );
    case 4:
      return container(`${name}ListN`, items, false);
    default:
      return undefined;
  }
}

function readVector(
  object: JavaObject,
  type: string,
): JavaContainer | undefined {
  const count = javaField(object, "elementCount", "java.util.Vector");
  const array = javaField(object, "elementData", "java.util.Vector");
  if (
    typeof count !== "number" || !(array instanceof JavaArray) || count < 0 ||
    count > array.elements.length
  ) return undefined;
  return { form: "collection", type, items: array.elements.slice(0, count) };
}

/** Pairs up to a key that is null; a map that compares keys has no null behind that. */
function readConcurrentMap(
  object: JavaObject,
  type: string,
): JavaContainer | undefined {
  const entries: JavaEntry[] = [];
  const input = new JavaObjectInput(javaCustomData(object));
  for (;;) {
    const key = input.readObject("key");
    if (key === null) return { form: "map", type, entries };
    entries.push([key, input.readObject("value")]);
  }
}

function nodeField(object: JavaObject, name: string): JavaNode {
  const value = javaField(object, name);
  return typeof value === "object" ? value : null;
}
