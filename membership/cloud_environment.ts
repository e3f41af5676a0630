// The environment variables by which Tomcat's providers of cloud membership are configured.

/** Environment variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Prefix of the variables that come before Kubernetes' own. */
export const CUSTOM_ENV_PREFIX = "OPENSHIFT_KUBE_PING_";

const DEFAULT_NAMESPACE = "tomcat";

/** The first of these variables that is set; an empty one counts, as in Tomcat. */
export function firstVariable(
  environment: Environment,
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    const value = environment[name];
    if (value !== undefined) return value;
  }
  return undefined;
}

/**
 * The namespace that this node is in: `OPENSHIFT_KUBE_PING_NAMESPACE`, `KUBERNETES_NAMESPACE`, or
 * else `tomcat`.
 *
 * @param onWarning Is told when the last is taken.
 */
export function cloudNamespace(
  environment: Environment,
  onWarning?: (text: string) => void,
): string {
  const namespace = firstVariable(
    environment,
    `${CUSTOM_ENV_PREFIX}NAMESPACE`,
    "KUBERNETES_NAMESPACE",
  );
  if (namespace !== undefined && namespace !== "") return namespace;
  onWarning?.(
    `Neither ${CUSTOM_ENV_PREFIX}NAMESPACE nor KUBERNETES_NAMESPACE is set: the namespace is taken to be ${DEFAULT_NAMESPACE}`,
  );
  return DEFAULT_NAMESPACE;
}
