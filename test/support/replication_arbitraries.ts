// Sessions, deltas and messages of maps for the property tests.
import fc from "fast-check";
import {
  createPrincipal,
  type DeltaAction,
  type DeltaRequest,
  type DeltaSession,
  type Generation,
  javaFromPlain,
  type JavaNode,
  javaPrincipal,
  javaSingleSignOnListener,
  type MapMember,
  type MapMessage,
  NAME_LISTENER,
  NAME_PRINCIPAL,
  parseGeneration,
  type SessionMessage,
  TYPE_LISTENER,
  TYPE_PRINCIPAL,
} from "../../protocol/mod.ts";
import { byteStrings, int32s, members } from "./arbitraries.ts";
import { javaTexts, plainJavaValues } from "./java_arbitraries.ts";

const PLAIN = { noNullPrototype: true } as const;

/** Releases of every line, and those around a change. */
export function generations(): fc.Arbitrary<Generation> {
  return fc.constantFrom(
    ...("7.0.61 7.0 8.5.0 8.5.82 8.5 9.0.20 9.0.58 9.0.70 9.0 10.0.16 10.0 " +
      "10.1.39 10.1 11.0 12.0").split(" ").map(parseGeneration),
  );
}

/** Values of attributes, of which some are one object. */
function values(): fc.Arbitrary<JavaNode> {
  return plainJavaValues().map(javaFromPlain);
}

/** Times as numbers. */
function times(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: -130, max: 130 }), // where Java shares boxes
    fc.maxSafeInteger(),
  );
}

function texts(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom("a", "b", ""), javaTexts()).filter((text) =>
    text.length < 20_000 // with three bytes a unit it fits
  );
}

function textsOrNull(): fc.Arbitrary<string | null> {
  return fc.option(texts());
}

function principals(
  releases: fc.Arbitrary<Generation>,
): fc.Arbitrary<JavaNode> {
  return fc.tuple(texts(), fc.array(texts(), { maxLength: 3 }), releases)
    .map(([name, roles, generation]) =>
      javaPrincipal(createPrincipal(name, roles), generation)
    );
}

/** Changes of sessions; some values stand in several actions. */
export function deltaRequests(): fc.Arbitrary<DeltaRequest> {
  return fc.tuple(
    fc.array(values(), { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(8), int32s(), texts(), fc.nat(5)), {
      maxLength: 8,
    }),
    principals(fc.constant(parseGeneration("11.0"))),
    texts(),
    fc.boolean(),
  ).map(([nodes, parts, user, sessionId, recordAllActions]) => ({
    sessionId,
    recordAllActions,
    actions: parts.map(([type, action, name, pick]): DeltaAction => {
      if (type === TYPE_PRINCIPAL) {
        return {
          type,
          action,
          name: NAME_PRINCIPAL,
          hasValue: true,
          value: user,
        };
      }
      if (type === TYPE_LISTENER) {
        const value = javaSingleSignOnListener(name);
        return { type, action, name: NAME_LISTENER, hasValue: true, value };
      }
      const value = nodes[pick];
      return value === undefined
        ? { type, action, name, hasValue: false, value: null }
        : { type, action, name, hasValue: true, value };
    }),
  }));
}

/** Sessions that share values. */
export function sessionLists(): fc.Arbitrary<DeltaSession[]> {
  return fc.array(values(), { minLength: 1, maxLength: 4 }).chain((nodes) => {
    const value = fc.constantFrom(...nodes);
    return fc.array(
      fc.record({
        id: texts(),
        creationTime: times(),
        lastAccessedTime: times(),
        maxInactiveInterval: fc.oneof(
          fc.integer({ min: -1, max: 3 }),
          int32s(),
        ),
        isNew: fc.boolean(),
        isValid: fc.boolean(),
        thisAccessedTime: times(),
        version: fc.oneof(fc.constant(0), times()),
        principal: fc.option(principals(generations())),
        authenticationNotes: fc.option(fc.record({
          // Java takes an Integer in this place for a number of attributes.
          sessionId: fc.option(texts().map(javaFromPlain)),
          savedRequest: value,
        })),
        attributes: fc.array(fc.record({ name: texts(), value }), {
          maxLength: 4,
        }),
        listeners: fc.array(texts().map(javaSingleSignOnListener), {
          maxLength: 2,
        }),
      }),
      { maxLength: 3 },
    );
  });
}

/** Messages of DeltaManager. */
export function sessionMessages(): fc.Arbitrary<SessionMessage> {
  return fc.record({
    eventType: int32s(),
    contextName: textsOrNull(),
    sessionId: textsOrNull(),
    uniqueId: textsOrNull(),
    session: fc.option(byteStrings()),
    timestamp: times(),
    timestampSet: fc.boolean(),
  }, PLAIN);
}

/** Messages of maps; some members are the same. */
export function mapMessages(): fc.Arbitrary<MapMessage> {
  const some = fc.array(
    fc.tuple(members(), fc.boolean()).map(([member, isStatic]): MapMember =>
      isStatic ? { ...member, memberClass: "StaticMember" } : member
    ),
    { minLength: 1, maxLength: 3 },
  );
  return some.chain((known) => {
    const member = fc.constantFrom(...known);
    return fc.record({
      msgtype: int32s(),
      mapId: byteStrings(),
      diff: fc.boolean(),
      diffvalue: fc.option(byteStrings()),
      keydata: fc.option(byteStrings()),
      valuedata: fc.option(byteStrings()),
      nodes: fc.option(fc.array(member, { maxLength: 3 })),
      primary: fc.option(member),
    }, PLAIN);
  });
}
