import assert from "node:assert/strict";
import { test } from "node:test";
import { UniqueIdSource } from "../../channel/unique_id_source.ts";
import { encodeHex } from "../../protocol/mod.ts";

test("UniqueIdSource gives ids of version 4, each from its own random bytes", () => {
  let calls = 0;
  let next = 0;
  const source = new UniqueIdSource((bytes) => {
    calls++;
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, next++);
  });
  const ids = Array.from({ length: 1000 }, () => source.next());
  assert.equal(
    encodeHex(ids[0]!), // there are 1000
    "00000000000040018000000200000003",
  );
  for (const id of ids) {
    assert.equal(id.length, 16);
    assert.equal(id[6]! >> 4, 4); // 16 bytes
    assert.equal(id[8]! >> 6, 2); // likewise
  }
  assert.equal(new Set(ids.map(encodeHex)).size, 1000);
  assert.equal(calls, 4, "256 ids a call");
});

test("UniqueIdSource never changes an id that it gave", () => {
  const source = new UniqueIdSource((bytes) => void bytes.fill(0xff));
  const first = source.next();
  const text = encodeHex(first);
  assert.equal(text, "ffffffffffff4fffbfffffffffffffff");
  for (let i = 0; i < 300; i++) source.next();
  assert.equal(encodeHex(first), text);
});
