// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";
import type { Asked, Lie } from "./lying-registry.ts";

const V = "victim:1.2.3";
const TAG = "1.2.3";
const fromV = (at: Site) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` });
const isTag = ({ kind, name }: Asked) => kind === "manifests" && name === TAG;
const byBuilder = ({ agent }: Asked) => agent.includes("buildkit") || agent.includes("docker");

/** The tag was recorded; what it names now depends on the request. */
const liar = (
  tries: string,
  lie: (asked: Asked, at: Site) => Lie | undefined,
  more: Partial<FoolingCase> = {},
): FoolingCase => ({
  tries,
  expect: "refused",
  images: { "still:1.0": { was: {} }, [V]: { was: {}, is: {} } },
  build: fromV,
  lies: (at) => (asked) => lie(asked, at),
  ...more,
});
/** Either end is safe: what counts is that the image that is used was judged. */
const SAFE = ["built", "refused"] as const;

const digests: Tagged = { was: {}, is: {} };

/** Registries that answer each request differently, and names whose tag and digest disagree. */
export const REGISTRIES: readonly FoolingCase[] = [
  liar(
    "HEAD names the recorded image, GET the new one.",
    (asked, at) => (isTag(asked) && asked.method === "HEAD" ? { as: at.was(V) } : undefined),
    { expect: SAFE },
  ),
  liar("GET names the recorded image, HEAD the new one.", (asked, at) =>
    isTag(asked) && asked.method === "GET" ? { as: at.was(V) } : undefined,
  ),
  liar(
    "The first request is answered by the recorded image, all others by the new one.",
    (asked, at) => (isTag(asked) && asked.before === 0 ? { as: at.was(V) } : undefined),
    { expect: SAFE },
  ),
  liar(
    "The first request is answered by the new image, all others by the recorded one.",
    (asked, at) => (isTag(asked) && asked.before > 0 ? { as: at.was(V) } : undefined),
    { expect: SAFE },
  ),
  liar(
    "Every second request is answered by the new image, and three steps name it.",
    (asked, at) => (isTag(asked) && asked.before % 2 === 0 ? { as: at.was(V) } : undefined),
    {
      expect: SAFE,
      build: (at) => ({
        dockerfile: `FROM ${at.ref(V)} AS a\nFROM ${at.ref(V)}\nCOPY --from=${at.ref(V)} /version /copied\nRUN --mount=from=${at.ref(V)},target=/m true\n${at.probe}\n`,
      }),
    },
  ),
  liar("The builder is shown the new image, everybody else the recorded one.", (asked, at) =>
    isTag(asked) && !byBuilder(asked) ? { as: at.was(V) } : undefined,
  ),
  liar(
    "The builder is shown the recorded image, everybody else the new one.",
    (asked, at) => (isTag(asked) && byBuilder(asked) ? { as: at.was(V) } : undefined),
    { expect: SAFE },
  ),
  liar(
    "The new image comes first for the FROM and the recorded one for the ONBUILD that copies from the same tag.",
    (asked, at) => (isTag(asked) && asked.before > 0 ? { as: at.was(V) } : undefined),
    {
      expect: ["refused", "error"],
      images: {
        [V]: (at) => ({
          was: {},
          is: { layers: false, onbuild: [`COPY --from=${at.ref(V)} / /`, at.evilStep] },
        }),
      },
    },
  ),
  liar(
    "Each platform of one build is shown another image.",
    (asked, at) => (isTag(asked) && asked.before === 0 ? { as: at.was(V) } : undefined),
    {
      expect: SAFE,
      images: {
        [V]: {
          was: { platforms: ["linux/amd64", "linux/arm64"] },
          is: { platforms: ["linux/amd64", "linux/arm64"] },
        },
      },
      build: (at) => ({
        dockerfile: `FROM ${at.ref(V)}\nCOPY note /\n`,
        files: { note: "n" },
        args: ["--platform", "linux/amd64,linux/arm64"],
      }),
    },
  ),
  liar(
    "The header has the recorded digest, the body is the new image.",
    (asked, at) => (isTag(asked) ? { headers: { "docker-content-digest": at.was(V) } } : undefined),
    { expect: [...SAFE, "error"] },
  ),
  liar("No header has a digest.", (asked) =>
    isTag(asked) ? { headers: { "docker-content-digest": undefined } } : undefined,
  ),
  liar(
    "HEAD is not allowed.",
    ({ method, kind }) => (method === "HEAD" && kind === "manifests" ? { status: 405 } : undefined),
    { expect: ["refused", "error"] },
  ),
  liar(
    "The recorded digest is answered by the new image.",
    (asked, at) =>
      isTag(asked) ? { as: at.was(V) } : asked.name === at.was(V) ? { as: at.now(V) } : undefined,
    { expect: "error" },
  ),
  liar(
    "The tag leads to another repository, by a redirect.",
    (asked, at) =>
      isTag(asked)
        ? { status: 307, headers: { location: `/v2/${at.repositories}other/manifests/2.0` } }
        : undefined,
    {
      expect: ["refused", "error"],
      images: { [V]: { was: {} }, "other:2.0": { is: {}, recorded: false } },
    },
  ),
  liar(
    "The tag redirects to itself, for ever.",
    (asked, at) =>
      isTag(asked)
        ? { status: 307, headers: { location: `/v2/${at.repositories}victim/manifests/${TAG}` } }
        : undefined,
    { expect: "error" },
  ),
  liar(
    "The registry answers with an error inside.",
    (asked) => (isTag(asked) ? { status: 500, body: "no" } : undefined),
    { expect: "error" },
  ),
  liar(
    "The registry says that there is no such tag.",
    (asked) => (isTag(asked) ? { status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' } : undefined),
    { expect: "error" },
  ),
  liar("The answer takes three seconds, and is the new image.", (asked) =>
    isTag(asked) ? { delayMs: 3_000 } : undefined,
  ),
  liar(
    "Honest: the answer takes three seconds.",
    (asked, at) => (isTag(asked) ? { as: at.was(V), delayMs: 3_000 } : undefined),
    { expect: "built" },
  ),
  liar("Honest: a registry in between that does not lie.", () => undefined, {
    expect: "built",
    images: { [V]: { was: {} } },
  }),
  {
    tries: "The new digest stands behind the recorded tag, and the tag names it now.",
    expect: "refused",
    images: { [V]: digests },
    build: (at) => ({ dockerfile: `FROM ${at.ref(V)}@${at.now(V)}\n${at.probe}\n` }),
  },
  {
    tries: "The digest of another repository's new image stands behind an unmoved tag.",
    expect: "refused",
    images: { [V]: { was: {} }, "victim:2.0": { is: {}, recorded: false } },
    build: (at) => ({ dockerfile: `FROM ${at.ref(V)}@${at.now("victim:2.0")}\n${at.probe}\n` }),
  },
  {
    tries: "One stage names the recorded digest behind the tag, another one the moved tag alone.",
    expect: "refused",
    images: { [V]: digests },
    build: (at) => ({
      dockerfile: `FROM ${at.ref(V)}@${at.was(V)} AS a\nFROM ${at.ref(V)}\nCOPY --from=a /version /copied\n${at.probe}\n`,
    }),
  },
  {
    tries: "Nobody recorded the tag, a digest stands behind it, and the policy takes nothing unseen.",
    expect: "refused",
    policy: "unseen",
    images: { "new:1.0": { is: {}, recorded: false } },
    build: (at) => ({ dockerfile: `FROM ${at.ref("new:1.0")}@${at.now("new:1.0")}\n${at.probe}\n` }),
  },
  {
    tries: "Honest: the recorded digest stands behind the tag, which has moved since.",
    expect: "built",
    images: { [V]: digests },
    build: (at) => ({ dockerfile: `FROM ${at.ref(V)}@${at.was(V)}\n${at.probe}\n` }),
  },
  {
    tries: "Honest: the recorded digest without a tag, which has moved since.",
    expect: "built",
    images: { [V]: digests },
    build: (at) => ({ dockerfile: `FROM ${at.ref("victim")}@${at.was(V)}\n${at.probe}\n` }),
  },
];
