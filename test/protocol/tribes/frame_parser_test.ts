import assert from "node:assert/strict";
import { test } from "node:test";
import {
  concatBytes,
  type DecodeErrorCode,
  decodeHex,
  encodeFrame,
  encodeHex,
  FrameParser,
} from "../../../protocol/mod.ts";
import { assertDecodeError, outcome } from "../../support/outcome.ts";
import {
  FRAME_PARSER_PROPERTIES,
  testProperties,
} from "../../support/properties.ts";
import { parseCut, referenceFrames } from "../../support/reference_frames.ts";
import { type FrameStreamVector, loadVectors } from "../../support/vectors.ts";

testProperties(FRAME_PARSER_PROPERTIES);

// Where Tomcat drops bytes or hangs on them, silently, we end the stream: step (from 0), what is
// wrong, and where in the stream.
const STRICTER = new Map<
  string,
  readonly [number, DecodeErrorCode, string, number]
>([
  ["frame-stream/garbage-8", [0, "bad-marker", "frame.start", 0]],
  ["frame-stream/garbage-7", [0, "bad-marker", "frame.start", 0]],
  ["frame-stream/bad-end", [0, "bad-marker", "frame.end", 14]],
  // Nine bytes are announced and three come: what stands where the end should be is of the marker.
  ["frame-stream/bad-length", [0, "bad-marker", "frame.end", 20]],
  ["frame-stream/negative-length", [
    0,
    "out-of-range",
    "frame.body.length",
    7,
  ]],
]);

const vectors = loadVectors("frame-stream");

for (const vector of vectors) {
  const stricter = STRICTER.get(vector.id);
  if (stricter === undefined) {
    test(`FrameParser does as Tomcat in ${vector.id}`, () => {
      assertAsTomcat(new FrameParser(), vector, vector.steps.length);
    });
  } else {
    const [step, code, field, offset] = stricter;
    test(`FrameParser is stricter than Tomcat in ${vector.id}: ${code}`, () => {
      const parser = new FrameParser();
      assertAsTomcat(parser, vector, step);
      const bad = vector.steps[step]!; // the table names steps that exist
      // Tomcat has no error here: it drops the bytes or waits for ever.
      assert.equal(bad.error, null);
      parser.feed(decodeHex(bad.in));
      assertDecodeError(() => parser.next(), code, field, offset);
      for (const { in: hex } of vector.steps.slice(step + 1)) {
        parser.feed(decodeHex(hex));
        assertDecodeError(() => parser.next(), code, field, offset);
      }
      assertDecodeError(() => parser.end(), code, field, offset);
    });
  }

  test(`FrameParser gives one outcome for ${vector.id} at every cut`, () => {
    const bytes = decodeHex(vector.steps.map((step) => step.in).join(""));
    const expected = referenceFrames(bytes, 1000);
    for (let at = 0; at <= bytes.length; at++) {
      const feeds = [[bytes.slice(0, at)], [bytes.slice(at)]];
      const { text: _, ...actual } = parseCut(feeds, 1000);
      assert.deepEqual(actual, expected);
    }
  });
}

test("every stricter outcome has its vector", () => {
  const ids = vectors.map((vector) => vector.id);
  for (const id of STRICTER.keys()) assert(ids.includes(id), id);
});

test("FrameParser gives a body as a view where the frame lies in one chunk", () => {
  const frames = concatBytes([frame(1, 2), frame(3)]);
  const parser = new FrameParser();
  parser.feed(frames);
  assert.equal(parser.next()?.buffer, frames.buffer);
  assert.equal(parser.next()?.buffer, frames.buffer);
  assert.equal(parser.next(), undefined);
});

test("FrameParser counts what it holds and what it gave out", () => {
  const parser = new FrameParser();
  assert.equal(parser.bufferedLength, 0);
  parser.feed(concatBytes([frame(1), frame(2, 3), frame().subarray(0, 5)]));
  assert.equal(parser.bufferedLength, 19 + 20 + 5);
  parser.next();
  assert.equal(parser.offset, 19);
  assert.equal(parser.bufferedLength, 20 + 5);
  parser.next();
  assert.equal(parser.next(), undefined);
  assert.equal(parser.offset, 39);
  assert.equal(parser.bufferedLength, 5);
  parser.feed(new Uint8Array());
  assert.equal(parser.bufferedLength, 5);
});

test("FrameParser tells a wrong byte as soon as it is there", () => {
  const good = frame(7);
  for (let at = 0; at < good.length; at++) {
    if (at >= 7 && at < 12) continue; // length and body
    const parser = new FrameParser();
    parser.feed(good.slice(0, at));
    assert.equal(parser.next(), undefined);
    parser.feed(Uint8Array.of(0x78));
    const start = at < 7;
    const error = assertDecodeError(
      () => parser.next(),
      "bad-marker",
      start ? "frame.start" : "frame.end",
      start ? 0 : 12,
    );
    assert(
      error.message.endsWith(`(byte ${at} of the stream)`),
      error.message,
    );
  }
});

test("FrameParser refuses every wrong marker byte of a whole frame", () => {
  const good = frame(7);
  for (let at = 0; at < good.length; at++) {
    if (at >= 7 && at < 12) continue; // length and body
    const bytes = good.slice();
    bytes[at] = bytes[at]! ^ 1; // at < length
    const parser = new FrameParser();
    parser.feed(bytes);
    const start = at < 7;
    assertDecodeError(
      () => parser.next(),
      "bad-marker",
      start ? "frame.start" : "frame.end",
      start ? 0 : 12,
    );
  }
});

test("FrameParser names the byte of the stream behind earlier frames", () => {
  const parser = new FrameParser();
  parser.feed(concatBytes([frame(1), frame(2), decodeHex("464c58")]));
  assert.deepEqual(pull(parser, 2), ["01", "02"]);
  const error = assertDecodeError(
    () => parser.next(),
    "bad-marker",
    "frame.start",
    38,
  );
  assert.equal(
    error.message,
    "Cannot decode frame.start at byte 38: byte 2 of the marker is 58, not 54 " +
      "(byte 40 of the stream)",
  );
});

test("FrameParser is dead after an error: it throws it again and stores nothing", () => {
  const parser = new FrameParser();
  parser.feed(decodeHex("00"));
  const first = outcome(() => parser.next());
  const held = parser.bufferedLength;
  parser.feed(frame(1));
  assert.equal(parser.bufferedLength, held);
  assert.deepEqual(outcome(() => parser.next()), first);
  assert.deepEqual(outcome(() => parser.end()), first);
});

test("FrameParser.end() refuses a stream that ends inside a frame", () => {
  const bytes = frame(1, 2, 3);
  for (let length = 1; length < bytes.length; length++) {
    const parser = new FrameParser();
    parser.feed(concatBytes([frame(), bytes.subarray(0, length)]));
    assert.deepEqual(pull(parser), [""]);
    const error = assertDecodeError(
      () => parser.end(),
      "truncated",
      "frame",
      18,
    );
    assert(error.message.endsWith(`after ${length} bytes of a frame`));
  }
});

test("FrameParser.end() ends a stream between frames", () => {
  const parser = new FrameParser();
  parser.end();
  parser.feed(frame(1));
  parser.next();
  parser.end();
});

test("FrameParser refuses a length above its limit before the body arrives", () => {
  const header = (length: string) => decodeHex(`464c5432303032${length}`);
  const field = "frame.body.length";
  const limited = new FrameParser({ maxDataLength: 9 });
  limited.feed(header("0000000a"));
  assertDecodeError(() => limited.next(), "too-large", field, 7);

  const standard = new FrameParser();
  standard.feed(header("04000000"));
  assert.equal(standard.next(), undefined);
  const over = new FrameParser();
  over.feed(header("04000001"));
  assertDecodeError(() => over.next(), "too-large", field, 7);
  const negative = new FrameParser();
  negative.feed(header("80000000"));
  assertDecodeError(() => negative.next(), "out-of-range", field, 7);
});

test("FrameParser applies its limit to whole frames too, and takes the limit itself", () => {
  const parser = new FrameParser({ maxDataLength: 2 });
  parser.feed(concatBytes([frame(1, 2), frame(1, 2, 3)]));
  assert.deepEqual(pull(parser, 1), ["0102"]);
  assertDecodeError(
    () => parser.next(),
    "too-large",
    "frame.body.length",
    27,
  );
  const none = new FrameParser({ maxDataLength: 0 });
  none.feed(frame());
  assert.deepEqual(pull(none), [""]);
});

test("FrameParser refuses a limit that is none", () => {
  for (const maxDataLength of [-1, 0.5, NaN, Infinity, 2_147_483_630]) {
    assert.throws(
      () => new FrameParser({ maxDataLength }),
      (error: unknown) =>
        error instanceof RangeError &&
        error.message.includes(`maxDataLength ${maxDataLength}:`),
    );
  }
  new FrameParser({ maxDataLength: 2_147_483_629 });
});

test("FrameParser allocates for what came, not for what was announced", () => {
  const header = decodeHex("464c543230303203c00000"); // 60 MiB
  const allocated = largestAllocation(() => {
    const parser = new FrameParser();
    parser.feed(header);
    assert.equal(parser.next(), undefined);
    for (let i = 0; i < 100; i++) {
      parser.feed(new Uint8Array(7));
      assert.equal(parser.next(), undefined);
    }
    assert.equal(parser.bufferedLength, 711);
  });
  assert(allocated > 0 && allocated <= 8192, `${allocated} bytes at once`);
});

test("FrameParser gathers small chunks in few blocks", () => {
  const body = Uint8Array.from({ length: 40_000 }, (_, i) => i & 0xff);
  const bytes = encodeFrame(body);
  let allocations = 0;
  const parser = new FrameParser();
  watchAllocations((length) => {
    if (length === 8192) allocations++;
  }, () => {
    for (let at = 0; at < bytes.length; at += 10) {
      parser.feed(bytes.subarray(at, at + 10));
    }
  });
  assert(allocations >= 4 && allocations <= 6, `${allocations} blocks`);
  assert.deepEqual(parser.next(), body);
  assert.equal(parser.next(), undefined);
});

test("FrameParser joins chunks of 1 to 8,200 bytes without loss", () => {
  const body = Uint8Array.from({ length: 30_000 }, (_, i) => i * 7 & 0xff);
  const stream = concatBytes([encodeFrame(body), encodeFrame(body)]);
  for (const size of [1, 3, 1023, 1024, 1025, 4096, 8191, 8192, 8200]) {
    const parser = new FrameParser();
    const found: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += size) {
      parser.feed(stream.slice(at, at + size));
      for (let next; (next = parser.next());) found.push(next);
    }
    assert.deepEqual(found, [body, body], `chunks of ${size}`);
    assert.equal(parser.bufferedLength, 0);
  }
});

/** Feeds steps and compares bodies and what is kept with Tomcat's record. */
function assertAsTomcat(
  parser: FrameParser,
  { steps }: FrameStreamVector,
  count: number,
): void {
  for (const step of steps.slice(0, count)) {
    parser.feed(decodeHex(step.in));
    assert.deepEqual(pull(parser), step.frames);
    assert.equal(parser.bufferedLength, step.bufferedAfter);
  }
}

function pull(parser: FrameParser, count = Infinity): string[] {
  const bodies: string[] = [];
  while (bodies.length < count) {
    const body = parser.next();
    if (body === undefined) break;
    bodies.push(encodeHex(body));
  }
  return bodies;
}

function frame(...body: number[]): Uint8Array<ArrayBuffer> {
  return encodeFrame(Uint8Array.from(body));
}

function largestAllocation(run: () => void): number {
  let largest = 0;
  watchAllocations((length) => {
    largest = Math.max(largest, length);
  }, run);
  return largest;
}

/** Tells the length of each array that is made meanwhile; no runtime tells it by itself. */
function watchAllocations(
  allocated: (length: number) => void,
  run: () => void,
): void {
  const original = globalThis.Uint8Array;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, values: [length: number]) {
      if (typeof values[0] === "number") allocated(values[0]);
      return new target(...values);
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = original;
  }
}
