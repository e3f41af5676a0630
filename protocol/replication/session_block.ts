// Sessions in a row: the data of EVT_ALL_SESSION_DATA.
import { DEFAULT_GENERATION, type Generation } from "../generation.ts";
import { JavaObjectOutput } from "../java/block_data.ts";
import { encodeJavaStream } from "../java/stream_writer.ts";
import { ContentCursor } from "./content_cursor.ts";
import {
  type DeltaSession,
  type DeltaSessionReadOptions,
  readCount,
  readDeltaSession,
  valuesOf,
  writeDeltaSession,
  writesListeners,
} from "./delta_session.ts";
import { SharedBoxes } from "./shared_boxes.ts";

/**
 * Encodes sessions. An object that occurs in several is written once.
 *
 * @param generation The release that is to read them; the newest by default.
 * @returns A stream, in a fresh, exact array.
 * @throws {EncodeError} When a value has no wire form.
 * @example
 * ```ts
 * import {
 *   createDeltaSession,
 *   decodeSessionBlock,
 *   encodeSessionBlock,
 *   parseGeneration,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const sessions = [createDeltaSession({ id: "AB.node1" }), createDeltaSession({ id: "CD.node2" })];
 * const bytes = encodeSessionBlock(sessions, parseGeneration("9.0"));
 * assert.deepEqual(decodeSessionBlock(bytes), sessions);
 * ```
 */
export function encodeSessionBlock(
  sessions: readonly DeltaSession[],
  generation: Generation = DEFAULT_GENERATION,
): Uint8Array<ArrayBuffer> {
  const boxes = new SharedBoxes();
  for (const session of sessions) {
    boxes.adopt(valuesOf(session, generation));
  }
  const output = new JavaObjectOutput();
  output.writeObject(boxes.integer(sessions.length));
  for (const session of sessions) {
    writeDeltaSession(output, session, generation, boxes);
  }
  return encodeJavaStream(output.contents(), { shareEqualClasses: true });
}

/**
 * Decodes sessions of any release.
 *
 * Borrowed: values refer to `bytes`.
 * Source: `org.apache.catalina.ha.session.DeltaManager#deserializeSessions`.
 *
 * @throws {DecodeError} `truncated`, `malformed`, `out-of-range`, `trailing-bytes`, and what a stream's reader
 * throws.
 */
export function decodeSessionBlock(
  bytes: Uint8Array,
  options: DeltaSessionReadOptions = {},
): DeltaSession[] {
  const { generation = DEFAULT_GENERATION, ...limits } = options;
  const cursor = ContentCursor.ofStream(bytes, "sessionBlock", limits);
  const mayEnd = !writesListeners(generation);
  const count = readCount(cursor, "sessions");
  const sessions: DeltaSession[] = [];
  while (sessions.length < count) {
    sessions.push(readDeltaSession(cursor, mayEnd));
  }
  cursor.end();
  return sessions;
}
