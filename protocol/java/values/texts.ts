// Classes whose values are told by their text: what toString() gives.
import { readInt32 } from "../../bytes/byte_reader.ts";
import { EncodeError } from "../../errors.ts";
import { JavaObjectInput, JavaObjectOutput } from "../block_data.ts";
import {
  javaCustomData,
  javaField,
  javaObject,
  primitiveBytes,
  readPrimitive,
} from "../fields.ts";
import { standardJavaClass } from "../standard_classes.ts";
import {
  type JavaNode,
  type JavaObject,
  JavaPrimitiveArray,
  JavaString,
} from "../tree.ts";
import {
  bigDecimalText,
  bigIntegerValue,
  javaBigDecimal,
  javaBigInteger,
} from "./numbers.ts";
import { javaTime } from "./time.ts";

// Bits of a set that are listed at most; the text of one takes up to seven characters.
const MAX_BITS = 1_000_000;

/**
 * The text of an object.
 *
 * @param name Its class.
 * @returns `undefined` when the class is none of these, or its data is another.
 */
export function javaText(object: JavaObject, name: string): string | undefined {
  switch (name) {
    case "java.math.BigInteger":
      return bigIntegerValue(object)?.toString();
    case "java.math.BigDecimal":
      return bigDecimalText(object);
    case "java.util.UUID":
      return uuidText(object);
    case "java.net.URI":
      return textField(object, "string");
    case "java.net.URL":
      return urlText(object);
    case "java.util.Locale":
      return localeText(object);
    case "java.util.Currency":
      return textField(object, "currencyCode");
    case "java.util.concurrent.atomic.AtomicInteger":
    case "java.util.concurrent.atomic.AtomicLong":
      return javaField(object, "value")?.toString();
    case "java.util.concurrent.atomic.AtomicBoolean": {
      const value = javaField(object, "value");
      return typeof value === "number" ? String(value !== 0) : undefined;
    }
    case "java.util.BitSet":
      return bitSetText(object);
    case "java.lang.StringBuilder":
      return builderText(object);
    case "java.lang.StringBuffer":
      return charsText(
        nodeField(object, "value"),
        Number(javaField(object, "count")),
      );
    default:
      return undefined;
  }
}

/**
 * Makes an object of a text.
 *
 * @throws {EncodeError} `unsupported` when the class is none of these, `malformed` when the text has another
 * form.
 */
export function javaFromText(type: string, text: string): JavaObject {
  const make = (values: Parameters<typeof javaObject>[1]) =>
    javaObject(standardJavaClass(type), values);
  switch (type) {
    case "java.math.BigInteger":
      return javaBigInteger(parseInteger(text));
    case "java.math.BigDecimal":
      return javaBigDecimal(text);
    case "java.util.UUID":
      return javaUuid(text);
    case "java.net.URI":
      return make({ string: new JavaString(text) });
    case "java.net.URL":
      return javaUrl(text);
    case "java.util.Locale":
      return javaLocale(text);
    case "java.util.Currency":
      return make({ currencyCode: new JavaString(text) });
    case "java.util.concurrent.atomic.AtomicInteger":
      return make({ value: Number(parseInteger(text)) });
    case "java.util.concurrent.atomic.AtomicLong":
      return make({ value: parseInteger(text) });
    case "java.util.concurrent.atomic.AtomicBoolean":
      if (text !== "true" && text !== "false") throw badText(text, type);
      return make({ value: Number(text === "true") });
    case "java.util.BitSet":
      return javaBitSet(text);
    case "java.lang.StringBuilder":
      return javaStringBuilder(text);
    case "java.lang.StringBuffer":
      return make({ count: text.length, value: charArray(text) });
    default:
      return javaTime(type, text);
  }
}

/** Makes each string once, as the constructors of these classes do. */
function sharedStrings(): (value: string | undefined) => JavaString | null {
  const made = new Map<string, JavaString>();
  return (value) => {
    if (value === undefined) return null;
    const string = made.get(value) ?? new JavaString(value);
    made.set(value, string);
    return string;
  };
}

function nodeField(object: JavaObject, name: string): JavaNode {
  const value = javaField(object, name);
  return typeof value === "object" ? value : null;
}

function textField(object: JavaObject, name: string): string | undefined {
  const node = nodeField(object, name);
  return node?.kind === "string" ? node.value : undefined;
}

function uuidText(object: JavaObject): string | undefined {
  const most = javaField(object, "mostSigBits");
  const least = javaField(object, "leastSigBits");
  if (typeof most !== "bigint" || typeof least !== "bigint") return undefined;
  const hex = (value: bigint) =>
    BigInt.asUintN(64, value).toString(16).padStart(16, "0");
  return (hex(most) + hex(least)).replace(
    /^(.{8})(.{4})(.{4})(.{4})/,
    "$1-$2-$3-$4-",
  );
}

function javaUuid(text: string): JavaObject {
  const hex = text.replaceAll("-", "");
  if (!/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)) {
    throw badText(text, "java.util.UUID");
  }
  const half = (start: number) =>
    BigInt.asIntN(64, BigInt(`0x${hex.slice(start, start + 16)}`));
  return javaObject(standardJavaClass("java.util.UUID"), {
    leastSigBits: half(16),
    mostSigBits: half(0),
  });
}

function urlText(object: JavaObject): string | undefined {
  const protocol = textField(object, "protocol");
  if (protocol === undefined) return undefined;
  const authority = textField(object, "authority") ?? "";
  const ref = textField(object, "ref");
  return `${protocol}:${authority === "" ? "" : `//${authority}`}${
    textField(object, "file") ?? ""
  }${ref === undefined ? "" : `#${ref}`}`;
}

function javaUrl(text: string): JavaObject {
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?([^#]*)(?:#(.*))?$/i
    .exec(text);
  if (match === null) throw badText(text, "java.net.URL");
  const [, protocol = "", authority, file = "", ref] = match;
  const hostAndPort = (authority ?? "").replace(/^.*@/, "");
  const port = /:(\d{1,5})$/.exec(hostAndPort);
  const host = port === null ? hostAndPort : hostAndPort.slice(0, port.index);
  const string = sharedStrings();
  return javaObject(standardJavaClass("java.net.URL"), {
    hashCode: -1,
    port: port === null ? -1 : Number(port[1]),
    authority: string(authority),
    file: string(file),
    host: string(host),
    protocol: string(protocol),
    ref: string(ref),
  });
}

function localeText(object: JavaObject): string | undefined {
  const language = textField(object, "language");
  const country = textField(object, "country");
  const variant = textField(object, "variant") ?? "";
  const script = textField(object, "script") ?? "";
  const extensions = textField(object, "extensions") ?? "";
  if (language === undefined || country === undefined) return undefined;
  const hasMore = language !== "" && (script !== "" || extensions !== "");
  let text = language;
  if (
    country !== "" || language !== "" && (variant !== "" || hasMore)
  ) text += `_${country}`;
  if (variant !== "" && (language !== "" || country !== "")) {
    text += `_${variant}`;
  }
  if (script !== "" && (language !== "" || country !== "")) {
    text += `_#${script}`;
  }
  if (extensions !== "" && (language !== "" || country !== "")) {
    text += `${script === "" ? "_#" : "_"}${extensions}`;
  }
  return text;
}

function javaLocale(text: string): JavaObject {
  const at = text.indexOf("_#");
  const [language = "", country = "", ...variant] =
    (at < 0 ? text : text.slice(0, at)).split("_");
  const more = at < 0 ? "" : text.slice(at + 2);
  const [, script = "", extensions = ""] =
    /^([A-Z][a-z]{3})?_?(.*)$/.exec(more) ?? [];
  const string = sharedStrings();
  return javaObject(standardJavaClass("java.util.Locale"), {
    hashcode: -1,
    country: string(country),
    extensions: string(extensions),
    language: string(language),
    script: string(script),
    variant: string(variant.join("_")),
  });
}

function bitSetText(object: JavaObject): string | undefined {
  const bits = nodeField(object, "bits");
  if (bits?.kind !== "primitive-array") return undefined;
  const { bytes } = bits;
  const set: number[] = [];
  for (let word = 0; word + 8 <= bytes.length; word += 8) {
    for (let i = 0; i < 64; i++) {
      const half = readInt32(bytes, word + (i < 32 ? 4 : 0));
      if ((half >>> (i & 31) & 1) === 1) set.push(word * 8 + i);
    }
    if (set.length > MAX_BITS) return undefined;
  }
  return `{${set.join(", ")}}`;
}

function javaBitSet(text: string): JavaObject {
  const match = /^\{((?:\d{1,9}(?:, |(?=\})))*)\}$/.exec(text);
  if (match === null) throw badText(text, "java.util.BitSet");
  const set = (match[1] ?? "").split(", ").filter((digits) => digits !== "")
    .map(Number);
  const last = set.reduce((a, b) => Math.max(a, b), -1);
  if (last >= MAX_BITS) throw badText(text, "java.util.BitSet");
  const bytes = new Uint8Array(8 * Math.ceil((last + 1) / 64));
  for (const bit of set) {
    const word = Math.trunc(bit / 64) * 8;
    const at = word + 7 - Math.trunc(bit % 64 / 8);
    bytes[at] = (bytes[at] ?? 0) | 1 << bit % 8;
  }
  return javaObject(standardJavaClass("java.util.BitSet"), {
    bits: new JavaPrimitiveArray(standardJavaClass("[J"), bytes),
  });
}

function builderText(object: JavaObject): string | undefined {
  const input = new JavaObjectInput(javaCustomData(object));
  const count = input.readInt("count");
  return charsText(input.readObject("value"), count);
}

function charsText(node: JavaNode, count: number): string | undefined {
  if (
    node?.kind !== "primitive-array" || node.classDesc.name !== "[C" ||
    !(count >= 0 && count * 2 <= node.bytes.length)
  ) return undefined;
  let text = "";
  for (let i = 0; i < count; i++) {
    const unit = readPrimitive(node.bytes, i * 2, "C");
    text += String.fromCharCode(Number(unit));
  }
  return text;
}

function javaStringBuilder(text: string): JavaObject {
  const name = "java.lang.StringBuilder";
  const output = new JavaObjectOutput();
  output.writeInt(text.length);
  output.writeObject(charArray(text));
  return javaObject(standardJavaClass(name), {}, { [name]: output.contents() });
}

/** As long as Java makes it for a text: 16 more. */
function charArray(text: string): JavaPrimitiveArray {
  const bytes = new Uint8Array((text.length + 16) * 2);
  for (let i = 0; i < text.length; i++) {
    bytes.set(primitiveBytes(text.charCodeAt(i), "C", "text"), i * 2);
  }
  return new JavaPrimitiveArray(standardJavaClass("[C"), bytes);
}

function parseInteger(text: string): bigint {
  if (/^[+-]?\d{1,10000}$/.test(text)) return BigInt(text);
  throw badText(text, "an integer");
}

function badText(text: string, type: string): EncodeError {
  return new EncodeError(
    "malformed",
    "text",
    `${JSON.stringify(text.slice(0, 100))} is not the text of ${type}`,
  );
}
