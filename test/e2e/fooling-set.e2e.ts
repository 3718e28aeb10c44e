// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FoolingCase } from "./fooling/case.ts";
import { CONFIGURATIONS } from "./fooling/configurations.ts";
import { DOCKERFILE_TRICKS } from "./fooling/dockerfile-tricks.ts";
import { EXHAUSTION } from "./fooling/exhaustion.ts";
import { FRONTENDS } from "./fooling/frontends.ts";
import { LAYERLESS } from "./fooling/layerless.ts";
import { OPTIONS } from "./fooling/options.ts";
import { PINS, PLACES } from "./fooling/places.ts";
import { type Place, startPlace } from "./fooling/place.ts";
import { play } from "./fooling/play.ts";
import { REGISTRIES } from "./fooling/registries.ts";
import { type Row, writeTable } from "./fooling/table.ts";
import { turns } from "./fooling/turns.ts";

const KINDS: Readonly<Record<string, readonly FoolingCase[]>> = {
  "Images without layers": LAYERLESS,
  "Images that change their configuration alone": CONFIGURATIONS,
  "Places where an image is named": PLACES,
  "Tags that are built as they were recorded": PINS,
  "Tricks in the Dockerfile": DOCKERFILE_TRICKS,
  "Options, contexts and linked builds": OPTIONS,
  "Registries that lie, tags and digests that disagree": REGISTRIES,
  "Other frontends": FRONTENDS,
  "Builds without an end": EXHAUSTION,
};
const CASES = Object.entries(KINDS).flatMap(([kind, cases]) => cases.map((one) => ({ kind, one })));
/** More builds at a time than processors only wait for each other. */
const turn = turns(2);

let place: Place;
const rows = new Map<number, Row>();

beforeAll(async () => {
  place = await startPlace();
});
afterAll(() => place?.stop());

test("the set has its size: eighty cases, fifteen of them honest", () => {
  expect(CASES.length).toBeGreaterThanOrEqual(80);
  expect(CASES.filter(({ one }) => one.expect === "built").length).toBeGreaterThanOrEqual(15);
  expect(new Set(CASES.map(({ one }) => one.tries)).size).toBe(CASES.length);
});

describe("the oracles see what gets in when our frontend is left out:", () => {
  const around = (tries: string): FoolingCase => {
    const found = CASES.find(({ one }) => one.tries === tries)?.one;
    if (found === undefined) throw new Error(`there is no case "${tries}"`);
    return { ...found, build: (at) => ({ ...found.build(at), without: true }) };
  };

  test.for([
    { tries: "A moved tag in FROM." },
    { tries: "The same named by the repository and the digest, without the tag." },
    { tries: "A moved tag in the ONBUILD COPY of an unmoved base." },
  ])("$tries", async ({ tries }, { task }) => {
    const played = await play(place, around(tries), `self-${task.id.replace(/\W/g, "")}`);
    expect(played.end).toBe("built");
    expect(played.fetched, "what was fetched").toContainEqual(expect.stringContaining("nobody judged"));
    expect(played.leaked, "the output").toContainEqual(expect.stringMatching(/^output: /));
    expect(played.leaked, "the result").toContainEqual(expect.stringMatching(/^result: /));
    expect(played.wrong).toContainEqual(expect.stringContaining('instead of "refused"'));
    expect(await trace()).toContain(`EVIL-${played.id}-`);
  });
});

describe.concurrent("the fooling set", () => {
  test.for(CASES.map(({ kind, one }, index) => ({ kind, one, index, tries: one.tries })))(
    "$kind: $tries",
    { timeout: 600_000 },
    async ({ kind, one, index }) => {
      const played = await turn(() => play(place, one, `c${index}`));
      rows.set(index, { kind, tries: one.tries, expect: one.expect, played });
      expect(played.wrong, played.output.slice(-6_000)).toEqual([]);
    },
  );
});

test("no step of a build that was stopped ran, and no image that must not get in left a trace in the builder's cache", async () => {
  const lines = (await trace()).split("\n");
  const refused = [...rows]
    .filter(([, { played }]) => played.end !== "built" && played.end !== "pinned")
    .map(([index]) => `ran c${index}`);
  expect(lines.filter((line) => refused.some((ran) => line.endsWith(ran)))).toEqual([]);
  expect(lines.filter((line) => /EVIL-c\d/.test(line))).toEqual([]);
  expect(lines.filter((line) => /ran c\d+$/.test(line)).length).toBeGreaterThan(0);
});

test("the table of the set is written", async () => {
  // A part of the set, chosen on the command line, is no table of it.
  if (rows.size === CASES.length)
    await writeTable([...rows].toSorted(([one], [other]) => one - other).map(([, row]) => row));
});

/** What the steps of all builds so far left in the builder's cache. */
async function trace(): Promise<string> {
  const { reference } = await place.lab.push("looking:1.0", { files: place.system });
  const step = `RUN --mount=type=cache,id=fooling,target=/trace cat /trace/lines # ${Date.now()}`;
  const looked = await place.lab.build({
    dockerfile: `FROM ${reference}\n${step}\n`,
    args: ["--output", "type=cacheonly"],
  });
  expect(looked.code, looked.output).toBe(0);
  return looked.output;
}
