// Joins the cluster of a server.xml and says who comes and goes:
//
//   deno run -A examples/server_xml.ts /opt/tomcat/conf/server.xml
import { readFile } from "node:fs/promises";
import process from "node:process";
import { GroupChannel } from "@tribes/toolkit/channel";
import {
  channelOptionsOf,
  decodeXml,
  parseClusterConfig,
} from "@tribes/toolkit/config";
import { formatMember } from "@tribes/toolkit/protocol";
import { NodeTransport } from "@tribes/toolkit/transport/node";

const text = decodeXml(await readFile(process.argv[2] ?? "server.xml"));
const { config, warnings, places } = parseClusterConfig(text, {
  properties: (name) => process.env[name],
});
for (const { line, message } of warnings) console.warn(`${line}: ${message}`);

const transport = new NodeTransport();
const { options, startLevels } = channelOptionsOf(config, {
  transport,
  places,
  environment: process.env,
});
await using channel = new GroupChannel(transport, {
  ...options,
  onError: (error) => console.error(error.message),
});
channel.addMembershipListener({
  memberAdded: (member) => console.log("came", formatMember(member)),
  memberDisappeared: (member) => console.log("gone", formatMember(member)),
});
const interrupted = new Promise((resolve) => process.once("SIGINT", resolve));
await channel.start(startLevels);
console.log("here", formatMember(channel.localMember()));
await interrupted;
