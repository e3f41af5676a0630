// Bodies in both directions: how they are cut, who waits for whom, what is never mixed up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AjpError, type AjpRequestInit } from "../../gateway/mod.ts";
import { ajpResponseHeader } from "../../protocol/mod.ts";
import {
  type ContainerPeer,
  type ContainerRequest,
  type ContainerScript,
  echo,
} from "../support/ajp_client_container.ts";
import {
  ajpError,
  chunks,
  countingBytes,
  withContainer,
} from "../support/ajp_client_network.ts";

const SIZES = [0, 1, 8186, 8187, 16_372, 100_000];

/** The lengths of the body packets that one upload is sent in. */
async function packets(init: AjpRequestInit): Promise<number[]> {
  const lengths: number[] = [];
  await withContainer(async (peer) => {
    for (let request; (request = await peer.request()) !== undefined;) {
      const { exchange } = request;
      while (!exchange.bodyEnded) {
        if (!exchange.bodyPacketDue) peer.write(exchange.getBodyChunk());
        const event = await peer.next();
        if (event?.type === "body") lengths.push(event.data.length);
      }
      peer.reply(request);
    }
  }, async ({ client }) => {
    const response = await client.fetch("/", { method: "PUT", ...init });
    assert.equal(response.status, 200);
  });
  return lengths;
}

/** A script that calls this for each request. */
function serving(
  serve: (peer: ContainerPeer, request: ContainerRequest) => Promise<void>,
): ContainerScript {
  return async (peer) => {
    for (let request; (request = await peer.request()) !== undefined;) {
      await serve(peer, request);
    }
  };
}

for (const size of SIZES) {
  const body = countingBytes(size);
  const kinds: readonly (readonly [string, () => AjpRequestInit])[] = [
    ["bytes", () => ({ body })],
    ["a stream", () => ({ body: chunks(...size > 0 ? [body] : []) })],
    ["a stream of known length", () => ({
      body: chunks(body.subarray(0, size >> 1), body.subarray(size >> 1)),
      headers: { "content-length": String(size) },
    })],
  ];
  for (const [kind, init] of kinds) {
    test(`AjpClient.fetch() sends ${size} bytes of ${kind}, and gets them back`, async () => {
      await withContainer(echo, async ({ client, container }) => {
        for (let i = 0; i < 2; i++) {
          const response = await client.fetch("/", {
            method: "PUT",
            ...init(),
          });
          assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
        }
        assert.equal(container.peers.length, 1); // the same connection
      }, { network: { segmentLength: [1, 10_000] } });
    });
  }
}

test("AjpClient.fetch() sends full packets, whatever the chunks", async () => {
  const whole = [8186, 8186, 28];
  assert.deepEqual(await packets({ body: countingBytes(16_400) }), whole);
  const sizes = [8192, 8192, 0, 16];
  const cut = () => chunks(...sizes.map((size) => new Uint8Array(size)));
  assert.deepEqual(await packets({ body: cut() }), whole);
  const headers = { "content-length": "16400" };
  const known = await packets({ body: cut(), headers });
  // The first packet does not wait for a second chunk.
  assert.equal(known.reduce((a, b) => a + b), 16_400);
  assert.equal(known[0], 8186);
});

test("AjpClient.fetch() does not hold back a part of the body", async () => {
  const got = Promise.withResolvers<void>();
  await withContainer(
    serving(async (peer, request) => {
      peer.write(request.exchange.getBodyChunk());
      const event = await peer.next();
      assert(event?.type === "body");
      assert.equal(event.data.length, 1);
      got.resolve();
      await peer.body(request);
      peer.reply(request);
    }),
    async ({ client }) => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Uint8Array.of(1)),
        pull: async (controller) => {
          await got.promise; // the first part arrived without the second
          controller.close();
        },
      }, { highWaterMark: 0 });
      await client.fetch("/", { method: "POST", body });
    },
  );
});

test("AjpClient.fetch() keeps no bytes of the caller's body", async () => {
  await withContainer(echo, async ({ client }) => {
    const body = Uint8Array.of(1, 2, 3);
    const fetching = client.fetch("/", { method: "PUT", body });
    body.fill(9);
    const response = await fetching;
    assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], [
      1,
      2,
      3,
    ]);
  });
});

test("AjpClient.fetch() answers a container that asks a GET for a body", async () => {
  await withContainer(echo, async ({ client }) => {
    const response = await client.fetch("/");
    assert.equal(await response.text(), "");
  });
});

test("AjpClient.fetch() streams both ways at the same time", async () => {
  await withContainer(
    serving(async (peer, request) => {
      const { exchange } = request;
      peer.write(exchange.sendHeaders(200, []));
      peer.write(exchange.flush());
      while (!exchange.bodyEnded) {
        peer.write(exchange.getBodyChunk());
        const event = await peer.next();
        if (event?.type === "body") {
          peer.write(exchange.sendBodyChunk(event.data));
        }
      }
      peer.write(exchange.endResponse());
    }),
    async ({ client }) => {
      // Each part is sent when the one before it has come back.
      const { readable, writable } = new TransformStream<
        Uint8Array,
        Uint8Array
      >();
      const writer = writable.getWriter();
      const response = await client.fetch("/", {
        method: "POST",
        body: readable,
      });
      const reader = response.body!.getReader();
      for (const part of ["one", "two", "three"]) {
        const written = writer.write(new TextEncoder().encode(part));
        const { value } = await reader.read();
        assert.equal(new TextDecoder().decode(value), part);
        await written;
      }
      const closed = writer.close();
      assert.equal((await reader.read()).done, true);
      await closed;
      assert.equal(client.state.idle, 1);
    },
  );
});

test("AjpClient.fetch() goes on reading while the body has nothing to send", async () => {
  await withContainer(
    serving(async (peer, request) => {
      const { exchange } = request;
      peer.write(exchange.getBodyChunk());
      peer.write(exchange.sendHeaders(200, []));
      peer.write(exchange.sendBodyChunk(Uint8Array.of(7)));
      await peer.body(request);
      peer.write(exchange.endResponse());
    }),
    async ({ client }) => {
      const first = Promise.withResolvers<void>();
      const body = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          await first.promise;
          controller.close();
        },
      }, { highWaterMark: 0 });
      const response = await client.fetch("/", { method: "POST", body });
      const reader = response.body!.getReader();
      assert.deepEqual([...(await reader.read()).value!], [7]);
      first.resolve();
      assert.equal((await reader.read()).done, true);
    },
    { client: { replyTimeout: 1000 } },
  );
});

test("AjpClient.fetch() slows the container down when nobody reads", async () => {
  const size = 8_000_000;
  let written = 0;
  await withContainer(
    serving(async (peer, { exchange }) => {
      peer.write(exchange.sendHeaders(200, []));
      for (let sent = 0; sent < size; sent += 100_000) {
        await peer.connection.write(
          exchange.sendBodyChunk(new Uint8Array(100_000)),
        );
        written = sent;
      }
      peer.write(exchange.endResponse());
    }),
    async ({ network, client }) => {
      const response = await client.fetch("/");
      await network.advance(10_000);
      assert(written < 1_000_000, `${written} bytes are somewhere`);
      await network.advance(600_000); // a slow reader is no silent container
      let read = 0;
      for await (const chunk of response.body!) read += chunk.length;
      assert.equal(read, size);
      assert.equal(client.state.idle, 1);
    },
  );
});

test("AjpClient.fetch() reads a body as slowly as the container takes it", async () => {
  let pulled = 0;
  await withContainer(
    serving(async (peer, request) => {
      peer.write(request.exchange.getBodyChunk());
      await peer.next();
      peer.reply(request, "enough");
    }),
    async ({ network, client }) => {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          pulled++;
          controller.enqueue(new Uint8Array(8186));
        },
      }, { highWaterMark: 0 });
      const response = await client.fetch("/", { method: "POST", body });
      assert.equal(await response.text(), "enough");
      await network.advance(1000);
      assert(pulled <= 3, `${pulled} chunks were taken`);
    },
  );
});

test("AjpClient.fetch() cancels a body that the container does not want", async () => {
  await withContainer(
    serving(async (peer, request) => {
      await Promise.resolve();
      peer.reply(request, "no", { status: 413 });
    }),
    async ({ client, container }) => {
      for (let i = 0; i < 2; i++) {
        const cancelled = Promise.withResolvers<unknown>();
        const body = new ReadableStream<Uint8Array>({
          cancel: cancelled.resolve,
        });
        const response = await client.fetch("/", { method: "POST", body });
        assert.equal(response.status, 413);
        assert(await cancelled.promise instanceof AjpError);
      }
      assert.equal(container.peers.length, 1); // nothing was owed
    },
  );
});

test("AjpClient.fetch() closes a connection on which a part of the body is owed", async () => {
  await withContainer(
    serving(async (peer, request) => {
      await Promise.resolve();
      if (request.bodyLength !== undefined) peer.reply(request, "early");
      else peer.reply(request, "next");
    }),
    async ({ client, container }) => {
      const body = new ReadableStream<Uint8Array>({});
      const response = await client.fetch("/", {
        method: "POST",
        body,
        headers: { "content-length": "5" },
      });
      assert.equal(await response.text(), "early");
      assert.equal(await (await client.fetch("/")).text(), "next");
      assert.equal(container.peers.length, 2);
    },
  );
});

for (
  const [what, parts, length, state] of [
    ["ends early", ["ab"], 3, /ends after 2 of 3 bytes/],
    ["is too long", ["abcd"], 3, /longer than 3 bytes/],
    ["is too long by a chunk", ["ab", "cd"], 3, /longer than 3 bytes/],
  ] as const
) {
  test(`AjpClient.fetch() fails when the body ${what}, and breaks the request off`, async () => {
    await withContainer(async (peer) => {
      const request = await peer.request();
      assert(request !== undefined);
      for (let event; (event = await peer.next()) !== undefined;) {
        // A part may come, but never what looks like all of it.
        assert.notEqual(event.type, "bodyEnd");
        if (request.exchange.bodyPacketDue) continue;
        peer.write(request.exchange.getBodyChunk());
      }
    }, async ({ network, client, container }) => {
      await assert.rejects(
        client.fetch("/", {
          method: "POST",
          headers: { "content-length": String(length) },
          body: chunks(...parts),
        }),
        (error) => {
          ajpError("request-body", true)(error);
          assert.match(String((error as AjpError).cause), state);
          return true;
        },
      );
      await network.settle();
      assert.equal(container.open, 0);
    });
  });
}

test("AjpClient.fetch() fails with the error of the body", async () => {
  await withContainer(echo, async ({ client }) => {
    const cause = new Error("the disk is gone");
    for (const headers of [{}, { "content-length": "5" }]) {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.error(cause),
      }, { highWaterMark: 0 });
      await assert.rejects(
        client.fetch("/", { method: "POST", body, headers }),
        { name: "AjpError", code: "request-body", cause },
      );
    }
    const body = new ReadableStream<unknown>({
      pull: (controller) => controller.enqueue("text"),
    }, { highWaterMark: 0 });
    await assert.rejects(
      client.fetch("/", {
        method: "POST",
        body: body as ReadableStream<Uint8Array>,
      }),
      ajpError("request-body"),
    );
  });
});

test("AjpClient.fetch() fails the response when the request's body fails late", async () => {
  await withContainer(async (peer) => {
    const request = await peer.request();
    assert(request !== undefined);
    peer.write(request.exchange.sendHeaders(200, []));
    peer.write(request.exchange.getBodyChunk());
    while (await peer.next() !== undefined);
  }, async ({ client }) => {
    const failing = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      pull: () => failing.promise,
    }, { highWaterMark: 0 });
    const response = await client.fetch("/", { method: "POST", body });
    const reading = response.text();
    failing.reject(new Error("gone"));
    await assert.rejects(reading, ajpError("request-body", true));
  });
});

test("AjpClient.fetch() fails a body that is shorter than its content-length", async () => {
  for (const size of [0, 5]) {
    await withContainer(
      serving(async (peer, { exchange }) => {
        await Promise.resolve();
        const length = ajpResponseHeader("Content-Length", "10");
        peer.write(exchange.sendHeaders(200, [length]));
        peer.write(exchange.sendBodyChunk(new Uint8Array(size)));
        peer.write(exchange.endResponse());
      }),
      async ({ client, container }) => {
        for (let i = 0; i < 2; i++) {
          const response = await client.fetch("/");
          await assert.rejects(
            response.arrayBuffer(),
            ajpError("truncated", true, new RegExp(`${10 - size} bytes early`)),
          );
        }
        assert.equal(container.peers.length, 2); // it is not used again
      },
    );
  }
});

test("AjpClient.fetch() ends a cancelled response's connection, unless it is over", async () => {
  await withContainer(
    serving(async (peer, request) => {
      const { exchange } = request;
      peer.write(exchange.sendHeaders(200, []));
      peer.write(exchange.sendBodyChunk(new Uint8Array(10)));
      if (request.request.uri === "/endless") {
        while (await peer.next() !== undefined);
      } else peer.write(exchange.endResponse());
    }),
    async ({ network, client, container }) => {
      const endless = await client.fetch("/endless");
      await endless.body!.cancel();
      await network.settle();
      assert.equal(container.open, 0);
      assert.deepEqual(client.state, { busy: 0, idle: 0, waiting: 0 });
      const over = await client.fetch("/over");
      await network.settle(); // its end is there
      await over.body!.cancel();
      assert.equal(client.state.idle, 1);
      assert.equal(container.open, 1);
    },
  );
});
