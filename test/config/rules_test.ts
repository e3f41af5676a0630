// Every attribute of Tomcat's documentation, with its default where that has one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeInterceptor } from "../../channel/mod.ts";
import type { ElementRules } from "../../config/attribute_rule.ts";
import * as channel from "../../config/channel_rules.ts";
import * as clusters from "../../config/cluster_rules.ts";
import { INTERCEPTOR_RULES } from "../../config/interceptor_rules.ts";

const MANAGER =
  "name notifyListenersOnReplication=true processExpiresFrequency=6 secureRandomClass secureRandomProvider " +
  "secureRandomAlgorithm recordAllActions=false maxActiveSessions=-1 sessionAttributeNameFilter " +
  "sessionAttributeValueClassNameFilter warnOnSessionAttributeFilterFailure=false persistAuthentication " +
  "sessionActivityCheck sessionLastAccessAtStart ";
const SOCKET =
  " soKeepAlive=false soLingerOn=true soLingerTime=3 soReuseAddress soTrafficClass tcpNoDelay=true ooBInline";

// deno-lint-ignore no-explicit-any -- rules of any element
const DOCUMENTED: readonly (readonly [string, ElementRules<any>, string])[] = [
  [
    "SimpleTcpCluster",
    clusters.CLUSTER_RULES,
    "channelSendOptions=8 channelStartOptions=15 heartbeatBackgroundEnabled=false notifyLifecycleListenerOnFailure=false clusterName",
  ],
  [
    "DeltaManager",
    clusters.DELTA_MANAGER_RULES,
    MANAGER +
    "enableStatistics=true expireSessionsOnShutdown=false notifySessionListenersOnReplication " +
    "notifyContainerListenersOnReplication stateTransferTimeout=60 sendAllSessions=true sendAllSessionsSize=1000 " +
    "sendAllSessionsWaitTime=2000 stateTimestampDrop=true",
  ],
  [
    "BackupManager",
    clusters.BACKUP_MANAGER_RULES,
    MANAGER +
    "mapSendOptions=6 rpcTimeout=15000 terminateOnStartFailure=false accessTimeout=5000",
  ],
  [
    "SessionIdGenerator",
    clusters.SESSION_ID_RULES,
    "sessionIdLength=16 jvmRoute secureRandomClass secureRandomProvider secureRandomAlgorithm",
  ],
  [
    "FarmWarDeployer",
    clusters.DEPLOYER_RULES,
    "deployDir! tempDir! watchDir watchEnabled=false processDeployFrequency=2 maxValidTime=300",
  ],
  [
    "ReplicationValve",
    clusters.VALVE_RULES["org.apache.catalina.ha.tcp.ReplicationValve"]!,
    "filter primaryIndicator primaryIndicatorName statistics=false",
  ],
  [
    "JvmRouteBinderValve",
    clusters
      .VALVE_RULES["org.apache.catalina.ha.session.JvmRouteBinderValve"]!,
    "enabled=true sessionIdAttribute",
  ],
  [
    "ClusterSingleSignOn",
    clusters
      .VALVE_RULES["org.apache.catalina.ha.authenticator.ClusterSingleSignOn"]!,
    "cookieDomain mapSendOptions=6 requireReauthentication rpcTimeout terminateOnStartFailure accessTimeout",
  ],
  [
    "GroupChannel",
    channel.CHANNEL_RULES,
    "heartbeat=true heartbeatSleeptime=5000 optionCheck=false jmxEnabled=true jmxDomain jmxPrefix secure",
  ],
  [
    "McastService",
    channel.MCAST_RULES,
    "address=228.0.0.4 port=45564 frequency=500 dropTime=3000 bind ttl domain soTimeout recoveryEnabled=true " +
    "recoveryCounter=10 recoverySleepTime=5000 localLoopbackDisabled=false",
  ],
  [
    "StaticMembershipService",
    channel.STATIC_MEMBERSHIP_RULES,
    "connectTimeout=500 expirationTime=5000 rpcTimeout=3000 useThread=false pingInterval=1000",
  ],
  [
    "CloudMembershipService",
    channel.CLOUD_MEMBERSHIP_RULES,
    "membershipProviderClassName=kubernetes connectTimeout=1000 readTimeout=1000 expirationTime=5000",
  ],
  [
    "Member",
    channel.MEMBER_RULES,
    "port! securePort=-1 udpPort=-1 host! domain uniqueId!",
  ],
  [
    "LocalMember",
    channel.LOCAL_MEMBER_RULES,
    "port securePort=-1 udpPort=-1 host domain uniqueId",
  ],
  [
    "NioReceiver",
    channel.RECEIVER_RULES,
    "address=auto port=4000 autoBind=100 securePort=-1 udpPort=-1 selectorTimeout=5000 maxThreads=15 minThreads=6 " +
    "maxIdleTime=60000 direct rxBufSize=65536 txBufSize=25188 udpRxBufSize=65536 udpTxBufSize=25188 " +
    `timeout=3000 useBufferPool${SOCKET}`,
  ],
  [
    "PooledParallelSender",
    channel.SENDER_RULES,
    "rxBufSize=25188 txBufSize=65536 udpRxBufSize udpTxBufSize directBuffer=false keepAliveCount=-1 keepAliveTime=-1 " +
    `timeout=3000 maxRetryAttempts=1 throwOnFailedAck=true poolSize=25 maxWait=3000${SOCKET}`,
  ],
  ...([
    [
      "TcpFailureDetector",
      "connectTimeout=1000 performSendTest=true performReadTest=false readTestTimeout=5000 removeSuspectsTimeout=300",
    ],
    [
      "MessageDispatchInterceptor",
      "alwaysSend=true maxQueueSize=67108864 maxThreads=10 maxSpareThreads=2 keepAliveTime=5000",
    ],
    ["ThroughputInterceptor", "interval=10000"],
    ["TcpPingInterceptor", "interval=1000 useThread=false staticOnly"],
    ["StaticMembershipInterceptor", ""],
    ["DomainFilterInterceptor", "domain! logInterval=100"],
    ["FragmentationInterceptor", "expire=60000 maxSize=102400"],
    [
      "EncryptInterceptor",
      "encryptionAlgorithm=AES/GCM/NoPadding encryptionKey! replayWindowTime=10000 replayWindowMessageCount=8192",
    ],
    ["NonBlockingCoordinator", ""],
    ["SimpleCoordinator", ""],
    ["OrderInterceptor", "expire forwardExpired maxQueue"],
    ["TwoPhaseCommitInterceptor", "expire deepclone"],
    ["GzipInterceptor", "compressionMinSize statsEnabled interval"],
  ] as const).map(([name, attributes]) =>
    [name, INTERCEPTOR_RULES[name]!, `optionFlag=0 ${attributes}`] as const
  ),
];

for (const [name, { attributes }, documented] of DOCUMENTED) {
  test(`the rules of ${name} have its documented attributes`, () => {
    for (const item of documented.trim().split(/ +/)) {
      const [, attribute = "", needed, value] = /^(\w+)(!?)(?:=(.*))?$/.exec(
        item,
      )!; // this file's own words
      const rule = attributes[attribute];
      assert(rule !== undefined, attribute);
      assert.equal(rule.required ?? false, needed === "!", attribute);
      if (value !== undefined) {
        assert.equal(String(rule.default), value, attribute);
      }
    }
  });
}

test("each rule's default is within its limits", () => {
  for (const [name, { attributes }] of DOCUMENTED) {
    for (const [attribute, rule] of Object.entries(attributes)) {
      const { default: value, least, most, kind } = rule;
      if (value === undefined) continue;
      const type = kind === "text"
        ? "string"
        : kind === "boolean"
        ? "boolean"
        : "number";
      assert.equal(typeof value, type, `${name} ${attribute}`);
      assert(!(Number(value) < (least ?? -Infinity)), `${name} ${attribute}`);
      assert(!(Number(value) > (most ?? Infinity)), `${name} ${attribute}`);
    }
  }
});

for (const [name, { attributes }] of Object.entries(INTERCEPTOR_RULES)) {
  test(`makeInterceptor() takes every attribute that ${name} has in a configuration`, () => {
    const needed: Record<string, string> = {
      encryptionKey: "000102030405060708090a0b0c0d0e0f",
      providerName: "SunJCE",
      domain: "a",
    };
    const values = Object.entries(attributes).map(([attribute, rule]) => {
      const value = attribute === "optionFlag"
        ? name.startsWith("MessageDispatch") ? 8 : 256
        : rule.default;
      return [attribute, needed[attribute] ?? String(value)];
    });
    makeInterceptor(name, Object.fromEntries(values));
  });
}
