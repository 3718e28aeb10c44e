// SPDX-License-Identifier: Apache-2.0
import { ImageReferenceError, parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import { mayUsePlainHttp, readRegistryHost } from "./host.ts";
import { readLogUrl, readServiceUrl, shownUrl } from "./log-url.ts";
import { type Finding, type KeyPath, quotedPath } from "./policy-keys.ts";
import type { PolicyShape } from "./policy-schema.ts";
import { readParts, readRules } from "./rule-list.ts";
import type { RegistryAccess, Setting, Settings } from "./settings.ts";
import type { Trust } from "../record/signer.ts";
import { readTrust, trustId } from "./trust.ts";

/** What else decides what a file means. */
export interface FileSurroundings {
  /** The services of the signing configuration, which know the API of their logs. */
  readonly services: SigningServices;
  /** The baked file is the one that others may be allowed to loosen. */
  readonly isBaked: boolean;
  /** Registries that are named elsewhere, in plain http or not. */
  readonly registries: readonly RegistryAccess[];
}

type Reading = FileSurroundings & { readonly placeOf: (path: KeyPath) => string };

const MAX_PATH = 255;

/** Reads the values that have a grammar of their own, and gives each the place where it stands. */
export function readValues(
  shape: PolicyShape,
  { services, isBaked, registries, placeOf }: Reading,
): { readonly settings: Settings; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const wrong = (path: KeyPath, why: string) =>
    void findings.push({ path, code: "wrong-value", text: `${quotedPath(path)}: ${why}` });

  const access = readRegistries(shape.registries ?? [], wrong);
  const allows = (host: string) => mayUsePlainHttp(host, [...access, ...registries]);
  const readUrl = (path: KeyPath, { text, read }: { text: string; read: typeof readLogUrl }): string => {
    const outcome = read(text, allows);
    if ("url" in outcome) return outcome.url;
    wrong(path, `"${shownUrl(text)}": ${outcome.problem}`);
    return "";
  };
  const set = <Key extends string, T>(key: Key, { at, value }: { at: KeyPath; value: T | undefined }) =>
    (value === undefined ? {} : { [key]: { value, source: placeOf(at) } }) as { [_ in Key]?: Setting<T> };

  if (shape.log !== undefined && shape.logs !== undefined)
    wrong(["log"], 'there is "logs" too; put this one into that list, the log to write to first');
  const logsAt = shape.logs === undefined ? ["log"] : ["logs"];
  const logs = (shape.logs ?? (shape.log && [shape.log]))?.map(({ url, api }, index): LogService => {
    const at = shape.logs === undefined ? logsAt : [...logsAt, index];
    const read = readUrl([...at, "url"], { text: url, read: readLogUrl });
    return { url: read, api: api ?? services.logs.find((each) => each.url === read)?.api ?? 1 };
  });
  for (const [index, { url }] of (logs ?? []).entries()) {
    if (url !== "" && logs?.slice(0, index).some((each) => each.url === url))
      wrong([...logsAt, index, "url"], `"${shownUrl(url)}" is there twice`);
  }
  const { fulcio, timestamps } = shape.signing ?? {};
  if (shape.signing !== undefined && fulcio === undefined && timestamps === undefined)
    wrong(["signing"], 'it is empty; it has "fulcio", "timestamps" or both');
  if (shape.lock !== undefined && !isPathInside(shape.lock))
    wrong(
      ["lock"],
      `"${excerpt(shape.lock)}" is not the path of a ".lock" file within the build context, such as "ci/tlog.lock"`,
    );
  if (shape["allow-looser"] !== undefined && !isBaked)
    wrong(["allow-looser"], "it is for the file in the frontend image alone, which says what others may do");

  const settings: Settings = {
    ...set("profile", { at: ["profile"], value: shape.profile }),
    ...set("logs", { at: logsAt, value: logs }),
    ...set("fulcio", {
      at: ["signing", "fulcio"],
      value: fulcio && readUrl(["signing", "fulcio"], { text: fulcio, read: readLogUrl }),
    }),
    ...set("timestamps", {
      at: ["signing", "timestamps"],
      value: timestamps?.map((text, index) =>
        readUrl(["signing", "timestamps", index], { text, read: readServiceUrl }),
      ),
    }),
    ...set("trust", { at: ["trust"], value: shape.trust && readSigners(shape.trust, wrong) }),
    ...set("registries", { at: ["registries"], value: shape.registries && access }),
    ...set("lock", { at: ["lock"], value: shape.lock }),
    ...set("recheck", { at: ["recheck"], value: shape.recheck }),
    ...set("attest", { at: ["attest"], value: shape.attest }),
    ...set("conversion", {
      at: ["conversion"],
      value: shape.conversion === undefined ? undefined : readConversion(shape.conversion, wrong),
    }),
    ...set("syntax", { at: ["syntax"], value: shape.syntax }),
    ...set("tuf", {
      at: ["tuf"],
      value: shape.tuf && readUrl(["tuf"], { text: shape.tuf, read: readLogUrl }),
    }),
    ...set("timeoutMs", { at: ["timeout"], value: shape.timeout && shape.timeout * 1_000 }),
    logSources: new Map(logs?.map(({ url }, index) => [url, placeOf(shape.logs ? ["logs", index] : logsAt)])),
    rules: readRules(shape.rules ?? [], { placeOf, wrong }),
    default: readParts(shape.default ?? {}, (key) => placeOf(["default", key])),
    mayLoosen: new Set(shape["allow-looser"]),
  };
  return { settings, findings };
}

type Wrong = (path: KeyPath, why: string) => void;

function readRegistries(entries: NonNullable<PolicyShape["registries"]>, wrong: Wrong): RegistryAccess[] {
  const access: RegistryAccess[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = ["registries", index, "host"];
    const outcome = readRegistryHost(entry.host);
    if ("problem" in outcome) wrong(path, `"${excerpt(entry.host)}": ${outcome.problem}`);
    else if (access.some(({ host }) => host === outcome.host))
      wrong(path, `"${outcome.host}" is there twice`);
    else access.push({ host: outcome.host, plainHttp: entry["plain-http"] ?? false });
  }
  return access;
}

function readSigners(entries: NonNullable<PolicyShape["trust"]>, wrong: Wrong): Trust[] {
  const trust: Trust[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      const read = readTrust(entry);
      if (trust.some((each) => trustId(each) === trustId(read)))
        wrong(["trust", index], "this signer is there twice; write one entry with all that it may");
      trust.push(read);
    } catch (error) {
      const path = ["trust", index, ...(entry.key === undefined ? [] : ["key"])];
      wrong(path, error instanceof Error ? error.message : "it names nobody");
    }
  }
  return trust;
}

/** The conversion image. Its tag must be written out: nobody is to run whatever `latest` is by an oversight. */
function readConversion(text: string, wrong: Wrong): Reference | undefined {
  const fail = (why: string) => void wrong(["conversion"], `"${excerpt(text, 200)}": ${why}`);
  try {
    const reference = parseReference(text);
    if (/[:@]/.test(text.slice(text.lastIndexOf("/") + 1))) return reference;
    fail('it has no tag and no digest; write one, as in "docker/dockerfile:1.19"');
  } catch (error) {
    if (!(error instanceof ImageReferenceError)) throw error;
    fail(error.message);
  }
  return undefined;
}

/** Whether it is a path below the build context, written without detours. */
function isPathInside(path: string): boolean {
  return (
    path.length <= MAX_PATH &&
    !/[\\\p{Cc}\p{Cf}]/u.test(path) &&
    // An update writes there: nothing else than a lock file may be overwritten by it, and nothing hidden.
    path.endsWith(".lock") &&
    path.split("/").every((part) => part !== "" && !part.startsWith("."))
  );
}
