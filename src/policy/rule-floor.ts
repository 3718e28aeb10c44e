// SPDX-License-Identifier: Apache-2.0
import { loosens } from "./floor.ts";
import { areApart, covers, literalReference, type Pattern } from "./pattern.ts";
import type { PolicyProblem } from "./policy-error.ts";
import { type MinAge, PART_KEYS, type RuleParts, type Setting, STRICTER } from "./rule.ts";
import { type RuleSet, wordsOf } from "./rule-for.ts";

type Part = keyof RuleParts;

const PARTS: readonly Part[] = ["action", "unseen", "unknown", "minAge", "private"];

/**
 * The words of the upper set of rules that the floor overrules wherever they apply: whoever wrote them meant another
 * thing than what happens. One that counts for some images is no mistake; where it does not, `ruleFor` says so.
 */
export function loosenedRules(floor: RuleSet, above: RuleSet): PolicyProblem[] {
  const objectTo = (
    part: Part,
    { said, possible }: { said: RuleParts; possible: Possible },
  ): PolicyProblem[] => {
    const high = said[part];
    if (high === undefined || floor.mayLoosen.has(PART_KEYS[part])) return [];
    const lows = possible(part);
    const [low] = lows;
    if (low === undefined || !lows.every((each) => each !== undefined && isLooser(part, high, each)))
      return [];
    const text = `${shown(part, high.value)} is looser than ${shown(part, low.value)}`;
    return [loosens(text, { high: high.source, low: low.source, allowed: PART_KEYS[part] })];
  };
  return PARTS.flatMap((part) => [
    ...objectTo(part, { said: above.default, possible: (each) => [generalWord(floor, each)] }),
    ...above.rules.flatMap((rule) =>
      objectTo(part, {
        said: rule,
        possible: (each) => rule.patterns.flatMap((pattern) => possibleWords(floor, { pattern, part: each })),
      }),
    ),
  ]);
}

type Word = Setting<NonNullable<RuleParts[Part]>["value"]> | undefined;
type Possible = (part: Part) => readonly Word[];

/** All that the floor may say of an image that the pattern matches; undefined where it may say nothing. */
function possibleWords(floor: RuleSet, { pattern, part }: { pattern: Pattern; part: Part }): Word[] {
  const literal = literalReference(pattern);
  if (literal !== undefined) return [wordsOf(floor, literal)[part]];
  const general = generalWord(floor, part);
  const words: Word[] = [];
  for (const rule of floor.rules) {
    if (rule.patterns.every((each) => areApart(each, pattern))) continue;
    words.push(rule[part] ?? general);
    if (rule.patterns.some((each) => covers(each, pattern))) return words;
  }
  return [...words, general];
}

/** What the floor says of images for which it has no rule. By the shape of tags that is `follow` or stricter. */
function generalWord({ default: otherwise, profile }: RuleSet, part: Part): Word {
  const said = otherwise[part];
  if (said !== undefined || profile === undefined) return said;
  const { source } = profile;
  switch (part) {
    case "action":
      return { value: profile.value === "strict" ? "block" : "follow", source };
    case "unseen":
      return { value: "record", source };
    case "unknown":
      return { value: "block", source };
    case "private":
      return { value: false, source };
    case "minAge":
      return undefined;
  }
}

function isLooser(part: Part, high: NonNullable<Word>, low: NonNullable<Word>): boolean {
  // Both are words about the same part, which TypeScript cannot see.
  const stricter = STRICTER[part] as (one: unknown, other: unknown) => unknown;
  return JSON.stringify(stricter(low.value, high.value)) !== JSON.stringify(high.value);
}

function shown(part: Part, value: NonNullable<Word>["value"]): string {
  if (typeof value === "object") return `"${PART_KEYS[part]}: ${shownAge(value)}"`;
  return typeof value === "string" ? `"${value}"` : `"${PART_KEYS[part]}: ${value}"`;
}

function shownAge({ days, otherwise }: MinAge): string {
  return `${days} ${days === 1 ? "day" : "days"}, otherwise ${otherwise}`;
}
