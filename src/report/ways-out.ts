// SPDX-License-Identifier: Apache-2.0
import { familiarName, type Reference } from "../image/reference.ts";
import type { Digest } from "../image/digest.ts";
import type { Signer } from "../record/signer.ts";
import { isInDockerfile, type PlacedJudgement, writtenWith } from "./place.ts";

/** What a command must repeat of the build that is told of. All texts are safe to show, and to paste into a shell. */
export interface ToldBuild {
  /** The image of this frontend, as the build names it. */
  readonly frontend: string;
  /** The platforms that are built, when the build says it. */
  readonly platform: string | undefined;
  /** The arguments that set the policy, and those of them that cannot be repeated. */
  readonly policyArgs: readonly string[];
  readonly policyMissing: readonly string[];
  /** The other options, an argument of the command each. */
  readonly options: readonly string[];
  /** Those that cannot be repeated. */
  readonly missing: readonly string[];
  /** Where the build context is. */
  readonly context: string;
  /** Whether there is a lock file, by which the build is judged. */
  readonly hasLock: boolean;
  /** Whether the log that is written to has a search: otherwise only a lock file keeps what is written. */
  readonly isSearched: boolean;
}

/** Something to do about an image: a line that announces it, and what to write or to run. */
export type WayOut =
  /** Name it with the digest that its record has: it is built whatever the tag names. */
  | { readonly kind: "keep"; readonly digest: Digest }
  /** Approve this digest in the log, for all builds that trust the signer. */
  | { readonly kind: "approve"; readonly digest: Digest; readonly signer: Signer["kind"] }
  /** Have all tags of the Dockerfile recorded, and their records beside it. */
  | { readonly kind: "lock"; readonly saying: string; readonly isSigned: boolean }
  /** Name it by its digest alone: there is nothing to check then. `otherwise`: what else to do, where its rule blocks that. */
  | { readonly kind: "by-digest"; readonly saying: string; readonly otherwise?: string | undefined };

/** The way out that nearly every image has, behind another one. */
export function orByDigest(first?: string): WayOut {
  const saying = "or name the image by digest";
  return {
    kind: "by-digest",
    saying: first === undefined ? saying : `${first}, ${saying}`,
    otherwise: first,
  };
}

/** What goes below a line that announces it, such as a command. */
const INDENT = "  ";

/** Ways out of one kind that are told together have the same key; undefined: each is told with its own image. */
export function sharedKey(way: WayOut, judgement: PlacedJudgement): string | undefined {
  if (way.kind === "approve") return `approve ${way.signer} ${isGenerator(judgement)}`;
  return way.kind === "lock" ? `lock ${way.saying}` : undefined;
}

/** The lines of a way out of one image, or of several whose ways out have the same key. */
export function wayOutLines(
  ways: readonly { readonly way: WayOut; readonly judgement: PlacedJudgement }[],
  build: ToldBuild,
): string[] {
  const [first, ...others] = ways;
  if (first === undefined) return [];
  const { way, judgement } = first;
  switch (way.kind) {
    case "keep":
      return announced(
        "keep the recorded image:",
        writtenWith(judgement, way.digest, { withTag: judgement.reference.tag !== undefined }),
      );
    case "by-digest": {
      const { digest } = judgement.reference;
      if (digest === undefined) return [];
      if (judgement.rule.byDigest === "block") return way.otherwise === undefined ? [] : [way.otherwise];
      const saying = isInDockerfile(judgement) ? way.saying : way.saying.replace("Dockerfile", "build");
      return announced(`${saying}:`, writtenWith(judgement, digest, { withTag: false }));
    }
    case "lock":
      return announced(`${way.saying}:`, lockUpdate(way.isSigned ? [secretFor("key")] : [], build));
    case "approve":
      return announced("accept the new image for all builds that trust you:", [
        ...approval(judgement, way, build),
        ...others.map((each) => `and the same for ${approvedName(each)}`),
      ]);
  }
}

function announced(saying: string, lines: readonly string[]): string[] {
  return [saying, ...lines.map((line) => `${INDENT}${line}`)];
}

/**
 * An approval is about a tag alone, so its command needs nothing of the Dockerfile. One that the lock file has to keep
 * needs the whole build, because the file is for all of its tags.
 */
function approval(
  judgement: PlacedJudgement,
  way: Extract<WayOut, { kind: "approve" }>,
  build: ToldBuild,
): string[] {
  const { reference } = judgement;
  const asked = [`--build-arg TLOG_APPROVE=${withTag(reference)}@${way.digest}`, secretFor(way.signer)];
  // The lock file never has the generator: an update of it makes no bill of materials.
  const isInLock = build.hasLock && !isGenerator(judgement);
  if (isInLock || !build.isSearched) return lockUpdate(asked, build);
  const { frontend, platform, policyArgs, policyMissing } = build;
  const options = [
    "docker buildx build --call tlog -f -",
    `--build-arg BUILDKIT_SYNTAX=${frontend}`,
    ...policyArgs,
    ...(platform === undefined ? [] : [`--platform ${platform}`]),
    ...asked,
  ];
  return [...command(`echo 'FROM ${withTag(reference)}' |`, options, "."), ...missingLine(policyMissing)];
}

function isGenerator({ places = [] }: PlacedJudgement): boolean {
  return places.some(({ kind }) => kind === "generator");
}

function missingLine(missing: readonly string[]): string[] {
  return missing.length === 0 ? [] : [`and with this build's ${missing.join(", ")}`];
}

/** A signer that recorded the tag without a key has none to approve with. */
function secretFor(signer: Signer["kind"]): string {
  return signer === "key"
    ? "--secret id=tlog-signing-key,src=key.pem"
    : "--secret id=tlog-identity-token,src=token";
}

function approvedName({
  way,
  judgement,
}: {
  readonly way: WayOut;
  readonly judgement: PlacedJudgement;
}): string {
  return `${withTag(judgement.reference)}${"digest" in way ? `@${way.digest}` : ""}`;
}

function withTag({ registry, repository, tag = "latest" }: Reference): string {
  return `${familiarName({ registry, repository })}:${tag}`;
}

function lockUpdate(
  asked: readonly string[],
  { policyArgs, policyMissing, options, missing, context }: ToldBuild,
): string[] {
  return [
    ...command(
      "docker buildx build --build-arg TLOG_LOCK=update -o .",
      [...policyArgs, ...options, ...asked],
      context,
    ),
    ...missingLine([...policyMissing, ...missing]),
  ];
}

/** A command with an option in each line, which a shell reads as one. */
function command(first: string, options: readonly string[], last: string): string[] {
  const lines = [first, ...options.map((option) => `${INDENT}${option}`)];
  return lines.map((line, index) => (index === lines.length - 1 ? `${line} ${last}` : `${line} \\`));
}
