// Who a member of a cloud is: platforms have no unique ids of 16 bytes, but Tomcat's digests make
// one of what they have.
import { createHash } from "node:crypto";

/**
 * The unique id that Tomcat gives a member whose platform knows it by a text.
 *
 * @param text What it is known by: an address, or a pod's uid. A character that ASCII does not have
 * counts as a question mark, as in Java.
 * @returns The MD5 of the text, 16 bytes; never a secret.
 */
export function cloudUniqueId(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(text, (character) => {
    const code = character.codePointAt(0)!; // a character has one
    return code > 0x7f ? 0x3f : code;
  });
  return Uint8Array.from(createHash("md5").update(bytes).digest());
}

/**
 * An address as Java writes it: IPv6 has eight groups, of which none is left out.
 *
 * @param host The address bytes of a member.
 * @returns `10.0.0.1`, `fe80:0:0:0:0:0:0:1`.
 */
export function javaAddress(host: Uint8Array): string {
  if (host.length !== 16) return host.join(".");
  return Array.from(
    { length: 8 },
    (_, i) => (host[2 * i]! << 8 | host[2 * i + 1]!).toString(16), // 16 bytes
  ).join(":");
}
