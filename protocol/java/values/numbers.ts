// Numbers of java.math, and how Java writes floating numbers as text.
import { EncodeError } from "../../errors.ts";
import { javaField, javaObject } from "../fields.ts";
import { standardJavaClass } from "../standard_classes.ts";
import { type JavaObject, JavaPrimitiveArray } from "../tree.ts";

// Digits cost quadratic time; beyond this many bytes a number stays bytes.
const MAX_MAGNITUDE = 4096;

/** The value of a `java.math.BigInteger`; `undefined` when it is none, or beyond 4096 bytes. */
export function bigIntegerValue(object: JavaObject): bigint | undefined {
  const signum = javaField(object, "signum", "java.math.BigInteger");
  const magnitude = javaField(object, "magnitude", "java.math.BigInteger");
  if (
    typeof signum !== "number" || Math.abs(signum) > 1 ||
    typeof magnitude !== "object" || magnitude?.kind !== "primitive-array" ||
    magnitude.bytes.length > MAX_MAGNITUDE
  ) return undefined;
  let digits = "0x0";
  for (const byte of magnitude.bytes) {
    digits += byte.toString(16).padStart(2, "0");
  }
  const value = BigInt(digits);
  // Java refuses a sign that does not fit the magnitude.
  if ((value === 0n) !== (signum === 0)) return undefined;
  return signum < 0 ? -value : value;
}

/** Makes a `java.math.BigInteger`. */
export function javaBigInteger(value: bigint): JavaObject {
  const magnitude = value < 0n ? -value : value;
  const hex = magnitude === 0n ? "" : magnitude.toString(16);
  const padded = hex.padStart(hex.length + hex.length % 2, "0");
  const bytes = new Uint8Array(padded.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(padded.slice(i * 2, i * 2 + 2), 16);
  }
  return javaObject(standardJavaClass("java.math.BigInteger"), {
    // What Java writes in fields that it no longer uses.
    bitCount: -1,
    bitLength: -1,
    firstNonzeroByteNum: -2,
    lowestSetBit: -2,
    signum: value < 0n ? -1 : value > 0n ? 1 : 0,
    magnitude: new JavaPrimitiveArray(standardJavaClass("[B"), bytes),
  });
}

/** The text of a `java.math.BigDecimal`; `undefined` when it is none. */
export function bigDecimalText(object: JavaObject): string | undefined {
  const scale = javaField(object, "scale", "java.math.BigDecimal");
  const intVal = javaField(object, "intVal", "java.math.BigDecimal");
  if (
    typeof scale !== "number" || typeof intVal !== "object" ||
    intVal?.kind !== "object"
  ) return undefined;
  const unscaled = bigIntegerValue(intVal);
  if (unscaled === undefined) return undefined;
  const digits = String(unscaled < 0n ? -unscaled : unscaled);
  const sign = unscaled < 0n ? "-" : "";
  if (scale === 0) return sign + digits;
  const exponent = digits.length - 1 - scale;
  if (scale > 0 && exponent >= -6) {
    const padded = digits.padStart(scale + 1, "0");
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  }
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  const power = exponent === 0 ? "" : `E${exponent > 0 ? "+" : ""}${exponent}`;
  return `${sign}${digits[0]}${fraction}${power}`;
}

/**
 * Makes a `java.math.BigDecimal`.
 *
 * @throws {EncodeError} `malformed` when the text is no number.
 */
export function javaBigDecimal(text: string): JavaObject {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,10}))?$/.exec(text);
  const [, sign, whole = "", fraction = "", exponent = "0"] = match ?? [];
  if (match === null || whole + fraction === "") {
    throw new EncodeError("malformed", "text", `${text} is not a number`);
  }
  const unscaled = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  return javaObject(standardJavaClass("java.math.BigDecimal"), {
    scale: fraction.length - Number(exponent),
    intVal: javaBigInteger(unscaled),
  });
}

/** What `Double.toString` gives: the shortest digits that mean the number, of two if one would do. */
export function javaDoubleText(value: number): string {
  const text = value.toExponential();
  return floatingText(
    value,
    text.includes(".") ? text : value.toExponential(1),
  );
}

/** What `Float.toString` gives. */
export function javaFloatText(value: number): string {
  let precision = 1;
  let text: string;
  do text = value.toExponential(precision++); while (
    Number.isFinite(value) && Math.fround(Number(text)) !== value
  );
  return floatingText(value, text);
}

function floatingText(value: number, exponential: string): string {
  if (!Number.isFinite(value)) return String(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const [mantissa = "", power = "0"] = exponential.split("e");
  const digits = mantissa.replace(/[-.]/g, "").replace(/(.)0+$/, "$1");
  const exponent = Number(power);
  if (exponent < -3 || exponent >= 7) {
    return `${sign}${digits[0]}.${digits.slice(1) || "0"}E${exponent}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const padded = digits.padEnd(exponent + 2, "0");
  return `${sign}${padded.slice(0, exponent + 1)}.${
    padded.slice(exponent + 1)
  }`;
}
