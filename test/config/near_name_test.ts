import assert from "node:assert/strict";
import { test } from "node:test";
import { nearName } from "../../config/near_name.ts";

const KNOWN = ["port", "autoBind", "soLingerTime"];

const CASES: readonly (readonly [string, string | undefined])[] = [
  ["PORT", "port"],
  ["prot", "port"],
  ["pot", "port"],
  ["ports", "port"],
  ["pOrd", "port"],
  ["autobind", "autoBind"],
  ["autoBnid", "autoBind"],
  ["ptor", undefined],
  ["porter", undefined],
  ["pxyt", undefined],
  ["rt", undefined],
  ["", undefined],
];

for (const [written, meant] of CASES) {
  test(`nearName() takes ${JSON.stringify(written)} for ${meant}`, () => {
    assert.equal(nearName(written, KNOWN), meant);
  });
}
