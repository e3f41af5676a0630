import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, kindVectors, same } from "../support/kind_vectors.ts";
import type { JsonObject } from "../../cli/json.ts";

const CATEGORIES = ["rpc-message", "member-message", "member-object"];

for (const kind of CATEGORIES) {
  for (const { id, source, hex, decoded } of kindVectors(kind)) {
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
