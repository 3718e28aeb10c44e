// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { failureStatus } from "../../src/build/failure.ts";
import { prefixedStatus } from "../../src/gateway/status.ts";
import { formatReference } from "../../src/image/reference.ts";
import { namedByLine } from "../../src/report/place.ts";
import { FakeFailure } from "../gateway/fake-buildkit.ts";
import { sampleLlb, source } from "../llb/sample-llb.ts";
import { sourcesOf } from "./sample-buildkit.ts";
import { sampleLog } from "../record/sample-log.ts";
import { type Case, GOOD, good, logOf, MOVED, OLD, progressOf, refusalOf, start } from "./sample-build.ts";

/** A linked build's LLB, as bake hands it over. */
function linkedTo(name: string, { digest }: { readonly digest: string }): Uint8Array {
  const llb = sampleLlb({ filename: "Dockerfile", text: `FROM ${name}\n` });
  return llb.endAt(llb.add(source(`docker-image://docker.io/library/${name}@${digest}`), [[1, 1]]));
}

describe("a build whose images are as recorded", () => {
  test("gets the conversion's result as it came, and one progress line an image", async () => {
    const results: Uint8Array[] = [];
    const { done, heard } = await start({
      dockerfile: "FROM good:1\nRUN x\n",
      behaviour: ({ solve }) => ({
        async solve(request) {
          const result = await solve(request);
          if (!request.Evaluate) results.push(result);
          return result;
        },
      }),
    });
    const returned = moby.buildkit.v1.frontend.Result.decode(await done);
    const last = moby.buildkit.v1.frontend.Result.decode(results.at(-1) ?? Buffer.alloc(0));
    expect(returned.ref?.id, "the last solve is what is built").toBe(last.ref?.id);
    const added = { metadata: returned.metadata };
    expect(Object.keys(added.metadata ?? {}), "and behind it our report").toContain("frontend.tlog");
    const report: unknown = JSON.parse(Buffer.from(added.metadata?.["frontend.tlog"] ?? []).toString());
    expect(report).toMatchObject({ outcome: "pass", images: [{ verdict: "unchanged" }] });
    expect(heard.resolves, "each image is asked for once").toHaveLength(1);
    expect(progressOf(heard)).toEqual([
      expect.stringMatching(/^\[tlog\] docker.io\/library\/good:1 unchanged since 2022-06-28: sha256:/),
    ]);
  });

  test("is not evaluated, but for the progress lines", async () => {
    const { done, heard } = await start({ dockerfile: "FROM good:1\nRUN x\n" });
    await done;
    expect(heard.solves.filter(({ Evaluate }) => Evaluate)).toHaveLength(1);
    expect(heard.returned, "returning is the caller's").toEqual([]);
  });

  test("shows and asks nothing when there are none", async () => {
    const { done, heard, around } = await start({ dockerfile: "FROM scratch\nRUN x\n" });
    await done;
    expect(progressOf(heard)).toEqual([]);
    expect(around.started).toEqual([]);
  });

  test("records what is new", async () => {
    const { done, heard, around } = await start({
      dockerfile: "FROM good:1\nRUN x\n",
      log: sampleLog(),
      setting: { served: { "docker.io/library/good:1": good } },
    });
    await done;
    expect(around.log.log.size).toBe(1);
    expect(progressOf(heard)).toEqual([expect.stringContaining("good:1 first seen, recorded")]);
  });
});

/**
 * Every way in which an image gets into a build. Each row is let through when the gate, or the part of the
 * conversion that brings the image to it, is taken away.
 */
const WAYS_IN: readonly (Case & {
  readonly row: string;
  readonly refused?: string;
  readonly line?: number;
})[] = [
  { row: "FROM", dockerfile: "FROM moved:1\nRUN x\n", line: 1 },
  {
    row: "FROM of a stage that is copied from",
    dockerfile: "FROM moved:1 AS a\nRUN x\nFROM good:1\nCOPY --from=a a a\n",
    line: 1,
  },
  { row: "FROM with a variable's default", dockerfile: "ARG NAME=moved\nFROM ${NAME}:1\nRUN x\n", line: 2 },
  {
    row: "FROM with a build argument",
    dockerfile: "ARG NAME=good\nFROM ${NAME}:1\nRUN x\n",
    options: { "build-arg:NAME": "moved" },
    line: 2,
  },
  { row: "COPY --from", dockerfile: "FROM good:1\nCOPY --from=moved:1 a a\n", line: 2 },
  { row: "RUN --mount", dockerfile: "FROM good:1\nRUN --mount=from=moved:1,target=/t x\n", line: 2 },
  {
    row: "an ONBUILD of the base",
    dockerfile: "FROM triggers:1\nRUN x\n",
    images: { "triggers:1": { ...GOOD, onbuild: ["COPY --from=moved:1 a a"] } },
    log: logOf({ "triggers:1": good.digest, "moved:1": OLD }),
    line: 1,
  },
  {
    row: "one of two platforms",
    dockerfile: "FROM moved:1\nRUN x\n",
    images: {
      "moved:1": ({ platform }) => (platform === "linux/arm64" ? MOVED : { digest: OLD, layers: true }),
    },
    options: { platform: "linux/amd64,linux/arm64" },
    line: 1,
  },
  {
    row: "a base without layers, which the LLB does not show",
    dockerfile: "FROM moved:1\nENV A=b\n",
    images: { "moved:1": { ...MOVED, layers: false } },
    line: 1,
  },
  {
    row: "a base without layers, in a stage that an ONBUILD of another such base copies from",
    dockerfile: "FROM moved:1 AS a\nRUN x\nFROM triggers:1\nRUN y\n",
    images: {
      "moved:1": { ...MOVED, layers: false },
      "triggers:1": { ...GOOD, layers: false, onbuild: ["COPY --from=a a a"] },
    },
    log: logOf({ "triggers:1": good.digest, "moved:1": OLD }),
    line: 1,
  },
  {
    row: "an image that the ONBUILD of an image that is copied from names",
    dockerfile: "FROM good:1\nCOPY --from=triggers:1 a a\n",
    images: { "triggers:1": { ...GOOD, onbuild: ["COPY --from=moved:1 a a"] } },
    log: logOf({ "good:1": good.digest, "triggers:1": good.digest, "moved:1": OLD }),
    line: 2,
  },
  {
    row: "a named context in the place of an image",
    dockerfile: "FROM good:1\nRUN x\n",
    options: { "context:good:1": "docker-image://moved:1" },
    line: 1,
  },
  {
    row: "a named context by its own name",
    dockerfile: "FROM good:1\nCOPY --from=tools a a\n",
    options: { "context:tools": "docker-image://moved:1" },
    line: 2,
  },
  {
    row: "a named context for one platform",
    dockerfile: "FROM good:1\nRUN x\n",
    options: { platform: "linux/amd64,linux/arm64", "context:good:1::linux/arm64": "docker-image://moved:1" },
    line: 1,
  },
  {
    row: "the SBOM generator",
    dockerfile: "FROM good:1\nRUN x\n",
    options: { "attest:sbom": "generator=moved:1" },
  },
  {
    row: "the SBOM generator that BuildKit takes by default",
    dockerfile: "FROM good:1\nRUN x\n",
    options: { "attest:sbom": "" },
    images: { "docker/buildkit-syft-scanner:stable-1": MOVED },
    log: logOf({ "good:1": good.digest, "docker/buildkit-syft-scanner:stable-1": OLD }),
    refused: "docker.io/docker/buildkit-syft-scanner:stable-1",
  },
  {
    row: "an image of a store that gives no digests",
    dockerfile: "FROM moved:1\nRUN x\n",
    images: { "moved:1": { ...MOVED, undigested: true } },
    line: 1,
  },
  {
    row: "a linked build",
    dockerfile: "FROM linked\nRUN x\n",
    options: { "context:linked": "input:linked" },
    inputs: { linked: linkedTo("moved:1", MOVED) },
    line: 1,
  },
];

describe("an image that moved stops the build, however it gets into it", () => {
  test.for(WAYS_IN)("$row", async ({ refused = "docker.io/library/moved:1", line, ...each }) => {
    const built = await start(each);
    const refusal = await refusalOf(built);
    expect(
      refusal.judgements.map(({ reference, verdict }) => [formatReference(reference), verdict.kind]),
    ).toEqual([[`${refused}@${MOVED.digest}`, "moved"]]);
    const wellSaid = progressOf(built.heard).filter((said) => said.includes(refused));
    expect(wellSaid.join("\n"), "nothing is said to be well with it").not.toContain(MOVED.digest);
    const { message, details } = moby.buildkit.v1.frontend.Status.decode(failureStatus(refusal));
    expect(message).toContain(`tag "${refused}" mismatch; got "${MOVED.digest}", want "${OLD}"`);
    const snippets = details?.map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as Snippet);
    expect(snippets?.map(({ ranges }) => ranges[0]?.start.line)).toEqual(line === undefined ? [] : [line]);
  });

  test.for(WAYS_IN)("and the same build passes when it has not: $row", async (each) => {
    const log = logOf({
      "good:1": good.digest,
      "triggers:1": good.digest,
      "moved:1": MOVED.digest,
      "docker/buildkit-syft-scanner:stable-1": MOVED.digest,
    });
    const images = each.row === "one of two platforms" ? {} : (each.images ?? {});
    const { done } = await start({ ...each, images, log });
    expect((await done).length).toBeGreaterThan(0);
  });
});

interface Snippet {
  readonly ranges: readonly { readonly start: { readonly line: number } }[];
}

test("a local image that no registry has, and that has no digest, stops the build", async () => {
  const built = await start({
    dockerfile: "FROM good:1\nRUN x\n",
    images: { "good:1": { ...GOOD, undigested: true } },
    behaviour: ({ resolve }) => ({
      resolve(request) {
        if (request.ResolveMode === "pull") throw new FakeFailure("good:1: not found");
        return resolve(request);
      },
    }),
  });
  const refusal = await refusalOf(built);
  expect(refusal.judgements).toMatchObject([{ verdict: { kind: "unpinned" }, outcome: "refuse" }]);
});

test("a named context that does not resolve is BuildKit's own error, and nothing is solved by its tag", async () => {
  const { done, heard } = await start({
    dockerfile: "FROM ctx\nRUN x\n",
    options: { "context:ctx": "docker-image://nowhere:1" },
  });
  await expect(done).rejects.toThrow("nowhere:1: not found");
  expect(heard.solves.flatMap(sourcesOf).filter((each) => each.includes("nowhere"))).toEqual([]);
});

test.for([
  { row: "that is strict", policy: { profile: "strict" as const } },
  { row: "that names another", policy: { cacheFrom: [{ text: "type=local" }] } },
])("a cache that the policy does not let in stops the build, under one $row", async ({ policy }) => {
  const importing = (type: string, setting: Case["setting"] & object) =>
    start({
      dockerfile: "FROM good:1\nRUN true\n",
      options: { "cache-imports": JSON.stringify([{ Type: type, Attrs: {} }]) },
      setting,
    });
  await expect((await importing("gha", { policy })).done).rejects.toThrow(
    'the build imports results from the cache "type=gha", and the policy does not let results come from there',
  );
  await (
    await importing("gha", {})
  ).done;
});

test("a tag is asked for once, and the one answer is judged and built", async () => {
  const built = await start({
    dockerfile: "FROM moved:1 AS a\nRUN x\nFROM empty:1\nCOPY --from=a a a\nCOPY --from=moved:1 b b\n",
    images: {
      "moved:1": ({ before }) => (before === 0 ? { digest: OLD, layers: true } : MOVED),
      "empty:1": { ...GOOD, layers: false },
    },
    log: logOf({ "moved:1": OLD, "empty:1": good.digest }),
  });
  await built.done;
  const sources = built.heard.solves.flatMap(sourcesOf).filter((each) => each.includes("moved:1"));
  expect(new Set(sources)).toEqual(new Set([`docker-image://docker.io/library/moved:1@${OLD}`]));
});

test("an image that only an ONBUILD names is told with the image that has the ONBUILD", async () => {
  const built = await start({
    dockerfile: "FROM good:1\nCOPY --from=triggers:1 a a\nRUN --mount=from=moved:2,target=/t x\n",
    images: {
      "triggers:1": { ...GOOD, onbuild: ["COPY --from=moved:1 a a", "COPY --from=moved:2 a a"] },
      "moved:2": MOVED,
    },
    log: logOf({ "good:1": good.digest, "triggers:1": good.digest, "moved:1": OLD, "moved:2": OLD }),
  });
  const { judgements } = await refusalOf(built);
  const named = judgements.map((judgement) => [judgement.reference.tag, namedByLine(judgement)]);
  expect(named.toSorted()).toEqual([
    ["1", [`named by an ONBUILD of "docker.io/library/triggers:1@${good.digest}"`]],
    ["2", []],
  ]);
});

test("a base without layers whose ONBUILD copies from the recorded digest of its own tag is refused alone", async () => {
  const built = await start({
    dockerfile: "FROM moved:1\nRUN x\n",
    images: {
      "moved:1": { ...MOVED, layers: false, onbuild: [`COPY --from=moved:1@${OLD} / /`, "RUN evil"] },
    },
  });
  const refusal = await refusalOf(built);
  expect(refusal.judgements).toMatchObject([
    { reference: { digest: MOVED.digest }, verdict: { kind: "moved" } },
  ]);
  expect(built.heard.resolves, "what only a refused image names is not asked for").toHaveLength(1);
  expect(built.heard.solves.some(({ Definition }) => Definition?.includes("evil") ?? false)).toBe(false);
});

test("all refused images are in one error, and the good ones are shown", async () => {
  const built = await start({
    dockerfile: "FROM moved:1 AS one\nFROM good:1\nCOPY --from=moved:2 a a\nCOPY --from=one a a\n",
    images: { "moved:2": MOVED },
    log: logOf({ "good:1": good.digest, "moved:1": OLD, "moved:2": OLD }),
  });
  const refusal = await refusalOf(built);
  expect(refusal.judgements.map(({ reference }) => reference.tag)).toEqual(["1", "2"]);
  expect(progressOf(built.heard)).toEqual([expect.stringContaining("good:1 unchanged")]);
});

describe("questions about the Dockerfile's text", () => {
  test.for(["frontend.lint", "frontend.outline", "frontend.targets"])(
    "%s is answered by the conversion, and the log is not asked",
    async (requestid) => {
      const { done, around } = await start({
        dockerfile: "FROM moved:1\nRUN x\n",
        options: { requestid },
        setting: { courier: { find: () => Promise.reject(new Error("asked")) } },
      });
      const { metadata } = moby.buildkit.v1.frontend.Result.decode(await done);
      expect(Buffer.from(metadata?.["result.json"] ?? []).toString()).toContain("{");
      expect(around.started).toEqual([]);
    },
  );

  test("the list of questions has ours in it", async () => {
    const { done } = await start({
      dockerfile: "FROM good:1\n",
      options: { requestid: "frontend.subrequests.describe" },
    });
    const { metadata } = moby.buildkit.v1.frontend.Result.decode(await done);
    const listed = JSON.parse(Buffer.from(metadata?.["result.json"] ?? []).toString()) as { name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["frontend.outline", "frontend.tlog"]),
    );
  });

  test("a question that neither of us knows is the conversion's to refuse", async () => {
    const { done } = await start({
      dockerfile: "FROM good:1\nRUN x\n",
      options: { requestid: "frontend.something" },
    });
    await expect(done).rejects.toThrow("unsupported request frontend.something");
  });
});

test("linked builds are judged before the conversion gets them, and what is refused is never solved", async () => {
  const built = await start({
    dockerfile: "FROM linked\nRUN x\n",
    options: { "context:linked": "input:linked" },
    inputs: { linked: linkedTo("moved:1", MOVED) },
  });
  await refusalOf(built);
  expect(built.heard.solves.flatMap(sourcesOf).filter((each) => each.includes("moved:1"))).toEqual([]);
});

describe("what cannot be judged at all is no result", () => {
  test.for<Case & { row: string; error: string; says: string }>([
    {
      row: "a linked build that does not decode",
      dockerfile: "FROM good:1\n",
      inputs: { linked: Buffer.from("garbage") },
      error: "DefinitionError",
      says: "the LLB does not decode",
    },
    {
      row: "a result that does not decode",
      dockerfile: "FROM good:1\nRUN x\n",
      behaviour: () => ({ solve: () => Buffer.from("garbage") }),
      error: "ResultError",
      says: "does not decode",
    },
  ])("$row", async ({ error, says, ...each }) => {
    const { done } = await start(each);
    await expect(done).rejects.toMatchObject({ name: error });
    await expect(done).rejects.toThrow(says);
  });

  test("a Dockerfile that does not convert is BuildKit's own error", async () => {
    const { done } = await start({ dockerfile: "FROM nowhere:1\nRUN x\n" });
    await expect(done).rejects.toMatchObject({
      message: expect.stringContaining("docker.io/library/nowhere:1: not found") as unknown,
    });
  });
});

describe("a syntax image in whose place we were called", () => {
  const options = { "build-arg:BUILDKIT_SYNTAX": "registry.example/us" };

  test("is told with its verdict, first of all", async () => {
    const built = await start({ dockerfile: "# syntax=moved:1\nFROM good:1\n", options });
    const { message } = moby.buildkit.v1.frontend.Status.decode(failureStatus(await refusalOf(built)));
    expect(message).toMatch(/^tag "docker.io\/library\/moved:1" mismatch;/);
    expect(message).toContain(`keep the recorded image:\n    # syntax=moved:1@${OLD}\n`);
  });

  test("is named, with its line, when it ends the build", async () => {
    const { done } = await start({
      dockerfile: "# syntax=good:1\nFROM good:1\n",
      options,
      behaviour: () => ({
        newContainer() {
          throw new FakeFailure("no such program");
        },
      }),
    });
    await expect(done).rejects.toThrow(
      /^the syntax image "good:1" of line 1 of the Dockerfile: .*no such program/,
    );
  });

  test("and what it says of the Dockerfile comes with its name too", () => {
    const { Status } = moby.buildkit.v1.frontend;
    const details = [{ type_url: "a", value: Buffer.from("b") }];
    const status = Status.encode({ code: 2, message: "no such stage", details }).finish();
    expect(Status.decode(prefixedStatus(status, 'the syntax image "x": '))).toMatchObject({
      code: 2,
      message: 'the syntax image "x": no such stage',
      details,
    });
  });

  test("of the standard conversion, up to our release, is nothing that anything is said of", async () => {
    const { done, heard } = await start({
      dockerfile: "# syntax=docker/dockerfile:1.4\nFROM good:1\n",
      options,
    });
    await done;
    expect(progressOf(heard)).toEqual([expect.stringContaining("good:1 unchanged")]);
  });
});

test("an OCI layout and an imported cache are told, and not judged", async () => {
  const { done, heard } = await start({
    dockerfile: "FROM good:1\nRUN x\n",
    options: {
      "context:x": "oci-layout://store@sha256:1",
      "cache-imports": JSON.stringify([{ Type: "registry", Attrs: { ref: "ghcr.io/acme/cache:main" } }]),
    },
  });
  const { metadata } = moby.buildkit.v1.frontend.Result.decode(await done);
  expect(progressOf(heard).slice(1)).toEqual([
    "[tlog] cache imported from ghcr.io/acme/cache:main: not judged, let in by the policy",
    '[tlog] context "x" (oci-layout) has no tag that a log could know: not judged',
  ]);
  expect(JSON.parse(Buffer.from(metadata?.["frontend.tlog"] ?? []).toString())).toMatchObject({
    cacheImports: [{ type: "registry", reference: "ghcr.io/acme/cache:main" }],
    unjudgedContexts: [{ name: "x", type: "oci-layout" }],
  });
});

test.for([
  { row: "is told all the same", profile: "default", told: ["ghcr.io/acme/cache:main", "type=gha"] },
  { row: "is not said to be let in by a policy that lets none in", profile: "strict", told: [] },
] as const)("an imported cache that a refused build did not come to $row", async ({ profile, told }) => {
  const caches = [{ Type: "registry", Attrs: { ref: "ghcr.io/acme/cache:main" } }, { Type: "gha" }];
  const built = await start({
    dockerfile: "FROM moved:1\nRUN x\n",
    options: { "cache-imports": JSON.stringify(caches) },
    setting: { policy: { profile } },
  });
  await refusalOf(built);
  const lines = told.map((name) => `[tlog] cache imported from ${name}: not judged, let in by the policy`);
  expect(progressOf(built.heard).filter((line) => line.includes("cache"))).toEqual(lines);
});
