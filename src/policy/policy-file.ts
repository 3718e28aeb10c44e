// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { parseIdentity, parsePublicKey, type Trust, type TrustedSigner } from "../record/signer.ts";
import { mayUsePlainHttp, readRegistryHost } from "./host.ts";
import { readLogUrl, shownUrl } from "./log-url.ts";
import { PolicyError, throwProblems } from "./policy-error.ts";
import { type Finding, type KeyPath, nodeAt, quotedPath, wrongKeys } from "./policy-keys.ts";
import { POLICY_SCHEMA, type PolicyShape, VERSION } from "./policy-schema.ts";
import { DEFAULTS, type RegistryAccess, type Setting, type Settings } from "./settings.ts";
import { shapeFinding } from "./shape-finding.ts";
import { readYamlFile, type YamlFile } from "./yaml-file.ts";

/** More findings than are ever shown need no line. */
const ENOUGH = 1_000;

/**
 * Reads a policy file: what it sets, with the lines; the defaults for the rest. `name` is for messages. All that is
 * wrong with it is told at once. Throws PolicyError.
 */
export function readPolicyFile(text: string, name: string): Settings {
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
  const shape = v.safeParse(POLICY_SCHEMA, file.value);
  report([...keys, ...(shape.issues ?? []).flatMap((issue) => shapeFinding(issue, keys))]);
  if (!shape.success)
    throw new PolicyError({ code: "wrong-value", place: name, text: "it has not the shape of a policy" });
  const { settings, findings } = readValues(shape.output, (path) => `${name}:${lineOf(path)}`);
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

/** Reads the values that have a grammar of their own. */
function readValues(
  { log, signing, trust, default: defaults, registries }: PolicyShape,
  placeOf: (path: KeyPath) => string,
): { settings: Settings; findings: Finding[] } {
  const findings: Finding[] = [];
  const wrong = (path: KeyPath, why: string) =>
    findings.push({ path, code: "wrong-value", text: `${quotedPath(path)}: ${why}` });

  const access: RegistryAccess[] = [];
  for (const [index, entry] of (registries ?? []).entries()) {
    const path = ["registries", index, "host"];
    const outcome = readRegistryHost(entry.host);
    if ("problem" in outcome) wrong(path, `"${excerpt(entry.host)}": ${outcome.problem}`);
    else if (access.some(({ host }) => host === outcome.host))
      wrong(path, `"${outcome.host}" is there twice`);
    else access.push({ host: outcome.host, plainHttp: entry["plain-http"] });
  }
  const signers: Trust[] = [];
  for (const [index, entry] of (trust ?? []).entries()) {
    try {
      signers.push({ signer: readSigner(entry), may: new Set(["record", "approve"]) });
    } catch (error) {
      const path = ["trust", index, ...(entry.key === undefined ? [] : ["key"])];
      wrong(path, error instanceof Error ? error.message : "it names nobody");
    }
  }
  const readUrl = (path: KeyPath, text: string | undefined, otherwise: string): string => {
    if (text === undefined) return otherwise;
    const outcome = readLogUrl(text, (host) => mayUsePlainHttp(host, access));
    if ("url" in outcome) return outcome.url;
    wrong(path, `"${shownUrl(text)}": ${outcome.problem}`);
    return otherwise;
  };
  const url = readUrl(["log", "url"], log?.url, DEFAULTS.logUrl.value);
  const fulcio = readUrl(["signing", "fulcio"], signing?.fulcio, DEFAULTS.fulcioUrl.value);

  const set = <T>(path: KeyPath, value: T | undefined, otherwise: Setting<T>): Setting<T> =>
    value === undefined ? otherwise : { value, source: placeOf(path) };
  return {
    findings,
    settings: {
      logUrl: set(["log", "url"], log && url, DEFAULTS.logUrl),
      fulcioUrl: set(["signing", "fulcio"], signing && fulcio, DEFAULTS.fulcioUrl),
      trust: set(["trust"], trust && signers, DEFAULTS.trust),
      unseen: set(["default", "unseen"], defaults?.unseen, DEFAULTS.unseen),
      unknown: set(["default", "unknown"], defaults?.unknown, DEFAULTS.unknown),
      registries: set(["registries"], registries && access, DEFAULTS.registries),
      timeoutMs: DEFAULTS.timeoutMs,
    },
  };
}

/** A signer is a key, or an identity and who vouches for it. Throws TypeError and TrustError. */
function readSigner({ key, issuer, identity }: NonNullable<PolicyShape["trust"]>[number]): TrustedSigner {
  if (key !== undefined && issuer === undefined && identity === undefined) return parsePublicKey(key);
  if (key === undefined && issuer !== undefined && identity !== undefined)
    return parseIdentity({ issuer, identity });
  throw new TypeError('a signer is "key" alone, or "issuer" and "identity" together');
}
