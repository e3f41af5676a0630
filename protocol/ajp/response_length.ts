// How much body a response may have: the same on the side that writes it and the one that reads it.
import type { AjpBodyLength } from "./body_length.ts";

/** Tells whether a response has a body: none to HEAD, and none for 1xx, 204, 205 and 304. */
export function responseHasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status >= 200 && status !== 204 &&
    status !== 205 && status !== 304;
}

/** Bytes of body that may come; -1 for any number. */
export function responseBodyLimit(
  hasBody: boolean,
  length: AjpBodyLength,
): number {
  if (!hasBody) return 0;
  return length.type === "length" ? length.length : -1;
}
