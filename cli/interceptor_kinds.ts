// Kinds of bodies that interceptors change. What a body alone does not tell - key, algorithm, format,
// send options - stands on the line, or in the value.
import {
  gunzipBody,
  gzipBody,
  isGzip,
} from "../channel/interceptors/gzip_body.ts";
import { encryptionDefaults } from "../channel/interceptors/encrypt_options.ts";
import {
  type EncryptionFormat,
  MessageCipher,
  OPTION_COMPRESSION_ENABLE,
  parseCipherAlgorithm,
  parseEncryptionKey,
} from "../channel/mod.ts";
import {
  ByteReader,
  concatBytes,
  DecodeError,
  DEFAULT_MAX_DATA_LENGTH,
  EncodeError,
  encodeHex,
  isAtLeast,
} from "../protocol/mod.ts";
import { abbreviate, isJsonObject, type JsonValue } from "./json.ts";
import {
  type CodecLine,
  type Decoded,
  type Kind,
  lineBytes,
  LineError,
  lineValue,
} from "./kind.ts";

/** The kinds `gzip` and `encrypt`. */
export const INTERCEPTOR_KINDS: readonly Kind[] = [
  { name: "gzip", decode: decodeGzip, encode: encodeGzip },
  { name: "encrypt", decode: decodeEncrypted, encode: encodeEncrypted },
];

/** The options on the wire are those after the interceptor; without any the body's first bytes tell. */
function decodeGzip(line: CodecLine): Decoded {
  const body = lineBytes(line);
  const options = givenInteger(line, "options");
  const compressed = options === undefined || !hasGzipFlag(line)
    ? isGzip(body)
    : (options & OPTION_COMPRESSION_ENABLE) !== 0;
  const plain = compressed
    ? gunzipBody(body, DEFAULT_MAX_DATA_LENGTH, { refuseTrailing: true })
    : body;
  return {
    value: {
      ...options === undefined ? {} : {
        optionsBefore: compressed && hasGzipFlag(line)
          ? options & ~OPTION_COMPRESSION_ENABLE
          : options,
        optionsAfter: options,
      },
      plain: encodeHex(plain),
      compressed,
    },
    bytes: body,
    encodeAgain: () => compressed ? gzipBody(plain) : plain,
  };
}

function encodeGzip(line: CodecLine): Uint8Array {
  const plain = lineValue(line).bytes("plain");
  const compressed = given(line, "compressed") ??
    (plain.length > 0 || !hasGzipFlag(line));
  if (typeof compressed !== "boolean") {
    throw wrong("compressed", compressed, "true or false");
  }
  return compressed ? gzipBody(plain) : plain;
}

/** 7.0 and 8.5 compress everything and have no flag. */
function hasGzipFlag({ generation }: CodecLine): boolean {
  return isAtLeast(generation, "9.0.0");
}

function decodeEncrypted(line: CodecLine): Decoded {
  const { names, cipher } = cipherOf(line);
  const body = lineBytes(line);
  const text = cipher.decrypt(body);
  const iv = body.subarray(0, cipher.ivLength);
  if (text === undefined) {
    throw new DecodeError(
      "malformed",
      "encrypted",
      iv.length,
      "it cannot be decrypted with this key and algorithm",
    );
  }
  const reader = new ByteReader(text);
  const timestamp = names.format === "timestamp"
    ? reader.i64("timestamp")
    : null;
  const plain = reader.bytes(reader.remaining, "plain");
  return {
    value: {
      ...names,
      iv: encodeHex(iv),
      timestamp: timestamp === null ? null : String(timestamp),
      plain: encodeHex(plain),
    },
    bytes: body,
    encodeAgain: () => encryptBody(cipher, iv, timestamp, plain),
  };
}

function encodeEncrypted(line: CodecLine): Uint8Array {
  const { names, cipher } = cipherOf(line);
  const fields = lineValue(line);
  let timestamp: bigint | null = null;
  if (names.format === "timestamp") {
    const milliseconds = fields.integer("timestamp");
    if (!Number.isSafeInteger(milliseconds)) {
      throw new EncodeError(
        "out-of-range",
        "timestamp",
        `${milliseconds} is not a safe integer`,
      );
    }
    timestamp = BigInt(milliseconds);
  }
  const plain = fields.bytes("plain");
  return encryptBody(cipher, fields.bytes("iv"), timestamp, plain);
}

function encryptBody(
  cipher: MessageCipher,
  iv: Uint8Array,
  timestamp: bigint | null,
  plain: Uint8Array,
): Uint8Array {
  if (timestamp === null) return cipher.encrypt(iv, plain);
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigInt64(0, timestamp);
  return cipher.encrypt(iv, concatBytes([time, plain]));
}

/** Key, algorithm and format of a line; the last two by default those of its generation. */
function cipherOf(line: CodecLine): {
  readonly names: {
    readonly key: string;
    readonly algorithm: string;
    readonly format: EncryptionFormat;
  };
  readonly cipher: MessageCipher;
} {
  const byDefault = encryptionDefaults(line.generation);
  const key = givenText(line, "key");
  const algorithm = givenText(line, "algorithm", byDefault.algorithm);
  const format = givenText(line, "format", byDefault.format);
  if (format !== "timestamp" && format !== "plain") {
    throw wrong("format", format, "timestamp or plain");
  }
  try {
    const cipher = new MessageCipher(
      parseCipherAlgorithm(algorithm),
      parseEncryptionKey(key),
    );
    return { names: { key, algorithm, format }, cipher };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LineError("bad-line", "algorithm or key", error.message);
  }
}

function givenText(line: CodecLine, name: string, byDefault?: string): string {
  const value = given(line, name) ?? byDefault;
  if (typeof value === "string") return value;
  throw value === undefined
    ? new LineError("bad-line", name, "it is missing")
    : wrong(name, value, "a text");
}

function givenInteger(line: CodecLine, name: string): number | undefined {
  const value = given(line, name);
  if (value === undefined) return undefined;
  const number = typeof value === "string" && /^-?\d+$/.test(value)
    ? Number(value)
    : value;
  if (Number.isInteger(number)) return number as number; // just tested
  throw wrong(name, value, "an integer");
}

/** What a line says beside its bytes or, when it encodes, in its value. */
function given(
  { fields }: CodecLine,
  name: string,
): JsonValue | undefined {
  const { value } = fields;
  const inside = isJsonObject(value) && Object.hasOwn(value, name)
    ? value[name]
    : undefined;
  return Object.hasOwn(fields, name) ? fields[name] : inside;
}

function wrong(name: string, value: JsonValue, wanted: string): LineError {
  return new LineError(
    "bad-line",
    name,
    `${abbreviate(JSON.stringify(value))} is not ${wanted}`,
  );
}
