// `tribes node`: reads the options, runs a node on this machine's sockets, and ends it cleanly.
import type { Command } from "commander";
import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Member } from "../protocol/mod.ts";
import { McastMembership } from "../membership/mod.ts";
import type { ConfigWarning } from "../config/mod.ts";
import { asError } from "../transport/mod.ts";
import { NodeTransport } from "../transport/node.ts";
import { type CommandIo, UsageError } from "./command.ts";
import { readLines } from "./lines.ts";
import { LiveView } from "./live_view.ts";
import { NdjsonOutput } from "./ndjson_output.ts";
import {
  CommandError,
  type NodeCommand,
  parseCommand,
} from "./node_commands.ts";
import type { NodeOutput } from "./node_events.ts";
import {
  type NodeArguments,
  type NodeOptions,
  parseNodeOptions,
} from "./node_options.ts";
import { configuredNode, parseNodeConfig } from "./node_config.ts";
import { ReferenceNode } from "./reference_node.ts";
import { TextOutput } from "./text_output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** How many commands run at the same time before the next line is read. */
const MAX_RUNNING = 256;

/** Adds the sub-command `node`. */
export function registerNode(program: Command, io: CommandIo): void {
  program.command("node")
    .description("run a cluster member")
    .option("--config <file>", "a server.xml; options beside it win")
    .option("--generation <release>", "Tomcat release whose bytes are written")
    .option("--address <address>", "address to bind and advertise", "auto")
    .option("--port <port>", "receiver's port; 0 takes any free one", "4000")
    .option("--auto-bind <tries>", "how many ports are tried", "100")
    .option("--udp-port <port>", "UDP receiver's port; -1 for none", "-1")
    .option("--mcast-address <address>", "multicast group", "228.0.0.4")
    .option("--mcast-port <port>", "multicast port", "45564")
    .option("--mcast-bind <address>", "interface for multicast")
    .option("--mcast-ttl <hops>", "time to live of beacons")
    .option("--frequency <ms>", "time between beacons", "500")
    .option("--drop-time <ms>", "silence after which a member is gone", "3000")
    .option("--no-mcast", "no multicast")
    .option(
      "--member <host:port[/id]>",
      "a static member; repeatable",
      collect,
      [],
    )
    .option("--unique-id <hex>", "16 bytes; random without it")
    .option("--domain <text>", "domain in the beacon")
    .option("--payload <text>", "payload in the beacon")
    .option(
      "--interceptor <name[:key=value,...]>",
      "a layer, top first; repeatable; replaces the default stack",
      collect,
      [],
    )
    .option("--send-options <options>", "number or names", "use_ack")
    .option("--output <form>", "text or ndjson")
    .option("--stats <seconds>", "interval of stats events; 0 for none", "0")
    .option("--show-ids", "show session ids and principals")
    .option("--show-messages", "show messages of session replication, too")
    .allowExcessArguments(false)
    .action(async (given: NodeArguments, command: Command) => {
      const { options, warnings } = await readOptions(
        given,
        (name) => command.getOptionValueSource(name) === "cli",
      );
      await runNode(options, warnings, io);
    });
}

function collect(value: string, values: readonly string[]): readonly string[] {
  return [...values, value];
}

/** What the node is to do, and what its configuration asks to be said. */
interface ReadOptions {
  readonly options: NodeOptions;
  readonly warnings: readonly ConfigWarning[];
}

async function readOptions(
  given: NodeArguments,
  isGiven: (name: keyof NodeArguments) => boolean,
): Promise<ReadOptions> {
  try {
    if (given.config === undefined) {
      return { options: parseNodeOptions(given), warnings: [] };
    }
    const parsed = parseNodeConfig(
      given.config,
      await readConfig(given.config),
      (name) => process.env[name],
    );
    return configuredNode(
      parsed,
      given,
      isGiven,
      new NodeTransport(),
      process.env,
    );
  } catch (error) {
    throw new UsageError(asError(error).message);
  }
}

async function readConfig(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(
      `Cannot use --config ${JSON.stringify(file)}: ${asError(error).message}`,
    );
  }
}

async function runNode(
  options: NodeOptions,
  warnings: readonly ConfigWarning[],
  io: CommandIo,
): Promise<void> {
  const transport = new NodeTransport();
  const membership = options.mcast === undefined
    ? undefined
    : new McastMembership(transport, options.mcast);
  const stop = Promise.withResolvers<void>();
  const view = {
    members: () => node.channel.members(),
    silence: (member: Member) => {
      const heard = membership?.lastHeard(member);
      return heard === undefined ? undefined : transport.clock.now() - heard;
    },
    totals: () => node.totals,
  };
  const output = outputOf(options, io, () => new LiveView(view), stop.reject);
  const node: ReferenceNode = new ReferenceNode(
    transport,
    options,
    options.service ?? membership,
    output,
  );
  for (const warning of warnings) node.warn(warning);
  for (const signal of SIGNALS) process.on(signal, () => stop.resolve());
  try {
    await node.start();
    const stats = options.statsSeconds > 0
      ? setInterval(() => node.showStats(), options.statsSeconds * 1000)
      : undefined;
    // Reading goes on until the node stops; the end of the input does not stop it.
    readCommands(io.input, node).then((stopped) => {
      if (stopped) stop.resolve();
    }, stop.reject);
    try {
      await stop.promise;
    } finally {
      clearInterval(stats);
      await node.stop();
    }
  } finally {
    await output.flush();
  }
}

/** Runs commands until one says stop, or the input ends; true for the first. */
async function readCommands(
  input: AsyncIterable<Uint8Array>,
  node: ReferenceNode,
): Promise<boolean> {
  const running = new Set<Promise<void>>();
  for await (const lines of readLines(input)) {
    for (const line of lines) {
      const command = line.type === "text"
        ? readCommand(line.text, node)
        : refuse(
          new CommandError(`Cannot read the line: ${line.reason}`, undefined),
          node,
        );
      if (command === undefined) continue;
      if (command.command === "stop") return true;
      const run = node.run(command).finally(() => running.delete(run));
      running.add(run);
      if (running.size >= MAX_RUNNING) await Promise.race(running);
    }
  }
  return false;
}

function readCommand(
  text: string,
  node: ReferenceNode,
): NodeCommand | undefined {
  try {
    return parseCommand(text);
  } catch (error) {
    if (error instanceof CommandError) return refuse(error, node);
    throw error;
  }
}

function refuse(error: CommandError, node: ReferenceNode): undefined {
  node.refuse(error);
  return undefined;
}

function outputOf(
  options: NodeOptions,
  io: CommandIo,
  live: () => NodeOutput,
  closed: (error: Error) => void,
): NodeOutput {
  const form = options.output ?? (isTerminal() ? "text" : "ndjson");
  if (form === "ndjson") return new NdjsonOutput(io.write, closed);
  if (isTerminal()) return live();
  return new TextOutput((text) => io.write(text).catch(closed));
}

function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}
