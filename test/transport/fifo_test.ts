import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "../../transport/fifo.ts";

type Call = "push" | "shift" | "pop" | "peek" | "last" | "drain";

test("Fifo gives what an array gives, whatever the calls", () => {
  const calls = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<Call>("push") },
      { weight: 5, arbitrary: fc.constantFrom<Call>("shift", "pop") },
      { weight: 2, arbitrary: fc.constantFrom<Call>("peek", "last") },
      { weight: 1, arbitrary: fc.constant<Call>("drain") },
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(calls, (calls) => check(calls)),
    { numRuns: 500 },
  );
});

test("Fifo keeps its order through thousands of items", () => {
  const calls: Call[] = [];
  for (let i = 0; i < 5000; i++) {
    calls.push("push", "push", ...(i % 3 ? ["shift"] as const : []));
  }
  for (let i = 0; i < 9000; i++) calls.push("shift", "last", "peek");
  check(calls);
});

test("Fifo does not grow when it is emptied from both ends in turn", () => {
  const fifo = new Fifo<number>();
  for (let i = 0; i < 100_000; i++) {
    fifo.push(i);
    fifo.push(-i);
    assert.equal(fifo.shift(), i);
    assert.equal(fifo.pop(), -i);
    assert.equal(fifo.length, 0);
  }
  assert.equal(fifo.shift(), undefined);
  assert.equal(fifo.pop(), undefined);
});

function check(calls: readonly Call[]): void {
  const fifo = new Fifo<number>();
  let model: number[] = [];
  calls.forEach((call, i) => {
    switch (call) {
      case "push":
        fifo.push(i);
        model.push(i);
        break;
      case "drain":
        assert.deepEqual(fifo.drain(), model);
        model = [];
        break;
      case "peek":
        assert.equal(fifo.peek(), model[0]);
        break;
      case "last":
        assert.equal(fifo.last(), model.at(-1));
        break;
      default:
        assert.equal(fifo[call](), model[call]());
    }
    assert.equal(fifo.length, model.length);
  });
  assert.deepEqual(fifo.drain(), model);
}
