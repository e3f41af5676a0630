import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine } from "../../cli/codec_command.ts";
import {
  javaFromJson,
  javaToJson,
  javaToPlainJson,
} from "../../cli/java_value_json.ts";
import type { JsonObject, JsonValue } from "../../cli/json.ts";
import {
  decodeHex,
  decodeJavaObject,
  encodeHex,
  encodeJavaObject,
  encodeJavaStream,
  JavaArray,
  javaCollection,
  javaFromPlain,
  type JavaNode,
  JavaString,
  setJavaItems,
  standardJavaClass,
} from "../../protocol/mod.ts";
import { javaVectors } from "../support/java_arbitraries.ts";

// What their classes wrote by themselves has no names in the stream.
const NOT_IN_THE_STREAM = new Set([
  "java-serialization/custom-externalizable",
  "java-serialization/custom-linked-chain",
]);
// A list that was copied before it was written: the stream has the copy's class.
const COPIED = "java-stream/reset";
// Bytes that a value alone does not determine: shared strings, stack traces.
const NOT_IN_THE_VALUE = new Set([
  "java-serialization/array-string",
  "java-serialization/shared-string",
  "java-serialization/throwable",
  "java-serialization/throwable-cause",
  "java-stream/many",
  COPIED,
]);

for (const category of ["java-serialization", "java-stream"] as const) {
  for (const { id, hex, value, content } of javaVectors(category)) {
    if (hex === undefined) continue;
    const form = (value ?? { content }) as JsonObject; // vectors are JSON

    test(`decode --roundtrip agrees with ${id}`, async () => {
      const answer = await decode({ kind: category, hex });
      assert.equal(answer.same, true);
      if (NOT_IN_THE_STREAM.has(id) || id === COPIED) return;
      const decoded = answer.value as JsonObject; // ok answers have one
      for (const [name, expected] of Object.entries(form)) {
        assert.deepEqual(decoded[name], expected, name);
      }
    });

    test(`encode makes ${id} of its value, or says that it cannot`, async () => {
      const answer = await encode({ kind: category, value: form });
      const type = String(form.type);
      if (type.startsWith("vec.") || type === "proxy") {
        assert.equal(codeOf(answer), "unsupported");
      } else if (NOT_IN_THE_VALUE.has(id)) {
        const again = await decode({
          kind: category,
          hex: answer.hex as string,
        });
        const whole = await decode({ kind: category, hex });
        if (id !== COPIED) assert.deepEqual(again.value, whole.value);
      } else {
        assert.equal(answer.hex, hex);
      }
    });
  }
}

test("decode gives the code and place of a wrong stream", async () => {
  for (
    const [kind, hex, code, offset] of [
      ["java-serialization", "", "truncated", 0],
      ["java-serialization", "aced", "truncated", 2],
      ["java-serialization", "acee0005", "bad-marker", 0],
      ["java-serialization", "aced00057070", "trailing-bytes", 5],
      ["java-serialization", "aced000571007e0000", "malformed", 5],
      ["java-stream", "aced00056f", "malformed", 4],
      [
        "java-stream",
        `aced000573720001780000000000000001040000787000`,
        "unsupported",
        5,
      ],
    ] as const
  ) {
    const answer = await decode({ kind, hex });
    const error = answer.error as JsonObject; // failures have one
    assert.deepEqual([error.code, error.offset], [code, offset], hex);
  }
});

test("decode answers for a list in itself, and for lists that double each other", async () => {
  const list = javaCollection("java.util.ArrayList", []);
  setJavaItems(list, [list]);
  const { value, same } = await decode({
    kind: "java-serialization",
    hex: encodeHex(encodeJavaObject(list)),
  });
  assert.equal(same, true);
  assert.deepEqual(value, {
    type: "java.util.ArrayList",
    items: [{ type: "cycle" }],
  });
  assert.deepEqual(javaToPlainJson(list), [{ type: "cycle" }]);

  let double: JavaNode = new JavaString("a");
  for (let i = 0; i < 60; i++) {
    double = new JavaArray(standardJavaClass("[Ljava.lang.Object;"), [
      double,
      double,
    ]);
  }
  const answer = await decode({
    kind: "java-serialization",
    hex: encodeHex(encodeJavaObject(double)),
  });
  assert.equal(codeOf(answer), "too-large");
});

test("decode answers for objects that nest as deep as is allowed", async () => {
  let node: JavaNode = null;
  for (let i = 0; i < 990; i++) {
    node = javaCollection("java.util.ArrayList", [node]);
  }
  const answer = await decode({
    kind: "java-serialization",
    hex: encodeHex(encodeJavaObject(node)),
  });
  assert(answer.same === true || codeOf(answer) === "unsupported");
});

test("encode takes plain JSON", () => {
  const value = {
    text: "a",
    int: 1,
    long: 2 ** 40,
    double: 0.5,
    flag: true,
    none: null,
    list: [1, "x"],
    byte: { type: "java.lang.Byte", value: -1 },
  };
  const node = javaFromJson(value);
  assert.deepEqual(javaToPlainJson(node), {
    ...value,
    long: { type: "java.lang.Long", value: "1099511627776" },
  });
  assert.equal(javaToJson(node).type, "java.util.LinkedHashMap");
  assert.deepEqual(
    decodeJavaObject(encodeJavaObject(javaFromPlain({ a: [1] }))),
    decodeJavaObject(encodeJavaObject(javaFromJson({ a: [1] }))),
  );
});

test("encode gives forms back that decode gave", () => {
  const forms: JsonObject[] = [
    { type: "java.lang.Float", value: "1.4E-45", bits: "00000001" },
    { type: "java.lang.Float", value: "0.1", bits: "3dcccccd" },
    { type: "java.lang.Double", value: "NaN", bits: "7ff8000000000000" },
    { type: "java.lang.Double", value: "1.0E7", bits: "416312d000000000" },
    { type: "java.lang.Double", value: "-0.001", bits: "bf50624dd2f1a9fc" },
    { type: "java.lang.Character", value: 65535 },
    { type: "java.sql.Timestamp", millis: "-1500", nanos: 500000000 },
    { type: "java.sql.Date", millis: "5", nanos: null },
    { type: "float[]", items: [0.1, -2.5, "NaN"] },
    { type: "double[]", items: ["0.1", "Infinity"] },
    { type: "boolean[]", items: [true, false] },
    { type: "short[]", items: [-32768] },
    { type: "[Ljava.lang.String;[]", items: [{ type: "null" }] },
    { type: "java.util.Date[]", items: [] },
    { type: "java.lang.Class", name: "java.util.HashMap" },
    { type: "enum", class: "a.B", name: "C" },
    { type: "java.io.IOException", text: null },
    {
      type: "java.util.EnumMap",
      entries: [[{ type: "enum", class: "a.B", name: "C" }, { type: "null" }]],
    },
    {
      type: "java.util.RegularEnumSet",
      items: [
        { type: "enum", class: "a.B", name: "C" },
        { type: "enum", class: "a.B", name: "D" },
      ],
    },
  ];
  for (const form of forms) {
    const bytes = encodeJavaObject(javaFromJson(form));
    assert.deepEqual(javaToJson(decodeJavaObject(bytes)), form);
  }
});

test("encode names the field that is missing or wrong", async () => {
  const kind = "java-serialization";
  for (
    const [value, code, field] of [
      [undefined, "bad-line", "value"],
      [{ type: "java.lang.Integer" }, "malformed", "value.value"],
      [{ type: "java.lang.Integer", value: 2 ** 31 }, "out-of-range", "value"],
      [{ type: "java.lang.String", value: 5 }, "malformed", "value.value"],
      [{ type: "byte[]", hex: "0" }, "malformed", "value.hex"],
      [{ type: "int[]", items: 1 }, "malformed", "value.items"],
      [{ type: "int[]", items: ["x"] }, "malformed", "value.items[0]"],
      [
        { type: "java.util.HashMap", entries: [[1]] },
        "malformed",
        "value.entries[0]",
      ],
      [{ type: "java.util.UUID", text: "x" }, "malformed", "text"],
      [{ type: "java.time.LocalDate", text: "x" }, "malformed", "text"],
      [{ type: "java.lang.Float", bits: "00", value: 0 }, undefined, ""],
      [
        { type: "java.lang.Double", bits: "00".repeat(9) },
        "malformed",
        "value.bits",
      ],
      [{ type: "vec.Any", items: [] }, "unsupported", "type"],
      [{ type: "vec.Any" }, "unsupported", "value"],
      [[{ type: "vec.Any" }], "unsupported", "value[0]"],
    ] as const
  ) {
    const line = value === undefined ? { kind } : { kind, value };
    const answer = await encode(line as JsonObject);
    const error = answer.error as JsonObject | undefined;
    assert.equal(error?.code, code, JSON.stringify(value));
    if (error !== undefined) assert.equal(error.field, field);
  }
  const stream = await encode({
    kind: "java-stream",
    value: { content: [{ what: 1 }] },
  });
  assert.equal(codeOf(stream), "malformed");
});

test("a stream's content is shown with one list of bytes for a run of blocks", async () => {
  const hex = encodeHex(encodeJavaStream([])) + "770101" + "7a00000000" +
    "770102" + "70" + "770103";
  const answer = await decode({ kind: "java-stream", hex });
  assert.equal(answer.same, true);
  assert.deepEqual(answer.value, {
    content: [
      { bytes: "0102" },
      { object: { type: "null" } },
      { bytes: "03" },
    ],
  });
});

test("a principal is shown by its name and its roles, never with a password", () => {
  const principal = javaVectorPrincipal();
  assert.deepEqual(javaToJson(principal), {
    type: "principal",
    name: "alice",
    roles: ["admin"],
  });
});

/** A principal as Tomcat writes it, with the password of older releases. */
function javaVectorPrincipal(): JavaNode {
  const name = "6f72672e6170616368652e636174616c696e612e7265616c6d2e" +
    "47656e657269635072696e636970616c";
  return decodeJavaObject(decodeHex(
    `aced0005737200${(name.length / 2).toString(16).padStart(2, "0")}${name}` +
      "0000000000000001" + "020003" +
      "4c00046e616d65740001" + "78" + "4c000870617373776f726471007e0001" +
      "5b0005726f6c6573740001" + "79" + "7870" +
      "740005616c696365" + "740006736563726574" +
      encodeHex(
        encodeJavaObject(javaStringArrayOf("admin")).subarray(4),
      ),
  ));
}

function javaStringArrayOf(text: string): JavaNode {
  return new JavaArray(standardJavaClass("[Ljava.lang.String;"), [
    new JavaString(text),
  ]);
}

function codeOf(answer: JsonObject): JsonValue | undefined {
  return (answer.error as JsonObject | undefined)?.code;
}

function decode(line: JsonObject): Promise<JsonObject> {
  return answer(line, { direction: "decode", roundtrip: true });
}

function encode(line: JsonObject): Promise<JsonObject> {
  return answer(line, { direction: "encode" });
}

async function answer(
  line: JsonObject,
  options: Parameters<typeof answerLine>[1],
): Promise<JsonObject> {
  const text = JSON.stringify(line);
  return JSON.parse(await answerLine({ type: "text", text }, options));
}

test("encode takes a reference to an object of the stream by its number", async () => {
  const list = { type: "java.util.LinkedList", items: [] };
  const { hex } = await encode({
    kind: "java-stream",
    value: {
      content: [{ bytes: "01" }, { object: list }, {
        backReferenceToObject: 1,
      }],
    },
  });
  assert.match(String(hex), /^aced0005770101.*71007e0001$/);
});
