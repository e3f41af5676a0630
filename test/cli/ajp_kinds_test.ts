import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine } from "../../cli/codec_command.ts";
import type { JsonObject, JsonValue } from "../../cli/json.ts";
import { ajpVectors, isMalformed } from "../support/ajp_vectors.ts";
import type { AjpVectorPacket } from "../support/vectors.ts";

for (const vector of ajpVectors()) {
  test(`decode --roundtrip and encode agree with ${vector.id}`, async () => {
    for (const packet of vector.exchange) {
      const kind = kindOf(packet);
      const { hex } = packet;
      const answer = await decode({ kind, hex });
      if (isMalformed(vector, packet)) {
        assert.equal(answer.ok, false);
        continue;
      }
      assert.equal(answer.same, true);
      const value = answer.value as JsonObject; // ok answers have one
      // A packet of length 0 is the end of a body there, whatever it was sent for.
      for (const [name, expected] of Object.entries(packet.decoded)) {
        assert.deepEqual(value[name], expected, name);
      }
      assert.deepEqual(await encode({ kind, value }), {
        id: null,
        ok: true,
        hex,
      });
      await assertEncodesForm(packet);
    }
  });
}

test("decode takes what looks like a body packet for one, unless the line says otherwise", async () => {
  // Type and method of a request with POST are 0x0204: the length of its payload minus 2 here.
  const uri = "2f".repeat(0x1f2);
  const hex = `12340206` + `0204` + `000000` + `01f2${uri}00` +
    `ffffffffffff` + `0050` + `00` + `0000` + `ff`;
  const kind = "ajp-to-container";
  const guessed = await decode({ kind, hex });
  assert.equal((guessed.value as JsonObject).type, "request-body");
  const request = await decode({ kind, hex, expect: "request" });
  assert.equal((request.value as JsonObject).type, "FORWARD_REQUEST");
  assert.equal(request.same, true);
  const body = await decode({ kind, hex: "1234000403000102", expect: "body" });
  assert.deepEqual(codeOf(body), "truncated");
  const zero = await decode({ kind, hex: "12340000", expect: "request" });
  assert.deepEqual(codeOf(zero), "truncated");
  const expectation = await decode({ kind, hex, expect: "both" });
  assert.equal(codeOf(expectation), "bad-line");
});

test("decode shows a body packet's bytes", async () => {
  const kind = "ajp-to-container";
  const { value } = await decode({ kind, hex: "123400050003616263" });
  assert.deepEqual(value, {
    magic: "1234",
    length: 5,
    type: "request-body",
    dataLength: 3,
    data: "616263",
  });
});

test("decode gives the code and place of a wrong packet", async () => {
  for (
    const [kind, hex, code, offset] of [
      ["ajp-to-container", "", "truncated", 0],
      ["ajp-to-container", "13", "bad-marker", 0],
      ["ajp-to-container", "4142000109", "bad-marker", 0],
      ["ajp-to-container", "1234", "truncated", 2],
      ["ajp-to-container", "123400010a00", "trailing-bytes", 5],
      ["ajp-to-container", "1234fffd", "too-large", 2],
      ["ajp-to-container", "1234000163", "unsupported", 4],
      ["ajp-from-container", "414200020502", "out-of-range", 5],
      ["ajp-from-container", "41420002050100", "trailing-bytes", 6],
      ["ajp-from-container", "123400010a", "bad-marker", 0],
    ] as const
  ) {
    const answer = await decode({ kind, hex });
    const error = answer.error as JsonObject; // failures have one
    assert.deepEqual([error.code, error.offset], [code, offset], hex);
  }
});

test("encode takes codes and flags in more than one form, and packets by their prefix code", async () => {
  const request = {
    type: "FORWARD_REQUEST",
    method: "PATCH",
    protocol: "",
    uri: "",
    remoteAddr: null,
    remoteHost: null,
    serverName: null,
    serverPort: "80",
    attributes: [{ code: "13", value: "PATCH" }, { code: 11, value: "256" }],
  };
  const header = { name: "host", value: "" };
  const expected = "1234002502ff" + "000000".repeat(2) + "ffff".repeat(3) +
    "0050" + "01" + "0001" + "a00b000000" + "0d0005504154434800" + "0b0100" +
    "ff";
  for (const code of ["0xa00b", "0xA00B", 0xa00b, "40971"]) {
    for (const isSsl of [1, true, "1"]) {
      const value = { ...request, isSsl, headers: [{ code, ...header }] };
      const answer = await encode({ kind: "ajp-to-container", value });
      assert.equal(answer.hex, expected);
    }
  }
  const end = { prefixCode: 5, reuse: false };
  const answer = await encode({ kind: "ajp-from-container", value: end });
  assert.equal(answer.hex, "414200020500");
});

test("encode names the field that is missing or wrong", async () => {
  for (
    const [kind, value, code, field] of [
      ["ajp-to-container", {}, "malformed", "type"],
      ["ajp-to-container", { type: "CPONG" }, "malformed", "type"],
      ["ajp-to-container", { type: "request-body" }, "malformed", "data"],
      [
        "ajp-to-container",
        { type: "request-body", dataLength: 3 },
        "unsupported",
        "data",
      ],
      [
        "ajp-to-container",
        { type: "request-body", data: "0" },
        "malformed",
        "data",
      ],
      [
        "ajp-to-container",
        { type: "FORWARD_REQUEST", method: "GET" },
        "malformed",
        "protocol",
      ],
      [
        "ajp-from-container",
        { type: "SEND_BODY_CHUNK", chunkLength: 9 },
        "unsupported",
        "data",
      ],
      [
        "ajp-from-container",
        { type: "END_RESPONSE", reuse: 2 },
        "malformed",
        "reuse",
      ],
      [
        "ajp-from-container",
        { type: "GET_BODY_CHUNK", requested: "x" },
        "malformed",
        "requested",
      ],
      [
        "ajp-from-container",
        { type: "GET_BODY_CHUNK", requested: 70_000 },
        "out-of-range",
        "getBodyChunk.requested",
      ],
      [
        "ajp-from-container",
        { type: "SEND_HEADERS", status: 200, message: 5, headers: [] },
        "malformed",
        "message",
      ],
      [
        "ajp-from-container",
        { type: "SEND_HEADERS", status: 200, message: "", headers: {} },
        "malformed",
        "headers",
      ],
      [
        "ajp-from-container",
        { type: "SEND_HEADERS", status: 200, message: "", headers: [1] },
        "malformed",
        "headers[0]",
      ],
      [
        "ajp-from-container",
        { type: "SEND_HEADERS", status: 200, message: "", headers: [{}] },
        "malformed",
        "headers[0].name",
      ],
      ["ajp-from-container", 5, "bad-line", "value"],
    ] as const
  ) {
    const answer = await encode({ kind, value });
    assert.equal(answer.ok, false);
    const error = answer.error as JsonObject; // failures have one
    assert.deepEqual([error.code, error.field], [code, field]);
  }
});

/** Encodes what the vector itself holds, where that is enough. */
async function assertEncodesForm(packet: AjpVectorPacket): Promise<void> {
  const { decoded, hex } = packet;
  const value = decoded as JsonObject; // vectors are JSON
  const answer = await encode({ kind: kindOf(packet), value });
  const length = Number(decoded.dataLength ?? decoded.chunkLength ?? 0);
  if (length > 0) assert.equal(codeOf(answer), "unsupported");
  else assert.equal(answer.hex, hex);
}

function kindOf({ direction }: AjpVectorPacket): string {
  return `ajp-${direction}`;
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
