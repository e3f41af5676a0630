/** Domains in one multicast group, of Java's nodes and ours. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { DomainFilterInterceptor } from "../../channel/interceptors/domain_filter.ts";
import { decodeHex } from "../../protocol/bytes/hex.ts";
import { hexOf, OurNode } from "../support/interop_channel.ts";
import { freeGroup, JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";

test(
  "DomainFilterInterceptor and Java see members and messages of their own domain alone",
  needsJava(RELEASE, 60_000),
  async () => {
    const group = await freeGroup();
    const frequency = 200;
    const red = hexOf("red");
    await using stack = new AsyncDisposableStack();
    const [java, node, other] = await Promise.all([
      JavaPeer.start({
        release: RELEASE,
        group,
        frequency,
        domain: red,
        interceptors: ["DomainFilter:domain=red"],
      }),
      OurNode.start({
        group,
        frequency,
        domain: decodeHex(red),
        interceptors: [
          new DomainFilterInterceptor({ domain: "{114,101,100}" }),
        ],
      }),
      // Sees both, and is seen by neither.
      OurNode.start({
        group,
        frequency,
        domain: decodeHex(hexOf("blue")),
        interceptors: [],
      }),
    ]);
    stack.use(java);
    stack.use(node);
    stack.use(other);
    await Promise.all([
      node.waitForMember(java),
      java.waitForMember(node.member.uniqueId),
      other.waitForMember(java),
      other.waitForMember(node.member),
    ]);
    await other.send([java, node.member], new Uint8Array(5), 6);
    const id = await node.send([java], new Uint8Array(7), 6);
    const message = await java.waitForEvent("message");
    assert.equal(message.uniqueId, id, "that of the other domain was dropped");
    const sent = await java.request(
      { command: "send", size: 9, options: 6 },
      "sent",
    );
    assert.equal(sent.destinations, 1);
    await node.waitForMessage(sent.uniqueId);
    const kinds = node.log.events.filter((event) => event.event === "message");
    assert.equal(kinds.length, 1);
    assert.deepEqual(node.members().map((known) => known.uniqueId), [
      java.member.uniqueId,
    ]);
    const { members } = await java.request({ command: "members" }, "members");
    assert.deepEqual(members.map((known) => known.uniqueId), [
      node.member.uniqueId,
    ]);
  },
);
