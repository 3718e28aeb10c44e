// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scanner } from "./cases/moving-tags.ts";
import { type BuiltImage, readLayout } from "./cases/oci-layout.ts";
import { expectBuilt } from "./cases/refusal.ts";
import { type Site, type SiteRequest, startSite } from "./cases/site.ts";

const EVIDENCE = "https://github.com/tlog-dockerfile/tlog-dockerfile/evidence/v1";

let site: Site;
let base: string;
let other: string;
/** The image of the conversion that we bring along, as it is without us. */
let upstream: string;

beforeAll(async () => {
  site = await startSite();
  upstream = (await site.lab.upstreamFrontend()).reference;
  ({ reference: base } = await site.pushSystem("base:1.0", "base"));
  ({ reference: other } = await site.pushSystem("other:1.0", "other"));
});
afterAll(() => site?.stop());

/** Builds once with the conversion alone and once with us. */
async function both({
  dockerfile,
  args = [],
  ...request
}: SiteRequest & { readonly dockerfile: string }): Promise<{
  readonly plain: BuiltImage;
  readonly ours: BuiltImage;
}> {
  const provenance = args.some((arg) => arg.startsWith("--provenance")) ? [] : ["--provenance=false"];
  const output = args.includes("--output") ? [] : ["--output", "type=oci,dest=../image,tar=false"];
  const all = [...provenance, ...output, ...args];
  const plain = await site.build({
    ...request,
    syntax: upstream,
    dockerfile,
    args: all,
  });
  const ours = await site.build({ ...request, dockerfile, args: all });
  expectBuilt(plain);
  expectBuilt(ours);
  expect(plain.output).not.toContain("[tlog]");
  expect(ours.output).toContain("[tlog]");
  return {
    plain: await readLayout(join(plain.dir, "../image")),
    ours: await readLayout(join(ours.dir, "../image")),
  };
}

describe.concurrent("an image is the same bytes with and without us", () => {
  test.for([
    {
      name: "plain",
      request: () => ({ dockerfile: `FROM ${base}\nRUN echo made > /made\nENV A=1\nCMD ["/bin/sh"]\n` }),
    },
    {
      name: "stages-target-and-build-args",
      request: () => ({
        dockerfile: [
          "ARG NAME=world",
          `FROM ${base} AS greeting`,
          "ARG NAME",
          "RUN echo hello $NAME > /greeting",
          `FROM ${base} AS wanted`,
          "COPY --from=greeting /greeting /",
          `FROM ${base} AS unwanted`,
          "RUN false",
          "",
        ].join("\n"),
        args: ["--target", "wanted", "--build-arg", "NAME=you"],
      }),
    },
    {
      name: "copied-from-an-image-and-from-a-context-with-dockerignore",
      request: () => ({
        dockerfile: `FROM ${base}\nCOPY --from=${other} /version /other\nCOPY . /context/\n`,
        files: {
          kept: "kept",
          "ignored.txt": "ignored",
          "sub/kept": "kept",
          ".dockerignore": "*.txt\nDockerfile\n",
        },
      }),
    },
    {
      name: "labels-annotations-and-dates",
      request: () => ({
        dockerfile: `FROM ${base}\nLABEL from=dockerfile\nRUN date > /dev/null; echo dated > /dated\n`,
        // Without cache: the two builds share no layer, and their times are made equal by what BuildKit offers for it.
        args: [
          "--no-cache",
          "--label",
          "of=command-line",
          "--annotation",
          "org.example.note=annotated",
          "--build-arg",
          "SOURCE_DATE_EPOCH=1700000000",
          "--output",
          "type=oci,dest=../image,tar=false,rewrite-timestamp=true",
        ],
      }),
    },
    {
      name: "heredoc-cache-and-secret",
      request: () => ({
        dockerfile: [
          `FROM ${base}`,
          "RUN --mount=type=cache,target=/cache --mount=type=secret,id=word <<EOF",
          "  set -e",
          "  echo cached > /cache/line",
          "  cat /run/secrets/word /cache/line | wc -c > /count",
          "EOF",
          "",
        ].join("\n"),
        secrets: { word: "quiet", "tlog-signing-key": site.key },
      }),
    },
  ])("$name", async ({ request }) => {
    const { plain, ours } = await both(request());
    expect(ours.config).toEqual(plain.config);
    expect(ours.layers).toEqual(plain.layers);
    expect(ours.layers.length).toBeGreaterThan(1);
    expect(ours.manifest).toBe(plain.manifest);
  });
});

describe("an image has its attestations with us", () => {
  test("provenance and SBOM, beside the same image", async () => {
    const { reference: generator } = await site.lab.push("scanner:1.0", await scanner(site.lab, "one"));
    const { plain, ours } = await both({
      dockerfile: `FROM ${base}\nRUN echo attested > /attested\n`,
      args: ["--provenance=mode=max", `--sbom=generator=${generator}`],
    });
    const before = plain.attestations.map(({ type }) => type);
    expect(before.toSorted()).toEqual([
      expect.stringMatching("^https://slsa.dev/provenance/"),
      "https://spdx.dev/Document",
    ]);
    const types = ours.attestations.map(({ type }) => type);
    expect(types.toSorted()).toEqual([...before, EVIDENCE].toSorted());
    expect(ours.manifest).toBe(plain.manifest);
  });

  test("and none where provenance is for pushed images alone", async () => {
    const { plain, ours } = await both({
      dockerfile: `FROM ${base}\nRUN echo attested > /attested\n`,
      args: ["--provenance=mode=min,inline-only=true"],
    });
    expect(ours.attestations).toEqual(plain.attestations);
    expect(ours.manifest).toBe(plain.manifest);
  });
});
