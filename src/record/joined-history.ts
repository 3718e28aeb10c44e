// SPDX-License-Identifier: Apache-2.0
import type { History } from "./history.ts";
import { inLogOrder } from "./log-order.ts";
import { signerId } from "./signer.ts";
import type { Record } from "./verification.ts";

/**
 * One history out of what two places know of a tag: all records of both in log order, each sighting once, with its
 * earliest time. What was rejected cannot be told apart, and two places mostly know the same of it: the larger count is
 * taken.
 */
export function joinHistories(one: History, other: History): History {
  const sightings = new Set<string>();
  const records = inLogOrder([...one.records, ...other.records]).filter((record) => {
    const sighting = sightingId(record);
    const isFirst = !sightings.has(sighting);
    sightings.add(sighting);
    return isFirst;
  });
  const rejected = new Map(one.rejected);
  for (const [code, count] of other.rejected) rejected.set(code, Math.max(rejected.get(code) ?? 0, count));
  return { records, rejected };
}

/** What tells sightings apart: two records with the same text are copies of one envelope. */
function sightingId({ signer, reference, digest, observedAt, supersedes }: Record): string {
  return JSON.stringify([signerId(signer), reference, digest, observedAt.getTime(), supersedes ?? ""]);
}
