// The classes of session replication as each release describes them. One descriptor is kept of each form, so
// that a stream refers to what it has written.
import type { JavaClassDesc } from "../java/class_desc.ts";
import { javaClassDesc, standardJavaClass } from "../java/standard_classes.ts";
import {
  SC_BLOCK_DATA,
  SC_ENUM,
  SC_EXTERNALIZABLE,
  SC_SERIALIZABLE,
  SC_WRITE_METHOD,
} from "../java/stream_constants.ts";
import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../generation.ts";

const CATALINA = "org.apache.catalina";
const STRING = "Ljava/lang/String;";
const MEMBER = "Lorg/apache/catalina/tribes/Member;";
const MAP = "Ljava/util/Map;";
const CONCURRENT_MAP = "Ljava/util/concurrent/ConcurrentMap;";

/** Name of the class of session messages. */
export const SESSION_MESSAGE_CLASS: string =
  `${CATALINA}.ha.session.SessionMessageImpl`;
/** Name of the base of most cluster messages. */
export const CLUSTER_MESSAGE_BASE_CLASS: string =
  `${CATALINA}.ha.ClusterMessageBase`;
/** Name of the class of messages about a session's new id, up to 7.0. */
export const SESSION_ID_MESSAGE_CLASS: string =
  `${CATALINA}.ha.session.SessionIDMessage`;
/** Name of the class of sessions. */
export const DELTA_SESSION_CLASS: string =
  `${CATALINA}.ha.session.DeltaSession`;
/** Name of the class of messages of replicated maps. */
export const MAP_MESSAGE_CLASS: string =
  `${CATALINA}.tribes.tipis.AbstractReplicatedMap$MapMessage`;
/** Name of the enumeration of the states of replicated maps. */
export const MAP_STATE_CLASS: string =
  `${CATALINA}.tribes.tipis.AbstractReplicatedMap$State`;
/** Name of the class of pieces of a file. */
export const FILE_MESSAGE_CLASS: string = `${CATALINA}.ha.deploy.FileMessage`;
/** Name of the class of messages that remove an application. */
export const UNDEPLOY_MESSAGE_CLASS: string =
  `${CATALINA}.ha.deploy.UndeployMessage`;
/** Name of the class that stands for a user in a stream. */
export const PRINCIPAL_CLASS: string =
  `${CATALINA}.realm.GenericPrincipal$SerializablePrincipal`;
/** Name of that class up to 7.0. */
export const OLD_PRINCIPAL_CLASS: string =
  `${CATALINA}.ha.session.SerializablePrincipal`;
/** Name of the class of entries of the single sign-on cache. */
export const SSO_ENTRY_CLASS: string =
  `${CATALINA}.authenticator.SingleSignOnEntry`;
/** Name of the class of the sessions in such an entry. */
export const SSO_SESSION_KEY_CLASS: string =
  `${CATALINA}.authenticator.SingleSignOnSessionKey`;
/** Name of the class of the listener that single sign-on adds to sessions. */
export const SSO_LISTENER_CLASS: string =
  `${CATALINA}.ha.authenticator.ClusterSingleSignOnListener`;
/** Name of the class of messages of single sign-on, up to 7.0.61. */
export const SSO_MESSAGE_CLASS: string =
  `${CATALINA}.ha.authenticator.SingleSignOnMessage`;

/** The serialVersionUIDs of DeltaSession, which Java computes: the first release of each row, newest first. */
const DELTA_SESSION_UIDS: readonly (readonly [readonly string[], bigint])[] = [
  [["8.5.83", "9.0.66", "10.0.24"], 296450023228352885n],
  [["8.5.54", "9.0.34", "10.0.0"], 2752609111726365693n],
  [["8.5.42", "9.0.21"], -8644450145351526069n],
  [["8.5.0"], 2867907695408841010n],
];
const OLDEST_DELTA_SESSION_UID = -7682348224063110141n; // 7.0

/**
 * The serialVersionUID of DeltaSession in a release. Java refuses any other, so that only releases of one row
 * exchange sessions of the backup manager.
 *
 * @param generation The release.
 */
export function deltaSessionSerialVersionUid(generation: Generation): bigint {
  const row = DELTA_SESSION_UIDS.find(([since]) =>
    isAtLeast(generation, ...since)
  );
  return row?.[1] ?? OLDEST_DELTA_SESSION_UID;
}

/** Whether a release has the classes of 8.5, with which 7.0 exchanges no messages. */
export function hasNewMessages(generation: Generation): boolean {
  return isAtLeast(generation, "8.5.0");
}

/**
 * Describes a class of session replication as a release writes it.
 *
 * @param name Name of the class.
 * @param generation The release; the newest by default.
 * @returns `undefined` for a class that is not one of them.
 * @example
 * ```ts
 * import { parseGeneration, replicationClass, SESSION_MESSAGE_CLASS } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const now = replicationClass(SESSION_MESSAGE_CLASS);
 * const then = replicationClass(SESSION_MESSAGE_CLASS, parseGeneration("7.0"));
 * assert.equal(now?.serialVersionUID, 2n);
 * assert.equal(then?.serialVersionUID, 1n);
 * ```
 */
export function replicationClass(
  name: string,
  generation: Generation = DEFAULT_GENERATION,
): JavaClassDesc | undefined {
  const since = (...releases: string[]) => isAtLeast(generation, ...releases);
  switch (name) {
    case CLUSTER_MESSAGE_BASE_CLASS:
      return since("8.5.0") ? BASE : BASE_7;
    case SESSION_MESSAGE_CLASS:
      return since("8.5.0") ? SESSION_MESSAGE : SESSION_MESSAGE_7;
    case SESSION_ID_MESSAGE_CLASS:
      return SESSION_ID_MESSAGE;
    case FILE_MESSAGE_CLASS:
      return since("8.5.0") ? FILE_MESSAGE : FILE_MESSAGE_7;
    case UNDEPLOY_MESSAGE_CLASS:
      return since("8.5.0") ? UNDEPLOY_MESSAGE : UNDEPLOY_MESSAGE_7;
    case MAP_MESSAGE_CLASS:
      return MAP_MESSAGE;
    case MAP_STATE_CLASS:
      return MAP_STATE;
    case DELTA_SESSION_CLASS:
      return DELTA_SESSIONS.get(deltaSessionSerialVersionUid(generation));
    case STANDARD_SESSION.name:
      return STANDARD_SESSION;
    case PRINCIPAL_CLASS:
    case OLD_PRINCIPAL_CLASS:
      return principalClass(since);
    case SSO_ENTRY_CLASS:
      return since("9.0.0")
        ? SSO_ENTRY
        : since("7.0.70", "8.5.1")
        ? SSO_ENTRY_CONCURRENT
        : SSO_ENTRY_HASH;
    case SSO_SESSION_KEY_CLASS:
      return SSO_SESSION_KEY;
    case SSO_LISTENER_CLASS:
      return SSO_LISTENER;
    case SSO_LISTENER_BASE.name:
      return SSO_LISTENER_BASE;
    case SSO_MESSAGE_CLASS:
      return SSO_MESSAGE;
  }
}

/** As {@linkcode replicationClass}, for the names above. */
export function knownReplicationClass(
  name: string,
  generation?: Generation,
): JavaClassDesc {
  return replicationClass(name, generation)!; // it has all names of this file
}

function principalClass(
  since: (...releases: string[]) => boolean,
): JavaClassDesc {
  if (!since("8.5.0")) return PRINCIPAL_7;
  if (since("10.0.0")) {
    return since("10.0.17") ? PRINCIPAL : PRINCIPAL_WITHOUT_ATTRIBUTES;
  }
  return since("9.0.59") ? PRINCIPAL_WITH_BOTH : PRINCIPAL_WITH_PASSWORD;
}

function describe(
  name: string,
  serialVersionUID: bigint,
  fields: readonly string[],
  superDesc: JavaClassDesc | null = null,
  flags = SC_SERIALIZABLE,
): JavaClassDesc {
  return javaClassDesc({ name, serialVersionUID, fields, superDesc, flags });
}

const BASE = describe(CLUSTER_MESSAGE_BASE_CLASS, 1n, ["J timestamp"]);
const BASE_7 = describe(CLUSTER_MESSAGE_BASE_CLASS, 1n, [
  "J timestamp",
  `L uniqueId ${STRING}`,
]);

const SESSION_MESSAGE_FIELDS = [
  "I mEvtType",
  "J serializationTimestamp",
  "Z timestampSet",
  `L mContextName ${STRING}`,
  "[ mSession [B",
  `L mSessionID ${STRING}`,
  `L uniqueId ${STRING}`,
];
const SESSION_MESSAGE = describe(
  SESSION_MESSAGE_CLASS,
  2n,
  SESSION_MESSAGE_FIELDS,
  BASE,
);
const SESSION_MESSAGE_7 = describe(
  SESSION_MESSAGE_CLASS,
  1n,
  SESSION_MESSAGE_FIELDS,
  BASE_7,
);
const SESSION_ID_MESSAGE = describe(SESSION_ID_MESSAGE_CLASS, 1n, [
  "I messageNumber",
  `L backupSessionID ${STRING}`,
  `L contextName ${STRING}`,
  `L host ${STRING}`,
  `L orignalSessionID ${STRING}`,
], BASE_7);

const FILE_MESSAGE = describe(FILE_MESSAGE_CLASS, 2n, [
  "I dataLength",
  "I messageNumber",
  "J totalNrOfMsgs",
  `L contextName ${STRING}`,
  "[ data [B",
  `L fileName ${STRING}`,
], BASE);
const FILE_MESSAGE_7 = describe(FILE_MESSAGE_CLASS, 1n, [
  "I dataLength",
  "I messageNumber",
  "J totalLength",
  "J totalNrOfMsgs",
  `L contextName ${STRING}`,
  "[ data [B",
  `L fileName ${STRING}`,
], BASE_7);
const UNDEPLOY_MESSAGE = describe(UNDEPLOY_MESSAGE_CLASS, 2n, [
  "J timestamp",
  `L address ${MEMBER}`,
  `L contextName ${STRING}`,
  `L uniqueId ${STRING}`,
]);
const UNDEPLOY_MESSAGE_7 = describe(UNDEPLOY_MESSAGE_CLASS, 1n, [
  "I compress",
  "I resend",
  "J timestamp",
  "Z undeploy",
  `L address ${MEMBER}`,
  `L contextName ${STRING}`,
  `L uniqueId ${STRING}`,
]);

const MAP_MESSAGE = describe(MAP_MESSAGE_CLASS, 1n, [
  "Z diff",
  "I msgtype",
  "[ diffvalue [B",
  "[ keydata [B",
  "[ mapId [B",
  "[ nodes [Lorg/apache/catalina/tribes/Member;",
  `L primary ${MEMBER}`,
  "[ valuedata [B",
]);
const MAP_STATE = describe(
  MAP_STATE_CLASS,
  0n,
  [],
  standardJavaClass("java.lang.Enum"),
  SC_SERIALIZABLE | SC_ENUM,
);

const STANDARD_SESSION = describe(
  `${CATALINA}.session.StandardSession`,
  1n,
  [
    "J creationTime",
    "Z isNew",
    "Z isValid",
    "J lastAccessedTime",
    "I maxInactiveInterval",
    "J thisAccessedTime",
    `L attributes ${CONCURRENT_MAP}`,
    `L id ${STRING}`,
  ],
);
const DELTA_SESSIONS: ReadonlyMap<bigint, JavaClassDesc> = new Map(
  [...DELTA_SESSION_UIDS.map(([, uid]) => uid), OLDEST_DELTA_SESSION_UID].map(
    (uid) => [
      uid,
      describe(
        DELTA_SESSION_CLASS,
        uid,
        [],
        STANDARD_SESSION,
        SC_EXTERNALIZABLE | SC_BLOCK_DATA,
      ),
    ],
  ),
);

const PRINCIPAL_7 = describe(OLD_PRINCIPAL_CLASS, 1n, [
  `L name ${STRING}`,
  `L password ${STRING}`,
  "[ roles [Ljava/lang/String;",
  "L userPrincipal Ljava/security/Principal;",
]);
const [NAME, PASSWORD, ATTRIBUTES, USER, ROLES] = [
  `L name ${STRING}`,
  `L password ${STRING}`,
  `L attributes ${MAP}`,
  "L principal Ljava/security/Principal;",
  "[ roles [Ljava/lang/String;",
] as const;
const PRINCIPAL_WITH_PASSWORD = describe(PRINCIPAL_CLASS, 1n, [
  NAME,
  PASSWORD,
  USER,
  ROLES,
]);
const PRINCIPAL_WITH_BOTH = describe(PRINCIPAL_CLASS, 1n, [
  ATTRIBUTES,
  NAME,
  PASSWORD,
  USER,
  ROLES,
]);
const PRINCIPAL_WITHOUT_ATTRIBUTES = describe(PRINCIPAL_CLASS, 1n, [
  NAME,
  USER,
  ROLES,
]);
const PRINCIPAL = describe(PRINCIPAL_CLASS, 1n, [
  ATTRIBUTES,
  NAME,
  USER,
  ROLES,
]);

const [SSO_ENTRY, SSO_ENTRY_CONCURRENT, SSO_ENTRY_HASH] = [
  ssoEntry(MAP),
  ssoEntry(CONCURRENT_MAP),
  ssoEntry("Ljava/util/concurrent/ConcurrentHashMap;"),
] as const;
const SSO_SESSION_KEY = describe(SSO_SESSION_KEY_CLASS, 1n, [
  `L contextName ${STRING}`,
  `L hostName ${STRING}`,
  `L sessionId ${STRING}`,
]);
const SSO_LISTENER_BASE = describe(
  `${CATALINA}.authenticator.SingleSignOnListener`,
  1n,
  [`L ssoId ${STRING}`],
);
const SSO_LISTENER = describe(SSO_LISTENER_CLASS, 1n, [], SSO_LISTENER_BASE);
const SSO_MESSAGE = describe(SSO_MESSAGE_CLASS, 1n, [
  "I action",
  "J timestamp",
  `L address ${MEMBER}`,
  `L authType ${STRING}`,
  `L ctxname ${STRING}`,
  `L password ${STRING}`,
  `L principal Lorg/apache/catalina/ha/session/SerializablePrincipal;`,
  `L sessionId ${STRING}`,
  `L ssoId ${STRING}`,
  `L uniqueId ${STRING}`,
  `L username ${STRING}`,
]);

function ssoEntry(sessionKeys: string): JavaClassDesc {
  return describe(
    SSO_ENTRY_CLASS,
    1n,
    [
      "Z canReauthenticate",
      `L authType ${STRING}`,
      `L password ${STRING}`,
      `L sessionKeys ${sessionKeys}`,
      `L username ${STRING}`,
    ],
    null,
    SC_SERIALIZABLE | SC_WRITE_METHOD,
  );
}
