// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { attestedPlatforms, withAttestation, withMetadata } from "../../src/gateway/result-additions.ts";
import { readResult } from "../../src/gateway/result.ts";
import { encodeResult } from "./fake-buildkit.ts";

const { Result } = moby.buildkit.v1.frontend;

const LLB = Buffer.from([0x0a, 0x00]);
const BUILT = encodeResult({
  refs: { refs: { "linux/amd64": { id: "a", def: LLB }, "linux/arm64": { id: "b", def: LLB } } },
  metadata: { "containerimage.config": Buffer.from("{}"), "frontend.tlog": Buffer.from("a caller's own") },
  attestations: {
    "linux/amd64": {
      attestation: [
        {
          kind: 1,
          path: "/sbom.json",
          ref: { id: "s", def: LLB },
          metadata: { reason: Buffer.from("sbom") },
          inTotoPredicateType: "https://spdx.dev/Document",
          inTotoSubjects: [Buffer.from([0x08, 0x01])],
        },
      ],
    },
  },
});
const OWN = { predicateType: "https://example.org/evidence/v1", ref: "own", path: "/tlog.json" };

/** Every attestation of a result as readable text: what it says, and of which platform. */
function attestations(bytes: Uint8Array): string[] {
  return Object.entries(Result.decode(bytes).attestations ?? {}).flatMap(([platform, { attestation }]) =>
    (attestation ?? []).map(({ kind, path, ref, metadata, inTotoPredicateType, inTotoSubjects }) =>
      [
        platform,
        kind,
        path,
        ref?.id,
        Object.entries(metadata ?? {}).map(([key, value]) => `${key}=${Buffer.from(value).toString()}`),
        inTotoPredicateType,
        inTotoSubjects?.map((subject) => `subject<${Buffer.from(subject).toString("hex")}>`),
      ].join(" "),
    ),
  );
}

const SBOM = "linux/amd64 1 /sbom.json s reason=sbom https://spdx.dev/Document subject<0801>";
const ours = (platform: string): string =>
  `${platform} 0 /tlog.json own inline-only=true https://example.org/evidence/v1 subject<>`;

describe("what is added to a result leaves its bytes as they are", () => {
  test.for([
    { row: "metadata", added: withMetadata(BUILT, { "frontend.tlog": "{}" }) },
    { row: "an attestation", added: withAttestation(BUILT, ["linux/amd64", "linux/arm64"], OWN) },
  ])("$row", ({ added }) => {
    expect(Buffer.from(added.subarray(0, BUILT.length)).equals(BUILT)).toBe(true);
    expect(Object.keys(Result.decode(added).refs?.refs ?? {})).toEqual(["linux/amd64", "linux/arm64"]);
  });
});

test("an entry of the metadata replaces the one of its key, and no other", () => {
  const { metadata } = readResult(
    withMetadata(BUILT, { "frontend.tlog": '{"ok":true}', more: Buffer.from("1") }),
  );
  const read = Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value).toString()]);
  expect(Object.fromEntries(read)).toEqual({
    "containerimage.config": "{}",
    "frontend.tlog": '{"ok":true}',
    more: "1",
  });
});

describe("our attestation joins those that are there", () => {
  test.for([
    { row: "of a platform with an SBOM", platforms: ["linux/amd64"], want: [SBOM, ours("linux/amd64")] },
    { row: "of another platform", platforms: ["linux/arm64"], want: [SBOM, ours("linux/arm64")] },
    {
      row: "of both",
      platforms: ["linux/arm64", "linux/amd64"],
      want: [SBOM, ours("linux/amd64"), ours("linux/arm64")],
    },
    { row: "of none", platforms: [], want: [SBOM] },
  ])("$row", ({ platforms, want }) => {
    expect(attestations(withAttestation(BUILT, platforms, OWN))).toEqual(want);
  });

  test("and a second one joins the first", () => {
    const twice = withAttestation(withAttestation(BUILT, ["linux/amd64"], OWN), ["linux/amd64"], OWN);
    expect(attestations(twice)).toEqual([SBOM, ours("linux/amd64"), ours("linux/amd64")]);
  });

  test("whatever a later BuildKit puts into them", () => {
    // Field 50 of an attestation, with the text "new".
    const unknown = Buffer.from([0x92, 0x03, 0x03, ...Buffer.from("new")]);
    const list = Buffer.concat([Buffer.from([0x0a, unknown.length]), unknown]);
    const key = Buffer.concat([
      Buffer.from([0x0a, 1]),
      Buffer.from("p"),
      Buffer.from([0x12, list.length]),
      list,
    ]);
    const result = Buffer.concat([Buffer.from([0x62, key.length]), key]);
    const added = Buffer.from(withAttestation(result, ["p"], OWN).subarray(result.length));
    expect(added.includes(unknown)).toBe(true);
  });
});

describe("the platforms of a result are those that BuildKit lists", () => {
  test.for<{ row: string; list: string | undefined; want: readonly string[] }>([
    {
      row: "two",
      list: '{"Platforms":[{"ID":"linux/amd64","Platform":{"os":"linux"}},{"ID":"linux/arm64","Platform":{}}]}',
      want: ["linux/amd64", "linux/arm64"],
    },
    { row: "none is said", list: undefined, want: [] },
    { row: "no JSON", list: "linux/amd64", want: [] },
    { row: "another shape", list: '{"Platforms":["linux/amd64"]}', want: [] },
    { row: "an empty key", list: '{"Platforms":[{"ID":""}]}', want: [] },
  ])("$row", ({ list, want }) => {
    const metadata = list === undefined ? {} : { "refs.platforms": Buffer.from(list) };
    expect(attestedPlatforms({ metadata })).toEqual(want);
  });
});
