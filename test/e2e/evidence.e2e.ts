// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { EvidencePredicate } from "../../src/attestation/predicate.ts";
import { publicPem } from "../sigstore/signed-statement.ts";
import type { BuildOutcome } from "./lab/builds.ts";
import { scanner } from "./cases/moving-tags.ts";
import {
  type AttestedImage,
  attestedImages,
  copyManifest,
  deleteManifest,
  type Index,
  pushIndex,
  stored,
} from "./cases/pushed-evidence.ts";
import { expectBuilt } from "./cases/refusal.ts";
import { type Site, type SiteRequest, startSite } from "./cases/site.ts";
import { chroot } from "./lab/chroot.ts";
import { run } from "./lab/command.ts";
import type { PushedImage } from "./lab/images.ts";

const EVIDENCE = "https://github.com/tlog-dockerfile/tlog-dockerfile/evidence/v1";
const BOTH = ["linux/amd64", "linux/arm64"];
const SUBJECT = "vnd.docker.reference.digest";

let site: Site;
let base: string;
let generator: string;

beforeAll(async () => {
  // The registry has no public name, and the evidence is to have its images' names.
  site = await startSite({ lines: ["default: { private: true }"] });
  ({ reference: base } = await site.pushSystem("base:1.0", "base", { platforms: BOTH }));
  ({ reference: generator } = await site.lab.push("scanner:1.0", await scanner(site.lab, "one")));
});
afterAll(() => site?.stop());

const registry = () => site.lab.registry;

/** Builds and pushes `NAME:1`. */
async function push(name: string, { args = [], ...request }: SiteRequest = {}): Promise<BuildOutcome> {
  const built = await site.build({
    dockerfile: `FROM ${base}\nCOPY note /${name}\n`,
    files: { note: name },
    ...request,
    args: [...args, "-t", `${registry().address}/${name}:1`, "--push"],
  });
  expectBuilt(built);
  return built;
}

/** Asks for the evidence of an image, with no Dockerfile but the line that names the frontend. */
function verify(image: string, { args = [], ...request }: SiteRequest = {}): Promise<BuildOutcome> {
  return site.build({
    context: "-",
    input: `# syntax=${site.frontend}\n`,
    syntax: undefined,
    ...request,
    args: [
      ...(args.includes("--call") ? [] : ["--call", "tlog.verify"]),
      "--build-arg",
      `TLOG_IMAGE=${registry().address}/${image}`,
      ...args,
    ],
  });
}

/** What the registry has of an image for one platform. */
async function pushed(name: string): Promise<AttestedImage> {
  const [image] = await attestedImages(registry(), name, "1");
  if (image === undefined) throw new Error(`the registry has no image "${name}"`);
  return image;
}

describe("an image carries the evidence", () => {
  test("for every platform, beside what it carried before, and is the same image", async () => {
    const platforms = ["--platform", BOTH.join(",")];
    const args = [...platforms, "--provenance=mode=max", `--sbom=generator=${generator}`];
    const request = { dockerfile: `FROM ${base}\nCOPY note /\n`, files: { note: "same" } };
    await push("plain", { ...request, syntax: undefined, args });
    await push("ours", { ...request, args });
    const plain = await attestedImages(registry(), "plain", "1");
    const ours = await attestedImages(registry(), "ours", "1");
    expect(ours.map(({ platform }) => platform)).toEqual(BOTH);
    expect(ours.map(({ manifest }) => manifest.text)).toEqual(plain.map(({ manifest }) => manifest.text));
    const types = plain.map(({ attestations }) => Object.keys(attestations));
    expect(types[0]).toHaveLength(2);
    expect(ours.map(({ attestations }) => Object.keys(attestations).toSorted())).toEqual(
      types.map((before) => [...before, EVIDENCE].toSorted()),
    );
    const [entry] = site.entriesOf(base);
    for (const { attestations, manifest } of ours) {
      const { subject, predicate } = attestations[EVIDENCE] ?? {};
      expect(subject?.map(({ digest }) => `sha256:${digest.sha256}`)).toEqual([manifest.digest]);
      expect(predicate).toMatchObject({
        frontend: { name: "tlog-dockerfile" },
        images: [
          {
            reference: base,
            platforms: BOTH,
            bundles: [{ verificationMaterial: { tlogEntries: [{ logIndex: String(entry?.logIndex) }] } }],
          },
          { reference: generator },
        ],
      });
    }
  });

  test("that is the same when it is built again with a lock file, in which proofs are kept", async () => {
    const dockerfile = `FROM ${base}\nCOPY note /\n`;
    const printed = await site.build({ dockerfile, files: { note: "" }, args: ["--call", "tlog.lock"] });
    const files = { note: "again", "tlog.lock": printed.stdout };
    const evidence = async () => {
      await push("again", { dockerfile, files, args: ["--no-cache"] });
      return (await pushed("again")).attestations[EVIDENCE]?.predicate;
    };
    expect(await evidence()).toEqual(await evidence());
  });

  test("of a build that uses no image at all", async () => {
    await push("scratch", { dockerfile: "FROM scratch\nCOPY note /\n" });
    expect((await pushed("scratch")).attestations[EVIDENCE]?.predicate).toMatchObject({ images: [] });
    const verified = await verify("scratch:1");
    expect(verified.code, verified.output).toBe(0);
    expect(verified.output).toContain("0 images");
  });
});

describe("an image carries none", () => {
  test("when the build argument says so, and the baked policy lets it", async () => {
    const args = ["--build-arg", "TLOG_ATTEST=false"];
    const refused = await site.build({ dockerfile: `FROM ${base}\n`, args });
    expect(refused.output).toContain('"false" is looser than "true"');
    const syntax = await site.derive({ policy: `${site.policy}allow-looser: [attest]\n` });
    await push("unattested", { syntax, args });
    const { attestations } = await pushed("unattested");
    expect(Object.keys(attestations)).toEqual([expect.stringContaining("slsa.dev/provenance")]);
  });

  test("without provenance, and stays the single manifest that it was", async () => {
    await push("single", { args: ["--provenance=false"] });
    expect(await pushed("single")).toMatchObject({ platform: "", attestations: {} });
  });

  test("in a directory or an archive of files", async () => {
    const built = await site.build({
      dockerfile: `FROM ${base}\nCOPY note /\n`,
      files: { note: "files" },
      args: ["--provenance=mode=min", "--output", "type=tar,dest=../files.tar"],
    });
    expectBuilt(built);
    expect(await readFile(join(built.dir, "../files.tar"), "latin1")).not.toContain("tlog.json");
  });
});

describe("the evidence of an image is verified", () => {
  beforeAll(async () => {
    await push("verified", { args: ["--platform", BOTH.join(",")] });
    await push("other");
    await push("skipped", { syntax: undefined });
  });

  test("for all of its platforms, with a table and in JSON, and no log is asked", async () => {
    const table = await verify("verified:1");
    expect(table.code, table.output).toBe(0);
    for (const platform of BOTH) expect(table.output).toContain(`ok  ${platform}  sha256:`);
    expect(table.output).toMatch(new RegExp(`ok {2}unchanged {2}${base.replaceAll(".", "\\.")}`));

    const asked = site.sigstore.log.entries.length;
    const json = await verify("verified:1", { args: ["--call", "tlog.verify,format=json"] });
    const report = JSON.parse(json.stdout) as { outcome: string; platforms: { evidence: string }[] };
    expect(report).toMatchObject({ version: 1, outcome: "pass" });
    expect(report.platforms.map(({ evidence }) => evidence)).toEqual(["found", "found"]);
    expect(site.sigstore.log.entries).toHaveLength(asked);
  });

  test.for([
    { row: "nothing at all on standard input", input: "" },
    { row: "an empty line on standard input", input: "\n" },
  ])("with $row", async ({ input }) => {
    const verified = await verify("verified:1", {
      input,
      args: ["--build-arg", `BUILDKIT_SYNTAX=${site.frontend}`],
    });
    expect(verified.code, verified.output).toBe(0);
  });

  test("for one platform, and for none that it does not have", async () => {
    const one = await verify("verified:1", { args: ["--platform", "linux/arm64"] });
    expect(one.code, one.output).toBe(0);
    expect(one.output).toContain("ok  linux/arm64  sha256:");
    expect(one.output).not.toContain("ok  linux/amd64");
    const none = await verify("verified:1", { args: ["--platform", "linux/s390x"] });
    expect(none.code).not.toBe(0);
    expect(none.output).toMatch(/linux\/s390x|no match for platform/);
  });

  test("by a policy beside the Dockerfile that is stricter than the build was", async () => {
    const files = {
      "tlog.policy.yaml": `version: 1\nrules:\n  - { match: "${base}", min-age: { days: 3, otherwise: block } }\n`,
    };
    const verified = await site.build({
      files,
      dockerfile: "",
      args: ["--call", "tlog.verify", "--build-arg", `TLOG_IMAGE=${registry().address}/verified:1`],
    });
    expect(verified.code, verified.output).toBe(1);
    expect(verified.output).toContain("too-new");
  });

  test("after its base has moved: what was built is what was recorded", async () => {
    const one = await site.pushSystem("moving:1.0", "one");
    await push("of-moving", { dockerfile: `FROM ${one.reference}\n` });
    await site.pushSystem("moving:1.0", "two");
    const verified = await verify("of-moving:1");
    expect(verified.code, verified.output).toBe(0);
    expect(verified.output).toContain(one.digest);
  });

  test.for<{ row: string; image: string; prepare?: () => Promise<void>; says: string }>([
    { row: "was built without us", image: "skipped", says: "no evidence" },
    { row: "was built without provenance", image: "single", says: "no evidence" },
    {
      row: "has the evidence of another image attached",
      image: "moved-evidence",
      prepare: async () => {
        const { manifest } = await pushed("skipped");
        await graft("moved-evidence", { image: manifest.digest, from: "skipped", evidenceOf: "verified" });
      },
      says: "it is about another image",
    },
    {
      row: "has lost its attestations in the registry",
      image: "dropped",
      prepare: async () => {
        await push("dropped");
        const { attestedBy = "" } = await pushed("dropped");
        await deleteManifest(registry(), "dropped", attestedBy);
      },
      says: "the registry has not what the image's index names",
    },
  ])("and is refused when the image $row", async ({ image, prepare, says }) => {
    await prepare?.();
    const verified = await verify(`${image}:1`);
    expect(verified.code, verified.output).toBe(1);
    expect(verified.output).toContain(says);
  });

  test("and an image that is not there, or not shown to everybody, is an error of its own", async () => {
    const verified = await verify("nowhere:1");
    expect(verified.code).not.toBe(0);
    expect(verified.output).toContain(
      `verify "${registry().address}/nowhere:1": BuildKit does not resolve it`,
    );
    const unnamed = await site.build({
      context: "-",
      input: `# syntax=${site.frontend}\n`,
      syntax: undefined,
      args: ["--call", "tlog.verify"],
    });
    expect(unnamed.code).not.toBe(0);
    expect(unnamed.output).toContain("TLOG_IMAGE=");
  });
});

test("cosign verifies a bundle that was cut out of the evidence, where there is no network", async () => {
  await push("cosigned");
  const evidence = (await pushed("cosigned")).attestations[EVIDENCE]?.predicate as
    | EvidencePredicate
    | undefined;
  const bundle = evidence?.images.find(({ reference }) => reference === base)?.bundles[0];
  const directory = await mkdtemp(join(tmpdir(), "cosign-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const verified = async (about: string) =>
    run(
      "unshare",
      [
        "--net",
        "--",
        (await chroot()).tool("cosign"),
        "verify-blob-attestation",
        "--bundle",
        await write("bundle.json", JSON.stringify(bundle)),
        "--trusted-root",
        await write("root.json", JSON.stringify(site.sigstore.trustedRoot)),
        "--key",
        await write("key.pub", publicPem(createPrivateKey(site.key))),
        "--type",
        "https://github.com/tlog-dockerfile/tlog-dockerfile/sighting/v1",
        await write("tag.txt", about),
      ],
      { env: { HOME: directory }, timeoutMs: 60_000 },
    );
  const one = await verified(base);
  expect(one.code, one.output).toBe(0);
  expect((await verified(`${base}x`)).code).not.toBe(0);
});

/** Pushes `NAME:1`: an image with the evidence of another repository's first image attached to it. */
async function graft(
  name: string,
  { image, from, evidenceOf }: { readonly image: string; readonly from: string; readonly evidenceOf: string },
): Promise<void> {
  const own = await stored<Index>(registry(), from, "1");
  const foreign = await stored<Index>(registry(), evidenceOf, "1");
  const attested = foreign.value.manifests.find(({ annotations }) => annotations?.[SUBJECT] !== undefined);
  const plain = own.value.manifests.find(({ digest }) => digest === image);
  if (attested === undefined || plain === undefined) throw new Error("nothing to graft");
  for (const [repository, digest] of [
    [from, plain.digest],
    [evidenceOf, attested.digest],
  ] as const)
    await copyManifest(registry(), { from: repository, to: name, digest });
  await pushIndex(registry(), name, {
    tag: "1",
    index: {
      ...own.value,
      manifests: [plain, { ...attested, annotations: { ...attested.annotations, [SUBJECT]: image } }],
    },
  });
}

describe("engines that are not ours get the pins", () => {
  let one: PushedImage;
  let dockerfile: string;
  beforeAll(async () => {
    one = await site.pushSystem("pinned:1.0", "one");
    dockerfile = `FROM ${one.reference}\nRUN cat /version > /seen\nFROM scratch\nCOPY --from=0 /seen /\n`;
  });

  test("as a source policy of BuildKit, which builds with what was recorded after the tag has moved", async () => {
    const printed = await site.build({ dockerfile, args: ["--call", "tlog.source-policy"] });
    expect(printed.code, printed.output).toBe(0);
    const identifier = `docker-image://${one.reference}`;
    expect(JSON.parse(printed.stdout)).toEqual({
      version: 1,
      rules: [
        {
          action: "CONVERT",
          selector: { identifier },
          updates: { identifier: `${identifier}@${one.digest}` },
        },
      ],
    });
    const policy = join(printed.dir, "../source-policy.json");
    await writeFile(policy, printed.stdout);
    await site.pushSystem("pinned:1.0", "two");

    const seen = async (env: Readonly<Record<string, string>>) => {
      const built = await site.build({
        syntax: undefined,
        dockerfile,
        env,
        args: ["--no-cache", "--output", "type=local,dest=../out"],
      });
      expectBuilt(built);
      return readFile(join(built.dir, "../out/seen"), "utf8");
    };
    expect(await seen({})).toBe("two\n");
    expect(await seen({ EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: policy })).toBe("one\n");
  });

  test("as data for policies in Rego", async () => {
    const { reference, digest } = await site.pushSystem("for-rego:1.0", "one");
    const printed = await site.build({
      dockerfile: `FROM ${reference}\n`,
      args: ["--call", "tlog.rego-data"],
    });
    expect(printed.code, printed.output).toBe(0);
    expect(JSON.parse(printed.stdout)).toEqual({ version: 1, images: { [reference]: digest } });
  });

  test.for(["tlog.source-policy", "tlog.rego-data"])(
    "and %s leaves out what is refused, names it, and is no JSON then",
    async (call) => {
      const name = call.replace(".", "-");
      const moved = await site.pushSystem(`${name}:1.0`, "one");
      const request = {
        dockerfile: `FROM ${base} AS base\nFROM ${moved.reference}\nCOPY --from=base /version /v\n`,
      };
      expectBuilt(await site.build(request));
      await site.pushSystem(`${name}:1.0`, "two");
      const printed = await site.build({ ...request, args: ["--call", call] });
      expect(printed.code, printed.output).toBe(1);
      expect(printed.stdout).toContain(`tag "${moved.reference}" mismatch`);
      expect(() => JSON.parse(printed.stdout) as unknown).toThrow(SyntaxError);
      const json = await site.build({ ...request, args: ["--call", `${call},format=json`] });
      expect(json.code).toBe(1);
      expect(json.stdout).toContain(base);
      expect(json.stdout).not.toContain(moved.reference);
    },
  );
});
