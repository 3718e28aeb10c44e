// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { formatReference } from "../../src/image/reference.ts";
import { readCommands } from "../../src/policy/commands.ts";
import { PolicyError } from "../../src/policy/policy-error.ts";
import { policyOf } from "./sample-policy.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

test("no command is given", () => {
  expect(readCommands({ HTTP_PROXY: "x", TLOG_UNSEEN: "block" })).toEqual({});
});

test("an approval names a tag with the digest that was reviewed, and why", () => {
  const { approve, reason } = readCommands({
    TLOG_APPROVE: `alpine:3.16.0@${DIGEST}`,
    TLOG_REASON: " rebuilt for CVE-2022-37434 ",
  });
  expect(approve && formatReference(approve)).toBe(`docker.io/library/alpine:3.16.0@${DIGEST}`);
  expect(reason).toBe("rebuilt for CVE-2022-37434");
});

test.for(["update", "check"])("the lock file's command is %s", (lock) => {
  expect(readCommands({ TLOG_LOCK: lock })).toEqual({ lock });
});

test("an image to verify may have a digest", () => {
  const { image } = readCommands({ TLOG_IMAGE: `ghcr.io/acme/app:1@${DIGEST}` });
  expect(image && formatReference(image)).toBe(`ghcr.io/acme/app:1@${DIGEST}`);
});

test("commands are no part of the policy, and known to it", async () => {
  const args = {
    TLOG_APPROVE: `alpine:3@${DIGEST}`,
    TLOG_REASON: "x",
    TLOG_LOCK: "check",
    TLOG_IMAGE: "app",
    TLOG_AT: "2026-03-01",
    TLOG_DIFF: "x",
  };
  expect((await policyOf({ args })).sources).toEqual((await policyOf({})).sources);
});

test.for([
  {
    row: "an approval of whatever the tag names",
    args: { TLOG_APPROVE: "alpine:3.16.0" },
    says: '--build-arg TLOG_APPROVE: "alpine:3.16.0" has no digest; the digest that was reviewed belongs there, as in name:tag@sha256:…; "docker buildx build --call tlog" prints the line',
  },
  {
    row: "an approval of a digest alone",
    args: { TLOG_APPROVE: `alpine@${DIGEST}` },
    says: "has no tag; the tag that is approved belongs there",
  },
  {
    row: "an approval of no image",
    args: { TLOG_APPROVE: "Alpine" },
    says: '--build-arg TLOG_APPROVE: read image reference "Alpine"',
  },
  {
    row: "an empty approval",
    args: { TLOG_APPROVE: " " },
    says: "it is empty; give it a value or leave it out",
  },
  {
    row: "a reason of two lines",
    args: { TLOG_APPROVE: `alpine:3@${DIGEST}`, TLOG_REASON: "a\nb" },
    says: "--build-arg TLOG_REASON: it is empty, or has control characters or more than one line",
  },
  {
    row: "a reason that moves the cursor",
    args: { TLOG_APPROVE: `alpine:3@${DIGEST}`, TLOG_REASON: "\u001b[2J" },
    says: "has control characters",
  },
  {
    row: "a reason that turns the direction of writing round",
    args: { TLOG_APPROVE: `alpine:3@${DIGEST}`, TLOG_REASON: "approved \u202Eyb" },
    says: "has control characters",
  },
  {
    row: "a reason of 251 characters that count twice in a statement",
    args: { TLOG_APPROVE: `alpine:3@${DIGEST}`, TLOG_REASON: "😀".repeat(251) },
    says: "longer than 500 characters",
  },
  {
    row: "a long reason",
    args: { TLOG_APPROVE: `alpine:3@${DIGEST}`, TLOG_REASON: "x".repeat(501) },
    says: "longer than 500 characters",
  },
  { row: "a reason of nothing", args: { TLOG_REASON: "because" }, says: "there is no TLOG_APPROVE" },
  {
    row: "another lock command",
    args: { TLOG_LOCK: "updat" },
    says: '"updat" is not "update" or "check" (did you mean "update"?)',
  },
  { row: "an image that is an id", args: { TLOG_IMAGE: "a".repeat(64) }, says: "an image's id, not a name" },
  { row: "an image in unicode", args: { TLOG_IMAGE: "аlpine" }, says: "is not a repository's name" },
  {
    row: "an image of 800 characters",
    args: { TLOG_IMAGE: `a/${"b".repeat(800)}` },
    says: "it is longer than",
  },
  {
    row: "a digest of another algorithm",
    args: { TLOG_IMAGE: `alpine@md5:${"a".repeat(32)}` },
    says: 'what follows "@" is not a digest',
  },
])("refuses $row", ({ args, says }) => {
  const refused = () => readCommands(args as unknown as Record<string, string>);
  expect(refused).toThrow(PolicyError);
  expect(refused).toThrow(says);
});
