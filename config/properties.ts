/** Gives the value of a property, such as one of the environment; `undefined` if it is not set. */
export type PropertySource = (name: string) => string | undefined;

/** A value with its properties filled in. */
export interface Substituted {
  /** The value; a property that is not set stands in it as written. */
  readonly value: string;
  /** Names of properties that are not set and have no default. */
  readonly unresolved: readonly string[];
}

/**
 * Replaces `${name}` and `${name:-default}` as Tomcat does. What comes in is not looked through again.
 *
 * @example
 * ```ts
 * import { substituteProperties } from "@tribes/toolkit/config";
 * import assert from "node:assert/strict";
 *
 * const source = (name: string) => ({ port: "4001" })[name];
 * assert.equal(substituteProperties("${port}", source).value, "4001");
 * assert.equal(substituteProperties("${host:-auto}", source).value, "auto");
 * assert.deepEqual(substituteProperties("${host}", source).unresolved, ["host"]);
 * ```
 */
export function substituteProperties(
  text: string,
  source: PropertySource,
): Substituted {
  const unresolved: string[] = [];
  const value = text.replace(/\$\{([^}]*)\}/g, (written, name: string) => {
    const found = source(name);
    if (found !== undefined) return found;
    const colon = name.indexOf(":-");
    if (colon >= 0) {
      return source(name.slice(0, colon)) ?? name.slice(colon + 2);
    }
    unresolved.push(name);
    return written;
  });
  return { value, unresolved };
}
