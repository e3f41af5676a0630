// FrameParser, once more and slowly: over a whole stream, without chunks, for tests to compare with.
import {
  concatBytes,
  DecodeError,
  encodeHex,
  END_DATA,
  FrameParser,
  START_DATA,
} from "../../protocol/mod.ts";

/** What came of a stream. */
export interface FramesOutcome {
  /** The bodies, hexadecimal. */
  readonly bodies: readonly string[];
  /** The error that ended the stream, its end included. */
  readonly error: FrameError | undefined;
  /** Offset of the first byte that belongs to no complete frame. */
  readonly offset: number;
}

/** The place and kind of an error. */
export interface FrameError {
  /** Code of the DecodeError. */
  readonly code: string;
  /** Its field. */
  readonly field: string;
  /** Its offset. */
  readonly offset: number;
}

/**
 * Feeds a parser group by group and pulls after each; the end of the stream follows.
 *
 * Bodies are looked at when all is over, so that one that was changed afterwards is noticed.
 *
 * @returns What came of it, and the error's text.
 */
export function parseCut(
  feeds: readonly (readonly Uint8Array[])[],
  maxDataLength: number,
): FramesOutcome & { readonly text: string | undefined } {
  const parser = new FrameParser({ maxDataLength });
  const bodies: Uint8Array[] = [];
  let error: FrameError | undefined;
  let text: string | undefined;
  try {
    for (const group of feeds) {
      for (const chunk of group) parser.feed(chunk);
      for (let body; (body = parser.next()) !== undefined;) bodies.push(body);
    }
    parser.end();
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    error = {
      code: thrown.code,
      field: thrown.field,
      offset: thrown.offset,
    };
    text = thrown.message;
  }
  return { bodies: bodies.map(encodeHex), error, text, offset: parser.offset };
}

/** Says what a parser has to make of a stream. */
export function referenceFrames(
  bytes: Uint8Array,
  maxDataLength: number,
): FramesOutcome {
  const bodies: string[] = [];
  let at = 0;
  for (;;) {
    const rest = bytes.subarray(at);
    const error = faultOf(rest, maxDataLength);
    if (error !== undefined || rest.length === 0) {
      const place = error && { ...error, offset: at + error.offset };
      return { bodies, error: place, offset: at };
    }
    const length = lengthOf(rest);
    bodies.push(encodeHex(rest.subarray(11, 11 + length)));
    at += 18 + length;
  }
}

/** What is wrong with the frame at the front, if anything; offsets from its start. */
function faultOf(
  rest: Uint8Array,
  maxDataLength: number,
): FrameError | undefined {
  if (rest.length === 0) return undefined;
  const start = expected(START_DATA, rest.subarray(0, 7));
  if (!start) return { code: "bad-marker", field: "frame.start", offset: 0 };
  const truncated = { code: "truncated", field: "frame", offset: 0 };
  if (rest.length < 11) return truncated;
  const length = lengthOf(rest);
  const lengthFault = { field: "frame.body.length", offset: 7 };
  if (length < 0) return { code: "out-of-range", ...lengthFault };
  if (length > maxDataLength) return { code: "too-large", ...lengthFault };
  const end = 11 + length;
  if (!expected(END_DATA, rest.subarray(end, end + 7))) {
    return { code: "bad-marker", field: "frame.end", offset: end };
  }
  return rest.length < end + 7 ? truncated : undefined;
}

function lengthOf(rest: Uint8Array): number {
  return new DataView(rest.buffer, rest.byteOffset).getInt32(7);
}

/** Whether what is there of a marker is right. */
function expected(marker: Uint8Array, found: Uint8Array): boolean {
  return encodeHex(marker).startsWith(encodeHex(concatBytes([found])));
}
