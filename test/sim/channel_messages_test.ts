// What happens to messages between channels under seeded trouble: none that was not sent, none twice without
// a retry, none lost that was acknowledged; and what each layer promises besides. And that these runs find
// layers that are wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { EncryptInterceptor } from "../../channel/interceptors/encrypt.ts";
import { FragmentationInterceptor } from "../../channel/interceptors/fragmentation.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import {
  assertHolds,
  type Cluster,
  seeds,
} from "../support/simulated_cluster.ts";
import { copyOf } from "../support/simulated_layers.ts";
import {
  ALL_FAULTS,
  encrypt,
  runDefaultStack,
  runEncrypt,
  runFragmentation,
  runOrder,
  runTwoPhaseCommit,
  runWholeStack,
} from "../support/simulated_stacks.ts";

for (const seed of seeds(1, 2, 3, 4)) {
  test(`10 channels keep the promises of GroupChannel.send() under all faults, with seed ${seed}`, async () => {
    const cluster = await runDefaultStack(seed);
    assertHolds(cluster);
    const { sent, deliveries, rejected, duplicates } = cluster.ledger.totals;
    assert(sent > 200 && deliveries > sent && rejected > 0 && duplicates > 0);
  });
}

for (const [size, seed] of [[3, 1], [3, 2], [20, 1]] as const) {
  test(`${size} channels keep the promises of GroupChannel.send() under all faults, with seed ${seed}`, async () => {
    const cluster = await runDefaultStack(seed, size);
    assertHolds(cluster);
    assert(cluster.ledger.totals.deliveries > 100);
  });
}

for (const seed of seeds(1, 2, 3)) {
  test(`OrderInterceptor delivers what was shuffled in order, through lost connections, with seed ${seed}`, async () => {
    const { cluster, watch } = await runOrder(seed, ["cut", "datagrams"]);
    assertHolds(cluster);
    assert(watch.judged > 1000, `${watch.judged}`);
    assert(watch.excused < watch.judged / 100, `${watch.excused}`);
  });

  test(`OrderInterceptor delivers in order by its rules of expiry under all faults, with seed ${seed}`, async () => {
    const { cluster, watch } = await runOrder(seed, ALL_FAULTS);
    assertHolds(cluster);
    assert(watch.judged > 200, `${watch.judged}`);
  });

  test(`TwoPhaseCommitInterceptor delivers what all have, and nothing that one lacks, with seed ${seed}`, async () => {
    const { cluster, watch } = await runTwoPhaseCommit(seed);
    assertHolds(cluster);
    const { deliveries } = cluster.ledger.totals;
    assert(deliveries > 100 && watch.none > 20 && watch.partial > 0);
  });

  test(`FragmentationInterceptor stays within its bounds at every moment and keeps nothing in the end, with seed ${seed}`, async () => {
    const { cluster, watch } = await runFragmentation(seed);
    assertHolds(cluster);
    assert(watch.peak > 25_000, `only ${watch.peak} bytes were held`);
  });

  test(`EncryptInterceptor passes on exactly what is new and within its window, with seed ${seed}`, async () => {
    const { cluster, watch } = await runEncrypt(seed);
    assertHolds(cluster);
    assert(watch.passed > 100 && watch.late > 0, `${watch.late} late`);
  });
}

for (const seed of seeds(1, 2, 3, 4)) {
  test(`Order, Gzip, Fragmentation and Encrypt over MessageDispatch and TcpFailureDetector under all faults, with seed ${seed}`, async () => {
    const { cluster, watch } = await runWholeStack(seed);
    assertHolds(cluster);
    assert(watch.judged > 200, `${watch.judged}`);
  });
}

test("one seed is one run, and another seed is another", async () => {
  const traces: string[][] = [];
  for (const seed of [7, 7, 8]) {
    const { cluster } = await runWholeStack(seed, 5);
    assert(cluster.trace.length > 500);
    traces.push(cluster.trace);
  }
  assert.deepEqual(traces[1], traces[0]);
  assert.notDeepEqual(traces[2], traces[0]);
});

/** Asserts that a run has found what is wrong, and tells the seed. */
function assertFound({ ledger, network }: Cluster, what: RegExp): void {
  assert(
    ledger.violations.some((text) => what.test(text)),
    `not found, but ${ledger.violations.slice(0, 3)}`,
  );
  assert.throws(
    () => assertHolds({ ledger, network } as Cluster), // it looks at nothing else
    new RegExp(`TRIBES_SEED=${network.seed}`),
  );
}

/** A layer that does something else with one message of so many that come. */
function wrong(
  every: number,
  act: NonNullable<ChannelInterceptor["messageReceived"]>,
): ChannelInterceptor {
  let count = 0;
  return {
    name: "Wrong",
    messageReceived: (message, next) =>
      ++count % every === 0 ? act(message, next) : next(message),
  };
}

const WRONG: readonly (readonly [string, ChannelInterceptor, RegExp])[] = [
  [
    "loses an acknowledged message",
    wrong(20, () => {}),
    /was acknowledged and not delivered/,
  ],
  [
    "delivers a message three times",
    wrong(20, (message, next) => {
      next(message);
      next(message);
      return next(message);
    }),
    /was delivered 3 times/,
  ],
  [
    "changes a byte",
    wrong(20, (message, next) => {
      const copy = copyOf(message);
      copy.message[0] = (copy.message[0] ?? 0) ^ 1;
      return next(copy);
    }),
    /has other bytes than were sent/,
  ],
  [
    "changes a sender",
    wrong(20, (message, next) => {
      const uniqueId = new Uint8Array(16);
      return next({ ...message, address: { ...message.address, uniqueId } });
    }),
    /has another sender/,
  ],
  [
    "makes a message up",
    wrong(20, (message, next) => {
      next({ ...message, uniqueId: new Uint8Array(16) });
      return next(message);
    }),
    /was never sent/,
  ],
];

for (const [what, layer, violation] of WRONG) {
  test(`a layer that ${what} is found`, async () => {
    const cluster = await runDefaultStack(1, 5, () => [layer]);
    assertFound(cluster, violation);
  });
}

test("a stack that sends to a member that was not meant is found", async () => {
  const cluster = await runDefaultStack(1, 5, () => {
    let members: readonly Member[] = [];
    return [{
      name: "Wrong",
      start(context) {
        members = context.members();
      },
      memberAdded(member, next) {
        members = [...members, member];
        next(member);
      },
      sendMessage: (_, message, next) => next(members, message),
    }];
  });
  assertFound(cluster, /was not sent there/);
});

test("an Order that delivers as it comes is found", async () => {
  const { cluster } = await runOrder(
    1,
    ["cut"],
    () => ({ name: "Order" }),
  );
  assertFound(cluster, /came after/);
});

test("a TwoPhaseCommit of one phase is found", async () => {
  const { cluster } = await runTwoPhaseCommit(
    1,
    () => ({ name: "TwoPhaseCommit" }),
  );
  assertFound(cluster, /lack it|in its first phase and was delivered/);
});

test("a Fragmentation without bounds, and one that never forgets, are found", async () => {
  const boundless = await runFragmentation(
    1,
    ({ maxSize = 0, expire = 0 }) =>
      new FragmentationInterceptor({ maxSize, expire }),
  );
  assertFound(boundless.cluster, /Fragmentation at .* holds/);
  const forgetful = await runFragmentation(
    1,
    (options) => new FragmentationInterceptor({ ...options, expire: 1e9 }),
  );
  assertFound(forgetful.cluster, /for ever/);
});

test("an Encrypt with too large a window, too small a one, or none, is found", async () => {
  for (const replayWindowTime of [100_000, 5000]) {
    const { cluster } = await runEncrypt(
      1,
      ({ cluster }) =>
        new EncryptInterceptor({
          encryptionKey: "00112233445566778899aabbccddeeff",
          replayWindowTime,
          random: (bytes) => cluster.fill(bytes),
        }),
    );
    assertFound(
      cluster,
      replayWindowTime > 10_000
        ? /Encrypt at .* passes/
        : /Encrypt at .* drops/,
    );
  }
  const { cluster } = await runEncrypt(1, (life) => ({
    name: "Encrypt",
    sendMessage: (to, message, next) =>
      encrypt(life).sendMessage(to, message, next),
    messageReceived: (message, next) => next(message), // still encrypted
  }));
  assertFound(cluster, /has other bytes than were sent/);
});
