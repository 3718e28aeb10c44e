// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { PolicyError, throwProblems } from "./policy-error.ts";
import { type Finding, type KeyPath, nodeAt, wrongKeys } from "./policy-keys.ts";
import { POLICY_SCHEMA, VERSION } from "./policy-schema.ts";
import { type FileSurroundings, readValues } from "./policy-values.ts";
import type { Settings } from "./settings.ts";
import { shapeFinding } from "./shape-finding.ts";
import { readYamlFile, type YamlFile } from "./yaml-file.ts";

/** More findings than are ever shown need no line. */
const ENOUGH = 1_000;

/**
 * Reads a policy file: what it says, with the lines. `name` is for messages. All that is wrong with it is told at
 * once. Throws PolicyError.
 */
export function readPolicyFile(
  text: string,
  { name, ...surroundings }: FileSurroundings & { readonly name: string },
): Settings {
  const file = readYamlFile(text, name);
  const lineOf = (path: KeyPath) => file.lineOf(nodeAt(file.root, path));
  const report = (findings: readonly Finding[]) =>
    throwProblems(
      findings
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
  report([...keys, ...(shape.issues ?? []).flatMap((issue) => shapeFinding(issue))]);
  if (!shape.success)
    throw new PolicyError({ code: "wrong-value", place: name, text: "it has not the shape of a policy" });
  const { settings, findings } = readValues(shape.output, {
    ...surroundings,
    placeOf: (path) => `${name}:${lineOf(path)}`,
  });
  report(findings);
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
