// What holds for all messages of session replication.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeDeltaRequest,
  decodeDeltaSession,
  DecodeError,
  decodeHex,
  decodeMapEntries,
  decodeMapMessage,
  decodeNewSessionId,
  decodeSessionBlock,
  decodeSessionMessage,
  encodeDeltaRequest,
  encodeDeltaSession,
  EncodeError,
  encodeMapEntries,
  encodeMapMessage,
  encodeNewSessionId,
  encodeSessionBlock,
  encodeSessionMessage,
  type Generation,
  type MapMessage,
} from "../../protocol/mod.ts";
import { damaged } from "./arbitraries.ts";
import { javaTexts } from "./java_arbitraries.ts";
import { outcome } from "./outcome.ts";
import type { Property } from "./properties.ts";
import {
  deltaRequests,
  generations,
  mapMessages,
  sessionLists,
  sessionMessages,
} from "./replication_arbitraries.ts";
import { replicationVectors } from "./replication_vectors.ts";

const NEWEST: Generation = { major: 11, minor: 0, patch: Infinity };

/** Properties of protocol/replication. */
export const REPLICATION_PROPERTIES: readonly Property[] = [
  property(
    "decodeSessionMessage() reads what encodeSessionMessage() wrote for any release",
    fc.tuple(sessionMessages(), generations()),
    ([message, generation]) => {
      const bytes = encodeSessionMessage(message, generation);
      const { serialVersionUid, ...read } = decodeSessionMessage(bytes);
      assert.deepEqual(read, message);
      assert.equal(serialVersionUid, generation.major === 7 ? 1n : 2n);
    },
  ),
  property(
    "decodeSessionMessage() survives hostile bytes",
    hostile("session-message"),
    (bytes) => assertHostile(bytes, decodeSessionMessage, encodeSessionMessage),
  ),
  property(
    "decodeNewSessionId() reads what encodeNewSessionId() wrote",
    javaTexts().filter((text) => text.length < 20_000),
    (id) => assert.equal(decodeNewSessionId(encodeNewSessionId(id)), id),
  ),
  property(
    "decodeDeltaRequest() reads what encodeDeltaRequest() wrote, and what values share",
    deltaRequests(),
    (delta) => {
      const bytes = encodeDeltaRequest(delta, NEWEST);
      const read = decodeDeltaRequest(bytes);
      assert.equal(read.actions.length, delta.actions.length);
      read.actions.forEach((action, i) => {
        const { value, ...wanted } = delta.actions[i]!; // lengths are equal
        const { value: _, ...others } = action;
        assert.deepEqual(others, wanted);
        // One object stays one, and two stay two.
        const first = delta.actions.findIndex((other) => other.value === value);
        assert.equal(action.value, read.actions[first]?.value);
      });
      assert.deepEqual(encodeDeltaRequest(read, NEWEST), bytes);
    },
  ),
  property(
    "decodeDeltaRequest() survives hostile bytes",
    fc.oneof(
      hostile("delta-request"),
      damaged(deltaRequests().map((delta) => encodeDeltaRequest(delta))),
    ),
    (bytes) => assertHostile(bytes, decodeDeltaRequest, encodeDeltaRequest),
  ),
  property(
    "decodeSessionBlock() reads what encodeSessionBlock() wrote for any release",
    fc.tuple(sessionLists(), generations()),
    ([sessions, generation]) => {
      const bytes = encodeSessionBlock(sessions, generation);
      const read = decodeSessionBlock(bytes, { generation });
      assert.equal(read.length, sessions.length);
      read.forEach((session, i) => {
        const wanted = sessions[i]!; // lengths are equal
        assert.equal(session.id, wanted.id);
        assert.equal(session.creationTime, wanted.creationTime);
        assert.equal(session.version, wanted.version);
        assert.equal(session.isNew, wanted.isNew);
        assert.equal(session.maxInactiveInterval, wanted.maxInactiveInterval);
        assert.equal(session.attributes.length, wanted.attributes.length);
        assert.equal(session.principal === null, wanted.principal === null);
      });
      assert.deepEqual(encodeSessionBlock(read, generation), bytes);
    },
  ),
  property(
    "decodeDeltaSession() reads what encodeDeltaSession() wrote for any release",
    fc.tuple(sessionLists(), generations()),
    ([sessions, generation]) => {
      for (const session of sessions) {
        const bytes = encodeDeltaSession(session, generation);
        const read = decodeDeltaSession(bytes);
        assert.equal(read.id, session.id);
        assert.deepEqual(encodeDeltaSession(read, generation), bytes);
      }
    },
  ),
  property(
    "decodeSessionBlock() survives hostile bytes",
    fc.oneof(
      hostile("session-block"),
      damaged(sessionLists().map((sessions) => encodeSessionBlock(sessions))),
    ),
    (bytes) => assertHostile(bytes, decodeSessionBlock, encodeSessionBlock),
  ),
  property(
    "decodeMapMessage() reads what encodeMapMessage() wrote for any release",
    fc.tuple(mapMessages(), generations()),
    ([message, generation]) => {
      const bytes = encodeMapMessage(message, { generation });
      const { memberUid: _, ...read } = decodeMapMessage(bytes);
      assert.deepEqual(read, message);
      assert.deepEqual(encodeMapMessage(read, { generation }), bytes);
    },
  ),
  property(
    "decodeMapEntries() reads what encodeMapEntries() wrote, and what entries share",
    fc.array(mapMessages(), { maxLength: 3 }),
    (entries) => {
      const twice = [...entries, ...entries];
      const bytes = encodeMapEntries(twice);
      const read = decodeMapEntries(bytes);
      assert.deepEqual(
        read.map(({ memberUid: _, ...entry }): MapMessage => entry),
        twice,
      );
      assert.deepEqual(encodeMapEntries(read), bytes);
      for (let i = 0; i < entries.length; i++) {
        assert.equal(read[i]?.mapId, read[i + entries.length]?.mapId);
      }
    },
  ),
  property(
    "decodeMapMessage() survives hostile bytes",
    hostile("map-message"),
    (bytes) =>
      assertHostile(
        bytes,
        decodeMapMessage,
        (value) => encodeMapMessage(value),
      ),
  ),
];

/** Vectors with bytes changed, cut or added. */
function hostile(
  category:
    | "session-message"
    | "delta-request"
    | "session-block"
    | "map-message",
): fc.Arbitrary<Uint8Array> {
  const streams = replicationVectors(category).map(({ hex }) => decodeHex(hex));
  return damaged(fc.constantFrom(...streams));
}

/**
 * Asserts what hostile bytes may do: cause a DecodeError that points into them, or give a value that can be
 * written and read again. They may hold what is not kept: another serialVersionUID, a field that is not known.
 */
function assertHostile<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
): void {
  const before = bytes.slice();
  const result = outcome(() => decode(bytes));
  assert.deepEqual(bytes, before, "the input was changed");
  if (result.type === "error") {
    const { error } = result;
    assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
    assert(error.offset >= 0 && error.offset <= bytes.length);
    return;
  }
  const written = outcome(() => encode(result.value));
  if (written.type === "error") { // a user whose fields are of other types
    assert(written.error instanceof EncodeError, `${written.error}`);
    return;
  }
  assert.deepEqual(encode(decode(written.value)), written.value);
}

function property<T>(
  name: string,
  values: fc.Arbitrary<T>,
  holds: (value: T) => void,
): Property {
  return {
    name,
    check: (parameters) => fc.assert(fc.property(values, holds), parameters),
  };
}
