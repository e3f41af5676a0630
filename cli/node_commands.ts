// Commands on a node's standard input: a JSON object a line; any other line is a message.
import { decodeHex, parseSendOptions } from "../protocol/mod.ts";

/** Greatest `size` of a send command: the greatest message that receivers take by default. */
const MAX_SIZE = 67_000_000;

/** One command. */
export type NodeCommand =
  | {
    readonly command: "send";
    readonly body: Uint8Array;
    readonly options: number | undefined;
    readonly to: readonly string[] | undefined;
    readonly count: number;
    readonly tag: unknown;
  }
  | { readonly command: "members"; readonly tag: unknown }
  | { readonly command: "stop" };

/** A line is no command; the text says why. */
export class CommandError extends Error {
  /** The command's tag, as far as it could be read. */
  readonly tag: unknown;

  /** Makes the error. */
  constructor(message: string, tag: unknown) {
    super(message);
    this.name = "CommandError";
    this.tag = tag;
  }
}

/**
 * Reads one line.
 *
 * @returns `undefined` for an empty line.
 * @throws {CommandError} For a JSON object that is no command.
 */
export function parseCommand(line: string): NodeCommand | undefined {
  const text = line.replace(/\r$/, "");
  if (text.trim() === "") return undefined;
  const fields = parseObject(text);
  if (fields === undefined) {
    return {
      command: "send",
      body: new TextEncoder().encode(text),
      options: undefined,
      to: undefined,
      count: 1,
      tag: undefined,
    };
  }
  const { tag } = fields;
  switch (fields["command"]) {
    case "send":
      return {
        command: "send",
        body: parseBody(fields, tag),
        options: parseOptions(fields["options"], tag),
        to: parseDestination(fields["to"], tag),
        count: integerField(fields, "count", 1, 1, 1_000_000_000, tag),
        tag,
      };
    case "members":
      return { command: "members", tag };
    case "stop":
      return { command: "stop" };
    default:
      throw new CommandError(
        `Cannot run command ${
          JSON.stringify(fields["command"])
        }: none of send, members, stop`,
        tag,
      );
  }
}

/** A line that is a JSON object; anything else is a text to send. */
function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>; // it starts with a brace
  } catch {
    return undefined;
  }
}

function parseBody(
  fields: Record<string, unknown>,
  tag: unknown,
): Uint8Array {
  const { text, hex, size } = fields;
  const given = [text, hex, size].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new CommandError(
      "Cannot send: the command needs one of text, hex, size",
      tag,
    );
  }
  if (size !== undefined) {
    const length = integerField(fields, "size", 0, 0, MAX_SIZE, tag);
    return Uint8Array.from({ length }, (_, i) => i); // modulo 256
  }
  const [value] = given;
  if (typeof value !== "string") {
    throw new CommandError(
      `Cannot send ${JSON.stringify(value)}: not a string`,
      tag,
    );
  }
  if (text !== undefined) return new TextEncoder().encode(value);
  return attempt("hex", value, decodeHex, tag);
}

function parseOptions(value: unknown, tag: unknown): number | undefined {
  if (value === undefined) return undefined;
  return attempt("options", String(value), parseSendOptions, tag);
}

function parseDestination(
  value: unknown,
  tag: unknown,
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const valid = Array.isArray(value) &&
    value.every((item) => typeof item === "string");
  if (!valid) {
    throw new CommandError(
      `Cannot send to ${JSON.stringify(value)}: not an array of HOST:PORT`,
      tag,
    );
  }
  return value;
}

function integerField(
  fields: Record<string, unknown>,
  name: string,
  missing: number,
  least: number,
  most: number,
  tag: unknown,
): number {
  const value = fields[name] ?? missing;
  if (
    typeof value !== "number" || !Number.isInteger(value) || value < least ||
    value > most
  ) {
    throw new CommandError(
      `Cannot use ${name} ${
        JSON.stringify(value)
      }: not an integer from ${least} to ${most}`,
      tag,
    );
  }
  return value;
}

function attempt<T>(
  name: string,
  value: string,
  parse: (text: string) => T,
  tag: unknown,
): T {
  try {
    return parse(value);
  } catch (error) {
    const state = error instanceof Error ? error.message : String(error);
    throw new CommandError(`Cannot use ${name}: ${state}`, tag);
  }
}
