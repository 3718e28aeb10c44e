// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type Digest, hasDigest, sha256 } from "../../src/image/digest.ts";
import { formatReference } from "../../src/image/reference.ts";
import {
  EVIDENCE_PREDICATE_TYPE,
  type EvidenceImage,
  type EvidencePredicate,
  evidenceReference,
  formatEvidence,
  MAX_EVIDENCE_BYTES,
  parseEvidence,
} from "../../src/attestation/predicate.ts";
import { readEvidenceStatement } from "../../src/attestation/predicate.ts";

const DIGEST = `sha256:${"c8".repeat(32)}` as const;
const MANIFEST = `sha256:${"a1".repeat(32)}` as const;
const IMAGE: EvidenceImage = {
  reference: "docker.io/library/alpine:3.16.0",
  digest: DIGEST,
  platforms: ["linux/amd64"],
  verdict: "unchanged",
  bundles: [{ any: "thing" }],
};
const PREDICATE: EvidencePredicate = {
  frontend: { name: "tlog-dockerfile", version: "0.1.0" },
  policy: sha256("policy"),
  images: [IMAGE],
};
const withImage = (change: object): unknown => ({ ...PREDICATE, images: [{ ...IMAGE, ...change }] });

describe("evidence", () => {
  test("is read as it was written, whatever the order and the spelling of its JSON", () => {
    const text = new TextDecoder().decode(formatEvidence(PREDICATE));
    expect(parseEvidence(JSON.parse(text), "it")).toEqual(PREDICATE);
    expect(text.indexOf('"frontend"')).toBeLessThan(text.indexOf('"images"'));
  });

  test("lets fields through that a later version adds", () => {
    expect(parseEvidence({ ...PREDICATE, later: 1 }, "it")).toEqual(PREDICATE);
    expect(parseEvidence(withImage({ later: 1, verdict: "a later one" }), "it")).toMatchObject({
      images: [{ verdict: "a later one" }],
    });
  });

  test.for([
    { row: "a tag", image: IMAGE, name: `docker.io/library/alpine:3.16.0@${DIGEST}` },
    {
      row: "a digest",
      image: { ...IMAGE, reference: "docker.io/library/alpine" },
      name: `docker.io/library/alpine@${DIGEST}`,
    },
    { row: "nothing", image: { digest: DIGEST }, name: undefined },
  ])("names an image by $row", ({ image, name }) => {
    const reference = evidenceReference(image, "it");
    expect(reference && formatReference(reference)).toBe(name);
  });
});

describe("evidence is refused", () => {
  test.for<{ row: string; value: unknown; says: string }>([
    { row: "that is no object", value: 7, says: "predicate" },
    {
      row: "without a version of the frontend",
      value: { ...PREDICATE, frontend: {} },
      says: "frontend.name",
    },
    { row: "without the policy's digest", value: { ...PREDICATE, policy: "strict" }, says: '"policy"' },
    {
      row: "with a name as people write it",
      value: withImage({ reference: "alpine:3.16.0" }),
      says: "canonical",
    },
    { row: "with a name that is none", value: withImage({ reference: "a b" }), says: "canonical" },
    {
      row: "with a name that has its digest in it",
      value: withImage({ reference: `alpine@${DIGEST}` }),
      says: "canonical",
    },
    { row: "with half a digest", value: withImage({ digest: "sha256:c8" }), says: "images.0.digest" },
    {
      row: "with a platform that could be an escape",
      value: withImage({ platforms: ["\u001B[2J/a"] }),
      says: "platforms",
    },
    { row: "without bundles", value: withImage({ bundles: {} }), says: "images.0.bundles" },
    {
      row: "with too many images",
      value: { ...PREDICATE, images: Array.from({ length: 1001 }, () => IMAGE) },
      says: '"images"',
    },
    {
      row: "nested without end",
      value: withImage({ bundles: [JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`) as unknown] }),
      says: "deeper than 16 levels",
    },
  ])("$row", ({ value, says }) => {
    expect(() => parseEvidence(value, "the evidence of it")).toThrow(
      expect.objectContaining({
        code: "malformed",
        message: expect.stringContaining("read the evidence of it: "),
      }),
    );
    expect(() => parseEvidence(value, "the evidence of it")).toThrow(says);
  });

  test("when it would be larger than is read", () => {
    const bundles = [{ long: "x".repeat(MAX_EVIDENCE_BYTES) }];
    expect(() => formatEvidence({ ...PREDICATE, images: [{ ...IMAGE, bundles }] })).toThrow(
      `the limit is ${MAX_EVIDENCE_BYTES}`,
    );
  });
});

const STATEMENT = {
  _type: "https://in-toto.io/Statement/v0.1",
  predicateType: EVIDENCE_PREDICATE_TYPE,
  subject: [{ name: "pkg:docker/app@1", digest: { sha256: "a1".repeat(32) } }],
  predicate: PREDICATE,
};
const read = (statement: unknown, manifest: Digest = MANIFEST) =>
  readEvidenceStatement(Buffer.from(JSON.stringify(statement)), { manifest, place: "it" });

describe("a statement with evidence", () => {
  test.for([
    { row: "as BuildKit writes it", statement: STATEMENT },
    { row: "of version 1 of in-toto", statement: { ...STATEMENT, _type: "https://in-toto.io/Statement/v1" } },
    {
      row: "for an image with two names",
      statement: { ...STATEMENT, subject: [...STATEMENT.subject, ...STATEMENT.subject] },
    },
  ])("is read $row", ({ statement }) => {
    expect(read(statement)).toEqual(PREDICATE);
  });

  test.for<{ row: string; statement: unknown; code: string }>([
    {
      row: "of another image",
      statement: { ...STATEMENT, subject: [{ digest: { sha256: "ff" } }] },
      code: "wrong-image",
    },
    {
      row: "of this image and another",
      statement: { ...STATEMENT, subject: [...STATEMENT.subject, { digest: { sha256: "ff" } }] },
      code: "wrong-image",
    },
    {
      row: "of an image by another algorithm",
      statement: { ...STATEMENT, subject: [{ digest: {} }] },
      code: "wrong-image",
    },
    { row: "of no image", statement: { ...STATEMENT, subject: [] }, code: "malformed" },
    {
      row: "of version 2",
      statement: { ...STATEMENT, predicateType: EVIDENCE_PREDICATE_TYPE.replace(/1$/, "2") },
      code: "newer-version",
    },
    {
      row: "of another kind under our name",
      statement: { ...STATEMENT, predicateType: "https://slsa.dev/provenance/v1" },
      code: "none",
    },
    { row: "of another type", statement: { ...STATEMENT, _type: "link" }, code: "malformed" },
    { row: "that is no statement", statement: 7, code: "malformed" },
    { row: "that is too large", statement: "x".repeat(5 * 1024 * 1024), code: "too-large" },
  ])("is refused $row", ({ statement, code }) => {
    expect(() => read(statement)).toThrow(expect.objectContaining({ name: "EvidenceError", code }));
  });

  test("is refused when it is not UTF-8", () => {
    const bytes = Buffer.from([0x22, 0xff, 0x22]);
    expect(() => readEvidenceStatement(bytes, { manifest: MANIFEST, place: "it" })).toThrow(
      "not JSON in UTF-8",
    );
  });
});

test.for([
  { algorithm: "sha256", hex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  {
    algorithm: "sha512",
    hex: "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
  },
])("bytes are held against a digest by $algorithm", ({ algorithm, hex }) => {
  const digest = `${algorithm}:${hex}` as Digest;
  expect(hasDigest(new Uint8Array(), digest)).toBe(true);
  expect(hasDigest(Buffer.from("x"), digest)).toBe(false);
});
