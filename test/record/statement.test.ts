// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { RecordError } from "../../src/record/error.ts";
import { parseSighting, sightingStatement, subjectHash } from "../../src/record/statement.ts";
import { DIGEST, OTHER_DIGEST, sighting } from "./sample-log.ts";

type Json = { [field: string]: unknown };

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const text = decoder.decode(sightingStatement(sighting()));

function fields(value: unknown): Json {
  if (typeof value !== "object" || value === null) throw new Error("not an object");
  return value as Json;
}

/** The good statement with one thing changed, in canonical JSON. */
function changed(change: (statement: Json, predicate: Json) => unknown): Uint8Array {
  const statement = fields(JSON.parse(text));
  change(statement, fields(statement["predicate"]));
  return encoder.encode(json.canonicalize(statement));
}

function subjectOf(statement: Json, index: number): Json {
  const subjects = statement["subject"];
  return fields(Array.isArray(subjects) ? subjects[index] : undefined);
}

test("a sighting is an in-toto statement in canonical JSON, the same bytes every time", () => {
  const name = "docker.io/library/alpine:3.16.0";
  const hash = createHash("sha256").update(name).digest("hex");
  const platforms = `[{"digest":"sha256:${"a1".repeat(32)}","platform":"linux/amd64"},{"digest":"sha256:${"a2".repeat(32)}","platform":"linux/arm/v7"}]`;
  expect(text).toBe(
    '{"_type":"https://in-toto.io/Statement/v1",' +
      `"predicate":{"digest":"${DIGEST}","mediaType":"application/vnd.oci.image.index.v1+json",` +
      `"observedAt":"2022-06-28T13:30:00Z","platforms":${platforms},"reference":"${name}"},` +
      '"predicateType":"https://github.com/tlog-dockerfile/tlog-dockerfile/sighting/v1",' +
      `"subject":[{"digest":{"sha256":"${hash}"},"name":"${name}"},` +
      `{"digest":{"sha256":"${DIGEST.slice(7)}"},"name":"docker.io/library/alpine"}]}`,
  );
  expect(subjectHash(parseReference("alpine:3.16.0"))).toBe(`sha256:${hash}`);
});

describe("what was written is read as it was meant", () => {
  test.for([
    { row: "an index", what: sighting() },
    { row: "a plain manifest", what: sighting({ platforms: [] }) },
    { row: "a sha512", what: sighting({ digest: `sha512:${"5a".repeat(64)}` }) },
    { row: "a registry with a port", what: sighting({ reference: "localhost:5000/base:1.0" }) },
    {
      row: "Windows",
      what: sighting({ platforms: [{ platform: "windows(10.0.20348.2113)/amd64", digest: OTHER_DIGEST }] }),
    },
    { row: "an approval", what: sighting({ supersedes: OTHER_DIGEST, reason: "CVE-2022-30065 – mended ✓" }) },
    { row: "an approval without a reason", what: sighting({ supersedes: OTHER_DIGEST }) },
    { row: "an observer's first", what: sighting({ sequence: 1 }) },
    { row: "an observer's later one", what: sighting({ sequence: 7, previous: sha256("the one before") }) },
    {
      row: "as many platforms as there may be",
      what: sighting({
        platforms: Array.from({ length: 256 }, () => ({ platform: "linux/arm64/v8", digest: OTHER_DIGEST })),
      }),
    },
  ])("$row", ({ what }) => {
    expect(parseSighting(sightingStatement(what))).toEqual(what);
  });

  test("an image of which only the builder knows the digest", () => {
    const { mediaType: _, ...what } = sighting({ platforms: [] });
    expect(parseSighting(sightingStatement(what))).toEqual(what);
  });

  test("in whole seconds", () => {
    const what = sighting({ observedAt: new Date("2022-06-28T13:30:00.999Z") });
    expect(parseSighting(sightingStatement(what)).observedAt).toEqual(new Date("2022-06-28T13:30:00Z"));
  });

  test("with a field that a later version added to the predicate or to a platform", () => {
    const bytes = changed((_, predicate) => {
      predicate["expires"] = "2030-01-01T00:00:00Z";
      predicate["platforms"] = [{ platform: "linux/amd64", digest: OTHER_DIGEST, size: 1 }];
    });
    expect(parseSighting(bytes)).toEqual(
      sighting({ platforms: [{ platform: "linux/amd64", digest: OTHER_DIGEST }] }),
    );
  });
});

describe("a statement that is not exactly a sighting is refused", () => {
  test.for<{ row: string; bytes: Uint8Array; code?: string; says: string }>([
    { row: "nothing", bytes: new Uint8Array(), says: "not JSON" },
    { row: "noise", bytes: Uint8Array.of(0xff, 0xfe, 0x00), says: "not JSON" },
    { row: "a list", bytes: encoder.encode("[]"), says: '"_type"' },
    { row: "null", bytes: encoder.encode("null"), says: '"statement"' },
    { row: "a space more", bytes: encoder.encode(`${text} `), says: "not canonical JSON" },
    { row: "a byte order mark", bytes: encoder.encode(`\ufeff${text}`), says: "not JSON" },
    {
      row: "the same field twice",
      bytes: encoder.encode(text.replace('"predicate":{', `"predicate":{"digest":"${OTHER_DIGEST}",`)),
      says: "not canonical JSON",
    },
    {
      row: "another order of fields",
      bytes: encoder.encode(
        JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).toReversed())),
      ),
      says: "not canonical JSON",
    },
    {
      row: "an escape that need not be",
      bytes: encoder.encode(text.replace("alpine", String.raw`\u0061lpine`)),
      says: "not canonical JSON",
    },
    {
      row: "bottomless nesting",
      bytes: encoder.encode(
        text.replace('"predicate":{', `"predicate":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)},`),
      ),
      says: "nested deeper than 16 levels",
    },
    { row: "a huge one", bytes: encoder.encode(" ".repeat(64 * 1024 + 1)), says: "longer than 65536 bytes" },
    {
      row: "another predicate type",
      bytes: changed((statement) => (statement["predicateType"] = "https://example.org/other/v1")),
      code: "not-a-sighting",
      says: "another predicate type",
    },
    {
      row: "another predicate type, in JSON that is not canonical",
      bytes: encoder.encode('{ "predicateType": "https://example.org/other/v1" }'),
      code: "not-a-sighting",
      says: "another predicate type",
    },
    {
      row: "no predicate type",
      bytes: changed((statement) => delete statement["predicateType"]),
      says: '"predicateType"',
    },
    {
      row: "another version of in-toto",
      bytes: changed((statement) => (statement["_type"] = "https://in-toto.io/Statement/v0.1")),
      says: '"_type"',
    },
    { row: "a field more", bytes: changed((statement) => (statement["extra"] = 1)), says: '"extra"' },
    {
      row: "a predicate that is a text",
      bytes: changed((statement) => (statement["predicate"] = "yes")),
      says: '"predicate"',
    },
    {
      row: "a predicate that is a list",
      bytes: changed((statement) => (statement["predicate"] = [])),
      says: '"predicate.reference"',
    },
    { row: "no subject", bytes: changed((statement) => (statement["subject"] = [])), says: '"subject' },
    {
      row: "a single subject",
      bytes: changed((statement) => (statement["subject"] = [subjectOf(statement, 0)])),
      says: '"subject',
    },
    {
      row: "a third subject",
      bytes: changed((statement) => {
        statement["subject"] = [subjectOf(statement, 0), subjectOf(statement, 1), subjectOf(statement, 1)];
      }),
      says: '"subject',
    },
    {
      row: "the subjects the other way round",
      bytes: changed(
        (statement) => (statement["subject"] = [subjectOf(statement, 1), subjectOf(statement, 0)]),
      ),
      says: "its subjects are not the tag and the image",
    },
    {
      row: "a first subject with another name",
      bytes: changed((statement) => (subjectOf(statement, 0)["name"] = "docker.io/library/alpine:3.17.0")),
      says: "its subjects are not",
    },
    {
      row: "a first subject with the hash of another name",
      bytes: changed((statement) => (subjectOf(statement, 0)["digest"] = { sha256: "00".repeat(32) })),
      says: "its subjects are not",
    },
    {
      row: "a first subject with one more hash",
      bytes: changed((statement) => (fields(subjectOf(statement, 0)["digest"])["sha512"] = "00".repeat(64))),
      says: "its subjects are not",
    },
    {
      row: "a second subject with another digest",
      bytes: changed((statement) => (subjectOf(statement, 1)["digest"] = { sha256: OTHER_DIGEST.slice(7) })),
      says: "its subjects are not",
    },
    {
      row: "a second subject of another repository",
      bytes: changed((statement) => (subjectOf(statement, 1)["name"] = "docker.io/library/busybox")),
      says: "its subjects are not",
    },
    {
      row: "a subject with one more field",
      bytes: changed((statement) => (subjectOf(statement, 1)["uri"] = "x")),
      says: '"subject.1.uri"',
    },
    {
      row: "a predicate about another tag",
      bytes: changed((_, predicate) => (predicate["reference"] = "docker.io/library/alpine:3.17.0")),
      says: "its subjects are not",
    },
    {
      row: "a predicate with another digest",
      bytes: changed((_, predicate) => (predicate["digest"] = OTHER_DIGEST)),
      says: "its subjects are not",
    },
    ...["alpine:3.16.0", "index.docker.io/library/alpine:3.16.0", "docker.io/library/alpine"].map(
      (reference) => ({
        row: `the reference "${reference}", which is not canonical`,
        bytes: changed((_, predicate) => (predicate["reference"] = reference)),
        says: "not the canonical name of a tag",
      }),
    ),
    {
      row: "a reference with a digest",
      bytes: changed(
        (_, predicate) => (predicate["reference"] = `docker.io/library/alpine:3.16.0@${DIGEST}`),
      ),
      says: "not the canonical name of a tag",
    },
    {
      row: "a reference by digest alone",
      bytes: changed((_, predicate) => (predicate["reference"] = `docker.io/library/alpine@${DIGEST}`)),
      says: "not the canonical name of a tag",
    },
    {
      row: "a reference that is none",
      bytes: changed((_, predicate) => (predicate["reference"] = "Not An Image\u202e")),
      says: '"Not An Image?" is not an image reference',
    },
    {
      row: "a digest in upper case",
      bytes: changed((_, predicate) => (predicate["digest"] = DIGEST.toUpperCase())),
      says: '"predicate.digest"',
    },
    {
      row: "a media type that is none",
      bytes: changed((_, predicate) => (predicate["mediaType"] = "json")),
      says: '"predicate.mediaType"',
    },
    {
      row: "a sequence that does not begin at 1",
      bytes: changed((_, predicate) => (predicate["sequence"] = 0)),
      says: '"predicate.sequence"',
    },
    {
      row: "a later sequence without what went before",
      bytes: changed((_, predicate) => (predicate["sequence"] = 2)),
      says: '"sequence" above 1',
    },
    {
      row: "a first one after another",
      bytes: changed((_, predicate) => (predicate["previous"] = sha256("the one before"))),
      says: '"sequence" above 1',
    },
    {
      row: "a previous one by another hash",
      bytes: changed((_, predicate) => {
        predicate["sequence"] = 2;
        predicate["previous"] = `sha512:${"5a".repeat(64)}`;
      }),
      says: "is not a sha256",
    },
    {
      row: "a superseded digest that is none",
      bytes: changed((_, predicate) => (predicate["supersedes"] = "sha256:abc")),
      says: '"predicate.supersedes"',
    },
    ...[
      { row: "an empty reason", reason: "", why: "is empty" },
      { row: "a reason of two lines", reason: "a\nb", why: "more than one line" },
      { row: "a reason with a line separator", reason: "a\u2028b", why: "more than one line" },
      { row: "a reason with colours", reason: "\u001b[31mred", why: "control characters" },
      { row: "a reason that turns its writing round", reason: "a\u202eb", why: "control characters" },
      { row: "a reason that is too long", reason: "x".repeat(501), why: "longer than 500 characters" },
      { row: "a reason that is a number", reason: 1, why: "Expected string" },
    ].map(({ row, reason, why }) => ({
      row,
      bytes: changed((_, predicate) => (predicate["reason"] = reason)),
      says: why,
    })),
    {
      row: "a platform that is none",
      bytes: changed((_, predicate) => (predicate["platforms"] = [{ platform: "linux", digest: DIGEST }])),
      says: '"predicate.platforms.0.platform"',
    },
    {
      row: "too many platforms",
      bytes: changed((_, predicate) => {
        predicate["platforms"] = Array.from({ length: 257 }, () => ({ platform: "a/b", digest: DIGEST }));
      }),
      says: '"predicate.platforms"',
    },
    ...["2022-06-28T13:30:00+00:00", "2022-06-28T13:30:00.000Z", "2022-06-28", "yesterday"].map((time) => ({
      row: `the time "${time}", which is not spelled as agreed`,
      bytes: changed((_, predicate) => (predicate["observedAt"] = time)),
      says: '"predicate.observedAt"',
    })),
    ...["2022-02-30T00:00:00Z", "2022-13-01T00:00:00Z", "2022-06-28T24:00:00Z"].map((time) => ({
      row: `the time "${time}", which does not exist`,
      bytes: changed((_, predicate) => (predicate["observedAt"] = time)),
      says: "does not exist",
    })),
  ])("$row", ({ bytes, code = "malformed", says }) => {
    const read = () => parseSighting(bytes);
    expect(read).toThrow(RecordError);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
  });
});

describe("what could not be read again is not written", () => {
  test.for([
    {
      row: "a reference that is not canonical",
      what: sighting({ reference: "alpine:3.16.0" }),
      says: "canonical",
    },
    {
      row: "a reference with a digest",
      what: sighting({ reference: `docker.io/library/alpine:3.16.0@${DIGEST}` }),
      says: "canonical",
    },
    { row: "a reference that is none", what: sighting({ reference: "" }), says: "not an image reference" },
    { row: "a media type that is none", what: sighting({ mediaType: "json" }), says: "mediaType" },
    {
      row: "too many platforms",
      what: sighting({ platforms: Array.from({ length: 257 }, () => ({ platform: "a/b", digest: DIGEST })) }),
      says: "platforms",
    },
  ])("$row", ({ what, says }) => {
    expect(() => sightingStatement(what)).toThrow(
      expect.objectContaining({ code: "malformed", message: expect.stringContaining(says) }),
    );
  });
});
