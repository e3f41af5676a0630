// A server.xml to the configuration of its first cluster.
import { checkClusterConfig } from "./checks.ts";
import { parseChannel, parseChannelDefaults } from "./parse_channel_config.ts";
import type {
  ClassConfig,
  ClusterConfig,
  ClusterPlacement,
  DeployerAttributes,
  ManagerConfig,
  SessionIdGeneratorAttributes,
} from "./cluster_config.ts";
import type { ElementRules } from "./attribute_rule.ts";
import {
  BACKUP_MANAGER_RULES,
  CLUSTER_RULES,
  DELTA_MANAGER_RULES,
  DEPLOYER_RULES,
  LISTENER_RULES,
  SESSION_ID_RULES,
  VALVE_RULES,
} from "./cluster_rules.ts";
import {
  type ConfigPlaces,
  defaultsOf,
  ElementReader,
  placeOf,
  shortName,
} from "./element_reader.ts";
import { ConfigError, type ConfigWarning } from "./errors.ts";
import type { PropertySource } from "./properties.ts";
import { parseXml, type XmlElement } from "./xml.ts";

const CLUSTER_CLASS = "org.apache.catalina.ha.tcp.SimpleTcpCluster";
const SESSION_PACKAGE = "org.apache.catalina.ha.session";
const DEPLOYER_CLASS = "org.apache.catalina.ha.deploy.FarmWarDeployer";
const SESSION_ID_CLASS = "org.apache.catalina.util.StandardSessionIdGenerator";
const CLUSTER_CHILDREN = [
  "Manager",
  "Channel",
  "Valve",
  "Deployer",
  "Listener",
  "ClusterListener",
];

/** Options of {@linkcode parseClusterConfig}. */
export interface ParseClusterConfigOptions {
  /**
   * Values of `${name}`: Tomcat takes them from its system properties. None without it.
   */
  readonly properties?: PropertySource;
}

/** A configuration that was read. */
export interface ParsedClusterConfig {
  /** Its values. */
  readonly config: ClusterConfig;
  /** What an operator should know, in the order of the file. */
  readonly warnings: readonly ConfigWarning[];
  /** Where its parts stand. */
  readonly places: ConfigPlaces;
}

/** A cluster, or a channel alone, and what is around it. */
interface FoundCluster {
  readonly element: XmlElement;
  readonly around: readonly XmlElement[];
}

/**
 * Reads the first `<Cluster>` of a server.xml, or of a part of one; or a `<Channel>` alone.
 *
 * @param text The XML; see {@linkcode decodeXml} for a file's bytes.
 * @throws {ConfigError} With the place of what is wrong: XML that is not well-formed, an element,
 * attribute or class that does not exist, a value that does not fit.
 * @example
 * ```ts
 * import { parseClusterConfig } from "@tribes/toolkit/config";
 * import assert from "node:assert/strict";
 *
 * const { config, warnings } = parseClusterConfig(`
 *   <Cluster className="org.apache.catalina.ha.tcp.SimpleTcpCluster" channelSendOptions="6">
 *     <Channel className="org.apache.catalina.tribes.group.GroupChannel">
 *       <Receiver className="org.apache.catalina.tribes.transport.nio.NioReceiver"
 *         port="5000" maxThreads="6"/>
 *     </Channel>
 *   </Cluster>`);
 * assert.equal(config.channel.receiver.port, 5000);
 * assert.deepEqual(
 *   warnings.map(({ code, line, column }) => [code, line, column]),
 *   [["no-effect", 5, 21]],
 * );
 * ```
 */
export function parseClusterConfig(
  text: string,
  options: ParseClusterConfigOptions = {},
): ParsedClusterConfig {
  const root = parseXml(text);
  const found = [...findClusters(root, [])];
  const [first] = found;
  if (first === undefined) {
    throw new ConfigError(
      "no-cluster",
      "Cannot use the configuration: it has no <Cluster> and no <Channel>",
      { element: root.name, place: root.place },
    );
  }
  const reader = new ElementReader(options.properties ?? (() => undefined));
  const [, second] = found;
  if (second !== undefined) {
    reader.warn(
      "several-elements",
      `The file has ${found.length} clusters: the first one, at line ${first.element.place.line}, is used`,
      second.element.name,
      second.element.place,
    );
  }
  const config = parseFound(reader, first);
  const warnings = [
    ...reader.warnings,
    // Of a channel alone the cluster around it is nobody's mistake.
    ...checkClusterConfig(config, reader.places).filter(({ line }) => line > 0),
  ].sort((a, b) => a.line - b.line || a.column - b.column);
  return { config, warnings, places: reader.places };
}

function* findClusters(
  element: XmlElement,
  around: readonly XmlElement[],
): Generator<FoundCluster> {
  if (element.name === "Cluster" || element.name === "Channel") {
    yield { element, around };
    return;
  }
  for (const child of element.children) {
    yield* findClusters(child, [...around, element]);
  }
}

function parseFound(
  reader: ElementReader,
  { element, around }: FoundCluster,
): ClusterConfig {
  if (element.name === "Cluster") {
    return parseCluster(reader, element, placementOf(reader, around));
  }
  const cluster: XmlElement = { ...element, attributes: [], children: [] };
  return {
    ...parseCluster(new ElementReader(() => undefined), cluster, undefined),
    channel: parseChannel(reader, element),
  };
}

function placementOf(
  reader: ElementReader,
  around: readonly XmlElement[],
): ClusterPlacement | undefined {
  const element = around.at(-1);
  const level = element?.name;
  if (level !== "Engine" && level !== "Host") return undefined;
  const name = element && reader.value(element, "name");
  const engine = around.findLast(({ name }) => name === "Engine");
  const jvmRoute = engine && reader.value(engine, "jvmRoute");
  return {
    level,
    ...(name === undefined ? {} : { name }),
    ...(jvmRoute === undefined ? {} : { jvmRoute }),
  };
}

function parseCluster(
  reader: ElementReader,
  element: XmlElement,
  placement: ClusterPlacement | undefined,
): ClusterConfig {
  reader.oneClass(
    element,
    [CLUSTER_CLASS],
    element.name === "Channel" ? CLUSTER_CLASS : undefined,
  );
  reader.onlyChildren(element, CLUSTER_CHILDREN);
  const manager = reader.child(element, "Manager");
  const channel = reader.child(element, "Channel");
  const deployer = reader.child(element, "Deployer");
  for (const listener of childrenOf(element, "Listener")) {
    reader.warn(
      "no-effect",
      "<Listener> has no effect here: there are no life-cycle listeners",
      "Listener",
      listener.place,
    );
  }
  return {
    ...(placement === undefined ? {} : { placement }),
    cluster: reader.attributes(element, CLUSTER_RULES),
    manager: manager === undefined
      ? { type: "DeltaManager", attributes: defaultsOf(DELTA_MANAGER_RULES) }
      : parseManager(reader, manager),
    channel: channel === undefined
      ? parseChannelDefaults()
      : parseChannel(reader, channel),
    valves: childrenOf(element, "Valve").flatMap((valve) =>
      parseClass(reader, valve, VALVE_RULES)
    ),
    ...(deployer === undefined
      ? {}
      : { deployer: parseDeployer(reader, deployer) }),
    listeners: childrenOf(element, "ClusterListener").flatMap((listener) =>
      parseClass(reader, listener, LISTENER_RULES)
    ),
  };
}

function parseManager(
  reader: ElementReader,
  element: XmlElement,
): ManagerConfig {
  const type = reader.oneClass(element, [
    `${SESSION_PACKAGE}.DeltaManager`,
    `${SESSION_PACKAGE}.BackupManager`,
  ]);
  reader.onlyChildren(element, ["SessionIdGenerator"]);
  const generator = reader.child(element, "SessionIdGenerator");
  const sessionIdGenerator = generator === undefined
    ? {}
    : { sessionIdGenerator: parseSessionIds(reader, generator) };
  const manager: ManagerConfig = type === "BackupManager"
    ? {
      type,
      attributes: reader.attributes(element, BACKUP_MANAGER_RULES),
      ...sessionIdGenerator,
    }
    : {
      type: "DeltaManager",
      attributes: reader.attributes(element, DELTA_MANAGER_RULES),
      ...sessionIdGenerator,
    };
  return reader.place(manager, element);
}

function parseSessionIds(
  reader: ElementReader,
  element: XmlElement,
): SessionIdGeneratorAttributes {
  reader.oneClass(element, [SESSION_ID_CLASS], SESSION_ID_CLASS);
  reader.onlyChildren(element, []);
  return reader.attributes(element, SESSION_ID_RULES);
}

function parseDeployer(
  reader: ElementReader,
  element: XmlElement,
): DeployerAttributes {
  reader.oneClass(element, [DEPLOYER_CLASS]);
  reader.onlyChildren(element, []);
  return reader.attributes(element, DEPLOYER_RULES);
}

/** Reads a valve or listener: none of a class that Tomcat no longer has. */
function parseClass(
  reader: ElementReader,
  element: XmlElement,
  rules: Readonly<Record<string, ElementRules>>,
): ClassConfig[] {
  const { name, isGone } = reader.className(element);
  if (isGone) return [];
  if (!Object.hasOwn(rules, name)) {
    reader.warn(
      "unknown-class",
      `Class ${
        JSON.stringify(name)
      } of <${element.name}> is not known and has no effect here; there are ${
        Object.keys(rules).join(", ")
      }`,
      element.name,
      placeOf(element, "className"),
    );
    const attributes = reader.unknownAttributes(element);
    return [reader.place({ className: name, attributes }, element)];
  }
  reader.onlyChildren(element, []);
  const attributes = reader.textAttributes(element, rules[name]!); // hasOwn
  return [reader.place({ className: shortName(name), attributes }, element)];
}

function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}
