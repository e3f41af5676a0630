// The processes of the AJP benches: a script each, driven by JSON lines, one answer a command.
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { canPin } from "./nodes.ts";

/** Where and how a process runs. */
export interface ProcessOptions {
  /** What the script is told. */
  readonly arguments?: readonly string[];
  /** Core to pin to, where `taskset` is there. */
  readonly core?: number | undefined;
  /** Flags of the runtime, such as those of a profiler. */
  readonly flags?: readonly string[];
}

/** Puts a command on a core. */
export function launcher(core: number | undefined): string[] {
  return core === undefined || !canPin() ? [] : ["taskset", "-c", `${core}`];
}

/** A script of this folder, on the runtime that this process runs on. */
export class BenchProcess<Event extends { readonly event: string }>
  implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #ready: Extract<Event, { readonly event: "ready" }> | undefined;
  readonly #waiting: {
    resolve(event: Event): void;
    reject(error: Error): void;
  }[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => { // it is a pipe
      if (!line.startsWith('{"event":')) return void console.log(line);
      this.#waiting.shift()?.resolve(JSON.parse(line) as Event); // of that script
    });
    this.#exited = new Promise((resolve) =>
      child.once("close", (status, signal) => {
        const error = new Error(`A process ended: ${signal ?? status}`);
        for (const one of this.#waiting.splice(0)) one.reject(error);
        resolve();
      })
    );
  }

  /**
   * Starts a script and waits for its first event.
   *
   * @param script Its file.
   */
  static async start<Event extends { readonly event: string }>(
    script: string,
    options: ProcessOptions = {},
  ): Promise<BenchProcess<Event>> {
    const run = "deno" in process.versions ? ["run", "-A"] : [];
    const [program, ...rest] = [
      ...launcher(options.core),
      process.execPath,
      ...run,
      ...options.flags ?? [],
      fileURLToPath(new URL(script, import.meta.url)),
      ...options.arguments ?? [],
    ];
    const child = spawn(program!, rest, { // the runtime at least
      stdio: ["pipe", "pipe", "inherit"],
    });
    const started = new BenchProcess<Event>(child);
    const ready = await started.#next();
    started.#ready = ready as typeof started.ready; // it comes first
    return started;
  }

  /** What it told first. */
  get ready(): Extract<Event, { readonly event: "ready" }> {
    if (this.#ready === undefined) throw new Error("The process is not ready");
    return this.#ready;
  }

  /** Has a command carried out. */
  request(command: object): Promise<Event> {
    const answer = this.#next();
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    return answer;
  }

  /** Ends the process by the end of its input. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#exited;
  }

  #next(): Promise<Event> {
    return new Promise((resolve, reject) =>
      this.#waiting.push({ resolve, reject })
    );
  }
}
