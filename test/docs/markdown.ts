// What tests look at in a page besides its blocks: files, links, tables.
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NOT_OURS = ["node_modules", "build", "vectors"];

/** The Markdown files of the project, from its root. */
export function markdownFiles(folder = ""): string[] {
  return readdirSync(posix.join(ROOT, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) {
        const skipped = NOT_OURS.includes(entry.name) ||
          entry.name.startsWith(".");
        return skipped ? [] : markdownFiles(path);
      }
      return entry.name.endsWith(".md") ? [path] : [];
    });
}

/** The files of one folder whose names end so, from the root of the project. */
export function filesIn(folder: string, end: string): string[] {
  return readdirSync(posix.join(ROOT, folder))
    .filter((name) => name.endsWith(end))
    .map((name) => posix.join(folder, name));
}

/** A file of the project as text. */
export function readText(path: string): string {
  return readFileSync(posix.join(ROOT, path), "utf8");
}

/** A link within the project. */
export interface Link {
  /** As written. */
  readonly text: string;
  /** The file that it leads to, from the root of the project. */
  readonly file: string;
  readonly anchor: string | undefined;
}

/** The links of a page that stay within the project. */
export function linksOf(path: string): Link[] {
  const links: Link[] = [];
  const found = withoutBlocks(readText(path))
    .matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: +(\S+)/gm);
  for (const [, inline, reference] of found) {
    const text = inline ?? reference ?? "";
    if (/^[a-z]+:/.test(text)) continue;
    const [target = "", anchor] = text.split("#");
    const file = target === "" ? path : posix.join(posix.dirname(path), target);
    links.push({ text, file, anchor });
  }
  return links;
}

/** The anchors that a page has for its headings. */
export function anchorsOf(path: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutBlocks(readText(path)).matchAll(/^#+ (.*)$/gm)]
    .map(([, heading = ""]) => {
      const anchor = heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-");
      const count = seen.get(anchor) ?? 0;
      seen.set(anchor, count + 1);
      return count === 0 ? anchor : `${anchor}-${count}`;
    });
}

/** A table: its rows as cells, the head first, without the line below it. */
export type Table = readonly (readonly string[])[];

/**
 * The tables below a heading.
 *
 * @throws {Error} When there is no such heading.
 */
export function tablesBelow(path: string, heading: string): Table[] {
  const lines = withoutBlocks(readText(path)).split("\n");
  const start = lines.findIndex((line) =>
    /^#+ /.test(line) && line.replace(/^#+ /, "") === heading
  );
  if (start < 0) throw new Error(`${path} has no heading ${heading}`);
  const after = lines.slice(start + 1);
  const end = after.findIndex((line) => /^#+ /.test(line));
  return tablesIn(end < 0 ? after : after.slice(0, end));
}

/** All tables of a page. */
export function tablesOf(path: string): Table[] {
  return tablesIn(withoutBlocks(readText(path)).split("\n"));
}

/** The names in a cell that stand between backquotes. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
}

function tablesIn(lines: readonly string[]): Table[] {
  const tables: string[][][] = [];
  let open: string[][] | undefined;
  for (const line of lines) {
    if (!line.startsWith("|")) open = undefined;
    else if (open === undefined) tables.push(open = [cellsOf(line)]);
    else if (!/^\|[ :|-]+\|$/.test(line)) open.push(cellsOf(line));
  }
  return tables;
}

function cellsOf(line: string): string[] {
  return line.trim().slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function withoutBlocks(text: string): string {
  return text.replace(/^```[^]*?^```$/gm, "");
}
