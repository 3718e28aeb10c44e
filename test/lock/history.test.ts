// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import { type LockFile, parseLockFile } from "../../src/lock/file.ts";
import { formatLockFile } from "./lock-text.ts";
import { lockedHistory } from "../../src/lock/history.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord, RecordContext } from "../../src/record/record.ts";
import { dsseBundle, intotoBundle } from "../record/sample-bundle.ts";
import {
  certify,
  type CertifiedKey,
  rootWith,
  sampleAuthority,
  signCertified,
} from "../record/sample-identity.ts";
import {
  ALPINE,
  DIGEST,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";
import { sampleLogV2, type SampleLogV2 } from "../record/sample-log-v2.ts";

const key = sampleKey();
const colleague = sampleKey();
const stranger = sampleKey();
const log = sampleLog();
const THIRD_DIGEST = `sha256:${"33".repeat(32)}` as const;

const context: RecordContext = {
  subject: parseReference(ALPINE),
  trust: trusting(key.signer, colleague.signer),
  trustedRoot: log.trustedRoot,
};

/** The record of a sighting that was logged two seconds after it was made. */
function recorded(seconds: number, change: Partial<Sighting>, by = key): TagRecord {
  const what = sighting({ observedAt: new Date(OBSERVED.getTime() + seconds * 1000), ...change });
  log.now = new Date(what.observedAt.getTime() + 2000);
  const entry = log.append(signEnvelope(sightingStatement(what), by));
  const { records } = readHistory([{ kind: "entry", ...log.found(entry) }], {
    ...context,
    subject: parseReference(what.reference),
    trust: trusting(by.signer),
  });
  const [record] = records;
  if (record === undefined) throw new Error("not recorded");
  return record;
}

const first = recorded(0, {});
const approval = recorded(60, { digest: OTHER_DIGEST, supersedes: DIGEST, reason: "rebuilt" });
const second = recorded(120, { digest: THIRD_DIGEST, supersedes: OTHER_DIGEST });
const foreign = recorded(30, { digest: THIRD_DIGEST }, stranger);
const busybox = recorded(10, { reference: "docker.io/library/busybox:1.36" });

const locked = (text: string): LockFile => parseLockFile(Buffer.from(text), "tlog.lock");
const lockOf = (...records: readonly TagRecord[]): LockFile => locked(formatLockFile(records));

/** The digest that stands by a lock file of these records. */
function stands(...records: readonly TagRecord[]): string | undefined {
  return standing(lockedHistory(lockOf(...records), context))?.record.digest;
}

describe("what stands by a lock file is what would stand by the log", () => {
  test("the record itself, with its whole proof", () => {
    const history = lockedHistory(lockOf(first, busybox), context);
    expect(history.rejected).toEqual(new Map());
    expect(history.records).toMatchObject([
      {
        reference: ALPINE,
        digest: DIGEST,
        logIndex: first.logIndex,
        loggedAt: first.loggedAt,
        signer: key.signer,
        bundle: first.bundle,
      },
    ]);
  });

  test("approvals apply one after the other", () => {
    expect(stands(first)).toBe(DIGEST);
    expect(stands(first, approval)).toBe(OTHER_DIGEST);
    expect(stands(first, approval, second)).toBe(THIRD_DIGEST);
  });

  test("of two histories of one tag, as a merge makes them, the earlier one stands", () => {
    const other = recorded(5, { digest: THIRD_DIGEST }, colleague);
    expect(stands(other, first)).toBe(DIGEST);
    expect(stands(other, first, approval)).toBe(OTHER_DIGEST);
  });

  test("a line by a stranger counts for nothing, and is counted", () => {
    const history = lockedHistory(lockOf(foreign, first), context);
    expect(history.records).toHaveLength(1);
    expect(history.rejected).toEqual(new Map([["untrusted-signer", 1]]));
    expect(lockedHistory(lockOf(foreign), context).records).toEqual([]);
  });

  test("a tag that is not in it has no history", () => {
    expect(lockedHistory(lockOf(busybox), context)).toMatchObject({ records: [], rejected: new Map() });
  });
});

const good = formatLockFile([first, approval]).split("\n");

function changed(line: number, change: (text: string) => string): LockFile {
  return locked(good.with(line - 1, change(good[line - 1] ?? "")).join("\n"));
}

/** With another value at some place of a line's bundle, and the line spelt as it should be. */
function withBundle(record: TagRecord, change: (text: string) => string): LockFile {
  const bundle: unknown = JSON.parse(change(JSON.stringify(record.bundle)));
  return lockOf({ ...record, bundle: bundle as NonNullable<TagRecord["bundle"]> });
}

describe("a line that was changed is refused, and never passes", () => {
  test.for<{ row: string; lock: () => LockFile; code: string; says: string }>([
    {
      row: "with another digest in its column",
      lock: () => changed(2, (line) => line.replace(DIGEST, OTHER_DIGEST)),
      code: "edited",
      says: `read "tlog.lock", line 2: the line was changed: it says "${OTHER_DIGEST}", and "${DIGEST}" is proven`,
    },
    {
      row: "with another time, so that an approval seems to come first",
      lock: () => {
        const [header = "", one = "", two = ""] = good;
        return locked([header, two.replace("13:31:02Z", "13:29:02Z"), one, ""].join("\n"));
      },
      code: "edited",
      says: 'line 2: the line was changed: it says "2022-06-28T13:29:02Z", and "2022-06-28T13:31:02Z" is proven',
    },
    {
      row: "with another index",
      lock: () => changed(2, (line) => line.replace(`#${first.logIndex} `, "#77 ")),
      code: "edited",
      says: `it says "77", and "${first.logIndex}" is proven`,
    },
    {
      row: "with another log's name",
      lock: () => changed(2, (line) => line.replace("rekor.example.org#", "rekor.example.net#")),
      code: "edited",
      says: 'it says "rekor.example.net", and "rekor.example.org" is proven',
    },
    {
      row: "with the bundle of another tag",
      lock: () => lockOf({ ...first, bundle: busybox.bundle as NonNullable<TagRecord["bundle"]> }),
      code: "edited",
      says: 'read "tlog.lock", line 2: its bundle is about another tag; restore the file',
    },
    {
      row: "with the bundle of another record of the tag",
      lock: () => lockOf({ ...first, bundle: approval.bundle as NonNullable<TagRecord["bundle"]> }),
      code: "edited",
      says: `it says "2022-06-28T13:30:02Z", and "2022-06-28T13:31:02Z" is proven`,
    },
    {
      row: "with another signature in its bundle",
      lock: () =>
        withBundle(first, (text) =>
          text.replace(/"sig":"[^"]*"/, `"sig":"${approval.bundle?.dsseEnvelope.signatures[0]?.sig}"`),
        ),
      code: "unproven",
      says: `line 2: its bundle does not prove a record of "${ALPINE}"`,
    },
    {
      row: "with another statement in its bundle",
      lock: () =>
        withBundle(first, (text) =>
          text.replace(/"payload":"[^"]*"/, `"payload":"${approval.bundle?.dsseEnvelope.payload}"`),
        ),
      code: "unproven",
      says: "line 2: its bundle does not prove a record",
    },
    {
      row: "with another place in the log in its bundle",
      lock: () => withBundle(first, (text) => text.replace(/"logIndex":"\d+"/g, '"logIndex":"77"')),
      code: "unproven",
      says: "line 2: its bundle does not prove a record",
    },
    {
      row: "with something added to its bundle",
      lock: () => withBundle(first, (text) => text.replace("{", '{"note":"trust me",')),
      code: "unproven",
      says: `line 2: its bundle does not prove a record of "${ALPINE}" (malformed)`,
    },
    {
      row: "with nothing but a media type in its bundle",
      lock: () => withBundle(first, () => JSON.stringify({ mediaType: first.bundle?.mediaType })),
      code: "unproven",
      says: "line 2: its bundle does not prove a record",
    },
  ])("$row", ({ lock, code, says }) => {
    expect(() => lockedHistory(lock(), context)).toThrow(
      expect.objectContaining({ name: "LockError", code, message: expect.stringContaining(says) as string }),
    );
  });

  test("also beside a line that holds", () => {
    const lock = changed(3, (line) => line.replace(OTHER_DIGEST, THIRD_DIGEST));
    expect(() => lockedHistory(lock, context)).toThrow(expect.objectContaining({ code: "edited", line: 3 }));
  });

  test("but not when the build does not use its tag", () => {
    const lock = lockOf(first, { ...busybox, digest: OTHER_DIGEST });
    expect(lockedHistory(lock, context).records).toHaveLength(1);
  });
});

test("a record of a log that the trusted root does not have says so, for the root to be refreshed", () => {
  const other = sampleLog("log.example.net");
  expect(() => lockedHistory(lockOf(first), { ...context, trustedRoot: other.trustedRoot })).toThrow(
    expect.objectContaining({ code: "unproven", reason: "unknown-log", line: 2 }),
  );
});

describe("a lock file holds records of every kind, and each reads as it was written", () => {
  const CI = { issuer: "https://accounts.example.org", identity: "ci@acme.example" };
  let v1: SampleLog;
  let v2: SampleLogV2;
  let certified: CertifiedKey;
  let all: RecordContext;
  beforeAll(async () => {
    const authority = await sampleAuthority();
    v2 = await sampleLogV2();
    v1 = sampleLog("v1.example.org");
    v1.now = new Date(v2.start.getTime() + 2000);
    certified = await certify(authority.issuing, CI);
    const trust = trusting(key.signer, parseIdentity(CI));
    all = { ...context, trust, trustedRoot: rootWith(authority, v1, v2) };
  });
  const payload = () => sightingStatement(sighting({ observedAt: v2.start }));
  const byKey = () => signEnvelope(payload(), key);
  const byIdentity = () => signCertified(payload(), certified);

  test.for<{ row: string; make: () => unknown; log: RegExp }>([
    { row: "of Rekor v1, by a key", make: () => intotoBundle(v1, byKey(), "k"), log: /^v1\.example\.org$/ },
    { row: "of Rekor v1, by an identity", make: () => intotoBundle(v1, byIdentity(), "i"), log: /^v1\./ },
    { row: "as cosign logs it", make: () => dsseBundle(v1, byIdentity()), log: /^v1\./ },
    { row: "of Rekor v2, by a key", make: () => v2.bundle(byKey()), log: /^log2026\.example\.org$/ },
    { row: "of Rekor v2, by an identity", make: () => v2.bundle(byIdentity()), log: /^log2026\./ },
  ])("$row", async ({ make, log: name }) => {
    const evidence = { kind: "bundle" as const, bundle: await make(), place: "an answer" };
    const { records } = readHistory([evidence], all);
    const text = formatLockFile(records);
    const lock = locked(text);
    const [line] = lock.tags.get(ALPINE) ?? [];
    expect(line?.log).toMatch(name);
    const again = lockedHistory(lock, all).records;
    expect(again).toEqual(records);
    expect(formatLockFile(again)).toBe(text);
  });
});
