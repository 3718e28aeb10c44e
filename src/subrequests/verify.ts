// SPDX-License-Identifier: Apache-2.0
import { attachedContext } from "../check/brought-records.ts";
import type { CheckContext } from "../check/context.ts";
import { openCheck } from "../check/check.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { CallError } from "../gateway/status.ts";
import { textAnswer } from "./answer.ts";
import { type Digest, parseDigest } from "../image/digest.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import {
  codeOf,
  fetchEvidence,
  platformImages,
  type PlatformImage,
  type ServedImage,
} from "../attestation/image.ts";
import { excerpt } from "../log/excerpt.ts";
import { allowsPlainHttp } from "../policy/policy.ts";
import { EvidenceError } from "../attestation/error.ts";
import { evidenceReference, type EvidencePredicate } from "../attestation/predicate.ts";
import { makeReport } from "../report/report.ts";
import {
  foundEvidence,
  type VerifiedPlatform,
  verificationReport,
  verificationText,
} from "../report/verification.ts";

/** An image that cannot be verified. The message says why and what to do. */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
}

/** What is verified, and with what. */
export interface Verification {
  /** Undefined when none is named. */
  readonly image: Reference | undefined;
  /** As with `--platform`: those alone; all of the image's when there is none. */
  readonly platforms: readonly string[];
  readonly context: CheckContext;
}

/**
 * Verifies the evidence that an image carries about the images that it was built from: the encoded Result that answers
 * with a table, and with status 1 for evidence that is missing, is not of this image, or is refused by the policy. No
 * log is asked. Throws VerificationError for an image that could not be read, and CheckError when no signer is trusted.
 */
export async function verifyImage(
  bridge: Bridge,
  { image, platforms, context }: Verification,
): Promise<Uint8Array> {
  if (image === undefined) {
    throw new VerificationError(
      "verify an image: nothing says which; name it with --build-arg TLOG_IMAGE=registry.example/app:1",
    );
  }
  const digest = image.digest ?? (await resolve(bridge, image, platforms[0]));
  const reference = { ...image, digest };
  const name = formatReference(reference);
  const served = await openImage(reference, digest, context);
  let verified: readonly VerifiedPlatform[];
  try {
    verified = await verifyAll(served, { name, platforms, context });
  } catch (error) {
    throw explained(error, reference);
  }
  const report = verificationReport(reference, verified);
  return textAnswer({
    text: verificationText(report),
    json: report,
    status: report.outcome === "refuse" ? 1 : 0,
  });
}

/** The image in its registry, which the courier without secrets asks. */
async function openImage(
  { registry, repository }: Reference,
  digest: Digest,
  { policy, courier, deadline }: CheckContext,
): Promise<ServedImage> {
  const asking = await courier({ signing: false });
  const where = { registry, repository, plainHttp: allowsPlainHttp(policy, registry) };
  return {
    digest,
    async manifest(tag) {
      const served = await asking.manifest({ ...where, tag }, { signal: deadline() });
      if ("bytes" in served) return served.bytes;
      throw new Error("a digest came where nobody asked for it");
    },
    blob: (blob, maxBytes) => asking.blob({ ...where, digest: blob, maxBytes }, { signal: deadline() }),
  };
}

async function verifyAll(
  served: ServedImage,
  { name, platforms, context }: Omit<Verification, "image"> & { readonly name: string },
): Promise<readonly VerifiedPlatform[]> {
  let images: readonly PlatformImage[];
  try {
    images = chosen(await platformImages(served, `"${name}"`), platforms, name);
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return [{ platform: "every platform", digest: served.digest, ...refused(error) }];
  }
  const judgedOnes = new Map<string, ReturnType<typeof foundEvidence>>();
  const verified: VerifiedPlatform[] = [];
  for (const image of images) {
    const { platform, digest } = image;
    const place = `the evidence of "${name}" for ${platform}`;
    try {
      const predicate = await fetchEvidence(served, image, place);
      // BuildKit gives every platform the same.
      const key = JSON.stringify(predicate);
      const judged = judgedOnes.get(key) ?? (await judge(predicate, context, place));
      judgedOnes.set(key, judged);
      verified.push({ platform, digest, ...judged });
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      verified.push({ platform, digest, ...refused(error) });
    }
  }
  return verified;
}

/** The judgement on every image that the evidence names, by what it carries alone. Throws EvidenceError and CheckError. */
async function judge(
  predicate: EvidencePredicate,
  context: CheckContext,
  place: string,
): Promise<ReturnType<typeof foundEvidence>> {
  const { images } = predicate;
  const named = images.flatMap((image) => {
    const reference = evidenceReference(image, place);
    // The build may have used what the tag named before a later approval.
    return reference === undefined ? [] : [{ reference, platforms: image.platforms, claimed: true }];
  });
  const attached = await attachedContext(context, { images, place });
  const judgements = await openCheck(attached)(named);
  const places = named.map((image) => ({ ...image, locations: [] }));
  const report = makeReport(judgements, { images: places, policy: context.policy });
  return foundEvidence(predicate, report);
}

function refused({ code, message }: EvidenceError): Omit<VerifiedPlatform, "platform" | "digest"> {
  return { evidence: code, outcome: "refuse", problem: message };
}

/** The images of the platforms that were asked for. */
function chosen(
  images: readonly PlatformImage[],
  platforms: readonly string[],
  name: string,
): readonly PlatformImage[] {
  if (images.length === 0) throw new EvidenceError("none", `read "${name}": its index has no image`);
  const missing = platforms.find((asked) => !images.some((image) => isOf(image, asked)));
  if (missing !== undefined) {
    const list = images.map(({ platform }) => platform).join(", ");
    throw new VerificationError(
      `verify "${name}": it has no image for "${excerpt(missing)}"; it has them for ${list}`,
    );
  }
  return images.filter((image) => platforms.length === 0 || platforms.some((asked) => isOf(image, asked)));
}

/** `linux/arm64` is any variant of it; `linux/arm/v7` is that one. */
function isOf({ platform }: PlatformImage, asked: string): boolean {
  return platform === asked || platform.startsWith(`${asked}/`) || asked.startsWith(`${platform}/`);
}

async function resolve(bridge: Bridge, image: Reference, platform: string | undefined): Promise<Digest> {
  const name = formatReference(image);
  const [os = "", architecture = "", variant = ""] = platform?.split("/") ?? [];
  let answered: { readonly Digest: string };
  try {
    answered = await bridge.resolveImageConfig({
      Ref: name,
      // What the registry has, and not what this machine built or pulled once.
      ResolveMode: "pull",
      LogName: `[tlog] resolve ${name}`,
      ...(os && architecture && { Platform: { OS: os, Architecture: architecture, Variant: variant } }),
    });
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const said = error.message;
    const advice = /no match for platform/.test(said)
      ? "; name one that it has with --platform, or name the image by its digest"
      : "";
    throw new VerificationError(
      `verify "${name}": BuildKit does not resolve it: ${excerpt(said, 300)}${advice}`,
      { cause: error },
    );
  }
  return parseDigest(answered.Digest);
}

/** What failed, with what there is to do about it. */
function explained(error: unknown, image: Reference): unknown {
  const code = codeOf(error);
  if (!(error instanceof Error) || (code !== "needs-credentials" && code !== "not-found")) return error;
  const { registry, repository, digest } = image;
  const source = formatReference({ registry, repository, ...(digest && { digest }) });
  return new VerificationError(
    [
      `verify "${formatReference(image)}": ${error.message}`,
      "  evidence is fetched without anybody's credentials; copy the image, with all that is attached to it, to a",
      "  registry that shows it to everybody, such as one on this machine, and verify it there:",
      `  docker buildx imagetools create --tag localhost:5000/verify:1 ${source}`,
    ].join("\n"),
    { cause: error },
  );
}
