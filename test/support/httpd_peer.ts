/**
 * A real Apache httpd with mod_proxy_ajp, mod_jk or mod_proxy_http, on a free port of 127.0.0.1 and with a
 * configuration of its own in a folder of its own:
 *
 * ```ts ignore
 * await using httpd = await HttpdPeer.start({ module: "proxy_ajp", port: 8009, secret: "s3cret" });
 * const response = await fetch(`${httpd.url}/path`);
 * ```
 *
 * What makes httpd talk to the container comes from {@linkcode proxyAjpSnippet}, {@linkcode jkSnippet},
 * {@linkcode workersProperties} and {@linkcode proxyHttpSnippet}, so that a page can print what the tests run.
 *
 * Its logs come to us over a pipe, and "resuming normal operations" there is how we know that it listens: nothing
 * sleeps or polls. httpd ends with the process that started it, however that one ends.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePort, skipMissing } from "./java_peer.ts";

/** How httpd talks to the container. */
export type HttpdModule = "proxy_ajp" | "jk" | "proxy_http";

/** What the snippets say; a directive that is not asked for is not printed. Durations are milliseconds. */
export interface HttpdBackendOptions {
  /** @default {"127.0.0.1"} */
  readonly host?: string;
  /** @default {8009} */
  readonly port?: number;
  /** Requests below this path go to the container. @default {"/"} */
  readonly path?: string;
  /** The connector's secret. */
  readonly secret?: string;
  /** Largest AJP packet in bytes, as on the connector: `ProxyIOBufferSize`, `max_packet_size`. */
  readonly packetSize?: number;
  /** Longest request header line that httpd takes, 8190 where nothing is said: `LimitRequestFieldSize`. */
  readonly requestFieldSize?: number;
  /** `connectiontimeout`, `socket_connect_timeout`. */
  readonly connectTimeout?: number;
  /** Longest silence in a reply: `timeout`, `reply_timeout`. */
  readonly replyTimeout?: number;
  /** CPING before each request, and how long to wait for its answer: `ping`, `ping_mode=A` with `ping_timeout`. */
  readonly ping?: number;
  /** How long mod_proxy leaves a container alone that failed: `retry`, whole seconds. */
  readonly retry?: number;
  /** Attempts of mod_jk, the first included: `retries`. */
  readonly retries?: number;
  /** A connection a request: `disablereuse`, `JkOptions +DisableReuse`. */
  readonly disableReuse?: boolean;
  /** Send each piece of a reply at once: `flushpackets`, `JkOptions +FlushPackets`. */
  readonly flushPackets?: boolean;
  /**
   * Makes mod_proxy_ajp hand the container's Content-Length to the client: `SetEnv ap_trust_cgilike_cl 1`. Without it
   * httpd (from 2.4.59 on) drops that header and answers chunked, and HEAD without a length; the other modules keep it.
   */
  readonly trustContentLength?: boolean;
  /** Other parameters of ProxyPass, or properties of the worker. */
  readonly parameters?: Readonly<Record<string, string | number>>;
}

/** Options of {@linkcode jkSnippet}; the paths are Debian's where nothing is said. */
export interface JkSnippetOptions extends HttpdBackendOptions {
  /** Name of the worker. @default {"tribes"} */
  readonly worker?: string;
  /** @default {"/etc/libapache2-mod-jk/workers.properties"} */
  readonly workersFile?: string;
  /** @default {"/var/log/apache2/jk-runtime-status"} */
  readonly shmFile?: string;
  /** A path, or `|` and a program. @default {"/var/log/apache2/mod_jk.log"} */
  readonly logFile?: string;
  /** @default {"info"} */
  readonly logLevel?: "trace" | "debug" | "info" | "warn" | "error";
  /** Other words of `JkOptions`, such as `+ForwardURIEscaped`. */
  readonly jkOptions?: readonly string[];
}

/** Options of {@linkcode HttpdPeer.start}. */
export interface HttpdPeerOptions extends JkSnippetOptions {
  readonly module: HttpdModule;
  /** The container's port. */
  readonly port: number;
  /** @default {"event"} */
  readonly mpm?: "event" | "prefork";
  /** TLS with a certificate made on the spot, that clients may present too: see {@linkcode HttpdPeer.certificate}. @default {false} */
  readonly tls?: boolean;
  /** In place of the module's snippet: text as a page prints it, with all of its modules if it loads any. */
  readonly snippet?: string;
  /** In place of {@linkcode workersProperties}; `workersFile` then names a path that {@linkcode HttpdPeer} makes. */
  readonly workers?: string;
  /** Lines after everything else, such as `AllowEncodedSlashes NoDecode`. */
  readonly extra?: readonly string[];
  /** Other modules to load, such as `headers`. */
  readonly modules?: readonly string[];
  /** Put before the command, such as `["taskset", "-c", "0"]`. */
  readonly launcher?: readonly string[];
}

/** Options of {@linkcode HttpdPeer.waitForLog}. */
export interface LogWaitOptions {
  /** Milliseconds. @default {15000} */
  readonly timeout?: number;
  /** Leave out this many characters of {@linkcode HttpdPeer.log}. @default {0} */
  readonly after?: number;
}

const PROGRAM = "/usr/sbin/apache2";
const MODULES = "/usr/lib/apache2/modules";
const UP = /resuming normal operations/;
const DEFAULT_TIMEOUT = 15_000;
const START_TIMEOUT = 60_000;
const ATTEMPTS = 3;

// httpd signals its whole process group, so it gets a group of its own (setsid); the shell tells its process id,
// waits for it, and stops it when our end of stdin is closed, by us or by our death.
const SCRIPT = `
exec 3<&0
setsid "$@" &
pid=$!
echo "pid $pid"
{ cat >/dev/null; kill -TERM $pid; } <&3 >/dev/null 2>&1 &
wait $pid
`;

interface LogWaiter {
  readonly look: () => void;
  readonly reject: (reason: Error) => void;
}

/** A running httpd. */
export class HttpdPeer implements AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or `https://`, without a slash at the end. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  readonly #waiters = new Set<LogWaiter>();
  readonly #exited: Promise<void>;
  #failure: Error | undefined;
  #log = "";
  #pid: number | undefined;

  private constructor(
    child: ChildProcessWithoutNullStreams,
    folder: string,
    url: string,
  ) {
    this.#child = child;
    this.#folder = folder;
    this.url = url;
    this.port = Number(new URL(url).port);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        this.#log += text;
        for (const waiter of this.#waiters) waiter.look();
      });
    }
    child.stdin.on("error", () => {}); // the exit says more
    // The shell that waits for the end of stdin would keep it open for as long as we live.
    child.on("exit", () => child.stdin.end());
    this.#exited = new Promise((resolve) => {
      child.on("error", (cause) => {
        this.#end(new Error("Cannot run httpd", { cause }));
        resolve();
      });
      child.on("close", (status, signal) => {
        const how = signal ?? `status ${status}`;
        this.#end(new Error(`httpd ended with ${how}\n${this.#log}`));
        resolve();
      });
    });
  }

  /**
   * Starts httpd and waits until it listens: about 0.1 s.
   *
   * @throws {Error} httpd or a module is missing, or the configuration is wrong; the text holds its log.
   */
  static async start(options: HttpdPeerOptions): Promise<HttpdPeer> {
    const missing = missingHttpd();
    if (missing !== undefined) throw new Error(missing);
    for (let attempt = 1;; attempt++) {
      try {
        return await HttpdPeer.#start(options, await freePort());
      } catch (problem) {
        // Somebody took the free port in between.
        const again = attempt < ATTEMPTS && problem instanceof Error &&
          problem.message.includes("Address already in use");
        if (!again) throw problem;
      }
    }
  }

  static async #start(
    options: HttpdPeerOptions,
    port: number,
  ): Promise<HttpdPeer> {
    const folder = mkdtempSync(join(tmpdir(), "tribes-httpd-"));
    let peer: HttpdPeer | undefined;
    try {
      if (options.tls) await makeCertificate(folder);
      const configuration = join(folder, "httpd.conf");
      writeFileSync(configuration, httpdConfiguration(options, port, folder), {
        mode: 0o600,
      });
      const command = [
        ...options.launcher ?? [],
        PROGRAM,
        "-d",
        folder,
        "-f",
        configuration,
        "-DFOREGROUND",
      ];
      const child = spawn("/bin/sh", ["-c", SCRIPT, "httpd", ...command]);
      const scheme = options.tls ? "https" : "http";
      peer = new HttpdPeer(child, folder, `${scheme}://127.0.0.1:${port}`);
      const [, pid] = await peer.waitForLog(/^pid (\d+)$/m);
      peer.#pid = Number(pid);
      await peer.waitForLog(UP);
      return peer;
    } catch (problem) {
      await peer?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
      throw problem;
    }
  }

  /** Error log, mod_jk's log and whatever httpd wrote to its standard streams, so far. */
  get log(): string {
    return this.#log;
  }

  /** The whole configuration, for failing tests. */
  get configuration(): string {
    return readFileSync(join(this.#folder, "httpd.conf"), "utf8");
  }

  /** The process id of httpd's parent process. */
  get pid(): number {
    if (this.#pid === undefined) {
      throw new Error("Cannot read pid: httpd is not up");
    }
    return this.#pid;
  }

  /** PEM of the server's certificate, self-signed; with {@linkcode key} a client certificate too. Option `tls` only. */
  get certificate(): string {
    return readFileSync(join(this.#folder, "certificate.pem"), "utf8");
  }

  /** PEM of the certificate's private key. Option `tls` only. */
  get key(): string {
    return readFileSync(join(this.#folder, "key.pem"), "utf8");
  }

  /**
   * Restarts httpd and waits until it is up again.
   *
   * @param how `graceful` lets requests in flight finish, `hard` cuts them.
   */
  async restart(how: "graceful" | "hard"): Promise<void> {
    const after = this.#log.length;
    process.kill(this.pid, how === "graceful" ? "SIGUSR1" : "SIGHUP");
    await this.waitForLog(UP, { after });
  }

  /**
   * Waits until the log, past or to come, matches.
   *
   * @throws {Error} After the time, or when httpd ended; the text holds the log.
   */
  waitForLog(
    pattern: RegExp,
    options: LogWaitOptions = {},
  ): Promise<RegExpMatchArray> {
    const { timeout = DEFAULT_TIMEOUT, after = 0 } = options;
    const found = this.#log.slice(after).match(pattern);
    if (found !== null) return Promise.resolve(found);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: LogWaiter = {
        look: () => {
          const found = this.#log.slice(after).match(pattern);
          if (found === null) return;
          done();
          resolve(found);
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      };
      const timer = setTimeout(() => {
        waiter.reject(
          new Error(
            `No ${pattern} in the log of httpd within ${timeout} ms\n${this.#log}`,
          ),
        );
      }, timeout);
      this.#waiters.add(waiter);
    });
  }

  /** Resolves when httpd and its children are gone, however they went. */
  exited(): Promise<void> {
    return this.#exited;
  }

  /** Stops httpd, which cuts requests in flight; a second call awaits the first. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Kills httpd with its children: a crash. */
  kill(): void {
    if (this.#failure !== undefined) return;
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // Gone already: its end is on the way.
    }
  }

  /** Ends httpd and its children at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pid === undefined) this.#child.stdin.end();
    else this.kill();
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #end(reason: Error): void {
    this.#failure ??= reason;
    for (const waiter of this.#waiters) waiter.reject(this.#failure);
    this.#waiters.clear();
  }
}

/** What hands requests to an AJP connector by mod_proxy_ajp. */
export function proxyAjpSnippet(options: HttpdBackendOptions = {}): string {
  const { packetSize, requestFieldSize, trustContentLength = false } = options;
  return lines(
    trustContentLength && "SetEnv ap_trust_cgilike_cl 1",
    packetSize !== undefined && `ProxyIOBufferSize ${packetSize}`,
    requestFieldSize !== undefined &&
      `LimitRequestFieldSize ${requestFieldSize}`,
    proxyPass("ajp", options, options.secret),
  );
}

/** What hands requests to an HTTP server by mod_proxy_http, with the Host header that the client sent. */
export function proxyHttpSnippet(options: HttpdBackendOptions = {}): string {
  const { requestFieldSize } = options;
  return lines(
    requestFieldSize !== undefined &&
      `LimitRequestFieldSize ${requestFieldSize}`,
    "ProxyPreserveHost On",
    proxyPass("http", options),
  );
}

/** What hands requests to the worker of {@linkcode workersProperties} by mod_jk. */
export function jkSnippet(options: JkSnippetOptions = {}): string {
  const {
    worker = "tribes",
    workersFile = "/etc/libapache2-mod-jk/workers.properties",
    shmFile = "/var/log/apache2/jk-runtime-status",
    logFile = "/var/log/apache2/mod_jk.log",
    logLevel = "info",
    requestFieldSize,
    path = "/",
  } = options;
  const words = [
    ...(options.disableReuse ? ["+DisableReuse"] : []),
    ...(options.flushPackets ? ["+FlushPackets"] : []),
    ...options.jkOptions ?? [],
  ];
  return lines(
    `JkWorkersFile "${workersFile}"`,
    `JkShmFile "${shmFile}"`,
    `JkLogFile "${logFile}"`,
    `JkLogLevel ${logLevel}`,
    words.length > 0 && `JkOptions ${words.join(" ")}`,
    requestFieldSize !== undefined &&
      `LimitRequestFieldSize ${requestFieldSize}`,
    `JkMount "${path.endsWith("/") ? path : `${path}/`}*" ${worker}`,
  );
}

/** The `workers.properties` of one ajp13 worker. */
export function workersProperties(options: JkSnippetOptions = {}): string {
  const { worker = "tribes", host = "127.0.0.1", port = 8009 } = options;
  const properties: Record<string, string | number | undefined> = {
    type: "ajp13",
    host,
    port,
    secret: options.secret,
    max_packet_size: options.packetSize,
    socket_connect_timeout: options.connectTimeout,
    reply_timeout: options.replyTimeout,
    ping_mode: options.ping === undefined ? undefined : "A",
    ping_timeout: options.ping,
    retries: options.retries,
    ...options.parameters,
  };
  return lines(
    `worker.list=${worker}`,
    ...Object.entries(properties).map(([name, value]) =>
      value !== undefined && `worker.${worker}.${name}=${value}`
    ),
  );
}

/** Why httpd cannot run here, with the modules that tests use; undefined if it can. */
export function missingHttpd(): string | undefined {
  const files = [
    PROGRAM,
    ...["mod_proxy_ajp", "mod_proxy_http", "mod_jk"].map((name) =>
      join(MODULES, `${name}.so`)
    ),
  ];
  const file = files.find((file) => !existsSync(file));
  return file === undefined
    ? undefined
    : `No httpd: ${file} is missing; .ci/install-peers gets it`;
}

/**
 * Options for `node:test` of a test that needs httpd: skips aloud where it is missing, or, with
 * `TRIBES_REQUIRE_PEERS=1`, lets the test fail.
 *
 * @param timeout Milliseconds for the whole test.
 */
export function needsHttpd(
  timeout: number = START_TIMEOUT,
): { skip: boolean; timeout: number } {
  return { skip: skipMissing(missingHttpd()) !== undefined, timeout };
}

function httpdConfiguration(
  options: HttpdPeerOptions,
  port: number,
  folder: string,
): string {
  const { mpm = "event", tls = false } = options;
  const loaded = [
    `mpm_${mpm}`,
    "authz_core",
    "env",
    // A snippet that loads modules has to load all that it needs.
    ...(options.snippet?.includes("LoadModule ")
      ? []
      : backendModules(options)),
    ...(tls ? ["socache_shmcb", "ssl"] : []),
    ...options.modules ?? [],
  ];
  // Root is not for serving: the children then run as Debian's user, who must reach the folder.
  const root = process.getuid?.() === 0;
  if (root) chmodSync(folder, 0o711);
  mkdirSync(join(folder, "htdocs"));
  const threads = mpm === "event"
    ? "ServerLimit 2\nThreadLimit 128\nThreadsPerChild 128\nStartServers 1\n" +
      "MinSpareThreads 1\nMaxSpareThreads 256\nMaxRequestWorkers 256"
    : "ServerLimit 256\nStartServers 8\nMinSpareServers 8\n" +
      "MaxSpareServers 256\nMaxRequestWorkers 256";
  return lines(
    `ServerRoot "${folder}"`,
    "ServerName 127.0.0.1",
    `Listen 127.0.0.1:${port}`,
    `PidFile "${folder}/httpd.pid"`,
    `DefaultRuntimeDir "${folder}"`,
    "Mutex pthread default",
    'ErrorLog "|/bin/cat"',
    "LogLevel notice",
    root && "User www-data\nGroup www-data",
    ...loaded.map((name) =>
      `LoadModule ${name}_module "${MODULES}/mod_${name}.so"`
    ),
    `DocumentRoot "${folder}/htdocs"`,
    threads,
    "KeepAlive On",
    "MaxKeepAliveRequests 0",
    "KeepAliveTimeout 30",
    "Timeout 60",
    tls &&
      `SSLEngine on\nSSLCertificateFile "${folder}/certificate.pem"\nSSLCertificateKeyFile "${folder}/key.pem"\n` +
        "SSLVerifyClient optional_no_ca\nSSLOptions +StdEnvVars +ExportCertData",
    backendSnippet(options, folder),
    ...options.extra ?? [],
  );
}

function backendModules({ module }: HttpdPeerOptions): string[] {
  return module === "jk" ? ["jk"] : ["proxy", module];
}

function backendSnippet(options: HttpdPeerOptions, folder: string): string {
  // A test starts its container anew and must not wait for httpd's next try.
  const resolved = { retry: 0, ...options };
  if (options.module === "jk") {
    const workersFile = options.workersFile ??
      join(folder, "workers.properties");
    writeFileSync(workersFile, options.workers ?? workersProperties(resolved), {
      mode: 0o600,
    });
    return options.snippet ?? jkSnippet({
      shmFile: join(folder, "jk-runtime-status"),
      logFile: "|/bin/cat",
      ...resolved,
      workersFile,
    });
  }
  return options.snippet ??
    (options.module === "proxy_ajp"
      ? proxyAjpSnippet(resolved)
      : proxyHttpSnippet(resolved));
}

function proxyPass(
  scheme: string,
  options: HttpdBackendOptions,
  secret?: string,
): string {
  const { host = "127.0.0.1", port = 8009, path = "/" } = options;
  const parameters: Record<string, string | number | undefined> = {
    secret,
    connectiontimeout: duration(options.connectTimeout),
    timeout: duration(options.replyTimeout),
    ping: duration(options.ping),
    retry: options.retry === undefined
      ? undefined
      : Math.ceil(options.retry / 1000),
    disablereuse: options.disableReuse ? "On" : undefined,
    flushpackets: options.flushPackets ? "On" : undefined,
    ...options.parameters,
  };
  const words = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`]
  );
  return [`ProxyPass "${path}" "${scheme}://${host}:${port}${path}"`, ...words]
    .join(" ");
}

/** Whole seconds without a unit, as pages print them. */
function duration(milliseconds: number | undefined): string | undefined {
  if (milliseconds === undefined) return undefined;
  return milliseconds % 1000 === 0
    ? `${milliseconds / 1000}`
    : `${milliseconds}ms`;
}

function lines(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false).map((part) =>
    part.endsWith("\n") ? part : `${part}\n`
  ).join("");
}

async function makeCertificate(folder: string): Promise<void> {
  const child = spawn("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=127.0.0.1",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-keyout",
    join(folder, "key.pem"),
    "-out",
    join(folder, "certificate.pem"),
  ], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => errors += text);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (status !== 0) {
    throw new Error(`openssl ended with status ${status}\n${errors}`);
  }
}
