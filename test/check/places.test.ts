// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import type { CheckContext } from "../../src/check/context.ts";
import { openCheck } from "../../src/check/check.ts";
import type { Courier } from "../../src/check/courier.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { LogService } from "../../src/log/signing-config.ts";
import { type History, readHistory } from "../../src/record/history.ts";
import { parseIdentity, parseIdentityPattern, type Trust } from "../../src/record/signer.ts";
import { subjectHash } from "../../src/record/statement.ts";
import { tlogistrySubjectHash } from "../../src/record/tlogistry.ts";
import {
  jointRoot,
  OTHER_DIGEST as OTHER,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";
import { sampleLogV2, type SampleLogV2 } from "../record/sample-log-v2.ts";
import {
  consumed,
  samplePolicy,
  servedManifest,
  type Setting,
  surroundings,
  type Surroundings,
} from "./sample-courier.ts";
import { historyIn } from "./sample-history.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const served = servedManifest("alpine");
const GOOD = served.digest;
const SERVED = { [ALPINE]: served };
const key = sampleKey();
const stranger = sampleKey();
const V1: LogService = { url: "https://rekor.example.org", api: 1 };
const SECOND: LogService = { url: "https://second.example.org", api: 1 };
const V2: LogService = { url: "https://log2026.example.org", api: 2 };
const DOWN = new CourierError("unreachable", "ECONNREFUSED");

async function judge(
  { context }: Pick<Surroundings, "context">,
  image = `${ALPINE}@${GOOD}`,
): Promise<Judgement> {
  const [judgement] = await openCheck(context)(consumed(image));
  if (judgement === undefined) throw new Error("nothing was judged");
  return judgement;
}

describe("a log without search", () => {
  let v2: SampleLogV2;
  let v1: SampleLog;
  beforeAll(async () => {
    v2 = await sampleLogV2();
    v1 = sampleLog();
    v1.now = new Date(v2.start.getTime() + 1000);
  });

  function around(
    logs: readonly LogService[],
    context: Partial<CheckContext> = {},
    change: Setting = {},
  ): Surroundings {
    const record: Courier["record"] = async ({ log, statement }) => {
      if (log.api === 1) return { uuid: v1.append(signEnvelope(statement, key)).uuid };
      return { bundle: await v2.bundle(signEnvelope(statement, key)) };
    };
    return surroundings(
      {
        key,
        served: SERVED,
        now: () => v2.start,
        courier: { record },
        ...change,
        policy: { logs, trust: trusting(key.signer), ...change.policy },
        context: { trustedRoot: async () => jointRoot(v1, v2), ...context },
      },
      v1,
    );
  }

  test("has a record or not, nobody knows: without a lock file the tag is unknown", async () => {
    const setting = around([V2]);
    expect(await judge(setting)).toMatchObject({
      outcome: "refuse",
      verdict: {
        kind: "unknown",
        reason: "unsearchable",
        detail: `no lock file has a record of it, and the log "${V2.url}" has no search`,
      },
    });
    expect(setting.started).toEqual([]);
  });

  test("and so it is where another log with a search was asked as well", async () => {
    expect((await judge(around([V2, V1]))).verdict.kind).toBe("unknown");
  });

  test("to which nothing is written is no reason to doubt: the one with a search is asked", async () => {
    expect((await judge(around([V1, V2], { keepsRecords: true }))).verdict.kind).toBe("first-seen");
    expect((await judge(around([V1, V2]))).verdict.kind).toBe("unchanged");
  });

  test("is written to when a lock file keeps the answer, and that is the record", async () => {
    const setting = around([V2], { keepsRecords: true });
    const judge2 = openCheck(setting.context);
    const [first, second] = await judge2(consumed(`${ALPINE}@${GOOD}`, `${ALPINE}@${GOOD}`));
    expect(first).toMatchObject({
      verdict: { kind: "first-seen", record: { logUrl: V2.url, digest: GOOD } },
      records: [{ digest: GOOD }],
    });
    expect(second?.verdict, "known from the first").toMatchObject({
      kind: "unchanged",
      record: { logUrl: V2.url },
    });
    expect(setting.asked).toEqual(["ready", `manifest https ${ALPINE}`]);
    const [third] = await judge2(consumed(`${ALPINE}@${OTHER}`));
    expect(third).toMatchObject({ outcome: "refuse", verdict: { kind: "moved", record: { digest: GOOD } } });
    // And with what the lock file keeps, the next build needs nobody.
    const { records } = first ?? { records: [] };
    const next = around([V2], { locked: async () => ({ records, rejected: new Map(), foreign: [] }) });
    expect((await judge(next)).verdict.kind).toBe("unchanged");
    expect(next.started).toEqual([]);
  });

  test("and whose answer proves nothing leaves the tag unknown", async () => {
    const record: Courier["record"] = async ({ statement }) => ({
      bundle: await v2.bundle(signEnvelope(statement, stranger)),
    });
    const setting = around([V2], { keepsRecords: true }, { courier: { record } });
    expect(await judge(setting)).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "unknown", reason: "unproven", detail: "recorded, but the log does not prove it" },
      rejected: new Map([["untrusted-signer", 1]]),
    });
  });

  test("is written to in an approval that the lock file keeps", async () => {
    const old = await v2.record({ reference: ALPINE, digest: OTHER }, key);
    const first = around([V2], {
      keepsRecords: true,
      approval: { image: parseReference(`${ALPINE}@${GOOD}`) },
      locked: async () => historyOf(old),
    });
    expect(await judge(first)).toMatchObject({
      verdict: {
        kind: "approved",
        record: { digest: GOOD, supersedes: OTHER },
        superseded: { digest: OTHER },
      },
      records: [{ digest: OTHER }, { digest: GOOD, supersedes: OTHER }],
    });
    function historyOf(bundle: unknown): History {
      return readHistory([{ kind: "bundle", bundle, place: "tlog.lock:2" }], {
        subject: parseReference(ALPINE),
        trust: trusting(key.signer),
        trustedRoot: v2.trustedRoot,
      });
    }
  });

  test("without anybody to trust, and nothing to sign with, the tag is new", async () => {
    const setting = around([V2], {}, { key: undefined, policy: { trust: [] } });
    expect((await judge(setting)).verdict).toMatchObject({ kind: "unrecorded", reason: "no-signer" });
  });
});

describe("a trusted root that is too old", () => {
  const log = sampleLog();
  const other = sampleLog("other.example.org");
  log.record(sighting({ reference: ALPINE, digest: GOOD }), key);
  const OLD_ROOT = async () => jointRoot(other);

  function around(newerRoot: CheckContext["newerRoot"]) {
    let asked = 0;
    const counting = newerRoot && (() => (asked++, newerRoot()));
    const setting = surroundings(
      {
        key,
        served: SERVED,
        policy: { trust: trusting(key.signer) },
        context: { trustedRoot: OLD_ROOT, ...(counting && { newerRoot: counting }) },
      },
      log,
    );
    return { ...setting, times: () => asked };
  }

  test("is exchanged once for a newer one that proves the record", async () => {
    const setting = around(async () => log.trustedRoot);
    expect((await judge(setting)).verdict).toMatchObject({ kind: "unchanged", record: { digest: GOOD } });
    expect(setting.times()).toBe(1);
  });

  test.for([
    { row: "there is no newer one", newer: async () => undefined },
    { row: "nobody can be asked for a newer one", newer: () => Promise.reject(new Error("offline")) },
    { row: "the newer one does not have the log either", newer: OLD_ROOT },
    { row: "nothing is there to ask", newer: undefined },
  ])("leaves the tag unknown when $row", async ({ newer }) => {
    const setting = around(newer);
    expect(await judge(setting)).toMatchObject({
      outcome: "refuse",
      verdict: {
        kind: "unknown",
        reason: "unproven",
        detail:
          "the log has 1 entry of a trusted signer for this tag, but does not prove what was signed or that it took it in; or the trusted root does not have this log",
      },
    });
    expect(setting.times()).toBe(newer === undefined ? 0 : 1);
  });

  describe("is not asked about for a certificate that anybody can make", () => {
    const SELF_MADE = new Map([["bad-certificate", 50_000]] as const);
    const strangers: Courier["find"] = async ({ hash, including }) => {
      const found = including === undefined ? [...log.log.search([hash])] : [including];
      const entries = found.flatMap((uuid) => {
        const entry = log.log.byUuid(uuid);
        return entry === undefined ? [] : [log.found(entry)];
      });
      return { entries, dropped: SELF_MADE };
    };
    const asking = (change: Setting, newerRoot: CheckContext["newerRoot"]) => {
      let asked = 0;
      const setting = surroundings(
        {
          ...change,
          courier: { find: strangers },
          policy: { trust: trusting(key.signer), rule: { unseen: "allow" } },
          context: { newerRoot: () => (asked++, newerRoot?.() ?? Promise.resolve(undefined)) },
        },
        log,
      );
      return { ...setting, times: () => asked };
    };

    test("where what is proven lets the image pass", async () => {
      const setting = asking({}, () => Promise.reject(new Error("nobody is to ask")));
      const { verdict, rejected } = await judge(setting);
      expect(verdict).toMatchObject({ kind: "unchanged", record: { digest: GOOD } });
      expect(rejected, "under two names").toEqual(new Map([["bad-certificate", 100_000]]));
      expect(setting.times()).toBe(0);
    });

    test("more than once where it might, and failing to get one leaves the verdict as it is", async () => {
      const setting = asking({}, () => Promise.reject(new Error("offline")));
      const { verdict } = await judge(setting, `${ALPINE}@${OTHER}`);
      expect(verdict).toMatchObject({ kind: "moved", record: { digest: GOOD } });
      expect(setting.times()).toBe(1);
    });
  });

  test("is no question where everything is proven", async () => {
    const asking = surroundings(
      {
        policy: { trust: trusting(key.signer) },
        context: {
          newerRoot: () => {
            throw new Error("nobody is to ask");
          },
        },
      },
      log,
    );
    expect((await judge(asking)).verdict.kind).toBe("unchanged");
  });
});

describe("several logs", () => {
  /** Two logs with their own clocks, and a courier that knows both. */
  function around(
    [first, second]: readonly [SampleLog, SampleLog],
    change: Setting = {},
  ): Surroundings & { readonly finds: string[] } {
    const finds: string[] = [];
    const find: Courier["find"] = async ({ log, hash }) => {
      finds.push(log);
      const sample = log === V1.url ? first : second;
      const entries = [...sample.log.search([hash])].flatMap((uuid): RawEntry[] => {
        const entry = sample.log.byUuid(uuid);
        return entry === undefined ? [] : [sample.found(entry)];
      });
      return { entries, dropped: new Map() };
    };
    const setting = surroundings(
      {
        key,
        served: SERVED,
        courier: { find },
        ...change,
        policy: { logs: [V1, SECOND], trust: trusting(key.signer), ...change.policy },
        context: { trustedRoot: async () => jointRoot(first, second), ...change.context },
      },
      first,
    );
    return { ...setting, finds };
  }
  const pair = (): [SampleLog, SampleLog] => [sampleLog(), sampleLog("second.example.org")];
  const at = (log: SampleLog, seconds: number, digest: typeof OTHER): void => {
    const observedAt = new Date(log.now.getTime() + seconds * 1000);
    log.now = new Date(observedAt.getTime() + 1000);
    log.record(sighting({ reference: ALPINE, digest, observedAt }), key);
  };

  test("are all asked, and a record in the second one counts", async () => {
    const logs = pair();
    at(logs[1], 0, GOOD);
    const setting = around(logs);
    expect((await judge(setting)).verdict).toMatchObject({
      kind: "unchanged",
      record: { logUrl: SECOND.url },
    });
    expect(new Set(setting.finds)).toEqual(new Set([V1.url, SECOND.url]));
  });

  test("the earlier record stands, whichever log has it", async () => {
    const logs = pair();
    at(logs[0], 60, GOOD);
    at(logs[1], 0, OTHER);
    expect((await judge(around(logs))).verdict).toMatchObject({ kind: "moved", record: { digest: OTHER } });
  });

  test("one of them down makes the tag unknown, whatever the other one has", async () => {
    const logs = pair();
    at(logs[0], 0, GOOD);
    const find: Courier["find"] = async ({ log }) => {
      if (log === SECOND.url) throw DOWN;
      return { entries: logs[0].log.entries.map((entry) => logs[0].found(entry)), dropped: new Map() };
    };
    expect((await judge(around(logs, { courier: { find } }))).verdict).toEqual({
      kind: "unknown",
      reason: "unreachable",
      detail: "ECONNREFUSED",
    });
  });

  test("records of a log that the policy does not name do not count", async () => {
    const logs = pair();
    at(logs[1], 0, OTHER);
    at(logs[0], 60, GOOD);
    const named = { ...samplePolicy().sources, logs: "policy.yaml:3" };
    const setting = around(logs, { policy: { logs: [V1] } });
    // What a search brings says where it is from, and a log may bring what another one took in.
    const find: Courier["find"] = async ({ hash }) => ({
      entries:
        hash === subjectHash(parseReference(ALPINE))
          ? logs.flatMap((log) => log.log.entries.map((entry) => log.found(entry)))
          : [],
      dropped: new Map(),
    });
    const courier = async () => ({ ...(await setting.context.courier({ signing: false })), find });
    const { policy } = setting.context;
    const strict = { ...setting.context, courier, policy: { ...policy, sources: named } };
    expect(await judge({ context: strict })).toMatchObject({
      verdict: { kind: "unchanged", record: { digest: GOOD } },
      rejected: new Map([["unnamed-log", 1]]),
    });
    const loose = { ...setting.context, courier };
    expect((await judge({ context: loose })).verdict, "unless it names none").toMatchObject({
      kind: "moved",
      record: { digest: OTHER },
    });
  });

  test("the first is written to", async () => {
    const records: LogService[] = [];
    const record: Courier["record"] = ({ log }) => {
      records.push(log);
      return Promise.reject(new CourierError("refused", "not today"));
    };
    const find: Courier["find"] = async () => ({ entries: [], dropped: new Map() });
    await judge(around(pair(), { courier: { find, record } }));
    expect(records).toEqual([V1]);
  });

  test("a policy without any log records nothing, says so, and asks no registry", async () => {
    const setting = around(pair(), { policy: { logs: [] } });
    const { verdict } = await judge(setting);
    expect(setting.asked.filter((each) => each.startsWith("manifest"))).toEqual([]);
    expect(verdict).toEqual({
      kind: "unknown",
      reason: "unwritten",
      detail: "not recorded: the policy names no log",
    });
  });
});

describe("a search is narrowed to one identity only when nobody else counts", () => {
  const CI = parseIdentity({ issuer: "https://accounts.google.com", identity: "ci@acme.example" });
  const EVE = parseIdentity({ issuer: "https://accounts.google.com", identity: "eve@acme.example" });
  const ALL = parseIdentityPattern({ issuer: "https://accounts.google.com", pattern: "*@acme.example" });
  const own = subjectHash(parseReference(ALPINE));
  const legacy = tlogistrySubjectHash(parseReference(ALPINE));

  const both = [{ hash: own }, { hash: legacy }];

  test.for<{ row: string; trust: readonly Trust[]; asked: readonly object[] }>([
    { row: "one identity", trust: trusting(CI), asked: [{ hash: own, identity: CI.identity }] },
    { row: "two identities", trust: trusting(CI, EVE), asked: both },
    { row: "a pattern of identities", trust: trusting(ALL), asked: both },
    { row: "an identity and a key", trust: trusting(CI, key.signer), asked: both },
    { row: "a key", trust: trusting(key.signer), asked: both },
    {
      row: "an identity whose old records count too",
      trust: [{ signer: CI, may: new Set(["record"]), tlogistry: true }],
      asked: both,
    },
  ])("$row", async ({ trust, asked }) => {
    const seen: object[] = [];
    const keys = trust.filter(({ signer }) => signer.kind === "key").length;
    const find: Courier["find"] = async ({ counting, tag, ...what }) => {
      // The courier is told who counts, however the log is asked.
      expect([counting?.keys.length, counting?.names.length, tag]).toEqual([
        keys,
        trust.length - keys,
        ALPINE,
      ]);
      seen.push(what);
      return { entries: [], dropped: new Map() };
    };
    await judge(surroundings({ courier: { find }, policy: { trust } }));
    expect(seen).toEqual(asked.map((each) => ({ log: V1.url, ...each })));
  });
});

describe("what one image of a build has shown is known for the next one of its tag", () => {
  test("the log is asked once", async () => {
    const log = sampleLog();
    log.record(sighting({ reference: ALPINE, digest: GOOD }), key);
    const setting = surroundings({ policy: { trust: trusting(key.signer) } }, log);
    const judgements = await openCheck(setting.context)(consumed(`${ALPINE}@${GOOD}`, `${ALPINE}@${OTHER}`));
    expect(judgements.map(({ verdict }) => verdict.kind)).toEqual(["unchanged", "moved"]);
    const once = surroundings({ policy: { trust: trusting(key.signer) } }, log);
    await openCheck(once.context)(consumed(`${ALPINE}@${GOOD}`));
    const finds = (asked: readonly string[]) => asked.filter((what) => what === "find").length;
    expect(finds(setting.asked)).toBe(finds(once.asked));
  });

  test("also in a later question of the same check", async () => {
    const log = sampleLog();
    const setting = surroundings({ key, served: SERVED }, log);
    const check = openCheck(setting.context);
    await check(consumed(`${ALPINE}@${GOOD}`));
    const { length } = setting.asked;
    expect(await check(consumed(`${ALPINE}@${GOOD}`))).toMatchObject([{ verdict: { kind: "unchanged" } }]);
    expect(setting.asked).toHaveLength(length);
  });

  test("another tag is asked for", async () => {
    const log = sampleLog();
    log.record(sighting({ reference: ALPINE, digest: GOOD }), key);
    const setting = surroundings({ policy: { trust: trusting(key.signer) } }, log);
    const judgements = await openCheck(setting.context)(
      consumed(`${ALPINE}@${GOOD}`, `docker.io/library/alpine:3.16.1@${GOOD}`),
    );
    expect(judgements.map(({ verdict }) => verdict.kind)).toEqual(["unchanged", "unrecorded"]);
    expect(historyIn(log, { reference: ALPINE, trust: trusting(key.signer) }).history.records).toHaveLength(
      1,
    );
  });
});
