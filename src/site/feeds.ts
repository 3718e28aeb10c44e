// SPDX-License-Identifier: Apache-2.0
import { logName } from "../lock/line.ts";
import { signerName } from "../record/signer.ts";
import { stableId, tagDirectory } from "./addresses.ts";
import { markup, safeJson } from "./markup.ts";
import type { SiteFrame } from "./page.ts";
import { inSeconds, type TagEvent } from "./tag-view.ts";

/** What a feed needs beside its entries. */
export interface FeedFrame extends SiteFrame {
  /** When the head was logged: what an empty feed was updated at. */
  readonly loggedAt: Date;
}

interface Entry {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly time: string;
  /** From the site's directory on. */
  readonly file: string;
  readonly by: string;
}

/** The moves as Atom (RFC 4287), the newest first. The ids of the feed and of its entries stay, wherever the site is. */
export function atomFeed(events: readonly TagEvent[], { ledger, baseUrl, loggedAt }: FeedFrame): string {
  const entries = events.map(entryOf);
  const self = baseUrl && `${baseUrl}moves.atom`;
  return markup`<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"${baseUrl === undefined ? undefined : markup` xml:base="${baseUrl}"`}>
<id>${stableId("feed", ledger)}</id>
<title>Moved image tags of ${ledger}</title>
<updated>${entries[0]?.time ?? inSeconds(loggedAt)}</updated>
<author><name>${ledger}</name></author>
<link rel="alternate" type="text/html" href="${baseUrl ?? "index.html"}"/>
${self === undefined ? undefined : markup`<link rel="self" type="application/atom+xml" href="${self}"/>\n`}${entries.map(
    ({ id, title, text, time, file, by }) => markup`<entry>
<id>${id}</id>
<title>${title}</title>
<updated>${time}</updated>
<published>${time}</published>
<author><name>${by}</name></author>
<link rel="alternate" type="text/html" href="${baseUrl ?? ""}${file}"/>
<content type="text">${text}</content>
</entry>
`,
  )}</feed>
`.text;
}

/** The moves as a JSON Feed 1.1, the newest first, with the ids of the Atom feed. */
export function jsonFeed(events: readonly TagEvent[], { ledger, baseUrl }: FeedFrame): string {
  const items = events.map(entryOf).map(({ id, title, text, time, file, by }) =>
    safeJson({
      id,
      ...(baseUrl !== undefined && { url: `${baseUrl}${file}` }),
      title,
      content_text: text,
      date_published: time,
      authors: [{ name: by }],
    }),
  );
  const feed = {
    version: "https://jsonfeed.org/version/1.1",
    title: `Moved image tags of ${ledger}`,
    ...(baseUrl !== undefined && { home_page_url: baseUrl, feed_url: `${baseUrl}moves.json` }),
    language: "en",
  };
  return `${safeJson(feed).slice(0, -1)},"items":[\n${items.join(",\n")}\n]}\n`;
}

function entryOf({ kind, tag, record, from }: TagEvent): Entry {
  const { digest, reason, signer, logIndex, loggedAt } = record;
  const what = kind === "moved" ? "moved" : "was approved to be another image";
  const lines = [
    `${tag} ${what}: from ${from ?? "an image that the ledger no longer keeps"} to ${digest}`,
    ...(reason === undefined ? [] : [`Reason: ${reason}`]),
    `By ${signerName(signer)}, ${logName(record)}, index ${logIndex}`,
  ];
  return {
    // The log's ID stays when its URL changes.
    id: stableId(kind, tag, record.logId, String(logIndex)),
    title: `${tag} ${what}`,
    text: lines.join("\n"),
    time: inSeconds(loggedAt),
    file: `${tagDirectory(tag)}/index.html`,
    by: signerName(signer),
  };
}
