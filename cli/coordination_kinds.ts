// The kind of what NonBlockingCoordinator sends.
import {
  COORDINATION_CONFIRMATION,
  type CoordinationMessage,
  decodeCoordinationMessage,
  encodeCoordinationMessage,
  EncodeError,
  encodeHex,
} from "../protocol/mod.ts";
import {
  abbreviate,
  isJsonObject,
  JsonFields,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import { type CodecLine, type Kind, lineBytes, lineValue } from "./kind.ts";
import { memberFromJson, memberToJson } from "./member_json.ts";

/** The kind `coordination`. */
export const COORDINATION_KINDS: readonly Kind[] = [{
  name: "coordination",
  decode: (line) => {
    const bytes = lineBytes(line);
    const message = decodeCoordinationMessage(bytes);
    return {
      value: coordinationToJson(message),
      bytes,
      encodeAgain: () => encodeCoordinationMessage(message),
    };
  },
  encode: (line) =>
    encodeCoordinationMessage(
      coordinationFromJson(lineValue(line), viewOf(line)),
    ),
}];

function coordinationToJson(message: CoordinationMessage): JsonObject {
  return {
    leader: memberToJson(message.leader),
    source: memberToJson(message.source),
    view: message.view.map(memberToJson),
    id: encodeHex(message.id),
    type: encodeHex(message.type),
  };
}

/** A message without `type` is a confirmation, as in the vectors. */
function coordinationFromJson(
  fields: JsonFields,
  view: JsonValue | undefined,
): CoordinationMessage {
  return {
    leader: memberFromJson(fields.object("leader")),
    source: memberFromJson(fields.object("source")),
    view: viewFromJson(view),
    id: fields.bytes("id"),
    type: fields.bytes("type", encodeHex(COORDINATION_CONFIRMATION)),
  };
}

function viewOf({ fields }: CodecLine): JsonValue | undefined {
  return isJsonObject(fields.value) ? fields.value.view : undefined;
}

function viewFromJson(
  view: JsonValue | undefined,
): CoordinationMessage["view"] {
  if (!Array.isArray(view)) {
    throw new EncodeError(
      "malformed",
      "view",
      view === undefined
        ? "the field is missing"
        : `${abbreviate(JSON.stringify(view))} is not an array`,
    );
  }
  return view.map((member: JsonValue, i) => {
    const field = `view[${i}]`;
    if (isJsonObject(member)) {
      return memberFromJson(new JsonFields(member, `${field}.`));
    }
    const text = abbreviate(JSON.stringify(member));
    throw new EncodeError("malformed", field, `${text} is not an object`);
  });
}
