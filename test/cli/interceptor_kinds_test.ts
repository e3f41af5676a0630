import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine } from "../../cli/codec_command.ts";
import type { JsonObject } from "../../cli/json.ts";
import { interceptorVectors } from "../support/interceptor_vectors.ts";

const KEY = "1112131415161718191a1b1c1d1e1f20";
const GZIP_OF_NOTHING = "1f8b08000000000000ff03000000000000000000";

for (const { id, hex, decoded } of interceptorVectors("encrypt")) {
  test(`decode --roundtrip and encode agree with ${id}`, async () => {
    const { key, algorithm, format } = decoded;
    const kind = "encrypt";
    const answer = await decode({ kind, hex, key, algorithm, format });
    assert.deepEqual(answer, {
      id: null,
      ok: true,
      value: decoded,
      same: true,
    });
    const again = { id: null, ok: true, hex };
    const { key: _k, algorithm: _a, format: _f, ...value } = decoded;
    const line = { kind, value, key, algorithm, format };
    assert.deepEqual(await encode(line), again);
    assert.deepEqual(await encode({ kind, value: { ...decoded } }), again);
  });
}

for (const { id, hex, decoded } of interceptorVectors("gzip")) {
  test(`decode and encode agree with ${id}`, async () => {
    const kind = "gzip";
    const options = decoded.optionsAfter;
    const answer = await decode({ kind, hex, options });
    assert.deepEqual(answer.value, decoded);
    const guessed = await decode({ kind, hex });
    const { plain, compressed } = decoded;
    assert.deepEqual(guessed.value, { plain, compressed });
    const made = await encode({ kind, value: { ...decoded } });
    assert.equal(made.ok, true);
    const back = await decode({ kind, hex: made.hex!, options });
    assert.deepEqual(back.value, decoded);
    if (!compressed) assert.equal(made.hex, hex);
  });
}

test("encode compresses as the generation does, unless the value says otherwise", async () => {
  const gzip = async (value: JsonObject, generation: string) => {
    const { hex } = await encode({ kind: "gzip", value, generation });
    return String(hex).startsWith("1f8b08");
  };
  assert.equal(await gzip({ plain: "" }, "10.1"), false);
  assert.equal(await gzip({ plain: "00" }, "10.1"), true);
  assert.equal(await gzip({ plain: "" }, "8.5"), true);
  assert.equal(await gzip({ plain: "00", compressed: false }, "8.5"), false);
});

test("decode of gzip believes the options, and without them the bytes", async () => {
  const kind = "gzip";
  const made = await encode({ kind, value: { plain: "616263" } });
  const hex = made.hex as string; // encode gives a text
  const value = async (line: JsonObject) =>
    (await decode({ kind, hex, ...line })).value;
  assert.deepEqual(await value({ options: 2 }), {
    optionsBefore: 2,
    optionsAfter: 2,
    plain: hex,
    compressed: false,
  });
  assert.deepEqual(await value({ options: "258" }), {
    optionsBefore: 2,
    optionsAfter: 258,
    plain: "616263",
    compressed: true,
  });
  assert.deepEqual(await value({ options: 2, generation: "8.5" }), {
    optionsBefore: 2,
    optionsAfter: 2,
    plain: "616263",
    compressed: true,
  });
});

test("decode and encode take algorithm and format from the generation", async () => {
  for (const generation of ["9.0.70", "10.1.56", "11.0"]) {
    const line = { kind: "encrypt", generation, key: KEY };
    const value = {
      iv: "00".repeat(generation === "11.0" ? 12 : 16),
      timestamp: generation === "9.0.70" ? null : "1700000000123",
      plain: "616263",
    };
    const made = await encode({ ...line, value });
    const answer = await decode({ ...line, hex: made.hex! });
    assert.deepEqual(answer.value, {
      ...value,
      key: KEY,
      algorithm: generation === "11.0"
        ? "AES/GCM/NoPadding"
        : "AES/CBC/PKCS5Padding",
      format: generation === "9.0.70" ? "plain" : "timestamp",
    });
  }
});

test("decode and encode give code and field of what is wrong with an encrypted body", async () => {
  const [vector] = interceptorVectors("encrypt");
  const { hex, decoded } = vector!;
  const { key, algorithm, format } = decoded;
  const good = { kind: "encrypt", hex, key, algorithm, format };
  for (
    const [change, code] of [
      [{ hex: hex.slice(0, -2) }, "malformed"],
      [{ hex: hex.slice(0, 40) }, "truncated"],
      [{ hex: "" }, "truncated"],
      [{ key: KEY.replace("11", "12") }, "malformed"],
      [{ format: "timestamp", hex: await shortHex() }, "truncated"],
      [{ key: "11" }, "bad-line"],
      [{ key: 5 }, "bad-line"],
      [{ key: null }, "bad-line"],
      [{ algorithm: "AES/ECB/PKCS5Padding" }, "bad-line"],
      [{ format: "old" }, "bad-line"],
    ] as const
  ) {
    const answer = await decode({ ...good, ...change });
    assert.equal(codeOf(answer), code, JSON.stringify(change));
    assert(!JSON.stringify(answer).includes(KEY));
  }
  const { key: _, ...without } = good;
  assert.equal(codeOf(await decode(without)), "bad-line");
  for (
    const [change, code] of [
      [{ iv: "00" }, "out-of-range"],
      [{ iv: undefined }, "malformed"],
      [{ plain: undefined }, "malformed"],
      [{ format: "timestamp" }, "malformed"],
      [{ format: "timestamp", timestamp: 2 ** 60 }, "out-of-range"],
    ] as const
  ) {
    const value = JSON.parse(JSON.stringify({ ...decoded, ...change }));
    const answer = await encode({ kind: "encrypt", value });
    assert.equal(codeOf(answer), code, JSON.stringify(change));
  }
});

test("decode gives the code of what is wrong with a gzip body", async () => {
  const line = { kind: "gzip", options: 0x100 };
  for (
    const [change, code] of [
      [{ hex: "00" }, "bad-marker"],
      [{ hex: "" }, "truncated"],
      [{ hex: "1f8b08" }, "truncated"],
      [{ hex: "1f8b09000000000000ff00" }, "malformed"],
      [{ hex: `${GZIP_OF_NOTHING}00` }, "trailing-bytes"],
      [{ hex: `${GZIP_OF_NOTHING}1f8b0800` }, "trailing-bytes"],
      [{ hex: "00", options: "x" }, "bad-line"],
      [{ hex: "00", options: 1.5 }, "bad-line"],
    ] as const
  ) assert.equal(codeOf(await decode({ ...line, ...change })), code);
  const value = { plain: "00", compressed: "yes" };
  assert.equal(codeOf(await encode({ kind: "gzip", value })), "bad-line");
});

/** A body of the format `plain` that is too short to be of the other. */
async function shortHex(): Promise<string> {
  const value = { iv: "00".repeat(12), timestamp: null, plain: "61" };
  const line = { kind: "encrypt", key: KEY, format: "plain", value };
  return String((await encode(line)).hex);
}

async function decode(line: JsonObject): Promise<JsonObject> {
  return await answer(line, "decode");
}

async function encode(line: JsonObject): Promise<JsonObject> {
  return await answer(line, "encode");
}

async function answer(
  line: JsonObject,
  direction: "decode" | "encode",
): Promise<JsonObject> {
  const text = JSON.stringify(line);
  const options = { direction, roundtrip: direction === "decode" };
  return JSON.parse(await answerLine({ type: "text", text }, options));
}

function codeOf({ ok, error }: JsonObject): unknown {
  assert.equal(ok, false);
  return (error as JsonObject).code; // an answer that is not ok has one
}
