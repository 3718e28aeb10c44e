// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { type Outcome, outcomeOf } from "../../src/check/judgement.ts";
import type { Verdict } from "../../src/check/verdict.ts";
import { sampleRecord } from "../record/sample-log.ts";
import { sampleRule } from "./sample-courier.ts";

const record = sampleRecord();
const moved: Verdict = { kind: "moved", record };
const unknown: Verdict = { kind: "unknown", reason: "unreachable", detail: "" };
const unrecorded: Verdict = { kind: "unrecorded", reason: "no-signer", detail: "" };
const tooNew: Verdict = { kind: "too-new", record, until: new Date(0) };

test.for<{
  row: string;
  verdict: Verdict;
  rule?: Parameters<typeof sampleRule>[0];
  outcome: Outcome;
}>([
  { row: "as recorded", verdict: { kind: "unchanged", record }, rule: { unseen: "block" }, outcome: "pass" },
  { row: "recorded now", verdict: { kind: "first-seen", record }, outcome: "pass" },
  { row: "approved now", verdict: { kind: "approved", record, superseded: record }, outcome: "pass" },
  { row: "by digest", verdict: { kind: "by-digest" }, rule: { unseen: "block" }, outcome: "pass" },
  {
    row: "by digest alone, where that is blocked",
    verdict: { kind: "by-digest" },
    rule: { byDigest: "block" },
    outcome: "refuse",
  },
  { row: "exempt", verdict: { kind: "exempt" }, rule: { action: "ignore" }, outcome: "pass" },
  { row: "moved, write-once", verdict: moved, rule: { action: "block" }, outcome: "refuse" },
  { row: "moved, and could not be pinned", verdict: moved, rule: { action: "pin" }, outcome: "refuse" },
  { row: "moved, warned about", verdict: moved, rule: { action: "warn" }, outcome: "warn" },
  {
    row: "moved, warned about, and nothing proves the age that is wanted",
    verdict: moved,
    rule: { action: "warn", minAge: { days: 1, otherwise: "block" } },
    outcome: "refuse",
  },
  {
    row: "moved, warned about, and nothing proves the age that is wished for",
    verdict: moved,
    rule: { action: "warn", minAge: { days: 1, otherwise: "warn" } },
    outcome: "warn",
  },
  { row: "moved, followed", verdict: moved, rule: { action: "follow" }, outcome: "pass" },
  {
    row: "built as recorded",
    verdict: { kind: "pinned", record, served: record.digest },
    rule: { action: "pin" },
    outcome: "warn",
  },
  {
    row: "no digest, whatever the rule",
    verdict: { kind: "unpinned", detail: "" },
    rule: { action: "follow", unseen: "allow", unknown: "warn" },
    outcome: "refuse",
  },
  { row: "not to be asked", verdict: unknown, rule: { unknown: "block" }, outcome: "refuse" },
  { row: "not to be asked, let through", verdict: unknown, rule: { unknown: "warn" }, outcome: "warn" },
  { row: "not recorded", verdict: unrecorded, rule: { unseen: "record" }, outcome: "pass" },
  { row: "not recorded, let through", verdict: unrecorded, rule: { unseen: "allow" }, outcome: "pass" },
  { row: "not recorded, refused", verdict: unrecorded, rule: { unseen: "block" }, outcome: "refuse" },
  {
    row: "not recorded, where an age is wanted",
    verdict: unrecorded,
    rule: { minAge: { days: 1, otherwise: "block" } },
    outcome: "refuse",
  },
  {
    row: "not recorded, where an age is wished for",
    verdict: unrecorded,
    rule: { minAge: { days: 1, otherwise: "warn" } },
    outcome: "warn",
  },
  { row: "too new", verdict: tooNew, rule: { minAge: { days: 1, otherwise: "block" } }, outcome: "refuse" },
  {
    row: "too new, let through",
    verdict: tooNew,
    rule: { minAge: { days: 1, otherwise: "warn" } },
    outcome: "warn",
  },
])("$row: $outcome", ({ verdict, rule = {}, outcome }) => {
  expect(outcomeOf(verdict, sampleRule(rule), "default")).toBe(outcome);
  expect(outcomeOf(verdict, sampleRule(rule), "strict")).toBe(outcome);
  expect(outcomeOf(verdict, sampleRule(rule), "observe"), "and to observe never stops a build").toBe(
    outcome === "refuse" ? "warn" : outcome,
  );
});
