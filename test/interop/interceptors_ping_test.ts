/** Pings of Java's interceptor and of ours: swallowed on both sides, and each side finds the other dead by them. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { StaticMembershipInterceptor } from "../../channel/interceptors/static_membership.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { TcpPingInterceptor } from "../../channel/interceptors/tcp_ping.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import { OurNode } from "../support/interop_channel.ts";
import { freePort, JavaPeer, needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";

for (const detector of [false, true]) {
  test(
    `TcpPingInterceptor and Java ping each other ${
      detector ? "over a failure detector" : "without a failure detector"
    }`,
    needsJava(RELEASE, 60_000),
    async () => {
      const [ours, theirs] = await Promise.all([freePlace(), freePlace()]);
      const ping = new TcpPingInterceptor({ useThread: true, interval: 100 });
      const starting = [
        JavaPeer.start({
          release: RELEASE,
          port: theirs.port,
          autoBind: 1,
          uniqueId: theirs.uniqueId,
          heartbeat: false,
          interceptors: [
            "TcpPing:useThread=true,interval=100",
            ...(detector ? ["TcpFailureDetector"] : []),
            "StaticMembership",
          ],
          members: [`127.0.0.1:${ours.port}:${ours.uniqueId}`],
        }),
        OurNode.start({
          receiver: { port: ours.port, autoBind: 1 },
          uniqueId: decodeHex(ours.uniqueId),
          heartbeat: false,
          interceptors: [
            ping,
            ...(detector ? [new TcpFailureDetector()] : []),
            new StaticMembershipInterceptor({
              members: [{
                host: encodeHost("127.0.0.1"),
                port: theirs.port,
                uniqueId: decodeHex(theirs.uniqueId),
              }],
            }),
          ],
        }),
      ] as const;
      await using stack = new AsyncDisposableStack();
      const [java, node] = await Promise.all(starting);
      stack.use(java);
      stack.use(node);
      if (detector) {
        // Heartbeats are off: the members are found by pings alone, and lost by them.
        await node.waitForMember(java);
        await java.waitForMember(ours.uniqueId);
        assert.equal(ping.statistics().pingsSent, 0);
        const after = node.log.length;
        java.kill("SIGKILL");
        await node.waitForMembership("memberDisappeared", java, { after });
      } else {
        // Java's pings have no acks: what comes behind three of them shows that they were swallowed.
        while (ping.statistics().pingsReceived < 3) {
          await java.request({ command: "members" }, "members");
        }
        assert.ok(ping.statistics().pingsSent >= 1);
        const id = await node.send([java], randomBytes(8), 6);
        const message = await java.waitForEvent("message");
        assert.equal(message.uniqueId, id);
        assert.deepEqual(
          node.log.events.filter((event) => event.event === "message"),
          [],
        );
        assert.ok(java.events.every((event) => event.event !== "dropped"));
      }
    },
  );
}

async function freePlace(): Promise<{ port: number; uniqueId: string }> {
  return { port: await freePort(), uniqueId: encodeHex(randomBytes(16)) };
}
