// Kinds of the messages of session replication.
import { createHash } from "node:crypto";
import {
  decodeDeltaRequest,
  DecodeError,
  decodeJavaObject,
  decodeJavaStream,
  decodeNewSessionId,
  decodeSessionBlock,
  DELTA_SESSION_CLASS,
  encodeDeltaRequest,
  EncodeError,
  encodeJavaObject,
  encodeJavaStream,
  encodeNewSessionId,
  encodeSessionBlock,
  type FileMessage,
  type Generation,
  isJavaFileMessage,
  isJavaSingleSignOnEntry,
  isJavaSingleSignOnListener,
  isJavaSingleSignOnMessage,
  isJavaSingleSignOnSessionKey,
  javaDeltaSession,
  javaFileMessage,
  type JavaNode,
  javaSessionMessage,
  javaSingleSignOnEntry,
  javaSingleSignOnListener,
  javaSingleSignOnSessionKey,
  javaUndeployMessage,
  readJavaDeltaSession,
  readJavaFileMessage,
  readJavaSessionMessage,
  readJavaSingleSignOnEntry,
  readJavaSingleSignOnListener,
  readJavaSingleSignOnMessage,
  readJavaSingleSignOnSessionKey,
  readJavaUndeployMessage,
  SESSION_MESSAGE_CLASS,
  sessionEventName,
  type SessionMessage,
  SharedBoxes,
  type SingleSignOnSessionKey,
  type UndeployMessage,
} from "../protocol/mod.ts";
import { JsonFields, type JsonObject } from "./json.ts";
import {
  booleanOf,
  bytesOrNull,
  hexOrNull,
  latin1,
  objectsOf,
  textOf,
  textOrNull,
} from "./json_fields.ts";
import {
  type CodecLine,
  type Decoded,
  type Kind,
  lineBytes,
  lineValue,
} from "./kind.ts";
import {
  mapMemberFromJson,
  mapMemberToJson,
  mapMessageFromJson,
  mapMessageToJson,
} from "./map_message_json.ts";
import { memberToJson } from "./member_json.ts";
import {
  deltaFromJson,
  deltaToJson,
  nodeFromJson,
  nodeToJson,
  sessionFromJson,
  sessionToJson,
} from "./session_json.ts";

/** The kinds of the messages of session replication. */
export const REPLICATION_KINDS: readonly Kind[] = [
  objectKind("session-message", sessionMessageToJson, sessionMessageFromJson),
  {
    name: "session-id",
    decode: (line) =>
      streamDecoded(line, (bytes) => ({
        newSessionId: decodeNewSessionId(bytes),
      })),
    encode: (line) =>
      encodeNewSessionId(textOf(valueOf(line), "newSessionId", "")),
  },
  {
    name: "delta-request",
    decode: (line) =>
      streamDecoded(line, (bytes) => deltaToJson(decodeDeltaRequest(bytes))),
    encode: (line) =>
      encodeDeltaRequest(
        deltaFromJson(valueOf(line), line.generation),
        line.generation,
      ),
  },
  { name: "session-block", decode: decodeBlock, encode: encodeBlock },
  objectKind("sso", ssoToJson, ssoFromJson),
  objectKind("map-message", mapMessageToJson, mapMessageFromJson),
  objectKind("file-message", fileMessageToJson, fileMessageFromJson),
];

/** Makes a kind whose bytes are a stream of one object. */
function objectKind(
  name: string,
  toJson: (
    node: JavaNode,
    source: Uint8Array,
    generation: Generation,
  ) => JsonObject,
  fromJson: (value: JsonObject, generation: Generation) => JavaNode,
): Kind {
  return {
    name,
    decode: (line) => {
      const bytes = lineBytes(line);
      const node = decodeJavaObject(bytes);
      return {
        value: toJson(node, bytes, line.generation),
        bytes,
        encodeAgain: () => encodeJavaObject(node),
      };
    },
    encode: (line) =>
      encodeJavaObject(fromJson(valueOf(line), line.generation), {
        shareEqualClasses: true,
      }),
  };
}

/** Decodes a line whose bytes are a stream of data and objects. */
function streamDecoded(
  line: CodecLine,
  toJson: (bytes: Uint8Array) => JsonObject,
): Decoded {
  const bytes = lineBytes(line);
  return {
    value: toJson(bytes),
    bytes,
    // The contents, as their order and identity say more than the value.
    encodeAgain: () => encodeJavaStream(decodeJavaStream(bytes)),
  };
}

function valueOf(line: CodecLine): JsonObject {
  lineValue(line); // throws unless it is an object
  return line.fields.value as JsonObject;
}

function sessionMessageToJson(node: JavaNode, source: Uint8Array): JsonObject {
  const message = readJavaSessionMessage(node, source);
  const { eventType, contextName, sessionId, uniqueId, session } = message;
  return {
    class: SESSION_MESSAGE_CLASS,
    eventType,
    eventName: sessionEventName(eventType),
    contextName,
    sessionId,
    uniqueId,
    session: hexOrNull(session),
    timestamp: String(message.timestamp),
    timestampSet: message.timestampSet,
    serialVersionUID: String(message.serialVersionUid),
  };
}

function sessionMessageFromJson(
  value: JsonObject,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  const timestamp = fields.integer("timestamp", 0);
  const message: SessionMessage = {
    eventType: fields.integer("eventType"),
    contextName: textOrNull(value, "contextName"),
    sessionId: textOrNull(value, "sessionId"),
    uniqueId: textOrNull(value, "uniqueId"),
    session: bytesOrNull(value, "session"),
    timestamp,
    timestampSet: booleanOf(value, "timestampSet", timestamp !== 0),
  };
  return javaSessionMessage(message, generation);
}

/** Sessions in a row, or one that is an object. */
function decodeBlock(line: CodecLine): Decoded {
  const bytes = lineBytes(line);
  const { generation } = line;
  return streamDecoded(line, () => {
    if (mayBeDeltaSession(bytes)) {
      return sessionToJson(readJavaDeltaSession(
        decodeJavaObject(bytes),
        bytes,
      ));
    }
    const sessions = decodeSessionBlock(bytes, { generation });
    return { count: sessions.length, sessions: sessions.map(sessionToJson) };
  });
}

/** A block begins with an Integer. Behind the heads of stream, object and class stands the class's name. */
function mayBeDeltaSession(bytes: Uint8Array): boolean {
  const name = bytes.subarray(8, 8 + DELTA_SESSION_CLASS.length);
  return latin1(name) === DELTA_SESSION_CLASS;
}

function encodeBlock(line: CodecLine): Uint8Array {
  const value = valueOf(line);
  const { generation } = line;
  const boxes = new SharedBoxes();
  if (value.sessions === undefined && value.id !== undefined) {
    const session = sessionFromJson(value, "", generation, boxes);
    return encodeJavaObject(javaDeltaSession(session, generation), {
      shareEqualClasses: true,
    });
  }
  return encodeSessionBlock(
    objectsOf(value, "sessions", "").map((form, i) =>
      sessionFromJson(form, `sessions[${i}].`, generation, boxes)
    ),
    generation,
  );
}

/** The listener of sessions, an entry of the cache, or what else single sign-on sends. */
function ssoToJson(node: JavaNode, source: Uint8Array): JsonObject {
  if (isJavaSingleSignOnListener(node)) {
    return { ssoId: readJavaSingleSignOnListener(node, source) };
  }
  if (isJavaSingleSignOnSessionKey(node)) {
    return sessionKeyToJson(readJavaSingleSignOnSessionKey(node, source));
  }
  if (isJavaSingleSignOnEntry(node)) {
    const entry = readJavaSingleSignOnEntry(node, source);
    const { principal, sessionKeys, ...texts } = entry;
    return {
      ...texts,
      sessionKeys: sessionKeys.map(sessionKeyToJson),
      principal: principal === null ? null : nodeToJson(principal),
    };
  }
  if (isJavaSingleSignOnMessage(node)) {
    const message = readJavaSingleSignOnMessage(node, source);
    const { principal, address, timestamp, ...others } = message;
    return {
      ...others,
      timestamp: String(timestamp),
      principal: principal === null ? null : nodeToJson(principal),
      address: address === null ? null : memberToJson(address),
    };
  }
  throw new DecodeError("malformed", "sso", 4, "it is not of single sign-on");
}

function ssoFromJson(value: JsonObject, generation: Generation): JavaNode {
  if (value.sessionKeys !== undefined) {
    const principal = value.principal ?? null;
    return javaSingleSignOnEntry({
      authType: textOrNull(value, "authType"),
      canReauthenticate: booleanOf(value, "canReauthenticate"),
      password: textOrNull(value, "password", null),
      username: textOrNull(value, "username"),
      sessionKeys: objectsOf(value, "sessionKeys", "").map(sessionKeyFromJson),
      principal: nodeFromJson(
        principal,
        "principal",
        generation,
        new SharedBoxes(),
      ),
    }, generation);
  }
  if (value.hostName !== undefined) {
    return javaSingleSignOnSessionKey(sessionKeyFromJson(value));
  }
  if (value.action !== undefined) {
    throw new EncodeError("unsupported", "action", "it was of 7.0 only");
  }
  return javaSingleSignOnListener(textOrNull(value, "ssoId"));
}

function sessionKeyToJson(key: SingleSignOnSessionKey): JsonObject {
  return { ...key };
}

function sessionKeyFromJson(value: JsonObject): SingleSignOnSessionKey {
  return {
    contextName: textOrNull(value, "contextName"),
    hostName: textOrNull(value, "hostName"),
    sessionId: textOrNull(value, "sessionId"),
  };
}

/** A piece of a file, or the message that removes an application. */
function fileMessageToJson(node: JavaNode, source: Uint8Array): JsonObject {
  if (!isJavaFileMessage(node)) {
    const message = readJavaUndeployMessage(node, source);
    const { address, memberClass } = message;
    return {
      address: address === null
        ? null
        : mapMemberToJson({ ...address, ...memberClass && { memberClass } }),
      timestamp: String(message.timestamp),
      uniqueId: message.uniqueId,
      contextName: message.contextName,
      ...message.undeploy === undefined ? {} : { undeploy: message.undeploy },
    };
  }
  const message = readJavaFileMessage(node, source);
  const { data, totalLength } = message;
  return {
    messageNumber: message.messageNumber,
    totalNrOfMsgs: String(message.totalNrOfMsgs),
    fileName: message.fileName,
    contextName: message.contextName,
    dataLength: message.dataLength,
    dataArrayLength: data?.length ?? 0,
    dataSha256: data === null
      ? null
      : createHash("sha256").update(data).digest("hex"),
    data: hexOrNull(data),
    timestamp: String(message.timestamp),
    ...totalLength === undefined ? {} : { totalLength: String(totalLength) },
  };
}

function fileMessageFromJson(
  value: JsonObject,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  const timestamp = fields.integer("timestamp", 0);
  const contextName = textOrNull(value, "contextName");
  if (value.fileName === undefined && value.messageNumber === undefined) {
    return undeployFromJson(value, contextName, generation);
  }
  if (value.data === undefined && value.dataSha256 !== undefined) {
    throw new EncodeError("unsupported", "data", "its hash does not tell it");
  }
  const data = fields.bytes("data");
  // Beside the length of the array, the other one says how much of it counts.
  const hasBoth = value.dataArrayLength !== undefined &&
    fields.integer("dataArrayLength") === data.length;
  const message: FileMessage = {
    messageNumber: fields.integer("messageNumber"),
    totalNrOfMsgs: fields.integer("totalNrOfMsgs"),
    fileName: textOrNull(value, "fileName"),
    contextName,
    data,
    dataLength: hasBoth
      ? fields.integer("dataLength", data.length)
      : data.length,
    timestamp,
    totalLength: fields.integer("totalLength", 0),
  };
  return javaFileMessage(message, generation);
}

function undeployFromJson(
  value: JsonObject,
  contextName: string | null,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  const address = (value.address ?? null) === null
    ? null
    : mapMemberFromJson(value.address ?? null, "address.");
  const message: UndeployMessage = {
    address,
    contextName,
    timestamp: fields.integer("timestamp"),
    uniqueId: textOrNull(value, "uniqueId"),
    undeploy: booleanOf(value, "undeploy", false),
    ...address?.memberClass && { memberClass: address.memberClass },
  };
  return javaUndeployMessage(message, { generation });
}
