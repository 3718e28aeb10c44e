// SPDX-License-Identifier: Apache-2.0
import type * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { quotedList, suggestion } from "./near-miss.ts";
import { type Finding, type KeyPath, quotedPath } from "./policy-keys.ts";
import { type POLICY_SCHEMA, VERSION } from "./policy-schema.ts";
import { UNKNOWN, UNSEEN } from "./settings.ts";

type ShapeIssue = v.InferIssue<typeof POLICY_SCHEMA>;

const CHOICES = new Map<string, readonly string[]>([
  ["default.unseen", UNSEEN],
  ["default.unknown", UNKNOWN],
]);
const KINDS: ReadonlyMap<string, string> = new Map([
  ["string", "text"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["strict_object", "a mapping of keys to values"],
  ["literal", `the number ${VERSION}`],
]);

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? `the text "${excerpt(value, 40)}"` : `${typeof value} ${String(value)}`;
}

/** What valibot found, in the words of the file. Keys have been judged before. */
export function shapeFinding(issue: ShapeIssue, keys: readonly Finding[]): Finding[] {
  const steps: readonly { readonly key: unknown; readonly origin: string }[] = issue.path ?? [];
  const path = steps.flatMap(({ key }) => (typeof key === "string" || typeof key === "number" ? key : []));
  const name = quotedPath(path);
  const wrong = (text: string): Finding[] => [{ path, code: "wrong-value", text }];
  if (issue.type === "strict_object" && issue.expected === "never") return [];
  if (steps.at(-1)?.origin === "key") {
    // Where an entry is of a kind that is not supported, its other keys are not missing.
    const isOther = keys.some(
      ({ code, path: other }) => code === "not-supported" && samePath(other.slice(0, -1), path.slice(0, -1)),
    );
    return isOther && path.length > 1 ? [] : wrong(`${name} is missing`);
  }
  if (issue.type === "min_length") return wrong(`${name} is empty; leave it out, or name somebody`);
  if (issue.type === "max_length") return wrong(`${name} has more than ${issue.requirement} entries`);
  const choices = CHOICES.get(path.join("."));
  if (choices !== undefined) {
    const hint = typeof issue.input === "string" ? suggestion(issue.input, choices) : "";
    return wrong(`${name} must be ${quotedList(choices)}, not ${kindOf(issue.input)}${hint}`);
  }
  // Whatever stands where a key should may be the private one.
  const got = path[0] === "trust" && typeof issue.input === "string" ? "text" : kindOf(issue.input);
  return wrong(`${name} must be ${KINDS.get(issue.type) ?? issue.expected ?? "something else"}, not ${got}`);
}

function samePath(one: KeyPath, other: KeyPath): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}
