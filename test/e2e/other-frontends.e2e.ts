// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { build as bundle } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectBuilt, expectNothingRan, markedLines, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";
import type { BuildOutcome } from "./lab/builds.ts";

let site: Site;
let base: string;
/** BuildKit's own frontend under the name that its labs channel has, as another syntax image. */
let labs: string;

beforeAll(async () => {
  site = await startSite();
  ({ reference: base } = await site.pushSystem("base:1.0", "base"));
  ({ reference: labs } = await site.lab.upstreamFrontend("labs"));
});
afterAll(() => site?.stop());

/** Builds a file that names this frontend, with us in its place. */
function buildBy(syntax: string, lines: string, us = site.frontend): Promise<BuildOutcome> {
  return site.build({
    syntax: undefined,
    dockerfile: `# syntax=${syntax}\n${lines}`,
    args: ["--build-arg", `BUILDKIT_SYNTAX=${us}`],
  });
}

/** An image of the frontend of another kind, started with these arguments. */
async function wordFrontend(tag: string, ...args: readonly string[]): Promise<string> {
  const bundled = await bundle({
    entryPoints: [join(import.meta.dirname, "cases/word-frontend.ts")],
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    write: false,
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  const reference = `${site.lab.registry.address}/word:${tag}`;
  const made = await site.lab.build({
    dockerfile: `FROM ${await site.lab.buildFrontend()}\nCOPY word.mjs /\nENTRYPOINT ${JSON.stringify(["node", "/word.mjs", ...args])}\n`,
    files: { "word.mjs": bundled.outputFiles[0]?.text ?? "" },
    args: ["--provenance=false", "--push", "-t", reference],
  });
  expectBuilt(made);
  return reference;
}

test("another syntax image converts behind the same gate: it is judged, and so is every image that it asks for", async () => {
  const built = await buildBy(labs, `FROM ${base}\nRUN cat /version\n`);
  expectBuilt(built);
  expect(verdictLines(built.output).map((line) => line.split(" ")[0])).toEqual([labs, base]);
  expect(built.output).toMatch(/RUN cat \/version/);
});

test("it gives the same image as when it stands alone", async () => {
  const args = ["--provenance=false", "--output", "type=oci,dest=../image.tar,tar=true"];
  const dockerfile = `FROM ${base}\nRUN echo same > /same\nENV A=b\n`;
  const alone = await site.build({ syntax: labs, dockerfile, args });
  expectBuilt(alone);
  const behind = await site.build({
    syntax: labs,
    dockerfile,
    args: [...args, "--build-arg", `BUILDKIT_SYNTAX=${site.frontend}`],
  });
  expectBuilt(behind);
  const manifest = (output: string) => /exporting manifest (sha256:[0-9a-f]{64})/.exec(output)?.[1];
  expect(manifest(alone.output)).toBeDefined();
  expect(manifest(behind.output)).toBe(manifest(alone.output));
});

test("a base that moved is refused there too, at its line", async () => {
  const { reference } = await site.pushSystem("moves:1.0", "one");
  const dockerfile = `FROM ${reference}\nRUN cat /version\n`;
  expectBuilt(await buildBy(labs, dockerfile));
  await site.pushSystem("moves:1.0", "two");
  const refused = await buildBy(labs, dockerfile);
  expect(refused.output).toContain(`tag "${reference}" mismatch`);
  expect(markedLines(refused.output)).toEqual([`FROM ${reference}`]);
  expectNothingRan(refused);
});

test("a syntax image that moved is refused before it runs, at the syntax line", async () => {
  const tag = await wordFrontend("moves");
  expectBuilt(await buildBy(tag, `image ${base}\nrun cat /version\n`));
  await wordFrontend("moves", "--lie");
  const refused = await buildBy(tag, `image ${base}\nrun cat /version\n`);
  expect(refused.output).toContain(`tag "${tag}" mismatch`);
  expect(markedLines(refused.output)).toEqual([`# syntax=${tag}`]);
  expectNothingRan(refused);
});

test("a frontend of another kind converts its own syntax, and its image is judged", async () => {
  const word = await wordFrontend("1");
  const built = await buildBy(word, `image ${base}\nrun cat /version\n`);
  expectBuilt(built);
  expect(verdictLines(built.output).map((line) => line.split(" ")[0])).toEqual([word, base]);
  expect(built.output).toContain("run cat /version");
});

test("one that uses an image without asking is refused, and nothing of it runs", async () => {
  const liar = await wordFrontend("liar", "--lie");
  const evil = await site.pushSystem("evil:1.0", "evil");
  const refused = await buildBy(liar, `image ${evil.reference}@${evil.digest}\nrun cat /version\n`);
  expect(refused.output).toContain(
    `uses image "${evil.reference}@${evil.digest}", which it was not answered`,
  );
  expectNothingRan(refused);
  const fetched = site.lab.registry
    .requests()
    .filter((line) => line.includes("/v2/evil/") && line.startsWith("GET"));
  expect(fetched).toEqual([]);
});

test("a policy can forbid other frontends than the standard one", async () => {
  const strict = await site.derive({ policy: `${site.policy}syntax: block\n` });
  const refused = await buildBy(labs, `FROM ${base}\n`, strict);
  expect(refused.output).toContain('the policy lets none convert it ("syntax: block")');
  expectNothingRan(refused);
  expectBuilt(await buildBy("docker/dockerfile:1", `FROM ${base}\nRUN cat /version\n`, strict));
});

test("a policy can name the image that converts", async () => {
  const named = await site.derive({ policy: `${site.policy}conversion: "${labs}"\n` });
  const built = await site.build({ syntax: named, dockerfile: `FROM ${base}\nRUN cat /version\n` });
  expectBuilt(built);
  expect(verdictLines(built.output).map((line) => line.split(" ")[0])).toContain(labs);
});

test("docker/dockerfile:1 in the file is converted by what we bring along", async () => {
  const built = await buildBy("docker/dockerfile:1.4", `FROM ${base}\nRUN cat /version\n`);
  expectBuilt(built);
  expect(verdictLines(built.output).map((line) => line.split(" ")[0])).toEqual([base]);
});

test("an image that is no frontend is one clear error", async () => {
  const { reference } = await site.pushSystem("no-frontend:1", "x");
  const failed = await buildBy(reference, `FROM ${base}\n`);
  expect(failed.output).toMatch(/the frontend "\S+" has no entrypoint, so it is no frontend/);
  expectNothingRan(failed);
});
