import { open } from "node:fs/promises";

/** A file that is sent as a request's body. */
export interface FileBody {
  /** Its bytes, read as they are wanted. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Its length; `undefined` for what is no regular file. */
  readonly length: number | undefined;
  /** Closes it. */
  close(): Promise<void>;
}

const CHUNK = 65_536;

/**
 * Opens a file.
 *
 * @throws {Error} When it cannot be read.
 */
export async function openFileBody(path: string): Promise<FileBody> {
  const file = await open(path);
  const stat = await file.stat();
  if (stat.isDirectory()) {
    await file.close();
    throw new Error("it is a directory");
  }
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { bytesRead, buffer } = await file.read(
        new Uint8Array(CHUNK),
        0,
        CHUNK,
        null,
      );
      if (bytesRead === 0) controller.close();
      else controller.enqueue(buffer.subarray(0, bytesRead));
    },
  }, { highWaterMark: 0 });
  return {
    stream,
    length: stat.isFile() ? stat.size : undefined,
    close: () => file.close(),
  };
}
