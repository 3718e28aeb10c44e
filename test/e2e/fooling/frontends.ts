// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";

const S = "still:1.0";
const SYNTAX = "syntax:1.0";

const other = (
  tries: string,
  image: Tagged | ((at: Site) => Tagged),
  more: Partial<FoolingCase> = {},
): FoolingCase => ({
  tries,
  expect: "refused",
  images: { [S]: { was: {} }, [SYNTAX]: image },
  build: (at) => ({
    byArgument: true,
    dockerfile: `# syntax=${at.ref(SYNTAX)}\nFROM ${at.ref(S)}\n${at.probe}\n`,
  }),
  ...more,
});
const runs = (command: string): Tagged => ({ was: { entrypoint: ["/bin/sh", "-c", command] } });

/** Dockerfiles whose own first line names another frontend than us. */
export const FRONTENDS: readonly FoolingCase[] = [
  other("The Dockerfile's own syntax image has moved.", {
    was: {},
    is: { entrypoint: ["/bin/sh", "-c", "env"] },
  }),
  other("The Dockerfile's own syntax image moved to one without layers.", {
    was: {},
    is: { layers: false, entrypoint: ["/bin/sh", "-c", "env"] },
  }),
  other(
    "Nobody recorded the syntax image, and the policy takes nothing unseen.",
    { is: {}, recorded: false },
    { policy: "unseen" },
  ),
  other(
    "The new digest stands behind the syntax image's tag.",
    { was: {}, is: {} },
    {
      build: (at) => ({
        byArgument: true,
        dockerfile: `# syntax=${at.ref(SYNTAX)}@${at.now(SYNTAX)}\nFROM ${at.ref(S)}\n${at.probe}\n`,
      }),
    },
  ),
  other(
    "The registry shows the builder another syntax image than everybody else.",
    { was: {}, is: {} },
    {
      lies:
        (at) =>
        ({ kind, name, agent }) =>
          kind === "manifests" && name === "1.0" && !agent.includes("buildkit")
            ? { as: at.was(SYNTAX) }
            : undefined,
      images: { [SYNTAX]: { was: {}, is: {} } },
      build: (at) => ({
        byArgument: true,
        dockerfile: `# syntax=${at.ref(SYNTAX)}\nFROM scratch\nCOPY Dockerfile /\n`,
      }),
    },
  ),
  other("The syntax image's program ends without a word.", runs("exit 0"), { expect: "error" }),
  other("The syntax image's program crashes.", runs("exit 70"), { expect: "error" }),
  other("The syntax image's program talks nonsense.", runs("while :; do echo nonsense; done"), {
    expect: "error",
  }),
  other("The syntax image is not there.", runs("exit 0"), {
    expect: "error",
    build: (at) => ({
      byArgument: true,
      dockerfile: `# syntax=${at.ref("missing:1.0")}\nFROM ${at.ref(S)}\n`,
    }),
  }),
  other(
    "The first line names us, the second one a moved image as another syntax.",
    { was: {}, is: {} },
    {
      expect: ["error", "refused", "built"],
      build: (at) => ({ dockerfile: `# syntax=${at.ref(SYNTAX)}\nFROM ${at.ref(S)}\n${at.probe}\n` }),
    },
  ),
  other(
    "Honest: the Dockerfile's own first line names docker/dockerfile:1.",
    { was: {} },
    {
      expect: "built",
      build: (at) => ({
        byArgument: true,
        dockerfile: `# syntax=docker/dockerfile:1\nFROM ${at.ref(S)}\n${at.probe}\n`,
      }),
    },
  ),
];
