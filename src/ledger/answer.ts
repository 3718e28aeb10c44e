// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { History } from "../record/history.ts";
import type { Trust } from "../record/signer.ts";
import type { Gap } from "./lines.ts";

/**
 * Why a ledger says nothing of a tag.
 *
 * - `ledger-not-there`: the registry has no such ledger
 * - `ledger-unreachable`: the registry gave no answer, or none without other credentials. Retrying may help
 * - `ledger-too-old`: its head is older than the policy allows, or from the future
 * - `ledger-foreign`: its head is signed by somebody else than its observer, or is that of another ledger
 * - `ledger-broken`: its head does not hold, a part does not fit it, or a line of the tag does not hold or is missing
 */
export const LEDGER_FAILURES = [
  "ledger-not-there",
  "ledger-unreachable",
  "ledger-too-old",
  "ledger-foreign",
  "ledger-broken",
] as const;
export type LedgerFailure = (typeof LEDGER_FAILURES)[number];

/** How far a ledger's answer reaches: nobody but its observer can leave out what it saw until then, but for the gap. */
export interface LedgerReach {
  /** The number of the head that the answer was read under. */
  readonly sequence: number;
  /** When that head was in its log, as is proven. */
  readonly loggedAt: Date;
  /** Sightings of the tag that the observer no longer keeps. */
  readonly gap?: Gap;
}

/** What a ledger says of a tag. */
export type LedgerAnswer =
  /** All records of the tag that it has and that count, verified like any other evidence. */
  | { readonly kind: "watched"; readonly history: History; readonly reach?: LedgerReach }
  /** Its head proves that it has no line of the tag. */
  | { readonly kind: "not-watched"; readonly reach?: LedgerReach }
  | { readonly kind: "failed"; readonly reason: LedgerFailure; readonly detail: string };

/** A ledger that a build can ask. */
export interface Ledger {
  /** For messages: `ghcr.io/acme/tlog-ledger`. */
  readonly name: string;
  /** Begins to read it, for whoever knows that it will be asked. */
  start(): void;
  /** Asks it about a tag; once for all of the build where that is enough. Never throws for what it says or does not say. */
  read(subject: Reference, trust: readonly Trust[]): Promise<LedgerAnswer>;
}
