import process from "node:process";
import { type CommandIo, OutputClosedError } from "./command.ts";

/** Standard input, output and error of this process. */
export function processIo(): CommandIo {
  // A failed write rejects; without listeners the same error would end the process first.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  return {
    get input() {
      return process.stdin;
    },
    write: async (text) => {
      try {
        await write(process.stdout, text);
      } catch (cause) {
        throw isClosed(cause) ? new OutputClosedError({ cause }) : cause;
      }
    },
    writeError: async (line) => {
      try {
        await write(process.stderr, `${line}\n`);
      } catch {
        // Nobody reads errors: there is no other place to tell it.
      }
    },
  };
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function isClosed(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return ["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET"].includes(String(code));
}
