// The program `tribes`: finds the sub-command, loads its file, runs it. Exit status 2 for wrong
// arguments and 1 for a failure, with one line on stderr; nothing on stdout but results.
import { Command, CommanderError } from "commander";
import process from "node:process";
import {
  type CommandIo,
  OutputClosedError,
  type RegisterCommand,
  UsageError,
} from "./command.ts";
import { processIo } from "./process_io.ts";

/** A sub-command; its file is loaded only when it is used. */
interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<RegisterCommand>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: "node",
    summary: "run a cluster member",
    load: async () => (await import("./node_command.ts")).registerNode,
  },
  {
    name: "decode",
    summary: "show the values that bytes hold",
    load: async () => (await import("./codec_command.ts")).registerDecode,
  },
  {
    name: "encode",
    summary: "make bytes of values",
    load: async () => (await import("./codec_command.ts")).registerEncode,
  },
  {
    name: "ajp",
    summary: "serve, ping and request with AJP13",
    load: async () => (await import("./ajp_command.ts")).registerAjp,
  },
];

/**
 * Runs the program.
 *
 * @param args The arguments behind the program's name.
 * @param io Where it reads and writes.
 * @returns The exit status.
 */
export async function main(
  args: readonly string[],
  io: CommandIo,
): Promise<number> {
  let help = "";
  const program = new Command("tribes")
    .description("tools for Apache Tomcat clusters")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => help += text,
      writeErr: () => {}, // the error is thrown, too
    })
    .helpCommand(true)
    .allowExcessArguments()
    .action(() => {
      throw new UsageError(
        `Cannot run tribes without a command: none of ${commandNames()}`,
      );
    })
    .hook("preAction", refuseExcessArguments);
  try {
    for (const entry of COMMANDS) {
      if (args.includes(entry.name)) (await entry.load())(program, io);
      else program.command(entry.name).description(entry.summary);
    }
    for (const command of program.commands) command.allowExcessArguments();
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof OutputClosedError) return 0;
    if (error instanceof CommanderError && error.exitCode === 0) {
      await io.write(help);
      return 0;
    }
    await io.writeError(`tribes: ${textOf(error)}`);
    return error instanceof UsageError || error instanceof CommanderError
      ? 2
      : 1;
  }
}

/** Refuses them by their value, which commander does not name. */
function refuseExcessArguments(program: Command, command: Command): void {
  const { registeredArguments: known, args } = command;
  const excess = args[known.length];
  if (excess === undefined || known.at(-1)?.variadic === true) return;
  throw new UsageError(
    command === program
      ? `Cannot run command ${excess}: not one of ${commandNames()}`
      : `Cannot use argument ${excess}: ${command.name()} takes ${known.length}`,
  );
}

/** The text of an error as one line. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
}

function commandNames(): string {
  return COMMANDS.map((entry) => entry.name).join(", ");
}

if (import.meta.main) {
  // Everything is written when main ends; standard input may still be open and must not hold us.
  process.exit(await main(process.argv.slice(2), processIo()));
}
