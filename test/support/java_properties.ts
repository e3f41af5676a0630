// What holds for all Java object streams.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DecodeError,
  decodeHex,
  decodeJavaObject,
  decodeJavaStream,
  decodeModifiedUtf8,
  encodeJavaObject,
  encodeJavaStream,
  encodeModifiedUtf8,
  javaFromPlain,
  type JavaNode,
  JavaObjectInput,
  JavaObjectOutput,
  JavaString,
  javaToPlain,
  javaValue,
} from "../../protocol/mod.ts";
import { byteStrings, damaged, int32s } from "./arbitraries.ts";
import {
  javaStreams,
  javaTexts,
  javaVectors,
  plainJavaValues,
} from "./java_arbitraries.ts";
import { assertSafe, outcome } from "./outcome.ts";
import type { Property } from "./properties.ts";

const vectorBytes = ["java-serialization", "java-stream"] as const;
const vectorStreams = vectorBytes.flatMap((category) =>
  javaVectors(category).flatMap(({ hex }) =>
    hex === undefined ? [] : [decodeHex(hex)]
  )
);

/** What is written to a method's output, and read from its input. */
type Step =
  | readonly ["int", number]
  | readonly ["long", bigint]
  | readonly ["boolean", boolean]
  | readonly ["double", number]
  | readonly ["utf", string]
  | readonly ["bytes", Uint8Array]
  | readonly ["object", string];

/** Properties of protocol/java. */
export const JAVA_PROPERTIES: readonly Property[] = [
  property(
    "decodeJavaStream() reads what encodeJavaStream() wrote",
    javaStreams(),
    (contents) => {
      const bytes = encodeJavaStream(contents);
      const read = decodeJavaStream(bytes);
      assert.deepEqual(read, contents);
      assert.deepEqual(encodeJavaStream(read), bytes);
    },
  ),
  property(
    "decodeJavaStream() reads what was written with shared classes",
    javaStreams(),
    (contents) => {
      const bytes = encodeJavaStream(contents, { shareEqualClasses: true });
      assert(bytes.length <= encodeJavaStream(contents).length);
      assert.deepEqual(decodeJavaStream(bytes), contents);
    },
  ),
  property(
    "decodeJavaStream() survives hostile bytes",
    fc.oneof(
      damaged(javaStreams().map((contents) => encodeJavaStream(contents))),
      damaged(fc.constantFrom(...vectorStreams)),
    ),
    (bytes) => {
      assertSafe(bytes, decodeJavaStream, encodeJavaStream);
      const read = outcome(() => decodeJavaStream(bytes));
      if (read.type === "error") return;
      // Whatever it is, its meaning can be asked for.
      for (const content of read.value) {
        if (content === null) continue;
        const { kind } = content;
        if (kind === "block-data" || kind === "reset" || kind === "aborted") {
          continue;
        }
        visit(content);
      }
    },
  ),
  property(
    "decodeJavaStream() refuses every beginning of a stream, unless it ends between contents",
    javaStreams().map((contents) => encodeJavaStream(contents)),
    (bytes) => {
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.slice(0, length);
        const read = outcome(() => decodeJavaStream(cut));
        if (read.type === "error") {
          assert(read.error instanceof DecodeError, `${read.error}`);
          assert.equal(read.error.code, "truncated");
        } else {
          assert.deepEqual(encodeJavaStream(read.value), cut);
        }
      }
    },
  ),
  property(
    "decodeModifiedUtf8() reads what encodeModifiedUtf8() wrote",
    javaTexts(),
    (text) => {
      const bytes = encodeModifiedUtf8(text);
      assert.equal(decodeModifiedUtf8(bytes, "text"), text);
      assert(!bytes.includes(0));
    },
  ),
  property(
    "decodeModifiedUtf8() survives hostile bytes",
    byteStrings(80),
    (bytes) =>
      assertSafe(
        bytes,
        (input) => decodeModifiedUtf8(input, "text"),
        encodeModifiedUtf8,
      ),
  ),
  property(
    "JavaObjectInput reads what JavaObjectOutput wrote",
    fc.array(steps(), { maxLength: 30 }),
    (all) => {
      const output = new JavaObjectOutput();
      for (const step of all) write(output, step);
      const contents = output.contents();
      for (const content of contents) {
        if (content?.kind !== "block-data") continue;
        assert(content.bytes.length <= 1024 && content.bytes.length > 0);
        assert.equal(content.long, content.bytes.length > 255);
      }
      const input = new JavaObjectInput(contents);
      for (const step of all) assert.deepEqual(read(input, step), step[1]);
      input.end();
    },
  ),
  property(
    "javaToPlain() gives what javaFromPlain() took",
    plainJavaValues(),
    (value) => {
      const node = javaFromPlain(value);
      assert.deepEqual(widen(javaToPlain(node)), widen(value));
      const again = decodeJavaObject(encodeJavaObject(node));
      assert.deepEqual(widen(javaToPlain(again)), widen(value));
    },
  ),
];

/** Asks for the meaning of a node and of what is in it, but for each only once. */
function visit(start: JavaNode): void {
  const seen = new Set<JavaNode>();
  const open: JavaNode[] = [start];
  for (let node; (node = open.pop()) !== undefined;) {
    if (seen.has(node)) continue;
    seen.add(node);
    const value = javaValue(node);
    if (value.form === "collection" || value.form === "array") {
      open.push(...value.items);
    } else if (value.form === "map") open.push(...value.entries.flat());
  }
}

/** A long is a bigint, whether it fits a number or not. */
function widen(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(widen);
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [key, widen(item)]));
  }
  return value;
}

function steps(): fc.Arbitrary<Step> {
  return fc.oneof(
    fc.tuple(fc.constant("int" as const), int32s()),
    fc.tuple(
      fc.constant("long" as const),
      fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    ),
    fc.tuple(fc.constant("boolean" as const), fc.boolean()),
    fc.tuple(fc.constant("double" as const), fc.double()),
    fc.tuple(fc.constant("utf" as const), javaTexts()),
    fc.tuple(fc.constant("bytes" as const), byteStrings(1500)),
    fc.tuple(fc.constant("object" as const), javaTexts()),
  );
}

function write(output: JavaObjectOutput, [kind, value]: Step): void {
  if (kind === "int") output.writeInt(value);
  else if (kind === "long") output.writeLong(value);
  else if (kind === "boolean") output.writeBoolean(value);
  else if (kind === "double") output.writeDouble(value);
  else if (kind === "utf") output.writeUTF(value);
  else if (kind === "bytes") output.writeLengthAndBytes(value);
  else output.writeObject(new JavaString(value));
}

function read(input: JavaObjectInput, [kind]: Step): unknown {
  if (kind === "int") return input.readInt("x");
  if (kind === "long") return input.readLong("x");
  if (kind === "boolean") return input.readBoolean("x");
  if (kind === "double") return input.readDouble("x");
  if (kind === "utf") return input.readUTF("x");
  if (kind === "bytes") return input.readLengthAndBytes("x");
  const node = input.readObject("x");
  return node?.kind === "string" ? node.value : node;
}

function property<T>(
  name: string,
  values: fc.Arbitrary<T>,
  holds: (value: T) => void,
): Property {
  return {
    name,
    check: (parameters) => fc.assert(fc.property(values, holds), parameters),
  };
}
