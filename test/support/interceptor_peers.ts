/**
 * A real Tribes peer and a node of ours with the same interceptors, written once as Tomcat's configuration has
 * them. They know each other's address and no more: there is no membership, so that nothing but the interceptors
 * sends messages.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { makeInterceptor } from "../../channel/interceptor_registry.ts";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { parseInterceptor } from "../../cli/node_options.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { parseGeneration } from "../../protocol/generation.ts";
import { createMember, type Member } from "../../protocol/tribes/member.ts";
import { OurNode, sha256 } from "./interop_channel.ts";
import { JavaPeer, type MessageEvent, type SentEvent } from "./java_peer.ts";

/** The key of all encrypting peers. */
export const KEY = "1112131415161718191a1b1c1d1e1f20";

type Keep = <Kept extends AsyncDisposable>(kept: Kept) => Kept;

/** The interceptors of a release, made from their configuration. */
export function ourInterceptors(
  release: string,
  stack: readonly string[],
): ChannelInterceptor[] {
  return stack.map((text) => {
    const { name, attributes } = parseInterceptor(text);
    const generation = parseGeneration(release);
    return makeInterceptor(name, attributes, { generation });
  });
}

/** Starts a peer of a release, top of the stack first. */
export function startJava(
  release: string,
  stack: readonly string[],
): Promise<JavaPeer> {
  return JavaPeer.start({ release, interceptors: stack });
}

/** Starts a node of ours that is of a release. */
export function startOurs(
  release: string,
  stack: readonly string[],
): Promise<OurNode> {
  return OurNode.start({ interceptors: ourInterceptors(release, stack) });
}

/** A peer and a node with the same stack. */
export interface Pair {
  readonly java: JavaPeer;
  readonly node: OurNode;
}

/** Starts both. */
export async function startPair(
  release: string,
  stack: readonly string[],
  keep: Keep,
): Promise<Pair> {
  const [java, node] = await Promise.all([
    startJava(release, stack).then(keep),
    startOurs(release, stack).then(keep),
  ]);
  return { java, node };
}

/** The member that a Java peer is. */
export function memberOf({ member }: JavaPeer): Member {
  return createMember({
    host: decodeHex(member.host),
    port: member.port,
    uniqueId: decodeHex(member.uniqueId),
  });
}

/** Sends bytes to Java; gives the unique id. */
export async function sendToJava(
  { java, node }: Pair,
  body: Uint8Array,
  options: number,
): Promise<string> {
  return encodeHex(
    await node.channel.send([memberOf(java)], body, { options }),
  );
}

/** Waits until Java has a message. */
export function arrivedAtJava(
  { java }: Pair,
  uniqueId: string,
): Promise<MessageEvent> {
  return java.waitForEvent("message", (event) => event.uniqueId === uniqueId);
}

/** Lets Java send bytes of a size to us; gives the event. */
export function sendToUs(
  { java, node }: Pair,
  size: number,
  options: number,
): Promise<SentEvent> {
  const to = [node.address];
  return java.request(
    { command: "send", size, options, to, direct: true },
    "sent",
  );
}

/**
 * Sends messages both ways, and requires them to arrive whole and with these options.
 *
 * @param added Bits that the stack adds to the options of a message of this size.
 */
export async function exchange(
  pair: Pair,
  sizes: readonly number[],
  options: readonly number[],
  added: (size: number) => number = () => 0,
): Promise<void> {
  for (const option of options) {
    for (const size of sizes) {
      const expected = option | 1 | added(size);
      const body = size % 2 === 0 ? randomBytes(size) : new Uint8Array(size);
      const uniqueId = await sendToJava(pair, body, option);
      const there = await arrivedAtJava(pair, uniqueId);
      assert.deepEqual(
        [there.bytes, there.sha256, there.options],
        [size, sha256(body), expected],
      );
      const sent = await sendToUs(pair, size, option);
      const here = await pair.node.waitForMessage(sent.uniqueId);
      assert.deepEqual(
        [here.bytes, here.sha256, here.options],
        [size, sent.sha256, expected],
      );
    }
  }
}
