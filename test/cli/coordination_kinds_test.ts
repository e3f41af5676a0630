import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine } from "../../cli/codec_command.ts";
import type { JsonObject } from "../../cli/json.ts";
import { coordinationVectors } from "../support/coordination_vectors.ts";

const KIND = "coordination";

for (const { id, hex, decoded } of coordinationVectors()) {
  test(`decode --roundtrip and encode agree with ${id}`, async () => {
    const answer = await decode({ kind: KIND, hex });
    assert.equal(answer.ok, true);
    assert.equal(answer.same, true);
    const value = answer.value as JsonObject; // ok answers have one
    for (const [name, expected] of Object.entries(decoded)) {
      assert.deepEqual(value[name], expected, name);
    }
    for (const given of [value, decoded as unknown as JsonObject]) {
      assert.deepEqual(await encode({ kind: KIND, value: given }), {
        id: null,
        ok: true,
        hex,
      });
    }
  });
}

test("decode of a coordination message tells code, field and offset of an error", async () => {
  const [vector] = coordinationVectors();
  const short = await decode({
    kind: KIND,
    hex: vector?.hex.slice(0, 60) ?? "",
  });
  const { code, field, offset } = short.error as JsonObject;
  assert.deepEqual(
    { ok: short.ok, code, field, offset },
    { ok: false, code: "truncated", field: "coordination.leader", offset: 20 },
  );
});

test("encode of a coordination message tells which field is missing or wrong", async () => {
  const [vector] = coordinationVectors();
  const good = vector?.decoded as unknown as JsonObject;
  for (
    const [change, field] of [
      [{ leader: null }, "leader"],
      [{ view: null }, "view"],
      [{ view: [1] }, "view[0]"],
      [{ view: [{ host: "zz", port: 1 }] }, "view[0].host"],
      [{ id: "00" }, "coordination.id"],
      [{ type: 5 }, "type"],
    ] as [JsonObject, string][]
  ) {
    const answer = await encode({ kind: KIND, value: { ...good, ...change } });
    assert.equal(answer.ok, false);
    assert.equal((answer.error as JsonObject).field, field);
  }
  const { view: _, ...rest } = good;
  const answer = await encode({ kind: KIND, value: rest });
  assert.equal((answer.error as JsonObject).code, "malformed");
});

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
