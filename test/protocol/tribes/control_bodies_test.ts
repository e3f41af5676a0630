import assert from "node:assert/strict";
import { test } from "node:test";
import {
  COORDINATION_CONFIRMATION,
  COORDINATION_HEADER,
  COORDINATION_REQUEST,
  encodeHex,
  STATIC_MEMBER_START_DATA,
  STATIC_MEMBER_STOP_DATA,
  TCP_FAILURE_DETECTOR_DATA,
  TCP_PING_DATA,
} from "../../../protocol/mod.ts";
import { loadVectors } from "../../support/vectors.ts";

const BODIES = new Map<string, readonly [string, Uint8Array]>([
  ["tcp-failure-detector", [
    "TCP_FAILURE_DETECTOR_DATA",
    TCP_FAILURE_DETECTOR_DATA,
  ]],
  ["tcp-ping", ["TCP_PING_DATA", TCP_PING_DATA]],
  ["static-member-start", [
    "STATIC_MEMBER_START_DATA",
    STATIC_MEMBER_START_DATA,
  ]],
  ["static-member-stop", ["STATIC_MEMBER_STOP_DATA", STATIC_MEMBER_STOP_DATA]],
  ["coordinator-header", ["COORDINATION_HEADER", COORDINATION_HEADER]],
  ["coordinator-type-request", ["COORDINATION_REQUEST", COORDINATION_REQUEST]],
  ["coordinator-type-confirm", [
    "COORDINATION_CONFIRMATION",
    COORDINATION_CONFIRMATION,
  ]],
]);

const vectors = loadVectors("control-bodies");

for (const { id, hex, decoded } of vectors) {
  const [name, body] = BODIES.get(id.slice("control-bodies/".length)) ?? [];
  test(`${name} is ${id}`, () => {
    assert(body !== undefined, "no constant for this vector");
    assert.equal(encodeHex(body), hex);
    if (decoded.text !== undefined) {
      assert.equal(new TextDecoder().decode(body), decoded.text);
    }
  });
}

test("every control body has its vector", () => {
  assert.equal(vectors.length, BODIES.size);
});
