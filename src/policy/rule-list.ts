// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import { covers, type Pattern, parsePattern } from "./pattern.ts";
import type { KeyPath } from "./policy-keys.ts";
import type { PartsShape, PolicyShape } from "./policy-schema.ts";
import type { RuleParts } from "./rule.ts";
import type { PatternRule, Setting, Source } from "./settings.ts";

type RuleShape = NonNullable<PolicyShape["rules"]>[number];

const MAX_PATTERNS = 1_000;

/** Reads what a rule or `default` says; `placeOf` gives the place of a key. */
export function readParts(shape: PartsShape, placeOf: (key: string) => Source): RuleParts {
  const set = <T>(key: string, value: T | undefined): Setting<T> | undefined =>
    value === undefined ? undefined : { value, source: placeOf(key) };
  const given = shape["min-age"];
  const minAge = typeof given === "number" ? { days: given } : given;
  const parts = {
    action: set("action", shape.action),
    unseen: set("unseen", shape.unseen),
    unknown: set("unknown", shape.unknown),
    minAge: set("min-age", minAge && { days: minAge.days, otherwise: minAge.otherwise ?? "block" }),
    private: set("private", shape.private),
  };
  return Object.fromEntries(
    Object.entries(parts).filter(([, setting]) => setting !== undefined),
  ) as RuleParts;
}

/** Reads the list of rules. A rule that can never count is a mistake in its place or its pattern, and is refused. */
export function readRules(
  shapes: readonly RuleShape[],
  { placeOf, wrong }: { placeOf: (path: KeyPath) => Source; wrong: (path: KeyPath, why: string) => void },
): PatternRule[] {
  const count = shapes.flatMap(({ match }) => match).length;
  if (count > MAX_PATTERNS) {
    // Each is compared with all before it.
    wrong(["rules"], `there are ${count} patterns in all, and ${MAX_PATTERNS} are allowed; use wildcards`);
    return [];
  }
  const rules: PatternRule[] = [];
  for (const [index, shape] of shapes.entries()) {
    const { match, ...said } = shape;
    const patterns = readPatterns(match, (place, why) =>
      wrong(["rules", index, "match", ...(typeof match === "string" ? [] : [place])], why),
    );
    const parts = readParts(said, (key) => placeOf(["rules", index, key]));
    if (Object.keys(parts).length === 0)
      wrong(
        ["rules", index],
        'it says nothing; give it an "action", "unseen", "unknown", "min-age" or "private"',
      );
    const hiding = patterns.map((pattern) =>
      rules.find((rule) => rule.patterns.some((earlier) => covers(earlier, pattern))),
    );
    const places = [...new Set(hiding.flatMap((rule) => rule?.source ?? []))];
    if (hiding.length > 0 && hiding.every((rule) => rule !== undefined)) {
      const before = places.length === 1 ? `rule at ${places.join("")}` : `rules at ${places.join(", ")}`;
      wrong(
        ["rules", index],
        `it never counts: all that it matches is matched by the ${before}; put it before, or leave it out`,
      );
    }
    rules.push({ patterns, source: placeOf(["rules", index]), ...parts });
  }
  return rules;
}

function readPatterns(
  match: RuleShape["match"],
  wrong: (place: number, why: string) => void,
): readonly Pattern[] {
  return (typeof match === "string" ? [match] : match).flatMap((text, place) => {
    const outcome = parsePattern(text);
    if ("pattern" in outcome) return outcome.pattern;
    wrong(place, `"${excerpt(text)}": ${outcome.problem}`);
    return [];
  });
}
