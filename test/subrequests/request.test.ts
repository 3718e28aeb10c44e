// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { ownRequest, RequestError, withoutRequest } from "../../src/subrequests/request.ts";
import type { Commands } from "../../src/policy/commands.ts";

const approve = parseReference("alpine:3.16.0");
const image = parseReference("acme/app:1");

describe("what is asked of us is told from what is not", () => {
  test.for<{ row: string; id?: string; commands?: Commands; own: string | undefined }>([
    { row: "a build", own: undefined },
    { row: "a question of the standard frontend", id: "frontend.outline", own: undefined },
    { row: "a question that nobody answers", id: "frontend.tlog.nothing", own: undefined },
    { row: "the check", id: "frontend.tlog", own: "check" },
    { row: "the policy", id: "frontend.tlog.policy", own: "policy" },
    { row: "the lock file", id: "frontend.tlog.lock", own: "lock" },
    { row: "an approval in a check", id: "frontend.tlog", commands: { approve, reason: "x" }, own: "check" },
    {
      row: "an approval while the lock file is updated",
      commands: { approve, lock: "update" },
      own: undefined,
    },
    { row: "the lock file's update", commands: { lock: "update" }, own: undefined },
    { row: "the lock file's check", id: "frontend.tlog.lock", commands: { lock: "check" }, own: "lock" },
  ])("$row", ({ id, commands = {}, own }) => {
    expect(ownRequest(id === undefined ? {} : { requestid: id }, commands)).toBe(own);
  });
});

describe("a command in the wrong place is refused, and says where its place is", () => {
  test.for<{ row: string; id?: string; commands: Commands; says: string }>([
    {
      row: "an approval in a build, which would approve by the way",
      commands: { approve },
      says: 'TLOG_APPROVE=docker.io/library/alpine:3.16.0 is for "docker buildx build --call tlog", or beside TLOG_LOCK=update',
    },
    {
      row: "an approval in another question",
      id: "frontend.tlog.policy",
      commands: { approve },
      says: '"docker buildx build --call tlog"',
    },
    {
      row: "an approval while the lock file is printed",
      id: "frontend.tlog.lock",
      commands: { approve },
      says: '"docker buildx build --call tlog"',
    },
    {
      row: "an approval while the lock file is checked",
      id: "frontend.tlog.lock",
      commands: { approve, lock: "check" },
      says: '"docker buildx build --call tlog"',
    },
    {
      row: "a day in a build",
      commands: { at: "2026-03-01" },
      says: 'TLOG_AT and TLOG_DIFF are for "docker buildx build --call tlog.history" alone',
    },
    {
      row: "two digests in another question",
      id: "frontend.tlog.verify",
      commands: { image, diff: "sha256:…,sha256:…" },
      says: 'TLOG_AT and TLOG_DIFF are for "docker buildx build --call tlog.history" alone',
    },
    {
      row: "an image to verify in a build",
      commands: { image },
      says: 'TLOG_IMAGE is for "docker buildx build --call tlog.verify" and "--call tlog.history" alone',
    },
    {
      row: "an image to verify in a check",
      id: "frontend.tlog",
      commands: { image },
      says: 'TLOG_IMAGE is for "docker buildx build --call tlog.verify" and "--call tlog.history" alone',
    },
    {
      row: "the lock file's update in a question of ours",
      id: "frontend.tlog.lock",
      commands: { lock: "update" },
      says: 'TLOG_LOCK=update is for "docker buildx build --build-arg TLOG_LOCK=update -o . ." without --call',
    },
    {
      row: "the lock file's update in a question of the standard frontend",
      id: "frontend.outline",
      commands: { lock: "update" },
      says: "without --call",
    },
    {
      row: "the lock file's check in a build",
      commands: { lock: "check" },
      says: 'TLOG_LOCK=check is for "docker buildx build --call tlog.lock" alone',
    },
    {
      row: "the lock file's check in the check of the images",
      id: "frontend.tlog",
      commands: { lock: "check" },
      says: 'TLOG_LOCK=check is for "docker buildx build --call tlog.lock" alone',
    },
  ])("$row", ({ id, commands, says }) => {
    const ask = () => ownRequest(id === undefined ? {} : { requestid: id }, commands);
    expect(ask).toThrow(RequestError);
    expect(ask).toThrow(says);
  });
});

test("the Dockerfile is converted as for a build when the question is ours, and as it was asked otherwise", () => {
  const options = { requestid: "frontend.tlog", target: "app" };
  expect(withoutRequest(options, "check")).toEqual({ target: "app" });
  expect(withoutRequest(options, undefined)).toBe(options);
});

test.for(["attest:sbom", "attest:SBOM", "build-arg:BUILDKIT_ATTEST_SBOM"])(
  "the lock file is not updated with %s, for which BuildKit would run an image that nobody judged",
  (name) => {
    const options = { [name]: "generator=org/scanner:1" };
    expect(() => ownRequest(options, { lock: "update" })).toThrow("TLOG_LOCK=update goes without --sbom");
    expect(ownRequest(options, {})).toBeUndefined();
  },
);

describe("a target of bake that is built on another one", () => {
  const options = { "context:base": "target:base-image" };

  test.for(["frontend.tlog", "frontend.tlog.lock", "frontend.tlog.source-policy", "frontend.tlog.rego-data"])(
    "has no answer to %s, and hears what to do instead",
    (requestid) => {
      const ask = () => ownRequest({ ...options, requestid }, {});
      expect(ask).toThrow(RequestError);
      expect(ask).toThrow('context "base" is the bake target "base-image"');
      expect(ask).toThrow('ask about "base-image" alone');
    },
  );

  test.for(["frontend.tlog.policy", "frontend.outline"])("can be asked %s", (requestid) => {
    expect(() => ownRequest({ ...options, requestid }, {})).not.toThrow();
  });
});
