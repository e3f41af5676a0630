import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeHex,
  decodeJavaObject,
  encodeHex,
  encodeJavaObject,
  encodeJavaStream,
  isJavaClass,
  JavaArray,
  JavaBlockData,
  javaBox,
  javaByteArray,
  javaClassDesc,
  javaCollection,
  javaCustomData,
  javaDate,
  javaDouble,
  javaDoubleText,
  javaExternalizable,
  javaField,
  javaFields,
  javaFloatText,
  javaFromPlain,
  javaFromText,
  javaInteger,
  javaLong,
  javaMap,
  type JavaNode,
  JavaObject,
  javaObject,
  JavaObjectInput,
  JavaObjectOutput,
  JavaString,
  javaString,
  javaToPlain,
  javaValue,
  setJavaFields,
  setJavaItems,
  standardJavaClass,
} from "../../../protocol/mod.ts";
import { javaVectors } from "../../support/java_arbitraries.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

test("javaField() finds a field by name and declaring class", () => {
  const base = javaClassDesc({
    name: "a.Base",
    serialVersionUID: 1n,
    fields: ["I x", "J y", "L z La;"],
  });
  const derived = javaClassDesc({
    name: "a.Derived",
    serialVersionUID: 2n,
    fields: ["B b", "C c", "D d", "F f", "S s", "Z t", "L x La;"],
    superDesc: base,
  });
  const text = javaString("text");
  const object = javaObject(derived, {
    b: -1,
    c: 0xffff,
    d: 0.1,
    f: 1.5,
    s: -2,
    t: true,
    x: text,
    "a.Base.x": -7,
    y: -(1n << 63n),
  });
  const read = decodeJavaObject(encodeJavaObject(object));
  assert(read instanceof JavaObject);
  assert.deepEqual(read, object);
  assert.deepEqual(
    javaFields(read).map(({ className, name, value }) => [
      `${className}.${name}`,
      value,
    ]),
    [
      ["a.Base.x", -7],
      ["a.Base.y", -(1n << 63n)],
      ["a.Base.z", null],
      ["a.Derived.b", -1],
      ["a.Derived.c", 0xffff],
      ["a.Derived.d", 0.1],
      ["a.Derived.f", 1.5],
      ["a.Derived.s", -2],
      ["a.Derived.t", true],
      ["a.Derived.x", text],
    ],
  );
  assert.deepEqual(javaField(read, "x"), text);
  assert.equal(javaField(read, "x", "a.Base"), -7);
  assert.equal(javaField(read, "none"), undefined);
  assert.equal(javaField(read, "x", "a.None"), undefined);
  assert(isJavaClass(derived, "a.Base") && !isJavaClass(base, "a.Derived"));
});

test("setJavaFields() changes a copy of the bytes, and refuses what does not fit", () => {
  const bytes = encodeJavaObject(javaInteger(1));
  const before = bytes.slice();
  const node = decodeJavaObject(bytes);
  assert(node instanceof JavaObject);
  setJavaFields(node, { value: 2 });
  assert.deepEqual(bytes, before);
  assert.deepEqual(encodeJavaObject(node), encodeJavaObject(javaInteger(2)));
  for (
    const [value, code] of [
      [2 ** 31, "out-of-range"],
      [0.5, "out-of-range"],
      [1n, "malformed"],
      [true, "malformed"],
      [null, "malformed"],
    ] as const
  ) {
    assertEncodeError(() => setJavaFields(node, { value }), code, "value");
  }
  assertEncodeError(() => setJavaFields(node, { x: 1 }), "malformed", "x");
  assertEncodeError(() => javaLong(1n << 63n), "out-of-range", "value");
  const list = javaObject(
    standardJavaClass("java.util.Collections$SingletonList"),
  );
  assertEncodeError(
    () => setJavaFields(list, { element: 1 }),
    "malformed",
    "element",
  );
});

test("JavaObjectInput reads across blocks, and says where it failed", () => {
  const source = decodeHex(
    "aced0005" + "770100" + "7702" + "0000" + "7a00000001" + "07" + "740001" +
      "61",
  );
  const contents = [
    new JavaBlockData(source.subarray(6, 7)),
    new JavaBlockData(source.subarray(9, 11)),
    new JavaBlockData(source.subarray(16, 17), true),
    javaString("a"),
  ];
  const options = { name: "x", source };
  const input = new JavaObjectInput(contents, options);
  assert.equal(input.available(), 4);
  assertDecodeError(() => input.readObject("y"), "malformed", "x.y", 6);
  assertDecodeError(() => input.end(), "trailing-bytes", "x.end", 6);
  assertDecodeError(() => input.readLong("z"), "truncated", "x.z", 6);
  assert.equal(input.readInt("n"), 7);
  assertDecodeError(() => input.readByte("z"), "truncated", "x.z", 17);
  assert.deepEqual(input.readObject("y"), javaString("a"));
  assertDecodeError(() => input.readObject("y"), "truncated", "x.y", 17);
  input.end();
  const negative = new JavaObjectInput([
    new JavaBlockData(decodeHex("ffffffff")),
  ]);
  assertDecodeError(
    () => negative.readLengthAndBytes("b"),
    "out-of-range",
    "b.length",
    4,
  );
});

test("JavaObjectOutput cuts blocks as Java does", () => {
  const output = new JavaObjectOutput();
  output.writeBytes(new Uint8Array(2000));
  output.writeObject(null);
  output.writeByte(1);
  const [first, second, none, last] = output.contents();
  assert(first?.kind === "block-data" && second?.kind === "block-data");
  assert.deepEqual([first.bytes.length, second.bytes.length], [1024, 976]);
  assert.equal(none, null);
  assert.deepEqual(last, new JavaBlockData(new Uint8Array([1])));
  const vector = javaVectors("java-stream").find(({ id }) =>
    id === "java-stream/big-block"
  );
  const bytes = encodeJavaStream(output.contents().slice(0, 2));
  assert.equal(bytes.length * 2, vector?.hex?.length);
  assertEncodeError(
    () => output.writeUTF("x".repeat(65536)),
    "too-large",
    "utf",
  );
});

test("setJavaItems() changes a collection in place and keeps the rest", () => {
  for (
    const [name, items] of [
      ["arraylist", [javaString("x"), null]],
      ["hashset", [javaInteger(1)]],
      ["treeset", []],
      ["arraydeque", [javaInteger(1), javaInteger(2), javaInteger(3)]],
    ] as const
  ) {
    const object = vector(name);
    const value = javaValue(object);
    assert(value.form === "collection");
    const before = encodeJavaObject(object);
    assert(setJavaItems(object, value.items));
    assert.deepEqual(encodeJavaObject(object), before, name);
    assert(setJavaItems(object, items));
    const read = javaValue(decodeJavaObject(encodeJavaObject(object)));
    assert(read.form === "collection");
    assert.equal(read.type, value.type);
    assert.deepEqual(read.items, items);
  }
  for (const name of ["hashmap", "linkedhashmap", "treemap", "hashtable"]) {
    const object = vector(name);
    const value = javaValue(object);
    assert(value.form === "map");
    const before = encodeJavaObject(object);
    assert(setJavaItems(object, value.entries));
    assert.deepEqual(encodeJavaObject(object), before, name);
    assert(setJavaItems(object, [[javaString("k"), null]]));
    const read = javaValue(decodeJavaObject(encodeJavaObject(object)));
    assert(read.form === "map");
    assert.deepEqual(read.entries, [[javaString("k"), null]]);
  }
  assert(!setJavaItems(vector("collections-unmodifiablelist"), []));
  const map = javaMap("java.util.HashMap", []);
  const entries = Array.from(
    { length: 13 },
    (_, i) => [javaInteger(i), null] as const,
  );
  setJavaItems(map, entries);
  assert.equal(javaField(map, "threshold"), 24);
  const [block] = javaCustomData(map);
  assert(block?.kind === "block-data");
  assert.equal(encodeHex(block.bytes), "000000200000000d");
});

test("javaValue() gives an object by its fields where its data is not that of its class", () => {
  const liar = javaObject(standardJavaClass("java.util.ArrayList"), {}, {
    "java.util.ArrayList": [new JavaBlockData(decodeHex("7fffffff"))],
  });
  const value = javaValue(liar);
  assert(value.form === "object");
  assert.equal(value.type, "java.util.ArrayList");
  assert.equal(value.data?.length, 1);
  const wrapper = javaObject(
    standardJavaClass("java.util.Collections$UnmodifiableList"),
  );
  setJavaFields(wrapper, { c: wrapper });
  assert.equal(javaValue(wrapper).form, "object");
  const time = javaExternalizable(standardJavaClass("java.time.Ser"), [
    new JavaBlockData(decodeHex("0f")),
  ]);
  assert.equal(javaValue(time).form, "object");
  const odd = javaMap("java.util.HashMap", []);
  setJavaItems(odd, [[null, null]]);
  odd.data[0]!.custom!.pop(); // the map has both
  assert.equal(javaValue(odd).form, "object");
});

test("javaValue() knows a collection by the class above it", () => {
  const desc = javaClassDesc({
    name: "a.Mine",
    serialVersionUID: 1n,
    fields: ["I extra"],
    superDesc: standardJavaClass("java.util.ArrayList"),
  });
  const mine = javaObject(desc, { size: 1 }, {
    "java.util.ArrayList": [new JavaBlockData(decodeHex("00000001")), null],
  });
  assert.deepEqual(javaValue(mine), {
    form: "collection",
    type: "a.Mine",
    items: [null],
  });
});

// Texts as a Java virtual machine gave them.
const TEXTS: readonly (readonly [type: string, texts: readonly string[]])[] = [
  ["java.math.BigInteger", [
    "0",
    "1",
    "-1",
    "128",
    "-256",
    "123456789012345678901",
  ]],
  [
    "java.math.BigDecimal",
    [
      "0",
      "1E+3",
      "1.5E-10",
      "-0.000001",
      "1E-7",
      "123.450",
      "-1.2E-19",
      "0.00",
      "0E+5",
      "100",
    ],
  ],
  ["java.util.UUID", ["00112233-4455-6677-8899-aabbccddeeff"]],
  ["java.net.URI", ["http://a/b?c#d", ""]],
  ["java.net.URL", ["https://u:p@h:8443/p?q#r", "file:/x/y", "http://[::1]/"]],
  [
    "java.util.Locale",
    [
      "fr_FR",
      "",
      "en",
      "zh_CN_#Hans",
      "de_DE_POSIX",
      "th_TH_#u-ca-buddhist",
      "_CH",
      "sr__#Latn",
    ],
  ],
  ["java.util.Currency", ["JPY"]],
  ["java.util.concurrent.atomic.AtomicInteger", ["-3"]],
  ["java.util.concurrent.atomic.AtomicLong", ["1099511627776"]],
  ["java.util.concurrent.atomic.AtomicBoolean", ["true", "false"]],
  ["java.util.BitSet", ["{}", "{0, 63, 64, 200}"]],
  ["java.lang.StringBuilder", ["", "abc€"]],
  ["java.lang.StringBuffer", ["abc€"]],
  [
    "java.time.Duration",
    [
      "PT0S",
      "PT-1S",
      "PT-0.001S",
      "PT-1.5S",
      "PT1H1M1S",
      "PT0.000000001S",
      "PT25H",
      "PT1M",
      "PT2562047788015215H30M7S",
    ],
  ],
  [
    "java.time.Instant",
    [
      "1970-01-01T00:00:00Z",
      "-1000000000-01-01T00:00:00Z",
      "+1000000000-12-31T23:59:59.999999999Z",
      "1969-12-31T23:59:59.000000005Z",
      "1970-01-01T00:00:01.000001Z",
      "0000-02-29T23:59:59Z",
      "2000-03-01T00:00:00.100Z",
      "-0001-12-31T23:59:59Z",
    ],
  ],
  ["java.time.LocalDate", [
    "-999999999-01-01",
    "+999999999-12-31",
    "-0001-01-01",
    "0099-01-01",
  ]],
  ["java.time.LocalTime", [
    "00:00",
    "23:59:59.999999999",
    "01:02",
    "01:00:03",
    "01:00:00.000001",
    "00:00:00.001",
  ]],
  ["java.time.LocalDateTime", ["+10000-01-01T00:00"]],
  ["java.time.ZoneOffset", ["Z", "-01:02:03", "+05:45", "-18:00"]],
  ["java.time.ZoneRegion", ["UTC", "GMT+02:00"]],
  ["java.time.ZonedDateTime", [
    "2024-01-01T00:00Z",
    "2024-07-01T12:00-04:00[America/New_York]",
  ]],
  ["java.time.OffsetTime", ["01:02:03-05:00"]],
  ["java.time.OffsetDateTime", [
    "+999999999-12-31T23:59:59.999999999-18:00",
    "-0005-01-01T01:01:01.000000001-18:00",
  ]],
  ["java.time.Year", ["-5", "12345"]],
  ["java.time.YearMonth", ["12345-01", "0001-12"]],
  ["java.time.MonthDay", ["--02-29"]],
  ["java.time.Period", ["P0D", "P-1Y5D", "P1Y2M3D"]],
];

for (const [type, texts] of TEXTS) {
  test(`javaFromText() and javaValue() agree on ${type}`, () => {
    for (const text of texts) {
      const bytes = encodeJavaObject(javaFromText(type, text));
      const value = javaValue(decodeJavaObject(bytes));
      assert.deepEqual(value, { form: "text", type, text });
    }
    // Any text is one of these.
    if (/URI|Currency|String|Region|Locale/.test(type)) return;
    assertEncodeError(() => javaFromText(type, "x?"), "malformed", "text");
  });
}

test("javaFromText() refuses a class without a text", () => {
  assertEncodeError(() => javaFromText("a.B", ""), "unsupported", "type");
  assertEncodeError(() => javaCollection("a.B", []), "unsupported", "type");
  assertEncodeError(() => javaMap("a.B", []), "unsupported", "type");
  assertEncodeError(() => javaBox("a.B", 1), "unsupported", "java.class");
  assertEncodeError(() => javaDate(0n, "a.B"), "unsupported", "type");
});

test("javaDoubleText() and javaFloatText() write as Java does", () => {
  const doubles: readonly (readonly [number, string])[] = [
    [0, "0.0"],
    [-0, "-0.0"],
    [1, "1.0"],
    [0.1, "0.1"],
    [100, "100.0"],
    [1e7, "1.0E7"],
    [9_999_999, "9999999.0"],
    [1e-3, "0.001"],
    [9.999e-4, "9.999E-4"],
    [Number.MIN_VALUE, "4.9E-324"],
    [Number.MAX_VALUE, "1.7976931348623157E308"],
    [123456789.125, "1.23456789125E8"],
    [NaN, "NaN"],
    [-Infinity, "-Infinity"],
  ];
  for (const [value, text] of doubles) {
    assert.equal(javaDoubleText(value), text);
  }
  const floats: readonly (readonly [number, string])[] = [
    [Math.fround(0.1), "0.1"],
    [Math.fround(1e10), "1.0E10"],
    [Math.fround(3.4028235e38), "3.4028235E38"],
    [Math.fround(1.4e-45), "1.4E-45"],
    [Math.fround(12345678), "1.2345678E7"],
    [-1.5, "-1.5"],
    [NaN, "NaN"],
  ];
  for (const [value, text] of floats) assert.equal(javaFloatText(value), text);
});

test("javaFromPlain() keeps what occurs twice, and cycles", () => {
  const shared = ["x"];
  const list: unknown[] = [shared, shared, true, true];
  list.push(list);
  const node = javaFromPlain(list as Parameters<typeof javaFromPlain>[0]);
  const value = javaValue(node);
  assert(value.form === "collection");
  const [first, second, yes, again, self] = value.items;
  assert.equal(first, second);
  assert.equal(yes, again);
  assert.equal(self, node);
  const plain = javaToPlain(decodeJavaObject(encodeJavaObject(node)));
  assert(Array.isArray(plain));
  assert.equal(plain[0], plain[1]);
  assert.equal(plain[4], plain);
});

test("javaFromPlain() chooses classes by the value", () => {
  for (
    const [value, type] of [
      [1, "java.lang.Integer"],
      [-(2 ** 31), "java.lang.Integer"],
      [2 ** 31, "java.lang.Long"],
      [-0, "java.lang.Double"],
      [0.5, "java.lang.Double"],
      [2 ** 60, "java.lang.Double"],
      [1n, "java.lang.Long"],
      [1n << 63n, "java.math.BigInteger"],
      [new Set([1]), "java.util.LinkedHashSet"],
      [{ a: 1 }, "java.util.LinkedHashMap"],
      [new Date(5), "java.util.Date"],
      [[], "java.util.ArrayList"],
      [new Uint8Array(2), "byte[]"],
    ] as const
  ) {
    const view = javaValue(javaFromPlain(value));
    assert("type" in view && view.type === type, `${String(value)} as ${type}`);
  }
  assert.equal(javaFromPlain(undefined), null);
  const node = javaDouble(1);
  assert.equal(javaFromPlain(node), node);
  assert.deepEqual(
    javaToPlain(javaFromPlain(new Set(["a"]))),
    new Set(["a"]),
  );
  assertEncodeError(
    () => javaFromPlain((() => 0) as unknown as null),
    "unsupported",
    "value",
  );
  assertEncodeError(
    () => javaFromPlain(new Date(NaN)),
    "out-of-range",
    "value",
  );
  let deep: unknown = 1;
  for (let i = 0; i < 1100; i++) deep = [deep];
  assertEncodeError(() => javaFromPlain(deep as null), "too-large", "value");
});

test("javaCollection() chooses the table's size and the array's class as Java does", () => {
  const strings = [new JavaString("a"), new JavaString("b")];
  const list = javaCollection("java.util.Arrays$ArrayList", strings);
  const array = javaField(list, "a");
  assert(array instanceof JavaArray);
  assert.equal(array.classDesc.name, "[Ljava.lang.String;");
  const mixed = javaCollection("java.util.Arrays$ArrayList", [
    ...strings,
    javaByteArray(new Uint8Array(1)),
  ]);
  const objects = javaField(mixed, "a");
  assert(objects instanceof JavaArray);
  assert.equal(objects.classDesc.name, "[Ljava.lang.Object;");
  for (
    const [items, tag] of [[[null], 4], [[strings[0]!, null, null], 4], [
      [],
      1,
    ]] as const
  ) {
    const type = "java.util.ImmutableCollections$ListN";
    assert.equal(javaField(javaCollection(type, items), "tag"), tag);
  }
});

function vector(name: string): JavaObject {
  const found = javaVectors("java-serialization").find(({ id }) =>
    id === `java-serialization/${name}`
  );
  const node: JavaNode = decodeJavaObject(decodeHex(found?.hex ?? ""));
  assert(node instanceof JavaObject);
  return node;
}

test("JavaObjectInput counts bytes of blocks where it knows no source", () => {
  const input = new JavaObjectInput([
    new JavaBlockData(new Uint8Array(3)),
    new JavaBlockData(new Uint8Array(2)),
  ]);
  input.readBytes(4, "x");
  assertDecodeError(() => input.readShort("y"), "truncated", "y", 4);
});

test("javaValue() refuses a negative number of items", () => {
  const list = javaObject(standardJavaClass("java.util.LinkedList"), {}, {
    "java.util.LinkedList": [new JavaBlockData(decodeHex("ffffffff"))],
  });
  assert.equal(javaValue(list).form, "object");
});

test("javaValue() tells a throwable's cause, which is not itself", () => {
  const alone = javaValue(vector("throwable"));
  assert(alone.form === "throwable" && alone.cause === null);
  const outer = javaValue(vector("throwable-cause"));
  assert(outer.form === "throwable" && outer.text === "outer");
  const inner = javaValue(outer.cause);
  assert(inner.form === "throwable" && inner.text === "inner");
  assert.equal(inner.type, "java.io.IOException");
});

test("javaFromText() shares equal strings of a locale, as Java does", () => {
  const locale = javaFromText("java.util.Locale", "fr_FR");
  const names = ["extensions", "script", "variant"];
  const [first, ...others] = names.map((name) => javaField(locale, name));
  for (const other of others) assert.equal(other, first);
});
