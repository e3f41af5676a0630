/**
 * AJP13 between web servers and containers: a server for applications behind Apache httpd, and a
 * client to talk to Tomcat. Both take a transport; `gateway/node.ts` has them on real sockets.
 *
 * @module
 */
export * from "./ajp_client.ts";
export * from "./ajp_server.ts";
