// SPDX-License-Identifier: Apache-2.0
import { logName } from "../lock/line.ts";
import type { TagRecord } from "../record/record.ts";
import type { Signer } from "../record/signer.ts";
import { keyFile } from "./addresses.ts";
import { buildCommands, recordCommands, searchCommands } from "./checking-commands.ts";
import { type Markup, markup } from "./markup.ts";
import { commands, digestMarkup, outsideLink, page, type SiteFrame, timeMarkup, wayTo } from "./page.ts";
import type { SiteRecord, TagView } from "./tag-view.ts";
import { timeline } from "./timeline.ts";

/** The page of a tag. */
export function tagPage(view: TagView, frame: SiteFrame): string {
  const { name, directory, records, gap, others, stands } = view;
  const file = `${directory}/index.html`;
  const standing = stands?.record;
  const body = markup`<h1><code>${name}</code></h1>
${state(view)}
${
  records.length === 0
    ? markup`<p>The ledger has lines of this tag, and none by a signer who is named here.</p>`
    : markup`<h2>Timeline</h2>
<p class="note">Bands: the image that was seen, until another one was. Dots: sightings. Diamonds: approvals. Times are the log's.</p>
${timeline(
  name,
  records.map(({ record }) => record),
)}
<h2 id="records">Records</h2>
<table role="table"><thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Logged</th><th role="columnheader" scope="col">Image</th><th role="columnheader" scope="col">Signed by</th><th role="columnheader" scope="col">Log</th></tr></thead>
${records.toReversed().map((each) => recordRows(each, { file, stands: standing }))}</table>`
}
${gap === undefined ? undefined : markup`<p class="note">The ledger no longer keeps the observer's sightings ${gap.from} to ${gap.to} of this tag. They are in the log.</p>`}
${others > 0 ? markup`<p class="note">${others} more ${others === 1 ? "line" : "lines"} of the ledger ${others === 1 ? "is" : "are"} not shown: by signers who are not named here, or copies of what is shown.</p>` : undefined}
${standing === undefined ? undefined : markup`<h2>Build with the recorded image</h2>\n${commands(buildCommands(standing))}`}
<h2>Search the log</h2>
<p>A log with a search finds everything that was ever logged under this name, by anybody:</p>
${commands(searchCommands(name))}`;
  return page({ file, title: `${name}: what it named, and when`, body }, frame);
}

/** What stands, and why. */
function state({ stands, seen, name }: TagView): Markup {
  if (stands === undefined)
    return markup`<div class="state moved"><p><strong>Nothing stands for this tag:</strong> nobody who may has recorded or approved an image for it.</p></div>`;
  const { record, superseded } = stands;
  const { supersedes } = record;
  const why =
    supersedes === undefined
      ? markup`It is the first record of <code>${name}</code>, by ${signer(record.signer)}, logged ${timeMarkup(record.loggedAt)}.`
      : markup`Approved by ${signer(record.signer)}, logged ${timeMarkup(record.loggedAt)}; it takes the place of ${digestMarkup(supersedes)}.`;
  const isMoved = seen !== undefined && seen.digest !== record.digest;
  return markup`<div class="state${isMoved ? " moved" : ""}">
<p><strong>Stands:</strong> ${digestMarkup(record.digest)}</p>
<p>${why}${superseded.length > 0 ? ` Approvals have changed what stands ${superseded.length === 1 ? "once" : `${superseded.length} times`}.` : ""}</p>
${record.reason === undefined ? undefined : markup`<p>Reason: <q>${record.reason}</q></p>`}
${isMoved ? markup`<p><strong>The tag has moved:</strong> seen last, ${timeMarkup(seen.loggedAt)}, was ${digestMarkup(seen.digest)}, which does not stand. A build that blocks moved tags refuses it.</p>` : undefined}
</div>`;
}

function recordRows(
  { record, file }: SiteRecord,
  { file: from, stands }: { readonly file: string; readonly stands: TagRecord | undefined },
): Markup {
  const { digest, loggedAt, observedAt, supersedes, reason, logUrl, logIndex, sequence } = record;
  const isApproval = supersedes !== undefined;
  const log = logName(record);
  return markup`<tbody role="rowgroup"><tr role="row"><td role="cell" data-label="Logged"><p>${timeMarkup(loggedAt)}</p>${isApproval ? markup`<span class="kind approved">approval</span>` : markup`<span class="kind">sighting${sequence === undefined ? undefined : ` ${sequence}`}</span>`}${record === stands ? markup` <span class="kind stands">stands</span>` : undefined}</td>
<td role="cell" data-label="Image"><p>${digestMarkup(digest)}</p>${isApproval ? markup`<p>instead of ${digestMarkup(supersedes)}</p>` : undefined}${reason === undefined ? undefined : markup`<p>Reason: <q>${reason}</q></p>`}</td>
<td role="cell" data-label="Signed by">${signer(record.signer)}</td>
<td role="cell" class="log" data-label="Log">${outsideLink(logUrl, log)}, index ${logIndex}</td></tr>
<tr role="row"><td role="cell" colspan="4"><a href="${file}" download>Proof<span class="note"> (Sigstore bundle, index ${logIndex})</span></a>${record.signer.kind === "key" ? markup` · <a href="${wayTo(keyFile(record.signer.fingerprint), from)}" download>Public key<span class="note"> (of index ${logIndex})</span></a>` : undefined}
<details><summary>Check record ${logIndex} yourself</summary><p>Observed ${timeMarkup(observedAt)}. Take <code>trusted_root.json</code>, and who may sign, from a place that you trust, not from this page.</p>
${commands(recordCommands(record, file))}</details></td></tr></tbody>
`;
}

/** A signer, whole: what is cut could be taken for somebody else. */
export function signer(who: Signer): Markup {
  return who.kind === "key"
    ? markup`key <code class="digest">${who.fingerprint}</code>`
    : markup`<code>${who.identity}</code> by <code>${who.issuer}</code>`;
}
