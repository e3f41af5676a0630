import {
  DecodeError,
  decodeHex,
  EncodeError,
  type Generation,
} from "../protocol/mod.ts";
import {
  abbreviate,
  isJsonObject,
  JsonFields,
  type JsonObject,
} from "./json.ts";

/** A structure that `tribes decode` and `tribes encode` know. */
export interface Kind {
  /** Its name on a line. */
  readonly name: string;
  /**
   * Decodes what a line holds.
   *
   * @throws {DecodeError} When the bytes are wrong.
   * @throws {LineError} When the line does not hold them.
   */
  readonly decode: (line: CodecLine) => Decoded | Promise<Decoded>;
  /**
   * Encodes what a line holds.
   *
   * @throws {EncodeError} When the value has no wire form.
   * @throws {LineError} When the line does not hold it.
   */
  readonly encode: (line: CodecLine) => Uint8Array | Promise<Uint8Array>;
}

/** What was asked for. */
export interface CodecLine {
  /** Every field of the line. */
  readonly fields: JsonObject;
  /** The release whose bytes are written. */
  readonly generation: Generation;
}

/** What bytes hold. */
export interface Decoded {
  /** As JSON. */
  readonly value: JsonObject;
  /** The bytes of the value, without any that are ignored behind it. */
  readonly bytes: Uint8Array;
  /** Encodes the value again, from memory and not from JSON. */
  readonly encodeAgain: () => Uint8Array | Promise<Uint8Array>;
}

/** A stream that ended with an error, and what it held before. */
export class StreamError extends Error {
  /** The error that ended the stream. */
  override readonly cause: DecodeError;
  /** Fields to give beside the error. */
  readonly before: JsonObject;

  /** Wraps the error. */
  constructor(cause: DecodeError, before: JsonObject) {
    super(cause.message, { cause });
    this.name = "StreamError";
    this.cause = cause;
    this.before = before;
  }
}

/** A line that asks for nothing we could do. */
export class LineError extends Error {
  /** What is wrong. */
  readonly code: "bad-line" | "unknown-kind";
  /** The field of the line. */
  readonly field: string;

  /** Makes the error; its text is `Cannot read FIELD: STATE`. */
  constructor(code: LineError["code"], field: string, state: string) {
    super(`Cannot read ${field}: ${state}`);
    this.name = "LineError";
    this.code = code;
    this.field = field;
  }
}

/**
 * Makes a kind of a codec whose bytes are the line's `hex` and whose value its `value`.
 *
 * @param name The kind's name.
 * @param codec The codec between bytes and values, and the form of values in JSON.
 */
export function codecKind<Value>(
  name: string,
  codec: {
    /** Decodes bytes. */
    readonly decode: (bytes: Uint8Array) => Value;
    /** Encodes a value. */
    readonly encode: (value: Value, generation: Generation) => Uint8Array;
    /** Writes a value as JSON. */
    readonly toJson: (value: Value) => JsonObject;
    /** Reads a value from JSON. */
    readonly fromJson: (fields: JsonFields) => Value;
    /** Whether bytes behind a value are ignored. */
    readonly ignoresTrailing?: boolean;
  },
): Kind {
  return {
    name,
    decode: (line) => {
      const input = lineBytes(line);
      const value = codec.decode(input);
      const again = codec.encode(value, line.generation);
      return {
        value: codec.toJson(value),
        bytes: codec.ignoresTrailing === true
          ? input.subarray(0, again.length)
          : input,
        encodeAgain: () => again,
      };
    },
    encode: (line) =>
      codec.encode(codec.fromJson(lineValue(line)), line.generation),
  };
}

/**
 * Reads the bytes of a line.
 *
 * @throws {LineError} `bad-line` when there are none.
 * @throws {DecodeError} `malformed` when they are not hexadecimal.
 */
export function lineBytes({ fields }: CodecLine): Uint8Array<ArrayBuffer> {
  const { hex } = fields;
  if (typeof hex === "string") return decodeHex(hex);
  throw new LineError("bad-line", "hex", "it is not a string");
}

/**
 * Reads the value of a line.
 *
 * @throws {LineError} `bad-line` when there is none.
 */
export function lineValue({ fields }: CodecLine): JsonFields {
  const { value } = fields;
  if (isJsonObject(value)) return new JsonFields(value);
  throw new LineError(
    "bad-line",
    "value",
    value === undefined
      ? "it is missing"
      : `${abbreviate(JSON.stringify(value))} is not an object`,
  );
}

/** An error as a line shows it. */
export function errorToJson(error: unknown): JsonObject {
  if (error instanceof StreamError) return errorToJson(error.cause);
  if (error instanceof DecodeError) {
    const { code, field, offset, message } = error;
    return { code, field, offset, message };
  }
  if (error instanceof EncodeError || error instanceof LineError) {
    const { code, field, message } = error;
    return { code, field, message };
  }
  // A limit of the runtime, such as the depth of an array: no line may end the others.
  const message = `Cannot handle the line: ${error}`;
  return { code: "unsupported", field: "line", message };
}
