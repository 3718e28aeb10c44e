// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { readResult, ResultError } from "../../src/gateway/result.ts";
import { encodeResult } from "./fake-buildkit.ts";

/** Field 50 with the text "new", as a later BuildKit might add it. */
const UNKNOWN_FIELD = Buffer.from([0x92, 0x03, 0x03, ...Buffer.from("new")]);
const LLB = Buffer.from([0x0a, 0x00]);

/** A length-delimited field. */
function field(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length > 127 || number > 15) throw new Error("too long for one byte");
  return Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body]);
}

const text = (value: string): Buffer => Buffer.from(value);
const ref = (...more: readonly Uint8Array[]): Buffer =>
  Buffer.concat([field(1, text("a")), field(2, LLB), ...more]);
const entry = (key: string, value: Uint8Array): Buffer =>
  Buffer.concat([field(1, text(key)), field(2, value)]);

describe("everything in a result that can be built or exported is seen", () => {
  test.for([
    { row: "nothing at all", result: {}, refs: [] },
    {
      row: "one platform",
      result: { ref: { id: "a", def: LLB } },
      refs: [{ place: "result", attestation: false, id: "a", definition: LLB }],
    },
    {
      row: "FROM scratch and no step: a ref that holds nothing",
      result: { ref: { id: "" } },
      refs: [{ place: "result", attestation: false, id: "", definition: new Uint8Array() }],
    },
    {
      row: "two platforms",
      result: {
        refs: { refs: { "linux/amd64": { id: "a", def: LLB }, "linux/arm64": { id: "b", def: LLB } } },
      },
      refs: [
        {
          place: "result for linux/amd64",
          platform: "linux/amd64",
          attestation: false,
          id: "a",
          definition: LLB,
        },
        {
          place: "result for linux/arm64",
          platform: "linux/arm64",
          attestation: false,
          id: "b",
          definition: LLB,
        },
      ],
    },
    {
      row: "attestations, of which some are files of their own",
      result: {
        ref: { id: "a", def: LLB },
        attestations: {
          "linux/amd64": {
            attestation: [{ path: "/sbom.json", ref: { id: "s", def: LLB } }, { path: "/without-llb.json" }],
          },
        },
      },
      refs: [
        { place: "result", attestation: false, id: "a", definition: LLB },
        {
          place: "attestation /sbom.json of linux/amd64",
          platform: "linux/amd64",
          attestation: true,
          predicateType: "",
          id: "s",
          definition: LLB,
        },
      ],
    },
  ])("$row", ({ result, refs }) => {
    const bytes = encodeResult(result);
    const solved = readResult(bytes);
    expect(solved.refs.map((each) => ({ ...each, definition: Buffer.from(each.definition) }))).toEqual(
      refs.map((each) => ({ ...each, definition: Buffer.from(each.definition) })),
    );
    expect(solved.bytes, "what goes back to BuildKit is what came").toBe(bytes);
  });

  test("metadata is handed over", () => {
    const { metadata } = readResult(encodeResult({ metadata: { "result.txt": Buffer.from("hello") } }));
    expect(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value).toString()])).toEqual([
      ["result.txt", "hello"],
    ]);
  });
});

describe("a part that a later BuildKit adds is never passed on unseen", () => {
  test.for([
    { row: "the result", what: "result", bytes: UNKNOWN_FIELD },
    { row: "a ref", what: "ref", bytes: field(3, ref(UNKNOWN_FIELD)) },
    {
      row: "a ref of one platform",
      what: "ref",
      bytes: field(4, field(1, entry("linux/amd64", ref(UNKNOWN_FIELD)))),
    },
    { row: "the refs", what: "refs", bytes: field(4, field(1, entry("p", ref())), UNKNOWN_FIELD) },
    {
      row: "the attestations of a platform",
      what: "attestations",
      bytes: field(12, entry("p", UNKNOWN_FIELD)),
    },
    { row: "an attestation", what: "attestation", bytes: field(12, entry("p", field(1, UNKNOWN_FIELD))) },
    {
      row: "a ref of an attestation",
      what: "ref",
      bytes: field(12, entry("p", field(1, field(3, ref(UNKNOWN_FIELD))))),
    },
  ])("in $row", ({ what, bytes }) => {
    expect(() => readResult(bytes)).toThrow(ResultError);
    expect(() => readResult(bytes)).toThrow(
      `this BuildKit is newer than this frontend: its ${what} has a part that cannot be judged; update tlog-dockerfile`,
    );
  });

  test("and the same bytes without it are read", () => {
    expect(readResult(field(3, ref())).refs).toHaveLength(1);
    expect(readResult(field(4, field(1, entry("p", ref())))).refs).toHaveLength(1);
    expect(readResult(field(12, entry("p", field(1, field(3, ref()))))).refs).toHaveLength(1);
  });
});

describe("what cannot be judged is refused", () => {
  test.for([
    {
      row: "a ref without its LLB",
      bytes: encodeResult({ ref: { id: "a" } }),
      says: "BuildKit gave no LLB for the result, so its images cannot be judged",
    },
    {
      row: "one of two platforms without its LLB",
      bytes: encodeResult({
        refs: { refs: { "linux/amd64": { id: "a", def: LLB }, "linux/arm64": { id: "b" } } },
      }),
      says: "no LLB for the result for linux/arm64",
    },
    {
      row: "an attestation without its LLB",
      bytes: encodeResult({ attestations: { p: { attestation: [{ path: "/s", ref: { id: "a" } }] } } }),
      says: "no LLB for the attestation /s of p",
    },
    {
      row: "an old BuildKit's ref, which is a name alone",
      bytes: encodeResult({ refDeprecated: "a" }),
      says: "this BuildKit does not give the LLB of its results",
    },
    {
      row: "an old BuildKit's refs",
      bytes: encodeResult({ refsDeprecated: Buffer.from("a") }),
      says: "this BuildKit does not give the LLB of its results",
    },
    { row: "garbage", bytes: Buffer.from("garbage"), says: "does not decode" },
    { row: "a result that ends too early", bytes: Buffer.from([0x1a, 0x7f, 0x01]), says: "does not decode" },
  ])("$row", ({ bytes, says }) => {
    expect(() => readResult(bytes)).toThrow(ResultError);
    expect(() => readResult(bytes)).toThrow(says);
  });
});
