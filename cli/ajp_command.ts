// `tribes ajp`: an application behind a web server, a CPING, one request to a container.
import type { Command } from "commander";
import { STATUS_CODES } from "node:http";
import { AjpClient, type AjpRequestInit } from "../gateway/node.ts";
import { type FileBody, openFileBody } from "./ajp_file_body.ts";
import {
  parseAjpUrl,
  parseHeader,
  parseHostPort,
  parseLatin1,
  parseMethod,
  readInteger,
  readOption,
  readSecret,
} from "./ajp_options.ts";
import { writeBytes } from "./ajp_output.ts";
import { registerAjpServe } from "./ajp_serve_command.ts";
import { type CommandIo, UsageError } from "./command.ts";

const COMMANDS = ["serve", "ping", "request"];
const MAX_TIME = 0x7fff_ffff;

/** Adds the sub-command `ajp`. */
export function registerAjp(program: Command, io: CommandIo): void {
  const ajp = program.command("ajp")
    .description("serve, ping and request with AJP13")
    .argument("[command]")
    .usage("serve|ping|request [options]")
    .action((name?: string) => {
      throw new UsageError(
        `Cannot run ajp ${
          name === undefined ? "without a command" : `command ${name}`
        }: not one of ${COMMANDS.join(", ")}`,
      );
    });
  registerAjpServe(ajp, io);
  ajp.command("ping")
    .description("ask a container whether it is alive, by CPING")
    .argument("<host:port>", "its AJP connector")
    .option("--count <times>", "how often", "1")
    .option("--timeout <ms>", "how long an answer may take", "3000")
    .allowExcessArguments()
    .action((target: string, given: PingArguments) => ping(target, given, io));
  ajp.command("request")
    .description("send one request to a container and write the body")
    .argument("<url>", "ajp://HOST:PORT/PATH?QUERY")
    .option("--method <method>", "GET, or POST with data, without it")
    .option("--header <'k: v'>", "a header; repeatable", collect, [])
    .option("--data <text>", "the request's body")
    .option("--data-file <file>", "a file with the request's body")
    .option("--secret <secret>", "the connector's secret")
    .option("--remote-user <user>", "user that the container is told")
    .option("--include", "write status line and headers, too")
    .allowExcessArguments()
    .action((url: string, given: RequestArguments) => request(url, given, io));
}

function collect(value: string, values: readonly string[]): readonly string[] {
  return [...values, value];
}

interface PingArguments {
  readonly count: string;
  readonly timeout: string;
}

async function ping(
  target: string,
  given: PingArguments,
  io: CommandIo,
): Promise<void> {
  readOption("HOST:PORT", target, parseHostPort);
  const count = readInteger("--count", given.count, 1, MAX_TIME);
  const timeout = readInteger("--timeout", given.timeout, 1, MAX_TIME);
  await using client = new AjpClient(`ajp://${target}`, {
    connectTimeout: timeout,
    pingTimeout: timeout,
  });
  for (let i = 0; i < count; i++) {
    const milliseconds = Math.round(await client.ping() * 1000) / 1000;
    await io.write(`${JSON.stringify({ event: "pong", milliseconds })}\n`);
  }
}

interface RequestArguments {
  readonly method?: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly dataFile?: string;
  readonly secret?: string;
  readonly remoteUser?: string;
  readonly include?: boolean;
}

async function request(
  target: string,
  given: RequestArguments,
  io: CommandIo,
): Promise<void> {
  const url = readOption("URL", target, parseAjpUrl);
  const init = readRequest(given);
  const secret = given.secret === undefined
    ? null
    : readSecret("--secret", given.secret);
  const file = given.dataFile === undefined
    ? undefined
    : await openData(given.dataFile);
  try {
    await using client = new AjpClient(`ajp://${url.host}`, { secret });
    const response = await client.fetch(url, withFile(init, file));
    if (given.include === true) await io.write(formatHead(response));
    for await (const chunk of response.body ?? []) await writeBytes(chunk);
  } finally {
    await file?.close();
  }
}

type RequestInitWithPairs =
  & AjpRequestInit
  & { readonly headers: [name: string, value: string][] };

function readRequest(given: RequestArguments): RequestInitWithPairs {
  const { data, dataFile, remoteUser } = given;
  if (data !== undefined && dataFile !== undefined) {
    throw new UsageError(
      `Cannot use --data-file ${
        JSON.stringify(dataFile)
      }: --data is given, too`,
    );
  }
  const hasBody = data !== undefined || dataFile !== undefined;
  const method = given.method ?? (hasBody ? "POST" : "GET");
  return {
    method: readOption("--method", method, parseMethod),
    headers: given.header.map((text) =>
      readOption("--header", text, parseHeader)
    ),
    ...(data === undefined ? {} : { body: data }),
    ...(remoteUser === undefined ? {} : {
      ajp: { remoteUser: readOption("--remote-user", remoteUser, parseLatin1) },
    }),
  };
}

async function openData(path: string): Promise<FileBody> {
  try {
    return await openFileBody(path);
  } catch (error) {
    return readOption("--data-file", path, () => {
      throw error;
    });
  }
}

function withFile(
  init: RequestInitWithPairs,
  file: FileBody | undefined,
): AjpRequestInit {
  if (file === undefined) return init;
  const { length, stream: body } = file;
  const chosen = init.headers.some(([name]) =>
    /^(content-length|transfer-encoding)$/i.test(name)
  );
  if (chosen || length === undefined) return { ...init, body };
  const headers = [...init.headers, ["content-length", `${length}`] as const];
  return { ...init, headers: headers.map(([k, v]) => [k, v]), body };
}

/** As HTTP has it; Tomcat sends no phrase. */
function formatHead({ status, statusText, headers }: Response): string {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  const phrase = statusText || STATUS_CODES[status] || "";
  return `HTTP/1.1 ${status} ${phrase}\r\n${lines.join("")}\r\n`;
}
