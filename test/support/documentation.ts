/**
 * A page of the documentation as a test sees it: its fenced blocks, each of which has to be used.
 *
 * ```ts ignore
 * const page = Documentation.read("docs/behind-apache-httpd.md");
 * const snippet = page.take("With mod_jk", "apache");
 * assert.deepEqual(page.unused(), []);
 * ```
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One fenced block. */
export interface Fence {
  /** The first word after the backquotes. */
  readonly language: string;
  /** Text of the last heading before it, without the number signs. */
  readonly heading: string;
  /** Line of the file on which it begins, from 1. */
  readonly line: number;
  readonly text: string;
}

/** A page, and which of its blocks were used. */
export class Documentation {
  readonly path: string;
  readonly fences: readonly Fence[];
  readonly headings: readonly string[];
  /** The whole text. */
  readonly text: string;
  readonly #used = new Set<Fence>();

  private constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    const { fences, headings } = parseMarkdown(text);
    this.fences = fences;
    this.headings = headings;
  }

  /** Reads a page; the path is from the root of the project. */
  static read(path: string): Documentation {
    const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
    return new Documentation(path, readFileSync(file, "utf8"));
  }

  /**
   * Takes a block.
   *
   * @param index Which of the blocks of this language below this heading.
   * @throws {Error} When there is none.
   */
  take(heading: string, language: string, index = 0): string {
    const found =
      this.fences.filter((fence) =>
        fence.heading === heading && fence.language === language
      )[index];
    if (found === undefined) {
      throw new Error(
        `${this.path} has no block ${index} of ${language} below ${heading}`,
      );
    }
    this.#used.add(found);
    return found.text;
  }

  /** Where the blocks are that nobody took. */
  unused(): string[] {
    return this.fences.filter((fence) => !this.#used.has(fence))
      .map(({ line, language }) => `${this.path}:${line} ${language}`);
  }
}

/**
 * Splits one line of a shell that has words and single quotes only.
 *
 * @throws {Error} For what needs a real shell.
 */
export function shellWords(line: string): string[] {
  if (/["\\$`|&;<>*?(){}]/.test(line.replace(/'[^']*'/g, ""))) {
    throw new Error(`Cannot run without a shell: ${line}`);
  }
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)]
    .map(([word]) => word.replaceAll("'", ""));
}

function parseMarkdown(
  text: string,
): { fences: Fence[]; headings: string[] } {
  const fences: Fence[] = [];
  const headings: string[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.startsWith("```")) {
      if (open === undefined) {
        const language = line.slice(3).split(" ")[0]!; // split gives one at least
        open = { language, line: i + 1, lines: [] };
      } else {
        const heading = headings.at(-1) ?? "";
        const { language, line, lines } = open;
        fences.push({ language, heading, line, text: `${lines.join("\n")}\n` });
        open = undefined;
      }
    } else if (open !== undefined) open.lines.push(line);
    else if (/^#+ /.test(line)) headings.push(line.replace(/^#+ /, ""));
  }
  return { fences, headings };
}
