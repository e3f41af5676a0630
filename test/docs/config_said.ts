// What `tribes node --config server.xml` says of a configuration, without starting a node.
import { configuredNode, parseNodeConfig } from "../../cli/node_config.ts";
import type { NodeArguments } from "../../cli/node_options.ts";
import { MemoryNetwork } from "../../transport/memory.ts";

/** The command's own defaults. */
export const NODE_DEFAULTS: NodeArguments = {
  config: "server.xml",
  address: "auto",
  port: "4000",
  autoBind: "100",
  udpPort: "-1",
  mcastAddress: "228.0.0.4",
  mcastPort: "45564",
  frequency: "500",
  dropTime: "3000",
  mcast: true,
  member: [],
  interceptor: [],
  sendOptions: "use_ack",
  stats: "0",
};

/** What a node is to do by a configuration and some options. */
export function configured(
  xml: string,
  given: Partial<NodeArguments> = {},
): ReturnType<typeof configuredNode> {
  const parsed = parseNodeConfig(
    "server.xml",
    new TextEncoder().encode(xml),
    () => undefined,
  );
  return configuredNode(
    parsed,
    { ...NODE_DEFAULTS, ...given },
    (name) => Object.hasOwn(given, name),
    new MemoryNetwork().transport("10.0.0.1"),
  );
}

/** The lines of text that a terminal shows, without the time; for an error that one alone. */
export function saidOf(xml: string): string[] {
  try {
    return configured(xml).warnings.map(({ code, line, column, message }) =>
      `warning (${code}) at line ${line}, column ${column}: ${message}`
    );
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
