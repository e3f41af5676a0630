import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type ClusterConfig,
  formatClusterConfig,
  parseClusterConfig,
} from "../../config/mod.ts";
import type { ElementRules } from "../../config/attribute_rule.ts";
import * as channelRules from "../../config/channel_rules.ts";
import * as clusterRules from "../../config/cluster_rules.ts";
import { INTERCEPTOR_RULES } from "../../config/interceptor_rules.ts";
import { cluster, tutorial } from "./cluster_xml.ts";

test("formatClusterConfig() gives back what was read, for any configuration", () => {
  fc.assert(
    fc.property(clusterConfigs(), fc.boolean(), (config, defaults) => {
      const text = formatClusterConfig(config, { defaults });
      const read = parseClusterConfig(text);
      assert.deepEqual(read.config, config, text);
      assert.equal(formatClusterConfig(read.config, { defaults }), text);
    }),
    { numRuns: 200 },
  );
});

for (const number of [1, 2] as const) {
  test(`formatClusterConfig() gives back the configuration of tutorial ${number}`, () => {
    const { config } = parseClusterConfig(tutorial(number));
    const read = parseClusterConfig(formatClusterConfig(config));
    assert.deepEqual(read.config, config);
    const codes = read.warnings.map(({ code }) => code);
    assert(!codes.includes("deprecated"), "old names are written anew");
  });
}

test("formatClusterConfig() writes what differs from the default, or all", () => {
  const { config } = parseClusterConfig(
    `<Engine name="Catalina" jvmRoute="a&amp;b">${
      cluster("", 'channelSendOptions="6" clusterName="&quot;x&#10;"')
    }</Engine>`,
  );
  const few = formatClusterConfig(config);
  assert.match(
    few,
    /^<Engine name="Catalina" defaultHost="localhost" jvmRoute="a&amp;b">\n {2}<Cluster className="org\.apache\.catalina\.ha\.tcp\.SimpleTcpCluster" clusterName="&quot;x&#10;" channelSendOptions="6">\n/,
  );
  assert(!few.includes("dropTime"));
  const all = formatClusterConfig(config, { defaults: true });
  assert.match(all, / dropTime="3000"/);
  assert.match(all, / channelStartOptions="15"/);
});

test("formatClusterConfig() refuses what XML cannot have", () => {
  const { config } = parseClusterConfig(cluster());
  for (const clusterName of ["\u0000", "\ud800", "\ufffe", "\u001f"]) {
    assert.throws(
      () =>
        formatClusterConfig({
          ...config,
          cluster: { ...config.cluster, clusterName },
        }),
      RangeError,
    );
  }
});

function texts(): fc.Arbitrary<string> {
  const units = [..."aB.0,{}$&<>\"' \t\n\r;é日😀\u007f\u0085\ufeff"];
  return fc.string({ unit: fc.constantFrom(...units), maxLength: 8 })
    .filter((text) => !text.includes("${"));
}

/** Attributes of every kind that rules allow, and all that have a default. */
function attributesOf<T>(
  { attributes }: ElementRules<T>,
  fixed: Partial<T> = {},
): fc.Arbitrary<T> {
  const values: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const name of Object.keys(attributes) as (keyof T & string)[]) { // keys of its type
    const { kind, default: value, ...rule } = attributes[name];
    const { least = -0x8000_0000, most = 0x7fff_ffff } = rule;
    if (fixed[name] !== undefined) values[name] = fc.constant(fixed[name]);
    else if (kind === "text") values[name] = texts();
    else if (kind === "boolean") values[name] = fc.boolean();
    else values[name] = fc.integer({ min: least, max: most });
    if (value !== undefined) {
      values[name] = fc.oneof(fc.constant(value), values[name]!); // just set
    }
    if (value !== undefined || rule.required === true) required.push(name);
  }
  return fc.record(values, {
    requiredKeys: required,
    noNullPrototype: true,
  }) as fc.Arbitrary<T>; // by the rules of T
}

/** The same as text, none of it needed but what must be written. */
function textsOf(rules: ElementRules): fc.Arbitrary<Record<string, string>> {
  return attributesOf(rules).map((values) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, String(value)]),
    )
  );
}

function absentOr<Name extends string, T>(
  name: Name,
  values: fc.Arbitrary<T>,
): fc.Arbitrary<{ [Key in Name]?: T }> {
  return fc.oneof(
    fc.constant({}),
    values.map((value) => ({ [name]: value }) as { [Key in Name]?: T }), // the one key is Name
  );
}

function members() {
  return fc.tuple(
    fc.array(attributesOf(channelRules.MEMBER_RULES), { maxLength: 2 }),
    absentOr("localMember", attributesOf(channelRules.LOCAL_MEMBER_RULES)),
  ).map(([members, local]) => ({ members, ...local }));
}

function interceptors() {
  const one = fc.constantFrom(...Object.entries(INTERCEPTOR_RULES)).chain(
    ([className, rules]) => {
      const name = className.replace(/Interceptor$/, "");
      return fc.tuple(
        textsOf(rules),
        name === "StaticMembership" ? members() : fc.constant({ members: [] }),
      ).map(([attributes, inside]) => ({ name, attributes, ...inside }));
    },
  );
  return fc.array(one, { minLength: 1, maxLength: 4 });
}

function classes(rules: Readonly<Record<string, ElementRules>>) {
  const one = fc.constantFrom(...Object.entries(rules)).chain(
    ([className, rule]) =>
      textsOf(rule).map((attributes) => ({
        className: className.replace(/^.*\./, ""),
        attributes,
      })),
  );
  const other = fc.record({
    className: fc.constantFrom("com.example.Own", "x.Y"),
    attributes: fc.dictionary(fc.constantFrom("a", "b-c", "D.e"), texts(), {
      noNullPrototype: true,
    }),
  }, { noNullPrototype: true });
  return fc.array(fc.oneof(one, other), { maxLength: 2 });
}

function memberships(): fc.Arbitrary<ClusterConfig["channel"]["membership"]> {
  return fc.oneof(
    attributesOf(channelRules.MCAST_RULES).map((attributes) => ({
      type: "McastService" as const,
      attributes,
    })),
    fc.tuple(attributesOf(channelRules.STATIC_MEMBERSHIP_RULES), members()).map(
      ([attributes, inside]) => ({
        type: "StaticMembershipService" as const,
        attributes,
        ...inside,
      }),
    ),
    attributesOf(channelRules.CLOUD_MEMBERSHIP_RULES).map((attributes) => ({
      type: "CloudMembershipService" as const,
      attributes,
    })),
  );
}

function managers(): fc.Arbitrary<ClusterConfig["manager"]> {
  const ids = absentOr(
    "sessionIdGenerator",
    attributesOf(clusterRules.SESSION_ID_RULES),
  );
  return fc.oneof(
    fc.tuple(attributesOf(clusterRules.DELTA_MANAGER_RULES), ids).map(
      ([attributes, generator]) => ({
        type: "DeltaManager" as const,
        attributes,
        ...generator,
      }),
    ),
    fc.tuple(attributesOf(clusterRules.BACKUP_MANAGER_RULES), ids).map(
      ([attributes, generator]) => ({
        type: "BackupManager" as const,
        attributes,
        ...generator,
      }),
    ),
  );
}

function clusterConfigs(): fc.Arbitrary<ClusterConfig> {
  const placement = fc.tuple(
    fc.constantFrom("Engine" as const, "Host" as const),
    absentOr("name", texts()),
    absentOr("jvmRoute", texts()),
  ).map(([level, name, route]) => ({ level, ...name, ...route }));
  const channel = fc.record({
    attributes: attributesOf(channelRules.CHANNEL_RULES, { secure: false }),
    membership: memberships(),
    receiver: attributesOf(channelRules.RECEIVER_RULES),
    sender: attributesOf(channelRules.SENDER_RULES),
    interceptors: interceptors(),
  }, { noNullPrototype: true });
  return fc.tuple(
    fc.record({
      cluster: attributesOf(clusterRules.CLUSTER_RULES),
      manager: managers(),
      channel,
      valves: classes(clusterRules.VALVE_RULES),
      listeners: classes(clusterRules.LISTENER_RULES),
    }),
    absentOr("placement", placement),
    absentOr("deployer", attributesOf(clusterRules.DEPLOYER_RULES)),
  ).map((parts) => Object.assign({}, ...parts));
}
