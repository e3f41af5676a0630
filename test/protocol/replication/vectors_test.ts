import assert from "node:assert/strict";
import { test } from "node:test";
import {
  concatBytes,
  decodeChannelData,
  decodeDeltaRequest,
  decodeDeltaSession,
  DecodeError,
  decodeFileMessage,
  decodeFrame,
  decodeHex,
  decodeJavaObject,
  decodeMapEntries,
  decodeMapMessage,
  decodeMapState,
  decodeNewSessionId,
  decodeRpcMessage,
  decodeSessionBlock,
  decodeSessionMessage,
  decodeUndeployMessage,
  encodeDeltaRequest,
  encodeDeltaSession,
  encodeFileMessage,
  encodeHex,
  encodeJavaObject,
  encodeMapEntries,
  encodeMapMessage,
  encodeMapState,
  encodeNewSessionId,
  encodeRpcMessage,
  encodeSessionBlock,
  encodeSessionMessage,
  encodeUndeployMessage,
  EVT_ALL_SESSION_DATA,
  EVT_CHANGE_SESSION_ID,
  EVT_SESSION_DELTA,
  type Generation,
  isMapState,
  javaMapMessage,
  javaSingleSignOnListener,
  mapMessageTypeName,
  mayBeDeployMessage,
  mayBeMapMessage,
  mayBeRpcMessage,
  mayBeSessionMessage,
  readJavaMapMessage,
  readJavaSingleSignOnListener,
  sessionEventName,
} from "../../../protocol/mod.ts";
import {
  type ReplicationVector,
  replicationVectors,
} from "../../support/replication_vectors.ts";
import { vectorGeneration } from "../../support/vectors.ts";

/** Reads what a vector holds and writes it again; the values, not the trees, are what is kept between. */
type Codec = (
  bytes: Uint8Array,
  generation: Generation,
  id: string,
) => Uint8Array;

const CODECS = {
  "session-message": (bytes, generation) =>
    encodeSessionMessage(decodeSessionMessage(bytes), generation),
  "session-id": (bytes) => encodeNewSessionId(decodeNewSessionId(bytes)),
  "delta-request": (bytes, generation) =>
    encodeDeltaRequest(decodeDeltaRequest(bytes), generation),
  "session-block": (bytes, generation, id) =>
    id.includes("externalizable")
      ? encodeDeltaSession(decodeDeltaSession(bytes), generation)
      : encodeSessionBlock(decodeSessionBlock(bytes), generation),
  "map-message": mapAgain,
  "sso": (bytes) =>
    encodeJavaObject(
      javaSingleSignOnListener(
        readJavaSingleSignOnListener(decodeJavaObject(bytes)),
      ),
    ),
  "file-message": (bytes, generation, id) =>
    id.includes("undeploy")
      ? encodeUndeployMessage(decodeUndeployMessage(bytes), { generation })
      : encodeFileMessage(decodeFileMessage(bytes), generation),
} satisfies Record<string, Codec>;

for (const [category, again] of Object.entries(CODECS)) {
  // The names are those of categories.
  for (const vector of replicationVectors(category as keyof typeof CODECS)) {
    const { id, hex } = vector;
    const generation = vectorGeneration(vector);
    const bytes = decodeHex(hex);

    test(`the codec of ${category} writes ${id} as it was read`, () => {
      assert.equal(encodeHex(again(bytes, generation, id)), hex);
    });

    test(`the codec of ${category} refuses ${id} cut anywhere, and with bytes behind it`, () => {
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(
          () => again(bytes.slice(0, length), generation, id),
          { name: "DecodeError", code: "truncated" },
          `${length} of ${bytes.length} bytes`,
        );
      }
      for (const more of ["00", "70", "7701ff", "aced"]) {
        assert.throws(
          () => again(concatBytes([bytes, decodeHex(more)]), generation, id),
          { name: "DecodeError", code: "trailing-bytes" },
          more,
        );
      }
    });

    test(`the codec of ${category} reads or refuses ${id} with any byte changed`, () => {
      for (let i = 0; i < Math.min(bytes.length, 1500); i++) {
        const changed = bytes.slice();
        changed[i]! ^= [0x01, 0x80, 0xff][i % 3]!; // i < length
        try {
          again(changed, generation, id);
        } catch (error) {
          assert(error instanceof DecodeError, `${i}: ${error}`);
        }
      }
    });
  }
}

function mapAgain(bytes: Uint8Array, generation: Generation): Uint8Array {
  if (!mayBeRpcMessage(bytes)) {
    return encodeMapMessage(decodeMapMessage(bytes), { generation });
  }
  const rpc = decodeRpcMessage(bytes);
  if (rpc.type !== "call") return encodeRpcMessage(rpc);
  const message = readJavaMapMessage(rpc.message, bytes);
  return encodeRpcMessage({
    ...rpc,
    message: javaMapMessage(message, { generation }),
  });
}

for (const vector of replicationVectors("map-message")) {
  const { id, hex, decoded } = vector;
  const generation = vectorGeneration(vector);

  test(`decodeMapMessage() tells the members and the value of ${id}`, () => {
    const bytes = decodeHex(hex);
    const message = mayBeRpcMessage(bytes)
      ? rpcMapMessage(bytes)
      : decodeMapMessage(bytes);
    assert.equal(message.msgtype, decoded.msgtype);
    if (decoded.typeName !== undefined) {
      assert.equal(mapMessageTypeName(message.msgtype), decoded.typeName);
    }
    const isStatic = id.includes("static-member");
    if (isStatic) assert.equal(message.primary?.memberClass, "StaticMember");
    if (message.primary !== null) {
      const newest = generation.major === 10;
      assert.equal(
        message.memberUid,
        newest ? -8901659902996040089n : 3323947316117794076n,
      );
    }
    const { valuedata } = message;
    if (valuedata === null) return;
    if (decoded.state !== undefined) {
      const state = decodeMapState(valuedata);
      assert.equal(state, decoded.state);
      assert(isMapState(state));
      assert.deepEqual(encodeMapState(state), valuedata);
    }
    if (decoded.entries !== undefined) {
      const entries = decodeMapEntries(valuedata);
      assert.equal(entries.length, 2);
      assert.equal(entries[0]?.mapId, entries[1]?.mapId); // one array
      const again = encodeMapEntries(entries, { generation });
      assert.equal(encodeHex(again), encodeHex(valuedata));
    }
    if (id.includes("backup-session")) {
      const session = decodeDeltaSession(valuedata);
      assert.equal(session.id, (decoded.value as { id: string }).id);
      assert.deepEqual(encodeDeltaSession(session, generation), valuedata);
    }
  });
}

function rpcMapMessage(bytes: Uint8Array) {
  const rpc = decodeRpcMessage(bytes);
  assert(rpc.type === "call");
  return readJavaMapMessage(rpc.message, bytes);
}

for (const category of ["live-delta", "live-backup"] as const) {
  for (const vector of replicationVectors(category)) {
    vector.frames.forEach(({ hex, decoded, options }, i) => {
      test(`the codecs read frame ${i} of ${vector.id}`, () => {
        const data = decodeChannelData(decodeFrame(decodeHex(hex)));
        const body = data.message;
        assert.equal(data.options, options);
        const generation = vectorGeneration(vector);
        assert.equal(
          mayBeSessionMessage(body),
          decoded.class === "SessionMessageImpl",
        );
        assert.equal(mayBeMapMessage(body), decoded.class === "MapMessage");
        assert.equal(mayBeDeployMessage(body), false);
        if (mayBeSessionMessage(body)) {
          assertLiveSessionMessage(body, decoded, generation);
        } else if (mayBeMapMessage(body)) {
          assertLiveMapMessage(body, decoded, generation);
        } else assert(mayBeRpcMessage(body));
      });
    });
  }
}

function assertLiveSessionMessage(
  body: Uint8Array,
  decoded: ReplicationVector["decoded"],
  generation: Generation,
): void {
  const message = decodeSessionMessage(body);
  const { session } = message;
  assert.deepEqual({
    class: "SessionMessageImpl",
    eventType: message.eventType,
    event: sessionEventName(message.eventType),
    context: message.contextName,
    sessionId: message.sessionId,
    uniqueId: message.uniqueId,
    timestamp: String(message.timestamp),
    dataLength: session?.length ?? null,
  }, decoded);
  assert.equal(message.serialVersionUid, 2n);
  assert.deepEqual(encodeSessionMessage(message, generation), body);
  if (session === null) return;
  const again = message.eventType === EVT_SESSION_DELTA
    ? encodeDeltaRequest(decodeDeltaRequest(session), generation)
    : message.eventType === EVT_ALL_SESSION_DATA
    ? encodeSessionBlock(decodeSessionBlock(session), generation)
    : encodeNewSessionId(decodeNewSessionId(session));
  if (again.length === session.length) assert.deepEqual(again, session);
  else assert.notEqual(message.eventType, EVT_CHANGE_SESSION_ID);
  assert.deepEqual(again, session);
}

function assertLiveMapMessage(
  body: Uint8Array,
  decoded: ReplicationVector["decoded"],
  generation: Generation,
): void {
  const message = decodeMapMessage(body);
  const { keydata, valuedata, diffvalue, nodes } = message;
  assert.deepEqual({
    class: "MapMessage",
    msgtype: message.msgtype,
    typeName: mapMessageTypeName(message.msgtype),
    mapId: new TextDecoder().decode(message.mapId),
    diff: message.diff,
    keydata: keydata === null ? null : encodeHex(keydata),
    valueLength: valuedata?.length ?? null,
    diffLength: diffvalue?.length ?? null,
    primaryPort: message.primary?.port ?? null,
    nodePorts: nodes?.map(({ port }) => port) ?? null,
  }, decoded);
  assert.deepEqual(encodeMapMessage(message, { generation }), body);
  if (valuedata !== null) {
    const session = decodeDeltaSession(valuedata);
    assert.deepEqual(encodeDeltaSession(session, generation), valuedata);
  }
  if (diffvalue !== null) {
    const delta = decodeDeltaRequest(diffvalue);
    assert.deepEqual(encodeDeltaRequest(delta, generation), diffvalue);
  }
}
