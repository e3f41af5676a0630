import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeDeltaRequest,
  encodeDeltaRequest,
  JavaArray,
  javaBox,
  javaClassDesc,
  javaInteger,
  javaLong,
  type JavaNode,
  javaObject,
  javaString,
  setAttributeAction,
  SharedBoxes,
  standardJavaClass,
} from "../../../protocol/mod.ts";

const OBJECTS = standardJavaClass("[Ljava.lang.Object;");

for (
  const [type, value, shared] of [
    ["java.lang.Byte", -128, true],
    ["java.lang.Byte", 127, true],
    ["java.lang.Short", -128, true],
    ["java.lang.Short", -129, false],
    ["java.lang.Integer", -128, true],
    ["java.lang.Integer", -129, false],
    ["java.lang.Integer", 127, true],
    ["java.lang.Integer", 128, false],
    ["java.lang.Long", -128n, true],
    ["java.lang.Long", 127n, true],
    ["java.lang.Long", 128n, false],
    ["java.lang.Character", 0, true],
    ["java.lang.Character", 127, true],
    ["java.lang.Character", 128, false],
    ["java.lang.Boolean", true, true],
    ["java.lang.Boolean", false, true],
    ["java.lang.Double", 0, false],
    ["java.lang.Float", 1, false],
  ] as const
) {
  test(`SharedBoxes ${shared ? "shares" : "does not share"} ${type} ${value}`, () => {
    const boxes = new SharedBoxes();
    const array = new JavaArray(OBJECTS, [
      javaBox(type, value),
      javaBox(type, value),
    ]);
    assert.equal(boxes.share(array), array);
    assert.equal(array.elements[0] === array.elements[1], shared);
    const box = javaBox(type, value);
    const first = array.elements[0]!; // it has two
    assert.equal(boxes.share(box), shared ? first : box);
  });
}

test("SharedBoxes keeps boxes of one value and several classes apart", () => {
  const boxes = new SharedBoxes();
  assert.equal(boxes.integer(1), boxes.integer(1));
  assert.notEqual(boxes.integer(1), boxes.long(1));
  assert.equal(boxes.boolean(true), boxes.boolean(true));
  assert.notEqual(boxes.boolean(true), boxes.boolean(false));
  assert.equal(boxes.name("a"), boxes.name("a"));
});

test("SharedBoxes adopts the first box of a value wherever it is, and changes nothing", () => {
  const boxes = new SharedBoxes();
  const [first, second] = [javaInteger(1), javaInteger(1)];
  const array = new JavaArray(OBJECTS, [null, first, second]);
  array.elements[0] = array; // a cycle
  boxes.adopt([javaString("x"), array]);
  assert.equal(boxes.integer(1), first);
  assert.deepEqual(array.elements.slice(1), [first, second]);
  assert.equal(array.elements[2], second);
});

test("SharedBoxes leaves alone what only looks like a box", () => {
  const boxes = new SharedBoxes();
  const strange = javaObject(
    javaClassDesc({
      name: "java.lang.Integer",
      serialVersionUID: 5n,
      fields: ["I value"],
    }),
    { value: 1 },
  );
  boxes.adopt([strange]);
  assert.notEqual(boxes.integer(1), strange);
});

test("encodeDeltaRequest() writes a class once that came with several streams", () => {
  const person = (): JavaNode => {
    const desc = javaClassDesc({
      name: "example.Person",
      serialVersionUID: 1n,
      fields: ["L name Ljava/lang/String;"],
    });
    return javaObject(desc, { name: javaString("ann") });
  };
  const bytes = encodeDeltaRequest({
    sessionId: "A",
    recordAllActions: false,
    actions: [
      setAttributeAction("a", person()),
      setAttributeAction("b", person()),
      setAttributeAction("c", javaLong(1n)),
    ],
  });
  const text = new TextDecoder("latin1").decode(bytes);
  assert.equal(text.split("example.Person").length, 2);
  const [a, b] = decodeDeltaRequest(bytes).actions;
  assert.notEqual(a?.value, b?.value);
  assert(a?.value?.kind === "object" && b?.value?.kind === "object");
  assert.equal(a.value.classDesc, b.value.classDesc);
});
