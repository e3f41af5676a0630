import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupChannel, StaticMembershipService } from "../../channel/mod.ts";
import { CloudMembership } from "../../membership/mod.ts";
import {
  type ChannelOptionsInit,
  channelOptionsOf,
  ConfigError,
  type ConfigErrorCode,
  type ConfiguredChannel,
  parseClusterConfig,
} from "../../config/mod.ts";
import { decodeHost, encodeHost, parseByteString } from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/mod.ts";
import {
  channel,
  cluster,
  interceptor,
  member,
  membership,
  receiver,
  TRIBES,
  tutorial,
} from "./cluster_xml.ts";

const ID = "{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,-1}";

function configured(
  text: string,
  init: Partial<ChannelOptionsInit> = {},
): ConfiguredChannel {
  const { config, places } = parseClusterConfig(text);
  const transport = new MemoryNetwork({ seed: 1 }).transport("10.0.0.1");
  return channelOptionsOf(config, { transport, places, ...init });
}

test("channelOptionsOf() gives the channel of the first tutorial", () => {
  const { options, startLevels, sendOptions } = configured(tutorial(1));
  assert.equal(startLevels, 15);
  assert.equal(sendOptions, 8);
  assert.deepEqual(options.receiver, {
    address: "172.18.250.78",
    port: 4000,
    autoBind: 100,
    udpPort: -1,
  });
  assert.deepEqual(options.sender, {
    timeout: 3000,
    maxRetryAttempts: 1,
    throwOnFailedAck: true,
    keepAliveCount: -1,
    keepAliveTime: -1,
  });
  assert.deepEqual(options.membership, {
    address: "228.0.74.4",
    port: 45_564,
    frequency: 500,
    dropTime: 3000,
    recoveryEnabled: true,
    recoveryCounter: 10,
    recoverySleepTime: 5000,
    localLoopbackDisabled: false,
  });
  assert.deepEqual(options.interceptors.map(({ name }) => name), [
    "TcpFailureDetector",
    "MessageDispatch",
  ]);
});

test("channelOptionsOf() carries every attribute that has an effect", () => {
  const { options, sendOptions, startLevels } = configured(cluster(
    channel(
      membership(
        'domain="{1,-2}" bind="10.0.0.1" ttl="3" soTimeout="9" recoveryEnabled="false" recoveryCounter="2" recoverySleepTime="7" localLoopbackDisabled="true"',
      ) +
        receiver(
          'address="10.0.0.1" port="4100" autoBind="1" udpPort="4200" securePort="4300"',
        ) +
        `<Sender className="${TRIBES}.transport.ReplicationTransmitter"><Transport
          className="${TRIBES}.transport.nio.PooledParallelSender" timeout="9" maxRetryAttempts="0"
          throwOnFailedAck="false" keepAliveCount="5" keepAliveTime="6"/></Sender>` +
        interceptor("TcpFailureDetector", 'optionFlag="256"'),
      'heartbeat="false" heartbeatSleeptime="77" optionCheck="true"',
    ),
    'channelSendOptions="use_ack,sync" channelStartOptions="7"',
  ));
  assert.deepEqual([sendOptions, startLevels], [6, 7]);
  const { membership: mcast, interceptors, domain, ...rest } = options;
  assert.deepEqual(domain, Uint8Array.of(1, 254));
  assert.deepEqual(rest, {
    receiver: { address: "10.0.0.1", port: 4100, autoBind: 1, udpPort: 4200 },
    sender: {
      timeout: 9,
      maxRetryAttempts: 0,
      throwOnFailedAck: false,
      keepAliveCount: 5,
      keepAliveTime: 6,
    },
    securePort: 4300,
    heartbeat: false,
    heartbeatSleeptime: 77,
    optionCheck: true,
  });
  assert.deepEqual(mcast, {
    address: "228.0.0.4",
    port: 45_564,
    frequency: 500,
    dropTime: 3000,
    bind: "10.0.0.1",
    ttl: 3,
    soTimeout: 9,
    recoveryEnabled: false,
    recoveryCounter: 2,
    recoverySleepTime: 7,
    localLoopbackDisabled: true,
  });
  assert.equal(interceptors[0]?.optionFlag, 256);
});

test("channelOptionsOf() leaves membership out where no start level has it", () => {
  for (const [levels, has] of [[3, false], [1, false], [7, true], [11, true]]) {
    const { options } = configured(
      cluster("", `channelStartOptions="${levels}"`),
    );
    assert.equal(options.membership !== null, has);
  }
});

test("channelOptionsOf() makes a stack whose static members are the configured and the given ones", async () => {
  const network = new MemoryNetwork({ seed: 1 });
  const transport = network.transport("10.0.0.1");
  const { options, startLevels } = configured(
    cluster(
      channel(
        interceptor("TcpFailureDetector") +
          interceptor(
            "StaticMembershipInterceptor",
            "",
            member('host="10.0.0.2" port="4001" domain="d"') +
              `<LocalMember domain="{7}" uniqueId="${ID}"/>`,
          ),
      ),
      'channelStartOptions="3"',
    ),
    { transport, members: [{ host: encodeHost("10.0.0.3"), port: 4002 }] },
  );
  assert.deepEqual(options.domain, Uint8Array.of(7));
  assert.deepEqual(options.uniqueId, parseByteString(ID, "uniqueId"));
  const stack = [options.interceptors[1]!]; // without the detector, to see them at once
  const group = new GroupChannel(transport, {
    ...options,
    interceptors: stack,
  });
  await network.run(() => group.start(startLevels));
  assert.deepEqual(
    group.members().map(({ host, port }) => `${decodeHost(host)}:${port}`)
      .sort(),
    ["10.0.0.2:4001", "10.0.0.3:4002"],
  );
  assert.deepEqual(group.localMember().domain, Uint8Array.of(7));
  await network.run(() => group.stop());
});

test("channelOptionsOf() puts given members below a stack that has no layer for them", () => {
  const { options } = configured(cluster(), {
    members: [{ host: encodeHost("10.0.0.3"), port: 4002 }],
  });
  assert.deepEqual(options.interceptors.map(({ name }) => name), [
    "MessageDispatch",
    "TcpFailureDetector",
    "StaticMembership",
  ]);
});

function staticService(inner: string, around = "", name = ""): string {
  const text = cluster(
    channel("\n" + membership("", "StaticMembershipService", inner)),
    name,
  );
  return around === ""
    ? text
    : `<${around} name="Catalina">${text}</${around}>`;
}

const MEMBERS = ["10.0.0.1", "10.0.0.2"].map((host, i) =>
  `<Member host="${host}" port="4000" uniqueId="{${Array(16).fill(i + 1)}}"/>`
).join("");

for (
  const [name, one, other] of [
    [
      "are of one Engine",
      staticService(MEMBERS, "Engine"),
      staticService(MEMBERS, "Engine"),
    ],
    [
      "name the cluster",
      staticService(MEMBERS, "Engine"),
      staticService(MEMBERS, "", 'clusterName="Catalina"'),
    ],
  ] as const
) {
  test(`channelOptionsOf() makes static membership whose nodes find each other when they ${name}`, async () => {
    const network = new MemoryNetwork({ seed: 1 });
    const groups = [one, other].map((text, i) => {
      const transport = network.transport(`10.0.0.${i + 1}`);
      const { options } = configured(text, { transport });
      assert(options.membership instanceof StaticMembershipService);
      return new GroupChannel(transport, options);
    });
    await network.run(() => groups[0]!.start()); // of two
    await network.run(() => groups[1]!.start());
    await network.advance(6000); // a heartbeat
    assert.deepEqual(
      groups.map((group) => group.members().map(({ uniqueId }) => uniqueId[0])),
      [[2], [1]],
    );
    await network.run(() => Promise.all(groups.map((group) => group.stop())));
  });
}

test("channelOptionsOf() gives static membership the local member's unique id", async () => {
  const network = new MemoryNetwork({ seed: 1 });
  const transport = network.transport("10.0.0.9");
  const { options } = configured(
    staticService(
      MEMBERS + `<LocalMember domain="d" uniqueId="${ID}"/>`,
      "Host",
    ),
    { transport },
  );
  const group = new GroupChannel(transport, options);
  await network.run(() => group.start());
  const { uniqueId, domain } = group.localMember();
  assert.deepEqual(uniqueId, parseByteString(ID, "uniqueId"));
  assert.deepEqual(domain, Uint8Array.of(100));
  await network.run(() => group.stop());
});

test("channelOptionsOf() makes cloud membership of the environment", () => {
  for (
    const name of [
      "dns",
      `${TRIBES}.membership.cloud.DNSMembershipProvider`,
    ]
  ) {
    const warnings: string[] = [];
    const { options } = configured(cloud(name), {
      onWarning: (text) => warnings.push(text),
    });
    assert(options.membership instanceof CloudMembership);
    assert.equal(options.membership.providerName, "dns");
    assert.equal(warnings.length, 1); // no variable is set
  }
  const { options } = configured(cloud("kubernetes"), {
    environment: {
      KUBERNETES_NAMESPACE: "n",
      KUBERNETES_SERVICE_HOST: "10.0.0.1",
      KUBERNETES_SERVICE_PORT: "443",
      SA_TOKEN_FILE: "/nowhere",
    },
  });
  assert(options.membership instanceof CloudMembership);
  assert.equal(options.membership.providerName, "kubernetes");
});

test("channelOptionsOf() does not pass on what has no effect", () => {
  const { options } = configured(
    channel(
      interceptor(
        "MessageDispatchInterceptor",
        'maxThreads="3" useDeepClone="false" maxQueueSize="99"',
      ),
    ),
  );
  assert.deepEqual(options.interceptors.map(({ name }) => name), [
    "MessageDispatch",
  ]);
});

function cloud(name: string): string {
  return channel(
    "\n" +
      membership(
        `membershipProviderClassName="${name}"`,
        "cloud.CloudMembershipService",
      ),
  );
}

const REFUSED: readonly (readonly [
  name: string,
  text: string,
  code: ConfigErrorCode,
  at: string,
  pattern: RegExp,
])[] = [
  [
    "a host name",
    channel("\n" + receiver('address="node1"')),
    "bad-value",
    "address",
    /numeric address/,
  ],
  [
    "a group that is none",
    channel("\n" + membership('address="10.0.0.1"')),
    "bad-value",
    "address",
    /multicast/,
  ],
  [
    "an interface by name",
    channel("\n" + membership('bind="eth0"')),
    "bad-value",
    "bind",
    /numeric/,
  ],
  [
    "times in the wrong order",
    channel("\n" + membership('dropTime="400"')),
    "bad-value",
    "dropTime",
    /must exceed frequency 500/,
  ],
  [
    "a domain",
    channel("\n" + membership('domain="{1,}"')),
    "bad-value",
    "domain",
    /signed bytes/,
  ],
  [
    "a short unique id",
    channel(
      interceptor(
        "StaticMembershipInterceptor",
        "",
        '\n<Member host="10.0.0.1" port="1" uniqueId="{1}"/>',
      ),
    ),
    "bad-value",
    "uniqueId",
    /1 bytes, not 16/,
  ],
  [
    "a member by name",
    channel(
      interceptor(
        "StaticMembershipInterceptor",
        "",
        `\n<Member host="a" port="1" uniqueId="${ID}"/>`,
      ),
    ),
    "bad-value",
    "host",
    /numeric/,
  ],
  [
    "static membership of a cluster without a name",
    staticService(MEMBERS),
    "missing-attribute",
    "<",
    /clusterName/,
  ],
  [
    "a provider of one's own",
    cloud("com.example.Provider"),
    "unknown-class",
    "membershipProviderClassName",
    /kubernetes and dns/,
  ],
  [
    "a provider without its environment",
    cloud("kubernetes"),
    "bad-value",
    "membershipProviderClassName",
    /./,
  ],
  [
    "an interceptor's attribute",
    channel(
      "\n" + interceptor("MessageDispatchInterceptor", 'optionFlag="16"'),
    ),
    "bad-value",
    "<",
    /8, which is fixed/,
  ],
];

for (const [name, text, code, at, pattern] of REFUSED) {
  test(`channelOptionsOf() refuses ${name} with its place`, () => {
    assert.throws(() => configured(text), (error: unknown) => {
      assert(error instanceof ConfigError, String(error));
      assert.equal(error.code, code);
      assert.equal(error.line, 2);
      assert.equal(error.column, text.split("\n")[1]!.indexOf(at) + 1); // all have two lines
      assert.match(error.message, pattern);
      return true;
    });
  });
}

test("channelOptionsOf() refuses what optionCheck finds, with its place", () => {
  const stack = interceptor("OrderInterceptor", 'optionFlag="256"') +
    interceptor("GzipInterceptor");
  assert.throws(
    () => configured(channel(stack, '\noptionCheck="true"')),
    (error: unknown) => {
      assert(error instanceof ConfigError, String(error));
      assert.deepEqual([error.line, error.column], [2, 1]);
      return /256 of Order/.test(error.message);
    },
  );
  configured(channel(stack));
});

test("useThread of StaticMembershipService has an effect, and none is said to be missing", () => {
  const service = membership(
    'useThread="true"',
    "StaticMembershipService",
    member('host="10.0.0.2" port="4000"'),
  );
  const { warnings } = parseClusterConfig(channel(service));
  assert.deepEqual(
    warnings.filter(({ message }) => message.includes("useThread")),
    [],
  );
});

test("removeSuspectsTimeout of TcpFailureDetector is said to have no effect", () => {
  const { warnings } = parseClusterConfig(
    channel(interceptor("TcpFailureDetector", 'removeSuspectsTimeout="60"')),
  );
  assert.deepEqual(warnings.map(({ code }) => code), ["no-effect"]);
});
