// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { EVIDENCE_ERROR_CODES } from "../attestation/error.ts";
import { ReportShape } from "./report-shape.ts";

const text = (description: string) => v.pipe(v.string(), v.description(description));
const Outcome = v.picklist(["pass", "warn", "refuse"]);

const VerifiedPlatform = v.pipe(
  v.strictObject({
    platform: text("linux/amd64, …, as the image's index says it"),
    digest: text("Of this platform's own manifest"),
    evidence: v.pipe(
      v.picklist(["found", ...EVIDENCE_ERROR_CODES]),
      v.description("found, or why there is none that could be judged"),
    ),
    outcome: Outcome,
    problem: v.exactOptional(text("What is wrong with the evidence, in one line")),
    frontend: v.exactOptional(
      v.pipe(
        v.strictObject({ name: v.string(), version: v.string() }),
        v.description("What judged the build"),
      ),
    ),
    policy: v.exactOptional(text("The sha256 of the policy by which the build was judged")),
    private: v.exactOptional(
      v.pipe(
        v.number(),
        v.integer(),
        v.minValue(0),
        v.description("Images of the build that its policy keeps private; nothing is known of them"),
      ),
    ),
    report: v.exactOptional(
      v.pipe(ReportShape, v.description("The images of the build, judged by the policy in effect now")),
    ),
  }),
  v.description("The image of one platform"),
);

/** What `--call tlog.verify,format=json` prints, version 1. */
export const VerificationShape = v.pipe(
  v.strictObject({
    version: v.pipe(
      v.literal(1),
      v.description("Of this format. Within it, fields are added and none is changed or taken away"),
    ),
    image: text("What was verified, with its digest"),
    outcome: v.pipe(Outcome, v.description("The worst of the platforms' outcomes")),
    platforms: v.pipe(
      v.array(VerifiedPlatform),
      v.readonly(),
      v.description("Every platform of the image, or those that were asked for"),
    ),
  }),
  v.title("tlog-dockerfile verification"),
);

export type VerificationReport = Readonly<v.InferOutput<typeof VerificationShape>>;
