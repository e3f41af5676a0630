// Configurations for tests, in few words.
import { readFileSync } from "node:fs";
import type { ConfigWarning } from "../../config/mod.ts";

/** Packages of Tomcat's classes. */
export const TRIBES = "org.apache.catalina.tribes";
/** Package of the classes of a cluster. */
export const HA = "org.apache.catalina.ha";

/** A `<Cluster>` with attributes and elements. */
export function cluster(inner = "", attributes = ""): string {
  return `<Cluster className="${HA}.tcp.SimpleTcpCluster" ${attributes}>${inner}</Cluster>`;
}

/** A `<Channel>` with elements and attributes. */
export function channel(inner = "", attributes = ""): string {
  return `<Channel className="${TRIBES}.group.GroupChannel" ${attributes}>${inner}</Channel>`;
}

/** An `<Interceptor>` by its class name without package. */
export function interceptor(name: string, attributes = "", inner = ""): string {
  return `<Interceptor className="${TRIBES}.group.interceptors.${name}" ${attributes}>${inner}</Interceptor>`;
}

/** A `<Receiver>`. */
export function receiver(attributes: string): string {
  return `<Receiver className="${TRIBES}.transport.nio.NioReceiver" ${attributes}/>`;
}

/** A `<Membership>`. */
export function membership(
  attributes: string,
  type = "McastService",
  inner = "",
): string {
  return `<Membership className="${TRIBES}.membership.${type}" ${attributes}>${inner}</Membership>`;
}

/** A `<Manager>`. */
export function manager(type: string, attributes = "", inner = ""): string {
  return `<Manager className="${HA}.session.${type}" ${attributes}>${inner}</Manager>`;
}

/** A `<Member>` with a unique id. */
export function member(attributes: string): string {
  return `<Member ${attributes} uniqueId="{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,-1}"/>`;
}

/** One of the two published configurations. */
export function tutorial(number: 1 | 2): string {
  return readFileSync(
    new URL(`./tutorial_${number}.xml`, import.meta.url),
    "utf8",
  );
}

/** Warnings as `CODE ELEMENT LINE:COLUMN`. */
export function brief(warnings: readonly ConfigWarning[]): string[] {
  return warnings.map(({ code, element, line, column }) =>
    `${code} ${element} ${line}:${column}`
  );
}
