// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import { matches } from "./pattern.ts";
import { PART_KEYS, type PatternRule, type Rule, type RuleParts, type Setting, STRICTER } from "./rule.ts";
import type { Settings } from "./settings.ts";
import { tagClass } from "./tag-classes.ts";

/** What one file says of images. */
export type RuleSet = Pick<Settings, "profile" | "rules" | "default" | "mayLoosen">;

type Part = keyof RuleParts;
type ValueOf<P extends Part> = NonNullable<RuleParts[P]>["value"];

/** What is said about one part of a rule. */
interface Word<T> extends Setting<T> {
  /** In one phrase for people. */
  readonly why: string;
  /** It comes with a profile, and is nobody's word about this part alone. */
  readonly byProfile?: true;
}

/** What one file says about each part; undefined where it says nothing. */
export type Words = { readonly [P in Part]: Word<ValueOf<P>> | undefined };

/** What holds where nobody says anything. */
const UNSAID = { unseen: "record", unknown: "block", private: false } as const;

const SILENT: Words = {
  action: undefined,
  unseen: undefined,
  unknown: undefined,
  minAge: undefined,
  private: undefined,
};

/**
 * What applies to an image. Of two sets of rules the first is the floor: each part is the stricter of what both say,
 * unless the floor leaves it to the other. What none says goes by the shape of the tag.
 */
export function ruleFor({ rules: sets }: { readonly rules: readonly RuleSet[] }, reference: Reference): Rule {
  const words = allWords(sets, (set) => wordsOf(set, reference));
  const action = words.action ?? classWord(reference);
  const minAge = words.minAge?.value;
  return {
    action: action.value,
    unseen: words.unseen?.value ?? UNSAID.unseen,
    unknown: words.unknown?.value ?? UNSAID.unknown,
    ...(minAge !== undefined && minAge.days > 0 && { minAge }),
    private: words.private?.value ?? UNSAID.private,
    source: action.source,
    why: action.why,
  };
}

/** What applies where no image is in question: what the policy says in general. */
export function sayGenerally(sets: readonly RuleSet[]): Pick<Rule, "unseen" | "unknown"> {
  const nowhere = { registry: "", repository: "" };
  const words = allWords(sets, (set) => wordsOf({ ...set, rules: [] }, nowhere));
  return { unseen: words.unseen?.value ?? UNSAID.unseen, unknown: words.unknown?.value ?? UNSAID.unknown };
}

/** What the sets say together, each being the floor of the next. */
function allWords(sets: readonly RuleSet[], say: (set: RuleSet) => Words): Words {
  let words = SILENT;
  let mayLoosen: ReadonlySet<string> = new Set();
  for (const set of sets) {
    words = combined(words, { above: say(set), mayLoosen });
    ({ mayLoosen } = set);
  }
  return words;
}

function combined(
  floor: Words,
  { above, mayLoosen }: { above: Words; mayLoosen: ReadonlySet<string> },
): Words {
  const part = <P extends Part>(name: P): Word<ValueOf<P>> | undefined => {
    const [low, high]: (Word<ValueOf<P>> | undefined)[] = [floor[name], above[name]];
    if (low === undefined || high === undefined) return high ?? low;
    if (high.byProfile === true && name !== "action") return low;
    if (mayLoosen.has(PART_KEYS[name]) && high.byProfile !== true) return high;
    // Each part has its own way to compare, which TypeScript does not follow through the union of parts.
    const stricter = STRICTER[name] as (one: ValueOf<P>, other: ValueOf<P>) => ValueOf<P>;
    const value = stricter(low.value, high.value);
    return value === low.value ? { ...low, why: low.why + overruled(high, value) } : { ...high, value };
  };
  return {
    action: part("action"),
    unseen: part("unseen"),
    unknown: part("unknown"),
    minAge: part("minAge"),
    private: part("private"),
  };
}

/** A word that the floor does not let through is told, so that nobody looks for a mistake in it. */
function overruled({ value, source }: Word<unknown>, stricter: unknown): string {
  return value === stricter ? "" : `; ${source} says ${JSON.stringify(value)}, which is looser`;
}

/** What a set of rules says of an image: its first rule that matches, then its default, then its profile. */
export function wordsOf({ rules, default: otherwise, profile }: RuleSet, reference: Reference): Words {
  const found = firstMatch(rules, reference);
  const byProfile = profile && profileWords(profile, reference);
  const part = <P extends Part>(name: P): Word<ValueOf<P>> | undefined => {
    const ruled: Setting<ValueOf<P>> | undefined = found?.rule[name];
    if (found !== undefined && ruled !== undefined)
      return { ...ruled, why: `the rule for "${found.pattern.text}"` };
    const general: Setting<ValueOf<P>> | undefined = otherwise[name];
    return general === undefined ? byProfile?.[name] : { ...general, why: "the policy's default" };
  };
  return {
    action: part("action"),
    unseen: part("unseen"),
    unknown: part("unknown"),
    minAge: part("minAge"),
    private: part("private"),
  };
}

function firstMatch(rules: readonly PatternRule[], reference: Reference) {
  for (const rule of rules) {
    const pattern = rule.patterns.find((each) => matches(each, reference));
    if (pattern !== undefined) return { rule, pattern };
  }
  return undefined;
}

/** A profile that is named says all that the defaults are. */
function profileWords({ value, source }: NonNullable<RuleSet["profile"]>, reference: Reference): Words {
  const word = <T>(said: T) => ({
    value: said,
    source,
    why: `the profile "${value}"`,
    byProfile: true as const,
  });
  return {
    action:
      value === "strict"
        ? { ...word("block" as const), why: 'the profile "strict" blocks every tag that moved' }
        : { ...classWord(reference), byProfile: true },
    unseen: word(UNSAID.unseen),
    unknown: word(UNSAID.unknown),
    minAge: undefined,
    private: word(UNSAID.private),
  };
}

function classWord(reference: Reference): Word<ValueOf<"action">> {
  const { name, action, why } = tagClass(reference);
  return { value: action, source: `default: ${name}`, why };
}
