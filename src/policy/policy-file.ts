// SPDX-License-Identifier: Apache-2.0
import type { SigningServices } from "../log/signing-config.ts";
import { mayUsePlainHttp, readLogUrl, type RegistryAccess } from "./address.ts";
import { checkedShape, type FileFormat, type OpenFile, openFile } from "./file-shape.ts";
import type { FileReading, Key } from "./key.ts";
import { eachKey, KEYS, type Settings } from "./keys.ts";
import { covers, parsePattern, type Pattern } from "./pattern.ts";
import { quotedList } from "./policy-error.ts";
import {
  ALLOWED_KEYS,
  type PartsShape,
  POLICY_SCHEMA,
  type PolicyShape,
  type RuleShape,
  VERSION,
} from "./policy-schema.ts";
import { PART_KEYS, PARTS, type PatternRule, type RuleParts, type Setting, type Source } from "./rule.ts";

/** What a file is read with. */
export interface FileContext {
  /** The services of the signing configuration, which know the API of their logs. */
  readonly services: SigningServices;
  /** The baked file is the one that others may be allowed to loosen. */
  readonly isBaked: boolean;
  /** Registries that are named elsewhere, in plain http or not. */
  readonly registries: readonly RegistryAccess[];
}

/** A file that is being read. */
type Reading = FileContext & Pick<OpenFile, "attempt" | "placeOf" | "wrong">;

const POLICY: FileFormat = {
  noun: "a policy",
  begins: 'a policy begins with "version: 1"',
  schema: POLICY_SCHEMA,
  allowedKeys: ALLOWED_KEYS,
  // Whatever stands where a key should may be the private one.
  maySecretBeAt: ([first]) => first === "trust" || first === "ledgers",
};
const MAX_PATTERNS = 1_000;
/** How much work it may take to compare all patterns of a file with one another: some 0.2 seconds. */
const MAX_COMPARING = 4_000_000;

/**
 * Reads a policy file: its settings and their lines. `name` is for messages. Throws PolicyError, with all problems of
 * the file at once.
 */
export function readPolicyFile(
  text: string,
  { name, ...context }: FileContext & { readonly name: string },
): Settings {
  const file = openFile(text, name, POLICY);
  const version: unknown = file.root.get("version");
  if (typeof version === "number" && Number.isInteger(version) && version > VERSION) {
    // A newer file would be read wrongly, so the rest of it is not read.
    const why = `it is made for a newer tlog-dockerfile: this one reads "version: ${VERSION}", not ${version}`;
    file.report(["version"], why, "version");
    file.throwReported();
  }
  const shape = checkedShape(file, POLICY) as PolicyShape;
  const settings = readValues(shape, { ...context, ...file });
  file.throwReported();
  return settings;
}

/** Reads the values of a file, each with the place where it stands. */
function readValues(shape: PolicyShape, reading: Reading): Settings {
  const { services, isBaked, registries, placeOf, wrong, attempt } = reading;
  if (shape.log !== undefined && shape["logs"] !== undefined)
    wrong(["log"], 'there is "logs" too; put this one into that list, the log to write to first');
  if (shape["signing"] !== undefined && Object.keys(shape["signing"] as object).length === 0)
    wrong(["signing"], 'it is empty; it has "fulcio", "timestamps" or both');
  if (shape["allow-looser"] !== undefined && !isBaked)
    wrong(["allow-looser"], "it is for the file in the frontend image alone, which says what others may do");

  const reachable = [...registries];
  const url: FileReading["url"] = (text, read = readLogUrl) =>
    read(text, (host) => mayUsePlainHttp(host, reachable));
  const readKey = (name: keyof typeof KEYS): Setting<unknown> | undefined => {
    const row: Key<unknown> = KEYS[name];
    const given = valueAt(shape, row.at);
    const isShort = name === "logs" && given === undefined;
    const at = isShort ? ["log"] : row.at;
    const value = isShort ? shape.log && [shape.log] : given;
    if (value === undefined) return undefined;
    const read = attempt(at, () => row.read(value, { at, services, isBaked, attempt, url }));
    return read === undefined ? undefined : { value: read, source: placeOf(at) };
  };
  // Read first: these hosts decide which http addresses are accepted.
  const access = readKey("registries") as Settings["registries"];
  reachable.push(...(access?.value ?? []));
  const single = eachKey((name) => (name === "registries" ? access : readKey(name)));
  const logPlace = (index: number) => placeOf(shape["logs"] === undefined ? ["log"] : ["logs", index]);
  return {
    ...single,
    logSources: new Map(single.logs?.value.map((log, index) => [log.url, logPlace(index)])),
    rules: readRules(shape.rules ?? [], reading),
    default: readParts(shape.default ?? {}, (key) => placeOf(["default", key])),
    mayLoosen: new Set(shape["allow-looser"]),
  };
}

/** The value at a path of keys; undefined where the way ends before. */
function valueAt(shape: PolicyShape, [first, second]: Key<unknown>["at"]): unknown {
  const value = shape[first];
  return second === undefined ? value : (value as Readonly<Record<string, unknown>> | undefined)?.[second];
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
function readRules(shapes: readonly RuleShape[], { placeOf, wrong, attempt }: Reading): PatternRule[] {
  const count = shapes.flatMap(({ match }) => match).length;
  if (count > MAX_PATTERNS) {
    // Each is compared with all before it.
    wrong(["rules"], `there are ${count} patterns in all, and ${MAX_PATTERNS} are allowed; use wildcards`);
    return [];
  }
  const rules: PatternRule[] = [];
  const work = { steps: 0 };
  const isHidden = (pattern: Pattern, earlier: Pattern): boolean =>
    work.steps <= MAX_COMPARING && covers(earlier, pattern, work);
  for (const [index, { match, ...said }] of shapes.entries()) {
    const at = ["rules", index];
    const texts = typeof match === "string" ? [match] : match;
    const patterns = texts.flatMap((text, place) => {
      const path = [...at, "match", ...(typeof match === "string" ? [] : [place])];
      return attempt(path, () => parsePattern(text)) ?? [];
    });
    const parts = readParts(said, (key) => placeOf([...at, key]));
    if (Object.keys(parts).length === 0)
      wrong(at, `it says nothing; give it ${quotedList(PARTS.map((part) => PART_KEYS[part]))}`);
    const hiding = patterns.map((pattern) =>
      rules.find((rule) => rule.patterns.some((earlier) => isHidden(pattern, earlier))),
    );
    if (work.steps > MAX_COMPARING) {
      wrong(at, "up to here there are too many patterns with too many wildcards; use fewer of either");
      return rules;
    }
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
