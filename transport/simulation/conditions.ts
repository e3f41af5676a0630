// The conditions of a simulated network: their defaults, and the checks of what a caller asks for.
//
// Invariant: nobody else holds a default or checks a condition; what comes from here is whole and in range.
import type { NetworkConditions } from "../memory.ts";

/**
 * Fills in and checks conditions.
 *
 * @param options What the caller set.
 * @returns All conditions.
 * @throws {RangeError} With the condition's name and the value.
 */
export function resolveConditions(
  options: Partial<NetworkConditions>,
): NetworkConditions {
  const {
    latency = [0.2, 1],
    loss = 0,
    duplication = 0,
    reordering = 0,
    segmentLength = [65_536, 65_536],
  } = options;
  for (
    const [name, value] of Object.entries({ loss, duplication, reordering })
  ) {
    if (!(value >= 0 && value <= 1)) {
      throw new RangeError(`Cannot use ${name} ${value}: not from 0 to 1`);
    }
  }
  checkRange("latency", latency, 0);
  checkRange("segmentLength", segmentLength, 1);
  return { latency, loss, duplication, reordering, segmentLength };
}

function checkRange(
  name: string,
  [minimum, maximum]: readonly [number, number],
  least: number,
): void {
  if (!(minimum >= least && maximum >= minimum && maximum < Infinity)) {
    throw new RangeError(
      `Cannot use ${name} ${minimum} to ${maximum}: not a range from ${least}`,
    );
  }
}
