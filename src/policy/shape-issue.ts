// SPDX-License-Identifier: Apache-2.0
import type * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { type KeyPath, quotedPath, suggestion } from "./policy-error.ts";

/** Where problems of a shape go to. */
export interface ShapeReport {
  /** Notes a problem at a path. */
  readonly report: (path: KeyPath, text: string) => void;
  /** Whether a text at this path is not to be repeated in a message. */
  readonly maySecretBeAt?: ((path: KeyPath) => boolean) | undefined;
}

/** What valibot found wrong with a shape, in the words of the file. Keys that are not known are told elsewhere. */
export function reportIssue(
  issue: v.BaseIssue<unknown>,
  around: readonly v.IssuePathItem[],
  to: ShapeReport,
): void {
  const steps: readonly v.IssuePathItem[] = [...around, ...(issue.path ?? [])];
  const path = steps.flatMap(({ key }) => (typeof key === "string" || typeof key === "number" ? key : []));
  const wrong = (why: string) => to.report(path, `${quotedPath(path)} ${why}`);
  if (isUnknownKey(issue)) return;
  if (steps.at(-1)?.origin === "key") return wrong("is missing");
  if (issue.type === "min_length") return wrong("is empty; leave it out, or put something into it");
  if (issue.type === "max_length") return wrong(`has more than ${String(issue.requirement)} entries`);
  if (issue.type === "union") {
    // One of the kinds was meant when something inside of it is wrong.
    const inside = (issue.issues ?? []).filter(({ path: within }) => within !== undefined);
    for (const each of inside) reportIssue(each, steps, to);
    if (inside.length > 0) return;
  }
  const choices = [...issue.message.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice ?? "");
  const hint =
    issue.type === "picklist" && typeof issue.input === "string" ? suggestion(issue.input, choices) : "";
  const isHidden = typeof issue.input === "string" && hint === "" && to.maySecretBeAt?.(path) === true;
  wrong(`must be ${issue.message}, not ${isHidden ? "text" : kindOf(issue.input)}${hint}`);
}

/** Whether it is about a key that the mapping does not have. */
export function isUnknownKey({ type, expected }: v.BaseIssue<unknown>): boolean {
  return type === "strict_object" && expected === "never";
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? `the text "${excerpt(value, 40)}"` : `${typeof value} ${String(value)}`;
}
