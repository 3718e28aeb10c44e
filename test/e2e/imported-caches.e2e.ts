// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectBuilt, expectNothingRan } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;
/** An image that somebody built and pushed together with the results of its steps. */
let cache: string;
let dockerfile: string;

beforeAll(async () => {
  site = await startSite();
  const { reference } = await site.pushSystem("base:1.0", "one");
  dockerfile = `FROM ${reference}\nRUN cat /version > /seen\n`;
  cache = `${site.lab.registry.address}/acme/cached:1`;
  expectBuilt(
    await site.build({
      syntax: undefined,
      dockerfile,
      args: ["--cache-to", "type=inline", "-t", cache, "--push"],
    }),
  );
});
afterAll(() => site?.stop());

const from = () => ["--cache-from", `type=registry,ref=${cache}`];

test("a strict policy that names no cache lets no results in", async () => {
  const built = await site.build({ dockerfile, args: from() });
  expect(built.output).toContain(
    `the build imports results from the cache "${cache}", and the policy does not let results come from there`,
  );
  expectNothingRan(built);
});

test("results come from a cache that the policy names", async () => {
  const pattern = `${site.lab.registry.address}/acme/*`;
  const syntax = await site.derive({ policy: `${site.policy}cache-from: ["${pattern}"]\n` });
  const built = await site.build({ syntax, dockerfile, args: from() });
  expectBuilt(built);
  expect(built.output).toContain(`importing cache manifest from ${cache}`);
});

test("the default profile lets them in, and a baked list of others does not", async () => {
  const policy = site.policy.replace("profile: strict", "profile: default");
  const open = await site.build({ syntax: await site.derive({ policy }), dockerfile, args: from() });
  expectBuilt(open);
  const listed = await site.derive({ policy: `${policy}cache-from: ["ghcr.io/acme/*", "type=gha"]\n` });
  const built = await site.build({ syntax: listed, dockerfile, args: from() });
  expect(built.output).toContain(`the cache "${cache}"`);
  expectNothingRan(built);
});
