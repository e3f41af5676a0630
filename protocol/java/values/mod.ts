/**
 * Java's common classes as JavaScript values: what a node means ({@linkcode javaValue}), new objects of those
 * classes, and plain values there and back.
 *
 * @module
 */
export {
  type JavaContainer,
  javaContainer,
  setJavaItems,
} from "./collections.ts";
export type { JavaEntry, JavaNumberType, JavaValue } from "./java_value.ts";
export * from "./make.ts";
export {
  javaBigDecimal,
  javaBigInteger,
  javaDoubleText,
  javaFloatText,
} from "./numbers.ts";
export { javaFromPlain, javaToPlain, type PlainJavaValue } from "./plain.ts";
export { javaFromText } from "./texts.ts";
export { arrayClassName, javaValue } from "./view.ts";
