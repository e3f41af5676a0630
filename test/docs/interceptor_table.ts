// What docs/channel.md says of each interceptor, apart from prose: flag and attributes.
import { makeInterceptor } from "../../channel/interceptor_registry.ts";
import type { AttributeRule } from "../../config/attribute_rule.ts";
import { INTERCEPTOR_RULES } from "../../config/interceptor_rules.ts";

/** Values for attributes that must be written. */
export const NEEDED: Readonly<
  Record<string, Readonly<Record<string, string>>>
> = {
  DomainFilter: { domain: "x" },
  Encrypt: { encryptionKey: "000102030405060708090a0b0c0d0e0f" },
};

/** The rules of an interceptor by its name in the registry. */
export function rulesOf(
  name: string,
): readonly (readonly [string, AttributeRule])[] {
  const rules = INTERCEPTOR_RULES[`${name}Interceptor`] ??
    INTERCEPTOR_RULES[name];
  return Object.entries(rules?.attributes ?? {});
}

/** Its name, flag, and the attributes that do something, with their defaults. */
export function interceptorRow(
  name: string,
  required = "required",
): readonly [name: string, flag: string, attributes: string] {
  const { optionFlag = 0 } = makeInterceptor(name, NEEDED[name]);
  const attributes = rulesOf(name)
    .filter(([attribute, rule]) =>
      attribute !== "optionFlag" && rule.noEffect === undefined
    )
    .map(([attribute, rule]) =>
      `\`${attribute}\` ${rule.required === true ? required : rule.default}`
    );
  return [`\`${name}\``, String(optionFlag), attributes.join(", ")];
}
