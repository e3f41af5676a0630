/**
 * One node of ours as a process of its own, to be killed and frozen: options as JSON in the first argument,
 * events as JSON lines on stdout. `stop` on stdin, or its end, leaves the group cleanly.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { OurNode, type OurNodeOptions } from "./interop_channel.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as OurNodeOptions; // interop_child.ts wrote it
const node = await OurNode.start(options);
print({ event: "ready", member: node.member });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "stop") break;
}
await node.channel.stop();
print({ event: "stopped" });
process.exit(0);

function print(event: unknown): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
