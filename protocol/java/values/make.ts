// Makes objects of Java's own classes, as Java would write new ones. Sizes of tables, which Java's readers
// take as a hint or not at all, are those of a collection that grew by one item after the other, except that
// a HashMap, a Hashtable and a Vector are those of a copy.
import { EncodeError } from "../../errors.ts";
import { JavaObjectOutput } from "../block_data.ts";
import {
  javaField,
  type JavaFieldValues,
  javaObject,
  setJavaFields,
} from "../fields.ts";
import {
  javaClassDesc,
  knownJavaClass,
  standardJavaClass,
} from "../standard_classes.ts";
import { SC_ENUM, SC_SERIALIZABLE } from "../stream_constants.ts";
import {
  JavaArray,
  JavaClass,
  JavaEnum,
  type JavaNode,
  type JavaObject,
  JavaString,
} from "../tree.ts";
import type { JavaEntry } from "./java_value.ts";

const UTIL = "java.util.";
const COLLECTIONS = "java.util.Collections$";
const IMMUTABLE = "java.util.ImmutableCollections$";

/**
 * Makes a collection.
 *
 * @param type Its class, such as `java.util.ArrayList`.
 * @throws {EncodeError} `unsupported` for a class that is not known here, `out-of-range` for items that its
 * collections cannot have.
 */
export function javaCollection(
  type: string,
  items: readonly JavaNode[],
): JavaObject {
  switch (type) {
    case "java.util.ArrayList":
      return javaObject(
        standardJavaClass(type),
        { size: items.length },
        { [type]: counted(items) },
      );
    case "java.util.LinkedList":
    case "java.util.ArrayDeque":
    case "java.util.concurrent.CopyOnWriteArrayList":
      return javaObject(standardJavaClass(type), {}, {
        [type]: counted(items),
      });
    case "java.util.Vector":
      return vector(type, items, items.length);
    case "java.util.Stack":
      return vector(type, items, grown(10, items.length));
    case "java.util.HashSet":
    case "java.util.LinkedHashSet":
      return hashSet(type, items);
    case "java.util.TreeSet":
      return javaObject(standardJavaClass(type), {}, {
        [type]: [null, ...counted(items)],
      });
    case "java.util.concurrent.CopyOnWriteArraySet": {
      const name = "java.util.concurrent.CopyOnWriteArrayList";
      return object(type, { al: javaCollection(name, items) });
    }
    case "java.util.Arrays$ArrayList":
      return object(type, { a: arrayOf(items) });
    case "java.util.RegularEnumSet":
    case "java.util.JumboEnumSet":
      return enumSet(items);
  }
  if (type.startsWith(COLLECTIONS)) return wrapper(type, items);
  if (type.startsWith(IMMUTABLE)) {
    if (type.includes("Set")) return collSer(2, items);
    // A list of one or two items is of another class, unless it may hold null.
    const mayHoldNull = type.endsWith("$ListN") &&
      (items.length === 1 || items.length === 2 || items.includes(null));
    return collSer(mayHoldNull ? 4 : 1, items);
  }
  throw unknown(type);
}

/**
 * Makes a map.
 *
 * @param type Its class, such as `java.util.LinkedHashMap`.
 * @throws {EncodeError} As {@linkcode javaCollection}.
 */
export function javaMap(
  type: string,
  entries: readonly JavaEntry[],
): JavaObject {
  const flat = entries.flat();
  const size = entries.length;
  switch (type) {
    case "java.util.HashMap":
    case "java.util.LinkedHashMap":
      return hashMap(type, entries);
    case "java.util.Hashtable": {
      const length = Math.max(size * 2, 11);
      return hashtable(type, entries, length);
    }
    case "java.util.Properties": {
      const length = Math.trunc(size / 0.75) + Math.trunc(size / 20) + 3;
      const even = length % 2 === 0 && length > size;
      return hashtable(type, entries, even ? length - 1 : length);
    }
    case "java.util.TreeMap":
      return javaObject(standardJavaClass(type), {}, {
        [type]: counted(flat, size),
      });
    case "java.util.concurrent.ConcurrentSkipListMap":
      return javaObject(standardJavaClass(type), {}, {
        [type]: [...flat, null],
      });
    case "java.util.concurrent.ConcurrentHashMap":
      return concurrentHashMap(type, flat);
    case "java.util.EnumMap": {
      const keyType = new JavaClass(enumClassOf(entries[0]?.[0], type));
      return javaObject(standardJavaClass(type), { keyType }, {
        [type]: counted(flat, size),
      });
    }
    case "java.util.Collections$EmptyMap":
      checkSize(type, size, 0);
      return object(type, {});
    case "java.util.Collections$SingletonMap":
      checkSize(type, size, 1);
      return object(type, { k: flat[0] ?? null, v: flat[1] ?? null });
    case "java.util.Collections$UnmodifiableMap":
      return object(type, { m: hashMap("java.util.HashMap", entries) });
    case "java.util.Collections$SynchronizedMap": {
      const map = object(type, { m: hashMap("java.util.HashMap", entries) });
      setJavaFields(map, { mutex: map });
      return map;
    }
    case "java.util.ImmutableCollections$Map1":
    case "java.util.ImmutableCollections$MapN":
      return collSer(3, flat);
  }
  throw unknown(type);
}

/**
 * Makes a `java.util.Date` or one of its kind.
 *
 * @param millis Since the epoch, as `getTime()` gives them.
 * @param nanos The whole fraction of a `java.sql.Timestamp`; by default that of `millis`.
 * @throws {EncodeError} `unsupported` for a class that is not known here.
 */
export function javaDate(
  millis: bigint,
  type = "java.util.Date",
  nanos: number | null = null,
): JavaObject {
  const output = new JavaObjectOutput();
  const custom = (time: bigint) => {
    output.writeLong(time);
    return { "java.util.Date": output.contents() };
  };
  switch (type) {
    case "java.util.Date":
    case "java.sql.Date":
    case "java.sql.Time":
      return javaObject(standardJavaClass(type), {}, custom(millis));
    case "java.sql.Timestamp": {
      const fraction = (millis % 1000n + 1000n) % 1000n;
      const values = { nanos: nanos ?? Number(fraction) * 1_000_000 };
      const desc = standardJavaClass(type);
      return javaObject(desc, values, custom(millis - fraction));
    }
  }
  throw unknown(type);
}

/**
 * Makes an exception with a message, without a cause and a stack trace.
 *
 * @throws {EncodeError} `unsupported` for a class that is not known here.
 */
export function javaThrowable(
  type: string,
  message: string | null,
): JavaObject {
  const throwable = object(type, {
    detailMessage: message === null ? null : new JavaString(message),
    stackTrace: new JavaArray(
      standardJavaClass("[Ljava.lang.StackTraceElement;"),
    ),
    suppressedExceptions: object("java.util.Collections$EmptyList", {}),
  });
  setJavaFields(throwable, { cause: throwable });
  return throwable;
}

/** Makes a constant of an enumeration. Constants of one enumeration share its class: pass it on. */
export function javaEnum(
  className: string,
  name: string,
  classDesc: JavaEnum["classDesc"] = enumClass(className),
): JavaEnum {
  return new JavaEnum(classDesc, new JavaString(name));
}

/**
 * Makes a `java.lang.Class`.
 *
 * @throws {EncodeError} `unsupported` for a class whose serialVersionUID is not known here.
 */
export function javaClass(name: string): JavaClass {
  return new JavaClass(standardJavaClass(name));
}

function object(type: string, values: JavaFieldValues): JavaObject {
  return javaObject(standardJavaClass(type), values);
}

/** A number, by default that of the items, and the items. */
function counted(
  items: readonly JavaNode[],
  count = items.length,
  lead?: (
    output: JavaObjectOutput,
  ) => void,
) {
  const output = new JavaObjectOutput();
  lead?.(output);
  output.writeInt(count);
  return [...output.contents(), ...items];
}

/** What a table of `size` became by doubling whenever it was full. */
function grown(size: number, count: number): number {
  let length = size;
  while (length < count) length *= 2;
  return length;
}

function objectArray(items: readonly JavaNode[]): JavaArray {
  return new JavaArray(standardJavaClass("[Ljava.lang.Object;"), [...items]);
}

/** An array of the class that all items have. */
function arrayOf(items: readonly JavaNode[]): JavaArray {
  const names = new Set(
    items.map((item) =>
      item?.kind === "string"
        ? "java.lang.String"
        : item?.kind === "object" && item.classDesc.kind === "class-desc"
        ? item.classDesc.name
        : ""
    ),
  );
  const [name] = names;
  const desc = names.size === 1 ? knownJavaClass(`[L${name};`) : undefined;
  return desc === undefined ? objectArray(items) : new JavaArray(desc, [
    ...items,
  ]);
}

function vector(
  type: string,
  items: readonly JavaNode[],
  capacity: number,
): JavaObject {
  const elementData = objectArray(items);
  while (elementData.elements.length < capacity) {
    elementData.elements.push(null);
  }
  return object(type, { elementCount: items.length, elementData });
}

function hashSet(type: string, items: readonly JavaNode[]): JavaObject {
  const buckets = grown(16, Math.ceil(items.length / 0.75));
  return javaObject(standardJavaClass(type), {}, {
    "java.util.HashSet": counted(items, items.length, (output) => {
      output.writeInt(buckets);
      output.writeFloat(0.75);
    }),
  });
}

function hashMap(type: string, entries: readonly JavaEntry[]): JavaObject {
  const size = entries.length;
  const copied = type === "java.util.HashMap" && size > 0;
  // A copy is made for size / 0.75 + 1 entries, in float arithmetic.
  const buckets = copied
    ? grown(1, Math.trunc(size / 0.75 + 1))
    : grown(16, Math.ceil(size / 0.75));
  const threshold = size === 0 ? 0 : Math.trunc(buckets * 0.75);
  return javaObject(
    standardJavaClass(type),
    { loadFactor: 0.75, threshold },
    {
      "java.util.HashMap": counted(
        entries.flat(),
        size,
        (output) => output.writeInt(buckets),
      ),
    },
  );
}

function hashtable(
  type: string,
  entries: readonly JavaEntry[],
  length: number,
): JavaObject {
  return javaObject(
    standardJavaClass(type),
    { loadFactor: 0.75, threshold: Math.trunc(length * 0.75) },
    {
      "java.util.Hashtable": counted(
        entries.flat(),
        entries.length,
        (output) => output.writeInt(length),
      ),
    },
  );
}

/** Java writes sixteen locks that no reader has needed since Java 8. */
function concurrentHashMap(
  type: string,
  flat: readonly JavaNode[],
): JavaObject {
  const segments = new JavaArray(
    standardJavaClass("[Ljava.util.concurrent.ConcurrentHashMap$Segment;"),
  );
  for (let i = 0; i < 16; i++) {
    const sync = object(
      "java.util.concurrent.locks.ReentrantLock$NonfairSync",
      {},
    );
    segments.elements.push(
      object("java.util.concurrent.ConcurrentHashMap$Segment", {
        loadFactor: 0.75,
        sync,
      }),
    );
  }
  return javaObject(
    standardJavaClass(type),
    { segmentMask: 15, segmentShift: 28, segments },
    { [type]: [...flat, null, null] },
  );
}

function enumSet(items: readonly JavaNode[]): JavaObject {
  const type = "java.util.EnumSet$SerializationProxy";
  const desc = enumClassOf(items[0], type);
  return object(type, {
    elementType: new JavaClass(desc),
    elements: new JavaArray(standardJavaClass("[Ljava.lang.Enum;"), [...items]),
  });
}

/** Collections of java.util.Collections. */
function wrapper(type: string, items: readonly JavaNode[]): JavaObject {
  const kind = type.slice(COLLECTIONS.length);
  switch (kind) {
    case "EmptyList":
    case "EmptySet":
      checkSize(type, items.length, 0);
      return object(type, {});
    case "SingletonList":
    case "SingletonSet":
      checkSize(type, items.length, 1);
      return object(type, { element: items[0] ?? null });
  }
  const match =
    /^(Unmodifiable|Synchronized)(RandomAccessList|List|Set|Collection)$/.exec(
      kind,
    );
  if (match === null) throw unknown(type);
  const [, access = "", shape = ""] = match;
  const inner = javaCollection(
    `${UTIL}${
      shape === "Set"
        ? "HashSet"
        : shape === "List"
        ? "LinkedList"
        : "ArrayList"
    }`,
    items,
  );
  const written = type.replace("RandomAccess", ""); // as Java writes it
  const wrapped = object(written, { c: inner });
  if (shape.endsWith("List")) setJavaFields(wrapped, { list: inner });
  if (access === "Synchronized") setJavaFields(wrapped, { mutex: wrapped });
  return wrapped;
}

function collSer(tag: number, items: readonly JavaNode[]): JavaObject {
  const type = "java.util.CollSer";
  return javaObject(standardJavaClass(type), { tag }, {
    [type]: counted(items),
  });
}

function enumClass(className: string): JavaEnum["classDesc"] {
  return knownJavaClass(className) ?? javaClassDesc({
    name: className,
    serialVersionUID: 0n,
    flags: SC_SERIALIZABLE | SC_ENUM,
    superDesc: standardJavaClass("java.lang.Enum"),
  });
}

function enumClassOf(
  item: JavaNode | undefined,
  type: string,
): JavaEnum["classDesc"] {
  if (item?.kind === "enum") return item.classDesc;
  throw new EncodeError(
    "unsupported",
    "items",
    `${type} needs a constant to tell its class`,
  );
}

function checkSize(type: string, size: number, wanted: number): void {
  if (size === wanted) return;
  throw new EncodeError("out-of-range", "items", `${type} has ${wanted} items`);
}

function unknown(type: string): EncodeError {
  return new EncodeError("unsupported", "type", `${type} is not known`);
}

/** Makes one of the boxes `java.lang.Byte`, `Short`, `Float` or `Character`, or any other with a value. */
export function javaBox(
  type: string,
  value: number | bigint | boolean,
): JavaObject {
  const box = object(type, { value });
  // A class without such a field has thrown; one with it and of another kind is an atomic number.
  if (javaField(box, "value", type) === undefined) throw unknown(type);
  return box;
}
