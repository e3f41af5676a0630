/**
 * Pure, synchronous encoders and decoders of the wire formats: bytes in, values out. Nothing here
 * opens a socket, reads a clock or draws a random number, so that it runs wherever JavaScript does.
 *
 * @example What a node says in its beacon
 * ```ts
 * import { decodeBeacon, decodeHex, formatMember } from "@tribes/toolkit/protocol";
 * import assert from "node:assert/strict";
 *
 * const beacon = decodeHex(
 *   "5452494245532d4201000000003500000000000030390000" +
 *     "0fa0ffffffffffffffff047f00000100000000000000000102030405060708" +
 *     "090a0b0c0d0e0f10000000005452494245532d450100",
 * );
 * assert.equal(formatMember(decodeBeacon(beacon)), "127.0.0.1:4000");
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export * from "./bytes/mod.ts";
export * from "./generation.ts";
export * from "./ajp/mod.ts";
export * from "./java/mod.ts";
export * from "./replication/mod.ts";
export * from "./tribes/mod.ts";
