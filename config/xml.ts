// XML to a tree of elements with places. Nothing outside the text is read: a DOCTYPE with declarations
// is refused, so that there are no entities but XML's own five.
import { SaxesParser, type SaxesTagPlain } from "saxes";
import { ConfigError, type Place } from "./errors.ts";

/** Greatest length of a configuration, in UTF-16 units. */
export const MAX_XML_LENGTH = 4_194_304;
/** Greatest depth of elements. */
export const MAX_XML_DEPTH = 64;
/** Greatest number of elements. */
export const MAX_XML_ELEMENTS = 50_000;

/** An attribute as written, character references resolved. */
export interface XmlAttribute {
  /** Its name. */
  readonly name: string;
  /** Its value. */
  readonly value: string;
  /** Where its name begins. */
  readonly place: Place;
}

/** An element; text, comments and instructions are left out. */
export interface XmlElement {
  /** Its name. */
  readonly name: string;
  /** Its attributes in order. */
  readonly attributes: readonly XmlAttribute[];
  /** The elements in it, in order. */
  readonly children: readonly XmlElement[];
  /** Where its start tag begins. */
  readonly place: Place;
}

interface OpenElement extends XmlElement {
  readonly children: XmlElement[];
}

/**
 * Decodes a file's bytes by its byte order mark, else by its XML declaration, else as UTF-8.
 *
 * @throws {ConfigError} `bad-xml` for bytes that do not fit, or an encoding that is not known;
 * `too-large`.
 */
export function decodeXml(bytes: Uint8Array): string {
  if (bytes.length > 4 * MAX_XML_LENGTH) throw tooLarge();
  const label = encodingOf(bytes);
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(
      "bad-xml",
      `Cannot read the configuration: its bytes are not ${label}`,
      {},
      { cause },
    );
  }
}

/**
 * Parses a document.
 *
 * @throws {ConfigError} `bad-xml` with line and column; `too-large` beyond a limit.
 */
export function parseXml(text: string): XmlElement {
  if (text.length > MAX_XML_LENGTH) throw tooLarge();
  const source = new Source(text.replace(/^\ufeff/, ""));
  const open: OpenElement[] = [];
  let root: XmlElement | undefined;
  let count = 0;
  const parser = new SaxesParser({ position: true, xmlns: false });
  const here = () => source.place(parser.position);
  parser.on("error", (error) => {
    const state = error.message.replace(/^\d+:\d+: /, "").replace(/\.$/, "");
    throw new ConfigError("bad-xml", `Cannot read the XML: ${state}`, {
      place: here(),
    });
  });
  parser.on("doctype", (doctype) => {
    if (!doctype.includes("[")) return;
    throw new ConfigError(
      "bad-xml",
      "Cannot read the XML: it declares entities in its DOCTYPE, which are not read",
      { place: here() },
    );
  });
  parser.on("opentag", (tag) => {
    if (++count > MAX_XML_ELEMENTS || open.length >= MAX_XML_DEPTH) {
      throw new ConfigError(
        "too-large",
        `Cannot read the XML: more than ${MAX_XML_ELEMENTS} elements, or deeper than ${MAX_XML_DEPTH}`,
        { element: tag.name, place: here() },
      );
    }
    const element = source.element(tag, parser.position);
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on("closetag", () => void open.pop());
  parser.write(source.text).close();
  return root!; // a document without an element is an error
}

/** The text, and where its lines begin. */
class Source {
  readonly text: string;
  readonly #lines: number[] = [0];

  constructor(text: string) {
    this.text = text;
    // The parser's line ends.
    for (const end of text.matchAll(/\r\n|\r|\n/g)) {
      this.#lines.push(end.index + end[0].length);
    }
  }

  place(offset: number): Place {
    let low = 0;
    let high = this.#lines.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lines[middle]! <= offset) low = middle; // middle < length
      else high = middle;
    }
    return { line: low + 1, column: offset - this.#lines[low]! + 1 }; // low < length
  }

  /** Makes an element of a start tag that ends at an offset. */
  element(tag: SaxesTagPlain, end: number): OpenElement {
    // No attribute value holds a bare `<`: the last one before the end begins the tag.
    const start = this.text.lastIndexOf("<", end - 1);
    const attributes: XmlAttribute[] = [];
    const pattern = /([^\s=<>/"']+)\s*=\s*(?:"[^"]*"|'[^']*')/y;
    let at = start + 1 + tag.name.length;
    while (at < end) {
      pattern.lastIndex = at;
      const name = pattern.exec(this.text)?.[1];
      if (name === undefined) at++;
      else {
        const value = tag.attributes[name] ?? "";
        attributes.push({ name, value, place: this.place(at) });
        at = pattern.lastIndex;
      }
    }
    const place = this.place(start);
    return { name: tag.name, attributes, children: [], place };
  }
}

function encodingOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xfe && second === 0xff) return "utf-16be";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  const head = new TextDecoder().decode(bytes.subarray(0, 200));
  const declared = /^\ufeff?<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/.exec(
    head,
  );
  return declared?.[1]?.toLowerCase() ?? "utf-8";
}

function tooLarge(): ConfigError {
  return new ConfigError(
    "too-large",
    `Cannot read the configuration: more than ${MAX_XML_LENGTH} characters`,
  );
}
