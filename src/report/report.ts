// SPDX-License-Identifier: Apache-2.0
import { formatReference, type Reference } from "../image/reference.ts";
import type { Signer } from "../record/signer.ts";
import type { Record } from "../record/verification.ts";
import { isoTime } from "./phrases.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { Rule } from "../policy/rule.ts";
import type { Judgement } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import { messageName } from "./message-name.ts";
import { progressLine } from "./messages.ts";
import type { Report, ReportedImage, ReportedRecord } from "./report-shape.ts";

/** Where a build names an image. */
export interface NamedImage {
  readonly reference: Reference;
  readonly platforms: readonly string[];
  readonly locations: readonly { readonly filename: string; readonly start: number; readonly end: number }[];
}

/** The report of a build: each judgement, with the lines and platforms of the image that it is about. */
export function makeReport(
  judgements: readonly Judgement[],
  {
    images,
    policy,
  }: {
    readonly images: readonly NamedImage[];
    readonly policy: Pick<EffectivePolicy, "profile" | "sources">;
  },
): Report {
  const named = new Map(images.map((image) => [formatReference(image.reference), image]));
  return {
    version: 1,
    outcome: worst(judgements),
    policy: { profile: policy.profile, sources: { ...policy.sources } },
    images: judgements.map((judgement) =>
      reportImage(judgement, named.get(formatReference(judgement.reference))),
    ),
  };
}

function worst(judgements: readonly Judgement[]): Report["outcome"] {
  const order = ["refuse", "warn", "pass"] as const;
  return order.find((outcome) => judgements.some((each) => each.outcome === outcome)) ?? "pass";
}

function reportImage(judgement: Judgement, image: NamedImage | undefined): ReportedImage {
  const { reference, namedBy, verdict, rule, outcome, rejected } = judgement;
  const { registry, repository, tag, digest } = reference;
  return {
    reference: formatReference({ registry, repository, ...(tag !== undefined && { tag }) }),
    ...(digest && { digest }),
    platforms: [...(image?.platforms ?? [])],
    verdict: verdict.kind,
    message: messageName(judgement),
    outcome,
    text: progressLine(judgement),
    rule: reportRule(rule),
    lines: (image?.locations ?? []).map(({ filename, start, end }) => ({ file: filename, start, end })),
    ...(namedBy && { namedBy: formatReference(namedBy) }),
    ...reportVerdict(verdict),
    rejected: Object.fromEntries(rejected),
  };
}

type VerdictFields = Pick<
  ReportedImage,
  "record" | "newer" | "superseded" | "served" | "until" | "reason" | "detail"
>;

function reportVerdict(verdict: Verdict): VerdictFields {
  switch (verdict.kind) {
    case "unchanged":
    case "first-seen":
      return { record: reportRecord(verdict.record) };
    case "approved":
      return { record: reportRecord(verdict.record), superseded: reportRecord(verdict.superseded) };
    case "moved":
      return {
        record: reportRecord(verdict.record),
        ...(verdict.newer && { newer: reportRecord(verdict.newer) }),
        ...(verdict.gone !== undefined && { detail: verdict.gone }),
      };
    case "pinned":
      return { record: reportRecord(verdict.record), served: verdict.served };
    case "too-new":
      return { record: reportRecord(verdict.record), until: isoTime(verdict.until) };
    case "unrecorded":
    case "unknown":
      return { reason: verdict.reason, ...(verdict.detail !== "" && { detail: verdict.detail }) };
    case "unpinned":
      return verdict.detail === "" ? {} : { detail: verdict.detail };
    case "exempt":
    case "by-digest":
      return {};
  }
}

function reportRecord(record: Record): ReportedRecord {
  const { digest, loggedAt, logUrl, logIndex, uuid, signer, strength, supersedes, reason } = record;
  return {
    digest,
    loggedAt: isoTime(loggedAt),
    log: logUrl,
    logIndex: String(logIndex),
    ...(uuid !== undefined && { uuid }),
    signer: reportSigner(signer),
    strength,
    ...(supersedes && { supersedes }),
    ...(reason !== undefined && { reason }),
  };
}

function reportSigner(signer: Signer): ReportedRecord["signer"] {
  switch (signer.kind) {
    case "key":
      return { kind: "key", fingerprint: signer.fingerprint };
    case "identity":
      return { kind: "identity", issuer: signer.issuer, identity: signer.identity };
  }
}

function reportRule({
  action,
  unseen,
  unknown,
  minAge,
  source,
  why,
}: Rule): NonNullable<ReportedImage["rule"]> {
  return { action, unseen, unknown, ...(minAge && { minAgeDays: minAge.days }), source, why };
}
