import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AJP_FROM_CONTAINER,
  decodeAjpFromContainer,
  decodeBodyPacket,
  decodeEndResponse,
  decodeGetBodyChunk,
  decodeHex,
  decodeSendBodyChunk,
  decodeSendHeaders,
  encodeBodyPacket,
  encodeEndResponse,
  encodeGetBodyChunk,
  encodeHex,
  encodePing,
  encodeSendBodyChunk,
  encodeSendHeaders,
  encodeShutdown,
  maxBodyPacketData,
  maxSendBodyChunkData,
} from "../../../protocol/mod.ts";
import { packetOf } from "../../support/ajp_values.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

test("packets without fields are five bytes", () => {
  assert.equal(encodeHex(encodeShutdown()), "1234000107");
  assert.equal(encodeHex(encodePing()), "1234000108");
});

test("encodeBodyPacket() knows both ends of a body", () => {
  const data = new Uint8Array();
  const bare = encodeBodyPacket({ type: "body", data, bare: true });
  assert.equal(encodeHex(bare), "12340000");
  const counted = encodeBodyPacket({ type: "body", data, bare: false });
  assert.equal(encodeHex(counted), "123400020000");
});

test("body packets and chunks fill a packet to the last byte and no further", () => {
  for (const size of [8192, 65_536]) {
    const body = new Uint8Array(maxBodyPacketData(size)).fill(7);
    const packet = { type: "body" as const, data: body, bare: false };
    assert.equal(encodeBodyPacket(packet, size).length, size);
    const more = { ...packet, data: new Uint8Array(body.length + 1) };
    assertEncodeError(
      () => encodeBodyPacket(more, size),
      "too-large",
      "packet",
    );

    const data = body.subarray(0, maxSendBodyChunkData(size));
    const chunk = { type: "sendBodyChunk" as const, data, terminated: true };
    const bytes = encodeSendBodyChunk(chunk, size);
    assert.equal(bytes.length, size);
    assert.equal(bytes[size - 1], 0);
    const over = { ...chunk, data: new Uint8Array(data.length + 1) };
    assertEncodeError(
      () => encodeSendBodyChunk(over, size),
      "too-large",
      "packet",
    );
  }
  assert.equal(maxBodyPacketData(8192), 8186);
  assert.equal(maxSendBodyChunkData(8192), 8184);
  assert.equal(maxSendBodyChunkData(16_384), 16_376);
});

test("decodeBodyPacket() and decodeSendBodyChunk() give views and refuse lying lengths", () => {
  const body = packetOf([0, 2, 8, 9]);
  assert.equal(decodeBodyPacket(body).data.buffer, body.buffer);
  const chunk = packetOf([3, 0, 2, 8, 9, 0], AJP_FROM_CONTAINER);
  assert.equal(decodeSendBodyChunk(chunk).data.buffer, chunk.buffer);

  const lie = (payload: number[]) => () => decodeBodyPacket(packetOf(payload));
  assertDecodeError(lie([0]), "truncated", "body.length", 4);
  assertDecodeError(lie([0, 3, 8, 9]), "truncated", "body.data", 6);
  assertDecodeError(lie([0xff, 0xff, 8, 9]), "truncated", "body.data", 6);
  assertDecodeError(lie([0, 1, 8, 9]), "trailing-bytes", "body", 7);
  const chunkOf = (payload: number[]) => () =>
    decodeSendBodyChunk(packetOf([3, ...payload], AJP_FROM_CONTAINER));
  assertDecodeError(chunkOf([0, 2, 8]), "truncated", "sendBodyChunk.data", 7);
  assertDecodeError(
    chunkOf([0, 1, 8, 9]),
    "bad-marker",
    "sendBodyChunk.end",
    8,
  );
  assertDecodeError(
    chunkOf([0, 1, 8, 0, 0]),
    "trailing-bytes",
    "sendBodyChunk",
    9,
  );
});

test("decodeSendBodyChunk() takes a chunk without the zero behind it", () => {
  const chunk = decodeSendBodyChunk(decodeHex("41420004030001ff"));
  assert.deepEqual(chunk, {
    type: "sendBodyChunk",
    data: Uint8Array.of(0xff),
    terminated: false,
  });
  assert.equal(encodeHex(encodeSendBodyChunk(chunk)), "41420004030001ff");
});

test("decoders of one packet refuse the others", () => {
  const cpong = decodeHex("4142000109");
  for (
    const decode of [
      decodeSendHeaders,
      decodeSendBodyChunk,
      decodeGetBodyChunk,
      decodeEndResponse,
    ]
  ) assertDecodeError(() => decode(cpong), "bad-marker", "packet.type", 4);
});

test("decodeAjpFromContainer() refuses a type without meaning and fields out of range", () => {
  const decode = (...payload: number[]) => () =>
    decodeAjpFromContainer(packetOf(payload, AJP_FROM_CONTAINER));
  for (const type of [0, 1, 2, 7, 8, 10, 255]) {
    assertDecodeError(decode(type), "unsupported", "packet.type", 4);
  }
  assertDecodeError(decode(), "truncated", "packet.type", 4);
  assertDecodeError(decode(5, 2), "out-of-range", "endResponse.reuse", 5);
  assertDecodeError(decode(5, 1, 0), "trailing-bytes", "endResponse", 6);
  assertDecodeError(decode(9, 0), "trailing-bytes", "cpong", 5);
  assertDecodeError(decode(6, 1), "truncated", "getBodyChunk.requested", 5);
});

test("decoders refuse a length that no packet size allows", () => {
  const head = (length: number) => () =>
    decodeBodyPacket(Uint8Array.of(0x12, 0x34, length >> 8, length));
  assertDecodeError(head(65_532), "truncated", "packet.payload", 4);
  assertDecodeError(head(65_533), "too-large", "packet.length", 2);
  assertDecodeError(head(65_535), "too-large", "packet.length", 2);
});

test("encoders of responses refuse numbers out of range", () => {
  const headers = { type: "sendHeaders" as const, message: null, headers: [] };
  assertEncodeError(
    () => encodeSendHeaders({ ...headers, status: 65_536 }),
    "out-of-range",
    "sendHeaders.status",
  );
  assertEncodeError(
    () => encodeGetBodyChunk({ type: "getBodyChunk", requested: -1 }),
    "out-of-range",
    "getBodyChunk.requested",
  );
  const end = encodeEndResponse({ type: "endResponse", reuse: false });
  assert.equal(encodeHex(end), "414200020500");
});
