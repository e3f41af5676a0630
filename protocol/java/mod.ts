/**
 * The Java object stream: what `ObjectOutputStream` writes and `ObjectInputStream` reads.
 *
 * - {@linkcode decodeJavaStream} and {@linkcode encodeJavaStream} turn a stream into a tree and back without
 *   any loss; {@linkcode decodeJavaObject} and {@linkcode encodeJavaObject} do so for one object.
 * - {@linkcode JavaObjectInput} reads what a writeExternal or writeObject method wrote (or a whole stream of
 *   values), {@linkcode JavaObjectOutput} writes it.
 * - {@linkcode javaField}, {@linkcode setJavaFields}, {@linkcode javaObject}, {@linkcode javaExternalizable}
 *   and {@linkcode javaClassDesc} read, change and make objects; {@linkcode javaString},
 *   {@linkcode javaInteger}, {@linkcode javaByteArray} and others make those of Java's own classes.
 *
 * Nothing is ever instantiated by name: an object is data, whatever its class.
 *
 * @example An externalizable object with bytes and an object inside, there and back
 * ```ts
 * import {
 *   decodeJavaObject,
 *   encodeJavaObject,
 *   javaClassDesc,
 *   javaCustomData,
 *   javaExternalizable,
 *   JavaObjectInput,
 *   JavaObjectOutput,
 *   javaString,
 * } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const TICKET = javaClassDesc({
 *   name: "example.Ticket",
 *   serialVersionUID: 1n,
 *   flags: 0x0c, // externalizable, in blocks
 * });
 * const output = new JavaObjectOutput();
 * output.writeInt(7);
 * output.writeObject(javaString("seat"));
 * const bytes = encodeJavaObject(javaExternalizable(TICKET, output.contents()));
 *
 * const node = decodeJavaObject(bytes);
 * assert(node?.kind === "object");
 * const input = new JavaObjectInput(javaCustomData(node), { name: "ticket", source: bytes });
 * assert.equal(input.readInt("number"), 7);
 * assert.deepEqual(input.readObject("seat"), javaString("seat"));
 * input.end();
 * ```
 *
 * @module
 */
export * from "./block_data.ts";
export * from "./build.ts";
export * from "./class_desc.ts";
export * from "./fields.ts";
export {
  DEFAULT_MAX_JAVA_DEPTH,
  type JavaStreamLimits,
  resolveJavaStreamLimits,
} from "./limits.ts";
export * from "./modified_utf8.ts";
export * from "./standard_classes.ts";
export * from "./stream_constants.ts";
export * from "./stream_reader.ts";
export * from "./stream_writer.ts";
export * from "./tree.ts";
export * from "./values/mod.ts";
