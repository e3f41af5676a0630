// The interceptors of Tomcat: their attributes, and which of them do something here.
import {
  type AttributeRule,
  type ElementRules,
  flag,
  integer,
  text,
} from "./attribute_rule.ts";

/** The package of Tomcat's interceptors. */
export const INTERCEPTOR_PACKAGE =
  "org.apache.catalina.tribes.group.interceptors";

const THREADS = {
  noEffect: "one event loop sends the queued messages, without threads",
};
const CLONE = {
  noEffect: "a message that waits is always a copy of its own",
};

/** Interceptors by class name without package. */
export const INTERCEPTOR_RULES: Readonly<Record<string, ElementRules>> = {
  MessageDispatchInterceptor: rules({
    maxQueueSize: integer(67_108_864, { least: 1 }),
    alwaysSend: flag(true),
    useDeepClone: flag(true, CLONE),
    maxThreads: integer(10, THREADS),
    maxSpareThreads: integer(2, THREADS),
    keepAliveTime: integer(5000, THREADS),
  }),
  TcpFailureDetector: rules({
    connectTimeout: integer(1000, { least: 1 }),
    performSendTest: flag(true),
    performReadTest: flag(false),
    readTestTimeout: integer(5000, { least: 1 }),
    removeSuspectsTimeout: integer(300, {
      noEffect: "a silent member is tested for as long as it is silent",
    }),
  }),
  ThroughputInterceptor: rules({ interval: integer(10_000) }),
  TcpPingInterceptor: rules({
    interval: integer(1000, { least: 1 }),
    useThread: flag(false),
    staticOnly: flag(false),
  }),
  StaticMembershipInterceptor: rules({}),
  DomainFilterInterceptor: rules({
    domain: text(undefined, { required: true }),
    logInterval: integer(100),
  }),
  FragmentationInterceptor: rules({
    maxSize: integer(102_400, { least: 1 }),
    expire: integer(60_000, { least: 1 }),
  }),
  EncryptInterceptor: rules({
    encryptionAlgorithm: text("AES/GCM/NoPadding"),
    encryptionKey: text(undefined, { required: true }),
    providerName: text(undefined, {
      noEffect: "the runtime brings its own cipher",
    }),
    replayWindowTime: integer(10_000, { least: 0 }),
    replayWindowMessageCount: integer(8192, { least: 0 }),
  }, { encryptionKeyString: "encryptionKey" }),
  GzipInterceptor: rules({
    compressionMinSize: integer(0, { least: 0 }),
    statsEnabled: flag(false),
    interval: integer(0, { least: 0 }),
  }),
  OrderInterceptor: rules({
    expire: integer(3000, { least: 1 }),
    forwardExpired: flag(true),
    maxQueue: integer(0x7fff_ffff, { least: 1 }),
  }),
  TwoPhaseCommitInterceptor: rules({
    expire: integer(60_000, { least: 1 }),
    deepclone: flag(true, CLONE),
  }),
  NonBlockingCoordinator: rules({}),
  SimpleCoordinator: rules({}),
};

function rules(
  attributes: Readonly<Record<string, AttributeRule>>,
  renamed: Readonly<Record<string, string>> = {},
): ElementRules {
  return { attributes: { optionFlag: integer(0), ...attributes }, renamed };
}
