// Bodies of requests: where their bytes come from, and how they are cut to what the container asks for.
//
// A source is asked synchronously and tells when it has to be waited for, so that bytes at hand leave
// with the request in one write. A stream is read one chunk ahead, which arrives while the container
// has the packet before it. Packets are then full, but no byte at hand waits for the next one.

import { AjpError } from "./ajp_client_error.ts";

/** The body of a request. */
export interface OutgoingBody {
  /** Its length; `undefined` when only its end tells. */
  readonly length: number | undefined;
  /** Its type, where the kind of value says so. */
  readonly contentType: string | null;
  /** Whether it can be opened more than once. */
  readonly replayable: boolean;
  /** Starts to give it out. */
  open(): BodySource;
}

/** A body that is being given out. */
export interface BodySource {
  /**
   * Takes bytes.
   *
   * @param most Most bytes, at least one.
   * @returns One byte or more, borrowed until the next call; `null` at the end; `undefined` when
   * {@linkcode BodySource.ready} has to be awaited first.
   * @throws {Error} When the body failed, or has another length than it should.
   */
  take(most: number): Uint8Array | null | undefined;
  /** Resolves, never rejects, when there is something to take. */
  ready(): Promise<void>;
  /**
   * Nothing more is taken.
   *
   * @param reason Why; `undefined` when the response is over.
   */
  cancel(reason: unknown): void;
}

/**
 * A body of bytes.
 *
 * @param bytes Not changed by anybody from now on.
 */
export function bytesBody(
  bytes: Uint8Array,
  contentType: string | null,
): OutgoingBody {
  return {
    length: bytes.length,
    contentType,
    replayable: true,
    open: () => new BytesSource(bytes),
  };
}

/** A body that a `Blob` holds. */
export function blobBody(
  blob: Blob,
  contentType: string | null,
): OutgoingBody {
  return {
    length: blob.size,
    contentType,
    replayable: true,
    open: () => new StreamSource(blob.stream(), blob.size),
  };
}

/**
 * A body that comes as a stream of byte arrays.
 *
 * @param length How many bytes it has to have, if that is known.
 * @throws {TypeError} When somebody reads it.
 */
export function streamBody(
  stream: ReadableStream<unknown>,
  length: number | undefined,
): OutgoingBody {
  if (stream.locked) {
    throw new TypeError("Cannot send the body: somebody else reads the stream");
  }
  return {
    length,
    contentType: null,
    replayable: false,
    open: () => new StreamSource(stream, length),
  };
}

class BytesSource implements BodySource {
  readonly #bytes: Uint8Array;
  #taken = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(most: number): Uint8Array | null {
    if (this.#taken === this.#bytes.length) return null;
    const part = this.#bytes.subarray(this.#taken, this.#taken + most);
    this.#taken += part.length;
    return part;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  cancel(): void {}
}

class StreamSource implements BodySource {
  readonly #reader: ReadableStreamDefaultReader<unknown>;
  readonly #length: number | undefined;
  #received = 0;
  #chunks: Uint8Array[] = [];
  #available = 0;
  #reading: Promise<void> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(stream: ReadableStream<unknown>, length: number | undefined) {
    this.#reader = stream.getReader();
    this.#length = length;
    this.#read();
  }

  take(most: number): Uint8Array | null | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#available === 0) return this.#ended ? null : undefined;
    const part = this.#cut(Math.min(most, this.#available));
    // What comes meanwhile fills up the next packet.
    if (this.#available < most) this.#read();
    return part;
  }

  ready(): Promise<void> {
    this.#read();
    return this.#reading ?? Promise.resolve();
  }

  cancel(reason: unknown): void {
    this.#chunks = [];
    this.#available = 0;
    if (this.#ended || this.#failure !== undefined) return;
    this.#ended = true;
    const error = reason ??
      new AjpError(
        "closed",
        "Cannot send all of the body: the response is over",
      );
    // Whether its source could be stopped is not the request's concern.
    this.#reader.cancel(error).catch(() => {});
  }

  #read(): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#reading ??= this.#fill().then(
      () => {
        this.#reading = undefined;
      },
      (error) => {
        this.#reading = undefined;
        this.#failure = { error };
      },
    );
  }

  /** Reads one chunk that is not empty, or the end. */
  async #fill(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) {
        this.#ended = true;
        if (this.#length === undefined || this.#received === this.#length) {
          return;
        }
        throw new TypeError(
          `Cannot send the body: it ends after ${this.#received} of ${this.#length} bytes`,
        );
      }
      if (!(value instanceof Uint8Array)) {
        throw this.#refuse("a chunk is no Uint8Array");
      }
      if (value.length === 0) continue;
      this.#received += value.length;
      if (this.#length !== undefined && this.#received > this.#length) {
        throw this.#refuse(`it is longer than ${this.#length} bytes`);
      }
      this.#chunks.push(value);
      this.#available += value.length;
      return;
    }
  }

  #refuse(state: string): TypeError {
    const error = new TypeError(`Cannot send the body: ${state}`);
    this.#reader.cancel(error).catch(() => {}); // this error is told instead
    return error;
  }

  #cut(length: number): Uint8Array {
    this.#available -= length;
    const first = this.#chunks[0]!; // something is available
    if (first.length >= length) {
      if (first.length === length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const joined = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const chunk = this.#chunks[0]!; // the chunks add up to more
      const part = chunk.subarray(0, length - filled);
      joined.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    return joined;
  }
}
