// Members are the addresses of one name, such as that of a headless service of Kubernetes.
import { lookup, Resolver } from "node:dns/promises";
import { EncodeError } from "../protocol/errors.ts";
import { encodeHost } from "../protocol/tribes/host.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { cloudNamespace, type Environment } from "./cloud_environment.ts";
import { cloudUniqueId, javaAddress } from "./cloud_identity.ts";
import type {
  CloudFetchOptions,
  CloudMember,
  MembershipProvider,
} from "./cloud_membership.ts";

/**
 * Gives all IPv4 and IPv6 addresses of a name.
 *
 * @throws {Error} When the name has none, or cannot be resolved.
 */
export type ResolveAddresses = (
  name: string,
  options: { readonly signal: AbortSignal },
) => Promise<readonly string[]>;

/** Options of {@linkcode DnsMembershipProvider}. */
export interface DnsMembershipProviderOptions {
  /** Environment variables that say the name: `process.env`. */
  readonly environment?: Environment;
  /** The name; `DNS_MEMBERSHIP_SERVICE_NAME`, or else the namespace, without it. */
  readonly serviceName?: string;
  /**
   * How names are resolved.
   * @default {systemResolver}
   */
  readonly resolve?: ResolveAddresses;
  /** Is told what is odd about the configuration. */
  readonly onWarning?: (text: string) => void;
}

/** Greatest number of addresses that are taken from one answer. */
const MAX_ADDRESSES = 65_536;

/** Finds members by the addresses of a name, as Tomcat's `dns` provider does. */
export class DnsMembershipProvider implements MembershipProvider {
  /** Its name in configurations. */
  readonly name = "dns";
  /** A node that has the name's address only soon is a member as soon as it sends a message. */
  readonly takesSenders = true;
  /** The name that is resolved. */
  readonly serviceName: string;
  readonly #resolve: ResolveAddresses;

  /** Makes a provider. */
  constructor(options: DnsMembershipProviderOptions = {}) {
    const environment = options.environment ?? {};
    this.serviceName = options.serviceName ??
      environment.DNS_MEMBERSHIP_SERVICE_NAME ??
      cloudNamespace(environment, options.onWarning);
    this.#resolve = options.resolve ?? systemResolver;
  }

  /**
   * Resolves the name.
   *
   * @throws {ChannelError} `unsupported` when that fails, or the name has no address.
   */
  async fetchMembers(
    { signal }: CloudFetchOptions,
  ): Promise<readonly CloudMember[]> {
    let addresses: readonly string[];
    try {
      addresses = await this.#resolve(this.serviceName, { signal });
    } catch (error) {
      throw this.#error(asError(error).message, error);
    }
    if (addresses.length === 0) throw this.#error("it has no address");
    if (addresses.length > MAX_ADDRESSES) {
      throw this.#error(`${addresses.length} addresses > ${MAX_ADDRESSES}`);
    }
    return addresses.map((address) => this.#member(address));
  }

  #member(address: string): CloudMember {
    try {
      const host = encodeHost(address);
      const uniqueId = cloudUniqueId(javaAddress(host));
      return { host, uniqueId, aliveTime: -1 };
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error;
      throw this.#error(error.message, error);
    }
  }

  #error(state: string, cause?: unknown): ChannelError {
    return new ChannelError(
      "unsupported",
      `Cannot resolve ${JSON.stringify(this.serviceName)}: ${state}`,
      { cause },
    );
  }
}

/** Resolves names as the system does: hosts file, search domains, servers. */
export async function systemResolver(
  name: string,
): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return distinct(found.map(({ address }) => address));
}

/**
 * Makes a resolver that asks certain DNS servers, by the name as it stands.
 *
 * @param servers Numeric addresses, each with or without a port: `10.96.0.10`, `127.0.0.1:5353`,
 * `[::1]:5353`.
 */
export function dnsResolver(servers: readonly string[]): ResolveAddresses {
  return async (name, { signal }) => {
    signal.throwIfAborted();
    const resolver = new Resolver();
    resolver.setServers(servers);
    const { promise: given, reject } = Promise.withResolvers<never>();
    const cancel = () => {
      reject(signal.reason);
      resolver.cancel(); // does nothing on Deno
    };
    signal.addEventListener("abort", cancel);
    try {
      const asked = Promise.all([
        records(resolver.resolve4(name)),
        records(resolver.resolve6(name)),
      ]);
      return distinct((await Promise.race([asked, given])).flat());
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  };
}

/** One kind of records; none is no failure, since the other kind may have some. */
async function records(asked: Promise<string[]>): Promise<string[]> {
  try {
    return await asked;
  } catch (error) {
    const { code } = error as { code?: unknown }; // an Error of node:dns has one
    if (code === "ENODATA" || code === "ENOTFOUND") return [];
    throw error;
  }
}

function distinct(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses)];
}
