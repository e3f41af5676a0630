/** Compressed messages between a real Tomcat and ours. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { gzipBody } from "../../channel/interceptors/gzip_body.ts";
import { concatBytes } from "../../protocol/bytes/bytes.ts";
import { OurNode, sha256, shared } from "../support/interop_channel.ts";
import {
  arrivedAtJava,
  exchange,
  sendToJava,
  startPair,
} from "../support/interceptor_peers.ts";
import { needsJava } from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;

const pair = shared((keep) =>
  startPair(RELEASE, ["Gzip:compressionMinSize=100"], keep)
);

test(
  "GzipInterceptor and Tomcat's read each other, and compress the same messages",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    await exchange(
      await pair(),
      [0, 1, 100, 101, 8192, 1_000_000],
      [2, 6],
      (size) => size > 100 ? 0x100 : 0,
    );
  },
);

test(
  "gunzipBody() takes and ignores behind a member what Tomcat does",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const { java } = await pair();
    // Without the interceptor: what is sent is what is decompressed there.
    await using node = await OurNode.start({ interceptors: [] });
    const [a, b] = ["hello", " world"].map((text) =>
      gzipBody(new TextEncoder().encode(text))
    );
    for (
      const [body, text] of [
        [a!, "hello"],
        [concatBytes([a!, b!]), "hello world"],
        [concatBytes([a!, new Uint8Array(40).fill(7)]), "hello"],
        [concatBytes([a!, b!, new Uint8Array(40)]), "hello world"],
        [concatBytes([a!, new Uint8Array([0x1f, 0x8b])]), "hello"],
      ] as const
    ) {
      const id = await sendToJava({ java, node }, body, 0x106);
      const message = await arrivedAtJava({ java, node }, id);
      assert.equal(message.sha256, sha256(new TextEncoder().encode(text)));
    }
  },
);
