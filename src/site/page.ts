// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { type Markup, markup, ownMarkup, webUrl } from "./markup.ts";
import { inSeconds } from "./tag-view.ts";

/** What is the same on all pages. */
export interface SiteFrame {
  /** The ledger's repository. */
  readonly ledger: string;
  /** Where the site will be, with a slash at its end; undefined when that is not known. */
  readonly baseUrl: string | undefined;
}

/** A page of the site. */
export interface PageContent {
  /** Its file, from the site's directory on. */
  readonly file: string;
  readonly title: string;
  readonly body: Markup;
  /** The one script that it may run; none when not given. */
  readonly script?: string;
}

/** The way from a page to a file of the site; both from the site's directory on. */
export function wayTo(file: string, from: string): string {
  return "../".repeat(from.split("/").length - 1) + file;
}

/**
 * A whole page. Nothing in it runs but its own script, by its hash; it loads its own style and icon, and search reads the list of
 * tags beside it.
 */
export function page({ file, title, body, script }: PageContent, { ledger, baseUrl }: SiteFrame): string {
  const hash = script === undefined ? undefined : createHash("sha256").update(script).digest("base64");
  const runs = hash === undefined ? "" : `script-src 'sha256-${hash}'; connect-src 'self'; `;
  const policy = `default-src 'none'; style-src 'self'; img-src 'self'; ${runs}base-uri 'none'; form-action 'none'`;
  const at = (to: string) => wayTo(to, file);
  const canonical = baseUrl === undefined ? undefined : `${baseUrl}${file === "index.html" ? "" : file}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="stylesheet" href="${at("site.css")}">
<link rel="icon" href="${at("icon.svg")}" type="image/svg+xml">
${canonical === undefined ? undefined : markup`<link rel="canonical" href="${canonical}">\n`}<link rel="alternate" type="application/atom+xml" title="Moves (Atom)" href="${at("moves.atom")}">
<link rel="alternate" type="application/feed+json" title="Moves (JSON Feed)" href="${at("moves.json")}">
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header>
<p class="ledger"><a href="${at("index.html")}">Image tags of <code>${ledger}</code></a></p>
<nav aria-label="Site"><ul><li><a href="${at("index.html")}">Overview</a></li><li><a href="${at("all/index.html")}">All tags</a></li><li><a href="${at("moves.atom")}">Atom</a></li><li><a href="${at("moves.json")}">JSON Feed</a></li></ul></nav>
</header>
<main id="content">
${body}
</main>
<footer><p>Every record here was proven when this page was made: signature, signer, place in the log and time. You need not take our word: each has its proof, and the commands that check it.</p></footer>
${script === undefined ? undefined : markup`<script>${ownMarkup(script)}</script>\n`}</body>
</html>
`.text;
}

/** An instant for people and programs. */
export function timeMarkup(time: Date): Markup {
  const text = inSeconds(time);
  return markup`<time datetime="${text}">${text}</time>`;
}

/** A digest, whole. */
export function digestMarkup(digest: string | undefined): Markup {
  return digest === undefined
    ? markup`<span class="none">not kept</span>`
    : markup`<code class="digest">${digest}</code>`;
}

/** A link to another site, as far as its address is one of the web; else its text. */
export function outsideLink(url: string, text: string): Markup {
  const href = webUrl(url);
  return href === undefined ? markup`${text}` : markup`<a href="${href}" rel="noreferrer">${text}</a>`;
}

/** Commands to copy. */
export function commands(lines: readonly string[]): Markup {
  return markup`<pre tabindex="0"><code>${lines.join("\n")}</code></pre>`;
}
