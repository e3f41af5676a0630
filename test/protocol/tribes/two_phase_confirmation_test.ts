import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  byteLengthTwoPhaseConfirmation,
  DecodeError,
  decodeHex,
  decodeTwoPhaseConfirmation,
  encodeHex,
  encodeTwoPhaseConfirmation,
  isTwoPhaseConfirmation,
} from "../../../protocol/mod.ts";
import { byteStrings } from "../../support/arbitraries.ts";
import { twoPhaseVectors } from "../../support/coordination_vectors.ts";
import { assertDecodeError } from "../../support/outcome.ts";

for (const { id, uniqueId, sent } of twoPhaseVectors()) {
  test(`a two-phase confirmation is that of ${id}, both ways`, () => {
    const [first, second] = sent;
    assert(first !== undefined && second !== undefined);
    const body = decodeHex(second.message);
    assert.equal(
      encodeHex(encodeTwoPhaseConfirmation(decodeHex(uniqueId))),
      second.message,
    );
    assert.equal(encodeHex(decodeTwoPhaseConfirmation(body)), uniqueId);
    assert.ok(isTwoPhaseConfirmation(body, second.uniqueId.length / 2));
    assert.ok(!isTwoPhaseConfirmation(decodeHex(first.message), 16));
    // Every shorter form is an error, and no confirmation.
    for (let length = 0; length < body.length; length++) {
      const short = body.subarray(0, length);
      assert.throws(() => decodeTwoPhaseConfirmation(short), DecodeError);
      assert.ok(!isTwoPhaseConfirmation(short, 16));
    }
  });
}

test("decodeTwoPhaseConfirmation() reads what encodeTwoPhaseConfirmation() wrote", () => {
  fc.assert(
    fc.property(byteStrings(40), (uniqueId) => {
      const body = encodeTwoPhaseConfirmation(uniqueId);
      assert.equal(body.length, byteLengthTwoPhaseConfirmation(uniqueId));
      assert.deepEqual(
        new Uint8Array(decodeTwoPhaseConfirmation(body)),
        uniqueId,
      );
      assert.ok(isTwoPhaseConfirmation(body, uniqueId.length));
      assert.ok(!isTwoPhaseConfirmation(body, uniqueId.length + 1));
    }),
    { numRuns: 300 },
  );
});

test("isTwoPhaseConfirmation() looks at every byte of both markers", () => {
  const body = encodeTwoPhaseConfirmation(new Uint8Array(16));
  for (let at = 0; at < body.length; at++) {
    const changed = body.slice();
    changed[at] = changed[at]! ^ 1; // at < length
    assert.equal(isTwoPhaseConfirmation(changed, 16), at >= 16 && at < 32);
  }
  const wrong = body.slice();
  wrong[40] = 0;
  assertDecodeError(
    () => decodeTwoPhaseConfirmation(wrong),
    "bad-marker",
    "confirmation.end",
    32,
  );
});
