// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { failureStatus } from "../../src/build/failure.ts";
import { CallError, errorStatus } from "../../src/gateway/status.ts";
import { FakeFailure, startFakeBuildkit } from "./fake-buildkit.ts";

const { Status } = moby.buildkit.v1.frontend;

/** The error with which BuildKit's failure arrives here. */
async function arrived(failure: FakeFailure): Promise<unknown> {
  const fake = await startFakeBuildkit({
    solve() {
      throw failure;
    },
  });
  onTestFinished(() => fake.close());
  return fake.bridge.solve({ Frontend: "dockerfile.v0" }).then(
    () => Promise.reject(new Error("the call did not fail")),
    (error: unknown) => error,
  );
}

/** As BuildKit sends it: with several details, one of a type that we do not know, and an unknown field at the end. */
const DETAILS = Buffer.concat([
  Status.encode({
    code: 2,
    message: "dockerfile parse error on line 2: unknown instruction: RUNN",
    details: [
      { type_url: "github.com/moby/buildkit/stack.Stack+json", value: Buffer.from('{"frames":[]}') },
      { type_url: "example.org/never-seen", value: Buffer.from([0, 255, 128]) },
    ],
  }).finish(),
  Buffer.from([0x92, 0x03, 0x01, 0x21]),
]);

describe("what BuildKit says of a failed call", () => {
  test("comes back byte for byte, with details that nobody here knows", async () => {
    const error = await arrived(new FakeFailure("short text", DETAILS));
    expect(error).toBeInstanceOf(CallError);
    expect(Buffer.from(failureStatus(error))).toEqual(DETAILS);
  });

  test("comes back with its code and text when it has no details", async () => {
    const error = await arrived(new FakeFailure("target stage not found"));
    expect(Status.decode(failureStatus(error))).toMatchObject({ code: 2, message: "target stage not found" });
  });

  test.for([
    {
      row: "of the details",
      details: DETAILS,
      text: "dockerfile parse error on line 2: unknown instruction: RUNN",
    },
    { row: "of the call when the details are garbage", details: Buffer.from("garbage"), text: "short text" },
    { row: "of the call when there are no details", details: undefined, text: "short text" },
  ])("is the message $row", async ({ details, text }) => {
    const error = await arrived(new FakeFailure("short text", details));
    if (!(error instanceof CallError)) throw new Error("not an error of a call");
    expect(error.message).toBe(text);
    expect(error.code).toBe(2);
  });
});

test("an error of ours has the code that puts nothing before the message", () => {
  expect(Status.decode(errorStatus("text"))).toMatchObject({ code: 2, message: "text" });
});

test("a snippet is what BuildKit prints lines of a file from", () => {
  const snippet = {
    filename: "Dockerfile",
    data: Buffer.from("FROM a\nFROM b\n"),
    language: "Dockerfile",
    ranges: [{ start: 1, end: 2 }],
  };
  const { details } = Status.decode(errorStatus("text", [snippet, { ...snippet, filename: "other" }]));
  expect(details?.map(({ type_url }) => type_url)).toEqual([
    "github.com/moby/buildkit/errdefs.Source+json",
    "github.com/moby/buildkit/errdefs.Source+json",
  ]);
  expect(details?.map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as unknown)).toEqual([
    {
      info: { filename: "Dockerfile", data: "RlJPTSBhCkZST00gYgo=", language: "Dockerfile" },
      ranges: [{ start: { line: 1, character: 0 }, end: { line: 2, character: 0 } }],
    },
    expect.objectContaining({ info: expect.objectContaining({ filename: "other" }) as unknown }),
  ]);
});
