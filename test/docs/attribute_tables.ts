// The tables of docs/server-xml.md, made of the rules that configurations are read by.
import type {
  AttributeRule,
  ElementRules,
} from "../../config/attribute_rule.ts";
import * as channel from "../../config/channel_rules.ts";
import * as cluster from "../../config/cluster_rules.ts";
import { INTERCEPTOR_RULES } from "../../config/interceptor_rules.ts";
import { makeInterceptor } from "../../channel/interceptor_registry.ts";
import { NEEDED } from "./interceptor_table.ts";
import type { Table } from "./markdown.ts";

/** Words of a table in a language. */
export interface Words {
  readonly head: readonly [string, string, string];
  readonly required: string;
  readonly number: string;
  readonly text: string;
  readonly sendOptions: string;
  noEffect(reason: string): string;
  renamed(name: string): string;
}

export const ENGLISH: Words = {
  head: ["attribute", "default", "value, or why it does nothing here"],
  required: "required",
  number: "integer",
  text: "text",
  sendOptions: "number or names",
  noEffect: (reason) => `no effect: ${reason}`,
  renamed: (name) => `old name of \`${name}\``,
};

export const CHINESE: Words = {
  head: ["属性", "默认值", "取值,或在这里不起作用的原因"],
  required: "必填",
  number: "整数",
  text: "文本",
  sendOptions: "数字或名称",
  noEffect: (reason) => `不起作用:${reason}`,
  renamed: (name) => `\`${name}\` 的旧名称`,
};

// deno-lint-ignore no-explicit-any -- rules of any element
type AnyRules = ElementRules<any>;

/** What the page has a table for, by its headings. */
export const ELEMENTS: readonly (readonly [string, AnyRules])[] = [
  ["Cluster: SimpleTcpCluster", cluster.CLUSTER_RULES],
  ["Channel: GroupChannel", channel.CHANNEL_RULES],
  ["Membership: McastService", channel.MCAST_RULES],
  ["Membership: StaticMembershipService", channel.STATIC_MEMBERSHIP_RULES],
  ["Membership: CloudMembershipService", channel.CLOUD_MEMBERSHIP_RULES],
  ["Member: StaticMember", channel.MEMBER_RULES],
  ["LocalMember: StaticMember", channel.LOCAL_MEMBER_RULES],
  ["Receiver: NioReceiver", channel.RECEIVER_RULES],
  ["Transport: PooledParallelSender", channel.SENDER_RULES],
  ...Object.entries(INTERCEPTOR_RULES).map(([name, rules]) =>
    [`Interceptor: ${name}`, withOwnFlag(name, rules)] as const
  ),
  ["Manager: DeltaManager", cluster.DELTA_MANAGER_RULES],
  ["Manager: BackupManager", cluster.BACKUP_MANAGER_RULES],
  ["SessionIdGenerator: StandardSessionIdGenerator", cluster.SESSION_ID_RULES],
  ["Deployer: FarmWarDeployer", cluster.DEPLOYER_RULES],
  ...Object.entries(cluster.VALVE_RULES).map(([name, rules]) =>
    [`Valve: ${name.replace(/^.*\./, "")}`, rules] as const
  ),
];

/** The table of one element. */
export function attributeTable(
  { attributes, renamed = {}, ignored = {} }: AnyRules,
  words: Words = ENGLISH,
): Table {
  const rules: readonly [string, AttributeRule][] = Object.entries(attributes);
  const used = rules.filter(([, rule]) => rule.noEffect === undefined)
    .map(([name, rule]) => [
      `\`${name}\``,
      rule.required === true
        ? words.required
        : rule.default === undefined
        ? ""
        : String(rule.default),
      valueOf(rule, words),
    ]);
  const useless = Map.groupBy(
    rules.filter(([, rule]) => rule.noEffect !== undefined),
    ([, rule]) => rule.noEffect ?? "",
  );
  const old = Object.entries(renamed).map((
    [name, now],
  ) => [`\`${name}\``, "", words.renamed(now)]);
  return [
    words.head,
    ...used,
    ...Array.from(useless, ([reason, group]) => [
      group.map(([name]) => `\`${name}\``).join(", "),
      "",
      words.noEffect(reason),
    ]),
    ...Object.entries(ignored).map(([name, reason]) => [
      `\`${name}\``,
      "",
      words.noEffect(reason),
    ]),
    ...old,
  ];
}

/** Classes that Tomcat no longer has, and what is said of them. */
export function oldClassTable(head: readonly string[]): Table {
  return [
    head,
    ...Object.entries(cluster.RENAMED_CLASSES).map(([name, { now, why }]) => [
      `\`${name.replace(/^.*\./, "")}\``,
      now === null ? "" : `\`${now.replace(/^.*\./, "")}\``,
      why,
    ]),
  ];
}

/** The rules of an interceptor, with the flag that it really has where none is written. */
function withOwnFlag(name: string, rules: ElementRules): ElementRules {
  const short = name.replace(/Interceptor$/, "");
  const { optionFlag = 0 } = makeInterceptor(short, NEEDED[short]);
  const range = short === "MessageDispatch"
    ? { least: optionFlag, most: optionFlag } // it cannot be changed
    : {};
  return {
    ...rules,
    attributes: {
      ...rules.attributes,
      optionFlag: { kind: "integer", default: optionFlag, ...range },
    },
  };
}

function valueOf(
  { kind, least, most }: AttributeRule,
  words: Words,
): string {
  switch (kind) {
    case "text":
      return words.text;
    case "boolean":
      return "true, false";
    case "sendOptions":
      return words.sendOptions;
    case "integer":
      return least === undefined && most === undefined
        ? words.number
        : most === undefined
        ? `≥ ${least}`
        : least === most
        ? String(least)
        : least === undefined
        ? `≤ ${most}`
        : `${least} … ${most}`;
  }
}
