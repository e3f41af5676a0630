// Links within the documentation lead somewhere, and so do those from one page to a part of another.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { anchorsOf, linksOf, markdownFiles } from "./markdown.ts";

const files = markdownFiles();

test("the pages are found", () => {
  for (const name of ["README.md", "docs/channel.md", "CONTRIBUTING.md"]) {
    assert.ok(files.includes(name), name);
  }
});

for (const path of files) {
  test(`the links of ${path} lead somewhere`, () => {
    for (const { text, file, anchor } of linksOf(path)) {
      const place = fileURLToPath(new URL(`../../${file}`, import.meta.url));
      assert.ok(existsSync(place), `${path}: ${text}`);
      if (anchor === undefined) continue;
      assert.ok(anchorsOf(file).includes(anchor), `${path}: ${text}`);
    }
  });
}
