// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import * as v from "valibot";
import { type Sha256, sha256 } from "../image/digest.ts";
import { conform, isDeeper, parseJson } from "../log/foreign-json.ts";
import { LEDGER_TAG } from "./layout.ts";

/** What makes a statement a ledger's head. An identifier, never fetched; a change that old readers must not overlook gets another number. */
export const HEAD_PREDICATE_TYPE = "https://github.com/tlog-dockerfile/tlog-dockerfile/ledger-head/v1";

/** A head names no lines, so it is small whatever the ledger's size. */
const MAX_HEAD_BYTES = 8 * 1024;
const MAX_DEPTH = 8;

/** "This is all that my ledger has": what an observer signs and logs, once a run. */
export interface LedgerHead {
  /** The repository, canonical and without a tag: `ghcr.io/acme/tlog-ledger`. */
  readonly ledger: string;
  /** The heads of a ledger are numbered from 1 on. */
  readonly sequence: number;
  /** Of a sequence above 1: sha256 of the statement of the head before it, byte for byte. */
  readonly previous?: Sha256;
  /** sha256 of the ledger's content: of the text with its lines, or of the text that names its shards. */
  readonly content: Sha256;
  /** How many tags have lines in it, and how many lines there are. */
  readonly tags: number;
  readonly lines: number;
  /** When it was made, in whole seconds. */
  readonly madeAt: Date;
}

const Sha256Text = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, "is not a sha256"),
  v.transform((digest) => digest as Sha256),
);
const Subject = v.strictObject({
  name: v.pipe(v.string(), v.maxLength(1024)),
  digest: v.strictObject({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
});
const count = (from: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(from), v.maxValue(Number.MAX_SAFE_INTEGER));

/** The statement of a head. What is not a matter of shape is checked behind it. */
export const HeadShape = v.strictObject({
  _type: v.literal("https://in-toto.io/Statement/v1"),
  subject: v.strictTuple([Subject, Subject]),
  predicateType: v.literal(HEAD_PREDICATE_TYPE),
  // Unknown fields are let through, as in a sighting: a later version may add to what is said here.
  predicate: v.object({
    ledger: v.pipe(v.string(), v.maxLength(1024)),
    sequence: count(1),
    previous: v.exactOptional(Sha256Text),
    content: Sha256Text,
    tags: count(0),
    lines: count(0),
    madeAt: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
  }),
});

/** The digest under which a log's index finds the heads of a ledger: sha256 of its reference with the tag. */
function ledgerHash(ledger: string): Sha256 {
  return sha256(`${ledger}:${LEDGER_TAG}`);
}

function subjectsOf({ ledger, content }: Pick<LedgerHead, "ledger" | "content">): object[] {
  const subject = (name: string, digest: Sha256) => ({
    name,
    digest: { sha256: digest.slice("sha256:".length) },
  });
  return [subject(`${ledger}:${LEDGER_TAG}`, ledgerHash(ledger)), subject(ledger, content)];
}

/**
 * The head as the exact bytes to sign: an in-toto Statement v1 in canonical JSON (RFC 8785). Its first subject is the ledger's
 * reference under its own sha256, its second the content.
 */
export function headStatement({ madeAt, ...head }: LedgerHead): Uint8Array {
  return new TextEncoder().encode(
    json.canonicalize({
      _type: "https://in-toto.io/Statement/v1",
      subject: subjectsOf(head),
      predicateType: HEAD_PREDICATE_TYPE,
      predicate: { ...head, madeAt: `${madeAt.toISOString().slice(0, 19)}Z` },
    }),
  );
}

/**
 * Reads the payload of an envelope as a head, strictly: canonical JSON, both subjects as the predicate says. Says nothing
 * about who signed it. Throws what `fail` makes.
 */
export function parseHead(payload: Uint8Array, fail: (why: string, cause?: unknown) => Error): LedgerHead {
  if (payload.length > MAX_HEAD_BYTES) throw fail(`it is longer than ${MAX_HEAD_BYTES} bytes`);
  const value = parseJson(payload, fail);
  if (isDeeper(value, MAX_DEPTH)) throw fail(`it is nested deeper than ${MAX_DEPTH} levels`);
  if (json.canonicalize(value) !== Buffer.from(payload).toString("utf8"))
    throw fail("it is not canonical JSON");
  const { subject, predicate } = conform(HeadShape, value, fail, "head");
  if (json.canonicalize(subject) !== json.canonicalize(subjectsOf(predicate)))
    throw fail("its subjects are not the ledger and the content that its predicate names");
  const { sequence, previous } = predicate;
  if (sequence > 1 !== (previous !== undefined))
    throw fail('it has not both or neither of a "sequence" above 1 and a "previous"');
  const madeAt = new Date(predicate.madeAt);
  if (Number.isNaN(madeAt.getTime()) || `${madeAt.toISOString().slice(0, 19)}Z` !== predicate.madeAt)
    throw fail("it was made at a time that does not exist");
  return { ...predicate, madeAt };
}
