/** Runs the command line as users do: a process of its own, on the runtime that runs the tests. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EventLog } from "./interop_events.ts";

const PROGRAM = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** One JSON line of standard output. */
export type JsonLine = Record<string, unknown>;

/** A run of `tribes`. */
export class CliProcess implements AsyncDisposable {
  /** The lines of standard output that are JSON objects. */
  readonly log: EventLog<JsonLine>;
  /** The lines of standard output that are not. */
  readonly text: string[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<number>;
  #errors = "";

  /** Starts the process with these arguments. */
  constructor(args: readonly string[]) {
    const flags = "deno" in process.versions ? ["run", "-A"] : [];
    const child = spawn(process.execPath, [...flags, PROGRAM, ...args]);
    this.#child = child;
    this.log = new EventLog(`tribes ${args.join(" ")}`);
    child.stdin.on("error", () => {}); // its exit says it
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => this.#errors += text);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("{")) this.log.push(JSON.parse(line));
      else this.text.push(line);
    });
    this.#exited = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        this.log.end(
          new Error(
            `The process ended with ${signal ?? code}: ${this.#errors}`,
          ),
        );
        resolve(code ?? -1);
      });
    });
  }

  /** What it wrote to standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Waits for an event of this name. */
  waitFor(event: string, after = 0): Promise<JsonLine> {
    return this.log.waitFor((line) => line.event === event, {
      timeout: 30_000,
      after,
    });
  }

  /** Writes one line to standard input: text, or a command. */
  write(line: string | JsonLine): void {
    const text = typeof line === "string" ? line : JSON.stringify(line);
    this.#child.stdin.write(`${text}\n`);
  }

  /** Ends standard input. */
  end(): void {
    this.#child.stdin.end();
  }

  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void {
    // Deno's child.kill() takes one signal only and ignores those after it.
    if (this.#child.pid !== undefined && this.#child.exitCode === null) {
      process.kill(this.#child.pid, signal);
    }
  }

  /** The exit status, when it has ended. */
  exited(): Promise<number> {
    return this.#exited;
  }

  /** Ends the process at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#exited;
  }
}
