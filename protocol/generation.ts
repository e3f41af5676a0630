/** A Tomcat release, whose bytes are written where releases differ. */
export interface Generation {
  /** First number: 10 of 10.1.60. */
  readonly major: number;
  /** Second number: 1 of 10.1.60. */
  readonly minor: number;
  /** Third number: 60 of 10.1.60; `Infinity` for the newest of a line. */
  readonly patch: number;
}

/** The newest of the newest line, which is written unless an option says otherwise. */
export const DEFAULT_GENERATION: Generation = {
  major: 11,
  minor: 0,
  patch: Infinity,
};

const LINES = ["7.0", "8.5", "9.0", "10.0", "10.1", "11.0", "12.0"];

/**
 * Reads a release or a line.
 *
 * @param text `10.1.60`, or `9.0` for the newest of that line.
 * @throws {RangeError} For a line that is not known or a text of another form.
 * @example
 * ```ts
 * import { parseGeneration } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseGeneration("9.0.70"), { major: 9, minor: 0, patch: 70 });
 * assert.equal(parseGeneration("9.0").patch, Infinity);
 * ```
 */
export function parseGeneration(text: string): Generation {
  const match = /^(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?$/.exec(text);
  const line = `${match?.[1]}.${match?.[2]}`;
  if (match === null || !LINES.includes(line)) {
    throw new RangeError(
      `Cannot read generation ${
        JSON.stringify(text)
      }: not a Tomcat release such as 10.1.60, nor one of the lines ${
        LINES.join(", ")
      }`,
    );
  }
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: match[3] === undefined ? Infinity : Number(match[3]),
  };
}

/**
 * Tells whether a release has a change that came to several lines at different releases.
 *
 * @param generation The release.
 * @param since The first release of each line that has the change, such as `9.0.119`. Lines above
 * all of these have it, lines that are not named and below do not.
 */
export function isAtLeast(
  generation: Generation,
  ...since: readonly string[]
): boolean {
  const firsts = since.map(parseGeneration);
  const same = firsts.find((first) => compareLines(first, generation) === 0);
  if (same !== undefined) return generation.patch >= same.patch;
  return firsts.every((first) => compareLines(first, generation) < 0);
}

function compareLines(a: Generation, b: Generation): number {
  return a.major - b.major || a.minor - b.minor;
}
