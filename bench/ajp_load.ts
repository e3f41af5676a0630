/**
 * A load generator in a process of its own, for AJP and HTTP alike: requests made beforehand, and as many
 * bytes waited for as the first reply had. It looks at nothing else, so that it takes less of the machine
 * than what it measures.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { AjpClient } from "../gateway/node.ts";
import { decodeHex, encodeHex } from "../protocol/mod.ts";

/** What a bench asks the load generator to do. */
export type LoadCommand = SendRequests | SendStream;

/** Sends one request again and again; connections are kept for the next command to the same port. */
export interface SendRequests {
  readonly command: "requests";
  readonly port: number;
  /** Each with one request at a time. */
  readonly connections: number;
  /** How many to send in all. */
  readonly count: number;
  /** The request, in hex. */
  readonly request: string;
  /** What a reply ends with, in hex. */
  readonly end: string;
}

/** Sends a body up or takes one down, over AJP. */
export interface SendStream {
  readonly command: "upload" | "download";
  readonly port: number;
  readonly secret: string;
  readonly bytes: number;
}

/** What the load generator tells: it is ready, or a command is done. */
export type LoadEvent =
  | { readonly event: "ready"; readonly pid: number }
  | { readonly event: "done"; readonly milliseconds: number };

const PIECE = 65_536;

async function main(): Promise<void> {
  print({ event: "ready", pid: process.pid });
  const kept = new Map<number, LoadConnection[]>();
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as LoadCommand; // of our own parent
    const began = performance.now();
    if (command.command === "requests") await sendRequests(command, kept);
    else await sendStream(command);
    print({ event: "done", milliseconds: performance.now() - began });
  }
  process.exit(0);
}

async function sendRequests(
  { port, connections, count, request, end }: SendRequests,
  kept: Map<number, LoadConnection[]>,
): Promise<void> {
  const open = kept.get(port) ?? [];
  kept.set(port, open);
  while (open.length < connections) {
    open.push(await LoadConnection.open(port, decodeHex(end)));
  }
  const budget = { left: count };
  const bytes = decodeHex(request);
  await Promise.all(
    open.slice(0, connections).map((one) => one.run(bytes, budget)),
  );
}

/** One connection, with one request at a time. */
class LoadConnection {
  readonly #socket: Socket;
  readonly #end: Uint8Array;
  #length: number | undefined; // of each reply, by the first one
  #received = 0;
  #tail: Uint8Array = new Uint8Array();
  #request: Uint8Array = new Uint8Array();
  #budget = { left: 0 };
  #done: { resolve(): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket, end: Uint8Array) {
    this.#socket = socket;
    this.#end = end;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("error", (error) => this.#done?.reject(error));
    socket.on(
      "close",
      () => this.#done?.reject(new Error("The server closed a connection")),
    );
  }

  static open(port: number, end: Uint8Array): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new LoadConnection(socket, end)));
    });
  }

  /** Sends requests until the budget, which connections share, is used up. */
  run(request: Uint8Array, budget: { left: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#request = request;
      this.#budget = budget;
      this.#done = { resolve, reject };
      this.#next();
    });
  }

  #next(): void {
    if (this.#budget.left > 0) {
      this.#budget.left--;
      this.#socket.write(this.#request);
      return;
    }
    this.#done?.resolve();
    this.#done = undefined;
  }

  #take(chunk: Uint8Array): void {
    const { length } = this.#end;
    this.#received += chunk.length;
    const wanted = this.#length;
    if (wanted !== undefined && this.#received < wanted) {
      this.#tail = joined(this.#tail, chunk, length);
      return;
    }
    // The usual reply comes whole, and its end is looked at where it lies.
    const last = chunk.length >= length
      ? chunk
      : joined(this.#tail, chunk, length);
    if (!endsWith(last, this.#end)) {
      if (wanted === undefined) {
        this.#tail = joined(this.#tail, chunk, length);
        return;
      }
      const reply = encodeHex(Uint8Array.from(chunk));
      this.#done?.reject(new Error(`Another reply than the first: ${reply}`));
      return;
    }
    this.#length = this.#received;
    this.#received = 0;
    this.#next();
  }
}

/** The last bytes of both. */
function joined(
  first: Uint8Array,
  second: Uint8Array,
  most: number,
): Uint8Array {
  return Uint8Array.from([...first, ...second.subarray(-most)]).slice(-most);
}

function endsWith(bytes: Uint8Array, end: Uint8Array): boolean {
  const from = bytes.length - end.length;
  for (let i = 0; i < end.length; i++) {
    if (bytes[from + i] !== end[i]) return false;
  }
  return from >= 0;
}

async function sendStream(
  { command, port, secret, bytes }: SendStream,
): Promise<void> {
  await using client = new AjpClient(`ajp://127.0.0.1:${port}`, { secret });
  const response = command === "upload"
    ? await client.fetch("/upload", { method: "POST", body: pieces(bytes) })
    : await client.fetch(`/bytes?size=${bytes}`);
  let received = 0;
  if (command === "upload") received = Number(await response.text());
  else for await (const part of response.body ?? []) received += part.length;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes`);
}

/** A stream of so many bytes. */
export function pieces(bytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      const length = Math.min(left, PIECE);
      left -= length;
      if (length > 0) controller.enqueue(new Uint8Array(length));
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

function print(event: LoadEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

if (import.meta.main) await main(); // below the class that it uses
