// SPDX-License-Identifier: Apache-2.0
import type { Progress } from "../program/progress.ts";
import type { ObserverConfiguration } from "./configuration.ts";
import type { ObserverEvent, RunSummary } from "./event.ts";

/** What a run tells, and is told. */
export interface RunIo {
  /** Ends the run: what was seen until then is kept, and nothing new is begun. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Told at once, in any order. The summary is not among them: it is what the run resolves with. */
  readonly onEvent: (event: Exclude<ObserverEvent, { readonly event: "summary" }>) => void;
  readonly onProgress: (progress: Progress) => void;
  /** Whether registries and the ledger are only read: nothing is signed, logged or pushed. */
  readonly dryRun: boolean;
}

/**
 * Looks at all tags once. What cannot be asked or recorded is an event and a number of the summary. Rejects with an error
 * whose message is for people, when the run cannot even begin: no key, a ledger that is forked or not readable.
 */
export type RunOnce = (configuration: ObserverConfiguration, io: RunIo) => Promise<RunSummary>;
