// From a configuration to a channel's options: the one place that knows both.
import type { MemberInit } from "../protocol/tribes/member.ts";
import type { McastMembershipOptions } from "../membership/mcast_membership.ts";
import type { MembershipService } from "../membership/types.ts";
import {
  type GroupChannelOptions,
  MBR_RX_SEQ,
  MBR_TX_SEQ,
} from "../channel/group_channel_options.ts";
import type { ChannelInterceptor } from "../channel/interceptor.ts";
import { checkOptionFlags } from "../channel/interceptor_stack.ts";
import {
  INTERCEPTOR_NAMES,
  makeInterceptor,
} from "../channel/interceptor_registry.ts";
import type {
  ClusterConfig,
  InterceptorConfig,
  StaticMemberAttributes,
} from "./cluster_config.ts";
import {
  bytesOf,
  checkHost,
  type Fail,
  failIn,
  memberOf,
  messageOf,
  uniqueIdOf,
} from "./config_values.ts";
import type { ConfigPlaces } from "./element_reader.ts";
import { INTERCEPTOR_RULES } from "./interceptor_rules.ts";
import { type MembershipInit, membershipOf } from "./membership.ts";

/** What {@linkcode channelOptionsOf} needs besides the configuration. */
export interface ChannelOptionsInit extends MembershipInit {
  /** Where the parts of the configuration stand, for errors. */
  readonly places?: ConfigPlaces;
  /** Static members besides the configured ones. */
  readonly members?: readonly MemberInit[];
}

/** A channel as a configuration wants it. */
export interface ConfiguredChannel {
  /** Options of `GroupChannel`. */
  readonly options: GroupChannelOptions & {
    /** The stack, top first. */
    readonly interceptors: readonly ChannelInterceptor[];
    /** Options of multicast, another service, or `null` where no start level has membership. */
    readonly membership: McastMembershipOptions | MembershipService | null;
  };
  /** Start levels, for `GroupChannel.start`: attribute `channelStartOptions`. */
  readonly startLevels: number;
  /** Send options of the cluster's messages: attribute `channelSendOptions`. */
  readonly sendOptions: number;
}

/**
 * Makes the options of a channel that joins the cluster of a configuration with the same stack.
 *
 * @throws {ConfigError} For what cannot be used here, with its place.
 * @example A channel of a server.xml on a simulated network
 * ```ts
 * import { GroupChannel } from "@tribes/toolkit/channel";
 * import { channelOptionsOf, parseClusterConfig } from "@tribes/toolkit/config";
 * import { MemoryNetwork } from "@tribes/toolkit/transport";
 * import assert from "node:assert/strict";
 *
 * const { config, places } = parseClusterConfig(
 *   `<Cluster className="org.apache.catalina.ha.tcp.SimpleTcpCluster" channelStartOptions="3"/>`,
 * );
 * const transport = new MemoryNetwork({ seed: 1 }).transport("10.0.0.1");
 * const { options, startLevels } = channelOptionsOf(config, { transport, places });
 * await using channel = new GroupChannel(transport, options);
 * await channel.start(startLevels);
 * assert.deepEqual(
 *   options.interceptors.map(({ name }) => name),
 *   ["MessageDispatch", "TcpFailureDetector"],
 * );
 * ```
 */
export function channelOptionsOf(
  config: ClusterConfig,
  init: ChannelOptionsInit,
): ConfiguredChannel {
  const { channel, cluster } = config;
  const { attributes, receiver, sender } = channel;
  const fail = failIn(init.places);
  const levels = cluster.channelStartOptions;
  checkHost(receiver.address, receiver, "address", fail);
  const interceptors = stackOf(channel.interceptors, init, fail);
  if (attributes.optionCheck) {
    try {
      checkOptionFlags(interceptors);
    } catch (cause) {
      throw fail(
        "bad-value",
        messageOf(cause),
        attributes,
        "optionCheck",
        cause,
      );
    }
  }
  return {
    options: {
      receiver: {
        address: receiver.address,
        port: receiver.port,
        autoBind: receiver.autoBind,
        udpPort: receiver.udpPort,
      },
      sender: {
        timeout: sender.timeout,
        maxRetryAttempts: sender.maxRetryAttempts,
        throwOnFailedAck: sender.throwOnFailedAck,
        keepAliveCount: sender.keepAliveCount,
        keepAliveTime: sender.keepAliveTime,
      },
      ...(receiver.securePort === -1
        ? {}
        : { securePort: receiver.securePort }),
      heartbeat: attributes.heartbeat,
      heartbeatSleeptime: attributes.heartbeatSleeptime,
      optionCheck: attributes.optionCheck,
      ...localMemberOf(config, fail),
      membership: (levels & (MBR_RX_SEQ | MBR_TX_SEQ)) === 0
        ? null
        : membershipOf(config, init, fail),
      interceptors,
    },
    startLevels: levels,
    sendOptions: cluster.channelSendOptions,
  };
}

/** What the local member says of itself: the multicast domain, or the configured local member. */
function localMemberOf(
  { channel }: ClusterConfig,
  fail: Fail,
): Pick<GroupChannelOptions, "domain" | "uniqueId"> {
  const { membership, interceptors } = channel;
  const local = membership.type === "StaticMembershipService"
    ? membership.localMember
    : interceptors.find(({ localMember }) => localMember !== undefined)
      ?.localMember;
  const from = local ??
    (membership.type === "McastService" ? membership.attributes : {});
  const { domain, uniqueId } = from as StaticMemberAttributes; // both may have these
  return {
    ...(domain === undefined
      ? {}
      : { domain: bytesOf(domain, "domain", from, fail) }),
    ...(uniqueId === undefined
      ? {}
      : { uniqueId: uniqueIdOf(uniqueId, from, fail) }),
  };
}

function stackOf(
  interceptors: readonly InterceptorConfig[],
  init: ChannelOptionsInit,
  fail: Fail,
): ChannelInterceptor[] {
  const { generation, members = [] } = init;
  const surroundings = generation === undefined ? {} : { generation };
  const stack = interceptors.map((config) => {
    if (!INTERCEPTOR_NAMES.includes(config.name)) {
      throw fail(
        "unsupported",
        `Cannot use interceptor ${config.name}: it is not supported yet`,
        config,
      );
    }
    const staticMembers = [
      ...config.members.map((member) => memberOf(member, fail)),
      ...members,
    ];
    try {
      return makeInterceptor(config.name, effective(config), {
        ...surroundings,
        staticMembers,
      });
    } catch (cause) {
      throw fail("bad-value", messageOf(cause), config, undefined, cause);
    }
  });
  const hasStatic = stack.some(({ name }) => name === "StaticMembership");
  if (members.length > 0 && !hasStatic) {
    stack.push(
      makeInterceptor("StaticMembership", {}, {
        ...surroundings,
        staticMembers: members,
      }),
    );
  }
  checkOrder(stack, interceptors, fail);
  return stack;
}

/** Lets each layer look at those around it, and says at whose place it is wrong. */
function checkOrder(
  stack: readonly ChannelInterceptor[],
  interceptors: readonly InterceptorConfig[],
  fail: Fail,
): void {
  const names = stack.map(({ name }) => name);
  for (const [i, config] of interceptors.entries()) {
    try {
      stack[i]?.checkStack?.(names.slice(0, i), names.slice(i + 1));
    } catch (cause) {
      throw fail("bad-value", messageOf(cause), config, undefined, cause);
    }
  }
}

/** The attributes of an interceptor that do something here. */
function effective({ name, attributes }: InterceptorConfig) {
  const rules = INTERCEPTOR_RULES[name] ??
    INTERCEPTOR_RULES[`${name}Interceptor`];
  return Object.fromEntries(
    Object.entries(attributes).filter(([attribute]) =>
      rules?.attributes[attribute]?.noEffect === undefined
    ),
  );
}
