// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { SampleLog } from "./record/sample-log.ts";
import { sampleLog, sighting } from "./record/sample-log.ts";
import { type Case, good, GOOD, key, OLD, refusalOf, start } from "./build/sample-build.ts";

const APP = "docker.io/library/app:1";
/** What the registry serves again, although an approval took its place. */
const ROLLED_BACK = { digest: OLD, layers: true };
const IMAGES = { "app:1": ROLLED_BACK, "good:1": GOOD };

/** `app:1` was approved to be another image; `good:1` never changed. */
function approvedLog(): SampleLog {
  const log = sampleLog();
  log.record(sighting({ reference: APP, digest: OLD }), key);
  log.record(sighting({ reference: APP, digest: good.digest, supersedes: OLD }), key);
  log.record(sighting({ reference: "docker.io/library/good:1", digest: good.digest }), key);
  return log;
}

describe("a digest that was superseded may be built where the Dockerfile or an option names the tag with it", () => {
  test.for<Omit<Case, "log"> & { row: string }>([
    { row: "FROM", dockerfile: `FROM app:1@${OLD}\nRUN x\n` },
    { row: "FROM with variables", dockerfile: `ARG TAG=1@${OLD}\nFROM app:\${TAG}\nRUN x\n` },
    {
      row: "FROM with a build argument",
      dockerfile: "ARG BASE=good:1\nFROM ${BASE}\nRUN x\n",
      options: { "build-arg:BASE": `app:1@${OLD}` },
    },
    { row: "COPY --from", dockerfile: `FROM good:1\nCOPY --from=app:1@${OLD} a a\n` },
    { row: "RUN --mount", dockerfile: `FROM good:1\nRUN --mount=from=app:1@${OLD},target=/t x\n` },
    {
      row: "a named context",
      dockerfile: "FROM base\nRUN x\n",
      options: { "context:base": `docker-image://app:1@${OLD}` },
    },
    {
      row: "a named context for the very tag",
      dockerfile: "FROM app:1\nRUN x\n",
      options: { "context:app:1": `docker-image://app:1@${OLD}` },
    },
    {
      row: "the SBOM generator",
      dockerfile: "FROM good:1\nRUN x\n",
      options: { "attest:sbom": `generator=app:1@${OLD}` },
    },
  ])("$row", async (each) => {
    const { done } = await start({ images: IMAGES, ...each, log: approvedLog() });
    expect((await done).length).toBeGreaterThan(0);
  });
});

describe("a registry that goes back to it is refused, although the digest stands somewhere else", () => {
  test.for<Omit<Case, "log"> & { row: string }>([
    { row: "nowhere", dockerfile: "FROM app:1\nRUN x\n" },
    { row: "in a comment", dockerfile: `# was: FROM app:1@${OLD}\nFROM app:1\nRUN x\n` },
    { row: "in a step", dockerfile: `FROM app:1\nRUN echo app:1@${OLD}\n` },
    { row: "behind another tag", dockerfile: `FROM app:0@${OLD} AS old\nFROM app:1\nRUN x\n` },
    {
      row: "in another stage, which names the tag with it",
      dockerfile: `FROM app:1@${OLD} AS old\nFROM app:1\nRUN x\n`,
    },
    {
      row: "in a label",
      dockerfile: "FROM app:1\nRUN x\n",
      options: { "label:org.opencontainers.image.base.digest": OLD },
    },
    {
      row: "in a build argument that no FROM uses",
      dockerfile: "FROM app:1\nRUN x\n",
      options: { "build-arg:PREVIOUS": `app:1@${OLD}` },
    },
    {
      row: "in a named context that no FROM uses",
      dockerfile: "FROM app:1\nRUN x\n",
      options: { "context:old": `docker-image://app:1@${OLD}` },
    },
  ])("$row", async (each) => {
    const images = { ...IMAGES, "app:0": ROLLED_BACK };
    const built = await start({ images, ...each, log: approvedLog() });
    const { judgements } = await refusalOf(built);
    expect(judgements).toMatchObject([{ verdict: { kind: "moved", record: { digest: good.digest } } }]);
  });
});
