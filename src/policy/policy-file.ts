// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { isMap, isScalar, isSeq } from "yaml";
import { excerpt } from "../log/excerpt.ts";
import type { Settings } from "./keys.ts";
import {
  type FileProblem,
  type KeyPath,
  PolicyError,
  quotedPath,
  suggestion,
  throwProblems,
} from "./policy-error.ts";
import { ALLOWED_KEYS, POLICY_SCHEMA, type PolicyShape, VERSION } from "./policy-schema.ts";
import { type FileContext, readValues } from "./policy-values.ts";
import { readYamlFile, type YamlFile } from "./yaml-file.ts";

/** More problems than are ever shown need no line. */
const ENOUGH = 1_000;

/**
 * Reads a policy file: what it says, with the lines. `name` is for messages. All that is wrong with it is told at
 * once. Throws PolicyError.
 */
export function readPolicyFile(
  text: string,
  { name, ...context }: FileContext & { readonly name: string },
): Settings {
  const file = readYamlFile(text, name);
  const lineOf = (path: KeyPath) => file.lineOf(nodeAt(file.root, path));
  const report = (problems: readonly FileProblem[]) =>
    throwProblems(
      problems
        .slice(0, ENOUGH)
        .map(({ path, code, text: why }) => ({
          code,
          line: lineOf(path),
          place: `${name}:${lineOf(path)}`,
          text: why,
        }))
        .toSorted((one, other) => one.line - other.line),
    );

  checkVersion(file, { name, line: lineOf(["version"]) });
  const keys = wrongKeys(file.root);
  const shape = v.safeParse(POLICY_SCHEMA, file.value, { abortPipeEarly: true });
  report([...keys, ...(shape.issues ?? []).flatMap((issue) => shapeProblems(issue))]);
  if (!shape.success)
    throw new PolicyError({ code: "wrong-value", place: name, text: "it has not the shape of a policy" });
  const { settings, problems } = readValues(shape.output as PolicyShape, {
    ...context,
    placeOf: (path) => `${name}:${lineOf(path)}`,
  });
  report(problems);
  return settings;
}

/** A newer file would be read wrongly, so nothing else of it is looked at. */
function checkVersion({ root }: YamlFile, { name, line }: { name: string; line: number }): void {
  const version: unknown = root.get("version");
  if (typeof version !== "number" || !Number.isInteger(version) || version <= VERSION) return;
  throw new PolicyError({
    code: "version",
    place: `${name}:${line}`,
    line,
    text: `it is made for a newer tlog-dockerfile: this one reads "version: ${VERSION}", not ${version}`,
  });
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

function judgeKey(
  path: KeyPath,
  { key, allowed }: { key: string; allowed: readonly string[] },
): FileProblem[] {
  const keyPath = [...path, key];
  if (allowed.includes(key)) return [];
  const where = path.length === 0 ? "" : ` in ${quotedPath(path)}`;
  const hint = suggestion(key, allowed);
  const text = `the key "${excerpt(key)}" is not known${where}${hint}; allowed there: ${allowed.join(", ")}`;
  return [{ path: keyPath, code: "unknown-key", text }];
}

/** The keys of a file that the format does not have, or that this version does not act on, in the file's order. */
function wrongKeys(node: unknown, path: KeyPath = []): FileProblem[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => wrongKeys(item, [...path, index]));
  const pattern = path.map((part) => (typeof part === "number" ? "*" : part)).join(".");
  const allowed = ALLOWED_KEYS.get(pattern);
  if (!isMap(node) || allowed === undefined) return [];
  return node.items.flatMap(({ key: keyNode, value }) => {
    const key = String(isScalar(keyNode) ? keyNode.value : keyNode);
    return [...judgeKey(path, { key, allowed }), ...wrongKeys(value, [...path, key])];
  });
}

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
function shapeProblems(issue: ShapeIssue, around: readonly Step[] = []): FileProblem[] {
  const steps: readonly Step[] = [...around, ...(issue.path ?? [])];
  const path = steps.flatMap(({ key }) => (typeof key === "string" || typeof key === "number" ? key : []));
  const name = quotedPath(path);
  const wrong = (text: string): FileProblem[] => [{ path, code: "wrong-value", text }];
  if (issue.type === "strict_object" && issue.expected === "never") return [];
  if (steps.at(-1)?.origin === "key") return wrong(`${name} is missing`);
  if (issue.type === "min_length") return wrong(`${name} is empty; leave it out, or put something into it`);
  if (issue.type === "max_length") return wrong(`${name} has more than ${issue.requirement} entries`);
  if (issue.type === "union") {
    // One of the kinds was meant when something inside of it is wrong.
    const inside = (issue.issues ?? []).filter(({ path: within }) => within !== undefined);
    if (inside.length > 0) return inside.flatMap((each) => shapeProblems(each as ShapeIssue, steps));
  }
  const choices = [...issue.message.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice ?? "");
  const hint =
    issue.type === "picklist" && typeof issue.input === "string" ? suggestion(issue.input, choices) : "";
  // Whatever stands where a key should may be the private one.
  const got =
    path[0] === "trust" && typeof issue.input === "string" && hint === "" ? "text" : kindOf(issue.input);
  return wrong(`${name} must be ${issue.message}, not ${got}${hint}`);
}
