// SPDX-License-Identifier: Apache-2.0
import type { RawEntry } from "../src/log/rekor-v1.ts";
import { CourierError } from "../src/courier/client/channel.ts";
import type { LedgerFailure } from "../src/ledger/answer.ts";
import type { LogService } from "../src/log/signing-config.ts";
import { type Image, type Logged, type Person, type Situation, TODAY } from "./situation.ts";

const saw = (day: number, image: Image, by: Person = "ci"): Logged => ({ day, by, saw: image });
const approved = (day: number, image: Image, approving: Image, by: Person = "lead"): Logged => ({
  ...saw(day, image, by),
  approving,
});
const FIRST = [saw(0, "A")];
const ASKED = "POST https://rekor.example.org/api/v1/index/retrieve: connect ECONNREFUSED 192.0.2.7:443";
const UNREADABLE = "GET https://registry-1.docker.io/v2/library/busybox/manifests/1.36.1: status 503";
const REFUSED = 'POST https://rekor.example.org/api/v1/log/entries: the log answered "(400) not here"';
const TOO_MANY =
  "GET https://registry-1.docker.io/v2/library/debian/manifests/…: status 429: too many requests from this address; try again later";
const TOO_MANY_FIRST =
  "HEAD https://registry-1.docker.io/v2/library/busybox/manifests/1.36.1: status 429; ask again in 60 s";
const DENIED =
  'GET https://registry.example.org/v2/team/app/manifests/2.0.0: status 401: "team/app" does not exist or needs credentials';
export const DOWN = new CourierError("unreachable", ASKED);
const WEEK = "default: { min-age: 7 }\n";
const V2: LogService = { url: "https://log2026.example.org", api: 2 };

const withoutProof = (entries: readonly RawEntry[]): readonly RawEntry[] =>
  entries.map(({ uuid, entry }) => ({ uuid, entry: { ...(entry as object), attestation: undefined } }));

const SEEN = [saw(0, "A", "observer")];
const LEDGER_ALONE = { trustsNobody: true } as const;
const LEDGER_TROUBLE: readonly (readonly [LedgerFailure, string])[] = [
  ["ledger-not-there", "is not there"],
  ["ledger-unreachable", "cannot be asked"],
  ["ledger-too-old", "is older than the policy allows"],
  ["ledger-foreign", "is signed by somebody else than its observer"],
  ["ledger-broken", "was changed after its observer had written it"],
];

export const SITUATIONS: readonly Situation[] = [
  {
    image: "alpine:3.20.0",
    happened: "seen for the first time; the build can sign",
    names: "A",
    signs: "ci",
  },
  {
    image: "debian:bookworm-20240701-slim",
    happened: "seen for the first time; nothing to sign with",
    names: "A",
  },
  {
    image: "grafana/grafana:11.1.0",
    happened: "seen for the first time; the policy wants tags that somebody recorded",
    names: "A",
    signs: "ci",
    policy: "default: { unseen: block }\n",
  },
  {
    image: "quay.io/keycloak/keycloak:25.0.1",
    happened: "seen for the first time, by two builds at once; the other was first, with another image",
    names: "A",
    signs: "ci",
    meanwhile: saw(TODAY, "B", "lead"),
  },
  { image: "ubuntu:jammy-20240627.1", happened: "unchanged", names: "A", log: FIRST },
  {
    image: "alpine:3.19.2",
    happened: "unchanged; strangers wrote about it in the log before and after",
    names: "A",
    log: [saw(0, "B", "stranger"), saw(1, "A"), saw(2, "C", "stranger")],
  },
  {
    image: "alpine:3.19.2",
    happened: "seen for the first time by who is trusted; a stranger saw another image before",
    names: "A",
    log: [saw(3, "B", "stranger")],
    signs: "ci",
  },
  { image: "debian:bookworm-20240701", happened: "moved", names: "B", log: FIRST },
  { image: "alpine:3.20.0", happened: "moved", names: "B", log: FIRST },
  { image: "acme/app:1.4-immutable", happened: "moved", names: "B", log: FIRST },
  { image: "ghcr.io/acme/app:sha-0f9e8d7", happened: "moved", names: "B", log: FIRST },
  { image: "acme/app:build-42", happened: "moved", names: "B", log: FIRST },
  { image: "acme/app:1.2.3", happened: "moved", names: "B", log: FIRST },
  { image: "node:22.4.1-bookworm", happened: "moved: rebuilt by its publisher", names: "B", log: FIRST },
  {
    image: "node:22.4.1-bookworm",
    happened: "moved, and the recorded image is deleted",
    names: "B",
    log: FIRST,
    isGone: true,
  },
  {
    image: "python:3.13.0rc2",
    happened: "moved, and moved back",
    names: "A",
    log: [saw(0, "A"), saw(9, "B")],
  },
  { image: "acme/app:q4x7f9z2", happened: "moved", names: "B", log: FIRST },
  { image: "alpine", happened: "moved; the build can sign", names: "B", log: FIRST, signs: "ci" },
  { image: "node:22", happened: "moved; nothing to sign with", names: "B", log: FIRST },
  {
    image: "node:22",
    happened: "moved; the build can sign, and the policy wants images that somebody recorded",
    names: "B",
    log: FIRST,
    signs: "ci",
    policy: "default: { unseen: block }\n",
  },
  {
    image: "debian:bookworm",
    happened: "moved back to what it was first; the build can sign",
    names: "A",
    log: [saw(0, "A"), saw(9, "B")],
    signs: "ci",
  },
  {
    image: "postgres:16.3",
    happened: "as it was seen last; it was another image at first",
    names: "B",
    log: [saw(0, "A"), saw(9, "B")],
  },
  {
    image: "bitnami/redis:7.2.5-debian-12-r2",
    happened: "moved, and somebody who may has approved it",
    names: "B",
    log: [saw(0, "A"), approved(9, "B", "A")],
  },
  {
    image: "bitnami/redis:7.2.5-debian-12-r2",
    happened: "moved, and somebody who may only record has approved it",
    names: "B",
    log: [saw(0, "A"), approved(9, "B", "A", "ci")],
  },
  {
    image: "acme/app:2.0.0",
    happened: "moved, and approved now, while the lock file is updated",
    names: "B",
    log: FIRST,
    signs: "lead",
    approval: { of: "B", reason: "rebuilt for CVE-2024-0001" },
  },
  {
    image: "acme/app:2.0.0",
    happened: "another image was approved, which is taken back now: the Dockerfile has the old digest",
    names: "B",
    digest: { of: "A" },
    log: [saw(0, "A"), approved(9, "B", "A")],
    signs: "lead",
    approval: { of: "A", reason: "the new one breaks TLS" },
  },
  {
    image: "alpine:3.20.0",
    happened: "another image was approved, and the tag is back at the first one",
    names: "A",
    log: [saw(0, "A"), approved(9, "B", "A")],
  },
  {
    image: "alpine:3.20.0",
    happened: "named with the digest that was superseded by an approval",
    names: "B",
    digest: { of: "A" },
    log: [saw(0, "A"), approved(9, "B", "A")],
  },
  {
    image: "alpine:3.20.0",
    happened: "named with a digest that the tag never had",
    names: "A",
    digest: { of: "C" },
    log: FIRST,
  },
  {
    image: "python:3.12.4",
    happened: "another index: only arm64 was built anew, and this build is for amd64",
    names: "A'",
    log: FIRST,
  },
  {
    image: "debian:bookworm-20240701",
    happened: "another index, and the registry answers no more questions today",
    names: "A'",
    log: FIRST,
    comparing: new CourierError("rate-limited", TOO_MANY),
  },
  { image: "alpine:3.20.0", happened: "the log is down", names: "A", log: FIRST, logIsDown: true },
  {
    image: "acme/app:1.2.3",
    happened: 'the log is down, and the policy says "unknown: warn"',
    names: "A",
    log: FIRST,
    logIsDown: true,
    policy: "default: { unknown: warn }\n",
  },
  {
    image: "ubuntu:jammy-20240627.1",
    happened: "the log shows a record without what proves it",
    names: "A",
    log: FIRST,
    shown: withoutProof,
  },
  {
    image: "debian:bookworm-20240701",
    happened: "the only log has no search, and there is no lock file",
    names: "A",
    logs: [V2],
  },
  {
    image: "busybox:1.36.1",
    happened: "seen for the first time; the registry does not answer",
    names: "A",
    signs: "ci",
    registry: new CourierError("unreachable", UNREADABLE),
  },
  {
    image: "busybox:1.36.1",
    happened: "seen for the first time; the registry wants fewer questions",
    names: "A",
    signs: "ci",
    registry: new CourierError("rate-limited", TOO_MANY_FIRST),
  },
  {
    image: "busybox:1.36.1",
    happened: "seen for the first time; the log does not take the record",
    names: "A",
    signs: "ci",
    refusal: new CourierError("refused", REFUSED),
  },
  {
    image: "registry.example.org/team/app:2.0.0",
    happened: "seen for the first time; the registry wants credentials",
    names: "A",
    signs: "ci",
    registry: new CourierError("needs-credentials", DENIED),
  },
  {
    image: "registry.example.org/team/app:2.0.0",
    happened: 'the same, and its rule says "private: true"',
    names: "A",
    signs: "ci",
    registry: new CourierError("needs-credentials", DENIED),
    policy: 'rules: [{ match: "registry.example.org/team/**", private: true }]\n',
  },
  {
    image: "localhost:5000/team/app:1.0.0",
    happened: "seen for the first time; the build can sign",
    names: "A",
    signs: "ci",
  },
  {
    image: "registry.corp/team/app:1.0.0",
    happened: "seen for the first time; the build can sign, and the log is public",
    names: "A",
    signs: "ci",
  },
  {
    image: "registry.corp/team/app:1.0.0",
    happened: "the same, and the log is a private one",
    names: "A",
    signs: "ci",
    logs: [{ url: "https://rekor.example.org", api: 1, private: true }],
  },
  { image: "team/app:1.0.0", happened: "built on this machine, in a store without digests", signs: "ci" },
  {
    image: "node:20.15.1",
    happened: "seen for the first time; the builder's mirror has another image than the registry",
    names: "A",
    registry: "B",
    signs: "ci",
  },
  {
    image: "acme/app:3.1.0",
    happened: "recorded two days ago, and the policy wants seven",
    names: "A",
    log: [saw(38, "A")],
    policy: WEEK,
  },
  {
    image: "acme/app:3.1.0",
    happened: "the same, and an observer vouches for it",
    names: "A",
    log: [saw(38, "A"), saw(39, "A", "observer")],
    policy: WEEK,
  },
  {
    image: "alpine:edge",
    happened: "moved; nothing to sign with, and the policy wants records of seven days",
    names: "B",
    log: FIRST,
    policy: WEEK,
  },
  {
    image: "alpine:3.20.0",
    happened: "in the lock file; the log is down",
    names: "A",
    log: FIRST,
    locked: [0, 1],
    logIsDown: true,
  },
  {
    image: "debian:bookworm-20240701",
    happened: "moved; it is in the lock file, and the log is down",
    names: "B",
    log: FIRST,
    locked: [0, 1],
    logIsDown: true,
  },
  {
    image: "debian:bookworm-20240701",
    happened: "not in the lock file; the log has it",
    names: "A",
    log: FIRST,
    locked: [0, 0],
  },
  {
    image: "debian:bookworm-20240701",
    happened: "moved; its first line was deleted from the lock file, and the log is asked as well",
    names: "B",
    log: [saw(0, "A"), saw(9, "B")],
    locked: [1, 2],
    policy: "recheck: always\n",
  },
  {
    image: "acme/builder:dev",
    happened: 'moved, and its rule says "action: ignore"',
    names: "B",
    log: FIRST,
    policy: 'rules: [{ match: "acme/builder", action: ignore }]\n',
  },
  {
    image: "acme/tools:1.0.0",
    happened: 'moved, and its rule says "action: warn"',
    names: "B",
    log: FIRST,
    policy: 'rules: [{ match: "acme/tools", action: warn }]\n',
  },
  { image: "alpine", happened: "named by digest alone", names: "A", digest: { of: "A", only: true } },
  {
    image: "alpine",
    happened: 'named by digest alone, and the policy says "by-digest: block"',
    names: "A",
    digest: { of: "A", only: true },
    policy: "default: { by-digest: block }\n",
  },
  {
    image: "mcr.microsoft.com/dotnet/sdk:8.0.302-jammy",
    happened: "recorded by others; the policy names nobody, and there is nothing to sign with",
    names: "B",
    log: FIRST,
    trustsNobody: true,
  },
  {
    image: "alpine:3.20.0",
    happened: "the ledger has it; nothing to sign with, and the policy names nobody",
    names: "A",
    log: SEEN,
    ...LEDGER_ALONE,
    ledgers: ["seen"],
  },
  {
    image: "alpine:3.20.0",
    happened: "moved since the ledger's observer saw it; nothing to sign with, and the policy names nobody",
    names: "B",
    log: SEEN,
    ...LEDGER_ALONE,
    ledgers: ["seen"],
  },
  {
    image: "alpine:3.20.0",
    happened: "one of two ledgers has it, and the other one cannot be asked",
    names: "A",
    log: SEEN,
    ...LEDGER_ALONE,
    ledgers: ["seen", "ledger-unreachable"],
  },
  {
    image: "busybox:1.36.1",
    happened: "in no ledger; nothing to sign with, and the policy names nobody",
    names: "A",
    ...LEDGER_ALONE,
    ledgers: ["not-watched"],
  },
  {
    image: "busybox:1.36.1",
    happened: "in no ledger; the build can sign",
    names: "A",
    signs: "ci",
    ...LEDGER_ALONE,
    ledgers: ["not-watched"],
  },
  ...LEDGER_TROUBLE.map(([reason, happened]) => ({
    image: "busybox:1.36.1",
    happened: `the only ledger ${happened}`,
    names: "A" as const,
    ...LEDGER_ALONE,
    ledgers: [reason],
  })),
];
