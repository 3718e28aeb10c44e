// SPDX-License-Identifier: Apache-2.0
import type { LedgerSource } from "../ledger/source.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import { type ArgSettings, readBuildArgs } from "./build-args.ts";
import { aboveFloor, loosenedRules, passedOver, withArgs, withDefaults } from "./floor.ts";
import { plainUrl } from "../log/json-api.ts";
import { mayUsePlainHttp } from "./address.ts";
import { KEY_NAMES, NO_SETTINGS, type Recheck, type Settings, type SingleSettings } from "./keys.ts";
import { placeOf, PolicyError, throwProblems } from "./policy-error.ts";
import type { FileContext } from "./policy-file.ts";
import { NOT_SET, type Rule, type Source } from "./rule.ts";
import { generalRule, type RuleSet } from "./rule-for.ts";

/** The keys that a policy has only when they are set. */
type Optional = "lock" | "conversion" | "cacheFrom" | "tuf";

/** The rules by which one build is judged, and where each part was set. The table of keys says what each key is. */
export interface EffectivePolicy
  extends Omit<SingleSettings, "fulcio" | "timestamps" | Optional>, Partial<Pick<SingleSettings, Optional>> {
  readonly signing: {
    /** The certificate authority for builds that sign with an identity token; without a slash at its end. */
    readonly fulcio: string | undefined;
    /** The whole addresses of timestamp authorities. */
    readonly timestamps: readonly string[];
  };
  /** Whether a policy is baked into the frontend image: then nothing above it loosens what it does not let. */
  readonly isBaked: boolean;
  /** For `ruleFor`: the floor before what is above it. */
  readonly rules: readonly RuleSet[];
  /** What holds where no image is in question. */
  readonly default: Pick<Rule, "unseen" | "unknown">;
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
  /** The services of the signing configuration: the defaults. */
  readonly services: SigningServices;
  /** The file in the frontend image. */
  readonly baked?: PolicyText | undefined;
  /** The file beside the Dockerfile. */
  readonly repository?: PolicyText | undefined;
  /** All build arguments by name; only those that begin with `TLOG_` are read. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** The names that the Dockerfile declares (`ARG TLOG_COLOUR`): those that are not ours are its own. */
  readonly declaredArgs?: ReadonlySet<string>;
  /** The variable `TLOG_LEDGERS` of the frontend image: the ledgers that are read where no file says which, as JSON. */
  readonly ledgers?: string | undefined;
}

/** The defaults, but for those of the services, which are in the signing configuration. */
const DEFAULTS = {
  profile: "default",
  trust: [],
  ledgers: [],
  registries: [],
  timeoutMs: 30_000,
  recheck: "never",
  attest: true,
  syntax: "allow",
} as const satisfies Partial<SingleSettings>;

/**
 * The policy of this build: the baked file, if there is one, as a floor; above it the repository's file, and in its
 * place where they say something the `TLOG_*` build arguments. Throws PolicyError.
 */
export async function readPolicy({
  services,
  baked,
  repository,
  buildArgs,
  declaredArgs,
  ledgers,
}: PolicyInputs): Promise<EffectivePolicy> {
  const own = await readFile(baked, { services, isBaked: true, registries: [] });
  const isBaked = own !== undefined;
  const defaults = { ...DEFAULTS, ...services, ledgers: await readDefaultLedgers(ledgers) };
  const floor = withDefaults(own, defaults);
  const named = floor.registries?.value ?? [];
  const file = await readFile(repository, { services, isBaked: false, registries: named });
  const args = readBuildArgs(buildArgs, {
    services,
    registries: [...named, ...(file?.registries?.value ?? [])],
    declared: declaredArgs,
  });
  const above = withArgs(file ?? NO_SETTINGS, args);
  const { settings, problems } = aboveFloor(floor, { above, isBaked });
  if (!isBaked) {
    throwProblems(problems);
    return effective(settings, { defaults, isBaked, rules: [ruleSet(above)], args });
  }
  throwProblems([...problems, ...passedOver(settings, args.writeTo), ...loosenedRules(floor, above)]);
  // A profile that may be loosened is no floor.
  const isFree = floor.mayLoosen.has("profile") && above.profile !== undefined;
  const lower = isFree && above.profile ? { ...floor, profile: above.profile } : floor;
  return effective(settings, { defaults, isBaked, rules: [ruleSet(lower), ruleSet(above)], args });
}

function ruleSet({ profile, rules, default: otherwise, mayLoosen }: Settings): RuleSet {
  return { ...(profile && { profile }), rules, default: otherwise, mayLoosen };
}

async function readFile(file: PolicyText | undefined, context: FileContext): Promise<Settings | undefined> {
  if (file === undefined) return undefined;
  // Most builds have no file, and are not to wait for a YAML parser to load.
  const { readPolicyFile } = await import("./policy-file.ts");
  return readPolicyFile(file.text, { ...context, name: file.name });
}

async function readDefaultLedgers(text: string | undefined): Promise<readonly LedgerSource[]> {
  if (text === undefined || text.trim() === "") return [];
  const { readImageLedgers } = await import("./image-ledgers.ts");
  return readImageLedgers(text);
}

type Defaults = Omit<typeof DEFAULTS, "ledgers"> & SigningServices & Pick<SingleSettings, "ledgers">;

function effective(
  settings: Settings,
  {
    defaults,
    isBaked,
    rules,
    args,
  }: { defaults: Defaults; isBaked: boolean; rules: readonly RuleSet[]; args: ArgSettings },
): EffectivePolicy {
  const set = KEY_NAMES.flatMap((name) => (settings[name] ? [[name, settings[name].value] as const] : []));
  // Each name has the value of its own row, which TypeScript cannot see in a list.
  const values = Object.fromEntries(set) as Partial<SingleSettings>;
  const { fulcio, timestamps, logs, ...others } = { ...defaults, ...values };
  const { unseen, unknown } = generalRule(rules);
  return {
    ...others,
    logs: writtenFirst(logs, args.writeTo),
    signing: { fulcio, timestamps },
    isBaked,
    rules,
    default: { unseen, unknown },
    logSources: settings.logSources ?? new Map<string, Source>(),
    sources: Object.fromEntries(
      KEY_NAMES.map((name) => [name, settings[name]?.source ?? NOT_SET]),
    ) as EffectivePolicy["sources"],
  };
}

/** All logs are asked in any case; each build may choose the one to write to. */
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
 * The URLs of the logs whose records count. Undefined when no logs are named: then the records of every log in the
 * trusted root count, also of retired ones.
 */
export function namedLogs({
  logs,
  sources,
}: Pick<EffectivePolicy, "logs" | "sources">): readonly string[] | undefined {
  return sources.logs === NOT_SET ? undefined : logs.map(({ url }) => url);
}

/** Whether the baked policy says that a log may hear of such an image, whatever its registry is called. */
export function isNamedAnywhere(
  rule: Pick<Rule, "private">,
  { isBaked }: Pick<EffectivePolicy, "isBaked">,
): boolean {
  // Above a floor nobody says it whom the floor does not let.
  return rule.private && isBaked;
}

/** Whether this `host[:port]` may be asked without TLS: it is this machine, or the policy names it so. */
export function allowsPlainHttp({ registries }: Pick<EffectivePolicy, "registries">, host: string): boolean {
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
  return recheck === "always" || (recheck === "daily" && checked !== today);
}
