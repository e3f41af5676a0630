import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byteLengthMember,
  concatBytes,
  createMember,
  decodeBeacon,
  decodeHex,
  decodeMember,
  encodeFrame,
  encodeHex,
  encodeHost,
  encodeMember,
  equalMembers,
  formatMember,
  isBeacon,
  isShutdown,
  MAX_HOST_LENGTH,
  MAX_MEMBER_LENGTH,
  type Member,
  memberKey,
  parseByteString,
  SHUTDOWN_PAYLOAD,
  tomcatMemberName,
  TRIBES_MBR_BEGIN,
  TRIBES_MBR_END,
} from "../../../protocol/mod.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { MEMBER_PROPERTIES, testProperties } from "../../support/properties.ts";
import {
  loadVector,
  loadVectors,
  memberFromForm,
} from "../../support/vectors.ts";

testProperties(MEMBER_PROPERTIES);

for (const { id, hex, decoded } of loadVectors("member-beacon")) {
  test(`decodeMember() and encodeMember() agree with ${id}`, () => {
    const bytes = decodeHex(hex);
    const member = memberFromForm(decoded);
    assert.deepEqual(decodeMember(bytes), member);
    assert.deepEqual(decodeBeacon(bytes), member);
    assert.equal(encodeHex(encodeMember(member)), hex);
    assert.equal(byteLengthMember(member), bytes.length);
    assert(isBeacon(bytes));
    assert.equal(isShutdown(member), id.includes("/shutdown"));
  });
}

const REJECTS = {
  "member-reject/bad-begin": ["bad-marker", "member.begin", 0],
  "member-reject/host-len-negative": ["out-of-range", "member.host.length", 34],
  "member-reject/truncated": ["truncated", "member.end", 67],
} as const;

for (const { id, hex, error } of loadVectors("member-reject")) {
  if (error === "accepted") continue;
  test(`decodeMember() and decodeBeacon() refuse ${id}`, () => {
    const [code, field, offset] = REJECTS[id as keyof typeof REJECTS];
    const bytes = decodeHex(hex);
    assertDecodeError(() => decodeMember(bytes), code, field, offset);
    assertDecodeError(() => decodeBeacon(bytes), code, field, offset);
  });
}

test("decodeBeacon() ignores bytes behind the block, as member-reject/trailing has them", () => {
  const { hex, error } = loadVector("member-reject", "trailing");
  assert.equal(error, "accepted");
  const bytes = decodeHex(hex);
  const member = decodeBeacon(bytes);
  assert.equal(encodeHex(encodeMember(member)), hex.slice(0, -14));
  assertDecodeError(
    () => decodeMember(bytes),
    "trailing-bytes",
    "member",
    bytes.length - 7,
  );
});

test("the constants of member blocks are Tribes'", () => {
  assert.equal(encodeHex(TRIBES_MBR_BEGIN), "5452494245532d420100");
  assert.equal(encodeHex(TRIBES_MBR_END), "5452494245532d450100");
  assert.equal(encodeHex(SHUTDOWN_PAYLOAD), "424142592d414c4558");
  assert.equal(MAX_HOST_LENGTH, 127);
  assert.equal(MAX_MEMBER_LENGTH, 65_535);
});

test("decodeMember() gives views", () => {
  const block = encodeMember(full());
  const member = decodeMember(block);
  for (const key of BYTE_FIELDS) {
    assert.equal(member[key].buffer, block.buffer, key);
  }
});

// Offsets in the block of full(): 24 + fields, see the layout in the format's description.
const FIELDS: readonly (readonly [field: string, offset: number])[] = [
  ["member.begin", 0],
  ["member.body.length", 10],
  ["member.body", 14],
];

test("decodeMember() refuses a wrong body length", () => {
  const lengthened = (by: number) => {
    const block = encodeMember(full());
    const view = new DataView(block.buffer);
    view.setInt32(10, view.getInt32(10) + by);
    return block;
  };
  // One too short: the payload's last byte is not the body's.
  assertDecodeError(
    () => decodeMember(lengthened(-1)),
    "truncated",
    "member.payload",
    78,
  );
  // One too long: a byte of the end marker is the body's.
  assertDecodeError(
    () => decodeMember(lengthened(1)),
    "trailing-bytes",
    "member.body",
    81,
  );
  assertDecodeError(
    () => decodeMember(lengthened(11)),
    "truncated",
    "member.body",
    14,
  );
  assertDecodeError(
    () => decodeMember(lengthened(-1000)),
    "out-of-range",
    "member.body.length",
    10,
  );
});

test("decodeMember() says which field a short block ends in", () => {
  const block = encodeMember(full());
  for (const [field, offset] of FIELDS) {
    assertDecodeError(
      () => decodeMember(block.slice(0, offset)),
      "truncated",
      field,
      offset,
    );
  }
});

test("decodeMember() refuses inner lengths that lie", () => {
  const lengths: [field: string, at: number][] = [
    ["member.command", 39],
    ["member.domain", 45],
    ["member.payload", 74],
  ];
  for (const [field, at] of lengths) {
    const lie = (length: number) => {
      const block = encodeMember(full());
      new DataView(block.buffer).setInt32(at, length);
      return block;
    };
    assertDecodeError(
      () => decodeMember(lie(-1)),
      "out-of-range",
      `${field}.length`,
      at,
    );
    assertDecodeError(
      () => decodeMember(lie(0x7fff_ffff)),
      "truncated",
      field,
      at + 4,
    );
  }
});

test("decodeMember() refuses an alive time that a number cannot hold", () => {
  const block = encodeMember(full());
  block[14] = 0x7f;
  assertDecodeError(
    () => decodeMember(block),
    "out-of-range",
    "member.aliveTime",
    14,
  );
});

test("decodeMember() refuses a wrong end marker", () => {
  const block = encodeMember(full());
  block[block.length - 2] = 2; // version 2.0
  assertDecodeError(() => decodeMember(block), "bad-marker", "member.end", 81);
});

test("decodeMember() takes a host of 127 bytes and refuses 128", () => {
  const member = { ...full(), host: new Uint8Array(127) };
  assert.equal(decodeMember(encodeMember(member)).host.length, 127);
  const block = encodeMember(member);
  block[34] = 128;
  const error = assertDecodeError(
    () => decodeMember(block),
    "out-of-range",
    "member.host.length",
    34,
  );
  assert.match(error.message, /: 128 > 127$/);
});

test("encodeMember() refuses what has no wire form", () => {
  const refused: [Partial<Member>, string][] = [
    [{ host: new Uint8Array(128) }, "member.host"],
    [{ uniqueId: new Uint8Array(15) }, "member.uniqueId"],
    [{ uniqueId: new Uint8Array(17) }, "member.uniqueId"],
    [{ port: 2 ** 31 }, "member.port"],
    [{ securePort: 0.5 }, "member.securePort"],
    [{ udpPort: NaN }, "member.udpPort"],
    [{ aliveTime: 2 ** 53 }, "member.aliveTime"],
  ];
  for (const [change, field] of refused) {
    const member = { ...full(), ...change };
    assertEncodeError(() => encodeMember(member), "out-of-range", field);
    assertEncodeError(() => createMember(member), "out-of-range", field);
  }
});

test("createMember() has Tribes' defaults", () => {
  const host = encodeHost("10.0.0.1");
  assert.deepEqual(createMember({ host, port: 4000 }), {
    host,
    port: 4000,
    securePort: -1,
    udpPort: -1,
    aliveTime: 0,
    uniqueId: new Uint8Array(16),
    domain: new Uint8Array(),
    command: new Uint8Array(),
    payload: new Uint8Array(),
  });
});

test("createMember() copies what it is given", () => {
  const init = full();
  const member = createMember(init);
  assert.deepEqual(member, init);
  for (const key of BYTE_FIELDS) {
    assert.notEqual(member[key].buffer, init[key].buffer, key);
  }
});

test("equalMembers() and memberKey() compare host, port and unique id only", () => {
  const member = full();
  const same: Member = {
    ...member,
    securePort: 1,
    udpPort: 2,
    aliveTime: 3,
    domain: new Uint8Array(),
    command: SHUTDOWN_PAYLOAD,
    payload: new Uint8Array(),
  };
  assert(equalMembers(member, same));
  assert.equal(memberKey(member), memberKey(same));
  const others: Partial<Member>[] = [
    { host: encodeHost("127.0.0.2") },
    { port: 4001 },
    { uniqueId: new Uint8Array(16) },
  ];
  for (const change of others) {
    const other = { ...member, ...change };
    assert(!equalMembers(member, other));
    assert.notEqual(memberKey(member), memberKey(other));
  }
});

test("isShutdown() looks for the whole command", () => {
  const is = (command: Uint8Array) => isShutdown({ ...full(), command });
  assert(is(SHUTDOWN_PAYLOAD));
  assert(!is(SHUTDOWN_PAYLOAD.slice(0, 8)));
  assert(!is(concatBytes([SHUTDOWN_PAYLOAD, new Uint8Array(1)])));
  assert(!is(new Uint8Array()));
});

test("isBeacon() tells beacons from broadcasts", () => {
  assert(isBeacon(TRIBES_MBR_BEGIN));
  assert(!isBeacon(TRIBES_MBR_BEGIN.slice(0, 9)));
  assert(!isBeacon(TRIBES_MBR_END));
  assert(!isBeacon(encodeFrame(encodeMember(full()))));
  assert(!isBeacon(new Uint8Array()));
});

test("formatMember() writes an address for people", () => {
  const format = (host: Uint8Array) => formatMember({ ...full(), host });
  assert.equal(format(encodeHost("127.0.0.1")), "127.0.0.1:4000");
  assert.equal(format(encodeHost("::1")), "[::1]:4000");
  assert.equal(format(new Uint8Array([1, 2])), "{1, 2}:4000");
});

test("tomcatMemberName() writes unsigned bytes, as Tomcat's logs have them", () => {
  const host = encodeHost("192.168.1.200");
  const name = tomcatMemberName({ ...full(), host });
  assert.equal(name, "tcp://{192, 168, 1, 200}:4000");
});

test("parseByteString() reads text as ISO-8859-1", () => {
  assert.equal(
    encodeHex(parseByteString("catalina", "domain")),
    "636174616c696e61",
  );
  assert.equal(encodeHex(parseByteString("é\u00ff", "domain")), "e9ff");
  assert.equal(encodeHex(parseByteString("1,2", "domain")), "312c32");
  assert.deepEqual(parseByteString("", "domain"), new Uint8Array());
  const error = assertEncodeError(
    () => parseByteString("a\u0100", "domain"),
    "out-of-range",
    "domain",
  );
  assert.match(error.message, /character 1 of "a\u0100" is not in ISO-8859-1/);
});

test("parseByteString() reads a list of signed bytes", () => {
  const read = (text: string) => encodeHex(parseByteString(text, "uniqueId"));
  assert.equal(read("{1,2,-3}"), "0102fd");
  assert.equal(read("{-128,127,+5,007}"), "807f0507");
  assert.equal(read("{}"), "");
  const bad = ["{1, 2}", "{200}", "{128}", "{-129}", "{1,}", "{,1}", "{1"];
  for (const text of [...bad, "{a}", "{0x1}", "{1.0}", "{", "{1}2", "{ }"]) {
    const error = assertEncodeError(() => read(text), "malformed", "uniqueId");
    assert(error.message.includes(JSON.stringify(text)), error.message);
  }
});

const BYTE_FIELDS = [
  "host",
  "uniqueId",
  "command",
  "domain",
  "payload",
] as const;

/** A member whose block has every field: host at 35, command 43, domain 49, id 58, payload 78. */
function full(): Member {
  return {
    host: encodeHost("127.0.0.1"),
    port: 4000,
    securePort: 4443,
    udpPort: 4100,
    aliveTime: 12_345,
    command: new Uint8Array([1, 2]),
    domain: new Uint8Array([3, 4, 5, 6, 7, 8, 9, 10, 11]),
    uniqueId: Uint8Array.from({ length: 16 }, (_, i) => i),
    payload: new Uint8Array([1, 2, 3]),
  };
}
