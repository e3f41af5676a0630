// java.time: every class is written as a java.time.Ser, a byte for the class and its data in a block.
import { EncodeError } from "../../errors.ts";
import { JavaObjectInput, JavaObjectOutput } from "../block_data.ts";
import { javaCustomData, javaExternalizable } from "../fields.ts";
import { standardJavaClass } from "../standard_classes.ts";
import type { JavaObject } from "../tree.ts";

/** Name of a class and the text of an object. */
export interface JavaTimeValue {
  /** The class, such as `java.time.LocalDate`. */
  readonly type: string;
  /** What its `toString()` gives. */
  readonly text: string;
}

const TYPES = [
  "",
  "Duration",
  "Instant",
  "LocalDate",
  "LocalTime",
  "LocalDateTime",
  "ZonedDateTime",
  "ZoneRegion",
  "ZoneOffset",
  "OffsetTime",
  "OffsetDateTime",
  "Year",
  "YearMonth",
  "MonthDay",
  "Period",
] as const;

const ZONE_REGION = 7;
const ZONE_OFFSET = 8;

/**
 * What a `java.time.Ser` stands for.
 *
 * @throws {DecodeError} When its data is not that of a class.
 */
export function javaTimeValue(object: JavaObject): JavaTimeValue | undefined {
  const input = new JavaObjectInput(javaCustomData(object), {
    name: "java.time",
  });
  const code = input.readByte("type");
  const name = TYPES[code];
  if (name === undefined || code < 1) return undefined;
  const text = readText(input, code);
  input.end();
  return { type: `java.time.${name}`, text };
}

/**
 * Makes a `java.time.Ser` of a class and a text, as `toString()` gives it.
 *
 * @throws {EncodeError} `unsupported` for another class, `malformed` for another text.
 */
export function javaTime(type: string, text: string): JavaObject {
  const code = TYPES.findIndex((name, i) =>
    i > 0 && type === `java.time.${name}`
  );
  if (code < 0) {
    throw new EncodeError("unsupported", "type", `${type} is not known`);
  }
  const output = new JavaObjectOutput();
  output.writeByte(code);
  writeText(output, code, text);
  const desc = standardJavaClass("java.time.Ser");
  return javaExternalizable(desc, output.contents());
}

function readText(input: JavaObjectInput, code: number): string {
  switch (code) {
    case 1:
      return durationText(input.readLong("seconds"), input.readInt("nanos"));
    case 2:
      return instantText(input.readLong("seconds"), input.readInt("nanos"));
    case 3:
      return readDate(input);
    case 4:
      return readTime(input);
    case 5:
      return readDateTime(input);
    case 6:
      return readZoned(input);
    case ZONE_REGION:
      return input.readUTF("id");
    case ZONE_OFFSET:
      return readOffset(input);
    case 9:
      return readTime(input) + readOffset(input);
    case 10:
      return readDateTime(input) + readOffset(input);
    case 11:
      return String(input.readInt("year"));
    case 12:
      return `${yearText(input.readInt("year"), "")}-${
        two(input.readByte("month"))
      }`;
    case 13:
      return `--${two(input.readByte("month"))}-${two(input.readByte("day"))}`;
    default: // a period
      return periodText(
        input.readInt("years"),
        input.readInt("months"),
        input.readInt("days"),
      );
  }
}

function readDate(input: JavaObjectInput): string {
  const year = yearText(input.readInt("year"));
  const month = two(input.readByte("month"));
  return `${year}-${month}-${two(input.readByte("day"))}`;
}

/** Parts that are zero at the end are left out; the last one there is inverted. */
function readTime(input: JavaObjectInput): string {
  let minute = 0;
  let second = 0;
  let nano = 0;
  let hour = input.readByte("hour");
  if (hour < 0) {
    hour = ~hour;
  } else {
    minute = input.readByte("minute");
    if (minute < 0) {
      minute = ~minute;
    } else {
      second = input.readByte("second");
      if (second < 0) second = ~second;
      else nano = input.readInt("nano");
    }
  }
  const seconds = second > 0 || nano > 0
    ? `:${two(second)}${fraction(nano)}`
    : "";
  return `${two(hour)}:${two(minute)}${seconds}`;
}

function readDateTime(input: JavaObjectInput): string {
  return `${readDate(input)}T${readTime(input)}`;
}

function readZoned(input: JavaObjectInput): string {
  const dateTime = readDateTime(input);
  const offset = readOffset(input);
  const code = input.readByte("zone");
  if (code !== ZONE_REGION && code !== ZONE_OFFSET) {
    throw input.error("malformed", "zone", `${code} is no zone`);
  }
  const zone = readText(input, code);
  return dateTime + offset +
    (code === ZONE_OFFSET && zone === offset ? "" : `[${zone}]`);
}

function readOffset(input: JavaObjectInput): string {
  const quarters = input.readByte("offset");
  const seconds = quarters === 127 ? input.readInt("offset") : quarters * 900;
  if (seconds === 0) return "Z";
  const size = Math.abs(seconds);
  const minutes = Math.trunc(size / 60);
  const rest = size % 60 === 0 ? "" : `:${two(size % 60)}`;
  return `${seconds < 0 ? "-" : "+"}${two(Math.trunc(minutes / 60))}:${
    two(minutes % 60)
  }${rest}`;
}

function writeText(output: JavaObjectOutput, code: number, text: string): void {
  switch (code) {
    case 1:
      return writeDuration(output, text);
    case 2:
      return writeInstant(output, text);
    case 3:
      return writeDate(output, text);
    case 4:
      return writeTime(output, text);
    case 5:
      return writeDateTime(output, text);
    case 6:
      return writeZoned(output, text);
    case ZONE_REGION:
      return output.writeUTF(text);
    case ZONE_OFFSET:
      return writeOffset(output, text);
    case 9:
    case 10: {
      const [, local = "", offset = ""] = parse(
        text,
        /^(.*[\d:.])(Z|[+-][\d:]+)$/,
      );
      if (code === 9) writeTime(output, local);
      else writeDateTime(output, local);
      return writeOffset(output, offset);
    }
    case 11:
      return output.writeInt(integer(text));
    case 12: {
      const [, year = "", month = ""] = parse(text, /^([+-]?\d+)-(\d\d)$/);
      output.writeInt(integer(year));
      return output.writeByte(integer(month));
    }
    case 13: {
      const [, month = "", day = ""] = parse(text, /^--(\d\d)-(\d\d)$/);
      output.writeByte(integer(month));
      return output.writeByte(integer(day));
    }
    default:
      return writePeriod(output, text);
  }
}

function writeDate(output: JavaObjectOutput, text: string): void {
  const [, year = "", month = "", day = ""] = parse(
    text,
    /^([+-]?\d+)-(\d\d)-(\d\d)$/,
  );
  output.writeInt(integer(year));
  output.writeByte(integer(month));
  output.writeByte(integer(day));
}

function writeTime(output: JavaObjectOutput, text: string): void {
  const [, hours = "", minutes = "", seconds = "0", digits = ""] = parse(
    text,
    /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$/,
  );
  const hour = integer(hours);
  const minute = integer(minutes);
  const second = integer(seconds);
  const nano = integer(digits.padEnd(9, "0"));
  if (nano !== 0) {
    output.writeByte(hour);
    output.writeByte(minute);
    output.writeByte(second);
    output.writeInt(nano);
  } else if (second !== 0) {
    output.writeByte(hour);
    output.writeByte(minute);
    output.writeByte(~second);
  } else if (minute !== 0) {
    output.writeByte(hour);
    output.writeByte(~minute);
  } else {
    output.writeByte(~hour);
  }
}

function writeDateTime(output: JavaObjectOutput, text: string): void {
  const [, date = "", time = ""] = parse(text, /^(.*)T(.*)$/);
  writeDate(output, date);
  writeTime(output, time);
}

function writeZoned(output: JavaObjectOutput, text: string): void {
  const [, dateTime = "", offset = "", zone] = parse(
    text,
    /^(.*T[\d:.]+)(Z|[+-][\d:]+)(?:\[(.+)\])?$/,
  );
  writeDateTime(output, dateTime);
  writeOffset(output, offset);
  const code = zone === undefined || /^(Z|[+-][\d:]+)$/.test(zone)
    ? ZONE_OFFSET
    : ZONE_REGION;
  output.writeByte(code);
  writeText(output, code, zone ?? offset);
}

function writeOffset(output: JavaObjectOutput, text: string): void {
  const [, sign, hours = "0", minutes = "0", rest = "0"] = parse(
    text,
    /^(?:Z|([+-])(\d\d):(\d\d)(?::(\d\d))?)$/,
  );
  const size = integer(hours) * 3600 + integer(minutes) * 60 + integer(rest);
  const seconds = sign === "-" ? -size : size;
  if (seconds % 900 === 0) {
    output.writeByte(seconds / 900);
  } else {
    output.writeByte(127);
    output.writeInt(seconds);
  }
}

function writeDuration(output: JavaObjectOutput, text: string): void {
  const [, hours = "0", minutes = "0", seconds = "0", digits = ""] = parse(
    text,
    /^PT(?=.)(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+)(?:\.(\d{1,9}))?S)?$/,
  );
  let whole = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds);
  let nanos = integer(digits.padEnd(9, "0"));
  if (seconds.startsWith("-") && nanos > 0) {
    whole -= 1n;
    nanos = 1_000_000_000 - nanos;
  }
  output.writeLong(whole);
  output.writeInt(nanos);
}

function writePeriod(output: JavaObjectOutput, text: string): void {
  const [, years = "0", months = "0", days = "0"] = parse(
    text,
    /^P(?=.)(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?$/,
  );
  for (const part of [years, months, days]) output.writeInt(integer(part));
}

function writeInstant(output: JavaObjectOutput, text: string): void {
  const [
    ,
    year = "",
    month = "",
    day = "",
    h = "",
    m = "",
    s = "",
    digits = "",
  ] = parse(
    text,
    /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z$/,
  );
  const days = daysFromCivil(BigInt(year), integer(month), integer(day));
  output.writeLong(
    days * 86_400n + BigInt(integer(h) * 3600 + integer(m) * 60 + integer(s)),
  );
  output.writeInt(integer(digits.padEnd(9, "0")));
}

function durationText(seconds: bigint, nanos: number): string {
  if (seconds === 0n && nanos === 0) return "PT0S";
  // Java counts hours and minutes of the number that is nearer to zero.
  const whole = seconds < 0n && nanos > 0 ? seconds + 1n : seconds;
  const hours = whole / 3600n;
  const minutes = whole % 3600n / 60n;
  const rest = whole % 60n;
  let text = "PT";
  if (hours !== 0n) text += `${hours}H`;
  if (minutes !== 0n) text += `${minutes}M`;
  if (rest === 0n && nanos === 0 && text.length > 2) return text;
  text += seconds < 0n && nanos > 0 && rest === 0n ? "-0" : `${rest}`;
  if (nanos > 0) {
    const part = seconds < 0n ? 1_000_000_000 - nanos : nanos;
    text += `.${String(part).padStart(9, "0").replace(/0+$/, "")}`;
  }
  return `${text}S`;
}

function periodText(years: number, months: number, days: number): string {
  if (years === 0 && months === 0 && days === 0) return "P0D";
  return `P${years === 0 ? "" : `${years}Y`}${
    months === 0 ? "" : `${months}M`
  }${days === 0 ? "" : `${days}D`}`;
}

function instantText(seconds: bigint, nanos: number): string {
  let day = seconds / 86_400n;
  let rest = Number(seconds % 86_400n);
  if (rest < 0) {
    rest += 86_400;
    day -= 1n;
  }
  const [year, month, date] = civilFromDays(day);
  const time = [Math.trunc(rest / 3600), Math.trunc(rest / 60) % 60, rest % 60];
  return `${yearText(Number(year))}-${two(month)}-${two(date)}T${
    time.map(two).join(":")
  }${fraction(nanos)}Z`;
}

/** Days since the epoch of a date of the proleptic Gregorian calendar. */
function daysFromCivil(year: bigint, month: number, day: number): bigint {
  // Years begin in March, so that the leap day is the last one.
  const y = month <= 2 ? year - 1n : year;
  const era = (y >= 0n ? y : y - 399n) / 400n;
  const ofEra = y - era * 400n;
  const ofYear = BigInt(
    Math.trunc((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1,
  );
  const days = ofEra * 365n + ofEra / 4n - ofEra / 100n + ofYear;
  return era * 146_097n + days - 719_468n;
}

function civilFromDays(days: bigint): [bigint, number, number] {
  const z = days + 719_468n;
  const era = (z >= 0n ? z : z - 146_096n) / 146_097n;
  const ofEra = z - era * 146_097n;
  const year = (ofEra - ofEra / 1460n + ofEra / 36_524n - ofEra / 146_096n) /
    365n;
  const ofYear = Number(ofEra - (365n * year + year / 4n - year / 100n));
  const m = Math.trunc((5 * ofYear + 2) / 153);
  const day = ofYear - Math.trunc((153 * m + 2) / 5) + 1;
  const month = m < 10 ? m + 3 : m - 9;
  return [year + era * 400n + (month <= 2 ? 1n : 0n), month, day];
}

/** Dates have a sign in front of a year of five digits, months of a year have not. */
function yearText(year: number, plus = "+"): string {
  const size = String(Math.abs(year)).padStart(4, "0");
  return year < 0 ? `-${size}` : year > 9999 ? plus + size : size;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Three, six or nine digits; nothing for zero. */
function fraction(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  if (nanos % 1_000_000 === 0) return `.${digits.slice(0, 3)}`;
  return `.${nanos % 1000 === 0 ? digits.slice(0, 6) : digits}`;
}

function parse(text: string, pattern: RegExp): readonly (string | undefined)[] {
  const match = pattern.exec(text);
  if (match !== null) return match;
  throw new EncodeError("malformed", "text", `${text} has another form`);
}

function integer(text: string): number {
  if (/^[+-]?\d{1,10}$/.test(text)) return Number(text);
  throw new EncodeError("malformed", "text", `${text} is not an integer`);
}
