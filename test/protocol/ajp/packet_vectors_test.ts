import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AjpAttribute,
  type AjpFromContainer,
  type AjpHeader,
  type AjpToContainer,
  byteLengthAjpFromContainer,
  byteLengthAjpToContainer,
  decodeAjpFromContainer,
  decodeAjpToContainer,
  DecodeError,
  type DecodeErrorCode,
  decodeHex,
  encodeAjpFromContainer,
  encodeAjpToContainer,
  encodeHex,
} from "../../../protocol/mod.ts";
import {
  ajpVectors,
  decodeVectorPacket,
  expectedPacket,
  isMalformed,
} from "../../support/ajp_vectors.ts";
import { assertDecodeError } from "../../support/outcome.ts";
import type { AjpVectorPacket } from "../../support/vectors.ts";

// What is wrong with the wrong ones, and where.
const MALFORMED = new Map<string, readonly [DecodeErrorCode, string, number]>([
  ["ajp-control/type-99", ["unsupported", "packet.type", 4]],
  ["ajp-control/no-terminator", [
    "truncated",
    "forwardRequest.attribute.code",
    94,
  ]],
  ["ajp-control/string-overrun", ["truncated", "forwardRequest.uri", 17]],
  ["ajp-header/code-15", ["out-of-range", "forwardRequest.header.name", 76]],
  ["ajp-method/code-28", ["out-of-range", "forwardRequest.method", 5]],
  ["ajp-method/code-0", ["out-of-range", "forwardRequest.method", 5]],
]);

const vectors = ajpVectors();

for (const vector of vectors) {
  test(`packets of ${vector.id} are decoded and encoded back`, () => {
    for (const packet of vector.exchange) {
      if (isMalformed(vector, packet)) {
        const wrong = MALFORMED.get(vector.id);
        assert(wrong !== undefined, "no outcome for a malformed packet");
        assertDecodeError(() => decodeVectorPacket(packet), ...wrong);
        continue;
      }
      const value = decodeVectorPacket(packet);
      assertFields(value, packet.decoded);
      assert.equal(encodeHex(encodeEither(value)), packet.hex);
      assert.equal(byteLengthEither(value), packet.hex.length / 2);
    }
  });

  test(`packets of ${vector.id} are refused when cut anywhere or with a byte behind them`, () => {
    for (const packet of vector.exchange) {
      if (isMalformed(vector, packet)) continue;
      const bytes = decodeHex(packet.hex);
      for (let length = 0; length < bytes.length; length++) {
        // Every byte of the small ones; of a large one those near its ends.
        if (length > 300 && length < bytes.length - 10) continue;
        const cut = bytes.subarray(0, length);
        assertTruncated(() => decodeEither(packet, cut), length);
        // The same with a head that fits: the inner lengths lie then.
        if (length < 4) continue;
        const fitted = cut.slice();
        fitted[2] = length - 4 >> 8;
        fitted[3] = length - 4;
        assertCutInside(packet, fitted);
      }
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      assertDecodeError(
        () => decodeEither(packet, longer),
        "trailing-bytes",
        "packet",
        bytes.length,
      );
    }
  });
}

test("every malformed packet has its vector", () => {
  const ids = vectors.map((vector) => vector.id);
  for (const id of MALFORMED.keys()) assert(ids.includes(id), id);
  assert.equal(vectors.length, 117);
});

function assertTruncated(call: () => unknown, length: number): void {
  assert.throws(
    call,
    { name: "DecodeError", code: "truncated" },
    `${length} bytes`,
  );
}

/** A payload cut short: an error, or the shorter form that two packets have. */
function assertCutInside(packet: AjpVectorPacket, bytes: Uint8Array): void {
  try {
    const value = decodeEither(packet, bytes);
    const bare = value.type === "body" && value.bare;
    const unterminated = value.type === "sendBodyChunk" && !value.terminated;
    assert(bare || unterminated, `${bytes.length} bytes: ${value.type}`);
    assert.deepEqual(encodeEither(value), bytes);
  } catch (error) {
    assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
    assert.equal(error.code, "truncated");
    assert(error.offset <= bytes.length);
  }
}

function decodeEither(
  packet: AjpVectorPacket,
  bytes: Uint8Array,
): AjpToContainer | AjpFromContainer {
  return packet.direction === "to-container"
    ? decodeAjpToContainer(bytes, expectedPacket(packet))
    : decodeAjpFromContainer(bytes);
}

function encodeEither(
  value: AjpToContainer | AjpFromContainer,
): Uint8Array<ArrayBuffer> {
  return isToContainer(value)
    ? encodeAjpToContainer(value)
    : encodeAjpFromContainer(value);
}

function byteLengthEither(value: AjpToContainer | AjpFromContainer): number {
  return isToContainer(value)
    ? byteLengthAjpToContainer(value)
    : byteLengthAjpFromContainer(value);
}

function isToContainer(
  value: AjpToContainer | AjpFromContainer,
): value is AjpToContainer {
  return ["forwardRequest", "body", "cping", "shutdown", "ping"]
    .includes(value.type);
}

/** Compares a value with the fields of the vector. */
function assertFields(
  value: AjpToContainer | AjpFromContainer,
  decoded: AjpVectorPacket["decoded"],
): void {
  switch (value.type) {
    case "forwardRequest": {
      assert.equal(decoded.type, "FORWARD_REQUEST");
      assert.equal(value.methodCode, decoded.methodCode);
      for (
        const name of [
          "protocol",
          "uri",
          "remoteAddr",
          "remoteHost",
          "serverName",
          "serverPort",
        ] as const
      ) assert.equal(value[name], decoded[name], name);
      assert.equal(value.isSsl, decoded.isSsl === 1);
      assert.deepEqual(value.headers.map(headerForm), decoded.headers);
      assert.deepEqual(
        value.attributes.map(attributeForm),
        attributeForms(decoded),
      );
      return;
    }
    case "sendHeaders":
      assert.equal(decoded.type, "SEND_HEADERS");
      assert.equal(value.status, decoded.status);
      assert.equal(value.message, decoded.message);
      assert.deepEqual(value.headers.map(headerForm), decoded.headers);
      return;
    case "body":
      assert.equal(value.bare, decoded.type === "empty-body");
      if (!value.bare) assert.equal(value.data.length, decoded.dataLength);
      return;
    case "sendBodyChunk":
      assert.equal(value.data.length, decoded.chunkLength);
      assert.equal(value.terminated, true);
      return;
    case "getBodyChunk":
      assert.equal(value.requested, decoded.requested);
      return;
    case "endResponse":
      assert.equal(value.reuse, decoded.reuse === 1);
      return;
    default:
      assert.equal(value.type.toUpperCase(), decoded.type);
  }
}

function headerForm({ code, name, value }: AjpHeader): object {
  return code === 0
    ? { name, value }
    : { code: `0x${code.toString(16)}`, name, value };
}

function attributeForm({ code, name, value }: AjpAttribute): object {
  if (name !== null) return { code, attr: name, value };
  return value === null ? { code } : { code, value };
}

/** Attributes of a vector without the names of their codes. */
function attributeForms({ attributes }: AjpVectorPacket["decoded"]): object[] {
  assert(Array.isArray(attributes));
  return attributes.map(({ name: _, ...form }: Record<string, unknown>) =>
    form
  );
}
