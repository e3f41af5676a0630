// The elements of a cluster apart from its channel.
import {
  type AttributeRules,
  type ElementRules,
  flag,
  integer,
  sendOptions,
  text,
} from "./attribute_rule.ts";
import type {
  BackupManagerAttributes,
  ClusterAttributes,
  DeltaManagerAttributes,
  DeployerAttributes,
  ManagerAttributes,
  SessionIdGeneratorAttributes,
} from "./cluster_config.ts";

const RANDOM = {
  noEffect: "random numbers come from the runtime",
};
const LISTENERS = {
  noEffect: "there are no servlet listeners here",
};
const STATISTICS = { noEffect: "there is no JMX here to read it" };

/** SimpleTcpCluster. */
export const CLUSTER_RULES: ElementRules<ClusterAttributes> = {
  attributes: {
    clusterName: text(),
    channelSendOptions: sendOptions(8),
    channelStartOptions: integer(15, { least: 1, most: 15 }),
    heartbeatBackgroundEnabled: flag(false, {
      noEffect: "the channel has a timer of its own for heartbeats",
    }),
    notifyLifecycleListenerOnFailure: flag(false, LISTENERS),
  },
};

const MANAGER: AttributeRules<ManagerAttributes> = {
  name: text(undefined, { noEffect: "each context's name replaces it" }),
  notifyListenersOnReplication: flag(true),
  processExpiresFrequency: integer(6, { least: 1 }),
  maxActiveSessions: integer(-1, { least: -1 }),
  recordAllActions: flag(false),
  sessionAttributeNameFilter: text(),
  sessionAttributeValueClassNameFilter: text(),
  warnOnSessionAttributeFilterFailure: flag(false),
  persistAuthentication: flag(false),
  persistAuthenticationNotes: flag(), // only 8.5 to 10.0 have it
  sessionActivityCheck: flag(false),
  sessionLastAccessAtStart: flag(false),
  notifyAttributeListenerOnUnchangedValue: flag(true, LISTENERS),
  notifyBindingListenerOnUnchangedValue: flag(false, LISTENERS),
  sessionMaxAliveTime: integer(undefined, STATISTICS),
  secureRandomClass: text(undefined, RANDOM),
  secureRandomAlgorithm: text(undefined, RANDOM),
  secureRandomProvider: text(undefined, RANDOM),
};

/** DeltaManager. */
export const DELTA_MANAGER_RULES: ElementRules<DeltaManagerAttributes> = {
  attributes: {
    ...MANAGER,
    enableStatistics: flag(true, STATISTICS),
    expireSessionsOnShutdown: flag(false),
    notifySessionListenersOnReplication: flag(true, LISTENERS),
    notifyContainerListenersOnReplication: flag(true, LISTENERS),
    stateTransferTimeout: integer(60),
    sendAllSessions: flag(true),
    sendAllSessionsSize: integer(1000, { least: 1 }),
    sendAllSessionsWaitTime: integer(2000, { least: 0 }),
    stateTimestampDrop: flag(true),
  },
};

/** BackupManager. */
export const BACKUP_MANAGER_RULES: ElementRules<BackupManagerAttributes> = {
  attributes: {
    ...MANAGER,
    mapSendOptions: sendOptions(6),
    rpcTimeout: integer(15_000, { least: 1 }),
    terminateOnStartFailure: flag(false),
    accessTimeout: integer(5000, { least: 1 }),
  },
  ignored: {
    expireSessionsOnShutdown:
      "only DeltaManager has it; a BackupManager never expires sessions at a stop",
  },
};

/** StandardSessionIdGenerator. */
export const SESSION_ID_RULES: ElementRules<SessionIdGeneratorAttributes> = {
  attributes: {
    sessionIdLength: integer(16, { least: 1, most: 1024 }),
    jvmRoute: text(),
    secureRandomClass: text(undefined, RANDOM),
    secureRandomAlgorithm: text(undefined, RANDOM),
    secureRandomProvider: text(undefined, RANDOM),
  },
};

/** FarmWarDeployer. */
export const DEPLOYER_RULES: ElementRules<DeployerAttributes> = {
  attributes: {
    deployDir: text(undefined, { required: true }),
    tempDir: text(undefined, { required: true }),
    watchDir: text(),
    watchEnabled: flag(false),
    processDeployFrequency: integer(2, { least: 1 }),
    maxValidTime: integer(300, { least: 1 }),
  },
};

const ASYNC = {
  asyncSupported: flag(true, { noEffect: "requests are asynchronous here" }),
};

/** Valves by class name. */
export const VALVE_RULES: Readonly<Record<string, ElementRules>> = {
  "org.apache.catalina.ha.tcp.ReplicationValve": {
    attributes: {
      ...ASYNC,
      filter: text(),
      primaryIndicator: flag(false),
      primaryIndicatorName: text(),
      statistics: flag(false, STATISTICS),
    },
  },
  "org.apache.catalina.ha.session.JvmRouteBinderValve": {
    attributes: { ...ASYNC, enabled: flag(true), sessionIdAttribute: text() },
  },
  "org.apache.catalina.ha.authenticator.ClusterSingleSignOn": {
    attributes: {
      ...ASYNC,
      cookieDomain: text(),
      cookieName: text(),
      mapSendOptions: sendOptions(6),
      requireReauthentication: flag(false),
      rpcTimeout: integer(15_000, { least: 1 }),
      terminateOnStartFailure: flag(false),
      accessTimeout: integer(5000, { least: 1 }),
    },
  },
};

/**
 * Cluster listeners by class name. ClusterSingleSignOnListener is none that can be written: the valve
 * makes it, and Tomcat cannot.
 */
export const LISTENER_RULES: Readonly<Record<string, ElementRules>> = {
  "org.apache.catalina.ha.session.ClusterSessionListener": { attributes: {} },
};

/** Classes that Tomcat no longer has, what stands for them, and why. */
export const RENAMED_CLASSES: Readonly<
  Record<string, { readonly now: string | null; readonly why: string }>
> = {
  "org.apache.catalina.tribes.group.interceptors.MessageDispatch15Interceptor":
    {
      now:
        "org.apache.catalina.tribes.group.interceptors.MessageDispatchInterceptor",
      why:
        "Tomcat has no MessageDispatch15Interceptor since 8.5; it is the MessageDispatchInterceptor",
    },
  "org.apache.catalina.ha.session.JvmRouteSessionIDBinderListener": {
    now: null,
    why:
      "Tomcat has no JvmRouteSessionIDBinderListener since 8.0; JvmRouteBinderValve alone does its work",
  },
  "org.apache.catalina.ha.session.JvmRouteSessionIDBinderLifecycleListener": {
    now: null,
    why:
      "Tomcat has no JvmRouteSessionIDBinderLifecycleListener since 8.0; JvmRouteBinderValve alone does its work",
  },
  "org.apache.catalina.tribes.transport.bio.BioReceiver": {
    now: "org.apache.catalina.tribes.transport.nio.NioReceiver",
    why: "Tomcat has no BioReceiver since 10.0; NioReceiver takes its place",
  },
  "org.apache.catalina.tribes.transport.bio.PooledMultiSender": {
    now: "org.apache.catalina.tribes.transport.nio.PooledParallelSender",
    why:
      "Tomcat has no PooledMultiSender since 10.0; PooledParallelSender takes its place",
  },
};
