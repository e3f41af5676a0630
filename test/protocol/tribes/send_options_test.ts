import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatSendOptions,
  parseSendOptions,
  SEND_OPTIONS_ASYNCHRONOUS,
  SEND_OPTIONS_BYTE_MESSAGE,
  SEND_OPTIONS_DEFAULT,
  SEND_OPTIONS_MULTICAST,
  SEND_OPTIONS_SECURE,
  SEND_OPTIONS_SYNCHRONIZED_ACK,
  SEND_OPTIONS_UDP,
  SEND_OPTIONS_USE_ACK,
  sendOptionNames,
} from "../../../protocol/mod.ts";
import {
  SEND_OPTIONS_PROPERTIES,
  testProperties,
} from "../../support/properties.ts";
import { loadVectors } from "../../support/vectors.ts";

testProperties(SEND_OPTIONS_PROPERTIES);

const NAMES: readonly (readonly [string, number])[] = [
  ["byte", SEND_OPTIONS_BYTE_MESSAGE],
  ["byte_message", SEND_OPTIONS_BYTE_MESSAGE],
  ["use_ack", SEND_OPTIONS_USE_ACK],
  ["sync", SEND_OPTIONS_SYNCHRONIZED_ACK],
  ["sync_ack", SEND_OPTIONS_SYNCHRONIZED_ACK],
  ["synchronized_ack", SEND_OPTIONS_SYNCHRONIZED_ACK],
  ["async", SEND_OPTIONS_ASYNCHRONOUS],
  ["asynchronous", SEND_OPTIONS_ASYNCHRONOUS],
  ["secure", SEND_OPTIONS_SECURE],
  ["udp", SEND_OPTIONS_UDP],
  ["multicast", SEND_OPTIONS_MULTICAST],
];

test("the send options are Tribes' bits", () => {
  assert.deepEqual(
    [
      SEND_OPTIONS_BYTE_MESSAGE,
      SEND_OPTIONS_USE_ACK,
      SEND_OPTIONS_SYNCHRONIZED_ACK,
      SEND_OPTIONS_ASYNCHRONOUS,
      SEND_OPTIONS_SECURE,
      SEND_OPTIONS_UDP,
      SEND_OPTIONS_MULTICAST,
      SEND_OPTIONS_DEFAULT,
    ],
    [1, 2, 4, 8, 16, 32, 64, 2],
  );
});

for (const { id, decoded } of loadVectors("channel-data")) {
  if (decoded.flags === undefined) continue;
  test(`sendOptionNames() agrees with ${id}`, () => {
    assert.deepEqual(sendOptionNames(decoded.options), decoded.flags);
  });
}

test("parseSendOptions() reads every name", () => {
  for (const [name, bit] of NAMES) assert.equal(parseSendOptions(name), bit);
});

test("parseSendOptions() joins names and numbers, spaces around commas allowed", () => {
  assert.equal(parseSendOptions("async,use_ack"), 10);
  assert.equal(parseSendOptions(" sync , use_ack\t,\n0x100 "), 0x106);
  assert.equal(parseSendOptions("8,8"), 8);
});

test("parseSendOptions() reads 0x000B as 11, not 10", () => {
  assert.equal(parseSendOptions("0x000B"), 11);
  assert.equal(parseSendOptions("0X000b"), 11);
});

test("parseSendOptions() reads 32-bit numbers, signed or not", () => {
  assert.equal(parseSendOptions("-1"), -1);
  assert.equal(parseSendOptions("4294967295"), -1);
  assert.equal(parseSendOptions("0xffffffff"), -1);
  assert.equal(parseSendOptions("-2147483648"), -0x8000_0000);
  assert.equal(parseSendOptions("0"), 0);
  assert.equal(parseSendOptions("010"), 10);
});

test("parseSendOptions() refuses what is neither, and says which item", () => {
  const texts: [text: string, item: string][] = [
    ["", ""],
    ["use_ack,", ""],
    ["use_ack,,sync", ""],
    ["use-ack", "use-ack"],
    ["async use_ack", "async use_ack"],
    ["USE_ACK", "USE_ACK"],
    ["1.5", "1.5"],
    ["1e1", "1e1"],
    ["+1", "+1"],
    ["-0x1", "-0x1"],
    ["4294967296", "4294967296"],
    ["-2147483649", "-2147483649"],
    ["sync,default", "default"],
  ];
  for (const [text, item] of texts) {
    assert.throws(() => parseSendOptions(text), (error: unknown) => {
      assert(error instanceof RangeError);
      const start = `Cannot read send options ${JSON.stringify(text)}: ` +
        `${JSON.stringify(item)} is neither a number nor one of byte, `;
      assert(error.message.startsWith(start), error.message);
      return true;
    });
  }
});

test("formatSendOptions() writes names, highest bit first", () => {
  assert.equal(formatSendOptions(10), "async,use_ack");
  assert.equal(
    formatSendOptions(0x7f),
    "multicast,udp,secure,async,sync,use_ack,byte",
  );
  assert.equal(formatSendOptions(0), "0");
});

test("formatSendOptions() writes bits without a name as one number in front", () => {
  assert.equal(formatSendOptions(0x102), "0x0100,use_ack");
  assert.equal(formatSendOptions(0x80), "0x0080");
  assert.equal(formatSendOptions(0x12300), "0x12300");
  assert.match(formatSendOptions(-1), /^0xffffff80,multicast,/);
});
