import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACTION_REMOVE,
  ACTION_SET,
  authTypeAction,
  createMapMessage,
  createPrincipal,
  createSessionMessage,
  decodeDeltaRequest,
  decodeFileMessage,
  decodeHex,
  decodeJavaObject,
  decodeMapEntries,
  decodeMapMessage,
  decodeMapState,
  decodeNewSessionId,
  decodeSessionIdMessage,
  decodeSessionMessage,
  decodeSingleSignOnEntry,
  decodeUndeployMessage,
  type DeltaAction,
  encodeDeltaRequest,
  encodeFileMessage,
  encodeHex,
  encodeJavaObject,
  encodeMapMessage,
  encodeNewSessionId,
  encodeSessionIdMessage,
  encodeSessionMessage,
  encodeSingleSignOnEntry,
  encodeUndeployMessage,
  EVT_ALL_SESSION_DATA,
  EVT_ALL_SESSION_NOCONTEXTMANAGER,
  EVT_ALL_SESSION_TRANSFERCOMPLETE,
  EVT_CHANGE_SESSION_ID,
  EVT_GET_ALL_SESSIONS,
  EVT_SESSION_ACCESSED,
  EVT_SESSION_CREATED,
  EVT_SESSION_DELTA,
  EVT_SESSION_EXPIRED,
  fileMessageBytes,
  isNewAction,
  javaInteger,
  JavaObject,
  javaPrincipal,
  javaSingleSignOnEntry,
  javaSingleSignOnListener,
  javaSingleSignOnMessage,
  javaSingleSignOnSessionKey,
  javaString,
  listenerAction,
  mapMessageTypeName,
  maxInactiveIntervalAction,
  memberSerialVersionUid,
  MSG_BACKUP,
  MSG_MAP_PING,
  noteAction,
  parseGeneration,
  principalAction,
  readJavaPrincipal,
  readJavaSingleSignOnEntry,
  readJavaSingleSignOnMessage,
  readJavaSingleSignOnSessionKey,
  removeAttributeAction,
  sessionEventName,
  setAttributeAction,
  setJavaFields,
  type SingleSignOnEntry,
} from "../../../protocol/mod.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { replicationVectors } from "../../support/replication_vectors.ts";
import { memberAt } from "../../support/tribes_peers.ts";
import { vectorGeneration } from "../../support/vectors.ts";

const NOW = 1_700_000_000_123;
const ID = "0123456789ABCDEF0123456789ABCDEF.node1";
const MEMBER = memberAt({ hostname: "10.0.0.1", port: 4000 });

for (
  const [eventType, sessionId, uniqueId] of [
    [EVT_SESSION_CREATED, ID, `${ID}-${NOW}`],
    [EVT_SESSION_EXPIRED, ID, `${ID}-EXPIRED-MSG`],
    [EVT_SESSION_ACCESSED, ID, `${ID}-${NOW}`],
    [EVT_GET_ALL_SESSIONS, "GET-ALL", "GET-ALL-/app"],
    [EVT_ALL_SESSION_DATA, "SESSION-STATE", "SESSION-STATE-/app"],
    [EVT_SESSION_DELTA, ID, `${ID}-${NOW}`],
    [
      EVT_ALL_SESSION_TRANSFERCOMPLETE,
      "SESSION-STATE-TRANSFERRED",
      "SESSION-STATE-TRANSFERRED/app",
    ],
    [EVT_CHANGE_SESSION_ID, ID, `${ID}-${NOW}`],
    [
      EVT_ALL_SESSION_NOCONTEXTMANAGER,
      "NO-CONTEXT-MANAGER",
      "NO-CONTEXT-MANAGER-/app",
    ],
  ] as const
) {
  test(`createSessionMessage() gives event ${eventType} Tomcat's ids`, () => {
    const isSet = eventType !== EVT_ALL_SESSION_NOCONTEXTMANAGER;
    assert.deepEqual(
      createSessionMessage(eventType, {
        contextName: "/app",
        now: NOW,
        ...sessionId === ID ? { sessionId } : {},
      }),
      {
        eventType,
        contextName: "/app",
        sessionId,
        uniqueId,
        session: null,
        timestamp: isSet ? NOW : 0,
        timestampSet: isSet,
      },
    );
  });
}

for (const vector of replicationVectors("session-message")) {
  const { eventType, contextName, sessionId } = vector.decoded;
  if (/nulls|no-timestamp/.test(vector.id)) continue; // not made by an event
  test(`createSessionMessage() makes what encodeSessionMessage() writes as ${vector.id}`, () => {
    const session = vector.decoded.session === null
      ? {}
      : { session: decodeHex(String(vector.decoded.session)) };
    const isOne = String(sessionId).includes("node1");
    const generation = vectorGeneration(vector);
    const message = createSessionMessage(Number(eventType), {
      contextName: String(contextName),
      ...isOne ? { sessionId: String(sessionId) } : {},
      ...session,
      now: NOW,
      generation,
    });
    const expected = decodeSessionMessage(decodeHex(vector.hex));
    // The vector of this event has a time, unlike the event of a node.
    const { timestamp, timestampSet } = expected;
    assert.equal(
      encodeHex(encodeSessionMessage(
        { ...message, timestamp, timestampSet },
        generation,
      )),
      vector.hex,
    );
  });
}

test("createSessionMessage() spells the end of a transfer as the release does", () => {
  for (
    const [release, word] of [
      ["7.0.90", "SESSION-STATE-TRANSFERED"],
      ["7.0.91", "SESSION-STATE-TRANSFERRED"],
      ["8.5.32", "SESSION-STATE-TRANSFERED"],
      ["8.5.33", "SESSION-STATE-TRANSFERRED"],
      ["9.0.10", "SESSION-STATE-TRANSFERED"],
      ["9.0.11", "SESSION-STATE-TRANSFERRED"],
      ["10.0.0", "SESSION-STATE-TRANSFERRED"],
    ] as const
  ) {
    const { sessionId } = createSessionMessage(
      EVT_ALL_SESSION_TRANSFERCOMPLETE,
      { contextName: "", now: NOW, generation: parseGeneration(release) },
    );
    assert.equal(sessionId, word, release);
  }
});

test("createSessionMessage() refuses an event of one session without its id", () => {
  assert.throws(
    () =>
      createSessionMessage(EVT_SESSION_DELTA, { contextName: "", now: NOW }),
    {
      name: "RangeError",
      message:
        "Cannot make event 13 without sessionId: it is about one session",
    },
  );
});

test("sessionEventName() and mapMessageTypeName() name what is not known", () => {
  assert.equal(sessionEventName(5), "UNKNOWN-EVENT-TYPE");
  assert.equal(mapMessageTypeName(0), "UNKNOWN");
  assert.equal(mapMessageTypeName(14), "UNKNOWN");
  assert.equal(mapMessageTypeName(MSG_MAP_PING), "MSG_PING");
});

test("decodeSessionMessage() refuses another class, and times beyond numbers", () => {
  assertDecodeError(
    () => decodeSessionMessage(encodeJavaObject(javaInteger(1))),
    "malformed",
    "sessionMessage",
    0,
  );
  const bytes = encodeSessionMessage(
    createSessionMessage(EVT_GET_ALL_SESSIONS, { contextName: "", now: -1 }),
  );
  // The time stands behind the descriptors and the event's type.
  const time = bytes.findIndex((_, i) =>
    bytes.subarray(i, i + 8).every((byte) => byte === 0xff)
  );
  bytes[time] = 0x7f;
  assertDecodeError(
    () => decodeSessionMessage(bytes),
    "out-of-range",
    "sessionMessage.serializationTimestamp",
    time - 4,
  );
});

test("encodeSessionMessage() refuses numbers beyond their types", () => {
  const message = createSessionMessage(EVT_GET_ALL_SESSIONS, {
    contextName: "",
    now: 0,
  });
  assertEncodeError(
    () => encodeSessionMessage({ ...message, timestamp: 0.5 }),
    "out-of-range",
    "sessionMessage.timestamp",
  );
  assertEncodeError(
    () => encodeSessionMessage({ ...message, eventType: 2 ** 31 }),
    "out-of-range",
    "mEvtType",
  );
});

test("encodeNewSessionId() refuses ids that are too long", () => {
  const bytes = encodeNewSessionId("x".repeat(65_535));
  assert.equal(decodeNewSessionId(bytes).length, 65_535);
  assertEncodeError(
    () => encodeNewSessionId("x".repeat(65_536)),
    "too-large",
    "utf",
  );
});

test("decodeSessionIdMessage() reads what encodeSessionIdMessage() wrote", () => {
  const message = {
    messageNumber: 3,
    orignalSessionID: "AB.node1",
    backupSessionID: "AB.node2",
    host: "localhost",
    contextName: "/app",
    timestamp: NOW,
    uniqueId: null,
  };
  assert.deepEqual(
    decodeSessionIdMessage(encodeSessionIdMessage(message)),
    message,
  );
});

test("actions of deltas have Tomcat's types and names", () => {
  const user = javaPrincipal(createPrincipal("alice", []));
  const listener = javaSingleSignOnListener("sso");
  const value = javaString("v");
  const head = ({ type, action, name, hasValue }: DeltaAction) =>
    [type, action, name, hasValue] as const;
  assert.deepEqual(
    [
      setAttributeAction("a", value),
      setAttributeAction("a", null),
      removeAttributeAction("a"),
      principalAction(user),
      principalAction(null),
      isNewAction(false),
      maxInactiveIntervalAction(-1),
      authTypeAction("FORM"),
      authTypeAction(null),
      listenerAction(listener),
      listenerAction(listener, ACTION_REMOVE),
      noteAction("n", value),
      noteAction("n", null),
    ].map(head),
    [
      [0, ACTION_SET, "a", true],
      [0, ACTION_REMOVE, "a", false],
      [0, ACTION_REMOVE, "a", false],
      [1, ACTION_SET, "__SET__PRINCIPAL__", true],
      [1, ACTION_REMOVE, "__SET__PRINCIPAL__", false],
      [2, ACTION_SET, "__SET__ISNEW__", true],
      [3, ACTION_SET, "__SET__MAXINTERVAL__", true],
      [4, ACTION_SET, "__SET__AUTHTYPE__", true],
      [4, ACTION_REMOVE, "__SET__AUTHTYPE__", false],
      [5, ACTION_SET, "__SET__LISTENER__", true],
      [5, ACTION_REMOVE, "__SET__LISTENER__", true],
      [6, ACTION_SET, "n", true],
      [6, ACTION_REMOVE, "n", false],
    ],
  );
});

for (
  const [name, actions] of [
    ["attr-string", [setAttributeAction("attr", javaString("v"))]],
    ["attr-integer", [setAttributeAction("attr", javaInteger(-1))]],
    ["remove", [removeAttributeAction("gone")]],
    ["max-new-auth", [
      maxInactiveIntervalAction(-1),
      isNewAction(false),
      authTypeAction("FORM"),
    ]],
    ["clear-auth", [authTypeAction(null), principalAction(null)]],
    ["principal", [
      principalAction(
        javaPrincipal(createPrincipal("alice", ["admin", "user"])),
      ),
    ]],
    ["listener", [listenerAction(javaSingleSignOnListener("sso-1"))]],
  ] as const
) {
  test(`encodeDeltaRequest() writes delta-request/${name} from its actions`, () => {
    const vector = replicationVectors("delta-request").find(({ id }) =>
      id === `delta-request/${name}`
    );
    const delta = { sessionId: ID, recordAllActions: false, actions };
    assert.equal(encodeHex(encodeDeltaRequest(delta)), vector?.hex);
  });
}

test("encodeDeltaRequest() gives a user the class of the release", () => {
  const user = javaPrincipal(
    createPrincipal("alice", ["x"], { password: "secret" }),
    parseGeneration("9.0"),
  );
  const delta = {
    sessionId: ID,
    recordAllActions: false,
    actions: [principalAction(user)],
  };
  const seven = decodeDeltaRequest(
    encodeDeltaRequest(delta, parseGeneration("7.0")),
  ).actions[0]?.value;
  assert(seven instanceof JavaObject && seven.classDesc.kind === "class-desc");
  assert.equal(
    seven.classDesc.name,
    "org.apache.catalina.ha.session.SerializablePrincipal",
  );
  assert.equal(readJavaPrincipal(seven).password, "secret");
  // What a peer wrote is passed on as it is.
  const [again] = decodeDeltaRequest(encodeDeltaRequest(delta)).actions;
  assert.deepEqual(again?.value, user);
});

test("decodeDeltaRequest() refuses numbers that lie", () => {
  const bytes = encodeDeltaRequest({
    sessionId: "A",
    recordAllActions: false,
    actions: [],
  });
  const lying = bytes.slice();
  lying.set([0x7f, 0xff, 0xff, 0xff], bytes.length - 4);
  assertDecodeError(
    () => decodeDeltaRequest(lying),
    "truncated",
    "deltaRequest.type",
    bytes.length,
  );
  lying[bytes.length - 4] = 0x80;
  assertDecodeError(
    () => decodeDeltaRequest(lying),
    "out-of-range",
    "deltaRequest.count",
    bytes.length,
  );
  assertDecodeError(
    () => decodeDeltaRequest(decodeHex("aced0005")),
    "truncated",
    "deltaRequest.sessionId",
    4,
  );
});

test("decodeDeltaRequest() reads many small blocks quickly", () => {
  const actions = Array.from(
    { length: 6000 },
    (_, i) => removeAttributeAction(`attribute-${i}`),
  );
  const delta = { sessionId: "A", recordAllActions: true, actions };
  const bytes = encodeDeltaRequest(delta);
  const parts = [...bytes.subarray(0, 4)];
  // Each byte of the blocks in a block of its own.
  for (let at = 4; at < bytes.length;) {
    const long = bytes[at] === 0x7a;
    const head = long ? 5 : 2;
    const length = long
      ? bytes[at + 3]! << 8 | bytes[at + 4]! // at most 1024
      : bytes[at + 1]!;
    for (const byte of bytes.subarray(at + head, at + head + length)) {
      parts.push(0x77, 1, byte);
    }
    at += head + length;
  }
  const start = performance.now();
  const read = decodeDeltaRequest(Uint8Array.from(parts));
  assert(performance.now() - start < 5000);
  assert.deepEqual(read, delta);
});

test("encodeMapMessage() writes the serialVersionUID of a release, or the one that a peer has shown", () => {
  const message = createMapMessage(MSG_BACKUP, new Uint8Array(1), {
    primary: MEMBER,
  });
  for (
    const release of ["7.0.30", "7.0.68", "8.5.0", "9.0", "10.1.39", "11.0"]
  ) {
    const generation = parseGeneration(release);
    const read = decodeMapMessage(encodeMapMessage(message, { generation }));
    assert.equal(read.memberUid, memberSerialVersionUid(generation));
    assert.equal(read.primary?.port, 4000);
  }
  const shown = encodeMapMessage(message, { serialVersionUid: 42n });
  assert.equal(decodeMapMessage(shown).memberUid, 42n);
});

test("decodeMapMessage() and its like refuse other objects", () => {
  const other = encodeJavaObject(javaInteger(1));
  assertDecodeError(
    () => decodeMapMessage(other),
    "malformed",
    "mapMessage",
    0,
  );
  assertDecodeError(
    () => decodeMapEntries(other),
    "malformed",
    "mapEntries",
    0,
  );
  assertDecodeError(() => decodeMapState(other), "malformed", "mapState", 0);
  assertDecodeError(
    () => decodeFileMessage(other),
    "malformed",
    "fileMessage",
    0,
  );
  assertDecodeError(
    () => decodeUndeployMessage(other),
    "malformed",
    "undeployMessage",
    0,
  );
});

for (const release of ["7.0", "8.5", "10.1", "11.0"]) {
  const generation = parseGeneration(release);
  const old = release === "7.0";

  test(`decodeFileMessage() reads what encodeFileMessage() wrote for ${release}`, () => {
    const message = {
      messageNumber: 2,
      totalNrOfMsgs: 2,
      fileName: "app.war",
      contextName: "/app",
      data: new Uint8Array(10240).fill(7),
      dataLength: 1234,
      timestamp: NOW,
      ...old ? { totalLength: 11474 } : {},
    };
    const bytes = encodeFileMessage(message, generation);
    const { serialVersionUid, ...read } = decodeFileMessage(bytes);
    assert.deepEqual(read, message);
    assert.equal(serialVersionUid, old ? 1n : 2n);
    assert.equal(fileMessageBytes(read).length, 1234);
  });

  test(`decodeUndeployMessage() reads what encodeUndeployMessage() wrote for ${release}`, () => {
    const message = {
      address: MEMBER,
      timestamp: NOW,
      uniqueId: "Undeploy:/app:1",
      contextName: "/app",
      ...old ? { undeploy: true } : {},
    };
    const bytes = encodeUndeployMessage(message, { generation });
    const { serialVersionUid, memberUid, ...read } = decodeUndeployMessage(
      bytes,
    );
    assert.deepEqual(read, message);
    assert.equal(serialVersionUid, old ? 1n : 2n);
    assert.equal(memberUid, memberSerialVersionUid(generation));
  });

  test(`decodeSingleSignOnEntry() reads what encodeSingleSignOnEntry() wrote for ${release}`, () => {
    const user = javaPrincipal(createPrincipal("alice", ["user"]), generation);
    const entry: SingleSignOnEntry = {
      authType: "FORM",
      canReauthenticate: true,
      password: "secret",
      username: "alice",
      sessionKeys: [
        { contextName: "/app", hostName: "localhost", sessionId: ID },
        { contextName: "", hostName: "localhost", sessionId: "B" },
      ],
      principal: user,
    };
    const other = { ...entry, principal: null, canReauthenticate: false };
    for (const wanted of [entry, other]) {
      const bytes = encodeSingleSignOnEntry(wanted, generation);
      assert.deepEqual(decodeSingleSignOnEntry(bytes), wanted);
      assert.deepEqual(
        encodeSingleSignOnEntry(decodeSingleSignOnEntry(bytes), generation),
        bytes,
      );
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decodeSingleSignOnEntry(bytes.slice(0, length)), {
          name: "DecodeError",
          code: "truncated",
        });
      }
    }
  });
}

test("readJavaSingleSignOnEntry() refuses data behind the user, and sessions that are no map", () => {
  const entry = {
    authType: null,
    canReauthenticate: false,
    password: null,
    username: null,
    sessionKeys: [],
    principal: null,
  };
  const more = javaSingleSignOnEntry(entry);
  more.data[0]?.custom?.push(null);
  assertDecodeError(
    () => readJavaSingleSignOnEntry(more),
    "trailing-bytes",
    "singleSignOnEntry.end",
    0,
  );
  const wrong = javaSingleSignOnEntry(entry);
  setJavaFields(wrong, { sessionKeys: javaString("x") });
  assertDecodeError(
    () => readJavaSingleSignOnEntry(wrong),
    "malformed",
    "singleSignOnEntry.sessionKeys",
    0,
  );
  setJavaFields(wrong, { sessionKeys: null });
  assert.deepEqual(readJavaSingleSignOnEntry(wrong), entry);
});

test("fileMessageBytes() never gives more than there is", () => {
  const message = {
    messageNumber: 1,
    totalNrOfMsgs: 1,
    fileName: null,
    contextName: null,
    data: new Uint8Array(5),
    timestamp: 0,
  };
  for (const [dataLength, wanted] of [[-1, 0], [0, 0], [5, 5], [99, 5]]) {
    const bytes = fileMessageBytes({ ...message, dataLength: dataLength! }); // pairs
    assert.equal(bytes.length, wanted);
  }
  assert.equal(
    fileMessageBytes({ ...message, data: null, dataLength: 5 }).length,
    0,
  );
});

test("readJavaSingleSignOnMessage() reads what javaSingleSignOnMessage() made", () => {
  const message = {
    action: 4,
    ssoId: "ABC",
    ctxname: "/app",
    sessionId: ID,
    authType: "FORM",
    password: null,
    username: "alice",
    principal: null,
    address: MEMBER,
    timestamp: NOW,
    uniqueId: null,
  };
  const bytes = encodeJavaObject(javaSingleSignOnMessage(message));
  assert.deepEqual(
    readJavaSingleSignOnMessage(decodeJavaObject(bytes), bytes),
    message,
  );
  const key = { contextName: "/app", hostName: "localhost", sessionId: null };
  assert.deepEqual(
    readJavaSingleSignOnSessionKey(javaSingleSignOnSessionKey(key)),
    key,
  );
});
