// What a node means: a shallow view, in which nested objects are still nodes. Nodes stay the truth, with
// their identity; a view is made when it is asked for and never kept in step with its node.
import type { JavaFieldEntry } from "../fields.ts";
import type { JavaDatum, JavaNode } from "../tree.ts";

/** A node as JavaScript sees it; `type` is the name of a Java class, `int[]` and the like for arrays. */
export type JavaValue =
  | { readonly form: "null" }
  | {
    readonly form: "string";
    readonly type: "java.lang.String";
    readonly value: string;
  }
  | {
    readonly form: "boolean";
    readonly type: "java.lang.Boolean";
    readonly value: boolean;
  }
  | {
    readonly form: "number";
    readonly type: JavaNumberType;
    readonly value: number;
  }
  | {
    readonly form: "long";
    readonly type: "java.lang.Long";
    readonly value: bigint;
  }
  | {
    readonly form: "character";
    readonly type: "java.lang.Character";
    /** A UTF-16 unit. */
    readonly value: number;
  }
  | {
    readonly form: "date";
    readonly type: string;
    /** Since the epoch, as `getTime()` gives them. */
    readonly millis: bigint;
    /** The whole fraction of a `java.sql.Timestamp`. */
    readonly nanos: number | null;
  }
  | {
    readonly form: "collection";
    readonly type: string;
    readonly items: readonly JavaNode[];
  }
  | {
    readonly form: "map";
    readonly type: string;
    readonly entries: readonly JavaEntry[];
  }
  | {
    readonly form: "bytes";
    readonly type: "byte[]";
    /** Borrowed. */
    readonly bytes: Uint8Array;
  }
  | {
    readonly form: "primitives";
    readonly type: string;
    /** Numbers; bigints of a `long[]`; booleans of a `boolean[]`. */
    readonly items: readonly (number | bigint | boolean)[];
  }
  | {
    readonly form: "array";
    readonly type: string;
    readonly items: readonly JavaNode[];
  }
  | {
    readonly form: "text";
    readonly type: string;
    /** What Java's `toString()` gives. */
    readonly text: string;
  }
  | {
    readonly form: "throwable";
    readonly type: string;
    /** The message. */
    readonly text: string | null;
    /** What caused it. */
    readonly cause: JavaNode;
  }
  | { readonly form: "enum"; readonly class: string; readonly name: string }
  | { readonly form: "class"; readonly name: string }
  | {
    readonly form: "proxy";
    readonly interfaces: readonly string[];
    /** Its invocation handler. */
    readonly handler: JavaNode;
  }
  | {
    readonly form: "object";
    readonly type: string;
    readonly fields: readonly JavaFieldEntry[];
    /** What its writeObject or writeExternal methods wrote; `null` without such a method. */
    readonly data: readonly JavaDatum[] | null;
  };

/** The numbers that a JavaScript number holds. */
export type JavaNumberType =
  | "java.lang.Byte"
  | "java.lang.Short"
  | "java.lang.Integer"
  | "java.lang.Float"
  | "java.lang.Double";

/** A key of a map and its value. */
export type JavaEntry = readonly [key: JavaNode, value: JavaNode];
