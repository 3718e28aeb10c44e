// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { isMap, isScalar, isSeq } from "yaml";
import { excerpt } from "../log/excerpt.ts";
import type { SigningServices } from "../log/signing-config.ts";
import { mayUsePlainHttp, readLogUrl, type RegistryAccess } from "./address.ts";
import type { FileReading, Key } from "./key.ts";
import { eachKey, KEYS, type Settings } from "./keys.ts";
import { covers, parsePattern, type Pattern } from "./pattern.ts";
import {
  type KeyPath,
  MAX_SHOWN,
  PolicyError,
  type PolicyErrorCode,
  type PolicyProblem,
  quotedList,
  quotedPath,
  suggestion,
  throwProblems,
  whyRefused,
} from "./policy-error.ts";
import {
  ALLOWED_KEYS,
  type PartsShape,
  POLICY_SCHEMA,
  type PolicyShape,
  type RuleShape,
  VERSION,
} from "./policy-schema.ts";
import { PART_KEYS, PARTS, type PatternRule, type RuleParts, type Setting, type Source } from "./rule.ts";
import { readYamlFile } from "./yaml-file.ts";

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
interface Reading extends FileContext, Pick<FileReading, "attempt"> {
  /** The place of a value, for messages. */
  readonly placeOf: (path: KeyPath) => Source;
  /** Notes a problem of a value, whose path is named. */
  readonly wrong: (path: KeyPath, why: string) => void;
}

/** Notes a problem at a path; the number of those before is given, and false is answered when there are enough. */
type Report = (path: KeyPath, text: string | ((before: number) => string), code?: PolicyErrorCode) => boolean;

/** More problems than are ever shown. */
const ENOUGH = 100;
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
  const { root, value, lineOf } = readYamlFile(text, name);
  const problems: (PolicyProblem & { readonly line: number })[] = [];
  const lineAt = (path: KeyPath) => lineOf(nodeAt(root, path));
  const placeOf = (path: KeyPath) => `${name}:${lineAt(path)}`;
  const report: Report = (path, why, code = "wrong-value") => {
    const before = problems.length;
    if (before >= ENOUGH) return false;
    const told = typeof why === "string" ? why : why(before);
    problems.push({ code, line: lineAt(path), place: placeOf(path), text: told });
    return true;
  };
  const throwReported = () => throwProblems(problems.toSorted((one, other) => one.line - other.line));
  const wrong: Reading["wrong"] = (path, why) => void report(path, `${quotedPath(path)}: ${why}`);
  const attempt: Reading["attempt"] = (path, read) => {
    try {
      return read();
    } catch (error) {
      wrong(path, whyRefused(error));
      return undefined;
    }
  };

  const version: unknown = root.get("version");
  if (typeof version === "number" && Number.isInteger(version) && version > VERSION) {
    // A newer file would be read wrongly, so the rest of it is not read.
    const why = `it is made for a newer tlog-dockerfile: this one reads "version: ${VERSION}", not ${version}`;
    report(["version"], why, "version");
    throwReported();
  }
  reportUnknownKeys(root, [], report);
  const shape = v.safeParse(POLICY_SCHEMA, value, { abortPipeEarly: true });
  for (const issue of shape.issues?.slice(0, ENOUGH) ?? []) reportIssue(issue, [], report);
  throwReported();
  if (!shape.success)
    throw new PolicyError({ code: "wrong-value", place: name, text: "it has not the shape of a policy" });
  const settings = readValues(shape.output as PolicyShape, { ...context, placeOf, wrong, attempt });
  throwReported();
  return settings;
}

/** The node to point at for a path: a mapping's key, a list's entry; the last one there is when the path goes on. */
function nodeAt(root: unknown, path: KeyPath): unknown {
  let node = root;
  let pointed = root;
  for (const part of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === part) : undefined;
    if (pair !== undefined) [pointed, node] = [pair.key, pair.value];
    else if (isSeq(node) && typeof part === "number" && node.items[part] !== undefined)
      pointed = node = node.items[part];
    else break;
  }
  return pointed;
}

/** The keys of a file that the format does not have, in the file's order. */
function reportUnknownKeys(node: unknown, path: KeyPath, report: Report): void {
  if (isSeq(node))
    for (const [index, item] of node.items.entries()) reportUnknownKeys(item, [...path, index], report);
  const allowed = ALLOWED_KEYS.get(path.map((part) => (typeof part === "number" ? "*" : part)).join("."));
  if (!isMap(node) || allowed === undefined) return;
  for (const { key: keyNode, value } of node.items) {
    const key = String(isScalar(keyNode) ? keyNode.value : keyNode);
    if (!allowed.includes(key)) {
      const where = path.length === 0 ? "" : ` in ${quotedPath(path)}`;
      const text = (before: number) =>
        `the key "${excerpt(key)}" is not known${where}${before < MAX_SHOWN ? suggestion(key, allowed) : ""}; allowed there: ${allowed.join(", ")}`;
      if (!report([...path, key], text, "unknown-key")) return;
    }
    reportUnknownKeys(value, [...path, key], report);
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? `the text "${excerpt(value, 40)}"` : `${typeof value} ${String(value)}`;
}

/** What valibot found, in the words of the file. Keys that are not known have been told before. */
function reportIssue(
  issue: v.InferIssue<typeof POLICY_SCHEMA>,
  around: readonly v.IssuePathItem[],
  report: Report,
): void {
  const steps: readonly v.IssuePathItem[] = [...around, ...(issue.path ?? [])];
  const path = steps.flatMap(({ key }) => (typeof key === "string" || typeof key === "number" ? key : []));
  const wrong = (why: string) => void report(path, `${quotedPath(path)} ${why}`);
  if (issue.type === "strict_object" && issue.expected === "never") return;
  if (steps.at(-1)?.origin === "key") return wrong("is missing");
  if (issue.type === "min_length") return wrong("is empty; leave it out, or put something into it");
  if (issue.type === "max_length") return wrong(`has more than ${issue.requirement} entries`);
  if (issue.type === "union") {
    // One of the kinds was meant when something inside of it is wrong.
    const inside = (issue.issues ?? []).filter(({ path: within }) => within !== undefined);
    for (const each of inside) reportIssue(each as typeof issue, steps, report);
    if (inside.length > 0) return;
  }
  const choices = [...issue.message.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice ?? "");
  const hint =
    issue.type === "picklist" && typeof issue.input === "string" ? suggestion(issue.input, choices) : "";
  // Whatever stands where a key should may be the private one.
  const got =
    path[0] === "trust" && typeof issue.input === "string" && hint === "" ? "text" : kindOf(issue.input);
  wrong(`must be ${issue.message}, not ${got}${hint}`);
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
