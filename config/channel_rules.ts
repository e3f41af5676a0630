// The elements of a channel: every attribute that a Tomcat from 9.0 on takes.
import {
  type AttributeRules,
  type ElementRules,
  flag,
  integer,
  text,
} from "./attribute_rule.ts";
import type {
  ChannelAttributes,
  CloudMembershipAttributes,
  McastAttributes,
  ReceiverAttributes,
  SenderAttributes,
  StaticMemberAttributes,
  StaticMembershipAttributes,
} from "./cluster_config.ts";

const PORT = { least: 0, most: 65_535 };
const OPTIONAL_PORT = { least: -1, most: 65_535 };
const POSITIVE = { least: 1 };
const NO_JMX = { noEffect: "there is no JMX here" };
const THREADS = {
  noEffect: "messages are read by one event loop, without threads or selectors",
};
const BUFFERS = {
  noEffect: "the system chooses the sizes of socket buffers",
};
const SOCKET = { noEffect: "the flags of sockets are fixed here" };
const POOL = {
  noEffect: "one connection to each member is kept, and it is never waited for",
};

/** GroupChannel. */
export const CHANNEL_RULES: ElementRules<ChannelAttributes> = {
  attributes: {
    name: text(),
    heartbeat: flag(true),
    heartbeatSleeptime: integer(5000, POSITIVE),
    optionCheck: flag(false),
    jmxEnabled: flag(true, NO_JMX),
    jmxDomain: text(undefined, NO_JMX),
    jmxPrefix: text(undefined, NO_JMX),
    secure: flag(), // only the newest Tomcats have it
  },
};

/** McastService. */
export const MCAST_RULES: ElementRules<McastAttributes> = {
  attributes: {
    address: text("228.0.0.4"),
    port: integer(45_564, { least: 1, most: 65_535 }),
    frequency: integer(500, POSITIVE),
    dropTime: integer(3000, POSITIVE),
    bind: text(),
    ttl: integer(undefined, { least: -1, most: 255 }),
    domain: text(),
    soTimeout: integer(undefined, {
      noEffect: "silent members are looked for by a timer, not between reads",
    }),
    recoveryEnabled: flag(true),
    recoveryCounter: integer(10, POSITIVE),
    recoverySleepTime: integer(5000, POSITIVE),
    localLoopbackDisabled: flag(false),
  },
  renamed: {
    mcastBindAddress: "bind",
    mcastDropTime: "dropTime",
    mcastAddr: "address",
    mcastPort: "port",
    mcastFrequency: "frequency",
    mcastTTL: "ttl",
    mcastSoTimeout: "soTimeout",
  },
};

/** StaticMembershipService. */
export const STATIC_MEMBERSHIP_RULES: ElementRules<StaticMembershipAttributes> =
  {
    attributes: {
      connectTimeout: integer(500, POSITIVE),
      expirationTime: integer(5000, POSITIVE),
      rpcTimeout: integer(3000, POSITIVE),
      useThread: flag(false),
      pingInterval: integer(1000, POSITIVE),
    },
  };

/** CloudMembershipService. */
export const CLOUD_MEMBERSHIP_RULES: ElementRules<CloudMembershipAttributes> = {
  attributes: {
    membershipProviderClassName: text("kubernetes"),
    connectTimeout: integer(1000, POSITIVE),
    readTimeout: integer(1000, POSITIVE),
    expirationTime: integer(5000, POSITIVE),
  },
};

const MEMBER: AttributeRules<StaticMemberAttributes> = {
  host: text(),
  port: integer(undefined, PORT),
  securePort: integer(-1, OPTIONAL_PORT),
  udpPort: integer(-1, OPTIONAL_PORT),
  domain: text(),
  uniqueId: text(),
};

/** Member. */
export const MEMBER_RULES: ElementRules<StaticMemberAttributes> = {
  attributes: {
    ...MEMBER,
    host: text(undefined, { required: true }),
    port: integer(undefined, { required: true, least: 1, most: 65_535 }),
    uniqueId: text(undefined, { required: true }),
  },
};

/** LocalMember. */
export const LOCAL_MEMBER_RULES: ElementRules<StaticMemberAttributes> = {
  attributes: MEMBER,
};

/** NioReceiver. */
export const RECEIVER_RULES: ElementRules<ReceiverAttributes> = {
  attributes: {
    address: text("auto"),
    port: integer(4000, PORT),
    autoBind: integer(100, { most: 65_535 }),
    securePort: integer(-1, OPTIONAL_PORT),
    udpPort: integer(-1, OPTIONAL_PORT),
    selectorTimeout: integer(5000, THREADS),
    maxThreads: integer(15, THREADS),
    minThreads: integer(6, THREADS),
    maxIdleTime: integer(60_000, THREADS),
    maxTasks: integer(100, THREADS),
    minTasks: integer(10, THREADS),
    daemon: flag(true, THREADS),
    direct: flag(true, BUFFERS),
    rxBufSize: integer(65_536, BUFFERS),
    txBufSize: integer(25_188, BUFFERS),
    udpRxBufSize: integer(65_536, BUFFERS),
    udpTxBufSize: integer(25_188, BUFFERS),
    soKeepAlive: flag(false, SOCKET),
    soLingerOn: flag(true, SOCKET),
    soLingerTime: integer(3, SOCKET),
    soReuseAddress: flag(true, SOCKET),
    soTrafficClass: integer(undefined, SOCKET),
    tcpNoDelay: flag(true, SOCKET),
    ooBInline: flag(true, SOCKET),
    timeout: integer(3000, {
      noEffect: "a connection that stalls is closed by a limit of this library",
    }),
    useBufferPool: flag(true, BUFFERS),
  },
  renamed: {
    host: "address",
    tcpListenAddress: "address",
    tcpListenPort: "port",
    tcpSelectorTimeout: "selectorTimeout",
    tcpThreadCount: "maxThreads",
  },
};

/** PooledParallelSender. */
export const SENDER_RULES: ElementRules<SenderAttributes> = {
  attributes: {
    timeout: integer(3000, POSITIVE),
    maxRetryAttempts: integer(1, { least: 0, most: 1000 }),
    throwOnFailedAck: flag(true),
    keepAliveCount: integer(-1, { least: -1 }),
    keepAliveTime: integer(-1, { least: -1 }),
    poolSize: integer(25, POOL),
    maxWait: integer(3000, POOL),
    rxBufSize: integer(25_188, BUFFERS),
    txBufSize: integer(65_536, BUFFERS),
    udpRxBufSize: integer(25_188, BUFFERS),
    udpTxBufSize: integer(65_536, BUFFERS),
    directBuffer: flag(false, BUFFERS),
    soKeepAlive: flag(false, SOCKET),
    soLingerOn: flag(true, SOCKET),
    soLingerTime: integer(3, SOCKET),
    soReuseAddress: flag(true, SOCKET),
    soTrafficClass: integer(undefined, SOCKET),
    tcpNoDelay: flag(true, SOCKET),
    ooBInline: flag(true, SOCKET),
  },
};
