/**
 * A server in a process of its own, whose memory is its own too: options as JSON in the first argument, events as
 * JSON lines on stdout. `memory` on stdin is answered with an event; `stop`, or the end of stdin, ends the process.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import {
  type AjpHandler,
  type AjpServerOptions,
  serveAjp,
} from "../../gateway/node.ts";
import { patternOf } from "../support/ajp_server_front_end.ts";

const PART = patternOf(65_536);

/** Counts and digests what is sent, or gives as many bytes as the query says. */
const application: AjpHandler = async (request) => {
  const bytes = new URL(request.url).searchParams.get("bytes");
  if (bytes !== null) return new Response(streamOf(Number(bytes)));
  const hash = createHash("sha256");
  let length = 0;
  for await (const part of request.body ?? []) {
    hash.update(part);
    length += part.length;
  }
  return new Response(`${length} ${hash.digest("hex")}`);
};

const server = await serveAjp(
  {
    port: 0,
    onError: ({ type, error }) =>
      print({ event: "fault", type, text: error.message }),
    ...JSON.parse(process.argv[2] ?? "{}") as AjpServerOptions, // ajp_server_child.ts wrote it
  },
  application,
);
print({ event: "ready", port: server.address.port });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "stop") break;
  print({ event: "memory", ...memory() });
}
await server.close();
process.exit(0);

/** Resident memory now, and the most that there ever was, in bytes. */
function memory(): { resident: number; peak: number } {
  const status = readFileSync("/proc/self/status", "utf8");
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return { resident: bytes("VmRSS"), peak: bytes("VmHWM") };
}

function streamOf(length: number): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream({
    pull(controller) {
      const part = PART.subarray(0, Math.min(left, PART.length));
      left -= part.length;
      if (part.length > 0) controller.enqueue(part);
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

function print(event: unknown): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
