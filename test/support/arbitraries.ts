// Values for the property tests: well-formed ones, and the bytes of a peer that lies.
import fc from "fast-check";
import {
  type ChannelData,
  concatBytes,
  encodeFrame,
  END_DATA,
  type Member,
  START_DATA,
} from "../../protocol/mod.ts";

/** Byte strings of up to `maxLength` bytes. */
export function byteStrings(
  maxLength = 40,
  minLength = 0,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.uint8Array({ minLength, maxLength });
}

/** Every signed 32-bit integer, the extremes often. */
export function int32s(): fc.Arbitrary<number> {
  return fc.integer();
}

/** Members of every shape that has a wire form. */
export function members(): fc.Arbitrary<Member> {
  return fc.record({
    host: fc.oneof(
      { weight: 4, arbitrary: byteStrings(4, 4) },
      { weight: 2, arbitrary: byteStrings(16, 16) },
      { weight: 1, arbitrary: byteStrings(127) },
    ),
    port: ports(),
    securePort: ports(),
    udpPort: ports(),
    aliveTime: fc.oneof(fc.nat(), fc.maxSafeInteger()),
    uniqueId: byteStrings(16, 16),
    domain: byteStrings(),
    command: byteStrings(),
    payload: byteStrings(),
  }, { noNullPrototype: true });
}

/** Messages of every shape that has a wire form, with the given senders. */
export function channelData(
  address: fc.Arbitrary<Member> = members(),
): fc.Arbitrary<ChannelData> {
  return fc.record({
    options: int32s(),
    timestamp: fc.oneof(
      fc.integer({ min: 1_600_000_000_000, max: 1_800_000_000_000 }),
      fc.maxSafeInteger(),
    ),
    uniqueId: fc.oneof(
      { weight: 3, arbitrary: byteStrings(16, 16) },
      { weight: 1, arbitrary: byteStrings(20) },
    ),
    address,
    message: byteStrings(60),
  }, { noNullPrototype: true });
}

/** Messages in a row whose senders repeat, as those of one connection do. */
export function conversations(): fc.Arbitrary<ChannelData[]> {
  return fc.array(members(), { minLength: 1, maxLength: 3 }).chain((senders) =>
    fc.array(channelData(fc.constantFrom(...senders)), {
      minLength: 1,
      maxLength: 8,
    })
  );
}

/** Frame bodies: empty, any bytes, and markers and frames inside. */
export function frameBodies(): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const parts = fc.oneof(
    byteStrings(9),
    fc.constantFrom(
      START_DATA,
      END_DATA,
      START_DATA.slice(0, 4),
      encodeFrame(new Uint8Array([6, 2, 3])),
    ),
  );
  return fc.oneof(
    fc.constant(new Uint8Array()),
    byteStrings(),
    fc.array(parts, { maxLength: 5 }).map(concatBytes),
    { weight: 1, arbitrary: byteStrings(4000, 900) },
  );
}

/** What may stand behind the last good frame of a stream. */
export function streamTails(): fc.Arbitrary<Uint8Array> {
  const frame = frameBodies().map(encodeFrame);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(new Uint8Array()) },
    byteStrings(30),
    fc.tuple(frame, fc.nat()).map(([bytes, cut]) =>
      bytes.subarray(0, cut % bytes.length)
    ),
    damaged(frame),
  );
}

/** A stream, and how it reaches a parser: the chunks that are fed before each round of pulling. */
export interface CutStream {
  /** The whole stream. */
  readonly bytes: Uint8Array;
  /** Groups of chunks; together they are the stream. */
  readonly feeds: readonly (readonly Uint8Array[])[];
}

/** Streams of frames with any end, cut anywhere; empty chunks occur. */
export function cutStreams(): fc.Arbitrary<CutStream> {
  const bytes = fc.tuple(
    fc.array(frameBodies(), { maxLength: 6 }),
    streamTails(),
  ).map(([bodies, tail]) => concatBytes([...bodies.map(encodeFrame), tail]));
  const sizes = fc.array(
    fc.record({
      size: fc.oneof(fc.nat(3), fc.nat(40), fc.nat(3000), fc.constant(1)),
      pull: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );
  return fc.tuple(bytes, sizes).map(([bytes, sizes]) => ({
    bytes,
    feeds: cut(bytes, sizes),
  }));
}

/** One change to good bytes, as chance or an attacker makes it. */
export type Damage =
  | { readonly type: "flip"; readonly at: number; readonly xor: number }
  | { readonly type: "truncate"; readonly at: number }
  | {
    readonly type: "insert";
    readonly at: number;
    readonly bytes: Uint8Array;
  }
  | { readonly type: "remove"; readonly at: number; readonly count: number }
  | { readonly type: "int32"; readonly at: number; readonly value: number };

/** Good bytes with one to three changes. */
export function damaged(
  good: fc.Arbitrary<Uint8Array>,
): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(0xffff);
  const damage: fc.Arbitrary<Damage> = fc.oneof(
    fc.record({
      type: fc.constant("flip" as const),
      at,
      xor: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ type: fc.constant("truncate" as const), at }),
    fc.record({
      type: fc.constant("insert" as const),
      at,
      bytes: byteStrings(8, 1),
    }),
    fc.record({
      type: fc.constant("remove" as const),
      at,
      count: fc.integer({ min: 1, max: 8 }),
    }),
    fc.record({
      type: fc.constant("int32" as const),
      at,
      value: fc.oneof(lyingLengths(), int32s()),
    }),
  );
  return fc.tuple(good, fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([bytes, changes]) => changes.reduce(applyDamage, bytes));
}

/** Lengths that overflow, are negative, or miss by little. */
export function lyingLengths(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(-0x8000_0000, 0x7fff_ffff, 0x7fff_ffed, -18, -12, -1, 0),
    fc.integer({ min: -20, max: 140 }),
  );
}

function applyDamage(bytes: Uint8Array, damage: Damage): Uint8Array {
  const at = bytes.length === 0 ? 0 : damage.at % bytes.length;
  switch (damage.type) {
    case "flip": {
      const copy = bytes.slice();
      if (copy.length > 0) copy[at] = copy[at]! ^ damage.xor; // at < length
      return copy;
    }
    case "truncate":
      return bytes.slice(0, at);
    case "insert":
      return concatBytes([
        bytes.subarray(0, at),
        damage.bytes,
        bytes.subarray(at),
      ]);
    case "remove":
      return concatBytes([
        bytes.subarray(0, at),
        bytes.subarray(at + damage.count),
      ]);
    case "int32": {
      const copy = bytes.slice();
      if (at + 4 <= copy.length) {
        new DataView(copy.buffer).setInt32(at, damage.value);
      }
      return copy;
    }
  }
}

function ports(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: -1, max: 65_535 }) },
    { weight: 1, arbitrary: int32s() },
  );
}

function cut(
  bytes: Uint8Array,
  sizes: readonly { readonly size: number; readonly pull: boolean }[],
): Uint8Array[][] {
  const feeds: Uint8Array[][] = [[]];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const { size, pull } = sizes[i % sizes.length]!; // the remainder is an index
    // Sizes may all be 0: the rest is then one chunk, so that this ends.
    const end = i > 2000 ? bytes.length : at + size;
    feeds.at(-1)!.push(bytes.slice(at, end)); // never empty
    at = Math.min(end, bytes.length);
    if (pull) feeds.push([]);
  }
  return feeds;
}
