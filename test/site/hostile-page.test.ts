// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOSTILE_PAGE, makeShownSite } from "./shown-site.ts";
import { siteDirectory } from "./site-directory.ts";
import { elements, everyElement, parseXml } from "./xml.ts";

test("a page of whatever name, reason, signer and address of a log has nothing in it but text", async () => {
  const directory = siteDirectory();
  await makeShownSite(directory);
  const page = parseXml(readFileSync(join(directory, HOSTILE_PAGE), "utf8"), { isHtml: true });
  for (const name of ["script", "img", "iframe", "b"]) expect(elements(page, name)).toEqual([]);
  for (const { attributes } of everyElement(page)) {
    expect(Object.keys(attributes).filter((name) => name.startsWith("on") || name === "autofocus")).toEqual(
      [],
    );
    // What is another file's name is never taken for an address with a scheme.
    expect(attributes["href"] ?? "").not.toMatch(/^\s*(?:javascript|data|vbscript):/i);
  }
  expect(page.text).toContain("<script>alert(1)</script>");
});
