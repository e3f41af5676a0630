// AJP over sockets: our server against Tomcat's AJP connector, behind httpd against the runtime's own HTTP
// server, and memory while a body streams. What is compared runs in the same round, one after another,
// between processes that are warm; one load generator serves all of it.
import { readFileSync } from "node:fs";
import { encodeForwardRequest, encodeHex } from "../protocol/mod.ts";
import {
  type HttpdModule,
  HttpdPeer,
  missingHttpd,
} from "../test/support/httpd_peer.ts";
import { TomcatPeer } from "../test/support/tomcat_peer.ts";
import {
  BROWSER_HEADERS,
  sampleRequest,
  SECRET,
  SMALL_HEADERS,
} from "./ajp_corpus.ts";
import type { LoadEvent, SendRequests } from "./ajp_load.ts";
import { BenchProcess, launcher } from "./ajp_process.ts";
import type { ServerEvent } from "./ajp_server.ts";
import type { Effort } from "./codec.ts";
import { canPin } from "./nodes.ts";
import { processorMicros, residentBytes } from "./process_usage.ts";
import type { Result } from "./report.ts";

/** What a run of the AJP benches needs besides its effort. */
export interface AjpTrafficOptions {
  /** The release of Tomcat; without it only our own server is measured. */
  readonly release?: string | undefined;
  /** Part of the requests, for a quick look. */
  readonly share: number;
  /** Runtime flags of our server, for profiles. */
  readonly receiverFlags: readonly string[];
}

const CONNECTIONS = 32;
const WARM_UP = 20_000; // requests, of each
const REQUESTS = 40_000;
const STREAM = 256 * 2 ** 20;
const END_RESPONSE = "414200020501";

/** Our server or what it is compared with. */
interface Target {
  readonly pid: number;
  readonly load: Omit<SendRequests, "count">;
}

interface Measured {
  readonly perSecond: number;
  /** Processor time a request, of the load generator and of the server; httpd's is in neither. */
  readonly loadMicros: number;
  readonly serverMicros: number;
}

/** A GET over 32 connections: our server against Tomcat's AJP connector, in requests a second. */
export async function runAjpRates(
  effort: Effort,
  options: AjpTrafficOptions,
): Promise<Result[]> {
  const results: Result[] = [];
  const places = [
    { place: "", pinned: false },
    ...(canPin() ? [{ place: "-pinned", pinned: true }] : []),
  ];
  for (const { place, pinned } of places) {
    const wanted = [
      { name: `ajp/get-small/32${place}`, headers: SMALL_HEADERS },
      { name: `ajp/get-browser/32${place}`, headers: BROWSER_HEADERS },
    ].filter(({ name }) => effort.wants(name));
    if (wanted.length === 0) continue;
    await using load = await startLoad(pinned ? 1 : undefined);
    await using ours = await startServer(
      "ajp",
      pinned ? 0 : undefined,
      options.receiverFlags,
    );
    await using tomcat = options.release === undefined
      ? undefined
      : await TomcatPeer.start({
        release: options.release,
        secret: SECRET,
        heap: "bench",
        launcher: launcher(pinned ? 0 : undefined),
      });
    for (const { name, headers } of wanted) {
      const request = encodeHex(
        encodeForwardRequest(sampleRequest("/ignore", headers, SECRET)),
      );
      const target = ({ pid, port }: { pid: number; port: number }) => ({
        pid,
        load: ajpLoad(port, request),
      });
      const measured = await alternate(
        name,
        load,
        target(ours.ready),
        tomcat && target({ pid: tomcat.pid, port: tomcat.ajpPort }),
        effort,
        options.share,
      );
      results.push(
        ...ratesOf(name, "Tomcat AJP", measured, pinned ? undefined : 2),
      );
    }
  }
  return results;
}

/** The same through httpd: AJP to our server, against HTTP to the server that the runtime brings along. */
export async function runAjpHttpd(
  effort: Effort,
  options: AjpTrafficOptions,
): Promise<Result[]> {
  const wanted = (["proxy_ajp", "jk"] as const)
    .map((module) => ({ module, name: `ajp/httpd-${module}/32` }))
    .filter(({ name }) => effort.wants(name));
  if (wanted.length === 0 || missingHttpd() !== undefined) return [];
  await using load = await startLoad();
  await using ours = await startServer("ajp", undefined, options.receiverFlags);
  await using http = await startServer("http");
  await using plain = await startHttpd("proxy_http", http.ready.port);
  const results: Result[] = [];
  for (const { module, name } of wanted) {
    await using httpd = await startHttpd(module, ours.ready.port);
    const measured = await alternate(
      name,
      load,
      { pid: ours.ready.pid, load: httpLoad(httpd.port, module) },
      { pid: http.ready.pid, load: httpLoad(plain.port, "proxy_http") },
      effort,
      options.share,
    );
    results.push(...ratesOf(name, "httpd to HTTP", measured, 1));
  }
  return results;
}

/** How much the server's memory grows at most while a body of 256 MiB goes up, and another down. */
export async function runAjpMemory(
  effort: Effort,
  { share, receiverFlags }: AjpTrafficOptions,
): Promise<Result[]> {
  const results: Result[] = [];
  const bytes = share < 1 ? STREAM / 4 : STREAM;
  for (const command of ["upload", "download"] as const) {
    const name = `ajp/memory/${command}-${bytes / 2 ** 20}`;
    if (!effort.wants(name)) continue;
    const ours: number[] = [];
    for (let round = 0; round < Math.min(effort.rounds, 3); round++) {
      effort.tell(`${name} (round ${round + 1})`);
      await using load = await startLoad();
      await using server = await startServer("ajp", undefined, receiverFlags);
      const { pid, port } = server.ready;
      const before = residentBytes(pid);
      await load.request({ command, port, secret: SECRET, bytes });
      ours.push((peakResidentBytes(pid) - before) / 2 ** 20);
    }
    results.push({ name, unit: "MiB", ours });
  }
  return results;
}

/** Rounds of one after the other; the order changes with each. Both are warmed up before. */
async function alternate(
  name: string,
  load: BenchProcess<LoadEvent>,
  ours: Target,
  theirs: Target | undefined,
  effort: Effort,
  share: number,
): Promise<{ ours: Measured[]; theirs: Measured[] }> {
  const measured = { ours: [] as Measured[], theirs: [] as Measured[] };
  const count = Math.max(2000, REQUESTS * share);
  for (let round = -1; round < effort.rounds; round++) {
    effort.tell(`${name} (${round < 0 ? "warm-up" : `round ${round + 1}`})`);
    const turn = async (target: Target | undefined, figures: Measured[]) => {
      if (target === undefined) return;
      const requests = round < 0 ? Math.max(WARM_UP, count) : count;
      const figure = await measure(load, target, requests);
      if (round >= 0) figures.push(figure);
    };
    if (round % 2 === 0) await turn(ours, measured.ours);
    await turn(theirs, measured.theirs);
    if (round % 2 !== 0) await turn(ours, measured.ours);
  }
  return measured;
}

async function measure(
  load: BenchProcess<LoadEvent>,
  target: Target,
  count: number,
): Promise<Measured> {
  const before = [
    processorMicros(load.ready.pid),
    processorMicros(target.pid),
  ] as const;
  const done = await load.request({ ...target.load, count });
  if (done.event !== "done") throw new Error(`No result: ${done.event}`);
  return {
    perSecond: count / done.milliseconds * 1000,
    loadMicros: (processorMicros(load.ready.pid) - before[0]) / count,
    serverMicros: (processorMicros(target.pid) - before[1]) / count,
  };
}

/** The rate, and the server's processor time, which other work on the machine hardly changes. */
function ratesOf(
  name: string,
  against: string,
  { ours, theirs }: { ours: Measured[]; theirs: Measured[] },
  goal: number | undefined,
): Result[] {
  const of = (figures: Measured[], figure: keyof Measured) =>
    figures.length === 0 ? undefined : figures.map((each) => each[figure]);
  return [
    {
      name,
      unit: "req/s",
      ours: of(ours, "perSecond") ?? [],
      against,
      theirs: of(theirs, "perSecond"),
      senderMicros: of(ours, "loadMicros"),
      receiverMicros: of(ours, "serverMicros"),
      goal,
    },
    {
      name: `${name}/cpu`,
      unit: "us",
      ours: of(ours, "serverMicros") ?? [],
      against: `${against}, its server`,
      theirs: of(theirs, "serverMicros"),
      limit: true,
    },
  ];
}

function startLoad(core?: number): Promise<BenchProcess<LoadEvent>> {
  return BenchProcess.start("./ajp_load.ts", { core });
}

function startServer(
  what: "ajp" | "http",
  core?: number,
  flags: readonly string[] = [],
): Promise<BenchProcess<ServerEvent>> {
  return BenchProcess.start("./ajp_server.ts", {
    core,
    flags,
    arguments: [what],
  });
}

function startHttpd(module: HttpdModule, port: number): Promise<HttpdPeer> {
  return HttpdPeer.start({
    module,
    port,
    ...(module === "proxy_http" ? {} : { secret: SECRET }),
  });
}

function ajpLoad(port: number, request: string): Target["load"] {
  return {
    command: "requests",
    port,
    connections: CONNECTIONS,
    request,
    end: END_RESPONSE,
  };
}

function httpLoad(port: number, module: HttpdModule): Target["load"] {
  const hex = (text: string) => encodeHex(new TextEncoder().encode(text));
  const lines = SMALL_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`);
  // mod_proxy_ajp keeps the content-length from the client and answers in chunks.
  const end = module === "proxy_ajp"
    ? "ignored\r\n0\r\n\r\n"
    : "\r\n\r\nignored";
  return {
    command: "requests",
    port,
    connections: CONNECTIONS,
    request: hex(`GET /ignore HTTP/1.1\r\n${lines.join("")}\r\n`),
    end: hex(end),
  };
}

/** Greatest resident memory so far, in bytes; NaN where the system does not tell. */
function peakResidentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) * 1024;
  } catch {
    return NaN;
  }
}
