import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, kindVectors, same } from "../support/kind_vectors.ts";
import type { JsonObject } from "../../cli/json.ts";

const CATEGORIES = [
  "session-message",
  "session-id",
  "delta-request",
  "session-block",
  "map-message",
  "sso",
  "file-message",
];

/** What the forms of these vectors do not tell: unknown classes, shared objects, sizes of tables, classes of members. */
const NOT_TOLD: Readonly<Record<string, string>> = {
  "delta-request/attr-custom-class": "unsupported",
  "delta-request/shared-object": "differs",
  "session-block/custom": "unsupported",
  "session-block/shared-across": "differs",
  "map-message/backup-static-member": "differs",
  "map-message/init-rpc": "unsupported",
  "map-message/start-rpc": "unsupported",
  "map-message/ping-rpc": "unsupported",
  "map-message/ping-reply-new": "unsupported",
  "map-message/ping-reply-statetransferred": "unsupported",
  "map-message/ping-reply-initialized": "unsupported",
  "map-message/ping-reply-destroyed": "unsupported",
  "map-message/state-reply": "unsupported",
  "file-message/first": "unsupported",
  "file-message/last-partial": "unsupported",
  "file-message/single": "unsupported",
};

for (const kind of CATEGORIES) {
  for (const { id, source, hex, decoded } of kindVectors(kind)) {
    test(`tribes decode gives the value of ${id}`, async () => {
      const answer = await ask("decode", { kind, hex });
      assert(answer.ok, JSON.stringify(answer.error));
      assert.deepEqual(same(answer.value, decoded), decoded);
      assert.equal(answer.same, true);
    });

    test(`tribes encode gives the bytes of ${id}, unless its form does not tell all`, async () => {
      const generation = source.replace(/^tomcat-/, "");
      const told = await ask("encode", { kind, generation, value: decoded });
      const expected = NOT_TOLD[id.replace(/@.*/, "")];
      if (expected === "unsupported") {
        assert.equal(told.error.code, "unsupported");
      } else {
        assert(told.ok, JSON.stringify(told.error));
        assert.equal(told.hex === hex, expected === undefined);
      }
    });

    test(`tribes encode gives the bytes of ${id} from all that decode gave`, async () => {
      const generation = source.replace(/^tomcat-/, "");
      const { value } = await ask("decode", { kind, hex });
      const all = await ask("encode", { kind, generation, value });
      const name = id.replace(/@.*/, "");
      if (/custom/.test(name)) assert.equal(all.error.code, "unsupported");
      else assert.equal(all.hex === hex, !/shared/.test(name));
    });

    test(`tribes decode refuses cuts of ${id}, and what stands behind it, with a code`, async () => {
      const step = 2 * Math.ceil(hex.length / 800);
      for (let i = 0; i < hex.length; i += step) {
        const cut = await ask("decode", { kind, hex: hex.slice(0, i) });
        assert(!cut.ok, `${i}`);
        assert.equal(cut.error.code, "truncated", `${i}`);
        const byte = (parseInt(hex.slice(i, i + 2), 16) ^ 0x80).toString(16);
        const changed = hex.slice(0, i) + byte.padStart(2, "0") +
          hex.slice(i + 2);
        const answer = await ask("decode", { kind, hex: changed });
        if (!answer.ok) assert.notEqual(answer.error.field, "line", `${i}`);
      }
      for (const more of ["00", "70", "77"]) {
        const { error } = await ask("decode", { kind, hex: hex + more });
        assert.equal(error.code, "trailing-bytes", more);
      }
    });
  }
}

const SESSION = {
  id: "A",
  creationTime: "1",
  lastAccessedTime: "2",
  maxInactiveInterval: 1800,
  isNew: false,
  thisAccessedTime: "3",
  attributes: [],
};

for (
  const [kind, value, code, field] of [
    ["session-message", {}, "malformed", "eventType"],
    ["session-message", { eventType: 1 }, "malformed", "contextName"],
    [
      "session-message",
      { eventType: 1, contextName: 1, sessionId: "", uniqueId: "" },
      "malformed",
      "contextName",
    ],
    [
      "session-message",
      { eventType: 2 ** 31, contextName: "", sessionId: "", uniqueId: "" },
      "out-of-range",
      "mEvtType",
    ],
    ["session-id", {}, "malformed", "newSessionId"],
    ["delta-request", { sessionId: "A" }, "malformed", "actions"],
    [
      "delta-request",
      { sessionId: "A", actions: [1] },
      "malformed",
      "actions[0]",
    ],
    [
      "delta-request",
      {
        sessionId: "A",
        actions: [{ type: 0, action: 0, name: "x", value: { type: "x.Y" } }],
      },
      "unsupported",
      "actions[0].value",
    ],
    ["session-block", {}, "malformed", "sessions"],
    [
      "session-block",
      { sessions: [{ ...SESSION, listeners: 1 }] },
      "unsupported",
      "sessions[0].listeners",
    ],
    [
      "session-block",
      { sessions: [{ id: "A" }] },
      "malformed",
      "sessions[0].creationTime",
    ],
    ["sso", {}, "malformed", "ssoId"],
    ["sso", { action: 1, ssoId: "x" }, "unsupported", "action"],
    ["map-message", {}, "malformed", "msgtype"],
    ["map-message", { msgtype: 1 }, "unsupported", "mapId"],
    ["map-message", { msgtype: 1, mapId: "m" }, "unsupported", "primary"],
    [
      "map-message",
      { msgtype: 1, mapId: "m", primary: 1 },
      "malformed",
      "primary.",
    ],
    [
      "file-message",
      { fileName: "a", contextName: "b", dataSha256: "00" },
      "unsupported",
      "data",
    ],
    ["file-message", { contextName: "b" }, "malformed", "timestamp"],
  ] as readonly (readonly [string, JsonObject, string, string])[]
) {
  test(`tribes encode refuses ${kind} ${JSON.stringify(value)}`, async () => {
    const { ok, error } = await ask("encode", { kind, value });
    assert.equal(ok, false);
    assert.deepEqual({ code: error.code, field: error.field }, { code, field });
  });
}

test("tribes encode takes plain JSON for values, notes and listeners, and tribes decode gives them back", async () => {
  const value = {
    sessions: [{
      ...SESSION,
      principal: { type: "principal", name: "alice", roles: ["user"] },
      authNotesWritten: true,
      sessionIdNote: "old",
      attributes: [{ name: "a", value: { list: [1, "x", null] } }],
      listeners: 1,
      listenerObjects: [{
        type:
          "org.apache.catalina.ha.authenticator.ClusterSingleSignOnListener",
        ssoId: "sso",
      }],
    }],
  };
  for (const generation of ["8.5", "9.0", "10.1", "11.0"]) {
    const kind = "session-block";
    const { hex } = await ask("encode", { kind, value, generation });
    const read = await ask("decode", { kind, hex });
    const [session] = read.value.sessions as JsonObject[];
    assert.equal(session?.sessionIdNote, "old");
    assert.deepEqual(session?.principal, value.sessions[0]?.principal);
    assert.deepEqual(
      session?.listenerObjects,
      value.sessions[0]?.listenerObjects,
    );
    const again = await ask("encode", {
      kind,
      value: read.value,
      generation,
    });
    assert.equal(again.hex, hex);
  }
});

test("tribes decode tells an entry of single sign-on, and what else it sends", async () => {
  const kind = "sso";
  const entry = {
    authType: "FORM",
    canReauthenticate: true,
    password: null,
    username: "alice",
    sessionKeys: [
      { contextName: "/app", hostName: "localhost", sessionId: "A" },
    ],
    principal: { type: "principal", name: "alice", roles: [] },
  };
  for (const value of [entry, entry.sessionKeys[0]!, { ssoId: null }]) {
    const { hex } = await ask("encode", { kind, value });
    assert.deepEqual((await ask("decode", { kind, hex })).value, value);
  }
  const { error } = await ask("decode", { kind, hex: "aced000570" });
  assert.deepEqual(error.code, "malformed");
});

test("tribes encode ignores the length of data that is given alone", async () => {
  const kind = "file-message";
  const value = {
    messageNumber: 1,
    totalNrOfMsgs: 1,
    fileName: "a.war",
    contextName: "/a",
    data: "010203",
    dataLength: 99,
  };
  const { hex } = await ask("encode", { kind, value });
  const read = await ask("decode", { kind, hex });
  assert.equal(read.value.dataLength, 3);
  assert.equal(read.value.data, "010203");
});

test("tribes encode needs no primary for messages that name no node", async () => {
  for (
    const [msgtype, ok] of [[2, true], [4, true], [5, true], [10, true], [
      6,
      false,
    ]]
  ) {
    const value = { msgtype: Number(msgtype), mapId: "m" };
    const answer = await ask("encode", { kind: "map-message", value });
    assert.equal(answer.ok, ok, `${msgtype}`);
    const named = { ...value, primary: null };
    assert((await ask("encode", { kind: "map-message", value: named })).ok);
  }
});

test("tribes encode writes equal small numbers as one object, as Java does", async () => {
  const encoded = async (b: number) => {
    const actions = [["a", 1], ["b", b]].map(([name = "", value = 0]) => ({
      type: 0,
      action: 0,
      name,
      value,
    }));
    const value = { sessionId: "A", actions };
    return (await ask("encode", { kind: "delta-request", value })).hex;
  };
  assert((await encoded(1)).endsWith("71007e0002"));
  assert((await encoded(2)).endsWith("7371007e000000000002"));
});
