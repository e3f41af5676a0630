import type { Command } from "commander";

/** Where a command reads and writes; a test puts something else in place of the process. */
export interface CommandIo {
  /** Standard input. Asking for it begins to read. */
  readonly input: AsyncIterable<Uint8Array>;
  /**
   * Writes to standard output.
   *
   * @returns When the text has left the process: a slow reader slows the writer down, and nothing is
   * lost at the end.
   * @throws {OutputClosedError} When nobody reads any more.
   */
  readonly write: (text: string) => Promise<void>;
  /** Writes one line to standard error. */
  readonly writeError: (line: string) => Promise<void>;
}

/** A sub-command: adds itself, its options and its action to the program. */
export type RegisterCommand = (program: Command, io: CommandIo) => void;

/** The arguments are wrong: exit status 2, and the text names the option and the value. */
export class UsageError extends Error {
  /** Makes the error. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The reader of standard output has gone, which is no fault: `tribes ... | head` ends quietly. */
export class OutputClosedError extends Error {
  /** Makes the error. */
  constructor(options?: ErrorOptions) {
    super("Cannot write to standard output: it is closed", options);
    this.name = "OutputClosedError";
  }
}
