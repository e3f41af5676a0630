import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { test } from "node:test";
import {
  formatBytes,
  formatDuration,
  render,
  type Screen,
} from "../../cli/live_view.ts";
import { createMember, encodeHost } from "../../protocol/mod.ts";

const EMPTY: Screen = {
  local: createMember({ host: encodeHost("10.0.0.1"), port: 4000 }),
  found: ["mcast"],
  upMilliseconds: 65_000,
  members: [],
  rates: { sent: 0, received: 0, bytesSent: 0, bytesReceived: 0 },
  messages: [],
  problems: [],
};

test("render() shows the node, and that nobody else is there", () => {
  const text = stripVTControlCharacters(render(EMPTY));
  assert.match(text, /10\.0\.0\.1:4000, found by mcast, up 1 min 05 s/);
  assert.match(text, /No other members yet/);
  assert(!text.includes("Problems"));
});

test("render() shows members, rates, messages and problems", () => {
  const text = stripVTControlCharacters(render({
    ...EMPTY,
    members: [{
      member: createMember({
        host: encodeHost("::1"),
        port: 4001,
        aliveTime: 3_600_000,
        domain: new TextEncoder().encode("shop"),
      }),
      silence: 400,
    }],
    rates: { sent: 10, received: 20, bytesSent: 2048, bytesReceived: 5 },
    messages: ["12:00:00.000  a message"],
    problems: ["multicast cannot be used"],
  }));
  for (
    const part of [
      "[::1]",
      "4001",
      "shop",
      "1 h 00 min",
      "0.4 s ago",
      "in 20 messages/s, 5 B/s",
      "out 10 messages/s, 2.0 KiB/s",
      "a message",
      "Problems",
      "multicast cannot be used",
    ]
  ) {
    assert(text.includes(part), part);
  }
});

test("render() lets no control character of a peer reach the terminal", () => {
  const member = createMember({
    host: encodeHost("10.0.0.2"),
    port: 4000,
    domain: Uint8Array.of(0x1b, 0x5b, 0x32, 0x4a, 0x9b, 0x41),
  });
  const text = render({ ...EMPTY, members: [{ member, silence: undefined }] });
  assert(!text.includes("\u001b[2J"));
  assert(!text.includes("\u009b"));
});

test("formatDuration() and formatBytes() can be read at a glance", () => {
  assert.equal(formatDuration(999), "0 s");
  assert.equal(formatDuration(59_000), "59 s");
  assert.equal(formatDuration(90_000_000), "1 d 1 h");
  assert.equal(formatBytes(1023), "1023 B");
  assert.equal(formatBytes(1024), "1.0 KiB");
  assert.equal(formatBytes(3 * 1_048_576), "3.0 MiB");
});
