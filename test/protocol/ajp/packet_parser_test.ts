import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AJP_FROM_CONTAINER,
  AJP_TO_CONTAINER,
  AjpPacketParser,
  concatBytes,
  encodeCping,
  encodeHex,
} from "../../../protocol/mod.ts";
import { packetOf } from "../../support/ajp_values.ts";
import { assertDecodeError, outcome } from "../../support/outcome.ts";

test("AjpPacketParser gives a packet as a view where it lies in one chunk", () => {
  const bytes = concatBytes([encodeCping(), packetOf([1, 2, 3])]);
  const parser = newParser();
  parser.feed(bytes);
  assert.equal(parser.next()?.buffer, bytes.buffer);
  assert.equal(encodeHex(parser.next()!), "12340003010203"); // it is there whole
  assert.equal(parser.next(), undefined);
});

test("AjpPacketParser gives a joined packet that later ones do not overwrite", () => {
  const parser = newParser();
  const given: Uint8Array[] = [];
  for (const payload of [[1, 2], [3, 4]]) {
    for (const byte of packetOf(payload)) {
      parser.feed(Uint8Array.of(byte));
      const packet = parser.next();
      if (packet !== undefined) given.push(packet);
    }
  }
  assert.deepEqual(given, [packetOf([1, 2]), packetOf([3, 4])]);
});

test("AjpPacketParser counts what it holds and what it gave out", () => {
  const parser = newParser();
  parser.feed(concatBytes([encodeCping(), encodeCping().subarray(0, 3)]));
  assert.equal(parser.bufferedLength, 8);
  parser.next();
  assert.equal(parser.offset, 5);
  assert.equal(parser.next(), undefined);
  assert.equal(parser.bufferedLength, 3);
  assert.equal(parser.offset, 5);
  parser.feed(new Uint8Array());
  assert.equal(parser.bufferedLength, 3);
});

test("AjpPacketParser tells a wrong byte as soon as it is there", () => {
  for (const [at, bytes] of [[0, [0x13]], [1, [0x12, 0x35]]] as const) {
    for (const size of [1, 9]) {
      const parser = newParser();
      parser.feed(encodeCping());
      parser.next();
      for (let i = 0; i < bytes.length; i += size) {
        parser.feed(Uint8Array.from(bytes.slice(i, i + size)));
        if (i < at && size === 1) assert.equal(parser.next(), undefined);
      }
      const error = assertDecodeError(
        () => parser.next(),
        "bad-marker",
        "packet.magic",
        5,
      );
      assert(error.message.includes(`byte ${at} `), error.message);
    }
  }
});

test("AjpPacketParser knows packets of its direction only", () => {
  const parser = new AjpPacketParser({ magic: AJP_FROM_CONTAINER });
  parser.feed(encodeCping());
  assertDecodeError(() => parser.next(), "bad-marker", "packet.magic", 0);
  const other = new AjpPacketParser({ magic: AJP_FROM_CONTAINER });
  other.feed(packetOf([9], AJP_FROM_CONTAINER));
  assert.equal(encodeHex(other.next()!), "4142000109"); // it is there whole
});

test("AjpPacketParser refuses a length above its limit before the payload comes", () => {
  for (
    const [packetSize, good, bad] of [
      [undefined, 0x1ffc, 0x1ffd],
      [8192, 0x1ffc, 0x1ffd],
      [16_384, 0x3ffc, 0x3ffd],
      [65_536, 0xfffc, 0xfffd],
    ] as const
  ) {
    const options = packetSize === undefined ? {} : { packetSize };
    const parser = new AjpPacketParser({ magic: AJP_TO_CONTAINER, ...options });
    parser.feed(Uint8Array.of(0x12, 0x34, good >> 8, good));
    assert.equal(parser.next(), undefined);
    parser.feed(new Uint8Array(good));
    assert.equal(parser.next()?.length, good + 4);
    parser.feed(Uint8Array.of(0x12, 0x34, bad >> 8, bad));
    assertDecodeError(
      () => parser.next(),
      "too-large",
      "packet.length",
      good + 6,
    );
  }
});

test("AjpPacketParser refuses a packet size that is none", () => {
  for (const packetSize of [0, 8191, 8192.5, 65_537, NaN, Infinity]) {
    assert.throws(
      () => new AjpPacketParser({ magic: AJP_TO_CONTAINER, packetSize }),
      (error: unknown) =>
        error instanceof RangeError &&
        error.message.includes(`packetSize ${packetSize}:`),
    );
  }
});

test("AjpPacketParser is dead after an error: it throws it again and stores nothing", () => {
  const parser = newParser();
  parser.feed(Uint8Array.of(0));
  const first = outcome(() => parser.next());
  const held = parser.bufferedLength;
  parser.feed(encodeCping());
  assert.equal(parser.bufferedLength, held);
  assert.deepEqual(outcome(() => parser.next()), first);
  assert.deepEqual(outcome(() => parser.end()), first);
});

test("AjpPacketParser.end() refuses a stream that ends inside a packet", () => {
  const bytes = packetOf([1, 2, 3]);
  for (let length = 0; length <= bytes.length; length++) {
    for (const pulled of [true, false]) {
      const parser = newParser();
      parser.feed(encodeCping());
      parser.next();
      parser.feed(bytes.slice(0, length));
      if (pulled || length === bytes.length) parser.next();
      if (length === 0 || length === bytes.length) parser.end();
      else assertDecodeError(() => parser.end(), "truncated", "packet", 5);
    }
  }
});

function newParser(): AjpPacketParser {
  return new AjpPacketParser({ magic: AJP_TO_CONTAINER });
}
