// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";

const V = "victim:1.2.3";

/** An image without layers whose ONBUILD copies the recorded image's files, so that nothing but these shows. */
const hidden = (at: Site): Tagged => ({
  was: {},
  is: { layers: false, onbuild: [`COPY --from=${at.ref(V)}@${at.was(V)} / /`, at.evilStep] },
});
const still: Tagged = { was: {} };

const victim = (
  tries: string,
  build: FoolingCase["build"],
  more: Partial<FoolingCase> = {},
): FoolingCase => ({
  tries,
  expect: "refused",
  images: { "still:1.0": still, [V]: hidden },
  build,
  ...more,
});

/** A base image without layers leaves no trace in what BuildKit solves; its ENV and ONBUILD apply all the same. */
export const LAYERLESS: readonly FoolingCase[] = [
  victim(
    "A tag moved to an image without layers, whose ONBUILD copies the recorded image by its digest and runs a step.",
    (at) => ({
      dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n`,
    }),
  ),
  victim(
    "The same without an ONBUILD step of its own: its environment alone would get in.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
    {
      images: {
        [V]: (at) => ({
          was: {},
          is: { layers: false, onbuild: [`COPY --from=${at.ref(V)}@${at.was(V)} / /`] },
        }),
      },
    },
  ),
  victim(
    "The same named by the repository and the digest, without the tag.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
    {
      images: {
        [V]: (at) => ({
          was: {},
          is: { layers: false, onbuild: [`COPY --from=${at.ref("victim")}@${at.was(V)} / /`, at.evilStep] },
        }),
      },
    },
  ),
  victim(
    "The files come from another recorded image.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
    {
      images: {
        "still:1.0": still,
        [V]: (at) => ({
          was: {},
          is: { layers: false, onbuild: [`COPY --from=${at.ref("still:1.0")} / /`, at.evilStep] },
        }),
      },
    },
  ),
  victim(
    "The recorded image is mounted by the ONBUILD step instead of copied.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\nCOPY note /\n`, files: { note: "n" } }),
    {
      images: {
        [V]: (at) => ({
          was: {},
          is: { layers: false, onbuild: [`RUN --mount=from=${at.ref(V)}@${at.was(V)},target=/ env`] },
        }),
      },
    },
  ),
  victim(
    "Nothing but an environment, on which the build copies a file.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\nCOPY note /\n`, files: { note: "n" } }),
    {
      images: { [V]: { was: { layers: false }, is: { layers: false } } },
    },
  ),
  victim("Through a chain of three stages.", (at) => ({
    dockerfile: `FROM ${at.ref(V)} AS a\nFROM a AS b\nFROM b\n${at.probe}\n`,
  })),
  victim("Through the default of an ARG.", (at) => ({
    dockerfile: `ARG BASE=${at.ref(V)}\nFROM $BASE\n${at.probe}\n`,
  })),
  victim("Through a build argument.", (at) => ({
    dockerfile: `ARG BASE=${at.ref("still:1.0")}\nFROM $BASE\n${at.probe}\n`,
    args: ["--build-arg", `BASE=${at.ref(V)}`],
  })),
  victim("With --platform=$BUILDPLATFORM.", (at) => ({
    dockerfile: `FROM --platform=$BUILDPLATFORM ${at.ref(V)}\n${at.probe}\n`,
  })),
  victim("In a stage that another one copies from.", (at) => ({
    dockerfile: `FROM ${at.ref(V)} AS a\nFROM ${at.ref("still:1.0")}\nCOPY --from=a /version /copied\n${at.probe}\n`,
  })),
  victim("In a stage that another one mounts.", (at) => ({
    dockerfile: `FROM ${at.ref(V)} AS a\nFROM ${at.ref("still:1.0")}\nRUN --mount=from=a,target=/m cat /m/version\n${at.probe}\n`,
  })),
  victim("Named by COPY --from, where it has nothing to copy.", (at) => ({
    dockerfile: `FROM ${at.ref("still:1.0")}\nCOPY --from=${at.ref(V)} / /copied\n${at.probe}\n`,
  })),
  victim("Named by RUN --mount=from.", (at) => ({
    dockerfile: `FROM ${at.ref("still:1.0")}\nRUN --mount=from=${at.ref(V)},target=/m ls /m\n${at.probe}\n`,
  })),
  victim("As a named context that takes the place of a stage's base.", (at) => ({
    dockerfile: `FROM base\n${at.probe}\n`,
    args: ["--build-context", `base=docker-image://${at.ref(V)}`],
  })),
  victim(
    "Named by the ONBUILD of an unmoved base.",
    (at) => ({ dockerfile: `FROM ${at.ref("via:1.0")}\n${at.probe}\n` }),
    {
      images: {
        [V]: hidden,
        "via:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref(V)} / /copied-dir`] } }),
      },
    },
  ),
  victim(
    "Named by the ONBUILD of an image that an ONBUILD names.",
    (at) => ({ dockerfile: `FROM ${at.ref("one:1.0")}\n${at.probe}\n` }),
    {
      images: {
        [V]: hidden,
        "two:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref(V)} / /copied-dir`] } }),
        "one:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref("two:1.0")} /version /copied`] } }),
      },
    },
  ),
  victim(
    "With a lock file that has the record.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
    { lock: true },
  ),
  victim(
    "With a lock file, where only another stage names it.",
    (at) => ({
      dockerfile: `FROM ${at.ref(V)} AS a\nFROM ${at.ref("still:1.0")}\nCOPY --from=a /version /copied\n${at.probe}\n`,
    }),
    { lock: true },
  ),
  victim(
    "On one of two platforms that are built.",
    (at) => ({
      dockerfile: `FROM ${at.ref(V)}\nCOPY note /\n`,
      files: { note: "n" },
      args: ["--platform", "linux/amd64,linux/arm64"],
    }),
    {
      images: {
        [V]: {
          was: { platforms: ["linux/amd64", "linux/arm64"] },
          is: { layers: false, platforms: ["linux/amd64", "linux/arm64"] },
        },
      },
    },
  ),
  victim(
    "An image of two platforms that moves to one without layers.",
    (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
    {
      images: {
        [V]: (at) => ({
          was: { platforms: ["linux/amd64", "linux/arm64"] },
          is: { ...hidden(at).is, platforms: ["linux/amd64", "linux/arm64"] },
        }),
      },
    },
  ),
  victim(
    "An image without layers that nobody has recorded, where the policy takes none.",
    (at) => ({ dockerfile: `FROM ${at.ref("new:1.0")}\n${at.probe}\n` }),
    {
      policy: "unseen",
      images: {
        "still:1.0": still,
        "new:1.0": (at) => ({ is: { layers: false, onbuild: [`COPY --from=${at.ref("still:1.0")} / /`] } }),
      },
    },
  ),
  victim("Named by --target's stage alone.", (at) => ({
    dockerfile: `FROM ${at.ref(V)} AS a\n${at.probe}\nFROM ${at.ref("still:1.0")}\n`,
    args: ["--target", "a"],
  })),
  victim(
    "Honest: it is the base of a stage that is not built.",
    (at) => ({
      dockerfile: `FROM ${at.ref(V)} AS unused\nRUN false\nFROM ${at.ref("still:1.0")}\n${at.probe}\n`,
    }),
    { expect: "built" },
  ),
  victim(
    "Honest: an unmoved image without layers, whose ONBUILD copies a recorded one.",
    (at) => ({ dockerfile: `FROM ${at.ref("bare:1.0")}\n${at.probe}\n` }),
    {
      expect: "built",
      images: {
        "still:1.0": still,
        "bare:1.0": (at) => ({ was: { layers: false, onbuild: [`COPY --from=${at.ref("still:1.0")} / /`] } }),
      },
    },
  ),
  victim(
    "Honest: an unmoved chain of two ONBUILDs.",
    (at) => ({ dockerfile: `FROM ${at.ref("one:1.0")}\n${at.probe}\n` }),
    {
      expect: "built",
      images: {
        "still:1.0": still,
        "two:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref("still:1.0")} /version /copied`] } }),
        "one:1.0": (at) => ({ was: { onbuild: [`COPY --from=${at.ref("two:1.0")} /version /copied`] } }),
      },
    },
  ),
];
