import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  byteLengthCoordinationMessage,
  COORDINATION_ALIVE,
  COORDINATION_HEADER,
  COORDINATION_REQUEST,
  type CoordinationMessage,
  createMember,
  decodeCoordinationMessage,
  DecodeError,
  decodeHex,
  encodeCoordinationMessage,
  encodeHex,
  encodeHost,
} from "../../../protocol/mod.ts";
import { damaged } from "../../support/arbitraries.ts";
import {
  coordinationFromForm,
  coordinationMessages,
  coordinationVectors,
} from "../../support/coordination_vectors.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const MEMBER = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
const MESSAGE: CoordinationMessage = {
  leader: MEMBER,
  source: MEMBER,
  view: [MEMBER],
  id: new Uint8Array(16).fill(7),
  type: COORDINATION_REQUEST,
};
const BLOCK = 77; // of MEMBER

for (const { id, hex, decoded } of coordinationVectors()) {
  test(`a coordination message is ${id}, both ways`, () => {
    const bytes = decodeHex(hex);
    const message = coordinationFromForm(decoded);
    assert.deepEqual(decodeCoordinationMessage(bytes), message);
    assert.equal(encodeHex(encodeCoordinationMessage(message)), hex);
    assert.equal(byteLengthCoordinationMessage(message), bytes.length);
  });

  test(`decodeCoordinationMessage() refuses every shorter form of ${id}`, () => {
    const bytes = decodeHex(hex);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(
        () => decodeCoordinationMessage(bytes.subarray(0, length)),
        (error) => error instanceof DecodeError && error.code === "truncated",
        `${length} bytes`,
      );
    }
    assertDecodeError(
      () => decodeCoordinationMessage(Uint8Array.of(...bytes, 0)),
      "trailing-bytes",
      "coordination",
      bytes.length,
    );
  });
}

test("decodeCoordinationMessage() reads what encodeCoordinationMessage() wrote", () => {
  fc.assert(
    fc.property(coordinationMessages(), (message) => {
      const bytes = encodeCoordinationMessage(message);
      assert.equal(byteLengthCoordinationMessage(message), bytes.length);
      assert.deepEqual(decodeCoordinationMessage(bytes), message);
    }),
    { numRuns: 300 },
  );
});

test("decodeCoordinationMessage() gives a DecodeError for damaged bytes, or a value that re-encodes", () => {
  const good = coordinationMessages().map((message) =>
    encodeCoordinationMessage(message)
  );
  fc.assert(
    fc.property(damaged(good), (bytes) => {
      let message;
      try {
        message = decodeCoordinationMessage(bytes);
      } catch (error) {
        assert(error instanceof DecodeError, `${error}`);
        return;
      }
      assert.deepEqual(encodeCoordinationMessage(message), bytes.slice());
    }),
    { numRuns: 1000 },
  );
});

test("decodeCoordinationMessage() names the field that lies", () => {
  const change = (at: number, value: number) => {
    const bytes = encodeCoordinationMessage(MESSAGE);
    new DataView(bytes.buffer).setInt32(at, value);
    return () => decodeCoordinationMessage(bytes);
  };
  const count = 16 + 2 * (4 + BLOCK);
  assertDecodeError(change(0, 0), "bad-marker", "coordination.header", 0);
  assertDecodeError(
    change(16, -1),
    "out-of-range",
    "coordination.leader.length",
    16,
  );
  assertDecodeError(
    change(16, BLOCK + 1),
    "trailing-bytes",
    "coordination.leader",
    20 + BLOCK,
  );
  assertDecodeError(
    change(20 + BLOCK, 0x7fff_ffff),
    "truncated",
    "coordination.source",
    24 + BLOCK,
  );
  assertDecodeError(
    change(count, -5),
    "out-of-range",
    "coordination.view.length",
    count,
  );
  // Two members, or two thousand million: the id is no member's length.
  for (const members of [2, 0x7fff_ffff]) {
    assertDecodeError(
      change(count, members),
      "truncated",
      "coordination.view",
      count + 8 + 4 + BLOCK,
    );
  }
  assertDecodeError(
    change(count, 0),
    "trailing-bytes",
    "coordination",
    count + 4 + 32,
  );
});

test("encodeCoordinationMessage() refuses an id and a type of another length", () => {
  const short = new Uint8Array(15);
  assertEncodeError(
    () => encodeCoordinationMessage({ ...MESSAGE, id: short }),
    "out-of-range",
    "coordination.id",
  );
  assertEncodeError(
    () => encodeCoordinationMessage({ ...MESSAGE, type: short }),
    "out-of-range",
    "coordination.type",
  );
});

test("COORDINATION_ALIVE has the 64 bytes of Tomcat's class, and no coordination header", () => {
  assert.equal(COORDINATION_ALIVE.length, 64);
  assert.equal(
    encodeHex(COORDINATION_ALIVE.subarray(0, 16)),
    "4f87e7f1c505405eb37189a83472c8d2",
  );
  assert.notDeepEqual(COORDINATION_ALIVE.subarray(0, 16), COORDINATION_HEADER);
});
