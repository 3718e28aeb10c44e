// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement, Outcome } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import type { UnknownReason } from "../../src/check/verdict.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { parseReference } from "../../src/image/reference.ts";
import { subjectHash } from "../../src/record/statement.ts";
import type { EffectivePolicy } from "../../src/policy/policy.ts";
import type { TrustedSigner } from "../../src/record/signer.ts";
import {
  jointRoot,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  trusting,
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
const manifest = servedManifest("alpine");
const IMAGE = `${ALPINE}@${manifest.digest}`;
const MOVED = `${ALPINE}@${OTHER_DIGEST}`;
const key = sampleKey();
const colleague = sampleKey();
const stranger = sampleKey();
const SERVED = { [ALPINE]: manifest };

function policyWith(
  change: Partial<EffectivePolicy["default"]>,
  trust: readonly TrustedSigner[] = [],
): Partial<EffectivePolicy> {
  return { default: { unseen: "record", unknown: "block", ...change }, trust: trusting(...trust) };
}

/** A log in which the image as it is was recorded by this key. */
function recordedBy(...keys: readonly (typeof key)[]): SampleLog {
  const log = sampleLog();
  for (const each of keys) log.record(sighting({ reference: ALPINE, digest: manifest.digest }), each);
  return log;
}

async function judge(
  images: readonly string[],
  { context }: Surroundings,
): Promise<readonly (Judgement & { kind: string })[]> {
  const judgements = await openCheck(context)(consumed(...images));
  return judgements.map((judgement) => ({ ...judgement, kind: judgement.verdict.kind }));
}

describe("what a build gets for one image", () => {
  test.for<{
    row: string;
    image?: string;
    log?: () => SampleLog;
    setting?: Setting;
    verdict: object;
    outcome: Outcome;
    recorded: number;
  }>([
    {
      row: "a tag that nobody saw before is recorded",
      setting: { key, served: SERVED },
      verdict: {
        kind: "first-seen",
        record: { digest: manifest.digest, reference: ALPINE, signer: key.signer },
      },
      outcome: "pass",
      recorded: 1,
    },
    {
      row: "a tag that is as recorded passes",
      log: () => recordedBy(key),
      setting: { key, served: SERVED },
      verdict: { kind: "unchanged", record: { digest: manifest.digest } },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "a tag that moved is refused",
      image: MOVED,
      log: () => recordedBy(key),
      setting: { key, served: SERVED },
      verdict: { kind: "moved", record: { digest: manifest.digest } },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "a tag that moved is refused also where the policy lets everything else through",
      image: MOVED,
      log: () => recordedBy(colleague),
      setting: { policy: policyWith({ unseen: "allow", unknown: "warn" }, [colleague.signer]) },
      verdict: { kind: "moved" },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "without a key to sign with a new tag is not recorded, and passes",
      setting: { served: SERVED },
      verdict: { kind: "unrecorded", reason: "no-signer" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "without a key and without anybody to trust no record counts",
      log: () => recordedBy(stranger),
      setting: { served: SERVED },
      verdict: { kind: "unrecorded", reason: "no-signer" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "a stranger's record does not count",
      log: () => recordedBy(stranger),
      setting: { key, served: SERVED },
      verdict: { kind: "first-seen" },
      outcome: "pass",
      recorded: 1,
    },
    {
      row: "a colleague's record counts when the policy trusts it",
      log: () => recordedBy(colleague),
      setting: { key, served: SERVED, policy: policyWith({}, [colleague.signer]) },
      verdict: { kind: "unchanged", record: { signer: colleague.signer } },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "beside the policy's signers the build's own record counts: nothing is recorded twice",
      log: () => recordedBy(key),
      setting: { key, served: SERVED, policy: policyWith({}, [colleague.signer]) },
      verdict: { kind: "unchanged", record: { signer: key.signer } },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "and the build's own record of another image refuses",
      image: MOVED,
      log: () => recordedBy(key),
      setting: { key, served: SERVED, policy: policyWith({}, [colleague.signer]) },
      verdict: { kind: "moved", record: { signer: key.signer } },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "the policy lets a new tag through without recording it",
      setting: { key, served: SERVED, policy: policyWith({ unseen: "allow" }) },
      verdict: { kind: "unrecorded", reason: "policy" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "the policy refuses a new tag",
      setting: { key, served: SERVED, policy: policyWith({ unseen: "block" }) },
      verdict: { kind: "unrecorded", reason: "policy" },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "an image by digest has no tag to check",
      image: `alpine@${OTHER_DIGEST}`,
      verdict: { kind: "by-digest" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "an image without a digest is refused",
      image: ALPINE,
      setting: { key, policy: policyWith({ unseen: "allow", unknown: "warn" }) },
      verdict: { kind: "unpinned" },
      outcome: "refuse",
      recorded: 0,
    },
    {
      row: "a registry that wants fewer questions: it is recorded another time",
      setting: { key, served: { [ALPINE]: new CourierError("rate-limited", "status 429") } },
      verdict: { kind: "unrecorded", reason: "rate-limited", detail: "status 429" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "what is not public is not recorded",
      setting: { key, served: { [ALPINE]: new CourierError("needs-credentials", "status 401") } },
      verdict: { kind: "unrecorded", reason: "not-public", detail: "status 401" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "what the registry does not have is not recorded",
      setting: { key },
      verdict: { kind: "unrecorded", reason: "not-public" },
      outcome: "pass",
      recorded: 0,
    },
    {
      row: "what the registry serves otherwise is not recorded",
      image: MOVED,
      setting: { key, served: SERVED },
      verdict: { kind: "unrecorded", reason: "registry-differs", detail: manifest.digest },
      outcome: "pass",
      recorded: 0,
    },
  ])("$row", async ({ image = IMAGE, log = sampleLog, setting, verdict, outcome, recorded }) => {
    const around = surroundings(setting, log());
    const before = around.log.log.size;
    const [judgement] = await judge([image], around);
    expect(judgement?.verdict).toMatchObject(verdict);
    expect(judgement?.outcome).toBe(outcome);
    expect(around.log.log.size - before).toBe(recorded);
  });
});

describe("what could not be asked or written is unknown, and never passes for anything else", () => {
  const unreachable = new CourierError("unreachable", "POST https://rekor.example.org: ECONNREFUSED");
  const failing = { find: () => Promise.reject(unreachable) };
  const served = (bytes: string): Record<string, Served> => ({
    [ALPINE]: { ...manifest, bytes: Buffer.from(bytes) },
  });

  test.for<{
    row: string;
    log?: () => SampleLog;
    setting: Setting;
    reason: UnknownReason;
    detail: string;
    recorded?: number;
  }>([
    {
      row: "the log is down",
      reason: "unreachable",
      setting: { key, courier: failing },
      detail: "ECONNREFUSED",
    },
    {
      row: "the log refuses the entry",
      reason: "unwritten",
      setting: {
        key,
        served: SERVED,
        courier: { record: () => Promise.reject(new CourierError("refused", "status 400")) },
      },
      detail: "not recorded: status 400",
    },
    {
      row: "the log takes no entry now",
      reason: "unreachable",
      setting: {
        key,
        served: SERVED,
        courier: { record: () => Promise.reject(new CourierError("unreachable", "status 503")) },
      },
      detail: "not recorded: status 503",
    },
    {
      row: "the policy names no log to write to",
      reason: "unwritten",
      setting: { key, served: SERVED, policy: { logs: [] } },
      detail: "not recorded: the policy names no log",
    },
    {
      row: "the registry is down",
      reason: "unreachable",
      setting: { key, served: { [ALPINE]: new CourierError("unreachable", "status 503") } },
      detail: "not recorded: status 503",
    },
    {
      row: "the manifest is no JSON",
      reason: "unwritten",
      setting: { key, served: served("<html>") },
      detail: "not recorded: read an image manifest",
    },
    {
      row: "the manifest is empty",
      reason: "unwritten",
      setting: { key, served: served("") },
      detail: "not recorded: read an image manifest",
    },
    {
      row: "the manifest is of a kind that nobody builds from",
      reason: "unwritten",
      setting: { key, served: { [ALPINE]: { ...manifest, mediaType: "text/html" } } },
      detail: 'not recorded: read an image manifest: "text/html"',
    },
    {
      row: "the log is down after the entry was written",
      reason: "unreachable",
      setting: {
        key,
        served: SERVED,
        changeFound: (entries) => {
          if (entries.length > 0) throw unreachable;
          return entries;
        },
      },
      detail: "recorded, but not read back: POST https://rekor.example.org: ECONNREFUSED",
      recorded: 1,
    },
    {
      row: "the log does not show the entry that was written",
      reason: "unproven",
      setting: {
        key,
        served: SERVED,
        changeFound: (entries) => entries.map(({ uuid }) => ({ uuid, entry: null })),
      },
      detail: "but the log does not prove it",
      recorded: 1,
    },
    {
      row: "this builder's clock is an hour slow",
      reason: "unproven",
      setting: { key, served: SERVED, now: () => new Date(OBSERVED.getTime() - 3_600_000) },
      detail: "because this builder's clock and the log's differ by more than 15 minutes",
      recorded: 1,
    },
    {
      row: "this builder's clock is an hour fast",
      reason: "unproven",
      setting: { key, served: SERVED, now: () => new Date(OBSERVED.getTime() + 3_600_000) },
      detail: "because this builder's clock and the log's differ by more than 15 minutes",
      recorded: 1,
    },
    {
      row: "the log has an entry of a trusted signer and not what was signed",
      reason: "unproven",
      log: () => recordedBy(key),
      setting: {
        key,
        served: SERVED,
        changeFound: (entries) =>
          entries.map(({ uuid, entry }) => ({
            uuid,
            entry: { ...(entry as object), attestation: undefined },
          })),
      },
      detail: "the log has 1 entry of a trusted signer for this tag, but does not prove what was signed",
    },
    {
      row: "the log has an entry of a trusted signer and a proof that proves nothing",
      reason: "unproven",
      log: () => recordedBy(key),
      setting: {
        key,
        served: SERVED,
        changeFound: (entries) =>
          entries.map(({ uuid, entry }) => {
            const { verification, ...rest } = entry as { verification: { inclusionProof: object } };
            const inclusionProof = { ...verification.inclusionProof, hashes: ["00".repeat(32)] };
            return { uuid, entry: { ...rest, verification: { ...verification, inclusionProof } } };
          }),
      },
      detail: "the log has 1 entry of a trusted signer for this tag, but does not prove what was signed",
    },
    {
      row: "the log has an entry of a trusted signer and another statement with it",
      reason: "unproven",
      log: () => recordedBy(key),
      setting: {
        key,
        served: SERVED,
        changeFound: (entries) =>
          entries.map(({ uuid, entry }) => ({
            uuid,
            entry: { ...(entry as object), attestation: { data: Buffer.from("{}").toString("base64") } },
          })),
      },
      detail: "the log has 1 entry of a trusted signer for this tag, but does not prove what was signed",
    },
    {
      row: "the log has two of them",
      reason: "unproven",
      log: () => recordedBy(key, colleague),
      setting: {
        policy: { trust: trusting(key.signer, colleague.signer) },
        changeFound: (entries) =>
          entries.map(({ uuid, entry }) => ({
            uuid,
            entry: { ...(entry as object), attestation: undefined },
          })),
      },
      detail: "the log has 2 entries of a trusted signer",
    },
  ])("$row", async ({ log = sampleLog, setting, reason, detail, recorded = 0 }) => {
    for (const unknown of ["block", "warn"] as const) {
      const around = surroundings(
        { ...setting, policy: { ...setting.policy, default: { unseen: "record", unknown } } },
        log(),
      );
      const before = around.log.log.size;
      const [judgement] = await judge([IMAGE], around);
      expect(judgement?.verdict).toMatchObject({
        kind: "unknown",
        reason,
        detail: expect.stringContaining(detail) as unknown,
      });
      expect(judgement?.outcome).toBe(unknown === "block" ? "refuse" : "warn");
      expect(around.log.log.size - before).toBe(recorded);
    }
  });

  test("a record in a log that is not in the trusted root", async () => {
    const log = recordedBy(key);
    const around = surroundings({ key, served: SERVED }, log);
    const [judgement] = await judge([IMAGE], {
      ...around,
      context: { ...around.context, trustedRoot: async () => jointRoot(sampleLog("other.example.org")) },
    });
    expect(judgement).toMatchObject({ outcome: "refuse", verdict: { kind: "unknown", reason: "unproven" } });
  });
});

describe("two builds that see a tag first at the same moment", () => {
  test.for([
    {
      row: "the faster one saw the same image",
      digest: manifest.digest,
      verdict: "unchanged",
      outcome: "pass",
    },
    { row: "the faster one saw another image", digest: OTHER_DIGEST, verdict: "moved", outcome: "refuse" },
  ])("$row", async ({ digest, verdict, outcome }) => {
    const log = sampleLog();
    const around = surroundings(
      {
        key,
        served: SERVED,
        policy: policyWith({}, [colleague.signer]),
        beforeRecord: () => void log.record(sighting({ reference: ALPINE, digest }), colleague),
      },
      log,
    );
    const [judgement] = await judge([IMAGE], around);
    expect(judgement).toMatchObject({
      kind: verdict,
      outcome,
      verdict: { record: { signer: colleague.signer } },
    });
    expect(log.log.size, "both wrote").toBe(2);
  });

  test("a stranger who was faster changes nothing", async () => {
    const log = sampleLog();
    const faster = (): void =>
      void log.record(sighting({ reference: ALPINE, digest: OTHER_DIGEST }), stranger);
    const [judgement] = await judge(
      [IMAGE],
      surroundings({ key, served: SERVED, beforeRecord: faster }, log),
    );
    expect(judgement).toMatchObject({ kind: "first-seen", outcome: "pass" });
    expect(judgement?.rejected).toEqual(new Map([["untrusted-signer", 1]]));
  });
});

describe("several images in one build", () => {
  test("each gets its own judgement, in their order", async () => {
    const base = servedManifest("base");
    const around = surroundings({ key, served: { ...SERVED, "quay.io/acme/base:1": base } }, recordedBy(key));
    const judgements = await judge(
      [MOVED, `quay.io/acme/base:1@${base.digest}`, `alpine@${OTHER_DIGEST}`, IMAGE, "busybox"],
      around,
    );
    expect(judgements.map(({ kind }) => kind)).toEqual([
      "moved",
      "first-seen",
      "by-digest",
      "unchanged",
      "unpinned",
    ]);
    expect(judgements.map(({ outcome }) => outcome)).toEqual(["refuse", "pass", "pass", "pass", "refuse"]);
    expect(around.started, "one courier does").toEqual([true]);
  });

  test("two digests of a new tag: the first is recorded, the second has moved", async () => {
    const around = surroundings({ key, served: SERVED });
    const judgements = await judge([IMAGE, MOVED], around);
    expect(judgements).toMatchObject([
      { kind: "first-seen", outcome: "pass" },
      { kind: "moved", outcome: "refuse", verdict: { record: { digest: manifest.digest } } },
    ]);
    expect(around.log.log.size).toBe(1);
  });

  test("the same new image twice is recorded once", async () => {
    const around = surroundings({ key, served: SERVED });
    const judgements = await judge([IMAGE, IMAGE], around);
    expect(judgements.map(({ kind }) => kind)).toEqual(["first-seen", "unchanged"]);
    expect(around.asked.filter((what) => what === "record")).toHaveLength(1);
  });

  test("one that fails does not stop the others from being judged", async () => {
    const base = servedManifest("base");
    const around = surroundings({
      key,
      served: { [ALPINE]: new CourierError("unreachable", "down"), "docker.io/library/base:1": base },
    });
    const judgements = await judge([IMAGE, `base:1@${base.digest}`], around);
    expect(judgements.map(({ kind }) => kind)).toEqual(["unknown", "first-seen"]);
  });

  test("with the policy's signers, the build's own key counts for every image", async () => {
    const log = recordedBy(key);
    const base = servedManifest("base");
    log.record(sighting({ reference: "docker.io/library/base:1", digest: base.digest }), key);
    const around = surroundings({ key, served: SERVED, policy: policyWith({}, [colleague.signer]) }, log);
    const judgements = await judge([IMAGE, `base:1@${base.digest}`], around);
    expect(judgements.map(({ kind }) => kind)).toEqual(["unchanged", "unchanged"]);
    expect(around.asked).not.toContain("record");
  });

  test("also for one that was asked for before the key was known, and judged after", async () => {
    const log = recordedBy(key);
    const base = servedManifest("base");
    const name = "docker.io/library/base:1";
    log.record(sighting({ reference: name, digest: base.digest }), key);
    const around = surroundings(
      { key, served: { ...SERVED, [name]: base }, policy: policyWith({}, [colleague.signer]) },
      log,
    );
    const first = Promise.withResolvers<void>();
    let isHeld = false;
    const courier: typeof around.context.courier = async (options) => {
      const inner = await around.context.courier(options);
      return {
        ...inner,
        async find(what, deadline) {
          const entries = await inner.find(what, deadline);
          // The answer about the second image comes when the first has its judgement.
          if (what.hash === subjectHash(parseReference(name)) && !isHeld) {
            isHeld = true;
            await first.promise;
          }
          return entries;
        },
      };
    };
    const judgeEach = openCheck({ ...around.context, courier });
    const one = judgeEach(consumed(IMAGE)).then((judgements) => {
      first.resolve();
      return judgements;
    });
    const kinds = (await Promise.all([one, judgeEach(consumed(`base:1@${base.digest}`))])).flat();
    expect(kinds.map(({ verdict }) => verdict.kind)).toEqual(["unchanged", "unchanged"]);
    expect(isHeld).toBe(true);
    expect(around.asked).not.toContain("record");
  });

  test("of one tag, asked for at once for several platforms: one record, and one judgement after the other", async () => {
    const around = surroundings({ key, served: SERVED });
    const judgeEach = openCheck(around.context);
    const platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"];
    const calls = platforms.map(async (platform) =>
      judgeEach(consumed(IMAGE).map((image) => ({ ...image, platforms: [platform] }))),
    );
    const kinds = (await Promise.all(calls)).flat().map(({ verdict }) => verdict.kind);
    expect(kinds).toEqual(["first-seen", "unchanged", "unchanged"]);
    expect(around.asked.filter((what) => what === "record")).toHaveLength(1);
  });
});

describe("secrets are given to a courier only when they decide something", () => {
  test.for<{
    row: string;
    images: readonly string[];
    log?: () => SampleLog;
    setting: Setting;
    started: boolean[];
  }>([
    { row: "no images: no courier", images: [], setting: { key }, started: [] },
    {
      row: "images by digest, or without one: no courier",
      images: [`alpine@${OTHER_DIGEST}`, ALPINE],
      setting: { key },
      started: [],
    },
    {
      row: "the policy says whom to trust, and the tag is known",
      images: [IMAGE],
      log: () => recordedBy(colleague),
      setting: { key, policy: policyWith({}, [colleague.signer]) },
      started: [false],
    },
    {
      row: "the policy says whom to trust, and new tags are let through",
      images: [IMAGE],
      setting: { key, policy: policyWith({ unseen: "allow" }, [colleague.signer]) },
      started: [false],
    },
    {
      row: "the policy says whom to trust, and the tag is new",
      images: [IMAGE],
      setting: { key, served: SERVED, policy: policyWith({}, [colleague.signer]) },
      started: [false, true],
    },
    {
      row: "only the build's own key is trusted",
      images: [IMAGE],
      setting: { key, served: SERVED },
      started: [true],
    },
  ])("$row", async ({ images, log = sampleLog, setting, started }) => {
    const around = surroundings(setting, log());
    await judge(images, around);
    expect(around.started).toEqual(started);
  });
});

describe("a signing secret that is no key ends the check", () => {
  test.for([
    { row: "with nobody else to trust", trust: [] },
    { row: "beside the policy's signers", trust: [colleague.signer] },
  ])("$row", async ({ trust }) => {
    const problem = "signing-key-unfit: the secret is an RSA key";
    const around = surroundings({ signerProblem: problem, served: SERVED, policy: policyWith({}, trust) });
    const judged = judge([IMAGE, `${ALPINE}-1@${OTHER_DIGEST}`], around);
    await expect(judged).rejects.toThrow(CheckError);
    await expect(judged).rejects.toThrow(problem);
    expect(around.log.log.size).toBe(0);
  });

  test("and so does a public key that is none", async () => {
    const ready = (): Promise<object> => Promise.resolve({ publicKey: "-----BEGIN NOTHING-----" });
    await expect(judge([IMAGE], surroundings({ key, courier: { ready } }))).rejects.toMatchObject({
      name: "TrustError",
    });
  });

  test("and so does a courier that does not start", async () => {
    const { context } = surroundings({ key });
    const judged = openCheck({
      ...context,
      courier: () => Promise.reject(new Error("no container")),
    })(consumed(IMAGE));
    await expect(judged).rejects.toThrow("no container");
  });
});

test("entries that do not count are counted", async () => {
  const log = recordedBy(key);
  log.record(sighting({ reference: ALPINE, digest: OTHER_DIGEST }), stranger);
  const [judgement] = await judge([IMAGE], surroundings({ key, served: SERVED }, log));
  expect(judgement).toMatchObject({ kind: "unchanged" });
  expect(judgement?.rejected).toEqual(new Map([["untrusted-signer", 1]]));
});

describe("another image that a stranger saw", () => {
  const THIRD = servedManifest("third").digest;
  const seeing = (...digests: readonly (typeof OTHER_DIGEST)[]) => {
    const log = recordedBy(key);
    for (const digest of digests) log.record(sighting({ reference: ALPINE, digest }), stranger);
    return log;
  };
  const told = async (image: string, around: Surroundings): Promise<readonly string[]> => {
    const [judgement] = await openCheck(around.context)(consumed(image));
    return judgement?.foreign.map(({ digest }) => digest) ?? [];
  };

  test("is told beside what is unchanged, and beside what moved, unless it is the same one", async () => {
    const log = seeing(OTHER_DIGEST, THIRD);
    const around = () => surroundings({ key, served: SERVED, policy: { trust: trusting(key.signer) } }, log);
    expect(await told(IMAGE, around())).toEqual([THIRD, OTHER_DIGEST]);
    expect(await told(MOVED, around())).toEqual([THIRD]);
  });

  test("is told beside a new tag that is recorded now, three at most", async () => {
    const log = sampleLog();
    const others = [1, 2, 3, 4, 5].map((number) => servedManifest(`other ${number}`).digest);
    for (const digest of others) log.record(sighting({ reference: ALPINE, digest }), stranger);
    expect(await told(IMAGE, surroundings({ key, served: SERVED }, log))).toHaveLength(3);
  });

  test("is not told of a tag that is followed, which had others before", async () => {
    const policy = { trust: trusting(key.signer), rule: { action: "follow" as const } };
    expect(await told(IMAGE, surroundings({ key, served: SERVED, policy }, seeing(THIRD)))).toEqual([]);
  });
});

test.for([
  { host: "localhost:5000", registries: [], scheme: "http" },
  { host: "registry.example.org", registries: [], scheme: "https" },
  {
    host: "registry.local:5000",
    registries: [{ host: "registry.local:5000", plainHttp: true }],
    scheme: "http",
  },
])("the registry $host is asked with $scheme", async ({ host, registries, scheme }) => {
  const around = surroundings({ key, policy: { registries, rule: { private: true } } });
  await judge([`${host}/base:1@${manifest.digest}`], around);
  expect(around.asked).toContain(`manifest ${scheme} ${host}/base:1`);
});
