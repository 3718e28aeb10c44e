// SPDX-License-Identifier: Apache-2.0
import { formatReference } from "../image/reference.ts";
import type { LogService } from "../log/signing-config.ts";
import type { Trust } from "../record/signer.ts";
import { mayUsePlainHttp } from "./host.ts";
import { isArg } from "./policy-error.ts";
import { PROFILES } from "./rule.ts";
import { RECHECKS, SYNTAX, type SingleSettings, type Source } from "./settings.ts";
import { trustId } from "./trust.ts";

/** The beginning of a sentence that ends with where the floor says so; undefined where it lets the other through. */
type Objection = string | undefined;

/** What the floor's value of a setting has against the one above it; the last argument is where that was set. */
export const OBJECTIONS: {
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
  conversion: (above, floor) =>
    formatReference(above) === formatReference(floor)
      ? undefined
      : `"${formatReference(above)}" is not the conversion image "${formatReference(floor)}"`,
  syntax: (above, floor) => looser(SYNTAX, above, floor),
  tuf: (above, floor) => (above === floor ? undefined : `"${above}" is not the TUF repository "${floor}"`),
};

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
