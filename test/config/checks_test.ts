import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkClusterConfig,
  type ConfigWarningCode,
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
} from "./cluster_xml.ts";

const ACK = 'channelSendOptions="6"';
const STATIC = interceptor(
  "StaticMembershipInterceptor",
  "",
  member('host="10.0.0.1" port="4000"'),
);
const DETECTOR = interceptor("TcpFailureDetector");
const PING = interceptor("TcpPingInterceptor");
const ENCRYPT = interceptor("EncryptInterceptor", 'encryptionKey="00"');
const SESSION_LISTENER =
  `<ClusterListener className="${HA}.session.ClusterSessionListener"/>`;
const OWN_LISTENER = `<ClusterListener className="com.example.Listener"/>`;

function deployer(attributes: string): string {
  return `<Deployer className="${HA}.deploy.FarmWarDeployer" tempDir="/t" ${attributes}/>`;
}

function withStart(levels: number, stack: string): string {
  return cluster(channel(stack), `${ACK} channelStartOptions="${levels}"`);
}

const CASES: readonly (readonly [
  name: string,
  text: string,
  codes: readonly ConfigWarningCode[],
])[] = [
  ["asynchronous messages of DeltaManager", cluster(), ["stale-reads"]],
  ["acknowledged ones", cluster("", ACK), []],
  ["async among others", cluster("", 'channelSendOptions="use_ack,async"'), [
    "stale-reads",
  ]],
  ["bits above async", cluster("", 'channelSendOptions="22"'), []],
  [
    "BackupManager, which does not use channelSendOptions",
    cluster(manager("BackupManager")),
    [],
  ],
  [
    "BackupManager with an asynchronous map",
    cluster(manager("BackupManager", 'mapSendOptions="8"')),
    ["stale-reads"],
  ],
  [
    "a session listener of BackupManager",
    cluster(manager("BackupManager") + SESSION_LISTENER),
    ["listener-without-effect"],
  ],
  ["a session listener of DeltaManager", cluster(SESSION_LISTENER, ACK), []],
  ["another listener alone", cluster(OWN_LISTENER, ACK), [
    "listener-missing",
    "unknown-class",
  ]],
  [
    "both listeners",
    cluster(OWN_LISTENER + SESSION_LISTENER, ACK),
    ["unknown-class"],
  ],
  [
    "a deployer on the Engine",
    `<Engine>${cluster(deployer('deployDir="/d"'), ACK)}</Engine>`,
    ["deployer-level"],
  ],
  [
    "a deployer on the Host",
    `<Host>${cluster(deployer('deployDir="/d" watchDir="/w"'), ACK)}</Host>`,
    [],
  ],
  [
    "a watched folder that is deployed to",
    cluster(deployer('deployDir="/d" watchDir="/d/"'), ACK),
    ["deployer-folders"],
  ],
  [
    "more threads at least than at most",
    channel(receiver('minThreads="7" maxThreads="6"')),
    ["no-effect", "no-effect", "threads"],
  ],
  [
    "fewer threads at most than by default at least",
    channel(receiver('maxThreads="5"')),
    ["no-effect", "threads"],
  ],
  ["equal times", channel(membership('frequency="900" dropTime="900"')), [
    "drop-time",
  ]],
  ["times without a spare beacon", channel(membership('dropTime="999"')), [
    "drop-time",
  ]],
  ["times with one spare beacon", channel(membership('dropTime="1000"')), []],
  ["static members with multicast", withStart(15, DETECTOR + STATIC), [
    "static-with-multicast",
  ]],
  ["static members with beacons alone", withStart(11, DETECTOR + STATIC), [
    "static-with-multicast",
  ]],
  ["static members without multicast", withStart(3, DETECTOR + STATIC), []],
  [
    "static members with another service",
    cluster(
      channel(
        membership("", "StaticMembershipService") + DETECTOR + STATIC,
      ),
      ACK,
    ),
    [],
  ],
  [
    "static members above the layers that watch them",
    withStart(3, STATIC + PING + DETECTOR),
    ["interceptor-order", "interceptor-order"],
  ],
  ["static members below them", withStart(3, PING + DETECTOR + STATIC), []],
  ["static members that nobody watches", withStart(3, STATIC), [
    "interceptor-order",
  ]],
  ["encryption below the detector", channel(DETECTOR + ENCRYPT), [
    "interceptor-order",
  ]],
  ["encryption above the detector", channel(ENCRYPT + DETECTOR), []],
  ["encryption alone", channel(ENCRYPT), []],
];

for (const [name, text, codes] of CASES) {
  test(`checkClusterConfig() on ${name}: ${codes.join(", ") || "nothing"}`, () => {
    const { warnings } = parseClusterConfig(text);
    assert.deepEqual(warnings.map(({ code }) => code).sort(), codes);
  });
}

test("checkClusterConfig() says the place of an attribute, else of the element", () => {
  const { warnings } = parseClusterConfig(
    `<Engine>\n${
      cluster(
        "\n" + deployer('deployDir="/d"\nwatchDir="/d"') + "\n" +
          SESSION_LISTENER +
          `\n${manager("BackupManager", 'mapSendOptions="10"')}`,
      )
    }</Engine>`,
  );
  assert.deepEqual(brief(warnings), [
    "deployer-level Deployer 3:1",
    "deployer-folders Deployer 4:1",
    "listener-without-effect ClusterListener 5:1",
    "stale-reads Manager 6:67",
  ]);
});

test("checkClusterConfig() checks a configuration that was not read from a file", () => {
  const { config } = parseClusterConfig(cluster());
  assert.deepEqual(brief(checkClusterConfig(config)), ["stale-reads  0:0"]);
});
