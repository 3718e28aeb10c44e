// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { History } from "../../src/record/history.ts";
import { parseSighting } from "../../src/record/statement.ts";
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

const ALPINE = "docker.io/library/alpine:3.16.0";
const served = servedManifest("alpine");
const NEW = served.digest;
const OTHER = servedManifest("other").digest;
const SERVED = { [ALPINE]: served };
const owner = sampleKey();
const recorder = sampleKey();
const observer = sampleKey();
const stranger = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const TRUST = [may(owner, "record", "approve"), may(recorder, "record"), may(observer, "vouch")];
const APPROVAL = { image: parseReference(`alpine:3.16.0@${NEW}`), reason: "rebuilt for CVE-2022-30065" };

type Line = readonly [SampleKey, typeof OLD, typeof OLD?];

function logOf(...lines: readonly Line[]): SampleLog {
  const log = sampleLog();
  for (const line of lines) add(log, line);
  return log;
}

function add(log: SampleLog, [key, digest, supersedes]: Line): void {
  log.now = new Date(log.now.getTime() + 60_000);
  const observedAt = new Date(log.now.getTime() - 2000);
  log.record(sighting({ reference: ALPINE, digest, observedAt, ...(supersedes && { supersedes }) }), key);
}

interface Row {
  readonly row: string;
  readonly log?: SampleLog;
  readonly image?: string;
  readonly setting?: Setting;
  readonly rule?: Partial<Rule>;
}

/** A check in which the owner approves what the tag names now. */
function approving({
  log = logOf([recorder, OLD]),
  setting = {},
  rule = {},
}: Omit<Row, "row">): Surroundings {
  const { policy, context, ...rest } = setting;
  return surroundings(
    {
      key: owner,
      served: SERVED,
      policy: { trust: TRUST, rule, ...policy },
      context: { approval: APPROVAL, ...context },
      ...rest,
    },
    log,
  );
}

async function judge({ context }: Surroundings, image = `${ALPINE}@${NEW}`): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(image));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

async function refusalOf(around: Surroundings): Promise<string> {
  const error: unknown = await judge(around).catch((thrown: unknown) => thrown);
  if (!(error instanceof CheckError)) throw new Error("it was approved", { cause: error });
  return error.message;
}

/** The digest that stands for every build that trusts the same. */
const stands = (log: SampleLog): string | undefined =>
  historyIn(log, { reference: ALPINE, trust: TRUST }).standing?.record.digest;

describe("an approval is logged, and the image stands from then on", () => {
  test.for<Row & { superseded?: typeof OLD; signer?: SampleKey }>([
    { row: "in place of what was recorded first" },
    { row: "where the rule pins", rule: { action: "pin" } },
    { row: "where the rule only warns", rule: { action: "warn" } },
    { row: "of an image that is too young without it", rule: { minAge: { days: 7, otherwise: "block" } } },
    { row: "under a policy that only observes", setting: { policy: { profile: "observe" } } },
    {
      row: "where nobody is named: the build's own key may",
      log: logOf([owner, OLD]),
      setting: { policy: { trust: [] } },
    },
    {
      row: "at the end of a chain",
      log: logOf([recorder, OLD], [owner, OTHER, OLD]),
      superseded: OTHER,
    },
    {
      row: "of what stood once before",
      log: logOf([recorder, NEW], [owner, OLD, NEW]),
    },
    {
      row: "after one of an unknown predecessor, which changed nothing",
      log: logOf([recorder, OLD], [owner, NEW, OTHER]),
    },
    {
      row: "after one by who may not, which changed nothing",
      log: logOf([recorder, OLD], [recorder, NEW, OLD], [stranger, NEW, OLD], [observer, NEW, OLD]),
    },
    {
      row: "of a followed tag, in place of what stands and not of what was seen last",
      log: logOf([recorder, OLD], [recorder, OTHER]),
      rule: { action: "follow" },
    },
    {
      row: "of a followed tag that was seen with this image already",
      log: logOf([recorder, OLD], [recorder, NEW]),
      rule: { action: "follow" },
    },
  ])("$row", async ({ superseded = OLD, ...row }) => {
    const around = approving(row);
    const before = around.log.log.size;
    const judgement = await judge(around);
    expect(judgement).toMatchObject({
      outcome: "pass",
      verdict: {
        kind: "approved",
        record: { digest: NEW, supersedes: superseded, reason: APPROVAL.reason, signer: owner.signer },
        superseded: { digest: superseded },
      },
    });
    expect(around.log.log.size - before).toBe(1);
    expect(stands(around.log)).toBe(NEW);
    // The next build has nothing to approve and nothing to write.
    const next = approving({ ...row, log: around.log });
    expect((await judge(next)).verdict).toMatchObject({ kind: "unchanged", record: { digest: NEW } });
    expect(next.asked).not.toContain("record");
  });

  test("of an image that only the builder can see, when its rule lets it be named", async () => {
    const denied = { [ALPINE]: new CourierError("needs-credentials", "status 401") };
    const around = approving({ setting: { served: denied }, rule: { private: true } });
    const { verdict } = await judge(around);
    expect(verdict).toMatchObject({ kind: "approved", record: { digest: NEW, platforms: [] } });
    expect(verdict.kind === "approved" && verdict.record.mediaType).toBe(undefined);
  });

  test("without a reason, when none is given", async () => {
    const around = approving({ setting: { context: { approval: { image: APPROVAL.image } } } });
    const { verdict } = await judge(around);
    expect(verdict.kind === "approved" && "reason" in verdict.record).toBe(false);
  });
});

describe("nothing is approved and nothing written", () => {
  test.for<Row & { verdict: object }>([
    { row: "of what stands already", log: logOf([recorder, NEW]), verdict: { kind: "unchanged" } },
    {
      row: "of what was approved already",
      log: logOf([recorder, OLD], [owner, NEW, OLD]),
      verdict: { kind: "unchanged", record: { supersedes: OLD } },
    },
    {
      row: "of another tag than the one named",
      setting: { context: { approval: { image: parseReference(`alpine:3.16.1@${NEW}`) } } },
      verdict: { kind: "moved" },
    },
    {
      row: "of another repository's tag of that name",
      setting: { context: { approval: { image: parseReference(`acme/alpine:3.16.0@${NEW}`) } } },
      verdict: { kind: "moved" },
    },
    { row: "of an exempt image", rule: { action: "ignore" }, verdict: { kind: "exempt" } },
    {
      row: "when the log does not answer",
      setting: { courier: { find: () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED")) } },
      verdict: { kind: "unknown", reason: "unreachable", detail: "ECONNREFUSED" },
    },
    {
      row: "of another digest of the tag than the one that was reviewed",
      setting: { context: { approval: { image: parseReference(`${ALPINE}@${OTHER}`) } } },
      verdict: { kind: "moved" },
    },
    {
      row: "of a new tag that names another digest than the one that was reviewed",
      log: logOf(),
      setting: { context: { approval: { image: parseReference(`${ALPINE}@${OTHER}`) } } },
      verdict: { kind: "unrecorded" },
    },
    {
      row: "of a followed tag that names another digest than the one that was reviewed",
      setting: { context: { approval: { image: parseReference(`${ALPINE}@${OTHER}`) } } },
      rule: { action: "follow" },
      verdict: { kind: "moved" },
    },
  ])("$row", async ({ verdict, ...row }) => {
    const around = approving(row);
    const before = around.log.log.size;
    expect((await judge(around)).verdict).toMatchObject(verdict);
    expect(around.log.log.size).toBe(before);
    expect(around.asked).not.toContain("record");
  });

  test("a followed tag that went back to what stands is followed, not approved", async () => {
    const around = approving({ log: logOf([recorder, NEW], [recorder, OLD]), rule: { action: "follow" } });
    expect((await judge(around)).verdict).toMatchObject({
      kind: "moved",
      record: { digest: OLD },
      newer: { digest: NEW },
    });
  });

  test("a new tag is recorded, not approved", async () => {
    const around = approving({ log: logOf() });
    const { verdict } = await judge(around);
    expect(verdict.kind).toBe("first-seen");
    expect(verdict.kind === "first-seen" && "supersedes" in verdict.record).toBe(false);
  });
});

describe("an approval is taken back by another one: the old digest is named in the Dockerfile and approved again", () => {
  const INDEX = "application/vnd.oci.image.index.v1+json";
  const PLATFORMS = [{ platform: "linux/amd64", digest: OTHER }];

  /** OLD was recorded as an index, NEW was approved, and the tag still names NEW. */
  function replaced(): SampleLog {
    const log = sampleLog();
    const seen = { reference: ALPINE, digest: OLD, mediaType: INDEX, platforms: PLATFORMS };
    log.record(sighting({ ...seen, observedAt: log.now }), recorder);
    add(log, [owner, NEW, OLD]);
    return log;
  }

  async function judgeWritten(log: SampleLog, digest: typeof OLD, approved?: typeof OLD): Promise<Judgement> {
    const approval = approved && { image: parseReference(`${ALPINE}@${approved}`) };
    const around = approving({ log, setting: { context: { approval } } });
    const images = consumed(`${ALPINE}@${digest}`).map((image) => ({ ...image, claimed: true }));
    const [judgement] = await openCheck(around.context)(images);
    if (judgement === undefined) throw new Error("nothing was judged");
    return judgement;
  }

  test("it stands again, as its record says it is, and the other one has moved", async () => {
    const log = replaced();
    expect((await judgeWritten(log, OLD)).verdict).toMatchObject({ kind: "unchanged", note: "superseded" });
    expect(await judgeWritten(log, OLD, OLD)).toMatchObject({
      outcome: "pass",
      verdict: {
        kind: "approved",
        record: { digest: OLD, supersedes: NEW, mediaType: INDEX, platforms: PLATFORMS },
        superseded: { digest: NEW },
      },
    });
    expect(stands(log)).toBe(OLD);
    const next = approving({ log, setting: { context: { approval: undefined } } });
    expect(await judge(next)).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "moved", record: { digest: OLD } },
    });
    // And that is no end either.
    expect((await judge(approving({ log }))).verdict).toMatchObject({ kind: "approved" });
    expect(stands(log)).toBe(NEW);
  });

  test("a digest that nobody who is trusted saw under the tag is not approved so", async () => {
    for (const key of [observer, stranger]) {
      const log = replaced();
      add(log, [key, OTHER]);
      const judged = judgeWritten(log, OTHER, OTHER);
      await expect(judged).rejects.toThrow(`the registry does not confirm the image (${NEW})`);
      expect(stands(log)).toBe(NEW);
    }
  });
});

describe("an approval that cannot be made ends the check, and says what to do", () => {
  test.for<Row & { says: string; wrote?: number }>([
    {
      row: "by who may only record: the policy's line is named",
      setting: { key: recorder },
      says: 'logged, but who signs here may not approve by the policy (policy.yaml:2); give that signer "may: [record, approve]" there, or approve as somebody who has it',
      wrote: 1,
    },
    {
      row: "by who may only record, where strangers wrote about the tag too",
      log: logOf([recorder, OLD], [stranger, NEW]),
      setting: { key: recorder },
      says: "who signs here may not approve by the policy (policy.yaml:2)",
      wrote: 1,
    },
    {
      row: "by who may only record, of a followed tag",
      setting: { key: recorder },
      rule: { action: "follow" },
      says: "who signs here may not approve by the policy (policy.yaml:2)",
      wrote: 1,
    },
    {
      row: "by who may only vouch",
      setting: { key: observer },
      says: "who signs here may not approve by the policy",
      wrote: 1,
    },
    {
      row: "by who is not in the policy",
      setting: { key: stranger },
      says: "who signs here may not approve by the policy",
      wrote: 1,
    },
    {
      row: "without anything to sign with",
      setting: { key: undefined },
      says: "there is nothing to sign with; give --secret id=tlog-signing-key,src=FILE or --secret id=tlog-identity-token,src=FILE",
    },
    {
      row: "when the registry serves another image",
      setting: { served: { [ALPINE]: servedManifest("third") } },
      says: `the registry does not confirm the image (${servedManifest("third").digest})`,
    },
    {
      row: "when the registry does not show the image to everybody",
      setting: { served: { [ALPINE]: new CourierError("needs-credentials", "status 401") } },
      says: "the registry does not confirm the image (status 401)",
    },
    {
      row: "when the registry does not answer",
      setting: { served: { [ALPINE]: new CourierError("unreachable", "status 503") } },
      says: "not recorded: status 503",
    },
    {
      row: "when the log refuses the entry",
      setting: { courier: { record: () => Promise.reject(new CourierError("refused", "status 400")) } },
      says: "not recorded: status 400",
    },
    {
      row: "when this builder's clock is wrong",
      setting: { now: () => new Date(OBSERVED.getTime() - 3_600_000) },
      says: "logged, but it does not count, because this builder's clock and the log's differ by more than 15 minutes",
      wrote: 1,
    },
    {
      row: "when the log has no search and no lock file keeps the approval",
      setting: {
        policy: { logs: [{ url: "https://log2026.example.org", api: 2 }] },
        context: {
          locked: async () => historyIn(logOf([recorder, OLD]), { reference: ALPINE, trust: TRUST }).history,
        },
      },
      says: "the log cannot be searched, and the approval would be lost; approve with --build-arg TLOG_LOCK=update -o . instead of --call tlog",
    },
  ])("$row", async ({ says, wrote = 0, ...row }) => {
    const around = approving(row);
    const before = around.log.log.size;
    const message = await refusalOf(around);
    expect(message).toContain(`approve "${ALPINE}": `);
    expect(message).toContain(says);
    expect(around.log.log.size - before).toBe(wrote);
    expect(stands(around.log), "nothing else stands than before").toBe(OLD);
  });
});

describe("two approvals at once", () => {
  test("of two images: the log's first stands for everybody, and the other one is told which it was", async () => {
    const log = logOf([recorder, OLD]);
    const around = approving({ log, setting: { beforeRecord: () => add(log, [owner, OTHER, OLD]) } });
    expect(await refusalOf(around)).toBe(
      `approve "${ALPINE}": somebody else approved "${OTHER}" at the same time and was first; look at it, and approve again if "${NEW}" is the one to be used`,
    );
    expect(log.log.size, "both wrote").toBe(3);
    for (const key of [owner, recorder]) {
      const other = surroundings({ key, policy: { trust: TRUST } }, log);
      expect((await judge(other)).verdict).toMatchObject({ kind: "moved", record: { digest: OTHER } });
    }
    // And it is a state that can be left.
    expect((await judge(approving({ log }))).verdict).toMatchObject({
      kind: "approved",
      superseded: { digest: OTHER },
    });
    expect(stands(log)).toBe(NEW);
  });

  test("of the same image: it is approved once, and both builds go on", async () => {
    const log = logOf([recorder, OLD]);
    const around = approving({ log, setting: { beforeRecord: () => add(log, [owner, NEW, OLD]) } });
    expect(await judge(around)).toMatchObject({ outcome: "pass", verdict: { kind: "approved" } });
    expect(stands(log)).toBe(NEW);
  });
});

test("the statement that is signed names the tag, both digests and the reason", async () => {
  let statement: Uint8Array = new Uint8Array();
  const around = approving({
    setting: {
      courier: {
        record: (what) => {
          ({ statement } = what);
          return Promise.reject(new CourierError("refused", "not today"));
        },
      },
    },
  });
  await refusalOf(around);
  expect(parseSighting(statement)).toMatchObject({
    reference: ALPINE,
    digest: NEW,
    supersedes: OLD,
    reason: APPROVAL.reason,
  });
});

describe("with a lock file the log is asked all the same", () => {
  const locked = historyIn(logOf([recorder, OLD]), { reference: ALPINE, trust: TRUST }).history;
  const lockedAs = (history: History): Setting => ({ context: { locked: async () => history } });

  test("an approval that the lock file does not know makes another one needless", async () => {
    const log = logOf([recorder, OLD], [owner, NEW, OLD]);
    const around = approving({ log, setting: lockedAs(lockedOf(log, 1)) });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unchanged", record: { supersedes: OLD } });
    expect(around.asked).not.toContain("record");
  });

  test("and one of another image is superseded in its turn", async () => {
    const log = logOf([recorder, OLD], [owner, OTHER, OLD]);
    const around = approving({ log, setting: lockedAs(lockedOf(log, 1)) });
    expect((await judge(around)).verdict).toMatchObject({ kind: "approved", superseded: { digest: OTHER } });
    expect(stands(log)).toBe(NEW);
  });

  test("so without the log nothing is approved", async () => {
    const find = () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED"));
    const around = approving({ setting: { ...lockedAs(locked), courier: { find } } });
    expect((await judge(around)).verdict).toMatchObject({ kind: "unknown" });
    expect(around.asked).not.toContain("record");
  });

  /** The first records of a log, as a lock file has them. */
  function lockedOf(log: SampleLog, count: number): History {
    const { history } = historyIn(log, { reference: ALPINE, trust: TRUST });
    return { ...history, records: history.records.slice(0, count) };
  }
});
