// SPDX-License-Identifier: Apache-2.0
import type { Target } from "./target.ts";

/** One check by one program: what is expected to be seen, and how to look, in the words of the table. */
export interface Check {
  readonly expected: string;
  readonly look: (target: Target) => Promise<string>;
}

/** Something that every log has to do, and that we and other people's tools have to see. */
export interface Row {
  readonly says: string;
  /** Our own code, or a plain request: once for each target. */
  readonly ours?: Check;
  readonly cosign?: Check;
  readonly rekorCli?: Check;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The checks of a row by the name of who makes them. */
export function checksOf({ ours, cosign, rekorCli }: Row): ReadonlyMap<string, Check> {
  const all = { ours, cosign, "rekor-cli": rekorCli };
  return new Map(Object.entries(all).flatMap(([by, check]) => (check === undefined ? [] : [[by, check]])));
}
