// Request listeners of node:http behind the AJP server.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  type IncomingMessage,
  type RequestListener,
  ServerResponse,
} from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import {
  AjpClient,
  ajpInfo,
  nodeHandler,
  serveAjp,
} from "../../gateway/node.ts";
import {
  ajpAttribute,
  ajpRequestAttribute,
  SC_A_QUERY_STRING,
} from "../../protocol/mod.ts";
import { NodeTransport } from "../../transport/node.ts";
import {
  FrontEndPeer,
  headerOf,
  patternOf,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const PART = patternOf(65_536);

interface Scene {
  readonly client: AjpClient;
  readonly faults: string[];
  connect(): Promise<FrontEndPeer>;
}

/** Runs with a listener behind AJP. */
async function serving(
  listener: RequestListener,
  task: (scene: Scene) => Promise<void>,
): Promise<void> {
  const faults: string[] = [];
  await using server = await serveAjp({
    port: 0,
    secret: null,
    onError: ({ type, error }) => void faults.push(`${type}: ${error.message}`),
  }, nodeHandler(listener));
  const { address } = server;
  await using client = new AjpClient(`ajp://127.0.0.1:${address.port}`);
  const connect = () => FrontEndPeer.connect(new NodeTransport(), address);
  await task({ client, faults, connect });
}

/** Lets everything happen that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Events of an object, in their order. */
function eventsOf(
  target: IncomingMessage | ServerResponse,
  ...names: readonly string[]
): string[] {
  const events: string[] = [];
  for (const name of names) target.on(name, () => events.push(name));
  return events;
}

// Requests

test("nodeHandler() gives a listener what the client sent", () => {
  let message: IncomingMessage | undefined;
  return serving((request, response) => {
    message = request;
    response.end();
  }, async ({ connect }) => {
    const peer = await connect();
    const headers = headersOf(
      ["Host", "www.example"],
      ["X-One", "a"],
      ["x-one", "b"],
      ["cookie", "a=1"],
      ["Cookie", "b=2"],
      ["User-Agent", "first"],
      ["User-Agent", "second"],
      ["__proto__", "x"],
      ["constructor", "y"],
    );
    await peer.send({
      protocol: "HTTP/1.0",
      uri: "/a/../b%20\xe4\r\n",
      isSsl: true,
      serverPort: 8443,
      headers,
      attributes: [
        ajpAttribute(SC_A_QUERY_STRING, "c=%C3%A4"),
        ajpRequestAttribute("AJP_LOCAL_ADDR", "192.0.2.9"),
        ajpRequestAttribute("AJP_REMOTE_PORT", "4711"),
      ],
    });
    assert(message !== undefined);
    const { socket } = message;
    assert.equal(message.method, "GET");
    assert.equal(message.url, "/a/../b%20%E4%0D%0A?c=%C3%A4");
    assert.equal(message.httpVersion, "1.0");
    assert.equal(message.httpVersionMinor, 0);
    assert.deepEqual({ ...message.headers }, {
      host: "www.example",
      "x-one": "a, b",
      cookie: "a=1; b=2",
      "user-agent": "first",
      constructor: "y",
    });
    assert.equal(Object.hasOwn(message.headers, "host"), true);
    assert.deepEqual(message.headersDistinct["x-one"], ["a", "b"]);
    assert.equal(message.rawHeaders.length, 2 * headers.length);
    assert.equal(message.rawHeaders.at(-1), "y");
    assert.deepEqual(message.headersDistinct["__proto__"], ["x"]);
    assert.equal(socket.remoteAddress, "192.0.2.1");
    assert.equal(socket.remoteFamily, "IPv4");
    assert.equal(socket.remotePort, 4711);
    assert.equal(socket.localAddress, "192.0.2.9");
    assert.equal(socket.localPort, 8443);
    assert.equal((socket as { encrypted?: boolean }).encrypted, true);
    assert.equal(ajpInfo(message)?.query, "c=%C3%A4");
    assert.equal(ajpInfo({} as IncomingMessage), undefined);

    await peer.send({ uri: "http://other.example/c", isSsl: false });
    assert.equal(message.url, "/c");
    assert.equal((message.socket as { encrypted?: boolean }).encrypted, false);
    await peer.send({ uri: "*", methodCode: 1 });
    assert.equal(message.url, "*");
    await peer.connection.close();
  });
});

for (const length of [0, 1, 8186, 8187, 300_000]) {
  test(`nodeHandler() lets a listener read ${length} bytes`, () =>
    serving(async (request, response) => {
      const parts: Uint8Array[] = [];
      for await (const part of request) parts.push(part);
      assert.equal(request.complete, true);
      response.end(Buffer.concat(parts));
    }, async ({ connect, faults }) => {
      const peer = await connect();
      const body = patternOf(length);
      const announced = headersOf(["content-length", String(length)]);
      for (const headers of [announced, []]) {
        const reply = await peer.send({ methodCode: 4, headers }, { body });
        assert.deepEqual(reply.body, body);
      }
      await peer.connection.close();
      assert.deepEqual(faults, []);
    }));
}

test("nodeHandler() reads a body no faster than the listener", () => {
  let asked = 0;
  let waiting = 0;
  return serving(async (request, response) => {
    let length = 0;
    for await (const part of request) {
      if (length === 0) {
        while (request.readableLength < request.readableHighWaterMark) {
          await turns();
        }
        waiting = asked;
        await turns();
        assert.equal(asked, waiting);
      }
      length += part.length;
    }
    response.end(String(length));
  }, async ({ client, faults }) => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++asked <= 100) controller.enqueue(PART);
        else controller.close();
      },
    }, { highWaterMark: 0 });
    const init: RequestInit & { duplex: "half" } = {
      method: "POST",
      body: body as BodyInit, // not shared
      duplex: "half",
    };
    const response = await client.fetch("/", init);
    assert.equal(await response.text(), String(100 * PART.length));
    assert.deepEqual(faults, []);
    assert(waiting > 0 && waiting < 10, `${waiting} parts were asked for`);
  });
});

test("nodeHandler() never tells of another host than the client's", () =>
  serving((request, response) => {
    response.end(`${request.headers.host} ${request.url}`);
  }, async ({ connect }) => {
    const peer = await connect();
    const headers = headersOf(["host", "www.example"]);
    for (
      const [uri, expected] of [
        ["http://other.example:81/a", "other.example:81 /a"],
        ["/http://other.example/a", "www.example /http://other.example/a"],
        ["//other.example/a", "www.example //other.example/a"],
        ["/a?b#c", "www.example /a%3Fb%23c"],
      ] as const
    ) {
      const reply = await peer.send({ uri, headers });
      assert.equal(reply.text, expected);
    }
    await peer.connection.close();
  }));

// Responses

test("nodeHandler() sends what a listener writes, and says when it has left", () => {
  let response: ServerResponse | undefined;
  let events: string[] = [];
  let called: string[] = [];
  return serving((_, given) => {
    response = given;
    called = [];
    events = eventsOf(response, "finish", "close");
    assert(response instanceof ServerResponse);
    assert.equal(response.headersSent, false);
    response.setHeader("X-Dropped", "x");
    response.removeHeader("x-dropped");
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.writeHead(201, "Made", { "X-Number": 5 });
    assert.equal(response.headersSent, true);
    for (
      const change of [
        () => given.setHeader("x", "y"),
        () => given.appendHeader("x", "y"),
        () => given.removeHeader("set-cookie"),
        () => given.writeHead(200),
      ]
    ) assert.throws(change, { code: "ERR_HTTP_HEADERS_SENT" });
    response.write("f\xfcr", "latin1", () => called.push("first"));
    response.write(Uint8Array.of(1, 2), () => called.push("second"));
    assert.throws(() => given.write(5), TypeError);
    assert.equal(response.writableEnded, false);
    response.end("end", () => called.push("end"));
    assert.equal(response.writableEnded, true);
    response.write("more", () => called.push("late"));
    response.end();
  }, async ({ connect, faults }) => {
    const peer = await connect();
    for (let i = 0; i < 2; i++) {
      const reply = await peer.send();
      assert.equal(reply.status, 201);
      assert.equal(headerOf(reply, "set-cookie"), "a=1|b=2");
      assert.equal(headerOf(reply, "x-number"), "5");
      assert.equal(headerOf(reply, "x-dropped"), undefined);
      assert.deepEqual(
        reply.body,
        Uint8Array.of(0x66, 0xfc, 0x72, 1, 2, 0x65, 0x6e, 0x64),
      );
      assert.equal(reply.reuse, true);
      await turns();
      assert.deepEqual(called.sort(), ["end", "first", "late", "second"]);
      assert.deepEqual(events, ["finish", "close"]);
      response?.end(() => called.push("again"));
      await turns();
      assert.equal(called.at(-1), "again");
      assert.equal(response?.writableFinished, true);
      assert.equal(response?.destroyed, false);
      assert.equal(response?.req.socket.destroyed, true);
    }
    await peer.connection.close();
    assert.deepEqual(faults, []);
  });
});

test("nodeHandler() takes headers of writeHead as a list", () =>
  serving((_, response) => {
    response.setHeader("x-one", "0").setHeader("x-two", "0");
    response.writeHead(200, ["X-One", "1", "x-one", "2", "x-two", "3"]);
    response.end(null);
  }, async ({ client }) => {
    const { headers } = await client.fetch("/");
    assert.equal(headers.get("x-one"), "1, 2");
    assert.equal(headers.get("x-two"), "3");
  }));

test("nodeHandler() leaves interim responses to the front end", () => {
  let called = 0;
  return serving((_, response) => {
    response.writeContinue(() => called++);
    response.writeProcessing(() => called++);
    response.writeEarlyHints({ link: "</a>" }, () => called++);
    response.cork();
    response.end("final");
    response.uncork();
  }, async ({ client }) => {
    const response = await client.fetch("/");
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "final");
    assert.equal(called, 3);
  });
});

test("nodeHandler() sends a body that is there with its length, in one write", () =>
  serving((_, response) => void response.end("whole"), async ({ connect }) => {
    const peer = await connect();
    const reply = await peer.send();
    assert.equal(reply.text, "whole");
    assert.equal(headerOf(reply, "content-length"), "5");
    assert.equal(reply.reads, 1);
    await peer.connection.close();
  }));

test("nodeHandler() sends headers and parts at once", () => {
  const gates = [0, 1].map(() => Promise.withResolvers<void>());
  return serving(async (_, response) => {
    response.setHeader("x-early", "yes");
    response.flushHeaders();
    await gates[0]!.promise; // there are two
    response.write("one");
    await gates[1]!.promise;
    response.end("two");
  }, async ({ client }) => {
    const response = await client.fetch("/");
    assert.equal(response.headers.get("x-early"), "yes");
    const reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader(); // a 200 has one
    gates[0]!.resolve();
    assert.equal((await reader.read()).value, "one");
    gates[1]!.resolve();
    assert.equal((await reader.read()).value, "two");
    assert.equal((await reader.read()).done, true);
  });
});

test("nodeHandler() lets a listener write no faster than the front end reads", () => {
  let written = 0;
  let refused = 0;
  return serving(async (_, response) => {
    for (let i = 0; i < 1000; i++) {
      written++;
      if (response.write(PART)) continue;
      refused++;
      assert.equal(response.writableNeedDrain, true);
      await new Promise((resolve) => response.once("drain", resolve));
      assert.equal(response.writableNeedDrain, false);
    }
    response.end();
  }, async ({ client }) => {
    const response = await client.fetch("/");
    await turns();
    const before = written;
    // What the buffers of two sockets take, and little more.
    assert(before < 500, `${before} of 1000 parts were written`);
    let length = 0;
    for await (const part of response.body ?? []) length += part.length;
    assert.equal(length, 1000 * PART.length);
    assert(refused > 500);
  });
});

test("nodeHandler() sends no body to HEAD, with 204 nor with 304", () => {
  let finished = 0;
  return serving((request, response) => {
    response.on("finish", () => finished++);
    response.statusCode = Number(request.url?.slice(1));
    response.setHeader("etag", '"a"');
    if (request.headers["x-parts"] !== undefined) {
      assert.equal(response.write(PART), true);
      response.write("more", () => response.end("end"));
    } else response.end("body");
  }, async ({ connect, faults }) => {
    const peer = await connect();
    for (
      const [methodCode, status] of [
        [3, 200],
        [3, 404],
        [2, 204],
        [2, 304],
      ] as const
    ) {
      for (const headers of [[], headersOf(["x-parts", "1"])]) {
        const reply = await peer.send({
          methodCode,
          uri: `/${status}`,
          headers,
        });
        assert.equal(reply.status, status);
        assert.deepEqual(reply.events, ["headers", "end"]);
        assert.equal(headerOf(reply, "etag"), '"a"');
      }
    }
    await peer.connection.close();
    await turns();
    assert.equal(finished, 8);
    assert.deepEqual(faults, []);
  });
});

test("nodeHandler() lets middleware change headers at the last moment", () =>
  serving((request, response) => {
    const { writeHead } = response;
    response.writeHead = ((...args: [number]) => {
      response.setHeader("x-late", request.url ?? "");
      return writeHead.apply(response, args);
    }) as typeof writeHead;
    if (request.url === "/write") response.write("x");
    if (request.url === "/flush") response.flushHeaders();
    response.end();
  }, async ({ client }) => {
    for (const path of ["/write", "/flush", "/end"]) {
      const response = await client.fetch(path);
      assert.equal(response.headers.get("x-late"), path);
      await response.text();
    }
  }));

test("nodeHandler() streams through pipelines, both ways at once", () =>
  serving(
    (request, response) => pipeline(request, response),
    async ({ connect, faults }) => {
      const peer = await connect();
      const body = patternOf(1_000_000);
      const headers = headersOf(["content-length", "1000000"]);
      const reply = await peer.send({ methodCode: 4, headers }, { body });
      assert.deepEqual(reply.body, body);
      assert.equal(reply.reuse, true);
      await peer.connection.close();
      assert.deepEqual(faults, []);
    },
  ));

// Faults

const EARLY: readonly (readonly [string, RequestListener, RegExp])[] = [
  ["throws", () => {
    throw new Error("secret text");
  }, /^handler: secret text$/],
  [
    "rejects",
    () => Promise.reject(new Error("secret text")),
    /^handler: secret text$/,
  ],
  [
    "destroys the response",
    (_, response) => void response.destroy(new Error("secret text")),
    /^handler: secret text$/,
  ],
  [
    "destroys the socket",
    (request) => void request.socket.destroy(),
    /^handler: The response was destroyed$/,
  ],
  [
    "sends status 600",
    (_, response) => void response.writeHead(600).end(),
    /^handler: /,
  ],
  [
    "throws after writeHead",
    (_, response) => {
      response.writeHead(200);
      throw new Error("secret text");
    },
    /^handler: secret text$/,
  ],
];

for (const [claim, listener, fault] of EARLY) {
  test(`nodeHandler() answers 500 when a listener ${claim}`, () =>
    serving(listener, async ({ connect, faults }) => {
      const peer = await connect();
      const reply = await peer.send();
      assert.equal(reply.status, 500);
      assert.doesNotMatch(reply.text, /secret/);
      assert.equal(faults.length, 1);
      assert.match(faults[0] ?? "", fault);
      await peer.connection.close();
    }));
}

const LATE: readonly (readonly [string, RequestListener])[] = [
  ["rejects", async (_, response) => {
    response.write("part");
    await turns();
    throw new Error("late");
  }],
  ["destroys the response", async (_, response) => {
    response.write("part");
    await turns();
    response.destroy(new Error("late"));
  }],
  ["destroys the socket", async (request, response) => {
    response.write("part");
    await turns();
    request.socket.destroy();
  }],
  ["pipes a stream that fails", (_, response) => {
    const source = Readable.from(async function* () {
      yield "part";
      await turns();
      throw new Error("late");
    }());
    pipeline(source, response).catch(() => {});
  }],
];

for (const [claim, listener] of LATE) {
  test(`nodeHandler() cuts the response off when a listener ${claim} in the middle`, () => {
    let events: string[] = [];
    return serving((request, response) => {
      events = eventsOf(response, "finish", "close");
      return listener(request, response);
    }, async ({ connect, faults }) => {
      const peer = await connect();
      const reply = await peer.send();
      assert.equal(reply.status, 200);
      assert.equal(reply.text, "part");
      assert.equal(reply.reuse, false);
      await peer.connection.close();
      assert.deepEqual(events, ["close"]);
      assert.equal(faults.length, 1);
      assert.match(faults[0] ?? "", /^response: /);
    });
  });
}

for (const when of ["before", "in the middle of"] as const) {
  test(`nodeHandler() closes both when the client leaves ${when} the response`, () => {
    const begun = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    let response: ServerResponse | undefined;
    let request: IncomingMessage | undefined;
    let events: string[] = [];
    return serving((givenRequest, givenResponse) => {
      request = givenRequest;
      response = givenResponse;
      events = eventsOf(response, "finish", "close");
      response.on("close", closed.resolve);
      if (when !== "before") response.write("part");
      begun.resolve();
    }, async ({ connect, faults }) => {
      const peer = await connect();
      void peer.send({ methodCode: 4 }).catch(() => {});
      await begun.promise;
      await turns();
      peer.connection.abort();
      await closed.promise;
      await turns();
      assert.deepEqual(events, ["close"]);
      assert.equal(response?.destroyed, true);
      assert.equal(request?.destroyed, true);
      assert.equal(request?.socket.destroyed, true);
      assert.equal(response?.write("to nobody"), false);
      response?.end("to nobody");
      for (const fault of faults) assert.match(fault, /^connection: /);
    });
  });
}

test("nodeHandler() lets a body fail whose client leaves", () => {
  const begun = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<unknown>();
  return serving((request) => {
    request.on("data", () => begun.resolve());
    request.on("error", failed.resolve);
  }, async ({ connect }) => {
    const peer = await connect();
    const headers = headersOf(["content-length", "100000"]);
    const parts = { body: patternOf(8186) };
    void peer.send({ methodCode: 4, headers }, parts).catch(() => {});
    await begun.promise;
    peer.connection.abort();
    assert((await failed.promise) instanceof Error);
  });
});
