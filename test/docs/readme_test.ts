// The tables of README and its Chinese form: imports, interceptors, dependencies.
import assert from "node:assert/strict";
import { test } from "node:test";
import { INTERCEPTOR_NAMES } from "../../channel/interceptor_registry.ts";
import { codesIn, markdownFiles, readText, tablesOf } from "./markdown.ts";

interface Package {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest: Package = JSON.parse(readText("package.json"));

for (const path of ["README.md", "README.zh.md"]) {
  test(`the imports of ${path} are those that there are`, () => {
    const [table = []] = tablesOf(path);
    const imports = table.slice(1).map(([cell = ""]) => codesIn(cell)[0]);
    const exports = Object.keys(manifest.exports)
      .map((name) => manifest.name + name.slice(1));
    assert.deepEqual(imports.toSorted(), exports.toSorted());
  });

  test(`${path} names all interceptors`, () => {
    const text = readText(path);
    for (const name of INTERCEPTOR_NAMES) {
      assert.match(text, new RegExp(`(?<!\\w)${name}(?!\\w)`), name);
    }
  });
}

test("the dependencies of README.md are those that there are", () => {
  const table = tablesOf("README.md").at(-1) ?? [];
  const named = table.slice(1)
    .flatMap(([cell = ""]) => cell.replaceAll("`", "").split(", "))
    .filter((name) => !name.startsWith("node:"))
    // Had from npm by another name, as its row says.
    .map((name) => name === "@std/bytes" ? "deno-std" : name);
  const there = [
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.devDependencies),
  ];
  assert.deepEqual(named.toSorted(), there.toSorted());
});

test("README.md and README.zh.md lead to all pages of their language", () => {
  const pages = markdownFiles("docs").filter((path) =>
    path.startsWith("docs/")
  );
  for (const path of pages) {
    const isChinese = path.endsWith(".zh.md");
    const text = readText(isChinese ? "README.zh.md" : "README.md");
    assert.ok(text.includes(`](${path})`), path);
  }
});
