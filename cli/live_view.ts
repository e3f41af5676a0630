// What an operator sees on a terminal: the node, its members, rates, the last messages and problems.
import Table from "cli-table3";
import { createLogUpdate } from "log-update";
import process from "node:process";
import colors from "picocolors";
import { formatMember, type Member } from "../protocol/mod.ts";
import type { NodeEvent, NodeOutput, NodeTotals } from "./node_events.ts";
import {
  describe,
  describeMessage,
  formatTime,
  latin1,
  printable,
} from "./text_output.ts";

const REFRESH = 500;
const LAST_MESSAGES = 8;
const LAST_PROBLEMS = 4;

/** What the view asks the node. */
export interface NodeView {
  /** The other members, as the top of the stack shows them. */
  members(): readonly Member[];
  /** Milliseconds since a member's last beacon; `undefined` without beacons. */
  silence(member: Member): number | undefined;
  /** Totals since the start. */
  totals(): Readonly<NodeTotals>;
}

/** The figures between two refreshes, a second. */
interface Rates {
  readonly sent: number;
  readonly received: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Everything that is drawn; apart from the terminal so that it can be tested. */
export interface Screen {
  readonly local: Member | undefined;
  readonly found: readonly string[];
  readonly upMilliseconds: number;
  readonly members: readonly {
    readonly member: Member;
    readonly silence: number | undefined;
  }[];
  readonly rates: Rates;
  readonly messages: readonly string[];
  readonly problems: readonly string[];
}

/** Draws a node on a terminal, and again twice a second. */
export class LiveView implements NodeOutput {
  readonly #view: NodeView;
  readonly #draw: (text: string) => void;
  readonly #done: () => void;
  readonly #started = Date.now();
  #timer: ReturnType<typeof setInterval>;
  #ready: Extract<NodeEvent, { event: "ready" }> | undefined;
  #messages: string[] = [];
  #problems: string[] = [];
  #before: { totals: NodeTotals; at: number } | undefined;

  /**
   * Starts to draw.
   *
   * @param view What is asked at each refresh.
   */
  constructor(view: NodeView) {
    const log = createLogUpdate(process.stdout);
    this.#view = view;
    this.#draw = log;
    this.#done = () => log.done();
    this.#timer = setInterval(() => this.#refresh(), REFRESH);
  }

  /** Takes one event into the next picture. */
  show(event: NodeEvent, time: number): void {
    const line = (text: string) => `${formatTime(time)}  ${text}`;
    switch (event.event) {
      case "ready":
        this.#ready = event;
        break;
      case "message":
        keep(
          this.#messages,
          line(describeMessage(event.message)),
          LAST_MESSAGES,
        );
        return; // the next refresh is soon enough
      case "error":
        keep(this.#problems, line(printable(event.message)), LAST_PROBLEMS);
        break;
      case "warning":
        keep(this.#problems, line(describe(event)), LAST_PROBLEMS);
        break;
      case "stats":
        return;
      default:
        keep(this.#messages, line(describe(event)), LAST_MESSAGES);
    }
    this.#refresh();
  }

  /** Leaves the last picture on the terminal. */
  flush(): Promise<void> {
    clearInterval(this.#timer);
    this.#refresh();
    this.#done();
    return Promise.resolve();
  }

  #refresh(): void {
    this.#draw(render({
      local: this.#ready?.member,
      found: this.#ready?.membership ?? [],
      upMilliseconds: Date.now() - this.#started,
      members: this.#view.members().map((member) => ({
        member,
        silence: this.#view.silence(member),
      })),
      rates: this.#rates(),
      messages: this.#messages,
      problems: this.#problems,
    }));
  }

  #rates(): Rates {
    const totals = { ...this.#view.totals() };
    const now = Date.now();
    const { totals: old, at } = this.#before ?? { totals, at: now - REFRESH };
    const seconds = Math.max(1, now - at) / 1000;
    if (now - at >= REFRESH) this.#before = { totals, at: now };
    return {
      sent: (totals.sent - old.sent) / seconds,
      received: (totals.received - old.received) / seconds,
      bytesSent: (totals.bytesSent - old.bytesSent) / seconds,
      bytesReceived: (totals.bytesReceived - old.bytesReceived) / seconds,
    };
  }
}

/** The picture as text. */
export function render(screen: Screen): string {
  const { local, members, rates } = screen;
  const self = local === undefined
    ? "starting …"
    : `${formatMember(local)}${domainOf(local, " in domain ")}, found by ${
      screen.found.join(" and ") || "nobody: no membership is configured"
    }, up ${formatDuration(screen.upMilliseconds)}`;
  const parts = [
    `${colors.bold("Tribes node")}  ${self}`,
    "",
    members.length === 0
      ? colors.yellow("No other members yet.")
      : memberTable(members),
    "",
    `${colors.bold("Rates")}  in ${rates.received.toFixed(0)} messages/s, ${
      formatBytes(rates.bytesReceived)
    }/s   out ${rates.sent.toFixed(0)} messages/s, ${
      formatBytes(rates.bytesSent)
    }/s`,
    "",
    colors.bold("Last"),
    ...(screen.messages.length === 0 ? ["nothing yet"] : screen.messages),
  ];
  if (screen.problems.length > 0) {
    parts.push("", colors.red(colors.bold("Problems")), ...screen.problems);
  }
  parts.push(
    "",
    colors.dim("A line that you type goes to all members. Ctrl-C leaves."),
  );
  return parts.join("\n");
}

function memberTable(members: Screen["members"]): string {
  const table = new Table({
    head: ["Host", "Port", "Domain", "Alive", "Last beacon"],
    style: { head: [], border: [] },
  });
  for (const { member, silence } of members) {
    const name = formatMember(member);
    table.push([
      name.slice(0, name.lastIndexOf(":")),
      String(member.port),
      domainOf(member, ""),
      formatDuration(member.aliveTime),
      silence === undefined ? "no beacons" : formatSilence(silence),
    ]);
  }
  return table.toString();
}

function formatSilence(silence: number): string {
  const text = `${(silence / 1000).toFixed(1)} s ago`;
  return silence > 1500 ? colors.yellow(text) : text;
}

function domainOf(member: Member, prefix: string): string {
  return member.domain.length === 0
    ? ""
    : prefix + printable(latin1(member.domain));
}

/** A duration at a glance: `3 s`, `4 min 05 s`, `2 h 30 min`, `5 d 3 h`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  }
  const hours = Math.floor(seconds / 3600);
  if (hours < 24) return `${hours} h ${two(Math.floor(seconds / 60) % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A number of bytes at a glance. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes.toFixed(0)} B`;
  if (bytes < 1_048_576) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

function keep(lines: string[], line: string, most: number): void {
  lines.push(line);
  if (lines.length > most) lines.shift();
}
