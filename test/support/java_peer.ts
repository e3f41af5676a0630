/**
 * Real Tribes peers: a Java program (`java/TribesPeer.java`) with one GroupChannel of a real Tomcat release,
 * compiled when needed, driven by JSON lines, and its events kept so that a test never misses one.
 *
 * ```ts ignore
 * const group = await freeGroup();
 * await using java = await JavaPeer.start({ release: "10.1.60", group });
 * const { member } = await java.waitForEvent("memberAdded");
 * const sent = await java.request({ command: "send", text: "hello", options: 6 }, "sent");
 * ```
 *
 * Nothing here sleeps: everything that takes time is an event to wait for.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Where the jars of one Tomcat release come from. */
export interface JavaReleaseSource {
  /** The release line, a name that {@linkcode javaRelease} takes too: its newest release in the table. */
  readonly line: string;
  /** Prefix of the file names of Debian's jars, for a release that Debian has. */
  readonly debian?: string;
  /** Version of `org.apache.tomcat:tomcat-{tribes,juli,util}` at Maven. */
  readonly maven: string;
}

/**
 * The releases that tests run against, newest of a line first. `.ci/install-peers` reads the `maven` versions
 * from this table, which is their only place.
 */
export const JAVA_RELEASES: Readonly<Record<string, JavaReleaseSource>> = {
  "11.0.21": { line: "11.0", maven: "11.0.21" },
  "10.1.60": { line: "10.1", maven: "10.1.60", debian: "tomcat10" },
  "10.1.56": { line: "10.1", maven: "10.1.56" },
  "9.0.113": { line: "9.0", maven: "9.0.113" },
  "9.0.70": { line: "9.0", maven: "9.0.70", debian: "tomcat9" },
};

/**
 * The releases of the table that are also had whole, with their connectors, for `TomcatPeer`. `.ci/install-peers`
 * reads them from here.
 */
export const CONNECTOR_RELEASES: readonly string[] = ["11.0.21", "10.1.60"];

/** A Java program of `java/`: one Tribes channel, or a Tomcat with connectors. */
export type JavaProgram = "TribesPeer" | "TomcatPeer";

/** A release found on this machine, with the peer compiled for it. */
export interface JavaRelease {
  /** The release, such as `10.1.60`. */
  readonly release: string;
  /** Jars and the folder of compiled classes, ready for `-cp`. */
  readonly classPath: string;
  /** The `java` program. */
  readonly java: string;
}

/** A Tribes member as events print it; byte strings are hex, 64-bit numbers decimal text. */
export interface PeerMember {
  readonly host: string;
  readonly port: number;
  readonly securePort: number;
  readonly udpPort: number;
  readonly aliveTime: string;
  readonly uniqueId: string;
  readonly domain: string;
  readonly command: string;
  readonly payload: string;
}

/** Fields that every event has. */
export interface PeerEventBase {
  /** Milliseconds since the epoch, by the peer's clock. */
  readonly time: number;
  /** The tag of the command that this event answers. */
  readonly tag?: string | number;
}

/** The channel is up. */
export interface ReadyEvent extends PeerEventBase {
  readonly event: "ready";
  readonly pid: number;
  /** Tomcat's release, by the jar's manifest. */
  readonly release: string;
  /** The Java version. */
  readonly java: string;
  /** The local member. */
  readonly member: PeerMember;
}

/** A member came or went, as the top of the stack saw it. */
export interface MembershipEvent extends PeerEventBase {
  readonly event: "memberAdded" | "memberDisappeared";
  readonly member: PeerMember;
}

/** A message; `dropped` is one that no listener took: unreadable, or refused by `setListener` with `accept: false`. */
export interface MessageEvent extends PeerEventBase {
  readonly event: "message" | "dropped";
  readonly from: PeerMember;
  /** Absent, like `options` and `timestamp`, when the peer runs with `recorder: false`. */
  readonly uniqueId?: string;
  /** As they were on the wire when the message reached the top of the stack. */
  readonly options?: number;
  readonly timestamp?: string;
  /** Length of the body at the top of the stack. */
  readonly bytes: number;
  readonly sha256: string;
  /** The first 256 bytes. */
  readonly hex: string;
  /** The whole body of a byte message that is UTF-8 of at most 65,536 bytes. */
  readonly text?: string;
  /** Class of a deserialized object. */
  readonly javaClass?: string;
  /** The object as JSON where that says the same, else its `toString()`. */
  readonly value?: unknown;
  /** The listener threw, as `setListener` told it. */
  readonly threw?: true;
}

/** All messages of a `send` went out, as far as its options tell. */
export interface SentEvent extends PeerEventBase {
  readonly event: "sent";
  readonly count: number;
  /** The last message's. */
  readonly uniqueId: string;
  readonly options: number;
  readonly destinations: number;
  /** Length of one body before the interceptors. */
  readonly bytes: number;
  readonly sha256: string;
  readonly milliseconds: number;
}

/** A member that a send did not reach, with the class of the cause. */
export interface FaultyMember {
  readonly member: PeerMember;
  readonly cause: string | null;
  readonly message: string | null;
}

/** A `send` failed; of several messages the first failure is told. */
export interface SendFailedEvent extends PeerEventBase {
  readonly event: "sendFailed";
  /** Class name, such as `org.apache.catalina.tribes.RemoteProcessException`. */
  readonly cause: string;
  readonly message: string;
  readonly faultyMembers: readonly FaultyMember[];
  /** Messages that went out, and that did not. Absent on an asynchronous failure. */
  readonly count?: number;
  readonly failed?: number;
  /** The error handler of an asynchronous send was called. */
  readonly async?: true;
  readonly uniqueId?: string;
}

/** The error handler of an asynchronous send with `completion` heard that it went out. */
export interface CompletedEvent extends PeerEventBase {
  readonly event: "completed";
  readonly uniqueId: string;
}

/** Answer to `sendSequence`. */
export interface SentSequenceEvent extends PeerEventBase {
  readonly event: "sentSequence";
  readonly count: number;
  readonly failed: number;
  readonly bytes: number;
  readonly options: number;
  readonly milliseconds: number;
  readonly perSecond: number;
  /** Class of the first failure's cause. */
  readonly cause?: string;
  /** With `latency`. */
  readonly p50Micros?: number;
  readonly p99Micros?: number;
}

/** Counted messages: `expected` comes by itself when the count is reached, `report` answers the command. */
export interface SequenceEvent extends PeerEventBase {
  readonly event: "expected" | "report";
  readonly count: number;
  readonly bytes: number;
  /** `System.nanoTime()` at the first and last message, as text. */
  readonly firstNanos: string;
  readonly lastNanos: string;
  readonly milliseconds: number;
  /** The rest with `track`: counted a sender. */
  readonly senders?: number;
  readonly inversions?: number;
  readonly duplicates?: number;
  readonly missing?: number;
  /** With `digest`: over all bodies in order of arrival. */
  readonly sha256?: string;
}

/** Answer to `members`. */
export interface MembersEvent extends PeerEventBase {
  readonly event: "members";
  readonly members: readonly PeerMember[];
}

/** Answer to `coordinator`, and told by itself when a coordinator has a new view. */
export interface CoordinatorEvent extends PeerEventBase {
  readonly event: "coordinator";
  readonly coordinator: PeerMember | null;
  /** In absolute order, the local member among them. */
  readonly view: readonly PeerMember[];
}

/** An object that a remote call carried; a reply is part of {@linkcode RepliesEvent}. */
export interface RpcEvent extends PeerEventBase {
  readonly event: "rpcRequest" | "leftOver";
  /** Name of the RPC channel. */
  readonly id: string;
  readonly from: PeerMember;
  readonly javaClass: string | null;
  /** The bytes of a ByteMessage. */
  readonly hex?: string;
  /** The object as JSON where that says the same, else its `toString()`. */
  readonly value?: unknown;
}

/** Answer to `rpc`: what came in time. */
export interface RepliesEvent extends PeerEventBase {
  readonly event: "replies";
  readonly replies: readonly Omit<RpcEvent, "event">[];
  readonly milliseconds: number;
}

/** Answer to `memory`: bytes after a collection; `rss` is -1 where the system does not tell. */
export interface MemoryEvent extends PeerEventBase {
  readonly event: "memory";
  readonly usedHeap: number;
  readonly totalHeap: number;
  readonly rss: number;
}

/** Answer to `benchEncode` and `benchDecode`: the median of seven slices after a warm-up. */
export interface BenchEvent extends PeerEventBase {
  readonly event: "benchEncode" | "benchDecode";
  readonly size: number;
  readonly nsPerOp: number;
  readonly minNsPerOp: number;
  readonly maxNsPerOp: number;
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
}

/** A command that has nothing to tell was carried out. */
export interface DoneEvent extends PeerEventBase {
  readonly event: "done";
  readonly command: string;
}

/** A command or the start failed. Codes: `start`, `stop`, `bad-command`, `no-members`, `unknown-member`. */
export interface ErrorEvent extends PeerEventBase {
  readonly event: "error";
  readonly code: string;
  readonly message: string;
}

/** Last event of a clean end. */
export interface StoppedEvent extends PeerEventBase {
  readonly event: "stopped";
}

/** What a peer tells. */
export type PeerEvent =
  | ReadyEvent
  | MembershipEvent
  | MessageEvent
  | SentEvent
  | SendFailedEvent
  | CompletedEvent
  | SentSequenceEvent
  | SequenceEvent
  | MembersEvent
  | CoordinatorEvent
  | RpcEvent
  | RepliesEvent
  | MemoryEvent
  | BenchEvent
  | DoneEvent
  | ErrorEvent
  | StoppedEvent;

/** The event of one name. */
export type PeerEventOf<Name extends PeerEvent["event"]> = EventNamed<
  PeerEvent,
  Name
>;

// Extract would drop events whose interface serves two names.
type EventNamed<Event, Name> = Event extends { readonly event: infer Names }
  ? Name extends Names ? Event : never
  : never;

/** Fields that every command may have. */
export interface PeerCommandBase {
  /** Comes back on the events that answer the command. */
  readonly tag?: string | number;
}

/** Where messages go: all members, or those at `HOST:PORT`. */
export interface PeerDestination {
  readonly to?: "all" | readonly string[];
  /** Make members up from `HOST:PORT` or `HOST:PORT:UNIQUEID-HEX` instead of looking them up. */
  readonly direct?: boolean;
}

/** Sends one message `count` times; answered by `sent`, `sendFailed` or `error`. */
export interface SendCommand extends PeerCommandBase, PeerDestination {
  readonly command: "send";
  /** The body: one of `text` (UTF-8), `hex`, `size` (byte i is i & 255) or `object` (JSON that becomes a Java object). */
  readonly text?: string;
  readonly hex?: string;
  readonly size?: number;
  readonly object?: unknown;
  /** @default {2} */
  readonly options?: number;
  /** @default {1} */
  readonly count?: number;
  /** Threads that share out the count. @default {1} */
  readonly threads?: number;
  /** Tell of asynchronous messages that went out by `completed`. */
  readonly completion?: boolean;
}

/**
 * Sends `count` messages of `size` bytes (4 or more) that begin with their number, a big-endian int from `start`;
 * answered by `sentSequence` or `error`.
 */
export interface SendSequenceCommand extends PeerCommandBase, PeerDestination {
  readonly command: "sendSequence";
  readonly count: number;
  /** @default {64} */
  readonly size?: number;
  /** @default {0} */
  readonly start?: number;
  /** @default {2} */
  readonly options?: number;
  /** @default {1} */
  readonly threads?: number;
  /** Measure each send. */
  readonly latency?: boolean;
}

/**
 * How the channel listener treats messages; answered by `done`. `throw` throws RemoteProcessException and
 * `runtime` IllegalStateException at each `every`-th message, `slow` takes `milliseconds` for each.
 */
export interface SetListenerCommand extends PeerCommandBase {
  readonly command: "setListener";
  readonly mode: "ok" | "throw" | "runtime" | "slow";
  /** @default {1} */
  readonly every?: number;
  readonly milliseconds?: number;
  /** False: the listener accepts no message, and each is told by `dropped`. @default {true} */
  readonly accept?: boolean;
}

/** Counts messages from now on instead of printing them; answered by `done`, later by `expected`. */
export interface ExpectCommand extends PeerCommandBase {
  readonly command: "expect";
  /** Messages after which `expected` is told; 0 is never. @default {0} */
  readonly count?: number;
  /** Keep account of the sequence numbers, a sender; without it only messages and bytes are counted. @default {true} */
  readonly track?: boolean;
  /** SHA-256 over all bodies in order of arrival; needs `track`. */
  readonly digest?: boolean;
}

/** `print` ends `expect`; `report` tells its counts. */
export interface PlainCommand extends PeerCommandBase {
  readonly command:
    | "members"
    | "coordinator"
    | "report"
    | "print"
    | "memory"
    | "stop";
}

/** Changes what the member block holds, which sends a beacon at once; answered by `done`. */
export interface SetMemberCommand extends PeerCommandBase {
  readonly command: "setPayload" | "setDomain";
  readonly hex: string;
}

/**
 * Times `XByteBuffer.createDataPackage`, or `ObjectReader` with 64 KiB reads and `ByteMessage`, for messages of
 * `size` bytes.
 */
export interface BenchCommand extends PeerCommandBase {
  readonly command: "benchEncode" | "benchDecode";
  /** @default {64} */
  readonly size?: number;
  /** Time of the measurement; the warm-up takes half of it besides. @default {2} */
  readonly seconds?: number;
}

/** Opens an RPC channel, in place of one with this name; answered by `done`. */
export interface RpcChannelCommand extends PeerCommandBase {
  readonly command: "rpcChannel";
  readonly id: string;
  /** What its callback answers; `closed` opens none. @default {"echo"} */
  readonly mode?: "echo" | "null" | "throw" | "closed";
  /** How long the callback takes. */
  readonly milliseconds?: number;
  /** @default {0} */
  readonly replyOptions?: number;
}

/** Asks members by an open RPC channel; answered by `replies`, `sendFailed` or `error`. */
export interface RpcCommand extends PeerCommandBase, PeerDestination {
  readonly command: "rpc";
  readonly id: string;
  /** What is asked: one of `hex` (a ByteMessage) or `object` (JSON that becomes a Java object). */
  readonly hex?: string;
  readonly object?: unknown;
  /** 1 first, 2 majority, 3 all, 4 none. @default {3} */
  readonly reply?: 1 | 2 | 3 | 4;
  /** @default {2} */
  readonly options?: number;
  /** @default {3000} */
  readonly timeout?: number;
}

/** What a peer does. Sends and benches run one after another, everything else at once. */
export type PeerCommand =
  | SendCommand
  | SendSequenceCommand
  | SetListenerCommand
  | ExpectCommand
  | PlainCommand
  | SetMemberCommand
  | RpcChannelCommand
  | RpcCommand
  | BenchCommand;

/** A multicast group of a test's own. */
export interface MulticastGroup {
  readonly address: string;
  readonly port: number;
}

/** Options of {@linkcode JavaPeer.start}; Tomcat's defaults where nothing is said. Durations are milliseconds. */
export interface JavaPeerOptions {
  /** A name of {@linkcode JAVA_RELEASES}, or a line such as `11.0`. */
  readonly release: string;
  /** Multicast group; without it the peer starts neither side of the membership service (start options 3). */
  readonly group?: MulticastGroup;
  /** Interface of the multicast socket. @default {"127.0.0.1"} */
  readonly mcastBind?: string;
  readonly frequency?: number;
  readonly dropTime?: number;
  /** @default {"127.0.0.1"} */
  readonly address?: string;
  /** TCP port; 0 is any free one. @default {0} */
  readonly port?: number;
  readonly autoBind?: number;
  /** UDP port; 0 is any free one, -1 none. @default {-1} */
  readonly udpPort?: number;
  readonly maxThreads?: number;
  readonly minThreads?: number;
  /** Hex. */
  readonly domain?: string;
  /** Hex. */
  readonly payload?: string;
  /** Hex, 16 bytes. */
  readonly uniqueId?: string;
  readonly startOptions?: number;
  /** Of the sender. */
  readonly timeout?: number;
  readonly maxRetryAttempts?: number;
  readonly throwOnFailedAck?: boolean;
  readonly poolSize?: number;
  readonly heartbeat?: boolean;
  readonly heartbeatSleeptime?: number;
  /**
   * Top of the stack first, each `NAME` or `NAME:key=value,key=value`; the names are Tomcat's classes without
   * `Interceptor`. An empty list is no interceptor at all.
   * @default {["MessageDispatch", "TcpFailureDetector"]}
   */
  readonly interceptors?: readonly string[];
  /**
   * How members are found, where there is no multicast group: by StaticMembershipService, which takes `members`
   * with the peer's own address among them, or by CloudMembershipService.
   */
  readonly service?: "static" | "cloud";
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Members of a `StaticMembership` in the stack: `HOST:PORT` or `HOST:PORT:UNIQUEID-HEX`. */
  readonly members?: readonly string[];
  /** Any other attribute, by `membership.NAME`, `receiver.NAME`, `sender.NAME` or `channel.NAME`. */
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** False leaves out the peer's own interceptor, for the purest bench; messages then have no options. @default {true} */
  readonly recorder?: boolean;
  /** `interop`: small, up to 256 MiB; `bench`: 512 MiB, fixed and touched. @default {"interop"} */
  readonly heap?: "interop" | "bench";
  /** Put before the command, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[];
  readonly jvmArguments?: readonly string[];
}

/** Options of waiting. */
export interface WaitOptions {
  /** @default {15000} */
  readonly timeout?: number;
  /** Leave out events before this place of {@linkcode JavaPeer.events}. @default {0} */
  readonly after?: number;
}

const DEFAULT_TIMEOUT = 15_000;
const START_TIMEOUT = 60_000;
const STDERR_KEPT = 8_000;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

// What a program's class path is made of: parts of Debian's jar names, and artifacts below org.apache.tomcat.
const JARS: Readonly<
  Record<
    JavaProgram,
    { readonly debian: readonly string[]; readonly maven: readonly string[] }
  >
> = {
  TribesPeer: {
    debian: ["tribes", "juli", "util"],
    maven: ["tomcat-tribes", "tomcat-juli", "tomcat-util"],
  },
  TomcatPeer: {
    debian: [
      "catalina",
      "coyote",
      "api",
      "juli",
      "util",
      "util-scan",
      "annotations-api",
      "jaspic-api",
      "servlet-api",
    ],
    maven: ["embed/tomcat-embed-core", "tomcat-annotations-api"],
  },
};

interface Waiter {
  readonly accept: (event: PeerEvent) => boolean;
  readonly resolve: (event: PeerEvent) => void;
  readonly reject: (reason: Error) => void;
}

/** A running Java process with one GroupChannel. */
export class JavaPeer implements AsyncDisposable {
  /** The release that runs, such as `10.1.60`. */
  readonly release: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #events: PeerEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #exited: Promise<void>;
  #failure: Error | undefined;
  #ending = false;
  #stderr = "";
  #tags = 0;
  #ready: ReadyEvent | undefined;

  private constructor(
    release: string,
    child: ChildProcessWithoutNullStreams,
  ) {
    this.release = release;
    this.#child = child;
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
        this.#end(new Error(`Cannot run the Java peer ${release}`, { cause }));
        resolve();
      });
      child.on("close", (status, signal) => {
        const how = signal ?? `status ${status}`;
        const tail = this.#ending ? "" : `\n${this.#stderr}`;
        this.#end(
          new Error(`The Java peer ${release} ended with ${how}${tail}`),
        );
        resolve();
      });
    });
  }

  /**
   * Starts a peer and waits until its channel is up: about 2.5 s with multicast, 0.5 s without.
   *
   * @throws {Error} The release is not on this machine, or the channel did not start.
   */
  static async start(options: JavaPeerOptions): Promise<JavaPeer> {
    const found = await javaRelease(options.release);
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
      "TribesPeer",
      ...peerArguments(options),
    ], { env: { ...process.env, ...options.environment } });
    const peer = new JavaPeer(found.release, child);
    try {
      const first = await peer.waitFor(
        (event) => event.event === "ready" || event.event === "error",
        {
          timeout: START_TIMEOUT,
        },
      );
      if (first.event !== "ready") {
        await peer.exited(); // with the rest of its log
        throw new Error(
          `The Java peer ${found.release} did not start: ${
            describe(first)
          }\n${peer.stderr}`,
        );
      }
      peer.#ready = first;
      return peer;
    } catch (problem) {
      await peer[Symbol.asyncDispose]();
      throw problem;
    }
  }

  /** What the peer told when its channel was up. */
  get ready(): ReadyEvent {
    if (this.#ready === undefined) {
      throw new Error("Cannot read ready: the peer is not up");
    }
    return this.#ready;
  }

  /** The peer's own member as it was at the start. */
  get member(): PeerMember {
    return this.ready.member;
  }

  /** `HOST:PORT` of the receiver, as `to` takes it. */
  get address(): string {
    return memberAddress(this.member);
  }

  /** The process id; with a launcher that forks, Java's own. */
  get pid(): number {
    return this.ready.pid;
  }

  /** Everything that the peer told, in order. Its length now, given as `after`, makes a wait look at new events only. */
  get events(): readonly PeerEvent[] {
    return this.#events;
  }

  /** The last lines that the peer wrote to stderr, Tomcat's log. */
  get stderr(): string {
    return this.#stderr;
  }

  /** True until the process is gone. */
  get running(): boolean {
    return this.#failure === undefined;
  }

  /** Sends a command; what comes of it are events. */
  send(command: PeerCommand): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /**
   * Sends a command and waits for the event of this name that answers it.
   *
   * @throws {Error} The answer is another one, such as `sendFailed` or `error`; ask for these by their name.
   */
  async request<Name extends PeerEvent["event"]>(
    command: PeerCommand,
    name: Name,
    options: WaitOptions = {},
  ): Promise<PeerEventOf<Name>> {
    const tag = command.tag ?? `request-${++this.#tags}`;
    const after = this.#events.length;
    this.send({ ...command, tag });
    // `done` comes first where a command is answered twice, and the failure of an asynchronous send may overtake `sent`.
    const answer = await this.waitFor(
      (event) =>
        event.tag === tag &&
        (event.event === name || event.event === "error" ||
          (event.event === "sendFailed" && event.async === undefined)),
      { after, ...options },
    );
    if (!isNamed(answer, name)) {
      throw new Error(
        `The Java peer ${this.release} answered ${command.command} with ${
          describe(answer)
        }`,
      );
    }
    return answer;
  }

  /**
   * Waits for the first event, past or to come, that the predicate accepts.
   *
   * @throws {Error} After the time, or when the peer died; the text holds the last events and the log's end.
   */
  waitFor(
    predicate: (event: PeerEvent) => boolean,
    options: WaitOptions = {},
  ): Promise<PeerEvent> {
    const { timeout = DEFAULT_TIMEOUT, after = 0 } = options;
    for (let at = after; at < this.#events.length; at++) {
      const event = this.#events[at];
      if (event !== undefined && predicate(event)) {
        return Promise.resolve(event);
      }
    }
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
            `No such event of the Java peer ${this.release} within ${timeout} ms${this.#history()}`,
          ),
        );
      }, timeout);
      this.#waiters.add(waiter);
    });
  }

  /** {@linkcode waitFor} for events of one name, typed. */
  async waitForEvent<Name extends PeerEvent["event"]>(
    name: Name,
    predicate: (event: PeerEventOf<Name>) => boolean = () => true,
    options: WaitOptions = {},
  ): Promise<PeerEventOf<Name>> {
    const event = await this.waitFor(
      (event) => isNamed(event, name) && predicate(event),
      options,
    );
    if (!isNamed(event, name)) {
      throw new TypeError(`Expected ${name}, got ${event.event}`);
    }
    return event;
  }

  /** Waits until the peer knows the member at `HOST:PORT`, or with this unique id in hex. */
  async waitForMember(
    member: string,
    options: WaitOptions = {},
  ): Promise<PeerMember> {
    const added = await this.waitForEvent(
      "memberAdded",
      (event) =>
        event.member.uniqueId === member ||
        memberAddress(event.member) === member,
      options,
    );
    return added.member;
  }

  /** Sends a signal to Java itself; `SIGSTOP` freezes it, `SIGCONT` thaws it, `SIGKILL` is a crash. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#failure !== undefined) return;
    if (signal === "SIGKILL" || signal === "SIGTERM" || signal === "SIGINT") {
      this.#ending = true;
    }
    process.kill(this.#ready?.pid ?? this.#child.pid ?? 0, signal);
  }

  /** Resolves when the process is gone, however it went. */
  exited(): Promise<void> {
    return this.#exited;
  }

  /** Leaves the group cleanly, with the shutdown beacon, and ends; a second call awaits the first. */
  async stop(): Promise<void> {
    if (this.#failure === undefined && !this.#ending) {
      this.#ending = true;
      this.send({ command: "stop" });
    }
    await this.#exited;
  }

  /** Ends the process at once, without a word to its group. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (this.#failure === undefined && this.#child.pid !== undefined) {
      this.#child.kill("SIGKILL");
    }
    await this.#exited;
  }

  #receive(line: string): void {
    if (!line.startsWith('{"event":')) return;
    const event = JSON.parse(line) as PeerEvent; // TribesPeer writes nothing else
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

  #history(): string {
    const last = this.#events.slice(-8).map((event) => `\n  ${describe(event)}`)
      .join("");
    return `; the last of ${this.#events.length} events:${last}\n${this.#stderr}`;
  }
}

/**
 * Finds the jars of a release and compiles the peer for it, once: into a folder named after the source's digest,
 * made apart and renamed, so that two processes may do it at the same time.
 *
 * @param name A key of {@linkcode JAVA_RELEASES}, or a line such as `9.0`.
 * @param program The program to compile.
 * @throws {Error} Java or the jars are missing, or the peer does not compile.
 */
export async function javaRelease(
  name: string,
  program: JavaProgram = "TribesPeer",
): Promise<JavaRelease> {
  const found = locate(name, program);
  if ("missing" in found) throw new Error(found.missing);
  const source = join(ROOT, "test", "support", "java", `${program}.java`);
  const digest = createHash("sha256").update(readFileSync(source)).digest("hex")
    .slice(0, 16);
  const folder = join(ROOT, "build", "java", found.release);
  const classes = join(folder, digest);
  if (!existsSync(classes)) {
    const making = `${classes}.${randomBytes(6).toString("hex")}`;
    mkdirSync(making, { recursive: true });
    try {
      await run(found.javac, [
        "-encoding",
        "UTF-8",
        "-d",
        making,
        "-cp",
        found.jars.join(delimiter),
        source,
      ]);
      renameSync(making, classes);
    } catch (problem) {
      rmSync(making, { recursive: true, force: true });
      // Another process was faster: a folder that is there is whole.
      if (!existsSync(classes)) throw problem;
    }
  }
  return {
    release: found.release,
    java: found.java,
    classPath: [...found.jars, classes].join(delimiter),
  };
}

/**
 * Why the tests that need these releases cannot run here, printed on stderr too; undefined if they can. With
 * `TRIBES_REQUIRE_PEERS=1` always undefined: a missing peer then fails the test that starts it.
 */
export function skipReason(...releases: readonly string[]): string | undefined {
  for (const release of releases) {
    const reason = skipMissing(missingJava(release));
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Why a program cannot run with this release here; undefined if it can. */
export function missingJava(
  release: string,
  program: JavaProgram = "TribesPeer",
): string | undefined {
  const found = locate(release, program);
  return "missing" in found ? found.missing : undefined;
}

/**
 * Decides what a missing peer means: skips aloud, or, with `TRIBES_REQUIRE_PEERS=1`, lets the test run and fail.
 *
 * @param missing What is missing, if anything.
 * @returns The reason for skipping; undefined if the test is to run.
 */
export function skipMissing(missing: string | undefined): string | undefined {
  if (missing === undefined || process.env.TRIBES_REQUIRE_PEERS === "1") {
    return undefined;
  }
  console.warn(`SKIPPED: ${missing}`);
  return missing;
}

/**
 * Options for `node:test` of a test that needs these releases: skips aloud where one is missing, and gives the
 * test the time that starting Java takes.
 *
 * @param timeout Milliseconds for the whole test.
 */
export function needsJava(
  releases: string | readonly string[],
  timeout: number = START_TIMEOUT,
): { skip: boolean; timeout: number } {
  const names = typeof releases === "string" ? [releases] : releases;
  return { skip: skipReason(...names) !== undefined, timeout };
}

/** A group address of its own in 228.0.0.0/8 and a UDP port that was free just now. */
export async function freeGroup(): Promise<MulticastGroup> {
  const address = `228.${randomInt(1, 255)}.${randomInt(1, 255)}.${
    randomInt(1, 255)
  }`;
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "0.0.0.0", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return { address, port };
}

/** A TCP port of 127.0.0.1 that was free just now: for a peer that must be known before it starts. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") {
    throw new Error("The port has no address");
  }
  return address.port;
}

/** `HOST:PORT` of a member, IPv6 in brackets. */
export function memberAddress(member: PeerMember): string {
  const parts = member.host.match(/.{2}/g) ?? [];
  if (parts.length === 4) {
    return `${
      parts.map((part) => Number.parseInt(part, 16)).join(".")
    }:${member.port}`;
  }
  return `[${(member.host.match(/.{4}/g) ?? []).join(":")}]:${member.port}`;
}

function isNamed<Name extends PeerEvent["event"]>(
  event: PeerEvent,
  name: Name,
): event is PeerEvent & PeerEventOf<Name> {
  return event.event === name;
}

function describe(event: PeerEvent): string {
  const text = JSON.stringify(event);
  return text.length > 500 ? `${text.slice(0, 500)}...` : text;
}

function peerArguments(options: JavaPeerOptions): string[] {
  const { group } = options;
  const named: Record<string, string | number | boolean | undefined> = {
    mcastAddress: group?.address,
    mcastPort: group?.port,
    mcastBind: group === undefined
      ? undefined
      : options.mcastBind ?? "127.0.0.1",
    frequency: options.frequency,
    dropTime: options.dropTime,
    address: options.address,
    port: options.port,
    autoBind: options.autoBind,
    udpPort: options.udpPort,
    maxThreads: options.maxThreads,
    minThreads: options.minThreads,
    domain: options.domain,
    payload: options.payload,
    uniqueId: options.uniqueId,
    service: options.service,
    startOptions: options.startOptions ??
      (group === undefined && options.service === undefined ? 3 : 15),
    timeout: options.timeout,
    maxRetryAttempts: options.maxRetryAttempts,
    throwOnFailedAck: options.throwOnFailedAck,
    poolSize: options.poolSize,
    heartbeat: options.heartbeat,
    heartbeatSleeptime: options.heartbeatSleeptime,
    members: options.members?.join(","),
    recorder: options.recorder,
    ...options.attributes,
  };
  const stack = options.interceptors?.length === 0
    ? ["none"]
    : options.interceptors ?? [];
  return [
    ...Object.entries(named).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${value}`]
    ),
    ...stack.map((name) => `interceptor=${name}`),
  ];
}

type Located =
  | {
    readonly release: string;
    readonly java: string;
    readonly javac: string;
    readonly jars: readonly string[];
  }
  | { readonly missing: string };

function locate(name: string, program: JavaProgram): Located {
  const release = name in JAVA_RELEASES
    ? name
    : Object.keys(JAVA_RELEASES).find((key) =>
      JAVA_RELEASES[key]?.line === name
    );
  const source = release === undefined ? undefined : JAVA_RELEASES[release];
  if (release === undefined || source === undefined) {
    throw new RangeError(`Unknown Tomcat release ${name}`);
  }
  if (program === "TomcatPeer" && !CONNECTOR_RELEASES.includes(release)) {
    throw new RangeError(`No connectors of Tomcat release ${name}`);
  }
  const java = findProgram("java");
  const javac = findProgram("javac");
  if (java === undefined || javac === undefined) {
    return { missing: "No Java peer: java and javac are not installed" };
  }
  const repository = join(
    homedir(),
    ".m2",
    "repository",
    "org",
    "apache",
    "tomcat",
  );
  const { debian, maven } = JARS[program];
  const places = [
    debian.map((part) =>
      join("/usr/share/java", `${source.debian}-${part}-${release}.jar`)
    ),
    maven.map((path) =>
      join(
        repository,
        path,
        source.maven,
        `${basename(path)}-${source.maven}.jar`,
      )
    ),
  ];
  const jars = places.find((place) => place.every((jar) => existsSync(jar)));
  if (jars === undefined) {
    return {
      missing:
        `No ${program} ${release}: its jars are missing; .ci/install-peers gets them`,
    };
  }
  return { release, java, javac, jars };
}

function findProgram(name: string): string | undefined {
  const home = process.env.JAVA_HOME;
  const folders = [
    ...(home ? [join(home, "bin")] : []),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return folders.map((folder) => join(folder, name)).find((path) =>
    existsSync(path)
  );
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => errors += text);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (status !== 0) {
    throw new Error(
      `${command} ended with status ${status}\n${errors.slice(0, STDERR_KEPT)}`,
    );
  }
}
