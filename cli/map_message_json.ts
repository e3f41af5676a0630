// Messages of replicated maps as JSON.
import {
  createMapMessage,
  decodeJavaObject,
  decodeMapEntries,
  EncodeError,
  encodeHex,
  encodeJavaObject,
  encodeMapState,
  type Generation,
  isJavaDeltaSession,
  isJavaMapMessage,
  isJavaMapState,
  isMapState,
  javaDeltaSession,
  javaMapMessage,
  type JavaNode,
  javaRpcMessage,
  javaValue,
  type MapMember,
  type MapMessage,
  mapMessageTypeName,
  parseByteString,
  readJavaDeltaSession,
  readJavaMapMessage,
  readJavaRpcMessage,
  SharedBoxes,
} from "../protocol/mod.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import {
  arrayOf,
  booleanOf,
  bytesOrNull,
  hexOrNull,
  latin1,
  textOf,
  untold,
} from "./json_fields.ts";
import { memberFromJson, memberToJson } from "./member_json.ts";
import {
  nodeFromJson,
  nodeToJson,
  noteToJson,
  sessionFromJson,
  sessionToJson,
} from "./session_json.ts";

/** A message of a map, alone or inside an RPC message. */
export function mapMessageToJson(
  node: JavaNode,
  source: Uint8Array,
): JsonObject {
  if (isJavaMapMessage(node)) {
    return mapFields(readJavaMapMessage(node, source));
  }
  const rpc = readJavaRpcMessage(node, source);
  const call = { uuid: encodeHex(rpc.uuid), rpcId: encodeHex(rpc.rpcId) };
  if (rpc.type !== "call") return { ...call, reply: true };
  return {
    ...mapFields(readJavaMapMessage(rpc.message, source)),
    ...call,
    reply: rpc.reply,
  };
}

function mapFields(message: MapMessage): JsonObject {
  const { keydata, valuedata, nodes, primary } = message;
  const key = keydata === null ? null : decodeJavaObject(keydata);
  const value = valuedata === null ? null : decodeJavaObject(valuedata);
  return {
    mapId: latin1(message.mapId),
    msgtype: message.msgtype,
    typeName: mapMessageTypeName(message.msgtype),
    diff: message.diff,
    keydata: hexOrNull(keydata),
    key: nodeToJson(key),
    valuedata: hexOrNull(valuedata),
    ...valueFields(value, valuedata),
    diffvalue: hexOrNull(message.diffvalue),
    primary: primary === null ? null : mapMemberToJson(primary),
    nodes: nodes === null ? null : nodes.map(mapMemberToJson),
  };
}

/** A session, the state of a map, the entries of a map, or any other value. */
function valueFields(
  value: JavaNode,
  valuedata: Uint8Array | null,
): JsonObject {
  if (isJavaDeltaSession(value)) {
    const session = readJavaDeltaSession(value, valuedata ?? undefined);
    return { value: sessionToJson(session) };
  }
  if (isJavaMapState(value)) {
    return { value: nodeToJson(value), state: value.name.value };
  }
  const list = javaValue(value);
  const isList = list.form === "collection" && list.items.length > 0 &&
    list.items.every(isJavaMapMessage);
  if (!isList || valuedata === null) return { value: nodeToJson(value) };
  return {
    entries: decodeMapEntries(valuedata).map((entry) => {
      const key = entry.keydata === null
        ? null
        : decodeJavaObject(entry.keydata);
      return { msgtype: entry.msgtype, key: noteToJson(key) };
    }),
  };
}

/** Writes a member, with the class of its object where that is not the usual one. */
export function mapMemberToJson(member: MapMember): JsonObject {
  const { memberClass } = member;
  return {
    ...memberToJson(member),
    ...memberClass === undefined ? {} : { class: memberClass },
  };
}

/** Types of messages that name no node. */
const WITHOUT_PRIMARY: ReadonlySet<number> = new Set([2, 4, 5, 10]);

/** Makes the object of a message, inside an RPC message where it has a `uuid`. */
export function mapMessageFromJson(
  value: JsonObject,
  generation: Generation,
): JavaNode {
  const fields = new JsonFields(value);
  const msgtype = fields.integer("msgtype");
  const isRpc = value.uuid !== undefined;
  const mapId = value.mapId === undefined
    ? isRpc ? fields.bytes("rpcId") : untold("mapId")
    : parseByteString(textOf(value, "mapId", ""), "mapId");
  const primary = value.primary === undefined && WITHOUT_PRIMARY.has(msgtype)
    ? null
    : value.primary ?? (value.primary === null ? null : untold("primary"));
  const message = createMapMessage(msgtype, mapId, {
    diff: booleanOf(value, "diff", false),
    diffvalue: bytesOrNull(value, "diffvalue"),
    keydata: keydataFromJson(value, generation),
    valuedata: valuedataFromJson(value, generation),
    primary: primary === null ? null : mapMemberFromJson(primary, "primary."),
    nodes: (value.nodes ?? null) === null
      ? null
      : arrayOf(value, "nodes", "").map((form, i) =>
        mapMemberFromJson(form, `nodes[${i}].`)
      ),
  });
  const node = javaMapMessage(message, { generation });
  if (!isRpc) return node;
  return javaRpcMessage({
    type: "call",
    reply: booleanOf(value, "reply", false),
    uuid: fields.bytes("uuid"),
    rpcId: fields.bytes("rpcId"),
    message: node,
  });
}

function keydataFromJson(
  value: JsonObject,
  generation: Generation,
): Uint8Array | null {
  if (value.keydata !== undefined) return bytesOrNull(value, "keydata");
  return encodedOrNull(
    nodeFromJson(value.key ?? null, "key", generation, new SharedBoxes()),
  );
}

function valuedataFromJson(
  value: JsonObject,
  generation: Generation,
): Uint8Array | null {
  if (value.valuedata !== undefined) return bytesOrNull(value, "valuedata");
  const { state, value: form = null } = value;
  if (typeof state === "string" && isMapState(state)) {
    return encodeMapState(state);
  }
  if (value.entries !== undefined) untold("valuedata");
  const boxes = new SharedBoxes();
  if (isJsonObject(form) && form.type === undefined && form.id !== undefined) {
    const session = sessionFromJson(form, "value.", generation, boxes);
    return encodedOrNull(javaDeltaSession(session, generation));
  }
  return encodedOrNull(nodeFromJson(form, "value", generation, boxes));
}

function encodedOrNull(node: JavaNode): Uint8Array | null {
  return node === null
    ? null
    : encodeJavaObject(node, { shareEqualClasses: true });
}

/** Reads a member. */
export function mapMemberFromJson(form: JsonValue, path: string): MapMember {
  if (!isJsonObject(form)) {
    throw new EncodeError("malformed", path, "it is not an object");
  }
  const member = memberFromJson(new JsonFields(form, path));
  return form.class === "StaticMember"
    ? { ...member, memberClass: "StaticMember" }
    : member;
}
