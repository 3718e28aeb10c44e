// SPDX-License-Identifier: Apache-2.0
import type { CaseBuild, FoolingCase, Site } from "./case.ts";

const V = "victim:1.2.3";
const S = "still:1.0";

const option = (
  tries: string,
  args: (at: Site) => readonly string[],
  more: Partial<FoolingCase> = {},
): FoolingCase => ({
  tries,
  expect: "refused",
  images: { [S]: { was: {} }, [V]: { was: {}, is: {} } },
  build: (at) => ({ dockerfile: `FROM ${at.ref(S)}\n${at.probe}\n`, args: args(at) }),
  ...more,
});
const usesV =
  (args: (at: Site) => readonly string[], more: Partial<CaseBuild> = {}): FoolingCase["build"] =>
  (at) => ({
    dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n`,
    args: args(at),
    ...more,
  });

/** Options, contexts, build arguments and linked builds that name images, or that would loosen the policy. */
export const OPTIONS: readonly FoolingCase[] = [
  option("--sbom names a generator that has moved.", (at) => [`--sbom=generator=${at.ref(V)}`]),
  option("--attest names the generator.", (at) => ["--attest", `type=sbom,generator=${at.ref(V)}`]),
  option(
    "The build argument BUILDKIT_ATTEST_SBOM names the generator.",
    (at) => ["--build-arg", `BUILDKIT_ATTEST_SBOM=generator=${at.ref(V)}`],
    { expect: ["refused", "error"] },
  ),
  option(
    "The build argument names one generator, the option another.",
    (at) => [`--sbom=generator=${at.ref(S)}`, "--build-arg", `BUILDKIT_ATTEST_SBOM=generator=${at.ref(V)}`],
    { expect: ["refused", "error"] },
  ),
  option("A named context takes the place of the base by the base's whole name.", (at) => [
    "--build-context",
    `${at.ref(S)}=docker-image://${at.ref(V)}`,
  ]),
  option(
    "A named context of one platform takes the place of the base.",
    (at) => [
      "--build-context",
      `${at.ref(S)}::linux/${process.arch === "arm64" ? "arm64" : "amd64"}=docker-image://${at.ref(V)}`,
    ],
    { expect: ["refused", "error", "built"] },
  ),
  option(
    "A named context names the new digest behind the recorded tag.",
    (at) => ["--build-context", `base=docker-image://${at.ref(V)}@${at.now(V)}`],
    {
      build: (at) => ({
        dockerfile: `FROM base\n${at.probe}\n`,
        args: ["--build-context", `base=docker-image://${at.ref(V)}@${at.now(V)}`],
      }),
    },
  ),
  option(
    "A build argument is named like the option for a named context.",
    (at) => ["--build-arg", `context:base=docker-image://${at.ref(S)}`],
    { build: usesV((at) => ["--build-arg", `context:${at.ref(V)}=docker-image://${at.ref(S)}`]) },
  ),
  option("A build argument asks for a looser profile than the frontend has.", () => [], {
    expect: ["refused", "error"],
    build: usesV(() => ["--build-arg", "TLOG_PROFILE=observe"]),
  }),
  option("A policy beside the Dockerfile asks for a looser profile.", () => [], {
    expect: ["refused", "error"],
    build: usesV(() => [], { files: { "tlog.policy.yaml": "version: 1\nprofile: observe\n" } }),
  }),
  option("A policy beside the Dockerfile ignores the image.", () => [], {
    expect: ["refused", "error"],
    build: (at) => ({
      dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n`,
      files: { "tlog.policy.yaml": `version: 1\nrules:\n  - { match: "${at.ref(V)}", action: ignore }\n` },
    }),
  }),
  option("With --pull, where the engine has the recorded image.", () => [], {
    pulled: [V],
    build: usesV(() => ["--pull"]),
  }),
  option("A lock file of the build that was made by hand names the new digest.", () => [], {
    expect: ["refused", "error"],
    build: (at) => ({
      dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n`,
      files: { "tlog.lock": `{"reference":"${at.ref(V)}","digest":"${at.now(V)}"}\n` },
    }),
  }),
  option("BUILDKIT_INLINE_CACHE, BUILDKIT_MULTI_PLATFORM and a source date, on a moved base.", () => [], {
    build: usesV(() =>
      ["BUILDKIT_INLINE_CACHE=1", "BUILDKIT_MULTI_PLATFORM=1", "SOURCE_DATE_EPOCH=0"].flatMap((arg) => [
        "--build-arg",
        arg,
      ]),
    ),
  }),
  option("A bake target whose linked target has the moved base.", () => [], {
    build: (at) => ({
      bake: (frontend) => linked(at, { frontend, below: `# syntax=${frontend}\nFROM ${at.ref(V)}\n` }),
    }),
  }),
  option("A bake target whose linked target is not built by us, and has the moved base.", () => [], {
    build: (at) => ({ bake: (frontend) => linked(at, { frontend, below: `FROM ${at.ref(V)}\n` }) }),
  }),
  option(
    "A bake target whose linked target is not built by us, and names the moved image as a context without a digest.",
    () => [],
    {
      build: (at) => ({
        bake: (frontend) =>
          linked(at, { frontend, below: "FROM base\n", contexts: { base: `docker-image://${at.ref(V)}` } }),
      }),
    },
  ),
  option("Honest: the engine has the recorded image, and nobody asks the registry.", () => [], {
    expect: ["built", "refused"],
    pulled: [V],
    build: usesV(() => []),
  }),
  option(
    "Honest: options that name nothing.",
    () => [
      "--build-arg",
      "BUILDKIT_INLINE_CACHE=1",
      "--build-arg",
      "SOURCE_DATE_EPOCH=0",
      "--label",
      "a=b",
      "--no-cache",
    ],
    { expect: "built" },
  ),
  option(
    "Honest: a named context that nobody uses has moved.",
    (at) => ["--build-context", `other=docker-image://${at.ref(V)}`],
    { expect: "built" },
  ),
  option(
    "Honest: a named context with the recorded digest behind the tag.",
    (at) => ["--build-context", `base=docker-image://${at.ref(V)}@${at.was(V)}`],
    {
      expect: "built",
      build: (at) => ({
        dockerfile: `FROM base\n${at.probe}\n`,
        args: ["--build-context", `base=docker-image://${at.ref(V)}@${at.was(V)}`],
      }),
    },
  ),
  option("Honest: a bake target on a linked target, both on an unmoved image.", () => [], {
    expect: "built",
    build: (at) => ({
      bake: (frontend) => linked(at, { frontend, below: `# syntax=${frontend}\nFROM ${at.ref(S)}\n` }),
    }),
  }),
];

interface Linked {
  readonly frontend: string;
  readonly below: string;
  readonly contexts?: Readonly<Record<string, string>>;
}

/** A bake file of two targets, of which the upper one is built on the lower. */
function linked({ probe }: Site, { frontend, below, contexts }: Linked): object {
  return {
    target: {
      below: { "dockerfile-inline": below, ...(contexts === undefined ? {} : { contexts }) },
      top: {
        "dockerfile-inline": `# syntax=${frontend}\nFROM below\n${probe}\n`,
        contexts: { below: "target:below" },
      },
    },
  };
}
