import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Connection,
  type DatagramSocket,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type Transport,
  type TransportError,
} from "../../transport/memory.ts";
import {
  accept,
  bytes,
  type Hosts,
  listen,
  readAll,
  reader,
  receive,
  rejectsWith,
  transportSuite,
  withPair,
} from "../support/transport_suite.ts";

transportSuite({
  name: "MemoryNetwork",
  ipv6: true,
  external: "10.0.0.1",
  run: (task) => {
    const { network, hosts } = makeHosts();
    return network.run(() => task(hosts));
  },
});

transportSuite({
  name: "MemoryNetwork on one host",
  ipv6: true,
  external: "10.0.0.1",
  run: (task) => {
    const network = new MemoryNetwork();
    const transport = network.transport("a");
    const hostname = "127.0.0.1";
    return network.run(() =>
      task({ server: transport, client: transport, hostname })
    );
  },
});

test("MemoryNetwork repeats a run for the same seed and not for another", async () => {
  const first = await trace(11);
  assert.ok(first.length > 100);
  assert.deepEqual(await trace(11), first);
  assert.notDeepEqual(await trace(12), first);
});

test("MemoryNetwork.random() repeats for the same seed and stays within 0 and 1", () => {
  const draw = (seed: number) => {
    const network = new MemoryNetwork({ seed });
    return Array.from({ length: 1000 }, () => network.random());
  };
  const values = draw(5);
  assert.deepEqual(draw(5), values);
  assert.notDeepEqual(draw(6), values);
  assert.ok(values.every((value) => value >= 0 && value < 1));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean > 0.45 && mean < 0.55, `mean ${mean}`);
});

test("MemoryNetwork.advance() lets an hour of heartbeats pass in seconds at most", async () => {
  const network = new MemoryNetwork();
  const { clock } = network.transport("a");
  let beats = 0;
  const beat = () => {
    beats++;
    clock.startTimer(500, beat);
  };
  clock.startTimer(500, beat);
  const start = performance.now();
  await network.advance(3_600_000);
  const elapsed = performance.now() - start;
  assert.equal(beats, 7200);
  assert.equal(network.now, 3_600_000);
  assert.equal(clock.now(), 3_600_000);
  // Some 30 ms on an idle machine; the bound is for a busy one.
  assert.ok(elapsed < 20_000, `${elapsed} ms`);
});

test("MemoryNetwork.advance() runs all promise reactions between two instants", async () => {
  const network = new MemoryNetwork();
  const { clock } = network.transport("a");
  const order: string[] = [];
  const chain = async (name: string) => {
    for (let i = 0; i < 5000; i++) await undefined;
    order.push(`${name} at ${network.now}`);
  };
  clock.startTimer(2, () => void chain("second"));
  clock.startTimer(1, () => void chain("first"));
  clock.startTimer(2.5, () => void chain("third"));
  await network.advance(2);
  assert.deepEqual(order, ["first at 1", "second at 2"]);
  await network.advance(0.5);
  assert.deepEqual(order.at(-1), "third at 2.5");
});

test("MemoryNetwork.advance() may overlap itself and run inside run()", async () => {
  const network = new MemoryNetwork();
  const order: number[] = [];
  await Promise.all([3, 1, 2].map(async (delay) => {
    await network.advance(delay);
    order.push(network.now);
  }));
  assert.deepEqual(order, [1, 2, 3]);
  const result = await network.run(async () => {
    await network.advance(7);
    return network.now;
  });
  assert.equal(result, 10);
});

test("MemoryNetwork.run() rejects when nothing is left to happen", async () => {
  const network = new MemoryNetwork({ seed: 3 });
  await assert.rejects(
    network.run(() => new Promise(() => {})),
    new Error("Cannot finish: nothing is left to happen at 0 ms with seed 3"),
  );
  const failure = new Error("of the task");
  await assert.rejects(network.run(() => Promise.reject(failure)), failure);
});

test("MemoryNetwork.settle() waits for what is on its way and for no timer", async () => {
  const network = new MemoryNetwork({ latency: [5, 5] });
  const { sender, received } = await datagramPair(network);
  const { clock } = network.transport("a");
  const fired: number[] = [];
  for (const delay of [4, 100]) {
    clock.startTimer(delay, () => fired.push(delay));
  }
  await sender.send(bytes(1), { hostname: "b", port: 4000 });
  await network.settle();
  assert.deepEqual(received, [1]);
  assert.deepEqual(fired, [4]);
  assert.equal(network.now, 5);
});

test("MemoryNetwork timers of many cancellations fire in order", async () => {
  const network = new MemoryNetwork({ seed: 4 });
  const { clock } = network.transport("a");
  const fired: number[] = [];
  const expected: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    const delay = Math.floor(network.random() * 1000);
    const timer = clock.startTimer(delay, () => fired.push(delay));
    if (i % 10 === 0) expected.push(delay);
    else timer.cancel();
  }
  await network.advance(1000);
  assert.deepEqual(fired, expected.sort((a, b) => a - b));
});

test("MemoryNetwork.setClockSkew() moves one host's wall clock only", async () => {
  const network = new MemoryNetwork({ epoch: 1000 });
  const a = network.transport("a").clock;
  const b = network.transport("b").clock;
  network.setClockSkew("b", -300);
  await network.advance(50);
  assert.deepEqual([a.wallTime(), b.wallTime()], [1050, 750]);
  assert.deepEqual([a.now(), b.now()], [50, 50]);
  assert.equal(network.restart("b").clock.wallTime(), 750);
});

test("MemoryNetwork.transport() gives a host its name or an address of its own", () => {
  const network = new MemoryNetwork();
  const a = network.transport("a");
  assert.equal(network.transport("a"), a);
  assert.deepEqual(a.localAddresses(), ["10.0.0.1", "127.0.0.1", "::1"]);
  const numeric = network.transport("10.0.0.3").localAddresses();
  assert.equal(numeric[0], "10.0.0.3");
  assert.equal(network.transport("c").localAddresses()[0], "10.0.0.4");
});

test("MemoryNetwork rejects conditions out of range", () => {
  const network = new MemoryNetwork();
  for (
    const conditions of [
      { loss: 1.5 },
      { duplication: -1 },
      { reordering: NaN },
      { latency: [2, 1] },
      { segmentLength: [0, 1] },
    ] as const
  ) {
    assert.throws(() => new MemoryNetwork(conditions), RangeError);
    assert.throws(() => network.setConditions(conditions), RangeError);
  }
});

test("MemoryNetwork loses the datagrams that its loss says", async () => {
  const { received } = await sendDatagrams({ loss: 0.3 }, 1000);
  assert.ok(
    received.length > 600 && received.length < 800,
    `${received.length}`,
  );
  assert.deepEqual(received, [...received].sort((a, b) => a - b));
  const all = await sendDatagrams({ loss: 1 }, 10);
  assert.deepEqual(all.received, []);
});

test("MemoryNetwork keeps the order of datagrams without reordering", async () => {
  const { received } = await sendDatagrams({ latency: [0, 50] }, 200);
  assert.deepEqual(received, Array.from({ length: 200 }, (_, i) => i));
});

test("MemoryNetwork reorders datagrams and loses none of them", async () => {
  const { received } = await sendDatagrams({ reordering: 0.2 }, 200);
  const sorted = [...received].sort((a, b) => a - b);
  assert.deepEqual(sorted, Array.from({ length: 200 }, (_, i) => i));
  assert.notDeepEqual(received, sorted);
});

test("MemoryNetwork duplicates datagrams into arrays of their own", async () => {
  const network = new MemoryNetwork({ duplication: 1 });
  const a = await network.transport("a").bindDatagram();
  const b = await network.transport("b").bindDatagram({ port: 4000 });
  await a.send(bytes(1), { hostname: "b", port: 4000 });
  await network.run(async () => {
    const iterator = b[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert.ok(!first.done);
    first.value.data[0] = 9;
    const second = await iterator.next();
    assert.deepEqual(second.value?.data, bytes(1));
  });
});

test("MemoryNetwork sends multicast to the members on every reachable host", async () => {
  const network = new MemoryNetwork();
  const multicast = { group: "228.0.0.4" };
  const port = 45_564;
  const received = new Map<string, number[]>();
  const sockets: DatagramSocket[] = [];
  for (const name of ["a", "b", "c"]) {
    const socket = await network.transport(name).bindDatagram({
      multicast,
      port,
    });
    received.set(name, collect(socket));
    sockets.push(socket);
  }
  const stranger = await network.transport("d").bindDatagram({ port });
  received.set("d", collect(stranger));
  const inner = await network.transport("a").bindDatagram({
    multicast: { ...multicast, interfaceAddress: "127.0.0.1" },
    port,
  });
  received.set("inside a", collect(inner));
  network.partition([["a", "b", "d"], ["c"]]);
  await sockets[0]?.send(bytes(1), { hostname: multicast.group, port });
  await network.settle();
  assert.deepEqual(Object.fromEntries(received), {
    a: [1],
    b: [1],
    c: [],
    d: [],
    "inside a": [],
  });
  network.heal();
  await stranger.send(bytes(2), { hostname: multicast.group, port });
  await network.settle();
  await inner.send(bytes(3), { hostname: multicast.group, port });
  await network.settle();
  assert.deepEqual(Object.fromEntries(received), {
    a: [1, 2],
    b: [1, 2],
    c: [2],
    d: [],
    "inside a": [3],
  });
});

test("MemoryNetwork.partition() drops datagrams, also those on their way", async () => {
  const network = new MemoryNetwork({ latency: [5, 5] });
  const { sender, received } = await datagramPair(network);
  const to = { hostname: "b", port: 4000 };
  await sender.send(bytes(1), to);
  await network.advance(2);
  network.partition([["a"], ["b"]]);
  await sender.send(bytes(2), to);
  await network.advance(10);
  network.heal();
  await sender.send(bytes(3), to);
  await network.advance(10);
  assert.deepEqual(received, [3]);
});

test("MemoryNetwork.partition() stalls connections, and heal() delivers in order", async () => {
  const { network, hosts } = makeHosts({ latency: [0.1, 20] });
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      const read: number[] = [];
      const reading = (async () => {
        for await (const chunk of server) read.push(...chunk);
      })();
      await client.write(bytes(1));
      await client.write(bytes(2));
      network.partition([["10.0.0.1"], ["10.0.0.2"]]);
      for (let i = 3; i < 50; i++) await client.write(bytes(i));
      await client.closeWrite();
      await network.advance(600_000);
      assert.deepEqual(read, []);
      network.heal();
      await reading;
      assert.deepEqual(read, Array.from({ length: 49 }, (_, i) => i + 1));
    })
  );
});

test("MemoryNetwork.partition() leaves a host's own connections alone", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport("a");
  const hosts = { server: transport, client: transport, hostname: "10.0.0.1" };
  network.partition([["a"]]);
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      await client.write(bytes(1));
      assert.deepEqual(await reader(server).take(1), bytes(1));
    })
  );
});

test("MemoryNetwork.heal() lets a waiting connect go on", async () => {
  const { network, hosts } = makeHosts();
  await using listener = await listen(hosts);
  network.partition([["10.0.0.1"]]);
  const connecting = hosts.client.connect(listener.address);
  await network.advance(60_000);
  network.heal();
  const connection = await network.run(() => connecting);
  assert.deepEqual(connection.remoteAddress, listener.address);
  assert.ok(network.now < 60_010);
});

test("MemoryNetwork rejects a connect that has no answer in time", async () => {
  const { network, hosts } = makeHosts({ connectTimeout: 3000 });
  await using listener = await listen(hosts);
  network.partition([["10.0.0.1"]]);
  await network.run(() =>
    rejectsWith(
      hosts.client.connect(listener.address),
      "unreachable",
      `Cannot connect to 10.0.0.1:${listener.address.port}: no answer`,
    )
  );
  assert.equal(network.now, 3000);
  // The far host sees the attempt after all, and then that it was given up.
  network.heal();
  await network.run(async () => {
    const server = await accept(listener);
    await rejectsWith(readAll(server), "connection-reset");
  });
});

test("MemoryNetwork rejects a connect to a host that does not exist", async () => {
  const network = new MemoryNetwork();
  const address = { hostname: "nowhere", port: 1 };
  await network.run(() =>
    rejectsWith(
      network.transport("a").connect(address),
      "unreachable",
      "Cannot connect to nowhere:1: no such host",
    )
  );
});

test("MemoryNetwork.resetConnections() resets both ends", async () => {
  const { network, hosts } = makeHosts();
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      const readings = [readAll(client), readAll(server)] as const;
      const writing = client.write(new Uint8Array(1024 * 1024));
      network.resetConnections("10.0.0.1", "10.0.0.2");
      await rejectsWith(writing, "connection-reset");
      for (const reading of readings) {
        await rejectsWith(reading, "connection-reset");
      }
      await rejectsWith(client.write(bytes(1)), "connection-reset");
    })
  );
});

test("MemoryNetwork bounds what it holds for a peer that does not read", async () => {
  const { network, hosts } = makeHosts();
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      let written = 0;
      const writing = (async () => {
        for (; written < 1000; written++) {
          await client.write(new Uint8Array(1024));
        }
      })();
      await network.advance(10_000);
      assert.equal(written, 256);
      for await (const _ of server) if (written as number === 1000) break;
      await writing;
    })
  );
});

test("MemoryNetwork cuts streams as segmentLength says", async () => {
  const { network, hosts } = makeHosts({ segmentLength: [1, 3] });
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      const sent = Uint8Array.from({ length: 300 }, (_, i) => i);
      await client.write(sent);
      await client.closeWrite();
      const chunks: Uint8Array[] = [];
      for await (const chunk of server) chunks.push(chunk);
      assert.deepEqual(chunks.flatMap((chunk) => [...chunk]), [...sent]);
      const lengths = new Set(chunks.map((chunk) => chunk.length));
      assert.deepEqual([...lengths].sort(), [1, 2]);
    })
  );
});

test("MemoryNetwork.crash() closes the host's own sockets and stops its timers", async () => {
  const { network, hosts } = makeHosts();
  await network.run(() =>
    withPair(hosts, async (client, server) => {
      const listener = await listen(hosts);
      const socket = await hosts.server.bindDatagram();
      const rejections = [
        readAll(server),
        server.write(new Uint8Array(1024 * 1024)),
        accept(listener),
        receive(socket),
        hosts.server.connect({ hostname: "10.0.0.2", port: 1 }),
      ].map((promise) => rejectsWith(promise, "closed"));
      let fired = false;
      hosts.server.clock.startTimer(10, () => {
        fired = true;
      });
      network.crash("10.0.0.1");
      await Promise.all(rejections);
      await network.advance(1000);
      assert.equal(fired, false);
      await rejectsWith(listen(hosts), "closed");
      await rejectsWith(hosts.server.bindDatagram(), "closed");
      await rejectsWith(
        hosts.server.connect(client.localAddress),
        "closed",
        `Cannot connect to 10.0.0.2:${client.localAddress.port}: host 10.0.0.1 crashed`,
      );
      await server.close();
      await socket.close();
    })
  );
});

test("MemoryNetwork.crash() tells the peer nothing until the host restarts", async () => {
  const { network, hosts } = makeHosts();
  await network.run(() =>
    withPair(hosts, async (client) => {
      let ended = "";
      const reading = readAll(client).catch((error: TransportError) => {
        ended = error.code;
      });
      network.crash("10.0.0.1");
      await client.write(bytes(1));
      await network.advance(600_000);
      assert.equal(ended, "");
      const restarted = network.restart("10.0.0.1");
      assert.equal(network.transport("10.0.0.1"), restarted);
      await reading;
      assert.equal(ended, "connection-reset");
      await withPair(
        { ...hosts, server: restarted },
        async (client, server) => {
          await client.write(bytes(2));
          assert.deepEqual(await reader(server).take(1), bytes(2));
        },
      );
    })
  );
});

test("MemoryNetwork.restart() refuses the connects that waited for nobody", async () => {
  const { network, hosts } = makeHosts();
  network.crash("10.0.0.1");
  const connecting = rejectsWith(
    hosts.client.connect({ hostname: "10.0.0.1", port: 4000 }),
    "connection-refused",
  );
  await network.advance(5000);
  network.restart("10.0.0.1");
  await network.run(() => connecting);
});

test("MemoryNetwork.pause() holds a host's events back, and resume() lets them happen in order", async () => {
  const { network, hosts } = makeHosts();
  await using listener = await listen(hosts);
  const iterator = listener[Symbol.asyncIterator]();
  const events: string[] = [];
  const serving = (async () => {
    const { value } = await iterator.next();
    events.push("accepted");
    for await (const chunk of value as Connection) events.push(`${chunk}`);
  })();
  hosts.server.clock.startTimer(50, () => events.push("timer"));
  const late = hosts.server.clock.startTimer(60, () => events.push("late"));
  network.pause("10.0.0.1");
  const client = await network.run(() =>
    hosts.client.connect(listener.address)
  );
  await client.write(bytes(1));
  await client.write(bytes(2));
  await network.advance(100);
  assert.deepEqual(events, []);
  late.cancel(); // its time has passed, but it has not fired
  network.resume("10.0.0.1");
  await client.write(bytes(3));
  await client.close();
  await network.run(() => serving);
  assert.deepEqual(events, ["timer", "accepted", "1", "2", "3"]);
});

/** Two hosts on a network of their own. */
function makeHosts(
  options: MemoryNetworkOptions = {},
): { network: MemoryNetwork; hosts: Hosts } {
  const network = new MemoryNetwork(options);
  const hostname = "10.0.0.1";
  const server = network.transport(hostname);
  const client = network.transport("10.0.0.2");
  return { network, hosts: { server, client, hostname } };
}

/** A socket on "a", and what one at port 4000 of "b" receives from it. */
async function datagramPair(
  network: MemoryNetwork,
): Promise<{ sender: DatagramSocket; received: number[] }> {
  const sender = await network.transport("a").bindDatagram();
  const receiver = await network.transport("b").bindDatagram({ port: 4000 });
  return { sender, received: collect(receiver) };
}

/** A socket's datagrams as numbers, as they come. */
function collect(socket: DatagramSocket): number[] {
  const received: number[] = [];
  (async () => {
    for await (const { data } of socket) {
      received.push(data.reduce((value, byte) => value * 256 + byte));
    }
  })();
  return received;
}

async function sendDatagrams(
  options: MemoryNetworkOptions,
  count: number,
): Promise<{ received: number[] }> {
  const network = new MemoryNetwork(options);
  const { sender, received } = await datagramPair(network);
  for (let i = 0; i < count; i++) {
    await sender.send(bytes(i >> 8, i), { hostname: "b", port: 4000 });
    await network.advance(0.01);
  }
  await network.settle();
  return { received };
}

/** What four hosts with faults see, datagrams and streams, in order and with times. */
async function trace(seed: number): Promise<string[]> {
  const network = new MemoryNetwork({
    seed,
    latency: [1, 9],
    loss: 0.1,
    duplication: 0.1,
    reordering: 0.1,
    segmentLength: [1, 100],
  });
  const lines: string[] = [];
  const names = ["a", "b", "c", "d"];
  const note = (line: string) => lines.push(`${network.now} ${line}`);
  for (const name of names) await serve(network.transport(name), name, note);
  await network.run(async () => {
    await Promise.all(names.map(async (name) => {
      const transport = network.transport(name);
      const socket = await transport.bindDatagram();
      for (const [i, peer] of names.entries()) {
        await socket.send(bytes(i), { hostname: peer, port: 4000 });
        await using stream = await transport.connect({
          hostname: peer,
          port: 4000,
        });
        await stream.write(new Uint8Array(500));
      }
    }));
    await network.advance(1000);
  });
  return lines;
}

async function serve(
  transport: Transport,
  name: string,
  note: (line: string) => void,
): Promise<void> {
  const socket = await transport.bindDatagram({ port: 4000 });
  const listener = await transport.listen({ hostname: "0.0.0.0", port: 4000 });
  (async () => {
    for await (const { data, from } of socket) {
      note(`${name} got ${data} from ${from.hostname}`);
    }
  })();
  (async () => {
    for await (const connection of listener) {
      (async () => {
        for await (const chunk of connection) {
          note(
            `${name} read ${chunk.length} from ${connection.remoteAddress.hostname}`,
          );
        }
      })();
    }
  })();
}
