import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answerLine } from "../../cli/codec_command.ts";
import type { JsonObject, JsonValue } from "../../cli/json.ts";

interface ObjectVector {
  readonly id: string;
  readonly source: string;
  readonly hex: string;
  readonly decoded: JsonObject;
}

const CATEGORIES = ["rpc-message", "member-message", "member-object"];

function vectors(category: string): ObjectVector[] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  const file = JSON.parse(readFileSync(url, "utf8")) as {
    vectors: ObjectVector[];
  };
  assert(file.vectors.length > 0);
  return file.vectors;
}

interface Answer {
  readonly ok: boolean;
  readonly value: JsonObject;
  readonly same: boolean;
  readonly hex: string;
  readonly error: { readonly code: string; readonly field: string };
}

async function ask(
  direction: "decode" | "encode",
  fields: JsonObject,
): Promise<Answer> {
  const text = JSON.stringify(fields);
  const answer = await answerLine({ type: "text", text }, {
    direction,
    roundtrip: true,
  });
  return JSON.parse(answer) as Answer;
}

/** The fields of `found` that `wanted` has. */
function same(found: JsonValue | undefined, wanted: JsonValue): JsonValue {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    return found.map((item, i) => same(item, wanted[i] ?? null));
  }
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
    return found ?? null;
  }
  return Object.fromEntries(
    Object.keys(wanted).map((name) => [
      name,
      same((found as JsonObject)[name], (wanted as JsonObject)[name]!), // it has the key
    ]),
  );
}

for (const kind of CATEGORIES) {
  for (const { id, source, hex, decoded } of vectors(kind)) {
    test(`tribes decode gives the value of ${id}`, async () => {
      const { ok, value, same: roundtrip } = await ask("decode", { kind, hex });
      assert(ok);
      assert.deepEqual(same(value, decoded), decoded);
      assert.equal(roundtrip, true);
    });

    test(`tribes encode gives the bytes of ${id}`, async () => {
      const generation = source.replace(/^tomcat-/, "");
      const { value } = await ask("decode", { kind, hex });
      const all = await ask("encode", { kind, generation, value });
      assert.equal(all.hex, hex);
      if (id.includes("static-member")) return; // it tells too little
      const told = await ask("encode", { kind, generation, value: decoded });
      if (id.endsWith("type-3-rpc")) { // so does this, and it shows
        assert.equal(told.error.code, "unsupported");
        return;
      }
      assert.equal(told.hex, hex);
    });

    test(`tribes decode refuses every cut of ${id}, and each byte changed, with a code`, async () => {
      for (let i = 0; i < hex.length; i += 2) {
        const cut = await ask("decode", { kind, hex: hex.slice(0, i) });
        assert(!cut.ok && cut.error.code !== "unsupported", `${i}`);
        const byte = (parseInt(hex.slice(i, i + 2), 16) ^ 0x80).toString(16);
        const changed = hex.slice(0, i) + byte.padStart(2, "0") +
          hex.slice(i + 2);
        const answer = await ask("decode", { kind, hex: changed });
        if (!answer.ok) assert.notEqual(answer.error.field, "line", `${i}`);
      }
      const { error } = await ask("decode", { kind, hex: `${hex}00` });
      assert.equal(error.code, "trailing-bytes");
    });
  }
}

for (
  const [kind, value, code] of [
    ["rpc-message", {
      uuid: "00",
      rpcId: "00",
      message: { type: "ByteMessage" },
    }, "malformed"],
    ["rpc-message", { rpcId: "00" }, "malformed"],
    ["rpc-message", { reply: false, uuid: "00", rpcId: "00" }, "malformed"],
    [
      "rpc-message",
      { uuid: "00", rpcId: "00", message: { type: "x" } },
      "unsupported",
    ],
    [
      "member-message",
      { msgtype: 1, membershipId: 1, memberBlock: "" },
      "truncated",
    ],
    ["member-object", { members: [1] }, "malformed"],
    ["member-object", { members: 1 }, "malformed"],
    ["member-object", { host: "7f000001" }, "malformed"],
  ] as const
) {
  test(`tribes encode refuses ${kind} ${JSON.stringify(value)}`, async () => {
    const { ok, error } = await ask("encode", {
      kind,
      value: value as unknown as JsonObject,
    });
    assert(!ok);
    assert.equal(error.code, code);
  });
}

test("tribes decode refuses an object of another kind", async () => {
  for (const kind of CATEGORIES) {
    for (const hex of ["aced0005740000", "aced000570"]) {
      const { ok, error } = await ask("decode", { kind, hex });
      assert(!ok);
      assert.equal(error.code, "malformed");
    }
  }
});
