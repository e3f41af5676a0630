import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AjpHeader,
  ajpRequestHeader,
  ajpResponseHeader,
  AjpServerConnection,
  type AjpServerExchange,
  concatBytes,
  EncodeError,
  encodeForwardRequest,
} from "../../../protocol/mod.ts";

const EMPTY = new Uint8Array();

for (const method of ["GET", "HEAD"] as const) {
  for (const status of [200, 204, 205, 304, 404]) {
    test(`respond() is headers, body and end in one, for ${method} and ${status}`, () => {
      const hasBody = method === "GET" && (status === 200 || status === 404);
      for (const length of hasBody ? [0, 1, 8184, 8185, 20_000] : [0]) {
        const body = Uint8Array.from({ length }, (_, i) => i);
        for (const headers of [[], [contentLength(length)]]) {
          for (const reuse of [true, false]) {
            const one = begin(method);
            const parts = begin(method);
            assert.deepEqual(
              one.exchange.respond(status, headers, body, reuse),
              concatBytes([
                parts.exchange.sendHeaders(status, headers),
                parts.exchange.sendBodyChunk(body),
                parts.exchange.endResponse(reuse),
              ]),
            );
            assert.equal(one.exchange.ended, true);
            assert.equal(one.connection.state, parts.connection.state);
          }
        }
      }
    });
  }
}

test("respond() closes the connection behind a body that is too short", () => {
  const { connection, exchange } = begin("GET");
  const bytes = exchange.respond(200, [contentLength(3)], new Uint8Array(2));
  assert.equal(bytes.at(-1), 0);
  assert.equal(connection.state, "closed");
});

test("respond() writes nothing that has no wire form, and may be called again", () => {
  const { connection, exchange } = begin("GET");
  const refused: [number, AjpHeader[], Uint8Array, EncodeError["code"]][] = [
    [99, [], EMPTY, "out-of-range"],
    [200, [ajpResponseHeader("a b", "")], EMPTY, "malformed"],
    [200, [ajpResponseHeader("x", "\u0100")], EMPTY, "out-of-range"],
    [200, [ajpResponseHeader("x", "y".repeat(8192))], EMPTY, "too-large"],
    [200, [contentLength(1)], new Uint8Array(2), "too-large"],
    [204, [], new Uint8Array(1), "too-large"],
  ];
  for (const [status, headers, body, code] of refused) {
    assert.throws(
      () => exchange.respond(status, headers, body),
      (error) => error instanceof EncodeError && error.code === code,
    );
    assert.equal(exchange.headersSent, false);
    assert.equal(exchange.hasBody, true);
    assert.equal(connection.state, "request");
  }
  exchange.respond(200, [], EMPTY);
  assert.equal(connection.state, "idle");
});

test("respond() comes instead of everything else, once", () => {
  const { exchange } = begin("GET");
  exchange.respond(200, [], EMPTY);
  assert.throws(() => exchange.respond(200, [], EMPTY), /is over/);
  const other = begin("GET").exchange;
  other.sendHeaders(200, []);
  assert.throws(() => other.respond(200, [], EMPTY), /have been sent/);
  assert.equal(other.ended, false);
});

test("AjpServerConnection reads texts of every length, and every byte in them", () => {
  for (let length = 0; length < 300; length++) {
    const value = String.fromCharCode(
      ...Array.from({ length }, (_, i) => 255 - (i + length) % 224),
    );
    const { request } = begin("GET", [ajpRequestHeader("x-text", value)]);
    assert.equal(request.headers[0]?.value, value);
  }
});

function contentLength(length: number): AjpHeader {
  return ajpResponseHeader("content-length", String(length));
}

function begin(method: "GET" | "HEAD", headers: readonly AjpHeader[] = []) {
  const connection = new AjpServerConnection();
  connection.feed(encodeForwardRequest({
    type: "forwardRequest",
    methodCode: method === "GET" ? 2 : 3,
    protocol: "HTTP/1.1",
    uri: "/",
    remoteAddr: null,
    remoteHost: null,
    serverName: null,
    serverPort: 80,
    isSsl: false,
    headers,
    attributes: [],
  }));
  const event = connection.next();
  assert(event?.type === "request");
  assert.equal(event.method, method);
  const exchange: AjpServerExchange = event.exchange;
  return { connection, exchange, request: event.request };
}
