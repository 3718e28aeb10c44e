// SPDX-License-Identifier: Apache-2.0
import type { Judgement, Outcome } from "../check/judgement.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import type { EvidenceError } from "../attestation/error.ts";
import type { EvidencePredicate } from "../attestation/predicate.ts";
import type { Report } from "./report-shape.ts";
import { reportTable } from "./report-text.ts";
import type { VerificationReport } from "./verification-shape.ts";

/** What became of the evidence of one platform's image. */
export interface VerifiedPlatform {
  readonly platform: string;
  /** Of the platform's own manifest. */
  readonly digest: string;
  readonly evidence:
    | { readonly kind: "judged"; readonly judged: JudgedEvidence }
    | { readonly kind: "refused"; readonly error: EvidenceError };
}

/** Evidence whose images are judged; one for all platforms that carry the same. */
export interface JudgedEvidence {
  readonly predicate: EvidencePredicate;
  readonly report: Report;
  /** Those of which the report was made. */
  readonly judgements: readonly Judgement[];
}

/** The report of a verification. `image` is what was verified, with its digest. */
export function verificationReport(
  image: Reference,
  platforms: readonly VerifiedPlatform[],
): VerificationReport {
  const reported: VerificationReport["platforms"] = platforms.map(({ platform, digest, evidence }) => {
    if (evidence.kind === "refused") {
      const { code, message } = evidence.error;
      return { platform, digest, evidence: code, outcome: "refuse", problem: message };
    }
    const { predicate, report } = evidence.judged;
    const { frontend, policy } = predicate;
    const outcome = outcomeOf(evidence.judged);
    const hidden = privateImages(predicate);
    return {
      platform,
      digest,
      evidence: "found",
      outcome,
      frontend,
      policy,
      private: hidden,
      report,
    };
  });
  return {
    version: 1,
    image: formatReference(image),
    outcome: worst(reported.map(({ outcome }) => outcome)),
    platforms: reported,
  };
}

/** The same as people read it: each platform, and below those with the same evidence the table of its images. */
export function verificationText(image: Reference, platforms: readonly VerifiedPlatform[]): string {
  const parts = [formatReference(image)];
  const shown = new Set<JudgedEvidence>();
  for (const { platform, digest, evidence } of platforms) {
    if (evidence.kind === "refused") {
      parts.push(`REFUSED  ${platform}  ${digest}\n  ${evidence.error.message}`);
      continue;
    }
    const { judged } = evidence;
    if (shown.has(judged)) continue;
    shown.add(judged);
    const same = platforms.filter(
      (each) => each.evidence.kind === "judged" && each.evidence.judged === judged,
    );
    parts.push(
      same.map((each) => headLine(each, judged)).join("\n"),
      reportTable(judged.report, judged.judgements),
    );
    const hidden = privateImages(judged.predicate);
    if (hidden > 0) parts.push(privateLine(hidden));
  }
  return `${parts.join("\n\n")}\n`;
}

const MARK = { pass: "ok", warn: "WARNING", refuse: "REFUSED" } as const;

function headLine({ platform, digest }: VerifiedPlatform, judged: JudgedEvidence): string {
  const { frontend, policy } = judged.predicate;
  return `${MARK[outcomeOf(judged)]}  ${platform}  ${digest}\n  built with ${frontend.name} ${frontend.version}, policy ${policy}`;
}

function privateLine(count: number): string {
  const images = count === 1 ? "1 image of the build is" : `${count} images of the build are`;
  return `WARNING  ${images} not named in the evidence, because the policy of the build keeps them private; nothing is known of them`;
}

function privateImages({ images }: EvidencePredicate): number {
  return images.filter(({ reference }) => reference === undefined).length;
}

function outcomeOf({ predicate, report }: JudgedEvidence): Outcome {
  return privateImages(predicate) > 0 ? worst([report.outcome, "warn"]) : report.outcome;
}

function worst(outcomes: readonly Outcome[]): Outcome {
  return (["refuse", "warn"] as const).find((each) => outcomes.includes(each)) ?? "pass";
}
