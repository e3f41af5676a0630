import assert from "node:assert/strict";
import { test } from "node:test";
import { areReachable } from "../../../channel/interceptors/coordinator_members.ts";
import type { Connection, Transport } from "../../../transport/types.ts";
import { memberAt } from "../../support/tribes_peers.ts";

/** Connects to even ports, after a while; counts what is under way. */
function countingTransport() {
  const count = { now: 0, most: 0, all: 0 };
  const transport = {
    clock: { startTimer: () => ({ cancel() {} }) },
    async connect({ port }: { port: number }): Promise<Connection> {
      count.all++;
      count.most = Math.max(count.most, ++count.now);
      for (let i = 0; i < 5; i++) await Promise.resolve();
      count.now--;
      if (port % 2 === 1) throw new Error("refused");
      return { close: () => Promise.resolve() } as unknown as Connection;
    },
  } as unknown as Transport; // nothing else of it is used
  return { transport, count };
}

test("areReachable() tests all members, and only some at once", async () => {
  const { transport, count } = countingTransport();
  const members = Array.from(
    { length: 1000 },
    (_, port) => memberAt({ hostname: "10.0.0.2", port }),
  );
  const reached = await areReachable(members, transport, 1000);
  assert.deepEqual(reached, members.map(({ port }) => port % 2 === 0));
  assert.equal(count.all, 1000);
  assert(count.most > 1 && count.most <= 64, `${count.most}`);
  assert.deepEqual(await areReachable([], transport, 1000), []);
});
