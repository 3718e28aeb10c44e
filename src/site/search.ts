// SPDX-License-Identifier: Apache-2.0
import { safeJson } from "./markup.ts";
import { type Markup, markup } from "./markup.ts";
import type { TagEntry } from "./list-pages.ts";

/** The list that search reads: names, and the directories of their pages. */
export function searchIndex(tags: readonly TagEntry[]): string {
  return `{"version":1,"tags":[\n${tags.map(({ name, directory }) => safeJson([name, directory])).join(",\n")}\n]}\n`;
}

/** The field of a page that search is on; without a script it stays hidden, and the list of all tags has what is needed. */
export function searchField(root: string): Markup {
  return markup`<search class="search" id="search" hidden data-root="${root}"><label for="query">Search tags</label><input id="query" type="search" autocomplete="off" spellcheck="false" placeholder="alpine 3.16"><p id="found" class="note" role="status"></p><ul class="tags" id="results"></ul></search>`;
}

/**
 * The script of that page: tags that have all words in their names, 50 at most. Names become text and nothing else, and only
 * directories of the site are linked to.
 */
export const SEARCH_SCRIPT = `"use strict";
(() => {
  const MOST = 50;
  const place = document.getElementById("search");
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const results = document.getElementById("results");
  const root = place.dataset.root;
  let tags;
  const load = () => (tags ??= fetch(root + "search.json").then((answer) => {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }));
  const show = async () => {
    const text = query.value;
    const words = text.toLowerCase().split(/\\s+/).filter((word) => word !== "");
    let list;
    try {
      list = (await load()).tags;
    } catch {
      tags = undefined;
      found.textContent = "The list of tags cannot be loaded; see all tags.";
      return;
    }
    if (query.value !== text) return;
    const hits = words.length === 0 ? [] : list.filter(([name]) => words.every((word) => name.toLowerCase().includes(word)));
    found.textContent = words.length === 0 ? "" : hits.length > MOST ? hits.length + " tags, the first " + MOST + " are shown" : hits.length + (hits.length === 1 ? " tag" : " tags");
    results.replaceChildren(...hits.slice(0, MOST).filter(([, directory]) => /^tags\\/[a-z0-9./-]+$/.test(directory)).map(([name, directory]) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = root + directory + "/index.html";
      link.textContent = name;
      item.append(link);
      return item;
    }));
  };
  query.addEventListener("input", show);
  place.hidden = false;
})();
`;
