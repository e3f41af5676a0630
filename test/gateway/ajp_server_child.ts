/** Starts `ajp_server_program.ts` with the runtime that runs the tests. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AjpServerOptions } from "../../gateway/ajp_server.ts";
import { EventLog } from "../support/interop_events.ts";

const PROGRAM = fileURLToPath(
  new URL("ajp_server_program.ts", import.meta.url),
);

/** What the process says. */
type ChildEvent =
  | { readonly event: "ready"; readonly port: number }
  | { readonly event: "fault"; readonly type: string; readonly text: string }
  | {
    readonly event: "memory";
    readonly resident: number;
    readonly peak: number;
  };

/** A server in a process of its own. */
export class ChildServer implements AsyncDisposable {
  /** The port that it serves. */
  readonly port: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #log: EventLog<ChildEvent>;
  readonly #exited: Promise<void>;

  private constructor(
    port: number,
    child: ChildProcessWithoutNullStreams,
    log: EventLog<ChildEvent>,
    exited: Promise<void>,
  ) {
    this.port = port;
    this.#child = child;
    this.#log = log;
    this.#exited = exited;
  }

  /** Starts the process and waits until it serves. */
  static async start(
    options: Pick<AjpServerOptions, "secret" | "packetSize">,
  ): Promise<ChildServer> {
    const flags = "deno" in process.versions ? ["run", "-A"] : [];
    const child = spawn(process.execPath, [
      ...flags,
      PROGRAM,
      JSON.stringify(options),
    ]);
    const log = new EventLog<ChildEvent>("the server's process");
    let errors = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => errors += text);
    child.stdin.on("error", () => {}); // its exit says it
    createInterface({ input: child.stdout }).on(
      "line",
      (line) => log.push(JSON.parse(line)),
    );
    const exited = new Promise<void>((resolve) => {
      child.on("close", (status, signal) => {
        log.end(
          new Error(`The server ended with ${signal ?? status}\n${errors}`),
        );
        resolve();
      });
    });
    const ready = await log.waitFor((event) => event.event === "ready", {
      timeout: 30_000,
    });
    return new ChildServer(ready.port, child, log, exited);
  }

  /** What the server reported as wrong. */
  get faults(): readonly string[] {
    return this.#log.events.flatMap((event) =>
      event.event === "fault" ? [`${event.type}: ${event.text}`] : []
    );
  }

  /** Its resident memory now, and the most that there ever was, in bytes. */
  memory(): Promise<{ readonly resident: number; readonly peak: number }> {
    const after = this.#log.length;
    this.#child.stdin.write("memory\n");
    return this.#log.waitFor((event) => event.event === "memory", { after });
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
