// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { OUTCOMES, worstOf } from "../check/judgement.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { EVIDENCE_ERROR_CODES } from "../attestation/error.ts";
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
export type VerifiedPlatform = VerificationReport["platforms"][number];

/** That there is evidence, with the report of its images. */
export function foundEvidence(
  { frontend, policy, images }: EvidencePredicate,
  report: Report,
): Omit<VerifiedPlatform, "platform" | "digest"> {
  const hidden = images.filter(({ reference }) => reference === undefined).length;
  const outcome = hidden > 0 ? worstOf([report.outcome, "warn"]) : report.outcome;
  return { evidence: "found", outcome, frontend, policy, private: hidden, report };
}

/** The report of a verification. `image` is what was verified, with its digest. */
export function verificationReport(
  image: Reference,
  platforms: readonly VerifiedPlatform[],
): VerificationReport {
  const outcome = worstOf(platforms.map((each) => each.outcome));
  return { version: 1, image: formatReference(image), outcome, platforms };
}

/** The same as people read it: each platform, and below those that share a report the table of its images. */
export function verificationText({ image, platforms }: VerificationReport): string {
  const parts = [image];
  const shown = new Set<Report>();
  for (const { platform, digest, problem, report, private: hidden = 0 } of platforms) {
    if (report === undefined) parts.push(`REFUSED  ${platform}  ${digest}\n  ${problem ?? ""}`);
    if (report === undefined || shown.has(report)) continue;
    shown.add(report);
    const same = platforms.filter((each) => each.report === report);
    parts.push(same.map(headLine).join("\n"), reportTable(report));
    if (hidden > 0) parts.push(privateLine(hidden));
  }
  return `${parts.join("\n\n")}\n`;
}

function headLine({ platform, digest, outcome, frontend, policy }: VerifiedPlatform): string {
  return `${MARK[outcome]}  ${platform}  ${digest}\n  built with ${frontend?.name} ${frontend?.version}, policy ${policy}`;
}

function privateLine(count: number): string {
  const images = count === 1 ? "1 image of the build is" : `${count} images of the build are`;
  return `WARNING  ${images} not named in the evidence, because the policy of the build keeps them private; nothing is known of them`;
}
