// Puts what the code now says into docs/server-xml.md, docs/channel.md and their Chinese forms: what is said of each
// block of XML, the tables of attributes, and flags and attributes of the interceptors. Prose stays.
//
//   deno run -A test/docs/update.ts && deno fmt docs
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { INTERCEPTOR_NAMES } from "../../channel/interceptor_registry.ts";
import {
  attributeTable,
  CHINESE,
  ELEMENTS,
  ENGLISH,
  oldClassTable,
} from "./attribute_tables.ts";
import { configured, saidOf } from "./config_said.ts";
import { interceptorRow } from "./interceptor_table.ts";
import { codesIn, readText, type Table } from "./markdown.ts";

for (
  const [path, words] of [
    ["docs/server-xml.md", ENGLISH],
    ["docs/server-xml.zh.md", CHINESE],
  ] as const
) {
  let text = readText(path).replace(
    /(```xml\n)([^]*?)(```\n[^]*?```text\n)[^]*?```/g,
    (_, start: string, xml: string, between: string) =>
      `${start}${xml}${between}${saidOf(xml).join("\n")}\n\`\`\``,
  );
  const [, first = ""] = /```xml\n([^]*?)```/.exec(text) ?? [];
  const [warning] = configured(first).warnings;
  text = text.replace(
    /^\{"event":"warning","time":(\d+),.*$/m,
    (_, time) =>
      JSON.stringify({ event: "warning", time: Number(time), ...warning }),
  );
  for (const [heading, rules] of ELEMENTS) {
    text = withTable(text, heading, () => attributeTable(rules, words));
  }
  const old = /^### (Names of former times|以前的名称)$/m.exec(text)?.[1] ?? "";
  text = withTable(text, old, (head) => oldClassTable(head));
  write(path, text);
}

for (
  const [path, required] of [
    ["docs/channel.md", "required"],
    ["docs/channel.zh.md", "必填"],
  ] as const
) {
  const text = readText(path).replace(
    /^\| `(\w+)` +\| ([^|]*[^| ]) +\| \d+ +\|[^|]*\|$/gm,
    (line, name: string, prose: string) => {
      if (!INTERCEPTOR_NAMES.includes(name)) return line;
      const [, flag, attributes] = interceptorRow(name, required);
      return `| \`${name}\` | ${prose} | ${flag} | ${attributes} |`;
    },
  );
  const known = text.split("\n").flatMap((line) => codesIn(line)[0] ?? []);
  for (const name of INTERCEPTOR_NAMES) {
    if (!known.includes(name)) console.warn(`${path} lacks ${name}`);
  }
  write(path, text);
}

/** Replaces the first table below a heading. */
function withTable(
  text: string,
  heading: string,
  table: (head: readonly string[]) => Table,
): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) =>
    /^#+ /.test(line) && line.replace(/^#+ /, "") === heading
  );
  const start = lines.findIndex((line, i) => i > at && line.startsWith("|"));
  const next = lines.findIndex((line, i) => i > at && /^#+ /.test(line));
  if (at < 0 || start < 0 || (next >= 0 && start > next)) {
    console.warn(`There is no table below ${JSON.stringify(heading)}`);
    return text;
  }
  let end = start;
  while (lines[end]?.startsWith("|")) end++;
  const written = lines[start] ?? "";
  const [head = [], ...rows] = table(
    written.slice(1, -1).split("|").map((cell) => cell.trim()),
  );
  const made = [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.join(" | ")} |`);
  return [...lines.slice(0, start), ...made, ...lines.slice(end)].join("\n");
}

function write(path: string, text: string): void {
  writeFileSync(
    fileURLToPath(new URL(`../../${path}`, import.meta.url)),
    text,
  );
}
