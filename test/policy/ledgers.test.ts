// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { conversionEnvironment } from "../../src/conversion/environment.ts";
import { ledgerTrust } from "../../src/policy/ledgers.ts";
import type { EffectivePolicy } from "../../src/policy/policy.ts";
import { renderPolicy } from "../../src/policy/policy-text.ts";
import { policyOf, refusalOf, type Texts } from "./sample-policy.ts";
import { ALICE, asBlock, BOB } from "./signers.ts";

const ISSUER = "https://issuer.example";
const REPOSITORY = "ghcr.io/acme/tlog-ledger";
const OBSERVER = `{ issuer: ${ISSUER}, identity: observer@acme.example }`;
const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;

/** A file with one ledger, and with more of its keys. */
function file(more = "", repository = REPOSITORY): string {
  return `version: 1\nledgers:\n  - { repository: "${repository}", observer: ${OBSERVER}${more === "" ? "" : `, ${more}`} }\n`;
}

const IN_IMAGE = JSON.stringify([
  { repository: REPOSITORY, observer: { issuer: ISSUER, identity: "observer@acme.example" } },
]);

function shown({ ledgers }: EffectivePolicy): readonly string[] {
  return ledgers.map(({ repository, maxAgeMs }) => `${repository} ${maxAgeMs / HOUR_MS}h`);
}

describe("a ledger is read as", () => {
  test.for<{ row: string; more?: string; repository?: string; expected: object }>([
    {
      row: "its repository and its observer, with a head of seven days at most and no approvers",
      expected: {
        repository: REPOSITORY,
        observer: { kind: "identity", issuer: ISSUER, identity: "observer@acme.example" },
        approvers: [],
        maxAgeMs: 7 * DAY_MS,
      },
    },
    { row: "an age in hours", more: "max-age: 12h", expected: { maxAgeMs: 12 * HOUR_MS } },
    { row: "the longest age", more: "max-age: 365d", expected: { maxAgeMs: 365 * DAY_MS } },
    {
      row: "its approvers",
      more: `approvers: [{ issuer: ${ISSUER}, identity-pattern: "https://github.com/acme/*" }]`,
      expected: {
        approvers: [{ kind: "identity-pattern", issuer: ISSUER, pattern: "https://github.com/acme/*" }],
      },
    },
    {
      row: "the one name of its repository",
      repository: "GHCR.IO:443/acme/tlog-ledger",
      expected: { repository: REPOSITORY },
    },
    {
      row: "a repository of Docker Hub",
      repository: "acme/tlog-ledger",
      expected: { repository: "docker.io/acme/tlog-ledger" },
    },
  ])("$row", async ({ more, repository, expected }) => {
    expect(await policyOf({ repository: file(more, repository) })).toMatchObject({ ledgers: [expected] });
  });

  test("a key that observes", async () => {
    const text = `version: 1\nledgers:\n  - repository: ${REPOSITORY}\n    observer:\n     key: |\n${asBlock(ALICE.publicPem)}\n`;
    expect(await policyOf({ repository: text })).toMatchObject({
      ledgers: [{ observer: { kind: "key" } }],
    });
  });
});

describe("what is no ledger is refused, with its line and what to do", () => {
  const entry = (text: string) => `version: 1\nledgers:\n  - ${text}\n`;
  test.for([
    {
      row: "a tag",
      text: file("", `${REPOSITORY}:v1`),
      says: `tlog.policy.yaml:3: "ledgers[0].repository": "${REPOSITORY}:v1": a ledger is a whole repository; leave the tag or the digest out`,
    },
    {
      row: "a digest",
      text: file("", `${REPOSITORY}@sha256:${"a".repeat(64)}`),
      says: "a ledger is a whole repository; leave the tag or the digest out",
    },
    { row: "no name", text: file("", "ghcr.io/ACME"), says: '"ledgers[0].repository": "ghcr.io/ACME"' },
    ...["7", "0d", "366d", "8761h", "1w", "7 d", "-1d", "1.5d", ""].map((age) => ({
      row: `the age "${age}"`,
      text: file(`max-age: "${age}"`),
      says: `"ledgers[0].max-age": "${age}" is not a number and "h" or "d", from "1h" to "365d"`,
    })),
    {
      row: "an age without a unit",
      text: file("max-age: 7"),
      says: '"ledgers[0].max-age" must be a number and "h" or "d", from "1h" to "365d", not number 7',
    },
    {
      row: "no observer",
      text: entry(`{ repository: ${REPOSITORY} }`),
      says: '"ledgers[0].observer" is missing',
    },
    {
      row: "no repository",
      text: entry(`{ observer: ${OBSERVER} }`),
      says: '"ledgers[0].repository" is missing',
    },
    {
      row: "an observer with permissions of its own",
      text: entry(
        `{ repository: ${REPOSITORY}, observer: { issuer: ${ISSUER}, identity: a, may: [approve] } }`,
      ),
      says: 'the key "may" is not known in "ledgers[0].observer"; allowed there: key, issuer, identity, identity-pattern',
    },
    {
      row: "half a signer",
      text: file(`approvers: [{ issuer: ${ISSUER} }]`),
      says: '"ledgers[0].approvers[0]": a signer is "key" alone, or "issuer" together with',
    },
    {
      row: "an approver twice",
      text: file(`approvers: [${OBSERVER}, ${OBSERVER}]`),
      says: '"ledgers[0].approvers[1]": this signer is there twice',
    },
    {
      row: "a ledger twice, in two spellings",
      text: `${file()}  - { repository: "ghcr.io:443/acme/tlog-ledger", observer: ${OBSERVER} }\n`,
      says: `"ledgers[1].repository": "${REPOSITORY}" is there twice`,
    },
    {
      row: "too many",
      text: `version: 1\nledgers:\n${Array.from({ length: 17 }, (_, index) => `  - { repository: "${REPOSITORY}-${index}", observer: ${OBSERVER} }\n`).join("")}`,
      says: '"ledgers" has more than 16 entries',
    },
  ])("$row", async ({ text, says }) => {
    expect((await refusalOf({ repository: text })).message).toContain(says);
  });

  test("and a private key in it is not repeated", async () => {
    const text = entry(`{ repository: ${REPOSITORY}, observer: "${ALICE.privatePem.slice(40, 80)}" }`);
    const { message } = await refusalOf({ repository: text });
    expect(message).toContain('"ledgers[0].observer" must be a mapping of keys to values, not text');
    expect(message).not.toContain(ALICE.privatePem.slice(40, 80));
  });
});

describe("the ledgers of the frontend image", () => {
  test.for<{ row: string; texts: Texts; expected: readonly string[] }>([
    {
      row: "are read where nobody says which",
      texts: { ledgers: IN_IMAGE },
      expected: [`${REPOSITORY} 168h`],
    },
    { row: "are none when the variable is empty", texts: { ledgers: " \n" }, expected: [] },
    { row: "may be an empty list", texts: { ledgers: "[]" }, expected: [] },
    {
      row: "are replaced by a repository's own",
      texts: { ledgers: IN_IMAGE, repository: file("", "ghcr.io/other/ledger") },
      expected: ["ghcr.io/other/ledger 168h"],
    },
    {
      row: "are left out by a repository",
      texts: { ledgers: IN_IMAGE, repository: "version: 1\nledgers: []\n" },
      expected: [],
    },
    {
      row: "are replaced by the baked policy's",
      texts: { ledgers: IN_IMAGE, baked: file("", "ghcr.io/other/ledger") },
      expected: ["ghcr.io/other/ledger 168h"],
    },
    {
      row: "stay under a baked policy that says nothing of them",
      texts: { ledgers: IN_IMAGE, baked: "version: 1\n", repository: "version: 1\n" },
      expected: [`${REPOSITORY} 168h`],
    },
  ])("$row", async ({ texts, expected }) => {
    expect(shown(await policyOf(texts))).toEqual(expected);
  });

  test.for([
    {
      row: "no JSON",
      ledgers: "- repository: x",
      says: 'it is not JSON; write the list of the policy\'s key "ledgers"',
    },
    { row: "no list", ledgers: "{}", says: '"ledgers" must be a list, not a mapping' },
    {
      row: "an unknown key",
      ledgers: '[{"repository":"a/b","observer":{"key":"x"},"maxage":"7d"}]',
      says: 'the key "maxage" is not known in "ledgers[0]"; allowed there: repository, observer, approvers, max-age',
    },
    {
      row: "an unknown key of a signer",
      ledgers: '[{"repository":"a/b","observer":{"kay":"x"}}]',
      says: 'the key "kay" is not known in "ledgers[0].observer"; allowed there: key, issuer, identity, identity-pattern',
    },
    {
      row: "a tag",
      ledgers: IN_IMAGE.replace(REPOSITORY, `${REPOSITORY}:1`),
      says: '"ledgers[0].repository": "ghcr.io/acme/tlog-ledger:1": a ledger is a whole repository',
    },
    {
      row: "no key of a signer",
      ledgers: '[{"repository":"a/b","observer":{"key":"x"}}]',
      says: '"ledgers[0].observer.key": read a public key',
    },
    {
      row: "more than a policy may have",
      ledgers: " ".repeat(65 * 1024) + "[]",
      says: "it is larger than 64 KiB",
    },
  ])("that are none stop every build, by the variable's name: $row", async ({ ledgers, says }) => {
    expect((await refusalOf({ ledgers })).message).toContain(`TLOG_LEDGERS of the frontend image: ${says}`);
  });

  test("are no build argument", async () => {
    expect((await refusalOf({ args: { TLOG_LEDGERS: IN_IMAGE } })).message).toContain(
      "--build-arg TLOG_LEDGERS: no such argument",
    );
  });

  test("are not told to the conversion", () => {
    const told = conversionEnvironment({ TLOG_LEDGERS: IN_IMAGE, BUILDKIT_WORKERS: "[]" }, {});
    expect(Object.keys(told)).toContain("BUILDKIT_WORKERS");
    expect(JSON.stringify(told)).not.toContain("tlog-ledger");
  });
});

describe("above a baked policy", () => {
  const BAKED = file(`max-age: 7d, approvers: [{ issuer: ${ISSUER}, identity: head@acme.example }]`);
  const above = (change: (text: string) => string) => change(BAKED);

  test.for<{ row: string; texts: Texts; says: string }>([
    {
      row: "no ledger is added",
      texts: { repository: `${BAKED}  - { repository: ghcr.io/mallory/ledger, observer: ${OBSERVER} }\n` },
      says: 'tlog.policy.yaml:2: "ghcr.io/mallory/ledger" is not among the ledgers, which policy.yaml:2 sets',
    },
    {
      row: "none is removed",
      texts: { repository: "version: 1\nledgers: []\n" },
      says: `the ledger "${REPOSITORY}" is missing among the ledgers, which policy.yaml:2 sets`,
    },
    {
      row: "none has another observer",
      texts: { repository: above((text) => text.replace("observer@", "mallory@")) },
      says: `the identity "mallory@acme.example" of "${ISSUER}" is not the observer of "${REPOSITORY}"`,
    },
    {
      row: "none has another approver",
      texts: { repository: above((text) => text.replace("head@", "mallory@")) },
      says: `the identity "mallory@acme.example" of "${ISSUER}" is not an approver of "${REPOSITORY}"`,
    },
    {
      row: "none has fewer approvers",
      texts: { repository: file("max-age: 7d") },
      says: `the identity "head@acme.example" of "${ISSUER}" is missing, an approver of "${REPOSITORY}"`,
    },
    {
      row: "no head may be older",
      texts: { repository: above((text) => text.replace("7d", "8d")) },
      says: `"max-age: 8d" of "${REPOSITORY}" is longer than 7d among the ledgers`,
    },
  ])("$row", async ({ texts, says }) => {
    const { message, code } = await refusalOf({ ...texts, baked: BAKED });
    expect(message).toContain(says);
    expect(message).toContain("allow-looser: [ledgers]");
    expect(code).toBe("loosens");
    const free = await policyOf({ ...texts, baked: `${BAKED}allow-looser: [ledgers]\n` });
    expect(free.sources.ledgers).toBe("tlog.policy.yaml:2");
  });

  test("a head may be wanted younger", async () => {
    const policy = await policyOf({ baked: BAKED, repository: above((text) => text.replace("7d", "12h")) });
    expect(shown(policy)).toEqual([`${REPOSITORY} 12h`]);
  });

  test.for<{ row: string; texts: Texts; says: string }>([
    {
      row: "that has no ledgers, none is added",
      texts: { baked: "version: 1\n", repository: file() },
      says: `"${REPOSITORY}" is not among the ledgers`,
    },
    {
      row: "that leaves those of the image, none of them is removed",
      texts: { baked: "version: 1\n", ledgers: IN_IMAGE, repository: "version: 1\nledgers: []\n" },
      says: `the ledger "${REPOSITORY}" is missing among the ledgers`,
    },
  ])("$row", async ({ texts, says }) => {
    expect((await refusalOf(texts)).message).toContain(says);
  });
});

describe("the printed policy", () => {
  const FULL = `version: 1
ledgers:
  - repository: ghcr.io/acme/tlog-ledger
    observer:
     key: |
${asBlock(ALICE.publicPem)}
    approvers:
     - { issuer: ${ISSUER}, identity: head@acme.example }
     - { issuer: ${ISSUER}, identity-pattern: "https://github.com/acme/*" }
     - key: |
${asBlock(BOB.publicPem)
  .split("\n")
  .map((line) => `  ${line}`)
  .join("\n")}
    max-age: 12h
  - { repository: registry.example:5000/ledger, observer: ${OBSERVER}, max-age: 30h }
`;

  test("makes the same ledgers again", async () => {
    const policy = await policyOf({ repository: FULL });
    const again = await policyOf({ repository: renderPolicy(policy) });
    expect(policy.ledgers).toHaveLength(2);
    expect(JSON.stringify(again.ledgers)).toBe(JSON.stringify(policy.ledgers));
  });

  test("has those of the image as comments, which bind nobody who uses it", async () => {
    const printed = renderPolicy(await policyOf({ ledgers: IN_IMAGE }));
    expect(printed).toContain(`# ledgers:  # default\n#   - repository: "${REPOSITORY}"\n#     observer:\n`);
    expect(shown(await policyOf({ repository: printed }))).toEqual([]);
  });

  test("says that there are none, and who says so", async () => {
    expect(renderPolicy(await policyOf({}))).toContain("\n# ledgers: none\n");
    const emptied = await policyOf({ ledgers: IN_IMAGE, repository: "version: 1\nledgers: []\n" });
    expect(renderPolicy(emptied)).toContain("\nledgers: []  # tlog.policy.yaml:2\n");
  });
});

test("observers may record, approvers may approve and vouch, and who is both has one entry", async () => {
  const { ledgers } = await policyOf({
    repository: `${file(`approvers: [{ issuer: ${ISSUER}, identity: head@acme.example }]`)}  - { repository: ghcr.io/acme/second, observer: { issuer: ${ISSUER}, identity: head@acme.example } }\n`,
  });
  const trust = ledgerTrust(ledgers).map(({ signer, may }) => [
    signer.kind === "identity" && signer.identity,
    [...may].toSorted(),
  ]);
  expect(trust).toEqual([
    ["observer@acme.example", ["record"]],
    ["head@acme.example", ["approve", "record", "vouch"]],
  ]);
});
