// SPDX-License-Identifier: Apache-2.0
import axe, { type AxeResults } from "axe-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tagDirectory } from "../../src/site/addresses.ts";
import { HOSTILE_PAGE, makeShownSite, SHOWN } from "../site/shown-site.ts";
import { openPage, startBrowser } from "./lab/browser.ts";
import { startStaticServer } from "./lab/static-server.ts";

const directory = mkdtempSync(join(tmpdir(), "site-"));
const pageOf = (tag: string) => `${tagDirectory(tag)}/index.html`;
const PAGES = [
  "index.html",
  "all/index.html",
  "all/1.html",
  pageOf(SHOWN.moved),
  pageOf(SHOWN.quiet),
  pageOf(SHOWN.hostile),
  HOSTILE_PAGE,
];

let server: Awaited<ReturnType<typeof startStaticServer>>;
let browser: Browser;
beforeAll(async () => {
  await makeShownSite(directory);
  server = await startStaticServer(directory);
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(directory, { recursive: true });
});

describe.for(PAGES)("%s in a real Chromium", (path) => {
  describe.for([360, 768, 1280])("%i pixels wide", (width) => {
    test.for(["light", "dark"] as const)(
      "%s: fits, complains of nothing, asks nobody else, and everybody can use it",
      async (scheme) => {
        const { page, complaints, requests } = await openPage(browser, server.url + path, { width, scheme });
        for (const summary of await page.$$("summary")) await summary.click();
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        expect(requests.filter((each) => !each.startsWith(server.url))).toEqual([]);
        // By way of the debugger: the page's own policy lets nothing run.
        await page.evaluate(axe.source);
        const { violations } = (await page.evaluate("axe.run()")) as AxeResults;
        expect(
          violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`),
        ).toEqual([]);
        expect(complaints).toEqual([]);
        await page.browserContext().close();
      },
    );
  });
});

describe("the search", () => {
  test("finds tags as one types, and leads to their pages", async () => {
    const { page, complaints } = await openPage(browser, server.url, { width: 768, scheme: "light" });
    await page.type("#query", "node 22");
    await page.waitForSelector("#results a");
    const found = await page.$$eval("#results a", (links) =>
      links.map(({ textContent, href }) => ({ textContent, href })),
    );
    expect(found).toEqual([{ textContent: SHOWN.moved, href: server.url + pageOf(SHOWN.moved) }]);
    await Promise.all([page.waitForNavigation(), page.click("#results a")]);
    expect(await page.title()).toContain(SHOWN.moved);
    expect(complaints).toEqual([]);
    await page.browserContext().close();
  });

  test("says how many there are when it does not show all", async () => {
    const { page } = await openPage(browser, `${server.url}all/index.html`, { width: 768, scheme: "light" });
    await page.type("#query", "acme");
    await page.waitForSelector("#results a");
    expect(await page.$eval("#found", (each) => each.textContent)).toBe("231 tags, the first 50 are shown");
    await page.browserContext().close();
  });
});

test("without a script every tag is found from the list of all, and nothing is there that does not work", async () => {
  const { page } = await openPage(browser, `${server.url}all/index.html`, {
    width: 360,
    scheme: "light",
    javaScript: false,
  });
  // The test's own questions need a script engine, which puppeteer has beside the page's.
  expect(await page.$eval("#search", (each) => (each as { hidden?: boolean }).hidden)).toBe(true);
  const lists = await page.$$eval("main .tags a", (links) => links.map(({ href }) => href));
  expect(lists).toHaveLength(2);
  await page.goto(lists[0] ?? "");
  const links = await page.$$eval("main .tags a", (each) => each.map(({ textContent }) => textContent));
  expect(links).toContain(SHOWN.moved);
  await page.browserContext().close();
});
