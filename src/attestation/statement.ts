// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { Digest } from "../image/digest.ts";
import { excerpt } from "../log/excerpt.ts";
import { EvidenceError } from "./error.ts";
import {
  ANY_EVIDENCE_TYPE,
  EVIDENCE_PREDICATE_TYPE,
  type EvidencePredicate,
  MAX_EVIDENCE_BYTES,
  parseEvidence,
} from "./predicate.ts";

/** The largest statement that is read: BuildKit writes characters of JSON such as `<` six times as long. */
export const MAX_EVIDENCE_STATEMENT_BYTES = MAX_EVIDENCE_BYTES + 512 * 1024;

/** An in-toto statement as BuildKit writes it around a predicate: of version 0.1 or 1. */
const Statement = v.object({
  _type: v.picklist(["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"]),
  predicateType: v.string(),
  subject: v.pipe(
    v.array(v.object({ digest: v.record(v.pipe(v.string(), v.maxLength(16)), v.string()) })),
    v.minLength(1, "is empty"),
    v.maxLength(1000),
  ),
  predicate: v.unknown(),
});

/**
 * Reads the statement that BuildKit made of our predicate, for the image's manifest of this digest. Throws
 * EvidenceError: "newer-version" for a predicate of another version, "wrong-image" when the statement is about another
 * manifest, "none" when it is no statement of ours, else "malformed" and "too-large". `place` is for messages.
 */
export function readEvidenceStatement(
  bytes: Uint8Array,
  { manifest, place }: { readonly manifest: Digest; readonly place: string },
): EvidencePredicate {
  const fail = (code: EvidenceError["code"], why: string, cause?: unknown) =>
    new EvidenceError(code, `read ${place}: ${why}`, { cause });
  if (bytes.length > MAX_EVIDENCE_STATEMENT_BYTES)
    throw fail("too-large", `it is longer than ${MAX_EVIDENCE_STATEMENT_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail("malformed", "it is not JSON in UTF-8", cause);
  }
  const parsed = v.safeParse(Statement, value, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw fail(
      "malformed",
      `it is no in-toto statement: "${excerpt(v.getDotPath(issue) ?? "statement", 160)}": ${excerpt(issue.message, 160)}`,
    );
  }
  const { predicateType, subject, predicate } = parsed.output;
  checkEvidenceType(predicateType, place);
  const [algorithm = "", hex = ""] = manifest.split(":");
  if (!subject.every(({ digest }) => digest[algorithm] === hex)) {
    const other = subject.find(({ digest }) => digest[algorithm] !== hex)?.digest[algorithm];
    throw fail(
      "wrong-image",
      `it is about another image (${other === undefined ? "without such a digest" : `${algorithm}:${excerpt(other, 130)}`}), so it was moved here`,
    );
  }
  return parseEvidence(predicate, place);
}

/** Throws EvidenceError for any other predicate type than that of the version which is read here. */
export function checkEvidenceType(predicateType: string, place: string): void {
  if (predicateType === EVIDENCE_PREDICATE_TYPE) return;
  const said = `"${excerpt(predicateType, 160)}"`;
  throw ANY_EVIDENCE_TYPE.test(predicateType)
    ? new EvidenceError(
        "newer-version",
        `read ${place}: it is of the version ${said}, and this tlog-dockerfile reads "${EVIDENCE_PREDICATE_TYPE}" only; verify with the one that it was built with, or a newer one`,
      )
    : new EvidenceError("none", `read ${place}: it is ${said}, and no evidence of ours`);
}
