// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement, Outcome } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { lockedRecords } from "../../src/check/brought-records.ts";
import type { Rule } from "../../src/policy/rule.ts";
import { type LockFile, parseLockFile } from "../../src/lock/file.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import {
  OTHER_DIGEST as OTHER,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
} from "../record/sample-log.ts";
import {
  consumed,
  samplePolicy,
  type SamplePolicy,
  servedManifest,
  type Setting,
  surroundings,
  type Surroundings,
} from "./sample-courier.ts";
import { historyIn } from "./sample-history.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const served = servedManifest("alpine");
const GOOD = served.digest;
const owner = sampleKey();
const observer = sampleKey();
const approver = sampleKey();
const stranger = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const TRUST = [may(owner, "record", "approve"), may(observer, "vouch"), may(approver, "approve")];
const EVERYBODY = [...TRUST, may(stranger, "record")];
const DAY_MS = 24 * 60 * 60 * 1000;

type Line = readonly [SampleKey, typeof OTHER, typeof OTHER?];

function logOf(...lines: readonly Line[]): SampleLog {
  const log = sampleLog();
  for (const [key, digest, supersedes] of lines) {
    log.now = new Date(log.now.getTime() + 60_000);
    const what = { reference: ALPINE, digest, observedAt: log.now, ...(supersedes && { supersedes }) };
    log.record(sighting(what), key);
  }
  return log;
}

/** How many entries are before the one with this index: the sample log begins where another one ended. */
const placeOf = (logIndex: bigint): number => Number(logIndex) - 1000;

/** The lock file with these of a log's entries, whoever signed them. */
function lockOf(log: SampleLog, entries: readonly number[]): LockFile {
  const { records } = historyIn(log, { reference: ALPINE, trust: EVERYBODY }).history;
  const kept = records.filter(({ logIndex }) => entries.includes(placeOf(logIndex)));
  return parseLockFile(Buffer.from(formatLockFile(kept)), "tlog.lock");
}

interface Row {
  readonly log: SampleLog;
  /** The entries of the log that the lock file has. */
  readonly locked: readonly number[];
  readonly setting?: Omit<Setting, "policy">;
  readonly policy?: SamplePolicy;
  readonly rule?: Partial<Rule>;
}

function building({ log, locked, setting = {}, policy, rule }: Row): Surroundings {
  const parts = { trust: TRUST, ...(rule && { rule }), ...policy };
  const around = surroundings({ key: owner, served: { [ALPINE]: served }, ...setting, policy: parts }, log);
  const { context } = around;
  const records = lockedRecords(lockOf(log, locked), { ...context, policy: samplePolicy(parts) });
  return { ...around, context: { ...context, locked: records } };
}

async function judge({ context }: Surroundings, image = `${ALPINE}@${GOOD}`): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(image));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

const DOWN: Omit<Setting, "policy"> = {
  courier: { find: () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED")) },
};

describe("what the lock file has is decided without any courier; of a moved index the registry is asked for its platforms", () => {
  test.for<Row & { row: string; verdict: object; outcome: Outcome; asked?: readonly string[] }>([
    {
      row: "as recorded",
      log: logOf([owner, GOOD]),
      locked: [0],
      verdict: { kind: "unchanged", record: { digest: GOOD } },
      outcome: "pass",
    },
    {
      row: "approved",
      log: logOf([owner, OTHER], [owner, GOOD, OTHER]),
      locked: [0, 1],
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
      outcome: "pass",
    },
    {
      row: "moved",
      log: logOf([owner, OTHER]),
      locked: [0],
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
      asked: [`manifest https docker.io/library/alpine:${GOOD}`],
    },
    {
      row: "approved, and the lock file does not know: the log is not asked",
      log: logOf([owner, OTHER], [owner, GOOD, OTHER]),
      locked: [0],
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
      asked: [`manifest https docker.io/library/alpine:${GOOD}`],
    },
    {
      row: "young, and an observer's line vouches for it",
      log: logOf([owner, GOOD], [observer, GOOD]),
      locked: [0, 1],
      rule: { minAge: { days: 7, otherwise: "block" } },
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "young, and the observer's line is gone",
      log: logOf([owner, GOOD], [observer, GOOD]),
      locked: [0],
      rule: { minAge: { days: 7, otherwise: "block" } },
      verdict: { kind: "too-new" },
      outcome: "refuse",
    },
  ])("$row", async ({ verdict, outcome, asked = [], ...row }) => {
    const around = building(row);
    expect(await judge(around)).toMatchObject({ verdict, outcome });
    expect(around.started).toEqual(asked.map(() => false));
    expect(around.asked).toEqual(asked);
  });
});

describe("what the lock file does not decide is asked of the log", () => {
  test.for<Row & { row: string; verdict: object }>([
    {
      row: "a tag that it does not have",
      log: logOf([owner, OTHER]),
      locked: [],
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
    {
      row: "a tag whose lines are by strangers only",
      log: logOf([stranger, GOOD], [owner, OTHER]),
      locked: [0],
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
    {
      row: "a tag whose lines are by an observer only",
      log: logOf([owner, OTHER], [observer, GOOD]),
      locked: [1],
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
    {
      row: "a tag of which it has a sighting by who may only approve",
      log: logOf([owner, OTHER], [approver, GOOD]),
      locked: [1],
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
  ])("$row", async ({ verdict, ...row }) => {
    for (const key of [owner, undefined]) {
      const around = building({ ...row, setting: { key } });
      expect(await judge(around)).toMatchObject({ verdict, outcome: "refuse" });
    }
    expect((await judge(building({ ...row, setting: DOWN }))).verdict).toMatchObject({ kind: "unknown" });
  });

  test("and the observer's line still vouches for what the log has", async () => {
    const log = logOf([owner, GOOD], [observer, GOOD]);
    const indexOf = (entry: unknown): number => (entry as { readonly logIndex: number }).logIndex;
    const first = Math.min(...log.log.entries.map((each) => indexOf(log.found(each).entry)));
    const changeFound: Setting["changeFound"] = (entries) =>
      entries.filter(({ entry }) => indexOf(entry) === first);
    const rule: Partial<Rule> = { minAge: { days: 7, otherwise: "block" } };
    const around = building({ log, locked: [1], setting: { changeFound }, rule });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unchanged" });
  });
});

describe("where the log is asked although the lock file has the tag", () => {
  const always: NonNullable<Setting["context"]> = { recheck: true };

  test.for<Row & { row: string; verdict: object; outcome: Outcome }>([
    {
      row: "a log that agrees changes nothing",
      log: logOf([owner, GOOD]),
      locked: [0],
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "an approval that the lock file does not have counts",
      log: logOf([owner, OTHER], [owner, GOOD, OTHER]),
      locked: [0],
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
      outcome: "pass",
    },
    {
      row: "an approval in place of the locked image refuses it",
      log: logOf([owner, GOOD], [owner, OTHER, GOOD]),
      locked: [0],
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
    },
    {
      row: "an earlier record of the same image is no contradiction",
      log: logOf([owner, GOOD], [owner, GOOD]),
      locked: [1],
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "a stranger's earlier record is none either",
      log: logOf([stranger, OTHER], [owner, GOOD]),
      locked: [1],
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "an earlier record of another image contradicts the lock file",
      log: logOf([owner, OTHER], [owner, GOOD]),
      locked: [1],
      verdict: {
        kind: "unknown",
        reason: "contradicted",
        detail: `the lock file contradicts the log: it begins with "${GOOD}" (log index 1001), and the log with "${OTHER}" (log index 1000)`,
      },
      outcome: "refuse",
    },
    {
      row: "so does one that was superseded, although the same image stands now",
      log: logOf([owner, OTHER], [owner, GOOD, OTHER]),
      locked: [1],
      verdict: {
        kind: "unknown",
        reason: "contradicted",
        detail: expect.stringContaining("contradicts the log"),
      },
      outcome: "refuse",
    },
    {
      row: "a log that does not answer makes the tag unknown",
      log: logOf([owner, GOOD]),
      locked: [0],
      setting: DOWN,
      verdict: { kind: "unknown", reason: "unreachable", detail: "ECONNREFUSED" },
      outcome: "refuse",
    },
    {
      row: "a log that does not show the locked record changes nothing: the lock file proves it",
      log: logOf([owner, GOOD]),
      locked: [0],
      setting: { changeFound: () => [] },
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "a log without search is not asked",
      log: logOf([owner, GOOD]),
      locked: [0],
      policy: { logs: [{ url: "https://log2026.example.org", api: 2 }] },
      setting: DOWN,
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
  ])("$row", async ({ verdict, outcome, setting, ...row }) => {
    const around = building({ ...row, setting: { ...setting, context: always } });
    expect(await judge(around)).toMatchObject({ verdict, outcome });
  });

  test("what the log and the lock file have of strangers is counted once", async () => {
    const row: Row = { log: logOf([owner, GOOD], [stranger, GOOD], [stranger, OTHER]), locked: [0, 1] };
    const { rejected } = await judge(building({ ...row, setting: { context: always } }));
    expect(rejected).toEqual(new Map([["untrusted-signer", 2]]));
  });
});

describe("a lock file and nobody who is trusted", () => {
  const log = logOf([owner, GOOD]);

  test("ends the check: whoever can write the file could have signed its records", async () => {
    const judged = judge(building({ log, locked: [0], setting: { key: undefined }, policy: { trust: [] } }));
    await expect(judged).rejects.toThrow(CheckError);
    await expect(judged).rejects.toThrow(
      `"tlog.lock" has records of "${ALPINE}", and nothing says whose records count; name their signers under "trust" in the policy, or give the secret that signs`,
    );
  });

  test("does not matter to a tag that is not in it", async () => {
    const around = building({ log, locked: [], setting: { key: undefined }, policy: { trust: [] } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unrecorded", reason: "no-signer" });
  });

  test("nor when the build's own key is the one that signed", async () => {
    const around = building({ log, locked: [0], policy: { trust: [] } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unchanged" });
    expect(around.asked, "the log is not asked").toEqual(["ready"]);
  });
});

describe("what a verdict rests on is enough for a lock file", () => {
  test.for<Row & { row: string; rests: readonly number[] }>([
    { row: "the record that stands", log: logOf([owner, GOOD]), locked: [], rests: [0] },
    {
      row: "those before it, and no sighting that changes nothing",
      log: logOf([owner, OTHER], [owner, GOOD], [owner, GOOD, OTHER]),
      locked: [],
      rests: [0, 2],
    },
    {
      row: "of a followed tag the newest too",
      log: logOf([owner, OTHER], [owner, OTHER], [owner, GOOD]),
      locked: [],
      rule: { action: "follow" },
      rests: [0, 2],
    },
    {
      row: "who vouches, where an age is wanted",
      log: logOf([owner, GOOD], [observer, OTHER], [observer, GOOD]),
      locked: [],
      rule: { minAge: { days: 7, otherwise: "block" } },
      rests: [0, 2],
    },
    {
      row: "the first sighting of a followed image, where an age is wanted",
      log: logOf([owner, OTHER], [owner, GOOD], [owner, OTHER], [owner, GOOD]),
      locked: [],
      rule: { action: "follow", minAge: { days: 7, otherwise: "block" } },
      rests: [0, 1, 3],
    },
  ])("$row", async ({ rests, ...row }) => {
    const first = await judge(building(row));
    expect(first.records.map(({ logIndex }) => placeOf(logIndex))).toEqual(rests);
    const again = await judge(building({ ...row, locked: rests }));
    const told = ({ verdict, outcome, records }: Judgement) => [
      verdict.kind,
      outcome,
      records.map(({ digest }) => digest),
    ];
    expect(told(again)).toEqual(told(first));
  });

  test("of a tag without a record it is nothing", async () => {
    const { records } = await judge(building({ log: logOf(), locked: [], setting: { key: undefined } }));
    expect(records).toEqual([]);
  });

  test("old enough, it is so for the lock file too", async () => {
    const row: Row = {
      log: logOf([owner, GOOD]),
      locked: [0],
      rule: { minAge: { days: 7, otherwise: "block" } },
    };
    const now = new Date(row.log.now.getTime() + 7 * DAY_MS);
    expect((await judge(building({ ...row, setting: { now: () => now } }))).outcome).toBe("pass");
    const early = new Date(now.getTime() - 1000);
    expect((await judge(building({ ...row, setting: { now: () => early } }))).outcome).toBe("refuse");
  });
});
