import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEFAULT_GENERATION,
  isAtLeast,
  parseGeneration,
} from "../../protocol/mod.ts";

test("parseGeneration() reads a release", () => {
  assert.deepEqual(parseGeneration("10.1.60"), {
    major: 10,
    minor: 1,
    patch: 60,
  });
  assert.deepEqual(parseGeneration("7.0.0"), { major: 7, minor: 0, patch: 0 });
});

test("parseGeneration() reads a line as its newest release", () => {
  for (const line of ["7.0", "8.5", "9.0", "10.0", "10.1", "11.0", "12.0"]) {
    const [major, minor] = line.split(".").map(Number);
    assert.deepEqual(parseGeneration(line), { major, minor, patch: Infinity });
  }
});

test("parseGeneration() refuses other lines and other texts, and says which", () => {
  const texts = ["", "9", "8.0", "9.1.3", "10.1.60-dev", " 9.0", "9.0.", "x"];
  for (const text of [...texts, "9.0.12345", "9.0.70\n"]) {
    assert.throws(() => parseGeneration(text), (error: unknown) => {
      assert(error instanceof RangeError);
      assert(error.message.includes(JSON.stringify(text)), error.message);
      return true;
    });
  }
});

test("DEFAULT_GENERATION is the newest release of 11.0", () => {
  assert.deepEqual(DEFAULT_GENERATION, parseGeneration("11.0"));
});

test("isAtLeast() compares within a line, and lines where none is named", () => {
  const has = (release: string) =>
    isAtLeast(parseGeneration(release), "9.0.119", "10.1.56", "11.0.23");
  for (const release of ["9.0.119", "9.0", "10.1.56", "11.0.23", "12.0.0"]) {
    assert.equal(has(release), true, release);
  }
  // 10.0 is not named, and lies below two lines that are.
  const without = ["7.0", "8.5.100", "9.0.118", "10.0", "10.1.55", "11.0.22"];
  for (const release of without) assert.equal(has(release), false, release);
});

test("isAtLeast() compares the second number of a line too", () => {
  assert.equal(isAtLeast(parseGeneration("10.1.0"), "10.0.22"), true);
  assert.equal(isAtLeast(parseGeneration("10.0.99"), "10.1.0"), false);
});
