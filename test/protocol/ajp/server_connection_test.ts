import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AjpHeader,
  ajpResponseHeader,
  AjpServerConnection,
  type AjpServerEvent,
  concatBytes,
  decodeSendHeaders,
  encodeCping,
  encodeForwardRequest,
  encodeHex,
  encodeShutdown,
  type ForwardRequest,
} from "../../../protocol/mod.ts";
import {
  ajpRequest,
  bodyOf,
  headersOf,
  packetOf,
  serverWith,
} from "../../support/ajp_values.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const BARE_END = packetOf([]);
const POST = { methodCode: 4 };

test("AjpServerConnection gives no body event before the container asks", () => {
  const { connection, event } = serverWith(ajpRequest(POST));
  assert(event.type === "request" && event.bodyLength === undefined);
  assert.equal(connection.next(), undefined);
  assert(!connection.bodyPacketDue && !event.exchange.bodyPacketDue);
  assert.equal(encodeHex(event.exchange.getBodyChunk()), "41420003061ffa");
  assert(connection.bodyPacketDue && event.exchange.bodyPacketDue);
  connection.feed(bodyOf(1, 2));
  assert.deepEqual(types(connection), ["body"]);
  assert(!event.exchange.bodyEnded);
  event.exchange.getBodyChunk();
  connection.feed(BARE_END);
  assert.deepEqual(pull(connection), [{ type: "bodyEnd", missing: 0 }]);
  assert(event.exchange.bodyEnded);
  assert.throws(() => event.exchange.getBodyChunk(), /none is to come/);
});

test("AjpServerConnection asks for as much as its packets hold", () => {
  const { event } = serverWith(ajpRequest(POST), { packetSize: 16_384 });
  assert.equal(encodeHex(event.exchange.getBodyChunk()), "41420003063ffa");
});

test("AjpServerConnection takes the first packet of a content-length unasked", () => {
  const { connection, event } = serverWith(post("3"));
  assert(event.type === "request" && event.bodyLength === 3);
  assert(event.exchange.bodyPacketDue);
  assert.throws(() => event.exchange.getBodyChunk(), /a body packet is due/);
  connection.feed(bodyOf(1, 2));
  assert.deepEqual(pull(connection), [{
    type: "body",
    data: Uint8Array.of(1, 2),
  }]);
  event.exchange.getBodyChunk();
  connection.feed(bodyOf(3));
  assert.deepEqual(types(connection), ["body", "bodyEnd"]);
});

test("AjpServerConnection lets the container ask once more behind a content-length, as Tomcat", () => {
  const { connection, event } = serverWith(post("1"));
  connection.feed(bodyOf(1));
  assert.deepEqual(types(connection), ["body", "bodyEnd"]);
  event.exchange.getBodyChunk();
  connection.feed(BARE_END);
  assert.deepEqual(types(connection), []);
  assert.throws(() => event.exchange.getBodyChunk(), TypeError);
});

test("AjpServerConnection ends the body of content-length 0 at once", () => {
  const { connection, event } = serverWith(post("0"));
  assert.deepEqual(pull(connection), [{ type: "bodyEnd", missing: 0 }]);
  assert.throws(() => event.exchange.getBodyChunk(), TypeError);
  const { connection: other, event: early } = serverWith(post("0"));
  reply(early.exchange);
  assert.deepEqual(types(other), [], "the response was over");
});

test("AjpServerConnection says how much of a content-length did not come", () => {
  for (const end of [BARE_END, bodyOf()]) {
    const { connection, event } = serverWith(post("5"));
    connection.feed(bodyOf(1, 2));
    assert.deepEqual(types(connection), ["body"]);
    event.exchange.getBodyChunk();
    connection.feed(end);
    assert.deepEqual(pull(connection), [{ type: "bodyEnd", missing: 3 }]);
    const first = serverWith(post("5"));
    first.connection.feed(end);
    assert.deepEqual(pull(first.connection), [{ type: "bodyEnd", missing: 5 }]);
  }
});

test("AjpServerConnection refuses more body than the content-length", () => {
  const { connection, event } = serverWith(post("2"));
  connection.feed(bodyOf(1, 2, 3));
  const offset = encodeForwardRequest(post("2")).length + 6;
  assertDecodeError(() => connection.next(), "too-large", "body.data", offset);
  assertDecodeError(() => connection.next(), "too-large", "body.data", offset);
  event.exchange.sendHeaders(400, []);
  assert.equal(encodeHex(event.exchange.endResponse()), "414200020500");
  assert.equal(connection.state, "closed");

  const asked = serverWith(post("1"));
  asked.connection.feed(bodyOf(1));
  pull(asked.connection);
  asked.event.exchange.getBodyChunk();
  asked.connection.feed(bodyOf(2));
  assert.throws(() => asked.connection.next(), { code: "too-large" });

  const over = serverWith(post("1")); // also where nobody reads any more
  reply(over.event.exchange);
  over.connection.feed(bodyOf(1, 2));
  assert.throws(() => over.connection.next(), { code: "too-large" });
});

test("AjpServerConnection swallows a body packet that is due before the next request", () => {
  for (const length of ["5", undefined]) {
    const { connection, event } = serverWith(
      length === undefined ? ajpRequest(POST) : post(length),
    );
    if (length === undefined) event.exchange.getBodyChunk();
    assert.equal(reply(event.exchange), "414200020501");
    assert(connection.bodyPacketDue);
    assert.equal(connection.state, "idle");
    // Its payload is that of a SHUTDOWN: what it is follows from the conversation alone.
    connection.feed(bodyOf(7, 7, 7));
    connection.feed(encodeForwardRequest(ajpRequest({ uri: "/2" })));
    const next = pull(connection);
    assert.deepEqual(next.map(({ type }) => type), ["request"]);
    assert(next[0]?.type === "request" && next[0].request.uri === "/2");
  }
});

test("AjpServerConnection swallows the end of a body like any part of it", () => {
  for (const end of [BARE_END, bodyOf()]) {
    const { connection, event } = serverWith(post("5"));
    reply(event.exchange);
    connection.feed(end);
    assert.deepEqual(types(connection), []);
    assert(!connection.bodyPacketDue);
    connection.feed(encodeCping());
    assert.deepEqual(types(connection), ["cping"]);
  }
});

test("AjpServerConnection never takes a body packet for a request", () => {
  const inner = encodeForwardRequest(ajpRequest({ uri: "/smuggled" }));
  // Due: its bytes are data, whatever they look like.
  const due = serverWith(post(String(inner.length)));
  due.connection.feed(bodyOf(...inner));
  const [body] = pull(due.connection);
  assert(body?.type === "body");
  assert.deepEqual(body.data, inner);
  // Not due: an error, not a request, even in the form of one.
  for (const unasked of [bodyOf(...inner), inner, encodeCping()]) {
    const { connection, event } = serverWith(ajpRequest(POST));
    connection.feed(unasked.slice());
    const offset = encodeForwardRequest(ajpRequest(POST)).length;
    assertDecodeError(() => connection.next(), "malformed", "packet", offset);
    assert.equal(reply(event.exchange), "414200020500");
  }
});

test("AjpServerConnection takes nothing for a request that came before the response had ended", () => {
  const next = encodeForwardRequest(ajpRequest({ uri: "/smuggled" }));
  const { connection, event } = serverWith(ajpRequest());
  connection.feed(next.slice());
  assert.equal(reply(event.exchange), "414200020500");
  assert.deepEqual(types(connection), []);
  assert.equal(connection.state, "closed");

  const swallowing = serverWith(post("1"));
  swallowing.connection.feed(concatBytes([bodyOf(1), next]));
  assert.equal(reply(swallowing.event.exchange), "414200020501");
  assert.throws(() => swallowing.connection.next(), {
    code: "malformed",
    field: "packet",
  });
  const later = serverWith(post("1"));
  later.connection.feed(bodyOf(1));
  assert.equal(reply(later.event.exchange), "414200020501");
  later.connection.feed(next.slice());
  assert.deepEqual(types(later.connection), ["request"]);
});

test("AjpServerConnection keeps a late reply out of the next one", () => {
  const { connection, event } = serverWith(ajpRequest());
  const { exchange } = event;
  reply(exchange);
  connection.feed(encodeForwardRequest(ajpRequest()));
  assert.deepEqual(types(connection), ["request"]);
  for (
    const late of [
      () => exchange.sendHeaders(200, []),
      () => exchange.sendBodyChunk(Uint8Array.of(1)),
      () => exchange.flush(),
      () => exchange.getBodyChunk(),
      () => exchange.endResponse(),
    ]
  ) assert.throws(late, { name: "TypeError", message: /the response is over/ });
  assert(exchange.ended);
  assert(!exchange.bodyPacketDue);
  assert(exchange.bodyEnded);
  assert.equal(connection.state, "request");
});

test("AjpServerConnection answers CPING between requests only, and once", () => {
  const connection = new AjpServerConnection();
  assert.throws(() => connection.cpong(), TypeError);
  connection.feed(concatBytes([encodeCping(), encodeCping()]));
  assert.deepEqual(types(connection), ["cping", "cping"]);
  assert.equal(encodeHex(connection.cpong()), "4142000109");
  connection.cpong();
  assert.throws(() => connection.cpong(), TypeError);
});

test("AjpServerConnection is closed by SHUTDOWN and PING, whatever follows", () => {
  for (const [byte, type] of [[7, "shutdown"], [8, "ping"]] as const) {
    const connection = new AjpServerConnection();
    connection.feed(concatBytes([packetOf([byte]), encodeCping()]));
    assert.deepEqual(types(connection), [type]);
    connection.feed(encodeCping());
    assert.deepEqual(types(connection), []);
    assert.equal(connection.state, "closed");
    connection.end();
  }
  const longer = new AjpServerConnection();
  longer.feed(packetOf([7, 0]));
  assertDecodeError(() => longer.next(), "trailing-bytes", "shutdown", 5);
});

test("AjpServerConnection ends without a reply for garbage and types without meaning", () => {
  const garbage = new AjpServerConnection();
  garbage.feed(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  assertDecodeError(() => garbage.next(), "bad-marker", "packet.magic", 0);
  for (const type of [0, 1, 3, 5, 9, 99]) {
    const connection = new AjpServerConnection();
    connection.feed(packetOf([type]));
    assertDecodeError(() => connection.next(), "unsupported", "packet.type", 4);
    assert.equal(connection.state, "closed");
  }
});

test("AjpServerConnection rejects a request that it cannot read with status 500", () => {
  const many = Array.from(
    { length: 101 },
    (_, i): [string, string] => [`h${i}`, ""],
  );
  for (
    const bytes of [
      BARE_END,
      Uint8Array.of(0x12, 0x34, 0x1f, 0xfd),
      packetOf([2]),
      packetOf([2, 28]),
      packetOf([2, 2, 0xff, 0xff]),
      encodeForwardRequest(ajpRequest({ headers: headersOf(...many) })),
    ]
  ) assertRejected(bytes, 500);
  const { event } = serverWith(
    ajpRequest({ headers: headersOf(...many) }),
    { maxHeaderCount: 101 },
  );
  assert.equal(event.type, "request");
});

test("AjpServerConnection rejects a request that can be read in two ways with status 400", () => {
  for (
    const headers of [
      headersOf(["content-length", "1"], ["content-length", "1"]),
      headersOf(["content-length", "1"], ["Content-Length", "2"]),
      headersOf(["content-length", "5"], ["transfer-encoding", "chunked"]),
      headersOf(["content-length", "abc"]),
      headersOf(["content-length", ""]),
      headersOf(["a b", ""]),
      headersOf(["", ""]),
      headersOf(["x:", ""]),
      headersOf(["content-length ", "5"]),
      headersOf(["x", "a\r\nb"]),
      headersOf(["x", "a\nb"]),
      headersOf(["x", "a\0"]),
      headersOf(["x\u00e9", ""]),
    ]
  ) assertRejected(encodeForwardRequest(ajpRequest({ headers })), 400);
  for (const attributes of [[], stored(""), stored("A B"), stored("GET\r\n")]) {
    const request = ajpRequest({ methodCode: 255, attributes });
    assertRejected(encodeForwardRequest(request), 400);
  }
});

test("AjpServerConnection knows the method of a request", () => {
  for (
    const [request, method] of [
      [ajpRequest({ methodCode: 3 }), "HEAD"],
      [ajpRequest({ methodCode: 255, attributes: stored("PATCH") }), "PATCH"],
    ] as const
  ) {
    const { event } = serverWith(request);
    assert(event.type === "request" && event.method === method);
    assert.equal(event.exchange.hasBody, method !== "HEAD");
  }
});

test("AjpServerConnection refuses a body packet that lies", () => {
  for (const payload of [[0], [0, 3, 1], [0, 1, 1, 1]]) {
    const { connection, event } = serverWith(post("3"));
    connection.feed(packetOf(payload));
    assert.throws(() => connection.next(), { name: "DecodeError" });
    assert.throws(() => event.exchange.getBodyChunk(), TypeError);
    assert.equal(reply(event.exchange), "414200020500");
  }
  const { connection } = serverWith(post("3"));
  connection.feed(Uint8Array.of(0x12, 0x34, 0xff, 0xff));
  assert.throws(() => connection.next(), { code: "too-large" });
});

test("AjpServerConnection.end() refuses a stream that ends inside a packet or a body", () => {
  const idle = new AjpServerConnection();
  idle.end();
  idle.feed(encodeCping().slice(0, 4));
  assert.deepEqual(types(idle), []);
  assertDecodeError(() => idle.end(), "truncated", "packet", 0);

  const due = serverWith(post("3"));
  assert.throws(() => due.connection.end(), {
    code: "truncated",
    field: "body",
  });
  serverWith(ajpRequest()).connection.end();
  const over = serverWith(post("3"));
  reply(over.event.exchange);
  over.connection.end();
});

test("AjpServerConnection refuses options that are none", () => {
  for (const maxHeaderCount of [-1, 0.5, 65_536, NaN]) {
    assert.throws(
      () => new AjpServerConnection({ maxHeaderCount }),
      (error: unknown) =>
        error instanceof RangeError &&
        error.message.includes(`maxHeaderCount ${maxHeaderCount}:`),
    );
  }
  assert.throws(() => new AjpServerConnection({ packetSize: 1 }), RangeError);
});

test("sendHeaders() comes once, before everything else", () => {
  const { exchange } = serverWith(ajpRequest()).event;
  const body = Uint8Array.of(1);
  assert.throws(() => exchange.sendBodyChunk(body), /have not been sent/);
  assert.throws(() => exchange.flush(), /have not been sent/);
  assert.throws(() => exchange.endResponse(), /have not been sent/);
  assert(!exchange.headersSent);
  assert.deepEqual(
    decodeSendHeaders(exchange.sendHeaders(404, [header("x-a", "b")])),
    {
      type: "sendHeaders",
      status: 404,
      message: "404",
      headers: [{ code: 0, name: "x-a", value: "b" }],
    },
  );
  assert(exchange.headersSent);
  assert.throws(() => exchange.sendHeaders(200, []), /have been sent/);
});

test("sendHeaders() gives control characters no way out, as Tomcat", () => {
  const { exchange } = serverWith(ajpRequest()).event;
  const { message, headers } = decodeSendHeaders(
    exchange.sendHeaders(
      200,
      [header("x-a", "b\r\nSet-Cookie: c\t\x7f\0\u00e9"), header("x-b", "d")],
      "O\nK",
    ),
  );
  assert.equal(message, "O K");
  assert.deepEqual(headers.map(({ value }) => value), [
    "b  Set-Cookie: c\t  \u00e9",
    "d",
  ]);
});

test("sendHeaders() writes nothing that has no wire form, and may be called again", () => {
  const { exchange } = serverWith(ajpRequest()).event;
  const refuse = (
    status: number,
    headers: AjpHeader[],
    code: "malformed" | "out-of-range" | "too-large",
    field: string,
  ) =>
    assertEncodeError(() => exchange.sendHeaders(status, headers), code, field);
  for (const status of [0, 99, 1000, 200.5, NaN]) {
    refuse(status, [], "out-of-range", "sendHeaders.status");
  }
  const length = header("content-length", "5");
  const name = "sendHeaders.header.name";
  refuse(200, [length, length], "malformed", "sendHeaders.headers");
  refuse(
    200,
    [header("content-length", "x")],
    "malformed",
    "sendHeaders.headers",
  );
  refuse(
    200,
    [length, header("transfer-encoding", "chunked")],
    "malformed",
    "sendHeaders.headers",
  );
  refuse(200, [header("a\r\nb", "")], "malformed", name);
  refuse(200, [header("", "")], "malformed", name);
  refuse(
    200,
    [header("x", "\u20ac")],
    "out-of-range",
    "sendHeaders.header.value",
  );
  refuse(200, [header("x", "v".repeat(8192))], "too-large", "packet");
  assert(!exchange.headersSent);
  exchange.sendHeaders(500, []);
  assert.equal(encodeHex(exchange.endResponse()), "414200020501");
});

test("sendBodyChunk() splits at the packet size", () => {
  const { exchange } = serverWith(ajpRequest(), { packetSize: 8192 }).event;
  exchange.sendHeaders(200, []);
  assert.equal(exchange.sendBodyChunk(new Uint8Array()).length, 0);
  for (
    const [length, packets] of [
      [1, [1]],
      [8184, [8184]],
      [8185, [8184, 1]],
      [20_000, [8184, 8184, 3632]],
    ] as const
  ) {
    const data = Uint8Array.from({ length }, (_, i) => i & 0xff);
    const bytes = exchange.sendBodyChunk(data);
    const found: number[] = [];
    const body: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = bytes[at + 5]! << 8 | bytes[at + 6]!; // whole packets
      assert.equal(
        encodeHex(bytes.subarray(at, at + 5)),
        `4142${(size + 4).toString(16).padStart(4, "0")}03`,
      );
      assert.equal(bytes[at + 7 + size], 0);
      body.push(bytes.subarray(at + 7, at + 7 + size));
      found.push(size);
      at += size + 8;
    }
    assert.deepEqual(found, packets);
    assert.deepEqual(concatBytes(body), data);
  }
  assert.equal(encodeHex(exchange.flush()), "4142000403000000");
});

test("sendBodyChunk() writes no more than the content-length, and endResponse() tells of less", () => {
  const begin = () => {
    const { exchange } = serverWith(ajpRequest()).event;
    exchange.sendHeaders(200, [header("content-length", "3")]);
    exchange.sendBodyChunk(new Uint8Array(2));
    return exchange;
  };
  const more = begin();
  assertEncodeError(
    () => more.sendBodyChunk(new Uint8Array(2)),
    "too-large",
    "sendBodyChunk.data",
  );
  more.sendBodyChunk(new Uint8Array(1));
  assert.equal(encodeHex(more.endResponse()), "414200020501");
  assert.equal(encodeHex(begin().endResponse()), "414200020500");
});

test("sendBodyChunk() has nothing to write where a response has no body", () => {
  for (
    const [methodCode, status] of [
      [3, 200],
      [2, 100],
      [2, 204],
      [2, 205],
      [2, 304],
    ] as const
  ) {
    const { exchange } = serverWith(ajpRequest({ methodCode })).event;
    exchange.sendHeaders(status, [header("content-length", "100")]);
    assert(!exchange.hasBody);
    assertEncodeError(
      () => exchange.sendBodyChunk(Uint8Array.of(1)),
      "too-large",
      "sendBodyChunk.data",
    );
    assert.equal(exchange.sendBodyChunk(new Uint8Array()).length, 0);
    assert.equal(encodeHex(exchange.endResponse()), "414200020501");
  }
});

test("endResponse(false) ends the connection: nothing more is read", () => {
  const { connection, event } = serverWith(ajpRequest());
  assert(event.exchange.reuse);
  assert.equal(reply(event.exchange, false), "414200020500");
  assert.equal(connection.state, "closed");
  connection.feed(encodeShutdown());
  assert.deepEqual(types(connection), []);
  connection.end();
});

function assertRejected(bytes: Uint8Array, status: number): void {
  const connection = new AjpServerConnection();
  connection.feed(concatBytes([bytes, bodyOf(1)]));
  const event = connection.next();
  assert(event?.type === "rejected", `${event?.type}`);
  assert.equal(event.status, status);
  assert.equal(event.error.name, "DecodeError");
  assert.equal(connection.next(), undefined, "what follows is not read");
  assert.equal(connection.state, "request");
  assert.throws(() => event.exchange.getBodyChunk(), TypeError);
  assert(!event.exchange.reuse);
  assert.equal(reply(event.exchange), "414200020500");
  assert.equal(connection.state, "closed");
}

function reply(
  exchange: Extract<AjpServerEvent, { exchange: unknown }>["exchange"],
  reuse?: boolean,
): string {
  exchange.sendHeaders(200, []);
  return encodeHex(exchange.endResponse(reuse));
}

function post(length: string): ForwardRequest {
  const headers = headersOf(["content-length", length]);
  return ajpRequest({ methodCode: 4, headers });
}

function stored(method: string): ForwardRequest["attributes"] {
  return [{ code: 13, name: null, value: method }];
}

function header(name: string, value: string): AjpHeader {
  return ajpResponseHeader(name, value);
}

function pull(connection: AjpServerConnection): AjpServerEvent[] {
  const events: AjpServerEvent[] = [];
  for (let event; (event = connection.next()) !== undefined;) {
    events.push(event);
  }
  return events;
}

function types(connection: AjpServerConnection): string[] {
  return pull(connection).map(({ type }) => type);
}
