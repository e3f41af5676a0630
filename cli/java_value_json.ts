// Java objects as JSON: the form that says the type of everything, and plain JSON where that says the same.
import {
  arrayClassName,
  DecodeError,
  decodeHex,
  EncodeError,
  encodeHex,
  isJavaClass,
  JavaArray,
  javaBox,
  javaByteArray,
  javaClass,
  javaClassDesc,
  javaCollection,
  type JavaContent,
  javaDate,
  type JavaDatum,
  javaDoubleText,
  type JavaEntry,
  javaEnum,
  javaField,
  type JavaFieldEntry,
  javaFloatText,
  javaFromPlain,
  javaFromText,
  javaMap,
  type JavaNode,
  type JavaObject,
  JavaPrimitiveArray,
  javaThrowable,
  type JavaTypeCode,
  type JavaValue,
  javaValue,
  knownJavaClass,
  primitiveBytes,
} from "../protocol/mod.ts";
import {
  abbreviate,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from "./json.ts";

// An object that many others refer to is shown for each of them: a small stream could fill the memory.
const MAX_NODES = 500_000;
const MAX_DEPTH = 1000;

/**
 * Writes an object in the form that says every type.
 *
 * @throws {DecodeError} `too-large` when it shows too many objects, as those that are shared are shown each time.
 */
export function javaToJson(node: JavaNode): JsonObject {
  return new ToJson().node(node);
}

/** Writes an object as plain JSON where that says the same, else in the form that says every type. */
export function javaToPlainJson(node: JavaNode): JsonValue {
  return new ToJson().plain(node);
}

/** Writes what stands in a stream; consecutive blocks are one. */
export function javaContentsToJson(
  contents: readonly JavaContent[],
): JsonObject[] {
  return new ToJson().contents(contents, true);
}

/**
 * Makes an object of either form.
 *
 * @param field Name of the value, for errors.
 * @throws {EncodeError} `unsupported` for classes that are not known, `malformed`, `out-of-range`.
 */
export function javaFromJson(value: JsonValue, field = "value"): JavaNode {
  return fromJson(value, field, 0);
}

class ToJson {
  /** Objects that are being shown: they may lead back to themselves. */
  readonly #open = new Set<JavaNode>();
  #count = 0;

  node(node: JavaNode): JsonObject {
    if (++this.#count > MAX_NODES) {
      throw new DecodeError(
        "too-large",
        "java.value",
        0,
        `it shows more than ${MAX_NODES} objects`,
      );
    }
    if (node !== null && this.#open.has(node)) return { type: "cycle" };
    this.#open.add(node);
    const shown = this.#principal(node) ?? this.#value(javaValue(node));
    this.#open.delete(node);
    return shown;
  }

  plain(node: JavaNode): JsonValue {
    const value = javaValue(node);
    if (value.form === "null") return null;
    if (value.form === "string" || value.form === "boolean") return value.value;
    if (value.form === "number") {
      const { type, value: number } = value;
      const same = type === "java.lang.Integer" ||
        type === "java.lang.Double" && Number.isFinite(number) &&
          !Number.isInteger(number);
      return same ? number : this.node(node);
    }
    if (this.#open.has(node)) return { type: "cycle" };
    if (value.form === "collection" && value.type === "java.util.ArrayList") {
      this.#open.add(node);
      const items = value.items.map((item) => this.plain(item));
      this.#open.delete(node);
      return items;
    }
    if (value.form === "map" && isPlainMap(value.type, value.entries)) {
      this.#open.add(node);
      const entries = value.entries.map(([key, item]) =>
        [key?.kind === "string" ? key.value : "", this.plain(item)] as const
      );
      this.#open.delete(node);
      return Object.fromEntries(entries);
    }
    return this.node(node);
  }

  contents(contents: readonly JavaContent[], top = false): JsonObject[] {
    const shown: JsonObject[] = [];
    const seen = new Map<JavaNode, number>();
    let bytes = "";
    const endBlock = () => {
      if (bytes !== "") shown.push({ bytes });
      bytes = "";
    };
    for (const content of contents) {
      if (content !== null && content.kind === "block-data") {
        bytes += encodeHex(content.bytes);
        continue;
      }
      endBlock();
      if (content !== null && content.kind === "reset") {
        seen.clear();
        shown.push({ reset: true });
      } else if (content !== null && content.kind === "aborted") {
        shown.push({
          exception: this.node(content.exception),
          written: encodeHex(content.written),
        });
      } else {
        const before = top ? seen.get(content) : undefined;
        if (content !== null && content.kind !== "string") {
          if (before === undefined) seen.set(content, shown.length);
        }
        shown.push(
          before === undefined
            ? { object: this.node(content) }
            : { backReferenceToObject: before },
        );
      }
    }
    endBlock();
    return shown;
  }

  /** What Tomcat keeps of a user; the password of older releases is not shown. */
  #principal(node: JavaNode): JsonObject | undefined {
    if (node?.kind !== "object") return undefined;
    const name = "org.apache.catalina.realm.GenericPrincipal";
    if (
      !isJavaClass(node.classDesc, name) &&
      !isJavaClass(node.classDesc, `${name}$SerializablePrincipal`)
    ) return undefined;
    const roles = javaField(node, "roles");
    return {
      type: "principal",
      name: stringField(node, "name"),
      roles: roles instanceof JavaArray
        ? roles.elements.map((role) =>
          role?.kind === "string" ? role.value : null
        )
        : [],
    };
  }

  #value(value: JavaValue): JsonObject {
    switch (value.form) {
      case "null":
        return { type: "null" };
      case "string":
        return {
          type: value.type,
          value: value.value,
          length: value.value.length,
        };
      case "boolean":
      case "character":
        return { type: value.type, value: value.value };
      case "long":
        return { type: value.type, value: String(value.value) };
      case "number":
        return numberToJson(value.type, value.value);
      case "date":
        return {
          type: value.type,
          millis: String(value.millis),
          nanos: value.nanos,
        };
      case "collection":
      case "array":
        return {
          type: value.type,
          items: value.items.map((item) => this.node(item)),
        };
      case "map":
        return {
          type: value.type,
          entries: value.entries.map(([key, item]) => [
            this.node(key),
            this.node(item),
          ]),
        };
      case "bytes":
        return { type: value.type, hex: encodeHex(value.bytes) };
      case "primitives":
        return {
          type: value.type,
          items: value.items.map((item) => itemToJson(item, value.type)),
        };
      case "text":
      case "throwable":
        return { type: value.type, text: value.text };
      case "enum":
        return { type: "enum", class: value.class, name: value.name };
      case "class":
        return { type: "java.lang.Class", name: value.name };
      case "proxy":
        return {
          type: "proxy",
          interfaces: value.interfaces,
          handler: this.node(value.handler),
        };
      case "object":
        return {
          type: value.type,
          fields: this.#fields(value.fields),
          ...value.data === null ? {} : { data: this.#data(value.data) },
        };
    }
  }

  #data(data: readonly JavaDatum[]): JsonObject[] {
    return this.contents(data);
  }

  #fields(fields: readonly JavaFieldEntry[]): JsonObject {
    return Object.fromEntries(
      fields.map(({ className, name, typeCode, value }) => [
        `${className}.${name}`,
        typeof value === "object"
          ? this.node(value)
          : this.#value(boxed(value, typeCode)),
      ]),
    );
  }
}

function isPlainMap(type: string, entries: readonly JavaEntry[]): boolean {
  if (type !== "java.util.HashMap" && type !== "java.util.LinkedHashMap") {
    return false;
  }
  // A key "type" would be taken for the other form, and one such as "__proto__" for something else.
  return entries.every(([key]) =>
    key?.kind === "string" && key.value !== "type" &&
    !(key.value in Object.prototype)
  );
}

const BOXES: Readonly<Record<string, string>> = {
  B: "java.lang.Byte",
  C: "java.lang.Character",
  D: "java.lang.Double",
  F: "java.lang.Float",
  I: "java.lang.Integer",
  J: "java.lang.Long",
  S: "java.lang.Short",
  Z: "java.lang.Boolean",
};

/** A primitive field looks like the box of its value. */
function boxed(
  value: number | bigint | boolean,
  typeCode: JavaTypeCode,
): JavaValue {
  return javaValue(javaBox(BOXES[typeCode] ?? "", value));
}

function numberToJson(type: string, value: number): JsonObject {
  if (type !== "java.lang.Float" && type !== "java.lang.Double") {
    return { type, value };
  }
  const code = type === "java.lang.Float" ? "F" : "D";
  const text = code === "F" ? javaFloatText(value) : javaDoubleText(value);
  return {
    type,
    value: text,
    bits: encodeHex(primitiveBytes(value, code, "value")),
  };
}

function itemToJson(
  item: number | bigint | boolean,
  type: string,
): JsonValue {
  if (typeof item === "bigint") return String(item);
  if (typeof item === "boolean") return item;
  if (type === "double[]") return javaDoubleText(item);
  if (type !== "float[]") return item;
  return Number.isFinite(item) ? Number(javaFloatText(item)) : String(item);
}

function stringField(object: JavaObject, name: string): string | null {
  const value = javaField(object, name);
  return typeof value === "object" && value?.kind === "string"
    ? value.value
    : null;
}

function fromJson(value: JsonValue, field: string, depth: number): JavaNode {
  if (depth > MAX_DEPTH) {
    throw new EncodeError(
      "too-large",
      field.slice(0, 100),
      "it nests too deep",
    );
  }
  if (Array.isArray(value)) {
    return javaCollection(
      "java.util.ArrayList",
      nodes(value, field, depth),
    );
  }
  if (!isJsonObject(value)) {
    return javaFromPlain(value as string | number | boolean | null); // what else is left
  }
  if (typeof value.type === "string") {
    return formToNode(value, value.type, field, depth);
  }
  return javaMap(
    "java.util.LinkedHashMap",
    Object.entries(value).map(([key, item]) => [
      javaFromPlain(key),
      fromJson(item, `${field}.${key}`, depth + 1),
    ]),
  );
}

function formToNode(
  form: JsonObject,
  type: string,
  field: string,
  depth: number,
): JavaNode {
  switch (type) {
    case "null":
      return null;
    case "enum":
      return javaEnum(text(form, "class", field), text(form, "name", field));
    case "java.lang.Class":
      return javaClass(text(form, "name", field));
    case "java.lang.String":
      return javaFromPlain(text(form, "value", field));
    case "java.lang.Boolean":
      return javaBox(type, boolean(form, field));
    case "java.lang.Long":
      return javaBox(type, bigint(form.value, `${field}.value`));
    case "java.lang.Byte":
    case "java.lang.Short":
    case "java.lang.Integer":
    case "java.lang.Character":
      return javaBox(type, integer(form.value, `${field}.value`));
    case "java.lang.Float":
    case "java.lang.Double":
      return floating(form, type, field);
    case "java.util.Date":
    case "java.sql.Date":
    case "java.sql.Time":
    case "java.sql.Timestamp":
      return javaDate(
        bigint(form.millis, `${field}.millis`),
        type,
        form.nanos === undefined || form.nanos === null
          ? null
          : integer(form.nanos, `${field}.nanos`),
      );
    case "byte[]":
      return javaByteArray(bytes(form, field));
  }
  if (type.endsWith("[]")) return array(form, type, field, depth);
  if (Array.isArray(form.items)) {
    return javaCollection(type, nodes(form.items, `${field}.items`, depth));
  }
  if (Array.isArray(form.entries)) {
    return javaMap(type, entries(form.entries, `${field}.entries`, depth));
  }
  if (form.text !== undefined) {
    if (form.text === null || isThrowable(type)) {
      const message = form.text === null ? null : text(form, "text", field);
      return javaThrowable(type, message);
    }
    return javaFromText(type, text(form, "text", field));
  }
  throw new EncodeError(
    "unsupported",
    field,
    `an object of ${abbreviate(type)} cannot be made of what is known of it`,
  );
}

function array(
  form: JsonObject,
  type: string,
  field: string,
  depth: number,
): JavaNode {
  const { items } = form;
  if (!Array.isArray(items)) throw wrong(field, "items", items, "an array");
  const name = arrayClassName(type);
  // The serialVersionUID of an array's class is written, but nobody compares it.
  const desc = knownJavaClass(name) ??
    javaClassDesc({ name, serialVersionUID: 0n });
  const code = name[1] as JavaTypeCode; // L or [ for objects
  if (code === "L" || code === "[") {
    return new JavaArray(desc, nodes(items, `${field}.items`, depth));
  }
  const parts = items.map((item: JsonValue, i) => {
    const at = `${field}.items[${i}]`;
    if (code === "Z") return primitiveBytes(item === true, code, at);
    if (code === "J") return primitiveBytes(bigint(item, at), code, at);
    const value = code === "D" || code === "F"
      ? number(item, at)
      : integer(item, at);
    return primitiveBytes(value, code, at);
  });
  const size = parts[0]?.length ?? 0;
  const all = new Uint8Array(size * parts.length);
  parts.forEach((part, i) => all.set(part, i * size));
  return new JavaPrimitiveArray(desc, all);
}

function nodes(
  items: readonly JsonValue[],
  field: string,
  depth: number,
): JavaNode[] {
  return items.map((item, i) => fromJson(item, `${field}[${i}]`, depth + 1));
}

function entries(
  pairs: readonly JsonValue[],
  field: string,
  depth: number,
): JavaEntry[] {
  return pairs.map((pair, i) => {
    const at = `${field}[${i}]`;
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw wrong(at, "", pair, "a key and a value");
    }
    const [key = null, value = null] = pair as readonly JsonValue[]; // checked above
    return [
      fromJson(key, `${at}[0]`, depth + 1),
      fromJson(value, `${at}[1]`, depth + 1),
    ];
  });
}

function isThrowable(type: string): boolean {
  return isJavaClass(knownJavaClass(type) ?? null, "java.lang.Throwable");
}

function floating(form: JsonObject, type: string, field: string): JavaNode {
  if (form.bits === undefined) {
    return javaBox(type, number(form.value, `${field}.value`));
  }
  const bits = decodeHex(
    text(form, "bits", field).padStart(
      type === "java.lang.Float" ? 8 : 16,
      "0",
    ),
  );
  const box = javaBox(type, 0);
  if (bits.length !== box.data.at(-1)?.primitives.length) {
    throw wrong(field, "bits", form.bits, "the bits of the number");
  }
  box.data[box.data.length - 1]!.primitives = bits; // the length was compared
  return box;
}

function text(form: JsonObject, name: string, field: string): string {
  const value = form[name];
  if (typeof value === "string") return value;
  throw wrong(field, name, value, "a string");
}

function bytes(form: JsonObject, field: string): Uint8Array<ArrayBuffer> {
  const hex = text(form, "hex", field);
  if (/^([0-9a-fA-F]{2})*$/.test(hex)) return decodeHex(hex);
  throw wrong(field, "hex", hex, "whole bytes in hexadecimal");
}

function boolean({ value }: JsonObject, field: string): boolean {
  if (typeof value === "boolean") return value;
  throw wrong(field, "value", value, "a boolean");
}

function bigint(value: JsonValue | undefined, field: string): bigint {
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) {
    return BigInt(value);
  }
  if (Number.isSafeInteger(value)) return BigInt(value as number); // an integer
  throw wrong(field, "", value, "an integer");
}

function integer(value: JsonValue | undefined, field: string): number {
  return Number(bigint(value, field));
}

function number(value: JsonValue | undefined, field: string): number {
  if (typeof value === "number") return value;
  const isText = typeof value === "string" && value.trim() !== "";
  if (isText && (value === "NaN" || !Number.isNaN(Number(value)))) {
    return Number(value);
  }
  throw wrong(field, "", value, "a number");
}

function wrong(
  field: string,
  name: string,
  value: JsonValue | undefined,
  wanted: string,
): EncodeError {
  return new EncodeError(
    "malformed",
    name === "" ? field : `${field}.${name}`,
    value === undefined
      ? "the field is missing"
      : `${abbreviate(JSON.stringify(value))} is not ${wanted}`,
  );
}
