// SPDX-License-Identifier: Apache-2.0
// Makes the pictures of docs/site.md, of a sample's site in a real Chromium: `npm run docs:site-images`.
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tagDirectory } from "../../../src/site/addresses.ts";
import { makeShownSite, SHOWN } from "../../site/shown-site.ts";
import { type Look, openPage, startBrowser } from "../lab/browser.ts";
import { startStaticServer } from "../lab/static-server.ts";

const IMAGES = new URL("../../../docs/images", import.meta.url).pathname;
const MAX_BYTES = 150_000;
const tag = `${tagDirectory(SHOWN.moved)}/index.html`;

const SHOTS: readonly (Look & { readonly name: string; readonly path: string; readonly height: number })[] = [
  { name: "site-overview", path: "index.html", width: 960, height: 640, scheme: "light" },
  { name: "site-tag", path: tag, width: 960, height: 760, scheme: "dark" },
  { name: "site-phone", path: tag, width: 360, height: 720, scheme: "light" },
];

const directory = mkdtempSync(join(tmpdir(), "site-"));
await makeShownSite(directory);
const server = await startStaticServer(directory);
const browser = await startBrowser();
try {
  mkdirSync(IMAGES, { recursive: true });
  for (const { name, path, height, ...look } of SHOTS) {
    const { page } = await openPage(browser, server.url + path, look);
    const file = `${IMAGES}/${name}.png`;
    await page.screenshot({ path: file as `${string}.png`, clip: { x: 0, y: 0, width: look.width, height } });
    const { size } = statSync(file);
    if (size > MAX_BYTES) throw new Error(`"${file}" has ${size} bytes, and the limit is ${MAX_BYTES}`);
    process.stdout.write(`${file}: ${size} bytes\n`);
  }
} finally {
  await browser.close();
  await server.close();
  rmSync(directory, { recursive: true });
}
