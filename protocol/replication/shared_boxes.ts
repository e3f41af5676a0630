// Java keeps one object of each small number and of each boolean, and one string of each name in a program's
// text, so that most streams refer to the one that they wrote before. What we make of our own has to do so too,
// if its bytes are to be Java's.
import { javaBoolean, javaInteger, javaLong } from "../java/build.ts";
import { javaField } from "../java/fields.ts";
import { standardJavaClass } from "../java/standard_classes.ts";
import { equalClassDescs } from "../java/stream_writer.ts";
import {
  type JavaDatum,
  type JavaNode,
  type JavaObject,
  JavaString,
} from "../java/tree.ts";

const NUMBERS: ReadonlySet<string> = new Set([
  "java.lang.Byte",
  "java.lang.Short",
  "java.lang.Integer",
  "java.lang.Long",
]);

/** The boxes of one stream: Java's `valueOf()` for what is made anew. */
export class SharedBoxes {
  readonly #boxes = new Map<string, JavaObject>();
  readonly #names = new Map<string, JavaString>();

  /** Takes the boxes that objects have, so that those made here are the same. The objects are not changed. */
  adopt(nodes: readonly JavaNode[]): void {
    visit(nodes, (node) => {
      const key = keyOf(node);
      if (key !== undefined && !this.#boxes.has(key)) {
        this.#boxes.set(key, node);
      }
      return node;
    });
  }

  /**
   * Replaces boxes in objects by the one of each value, as Java has it where values were boxed by the
   * compiler. The objects are changed in place: only for those that were made here.
   */
  share(node: JavaNode): JavaNode {
    const shared = (box: JavaObject) => {
      const key = keyOf(box);
      if (key === undefined) return box;
      const known = this.#boxes.get(key);
      if (known === undefined) this.#boxes.set(key, box);
      return known ?? box;
    };
    visit([node], shared);
    return node?.kind === "object" ? shared(node) : node;
  }

  /** The string of a name. */
  name(text: string): JavaString {
    let name = this.#names.get(text);
    if (name === undefined) {
      name = new JavaString(text);
      this.#names.set(text, name);
    }
    return name;
  }

  /** The box of a boolean. */
  boolean(value: boolean): JavaObject {
    return this.#box(javaBoolean(value));
  }

  /** The box of an `int`. */
  integer(value: number): JavaObject {
    return this.#box(javaInteger(value));
  }

  /** The box of a `long`. */
  long(value: number): JavaObject {
    return this.#box(javaLong(BigInt(value)));
  }

  #box(box: JavaObject): JavaObject {
    const key = keyOf(box);
    if (key === undefined) return box; // Java makes a new one, too
    const known = this.#boxes.get(key);
    if (known === undefined) this.#boxes.set(key, box);
    return known ?? box;
  }
}

/** Tells the values of which Java has one box. */
function keyOf(node: JavaObject): string | undefined {
  const { classDesc } = node;
  if (classDesc.kind !== "class-desc") return undefined;
  const { name } = classDesc;
  const isNumber = NUMBERS.has(name);
  if (
    !isNumber && name !== "java.lang.Boolean" && name !== "java.lang.Character"
  ) return undefined;
  if (!equalClassDescs(classDesc, standardJavaClass(name))) return undefined;
  const value = javaField(node, "value");
  if (typeof value === "boolean") return `${name} ${value}`;
  const number = Number(value);
  return number <= 127 && number >= (isNumber ? -128 : 0)
    ? `${name} ${number}`
    : undefined;
}

/** Visits the objects below nodes once each, and puts what `replace` gives in their place. */
function visit(
  roots: readonly JavaNode[],
  replace: (node: JavaObject) => JavaObject,
): void {
  const seen = new Set<JavaNode>();
  const open: JavaNode[] = [...roots].reverse(); // the first is on top
  const replaced = <T extends JavaDatum>(node: T): T | JavaObject =>
    node?.kind === "object" ? replace(node) : node;
  const replaceAll = <T extends JavaDatum>(nodes: T[]) => {
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i]!; // null passes too
      if (node?.kind === "block-data") continue;
      open.push(node as JavaNode); // no block
    }
    for (let i = 0; i < nodes.length; i++) {
      const node = replaced(nodes[i]!); // as above
      if (node !== nodes[i]) nodes[i] = node as T; // an object, which may stand here
    }
  };
  for (const root of roots) replaced(root);
  while (open.length > 0) {
    const node = open.pop() ?? null;
    if (node === null || seen.has(node)) continue;
    seen.add(node);
    if (node.kind === "array") replaceAll(node.elements);
    if (node.kind !== "object") continue;
    for (const { objects, custom } of node.data) {
      replaceAll(objects);
      if (custom !== null) replaceAll(custom);
    }
  }
}
