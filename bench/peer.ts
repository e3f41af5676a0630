/**
 * One of our nodes in a process of its own: a GroupChannel with the default stack and without
 * multicast, driven by JSON lines as the Java peer is, and a raw TCP echo to compare round trips with.
 *
 * @module
 */
import {
  type AddressInfo,
  connect,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { createChannel, type GroupChannel } from "../channel/node.ts";
import { encodeHost } from "../protocol/tribes/host.ts";
import { createMember, type Member } from "../protocol/tribes/member.ts";

/** What a bench asks one of our nodes to do. */
export type NodeCommand =
  | { readonly command: "expect"; readonly count: number }
  | SendSequence
  | {
    readonly command: "rawPing";
    readonly port: number;
    readonly count: number;
    readonly size: number;
  }
  | { readonly command: "stop" };

/** Sends messages of one size to one member; answered by `sentSequence`. */
export interface SendSequence {
  readonly command: "sendSequence";
  /** `HOST:PORT`. */
  readonly to: string;
  readonly count: number;
  readonly size: number;
  readonly options: number;
  /** Greatest number of messages that are not done. */
  readonly window: number;
  /** Number of messages that are sent at a time, when so many are done. */
  readonly burst: number;
  /** Measure each send; needs a window of 1. */
  readonly latency?: boolean;
}

/** What a node of ours tells. */
export type NodeEvent =
  | {
    readonly event: "ready";
    readonly address: string;
    readonly rawPort: number;
    readonly pid: number;
    readonly runtime: string;
  }
  | {
    readonly event: "expected" | "sentSequence";
    readonly milliseconds: number;
    readonly p50Micros?: number;
  }
  | {
    readonly event: "rawPinged";
    readonly milliseconds: number;
    readonly p50Micros: number;
  }
  | { readonly event: "done" | "stopped" };

async function main(): Promise<void> {
  const channel = createChannel({
    receiver: { address: "127.0.0.1", port: 0 },
    membership: null,
    onError: (error) => console.error(error.message),
  });
  const counter = new Counter();
  channel.addChannelListener(counter);
  await channel.start();
  const echo = await startEcho();
  print({
    event: "ready",
    address: `127.0.0.1:${channel.localMember().port}`,
    rawPort: (echo.address() as AddressInfo).port, // of a listening TCP server
    pid: process.pid,
    runtime: runtimeName(),
  });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as NodeCommand; // of our own parent
    if (command.command === "stop") break;
    await obey(command, channel, counter);
  }
  echo.close();
  await channel.stop();
  print({ event: "stopped" });
  process.exit(0);
}

/** Name and version of the runtime. */
export function runtimeName(): string {
  const { deno, bun, node } = process.versions as Record<
    string,
    string | undefined
  >;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
}

async function obey(
  command: NodeCommand,
  channel: GroupChannel,
  counter: Counter,
): Promise<void> {
  switch (command.command) {
    case "expect":
      counter.expect(command.count);
      return print({ event: "done" });
    case "sendSequence":
      return print(await sendSequence(channel, command));
    case "rawPing":
      return print(await rawPing(command));
  }
}

/** Counts messages, as the Java peer's listener does in a bench. */
class Counter {
  #left = 0;
  #first = 0;
  #bytes = 0;

  expect(count: number): void {
    this.#left = count;
    this.#first = 0;
    this.#bytes = 0;
  }

  messageReceived(message: { readonly message: Uint8Array }): void {
    this.#bytes += message.message.length;
    if (this.#first === 0) this.#first = performance.now();
    if (--this.#left !== 0) return;
    const milliseconds = performance.now() - this.#first;
    print({ event: "expected", milliseconds });
  }
}

async function sendSequence(
  channel: GroupChannel,
  command: SendSequence,
): Promise<NodeEvent> {
  const { count, size, options, window, burst } = command;
  const destination = [memberAt(command.to)];
  const message = Uint8Array.from({ length: size }, (_, i) => i);
  const sendOptions = { options };
  if (command.latency === true) {
    const send = () => channel.send(destination, message, sendOptions);
    return { event: "sentSequence", ...await measureEach(count, send) };
  }
  // Who sends with a window waits for the message that is a window behind.
  const pending: Promise<unknown>[] = new Array(window);
  const began = performance.now();
  for (let i = 0; i < count; i++) {
    if (i >= window && i % burst === 0) {
      await pending[(i + burst - 1) % window];
    }
    pending[i % window] = channel.send(destination, message, sendOptions);
  }
  await Promise.all(pending);
  return { event: "sentSequence", milliseconds: performance.now() - began };
}

async function rawPing(
  { port, count, size }: Extract<NodeCommand, { command: "rawPing" }>,
): Promise<NodeEvent> {
  const socket: Socket = connect({ host: "127.0.0.1", port });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.setNoDelay(true);
  let missing = 0;
  let arrived = () => {};
  socket.on("data", (chunk) => {
    missing -= chunk.length;
    if (missing === 0) arrived();
  });
  const ping = new Uint8Array(size);
  const result = await measureEach(count, () => {
    missing = size;
    return new Promise<void>((resolve) => {
      arrived = resolve;
      socket.write(ping);
    });
  });
  socket.destroy();
  return { event: "rawPinged", ...result };
}

async function measureEach(
  count: number,
  send: () => Promise<unknown>,
): Promise<{ milliseconds: number; p50Micros: number }> {
  const times = new Float64Array(count);
  const began = performance.now();
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await send();
    times[i] = performance.now() - from;
  }
  const milliseconds = performance.now() - began;
  times.sort();
  return { milliseconds, p50Micros: times[count >> 1]! * 1000 }; // count is above 0
}

function startEcho(): Promise<Server> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("data", (chunk) => void socket.write(chunk));
    socket.on("error", () => {});
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

function memberAt(address: string): Member {
  const colon = address.lastIndexOf(":");
  return createMember({
    host: encodeHost(address.slice(0, colon)),
    port: Number(address.slice(colon + 1)),
  });
}

function print(event: NodeEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

if (import.meta.main) await main(); // below the classes that it uses
