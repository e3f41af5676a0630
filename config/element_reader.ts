// Reads elements by their rules: what is wrong throws with its place, what deserves a word is kept as
// a warning, and each value remembers where it came from.
import { parseSendOptions } from "../protocol/tribes/send_options.ts";
import type { AttributeRule, ElementRules } from "./attribute_rule.ts";
import type { TextAttributes } from "./cluster_config.ts";
import { RENAMED_CLASSES } from "./cluster_rules.ts";
import {
  ConfigError,
  type ConfigErrorCode,
  type ConfigWarning,
  type ConfigWarningCode,
  type Place,
} from "./errors.ts";
import { nearName } from "./near_name.ts";
import { type PropertySource, substituteProperties } from "./properties.ts";
import type { XmlAttribute, XmlElement } from "./xml.ts";

/** Where a part of a configuration stands. */
export interface ElementPlace extends Place {
  /** Name of the element. */
  readonly element: string;
  /** Where its attributes stand that were written. */
  readonly attributes: ReadonlyMap<string, Place>;
}

/** The places of the objects of a configuration; what was filled in has none. */
export type ConfigPlaces = ReadonlyMap<object, ElementPlace>;

/** Which names of a class there are, and where each came from. */
interface FoundClass {
  /** The whole name; of the class that stands for an old one. */
  readonly name: string;
  /** Whether there is no such class any more and nothing is to be done. */
  readonly isGone: boolean;
}

const MAX_INTEGER = 0x7fff_ffff;

/** Reads elements and gathers warnings and places. */
export class ElementReader {
  /** What was found so far, in the order of reading. */
  readonly warnings: ConfigWarning[] = [];
  /** Where it stood. */
  readonly places: Map<object, ElementPlace> = new Map();
  readonly #source: PropertySource;

  /** Makes a reader that fills in these properties. */
  constructor(source: PropertySource) {
    this.#source = source;
  }

  /** Keeps a warning. */
  warn(
    code: ConfigWarningCode,
    message: string,
    element: string,
    { line, column }: Place,
  ): void {
    this.warnings.push({ code, message, element, line, column });
  }

  /** The value of one attribute, properties filled in. */
  value(element: XmlElement, name: string): string | undefined {
    const found = element.attributes.find((item) => item.name === name);
    return found === undefined ? undefined : this.#substitute(element, found);
  }

  /** Remembers where a value came from. */
  place<T extends object>(value: T, element: XmlElement): T {
    const attributes = new Map(
      element.attributes.map(({ name, place }) => [name, place]),
    );
    const { line, column } = element.place;
    this.places.set(value, { element: element.name, line, column, attributes });
    return value;
  }

  /**
   * Reads an element's class.
   *
   * @param fallback The class where none is written; without it that is an error.
   */
  className(element: XmlElement, fallback?: string): FoundClass {
    const written = this.value(element, "className") ?? fallback;
    if (written === undefined) {
      throw this.error(
        "missing-attribute",
        `Cannot use <${element.name}>: it needs a className`,
        element,
      );
    }
    const renamed = Object.hasOwn(RENAMED_CLASSES, written)
      ? RENAMED_CLASSES[written]
      : undefined;
    if (renamed === undefined) return { name: written, isGone: false };
    this.warn(
      "deprecated",
      renamed.why,
      element.name,
      placeOf(element, "className"),
    );
    return { name: renamed.now ?? written, isGone: renamed.now === null };
  }

  /** Reads the class of an element that has one choice, or a few. */
  oneClass(
    element: XmlElement,
    known: readonly string[],
    fallback?: string,
  ): string {
    const { name } = this.className(element, fallback);
    if (!known.includes(name)) throw this.unknownClass(element, name, known);
    return shortName(name);
  }

  /** The error of a class that is not known. */
  unknownClass(
    element: XmlElement,
    name: string,
    known: readonly string[],
  ): ConfigError {
    return this.error(
      "unknown-class",
      `Cannot use class ${
        JSON.stringify(name)
      } of <${element.name}>: it is not known; there are ${known.join(", ")}`,
      element,
      "className",
    );
  }

  /** Reads all attributes, and fills in the defaults. */
  attributes<T>(element: XmlElement, rules: ElementRules<T>): T {
    const values: Record<string, string | number | boolean> = {};
    for (const name of Object.keys(rules.attributes) as (keyof T & string)[]) { // keys of its type
      const { default: value } = rules.attributes[name];
      if (value !== undefined) values[name] = value;
    }
    for (const [name, , value] of this.#read(element, rules)) {
      values[name] = value;
    }
    return this.place(values as T & object, element); // the rules are those of T
  }

  /** Reads all attributes as text, without defaults; booleans become `true` or `false`. */
  textAttributes(element: XmlElement, rules: ElementRules): TextAttributes {
    const values: Record<string, string> = {};
    for (const [name, text, value] of this.#read(element, rules)) {
      values[name] = typeof value === "boolean" ? String(value) : text;
    }
    return values;
  }

  /** Reads all attributes of a class that is not known, as they are written. */
  unknownAttributes(element: XmlElement): TextAttributes {
    return Object.fromEntries(
      element.attributes
        .filter(({ name }) => name !== "className")
        .map((item) => [item.name, this.#substitute(element, item)]),
    );
  }

  /** Refuses the elements in an element, but for some. */
  onlyChildren(element: XmlElement, known: readonly string[]): void {
    for (const child of element.children) {
      if (known.includes(child.name)) continue;
      if (/^(ssl|tls)/i.test(child.name)) {
        throw this.error(
          "unsupported",
          `Cannot use <${child.name}> in <${element.name}>: a channel with TLS is not supported`,
          child,
        );
      }
      throw this.error(
        "unknown-element",
        `Cannot use <${child.name}> in <${element.name}>: it is not known there; ${
          known.length === 0
            ? "it has no elements"
            : `there are ${known.join(", ")}`
        }`,
        child,
      );
    }
  }

  /** Finds the one element of a name; several give a warning, and the last counts as in Tomcat. */
  child(element: XmlElement, name: string): XmlElement | undefined {
    const found = element.children.filter((child) => child.name === name);
    const last = found.at(-1);
    if (found.length > 1 && last !== undefined) {
      this.warn(
        "several-elements",
        `<${element.name}> has ${found.length} <${name}>: the last one counts, as in Tomcat`,
        name,
        last.place,
      );
    }
    return last;
  }

  /** An error with the place of an attribute, or of the element. */
  error(
    code: ConfigErrorCode,
    message: string,
    element: XmlElement,
    attribute?: string,
  ): ConfigError {
    const place = attribute === undefined
      ? element.place
      : placeOf(element, attribute);
    return new ConfigError(code, message, { element: element.name, place });
  }

  /** Reads what is written: name as it is called now, text, value. */
  *#read<T>(
    element: XmlElement,
    rules: ElementRules<T>,
  ): Generator<[string, string, string | number | boolean]> {
    const known = rules.attributes as Readonly<Record<string, AttributeRule>>;
    const { renamed = {}, ignored = {} } = rules;
    const written = new Set<string>();
    for (const attribute of element.attributes) {
      if (attribute.name === "className") continue;
      if (Object.hasOwn(ignored, attribute.name)) {
        this.#warnOf(
          "no-effect",
          element,
          attribute,
          `has no effect: ${ignored[attribute.name]}`,
        );
        continue;
      }
      let name = attribute.name;
      if (Object.hasOwn(renamed, name)) {
        name = renamed[name]!; // hasOwn
        this.#warnOf(
          "deprecated",
          element,
          attribute,
          `is an old name: it is called ${name} now`,
        );
      }
      const rule = Object.hasOwn(known, name) ? known[name] : undefined;
      if (rule === undefined) {
        throw this.#unknownAttribute(element, attribute, Object.keys(known));
      }
      if (rule.noEffect !== undefined) {
        this.#warnOf(
          "no-effect",
          element,
          attribute,
          `has no effect here: ${rule.noEffect}`,
        );
      }
      written.add(name);
      const text = this.#substitute(element, attribute);
      yield [name, text, this.#convert(element, attribute, text, rule)];
    }
    for (const [name, rule] of Object.entries(known)) {
      if (rule.required === true && !written.has(name)) {
        throw this.error(
          "missing-attribute",
          `Cannot use <${element.name}>: it needs the attribute ${name}`,
          element,
        );
      }
    }
  }

  #convert(
    element: XmlElement,
    attribute: XmlAttribute,
    text: string,
    rule: AttributeRule,
  ): string | number | boolean {
    switch (rule.kind) {
      case "text":
        return text;
      case "boolean":
        if (!/^(true|false)$/i.test(text)) {
          this.#warnOf(
            "not-boolean",
            element,
            attribute,
            `is ${
              JSON.stringify(text)
            }, neither true nor false: it is taken as false, as in Tomcat`,
          );
        }
        return text.toLowerCase() === "true";
      case "integer":
        return this.#integer(element, attribute, text, rule);
      case "sendOptions":
        return this.#sendOptions(element, attribute, text);
    }
  }

  #integer(
    element: XmlElement,
    attribute: XmlAttribute,
    text: string,
    { least = -MAX_INTEGER - 1, most = MAX_INTEGER }: AttributeRule,
  ): number {
    const value = Number(text);
    if (/^[+-]?\d+$/.test(text) && value >= least && value <= most) {
      return value;
    }
    const hexadecimal = /^0x[0-9a-f]+$/i.test(text)
      ? "; Tomcat reads decimal numbers only"
      : "";
    throw this.#badValue(
      element,
      attribute,
      text,
      `not an integer from ${least} to ${most}${hexadecimal}`,
    );
  }

  #sendOptions(
    element: XmlElement,
    attribute: XmlAttribute,
    text: string,
  ): number {
    let value: number;
    try {
      value = parseSendOptions(text);
    } catch {
      throw this.#badValue(
        element,
        attribute,
        text,
        "neither a number nor names of send options",
      );
    }
    if (/(^|[\s,])sync_ack\b/.test(text)) {
      this.#warnOf(
        "unknown-option",
        element,
        attribute,
        "has the name sync_ack, which Tomcat does not know: it keeps its default; sync and synchronized_ack are its names",
      );
    }
    if (/0x/i.test(text)) {
      this.#warnOf(
        "not-decimal",
        element,
        attribute,
        `is ${
          JSON.stringify(text)
        }, taken as ${value} here: Tomcat reads decimal numbers only, and keeps its default`,
      );
    }
    return value;
  }

  #substitute(element: XmlElement, attribute: XmlAttribute): string {
    const { value, unresolved } = substituteProperties(
      attribute.value,
      this.#source,
    );
    for (const name of unresolved) {
      this.#warnOf(
        "unresolved-property",
        element,
        attribute,
        `has the property ${name}, which is not set: it is taken as written`,
      );
    }
    return value;
  }

  #badValue(
    element: XmlElement,
    attribute: XmlAttribute,
    text: string,
    state: string,
  ): ConfigError {
    return this.error(
      "bad-value",
      `Cannot use ${attribute.name}=${
        JSON.stringify(text)
      } of <${element.name}>: ${state}`,
      element,
      attribute.name,
    );
  }

  #unknownAttribute(
    element: XmlElement,
    attribute: XmlAttribute,
    known: readonly string[],
  ): ConfigError {
    const near = nearName(attribute.name, known);
    return this.error(
      "unknown-attribute",
      `Cannot use attribute ${attribute.name} of <${element.name}>: it does not exist${
        near === undefined ? "" : `; is ${near} meant?`
      }`,
      element,
      attribute.name,
    );
  }

  #warnOf(
    code: ConfigWarningCode,
    { name }: XmlElement,
    attribute: XmlAttribute,
    state: string,
  ): void {
    this.warn(
      code,
      `${attribute.name} of <${name}> ${state}`,
      name,
      attribute.place,
    );
  }
}

/** The values of an element that is not written. */
export function defaultsOf<T>(rules: ElementRules<T>): T {
  const element: XmlElement = {
    name: "",
    attributes: [],
    children: [],
    place: { line: 0, column: 0 },
  };
  return new ElementReader(() => undefined).attributes(element, rules);
}

/** A class name without its package. */
export function shortName(className: string): string {
  return className.slice(className.lastIndexOf(".") + 1);
}

/** The place of an attribute, or of the element where it is not written. */
export function placeOf(element: XmlElement, attribute: string): Place {
  return element.attributes.find(({ name }) => name === attribute)?.place ??
    element.place;
}
