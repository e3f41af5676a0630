// Bodies of requests: when they are asked for, how they end, and how they fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/ajp_server.ts";
import {
  decodeHex,
  encodeBodyPacket,
  encodeHex,
  type ForwardRequest,
} from "../../protocol/mod.ts";
import {
  patternOf,
  readFault,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

type Fields = Partial<Omit<ForwardRequest, "type">>;

const GET_BODY_CHUNK = "4142000306" + "1ffa";
const END = "414200020501";

const echo: AjpHandler = async (request) =>
  new Response(await request.arrayBuffer());

/** A POST with a content-length. */
function post(length: number, method = 4): Fields {
  return {
    methodCode: method,
    headers: headersOf(["content-length", String(length)]),
  };
}

const CHUNKED: Fields = {
  methodCode: 4,
  headers: headersOf(["transfer-encoding", "chunked"]),
};

/** One packet of a body. */
function packet(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeBodyPacket({ type: "body", data, bare: false });
}

const LENGTHS = [0, 1, 8185, 8186, 8187, 16_372, 16_373, 100_000];

for (const length of LENGTHS) {
  for (const bodyEnd of ["bare", "counted"] as const) {
    test(`AjpServer reads ${length} bytes by content-length and chunked, end ${bodyEnd}`, () =>
      withAjpServer({}, echo, async ({ connect, faults }) => {
        const peer = await connect({ bodyEnd });
        const body = patternOf(length);
        for (const fields of [post(length), CHUNKED]) {
          for (const part of [Infinity, 1000]) {
            const reply = await peer.send(fields, { body, part });
            assert.equal(reply.status, 200);
            assert.deepEqual(reply.body, body);
            assert.equal(reply.reuse, true);
          }
        }
        assert.deepEqual(faults, []);
      }));
  }
}

for (const packetSize of [8192, 16_384, 65_536]) {
  test(`AjpServer reads and writes packets of ${packetSize} bytes`, () =>
    withAjpServer({ packetSize }, echo, async ({ connect }) => {
      const peer = await connect({ packetSize });
      for (const length of [packetSize - 6, packetSize - 5, 200_000]) {
        const body = patternOf(length);
        const reply = await peer.send(post(length), { body });
        assert.deepEqual(reply.body, body);
        const wanted = reply.events.filter((event) => event === "wanted");
        assert.equal(wanted.length, Math.ceil(length / (packetSize - 6)));
      }
    }));
}

test("AjpServer hands over a body of one packet as a whole, without a question", () =>
  withAjpServer({}, echo, async ({ connectRaw, network }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes(post(3)));
    await network.advance(1000);
    assert.equal(peer.received, ""); // the handler waits for what comes anyway
    await peer.write(packet(Uint8Array.of(1, 2, 3)));
    await network.settle();
    assert(
      peer.received.endsWith("4142000703" + "0003" + "010203" + "00" + END),
    );
    assert(!peer.received.includes(GET_BODY_CHUNK));
  }));

test("AjpServer asks for more only when the application reads", () => {
  const gate = Promise.withResolvers<void>();
  const handler: AjpHandler = async (request) => {
    const reader = request.body!.getReader(); // a POST has one
    await gate.promise;
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Response(String(length));
      length += value.length;
    }
  };
  return withAjpServer({}, handler, async ({ connectRaw, network }) => {
    const announced = await connectRaw();
    await announced.write(requestBytes(post(20_000)));
    await announced.write(packet(patternOf(8186)));
    const chunked = await connectRaw();
    await chunked.write(requestBytes(CHUNKED));
    await network.advance(1000);
    assert.equal(announced.received, "");
    assert.equal(chunked.received, "");
    gate.resolve();
    await network.settle();
    assert.equal(announced.received, GET_BODY_CHUNK);
    assert.equal(chunked.received, GET_BODY_CHUNK);
    await announced.write(packet(patternOf(8186)));
    await network.settle();
    assert.equal(announced.received, GET_BODY_CHUNK.repeat(2));
    await announced.write(packet(patternOf(3628)));
    await chunked.write(packet(patternOf(5)));
    await network.settle();
    assert.equal(chunked.received, GET_BODY_CHUNK.repeat(2));
    await chunked.write(decodeHex("12340000"));
    await network.settle();
    for (
      const [peer, text] of [[announced, "20000"], [chunked, "5"]] as const
    ) {
      const body = encodeHex(new TextEncoder().encode(text));
      assert(peer.received.startsWith(GET_BODY_CHUNK.repeat(2) + "4142"));
      assert(peer.received.endsWith(`${body}00${END}`), peer.received);
    }
  });
});

test("AjpServer asks for no more than the application reads", () => {
  const handler: AjpHandler = async (request) => {
    const reader = request.body!.getReader(); // a POST has one
    const { value } = await reader.read();
    return new Response(String(value?.length));
  };
  return withAjpServer({}, handler, async ({ connect }) => {
    const peer = await connect();
    const body = patternOf(30_000);
    for (const fields of [post(30_000), CHUNKED]) {
      const reply = await peer.send(fields, { body });
      assert.equal(reply.text, "8186");
      assert.equal(reply.reuse, true);
      assert.equal(reply.events.filter((name) => name === "wanted").length, 1);
    }
  });
});

test("AjpServer swallows the body packet of a request that nobody reads", () => {
  const handler: AjpHandler = (request) => new Response(request.url);
  return withAjpServer({}, handler, async ({ connectRaw, network, faults }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes({ ...post(20_000), uri: "/first" }));
    await network.settle();
    const first = peer.received;
    assert(first.endsWith(END)); // before its body came
    // A body that looks like a request.
    const trap = new Uint8Array(8186);
    trap.set(requestBytes({ uri: "/smuggled" }));
    await peer.write(packet(trap));
    await peer.write(requestBytes({ uri: "/second" }));
    await network.settle();
    const second = peer.received.slice(first.length);
    const text = (hex: string) => new TextDecoder().decode(decodeHex(hex));
    assert.match(text(first), /\/first/);
    assert.match(text(second), /\/second/);
    assert.doesNotMatch(text(peer.received), /smuggled/);
    assert(second.endsWith(END));
    assert.deepEqual(faults, []);
  });
});

test("AjpServer swallows the packet that was asked for when the response ends", () => {
  const handler: AjpHandler = (request) => {
    request.body?.getReader().read().catch(() => {}); // is not waited for
    return Promise.resolve(new Response(request.url));
  };
  return withAjpServer({}, handler, async ({ connectRaw, network }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes(CHUNKED));
    await network.settle();
    assert(peer.received.startsWith(GET_BODY_CHUNK));
    assert(peer.received.endsWith(END));
    const { length } = peer.received;
    await peer.write(packet(patternOf(100)));
    await peer.write(requestBytes({ uri: "/next" }));
    await network.settle();
    assert(peer.received.slice(length).endsWith(END));
  });
});

test("AjpServer's info has the body of a GET and of a HEAD", () => {
  const handler: AjpHandler = async (request, info) => {
    assert.equal(request.body, null);
    const body = await new Response(info.body).text();
    return new Response(body, { headers: { "x-body": body } });
  };
  return withAjpServer({}, handler, async ({ connect, faults }) => {
    const peer = await connect();
    const body = new TextEncoder().encode("content");
    const chunked = headersOf(["transfer-encoding", "chunked"]);
    for (const method of [2, 3]) {
      for (const fields of [post(7, method), { headers: chunked }]) {
        const reply = await peer.send({ ...fields, methodCode: method }, {
          body,
        });
        assert.equal(
          reply.headers.find(({ name }) => name === "x-body")?.value,
          "content",
        );
        assert.equal(reply.text, method === 2 ? "content" : "");
      }
    }
    // One without any: the question is answered with the end.
    const reply = await peer.send({});
    assert.equal(reply.text, "");
    assert(reply.events.includes("wanted"));
    assert.deepEqual(faults, []);
  });
});

test("AjpServer's info has no body for other methods, nor for a GET of no bytes", () => {
  const bodies: unknown[] = [];
  const handler: AjpHandler = (_, info) => {
    bodies.push(info.body);
    return new Response(null);
  };
  return withAjpServer({}, handler, async ({ connect }) => {
    const peer = await connect();
    await peer.send(post(3), { body: patternOf(3) });
    await peer.send(post(0, 2));
    assert.deepEqual(bodies, [null, null]);
  });
});

test("AjpServer lets a body of fewer bytes than its content-length fail", () => {
  const lengths: number[] = [];
  const handler: AjpHandler = async (request) => {
    const reader = request.body!.getReader(); // a POST has one
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return new Response("whole");
        length += value.length;
      }
    } catch (error) {
      lengths.push(length);
      return new Response(String(error));
    }
  };
  return withAjpServer({}, handler, async ({ connectRaw, network }) => {
    for (const end of ["12340000", "123400020000"]) {
      for (const [length, came] of [[5, 0], [5, 3], [20_000, 0], [20_000, 9]]) {
        const peer = await connectRaw();
        await peer.write(requestBytes(post(length!))); // the table has both
        if (came! > 0) await peer.write(packet(patternOf(came!)));
        await network.settle();
        await peer.write(decodeHex(end));
        await network.settle();
        const text = new TextDecoder().decode(decodeHex(peer.received));
        assert.match(
          text,
          new RegExp(
            `${length! - came!} bytes of the content-length did not come`,
          ),
        );
        assert.match(text, /DecodeError/);
      }
    }
    assert.deepEqual(lengths, [0, 3, 0, 9, 0, 3, 0, 9]);
  });
});

test("AjpServer answers 400 to a first packet with more than the content-length", () =>
  withAjpServer({}, () => assert.fail("called"), async (scene) => {
    const peer = await scene.connectRaw();
    await peer.write(requestBytes(post(3)));
    await peer.write(packet(patternOf(4)));
    assert.equal(await peer.ended, true);
    assert.match(peer.received, /^4142....04019000/);
    assert.match(peer.received, /414200020500$/);
    assert.equal(scene.faults.length, 1);
  }));

test("AjpServer lets a long body with more than its content-length fail, and closes after the response", () => {
  const handler: AjpHandler = async (request) => {
    const fault = await readFault(request.body);
    return new Response(String(fault));
  };
  return withAjpServer({}, handler, async ({ connectRaw, faults }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes(post(8187)));
    await peer.write(packet(patternOf(8186)));
    await peer.receives(GET_BODY_CHUNK);
    await peer.write(packet(patternOf(2)));
    assert.equal(await peer.ended, true);
    const text = new TextDecoder().decode(decodeHex(peer.received));
    assert.match(text, /2 bytes, and 1 are left of the content-length/);
    assert.match(peer.received, /414200020500$/);
    assert.deepEqual(faults.map(({ type }) => type), ["connection"]);
  });
});

test("AjpServer ends a body that is read after the response with an error", async () => {
  let body: ReadableStream<Uint8Array> | null = null;
  await withAjpServer({}, (request) => {
    body = request.body;
    return new Response("early");
  }, async ({ connect }) => {
    const peer = await connect();
    const reply = await peer.send(CHUNKED, { body: patternOf(10) });
    assert.equal(reply.text, "early");
    const fault = await readFault(body);
    assert.match(String(fault), /^TypeError: .*the response is over/);
    assert.equal((await peer.send({})).text, "early");
  });
});

test("AjpServer ends a read that still waits when the response is over with an error", async () => {
  let fault: Promise<unknown> | undefined;
  await withAjpServer({}, (request) => {
    fault = readFault(request.body);
    return new Response("early");
  }, async ({ connectRaw, network }) => {
    const peer = await connectRaw();
    await peer.write(requestBytes(CHUNKED)); // and no body
    await network.settle();
    assert.match(String(await fault), /^TypeError: .*the response is over/);
    await peer.write(packet(patternOf(10))); // belongs to nobody now
    await peer.write(requestBytes());
    await network.settle();
    assert.equal(peer.received.match(/414200020501/g)?.length, 2);
  });
});

test("AjpServer goes on after an application cancelled a body", () =>
  withAjpServer({}, async (request) => {
    await request.body?.cancel();
    return new Response("cancelled");
  }, async ({ connect, faults }) => {
    const peer = await connect();
    for (const fields of [CHUNKED, post(20_000), post(3)]) {
      const reply = await peer.send(fields, { body: patternOf(20_000) });
      assert.equal(reply.text, "cancelled");
      assert.equal(reply.reuse, true);
    }
    assert.deepEqual(faults, []);
  }));

test("AjpServer passes bodies on while they come, both ways at once", () =>
  withAjpServer({}, (request) => new Response(request.body), async (scene) => {
    const peer = await scene.connect();
    const body = patternOf(300_000);
    for (const fields of [post(300_000), CHUNKED]) {
      const reply = await peer.send(fields, { body });
      assert.deepEqual(reply.body, body);
      const first = reply.events.findIndex((event) => event.startsWith("body"));
      assert(first < reply.events.lastIndexOf("wanted"));
    }
    assert.deepEqual(scene.faults, []);
  }));
