// Nodes to measure, each in a process of its own: ours on this runtime, and Java's. Both obey the
// same few calls, so that a measurement does not know which it drives.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { totalmem } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { JavaPeer } from "../test/support/java_peer.ts";
import type { NodeCommand, NodeEvent } from "./peer.ts";

/** Messages from one node to another. */
export interface Traffic {
  readonly count: number;
  readonly size: number;
  /** Send options: 1 no ack, 3 acknowledged. */
  readonly options: number;
  /** Messages in flight; a Java node has one thread and one message. */
  readonly window: number;
  /** Messages that are sent at a time. */
  readonly burst: number;
}

/** Something that sends and receives messages. */
export interface BenchNode {
  /** `HOST:PORT` of its receiver. */
  readonly address: string;
  /** Counts messages from now on; `arrived` gives the milliseconds from the first to the last. */
  expect(count: number): Promise<{ readonly arrived: Promise<number> }>;
  /** Sends messages; gives the milliseconds until the last was done. */
  send(to: string, traffic: Traffic): Promise<number>;
  /** Sends acknowledged messages one after another; gives the median in microseconds. */
  roundTrip(to: string, count: number, size: number): Promise<number>;
  /** Its process. */
  readonly pid: number;
  /** Ends the process. */
  stop(): Promise<void>;
}

/** Where and how a node's process runs. */
export interface NodeOptions {
  /** Core to pin to, where `taskset` is there. */
  readonly core?: number;
  /** Flags of the runtime, such as those of a profiler. */
  readonly flags?: readonly string[];
}

/** Whether processes can be pinned to cores. */
export function canPin(): boolean {
  return (process.env.PATH ?? "").split(":")
    .some((folder) => existsSync(`${folder}/taskset`));
}

type NodeEventOf<Name> = NodeEvent extends infer Event
  ? Event extends { readonly event: infer Names }
    ? Name extends Names ? Event : never
  : never
  : never;

/** One of our nodes. */
export class OurNode implements BenchNode {
  readonly #child: ChildProcess;
  readonly #waiting: {
    readonly name: string;
    resolve(event: NodeEvent): void;
    reject(error: Error): void;
  }[] = [];
  readonly #exited: Promise<void>;
  #ready: NodeEventOf<"ready"> | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => { // it is a pipe
      if (!line.startsWith('{"event":')) return void console.log(line);
      const event = JSON.parse(line) as NodeEvent; // of bench/peer.ts
      const at = this.#waiting.findIndex((one) => one.name === event.event);
      this.#waiting.splice(at, at < 0 ? 0 : 1)[0]?.resolve(event);
    });
    this.#exited = new Promise((resolve) =>
      child.once("close", (status, signal) => {
        const error = new Error(`A node ended: ${signal ?? status}`);
        for (const one of this.#waiting.splice(0)) one.reject(error);
        resolve();
      })
    );
  }

  /** Starts a node on the runtime that this process runs on. */
  static async start(options: NodeOptions = {}): Promise<OurNode> {
    const [program, ...launched] = [...launcher(options), process.execPath];
    const run = "deno" in process.versions ? ["run", "-A"] : [];
    const script = fileURLToPath(new URL("./peer.ts", import.meta.url));
    const child = spawn(
      program!, // the runtime at least
      [...launched, ...run, ...options.flags ?? [], script],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const node = new OurNode(child);
    node.#ready = await node.#event("ready");
    return node;
  }

  get address(): string {
    return this.#started.address;
  }

  get pid(): number {
    return this.#started.pid;
  }

  /** Port of the raw TCP echo. */
  get rawPort(): number {
    return this.#started.rawPort;
  }

  async expect(
    count: number,
  ): Promise<{ readonly arrived: Promise<number> }> {
    const expected = this.#event("expected");
    expected.catch(() => {}); // whoever waits for it is told
    await this.#request({ command: "expect", count }, "done");
    return { arrived: expected.then((event) => event.milliseconds) };
  }

  async send(to: string, traffic: Traffic): Promise<number> {
    const sent = await this.#request(
      { command: "sendSequence", to, ...traffic },
      "sentSequence",
    );
    return sent.milliseconds;
  }

  async roundTrip(to: string, count: number, size: number): Promise<number> {
    const sent = await this.#request({
      command: "sendSequence",
      to,
      count,
      size,
      options: 3,
      window: 1,
      burst: 1,
      latency: true,
    }, "sentSequence");
    return sent.p50Micros ?? NaN;
  }

  /** Raw TCP round trips of as many bytes; gives the median in microseconds. */
  async rawRoundTrip(
    port: number,
    count: number,
    size: number,
  ): Promise<number> {
    const pinged = await this.#request(
      { command: "rawPing", port, count, size },
      "rawPinged",
    );
    return pinged.p50Micros;
  }

  async stop(): Promise<void> {
    this.#child.stdin?.write('{"command":"stop"}\n');
    await this.#exited;
  }

  get #started(): NodeEventOf<"ready"> {
    if (this.#ready === undefined) throw new Error("The node is not ready");
    return this.#ready;
  }

  #request<Name extends NodeEvent["event"]>(
    command: NodeCommand,
    name: Name,
  ): Promise<NodeEventOf<Name>> {
    const event = this.#event(name);
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    return event;
  }

  #event<Name extends NodeEvent["event"]>(
    name: Name,
  ): Promise<NodeEventOf<Name>> {
    return new Promise((resolve, reject) =>
      this.#waiting.push({
        name,
        resolve: (event) => resolve(event as NodeEventOf<Name>), // found by its name
        reject,
      })
    );
  }
}

/** A Java node: Tomcat's GroupChannel, without anything of the harness in its stack. */
export class JavaNode implements BenchNode {
  /** The peer, for its codec benches. */
  readonly peer: JavaPeer;

  private constructor(peer: JavaPeer) {
    this.peer = peer;
  }

  /**
   * Starts a Java node.
   *
   * @param heap `bench`: 512 MiB, fixed; `interop`: a small one; `usual`: as much as Java takes.
   */
  static async start(
    release: string,
    heap: "bench" | "interop" | "usual" = "bench",
  ): Promise<JavaNode> {
    const mebibytes = totalmem() / 2 ** 20;
    return new JavaNode(
      await JavaPeer.start({
        release,
        recorder: false,
        heap: heap === "usual" ? "interop" : heap,
        // What Java would choose by itself, said again since the harness says otherwise.
        jvmArguments: heap !== "usual" ? [] : [
          "-XX:-UseSerialGC",
          "-XX:+UseG1GC",
          `-Xms${Math.ceil(mebibytes / 64)}m`,
          `-Xmx${Math.ceil(mebibytes / 4)}m`,
        ],
      }),
    );
  }

  get address(): string {
    return this.peer.address;
  }

  get pid(): number {
    return this.peer.pid;
  }

  async expect(
    count: number,
  ): Promise<{ readonly arrived: Promise<number> }> {
    const after = this.peer.events.length;
    await this.peer.request(
      { command: "expect", count, track: false },
      "done",
    );
    const expected = this.peer.waitForEvent("expected", undefined, {
      after,
      timeout: TIMEOUT,
    });
    expected.catch(() => {}); // whoever waits for it is told
    return { arrived: expected.then((event) => event.milliseconds) };
  }

  async send(to: string, traffic: Traffic): Promise<number> {
    const { count, size, options } = traffic;
    const sent = await this.#sendSequence(to, count, size, options, false);
    return sent.milliseconds;
  }

  async roundTrip(to: string, count: number, size: number): Promise<number> {
    const sent = await this.#sendSequence(to, count, size, 3, true);
    return sent.p50Micros ?? NaN;
  }

  async stop(): Promise<void> {
    await this.peer.stop();
  }

  async #sendSequence(
    to: string,
    count: number,
    size: number,
    options: number,
    latency: boolean,
  ): Promise<{ milliseconds: number; p50Micros?: number }> {
    const sent = await this.peer.request(
      {
        command: "sendSequence",
        to: [to],
        direct: true,
        count,
        size,
        options,
        latency,
      },
      "sentSequence",
      { timeout: TIMEOUT },
    );
    if (sent.failed > 0) {
      throw new Error(`Java failed to send ${sent.failed}: ${sent.cause}`);
    }
    return sent;
  }
}

const TIMEOUT = 120_000;

function launcher({ core }: NodeOptions): string[] {
  return core === undefined || !canPin() ? [] : ["taskset", "-c", `${core}`];
}
