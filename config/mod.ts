/**
 * Tomcat's server.xml: its cluster as values, what in it is a mistake or has no effect here, and the
 * channel that joins that cluster.
 *
 * @example
 * ```ts
 * import { parseClusterConfig } from "@tribes/toolkit/config";
 * import assert from "node:assert/strict";
 *
 * const { config } = parseClusterConfig(`
 *   <Engine name="Catalina" defaultHost="localhost" jvmRoute="a">
 *     <Cluster className="org.apache.catalina.ha.tcp.SimpleTcpCluster"/>
 *   </Engine>`);
 * assert.deepEqual(config.placement, { level: "Engine", name: "Catalina", jvmRoute: "a" });
 * assert.equal(config.cluster.channelSendOptions, 8);
 * ```
 *
 * @module
 */
export * from "./channel.ts";
export { checkClusterConfig } from "./checks.ts";
export * from "./cluster_config.ts";
export type { ConfigPlaces, ElementPlace } from "./element_reader.ts";
export * from "./errors.ts";
export * from "./format_cluster_config.ts";
export type { MembershipInit } from "./membership.ts";
export * from "./parse_cluster_config.ts";
export * from "./properties.ts";
export {
  decodeXml,
  MAX_XML_DEPTH,
  MAX_XML_ELEMENTS,
  MAX_XML_LENGTH,
} from "./xml.ts";
