// SPDX-License-Identifier: Apache-2.0
import { type Sha256, sha256 } from "../image/digest.ts";
import type { LedgerSource } from "../ledger/source.ts";
import type { Trust, TrustedSigner } from "../record/signer.ts";
import { placeOf } from "./policy-error.ts";
import type { EffectivePolicy } from "./policy.ts";
import { type Key, quoted } from "./key.ts";
import { KEYS } from "./keys.ts";
import { shownMaxAge } from "./ledgers.ts";
import { NOT_SET, PART_KEYS, PARTS, type RuleParts, type Source } from "./rule.ts";
import type { RuleSet } from "./rule-for.ts";
import { TAG_CLASSES } from "./tag-classes.ts";

/**
 * The policy of a build as YAML, each part with the place where it was set; defaults are comments. Where a baked file
 * is the floor of others, the text has two documents: used as a baked file and as a repository's file, they make the
 * same policy again.
 */
export function renderPolicy(policy: EffectivePolicy): string {
  const [floor, above] = policy.rules;
  const lines = [
    "# the policy of this build",
    "version: 1",
    ...services(policy),
    ...(floor ? ruleSet(floor) : []),
  ];
  if (above !== undefined) {
    lines.push("---", "# above the floor: of both, the stricter counts for each image", "version: 1");
    lines.push(...ruleSet(above));
  }
  lines.push(...classes(policy));
  return `${lines.join("\n")}\n`;
}

function services(policy: EffectivePolicy): string[] {
  const { logs, logSources, signing, trust, registries, sources } = policy;
  const { fulcio, timestamps } = signing;
  const signingLines = [
    ...(fulcio === undefined
      ? []
      : [`${comment(sources.fulcio)}  fulcio: ${quoted(fulcio)}${from(sources.fulcio)}`]),
    ...(timestamps.length === 0
      ? []
      : [
          `${comment(sources.timestamps)}  timestamps: [${timestamps.map(quoted).join(", ")}]${from(sources.timestamps)}`,
        ]),
  ];
  return [
    `${comment(sources.logs)}logs:`,
    ...logs.map(
      ({ url, api, private: isPrivate }) =>
        `${comment(sources.logs)}  - { url: ${quoted(url)}, api: ${api}${isPrivate ? ", private: true" : ""} }${from(logSources.get(url) ?? sources.logs)}`,
    ),
    ...(signingLines.length === 0
      ? []
      : [`${comment(sources.fulcio, sources.timestamps)}signing:`, ...signingLines]),
    ...(trust.length === 0
      ? ["# trust: nobody but who signs in this build"]
      : [`trust:${from(sources.trust)}`, ...trust.flatMap(signer)]),
    ...ledgerLines(policy),
    ...(registries.length === 0
      ? ["# registries: all of them in https, but this machine's own"]
      : [
          `registries:${from(sources.registries)}`,
          ...registries.map(
            ({ host, plainHttp }) => `  - { host: ${quoted(host)}, plain-http: ${plainHttp} }`,
          ),
        ]),
    ...SHOWN.map((name) => keyLine<unknown>(KEYS[name], { value: policy[name], source: sources[name] })),
  ];
}

/** The keys that are printed in one line each. */
const SHOWN = ["lock", "recheck", "attest", "conversion", "syntax", "cacheFrom", "tuf", "timeoutMs"] as const;

function keyLine<T>(
  { at, show, unsaid }: Key<T>,
  { value, source }: { value: T | undefined; source: Source },
): string {
  const [name] = at;
  if (value === undefined) return `# ${name}: ${unsaid ?? "nobody says"}`;
  return `${comment(source)}${name}: ${show?.(value) ?? ""}${from(source)}`;
}

/** Starts the line of a default: as a setting, it would bind whoever uses the printed policy. */
function comment(...sources: readonly Source[]): string {
  return sources.every((source) => source === NOT_SET) ? "# " : "";
}

function from(source: Source): string {
  return `  # ${placeOf(source).place}`;
}

function ledgerLines({ ledgers, sources: { ledgers: source } }: EffectivePolicy): string[] {
  const start = comment(source);
  if (ledgers.length === 0) return start === "" ? [`ledgers: []${from(source)}`] : ["# ledgers: none"];
  return [
    `${start}ledgers:${from(source)}`,
    ...ledgers.flatMap((ledger) => entry(ledgerParts(ledger)).map((line) => `${start}${line}`)),
  ];
}

function ledgerParts({ repository, observer, approvers, maxAgeMs }: LedgerSource): string[] {
  return [
    `repository: ${quoted(repository)}`,
    "observer:",
    ...signerParts(observer).map((line) => `  ${line}`),
    ...(approvers.length === 0 ? [] : ["approvers:"]),
    ...approvers.flatMap((each) => entry(signerParts(each))),
    `max-age: ${shownMaxAge(maxAgeMs)}`,
  ];
}

function signer({ signer: who, may, tlogistry }: Trust): string[] {
  return entry([
    ...signerParts(who),
    `may: [${[...may].join(", ")}]`,
    ...(tlogistry === true ? ["tlogistry: true"] : []),
  ]);
}

/** The lines of a mapping as an entry of a list. */
function entry(lines: readonly string[]): string[] {
  return lines.map((line, index) => `${index === 0 ? "  - " : "    "}${line}`);
}

function signerParts(who: TrustedSigner): string[] {
  switch (who.kind) {
    case "key": {
      const pem = who.publicKey.export({ type: "spki", format: "pem" }).toString().trim();
      return ["key: |", ...pem.split("\n").map((line) => `  ${line}`)];
    }
    case "identity":
      return [`issuer: ${quoted(who.issuer)}`, `identity: ${quoted(who.identity)}`];
    case "identity-pattern":
      return [`issuer: ${quoted(who.issuer)}`, `identity-pattern: ${quoted(who.pattern)}`];
  }
}

function ruleSet({ profile, rules, default: otherwise, mayLoosen }: RuleSet): string[] {
  const general = parts(otherwise);
  return [
    profile === undefined
      ? "# profile: default"
      : `${comment(profile.source)}profile: ${profile.value}${from(profile.source)}`,
    ...(rules.length === 0 ? ["# rules: none"] : ["rules:"]),
    ...rules.flatMap(({ patterns, source, ...said }) => [
      `  - match: [${patterns.map(({ text }) => quoted(text)).join(", ")}]${from(source)}`,
      ...parts(said, source).map((line) => `    ${line}`),
    ]),
    ...(general.length === 0 ? ["# default: by the shape of the tag"] : ["default:"]),
    ...general.map((line) => `  ${line}`),
    ...(mayLoosen.size === 0 ? [] : [`allow-looser: [${[...mayLoosen].join(", ")}]`]),
  ];
}

function parts(said: RuleParts, told?: Source): string[] {
  return PARTS.flatMap((part) => {
    const { [part]: setting } = said;
    if (setting === undefined) return [];
    const { value, source } = setting;
    const shown =
      typeof value === "object" ? `{ days: ${value.days}, otherwise: ${value.otherwise} }` : String(value);
    return [`${PART_KEYS[part]}: ${shown}${source === told ? "" : from(source)}`];
  });
}

/** The defaults by the shape of tags, which are in no file. */
function classes({ profile, default: { unseen, unknown } }: EffectivePolicy): string[] {
  const shapes = new Map(
    Object.values(TAG_CLASSES).map((each) => [`${each.name}: ${each.action}`, each.why]),
  );
  return [
    `# where nobody says anything: unseen: ${unseen}, unknown: ${unknown}, and when a tag moved`,
    ...(profile === "strict"
      ? ["#   block (the profile is strict)"]
      : [...shapes].map(([shape, why]) => `#   ${shape} (${why})`)),
    ...(profile === "observe" ? ["# and nothing stops the build: the profile is observe"] : []),
  ];
}

/** Fields that only say where a value was set, and public keys, which are identified by their fingerprint. */
const NO_VALUES: ReadonlySet<string> = new Set(["sources", "logSources", "source", "publicKey"]);

/** The digest of all values of a policy: the same for two that say the same, wherever and with whatever comments. */
export function policyDigest(policy: EffectivePolicy): Sha256 {
  return sha256(
    JSON.stringify(policy, (key, value: unknown) => {
      if (NO_VALUES.has(key)) return undefined;
      if (value instanceof Set) return [...value].toSorted();
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
    }),
  );
}
