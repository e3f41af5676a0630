// What headers must not hold, on either side: a line that ends early is a header, or a request, more.
import type { AjpHeader } from "./header.ts";

/** The header that breaks a rule. */
export interface HeaderFault {
  /** `name` or `value`. */
  readonly part: "name" | "value";
  /** What is wrong. */
  readonly state: string;
}

/** Finds the first header that no HTTP message may have: a bad name, or a line break or NUL in its value. */
export function headerFault(
  headers: readonly AjpHeader[],
): HeaderFault | undefined {
  for (let i = 0; i < headers.length; i++) {
    const { code, name, value } = headers[i]!; // i < length
    if (code === 0 && !isToken(name)) {
      return { part: "name", state: `${JSON.stringify(name)} is not a token` };
    }
    if (value !== null && hasBreak(value)) {
      const state = `the value of ${name} has a line break or NUL`;
      return { part: "value", state };
    }
  }
  return undefined;
}

/** Tells whether text is a token, as names of methods and headers are (RFC 9110, 5.6.2). */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f || TOKEN[unit] === 0) return false;
  }
  return text.length > 0;
}

/** Puts a space in the place of each control character but tab, as Tomcat writes headers. */
export function withoutControls(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (isControl(text.charCodeAt(i))) return replaceControls(text);
  }
  return text;
}

const TOKEN: Uint8Array = tokenTable();

function tokenTable(): Uint8Array {
  const table = new Uint8Array(128);
  const allowed = "!#$%&'*+-.^_`|~0123456789" +
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (const character of allowed) table[character.charCodeAt(0)] = 1;
  return table;
}

function hasBreak(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 14 && (unit === 0 || unit === 10 || unit === 13)) return true;
  }
  return false;
}

function isControl(unit: number): boolean {
  return unit < 0x20 && unit !== 9 || unit === 0x7f;
}

function replaceControls(text: string): string {
  return Array.from(
    text,
    (character) => isControl(character.charCodeAt(0)) ? " " : character,
  ).join("");
}
