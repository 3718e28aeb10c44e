// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import type { Judgement } from "../../src/check/judgement.ts";
import { parseReference } from "../../src/image/reference.ts";
import { printPins } from "../../src/subrequests/pins.ts";
import { regoData, sourcePolicy, tagPins } from "../../src/report/pins.ts";
import { ALPINE, GOT, JUDGEMENTS, RECORD, WANT } from "./sample-judgements.ts";

const { unchanged, pinned, moved } = JUDGEMENTS;
const as = (judgement: Judgement, image: string): Judgement => ({
  ...judgement,
  reference: parseReference(image),
});

describe("the pins of a build", () => {
  test("are the tags with the images that it uses, in the order of their names", () => {
    const judgements = [
      as(unchanged, `docker.io/library/zoo:1@${WANT}`),
      as(pinned, `docker.io/library/bar:1@${GOT}`),
    ];
    expect(tagPins(judgements)).toEqual([
      { name: "docker.io/library/bar:1", digest: GOT },
      { name: "docker.io/library/zoo:1", digest: WANT },
    ]);
  });

  test.for<{ row: string; judgement: Judgement }>([
    { row: "what is refused", judgement: { ...moved, outcome: "refuse" } },
    { row: "what is named by its digest alone", judgement: as(unchanged, `alpine@${WANT}`) },
    { row: "what has no digest", judgement: as(unchanged, ALPINE) },
  ])("have no pin for $row", ({ judgement }) => {
    expect(tagPins([judgement])).toEqual([]);
  });

  test.for([{ row: "first" }, { row: "last" }])(
    "of a tag that is used with two digests name the one that is recorded now, though the other comes $row",
    ({ row }) => {
      const old: Judgement = {
        ...as(unchanged, `${ALPINE}@${GOT}`),
        verdict: { kind: "unchanged", record: { ...RECORD, digest: GOT }, note: "superseded" },
      };
      const both = row === "first" ? [old, unchanged] : [unchanged, old];
      expect(tagPins(both)).toEqual([{ name: ALPINE, digest: WANT }]);
    },
  );
});

const PIN = { name: ALPINE, digest: WANT } as const;

test("BuildKit's source policy turns the name into the name with its digest", () => {
  expect(sourcePolicy([PIN])).toEqual({
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
  expect(regoData([PIN])).toEqual({ version: 1, images: { [ALPINE]: WANT } });
});

describe.for(["sourcePolicy", "regoData"] as const)("the answer with the pins as %s", (request) => {
  const answered = (judgements: readonly Judgement[]) => {
    const { metadata } = moby.buildkit.v1.frontend.Result.decode(printPins(request, judgements));
    return (part: string) => Buffer.from(metadata?.[part] ?? []).toString();
  };

  test("is JSON to be kept in a file, when all is well", () => {
    const part = answered([unchanged]);
    expect(part("result.statuscode")).toBe("0");
    expect(JSON.parse(part("result.txt"))).toEqual(JSON.parse(part("result.json")));
    expect(part("result.txt")).toContain(WANT);
  });

  test("is not, when an image is refused, which is named; and the status says so", () => {
    const part = answered([
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
