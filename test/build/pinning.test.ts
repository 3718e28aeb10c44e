// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { formatReference } from "../../src/image/reference.ts";
import { type Digest, sha256 } from "../../src/image/digest.ts";
import { platformName } from "../../src/llb/image-sources.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Served } from "../check/sample-courier.ts";
import { pb } from "../../gen/gateway.js";
import { type AskedSolve, FakeFailure } from "../gateway/fake-buildkit.ts";
import { digestOf } from "../llb/sample-llb.ts";
import { sighting } from "../record/sample-log.ts";
import {
  type Case,
  GOOD,
  good,
  key,
  logOf,
  MOVED,
  OLD,
  progressOf,
  refusalOf,
  start,
} from "./sample-build.ts";
import { sourcesOf } from "./sample-buildkit.ts";

const PIN: Partial<Rule> = { action: "pin" };
const MOVED_NAME = `docker.io/library/moved:1@${MOVED.digest}`;
const PINNED_NAME = `docker.io/library/moved:1@${OLD}`;

/** The sources of a solve, each with its platform. */
function sourcesWithPlatforms({ Definition }: AskedSolve): string[] {
  const { def } = pb.Definition.decode(Definition ?? new Uint8Array());
  return (def ?? []).flatMap((bytes) => {
    const { source, platform } = pb.Op.decode(bytes);
    return source ? [`${source.identifier} ${platform ? platformName(platform) : ""}`] : [];
  });
}

/** A build under a policy that pins every tag. */
function pinning(each: Case, rule: Partial<Rule> = PIN): ReturnType<typeof start> {
  return start({ ...each, setting: { ...each.setting, policy: { rule } } });
}

describe("an image that moved is built as it was recorded, however it gets into the build", () => {
  test.for<Case & { row: string }>([
    { row: "FROM", dockerfile: "FROM moved:1\nRUN x\n" },
    {
      row: "FROM of several stages",
      dockerfile: "FROM moved:1 AS a\nRUN x\nFROM moved:1\nCOPY --from=a a a\n",
    },
    { row: "FROM with a variable", dockerfile: "ARG NAME=moved\nFROM ${NAME}:1\nRUN x\n" },
    { row: "COPY --from", dockerfile: "FROM good:1\nCOPY --from=moved:1 a a\n" },
    { row: "RUN --mount", dockerfile: "FROM good:1\nRUN --mount=from=moved:1,target=/t x\n" },
    {
      row: "an ONBUILD of the base",
      dockerfile: "FROM triggers:1\nRUN x\n",
      images: { "triggers:1": { ...GOOD, onbuild: ["COPY --from=moved:1 a a"] } },
      log: logOf({ "triggers:1": good.digest, "moved:1": OLD }),
    },
    {
      row: "two platforms",
      dockerfile: "FROM moved:1\nRUN x\n",
      options: { platform: "linux/amd64,linux/arm64" },
    },
    {
      row: "a base without layers",
      dockerfile: "FROM moved:1\nENV A=b\n",
      images: { "moved:1": { ...MOVED, layers: false } },
    },
    {
      row: "a named context in the place of an image",
      dockerfile: "FROM good:1\nRUN x\n",
      options: { "context:good:1": "docker-image://moved:1" },
    },
    {
      row: "a named context by its own name",
      dockerfile: "FROM good:1\nCOPY --from=tools a a\n",
      options: { "context:tools": "docker-image://moved:1" },
    },
    {
      row: "the SBOM generator",
      dockerfile: "FROM good:1\nRUN x\n",
      options: { "attest:sbom": "generator=moved:1" },
    },
  ])("$row", async (each) => {
    const { done, heard } = await pinning(each);
    expect((await done).length).toBeGreaterThan(0);
    const said = progressOf(heard).filter((line) => line.includes("moved:1"));
    expect(said).toEqual([expect.stringMatching(new RegExp(`PINNED as recorded .*${OLD}`))]);
    expect(heard.warnings.map(({ short }) => Buffer.from(short ?? []).toString())).toEqual([
      expect.stringMatching(/^TagPinned: tag "docker\.io\/library\/moved:1" is built as recorded/),
    ]);
  });
});

test("the moved image is in nothing that BuildKit gets, and the conversion asks once", async () => {
  const { done, heard } = await pinning({ dockerfile: "FROM moved:1\nRUN x\n" });
  await done;
  const sources = heard.solves.flatMap(sourcesOf);
  expect(sources).toContain(`docker-image://${PINNED_NAME}`);
  expect(sources).not.toContain(`docker-image://${MOVED_NAME}`);
  expect(heard.resolves.map(({ Ref }) => Ref)).toEqual(["docker.io/library/moved:1", PINNED_NAME]);
});

test("an image that the recorded one brings with it is judged and pinned too", async () => {
  const { done, heard } = await pinning({
    dockerfile: "FROM moved:1\nRUN x\n",
    images: { "moved:1": { ...MOVED, onbuild: ["COPY --from=late:1 a a"] }, "late:1": MOVED },
    log: logOf({ "moved:1": OLD, "late:1": OLD }),
  });
  await done;
  expect(progressOf(heard).map((line) => line.split(" ")[1])).toEqual([
    "docker.io/library/late:1",
    "docker.io/library/moved:1",
  ]);
});

test("an index that is unchanged for one platform is judged again when a pin brings another platform of it", async () => {
  const amd64 = digestOf("a1");
  const indexOf = (arm64: Digest): Served & { readonly digest: Digest } => {
    const manifests = [
      { digest: amd64, platform: { os: "linux", architecture: "amd64" } },
      { digest: arm64, platform: { os: "linux", architecture: "arm64" } },
    ];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
    return { bytes, mediaType: "application/vnd.oci.image.index.v1+json", digest: sha256(bytes) };
  };
  const [recorded, served] = [indexOf(digestOf("a2")), indexOf(digestOf("b2"))];
  const log = logOf({ "moved:1": OLD });
  const platforms = ["a1", "a2"].map((byte, n) => ({
    platform: n === 0 ? "linux/amd64" : "linux/arm64",
    digest: digestOf(byte),
  }));
  const reference = "docker.io/library/tools:1";
  log.record(sighting({ reference, digest: recorded.digest, platforms }), key);
  const built = await pinning({
    dockerfile: [
      "FROM --platform=$BUILDPLATFORM tools:1 AS tools",
      "RUN x",
      "FROM moved:1",
      "COPY --from=tools a a",
      "",
    ].join("\n"),
    images: {
      "tools:1": { digest: served.digest, layers: true },
      "moved:1": { ...MOVED, onbuild: ["COPY --from=tools:1 b b"] },
    },
    options: { platform: "linux/arm64" },
    setting: { served: { [`docker.io/library/tools:${served.digest}`]: served } },
    log,
  });
  await built.done;
  const sources = built.heard.solves.flatMap(sourcesWithPlatforms).filter((each) => each.includes("tools:1"));
  expect(sources, "the index of which one platform was looked at is used for no other").toEqual(
    expect.arrayContaining([
      `docker-image://${reference}@${served.digest} linux/amd64`,
      `docker-image://${reference}@${recorded.digest} linux/arm64`,
    ]),
  );
  expect(sources).not.toContain(`docker-image://${reference}@${served.digest} linux/arm64`);
});

describe("the build stops, and says why, when the recorded image cannot take its place", () => {
  test.for<Case & { row: string; gone: string; rule?: Partial<Rule> }>([
    {
      row: "its registry does not have it any more",
      dockerfile: "FROM moved:1\nRUN x\n",
      behaviour: ({ resolve }) => ({
        resolve(request) {
          if (request.Ref === PINNED_NAME) throw new FakeFailure(`${request.Ref}: not found`);
          return resolve(request);
        },
      }),
      gone: "not found",
    },
  ])("$row", async ({ gone, ...each }) => {
    const refusal = await refusalOf(await pinning(each));
    expect(refusal.judgements).toMatchObject([
      { outcome: "refuse", verdict: { kind: "moved", gone: expect.stringContaining(gone) as unknown } },
    ]);
  });
});

test("a recorded image that is younger than the policy wants takes nobody's place", async () => {
  const rule: Partial<Rule> = { action: "pin", minAge: { days: 100_000, otherwise: "block" } };
  const refusal = await refusalOf(await pinning({ dockerfile: "FROM moved:1\nRUN x\n" }, rule));
  expect(refusal.judgements).toMatchObject([{ verdict: { kind: "too-new" }, outcome: "refuse" }]);
});

test("a digest that was written by hand is not exchanged for another one", async () => {
  const built = await pinning({ dockerfile: `FROM moved:1@${MOVED.digest}\nRUN x\n` });
  const [judgement, ...others] = (await refusalOf(built)).judgements;
  expect(judgement && formatReference(judgement.reference)).toBe(MOVED_NAME);
  expect(judgement?.verdict).toMatchObject({ kind: "moved", record: { digest: OLD } });
  expect(judgement?.verdict, "nothing was to be pinned").not.toHaveProperty("gone");
  expect(others).toEqual([]);
});

test("a digest that was written by hand, and that was superseded since, is built as it is written", async () => {
  const log = logOf({ "moved:1": OLD });
  const approval = sighting({
    reference: "docker.io/library/moved:1",
    digest: MOVED.digest,
    supersedes: OLD,
  });
  log.record(approval, key);
  const { done, heard } = await pinning({ dockerfile: `FROM moved:1@${OLD}\nRUN x\n`, log });
  expect((await done).length).toBeGreaterThan(0);
  expect(progressOf(heard)).toEqual([
    expect.stringMatching(/moved:1 named by a digest that was superseded later/),
  ]);
});

describe("a moved tag is exchanged by no other action than pin", () => {
  test.for(["block", "warn", "follow"] as const)("%s", async (action) => {
    const built = await pinning({ dockerfile: "FROM moved:1\nRUN x\n" }, { action });
    if (action === "block") {
      const [judgement] = (await refusalOf(built)).judgements;
      expect(judgement?.verdict).not.toHaveProperty("gone");
    } else {
      await built.done;
      expect(built.heard.solves.flatMap(sourcesOf)).toContain(`docker-image://${MOVED_NAME}`);
    }
  });
});

test("a recorded image that the Dockerfile names too is told as the one that took the moved one's place", async () => {
  const { done, heard } = await pinning({
    dockerfile: `FROM moved:1\nCOPY --from=moved:1@${OLD} a a\n`,
  });
  expect((await done).length).toBeGreaterThan(0);
  expect(progressOf(heard)).toEqual([expect.stringMatching(/moved:1 PINNED as recorded/)]);
  expect(heard.warnings).toHaveLength(1);
});

test("a stage that has the name of its image keeps its steps", async () => {
  const { done, heard } = await pinning({
    dockerfile: "FROM moved AS moved\nRUN x\nFROM good:1\nCOPY --from=moved a a\n",
    images: { moved: MOVED },
    log: logOf({ "moved:latest": OLD, "good:1": good.digest }),
  });
  await done;
  expect(heard.solves.flatMap(sourcesOf)).toContain(`docker-image://docker.io/library/moved:latest@${OLD}`);
  expect(heard.solves.some(({ Definition }) => Definition?.includes("RUN x") ?? false)).toBe(true);
});

test("under the profile that only observes, nothing stops a build", async () => {
  const { done, heard } = await start({
    dockerfile: "FROM moved:1\nRUN --mount=from=local:1,target=/t x\n",
    images: { "local:1": { ...GOOD, undigested: true } },
    behaviour: ({ resolve }) => ({
      resolve(request) {
        if (request.Ref.includes("local:1") && request.ResolveMode === "pull")
          throw new FakeFailure("not found");
        return resolve(request);
      },
    }),
    setting: { key, policy: { profile: "observe" } },
  });
  expect((await done).length).toBeGreaterThan(0);
  expect(heard.warnings).toHaveLength(2);
});
