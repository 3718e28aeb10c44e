// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { markdownTable, withSection } from "./page.ts";

const PAGE = `# Figures

<!-- made: one -->
old
<!-- end -->

between

<!-- made: two -->
<!-- end -->
end
`;

test("a text goes between its marks, and nothing else changes", () => {
  expect(withSection(PAGE, "one", "new $& text\n")).toBe(PAGE.replace("old\n", () => "\nnew $& text\n\n"));
  expect(withSection(PAGE, "two", "more")).toBe(
    PAGE.replace("<!-- made: two -->\n", "<!-- made: two -->\n\nmore\n\n"),
  );
});

test("the same text again makes the same page", () => {
  const once = withSection(PAGE, "one", "new");
  expect(withSection(once, "one", "new")).toBe(once);
});

test("a page without the marks is not written", () => {
  expect(() => withSection(PAGE, "three", "new")).toThrow('no place "three"');
});

test("numbers stand to the right", () => {
  expect(
    markdownTable([
      ["name", "ms"],
      ["one", "1"],
    ]),
  ).toBe("| name | ms |\n|---|---:|\n| one | 1 |");
});
