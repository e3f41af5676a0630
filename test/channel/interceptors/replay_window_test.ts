import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type ReplayVerdict,
  ReplayWindow,
} from "../../../channel/interceptors/replay_window.ts";

const NOW = 1_700_000_000_000;

function ivOf(number: number): Uint8Array {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(0, number);
  return iv;
}

function window(messageCount = 3, time = 1000): ReplayWindow {
  return new ReplayWindow({ time, messageCount, now: NOW });
}

test("ReplayWindow.add() takes a vector once", () => {
  const seen = window();
  assert.equal(seen.add(ivOf(1), NOW, NOW), "new");
  assert.equal(seen.add(ivOf(1), NOW, NOW), "replayed");
  assert.equal(seen.add(ivOf(1), NOW + 1, NOW), "replayed");
  assert.equal(seen.add(ivOf(2), NOW, NOW), "new");
});

test("ReplayWindow.add() refuses what is too old or too new, and remembers nothing of it", () => {
  const seen = window();
  assert.equal(seen.add(ivOf(1), NOW - 1001, NOW), "out-of-window");
  assert.equal(seen.add(ivOf(1), NOW + 1001, NOW), "out-of-window");
  assert.equal(seen.size, 0);
  assert.equal(seen.add(ivOf(1), NOW + 1000, NOW), "new");
  assert.equal(seen.add(ivOf(2), NOW + 1, NOW + 1001), "new");
});

test("ReplayWindow.add() refuses what is as old as the start minus the window", () => {
  const seen = window();
  assert.equal(seen.add(ivOf(1), NOW - 1000, NOW), "replayed");
  assert.equal(seen.add(ivOf(1), NOW - 999, NOW), "new");
  // Also when the clock was put back.
  assert.equal(seen.add(ivOf(2), NOW - 1000, NOW - 500), "replayed");
});

test("ReplayWindow.add() forgets the oldest time first, and refuses what is not younger", () => {
  const seen = window(3);
  for (const [i, time] of [30, 10, 20].entries()) {
    assert.equal(seen.add(ivOf(i), NOW + time, NOW), "new");
  }
  assert.equal(seen.add(ivOf(3), NOW + 40, NOW), "new"); // forgets 10
  assert.equal(seen.size, 3);
  assert.equal(seen.add(ivOf(1), NOW + 10, NOW), "replayed");
  assert.equal(seen.add(ivOf(4), NOW + 10, NOW), "replayed");
  assert.equal(seen.add(ivOf(5), NOW + 11, NOW), "new"); // forgets itself
  assert.equal(seen.add(ivOf(5), NOW + 11, NOW), "replayed");
  assert.equal(seen.add(ivOf(0), NOW + 30, NOW), "replayed");
});

test("ReplayWindow agrees with a list that is sorted each time", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.array(
        fc.record({
          iv: fc.nat(20),
          time: fc.integer({ min: -15, max: 15 }),
          passed: fc.integer({ min: -2, max: 5 }),
        }, { noNullPrototype: true }),
        { maxLength: 60 },
      ),
      (messageCount, steps) => {
        const seen = window(messageCount, 10);
        const model = new Model(messageCount);
        let now = NOW;
        for (const { iv, time, passed } of steps) {
          now += passed;
          assert.equal(
            seen.add(ivOf(iv), now + time, now),
            model.add(iv, now + time, now),
          );
          assert(seen.size <= messageCount);
          assert.equal(seen.size, model.entries.length);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("ReplayWindow never takes a vector twice", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(40)), { maxLength: 60 }),
      (steps) => {
        const seen = window(2, 10);
        const taken = new Set<string>();
        let now = NOW;
        for (const [passed, iv] of steps) {
          now += passed;
          // A message's time is its own: it does not change with a replay.
          if (seen.add(ivOf(iv), NOW + iv, now) !== "new") continue;
          assert(!taken.has(String(iv)));
          taken.add(String(iv));
        }
      },
    ),
    { numRuns: 500 },
  );
});

/** The rules once more, without a care for time. */
class Model {
  readonly entries: { iv: number; timestamp: number }[] = [];
  readonly #messageCount: number;
  #forgotten = NOW - 10;

  constructor(messageCount: number) {
    this.#messageCount = messageCount;
  }

  add(iv: number, timestamp: number, now: number): ReplayVerdict {
    if (Math.abs(timestamp - now) > 10) return "out-of-window";
    if (timestamp <= this.#forgotten) return "replayed";
    if (this.entries.some((entry) => entry.iv === iv)) return "replayed";
    this.entries.push({ iv, timestamp });
    this.entries.sort((a, b) => a.timestamp - b.timestamp);
    if (this.entries.length > this.#messageCount) {
      this.#forgotten = this.entries.shift()!.timestamp; // not empty
    }
    return "new";
  }
}
