// What is known of an attribute: its kind, its default, and what it does here.

/** The kinds of values. */
export interface AttributeKinds {
  /** Any text. */
  readonly text: string;
  /** A decimal number. */
  readonly integer: number;
  /** `true`, or anything else. */
  readonly boolean: boolean;
  /** Send options: a number, or names. */
  readonly sendOptions: number;
}

/** A kind of value. */
export type AttributeKind = keyof AttributeKinds;

/** What is known of one attribute. */
export interface AttributeRule {
  /** Its kind. */
  readonly kind: AttributeKind;
  /** What it is when it is not written; absent if that has no value. */
  readonly default?: string | number | boolean;
  /** Whether it must be written. */
  readonly required?: boolean;
  /** Least number. */
  readonly least?: number;
  /** Greatest number. */
  readonly most?: number;
  /** Why it does nothing here; absent if it does what Tomcat's does. */
  readonly noEffect?: string;
}

/** The rules of an element: one for each attribute of its type. */
export type AttributeRules<Attributes> = {
  readonly [Name in keyof Attributes]-?: AttributeRule;
};

/** What is known of an element. */
export interface ElementRules<Attributes = Readonly<Record<string, unknown>>> {
  /** Its attributes. */
  readonly attributes: AttributeRules<Attributes>;
  /** Older names of attributes, and what they are called now. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Attributes that are often written and that even Tomcat does not know here, and why. */
  readonly ignored?: Readonly<Record<string, string>>;
}

type Extra = Omit<AttributeRule, "kind" | "default">;

/** A rule for text. */
export function text(value?: string, extra: Extra = {}): AttributeRule {
  return { kind: "text", ...withDefault(value), ...extra };
}

/** A rule for a number of 32 bits. */
export function integer(value?: number, extra: Extra = {}): AttributeRule {
  return { kind: "integer", ...withDefault(value), ...extra };
}

/** A rule for a boolean. */
export function flag(value?: boolean, extra: Extra = {}): AttributeRule {
  return { kind: "boolean", ...withDefault(value), ...extra };
}

/** A rule for send options. */
export function sendOptions(value: number): AttributeRule {
  return { kind: "sendOptions", default: value };
}

function withDefault(
  value: string | number | boolean | undefined,
): Pick<AttributeRule, "default"> {
  return value === undefined ? {} : { default: value };
}
