// SPDX-License-Identifier: Apache-2.0
import { isMap, isScalar, isSeq } from "yaml";
import { excerpt } from "../log/excerpt.ts";
import { suggestion } from "./near-miss.ts";
import type { PolicyErrorCode } from "./policy-error.ts";
import { ALLOWED_KEYS } from "./policy-schema.ts";

/** The way from the file's root to a value: keys, and places in lists. */
export type KeyPath = readonly (string | number)[];

/** Something wrong at a path of the file. */
export interface Finding {
  readonly path: KeyPath;
  readonly code: PolicyErrorCode;
  readonly text: string;
}

/** The path as people write it, in quotes: `"registries[0].host"`. */
export function quotedPath(path: KeyPath): string {
  const parts = path.map((part, index) =>
    typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${excerpt(part)}`,
  );
  return `"${parts.join("")}"`;
}

/** The node to point at for a path: a mapping's key, a list's entry; the last one there is when the path goes on. */
export function nodeAt(root: unknown, path: KeyPath): unknown {
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

function judgeKey(path: KeyPath, { key, allowed }: { key: string; allowed: readonly string[] }): Finding[] {
  const keyPath = [...path, key];
  if (allowed.includes(key)) return [];
  const where = path.length === 0 ? "" : ` in ${quotedPath(path)}`;
  const hint = suggestion(key, allowed);
  const text = `the key "${excerpt(key)}" is not known${where}${hint}; allowed there: ${allowed.join(", ")}`;
  return [{ path: keyPath, code: "unknown-key", text }];
}

/** The keys of a file that the format does not have, or that this version does not act on, in the file's order. */
export function wrongKeys(node: unknown, path: KeyPath = []): Finding[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => wrongKeys(item, [...path, index]));
  const pattern = path.map((part) => (typeof part === "number" ? "*" : part)).join(".");
  const allowed = ALLOWED_KEYS.get(pattern);
  if (!isMap(node) || allowed === undefined) return [];
  return node.items.flatMap(({ key: keyNode, value }) => {
    const key = String(isScalar(keyNode) ? keyNode.value : keyNode);
    return [...judgeKey(path, { key, allowed }), ...wrongKeys(value, [...path, key])];
  });
}
