// `--config`: a server.xml under the options of `tribes node`, which win over it.
import type { Environment } from "../membership/mod.ts";
import { checkOptionFlags } from "../channel/mod.ts";
import { asError, type Transport } from "../transport/mod.ts";
import {
  type ChannelConfig,
  channelOptionsOf,
  type ClusterConfig,
  ConfigError,
  type ConfigPlaces,
  type ConfigWarning,
  decodeXml,
  type ElementPlace,
  parseClusterConfig,
  type ParsedClusterConfig,
  type PropertySource,
} from "../config/mod.ts";
import {
  type NodeArguments,
  type NodeOptions,
  parseNodeArguments,
} from "./node_options.ts";

/** A configuration and the file that it is from. */
export interface NodeConfig extends ParsedClusterConfig {
  readonly file: string;
}

/**
 * Reads the configuration of a node.
 *
 * @param file Its name, for errors.
 * @throws {RangeError} With one line that names the option, the file and the place in it.
 */
export function parseNodeConfig(
  file: string,
  bytes: Uint8Array,
  properties: PropertySource,
): NodeConfig {
  return inFile(file, () => ({
    file,
    ...parseClusterConfig(decodeXml(bytes), { properties }),
  }));
}

/**
 * What a node is to do by a configuration and the options beside it.
 *
 * @param isGiven Whether an option was given, and is not its default.
 * @param environment The variables that cloud membership reads.
 * @throws {RangeError} With one line that names the option and the value.
 */
export function configuredNode(
  parsed: NodeConfig,
  given: NodeArguments,
  isGiven: (name: keyof NodeArguments) => boolean,
  transport: Transport,
  environment: Environment = {},
): { options: NodeOptions; warnings: readonly ConfigWarning[] } {
  const { options: plain, staticMembers, generation } = parseNodeArguments(
    withTimes(given, parsed.config, isGiven),
  );
  const told: ConfigWarning[] = [];
  const ownStack = isGiven("interceptor");
  const { config, places } = overridden(parsed, given, plain, isGiven);
  const { options: channel, startLevels, sendOptions } = inFile(
    parsed.file,
    () =>
      channelOptionsOf(config, {
        transport,
        places,
        environment,
        onWarning: (text) =>
          told.push({
            code: "cloud-environment",
            message: text,
            ...placeOfMembership(parsed),
          }),
        members: staticMembers,
        ...(generation === undefined ? {} : { generation }),
      }),
  );
  const { membership, interceptors: configured, ...rest } = channel;
  const interceptors = ownStack ? plain.interceptors : configured;
  if (rest.optionCheck === true) checkOptionFlags(interceptors);
  const service = membership !== null && "members" in membership
    ? membership
    : undefined;
  const mcast = given.mcast && membership !== null && service === undefined
    ? {
      ...membership as Exclude<typeof membership, typeof service>,
      optional: true,
    }
    : undefined;
  const options: NodeOptions = {
    ...plain,
    channel: {
      ...rest,
      ...plain.channel,
      receiver: { ...plain.channel.receiver, ...rest.receiver },
    },
    interceptors,
    membership: [
      ...new Set([
        ...(mcast === undefined ? [] : ["mcast"]),
        ...(service === undefined ? [] : [service.name]),
        ...(interceptors.some(({ name }) => name === "StaticMembership")
          ? ["static"]
          : []),
      ]),
    ],
    startLevels,
    sendOptions: isGiven("sendOptions") ? plain.sendOptions : sendOptions,
  };
  const { mcast: _, ...withoutMcast } = options;
  return {
    options: {
      ...withoutMcast,
      ...(mcast === undefined ? {} : { mcast }),
      ...(service === undefined ? {} : { service }),
    },
    warnings: [
      ...parsed.warnings,
      ...told,
      ...sessionWarnings(parsed),
    ].sort((a, b) => a.line - b.line || a.column - b.column),
  };
}

/** The configuration with the options that were given in the places of its attributes. */
function overridden(
  { config, places }: NodeConfig,
  given: NodeArguments,
  plain: NodeOptions,
  isGiven: (name: keyof NodeArguments) => boolean,
): { config: ClusterConfig; places: ConfigPlaces } {
  const { channel } = config;
  const moved = new Map<object, ElementPlace>(places);
  const replaced = <T extends object>(old: T, values: Partial<T>): T => {
    const value = { ...old, ...values };
    const place = places.get(old);
    if (place !== undefined) moved.set(value, place);
    return value;
  };
  const { receiver } = plain.channel;
  const automatic = isGiven("address") || channel.receiver.address === "auto";
  return {
    config: {
      ...config,
      channel: {
        ...channel,
        receiver: replaced(channel.receiver, {
          ...(automatic ? pick(receiver, "address") : {}),
          ...(isGiven("port") ? pick(receiver, "port") : {}),
          ...(isGiven("autoBind") ? pick(receiver, "autoBind") : {}),
          ...(isGiven("udpPort") ? pick(receiver, "udpPort") : {}),
        }),
        membership: membershipWith(channel.membership),
        interceptors: isGiven("interceptor") ? [] : channel.interceptors,
      },
    },
    places: moved,
  };

  function membershipWith(
    membership: ChannelConfig["membership"],
  ): ChannelConfig["membership"] {
    if (membership.type !== "McastService") return membership;
    const mcast = given.mcast ? plain.mcast : undefined;
    return {
      ...membership,
      attributes: replaced(membership.attributes, {
        ...(isGiven("mcastAddress") ? pick(mcast, "address") : {}),
        ...(isGiven("mcastPort") ? pick(mcast, "port") : {}),
        ...(isGiven("mcastBind") ? pick(mcast, "bind") : {}),
        ...(isGiven("mcastTtl") ? pick(mcast, "ttl") : {}),
        ...(isGiven("frequency") ? pick(mcast, "frequency") : {}),
        ...(isGiven("dropTime") ? pick(mcast, "dropTime") : {}),
      }),
    };
  }
}

/** Puts the configured one of two times beside the one that was given: they are checked together. */
function withTimes(
  given: NodeArguments,
  { channel: { membership } }: ClusterConfig,
  isGiven: (name: keyof NodeArguments) => boolean,
): NodeArguments {
  if (membership.type !== "McastService") return given;
  const { frequency, dropTime } = membership.attributes;
  if (isGiven("frequency") === isGiven("dropTime")) return given;
  return isGiven("frequency")
    ? { ...given, dropTime: String(dropTime) }
    : { ...given, frequency: String(frequency) };
}

function placeOfMembership({ config, places }: NodeConfig) {
  const place = places.get(config.channel.membership);
  const { element = "Membership", line = 0, column = 0 } = place ?? {};
  return { element, line, column };
}

/** One field of an object, where it has a value. */
function pick<T extends object, Name extends keyof T>(
  object: T | undefined,
  name: Name,
): { [Key in Name]?: Exclude<T[Name], undefined> } {
  const value = object?.[name];
  return (value === undefined ? {} : { [name]: value }) as {
    [Key in Name]?: Exclude<T[Name], undefined>; // the one key is Name
  };
}

/** Elements of session replication: a node passes messages, and holds no sessions. */
function sessionWarnings({ config, places }: NodeConfig): ConfigWarning[] {
  const { manager, valves, deployer, listeners } = config;
  return [manager, ...valves, ...(deployer === undefined ? [] : [deployer])]
    .concat(listeners)
    .flatMap((part): ConfigWarning[] => {
      const place = places.get(part);
      // Of a class that is not known that was said already; only its name has its package.
      const isUnknown = "className" in part && part.className.includes(".");
      if (place === undefined || isUnknown) return [];
      const { element, line, column } = place;
      const message =
        `<${element}> has no effect here: this node passes messages, and holds no sessions or applications`;
      return [{ code: "no-effect", message, element, line, column }];
    });
}

function inFile<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new RangeError(
      `Cannot use --config ${JSON.stringify(file)}: ${asError(error).message}`,
      { cause: error },
    );
  }
}
