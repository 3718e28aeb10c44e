// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { failureStatus } from "../../src/build/failure.ts";
import { moby } from "../../gen/gateway.js";
import { sampleLlb, source } from "../llb/sample-llb.ts";
import { type Case, GOOD, good, logOf, MOVED, OLD, progressOf, refusalOf, start } from "./sample-build.ts";

/** The refusal as people see it, and the lines that it points at. */
async function refused(each: Case): Promise<{ readonly message: string; readonly lines: readonly number[] }> {
  const refusal = await refusalOf(await start(each));
  const { message = "", details } = moby.buildkit.v1.frontend.Status.decode(failureStatus(refusal));
  const lines = (details ?? []).flatMap(
    ({ value }) =>
      (JSON.parse(Buffer.from(value ?? []).toString()) as { ranges: { start: { line: number } }[] }).ranges[0]
        ?.start.line ?? [],
  );
  return { message: message ?? "", lines };
}

/** What a refusal says to write or to give for the recorded image. */
function kept(message: string): string[] {
  const [, below = ""] = /keep the recorded image:\n((?: {4}.*\n)+)/.exec(message) ?? [];
  return below
    .split("\n")
    .filter(Boolean)
    .map((line) => line.trim());
}

const KEPT = `moved:1@${OLD}`;

/** A linked build's LLB, with the Dockerfile that it was made of. */
function linked(): Uint8Array {
  const llb = sampleLlb({ filename: "base.Dockerfile", text: "ARG NAME\nFROM ${NAME} AS base\n" });
  const image = source(`docker-image://docker.io/library/moved:1@${MOVED.digest}`);
  return llb.endAt(llb.add(image, [[2, 2]]));
}

describe("the recorded image is kept by writing it where the moved one is named", () => {
  test.for<Case & { row: string; keep: string[] }>([
    { row: "FROM", dockerfile: "FROM moved:1\nRUN x\n", keep: [`FROM ${KEPT}`] },
    {
      row: "FROM with a platform and a name, over several lines",
      dockerfile: "from --platform=linux/amd64 \\\n  # a comment\n  moved:1 \\\n  as  base\nRUN x\n",
      keep: [`from --platform=linux/amd64 ${KEPT} as  base`],
    },
    {
      row: "FROM without a tag",
      dockerfile: "FROM moved\nRUN x\n",
      images: { "moved:latest": MOVED },
      log: logOf({ "moved:latest": OLD }),
      keep: [`FROM moved:latest@${OLD}`],
    },
    {
      row: "FROM with a variable in the name, which is written out",
      dockerfile: "ARG VERSION=1\nFROM moved:${VERSION} AS base\nRUN x\n",
      keep: [`FROM ${KEPT} AS base`],
    },
    {
      row: "FROM of a variable",
      dockerfile: "ARG VERSION=1\nARG BASE=moved:$VERSION\nFROM ${BASE}\nRUN x\n",
      keep: [`write ${KEPT} where BASE is set`],
    },
    {
      row: "FROM of a build argument",
      dockerfile: "ARG BASE=good:1\nFROM $BASE\nRUN x\n",
      options: { "build-arg:BASE": "moved:1" },
      keep: [`--build-arg BASE=${KEPT}`],
    },
    { row: "COPY --from", dockerfile: "FROM good:1\nCOPY --from=moved:1 a a\n", keep: [`--from=${KEPT}`] },
    {
      row: "a mount",
      dockerfile: "FROM good:1\nRUN --mount=type=bind,from=moved:1,target=/t x\n",
      keep: [`--mount=type=bind,from=${KEPT},target=/t`],
    },
    {
      row: "two lines",
      dockerfile: "FROM moved:1\nCOPY --from=moved:1 a a\n",
      keep: [`FROM ${KEPT}`, `--from=${KEPT}`],
    },
    {
      row: "a named context by its own name",
      dockerfile: "FROM good:1\nCOPY --from=tools a a\n",
      options: { "context:tools": "docker-image://moved:1" },
      keep: [`--build-context tools=docker-image://${KEPT}`],
    },
    {
      row: "a named context in the place of an image",
      dockerfile: "FROM docker.io/library/good:1\nRUN x\n",
      options: { "context:good:1": "docker-image://moved:1" },
      keep: [`--build-context good:1=docker-image://${KEPT}`],
    },
    {
      row: "an ONBUILD of another image",
      dockerfile: "FROM triggers:1\nRUN x\n",
      images: { "triggers:1": { ...GOOD, onbuild: ["COPY --from=docker.io/library/moved:1 a a"] } },
      log: logOf({ "triggers:1": good.digest, "moved:1": OLD }),
      keep: [`--build-context docker.io/library/moved:1=docker-image://docker.io/library/${KEPT}`],
    },
    {
      row: "the SBOM generator",
      dockerfile: "FROM good:1\nRUN x\n",
      options: { "attest:sbom": "generator=moved:1" },
      keep: [`--sbom=generator=${KEPT}`],
    },
    {
      row: "a linked build's own Dockerfile",
      dockerfile: "FROM linked\nRUN x\n",
      options: { "context:linked": "input:linked" },
      inputs: { linked: linked() },
      keep: [`FROM ${KEPT} AS base`],
    },
  ])("$row", async ({ keep, ...each }) => {
    const { message } = await refused(each);
    expect(kept(message), message).toEqual(keep);
  });
});

describe("an image that an ONBUILD of the same Dockerfile names is shown at that line", () => {
  test.for([
    { step: "COPY --from=moved:1 a a", keep: `--from=${KEPT}` },
    { step: "RUN --mount=from=moved:1,target=/t x", keep: `--mount=from=${KEPT},target=/t` },
  ])("$step", async ({ step, keep }) => {
    const dockerfile = `FROM good:1 AS base\nONBUILD ${step}\nFROM base\nRUN x\n`;
    const { message, lines } = await refused({ dockerfile });
    expect(lines).toEqual([2]);
    expect(kept(message)).toEqual([keep]);
    const log = logOf({ "good:1": good.digest, "moved:1": MOVED.digest });
    const { done } = await start({ dockerfile, log });
    const { metadata } = moby.buildkit.v1.frontend.Result.decode(await done);
    expect(JSON.parse(Buffer.from(metadata?.["frontend.tlog"] ?? []).toString())).toMatchObject({
      images: [
        { reference: "docker.io/library/good:1", lines: [{ start: 1 }] },
        { reference: "docker.io/library/moved:1", lines: [{ start: 2 }] },
      ],
    });
  });
});

test("a line that is not fit for a terminal is not in a way out: there is the name alone", async () => {
  const { message } = await refused({
    dockerfile: "FROM good:1\nRUN --mount=from=moved:1,target=/t\u202E x\n",
  });
  expect(message).not.toContain("\u202E");
  expect(kept(message)).toEqual([KEPT]);
});

test("the images of a build are told in the order of their lines", async () => {
  const names = ["one:1", "two:1", "three:1", "four:1", "good:1"];
  const { done, heard } = await start({
    dockerfile: `${names.map((name, index) => `FROM ${name} AS s${index}\n`).join("")}${names
      .slice(0, -1)
      .map((_, index) => `COPY --from=s${index} a a\n`)
      .toReversed()
      .join("")}`,
    images: Object.fromEntries(names.map((name) => [name, GOOD])),
    log: logOf(Object.fromEntries(names.map((name) => [name, good.digest]))),
  });
  await done;
  expect(progressOf(heard).map((line) => /library\/(\S+)/.exec(line)?.[1])).toEqual(names);
});

test("the approval names the frontend as this build does", async () => {
  const { message } = await refused({
    dockerfile: "FROM moved:1\nRUN x\n",
    options: { "build-arg:BUILDKIT_SYNTAX": "registry.example/us:1 --flag", platform: "linux/amd64" },
  });
  expect(message).toContain(
    [
      "    echo 'FROM moved:1' | \\",
      "      docker buildx build --call tlog -f - \\",
      "      --build-arg BUILDKIT_SYNTAX=registry.example/us:1 \\",
      "      --platform linux/amd64 \\",
      `      --build-arg TLOG_APPROVE=moved:1@${MOVED.digest} \\`,
    ].join("\n"),
  );
});
