// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { listFile } from "./addresses.ts";
import { type Markup, markup } from "./markup.ts";
import { page, type SiteFrame, wayTo } from "./page.ts";
import { SEARCH_SCRIPT, searchField } from "./search.ts";

/** A tag in the list of all. */
export interface TagEntry {
  readonly name: string;
  readonly directory: string;
  readonly stands: Digest | undefined;
  readonly records: number;
}

/** So many tags are on a page of the list. */
const PAGE_TAGS = 200;
const INDEX = "all/index.html";

/** The pages of all tags, in the order of their names, by their files: one that says which tags are on which, and those. */
export function* listPages(tags: readonly TagEntry[], frame: SiteFrame): Iterable<readonly [string, string]> {
  const pages = Array.from({ length: Math.ceil(tags.length / PAGE_TAGS) }, (_, index) =>
    tags.slice(index * PAGE_TAGS, (index + 1) * PAGE_TAGS),
  );
  const body = markup`<h1>All tags</h1>
${searchField("../")}
${
  pages.length === 0
    ? markup`<p>The ledger has no tags.</p>`
    : markup`<p>${tags.length} tags in the order of their names:</p>
<ul class="tags">${pages.map((each, index) => markup`<li><a href="${wayTo(listFile(index + 1), INDEX)}">${each[0]?.name} to ${each.at(-1)?.name}</a></li>\n`)}</ul>`
}`;
  yield [INDEX, page({ file: INDEX, title: "All tags", body, script: SEARCH_SCRIPT }, frame)];
  for (const [index, each] of pages.entries()) {
    const number = index + 1;
    const file = listFile(number);
    const title = `All tags, page ${number} of ${pages.length}`;
    const list = markup`<h1>${title}</h1>
${between(number, pages.length, file)}
<ul class="tags">${each.map((tag) => entry(tag, file))}</ul>
${between(number, pages.length, file)}`;
    yield [file, page({ file, title, body: list }, frame)];
  }
}

function entry({ name, directory, records }: TagEntry, from: string): Markup {
  return markup`<li><a href="${wayTo(`${directory}/index.html`, from)}">${name}</a> <span class="note">${records} ${records === 1 ? "record" : "records"}</span></li>
`;
}

function between(number: number, of: number, file: string): Markup {
  const link = (to: number, text: string) =>
    to < 1 || to > of ? undefined : markup`<a href="${wayTo(listFile(to), file)}">${text}</a>`;
  return markup`<p class="pages">${link(number - 1, "Previous page")}<a href="${wayTo(INDEX, file)}">All pages</a>${link(number + 1, "Next page")}</p>`;
}
