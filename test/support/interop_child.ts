/** Starts `interop_node.ts` with the runtime that runs the tests. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { OurNodeOptions } from "./interop_channel.ts";
import { EventLog } from "./interop_events.ts";
import type { PeerMember } from "./java_peer.ts";

const PROGRAM = fileURLToPath(new URL("interop_node.ts", import.meta.url));

type ChildEvent =
  | { readonly event: "ready"; readonly member: PeerMember }
  | { readonly event: "stopped" };

/** Options that survive JSON. */
export type ChildNodeOptions = Pick<
  OurNodeOptions,
  "group" | "frequency" | "dropTime" | "heartbeatSleeptime"
>;

/** A node of ours in a process of its own. */
export class ChildNode implements AsyncDisposable {
  /** The node's member as it was at the start. */
  readonly member: PeerMember;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<void>;
  #running = true;

  private constructor(
    member: PeerMember,
    child: ChildProcessWithoutNullStreams,
    exited: Promise<void>,
  ) {
    this.member = member;
    this.#child = child;
    this.#exited = exited.then(() => {
      this.#running = false;
    });
  }

  /** Starts the process and waits until its channel is up. */
  static async start(options: ChildNodeOptions): Promise<ChildNode> {
    const flags = "deno" in process.versions ? ["run", "-A"] : [];
    const child = spawn(process.execPath, [
      ...flags,
      PROGRAM,
      JSON.stringify(options),
    ]);
    const log = new EventLog<ChildEvent>("the child node");
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
          new Error(`The child ended with ${signal ?? status}\n${errors}`),
        );
        resolve();
      });
    });
    const ready = await log.waitFor(
      (event) => event.event === "ready",
      { timeout: 30_000 },
    );
    return new ChildNode(ready.member, child, exited);
  }

  /** `HOST:PORT` of the receiver, as Java's commands take it. */
  get address(): string {
    return `127.0.0.1:${this.member.port}`;
  }

  /** Sends a signal: `SIGSTOP` freezes the node, `SIGCONT` thaws it, `SIGKILL` is a crash. */
  kill(signal: NodeJS.Signals): void {
    // Deno's child.kill() takes one signal only and ignores those after it.
    if (this.#running && this.#child.pid !== undefined) {
      process.kill(this.#child.pid, signal);
    }
  }

  /** Leaves the group cleanly, and waits for the end of the process. */
  async stop(): Promise<void> {
    this.#child.stdin.write("stop\n");
    await this.#exited;
  }

  /** Ends the process at once, without a word to its group. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#exited;
  }
}
