// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { isMap, isScalar, isSeq, type YAMLMap } from "yaml";
import { excerpt } from "../log/excerpt.ts";
import {
  type KeyPath,
  MAX_SHOWN,
  PolicyError,
  type PolicyErrorCode,
  type PolicyProblem,
  quotedPath,
  suggestion,
  throwProblems,
  whyRefused,
} from "./policy-error.ts";
import type { Source } from "./rule.ts";
import { reportIssue, type ShapeReport } from "./shape-issue.ts";
import { type FileKind, readYamlFile } from "./yaml-file.ts";

/** A format of YAML files. */
export interface FileFormat extends FileKind {
  readonly schema: v.GenericSchema;
  /** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
  readonly allowedKeys: ReadonlyMap<string, readonly string[]>;
  /** Whether a text at this path is not to be repeated in a message. */
  maySecretBeAt?(path: KeyPath): boolean;
}

/** A file that is being read, and what was found wrong with it so far. */
export interface OpenFile {
  readonly name: string;
  readonly root: YAMLMap;
  /** The whole content as plain values. */
  readonly value: unknown;
  /** The place of a value, for messages. */
  readonly placeOf: (path: KeyPath) => Source;
  /**
   * Notes a problem at a path; the number of those before is given, and false is answered when there are enough.
   */
  readonly report: (
    path: KeyPath,
    text: string | ((before: number) => string),
    code?: PolicyErrorCode,
  ) => boolean;
  /** Notes a problem of a value, whose path is named. */
  readonly wrong: (path: KeyPath, why: string) => void;
  /** The value that is read; undefined for one that is refused, which is a problem of this path. */
  readonly attempt: <T>(path: KeyPath, read: () => T) => T | undefined;
  /** Throws PolicyError with all problems so far, when there are any. */
  readonly throwReported: () => void;
}

/** More problems than are ever shown. */
const ENOUGH = 100;

/** Opens a YAML file. `name` is for messages. Throws PolicyError (`too-large`, `syntax`). */
export function openFile(text: string, name: string, kind: FileKind): OpenFile {
  const { root, value, lineOf } = readYamlFile(text, name, kind);
  const problems: (PolicyProblem & { readonly line: number })[] = [];
  const lineAt = (path: KeyPath) => lineOf(nodeAt(root, path));
  const placeOf = (path: KeyPath) => `${name}:${lineAt(path)}`;
  const report: OpenFile["report"] = (path, why, code = "wrong-value") => {
    const before = problems.length;
    if (before >= ENOUGH) return false;
    const told = typeof why === "string" ? why : why(before);
    problems.push({ code, line: lineAt(path), place: placeOf(path), text: told });
    return true;
  };
  const wrong: OpenFile["wrong"] = (path, why) => void report(path, `${quotedPath(path)}: ${why}`);
  return {
    name,
    root,
    value,
    placeOf,
    report,
    wrong,
    attempt(path, read) {
      try {
        return read();
      } catch (error) {
        wrong(path, whyRefused(error));
        return undefined;
      }
    },
    throwReported: () => throwProblems(problems.toSorted((one, other) => one.line - other.line)),
  };
}

/** The content of a file, its shape checked. Throws PolicyError with all problems of the shape at once. */
export function checkedShape(file: OpenFile, format: FileFormat): unknown {
  reportUnknownKeys(file.root, [], { file, format });
  const shape = v.safeParse(format.schema, file.value, { abortPipeEarly: true });
  const to: ShapeReport = {
    report: (path, text) => void file.report(path, text),
    maySecretBeAt: format.maySecretBeAt?.bind(format),
  };
  for (const issue of shape.issues?.slice(0, ENOUGH) ?? []) reportIssue(issue, [], to);
  file.throwReported();
  if (!shape.success)
    throw new PolicyError({
      code: "wrong-value",
      place: file.name,
      text: `it has not the shape of ${format.noun}`,
    });
  return shape.output;
}

interface Checking {
  readonly file: OpenFile;
  readonly format: FileFormat;
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
function reportUnknownKeys(node: unknown, path: KeyPath, checking: Checking): void {
  if (isSeq(node))
    for (const [index, item] of node.items.entries()) reportUnknownKeys(item, [...path, index], checking);
  const { file, format } = checking;
  const allowed = format.allowedKeys.get(
    path.map((part) => (typeof part === "number" ? "*" : part)).join("."),
  );
  if (!isMap(node) || allowed === undefined) return;
  for (const { key: keyNode, value } of node.items) {
    const key = String(isScalar(keyNode) ? keyNode.value : keyNode);
    if (!allowed.includes(key)) {
      const where = path.length === 0 ? "" : ` in ${quotedPath(path)}`;
      const text = (before: number) =>
        `the key "${excerpt(key)}" is not known${where}${before < MAX_SHOWN ? suggestion(key, allowed) : ""}; allowed there: ${allowed.join(", ")}`;
      if (!file.report([...path, key], text, "unknown-key")) return;
    }
    reportUnknownKeys(value, [...path, key], checking);
  }
}
