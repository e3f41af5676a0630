// Members are the running pods of a namespace, as the API server of Kubernetes lists them.
import { EncodeError } from "../protocol/errors.ts";
import { encodeHost } from "../protocol/tribes/host.ts";
import { asError, ChannelError } from "../transport/errors.ts";
import { checkInteger } from "../transport/options.ts";
import {
  cloudNamespace,
  CUSTOM_ENV_PREFIX,
  type Environment,
  firstVariable,
} from "./cloud_environment.ts";
import { cloudUniqueId } from "./cloud_identity.ts";
import type {
  CloudFetchOptions,
  CloudMember,
  MembershipProvider,
} from "./cloud_membership.ts";
import { kubernetesRequester } from "./kubernetes_request.ts";

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What a node needs to ask the API server. */
export interface KubernetesAccess {
  /** The whole address of the list of pods. */
  readonly url: string;
  /** File with the certificates that the server's is checked with. */
  readonly caFile: string;
  /** How this node says who it is. */
  readonly credentials:
    | {
      /** A token. */
      readonly type: "token";
      /** Its file, read again when it changes. */
      readonly file: string;
    }
    | {
      /** A certificate of the client. */
      readonly type: "certificate";
      /** Its file, PEM. */
      readonly file: string;
      /** File with its private key, PEM. */
      readonly keyFile: string;
      /** The key's password. */
      readonly keyPassword?: string;
    };
}

/** Limits of a request. */
export interface KubernetesRequestOptions {
  /** Gives up the request. */
  readonly signal: AbortSignal;
  /** Milliseconds to connect. */
  readonly connectTimeout: number;
  /** Milliseconds from there to the end of the answer. */
  readonly readTimeout: number;
  /** Greatest number of bytes of the answer. */
  readonly maxReplyLength: number;
}

/**
 * Gets the body of a successful answer.
 *
 * @throws {ChannelError} When there is none; nothing secret is in its text or cause.
 */
export type RequestKubernetes = (
  access: KubernetesAccess,
  options: KubernetesRequestOptions,
) => Promise<Uint8Array>;

/** Options of {@linkcode KubernetesMembershipProvider}. */
export interface KubernetesMembershipProviderOptions {
  /** Environment variables that say where the API server is: `process.env`. */
  readonly environment: Environment;
  /**
   * Greatest number of bytes of the API server's answer. Tomcat has no limit.
   * @default {16777216}
   */
  readonly maxReplyLength?: number;
  /** How the API server is asked; by `node:https` without it. */
  readonly request?: RequestKubernetes;
  /** Is told what is odd about the configuration, and of pods that are left out for a fault. */
  readonly onWarning?: (text: string) => void;
}

/** Finds members by the pods of a namespace, as Tomcat's `kubernetes` provider does. */
export class KubernetesMembershipProvider implements MembershipProvider {
  /** Its name in configurations. */
  readonly name = "kubernetes";
  readonly #access: KubernetesAccess;
  readonly #maxReplyLength: number;
  readonly #request: RequestKubernetes;
  readonly #onWarning: (text: string) => void;

  /**
   * Makes a provider.
   *
   * @throws {RangeError} For an option that is out of its range, or a variable that is missing.
   */
  constructor(options: KubernetesMembershipProviderOptions) {
    this.#onWarning = options.onWarning ?? (() => {});
    this.#access = kubernetesAccess(options.environment, this.#onWarning);
    this.#maxReplyLength = options.maxReplyLength ?? 16_777_216;
    this.#request = options.request ?? kubernetesRequester();
    checkInteger(this.#maxReplyLength, "maxReplyLength", 1, 0x3fff_ffff);
  }

  /** What is asked: the address of the list of pods. */
  get url(): string {
    return this.#access.url;
  }

  /**
   * Asks for the pods.
   *
   * @throws {ChannelError} `timeout`, `connection-refused`, `connection-closed`; `bad-message` for
   * an answer that is no list of pods.
   */
  async fetchMembers(
    { signal, connectTimeout, readTimeout, startTime }: CloudFetchOptions,
  ): Promise<readonly CloudMember[]> {
    const body = await this.#request(this.#access, {
      signal,
      connectTimeout,
      readTimeout,
      maxReplyLength: this.#maxReplyLength,
    });
    return parsePods(body, startTime, this.#onWarning);
  }
}

/**
 * Reads where the API server is, and how to ask it, from environment variables: those of Tomcat's
 * KubernetesMembershipProvider.
 *
 * @throws {RangeError} When host or port is missing, or a client certificate has no key.
 */
export function kubernetesAccess(
  environment: Environment,
  onWarning?: (text: string) => void,
): KubernetesAccess {
  const either = (custom: string, plain: string) =>
    firstVariable(environment, `${CUSTOM_ENV_PREFIX}${custom}`, plain);
  const needed = (custom: string, plain: string) => {
    const value = either(custom, plain);
    if (value !== undefined && value !== "") return value;
    throw new RangeError(
      `Cannot find the API server: neither ${CUSTOM_ENV_PREFIX}${custom} nor ${plain} is set`,
    );
  };
  const namespace = cloudNamespace(environment, onWarning);
  const protocol = either("MASTER_PROTOCOL", "KUBERNETES_MASTER_PROTOCOL") ??
    "https";
  const host = needed("MASTER_HOST", "KUBERNETES_SERVICE_HOST");
  const port = needed("MASTER_PORT", "KUBERNETES_SERVICE_PORT");
  const version = either("API_VERSION", "KUBERNETES_API_VERSION") ?? "v1";
  const labels = either("LABELS", "KUBERNETES_LABELS") ?? "";
  const shownHost = host.includes(":") && !host.startsWith("[")
    ? `[${host}]`
    : host;
  const url = `${protocol}://${shownHost}:${port}/api/${version}/namespaces/${
    formEncode(namespace)
  }/pods${labels === "" ? "" : `?labelSelector=${formEncode(labels)}`}`;
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    throw new RangeError(`Cannot use the API server's address ${url}`);
  }
  return {
    url,
    caFile: either("CA_CERT_FILE", "KUBERNETES_CA_CERTIFICATE_FILE") ??
      `${SERVICE_ACCOUNT}/ca.crt`,
    credentials: credentials(environment, either),
  };
}

function credentials(
  environment: Environment,
  either: (custom: string, plain: string) => string | undefined,
): KubernetesAccess["credentials"] {
  const file = either("CLIENT_CERT_FILE", "KUBERNETES_CLIENT_CERTIFICATE_FILE");
  if (file === undefined) {
    const token = either("SA_TOKEN_FILE", "SA_TOKEN_FILE");
    return { type: "token", file: token ?? `${SERVICE_ACCOUNT}/token` };
  }
  const keyFile = environment.KUBERNETES_CLIENT_KEY_FILE;
  const keyPassword = environment.KUBERNETES_CLIENT_KEY_PASSWORD;
  if (keyFile === undefined) {
    throw new RangeError(
      `Cannot use the client certificate ${file}: KUBERNETES_CLIENT_KEY_FILE is not set`,
    );
  }
  return {
    type: "certificate",
    file,
    keyFile,
    ...(keyPassword === undefined ? {} : { keyPassword }),
  };
}

/**
 * Reads the members from the API server's list of pods: those of kind `Pod` that run.
 *
 * @param body JSON, UTF-8.
 * @param startTime Wall time of this node's start; a member's alive time is how long before it the
 * pod was made.
 * @param onWarning Is told of each pod that lacks something.
 * @throws {ChannelError} `bad-message` for anything that is no list.
 */
export function parsePods(
  body: Uint8Array,
  startTime: number,
  onWarning: (text: string) => void = () => {},
): readonly CloudMember[] {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw badList(`it is not JSON (${asError(error).name})`);
  }
  if (!isRecord(list) || !Array.isArray(list.items)) {
    throw badList("it has no items");
  }
  const members: CloudMember[] = [];
  for (const [i, pod] of list.items.entries()) {
    const found = podMember(pod, startTime);
    if (typeof found !== "string") members.push(found);
    else if (found !== "") onWarning(`Pod ${i} is left out: ${found}`);
  }
  return members;
}

/** The member that a pod is; what it lacks, or nothing when it is simply no member. */
function podMember(pod: unknown, startTime: number): CloudMember | string {
  if (!isRecord(pod)) return "it is not an object";
  const { kind, metadata, status } = pod;
  if (kind !== undefined && kind !== null && kind !== "Pod") return "";
  if (!isRecord(metadata)) return "it has no metadata";
  const name = textOf(metadata.name);
  if (name === undefined) return "it has no name";
  const created = instant(textOf(metadata.creationTimestamp));
  if (created === undefined) return "it has no creationTimestamp";
  if (!isRecord(status)) return "it has no status";
  if (status.phase !== "Running") return "";
  const address = textOf(status.podIP);
  if (address === undefined) return "it has no podIP";
  try {
    return {
      host: encodeHost(address),
      uniqueId: cloudUniqueId(textOf(metadata.uid) ?? address),
      aliveTime: startTime - created,
    };
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    return "its podIP is no address";
  }
}

function badList(state: string): ChannelError {
  return new ChannelError(
    "bad-message",
    `Cannot read the list of pods: ${state}`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as Java's toString shows it, where it has one. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  return undefined;
}

/** Milliseconds since 1970 of an ISO 8601 instant. */
function instant(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const form =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
  const parts = form.exec(text);
  if (parts === null) return undefined;
  const [, seconds, fraction = "", zone] = parts;
  const time = Date.parse(`${seconds}${fraction.slice(0, 4)}${zone}`);
  return Number.isNaN(time) ? undefined : time;
}

/** Encodes a text as java.net.URLEncoder does. */
function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
