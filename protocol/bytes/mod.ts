/**
 * Bytes: a reader that names what it reads, a writer of exact buffers, hexadecimal.
 *
 * @module
 */
export { ByteReader } from "./byte_reader.ts";
export { ByteWriter } from "./byte_writer.ts";
export { concatBytes, copyBytes, equalBytes } from "./bytes.ts";
export { decodeHex, encodeHex } from "./hex.ts";
