import { SC_A_SECRET } from "./attribute.ts";
import type { ForwardRequest } from "./forward_request.ts";

/**
 * Tells whether a request carries the secret. As in Tomcat each secret that it carries must be the
 * right one; one without any fails.
 *
 * The time that it takes depends on the length of what the request carries, and not on where it
 * differs.
 *
 * @param request The request.
 * @param secret The secret, not empty.
 */
export function ajpSecretMatches(
  request: ForwardRequest,
  secret: string,
): boolean {
  let found = false;
  let difference = 0;
  for (const { code, value } of request.attributes) {
    if (code !== SC_A_SECRET) continue;
    found = true;
    difference |= textDifference(
      typeof value === "string" ? value : "",
      secret,
    );
  }
  return found && secret !== "" && difference === 0;
}

/** Zero for equal texts. */
function textDifference(found: string, secret: string): number {
  let difference = found.length ^ secret.length;
  for (let i = 0; i < found.length; i++) {
    // The remainder is an index; where the secret is empty it is NaN, and so is the unit: 0 below.
    difference |= found.charCodeAt(i) ^ secret.charCodeAt(i % secret.length);
  }
  return difference;
}
