// SPDX-License-Identifier: Apache-2.0
import type { Target } from "./target.ts";

/** One check by one program: what is expected to be seen, and how to look, in the words of the table. */
export interface Check {
  readonly expected: string;
  readonly look: (target: Target) => Promise<string>;
}

/** Something that every Sigstore has to do, and that we and other people's tools have to see. */
export interface Row {
  readonly says: string;
  /** Our own code, or a plain request, on the section's first server: once for each target. */
  readonly ours?: Check;
  readonly cosign?: Check;
  readonly rekorCli?: Check;
  /** The same on the section's second server. */
  readonly v2?: { readonly ours?: Check; readonly cosign?: Check };
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What the section is about; Rekor v1 and Rekor v2 when left out. */
  readonly servers?: readonly string[];
}

/** The servers of sections that name none. */
export const LOGS: readonly string[] = ["Rekor v1", "Rekor v2"];
/** Other people's tools, which look at logs. */
export const TOOLS: readonly string[] = ["cosign", "rekor-cli"];

/** A check of a row, by whom and on which of the section's servers. */
export interface PlacedCheck {
  readonly by: string;
  /** 0 or 1. */
  readonly server: number;
  readonly check: Check;
}

/** The checks of a row. */
export function checksOf({ ours, cosign, rekorCli, v2 = {} }: Row): readonly PlacedCheck[] {
  const all = [
    ["ours", 0, ours],
    ["ours", 1, v2.ours],
    ["cosign", 0, cosign],
    ["cosign", 1, v2.cosign],
    ["rekor-cli", 0, rekorCli],
  ] as const;
  return all.flatMap(([by, server, check]) => (check === undefined ? [] : [{ by, server, check }]));
}
