// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement, Outcome } from "../../src/check/judgement.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import {
  OBSERVED,
  OTHER_DIGEST as OLD,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
} from "../record/sample-log.ts";
import { historyIn } from "./sample-history.ts";
import { consumed, servedManifest, type Setting, surroundings, type Surroundings } from "./sample-courier.ts";

const LATEST = "docker.io/library/alpine:latest";
const served = servedManifest("latest");
const NEW = served.digest;
const OTHER = servedManifest("other").digest;
const recorder = sampleKey();
const observer = sampleKey();
const approver = sampleKey();
const stranger = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const TRUST = [may(recorder, "record"), may(observer, "vouch"), may(approver, "approve")];
const DAY_MS = 24 * 60 * 60 * 1000;
const WEEK: Partial<Rule> = { minAge: { days: 7, otherwise: "block" } };

type Seen = readonly [typeof OLD, SampleKey?];

/** A log with these sightings, a day after each other. Its clock shows the last one's day. */
function logOf(...lines: readonly Seen[]): SampleLog {
  const log = sampleLog();
  for (const [day, line] of lines.entries()) {
    log.now = new Date(OBSERVED.getTime() + day * DAY_MS);
    add(log, line);
  }
  return log;
}

function add(log: SampleLog, [digest, key = recorder]: Seen): void {
  log.record(sighting({ reference: LATEST, digest, observedAt: log.now }), key);
}

interface Row {
  readonly log?: SampleLog;
  readonly setting?: Setting;
  readonly rule?: Partial<Rule>;
}

/** A build, a day after what the log has, under a rule that follows the tag. */
function following({ log = logOf([OLD]), setting = {}, rule = {} }: Row): Surroundings {
  log.now = new Date(log.now.getTime() + DAY_MS);
  return surroundings(
    {
      key: recorder,
      served: { [LATEST]: served },
      ...setting,
      policy: { trust: TRUST, rule: { action: "follow", ...rule } },
    },
    log,
  );
}

async function judge({ context }: Surroundings): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(`${LATEST}@${NEW}`));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

describe("a tag that is followed", () => {
  test.for<Row & { row: string; verdict: object; newer?: boolean; outcome?: Outcome; recorded: number }>([
    {
      row: "is recorded when it moved, and passes",
      verdict: { kind: "moved", record: { digest: OLD }, newer: { digest: NEW } },
      recorded: 1,
    },
    {
      row: "is recorded when it went back to what it named before",
      log: logOf([NEW], [OLD]),
      verdict: { kind: "moved", record: { digest: OLD }, newer: { digest: NEW } },
      recorded: 1,
    },
    {
      row: "is as it was seen last: nothing is written",
      log: logOf([OLD], [NEW]),
      verdict: { kind: "unchanged", record: { digest: NEW } },
      recorded: 0,
    },
    {
      row: "was seen with this image by a stranger: it is recorded for those who are trusted",
      log: logOf([OLD], [NEW, stranger]),
      verdict: { kind: "moved", record: { digest: OLD }, newer: { digest: NEW, signer: recorder.signer } },
      recorded: 1,
    },
    {
      row: "passes although nobody can record it",
      setting: { key: undefined },
      verdict: { kind: "moved", record: { digest: OLD } },
      newer: false,
      recorded: 0,
    },
    {
      row: "is not recorded where the policy has nothing recorded",
      rule: { unseen: "allow" },
      verdict: { kind: "moved", record: { digest: OLD } },
      newer: false,
      recorded: 0,
    },
    {
      row: "is not recorded when the registry serves another image",
      setting: { served: { [LATEST]: servedManifest("third") } },
      verdict: { kind: "moved", record: { digest: OLD } },
      newer: false,
      recorded: 0,
    },
    {
      row: "is not recorded when the registry does not show it to everybody",
      setting: { served: { [LATEST]: new CourierError("needs-credentials", "status 401") } },
      verdict: { kind: "moved", record: { digest: OLD } },
      newer: false,
      recorded: 0,
    },
    {
      row: "is unknown when the registry does not answer",
      setting: { served: { [LATEST]: new CourierError("unreachable", "status 503") } },
      verdict: { kind: "unknown", reason: "unreachable", detail: "not recorded: status 503" },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "is unknown when the log does not take the record",
      setting: { courier: { record: () => Promise.reject(new CourierError("refused", "status 400")) } },
      verdict: { kind: "unknown", reason: "unwritten", detail: "not recorded: status 400" },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "is unknown when the log does not prove the record",
      setting: { now: () => new Date(OBSERVED.getTime() - DAY_MS) },
      verdict: {
        kind: "unknown",
        reason: "unproven",
        detail: expect.stringContaining("recorded, but it does not count, because this builder's clock"),
      },
      outcome: "refuse",
      recorded: 1,
    },
    {
      row: "is not followed to what only an observer saw",
      setting: { key: observer },
      verdict: { kind: "moved", record: { digest: OLD } },
      newer: false,
      recorded: 1,
    },
    {
      row: "is recorded for all that the observer saw it before",
      log: logOf([OLD], [NEW, observer]),
      verdict: { kind: "moved", record: { digest: OLD }, newer: { digest: NEW, signer: recorder.signer } },
      recorded: 1,
    },
  ])("$row", async ({ verdict, newer = true, outcome = "pass", recorded, ...row }) => {
    const around = following(row);
    const before = around.log.log.size;
    const judgement = await judge(around);
    expect(judgement).toMatchObject({ verdict, outcome });
    if (!newer) expect(judgement.verdict).not.toHaveProperty("newer");
    expect(around.log.log.size - before).toBe(recorded);
  });

  test.for<Row & { row: string; verdict: object; outcome: Outcome }>([
    {
      row: "is refused when it moved to what nobody recorded",
      verdict: { kind: "unrecorded", reason: "policy" },
      outcome: "refuse",
    },
    {
      row: "is refused when only a stranger or an observer saw what it names",
      log: logOf([OLD], [NEW, stranger], [NEW, observer]),
      verdict: { kind: "unrecorded", reason: "policy" },
      outcome: "refuse",
    },
    {
      row: "passes when it went back to what was recorded before",
      log: logOf([NEW], [OLD]),
      verdict: { kind: "moved", record: { digest: OLD } },
      outcome: "pass",
    },
    {
      row: "passes as it was seen last",
      log: logOf([OLD], [NEW]),
      verdict: { kind: "unchanged", record: { digest: NEW } },
      outcome: "pass",
    },
  ])("where tags without a record are blocked, $row", async ({ verdict, outcome, ...row }) => {
    const around = following({ ...row, rule: { unseen: "block" } });
    expect(await judge(around)).toMatchObject({ verdict, outcome });
    expect(around.asked).not.toContain("record");
  });

  test("is recorded once for each change", async () => {
    const log = logOf([OLD]);
    for (const recorded of [1, 0, 0]) {
      const around = following({ log });
      const before = log.log.size;
      await judge(around);
      expect(log.log.size - before).toBe(recorded);
    }
  });

  test("moved again in the same moment: somebody else's sighting of yet another image is the newest", async () => {
    const log = logOf([OLD]);
    const afterRecord = (): void => {
      log.now = new Date(log.now.getTime() + 1000);
      add(log, [OTHER]);
    };
    const judgement = await judge(following({ log, setting: { afterRecord } }));
    expect(judgement).toMatchObject({ outcome: "pass", verdict: { kind: "moved", record: { digest: OLD } } });
    expect(judgement.verdict).not.toHaveProperty("newer");
    expect(judgement.records.map(({ digest }) => digest)).toEqual([OLD, OTHER]);
  });

  test("is followed from the build's own record, which counts only since it is known who signs", async () => {
    const log = logOf([OLD]);
    const around = following({ log });
    const policy = { ...around.context.policy, trust: [may(approver, "record", "approve")] };
    const [judgement] = await openCheck({ ...around.context, policy })(consumed(`${LATEST}@${NEW}`));
    expect(judgement?.verdict).toMatchObject({
      kind: "moved",
      record: { digest: OLD, signer: recorder.signer },
      newer: { digest: NEW },
    });
    expect(log.log.size).toBe(2);
  });

  test("entries that do not count are counted once, although they are read twice", async () => {
    const judgement = await judge(following({ log: logOf([OLD], [OTHER, stranger], [NEW, stranger]) }));
    expect(judgement.verdict).toMatchObject({ kind: "moved", newer: { digest: NEW } });
    expect(judgement.rejected).toEqual(new Map([["untrusted-signer", 2]]));
  });
});

describe("a tag that is followed, where the policy wants an age", () => {
  test.for<Row & { row: string; verdict: object; outcome: Outcome }>([
    {
      row: "is too new when it moved just now",
      verdict: { kind: "too-new", record: { digest: NEW } },
      outcome: "refuse",
    },
    {
      row: "is too new when somebody else saw it yesterday",
      log: logOf([OLD], [NEW]),
      verdict: { kind: "too-new", record: { digest: NEW } },
      outcome: "refuse",
    },
    {
      row: "passes when an observer has vouched for it",
      log: logOf([OLD], [NEW, observer]),
      verdict: { kind: "moved", newer: { digest: NEW } },
      outcome: "pass",
    },
    {
      row: "passes when it went back to what it named long ago",
      log: logOf([NEW], ...Array.from({ length: 7 }, (): Seen => [OLD])),
      verdict: { kind: "moved", newer: { digest: NEW } },
      outcome: "pass",
    },
    {
      row: "passes so without anybody to sign, too",
      log: logOf([NEW], ...Array.from({ length: 7 }, (): Seen => [OLD])),
      setting: { key: undefined },
      verdict: { kind: "moved" },
      outcome: "pass",
    },
    {
      row: "has no proven age without anybody to sign",
      setting: { key: undefined },
      verdict: { kind: "unrecorded", reason: "no-signer" },
      outcome: "refuse",
    },
    {
      row: "has no proven age where nothing is recorded",
      rule: { unseen: "allow" },
      verdict: { kind: "unrecorded", reason: "policy" },
      outcome: "refuse",
    },
    {
      row: "has no proven age when it is not public",
      setting: { served: { [LATEST]: new CourierError("needs-credentials", "status 401") } },
      verdict: { kind: "unrecorded", reason: "not-public", detail: "status 401" },
      outcome: "refuse",
    },
    {
      row: "has no proven age by who may only approve",
      setting: { key: approver },
      verdict: { kind: "unrecorded" },
      outcome: "refuse",
    },
    {
      row: "is too new when it went back to what it named yesterday, and nobody signs",
      log: logOf([NEW], [OLD]),
      setting: { key: undefined },
      verdict: { kind: "too-new", record: { digest: NEW } },
      outcome: "refuse",
    },
    {
      row: "and is only warned about where the rule says so",
      setting: { key: undefined },
      rule: { minAge: { days: 7, otherwise: "warn" } },
      verdict: { kind: "unrecorded" },
      outcome: "warn",
    },
  ])("$row", async ({ verdict, outcome, rule, ...row }) => {
    expect(await judge(following({ ...row, rule: { ...WEEK, ...rule } }))).toMatchObject({
      verdict,
      outcome,
    });
  });
});

describe("a tag that is followed, with a lock file of when it was older", () => {
  const lockedAt = (log: SampleLog, count: number): NonNullable<Setting["context"]> => {
    const { history } = historyIn(log, { reference: LATEST, trust: TRUST });
    return { locked: async () => ({ ...history, records: history.records.slice(0, count) }) };
  };

  test("is recorded once and not in every build", async () => {
    const log = logOf([OLD], [OTHER]);
    const context = lockedAt(log, 1);
    const first = await judge(following({ log, setting: { context } }));
    expect(first.verdict).toMatchObject({ kind: "moved", record: { digest: OTHER }, newer: { digest: NEW } });
    const second = following({ log, setting: { context } });
    expect((await judge(second)).verdict).toMatchObject({ kind: "unchanged", record: { digest: NEW } });
    expect(second.asked).not.toContain("record");
    expect(log.log.size).toBe(3);
  });

  test("needs no courier but one that could sign: nobody is asked when nothing is recorded", async () => {
    const log = logOf([OLD]);
    const around = following({ log, setting: { context: lockedAt(log, 1) }, rule: { unseen: "allow" } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "moved", record: { digest: OLD } });
    expect(around.started).toEqual([]);
  });

  test("without anything to sign with, the log is not asked", async () => {
    const log = logOf([OLD]);
    const around = following({ log, setting: { key: undefined, context: lockedAt(log, 1) } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "moved", record: { digest: OLD } });
    expect(around.asked).toEqual(["ready"]);
  });

  test("whose only log has no search is followed without a record, which would be lost", async () => {
    const log = logOf([OLD]);
    const around = following({ log, setting: { context: lockedAt(log, 1) } });
    const policy = {
      ...around.context.policy,
      logs: [{ url: "https://log2026.example.org", api: 2 as const }],
    };
    const [judgement] = await openCheck({ ...around.context, policy })(consumed(`${LATEST}@${NEW}`));
    expect(judgement).toMatchObject({ outcome: "pass", verdict: { kind: "moved", record: { digest: OLD } } });
    expect(around.asked).toEqual(["ready"]);
  });
});
