import {
  type ChannelData,
  formatMember,
  formatSendOptions,
  isShutdown,
  type Member,
  SEND_OPTIONS_BYTE_MESSAGE,
} from "../protocol/mod.ts";
import { javaOf, textOf } from "./ndjson_output.ts";
import type { NodeEvent, NodeOutput } from "./node_events.ts";

const MAX_TEXT = 60;

/** Shows events to people: one line each, for logs and pipes. */
export class TextOutput implements NodeOutput {
  readonly #write: (text: string) => Promise<void>;
  #writing: Promise<void> = Promise.resolve();
  #waiting = 0;

  /**
   * Makes an output.
   *
   * @param write Writes text; settles when it has left, and does not reject.
   */
  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  /** Writes one event. */
  show(event: NodeEvent, time: number): void | Promise<void> {
    const line = `${formatTime(time)}  ${describe(event)}\n`;
    this.#waiting++;
    this.#writing = this.#writing
      .then(() => this.#write(line))
      .then(() => void this.#waiting--);
    if (this.#waiting > 1000) return this.#writing;
  }

  /** Resolves when everything is written. */
  flush(): Promise<void> {
    return this.#writing;
  }
}

/** An event in plain words. */
export function describe(event: NodeEvent): string {
  switch (event.event) {
    case "ready":
      return `ready as ${describeMember(event.member)}, finding members by ${
        event.membership.join(" and ") || "nothing: it is alone"
      }`;
    case "memberAdded":
      return `member came: ${describeMember(event.member)}`;
    case "memberDisappeared":
      return `member gone: ${formatMember(event.member)} ${
        isShutdown(event.member) ? "(it left)" : "(it fell silent)"
      }`;
    case "message":
      return describeMessage(event.message);
    case "sent":
      return `sent ${event.count} x ${event.body.length} bytes to ${event.destinations} with ${
        formatSendOptions(event.options)
      } in ${event.milliseconds.toFixed(1)} ms`;
    case "error":
      return `problem (${event.code}): ${event.message}`;
    case "warning": {
      const { code, message, line, column } = event;
      const place = line === undefined
        ? ""
        : ` at line ${line}, column ${column}`;
      return `warning (${code})${place}: ${printable(message)}`;
    }
    case "members":
      return `members: ${
        event.members.map(describeMember).join("; ") || "none"
      }`;
    case "stats": {
      const { sent, received, bytesSent, bytesReceived, errors } = event.totals;
      return `sent ${sent} (${bytesSent} bytes), received ${received} (${bytesReceived} bytes), under way ${event.queued}, problems ${errors}`;
    }
    case "stopped":
      return "stopped";
  }
}

/** A message in one line. */
export function describeMessage(data: ChannelData): string {
  const { message } = data;
  return `message of ${
    formatMember(data.address)
  }: ${message.length} bytes with ${formatSendOptions(data.options)}${
    preview(data)
  }`;
}

/** The time of day in this machine's zone. */
export function formatTime(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${
    two(date.getSeconds())
  }.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Bytes that are text by convention, made harmless for a terminal. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "·");
}

function describeMember(member: Member): string {
  const domain = member.domain.length === 0
    ? ""
    : ` in domain ${printable(latin1(member.domain))}`;
  return `${formatMember(member)}${domain}`;
}

function preview(data: ChannelData): string {
  if ((data.options & SEND_OPTIONS_BYTE_MESSAGE) === 0) {
    const java = javaOf(data);
    if (java === undefined) return ", a Java object";
    return `, a Java object: ${shortened(JSON.stringify(java))}`;
  }
  const text = textOf(data.message.subarray(0, 4 * MAX_TEXT), true);
  return text === undefined || text === "" ? "" : `: ${shortened(text)}`;
}

function shortened(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return printable(short);
}

/** Decodes ISO-8859-1, the charset of domains. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
