// Kinds of what Tribes puts on the wire: frames, beacons, messages.
import {
  type Ack,
  ackMoment,
  ByteReader,
  type ChannelData,
  concatBytes,
  decodeAck,
  decodeBeacon,
  DecodeError,
  decodeFrame,
  decodeHex,
  encodeChannelData,
  EncodeError,
  encodeFrame,
  encodeHex,
  encodeMember,
  FrameParser,
  readChannelData,
  sendOptionNames,
} from "../protocol/mod.ts";
import type { JsonFields, JsonObject, JsonValue } from "./json.ts";
import {
  codecKind,
  type CodecLine,
  type Decoded,
  type Kind,
  lineBytes,
  LineError,
  lineValue,
  StreamError,
} from "./kind.ts";
import { memberFromJson, memberToJson } from "./member_json.ts";

/** The kinds `frame`, `frame-stream`, `member-beacon` and `channel-data`. */
export const TRIBES_KINDS: readonly Kind[] = [
  codecKind("frame", {
    decode: decodeFrame,
    encode: encodeFrame,
    toJson: frameToJson,
    fromJson: (fields) => fields.bytes("body"),
  }),
  {
    name: "frame-stream",
    decode: decodeFrameStream,
    encode: encodeFrameStream,
  },
  codecKind("member-beacon", {
    decode: decodeBeacon,
    encode: encodeMember,
    toJson: memberToJson,
    fromJson: (fields) => memberFromJson(fields.within("member.")),
    ignoresTrailing: true,
  }),
  codecKind("channel-data", {
    decode: decodeChannelDataFrame,
    encode: (data) => encodeFrame(encodeChannelData(data)),
    toJson: channelDataToJson,
    fromJson: channelDataFromJson,
  }),
];

function frameToJson(body: Uint8Array): JsonObject {
  const meaning: Ack | undefined = decodeAck(body);
  return {
    body: encodeHex(body),
    ...meaning === undefined ? {} : { meaning },
  };
}

function decodeFrameStream(line: CodecLine): Decoded {
  const chunks = streamChunks(line);
  const parser = new FrameParser();
  const bodies: Uint8Array[] = [];
  try {
    for (const chunk of chunks) {
      parser.feed(chunk);
      for (let body; (body = parser.next()) !== undefined;) bodies.push(body);
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new StreamError(error, { frames: bodies.map(encodeHex) });
  }
  const bytes = concatBytes(chunks);
  const rest = bytes.subarray(parser.offset);
  return {
    value: {
      frames: bodies.map(encodeHex),
      buffered: parser.bufferedLength,
    },
    bytes,
    encodeAgain: () => concatBytes([...bodies.map(encodeFrame), rest]),
  };
}

/** The reads of a stream: `chunks`, or `hex` for a single one. */
function streamChunks(line: CodecLine): Uint8Array[] {
  const { chunks, hex } = line.fields;
  if (chunks === undefined && hex !== undefined) return [lineBytes(line)];
  if (!Array.isArray(chunks)) {
    throw new LineError("bad-line", "chunks", "it is not an array");
  }
  return chunks.map((chunk: JsonValue, i) => {
    if (typeof chunk === "string") return decodeHex(chunk, `chunks[${i}]`);
    throw new LineError("bad-line", `chunks[${i}]`, "it is not a string");
  });
}

function encodeFrameStream(line: CodecLine): Uint8Array {
  const fields = lineValue(line);
  if (fields.integer("buffered", 0) !== 0) {
    throw new EncodeError(
      "unsupported",
      "buffered",
      "the bytes of an incomplete frame are not in the value",
    );
  }
  return concatBytes(fields.byteArrays("frames").map(encodeFrame));
}

/** Decodes a message with its frame, so that offsets are those of the frame. */
function decodeChannelDataFrame(frame: Uint8Array): ChannelData {
  const body = decodeFrame(frame);
  const start = body.byteOffset - frame.byteOffset; // the body is a view of the frame
  const reader = new ByteReader(frame, 0, start, start + body.length);
  const data = readChannelData(reader);
  reader.end("channelData");
  return data;
}

function channelDataToJson(data: ChannelData): JsonObject {
  const moment = ackMoment(data.options);
  return {
    options: data.options,
    timestamp: String(data.timestamp),
    uniqueId: encodeHex(data.uniqueId),
    address: memberToJson(data.address),
    message: encodeHex(data.message),
    flags: sendOptionNames(data.options),
    receiverAcksBeforeProcessing: moment === "before",
    receiverAcksAfterProcessing: moment === "after",
  };
}

function channelDataFromJson(fields: JsonFields): ChannelData {
  return {
    options: fields.integer("options"),
    timestamp: fields.integer("timestamp"),
    uniqueId: fields.bytes("uniqueId"),
    address: memberFromJson(fields.object("address", "member.")),
    message: fields.bytes("message"),
  };
}
