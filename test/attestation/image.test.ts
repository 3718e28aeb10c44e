// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { readAttestationLayers, readAttestedImages } from "../../src/attestation/image.ts";

const digest = (two: string) => `sha256:${two.repeat(32)}`;
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const image = (two: string, platform?: object) => ({ digest: digest(two), ...(platform && { platform }) });
const attached = (two: string, to: string, type = "attestation-manifest") => ({
  digest: digest(two),
  platform: { os: "unknown", architecture: "unknown" },
  annotations: { "vnd.docker.reference.type": type, "vnd.docker.reference.digest": digest(to) },
});
const AMD = { os: "linux", architecture: "amd64" };
const ARM = { os: "linux", architecture: "arm", variant: "v7" };

describe("an index", () => {
  test("has its images, each with the manifests that are attached to it", () => {
    const manifests = [
      image("a1", AMD),
      image("a2", ARM),
      attached("b2", "a2"),
      attached("b1", "a1"),
      attached("b3", "a1"),
      attached("b4", "ff"),
    ];
    expect(readAttestedImages(bytes({ manifests }), "it")).toEqual([
      { platform: "linux/amd64", digest: digest("a1"), attestations: [digest("b1"), digest("b3")] },
      { platform: "linux/arm/v7", digest: digest("a2"), attestations: [digest("b2")] },
    ]);
  });

  test("hides no image that a machine may run, whatever it calls it", () => {
    const manifests = [
      image("a1"),
      { ...attached("a2", "a1"), platform: AMD },
      { ...attached("a3", "a1", "something-new"), platform: ARM },
      { ...image("a4", { os: "unknown", architecture: "amd64" }) },
    ];
    expect(readAttestedImages(bytes({ manifests }), "it")?.map(({ platform }) => platform)).toEqual([
      "an unnamed platform",
      "linux/amd64",
      "linux/arm/v7",
      "unknown/amd64",
    ]);
  });

  test("has no image of a platform that no machine is", () => {
    const manifests = [image("a1", AMD), image("a2", { os: "unknown", architecture: "unknown" })];
    expect(readAttestedImages(bytes({ manifests }), "it")).toHaveLength(1);
  });

  test("is not what a manifest is", () => {
    expect(readAttestedImages(bytes({ layers: [] }), "it")).toBeUndefined();
  });

  test.for<{ row: string; value: unknown; says: string }>([
    { row: "whose manifests are none", value: { manifests: {} }, says: '"manifests"' },
    { row: "with half a digest", value: { manifests: [{ digest: "sha256:a1" }] }, says: "is not a digest" },
    {
      row: "of too many manifests",
      value: { manifests: Array.from({ length: 1001 }, () => image("a1")) },
      says: '"manifests"',
    },
  ])("is refused $row", ({ value, says }) => {
    expect(() => readAttestedImages(bytes(value), "it")).toThrow(
      expect.objectContaining({ code: "malformed", message: expect.stringContaining(says) }),
    );
  });
});

describe("a manifest with attestations", () => {
  test("has those that are in-toto statements", () => {
    const layers = [
      {
        mediaType: "application/vnd.in-toto+json",
        digest: digest("c1"),
        annotations: { "in-toto.io/predicate-type": "https://spdx.dev/Document" },
      },
      { mediaType: "application/vnd.in-toto+json", digest: digest("c2") },
      { mediaType: "application/octet-stream", digest: digest("c3") },
    ];
    expect(readAttestationLayers(bytes({ layers }), "it")).toEqual([
      { digest: digest("c1"), predicateType: "https://spdx.dev/Document" },
      { digest: digest("c2"), predicateType: "" },
    ]);
  });

  test.for([
    { row: "without layers", text: "{}" },
    { row: "that is not JSON", text: "{" },
  ])("is refused $row", ({ text }) => {
    expect(() => readAttestationLayers(Buffer.from(text), "it")).toThrow(
      expect.objectContaining({ code: "malformed" }),
    );
  });
});
