// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { mayImport } from "../../src/policy/cache-from.ts";
import { policyOf, refusalOf, type Texts } from "./sample-policy.ts";

const LIST = 'cache-from: ["ghcr.io/acme/**", acme/cache, "quay.io/acme/*:main", type=gha]';
const CACHES = [
  "ghcr.io/acme/a/cache:1",
  "acme/cache",
  "quay.io/acme/x:main",
  "quay.io/acme/x",
  "type=gha",
  "type=s3",
];

/** The caches of the sample that a build under this policy may import. */
async function imported(texts: Texts): Promise<readonly string[]> {
  const policy = await policyOf(texts);
  return CACHES.filter((cache) =>
    mayImport(
      policy,
      cache.startsWith("type=")
        ? { type: cache.slice("type=".length) }
        : { type: "registry", reference: parseReference(cache) },
    ),
  );
}

function file(text: string): string {
  return `version: 1\n${text}\n`;
}

const ALLOWED = CACHES.filter((cache) => !["quay.io/acme/x", "type=s3"].includes(cache));

describe("results of steps are imported", () => {
  test.for<{ row: string; texts: Texts; gives: readonly string[] }>([
    { row: "from anywhere without a word", texts: {}, gives: CACHES },
    { row: "from anywhere under observe", texts: { repository: file("profile: observe") }, gives: CACHES },
    { row: "from nowhere under strict", texts: { baked: file("profile: strict") }, gives: [] },
    { row: "from nowhere under strict by argument", texts: { args: { TLOG_PROFILE: "strict" } }, gives: [] },
    {
      row: "from what the list names, also under strict",
      texts: { baked: file(`profile: strict\n${LIST}`) },
      gives: ALLOWED,
    },
    { row: "from what a repository's list names", texts: { repository: file(LIST) }, gives: ALLOWED },
    { row: "from nowhere with an empty list", texts: { repository: file("cache-from: []") }, gives: [] },
    {
      row: "from less than the floor names",
      texts: { baked: file(LIST), repository: file('cache-from: ["ghcr.io/acme/a/*"]') },
      gives: ["ghcr.io/acme/a/cache:1"],
    },
    {
      row: "from what the repository names where the floor lets it",
      texts: {
        baked: file("cache-from: []\nallow-looser: [cache-from]"),
        repository: file("cache-from: [type=s3]"),
      },
      gives: ["type=s3"],
    },
    {
      row: "from what the repository names above a floor that says nothing",
      texts: { baked: file("profile: default"), repository: file("cache-from: [type=s3]") },
      gives: ["type=s3"],
    },
  ])("$row", async ({ texts, gives }) => {
    expect(await imported(texts)).toEqual(gives);
  });
});

test.for([
  {
    baked: LIST,
    own: 'cache-from: ["ghcr.io/**"]',
    says: '"ghcr.io/**" is not among the caches "ghcr.io/acme/**", "acme/cache", "quay.io/acme/*:main", "type=gha", which policy.yaml:2 sets;',
  },
  { baked: LIST, own: "cache-from: [type=local]", says: '"type=local" is not among the caches' },
  {
    baked: "cache-from: []",
    own: "cache-from: [type=gha]",
    says: '"type=gha" is a cache, and none is allowed, which',
  },
  {
    baked: "profile: strict",
    own: "cache-from: [type=gha]",
    says: '"type=gha" is a cache, and none is allowed;',
  },
])("$own is refused above $baked", async ({ baked, own, says }) => {
  const error = await refusalOf({ baked: file(baked), repository: file(own) });
  expect(error).toMatchObject({ code: "loosens", line: 2 });
  expect(error.message).toContain(says);
  expect(error.message).toContain('"allow-looser: [cache-from]"');
});

test.for([
  {
    entry: "type=registry",
    says: '"type=registry" is not "type=gha", "type=local", "type=s3" or "type=azblob"; a cache in a registry is named by its repository',
  },
  { entry: "type=gah", says: '(did you mean "type=gha"?)' },
  { entry: "^ghcr", says: "it is not a regular expression" },
])("refuses the entry $entry", async ({ entry, says }) => {
  const error = await refusalOf({ repository: file(`cache-from: [type=s3, "${entry}"]`) });
  expect(error).toMatchObject({ code: "wrong-value", line: 2 });
  expect(error.message).toContain('tlog.policy.yaml:2: "cache-from[1]": ');
  expect(error.message).toContain(says);
});
