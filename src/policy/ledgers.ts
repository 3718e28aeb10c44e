// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { parseReference } from "../image/reference.ts";
import { canonicalRegistry } from "../image/registry.ts";
import type { LedgerSource } from "../ledger/source.ts";
import { excerpt } from "../log/excerpt.ts";
import { type Permission, signerId, type Trust, type TrustedSigner } from "../record/signer.ts";
import { described, type FileReading, list, mapping, type Shape, text } from "./key.ts";
import { type KeyPath, whyRefused, WrongValue } from "./policy-error.ts";
import { joinTrust, readSigner, shownSigner, SIGNER_NAME } from "./trust.ts";

/** A build asks every ledger. */
const MAX_LEDGERS = 16;
const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
const DEFAULT_MAX_AGE_MS = 7 * DAY_MS;
const LONGEST_MS = 365 * DAY_MS;
const AGE = 'a number and "h" or "d", from "1h" to "365d"';

/** An entry of `ledgers`. */
export const LEDGER = {
  repository: text("the repository that has the ledger, as in image references, without a tag or a digest"),
  observer: mapping(
    SIGNER_NAME,
    "who signs the ledger's head; this signer's first sightings count, as with `may: [record]`",
  ),
  approvers: v.optional(
    list(mapping(SIGNER_NAME, "one signer"), {
      min: 0,
      description: "who approves and vouches in the ledger, as with `may: [approve, vouch]`",
    }),
  ),
  "max-age": v.optional(
    described(
      v.string(AGE),
      "how old the ledger's head may be: hours (`12h`) or days (`7d`), from `1h` to `365d`; `7d` when not given",
    ),
  ),
};

/** The value of `ledgers`. */
export const LEDGERS = list(mapping(LEDGER, "one ledger"), {
  min: 0,
  max: MAX_LEDGERS,
  description:
    "the ledgers that a build reads; not given, those of the frontend image; an empty list is none",
});

type LedgerShape = Shape<typeof LEDGER>;

/** Reads the entries of `ledgers`. */
export function readLedgers(
  entries: readonly LedgerShape[],
  { at, attempt }: Pick<FileReading, "at" | "attempt">,
): readonly LedgerSource[] {
  const sources: LedgerSource[] = [];
  for (const [index, entry] of entries.entries()) {
    const path: KeyPath = [...at, index];
    const read = (name: string, who: Shape<typeof SIGNER_NAME>, place: KeyPath = []) => {
      const whole = [...path, name, ...place];
      return attempt(who.key === undefined ? whole : [...whole, "key"], () => readSigner(who));
    };
    const repository = attempt([...path, "repository"], () => {
      const name = readRepository(entry.repository);
      if (sources.some((each) => each.repository === name)) throw new WrongValue(`"${name}" is there twice`);
      return name;
    });
    const observer = read("observer", entry.observer);
    const approvers: TrustedSigner[] = [];
    for (const [place, who] of (entry.approvers ?? []).entries()) {
      const approver = read("approvers", who, [place]);
      if (approver === undefined) continue;
      attempt([...path, "approvers", place], () => {
        if (approvers.some((each) => signerId(each) === signerId(approver)))
          throw new WrongValue("this signer is there twice");
      });
      approvers.push(approver);
    }
    const given = entry["max-age"];
    const maxAgeMs =
      given === undefined ? DEFAULT_MAX_AGE_MS : attempt([...path, "max-age"], () => readMaxAge(given));
    if (repository === undefined || observer === undefined || maxAgeMs === undefined) continue;
    sources.push({ repository, observer, approvers, maxAgeMs });
  }
  return sources;
}

function readRepository(written: string): string {
  const shown = excerpt(written, 200);
  let reference: ReturnType<typeof parseReference>;
  try {
    reference = parseReference(written);
  } catch (error) {
    throw new WrongValue(`"${shown}": ${whyRefused(error)}`);
  }
  if (/[:@]/.test(written.slice(written.lastIndexOf("/") + 1))) {
    throw new WrongValue(
      `"${shown}": a ledger is a whole repository; leave the tag or the digest out, as in "ghcr.io/acme/tlog-ledger"`,
    );
  }
  return `${canonicalRegistry(reference.registry)}/${reference.repository}`;
}

function readMaxAge(written: string): number {
  const [, count, unit] = /^([1-9]\d{0,3})([hd])$/.exec(written) ?? [];
  const age = Number(count) * (unit === "h" ? HOUR_MS : DAY_MS);
  if (age <= LONGEST_MS) return age;
  throw new WrongValue(`"${excerpt(written)}" is not ${AGE}`);
}

/** An age as the policy has it: `12h`, `7d`. */
export function shownMaxAge(ms: number): string {
  return ms % DAY_MS === 0 ? `${ms / DAY_MS}d` : `${ms / HOUR_MS}h`;
}

const OBSERVER_MAY: ReadonlySet<Permission> = new Set(["record"]);
const APPROVER_MAY: ReadonlySet<Permission> = new Set(["approve", "vouch"]);

/** The signers of these ledgers, one entry each: observers may record, approvers may approve and vouch. */
export function ledgerTrust(sources: readonly LedgerSource[]): readonly Trust[] {
  return joinTrust(
    sources.flatMap(({ observer, approvers }) => [
      { signer: observer, may: OBSERVER_MAY },
      ...approvers.map((signer) => ({ signer, may: APPROVER_MAY })),
    ]),
  );
}

/**
 * Why the floor refuses these ledgers: their signers are trusted, and a build that reads fewer of them sees fewer records. So
 * the floor's list stands, and only the age of the heads may be less.
 */
export function ledgersObjection(
  above: readonly LedgerSource[],
  floor: readonly LedgerSource[] = [],
): string | undefined {
  const other = above.find(({ repository }) => !floor.some((each) => each.repository === repository));
  if (other !== undefined) return `"${other.repository}" is not among the ledgers`;
  for (const low of floor) {
    const { repository } = low;
    const high = above.find((each) => each.repository === repository);
    if (high === undefined) return `the ledger "${repository}" is missing among the ledgers`;
    if (signerId(high.observer) !== signerId(low.observer))
      return `${shownSigner(high.observer)} is not the observer of "${repository}" among the ledgers`;
    const [more] = without(high.approvers, low.approvers);
    if (more !== undefined)
      return `${shownSigner(more)} is not an approver of "${repository}" among the ledgers`;
    const [fewer] = without(low.approvers, high.approvers);
    if (fewer !== undefined)
      return `${shownSigner(fewer)} is missing, an approver of "${repository}" among the ledgers`;
    if (high.maxAgeMs > low.maxAgeMs)
      return `"max-age: ${shownMaxAge(high.maxAgeMs)}" of "${repository}" is longer than ${shownMaxAge(low.maxAgeMs)} among the ledgers`;
  }
  return undefined;
}

/** Those of the one list that are not in the other. */
function without(one: readonly TrustedSigner[], other: readonly TrustedSigner[]): readonly TrustedSigner[] {
  return one.filter((signer) => !other.some((each) => signerId(each) === signerId(signer)));
}
