// What happens in a node, as values; how it is shown is the business of the outputs.
import type { ChannelErrorCode } from "../transport/mod.ts";
import type { ChannelData, Member } from "../protocol/mod.ts";

/** Codes of `error` events. */
export type NodeErrorCode = ChannelErrorCode | "bad-command";

/** Totals of a node since its start. */
export interface NodeTotals {
  sent: number;
  received: number;
  bytesSent: number;
  bytesReceived: number;
  errors: number;
}

/** Something that happened in a node. */
export type NodeEvent =
  | {
    readonly event: "ready";
    readonly member: Member;
    readonly membership: readonly string[];
  }
  | {
    readonly event: "memberAdded" | "memberDisappeared";
    readonly member: Member;
  }
  | { readonly event: "message"; readonly message: ChannelData }
  | {
    readonly event: "sent";
    readonly uniqueId: Uint8Array;
    readonly options: number;
    readonly destinations: number;
    readonly body: Uint8Array;
    readonly count: number;
    readonly milliseconds: number;
    readonly tag: unknown;
  }
  | {
    readonly event: "error";
    readonly code: NodeErrorCode;
    readonly message: string;
    readonly faultyMembers: readonly Member[];
    readonly tag?: unknown;
  }
  | {
    readonly event: "warning";
    readonly code: string;
    readonly message: string;
    /** The element of a configuration, and where it stands. */
    readonly element?: string;
    readonly line?: number;
    readonly column?: number;
  }
  | {
    readonly event: "members";
    readonly members: readonly Member[];
    readonly tag: unknown;
  }
  | {
    readonly event: "stats";
    readonly totals: NodeTotals;
    readonly queued: number;
    readonly interceptors: Readonly<Record<string, unknown>>;
  }
  | { readonly event: "stopped" };

/** Shows the events of a node. */
export interface NodeOutput {
  /**
   * Shows one event. Bytes in it are borrowed.
   *
   * @returns A promise only where the reader is behind: whoever makes events should wait for it.
   */
  show(event: NodeEvent, time: number): void | Promise<void>;
  /** Resolves when everything is shown. */
  flush(): Promise<void>;
}
