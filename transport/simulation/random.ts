// The generator behind every choice of a simulated network: mulberry32, 32 bits of state.
//
// Invariant: the sequence depends on the seed alone, on every runtime. A test that prints its seed can
// be repeated only as long as this stays so; it is no generator for secrets.

/**
 * Makes a pseudo-random sequence.
 *
 * @param seed Start of the sequence; only its low 32 bits count.
 * @returns Draws the next number, 0 up to but not 1.
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
