// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/check.ts";
import type { Verdict } from "../check/verdict.ts";
import { familiarName, formatReference, type Reference, taggedName } from "../image/reference.ts";
import { signerName } from "../record/signer.ts";
import type { Record } from "../record/verification.ts";

/** Every text that says a verdict to a person: one row a verdict. */
interface Row<Kind extends Verdict["kind"]> {
  /** One line for the build's progress. */
  readonly line: (reference: Reference, verdict: Extract<Verdict, { kind: Kind }>) => string;
  /** Why the build stops: the first line says it all, the others say since when and what to do. */
  readonly refusal?: (reference: Reference, verdict: Extract<Verdict, { kind: Kind }>) => readonly string[];
}

const ROWS: { readonly [Kind in Verdict["kind"]]: Row<Kind> } = {
  unchanged: {
    line: (image, { record }) =>
      `${taggedName(image)} unchanged since ${day(record)}: ${digestOf(image)} (${evidence(record)})`,
  },
  "first-seen": {
    line: (image, { record }) =>
      `${taggedName(image)} first seen, recorded: ${digestOf(image)} (${evidence(record)})`,
  },
  unrecorded: {
    line: (image, verdict) =>
      `${taggedName(image)} NOT RECORDED: ${digestOf(image)} (${whyUnrecorded(verdict)})`,
    refusal: (image, verdict) => [
      `tag "${taggedName(image)}" has no record in the log, and the policy refuses such tags (default.unseen: block)`,
      verdict.reason === "policy"
        ? `record it first with a build whose policy says "unseen: record", or name the image by digest:  ${byDigest(image)}`
        : `not recorded: ${whyUnrecorded(verdict)}`,
    ],
  },
  moved: {
    line: (image, { record }) =>
      `${taggedName(image)} MOVED: got ${digestOf(image)}, want ${record.digest} (${evidence(record)})`,
    refusal: (image, { record }) => [
      `tag "${taggedName(image)}" mismatch; got "${digestOf(image)}", want "${record.digest}"`,
      `recorded ${isoTime(record.loggedAt)} by ${signerName(record.signer)}, ${place(record)}`,
      "the tag has moved since; nothing of the new image was run",
      `keep the recorded image:  ${familiarName({ ...image, digest: record.digest })}`,
      `take the new one:         ${byDigest(image)}`,
    ],
  },
  "by-digest": {
    line: (image) => `${formatReference(image)} is named by digest: there is no tag that could move`,
  },
  unpinned: {
    line: (image) => `${formatReference(image)} UNPINNED: BuildKit gives no digest for it`,
    refusal: (image, { detail }) => [
      `image "${formatReference(image)}" cannot be judged: BuildKit gives no digest for it and would resolve the tag again when the build runs`,
      detail || "it seems to be in the local image store only, which has no digest that could be checked",
      "push it to a registry and name it there; Docker's containerd image store keeps digests of local images too",
    ],
  },
  unknown: {
    line: (image, { detail }) =>
      `${taggedName(image)} UNKNOWN: ${digestOf(image)} could not be checked: ${detail}`,
    refusal: (image, { detail }) => [
      `tag "${taggedName(image)}" could not be checked, so the build stops before it is used`,
      detail,
      `try again when the log answers, or name the image by digest:  ${byDigest(image)}`,
    ],
  },
};

/** The progress line of a judgement. */
export function progressLine({ reference, verdict, rejected }: Judgement): string {
  return [rowOf(verdict).line(reference, verdict), ignored(rejected)].filter(Boolean).join("; ");
}

/** The text of the one error that stops a build for these refused images, the first one's reason on the first line. */
export function refusalMessage(judgements: readonly Judgement[]): string {
  return judgements
    .flatMap(({ reference, verdict, rejected }) => {
      const row = rowOf(verdict);
      const [first = "", ...rest] = row.refusal?.(reference, verdict) ?? [row.line(reference, verdict)];
      return [first, ...[...rest, ignored(rejected)].filter(Boolean).map((line) => `  ${line}`)];
    })
    .join("\n");
}

/** The row of a verdict's own kind. TypeScript does not follow that the key decides the type of the row. */
function rowOf(verdict: Verdict): {
  line(reference: Reference, verdict: Verdict): string;
  refusal?(reference: Reference, verdict: Verdict): readonly string[];
} {
  return ROWS[verdict.kind] as ReturnType<typeof rowOf>;
}

function whyUnrecorded({ reason, detail }: Extract<Verdict, { kind: "unrecorded" }>): string {
  switch (reason) {
    case "no-signer":
      return "nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE";
    case "policy":
      return "the policy lets new tags through without a record";
    case "not-public":
      return `only what a registry shows to everybody is recorded: ${detail}`;
    case "registry-differs":
      return `the registry serves ${detail} for this tag: a local image, or a mirror that differs`;
  }
}

function ignored(rejected: ReadonlyMap<string, number>): string {
  const total = [...rejected.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0) return "";
  const reasons = [...rejected].map(([reason, count]) => `${count} ${reason}`).join(", ");
  const what =
    total === 1 ? "entry under this name in the log does" : "entries under this name in the log do";
  return `${total} ${what} not count (${reasons})`;
}

function evidence(record: Record): string {
  return `${place(record)}, ${isoTime(record.loggedAt)}, by ${signerName(record.signer)}`;
}

/** Where a record is in its log; entries of Rekor v2 have an index and no name. */
function place({ logIndex, uuid }: Record): string {
  return `log index ${logIndex}${uuid === undefined ? "" : `, entry ${uuid}`}`;
}

function digestOf(image: Reference): string {
  return image.digest ?? "no digest";
}

function byDigest({ registry, repository, digest }: Reference): string {
  return familiarName({ registry, repository, ...(digest && { digest }) });
}

function day(record: Record): string {
  return isoTime(record.loggedAt).slice(0, 10);
}

/** RFC 3339 in UTC with whole seconds, as the log gives it. */
function isoTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
