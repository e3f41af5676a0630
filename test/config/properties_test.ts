import assert from "node:assert/strict";
import { test } from "node:test";
import { substituteProperties } from "../../config/mod.ts";

const SET: Readonly<Record<string, string>> = {
  a: "1",
  "b.c": "${a}",
  "d:-e": "odd",
  empty: "",
};

const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ["plain $ text {a}", "plain $ text {a}", []],
  ["${a}", "1", []],
  ["x${a}y${a}z", "x1y1z", []],
  ["${b.c}", "${a}", []], // what came in is not looked through again
  ["${empty}", "", []],
  ["${none}", "${none}", ["none"]],
  ["${none}${a}${other}", "${none}1${other}", ["none", "other"]],
  ["${none:-4000}", "4000", []],
  ["${a:-4000}", "1", []],
  ["${none:-}", "", []],
  ["${d:-e}", "odd", []],
  ["${none:-a:-b}", "a:-b", []],
  ["${a", "${a", []],
  ["$${a}", "$1", []],
  ["${}", "${}", [""]],
];

for (const [text, value, unresolved] of CASES) {
  test(`substituteProperties() makes ${JSON.stringify(value)} of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(
      substituteProperties(text, (name) => SET[name]),
      { value, unresolved },
    );
  });
}
