import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfigError,
  type ConfigErrorCode,
  parseClusterConfig,
} from "../../config/mod.ts";
import {
  brief,
  channel,
  cluster,
  HA,
  interceptor,
  manager,
  member,
  membership,
  receiver,
  TRIBES,
  tutorial,
} from "./cluster_xml.ts";

test("parseClusterConfig() reads the configuration of the first tutorial", () => {
  const { config, warnings } = parseClusterConfig(tutorial(1));
  assert.deepEqual(config.placement, {
    level: "Engine",
    name: "Catalina",
    jvmRoute: "TomcatA",
  });
  assert.equal(config.cluster.channelSendOptions, 8);
  assert.equal(config.cluster.channelStartOptions, 15);
  assert.equal(config.manager.type, "DeltaManager");
  assert.equal(config.manager.attributes.notifyListenersOnReplication, true);
  const { membership, receiver, sender, interceptors } = config.channel;
  assert.deepEqual(membership, {
    type: "McastService",
    attributes: {
      address: "228.0.74.4",
      port: 45_564,
      frequency: 500,
      dropTime: 3000,
      recoveryEnabled: true,
      recoveryCounter: 10,
      recoverySleepTime: 5000,
      localLoopbackDisabled: false,
    },
  });
  assert.equal(receiver.address, "172.18.250.78");
  assert.equal(receiver.port, 4000);
  assert.equal(receiver.maxThreads, 6);
  assert.equal(sender.timeout, 3000);
  assert.deepEqual(interceptors, [
    { name: "TcpFailureDetector", attributes: {}, members: [] },
    { name: "MessageDispatch", attributes: {}, members: [] },
  ]);
  assert.deepEqual(config.valves, [
    { className: "ReplicationValve", attributes: { filter: "" } },
    { className: "JvmRouteBinderValve", attributes: {} },
  ]);
  assert.deepEqual(config.listeners, [
    { className: "ClusterSessionListener", attributes: {} },
  ]);
  assert.deepEqual(brief(warnings), [
    "stale-reads Cluster 2:68",
    "no-effect Receiver 6:133",
    "no-effect Receiver 6:156",
    "deprecated Interceptor 11:20",
    "deprecated ClusterListener 15:22",
  ]);
});

test("parseClusterConfig() reads the configuration of the second tutorial", () => {
  const { config, warnings } = parseClusterConfig(tutorial(2));
  assert.equal(config.placement, undefined);
  assert.equal(config.cluster.channelSendOptions, 6);
  assert(config.manager.type === "BackupManager");
  assert.equal(config.manager.attributes.mapSendOptions, 6);
  assert.equal(config.channel.receiver.port, 5000);
  assert.deepEqual(
    config.channel.interceptors.map(({ name }) => name),
    ["TcpFailureDetector", "MessageDispatch", "Throughput"],
  );
  assert.deepEqual(config.deployer, {
    tempDir: "/tmp/war-temp/",
    deployDir: "/tmp/war-deploy/",
    watchDir: "/tmp/war-listen/",
    watchEnabled: false,
    processDeployFrequency: 2,
    maxValidTime: 300,
  });
  assert.deepEqual(brief(warnings), [
    "no-effect Manager 2:69",
    "no-effect Receiver 5:107",
    "no-effect Receiver 5:129",
    "deprecated Interceptor 10:18",
    "listener-without-effect ClusterListener 15:3",
  ]);
});

test("parseClusterConfig() gives Tomcat's defaults for a cluster that has only its class", () => {
  const { config } = parseClusterConfig(
    `<Server port="8005"><Listener className="x"/><Service name="Catalina">
      <Connector port="8009" protocol="AJP/1.3"/>
      <Engine name="Catalina" defaultHost="localhost"><Realm className="y"/>
        ${cluster()}
      <Host name="localhost"/></Engine></Service></Server>`,
  );
  assert.deepEqual(config.placement, { level: "Engine", name: "Catalina" });
  assert.deepEqual(config.cluster, {
    channelSendOptions: 8,
    channelStartOptions: 15,
    heartbeatBackgroundEnabled: false,
    notifyLifecycleListenerOnFailure: false,
  });
  assert.equal(config.manager.type, "DeltaManager");
  assert.deepEqual(
    config.channel.interceptors.map(({ name }) => name),
    ["MessageDispatch", "TcpFailureDetector"],
  );
  assert.equal(config.channel.receiver.address, "auto");
  assert.deepEqual(config.valves, []);
});

test("parseClusterConfig() keeps the Engine's route of a cluster on a Host", () => {
  const { config } = parseClusterConfig(
    `<Engine jvmRoute="\${route}"><Host name="a">${cluster()}</Host></Engine>`,
    { properties: (name) => name === "route" ? "node7" : undefined },
  );
  assert.deepEqual(config.placement, {
    level: "Host",
    name: "a",
    jvmRoute: "node7",
  });
});

test("parseClusterConfig() reads a channel alone", () => {
  const { config, warnings } = parseClusterConfig(
    channel(receiver('port="4711"')),
  );
  assert.equal(config.channel.receiver.port, 4711);
  assert.equal(config.placement, undefined);
  assert.deepEqual(
    config.channel.interceptors.map(({ name }) => name),
    ["MessageDispatch", "TcpFailureDetector"],
  );
  assert.deepEqual(warnings, []); // nothing is said of a cluster that is not there
});

test("parseClusterConfig() takes the first of several clusters, and says so", () => {
  const { config, warnings } = parseClusterConfig(
    `<Engine>\n<Host>${cluster("", 'channelSendOptions="6"')}</Host>\n` +
      `<Host>${cluster("", 'channelSendOptions="2"')}</Host></Engine>`,
  );
  assert.equal(config.cluster.channelSendOptions, 6);
  assert.deepEqual(brief(warnings), ["several-elements Cluster 3:7"]);
});

test("parseClusterConfig() takes the last of several elements that Tomcat has one of", () => {
  const { config, warnings } = parseClusterConfig(
    channel(receiver('port="1"') + receiver('port="2"')),
  );
  assert.equal(config.channel.receiver.port, 2);
  assert.equal(warnings[0]?.code, "several-elements");
});

test("parseClusterConfig() reads static members of both forms", () => {
  const local = '<LocalMember uniqueId="{1}" domain="d"/>';
  const members = member('host="10.0.0.1" port="4000" domain="{1,2}"') +
    `<Member className="${TRIBES}.membership.StaticMember" host="10.0.0.2" port="4001" securePort="1" uniqueId="{2}"/>`;
  const expected = {
    localMember: { securePort: -1, udpPort: -1, uniqueId: "{1}", domain: "d" },
    members: [
      {
        securePort: -1,
        udpPort: -1,
        host: "10.0.0.1",
        port: 4000,
        domain: "{1,2}",
        uniqueId: "{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,-1}",
      },
      {
        securePort: 1,
        udpPort: -1,
        host: "10.0.0.2",
        port: 4001,
        uniqueId: "{2}",
      },
    ],
  };
  const service = parseClusterConfig(
    channel(membership("", "StaticMembershipService", members + local)),
  ).config.channel.membership;
  assert.deepEqual(service, {
    type: "StaticMembershipService",
    attributes: {
      connectTimeout: 500,
      expirationTime: 5000,
      rpcTimeout: 3000,
      useThread: false,
      pingInterval: 1000,
    },
    ...expected,
  });
  const [layer] = parseClusterConfig(
    channel(interceptor("StaticMembershipInterceptor", "", local + members)),
  ).config.channel.interceptors;
  assert.deepEqual(layer, {
    name: "StaticMembership",
    attributes: {},
    ...expected,
  });
});

test("parseClusterConfig() reads a session id generator and cloud membership", () => {
  const { config } = parseClusterConfig(
    cluster(
      manager(
        "DeltaManager",
        'stateTransferTimeout="-1"',
        '<SessionIdGenerator sessionIdLength="32"/>',
      ) +
        channel(
          `<Membership className="${TRIBES}.membership.cloud.CloudMembershipService" membershipProviderClassName="dns"/>`,
        ),
    ),
  );
  assert.deepEqual(config.manager.sessionIdGenerator, { sessionIdLength: 32 });
  assert.deepEqual(config.channel.membership, {
    type: "CloudMembershipService",
    attributes: {
      membershipProviderClassName: "dns",
      connectTimeout: 1000,
      readTimeout: 1000,
      expirationTime: 5000,
    },
  });
});

test("parseClusterConfig() takes names of send options, and hexadecimal with a word", () => {
  const named = parseClusterConfig(
    cluster("", 'channelSendOptions="sync, use_ack"'),
  );
  assert.equal(named.config.cluster.channelSendOptions, 6);
  assert.deepEqual(named.warnings, []);
  for (
    const [text, codes] of [
      ["use_ack,sync_ack", ["unknown-option"]],
      ["sync_ack,use_ack", ["unknown-option"]],
      ["use_ack,synchronized_ack", []],
    ] as const
  ) {
    const read = parseClusterConfig(
      cluster("", `channelSendOptions="${text}"`),
    );
    assert.equal(read.config.cluster.channelSendOptions, 6);
    assert.deepEqual(read.warnings.map(({ code }) => code), codes);
  }
  const { config, warnings } = parseClusterConfig(
    cluster(manager("BackupManager", 'mapSendOptions="0x0006"')),
  );
  assert(config.manager.type === "BackupManager");
  assert.equal(config.manager.attributes.mapSendOptions, 6);
  assert.equal(warnings[0]?.code, "not-decimal");
});

test("parseClusterConfig() reads booleans as Tomcat does, and says where that surprises", () => {
  const { config, warnings } = parseClusterConfig(
    channel(
      interceptor("TcpFailureDetector", 'performReadTest="TRUE"'),
      'heartbeat="yes" optionCheck="True"',
    ),
  );
  assert.equal(config.channel.attributes.heartbeat, false);
  assert.equal(config.channel.attributes.optionCheck, true);
  assert.deepEqual(config.channel.interceptors[0]?.attributes, {
    performReadTest: "true",
  });
  assert.deepEqual(warnings.map(({ code }) => code), ["not-boolean"]);
});

test("parseClusterConfig() fills in properties and says which are not set", () => {
  const { config, warnings } = parseClusterConfig(
    `<Channel className="${TRIBES}.group.GroupChannel">\n` +
      `<Receiver className="\${tribes}.transport.nio.NioReceiver" address="\${host:-127.0.0.1}"\n` +
      ` port="\${port}"/>${membership('domain="${none}"')}</Channel>`,
    { properties: (name) => ({ tribes: TRIBES, port: "+4100" })[name] },
  );
  assert.equal(config.channel.receiver.address, "127.0.0.1");
  assert.equal(config.channel.receiver.port, 4100);
  assert(config.channel.membership.type === "McastService");
  assert.equal(config.channel.membership.attributes.domain, "${none}");
  assert.deepEqual(warnings.map(({ code, line }) => [code, line]), [
    ["unresolved-property", 3],
  ]);
});

test("parseClusterConfig() takes old names and says what they are called now", () => {
  const { config, warnings } = parseClusterConfig(
    channel(
      membership('mcastBindAddress="127.0.0.1" mcastDropTime="4000"') +
        `<Receiver className="${TRIBES}.transport.bio.BioReceiver" tcpListenPort="4001"/>` +
        `<Sender className="${TRIBES}.transport.ReplicationTransmitter"><Transport className="${TRIBES}.transport.bio.PooledMultiSender"/></Sender>` +
        interceptor("EncryptInterceptor", 'encryptionKeyString="00"'),
    ),
  );
  assert(config.channel.membership.type === "McastService");
  assert.equal(config.channel.membership.attributes.bind, "127.0.0.1");
  assert.equal(config.channel.membership.attributes.dropTime, 4000);
  assert.equal(config.channel.receiver.port, 4001);
  assert.deepEqual(config.channel.interceptors[0]?.attributes, {
    encryptionKey: "00",
  });
  assert.deepEqual(
    warnings.map(({ code }) => code),
    Array(6).fill("deprecated"),
  );
});

test("parseClusterConfig() keeps valves and listeners that are not Tomcat's, and says so", () => {
  const { config, warnings } = parseClusterConfig(
    cluster(
      `<Valve className="com.example.Valve" speed="9"/>` +
        `<ClusterListener className="com.example.Listener"/>` +
        `<Listener className="com.example.Life"/>` +
        channel(
          `<MembershipListener className="com.example.M"/><ChannelListener className="com.example.C"/>`,
        ),
      'channelSendOptions="6"',
    ),
  );
  assert.deepEqual(config.valves, [
    { className: "com.example.Valve", attributes: { speed: "9" } },
  ]);
  assert.deepEqual(config.listeners, [
    { className: "com.example.Listener", attributes: {} },
  ]);
  assert.deepEqual(warnings.map(({ code, element }) => `${code} ${element}`), [
    "unknown-class Valve",
    "listener-missing ClusterListener",
    "unknown-class ClusterListener",
    "no-effect Listener",
    "unknown-class MembershipListener",
    "unknown-class ChannelListener",
  ]);
});

const REFUSED: readonly (readonly [string, ConfigErrorCode, RegExp])[] = [
  ["<Server/>", "no-cluster", /no <Cluster> and no <Channel> \(line 1, col/],
  ["<Server><!-- <Cluster/> --></Server>", "no-cluster", /./],
  ["<Cluster/>", "missing-attribute", /needs a className/],
  ['<Cluster className="x"/>', "unknown-class", /SimpleTcpCluster/],
  [
    cluster("", 'channelSendOption="8"'),
    "unknown-attribute",
    /channelSendOptions meant/,
  ],
  [cluster("", 'color="red"'), "unknown-attribute", /does not exist \(/],
  [cluster("", 'channelSendOptions="fast"'), "bad-value", /names of send/],
  [cluster("", 'channelStartOptions="0"'), "bad-value", /from 1 to 15/],
  [cluster("<Realm/>"), "unknown-element", /there are Manager/],
  [
    cluster(
      `<Manager className="org.apache.catalina.session.StandardManager"/>`,
    ),
    "unknown-class",
    /DeltaManager, .*BackupManager/,
  ],
  [
    cluster(manager("DeltaManager", 'mapSendOptions="6"')),
    "unknown-attribute",
    /mapSendOptions of <Manager>/,
  ],
  [
    cluster(`<Deployer className="${HA}.deploy.FarmWarDeployer" tempDir="a"/>`),
    "missing-attribute",
    /deployDir/,
  ],
  [channel("", 'secure="true"'), "unsupported", /TLS/],
  [channel("<SSLHostConfig/>"), "unsupported", /TLS/],
  [channel(receiver('port="0x0FA0"')), "bad-value", /decimal numbers only/],
  [channel(receiver('port="65536"')), "bad-value", /from 0 to 65535/],
  [channel(receiver('port=" 1"')), "bad-value", /port=" 1"/],
  [channel(receiver('maxThreads="2147483648"')), "bad-value", /2147483647/],
  [channel(receiver('Port="1"')), "unknown-attribute", /is port meant/],
  [channel(membership("", "Other")), "unknown-class", /McastService/],
  [
    channel(membership("", "McastService", "<Member/>")),
    "unknown-element",
    /has no elements/,
  ],
  [
    channel('<Interceptor className="com.example.Own"/>'),
    "unknown-class",
    /com\.example\.Own.*GzipInterceptor/,
  ],
  [channel("<Interceptor/>"), "missing-attribute", /className/],
  [
    channel(interceptor("DomainFilterInterceptor")),
    "missing-attribute",
    /domain/,
  ],
  [
    channel(interceptor("EncryptInterceptor")),
    "missing-attribute",
    /encryptionKey/,
  ],
  [channel(interceptor("toString")), "unknown-class", /./],
  [
    channel(interceptor("GzipInterceptor", "", "<Member/>")),
    "unknown-element",
    /./,
  ],
  [
    channel(interceptor("TcpFailureDetector", 'constructor="1"')),
    "unknown-attribute",
    /./,
  ],
  [
    channel(
      interceptor(
        "StaticMembershipInterceptor",
        "",
        '<Member host="a" port="1"/>',
      ),
    ),
    "missing-attribute",
    /uniqueId/,
  ],
  [
    channel(
      interceptor(
        "StaticMembershipInterceptor",
        "",
        member('host="a" port="0"'),
      ),
    ),
    "bad-value",
    /from 1 to/,
  ],
  [
    channel(
      `<Sender className="${TRIBES}.transport.ReplicationTransmitter" timeout="1"/>`,
    ),
    "unknown-attribute",
    /timeout/,
  ],
];

for (const [text, code, pattern] of REFUSED) {
  test(`parseClusterConfig() refuses ${code}: ${text.replaceAll(/ className="[^"]*"/g, "").slice(0, 90)}`, () => {
    assert.throws(() => parseClusterConfig(text), (error: unknown) => {
      assert(error instanceof ConfigError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, pattern);
      assert.equal(error.line, 1);
      assert(error.column > 0);
      return true;
    });
  });
}

test("parseClusterConfig() says the place of an attribute", () => {
  assert.throws(
    () => parseClusterConfig(tutorial(1).replace("maxThreads", "threads")),
    {
      name: "ConfigError",
      code: "unknown-attribute",
      element: "Receiver",
      line: 6,
      column: 156,
    },
  );
});
