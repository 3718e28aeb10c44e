// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectBuilt, expectNothingRan } from "./cases/refusal.ts";
import { layersOf } from "./cases/registry-content.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;
let still: string;

beforeAll(async () => {
  site = await startSite();
  ({ reference: still } = await site.pushSystem("still:1.0", "still"));
});
afterAll(() => site?.stop());

/** A step that leaves a line in a cache which outlives the build. */
const leaveTrace = (trace: string, version: string) =>
  `RUN --mount=type=cache,id=${trace},target=/trace echo "${trace} with $(cat ${version})" >> /trace/lines`;

describe.concurrent("a refused build runs no step and fetches no layer of the moved image, when it is", () => {
  test.for([
    {
      row: "the base of the steps",
      image: "base",
      onbuild: undefined,
      dockerfile: (image: string, step: string) => `FROM ${image}\n${step}\n`,
      version: "/version",
    },
    {
      row: "a base whose own ONBUILD step would run",
      image: "trigger",
      onbuild: (step: string) => [step],
      dockerfile: (image: string) => `FROM ${image}\n`,
      version: "/version",
    },
    {
      row: "mounted into the step",
      image: "mounted",
      onbuild: undefined,
      dockerfile: (image: string, step: string) =>
        `FROM ${still}\n${step.replace("RUN ", `RUN --mount=from=${image},target=/m `)}\n`,
      version: "/m/version",
    },
    {
      row: "copied from, after a step that does not need it",
      image: "copied",
      onbuild: undefined,
      dockerfile: (image: string, step: string) =>
        `FROM ${still}\nARG AGAIN\n${step}\nCOPY --from=${image} /version /copied\n`,
      version: "/version",
    },
  ])("$row", async ({ image, onbuild, dockerfile, version }) => {
    const { lab } = site;
    const step = leaveTrace(image, version);
    const push = (word: string) =>
      // Contents that no other image has: a layer that the engine knows already is not fetched again.
      site.pushSystem(`${image}:1.0`, `${word} of ${image}`, onbuild && { onbuild: onbuild(step) });
    const { reference } = await push("one");
    const text = dockerfile(reference, step);
    expectBuilt(await site.build({ dockerfile: text }));

    const two = await push("two");
    const layers = (await layersOf(lab.registry, image, "1.0")).map(({ digest }) => digest);
    const asked = lab.registry.requests().length;
    const refused = await site.build({ dockerfile: text, args: ["--build-arg", "AGAIN=1"] });
    expect(refused.output).toContain(`tag "${reference}" mismatch`);
    expectNothingRan(refused);
    expect(layers).toHaveLength(1);
    const fetched = () =>
      lab.registry
        .requests()
        .slice(asked)
        .filter((request) => layers.some((digest) => request === `GET /v2/${image}/blobs/${digest}`));
    expect(fetched()).toEqual([]);

    // The cache has the line of the first build and no other; the build that looks runs on an unmoved image.
    const line = `${image} with ${image === "copied" ? "still" : `one of ${image}`}`;
    const looked = await site.build({
      dockerfile: `FROM ${still}\nRUN --mount=type=cache,id=${image},target=/trace test "$(cat /trace/lines)" = "${line}"\n`,
    });
    expectBuilt(looked);

    // Whoever wants the new image gets it by its digest, and then its layer is fetched.
    const wanted = `${reference.replace(/:1\.0$/, "")}@${two.digest}`;
    expectBuilt(await site.build({ dockerfile: `FROM ${wanted}\nRUN cat /version\n` }));
    expect(fetched()).toHaveLength(1);
  });

  test("in another stage of the build than the steps", async () => {
    const { reference } = await site.pushSystem("other-stage:1.0", "one");
    const text = [
      `FROM ${still} AS first`,
      "ARG AGAIN",
      leaveTrace("other-stage", "/version"),
      `FROM ${reference}`,
      "COPY --from=first /version /first",
      "",
    ].join("\n");
    expectBuilt(await site.build({ dockerfile: text }));
    await site.pushSystem("other-stage:1.0", "two");
    const refused = await site.build({ dockerfile: text, args: ["--build-arg", "AGAIN=1"] });
    expect(refused.output).toContain(`tag "${reference}" mismatch`);
    expectNothingRan(refused);
    const looked = await site.build({
      dockerfile: `FROM ${still}\nRUN --mount=type=cache,id=other-stage,target=/trace test "$(wc -l < /trace/lines)" = 1\n`,
    });
    expectBuilt(looked);
  });
});
