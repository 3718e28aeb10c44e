// SPDX-License-Identifier: Apache-2.0
import type { ObserverEvent, RunSummary } from "../../src/observer/event.ts";

const OLD = `sha256:${"a".repeat(64)}`;
const NEW = `sha256:${"b".repeat(64)}`;
const AT = { time: "2026-03-01T06:00:04.120Z", image: "docker.io/library/alpine:3.21" };
const LOGGED = { log: "https://rekor.example", logIndex: 42 };

/** The summary of a run in which all was well. */
export const QUIET: RunSummary = {
  tags: 1,
  unchanged: 1,
  firstSeen: 0,
  moved: 0,
  gone: 0,
  returned: 0,
  approved: 0,
  notAsked: 0,
  notRecorded: 0,
  notTags: 0,
  milliseconds: 1_940,
};

/** One event of each kind, and the line that people see of it, after the time. */
export const EVENTS: readonly (readonly [event: ObserverEvent, line: string])[] = [
  [
    { event: "first-seen", ...AT, digest: NEW, ...LOGGED },
    `first-seen   docker.io/library/alpine:3.21 ${NEW} (https://rekor.example, index 42)`,
  ],
  [
    { event: "moved", ...AT, from: OLD, to: NEW, log: "https://rekor.example" },
    `moved        docker.io/library/alpine:3.21 from ${OLD} to ${NEW} (https://rekor.example)`,
  ],
  [{ event: "gone", ...AT, digest: OLD }, `gone         docker.io/library/alpine:3.21, which named ${OLD}`],
  [{ event: "returned", ...AT, digest: OLD }, `returned     docker.io/library/alpine:3.21 ${OLD}`],
  [
    { event: "approved", ...AT, digest: NEW, supersedes: OLD, signer: "security@acme.example", ...LOGGED },
    `approved     docker.io/library/alpine:3.21 ${NEW} instead of ${OLD}, by security@acme.example (https://rekor.example, index 42)`,
  ],
  [
    { event: "not-asked", time: AT.time, image: "docker.io/library/node", why: "status 429" },
    "not-asked    docker.io/library/node: status 429",
  ],
  [
    { event: "not-recorded", ...AT, digest: NEW, why: "the log answered 503" },
    `not-recorded docker.io/library/alpine:3.21 ${NEW}: the log answered 503`,
  ],
  [
    { event: "not-recorded", time: AT.time, why: "the token expired" },
    "not-recorded nothing of this run: the token expired",
  ],
  [{ event: "summary", time: AT.time, ...QUIET }, "summary      1 tag in 1.9 s: 1 unchanged"],
  [
    {
      event: "summary",
      time: AT.time,
      tags: 41,
      unchanged: 33,
      firstSeen: 1,
      moved: 2,
      gone: 3,
      returned: 1,
      approved: 4,
      notAsked: 1,
      notRecorded: 5,
      notTags: 2,
      dryRun: true,
      milliseconds: 61_000,
    },
    "summary      41 tags in 61.0 s: 33 unchanged, 1 first seen, 2 moved, 3 gone, 1 returned, 4 approved, 1 not asked, 5 not recorded; 2 listed names are no tags; a dry run, nothing was signed, logged or pushed",
  ],
];
