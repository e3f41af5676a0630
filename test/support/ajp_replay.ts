// Plays one side of a captured exchange with a state machine, against the packets of the other.
import assert from "node:assert/strict";
import {
  AjpClientConnection,
  type AjpClientEvent,
  type AjpClientExchange,
  AjpServerConnection,
  type AjpServerEvent,
  type AjpServerExchange,
  concatBytes,
  decodeAjpFromContainer,
  decodeAjpToContainer,
  decodeHex,
  encodeHex,
} from "../../protocol/mod.ts";
import {
  decodeVectorPacket,
  expectedPacket,
  isMalformed,
  vectorPacketSize,
} from "./ajp_vectors.ts";
import type { AjpVector, AjpVectorPacket } from "./vectors.ts";

/** What a replay came to. */
export interface Replay {
  /** Events, by type. */
  readonly events: readonly string[];
  /** State of the connection at the end. */
  readonly state: string;
}

/**
 * Replays the container's side: feeds what the front end sent, and asserts that the methods give
 * what Tomcat wrote.
 *
 * @param size Number of bytes of each chunk that is fed.
 */
export function replayAsServer(vector: AjpVector, size: number): Replay {
  const packetSize = vectorPacketSize(vector);
  const connection = new AjpServerConnection({ packetSize });
  const events: string[] = [];
  const bodies: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  let exchange: AjpServerExchange | undefined;
  for (const packet of vector.exchange) {
    if (packet.direction === "from-container") {
      const bytes = produce(packet, connection, exchange);
      assert.equal(encodeHex(bytes), packet.hex);
      continue;
    }
    if (expectedPacket(packet) === "body" && exchange !== undefined) {
      const body = decodeVectorPacket(packet);
      if (body.type === "body") sent.push(body.data);
    }
    for (const event of feedServer(connection, decodeHex(packet.hex), size)) {
      events.push(event.type);
      if (event.type === "request") {
        assert.deepEqual(event.request, decodeVectorPacket(packet));
        exchange = event.exchange;
      } else if (event.type === "rejected") {
        const reply = vector.exchange[1];
        assert.equal(event.status, reply?.decoded.status);
        exchange = event.exchange;
      } else if (event.type === "body") bodies.push(event.data.slice());
      else if (event.type === "bodyEnd") {
        const short = vector.id === "ajp-body/short";
        assert.equal(event.missing, short ? 3 : 0);
      }
    }
  }
  assert.deepEqual(concatBytes(bodies), concatBytes(sent));
  return { events, state: connection.state };
}

/**
 * Replays the front end's side: feeds what Tomcat wrote, and asserts that the methods give what the
 * front end sent.
 *
 * @param size Number of bytes of each chunk that is fed.
 */
export function replayAsClient(vector: AjpVector, size: number): Replay {
  const bare = vector.exchange.some(({ decoded }) =>
    decoded.type === "empty-body"
  );
  const connection = new AjpClientConnection({
    packetSize: vectorPacketSize(vector),
    bodyEnd: bare ? "bare" : "counted",
  });
  const events: string[] = [];
  let exchange: AjpClientExchange | undefined;
  for (const packet of vector.exchange) {
    const bytes = decodeHex(packet.hex);
    if (packet.direction === "from-container") {
      for (const event of feedClient(connection, bytes, size)) {
        events.push(event.type);
        assertMeans(event, packet, vector);
      }
      continue;
    }
    const value = decodeAjpToContainer(bytes, expectedPacket(packet));
    let written: Uint8Array;
    if (value.type === "forwardRequest") {
      const sent = connection.sendRequest(value);
      ({ bytes: written, exchange } = sent);
    } else if (value.type === "cping") written = connection.cping();
    else {
      assert(value.type === "body" && exchange !== undefined);
      written = value.data.length === 0
        ? exchange.endBody()
        : exchange.sendBody(value.data);
    }
    assert.equal(encodeHex(written), packet.hex);
    for (const event of feedClient(connection, new Uint8Array(), 1)) {
      assert.equal(event.type, "bodyWanted");
      events.push(event.type);
    }
  }
  return { events, state: connection.state };
}

/** Tells whether a front end could send what an exchange begins with. */
export function isSendable(vector: AjpVector): boolean {
  const first = vector.exchange[0];
  return first !== undefined && !isMalformed(vector, first) &&
    ["FORWARD_REQUEST", "CPING"].includes(first.decoded.type);
}

function produce(
  packet: AjpVectorPacket,
  connection: AjpServerConnection,
  exchange: AjpServerExchange | undefined,
): Uint8Array {
  const value = decodeAjpFromContainer(decodeHex(packet.hex));
  if (value.type === "cpong") return connection.cpong();
  assert(exchange !== undefined);
  switch (value.type) {
    case "getBodyChunk":
      return exchange.getBodyChunk();
    case "sendHeaders":
      return exchange.sendHeaders(
        value.status,
        value.headers,
        value.message ?? undefined,
      );
    case "sendBodyChunk":
      return value.data.length === 0
        ? exchange.flush()
        : exchange.sendBodyChunk(value.data);
    case "endResponse":
      // After a rejection the flag is false whatever is asked for.
      return exchange.endResponse(value.reuse || !exchange.reuse);
  }
}

function feedServer(
  connection: AjpServerConnection,
  bytes: Uint8Array,
  size: number,
): AjpServerEvent[] {
  const events: AjpServerEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    connection.feed(bytes.slice(at, at + size));
    for (let event; (event = connection.next()) !== undefined;) {
      events.push(event);
    }
  }
  return events;
}

function feedClient(
  connection: AjpClientConnection,
  bytes: Uint8Array,
  size: number,
): AjpClientEvent[] {
  const events: AjpClientEvent[] = [];
  let at = 0;
  do {
    connection.feed(bytes.slice(at, at + size));
    for (let event; (event = connection.next()) !== undefined;) {
      events.push(event);
    }
    at += size;
  } while (at < bytes.length);
  return events;
}

function assertMeans(
  event: AjpClientEvent,
  packet: AjpVectorPacket,
  vector: AjpVector,
): void {
  const value = decodeAjpFromContainer(decodeHex(packet.hex));
  switch (event.type) {
    case "bodyWanted": {
      assert(value.type === "getBodyChunk");
      assert(event.maxLength <= value.requested, vector.id);
      return;
    }
    case "headers":
      assert.deepEqual({ ...event, type: "sendHeaders" }, value);
      return;
    case "body":
      assert(value.type === "sendBodyChunk");
      assert.deepEqual(event.data, value.data);
      return;
    case "flush":
      assert(value.type === "sendBodyChunk" && value.data.length === 0);
      return;
    case "end":
      assert(value.type === "endResponse");
      assert.deepEqual(event, { type: "end", reuse: value.reuse, missing: 0 });
      return;
    case "cpong":
      assert.equal(value.type, "cpong");
  }
}
