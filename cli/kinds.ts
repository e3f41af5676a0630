// The table of kinds: a new one is a row of a list here, and nothing else changes.
import { AJP_KINDS } from "./ajp_kinds.ts";
import { COORDINATION_KINDS } from "./coordination_kinds.ts";
import { JAVA_KINDS } from "./java_kinds.ts";
import { INTERCEPTOR_KINDS } from "./interceptor_kinds.ts";
import type { Kind } from "./kind.ts";
import { REPLICATION_KINDS } from "./replication_kinds.ts";
import { RPC_KINDS } from "./rpc_kinds.ts";
import { TRIBES_KINDS } from "./tribes_kinds.ts";

/** Every kind by its name, in the order in which they are listed. */
export const KINDS: ReadonlyMap<string, Kind> = new Map(
  [
    ...TRIBES_KINDS,
    ...INTERCEPTOR_KINDS,
    ...COORDINATION_KINDS,
    ...RPC_KINDS,
    ...REPLICATION_KINDS,
    ...JAVA_KINDS,
    ...AJP_KINDS,
  ].map((
    kind,
  ) => [kind.name, kind]),
);
