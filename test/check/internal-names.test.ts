// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement, Outcome } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { LogService } from "../../src/log/signing-config.ts";
import type { Rule } from "../../src/policy/rule.ts";
import {
  OTHER_DIGEST as OTHER,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";
import { consumed, type Served, servedManifest, surroundings, type Surroundings } from "./sample-courier.ts";
import { historyIn } from "./sample-history.ts";

const key = sampleKey();
const TRUST = trusting(key.signer);
const served = servedManifest("app");
const LOCAL = "localhost:5000/app:1";
const INTERNAL = "registry.corp/app:1";
const PUBLIC = "registry.example.org/app:1";
const PRIVATE_LOG: LogService = { url: "https://rekor.example.org", api: 1, private: true };
const LEADS_INSIDE = Object.assign(
  new Error('GET https://registry.example.org/v2/: "10.0.0.7" is a private address'),
  { code: "not-public" },
);

interface Row {
  readonly image: string;
  readonly rule?: Partial<Rule>;
  readonly logs?: readonly LogService[];
  readonly answer?: Served | Error;
  /** Whether the log has a record of another image under the tag. */
  readonly moved?: true;
  /** Whether the lock file has it. */
  readonly locked?: true;
  /** The rule is the repository's own, without a baked policy. */
  readonly unbaked?: true;
}

function building({ image, rule = {}, logs, answer = served, moved, locked, unbaked }: Row): Surroundings {
  const log = moved ? recordedAs(OTHER, image) : sampleLog();
  const kept = locked && historyIn(recordedAs(OTHER, image), { reference: image, trust: TRUST }).history;
  return surroundings(
    {
      key,
      served: { [image]: answer },
      policy: { trust: TRUST, rule, isBaked: unbaked !== true, ...(logs && { logs }) },
      context: { ...(kept && { locked: async () => kept }) },
    },
    log,
  );
}

function recordedAs(digest: typeof OTHER, reference: string): SampleLog {
  const log = sampleLog();
  log.record(sighting({ reference, digest }), key);
  return log;
}

async function judge({ context }: Surroundings, image: string): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(`${image}@${served.digest}`));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

const LOCAL_DETAIL =
  'the registry "localhost:5000" is another one on each machine, so it has no history in a log; a policy baked into the frontend may say "private: true" for it';
const INTERNAL_DETAIL =
  'the registry "registry.corp" is not of the public internet, and the log is public; a policy baked into the frontend may say "private: true" for it, or name a log with "private: true"';
const hidden = (detail: string): object => ({ kind: "unrecorded", reason: "internal-name", detail });

describe("a name that is not of the public internet is written to no public log", () => {
  test.for<Row & { row: string; verdict: object; outcome?: Outcome; asks?: readonly string[] }>([
    { row: "localhost", image: LOCAL, verdict: hidden(LOCAL_DETAIL), asks: [] },
    {
      row: "localhost, with a private log",
      image: LOCAL,
      logs: [PRIVATE_LOG],
      verdict: hidden(LOCAL_DETAIL),
      asks: [],
    },
    {
      row: "localhost, of which the log has a record by another machine",
      image: LOCAL,
      moved: true,
      verdict: hidden(LOCAL_DETAIL),
      asks: [],
    },
    {
      row: "localhost, where new tags are blocked",
      image: LOCAL,
      rule: { unseen: "block" },
      verdict: hidden(LOCAL_DETAIL),
      outcome: "refuse",
      asks: [],
    },
    {
      row: "localhost, where new tags are let through",
      image: LOCAL,
      rule: { unseen: "allow" },
      verdict: { kind: "unrecorded", reason: "policy" },
      asks: [],
    },
    {
      row: "a name of somebody's own",
      image: INTERNAL,
      verdict: hidden(INTERNAL_DETAIL),
      asks: ["find"],
    },
    {
      row: "a name of somebody's own, where new tags are blocked",
      image: INTERNAL,
      rule: { unseen: "block" },
      verdict: hidden(INTERNAL_DETAIL),
      outcome: "refuse",
      asks: ["find"],
    },
    {
      row: "what needs credentials, although the log is private: no rule says that it may be named",
      image: INTERNAL,
      logs: [PRIVATE_LOG],
      answer: new CourierError("needs-credentials", "status 401"),
      verdict: { kind: "unrecorded", reason: "not-public", detail: "status 401" },
    },
    {
      row: "localhost, where the repository alone says that it may be named",
      image: LOCAL,
      rule: { private: true },
      unbaked: true,
      verdict: hidden(LOCAL_DETAIL),
      asks: [],
    },
    {
      row: "a name of somebody's own, where the repository alone says that it may be named",
      image: INTERNAL,
      rule: { private: true },
      unbaked: true,
      verdict: hidden(INTERNAL_DETAIL),
    },
    {
      row: "a public name that leads to a private address, where the repository alone says that it may be named",
      image: PUBLIC,
      rule: { private: true },
      unbaked: true,
      answer: LEADS_INSIDE,
      verdict: hidden(LEADS_INSIDE.message),
    },
    {
      row: "a public name that leads to a private address",
      image: PUBLIC,
      answer: LEADS_INSIDE,
      verdict: hidden(LEADS_INSIDE.message),
    },
  ])("$row", async ({ verdict, outcome = "pass", asks, ...row }) => {
    const around = building(row);
    const before = around.log.log.size;
    expect(await judge(around, row.image)).toMatchObject({ verdict, outcome });
    expect(around.log.log.size).toBe(before);
    if (asks !== undefined) expect(around.asked.filter((each) => each !== "ready")).toEqual(asks);
    if (row.image === LOCAL) expect(around.asked, "nobody needs a secret for that").not.toContain("ready");
  });

  test("nor a followed one, and where a lock file has it no log is asked again and again", async () => {
    const around = building({ image: LOCAL, locked: true, rule: { action: "follow" } });
    expect(await judge(around, LOCAL)).toMatchObject({
      outcome: "pass",
      verdict: { kind: "moved", record: { digest: OTHER } },
    });
    expect(around.asked).toEqual(["ready"]);
  });

  test("nor in an approval", async () => {
    const around = building({ image: INTERNAL, moved: true });
    const approval = { image: parseReference(`${INTERNAL}@${served.digest}`) };
    const judged = judge({ ...around, context: { ...around.context, approval } }, INTERNAL);
    await expect(judged).rejects.toThrow(CheckError);
    await expect(judged).rejects.toThrow(`approve "${INTERNAL}": ${INTERNAL_DETAIL}`);
    expect(around.log.log.size).toBe(1);
  });
});

test.for<Row & { row: string; wanted: boolean }>([
  { row: "is to be at a public address", image: PUBLIC, wanted: true },
  { row: "may be anywhere by its rule", image: PUBLIC, rule: { private: true }, wanted: false },
  { row: "may be anywhere for a private log", image: PUBLIC, logs: [PRIVATE_LOG], wanted: false },
])("the registry of a new tag $row", async ({ wanted, ...row }) => {
  const around = building(row);
  const publicly: boolean[] = [];
  const courier: typeof around.context.courier = async (options) => ({
    ...(await around.context.courier(options)),
    manifest: async (what) => {
      publicly.push(what.public === true);
      return served;
    },
  });
  await judge({ ...around, context: { ...around.context, courier } }, row.image);
  expect(publicly).toEqual([wanted]);
});

describe("it is written where that is allowed", () => {
  test.for<Row & { row: string; platforms?: number }>([
    { row: "localhost, by its rule", image: LOCAL, rule: { private: true } },
    { row: "a name of somebody's own, by its rule", image: INTERNAL, rule: { private: true } },
    { row: "a name of somebody's own, to a private log", image: INTERNAL, logs: [PRIVATE_LOG] },
    {
      row: "a public name that leads inside, to a private log",
      image: PUBLIC,
      logs: [PRIVATE_LOG],
      answer: LEADS_INSIDE,
    },
    {
      row: "a public name that leads inside, by its rule",
      image: PUBLIC,
      rule: { private: true },
      answer: LEADS_INSIDE,
    },
  ])("$row", async (row) => {
    const around = building(row);
    expect(await judge(around, row.image)).toMatchObject({
      outcome: "pass",
      verdict: { kind: "first-seen" },
    });
    expect(around.log.log.size).toBe(1);
  });
});

describe("what was recorded of it counts", () => {
  test.for<Row & { row: string }>([
    { row: "of a name of somebody's own, in a public log", image: INTERNAL, moved: true },
    { row: "of localhost, in a log, by its rule", image: LOCAL, moved: true, rule: { private: true } },
    { row: "of localhost, in the lock file", image: LOCAL, locked: true },
  ])("$row", async (row) => {
    expect(await judge(building(row), row.image)).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "moved", record: { digest: OTHER } },
    });
  });

  test("of localhost, in the lock file, although the log is to be asked as well", async () => {
    const around = building({ image: LOCAL, locked: true });
    const judged = await judge({ ...around, context: { ...around.context, recheck: true } }, LOCAL);
    expect(judged.verdict).toMatchObject({ kind: "moved", record: { digest: OTHER } });
    expect(around.asked).not.toContain("find");
  });
});
