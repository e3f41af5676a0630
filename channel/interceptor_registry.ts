// Interceptors by the names and attributes of Tomcat's configuration, where all values are text.
import type { MemberInit } from "../protocol/tribes/member.ts";
import type { Generation } from "../protocol/generation.ts";
import type { ChannelInterceptor } from "./interceptor.ts";
import { DomainFilterInterceptor } from "./interceptors/domain_filter.ts";
import { EncryptInterceptor } from "./interceptors/encrypt.ts";
import { FragmentationInterceptor } from "./interceptors/fragmentation.ts";
import { GzipInterceptor } from "./interceptors/gzip.ts";
import { MessageDispatchInterceptor } from "./interceptors/message_dispatch.ts";
import { NonBlockingCoordinator } from "./interceptors/non_blocking_coordinator.ts";
import { OrderInterceptor } from "./interceptors/order.ts";
import { SimpleCoordinator } from "./interceptors/simple_coordinator.ts";
import { StaticMembershipInterceptor } from "./interceptors/static_membership.ts";
import { TcpFailureDetector } from "./interceptors/tcp_failure_detector.ts";
import { TcpPingInterceptor } from "./interceptors/tcp_ping.ts";
import { ThroughputInterceptor } from "./interceptors/throughput.ts";
import { TwoPhaseCommitInterceptor } from "./interceptors/two_phase_commit.ts";

/** What interceptors need besides their own attributes. */
export interface InterceptorSurroundings {
  /** The configured members, for StaticMembership. */
  readonly staticMembers?: readonly MemberInit[];
  /** The release whose bytes and order are wanted. */
  readonly generation?: Generation;
}

type Factory = (
  attributes: Attributes,
  surroundings: InterceptorSurroundings,
) => ChannelInterceptor;

const FACTORIES: Readonly<Record<string, Factory>> = {
  MessageDispatch: (attributes) => {
    attributes.acceptFixed("optionFlag", 8);
    // Tomcat's threads have no counterpart here.
    for (const name of ["maxThreads", "maxSpareThreads", "keepAliveTime"]) {
      attributes.integer(name);
    }
    attributes.boolean("useDeepClone"); // what waits is always a copy
    return new MessageDispatchInterceptor({
      ...attributes.integer("maxQueueSize"),
      ...attributes.boolean("alwaysSend"),
    });
  },
  TcpFailureDetector: (attributes) =>
    new TcpFailureDetector({
      ...attributes.integer("optionFlag"),
      ...attributes.integer("connectTimeout"),
      ...attributes.boolean("performSendTest"),
      ...attributes.boolean("performReadTest"),
      ...attributes.integer("readTestTimeout"),
      ...attributes.integer("removeSuspectsTimeout", 1000),
    }),
  StaticMembership: (attributes, { staticMembers = [], generation }) =>
    new StaticMembershipInterceptor({
      members: staticMembers,
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    }),
  DomainFilter: (attributes, { generation }) =>
    new DomainFilterInterceptor({
      domain: attributes.required("domain"),
      ...attributes.integer("logInterval"),
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    }),
  Throughput: (attributes) =>
    new ThroughputInterceptor({
      ...attributes.integer("interval"),
      ...attributes.integer("optionFlag"),
    }),
  TcpPing: (attributes) =>
    new TcpPingInterceptor({
      ...attributes.integer("interval"),
      ...attributes.boolean("useThread"),
      ...attributes.boolean("staticOnly"),
      ...attributes.integer("optionFlag"),
    }),
  TwoPhaseCommit: (attributes) =>
    new TwoPhaseCommitInterceptor({
      ...attributes.integer("expire"),
      ...attributes.boolean("deepclone"),
      ...attributes.integer("optionFlag"),
    }),
  NonBlockingCoordinator: (attributes, { generation }) =>
    new NonBlockingCoordinator({
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    }),
  SimpleCoordinator: (attributes, { generation }) =>
    new SimpleCoordinator({
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    }),
  Gzip: (attributes, { generation }) => {
    // Counting costs nothing here, and reports are asked for.
    attributes.boolean("statsEnabled");
    attributes.integer("interval");
    return new GzipInterceptor({
      ...attributes.integer("compressionMinSize"),
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    });
  },
  Encrypt: (attributes, { generation }) => {
    attributes.text("providerName"); // of Java's algorithms
    return new EncryptInterceptor({
      encryptionKey: attributes.required("encryptionKey"),
      ...attributes.text("encryptionAlgorithm"),
      ...attributes.integer("replayWindowTime"),
      ...attributes.integer("replayWindowMessageCount"),
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    });
  },
  Fragmentation: (attributes) =>
    new FragmentationInterceptor({
      ...attributes.integer("maxSize"),
      ...attributes.integer("expire"),
      ...attributes.integer("optionFlag"),
    }),
  Order: (attributes, { generation }) =>
    new OrderInterceptor({
      ...attributes.integer("expire"),
      ...attributes.boolean("forwardExpired"),
      ...attributes.integer("maxQueue"),
      ...attributes.integer("optionFlag"),
      ...(generation === undefined ? {} : { generation }),
    }),
};

const ALIASES: Readonly<Record<string, string>> = {
  MessageDispatch15: "MessageDispatch",
};

/** The names that {@linkcode makeInterceptor} knows. */
export const INTERCEPTOR_NAMES: readonly string[] = Object.keys(FACTORIES);

/**
 * Makes an interceptor from a configuration.
 *
 * @param name Tomcat's class name without package and `Interceptor`: `TcpFailureDetector`,
 * `MessageDispatch`.
 * @param attributes Its attributes by Tomcat's names; numbers and booleans as text.
 * @param surroundings What it needs from the rest of the configuration.
 * @throws {RangeError} For a name or attribute that does not exist, or a value that does not fit.
 */
export function makeInterceptor(
  name: string,
  attributes: Readonly<Record<string, string>> = {},
  surroundings: InterceptorSurroundings = {},
): ChannelInterceptor {
  const short = name.replace(/^.*\./, "").replace(/Interceptor$/, "");
  const known = ALIASES[short] ?? short;
  if (!Object.hasOwn(FACTORIES, known)) {
    throw new RangeError(
      `Cannot make interceptor ${
        JSON.stringify(name)
      }: it does not exist; there are ${INTERCEPTOR_NAMES.join(", ")}`,
    );
  }
  const given = new Attributes(known, attributes);
  const interceptor = FACTORIES[known]!(given, surroundings); // hasOwn
  given.end();
  return interceptor;
}

/** Reads attributes one by one, and knows which were not read. */
class Attributes {
  readonly #interceptor: string;
  readonly #left: Map<string, string>;

  constructor(
    interceptor: string,
    attributes: Readonly<Record<string, string>>,
  ) {
    this.#interceptor = interceptor;
    this.#left = new Map(Object.entries(attributes));
  }

  integer<Name extends string>(
    name: Name,
    factor = 1,
  ): { [key in Name]?: number } {
    const text = this.#take(name);
    if (text === undefined) return {};
    if (!/^-?\d+$/.test(text)) throw this.#error(name, text, "an integer");
    return { [name]: Number(text) * factor } as { [key in Name]?: number }; // the one key is Name
  }

  boolean<Name extends string>(name: Name): { [key in Name]?: boolean } {
    const text = this.#take(name);
    if (text === undefined) return {};
    if (text !== "true" && text !== "false") {
      throw this.#error(name, text, "true or false");
    }
    return { [name]: text === "true" } as { [key in Name]?: boolean }; // the one key is Name
  }

  required(name: string): string {
    const text = this.#take(name);
    if (text !== undefined) return text;
    throw new RangeError(
      `Cannot make interceptor ${this.#interceptor}: it needs ${name}`,
    );
  }

  text<Name extends string>(name: Name): { [key in Name]?: string } {
    const text = this.#take(name);
    return (text === undefined ? {} : { [name]: text }) as {
      [key in Name]?: string;
    }; // the one key is Name
  }

  acceptFixed(name: string, value: number): void {
    const text = this.#take(name);
    if (text !== undefined && Number(text) !== value) {
      throw this.#error(name, text, `${value}, which is fixed`);
    }
  }

  end(): void {
    for (const [name] of this.#left) {
      throw new RangeError(
        `Cannot use attribute ${
          JSON.stringify(name)
        } of ${this.#interceptor}: it does not exist`,
      );
    }
  }

  #take(name: string): string | undefined {
    const text = this.#left.get(name);
    this.#left.delete(name);
    return text;
  }

  #error(name: string, text: string, needed: string): RangeError {
    return new RangeError(
      `Cannot use ${name}=${text} of ${this.#interceptor}: not ${needed}`,
    );
  }
}
