// SPDX-License-Identifier: Apache-2.0
import type * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { suggestion } from "./near-miss.ts";
import { type Finding, quotedPath } from "./policy-keys.ts";
import type { POLICY_SCHEMA } from "./policy-schema.ts";

type ShapeIssue = v.InferIssue<typeof POLICY_SCHEMA>;

/** A step into the file, as valibot has it. */
interface Step {
  readonly key: unknown;
  readonly origin: string;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? `the text "${excerpt(value, 40)}"` : `${typeof value} ${String(value)}`;
}

/** What valibot found, in the words of the file. Keys that are not known have been told before. */
export function shapeFinding(issue: ShapeIssue, around: readonly Step[] = []): Finding[] {
  const steps: readonly Step[] = [...around, ...(issue.path ?? [])];
  const path = steps.flatMap(({ key }) => (typeof key === "string" || typeof key === "number" ? key : []));
  const name = quotedPath(path);
  const wrong = (text: string): Finding[] => [{ path, code: "wrong-value", text }];
  if (issue.type === "strict_object" && issue.expected === "never") return [];
  if (steps.at(-1)?.origin === "key") return wrong(`${name} is missing`);
  if (issue.type === "min_length") return wrong(`${name} is empty; leave it out, or put something into it`);
  if (issue.type === "max_length") return wrong(`${name} has more than ${issue.requirement} entries`);
  if (issue.type === "union") {
    // One of the kinds was meant when something inside of it is wrong.
    const inside = (issue.issues ?? []).filter(({ path: within }) => within !== undefined);
    if (inside.length > 0) return inside.flatMap((each) => shapeFinding(each as ShapeIssue, steps));
  }
  const choices = [...issue.message.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice ?? "");
  const hint =
    issue.type === "picklist" && typeof issue.input === "string" ? suggestion(issue.input, choices) : "";
  // Whatever stands where a key should may be the private one.
  const got =
    path[0] === "trust" && typeof issue.input === "string" && hint === "" ? "text" : kindOf(issue.input);
  return wrong(`${name} must be ${issue.message}, not ${got}${hint}`);
}
