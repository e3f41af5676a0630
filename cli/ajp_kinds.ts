// Kinds of AJP13 packets, with the field names of the vectors.
import {
  AJP_FROM_CONTAINER,
  AJP_TO_CONTAINER,
  type AjpAttribute,
  type AjpFromContainer,
  type AjpHeader,
  ajpMethodCode,
  ajpMethodName,
  type AjpToContainer,
  type BodyPacket,
  byteLengthAjpFromContainer,
  byteLengthAjpToContainer,
  decodeAjpFromContainer,
  decodeAjpToContainer,
  decodeHex,
  encodeAjpFromContainer,
  encodeAjpToContainer,
  EncodeError,
  encodeHex,
  type ForwardRequest,
  JK_AJP13_CPING_REQUEST,
  JK_AJP13_CPONG_REPLY,
  JK_AJP13_END_RESPONSE,
  JK_AJP13_FORWARD_REQUEST,
  JK_AJP13_GET_BODY_CHUNK,
  JK_AJP13_PING_REQUEST,
  JK_AJP13_SEND_BODY_CHUNK,
  JK_AJP13_SEND_HEADERS,
  JK_AJP13_SHUTDOWN,
  SC_A_REQ_ATTRIBUTE,
  type SendHeaders,
} from "../protocol/mod.ts";
import {
  abbreviate,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import { type CodecLine, type Kind, lineBytes, LineError } from "./kind.ts";

/** The kinds `ajp-to-container` and `ajp-from-container`: one packet with its head. */
export const AJP_KINDS: readonly Kind[] = [
  {
    name: "ajp-to-container",
    decode: (line) => {
      const bytes = lineBytes(line);
      const packet = decodeAjpToContainer(bytes, expected(line, bytes));
      return {
        value: toContainerToJson(packet),
        bytes,
        encodeAgain: () => encodeAjpToContainer(packet),
      };
    },
    encode: (line) => encodeAjpToContainer(toContainerFromJson(packetOf(line))),
  },
  {
    name: "ajp-from-container",
    decode: (line) => {
      const bytes = lineBytes(line);
      const packet = decodeAjpFromContainer(bytes);
      return {
        value: fromContainerToJson(packet),
        bytes,
        encodeAgain: () => encodeAjpFromContainer(packet),
      };
    },
    encode: (line) =>
      encodeAjpFromContainer(fromContainerFromJson(packetOf(line))),
  },
];

const ATTRIBUTE_NAMES: readonly (string | undefined)[] = [
  undefined, // there is no code 0
  "context",
  "servlet_path",
  "remote_user",
  "auth_type",
  "query_string",
  "jvm_route",
  "ssl_cert",
  "ssl_cipher",
  "ssl_session",
  "req_attribute",
  "ssl_key_size",
  "secret",
  "stored_method",
];

const CONTROL = {
  cping: { type: "CPING", prefixCode: JK_AJP13_CPING_REQUEST },
  shutdown: { type: "SHUTDOWN", prefixCode: JK_AJP13_SHUTDOWN },
  ping: { type: "PING", prefixCode: JK_AJP13_PING_REQUEST },
} as const;

const FLUSH = "SEND_BODY_CHUNK (flush)";

/** What a packet is taken for: what the line says, or what its payload looks like. */
function expected(
  { fields: { expect } }: CodecLine,
  bytes: Uint8Array,
): "request" | "body" {
  if (expect === "request" || expect === "body") return expect;
  if (expect !== undefined) {
    throw new LineError(
      "bad-line",
      "expect",
      `${abbreviate(JSON.stringify(expect))} is neither "request" nor "body"`,
    );
  }
  const [, , high, low, first, second] = bytes;
  if (high === undefined || low === undefined) return "request";
  const length = high << 8 | low;
  if (length === 0) return "body";
  if (first === undefined || second === undefined) return "request";
  return (first << 8 | second) === length - 2 ? "body" : "request";
}

function toContainerToJson(packet: AjpToContainer): JsonObject {
  const head = headToJson(AJP_TO_CONTAINER, byteLengthAjpToContainer(packet));
  switch (packet.type) {
    case "forwardRequest":
      return { ...head, ...requestToJson(packet) };
    case "body":
      return { ...head, ...bodyToJson(packet) };
    default:
      return { ...head, ...CONTROL[packet.type] };
  }
}

function requestToJson(request: ForwardRequest): JsonObject {
  return {
    prefixCode: JK_AJP13_FORWARD_REQUEST,
    type: "FORWARD_REQUEST",
    methodCode: request.methodCode,
    method: ajpMethodName(request.methodCode) ?? "(stored)",
    protocol: request.protocol,
    uri: request.uri,
    remoteAddr: request.remoteAddr,
    remoteHost: request.remoteHost,
    serverName: request.serverName,
    serverPort: request.serverPort,
    isSsl: request.isSsl ? 1 : 0,
    headers: request.headers.map(headerToJson),
    attributes: request.attributes.map(attributeToJson),
  };
}

function bodyToJson({ data, bare }: BodyPacket): JsonObject {
  return bare ? { type: "empty-body", data: "" } : {
    type: "request-body",
    dataLength: data.length,
    data: encodeHex(data),
  };
}

function fromContainerToJson(packet: AjpFromContainer): JsonObject {
  const length = byteLengthAjpFromContainer(packet);
  const head = headToJson(AJP_FROM_CONTAINER, length);
  switch (packet.type) {
    case "sendHeaders":
      return { ...head, ...sendHeadersToJson(packet) };
    case "sendBodyChunk":
      return {
        ...head,
        prefixCode: JK_AJP13_SEND_BODY_CHUNK,
        type: packet.data.length === 0 ? FLUSH : "SEND_BODY_CHUNK",
        chunkLength: packet.data.length,
        data: encodeHex(packet.data),
        terminated: packet.terminated,
      };
    case "getBodyChunk":
      return {
        ...head,
        prefixCode: JK_AJP13_GET_BODY_CHUNK,
        type: "GET_BODY_CHUNK",
        requested: packet.requested,
      };
    case "endResponse":
      return {
        ...head,
        prefixCode: JK_AJP13_END_RESPONSE,
        type: "END_RESPONSE",
        reuse: packet.reuse ? 1 : 0,
      };
    case "cpong":
      return { ...head, prefixCode: JK_AJP13_CPONG_REPLY, type: "CPONG" };
  }
}

function sendHeadersToJson(packet: SendHeaders): JsonObject {
  return {
    prefixCode: JK_AJP13_SEND_HEADERS,
    type: "SEND_HEADERS",
    status: packet.status,
    message: packet.message,
    headers: packet.headers.map(headerToJson),
  };
}

function headToJson(magic: number, packetLength: number): JsonObject {
  return { magic: magic.toString(16), length: packetLength - 4 };
}

function headerToJson({ code, name, value }: AjpHeader): JsonObject {
  if (code === 0) return { name, value };
  return { code: `0x${code.toString(16)}`, name, value };
}

function attributeToJson({ code, name, value }: AjpAttribute): JsonObject {
  const known = ATTRIBUTE_NAMES[code];
  if (known === undefined) return { code };
  return name === null
    ? { code, name: known, value }
    : { code, name: known, attr: name, value };
}

function toContainerFromJson(fields: PacketFields): AjpToContainer {
  const type = fields.choice("type", TO_CONTAINER_TYPES, {
    [JK_AJP13_FORWARD_REQUEST]: "FORWARD_REQUEST",
    [JK_AJP13_CPING_REQUEST]: "CPING",
    [JK_AJP13_SHUTDOWN]: "SHUTDOWN",
    [JK_AJP13_PING_REQUEST]: "PING",
  });
  switch (type) {
    case "FORWARD_REQUEST":
      return requestFromJson(fields);
    case "request-body":
      return { type: "body", data: fields.data("dataLength"), bare: false };
    case "empty-body":
      return { type: "body", data: new Uint8Array(), bare: true };
    case "CPING":
      return { type: "cping" };
    case "SHUTDOWN":
      return { type: "shutdown" };
    case "PING":
      return { type: "ping" };
  }
}

function requestFromJson(fields: PacketFields): ForwardRequest {
  return {
    type: "forwardRequest",
    methodCode: fields.has("methodCode")
      ? fields.integer("methodCode")
      : ajpMethodCode(fields.text("method")),
    protocol: fields.text("protocol"),
    uri: fields.text("uri"),
    remoteAddr: fields.textOrNull("remoteAddr"),
    remoteHost: fields.textOrNull("remoteHost"),
    serverName: fields.textOrNull("serverName"),
    serverPort: fields.integer("serverPort"),
    isSsl: fields.flag("isSsl"),
    headers: fields.objects("headers").map(headerFromJson),
    attributes: fields.objects("attributes").map(attributeFromJson),
  };
}

function fromContainerFromJson(fields: PacketFields): AjpFromContainer {
  const type = fields.choice("type", FROM_CONTAINER_TYPES, {
    [JK_AJP13_SEND_HEADERS]: "SEND_HEADERS",
    [JK_AJP13_SEND_BODY_CHUNK]: "SEND_BODY_CHUNK",
    [JK_AJP13_GET_BODY_CHUNK]: "GET_BODY_CHUNK",
    [JK_AJP13_END_RESPONSE]: "END_RESPONSE",
    [JK_AJP13_CPONG_REPLY]: "CPONG",
  });
  switch (type) {
    case "SEND_HEADERS":
      return {
        type: "sendHeaders",
        status: fields.integer("status"),
        message: fields.textOrNull("message"),
        headers: fields.objects("headers").map(headerFromJson),
      };
    case FLUSH:
    case "SEND_BODY_CHUNK":
      return {
        type: "sendBodyChunk",
        data: fields.data("chunkLength"),
        terminated: !fields.has("terminated") || fields.flag("terminated"),
      };
    case "GET_BODY_CHUNK":
      return { type: "getBodyChunk", requested: fields.integer("requested") };
    case "END_RESPONSE":
      return { type: "endResponse", reuse: fields.flag("reuse") };
    case "CPONG":
      return { type: "cpong" };
  }
}

function headerFromJson(fields: PacketFields): AjpHeader {
  return {
    code: fields.has("code") ? fields.integer("code") : 0,
    name: fields.text("name"),
    value: fields.textOrNull("value"),
  };
}

function attributeFromJson(fields: PacketFields): AjpAttribute {
  const code = fields.integer("code");
  const known = ATTRIBUTE_NAMES[code];
  if (known === undefined) return { code, name: null, value: null };
  return {
    code,
    name: code === SC_A_REQ_ATTRIBUTE ? fields.text("attr") : null,
    value: known === "ssl_key_size"
      ? fields.integer("value")
      : fields.textOrNull("value"),
  };
}

const TO_CONTAINER_TYPES = [
  "FORWARD_REQUEST",
  "request-body",
  "empty-body",
  "CPING",
  "SHUTDOWN",
  "PING",
] as const;

const FROM_CONTAINER_TYPES = [
  "SEND_HEADERS",
  "SEND_BODY_CHUNK",
  FLUSH,
  "GET_BODY_CHUNK",
  "END_RESPONSE",
  "CPONG",
] as const;

function packetOf({ fields: { value } }: CodecLine): PacketFields {
  if (isJsonObject(value)) return new PacketFields(value, "");
  throw new LineError(
    "bad-line",
    "value",
    value === undefined ? "it is missing" : "it is not an object",
  );
}

/** Reads the fields of a packet, with texts that may be null, flags and lists. */
class PacketFields {
  readonly #object: JsonObject;
  readonly #path: string;

  constructor(object: JsonObject, path: string) {
    this.#object = object;
    this.#path = path;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name) && this.#object[name] !== null;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value === "string") return value;
    throw this.#error(name, value, "a text");
  }

  textOrNull(name: string): string | null {
    return this.#get(name) === null ? null : this.text(name);
  }

  /** A number, or its digits, decimal or with 0x in front. */
  integer(name: string): number {
    const value = this.#get(name);
    if (typeof value === "number") return value;
    if (typeof value === "string" && /^(\d+|0x[0-9a-f]+)$/i.test(value)) {
      return Number(value);
    }
    throw this.#error(name, value, "an integer");
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (value === true || value === 1 || value === "1") return true;
    if (value === false || value === 0 || value === "0") return false;
    throw this.#error(name, value, "0, 1, false or true");
  }

  objects(name: string): PacketFields[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.#error(name, value, "an array");
    return value.map((item: JsonValue, i) => {
      const path = `${this.#path}${name}[${i}]`;
      if (isJsonObject(item)) return new PacketFields(item, `${path}.`);
      throw this.#error(`${name}[${i}]`, item, "an object");
    });
  }

  /** The bytes `data`; the vectors have only their number, which is enough when it is 0. */
  data(lengthName: string): Uint8Array<ArrayBuffer> {
    if (!this.has("data")) {
      if (this.has(lengthName) && this.integer(lengthName) === 0) {
        return new Uint8Array();
      }
      throw new EncodeError(
        this.has(lengthName) ? "unsupported" : "malformed",
        `${this.#path}data`,
        "the field is missing",
      );
    }
    const value = this.text("data");
    if (/^([0-9a-fA-F]{2})*$/.test(value)) return decodeHex(value);
    throw this.#error("data", value, "whole bytes in hexadecimal");
  }

  /** One of some names; a packet without it is told by its `prefixCode`. */
  choice<Name extends string>(
    name: string,
    names: readonly Name[],
    byPrefix: Readonly<Record<number, Name>>,
  ): Name {
    if (!this.has(name) && this.has("prefixCode")) {
      const found = byPrefix[this.integer("prefixCode")];
      if (found !== undefined) return found;
    }
    const value = this.#get(name);
    const found = names.find((known) => known === value);
    if (found !== undefined) return found;
    throw this.#error(name, value, `one of ${names.join(", ")}`);
  }

  #get(name: string): JsonValue {
    const value = Object.hasOwn(this.#object, name)
      ? this.#object[name]
      : undefined;
    if (value !== undefined) return value;
    throw new EncodeError(
      "malformed",
      `${this.#path}${name}`,
      "the field is missing",
    );
  }

  #error(name: string, value: JsonValue, wanted: string): EncodeError {
    return new EncodeError(
      "malformed",
      `${this.#path}${name}`,
      `${abbreviate(JSON.stringify(value))} is not ${wanted}`,
    );
  }
}
