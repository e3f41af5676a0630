import assert from "node:assert/strict";
import { test } from "node:test";
import {
  concatBytes,
  DecodeError,
  type DecodeErrorCode,
  decodeHex,
  decodeJavaObject,
  decodeJavaStream,
  encodeHex,
  encodeJavaObject,
  encodeJavaStream,
  JavaArray,
  JavaBlockData,
  javaByteArray,
  JavaClassData,
  JavaClassDesc,
  javaClassDesc,
  javaField,
  javaInteger,
  type JavaNode,
  JavaObject,
  javaObject,
  JavaPrimitiveArray,
  JavaProxyClassDesc,
  JavaReset,
  JavaStreamReader,
  JavaString,
  setJavaFields,
  standardJavaClass,
} from "../../../protocol/mod.ts";
import { javaVectors } from "../../support/java_arbitraries.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const NODE = javaClassDesc({
  name: "vec.Node",
  serialVersionUID: 1n,
  fields: ["L next Lvec/Node;"],
});
const CUSTOM = javaClassDesc({
  name: "vec.Custom",
  serialVersionUID: 2n,
  flags: 3,
});
const OBJECTS = standardJavaClass("[Ljava.lang.Object;");

for (const category of ["java-serialization", "java-stream"] as const) {
  for (const { id, hex } of javaVectors(category)) {
    if (hex === undefined) continue; // only its head is given
    test(`encodeJavaStream() writes ${id} as it was read`, () => {
      const bytes = decodeHex(hex);
      const contents = decodeJavaStream(bytes);
      assert.equal(encodeHex(encodeJavaStream(contents)), hex);
      const shared = encodeJavaStream(contents, { shareEqualClasses: true });
      assert.equal(encodeHex(shared), hex);
    });

    test(`decodeJavaStream() refuses ${id} cut anywhere inside`, () => {
      const bytes = decodeHex(hex);
      if (category === "java-stream") return assertPrefixes(bytes);
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(
          () => decodeJavaObject(bytes.slice(0, length)),
          { name: "DecodeError", code: "truncated" },
        );
      }
    });
  }
}

test("decodeJavaStream() reads a string of 65536 bytes, and encodeJavaStream() writes it so", () => {
  const text = "L".repeat(65536);
  const bytes = encodeJavaObject(new JavaString(text));
  const vector = javaVectors("java-stream").find(({ id }) =>
    id === "java-stream/longstring"
  ) as unknown as { headHex: string; totalLength: number }; // its own form
  assert.equal(bytes.length, vector.totalLength);
  assert(encodeHex(bytes).startsWith(vector.headHex));
  assert.deepEqual(decodeJavaObject(bytes), new JavaString(text, true));
  assert.equal(encodeJavaObject(new JavaString(text.slice(1)))[4], 0x74);
});

test("decodeJavaStream() keeps identity: cycles and what occurs twice", () => {
  const node = javaObject(NODE);
  setJavaFields(node, { next: node });
  const [first, second] = decodeJavaStream(encodeJavaStream([node, node]));
  assert(first instanceof JavaObject);
  assert.equal(javaField(first, "next"), first);
  assert.equal(second, first);
});

test("decodeJavaStream() forgets handles at a reset", () => {
  const text = new JavaString("a");
  const bytes = encodeJavaStream([text, text, new JavaReset(), text]);
  assert.equal(
    encodeHex(bytes),
    "aced0005" + "74000161" + "71007e0000" + "79" + "74000161",
  );
  const [first, again, , last] = decodeJavaStream(bytes);
  assert.equal(again, first);
  assert.notEqual(last, first);
});

test("decodeJavaStream() reads an exception that ended an object, and what follows it", () => {
  // An array of two, of which a string was written, then the exception, a string here.
  const array = encodeJavaObject(new JavaArray(OBJECTS, [null, null]));
  const written = concatBytes([
    array.subarray(4, -2),
    decodeHex("74000161"),
  ]);
  const exception = decodeHex("7b" + "74000465786374");
  const stream = concatBytes([
    encodeJavaObject(new JavaString("before")),
    written,
    exception,
    decodeHex("7400016271007e0000"),
  ]);
  const contents = decodeJavaStream(stream);
  const [before, aborted, next, reference] = contents;
  assert.deepEqual(before, new JavaString("before"));
  assert(aborted?.kind === "aborted");
  assert.deepEqual(aborted.written, written);
  assert.deepEqual(aborted.exception, new JavaString("exct"));
  assert.equal(aborted.handles, 1);
  assert.deepEqual(next, new JavaString("b"));
  assert.equal(reference, next, "the table is empty behind the exception");
  assert.deepEqual(encodeJavaStream(contents), stream);
  assertEncodeError(
    () => encodeJavaStream([aborted]),
    "unsupported",
    "java.aborted",
  );
  // An exception in the exception, and one without an end.
  assertDecodeError(
    () => decodeJavaStream(decodeHex("aced00057b7b70")),
    "malformed",
    "java.exception",
    5,
  );
  assertDecodeError(
    () => decodeJavaStream(decodeHex("aced00057b")),
    "truncated",
    "java.exception",
    5,
  );
});

test("decodeJavaObject() refuses what is not one object", () => {
  for (
    const [hex, code, field, offset] of [
      ["", "truncated", "java.magic", 0],
      ["ad", "bad-marker", "java.magic", 0],
      ["aced00", "truncated", "java.version", 2],
      ["aced0006", "bad-marker", "java.version", 2],
      ["aced0005", "truncated", "java.object", 4],
      ["aced00057070", "trailing-bytes", "java", 5],
      ["aced0005770100", "malformed", "java.object", 4],
      ["aced000579", "truncated", "java.object", 5],
      ["aced00057b70", "malformed", "java.object", 4],
    ] as const
  ) {
    assertDecodeError(
      () => decodeJavaObject(decodeHex(hex)),
      code,
      field,
      offset,
    );
  }
  assert.equal(decodeJavaObject(decodeHex("aced00057970")), null);
});

// A descriptor `x`, UID 1: flags, fields, end of the annotation and super class follow.
const DESC = "72000178" + "0000000000000001";
const PLAIN = `${DESC}0200007870`;

for (
  const [what, hex, code] of [
    ["an unknown code", "6f", "malformed"],
    ["code 7f", "7f", "malformed"],
    ["an end that nothing began", "78", "malformed"],
    ["a reset inside an object", `73${DESC}030000787079`, "malformed"],
    ["a handle that was not given", "71007e0000", "malformed"],
    ["a negative handle", "7400016171ffffffff", "malformed"],
    ["a handle below the first", "740001617100000000", "malformed"],
    ["an object without a class", "7370", "malformed"],
    ["a string as class", "740001617371007e0000", "malformed"],
    [
      "a class that is its own super class",
      `73${DESC}0200007871007e0000`,
      "malformed",
    ],
    [
      "an object of a class without an end",
      `73${DESC}0200007371007e0000`,
      "malformed",
    ],
    [
      "an object of an enumeration",
      `7372000178${"00".repeat(8)}1200007870`,
      "malformed",
    ],
    [
      "an enumeration with a serialVersionUID",
      `7e${DESC}1200007870740001 61`,
      "malformed",
    ],
    [
      "an enumeration with fields",
      `7e72000178${"00".repeat(8)}12000149000161787074000161`,
      "malformed",
    ],
    ["a constant of no enumeration", `7e${PLAIN}74000161`, "malformed"],
    [
      "a constant whose name is a reference",
      `740001617e72000178${"00".repeat(8)}120000787071007e0000`,
      "malformed",
    ],
    ["an array of no array class", `75${PLAIN}00000000`, "malformed"],
    [
      "an array of an unknown type",
      `757200025b51${"00".repeat(8)}020000787000000000`,
      "malformed",
    ],
    [
      "an array class with more behind a primitive type",
      `757200035b4242${"00".repeat(8)}020000787000000000`,
      "malformed",
    ],
    [
      "an array of negative length",
      `757200025b42${"00".repeat(8)}0200007870ffffffff`,
      "out-of-range",
    ],
    [
      "a giant array of bytes",
      `757200025b42${"00".repeat(8)}02000078707fffffff`,
      "too-large",
    ],
    [
      "a giant array of longs",
      `757200025b4a${"00".repeat(8)}020000787003ffffff`,
      "truncated",
    ],
    [
      "a giant array of objects",
      `757200025b4c${"00".repeat(8)}020000787003ffffff70`,
      "truncated",
    ],
    [
      "an object of java.lang.Class",
      `7372000f6a6176612e6c616e672e436c617373${"00".repeat(8)}0200007870`,
      "malformed",
    ],
    [
      "a class that is serializable and externalizable",
      `73${DESC}0600007870`,
      "malformed",
    ],
    [
      "externalizable data of protocol version 1",
      `73${DESC}0400007870`,
      "unsupported",
    ],
    ["a field of an unknown type", `73${DESC}02000151000161`, "malformed"],
    [
      "a primitive field behind an object",
      `73${DESC}0200024c00016174000178490001627870`,
      "malformed",
    ],
    ["a field type that is null", `73${DESC}0200014c000161707870`, "malformed"],
    [
      "a field type that is no string",
      `73${DESC}0200014c00016171007e00007870`,
      "malformed",
    ],
    ["a block of negative length", "7affffffff", "out-of-range"],
    ["a string of negative length", "7cffffffff00000000", "out-of-range"],
    ["a giant string", "7c0000000100000000", "too-large"],
    ["a proxy with too many interfaces", "737d00010000", "too-large"],
    [
      "a proxy with a negative number of interfaces",
      "737dffffffff",
      "out-of-range",
    ],
    ["a proxy with more interfaces than bytes", "737d0000ffff00", "truncated"],
    ["a plain NUL in a string", "74000100", "malformed"],
    ["an overlong slash in a string", "740002c0af", "malformed"],
    ["an overlong character of three bytes", "740003e08181", "malformed"],
    ["a string that ends inside a character", "740002e282", "malformed"],
    ["four bytes for a character", "740004f09f9880", "malformed"],
  ] as const
) {
  test(`decodeJavaStream() refuses ${what}`, () => {
    const bytes = decodeHex(`aced0005${hex}`.replaceAll(" ", ""));
    assertCode(() => decodeJavaStream(bytes), code);
  });
}

test("decodeJavaStream() refuses nesting beyond its limit, whatever nests", () => {
  const chains: readonly [string, (inner: JavaNode) => JavaNode][] = [
    ["objects", (next) => javaObject(NODE, { next })],
    ["data", (inner) => javaObject(CUSTOM, {}, { "vec.Custom": [inner] })],
    ["arrays", (inner) => new JavaArray(OBJECTS, [inner])],
  ];
  for (const [what, wrap] of chains) {
    let node: JavaNode = null;
    for (let depth = 0; depth < 999; depth++) node = wrap(node);
    const allowed = encodeJavaObject(node);
    assert.deepEqual(
      encodeJavaObject(decodeJavaObject(allowed)),
      allowed,
      what,
    );
    node = wrap(wrap(node));
    assertEncodeError(() => encodeJavaObject(node), "too-large", "java.depth");
    const deeper = encodeJavaObject(node, { maxDepth: 1100 });
    assertCode(() => decodeJavaObject(deeper), "too-large");
    assert.doesNotThrow(() => decodeJavaObject(deeper, { maxDepth: 1100 }));
  }
});

test("decodeJavaStream() refuses hostile nesting of a megabyte quickly", () => {
  const array =
    `757200135b4c6a6176612e6c616e672e4f626a6563743b${"00".repeat(8)}` +
    "020000787000000001";
  const level = "7571007e000000000001";
  const hostile = [
    decodeHex(`aced0005${array}${level.repeat(100_000)}`),
    decodeHex(`aced0005${`7372000178${"00".repeat(8)}020000`.repeat(50_000)}`),
    decodeHex(`aced0005${`72000178${"00".repeat(8)}02000078`.repeat(50_000)}`),
    decodeHex(
      `aced0005${"7372000178".repeat(1)}${"00".repeat(8)}03000078` +
        "70" + "7371007e0000".repeat(100_000),
    ),
  ];
  for (const bytes of hostile) {
    assertCode(() => decodeJavaStream(bytes), "too-large");
  }
});

test("decodeJavaStream() reports a stack that a caller has used up like nesting", () => {
  let node: JavaNode = null;
  for (let depth = 0; depth < 900; depth++) {
    node = javaObject(NODE, { next: node });
  }
  const bytes = encodeJavaObject(node);
  const errors: unknown[] = [];
  const descend = (): void => {
    try {
      descend();
    } catch {
      // Here the stack ends: a few calls fit, nine hundred do not.
    }
    if (errors.length > 0) return;
    try {
      decodeJavaObject(bytes);
    } catch (error) {
      if (error instanceof DecodeError) errors.push(error);
    }
  };
  descend();
  const [error] = errors;
  if (error !== undefined) {
    assert.equal((error as DecodeError).code, "too-large");
  }
});

test("decodeJavaStream() counts depth, not objects next to each other", () => {
  const items = Array.from({ length: 3000 }, (_, i) => javaInteger(i));
  const bytes = encodeJavaObject(new JavaArray(OBJECTS, items));
  assert.deepEqual(encodeJavaObject(decodeJavaObject(bytes)), bytes);
  // Each of these objects ended one level deep.
  const cut = encodeJavaObject(new JavaArray(OBJECTS, [null])).slice(4, -1);
  const mark = concatBytes([cut, decodeHex("7b70")]);
  const aborted = concatBytes([
    decodeHex("aced0005"),
    ...Array.from({ length: 1100 }, () => mark),
  ]);
  assert.equal(decodeJavaStream(aborted).length, 1100);
});

test("decodeJavaStream() refuses an array's length at once", () => {
  const bytes = decodeHex(
    `aced0005757200025b4c${"00".repeat(8)}020000787003ffffff70`,
  );
  const { field, offset } = assertDecodeError(
    () => decodeJavaStream(bytes),
    "truncated",
    "java.array",
    bytes.length - 5,
  );
  assert.deepEqual([field, offset], ["java.array", 23]);
});

test("limits count handles across resets, bytes, array and string lengths", () => {
  const texts = encodeJavaStream([
    new JavaString("a"),
    new JavaReset(),
    new JavaString("b"),
    new JavaString("c"),
  ]);
  assert.equal(decodeJavaStream(texts, { maxHandles: 3 }).length, 4);
  assertCode(() => decodeJavaStream(texts, { maxHandles: 2 }), "too-large");
  assert.equal(decodeJavaStream(texts, { maxBytes: texts.length }).length, 4);
  assertCode(
    () => decodeJavaStream(texts, { maxBytes: texts.length - 1 }),
    "too-large",
  );
  const array = encodeJavaObject(javaByteArray(new Uint8Array(10)));
  assert.doesNotThrow(() => decodeJavaObject(array, { maxArrayLength: 10 }));
  assertCode(() => decodeJavaObject(array, { maxArrayLength: 9 }), "too-large");
  const long = encodeJavaObject(new JavaString("abcdef", true));
  assert.doesNotThrow(() => decodeJavaObject(long, { maxStringLength: 6 }));
  assertCode(() => decodeJavaObject(long, { maxStringLength: 5 }), "too-large");
  assert.throws(() => decodeJavaStream(texts, { maxDepth: 0 }), {
    name: "RangeError",
    message: "Cannot use maxDepth 0: not an integer of at least 1",
  });
});

test("decodeJavaStream() refuses a hierarchy of more than a hundred classes", () => {
  const chain = (length: number): JavaClassDesc => {
    let desc: JavaClassDesc | null = null;
    for (let i = 0; i < length; i++) {
      const superDesc: JavaClassDesc | null = desc;
      desc = new JavaClassDesc({
        name: `c${i}`,
        serialVersionUID: 1n,
        flags: 2,
        superDesc,
      });
    }
    return desc!; // length > 0
  };
  const allowed = encodeJavaObject(new JavaObject(chain(100)));
  assert.deepEqual(encodeJavaObject(decodeJavaObject(allowed)), allowed);
  const deep = encodeJavaObject(new JavaObject(chain(101)));
  assertCode(() => decodeJavaObject(deep), "too-large");
});

test("encodeJavaStream() shares equal classes and types of different streams on request", () => {
  const one = decodeJavaObject(encodeJavaObject(javaInteger(1)));
  const two = decodeJavaObject(encodeJavaObject(javaInteger(2)));
  const shared = encodeJavaStream([one, two], { shareEqualClasses: true });
  const expected = encodeJavaStream([javaInteger(1), javaInteger(2)]);
  assert.deepEqual(shared, expected);
  assert(encodeJavaStream([one, two]).length > expected.length);
  // A reset forgets what was shared.
  const contents = [one, new JavaReset(), two, one];
  assert.equal(
    encodeJavaStream(contents, { shareEqualClasses: true }).length,
    encodeJavaStream([one]).length * 2 - 4 + 1 + 10,
  );
  // A class that differs in anything is another.
  const number = standardJavaClass("java.lang.Number");
  const parts = {
    name: "java.lang.Integer",
    serialVersionUID: standardJavaClass("java.lang.Integer").serialVersionUID,
    fields: ["I value"],
    superDesc: number,
  };
  for (
    const difference of [
      { serialVersionUID: 5n },
      { flags: 3 },
      { fields: ["I valve"] },
      { fields: ["F value"] },
      { fields: ["I value", "I x"] },
      { superDesc: null },
    ]
  ) {
    const other = javaClassDesc({ ...parts, ...difference });
    const bytes = encodeJavaStream([javaInteger(1), javaObject(other)], {
      shareEqualClasses: true,
    });
    const again = decodeJavaStream(bytes)[1];
    assert(again instanceof JavaObject);
    assert.deepEqual(again.classDesc, other);
  }
});

test("encodeJavaStream() refuses data that does not fit its class", () => {
  const desc = standardJavaClass("java.lang.Boolean");
  const bytes = standardJavaClass("[B");
  for (
    const [content, field] of [
      [new JavaObject(desc), "java.object"],
      [object(desc, new Uint8Array(2), [], null), "java.object"],
      [object(desc, new Uint8Array(1), [null], null), "java.object"],
      [object(desc, new Uint8Array(1), [], []), "java.object"],
      [object(CUSTOM, new Uint8Array(0), [], null), "java.object"],
      [object(CUSTOM, new Uint8Array(0), [], [], desc), "java.object"],
      [new JavaArray(bytes), "java.array.classDesc"],
      [new JavaArray(desc), "java.array.classDesc"],
      [new JavaPrimitiveArray(desc, new Uint8Array(0)), "java.array.classDesc"],
      [
        new JavaPrimitiveArray(OBJECTS, new Uint8Array(0)),
        "java.array.classDesc",
      ],
      [
        new JavaPrimitiveArray(standardJavaClass("[I"), new Uint8Array(5)),
        "java.array",
      ],
    ] as const
  ) {
    assertEncodeError(() => encodeJavaStream([content]), "malformed", field);
  }
  assertEncodeError(
    () => encodeJavaStream([new JavaBlockData(new Uint8Array(256), false)]),
    "too-large",
    "java.block",
  );
  assertEncodeError(
    () => encodeJavaStream([new JavaProxyClassDesc(["x".repeat(65536)])]),
    "too-large",
    "java.proxyClassDesc.interfaces",
  );
});

test("JavaStreamReader gives contents one by one, and where it is", () => {
  const bytes = encodeJavaStream([new JavaString("a"), null]);
  const reader = new JavaStreamReader(bytes);
  assert.equal(reader.offset, 4);
  assert.deepEqual(reader.next(), new JavaString("a"));
  assert.equal(reader.offset, 8);
  assert.equal(reader.next(), null);
  assert.equal(reader.next(), undefined);
  reader.end();
});

function object(
  desc: JavaClassDesc,
  primitives: Uint8Array,
  objects: JavaNode[],
  custom: JavaNode[] | null,
  dataDesc: JavaClassDesc = desc,
): JavaObject {
  const data = new JavaClassData(dataDesc, primitives, objects, custom);
  return new JavaObject(desc, [data]);
}

function assertCode(call: () => unknown, code: DecodeErrorCode): void {
  const started = performance.now();
  assert.throws(call, { name: "DecodeError", code });
  assert(performance.now() - started < 2000, "it took too long");
}

/** Asserts that a stream may end between contents and nowhere else. */
function assertPrefixes(bytes: Uint8Array): void {
  const ends = new Set([4]);
  const reader = new JavaStreamReader(bytes);
  while (reader.next() !== undefined) ends.add(reader.offset);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.slice(0, length);
    if (ends.has(length)) decodeJavaStream(cut);
    else assertCode(() => decodeJavaStream(cut), "truncated");
  }
}
