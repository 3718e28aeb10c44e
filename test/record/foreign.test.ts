// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { type History, joinHistories, readHistory } from "../../src/record/history.ts";
import type { Evidence } from "../../src/record/record.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import {
  certify,
  rootWith,
  type SampleAuthority,
  sampleAuthority,
  signCertified,
} from "./sample-identity.ts";
import {
  ALPINE,
  type AnsweredEntry,
  DIGEST,
  foundEntries,
  OTHER_DIGEST as OTHER,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";

const trusted = sampleKey();
const stranger = sampleKey();
const CI = { issuer: "https://accounts.google.com", identity: "eve@other.example" };
const numbered = (number: number) => sha256(`image ${number}`);

let authority: SampleAuthority;
let unknown: SampleAuthority;
beforeAll(async () => {
  authority = await sampleAuthority();
  unknown = await sampleAuthority();
});

/** What a log has of the tag for who trusts one key. */
function read(evidence: readonly Evidence[], trustedRoot: TrustedRoot): History {
  const trust = trusting(trusted.signer);
  return readHistory(evidence, { subject: parseReference(ALPINE), trust, trustedRoot });
}

function record(log: SampleLog, digest: typeof DIGEST, key: SampleKey = stranger): void {
  log.now = new Date(log.now.getTime() + 1000);
  log.record(sighting({ digest, observedAt: log.now }), key);
}

const allOf = (log: SampleLog): readonly Evidence[] => foundEntries(log, log.log.entries);
const digestsOf = ({ foreign }: History) => foreign.map(({ digest }) => digest);

/** Strangers' sightings of these images, after a trusted one of DIGEST. */
function seen(...digests: readonly (typeof DIGEST)[]): SampleLog {
  const log = sampleLog();
  record(log, DIGEST, trusted);
  for (const digest of digests) record(log, digest);
  return log;
}

describe("what strangers saw", () => {
  test("is proven like a record, may do nothing, and is counted as refused all the same", () => {
    const log = seen(OTHER);
    const { records, rejected, foreign } = read(allOf(log), log.trustedRoot);
    expect(records).toMatchObject([{ digest: DIGEST }]);
    expect(rejected).toEqual(new Map([["untrusted-signer", 1]]));
    expect(foreign).toMatchObject([
      { digest: OTHER, logIndex: 1001n, signer: stranger.signer, may: new Set(), strength: "full" },
    ]);
  });

  test("is told once for each image, its newest sighting, the newest image first", () => {
    const log = seen(OTHER, numbered(1), OTHER);
    expect(read(allOf(log), log.trustedRoot).foreign).toMatchObject([
      { digest: OTHER, logIndex: 1003n },
      { digest: numbered(1), logIndex: 1002n },
    ]);
  });

  test("is told of four images at most, the newest", () => {
    const log = seen(...[1, 2, 3, 4, 5, 6].map(numbered));
    expect(digestsOf(read(allOf(log), log.trustedRoot))).toEqual([6, 5, 4, 3].map(numbered));
  });

  test("is nothing new where a record has the image", () => {
    const log = seen(DIGEST);
    expect(digestsOf(read(allOf(log), log.trustedRoot))).toEqual([]);
  });

  test("however often they logged one image, another one is found", () => {
    const log = seen(numbered(1), ...Array.from({ length: 60 }, () => OTHER));
    expect(digestsOf(read(allOf(log), log.trustedRoot))).toEqual([OTHER, numbered(1)]);
  });
});

describe("what strangers saw counts by certificate when a trusted authority issued it", () => {
  test.for([
    { row: "of the trusted root's authority", isTrusted: true, told: 1 },
    { row: "of another authority", isTrusted: false, told: 0 },
  ])("$row", async ({ isTrusted, told }) => {
    const log = sampleLog();
    log.now = authority.time;
    const certified = await certify((isTrusted ? authority : unknown).issuing, CI);
    const statement = sightingStatement(sighting({ digest: OTHER, observedAt: authority.time }));
    log.append(signCertified(statement, certified));
    const { foreign } = read(allOf(log), rootWith(authority, log));
    expect(foreign).toHaveLength(told);
    if (isTrusted) expect(foreign).toMatchObject([{ digest: OTHER, signer: { kind: "identity", ...CI } }]);
  });
});

describe("what is not proven is not told", () => {
  test.for<{ row: string; change: (entry: AnsweredEntry) => void }>([
    { row: "an entry without its statement", change: (entry) => delete entry.attestation },
    {
      row: "a promise of another log",
      change: ({ verification }) => {
        verification.signedEntryTimestamp = Buffer.from("no").toString("base64");
      },
    },
    {
      row: "a proof of another place",
      change: ({ verification }) => verification.inclusionProof.hashes.pop(),
    },
  ])("$row", ({ change }) => {
    const log = seen(OTHER, numbered(1));
    const found = log.log.entries.map((entry) => log.found(entry));
    for (const { entry } of found.slice(1, 2)) change(entry);
    const evidence = found.map((each): Evidence => ({ kind: "entry", ...each }));
    expect(digestsOf(read(evidence, log.trustedRoot)), "only the one that was changed").toEqual([
      numbered(1),
    ]);
  });

  test("a signature that does not hold", () => {
    const log = sampleLog();
    const envelope = signEnvelope(sightingStatement(sighting({ digest: OTHER })), stranger);
    const [signature] = signEnvelope(Buffer.from("something else"), stranger).signatures;
    log.force({ ...envelope, signatures: signature ? [signature] : [] });
    expect(digestsOf(read(allOf(log), log.trustedRoot))).toEqual([]);
  });

  test("a copy that was logged again later", () => {
    const log = sampleLog();
    const envelope = signEnvelope(sightingStatement(sighting({ digest: OTHER })), stranger);
    log.now = new Date(log.now.getTime() + 86_400_000);
    log.append(envelope);
    expect(digestsOf(read(allOf(log), log.trustedRoot))).toEqual([]);
  });
});

test("two histories together have what either has, without what a record of them has", () => {
  const log = seen(OTHER, numbered(1));
  record(log, numbered(2), trusted);
  record(log, numbered(2));
  const [first, ...others] = allOf(log);
  const one = read(first ? [first] : [], log.trustedRoot);
  const strangers = read(others.toSpliced(2, 1), log.trustedRoot);
  expect(digestsOf(strangers)).toEqual([numbered(2), numbered(1), OTHER]);
  const own = read(others.slice(2, 3), log.trustedRoot);
  expect(digestsOf(joinHistories(joinHistories(one, strangers), own))).toEqual([numbered(1), OTHER]);
});
