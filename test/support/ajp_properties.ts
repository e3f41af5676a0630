// What holds for all AJP13 packets, streams and conversations.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  AJP_TO_CONTAINER,
  AjpClientConnection,
  type AjpFromContainer,
  AjpPacketParser,
  ajpRequestHeader,
  AjpServerConnection,
  type AjpServerEvent,
  type AjpServerExchange,
  type AjpToContainer,
  byteLengthAjpFromContainer,
  byteLengthAjpToContainer,
  concatBytes,
  decodeAjpFromContainer,
  decodeAjpToContainer,
  DecodeError,
  encodeAjpFromContainer,
  encodeAjpToContainer,
  encodeHex,
  type ForwardRequest,
} from "../../protocol/mod.ts";
import {
  fromContainerPackets,
  headerValues,
  toContainerPackets,
  tokens,
} from "./ajp_arbitraries.ts";
import {
  type Conversation,
  type PlannedRequest,
  playConversation,
} from "./ajp_conversation.ts";
import { byteStrings, damaged } from "./arbitraries.ts";
import { assertSafe, outcome } from "./outcome.ts";
import type { Property } from "./properties.ts";

/** Properties of packets. */
export const AJP_PACKET_PROPERTIES: readonly Property[] = [
  property(
    "decodeAjpToContainer() reads what encodeAjpToContainer() wrote",
    toContainerPackets(),
    (packet) => {
      const bytes = encodeAjpToContainer(packet);
      assert.equal(bytes.length, byteLengthAjpToContainer(packet));
      assert.deepEqual(decodeAjpToContainer(bytes, expected(packet)), packet);
    },
  ),
  property(
    "decodeAjpFromContainer() reads what encodeAjpFromContainer() wrote",
    fromContainerPackets(),
    (packet) => {
      const bytes = encodeAjpFromContainer(packet);
      assert.equal(bytes.length, byteLengthAjpFromContainer(packet));
      assert.deepEqual(decodeAjpFromContainer(bytes), packet);
    },
  ),
  property(
    "decodeAjpToContainer() survives hostile bytes",
    damaged(toContainerPackets().map((packet) => encodeAjpToContainer(packet))),
    (bytes) => {
      for (const expect of ["request", "body"] as const) {
        assertSafe(
          bytes,
          (input) => decodeAjpToContainer(input, expect),
          encodeAjpToContainer,
        );
      }
    },
  ),
  property(
    "decodeAjpFromContainer() survives hostile bytes",
    damaged(
      fromContainerPackets().map((packet) => encodeAjpFromContainer(packet)),
    ),
    (bytes) =>
      assertSafe(bytes, decodeAjpFromContainer, encodeAjpFromContainer),
  ),
  property(
    "decodeAjpToContainer() refuses every beginning of a payload as truncated",
    toContainerPackets(),
    (packet) => {
      const bytes = encodeAjpToContainer(packet);
      // A body packet without a payload is one of its own.
      for (
        let length = packet.type === "body" ? 5 : 4;
        length < bytes.length;
        length++
      ) {
        const cut = bytes.slice(0, length);
        cut[2] = length - 4 >> 8;
        cut[3] = length - 4;
        assert.throws(
          () => decodeAjpToContainer(cut, expected(packet)),
          { name: "DecodeError", code: "truncated" },
        );
      }
    },
  ),
];

/** Properties of AjpPacketParser. */
export const AJP_PACKET_PARSER_PROPERTIES: readonly Property[] = [
  property(
    "AjpPacketParser gives the same packets and error however a stream is cut",
    cutAjpStreams(),
    ({ bytes, sizes }) => {
      const before = bytes.slice();
      const whole = referencePackets(bytes);
      assert.deepEqual(parse(bytes, sizes), whole);
      assert.deepEqual(parse(bytes, [1]), whole);
      assert.deepEqual(parse(bytes, [100_000]), whole);
      assert.deepEqual(bytes, before, "the input was changed");
    },
  ),
];

/** Properties of the two state machines. */
export const AJP_CONNECTION_PROPERTIES: readonly Property[] = [
  property(
    "AjpServerConnection and AjpClientConnection agree in every conversation",
    conversations(),
    (conversation) => {
      playConversation(conversation);
    },
  ),
  property(
    "AjpServerConnection gives the same events and error however hostile bytes are cut",
    cutAjpStreams(requestStreams()),
    ({ bytes, sizes }) => {
      const whole = serverEvents(bytes, [100_000]);
      assert.deepEqual(serverEvents(bytes, sizes), whole);
      assert.deepEqual(serverEvents(bytes, [1]), whole);
    },
  ),
  property(
    "AjpClientConnection gives the same events and error however hostile bytes are cut",
    fc.record({
      stream: cutAjpStreams(responseStreams()),
      method: fc.constantFrom(2, 3, 4),
      length: fc.option(fc.nat(9)),
    }),
    ({ stream: { bytes, sizes }, method, length }) => {
      const whole = clientEvents(bytes, [100_000], method, length);
      assert.deepEqual(clientEvents(bytes, sizes, method, length), whole);
      assert.deepEqual(clientEvents(bytes, [1], method, length), whole);
    },
  ),
  property(
    "AjpServerConnection writes whole replies, each to its request, whatever comes",
    fc.tuple(cutAjpStreams(requestStreams()), fc.array(fc.nat(3))),
    ([{ bytes, sizes }, choices]) => assertReplies(bytes, sizes, choices),
  ),
];

/** Every property of AJP13, for the fuzzer. */
export const AJP_PROPERTIES: readonly Property[] = [
  ...AJP_PACKET_PROPERTIES,
  ...AJP_PACKET_PARSER_PROPERTIES,
  ...AJP_CONNECTION_PROPERTIES,
];

interface CutAjpStream {
  readonly bytes: Uint8Array;
  readonly sizes: readonly number[];
}

function property<T>(
  name: string,
  values: fc.Arbitrary<T>,
  holds: (value: T) => void,
): Property {
  return {
    name,
    check: (parameters) => fc.assert(fc.property(values, holds), parameters),
  };
}

function expected({ type }: AjpToContainer): "request" | "body" {
  return type === "body" ? "body" : "request";
}

function cutAjpStreams(
  streams: fc.Arbitrary<Uint8Array> = packetStreams(),
): fc.Arbitrary<CutAjpStream> {
  const size = fc.oneof(fc.nat(3), fc.nat(40), fc.nat(3000));
  return fc.record({
    bytes: streams,
    sizes: fc.array(size.map((size) => size + 1), {
      minLength: 1,
      maxLength: 8,
    }),
  });
}

function packetStreams(): fc.Arbitrary<Uint8Array> {
  const good = toContainerPackets().map((packet) =>
    encodeAjpToContainer(packet)
  );
  const tail = fc.oneof(
    fc.constant(new Uint8Array()),
    byteStrings(9),
    damaged(good),
    fc.constantFrom(0x1ffd, 0xffff, 0x1ffc).map((length) =>
      Uint8Array.of(0x12, 0x34, length >> 8, length)
    ),
  );
  return fc.tuple(fc.array(good, { maxLength: 6 }), tail)
    .map(([packets, tail]) => concatBytes([...packets, tail]));
}

/** Requests with bodies as a front end sends them, good and damaged, and packets where none belong. */
function requestStreams(): fc.Arbitrary<Uint8Array> {
  const part = fc.oneof(
    { weight: 4, arbitrary: wholeRequests() },
    {
      weight: 1,
      arbitrary: toContainerPackets().map((packet) =>
        encodeAjpToContainer(packet)
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constant(encodeAjpToContainer({ type: "cping" })),
    },
  );
  const good = fc.array(part, { minLength: 1, maxLength: 5 }).map(concatBytes);
  return fc.oneof(good, damaged(good));
}

function wholeRequests(): fc.Arbitrary<Uint8Array> {
  return fc.record({
    length: fc.option(fc.nat(9)),
    parts: fc.array(byteStrings(5), { maxLength: 4 }),
    bare: fc.boolean(),
    name: tokens(),
    value: headerValues(),
  }).map(({ length, parts, bare, name, value }) => {
    const request = simpleRequest(4, length, [ajpRequestHeader(name, value)]);
    return concatBytes([
      encodeAjpToContainer(request),
      ...parts.map((data) =>
        encodeAjpToContainer({
          type: "body",
          data,
          bare: bare && data.length === 0,
        })
      ),
    ]);
  });
}

function responseStreams(): fc.Arbitrary<Uint8Array> {
  const response = fc.record({
    status: fc.constantFrom(200, 204, 304, 404),
    length: fc.option(fc.nat(9)),
    between: fc.array(fromContainerPackets(), { maxLength: 2 }),
    chunks: fc.array(byteStrings(5), { maxLength: 4 }),
    asks: fc.boolean(),
    reuse: fc.boolean(),
  }).map(({ status, length, between, chunks, asks, reuse }) => {
    const packets: AjpFromContainer[] = [];
    if (asks) packets.push({ type: "getBodyChunk", requested: 8186 });
    packets.push({
      type: "sendHeaders",
      status,
      message: "x",
      headers: length === null
        ? []
        : [{ code: 0xa003, name: "Content-Length", value: String(length) }],
    });
    for (const data of chunks) {
      packets.push({ type: "sendBodyChunk", data, terminated: true });
    }
    packets.push({ type: "endResponse", reuse });
    if (between.length === 2) packets.splice(1, 0, ...between);
    return concatBytes(
      packets.map((packet) => encodeAjpFromContainer(packet)),
    );
  });
  return fc.oneof(response, damaged(response));
}

function simpleRequest(
  methodCode: number,
  length: number | null,
  headers: ForwardRequest["headers"] = [],
): ForwardRequest {
  return {
    type: "forwardRequest",
    methodCode,
    protocol: "HTTP/1.1",
    uri: "/",
    remoteAddr: null,
    remoteHost: null,
    serverName: "www.example",
    serverPort: 80,
    isSsl: false,
    headers: length === null
      ? headers
      : [...headers, ajpRequestHeader("content-length", String(length))],
    attributes: [],
  };
}

function* cuts(
  { bytes, sizes }: CutAjpStream,
): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!; // the remainder is an index
    yield bytes.slice(at, at + size);
    at += size;
  }
}

/** Packets and the error at their end, in a form that is compared. */
interface Parsed {
  readonly packets: readonly string[];
  readonly error: string | undefined;
}

function parse(bytes: Uint8Array, sizes: readonly number[]): Parsed {
  const parser = new AjpPacketParser({ magic: AJP_TO_CONTAINER });
  const packets: string[] = [];
  const result = outcome(() => {
    for (const chunk of cuts({ bytes, sizes })) {
      parser.feed(chunk);
      for (let packet; (packet = parser.next()) !== undefined;) {
        packets.push(encodeHex(packet));
      }
    }
    parser.end();
  });
  if (result.type === "value") {
    assert.equal(parser.bufferedLength, 0);
    return { packets, error: undefined };
  }
  const { error } = result;
  assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
  assert.throws(() => parser.next(), error);
  return { packets, error: `${error.code} ${error.field} ${error.offset}` };
}

/** The same, by looking at the whole stream. */
function referencePackets(bytes: Uint8Array): Parsed {
  const packets: string[] = [];
  let at = 0;
  for (;;) {
    const rest = bytes.subarray(at);
    if (rest.length === 0) return { packets, error: undefined };
    const wrong = rest[0] !== 0x12 || rest.length > 1 && rest[1] !== 0x34;
    if (wrong) return { packets, error: `bad-marker packet.magic ${at}` };
    const length = rest.length < 4 ? undefined : rest[2]! << 8 | rest[3]!;
    if (length !== undefined && length > 8188) {
      return { packets, error: `too-large packet.length ${at + 2}` };
    }
    if (length === undefined || rest.length < 4 + length) {
      return { packets, error: `truncated packet ${at}` };
    }
    packets.push(encodeHex(rest.subarray(0, 4 + length)));
    at += 4 + length;
  }
}

/** Events of an application that reads each body to its end and never answers. */
function serverEvents(bytes: Uint8Array, sizes: readonly number[]): unknown[] {
  const connection = new AjpServerConnection();
  const events: unknown[] = [];
  let exchange: AjpServerExchange | undefined;
  const result = outcome(() => {
    for (const chunk of cuts({ bytes, sizes })) {
      connection.feed(chunk);
      for (let event; (event = connection.next()) !== undefined;) {
        events.push(eventForm(event));
        if (event.type === "request") exchange = event.exchange;
        if (
          exchange !== undefined && !exchange.bodyEnded &&
          !exchange.bodyPacketDue
        ) exchange.getBodyChunk();
      }
    }
    connection.end();
  });
  events.push(errorForm(result), connection.state, connection.bodyPacketDue);
  return events;
}

/** Events of a front end that sends one request, and a byte or nothing when it is asked. */
function clientEvents(
  bytes: Uint8Array,
  sizes: readonly number[],
  methodCode: number,
  length: number | null,
): unknown[] {
  const connection = new AjpClientConnection();
  const { exchange } = connection.sendRequest(
    simpleRequest(methodCode, length),
  );
  const events: unknown[] = [];
  const pull = () => {
    for (let event; (event = connection.next()) !== undefined;) {
      events.push("data" in event ? { data: encodeHex(event.data) } : event);
      if (event.type !== "bodyWanted") continue;
      if (event.maxLength === 0) exchange.endBody();
      else exchange.sendBody(new Uint8Array(1));
    }
  };
  const result = outcome(() => {
    pull();
    for (const chunk of cuts({ bytes, sizes })) {
      connection.feed(chunk);
      pull();
    }
    connection.end();
  });
  events.push(errorForm(result), connection.state);
  return events;
}

/** Lets an application answer sooner or later, and looks at what it wrote. */
function assertReplies(
  bytes: Uint8Array,
  sizes: readonly number[],
  choices: readonly number[],
): void {
  const connection = new AjpServerConnection();
  const written: Uint8Array[] = [];
  const kinds: string[] = [];
  let exchange: AjpServerExchange | undefined;
  let choice = 0;
  const act = () => {
    if (exchange === undefined) return;
    switch (choices[choice++ % choices.length] ?? 1) {
      case 0:
        if (!exchange.bodyEnded && !exchange.bodyPacketDue && exchange.reuse) {
          written.push(exchange.getBodyChunk());
        }
        return;
      case 1:
        if (!exchange.headersSent) {
          written.push(exchange.sendHeaders(200 + kinds.length, []));
        }
        written.push(exchange.endResponse());
        assert.throws(() => exchange?.flush(), TypeError);
        exchange = undefined;
        return;
      case 2:
        if (!exchange.headersSent) {
          written.push(exchange.sendHeaders(200 + kinds.length, []));
        }
    }
  };
  const result = outcome(() => {
    for (const chunk of cuts({ bytes, sizes })) {
      connection.feed(chunk);
      for (let event; (event = connection.next()) !== undefined;) {
        assert(connection.state !== "closed" || !("exchange" in event));
        if (event.type === "cping") written.push(connection.cpong());
        if (event.type === "request" || event.type === "rejected") {
          assert.equal(exchange, undefined, "two requests at once");
          exchange = event.exchange;
          kinds.push(event.type);
        }
        act();
      }
      act();
    }
  });
  errorForm(result);
  // Whatever came, a reply under way can be finished.
  if (exchange !== undefined) {
    const failed = result.type === "error";
    if (!exchange.headersSent) {
      written.push(exchange.sendHeaders(200 + kinds.length, []));
    }
    const end = exchange.endResponse();
    if (failed) assert.equal(end[5], 0);
    written.push(end);
  }
  assertGrammar(written, kinds);
}

/** Replies are in the order of the requests, whole, and the last one alone may end the connection. */
function assertGrammar(
  written: readonly Uint8Array[],
  kinds: readonly string[],
): void {
  let replies = 0;
  let open = false;
  let reuse = true;
  for (const bytes of written) {
    const packet = decodeAjpFromContainer(bytes);
    assert(reuse, "a packet after the last reply");
    switch (packet.type) {
      case "sendHeaders":
        assert(!open);
        open = true;
        replies++;
        assert.equal(packet.status, 200 + replies);
        break;
      case "endResponse":
        assert(open);
        open = false;
        reuse = packet.reuse;
        if (kinds[replies - 1] === "rejected") assert(!reuse);
        break;
      case "cpong":
        assert(!open);
    }
  }
  assert(!open);
  assert.equal(replies, kinds.length);
}

function eventForm(event: AjpServerEvent): unknown {
  switch (event.type) {
    case "request":
      return { request: event.request, length: event.bodyLength };
    case "rejected":
      return { status: event.status, message: event.error.message };
    case "body":
      return { data: encodeHex(event.data) };
    default:
      return event;
  }
}

function errorForm(result: ReturnType<typeof outcome>): string | undefined {
  if (result.type === "value") return undefined;
  const { error } = result;
  assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
  return `${error.code} ${error.message}`;
}

function conversations(): fc.Arbitrary<Conversation> {
  const size = fc.oneof(fc.nat(20), fc.constantFrom(8186, 8187, 9000));
  const data = size.map((length) =>
    Uint8Array.from({ length }, (_, i) => i * 7 & 0xff)
  );
  const request: fc.Arbitrary<PlannedRequest> = fc.record({
    ping: fc.boolean(),
    method: fc.constantFrom("GET", "HEAD", "POST", "PATCH"),
    body: data,
    announced: fc.boolean(),
    reads: fc.oneof(fc.nat(3), fc.constant(20)),
    lateReads: fc.nat(1),
    status: fc.constantFrom(200, 200, 404, 204, 304),
    chunks: fc.array(data, { maxLength: 3 }),
    responseAnnounced: fc.boolean(),
    reuse: fc.constantFrom(true, true, true, false),
  });
  return fc.record({
    packetSize: fc.constantFrom(8192, 16_384),
    bodyEnd: fc.constantFrom("bare" as const, "counted" as const),
    requests: fc.array(request, { minLength: 1, maxLength: 3 }),
    schedule: fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 20 }),
  });
}
