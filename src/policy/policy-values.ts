// SPDX-License-Identifier: Apache-2.0
import type { SigningServices } from "../log/signing-config.ts";
import { mayUsePlainHttp, readLogUrl, readRegistries, type RegistryAccess } from "./address.ts";
import type { FileReading, Key } from "./key.ts";
import { KEY_NAMES, KEYS, type Settings } from "./keys.ts";
import { covers, parsePattern } from "./pattern.ts";
import { type FileProblem, type KeyPath, quotedPath, whyRefused } from "./policy-error.ts";
import type { PartsShape, PolicyShape, RuleShape } from "./policy-schema.ts";
import { PART_KEYS, PARTS, type PatternRule, type RuleParts, type Source } from "./rule.ts";

/** What else decides what a file means. */
export interface FileContext {
  /** The services of the signing configuration, which know the API of their logs. */
  readonly services: SigningServices;
  /** The baked file is the one that others may be allowed to loosen. */
  readonly isBaked: boolean;
  /** Registries that are named elsewhere, in plain http or not. */
  readonly registries: readonly RegistryAccess[];
}

type Reading = FileContext & { readonly placeOf: (path: KeyPath) => string };

/** Reads the values of a file, each with the place where it stands. */
export function readValues(
  shape: PolicyShape,
  { services, isBaked, registries, placeOf }: Reading,
): { readonly settings: Settings; readonly problems: readonly FileProblem[] } {
  const problems: FileProblem[] = [];
  const wrong = (path: KeyPath, why: string) =>
    void problems.push({ path, code: "wrong-value", text: `${quotedPath(path)}: ${why}` });
  const attempt: FileReading["attempt"] = (path, read) => {
    try {
      return read();
    } catch (error) {
      wrong(path, whyRefused(error));
      return undefined;
    }
  };
  const access = [...plainHosts(shape["registries"]), ...registries];
  const url: FileReading["url"] = (text, read = readLogUrl) =>
    read(text, (host) => mayUsePlainHttp(host, access));

  if (shape.log !== undefined && shape["logs"] !== undefined)
    wrong(["log"], 'there is "logs" too; put this one into that list, the log to write to first');
  if (shape["signing"] !== undefined && Object.keys(shape["signing"] as object).length === 0)
    wrong(["signing"], 'it is empty; it has "fulcio", "timestamps" or both');
  if (shape["allow-looser"] !== undefined && !isBaked)
    wrong(["allow-looser"], "it is for the file in the frontend image alone, which says what others may do");

  const all = KEY_NAMES.flatMap((name) => {
    const row: Key<unknown> = KEYS[name];
    const given = valueAt(shape, row.at);
    const isShort = name === "logs" && given === undefined;
    const at = isShort ? ["log"] : row.at;
    const value = isShort ? shape.log && [shape.log] : given;
    if (value === undefined) return [];
    const read = attempt(at, () => row.read(value, { at, services, attempt, url }));
    return read === undefined ? [] : [[name, { value: read, source: placeOf(at) }] as const];
  });
  // Each name has the value of its own row, which TypeScript cannot see in a list.
  const single = Object.fromEntries(all) as Pick<Settings, (typeof KEY_NAMES)[number]>;
  const logPlace = (index: number) => placeOf(shape["logs"] === undefined ? ["log"] : ["logs", index]);
  const settings: Settings = {
    ...single,
    logSources: new Map(single.logs?.value.map((log, index) => [log.url, logPlace(index)])),
    rules: readRules(shape.rules ?? [], { placeOf, wrong, attempt }),
    default: readParts(shape.default ?? {}, (key) => placeOf(["default", key])),
    mayLoosen: new Set(shape["allow-looser"]),
  };
  return { settings, problems };
}

/** The value at a path of keys; undefined where the way ends before. */
function valueAt(shape: PolicyShape, [first, second]: Key<unknown>["at"]): unknown {
  const value = shape[first];
  return second === undefined ? value : (value as Readonly<Record<string, unknown>> | undefined)?.[second];
}

const MAX_PATTERNS = 1_000;

/** Which hosts may be asked in plain http decides which addresses are taken; what is wrong with them is told later. */
function plainHosts(shape: unknown): readonly RegistryAccess[] {
  const attempt: FileReading["attempt"] = (_, read) => {
    try {
      return read();
    } catch {
      return undefined;
    }
  };
  return readRegistries((shape ?? []) as Parameters<typeof readRegistries>[0], { at: [], attempt });
}

/** Reads what a rule or `default` says; `placeOf` gives the place of a key. */
function readParts(shape: PartsShape, placeOf: (key: string) => Source): RuleParts {
  const given = shape["min-age"];
  const minAge = typeof given === "number" ? { days: given } : given;
  const values = {
    ...shape,
    "min-age": minAge && { days: minAge.days, otherwise: minAge.otherwise ?? "block" },
  };
  const parts = PARTS.flatMap((part) => {
    const value = values[PART_KEYS[part]];
    return value === undefined ? [] : [[part, { value, source: placeOf(PART_KEYS[part]) }] as const];
  });
  return Object.fromEntries(parts) as RuleParts;
}

/** Reads the list of rules. A rule that can never count is a mistake in its place or its pattern, and is refused. */
function readRules(
  shapes: readonly RuleShape[],
  {
    placeOf,
    wrong,
    attempt,
  }: Pick<Reading, "placeOf"> &
    Pick<FileReading, "attempt"> & { wrong: (path: KeyPath, why: string) => void },
): PatternRule[] {
  const count = shapes.flatMap(({ match }) => match).length;
  if (count > MAX_PATTERNS) {
    // Each is compared with all before it.
    wrong(["rules"], `there are ${count} patterns in all, and ${MAX_PATTERNS} are allowed; use wildcards`);
    return [];
  }
  const rules: PatternRule[] = [];
  for (const [index, { match, ...said }] of shapes.entries()) {
    const at = ["rules", index];
    const texts = typeof match === "string" ? [match] : match;
    const patterns = texts.flatMap((text, place) => {
      const path = [...at, "match", ...(typeof match === "string" ? [] : [place])];
      return attempt(path, () => parsePattern(text)) ?? [];
    });
    const parts = readParts(said, (key) => placeOf([...at, key]));
    if (Object.keys(parts).length === 0)
      wrong(at, 'it says nothing; give it an "action", "unseen", "unknown", "min-age" or "private"');
    const hiding = patterns.map((pattern) =>
      rules.find((rule) => rule.patterns.some((earlier) => covers(earlier, pattern))),
    );
    const places = [...new Set(hiding.flatMap((rule) => rule?.source ?? []))];
    if (hiding.length > 0 && hiding.every((rule) => rule !== undefined)) {
      const before = places.length === 1 ? `rule at ${places.join("")}` : `rules at ${places.join(", ")}`;
      wrong(
        at,
        `it never counts: all that it matches is matched by the ${before}; put it before, or leave it out`,
      );
    }
    rules.push({ patterns, source: placeOf(at), ...parts });
  }
  return rules;
}
