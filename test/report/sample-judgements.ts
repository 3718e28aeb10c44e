// SPDX-License-Identifier: Apache-2.0
import { parseReference } from "../../src/image/reference.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import type { TagRecord } from "../../src/record/record.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import type { Place, PlacedJudgement } from "../../src/report/place.ts";
import type { ToldBuild } from "../../src/report/ways-out.ts";
import type { UnknownReason, Verdict } from "../../src/check/verdict.ts";
import { sampleKey } from "../record/sample-log.ts";

export const ALPINE = "docker.io/library/alpine:3.16.0";
/** What the tag names now. */
export const GOT = `sha256:${"22".repeat(32)}` as const;
/** What it named when it was recorded. */
export const WANT = `sha256:${"c8".repeat(32)}` as const;
export const NO_ANSWER = "POST https://rekor.example.org/api/v1/index/retrieve: connect ECONNREFUSED";
const NOT_SHOWN =
  'GET https://registry-1.docker.io/v2/…: status 401: "…" does not exist or needs credentials';
const BASE = parseReference("registry.example/base:1.0");
const IN_ONBUILD: Place = { kind: "onbuild", by: BASE, written: "alpine:3.16.0" };
const CI = parseIdentity({ issuer: "https://accounts.google.com", identity: "ci@acme.example" });

export const RECORD: TagRecord = {
  reference: ALPINE,
  digest: WANT,
  mediaType: "application/vnd.oci.image.index.v1+json",
  platforms: [],
  observedAt: new Date("2022-06-28T13:30:00Z"),
  uuid: "24296fb24b8ad77a".padEnd(80, "362f8ecb"),
  logIndex: 2_787_137n,
  logId: "c0".repeat(32),
  logUrl: "https://rekor.example.org",
  loggedAt: new Date("2022-06-28T13:30:02Z"),
  signer: { ...sampleKey().signer, fingerprint: `sha256:${"ab12cd34".repeat(8)}` },
  may: new Set(["record", "approve"]),
  strength: "full",
};
const NEWER: TagRecord = {
  ...RECORD,
  digest: GOT,
  logIndex: 3_000_000n,
  loggedAt: new Date("2022-08-09T10:00:00Z"),
};
const APPROVAL: TagRecord = { ...NEWER, supersedes: WANT, reason: "rebuilt for CVE-2022-30065" };

export const BLOCK: Rule = {
  action: "block",
  unseen: "record",
  unknown: "block",
  private: false,
  byDigest: "allow",
  source: "policy.yaml:12",
  why: "dated tags are written once",
};
const PIN: Rule = {
  ...BLOCK,
  action: "pin",
  source: "default: rebuilt version",
  why: "official images are rebuilt under the same version, so the recorded one is used",
};
const FOLLOW: Rule = {
  ...BLOCK,
  action: "follow",
  source: "default: floating tag",
  why: "such tags are made to move, and every change is recorded",
};
const WEEK: Rule = { ...BLOCK, minAge: { days: 7, otherwise: "block" } };
const DAY: Rule = { ...BLOCK, minAge: { days: 1, otherwise: "warn" } };
const KNOWN: Rule = { ...BLOCK, unseen: "block" };
const IGNORE: Rule = { ...BLOCK, action: "ignore", source: "policy.yaml:30", why: "built in this job" };

type Change = Partial<Omit<Judgement, "reference" | "verdict">> & { readonly image?: string };

function judgement(verdict: Verdict, change: Change): Judgement {
  const { image = `${ALPINE}@${GOT}`, ...rest } = change;
  return {
    reference: parseReference(image),
    verdict,
    rule: BLOCK,
    outcome: "refuse",
    rejected: new Map(),
    foreign: [],
    records: [],
    ...rest,
  };
}

const AS_RECORDED: Change = { image: `${ALPINE}@${WANT}`, outcome: "pass" };
const PASS: Change = { outcome: "pass" };
const WARN: Change = { outcome: "warn" };
const moved: Verdict = { kind: "moved", record: RECORD };
const noSigner: Verdict = { kind: "unrecorded", reason: "no-signer", detail: "" };
const byPolicy: Verdict = { kind: "unrecorded", reason: "policy", detail: "" };
const notPublic: Verdict = { kind: "unrecorded", reason: "not-public", detail: NOT_SHOWN };
const localName: Verdict = {
  kind: "unrecorded",
  reason: "internal-name",
  detail:
    'the registry "localhost:5000" is another one on each machine, so it has no history in a log; a policy baked into the frontend may say "private: true" for it',
};
const rateLimited: Verdict = {
  kind: "unrecorded",
  reason: "rate-limited",
  detail: "HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3.16.0: status 429",
};
const differs: Verdict = { kind: "unrecorded", reason: "registry-differs", detail: WANT };
const tooNew: Verdict = { kind: "too-new", record: NEWER, until: new Date("2022-08-16T10:00:00Z") };
const gone: Verdict = { ...moved, gone: `GET …/manifests/${WANT}: status 404: not found` };
const unknown = (reason: UnknownReason, detail: string): Verdict => ({ kind: "unknown", reason, detail });
const unreachable = unknown("unreachable", NO_ANSWER);
const unproven = unknown(
  "unproven",
  "the log has 1 entry of a trusted signer for this tag, but does not prove what was signed or that it took it in; or the trusted root does not have this log",
);
const unsearchable = unknown(
  "unsearchable",
  'no lock file has a record of it, and the log "https://log2025-1.rekor.example.org" has no search',
);
const contradicted = unknown(
  "contradicted",
  `the lock file contradicts the log: it begins with "${GOT}" (log index 3000000), and the log with "${WANT}" (log index 2787137)`,
);
const notCompared = unknown(
  "not-compared",
  "the tag names another digest than recorded, and the registry could not be asked whether that is the same image for linux/amd64: GET https://registry-1.docker.io/v2/…: status 429: too many requests",
);
const noEvidence = unknown("no-evidence", "the image carries no record of this tag");
const LEDGER = "ghcr.io/acme/tlog-ledger";
const notWatched: Verdict = { kind: "unrecorded", reason: "not-watched", detail: `"${LEDGER}"` };
const ledgerNotThere = unknown(
  "ledger-not-there",
  `the ledger "${LEDGER}": the registry has no such repository: GET https://ghcr.io/v2/…: status 404`,
);
const ledgerUnreachable = unknown(
  "ledger-unreachable",
  `the ledger "${LEDGER}": Head "https://ghcr.io/v2/…": dial tcp: i/o timeout`,
);
const ledgerTooOld = unknown(
  "ledger-too-old",
  `the ledger "${LEDGER}": its head is 9 days old (2022-08-01T10:00:00Z), and "max-age: 7d" allows 7 days`,
);
const ledgerForeign = unknown(
  "ledger-foreign",
  `the ledger "${LEDGER}": its head is signed by mallory@acme.example (accounts.google.com), and its observer is ci@acme.example (accounts.google.com)`,
);
const ledgerBroken = unknown(
  "ledger-broken",
  `the ledger "${LEDGER}": the part "${WANT}" that its head names does not fit it`,
);
const SECOND = "registry.example/tlog-ledger";
const DISAGREEING: Change = {
  contradiction: {
    ledgers: [
      { name: LEDGER, digest: WANT, loggedAt: RECORD.loggedAt },
      { name: SECOND, digest: GOT, loggedAt: NEWER.loggedAt },
    ],
  },
};
const UNREAD: Change = {
  unread: [
    { ledger: SECOND, reason: "ledger-unreachable", detail: "the registry gave no answer in 10 seconds" },
  ],
};
const unwritten = unknown(
  "unwritten",
  "not recorded: POST https://rekor.example.org/api/v1/log/entries: the log answered status 400",
);
const WARNING: Change = { ...WARN, rule: { ...BLOCK, unknown: "warn" } };

/** Every row of the table with each outcome that it can have, and with everything that changes its text. */
export const JUDGEMENTS = {
  unchanged: judgement({ kind: "unchanged", record: RECORD }, AS_RECORDED),
  "unchanged, with entries that do not count": judgement(
    { kind: "unchanged", record: RECORD },
    {
      ...AS_RECORDED,
      rejected: new Map([
        ["untrusted-signer", 12],
        ["malformed", 1],
      ]),
    },
  ),
  "unchanged, by a record of tlogistry": judgement(
    { kind: "unchanged", record: { ...RECORD, signer: CI, strength: "tlogistry" } },
    AS_RECORDED,
  ),
  "unchanged for the platforms built": judgement(
    { kind: "unchanged", record: RECORD, note: "same-platforms" },
    PASS,
  ),
  "named by a digest that was superseded": judgement(
    { kind: "unchanged", record: RECORD, note: "superseded" },
    AS_RECORDED,
  ),
  "first-seen": judgement({ kind: "first-seen", record: RECORD }, AS_RECORDED),
  "first-seen, and a stranger saw another image": judgement(
    { kind: "first-seen", record: RECORD },
    { ...AS_RECORDED, foreign: [{ ...NEWER, signer: CI, may: new Set() }] },
  ),
  "first-seen, signed by an identity": judgement(
    { kind: "first-seen", record: { ...RECORD, signer: CI } },
    AS_RECORDED,
  ),
  approved: judgement({ kind: "approved", record: APPROVAL, superseded: RECORD }, PASS),
  "moved, and followed": judgement({ ...moved, newer: NEWER }, { ...PASS, rule: FOLLOW }),
  "moved, and followed without a record": judgement(moved, { ...PASS, rule: FOLLOW }),
  pinned: judgement({ kind: "pinned", record: RECORD, served: GOT }, { ...AS_RECORDED, rule: PIN }),
  "pinned, with a warning": judgement(
    { kind: "pinned", record: { ...RECORD, signer: CI }, served: GOT },
    { ...AS_RECORDED, ...WARN, rule: PIN },
  ),
  "pinned to an image that is gone": judgement(gone, { rule: PIN }),
  "pinned to an image that is gone, and only observed": judgement(gone, { ...WARN, rule: PIN }),
  moved: judgement(moved, {}),
  "moved, recorded by an identity": judgement({ ...moved, record: { ...RECORD, signer: CI } }, {}),
  "moved, latest of a registry with a port": judgement(moved, {
    image: `localhost:5000/team/app:latest@${GOT}`,
  }),
  "moved, named by an ONBUILD": { ...judgement(moved, {}), places: [IN_ONBUILD] },
  "moved, named by an ONBUILD, and only observed": { ...judgement(moved, WARN), places: [IN_ONBUILD] },
  "moved, named in a stage": {
    ...judgement(moved, {}),
    places: [
      { kind: "words", before: "FROM --platform=linux/amd64 ", written: "alpine:3.16.0", after: " AS base" },
    ],
  },
  "moved, named by COPY and by a mount": {
    ...judgement(moved, {}),
    places: [
      { kind: "words", before: "--from=", written: "alpine:3.16.0", after: "" },
      {
        kind: "words",
        before: "--mount=type=bind,from=",
        written: `alpine:3.16.0@${GOT}`,
        after: ",target=/m",
      },
    ],
  },
  "moved, named by an ARG": {
    ...judgement(moved, {}),
    places: [{ kind: "variable", name: "BASE", written: "alpine:3.16.0", isGiven: false }],
  },
  "moved, named by --build-arg": {
    ...judgement(moved, {}),
    places: [{ kind: "variable", name: "BASE", written: "alpine:3.16.0", isGiven: true }],
  },
  "moved, a named context without a tag": {
    ...judgement(moved, { image: `localhost:5000/team/app:latest@${GOT}` }),
    places: [{ kind: "context", name: "app", written: "localhost:5000/team/app" }],
  },
  "moved, the SBOM generator": {
    ...judgement(moved, {}),
    places: [{ kind: "generator", written: "alpine:3.16.0" }],
  },
  "moved, with an entry that does not count": judgement(moved, {
    rejected: new Map([["untrusted-signer", 1]]),
  }),
  "moved, and strangers saw other images": judgement(moved, {
    foreign: ["33", "44"].map((hex) => ({ ...NEWER, digest: `sha256:${hex.repeat(32)}` as const })),
  }),
  "moved, and only observed": judgement(moved, WARN),
  "moved, and the rule warns": judgement(moved, { ...WARN, rule: { ...BLOCK, action: "warn" } }),
  "moved, and the rule warns, where age is wanted": judgement(moved, {
    rule: { ...WEEK, action: "warn" },
  }),
  "too new": judgement(tooNew, { rule: WEEK }),
  "too new, and the rule warns": judgement(tooNew, { ...WARN, rule: DAY }),
  "unrecorded, nothing to sign with": judgement(noSigner, { rule: KNOWN }),
  "unrecorded, nothing to sign with, with a warning": judgement(noSigner, WARN),
  "unrecorded, nothing to sign with, let through": judgement(noSigner, PASS),
  "unrecorded, nothing to sign with, where age is wanted": judgement(noSigner, { rule: WEEK }),
  "unrecorded, by policy": judgement(byPolicy, { rule: KNOWN }),
  "unrecorded, by policy, and only observed": judgement(byPolicy, { ...WARN, rule: KNOWN }),
  "unrecorded, by policy, let through": judgement(byPolicy, PASS),
  "unrecorded, not public": judgement(notPublic, { rule: KNOWN }),
  "unrecorded, not public, with a warning": judgement(notPublic, WARN),
  "unrecorded, not public, let through": judgement(notPublic, PASS),
  "unrecorded, an internal name": judgement(localName, {
    image: `localhost:5000/team/app:1@${GOT}`,
    rule: KNOWN,
  }),
  "unrecorded, a registry that wants fewer questions": judgement(rateLimited, PASS),
  "unrecorded, an internal name, let through": judgement(localName, {
    ...PASS,
    image: `localhost:5000/team/app:1@${GOT}`,
  }),
  "unrecorded, by policy, of a tag that is followed": judgement(byPolicy, {
    rule: { ...FOLLOW, unseen: "block" },
  }),
  "unrecorded, the registry differs": judgement(differs, { rule: KNOWN }),
  "unrecorded, the registry differs, with a warning": judgement(differs, WARN),
  "unrecorded, the registry differs, let through": judgement(differs, PASS),
  "unknown, no answer": judgement(unreachable, {}),
  "unknown, no answer, with a warning": judgement(unreachable, WARNING),
  "unknown, where images are not named by digest alone": judgement(unreachable, {
    rule: { ...BLOCK, byDigest: "block" },
  }),
  "unknown, not compared": judgement(notCompared, {}),
  "unknown, not compared, with a warning": judgement(notCompared, WARNING),
  "unknown, no evidence": judgement(noEvidence, {}),
  "unknown, not proven": judgement(unproven, { rejected: new Map([["not-in-log", 1]]) }),
  "unknown, not proven, with a warning": judgement(unproven, WARNING),
  "unknown, not in a lock file": judgement(unsearchable, {}),
  "unknown, not in a lock file, with a warning": judgement(unsearchable, WARNING),
  "unknown, the lock file says otherwise": judgement(contradicted, {}),
  "unknown, the lock file says otherwise, with a warning": judgement(contradicted, WARNING),
  "unknown, not written": judgement(unwritten, {}),
  "unknown, not written, with a warning": judgement(unwritten, WARNING),
  "unrecorded, in no ledger": judgement(notWatched, { rule: KNOWN }),
  "unrecorded, in no ledger, with a warning": judgement(notWatched, WARN),
  "unrecorded, in no ledger, let through": judgement(notWatched, PASS),
  "unknown, a ledger is not there": judgement(ledgerNotThere, {}),
  "unknown, a ledger is not there, with a warning": judgement(ledgerNotThere, WARNING),
  "unknown, a ledger cannot be asked": judgement(ledgerUnreachable, {}),
  "unknown, a ledger cannot be asked, with a warning": judgement(ledgerUnreachable, WARNING),
  "unknown, a ledger is too old": judgement(ledgerTooOld, {}),
  "unknown, a ledger is too old, with a warning": judgement(ledgerTooOld, WARNING),
  "unknown, a ledger of somebody else": judgement(ledgerForeign, {}),
  "unknown, a ledger of somebody else, with a warning": judgement(ledgerForeign, WARNING),
  "unknown, a ledger does not hold": judgement(ledgerBroken, UNREAD),
  "unknown, a ledger does not hold, with a warning": judgement(ledgerBroken, WARNING),
  "moved, and ledgers do not agree": judgement(moved, DISAGREEING),
  "moved, and a ledger could not be read": judgement(moved, UNREAD),
  "as recorded, and ledgers do not agree": judgement(
    { kind: "unchanged", record: RECORD },
    { ...AS_RECORDED, ...DISAGREEING },
  ),
  unpinned: judgement({ kind: "unpinned", detail: "" }, { image: "localhost:5000/team/app:1" }),
  "unpinned, with a reason": judgement(
    { kind: "unpinned", detail: "it is in the local image store only" },
    { image: "team/app" },
  ),
  "unpinned, and only observed": judgement(
    { kind: "unpinned", detail: "" },
    { ...WARN, image: "localhost:5000/team/app:1" },
  ),
  "by-digest": judgement({ kind: "by-digest" }, { ...PASS, image: `alpine@${GOT}` }),
  "by-digest, where that is blocked": judgement(
    { kind: "by-digest" },
    { image: `alpine@${GOT}`, rule: { ...BLOCK, byDigest: "block" } },
  ),
  exempt: judgement({ kind: "exempt" }, { ...PASS, rule: IGNORE }),
  "exempt, of an image without a digest": judgement(
    { kind: "exempt" },
    { ...PASS, image: "app:dev", rule: IGNORE },
  ),
} satisfies Readonly<globalThis.Record<string, PlacedJudgement>>;

/** A build that says nothing special. */
export const TOLD: ToldBuild = {
  frontend: "registry.example/tlog-dockerfile",
  platform: undefined,
  policyArgs: [],
  policyMissing: [],
  options: [],
  missing: [],
  context: ".",
  hasLock: false,
  isSearched: true,
};
