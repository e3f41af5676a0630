import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import {
  decodeHex,
  decodeHost,
  encodeHex,
  encodeHost,
} from "../../../protocol/mod.ts";
import { assertEncodeError } from "../../support/outcome.ts";
import { HOST_PROPERTIES, testProperties } from "../../support/properties.ts";

testProperties(HOST_PROPERTIES);

const ADDRESSES: readonly (readonly [text: string, hex: string])[] = [
  ["127.0.0.1", "7f000001"],
  ["0.0.0.0", "00000000"],
  ["255.255.255.255", "ffffffff"],
  ["[10.0.0.3]", "0a000003"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["[::1]", "00000000000000000000000000000001"],
  ["1::", "00010000000000000000000000000000"],
  ["2001:DB8::8:0:1", "20010db8000000000000000800000001"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["::ffff:192.168.1.200", "00000000000000000000ffffc0a801c8"],
  ["fe80::1234:5678", "fe800000000000000000000012345678"],
];

for (const [text, hex] of ADDRESSES) {
  test(`encodeHost() reads ${text}`, () => {
    assert.equal(encodeHex(encodeHost(text)), hex);
  });
}

test("encodeHost() refuses everything that is no numeric address", () => {
  const texts = [
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4\n",
    "0x7f.0.0.1",
    "1.2.3.1000",
    "1.2.3.0004",
    "0001.2.3.4",
    "-1.2.3.4",
    "[127.0.0.1",
    "127.0.0.1]",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "::1/64",
    "fe80::1%eth0",
    "[::1]:4000",
    "::1]@x/[",
  ];
  for (const text of texts) {
    assert.equal(isIP(text), text === "fe80::1%eth0" ? 6 : 0, text);
    const error = assertEncodeError(
      () => encodeHost(text),
      "malformed",
      "host",
    );
    assert.equal(
      error.message,
      `Cannot encode host: ${JSON.stringify(text)} is not a numeric address`,
    );
  }
});

test("decodeHost() writes what a socket takes", () => {
  const decode = (hex: string) => decodeHost(decodeHex(hex));
  assert.equal(decode("7f000001"), "127.0.0.1");
  assert.equal(decode("00000000000000000000000000000001"), "::1");
  assert.equal(decode("20010db8000000000000000800000001"), "2001:db8::8:0:1");
  assert.equal(isIP(decode("00000000000000000000ffffc0a801c8")), 6);
});

test("decodeHost() writes bytes of another length as Tomcat shows them", () => {
  assert.equal(decodeHost(new Uint8Array()), "{}");
  assert.equal(decodeHost(new Uint8Array([1, 255])), "{1, 255}");
  assert.equal(decodeHost(new Uint8Array(5)), "{0, 0, 0, 0, 0}");
});
