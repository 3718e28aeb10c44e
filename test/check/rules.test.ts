// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement, Outcome } from "../../src/check/judgement.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { sha256 } from "../../src/image/digest.ts";
import type { Rule } from "../../src/policy/rule.ts";
import { parseSighting } from "../../src/record/statement.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import {
  OBSERVED,
  OTHER_DIGEST as OTHER,
  sampleKey,
  type SampleKey,
  sampleLog,
  type SampleLog,
  sighting,
} from "../record/sample-log.ts";
import {
  consumed,
  type Served,
  servedManifest,
  type Setting,
  surroundings,
  type Surroundings,
} from "./sample-courier.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const served = servedManifest("alpine");
const GOOD = served.digest;
const owner = sampleKey();
const recorder = sampleKey();
const observer = sampleKey();
const approver = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const TRUST = [
  may(owner, "record", "approve"),
  may(recorder, "record"),
  may(observer, "vouch"),
  may(approver, "approve"),
];
const DAY_MS = 24 * 60 * 60 * 1000;
const WEEK: Partial<Rule> = { minAge: { days: 7, otherwise: "block" } };

type Line = readonly [SampleKey, typeof OTHER, typeof OTHER?];

/** A log with these, an hour after each other. */
function logOf(...lines: readonly Line[]): SampleLog {
  const log = sampleLog();
  for (const [index, [key, digest, supersedes]] of lines.entries()) {
    const observedAt = new Date(OBSERVED.getTime() + index * 3_600_000);
    log.now = observedAt;
    log.record(sighting({ reference: ALPINE, digest, observedAt, ...(supersedes && { supersedes }) }), key);
  }
  return log;
}

interface Row {
  readonly log?: SampleLog;
  readonly image?: string;
  readonly claimed?: boolean;
  readonly platforms?: readonly string[];
  readonly rule?: Partial<Rule>;
  readonly setting?: Setting;
}

function around({ log = logOf(), rule = {}, setting = {} }: Row): Surroundings {
  const policy = { trust: TRUST, ...setting.policy, rule };
  return surroundings({ key: recorder, served: { [ALPINE]: served }, ...setting, policy }, log);
}

async function judge(
  { context }: Surroundings,
  { image = `${ALPINE}@${GOOD}`, ...change }: Row = {},
): Promise<Judgement> {
  const { claimed = false, platforms = ["linux/amd64"] } = change;
  const images = consumed(image).map((each) => ({ ...each, claimed, platforms }));
  const [judgement] = await openCheck(context)(images);
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

describe("what the rule does with a tag", () => {
  test.for<Row & { row: string; verdict: object; outcome: Outcome; asked?: readonly string[] }>([
    {
      row: "that moved, and is warned about: the new image is not recorded",
      log: logOf([owner, OTHER]),
      rule: { action: "warn" },
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "warn",
      asked: ["find", "find", `manifest https docker.io/library/alpine:${GOOD}`],
    },
    {
      row: "that moved, and is to be pinned: that is for the conversion, and until then it is refused",
      log: logOf([owner, OTHER]),
      rule: { action: "pin" },
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
    },
    {
      row: "that moved, and is ignored: nobody is asked",
      log: logOf([owner, OTHER]),
      rule: { action: "ignore" },
      verdict: { kind: "exempt" },
      outcome: "pass",
      asked: [],
    },
    {
      row: "that is new, and is warned about when it moves: it is recorded",
      rule: { action: "warn" },
      verdict: { kind: "first-seen", record: { digest: GOOD } },
      outcome: "pass",
    },
    {
      row: "that moved, under a policy that only observes",
      log: logOf([owner, OTHER]),
      setting: { policy: { profile: "observe" } },
      verdict: { kind: "moved" },
      outcome: "warn",
    },
    {
      row: "that cannot be asked for, under a policy that only observes",
      setting: {
        policy: { profile: "observe" },
        courier: { find: () => Promise.reject(new CourierError("unreachable", "ECONNREFUSED")) },
      },
      verdict: { kind: "unknown" },
      outcome: "warn",
    },
    {
      row: "without a digest, under a policy that only observes",
      image: ALPINE,
      setting: { policy: { profile: "observe" } },
      verdict: { kind: "unpinned" },
      outcome: "warn",
      asked: [],
    },
  ])("$row", async ({ verdict, outcome, asked, ...row }) => {
    const setting = around(row);
    const judgement = await judge(setting, row);
    expect(judgement).toMatchObject({ verdict, outcome });
    expect(judgement.rule.action).toBe(row.rule?.action ?? "block");
    if (asked !== undefined) expect(setting.asked).toEqual(asked);
  });
});

describe("an image that is named with tag and digest", () => {
  test.for<Row & { row: string; verdict: object; outcome: Outcome }>([
    {
      row: "that stands",
      log: logOf([owner, GOOD]),
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "that stood until an approval",
      log: logOf([owner, GOOD], [owner, OTHER, GOOD]),
      verdict: { kind: "unchanged", note: "superseded", record: { digest: GOOD } },
      outcome: "pass",
    },
    {
      row: "that stood until an approval, and is younger than the rule wants",
      log: logOf([owner, GOOD], [owner, OTHER, GOOD]),
      rule: WEEK,
      verdict: { kind: "too-new", record: { digest: GOOD } },
      outcome: "refuse",
    },
    {
      row: "that never stood",
      log: logOf([owner, OTHER]),
      verdict: { kind: "moved", record: { digest: OTHER } },
      outcome: "refuse",
    },
    {
      row: "that nobody recorded, and the registry's tag agrees",
      verdict: { kind: "first-seen", record: { digest: GOOD } },
      outcome: "pass",
    },
    {
      row: "that nobody recorded, and the registry's tag names another one",
      image: `${ALPINE}@${OTHER}`,
      verdict: { kind: "unrecorded", reason: "registry-differs", detail: GOOD },
      outcome: "pass",
    },
    {
      row: "of a followed tag that had it once",
      log: logOf([owner, GOOD], [owner, OTHER]),
      rule: { action: "follow" },
      verdict: { kind: "unchanged", note: "superseded" },
      outcome: "pass",
    },
  ])("$row", async ({ verdict, outcome, ...row }) => {
    expect(await judge(around(row), { ...row, claimed: true })).toMatchObject({ verdict, outcome });
  });
});

describe("a tag that is younger than its rule wants", () => {
  test.for<Row & { row: string; verdict: object; outcome: Outcome; recorded?: number }>([
    {
      row: "is recorded all the same, and refused until then",
      rule: WEEK,
      verdict: {
        kind: "too-new",
        record: { digest: GOOD },
        until: new Date(OBSERVED.getTime() + 7 * DAY_MS + 2000),
      },
      outcome: "refuse",
      recorded: 1,
    },
    {
      row: "is recorded, and warned about where the rule says so",
      rule: { minAge: { days: 7, otherwise: "warn" } },
      verdict: { kind: "too-new" },
      outcome: "warn",
      recorded: 1,
    },
    {
      row: "is taken when who records it may vouch for it",
      setting: { key: owner, policy: { trust: [may(owner, "record", "vouch")] } },
      rule: WEEK,
      verdict: { kind: "first-seen" },
      outcome: "pass",
      recorded: 1,
    },
    {
      row: "is taken when an observer vouched for it before anybody recorded it",
      log: logOf([observer, GOOD]),
      rule: WEEK,
      verdict: { kind: "first-seen", record: { signer: recorder.signer } },
      outcome: "pass",
      recorded: 1,
    },
    {
      row: "is not taken when an observer vouched for another image",
      log: logOf([observer, OTHER]),
      rule: WEEK,
      verdict: { kind: "too-new" },
      outcome: "refuse",
      recorded: 1,
    },
    {
      row: "is taken when it was approved",
      log: logOf([recorder, OTHER], [owner, GOOD, OTHER]),
      rule: WEEK,
      verdict: { kind: "unchanged" },
      outcome: "pass",
    },
    {
      row: "is not taken when who may not approve says so",
      log: logOf([recorder, GOOD], [recorder, GOOD, OTHER]),
      rule: WEEK,
      verdict: { kind: "too-new" },
      outcome: "refuse",
    },
    {
      row: "has no proven age when nobody can record it",
      setting: { key: undefined },
      rule: WEEK,
      verdict: { kind: "unrecorded", reason: "no-signer" },
      outcome: "refuse",
    },
  ])("$row", async ({ verdict, outcome, recorded = 0, ...row }) => {
    const setting = around(row);
    const before = setting.log.log.size;
    expect(await judge(setting, row)).toMatchObject({ verdict, outcome });
    expect(setting.log.log.size - before).toBe(recorded);
  });
});

describe("what who signs may not record lets no tag stand, and is told so", () => {
  test.for([
    { row: "who may only vouch", key: observer },
    { row: "who may only approve", key: approver },
  ])("$row", async ({ key }) => {
    expect(await judge(around({ setting: { key } }))).toMatchObject({
      outcome: "refuse",
      verdict: {
        kind: "unknown",
        reason: "unwritten",
        detail:
          "recorded, but who signs here may not record by the policy (policy.yaml:2), so its record lets no tag stand",
      },
    });
  });
});

/** An index of manifests for these platforms, as a registry serves it. */
function indexOf(
  platforms: Readonly<Record<string, string>>,
): Served & { readonly digest: ReturnType<typeof sha256> } {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const manifests = Object.entries(platforms).map(([platform, name]) => {
    const [os, architecture, variant] = platform.split("/");
    return { digest: sha256(name), platform: { os, architecture, ...(variant && { variant }) } };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { bytes, mediaType, digest: sha256(bytes) };
}

describe("an index that changed", () => {
  const RECORDED = { "linux/amd64": "one", "linux/arm64": "two" };
  const before = indexOf(RECORDED);
  const rebuiltArm = indexOf({ ...RECORDED, "linux/arm64": "another" });
  const recordedAs = (platforms: Readonly<Record<string, string>>): SampleLog => {
    const log = sampleLog();
    const manifests = Object.entries(platforms).map(([platform, name]) => ({
      platform,
      digest: sha256(name),
    }));
    log.record(sighting({ reference: ALPINE, digest: before.digest, platforms: manifests }), owner);
    return log;
  };
  const servedAs = (digest: string, what: Served | Error): Setting => ({
    served: { [`docker.io/library/alpine:${digest}`]: what },
  });
  const NEW = `${ALPINE}@${rebuiltArm.digest}`;
  const normal = servedAs(rebuiltArm.digest, rebuiltArm);

  test.for<Row & { row: string; same: boolean; asked?: number }>([
    { row: "elsewhere than on the platform that is built", setting: normal, same: true },
    { row: "elsewhere, where the rule pins", setting: normal, rule: { action: "pin" }, same: true },
    { row: "elsewhere, where the rule warns", setting: normal, rule: { action: "warn" }, same: true },
    { row: "on a platform that is built", platforms: ["linux/arm64"], setting: normal, same: false },
    {
      row: "on one of two platforms that are built",
      platforms: ["linux/amd64", "linux/arm64"],
      setting: normal,
      same: false,
    },
    { row: "when it is not known what is built", platforms: [], setting: normal, same: false, asked: 0 },
    {
      row: "when what is recorded was no index",
      log: recordedAs({}),
      setting: normal,
      same: false,
      asked: 0,
    },
    {
      row: "when the registry gives other bytes for that digest",
      setting: servedAs(rebuiltArm.digest, before),
      same: false,
    },
    {
      row: "when the registry does not have it",
      setting: { served: {} },
      same: false,
    },
    {
      row: "when the registry does not show it to everybody",
      setting: servedAs(rebuiltArm.digest, new CourierError("needs-credentials", "status 401")),
      same: false,
    },
    {
      row: "when the registry does not answer, and the rule has the recorded one built in any case",
      setting: servedAs(rebuiltArm.digest, new CourierError("unreachable", "down")),
      rule: { action: "pin" },
      same: false,
    },
    {
      row: "when what the registry gives is no index",
      setting: servedAs(rebuiltArm.digest, { ...rebuiltArm, mediaType: "text/html" }),
      same: false,
    },
  ])("$row: the same is $same", async ({ same, asked = 1, log = recordedAs(RECORDED), ...row }) => {
    const setting = around({ ...row, log });
    const judgement = await judge(setting, { ...row, image: NEW });
    if (same) {
      expect(judgement).toMatchObject({
        outcome: "pass",
        verdict: { kind: "unchanged", note: "same-platforms", record: { digest: before.digest } },
      });
    } else {
      expect(judgement.verdict).toMatchObject({ kind: "moved", record: { digest: before.digest } });
    }
    expect(setting.asked.filter((each) => each.startsWith("manifest"))).toHaveLength(asked);
    expect(setting.log.log.size, "nothing is written").toBe(1);
  });

  test.for<{ row: string; error: Error; rule?: Partial<Rule>; outcome: Outcome }>([
    {
      row: "too many requests",
      error: new CourierError("rate-limited", "status 429: too many requests"),
      outcome: "refuse",
    },
    { row: "an error of its own", error: new CourierError("unreachable", "status 503"), outcome: "refuse" },
    { row: "a refusal", error: new CourierError("refused", "status 400"), outcome: "refuse" },
    {
      row: "a page of something else",
      error: new CourierError("bad-answer", "no manifest"),
      outcome: "refuse",
    },
    {
      row: "nothing in time",
      error: new DOMException("it took too long", "TimeoutError"),
      outcome: "refuse",
    },
    {
      row: "nothing, where unknown images are warned about",
      error: new CourierError("unreachable", "down"),
      rule: { unknown: "warn" },
      outcome: "warn",
    },
    {
      row: "nothing, where moved images are warned about",
      error: new CourierError("unreachable", "down"),
      rule: { action: "warn" },
      outcome: "refuse",
    },
  ])("is not told as moved when the registry answers $row", async ({ error, outcome, ...row }) => {
    const setting = around({
      ...row,
      log: recordedAs(RECORDED),
      setting: servedAs(rebuiltArm.digest, error),
    });
    expect(await judge(setting, { image: NEW })).toMatchObject({
      outcome,
      verdict: {
        kind: "unknown",
        reason: "not-compared",
        detail: `the tag names another digest than recorded, and the registry could not be asked whether that is the same image for linux/amd64: ${error.message}`,
      },
    });
  });

  test("and whose record is younger than the rule wants is too new", async () => {
    const setting = around({ setting: normal, log: recordedAs(RECORDED), rule: WEEK });
    expect(await judge(setting, { image: NEW })).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "too-new", record: { digest: before.digest } },
    });
  });

  test("is asked for by its digest, with plain http where that is allowed", async () => {
    const name = "localhost:5000/app:1.0.0";
    const log = sampleLog();
    log.record(sighting({ reference: name, digest: before.digest }), owner);
    const setting = around({ log, rule: { private: true } });
    await judge(setting, { image: `${name}@${GOOD}` });
    expect(setting.asked).toContain(`manifest http localhost:5000/app:${GOOD}`);
  });
});

describe("an image that needs credentials", () => {
  const PRIVATE = "registry.example.org/team/app:1.0.0";
  const denied = new CourierError("needs-credentials", "status 401");
  const absent = new CourierError("not-found", "status 404");

  test.for([denied, absent])("is named to no log without a word of the rule: $message", async (answer) => {
    const statements: Uint8Array[] = [];
    const setting = around({
      setting: {
        served: { [PRIVATE]: answer },
        courier: {
          async record({ statement }) {
            statements.push(statement);
            return { uuid: "" };
          },
        },
      },
    });
    expect(await judge(setting, { image: `${PRIVATE}@${GOOD}` })).toMatchObject({
      outcome: "pass",
      verdict: { kind: "unrecorded", reason: "not-public", detail: answer.message },
    });
    expect(statements, "the courier was asked to record nothing").toEqual([]);
    expect(setting.log.log.size).toBe(0);
  });

  test.for([denied, absent])(
    "is recorded without what nobody else can see, when its rule says private: $message",
    async (answer) => {
      const setting = around({ rule: { private: true }, setting: { served: { [PRIVATE]: answer } } });
      const { verdict, outcome } = await judge(setting, { image: `${PRIVATE}@${GOOD}` });
      expect({ verdict, outcome }).toMatchObject({
        outcome: "pass",
        verdict: { kind: "first-seen", record: { digest: GOOD, platforms: [] } },
      });
      const [entry] = setting.log.log.entries;
      const data = entry && setting.log.found(entry).entry.attestation?.data;
      const written = parseSighting(Buffer.from(data ?? "", "base64"));
      expect(written).toEqual({
        reference: PRIVATE,
        digest: GOOD,
        platforms: [],
        observedAt: setting.log.now,
      });
    },
  );

  test("is recorded as everything else when the registry shows it after all", async () => {
    const setting = around({ rule: { private: true }, setting: { served: { [PRIVATE]: served } } });
    const { verdict } = await judge(setting, { image: `${PRIVATE}@${GOOD}` });
    expect(verdict).toMatchObject({ kind: "first-seen", record: { mediaType: served.mediaType } });
  });

  test("is not recorded when the registry shows something else", async () => {
    const setting = around({ rule: { private: true }, setting: { served: { [PRIVATE]: served } } });
    expect((await judge(setting, { image: `${PRIVATE}@${OTHER}` })).verdict).toMatchObject({
      kind: "unrecorded",
      reason: "registry-differs",
    });
    expect(setting.log.log.size).toBe(0);
  });

  test("is unknown, not private, when the registry is down", async () => {
    const down = new CourierError("unreachable", "status 503");
    const setting = around({ rule: { private: true }, setting: { served: { [PRIVATE]: down } } });
    expect((await judge(setting, { image: `${PRIVATE}@${GOOD}` })).verdict).toEqual({
      kind: "unknown",
      reason: "unreachable",
      detail: "not recorded: status 503",
    });
    expect(setting.log.log.size).toBe(0);
  });
});
