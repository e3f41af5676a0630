import assert from "node:assert/strict";
import { test } from "node:test";
import {
  deltaSessionSerialVersionUid,
  FILE_MESSAGE_CLASS,
  type JavaClassDesc,
  javaMember,
  javaMemberMessage,
  javaRpcMessage,
  parseGeneration,
  PRINCIPAL_CLASS,
  replicationClass,
  SESSION_MESSAGE_CLASS,
  SSO_ENTRY_CLASS,
  UNDEPLOY_MESSAGE_CLASS,
} from "../../../protocol/mod.ts";
import { memberAt } from "../../support/tribes_peers.ts";
import { replicationVectors } from "../../support/replication_vectors.ts";
import { vectorGeneration } from "../../support/vectors.ts";

const MEMBER = memberAt({ hostname: "127.0.0.1", port: 4000 });
const CALL = {
  uuid: new Uint8Array(16),
  rpcId: new Uint8Array(1),
} as const;

/** Classes that are read as they are, and of which none is made here. */
const NOT_MADE: ReadonlySet<string> = new Set([
  "org.apache.catalina.authenticator.SavedRequest",
  "org.apache.catalina.ha.session.DeltaRequest", // never an object
  "org.apache.catalina.realm.GenericPrincipal", // replaced by another
  "org.apache.catalina.tribes.UniqueId",
]);

/** Classes of the layers below, as they write them. */
function tribesClass(
  name: string,
  generation: ReturnType<typeof parseGeneration>,
): JavaClassDesc | undefined {
  const objects = [
    javaRpcMessage({ type: "call", reply: false, ...CALL, message: null }),
    javaRpcMessage({ type: "no-rpc-channel-reply", ...CALL }),
    javaMember(MEMBER, { generation }),
    javaMember(MEMBER, { generation, memberClass: "StaticMember" }),
    javaMemberMessage({
      msgtype: 1,
      member: MEMBER,
      membershipId: new Uint8Array(1),
    }),
  ];
  return objects.map(({ classDesc }) => classDesc).find((
    desc,
  ): desc is JavaClassDesc => desc.kind === "class-desc" && desc.name === name);
}

for (const vector of replicationVectors("class-descriptor")) {
  const generation = vectorGeneration(vector);

  test(`replicationClass() gives ${vector.id}`, () => {
    const desc = replicationClass(vector.class, generation) ??
      tribesClass(vector.class, generation);
    if (NOT_MADE.has(vector.class)) {
      assert.equal(desc, undefined);
      return;
    }
    assert(desc !== undefined, vector.class);
    assert.deepEqual({
      class: desc.name,
      serialVersionUID: String(desc.serialVersionUID),
      externalizable: desc.isExternalizable,
      fields: desc.fields.map(({ name, typeCode, type }) => ({
        name,
        typeCode,
        type: type?.value ?? null,
      })),
    }, {
      class: vector.class,
      serialVersionUID: vector.serialVersionUID,
      externalizable: vector.externalizable,
      fields: vector.fields,
    });
  });
}

/** First and last releases of rows, and lines. */
const DELTA_SESSION_ROWS: readonly (readonly [string, bigint])[] = [
  ["7.0.0 7.0.55 7.0.109 7.0", -7682348224063110141n],
  ["8.5.0 8.5.41 9.0.0 9.0.20", 2867907695408841010n],
  ["8.5.42 8.5.50 8.5.53 9.0.21 9.0.30 9.0.33", -8644450145351526069n],
  [
    "8.5.54 8.5.82 9.0.34 9.0.50 9.0.65 10.0.0 10.0.23",
    2752609111726365693n,
  ],
  [
    "8.5.83 8.5.100 8.5 9.0.66 9.0.70 9.0.121 9.0 10.0.24 10.0 10.1.0 10.1.25 10.1.60 10.1 11.0.0 11.0.25 11.0 12.0",
    296450023228352885n,
  ],
];

for (const [releases, uid] of DELTA_SESSION_ROWS) {
  for (const release of releases.split(" ")) {
    test(`deltaSessionSerialVersionUid() of ${release} is ${uid}`, () => {
      assert.equal(deltaSessionSerialVersionUid(parseGeneration(release)), uid);
    });
  }
}

/** Names of the fields of each class by releases, as Java orders them. */
const FIELDS: readonly (readonly [string, string, string])[] = [
  [PRINCIPAL_CLASS, "8.5.0 8.5 9.0.0 9.0.58", "name password principal roles"],
  [PRINCIPAL_CLASS, "9.0.59 9.0", "attributes name password principal roles"],
  [PRINCIPAL_CLASS, "10.0.0 10.0.16", "name principal roles"],
  [
    PRINCIPAL_CLASS,
    "10.0.17 10.0 10.1.0 10.1 11.0 12.0",
    "attributes name principal roles",
  ],
  [PRINCIPAL_CLASS, "7.0.62 7.0", "name password roles userPrincipal"],
  [
    FILE_MESSAGE_CLASS,
    "7.0.6 7.0",
    "dataLength messageNumber totalLength totalNrOfMsgs contextName data fileName",
  ],
  [
    FILE_MESSAGE_CLASS,
    "8.5.0 9.0 10.0 10.1 11.0",
    "dataLength messageNumber totalNrOfMsgs contextName data fileName",
  ],
  [
    UNDEPLOY_MESSAGE_CLASS,
    "7.0",
    "compress resend timestamp undeploy address contextName uniqueId",
  ],
  [
    UNDEPLOY_MESSAGE_CLASS,
    "8.5.0 9.0 10.1 11.0",
    "timestamp address contextName uniqueId",
  ],
];

for (const [name, releases, fields] of FIELDS) {
  for (const release of releases.split(" ")) {
    test(`replicationClass() gives ${name} of ${release} its fields`, () => {
      const desc = replicationClass(name, parseGeneration(release));
      assert.equal(desc?.fields.map(({ name }) => name).join(" "), fields);
    });
  }
}

for (const name of [SESSION_MESSAGE_CLASS, FILE_MESSAGE_CLASS]) {
  for (
    const [release, uid, base] of [
      ["7.0.5", 1n, "timestamp uniqueId"],
      ["7.0", 1n, "timestamp uniqueId"],
      ["8.5.0", 2n, "timestamp"],
      ["9.0", 2n, "timestamp"],
      ["10.0", 2n, "timestamp"],
      ["11.0.25", 2n, "timestamp"],
    ] as const
  ) {
    test(`replicationClass() gives ${name} of ${release} its base`, () => {
      const desc = replicationClass(name, parseGeneration(release));
      assert.equal(desc?.serialVersionUID, uid);
      const above = desc.superDesc;
      assert(above?.kind === "class-desc");
      assert.equal(above.serialVersionUID, 1n);
      assert.equal(above.fields.map(({ name }) => name).join(" "), base);
    });
  }
}

for (
  const [release, type] of [
    ["7.0.62", "concurrent/ConcurrentHashMap"],
    ["7.0.69", "concurrent/ConcurrentHashMap"],
    ["7.0.70", "concurrent/ConcurrentMap"],
    ["8.5.0", "concurrent/ConcurrentHashMap"],
    ["8.5.1", "concurrent/ConcurrentMap"],
    ["8.5", "concurrent/ConcurrentMap"],
    ["9.0.0", "Map"],
    ["10.0", "Map"],
    ["11.0", "Map"],
  ] as const
) {
  test(`replicationClass() gives entries of single sign-on of ${release} their map`, () => {
    const desc = replicationClass(SSO_ENTRY_CLASS, parseGeneration(release));
    const field = desc?.fields.find(({ name }) => name === "sessionKeys");
    assert.equal(field?.type?.value, `Ljava/util/${type};`);
  });
}

test("replicationClass() knows no other class", () => {
  assert.equal(replicationClass("java.lang.String"), undefined);
});
