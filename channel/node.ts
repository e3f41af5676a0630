/**
 * The group channel on real sockets, for Deno, Bun and Node.
 *
 * @module
 */
import { NodeTransport } from "../transport/node.ts";
import { GroupChannel, type GroupChannelOptions } from "./group_channel.ts";

/**
 * Makes a group channel on this machine's sockets; it is not started.
 *
 * @param options As of {@linkcode GroupChannel}.
 * @throws {RangeError} For an option that is out of its range.
 * @example A node on the loopback interface that nobody else sees
 * ```ts
 * import { createChannel } from "@tribes/toolkit/channel/node";
 * import assert from "node:assert/strict";
 *
 * await using channel = createChannel({
 *   receiver: { address: "127.0.0.1", port: 0 },
 *   membership: null,
 * });
 * await channel.start();
 * assert.equal(channel.members().length, 0);
 * ```
 */
export function createChannel(options: GroupChannelOptions = {}): GroupChannel {
  return new GroupChannel(new NodeTransport(), options);
}

export { GroupChannel, type GroupChannelOptions } from "./group_channel.ts";
