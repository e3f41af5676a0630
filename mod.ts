/**
 * Apache Tomcat clustering for JavaScript: everything that needs no sockets of its own. Node
 * transports are in `./transport/node` and `./channel/node`.
 *
 * @module
 */
export * from "./protocol/mod.ts";
export * from "./transport/mod.ts";
export * from "./membership/mod.ts";
export * from "./channel/mod.ts";
