// A cluster in which one element has every attribute of its table, for a Tomcat to read.
import type {
  AttributeRule,
  ElementRules,
} from "../../config/attribute_rule.ts";
import { VALVE_RULES } from "../../config/cluster_rules.ts";
import { INTERCEPTOR_PACKAGE } from "../../config/interceptor_rules.ts";

const TRIBES = "org.apache.catalina.tribes";
const HA = "org.apache.catalina.ha";
const PACKAGES: Readonly<Record<string, string>> = {
  Cluster: `${HA}.tcp`,
  Channel: `${TRIBES}.group`,
  Membership: `${TRIBES}.membership`,
  Member: `${TRIBES}.membership`,
  LocalMember: `${TRIBES}.membership`,
  Receiver: `${TRIBES}.transport.nio`,
  Transport: `${TRIBES}.transport.nio`,
  Interceptor: INTERCEPTOR_PACKAGE,
  Manager: `${HA}.session`,
  SessionIdGenerator: "org.apache.catalina.util",
  Deployer: `${HA}.deploy`,
};
/** Values that have a form of their own. */
const VALUES: Readonly<Record<string, string>> = {
  uniqueId: "{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}",
  host: "127.0.0.1",
  bind: "127.0.0.1",
  encryptionKey: "000102030405060708090a0b0c0d0e0f",
};

/**
 * Makes the cluster.
 *
 * @param heading `Receiver: NioReceiver`.
 */
export function elementXml(
  heading: string,
  // deno-lint-ignore no-explicit-any -- rules of any element
  { attributes }: ElementRules<any>,
): string {
  const [name = "", type = ""] = heading.split(": ");
  const written = Object.entries(
    attributes as Readonly<Record<string, AttributeRule>>,
  ).map(([attribute, rule]) =>
    `${attribute}="${VALUES[attribute] ?? rule.default ?? sample(rule)}"`
  );
  const xml = element(name, className(name, type), "", written.join(" "));
  switch (name) {
    case "Cluster":
      return xml;
    case "SessionIdGenerator":
      return cluster(element("Manager", `${HA}.session.DeltaManager`, xml));
    case "Transport":
      return cluster(
        channel(
          element("Sender", `${TRIBES}.transport.ReplicationTransmitter`, xml),
        ),
      );
    case "Member":
    case "LocalMember":
      return cluster(
        channel(
          element(
            "Interceptor",
            `${INTERCEPTOR_PACKAGE}.StaticMembershipInterceptor`,
            xml,
          ),
        ),
      );
    case "Membership":
    case "Receiver":
    case "Interceptor":
      return cluster(channel(xml));
    default:
      return cluster(xml);
  }
}

function className(name: string, type: string): string {
  const valve = Object.keys(VALVE_RULES)
    .find((known) => known.endsWith(`.${type}`));
  if (valve !== undefined) return valve;
  const cloud = type === "CloudMembershipService" ? ".cloud" : "";
  return `${PACKAGES[name]}${cloud}.${type}`;
}

function sample({ kind }: AttributeRule): string {
  return kind === "integer" ? "1" : kind === "boolean" ? "true" : "x";
}

function cluster(inner: string): string {
  return element("Cluster", `${HA}.tcp.SimpleTcpCluster`, inner);
}

function channel(inner: string): string {
  return element("Channel", `${TRIBES}.group.GroupChannel`, inner);
}

function element(
  name: string,
  className: string,
  inner: string,
  attributes = "",
): string {
  return `<${name} className="${className}" ${attributes}>${inner}</${name}>`;
}
