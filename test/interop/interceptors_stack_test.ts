/** The four interceptors together, between real Tomcats of every generation of encryption and ours. */

import { test } from "node:test";
import { shared } from "../support/interop_channel.ts";
import { exchange, KEY, startPair } from "../support/interceptor_peers.ts";
import { JAVA_RELEASES, needsJava } from "../support/java_peer.ts";

const RELEASES = Object.keys(JAVA_RELEASES);
const TIMEOUT = 120_000;
const STACK = [
  "Order",
  "Gzip",
  "Fragmentation:maxSize=5000",
  `Encrypt:encryptionKey=${KEY}`,
];

for (const release of RELEASES) {
  const pair = shared((keep) => startPair(release, STACK, keep));

  test(
    `Order, Gzip, Fragmentation and Encrypt work together with Tomcat ${release}`,
    needsJava(RELEASES, TIMEOUT),
    async () => {
      await exchange(
        await pair(),
        [0, 1, 5000, 100_000, 100_001],
        [2, 6],
        () => 0x100, // with its number no message is empty
      );
    },
  );
}
