// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { syntaxLine } from "../../src/dockerfile/parser-directive.ts";

test.for([
  { row: "the first line", text: "# syntax=docker/dockerfile:1\nFROM a\n", image: "docker/dockerfile:1" },
  { row: "blanks everywhere", text: "#\u00a0 syntax\t= \t a/b:1 \t\nFROM a\n", image: "a/b:1" },
  { row: "another case", text: "#SyNtAx=a/b:1\n", image: "a/b:1" },
  { row: "the image before further words", text: "# syntax=a/b:1 --opt x\n", image: "a/b:1" },
  {
    row: "a place after other directives",
    text: "# escape=`\n# check=skip=all\n# syntax=a/b:1\n",
    image: "a/b:1",
  },
  { row: "the first of two", text: "# syntax=a\n# syntax=b\n", image: "a" },
  { row: "a byte order mark", text: "\ufeff# syntax=a\n", image: "a" },
  { row: "Windows line ends", text: "# syntax=a\r\nFROM a\r\n", image: "a" },
  { row: "no line end", text: "# syntax=a", image: "a" },
  { row: "a shebang before it", text: "#!/usr/bin/env frontend\n# syntax=a\n", image: "a" },
  { row: "a byte order mark and a shebang before it", text: "\ufeff#!x\n# syntax=a\n", image: "a" },
  { row: "slashes for the comment", text: "// syntax=a\nfunc main()\n", image: "a" },
  { row: "slashes after a shebang", text: "#!x\n//syntax = a b\n", image: "a" },
  { row: "JSON", text: '{"syntax": "a b", "x": [1]}', image: "a b" },
  { row: "JSON after a shebang", text: '#!x\n\n {"x": 1, "syntax": "a"}\n', image: "a" },
  { row: "the last of two in JSON", text: '{"syntax": "a", "syntax": "b"}', image: "b" },
  { row: "a value of blanks, which names nothing", text: "# syntax= \n", image: "" },
  { row: "an equals sign in the value", text: "# syntax=a=b\n", image: "a=b" },
  { row: "a digest", text: `# syntax=a@sha256:${"0".repeat(64)}\n`, image: `a@sha256:${"0".repeat(64)}` },
])("finds the syntax image: $row", ({ text, image }) => {
  expect(syntaxLine(text)).toBe(image);
});

test.for([
  { row: "there is none", text: "FROM a\n" },
  { row: "the file is empty", text: "" },
  { row: "a blank stands before the number sign", text: " # syntax=a\n" },
  { row: "a blank line comes first", text: "\n# syntax=a\n" },
  { row: "a comment comes first", text: "# hello\n# syntax=a\n" },
  { row: "an unknown directive comes first", text: "# foo=bar\n# syntax=a\n" },
  { row: "another directive is there twice before it", text: "# escape=`\n# escape=`\n# syntax=a\n" },
  { row: "it comes after the first instruction", text: "FROM a\n# syntax=a\n" },
  { row: "the value is missing", text: "# syntax=\nFROM a\n" },
  { row: "the name is another", text: "# syntaxx=a\n" },
  { row: "slashes follow number signs", text: "# escape=`\n// syntax=a\n" },
  { row: "JSON names it in another case", text: '{"Syntax": "a"}' },
  { row: "JSON has a number for it", text: '{"syntax": 1}' },
  { row: "JSON is a list", text: '["syntax"]' },
  { row: "JSON is broken", text: '{"syntax": "a"' },
  { row: "JSON has something after it", text: '{"syntax": "a"}\nFROM a' },
  { row: "the line is longer than BuildKit reads", text: `# syntax=${"a".repeat(65_536)}\n` },
  { row: "two shebangs come first", text: "#!x\n#!y\n# syntax=a\n" },
])("finds no syntax image where $row", ({ text }) => {
  expect(syntaxLine(text)).toBeUndefined();
});

test("a line of blanks without end takes no quadratic time", () => {
  const started = performance.now();
  expect(syntaxLine(`# syntax=a${" ".repeat(60_000)}b\n`)).toBe("a");
  expect(syntaxLine(`# syntax${" ".repeat(60_000)}\n`)).toBeUndefined();
  expect(performance.now() - started).toBeLessThan(2_000);
});
