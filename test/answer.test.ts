// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { moby } from "../gen/gateway.js";
import { answerBuild } from "../src/answer.ts";
import { miniature } from "./conversion/miniature-conversion.ts";
import { type FakeBehaviour, FakeFailure, startFakeBuildkit } from "./gateway/fake-buildkit.ts";

const { Status } = moby.buildkit.v1.frontend;

/** What is answered to a build with these options: the text of an error, or that there is a result. */
async function answerTo(
  behaviour: FakeBehaviour,
  options: Readonly<Record<string, string>> = {},
): Promise<string> {
  const fake = await startFakeBuildkit(behaviour);
  onTestFinished(() => fake.close());
  const answer = await answerBuild(fake.bridge, { options, buildPlatform: "linux/amd64" }, "dist");
  return "result" in answer ? "a result" : (Status.decode(answer.error).message ?? "");
}

const good = miniature({ dockerfile: "FROM scratch\nRUN x\n", images: {} });

describe("every build has an answer", () => {
  test.for<{ row: string; behaviour: FakeBehaviour; options?: Record<string, string>; says: string }>([
    { row: "a good one", behaviour: good, says: "a result" },
    {
      row: "one that BuildKit does not convert",
      behaviour: {
        solve() {
          throw new FakeFailure("parse error");
        },
      },
      says: "parse error",
    },
    {
      row: "one with a wrong policy",
      behaviour: good,
      options: { "build-arg:TLOG_UNKNOWN": "perhaps" },
      says: 'tlog-dockerfile: --build-arg TLOG_UNKNOWN: "perhaps" is not "warn" or "block"',
    },
    {
      row: "one for a platform that is none",
      behaviour: good,
      options: { platform: "a/b/c/d" },
      says: 'tlog-dockerfile: read platform "a/b/c/d"',
    },
    {
      row: "one whose result is garbage",
      behaviour: { solve: () => Buffer.from("garbage") },
      says: "tlog-dockerfile: the result of the Dockerfile conversion does not decode",
    },
  ])("$row", async ({ behaviour, options, says }) => {
    expect(await answerTo(behaviour, options)).toContain(says);
  });
});
