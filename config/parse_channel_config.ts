// `<Channel>` and everything in it.
import {
  CHANNEL_RULES,
  CLOUD_MEMBERSHIP_RULES,
  LOCAL_MEMBER_RULES,
  MCAST_RULES,
  MEMBER_RULES,
  RECEIVER_RULES,
  SENDER_RULES,
  STATIC_MEMBERSHIP_RULES,
} from "./channel_rules.ts";
import type {
  ChannelConfig,
  InterceptorConfig,
  MembershipConfig,
  SenderAttributes,
  StaticMemberAttributes,
} from "./cluster_config.ts";
import { defaultsOf, type ElementReader, placeOf } from "./element_reader.ts";
import { INTERCEPTOR_PACKAGE, INTERCEPTOR_RULES } from "./interceptor_rules.ts";
import type { XmlElement } from "./xml.ts";

const TRIBES = "org.apache.catalina.tribes";
const CHANNEL_CLASS = `${TRIBES}.group.GroupChannel`;
const RECEIVER_CLASS = `${TRIBES}.transport.nio.NioReceiver`;
const SENDER_CLASS = `${TRIBES}.transport.ReplicationTransmitter`;
const TRANSPORT_CLASS = `${TRIBES}.transport.nio.PooledParallelSender`;
const MEMBER_CLASS = `${TRIBES}.membership.StaticMember`;
const MEMBERSHIP_CLASSES = [
  `${TRIBES}.membership.McastService`,
  `${TRIBES}.membership.StaticMembershipService`,
  `${TRIBES}.membership.cloud.CloudMembershipService`,
];
const CHANNEL_CHILDREN = [
  "Membership",
  "MembershipListener",
  "Receiver",
  "Sender",
  "Interceptor",
  "ChannelListener",
];
/** What a SimpleTcpCluster puts in when no interceptor is written. */
const DEFAULT_STACK: readonly InterceptorConfig[] = [
  { name: "MessageDispatch", attributes: {}, members: [] },
  { name: "TcpFailureDetector", attributes: {}, members: [] },
];

/** The channel of a cluster that has no `<Channel>`. */
export function parseChannelDefaults(): ChannelConfig {
  return {
    attributes: defaultsOf(CHANNEL_RULES),
    membership: { type: "McastService", attributes: defaultsOf(MCAST_RULES) },
    receiver: defaultsOf(RECEIVER_RULES),
    sender: defaultsOf(SENDER_RULES),
    interceptors: DEFAULT_STACK,
  };
}

/** Reads a `<Channel>`. */
export function parseChannel(
  reader: ElementReader,
  element: XmlElement,
): ChannelConfig {
  reader.oneClass(element, [CHANNEL_CLASS]);
  reader.onlyChildren(element, CHANNEL_CHILDREN);
  const attributes = reader.attributes(element, CHANNEL_RULES);
  if (attributes.secure) {
    throw reader.error(
      "unsupported",
      'Cannot use secure="true" of <Channel>: a channel with TLS is not supported; EncryptInterceptor encrypts messages',
      element,
      "secure",
    );
  }
  warnOfListeners(reader, element);
  const defaults = parseChannelDefaults();
  const membership = reader.child(element, "Membership");
  const receiver = reader.child(element, "Receiver");
  const sender = reader.child(element, "Sender");
  const interceptors = element.children
    .filter(({ name }) => name === "Interceptor")
    .map((child) => parseInterceptor(reader, child));
  return {
    attributes,
    membership: membership === undefined
      ? defaults.membership
      : parseMembership(reader, membership),
    receiver: receiver === undefined
      ? defaults.receiver
      : parseReceiver(reader, receiver),
    sender: sender === undefined
      ? defaults.sender
      : parseSender(reader, sender, defaults.sender),
    interceptors: interceptors.length === 0 ? DEFAULT_STACK : interceptors,
  };
}

function parseReceiver(
  reader: ElementReader,
  element: XmlElement,
): ChannelConfig["receiver"] {
  reader.oneClass(element, [RECEIVER_CLASS]);
  reader.onlyChildren(element, []);
  return reader.attributes(element, RECEIVER_RULES);
}

function parseSender(
  reader: ElementReader,
  element: XmlElement,
  defaults: SenderAttributes,
): SenderAttributes {
  reader.oneClass(element, [SENDER_CLASS]);
  reader.onlyChildren(element, ["Transport"]);
  reader.attributes(element, { attributes: {} }); // it has none
  const transport = reader.child(element, "Transport");
  if (transport === undefined) return defaults;
  reader.oneClass(transport, [TRANSPORT_CLASS]);
  reader.onlyChildren(transport, []);
  return reader.attributes(transport, SENDER_RULES);
}

function parseMembership(
  reader: ElementReader,
  element: XmlElement,
): MembershipConfig {
  const type = reader.oneClass(element, MEMBERSHIP_CLASSES);
  reader.onlyChildren(
    element,
    type === "StaticMembershipService" ? ["Member", "LocalMember"] : [],
  );
  switch (type) {
    case "StaticMembershipService":
      return reader.place({
        type,
        attributes: reader.attributes(element, STATIC_MEMBERSHIP_RULES),
        ...parseMembers(reader, element),
      }, element);
    case "CloudMembershipService":
      return reader.place({
        type,
        attributes: reader.attributes(element, CLOUD_MEMBERSHIP_RULES),
      }, element);
    default:
      return reader.place({
        type: "McastService",
        attributes: reader.attributes(element, MCAST_RULES),
      }, element);
  }
}

function parseInterceptor(
  reader: ElementReader,
  element: XmlElement,
): InterceptorConfig {
  const { name } = reader.className(element);
  const prefix = `${INTERCEPTOR_PACKAGE}.`;
  const className = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  if (!Object.hasOwn(INTERCEPTOR_RULES, className)) {
    throw reader.unknownClass(
      element,
      name,
      Object.keys(INTERCEPTOR_RULES).map((known) => prefix + known),
    );
  }
  const isStatic = className === "StaticMembershipInterceptor";
  reader.onlyChildren(element, isStatic ? ["Member", "LocalMember"] : []);
  return reader.place({
    name: className.replace(/Interceptor$/, ""),
    attributes: reader.textAttributes(element, INTERCEPTOR_RULES[className]!), // hasOwn
    ...parseMembers(reader, element),
  }, element);
}

function parseMembers(
  reader: ElementReader,
  element: XmlElement,
): {
  members: readonly StaticMemberAttributes[];
  localMember?: StaticMemberAttributes;
} {
  const local = reader.child(element, "LocalMember");
  const members = element.children.filter(({ name }) => name === "Member");
  for (const member of [...members, ...(local === undefined ? [] : [local])]) {
    reader.oneClass(member, [MEMBER_CLASS], MEMBER_CLASS);
    reader.onlyChildren(member, []);
  }
  return {
    members: members.map((member) => reader.attributes(member, MEMBER_RULES)),
    ...(local === undefined
      ? {}
      : { localMember: reader.attributes(local, LOCAL_MEMBER_RULES) }),
  };
}

function warnOfListeners(reader: ElementReader, element: XmlElement): void {
  for (const child of element.children) {
    if (!/^(Membership|Channel)Listener$/.test(child.name)) continue;
    const { name } = reader.className(child);
    reader.warn(
      "unknown-class",
      `Class ${
        JSON.stringify(name)
      } of <${child.name}> is not known and is left out: listeners are added in code`,
      child.name,
      placeOf(child, "className"),
    );
  }
}
