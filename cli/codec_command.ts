// `tribes decode` and `tribes encode`: one structure from the command line, or a line of JSON for
// each line read.
import { type Command, Option } from "commander";
import {
  DecodeError,
  decodeHex,
  DEFAULT_GENERATION,
  encodeHex,
  equalBytes,
  type Generation,
  parseGeneration,
} from "../protocol/mod.ts";
import { type CommandIo, UsageError } from "./command.ts";
import {
  abbreviate,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from "./json.ts";
import { errorToJson, type Kind, LineError, StreamError } from "./kind.ts";
import { KINDS } from "./kinds.ts";
import { type Line, readLines } from "./lines.ts";

/** Answers are written together up to this many characters. */
const WRITE_ABOVE = 65_536;

/** What is done with each line. */
export interface CodecOptions {
  /** Decode or encode. */
  readonly direction: "decode" | "encode";
  /** The kind of lines that name none. */
  readonly kind?: string | undefined;
  /** Whether what was decoded is encoded again and compared. */
  readonly roundtrip?: boolean;
}

/** Adds `tribes decode`. */
export function registerDecode(program: Command, io: CommandIo): void {
  program.command("decode")
    .description("show the values that bytes hold, as JSON")
    .addOption(kindOption())
    .option("--kinds", "list the kinds")
    .option("--hex <hex>", "decode these bytes instead of lines on stdin")
    .option("--roundtrip", 'encode again and add "same": true or false')
    .action((options: DecodeArguments) => decode(options, io));
}

/** Adds `tribes encode`. */
export function registerEncode(program: Command, io: CommandIo): void {
  program.command("encode")
    .description("make bytes of the values in lines of JSON on stdin")
    .addOption(kindOption())
    .option("--kinds", "list the kinds")
    .action(({ kind, kinds }: EncodeArguments) =>
      kinds === true
        ? writeKinds(io)
        : answerLines({ direction: "encode", kind }, io)
    );
}

/**
 * Answers each line of the input with one line of output, in order.
 *
 * @returns At the end of the input.
 * @throws {OutputClosedError} When nobody reads the output any more.
 */
export async function answerLines(
  options: CodecOptions,
  io: CommandIo,
): Promise<void> {
  for await (const lines of readLines(io.input)) {
    let text = "";
    for (const line of lines) {
      text += `${await answerLine(line, options)}\n`;
      if (text.length > WRITE_ABOVE) {
        await io.write(text);
        text = "";
      }
    }
    if (text !== "") await io.write(text);
  }
}

/**
 * Answers one line; whatever is wrong with it is part of the answer.
 *
 * @returns JSON: `id`, `ok`, and `value`, `hex` or `error`.
 */
export async function answerLine(
  line: Line,
  options: CodecOptions,
): Promise<string> {
  let id: JsonValue = null;
  try {
    const fields = parseLine(line);
    id = lineId(fields);
    const answer = await convert(fields, options);
    return JSON.stringify({ id, ok: true, ...answer });
  } catch (error) {
    const before = error instanceof StreamError ? error.before : {};
    const answer = { id, ok: false, error: errorToJson(error), ...before };
    return JSON.stringify(answer);
  }
}

interface EncodeArguments {
  readonly kind?: string;
  readonly kinds?: boolean;
}

interface DecodeArguments extends EncodeArguments {
  readonly hex?: string;
  readonly roundtrip?: boolean;
}

async function decode(
  { kind, kinds, hex, roundtrip = false }: DecodeArguments,
  io: CommandIo,
): Promise<void> {
  if (kinds === true) return await writeKinds(io);
  const options: CodecOptions = { direction: "decode", kind, roundtrip };
  if (hex === undefined) return await answerLines(options, io);
  if (kind === undefined) {
    throw new UsageError(
      `Cannot decode --hex ${abbreviate(hex)}: --kind is missing`,
    );
  }
  try {
    decodeHex(hex);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new UsageError(
      `Cannot use --hex ${abbreviate(hex)}: ${error.message}`,
    );
  }
  const { value, ...same } = await convert({ hex }, options);
  // A decoded value is an object; what a round trip gave stands beside its fields.
  const shown = { ...value as JsonObject, ...same };
  await io.write(`${JSON.stringify(shown, null, 2)}\n`);
}

async function convert(
  fields: JsonObject,
  { direction, kind: byDefault, roundtrip = false }: CodecOptions,
): Promise<JsonObject> {
  const kind = findKind(fields.kind ?? byDefault);
  const line = { fields, generation: lineGeneration(fields) };
  if (direction === "encode") {
    return { hex: encodeHex(await kind.encode(line)) };
  }
  const { value, bytes, encodeAgain } = await kind.decode(line);
  if (!roundtrip) return { value };
  return { value, same: equalBytes(await encodeAgain(), bytes) };
}

function parseLine(line: Line): JsonObject {
  if (line.type === "unreadable") {
    throw new LineError("bad-line", "line", line.reason);
  }
  let fields: JsonValue;
  try {
    fields = JSON.parse(line.text) as JsonValue; // JSON gives nothing else
  } catch {
    throw new LineError("bad-line", "line", "it is not JSON");
  }
  if (isJsonObject(fields)) return fields;
  throw new LineError("bad-line", "line", "it is not a JSON object");
}

/** An id is given back as it is; one that is nested deeply could not be. */
function lineId({ id }: JsonObject): JsonValue {
  if (typeof id !== "object") return id ?? null;
  if (id === null) return null;
  throw new LineError("bad-line", "id", "it is an object or an array");
}

function findKind(name: JsonValue | undefined): Kind {
  const kind = typeof name === "string" ? KINDS.get(name) : undefined;
  if (kind !== undefined) return kind;
  throw new LineError(
    "unknown-kind",
    "kind",
    name === undefined
      ? "it is missing"
      : `${abbreviate(JSON.stringify(name))} is not one of ${kindNames()}`,
  );
}

function lineGeneration({ generation }: JsonObject): Generation {
  if (generation === undefined) return DEFAULT_GENERATION;
  try {
    return parseGeneration(String(generation));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LineError(
      "bad-line",
      "generation",
      `${abbreviate(JSON.stringify(generation))} is not a release`,
    );
  }
}

function kindOption(): Option {
  return new Option("--kind <kind>", "kind of lines that name none")
    .argParser((name) => {
      if (KINDS.has(name)) return name;
      throw new UsageError(
        `Cannot use --kind ${abbreviate(name)}: not one of ${kindNames()}`,
      );
    });
}

async function writeKinds(io: CommandIo): Promise<void> {
  await io.write([...KINDS.keys(), ""].join("\n"));
}

function kindNames(): string {
  return [...KINDS.keys()].join(", ");
}
