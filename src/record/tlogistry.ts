// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { type Digest, type Sha256, sha256 } from "../image/digest.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import type { LogEntry } from "../log/entry.ts";
import { isCanonicalBase64 } from "../log/foreign-json.ts";
import { bundledEntry } from "./bundle.ts";
import { placeOf, readPayload } from "./candidate.ts";
import { refusal } from "./error.ts";
import { type NamedBody, readVerifier } from "./logged-body.ts";
import { DigestText } from "./manifest.ts";
import { checkLogIsNamed, proveCertificate, proveLogged } from "./proofs.ts";
import type { Claimed, RecordContext } from "./record.ts";
import { signerId } from "./signer.ts";
import { findSigner, type Granted } from "./trusted-signer.ts";

const KIND = { kind: "intoto", version: "0.0.1" } as const;
const PREDICATE_TYPE = "tlogistry-fetched";
/** tlogistry's statements have less than 500 bytes. */
const MAX_STATEMENT_BYTES = 8 * 1024;

// Such an entry keeps neither signature nor envelope, but the hash of the payload and who signed it.
const Body = v.object({
  spec: v.object({
    content: v.object({
      payloadHash: v.object({
        algorithm: v.literal("sha256"),
        value: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      }),
    }),
    publicKey: v.pipe(v.string(), v.nonEmpty(), v.check(isCanonicalBase64)),
  }),
});
const text = v.pipe(v.string(), v.maxLength(1024));
const Statement = v.object({
  predicateType: v.literal(PREDICATE_TYPE),
  subject: v.strictTuple([v.object({ name: text, digest: v.object({ sha256: text }) })]),
  predicate: v.object({ tag: text, digest: DigestText }),
});

/**
 * The digest under which a log's index finds what tlogistry wrote about a tag in 2022: sha256 of the tag's name with the
 * old name of the registry, `index.docker.io/library/alpine:3.16.0`.
 */
export function tlogistrySubjectHash(reference: Reference): Sha256 {
  return sha256(tlogistryName(reference));
}

function tlogistryName(reference: Reference): string {
  return taggedName(reference).replace(/^docker\.io\//, "index.docker.io/");
}

/** Whether an entry is of the kind that tlogistry wrote. */
export function isLegacy({ name }: NamedBody): boolean {
  return name === `${KIND.kind} ${KIND.version}`;
}

/**
 * What an entry that tlogistry wrote claims. The log keeps no signature of it, so only the log vouches that the statement
 * was signed. Everything else is proven as for any record. It has no time of observation either; the log's time takes its
 * place. Throws RecordError: "weaker-evidence" unless the policy lets tlogistry's entries count in this
 * identity's name, "not-a-sighting" for what others wrote in that kind.
 */
export function readLegacy(entry: LogEntry, { value }: NamedBody, context: RecordContext): Claimed {
  const place = placeOf(entry);
  const parsed = v.safeParse(Body, value, { abortEarly: true });
  if (!parsed.success) throw refusal(place, "not-a-sighting", "it is an old entry that keeps no statement");
  const { content, publicKey } = parsed.output.spec;
  const verifier = readVerifier(publicKey, place);
  const found = findSigner(verifier, context.trust);
  if ("stranger" in found || !found.tlogistry || found.signer.kind === "key") throw whyNot(entry, found);

  const { signer, may } = found;
  const loggedAt = new Date(entry.integratedTime * 1000);
  const { trustedRoot } = context;
  const payloadHash = content.payloadHash.value;
  const payload = readPayload(entry, { signer, verifier, payloadHash }, trustedRoot);
  const digest = readStatement(place, payload, context.subject);
  const bundled = bundledEntry(entry, KIND);
  checkLogIsNamed({ place, entry: bundled }, context.logs, trustedRoot);
  return {
    id: `${signerId(signer)} ${payloadHash}`,
    digest,
    loggedAt,
    logIndex: BigInt(entry.logIndex),
    prove() {
      proveCertificate({ place, signer, verifier }, [loggedAt], trustedRoot);
      return {
        reference: taggedName(context.subject),
        digest,
        platforms: [],
        observedAt: loggedAt,
        uuid: entry.uuid,
        ...proveLogged({ place, entry: bundled }, { api: 1, loggedAt }, trustedRoot),
        signer,
        may,
        strength: "tlogistry",
      };
    },
  };
}

function whyNot(entry: LogEntry, found: Granted | { readonly stranger: string }): Error {
  const place = placeOf(entry);
  const statement = v.safeParse(
    v.object({ predicateType: v.literal(PREDICATE_TYPE) }),
    statementIn(entry.attestation?.data),
  );
  if (statement.success)
    return refusal(place, "weaker-evidence", "it is of tlogistry, and the policy does not let that count");
  if (!("stranger" in found))
    return refusal(place, "not-a-sighting", "it is an old entry, and not of tlogistry");
  return refusal(place, "untrusted-signer", `it is signed with ${found.stranger}, which is not trusted here`);
}

/** The digest that a statement of tlogistry says the tag named. */
function readStatement(place: string, payload: string, subject: Reference): Digest {
  const value = statementIn(payload);
  const typed = v.safeParse(v.object({ predicateType: v.string() }), value);
  if (typed.success && typed.output.predicateType !== PREDICATE_TYPE)
    throw refusal(place, "not-a-sighting", "it is an old entry, and not of tlogistry");
  const statement = v.safeParse(Statement, value, { abortEarly: true });
  if (!statement.success) throw refusal(place, "malformed", "its statement is not as tlogistry wrote it");
  const [{ name, digest }] = statement.output.subject;
  const asked = tlogistryName(subject);
  const { predicate } = statement.output;
  if (name !== asked || predicate.tag !== asked)
    throw refusal(place, "wrong-subject", `it is not about "${asked}"`);
  if (sha256(name) !== `sha256:${digest.sha256}`)
    throw refusal(place, "malformed", "its subject has not the digest of its name");
  return predicate.digest;
}

function statementIn(data: string | undefined): unknown {
  const bytes = Buffer.from(data ?? "", "base64");
  if (bytes.length > MAX_STATEMENT_BYTES) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
