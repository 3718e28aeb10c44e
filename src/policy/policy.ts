// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import { type ArgSettings, readBuildArgs } from "./build-args.ts";
import { aboveFloor, passedOver, withArgs } from "./floor.ts";
import { mayUsePlainHttp, plainUrl, type RegistryAccess } from "./address.ts";
import { KEY_NAMES, type Recheck, type Syntax } from "./keys.ts";
import { placeOf, PolicyError, throwProblems } from "./policy-error.ts";
import { NOT_SET, type Profile, type Source, type Unknown, type Unseen } from "./rule.ts";
import { loosenedRules } from "./rule-floor.ts";
import { type RuleSet, sayGenerally } from "./rule-for.ts";
import { NO_SETTINGS, type Settings, type SingleSettings } from "./settings.ts";
import type { Trust } from "../record/signer.ts";

/** The rules by which one build is judged. */
export interface Policy {
  /** `observe` turns every refusal into a warning; the others are in the rules already. */
  readonly profile: Profile;
  /** The logs that are asked; the first is written to. */
  readonly logs: readonly LogService[];
  readonly signing: {
    /** Where certificates come from for who signs with an identity token; without a slash at its end. */
    readonly fulcio: string | undefined;
    /** The whole addresses of timestamp authorities. */
    readonly timestamps: readonly string[];
  };
  readonly trust: readonly Trust[];
  /** For `ruleFor`: the floor before what is above it. */
  readonly rules: readonly RuleSet[];
  /** What holds where no image is in question. */
  readonly default: { readonly unseen: Unseen; readonly unknown: Unknown };
  readonly registries: readonly RegistryAccess[];
  /** How long one question to a log or registry may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The lock file's path in the build context, when the policy says one. */
  readonly lock?: string;
  /** How often the log is asked whether it contradicts the lock file. */
  readonly recheck: Recheck;
  /** Whether the image that was built carries the evidence. */
  readonly attest: boolean;
  /** The image that converts Dockerfiles; undefined for the built-in conversion. It is checked like every image. */
  readonly conversion?: Reference;
  /** Whether a syntax image that a Dockerfile itself names may convert it. */
  readonly syntax: Syntax;
  /** A TUF repository with newer trusted roots, when the policy says one. */
  readonly tuf?: string;
}

/** A policy that also knows where each of its parts was set, for messages. */
export interface EffectivePolicy extends Policy {
  readonly sources: Readonly<Record<keyof SingleSettings, Source>>;
  /** Where each log is named, by its URL; one that is not in here is where `sources.logs` says. */
  readonly logSources: ReadonlyMap<string, Source>;
}

/** A policy file and its name in messages. */
export interface PolicyText {
  readonly text: string;
  readonly name: string;
}

/** What a policy is read from. */
export interface PolicyInputs {
  /** The services of the signing configuration: what holds where nobody says another. */
  readonly services: SigningServices;
  /** The file in the frontend image. */
  readonly baked?: PolicyText | undefined;
  /** The file beside the Dockerfile. */
  readonly repository?: PolicyText | undefined;
  /** All build arguments by name; only those that begin with `TLOG_` are looked at. */
  readonly buildArgs: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 30_000;

/**
 * The policy of this build: the baked file, if there is one, as a floor; above it the repository's file, and in its
 * place where they say something the `TLOG_*` build arguments. Throws PolicyError.
 */
export async function readPolicy({
  services,
  baked,
  repository,
  buildArgs,
}: PolicyInputs): Promise<EffectivePolicy> {
  const floor = await readFile(baked, { services, isBaked: true, registries: [] });
  const named = floor?.registries?.value ?? [];
  const file = await readFile(repository, { services, isBaked: false, registries: named });
  const args = readBuildArgs(buildArgs, {
    services,
    registries: [...named, ...(file?.registries?.value ?? [])],
  });
  const above = withArgs(file ?? NO_SETTINGS, args);
  if (floor === undefined) return effective(above, { services, rules: [ruleSet(above)], args });
  const { settings, problems } = aboveFloor(floor, above, { services });
  throwProblems([...problems, ...passedOver(settings, args.writeTo), ...loosenedRules(floor, above)]);
  // A profile that the floor lets be loosened is no floor any more.
  const isFree = floor.mayLoosen.has("profile") && above.profile !== undefined;
  const lower = isFree && above.profile ? { ...floor, profile: above.profile } : floor;
  return effective(settings, { services, rules: [ruleSet(lower), ruleSet(above)], args });
}

function ruleSet({ profile, rules, default: otherwise, mayLoosen }: Settings): RuleSet {
  return { ...(profile && { profile }), rules, default: otherwise, mayLoosen };
}

async function readFile(
  file: PolicyText | undefined,
  surroundings: {
    services: SigningServices;
    isBaked: boolean;
    registries: readonly RegistryAccess[];
  },
): Promise<Settings | undefined> {
  if (file === undefined) return undefined;
  // Most builds have no file, and are not to wait for a YAML parser to load.
  const { readPolicyFile } = await import("./policy-file.ts");
  return readPolicyFile(file.text, { ...surroundings, name: file.name });
}

function effective(
  settings: Settings,
  { services, rules, args }: { services: SigningServices; rules: readonly RuleSet[]; args: ArgSettings },
): EffectivePolicy {
  const { lock, conversion, tuf } = settings;
  return {
    profile: settings.profile?.value ?? "default",
    logs: writtenFirst(settings.logs?.value ?? services.logs, args.writeTo),
    signing: {
      fulcio: settings.fulcio?.value ?? services.fulcio,
      timestamps: settings.timestamps?.value ?? services.timestamps,
    },
    trust: settings.trust?.value ?? [],
    rules,
    default: sayGenerally(rules),
    registries: settings.registries?.value ?? [],
    timeoutMs: settings.timeoutMs?.value ?? TIMEOUT_MS,
    ...(lock && { lock: lock.value }),
    recheck: settings.recheck?.value ?? "never",
    attest: settings.attest?.value ?? true,
    ...(conversion && { conversion: conversion.value }),
    syntax: settings.syntax?.value ?? "allow",
    ...(tuf && { tuf: tuf.value }),
    logSources: settings.logSources ?? new Map<string, Source>(),
    sources: Object.fromEntries(
      KEY_NAMES.map((name) => [name, settings[name]?.source ?? NOT_SET]),
    ) as EffectivePolicy["sources"],
  };
}

/** All logs are asked in any case; which of them is written to is for each build to say. */
function writtenFirst(logs: readonly LogService[], writeTo: ArgSettings["writeTo"]): readonly LogService[] {
  if (writeTo === undefined) return logs;
  const chosen = logs.filter(({ api }) => api === writeTo.value);
  if (chosen.length > 0) return [...chosen, ...logs.filter((log) => !chosen.includes(log))];
  throw new PolicyError({
    code: "wrong-value",
    place: `--build-arg ${writeTo.source}`,
    text: `the policy has no log of API ${writeTo.value}; name it with TLOG_REKOR_URL`,
  });
}

/**
 * The URLs of the logs whose records count, where somebody named logs; undefined where nobody did: then those of all
 * logs in the trusted root count, also of those that nobody writes to any more.
 */
export function namedLogs({
  logs,
  sources,
}: Pick<EffectivePolicy, "logs" | "sources">): readonly string[] | undefined {
  return sources.logs === NOT_SET ? undefined : logs.map(({ url }) => url);
}

/** Whether this `host[:port]` may be asked without TLS: it is this machine, or the policy names it so. */
export function allowsPlainHttp({ registries }: Pick<Policy, "registries">, host: string): boolean {
  return mayUsePlainHttp(host, registries);
}

/**
 * Throws PolicyError (`unknown-log`) when the policy names a log that is not among these, the base URLs of the trusted
 * root's logs: nothing that such a log says could ever be proven, and every tag would be unknown.
 */
export function checkLogsAreTrusted(
  { logs, logSources, sources }: Pick<EffectivePolicy, "logs" | "logSources" | "sources">,
  trusted: Iterable<string>,
): void {
  const known = [...trusted].map(plainUrl);
  const other = logs.find(({ url }) => !known.includes(plainUrl(url)));
  if (other === undefined) return;
  const source = logSources.get(other.url) ?? sources.logs;
  const has = known.length === 0 ? "it has none" : `it has ${known.map((url) => `"${url}"`).join(", ")}`;
  const text = `the log "${other.url}" is not in the trusted root, so nothing that it says can be proven (${has}); name one of these, or use a trusted_root.json with this log`;
  const place = source === NOT_SET ? { place: "signing_config.json" } : placeOf(source);
  throw new PolicyError({ code: "unknown-log", ...place, text });
}

/**
 * Whether the log is to be asked about what a lock file has already. `checked` is the day that the file says it was
 * checked on, and `today` is one too (UTC, `2026-11-21`): builders remember nothing between builds, so the file does.
 * A file that claims a day to come was not checked.
 */
export function isRecheckDue(
  recheck: Recheck,
  { checked, today }: { readonly checked: string | undefined; readonly today: string },
): boolean {
  switch (recheck) {
    case "never":
      return false;
    case "daily":
      return checked !== today;
    case "always":
      return true;
  }
}
