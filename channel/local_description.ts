import { encodeHost } from "../protocol/tribes/host.ts";
import type { MemberInit } from "../protocol/tribes/member.ts";
import {
  makeUniqueId,
  type RandomBytes,
} from "../protocol/tribes/unique_id.ts";
import {
  autoAddress,
  type Receiver,
  resolveReceiverOptions,
} from "../transport/receiver.ts";
import type { Transport } from "../transport/types.ts";
import type { GroupChannelOptions } from "./group_channel_options.ts";

/**
 * What the local member says of itself.
 *
 * @param options The channel's.
 * @param receiver Where messages are received; without it the configured place.
 * @param transport Tells the address where that is automatic.
 * @param random Where a unique id comes from when none is configured.
 */
export function describeLocalMember(
  options: GroupChannelOptions,
  receiver: Receiver | undefined,
  transport: Transport,
  random: RandomBytes,
): MemberInit {
  const { uniqueId, domain, payload, securePort } = options;
  const configured = resolveReceiverOptions(options.receiver);
  const { hostname, port } = receiver?.address ??
    { hostname: configured.address, port: configured.port };
  return {
    host: encodeHost(
      // Nobody else can connect to a wildcard.
      hostname === "auto" || hostname === "0.0.0.0" || hostname === "::"
        ? autoAddress(transport)
        : hostname,
    ),
    port,
    udpPort: receiver?.udpPort ?? -1,
    uniqueId: uniqueId ?? makeUniqueId(random),
    ...(securePort === undefined ? {} : { securePort }),
    ...(domain === undefined ? {} : { domain }),
    ...(payload === undefined ? {} : { payload }),
  };
}
