import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalMember } from "../../membership/local_member.ts";
import {
  byteLengthMember,
  encodeHost,
  isShutdown,
  type MemberInit,
} from "../../protocol/mod.ts";

const INIT: MemberInit = {
  host: encodeHost("10.0.0.1"),
  port: 4000,
  uniqueId: new Uint8Array(16).fill(1),
};
const GREATEST_DATAGRAM = 65_507;

test("LocalMember.refresh() counts whole milliseconds since the start", () => {
  const local = new LocalMember(INIT, 1000.5);
  assert.equal(local.member.aliveTime, 0);
  assert.equal(local.refresh(1500.4).aliveTime, 499);
  assert.equal(local.member.aliveTime, 499);
  assert.equal(local.refresh(900).aliveTime, 0, "a time before the start");
});

test("LocalMember.member is the same object until it changes", () => {
  const local = new LocalMember(INIT, 0);
  const { member } = local;
  assert.equal(local.refresh(0.9), member);
  assert.notEqual(local.refresh(1), member);
  assert.equal(member.aliveTime, 0);
});

test("LocalMember.setPayload() and setDomain() keep copies", () => {
  const local = new LocalMember(INIT, 0);
  const payload = Uint8Array.of(1, 2);
  const domain = Uint8Array.of(3);
  local.setPayload(payload);
  local.setDomain(domain);
  payload.fill(0);
  domain.fill(0);
  assert.deepEqual(local.member.payload, Uint8Array.of(1, 2));
  assert.deepEqual(local.refresh(5).domain, Uint8Array.of(3));
  assert.equal(local.member.aliveTime, 5);
});

test("LocalMember.shutdown() gives the command and leaves the member as it was", () => {
  const local = new LocalMember(INIT, 0);
  const leaving = local.shutdown(70);
  assert(isShutdown(leaving));
  assert.equal(leaving.aliveTime, 70);
  assert.equal(isShutdown(local.member), false);
});

test("LocalMember refuses what does not fit a datagram with the shutdown command", () => {
  const local = new LocalMember(INIT, 0);
  const room = GREATEST_DATAGRAM - byteLengthMember(local.shutdown(0));
  local.setPayload(new Uint8Array(room));
  assert.equal(byteLengthMember(local.shutdown(0)), GREATEST_DATAGRAM);

  const { member } = local;
  const tooLarge = { name: "EncodeError", code: "too-large", field: "member" };
  const large = new Uint8Array(room + 1);
  assert.throws(() => local.setPayload(large), tooLarge);
  assert.throws(() => local.setDomain(Uint8Array.of(1)), tooLarge);
  assert.equal(local.member, member, "a refused change was kept");
  assert.throws(
    () => new LocalMember({ ...INIT, payload: large }, 0),
    tooLarge,
  );
});
