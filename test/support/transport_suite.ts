/**
 * The behaviour that every transport has: one suite, run against each of them.
 *
 * No case sleeps. Where a case claims that something does not happen, it first drives a second
 * connection or a later datagram through the same transport, so that what was wrong would have
 * happened by then.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  type Connection,
  type Datagram,
  type DatagramSocket,
  type Listener,
  type SocketAddress,
  type Transport,
  TransportError,
  type TransportErrorCode,
} from "../../transport/types.ts";

/** Two hosts, which may be the same one. */
export interface Hosts {
  /** The host that listens. */
  readonly server: Transport;
  /** The host that connects. */
  readonly client: Transport;
  /** An address of the server's that the client reaches. */
  readonly hostname: string;
}

/** A transport under test. */
export interface TransportSubject {
  /** Begins every test's name. */
  readonly name: string;
  /** Whether `::1` can be bound. */
  readonly ipv6: boolean;
  /** An IPv4 address of the server's that is not loopback, if it has one. */
  readonly external: string | undefined;
  /** Runs one case on fresh hosts. */
  run(task: (hosts: Hosts) => Promise<void>): Promise<void>;
}

const CHUNK = 64 * 1024;

/** Registers the suite for one transport. */
export function transportSuite(subject: TransportSubject): void {
  const define = (
    claim: string,
    task: (hosts: Hosts) => Promise<void>,
    skip: string | false = false,
  ) => test(`${subject.name}: ${claim}`, { skip }, () => subject.run(task));

  connectionCases(define);
  closingCases(define);
  listenerCases(define);
  datagramCases(define);
  multicastCases(define, subject.external);

  define("connect() and listen() work on ::1", async ({ server }) => {
    await using listener = await server.listen({ hostname: "::1", port: 0 });
    await using client = await server.connect(listener.address);
    await using accepted = await accept(listener);
    assert.equal(client.remoteAddress.hostname, "::1");
    assert.equal(accepted.remoteAddress.hostname, "::1");
    await client.write(bytes(1, 2));
    await client.closeWrite();
    assert.deepEqual(await readAll(accepted), bytes(1, 2));
  }, !subject.ipv6 && "no ::1 on this host");

  define("bindDatagram() works on ::1", async ({ server }) => {
    await using receiver = await server.bindDatagram({ hostname: "::1" });
    await using sender = await server.bindDatagram({ hostname: "::1" });
    await sender.send(bytes(6), receiver.address);
    const { data, from } = await receive(receiver);
    assert.deepEqual(data, bytes(6));
    assert.deepEqual(from, sender.address);
  }, !subject.ipv6 && "no ::1 on this host");

  define(
    "clock.startTimer() calls back, not before its delay",
    async (hosts) => {
      const { clock } = hosts.client;
      const start = clock.now();
      const wallStart = clock.wallTime();
      const fired: string[] = [];
      clock.startTimer(1, () => fired.push("cancelled")).cancel();
      clock.startTimer(2, () => fired.push("shorter"));
      const last = await new Promise<() => void>((resolve) => {
        const timer = clock.startTimer(
          12.5,
          () => resolve(() => timer.cancel()),
        );
      });
      assert.deepEqual(fired, ["shorter"]);
      assert.ok(clock.now() - start >= 12.5);
      assert.ok(clock.wallTime() >= wallStart + 11);
      last(); // does nothing after it fired
    },
  );

  define("localAddresses() ends with loopback", ({ server }) => {
    const addresses = server.localAddresses();
    const loopback = addresses.map((a) => a.startsWith("127.") || a === "::1");
    assert.ok(loopback.includes(true));
    assert.deepEqual(loopback, [...loopback].sort());
    return Promise.resolve();
  });
}

type Define = (
  claim: string,
  task: (hosts: Hosts) => Promise<void>,
  skip?: string | false,
) => void;

function connectionCases(define: Define): void {
  define(
    "connect() and the accepted connection name each other",
    (hosts) =>
      withPair(hosts, (client, server) => {
        assert.deepEqual(client.localAddress, server.remoteAddress);
        assert.deepEqual(client.remoteAddress, server.localAddress);
        assert.equal(client.remoteAddress.hostname, hosts.hostname);
        return Promise.resolve();
      }),
  );

  define(
    "connection.write() carries bytes in both directions",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const fromClient = reader(server);
        const fromServer = reader(client);
        for (let i = 0; i < 20; i++) {
          await client.write(bytes(i, 1));
          assert.deepEqual(await fromClient.take(2), bytes(i, 1));
          await server.write(bytes(i, 2, 3));
          assert.deepEqual(await fromServer.take(3), bytes(i, 2, 3));
        }
      }),
  );

  define(
    "connection.write() sends in the order of its calls",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const received = readAll(server);
        const writes: Promise<void>[] = [];
        for (let i = 0; i < 1000; i++) writes.push(client.write(bytes(i)));
        writes.push(client.write(bytes()), client.closeWrite());
        await Promise.all(writes);
        assert.deepEqual(
          await received,
          Uint8Array.from({ length: 1000 }, (_, i) => i),
        );
      }),
  );

  define(
    "connection.write() gives the chunk back when it resolves",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const received = digest(server);
        const expected = createHash("sha256");
        const chunk = new Uint8Array(CHUNK);
        for (let i = 0; i < 100; i++) {
          chunk.fill(i);
          expected.update(chunk);
          await client.write(chunk);
          chunk.fill(255);
        }
        await client.closeWrite();
        assert.deepEqual(await received, {
          length: 100 * CHUNK,
          hash: expected.digest("hex"),
        });
      }),
  );

  define(
    "connection yields plain arrays that stay as they are",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const iterator = server[Symbol.asyncIterator]();
        await client.write(bytes(1, 2, 3));
        const first = await iterator.next();
        assert.ok(!first.done);
        // `slice` of a Buffer would be a view.
        assert.equal(first.value.constructor, Uint8Array);
        await client.write(bytes(4, 5, 6));
        await iterator.next();
        assert.deepEqual(
          first.value,
          bytes(1, 2, 3).subarray(0, first.value.length),
        );
      }),
  );

  define(
    "connection.write() stays pending while the peer does not read",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const total = 1024 * CHUNK;
        const expected = createHash("sha256");
        let written = 0;
        const writing = (async () => {
          const chunk = new Uint8Array(CHUNK);
          while (written < total) {
            chunk.fill(written / CHUNK);
            expected.update(chunk);
            await client.write(chunk);
            written += chunk.length;
          }
          await client.closeWrite();
        })();
        await pingPong(hosts, 200);
        const stalled = written;
        await pingPong(hosts, 50);
        assert.ok(stalled < total * 0.75, `${stalled} bytes without a reader`);
        assert.equal(written, stalled);
        const received = await digest(server);
        await writing;
        assert.deepEqual(received, {
          length: total,
          hash: expected.digest("hex"),
        });
      }),
  );

  define(
    "connection is iterated once, by one pull at a time",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const iterator = server[Symbol.asyncIterator]();
        assert.throws(() => server[Symbol.asyncIterator](), TypeError);
        const pull = iterator.next();
        await assert.rejects(iterator.next(), TypeError);
        await client.write(bytes(8));
        assert.deepEqual(await pull, { done: false, value: bytes(8) });
      }),
  );

  define("connect() rejects where nobody listens", async (hosts) => {
    const listener = await listen(hosts);
    await listener.close();
    await rejectsWith(
      hosts.client.connect(listener.address),
      "connection-refused",
      `Cannot connect to ${hosts.hostname}:${listener.address.port}: connection refused`,
    );
  });

  define("connect() rejects a port out of range", async (hosts) => {
    const address = { hostname: hosts.hostname, port: 65_536 };
    await assert.rejects(hosts.client.connect(address), RangeError);
    await assert.rejects(hosts.server.listen(address), RangeError);
  });

  define("connect() rejects with the reason of its signal", async (hosts) => {
    await using listener = await listen(hosts);
    const reason = new Error("given up");
    const before = AbortSignal.abort(reason);
    await assert.rejects(
      hosts.client.connect(listener.address, { signal: before }),
      reason,
    );
    await assert.rejects(
      hosts.server.listen({ hostname: hosts.hostname, port: 0 }, {
        signal: before,
      }),
      reason,
    );
    await assert.rejects(hosts.server.bindDatagram({ signal: before }), reason);

    const controller = new AbortController();
    const connecting = hosts.client.connect(listener.address, {
      signal: controller.signal,
    });
    controller.abort(reason);
    await assert.rejects(connecting, reason);
  });

  define(
    "connect() leaves the signal alone once it has resolved",
    async (hosts) => {
      await using listener = await listen(hosts);
      const controller = new AbortController();
      await using client = await hosts.client.connect(listener.address, {
        signal: controller.signal,
      });
      await using server = await accept(listener);
      controller.abort(new Error("too late"));
      await client.write(bytes(3));
      assert.deepEqual(await reader(server).take(1), bytes(3));
    },
  );

  define("listen() serves 200 connections", async (hosts) => {
    await using listener = await listen(hosts);
    const serving: Promise<void>[] = [];
    const accepting = (async () => {
      for await (const connection of listener) {
        serving.push(echo(connection));
        if (serving.length === 200) return;
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        await using client = await hosts.client.connect(listener.address);
        await client.write(bytes(i, i >> 8));
        await client.closeWrite();
        return await readAll(client);
      }),
    );
    await accepting;
    await Promise.all(serving);
    answers.forEach((answer, i) => assert.deepEqual(answer, bytes(i, i >> 8)));
  });
}

function closingCases(define: Define): void {
  define(
    "connection.closeWrite() ends the peer's iteration, reading goes on",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        await client.write(bytes(1));
        const first = client.closeWrite();
        await Promise.all([first, client.closeWrite()]);
        assert.deepEqual(await readAll(server), bytes(1));
        await rejectsWith(client.write(bytes(2)), "closed");
        await server.write(bytes(3, 4));
        await server.closeWrite();
        assert.deepEqual(await readAll(client), bytes(3, 4));
      }),
  );

  define(
    "connection.close() flushes what was written",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const chunk = new Uint8Array(4 * 1024 * 1024).fill(7);
        const writing = client.write(chunk);
        const closing = client.close();
        const received = await digest(server);
        await Promise.all([writing, closing]);
        assert.deepEqual(received, {
          length: chunk.length,
          hash: createHash("sha256").update(chunk).digest("hex"),
        });
      }),
  );

  define(
    "connection.close() ends our iteration quietly, and is idempotent",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const iterator = client[Symbol.asyncIterator]();
        const pull = iterator.next();
        await Promise.all([client.close(), client.close()]);
        await client.close();
        client.abort();
        assert.equal((await pull).done, true);
        assert.equal((await iterator.next()).done, true);
        await rejectsWith(client.write(bytes(1)), "closed");
        assert.equal((await readAll(server)).length, 0);
      }),
  );

  define(
    "connection.abort() rejects pending writes and ends iteration",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const pull = client[Symbol.asyncIterator]().next();
        const writes = Array.from(
          { length: 64 },
          () => client.write(new Uint8Array(1024 * 1024)),
        );
        const results = Promise.allSettled(writes);
        await pingPong(hosts, 5);
        client.abort();
        client.abort();
        const last = (await results).at(-1);
        assert.equal(last?.status, "rejected");
        assert.equal(codeOf(last.reason), "closed");
        assert.equal((await pull).done, true);
        await rejectsWith(client.write(bytes(1)), "closed");
        await client.close();
        await rejectsWith(readAll(server), "connection-reset");
      }),
  );

  define(
    "connection.abort() settles a close() that cannot flush",
    (hosts) =>
      withPair(hosts, async (client) => {
        const writing = client.write(new Uint8Array(64 * 1024 * 1024));
        const closing = client.close();
        const rejection = rejectsWith(writing, "closed");
        client.abort();
        await closing;
        await rejection;
      }),
  );

  define(
    "connection.abort() resets the peer",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        const reading = readAll(server);
        client.abort();
        await rejectsWith(
          reading,
          "connection-reset",
          `Cannot read from ${format(server.remoteAddress)}: connection reset`,
        );
        await rejectsWith(writeUntilRejected(server), "connection-reset");
        await rejectsWith(server.closeWrite(), "connection-reset");
        await server.close();
      }),
  );

  define(
    "connection drops nothing that arrived before the peer's end",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        for (let i = 0; i < 10; i++) await client.write(bytes(i));
        await client.close();
        await pingPong(hosts, 5);
        assert.deepEqual(
          await readAll(server),
          bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        );
      }),
  );

  define(
    "connection stops reading when its reader leaves, and closes",
    (hosts) =>
      withPair(hosts, async (client, server) => {
        let written = 0;
        const writing = (async () => {
          for (;; written++) await client.write(new Uint8Array(CHUNK));
        })();
        for await (const _ of server) break;
        await pingPong(hosts, 200);
        const stalled = written;
        await pingPong(hosts, 50);
        assert.equal(written, stalled, "writes after the reader left");
        await server.close();
        await rejectsWith(writing, "connection-reset");
      }),
  );
}

function listenerCases(define: Define): void {
  define("listen() takes any port for 0, each its own", async (hosts) => {
    await using first = await listen(hosts);
    await using second = await listen(hosts);
    assert.equal(first.address.hostname, hosts.hostname);
    assert.ok(first.address.port > 0);
    assert.notEqual(first.address.port, second.address.port);
  });

  define("listen() rejects an address in use", async (hosts) => {
    await using listener = await listen(hosts);
    await rejectsWith(
      hosts.server.listen(listener.address),
      "address-in-use",
      `Cannot listen on ${format(listener.address)}: address in use`,
    );
  });

  define("listen() rejects an address of another host", async ({ server }) => {
    const address = { hostname: "203.0.113.1", port: 0 };
    await rejectsWith(
      server.listen(address),
      "address-not-available",
      "Cannot listen on 203.0.113.1:0: address not available",
    );
  });

  define(
    "listen() on the wildcard takes connections to any address",
    async (hosts) => {
      await using listener = await hosts.server.listen({
        hostname: "0.0.0.0",
        port: 0,
      });
      const { port } = listener.address;
      await using client = await hosts.client.connect({
        hostname: hosts.hostname,
        port,
      });
      await using server = await accept(listener);
      assert.deepEqual(server.localAddress, client.remoteAddress);
    },
  );

  define(
    "listener.close() ends iteration, frees the port and keeps connections",
    async (hosts) => {
      const listener = await listen(hosts);
      const iterator = listener[Symbol.asyncIterator]();
      await using client = await hosts.client.connect(listener.address);
      const accepted = await iterator.next();
      assert.ok(!accepted.done);
      await using server = accepted.value;
      const pull = iterator.next();
      await Promise.all([listener.close(), listener.close()]);
      assert.equal((await pull).done, true);
      await rejectsWith(
        hosts.client.connect(listener.address),
        "connection-refused",
      );
      await client.write(bytes(5));
      assert.deepEqual(await reader(server).take(1), bytes(5));
      await using again = await hosts.server.listen(listener.address);
      assert.deepEqual(again.address, listener.address);
    },
  );

  define(
    "listener.close() resets the connections that nobody took",
    async (hosts) => {
      const listener = await listen(hosts);
      await using client = await hosts.client.connect(listener.address);
      const reading = readAll(client);
      await listener.close();
      await rejectsWith(reading, "connection-reset");
    },
  );
}

function datagramCases(define: Define): void {
  define(
    "datagramSocket.send() is answered to where it came from",
    async (hosts) => {
      const { hostname } = hosts;
      await using server = await hosts.server.bindDatagram({ hostname });
      await using client = await hosts.client.bindDatagram();
      assert.equal(server.address.hostname, hostname);
      assert.equal(client.address.hostname, "0.0.0.0");
      const questions = server[Symbol.asyncIterator]();
      const answers = client[Symbol.asyncIterator]();
      for (let i = 0; i < 10; i++) {
        const payload = bytes(i, 9);
        await client.send(payload, server.address);
        payload.fill(0);
        const question = await questions.next();
        assert.ok(!question.done);
        assert.deepEqual(question.value.data, bytes(i, 9));
        assert.equal(question.value.data.constructor, Uint8Array);
        assert.equal(question.value.from.port, client.address.port);
        await server.send(bytes(i), question.value.from);
        const answer = await answers.next();
        assert.ok(!answer.done);
        assert.deepEqual(answer.value, {
          data: bytes(i),
          from: server.address,
        });
      }
    },
  );

  define(
    "datagramSocket.send() takes 65507 bytes and rejects more",
    async (hosts) => {
      const { hostname } = hosts;
      await using server = await hosts.server.bindDatagram({ hostname });
      await using client = await hosts.client.bindDatagram();
      await rejectsWith(
        client.send(new Uint8Array(65_508), server.address),
        "message-too-large",
        `Cannot send to ${format(server.address)}: 65508 bytes exceed 65507`,
      );
      await client.send(new Uint8Array(65_507).fill(3), server.address);
      const { data } = await receive(server);
      assert.equal(data.length, 65_507);
      assert.equal(data[65_506], 3);
    },
  );

  define("bindDatagram() rejects an address in use", async (hosts) => {
    const { hostname, server } = hosts;
    await using socket = await server.bindDatagram({ hostname });
    await rejectsWith(
      server.bindDatagram(socket.address),
      "address-in-use",
      `Cannot bind ${format(socket.address)}: address in use`,
    );
  });

  define(
    "bindDatagram() rejects an address of another host",
    async ({ server }) => {
      await rejectsWith(
        server.bindDatagram({ hostname: "203.0.113.1" }),
        "address-not-available",
      );
    },
  );

  define(
    "datagramSocket drops what arrives while a mebibyte waits",
    async (hosts) => {
      const { hostname } = hosts;
      await using full = await hosts.server.bindDatagram({ hostname });
      await using other = await hosts.server.bindDatagram({ hostname });
      await using sender = await hosts.client.bindDatagram();
      const arrivals = other[Symbol.asyncIterator]();
      const { clock } = hosts.server;
      // A datagram to another socket of the host, and turns of the event loop, since a runtime reads
      // several datagrams of one socket in a row: what was sent before has arrived by then.
      const barrier = async () => {
        await sender.send(bytes(0), other.address);
        await arrivals.next();
        for (let turn = 0; turn < 2; turn++) {
          await new Promise<void>((resolve) => clock.startTimer(0, resolve));
        }
      };
      for (let i = 0; i < 40; i++) {
        await sender.send(new Uint8Array(60_000).fill(i), full.address);
        await barrier();
      }
      const iterator = full[Symbol.asyncIterator]();
      const kept: (number | undefined)[] = [];
      const empty = Promise.resolve();
      for (
        let result;
        (result = await Promise.race([iterator.next(), empty]));
      ) {
        kept.push(result.value?.data[0]);
      }
      assert.deepEqual(kept, Array.from({ length: 18 }, (_, i) => i));
    },
  );

  define(
    "datagramSocket.close() ends iteration and settles sends",
    async (hosts) => {
      const { hostname } = hosts;
      await using server = await hosts.server.bindDatagram({ hostname });
      const client = await hosts.client.bindDatagram();
      const pull = client[Symbol.asyncIterator]().next();
      assert.throws(() => client[Symbol.asyncIterator](), TypeError);
      const sends = Promise.allSettled(
        Array.from({ length: 50 }, () => client.send(bytes(1), server.address)),
      );
      await Promise.all([client.close(), client.close()]);
      assert.equal((await pull).done, true);
      for (const send of await sends) {
        if (send.status === "rejected") {
          assert.equal(
            codeOf(send.reason),
            "closed",
          );
        }
      }
      await rejectsWith(client.send(bytes(2), server.address), "closed");
    },
  );
}

function multicastCases(define: Define, external: string | undefined): void {
  const interfaceAddress = "127.0.0.1";

  define(
    "bindDatagram() lets sockets share a group and its port",
    async ({ server }) => {
      const multicast = { group: randomGroup(), interfaceAddress, ttl: 1 };
      await using first = await server.bindDatagram({ multicast });
      const { port } = first.address;
      await using second = await server.bindDatagram({ multicast, port });
      assert.equal(second.address.port, port);
      await first.send(bytes(1, 2), { hostname: multicast.group, port });
      for (const socket of [first, second]) {
        const { data, from } = await receive(socket);
        assert.deepEqual(data, bytes(1, 2));
        assert.deepEqual(from, { hostname: interfaceAddress, port });
      }
    },
  );

  define(
    "bindDatagram() keeps other groups of the port away",
    async ({ server }) => {
      const group = randomGroup();
      const other = randomGroup(group);
      await using mine = await server.bindDatagram({
        multicast: { group, interfaceAddress },
      });
      const { port } = mine.address;
      await using theirs = await server.bindDatagram({
        multicast: { group: other, interfaceAddress },
        port,
      });
      await theirs.send(bytes(1), { hostname: other, port });
      assert.deepEqual((await receive(theirs)).data, bytes(1));
      await theirs.send(bytes(2), { hostname: group, port });
      assert.deepEqual((await receive(mine)).data, bytes(2));
    },
  );

  // Of what leaves on the loopback interface the kernel hands out copies all the same.
  define(
    "bindDatagram() without loopback keeps its sends from this host",
    async ({ server }) => {
      const multicast = {
        group: randomGroup(),
        ...(external && { interfaceAddress: external }),
      };
      await using receiver = await server.bindDatagram({ multicast });
      const to = { hostname: multicast.group, port: receiver.address.port };
      await using silent = await server.bindDatagram({
        multicast: { ...multicast, loopback: false },
        port: to.port,
      });
      await using loud = await server.bindDatagram({
        multicast,
        port: to.port,
      });
      await silent.send(bytes(1), to);
      await loud.send(bytes(2), to);
      assert.deepEqual((await receive(receiver)).data, bytes(2));
    },
    external === undefined && "no external interface on this host",
  );

  define(
    "bindDatagram() rejects what is no group and no interface of ours",
    async ({ server }) => {
      const group = randomGroup();
      await rejectsWith(
        server.bindDatagram({
          multicast: { group, interfaceAddress: "203.0.113.1" },
        }),
        "address-not-available",
      );
      await rejectsWith(
        server.bindDatagram({ multicast: { group: "203.0.113.1" } }),
        "address-not-available",
      );
    },
  );
}

/** Runs with both ends of one connection and closes them. */
export async function withPair(
  hosts: Hosts,
  task: (client: Connection, server: Connection) => Promise<void>,
): Promise<void> {
  await using listener = await listen(hosts);
  const client = await hosts.client.connect(listener.address);
  const server = await accept(listener);
  try {
    await task(client, server);
  } finally {
    client.abort();
    server.abort();
  }
}

/** Listens on any port of the server's address. */
export function listen({ server, hostname }: Hosts): Promise<Listener> {
  return server.listen({ hostname, port: 0 });
}

/** Takes the first connection of a listener. */
export async function accept(listener: Listener): Promise<Connection> {
  for await (const connection of listener) return connection;
  throw new Error("Cannot accept: the listener ended");
}

/** Takes the first datagram of a socket. */
export async function receive(socket: DatagramSocket): Promise<Datagram> {
  for await (const datagram of socket) return datagram;
  throw new Error("Cannot receive: the socket ended");
}

/** Reads to the end of the stream. */
export async function readAll(connection: Connection): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return concat(chunks);
}

/** Reads exact numbers of bytes. */
export function reader(
  connection: Connection,
): { take(length: number): Promise<Uint8Array> } {
  const iterator = connection[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  return {
    async take(length: number): Promise<Uint8Array> {
      while (rest.length < length) {
        const { done, value } = await iterator.next();
        if (done) throw new Error(`Cannot take ${length} bytes: stream ended`);
        rest = concat([rest, value]);
      }
      const taken = rest.slice(0, length);
      rest = rest.slice(length);
      return taken;
    },
  };
}

/** Requires a rejection with a code, and with a text if one is given. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: TransportErrorCode,
  message?: string,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(codeOf(error), code);
    if (message !== undefined) {
      assert.equal((error as TransportError).message, message);
    }
    return true;
  });
}

/** Makes bytes of numbers, each modulo 256. */
export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** The code of a transport's error; any other error is given back to show in the assertion. */
function codeOf(error: unknown): unknown {
  return error instanceof TransportError ? error.code : error;
}

/** Round trips on a connection of its own: what was ready to happen has happened after them. */
async function pingPong(hosts: Hosts, rounds: number): Promise<void> {
  await withPair(hosts, async (client, server) => {
    const pings = reader(server);
    const pongs = reader(client);
    for (let i = 0; i < rounds; i++) {
      await client.write(bytes(i));
      await server.write(await pings.take(1));
      assert.deepEqual(await pongs.take(1), bytes(i));
    }
  });
}

async function echo(connection: Connection): Promise<void> {
  await using open = connection;
  for await (const chunk of open) await open.write(chunk);
}

async function writeUntilRejected(connection: Connection): Promise<never> {
  for (;;) await connection.write(bytes(1));
}

async function digest(
  connection: Connection,
): Promise<{ length: number; hash: string }> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of connection) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, hash: hash.digest("hex") };
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** A group that other runs on this host hardly use at the same time. */
function randomGroup(not?: string): string {
  const byte = () => 1 + Math.floor(Math.random() * 254);
  const group = `239.${byte()}.${byte()}.${byte()}`;
  return group === not ? randomGroup(not) : group;
}

function format({ hostname, port }: SocketAddress): string {
  return `${hostname}:${port}`;
}
