import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Aes } from "../../../channel/interceptors/aes.ts";
import { ghash } from "../../../channel/interceptors/ghash.ts";
import {
  MessageCipher,
  parseCipherAlgorithm,
  parseEncryptionKey,
} from "../../../channel/interceptors/message_cipher.ts";
import { concatBytes } from "../../../protocol/bytes/bytes.ts";
import { decodeHex, encodeHex } from "../../../protocol/bytes/hex.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const KEYS = [16, 24, 32].map((length) =>
  Uint8Array.from({ length }, (_, i) => i * 7 + 1)
);
const ALGORITHMS = [
  "AES/CBC/PKCS5Padding",
  "AES/CBC/NoPadding",
  "AES/CFB/PKCS5Padding",
  "AES/CFB/NoPadding",
  "AES/OFB/PKCS5Padding",
  "AES/OFB/NoPadding",
  "AES/GCM/NoPadding",
];

for (const name of ALGORITHMS) {
  test(`MessageCipher with ${name} gives back what it encrypted, with every key length`, () => {
    const whole = name === "AES/CBC/NoPadding";
    for (const key of KEYS) {
      const cipher = new MessageCipher(parseCipherAlgorithm(name), key);
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 16, maxLength: 16 }),
          fc.uint8Array({ maxLength: 70 }),
          (random, body) => {
            const iv = random.subarray(0, cipher.ivLength);
            const plain = whole
              ? body.subarray(0, body.length - body.length % 16)
              : body;
            const before = plain.slice();
            const encrypted = cipher.encrypt(iv, plain);
            assert.deepEqual(encrypted.subarray(0, iv.length), iv);
            assert.deepEqual(plain, before);
            assert.deepEqual(cipher.decrypt(encrypted), before);
          },
        ),
        { numRuns: 30 },
      );
    }
  });
}

/** What the standard's own examples have (NIST SP 800-38A, F; plain text and vector of all of them). */
const NIST_PLAIN = "6bc1bee22e409f96e93d7e117393172a" +
  "ae2d8a571e03ac9c9eb76fac45af8e51";
const NIST_IV = "000102030405060708090a0b0c0d0e0f";
const NIST_KEYS = {
  128: "2b7e151628aed2a6abf7158809cf4f3c",
  192: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
  256: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
};
const NIST:
  readonly (readonly [128 | 192 | 256, "CBC" | "CFB" | "OFB", string])[] = [
    [
      128,
      "CBC",
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
    ],
    [
      192,
      "CBC",
      "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
    ],
    [
      256,
      "CBC",
      "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
    ],
    [
      128,
      "CFB",
      "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b",
    ],
    [
      192,
      "CFB",
      "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a",
    ],
    [
      256,
      "CFB",
      "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b",
    ],
    [
      128,
      "OFB",
      "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825",
    ],
    [
      192,
      "OFB",
      "cdc80d6fddf18cab34c25909c99a4174fcc28b8d4c63837c09e81700c1100401",
    ],
    [
      256,
      "OFB",
      "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d",
    ],
  ];

for (const [bits, mode, expected] of NIST) {
  test(`Aes agrees with the standard's example of ${mode} with ${bits} bits, native or not`, () => {
    const plain = decodeHex(NIST_PLAIN);
    const iv = decodeHex(NIST_IV);
    for (const native of [true, false]) {
      const aes = new Aes(decodeHex(NIST_KEYS[bits]), native);
      const [encrypted, back] = mode === "OFB"
        ? [aes.applyOfb(iv, plain), aes.applyOfb(iv, decodeHex(expected))]
        : mode === "CFB"
        ? [aes.encryptCfb(iv, plain), aes.decryptCfb(iv, decodeHex(expected))]
        : [aes.encryptCbc(iv, plain), aes.decryptCbc(iv, decodeHex(expected))];
      assert.equal(encodeHex(encrypted), expected);
      assert.equal(encodeHex(back), NIST_PLAIN);
    }
  });
}

test("Aes without the runtime's GCM agrees with it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KEYS.filter(({ length }) => length !== 24)),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 100 }),
      (key, iv, plain) => {
        const native = createCipheriv(
          key.length === 16 ? "aes-128-gcm" : "aes-256-gcm",
          key,
          iv,
        );
        const expected = concatBytes([
          native.update(plain),
          native.final(),
          native.getAuthTag(),
        ]);
        for (const useNative of [true, false]) {
          const aes = new Aes(key, useNative);
          assert.deepEqual(aes.encryptGcm(iv, plain), expected);
          assert.deepEqual(aes.decryptGcm(iv, expected), plain);
        }
      },
    ),
  );
});

test("Aes without the runtime's GCM refuses every changed bit, with every key length", () => {
  const iv = new Uint8Array(12).fill(9);
  for (const key of KEYS) {
    const aes = new Aes(key, false);
    const sealed = aes.encryptGcm(iv, new Uint8Array(20).fill(5));
    assert.notEqual(aes.decryptGcm(iv, sealed), undefined);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = sealed.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7); // within the array
      assert.equal(aes.decryptGcm(iv, changed), undefined);
    }
  }
});

test("ghash() agrees with the example of its authors", () => {
  const key = decodeHex("66e94bd4ef8a2c3b884cfa59ca342b2e");
  const text = decodeHex("0388dace60b6a392f328c2b971b2fe78");
  assert.equal(encodeHex(ghash(key, text)), "f38cbb1ad69223dcc3457ae5b6b0f885");
  assert.equal(encodeHex(ghash(key, new Uint8Array())), "00".repeat(16));
});

test("MessageCipher.decrypt() gives nothing for wrong padding, of any kind", () => {
  const [key] = KEYS;
  const raw = new MessageCipher(
    parseCipherAlgorithm("AES/CBC/NoPadding"),
    key!,
  );
  const padded = new MessageCipher(
    parseCipherAlgorithm("AES/CBC/PKCS5Padding"),
    key!,
  );
  const iv = new Uint8Array(16);
  const open = (end: string) => {
    const text = decodeHex(end.padStart(64, "aa"));
    return padded.decrypt(raw.encrypt(iv, text))?.length;
  };
  assert.equal(open("01"), 31);
  assert.equal(open("0202"), 30);
  assert.equal(open("10".repeat(16)), 16);
  for (
    const end of [
      "00",
      "02",
      "11".repeat(17),
      "ff",
      "030303".replace("03", "04"),
      "aa" + "10".repeat(15),
      "20".repeat(32),
    ]
  ) assert.equal(open(end), undefined, end);
  assert.equal(padded.decrypt(iv), undefined);
  assert.equal(padded.decrypt(new Uint8Array(31)), undefined);
  assert.equal(raw.decrypt(new Uint8Array(31)), undefined);
});

test("MessageCipher refuses bodies, vectors and keys of other lengths", () => {
  const gcm = new MessageCipher(
    parseCipherAlgorithm("AES/GCM/NoPadding"),
    KEYS[0]!,
  );
  const cbc = new MessageCipher(
    parseCipherAlgorithm("AES/CBC/PKCS5Padding"),
    KEYS[0]!,
  );
  const short = (cipher: MessageCipher, length: number) =>
    assertDecodeError(
      () => cipher.decrypt(new Uint8Array(length)),
      "truncated",
      "encrypted",
      0,
    );
  for (const length of [0, 11, 12, 27]) short(gcm, length);
  for (const length of [0, 15]) short(cbc, length);
  assertEncodeError(
    () => gcm.encrypt(new Uint8Array(16), new Uint8Array()),
    "out-of-range",
    "iv",
  );
  for (const length of [0, 15, 17, 33]) {
    assert.throws(
      () =>
        new MessageCipher(
          { mode: "GCM", padding: "NoPadding" },
          new Uint8Array(length),
        ),
      RangeError,
    );
  }
});

test("parseEncryptionKey() reads hexadecimal of three lengths", () => {
  assert.deepEqual(
    parseEncryptionKey(" 000102030405060708090A0b0c0d0e0f\n"),
    Uint8Array.from({ length: 16 }, (_, i) => i),
  );
  assert.equal(parseEncryptionKey("ab".repeat(24)).length, 24);
  assert.equal(parseEncryptionKey("ab".repeat(32)).length, 32);
  assert.throws(() => parseEncryptionKey("ab".repeat(20)), RangeError);
});
