// SPDX-License-Identifier: Apache-2.0
import type { Rule } from "../policy/rule.ts";
import { COLUMNS, folded } from "./folded-text.ts";

/** What the policy says of such an image, as it stands there, and where. */
export function ruleLine(rule: Rule | undefined, key: "action" | "unseen" | "unknown" = "action"): string[] {
  if (rule === undefined) return [];
  // Where it stands, and why, is said of the action alone.
  if (key !== "action") return [`the policy says "${key}: ${rule[key]}"`];
  const line = `rule: "action: ${rule.action}" (${rule.source})`;
  const whole = `${line}: ${rule.why}`;
  return whole.length <= COLUMNS ? [whole] : [line, ...folded(rule.why)];
}

/** Why a tag that nobody has recorded is a trouble: because the policy wants records, or old ones. */
export function unseenLine(rule: Rule | undefined): string[] {
  return rule?.minAge === undefined || rule.unseen === "block" ? ruleLine(rule, "unseen") : ageLine(rule);
}

/** That an image without a record has no age that is proven; nothing where none is wanted. */
export function ageLine(rule: Rule | undefined): string[] {
  if (rule?.minAge === undefined) return [];
  return [`the policy says "min-age: ${rule.minAge.days}", and nothing proves how old this is`];
}

/** How old records have to be; nothing when they may be new. */
export function minAgeLine(rule: Rule | undefined): string[] {
  if (rule?.minAge === undefined) return [];
  const { days } = rule.minAge;
  return [`the policy says "min-age: ${days}": records count after ${days} ${days === 1 ? "day" : "days"}`];
}
