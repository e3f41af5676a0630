// Connections: how many, how long, when they are asked, when a request is sent again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AjpClient, type AjpClientOptions } from "../../gateway/mod.ts";
import { MemoryNetwork } from "../../transport/mod.ts";
import {
  type ContainerPeer,
  type ContainerScript,
  echo,
  gated,
} from "../support/ajp_client_container.ts";
import {
  ajpError,
  chunks,
  CONTAINER_HOST,
  withContainer,
} from "../support/ajp_client_network.ts";

const IDLE = { busy: 0, idle: 0, waiting: 0 };

/** Serves one request and then does something with the connection. */
function once(then: (peer: ContainerPeer) => Promise<void>): ContainerScript {
  return async (peer, index) => {
    const request = await peer.request();
    if (request === undefined) return;
    peer.reply(request, `from ${index}`);
    await then(peer);
  };
}

async function text(client: AjpClient, path = "/"): Promise<string> {
  return await (await client.fetch(path)).text();
}

test("AjpClient uses a connection again, the last one first", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ client, container }) => {
    const both = [text(client), text(client)];
    open();
    await Promise.all(both);
    assert.deepEqual(client.state, { ...IDLE, idle: 2 });
    for (let i = 0; i < 3; i++) await text(client);
    const requests = container.peers.map(({ requests }) => requests);
    assert.deepEqual(requests.sort(), [1, 4]);
  });
});

test("AjpClient opens no more than maxConnections, and lets the others wait in order", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ network, client, container }) => {
    const order: number[] = [];
    const all = Array.from(
      { length: 10 },
      (_, i) => text(client).then(() => order.push(i)),
    );
    await network.settle();
    assert.deepEqual(client.state, { busy: 3, idle: 0, waiting: 7 });
    assert.equal(container.peers.length, 3);
    open();
    await Promise.all(all);
    assert.equal(container.peers.length, 3);
    assert.deepEqual(order.slice(0, 3).sort(), [0, 1, 2]);
    assert.deepEqual(client.state, { ...IDLE, idle: 3 });
  }, { client: { maxConnections: 3 } });
});

test("AjpClient serves who waits in the order of asking", async () => {
  await withContainer(echo, async ({ client }) => {
    const order: number[] = [];
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => text(client).then(() => order.push(i)),
      ),
    );
    assert.deepEqual(order, [...Array(20).keys()]);
  }, { client: { maxConnections: 1 } });
});

test("AjpClient refuses what does not fit the queue, and who waited too long, as busy", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ network, client, container }) => {
    const first = text(client);
    const second = text(client);
    await assert.rejects(text(client), ajpError("busy", false, /1 wait/));
    await assert.rejects(second, ajpError("busy", false, /for 500 ms/));
    assert.equal(network.now, 500);
    assert.deepEqual(client.state, { busy: 1, idle: 0, waiting: 0 });
    open();
    await first;
    assert.equal(await text(client), "served");
    assert.equal(container.requests, 2);
  }, { client: { maxConnections: 1, maxQueueLength: 1, queueTimeout: 500 } });
});

test("AjpClient closes connections that are idle for idleTimeout, the oldest first", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ network, client, container }) => {
    open();
    await Promise.all([text(client), text(client), text(client)]);
    await network.advance(600);
    await Promise.all([text(client), text(client)]);
    await network.advance(500); // one is 1100 ms old
    assert.equal(client.state.idle, 2);
    assert.equal(container.open, 2);
    await network.advance(600);
    assert.deepEqual(client.state, IDLE);
    assert.equal(container.open, 0);
    assert.equal(await text(client), "served");
  }, { client: { idleTimeout: 1000 } });
});

test("AjpClient keeps connections for ever with an idleTimeout of -1", async () => {
  await withContainer(echo, async ({ network, client, container }) => {
    await text(client);
    await network.advance(1e9);
    await text(client);
    assert.equal(container.peers.length, 1);
  }, { client: { idleTimeout: -1 } });
});

for (
  const [name, end] of [
    ["closed", (peer) => peer.connection.close()],
    ["reset", (peer) => {
      peer.connection.abort();
      return Promise.resolve();
    }],
    ["spoken on", (peer) => peer.connection.write(new Uint8Array(9))],
  ] satisfies [string, (peer: ContainerPeer) => Promise<void>][]
) {
  test(`AjpClient drops an idle connection that was ${name} by the container`, async () => {
    await withContainer(once(end), async ({ network, client, container }) => {
      assert.equal(await text(client), "from 0");
      assert.equal(client.state.idle, 1);
      await network.settle();
      assert.deepEqual(client.state, IDLE);
      assert.equal(await text(client), "from 1");
      assert.equal(container.pings, 0);
    });
  });
}

test("AjpClient sends a request elsewhere when bytes came with the last response's end", async () => {
  await withContainer(async (peer, index) => {
    const request = await peer.request();
    if (request === undefined) return;
    const { exchange } = request;
    const bytes = [
      ...exchange.sendHeaders(200, []),
      ...exchange.sendBodyChunk(new TextEncoder().encode(`from ${index}`)),
      ...exchange.endResponse(),
    ];
    peer.write(Uint8Array.from([...bytes, ...bytes])); // a second response, unasked
    await peer.request();
  }, async ({ client, container }) => {
    for (let i = 0; i < 3; i++) {
      // A stream, which could not be sent twice.
      const body = chunks("x");
      const response = await client.fetch("/", { method: "POST", body });
      assert.equal(await response.text(), `from ${i}`);
      assert.equal(client.state.idle, 1); // the other one is forgotten
    }
    assert.deepEqual(container.peers.map(({ requests }) => requests), [
      1,
      1,
      1,
    ]);
  });
});

test("AjpClient does not use a connection again that the container said to close", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    if (request === undefined) return;
    peer.reply(request, "bye", { reuse: false });
    assert.equal(await peer.next(), undefined); // we close it
  }, async ({ network, client, container }) => {
    for (let i = 0; i < 3; i++) assert.equal(await text(client), "bye");
    await network.settle();
    assert.equal(container.peers.length, 3);
    assert.equal(container.open, 0);
  });
});

for (
  const [pingAfter, wait, pings] of [
    [1000, 999, 0],
    [1000, 1000, 1],
    [0, 0, 1],
    [-1, 50_000, 0],
  ] as const
) {
  test(`AjpClient sends ${pings} CPINGs before reuse after ${wait} ms with pingAfter ${pingAfter}`, async () => {
    await withContainer(echo, async ({ network, client, container }) => {
      await text(client);
      if (wait > 0) await network.advance(wait);
      await text(client);
      assert.equal(container.pings, pings);
      assert.equal(container.peers.length, 1);
    }, { client: { pingAfter }, network: { latency: [0, 0] } });
  });
}

test("AjpClient asks a new connection with pingOnConnect, and fails when it is silent", async () => {
  const client: AjpClientOptions = { pingOnConnect: true, pingTimeout: 700 };
  await withContainer(echo, async ({ client, container }) => {
    await text(client);
    assert.equal(container.pings, 1);
  }, { client });
  await withContainer(async (peer) => {
    peer.answersPings = false;
    while (await peer.next() !== undefined);
  }, async ({ network, client, container }) => {
    await assert.rejects(text(client), ajpError("timeout", false, /no CPONG/));
    assert(network.now < 710);
    await network.settle();
    assert.equal(container.open, 0);
    assert.deepEqual(client.state, IDLE);
  }, { client });
});

test("AjpClient asks one silent idle connection only, and sends the request on a new one", async () => {
  const { script, open } = gated();
  await withContainer(script, async ({ network, client, container }) => {
    open();
    await Promise.all(Array.from({ length: 5 }, () => text(client)));
    assert.equal(client.state.idle, 5);
    for (const peer of container.peers) peer.answersPings = false;
    await network.advance(2000);
    const start = network.now;
    const body = chunks("sent once");
    const response = await client.fetch("/", { method: "POST", body });
    assert.equal(await response.text(), "served");
    assert(network.now - start < 510, `${network.now - start} ms`);
    assert.equal(container.peers.length, 6);
    assert.deepEqual(client.state, { ...IDLE, idle: 1 });
  }, { client: { pingTimeout: 500 } });
});

test("AjpClient takes a connection that answers a CPING with something else for dead", async () => {
  await withContainer(
    once(async (peer) => {
      peer.answersPings = false;
      await peer.next();
      peer.write(Uint8Array.of(0x41, 0x42, 0, 2, 5, 1)); // END_RESPONSE
    }),
    async ({ network, client }) => {
      assert.equal(await text(client), "from 0");
      await network.advance(5000);
      assert.equal(await text(client), "from 1");
    },
  );
});

test("AjpClient.ping() measures the answer to a CPING", async () => {
  await withContainer(echo, async ({ client, container }) => {
    assert.equal(await client.ping(), 10);
    assert.equal(await client.ping(), 10);
    assert.equal(container.peers.length, 1);
    assert.equal(container.pings, 2);
    assert.equal(await text(client), "");
  }, { network: { latency: [5, 5] } });
});

test("AjpClient.ping() says why there is no answer", async () => {
  await withContainer(async (peer, index) => {
    peer.answersPings = index > 0;
    if (await peer.next() !== undefined) await peer.connection.close();
  }, async ({ client }) => {
    await assert.rejects(client.ping(), ajpError("connection-closed", false));
  });
  await withContainer(async (peer) => {
    peer.answersPings = false;
    while (await peer.next() !== undefined);
  }, async ({ network, client }) => {
    await assert.rejects(client.ping(), ajpError("timeout", false));
    assert(Math.abs(network.now - 800) < 10);
    const signal = AbortSignal.abort(new Error("given up"));
    await assert.rejects(client.ping({ signal }), /given up/);
  }, { client: { pingTimeout: 800 } });
});

test("AjpClient.fetch() says that nobody listens, and that nobody answers the connect", async () => {
  const network = new MemoryNetwork();
  await network.run(async () => {
    network.transport(CONTAINER_HOST);
    await using client = new AjpClient(
      network.transport("front"),
      `ajp://${CONTAINER_HOST}`,
      { connectTimeout: 900 },
    );
    const body = chunks("still there");
    await assert.rejects(
      client.fetch("/", { method: "POST", body }),
      ajpError("connection-refused", false, /tomcat:8009: connection refused/),
    );
    assert.equal(await new Response(body).text(), "still there");
    network.crash(CONTAINER_HOST);
    await assert.rejects(text(client), ajpError("timeout", false, /900 ms/));
    assert.deepEqual(client.state, IDLE);
  });
});

test("AjpClient.fetch() does not send a request again that may have been seen", async () => {
  await withContainer(async (peer) => {
    if (await peer.request() !== undefined) await peer.connection.close();
  }, async ({ client, container }) => {
    for (const method of ["GET", "POST"]) {
      await assert.rejects(
        client.fetch("/", { method }),
        ajpError("connection-closed", true),
      );
    }
    assert.equal(container.requests, 2);
  });
});

test('AjpClient.fetch() sends a request once more with retry "safe"', async () => {
  await withContainer(async (peer, index) => {
    const request = await peer.request();
    if (request === undefined) return;
    const body = await peer.body(request);
    if (index % 2 === 0) await peer.connection.close();
    else peer.reply(request, body, { reuse: false });
  }, async ({ client, container }) => {
    const retry = "safe";
    const get = await client.fetch("/", { retry });
    assert.equal(await get.text(), "");
    const put = await client.fetch("/", {
      retry,
      method: "PUT",
      body: "again",
    });
    assert.equal(await put.text(), "again");
    assert.equal(container.requests, 4);
    // A stream is gone.
    const body = chunks("x");
    await assert.rejects(
      client.fetch("/", { retry, method: "PUT", body }),
      ajpError("connection-closed", true),
    );
    assert.equal(container.requests, 5);
  });
});

test('AjpClient.fetch() sends a request twice at most with retry "safe"', async () => {
  await withContainer(async (peer) => {
    if (await peer.request() !== undefined) await peer.connection.close();
  }, async ({ client, container }) => {
    await assert.rejects(
      client.fetch("/", { retry: "safe" }),
      ajpError("connection-closed", true),
    );
    assert.equal(container.requests, 2);
  });
});
