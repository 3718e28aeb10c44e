// SPDX-License-Identifier: Apache-2.0
import type { LogService, SigningServices } from "../log/signing-config.ts";
import { mayUsePlainHttp } from "./host.ts";
import { placeOf, type PolicyProblem } from "./policy-error.ts";
import { PROFILES } from "./rule.ts";
import {
  type Loosenable,
  RECHECKS,
  type RegistryAccess,
  type Setting,
  type Settings,
  type SingleSettings,
  type Source,
} from "./settings.ts";
import type { Trust } from "../record/signer.ts";
import { trustId } from "./trust.ts";

/** The `TLOG_*` build arguments take the place of what the repository's file says. */
export function withArgs(file: Settings, args: Settings): Settings {
  const registries = both(file.registries, args.registries);
  return {
    ...file,
    ...args,
    rules: file.rules,
    default: { ...file.default, ...args.default },
    mayLoosen: file.mayLoosen,
    ...(registries && { registries }),
  };
}

/** A host that an argument names is one more: what the file reaches stays reachable. */
function both(
  file: Setting<readonly RegistryAccess[]> | undefined,
  args: Setting<readonly RegistryAccess[]> | undefined,
): Setting<readonly RegistryAccess[]> | undefined {
  if (file === undefined || args === undefined) return args ?? file;
  const others = file.value.filter(({ host }) => args.value.every((each) => each.host !== host));
  return { value: [...others, ...args.value], source: args.source };
}

/** What the floor says of a setting, in which way the other is not let through; undefined when it is. */
type Objection = string | undefined;

const OBJECTIONS: {
  readonly [Key in keyof SingleSettings]?: (
    above: SingleSettings[Key],
    floor: SingleSettings[Key],
    source: Source,
  ) => Objection;
} = {
  profile: (above, floor) => looser(PROFILES, above, floor),
  logs: (above, floor) => {
    const other = above.find((log) => !floor.some((each) => sameLog(log, each)));
    const missing = floor.find((log) => !above.some((each) => sameLog(log, each)));
    const known = listed(floor.map(shownLog));
    if (other !== undefined) return `"${shownLog(other)}" is not the log ${known}`;
    // A log that is not asked cannot say that a tag moved.
    return missing && `the log "${shownLog(missing)}" is missing: the logs are ${known}`;
  },
  fulcio: (above, floor) =>
    above === floor ? undefined : `"${above}" is not the certificate authority "${floor}"`,
  timestamps: (above, floor) =>
    above.length === floor.length && above.every((url) => floor.includes(url))
      ? undefined
      : `${listed(above)} is not the timestamp authority ${listed(floor)}`,
  trust: (above, floor, source) => {
    // Whoever trusts fewer signers sees fewer records, and takes what moved for new: so the floor's list stands, and
    // what an argument names is asked for no more than to be in it.
    const other = above.find(
      (each) =>
        !floor.some((trust) => (isArg(source) ? trustId(each) === trustId(trust) : isWithin(each, trust))),
    );
    if (other === undefined) return undefined;
    return floor.some((trust) => trustId(trust) === trustId(other))
      ? `${shownSigner(other)} may do more than it may among the signers`
      : `${shownSigner(other)} is not among the signers`;
  },
  registries: (above, floor) => {
    const other = above.find(({ host, plainHttp }) => plainHttp && !mayUsePlainHttp(host, floor));
    return other && `"${other.host}" is not among the hosts for plain http`;
  },
  recheck: (above, floor) => looser(RECHECKS, above, floor),
  attest: (above, floor) => (floor && !above ? '"false" is looser than "true"' : undefined),
  tuf: (above, floor) => (above === floor ? undefined : `"${above}" is not the TUF repository "${floor}"`),
};

const ALLOWED_BY: Readonly<Partial<Record<keyof SingleSettings, Loosenable>>> = {
  profile: "profile",
  logs: "logs",
  fulcio: "signing",
  timestamps: "signing",
  trust: "trust",
  registries: "registries",
  recheck: "recheck",
  attest: "attest",
  tuf: "tuf",
};

/** The strictness of a word is all that may change: where records come from and who counts stays as it is. */
const MAY_TIGHTEN = new Set<keyof SingleSettings>(["profile", "recheck", "attest"]);

/**
 * The settings of the baked file with what is above it, and what of it would loosen or redirect what the file says.
 * What a baked file does not say, the others may; but it is not put into observe mode, and when it says who is
 * trusted the logs are settled too: in another log nothing may be known.
 */
export function aboveFloor(
  baked: Settings,
  above: Settings,
  { services }: { services: SigningServices },
): { readonly settings: Settings; readonly problems: readonly PolicyProblem[] } {
  const floor: Settings = {
    ...baked,
    ...(baked.trust &&
      services.logs.length > 0 && {
        logs: baked.logs ?? { value: services.logs, source: baked.trust.source },
      }),
  };
  const problems: PolicyProblem[] = [];
  const single = <Key extends keyof SingleSettings>(
    key: Key,
  ): { [_ in Key]?: Setting<SingleSettings[Key]> } => {
    // TypeScript does not follow a mapped type's key through the union.
    const low = floor[key] as Setting<SingleSettings[Key]> | undefined;
    const high = above[key] as Setting<SingleSettings[Key]> | undefined;
    if (high === undefined)
      return (low ? { [key]: low } : {}) as { [_ in Key]?: Setting<SingleSettings[Key]> };
    const allowed = ALLOWED_BY[key];
    if (low === undefined || allowed === undefined || floor.mayLoosen.has(allowed)) {
      return { [key]: high } as { [_ in Key]?: Setting<SingleSettings[Key]> };
    }
    const objection = OBJECTIONS[key]?.(high.value, low.value, high.source);
    if (objection !== undefined)
      problems.push(loosens(objection, { high: high.source, low: low.source, allowed }));
    const stands = MAY_TIGHTEN.has(key) && high.value !== low.value ? high : low;
    return { [key]: stands } as { [_ in Key]?: Setting<SingleSettings[Key]> };
  };
  if (floor.profile === undefined && above.profile?.value === "observe" && !floor.mayLoosen.has("profile")) {
    problems.push({
      code: "loosens",
      ...placeOf(above.profile.source),
      text: `"observe" would stop no build, and the baked policy does not say "profile: observe"; ${wayOut(above.profile.source, "profile")}`,
    });
  }
  const settings: Settings = {
    ...single("profile"),
    ...single("logs"),
    ...single("fulcio"),
    ...single("timestamps"),
    ...single("trust"),
    ...single("registries"),
    ...single("lock"),
    ...single("recheck"),
    ...single("attest"),
    ...single("tuf"),
    ...single("timeoutMs"),
    logSources: new Map([...(floor.logSources ?? []), ...(above.logSources ?? [])]),
    rules: above.rules,
    default: above.default,
    mayLoosen: floor.mayLoosen,
  };
  return { settings, problems };
}

/** The problem of something that the floor does not let through. */
export function loosens(
  objection: string,
  { high, low, allowed }: { high: Source; low: Source; allowed: Loosenable },
): PolicyProblem {
  const [, shape] = /^default: (.*)$/.exec(low) ?? [];
  const set = shape === undefined ? `${low} sets` : `is the default ("${shape}")`;
  const text = `${objection}, which ${set}; ${wayOut(high, allowed)}`;
  return { code: "loosens", ...placeOf(high), text };
}

function wayOut(source: Source, allowed: Loosenable): string {
  const it = isArg(source) ? "leave the argument out" : "leave it out";
  return `${it}, or change that file, which may allow it with "allow-looser: [${allowed}]"`;
}

function isArg(source: Source): boolean {
  return source.startsWith("TLOG_");
}

function looser<T extends string>(order: readonly T[], above: T, floor: T): Objection {
  return order.indexOf(above) < order.indexOf(floor) ? `"${above}" is looser than "${floor}"` : undefined;
}

function sameLog(one: LogService, other: LogService): boolean {
  return one.url === other.url && one.api === other.api;
}

function shownLog({ url, api }: LogService): string {
  return api === 1 ? url : `${url} (API ${api})`;
}

function isWithin(above: Trust, floor: Trust): boolean {
  return (
    trustId(above) === trustId(floor) &&
    [...above.may].every((each) => floor.may.has(each)) &&
    (above.tlogistry !== true || floor.tlogistry === true)
  );
}

function shownSigner({ signer }: Trust): string {
  switch (signer.kind) {
    case "key":
      return `the key "${signer.fingerprint}"`;
    case "identity":
      return `the identity "${signer.identity}" of "${signer.issuer}"`;
    case "identity-pattern":
      return `the pattern "${signer.pattern}" of "${signer.issuer}"`;
  }
}

function listed(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}
