// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { moby, pb } from "../../gen/gateway.js";
import { type Attesting, withEvidence } from "../../src/build/evidence.ts";
import { openCheck } from "../../src/check/check.ts";
import { readResult } from "../../src/gateway/result.ts";
import {
  EVIDENCE_PREDICATE_TYPE,
  type EvidencePredicate,
  MAX_EVIDENCE_IMAGES,
} from "../../src/attestation/predicate.ts";
import { VERSION } from "../../src/attestation/predicate.ts";
import { consumed, type SamplePolicy, servedManifest, surroundings } from "../check/sample-courier.ts";
import { type AskedSolve, encodeResult, resultOf, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { sampleKey, sampleLog, sighting, trusting } from "../record/sample-log.ts";

const { Result } = moby.buildkit.v1.frontend;

const key = sampleKey();
const log = sampleLog();
const good = servedManifest("good");
log.record(sighting({ reference: "docker.io/library/good:1", digest: good.digest }), key);
const { context } = surroundings({ policy: { trust: trusting(key.signer) } }, log);
const images = consumed(`docker.io/library/good:1@${good.digest}`);
const judgements = await openCheck(context)(images);

const PLATFORMS = { Platforms: [{ ID: "linux/amd64" }, { ID: "linux/arm64" }] };
const BUILT = encodeResult({
  ref: { id: "built", def: Buffer.from([0x0a, 0x00]) },
  metadata: { "refs.platforms": Buffer.from(JSON.stringify(PLATFORMS)) },
});

interface Attested {
  readonly bytes: Uint8Array;
  readonly solves: readonly AskedSolve[];
}

async function attested({
  built = BUILT,
  ...change
}: Partial<Attesting> & {
  readonly built?: Uint8Array;
} = {}): Promise<Attested> {
  const { bridge, heard, close } = await startFakeBuildkit({
    solve: ({ Definition }) => resultOf(Definition ?? new Uint8Array()),
  });
  onTestFinished(close);
  const named = images.map((image) => ({ ...image, locations: [] }));
  const attesting = { judgements, images: named, policy: context.policy, attestations: true, ...change };
  return { bytes: await withEvidence(bridge, readResult(built), attesting), solves: heard.solves };
}

/** The files that these solves write, by their titles. */
function filesOf(solves: readonly AskedSolve[]): Record<string, string> {
  return Object.fromEntries(
    solves.map(({ Definition }) => {
      const { def, metadata } = pb.Definition.decode(Definition ?? new Uint8Array());
      const { file } = pb.Op.decode(def?.[0] ?? new Uint8Array());
      const [named] = Object.values(metadata ?? {});
      const data = Buffer.from(file?.actions?.[0]?.mkfile?.data ?? []).toString();
      return [named?.description?.["llb.customname"] ?? "", data];
    }),
  );
}

test("every platform's image gets the evidence, as a file of its own and for exporters of images alone", async () => {
  const { bytes, solves } = await attested();
  const lists = Result.decode(bytes).attestations ?? {};
  expect(Object.keys(lists)).toEqual(["linux/amd64", "linux/arm64"]);
  for (const { attestation } of Object.values(lists)) {
    expect(attestation).toMatchObject([
      { path: "/tlog.json", ref: { id: "ref-1" }, inTotoPredicateType: EVIDENCE_PREDICATE_TYPE },
    ]);
    expect(Object.keys(attestation?.[0]?.metadata ?? {})).toEqual(["inline-only"]);
  }
  expect(Buffer.from(bytes.subarray(0, BUILT.length)).equals(BUILT)).toBe(true);
  const [text = ""] = Object.values(filesOf(solves));
  expect(JSON.parse(text)).toMatchObject({
    frontend: { name: "tlog-dockerfile", version: VERSION },
    images: [{ reference: "docker.io/library/good:1", digest: good.digest, verdict: "unchanged" }],
  });
});

test("the same build gives the same evidence", async () => {
  const [one, other] = [await attested(), await attested()];
  expect(filesOf(other.solves)).toEqual(filesOf(one.solves));
});

describe("the result stays as it is", () => {
  test.for<{ row: string; change: Parameters<typeof attested>[0] }>([
    { row: "when the policy says so", change: { policy: { ...context.policy, attest: false } } },
    {
      row: "without provenance, and on an engine that knows no attestations",
      change: { attestations: false },
    },
    { row: "when it does not name its platforms", change: { built: encodeResult({}) } },
  ])("$row", async ({ change }) => {
    const { bytes, solves } = await attested(change);
    expect(Buffer.from(bytes).equals(change?.built ?? BUILT)).toBe(true);
    expect(solves).toEqual([]);
  });

  test("when the evidence would be too large, and the build says so", async () => {
    const [one] = judgements;
    if (one === undefined) throw new Error("nothing was judged");
    const many = Array.from({ length: MAX_EVIDENCE_IMAGES + 1 }, () => ({ ...one, records: [] }));
    const { bytes, solves } = await attested({ judgements: many });
    expect(Buffer.from(bytes).equals(BUILT)).toBe(true);
    expect(Object.keys(filesOf(solves))).toEqual([
      `[tlog] the image carries no evidence: write the evidence of the build: the limits are ${MAX_EVIDENCE_IMAGES} images, and 1000 records for each`,
    ]);
    const [record] = one.records;
    if (record === undefined) throw new Error("nothing is recorded");
    const long = { ...one, records: Array.from({ length: 900 }, () => record) };
    const large = await attested({ judgements: [long, long] });
    expect(Object.keys(filesOf(large.solves))[0]).toContain("and the limit is 4194304");
  });
});

test("what was attached before stays, for each platform its own", async () => {
  const sbom = { kind: 1, path: "/sbom.json", inTotoPredicateType: "https://spdx.dev/Document" };
  const before = encodeResult({
    metadata: { "refs.platforms": Buffer.from(JSON.stringify(PLATFORMS)) },
    attestations: { "linux/amd64": { attestation: [sbom] } },
  });
  const lists = Result.decode((await attested({ built: before })).bytes).attestations ?? {};
  expect(Object.values(lists).map(({ attestation }) => attestation?.map(({ path }) => path))).toEqual([
    ["/sbom.json", "/tlog.json"],
    ["/tlog.json"],
  ]);
});

test("the version that evidence names is that of the package", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(VERSION).toBe(version);
});

describe("evidence has no name and no record of what the policy keeps private", () => {
  const whole = sighting({ reference: "docker.io/library/good:1", digest: good.digest });
  const { mediaType: _, ...seenByBuilder } = { ...whole, platforms: [] };

  test.for([
    { row: "but an image that everybody is shown has its name", seen: whole, isNamed: true },
    { row: "such as an image that only the builder could see", seen: seenByBuilder, isNamed: false },
  ])("$row", async ({ seen, isNamed }) => {
    const own = sampleLog();
    own.record(seen, key);
    const { context: secret } = surroundings(
      { policy: { trust: trusting(key.signer), rule: { private: true } } },
      own,
    );
    const { solves } = await attested({ judgements: await openCheck(secret)(images) });
    const [text = ""] = Object.values(filesOf(solves));
    expect(text.includes("library/good")).toBe(isNamed);
    if (isNamed) return;
    expect((JSON.parse(text) as EvidencePredicate).images).toEqual([
      { digest: good.digest, platforms: ["linux/amd64"], verdict: "unchanged", bundles: [] },
    ]);
  });

  const CORP = "registry.corp/team/app:1";
  const PRIVATE_LOG = { url: "https://rekor.example.org", api: 1, private: true } as const;

  test.for<{ row: string; name: string; policy: SamplePolicy; isNamed: boolean }>([
    { row: "such as a name that is not of the public internet", name: CORP, policy: {}, isNamed: false },
    {
      row: "such as that name, also when a private log has its record",
      name: CORP,
      policy: { logs: [PRIVATE_LOG] },
      isNamed: false,
    },
    {
      row: "but the baked policy may let that name be told",
      name: CORP,
      policy: { rule: { private: true } },
      isNamed: true,
    },
    {
      row: "which a policy that is not baked may not",
      name: CORP,
      policy: { rule: { private: true }, isBaked: false },
      isNamed: false,
    },
    {
      row: "such as a public name whose record is in a private log",
      name: "docker.io/library/good:1",
      policy: { logs: [PRIVATE_LOG] },
      isNamed: false,
    },
    {
      row: "but the baked policy may let that one be told too",
      name: "docker.io/library/good:1",
      policy: { logs: [PRIVATE_LOG], rule: { private: true } },
      isNamed: true,
    },
  ])("$row", async ({ name, policy, isNamed }) => {
    const own = sampleLog();
    own.record(sighting({ reference: name, digest: good.digest }), key);
    const { context: given } = surroundings({ policy: { trust: trusting(key.signer), ...policy } }, own);
    const judged = await openCheck(given)(consumed(`${name}@${good.digest}`));
    expect(judged).toMatchObject([{ verdict: { kind: "unchanged" } }]);
    const { solves } = await attested({ judgements: judged, policy: given.policy });
    const [text = ""] = Object.values(filesOf(solves));
    const { images: told } = JSON.parse(text) as EvidencePredicate;
    expect(told).toMatchObject([{ digest: good.digest, verdict: "unchanged" }]);
    expect(told.map(({ reference }) => reference)).toEqual([isNamed ? name : undefined]);
    expect(told.map(({ bundles }) => bundles.length)).toEqual([isNamed ? 1 : 0]);
  });

  test.for([
    { row: "that its registry did not show", reason: "not-public" },
    { row: "whose registry has no public name", reason: "internal-name" },
  ] as const)("such as an image $row, which was not recorded for that", async ({ reason }) => {
    const [one] = judgements;
    if (one === undefined) throw new Error("nothing was judged");
    const verdict = { kind: "unrecorded", reason, detail: "GET …: status 401" } as const;
    const { solves } = await attested({ judgements: [{ ...one, verdict, records: [] }] });
    const [text = ""] = Object.values(filesOf(solves));
    expect(text).not.toContain("library/good");
    expect(text).toContain(good.digest);
  });
});
