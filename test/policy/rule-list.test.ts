// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { policyOf, refusalOf } from "./sample-policy.ts";

function rules(...lines: readonly string[]): { readonly baked: string } {
  return { baked: `version: 1\nrules:\n${lines.map((line) => `  - ${line}\n`).join("")}` };
}

describe("rules that say nothing, match nothing, or never count are refused with their line", () => {
  test.for([
    {
      row: "no rules",
      texts: { baked: "version: 1\nrules: []\n" },
      says: 'policy.yaml:2: "rules" is empty; leave it out, or put something into it',
    },
    {
      row: "no list",
      texts: { baked: "version: 1\nrules: { match: alpine }\n" },
      says: 'policy.yaml:2: "rules" must be a list, not a mapping',
    },
    {
      row: "no pattern",
      texts: rules("{ action: pin }"),
      says: 'policy.yaml:3: "rules[0].match" is missing',
    },
    {
      row: "an empty list of patterns",
      texts: rules("{ match: [], action: pin }"),
      says: 'policy.yaml:3: "rules[0].match" is empty',
    },
    {
      row: "an empty pattern",
      texts: rules('{ match: "", action: pin }'),
      says: 'policy.yaml:3: "rules[0].match": "": it is empty; "**" matches every image',
    },
    {
      row: "a number for a pattern",
      texts: rules("{ match: 3.16, action: pin }"),
      says: 'policy.yaml:3: "rules[0].match" must be a pattern or a list of patterns, not number 3.16',
    },
    {
      row: "a number in a list of patterns",
      texts: rules("{ match: [alpine, 3], action: pin }"),
      says: 'policy.yaml:3: "rules[0].match[1]" must be text, not number 3',
    },
    {
      row: "a regular expression in a list of patterns",
      texts: rules("{ match: [alpine, '^debian$'], action: pin }"),
      says: 'policy.yaml:3: "rules[0].match[1]": "^debian$": it is not a regular expression',
    },
    {
      row: "a rule without a word",
      texts: rules("{ match: alpine }"),
      says: 'policy.yaml:3: "rules[0]": it says nothing; give it "action", "unseen", "unknown", "min-age", "private" or "by-digest"',
    },
    {
      row: "an action that does not exist",
      texts: rules("{ match: alpine, action: pinn }"),
      says: '"rules[0].action" must be "ignore", "follow", "warn", "pin" or "block", not the text "pinn" (did you mean "pin"?)',
    },
    {
      row: "an action in two words",
      texts: rules("{ match: alpine, action: [pin, warn] }"),
      says: '"rules[0].action" must be "ignore", "follow", "warn", "pin" or "block", not a list',
    },
    {
      row: "days that are no whole number",
      texts: rules("{ match: alpine, min-age: 1.5 }"),
      says: '"rules[0].min-age" must be a whole number from 0 to 3650, not number 1.5',
    },
    {
      row: "days in words",
      texts: rules("{ match: alpine, min-age: 3d }"),
      says: '"rules[0].min-age" must be a whole number of days from 0 to 3650, or a mapping with "days" and "otherwise", not the text "3d"',
    },
    { row: "negative days", texts: rules("{ match: alpine, min-age: -1 }"), says: "not number -1" },
    {
      row: "too many days in a mapping",
      texts: rules("{ match: alpine, min-age: { days: 9999 } }"),
      says: '"rules[0].min-age.days" must be a whole number from 0 to 3650, not number 9999',
    },
    {
      row: "a mapping without days",
      texts: rules("{ match: alpine, min-age: { otherwise: warn } }"),
      says: '"rules[0].min-age.days" is missing',
    },
    {
      row: "another key in a mapping of days",
      texts: rules("{ match: alpine, min-age: { days: 3, else: warn } }"),
      says: 'the key "else" is not known in "rules[0].min-age"; allowed there: days, otherwise',
    },
    {
      row: "another key in a rule",
      texts: rules("{ match: alpine, acton: pin }"),
      says: 'policy.yaml:3: the key "acton" is not known in "rules[0]" (did you mean "action"?); allowed there: match, action, unseen, unknown, min-age, private',
    },
    {
      row: "the same pattern again",
      texts: rules("{ match: alpine, action: pin }", "{ match: docker.io/library/alpine, action: warn }"),
      says: 'policy.yaml:4: "rules[1]": it never counts: all that it matches is matched by the rule at policy.yaml:3; put it before, or leave it out',
    },
    {
      row: "a tag after all tags",
      texts: rules("{ match: alpine, action: pin }", '{ match: "alpine:3.*", action: warn }'),
      says: "policy.yaml:4: ",
    },
    {
      row: "anything after everything",
      texts: rules('{ match: "**", action: pin }', '{ match: "**:dev", private: true }'),
      says: "matched by the rule at policy.yaml:3",
    },
    {
      row: "two patterns, each hidden by another rule",
      texts: rules(
        "{ match: alpine, action: pin }",
        "{ match: debian, action: pin }",
        '{ match: ["alpine:3", "debian:12"], action: warn }',
      ),
      says: 'policy.yaml:5: "rules[2]": it never counts: all that it matches is matched by the rules at policy.yaml:3, policy.yaml:4;',
    },
  ])("$row", async ({ texts, says }) => {
    const error = await refusalOf(texts);
    expect(error.message).toContain(says);
    expect(error.message.split("\n")).toHaveLength(1);
  });

  test.for([
    {
      row: "that overlap",
      texts: rules('{ match: "alpine:3.*", action: pin }', "{ match: alpine, action: warn }"),
    },
    {
      row: "of which a part is matched before",
      texts: rules("{ match: alpine, action: pin }", "{ match: [alpine, debian], action: warn }"),
    },
    {
      row: "that cross",
      texts: rules('{ match: "ghcr.io/**:dev", action: pin }', '{ match: "**/app", action: warn }'),
    },
  ])("but not rules $row", async ({ texts }) => {
    expect((await policyOf(texts)).rules[0]?.rules).toHaveLength(2);
  });
});

test.for([
  {
    row: "501 rules",
    file: `rules:\n${"  - { match: alpine, action: pin }\n".repeat(501)}`,
    says: '"rules" has more than 500 entries',
  },
  {
    row: "101 patterns",
    file: `rules: [{ match: [${"alpine,".repeat(101)}], action: pin }]`,
    says: '"rules[0].match" has more than 100 entries',
  },
  { row: "10 MB", file: "#".repeat(10 * 1024 * 1024), says: "policy.yaml: it is larger than 64 KiB" },
])("a file of $row is refused", async ({ file, says }) => {
  expect((await refusalOf({ baked: `version: 1\n${file}\n` })).message).toContain(says);
});

function crowd(patterns: number): { readonly baked: string } {
  const lists = Array.from({ length: patterns / 10 }, (_, rule) =>
    Array.from({ length: 10 }, (__, place) => `"ghcr.io/acme/a${rule}x*b${place}x*:*"`).join(", "),
  );
  return rules(...lists.map((list) => `{ match: [${list}], action: pin }`));
}

test("a thousand patterns are no wait", async () => {
  const started = performance.now();
  expect((await policyOf(crowd(1_000))).rules[0]?.rules).toHaveLength(100);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("more are refused", async () => {
  expect((await refusalOf(crowd(1_010))).message).toBe(
    'policy.yaml:2: "rules": there are 1010 patterns in all, and 1000 are allowed; use wildcards',
  );
});

describe("other keys", () => {
  test.for([
    {
      row: "log and logs",
      text: "log: { url: https://a.b }\nlogs: [{ url: https://a.c }]",
      says: 'policy.yaml:2: "log": there is "logs" too; put this one into that list',
    },
    {
      row: "a log twice",
      text: "logs: [{ url: https://a.b }, { url: https://A.b/ }]",
      says: 'policy.yaml:2: "logs[1].url": "https://a.b" is there twice',
    },
    { row: "no logs", text: "logs: []", says: '"logs" is empty' },
    {
      row: "another API",
      text: "log: { url: https://a.b, api: 3 }",
      says: '"log.api" must be 1 or 2, not number 3',
    },
    {
      row: "an API as text",
      text: "log: { url: https://a.b, api: '1' }",
      says: '"log.api" must be 1 or 2, not the text "1"',
    },
    {
      row: "no help in signing",
      text: "signing: {}",
      says: '"signing": it is empty; it has "fulcio", "timestamps" or both',
    },
    {
      row: "a timestamp authority in plain http",
      text: "signing: { timestamps: [http://a.b/x] }",
      says: '"signing.timestamps[0]": "http://a.b/x": plain http is for loopback',
    },
    {
      row: "a profile that does not exist",
      text: "profile: strct",
      says: '"profile" must be "observe", "default" or "strict", not the text "strct" (did you mean "strict"?)',
    },
    {
      row: "a lock file outside",
      text: "lock: ../tlog.lock",
      says: '"lock": "../tlog.lock" is not the path of a ".lock" file within the build context, such as "ci/tlog.lock"',
    },
    {
      row: "a lock file from the root",
      text: "lock: /tlog.lock",
      says: "within the build context",
    },
    {
      row: "a lock file where git keeps its own",
      text: "lock: .git/index.lock",
      says: "within the build context",
    },
    {
      row: "a lock file that is something else",
      text: "lock: Dockerfile",
      says: 'the path of a ".lock" file',
    },
    { row: "a lock file of nowhere", text: "lock: ''", says: "within the build context" },
    {
      row: "a question at another time",
      text: "recheck: weekly",
      says: '"recheck" must be "never", "daily" or "always", not the text "weekly"',
    },
    {
      row: "a word for a flag",
      text: "attest: no",
      says: '"attest" must be true or false, not the text "no"',
    },
    {
      row: "a TUF repository in plain http",
      text: "tuf: http://a.b",
      says: '"tuf": "http://a.b": plain http is for loopback',
    },
    {
      row: "no time",
      text: "timeout: 0",
      says: '"timeout" must be a whole number from 1 to 600, not number 0',
    },
    {
      row: "half a second",
      text: "timeout: 0.5",
      says: '"timeout" must be a whole number from 1 to 600, not number 0.5',
    },
    {
      row: "a key that nobody may loosen",
      text: "allow-looser: [lock]",
      says: '"allow-looser[0]" must be "action"',
    },
    {
      row: "an empty list of permissions",
      text: "trust: [{ issuer: https://a.b, identity: c, may: [] }]",
      says: '"trust[0].may" is empty',
    },
    {
      row: "a permission that does not exist",
      text: "trust: [{ issuer: https://a.b, identity: c, may: [aprove] }]",
      says: '"trust[0].may[0]" must be "record", "approve" or "vouch", not the text "aprove" (did you mean "approve"?)',
    },
    {
      row: "an identity and a pattern",
      text: "trust: [{ issuer: https://a.b, identity: c, identity-pattern: d* }]",
      says: 'a signer is "key" alone, or "issuer" together with "identity" or with "identity-pattern"',
    },
    {
      row: "a signer twice",
      text: "trust: [{ issuer: https://a.b, identity: c }, { issuer: https://a.b, identity: c, may: [approve] }]",
      says: '"trust[1]": this signer is there twice; write one entry with all that it may',
    },
    {
      row: "a pattern without a wildcard",
      text: "trust: [{ issuer: https://a.b, identity-pattern: c }]",
      says: '"trust[0]": the pattern "c" has no "*"',
    },
  ])("refuses $row", async ({ text, says }) => {
    const error = await refusalOf({ baked: `version: 1\n${text}\n` });
    expect(error).toMatchObject({ code: "wrong-value", line: 2 });
    expect(error.message).toContain(says);
    expect(error.message.split("\n")).toHaveLength(1);
  });

  test("tlogistry's records are for identities", async () => {
    const { ALICE, asBlock } = await import("./signers.ts");
    const error = await refusalOf({
      baked: `version: 1\ntrust:\n  - tlogistry: true\n    key: |\n${asBlock(ALICE.publicPem)}\n`,
    });
    expect(error.message).toContain("tlogistry signed with certificates alone");
  });
});
