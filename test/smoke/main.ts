// A smoke test for Node: everything is imported, and one message goes through two channels.
import assert from "node:assert/strict";
import process from "node:process";
import * as toolkit from "../../mod.ts";
import { createChannel } from "../../channel/node.ts";

const received = Promise.withResolvers<string>();
const a = createChannel({
  receiver: { address: "127.0.0.1", port: 0 },
  membership: null,
});
const b = createChannel({
  receiver: { address: "127.0.0.1", port: 0 },
  membership: null,
});
b.addChannelListener({
  messageReceived: ({ message }) =>
    received.resolve(new TextDecoder().decode(message)),
});
await Promise.all([a.start(), b.start()]);
await a.send([b.localMember()], new TextEncoder().encode("smoke"), {
  options: toolkit.SEND_OPTIONS_USE_ACK | toolkit.SEND_OPTIONS_SYNCHRONIZED_ACK,
});
assert.equal(await received.promise, "smoke");
await Promise.all([a.stop(), b.stop()]);
console.log(
  `Node ${process.version}: one message sent, acknowledged and received`,
);
