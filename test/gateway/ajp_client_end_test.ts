// The end of requests and of the client: close, and signals at every moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AjpClient, AjpError } from "../../gateway/mod.ts";
import { MemoryNetwork } from "../../transport/mod.ts";
import { echo, gated } from "../support/ajp_client_container.ts";
import {
  ajpError,
  CONTAINER_HOST,
  withContainer,
} from "../support/ajp_client_network.ts";

const IDLE = { busy: 0, idle: 0, waiting: 0 };

async function text(client: AjpClient, path = "/"): Promise<string> {
  return await (await client.fetch(path)).text();
}

test("AjpClient.close() lets requests finish, those that wait too", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ network, client, container }) => {
    const all = [text(client), text(client), text(client)];
    await network.settle();
    const closing = client.close();
    await assert.rejects(text(client), ajpError("closed", false));
    await assert.rejects(client.ping(), ajpError("closed", false));
    assert.equal(client.close(), closing);
    await network.advance(5000);
    open();
    assert.deepEqual(await Promise.all(all), ["served", "served", "served"]);
    await closing;
    assert(network.now < 6000);
    await network.settle();
    assert.equal(container.open, 0);
    assert.deepEqual(client.state, IDLE);
  }, { client: { maxConnections: 2 } });
});

test("AjpClient.close() breaks off what is not finished after closeTimeout", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    if (request.request.uri === "/begun") {
      peer.write(request.exchange.sendHeaders(200, []));
    }
    while (await peer.next() !== undefined);
  }, async ({ network, client, container }) => {
    const begun = await client.fetch("/begun");
    assert(network.now < 10); // its headers are enough
    const reading = begun.text();
    const silent = text(client, "/silent");
    const waiting = text(client, "/waiting");
    const start = network.now;
    const results = Promise.all([
      assert.rejects(reading, ajpError("closed", true)),
      assert.rejects(silent, ajpError("closed", true)),
      assert.rejects(waiting, ajpError("closed", false)),
    ]);
    await client.close();
    assert.equal(network.now - start, 1500);
    await results;
    await network.settle();
    assert.equal(container.open, 0);
    assert.deepEqual(client.state, IDLE);
  }, { client: { maxConnections: 2, closeTimeout: 1500 } });
});

test("AjpClient.close() gives up connecting", async () => {
  const network = new MemoryNetwork();
  await network.run(async () => {
    network.transport(CONTAINER_HOST);
    network.crash(CONTAINER_HOST);
    const client = new AjpClient(network.transport("front"), "ajp://tomcat", {
      closeTimeout: 100,
      connectTimeout: -1,
    });
    const failing = assert.rejects(text(client), ajpError("closed", false));
    await client.close();
    await failing;
  });
});

test("AjpClient.fetch() rejects with the signal's reason, whenever it comes", async () => {
  const reason = new Error("given up");
  // The moments: before, connecting, waiting, for the headers, in a CPING.
  for (const moment of [-1, 0, 5, 15, 25, 45]) {
    await withContainer(async (peer) => {
      for (let request; (request = await peer.request()) !== undefined;) {
        if (request.request.uri === "/first") peer.reply(request, "first");
      }
    }, async ({ network, client, container }) => {
      const controller = new AbortController();
      const { signal } = controller;
      if (moment < 0) controller.abort(reason);
      const fetching = client.fetch("/", { signal });
      const rejected = assert.rejects(fetching, (error) => error === reason);
      if (moment >= 0) {
        if (moment > 0) await network.advance(moment);
        controller.abort(reason);
      }
      await rejected;
      await network.settle();
      assert.equal(container.open, 0);
      assert.deepEqual(client.state, IDLE);
      assert.equal(await text(client, "/first"), "first");
    }, {
      network: { latency: [10, 10] },
      client: { pingOnConnect: true },
    });
  }
});

test("AjpClient.fetch() rejects a request that waits for a connection with the signal's reason", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ client, container }) => {
    const controller = new AbortController();
    const first = text(client);
    const given = client.fetch("/", { signal: controller.signal });
    const last = text(client);
    controller.abort(new Error("given up"));
    await assert.rejects(given, /given up/);
    assert.equal(client.state.waiting, 1);
    open();
    await Promise.all([first, last]);
    assert.equal(container.requests, 2);
    assert.deepEqual(client.state, { ...IDLE, idle: 1 });
  }, { client: { maxConnections: 1 } });
});

test("AjpClient.fetch() fails a response's body with the signal's reason", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    peer.write(request.exchange.sendHeaders(200, []));
    peer.write(request.exchange.sendBodyChunk(new Uint8Array(10)));
    while (await peer.next() !== undefined);
  }, async ({ network, client, container }) => {
    const controller = new AbortController();
    const response = await client.fetch("/", { signal: controller.signal });
    const reader = response.body!.getReader();
    assert.equal((await reader.read()).value?.length, 10);
    const reading = reader.read();
    controller.abort(new AjpError("closed", "of ours"));
    await assert.rejects(reading, /of ours/);
    await network.settle();
    assert.equal(container.open, 0);
  });
});

test("AjpClient.fetch() leaves a signal alone when the response is over", async () => {
  await withContainer(echo, async ({ client }) => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    type Listening = Parameters<EventTarget["addEventListener"]>;
    const { prototype } = EventTarget;
    Object.assign(signal, {
      addEventListener: (...args: Listening) => {
        listeners++;
        prototype.addEventListener.apply(signal, args);
      },
      removeEventListener: (...args: Listening) => {
        listeners--;
        prototype.removeEventListener.apply(signal, args);
      },
    });
    for (let i = 0; i < 3; i++) {
      const response = await client.fetch("/", { signal });
      assert.equal(await response.text(), "");
    }
    assert.equal(listeners, 0);
    controller.abort();
    assert.deepEqual(client.state, { ...IDLE, idle: 1 });
    assert.equal(await text(client), "");
  });
});
