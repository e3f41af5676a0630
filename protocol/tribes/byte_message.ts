// Raw bytes as a Java object: what a ByteMessage is inside another object. Alone its bytes are the
// message's body.
import { javaClassDesc } from "../java/standard_classes.ts";
import { JavaObjectInput, JavaObjectOutput } from "../java/block_data.ts";
import { javaCustomData, javaExternalizable } from "../java/fields.ts";
import type { JavaNode, JavaObject } from "../java/tree.ts";

const NAME = "org.apache.catalina.tribes.ByteMessage";
const CLASS = javaClassDesc({
  name: NAME,
  serialVersionUID: 0x7f57970a7babe10dn,
  flags: 0x0c, // externalizable, in blocks
});

/**
 * Makes a ByteMessage object of bytes.
 *
 * @param bytes The bytes; copied.
 */
export function javaByteMessage(bytes: Uint8Array): JavaObject {
  const output = new JavaObjectOutput();
  output.writeLengthAndBytes(bytes);
  return javaExternalizable(CLASS, output.contents());
}

/**
 * The bytes of a ByteMessage object.
 *
 * @returns `undefined` for anything else. Borrowed, where one block holds them.
 * @throws {DecodeError} When the object's data is not a ByteMessage's.
 */
export function byteMessageBytes(
  node: JavaNode,
  source?: Uint8Array,
): Uint8Array | undefined {
  if (node?.kind !== "object" || node.classDesc.kind !== "class-desc") {
    return undefined;
  }
  if (node.classDesc.name !== NAME) return undefined;
  const input = new JavaObjectInput(javaCustomData(node), {
    name: "byteMessage",
    ...source === undefined ? {} : { source },
  });
  const bytes = input.readLengthAndBytes("bytes");
  input.end();
  return bytes;
}
