// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";

const V = "victim:1.2.3";
const S = "still:1.0";
const moved: Tagged = { was: {}, is: {} };
const TWO = ["linux/amd64", "linux/arm64"];

type Ways = Readonly<
  Record<string, { readonly build: FoolingCase["build"]; readonly images?: FoolingCase["images"] }>
>;

/** Each way to name an image; the tag has moved to an image with layers of its own. */
const WAYS: Ways = {
  FROM: { build: (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }) },
  "COPY --from": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nCOPY --from=${at.ref(V)} /version /copied\n${at.probe}\n`,
    }),
  },
  "COPY --link --from": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nCOPY --link --from=${at.ref(V)} /version /copied\n${at.probe}\n`,
    }),
  },
  "a bind mount of a RUN step": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nRUN --mount=from=${at.ref(V)},target=/m cat /m/version > /copied\n${at.probe}\n`,
    }),
  },
  "a cache mount that starts as an image": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nRUN --mount=type=cache,id=${at.repositories}x,from=${at.ref(V)},target=/m cat /m/version > /copied\n${at.probe}\n`,
    }),
  },
  "the ONBUILD COPY of an unmoved base": {
    build: (at) => ({ dockerfile: `FROM ${at.ref("via:1.0")}\n${at.probe}\n` }),
    images: {
      [V]: moved,
      "via:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref(V)} /version /copied`] } }),
    },
  },
  "the ONBUILD mount of an unmoved base": {
    build: (at) => ({ dockerfile: `FROM ${at.ref("via:1.0")}\n${at.probe}\n` }),
    images: {
      [V]: moved,
      "via:1.0": (at) => ({
        was: { onbuild: [`RUN --mount=from=${at.ref(V)},target=/m cat /m/version > /copied`] },
      }),
    },
  },
  "a named context": {
    build: (at) => ({
      dockerfile: `FROM base\n${at.probe}\n`,
      args: ["--build-context", `base=docker-image://${at.ref(V)}`],
    }),
  },
  "a named context that is copied from": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nCOPY --from=other /version /copied\n${at.probe}\n`,
      args: ["--build-context", `other=docker-image://${at.ref(V)}`],
    }),
  },
  "a build for two platforms": {
    build: (at) => ({
      dockerfile: `FROM ${at.ref(V)}\nCOPY note /\n`,
      files: { note: "n" },
      args: ["--platform", TWO.join(",")],
    }),
    images: { [V]: { was: { platforms: TWO }, is: { platforms: TWO } } },
  },
};

const images = { [S]: { was: {} }, [V]: moved };
const unmoved = (of: FoolingCase["images"]): FoolingCase["images"] =>
  Object.fromEntries(
    Object.entries(of).map(([name, made]) => [
      name,
      (at: Site) => ({ was: (typeof made === "function" ? made(at) : made).was ?? {} }),
    ]),
  );

/** A tag that moved, in each place where an image can stand. */
export const PLACES: readonly FoolingCase[] = [
  ...Object.entries(WAYS).map(([way, row]): FoolingCase => ({
    tries: `A moved tag in ${way}.`,
    expect: "refused",
    images: row.images ?? images,
    build: row.build,
  })),
  ...Object.entries(WAYS).map(([way, row]): FoolingCase => ({
    tries: `Honest: a tag that did not move, in ${way}.`,
    expect: "built",
    images: unmoved(row.images ?? images),
    build: row.build,
  })),
];

/** The same where the policy builds what was recorded. */
export const PINS: readonly FoolingCase[] = [
  ...Object.entries(WAYS).map(([way, row]): FoolingCase => ({
    tries: `A moved tag in ${way} is built as it was recorded.`,
    expect: "pinned",
    policy: "pin",
    images: row.images ?? images,
    build: row.build,
  })),
  {
    tries:
      "A tag that moved to an image without layers, whose ONBUILD copies the recorded one, is built as it was recorded.",
    expect: "pinned",
    policy: "pin",
    images: {
      [V]: (at) => ({
        was: {},
        is: { layers: false, onbuild: [`COPY --from=${at.ref(V)}@${at.was(V)} / /`, at.evilStep] },
      }),
    },
    build: (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
  },
  {
    tries: "A stage has the name of the repository of its pinned base, and its own step must stay.",
    expect: "pinned",
    policy: "pin",
    images: { [S]: { was: {} }, "node:latest": moved },
    build: (at) => ({
      dockerfile: `FROM ${at.ref("node")} AS node\nRUN echo kept > /own\nFROM ${at.ref(S)}\nCOPY --from=node /own /copied\n${at.probe}\n`,
    }),
    says: /^#\d+ [\d.]+ kept$/m,
  },
  {
    tries: "The moved tag stands in a FROM and in the ONBUILD of another base at once.",
    expect: "pinned",
    policy: "pin",
    images: {
      [V]: moved,
      "via:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref(V)} /version /copied`] } }),
    },
    build: (at) => ({
      dockerfile: `FROM ${at.ref("via:1.0")} AS a\nFROM ${at.ref(V)}\nCOPY --from=a /copied /copied\n${at.probe}\n`,
    }),
  },
];
