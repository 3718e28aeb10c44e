// SPDX-License-Identifier: Apache-2.0
// Plots as SVG, to be read in the light and in the dark. What is shown is told apart by its place and its shape, never by colour alone.

/** What one row of a range plot shows, in the plot's unit. */
export interface Range {
  readonly label: string;
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  /** The most that the middle may be; a mark is drawn there. */
  readonly target?: number;
}

export interface RangePlot {
  /** For those who cannot see it, too. */
  readonly title: string;
  /** Of the axis, with the unit. */
  readonly axis: string;
  readonly groups: readonly { readonly label: string; readonly rows: readonly Range[] }[];
}

/** One of the small plots that stand beside each other. Both axes are logarithmic, and what is not above zero is left out. */
export interface LinePanel {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly {
    readonly label: string;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
  /** A level that the values shall stay below, and what it is. */
  readonly limit?: { readonly label: string; readonly y: number };
}

const WIDTH = 760;
const STYLE = `
  svg { color: #1f2328; background: #ffffff; --one: #0550ae; --two: #a04100; --three: #116329; --faint: #d0d7de }
  @media (prefers-color-scheme: dark) {
    svg { color: #e6edf3; background: #0d1117; --one: #79c0ff; --two: #ffa657; --three: #7ee787; --faint: #30363d }
  }
  text { font: 12px system-ui, sans-serif; fill: currentColor }
  .title { font-weight: 600 }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: var(--faint) }
  .range { stroke: var(--one); stroke-width: 5; stroke-linecap: round; opacity: 0.5 }
  .dot { fill: var(--one) }
  .target { stroke: var(--two); stroke-width: 2 }
  .limit { stroke: currentColor; stroke-dasharray: 2 3 }
  .line { fill: none; stroke-width: 2 }
  .s0 { stroke: var(--one) } .s1 { stroke: var(--two); stroke-dasharray: 6 3 } .s2 { stroke: var(--three); stroke-dasharray: 2 3 }
  .s0.point { fill: var(--one) } .s1.point { fill: var(--two) } .s2.point { fill: var(--three) }`;
const SERIES = 3;

/** A row for each range: a bar from low to high, a dot in the middle, a stroke at the target. */
export function rangePlot({ title, axis, groups }: RangePlot): string {
  const [left, right, rowHeight, groupHeight] = [230, 20, 20, 30] as const;
  const rows = groups.flatMap((group) => group.rows);
  const most = Math.max(...rows.flatMap(({ high, middle, target = 0 }) => [high, middle, target]));
  const ticks = linearTicks(most);
  const end = ticks.at(-1) ?? 1;
  const at = (value: number) => left + ((WIDTH - left - right) * value) / end;
  const parts: string[] = [];
  let y = 34;
  for (const group of groups) {
    parts.push(text(8, y + 18, group.label, "title"));
    y += groupHeight;
    for (const { label, low, middle, high, target } of group.rows) {
      const centre = y + rowHeight / 2;
      parts.push(text(left - 10, centre + 4, label, "end"));
      parts.push(line(at(low), centre, at(high), centre, "range"));
      if (target !== undefined) parts.push(line(at(target), centre - 8, at(target), centre + 8, "target"));
      parts.push(`<circle class="dot" cx="${n(at(middle))}" cy="${n(centre)}" r="4"/>`);
      y += rowHeight;
    }
  }
  const grid = ticks.map(
    (tick) => line(at(tick), 40, at(tick), y + 4, "grid") + text(at(tick), y + 18, String(tick), "middle"),
  );
  const caption = text((left + WIDTH - right) / 2, y + 38, axis, "middle");
  return svg(y + 50, title, [text(8, 20, title, "title"), ...grid, ...parts, caption]);
}

/** Small plots beside each other, two in a row. */
export function linePlots(title: string, panels: readonly LinePanel[]): string {
  const [width, height, top] = [WIDTH / 2, 230, 30] as const;
  const drawn = panels.map((panel, index) => {
    const x = (index % 2) * width;
    const y = top + Math.floor(index / 2) * height;
    return `<g transform="translate(${n(x)} ${n(y)})">${drawPanel(panel, width, height)}</g>`;
  });
  const rows = Math.ceil(panels.length / 2);
  return svg(top + rows * height, title, [text(8, 20, title, "title"), ...drawn]);
}

function drawPanel({ title, x, y, series, limit }: LinePanel, width: number, height: number): string {
  const [left, right, top, bottom] = [58, 22, 42, 44] as const;
  const shown = series.map(({ label, points }) => ({
    label,
    points: points.filter(([across, up]) => across > 0 && up > 0),
  }));
  const points = shown.flatMap((each) => each.points);
  const xs = decades(points.map(([across]) => across));
  const ys = decades([...points.map(([, up]) => up), ...(limit ? [limit.y] : [])]);
  const place = (value: number, [from, to]: readonly [number, number]) =>
    (Math.log10(value) - from) / (to - from);
  const atX = (value: number) => left + (width - left - right) * place(value, xs);
  const atY = (value: number) => height - bottom - (height - top - bottom) * place(value, ys);
  const parts = [text(8, 14, title, "title")];
  for (const tick of powers(xs)) {
    parts.push(line(atX(tick), top, atX(tick), height - bottom, "grid"));
    parts.push(text(atX(tick), height - bottom + 16, tick.toLocaleString("en"), "middle"));
  }
  for (const tick of powers(ys)) {
    parts.push(line(left, atY(tick), width - right, atY(tick), "grid"));
    parts.push(text(left - 6, atY(tick) + 4, tick.toLocaleString("en"), "end"));
  }
  parts.push(text((left + width - right) / 2, height - bottom + 34, x, "middle"));
  if (limit !== undefined) {
    parts.push(line(left, atY(limit.y), width - right, atY(limit.y), "limit"));
    parts.push(text(left + 4, atY(limit.y) - 4, limit.label));
  }
  const legend: string[] = [];
  for (const [index, each] of shown.entries()) {
    const look = `s${index % SERIES}`;
    const path = each.points.map(([across, up]) => `${n(atX(across))},${n(atY(up))}`).join(" ");
    parts.push(`<polyline class="line ${look}" points="${path}"/>`);
    for (const [across, up] of each.points)
      parts.push(`<circle class="point ${look}" cx="${n(atX(across))}" cy="${n(atY(up))}" r="3"/>`);
    const from = left + index * 150;
    legend.push(line(from, 27, from + 22, 27, `line ${look}`), text(from + 28, 31, each.label));
  }
  parts.push(text(8, 31, y));
  return [...parts, ...legend].join("");
}

/** From zero to what is not below this, five to ten steps of 1, 2 or 5 times a power of ten. */
function linearTicks(most: number): readonly number[] {
  const power = 10 ** Math.floor(Math.log10(most || 1));
  const step = [0.1, 0.2, 0.5, 1].map((each) => each * power).find((each) => most / each <= 10) ?? power;
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => n(index * step));
}

/** The powers of ten that are around all of these, as exponents; at least one decade. */
function decades(values: readonly number[]): readonly [number, number] {
  const from = Math.floor(Math.log10(Math.min(...values, Infinity)));
  const to = Math.ceil(Math.log10(Math.max(...values, -Infinity)));
  if (!Number.isFinite(from) || !Number.isFinite(to)) return [0, 1];
  return [from, Math.max(to, from + 1)];
}

function powers([from, to]: readonly [number, number]): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
}

function svg(height: number, title: string, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${n(height)}" width="${WIDTH}" height="${n(height)}" role="img" aria-label="${escape(title)}">
<style>${STYLE}
</style>
${parts.join("\n")}
</svg>
`;
}

function text(x: number, y: number, content: string, look = ""): string {
  return `<text x="${n(x)}" y="${n(y)}"${look === "" ? "" : ` class="${look}"`}>${escape(content)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, look: string): string {
  return `<line class="${look}" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"/>`;
}

/** With one digit behind the point, so that the same figures make the same file. */
function n(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
