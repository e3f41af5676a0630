/**
 * What the AJP benches measure, in a process of its own: our AJP server, or the runtime's own HTTP server,
 * with one and the same handler. `ajp` or `http` says which.
 *
 * | page | answer |
 * |---|---|
 * | `/upload` | reads the body to its end, answers with its length |
 * | `/bytes?size=N` | a stream of N bytes |
 * | any other | `ignored`, as the page `/ignore` of the Tomcat peer |
 *
 * @module
 */
import process from "node:process";
import { serveAjp } from "../gateway/node.ts";
import { SECRET } from "./ajp_corpus.ts";
import { pieces } from "./ajp_load.ts";

/** What a server tells when it listens. */
export interface ServerEvent {
  readonly event: "ready";
  readonly pid: number;
  readonly port: number;
}

async function main(): Promise<void> {
  const port = process.argv.includes("http") ? serveHttp() : await serveOurs();
  const event: ServerEvent = { event: "ready", pid: process.pid, port };
  process.stdout.write(`${JSON.stringify(event)}\n`);
  process.stdin.on("end", () => process.exit(0)).resume();
}

async function serveOurs(): Promise<number> {
  const { address } = await serveAjp({ port: 0, secret: SECRET }, handle);
  return address.port;
}

/** The servers that runtimes bring along, as far as they are used here. */
interface Runtime {
  readonly Deno?: {
    serve(
      options: { hostname: string; port: number; onListen(): void },
      handler: typeof handle,
    ): { readonly addr: { readonly port: number } };
  };
  readonly Bun?: {
    serve(
      options: { hostname: string; port: number; fetch: typeof handle },
    ): { readonly port: number };
  };
}

function serveHttp(): number {
  const { Deno, Bun } = globalThis as Runtime;
  const at = { hostname: "127.0.0.1", port: 0 };
  if (Bun !== undefined) return Bun.serve({ ...at, fetch: handle }).port;
  if (Deno === undefined) throw new Error("This runtime has no HTTP server");
  return Deno.serve({ ...at, onListen() {} }, handle).addr.port;
}

const TEXT: ResponseInit = { headers: { "content-type": "text/plain" } };

function handle(request: Request): Response | Promise<Response> {
  const { url } = request;
  if (url.endsWith("/ignore")) return new Response("ignored", TEXT);
  const { pathname, searchParams } = new URL(url);
  return pathname === "/upload"
    ? upload(request)
    : new Response(pieces(Number(searchParams.get("size"))));
}

async function upload(request: Request): Promise<Response> {
  let received = 0;
  for await (const part of request.body ?? []) received += part.length;
  return new Response(String(received));
}

if (import.meta.main) await main();
