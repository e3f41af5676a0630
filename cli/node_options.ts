// The options of `tribes node`, read from text and checked; what is wrong names option and value.
import {
  decodeHex,
  encodeHost,
  type Generation,
  type MemberInit,
  parseByteString,
  parseGeneration,
  parseSendOptions,
  UNIQUE_ID_LENGTH,
} from "../protocol/mod.ts";
import type {
  McastMembershipOptions,
  MembershipService,
} from "../membership/mod.ts";
import { resolveMcastMembershipOptions } from "../membership/mod.ts";
import {
  type ChannelInterceptor,
  checkStack,
  type GroupChannelOptions,
  makeInterceptor,
} from "../channel/mod.ts";

/** The options as the command line gives them: all text, by their names in camel case. */
export interface NodeArguments {
  readonly config?: string;
  readonly generation?: string;
  readonly address: string;
  readonly port: string;
  readonly autoBind: string;
  readonly udpPort: string;
  readonly mcastAddress: string;
  readonly mcastPort: string;
  readonly mcastBind?: string;
  readonly mcastTtl?: string;
  readonly frequency: string;
  readonly dropTime: string;
  readonly mcast: boolean;
  readonly member: readonly string[];
  readonly uniqueId?: string;
  readonly domain?: string;
  readonly payload?: string;
  readonly interceptor: readonly string[];
  readonly sendOptions: string;
  readonly output?: string;
  readonly stats: string;
  readonly showIds?: boolean;
  readonly showMessages?: boolean;
}

/** What the node is to do. */
export interface NodeOptions {
  readonly channel: Omit<
    GroupChannelOptions,
    "onError" | "interceptors" | "membership"
  >;
  /** Multicast; absent without it. */
  readonly mcast?: McastMembershipOptions;
  /** A membership service other than multicast. */
  readonly service?: MembershipService;
  readonly interceptors: readonly ChannelInterceptor[];
  readonly membership: readonly string[];
  /** Start levels of the channel; all of them without it. */
  readonly startLevels?: number;
  readonly sendOptions: number;
  readonly output: "text" | "ndjson" | undefined;
  readonly statsSeconds: number;
  readonly showIds: boolean;
  readonly showMessages: boolean;
}

/** The options, and what a configuration needs of them to make a stack. */
export interface ParsedNodeArguments {
  readonly options: NodeOptions;
  readonly staticMembers: readonly MemberInit[];
  readonly generation: Generation | undefined;
}

/**
 * Reads the options.
 *
 * @throws {RangeError} With one line that names the option and the value.
 */
export function parseNodeOptions(given: NodeArguments): NodeOptions {
  return parseNodeArguments(given).options;
}

/**
 * Reads the options and keeps what they were made of; `config` is for the caller to read.
 *
 * @throws {RangeError} With one line that names the option and the value.
 */
export function parseNodeArguments(given: NodeArguments): ParsedNodeArguments {
  const uniqueId = optional(given.uniqueId, "--unique-id", parseUniqueId);
  const domain = optional(
    given.domain,
    "--domain",
    (text) => parseByteString(text, "domain"),
  );
  const payload = optional(
    given.payload,
    "--payload",
    (text) => new TextEncoder().encode(text),
  );
  const generation = optional(
    given.generation,
    "--generation",
    parseGeneration,
  );
  const staticMembers = given.member.map((text) =>
    read("--member", text, parseStaticMember)
  );
  const options: NodeOptions = {
    channel: {
      receiver: {
        address: parseAddress(given),
        port: integer(given.port, "--port", 0, 65_535),
        autoBind: integer(given.autoBind, "--auto-bind", -1, 65_535),
        udpPort: integer(given.udpPort, "--udp-port", -1, 65_535),
      },
      ...(uniqueId === undefined ? {} : { uniqueId }),
      ...(domain === undefined ? {} : { domain }),
      ...(payload === undefined ? {} : { payload }),
    },
    ...(given.mcast ? { mcast: parseMcast(given) } : {}),
    interceptors: parseStack(given.interceptor, staticMembers, generation),
    membership: [
      ...(given.mcast ? ["mcast"] : []),
      ...(staticMembers.length > 0 ? ["static"] : []),
    ],
    sendOptions: read("--send-options", given.sendOptions, parseSendOptions),
    output: optional(given.output, "--output", parseOutput),
    statsSeconds: read("--stats", given.stats, parseSeconds),
    showIds: given.showIds ?? false,
    showMessages: given.showMessages ?? false,
  };
  return { options, staticMembers, generation };
}

/**
 * Reads a static member.
 *
 * @param text `HOST:PORT` or `HOST:PORT/UNIQUEID-HEX`; IPv6 as `[::1]:4000`.
 * @throws {RangeError} For anything else.
 */
export function parseStaticMember(text: string): MemberInit {
  const match = /^(\[[^\]]+\]|[^:/]+):(\d{1,5})(?:\/([0-9a-fA-F]*))?$/.exec(
    text,
  );
  const [, host = "", port, id] = match ?? [];
  if (match === null || Number(port) > 65_535 || Number(port) < 1) {
    throw new RangeError("not HOST:PORT or HOST:PORT/UNIQUEID-HEX");
  }
  return {
    host: encodeHost(host),
    port: Number(port),
    ...(id === undefined ? {} : { uniqueId: parseUniqueId(id) }),
  };
}

/**
 * Splits `NAME:key=value,key=value`; braces protect commas.
 *
 * @throws {RangeError} For an item that is no `key=value`.
 */
export function parseInterceptor(
  text: string,
): { name: string; attributes: Record<string, string> } {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const attributes: Record<string, string> = {};
  if (colon < 0) return { name, attributes };
  for (const item of splitOutsideBraces(text.slice(colon + 1))) {
    const equals = item.indexOf("=");
    if (equals <= 0) {
      throw new RangeError(`${JSON.stringify(item)} is not key=value`);
    }
    attributes[item.slice(0, equals)] = item.slice(equals + 1);
  }
  return { name, attributes };
}

function splitOutsideBraces(text: string): string[] {
  const items = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "{") depth++;
    if (character === "}") depth--;
    if (character === "," && depth <= 0) items.push("");
    else items[items.length - 1] += character;
  }
  return items;
}

function parseStack(
  texts: readonly string[],
  staticMembers: readonly MemberInit[],
  generation: Generation | undefined,
): ChannelInterceptor[] {
  const surroundings = {
    staticMembers,
    ...(generation === undefined ? {} : { generation }),
  };
  const given = texts.length === 0
    ? ["MessageDispatch", "TcpFailureDetector"]
    : texts;
  const stack = given.map((text) =>
    read("--interceptor", text, () => {
      const { name, attributes } = parseInterceptor(text);
      return makeInterceptor(name, attributes, surroundings);
    })
  );
  const hasStatic = stack.some(({ name }) => name === "StaticMembership");
  if (staticMembers.length > 0 && !hasStatic) {
    stack.push(makeInterceptor("StaticMembership", {}, surroundings));
  }
  read("--interceptor", texts.join(" "), () => checkStack(stack));
  return stack;
}

function parseAddress(given: NodeArguments): string {
  const { address, mcastBind } = given;
  if (address === "auto") return mcastBind ?? "auto";
  return read("--address", address, (text) => {
    encodeHost(text); // a host name has no form in a member block
    return text;
  });
}

function parseMcast(given: NodeArguments): McastMembershipOptions {
  const frequency = integer(given.frequency, "--frequency", 1, 0x7fff_ffff);
  const options: McastMembershipOptions = {
    optional: true,
    address: read("--mcast-address", given.mcastAddress, parseGroup),
    port: integer(given.mcastPort, "--mcast-port", 1, 65_535),
    frequency,
    dropTime: integer(given.dropTime, "--drop-time", 1, 0x7fff_ffff),
    bind: optional(given.mcastBind, "--mcast-bind", (text) => {
      encodeHost(text);
      return text;
    }),
    ttl: given.mcastTtl === undefined
      ? undefined
      : integer(given.mcastTtl, "--mcast-ttl", 0, 255),
  };
  read(
    "--drop-time",
    given.dropTime,
    () => resolveMcastMembershipOptions(options),
  );
  return options;
}

function parseGroup(text: string): string {
  const host = encodeHost(text);
  const first = host[0]!; // a host has 4 or 16 bytes
  if (host.length === 4 ? first < 224 || first > 239 : first !== 0xff) {
    throw new RangeError("not a multicast address");
  }
  return text;
}

function parseUniqueId(text: string): Uint8Array {
  const bytes = decodeHex(text);
  if (bytes.length !== UNIQUE_ID_LENGTH) {
    throw new RangeError(`${bytes.length} bytes, not ${UNIQUE_ID_LENGTH}`);
  }
  return bytes;
}

function parseOutput(text: string): "text" | "ndjson" {
  if (text !== "text" && text !== "ndjson") {
    throw new RangeError("neither text nor ndjson");
  }
  return text;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds > 1_000_000) {
    throw new RangeError("not a number of seconds");
  }
  return seconds;
}

function integer(
  text: string,
  option: string,
  least: number,
  most: number,
): number {
  return read(option, text, () => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < least || value > most) {
      throw new RangeError(`not an integer from ${least} to ${most}`);
    }
    return value;
  });
}

function optional<T>(
  text: string | undefined,
  option: string,
  parse: (text: string) => T,
): T | undefined {
  return text === undefined ? undefined : read(option, text, parse);
}

/** Reads one option's value; what is wrong is told with both. */
function read<T>(
  option: string,
  text: string,
  parse: (text: string) => T,
): T {
  try {
    return parse(text);
  } catch (error) {
    const state = error instanceof Error ? error.message : String(error);
    const message = `Cannot use ${option} ${JSON.stringify(text)}: ${state}`;
    throw new RangeError(
      option === "--interceptor" ? withoutKeys(message) : message,
      { cause: error },
    );
  }
}

/** A text for people, without what is or may be the key of an encryption: what they see is logged. */
function withoutKeys(text: string): string {
  return text
    .replace(/(\w*key\w*=)(\{[^}"]*\}?|[^,\s"]*)/gi, "$1***")
    .replace(/[0-9a-f]{32,}/gi, "***");
}
