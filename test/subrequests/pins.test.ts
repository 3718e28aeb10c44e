// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import type { Judgement } from "../../src/check/judgement.ts";
import { parseReference } from "../../src/image/reference.ts";
import { printPins } from "../../src/subrequests/pins.ts";
import { ALPINE, GOT, JUDGEMENTS, RECORD, TOLD, WANT } from "../report/sample-judgements.ts";

const { unchanged, pinned, moved } = JUDGEMENTS;
const as = (judgement: Judgement, image: string): Judgement => ({
  ...judgement,
  reference: parseReference(image),
});

/** The parts of the answer with the pins of these judgements. */
function answered(request: "sourcePolicy" | "regoData", judgements: readonly Judgement[]) {
  const { metadata } = moby.buildkit.v1.frontend.Result.decode(printPins(request, judgements, TOLD));
  return (part: string) => Buffer.from(metadata?.[part] ?? []).toString();
}

function pinsOf(judgements: readonly Judgement[]): unknown {
  return JSON.parse(answered("regoData", judgements)("result.json"));
}

describe("the pins of a build", () => {
  test("are the tags with the images that it uses, in the order of their names", () => {
    const judgements = [
      as(unchanged, `docker.io/library/zoo:1@${WANT}`),
      as(pinned, `docker.io/library/bar:1@${GOT}`),
    ];
    expect(answered("regoData", judgements)("result.json")).toBe(
      JSON.stringify(
        { version: 1, images: { "docker.io/library/bar:1": GOT, "docker.io/library/zoo:1": WANT } },
        undefined,
        2,
      ),
    );
  });

  test.for<{ row: string; judgement: Judgement }>([
    { row: "what is refused", judgement: { ...moved, outcome: "refuse" } },
    { row: "what is named by its digest alone", judgement: as(unchanged, `alpine@${WANT}`) },
    { row: "what has no digest", judgement: as(unchanged, ALPINE) },
  ])("have no pin for $row", ({ judgement }) => {
    expect(pinsOf([judgement])).toEqual({ version: 1, images: {} });
  });

  test.for([{ row: "first" }, { row: "last" }])(
    "of a tag that is used with two digests name the one that is recorded now, though the other comes $row",
    ({ row }) => {
      const old: Judgement = {
        ...as(unchanged, `${ALPINE}@${GOT}`),
        verdict: { kind: "unchanged", record: { ...RECORD, digest: GOT }, note: "superseded" },
      };
      const both = row === "first" ? [old, unchanged] : [unchanged, old];
      expect(pinsOf(both)).toEqual({ version: 1, images: { [ALPINE]: WANT } });
    },
  );
});

test("BuildKit's source policy turns the name into the name with its digest", () => {
  expect(JSON.parse(answered("sourcePolicy", [unchanged])("result.json"))).toEqual({
    version: 1,
    rules: [
      {
        action: "CONVERT",
        selector: { identifier: `docker-image://${ALPINE}` },
        updates: { identifier: `docker-image://${ALPINE}@${WANT}` },
      },
    ],
  });
});

test("data for Rego has the digest by the name", () => {
  expect(pinsOf([unchanged])).toEqual({ version: 1, images: { [ALPINE]: WANT } });
});

describe.for(["sourcePolicy", "regoData"] as const)("the answer with the pins as %s", (request) => {
  test("is JSON to be kept in a file, when all is well", () => {
    const part = answered(request, [unchanged]);
    expect(part("result.statuscode")).toBe("0");
    expect(JSON.parse(part("result.txt"))).toEqual(JSON.parse(part("result.json")));
    expect(part("result.txt")).toContain(WANT);
  });

  test("is not, when an image is refused, which is named; and the status says so", () => {
    const part = answered(request, [
      as(unchanged, `docker.io/library/well:1@${WANT}`),
      { ...moved, outcome: "refuse" },
    ]);
    expect(part("result.statuscode")).toBe("1");
    expect(part("result.txt")).toContain(`tag "${ALPINE}" mismatch`);
    expect(() => JSON.parse(part("result.txt")) as unknown).toThrow(SyntaxError);
    expect(part("result.json")).toContain("docker.io/library/well:1");
    expect(part("result.json")).not.toContain(ALPINE);
  });
});
