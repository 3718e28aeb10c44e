// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseIdentityPattern, signerId, signerName } from "../../src/record/signer.ts";
import { matchesPattern } from "../../src/record/trusted-signer.ts";

const ISSUER = "https://token.actions.githubusercontent.com";
const WORKFLOWS = "https://github.com/acme/*/.github/workflows/*@refs/heads/main";

describe("a pattern stands for whole identities", () => {
  test.for<{ row: string; pattern: string; text: string; fits: boolean }>([
    {
      row: "a workflow of one of our repositories",
      pattern: WORKFLOWS,
      text: "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main",
      fits: true,
    },
    {
      row: "one of somebody else's",
      pattern: WORKFLOWS,
      text: "https://github.com/evil/app/.github/workflows/build.yml@refs/heads/main",
      fits: false,
    },
    {
      row: "one of another branch",
      pattern: WORKFLOWS,
      text: "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main2",
      fits: false,
    },
    {
      row: "one with ours at its end",
      pattern: WORKFLOWS,
      text: "https://evil.example/?https://github.com/acme/app/.github/workflows/b.yml@refs/heads/main",
      fits: false,
    },
    {
      row: "a star across a slash",
      pattern: WORKFLOWS,
      text: "https://github.com/acme/app/evil/.github/workflows/build.yml@refs/heads/main",
      fits: false,
    },
    { row: "a star for nothing", pattern: "*@acme.example", text: "@acme.example", fits: true },
    { row: "a star for a name", pattern: "*@acme.example", text: "ci@acme.example", fits: true },
    { row: "a dot for itself alone", pattern: "*@acme.example", text: "ci@acmeXexample", fits: false },
    { row: "more behind it", pattern: "*@acme.example", text: "ci@acme.example.evil", fits: false },
    { row: "letters of other case", pattern: "*@acme.example", text: "ci@ACME.example", fits: false },
    {
      row: "two stars across slashes",
      pattern: "https://acme.example/**",
      text: "https://acme.example/a/b/c",
      fits: true,
    },
    {
      row: "two stars for nothing",
      pattern: "https://acme.example/**",
      text: "https://acme.example/",
      fits: true,
    },
    { row: "two stars in the middle", pattern: "a/**/z", text: "a/b/c/z", fits: true },
    { row: "two stars in the middle, and no end", pattern: "a/**/z", text: "a/b/c/y", fits: false },
    { row: "two stars that have to go on", pattern: "**/b", text: "a/b/b", fits: true },
    { row: "one star that has to go on", pattern: "*ab", text: "aab", fits: true },
    { row: "one after the other", pattern: "*/*", text: "a/b", fits: true },
    { row: "one after the other, too few", pattern: "*/*", text: "a", fits: false },
    { row: "one after the other, too many", pattern: "*/*", text: "a/b/c", fits: false },
    {
      row: "signs that mean something elsewhere",
      pattern: "[a-z]+(x|y)?$*",
      text: "[a-z]+(x|y)?$1",
      fits: true,
    },
    { row: "signs that would mean it elsewhere", pattern: "a+*", text: "aaa", fits: false },
    { row: "an empty text", pattern: "*", text: "", fits: true },
    { row: "an empty text and a letter", pattern: "*a", text: "", fits: false },
  ])("$row: $fits", ({ pattern, text, fits }) => {
    expect(matchesPattern(pattern, text)).toBe(fits);
  });

  test("as every other reading of it does", () => {
    const pieces = ["a", "b", "/", "*", "**"];
    const words = (length: number): string[] =>
      length === 0 ? [""] : words(length - 1).flatMap((word) => pieces.map((piece) => word + piece));
    const texts = ["", "a", "b", "/", "ab", "a/b", "aab", "a/a/b", "//", "b/a", "abab"];
    let compared = 0;
    for (const pattern of words(4).filter((word) => !word.includes("***"))) {
      const expression = new RegExp(
        `^${pattern.replaceAll("**", "\u0000").replaceAll("*", "[^/]*").replaceAll("\u0000", ".*")}$`,
      );
      for (const text of texts) {
        expect(matchesPattern(pattern, text), `${pattern} on ${text}`).toBe(expression.test(text));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(3000);
  });

  test("in no time, whatever the text", () => {
    const pattern = `${"a*".repeat(16)}b`;
    const start = performance.now();
    expect(matchesPattern(pattern, "a".repeat(8000))).toBe(false);
    expect(matchesPattern(`${"**a".repeat(16)}b`, "a".repeat(8000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

test("a pattern is told from an identity that is spelled like it", () => {
  const pattern = parseIdentityPattern({ issuer: ISSUER, pattern: WORKFLOWS });
  expect(pattern).toEqual({ kind: "identity-pattern", issuer: ISSUER, pattern: WORKFLOWS });
  expect(signerName(pattern)).toBe(`${WORKFLOWS} (token.actions.githubusercontent.com)`);
  expect(signerId(pattern)).not.toBe(signerId({ kind: "identity", issuer: ISSUER, identity: WORKFLOWS }));
});

test.for<{ row: string; issuer?: string; pattern: string; says: string }>([
  { row: "nothing", pattern: "", says: "the pattern is empty" },
  { row: "no star", pattern: "ci@acme.example", says: 'has no "*"; it is one identity' },
  { row: "three stars", pattern: "a***b", says: 'three "*" in a row' },
  { row: "seventeen stars", pattern: "a*".repeat(17), says: 'more than 16 times a "*"' },
  { row: "a blank", pattern: "a b*", says: "has blanks" },
  { row: "too much", pattern: "a*".padEnd(3000, "a"), says: "longer than 2048 characters" },
  { row: "a star in the issuer", issuer: "https://*.example", pattern: "*", says: "compared as a whole" },
  { row: "an issuer that is no URL", issuer: "accounts.google.com", pattern: "*", says: "is not a URL" },
])("a pattern with $row is refused", ({ issuer = ISSUER, pattern, says }) => {
  expect(() => parseIdentityPattern({ issuer, pattern })).toThrow(
    expect.objectContaining({ code: "not-an-identity", message: expect.stringContaining(says) }),
  );
});
