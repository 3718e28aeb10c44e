// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { TagRecord } from "../record/record.ts";
import { type Markup, markup } from "./markup.ts";
import { inSeconds } from "./tag-view.ts";

/** The most digests that are drawn, the newest; the table has all. */
const MAX_LANES = 12;
const LANE_PX = 44;
const AXIS_PX = 34;
/** How many looks the bands have. */
const COLOURS = 6;
/** How much of the width is left to the right of the last record, for what is true since then. */
const NOW_PERCENT = 6;

/** A digest in a line of the drawing. */
interface Lane {
  readonly digest: Digest;
  /** From when it was seen until another one was; without an end, until now. */
  readonly bands: { readonly from: Date; readonly to: Date | undefined }[];
  readonly marks: { readonly record: TagRecord; readonly isApproval: boolean }[];
}

/**
 * A tag's timeline as SVG: one lane for each digest, a band from when it was seen until another one was, a dot for each sighting
 * and a diamond for each approval. It is as wide as its place, and its text keeps its size. It shows nothing that hangs on when it is
 * drawn.
 */
export function timeline(name: string, records: readonly TagRecord[]): Markup {
  const times = records.map(({ loggedAt }) => loggedAt.getTime());
  const [begin, end] = [Math.min(...times), Math.max(...times)];
  const lanes = lanesOf(records);
  const shown = lanes.slice(-MAX_LANES);
  const place = (time: Date | undefined): number => {
    if (time === undefined) return 100;
    const share = end === begin ? 0 : (time.getTime() - begin) / (end - begin);
    // A mark has room on both sides.
    return 1.5 + share * (100 - NOW_PERCENT - 1.5);
  };
  const height = shown.length * LANE_PX + AXIS_PX;
  const hidden = lanes.length - shown.length;
  const described = `${records.length} records of ${lanes.length} digests, ${inSeconds(new Date(begin))} to ${inSeconds(new Date(end))}; the table below has all of them`;
  return markup`<svg class="timeline" role="img" aria-labelledby="timeline-title timeline-text" width="100%" height="${height}">
<title id="timeline-title">Timeline of ${name}</title>
<desc id="timeline-text">${described}</desc>
${shown.map((lane, index) => laneMarkup(lane, { top: index * LANE_PX, colour: (index + hidden) % COLOURS, place }))}
${axis({ begin: new Date(begin), end: new Date(end), top: shown.length * LANE_PX, place })}
</svg>
${hidden > 0 ? markup`<p class="note">${hidden} earlier digests are not drawn.</p>` : undefined}`;
}

/** The digests in the order in which they were first seen. */
function lanesOf(records: readonly TagRecord[]): readonly Lane[] {
  const lanes = new Map<Digest, Lane>();
  let open: Lane["bands"][number] | undefined;
  let lane: Lane | undefined;
  for (const record of records) {
    const { digest, loggedAt } = record;
    const isApproval = record.supersedes !== undefined;
    const own = lanes.get(digest) ?? { digest, bands: [], marks: [] };
    lanes.set(digest, own);
    own.marks.push({ record, isApproval });
    // What an approval names need not be what was seen.
    if (isApproval || own === lane) continue;
    if (open !== undefined) lane?.bands.splice(-1, 1, { from: open.from, to: loggedAt });
    open = { from: loggedAt, to: undefined };
    own.bands.push(open);
    lane = own;
  }
  return [...lanes.values()];
}

function laneMarkup(
  { digest, bands, marks }: Lane,
  {
    top,
    colour,
    place,
  }: {
    readonly top: number;
    readonly colour: number;
    readonly place: (time: Date | undefined) => number;
  },
): Markup {
  const middle = top + 29;
  const percent = (number: number) => `${number.toFixed(2)}%`;
  return markup`<g class="c${colour}"><text class="lane" x="0" y="${top + 14}">${digest.slice(0, "sha256:".length + 16)}…<title>${digest}</title></text>
<line class="rail" x1="0" x2="100%" y1="${middle}" y2="${middle}"/>
${bands.map(({ from, to }) => markup`<rect class="band" x="${percent(place(from))}" y="${middle - 6}" width="${percent(Math.max(place(to) - place(from), 0.3))}" height="12" rx="2"/>`)}
${marks.map(
  ({ record, isApproval }) =>
    markup`<svg x="${percent(place(record.loggedAt))}" y="${middle}" overflow="visible"><path class="${isApproval ? "approval" : "sighting"}" d="${isApproval ? "M0-9 9 0 0 9-9 0z" : "M0-4.5A4.5 4.5 0 1 1 0 4.5 4.5 4.5 0 1 1 0-4.5z"}"><title>${isApproval ? "approved" : "seen"} ${inSeconds(record.loggedAt)} ${digest}</title></path></svg>`,
)}</g>
`;
}

function axis({
  begin,
  end,
  top,
  place,
}: {
  readonly begin: Date;
  readonly end: Date;
  readonly top: number;
  readonly place: (time: Date | undefined) => number;
}): Markup {
  const day = (time: Date) => time.toISOString().slice(0, 10);
  const last =
    day(begin) === day(end)
      ? undefined
      : markup`<text class="axis" x="100%" y="${top + 24}" text-anchor="end">last record ${day(end)}</text>`;
  const at = `${place(end).toFixed(2)}%`;
  return markup`<line class="rail" x1="0" x2="100%" y1="${top + 6}" y2="${top + 6}"/>
<line class="now" x1="${at}" x2="${at}" y1="0" y2="${top + 6}"/>
<text class="axis" x="0" y="${top + 24}">${day(begin)}</text>${last}`;
}
