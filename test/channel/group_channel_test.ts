import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHANNEL_DEFAULT,
  GroupChannel,
  type GroupChannelOptions,
  MBR_RX_SEQ,
  MBR_TX_SEQ,
  SND_RX_SEQ,
  SND_TX_SEQ,
} from "../../channel/group_channel.ts";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import {
  type ChannelData,
  createMember,
  encodeHost,
  equalBytes,
  formatMember,
  type Member,
} from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import {
  bytes,
  idOf,
  SimulatedGroup,
  SimulatedNode,
  text,
  withGroup,
} from "../support/simulated_group.ts";

const NOTHING_OPEN = { timers: 0, sockets: 0 };

for (const options of [0, 2, 4, 6, 8, 10]) {
  test(`GroupChannel.send() with options ${options} reaches one and all, in order`, () =>
    withGroup(3, async ({ network }, [a, b, c]) => {
      assert(a && b && c); // three nodes
      const heard: ChannelData[] = [];
      b.channel.addChannelListener({
        messageReceived: (message) => void heard.push(message),
      });
      const sends = [];
      for (let i = 0; i < 5; i++) sends.push(a.sendAll(`all ${i}`, options));
      const only = [b.memberAt(a.host)];
      sends.push(b.channel.send(only, bytes("one"), { options }));
      const ids = await Promise.all(sends);
      await network.settle();
      const expected = [0, 1, 2, 3, 4].map((i) => `all ${i}`);
      assert.deepEqual(b.messages, expected);
      assert.deepEqual(c.messages, expected);
      assert.deepEqual(a.messages, ["one"]);
      for (const [i, message] of heard.entries()) {
        assert.equal(message.options, options | 1);
        assert.deepEqual(message.uniqueId, ids[i]);
        assert.equal(idOf(message.address), idOf(a.channel.localMember()));
        assert.ok(message.timestamp >= 1_700_000_000_000);
      }
      for (const node of [a, b, c]) {
        assert.deepEqual(node.errors, []);
        assert.equal(node.channel.queuedBytes, 0);
      }
    }));
}

test("GroupChannel.send() gives each message an id of version 4", () =>
  withGroup(2, async (_, [a]) => {
    assert(a);
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const id: Uint8Array = await a.sendAll("", 8);
      assert.equal(id.length, 16);
      assert.equal(id[6]! >> 4, 4); // 16 bytes
      assert.equal(id[8]! >> 6, 2); // likewise
      seen.add(id.join());
    }
    assert.equal(seen.size, 300);
  }));

test("GroupChannel.send() takes an id, and the caller may reuse its array at once", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const ids: Uint8Array[] = [];
    b.channel.addChannelListener({
      messageReceived: ({ uniqueId }) => void ids.push(uniqueId.slice()),
    });
    const uniqueId = Uint8Array.of(1, 2, 3);
    const sent = a.channel.send(a.channel.members(), bytes("x"), {
      uniqueId,
      options: 8,
    });
    uniqueId.fill(0);
    assert.deepEqual(await sent, Uint8Array.of(1, 2, 3));
    await network.settle();
    assert.deepEqual(ids, [Uint8Array.of(1, 2, 3)]);
  }));

test("GroupChannel.send() rejects without destination, and when sending is not started", async () => {
  const network = new MemoryNetwork();
  const a = new SimulatedNode(network.transport("10.0.0.1"), "10.0.0.1");
  const other = createMember({ host: encodeHost("10.0.0.2"), port: 4000 });
  await assert.rejects(a.channel.send([other], bytes("")), {
    name: "ChannelError",
    code: "unsupported",
  });
  await network.run(async () => {
    await a.channel.start();
    await assert.rejects(a.channel.send([], bytes("")), {
      name: "ChannelError",
      code: "no-members",
      message: "Cannot send: no destination is given",
    });
    await a.channel.stop();
    await assert.rejects(a.channel.send([other], bytes("")), {
      code: "unsupported",
    });
  });
});

test("GroupChannel.send() rejects where a layer throws", () => {
  const thrower: ChannelInterceptor = {
    name: "Thrower",
    sendMessage: () => {
      throw new Error("thrown");
    },
  };
  return withGroup(
    1,
    async (_, [a]) => {
      assert(a);
      const other = createMember({ host: encodeHost("10.0.0.2"), port: 4000 });
      const sent = a.channel.send([other], bytes(""));
      await assert.rejects(sent, { message: "thrown" });
    },
    { interceptors: [thrower] },
  );
});

test("GroupChannel.send() names the member that it did not reach, others have the message", () =>
  withGroup(4, async ({ network }, [a, b, c, d]) => {
    assert(a && b && c && d);
    await a.sendAll("before");
    network.crash(c.host);
    const sent = a.sendAll("after", 6);
    await assert.rejects(sent, (error) => {
      assert(error instanceof ChannelError);
      assert.equal(error.code, "timeout");
      const members = error.faultyMembers.map(({ member }) =>
        formatMember(member)
      );
      assert.deepEqual(members, [`${c.host}:4000`]);
      return true;
    });
    assert.deepEqual(b.messages, ["before", "after"]);
    assert.deepEqual(d.messages, ["before", "after"]);
    await network.advance(1100); // the detector has asked it once more
    assert.deepEqual(a.view, [`${b.host}:4000`, `${d.host}:4000`]);
    network.restart(c.host);
  }));

test("GroupChannel hands a message to each listener that accepts it, in order of adding", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const calls: string[] = [];
    const listener = (name: string, wait: number, accepted = /./) => ({
      accept: ({ message }: ChannelData) => accepted.test(text(message)),
      messageReceived: async ({ message }: ChannelData) => {
        calls.push(`${name} begins ${text(message)}`);
        await new Promise<void>((resolve) =>
          b.probe.clock.startTimer(wait, resolve)
        );
        calls.push(`${name} ends ${text(message)}`);
      },
    });
    const odd = listener("odd", 10, /[13]/);
    b.channel.addChannelListener(odd);
    b.channel.addChannelListener(odd); // counts once
    b.channel.addChannelListener({
      messageReceived: ({ message }) =>
        void calls.push(`sync ${text(message)}`),
    });
    b.channel.addChannelListener(listener("slow", 20));
    for (const name of ["1", "2"]) void a.sendAll(name, 0);
    await network.advance(200);
    assert.deepEqual(calls, [
      "odd begins 1",
      "odd ends 1",
      "sync 1",
      "slow begins 1",
      "slow ends 1",
      "sync 2",
      "slow begins 2",
      "slow ends 2",
    ]);
    b.channel.removeChannelListener(odd);
    calls.length = 0;
    await a.sendAll("3", 6);
    assert.deepEqual(calls, ["sync 3", "slow begins 3", "slow ends 3"]);
  }));

test("GroupChannel hands a message to all listeners although one removes itself", () =>
  withGroup(2, async (_, [a, b]) => {
    assert(a && b);
    const calls: string[] = [];
    const once = {
      messageReceived: () => {
        calls.push("once");
        b.channel.removeChannelListener(once);
      },
    };
    b.channel.addChannelListener(once);
    b.channel.addChannelListener({
      messageReceived: () => void calls.push("always"),
    });
    await a.sendAll("1", 6);
    await a.sendAll("2", 6);
    assert.deepEqual(calls, ["once", "always", "always"]);
  }));

for (const fails of ["throws", "rejects"]) {
  test(`GroupChannel: a listener that ${fails} fails sends with options 6 and no others`, () =>
    withGroup(3, async ({ network }, [a, b, c]) => {
      assert(a && b && c);
      const error = new Error("listener");
      b.channel.addChannelListener({
        messageReceived: () => {
          if (fails === "rejects") return Promise.reject(error);
          throw error;
        },
      });
      for (const options of [0, 2, 4, 8, 10]) {
        await a.sendAll(`${options}`, options);
        await network.settle();
      }
      assert.deepEqual(a.errors, []);
      await assert.rejects(a.sendAll("6", 6), (rejected) => {
        assert(rejected instanceof ChannelError);
        assert.equal(rejected.code, "failed-ack");
        assert.deepEqual(
          rejected.faultyMembers.map(({ member, code }) => [
            formatMember(member),
            code,
          ]),
          [[`${b.host}:4000`, "failed-ack"]],
        );
        return true;
      });
      assert.deepEqual(b.errors, Array(6).fill(error));
      assert.equal(c.messages.length, 6);
      // Who fails a message is still there.
      assert.equal(a.view.length, 2);
      // In the background the failure has no caller.
      await a.sendAll("14", 14);
      await network.settle();
      assert.deepEqual(codesOf(a), ["failed-ack"]);
    }));
}

test("GroupChannel tells of members that come and go, to each listener in spite of the others", () => {
  const group = new SimulatedGroup();
  const [a, b] = [group.add(), group.add()];
  const error = new Error("listener");
  a.channel.addMembershipListener({
    memberAdded: () => {
      throw error;
    },
  });
  const later: string[] = [];
  const listener = {
    memberAdded: (member: Member) => void later.push(formatMember(member)),
  };
  a.channel.addMembershipListener(listener);
  return group.network.run(async () => {
    await group.start();
    await group.network.advance(10);
    assert.deepEqual(a.changes, ["+10.0.0.2:4000"]);
    assert.deepEqual(later, ["10.0.0.2:4000"]);
    assert.deepEqual(a.errors, [error]);
    a.channel.removeMembershipListener(listener);
    await b.channel.stop();
    await group.network.advance(10);
    await b.channel.start();
    assert.deepEqual(a.changes, [
      "+10.0.0.2:4000",
      "-10.0.0.2:4000",
      "+10.0.0.2:4000",
    ]);
    assert.equal(later.length, 1);
    await a.channel.stop();
    await b.channel.stop();
  });
});

interface LevelCase {
  readonly levels: number;
  readonly sockets: number;
  readonly receives: boolean;
  readonly sends: boolean;
  readonly sees: boolean;
  readonly isSeen: boolean;
}

const LEVELS: readonly LevelCase[] = [
  level(SND_RX_SEQ, 1),
  level(SND_TX_SEQ, 0),
  level(MBR_RX_SEQ, 1),
  level(MBR_TX_SEQ, 1),
  level(SND_RX_SEQ | SND_TX_SEQ, 1),
  level(SND_RX_SEQ | SND_TX_SEQ | MBR_RX_SEQ, 2),
  level(CHANNEL_DEFAULT, 2),
];

function level(levels: number, sockets: number): LevelCase {
  return {
    levels,
    sockets,
    receives: (levels & SND_RX_SEQ) !== 0,
    sends: (levels & SND_TX_SEQ) !== 0,
    sees: (levels & MBR_RX_SEQ) !== 0,
    isSeen: (levels & MBR_TX_SEQ) !== 0,
  };
}

for (const { levels, sockets, receives, sends, sees, isSeen } of LEVELS) {
  test(`GroupChannel.start(${levels}) starts that and no more`, async () => {
    const group = new SimulatedGroup();
    const options = { interceptors: [], heartbeat: false };
    const [a, b] = [group.add(options), group.add(options)];
    await group.network.run(async () => {
      await Promise.all([a.channel.start(levels), b.channel.start()]);
      await group.network.advance(600);
      assert.equal(a.probe.sockets.size, sockets);
      assert.deepEqual(a.view, sees ? ["10.0.0.2:4000"] : []);
      assert.deepEqual(b.view, isSeen ? ["10.0.0.1:4000"] : []);
      const local = a.channel.localMember();
      assert.equal(formatMember(local), "10.0.0.1:4000");
      const toB = a.channel.send([b.channel.localMember()], bytes("to b"));
      if (sends) await toB;
      else await assert.rejects(toB, { code: "unsupported" });
      const toA = b.channel.send([local], bytes("to a"));
      if (receives) await toA;
      else await assert.rejects(toA, { code: "connection-refused" });
      assert.deepEqual(a.messages, receives ? ["to a"] : []);
      assert.deepEqual(b.messages, sends ? ["to b"] : []);
      await a.channel.stop();
      assert.deepEqual(a.probe.open, NOTHING_OPEN);
      await b.channel.stop();
    });
  });
}

test("GroupChannel.start() refuses levels that are none, and starting twice", async () => {
  const { network, nodes: [a] } = groupOf({});
  assert(a);
  await network.run(async () => {
    for (const levels of [0, 16, -1, 1.5]) {
      await assert.rejects(a.channel.start(levels), RangeError);
    }
    assert.equal(a.channel.isStarted, false);
    const starting = a.channel.start();
    await assert.rejects(a.channel.start(), {
      name: "ChannelError",
      code: "unsupported",
      message: "Cannot start: already started",
    });
    await starting;
    assert.equal(a.channel.isStarted, true);
    await a.channel.stop();
    assert.equal(a.channel.isStarted, false);
  });
});

test("GroupChannel.start() that fails leaves nothing open, and may be tried again", async () => {
  let fails = true;
  const calls: string[] = [];
  const layer: ChannelInterceptor = {
    name: "Layer",
    start: () => {
      calls.push("start");
      if (fails) throw new Error("told so");
    },
    stop: () => void calls.push("stop"),
  };
  const { network, nodes: [a] } = groupOf({ interceptors: [layer] });
  assert(a);
  await network.run(async () => {
    await assert.rejects(a.channel.start(), { message: "told so" });
    assert.deepEqual(calls, ["start", "stop"]);
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
    assert.equal(a.channel.isStarted, false);
    fails = false;
    a.probe.failBinds = true;
    await assert.rejects(a.channel.start(), { code: "multicast" });
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
    a.probe.failBinds = false;
    await a.channel.start();
    await a.channel.stop();
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
  });
});

test("GroupChannel.start() tells a receiver that cannot be bound", async () => {
  const receiver = { port: 4000, autoBind: 1 };
  const { network, nodes: [a] } = groupOf({ receiver });
  assert(a);
  await network.run(async () => {
    const host = network.transport(a.host);
    await using _taken = await host.listen({ hostname: a.host, port: 4000 });
    await assert.rejects(a.channel.start(), {
      name: "TransportError",
      code: "address-in-use",
    });
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
  });
});

test("GroupChannel.stop() is idempotent, all calls wait for its end, and dispose is stop", async () => {
  const { network, nodes: [a] } = groupOf({});
  assert(a);
  await network.run(async () => {
    await a.channel.stop();
    await a.channel.start();
    const first = a.channel.stop();
    await a.channel.stop();
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
    await first;
    await a.channel.start();
    assert.equal(a.channel.isStarted, true);
    await a.channel[Symbol.asyncDispose]();
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
    assert.equal(a.channel.isStarted, false);
    await network.advance(60_000);
  });
});

test("GroupChannel.stop() during a start leaves nothing open", async () => {
  const { network, nodes: [a] } = groupOf({});
  assert(a);
  await network.run(async () => {
    for (const wait of [0, 1, 300, 999]) {
      const starting = a.channel.start();
      await network.advance(wait);
      await a.channel.stop();
      await starting;
      assert.equal(a.channel.isStarted, false);
      assert.deepEqual(a.probe.open, NOTHING_OPEN);
    }
  });
});

test("GroupChannel.stop() sends what is queued, and closes whatever a layer's stop does", async () => {
  const layer: ChannelInterceptor = {
    name: "Layer",
    stop: () => Promise.reject(new Error("layer")),
  };
  const group = new SimulatedGroup();
  const [a, b] = [group.add({ interceptors: [layer] }), group.add()];
  await group.network.run(async () => {
    await group.start();
    const sends = [];
    for (let i = 0; i < 100; i++) sends.push(a.sendAll(`${i}`, 2));
    await assert.rejects(a.channel.stop(), { message: "layer" });
    await Promise.all(sends);
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
    assert.equal(a.channel.isStarted, false);
    await b.channel.stop();
  });
  assert.equal(b.messages.length, 100);
});

test("GroupChannel.stop() acknowledges nothing while what it sent is still waited for", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const held = Promise.withResolvers<void>();
    a.channel.addChannelListener({ messageReceived: () => held.promise });
    const to = [a.memberAt(b.host)];
    const waiting = assert.rejects(b.sendAll("held", 6));
    await network.settle();
    const stopping = b.channel.stop();
    await network.advance(100);
    assert.equal(b.channel.isStarted, true, "it waits for the ack");
    const late = a.channel.send(to, bytes("late"), { options: 2 });
    await assert.rejects(late, ChannelError);
    await Promise.all([stopping, waiting]);
    held.resolve();
    assert.deepEqual(b.messages, []);
  }));

test("GroupChannel has a new unique id at each start, unless one is given", async () => {
  const uniqueId = new Uint8Array(16).fill(7);
  const group = new SimulatedGroup();
  const [a, b] = [group.add(), group.add({ uniqueId })];
  const ids: string[][] = [];
  await group.network.run(async () => {
    for (let i = 0; i < 2; i++) {
      await group.start();
      ids.push([a, b].map(({ channel }) => idOf(channel.localMember())));
      await Promise.all([a, b].map(({ channel }) => channel.stop()));
    }
  });
  assert.notEqual(ids[0]?.[0], ids[1]?.[0]);
  assert.deepEqual([ids[0]?.[1], ids[1]?.[1]], Array(2).fill("07".repeat(16)));
});

test("GroupChannel works as before after a stop and a start", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    for (let i = 0; i < 3; i++) {
      await a.channel.stop();
      await network.advance(100);
      assert.deepEqual(b.view, []);
      await a.channel.start();
      await network.advance(100);
      assert.deepEqual([a.view, b.view], [
        ["10.0.0.2:4000"],
        ["10.0.0.1:4000"],
      ]);
      await a.sendAll(`a ${i}`, 6);
      await b.sendAll(`b ${i}`, 6);
    }
    assert.deepEqual(b.messages, ["a 0", "a 1", "a 2"]);
    assert.deepEqual(a.messages, ["b 0", "b 1", "b 2"]);
    network.crash(b.host);
    await network.advance(10_000);
    assert.deepEqual(a.view, [], "the second life does not notice");
    network.restart(b.host);
  }));

test("GroupChannel publishes an address that others can connect to", async () => {
  for (const address of ["0.0.0.0", "auto", "10.0.0.1"]) {
    const { network, nodes: [a] } = groupOf({ receiver: { address } });
    assert(a);
    await network.run(async () => {
      for (const levels of [CHANNEL_DEFAULT, SND_TX_SEQ]) {
        await a.channel.start(levels);
        const local = a.channel.localMember();
        assert.equal(formatMember(local), "10.0.0.1:4000");
        await a.channel.stop();
      }
    });
  }
});

test("GroupChannel publishes its own port, and not that of an earlier run", async () => {
  const { network, nodes: [a] } = groupOf({ membership: null });
  assert(a);
  await network.run(async () => {
    const host = network.transport(a.host);
    await using _taken = await host.listen({ hostname: a.host, port: 4000 });
    await a.channel.start();
    assert.equal(a.channel.localMember().port, 4001);
    await a.channel.stop();
    await a.channel.start(SND_TX_SEQ);
    assert.equal(a.channel.localMember().port, 4000);
    await a.channel.stop();
  });
});

test("GroupChannel beats each heartbeatSleeptime, and not when heartbeat is false", async () => {
  for (const heartbeat of [true, false]) {
    const beats: number[] = [];
    const layer: ChannelInterceptor = {
      name: "Layer",
      heartbeat: () => void beats.push(network.now),
    };
    const { network, nodes: [a] } = groupOf({
      interceptors: [layer],
      heartbeat,
      heartbeatSleeptime: 1000,
      membership: null,
    });
    assert(a);
    await network.run(async () => {
      await a.channel.start();
      await network.advance(3500);
      assert.deepEqual(beats, heartbeat ? [1000, 2000, 3000] : []);
      await a.channel.heartbeat();
      assert.equal(beats.length, heartbeat ? 4 : 1);
      await a.channel.stop();
      await network.advance(3000);
      assert.equal(beats.length, heartbeat ? 4 : 1);
    });
  }
});

test("GroupChannel.stop() waits for a heartbeat that runs", async () => {
  const calls: string[] = [];
  const layer: ChannelInterceptor = {
    name: "Layer",
    heartbeat: async () => {
      await new Promise<void>((resolve) =>
        a?.probe.clock.startTimer(700, resolve)
      );
      calls.push("beaten");
    },
    stop: () => void calls.push("stop"),
  };
  const { network, nodes: [a] } = groupOf({
    membership: null,
    interceptors: [layer],
    heartbeatSleeptime: 1000,
  });
  assert(a);
  await network.run(async () => {
    await a.channel.start();
    await network.advance(1500);
    await a.channel.stop();
    assert.deepEqual(calls, ["beaten", "stop"]);
    assert.deepEqual(a.probe.open, NOTHING_OPEN);
  });
});

test("GroupChannel.heartbeat() reports a layer that fails, and goes on with the others", async () => {
  const calls: string[] = [];
  const { network, nodes: [a] } = groupOf({
    membership: null,
    heartbeat: false,
    interceptors: [
      { name: "A", heartbeat: () => Promise.reject(new Error("beat")) },
      { name: "B", heartbeat: () => void calls.push("B") },
    ],
  });
  assert(a);
  await network.run(async () => {
    await a.channel.start();
    await a.channel.heartbeat();
    assert.deepEqual(calls, ["B"]);
    assert.deepEqual(a.errors.map(({ message }) => message), ["beat"]);
    await a.channel.stop();
  });
});

test("GroupChannel with optionCheck refuses flags of which one contains the other", () => {
  const transport = new MemoryNetwork().transport("10.0.0.1");
  const make = (flags: (number | undefined)[], optionCheck = true) =>
    new GroupChannel(transport, {
      optionCheck,
      interceptors: flags.map((optionFlag, i) => ({
        name: `L${i}`,
        ...(optionFlag === undefined ? {} : { optionFlag }),
      })),
    });
  for (const flags of [[8, 8], [12, 8], [0, 4, 8, 0x108]]) {
    assert.throws(() => make(flags), RangeError, flags.join());
    make(flags, false);
  }
  assert.throws(() => make([12, 8]), {
    message:
      "Cannot use optionFlag 12 of L0 with 8 of L1: one contains the other",
  });
  for (const flags of [[8, 16], [0, 8, 0], [undefined, 8], [12, 24]]) {
    make(flags);
  }
});

test("GroupChannel refuses options that are out of range", () => {
  const transport = new MemoryNetwork().transport("10.0.0.1");
  const bad: GroupChannelOptions[] = [
    { heartbeatSleeptime: 0 },
    { sender: { timeout: 0 } },
    { receiver: { port: 70_000 } },
    { membership: { frequency: -1 } },
  ];
  for (const options of bad) {
    assert.throws(() => new GroupChannel(transport, options), RangeError);
  }
});

test("GroupChannel sends by UDP with option 0x0020, acknowledged or not", () =>
  withGroup(
    2,
    async ({ network }, [a, b]) => {
      assert(a && b);
      await a.sendAll("plain", 0x20);
      await a.sendAll("ack", 0x22);
      await a.sendAll("sync", 0x26);
      await a.sendAll("async", 0x28);
      await network.settle();
      assert.deepEqual(b.messages, ["plain", "ack", "sync", "async"]);
      assert.equal(connectsTo(a, b).length, 1, "the detector's test only");
      b.channel.addChannelListener({
        messageReceived: () => {
          throw new Error("listener");
        },
      });
      await assert.rejects(a.sendAll("fails", 0x26), { code: "failed-ack" });
      await assert.rejects(
        a.channel.send(a.channel.members(), new Uint8Array(65_507), {
          options: 0x20,
        }),
        { code: "unsupported" },
      );
    },
    { receiver: { udpPort: 0 } },
  ));

test("GroupChannel refuses UDP to a member without UDP port", () =>
  withGroup(2, async (_, [a]) => {
    assert(a);
    await assert.rejects(a.sendAll("x", 0x20), { code: "unsupported" });
  }));

test("GroupChannel broadcasts with option 0x0040, whatever the destination, and not to itself", () =>
  withGroup(3, async ({ network }, [a, b, c]) => {
    assert(a && b && c);
    const to = [a.memberAt(b.host)];
    await a.channel.send(to, bytes("all"), { options: 0x42 });
    await a.channel.send(to, bytes("again"), { options: 0x48 });
    await network.settle();
    assert.deepEqual(b.messages, ["all", "again"]);
    assert.deepEqual(c.messages, ["all", "again"]);
    assert.deepEqual(a.messages, []);
    assert.equal(connectsTo(a, b).length, 1, "the detector's test only");
    await assert.rejects(
      a.channel.send(to, new Uint8Array(65_500), { options: 0x40 }),
      { code: "unsupported" },
    );
  }));

test("GroupChannel hands broadcasts up one at a time, and drops those beyond its queue", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    let running = 0;
    let most = 0;
    let handled = 0;
    b.channel.addChannelListener({
      messageReceived: async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) =>
          b.probe.clock.startTimer(5, resolve)
        );
        running--;
        handled++;
      },
    });
    for (let i = 0; i < 40; i++) {
      await a.channel.send(a.channel.members(), new Uint8Array(60_000), {
        options: 0x40,
      });
      await network.advance(2);
    }
    await network.advance(1000);
    assert.equal(most, 1);
    const lost = codesOf(b).filter((code) => code === "queue-full");
    assert.ok(lost.length > 0, "nothing was too much");
    assert.equal(handled + lost.length, 40);
    // There is room again.
    await a.channel.send(a.channel.members(), new Uint8Array(60_000), {
      options: 0x40,
    });
    await network.advance(100);
    assert.equal(handled + lost.length, 41);
  }));

test("GroupChannel refuses a broadcast without membership", () =>
  withGroup(
    1,
    async (_, [a]) => {
      assert(a);
      const to = [createMember({ host: encodeHost("10.0.0.2"), port: 1 })];
      await assert.rejects(
        a.channel.send(to, bytes("x"), { options: 0x40 }),
        { code: "unsupported" },
      );
    },
    { membership: null },
  ));

test("GroupChannel reports what is no broadcast, and a listener that fails one", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const stranger = await network.transport("10.0.0.9").bindDatagram();
    const to = { hostname: "228.0.0.4", port: 45_564 };
    await stranger.send(bytes("garbage"), to);
    await network.settle();
    assert.deepEqual(codesOf(b), ["bad-message"]);
    assert.match(
      b.errors[0]!.message, // the line above has it
      /^Cannot read what the multicast group sent: Cannot decode /,
    );
    const error = new Error("listener");
    b.channel.addChannelListener({
      messageReceived: () => {
        throw error;
      },
    });
    await a.channel.send(a.channel.members(), bytes("x"), { options: 0x40 });
    await network.settle();
    assert.deepEqual(b.errors.slice(1), [error]);
    assert.deepEqual(a.errors.length, 1);
    await stranger.close();
  }));

test("GroupChannel runs its layers top down to send and bottom up to receive", () => {
  const calls: string[] = [];
  const layer = (name: string): ChannelInterceptor => ({
    name,
    start: () => void calls.push(`${name} start`),
    stop: () => void calls.push(`${name} stop`),
    sendMessage: (to, message, next) => {
      calls.push(`${name} send`);
      return next(to, message);
    },
    messageReceived: (message, next) => {
      calls.push(`${name} receive`);
      return next(message);
    },
    memberAdded: (member, next) => {
      calls.push(`${name} added`);
      next(member);
    },
    memberDisappeared: (member, next) => {
      calls.push(`${name} disappeared`);
      next(member);
    },
    heartbeat: () => void calls.push(`${name} heartbeat`),
    members: (next) => {
      calls.push(`${name} members`);
      return next();
    },
  });
  const group = new SimulatedGroup();
  const take = () => calls.splice(0);
  const nothing: ChannelInterceptor = { name: "nothing" };
  const interceptors = [layer("A"), nothing, layer("B"), layer("C")];
  const a = group.add({ interceptors, heartbeat: false });
  const b = group.add({ interceptors: [] });
  return group.network.run(async () => {
    await a.channel.start();
    assert.deepEqual(take(), ["C start", "B start", "A start"]);
    await b.channel.start();
    assert.deepEqual(take(), ["C added", "B added", "A added"]);
    const members = a.channel.members();
    assert.deepEqual(take(), ["A members", "B members", "C members"]);
    await a.channel.send(members, bytes("x"));
    assert.deepEqual(take(), ["A send", "B send", "C send"]);
    await b.sendAll("x");
    assert.deepEqual(take(), ["C receive", "B receive", "A receive"]);
    await a.channel.heartbeat();
    assert.deepEqual(take(), ["A heartbeat", "B heartbeat", "C heartbeat"]);
    await b.channel.stop();
    await group.network.settle();
    assert.deepEqual(take(), [
      "C disappeared",
      "B disappeared",
      "A disappeared",
    ]);
    await a.channel.stop();
    assert.deepEqual(take(), ["A stop", "B stop", "C stop"]);
  });
});

test("GroupChannel takes a layer of a dozen lines that changes all it sees", () => {
  const flip = (message: ChannelData): ChannelData => ({
    ...message,
    message: message.message.map((byte) => byte ^ 0x20),
  });
  const make = (): ChannelInterceptor => ({
    name: "Flip",
    sendMessage: (to, message, next) => next(to, flip(message)),
    messageReceived: (message, next) => next(flip(message)),
    members: (next) =>
      next().filter(({ host }) => !equalBytes(host, encodeHost("10.0.0.3"))),
  });
  const group = new SimulatedGroup();
  const a = group.add({ interceptors: [make()] });
  const b = group.add({ interceptors: [make()] });
  const plain = group.add({ interceptors: [] });
  return group.network.run(async () => {
    await group.start();
    assert.deepEqual(a.view, ["10.0.0.2:4000"]);
    await a.sendAll("Hello");
    assert.deepEqual(b.messages, ["Hello"]);
    await a.channel.send([plain.channel.localMember()], bytes("Hello"));
    assert.deepEqual(plain.messages, ["hELLO"]);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
});

test("GroupChannel holds a layer's news of members until all layers have started", () => {
  const calls: string[] = [];
  const member = createMember({ host: encodeHost("10.9.9.9"), port: 1 });
  const upper: ChannelInterceptor = {
    name: "Upper",
    start: async () => {
      calls.push("upper starts");
      await Promise.resolve();
      calls.push("upper started");
    },
    memberAdded: (added, next) => {
      calls.push("upper added");
      next(added);
    },
  };
  const lower: ChannelInterceptor = {
    name: "Lower",
    start: (context) => {
      calls.push("lower starts");
      context.memberAdded(member);
      context.memberDisappeared(member);
    },
  };
  const { network, nodes: [a] } = groupOf({
    interceptors: [upper, lower],
    membership: null,
  });
  assert(a);
  return network.run(async () => {
    await a.channel.start();
    assert.deepEqual(calls, [
      "lower starts",
      "upper starts",
      "upper started",
      "upper added",
    ]);
    assert.deepEqual(a.changes, ["+10.9.9.9:1", "-10.9.9.9:1"]);
    await a.channel.stop();
  });
});

test("GroupChannel reports a layer that throws at a change of membership", () =>
  withGroup(
    2,
    ({ network }, nodes) => {
      for (const { errors, changes, probe } of nodes) {
        assert.deepEqual(errors.map(({ message }) => message), ["added"]);
        assert.deepEqual(changes, []);
        assert.equal(
          probe.binds.length,
          1,
          "it was taken for a fault of multicast",
        );
      }
      return network.advance(10_000);
    },
    {
      interceptors: [{
        name: "Thrower",
        memberAdded: () => {
          throw new Error("added");
        },
      }],
    },
  ));

test("GroupChannel.onError gets what nobody waits for", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    const stranger = network.transport("10.0.0.9");
    const connection = await stranger.connect({
      hostname: b.host,
      port: 4000,
    });
    await connection.write(bytes("this is no frame at all"));
    await network.settle();
    connection.abort();
    assert.deepEqual(codesOf(b), ["bad-message"]);
    assert.match(
      b.errors[0]!.message, // there is one
      /^Cannot read what 10\.0\.0\.\d+ sent: Cannot decode frame/,
    );
    network.crash(b.host);
    await a.sendAll("async", 10);
    await network.advance(4000);
    assert.deepEqual(codesOf(a), ["timeout"]);
    network.restart(b.host);
  }));

test("GroupChannel.setPayload() and setDomain() publish at once", () =>
  withGroup(2, async ({ network }, [a, b]) => {
    assert(a && b);
    await a.channel.setPayload(bytes("payload"));
    await network.advance(5);
    assert.equal(text(b.channel.members()[0]!.payload), "payload"); // it sees one
    assert.equal(text(a.channel.localMember().payload), "payload");
    const c = new SimulatedNode(network.transport("10.0.0.7"), "10.0.0.7");
    await a.channel.setDomain(bytes("domain"));
    await c.channel.start();
    assert.equal(text(c.memberAt(a.host).domain), "domain");
    assert.equal(text(b.channel.members()[0]!.domain), "", "as Tomcat"); // likewise
    await assert.rejects(a.channel.setPayload(new Uint8Array(65_507)), {
      name: "EncodeError",
      code: "too-large",
    });
    await c.channel.stop();
  }));

test("GroupChannel closes its connection to a member that left", () =>
  withGroup(3, async ({ network }, [a, b, c]) => {
    assert(a && b && c);
    await a.sendAll("x", 6);
    const before = a.probe.sockets.size;
    const [idle] = [network.transport(b.host)];
    assert(idle);
    network.partition([[b.host]]); // no end of stream comes
    await network.advance(10_000);
    assert.deepEqual(a.view, [`${c.host}:4000`]);
    assert.equal(a.probe.sockets.size, before - 1);
    network.heal();
    await network.advance(10_000);
  }));

test("GroupChannel without membership has no members and sends to whom it is told", () =>
  withGroup(2, async (_, [a, b]) => {
    assert(a && b);
    assert.equal(a.channel.membershipName, undefined);
    assert.deepEqual(a.channel.members(), []);
    await a.channel.send([b.channel.localMember()], bytes("x"), { options: 6 });
    assert.deepEqual(b.messages, ["x"]);
  }, { membership: null }));

test("GroupChannel knows no local member before its start", () => {
  const { nodes: [a] } = groupOf({});
  assert(a);
  assert.equal(a.channel.membershipName, "mcast");
  assert.equal(a.channel.queuedBytes, 0);
  assert.throws(() => a.channel.localMember(), { code: "unsupported" });
});

function groupOf(options: GroupChannelOptions): SimulatedGroup {
  const group = new SimulatedGroup();
  group.add(options);
  return group;
}

function connectsTo(from: SimulatedNode, to: SimulatedNode): unknown[] {
  return from.probe.connects.filter(({ hostname }) => hostname === to.host);
}

function codesOf(node: SimulatedNode): unknown[] {
  return node.errors.map((error) =>
    error instanceof ChannelError ? error.code : error
  );
}
