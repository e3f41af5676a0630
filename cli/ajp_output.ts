// Bytes to standard output, which a command's `write` takes text for only.
import process from "node:process";
import { OutputClosedError } from "./command.ts";

const GONE = ["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET"];

/**
 * Writes bytes to standard output.
 *
 * @returns When they have left the process.
 * @throws {OutputClosedError} When nobody reads any more.
 */
export function writeBytes(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (!error) return resolve();
      const code = "code" in error ? String(error.code) : "";
      const cause = error;
      reject(GONE.includes(code) ? new OutputClosedError({ cause }) : cause);
    });
  });
}
