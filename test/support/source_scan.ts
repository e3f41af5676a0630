// Reads a TypeScript source just far enough to tell its imports and the names that it uses: comments
// and the contents of strings, templates and regular expressions are not code.

/** What a source consists of. */
export interface SourceScan {
  /** The source with comments blank and literals empty; lines stay where they were. */
  readonly code: string;
  /** Everything that is imported or re-exported, types and dynamic imports included. */
  readonly imports: readonly SourceImport[];
}

/** One import. */
export interface SourceImport {
  /** The specifier; `undefined` for a dynamic import that computes it. */
  readonly specifier: string | undefined;
  /** Its line, from 1. */
  readonly line: number;
}

/** Scans a source. */
export function scanSource(source: string): SourceScan {
  const { code, literals } = blank(source);
  const imports = [...code.matchAll(IMPORT)].map((match): SourceImport => ({
    specifier: literals.get(match.index + match[0].length - 1),
    line: code.slice(0, match.index + match[0].length).split("\n").length,
  }));
  return { code, imports };
}

// Each ends with the quote that opens a specifier, or with the first character of what is none.
const IMPORT =
  /\b(?:import|export)\b[^;"'`()=]*?\bfrom\s*["']|\bimport\s*["']|\bimport\s*\(\s*[^\s)]/g;

// A slash behind one of these begins a regular expression and does not divide.
const BEFORE_EXPRESSION =
  /(?:^|[(,=:[!&|?{;+\-*%<>~^]|\b(?:return|typeof|case|in|of|throw) ?)$/;

interface Blanked {
  readonly code: string;
  /** Contents of strings by the index of their opening quote. */
  readonly literals: ReadonlyMap<number, string>;
}

function blank(source: string): Blanked {
  const literals = new Map<number, string>();
  const out = source.split("");
  // For each template that is open: how many braces are open in its expression.
  const templates: number[] = [];
  let before = ""; // the end of the code so far, without space
  let at = 0;

  const clear = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  const skipTemplate = (from: number) => {
    let end = from;
    while (end < source.length && source[end] !== "`") {
      if (source.startsWith("${", end)) {
        templates.push(0);
        clear(from, end);
        before = "{";
        return end + 2;
      }
      end += source[end] === "\\" ? 2 : 1;
    }
    clear(from, end);
    before = "`";
    return end + 1;
  };

  while (at < source.length) {
    const char = source[at]!; // at < length
    if (source.startsWith("//", at)) {
      const end = lineEnd(source, at);
      clear(at, end);
      at = end;
    } else if (source.startsWith("/*", at)) {
      const close = source.indexOf("*/", at + 2);
      const end = close < 0 ? source.length : close + 2;
      clear(at, end);
      at = end;
    } else if (char === '"' || char === "'") {
      const end = quoteEnd(source, at, char);
      literals.set(at, source.slice(at + 1, end));
      clear(at + 1, end);
      before = char;
      at = end + 1;
    } else if (char === "`") {
      at = skipTemplate(at + 1);
    } else if (char === "/" && BEFORE_EXPRESSION.test(before)) {
      const end = regularExpressionEnd(source, at);
      clear(at + 1, end);
      before = "/";
      at = end + 1;
    } else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      at = skipTemplate(at + 1);
    } else {
      if (templates.length > 0 && (char === "{" || char === "}")) {
        templates[templates.length - 1]! += char === "{" ? 1 : -1; // not empty
      }
      // Space ends a word, but what stands before a slash may lie in front of it.
      before = char.trim() === ""
        ? before.replace(/(\w)$/, "$1 ")
        : (before + char).slice(-12);
      at++;
    }
  }
  return { code: out.join(""), literals };
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf("\n", from);
  return end < 0 ? source.length : end;
}

function quoteEnd(source: string, from: number, quote: string): number {
  let at = from + 1;
  while (at < source.length && source[at] !== quote && source[at] !== "\n") {
    at += source[at] === "\\" ? 2 : 1;
  }
  return at;
}

function regularExpressionEnd(source: string, from: number): number {
  let inClass = false;
  let at = from + 1;
  while (at < source.length && source[at] !== "\n") {
    if (source[at] === "/" && !inClass) break;
    if (source[at] === "[") inClass = true;
    if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at;
}
