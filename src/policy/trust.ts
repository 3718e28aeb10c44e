// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import {
  parseIdentity,
  parseIdentityPattern,
  parsePublicKey,
  type Permission,
  signerId,
  type Trust,
  type TrustedSigner,
} from "../record/signer.ts";
import { choice, type FileReading, flag, list, type Objecting, type Shape, text } from "./key.ts";
import { isArg, WrongValue } from "./policy-error.ts";

/** What the records of a signer are good for. */
const PERMISSIONS = ["record", "approve", "vouch"] as const satisfies readonly Permission[];

/** What names a signer. `readSigner` checks which keys go together. */
export const SIGNER_NAME = {
  key: v.optional(text("a public key in PEM, P-256 or Ed25519; alone, without an issuer")),
  issuer: v.optional(
    text("the OpenID Connect issuer that vouches for the identity, as certificates have it: a URL"),
  ),
  identity: v.optional(
    text("the certificates' subject, an email address or a URI, compared whole, letter by letter"),
  ),
  "identity-pattern": v.optional(
    text(
      "instead of `identity`: `*` matches any characters but `/`, `**` any at all; the whole subject must match",
    ),
  ),
};

/** An entry of `trust`. */
export const SIGNER = {
  ...SIGNER_NAME,
  may: v.optional(
    list(choice(PERMISSIONS, "one permission"), {
      max: PERMISSIONS.length,
      description:
        "`record`: first sightings count; `approve`: may replace what stands; `vouch`: a tag that this signer recorded is not too new. `[record]` when not given",
    }),
  ),
  tlogistry: v.optional(
    flag("records that tlogistry wrote for this identity (in-toto 0.0.1) count too, as weaker evidence"),
  ),
};

type TrustShape = Shape<typeof SIGNER>;

/** Reads one entry of `trust`. Throws WrongValue and TrustError. */
function readTrust(entry: TrustShape): Trust {
  const signer = readSigner(entry);
  if (entry.tlogistry === true && signer.kind === "key")
    throw new WrongValue('"tlogistry" is for identities: tlogistry signed with certificates alone');
  return {
    signer,
    may: new Set(entry.may ?? ["record"]),
    ...(entry.tlogistry === true && { tlogistry: true }),
  };
}

/** Reads what names a signer. Throws WrongValue and TrustError. */
export function readSigner({
  key,
  issuer,
  identity,
  "identity-pattern": pattern,
}: Shape<typeof SIGNER_NAME>): TrustedSigner {
  const given = [key, issuer, identity, pattern].filter((each) => each !== undefined).length;
  if (key !== undefined && given === 1) return parsePublicKey(key);
  if (issuer !== undefined && identity !== undefined && given === 2)
    return parseIdentity({ issuer, identity });
  if (issuer !== undefined && pattern !== undefined && given === 2)
    return parseIdentityPattern({ issuer, pattern });
  throw new WrongValue(
    'a signer is "key" alone, or "issuer" together with "identity" or with "identity-pattern"',
  );
}

/** Identifies an entry, whatever it may do. */
function trustId({ signer }: Trust): string {
  return signerId(signer);
}

/** Reads the entries of `trust`. */
export function readSigners(entries: readonly TrustShape[], { at, attempt }: FileReading): readonly Trust[] {
  const trust: Trust[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = [...at, index];
    const read = attempt(entry.key === undefined ? path : [...path, "key"], () => readTrust(entry));
    if (read === undefined) continue;
    attempt(path, () => {
      if (trust.some((each) => trustId(each) === trustId(read)))
        throw new WrongValue("this signer is there twice; write one entry with all that it may");
    });
    trust.push(read);
  }
  return trust;
}

/** One entry for each signer, which may do all that the signer's entries allow; in their order. */
export function joinTrust(trust: readonly Trust[]): readonly Trust[] {
  return [...Map.groupBy(trust, trustId).values()].flatMap((entries) => {
    const [first, ...others] = entries;
    if (first === undefined || others.length === 0) return entries;
    return {
      signer: first.signer,
      may: new Set(entries.flatMap(({ may }) => [...may])),
      ...(entries.some(({ tlogistry }) => tlogistry) && { tlogistry: true }),
    };
  });
}

/** Whether the entry lets a signer do no more than the floor's entry does. */
function isWithin(above: Trust, floor: Trust): boolean {
  return (
    trustId(above) === trustId(floor) &&
    [...above.may].every((each) => floor.may.has(each)) &&
    (above.tlogistry !== true || floor.tlogistry === true)
  );
}

/**
 * Why the floor refuses these signers. A build that trusts fewer
 * signers sees fewer records, and a moved tag looks new to it: so the floor's list stands, and an argument only has to
 * name a signer in it.
 */
export function trustObjection(
  above: readonly Trust[],
  floor: readonly Trust[] = [],
  { source }: Objecting,
): string | undefined {
  const isSame = (one: Trust, trust: Trust) => trustId(one) === trustId(trust);
  const isAllowed = isArg(source) ? isSame : isWithin;
  const other = above.find((each) => !floor.some((trust) => isAllowed(each, trust)));
  if (other === undefined) return undefined;
  return floor.some((trust) => isSame(other, trust))
    ? `${shownSigner(other.signer)} may do more than it may among the signers`
    : `${shownSigner(other.signer)} is not among the signers`;
}

/** A signer as messages call it. */
export function shownSigner(signer: TrustedSigner): string {
  switch (signer.kind) {
    case "key":
      return `the key "${signer.fingerprint}"`;
    case "identity":
      return `the identity "${signer.identity}" of "${signer.issuer}"`;
    case "identity-pattern":
      return `the pattern "${signer.pattern}" of "${signer.issuer}"`;
  }
}
