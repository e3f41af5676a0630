// Kinds of the Java objects that remote calls and static membership exchange.
import {
  byteMessageBytes,
  decodeJavaObject,
  decodeMember,
  EncodeError,
  encodeHex,
  encodeJavaObject,
  encodeMember,
  type Generation,
  isJavaMember,
  isJavaMemberMessage,
  javaByteMessage,
  javaMember,
  javaMemberArray,
  javaMemberMessage,
  type JavaNode,
  javaRpcMessage,
  type Member,
  memberClassOf,
  type MemberMessage,
  type MemberObjectOptions,
  parseByteString,
  readJavaMember,
  readJavaMemberArray,
  readJavaMemberMessage,
  readJavaRpcMessage,
  type RpcMessage,
} from "../protocol/mod.ts";
import { javaFromJson, javaToJson } from "./java_value_json.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import {
  type CodecLine,
  type Decoded,
  type Kind,
  lineBytes,
  lineValue,
} from "./kind.ts";
import { memberFromJson, memberToJson } from "./member_json.ts";

/** The kinds `rpc-message`, `member-message` and `member-object`. */
export const RPC_KINDS: readonly Kind[] = [
  objectKind("rpc-message", rpcToJson, rpcFromJson),
  objectKind("member-message", memberMessageToJson, memberMessageFromJson),
  objectKind("member-object", memberObjectToJson, memberObjectFromJson),
];

/** Makes a kind whose bytes are a stream of one object. */
function objectKind(
  name: string,
  toJson: (node: JavaNode, source: Uint8Array) => JsonObject,
  fromJson: (value: JsonObject, generation: Generation) => JavaNode,
): Kind {
  return {
    name,
    decode: (line: CodecLine): Decoded => {
      const bytes = lineBytes(line);
      const node = decodeJavaObject(bytes);
      return {
        value: toJson(node, bytes),
        bytes,
        encodeAgain: () => encodeJavaObject(node),
      };
    },
    encode: (line: CodecLine) =>
      encodeJavaObject(fromJson(valueOf(line), line.generation)),
  };
}

function valueOf(line: CodecLine): JsonObject {
  lineValue(line); // throws unless it is an object
  return line.fields.value as JsonObject;
}

/** An RPC message, or what is only found inside one: a ByteMessage. */
function rpcToJson(node: JavaNode, source: Uint8Array): JsonObject {
  const bytes = byteMessageBytes(node, source);
  if (bytes !== undefined) return { bytes: encodeHex(bytes) };
  const rpc = readJavaRpcMessage(node, source);
  const head = { ...callToJson(rpc), reply: isReply(rpc) };
  if (rpc.type !== "call") return head;
  return { ...head, message: objectToJson(rpc.message, source) };
}

function rpcFromJson(value: JsonObject): JavaNode {
  const fields = new JsonFields(value);
  if (value.bytes !== undefined) return javaByteMessage(fields.bytes("bytes"));
  const uuid = fields.bytes("uuid");
  const rpcId = fields.bytes("rpcId");
  if (value.message === undefined) { // only such a reply has none
    if (value.reply === false) {
      throw new EncodeError("malformed", "message", "the field is missing");
    }
    return javaRpcMessage({ type: "no-rpc-channel-reply", uuid, rpcId });
  }
  const message = objectFromJson(value.message);
  const reply = value.reply === true;
  return javaRpcMessage({ type: "call", reply, uuid, rpcId, message });
}

function callToJson(rpc: RpcMessage): JsonObject {
  return { uuid: encodeHex(rpc.uuid), rpcId: encodeHex(rpc.rpcId) };
}

function isReply(rpc: RpcMessage): boolean {
  return rpc.type !== "call" || rpc.reply;
}

/** A message of static membership, alone or inside an RPC message. */
function memberMessageToJson(node: JavaNode, source: Uint8Array): JsonObject {
  if (isJavaMemberMessage(node)) {
    return messageFields(readJavaMemberMessage(node, source));
  }
  const rpc = readJavaRpcMessage(node, source);
  if (rpc.type !== "call") return { ...callToJson(rpc), reply: true };
  return {
    ...messageFields(readJavaMemberMessage(rpc.message, source)),
    ...callToJson(rpc),
    reply: rpc.reply,
  };
}

function messageFields(message: MemberMessage): JsonObject {
  return {
    msgtype: message.msgtype,
    membershipId: latin1(message.membershipId),
    member: memberToJson(message.member),
    memberBlock: encodeHex(encodeMember(message.member)),
  };
}

function memberMessageFromJson(
  value: JsonObject,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  if (value.member === undefined && value.memberBlock === undefined) {
    throw new EncodeError(
      "unsupported",
      "member",
      "a message without member or memberBlock does not hold everything",
    );
  }
  const member: Member = value.memberBlock === undefined
    ? memberFromJson(fields.object("member", "member."))
    : decodeMember(fields.bytes("memberBlock"));
  const message = javaMemberMessage({
    msgtype: fields.integer("msgtype"),
    member,
    membershipId: parseByteString(
      textOf(value, "membershipId"),
      "membershipId",
    ),
  }, { generation, memberClass: "StaticMember" });
  if (value.uuid === undefined) return message;
  return javaRpcMessage({
    type: "call",
    reply: value.reply === true,
    uuid: fields.bytes("uuid"),
    rpcId: fields.bytes("rpcId"),
    message,
  });
}

function memberObjectToJson(node: JavaNode, source: Uint8Array): JsonObject {
  if (node?.kind === "array") {
    return { members: readJavaMemberArray(node, source).map(memberToJson) };
  }
  const value = memberToJson(readJavaMember(node, source));
  // readJavaMember has looked.
  return isJavaMember(node) ? { ...value, class: memberClassOf(node) } : value;
}

function memberObjectFromJson(
  value: JsonObject,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  const options: MemberObjectOptions = {
    generation,
    memberClass: value.class === "StaticMember" ? "StaticMember" : "MemberImpl",
  };
  if (value.members === undefined) {
    return javaMember(memberFromJson(fields.within("member.")), options);
  }
  if (!Array.isArray(value.members)) {
    throw new EncodeError("malformed", "members", "it is not an array");
  }
  const members = value.members.map((member: JsonValue, i) => {
    const path = `members[${i}].`;
    if (isJsonObject(member)) {
      return memberFromJson(new JsonFields(member, path));
    }
    throw new EncodeError("malformed", path, "it is not an object");
  });
  return javaMemberArray(members, options);
}

/** The object inside an RPC message. */
function objectToJson(node: JavaNode, source: Uint8Array): JsonObject {
  const bytes = byteMessageBytes(node, source);
  return bytes === undefined
    ? javaToJson(node)
    : { type: "ByteMessage", bytes: encodeHex(bytes) };
}

function objectFromJson(value: JsonValue): JavaNode {
  if (!isJsonObject(value) || value.type !== "ByteMessage") {
    return javaFromJson(value, "message");
  }
  return javaByteMessage(new JsonFields(value, "message.").bytes("bytes"));
}

function textOf(value: JsonObject, name: string): string {
  const text = value[name];
  if (typeof text === "string") return text;
  throw new EncodeError("malformed", name, "it is not a text");
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
