// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { imageMentions } from "../../src/dockerfile/image-mentions.ts";
import { formatReference } from "../../src/image/reference.ts";

const INPUTS = { buildArgs: {}, targetPlatforms: [], buildPlatform: "linux/amd64", contextNames: [] };

/** The mentions in short: `name lines`. */
function inShort(text: string, contextNames: string[] = []): string[] {
  return imageMentions(text, { ...INPUTS, contextNames }).map(
    ({ reference, lines }) =>
      `${formatReference(reference).replace("docker.io/library/", "")} ${lines.map(({ start, end }) => `${start}-${end}`).join()}`,
  );
}

test.for([
  { row: "COPY --from", line: "COPY --from=img:1 /a /b", found: ["img:1 2-2"] },
  {
    row: "COPY --from among other flags",
    line: "COPY --link --from=img:1 --chown=1:1 /a /b",
    found: ["img:1 2-2"],
  },
  { row: "COPY --from in quotes", line: 'COPY --from="img:1" /a /b', found: ["img:1 2-2"] },
  {
    row: "COPY --from over several lines",
    line: "COPY \\\n  --from=img:1 \\\n  /a /b",
    found: ["img:1 2-4"],
  },
  { row: "COPY --from of a JSON list", line: 'COPY --from=img:1 ["/a", "/b"]', found: ["img:1 2-2"] },
  { row: "no stage by its name", line: "COPY --from=Base /a /b", found: [] },
  { row: "no stage by its number", line: "COPY --from=0 /a /b\nCOPY --from=+0 /a /b", found: [] },
  { row: "no scratch", line: "COPY --from=scratch /a /b", found: [] },
  { row: "no variable, which BuildKit does not expand there", line: "COPY --from=$X /a /b", found: [] },
  { row: "no --from among the sources", line: "COPY /a --from=img:1 /b", found: [] },
  { row: "no --from of ADD, which has none", line: "ADD --from=img:1 /a /b", found: [] },
  { row: "RUN --mount", line: "RUN --mount=type=bind,from=img:1,target=/x ls", found: ["img:1 2-2"] },
  {
    row: "RUN --mount with from first, in capitals",
    line: "RUN --mount=FROM=img:1,target=/x ls",
    found: ["img:1 2-2"],
  },
  {
    row: "RUN --mount in quotes",
    line: 'RUN --mount="type=bind,from=img:1,target=/x" ls',
    found: ["img:1 2-2"],
  },
  {
    row: "RUN --mount with a field in quotes",
    line: `RUN --mount='type=bind,"from=img:1","target=/x,y"' ls`,
    found: ["img:1 2-2"],
  },
  {
    row: "several mounts",
    line: "RUN --mount=from=i:1,target=/x --network=none --mount=from=j:2,target=/y ls",
    found: ["i:1 2-2", "j:2 2-2"],
  },
  {
    row: "a mount of a RUN with a heredoc",
    line: "RUN --mount=from=img:1,target=/x <<E\nCOPY --from=no /a /b\nE",
    found: ["img:1 2-4"],
  },
  { row: "no mount of the build context", line: "RUN --mount=target=/x,source=from=img ls", found: [] },
  { row: "no mount of a stage", line: "RUN --mount=from=base,target=/x ls", found: [] },
  { row: "no flag after the command has begun", line: "RUN ls --mount=from=img:1,target=/x", found: [] },
  {
    row: "a mount of a number, which is an image",
    line: "RUN --mount=from=0,target=/x ls",
    found: ["0:latest 2-2"],
  },
  { row: "ONBUILD COPY --from", line: "ONBUILD COPY --from=img:1 /a /b", found: ["img:1 2-2"] },
  { row: "ONBUILD RUN --mount", line: "ONBUILD RUN --mount=from=img:1,target=/x ls", found: ["img:1 2-2"] },
  { row: "nothing in what is no image", line: "COPY --from=a/B:c:d /a /b", found: [] },
  {
    row: "one image named in several places",
    line: "COPY --from=img:1 /a /b\nRUN --mount=from=img:1,target=/x ls",
    found: ["img:1 2-2,3-3"],
  },
])("mentions: $row", ({ line, found }) => {
  expect(inShort(`FROM scratch AS base\n${line}\nFROM base\n`)).toEqual(found);
});

test("bases of stages are mentions too, together with their other places", () => {
  expect(inShort("ARG V=1\nFROM a:$V AS x\nFROM b\nCOPY --from=a:1 /a /b\nCOPY --from=x /a /b\n")).toEqual([
    "a:1 2-2,4-4",
    "b:latest 3-3",
  ]);
});

test("named contexts are no images", () => {
  expect(
    inShort("FROM a\nCOPY --from=img:1 /a /b\nCOPY --from=src /a /b\n", ["src", "img:1::linux/amd64"]),
  ).toEqual(["a:latest 1-1"]);
});
