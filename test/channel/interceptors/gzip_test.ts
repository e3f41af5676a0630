import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { DroppedMessageError } from "../../../channel/interceptors/dropped_messages.ts";
import {
  GzipInterceptor,
  type GzipOptions,
} from "../../../channel/interceptors/gzip.ts";
import {
  gunzipBody,
  gzipBody,
} from "../../../channel/interceptors/gzip_body.ts";
import { concatBytes } from "../../../protocol/bytes/bytes.ts";
import { decodeHex, encodeHex } from "../../../protocol/bytes/hex.ts";
import { DecodeError } from "../../../protocol/errors.ts";
import { parseGeneration } from "../../../protocol/generation.ts";
import { Layers } from "../../support/interceptor_layer.ts";
import { interceptorVectors } from "../../support/interceptor_vectors.ts";
import { assertDecodeError } from "../../support/outcome.ts";
import { messageOf } from "../../support/tribes_peers.ts";

const LIMIT = 1_000_000;

function start(release = "10.1.60", options: GzipOptions = {}) {
  return Layers.start(
    new GzipInterceptor({ generation: parseGeneration(release), ...options }),
  );
}

function text(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(value);
}

for (const vector of interceptorVectors("gzip")) {
  test(`GzipInterceptor agrees with ${vector.id}`, async () => {
    const { optionsBefore, optionsAfter, plain, compressed } = vector.decoded;
    const size = /compressionMinSize=(\d+)/.exec(vector.description)?.[1];
    const layers = await start("10.1.60", {
      compressionMinSize: Number(size ?? 0),
    });
    const [sent] = await layers.send(
      messageOf(decodeHex(plain), optionsBefore),
    );
    assert.equal(sent!.options, optionsAfter);
    if (compressed) {
      assert.equal(encodeHex(gunzipBody(sent!.message, LIMIT)), plain);
    } else assert.equal(encodeHex(sent!.message), vector.hex);
    await layers.receive(messageOf(decodeHex(vector.hex), optionsAfter));
    assert.equal(encodeHex(layers.delivered[0]!.message), plain);
    assert.equal(layers.delivered[0]!.options, optionsAfter);
  });
}

test("gzipBody() has the header that Java writes", () => {
  assert.equal(
    encodeHex(gzipBody(text("hello")).subarray(0, 10)),
    "1f8b08000000000000ff",
  );
});

test("GzipInterceptor gives back any body", async () => {
  for (const release of ["10.1.60", "9.0.0", "8.5.100", "7.0.55"]) {
    const layers = await start(release);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        async (body) => {
          const [sent] = await layers.send(messageOf(body, 2));
          const before = layers.delivered.length;
          await layers.receive(sent!);
          assert.deepEqual(layers.delivered.at(before)?.message, body);
        },
      ),
    );
    assert.deepEqual(layers.faults, []);
  }
});

test("GzipInterceptor compresses what is longer than compressionMinSize", async () => {
  const layers = await start("10.1.60", { compressionMinSize: 10 });
  const [short, long] = [
    await layers.send(messageOf(new Uint8Array(10), 6)),
    await layers.send(messageOf(new Uint8Array(11), 6)),
  ];
  assert.deepEqual(short[0]!.message, new Uint8Array(10));
  assert.equal(short[0]!.options, 6);
  assert.equal(long[0]!.options, 6 | 0x100);
  assert.deepEqual(gunzipBody(long[0]!.message, LIMIT), new Uint8Array(11));
});

test("GzipInterceptor of 7.0 and 8.5 compresses everything, and sets no bit", async () => {
  for (const release of ["7.0", "8.5"]) {
    const layers = await start(release, { compressionMinSize: 100 });
    for (const body of ["", "hello"]) {
      const [sent] = await layers.send(messageOf(body, 2));
      assert.equal(sent!.options, 2);
      assert.deepEqual(gunzipBody(sent!.message, LIMIT), text(body));
    }
  }
});

test("GzipInterceptor passes up what has no bit as it is, gzip or not", async () => {
  const layers = await start();
  for (const body of [text("plain"), gzipBody(text("x")), new Uint8Array()]) {
    await layers.receive(messageOf(body, 2));
    assert.deepEqual(layers.delivered.at(-1)?.message, body);
  }
});

test("GzipInterceptor of 8.5 decompresses whatever the bit, and passes up what is no gzip", async () => {
  const layers = await start("8.5");
  await layers.receive(messageOf(gzipBody(text("new")), 0x102));
  await layers.receive(messageOf(gzipBody(text("old")), 2));
  await layers.receive(messageOf("short, of 9.0", 2));
  await layers.receive(messageOf("", 2));
  assert.deepEqual(layers.texts, ["new", "old", "short, of 9.0", ""]);
  await layers.receive(messageOf("flagged", 0x102));
  assert.equal(layers.delivered.length, 4);
  assert.equal(layers.faults.length, 1);
});

test("GzipInterceptor takes one bit of several for a compressed message, as Tomcat does", async () => {
  const layers = await start("10.1.60", { optionFlag: 0x300 });
  const [sent] = await layers.send(messageOf("x"));
  assert.equal(sent!.options, 0x300);
  for (const options of [0x100, 0x200, 0x300]) {
    await layers.receive(messageOf(gzipBody(text("x")), options));
  }
  assert.deepEqual(layers.texts, ["x", "x", "x"]);
});

test("GzipInterceptor drops what cannot be decompressed, and says so once", async () => {
  const interceptor = new GzipInterceptor();
  const layers = await Layers.start(interceptor);
  for (let i = 0; i < 100; i++) {
    await layers.receive(messageOf("no gzip at all", 0x100));
  }
  assert.deepEqual(layers.delivered, []);
  assert.equal(layers.faults.length, 1);
  const [fault] = layers.faults;
  assert(fault instanceof DroppedMessageError);
  assert.equal(fault.reason, "bad-marker");
  assert(fault.cause instanceof DecodeError);
  assert.equal(interceptor.statistics().dropped, 100);
});

test("GzipInterceptor drops what becomes greater than maxUncompressed", async () => {
  const layers = await start("10.1.60", { maxUncompressed: 1000 });
  await layers.receive(messageOf(gzipBody(new Uint8Array(1000)), 0x100));
  assert.equal(layers.delivered.length, 1);
  await layers.receive(messageOf(gzipBody(new Uint8Array(1001)), 0x100));
  await layers.receive(messageOf(gzipBody(new Uint8Array(10_000_000)), 0x100));
  assert.equal(layers.delivered.length, 1);
  assert.match(layers.faults[0]!.message, /more than 1000 bytes/);
});

test("GzipInterceptor fails with its listener, and drops nothing then", async () => {
  const layers = await start();
  layers.deliver = () => {
    throw new DecodeError("malformed", "mine", 0, "x");
  };
  const message = messageOf(gzipBody(text("x")), 0x100);
  assert.throws(() => layers.receive(message), /mine/);
  assert.deepEqual(layers.faults, []);
});

test("GzipInterceptor.statistics() counts as Tomcat's does", async () => {
  const interceptor = new GzipInterceptor({ compressionMinSize: 5 });
  const layers = await Layers.start(interceptor);
  await layers.send(messageOf(new Uint8Array(1000)));
  await layers.send(messageOf("short"));
  const compressed = gzipBody(new Uint8Array(500));
  await layers.receive(messageOf(compressed, 0x100));
  await layers.receive(messageOf("plain"));
  assert.deepEqual(interceptor.statistics(), {
    countCompressedTX: 1,
    countUncompressedTX: 1,
    countCompressedRX: 1,
    countUncompressedRX: 1,
    sizeTX: 1005,
    compressedSizeTX: layers.sent[0]!.message.message.length,
    sizeRX: 505,
    compressedSizeRX: compressed.length,
    dropped: 0,
  });
});

test("GzipInterceptor refuses options that are out of range", () => {
  for (
    const options of [
      { compressionMinSize: -1 },
      { compressionMinSize: 0.5 },
      { maxUncompressed: 0 },
      { optionFlag: 0 },
    ]
  ) {
    assert.throws(() => new GzipInterceptor(options), RangeError);
  }
});

const HELLO = gzipSync("hello");
const WORLD = gzipSync(" world");

test("gunzipBody() reads several members, and ignores what is no member behind them", () => {
  for (
    const [parts, expected] of [
      [[HELLO], "hello"],
      [[HELLO, WORLD], "hello world"],
      [[HELLO, gzipSync(""), WORLD, HELLO], "hello worldhello"],
      [[HELLO, text("junk")], "hello"],
      [[HELLO, WORLD, new Uint8Array(30)], "hello world"],
      [[HELLO, new Uint8Array([0x1f])], "hello"],
      [
        [HELLO, new Uint8Array([0x1f, 0x8b, 9, ...new Uint8Array(30)])],
        "hello",
      ],
      [[HELLO, WORLD.subarray(0, 9)], "hello"],
    ] as const
  ) {
    const bytes = concatBytes(parts);
    assert.equal(new TextDecoder().decode(gunzipBody(bytes, LIMIT)), expected);
  }
});

test("gunzipBody() reads every field of a header", () => {
  const data = deflateRawSync(text("hello"));
  const trailer = HELLO.subarray(HELLO.length - 8);
  const header = (flags: number, ...rest: number[]) =>
    new Uint8Array([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3, ...rest]);
  const fields = [
    header(0),
    header(1), // text
    header(4, 2, 0, 0xaa, 0xbb), // extra
    header(8, 0x61, 0), // name
    header(16, 0), // comment
    header(28, 1, 0, 9, 0x61, 0x62, 0, 0x63, 0),
  ];
  for (const field of fields) {
    const bytes = concatBytes([field, data, trailer]);
    assert.deepEqual(gunzipBody(bytes, LIMIT), text("hello"));
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(
        () => gunzipBody(bytes.subarray(0, end), LIMIT),
        DecodeError,
        `${end}`,
      );
    }
  }
  // Its own checksum: the low half of the header's CRC32.
  const checked = header(2);
  const good = concatBytes([checked, headerChecksum(checked), data, trailer]);
  assert.deepEqual(gunzipBody(good, LIMIT), text("hello"));
  good[10]! ^= 1; // within the array
  assertDecodeError(() => gunzipBody(good, LIMIT), "malformed", "gzip", 10);
});

test("gunzipBody() gives code and place of what is wrong", () => {
  const changed = (at: number, bits = 1) => {
    const bytes = Uint8Array.from(HELLO);
    bytes[at < 0 ? bytes.length + at : at]! ^= bits; // within the array
    return bytes;
  };
  for (
    const [bytes, code, offset] of [
      [new Uint8Array(), "truncated", 0],
      [changed(0), "bad-marker", 0],
      [changed(1), "bad-marker", 0],
      [changed(2), "malformed", 2],
      [HELLO.subarray(0, 5), "truncated", 0],
      [HELLO.subarray(0, 14), "truncated", 10],
      [HELLO.subarray(0, HELLO.length - 1), "truncated", HELLO.length - 8],
      [changed(-6), "malformed", HELLO.length - 8],
      [changed(-1), "malformed", HELLO.length - 4],
      [changed(10, 6), "malformed", 10],
      [concatBytes(Array(1001).fill(HELLO)), "too-large", HELLO.length * 1000],
    ] as const
  ) {
    assertDecodeError(() => gunzipBody(bytes, LIMIT), code, "gzip", offset);
  }
  const one = concatBytes([HELLO, gzipSync("x")]);
  const at = HELLO.length + 10;
  assertDecodeError(() => gunzipBody(one, 5), "too-large", "gzip", at);
  const two = concatBytes([HELLO, WORLD]);
  assert.equal(gunzipBody(two, 11).length, 11);
  for (const limit of [1, 4, 5, 6, 10]) {
    const at = limit < 5 ? 10 : HELLO.length + 10;
    assertDecodeError(() => gunzipBody(two, limit), "too-large", "gzip", at);
  }
});

test("gunzipBody() of damaged bytes gives a DecodeError or at most the limit", () => {
  const whole = gzipSync("some text, some text, and again some text");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.uint8Array({ maxLength: 20 }),
      (changes, tail) => {
        const bytes = concatBytes([whole, tail]);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          assert(gunzipBody(bytes, 100).length <= 100);
        } catch (error) {
          assert(error instanceof DecodeError, `${error}`);
        }
      },
    ),
  );
});

/** The checksum of a header, low byte first, computed bit by bit. */
function headerChecksum(bytes: Uint8Array): Uint8Array {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc >>> 1 ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  crc = ~crc;
  return new Uint8Array([crc, crc >>> 8]);
}
