/**
 * A real Tomcat (`java/TomcatPeer.java`) with an AJP connector, and an HTTP connector when asked, on free ports of
 * 127.0.0.1:
 *
 * ```ts ignore
 * await using tomcat = await TomcatPeer.start({ secret: "s3cret", http: true });
 * tomcat.ajpPort; // for a front end, or our client
 * const echo = await (await fetch(`${tomcat.url}/echo?a=1`)).json() as EchoReply;
 * ```
 *
 * Its pages, for any method; all take their options from the query string:
 *
 * | page | answer |
 * |---|---|
 * | `/echo` | {@linkcode EchoReply}; `attribute=NAME` (repeated) tells request attributes, `read=false` leaves the body unread |
 * | `/bytes?size=N` | N bytes, byte i is `i & 255`; `chunk=N` bytes a write, `flush=true` after each, `length=false` without content-length |
 * | `/upload` | {@linkcode UploadReply}; reads `chunk=N` bytes at once, waits `delay=MS` after each, `stop=N` reads no more than that |
 * | `/copy` | the request body, sent and flushed as it comes |
 * | `/ignore` | `ignored`, the body unread |
 * | `/slow?ms=N` | `slow`, after that time |
 * | `/error` | throws; `after=N` sends that many bytes first |
 * | `/cookies` | three Set-Cookie headers: `first=first-value`, `second=...`, `third=...` |
 * | `/status?code=N` | that status; `error=true` by `sendError`, with Tomcat's page |
 * | `/header?size=N` | a header `X-Large` of N bytes |
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { javaRelease, missingJava, skipMissing } from "./java_peer.ts";

/** Attributes of a Connector of server.xml, under their names there. */
export type ConnectorAttributes = Readonly<
  Record<string, string | number | boolean>
>;

/** Options of {@linkcode TomcatPeer.start}; Tomcat's defaults where nothing is said. Durations are milliseconds. */
export interface TomcatPeerOptions {
  /** One of `CONNECTOR_RELEASES`. @default {"10.1.60"} */
  readonly release?: string;
  /** The AJP connector's secret; without one it needs none (`secretRequired="false"`). */
  readonly secret?: string;
  /** The AJP connector's port, to come back where another Tomcat was; 0 is any free one. @default {0} */
  readonly port?: number;
  readonly packetSize?: number;
  /** Regular expression of Java for whole names of request attributes. */
  readonly allowedRequestAttributesPattern?: string;
  /** False: the front end's remote user is taken over. */
  readonly tomcatAuthentication?: boolean;
  readonly tomcatAuthorization?: boolean;
  readonly connectionTimeout?: number;
  readonly keepAliveTimeout?: number;
  readonly maxHeaderCount?: number;
  readonly maxConnections?: number;
  readonly maxThreads?: number;
  /** Any other attribute of the AJP connector. */
  readonly ajp?: ConnectorAttributes;
  /** An HTTP connector besides, with these attributes. @default {false} */
  readonly http?: boolean | ConnectorAttributes;
  /** `interop`: small, up to 256 MiB; `bench`: 512 MiB, fixed and touched. @default {"interop"} */
  readonly heap?: "interop" | "bench";
  /** Put before the command, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[];
  readonly jvmArguments?: readonly string[];
}

/** What the page `/upload` tells of the body, and `/echo` too. */
export interface UploadReply {
  /** -1 without the header. */
  readonly contentLength: number;
  /** Bytes read. */
  readonly bytes: number;
  /** Of the bytes read, in hex. */
  readonly sha256: string;
}

/** What the page `/echo` tells: the request as a servlet sees it. */
export interface EchoReply extends UploadReply {
  readonly method: string;
  /** As it was sent, not decoded, without the query. */
  readonly uri: string;
  readonly query: string | null;
  readonly protocol: string;
  readonly scheme: string;
  readonly secure: boolean;
  readonly serverName: string;
  readonly serverPort: number;
  readonly remoteAddr: string | null;
  readonly remoteHost: string | null;
  readonly remotePort: number;
  readonly localAddr: string | null;
  readonly localPort: number;
  readonly remoteUser: string | null;
  readonly authType: string | null;
  readonly contentType: string | null;
  /** Name and value as they came, in their order on the wire; names that AJP codes are in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly ssl: {
    readonly cipher: string | null;
    readonly keySize: number | null;
    readonly session: string | null;
    readonly protocol: string | null;
    /** Distinguished names of the client certificate's chain, RFC 2253. */
    readonly subjects: readonly string[];
  };
  /** Those that can be listed; Tomcat hides some that can be asked for. */
  readonly attributeNames: readonly string[];
  /** Those that the query asked for. */
  readonly attributes: Readonly<Record<string, string | null>>;
}

/** The connectors listen. */
export interface TomcatReadyEvent {
  readonly event: "ready";
  readonly pid: number;
  /** Tomcat's release, by the jar's manifest. */
  readonly release: string;
  /** The Java version. */
  readonly java: string;
  readonly ajpPort: number;
  readonly httpPort: number | null;
}

/** A page could not read or write on: the other side went away. */
export interface TomcatAbortedEvent {
  readonly event: "aborted";
  readonly path: string;
  readonly message: string;
}

/** A command was carried out. */
export interface TomcatDoneEvent {
  readonly event: "done";
  readonly command: string;
}

/** State of the AJP connector. */
export interface TomcatConnectionsEvent {
  readonly event: "connections";
  /** Open AJP connections, and one more if Tomcat's acceptor counts the one that it waits for. */
  readonly open: number;
  /** Requests that reached a page so far, over both connectors. */
  readonly requests: number;
}

/** The start or a command failed. */
export interface TomcatErrorEvent {
  readonly event: "error";
  readonly message: string;
}

/** Last event of a clean end. */
export interface TomcatStoppedEvent {
  readonly event: "stopped";
}

/** What a Tomcat tells. */
export type TomcatEvent =
  | TomcatReadyEvent
  | TomcatAbortedEvent
  | TomcatDoneEvent
  | TomcatConnectionsEvent
  | TomcatErrorEvent
  | TomcatStoppedEvent;

/** The event of one name. */
export type TomcatEventOf<Name extends TomcatEvent["event"]> = Extract<
  TomcatEvent,
  { readonly event: Name }
>;

/** Options of waiting. */
export interface TomcatWaitOptions {
  /** Milliseconds. @default {15000} */
  readonly timeout?: number;
  /** Leave out events before this place of {@linkcode TomcatPeer.events}. @default {0} */
  readonly after?: number;
}

const DEFAULT_RELEASE = "10.1.60";
const DEFAULT_TIMEOUT = 15_000;
const START_TIMEOUT = 60_000;
const STDERR_KEPT = 16_000;

interface Waiter {
  readonly accept: (event: TomcatEvent) => boolean;
  readonly resolve: (event: TomcatEvent) => void;
  readonly reject: (reason: Error) => void;
}

/** A running Tomcat. */
export class TomcatPeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #base: string;
  readonly #events: TomcatEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #exited: Promise<void>;
  #commands: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;
  #ending = false;
  #stderr = "";
  #ready: TomcatReadyEvent | undefined;

  private constructor(child: ChildProcessWithoutNullStreams, base: string) {
    this.#child = child;
    this.#base = base;
    let partial = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) this.#receive(line);
    });
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    // A dead peer shows by its exit; the broken pipe says no more than that.
    child.stdin.on("error", () => {});
    this.#exited = new Promise((resolve) => {
      child.on("error", (cause) => {
        this.#end(new Error("Cannot run Tomcat", { cause }));
        resolve();
      });
      child.on("close", (status, signal) => {
        const how = signal ?? `status ${status}`;
        const tail = this.#ending ? "" : `\n${this.#stderr}`;
        this.#end(new Error(`Tomcat ended with ${how}${tail}`));
        resolve();
      });
    });
  }

  /**
   * Starts Tomcat and waits until its connectors listen: about a second, and two more when it must be compiled.
   *
   * @throws {Error} The release is not on this machine, an attribute is unknown, or a connector cannot start.
   */
  static async start(options: TomcatPeerOptions = {}): Promise<TomcatPeer> {
    const release = options.release ?? DEFAULT_RELEASE;
    const found = await javaRelease(release, "TomcatPeer");
    const base = mkdtempSync(join(tmpdir(), "tribes-tomcat-"));
    const [program, ...launched] = [...options.launcher ?? [], found.java];
    const child = spawn(program!, [ // at least `java` is in the list
      ...launched,
      "-Djava.net.preferIPv4Stack=true",
      ...(options.heap === "bench"
        ? ["-Xms512m", "-Xmx512m", "-XX:+AlwaysPreTouch"]
        : ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC"]),
      ...options.jvmArguments ?? [],
      "-cp",
      found.classPath,
      "TomcatPeer",
      `base=${base}`,
      ...connectorArguments(options),
    ]);
    const peer = new TomcatPeer(child, base);
    try {
      const first = await peer.waitFor(
        (event) => event.event === "ready" || event.event === "error",
        { timeout: START_TIMEOUT },
      );
      if (first.event !== "ready") {
        await peer.exited(); // with the rest of its log
        const text = JSON.stringify(first);
        throw new Error(
          `Tomcat ${release} did not start: ${text}\n${peer.stderr}`,
        );
      }
      peer.#ready = first;
      return peer;
    } catch (problem) {
      await peer[Symbol.asyncDispose]();
      throw problem;
    }
  }

  /** What Tomcat told when its connectors were up. */
  get ready(): TomcatReadyEvent {
    if (this.#ready === undefined) {
      throw new Error("Cannot read ready: Tomcat is not up");
    }
    return this.#ready;
  }

  /** The AJP connector's port. */
  get ajpPort(): number {
    return this.ready.ajpPort;
  }

  /** The HTTP connector's port. @throws {TypeError} There is none. */
  get httpPort(): number {
    const { httpPort } = this.ready;
    if (httpPort === null) {
      throw new TypeError("Cannot read httpPort: start with the option http");
    }
    return httpPort;
  }

  /** The HTTP connector's address, without a slash at the end. @throws {TypeError} There is none. */
  get url(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** Java's process id. */
  get pid(): number {
    return this.ready.pid;
  }

  /** Everything that Tomcat told, in order. Its length now, given as `after`, makes a wait look at new events only. */
  get events(): readonly TomcatEvent[] {
    return this.#events;
  }

  /** The end of Tomcat's log. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Pauses the AJP connector: new requests on open connections are answered 503, CPING closes them. */
  async pause(): Promise<void> {
    await this.#command("pause", "done");
  }

  /** Ends {@linkcode pause}. */
  async resume(): Promise<void> {
    await this.#command("resume", "done");
  }

  /** Counts the open AJP connections, and the requests so far. */
  connections(): Promise<TomcatConnectionsEvent> {
    return this.#command("connections", "connections");
  }

  /**
   * Waits for the first event, past or to come, that the predicate accepts.
   *
   * @throws {Error} After the time, or when Tomcat died; the text holds the end of its log.
   */
  waitFor(
    predicate: (event: TomcatEvent) => boolean,
    options: TomcatWaitOptions = {},
  ): Promise<TomcatEvent> {
    const { timeout = DEFAULT_TIMEOUT, after = 0 } = options;
    const past = this.#events.slice(after).find(predicate);
    if (past !== undefined) return Promise.resolve(past);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        accept: predicate,
        resolve: (event) => {
          clearTimeout(timer);
          resolve(event);
        },
        reject: (reason) => {
          clearTimeout(timer);
          reject(reason);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(
          new Error(
            `No such event of Tomcat within ${timeout} ms\n${this.#stderr}`,
          ),
        );
      }, timeout);
      this.#waiters.add(waiter);
    });
  }

  /** {@linkcode waitFor} for events of one name, typed. */
  async waitForEvent<Name extends TomcatEvent["event"]>(
    name: Name,
    options: TomcatWaitOptions = {},
  ): Promise<TomcatEventOf<Name>> {
    const event = await this.waitFor((event) => event.event === name, options);
    return event as TomcatEventOf<Name>; // the predicate took no other name
  }

  /** Sends a signal to Java; `SIGSTOP` freezes it, `SIGCONT` thaws it, `SIGKILL` is a crash. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#failure !== undefined) return;
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#ending = true;
    process.kill(this.pid, signal);
  }

  /** Resolves when the process is gone, however it went. */
  exited(): Promise<void> {
    return this.#exited;
  }

  /** Stops Tomcat, which gives requests in flight a moment; a second call awaits the first. */
  async stop(): Promise<void> {
    this.#ending = true;
    this.#child.stdin.end();
    await this.#exited;
    rmSync(this.#base, { recursive: true, force: true });
  }

  /** Ends the process at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (this.#failure === undefined && this.#child.pid !== undefined) {
      this.#child.kill("SIGKILL");
    }
    await this.#exited;
    rmSync(this.#base, { recursive: true, force: true });
  }

  /** One command at a time, so that the next answer of this name is its own. */
  #command<Name extends "done" | "connections">(
    command: string,
    answer: Name,
  ): Promise<TomcatEventOf<Name>> {
    const run = this.#commands.then(() => {
      if (this.#failure !== undefined) throw this.#failure;
      const after = this.#events.length;
      this.#child.stdin.write(`${command}\n`);
      return this.waitForEvent(answer, { after });
    });
    this.#commands = run.catch(() => {}); // the caller has the failure
    return run;
  }

  #receive(line: string): void {
    if (!line.startsWith('{"event":')) return;
    const event = JSON.parse(line) as TomcatEvent; // TomcatPeer writes nothing else
    this.#events.push(event);
    for (const waiter of this.#waiters) {
      if (!waiter.accept(event)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(event);
    }
  }

  #end(reason: Error): void {
    this.#failure ??= reason;
    for (const waiter of this.#waiters) waiter.reject(this.#failure);
    this.#waiters.clear();
  }
}

/**
 * Options for `node:test` of a test that needs Tomcat's connectors: skips aloud where the release is missing, or,
 * with `TRIBES_REQUIRE_PEERS=1`, lets the test fail.
 *
 * @param timeout Milliseconds for the whole test.
 * @param release One of `CONNECTOR_RELEASES`.
 */
export function needsTomcat(
  timeout: number = START_TIMEOUT,
  release: string = DEFAULT_RELEASE,
): { skip: boolean; timeout: number } {
  const missing = missingJava(release, "TomcatPeer");
  return { skip: skipMissing(missing) !== undefined, timeout };
}

function connectorArguments(options: TomcatPeerOptions): string[] {
  const ajp: Record<string, string | number | boolean | undefined> = {
    port: options.port,
    ...(options.secret === undefined
      ? { secretRequired: false }
      : { secret: options.secret }),
    packetSize: options.packetSize,
    allowedRequestAttributesPattern: options.allowedRequestAttributesPattern,
    tomcatAuthentication: options.tomcatAuthentication,
    tomcatAuthorization: options.tomcatAuthorization,
    connectionTimeout: options.connectionTimeout,
    keepAliveTimeout: options.keepAliveTimeout,
    maxHeaderCount: options.maxHeaderCount,
    maxConnections: options.maxConnections,
    maxThreads: options.maxThreads,
    ...options.ajp,
  };
  const { http = false } = options;
  return [
    ...named("ajp", ajp),
    `http=${http !== false}`,
    ...(typeof http === "object" ? named("http", http) : []),
  ];
}

function named(
  prefix: string,
  attributes: Readonly<Record<string, string | number | boolean | undefined>>,
): string[] {
  return Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [`${prefix}.${name}=${value}`]
  );
}
