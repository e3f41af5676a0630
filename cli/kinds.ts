// The table of kinds: a new one is a row of a list here, and nothing else changes.
import { AJP_KINDS } from "./ajp_kinds.ts";
import type { Kind } from "./kind.ts";
import { TRIBES_KINDS } from "./tribes_kinds.ts";

/** Every kind by its name, in the order in which they are listed. */
export const KINDS: ReadonlyMap<string, Kind> = new Map(
  [...TRIBES_KINDS, ...AJP_KINDS].map((kind) => [kind.name, kind]),
);
