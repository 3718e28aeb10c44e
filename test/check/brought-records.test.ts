// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { CheckError } from "../../src/check/signers.ts";
import { parseReference } from "../../src/image/reference.ts";
import { type BroughtRecordsContext, lockedRecords, proveAhead } from "../../src/check/brought-records.ts";
import { LockError } from "../../src/lock/error.ts";
import { type LockFile, parseLockFile } from "../../src/lock/file.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import { samplePolicy } from "./sample-courier.ts";
import { historyIn } from "./sample-history.ts";
import {
  ALPINE,
  DIGEST,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";

const key = sampleKey();
const stranger = sampleKey();
const log = sampleLog();
const other = sampleLog("other.example.org");
log.record(sighting(), key);
log.record(sighting({ digest: OTHER_DIGEST }), stranger);
const EVERYBODY = trusting(key.signer, stranger.signer);
const { records } = historyIn(log, { reference: ALPINE, trust: EVERYBODY }).history;
const subject = parseReference(ALPINE);
const policy = samplePolicy();
const lockOf = (...lines: typeof records): LockFile =>
  parseLockFile(Buffer.from(formatLockFile(lines)), "tlog.lock");
const lock = lockOf(...records);

/** What the lock file gives with this surrounding, and how often a newer trusted root was asked for. */
function reading(change: Partial<BroughtRecordsContext> = {}, file = lock) {
  let asked = 0;
  const { newerRoot, ...rest } = change;
  const read = lockedRecords(file, {
    policy,
    trustedRoot: async () => log.trustedRoot,
    ...rest,
    ...(newerRoot && { newerRoot: () => (asked++, newerRoot()) }),
  });
  return { read, times: () => asked };
}

describe("the records of a tag in the lock file", () => {
  test("are those by who is trusted, and the others are counted", async () => {
    const history = await reading().read(subject, trusting(key.signer));
    expect(history?.records).toMatchObject([{ digest: DIGEST, signer: key.signer }]);
    expect(history?.rejected).toEqual(new Map([["untrusted-signer", 1]]));
  });

  test("are proven once for the same trust, and anew when others are trusted", async () => {
    const { read } = reading();
    const [trust, more] = [trusting(key.signer), trusting(key.signer, stranger.signer)];
    const first = await read(subject, trust);
    expect(await read(subject, [...trust])).toBe(first);
    expect((await read(subject, more))?.records).toHaveLength(2);
    expect((await read(subject, trust))?.records).toHaveLength(1);
  });

  test("that were proven ahead are the same", async () => {
    const { read } = reading();
    const trust = trusting(key.signer);
    await proveAhead(lock, read, trust);
    expect(await read(subject, trust)).toEqual(await reading().read(subject, trust));
  });

  test("proven ahead in vain are told to who asks for them, and to nobody else", async () => {
    const { read } = reading({ trustedRoot: async () => other.trustedRoot });
    await proveAhead(lock, read, trusting(key.signer));
    await expect(read(subject, trusting(key.signer))).rejects.toThrow(LockError);
  });

  test("are none of a tag that is not in it", async () => {
    expect(await reading().read(parseReference("busybox:1.36"), [])).toBe(undefined);
  });

  test("are none when strangers signed them all", async () => {
    const { read } = reading({}, lockOf(...records.slice(1)));
    expect(await read(subject, trusting(key.signer))).toMatchObject({ records: [] });
  });

  test("are none when they are in a log that the policy does not name", async () => {
    const named = (url: string): BroughtRecordsContext["policy"] => ({
      logs: [{ url, api: 1 }],
      sources: { ...policy.sources, logs: "policy.yaml:3" },
    });
    const trust = trusting(key.signer);
    expect(await reading({ policy: named("https://other.example.org") }).read(subject, trust)).toMatchObject({
      records: [],
    });
    expect(await reading({ policy: named("https://rekor.example.org") }).read(subject, trust)).toMatchObject({
      records: [{ digest: DIGEST }],
    });
  });

  test("are an error where nothing says whose records count", async () => {
    await expect(reading().read(subject, [])).rejects.toThrow(CheckError);
  });
});

describe("a lock file that is newer than the trusted root", () => {
  const tooOld = { trustedRoot: async () => other.trustedRoot };

  test("is read with a newer one", async () => {
    const { read, times } = reading({ ...tooOld, newerRoot: async () => log.trustedRoot });
    expect(await read(subject, trusting(key.signer))).toMatchObject({ records: [{ digest: DIGEST }] });
    expect(times()).toBe(1);
  });

  test("with which nobody's records count that are trusted has none", async () => {
    const { read } = reading({ ...tooOld, newerRoot: async () => log.trustedRoot });
    expect(await read(subject, trusting(sampleKey().signer))).toMatchObject({ records: [] });
  });

  test.for([
    { row: "there is no newer one", newerRoot: async () => undefined },
    { row: "nobody can be asked", newerRoot: () => Promise.reject(new Error("offline")) },
    { row: "the newer one is too old as well", newerRoot: tooOld.trustedRoot },
  ])("is an error when $row", async ({ newerRoot }) => {
    const failed = reading({ ...tooOld, newerRoot }).read(subject, trusting(key.signer));
    await expect(failed).rejects.toThrow(LockError);
    await expect(failed).rejects.toMatchObject({ code: "unproven", reason: "unknown-log", line: 3 });
  });

  test("is an error when nothing is there to ask", async () => {
    await expect(reading(tooOld).read(subject, trusting(key.signer))).rejects.toThrow(LockError);
  });

  test("is not the reason of a line that was changed: nobody is asked", async () => {
    const [record] = records;
    if (record === undefined) throw new Error("no record");
    const edited = lockOf({ ...record, digest: OTHER_DIGEST });
    const { read, times } = reading({ newerRoot: async () => log.trustedRoot }, edited);
    await expect(read(subject, trusting(key.signer))).rejects.toMatchObject({ code: "edited" });
    expect(times()).toBe(0);
  });
});
