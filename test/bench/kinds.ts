// SPDX-License-Identifier: Apache-2.0

/** A kind of builds that is compared with the others. */
export interface Kind {
  /** In JSON, and of the directory with its Dockerfile. */
  readonly name: string;
  /** In tables. */
  readonly label: string;
  readonly frontend: Frontend;
  /** Whether `tlog.lock` lies beside the Dockerfile. */
  readonly hasLockFile?: true;
  /** Whether each build names tags that no log has, and signs: then nothing can come from a record. */
  readonly records?: true;
  /** The most that its median may be. */
  readonly target?: Target;
}

/** The frontend's image: none is named, the upstream one, or ours as an organisation has it. */
export type Frontend = "none" | "upstream" | "ledger" | AskingFrontend;

/** Our frontend with a policy that names the log. */
export interface AskingFrontend {
  /** Milliseconds by which each answer of the log is delayed; undefined: it is asked without the counting proxy. */
  readonly delayMs?: number;
  /** More lines of the policy. */
  readonly policy?: string;
}

/** So many times the median of the upstream frontend, or so many round trips above the kind of this name. */
export type Target =
  | { readonly toUpstream: number }
  | { readonly roundTrips: number; readonly above: string };

/** How long the slow log waits before each answer, in milliseconds. */
export const SLOW_MS = 100;

/** The log is asked in each build, whatever the builder remembers. */
const ANEW = "recheck: always\n";

/** A row for each kind; the first builds of a round are those of one row after the other. */
export const KINDS: readonly Kind[] = [
  { name: "none", label: "no syntax line", frontend: "none" },
  { name: "upstream", label: "upstream frontend", frontend: "upstream" },
  {
    name: "locked",
    label: "tlog-dockerfile, lock file",
    frontend: {},
    hasLockFile: true,
    target: { toUpstream: 1.22 },
  },
  { name: "ledger", label: "tlog-dockerfile, ledger", frontend: "ledger", target: { toUpstream: 1.25 } },
  { name: "remembered", label: "tlog-dockerfile, remembered", frontend: {}, target: { toUpstream: 1.3 } },
  { name: "log", label: "tlog-dockerfile, log", frontend: { policy: ANEW }, target: { toUpstream: 1.5 } },
  {
    name: "slow-log",
    label: `tlog-dockerfile, log at ${SLOW_MS} ms`,
    frontend: { delayMs: SLOW_MS, policy: ANEW },
    target: { roundTrips: 2, above: "log" },
  },
];

/** First recordings with a key, which are timed when that is asked for. */
export const RECORDING_KINDS: readonly Kind[] = [
  { name: "recording", label: "first recording, log", frontend: { delayMs: 0 }, records: true },
  {
    name: "slow-recording",
    label: `first recording, log at ${SLOW_MS} ms`,
    frontend: { delayMs: SLOW_MS },
    records: true,
  },
];

/** How much more than the target a build of many images may take, as a ratio to upstream. */
const FOR_MANY = 0.05;
const MANY = 50;

/** The most that the median of this kind may be, in a build of so many images; undefined without a target. */
export function targetFor({ target }: Kind, images: number): Target | undefined {
  if (target === undefined || "roundTrips" in target || images < MANY) return target;
  return { toUpstream: target.toUpstream + FOR_MANY };
}
