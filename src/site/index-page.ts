// SPDX-License-Identifier: Apache-2.0
import type { ProvenHead } from "../ledger/proven-head.ts";
import type { TrustedSigner } from "../record/signer.ts";
import { logName } from "../lock/line.ts";
import { keyFile, tagDirectory } from "./addresses.ts";
import { headCommands } from "./checking-commands.ts";
import { type Markup, markup } from "./markup.ts";
import { commands, digestMarkup, outsideLink, page, type SiteFrame, timeMarkup } from "./page.ts";
import { SEARCH_SCRIPT, searchField } from "./search.ts";
import { signer } from "./tag-page.ts";
import type { TagEvent } from "./tag-view.ts";

/** What the whole ledger comes to. */
export interface SiteTotals {
  readonly head: ProvenHead & { readonly logId?: string };
  readonly observer: TrustedSigner;
  readonly tags: number;
  readonly records: number;
  readonly moves: number;
}

/** So many moves are on the first page. */
const SHOWN_EVENTS = 50;

/** The first page: what moved lately, how much there is, and the head that vouches for it. */
export function indexPage(
  { head, observer, tags, records, moves }: SiteTotals,
  events: readonly TagEvent[],
  frame: SiteFrame,
): string {
  const shown = events.slice(0, SHOWN_EVENTS);
  const check = headCommands(head.ledger, observer);
  const log = logName({ logUrl: head.logUrl, logId: "" });
  const body = markup`<h1>What image tags named, and when</h1>
<p>An observer watched these tags, signed what it saw, and logged it in a transparency log.</p>
${searchField("")}
<ul class="numbers"><li><strong>${tags}</strong> tags</li><li><strong>${records}</strong> records</li><li><strong>${moves}</strong> moves</li></ul>
<p><a href="all/index.html">All tags</a></p>
<h2 id="moves">Moved lately</h2>
${shown.length === 0 ? markup`<p>No tag has moved.</p>` : markup`<ul class="moves">${shown.map(eventItem)}</ul>`}
${moves > shown.length && shown.length === SHOWN_EVENTS ? markup`<p class="note">Earlier ones are on the tags' own pages.</p>` : undefined}
<h2 id="head">The ledger's head</h2>
<p>The head says what the whole ledger has, so that nobody who keeps the ledger can leave a line out.</p>
<dl>
<dt>Ledger</dt><dd><code>${head.ledger}</code></dd>
<dt>Number</dt><dd>${head.sequence}</dd>
<dt>Made</dt><dd>${timeMarkup(head.madeAt)}</dd>
<dt>Logged</dt><dd>${timeMarkup(head.loggedAt)}, ${outsideLink(head.logUrl, log)}, index ${head.logIndex}</dd>
<dt>Signed by</dt><dd>${observer.kind === "identity-pattern" ? markup`<code>${observer.pattern}</code> by <code>${observer.issuer}</code>` : signer(observer)}</dd>
<dt>Content</dt><dd>${digestMarkup(head.content)}</dd>
<dt>Statement</dt><dd>${digestMarkup(head.statement)}</dd>
<dt>Before it</dt><dd>${head.previous === undefined ? "none, it is the first" : digestMarkup(head.previous)}</dd>
</dl>
<p><a href="head.sigstore.json" download>Proof of the head (Sigstore bundle)</a>${observer.kind === "key" ? markup` · <a href="${keyFile(observer.fingerprint)}" download>Public key of the observer</a>` : undefined}</p>
<h2 id="check">Check it yourself</h2>
<p>Take <code>trusted_root.json</code>, and who may sign, from a place that you trust, not from this page. Each record has its own commands on its tag's page.</p>
${check === undefined ? markup`<p>The head may be signed by several identities; the certificate in its proof says by which.</p>` : commands(check)}`;
  return page(
    { file: "index.html", title: `Image tags of ${head.ledger}`, body, script: SEARCH_SCRIPT },
    frame,
  );
}

function eventItem({ kind, tag, record, from }: TagEvent): Markup {
  const text =
    kind === "moved"
      ? markup`<span class="kind moved">moved</span>`
      : markup`<span class="kind approved">approved</span>`;
  return markup`<li><p>${text} <a href="${tagDirectory(tag)}/index.html">${tag}</a> ${timeMarkup(record.loggedAt)}</p>
<p>${digestMarkup(from)} to</p><p>${digestMarkup(record.digest)}</p>${record.reason === undefined ? undefined : markup`<p>Reason: <q>${record.reason}</q></p>`}</li>
`;
}
