// SPDX-License-Identifier: Apache-2.0

/** The style of all pages. Contrast is that of WCAG 2.2 AA in both schemes. */
export const STYLE = `:root {
  color-scheme: light dark;
  --text: #1b1f24; --soft: #57606a; --back: #ffffff; --panel: #f5f7f9; --line: #d3d9df; --link: #0a58ca;
  --good: #116329; --bad: #a40e26; --good-back: #e6f4ea; --bad-back: #fdecee;
  --c0: #2f6fd0; --c1: #b3541e; --c2: #2c7a3f; --c3: #8a4bbf; --c4: #a8327a; --c5: #5c6a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --soft: #a3adb8; --back: #0e1116; --panel: #171c23; --line: #353d47; --link: #79b8ff;
    --good: #6fdd8b; --bad: #ff9ba5; --good-back: #10291a; --bad-back: #351519;
    --c0: #6aa5ff; --c1: #f0955a; --c2: #63c47a; --c3: #c79bf2; --c4: #ee8ac4; --c5: #bccb4a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 68rem; color: var(--text); background: var(--back); font: 1rem/1.55 system-ui, sans-serif; }
a { color: var(--link); text-underline-offset: 0.15em; }
a:focus-visible, summary:focus-visible, pre:focus-visible, input:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 0.5rem; padding: 0.4rem 0.8rem; background: var(--back); }
header { display: flex; flex-wrap: wrap; gap: 0.2rem 1.5rem; align-items: baseline; justify-content: space-between; padding: 0.9rem 0 0.7rem; border-bottom: 1px solid var(--line); }
header p { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.ledger a { color: inherit; text-decoration: none; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: 0.25rem 0; }
h1 { margin: 1.4rem 0 0.6rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 0.6rem; font-size: 1.2rem; }
code { font: 0.92em/1.5 ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.digest { font-size: 0.82em; }
pre { margin: 0.6rem 0; padding: 0.8rem 1rem; overflow-x: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; font-size: 0.9rem; }
pre code { overflow-wrap: normal; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: 0.35rem 1.2rem; margin: 0.6rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
time { white-space: nowrap; }
.numbers { display: flex; flex-wrap: wrap; gap: 0.8rem; padding: 0; margin: 1rem 0; list-style: none; }
.numbers li { flex: 1 1 8rem; padding: 0.7rem 1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; color: var(--soft); }
.numbers strong { display: block; color: var(--text); font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.state { padding: 0.8rem 1rem; border-left: 4px solid var(--good); background: var(--good-back); border-radius: 0 6px 6px 0; overflow-wrap: anywhere; }
.state.moved { border-color: var(--bad); background: var(--bad-back); }
.state p { margin: 0.2rem 0; }
.moves, .tags { padding: 0; list-style: none; }
.moves > li { padding: 0.7rem 0; border-bottom: 1px solid var(--line); }
.moves p { margin: 0.1rem 0; overflow-wrap: anywhere; }
.tags li { padding: 0.15rem 0; overflow-wrap: anywhere; }
.kind { display: inline-block; padding: 0 0.5em; border: 1px solid currentColor; border-radius: 1em; font-size: 0.8rem; font-weight: 600; }
.kind.moved { color: var(--bad); }
.kind.approved, .kind.stands { color: var(--good); }
.note, .none { color: var(--soft); }
.timeline { display: block; margin: 1rem 0; overflow: hidden; }
.timeline text { fill: var(--soft); font: 12px ui-monospace, Menlo, Consolas, monospace; }
.timeline .rail { stroke: var(--line); }
.timeline .now { stroke: var(--soft); stroke-dasharray: 2 4; }
.timeline .band { opacity: 0.45; }
.timeline .approval { stroke: var(--back); stroke-width: 2; }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); } .c4 { fill: var(--c4); } .c5 { fill: var(--c5); }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 0.92rem; }
th:first-child { width: 12.5rem; }
th:last-child { width: 11rem; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 0.45rem 0.8rem 0.45rem 0; vertical-align: top; overflow-wrap: anywhere; }
tbody { border-top: 1px solid var(--line); }
tbody tr + tr td { padding-top: 0; }
td p { margin: 0 0 0.2rem; }
summary { cursor: pointer; color: var(--link); padding: 0.2rem 0; }
.pages { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; margin: 1.2rem 0; }
.search label { display: block; font-weight: 600; }
.search input { width: 100%; max-width: 36rem; padding: 0.55rem 0.7rem; color: inherit; background: var(--panel); border: 1px solid var(--soft); border-radius: 6px; font: inherit; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.9rem; }
@media (max-width: 46rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; left: -100rem; }
  td { padding: 0.15rem 0; }
  tbody { padding: 0.6rem 0; }
  td[data-label]::before { content: attr(data-label); display: block; color: var(--soft); font-size: 0.82rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 0.5rem; }
}
@media print { header nav, .search { display: none; } }
`;

/** The site's icon: three bands of a timeline. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0a58ca"/><path d="M3 4.5h6M6 8h7M3 11.5h10" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>
`;
