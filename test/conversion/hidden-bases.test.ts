// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { type Conversion, convert } from "../../src/conversion/conversion.ts";
import { HiddenBaseError, showHiddenBases } from "../../src/conversion/hidden-bases.ts";
import { formatReference } from "../../src/image/reference.ts";
import {
  type AskedSolve,
  type FakeBehaviour,
  FakeFailure,
  startFakeBuildkit,
} from "../gateway/fake-buildkit.ts";
import { digestOf } from "../llb/sample-llb.ts";
import { type Miniature, miniature, type SampleImage } from "./miniature-conversion.ts";

const BASE: SampleImage = { digest: digestOf("ba"), layers: true };
const EMPTY: SampleImage = { digest: digestOf("e0"), layers: false };
const SHOWN_EMPTY = `docker.io/library/empty:1@${EMPTY.digest}`;
const SHOWN_BASE = `docker.io/library/base:1@${BASE.digest}`;

interface Outcome {
  readonly first: Conversion;
  readonly shown: Conversion;
  /** The nested solves of the search alone. */
  readonly solves: readonly AskedSolve[];
  readonly images: readonly string[];
}

/** Converts, and then searches the hidden bases. */
async function search(
  what: Miniature,
  options: Readonly<Record<string, string>> = {},
  more: Partial<FakeBehaviour> & { inputs?: Readonly<Record<string, Uint8Array>> } = {},
): Promise<Outcome> {
  const fake = await startFakeBuildkit({ ...miniature(what), ...more });
  onTestFinished(() => fake.close());
  const first = await convert(fake.bridge, { options, inputs: more.inputs ?? {} });
  const before = fake.heard.solves.length;
  const shown = await showHiddenBases(fake.bridge, first, {
    target: (options["platform"] ?? "linux/amd64").split(","),
    build: "linux/amd64",
  });
  return {
    first,
    shown,
    solves: fake.heard.solves.slice(before),
    images: shown.images.map(({ reference }) => formatReference(reference)),
  };
}

/** What of the search is a question about the text alone. */
const asksForText = ({ FrontendOpt }: AskedSolve): boolean => FrontendOpt["requestid"] === "frontend.targets";
/** What of the search is a conversion with markers in place of bases. */
const isProbe = ({ FrontendInputs }: AskedSolve): boolean =>
  Object.keys(FrontendInputs).some((name) => name.startsWith("tlog-hidden-base-"));

describe("a build whose bases are all in its LLB is converted once", () => {
  test.for([
    { row: "one base", dockerfile: "FROM base:1\nRUN x\n" },
    {
      row: "one base in two stages",
      dockerfile: "FROM base:1 AS a\nRUN x\nFROM base:1\nCOPY --from=a a a\n",
    },
    { row: "a stage on a stage", dockerfile: "FROM base:1 AS a\nFROM a AS b\nFROM b\nRUN x\n" },
    { row: "FROM scratch", dockerfile: "FROM base:1 AS a\nFROM scratch\nCOPY --from=a a a\n" },
    { row: "variables", dockerfile: "ARG V=1\nFROM base:${V}\nRUN x\n" },
  ])("$row", async ({ dockerfile }) => {
    const { first, shown, solves } = await search({ dockerfile, images: { "base:1": BASE } });
    expect(solves).toEqual([]);
    expect(shown).toBe(first);
  });

  test("for two platforms as well", async () => {
    const { first, shown, solves } = await search(
      {
        dockerfile: "FROM --platform=$BUILDPLATFORM base:1 AS a\nFROM base:1\nCOPY --from=a a a\n",
        images: { "base:1": BASE },
      },
      { platform: "linux/amd64,linux/arm64" },
    );
    expect(solves).toEqual([]);
    expect(shown).toBe(first);
  });
});

describe("a base without layers that the build uses is brought into the LLB with its digest", () => {
  test.for([
    { row: "the only base", dockerfile: "FROM empty:1\nENV A=b\n", options: {} },
    { row: "under steps", dockerfile: "FROM empty:1\nRUN x\n", options: {} },
    {
      row: "the base of a stage that is copied from",
      dockerfile: "FROM empty:1 AS e\nRUN x\nFROM base:1\nCOPY --from=e a a\n",
      options: {},
    },
    {
      row: "the base of a stage's base",
      dockerfile: "FROM empty:1 AS e\nFROM e AS f\nFROM f\nRUN x\n",
      options: {},
    },
    { row: "by a variable's default", dockerfile: "ARG V=1\nFROM empty:${V}\n", options: {} },
    { row: "by a build argument", dockerfile: "ARG V=2\nFROM empty:${V}\n", options: { "build-arg:V": "1" } },
    {
      row: "by the name of the target",
      dockerfile: "FROM ${TARGETSTAGE}:1 AS empty2\nRUN x\nFROM base:1\nRUN y\n",
      options: { target: "empty2" },
      name: "empty2",
    },
    {
      row: "in a Dockerfile of another name",
      dockerfile: "FROM empty:1\nRUN x\n",
      options: { filename: "app.Dockerfile" },
    },
  ])("$row", async ({ dockerfile, options, name = "empty" }) => {
    const { images, shown } = await search(
      {
        dockerfile,
        images: { "base:1": BASE, "empty:1": EMPTY, "empty2:1": EMPTY },
        filename: options["filename"] ?? "Dockerfile",
      },
      options,
    );
    const pinned = `docker.io/library/${name}:1@${EMPTY.digest}`;
    expect(images).toContain(pinned);
    expect(shown.request.options).toEqual({ ...options, [`context:${name}:1`]: `docker-image://${pinned}` });
    expect(Object.keys(shown.request.inputs), "no marker is left in what is built").toEqual([]);
  });

  test("a base by digest keeps the digest it was written with", async () => {
    const written = `empty:1@${digestOf("e1")}`;
    const { images } = await search({
      dockerfile: `FROM ${written}\nENV A=b\n`,
      images: { "empty:1": EMPTY },
    });
    expect(images).toEqual([`docker.io/library/${written}`]);
  });

  test("a base that also a COPY asks for, on another line", async () => {
    const { images, solves } = await search({
      dockerfile: "FROM empty:1\nRUN x\nCOPY --from=empty:1 a a\n",
      // A COPY shows its image in any case; here the image has layers by then.
      images: { "empty:1": ({ line }) => ({ ...EMPTY, layers: line > 1 }) },
    });
    expect(solves.filter(isProbe)).toHaveLength(1);
    expect(images).toEqual([SHOWN_EMPTY]);
  });

  test("a base that another stage shows, on another line", async () => {
    const { images } = await search({
      dockerfile: "FROM shady:1 AS a\nRUN x\nFROM shady:1\nCOPY --from=a a a\n",
      images: {
        "shady:1": ({ line }) => ({ digest: digestOf(line === 1 ? "51" : "53"), layers: line === 1 }),
      },
    });
    expect(images).toEqual([`docker.io/library/shady:1@${digestOf("53")}`]);
  });

  test("a base that is hidden for one platform only", async () => {
    const { images } = await search(
      {
        dockerfile: "FROM half:1\nRUN x\n",
        images: {
          "half:1": ({ platform }) => ({ digest: digestOf("2a"), layers: platform !== "linux/arm64" }),
        },
      },
      { platform: "linux/amd64,linux/arm64" },
    );
    expect(images).toEqual([`docker.io/library/half:1@${digestOf("2a")}`]);
  });

  test("bases that come to light one after the other", async () => {
    const { images, solves } = await search({
      dockerfile: "FROM base:1 AS c\nFROM second:1 AS b\nRUN x\nFROM first:1\nRUN y\n",
      images: {
        "base:1": BASE,
        "second:1": { digest: digestOf("02"), layers: false },
        "first:1": { digest: digestOf("01"), layers: false, onbuild: ["COPY --from=b a a"] },
      },
    });
    expect(images).toEqual([
      `docker.io/library/first:1@${digestOf("01")}`,
      `docker.io/library/second:1@${digestOf("02")}`,
    ]);
    expect(solves.filter(isProbe).length).toBeGreaterThan(1);
  });
});

describe("a stage that the build does not use costs one more conversion and changes nothing", () => {
  test.for([
    { row: "its base has layers", unused: BASE },
    { row: "its base has none", unused: EMPTY },
  ])("$row", async ({ unused }) => {
    const { first, shown, solves } = await search({
      dockerfile: "FROM unused:1 AS unused\nRUN x\nFROM base:1\nRUN y\n",
      images: { "base:1": BASE, "unused:1": unused },
    });
    expect(solves.map(isProbe)).toEqual([true]);
    expect(shown).toBe(first);
  });

  test("and one that does not exist anywhere is not asked for", async () => {
    const { first, shown } = await search({
      dockerfile: "FROM nowhere:1 AS unused\nFROM base:1\nRUN y\n",
      images: { "base:1": BASE },
    });
    expect(shown).toBe(first);
  });

  test("with another target it is searched again", async () => {
    const { images } = await search(
      {
        dockerfile: "FROM empty:1 AS unused\nRUN x\nFROM base:1\nRUN y\n",
        images: { "base:1": BASE, "empty:1": EMPTY },
      },
      { target: "unused" },
    );
    expect(images).toEqual([SHOWN_EMPTY]);
  });
});

describe("a registry that changes its answers while it is asked hides nothing", () => {
  test("a base whose ONBUILD uses a stage, and that has no ONBUILD when the stage is looked for", async () => {
    let asked = 0;
    const uses = { ...BASE, onbuild: ["COPY --from=tools /x /x"] };
    const found = search({
      dockerfile: "FROM empty:1 AS tools\nRUN x\nFROM base:1\nRUN y\n",
      images: {
        "empty:1": EMPTY,
        "base:1": () => (++asked === 1 ? uses : { digest: digestOf("bb"), layers: true }),
      },
    });
    await expect(found).rejects.toThrow(`image "${SHOWN_BASE}" was another one when it was asked for again`);
  });

  test("a base for another platform, in whose place its own ONBUILD step shows the recorded one", async () => {
    const evil: SampleImage = { ...EMPTY, onbuild: ["COPY --from=flip:1 / /"] };
    const { images } = await search(
      {
        dockerfile: "FROM --platform=$BUILDPLATFORM flip:1\nRUN x\n",
        images: { "flip:1": ({ platform }) => (platform === "linux/amd64" ? evil : BASE) },
      },
      { platform: "linux/arm64" },
    );
    expect(images).toContain(`docker.io/library/flip:1@${EMPTY.digest}`);
  });
});

test("a Dockerfile that does not convert with markers in it has its bases pinned without asking who uses them", async () => {
  const what = {
    dockerfile: "FROM empty:1\nRUN x\nFROM base:1\nRUN y\n",
    images: { "base:1": BASE, "empty:1": EMPTY },
  };
  const { solve, ...others } = miniature(what);
  const { shown } = await search(
    what,
    {},
    {
      ...others,
      solve(request) {
        if (isProbe(request)) throw new FakeFailure("SRC: is not allowed to be unset");
        return solve(request);
      },
    },
  );
  expect(shown.request.options).toMatchObject({ "context:empty:1": `docker-image://${SHOWN_EMPTY}` });
});

describe("the text of the Dockerfile", () => {
  test("comes with the LLB", async () => {
    const { solves } = await search({ dockerfile: "FROM base:1\nRUN x\n", images: { "base:1": BASE } });
    expect(solves.filter(asksForText)).toEqual([]);
  });

  test("is asked for when there is no LLB, with all options, and without starting the image of its syntax line", async () => {
    const { solves } = await search(
      { dockerfile: "FROM empty:1\n", images: { "empty:1": EMPTY } },
      { target: "", "build-arg:A": "b" },
    );
    const asked = {
      Frontend: "dockerfile.v0",
      FrontendOpt: { "build-arg:A": "b", cmdline: expect.any(String) as unknown },
    };
    // Once for each conversion: a server may give the second one another Dockerfile.
    expect(solves.filter(asksForText)).toMatchObject([asked, asked]);
  });

  test("is never that of a linked build", async () => {
    const linked = await linkedBuild("FROM base:1\nRUN linked\n");
    const { images, solves } = await search(
      {
        dockerfile: "FROM base:1 AS a\nRUN own\nFROM empty:1\nCOPY --from=a a a\nCOPY --from=linked b b\n",
        images: { "base:1": BASE, "empty:1": EMPTY },
      },
      { "context:linked": "input:linked" },
      { inputs: { linked } },
    );
    expect(solves.filter(asksForText)).toHaveLength(2);
    expect(images.toSorted()).toEqual([SHOWN_BASE, SHOWN_EMPTY]);
  });

  test("tells a line of its own from the same line of a linked build", async () => {
    const linked = await linkedBuild("FROM shady:1\nRUN linked\n");
    const { images } = await search(
      {
        dockerfile: "FROM shady:1\nCOPY --from=linked b b\n",
        images: { "shady:1": { digest: digestOf("5b"), layers: false } },
      },
      { "context:linked": "input:linked" },
      { inputs: { linked } },
    );
    expect(images.toSorted()).toEqual([
      `docker.io/library/shady:1@${digestOf("5a")}`,
      `docker.io/library/shady:1@${digestOf("5b")}`,
    ]);
  });
});

/** The LLB of a build by itself, in which every image has layers. */
async function linkedBuild(dockerfile: string): Promise<Uint8Array> {
  const images = { "base:1": BASE, "shady:1": { digest: digestOf("5a"), layers: true } };
  const fake = await startFakeBuildkit(miniature({ dockerfile, images }));
  onTestFinished(() => fake.close());
  const { result } = await convert(fake.bridge, { options: {}, inputs: {} });
  return result.refs[0]?.definition ?? new Uint8Array();
}

describe("a named context of the user's is what the build begins with, so its name is not searched", () => {
  test.for(["context:empty:1", "context:empty:1::linux/amd64"])("%s", async (name) => {
    const value = `docker-image://${SHOWN_BASE}`;
    const { first, shown, solves } = await search(
      { dockerfile: "FROM empty:1\nRUN x\n", images: { "base:1": BASE } },
      { [name]: value },
    );
    expect(solves.filter(isProbe)).toEqual([]);
    expect(shown).toBe(first);
  });
});

describe("a hidden base that cannot be shown is refused with what to do", () => {
  test.for<{
    row: string;
    what: Miniature;
    options?: Record<string, string>;
    resolve?: () => string;
    says: string;
  }>([
    {
      row: "a stage has the name that the base is looked up by",
      what: {
        dockerfile: "FROM empty AS empty\nRUN x\n",
        images: { empty: EMPTY },
      },
      says: 'base image "docker.io/library/empty:latest" has no layers, and a stage has the same name, so it cannot be judged; name the stage otherwise',
    },
    {
      row: "it does not resolve",
      what: { dockerfile: "FROM empty:1\nRUN x\n", images: { "empty:1": EMPTY } },
      resolve: () => "",
      says: 'base image "docker.io/library/empty:1" has no layers and does not resolve to a digest, so it cannot be judged',
    },
    {
      row: "which image a stage begins with cannot be told",
      what: {
        dockerfile: "FROM empty:${NOBODY_KNOWS?} AS unused\nFROM base:1\nRUN x\n",
        images: { "base:1": BASE },
      },
      says: 'cannot tell which image "empty:${NOBODY_KNOWS?}" on line 1 of the Dockerfile is: ',
    },
  ])("$row", async ({ what, options, resolve, says }) => {
    const done = search(what, options, resolve ? { resolve } : {});
    await expect(done).rejects.toThrow(HiddenBaseError);
    await expect(done).rejects.toThrow(says);
  });

  test("one that BuildKit does not show even when it is pinned", async () => {
    const what = { dockerfile: "FROM empty:1\nRUN x\n", images: { "empty:1": EMPTY } };
    const { solve } = miniature(what);
    const done = search(
      what,
      {},
      {
        // Heeds the markers, and not the pins.
        solve: (request) =>
          solve(
            isProbe(request)
              ? request
              : {
                  ...request,
                  FrontendOpt: { ...request.FrontendOpt, "context:empty:1": undefined as never },
                },
          ),
      },
    );
    await expect(done).rejects.toThrow(HiddenBaseError);
    await expect(done).rejects.toThrow("BuildKit does not show it even as a named context");
  });

  test("more of them than any honest build has, one behind the other", async () => {
    const depth = 12;
    const stages = Array.from({ length: depth }, (_, index) => depth - index);
    const done = search({
      dockerfile: stages.map((n) => `FROM empty:${n} AS s${n}\nRUN x${n}`).join("\n"),
      images: Object.fromEntries(
        stages.map((n) => [
          `empty:${n}`,
          { digest: EMPTY.digest, layers: false, onbuild: n < depth ? [`COPY --from=s${n + 1} a a`] : [] },
        ]),
      ),
    });
    await expect(done).rejects.toThrow(HiddenBaseError);
    await expect(done).rejects.toThrow("nested deeper than 8 levels; give them digests");
  });
});
