// A configuration back to XML, always in the same form.
import type { AttributeRule, ElementRules } from "./attribute_rule.ts";
import {
  CHANNEL_RULES,
  CLOUD_MEMBERSHIP_RULES,
  LOCAL_MEMBER_RULES,
  MCAST_RULES,
  MEMBER_RULES,
  RECEIVER_RULES,
  SENDER_RULES,
  STATIC_MEMBERSHIP_RULES,
} from "./channel_rules.ts";
import type {
  ChannelConfig,
  ClassConfig,
  ClusterConfig,
  InterceptorConfig,
  ManagerConfig,
  MembershipConfig,
  StaticMemberAttributes,
} from "./cluster_config.ts";
import {
  BACKUP_MANAGER_RULES,
  CLUSTER_RULES,
  DELTA_MANAGER_RULES,
  DEPLOYER_RULES,
  LISTENER_RULES,
  SESSION_ID_RULES,
  VALVE_RULES,
} from "./cluster_rules.ts";
import { shortName } from "./element_reader.ts";
import { INTERCEPTOR_PACKAGE, INTERCEPTOR_RULES } from "./interceptor_rules.ts";

const TRIBES = "org.apache.catalina.tribes";
const HA = "org.apache.catalina.ha";

/** Options of {@linkcode formatClusterConfig}. */
export interface FormatClusterConfigOptions {
  /**
   * Whether attributes that have their default are written, too.
   * @default {false}
   */
  readonly defaults?: boolean;
}

interface Output {
  readonly name: string;
  readonly attributes: readonly (readonly [string, string])[];
  readonly children: readonly Output[];
}

/**
 * Writes a configuration as XML that {@linkcode parseClusterConfig} reads as an equal one. The
 * elements around a cluster are those that its placement needs, with Tomcat's usual names.
 *
 * A `${` in a value would be read as a property: Tomcat has no way to write it otherwise.
 *
 * @throws {RangeError} For a character that XML cannot have.
 * @example
 * ```ts
 * import { formatClusterConfig, parseClusterConfig } from "@tribes/toolkit/config";
 * import assert from "node:assert/strict";
 *
 * const { config } = parseClusterConfig(
 *   `<Cluster className="org.apache.catalina.ha.tcp.SimpleTcpCluster" channelSendOptions="6"/>`,
 * );
 * assert.deepEqual(parseClusterConfig(formatClusterConfig(config)).config, config);
 * ```
 */
export function formatClusterConfig(
  config: ClusterConfig,
  options: FormatClusterConfigOptions = {},
): string {
  const cluster = clusterOutput(config, options.defaults ?? false);
  return format(around(cluster, config.placement), "");
}

function around(
  cluster: Output,
  placement: ClusterConfig["placement"],
): Output {
  if (placement === undefined) return cluster;
  const { level, name, jvmRoute } = placement;
  const own = optional("name", name);
  const isHost = level === "Host";
  const host: Output = {
    name: "Host",
    attributes: [...own, ["appBase", "webapps"]],
    children: [cluster],
  };
  if (isHost && jvmRoute === undefined) return host;
  return {
    name: "Engine",
    attributes: [
      ...(isHost ? optional("name", "Catalina") : own),
      ["defaultHost", (isHost ? name : undefined) ?? "localhost"],
      ...optional("jvmRoute", jvmRoute),
    ],
    children: [isHost ? host : cluster],
  };
}

function optional(
  name: string,
  value: string | undefined,
): (readonly [string, string])[] {
  return value === undefined ? [] : [[name, value]];
}

function clusterOutput(config: ClusterConfig, all: boolean): Output {
  const { deployer, valves, listeners } = config;
  return element(
    "Cluster",
    `${HA}.tcp.SimpleTcpCluster`,
    attributesOf(config.cluster, CLUSTER_RULES, all),
    [
      managerOutput(config.manager, all),
      channelOutput(config.channel, all),
      ...valves.map((valve) => classOutput("Valve", valve, VALVE_RULES)),
      ...(deployer === undefined ? [] : [element(
        "Deployer",
        `${HA}.deploy.FarmWarDeployer`,
        attributesOf(deployer, DEPLOYER_RULES, all),
      )]),
      ...listeners.map((listener) =>
        classOutput("ClusterListener", listener, LISTENER_RULES)
      ),
    ],
  );
}

function managerOutput(manager: ManagerConfig, all: boolean): Output {
  const { sessionIdGenerator } = manager;
  return element(
    "Manager",
    `${HA}.session.${manager.type}`,
    manager.type === "DeltaManager"
      ? attributesOf(manager.attributes, DELTA_MANAGER_RULES, all)
      : attributesOf(manager.attributes, BACKUP_MANAGER_RULES, all),
    sessionIdGenerator === undefined ? [] : [element(
      "SessionIdGenerator",
      "org.apache.catalina.util.StandardSessionIdGenerator",
      attributesOf(sessionIdGenerator, SESSION_ID_RULES, all),
    )],
  );
}

function channelOutput(channel: ChannelConfig, all: boolean): Output {
  return element(
    "Channel",
    `${TRIBES}.group.GroupChannel`,
    attributesOf(channel.attributes, CHANNEL_RULES, all),
    [
      membershipOutput(channel.membership, all),
      element(
        "Receiver",
        `${TRIBES}.transport.nio.NioReceiver`,
        attributesOf(channel.receiver, RECEIVER_RULES, all),
      ),
      element("Sender", `${TRIBES}.transport.ReplicationTransmitter`, [], [
        element(
          "Transport",
          `${TRIBES}.transport.nio.PooledParallelSender`,
          attributesOf(channel.sender, SENDER_RULES, all),
        ),
      ]),
      ...channel.interceptors.map((interceptor) =>
        interceptorOutput(interceptor, all)
      ),
    ],
  );
}

function membershipOutput(membership: MembershipConfig, all: boolean): Output {
  switch (membership.type) {
    case "McastService":
      return element(
        "Membership",
        `${TRIBES}.membership.McastService`,
        attributesOf(membership.attributes, MCAST_RULES, all),
      );
    case "StaticMembershipService":
      return element(
        "Membership",
        `${TRIBES}.membership.StaticMembershipService`,
        attributesOf(membership.attributes, STATIC_MEMBERSHIP_RULES, all),
        memberOutputs(membership, all),
      );
    case "CloudMembershipService":
      return element(
        "Membership",
        `${TRIBES}.membership.cloud.CloudMembershipService`,
        attributesOf(membership.attributes, CLOUD_MEMBERSHIP_RULES, all),
      );
  }
}

function interceptorOutput(
  interceptor: InterceptorConfig,
  all: boolean,
): Output {
  const { name, attributes } = interceptor;
  const className = Object.hasOwn(INTERCEPTOR_RULES, name)
    ? name
    : `${name}Interceptor`;
  return element(
    "Interceptor",
    `${INTERCEPTOR_PACKAGE}.${className}`,
    Object.entries(attributes),
    memberOutputs(interceptor, all),
  );
}

function memberOutputs(
  { members, localMember }: {
    readonly members: readonly StaticMemberAttributes[];
    readonly localMember?: StaticMemberAttributes;
  },
  all: boolean,
): Output[] {
  const className = `${TRIBES}.membership.StaticMember`;
  return [
    ...(localMember === undefined ? [] : [element(
      "LocalMember",
      className,
      attributesOf(localMember, LOCAL_MEMBER_RULES, all),
    )]),
    ...members.map((member) =>
      element("Member", className, attributesOf(member, MEMBER_RULES, all))
    ),
  ];
}

/** A valve or listener; a class that is not Tomcat's keeps its whole name. */
function classOutput(
  name: string,
  { className, attributes }: ClassConfig,
  rules: Readonly<Record<string, ElementRules>>,
): Output {
  const whole = Object.keys(rules).find((known) =>
    shortName(known) === className
  );
  return element(name, whole ?? className, Object.entries(attributes));
}

function element(
  name: string,
  className: string,
  attributes: readonly (readonly [string, string])[],
  children: readonly Output[] = [],
): Output {
  return {
    name,
    attributes: [["className", className], ...attributes],
    children,
  };
}

function attributesOf<T extends object>(
  values: T,
  rules: ElementRules<T>,
  all: boolean,
): (readonly [string, string])[] {
  const known: readonly [string, AttributeRule][] = Object.entries(
    rules.attributes,
  );
  return known.flatMap(([name, rule]) => {
    const value = (values as Readonly<Record<string, unknown>>)[name]; // a key of its rules
    if (value === undefined || (!all && value === rule.default)) return [];
    return [[name, String(value)] as const];
  });
}

function format(output: Output, indent: string): string {
  const attributes = output.attributes
    .map(([name, value]) => ` ${name}="${escapeValue(value)}"`)
    .join("");
  const start = `${indent}<${output.name}${attributes}`;
  if (output.children.length === 0) return `${start}/>\n`;
  const children = output.children
    .map((child) => format(child, `${indent}  `))
    .join("");
  return `${start}>\n${children}${indent}</${output.name}>\n`;
}

function escapeValue(value: string): string {
  if (!value.isWellFormed() || NOT_IN_XML.test(value)) {
    throw new RangeError(
      `Cannot write ${JSON.stringify(value)}: XML cannot have its characters`,
    );
  }
  return value.replace(
    /[&<>"\t\n\r]/g,
    (character) => ESCAPES[character] ?? `&#${character.charCodeAt(0)};`,
  );
}

// deno-lint-ignore no-control-regex -- these are what is looked for
const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};
