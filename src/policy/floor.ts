// SPDX-License-Identifier: Apache-2.0
import type { Key } from "./key.ts";
import { eachKey, KEYS, NO_SETTINGS, type Settings, type SingleSettings } from "./keys.ts";
import { areApart, covers, literalReference, type Pattern } from "./pattern.ts";
import { isArg, placeOf, type PolicyProblem } from "./policy-error.ts";
import {
  NOT_SET,
  type Part,
  PART_KEYS,
  PARTS,
  type Setting,
  type Source,
  stricter,
  type ValueOf,
} from "./rule.ts";
import { generalWord, type RuleSet, wordsOf } from "./rule-for.ts";

/** The `TLOG_*` build arguments take the place of what the repository's file says. */
export function withArgs(file: Settings, args: Settings): Settings {
  const registries = both(file.registries, args.registries);
  return {
    ...file,
    ...args,
    rules: file.rules,
    default: { ...file.default, ...args.default },
    mayLoosen: file.mayLoosen,
    ...(registries && { registries }),
  };
}

/** An argument adds hosts: those of the file stay reachable. */
function both(file: Settings["registries"], args: Settings["registries"]): Settings["registries"] {
  if (file === undefined || args === undefined) return args ?? file;
  const others = file.value.filter(({ host }) => args.value.every((each) => each.host !== host));
  return { value: [...others, ...args.value], source: args.source };
}

/**
 * The floor: what the baked file says, and where it says nothing the defaults, which bind as if it said them. Without a
 * baked file only those of the services do.
 */
export function withDefaults(
  baked: Settings | undefined,
  defaults: { readonly [Name in keyof SingleSettings]?: SingleSettings[Name] | undefined },
): Settings {
  const implied = eachKey((name) => {
    const { floor: rule }: Key<unknown> = KEYS[name];
    const value: unknown = isStrict(baked) && name === "cacheFrom" ? [] : defaults[name];
    const isFloor = rule?.onlyBaked ?? (baked !== undefined && rule?.mayTighten && value !== undefined);
    return isFloor === true ? { value, source: NOT_SET } : undefined;
  });
  return { ...NO_SETTINGS, ...implied, ...baked };
}

/** Whether the strict profile, under which no caches are imported, holds for sure. */
function isStrict(baked: Settings | undefined): boolean {
  return baked?.profile?.value === "strict" && !baked.mayLoosen.has("profile");
}

/**
 * Combines the floor with the settings above it; the problems are settings that would loosen or redirect it. `isBaked` says
 * whether there is a baked file, and not the defaults alone.
 */
export function aboveFloor(
  floor: Settings,
  { above, isBaked }: { readonly above: Settings; readonly isBaked: boolean },
): { readonly settings: Settings; readonly problems: readonly PolicyProblem[] } {
  const problems: PolicyProblem[] = [];
  const single = eachKey((name) => {
    const { floor: rule }: Key<unknown> = KEYS[name];
    const [low, high]: (Setting<unknown> | undefined)[] = [floor[name], above[name]];
    if (low === undefined || high === undefined || rule === undefined) return high ?? low;
    if (floor.mayLoosen.has(rule.freedBy)) return high;
    const objection = rule.objection(high.value, low.value, { source: high.source, isBaked });
    if (objection !== undefined)
      problems.push(loosens(objection, { high: high.source, low: low.source, allowed: rule.freedBy }));
    const mayReplace = !isBaked || (rule.mayTighten === true && high.value !== low.value);
    return objection === undefined && mayReplace ? high : low;
  });
  const settings: Settings = {
    ...single,
    logSources: new Map([...(floor.logSources ?? []), ...(above.logSources ?? [])]),
    rules: above.rules,
    default: above.default,
    mayLoosen: floor.mayLoosen,
  };
  return { settings, problems };
}

/**
 * The problem of writing to another log than the floor's first one when that one has no search: a tag that only the
 * first log has would look new.
 */
export function passedOver(
  { logs, mayLoosen }: Settings,
  writeTo: Setting<1 | 2> | undefined,
): PolicyProblem[] {
  const [first] = logs?.value ?? [];
  if (first === undefined || logs === undefined || writeTo === undefined) return [];
  if (first.api === 1 || writeTo.value === 2 || mayLoosen.has("logs")) return [];
  const objection = `"${writeTo.value}" passes over the log "${first.url}" (API ${first.api})`;
  return [loosens(objection, { high: writeTo.source, low: logs.source, allowed: "logs" })];
}

/** The problem of a setting that the floor refuses. */
function loosens(
  objection: string,
  { high, low, allowed }: { high: Source; low: Source; allowed: string },
): PolicyProblem {
  const [, shape] = /^default: (.*)$/.exec(low) ?? [];
  const byDefault = shape === undefined ? "" : `, which is the default ("${shape}")`;
  const which = shape === undefined && low !== NOT_SET ? `, which ${low} sets` : byDefault;
  const it = isArg(high) ? "leave the argument out" : "leave it out";
  const text = `${objection}${which}; ${it}: only a policy baked into the frontend image may say it, or allow it with "allow-looser: [${allowed}]" (docs/policy.md, "The floor")`;
  return { code: "loosens", ...placeOf(high), text };
}

/**
 * Problems for the parts of the upper rules that the floor overrules for every image: their author expects something
 * else than what happens. A part that counts for some images is no mistake; for the others `ruleFor` says so.
 */
export function loosenedRules(floor: RuleSet, above: RuleSet): PolicyProblem[] {
  const objectTo = (part: Part, high: Word, possible: () => readonly Word[]): PolicyProblem[] => {
    if (high === undefined || floor.mayLoosen.has(PART_KEYS[part])) return [];
    const lows = possible();
    const [low] = lows;
    const isOverruled = lows.every((each) => each !== undefined && isLooser(part, high.value, each.value));
    if (low === undefined || !isOverruled) return [];
    const objection = `${shown(part, high.value)} is looser than ${shown(part, low.value)}`;
    return [loosens(objection, { high: high.source, low: low.source, allowed: PART_KEYS[part] })];
  };
  const ruled = above.rules.map((rule) => ({
    rule,
    possible: rule.patterns.map((pattern) => possibleWords(floor, pattern)),
  }));
  return PARTS.flatMap((part) => [
    ...objectTo(part, above.default[part], () => [generalWord(floor, part)]),
    ...ruled.flatMap(({ rule, possible }) =>
      objectTo(part, rule[part], () => possible.flatMap((words) => words(part))),
    ),
  ]);
}

type Word = Setting<ValueOf<Part>> | undefined;

/** All that the floor may say about images that the pattern matches; undefined where it may say nothing. */
function possibleWords(floor: RuleSet, pattern: Pattern): (part: Part) => Word[] {
  const literal = literalReference(pattern);
  if (literal !== undefined) {
    const words = wordsOf(floor, literal);
    return (part) => [words[part]];
  }
  const met = floor.rules.filter(({ patterns }) => !patterns.every((each) => areApart(each, pattern)));
  const last = met.findIndex(({ patterns }) => patterns.some((each) => covers(each, pattern)));
  return (part) => {
    const general = generalWord(floor, part);
    const words = met.map((rule) => rule[part] ?? general);
    return last < 0 ? [...words, general] : words.slice(0, last + 1);
  };
}

function isLooser(part: Part, high: ValueOf<Part>, low: ValueOf<Part>): boolean {
  return JSON.stringify(stricter(part, low, high)) !== JSON.stringify(high);
}

function shown(part: Part, value: ValueOf<Part>): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "boolean") return `"${PART_KEYS[part]}: ${value}"`;
  const { days, otherwise } = value;
  return `"${PART_KEYS[part]}: ${days} ${days === 1 ? "day" : "days"}, otherwise ${otherwise}"`;
}
