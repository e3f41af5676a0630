/** Messages in parts between a real Tomcat and ours. */

import { test } from "node:test";
import { shared } from "../support/interop_channel.ts";
import { exchange, startPair } from "../support/interceptor_peers.ts";
import { needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;

const pair = shared((keep) =>
  startPair(RELEASE, ["Fragmentation:maxSize=1000"], keep)
);

test(
  "FragmentationInterceptor and Tomcat's put each other's parts together",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const sizes = [0, 1, 999, 1000, 1001, 2000, 100_001];
    await exchange(await pair(), sizes, [2, 6]);
  },
);
