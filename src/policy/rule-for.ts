// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { Settings } from "./keys.ts";
import { matches, type Pattern } from "./pattern.ts";
import {
  type Part,
  PART_KEYS,
  type Rule,
  type RuleParts,
  type Setting,
  stricter,
  type ValueOf,
} from "./rule.ts";
import { tagClass } from "./tag-classes.ts";

/** What one file says of images. */
export type RuleSet = Pick<Settings, "profile" | "rules" | "default" | "mayLoosen">;

/** What is said about one part of a rule. */
interface Word<T> extends Setting<T> {
  /** In one phrase for people. */
  readonly why: string;
  /** It comes with a profile; this part was not set by itself. */
  readonly byProfile?: true;
}

/** What one file says about each part; undefined where it says nothing. */
type Words = { readonly [P in Part]: Word<ValueOf<P>> | undefined };

/** The defaults; that of the action goes by the shape of the tag. */
const UNSAID = { unseen: "record", unknown: "block", private: false, byDigest: "allow" } as const;

/** An image of no repository, which no rule is for. */
const NOWHERE: Reference = { registry: "", repository: "" };

function eachPart(say: <P extends Part>(part: P) => Word<ValueOf<P>> | undefined): Words {
  return {
    action: say("action"),
    unseen: say("unseen"),
    unknown: say("unknown"),
    minAge: say("minAge"),
    private: say("private"),
    byDigest: say("byDigest"),
  };
}

/**
 * The rule for an image. Of two sets of rules the first is the floor: each part is the stricter of both, unless the
 * floor leaves it to the other. An action that neither sets goes by the shape of the tag.
 */
export function ruleFor({ rules: sets }: { readonly rules: readonly RuleSet[] }, reference: Reference): Rule {
  let words = eachPart(() => undefined);
  let mayLoosen: ReadonlySet<string> = new Set();
  for (const set of sets) {
    words = combined(words, { above: wordsOf(set, reference), mayLoosen });
    ({ mayLoosen } = set);
  }
  const action = words.action ?? classWord(reference);
  const minAge = words.minAge?.value;
  return {
    action: action.value,
    unseen: words.unseen?.value ?? UNSAID.unseen,
    unknown: words.unknown?.value ?? UNSAID.unknown,
    ...(minAge !== undefined && minAge.days > 0 && { minAge }),
    private: words.private?.value ?? UNSAID.private,
    byDigest: words.byDigest?.value ?? UNSAID.byDigest,
    source: action.source,
    why: action.why,
  };
}

/** The rule where no image is in question: what the policy says in general. */
export function generalRule(sets: readonly RuleSet[]): Rule {
  return ruleFor({ rules: sets.map((set) => ({ ...set, rules: [] })) }, NOWHERE);
}

function combined(
  floor: Words,
  { above, mayLoosen }: { above: Words; mayLoosen: ReadonlySet<string> },
): Words {
  return eachPart(<P extends Part>(part: P) => {
    const [low, high]: (Word<ValueOf<P>> | undefined)[] = [floor[part], above[part]];
    if (low === undefined || high === undefined) return high ?? low;
    if (high.byProfile === true && part !== "action") return low;
    if (mayLoosen.has(PART_KEYS[part]) && high.byProfile !== true) return high;
    const value = stricter(part, low.value, high.value);
    return value === low.value ? { ...low, why: low.why + overruled(high, value) } : { ...high, value };
  });
}

/** Mentions a word that the floor overrules, so that its author does not search for a mistake. */
function overruled({ value, source }: Word<unknown>, stricterValue: unknown): string {
  return value === stricterValue ? "" : `; ${source} says ${JSON.stringify(value)}, which is looser`;
}

/** What a set of rules says of an image: its first rule that matches, then its default, then its profile. */
export function wordsOf({ rules, default: otherwise, profile }: RuleSet, reference: Reference): Words {
  const isMatch = (pattern: Pattern) => matches(pattern, reference);
  const rule = rules.find(({ patterns }) => patterns.some(isMatch));
  const said: RuleParts = rule ?? {};
  const byProfile = profile && profileWords(profile, reference);
  return eachPart(<P extends Part>(part: P) => {
    const ruled: Setting<ValueOf<P>> | undefined = said[part];
    if (ruled !== undefined) return { ...ruled, why: `the rule for "${rule?.patterns.find(isMatch)?.text}"` };
    const general: Setting<ValueOf<P>> | undefined = otherwise[part];
    return general === undefined ? byProfile?.[part] : { ...general, why: "the policy's default" };
  });
}

/** What a set of rules says of images for which it has no rule. By the shape of tags that is `follow` or stricter. */
export function generalWord(set: RuleSet, part: Part): Setting<ValueOf<Part>> | undefined {
  const word = wordsOf({ ...set, rules: [] }, NOWHERE)[part];
  return word?.byProfile && set.profile ? { ...word, source: set.profile.source } : word;
}

/** A profile that is named sets every part to its default. */
function profileWords(
  { value: profile, source }: NonNullable<RuleSet["profile"]>,
  reference: Reference,
): Words {
  const word = <T>(value: T, more = "") =>
    ({ value, source, why: `the profile "${profile}"${more}`, byProfile: true }) as const;
  return {
    action:
      profile === "strict"
        ? word("block", " blocks every tag that moved")
        : { ...classWord(reference), byProfile: true },
    unseen: word(UNSAID.unseen),
    unknown: word(UNSAID.unknown),
    minAge: undefined,
    private: word(UNSAID.private),
    byDigest: word(UNSAID.byDigest),
  };
}

function classWord(reference: Reference): Word<ValueOf<"action">> {
  const { name, action, why } = tagClass(reference);
  return { value: action, source: `default: ${name}`, why };
}
