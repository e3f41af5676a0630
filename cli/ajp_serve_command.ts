// `tribes ajp serve`: an application behind a web server, until a signal ends it.
import type { Command } from "commander";
import { isIP } from "node:net";
import process from "node:process";
import { serveAjp } from "../gateway/node.ts";
import { describeRequest, loadApplication } from "./ajp_application.ts";
import { readInteger, readOption, readSecret } from "./ajp_options.ts";
import { type CommandIo, UsageError } from "./command.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Adds the sub-command `serve`. */
export function registerAjpServe(ajp: Command, io: CommandIo): void {
  ajp.command("serve")
    .description("serve an application to a web server such as Apache httpd")
    .option("--host <address>", "address to bind", "127.0.0.1")
    .option("--port <port>", "port; 0 takes any free one", "8009")
    .option("--secret <secret>", "what the web server has to know")
    .option("--no-secret", "let everybody in who can connect")
    .option(
      "--packet-size <bytes>",
      "8192 to 65536, as configured there",
      "8192",
    )
    .option(
      "--allowed-request-attributes <regex>",
      "names of further request attributes that are let in",
    )
    .option("--app <file>", "module whose default export has fetch()")
    .allowExcessArguments()
    .action((given: ServeArguments) => serve(given, io));
}

interface ServeArguments {
  readonly host: string;
  readonly port: string;
  readonly secret?: string | boolean;
  readonly packetSize: string;
  readonly allowedRequestAttributes?: string;
  readonly app?: string;
}

async function serve(given: ServeArguments, io: CommandIo): Promise<void> {
  const options = {
    address: readOption("--host", given.host, parseAddress),
    port: readInteger("--port", given.port, 0, 65_535),
    secret: secretOf(given.secret),
    packetSize: readInteger("--packet-size", given.packetSize, 8192, 65_536),
    ...(given.allowedRequestAttributes === undefined ? {} : {
      allowedRequestAttributesPattern: readOption(
        "--allowed-request-attributes",
        given.allowedRequestAttributes,
        (text) => new RegExp(text),
      ),
    }),
    onError: ({ error }: { readonly error: Error }) =>
      void io.writeError(`tribes: ${error.message}`),
  };
  const handler = given.app === undefined
    ? describeRequest
    : await loadApplication(given.app);
  const stop = Promise.withResolvers<void>();
  for (const signal of SIGNALS) process.on(signal, () => stop.resolve());
  const server = await serveAjp(options, handler);
  try {
    const { hostname, port } = server.address;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    const ready = { event: "ready", address: `${host}:${port}` };
    await io.write(`${JSON.stringify(ready)}\n`);
    await stop.promise;
  } finally {
    await server.close();
  }
}

function secretOf(given: string | boolean | undefined): string | null {
  if (given === false) return null;
  if (typeof given === "string") {
    return readSecret("--secret", given, /^[\x21-\x7e]+$/, "printable ASCII");
  }
  throw new UsageError(
    "Cannot serve without --secret: give one, or --no-secret to let everybody in",
  );
}

function parseAddress(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new RangeError("not an IP address");
}
