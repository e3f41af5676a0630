import assert from "node:assert/strict";
import { test } from "node:test";
import type { InterceptorContext } from "../../../channel/interceptor.ts";
import { CoordinationInbox } from "../../../channel/interceptors/coordination_inbox.ts";
import {
  COORDINATION_REQUEST,
  type CoordinationMessage,
  createMember,
  encodeCoordinationMessage,
  encodeHost,
} from "../../../protocol/mod.ts";
import { messageOf } from "../../support/tribes_peers.ts";

const LOCAL = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });

/** An inbox whose messages are handled when the test says so. */
function makeInbox() {
  const handled: CoordinationMessage[] = [];
  const faults: string[] = [];
  let hold = Promise.resolve();
  const inbox = new CoordinationInbox(10, async (message) => {
    await hold;
    handled.push(message);
  });
  const context = {
    localMember: () => LOCAL,
    fault: (error: Error) => void faults.push(error.message),
    transport: { clock: { now: () => 0 } },
  } as unknown as InterceptorContext; // the inbox uses nothing else of it
  const receive = (id: number, size = 0) => {
    const member = createMember({
      host: encodeHost("10.0.0.2"),
      port: 4000,
      payload: new Uint8Array(size),
    });
    const body = encodeCoordinationMessage({
      leader: member,
      source: LOCAL,
      view: [LOCAL, createMember({ ...member, payload: new Uint8Array() })],
      id: new Uint8Array(16).fill(id),
      type: COORDINATION_REQUEST,
    });
    inbox.receive(messageOf(body, 2, { address: member }), context);
    body.fill(0xff); // the receiver reuses it
  };
  return {
    inbox,
    handled,
    faults,
    receive,
    hold: (until: Promise<void>) => {
      hold = until;
    },
  };
}

/** Lets promise reactions run. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2000; i++) await Promise.resolve();
}

test("CoordinationInbox keeps copies, and handles messages in order, one at a time", async () => {
  const { handled, receive, hold } = makeInbox();
  const gate = Promise.withResolvers<void>();
  hold(gate.promise);
  for (const id of [1, 2, 3]) receive(id);
  await turn();
  assert.equal(handled.length, 0);
  gate.resolve();
  await turn();
  assert.deepEqual(handled.map(({ id }) => id[0]), [1, 2, 3]);
  assert.deepEqual(handled[0]?.type, COORDINATION_REQUEST);
  assert.equal(handled[0].view[1]?.port, 4000);
});

test("CoordinationInbox refuses messages beyond 256, and takes more when these are handled", async () => {
  const { inbox, handled, faults, receive, hold } = makeInbox();
  const gate = Promise.withResolvers<void>();
  hold(gate.promise);
  for (let i = 0; i < 259; i++) receive(1);
  assert.equal(inbox.refused, 3);
  assert.equal(faults.length, 1, "a report for each would fill a log");
  assert.match(faults[0] ?? "", /10\.0\.0\.2:4000: too many wait$/);
  gate.resolve();
  await turn();
  assert.equal(handled.length, 256);
  receive(2);
  await turn();
  assert.equal(handled.length, 257);
});

test("CoordinationInbox refuses messages beyond 16 MiB", async () => {
  const { inbox, handled, receive, hold } = makeInbox();
  const gate = Promise.withResolvers<void>();
  hold(gate.promise);
  receive(1, 9_000_000);
  receive(2, 9_000_000);
  receive(3, 1000);
  assert.equal(inbox.refused, 1);
  gate.resolve();
  await turn();
  assert.deepEqual(handled.map(({ id }) => id[0]), [1, 3]);
  receive(4, 9_000_000);
  await turn();
  assert.equal(handled.length, 3);
});
