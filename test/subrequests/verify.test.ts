// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { openCheck } from "../../src/check/check.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { formatReference, parseReference } from "../../src/image/reference.ts";
import { EVIDENCE_PREDICATE_TYPE, type EvidencePredicate } from "../../src/attestation/predicate.ts";
import { makeEvidence } from "../../src/report/build-evidence.ts";
import type { VerificationReport } from "../../src/report/verification.ts";
import { verifyImage } from "../../src/subrequests/verify.ts";
import {
  consumed,
  type SamplePolicy,
  servedManifest,
  type Setting,
  surroundings,
} from "../check/sample-courier.ts";
import { type FakeBehaviour, FakeFailure, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import type { SampleBundle } from "../record/sample-bundle.ts";
import { sampleKey, sampleLog, sighting, trusting } from "../record/sample-log.ts";
import {
  evidenceAttachment,
  platformManifest,
  REGISTRY,
  REPOSITORY,
  type SampleAttachment,
  sampleImage,
  type SampleImage,
} from "../sample-image.ts";

const key = sampleKey();
const stranger = sampleKey();
const log = sampleLog();
const good = servedManifest("good");
const newer = servedManifest("newer");
const GOOD = "docker.io/library/good:1";
const PINNED = "docker.io/library/approved:1";

log.record(sighting({ reference: GOOD, digest: good.digest, platforms: [] }), key);
log.record(sighting({ reference: PINNED, digest: good.digest, platforms: [] }), key);
log.record(
  sighting({ reference: PINNED, digest: newer.digest, supersedes: good.digest, platforms: [] }),
  key,
);
log.record(
  sighting({ reference: "docker.io/library/stranger:1", digest: good.digest, platforms: [] }),
  stranger,
);

/** The evidence of a build with these images, made as a build makes it. */
async function evidenceOf(...images: readonly string[]): Promise<EvidencePredicate> {
  const { context } = surroundings({ policy: { trust: trusting(key.signer, stranger.signer) } }, log);
  const judgements = await openCheck(context)(consumed(...images));
  const named = consumed(...images).map((image) => ({ ...image, locations: [] }));
  return makeEvidence(judgements, { images: named, policy: context.policy, version: "0.1.0" });
}

const predicate = await evidenceOf(`${GOOD}@${good.digest}`);
const ours = evidenceAttachment(predicate);
const provenance: SampleAttachment = { predicateType: "https://slsa.dev/provenance/v0.2", predicate: {} };

interface Asked {
  readonly image: SampleImage;
  readonly policy?: SamplePolicy;
  readonly platforms?: readonly string[];
  readonly behaviour?: FakeBehaviour;
  /** What is verified instead of `registry.example/team/app:1`. */
  readonly name?: string | null;
  readonly setting?: Setting;
}

interface Answered {
  readonly text: string;
  readonly json: VerificationReport;
  readonly status: string;
  readonly asked: readonly string[];
}

async function verify({
  image,
  policy,
  platforms = [],
  behaviour,
  name: other,
  setting,
}: Asked): Promise<Answered> {
  const fake = await startFakeBuildkit({ resolve: () => image.digest, ...behaviour });
  onTestFinished(() => fake.close());
  const all = { served: image.served, policy: { trust: trusting(key.signer), ...policy }, ...setting };
  const { context, asked } = surroundings(all, log);
  const reference =
    other === undefined ? image.reference : other === null ? undefined : parseReference(other);
  const bytes = await verifyImage(fake.bridge, { image: reference, platforms, context });
  const { metadata } = moby.buildkit.v1.frontend.Result.decode(bytes);
  const part = (name: string) => Buffer.from(metadata?.[name] ?? []).toString();
  return {
    text: part("result.txt"),
    json: JSON.parse(part("result.json")) as VerificationReport,
    status: part("result.statuscode"),
    asked,
  };
}

describe("an image whose bases are all recorded is well", () => {
  test("on every platform, without any log", async () => {
    const image = sampleImage({ "linux/amd64": [provenance, ours], "linux/arm64": [ours] });
    const { text, json, status, asked } = await verify({ image });
    expect(status).toBe("0");
    expect(json).toMatchObject({
      image: `${REGISTRY}/${REPOSITORY}:1@${image.digest}`,
      outcome: "pass",
      platforms: [
        { platform: "linux/amd64", digest: image.manifests[0], evidence: "found", private: 0 },
        { platform: "linux/arm64", digest: image.manifests[1], evidence: "found", private: 0 },
      ],
    });
    expect(json.platforms[0]?.report?.images).toMatchObject([
      { reference: GOOD, digest: good.digest, verdict: "unchanged", outcome: "pass" },
    ]);
    expect(text.match(/ok {2}unchanged/g), "the same evidence is shown once").toHaveLength(1);
    expect(asked.filter((each) => /^(find|record|ready)/.test(each))).toEqual([]);
  });

  test("on the platforms that were asked for", async () => {
    const image = sampleImage({ "linux/amd64": [ours], "linux/arm/v7": [] });
    expect(await verify({ image, platforms: ["linux/amd64"] })).toMatchObject({ status: "0" });
    expect(await verify({ image, platforms: ["linux/arm"] })).toMatchObject({ status: "1" });
    await expect(verify({ image, platforms: ["linux/s390x"] })).rejects.toThrow(
      'it has no image for "linux/s390x"; it has them for linux/amd64, linux/arm/v7',
    );
  });

  test("when it is named by its digest, and nobody is asked what the tag names", async () => {
    const image = sampleImage({ "linux/amd64": [ours] });
    const resolve = (): string => {
      throw new Error("asked");
    };
    const name = `${REGISTRY}/${REPOSITORY}@${image.digest}`;
    expect(await verify({ image, name, behaviour: { resolve } })).toMatchObject({ status: "0" });
  });

  test("when its tags were approved anew later, with its bases of then and of now", async () => {
    const images = [`${PINNED}@${good.digest}`, `${PINNED}@${newer.digest}`];
    const image = sampleImage({ "linux/amd64": [evidenceAttachment(await evidenceOf(...images))] });
    const { json } = await verify({ image });
    expect(json.platforms[0]?.report?.images.map(({ message }) => message)).toEqual(
      expect.arrayContaining(["Superseded", "TagUnchanged"]),
    );
    expect(json.outcome).toBe("pass");
  });

  test("by the signer of this build, where the policy names nobody", async () => {
    const image = sampleImage({ "linux/amd64": [ours] });
    expect(await verify({ image, policy: { trust: [] }, setting: { key } })).toMatchObject({ status: "0" });
    await expect(verify({ image, policy: { trust: [] } })).rejects.toThrow(
      `nothing says whose records count; name their signers under "trust" in the policy`,
    );
  });

  test("although a base has no name in it, which is said", async () => {
    const { images, ...rest } = predicate;
    const hidden = { digest: good.digest, platforms: [], verdict: "unchanged", bundles: [] };
    const image = sampleImage({
      "linux/amd64": [evidenceAttachment({ ...rest, images: [...images, hidden] })],
    });
    const { text, json, status } = await verify({ image });
    expect(status).toBe("0");
    expect(json).toMatchObject({ outcome: "warn", platforms: [{ private: 1 }] });
    expect(text).toContain("WARNING  1 image of the build is not named in the evidence");
  });
});

/** The evidence with a change in its first bundle. */
function edited(change: (bundle: SampleBundle) => void): SampleAttachment {
  const copy = structuredClone(predicate);
  change(copy.images[0]?.bundles[0] as SampleBundle);
  return evidenceAttachment(copy);
}

/** The evidence with another image in the place of the first. */
function naming(change: Partial<EvidencePredicate["images"][number]>): SampleAttachment {
  const [first] = predicate.images;
  if (first === undefined) throw new Error("the evidence is empty");
  return evidenceAttachment({ ...predicate, images: [{ ...first, ...change }] });
}

const onAmd = (...attachments: readonly SampleAttachment[]): SampleImage =>
  sampleImage({ "linux/amd64": attachments });
const gone = new CourierError("not-found", "GET …: status 404");

describe("an image is refused, and the answer says why", () => {
  test.for<{ row: string; image: SampleImage; evidence: string; says: string }>([
    { row: "nothing is attached to it", image: onAmd(), evidence: "none", says: "nothing is attached" },
    {
      row: "others' attestations alone are",
      image: onAmd(provenance),
      evidence: "none",
      says: "none of ours",
    },
    {
      row: "the registry has lost what was attached",
      image: (() => {
        const { served, ...image } = onAmd(ours);
        const kept = Object.entries(served).filter(
          ([name]) => name.endsWith(image.digest) || name.endsWith(platformManifest("linux/amd64").digest),
        );
        return { ...image, served: Object.fromEntries(kept) };
      })(),
      evidence: "none",
      says: "the registry has not what the image's index names",
    },
    {
      row: "the registry has lost the statement",
      image: onAmd({ ...ours, instead: gone }),
      evidence: "none",
      says: "the registry has not what",
    },
    {
      row: "the evidence is that of another image",
      image: onAmd({ ...ours, subject: platformManifest("linux/arm64").digest }),
      evidence: "wrong-image",
      says: "it is about another image",
    },
    {
      row: "the evidence is of a later version",
      image: onAmd({ ...ours, predicateType: EVIDENCE_PREDICATE_TYPE.replace(/1$/, "2") }),
      evidence: "newer-version",
      says: "evidence/v2",
    },
    { row: "it carries evidence twice", image: onAmd(ours, ours), evidence: "several", says: "2 times" },
    {
      row: "it carries evidence twice, attached apart",
      image: sampleImage({ "linux/amd64": [ours, naming({ platforms: [] })] }, { apart: true }),
      evidence: "several",
      says: "2 times",
    },
    {
      row: "a later version of the evidence was added",
      image: onAmd(ours, { ...ours, predicateType: EVIDENCE_PREDICATE_TYPE.replace(/1$/, "2") }),
      evidence: "several",
      says: "2 times",
    },
    {
      row: "the registry serves another statement",
      image: onAmd({
        ...ours,
        instead: { mediaType: "application/vnd.in-toto+json", bytes: Buffer.from("{}") },
      }),
      evidence: "wrong-bytes",
      says: "the registry served something else",
    },
    {
      row: "the predicate is none",
      image: onAmd({ ...ours, predicate: { images: [] } }),
      evidence: "malformed",
      says: '"frontend"',
    },
    {
      row: "a signature in it was changed",
      image: onAmd(
        edited((bundle) => {
          const [signature] = bundle.dsseEnvelope.signatures;
          signature.sig = Buffer.from(Buffer.from(signature.sig, "base64").toReversed()).toString("base64");
        }),
      ),
      evidence: "unproven",
      says: "it does not prove a record",
    },
    {
      row: "what was signed was changed",
      image: onAmd(
        edited((bundle) => {
          const payload = Buffer.from(bundle.dsseEnvelope.payload, "base64").toString();
          bundle.dsseEnvelope.payload = Buffer.from(payload.replaceAll(good.digest, newer.digest)).toString(
            "base64",
          );
        }),
      ),
      evidence: "unproven",
      says: "does not prove",
    },
    {
      row: "the record is about another tag",
      image: onAmd(naming({ reference: PINNED })),
      evidence: "unproven",
      says: "it is about another tag",
    },
    {
      row: "a bundle is no bundle",
      image: onAmd(naming({ bundles: [{ a: 1 }] })),
      evidence: "unproven",
      says: "(malformed)",
    },
  ])("when $row", async ({ image, evidence, says }) => {
    const { text, json, status } = await verify({ image });
    expect(status).toBe("1");
    expect(json).toMatchObject({ outcome: "refuse", platforms: [{ evidence, outcome: "refuse" }] });
    expect(json.platforms[0]?.problem).toContain(says);
    expect(text).toContain(`REFUSED  linux/amd64`);
    expect(text).toContain(says);
  });

  test("when one of its platforms has no evidence", async () => {
    const { text, json, status } = await verify({
      image: sampleImage({ "linux/amd64": [ours], "linux/arm64": [] }),
    });
    expect(status).toBe("1");
    expect(json.platforms.map(({ outcome }) => outcome)).toEqual(["pass", "refuse"]);
    expect(text).toMatch(/^ok {2}linux\/amd64/m);
    expect(text).toMatch(/^REFUSED {2}linux\/arm64/m);
  });

  test("when it is a single manifest, to which nothing can be attached", async () => {
    const image = onAmd(ours);
    const [digest] = image.manifests;
    const { json, status } = await verify({ image, behaviour: { resolve: () => digest ?? "" } });
    expect(status).toBe("1");
    expect(json.platforms).toMatchObject([{ evidence: "none", digest }]);
  });

  test("when the registry serves another index than BuildKit resolved", async () => {
    const { served, ...image } = onAmd(ours);
    const other = onAmd();
    const name = `${REGISTRY}/${REPOSITORY}:`;
    const swapped = { ...served, [name + image.digest]: other.served[name + other.digest] ?? gone };
    const { json } = await verify({ image: { ...image, served: swapped } });
    expect(json.platforms).toMatchObject([{ evidence: "wrong-bytes" }]);
  });

  test.for<{ row: string; image: string; policy?: SamplePolicy; verdict: string; detail?: string }>([
    {
      row: "has no record in it",
      image: "docker.io/library/unknown:1",
      verdict: "unknown",
      detail: "the image carries no record of this tag",
    },
    {
      row: "was recorded by a stranger",
      image: "docker.io/library/stranger:1",
      verdict: "unknown",
      detail: "the image carries no record of this tag that counts (1 untrusted-signer)",
    },
    {
      row: "is too new for the policy",
      image: GOOD,
      policy: { rule: { minAge: { days: 7, otherwise: "block" } } },
      verdict: "too-new",
    },
  ])("when an image that it was built from $row", async ({ image, policy, verdict, detail }) => {
    const built = await evidenceOf(`${GOOD}@${good.digest}`, `${image}@${good.digest}`);
    const { json, status, asked } = await verify({
      image: onAmd(evidenceAttachment(built)),
      policy: { trust: trusting(key.signer), ...policy },
      setting: {},
    });
    expect(status).toBe("1");
    const found = json.platforms[0]?.report?.images.find(({ reference }) => reference === image);
    // No log is blamed for it.
    const blamed = detail !== undefined && { reason: "no-evidence", message: "NotInEvidence", detail };
    expect(found).toMatchObject({ verdict, outcome: "refuse", ...blamed });
    expect(asked.filter((each) => /^(find|record)/.test(each))).toEqual([]);
  });

  test("when an image that it was built from is not the recorded one", async () => {
    const { json } = await verify({ image: onAmd(naming({ digest: newer.digest })) });
    expect(json.platforms[0]?.report?.images).toMatchObject([{ verdict: "moved", outcome: "refuse" }]);
  });

  test("and nothing is recorded of it, although the build could sign and the policy follows the tag", async () => {
    const { json, asked } = await verify({
      image: onAmd(naming({ digest: newer.digest })),
      policy: { rule: { action: "follow", unseen: "record" } },
      setting: { key, context: { recheck: true, keepsRecords: true } },
    });
    expect(json.platforms[0]?.report?.images).toMatchObject([{ verdict: "moved" }]);
    expect(asked.filter((each) => /^(find|record|ready)/.test(each))).toEqual([]);
  });

  test("but not by a policy that only observes", async () => {
    const image = onAmd(naming({ digest: newer.digest }));
    expect(await verify({ image, policy: { profile: "observe" } })).toMatchObject({
      status: "0",
      json: { outcome: "warn" },
    });
  });
});

describe("an image that cannot be looked at is an error, and no answer", () => {
  const image = onAmd(ours);

  test.for([
    { row: "nobody said which", name: null, says: "--build-arg TLOG_IMAGE=" },
    {
      row: "the registry does not know it",
      behaviour: {
        resolve: () => {
          throw new FakeFailure("registry.example/team/app:1: not found");
        },
      },
      says: 'verify "registry.example/team/app:1": BuildKit does not resolve it: registry.example/team/app:1: not found',
    },
    {
      row: "it is not for this builder's platform",
      behaviour: {
        resolve: () => {
          throw new FakeFailure("no match for platform in manifest: not found");
        },
      },
      says: "name one that it has with --platform",
    },
  ])("when $row", async ({ says, ...asked }) => {
    await expect(verify({ image, ...asked })).rejects.toThrow(says);
  });

  test.for(["needs-credentials", "not-found"] as const)(
    "when the registry shows it to who logs in alone (%s), and a way out is named",
    async (code) => {
      const served = {
        [`${REGISTRY}/${REPOSITORY}:${image.digest}`]: new CourierError(code, "GET …: status 401: no"),
      };
      const asked = verify({ image: { ...image, served } });
      await expect(asked).rejects.toMatchObject({ name: "VerificationError" });
      await expect(asked).rejects.toThrow(
        `docker buildx imagetools create --tag localhost:5000/verify:1 ${REGISTRY}/${REPOSITORY}@${image.digest}`,
      );
    },
  );

  test("when the registry fails on the way to the evidence", async () => {
    const failing = onAmd({ ...ours, instead: new CourierError("unreachable", "GET …: status 503") });
    await expect(verify({ image: failing })).rejects.toMatchObject({ code: "unreachable" });
  });
});

test("a single image of a build for which a platform was named is asked for by it", async () => {
  const image = onAmd(ours);
  const platforms: unknown[] = [];
  const resolve: FakeBehaviour["resolve"] = ({ Platform, ResolveMode, Ref }) => {
    platforms.push(Platform, ResolveMode, Ref);
    return image.digest;
  };
  await verify({ image, platforms: ["linux/amd64"], behaviour: { resolve } });
  expect(platforms).toEqual([
    expect.objectContaining({ OS: "linux", Architecture: "amd64" }),
    "pull",
    formatReference(image.reference),
  ]);
});
