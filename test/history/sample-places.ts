// SPDX-License-Identifier: Apache-2.0
import type { PlaceSaid } from "../../src/history/timeline.ts";
import { parseReference } from "../../src/image/reference.ts";
import { type History, readHistory } from "../../src/record/history.ts";
import type { Trust } from "../../src/record/signer.ts";
import type { Sighting } from "../../src/record/statement.ts";
import {
  ALPINE,
  DIGEST,
  foundEntries,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  type SampleKey,
  sampleLog,
  sighting,
} from "../record/sample-log.ts";

export const THIRD_DIGEST = `sha256:${"33".repeat(32)}` as const;

/** A day after the first sighting for each. */
export const DAY_MS = 86_400_000;

export const builder: SampleKey = sampleKey();
export const approver: SampleKey = sampleKey();
export const stranger: SampleKey = sampleKey();

const TRUST: readonly Trust[] = [
  { signer: builder.signer, may: new Set(["record"]) },
  { signer: approver.signer, may: new Set(["approve", "vouch"]) },
];

/** What one of these did on a day, counted from that of the first sighting on. */
export interface Done extends Partial<Sighting> {
  readonly by?: SampleKey;
  readonly day?: number;
}

/** The history of alpine:3.16.0 that a log has after all this, seen by one who knows only some of the entries. */
export function loggedHistories(all: readonly Done[]): (some?: readonly number[]) => History {
  const log = sampleLog();
  const entries = all.map(({ by = builder, day = 0, ...change }) => {
    const observedAt = new Date(OBSERVED.getTime() + day * DAY_MS);
    log.now = new Date(observedAt.getTime() + 2_000);
    return log.record(sighting({ observedAt, ...change }), by);
  });
  return (some = all.map((_, index) => index)) =>
    readHistory(
      foundEntries(
        log,
        entries.filter((_, index) => some.includes(index)),
      ),
      {
        subject: parseReference(ALPINE),
        trust: TRUST,
        trustedRoot: log.trustedRoot,
      },
    );
}

/** A tag that was seen, moved, was seen so again, and approved; an approval in vain behind it. */
export const MOVED: readonly Done[] = [
  { digest: DIGEST },
  { digest: OTHER_DIGEST, day: 1, by: stranger },
  { digest: OTHER_DIGEST, day: 2 },
  { digest: OTHER_DIGEST, day: 3 },
  { digest: OTHER_DIGEST, day: 4, by: approver, supersedes: DIGEST, reason: "CVE-2026-1 is fixed in it" },
  { digest: THIRD_DIGEST, day: 5, by: approver, supersedes: DIGEST },
  { digest: THIRD_DIGEST, day: 6, by: approver },
];

/** The three kinds of places with what they have. */
export function threePlaces(histories: {
  readonly lock: History;
  readonly ledger: History;
  readonly log: History;
}): readonly PlaceSaid[] {
  const loggedAt = new Date("2022-07-10T00:00:00Z");
  return [
    { kind: "lock-file", name: "tlog.lock", history: histories.lock },
    {
      kind: "ledger",
      name: "ghcr.io/acme/tlog-ledger",
      history: histories.ledger,
      reach: { sequence: 12, loggedAt },
    },
    { kind: "log", name: "https://rekor.example.org", history: histories.log },
  ];
}
