import { createHash } from "node:crypto";
import { decodeObjectMessage } from "../channel/mod.ts";
import {
  type ChannelData,
  DecodeError,
  encodeHex,
  SEND_OPTIONS_BYTE_MESSAGE,
} from "../protocol/mod.ts";
import { asError } from "../transport/mod.ts";
import { javaToPlainJson } from "./java_value_json.ts";
import type { JsonValue } from "./json.ts";
import { memberToJson } from "./member_json.ts";
import type { NodeEvent, NodeOutput } from "./node_events.ts";

const MAX_HEX_BYTES = 256;
const MAX_TEXT_BYTES = 65_536;
const MAX_OBJECT_BYTES = 1_048_576;
const MAX_WAITING = 1_048_576;

/** Shows events to programs: one JSON object a line, as the contract has them. */
export class NdjsonOutput implements NodeOutput {
  readonly #write: (text: string) => Promise<void>;
  readonly #closed: (error: Error) => void;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | undefined;

  /**
   * Makes an output.
   *
   * @param write Writes text; settles when it has left.
   * @param closed Is told when nobody reads any more.
   */
  constructor(
    write: (text: string) => Promise<void>,
    closed: (error: Error) => void,
  ) {
    this.#write = write;
    this.#closed = closed;
  }

  /** Writes one event; a promise only where the reader is behind by a mebibyte. */
  show(event: NodeEvent, time: number): void | Promise<void> {
    const line = `${JSON.stringify(eventToJson(event, time))}\n`;
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    // Lines of one turn leave together.
    this.#writing ??= this.#drain();
    if (this.#waitingLength > MAX_WAITING) return this.#writing;
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      await Promise.resolve();
      while (this.#waiting.length > 0) {
        const text = this.#waiting.join("");
        this.#waiting = [];
        await this.#write(text);
        this.#waitingLength -= text.length;
      }
    } catch (error) {
      this.#waiting = [];
      this.#waitingLength = 0;
      this.#closed(asError(error));
    } finally {
      this.#writing = undefined;
    }
  }
}

/**
 * The JSON form of an event.
 *
 * @param time Milliseconds since 1970.
 */
export function eventToJson(
  event: NodeEvent,
  time: number,
): Record<string, unknown> {
  return { event: event.event, time, ...fieldsOf(event) };
}

function fieldsOf(event: NodeEvent): Record<string, unknown> {
  switch (event.event) {
    case "ready":
      return {
        member: memberToJson(event.member),
        membership: event.membership,
      };
    case "memberAdded":
    case "memberDisappeared":
      return { member: memberToJson(event.member) };
    case "message":
      return messageFields(event.message);
    case "sent":
      return {
        uniqueId: encodeHex(event.uniqueId),
        options: event.options,
        destinations: event.destinations,
        bytes: event.body.length,
        sha256: sha256(event.body),
        count: event.count,
        milliseconds: Math.round(event.milliseconds * 1000) / 1000,
        tag: event.tag,
      };
    case "error":
      return {
        code: event.code,
        message: event.message,
        faultyMembers: event.faultyMembers.map(memberToJson),
        tag: event.tag,
      };
    case "warning": {
      const { code, message, element, line, column } = event;
      return { code, message, element, line, column };
    }
    case "members":
      return { members: event.members.map(memberToJson), tag: event.tag };
    case "stats":
      return {
        ...event.totals,
        queued: event.queued,
        interceptors: event.interceptors,
      };
    case "stopped":
      return {};
  }
}

function messageFields(data: ChannelData): Record<string, unknown> {
  const { message } = data;
  const isObject = (data.options & SEND_OPTIONS_BYTE_MESSAGE) === 0;
  const text = isObject ? undefined : textOf(message);
  const java = isObject ? javaOf(data) : undefined;
  return {
    from: memberToJson(data.address),
    uniqueId: encodeHex(data.uniqueId),
    options: data.options,
    timestamp: String(data.timestamp),
    bytes: message.length,
    sha256: sha256(message),
    hex: encodeHex(message.subarray(0, MAX_HEX_BYTES)),
    ...(text === undefined ? {} : { text }),
    ...(java === undefined ? {} : { java }),
  };
}

/** A Java object as JSON; `undefined` when it is long or no object. */
export function javaOf(data: ChannelData): JsonValue | undefined {
  if (data.message.length > MAX_OBJECT_BYTES) return undefined;
  try {
    return javaToPlainJson(decodeObjectMessage(data));
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

/**
 * A body as text; `undefined` when it is long or no UTF-8.
 *
 * @param cut Whether its end may be in the middle of a character.
 */
export function textOf(body: Uint8Array, cut = false): string | undefined {
  if (body.length > MAX_TEXT_BYTES) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(body, { stream: cut });
  } catch {
    return undefined;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
