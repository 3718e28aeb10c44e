// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { withContextLines } from "../../src/conversion/context-lines.ts";
import { convert } from "../../src/conversion/conversion.ts";
import { startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { digestOf } from "../llb/sample-llb.ts";
import { type Miniature, miniature } from "./miniature-conversion.ts";

const IMAGES: Miniature["images"] = {
  "base:1": { digest: digestOf("01"), layers: true },
  "ctx:1": { digest: digestOf("02"), layers: true },
};
const CONTEXT = `docker-image://docker.io/library/ctx:1@${digestOf("02")}`;

/** The lines of each image, by repository. */
async function linesOf(
  dockerfile: string,
  options: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const fake = await startFakeBuildkit(miniature({ dockerfile, images: IMAGES }));
  onTestFinished(() => fake.close());
  const conversion = await convert(fake.bridge, { options, inputs: {} });
  const images = await withContextLines(fake.bridge, conversion, {
    target: ["linux/amd64"],
    build: "linux/amd64",
  });
  return Object.fromEntries(
    images.map(({ reference, locations }) => [
      reference.repository.replace("library/", ""),
      locations.map(({ start }) => start),
    ]),
  );
}

describe("an image out of a named context has the lines that name the context", () => {
  test.for([
    {
      row: "in the place of an image",
      dockerfile: "FROM base:1\nRUN x\n",
      options: { "context:base:1": CONTEXT },
      lines: { ctx: [1] },
    },
    {
      row: "for one platform",
      dockerfile: "FROM base:1\nRUN x\n",
      options: { "context:base:1::linux/amd64": CONTEXT },
      lines: { ctx: [1] },
    },
    {
      row: "by its own name, in two instructions",
      dockerfile: "FROM base:1\nCOPY --from=tools a a\nCOPY --from=tools b b\n",
      options: { "context:tools": CONTEXT },
      lines: { base: [1], ctx: [2, 3] },
    },
    {
      row: "not those of another context",
      dockerfile: "FROM base:1\nCOPY --from=tools a a\nCOPY --from=more b b\n",
      options: {
        "context:tools": CONTEXT,
        "context:more": `docker-image://docker.io/library/base:1@${digestOf("01")}`,
      },
      lines: { base: [1], ctx: [2] },
    },
    {
      row: "also when there is another context that is no image",
      dockerfile: "FROM base:1\nCOPY --from=tools a a\n",
      options: { "context:tools": CONTEXT, "context:src": "local:src" },
      lines: { base: [1], ctx: [2] },
    },
  ])("$row", async ({ dockerfile, options, lines }) => {
    expect(await linesOf(dockerfile, options)).toEqual(lines);
  });
});

test("images that have lines keep them, and nothing is asked", async () => {
  const fake = await startFakeBuildkit(miniature({ dockerfile: "FROM base:1\nRUN x\n", images: IMAGES }));
  onTestFinished(() => fake.close());
  const conversion = await convert(fake.bridge, { options: {}, inputs: {} });
  const images = await withContextLines(fake.bridge, conversion, { target: [""], build: "" });
  expect(images).toBe(conversion.images);
  expect(fake.heard.solves).toHaveLength(1);
});
