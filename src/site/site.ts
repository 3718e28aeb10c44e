// SPDX-License-Identifier: Apache-2.0
import { ImageReferenceError, parseReference } from "../image/reference.ts";
import { LedgerError } from "../ledger/error.ts";
import { shardOf } from "../ledger/layout.ts";
import { ledgerHistory, type TagLines } from "../ledger/lines.ts";
import { fewAtOnce } from "../registry/all-ended.ts";
import { type LedgerPlace, readKeptLedger, readKeptPart } from "../ledger/registry/kept-ledger.ts";
import type { RecordContext } from "../record/record.ts";
import type { Trust, TrustedKey, TrustedSigner } from "../record/signer.ts";
import { keyFile } from "./addresses.ts";
import { atomFeed, jsonFeed } from "./feeds.ts";
import { indexPage } from "./index-page.ts";
import { listPages, type TagEntry } from "./list-pages.ts";
import type { SiteOutput, WrittenFiles } from "./output.ts";
import { searchIndex } from "./search.ts";
import { ICON, STYLE } from "./style.ts";
import { tagPage } from "./tag-page.ts";
import { type TagEvent, type TagView, tagView } from "./tag-view.ts";

/** What a site is made of. */
export interface SiteSource extends Pick<RecordContext, "trustedRoot" | "logs"> {
  readonly place: LedgerPlace;
  /** The ledger's repository, canonical. */
  readonly ledger: string;
  readonly observer: TrustedSigner;
  /** Whose records are shown, and what they may. */
  readonly trust: readonly Trust[];
  /** Where the site will be, with a slash at its end. */
  readonly baseUrl: string | undefined;
}

/** What a run made. */
export interface SiteSummary extends WrittenFiles {
  readonly sequence: number;
  readonly tags: number;
  readonly records: number;
}

const PARTS_AT_ONCE = 8;
/** So many moves are in the feeds, the newest. */
const FEED_EVENTS = 200;
/** No ledger has more: tags in the list take memory. */
const MAX_TAGS = 1_000_000;

/** A site that must not be made of this ledger. */
export class SiteError extends Error {
  override readonly name = "SiteError";
}

/**
 * Makes a site of a ledger: reads part after part, proves each line, and makes the pages of its tags. Only when all of the ledger
 * holds are files changed; otherwise it throws, and the site stays as it was. Throws LedgerError, RegistryError, SiteError and
 * OutputError.
 */
export async function makeSite(
  source: SiteSource,
  output: SiteOutput,
  onProgress: (parts: { readonly done: number; readonly of: number }) => void = () => undefined,
): Promise<SiteSummary> {
  try {
    return await make(source, output, onProgress);
  } finally {
    output.discard();
  }
}

async function make(
  source: SiteSource,
  output: SiteOutput,
  onProgress: (parts: { readonly done: number; readonly of: number }) => void,
): Promise<SiteSummary> {
  const { place, ledger, observer, trustedRoot, logs, baseUrl } = source;
  const frame = { ledger, baseUrl };
  const kept = await readKeptLedger(place, { repository: ledger, observer, trustedRoot, logs });
  const { head, headBundle } = kept;
  if (head === undefined) throw new LedgerError("ledger-not-there", `the registry has no ledger "${ledger}"`);
  checkOrigin(output, head);
  const tags: TagEntry[] = [];
  let events: TagEvent[] = [];
  let [records, moves, done] = [0, 0, 0];
  const keys = new Map<string, TrustedKey>();
  if (observer.kind === "key") keys.set(observer.fingerprint, observer);

  const addTag = (name: string, lines: TagLines) => {
    const view = provenView(name, lines, source);
    if (view === undefined) return;
    const { directory, stands } = view;
    output.add(`${directory}/index.html`, tagPage(view, frame));
    for (const { record, file, proof } of view.records) {
      output.add(`${directory}/${file}`, `${proof}\n`);
      if (record.signer.kind === "key") keys.set(record.signer.fingerprint, record.signer);
    }
    tags.push({ name, directory, stands: stands?.record.digest, records: view.records.length });
    if (tags.length > MAX_TAGS) throw new SiteError(`the ledger has more than ${MAX_TAGS} tags`);
    records += view.records.length;
    moves += view.events.filter(({ kind }) => kind === "moved").length;
    events.push(...view.events);
    if (events.length > 4 * FEED_EVENTS) events = newest(events);
  };

  const of = kept.shards.length;
  await fewAtOnce([...kept.shards.keys()], PARTS_AT_ONCE, async (part) => {
    const read = await readKeptPart(place, kept, part);
    for (const [name, lines] of read) {
      place.signal.throwIfAborted();
      if (shardOf(name, of) !== part)
        throw new LedgerError(
          "ledger-broken",
          `part ${part} of "${ledger}" has lines of "${name}", which belongs to another`,
        );
      addTag(name, lines);
    }
    onProgress({ done: (done += 1), of });
  });

  events = newest(events);
  tags.sort((a, b) => (a.name < b.name ? -1 : 1));
  const totals = { head, observer, tags: tags.length, records, moves };
  output.add("index.html", indexPage(totals, events, frame));
  for (const [file, text] of listPages(tags, frame)) output.add(file, text);
  const feed = { ...frame, loggedAt: head.loggedAt };
  output.add("moves.atom", atomFeed(events, feed));
  output.add("moves.json", jsonFeed(events, feed));
  output.add("search.json", searchIndex(tags));
  output.add("site.css", STYLE);
  output.add("icon.svg", ICON);
  output.add("head.sigstore.json", `${JSON.stringify(headBundle)}\n`);
  for (const [fingerprint, { publicKey }] of keys)
    output.add(keyFile(fingerprint), publicKey.export({ type: "spki", format: "pem" }).toString());
  const { sequence, statement } = head;
  const files = output.commit({ ledger, sequence, statement });
  return { ...files, sequence, tags: tags.length, records };
}

/** Throws SiteError when the directory has another ledger's site, or one of a later head than is served now. */
function checkOrigin(
  { origin }: SiteOutput,
  {
    ledger,
    sequence,
    statement,
  }: { readonly ledger: string; readonly sequence: number; readonly statement: string },
): void {
  if (origin === undefined) return;
  if (origin.ledger !== ledger)
    throw new SiteError(
      `the directory has the site of "${origin.ledger}"; name another one for "${ledger}" with --out`,
    );
  if (sequence < origin.sequence)
    throw new SiteError(
      `the registry serves head ${sequence} of "${ledger}", and the site was made of head ${origin.sequence} already: an old ledger is served`,
    );
  if (sequence === origin.sequence && statement !== origin.statement)
    throw new SiteError(
      `the registry serves another head ${sequence} of "${ledger}" than the site was made of: "${statement}", and it was "${origin.statement}"`,
    );
}

/** What is shown of a tag, proven; undefined when the ledger has no line of it. Throws LedgerError. */
function provenView(
  name: string,
  lines: TagLines,
  { ledger, observer, trust, trustedRoot, logs }: SiteSource,
): TagView | undefined {
  try {
    const subject = parseReference(name);
    const history = ledgerHistory(lines, { subject, trust, trustedRoot, logs }, { name: ledger, observer });
    return history && tagView(name, lines, history);
  } catch (cause) {
    if (!(cause instanceof ImageReferenceError)) throw cause;
    throw new LedgerError(
      "ledger-broken",
      `"${ledger}" has lines of something that is no tag: ${cause.message}`,
      {
        cause,
      },
    );
  }
}

function newest(events: readonly TagEvent[]): TagEvent[] {
  return events
    .toSorted(
      (a, b) =>
        b.record.loggedAt.getTime() - a.record.loggedAt.getTime() ||
        Number(b.record.logIndex - a.record.logIndex) ||
        (a.tag < b.tag ? -1 : 1),
    )
    .slice(0, FEED_EVENTS);
}
