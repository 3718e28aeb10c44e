// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { lockedRecords } from "../../src/check/brought-records.ts";
import { openCheck } from "../../src/check/check.ts";
import type { CheckContext } from "../../src/check/context.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { formatReference, parseReference } from "../../src/image/reference.ts";
import { LEDGER_FAILURES, type LedgerFailure } from "../../src/ledger/answer.ts";
import type { LedgerSource } from "../../src/ledger/source.ts";
import { parseLockFile } from "../../src/lock/file.ts";
import { updateLock } from "../../src/lock/update.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import {
  OTHER_DIGEST as OTHER,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
} from "../record/sample-log.ts";
import { type Content, fakeLedger } from "./fake-ledger.ts";
import { consumed, samplePolicy, servedManifest, type Setting, surroundings } from "./sample-courier.ts";
import { historyIn } from "./sample-history.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const FIRST = "ghcr.io/acme/tlog-ledger";
const SECOND = "registry.example/tlog-ledger";
const served = servedManifest("alpine");
const GOOD = served.digest;
const THIRD = `sha256:${"33".repeat(32)}` as const;
const observer = sampleKey();
const approver = sampleKey();
/** Who signs in the build. */
const owner = sampleKey();
/** Whom the policy trusts. */
const named = sampleKey();
const TRUST: readonly Trust[] = [may(named, "record", "approve")];

function may({ signer }: SampleKey, ...permissions: Permission[]): Trust {
  return { signer, may: new Set(permissions) };
}

function sourceOf(repository: string): LedgerSource {
  return { repository, observer: observer.signer, approvers: [approver.signer], maxAgeMs: 1 };
}

type Line = readonly [SampleKey, typeof OTHER, typeof OTHER?];

/** Logs these, a minute apart. */
function logged(log: SampleLog, ...lines: readonly Line[]): SampleLog {
  for (const [key, digest, supersedes] of lines) {
    log.now = new Date(log.now.getTime() + 60_000);
    const what = { reference: ALPINE, digest, observedAt: log.now, ...(supersedes && { supersedes }) };
    log.record(sighting(what), key);
  }
  return log;
}

interface Situation {
  readonly log?: SampleLog;
  /** The ledgers, the first of which is FIRST. */
  readonly ledgers: readonly Content[];
  /** The entries of the log that the lock file has. */
  readonly locked?: readonly number[];
  readonly setting?: Setting;
  readonly context?: Partial<CheckContext>;
}

function building({ log = sampleLog(), ledgers, locked, setting = {}, context = {} }: Situation) {
  const questions: string[] = [];
  const names = [FIRST, SECOND].slice(0, ledgers.length);
  const policy = { ledgers: names.map(sourceOf), ...setting.policy };
  const around = surroundings({ served: { [ALPINE]: served }, ...setting, policy }, log);
  const fakes = ledgers.map((content, index) => fakeLedger(names[index] ?? "", content, questions));
  const file = locked && lockOf(log, locked);
  const reads = file && lockedRecords(file, { ...around.context, policy: samplePolicy(policy) });
  const whole = { ...around.context, ledgers: fakes, ...(reads && { locked: reads }), ...context };
  return { ...around, context: whole, questions };
}

/** The lock file with these of a log's entries, whoever signed them. */
function lockOf(log: SampleLog, entries: readonly number[]) {
  const trust = [observer, approver, owner, named].map((key) => may(key, "record", "approve"));
  const { records } = historyIn(log, { reference: ALPINE, trust }).history;
  const kept = records.filter(({ logIndex }) => entries.includes(Number(logIndex) - 1000));
  return parseLockFile(Buffer.from(formatLockFile(kept)), "tlog.lock");
}

async function judge(
  { context }: { readonly context: CheckContext },
  image = `${ALPINE}@${GOOD}`,
): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(image));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

const SIGNING: Setting = { key: owner };
const NAMED: Setting = { policy: { trust: TRUST } };
const asRecorded = logged(sampleLog(), [observer, GOOD]);
const movedSince = logged(sampleLog(), [observer, OTHER]);
const approved = logged(sampleLog(), [observer, OTHER], [approver, GOOD, OTHER]);
const unwatched = "not-watched";
const DOWN: Setting["courier"] = {
  find: () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED")),
};

describe("what a ledger has is decided without a courier, a secret or a log", () => {
  test.for<{ row: string; situation: Situation; verdict: object }>([
    {
      row: "as seen",
      situation: { ledgers: [{ log: asRecorded, entries: [0] }] },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "as seen, in a build that could sign",
      situation: { ledgers: [{ log: asRecorded, entries: [0] }], setting: SIGNING },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "as seen, where the policy names signers",
      situation: { ledgers: [{ log: asRecorded, entries: [0] }], setting: NAMED },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "as approved by who approves in the ledger",
      situation: { ledgers: [{ log: approved, entries: [0, 1] }] },
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
    },
    {
      row: "as approved, the approval in another ledger",
      situation: {
        ledgers: [
          { log: approved, entries: [0] },
          { log: approved, entries: [1, 0] },
        ],
      },
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
    },
    {
      row: "in one of two ledgers",
      situation: { ledgers: [unwatched, { log: asRecorded, entries: [0] }] },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "in the lock file, by the same observer: no ledger is asked",
      situation: { log: asRecorded, ledgers: ["ledger-broken"], locked: [0] },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "in the lock file, by who may only approve, and in a ledger",
      situation: { log: approved, ledgers: [{ log: approved, entries: [0, 1] }], locked: [1] },
      verdict: { kind: "unchanged", record: { digest: GOOD } },
    },
    {
      row: "under a name of this machine",
      situation: { ledgers: [{ log: localLog(), entries: [0] }] },
      verdict: { kind: "unchanged" },
    },
  ])("$row", async ({ situation, verdict, row }) => {
    const around = building(situation);
    const image = row.includes("this machine") ? `localhost:5000/app:1.0.0@${GOOD}` : undefined;
    const judgement = await judge(around, image);
    expect(judgement).toMatchObject({ verdict, outcome: "pass" });
    expect(judgement).not.toHaveProperty("unread");
    expect(around.started).toEqual([]);
  });

  test("and of a moved tag the registry alone is asked, for its platforms, without secrets", async () => {
    const around = building({ ledgers: [{ log: movedSince, entries: [0] }], setting: SIGNING });
    expect(await judge(around)).toMatchObject({
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
    });
    expect(around.started).toEqual([false]);
    expect(around.asked).toEqual([`manifest https docker.io/library/alpine:${GOOD}`]);
  });

  test("a second image of a tag is judged by what the ledger said of the first", async () => {
    const around = building({ ledgers: [{ log: asRecorded, entries: [0] }] });
    const check = openCheck(around.context);
    await check(consumed(`${ALPINE}@${GOOD}`, `${ALPINE}@${GOOD}`));
    expect(around.questions).toEqual([`${FIRST} ${ALPINE}`]);
  });

  test("approvals by the observer do not count, and neither do first sightings by who approves", async () => {
    const log = logged(sampleLog(), [observer, OTHER], [observer, GOOD, OTHER]);
    expect(await judge(building({ ledgers: [{ log, entries: [0, 1] }] }))).toMatchObject({
      verdict: { kind: "moved", record: { digest: OTHER } },
    });
    const vouched = logged(sampleLog(), [approver, GOOD]);
    expect(await judge(building({ ledgers: [{ log: vouched, entries: [0] }] }))).toMatchObject({
      verdict: { kind: "unrecorded", reason: "not-watched" },
    });
  });

  test("who approves in a ledger vouches for a young image", async () => {
    const log = logged(sampleLog(), [observer, GOOD], [approver, GOOD]);
    const setting = { policy: { rule: { minAge: { days: 7, otherwise: "block" as const } } } };
    const young = await judge(building({ log, ledgers: [{ log, entries: [0] }], setting }));
    expect(young.verdict.kind).toBe("too-new");
    const old = await judge(building({ log, ledgers: [{ log, entries: [0, 1] }], setting }));
    expect(old.verdict.kind).toBe("unchanged");
    // What the age rests on goes into the lock file too.
    expect(old.records).toHaveLength(2);
  });
});

function localLog(): SampleLog {
  const log = sampleLog();
  log.record(
    sighting({ reference: "localhost:5000/app:1.0.0", digest: GOOD, observedAt: log.now }),
    observer,
  );
  return log;
}

describe("a tag that no ledger watches", () => {
  test("is looked for in the log and recorded by a build that signs", async () => {
    const around = building({ ledgers: [unwatched], setting: SIGNING });
    expect((await judge(around)).verdict.kind).toBe("first-seen");
    expect(around.started).toEqual([true]);
  });

  test("is looked for and recorded by a build whose key is the observer's too", async () => {
    const both: LedgerSource = { ...sourceOf(FIRST), approvers: [observer.signer] };
    const setting: Setting = { key: observer, policy: { ledgers: [both] } };
    const around = building({ ledgers: [unwatched], setting });
    expect((await judge(around)).verdict.kind).toBe("first-seen");
  });

  test("is as the log has it for a build that signs", async () => {
    const log = logged(sampleLog(), [owner, OTHER]);
    const around = building({ log, ledgers: [unwatched], setting: SIGNING });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
  });

  test("is as the log has it for a policy that names signers", async () => {
    const log = logged(sampleLog(), [named, GOOD]);
    const around = building({ log, ledgers: [unwatched], setting: NAMED });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "unchanged", record: { digest: GOOD } } });
    expect(around.started).toEqual([false]);
  });

  test("has nobody to record it where the policy names signers and nothing signs, as without ledgers", async () => {
    const around = building({ ledgers: [unwatched], setting: NAMED });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unrecorded", reason: "no-signer" });
  });

  test.for([
    { unseen: "record", outcome: "pass" },
    { unseen: "allow", outcome: "pass" },
    { unseen: "block", outcome: "refuse" },
  ] as const)(
    "is said to be in none of them where nothing signs, and unseen: $unseen decides",
    async ({ unseen, outcome }) => {
      const around = building({
        ledgers: [unwatched, unwatched],
        setting: { policy: { rule: { unseen } } },
      });
      const verdict = { kind: "unrecorded", reason: "not-watched", detail: `"${FIRST}", "${SECOND}"` };
      expect(await judge(around)).toMatchObject({ verdict, outcome });
      // Only a courier can tell whether there is something to sign with; the log is not asked.
      expect(around.asked).toEqual(["ready"]);
    },
  );

  test("has what the log has of the observer: a build that signs trusts the ledger's signers there too", async () => {
    const log = logged(sampleLog(), [observer, OTHER]);
    const around = building({ log, ledgers: [unwatched], setting: SIGNING });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
  });

  test("may be approved afterwards by the build's own signer, who still may where the policy names nobody", async () => {
    const log = logged(sampleLog(), [owner, OTHER]);
    const approval = { image: parseReference(`${ALPINE}@${GOOD}`) };
    const around = building({ log, ledgers: [unwatched], setting: SIGNING, context: { approval } });
    expect((await judge(around)).verdict.kind).toBe("approved");
  });
});

describe("a ledger that could not be read", () => {
  test.for(LEDGER_FAILURES)("%s: makes a tag unknown that no other place has", async (reason) => {
    const around = building({ ledgers: [reason], setting: SIGNING });
    expect(await judge(around)).toMatchObject({
      verdict: { kind: "unknown", reason, detail: `the ledger "${FIRST}": ${reason}: why` },
      outcome: "refuse",
      records: [],
    });
    expect(around.started).toEqual([]);
  });

  test.for(LEDGER_FAILURES)("%s: lets through with a warning where the policy says so", async (reason) => {
    const setting = { policy: { rule: { unknown: "warn" as const } } };
    expect(await judge(building({ ledgers: [reason], setting }))).toMatchObject({ outcome: "warn" });
  });

  test("is no reason to record the tag, whatever the log does not have", async () => {
    const around = building({ ledgers: ["ledger-unreachable"], setting: { ...NAMED, key: named } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unknown", reason: "ledger-unreachable" });
    expect(around.asked).not.toContain("record");
  });

  test("is said before that the log has no search", async () => {
    const logs = [{ url: "https://log2025.example", api: 2 as const }];
    const setting = { policy: { trust: TRUST, logs } };
    const verdicts = await Promise.all(
      (["ledger-too-old", unwatched] as const).map((content) =>
        judge(building({ ledgers: [content], setting })),
      ),
    );
    expect(verdicts.map(({ verdict }) => verdict)).toMatchObject([
      { reason: "ledger-too-old" },
      { reason: "unsearchable" },
    ]);
  });

  test.for<[LedgerFailure, LedgerFailure]>([
    ["ledger-broken", "ledger-foreign"],
    ["ledger-foreign", "ledger-too-old"],
    ["ledger-too-old", "ledger-unreachable"],
    ["ledger-unreachable", "ledger-not-there"],
  ])("%s is graver than %s, in whatever order", async ([grave, other]) => {
    for (const ledgers of [
      [grave, other],
      [other, grave],
    ]) {
      const judgement = await judge(building({ ledgers }));
      expect(judgement).toMatchObject({ verdict: { reason: grave }, unread: [{ reason: other }] });
    }
  });

  test("is said beside the verdict when another ledger has the tag", async () => {
    const around = building({ ledgers: ["ledger-too-old", { log: asRecorded, entries: [0] }] });
    const unread = [{ ledger: FIRST, reason: "ledger-too-old", detail: "ledger-too-old: why" }];
    expect(await judge(around)).toMatchObject({ verdict: { kind: "unchanged" }, outcome: "pass", unread });
    expect(around.started).toEqual([]);
  });

  test("is said beside the verdict when the log has the tag", async () => {
    const log = logged(sampleLog(), [named, GOOD]);
    const judgement = await judge(building({ log, ledgers: ["ledger-broken"], setting: NAMED }));
    expect(judgement).toMatchObject({
      verdict: { kind: "unchanged" },
      unread: [{ reason: "ledger-broken" }],
    });
  });

  test("is said beside the verdict when the change of a followed tag is recorded", async () => {
    const setting: Setting = { ...SIGNING, policy: { rule: { action: "follow" } } };
    const judgement = await judge(
      building({ ledgers: [{ log: movedSince, entries: [0] }, "ledger-broken"], setting, log: movedSince }),
    );
    expect(judgement).toMatchObject({ verdict: { kind: "moved" }, unread: [{ ledger: SECOND }] });
  });
});

describe("ledgers that do not agree about a tag", () => {
  const one = logged(sampleLog(), [observer, GOOD], [observer, OTHER]);
  const ledgers: readonly Content[] = [
    { log: one, entries: [1] },
    { log: one, entries: [0] },
  ];
  const contradiction = {
    ledgers: [
      { name: FIRST, digest: OTHER },
      { name: SECOND, digest: GOOD },
    ],
  };

  test("are one history, in which the earliest record stands; and it is said", async () => {
    expect(await judge(building({ ledgers }))).toMatchObject({
      verdict: { kind: "unchanged", record: { digest: GOOD } },
      contradiction,
    });
    expect(await judge(building({ ledgers }), `${ALPINE}@${OTHER}`)).toMatchObject({
      verdict: { kind: "moved", record: { digest: GOOD } },
      outcome: "refuse",
      contradiction,
    });
  });

  test("it is said of a second image of the tag too", async () => {
    const check = openCheck(building({ ledgers }).context);
    const judgements = await check(consumed(`${ALPINE}@${GOOD}`, `${ALPINE}@${THIRD}`));
    expect(judgements).toMatchObject([{ contradiction }, { contradiction }]);
  });

  test("nothing is said where both have the same image, at other times", async () => {
    const twice = logged(sampleLog(), [observer, GOOD], [observer, GOOD]);
    const both = [0, 1].map((place) => ({ log: twice, entries: [place] }));
    expect(await judge(building({ ledgers: both }))).not.toHaveProperty("contradiction");
  });

  test("nothing is said of a tag that is followed: each began to watch it on another day", async () => {
    const setting: Setting = { policy: { rule: { action: "follow" } } };
    expect(await judge(building({ ledgers, setting }))).not.toHaveProperty("contradiction");
  });
});

describe("a recheck", () => {
  const recheck: Partial<CheckContext> = { recheck: true };

  test("asks ledgers and the log, though the lock file has the tag", async () => {
    const log = logged(sampleLog(), [named, GOOD]);
    const around = building({ log, ledgers: [unwatched], locked: [0], setting: NAMED, context: recheck });
    expect((await judge(around)).verdict.kind).toBe("unchanged");
    expect(around.questions).toEqual([`${FIRST} ${ALPINE}`]);
    expect(around.asked).toContain("find");
  });

  test("asks the log, though a ledger has the tag", async () => {
    const log = logged(sampleLog(), [named, OTHER], [observer, GOOD]);
    const around = building({ log, ledgers: [{ log, entries: [1] }], setting: NAMED, context: recheck });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
  });

  test("asks the log for a build that signs", async () => {
    const log = logged(sampleLog(), [owner, OTHER], [observer, GOOD]);
    const setting = { ...SIGNING };
    const around = building({ log, ledgers: [{ log, entries: [1] }], setting, context: recheck });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
  });

  test("asks ledgers alone where the policy names nobody and nothing signs", async () => {
    const around = building({ ledgers: [{ log: asRecorded, entries: [0] }], context: recheck });
    expect((await judge(around)).verdict.kind).toBe("unchanged");
    expect(around.asked).toEqual(["ready"]);
  });

  test("does not count as made when the log cannot be asked", async () => {
    const setting: Setting = { ...NAMED, courier: DOWN };
    const around = building({ ledgers: [{ log: asRecorded, entries: [0] }], setting, context: recheck });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unknown", reason: "unreachable" });
  });

  test("shows that the lock file leaves out an earlier record that a ledger has", async () => {
    const log = logged(sampleLog(), [observer, OTHER], [observer, GOOD]);
    const ledgers = [{ log, entries: [0, 1] }];
    const rechecked = building({ log, ledgers, locked: [1], context: recheck });
    const { verdict } = await judge(rechecked);
    expect(verdict).toMatchObject({ kind: "unknown", reason: "contradicted" });
    expect(verdict).toHaveProperty("detail", expect.stringContaining("the lock file contradicts the ledger"));
    expect((await judge(building({ log, ledgers, locked: [1] }))).verdict.kind).toBe("unchanged");
  });

  test("keeps what the lock file says when a ledger cannot be read", async () => {
    const around = building({
      log: asRecorded,
      ledgers: ["ledger-unreachable"],
      locked: [0],
      context: recheck,
    });
    expect(await judge(around)).toMatchObject({
      verdict: { kind: "unchanged" },
      unread: [{ reason: "ledger-unreachable" }],
    });
  });
});

describe("a lock file whose lines are not all of the ledgers' signers", () => {
  const log = logged(sampleLog(), [owner, OTHER], [observer, GOOD]);

  test("has this build's own looked for first: they may be its own", async () => {
    const around = building({ log, ledgers: [{ log, entries: [1] }], locked: [0, 1], setting: SIGNING });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
    expect(around.started).toEqual([true]);
  });

  test("has them where all its lines are of others, too", async () => {
    const around = building({ log, ledgers: [{ log, entries: [1] }], locked: [0], setting: SIGNING });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "moved", record: { digest: OTHER } } });
  });

  test("counts by the observer's lines where nothing signs", async () => {
    const around = building({ log, ledgers: ["ledger-broken"], locked: [0, 1] });
    expect(await judge(around)).toMatchObject({ verdict: { kind: "unchanged", record: { digest: GOOD } } });
  });
});

describe("an update of the lock file", () => {
  test("keeps what a ledger has, approvals too, and a build judges by it without asking the ledger", async () => {
    const wants = { recheck: true, keepsRecords: true };
    const { records, verdict } = await judge(
      building({ ledgers: [{ log: approved, entries: [0, 1] }], context: wants }),
    );
    expect(verdict.kind).toBe("unchanged");
    const { text, unlockable } = updateLock({ old: undefined, used: new Set([ALPINE]), records });
    expect(unlockable).toEqual([]);

    const later = building({ log: approved, ledgers: ["ledger-broken"] });
    const file = parseLockFile(Buffer.from(text), "tlog.lock");
    const locked = lockedRecords(file, later.context);
    expect(await judge({ context: { ...later.context, locked } })).toMatchObject({
      verdict: { kind: "unchanged", record: { digest: GOOD, supersedes: OTHER } },
    });
    expect(later.questions).toEqual([]);
    expect(later.started).toEqual([]);
    // Who does not have the ledger in the policy does not trust its signers.
    const others = surroundings({ key: owner, policy: {} }, approved).context;
    const theirs = { ...others, locked: lockedRecords(file, others) };
    expect((await judge({ context: theirs })).verdict.kind).not.toBe("unchanged");
  });
});

test("no ledger is asked about what an image carries", async () => {
  const around = building({ ledgers: [{ log: asRecorded, entries: [0] }] });
  const context = { ...around.context, onlyBrought: true as const };
  expect((await judge({ context })).verdict).toMatchObject({ kind: "unknown", reason: "no-evidence" });
  expect(around.questions).toEqual([]);
});

test("a ledger of the policy that the check was not given stops the build", async () => {
  const { context } = building({ ledgers: [unwatched] });
  await expect(judge({ context: { ...context, ledgers: [] } })).rejects.toThrow(
    "a ledger of the policy cannot be asked",
  );
});

test("images by digest, and those that a rule leaves out, are no question for a ledger", async () => {
  const around = building({
    ledgers: ["ledger-broken"],
    setting: { policy: { rule: { action: "ignore" } } },
  });
  const image = formatReference({ registry: "docker.io", repository: "library/alpine", digest: GOOD });
  await judge(around, image);
  await judge(around);
  expect(around.questions).toEqual([]);
});
