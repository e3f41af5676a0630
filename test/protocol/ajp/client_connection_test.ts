import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AJP_FROM_CONTAINER,
  AjpClientConnection,
  type AjpClientEvent,
  type AjpFromContainer,
  ajpResponseHeader,
  concatBytes,
  encodeAjpFromContainer,
  encodeCpong,
  encodeHex,
  type ForwardRequest,
} from "../../../protocol/mod.ts";
import {
  ajpRequest,
  clientWith,
  headersOf,
  packetOf,
} from "../../support/ajp_values.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const OK = headers();
const END = packet({ type: "endResponse", reuse: true });

test("AjpClientConnection wants the first part of a content-length at once", () => {
  const { connection, exchange } = clientWith(post("20000"));
  assert.equal(exchange.wanted, 8186);
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 8186 }]);
  const bytes = exchange.sendBody(new Uint8Array(8186));
  assert.equal(encodeHex(bytes.subarray(0, 6)), "12341ffc1ffa");
  assert.equal(exchange.wanted, undefined);
  connection.feed(ask(8186));
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 8186 }]);
  exchange.sendBody(new Uint8Array(8186));
  connection.feed(ask(8186));
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 3628 }]);
});

test("AjpClientConnection gives no bodyWanted for what the caller sent by itself", () => {
  const { connection, exchange } = clientWith(post("2"));
  assert.equal(
    encodeHex(exchange.sendBody(Uint8Array.of(1, 2))),
    "1234000400020102",
  );
  assert.deepEqual(pull(connection), []);
  connection.feed(ask(8186));
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 0 }]);
  assert.throws(() => exchange.sendBody(Uint8Array.of(1)), RangeError);
  assert.equal(encodeHex(exchange.endBody()), "12340000");
});

test("AjpClientConnection wants nothing unasked without a content-length, or with 0", () => {
  for (const request of [ajpRequest(), post("0")]) {
    const { connection, exchange } = clientWith(request);
    assert.deepEqual(pull(connection), []);
    assert.throws(() => exchange.endBody(), {
      name: "TypeError",
      message: /none is wanted/,
    });
    assert.throws(() => exchange.sendBody(Uint8Array.of(1)), TypeError);
    // A container asks all the same when its application reads.
    connection.feed(ask(8186));
    const [event] = pull(connection);
    assert.deepEqual(event, {
      type: "bodyWanted",
      maxLength: request.headers.length === 0 ? 8186 : 0,
    });
    exchange.endBody();
  }
});

test("AjpClientConnection sends no more than was asked for, nor than its packets hold", () => {
  const { connection, exchange } = clientWith(ajpRequest());
  connection.feed(ask(3));
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 3 }]);
  for (const length of [0, 4]) {
    assertEncodeError(
      () => exchange.sendBody(new Uint8Array(length)),
      "out-of-range",
      "body.data",
    );
  }
  exchange.sendBody(new Uint8Array(3));
  connection.feed(ask(16_378));
  assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 8186 }]);
  const large = new AjpClientConnection({ packetSize: 16_384 });
  large.sendRequest(ajpRequest());
  large.feed(ask(16_378));
  assert.deepEqual(pull(large), [{ type: "bodyWanted", maxLength: 16_378 }]);
});

test("AjpClientConnection has nothing more to send behind the end of a body", () => {
  for (const request of [ajpRequest(), post("5")]) {
    const { connection, exchange } = clientWith(request);
    if (exchange.wanted === undefined) connection.feed(ask(8186));
    pull(connection);
    exchange.endBody();
    connection.feed(ask(8186));
    assert.deepEqual(pull(connection), [{ type: "bodyWanted", maxLength: 0 }]);
    assert.throws(() => exchange.sendBody(Uint8Array.of(1)), RangeError);
  }
});

test("AjpClientConnection ends bodies as it is told to", () => {
  for (
    const [bodyEnd, hex] of [["bare", "12340000"], [
      "counted",
      "123400020000",
    ]] as const
  ) {
    const connection = new AjpClientConnection({ bodyEnd });
    const { exchange } = connection.sendRequest(ajpRequest());
    connection.feed(ask(8186));
    pull(connection);
    assert.equal(encodeHex(exchange.endBody()), hex);
  }
});

test("AjpClientConnection gives a response and is idle again", () => {
  const { connection } = clientWith(ajpRequest());
  assert.equal(connection.state, "request");
  connection.feed(
    concatBytes([headers("2"), chunk(1), chunk(), chunk(2), END]),
  );
  assert.deepEqual(types(connection), [
    "headers",
    "body",
    "flush",
    "body",
    "end",
  ]);
  assert.equal(connection.state, "idle");
  connection.sendRequest(ajpRequest());
});

test("AjpClientConnection refuses packets out of order", () => {
  const cases: [string, Uint8Array[], RegExp][] = [
    ["a body before the headers", [chunk(1)], /before the headers/],
    ["a flush before the headers", [chunk()], /before the headers/],
    ["an end before the headers", [END], /before the headers/],
    ["headers twice", [OK, OK], /has headers already/],
    ["a CPONG in a response", [OK, encodeCpong()], /not asked for/],
    ["two questions", [ask(8186), ask(8186)], /is due already/],
    ["a body behind the end", [OK, END, chunk(1)], /not asked for/],
    ["a question behind the end", [OK, END, ask(1)], /not asked for/],
    ["a second response", [OK, END, OK], /not asked for/],
  ];
  for (const [name, packets, message] of cases) {
    const { connection } = clientWith(ajpRequest());
    connection.feed(concatBytes(packets));
    assert.throws(
      () => pull(connection),
      { name: "DecodeError", code: "malformed", message },
      name,
    );
    assert.equal(connection.state, "closed");
    assert.throws(() => connection.next(), { code: "malformed" });
    assert.throws(() => connection.sendRequest(ajpRequest()), {
      code: "malformed",
    });
  }
  const { connection } = clientWith(post("5"));
  connection.feed(ask(8186)); // the first part comes unasked
  assert.throws(() => pull(connection), { code: "malformed" });
});

test("AjpClientConnection gives nothing of what came unasked to the next request", () => {
  for (const length of [1, OK.length]) {
    const connection = new AjpClientConnection();
    connection.feed(OK.slice(0, length));
    assertDecodeError(
      () => connection.sendRequest(ajpRequest()),
      "malformed",
      "packet",
      0,
    );
    assert.throws(() => connection.next(), { code: "malformed" });
    const pinging = new AjpClientConnection();
    pinging.feed(OK.slice(0, length));
    assert.throws(() => pinging.cping(), { code: "malformed" });
  }
  const { connection } = clientWith(ajpRequest());
  connection.feed(concatBytes([OK, END]));
  pull(connection);
  connection.feed(encodeCpong());
  assert.throws(() => connection.sendRequest(ajpRequest()), {
    code: "malformed",
  });
});

test("AjpClientConnection refuses more body than announced, and any where there is none", () => {
  for (
    const [methodCode, response] of [
      [2, headers("1")],
      [2, headers("0")],
      [3, OK],
      [3, headers("5")],
      [2, headers(undefined, 204)],
      [2, headers(undefined, 205)],
      [2, headers("5", 304)],
      [2, headers(undefined, 100)],
    ] as const
  ) {
    const { connection } = clientWith(ajpRequest({ methodCode }));
    connection.feed(concatBytes([response, chunk(), chunk(1, 2)]));
    assert.throws(() => pull(connection), {
      code: "too-large",
      field: "sendBodyChunk.data",
    });
  }
});

test("AjpClientConnection says how much of a content-length did not come, and is closed", () => {
  const { connection } = clientWith(ajpRequest());
  connection.feed(concatBytes([headers("5"), chunk(1, 2), END]));
  assert.deepEqual(pull(connection).at(-1), {
    type: "end",
    reuse: false,
    missing: 3,
  });
  assert.equal(connection.state, "closed");
  const head = clientWith(ajpRequest({ methodCode: 3 })).connection;
  head.feed(concatBytes([headers("5"), END]));
  assert.deepEqual(pull(head).at(-1), { type: "end", reuse: true, missing: 0 });
});

test("AjpClientConnection refuses headers that no response may have", () => {
  const response = (name: string, value: string) =>
    packet({
      type: "sendHeaders",
      status: 200,
      message: "200",
      headers: [{ code: 0, name, value }],
    });
  for (
    const bytes of [
      response("a b", ""),
      response("x", "a\r\nSet-Cookie: b"),
      response("x", "a\0"),
      response("content-length", "-1"),
      headersWith(["content-length", "1"], ["content-length", "1"]),
      headersWith(["content-length", "1"], ["transfer-encoding", "chunked"]),
    ]
  ) {
    const { connection } = clientWith(ajpRequest());
    connection.feed(bytes);
    assert.throws(() => connection.next(), { code: "malformed" });
  }
  for (const status of [0, 99, 1000, 65_535]) {
    const { connection } = clientWith(ajpRequest());
    connection.feed(headers(undefined, status));
    assertDecodeError(
      () => connection.next(),
      "out-of-range",
      "sendHeaders.status",
      5,
    );
  }
  const { connection } = clientWith(ajpRequest());
  connection.feed(ask(0));
  assertDecodeError(
    () => connection.next(),
    "out-of-range",
    "getBodyChunk.requested",
    5,
  );
});

test("AjpClientConnection closes where the container says so, or a body packet is due", () => {
  const closing = clientWith(ajpRequest());
  const end = packet({ type: "endResponse", reuse: false });
  closing.connection.feed(concatBytes([OK, end, OK]));
  assert.deepEqual(types(closing.connection), ["headers", "end"]);
  assert.equal(closing.connection.state, "closed");
  assert.throws(() => closing.connection.sendRequest(ajpRequest()), TypeError);
  closing.connection.end();

  for (const request of [post("5"), ajpRequest()]) {
    const { connection, exchange } = clientWith(request);
    const asks = request.headers.length === 0 ? [ask(8186)] : [];
    connection.feed(concatBytes([...asks, OK, END]));
    assert.deepEqual(pull(connection).at(-1), {
      type: "end",
      reuse: false,
      missing: 0,
    });
    assert(exchange.ended);
    assert.throws(() => exchange.endBody(), /the response is over/);
  }
});

test("AjpClientConnection keeps a late body out of the next request", () => {
  const { connection, exchange } = clientWith(ajpRequest());
  connection.feed(concatBytes([OK, END]));
  pull(connection);
  const next = connection.sendRequest(post("5"));
  assert.throws(() => exchange.sendBody(Uint8Array.of(1)), TypeError);
  assert.throws(() => exchange.endBody(), TypeError);
  assert.equal(next.exchange.wanted, 5);
});

test("AjpClientConnection pings between requests only", () => {
  const connection = new AjpClientConnection();
  assert.equal(encodeHex(connection.cping()), "123400010a");
  assert.equal(connection.state, "ping");
  assert.throws(() => connection.cping(), TypeError);
  assert.throws(() => connection.sendRequest(ajpRequest()), TypeError);
  connection.feed(encodeCpong());
  assert.deepEqual(types(connection), ["cpong"]);
  connection.feed(encodeCpong());
  assert.throws(() => connection.next(), { code: "malformed" });

  const { connection: busy } = clientWith(ajpRequest());
  assert.throws(() => busy.cping(), TypeError);
  const wrong = new AjpClientConnection();
  wrong.cping();
  wrong.feed(OK);
  assert.throws(() => wrong.next(), { code: "malformed" });
});

test("sendRequest() begins nothing that it cannot send", () => {
  const connection = new AjpClientConnection();
  const refuse = (
    fields: Partial<ForwardRequest>,
    code: "malformed" | "too-large" | "out-of-range",
    field: string,
  ) => {
    assertEncodeError(
      () => connection.sendRequest(ajpRequest(fields)),
      code,
      field,
    );
    assert.equal(connection.state, "idle");
  };
  const name = "forwardRequest.header.name";
  const value = "forwardRequest.header.value";
  refuse({ headers: headersOf(["x", "a\r\nb: c"]) }, "malformed", value);
  refuse({ headers: headersOf(["x", "\0"]) }, "malformed", value);
  refuse({ headers: headersOf(["x y", ""]) }, "malformed", name);
  refuse({ headers: headersOf(["x", "€"]) }, "out-of-range", value);
  const length: [string, string] = ["content-length", "1"];
  const field = "forwardRequest.headers";
  refuse({ headers: headersOf(length, length) }, "malformed", field);
  refuse(
    { headers: headersOf(length, ["transfer-encoding", "chunked"]) },
    "malformed",
    field,
  );
  refuse({ uri: "/".repeat(8192) }, "too-large", "packet");
  refuse({ methodCode: 255 }, "malformed", "forwardRequest.method");
  const stored = [{ code: 13, name: null, value: "A B" }];
  refuse(
    { methodCode: 255, attributes: stored },
    "malformed",
    "forwardRequest.method",
  );
  connection.sendRequest(ajpRequest());
});

test("AjpClientConnection.end() refuses a stream that ends inside a packet or an answer", () => {
  new AjpClientConnection().end();
  const inside = new AjpClientConnection();
  inside.feed(encodeCpong().slice(0, 4));
  assertDecodeError(() => inside.end(), "truncated", "packet", 0);
  const request = clientWith(ajpRequest()).connection;
  request.feed(OK);
  pull(request);
  const error = assertDecodeError(
    () => request.end(),
    "truncated",
    "response",
    OK.length,
  );
  assert.throws(() => request.next(), error);
  const pinging = new AjpClientConnection();
  pinging.cping();
  assertDecodeError(() => pinging.end(), "truncated", "cpong", 0);
});

test("AjpClientConnection is dead after an error: it throws it again and stores nothing", () => {
  const { connection, exchange } = clientWith(post("5"));
  pull(connection);
  connection.feed(new TextEncoder().encode("HTTP/1.1 200"));
  assertDecodeError(() => connection.next(), "bad-marker", "packet.magic", 0);
  connection.feed(OK);
  assertDecodeError(() => connection.next(), "bad-marker", "packet.magic", 0);
  assertDecodeError(() => connection.end(), "bad-marker", "packet.magic", 0);
  assert(exchange.ended);
  assert.throws(() => exchange.endBody(), TypeError);
});

test("AjpClientConnection refuses an over-long packet before it comes", () => {
  const { connection } = clientWith(ajpRequest());
  connection.feed(Uint8Array.of(0x41, 0x42, 0x1f, 0xfd));
  assertDecodeError(() => connection.next(), "too-large", "packet.length", 2);
  assert.throws(() => new AjpClientConnection({ packetSize: 1 }), RangeError);
});

function packet(value: AjpFromContainer): Uint8Array {
  return encodeAjpFromContainer(value);
}

function headers(length?: string, status = 200): Uint8Array {
  return packet({
    type: "sendHeaders",
    status,
    message: String(status),
    headers: length === undefined
      ? []
      : [ajpResponseHeader("content-length", length)],
  });
}

function headersWith(...pairs: [string, string][]): Uint8Array {
  return packet({
    type: "sendHeaders",
    status: 200,
    message: "200",
    headers: pairs.map(([name, value]) => ajpResponseHeader(name, value)),
  });
}

function chunk(...data: number[]): Uint8Array {
  return packet({
    type: "sendBodyChunk",
    data: Uint8Array.from(data),
    terminated: true,
  });
}

function ask(requested: number): Uint8Array {
  return packetOf([6, requested >> 8, requested], AJP_FROM_CONTAINER);
}

function post(length: string): ForwardRequest {
  const headers = headersOf(["content-length", length]);
  return ajpRequest({ methodCode: 4, headers });
}

function pull(connection: AjpClientConnection): AjpClientEvent[] {
  const events: AjpClientEvent[] = [];
  for (let event; (event = connection.next()) !== undefined;) {
    events.push(event);
  }
  return events;
}

function types(connection: AjpClientConnection): string[] {
  return pull(connection).map(({ type }) => type);
}
