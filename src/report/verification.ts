// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { type Judgement, type Outcome, OUTCOMES, worstOf } from "../check/judgement.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { EVIDENCE_ERROR_CODES, type EvidenceError } from "../attestation/error.ts";
import type { EvidencePredicate } from "../attestation/predicate.ts";
import { described, text } from "../policy/key.ts";
import { MARK, reportTable } from "./report-text.ts";
import { type Report, ReportShape } from "./report.ts";

const ReportedPlatform = described(
  v.strictObject({
    platform: text("linux/amd64, …, as the image's index says it"),
    digest: text("Of this platform's own manifest"),
    evidence: described(
      v.picklist(["found", ...EVIDENCE_ERROR_CODES]),
      "found, or why there is none that could be judged",
    ),
    outcome: v.picklist(OUTCOMES),
    problem: v.exactOptional(text("What is wrong with the evidence, in one line")),
    frontend: v.exactOptional(
      described(v.strictObject({ name: v.string(), version: v.string() }), "What judged the build"),
    ),
    policy: v.exactOptional(text("The sha256 of the policy by which the build was judged")),
    private: v.exactOptional(
      described(
        v.pipe(v.number(), v.integer(), v.minValue(0)),
        "Images of the build that its policy keeps private; nothing is known of them",
      ),
    ),
    report: v.exactOptional(
      described(ReportShape, "The images of the build, judged by the policy in effect now"),
    ),
  }),
  "The image of one platform",
);

/** What `--call tlog.verify,format=json` prints, version 1. */
export const VerificationShape = v.pipe(
  v.strictObject({
    version: described(
      v.literal(1),
      "Of this format. Within it, fields are added and none is changed or taken away",
    ),
    image: text("What was verified, with its digest"),
    outcome: described(v.picklist(OUTCOMES), "The worst of the platforms' outcomes"),
    platforms: described(
      v.pipe(v.array(ReportedPlatform), v.readonly()),
      "Every platform of the image, or those that were asked for",
    ),
  }),
  v.title("tlog-dockerfile verification"),
);

export type VerificationReport = Readonly<v.InferOutput<typeof VerificationShape>>;

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
  /** Those that the report was made from. */
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
    outcome: worstOf(reported.map(({ outcome }) => outcome)),
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
  return privateImages(predicate) > 0 ? worstOf([report.outcome, "warn"]) : report.outcome;
}
