// Connections: what they carry, how long they live, and how many there may be.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/ajp_server.ts";
import {
  concatBytes,
  decodeHex,
  encodeCping,
  type ForwardRequest,
} from "../../protocol/mod.ts";
import { TransportError } from "../../transport/types.ts";
import {
  type FrontEndPeer,
  patternOf,
  readFault,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const CPONG = "4142000109";
const DAY = 86_400_000;
const fine: AjpHandler = () => new Response("fine");

/** A POST with a content-length. */
function post(length: number): Partial<Omit<ForwardRequest, "type">> {
  return {
    methodCode: 4,
    headers: headersOf(["content-length", String(length)]),
  };
}

// Many requests

test("AjpServer serves a thousand requests and pings on one connection", () =>
  withAjpServer({}, (request) => new Response(request.url), async (scene) => {
    const peer = await scene.connect();
    for (let i = 0; i < 1000; i++) {
      const reply = await peer.send({ uri: `/${i}` });
      assert.equal(reply.text, `http://www.example/${i}`);
      assert.equal(reply.reuse, true);
      if (i % 10 === 0) await peer.ping();
    }
    assert.equal(scene.server.connectionCount, 1);
    assert.deepEqual(scene.faults, []);
  }));

test("AjpServer serves a hundred connections at the same time", () => {
  let running = 0;
  let most = 0;
  const all = Promise.withResolvers<void>();
  const handler: AjpHandler = async (request) => {
    most = Math.max(most, ++running);
    if (running === 100) all.resolve();
    await all.promise;
    running--;
    return new Response(await request.arrayBuffer());
  };
  return withAjpServer({}, handler, async ({ connect, server, faults }) => {
    await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const peer = await connect();
      for (const length of [10, 10_000]) {
        const body = patternOf(length, i);
        const reply = await peer.send(post(length), { body });
        assert.deepEqual(reply.body, body);
      }
    }));
    assert.equal(most, 100);
    assert.equal(server.connectionCount, 100);
    assert.deepEqual(faults, []);
  });
});

test("AjpServer answers a ping that came with others, each once", () =>
  withAjpServer({}, fine, async ({ connectRaw }) => {
    const peer = await connectRaw();
    const pings = new Uint8Array(50);
    for (let i = 0; i < 50; i += 5) pings.set(encodeCping(), i);
    await peer.write(pings);
    await peer.receives(CPONG.repeat(10));
    await peer.write(encodeCping());
    await peer.receives(CPONG.repeat(11));
  }));

// Timeouts

test("AjpServer keeps an idle connection by default, for a day", () =>
  withAjpServer({}, fine, async ({ connect, network }) => {
    const peer = await connect();
    await peer.send();
    await network.advance(DAY);
    assert.equal((await peer.send()).text, "fine");
  }));

test("AjpServer closes a connection that says nothing for connectionTimeout", () =>
  withAjpServer({ connectionTimeout: 10_000 }, fine, async (scene) => {
    const { network, connectRaw, server, faults } = scene;
    const peer = await connectRaw();
    await network.advance(9_000);
    assert.equal(peer.open, true);
    await network.advance(6_100);
    assert.equal(await peer.ended, true);
    assert.equal(server.connectionCount, 0);
    assert.deepEqual(faults, []);
  }));

test("AjpServer looks after connections that come when there was none for long", () =>
  withAjpServer({ connectionTimeout: 10_000 }, fine, async (scene) => {
    const { connectRaw, network, server } = scene;
    for (let i = 0; i < 3; i++) {
      const peer = await connectRaw();
      await network.advance(16_000);
      assert.equal(peer.open, false);
      assert.equal(server.connectionCount, 0);
      await network.advance(60_000);
    }
  }));

test("AjpServer closes a connection that is idle for keepAliveTimeout, and not before", () =>
  withAjpServer({ keepAliveTimeout: 10_000 }, fine, async (scene) => {
    const { network, connect, server } = scene;
    const peer = await connect();
    for (let i = 0; i < 20; i++) {
      await peer.send();
      await network.advance(9_000);
    }
    await network.advance(6_100);
    await peer.closed();
    assert.equal(server.connectionCount, 0);
  }));

test("AjpServer does not count a handler's time as idle", () => {
  const gate = Promise.withResolvers<Response>();
  const options = {
    connectionTimeout: 1000,
    keepAliveTimeout: 1000,
    stallTimeout: 1000,
  };
  return withAjpServer(options, () => gate.promise, async (scene) => {
    const peer = await scene.connect();
    const reply = peer.send();
    await scene.network.advance(DAY);
    gate.resolve(new Response("late"));
    assert.equal((await reply).text, "late");
  });
});

test("AjpServer waits for ever with timeouts of -1", () => {
  const options = {
    connectionTimeout: -1,
    keepAliveTimeout: -1,
    stallTimeout: -1,
  };
  return withAjpServer(options, fine, async ({ connectRaw, network }) => {
    const silent = await connectRaw();
    const partial = await connectRaw();
    await partial.write(requestBytes().subarray(0, 9));
    await network.advance(DAY);
    assert.equal(silent.open, true);
    await partial.write(requestBytes().subarray(9));
    await network.settle();
    assert.match(partial.received, /414200020501$/);
  });
});

const SLOW: readonly (readonly [string, () => Uint8Array[]])[] = [
  ["a request", () => {
    const bytes = requestBytes();
    return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  }],
  ["a request after another", () => {
    const bytes = requestBytes();
    return [bytes, ...Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))];
  }],
  ["the first packet of a body", () => [requestBytes(post(3))]],
  ["the first packet of a long body", () => [requestBytes(post(30_000))]],
  ["a packet that was asked for", () => [
    requestBytes({ methodCode: 4 }),
    decodeHex("12340005"),
  ]],
  ["a packet that nobody reads any more", () => [
    requestBytes({ ...post(30_000), uri: "/early" }),
  ]],
];

for (const [claim, pieces] of SLOW) {
  test(`AjpServer drops a front end that lets ${claim} stand still`, () => {
    const errors: unknown[] = [];
    const handler: AjpHandler = async (request) => {
      if (request.url.endsWith("early")) return new Response("early");
      errors.push(await readFault(request.body));
      return new Response("fine");
    };
    const options = { stallTimeout: 10_000 };
    return withAjpServer(options, handler, async (scene) => {
      const { network, connectRaw, server, faults } = scene;
      const peer = await connectRaw();
      for (const piece of pieces()) {
        await peer.write(piece).catch(() => {}); // once it is dropped
        await network.advance(1000);
        if (!peer.open) break;
      }
      await network.advance(16_000);
      assert.equal(await peer.ended, false); // a reset, so that nobody takes it for a reply
      assert.equal(server.connectionCount, 0);
      assert.deepEqual(faults.map(({ type }) => type), ["connection"]);
      assert(faults[0]?.error instanceof TransportError);
      assert.match(
        faults[0].error.message,
        /a packet stood still for 10000 ms/,
      );
      for (const error of errors) {
        assert(error === undefined || error instanceof DOMException);
      }
    });
  });
}

test("AjpServer drops a front end that does not read its reply", () => {
  let cancelled: unknown;
  const handler: AjpHandler = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: (reason) => {
          cancelled = reason;
        },
      }),
    );
  const options = { stallTimeout: 10_000 };
  return withAjpServer(options, handler, async (scene) => {
    const { client, server, network, faults } = scene;
    const connection = await client.connect(server.address);
    await connection.write(requestBytes());
    await network.advance(9_000);
    assert.equal(server.connectionCount, 1);
    await network.advance(10_000);
    assert.equal(server.connectionCount, 0);
    assert.match(String(faults[0]?.error), /a reply stood still/);
    assert(cancelled instanceof Error);
  });
});

test("AjpServer lets a slow front end read for as long as it reads", () => {
  const body = patternOf(2_000_000);
  const handler: AjpHandler = () => new Response(body);
  const options = { stallTimeout: 10_000 };
  return withAjpServer(options, handler, async (scene) => {
    const { client, server, network } = scene;
    const connection = await client.connect(server.address);
    await connection.write(requestBytes());
    let length = 0;
    for await (const chunk of connection) {
      length += chunk.length;
      if (length > 2_000_000 && chunk.at(-1) === 1) break;
      await network.advance(chunk.length / 16); // 16 kB a second
    }
    assert(network.now > 100_000);
    assert.equal(server.connectionCount, 1);
    connection.abort();
  });
});

test("AjpServer answers no further request of a front end that reads no replies", () => {
  let calls = 0;
  const handler: AjpHandler = () => {
    calls++;
    return new Response(new Uint8Array(30_000));
  };
  return withAjpServer({ stallTimeout: -1 }, handler, async (scene) => {
    const { client, server, network } = scene;
    const connection = await client.connect(server.address);
    for (let i = 0; i < 1000; i++) {
      void connection.write(requestBytes()).catch(() => {});
      await network.advance(10);
    }
    assert(calls < 100, `${calls} calls`);
    connection.abort();
  });
});

test("AjpServer answers no further ping of a front end that reads no answers", () => {
  const pings = concatBytes(
    Array.from({ length: 10_000 }, encodeCping),
  );
  return withAjpServer({ stallTimeout: 10_000 }, fine, async (scene) => {
    const { client, server, network, faults } = scene;
    const connection = await client.connect(server.address);
    let taken = 0;
    for (let i = 0; i < 1000; i++) {
      void connection.write(pings).then(() => taken++, () => {});
    }
    await network.advance(5_000);
    assert(taken < 100, `${taken} times ${pings.length} bytes were taken`);
    const before = taken;
    await network.advance(2_000);
    assert.equal(taken, before);
    await network.advance(20_000);
    assert.equal(server.connectionCount, 0);
    assert.match(String(faults[0]?.error), /a reply stood still/);
    connection.abort();
  });
});

// Limits

test("AjpServer makes room by the connection that is idle and was used least lately", () =>
  withAjpServer({ maxConnections: 3 }, fine, async (scene) => {
    const { connect, network, server, faults } = scene;
    const peers: FrontEndPeer[] = [];
    for (let i = 0; i < 3; i++) peers.push(await connect());
    for (const i of [1, 0, 2, 1]) await peers[i]!.send(); // there are three
    const fourth = await connect();
    assert.equal((await fourth.send()).text, "fine");
    await network.settle();
    await peers[0]?.closed();
    assert.equal(server.connectionCount, 3);
    assert.equal((await peers[1]!.send()).text, "fine");
    const unused = await connect(); // in the place of the third
    await network.settle();
    await peers[2]?.closed();
    const fifth = await connect(); // in the place of one that was never used
    await fifth.send();
    await unused.closed();
    assert.equal(faults.length, 3);
  }));

test("AjpServer closes a connection too many when all are busy", () => {
  const gate = Promise.withResolvers<void>();
  const handler: AjpHandler = async () => {
    await gate.promise;
    return new Response("fine");
  };
  return withAjpServer({ maxConnections: 2 }, handler, async (scene) => {
    const { connect, connectRaw, network, server, faults } = scene;
    const replies = [(await connect()).send(), (await connect()).send()];
    await network.settle();
    const third = await connectRaw();
    assert.equal(await third.ended, false);
    assert.equal(server.connectionCount, 2);
    assert.match(String(faults[0]?.error), /2 are open/);
    gate.resolve();
    for (const reply of replies) assert.equal((await reply).text, "fine");
  });
});
