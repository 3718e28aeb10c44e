// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityToken } from "../sigstore/identity-token.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.stop());

test("an identity token records a tag, which then no key is needed to check, until the tag moves", async () => {
  const keyless = await site.derive({
    policy: `${site.policy}signing: { fulcio: "${site.sigstore.url}" }\n`,
  });
  const trusting = await site.derive({
    policy: `${site.policy}trust:\n  - { issuer: https://accounts.google.com, identity: ci@acme.example }\n`,
  });
  const one = await site.pushSystem("keyless:1.0", "one");
  const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
  const token = identityToken();

  const first = await site.build({ syntax: keyless, dockerfile, secrets: { "tlog-identity-token": token } });
  expectBuilt(first);
  expect(verdictLines(first.output)[0]).toMatch(/ first seen, recorded: .* by ci@acme\.example \(/);
  const second = await site.build({ syntax: trusting, sign: false, dockerfile });
  expectBuilt(second);
  expect(verdictLines(second.output)[0]).toMatch(/ unchanged since .* by ci@acme\.example \(/);

  const two = await site.pushSystem("keyless:1.0", "two");
  const third = await site.build({ syntax: trusting, sign: false, dockerfile });
  expect(third.code).not.toBe(0);
  expect(third.output).toContain(`mismatch; got "${two.digest}", want "${one.digest}"`);
  expect(third.output).toContain("by ci@acme.example (");
  expectNothingRan(third);

  for (const part of token.split(".")) {
    expect(first.output).not.toContain(part);
    expect(await site.lab.engineLog()).not.toContain(part);
  }
});

test("a token that has run out records nothing, and the build says so without showing it", async () => {
  const keyless = await site.derive({
    policy: `${site.policy}signing: { fulcio: "${site.sigstore.url}" }\n`,
  });
  const { reference } = await site.pushSystem("keyless-late:1.0", "one");
  const token = identityToken({}, new Date(Date.now() - 3_600_000));
  const built = await site.build({
    syntax: keyless,
    dockerfile: `FROM ${reference}\nRUN cat /version\n`,
    secrets: { "tlog-identity-token": token },
  });
  expect(built.code).not.toBe(0);
  expect(built.output).toMatch(/"tlog-identity-token" .*it expired /);
  expect(site.entriesOf(reference)).toEqual([]);
  expectNothingRan(built);
  for (const part of token.split(".")) expect(built.output).not.toContain(part);
});
