/** Code of a method that has none of its own: its name is an attribute. */
export const SC_M_JK_STORED = 0xff;

// In the order of their codes, from 1 on.
const METHODS: readonly string[] = [
  "OPTIONS",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "TRACE",
  "PROPFIND",
  "PROPPATCH",
  "MKCOL",
  "COPY",
  "MOVE",
  "LOCK",
  "UNLOCK",
  "ACL",
  "REPORT",
  "VERSION-CONTROL",
  "CHECKIN",
  "CHECKOUT",
  "UNCHECKOUT",
  "SEARCH",
  "MKWORKSPACE",
  "UPDATE",
  "LABEL",
  "MERGE",
  "BASELINE-CONTROL",
  "MKACTIVITY",
];

const CODES: ReadonlyMap<string, number> = new Map(
  METHODS.map((name, i) => [name, i + 1]),
);

/**
 * Name of a method.
 *
 * @param code Its code, 1 to 27.
 * @returns The name; `undefined` for {@linkcode SC_M_JK_STORED} and codes that mean nothing.
 */
export function ajpMethodName(code: number): string | undefined {
  return METHODS[code - 1];
}

/**
 * Code of a method.
 *
 * @param name Its name; methods differ in case.
 * @returns 1 to 27, or {@linkcode SC_M_JK_STORED} for a method without a code, such as PATCH.
 */
export function ajpMethodCode(name: string): number {
  return CODES.get(name) ?? SC_M_JK_STORED;
}
