// What is wrong with a configuration, and what in it deserves a word; both with their place.

/** A place in a file; both count from 1. */
export interface Place {
  /** Line. */
  readonly line: number;
  /** Column, in UTF-16 units. */
  readonly column: number;
}

/** Why a configuration is refused. */
export type ConfigErrorCode =
  | "bad-xml"
  | "too-large"
  | "no-cluster"
  | "unknown-element"
  | "unknown-attribute"
  | "unknown-class"
  | "missing-attribute"
  | "missing-element"
  | "bad-value"
  | "unsupported";

/** What a warning is about. */
export type ConfigWarningCode =
  | "no-effect"
  | "deprecated"
  | "unknown-class"
  | "unresolved-property"
  | "several-elements"
  | "not-boolean"
  | "not-decimal"
  | "unknown-option"
  | "stale-reads"
  | "listener-without-effect"
  | "listener-missing"
  | "deployer-level"
  | "deployer-folders"
  | "interceptor-order"
  | "static-with-multicast"
  | "threads"
  | "drop-time"
  | "cloud-environment";

/** Something in a configuration that is no error, but that an operator should know. */
export interface ConfigWarning {
  /** Its kind, for programs. */
  readonly code: ConfigWarningCode;
  /** What it means, in plain words. */
  readonly message: string;
  /** Name of the element: `Receiver`. */
  readonly element: string;
  /** Line of the attribute or element, from 1. */
  readonly line: number;
  /** Column of the attribute or element, from 1. */
  readonly column: number;
}

/** A configuration cannot be used; says what and where. */
export class ConfigError extends Error {
  /** Why, for programs. */
  readonly code: ConfigErrorCode;
  /** Name of the element; empty where there is none. */
  readonly element: string;
  /** Line, from 1; 0 where the value is from no file. */
  readonly line: number;
  /** Column, from 1; 0 where the value is from no file. */
  readonly column: number;

  /** Makes the error; the text gets the place behind it. */
  constructor(
    code: ConfigErrorCode,
    message: string,
    at: { readonly element?: string; readonly place?: Place | undefined } = {},
    options?: ErrorOptions,
  ) {
    const { element = "", place } = at;
    super(
      place === undefined
        ? message
        : `${message} (line ${place.line}, column ${place.column})`,
      options,
    );
    this.name = "ConfigError";
    this.code = code;
    this.element = element;
    this.line = place?.line ?? 0;
    this.column = place?.column ?? 0;
  }
}
