// Kinds of Java object streams.
import {
  decodeHex,
  decodeJavaObject,
  decodeJavaStream,
  EncodeError,
  encodeJavaObject,
  encodeJavaStream,
  JavaBlockData,
  type JavaContent,
  JavaReset,
} from "../protocol/mod.ts";
import {
  javaContentsToJson,
  javaFromJson,
  javaToJson,
} from "./java_value_json.ts";
import { abbreviate, isJsonObject, type JsonValue } from "./json.ts";
import {
  type CodecLine,
  type Decoded,
  type Kind,
  lineBytes,
  LineError,
  lineValue,
} from "./kind.ts";

// One stream is made of parts of several: classes are written once.
const SHARED = { shareEqualClasses: true } as const;
// Java's writer gathers bytes in blocks of this length.
const BLOCK = 1024;

/** The kinds `java-serialization` and `java-stream`. */
export const JAVA_KINDS: readonly Kind[] = [
  {
    name: "java-serialization",
    decode: decodeObject,
    encode: ({ fields: { value } }) => {
      if (value === undefined) {
        throw new LineError("bad-line", "value", "it is missing");
      }
      return encodeJavaObject(javaFromJson(value), SHARED);
    },
  },
  { name: "java-stream", decode: decodeStream, encode: encodeStream },
];

function decodeObject(line: CodecLine): Decoded {
  const bytes = lineBytes(line);
  const node = decodeJavaObject(bytes);
  return {
    value: javaToJson(node),
    bytes,
    encodeAgain: () => encodeJavaObject(node),
  };
}

function decodeStream(line: CodecLine): Decoded {
  const bytes = lineBytes(line);
  const contents = decodeJavaStream(bytes);
  return {
    value: { content: javaContentsToJson(contents) },
    bytes,
    encodeAgain: () => encodeJavaStream(contents),
  };
}

function encodeStream(line: CodecLine): Uint8Array {
  lineValue(line); // refuses what is not an object
  const value = line.fields.value;
  const content = isJsonObject(value) ? value.content : undefined;
  if (!Array.isArray(content)) {
    throw new EncodeError("malformed", "content", "it is not an array");
  }
  const contents: JavaContent[] = [];
  // Numbers of contents count a run of blocks once.
  const shown: JavaContent[] = [];
  content.forEach((item: JsonValue, i) => {
    const added = contentsOf(item, `content[${i}]`, shown);
    contents.push(...added);
    shown.push(added[0] ?? null);
  });
  return encodeJavaStream(contents, SHARED);
}

function contentsOf(
  item: JsonValue,
  field: string,
  before: readonly JavaContent[],
): JavaContent[] {
  if (isJsonObject(item)) {
    if (item.object !== undefined) {
      return [javaFromJson(item.object, `${field}.object`)];
    }
    if (item.reset === true) return [new JavaReset()];
    if (typeof item.bytes === "string") return blocks(item.bytes);
    const content = before[Number(item.backReferenceToObject ?? -1)];
    if (content !== undefined) return [content];
    if (item.exception !== undefined) {
      throw new EncodeError(
        "unsupported",
        field,
        "an object whose writing an exception ended cannot be made",
      );
    }
  }
  throw new EncodeError(
    "malformed",
    field,
    `${abbreviate(JSON.stringify(item))} is not what a stream holds`,
  );
}

function blocks(hex: string): JavaBlockData[] {
  if (!/^([0-9a-fA-F]{2})*$/.test(hex)) {
    throw new EncodeError("malformed", "bytes", "it is not hexadecimal");
  }
  const bytes = decodeHex(hex);
  const parts: JavaBlockData[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK) {
    parts.push(new JavaBlockData(bytes.subarray(at, at + BLOCK)));
  }
  return parts;
}
