import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareAbsoluteOrder,
  createMember,
  encodeHost,
  type Member,
  type MemberInit,
  parseGeneration,
} from "../../../protocol/mod.ts";
import {
  ABSOLUTE_ORDER_PROPERTIES,
  testProperties,
} from "../../support/properties.ts";
import {
  loadVectors,
  memberFromForm,
  vectorGeneration,
} from "../../support/vectors.ts";

testProperties(ABSOLUTE_ORDER_PROPERTIES);

for (const vector of loadVectors("absolute-order")) {
  test(`compareAbsoluteOrder() agrees with ${vector.id}`, () => {
    const generation = vectorGeneration(vector);
    const compare = (a: Member, b: Member) =>
      compareAbsoluteOrder(a, b, { generation });
    if (vector.in !== undefined && vector.out !== undefined) {
      const expected = vector.out.map(memberFromForm);
      assert.deepEqual(vector.in.map(memberFromForm).sort(compare), expected);
      assert.deepEqual(expected.toReversed().sort(compare), expected);
    } else {
      assert(vector.a !== undefined && vector.b !== undefined);
      const a = memberFromForm(vector.a);
      const b = memberFromForm(vector.b);
      assert.equal(Math.sign(compare(a, b)), vector.compare);
      assert.equal(0 - Math.sign(compare(b, a)), vector.compare);
    }
  });
}

test("compareAbsoluteOrder() turns to unsigned bytes in the middle of three lines", () => {
  const low = member({ host: encodeHost("127.0.0.1") });
  const high = member({ host: encodeHost("128.0.0.1") });
  const sign = (release: string) =>
    Math.sign(compareAbsoluteOrder(low, high, {
      generation: parseGeneration(release),
    }));
  for (const release of ["8.5", "9.0.118", "10.0", "10.1.55", "11.0.22"]) {
    assert.equal(sign(release), 1, release);
  }
  for (const release of ["9.0.119", "10.1.56", "11.0.23", "11.0", "12.0.0"]) {
    assert.equal(sign(release), -1, release);
  }
  assert.equal(Math.sign(compareAbsoluteOrder(low, high)), -1, "by default");
});

test("compareAbsoluteOrder() looks at host length, host, port, unique id, in turn", () => {
  const before = (a: MemberInit, b: MemberInit) => {
    assert(compareAbsoluteOrder(member(a), member(b)) < 0);
    assert(compareAbsoluteOrder(member(b), member(a)) > 0);
  };
  const host = new Uint8Array([1, 2, 3, 4]);
  const id = (byte: number) => new Uint8Array(16).fill(byte);
  before({ host: new Uint8Array([9, 9]), port: 9 }, { host, port: 1 });
  before({ host, port: 9 }, { host: new Uint8Array([1, 2, 3, 5]), port: 1 });
  before({ host, port: 1, uniqueId: id(9) }, { host, port: 2 });
  before({ host, port: -0x8000_0000 }, { host, port: 0x7fff_ffff });
  before({ host, port: 1, uniqueId: id(1) }, {
    host,
    port: 1,
    uniqueId: id(2),
  });
});

test("compareAbsoluteOrder() finds members equal that differ in the rest", () => {
  const host = encodeHost("10.0.0.1");
  const a = member({ host, aliveTime: 1, domain: new Uint8Array([1]) });
  const b = member({ host, aliveTime: 2, securePort: 5, udpPort: 6 });
  assert.equal(compareAbsoluteOrder(a, b), 0);
});

function member(init: Partial<MemberInit>): Member {
  return createMember({ host: new Uint8Array(4), port: 4000, ...init });
}
