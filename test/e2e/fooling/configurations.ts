// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";

const V = "victim:1.2.3";

const base = (tries: string, moved: Tagged["is"] | ((at: Site) => Tagged["is"])): FoolingCase => ({
  tries,
  expect: "refused",
  images: { [V]: (at) => ({ was: {}, is: typeof moved === "function" ? (moved(at) ?? {}) : (moved ?? {}) }) },
  build: (at) => ({ dockerfile: `FROM ${at.ref(V)}\n${at.probe}\n` }),
});

/** Images that keep their layers and change their configuration. */
export const CONFIGURATIONS: readonly FoolingCase[] = [
  base("A tag moved to the same layers with another environment.", { sameLayers: true }),
  base("A tag moved to the same layers with another entry point and command.", {
    sameLayers: true,
    entrypoint: ["/bin/sh", "-c"],
    cmd: ["exit 66"],
  }),
  base("A tag moved to the same layers with another PATH.", { sameLayers: true, env: { PATH: "/tmp" } }),
  base("A tag moved to the same layers with another working directory.", {
    sameLayers: true,
    workdir: "/tmp",
  }),
  base("A tag moved to the same layers with an ONBUILD step.", (at) => ({
    sameLayers: true,
    onbuild: [at.evilStep],
  })),
  base("A tag moved to the same layers with an ONBUILD that sets the environment alone.", (at) => ({
    sameLayers: true,
    onbuild: [`ENV LEAK=${at.marker}`],
  })),
  base(
    "A tag moved to an index of two platforms, of which the builder's has the same layers and another configuration.",
    {
      sameLayers: true,
      platforms: ["linux/amd64", "linux/arm64"],
    },
  ),
];
