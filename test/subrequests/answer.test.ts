// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { readResult, ResultError, type SolvedResult } from "../../src/gateway/result.ts";
import { textAnswer, withOwnRequests } from "../../src/subrequests/answer.ts";
import { encodeResult } from "../gateway/fake-buildkit.ts";

function metadataOf(bytes: Uint8Array): Record<string, string> {
  return Object.fromEntries(
    Object.entries(readResult(bytes).metadata).map(([key, value]) => [key, Buffer.from(value).toString()]),
  );
}

test("an answer is text, JSON and an exit status, and no image", () => {
  const bytes = textAnswer({
    text: "two lines\nof text\n",
    json: { a: [1] },
    status: 1,
  });
  expect(metadataOf(bytes)).toEqual({
    "result.txt": "two lines\nof text\n",
    "result.json": '{\n  "a": [\n    1\n  ]\n}',
    "result.statuscode": "1",
    version: "1.0.0",
  });
  expect(readResult(bytes).refs).toEqual([
    { place: "result", attestation: false, id: "", definition: Buffer.alloc(0) },
  ]);
});

/** The answer of the standard conversion, shortened; fields of Go that are nothing are `null`. */
const STANDARD = JSON.stringify([
  {
    name: "frontend.outline",
    version: "1.0.0",
    type: "rpc",
    description: "List all parameters current build target supports",
    opts: [{ name: "target", description: "Target build stage" }],
    inputs: null,
    metadata: [{ name: "result.json", description: "" }],
    refs: null,
    later: { kept: true },
  },
  {
    name: "frontend.subrequests.describe",
    version: "1.0.0",
    type: "rpc",
    description: "List available subrequest types",
    opts: null,
    inputs: null,
    metadata: null,
    refs: null,
  },
]);

function conversion(json: string | undefined): SolvedResult {
  const metadata = json === undefined ? {} : { "result.json": Buffer.from(json) };
  return readResult(
    encodeResult({ ref: { id: "" }, metadata: { ...metadata, version: Buffer.from("1.0.0") } }),
  );
}

describe("who asks what can be asked finds our requests behind the standard ones", () => {
  const metadata = metadataOf(withOwnRequests(conversion(STANDARD)));

  test("as JSON, with the standard ones as they were", () => {
    const requests = JSON.parse(metadata["result.json"] ?? "") as { name: string }[];
    expect(requests.slice(0, 2)).toEqual(JSON.parse(STANDARD));
    expect(requests.slice(2).map(({ name }) => name)).toEqual([
      "frontend.tlog",
      "frontend.tlog.policy",
      "frontend.tlog.lock",
      "frontend.tlog.verify",
      "frontend.tlog.history",
      "frontend.tlog.source-policy",
      "frontend.tlog.rego-data",
    ]);
    expect(requests[2]).toEqual({
      name: "frontend.tlog",
      version: "1.0.0",
      type: "rpc",
      description: "Check every image of the build against the transparency log, without building",
      opts: expect.arrayContaining([{ name: "target", description: "Stage to check" }]) as unknown,
      inputs: [],
      metadata: [
        { name: "result.json", description: "" },
        { name: "result.txt", description: "" },
        { name: "result.statuscode", description: "" },
      ],
      refs: [],
    });
  });

  test("as a list in columns", () => {
    const [head, outline, ...more] = (metadata["result.txt"] ?? "").split("\n");
    expect(head).toBe("NAME                 VERSION DESCRIPTION");
    expect(outline).toBe("outline              1.0.0   List all parameters current build target supports");
    expect(more.at(-1)).toBe("");
    expect(more.at(-2)).toBe(
      "tlog.rego-data       1.0.0   Print the images of the build as data for policies in Rego",
    );
  });

  test("and the rest of the answer is as it was", () => {
    expect(metadata["version"]).toBe("1.0.0");
  });
});

describe("a list that is none is said to be so", () => {
  test.for([
    { row: "none", json: undefined },
    { row: "no JSON", json: "NAME VERSION" },
    { row: "no list", json: "{}" },
    { row: "a request without a name", json: '[{"version":"1.0.0","description":"x"}]' },
  ])("$row", ({ json }) => {
    expect(() => withOwnRequests(conversion(json))).toThrow(ResultError);
    expect(() => withOwnRequests(conversion(json))).toThrow("list of requests is not one");
  });
});
