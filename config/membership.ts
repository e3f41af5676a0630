// `<Membership>` to a membership service, or to the options of the one that channels make themselves.
import type { Generation } from "../protocol/generation.ts";
import { encodeHost } from "../protocol/tribes/host.ts";
import type { Environment } from "../membership/cloud_environment.ts";
import { CloudMembership } from "../membership/cloud_membership.ts";
import { DnsMembershipProvider } from "../membership/dns_membership_provider.ts";
import { KubernetesMembershipProvider } from "../membership/kubernetes_membership_provider.ts";
import {
  type McastMembershipOptions,
  resolveMcastMembershipOptions,
} from "../membership/mcast_membership.ts";
import type { MembershipService } from "../membership/types.ts";
import { StaticMembershipService } from "../channel/static_membership_service.ts";
import type { Transport } from "../transport/types.ts";
import type { ClusterConfig, MembershipConfig } from "./cluster_config.ts";
import { checkHost, type Fail, memberOf, messageOf } from "./config_values.ts";

const CLOUD_PACKAGE = "org.apache.catalina.tribes.membership.cloud";

/** What membership services need besides the configuration. */
export interface MembershipInit {
  /** Sockets and clock, for the services that need them before the channel starts. */
  readonly transport: Transport;
  /** The release whose bytes and order are wanted. */
  readonly generation?: Generation;
  /** The environment that providers of cloud membership read; empty without it. */
  readonly environment?: Environment;
  /** Is told what such a provider finds odd in it. */
  readonly onWarning?: (text: string) => void;
}

/** The service of a configuration, or the options of multicast. */
export function membershipOf(
  config: ClusterConfig,
  init: MembershipInit,
  fail: Fail,
): McastMembershipOptions | MembershipService {
  const { membership } = config.channel;
  if (membership.type === "CloudMembershipService") {
    return cloudMembershipOf(membership, init, fail);
  }
  if (membership.type === "StaticMembershipService") {
    return staticMembershipOf(config, membership, init, fail);
  }
  const { domain: _, ...options } = membership.attributes;
  const { attributes } = membership;
  checkHost(attributes.address, attributes, "address", fail);
  if (attributes.bind !== undefined) {
    checkHost(attributes.bind, attributes, "bind", fail);
  }
  if (!isMulticast(encodeHost(attributes.address))) {
    throw fail(
      "bad-value",
      `Cannot use address=${
        JSON.stringify(attributes.address)
      } of <Membership>: not a multicast address`,
      attributes,
      "address",
    );
  }
  try {
    resolveMcastMembershipOptions(options);
  } catch (cause) {
    throw fail("bad-value", messageOf(cause), attributes, "dropTime", cause);
  }
  return options;
}

function staticMembershipOf(
  config: ClusterConfig,
  membership: Extract<MembershipConfig, { type: "StaticMembershipService" }>,
  { transport, generation }: MembershipInit,
  fail: Fail,
): MembershipService {
  const { attributes, localMember: local } = membership;
  const channelName = channelNameOf(config);
  if (channelName === undefined) {
    throw fail(
      "missing-attribute",
      "Cannot use StaticMembershipService: its members know each other by the name of the channel; write the <Cluster> with its <Engine> or <Host>, or with a clusterName",
      membership,
    );
  }
  const localMember = local?.uniqueId === undefined
    ? undefined
    // Its unique id is what counts of it.
    : memberOf({ host: "127.0.0.1", port: 1, ...local }, fail);
  return new StaticMembershipService(transport, {
    ...attributes,
    channelName,
    members: membership.members.map((member) => memberOf(member, fail)),
    ...(localMember === undefined ? {} : { localMember }),
    ...(generation === undefined ? {} : { generation }),
  });
}

/** The name that Tomcat gives a channel: that of the cluster, which is that of what is around it. */
function channelNameOf(
  { cluster, placement, channel }: ClusterConfig,
): string | undefined {
  const clusterName = cluster.clusterName ?? placement?.name;
  return clusterName === undefined
    ? channel.attributes.name
    : `${clusterName}-Channel`;
}

function cloudMembershipOf(
  { attributes }: Extract<MembershipConfig, { type: "CloudMembershipService" }>,
  { environment = {}, onWarning }: MembershipInit,
  fail: Fail,
): MembershipService {
  const { membershipProviderClassName: name, ...options } = attributes;
  const providerOptions = {
    environment,
    ...(onWarning === undefined ? {} : { onWarning }),
  };
  const attribute = "membershipProviderClassName";
  try {
    switch (name) {
      case "kubernetes":
      case `${CLOUD_PACKAGE}.KubernetesMembershipProvider`:
        return new CloudMembership(
          new KubernetesMembershipProvider(providerOptions),
          options,
        );
      case "dns":
      case `${CLOUD_PACKAGE}.DNSMembershipProvider`:
        return new CloudMembership(
          new DnsMembershipProvider(providerOptions),
          options,
        );
    }
  } catch (cause) {
    throw fail("bad-value", messageOf(cause), attributes, attribute, cause);
  }
  throw fail(
    "unknown-class",
    `Cannot use ${attribute}=${
      JSON.stringify(name)
    }: it is not known; there are kubernetes and dns`,
    attributes,
    attribute,
  );
}

export function isMulticast(host: Uint8Array): boolean {
  const first = host[0]!; // a host has 4 or 16 bytes
  return host.length === 4 ? first >= 224 && first <= 239 : first === 0xff;
}
