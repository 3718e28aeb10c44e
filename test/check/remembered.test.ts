// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { CheckContext, Search } from "../../src/check/context.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import {
  OTHER_DIGEST as OTHER,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
} from "../record/sample-log.ts";
import { consumed, servedManifest, type Setting, surroundings } from "./sample-courier.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const TODAY = "2026-11-21";
const served = servedManifest("alpine");
const GOOD = served.digest;
const owner = sampleKey();
const approver = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const TRUST = [may(owner, "record"), may(approver, "approve")];

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

interface Situation {
  readonly log: SampleLog;
  /** What the builder remembers, the oldest answer first: how many of the log's entries there were. */
  readonly remembered: readonly number[];
  readonly change?: (entry: RawEntry) => RawEntry;
  readonly setting?: Setting;
  readonly rule?: Partial<Rule>;
  readonly context?: Partial<CheckContext>;
}

/** A fake of what a builder remembers. `questions` are those that it was asked, `answers` how many answers were taken. */
function building({ log, remembered, change = (entry) => entry, setting, rule, context }: Situation) {
  const questions: Search[] = [];
  let answers = 0;
  const around = surroundings(
    {
      served: { [ALPINE]: served },
      ...setting,
      policy: { trust: TRUST, ...setting?.policy, ...(rule && { rule }) },
    },
    log,
  );
  const whole: CheckContext = {
    ...around.context,
    async *remembered(searches) {
      questions.push(...searches);
      for (const count of remembered) {
        answers += 1;
        const entries = log.log.entries.slice(0, count).map((entry) => change(log.found(entry)));
        yield { found: searches.map(() => ({ entries, dropped: new Map() })), askedOn: TODAY };
      }
    },
    ...context,
  };
  return { ...around, context: whole, questions, answers: () => answers };
}

async function judge(
  { context }: { readonly context: CheckContext },
  ...images: readonly string[]
): Promise<Judgement> {
  const judgements = await openCheck(context)(
    consumed(...(images.length > 0 ? images : [`${ALPINE}@${GOOD}`])),
  );
  const last = judgements.at(-1);
  if (last === undefined) throw new Error("nothing was judged");
  return last;
}

const DOWN: Setting["courier"] = {
  find: () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED")),
};

describe("what is remembered lets a tag be unchanged, and nothing else", () => {
  test.for<Situation & { row: string }>([
    { row: "as recorded", log: logOf([owner, GOOD]), remembered: [1] },
    { row: "approved", log: logOf([owner, OTHER], [approver, GOOD, OTHER]), remembered: [2] },
    { row: "in the second answer", log: logOf([owner, GOOD]), remembered: [0, 1] },
    {
      row: "followed, and as it was seen last",
      log: logOf([owner, OTHER], [owner, GOOD]),
      remembered: [2],
      rule: { action: "follow" },
    },
  ])("unchanged, without a courier: $row", async (situation) => {
    const around = building({ ...situation, setting: { courier: DOWN } });
    expect(await judge(around)).toMatchObject({
      verdict: { kind: "unchanged", record: { digest: GOOD } },
      outcome: "pass",
      askedOn: TODAY,
    });
    expect(around.started).toEqual([]);
  });

  test.for<Situation & { row: string; verdict: object }>([
    {
      row: "no record, and the log has one by now",
      log: logOf([owner, GOOD]),
      remembered: [0],
      verdict: { kind: "unchanged" },
    },
    {
      row: "no record, and none is there",
      log: logOf(),
      remembered: [0, 0],
      verdict: { kind: "unrecorded", reason: "no-signer" },
    },
    {
      row: "another image",
      log: logOf([owner, OTHER]),
      remembered: [1, 1],
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
    {
      row: "another image, and an approval since",
      log: logOf([owner, OTHER], [approver, GOOD, OTHER]),
      remembered: [1],
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
    },
    {
      row: "a record that is too new",
      log: logOf([owner, GOOD]),
      remembered: [1],
      rule: { minAge: { days: 3, otherwise: "block" } },
      verdict: { kind: "too-new" },
    },
    {
      row: "an entry that is not proven",
      log: logOf([owner, GOOD]),
      remembered: [1],
      change: ({ uuid, entry }) => ({ uuid, entry: { ...(entry as object), verification: {} } }),
      verdict: { kind: "unchanged" },
    },
    {
      row: "a forged entry",
      log: logOf([owner, GOOD]),
      remembered: [1],
      change: () => ({ uuid: "0".repeat(64), entry: { body: "e30=" } }),
      verdict: { kind: "unchanged" },
    },
    {
      row: "of a followed tag, what it was before",
      log: logOf([owner, GOOD], [owner, OTHER]),
      remembered: [2],
      rule: { action: "follow" },
      verdict: { kind: "moved", record: { digest: OTHER } },
    },
  ])("the log is asked where it remembers $row", async ({ verdict, ...situation }) => {
    const around = building(situation);
    const judgement = await judge(around);
    expect(judgement.verdict).toMatchObject(verdict);
    expect(judgement.askedOn).toBeUndefined();
    expect(around.asked).toContain("find");
    expect(around.questions.length).toBeGreaterThan(0);
  });

  test("a tag that is remembered otherwise is asked about at once, and no later answer is waited for", async () => {
    const around = building({ log: logOf([owner, OTHER]), remembered: [1, 1] });
    expect((await judge(around)).verdict.kind).toBe("moved");
    expect(around.answers()).toBe(1);
  });

  test("the log cannot be asked, and what is remembered does not do: unknown", async () => {
    const around = building({ log: logOf([owner, OTHER]), remembered: [1], setting: { courier: DOWN } });
    expect(await judge(around)).toMatchObject({
      verdict: { kind: "unknown", reason: "unreachable" },
      outcome: "refuse",
    });
  });

  test("of two images of one tag, the log is asked about the one that is not as remembered", async () => {
    const log = logOf([owner, OTHER], [approver, GOOD, OTHER]);
    const around = building({ log, remembered: [1] });
    const first = await openCheck(around.context)([
      ...consumed(`${ALPINE}@${OTHER}`),
      ...consumed(`${ALPINE}@${GOOD}`),
    ]);
    expect(first.map(({ verdict }) => verdict.kind)).toEqual(["unchanged", "unchanged"]);
    expect(first.map(({ askedOn }) => askedOn)).toEqual([TODAY, undefined]);
    expect(around.asked).toContain("find");
  });

  test("named with a digest that another one took the place of: the log is asked whether that is so", async () => {
    const log = logOf([owner, OTHER], [approver, GOOD, OTHER]);
    const around = building({ log, remembered: [2] });
    const [image] = consumed(`${ALPINE}@${OTHER}`);
    if (image === undefined) throw new Error("no image");
    const [judgement] = await openCheck(around.context)([{ ...image, claimed: true }]);
    expect(judgement?.verdict).toMatchObject({ kind: "unchanged", note: "superseded" });
    expect(judgement?.askedOn).toBeUndefined();
    expect(around.asked).toContain("find");
  });

  test("beside an entry of a trusted signer in a log that the trusted root does not have, the log is asked", async () => {
    const log = logOf([owner, GOOD], [owner, OTHER]);
    const later = log.log.entries.at(-1)?.uuid;
    const change = ({ uuid, entry }: RawEntry): RawEntry => ({
      uuid,
      entry: uuid === later ? { ...(entry as object), logID: "ab".repeat(32) } : entry,
    });
    const around = building({ log, remembered: [2], change });
    expect(await judge(around)).not.toHaveProperty("askedOn");
    expect(around.asked).toContain("find");
  });

  test("no newer trusted root is fetched for it", async () => {
    const log = logOf([owner, GOOD]);
    let fetched = 0;
    const newerRoot = async () => void (fetched += 1);
    const change = ({ uuid, entry }: RawEntry): RawEntry => ({
      uuid,
      entry: { ...(entry as object), logID: "ab".repeat(32) },
    });
    const around = building({ log, remembered: [1], change, context: { newerRoot } });
    expect((await judge(around)).verdict.kind).toBe("unchanged");
    expect(fetched).toBe(0);
    expect(around.asked).toContain("find");
  });
});

describe("nothing that is remembered counts", () => {
  test("for an approval", async () => {
    const approval = { image: parseReference(`${ALPINE}@${GOOD}`) };
    const around = building({
      log: logOf([owner, GOOD]),
      remembered: [1],
      setting: { key: approver },
      context: { approval },
    });
    await judge(around);
    expect(around.questions).toEqual([]);
    expect(around.asked).toContain("find");
  });

  test("where the build's own signer is the one that counts: its courier runs already", async () => {
    const around = building({
      log: logOf([owner, GOOD]),
      remembered: [1],
      setting: { key: owner, policy: { trust: [] } },
    });
    expect((await judge(around)).verdict.kind).toBe("unchanged");
    expect(around.questions).toEqual([]);
  });

  test("where a courier's secrets decide, it is asked for them alone", async () => {
    const around = building({ log: logOf([owner, GOOD]), remembered: [1], setting: { key: owner } });
    expect((await judge(around)).askedOn).toBe(TODAY);
    expect(around.started, "the key was not touched").toEqual([]);
  });
});
