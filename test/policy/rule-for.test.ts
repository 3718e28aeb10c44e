// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { ruleFor } from "../../src/policy/rule-for.ts";
import { policyOf, refusalOf, type Texts } from "./sample-policy.ts";

async function rule(texts: Texts, image: string) {
  return ruleFor(await policyOf(texts), parseReference(image));
}

const RULES = `version: 1
rules:
  - match: alpine:edge
    action: ignore
  - match: [alpine, "node:2*"]
    action: warn
    unseen: block
  - match: "ghcr.io/acme/**"
    min-age: 3
    private: true
  - { match: "**:dev", action: follow, unknown: warn, min-age: { days: 0 } }
default: { unseen: allow, min-age: { days: 7, otherwise: warn } }
`;

describe("the first rule that matches counts, and where it says nothing the default does", () => {
  test.for([
    {
      row: "a rule for one tag, before one for all tags",
      image: "alpine:edge",
      gives: {
        action: "ignore",
        unseen: "allow",
        source: "policy.yaml:4",
        why: 'the rule for "alpine:edge"',
      },
    },
    {
      row: "the second pattern of a list",
      image: "node:22.4.1",
      gives: { action: "warn", unseen: "block", source: "policy.yaml:6", why: 'the rule for "node:2*"' },
    },
    {
      row: "a rule that leaves the action to the tag's shape",
      image: "ghcr.io/acme/app:1.2.3",
      gives: {
        action: "block",
        minAge: { days: 3, otherwise: "block" },
        private: true,
        source: "default: full version",
      },
    },
    {
      row: "no days as a minimum",
      image: "acme/app:dev",
      gives: { action: "follow", unknown: "warn", source: "policy.yaml:11" },
    },
    {
      row: "no rule",
      image: "debian:bookworm-20240701",
      gives: {
        action: "block",
        unseen: "allow",
        unknown: "block",
        minAge: { days: 7, otherwise: "warn" },
        private: false,
        source: "default: dated tag",
        why: "dated tags are written once",
      },
    },
  ])("$row", async ({ image, gives }) => {
    expect(await rule({ baked: RULES }, image)).toMatchObject(gives);
  });

  test("no days leave no minimum", async () => {
    expect(await rule({ baked: RULES }, "acme/app:dev")).not.toHaveProperty("minAge");
  });

  test.for([
    { row: "a host in capitals", image: "GHCR.io/acme/app:1.2.3", min: 3 },
    { row: "a host with a port", image: "ghcr.io:444/acme/app:1.2.3", min: 7 },
    { row: "a host with the default port", image: "ghcr.io:443/acme/app:1.2.3", min: 3 },
    { row: "a digest beside the tag", image: `ghcr.io/acme/app:1@sha512:${"0".repeat(128)}`, min: 3 },
    { row: "300 characters", image: `ghcr.io/acme/${"a".repeat(170)}:${"b".repeat(120)}`, min: 3 },
  ])("an image with $row", async ({ image, min }) => {
    expect((await rule({ baked: RULES }, image)).minAge?.days).toBe(min);
  });
});

test("an image may be named by its digest alone unless a rule or the default wants a tag", async () => {
  const baked = `version: 1\nrules: [{ match: "ghcr.io/acme/**", by-digest: block }]\n`;
  const { tag: _, ...untagged } = parseReference("ghcr.io/acme/app");
  expect(ruleFor(await policyOf({ baked }), untagged).byDigest).toBe("block");
  expect((await rule({ baked }, "alpine")).byDigest).toBe("allow");
  expect((await rule({ baked: "version: 1\ndefault: { by-digest: block }\n" }, "alpine")).byDigest).toBe(
    "block",
  );
});

describe("a profile", () => {
  test.for([
    { row: "strict blocks floating tags", profile: "strict", image: "alpine", action: "block" },
    { row: "strict blocks rebuilt versions", profile: "strict", image: "node:22.4.1", action: "block" },
    { row: "default follows floating tags", profile: "default", image: "alpine", action: "follow" },
    { row: "default pins rebuilt versions", profile: "default", image: "node:22.4.1", action: "pin" },
    { row: "observe judges as default does", profile: "observe", image: "acme/app:1.2.3", action: "block" },
  ])("$row", async ({ profile, image, action }) => {
    const policy = await policyOf({ repository: `version: 1\nprofile: ${profile}\n` });
    expect(policy.profile).toBe(profile);
    expect(ruleFor(policy, parseReference(image)).action).toBe(action);
  });

  test("strict leaves what a rule or the default says", async () => {
    const repository = "version: 1\nprofile: strict\nrules: [{ match: '**:dev', action: follow }]\n";
    expect((await rule({ repository }, "acme/app:dev")).action).toBe("follow");
    expect(await rule({ repository }, "acme/app:edge")).toMatchObject({
      action: "block",
      source: "tlog.policy.yaml:2",
      why: 'the profile "strict" blocks every tag that moved',
    });
  });

  test("a build argument names it too", async () => {
    expect(await rule({ args: { TLOG_PROFILE: "strict" } }, "alpine")).toMatchObject({
      action: "block",
      source: "TLOG_PROFILE",
    });
  });
});

describe("of a baked file and a repository's file the stricter word counts, part by part", () => {
  const BAKED = `version: 1
rules:
  - { match: "ghcr.io/acme/**", action: pin, min-age: { days: 7, otherwise: warn }, private: true }
  - { match: "**:dev", action: follow, unseen: allow }
`;
  const withRule = (rules: string): Texts => ({
    baked: BAKED,
    repository: `version: 1\nrules: [${rules}]\n`,
  });

  test.for([
    {
      row: "a stricter action",
      own: 'match: "**", action: block',
      image: "ghcr.io/acme/app:1",
      gives: { action: "block", source: "tlog.policy.yaml:2" },
    },
    {
      row: "more days",
      own: 'match: "**", min-age: 9',
      image: "ghcr.io/acme/app:1",
      gives: { minAge: { days: 9, otherwise: "block" } },
    },
    {
      row: "fewer days that block instead",
      own: 'match: "**", min-age: 3',
      image: "ghcr.io/acme/app:1",
      gives: { minAge: { days: 7, otherwise: "block" } },
    },
    {
      row: "a name that is kept private",
      own: 'match: "**", private: false',
      image: "ghcr.io/acme/app:1",
      gives: { private: false },
    },
    {
      row: "a stricter word about new tags",
      own: 'match: "acme/*", unseen: record',
      image: "acme/app:dev",
      gives: { unseen: "record", action: "follow" },
    },
    {
      row: "an action that is stricter than the default of the floor, which says none",
      own: "match: alpine, action: block",
      image: "alpine:edge",
      gives: { action: "block", source: "tlog.policy.yaml:2" },
    },
    {
      row: "a tag that is wanted beside each digest",
      own: 'match: "**", by-digest: block',
      image: "acme/app:1",
      gives: { byDigest: "block" },
    },
  ])("$row holds", async ({ own, image, gives }) => {
    expect(await rule(withRule(`{ ${own} }`), image)).toMatchObject(gives);
  });

  test("a looser word that counts elsewhere gives way, and is told", async () => {
    expect(await rule(withRule('{ match: "**", action: follow }'), "ghcr.io/acme/app:1")).toMatchObject({
      action: "pin",
      source: "policy.yaml:3",
      why: 'the rule for "ghcr.io/acme/**"; tlog.policy.yaml:2 says "follow", which is looser',
    });
  });

  test("a profile of the floor is a word about every image", async () => {
    const texts = { baked: "version: 1\nprofile: strict\n", repository: "version: 1\nprofile: strict\n" };
    expect((await rule(texts, "alpine")).action).toBe("block");
    const error = await refusalOf({
      ...texts,
      repository: "version: 1\nrules: [{ match: alpine, action: pin }]\n",
    });
    expect(error.message).toBe(
      'tlog.policy.yaml:2: "pin" is looser than "block", which policy.yaml:2 sets; leave it out: only a policy baked into the frontend image may say it, or allow it with "allow-looser: [action]" (docs/policy.md, "The floor")',
    );
  });

  test("a stricter profile above the floor leaves what the floor says of other things", async () => {
    const baked = "version: 1\nrules: [{ match: alpine, unseen: allow, private: true, action: follow }]\n";
    const texts = { baked, args: { TLOG_PROFILE: "strict" } };
    expect(await rule(texts, "alpine")).toMatchObject({ action: "block", unseen: "allow", private: true });
  });

  test.for([
    { part: "action", value: "ignore" },
    { part: "unseen", value: "allow" },
    { part: "unknown", value: "warn" },
    { part: "private", value: "true" },
    { part: "by-digest", value: "allow" },
  ])("what allow-looser names, $part, is for the repository to say", async ({ part, value }) => {
    const floor = "action: block, unseen: block, unknown: block, private: false, by-digest: block";
    const baked = `version: 1\nrules: [{ match: "**", ${floor} }]\nallow-looser: [${part}]\n`;
    const repository = `version: 1\nrules: [{ match: alpine, ${part}: ${value} }]\n`;
    const name = part === "by-digest" ? "byDigest" : (part as "action");
    expect(String((await rule({ baked, repository }, "alpine"))[name])).toBe(value);
    const refused = await refusalOf({ baked: baked.replace(`[${part}]`, "[min-age]"), repository });
    expect(refused.message).toContain("is looser than");
  });

  test("a profile above the floor loosens no rule of it, even if rules may be loosened", async () => {
    const baked = "version: 1\nrules: [{ match: alpine, action: block }]\nallow-looser: [action]\n";
    const repository = "version: 1\nprofile: default\n";
    expect((await rule({ baked, repository }, "alpine")).action).toBe("block");
  });
});
