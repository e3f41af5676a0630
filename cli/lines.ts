import { concatBytes, copyBytes } from "../protocol/mod.ts";

/** Greatest line that is read, in bytes: more than the greatest frame in hexadecimal. */
export const MAX_LINE_LENGTH: number = 256 * 1024 * 1024;

/** One line, or why it cannot be read. */
export type Line =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "unreadable"; readonly reason: string };

const NEWLINE = 0x0a;

/**
 * Splits input into lines of UTF-8. A last line without a newline counts.
 *
 * @param input Chunks, cut anywhere.
 * @param maxLength Greatest line, in bytes; what is beyond it is dropped as it comes.
 * @returns The lines that each chunk completed, so that they can be answered together.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  maxLength: number = MAX_LINE_LENGTH,
): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let parts: Uint8Array[] = []; // of the line that is not complete
  let length = 0;

  const add = (part: Uint8Array) => {
    length += part.length;
    if (length > maxLength) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const finish = (): Line => {
    const line = length > maxLength
      ? unreadable(`${length} bytes > ${maxLength}`)
      : decodeLine(decoder, parts);
    parts = [];
    length = 0;
    return line;
  };

  for await (const chunk of input) {
    const lines: Line[] = [];
    let at = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, at)) >= 0; at = end + 1) {
      add(chunk.subarray(at, end));
      lines.push(finish());
    }
    // A copy: whoever gave the chunk may reuse it.
    add(copyBytes(chunk.subarray(at)));
    if (lines.length > 0) yield lines;
  }
  if (length > 0) yield [finish()];
}

function decodeLine(
  decoder: TextDecoder,
  parts: readonly Uint8Array[],
): Line {
  try {
    return { type: "text", text: decoder.decode(concatBytes(parts)) };
  } catch {
    return unreadable("it is not UTF-8");
  }
}

function unreadable(reason: string): Line {
  return { type: "unreadable", reason };
}
