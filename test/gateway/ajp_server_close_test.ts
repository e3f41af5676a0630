// What happens when a front end goes away, and when the server closes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AjpHandler, AjpServer } from "../../gateway/ajp_server.ts";
import {
  ajpRequestAttribute,
  type BodyPacket,
  concatBytes,
  encodeBodyPacket,
  type ForwardRequest,
} from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import type { Clock, Timer, Transport } from "../../transport/types.ts";
import {
  FrontEndPeer,
  patternOf,
  readFault,
  requestBytes,
  SERVER,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const MINUTE = 60_000;
const fine: AjpHandler = () => new Response("fine");

/** A POST with a content-length. */
function post(length: number): Partial<Omit<ForwardRequest, "type">> {
  return {
    methodCode: 4,
    headers: headersOf(["content-length", String(length)]),
  };
}

// A front end that goes away

for (const how of ["close", "abort", "closeWrite"] as const) {
  test(`AjpServer aborts the request's signal when the front end does ${how}`, () => {
    const reasons: unknown[] = [];
    let late = false;
    const handler: AjpHandler = (request) =>
      new Promise((resolve) => {
        assert.equal(request.signal.aborted, false);
        assert.equal(request.clone().signal, request.signal);
        request.signal.addEventListener("abort", () => {
          reasons.push(request.signal.reason);
          late = true;
          resolve(new Response("to nobody"));
        });
      });
    return withAjpServer({}, handler, async (scene) => {
      const { connectRaw, network, server, faults } = scene;
      const peer = await connectRaw();
      await peer.write(requestBytes());
      await network.advance(1000);
      assert.equal(late, false);
      void peer.connection[how]();
      await network.advance(1000);
      assert.equal(late, true);
      assert.equal((reasons[0] as Error).name, "AbortError");
      assert.equal(server.connectionCount, 0);
      assert.equal(peer.received, "");
      assert.deepEqual(faults.filter(({ type }) => type !== "connection"), []);
    });
  });
}

test("AjpServer's signal that is asked for too late is aborted", () => {
  let request: Request | undefined;
  const gate = Promise.withResolvers<Response>();
  return withAjpServer({}, (given) => {
    request = given;
    return gate.promise;
  }, async ({ connectRaw, network, faults }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes());
    await network.settle();
    await peer.connection.close();
    await network.settle();
    assert.equal(request?.signal.aborted, true);
    gate.reject(new Error("is of no interest any more"));
    await network.settle();
    assert.deepEqual(faults, []);
  });
});

test("AjpServer does not abort the signal after a whole response", () => {
  let request: Request | undefined;
  return withAjpServer({}, (given) => {
    request = given;
    assert.equal(given.signal.aborted, false);
    return fine(given, null!); // it looks at neither
  }, async ({ connect, network }) => {
    const peer = await connect();
    await peer.send();
    await peer.connection.close();
    await network.settle();
    assert.equal(request?.signal.aborted, false);
  });
});

test("AjpServer cancels the stream of a response that nobody waits for", () => {
  let cancelled: unknown;
  const handler: AjpHandler = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: (reason) => {
          cancelled = reason;
        },
      }),
    );
  return withAjpServer({}, handler, async ({ connectRaw, network, faults }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes());
    await network.settle();
    assert.notEqual(peer.received, "");
    await peer.connection.close();
    await network.settle();
    assert.equal((cancelled as Error).name, "AbortError");
    assert.deepEqual(faults, []);
  });
});

test("AjpServer lets a body fail whose front end goes away", () => {
  const errors: unknown[] = [];
  const handler: AjpHandler = async (request) => {
    errors.push(await readFault(request.body));
    return fine(request, null!); // it looks at neither
  };
  return withAjpServer({}, handler, async ({ connectRaw, network }) => {
    const part: BodyPacket = {
      type: "body",
      data: patternOf(8186),
      bare: false,
    };
    const begun = concatBytes([
      requestBytes(post(20_000)),
      encodeBodyPacket(part),
    ]);
    for (const bytes of [begun, requestBytes({ methodCode: 4 })]) {
      for (const how of ["close", "abort"] as const) {
        const peer = await connectRaw();
        await peer.write(bytes);
        await network.settle();
        void peer.connection[how]();
        await network.settle();
      }
    }
    assert.equal(errors.length, 4);
    for (const error of errors) assert(error instanceof Error);
  });
});

test("AjpServer calls no handler for a body of one packet that never comes", () =>
  withAjpServer({}, () => assert.fail("called"), async (scene) => {
    const peer = await scene.connectRaw();
    await peer.write(requestBytes(post(3)));
    await scene.network.settle();
    await peer.connection.close();
    await scene.network.settle();
    assert.equal(scene.server.connectionCount, 0);
    assert.deepEqual(scene.faults.map(({ type }) => type), ["connection"]);
  }));

// The end

test("AjpServer.close() lets requests in flight finish and tells front ends to close", () => {
  const gate = Promise.withResolvers<void>();
  const handler: AjpHandler = async () => {
    await gate.promise;
    return new Response("finished");
  };
  return withAjpServer({}, handler, async (scene) => {
    const { connect, server, network, client } = scene;
    const busy = await connect();
    const idle = await connect();
    const reply = busy.send();
    await network.settle();
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await idle.closed();
    await network.advance(10_000);
    assert.equal(closed, false);
    await assert.rejects(client.connect(server.address), {
      code: "connection-refused",
    });
    gate.resolve();
    assert.equal((await reply).text, "finished");
    assert.equal((await reply).reuse, false);
    await busy.closed();
    await closing;
    assert.equal(server.connectionCount, 0);
  });
});

test("AjpServer.close() reads the body of a request in flight", () => {
  const handler: AjpHandler = async (request) =>
    new Response(await request.arrayBuffer());
  return withAjpServer({}, handler, async ({ connect, server, network }) => {
    const peer = await connect();
    network.setConditions({ latency: [100, 100] });
    const body = patternOf(50_000);
    const reply = peer.send(post(50_000), { body });
    await network.advance(250);
    const closing = server.close();
    assert.deepEqual((await reply).body, body);
    assert.equal((await reply).reuse, false);
    await peer.connection.close();
    await closing;
  });
});

test("AjpServer.close() gives up requests after closeTimeout", () => {
  let aborted = 0;
  const handler: AjpHandler = (request) => {
    request.signal.addEventListener("abort", () => aborted++);
    return new Promise(() => {});
  };
  const options = { closeTimeout: 5000 };
  return withAjpServer(options, handler, async (scene) => {
    const { connectRaw, server, network } = scene;
    const peer = await connectRaw();
    await peer.write(requestBytes());
    await network.settle();
    const before = network.now;
    await server.close();
    assert.equal(network.now - before, 5000);
    assert.equal(aborted, 1);
    assert.equal(await peer.ended, false);
    await server.close(); // once more is no harm
  });
});

test("AjpServer.close() of a handler that waits for it ends", () => {
  let server: AjpServer | undefined;
  const handler: AjpHandler = async () => {
    await server?.close();
    return new Response("closed");
  };
  return withAjpServer({ closeTimeout: 1000 }, handler, async (scene) => {
    server = scene.server;
    const peer = await scene.connectRaw();
    await peer.write(requestBytes());
    assert.equal(await peer.ended, false);
    await server.close();
  });
});

test("AjpServer closes itself with `await using`, and frees its port", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  await network.run(async () => {
    for (let i = 0; i < 2; i++) {
      const options = { secret: null, port: 8009 };
      await using server = await AjpServer.start(transport, options, fine);
      assert.deepEqual(server.address, { hostname: "127.0.0.1", port: 8009 });
      const peer = await FrontEndPeer.connect(transport, server.address);
      assert.equal((await peer.send()).text, "fine");
    }
  });
});

/** A transport whose timers that are still to come are counted. */
function countingTimers(transport: Transport): [Transport, Set<Timer>] {
  const timers = new Set<Timer>();
  const clock: Clock = {
    now: () => transport.clock.now(),
    wallTime: () => transport.clock.wallTime(),
    startTimer(delay, callback) {
      const timer = transport.clock.startTimer(delay, () => {
        timers.delete(counted);
        callback();
      });
      const counted = {
        cancel() {
          timers.delete(counted);
          timer.cancel();
        },
      };
      timers.add(counted);
      return counted;
    },
  };
  return [{
    clock,
    connect: (...args) => transport.connect(...args),
    listen: (...args) => transport.listen(...args),
    bindDatagram: (...args) => transport.bindDatagram(...args),
    localAddresses: () => transport.localAddresses(),
  }, timers];
}

test("AjpServer needs no timer where it has no timeout", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  const [counting, timers] = countingTimers(transport);
  await network.run(async () => {
    const server = await AjpServer.start(counting, {
      secret: null,
      connectionTimeout: -1,
      keepAliveTimeout: -1,
      stallTimeout: -1,
    }, fine);
    const peer = await FrontEndPeer.connect(transport, server.address);
    assert.equal((await peer.send()).text, "fine");
    assert.equal(timers.size, 0);
    await server.close();
  });
});

test("AjpServer leaves no timer behind", async () => {
  const network = new MemoryNetwork();
  const transport = network.transport(SERVER);
  const [counting, timers] = countingTimers(transport);
  const gate = Promise.withResolvers<void>();
  const handler: AjpHandler = async (request) => {
    if (request.url.endsWith("/late")) await gate.promise;
    return new Response("fine");
  };
  await network.run(async () => {
    const options = { secret: null, onError: () => {} };
    const server = await AjpServer.start(counting, options, handler);
    const open = () => FrontEndPeer.connect(transport, server.address);
    const [served, refused, left] = [await open(), await open(), await open()];
    await served.send();
    const attributes = [ajpRequestAttribute("unknown", "x")];
    assert.equal((await refused.send({ attributes })).status, 403);
    await refused.connection.close();
    void left.send({ uri: "/late" }).catch(() => {});
    await network.settle();
    left.connection.abort();
    await network.settle();
    gate.resolve(); // for a front end that is gone
    await network.settle();
    assert(timers.size > 0);
    await server.close();
    assert.equal(timers.size, 0);
  });
});

test("AjpServer throws away what comes after its last reply, and waits for the front end's end", () =>
  withAjpServer({ secret: "s3cret" }, fine, async (scene) => {
    const { connectRaw, network, server } = scene;
    const polite = await connectRaw();
    await polite.write(requestBytes(post(100_000)));
    for (let i = 0; i < 10; i++) await polite.write(new Uint8Array(8192));
    const before = network.now;
    assert.equal(await polite.ended, true);
    assert(network.now - before < 100); // it is told at once
    await polite.connection.close();
    await network.settle();
    assert.equal(server.connectionCount, 0);
    const stubborn = await connectRaw();
    await stubborn.write(requestBytes());
    assert.equal(await stubborn.ended, true);
    await network.advance(MINUTE);
    assert.equal(server.connectionCount, 0);
  }));
