// SPDX-License-Identifier: Apache-2.0
import { type Browser, launch, type Page } from "puppeteer-core";
import { chromium } from "./chromium.ts";

/** How somebody looks at a page. */
export interface Look {
  readonly width: number;
  readonly scheme: "light" | "dark";
  /** Whether scripts run; they do when not given. */
  readonly javaScript?: boolean;
}

/** A page that was opened, and what happened on it. */
export interface Opened {
  readonly page: Page;
  /** Errors and warnings of the console, and of the page. */
  readonly complaints: readonly string[];
  /** The addresses that it asked. */
  readonly requests: readonly string[];
}

/** Starts Chromium, which asks nobody for anything by itself. Throws LabError. */
export async function startBrowser(): Promise<Browser> {
  return launch({
    executablePath: await chromium(),
    pipe: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
  });
}

/** Opens an address in a context of its own. */
export async function openPage(
  browser: Browser,
  url: string,
  { width, scheme, javaScript = true }: Look,
): Promise<Opened> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => requests.push(request.url()));
  await page.setViewport({ width, height: 900, deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setJavaScriptEnabled(javaScript);
  await page.goto(url, { waitUntil: "networkidle0" });
  return { page, complaints, requests };
}
