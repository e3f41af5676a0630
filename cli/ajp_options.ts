// The options of `tribes ajp`, read from text and checked; what is wrong names option and value.
import type { SocketAddress } from "../transport/mod.ts";
import { UsageError } from "./command.ts";

const LATIN1 = /^[ -~\u00a0-\u00ff]+$/;

/**
 * Reads one option's value.
 *
 * @param parse Throws what is wrong with it.
 * @throws {UsageError} With the option and the value.
 */
export function readOption<T>(
  option: string,
  text: string,
  parse: (text: string) => T,
): T {
  try {
    return parse(text);
  } catch (error) {
    const state = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `Cannot use ${option} ${JSON.stringify(text)}: ${state}`,
    );
  }
}

/** Reads an option that is a whole number. */
export function readInteger(
  option: string,
  text: string,
  least: number,
  most: number,
): number {
  return readOption(option, text, () => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new RangeError(`not an integer from ${least} to ${most}`);
    }
    return value;
  });
}

/**
 * Reads a secret, whose value is not shown.
 *
 * @param allowed What it may be, and `name` for people.
 */
export function readSecret(
  option: string,
  text: string,
  allowed: RegExp = LATIN1,
  name = "printable ISO-8859-1",
): string {
  if (allowed.test(text)) return text;
  const state = text === "" ? "it is empty" : `not ${name}`;
  throw new UsageError(
    `Cannot use ${option} of ${text.length} characters: ${state}`,
  );
}

/** Reads text that AJP can hold: ISO-8859-1, not empty. */
export function parseLatin1(text: string): string {
  if (LATIN1.test(text)) return text;
  throw new RangeError(
    text === "" ? "it is empty" : "not printable ISO-8859-1",
  );
}

/** Reads `HOST:PORT`, IPv6 as `[::1]:8009`. */
export function parseHostPort(text: string): SocketAddress {
  const match = /^(?:\[([^\]]+)\]|([^:/?#@[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const hostname = match?.[1] ?? match?.[2];
  if (hostname === undefined || port < 1 || port > 65_535) {
    throw new RangeError("not HOST:PORT");
  }
  return { hostname, port };
}

/** Reads `name: value`. */
export function parseHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new RangeError("not 'name: value'");
  const pair: [string, string] = [
    text.slice(0, colon),
    text.slice(colon + 1).trim(),
  ];
  new Headers([pair]); // throws for what no header may have
  return pair;
}

/** Reads a method: a token. */
export function parseMethod(text: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) return text;
  throw new RangeError("not a method");
}

/** Reads `ajp://HOST:PORT/PATH?QUERY`. */
export function parseAjpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url?.protocol === "ajp:" && url.hostname !== "" && url.username === "" &&
    url.password === "" && url.port !== "0"
  ) return url;
  throw new RangeError("not ajp://HOST:PORT/PATH");
}
