/**
 * Sockets and what moves messages over them: the transport interface, a simulated network, the
 * receiver with its acknowledgements, and the sender with its queues.
 *
 * @module
 */
export * from "./errors.ts";
export * from "./memory.ts";
export * from "./receiver.ts";
export * from "./sender.ts";
export * from "./types.ts";
