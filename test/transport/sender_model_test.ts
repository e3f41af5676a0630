// Random schedules of sends, lost connections and answers of every kind, in virtual time. Whatever
// happens, each send settles once and tells the truth, order is kept, and nothing is left behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ackMoment, encodeHex } from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { Sender, type SenderOptions } from "../../transport/sender.ts";
import {
  type Behaviour,
  type FakeConnection,
  FakeReceiver,
  messageOf,
  type SendOutcome,
  watch,
} from "../support/tribes_peers.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";

/** How the receiver answers the messages that come from now on. */
interface Mood {
  readonly answer: "ack" | "fail" | "nothing";
  readonly delay: number;
}

type Step =
  | { readonly type: "send"; readonly options: number; readonly length: number }
  | { readonly type: "advance"; readonly milliseconds: number }
  | { readonly type: "lose"; readonly how: "abort" | "close" | "reset" }
  | { readonly type: "mood"; readonly mood: Mood };

interface Schedule {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly options: SenderOptions;
  /** Whether the answers of one connection may overtake each other, as a Java receiver's do. */
  readonly overtaking: boolean;
}

function schedules(): fc.Arbitrary<Schedule> {
  const send = fc.record({
    type: fc.constant("send" as const),
    options: fc.constantFrom(0, 2, 6),
    length: fc.oneof(
      { weight: 8, arbitrary: fc.nat(200) },
      { weight: 1, arbitrary: fc.constantFrom(33_000, 70_000, 600_000) },
    ),
  });
  const advance = fc.record({
    type: fc.constant("advance" as const),
    milliseconds: fc.oneof(fc.nat(5), fc.nat(700)),
  });
  const lose = fc.record({
    type: fc.constant("lose" as const),
    how: fc.constantFrom("abort" as const, "close" as const, "reset" as const),
  });
  const mood = fc.record({
    type: fc.constant("mood" as const),
    mood: fc.record({
      answer: fc.constantFrom<Mood["answer"][]>(
        "ack",
        "ack",
        "fail",
        "fail",
        "nothing",
      ),
      delay: fc.oneof(fc.constant(0), fc.nat(10), fc.nat(300)),
    }),
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 8, arbitrary: send },
    { weight: 3, arbitrary: advance },
    { weight: 1, arbitrary: lose },
    { weight: 2, arbitrary: mood },
  );
  return fc.boolean().chain((overtaking) =>
    fc.record({
      seed: fc.nat(),
      steps: fc.array(step, { maxLength: 60, size: "max" }),
      options: fc.record({
        timeout: fc.constant(1000),
        maxRetryAttempts: fc.nat(2),
        throwOnFailedAck: fc.constant(true),
        retryAfterFailedAck: fc.boolean(),
        keepAliveCount: fc.constantFrom(-1, 3),
        ackWindow: fc.constantFrom(1, 3, 1024),
        // A larger window is for receivers that work in order.
        synchronizedAckWindow: overtaking
          ? fc.constant(1)
          : fc.constantFrom(1, 4),
      }),
      overtaking: fc.constant(overtaking),
    })
  );
}

/** What the receiver said of one message, at any of its deliveries. */
interface Said {
  acked: boolean;
  failed: boolean;
}

test("Sender settles every send once and truthfully, whatever becomes of its connections", async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(schedules(), async (schedule) => {
      for (const kind of await run(schedule)) {
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    }),
    { numRuns: 300 },
  );
  // The schedules reached every end that a send can have.
  for (
    const kind of [
      "0 done",
      "2 done",
      "6 done",
      "6 failed-ack",
      "2 timeout",
      "6 timeout",
      "2 connection-closed",
      "again",
    ]
  ) assert((seen.get(kind) ?? 0) > 0, `no schedule reached: ${kind}`);
});

async function run(schedule: Schedule): Promise<string[]> {
  const network = new MemoryNetwork({
    seed: schedule.seed,
    segmentLength: [1, 40_000],
  });
  const client = network.transport(CLIENT);
  const { clock } = network.transport(SERVER);
  return await network.run(async () => {
    let mood: Mood = { answer: "ack", delay: 0 };
    const deliveries: string[] = [];
    const said = new Map<string, Said>();
    const busyUntil = new Map<FakeConnection, number>();
    const behaviour: Behaviour = (message, connection) => {
      const id = encodeHex(message.uniqueId);
      deliveries.push(id);
      const moment = ackMoment(message.options);
      if (moment === "never") return;
      const { answer, delay } = mood;
      const fails = answer === "fail" && moment === "after";
      // A step later than the answer before: two timers for one moment may fire either way, since
      // each moment is a sum that was rounded.
      const time = schedule.overtaking
        ? 0
        : (busyUntil.get(connection) ?? 0) + 0.001;
      // One that never answers keeps all behind it waiting too.
      const at = answer === "nothing"
        ? Infinity
        : Math.max(time, clock.now() + delay);
      busyUntil.set(connection, at);
      if (at === Infinity) return;
      clock.startTimer(at - clock.now(), () => {
        const one = said.get(id) ?? { acked: false, failed: false };
        said.set(id, one);
        one[fails ? "failed" : "acked"] = true;
        if (fails) connection.failAck();
        else connection.ack();
      });
    };
    const receiver = await FakeReceiver.listen(
      network.transport(SERVER),
      SERVER,
      behaviour,
    );
    const sender = new Sender(client, schedule.options);
    const sends: { id: string; options: number; outcome: SendOutcome }[] = [];
    for (const step of schedule.steps) {
      switch (step.type) {
        case "send": {
          const message = messageOf(new Uint8Array(step.length), step.options);
          sends.push({
            id: encodeHex(message.uniqueId),
            options: step.options,
            outcome: watch(
              client,
              sender.sendMessage([receiver.member], message),
            ),
          });
          break;
        }
        case "advance":
          await network.advance(step.milliseconds);
          break;
        case "lose":
          if (step.how === "reset") network.resetConnections(SERVER, CLIENT);
          else void receiver.connections.at(-1)?.connection[step.how]();
          break;
        case "mood":
          mood = step.mood;
      }
    }
    await network.advance(60_000);

    const kinds = sends.map(({ id, options, outcome }) => {
      assert.equal(outcome.count, 1, `${id} settled ${outcome.count} times`);
      const { acked = false, failed = false } = said.get(id) ?? {};
      const { state, error } = outcome;
      if (state === "failed") {
        assert(error instanceof ChannelError, String(error));
        if (error.code === "failed-ack") assert(failed, `${id} did not fail`);
        return `${options} ${error.code}`;
      }
      const exact = options === 6 || options === 2 && !schedule.overtaking;
      if (exact) assert(acked, `${id} is done without an ack`);
      return `${options} ${state}`;
    });
    const firsts = [...new Set(deliveries)];
    const order = sends.map(({ id }) => id).filter((id) => firsts.includes(id));
    assert.deepEqual(firsts, order);
    if (deliveries.length > firsts.length) kinds.push("again");
    assert.equal(sender.queuedBytes, 0);
    await sender.close();
    await receiver.close();
    return kinds;
  });
}
