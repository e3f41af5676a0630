// A cluster's configuration as values. Names are Tomcat's; defaults are filled in, except for
// interceptors, valves and listeners, which keep what was written.

/** Attributes by name, as text. */
export type TextAttributes = Readonly<Record<string, string>>;

/** A `<Cluster>` and what surrounds it. */
export interface ClusterConfig {
  /** Where it stands; absent for a file that has only the cluster. */
  readonly placement?: ClusterPlacement;
  /** SimpleTcpCluster. */
  readonly cluster: ClusterAttributes;
  /** The template of session managers. */
  readonly manager: ManagerConfig;
  /** GroupChannel. */
  readonly channel: ChannelConfig;
  /** Valves in order; when there is none, Tomcat puts in JvmRouteBinderValve and ReplicationValve. */
  readonly valves: readonly ClassConfig[];
  /** FarmWarDeployer. */
  readonly deployer?: DeployerAttributes;
  /** Cluster listeners in order. */
  readonly listeners: readonly ClassConfig[];
}

/** Where a `<Cluster>` stands. */
export interface ClusterPlacement {
  /** The element around it: names of managers get the host in front on an Engine. */
  readonly level: "Engine" | "Host";
  /** Its name; the cluster's, unless that has a `clusterName`. */
  readonly name?: string;
  /** Attribute `jvmRoute` of the Engine. */
  readonly jvmRoute?: string;
}

/** An element of a class with attributes as they were written. */
export interface ClassConfig {
  /** Tomcat's class name without its package; a class of others whole. */
  readonly className: string;
  /** Attributes apart from `className`. */
  readonly attributes: TextAttributes;
}

/** Attributes of SimpleTcpCluster. */
export interface ClusterAttributes {
  /** Name of the channel and of the cluster's parts. */
  readonly clusterName?: string;
  /** Send options of session messages. */
  readonly channelSendOptions: number;
  /** Start levels of the channel; 3 leaves membership out. */
  readonly channelStartOptions: number;
  /** Whether the container's background thread sends heartbeats. */
  readonly heartbeatBackgroundEnabled: boolean;
  /** Whether life-cycle listeners hear of failures. */
  readonly notifyLifecycleListenerOnFailure: boolean;
}

/** `<Channel>` and the elements in it. */
export interface ChannelConfig {
  /** Attributes of GroupChannel. */
  readonly attributes: ChannelAttributes;
  /** `<Membership>`. */
  readonly membership: MembershipConfig;
  /** `<Receiver>`: NioReceiver. */
  readonly receiver: ReceiverAttributes;
  /** `<Transport>` in `<Sender>`: PooledParallelSender. */
  readonly sender: SenderAttributes;
  /** Interceptors, top of the stack first; Tomcat's default stack where none is written. */
  readonly interceptors: readonly InterceptorConfig[];
}

/** Attributes of GroupChannel. */
export interface ChannelAttributes {
  /** Name of a channel without a cluster; Tomcat names the others after theirs. */
  readonly name?: string;
  /** Whether heartbeats run. */
  readonly heartbeat: boolean;
  /** Milliseconds between heartbeats. */
  readonly heartbeatSleeptime: number;
  /** Whether option flags that contain one another are refused. */
  readonly optionCheck: boolean;
  /** Whether JMX is on. */
  readonly jmxEnabled: boolean;
  /** Domain of JMX names. */
  readonly jmxDomain?: string;
  /** Prefix of JMX names. */
  readonly jmxPrefix?: string;
  /** Whether the channel uses TLS. */
  readonly secure?: boolean;
}

/** How members are found. */
export type MembershipConfig =
  | {
    readonly type: "McastService";
    readonly attributes: McastAttributes;
  }
  | {
    readonly type: "StaticMembershipService";
    readonly attributes: StaticMembershipAttributes;
    readonly localMember?: StaticMemberAttributes;
    readonly members: readonly StaticMemberAttributes[];
  }
  | {
    readonly type: "CloudMembershipService";
    readonly attributes: CloudMembershipAttributes;
  };

/** Attributes of McastService; durations are milliseconds. */
export interface McastAttributes {
  /** Group. */
  readonly address: string;
  /** Group's port. */
  readonly port: number;
  /** Time between beacons. */
  readonly frequency: number;
  /** Silence after which a member is gone. */
  readonly dropTime: number;
  /** Address of the interface. */
  readonly bind?: string;
  /** Time to live. */
  readonly ttl?: number;
  /** Domain in the beacon: text or `{1,2,3}`. */
  readonly domain?: string;
  /** Timeout of the socket's reads. */
  readonly soTimeout?: number;
  /** Whether the socket is opened again. */
  readonly recoveryEnabled: boolean;
  /** Errors after which it is. */
  readonly recoveryCounter: number;
  /** Time between two tries. */
  readonly recoverySleepTime: number;
  /** Whether others on this host do not hear this member. */
  readonly localLoopbackDisabled: boolean;
}

/** Attributes of StaticMembershipService; durations are milliseconds. */
export interface StaticMembershipAttributes {
  /** How long connecting may take. */
  readonly connectTimeout: number;
  /** Silence after which a member is gone. */
  readonly expirationTime: number;
  /** How long an answer may take. */
  readonly rpcTimeout: number;
  /** Whether a thread of its own pings. */
  readonly useThread: boolean;
  /** Time between pings. */
  readonly pingInterval: number;
}

/** Attributes of CloudMembershipService; durations are milliseconds. */
export interface CloudMembershipAttributes {
  /** `kubernetes`, `dns`, or a class. */
  readonly membershipProviderClassName: string;
  /** How long connecting to the provider may take. */
  readonly connectTimeout: number;
  /** How long its answer may take. */
  readonly readTimeout: number;
  /** Silence after which a member is gone. */
  readonly expirationTime: number;
}

/** A `<Member>` or `<LocalMember>`. */
export interface StaticMemberAttributes {
  /** Numeric address; a local member needs none. */
  readonly host?: string;
  /** TCP port. */
  readonly port?: number;
  /** TLS port. */
  readonly securePort: number;
  /** UDP port. */
  readonly udpPort: number;
  /** Domain: text or `{1,2,3}`. */
  readonly domain?: string;
  /** 16 bytes as `{0,1,2,...}`. */
  readonly uniqueId?: string;
}

/** Attributes of NioReceiver. */
export interface ReceiverAttributes {
  /** Address to bind and to publish. */
  readonly address: string;
  /** First TCP port to try. */
  readonly port: number;
  /** How many ports are tried. */
  readonly autoBind: number;
  /** TLS port to publish. */
  readonly securePort: number;
  /** UDP port. */
  readonly udpPort: number;
  /** Timeout of a selector. */
  readonly selectorTimeout: number;
  /** Most worker threads. */
  readonly maxThreads: number;
  /** Fewest worker threads. */
  readonly minThreads: number;
  /** Idle time of a worker. */
  readonly maxIdleTime: number;
  /** Most tasks. */
  readonly maxTasks: number;
  /** Fewest tasks. */
  readonly minTasks: number;
  /** Whether threads are daemons. */
  readonly daemon: boolean;
  /** Whether buffers are outside the heap. */
  readonly direct: boolean;
  /** Size of TCP read buffers. */
  readonly rxBufSize: number;
  /** Size of TCP write buffers. */
  readonly txBufSize: number;
  /** Size of UDP read buffers. */
  readonly udpRxBufSize: number;
  /** Size of UDP write buffers. */
  readonly udpTxBufSize: number;
  /** SO_KEEPALIVE. */
  readonly soKeepAlive: boolean;
  /** SO_LINGER. */
  readonly soLingerOn: boolean;
  /** Seconds of SO_LINGER. */
  readonly soLingerTime: number;
  /** SO_REUSEADDR. */
  readonly soReuseAddress: boolean;
  /** Traffic class. */
  readonly soTrafficClass?: number;
  /** TCP_NODELAY. */
  readonly tcpNoDelay: boolean;
  /** OOBINLINE. */
  readonly ooBInline: boolean;
  /** Socket timeout. */
  readonly timeout: number;
  /** Whether buffers are pooled. */
  readonly useBufferPool: boolean;
}

/** Attributes of PooledParallelSender; durations are milliseconds. */
export interface SenderAttributes {
  /** How long a send may make no progress. */
  readonly timeout: number;
  /** How often a message is sent again. */
  readonly maxRetryAttempts: number;
  /** Whether a FAIL_ACK fails the send. */
  readonly throwOnFailedAck: boolean;
  /** Messages after which a connection is replaced. */
  readonly keepAliveCount: number;
  /** Age at which a connection is replaced. */
  readonly keepAliveTime: number;
  /** Most senders at a time. */
  readonly poolSize: number;
  /** Wait for a free sender. */
  readonly maxWait: number;
  /** Size of TCP read buffers. */
  readonly rxBufSize: number;
  /** Size of TCP write buffers. */
  readonly txBufSize: number;
  /** Size of UDP read buffers. */
  readonly udpRxBufSize: number;
  /** Size of UDP write buffers. */
  readonly udpTxBufSize: number;
  /** Whether buffers are outside the heap. */
  readonly directBuffer: boolean;
  /** SO_KEEPALIVE. */
  readonly soKeepAlive: boolean;
  /** SO_LINGER. */
  readonly soLingerOn: boolean;
  /** Seconds of SO_LINGER. */
  readonly soLingerTime: number;
  /** SO_REUSEADDR. */
  readonly soReuseAddress: boolean;
  /** Traffic class. */
  readonly soTrafficClass?: number;
  /** TCP_NODELAY. */
  readonly tcpNoDelay: boolean;
  /** OOBINLINE. */
  readonly ooBInline: boolean;
}

/** An `<Interceptor>`. */
export interface InterceptorConfig {
  /** Tomcat's class name without package and `Interceptor`: `MessageDispatch`. */
  readonly name: string;
  /** Attributes as written. */
  readonly attributes: TextAttributes;
  /** Configured members, of StaticMembership. */
  readonly members: readonly StaticMemberAttributes[];
  /** What this node is to the others' configurations, of StaticMembership. */
  readonly localMember?: StaticMemberAttributes;
}

/** `<Manager>`. */
export type ManagerConfig =
  | {
    readonly type: "DeltaManager";
    readonly attributes: DeltaManagerAttributes;
    readonly sessionIdGenerator?: SessionIdGeneratorAttributes;
  }
  | {
    readonly type: "BackupManager";
    readonly attributes: BackupManagerAttributes;
    readonly sessionIdGenerator?: SessionIdGeneratorAttributes;
  };

/** Attributes of StandardSessionIdGenerator. */
export interface SessionIdGeneratorAttributes {
  /** Bytes of a session id. */
  readonly sessionIdLength: number;
  /** Suffix of session ids. */
  readonly jvmRoute?: string;
  /** Class of random numbers. */
  readonly secureRandomClass?: string;
  /** Algorithm of random numbers. */
  readonly secureRandomAlgorithm?: string;
  /** Provider of random numbers. */
  readonly secureRandomProvider?: string;
}

/** Attributes that both managers have. */
export interface ManagerAttributes {
  /** Name, which each context's replaces. */
  readonly name?: string;
  /** Whether session listeners hear of changes by replication. */
  readonly notifyListenersOnReplication: boolean;
  /** Background runs between two expiries. */
  readonly processExpiresFrequency: number;
  /** Most active sessions; -1 for no limit. */
  readonly maxActiveSessions: number;
  /** Whether every action is recorded, or the last of each attribute. */
  readonly recordAllActions: boolean;
  /** Regex of attribute names that are replicated. */
  readonly sessionAttributeNameFilter?: string;
  /** Regex of classes of values that are replicated. */
  readonly sessionAttributeValueClassNameFilter?: string;
  /** Whether what the filters leave out is logged as a warning. */
  readonly warnOnSessionAttributeFilterFailure: boolean;
  /** Whether the principal's credentials are part of a session. */
  readonly persistAuthentication: boolean;
  /** The older name of the above for notes. */
  readonly persistAuthenticationNotes?: boolean;
  /** Whether a session in use does not expire. */
  readonly sessionActivityCheck: boolean;
  /** Whether the last access is the start of a request. */
  readonly sessionLastAccessAtStart: boolean;
  /** Whether attribute listeners hear of equal values. */
  readonly notifyAttributeListenerOnUnchangedValue: boolean;
  /** Whether binding listeners hear of equal values. */
  readonly notifyBindingListenerOnUnchangedValue: boolean;
  /** Seconds a session may live. */
  readonly sessionMaxAliveTime?: number;
  /** Class of random numbers. */
  readonly secureRandomClass?: string;
  /** Algorithm of random numbers. */
  readonly secureRandomAlgorithm?: string;
  /** Provider of random numbers. */
  readonly secureRandomProvider?: string;
}

/** Attributes of DeltaManager. */
export interface DeltaManagerAttributes extends ManagerAttributes {
  /** Whether statistics are kept. */
  readonly enableStatistics: boolean;
  /** Whether all sessions expire in the whole cluster at a stop. */
  readonly expireSessionsOnShutdown: boolean;
  /** Whether session listeners hear of replicated sessions. */
  readonly notifySessionListenersOnReplication: boolean;
  /** Whether container listeners hear of replicated sessions. */
  readonly notifyContainerListenersOnReplication: boolean;
  /** Seconds that the state transfer may take; -1 for no limit. */
  readonly stateTransferTimeout: number;
  /** Whether all sessions go in one message. */
  readonly sendAllSessions: boolean;
  /** Sessions of one message otherwise. */
  readonly sendAllSessionsSize: number;
  /** Milliseconds between such messages. */
  readonly sendAllSessionsWaitTime: number;
  /** Whether messages older than the state are dropped. */
  readonly stateTimestampDrop: boolean;
}

/** Attributes of BackupManager; durations are milliseconds. */
export interface BackupManagerAttributes extends ManagerAttributes {
  /** Send options of the map. */
  readonly mapSendOptions: number;
  /** How long an answer may take. */
  readonly rpcTimeout: number;
  /** Whether the context fails when the map cannot start. */
  readonly terminateOnStartFailure: boolean;
  /** How long a member may not answer a ping. */
  readonly accessTimeout: number;
}

/** Attributes of FarmWarDeployer. */
export interface DeployerAttributes {
  /** Where web applications are put; the Host's `appBase`. */
  readonly deployDir: string;
  /** Where parts are gathered. */
  readonly tempDir: string;
  /** Where new files are looked for. */
  readonly watchDir?: string;
  /** Whether they are looked for. */
  readonly watchEnabled: boolean;
  /** Background runs between two looks. */
  readonly processDeployFrequency: number;
  /** Seconds a deployment may take. */
  readonly maxValidTime: number;
}
