import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  createMember,
  DecodeError,
  decodeHex,
  decodeMemberMessage,
  decodeMemberObject,
  decodeRpcMessage,
  encodeHost,
  encodeMemberMessage,
  encodeMemberObject,
  encodeRpcMessage,
  javaByteMessage,
  javaString,
  mayBeRpcMessage,
  memberSerialVersionUid,
  parseGeneration,
} from "../../../protocol/mod.ts";
import { byteStrings, members } from "../../support/arbitraries.ts";

const UIDS: readonly (readonly [release: string, uid: bigint])[] = [
  ["7.0.0", -3747696661765742913n],
  ["7.0.30", -3747696661765742913n],
  ["7.0.31", 9101965184867046152n],
  ["7.0.68", 9101965184867046152n],
  ["7.0.69", -5400603719024120549n],
  ["7.0", -5400603719024120549n],
  ["8.5.0", -3881480645479112067n],
  ["8.5.1", 3323947316117794076n],
  ["8.5", 3323947316117794076n],
  ["9.0.0", 3323947316117794076n],
  ["9.0", 3323947316117794076n],
  ["10.0.0", 6004750745337223678n],
  ["10.0", 6004750745337223678n],
  ["10.1.39", 6004750745337223678n],
  ["10.1.40", -8901659902996040089n],
  ["11.0.5", 6004750745337223678n],
  ["11.0.6", -8901659902996040089n],
  ["12.0", -8901659902996040089n],
];

for (const [release, uid] of UIDS) {
  test(`memberSerialVersionUid() of ${release}`, () => {
    assert.equal(memberSerialVersionUid(parseGeneration(release)), uid);
  });
}

test("decodeMemberObject() reads what encodeMemberObject() wrote, of any generation and class", () => {
  const generation = fc.constantFrom(...UIDS.map(([release]) => release));
  const memberClass = fc.constantFrom("MemberImpl", "StaticMember");
  fc.assert(
    fc.property(members(), generation, memberClass, (member, release, name) => {
      const bytes = encodeMemberObject(member, {
        generation: parseGeneration(release),
        memberClass: name as "MemberImpl",
      });
      assert.deepEqual(decodeMemberObject(bytes), member);
    }),
  );
});

test("decodeMemberMessage() reads what encodeMemberMessage() wrote", () => {
  fc.assert(
    fc.property(
      fc.nat(4),
      members(),
      byteStrings(),
      (msgtype, member, membershipId) => {
        const message = { msgtype, member, membershipId };
        assert.deepEqual(
          decodeMemberMessage(encodeMemberMessage(message)),
          message,
        );
      },
    ),
  );
});

test("decodeRpcMessage() reads what encodeRpcMessage() wrote", () => {
  const inner = fc.oneof(
    fc.constant(null),
    fc.string().map(javaString),
    byteStrings().map(javaByteMessage),
  );
  fc.assert(
    fc.property(
      byteStrings(),
      byteStrings(),
      fc.boolean(),
      inner,
      (uuid, rpcId, reply, message) => {
        const call = { type: "call", reply, uuid, rpcId, message } as const;
        const bytes = encodeRpcMessage(call);
        assert(mayBeRpcMessage(bytes));
        const { message: read, ...head } = decodeRpcMessage(
          bytes,
        ) as typeof call;
        const { message: _, ...written } = call;
        assert.deepEqual(head, written);
        assert.deepEqual(encodeRpcMessage({ ...head, message: read }), bytes);
        const none = { type: "no-rpc-channel-reply", uuid, rpcId } as const;
        assert(mayBeRpcMessage(encodeRpcMessage(none)));
        assert.deepEqual(decodeRpcMessage(encodeRpcMessage(none)), none);
      },
    ),
  );
});

test("mayBeRpcMessage() tells other objects and short bodies", () => {
  const member = createMember({ host: encodeHost("10.0.0.1"), port: 1 });
  assert(!mayBeRpcMessage(encodeMemberObject(member)));
  assert(!mayBeRpcMessage(decodeHex("aced000570")));
  assert(!mayBeRpcMessage(new Uint8Array()));
});

test("Decoders of objects throw only DecodeError", () => {
  const member = createMember({ host: encodeHost("10.0.0.1"), port: 1 });
  const uuid = new Uint8Array(16);
  const bodies = [
    encodeMemberObject(member, { memberClass: "StaticMember" }),
    encodeMemberMessage({ msgtype: 1, member, membershipId: uuid }),
    encodeRpcMessage({
      type: "call",
      reply: true,
      uuid,
      rpcId: uuid,
      message: javaByteMessage(uuid),
    }),
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...bodies),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (body, changes) => {
        const bytes = body.slice();
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        for (
          const decode of [
            decodeMemberObject,
            decodeMemberMessage,
            decodeRpcMessage,
          ]
        ) {
          try {
            decode(bytes);
          } catch (error) {
            assert(error instanceof DecodeError, String(error));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("decodeRpcMessage() checks lengths before it allocates", () => {
  const bytes = encodeRpcMessage({
    type: "no-rpc-channel-reply",
    uuid: new Uint8Array(16),
    rpcId: new Uint8Array(1),
  });
  const view = new DataView(bytes.buffer);
  const at = bytes.length - 1 - 1 - 4 - 16 - 4;
  assert.equal(view.getInt32(at), 16);
  for (
    const [length, code] of [[0x7fff_ffff, "truncated"], [
      -1,
      "out-of-range",
    ]] as const
  ) {
    view.setInt32(at, length);
    assert.throws(() => decodeRpcMessage(bytes), { name: "DecodeError", code });
  }
});
