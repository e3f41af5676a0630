// What the parts of a configuration become: addresses, bytes, members; and the errors of those that
// have no such form.
import { encodeHost } from "../protocol/tribes/host.ts";
import { type MemberInit, parseByteString } from "../protocol/tribes/member.ts";
import { UNIQUE_ID_LENGTH } from "../protocol/tribes/unique_id.ts";
import { placeIn } from "./checks.ts";
import type { StaticMemberAttributes } from "./cluster_config.ts";
import type { ConfigPlaces } from "./element_reader.ts";
import { ConfigError, type ConfigErrorCode } from "./errors.ts";

/** Makes an error about a part of a configuration, or an attribute of it. */
export type Fail = (
  code: ConfigErrorCode,
  message: string,
  about: object,
  attribute?: string,
  cause?: unknown,
) => ConfigError;

/** Makes such errors with the places of a configuration. */
export function failIn(places: ConfigPlaces = new Map()): Fail {
  return (code, message, about, attribute, cause) => {
    const { element, line, column } = placeIn(places, about, attribute);
    const place = line === 0 ? undefined : { line, column };
    return new ConfigError(code, message, { element, place }, { cause });
  };
}

/** A configured member as a member. */
export function memberOf(
  member: StaticMemberAttributes,
  fail: Fail,
): MemberInit {
  const { host = "", port = 0, securePort, udpPort, domain, uniqueId } = member;
  checkHost(host, member, "host", fail);
  return {
    host: encodeHost(host),
    port,
    securePort,
    udpPort,
    ...(domain === undefined
      ? {}
      : { domain: bytesOf(domain, "domain", member, fail) }),
    ...(uniqueId === undefined
      ? {}
      : { uniqueId: uniqueIdOf(uniqueId, member, fail) }),
  };
}

/** The 16 bytes of an attribute `uniqueId`. */
export function uniqueIdOf(
  text: string,
  about: object,
  fail: Fail,
): Uint8Array {
  const bytes = bytesOf(text, "uniqueId", about, fail);
  if (bytes.length === UNIQUE_ID_LENGTH) return bytes;
  throw fail(
    "bad-value",
    `Cannot use uniqueId=${
      JSON.stringify(text)
    }: ${bytes.length} bytes, not ${UNIQUE_ID_LENGTH}`,
    about,
    "uniqueId",
  );
}

/** The bytes of an attribute: text, or `{1,2,-3}`. */
export function bytesOf(
  text: string,
  attribute: string,
  about: object,
  fail: Fail,
): Uint8Array {
  try {
    return parseByteString(text, attribute);
  } catch (cause) {
    throw fail("bad-value", messageOf(cause), about, attribute, cause);
  }
}

/** Refuses a host name: nothing here asks a name server, and a member has an address. */
export function checkHost(
  address: string,
  about: object,
  attribute: string,
  fail: Fail,
): void {
  if (address === "auto" && attribute === "address") return;
  try {
    encodeHost(address);
  } catch (cause) {
    throw fail(
      "bad-value",
      `Cannot use ${attribute}=${
        JSON.stringify(address)
      }: not a numeric address`,
      about,
      attribute,
      cause,
    );
  }
}

/** The text of what was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
