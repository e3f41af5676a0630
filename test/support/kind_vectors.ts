/** Vectors of kinds of values, and the answers of the command line to them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { answerLine } from "../../cli/codec_command.ts";
import type { JsonObject, JsonValue } from "../../cli/json.ts";

/** A vector whose value is `decoded`. */
export interface KindVector {
  /** Its name. */
  readonly id: string;
  /** The release that wrote it: `tomcat-10.1.60`. */
  readonly source: string;
  /** Its bytes. */
  readonly hex: string;
  /** Its value. */
  readonly decoded: JsonObject;
}

/** The vectors of a category, of which there are some. */
export function kindVectors(category: string): KindVector[] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  const file = JSON.parse(readFileSync(url, "utf8")) as {
    vectors: KindVector[];
  };
  assert(file.vectors.length > 0);
  return file.vectors;
}

/** An answer of either command, with the fields of all answers. */
export interface KindAnswer {
  readonly ok: boolean;
  readonly value: JsonObject;
  readonly same: boolean;
  readonly hex: string;
  readonly error: { readonly code: string; readonly field: string };
}

/** Lets `tribes decode --roundtrip` or `tribes encode` answer a line. */
export async function ask(
  direction: "decode" | "encode",
  fields: JsonObject,
): Promise<KindAnswer> {
  const text = JSON.stringify(fields);
  const answer = await answerLine({ type: "text", text }, {
    direction,
    roundtrip: true,
  });
  return JSON.parse(answer) as KindAnswer;
}

/** The fields of `found` that `wanted` has. */
export function same(
  found: JsonValue | undefined,
  wanted: JsonValue,
): JsonValue {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    return found.map((item, i) => same(item, wanted[i] ?? null));
  }
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
    return found ?? null;
  }
  return Object.fromEntries(
    Object.keys(wanted).map((name) => [
      name,
      same((found as JsonObject)[name], (wanted as JsonObject)[name]!), // it has the key
    ]),
  );
}
