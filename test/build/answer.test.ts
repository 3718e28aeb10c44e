// SPDX-License-Identifier: Apache-2.0
import { sampleBuildkit } from "./sample-buildkit.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { answerBuild } from "../../src/build/answer.ts";
import { runnableProgram } from "./runnable-program.ts";
import { type FakeBehaviour, FakeFailure, startFakeBuildkit } from "../gateway/fake-buildkit.ts";

const { Status } = moby.buildkit.v1.frontend;

/** What is answered to a build with these options: the text of an error, or that there is a result. */
async function answerTo(
  behaviour: FakeBehaviour,
  options: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const fake = await startFakeBuildkit(behaviour);
  onTestFinished(() => fake.close());
  const program = await runnableProgram();
  const { bridge } = fake;
  const start = { bridge, buildOptions: { options, buildPlatform: "linux/amd64" }, environment, program };
  const answer = await answerBuild(start, "dist");
  return "result" in answer ? "a result" : (Status.decode(answer.error).message ?? "");
}

const good = sampleBuildkit({ dockerfile: "FROM scratch\nRUN x\n", images: {} });

describe("every build has an answer", () => {
  test.for<{
    row: string;
    behaviour: FakeBehaviour;
    options?: Record<string, string>;
    environment?: Record<string, string>;
    says: string;
  }>([
    { row: "a good one", behaviour: good, says: "a result" },
    {
      row: "one whose Dockerfile is none",
      behaviour: sampleBuildkit({ dockerfile: "FROM a b c d\n", images: {} }),
      says: "dockerfile parse error on line 1",
    },
    {
      row: "one that BuildKit does not solve",
      behaviour: {
        ...good,
        solve() {
          throw new FakeFailure("no solver");
        },
      },
      says: "no solver",
    },
    {
      row: "one with a wrong policy",
      behaviour: good,
      options: { "build-arg:TLOG_UNKNOWN": "perhaps" },
      says: 'tlog-dockerfile: --build-arg TLOG_UNKNOWN: "perhaps" is not "warn" or "block"',
    },
    {
      row: "one by an image whose ledgers are none",
      behaviour: good,
      environment: { TLOG_LEDGERS: "[{}]" },
      says: 'tlog-dockerfile: TLOG_LEDGERS of the frontend image: "ledgers[0].repository" is missing',
    },
    {
      row: "one for a platform that is none",
      behaviour: good,
      options: { platform: "a/b/c/d" },
      says: "cannot parse platform specifier",
    },
    {
      row: "one whose result is garbage",
      behaviour: { ...good, solve: () => Buffer.from("garbage") },
      says: "tlog-dockerfile: the result of the Dockerfile conversion does not decode",
    },
  ])("$row", async ({ behaviour, options, environment, says }) => {
    expect(await answerTo(behaviour, options, environment)).toContain(says);
  });
});
